/* SPDX-License-Identifier: MIT */
/*
 * secret_source.h – where the secret of a tool, ${secret:TOOL_X}, is found.
 *
 * Strongest first: the memfd that the keeper made of the environment, the
 * environment itself, a line TOOL_X=… of the configuration, the file that
 * TOOL_X_FILE names, systemd's credentials directory. Nothing is kept here:
 * each search looks anew, takes the one value that is asked for, and wipes
 * what else it had to read.
 */
#ifndef COMMON_SECRET_SOURCE_H
#define COMMON_SECRET_SOURCE_H

#include <stddef.h>

enum {
	SECRET_SOURCE_SIZE = 4096, /* bytes of a value, NUL included */
	SECRET_SOURCE_WHY_SIZE = 512,
};

struct secret_sources;

/*
 * CONFIG_FILE may be NULL. To be called before config_load(), which closes
 * PROC_FD_SECRETS. 0 or -ENOMEM.
 */
int secret_sources_new(
    struct secret_sources **sources_out, const char *config_file);

/* NULL-safe, clears *SOURCES. */
void secret_sources_free(struct secret_sources **sources);

/*
 * Moves every secret, of whatever role, out of the environment of this
 * process; those of tools are still found. 0 or -errno.
 */
int secret_sources_take_environment(struct secret_sources *sources);

/*
 * Reads the configuration for the last time: its lines about secrets of tools
 * are kept, in a memfd, and what else is a secret there is wiped. For a
 * process that is about to give the right to read it away. 0 or -errno.
 */
int secret_sources_gather(struct secret_sources *sources);

/*
 * Copies the value of NAME into VALUE: printable, not empty, to be wiped by
 * the caller. Otherwise why not in WHY, which names places but no values:
 * -ENOENT nowhere, -EINVAL found but of no use, -errno.
 */
int secret_sources_read(struct secret_sources *sources, const char *name,
    char value[SECRET_SOURCE_SIZE], char *why, size_t size);

/*
 * Whether secret_sources_read() would find something, without reading it: for
 * those who are not to know secrets. 0, or -errno with WHY.
 */
int secret_sources_look(
    struct secret_sources *sources, const char *name, char *why, size_t size);

#endif
