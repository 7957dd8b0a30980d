/* SPDX-License-Identifier: MIT */
/* sandbox_paths.h – files that more than one role needs behind its wall. */
#ifndef COMMON_SANDBOX_PATHS_H
#define COMMON_SANDBOX_PATHS_H

#include "common/sandbox.h"

/* Devices, time zones, and the log: LOG_FILE is LOG_FILE_PATH, "" for none. */
void sandbox_allow_basics(struct sandbox *sandbox, const char *log_file);

/* What OpenSSL reads: its settings, the system's CAs, CA_FILE (or NULL). */
void sandbox_allow_tls(struct sandbox *sandbox, const char *ca_file);

#endif
