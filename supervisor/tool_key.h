/* SPDX-License-Identifier: MIT */
/*
 * tool_key.h – which runs are the same: a digest of everything that a
 * toolworker is told about one, the order of object members apart.
 */
#ifndef SUPERVISOR_TOOL_KEY_H
#define SUPERVISOR_TOOL_KEY_H

#include <cjson/cJSON.h>

enum {
	TOOL_KEY_SIZE = 33, /* hex, NUL included: 128 bits of SHA-256 */
};

/* ARGUMENTS and SETTINGS may be NULL. 0, or -ENOMEM with an empty KEY. */
int tool_key_make(char key[TOOL_KEY_SIZE], const char *name,
    const cJSON *arguments, const cJSON *settings);

#endif
