/* SPDX-License-Identifier: MIT */
/*
 * secret.h – which settings are secrets, and whose. libc only, since the
 * keeper uses it to take secrets out of the environment before it forks.
 */
#ifndef COMMON_SECRET_H
#define COMMON_SECRET_H

#include "common/proc.h"

#include <stdbool.h>
#include <stddef.h>

/* X(KEY, role that may know it) */
#define SECRET_TABLE(X)                                                        \
	X(ASTERISK_PASSWORD, SUPERVISOR)                                       \
	X(STAFF_PINS, SUPERVISOR)                                              \
	X(OPENAI_API_KEY, CALLWORKER)

/*
 * What begins so is a secret of the operator's own tools, a toolworker's,
 * unless it is a setting or names a secret's file (TOOL_X_FILE).
 */
#define SECRET_TOOL_PREFIX "TOOL_"

enum {
	SECRET_KEY_MAX = 64, /* bytes of a key */
};

/* Whether KEY (LEN bytes) is a secret, and whose. */
bool secret_find(const char *key, size_t len, enum proc_role *role_out);

/*
 * Takes every secret out of the environment: its bytes are overwritten where
 * the kernel shows them (/proc/PID/environ) and the variable is removed.
 * fds_out[role] is a memfd of that role's NAME=value lines, or -1.
 * Returns how many were found, or -errno.
 */
int secret_take_environment(int fds_out[PROC_ROLE_COUNT]);

/*
 * Whether FD is such a memfd, inherited: a foreign descriptor may have its
 * number when we are run by hand.
 */
bool secret_is_memfd(int fd);

#endif
