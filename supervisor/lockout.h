/* SPDX-License-Identifier: MIT */
/*
 * lockout.h – remembers wrong PINs and wrong answers across calls, so that
 * hanging up and calling again is worth nothing.
 *
 * A number is whatever the network says, and a stranger may say what he
 * likes: hence a second limit over all numbers together. The memory is a ring
 * as long as that limit, so nobody can make us forget: what falls out is older
 * than the window, or everybody is locked out anyway. Successes forgive
 * nothing: who has an account could buy guesses at others' with it.
 *
 * Plain memory without pointers: it lives in what the keeper holds.
 */
#ifndef SUPERVISOR_LOCKOUT_H
#define SUPERVISOR_LOCKOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lockout_kind {
	LOCKOUT_STAFF,
	LOCKOUT_CUSTOMER,
};

enum {
	LOCKOUT_WINDOW_MS = 3600000,
	LOCKOUT_NUMBER_MAX = 5, /* wrong ones of a number in the window */
	LOCKOUT_STAFF_MAX = 50, /* … of all numbers */
	LOCKOUT_CUSTOMER_MAX = 200,
	LOCKOUT_NUMBER_SIZE = 48, /* NUL included */
};

struct lockout_failure {
	uint64_t at_ms; /* CLOCK_MONOTONIC; 0: none */
	/* Withheld ones are one number, "". */
	char number[LOCKOUT_NUMBER_SIZE];
};

struct lockout {
	struct lockout_failure staff[LOCKOUT_STAFF_MAX];
	struct lockout_failure customer[LOCKOUT_CUSTOMER_MAX];
};

/* NULL, or why nobody may try from NUMBER now: "number" or "everybody". */
const char *lockout_reason(const struct lockout *lockout,
    enum lockout_kind kind, const char *number, uint64_t now_ms);

/* A wrong one from NUMBER. */
void lockout_add(struct lockout *lockout, enum lockout_kind kind,
    const char *number, uint64_t now_ms);

/* What was added last for NUMBER was not its fault, after all. */
void lockout_take_back(
    struct lockout *lockout, enum lockout_kind kind, const char *number);

#endif
