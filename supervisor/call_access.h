/* SPDX-License-Identifier: MIT */
/*
 * call_access.h – who a caller is, as the other rooms of a call use it; what
 * the world sees of it is in call.h, the rules are in access.h.
 *
 * A tool of type "access" goes through these steps:
 *
 *   NONE ─▶ ENTRY    digits are dialled; the worker's uplink is silence
 *   NONE, ENTRY ─▶ ASK_DUE ─▶ ASKED    another tool looks the answer up
 *   NONE, ENTRY, ASKED ─▶ TELL_DUE ─▶ NONE    the queue is told
 *
 * The DUE ones are left by the event loop: the queue may not be called back
 * while it is at work.
 */
#ifndef SUPERVISOR_CALL_ACCESS_H
#define SUPERVISOR_CALL_ACCESS_H

#include "supervisor/call_impl.h"

enum {
	CALL_LOOKUP_MS = 1000, /* the longest that a caller waits for it */
};

/* 0 or -ENOMEM. */
int call_access_new(struct call *call);
/* Finds what an earlier supervisor knew of it, if it was ADOPTED. */
void call_access_open(struct call *call, bool adopted);
/* OVER: of a call that has ended, to be forgotten. */
void call_access_free(struct call *call, bool over);

/* It rings: asks the dialplan and CUSTOMER_LOOKUP who that may be. */
void call_access_begin(struct call *call);

/* Whether the brief waits for an answer. */
bool call_access_is_looking(const struct call *call);
/* What is said of the caller's number, not proved, or "". */
const char *call_access_found(const struct call *call);

/*
 * A tool.request of its worker. 1: it may be run; 0: it was refused, and
 * answered; -EPROTO: the worker breaks the protocol.
 */
int call_access_permit(struct call *call, const cJSON *body);

/* A message of the queue about a question of this room; false: it is not. */
bool call_access_hears(
    struct call *call, enum message_type type, const cJSON *body);

/* Whether DIGIT is secret: then nobody else may see it. */
bool call_access_takes_digit(struct call *call, char digit);

/* Its worker is another one, which must keep silent too. */
void call_access_resume(struct call *call);

/* Its worker is gone, or will be, and nobody takes its place. */
void call_access_end(struct call *call);

const char *call_access_class(const struct call *call);

#endif
