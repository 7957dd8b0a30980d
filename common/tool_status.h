/* SPDX-License-Identifier: MIT */
/*
 * tool_status.h – how a function call can end, in one table.
 *
 * Spoken between all roles: a toolworker's job.result and the supervisor's
 * tool.result carry the name. What a tool of a USE can end with needs a
 * sentence in "failures" of its file in etc/tools.d, in the caller's language,
 * which the voice gets instead of an answer; the others never reach the caller
 * as such: OK has an answer, INVALID_ARGUMENTS tells the model what to correct,
 * UNCONFIRMED what to ask first,
 * CANCELLED has no listener, INTERNAL borrows the sentence of LOST, and LOST
 * that of UNKNOWN where it has none.
 */
#ifndef COMMON_TOOL_STATUS_H
#define COMMON_TOOL_STATUS_H

#include <stdbool.h>

/* What supervisor and toolworker agree on beside the statuses. */
enum {
	TOOL_JOB_ID_SIZE = 97, /* NUL included; a state message lists 160 */
	/*
	 * Bytes of an answer, NUL included: twice as much, escaped as JSON,
	 * still fits a job.result and a tool.result. Longer ones are cut.
	 */
	TOOL_OUTPUT_SIZE = 16384,
};

/* What a tool is used for, and so how it can fail; bits. */
enum tool_use {
	TOOL_USE_NONE = 0,  /* cannot: done within the call */
	TOOL_USE_QUERY = 1, /* a toolworker asks a service */
	TOOL_USE_TRANSFER = 2,
	TOOL_USE_BOTH = TOOL_USE_QUERY | TOOL_USE_TRANSFER,
};

/* X(ENUM, "name", uses that need a sentence, "what happened") */
#define TOOL_STATUS_TABLE(X)                                                   \
	X(OK, "ok", NONE, "answered")                                          \
	X(TIMEOUT, "timeout", BOTH, "no answer before the deadline")           \
	X(UNREACHABLE, "unreachable", QUERY, "no connection to the service")   \
	X(HTTP_ERROR, "http_error", QUERY, "the service failed")               \
	X(BUSY, "busy", BOTH, "too much to do, or in another call")            \
	X(MALFORMED, "malformed", QUERY, "an answer that makes no sense")      \
	X(REFUSED, "refused", BOTH, "the service, or the person, says no")     \
	X(NO_ANSWER, "no_answer", TRANSFER, "it rang, and nobody answered")    \
	X(UNKNOWN, "unknown", TRANSFER,                                        \
	    "no such destination, or not reached and nobody knows why")        \
	X(INVALID_ARGUMENTS, "invalid_arguments", NONE,                        \
	    "the model called the tool wrongly")                               \
	X(UNCONFIRMED, "unconfirmed", NONE, "the caller has not agreed to it") \
	X(LOST, "lost", QUERY, "the toolworker died or was ended")             \
	X(CANCELLED, "cancelled", NONE, "nobody waits for it any longer")      \
	X(INTERNAL, "internal", NONE, "our own failure")

enum tool_status {
#define X(id, name, uses, what) TOOL_STATUS_##id,
	TOOL_STATUS_TABLE(X)
#undef X
	TOOL_STATUS_COUNT
};

const char *tool_status_name(enum tool_status status);

/* -ENOENT when no status has that name. */
int tool_status_find(const char *name, enum tool_status *status_out);

/* Whether the definition of a tool for USE must say a sentence for STATUS. */
bool tool_status_has_sentence(enum tool_status status, enum tool_use use);

#endif
