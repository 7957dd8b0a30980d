/* SPDX-License-Identifier: MIT */
/*
 * tool_answers.h – results that came lately, by a name, so that what is asked
 * again need not run again: the queue's memory of requests, and its cache.
 * Bounded in number and time.
 */
#ifndef SUPERVISOR_TOOL_ANSWERS_H
#define SUPERVISOR_TOOL_ANSWERS_H

#include "common/tool_status.h"

#include <stddef.h>
#include <stdint.h>

struct tool_answers;

struct tool_answer {
	enum tool_status status;
	const char *detail; /* as the toolworker said it */
	uint64_t age_ms;
};

/* Keeps at most COUNT results. 0 or -ENOMEM. */
int tool_answers_new(struct tool_answers **answers_out, size_t count);
void tool_answers_free(struct tool_answers **answers);

/*
 * Remembers for KEEP_MS how ID ended, unless that is known; the oldest result
 * makes room. Without memory it is not remembered.
 */
void tool_answers_add(struct tool_answers *answers, uint64_t now_ms,
    uint64_t keep_ms, const char *id, enum tool_status status,
    const char *detail);

/* -ENOENT when ID is not known. The answer lives until the next call. */
int tool_answers_find(struct tool_answers *answers, uint64_t now_ms,
    const char *id, struct tool_answer *answer_out);

/*
 * Forgets what is too old: people's data should not lie about. Returns the
 * moment when there is more to forget, UINT64_MAX if there is nothing.
 */
uint64_t tool_answers_purge(struct tool_answers *answers, uint64_t now_ms);

#endif
