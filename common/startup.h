/* SPDX-License-Identifier: MIT */
/* startup.h – the steps that every role but the keeper takes at its start. */
#ifndef COMMON_STARTUP_H
#define COMMON_STARTUP_H

#include "common/config.h"
#include "common/log.h"

#include <stdbool.h>

/*
 * The file named by --config, or NULL; for a role that takes nothing else.
 * Exits with PROC_EXIT_CONFIG for what it does not know.
 */
const char *startup_parse_args(int argc, char **argv);

/*
 * No core dump, and no /proc/PID/mem for others of our own user: secrets and
 * callers' words are in here. TELEFONISTA_DUMPABLE=1 in the environment
 * leaves it open, for debuggers and leak checkers.
 */
void startup_lock_memory(void);

/* LOG_LEVEL and LOG_FILE_PATH; again after the file was rotated (SIGHUP). */
void startup_apply_log(const struct config *config);

/*
 * Whether this is a place for the service: not root, unless RUN_AS_ROOT says
 * so; and what its walls (common/sandbox.h) lack here.
 */
void startup_check_system(
    const struct config *config, struct config_problems *problems);

/* Each problem on a line: fatal ones as errors, the others as warnings. */
void startup_log_problems(const struct config_problems *problems);

/*
 * config_load() and both of the above, for a worker. It runs with whatever
 * there is, since the file may be half edited: what the supervisor accepted
 * counts, and that comes by message. Problems are logged at LEVEL, as errors
 * only when a secret of its own is missing.
 */
void startup_load_config(struct config *config, const char *file,
    enum proc_role role, enum log_level level);

#endif
