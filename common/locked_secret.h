/* SPDX-License-Identifier: MIT */
/*
 * locked_secret.h – a secret that a process needs again and again, in a page
 * of its own: not swapped out, in no core dump, not passed to a child by fork.
 */
#ifndef COMMON_LOCKED_SECRET_H
#define COMMON_LOCKED_SECRET_H

struct locked_secret;

/*
 * Copies TEXT, which stays the caller's to wipe. -EINVAL: empty, or longer
 * than a page holds; -ENOMEM. That the page cannot be locked (RLIMIT_MEMLOCK)
 * is logged, not refused.
 */
int locked_secret_new(struct locked_secret **secret_out, const char *text);

/* NUL-terminated; until locked_secret_free(). */
const char *locked_secret_text(const struct locked_secret *secret);

/* Wipes. NULL-safe, clears. */
void locked_secret_free(struct locked_secret **secret);

#endif
