/* SPDX-License-Identifier: MIT */
/*
 * keeper.h – the process that owns the others.
 *
 * It forks, reaps and restarts, and holds a duplicate of every descriptor
 * that must outlive a child. It reads signals and the fixed structs of
 * keeper_protocol.h, nothing else, and links no library but libc.
 */
#ifndef SUPERVISOR_KEEPER_H
#define SUPERVISOR_KEEPER_H

#include "common/proc.h"

struct keeper_config {
	const char *config_file;      /* NULL: none */
	int secrets[PROC_ROLE_COUNT]; /* memfds from the environment, or -1 */
};

/*
 * Goes on where another program of this very process has stopped: IMAGE is
 * its state (keeper_image.h), OLD its binary, or -1; both are taken. What
 * CONFIG says of secrets is ignored. As keeper_run(), or -errno if that state
 * makes no sense here; then nothing has been changed.
 */
int keeper_resume(const struct keeper_config *config, int image, int old);

/*
 * Runs the service until it is told to stop. Returns an exit status of
 * enum proc_exit; every child is gone by then.
 */
int keeper_run(const struct keeper_config *config);

#endif
