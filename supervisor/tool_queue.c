/* SPDX-License-Identifier: MIT */
/*
 * tool_queue.c – from tool.request to tool.result; see tool_queue.h.
 *
 * Invariant: a request exists from when it has been checked until it has been
 * answered or its call has ended, and waits for exactly one job all that time.
 * request_answer() is the only place that answers one; request_drop(), which
 * ends it, always follows. What never becomes a request is answered by
 * reply() directly. A job that is WAITING or RUNNING has waiters.
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
struct question {
	const char *call;
	const char *id;
	const char *name;
};

/* -- answering ------------------------------------------------------------ */

static int
send_result(struct tool_queue *queue, const struct question *question,
    const cJSON *failures, enum tool_status status, const char *detail)
{
	char words[TOOL_OUTPUT_SIZE];
	cJSON *body = cJSON_CreateObject();

	tool_job_words(words, sizeof(words), failures, status, detail);
	json_add_string(body, "call", question->call);
	json_add_string(body, "id", question->id);
	json_add_string(body, "status", tool_status_name(status));
	json_add_string(body, "output", words);
	return queue->config.send_call(
	    question->call, MESSAGE_TOOL_RESULT, body, queue->config.arg);
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
reply(struct tool_queue *queue, const struct question *question,
    const cJSON *failures, uint64_t elapsed_ms, enum tool_status status,
    const char *detail)
{
	log_write(status == TOOL_STATUS_OK ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
	    "tool answered name=%s call=%s id=%s status=%s elapsed_ms=%llu "
	    "detail=\"%s\"",
	    question->name, question->call, question->id,
	    tool_status_name(status), (unsigned long long)elapsed_ms,
	    loggable(status, detail));
	if (send_result(queue, question, failures, status, detail) == -EMSGSIZE)
		send_result(
		    queue, question, failures, TOOL_STATUS_MALFORMED, "");
}

static void
reply_invalid(
    struct tool_queue *queue, const struct question *question, const char *why)
{
	char text[JSON_SCHEMA_WHY_SIZE + 128];

	snprintf(text, sizeof(text),
	    "The function was not run: %s. Correct this and call it again.",
	    why);
	reply(queue, question, NULL, 0, TOOL_STATUS_INVALID_ARGUMENTS, text);
}

/* -- jobs and requests -------------------------------------------------------- */

const char *
tool_queue_state_name(enum tool_job_state state)
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
	log_debug("tool job=%s %s -> %s (%s)", job->id,
	    tool_queue_state_name(job->state), tool_queue_state_name(state),
	    why);
	job->state = state;
}

void
tool_queue_set_slot(struct tool_job *job, struct tool_slot *slot)
{
	if (job->slot != NULL) {
		job->slot->jobs--;
		job->slot->exclusive -= job->exclusive;
		if (job->target != NULL)
			job->target->running--;
	}
	if (slot != NULL) {
		slot->jobs++;
		slot->exclusive += job->exclusive;
		if (job->target != NULL)
			job->target->running++;
	}
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
	tool_party_leave(&queue->targets, &job->target);
	TAILQ_REMOVE(&queue->jobs, job, entry);
	tool_job_free(job);
}

/* REQUEST waits no longer; its job is left as it is. */
static void
request_drop(struct tool_queue *queue, struct tool_request *request)
{
	TAILQ_REMOVE(&request->job->waiters, request, waiter);
	TAILQ_REMOVE(&queue->requests, request, entry);
	tool_party_leave(&queue->callers, &request->caller);
	tool_request_free(request);
}

static void
request_answer(struct tool_queue *queue, const struct tool_request *request,
    enum tool_status status, const char *detail)
{
	const struct question question = {
	    request->caller->name, request->id, request->name};
	uint64_t now_ms = tool_queue_now(queue);

	reply(queue, &question, request->failures, now_ms - request->started_ms,
	    status, detail);
	tool_answers_add(queue->answers, now_ms, TOOL_QUEUE_ANSWERS_MS,
	    request->key, status, detail);
}

void
tool_queue_finish(struct tool_queue *queue, struct tool_job *job,
    enum tool_status status, const char *detail)
{
	struct tool_request *request;

	if (status == TOOL_STATUS_OK && job->cache_s > 0 && job->key[0] != '\0')
		tool_answers_add(queue->cache, tool_queue_now(queue),
		    job->cache_s * UINT64_C(1000), job->key, status, detail);
	while ((request = TAILQ_FIRST(&job->waiters)) != NULL) {
		request_answer(queue, request, status, detail);
		request_drop(queue, request);
	}
	tool_queue_remove(queue, job);
}

/* Nobody waits for it any longer; its worker keeps it until it confirms. */
static void
job_abandon(struct tool_queue *queue, struct tool_job *job, const char *why)
{
	cJSON *body;

	assert(TAILQ_EMPTY(&job->waiters));
	assert(job->state != TOOL_JOB_CANCELLED);
	if (job->state == TOOL_JOB_WAITING) {
		tool_queue_remove(queue, job);
		return;
	}
	tool_queue_set_state(job, TOOL_JOB_CANCELLED, why);
	job->deadline_ms = tool_queue_now(queue) + TOOL_QUEUE_CONFIRM_MS;
	body = cJSON_CreateObject();
	json_add_string(body, "id", job->id);
	queue->config.send_worker(
	    job->slot->worker, MESSAGE_JOB_CANCEL, body, queue->config.arg);
}

/* REQUEST waits no longer, nor does its job if that was the last. */
static void
request_leave(
    struct tool_queue *queue, struct tool_request *request, const char *why)
{
	struct tool_job *job = request->job;

	request_drop(queue, request);
	if (TAILQ_EMPTY(&job->waiters))
		job_abandon(queue, job, why);
}

uint64_t
tool_queue_last_deadline(const struct tool_job *job)
{
	const struct tool_request *request;
	uint64_t last_ms = 0;

	TAILQ_FOREACH(request, &job->waiters, waiter) {
		if (request->deadline_ms > last_ms)
			last_ms = request->deadline_ms;
	}
	return last_ms;
}

void
tool_queue_lose(struct tool_queue *queue, struct tool_job *job, const char *why)
{
	if (!job->read_only || job->attempts >= TOOL_QUEUE_ATTEMPTS_MAX ||
	    tool_queue_last_deadline(job) <
		tool_queue_now(queue) + TOOL_QUEUE_RETRY_MS) {
		tool_queue_finish(queue, job, TOOL_STATUS_LOST, why);
		return;
	}
	log_warn("tool lost its worker and is run again name=%s job=%s "
		 "why=\"%s\"",
	    job->name, job->id, why);
	tool_queue_set_slot(job, NULL);
	tool_queue_set_state(job, TOOL_JOB_WAITING, why);
}

/* -- the clock ---------------------------------------------------------------- */

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

/* When waiting without any worker ends; UINT64_MAX while there is one. */
static uint64_t
no_worker_ms(const struct tool_queue *queue, const struct tool_request *request)
{
	uint64_t since_ms = queue->idle_since_ms;

	if (request->job->state != TOOL_JOB_WAITING || since_ms == UINT64_MAX)
		return UINT64_MAX;
	if (request->started_ms > since_ms)
		since_ms = request->started_ms;
	return since_ms + TOOL_QUEUE_NO_WORKER_MS;
}

static uint64_t
first_of(uint64_t a_ms, uint64_t b_ms)
{
	return a_ms < b_ms ? a_ms : b_ms;
}

static void
rearm(struct tool_queue *queue)
{
	uint64_t now_ms = tool_queue_now(queue);
	uint64_t first_ms = tool_answers_purge(queue->answers, now_ms);
	const struct tool_request *request;
	const struct tool_job *job;

	first_ms = first_of(first_ms, tool_answers_purge(queue->cache, now_ms));
	TAILQ_FOREACH(request, &queue->requests, entry) {
		first_ms = first_of(first_ms, request->deadline_ms);
		first_ms = first_of(first_ms, request->notice_ms);
		first_ms = first_of(first_ms, no_worker_ms(queue, request));
	}
	TAILQ_FOREACH(job, &queue->jobs, entry) {
		if (TAILQ_EMPTY(&job->waiters))
			first_ms = first_of(first_ms, job->deadline_ms);
	}
	if (first_ms != UINT64_MAX)
		first_ms = first_ms > now_ms ? first_ms - now_ms : 0;
	queue->config.arm(first_ms, queue->config.arg);
}

void
tool_queue_settle(struct tool_queue *queue)
{
	tool_queue_dispatch(queue);
	if (workers_available(queue))
		queue->idle_since_ms = UINT64_MAX;
	else if (queue->idle_since_ms == UINT64_MAX)
		queue->idle_since_ms = tool_queue_now(queue);
	rearm(queue);
}

static void
request_send_progress(struct tool_queue *queue,
    const struct tool_request *request, const char *text)
{
	uint64_t elapsed_ms = tool_queue_now(queue) - request->started_ms;
	cJSON *body = cJSON_CreateObject();
	char cut[PROGRESS_TEXT_SIZE];
	size_t len = utf8_cut(text, strlen(text), sizeof(cut) - 1);

	memcpy(cut, text, len);
	cut[len] = '\0';
	json_add_string(body, "call", request->caller->name);
	json_add_string(body, "id", request->id);
	json_add_int(body, "elapsed_ms", (int64_t)elapsed_ms);
	json_add_string(body, "text", cut);
	queue->config.send_call(request->caller->name, MESSAGE_TOOL_PROGRESS,
	    body, queue->config.arg);
}

void
tool_queue_send_progress(
    struct tool_queue *queue, const struct tool_job *job, const char *text)
{
	const struct tool_request *request;

	TAILQ_FOREACH(request, &job->waiters, waiter)
		request_send_progress(queue, request, text);
}

static void
request_notice(struct tool_queue *queue, struct tool_request *request)
{
	uint64_t now_ms = tool_queue_now(queue);

	log_info("tool waiting name=%s call=%s elapsed=%llus id=%s state=%s",
	    request->name, request->caller->name,
	    (unsigned long long)((now_ms - request->started_ms) / 1000),
	    request->id, tool_queue_state_name(request->job->state));
	request_send_progress(queue, request, "");
	while (request->notice_ms <= now_ms)
		request->notice_ms += TOOL_QUEUE_NOTICE_MS;
}

static void
tick_request(struct tool_queue *queue, struct tool_request *request)
{
	uint64_t now_ms = tool_queue_now(queue);

	if (request->deadline_ms <= now_ms) {
		request_answer(queue, request, TOOL_STATUS_TIMEOUT,
		    "the tool's deadline has passed");
		request_leave(queue, request, "deadline");
	} else if (no_worker_ms(queue, request) <= now_ms) {
		request_answer(
		    queue, request, TOOL_STATUS_LOST, "no toolworker is up");
		request_leave(queue, request, "no toolworker is up");
	} else if (request->notice_ms <= now_ms) {
		request_notice(queue, request);
	}
}

/* A job without waiters, when its time is over. */
static void
job_overdue(struct tool_queue *queue, struct tool_job *job)
{
	if (job->state == TOOL_JOB_UNCLAIMED) {
		job_abandon(queue, job, "nobody asked for it");
		return;
	}
	log_err("toolworker does not react to job.cancel job=%s", job->id);
	job->deadline_ms = UINT64_MAX;
	job->slot->closed = true;
	queue->config.worker_stuck(job->slot->worker, queue->config.arg);
}

void
tool_queue_tick(struct tool_queue *queue)
{
	uint64_t now_ms = tool_queue_now(queue);
	struct tool_request *request, *next;
	struct tool_job *job, *next_job;

	for (request = TAILQ_FIRST(&queue->requests); request != NULL;
	     request = next) {
		next = TAILQ_NEXT(request, entry);
		tick_request(queue, request);
	}
	for (job = TAILQ_FIRST(&queue->jobs); job != NULL; job = next_job) {
		next_job = TAILQ_NEXT(job, entry);
		if (TAILQ_EMPTY(&job->waiters) && job->deadline_ms <= now_ms)
			job_overdue(queue, job);
	}
	tool_queue_settle(queue);
}

/* -- what calls say ------------------------------------------------------------ */

static struct tool_request *
find_request(const struct tool_queue *queue, const char *key)
{
	struct tool_request *request;

	TAILQ_FOREACH(request, &queue->requests, entry) {
		if (strcmp(request->key, key) == 0)
			return request;
	}
	return NULL;
}

static bool
is_busy(const struct tool_queue *queue, const char *call)
{
	const struct tool_party *caller =
	    tool_party_find(&queue->callers, call);
	const struct tool_request *request;
	size_t all = 0;

	TAILQ_FOREACH(request, &queue->requests, entry)
		all++;
	return all >= TOOL_QUEUE_MAX ||
	       (caller != NULL && caller->users >= TOOL_QUEUE_CALL_MAX);
}

/* Another job for TARGET would wait too long, and keep others out. */
static bool
is_crowded(const struct tool_queue *queue, const char *target)
{
	const struct tool_party *party =
	    tool_party_find(&queue->targets, target);

	return party != NULL && party->users >= TOOL_QUEUE_TARGET_MAX;
}

/*
 * The job that a question with KEY can wait for too: not one whose run has
 * less than half of the time left that the question may take.
 */
static struct tool_job *
find_joinable(
    struct tool_queue *queue, const char *key, unsigned int deadline_ms)
{
	uint64_t least_ms = tool_queue_now(queue) + deadline_ms / 2;
	struct tool_job *job;

	TAILQ_FOREACH(job, &queue->jobs, entry) {
		if (key[0] == '\0' || strcmp(job->key, key) != 0)
			continue;
		if (job->state == TOOL_JOB_WAITING ||
		    job->state == TOOL_JOB_UNCLAIMED ||
		    (job->state == TOOL_JOB_RUNNING &&
			job->deadline_ms >= least_ms))
			return job;
	}
	return NULL;
}

/* A question, checked: what its request and its job are made of. */
struct demand {
	const struct question *question;
	struct tool_queue_tool tool;
	cJSON *arguments; /* until a job takes them */
	unsigned int deadline_ms;
	char request_key[TOOL_JOB_ID_SIZE];
	char key[TOOL_KEY_SIZE]; /* "": shares nothing */
	char target[TOOL_TARGET_MAX];
};

/* A new job for DEMAND, in the queue and without waiters; NULL: no memory. */
static struct tool_job *
job_make(struct tool_queue *queue, struct demand *demand)
{
	const char *name = demand->question->name;
	char id[TOOL_JOB_ID_SIZE];
	struct tool_job *job;

	if (demand->key[0] != '\0')
		tool_job_make_run_id(
		    id, sizeof(id), demand->key, ++queue->serial);
	else
		snprintf(id, sizeof(id), "%s", demand->request_key);
	job = tool_job_new(id, name, &demand->tool, demand->arguments);
	demand->arguments = NULL;
	if (job == NULL)
		return NULL;
	job->started_ms = tool_queue_now(queue);
	job->target = tool_party_join(&queue->targets, demand->target);
	if (job->target == NULL) {
		tool_job_free(job);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&queue->jobs, job, entry);
	return job;
}

/* JOB, just made, takes the place of UNCLAIMED, which runs already. */
static void
job_claim(struct tool_queue *queue, struct tool_job *job,
    struct tool_job *unclaimed, uint64_t deadline_ms)
{
	memcpy(job->id, unclaimed->id, sizeof(job->id));
	tool_queue_set_slot(job, unclaimed->slot);
	job->attempts = 1;
	job->deadline_ms = deadline_ms;
	tool_queue_set_state(job, TOOL_JOB_RUNNING, "it was running already");
	tool_queue_remove(queue, unclaimed);
}

/* Puts DEMAND's request into the queue. 0 or -ENOMEM. */
static int
enqueue(struct tool_queue *queue, struct demand *demand, struct tool_job *job)
{
	const struct question *question = demand->question;
	struct tool_job *unclaimed = NULL;
	struct tool_request *request;
	uint64_t now_ms = tool_queue_now(queue);

	request = tool_request_new(
	    demand->request_key, question->id, question->name, &demand->tool);
	if (request == NULL)
		return -ENOMEM;
	request->started_ms = now_ms;
	request->deadline_ms = now_ms + demand->deadline_ms;
	request->notice_ms = now_ms + TOOL_QUEUE_NOTICE_MS;
	request->caller = tool_party_join(&queue->callers, question->call);
	if (request->caller == NULL)
		goto fail;
	if (job != NULL && job->state == TOOL_JOB_UNCLAIMED) {
		unclaimed = job;
		job = NULL;
	}
	if (job == NULL && (job = job_make(queue, demand)) == NULL)
		goto fail;
	if (unclaimed != NULL)
		job_claim(queue, job, unclaimed, request->deadline_ms);
	request->job = job;
	TAILQ_INSERT_TAIL(&queue->requests, request, entry);
	TAILQ_INSERT_TAIL(&job->waiters, request, waiter);
	log_info("tool requested name=%s call=%s id=%s deadline_ms=%u "
		 "state=%s target=%s job=%s",
	    question->name, question->call, question->id, demand->deadline_ms,
	    tool_queue_state_name(job->state), job->target->name, job->id);
	return 0;

fail:
	tool_party_leave(&queue->callers, &request->caller);
	tool_request_free(request);
	return -ENOMEM;
}

/* Answered already: for others, or for this call by an earlier supervisor. */
static bool
reply_known(struct tool_queue *queue, const struct demand *demand)
{
	uint64_t now_ms = tool_queue_now(queue);
	char words[TOOL_OUTPUT_SIZE], group[TOOL_JOB_ID_SIZE];
	struct tool_answer answer;
	const char *note = "";

	if (demand->key[0] == '\0')
		return false;
	tool_job_make_run_group(group, sizeof(group), demand->key);
	if (demand->tool.cache_s > 0 && tool_answers_find(queue->cache, now_ms,
					    demand->key, &answer) == 0) {
		if (answer.age_ms >= TOOL_QUEUE_FRESH_MS &&
		    demand->tool.stale != NULL)
			note = demand->tool.stale;
		log_info("tool answers from its cache name=%s age_ms=%llu",
		    demand->question->name, (unsigned long long)answer.age_ms);
	} else if (tool_answers_find(queue->answers, now_ms, group, &answer) <
		   0) {
		return false;
	}
	tool_job_words_aged(words, sizeof(words), answer.detail, note,
	    (unsigned int)(answer.age_ms / 1000));
	reply(queue, demand->question, demand->tool.failures, 0, answer.status,
	    words);
	tool_answers_add(queue->answers, now_ms, TOOL_QUEUE_ANSWERS_MS,
	    demand->request_key, answer.status, words);
	return true;
}

/* A checked question becomes a request, unless there is an answer. */
static void
take_in(struct tool_queue *queue, struct demand *demand)
{
	const struct question *question = demand->question;
	struct tool_job *job;

	if (demand->tool.read_only)
		tool_key_make(demand->key, question->name, demand->arguments,
		    demand->tool.settings);
	if (reply_known(queue, demand))
		return;
	job = tool_queue_find(queue, demand->request_key);
	if (job == NULL)
		job = find_joinable(queue, demand->key, demand->deadline_ms);
	if (is_busy(queue, question->call) ||
	    (job == NULL && is_crowded(queue, demand->target)))
		reply(queue, question, demand->tool.failures, 0,
		    TOOL_STATUS_BUSY, "too many tools are running");
	else if (job != NULL && job->state == TOOL_JOB_CANCELLED)
		reply(queue, question, demand->tool.failures, 0,
		    TOOL_STATUS_CANCELLED, "it was given up before");
	else if (enqueue(queue, demand, job) < 0)
		reply(queue, question, demand->tool.failures, 0,
		    TOOL_STATUS_INTERNAL, "no memory");
}

/* Checks a request that is new; answers it if it cannot be run. */
static void
take_up(struct tool_queue *queue, const struct question *question,
    const char *request_key, const cJSON *body)
{
	struct demand demand = {.question = question};
	char why[JSON_SCHEMA_WHY_SIZE];

	snprintf(
	    demand.request_key, sizeof(demand.request_key), "%s", request_key);
	if (queue->config.find_tool(question->call, question->name,
		&demand.tool, queue->config.arg) < 0) {
		reply_invalid(
		    queue, question, "there is no function of that name");
		return;
	}
	demand.arguments = tool_job_parse_arguments(
	    &demand.tool, json_string(body, "arguments"), why, sizeof(why));
	if (demand.arguments == NULL) {
		reply_invalid(queue, question, why);
		return;
	}
	tool_job_target(demand.target, sizeof(demand.target), question->name,
	    &demand.tool, demand.arguments);
	demand.deadline_ms = tool_job_deadline(&demand.tool, demand.arguments);
	take_in(queue, &demand);
	cJSON_Delete(demand.arguments);
}

/* The request was answered before: says the same again. */
static bool
reply_again(
    struct tool_queue *queue, const struct question *question, const char *key)
{
	struct tool_queue_tool tool = {0};
	struct tool_answer answer;

	if (tool_answers_find(
		queue->answers, tool_queue_now(queue), key, &answer) < 0)
		return false;
	/* Not offered any more: then without its sentence. */
	queue->config.find_tool(
	    question->call, question->name, &tool, queue->config.arg);
	reply(queue, question, tool.failures, 0, answer.status, answer.detail);
	return true;
}

int
tool_queue_on_request(
    struct tool_queue *queue, const char *call, const cJSON *body)
{
	const struct question question = {
	    .call = call,
	    .id = json_string(body, "id"),
	    .name = json_string(body, "name"),
	};
	char key[TOOL_JOB_ID_SIZE];

	if (question.id[0] == '\0' || strlen(question.id) > TOOL_REQUEST_ID_MAX)
		return -EPROTO;
	tool_job_make_id(key, sizeof(key), call, question.id);
	if (find_request(queue, key) != NULL)
		log_info("tool requested again, still at it name=%s call=%s "
			 "id=%s",
		    question.name, call, question.id);
	else if (reply_again(queue, &question, key))
		log_debug("tool requested again key=%s", key);
	else
		take_up(queue, &question, key, body);
	tool_queue_settle(queue);
	return 0;
}

int
tool_queue_on_cancel(
    struct tool_queue *queue, const char *call, const cJSON *body)
{
	const char *id = json_string(body, "id");
	char key[TOOL_JOB_ID_SIZE];
	struct tool_request *request;

	if (id[0] == '\0' || strlen(id) > TOOL_REQUEST_ID_MAX)
		return -EPROTO;
	tool_job_make_id(key, sizeof(key), call, id);
	request = find_request(queue, key);
	if (request != NULL) {
		request_answer(
		    queue, request, TOOL_STATUS_CANCELLED, "cancelled");
		request_leave(queue, request, "cancelled by the call");
		tool_queue_settle(queue);
	}
	return 0;
}

void
tool_queue_end_call(struct tool_queue *queue, const char *call)
{
	struct tool_request *request, *next;

	for (request = TAILQ_FIRST(&queue->requests); request != NULL;
	     request = next) {
		next = TAILQ_NEXT(request, entry);
		if (strcmp(request->caller->name, call) != 0)
			continue;
		log_info("tool cancelled, its call has ended name=%s call=%s "
			 "id=%s",
		    request->name, call, request->id);
		request_leave(queue, request, "call ended");
	}
	tool_queue_settle(queue);
}

/* -- looking, beginning and end ------------------------------------------------ */

struct tool_queue_counts
tool_queue_count(const struct tool_queue *queue)
{
	struct tool_queue_counts counts = {0};
	const struct tool_request *request;
	const struct tool_slot *slot;
	const struct tool_job *job;

	TAILQ_FOREACH(request, &queue->requests, entry)
		counts.requests++;
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
	const struct tool_request *request;
	const struct tool_job *job;

	TAILQ_FOREACH(job, &queue->jobs, entry) {
		size_t waiters = 0;

		TAILQ_FOREACH(request, &job->waiters, waiter)
			waiters++;
		log_info("tool job=%s name=%s target=%s state=%s attempts=%u "
			 "waiters=%zu elapsed_ms=%llu",
		    job->id, job->name != NULL ? job->name : "",
		    job->target != NULL ? job->target->name : "",
		    tool_queue_state_name(job->state), job->attempts, waiters,
		    (unsigned long long)(now_ms - job->started_ms));
	}
}

int
tool_queue_new(
    struct tool_queue **queue_out, const struct tool_queue_config *config)
{
	struct tool_queue *queue = calloc(1, sizeof(*queue));

	if (queue == NULL)
		return -ENOMEM;
	queue->config = *config;
	TAILQ_INIT(&queue->requests);
	TAILQ_INIT(&queue->jobs);
	TAILQ_INIT(&queue->callers);
	TAILQ_INIT(&queue->targets);
	TAILQ_INIT(&queue->slots);
	queue->born_ms = config->now_ms();
	queue->idle_since_ms = queue->born_ms;
	/* Beyond what an earlier supervisor used, at less than one a ms. */
	queue->serial = queue->born_ms;
	if (tool_answers_new(&queue->answers, TOOL_QUEUE_ANSWERS_MAX) < 0 ||
	    tool_answers_new(&queue->cache, TOOL_QUEUE_CACHE_MAX) < 0) {
		tool_queue_free(&queue);
		return -ENOMEM;
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
	while (!TAILQ_EMPTY(&queue->requests))
		request_drop(queue, TAILQ_FIRST(&queue->requests));
	while (!TAILQ_EMPTY(&queue->jobs))
		tool_queue_remove(queue, TAILQ_FIRST(&queue->jobs));
	while ((slot = TAILQ_FIRST(&queue->slots)) != NULL) {
		TAILQ_REMOVE(&queue->slots, slot, entry);
		free(slot);
	}
	tool_answers_free(&queue->answers);
	tool_answers_free(&queue->cache);
	free(queue);
}
