/* SPDX-License-Identifier: MIT */
/*
 * tool_wall.h – the wall of a toolworker: what is left of the machine for one who
 * talks a service, a router or a database into taking it over.
 *
 * It may connect to whatever tools ask, load the drivers of databases, run
 * their threads, and read CA certificates and what ODBC is configured with.
 */
#ifndef TOOLWORKER_TOOL_WALL_H
#define TOOLWORKER_TOOL_WALL_H

#include "common/config.h"

/*
 * Enters. To be called with the settings read, and before anything is heard
 * from anybody. 0, or -errno, logged.
 */
int tool_wall_enter(const struct config *config);

#endif
