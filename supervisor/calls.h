/* SPDX-License-Identifier: MIT */
/*
 * calls.h – all calls: who may come in, which event belongs to whom, and
 * whether what Asterisk has is what we think it has.
 */
#ifndef SUPERVISOR_CALLS_H
#define SUPERVISOR_CALLS_H

#include "supervisor/call.h"

struct calls;

/*
 * ENV is copied, its on_changed and arg are set here. Returns 0 or -errno.
 * ON_CHANGED (may be NULL) runs when a call came, went or changed its state.
 */
int calls_new(struct calls **calls_out, const struct call_env *env,
    void (*on_changed)(void *arg), void *arg);
void calls_free(struct calls **calls);

/* What ari.h reports. */
void calls_on_event(struct calls *calls, const char *type, const cJSON *event);
void calls_on_snapshot(
    struct calls *calls, const cJSON *channels, const cJSON *bridges);
void calls_on_ari_state(struct calls *calls, enum ari_state state);

/* What an earlier supervisor left. */
void calls_adopt(struct calls *calls, const struct fleet_adopted *adopted);

/* NULL when there is no such call (any more). */
struct call *calls_find(struct calls *calls, const char *id);

/*
 * No new calls. Those there may go on for a while, then the voice says
 * goodbye, all within DRAIN_SECONDS.
 */
void calls_drain(struct calls *calls);

/* While draining: every caller is hung up now. */
void calls_drain_now(struct calls *calls);

/* Nothing is left, or the time for it is over. */
bool calls_drained(const struct calls *calls);

/* FN for every call; it may end calls, which then stay until it returns. */
void calls_each(
    struct calls *calls, void (*fn)(struct call *call, void *arg), void *arg);

/*
 * Whether each call is at rest: a successor would not have to set one up
 * again, nor to ask a caller for secret digits from the start.
 */
bool calls_are_quiet(const struct calls *calls);

/* Whether each adopted call's worker has said how far it is. */
bool calls_are_synced(const struct calls *calls);

size_t calls_count(const struct calls *calls); /* not yet ENDING */
void calls_log_state(const struct calls *calls);

#endif
