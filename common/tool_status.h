/* SPDX-License-Identifier: MIT */
/*
 * tool_status.h – how a function call can end, in one table.
 *
 * Spoken between all roles: a toolworker's job.result and the supervisor's
 * tool.result carry the name. A status with SENTENCE needs a sentence in
 * "failures" of every file in etc/tools.d, in the caller's language, which
 * the voice gets instead of an answer; the others never reach the caller as
 * such: OK has an answer, INVALID_ARGUMENTS tells the model what to correct,
 * CANCELLED has no listener, INTERNAL borrows the sentence of LOST.
 */
#ifndef COMMON_TOOL_STATUS_H
#define COMMON_TOOL_STATUS_H

#include <stdbool.h>

/* What supervisor and toolworker agree on beside the statuses. */
enum {
	TOOL_JOB_ID_SIZE = 97, /* NUL included; a state message lists 32 */
	/*
	 * Bytes of an answer, NUL included: twice as much, escaped as JSON,
	 * still fits a job.result and a tool.result. Longer ones are cut.
	 */
	TOOL_OUTPUT_SIZE = 16384,
};

/* X(ENUM, "name", has a sentence, "what happened") */
#define TOOL_STATUS_TABLE(X)                                                   \
	X(OK, "ok", false, "answered")                                         \
	X(TIMEOUT, "timeout", true, "no answer before the deadline")           \
	X(UNREACHABLE, "unreachable", true, "no connection to the service")    \
	X(HTTP_ERROR, "http_error", true, "the service failed")                \
	X(BUSY, "busy", true, "too much to do, here or at the service")        \
	X(MALFORMED, "malformed", true, "an answer that makes no sense")       \
	X(REFUSED, "refused", true, "the service says that it cannot")         \
	X(INVALID_ARGUMENTS, "invalid_arguments", false,                       \
	    "the model called the tool wrongly")                               \
	X(LOST, "lost", true, "the toolworker died or was ended")              \
	X(CANCELLED, "cancelled", false, "nobody waits for it any longer")     \
	X(INTERNAL, "internal", false, "our own failure")

enum tool_status {
#define X(id, name, sentence, what) TOOL_STATUS_##id,
	TOOL_STATUS_TABLE(X)
#undef X
	TOOL_STATUS_COUNT
};

const char *tool_status_name(enum tool_status status);

/* -ENOENT when no status has that name. */
int tool_status_find(const char *name, enum tool_status *status_out);

/* Whether a tool's definition must say a sentence for STATUS. */
bool tool_status_has_sentence(enum tool_status status);

#endif
