/* SPDX-License-Identifier: MIT */
/* check_asterisk.h – Asterisk's part of `telefonista --check`. */
#ifndef SUPERVISOR_CHECK_ASTERISK_H
#define SUPERVISOR_CHECK_ASTERISK_H

#include "common/config.h"

#include <stdbool.h>

struct event_base;
struct tools;

/*
 * Is Asterisk reachable, may the user write, are the modules loaded, does it
 * know the telephones to which TOOLS transfer callers. Prints what it finds
 * (common/report.h), runs BASE's loop meanwhile, and returns whether all is
 * well.
 */
bool check_asterisk(struct event_base *base, const struct config *config,
    const struct tools *tools);

#endif
