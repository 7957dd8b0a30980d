/* SPDX-License-Identifier: MIT */
/*
 * answer.h – a service's words on their way to the model: bounded, and
 * without anything that is not text.
 */
#ifndef TOOLWORKER_ANSWER_H
#define TOOLWORKER_ANSWER_H

#include "common/tool_status.h"
#include "toolworker/tool_secrets.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	ANSWER_MAX = 4096, /* bytes that the model gets, the note included */
};

_Static_assert(ANSWER_MAX < (int)TOOL_OUTPUT_SIZE, "an answer is an output");

/*
 * Copies TEXT, valid UTF-8 of LEN bytes, into BUF of TOOL_OUTPUT_SIZE bytes:
 * trimmed; control characters (C0, C1, DEL), line separators and what turns
 * the direction of writing become spaces, but newline and tab stay. What is
 * longer than ANSWER_MAX is cut after a line, a sentence or a word, and a
 * note says so. What is a secret of SECRETS (NULL: there are none) is masked
 * before that, so that none is cut into a part that could not be recognized.
 * Returns whether anything but white space was there; not without memory.
 */
bool answer_copy(char *buf, const char *text, size_t len,
    const struct tool_secrets *secrets);

#endif
