/* SPDX-License-Identifier: MIT */
/*
 * supervisor_wall.h – the wall of the supervisor: what is left of the machine
 * for one who talks Asterisk into sending what takes it over.
 *
 * It reads the settings and folders that an operator edits, writes records,
 * the log and the control socket, and opens sockets. It cannot execute, and
 * listens on no TCP port. Of secrets it reads its own role's, and what lies
 * in the same folder as the settings.
 */
#ifndef SUPERVISOR_SUPERVISOR_WALL_H
#define SUPERVISOR_SUPERVISOR_WALL_H

#include "common/config.h"

#include <stdbool.h>

/*
 * Enters. To be called with the settings read, and before anything is heard
 * from anybody but the keeper. 0, or -errno, logged.
 */
int supervisor_wall_enter(const struct config *config, const char *config_file);

/*
 * Whether all that these settings, read anew, name is within the wall. If
 * not, only another supervisor can follow them.
 */
bool supervisor_wall_covers(
    const struct config *config, const char *config_file);

/*
 * Whether a file that is read again without our being told was replaced: those
 * of name servers and hosts, as by whoever gives this machine its address, and
 * ASTERISK_CA_FILE. What is there now is not within the wall. True once.
 */
bool supervisor_wall_lost_files(const struct config *config);

#endif
