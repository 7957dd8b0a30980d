/* SPDX-License-Identifier: MIT */
/*
 * realtime_history.h – an earlier conversation, put into a Realtime session
 * as items: what was said and heard, as text (the service takes no audio of an
 * assistant), function calls and their outputs.
 *
 * Turns and utterances keep their ids where the service would take them. An
 * utterance that is still being heard is there as a whole; when it is
 * interrupted, one of what was heard takes its place. It cannot be truncated:
 * it has no audio.
 */
#ifndef CALLWORKER_REALTIME_HISTORY_H
#define CALLWORKER_REALTIME_HISTORY_H

#include "callworker/realtime_events.h"

struct history;

enum {
	REALTIME_HISTORY_ID_MAX = 32, /* bytes, as the service allows */
	REALTIME_HISTORY_OPEN_MAX = 16,
};

/* An item that was sent. */
struct realtime_history_item {
	char id[REALTIME_ID_SIZE];
	unsigned event; /* number of its event_id */
	bool there;     /* the service has it, or has refused it */
};

/* An utterance that may still be interrupted. */
struct realtime_history_open {
	char id[REALTIME_ID_SIZE];
	char *text;
	uint32_t total_ms;
};

/* Zero it to start. */
struct realtime_history {
	struct realtime_history_item *items;
	size_t count, missing;
	struct realtime_history_open open[REALTIME_HISTORY_OPEN_MAX];
	unsigned open_count;
	unsigned number; /* of the last event_id */
};

typedef int realtime_history_send_fn(const char *json, void *arg);

void realtime_history_free(struct realtime_history *rh);

/* Sends all of HISTORY. 0 or -errno. */
int realtime_history_send(struct realtime_history *rh,
    const struct history *history, realtime_history_send_fn *send, void *arg);

/* The service tells of an item, or refuses one. Whether it is one of these. */
bool realtime_history_event(
    struct realtime_history *rh, const struct realtime_event *ev);

/* The caller heard HEARD_MS of UTTERANCE and no more. False: it is none of
 * these. */
bool realtime_history_interrupted(struct realtime_history *rh,
    const char *utterance, uint32_t heard_ms, realtime_history_send_fn *send,
    void *arg);

#endif
