/* SPDX-License-Identifier: MIT */
/*
 * tool_calls.h – the function calls of one conversation that wait for their
 * result. Each gets exactly one answer: the result, or, after its deadline and
 * a grace period, our own.
 */
#ifndef CALLWORKER_TOOL_CALLS_H
#define CALLWORKER_TOOL_CALLS_H

#include "callworker/voice.h"
#include "common/tool_status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TOOL_CALLS_MAX = 8,         /* waiting at the same time */
	TOOL_NAME_SIZE = 65,        /* the service allows 64 characters */
	TOOL_ARGUMENTS_MAX = 20000, /* bytes; quoted they fit a tool.request */
	TOOL_GRACE_MS = 10000,      /* the supervisor answers first */
	TOOL_LOG_MS = 10000,        /* between "tool waiting" lines */
	TOOL_OUTPUT_MAX = 4096,     /* bytes of a result that the model gets */
};

struct tool_call {
	char id[VOICE_ID_SIZE];
	char name[TOOL_NAME_SIZE];
	char *arguments;
	bool own; /* not the model's: the caller's wish for a person */
	uint64_t since_ms;
	uint64_t deadline_ms; /* when we answer ourselves */
	uint64_t log_ms;      /* when "tool waiting" is due */
	int64_t done, total;  /* as tool.progress says; 0 unknown */
	/* What the caller was told about it. */
	int64_t said_done;
	unsigned said_waiting; /* sentences */
};

/* Zero it to start; the oldest first. */
struct tool_calls {
	struct tool_call list[TOOL_CALLS_MAX + 1]; /* one of our own */
	unsigned count;
};

void tool_calls_clear(struct tool_calls *tc);

/*
 * Adds a call that has DEADLINE_MS from now on. 0, -EEXIST (id waits
 * already), -ENOBUFS, -EINVAL (id, name or arguments too long) or -ENOMEM.
 */
int tool_calls_add(struct tool_calls *tc, const char *id, const char *name,
    const char *arguments, uint32_t deadline_ms, uint64_t now_ms);

/* The same for one of our own, for which there is always room beside the
 * model's. */
int tool_calls_add_own(struct tool_calls *tc, const char *id, const char *name,
    const char *arguments, uint32_t deadline_ms, uint64_t now_ms);

/* The call ID, or NULL: nobody waits for it. */
struct tool_call *tool_calls_find(struct tool_calls *tc, const char *id);

/*
 * Takes the call ID out of the list into *CALL_OUT, which the caller clears
 * with tool_call_clear(). False: nobody waits for it, or not any longer.
 */
bool tool_calls_take(
    struct tool_calls *tc, const char *id, struct tool_call *call_out);

/* The same for one whose time is over. */
bool tool_calls_take_expired(
    struct tool_calls *tc, uint64_t now_ms, struct tool_call *call_out);

void tool_call_clear(struct tool_call *call);

/* The one that waits longest, or NULL. */
const struct tool_call *tool_calls_oldest(const struct tool_calls *tc);

/* Logs what has waited another TOOL_LOG_MS. */
void tool_calls_log_waiting(struct tool_calls *tc, uint64_t now_ms);

/*
 * What the model gets: a JSON text that says how the call ended and marks
 * TEXT as data. TEXT is made valid UTF-8 and cut to TOOL_OUTPUT_MAX bytes,
 * which the JSON text then says. A new string, or NULL without memory.
 */
char *tool_calls_output(enum tool_status status, const char *text);

#endif
