/* SPDX-License-Identifier: MIT */
/*
 * tool_job.h – one function call of a voice on its way through the queue, as
 * data: what was asked, what it may take, which words each end gets. Private
 * to tool_queue.c; the moves are made there.
 */
#ifndef SUPERVISOR_TOOL_JOB_H
#define SUPERVISOR_TOOL_JOB_H

#include "common/tool_status.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct tool_queue_tool;
struct tool_slot;

enum {
	TOOL_REQUEST_ID_MAX = 128,     /* bytes of a function call's id */
	TOOL_TIMEOUT_MARGIN_MS = 5000, /* over the model's own timeout */
	TOOL_DEADLINE_MAX_MS = 600000,
};

enum tool_job_state {
	TOOL_JOB_WAITING,   /* for a worker */
	TOOL_JOB_RUNNING,   /* job.run was sent */
	TOOL_JOB_UNCLAIMED, /* runs since an earlier supervisor; nobody asked */
	TOOL_JOB_CANCELLED, /* job.cancel was sent; nobody waits for it */
};

struct tool_job {
	TAILQ_ENTRY(tool_job) entry;
	enum tool_job_state state;
	struct tool_slot *slot; /* NULL only while WAITING */
	unsigned int attempts;  /* job.runs sent */
	bool read_only;
	uint64_t started_ms;  /* the request, or the adoption */
	uint64_t deadline_ms; /* moment: answer, claim or confirmation */
	uint64_t notice_ms;   /* moment of the next "still waiting" */
	char id[TOOL_JOB_ID_SIZE];
	/* NULL while UNCLAIMED and CANCELLED. */
	char *call;
	char *request;
	char *name;
	cJSON *arguments;
	cJSON *settings; /* may be NULL */
	cJSON *failures; /* status name -> sentence */
};

TAILQ_HEAD(tool_job_list, tool_job);

/*
 * The id under which a request runs, the same in every supervisor: "CALL/ID",
 * or a digest if that were too long or ambiguous.
 */
void tool_job_make_id(
    char *buf, size_t size, const char *call, const char *request);

/*
 * Checks TEXT against TOOL's schema. Returns the arguments, or NULL with what
 * the model should know in WHY.
 */
cJSON *tool_job_parse_arguments(const struct tool_queue_tool *tool,
    const char *text, char *why, size_t size);

/*
 * How long TOOL may take with ARGUMENTS: what the model asked for in the
 * tool's timeout argument (or its default) plus TOOL_TIMEOUT_MARGIN_MS, never
 * more than the tool's own limit.
 */
unsigned int tool_job_deadline(
    const struct tool_queue_tool *tool, const cJSON *arguments);

/*
 * A job of a request, or an unclaimed one when CALL is NULL (then only ID is
 * used). Everything is copied except ARGUMENTS, which are taken, also on
 * failure. NULL: no memory.
 */
struct tool_job *tool_job_new(const char *id, const char *call,
    const char *request, const char *name, const struct tool_queue_tool *tool,
    cJSON *arguments);

/* Forgets who asked and what, when it has been answered. */
void tool_job_disown(struct tool_job *job);

/* NULL-safe. The job must be in no list. */
void tool_job_free(struct tool_job *job);

/*
 * What the voice gets for STATUS: the detail itself for OK and
 * INVALID_ARGUMENTS, else the sentence in FAILURES, in which "{detail}" is
 * replaced by DETAIL for REFUSED only (then they are the service's words, not
 * ours). Cut to SIZE at a whole letter.
 */
void tool_job_words(char *buf, size_t size, const cJSON *failures,
    enum tool_status status, const char *detail);

#endif
