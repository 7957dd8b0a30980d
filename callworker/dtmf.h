/* SPDX-License-Identifier: MIT */
/*
 * dtmf.h – digits that belong together: a group ends with '#', when it is
 * full, or when none came for a while.
 */
#ifndef CALLWORKER_DTMF_H
#define CALLWORKER_DTMF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	DTMF_GAP_MS = 1500, /* without a digit: the group is over */
	DTMF_GROUP_MAX = 32,
	DTMF_TEXT_SIZE = 2 * DTMF_GROUP_MAX, /* "1 2 3" */
};

/* Zero it to start. */
struct dtmf {
	char digits[DTMF_GROUP_MAX];
	size_t count;
	uint64_t last_ms;
	bool complete;
};

/* 0-9 * # A-D (ITU-T Q.23; lower case too). */
bool dtmf_is_digit(char digit);

/*
 * Adds a digit at NOW_MS; a complete group that was not taken is lost.
 * Returns whether it is the first of its group. What is no digit is ignored.
 */
bool dtmf_add(struct dtmf *d, char digit, uint64_t now_ms);

/*
 * Whether a group is complete; then it is written to TEXT as "1 2 3" and
 * forgotten. A '#' that ended it is not part of it, unless it came alone.
 */
bool dtmf_take(struct dtmf *d, uint64_t now_ms, char text[DTMF_TEXT_SIZE]);

#endif
