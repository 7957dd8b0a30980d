/* SPDX-License-Identifier: MIT */
/*
 * jobs.h – the jobs that run in this toolworker.
 *
 * Every job.run is answered by exactly one job.result: the executor's, or
 * timeout at the deadline, cancelled, busy above JOBS_MAX, lost when this
 * process ends first. A job.run whose id is running already changes nothing
 * (a new supervisor repeats itself). How a job goes is told at most every
 * JOBS_PROGRESS_MS; what comes faster is passed over, but never the last. No I/O and no clock of its own: messages
 * and the timer are callbacks.
 */
#ifndef TOOLWORKER_JOBS_H
#define TOOLWORKER_JOBS_H

#include "common/message.h"
#include "toolworker/executor.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	JOBS_MAX = 160, /* running at once, most of them parts of questions */
	JOB_DEADLINE_MAX_MS = 15 * 60 * 1000,
	JOBS_PROGRESS_MS = 500, /* least time between two of a job */
};

struct jobs;

struct jobs_config {
	const struct executor *executors; /* outlive the table */
	size_t executor_count;
	/* Takes BODY. A failure is the channel's, which says so elsewhere. */
	void (*send)(enum message_type type, cJSON *body, void *arg);
	/*
	 * Call jobs_tick() in DELAY_MS, replacing what was asked before;
	 * UINT64_MAX: nothing to wait for.
	 */
	void (*arm)(uint64_t delay_ms, void *arg);
	void (*changed)(size_t count, void *arg); /* jobs running now */
	uint64_t (*now_ms)(void); /* clock_now_ms, or a test's */
	void *arg;
};

/* CONFIG is copied. 0 or -ENOMEM. */
int jobs_new(struct jobs **jobs_out, const struct jobs_config *config);

/* Cancels what runs, without results. NULL-safe, clears *JOBS. */
void jobs_free(struct jobs **jobs);

/*
 * Handles job.run and job.cancel. -EPROTO: BODY has no usable id, so that it
 * cannot be answered; the channel should be given up.
 */
int jobs_on_run(struct jobs *jobs, const cJSON *body);
int jobs_on_cancel(struct jobs *jobs, const cJSON *body);

/* Ends the jobs whose deadline has passed, and tells what was put off. */
void jobs_tick(struct jobs *jobs);

/* This process is about to end: cancels every job and answers it LOST. */
void jobs_abandon(struct jobs *jobs);

size_t jobs_count(const struct jobs *jobs);

/* Says again how every job goes, as far as it is known: after sync. */
void jobs_tell_progress(struct jobs *jobs);

/* The ids of all running jobs, for the answer to sync. NULL: no memory. */
cJSON *jobs_list(const struct jobs *jobs);

/* One line per job at info. */
void jobs_log(const struct jobs *jobs);

#endif
