/* SPDX-License-Identifier: MIT */
/*
 * realtime_asides.h – a text said beside the default conversation of a
 * Realtime session: a response with conversation "none", no context and no
 * tools, whose items are part of nothing.
 *
 * At most one at a time. It knows nothing of the other responses, and they
 * nothing of it: it is told apart by its metadata, and by its id afterwards.
 * It is only ever cancelled: what is in no conversation cannot be truncated
 * or deleted.
 *
 * No sockets and no clock in here. Voice events are called from
 * realtime_asides_event() and _tick() only.
 */
#ifndef CALLWORKER_REALTIME_ASIDES_H
#define CALLWORKER_REALTIME_ASIDES_H

#include "callworker/realtime_utterances.h"

struct realtime_responses_config;

enum {
	/* For the first audio, and from then on for more of it: said later,
	 * what was true then is not worth saying. */
	REALTIME_ASIDE_MS = 5000,
	REALTIME_HUSHED_MS = 3000, /* for response.done after a cancel */
};

enum realtime_aside_state {
	REALTIME_ASIDE_NONE,
	REALTIME_ASIDE_ASKED,   /* response.created is awaited */
	REALTIME_ASIDE_RUNNING, /* response.done is awaited */
};

/* Zero it to start, and set CONFIG. */
struct realtime_asides {
	const struct realtime_responses_config *config; /* the owner's */
	enum realtime_aside_state state;
	unsigned number; /* of the last event_id */
	char ask_id[REALTIME_ID_SIZE];
	char hush_id[REALTIME_ID_SIZE]; /* its response.cancel; "" none */
	struct realtime_utterance said; /* one item; id "" until it begins */
	uint64_t progress_ms;           /* asked, created, or its last audio */
	bool hushed;                    /* nothing more of it may be heard */
	uint64_t hushed_ms;             /* since when */
	enum voice_end end;             /* how it ends, being hushed … */
	const char *why;                /* … and why, static */

	/* Given up, its response.done may come: only its cost counts. */
	char gone_id[REALTIME_ID_SIZE];
	uint64_t late_audio;
	uint64_t count; /* that were asked for */
};

void realtime_asides_free(struct realtime_asides *as);

/*
 * Asks for TEXT to be said. 0, -EBUSY (another is under way), -ENOMEM, or
 * what sending returned.
 */
int realtime_asides_say(
    struct realtime_asides *as, const char *text, int tag, uint64_t now_ms);

/* One is asked for or runs. */
bool realtime_asides_is_busy(const struct realtime_asides *as);

/* Nothing more of it is to be heard; WHY is static. Harmless without one. */
void realtime_asides_hush(
    struct realtime_asides *as, const char *why, uint64_t now_ms);

/* Whether UTTERANCE is the one under way, which is hushed then. */
bool realtime_asides_interrupted(
    struct realtime_asides *as, const char *utterance, uint64_t now_ms);

/*
 * Takes one server event; false when it is not about an aside. ECHOES: the
 * service is known to repeat our metadata, so what has none is not ours.
 */
bool realtime_asides_event(struct realtime_asides *as,
    const struct realtime_event *ev, bool echoes, uint64_t now_ms);
void realtime_asides_tick(struct realtime_asides *as, uint64_t now_ms);

#endif
