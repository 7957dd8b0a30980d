/* SPDX-License-Identifier: MIT */
/*
 * tool_queue_end.c – how requests and jobs end.
 *
 * Invariant: a request exists from when it has been checked until it has been
 * answered or its call has ended, and waits for exactly one job all that time.
 * tool_queue_answer() is the only place that answers one; tool_queue_drop(),
 * which ends it, always follows. What never becomes a request is answered by
 * tool_queue_reply() directly. A job that is WAITING or RUNNING has waiters.
 */
#include "supervisor/tool_queue_impl.h"

#include "common/json.h"
#include "common/log.h"

#include <assert.h>
#include <errno.h>

static int
send_result(struct tool_queue *queue, const struct tool_question *question,
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

void
tool_queue_reply(struct tool_queue *queue, const struct tool_question *question,
    const cJSON *failures, uint64_t elapsed_ms, enum tool_status status,
    const char *detail)
{
	if (question->part) {
		queue->config.part_done(question->call, question->id, status,
		    detail, question->age_ms, queue->config.arg);
		return;
	}
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

void
tool_queue_drop(struct tool_queue *queue, struct tool_request *request)
{
	TAILQ_REMOVE(&request->job->waiters, request, waiter);
	TAILQ_REMOVE(&queue->requests, request, entry);
	tool_party_leave(&queue->callers, &request->caller);
	tool_request_free(request);
}

void
tool_queue_answer(struct tool_queue *queue, const struct tool_request *request,
    enum tool_status status, const char *detail)
{
	const struct tool_question question = {
	    .call = request->caller->name,
	    .id = request->id,
	    .name = request->name,
	    .part = request->part,
	};
	uint64_t now_ms = tool_queue_now(queue);

	tool_queue_reply(queue, &question, request->failures,
	    now_ms - request->started_ms, status, detail);
	if (!request->part)
		tool_answers_add(queue->answers, now_ms, TOOL_QUEUE_ANSWERS_MS,
		    request->key, status, detail);
}

void
tool_queue_cache(struct tool_queue *queue, const struct tool_job *job,
    enum tool_status status, const char *detail)
{
	if (status == TOOL_STATUS_OK && job->cache_s > 0 && job->key[0] != '\0')
		tool_answers_add(queue->cache, tool_queue_now(queue),
		    job->cache_s * UINT64_C(1000), job->key, status, detail);
}

void
tool_queue_finish(struct tool_queue *queue, struct tool_job *job,
    enum tool_status status, const char *detail)
{
	struct tool_request *request;

	tool_queue_cache(queue, job, status, detail);
	while ((request = TAILQ_FIRST(&job->waiters)) != NULL) {
		tool_queue_answer(queue, request, status, detail);
		tool_queue_drop(queue, request);
	}
	tool_queue_remove(queue, job);
}

void
tool_queue_abandon(
    struct tool_queue *queue, struct tool_job *job, const char *why)
{
	cJSON *body;

	assert(TAILQ_EMPTY(&job->waiters));
	assert(job->state != TOOL_JOB_CANCELLED);
	if (job->state == TOOL_JOB_WAITING) {
		tool_queue_remove(queue, job);
		return;
	}
	if (job->call != NULL) {
		tool_queue_cancel_local(queue, job);
		return;
	}
	if (job->lingers_ms > 0 && job->state == TOOL_JOB_RUNNING &&
	    job->deadline_ms > tool_queue_now(queue)) {
		job->deadline_ms += TOOL_QUEUE_GRACE_MS;
		tool_queue_set_state(job, TOOL_JOB_UNCLAIMED, why);
		return;
	}
	tool_queue_set_state(job, TOOL_JOB_CANCELLED, why);
	job->deadline_ms = tool_queue_now(queue) + TOOL_QUEUE_CONFIRM_MS;
	body = cJSON_CreateObject();
	json_add_string(body, "id", job->id);
	queue->config.send_worker(
	    job->slot->worker, MESSAGE_JOB_CANCEL, body, queue->config.arg);
}

void
tool_queue_leave(
    struct tool_queue *queue, struct tool_request *request, const char *why)
{
	struct tool_job *job = request->job;

	tool_queue_drop(queue, request);
	if (TAILQ_EMPTY(&job->waiters))
		tool_queue_abandon(queue, job, why);
}

void
tool_queue_lose(struct tool_queue *queue, struct tool_job *job, const char *why)
{
	uint64_t from_ms = tool_queue_now(queue);

	if (job->target->held_until_ms > from_ms)
		from_ms = job->target->held_until_ms;
	if (!job->read_only || job->attempts >= TOOL_QUEUE_ATTEMPTS_MAX ||
	    tool_queue_last_deadline(job) < from_ms + TOOL_QUEUE_RETRY_MS) {
		tool_queue_finish(queue, job, TOOL_STATUS_LOST, why);
		return;
	}
	log_warn("tool lost its worker and is run again name=%s job=%s "
		 "why=\"%s\"",
	    job->name, job->id, why);
	tool_queue_set_slot(job, NULL);
	tool_progress_clear(&job->progress);
	tool_queue_set_state(job, TOOL_JOB_WAITING, why);
}
