/* SPDX-License-Identifier: MIT */
/*
 * call_lookup.h – what can be known of a caller while it rings: whether the
 * dialplan trusts the telephone, and what CUSTOMER_LOOKUP says of the number.
 * The first gives rights, the second never: it is words for the brief.
 */
#ifndef SUPERVISOR_CALL_LOOKUP_H
#define SUPERVISOR_CALL_LOOKUP_H

#include "common/tool_status.h"

#include <stdbool.h>

struct call;
struct call_lookup;

enum {
	CALL_LOOKUP_MS = 1000, /* the longest that a caller waits for it */
};

/* CALL outlives it. 0 or -ENOMEM. */
int call_lookup_new(struct call_lookup **lookup_out, struct call *call);
/* NULL-safe, clears. */
void call_lookup_free(struct call_lookup **lookup);

/* Asks both. call_lookup_over() is called once if the brief has to wait. */
void call_lookup_begin(struct call_lookup *lookup);

/* Whether the brief waits for an answer. */
bool call_lookup_is_looking(const struct call_lookup *lookup);
/* What is said of the caller's number, not proved, or "". */
const char *call_lookup_found(const struct call_lookup *lookup);

/* The queue's answer. */
void call_lookup_on_answer(
    struct call_lookup *lookup, enum tool_status status, const char *output);

#endif
