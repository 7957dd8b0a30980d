/* SPDX-License-Identifier: MIT */
/*
 * call_rescue.h – a caller who is heard keeps his call when its worker dies.
 *
 * A warm spare gets the descriptors that the dead one had: RTP socket,
 * journal, playout ring, brief. It goes on in the middle of the word while it
 * tells its voice what was said so far, and repeats its unanswered
 * tool.requests, which were never ended here. The old one is dead and reaped
 * before: two would read one socket.
 */
#ifndef SUPERVISOR_CALL_RESCUE_H
#define SUPERVISOR_CALL_RESCUE_H

#include "supervisor/call_impl.h"

enum {
	CALL_RESCUE_MS = 6000, /* for another worker to be found */
	/* Another one lost so soon: what kills them is the call itself. */
	CALL_RESCUE_AGAIN_MS = 30000,
};

/* Its worker is dead, and all that is needed to go on is known. */
void call_rescue(struct call *call);

/*
 * Its worker, just found, goes on: TALKING again. Of one that dies before it
 * could be told on_gone says so.
 */
void call_rescue_go_on(struct call *call);

/* Nobody can: to people, or hung up if goodbye was being said. */
void call_rescue_fail(struct call *call, const char *why);

/* No worker is looked for any more, or it has its own. */
void call_rescue_over(struct call *call);

/* DIGIT was dialled while it has no worker. */
void call_rescue_digit(struct call *call, char digit);

/* -- after an earlier supervisor ---------------------------------------------- */

/* Whether its channels were joined, as BRIDGES says. */
void call_rescue_snapshot(struct call *call, const cJSON *bridges);

/* A dead worker's call that was answered, and has all that is needed. */
bool call_rescue_can(const struct call *call);

#endif
