/* SPDX-License-Identifier: MIT */
/*
 * run.h – `telefonista-toolworker --run NAME '{"arguments": {…}}'`: one tool,
 * as a call would run it, for an operator without a phone.
 */
#ifndef TOOLWORKER_RUN_H
#define TOOLWORKER_RUN_H

#include "common/config.h"
#include "common/proc.h"
#include "toolworker/executor.h"

#include <stddef.h>

struct event_base;
struct secret_sources;

/*
 * Loads NAME.json of TOOLS_DIR, runs it with what TEXT says and prints
 * status, time and output. Runs BASE's loop; returns the exit status:
 * PROC_EXIT_OK for the status "ok", PROC_EXIT_INTERNAL for any other,
 * PROC_EXIT_CONFIG when there is nothing that could be run, also when a secret
 * that the tool names is in none of SOURCES.
 */
enum proc_exit run_tool(struct event_base *base,
    const struct executor *executors, size_t count, const struct config *config,
    struct secret_sources *sources, const char *name, const char *text);

#endif
