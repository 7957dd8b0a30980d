/* SPDX-License-Identifier: MIT */
/*
 * tool_secrets.h – the secrets that tools name by ${secret:TOOL_X}: their
 * values, for the toolworker and nobody else.
 *
 * Where one is looked for, strongest first: the memfd that the keeper made of
 * the environment, the environment itself, a line TOOL_X=… of the
 * configuration, the file that TOOL_X_FILE names, systemd's credentials
 * directory. A file is read when its secret is first needed.
 */
#ifndef TOOLWORKER_TOOL_SECRETS_H
#define TOOLWORKER_TOOL_SECRETS_H

struct tool_secrets;

enum {
	TOOL_SECRETS_MAX = 64,
	TOOL_SECRET_HIDE_MIN = 6, /* shorter ones occur by chance */
	TOOL_SECRET_SIZE = 4096,  /* bytes of a value, NUL included */
};

/*
 * Gathers what there is; CONFIG_FILE may be NULL. To be called before
 * config_load(), which closes PROC_FD_SECRETS. What cannot be used is logged.
 * 0 or -ENOMEM.
 */
int tool_secrets_new(
    struct tool_secrets **secrets_out, const char *config_file);

/* Overwrites all. NULL-safe, clears *SECRETS. */
void tool_secrets_free(struct tool_secrets **secrets);

/*
 * The value of NAME, printable and not empty; or NULL, and the reason is
 * logged. It lives as long as SECRETS.
 */
const char *tool_secrets_find(struct tool_secrets *secrets, const char *name);

/*
 * Overwrites with '*' what in TEXT is one of the values read so far: a
 * service may repeat in its answer what it was sent.
 */
void tool_secrets_hide(const struct tool_secrets *secrets, char *text);

#endif
