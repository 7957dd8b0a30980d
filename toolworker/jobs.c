/* SPDX-License-Identifier: MIT */
/*
 * jobs.c – the table of running jobs.
 *
 * Invariant: a job is in the list from its job.run until its one job.result
 * is sent, and job_end() is the only function that sends one for a job in the
 * list, after taking it out.
 */
#include "toolworker/jobs.h"

#include "common/json.h"
#include "common/log.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct job {
	TAILQ_ENTRY(job) entry;
	struct jobs *jobs;
	const struct executor *executor;
	void *handle;  /* the executor's; NULL while it starts */
	bool starting; /* inside executor->start() */
	bool ended;    /* while starting: freed when that returns */
	uint64_t started_ms;
	uint64_t deadline_ms; /* a moment, not a duration */
	unsigned int hold_ms; /* see executor_hold_fn */
	struct tool_progress progress;
	uint64_t progress_ms; /* moment: not told before */
	bool progress_due;    /* there is something that was not told */
	char id[TOOL_JOB_ID_SIZE];
	char tool[65];
};

struct jobs {
	struct jobs_config config;
	TAILQ_HEAD(, job) list;
	size_t count;
};

static struct job *
job_find(struct jobs *jobs, const char *id)
{
	struct job *job;

	TAILQ_FOREACH(job, &jobs->list, entry) {
		if (strcmp(job->id, id) == 0)
			return job;
	}
	return NULL;
}

static void
send_result(struct jobs *jobs, const char *id, enum tool_status status,
    const char *output, unsigned int hold_ms)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "id", id);
	json_add_string(body, "status", tool_status_name(status));
	json_add_string(body, "output", output);
	if (hold_ms > 0)
		json_add_int(body, "hold_ms", hold_ms);
	jobs->config.send(MESSAGE_JOB_RESULT, body, jobs->config.arg);
}

/* Asks for a tick at the first deadline or progress that was put off. */
static void
rearm(struct jobs *jobs)
{
	uint64_t now_ms = jobs->config.now_ms();
	uint64_t first_ms = UINT64_MAX;
	const struct job *job;

	TAILQ_FOREACH(job, &jobs->list, entry) {
		if (job->deadline_ms < first_ms)
			first_ms = job->deadline_ms;
		if (job->progress_due && job->progress_ms < first_ms)
			first_ms = job->progress_ms;
	}
	if (first_ms != UINT64_MAX)
		first_ms = first_ms > now_ms ? first_ms - now_ms : 0;
	jobs->config.arm(first_ms, jobs->config.arg);
}

static void
table_changed(struct jobs *jobs)
{
	rearm(jobs);
	jobs->config.changed(jobs->count, jobs->config.arg);
}

/* The one end of a job that was taken up; its executor is done with it. */
static void
job_end(struct job *job, enum tool_status status, const char *output)
{
	struct jobs *jobs = job->jobs;

	TAILQ_REMOVE(&jobs->list, job, entry);
	jobs->count--;
	log_info("job ended job=%s tool=%s status=%s elapsed_ms=%llu", job->id,
	    job->tool, tool_status_name(status),
	    (unsigned long long)(jobs->config.now_ms() - job->started_ms));
	send_result(jobs, job->id, status, output, job->hold_ms);
	if (job->starting)
		job->ended = true;
	else
		free(job);
	table_changed(jobs);
}

static void
job_cancel(struct job *job, enum tool_status status, const char *output)
{
	assert(!job->starting);
	job->executor->cancel(job->handle);
	job_end(job, status, output);
}

static void
job_tell_progress(struct job *job)
{
	struct jobs *jobs = job->jobs;
	cJSON *body = cJSON_CreateObject();
	uint64_t now_ms = jobs->config.now_ms();

	job->progress_due = false;
	job->progress_ms = now_ms + JOBS_PROGRESS_MS;
	json_add_string(body, "id", job->id);
	json_add_int(body, "elapsed_ms", (int64_t)(now_ms - job->started_ms));
	tool_progress_write(&job->progress, body);
	jobs->config.send(MESSAGE_JOB_PROGRESS, body, jobs->config.arg);
}

static void
on_executor_result(enum tool_status status, const char *output, void *arg)
{
	struct job *job = arg;

	assert(strlen(output) < TOOL_OUTPUT_SIZE);
	if (job->progress_due)
		job_tell_progress(job);
	job_end(job, status, output);
}

static void
on_executor_progress(const struct tool_progress *progress, void *arg)
{
	struct job *job = arg;

	if (tool_progress_is_same(&job->progress, progress))
		return;
	job->progress = *progress;
	if (job->jobs->config.now_ms() >= job->progress_ms) {
		job_tell_progress(job);
	} else if (!job->progress_due) {
		job->progress_due = true;
		rearm(job->jobs);
	}
}

static void
on_executor_hold(unsigned int hold_ms, void *arg)
{
	struct job *job = arg;

	job->hold_ms = hold_ms;
}

/* By the settings' "executor", else by the tool's own name. */
static const struct executor *
find_executor(const struct jobs *jobs, const cJSON *body)
{
	const char *name =
	    json_string(json_object(body, "settings"), "executor");

	if (name[0] == '\0')
		name = json_string(body, "tool");
	for (size_t i = 0; i < jobs->config.executor_count; i++) {
		if (strcmp(jobs->config.executors[i].name, name) == 0)
			return &jobs->config.executors[i];
	}
	return NULL;
}

static unsigned int
read_deadline(const cJSON *body)
{
	int64_t deadline_ms = json_int(body, "deadline_ms", 0);

	if (deadline_ms <= 0)
		return 0;
	if (deadline_ms > JOB_DEADLINE_MAX_MS)
		return JOB_DEADLINE_MAX_MS;
	return (unsigned int)deadline_ms;
}

static void
job_start(struct job *job, const cJSON *body, unsigned int deadline_ms)
{
	const struct executor_request request = {
	    .id = job->id,
	    .tool = job->tool,
	    .arguments = json_object(body, "arguments"),
	    .settings = json_object(body, "settings"),
	    .caller = json_object(body, "caller"),
	    .deadline_ms = deadline_ms,
	};
	const struct executor_events events = {
	    .progress = on_executor_progress,
	    .hold = on_executor_hold,
	    .result = on_executor_result,
	    .arg = job,
	};
	void *handle;

	job->starting = true;
	handle = job->executor->start(job->executor->self, &request, &events);
	job->starting = false;
	assert(job->ended == (handle == NULL));
	if (job->ended)
		free(job);
	else
		job->handle = handle;
}

/* Takes a job into the table and starts it. */
static int
job_take_up(struct jobs *jobs, const cJSON *body, const char *id,
    const struct executor *executor, unsigned int deadline_ms)
{
	struct job *job = calloc(1, sizeof(*job));

	if (job == NULL)
		return -ENOMEM;
	job->jobs = jobs;
	job->executor = executor;
	job->started_ms = jobs->config.now_ms();
	job->deadline_ms = job->started_ms + deadline_ms;
	tool_progress_clear(&job->progress);
	snprintf(job->id, sizeof(job->id), "%s", id);
	snprintf(job->tool, sizeof(job->tool), "%s", json_string(body, "tool"));
	TAILQ_INSERT_TAIL(&jobs->list, job, entry);
	jobs->count++;
	log_info("job started job=%s tool=%s executor=%s deadline_ms=%u",
	    job->id, job->tool, executor->name, deadline_ms);
	table_changed(jobs);
	job_start(job, body, deadline_ms);
	return 0;
}

int
jobs_on_run(struct jobs *jobs, const cJSON *body)
{
	const char *id = json_string(body, "id");
	const struct executor *executor = find_executor(jobs, body);
	unsigned int deadline_ms = read_deadline(body);

	if (id[0] == '\0' || strlen(id) >= TOOL_JOB_ID_SIZE)
		return -EPROTO;
	if (job_find(jobs, id) != NULL) {
		log_info("job is running already job=%s", id);
		return 0;
	}
	if (executor == NULL || deadline_ms == 0 ||
	    json_object(body, "arguments") == NULL) {
		log_err("job cannot be run job=%s tool=%s executor=%s "
			"deadline_ms=%u",
		    id, json_string(body, "tool"),
		    executor != NULL ? executor->name : "unknown", deadline_ms);
		send_result(
		    jobs, id, TOOL_STATUS_INTERNAL, "job cannot be run", 0);
		return 0;
	}
	if (jobs->count >= JOBS_MAX) {
		log_warn("job refused, too many are running job=%s jobs=%zu",
		    id, jobs->count);
		send_result(jobs, id, TOOL_STATUS_BUSY,
		    "the toolworker runs as many jobs as it can", 0);
		return 0;
	}
	if (job_take_up(jobs, body, id, executor, deadline_ms) < 0)
		send_result(jobs, id, TOOL_STATUS_INTERNAL, "no memory", 0);
	return 0;
}

int
jobs_on_cancel(struct jobs *jobs, const cJSON *body)
{
	const char *id = json_string(body, "id");
	struct job *job;

	if (id[0] == '\0')
		return -EPROTO;
	job = job_find(jobs, id);
	/* Not there: it ended while the order was on its way. */
	if (job != NULL)
		job_cancel(job, TOOL_STATUS_CANCELLED, "cancelled");
	return 0;
}

void
jobs_tick(struct jobs *jobs)
{
	uint64_t now_ms = jobs->config.now_ms();
	struct job *job, *next;

	for (job = TAILQ_FIRST(&jobs->list); job != NULL; job = next) {
		next = TAILQ_NEXT(job, entry);
		if (job->deadline_ms <= now_ms)
			job_cancel(job, TOOL_STATUS_TIMEOUT,
			    "the job's deadline has passed");
		else if (job->progress_due && job->progress_ms <= now_ms)
			job_tell_progress(job);
	}
	rearm(jobs);
}

void
jobs_abandon(struct jobs *jobs)
{
	struct job *job, *next;

	for (job = TAILQ_FIRST(&jobs->list); job != NULL; job = next) {
		next = TAILQ_NEXT(job, entry);
		job_cancel(job, TOOL_STATUS_LOST, "the toolworker was ended");
	}
}

void
jobs_tell_progress(struct jobs *jobs)
{
	struct job *job;

	TAILQ_FOREACH(job, &jobs->list, entry) {
		if (tool_progress_is_known(&job->progress))
			job_tell_progress(job);
	}
	rearm(jobs);
}

size_t
jobs_count(const struct jobs *jobs)
{
	return jobs->count;
}

cJSON *
jobs_list(const struct jobs *jobs)
{
	cJSON *list = cJSON_CreateArray();
	const struct job *job;

	TAILQ_FOREACH(job, &jobs->list, entry)
		cJSON_AddItemToArray(list, cJSON_CreateString(job->id));
	return list;
}

void
jobs_log(const struct jobs *jobs)
{
	uint64_t now_ms = jobs->config.now_ms();
	const struct job *job;

	TAILQ_FOREACH(job, &jobs->list, entry) {
		log_info("running job=%s tool=%s executor=%s elapsed_ms=%llu "
			 "left_ms=%lld",
		    job->id, job->tool, job->executor->name,
		    (unsigned long long)(now_ms - job->started_ms),
		    (long long)(job->deadline_ms - now_ms));
	}
}

int
jobs_new(struct jobs **jobs_out, const struct jobs_config *config)
{
	struct jobs *jobs = calloc(1, sizeof(*jobs));

	if (jobs == NULL)
		return -ENOMEM;
	jobs->config = *config;
	TAILQ_INIT(&jobs->list);
	*jobs_out = jobs;
	return 0;
}

void
jobs_free(struct jobs **jobs_ptr)
{
	struct jobs *jobs = *jobs_ptr;
	struct job *job;

	if (jobs == NULL)
		return;
	*jobs_ptr = NULL;
	while ((job = TAILQ_FIRST(&jobs->list)) != NULL) {
		TAILQ_REMOVE(&jobs->list, job, entry);
		job->executor->cancel(job->handle);
		free(job);
	}
	free(jobs);
}
