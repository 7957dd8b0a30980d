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

#include "common/config.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TOOLS_MAX = 64,
	TOOLS_DEADLINE_MIN_MS = 1000,
	TOOLS_DEADLINE_MAX_MS = 600000,
};

struct tools;

/* Everything belongs to the generation. No pointer is NULL. */
struct tool {
	const char *name;
	const char *description;
	const char *waiting;     /* said while it runs; "" for the persona's */
	const char *executor;    /* "mikrotik" */
	const cJSON *parameters; /* JSON schema, checked */
	const cJSON *failures;   /* status name → sentence, complete */
	/* For job.run: the members of "executor", its type as "executor". */
	const cJSON *settings;
	uint32_t deadline_ms; /* the longest that it may take */
	/* The argument with which the model sets a timeout in seconds, or "" */
	const char *timeout_argument;
	bool read_only; /* may be run again when a worker was lost */
	bool available; /* what its executor needs is configured */
};

/*
 * Reads FOLDER. A bad file becomes a warning in PROBLEMS that names it and
 * the place, and is left out; so is the whole folder if it cannot be read.
 * The generation comes with one reference. 0 or -ENOMEM.
 */
int tools_load(struct tools **tools_out, const char *folder,
    const struct config *config, struct config_problems *problems);

struct tools *tools_ref(struct tools *tools);

/* Drops a reference, and with the last one everything. NULL-safe, clears. */
void tools_unref(struct tools **tools);

size_t tools_count(const struct tools *tools);
const struct tool *tools_at(const struct tools *tools, size_t index);

/* NULL when there is none of that name, available or not. */
const struct tool *tools_find(const struct tools *tools, const char *name);

#endif
