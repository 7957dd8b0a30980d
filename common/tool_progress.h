/* SPDX-License-Identifier: MIT */
/*
 * tool_progress.h – how far a tool's job is: what an executor reports, and
 * what job.progress and tool.progress carry as done, total and text.
 */
#ifndef COMMON_TOOL_PROGRESS_H
#define COMMON_TOOL_PROGRESS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	TOOL_PROGRESS_MAX = 1000000,   /* of what is counted */
	TOOL_PROGRESS_TEXT_SIZE = 512, /* NUL included */
};

/* Invariant: 0 <= DONE <= TOTAL, unless they are unknown. */
struct tool_progress {
	int64_t done;  /* -1: unknown */
	int64_t total; /* -1: unknown, always so when DONE is */
	char text[TOOL_PROGRESS_TEXT_SIZE]; /* "": nothing to say */
};

/*
 * Takes what somebody else says: counts that make no sense are unknown, TEXT
 * (UTF-8) is cut at a whole letter.
 */
void tool_progress_set(struct tool_progress *progress, int64_t done,
    int64_t total, const char *text);

/* Nothing is known. */
void tool_progress_clear(struct tool_progress *progress);
bool tool_progress_is_known(const struct tool_progress *progress);
bool tool_progress_is_same(
    const struct tool_progress *a, const struct tool_progress *b);

/* The members of a message; counts that are unknown are absent. */
void tool_progress_read(struct tool_progress *progress, const cJSON *body);
void tool_progress_write(const struct tool_progress *progress, cJSON *body);

#endif
