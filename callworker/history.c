/* SPDX-License-Identifier: MIT */
/*
 * history.c – entries of a journal, put together to items.
 *
 * Invariant: the items are in the order in which things happened, and there
 * is no output without its call before it. The journal is untrusted: it was
 * written by a process that has died of something.
 */
#include "callworker/history.h"

#include "callworker/conversation.h"
#include "callworker/conversation_texts.h"
#include "common/clock.h"
#include "common/journal.h"
#include "common/json.h"
#include "common/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NS_PER_MS = 1000000,
	PENDING_MAX = 256,
};

/* ---- items ------------------------------------------------------------ */

static void
clear_item(struct history_item *item)
{
	free(item->text);
	memset(item, 0, sizeof(*item));
}

/* A copy of at most MAX bytes, not cut inside a letter. NULL: no memory. */
static char *
copy_words(const char *text, size_t len, size_t max)
{
	return strndup(text, utf8_cut(text, len, max));
}

int
history_set_text(struct history *h, size_t i, const char *text, size_t len)
{
	char *copy = copy_words(text, len, HISTORY_WORDS_MAX);

	if (copy == NULL)
		return -ENOMEM;
	h->text_len -= strlen(h->items[i].text);
	free(h->items[i].text);
	h->items[i].text = copy;
	h->text_len += strlen(copy);
	return 0;
}

static struct history_pending *
find_pending(struct history *h, const char *id)
{
	for (size_t i = 0; i < h->pending_count; i++) {
		if (strcmp(h->pending[i].id, id) == 0)
			return &h->pending[i];
	}
	return NULL;
}

/* Its answer is still to come, and would be worth nothing without it. */
static bool
must_stay(struct history *h, const struct history_item *item)
{
	return item->kind == HISTORY_CALL &&
	       find_pending(h, item->call_id) != NULL;
}

/* An output whose call is among the FIRST items, which are about to go. */
static bool
lost_its_call(const struct history *h, size_t kept, size_t i)
{
	if (h->items[i].kind != HISTORY_OUTPUT)
		return false;
	for (size_t k = 0; k < kept; k++) {
		if (h->items[k].kind == HISTORY_CALL &&
		    strcmp(h->items[k].call_id, h->items[i].call_id) == 0)
			return false;
	}
	return true;
}

static void
drop_item(struct history *h, size_t i)
{
	h->text_len -= strlen(h->items[i].text);
	clear_item(&h->items[i]);
	h->dropped++;
}

/* Items are kept from the newest on, as many as fit. */
static void
bound(struct history *h, size_t items_max, size_t text_max)
{
	size_t first = h->count, text_len = 0, kept = 0;

	while (first > 0 && h->count - first < items_max &&
	       text_len + strlen(h->items[first - 1].text) <= text_max)
		text_len += strlen(h->items[--first].text);
	if (first == 0)
		return;
	for (size_t i = 0; i < h->count; i++) {
		bool stays = i >= first ? !lost_its_call(h, kept, i)
					: must_stay(h, &h->items[i]);

		if (!stays)
			drop_item(h, i);
		else if (kept++ != i) {
			h->items[kept - 1] = h->items[i];
			memset(&h->items[i], 0, sizeof(h->items[i]));
		}
	}
	h->count = kept;
}

void
history_bound(struct history *h)
{
	bound(h, HISTORY_ITEMS_MAX, HISTORY_TEXT_MAX);
}

/* Makes room for one more of SIZE bytes. 0 or -ENOMEM. */
static int
grow(void **list, size_t *room, size_t count, size_t size)
{
	size_t more = *room == 0 ? 16 : *room * 2;
	void *grown;

	if (count < *room)
		return 0;
	grown = reallocarray(*list, more, size);
	if (grown == NULL)
		return -ENOMEM;
	*list = grown;
	*room = more;
	return 0;
}

/* The item added last, with TEXT; NULL: no memory. */
static struct history_item *
add_item(
    struct history *h, enum history_kind kind, const char *id, const char *text)
{
	struct history_item *item;
	void *items = h->items;
	int ret;

	/* A journal is larger than what a voice is told: not all at once. */
	if (h->count >= 4 * HISTORY_ITEMS_MAX ||
	    h->text_len >= 16 * HISTORY_TEXT_MAX)
		bound(h, 2 * HISTORY_ITEMS_MAX, 8 * HISTORY_TEXT_MAX);
	ret = grow(&items, &h->room, h->count, sizeof(*h->items));
	h->items = items;
	if (ret != 0)
		return NULL;
	item = &h->items[h->count];
	memset(item, 0, sizeof(*item));
	item->kind = kind;
	item->text = copy_words(text, strlen(text), HISTORY_WORDS_MAX);
	if (item->text == NULL)
		return NULL;
	if (strlen(id) < sizeof(item->id))
		snprintf(item->id, sizeof(item->id), "%s", id);
	h->text_len += strlen(item->text);
	h->count++;
	return item;
}

/* The newest of that kind and id, or NULL. */
static struct history_item *
find_item(struct history *h, enum history_kind kind, const char *id)
{
	for (size_t i = h->count; i > 0 && id[0] != '\0'; i--) {
		struct history_item *item = &h->items[i - 1];

		if (item->kind == kind && strcmp(item->id, id) == 0)
			return item;
	}
	return NULL;
}

static size_t
index_of(const struct history *h, const struct history_item *item)
{
	return (size_t)(item - h->items);
}

/* ---- the caller ------------------------------------------------------- */

void
history_forget_turn(struct history *h, uint64_t from_ms)
{
	size_t kept = 0;

	for (size_t i = 0; i < h->count; i++) {
		if (h->items[i].kind == HISTORY_CALLER && h->items[i].open &&
		    h->items[i].since_ms >= from_ms) {
			h->text_len -= strlen(h->items[i].text);
			clear_item(&h->items[i]);
		} else if (kept++ != i) {
			h->items[kept - 1] = h->items[i];
			memset(&h->items[i], 0, sizeof(h->items[i]));
		}
	}
	h->count = kept;
}

static uint64_t
moment(const cJSON *body, const char *key)
{
	int64_t ms = json_int(body, key, 0);

	return ms < 0 ? 0 : (uint64_t)ms;
}

static uint32_t
milliseconds(const cJSON *body, const char *key)
{
	uint64_t ms = moment(body, key);

	return ms > UINT32_MAX ? 0 : (uint32_t)ms;
}

static int
take_caller(struct history *h, const cJSON *body, uint64_t at_ms)
{
	struct history_item *item;

	h->caller_talking = json_bool(body, "speaks", false);
	/* What one voice took for a turn another one did not hear. */
	if (json_bool(body, "none", false))
		return 0;
	h->asked_silent = false;
	h->heard_since_turn = false;
	/* Another voice has heard the same words: they are told once. */
	if (h->caller_talking && json_bool(body, "again", false))
		history_forget_turn(h, moment(body, "from_ms"));
	if (h->caller_talking) {
		uint64_t ago_ms = milliseconds(body, "ago_ms");

		h->talking_ms = at_ms > ago_ms ? at_ms - ago_ms : 0;
		return 0;
	}
	h->turn_owed = true;
	item = add_item(h, HISTORY_CALLER, json_string(body, "turn"), "");
	if (item == NULL)
		return -ENOMEM;
	item->open = true;
	item->since_ms = h->talking_ms;
	return 0;
}

/* The oldest turn of which nothing is known, not even its id; or NULL. */
static struct history_item *
find_nameless(struct history *h)
{
	for (size_t i = 0; i < h->count; i++) {
		struct history_item *item = &h->items[i];

		if (item->kind == HISTORY_CALLER && item->id[0] == '\0' &&
		    item->text[0] == '\0')
			return item;
	}
	return NULL;
}

static int
take_transcript(struct history *h, const cJSON *body)
{
	const char *text = json_string(body, "text");
	struct history_item *item =
	    find_item(h, HISTORY_CALLER, json_string(body, "id"));

	if (item == NULL)
		item = find_nameless(h);
	if (item != NULL)
		return history_set_text(
		    h, index_of(h, item), text, strlen(text));
	item = add_item(h, HISTORY_CALLER, json_string(body, "id"), text);
	if (item == NULL)
		return -ENOMEM;
	item->open = h->turn_owed;
	item->since_ms = h->talking_ms;
	return 0;
}

static int
take_told(struct history *h, const char *text)
{
	h->news = true;
	return add_item(h, HISTORY_TOLD, "", text) == NULL ? -ENOMEM : 0;
}

static int
take_dtmf(struct history *h, const cJSON *body)
{
	const char *digits = json_string(body, "digits");
	char text[128];

	h->asked_silent = false;
	/* That key is between the caller and us. */
	if (digits[0] == '\0' || strcmp(digits, CONVERSATION_PERSON_KEY) == 0)
		return 0;
	h->heard_since_turn = false;
	snprintf(text, sizeof(text), CONVERSATION_DTMF_TEXT, digits);
	return take_told(h, text);
}

static void
close_turn(struct history *h)
{
	h->turn_owed = false;
	for (size_t i = h->count; i > 0; i--)
		h->items[i - 1].open = false;
}

/* ---- the voice -------------------------------------------------------- */

static int
take_speaking(struct history *h, const cJSON *body)
{
	int tag = conversation_tag_find(json_string(body, "tag"));
	const char *id = json_string(body, "id");
	struct history_item *item;

	if (tag < 0 || id[0] == '\0' || find_item(h, HISTORY_VOICE, id) != NULL)
		return 0;
	item = add_item(h, HISTORY_VOICE, id, "");
	if (item == NULL)
		return -ENOMEM;
	item->tag = tag;
	if (tag == CONVERSATION_TAG_ASIDE)
		return 0;
	item->answers = h->turn_owed;
	item->tells = h->news;
	close_turn(h);
	h->news = false;
	h->heard_since_turn = true;
	h->asked_silent = tag == CONVERSATION_TAG_STILL_THERE;
	if (tag == CONVERSATION_TAG_NO_PERSON)
		h->no_person = false;
	if (tag == CONVERSATION_TAG_ANSWER)
		h->troubles = 0;
	else if (tag == CONVERSATION_TAG_TROUBLE)
		h->troubles++;
	return 0;
}

static int
add_words(struct history *h, struct history_item *item, const char *more)
{
	char *text;
	int ret = -ENOMEM;

	if (asprintf(&text, "%s%s", item->text, more) < 0)
		return ret;
	ret = history_set_text(h, index_of(h, item), text, strlen(text));
	free(text);
	return ret;
}

static int
take_words(struct history *h, const cJSON *body, bool all)
{
	struct history_item *item =
	    find_item(h, HISTORY_VOICE, json_string(body, "id"));
	const char *text = json_string(body, "text");

	if (item == NULL || item->over)
		return 0;
	if (!all)
		return add_words(h, item, text);
	return history_set_text(h, index_of(h, item), text, strlen(text));
}

static int
take_heard(struct history *h, const cJSON *body, bool aside)
{
	const char *heard = json_string(body, "heard");
	struct history_item *item =
	    find_item(h, HISTORY_VOICE, json_string(body, "id"));

	if (item == NULL && (heard[0] == '\0' || aside))
		return 0;
	if (item == NULL)
		item =
		    add_item(h, HISTORY_VOICE, json_string(body, "id"), heard);
	if (item == NULL)
		return -ENOMEM;
	item->over = item->recorded = true;
	item->heard_ms = milliseconds(body, "heard_ms");
	item->total_ms = milliseconds(body, "total_ms");
	return history_set_text(h, index_of(h, item), heard, strlen(heard));
}

static void
take_broken(struct history *h, const cJSON *body)
{
	struct history_item *item =
	    find_item(h, HISTORY_VOICE, json_string(body, "id"));

	if (item != NULL)
		item->broken = true;
}

void
history_unsay(struct history *h, size_t i)
{
	struct history_item *item = &h->items[i];

	item->over = true;
	h->text_len -= strlen(item->text);
	item->text[0] = '\0';
	h->turn_owed = h->turn_owed || item->answers;
	h->news = h->news || item->tells;
	if (!item->answers)
		return;
	/* The last turn before it has no answer after all. */
	while (i > 0 && h->items[i - 1].kind == HISTORY_CALLER)
		h->items[--i].open = true;
}

/* ---- tools and persons ------------------------------------------------ */

static void
clear_pending(struct history_pending *pending)
{
	free(pending->arguments);
	memset(pending, 0, sizeof(*pending));
}

static int
add_pending(struct history *h, const char *id, const char *name,
    const char *arguments, uint64_t since_ms, bool own)
{
	struct history_pending *pending;
	void *list = h->pending;
	int ret;

	if (h->pending_count >= PENDING_MAX || id[0] == '\0' ||
	    strlen(id) >= sizeof(pending->id) ||
	    strlen(name) >= sizeof(pending->name) ||
	    find_pending(h, id) != NULL)
		return 0;
	ret = grow(&list, &h->pending_room, h->pending_count, sizeof(*pending));
	h->pending = list;
	if (ret != 0)
		return ret;
	pending = &h->pending[h->pending_count];
	memset(pending, 0, sizeof(*pending));
	snprintf(pending->id, sizeof(pending->id), "%s", id);
	snprintf(pending->name, sizeof(pending->name), "%s", name);
	pending->arguments = strdup(arguments);
	if (pending->arguments == NULL)
		return -ENOMEM;
	pending->since_ms = since_ms;
	pending->own = pending->requested = own;
	h->pending_count++;
	return 0;
}

static void
drop_pending(struct history *h, struct history_pending *pending)
{
	struct history_pending *end;

	clear_pending(pending);
	end = &h->pending[--h->pending_count];
	memmove(
	    pending, pending + 1, (size_t)(end - pending) * sizeof(*pending));
	memset(end, 0, sizeof(*end));
}

static bool
is_known_call(const struct history *h, const char *call_id)
{
	for (size_t i = h->count; i > 0; i--) {
		if (h->items[i - 1].kind == HISTORY_CALL &&
		    strcmp(h->items[i - 1].call_id, call_id) == 0)
			return true;
	}
	return false;
}

static int
take_call(struct history *h, const cJSON *body, uint64_t at_ms)
{
	const char *id = json_string(body, "id");
	const char *name = json_string(body, "name");
	const char *arguments = json_string(body, "arguments");
	struct history_item *item;

	if (id[0] == '\0' || strlen(id) >= sizeof(item->call_id) ||
	    name[0] == '\0' || strlen(name) >= TOOL_NAME_SIZE ||
	    strlen(arguments) > TOOL_ARGUMENTS_MAX || is_known_call(h, id))
		return 0;
	close_turn(h);
	/* Cut in the middle they would be no arguments any more. */
	item = add_item(h, HISTORY_CALL, "",
	    strlen(arguments) <= HISTORY_WORDS_MAX ? arguments : "{}");
	if (item == NULL)
		return -ENOMEM;
	snprintf(item->call_id, sizeof(item->call_id), "%s", id);
	snprintf(item->name, sizeof(item->name), "%s", name);
	return add_pending(h, id, name, arguments, at_ms, false);
}

/* From here on a successor asks for the same again. */
static int
take_request(struct history *h, const cJSON *body, uint64_t at_ms)
{
	struct history_pending *pending =
	    find_pending(h, json_string(body, "id"));
	char *arguments;

	if (pending == NULL || pending->own)
		return 0;
	arguments = strdup(json_string(body, "arguments"));
	if (arguments == NULL)
		return -ENOMEM;
	free(pending->arguments);
	pending->arguments = arguments;
	pending->requested = true;
	pending->since_ms = at_ms;
	return 0;
}

static int
take_result(struct history *h, const cJSON *body)
{
	struct history_pending *pending =
	    find_pending(h, json_string(body, "id"));
	struct history_item *item;

	if (pending == NULL || pending->own)
		return 0;
	item = add_item(h, HISTORY_OUTPUT, "", json_string(body, "output"));
	if (item == NULL)
		return -ENOMEM;
	snprintf(item->call_id, sizeof(item->call_id), "%s", pending->id);
	drop_pending(h, pending);
	/* Of what was withdrawn, or not made, nobody need speak. */
	if (strcmp(json_string(body, "status"),
		tool_status_name(TOOL_STATUS_CANCELLED)) != 0)
		h->news = true;
	return 0;
}

static bool
is_failure(const char *status)
{
	return strcmp(status, tool_status_name(TOOL_STATUS_OK)) != 0 &&
	       strcmp(status, tool_status_name(TOOL_STATUS_CANCELLED)) != 0;
}

static int
take_note(struct history *h, const cJSON *body, uint64_t at_ms)
{
	const char *what = json_string(body, "what");
	const char *id = json_string(body, "id");
	struct history_pending *pending;

	if (strcmp(what, "told") == 0) {
		h->no_person = false;
		return take_told(h, json_string(body, "text"));
	}
	if (strcmp(what, "person") != 0)
		return 0;
	pending = find_pending(h, id);
	if (pending != NULL && pending->own &&
	    json_string(body, "status")[0] != '\0') {
		drop_pending(h, pending);
		h->no_person = is_failure(json_string(body, "status"));
	}
	if (json_string(body, "reason")[0] == '\0')
		return 0;
	h->no_person = false;
	h->persons++;
	return add_pending(
	    h, id, "person", json_string(body, "reason"), at_ms, true);
}

/* ---- the journal ------------------------------------------------------ */

static void
take_state(struct history *h, const cJSON *body, uint64_t at_ms)
{
	const char *to = json_string(body, "to");
	const char *why = json_string(body, "why");
	bool secret = strcmp(to, CONVERSATION_STATE_SECRET) == 0;

	if (secret || strcmp(to, CONVERSATION_STATE_HEARD) == 0) {
		h->secret = secret;
		h->secret_ms = at_ms;
		return;
	}
	if (strcmp(to, "leaving") == 0 ||
	    (strcmp(to, "over") == 0 && strcmp(why, "voice") == 0))
		snprintf(h->leaving, sizeof(h->leaving), "%s", why);
}

static void
take_usage(struct history *h, const cJSON *body)
{
	int64_t value;

#define X(member)                                                              \
	value = json_int(body, #member, 0);                                    \
	if (value > 0 && h->usage.member < INT64_MAX - value)                  \
		h->usage.member += value;
	VOICE_USAGE(X)
#undef X
}

static int
take_body(struct history *h, unsigned type, const cJSON *body, uint64_t at_ms)
{
	switch (type) {
	case JOURNAL_STATE:
		take_state(h, body, at_ms);
		return 0;
	case JOURNAL_CALLER:
		return take_caller(h, body, at_ms);
	case JOURNAL_USER:
		return take_transcript(h, body);
	case JOURNAL_SPEAKING:
		return take_speaking(h, body);
	case JOURNAL_WORDS:
		return take_words(h, body, false);
	case JOURNAL_ASSISTANT:
		return take_words(h, body, true);
	case JOURNAL_HEARD:
		return take_heard(h, body, false);
	case JOURNAL_ASIDE:
		return take_heard(h, body, true);
	case JOURNAL_BROKEN:
		take_broken(h, body);
		return 0;
	case JOURNAL_TOOL_CALL:
		return take_call(h, body, at_ms);
	case JOURNAL_TOOL_REQUEST:
		return take_request(h, body, at_ms);
	case JOURNAL_TOOL_RESULT:
		return take_result(h, body);
	case JOURNAL_DTMF:
		return take_dtmf(h, body);
	case JOURNAL_NOTE:
		return take_note(h, body, at_ms);
	case JOURNAL_FULL:
		h->cut = true;
		return 0;
	case JOURNAL_USAGE:
		take_usage(h, body);
		return 0;
	default: /* for others, or of a later build */
		return 0;
	}
}

/* Whether somebody was heard, or something ran. */
static bool
is_sign(unsigned type)
{
	return type == JOURNAL_CALLER || type == JOURNAL_SPEAKING ||
	       type == JOURNAL_WORDS || type == JOURNAL_HEARD ||
	       type == JOURNAL_DTMF || type == JOURNAL_TOOL_CALL ||
	       type == JOURNAL_TOOL_RESULT;
}

static int
take_entry(struct history *h, const struct journal_entry *entry)
{
	uint64_t at_ms = entry->mono_ns / NS_PER_MS, now_ms = clock_now_ms();
	cJSON *body = json_parse(entry->body, entry->body_len);
	int ret = 0;

	/* Nothing happened in the future. */
	if (at_ms > now_ms)
		at_ms = now_ms;
	if (is_sign(entry->type))
		h->sign_ms = at_ms;
	if (cJSON_IsObject(body))
		ret = take_body(h, entry->type, body, at_ms);
	cJSON_Delete(body);
	return ret;
}

int
history_read(struct history **history_out, int journal_fd)
{
	struct journal_reader *reader = NULL;
	struct journal_entry entry;
	struct history *h;
	int ret = journal_reader_new(&reader, journal_fd);

	*history_out = NULL;
	if (ret < 0)
		return ret;
	h = calloc(1, sizeof(*h));
	ret = h == NULL ? -ENOMEM : 0;
	while (ret == 0 && journal_reader_next(reader, &entry) > 0)
		ret = take_entry(h, &entry);
	journal_reader_free(&reader);
	if (ret != 0)
		history_free(&h);
	*history_out = h;
	return ret;
}

void
history_free(struct history **history)
{
	struct history *h = *history;

	if (h == NULL)
		return;
	for (size_t i = 0; i < h->count; i++)
		clear_item(&h->items[i]);
	for (size_t i = 0; i < h->pending_count; i++)
		clear_pending(&h->pending[i]);
	free(h->items);
	free(h->pending);
	free(h);
	*history = NULL;
}
