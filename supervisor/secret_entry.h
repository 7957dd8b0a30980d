/* SPDX-License-Identifier: MIT */
/*
 * secret_entry.h – digits that a caller dials and nobody else may see: they
 * are collected in a page of their own, which is in no core dump and never
 * swapped, and overwritten when they have been used.
 *
 * Begins empty; complete with '#', with as many digits as were wanted, or
 * when no more came for a while. '*' begins anew.
 *
 * Who dials does not know that it is over: what still comes is secret too,
 * and swallowed. That is little when the caller has ended it, but one who was
 * too slow, or was not waited for, may be in the middle of the digits.
 */
#ifndef SUPERVISOR_SECRET_ENTRY_H
#define SUPERVISOR_SECRET_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct secret_entry;

enum {
	SECRET_ENTRY_MAX = 16,         /* digits */
	SECRET_ENTRY_FIRST_MS = 20000, /* the caller is being asked for them */
	SECRET_ENTRY_NEXT_MS = 8000,
	/* What comes so soon after the end was meant for it. After one that the
	 * caller has not ended it is NEXT_MS, for LATE_MS at most. */
	SECRET_ENTRY_AFTER_MS = 2000,
	SECRET_ENTRY_LATE_MS = 20000,
	SECRET_ENTRY_PAUSE_MS = 1500,
};

/* 0 or -ENOMEM. */
int secret_entry_new(struct secret_entry **entry_out);

/* Wipes. NULL-safe, clears. */
void secret_entry_free(struct secret_entry **entry);

/*
 * Waits for LENGTH digits, or for as many as come if that is 0. AGAIN: the
 * caller may be in the middle of them and must begin anew, so that those
 * before a pause, or '#', mean nothing.
 */
void secret_entry_begin(
    struct secret_entry *entry, size_t length, bool again, uint64_t now_ms);

/*
 * Nobody wants them any longer. What still comes is swallowed for a while; an
 * entry that begins meanwhile takes it for the rest of the earlier digits.
 */
void secret_entry_end(struct secret_entry *entry, uint64_t now_ms);

/* From a supervisor that died: what comes until FOR_MS are over is secret. */
void secret_entry_swallow(
    struct secret_entry *entry, uint64_t for_ms, uint64_t now_ms);

/*
 * A digit was dialled. False: it is none of ours. It may have completed the
 * entry.
 */
bool secret_entry_add(struct secret_entry *entry, char digit, uint64_t now_ms);

bool secret_entry_is_open(const struct secret_entry *entry);
bool secret_entry_is_complete(
    const struct secret_entry *entry, uint64_t now_ms);

/* When it will be complete if nothing comes; UINT64_MAX when not open. */
uint64_t secret_entry_due_ms(const struct secret_entry *entry);

/*
 * The digits, NUL-terminated, and how many; until secret_entry_end(). Not to
 * be copied without need, and never to be shown.
 */
const char *secret_entry_digits(
    const struct secret_entry *entry, size_t *len_out);

#endif
