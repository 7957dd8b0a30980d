/* SPDX-License-Identifier: MIT */
/*
 * executor.h – what runs one kind of job: http, sql, routeros.
 *
 * An executor takes a job, works on it without blocking the loop, may say how
 * it goes, and ends it with exactly one result. Deadline and bookkeeping are
 * not its business (jobs.h); a deadline is told only so that it can be passed
 * on to the service.
 */
#ifndef TOOLWORKER_EXECUTOR_H
#define TOOLWORKER_EXECUTOR_H

#include "common/tool_progress.h"
#include "common/tool_status.h"

#include <cjson/cJSON.h>

/* Everything is the caller's and lives until start() returns. */
struct executor_request {
	const char *id;         /* for log lines */
	const char *tool;       /* what the model called */
	const cJSON *arguments; /* an object, checked by the supervisor */
	const cJSON *settings;  /* of the tool's definition, or NULL */
	const cJSON *caller;    /* what the supervisor knows of who asks:
				   number, customer; or NULL */
	unsigned int deadline_ms;
};

/*
 * OUTPUT is the answer for the model with TOOL_STATUS_OK, else what happened
 * (for the log, and with REFUSED and INVALID_ARGUMENTS for the model too):
 * UTF-8 without control characters but newline and tab, shorter than
 * TOOL_OUTPUT_SIZE. It is the executor's and lives until return.
 */
typedef void executor_result_fn(
    enum tool_status status, const char *output, void *arg);
typedef void executor_progress_fn(
    const struct tool_progress *progress, void *arg);

/*
 * The target will be busy with this job for so long after the job's end. The
 * last one told counts, which may come from inside cancel().
 */
typedef void executor_hold_fn(unsigned int hold_ms, void *arg);

struct executor_events {
	/* Any number of times, however fast; must not cancel the job. */
	executor_progress_fn *progress;
	executor_hold_fn *hold;
	executor_result_fn *result; /* once; nothing follows it */
	void *arg;
};

struct executor {
	const char *name; /* as "executor" in a tool's settings */
	void *self;
	/*
	 * Starts a job and returns its handle, valid until result() or
	 * cancel(). The result may come before return; then, and only then,
	 * NULL is returned. EVENTS is copied.
	 */
	void *(*start)(void *self, const struct executor_request *request,
	    const struct executor_events *events);
	/* Ends a job that has not ended: no event follows but a hold. */
	void (*cancel)(void *handle);
};

#endif
