/* SPDX-License-Identifier: MIT */
/*
 * spares.h – callworkers that hold a connected voice session and wait for a
 * call, keyed by model, and the queue of calls that wait for one.
 */
#ifndef SUPERVISOR_SPARES_H
#define SUPERVISOR_SPARES_H

#include "common/config.h"

#include <stdbool.h>
#include <stddef.h>

struct event_base;
struct fleet;
struct resolver;
struct spares;
struct spares_request;
struct worker;

enum {
	SPARES_AGE_MS = 10 * 60 * 1000,     /* then a successor is made */
	SPARES_AGE_MAX_MS = 12 * 60 * 1000, /* and then it goes in any case */
	SPARES_CONNECT_MS = 15000,          /* from start to a warm session */
};

/*
 * WORKER is warm and now the caller's, who sets its owner at once; NULL: none
 * can be had, WHY says the reason.
 */
typedef void spares_fn(struct worker *worker, const char *why, void *arg);

/* CONFIG must outlive it; spares_reload() after it has changed. */
int spares_new(struct spares **spares_out, struct event_base *base,
    struct fleet *fleet, struct resolver *resolver,
    const struct config *config);
void spares_free(struct spares **spares);

/* Begins to keep WARM_WORKERS ready. */
void spares_start(struct spares *spares);

/* Replaces all spares: the configuration has changed. */
void spares_reload(struct spares *spares);

/* No more spares are made; those there are end. */
void spares_stop(struct spares *spares);

/*
 * Asks for a warm worker of MODEL, spawning one if none is spare. FN runs
 * exactly once, perhaps before return, unless cancelled. *REQUEST_OUT is NULL
 * when it has already run. The caller has its own deadline. INSISTS: for a
 * call that has nowhere else to go; it waits, and is tried for again and
 * again, though no process can be started, or the service fails in a way that
 * may pass.
 */
void spares_take(struct spares *spares, const char *model, bool insists,
    spares_fn *fn, void *arg, struct spares_request **request_out);
/* NULL-safe, clears. */
void spares_cancel(struct spares_request **request);

/*
 * A call's worker could not make or keep its session of MODEL: see
 * voice_breakers_failed().
 */
void spares_voice_failed(struct spares *spares, const char *model,
    const char *fault, const char *detail);

/*
 * Whether a new call can hope for a voice: one that can be made now, or a warm
 * one that no rescue may need; else *WHY_OUT says why not.
 */
bool spares_available(const struct spares *spares, const char **why_out);

size_t spares_warm_count(const struct spares *spares);
void spares_log_state(const struct spares *spares);

#endif
