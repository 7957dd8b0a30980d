/* SPDX-License-Identifier: MIT */
/*
 * limits.h – whether what the system lets this service have is enough for
 * MAX_CALLS: better said at the start than found out by callers.
 */
#ifndef SUPERVISOR_LIMITS_H
#define SUPERVISOR_LIMITS_H

#include "common/config.h"

#include <stdint.h>

/* UINT64_MAX: no limit, or none that can be read. */
struct limits {
	uint64_t descriptors; /* of one process, raised as far as may be */
	uint64_t processes;   /* of the user, or of the service's cgroup */
	uint64_t memory;      /* of the cgroup, in bytes */
};

void limits_read(struct limits *limits);

/* What PATH, a file of cgroups(7) ("max", or a number), says. */
uint64_t limits_read_file(const char *path);

/* Adds a warning for each that MAX_CALLS does not fit in. */
void limits_check(const struct limits *limits, const struct config *config,
    struct config_problems *problems);

#endif
