/* SPDX-License-Identifier: MIT */
/*
 * tool_secrets.h – the values of the secrets that the tools run here name by
 * ${secret:TOOL_X}. Each is looked for (common/secret_source.h) when a job
 * first needs it, and kept until the end of this process; no other secret is
 * ever in its memory for longer than the search.
 */
#ifndef TOOLWORKER_TOOL_SECRETS_H
#define TOOLWORKER_TOOL_SECRETS_H

#include "common/secret_source.h"

#include <stddef.h>

struct tool_secrets;

enum {
	TOOL_SECRETS_MAX = 64,
	TOOL_SECRET_HIDE_MIN = 6, /* shorter ones occur by chance */
};

/*
 * CONFIG_FILE may be NULL. Takes all secrets out of the environment. To be
 * called before config_load(), which closes PROC_FD_SECRETS. 0 or -errno.
 */
int tool_secrets_new(
    struct tool_secrets **secrets_out, const char *config_file);

/* Overwrites all. NULL-safe, clears *SECRETS. */
void tool_secrets_free(struct tool_secrets **secrets);

/* Where they are looked for; belongs to SECRETS. */
struct secret_sources *tool_secrets_sources(struct tool_secrets *secrets);

/*
 * The value of NAME, printable and not empty; or NULL, and the reason is
 * logged. It lives as long as SECRETS.
 */
const char *tool_secrets_find(struct tool_secrets *secrets, const char *name);

/*
 * Overwrites with '*' what in TEXT, LEN bytes, is one of the values read so
 * far, in any spelling that mask.h knows: a service may repeat in its answer
 * what it was sent.
 */
void tool_secrets_hide(
    const struct tool_secrets *secrets, char *text, size_t len);

#endif
