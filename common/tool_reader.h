/* SPDX-License-Identifier: MIT */
/*
 * tool_reader.h – what the readers of "executor" in a tool file have in
 * common: which settings they read, how they say what is wrong with them.
 */
#ifndef COMMON_TOOL_READER_H
#define COMMON_TOOL_READER_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

struct tool_reader {
	const cJSON *settings;
	const cJSON *parameters; /* the tool's JSON schema */
	void (*problem)(const char *text, void *arg);
	void *arg;
	bool good; /* nothing was wrong so far; to be set by the owner */
};

/* Tells the problem; READER is good no more. */
void tool_reader_bad(struct tool_reader *reader, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * OBJECT (NULL: none) may have the COUNT members NAMES, each once. WHERE
 * begins the words of a problem: "" or "\"response\": ".
 */
void tool_reader_check_members(struct tool_reader *reader, const cJSON *object,
    const char *where, const char *const *names, size_t count);

#endif
