/* SPDX-License-Identifier: MIT */
/*
 * tool_wall.h – the wall of a toolworker: what is left of the machine for one who
 * talks a service, a router or a database into taking it over.
 *
 * It may connect to whatever tools ask, load the drivers of databases, run
 * their threads, read CA certificates, what ODBC is configured with and the
 * secrets of tools, and change the databases that are files. The settings,
 * which may hold other secrets, it has read.
 */
#ifndef TOOLWORKER_TOOL_WALL_H
#define TOOLWORKER_TOOL_WALL_H

#include "common/config.h"

/*
 * Enters. To be called with the settings of CONFIG_FILE (may be NULL) read,
 * secrets gathered (secret_sources_gather()), and before anything is heard
 * from anybody. 0, or -errno, logged.
 */
int tool_wall_enter(const struct config *config, const char *config_file);

#endif
