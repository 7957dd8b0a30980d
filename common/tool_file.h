/* SPDX-License-Identifier: MIT */
/*
 * tool_file.h – one tool that an operator has defined, etc/tools.d/NAME.json,
 * taken apart and checked. The format is described in etc/tools.d/README.md.
 */
#ifndef COMMON_TOOL_FILE_H
#define COMMON_TOOL_FILE_H

#include "common/config.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TOOL_DEADLINE_MIN_MS = 1000,
	TOOL_DEADLINE_MAX_MS = 600000,
	TOOL_CACHE_MAX_S = 3600,
	TOOL_TARGET_LIMIT_MAX = 1024,
	TOOL_TARGET_SIZE = 128, /* bytes, NUL included */
	TOOL_WAITING_MAX = 8,   /* sentences */
	/* Bytes of "settings" as JSON: with it a job.run stays in bounds. */
	TOOL_SETTINGS_MAX = 8192,
};

/* The parameter that a tool with "confirm" gets beside its own. */
#define TOOL_CONFIRMATION_ARGUMENT "confirmation"

/* For whom a tool runs; each may what those before it may. */
enum tool_who {
	TOOL_WHO_PUBLIC,   /* whoever calls */
	TOOL_WHO_CUSTOMER, /* one who has proved which customer he is */
	TOOL_WHO_STAFF,
	TOOL_WHO_SERVICE, /* no caller: what this service asks for itself */
};

const char *tool_who_name(enum tool_who who);

/* Everything belongs to the file. No pointer is NULL. */
struct tool {
	const char *name;
	const char *description;
	/* Said in turn while it runs, with {seconds}; none: the persona's. */
	const char *waiting[TOOL_WAITING_MAX];
	size_t waiting_count;
	/* Said when it got on, with {done} and {total}; "": not. */
	const char *progress;
	const char *executor; /* "http", "sql", "call", "access" */
	/* "hangup", "cancel", "transfer", "staff_pin", "customer_factor"; "" */
	const char *action;
	const cJSON *parameters; /* JSON schema, checked */
	const cJSON *failures;   /* status name → sentence, complete */
	/*
	 * For job.run: the members of "executor", its type as "executor", and
	 * what the executor must know of the rest: parameters,
	 * timeout_argument, read_only.
	 */
	const cJSON *settings;
	/*
	 * Which service a job burdens, the name of the tool unless said. May
	 * hold one "${argument:NAME}": then each value is a target.
	 */
	const char *target;
	/* Jobs on one target at once; 0: what the pool decides. */
	unsigned int target_limit;
	uint32_t cache_s; /* how long an answer may serve others; 0: not */
	/* Added to an answer from the cache; "{seconds}" is its age. */
	const char *stale;
	uint32_t deadline_ms; /* the longest that it may take */
	/* The argument with which the model sets a timeout in seconds, or "" */
	const char *timeout_argument;
	enum tool_who who;
	/* What the voice is told when the caller is not; "" for the public. */
	const char *unidentified;
	bool confirm;   /* runs only after the caller has agreed to it */
	bool read_only; /* may be merged, cached, run again after a crash */
	bool exclusive; /* needs a worker for itself */
	bool personal;  /* asks with what we know of the caller: not merged */
	bool available; /* what it needs is configured; else not offered */
};

struct tool_file {
	struct tool tool;
	cJSON *json; /* what TOOL points into */
	cJSON *settings;
};

/*
 * Reads TEXT, UTF-8 of LEN bytes and a NUL. 0 with *FILE_OUT to be released,
 * or -EINVAL; every fault becomes a warning in PROBLEMS that begins with PATH
 * and names the place. Nothing of CONFIG or TEXT is kept.
 */
int tool_file_parse(struct tool_file *file_out, const char *path,
    const char *text, size_t len, const struct config *config,
    struct config_problems *problems);

/* NULL-safe members, leaves *FILE zeroed. */
void tool_file_free(struct tool_file *file);

#endif
