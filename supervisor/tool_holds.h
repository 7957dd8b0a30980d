/* SPDX-License-Identifier: MIT */
/*
 * tool_holds.h – which targets may still be at work on what nobody waits for,
 * and until when; and what was begun that may not be begun again.
 *
 * It is in memory that the keeper holds, so that a supervisor which takes over
 * asks no router that is busy with its predecessor's question. A restart of
 * the whole service forgets it.
 */
#ifndef SUPERVISOR_TOOL_HOLDS_H
#define SUPERVISOR_TOOL_HOLDS_H

#include "supervisor/keeper_protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tool_holds;

enum {
	/* As many as there can be routers, and half of that for the others. */
	TOOL_HOLDS_MAX = 1536,
	TOOL_HOLDS_TARGET_SIZE = 24, /* a mark of tool_job.h, NUL included */
	TOOL_HOLDS_OFFSET = KEEPER_MEMORY_SIZE - KEEPER_MEMORY_HOLDS,
};

/*
 * FD is the keeper's memory, which stays the caller's; -1: memory of our own.
 * NOW_MS is clock_now_ms(), or a test's. 0 or -errno.
 */
int tool_holds_new(
    struct tool_holds **holds_out, int fd, uint64_t (*now_ms)(void));
/* NULL-safe, clears. What FD has is left for a successor. */
void tool_holds_free(struct tool_holds **holds);

/*
 * TARGET is taken until the moment UNTIL_MS; 0: it is free. One whose name is
 * longer than a mark, or comes when there is no room, is not remembered.
 * HOLDS may be NULL.
 */
void tool_holds_set(
    struct tool_holds *holds, const char *target, uint64_t until_ms);

/* Whether TARGET is taken now. HOLDS may be NULL: it is not. */
bool tool_holds_has(const struct tool_holds *holds, const char *target);

/*
 * The next target from *AT on, which is 0 at first, that is taken now; NULL:
 * there are no more. HOLDS may be NULL.
 */
const char *tool_holds_next(
    const struct tool_holds *holds, size_t *at, uint64_t *until_ms_out);

#endif
