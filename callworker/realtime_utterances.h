/* SPDX-License-Identifier: MIT */
/*
 * realtime_utterances.h – the audio items of a Realtime session: how much of
 * each the service has sent, what it says, and how it was cut.
 *
 * Over a WebSocket the service cannot know what was heard. It is told with
 * conversation.item.truncate; an item of which nothing was heard at all is
 * deleted instead, because truncating it to 0 ms is refused.
 */
#ifndef CALLWORKER_REALTIME_UTTERANCES_H
#define CALLWORKER_REALTIME_UTTERANCES_H

#include "callworker/realtime_events.h"

enum {
	REALTIME_UTTERANCES_MAX = 16,    /* remembered; the oldest goes */
	REALTIME_TRANSCRIPT_MAX = 16384, /* bytes of one, cut beyond */
};

struct realtime_utterance {
	char id[REALTIME_ID_SIZE];          /* of its item; "" free */
	char response_id[REALTIME_ID_SIZE]; /* of the response it is part of */
	int tag;
	int64_t content_index;
	uint64_t received_len; /* bytes of audio that the service sent */
	bool announced;        /* on_utterance was called */
	bool ended;            /* … and on_utterance_done */
	bool cut;              /* interrupted: its audio is dropped */
	bool delete_due;       /* nothing of it was heard, delete when ended */
	bool transcribed;      /* on_transcript was called */
	char *text;            /* transcript so far, or NULL */
	size_t text_len;
};

struct realtime_utterances {
	struct realtime_utterance list[REALTIME_UTTERANCES_MAX];
	unsigned next; /* the slot to be used next, oldest */
};

void realtime_utterances_free(struct realtime_utterances *us);

/* NULL when unknown. */
struct realtime_utterance *realtime_utterances_find(
    struct realtime_utterances *us, const char *item_id);

/* Finds or begins; NULL when ID is empty or too long to be one. */
struct realtime_utterance *realtime_utterances_get(
    struct realtime_utterances *us, const char *item_id,
    const char *response_id, int tag);

/* Adds a fragment of what is said, or sets the whole. */
void realtime_utterance_add_text(
    struct realtime_utterance *u, const char *text);
void realtime_utterance_set_text(
    struct realtime_utterance *u, const char *text);

/* Milliseconds of audio that the service has sent. */
uint32_t realtime_utterance_received_ms(const struct realtime_utterance *u);

/*
 * The caller heard HEARD_MS of U and no more. Returns the event to be sent
 * now, or NULL when none is needed (yet).
 */
char *realtime_utterance_interrupt(
    struct realtime_utterance *u, const char *event_id, uint32_t heard_ms);

#endif
