/* SPDX-License-Identifier: MIT */
/*
 * realtime_history.c – encodes a history, and keeps what may still change.
 *
 * Invariant: no two items have the same id, whatever the history says, and an
 * output comes after its call.
 */
#include "callworker/realtime_history.h"

#include "callworker/conversation.h"
#include "callworker/history.h"
#include "callworker/spoken.h"
#include "common/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
realtime_history_free(struct realtime_history *rh)
{
	for (unsigned i = 0; i < rh->open_count; i++)
		free(rh->open[i].text);
	free(rh->items);
	memset(rh, 0, sizeof(*rh));
}

static struct realtime_history_item *
find_item(struct realtime_history *rh, const char *id)
{
	for (size_t i = 0; i < rh->count; i++) {
		if (strcmp(rh->items[i].id, id) == 0)
			return &rh->items[i];
	}
	return NULL;
}

static bool
is_usable(const char *id)
{
	size_t len = strlen(id);

	return len > 0 && len <= REALTIME_HISTORY_ID_MAX &&
	       strspn(id, "abcdefghijklmnopqrstuvwxyz"
			  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			  "0123456789_-") == len;
}

static void
next_event_id(struct realtime_history *rh, char id_out[REALTIME_ID_SIZE])
{
	realtime_event_id(id_out, REALTIME_PURPOSE_HISTORY, ++rh->number);
}

/* The item's own id, or one that nobody else has. */
static void
choose_id(struct realtime_history *rh, const struct history_item *item,
    char id_out[REALTIME_ID_SIZE])
{
	if (is_usable(item->id) && find_item(rh, item->id) == NULL) {
		snprintf(id_out, REALTIME_ID_SIZE, "%s", item->id);
		return;
	}
	do
		snprintf(id_out, REALTIME_ID_SIZE, "past_%u", ++rh->number);
	while (find_item(rh, id_out) != NULL);
}

/* NULL: there is nothing to send of it, or no memory. */
static char *
encode(const struct history_item *item, const char *event_id, const char *id)
{
	switch (item->kind) {
	case HISTORY_CALLER:
	case HISTORY_TOLD:
		if (item->text[0] == '\0')
			return NULL;
		return realtime_encode_text(event_id, id, item->text);
	case HISTORY_VOICE:
		if (item->text[0] == '\0' ||
		    item->tag == CONVERSATION_TAG_ASIDE)
			return NULL;
		return realtime_encode_said(event_id, id, "", item->text);
	case HISTORY_CALL:
		return realtime_encode_call(
		    event_id, id, item->call_id, item->name, item->text);
	case HISTORY_OUTPUT:
		return realtime_encode_output(
		    event_id, id, item->call_id, item->text);
	}
	return NULL;
}

static void
keep_open(struct realtime_history *rh, const struct history_item *item,
    const char *id)
{
	struct realtime_history_open *open;

	if (item->kind != HISTORY_VOICE || item->over ||
	    strcmp(item->id, id) != 0 ||
	    rh->open_count == REALTIME_HISTORY_OPEN_MAX)
		return;
	open = &rh->open[rh->open_count];
	open->text = strdup(item->text);
	if (open->text == NULL)
		return;
	snprintf(open->id, sizeof(open->id), "%s", id);
	open->total_ms = item->total_ms;
	rh->open_count++;
}

static int
send_item(struct realtime_history *rh, const struct history_item *item,
    realtime_history_send_fn *send, void *arg)
{
	char event_id[REALTIME_ID_SIZE], id[REALTIME_ID_SIZE];
	char *json;
	int ret;

	choose_id(rh, item, id);
	next_event_id(rh, event_id);
	json = encode(item, event_id, id);
	if (json == NULL)
		return 0;
	ret = send(json, arg);
	free(json);
	if (ret != 0)
		return ret;
	snprintf(rh->items[rh->count].id, sizeof(rh->items[0].id), "%s", id);
	rh->items[rh->count].event = rh->number;
	rh->count++;
	rh->missing++;
	keep_open(rh, item, id);
	return 0;
}

int
realtime_history_send(struct realtime_history *rh,
    const struct history *history, realtime_history_send_fn *send, void *arg)
{
	int ret = 0;

	realtime_history_free(rh);
	if (history->count == 0)
		return 0;
	rh->items = calloc(history->count, sizeof(*rh->items));
	if (rh->items == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < history->count && ret == 0; i++)
		ret = send_item(rh, &history->items[i], send, arg);
	return ret;
}

static void
note_there(struct realtime_history *rh, struct realtime_history_item *item)
{
	if (!item->there)
		rh->missing--;
	item->there = true;
}

static struct realtime_history_item *
find_event(struct realtime_history *rh, const char *event_id)
{
	for (size_t i = 0; i < rh->count; i++) {
		char id[REALTIME_ID_SIZE];

		realtime_event_id(
		    id, REALTIME_PURPOSE_HISTORY, rh->items[i].event);
		if (strcmp(id, event_id) == 0)
			return &rh->items[i];
	}
	return NULL;
}

bool
realtime_history_event(
    struct realtime_history *rh, const struct realtime_event *ev)
{
	struct realtime_history_item *item = NULL;

	switch (ev->type) {
	case REALTIME_EVENT_ITEM_ADDED:
	case REALTIME_EVENT_ITEM_CREATED:
	case REALTIME_EVENT_ITEM_DONE:
		item = find_item(rh, ev->item_id);
		break;
	case REALTIME_EVENT_ERROR:
		if (realtime_event_id_purpose(ev->error_event_id) !=
		    REALTIME_PURPOSE_HISTORY)
			return false;
		log_warn("item of the history refused code=%s "
			 "message=\"%.200s\"",
		    ev->error_code, ev->error_message);
		item = find_event(rh, ev->error_event_id);
		if (item == NULL)
			return true;
		break;
	default:
		break;
	}
	if (item == NULL)
		return false;
	note_there(rh, item);
	return true;
}

static int
send_and_free(char *json, realtime_history_send_fn *send, void *arg)
{
	int ret = json == NULL ? -ENOMEM : send(json, arg);

	free(json);
	return ret;
}

/* The part of it that was heard takes its place, if there is any. */
static void
replace(struct realtime_history *rh, const struct realtime_history_open *open,
    uint32_t heard_ms, realtime_history_send_fn *send, void *arg)
{
	size_t len = spoken_heard_len(open->text, heard_ms, open->total_ms);
	char event_id[REALTIME_ID_SIZE], id[REALTIME_ID_SIZE];
	char *heard = strndup(open->text, len);
	int ret = heard == NULL ? -ENOMEM : 0;

	if (len > 0 && ret == 0) {
		next_event_id(rh, event_id);
		snprintf(id, sizeof(id), "heard_%u", rh->number);
		ret = send_and_free(
		    realtime_encode_said(event_id, id, open->id, heard), send,
		    arg);
	}
	if (ret == 0) {
		next_event_id(rh, event_id);
		ret = send_and_free(
		    realtime_encode_delete(event_id, open->id), send, arg);
	}
	if (ret != 0)
		log_warn("the voice does not know what was heard: %s",
		    strerror(-ret));
	free(heard);
}

bool
realtime_history_interrupted(struct realtime_history *rh, const char *utterance,
    uint32_t heard_ms, realtime_history_send_fn *send, void *arg)
{
	for (unsigned i = 0; i < rh->open_count; i++) {
		struct realtime_history_open open = rh->open[i];

		if (strcmp(open.id, utterance) != 0)
			continue;
		rh->open[i] = rh->open[--rh->open_count];
		replace(rh, &open, heard_ms, send, arg);
		free(open.text);
		return true;
	}
	return false;
}
