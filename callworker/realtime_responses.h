/* SPDX-License-Identifier: MIT */
/*
 * realtime_responses.h – the response state machine of a Realtime session.
 *
 * The service makes at most one response at a time in the default
 * conversation: on its own when the caller has spoken, or when asked with
 * response.create. This room knows which one runs, and asks only when none
 * does. What wants a response meanwhile waits and is merged into one; items
 * (texts, function outputs) are added between responses, so that an output
 * never comes before the end of the response that called.
 *
 * No sockets and no clock in here: events and time come in, JSON texts go
 * out. Voice events are called from realtime_responses_event() and _tick()
 * only.
 */
#ifndef CALLWORKER_REALTIME_RESPONSES_H
#define CALLWORKER_REALTIME_RESPONSES_H

#include "callworker/realtime_events.h"

struct realtime_responses;

enum {
	/* Function calls of one response: far more than may run at once, so
	 * that those that may not are answered, too. */
	REALTIME_CALLS_MAX = 64,

	/* After the caller's turn the service answers by itself; we ask only
	 * if it has not begun by then. */
	REALTIME_AUTOMATIC_MS = 1500,
	/* The service cancels what the caller interrupts; if it has not, we
	 * do. */
	REALTIME_CANCEL_MS = 600,
	REALTIME_ASK_MS = 10000,      /* for response.created */
	REALTIME_BEGIN_MS = 30000,    /* for anything of a response … */
	REALTIME_STALL_MS = 10000,    /* … and from then on for more of it */
	REALTIME_CANCELLED_MS = 3000, /* for response.done after a cancel */

	/* The service says when the caller has stopped. If it does not: he has
	 * if his line is silent for longer than any turn detection waits (8 s,
	 * semantic_vad with low eagerness), or after such a long speech. */
	REALTIME_SILENT_MS = 10000,
	REALTIME_SPEECH_MS = 90000,
	REALTIME_CUT_MS = 3000, /* an error may be about a cut */

	REALTIME_RETRIES = 1,            /* of a response that failed */
	REALTIME_RATE_LIMIT_RETRIES = 3, /* … because of a rate limit */
	REALTIME_RETRY_MS = 250,
	REALTIME_RATE_LIMIT_MS = 1000,     /* doubled each time */
	REALTIME_RATE_LIMIT_MAX_MS = 8000, /* longest wait, whoever says it */
};

struct realtime_responses_config {
	/* Sends one JSON text. 0 or -errno; what cannot be sent is lost, and
	 * the connection's owner knows it. */
	int (*send)(const char *json, void *arg);
	void *send_arg;
	const struct voice_events *events;
	void *events_arg;
};

struct realtime_responses_stats {
	uint64_t responses; /* that ended, in whatever way */
	uint64_t retries;
	uint64_t collisions;    /* asked while one was running */
	uint64_t late_audio;    /* deltas dropped: interrupted or unknown */
	uint64_t dropped_calls; /* function calls of responses that were cut */
	uint64_t asides;        /* that were asked for */
};

/* CONFIG is copied, its pointers must stay valid. 0 or -ENOMEM. */
int realtime_responses_new(struct realtime_responses **rr_out,
    const struct realtime_responses_config *config);
void realtime_responses_free(struct realtime_responses **rr);

/*
 * Takes one server event at NOW_MS. Returns whether it was for this room;
 * an `error` is if its event_id is one of our items, cuts, cancels or asks,
 * or if its code can only mean a response.
 */
bool realtime_responses_event(struct realtime_responses *rr,
    const struct realtime_event *ev, uint64_t now_ms);
void realtime_responses_tick(struct realtime_responses *rr, uint64_t now_ms);

/* As in voice.h. */
void realtime_responses_listen(struct realtime_responses *rr,
    const struct voice_events *events, void *arg);
int realtime_responses_say(
    struct realtime_responses *rr, const char *text, int tag);
int realtime_responses_aside(
    struct realtime_responses *rr, const char *text, int tag);
int realtime_responses_add_text(
    struct realtime_responses *rr, const char *text);
int realtime_responses_answer_tool(
    struct realtime_responses *rr, const char *id, const char *output);
bool realtime_responses_has_news(const struct realtime_responses *rr);
bool realtime_responses_prompt(struct realtime_responses *rr);
void realtime_responses_nudge(struct realtime_responses *rr);
void realtime_responses_stop(struct realtime_responses *rr);
void realtime_responses_interrupted(
    struct realtime_responses *rr, const char *utterance, uint32_t heard_ms);

/*
 * So many more milliseconds of the caller went to the service, whose times
 * count them: that is how late it tells us that the caller speaks. What it
 * calls the start of speech includes a lead-in.
 */
void realtime_responses_set_lead_in(
    struct realtime_responses *rr, uint32_t lead_in_ms);
void realtime_responses_sent_audio(
    struct realtime_responses *rr, uint32_t ms, bool is_silence);
/* So many of these were dropped before they went. */
void realtime_responses_lost_audio(struct realtime_responses *rr, uint32_t ms);
bool realtime_responses_is_busy(const struct realtime_responses *rr);

/* A fatal fault was reported; nothing is sent or told any more. */
bool realtime_responses_is_over(const struct realtime_responses *rr);

/* One line for the log, such as "active=resp_1 asked=no waiting=0". */
void realtime_responses_describe(
    const struct realtime_responses *rr, char *buf, size_t size);
void realtime_responses_get_stats(const struct realtime_responses *rr,
    struct realtime_responses_stats *stats_out);

#endif
