/* SPDX-License-Identifier: MIT */
/*
 * call_wall.h – the wall of a callworker: what is left of the machine for one who
 * talks OpenAI's server, or a caller's RTP, into taking it over.
 *
 * It has the call's descriptors, may connect to the voice service, and reads
 * CA certificates. It cannot open another file, listen, fork or execute.
 */
#ifndef CALLWORKER_CALL_WALL_H
#define CALLWORKER_CALL_WALL_H

#include "common/config.h"

/*
 * Enters. To be called when session.prepare has said where the voice is (URL,
 * CA_FILE, "" for the system's), with everything else read already, and
 * before the first connection. 0, or -errno, logged.
 */
int call_wall_enter(
    const struct config *config, const char *url, const char *ca_file);

#endif
