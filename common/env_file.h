/* SPDX-License-Identifier: MIT */
/*
 * env_file.h – the grammar of a file of settings.
 *
 * A line is KEY=value, after an optional "export "; a line whose first
 * character is '#', and an empty one, say nothing. White space around key and
 * value is dropped. A value in single quotes is taken literally; in double
 * quotes a backslash may precede ", \, $ and `; unquoted, a '#' after white
 * space begins a comment. Nothing is expanded, no value spans lines. A byte
 * order mark and CR LF are tolerated.
 */
#ifndef COMMON_ENV_FILE_H
#define COMMON_ENV_FILE_H

#include <stdbool.h>
#include <stddef.h>

enum {
	ENV_FILE_MAX = 256 * 1024, /* bytes of a file */
};

struct env_file_handlers {
	/* KEY and VALUE live in the parsed text. */
	void (*on_setting)(
	    const char *key, const char *value, unsigned int line, void *arg);
	/* A line that is not understood; WHY holds nothing of it. */
	void (*on_error)(unsigned int line, const char *why, void *arg);
	void *arg;
};

/*
 * Calls a handler for every line of TEXT that says something, in order. TEXT
 * has LEN bytes and a NUL after them, and is overwritten.
 */
void env_file_parse(
    char *text, size_t len, const struct env_file_handlers *handlers);

/*
 * Reads the whole regular file PATH into *TEXT_OUT (free it with
 * env_file_wipe()), NUL-terminated. *EXPOSED_OUT (may be NULL) tells whether
 * others than its owner, or root's chosen group, have access to it. -EFBIG over ENV_FILE_MAX, -EISDIR and
 * -EINVAL when it is no file, else what open(2) and read(2) say.
 */
int env_file_read(
    const char *path, char **text_out, size_t *len_out, bool *exposed_out);

/* Overwrites and frees. NULL-safe. */
void env_file_wipe(char *text, size_t len);

#endif
