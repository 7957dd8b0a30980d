/* SPDX-License-Identifier: MIT */
/*
 * tools.h – the tools that an operator has defined, etc/tools.d/x.json.
 *
 * One load of the folder is a generation: immutable and counted, so that a
 * call keeps the tools with which it began while newer calls have others.
 * The format is described in etc/tools.d/README.md.
 */
#ifndef SUPERVISOR_TOOLS_H
#define SUPERVISOR_TOOLS_H

#include "common/tool_file.h"

#include <stddef.h>

enum {
	TOOLS_MAX = 64,
};

struct secret_sources;
struct tools;

/*
 * Reads FOLDER. A bad file becomes a warning in PROBLEMS that names it and
 * the place, and is left out; so is the whole folder if it cannot be read.
 * The generation comes with one reference. 0 or -ENOMEM.
 */
int tools_load(struct tools **tools_out, const char *folder,
    const struct config *config, struct config_problems *problems);

/*
 * Without routers in the inventory no tool that asks them is available. Part
 * of the load, before anybody else has the generation.
 */
void tools_use_routers(struct tools *tools, size_t router_count);

struct tools *tools_ref(struct tools *tools);

/* Drops a reference, and with the last one everything. NULL-safe, clears. */
void tools_unref(struct tools **tools);

/*
 * A warning in PROBLEMS for each secret that an available one of TOOLS names
 * and that is in none of SOURCES. No value is read.
 */
void tools_check_secrets(const struct tools *tools,
    struct secret_sources *sources, struct config_problems *problems);

size_t tools_count(const struct tools *tools);
const struct tool *tools_at(const struct tools *tools, size_t index);

/* NULL when there is none of that name, available or not. */
const struct tool *tools_find(const struct tools *tools, const char *name);

#endif
