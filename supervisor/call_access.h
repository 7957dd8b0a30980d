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

/* Ids of questions that are ours; no service calls a function so. */
#define CALL_ACCESS_OWN_ID    "access-"
#define CALL_ACCESS_LOOKUP_ID CALL_ACCESS_OWN_ID "lookup"

struct call_lookup;

/* 0 or -ENOMEM. */
int call_access_new(struct call *call);
/* Finds what an earlier supervisor knew of it, if it was ADOPTED. */
void call_access_open(struct call *call, bool adopted);
/* OVER: of a call that has ended, to be forgotten. */
void call_access_free(struct call *call, bool over);

/* What is asked while it rings. Never NULL. */
struct call_lookup *call_access_lookup(const struct call *call);
/* It comes from an authenticated telephone: its caller is staff. */
void call_access_trust(struct call *call, const char *why);
/*
 * A question of our own to the tool NAME; ID begins with CALL_ACCESS_OWN_ID.
 * The answer may come before return. ARGUMENTS may be NULL, and is copied.
 * 0 or -errno.
 */
int call_access_ask(struct call *call, const char *id, const char *name,
    const cJSON *arguments);

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

/* Whether secret digits are being dialled. */
bool call_access_enters(const struct call *call);

/* Whether a worker must keep the caller from being heard. */
bool call_access_is_secret(const struct call *call);

/* Its worker is another one, which must keep silent too. */
void call_access_resume(struct call *call);

/* Its worker is gone, or will be, and nobody takes its place. */
void call_access_end(struct call *call);

const char *call_access_class(const struct call *call);

#endif
