/* SPDX-License-Identifier: MIT */
/*
 * lockout.c – a ring of failures for each kind.
 *
 * Invariant: the moment of an entry is written last, so that one which a
 * dying process left half written is at worst an old one with another number.
 */
#include "supervisor/lockout.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static size_t
ring_size(enum lockout_kind kind)
{
	return kind == LOCKOUT_STAFF ? LOCKOUT_STAFF_MAX : LOCKOUT_CUSTOMER_MAX;
}

/* The ring of KIND in what is const or not. */
static const struct lockout_failure *
ring_of(const struct lockout *lockout, enum lockout_kind kind)
{
	return kind == LOCKOUT_STAFF ? lockout->staff : lockout->customer;
}

static struct lockout_failure *
ring_of_mutable(struct lockout *lockout, enum lockout_kind kind)
{
	return kind == LOCKOUT_STAFF ? lockout->staff : lockout->customer;
}

static bool
is_of(const struct lockout_failure *failure, const char *number)
{
	return strncmp(failure->number, number, LOCKOUT_NUMBER_SIZE - 1) == 0;
}

static bool
is_recent(const struct lockout_failure *failure, uint64_t now_ms)
{
	return failure->at_ms != 0 &&
	       now_ms < failure->at_ms + LOCKOUT_WINDOW_MS;
}

const char *
lockout_reason(const struct lockout *lockout, enum lockout_kind kind,
    const char *number, uint64_t now_ms)
{
	const struct lockout_failure *ring = ring_of(lockout, kind);
	size_t size = ring_size(kind), all = 0, own = 0;

	for (size_t i = 0; i < size; i++) {
		if (!is_recent(&ring[i], now_ms))
			continue;
		all++;
		own += is_of(&ring[i], number);
	}
	if (own >= LOCKOUT_NUMBER_MAX)
		return "number";
	return all >= size ? "everybody" : NULL;
}

void
lockout_add(struct lockout *lockout, enum lockout_kind kind, const char *number,
    uint64_t now_ms)
{
	struct lockout_failure *ring = ring_of_mutable(lockout, kind);
	struct lockout_failure *oldest = &ring[0];

	for (size_t i = 1; i < ring_size(kind); i++) {
		if (ring[i].at_ms < oldest->at_ms)
			oldest = &ring[i];
	}
	snprintf(oldest->number, sizeof(oldest->number), "%s", number);
	atomic_signal_fence(memory_order_seq_cst);
	oldest->at_ms = now_ms > 0 ? now_ms : 1;
}

void
lockout_take_back(
    struct lockout *lockout, enum lockout_kind kind, const char *number)
{
	struct lockout_failure *ring = ring_of_mutable(lockout, kind);
	struct lockout_failure *newest = NULL;

	for (size_t i = 0; i < ring_size(kind); i++) {
		if (ring[i].at_ms != 0 && is_of(&ring[i], number) &&
		    (newest == NULL || ring[i].at_ms > newest->at_ms))
			newest = &ring[i];
	}
	if (newest != NULL)
		newest->at_ms = 0;
}
