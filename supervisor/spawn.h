/* SPDX-License-Identifier: MIT */
/* spawn.h – the one place where a process is made: fork and exec. libc only. */
#ifndef SUPERVISOR_SPAWN_H
#define SUPERVISOR_SPAWN_H

#include "common/proc.h"

#include <sys/types.h>

struct spawn_descriptors {
	int channel; /* becomes PROC_FD_CHANNEL */
	int secrets; /* becomes PROC_FD_SECRETS; -1: none */
	int memory;  /* becomes PROC_FD_MEMORY; -1: none */
};

/*
 * Where the binaries of the roles are: beside the running one if
 * telefonista-supervisor is there, else TELEFONISTA_LIBEXEC.
 * Returns 0 or -errno.
 */
int spawn_find_binaries(void);

enum {
	SPAWN_PATH_SIZE = 4096 + 64,
};

/*
 * The binary of ROLE, which may be missing; of the keeper what has the name
 * of this program.
 */
void spawn_path(char path[SPAWN_PATH_SIZE], enum proc_role role);

/*
 * Starts ROLE with `--config CONFIG_FILE` (NULL: without) and exactly the
 * descriptors of common/proc.h; the caller keeps its own and closes them.
 * Returns the pid, or -errno, also when exec failed.
 */
pid_t spawn(enum proc_role role, const struct spawn_descriptors *descriptors,
    const char *config_file);

/*
 * The same with the binary BINARY (O_PATH), which need not have a name any
 * more, and one more ARGUMENT; -1 and NULL: as spawn().
 */
pid_t spawn_binary(enum proc_role role, int binary,
    const struct spawn_descriptors *descriptors, const char *config_file,
    const char *argument);

/*
 * Becomes ROLE with ARGUMENT, keeping environment and terminal: for a command
 * that the operator waits for. Returns an exit status only when exec failed.
 */
int spawn_replace(
    enum proc_role role, const char *config_file, const char *argument);

#endif
