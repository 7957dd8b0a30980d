/* SPDX-License-Identifier: MIT */
/*
 * tool_queue.c – from tool.request to tool.result; see tool_queue.h.
 *
 * Invariant: a job has a CALL exactly while that call waits for its
 * tool.result. job_answer() is the only place that sends one for a job, and
 * tool_queue_remove() or job_abandon(), which end that, always follow it. A
 * request that never becomes a job is answered by reply() directly.
 */
#include "supervisor/tool_queue.h"

#include "common/json.h"
#include "common/json_schema.h"
#include "common/log.h"
#include "common/utf8.h"
#include "supervisor/tool_queue_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PROGRESS_TEXT_SIZE = 2048,
};

/* What a request is known by, before and after it is a job. */
struct request {
	const char *call;
	const char *id;
	const char *name;
};

/* -- answering ------------------------------------------------------------ */

static int
send_result(struct tool_queue *queue, const struct request *request,
    const cJSON *failures, enum tool_status status, const char *detail)
{
	char words[TOOL_OUTPUT_SIZE];
	cJSON *body = cJSON_CreateObject();

	tool_job_words(words, sizeof(words), failures, status, detail);
	json_add_string(body, "call", request->call);
	json_add_string(body, "id", request->id);
	json_add_string(body, "status", tool_status_name(status));
	json_add_string(body, "output", words);
	return queue->config.send_call(
	    request->call, MESSAGE_TOOL_RESULT, body, queue->config.arg);
}

/* What a service says may name its customers: only our own words are logged. */
static const char *
loggable(enum tool_status status, const char *detail)
{
	return status == TOOL_STATUS_OK || status == TOOL_STATUS_REFUSED
		   ? ""
		   : detail;
}

static void
reply(struct tool_queue *queue, const struct request *request,
    const cJSON *failures, uint64_t elapsed_ms, enum tool_status status,
    const char *detail)
{
	log_write(status == TOOL_STATUS_OK ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
	    "tool answered name=%s call=%s id=%s status=%s elapsed_ms=%llu "
	    "detail=\"%s\"",
	    request->name, request->call, request->id, tool_status_name(status),
	    (unsigned long long)elapsed_ms, loggable(status, detail));
	if (send_result(queue, request, failures, status, detail) == -EMSGSIZE)
		send_result(
		    queue, request, failures, TOOL_STATUS_MALFORMED, "");
}

static void
reply_invalid(
    struct tool_queue *queue, const struct request *request, const char *why)
{
	char text[JSON_SCHEMA_WHY_SIZE + 128];

	snprintf(text, sizeof(text),
	    "The function was not run: %s. Correct this and call it again.",
	    why);
	reply(queue, request, NULL, 0, TOOL_STATUS_INVALID_ARGUMENTS, text);
}

/* -- one job ---------------------------------------------------------------- */

static const char *
state_name(enum tool_job_state state)
{
	switch (state) {
	case TOOL_JOB_WAITING:
		return "waiting";
	case TOOL_JOB_RUNNING:
		return "running";
	case TOOL_JOB_UNCLAIMED:
		return "unclaimed";
	case TOOL_JOB_CANCELLED:
		return "cancelled";
	}
	return "?";
}

void
tool_queue_set_state(
    struct tool_job *job, enum tool_job_state state, const char *why)
{
	log_debug("tool job=%s %s -> %s (%s)", job->id, state_name(job->state),
	    state_name(state), why);
	job->state = state;
}

void
tool_queue_set_slot(struct tool_job *job, struct tool_slot *slot)
{
	if (job->slot != NULL)
		job->slot->jobs--;
	if (slot != NULL)
		slot->jobs++;
	job->slot = slot;
}

struct tool_job *
tool_queue_find(struct tool_queue *queue, const char *id)
{
	struct tool_job *job;

	TAILQ_FOREACH(job, &queue->jobs, entry) {
		if (strcmp(job->id, id) == 0)
			return job;
	}
	return NULL;
}

void
tool_queue_remove(struct tool_queue *queue, struct tool_job *job)
{
	tool_queue_set_slot(job, NULL);
	TAILQ_REMOVE(&queue->jobs, job, entry);
	tool_job_free(job);
}

static void
job_answer(struct tool_queue *queue, struct tool_job *job,
    enum tool_status status, const char *detail)
{
	const struct request request = {job->call, job->request, job->name};

	assert(job->call != NULL);
	reply(queue, &request, job->failures,
	    tool_queue_now(queue) - job->started_ms, status, detail);
	tool_answers_add(
	    queue->answers, tool_queue_now(queue), job->id, status, detail);
}

void
tool_queue_finish(struct tool_queue *queue, struct tool_job *job,
    enum tool_status status, const char *detail)
{
	job_answer(queue, job, status, detail);
	tool_queue_remove(queue, job);
}

/* Nobody waits for it any longer; its worker keeps it until it confirms. */
static void
job_abandon(struct tool_queue *queue, struct tool_job *job, const char *why)
{
	cJSON *body;

	assert(job->state != TOOL_JOB_CANCELLED);
	if (job->state == TOOL_JOB_WAITING) {
		tool_queue_remove(queue, job);
		return;
	}
	tool_job_disown(job);
	tool_queue_set_state(job, TOOL_JOB_CANCELLED, why);
	job->deadline_ms = tool_queue_now(queue) + TOOL_QUEUE_CONFIRM_MS;
	body = cJSON_CreateObject();
	json_add_string(body, "id", job->id);
	queue->config.send_worker(
	    job->slot->worker, MESSAGE_JOB_CANCEL, body, queue->config.arg);
}

void
tool_queue_lose(struct tool_queue *queue, struct tool_job *job, const char *why)
{
	if (!job->read_only || job->attempts >= TOOL_QUEUE_ATTEMPTS_MAX ||
	    job->deadline_ms < tool_queue_now(queue) + TOOL_QUEUE_RETRY_MS) {
		tool_queue_finish(queue, job, TOOL_STATUS_LOST, why);
		return;
	}
	log_warn("tool lost its worker and is run again name=%s call=%s id=%s "
		 "why=\"%s\"",
	    job->name, job->call, job->request, why);
	tool_queue_set_slot(job, NULL);
	tool_queue_set_state(job, TOOL_JOB_WAITING, why);
	TAILQ_REMOVE(&queue->jobs, job, entry);
	TAILQ_INSERT_HEAD(&queue->jobs, job, entry);
}

/* -- giving jobs to workers -------------------------------------------------- */

/* The next job and the worker for it; false: nothing can be run now. */
static bool
pick(struct tool_queue *queue, struct tool_job **job_out,
    struct tool_slot **slot_out)
{
	struct tool_slot *slot, *best = NULL;
	struct tool_job *job;

	TAILQ_FOREACH(slot, &queue->slots, entry) {
		if (!slot->closed && slot->jobs < TOOL_QUEUE_WORKER_MAX &&
		    (best == NULL || slot->jobs < best->jobs))
			best = slot;
	}
	TAILQ_FOREACH(job, &queue->jobs, entry) {
		if (job->state == TOOL_JOB_WAITING)
			break;
	}
	*job_out = job;
	*slot_out = best;
	return job != NULL && best != NULL;
}

static int
send_run(struct tool_queue *queue, const struct tool_job *job,
    const struct tool_slot *slot)
{
	uint64_t now_ms = tool_queue_now(queue);
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "id", job->id);
	json_add_string(body, "tool", job->name);
	json_add(body, "arguments", cJSON_Duplicate(job->arguments, true));
	json_add(body, "settings", cJSON_Duplicate(job->settings, true));
	json_add_int(body, "deadline_ms",
	    job->deadline_ms > now_ms ? (int64_t)(job->deadline_ms - now_ms)
				      : 1);
	return queue->config.send_worker(
	    slot->worker, MESSAGE_JOB_RUN, body, queue->config.arg);
}

static void
dispatch(struct tool_queue *queue)
{
	struct tool_job *job;
	struct tool_slot *slot;

	while (pick(queue, &job, &slot)) {
		int ret = send_run(queue, job, slot);

		if (ret == 0) {
			tool_queue_set_slot(job, slot);
			job->attempts++;
			tool_queue_set_state(
			    job, TOOL_JOB_RUNNING, "job.run sent");
		} else if (ret == -EMSGSIZE) {
			tool_queue_finish(queue, job,
			    TOOL_STATUS_INVALID_ARGUMENTS,
			    "The function was not run: its arguments are too "
			    "long. Shorten them and call it again.");
		} else if (ret == -ENOMEM) {
			tool_queue_finish(
			    queue, job, TOOL_STATUS_INTERNAL, "no memory");
		} else {
			slot->closed = true; /* it will be reported gone */
		}
	}
}

static bool
workers_available(const struct tool_queue *queue)
{
	const struct tool_slot *slot;

	TAILQ_FOREACH(slot, &queue->slots, entry) {
		if (!slot->closed)
			return true;
	}
	return false;
}

/* -- the clock ---------------------------------------------------------------- */

/* When waiting without any worker ends; UINT64_MAX while there is one. */
static uint64_t
no_worker_ms(const struct tool_queue *queue, const struct tool_job *job)
{
	uint64_t since_ms = queue->idle_since_ms;

	if (job->state != TOOL_JOB_WAITING || since_ms == UINT64_MAX)
		return UINT64_MAX;
	if (job->started_ms > since_ms)
		since_ms = job->started_ms;
	return since_ms + TOOL_QUEUE_NO_WORKER_MS;
}

static void
rearm(struct tool_queue *queue)
{
	uint64_t now_ms = tool_queue_now(queue);
	uint64_t first_ms = tool_answers_purge(queue->answers, now_ms);
	const struct tool_job *job;

	TAILQ_FOREACH(job, &queue->jobs, entry) {
		uint64_t give_up_ms = no_worker_ms(queue, job);

		if (job->deadline_ms < first_ms)
			first_ms = job->deadline_ms;
		if (job->call != NULL && job->notice_ms < first_ms)
			first_ms = job->notice_ms;
		if (give_up_ms < first_ms)
			first_ms = give_up_ms;
	}
	if (first_ms != UINT64_MAX)
		first_ms = first_ms > now_ms ? first_ms - now_ms : 0;
	queue->config.arm(first_ms, queue->config.arg);
}

void
tool_queue_settle(struct tool_queue *queue)
{
	dispatch(queue);
	if (workers_available(queue))
		queue->idle_since_ms = UINT64_MAX;
	else if (queue->idle_since_ms == UINT64_MAX)
		queue->idle_since_ms = tool_queue_now(queue);
	rearm(queue);
}

void
tool_queue_send_progress(
    struct tool_queue *queue, const struct tool_job *job, const char *text)
{
	uint64_t elapsed_ms = tool_queue_now(queue) - job->started_ms;
	cJSON *body = cJSON_CreateObject();
	char cut[PROGRESS_TEXT_SIZE];
	size_t len = utf8_cut(text, strlen(text), sizeof(cut) - 1);

	memcpy(cut, text, len);
	cut[len] = '\0';
	json_add_string(body, "call", job->call);
	json_add_string(body, "id", job->request);
	json_add_int(body, "elapsed_ms", (int64_t)elapsed_ms);
	json_add_string(body, "text", cut);
	queue->config.send_call(
	    job->call, MESSAGE_TOOL_PROGRESS, body, queue->config.arg);
}

static void
job_notice(struct tool_queue *queue, struct tool_job *job)
{
	uint64_t now_ms = tool_queue_now(queue);

	log_info("tool waiting name=%s call=%s elapsed=%llus id=%s state=%s",
	    job->name, job->call,
	    (unsigned long long)((now_ms - job->started_ms) / 1000),
	    job->request, state_name(job->state));
	tool_queue_send_progress(queue, job, "");
	while (job->notice_ms <= now_ms)
		job->notice_ms += TOOL_QUEUE_NOTICE_MS;
}

static void
job_overdue(struct tool_queue *queue, struct tool_job *job)
{
	switch (job->state) {
	case TOOL_JOB_WAITING:
	case TOOL_JOB_RUNNING:
		job_answer(queue, job, TOOL_STATUS_TIMEOUT,
		    "the tool's deadline has passed");
		job_abandon(queue, job, "deadline");
		break;
	case TOOL_JOB_UNCLAIMED:
		job_abandon(queue, job, "nobody asked for it");
		break;
	case TOOL_JOB_CANCELLED:
		log_err(
		    "toolworker does not react to job.cancel job=%s", job->id);
		job->deadline_ms = UINT64_MAX;
		job->slot->closed = true;
		queue->config.worker_stuck(
		    job->slot->worker, queue->config.arg);
		break;
	}
}

void
tool_queue_tick(struct tool_queue *queue)
{
	struct tool_job *job, *next;
	uint64_t now_ms = tool_queue_now(queue);

	for (job = TAILQ_FIRST(&queue->jobs); job != NULL; job = next) {
		next = TAILQ_NEXT(job, entry);
		if (job->deadline_ms <= now_ms)
			job_overdue(queue, job);
		else if (no_worker_ms(queue, job) <= now_ms)
			tool_queue_finish(queue, job, TOOL_STATUS_LOST,
			    "no toolworker is up");
		else if (job->call != NULL && job->notice_ms <= now_ms)
			job_notice(queue, job);
	}
	tool_queue_settle(queue);
}

/* -- what calls say ------------------------------------------------------------ */

static bool
is_busy(const struct tool_queue *queue, const char *call)
{
	const struct tool_job *job;
	size_t all = 0, of_call = 0;

	TAILQ_FOREACH(job, &queue->jobs, entry) {
		if (job->call == NULL)
			continue;
		all++;
		of_call += strcmp(job->call, call) == 0;
	}
	return all >= TOOL_QUEUE_MAX || of_call >= TOOL_QUEUE_CALL_MAX;
}

/* Puts a checked request into the queue, or into its unclaimed job's place. */
static void
enqueue(struct tool_queue *queue, struct tool_job *job,
    struct tool_job *unclaimed, unsigned int deadline_ms)
{
	uint64_t now_ms = tool_queue_now(queue);

	job->started_ms = now_ms;
	job->deadline_ms = now_ms + deadline_ms;
	job->notice_ms = now_ms + TOOL_QUEUE_NOTICE_MS;
	TAILQ_INSERT_TAIL(&queue->jobs, job, entry);
	if (unclaimed != NULL) {
		tool_queue_set_slot(job, unclaimed->slot);
		job->attempts = 1;
		tool_queue_set_state(
		    job, TOOL_JOB_RUNNING, "it was running already");
		tool_queue_remove(queue, unclaimed);
	}
	log_info("tool requested name=%s call=%s id=%s deadline_ms=%u "
		 "state=%s",
	    job->name, job->call, job->request, deadline_ms,
	    state_name(job->state));
}

/* Makes a job of a request that is new; answers it if that cannot be. */
static void
take_up(struct tool_queue *queue, const struct request *request,
    const char *job_id, struct tool_job *unclaimed, const cJSON *body)
{
	struct tool_queue_tool tool;
	char why[JSON_SCHEMA_WHY_SIZE];
	unsigned int deadline_ms;
	cJSON *arguments;
	struct tool_job *job;

	if (queue->config.find_tool(
		request->call, request->name, &tool, queue->config.arg) < 0) {
		reply_invalid(
		    queue, request, "there is no function of that name");
		return;
	}
	if (is_busy(queue, request->call)) {
		reply(queue, request, tool.failures, 0, TOOL_STATUS_BUSY,
		    "too many tools are running");
		return;
	}
	arguments = tool_job_parse_arguments(
	    &tool, json_string(body, "arguments"), why, sizeof(why));
	if (arguments == NULL) {
		reply_invalid(queue, request, why);
		return;
	}
	deadline_ms = tool_job_deadline(&tool, arguments);
	job = tool_job_new(job_id, request->call, request->id, request->name,
	    &tool, arguments);
	if (job == NULL)
		reply(queue, request, tool.failures, 0, TOOL_STATUS_INTERNAL,
		    "no memory");
	else
		enqueue(queue, job, unclaimed, deadline_ms);
}

/* The request was answered before: says the same again. */
static bool
reply_again(
    struct tool_queue *queue, const struct request *request, const char *job_id)
{
	struct tool_queue_tool tool = {0};
	struct tool_answer answer;

	if (tool_answers_find(
		queue->answers, tool_queue_now(queue), job_id, &answer) < 0)
		return false;
	/* Not offered any more: then without its sentence. */
	queue->config.find_tool(
	    request->call, request->name, &tool, queue->config.arg);
	reply(queue, request, tool.failures, 0, answer.status, answer.detail);
	return true;
}

int
tool_queue_on_request(
    struct tool_queue *queue, const char *call, const cJSON *body)
{
	const struct request request = {
	    .call = call,
	    .id = json_string(body, "id"),
	    .name = json_string(body, "name"),
	};
	char job_id[TOOL_JOB_ID_SIZE];
	struct tool_job *job;

	if (request.id[0] == '\0' || strlen(request.id) > TOOL_REQUEST_ID_MAX)
		return -EPROTO;
	tool_job_make_id(job_id, sizeof(job_id), call, request.id);
	job = tool_queue_find(queue, job_id);
	if (job != NULL && job->call != NULL)
		log_info("tool requested again, still at it name=%s call=%s "
			 "id=%s",
		    job->name, call, request.id);
	else if (reply_again(queue, &request, job_id))
		log_debug("tool requested again job=%s", job_id);
	else if (job != NULL && job->state == TOOL_JOB_CANCELLED)
		reply(queue, &request, NULL, 0, TOOL_STATUS_CANCELLED,
		    "it was given up before");
	else
		take_up(queue, &request, job_id, job, body);
	tool_queue_settle(queue);
	return 0;
}

int
tool_queue_on_cancel(
    struct tool_queue *queue, const char *call, const cJSON *body)
{
	const char *id = json_string(body, "id");
	char job_id[TOOL_JOB_ID_SIZE];
	struct tool_job *job;

	if (id[0] == '\0' || strlen(id) > TOOL_REQUEST_ID_MAX)
		return -EPROTO;
	tool_job_make_id(job_id, sizeof(job_id), call, id);
	job = tool_queue_find(queue, job_id);
	if (job != NULL && job->call != NULL) {
		job_answer(queue, job, TOOL_STATUS_CANCELLED, "cancelled");
		job_abandon(queue, job, "cancelled by the call");
		tool_queue_settle(queue);
	}
	return 0;
}

void
tool_queue_end_call(struct tool_queue *queue, const char *call)
{
	struct tool_job *job, *next;

	for (job = TAILQ_FIRST(&queue->jobs); job != NULL; job = next) {
		next = TAILQ_NEXT(job, entry);
		if (job->call == NULL || strcmp(job->call, call) != 0)
			continue;
		log_info("tool cancelled, its call has ended name=%s call=%s "
			 "id=%s",
		    job->name, job->call, job->request);
		job_abandon(queue, job, "call ended");
	}
	tool_queue_settle(queue);
}

/* -- looking, beginning and end ------------------------------------------------ */

struct tool_queue_counts
tool_queue_count(const struct tool_queue *queue)
{
	struct tool_queue_counts counts = {0};
	const struct tool_slot *slot;
	const struct tool_job *job;

	TAILQ_FOREACH(job, &queue->jobs, entry) {
		if (job->state == TOOL_JOB_WAITING)
			counts.waiting++;
		else
			counts.running++;
	}
	TAILQ_FOREACH(slot, &queue->slots, entry)
		counts.workers++;
	return counts;
}

void
tool_queue_log(const struct tool_queue *queue)
{
	uint64_t now_ms = tool_queue_now(queue);
	const struct tool_job *job;

	TAILQ_FOREACH(job, &queue->jobs, entry) {
		log_info("tool job=%s name=%s state=%s attempts=%u "
			 "elapsed_ms=%llu",
		    job->id, job->name != NULL ? job->name : "",
		    state_name(job->state), job->attempts,
		    (unsigned long long)(now_ms - job->started_ms));
	}
}

int
tool_queue_new(
    struct tool_queue **queue_out, const struct tool_queue_config *config)
{
	struct tool_queue *queue = calloc(1, sizeof(*queue));
	int ret;

	if (queue == NULL)
		return -ENOMEM;
	queue->config = *config;
	TAILQ_INIT(&queue->jobs);
	TAILQ_INIT(&queue->slots);
	queue->idle_since_ms = config->now_ms();
	ret = tool_answers_new(
	    &queue->answers, TOOL_QUEUE_ANSWERS_MAX, TOOL_QUEUE_ANSWERS_MS);
	if (ret < 0) {
		tool_queue_free(&queue);
		return ret;
	}
	*queue_out = queue;
	return 0;
}

void
tool_queue_free(struct tool_queue **queue_ptr)
{
	struct tool_queue *queue = *queue_ptr;
	struct tool_slot *slot;

	if (queue == NULL)
		return;
	*queue_ptr = NULL;
	while (!TAILQ_EMPTY(&queue->jobs))
		tool_queue_remove(queue, TAILQ_FIRST(&queue->jobs));
	while ((slot = TAILQ_FIRST(&queue->slots)) != NULL) {
		TAILQ_REMOVE(&queue->slots, slot, entry);
		free(slot);
	}
	tool_answers_free(&queue->answers);
	free(queue);
}
