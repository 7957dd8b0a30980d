/* SPDX-License-Identifier: MIT */
/*
 * handover.h – how a supervisor makes way for one that stands by, a newer
 * build of it, without a lost event, answer or packet.
 *
 *   NONE ─yield▶ QUIETING    calls that are half made are made, new ones taken
 *   QUIETING ─▶ LEAVING_NAME the successor may take the name in Asterisk
 *   LEAVING_NAME ─▶ FINISHING  it has: every event that was ours is here
 *   FINISHING ─▶ NONE        answers and last words are through: on_done
 *
 * keeper_protocol.h shows both sides. Whatever takes too long is not waited
 * for: a successor copes with what a supervisor that died leaves, too.
 */
#ifndef SUPERVISOR_HANDOVER_H
#define SUPERVISOR_HANDOVER_H

#include <stdbool.h>

struct ari;
struct calls;
struct event_base;
struct fleet;
struct handover;

enum {
	HANDOVER_QUIET_MS = 5000,  /* for calls that are being set up */
	HANDOVER_NAME_MS = 8000,   /* for the successor to connect */
	HANDOVER_FINISH_MS = 1500, /* for Asterisk's last answers */
};

struct handover_env {
	struct event_base *base;
	struct fleet *fleet;
	struct ari *ari;
	struct calls *calls;
	void (*on_done)(void *arg); /* the process may end */
	void (*on_stop)(void *arg); /* see handover_may_stop() */
	void *arg;
};

/* ENV is copied. 0 or -ENOMEM. */
int handover_new(
    struct handover **handover_out, const struct handover_env *env);
/* NULL-safe, clears. */
void handover_free(struct handover **handover);

/* KEEPER_YIELD. */
void handover_begin(struct handover *handover);

/* KEEPER_STAY: all is as it was. */
void handover_stay(struct handover *handover, const char *why);

/*
 * The service is to stop. True: by this supervisor, which stays. False: the
 * name is on its way to the successor, whom the keeper will tell; should there
 * be none after all, on_stop says that it is this one's turn.
 */
bool handover_may_stop(struct handover *handover);

/* The successor may have the name by now, and has read the settings. */
bool handover_is_leaving(const struct handover *handover);

#endif
