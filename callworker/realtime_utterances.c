/* SPDX-License-Identifier: MIT */
/*
 * realtime_utterances.c – a small table of audio items.
 *
 * Invariant: audio_end_ms is never larger than what was received, because the
 * service answers that with an error and keeps the whole item.
 */
#include "callworker/realtime_utterances.h"

#include "common/utf8.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
realtime_utterances_free(struct realtime_utterances *us)
{
	for (unsigned i = 0; i < REALTIME_UTTERANCES_MAX; i++)
		free(us->list[i].text);
	memset(us, 0, sizeof(*us));
}

struct realtime_utterance *
realtime_utterances_find(struct realtime_utterances *us, const char *item_id)
{
	if (item_id[0] == '\0')
		return NULL;
	for (unsigned i = 0; i < REALTIME_UTTERANCES_MAX; i++) {
		if (strcmp(us->list[i].id, item_id) == 0)
			return &us->list[i];
	}
	return NULL;
}

struct realtime_utterance *
realtime_utterances_get(struct realtime_utterances *us, const char *item_id,
    const char *response_id, int tag)
{
	struct realtime_utterance *u = realtime_utterances_find(us, item_id);

	if (u != NULL)
		return u;
	if (item_id[0] == '\0' || strlen(item_id) >= REALTIME_ID_SIZE ||
	    strlen(response_id) >= REALTIME_ID_SIZE)
		return NULL;
	u = &us->list[us->next];
	us->next = (us->next + 1) % REALTIME_UTTERANCES_MAX;
	free(u->text);
	memset(u, 0, sizeof(*u));
	snprintf(u->id, sizeof(u->id), "%s", item_id);
	snprintf(u->response_id, sizeof(u->response_id), "%s", response_id);
	u->tag = tag;
	return u;
}

void
realtime_utterance_add_text(struct realtime_utterance *u, const char *text)
{
	size_t len = strlen(text);
	char *grown;

	len = utf8_cut(text, len, REALTIME_TRANSCRIPT_MAX - u->text_len);
	grown = realloc(u->text, u->text_len + len + 1);
	if (grown == NULL)
		return;
	memcpy(grown + u->text_len, text, len);
	u->text = grown;
	u->text_len += len;
	u->text[u->text_len] = '\0';
}

void
realtime_utterance_set_text(struct realtime_utterance *u, const char *text)
{
	u->text_len = 0;
	realtime_utterance_add_text(u, text);
}

uint32_t
realtime_utterance_received_ms(const struct realtime_utterance *u)
{
	return (uint32_t)(u->received_len / G711_BYTES_PER_MS);
}

char *
realtime_utterance_interrupt(
    struct realtime_utterance *u, const char *event_id, uint32_t heard_ms)
{
	uint32_t received_ms = realtime_utterance_received_ms(u);

	u->cut = true;
	if (heard_ms > received_ms)
		heard_ms = received_ms;
	if (heard_ms > 0)
		return realtime_encode_truncate(
		    event_id, u->id, u->content_index, heard_ms);
	/* While it grows, deleting it would race with the service. */
	if (!u->ended) {
		u->delete_due = true;
		return NULL;
	}
	return realtime_encode_delete(event_id, u->id);
}
