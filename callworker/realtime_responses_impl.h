/* SPDX-License-Identifier: MIT */
/*
 * realtime_responses_impl.h – the response state machine's state, shared by
 * realtime_responses.c (what happens), realtime_endings.c (what the end of a
 * response means), realtime_calls.c and realtime_errors.c. Nobody else
 * includes it.
 *
 * Invariant: from our response.create to its response.created, error or
 * time-out `asked` is set; from response.created to response.done `active`
 * is. Nothing is asked and no item added while either is.
 */
#ifndef CALLWORKER_REALTIME_RESPONSES_IMPL_H
#define CALLWORKER_REALTIME_RESPONSES_IMPL_H

#include "callworker/realtime_asides.h"
#include "callworker/realtime_outbox.h"
#include "callworker/realtime_responses.h"
#include "callworker/realtime_utterances.h"
#include "common/log.h"

struct realtime_call {
	char id[VOICE_ID_SIZE];
	char *name;
	char *arguments;
	bool whole; /* its item is done: the service keeps it */
};

/* The response that runs in the default conversation. */
struct realtime_active {
	char id[REALTIME_ID_SIZE];
	struct realtime_order order;   /* without text: an answer */
	char ask_id[REALTIME_ID_SIZE]; /* what we asked with; "" automatic */
	bool announced;        /* output_item.added came for a message */
	bool spoke;            /* an utterance of it was begun */
	bool cut;              /* interrupted: nothing of it counts */
	bool began;            /* anything of it came */
	bool stalled;          /* cancelled by us because nothing more came */
	uint64_t progress_ms;  /* its last event */
	uint64_t cancel_at_ms; /* 0: no cancel due */
	uint64_t cancelled_ms; /* when response.cancel was sent; 0: not */
	char cancel_id[REALTIME_ID_SIZE]; /* its event_id */
	struct realtime_call calls[REALTIME_CALLS_MAX];
	unsigned calls_count;
};

struct realtime_responses {
	struct realtime_responses_config config;
	struct realtime_responses_stats stats;
	struct realtime_utterances utterances;
	struct realtime_outbox outbox;
	struct realtime_asides asides;
	struct log_ratelimit noise;
	uint64_t now_ms;
	unsigned number; /* of the last event_id or item id */

	uint64_t sent_audio_ms; /* of the caller */
	uint32_t lead_in_ms;
	bool caller_talking;
	uint64_t talking_ms;         /* since when */
	uint64_t loud_ms;            /* when his line was last not silent */
	uint64_t automatic_until_ms; /* an automatic response may come */
	bool stop_automatic;         /* … which nobody wants any more */

	bool asked;  /* a response.create is out */
	bool echoes; /* the service repeats our metadata: seen once */
	char asked_id[REALTIME_ID_SIZE]; /* its event_id */
	struct realtime_order asked_order;
	uint64_t asked_ms;
	bool cancel_asked; /* cancel it as soon as it has an id */

	bool active;
	struct realtime_active run; /* meaningful while active */

	char told_calls[REALTIME_CALLS_MAX][VOICE_ID_SIZE]; /* the latest */
	unsigned told_next;                                 /* a ring */

	uint64_t cut_ms;   /* of the last truncation or deletion; 0: none */
	unsigned attempts; /* failures in a row */
	uint64_t retry_at_ms;
	uint32_t limit_reset_ms; /* of rate_limits.updated */
	bool over;               /* a fatal fault was reported */
};

/* realtime_responses.c */
void realtime_responses_next_id(struct realtime_responses *rr,
    char id_out[REALTIME_ID_SIZE], enum realtime_purpose purpose);
/* Takes JSON; NULL is an allocation that failed. */
void realtime_responses_send(struct realtime_responses *rr, char *json);
/* Puts ORDER back in its place among what waits; empties it. */
void realtime_responses_reorder(
    struct realtime_responses *rr, struct realtime_order *order);

/* realtime_calls.c */

/* Notes a call whose arguments are complete (arguments.done, which comes for
 * calls that are broken off as well). */
void realtime_calls_add(
    struct realtime_active *run, const struct realtime_event *ev);
/* Notes a call whose item is done (output_item.done). */
void realtime_calls_add_item(
    struct realtime_active *run, const struct realtime_event *ev);
/* Notes those that response.done names. */
void realtime_calls_add_output(
    struct realtime_active *run, const struct realtime_event *ev);
/* Forgets those that are in no conversation. */
void realtime_calls_drop_partial(struct realtime_active *run);
/* To be run, all of them. */
void realtime_calls_tell(
    struct realtime_responses *rr, const struct realtime_active *run);
/* To be answered only: RUN was broken off. Not those that were told before. */
void realtime_calls_tell_cut(
    struct realtime_responses *rr, const struct realtime_active *run);
/* The response.done of a response that was given up. */
void realtime_calls_late(
    struct realtime_responses *rr, const struct realtime_event *ev);
void realtime_calls_clear(struct realtime_active *run);

/* realtime_endings.c */

/*
 * The running response is over, as EV (response.done) says, or, EV being
 * NULL, because we gave it up. Emits everything that follows from it.
 */
void realtime_responses_end(
    struct realtime_responses *rr, const struct realtime_event *ev);

/*
 * No response comes of what we asked for: tries again later, or reports; if
 * it was to be cancelled anyway, it is over.
 */
void realtime_responses_ask_failed(
    struct realtime_responses *rr, enum voice_fault fault, const char *detail);

/* Frees what RUN holds. */
void realtime_active_clear(struct realtime_active *run);

/* realtime_errors.c */

/* What an `error` event without an event_id can only be about: the event_id
 * that it lacks. "" when that is not clear. */
const char *realtime_responses_guess_error(
    const struct realtime_responses *rr, const struct realtime_event *ev);

/* An `error` event; false when it is none of this room's business. */
bool realtime_responses_error(
    struct realtime_responses *rr, const struct realtime_event *ev);

#endif
