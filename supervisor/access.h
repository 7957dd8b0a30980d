/* SPDX-License-Identifier: MIT */
/*
 * access.h – who may ask what: the class of each call, whose customer it is,
 * how often its caller has tried to be somebody, and who is locked out.
 *
 *   PUBLIC ──answer that only the customer knows──▶ CUSTOMER
 *   PUBLIC, CUSTOMER ──PIN, or an authenticated telephone──▶ STAFF
 *
 * A call never falls back to a lower class. A caller's number is a hint, never
 * an identity: it decides nothing here but which lock-out counts.
 *
 * All of it lives in memory that the keeper holds, so that the supervisor's
 * death changes nothing: nobody verified has to begin anew, and nobody gets
 * his tries back. A try is counted before it is judged. No digit of a PIN is
 * ever in that memory.
 */
#ifndef SUPERVISOR_ACCESS_H
#define SUPERVISOR_ACCESS_H

#include "common/tool_file.h"
#include "supervisor/keeper_protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct access;
struct access_call;

enum {
	ACCESS_TRIES_MAX = 3,      /* of each kind in a call */
	ACCESS_CUSTOMER_SIZE = 65, /* a customer key, NUL included */
	ACCESS_MEMORY_SIZE = KEEPER_MEMORY_SIZE - KEEPER_MEMORY_HOLDS,
};

/* The outcome of a try. */
enum access_verdict {
	ACCESS_GRANTED,
	ACCESS_WRONG,
	ACCESS_LOCKED, /* it was the last, or nobody may try */
};

/*
 * FD is a memory file of ACCESS_MEMORY_SIZE bytes, zeroes at first, which
 * stays the caller's; -1: memory of our own. NOW_MS is clock_now_ms(), or a
 * test's. 0 or -errno.
 */
int access_new(struct access **access_out, int fd, uint64_t (*now_ms)(void));
/* NULL-safe, clears. What FD has is left for a successor. */
void access_free(struct access **access);

/*
 * PINS as the setting STAFF_PINS has them. -EINVAL (see staff_pins_check())
 * or -ENOMEM: those before stay.
 */
int access_set_pins(struct access *access, const char *pins);

/*
 * What is known of CALL. ADOPTED: of an earlier supervisor; else nothing but
 * how often was tried on that channel, if it has been here before. NULL when
 * ACCESS is NULL or there is no room; then the call is PUBLIC and stays so.
 */
struct access_call *access_open(
    struct access *access, const char *call, bool adopted);

/* The call is OVER, and is forgotten; else a successor finds it again. */
void access_close(struct access_call **call, bool over);

/* These, up to access_locked(), take NULL for a call without a record. */
enum tool_who access_class(const struct access_call *call);

/* The key of the customer that its caller has proved to be, or "". */
const char *access_customer(const struct access_call *call);

/* Whether a tool for WHO may run. */
bool access_may(const struct access_call *call, enum tool_who who);

/* The dialplan says that it comes from an authenticated telephone. */
void access_set_staff(struct access_call *call, const char *why);

/*
 * NULL, or why its caller may not try to become WHO: "call" (its tries are
 * used up), or what lockout_reason() says of NUMBER.
 */
const char *access_locked(
    const struct access_call *call, enum tool_who who, const char *number);

unsigned int access_tries_left(
    const struct access_call *call, enum tool_who who);

/* Tries a PIN; wipes nothing of DIGITS. */
enum access_verdict access_try_pin(struct access_call *call, const char *number,
    const char *digits, size_t len);

/*
 * A customer's answer is about to be looked up: counted as wrong until
 * access_factor_right() or access_factor_unknown() (nobody could say) is called.
 */
void access_factor_asked(struct access_call *call, const char *number);
/* -EINVAL: KEY is none. */
int access_factor_right(
    struct access_call *call, const char *number, const char *key);
enum access_verdict access_factor_wrong(
    struct access_call *call, const char *number);
void access_factor_unknown(struct access_call *call, const char *number);

/* Secret digits are being dialled: remembered for a successor. */
void access_set_entering(struct access_call *call, bool entering);
bool access_is_entering(const struct access_call *call);

#endif
