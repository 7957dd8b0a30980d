/* SPDX-License-Identifier: MIT */
/*
 * tool_queue_clock.c – what the passing of time does to the queue.
 *
 * Invariant: whenever the queue is left, its one timer is set to the first
 * moment at which something is due.
 */
#include "supervisor/tool_queue_impl.h"

#include "common/log.h"

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
	first_ms = first_of(first_ms, tool_queue_release(queue));
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

/* Whether all workers have said what runs there. */
static bool
is_known(const struct tool_queue *queue)
{
	const struct tool_slot *slot;

	TAILQ_FOREACH(slot, &queue->slots, entry) {
		if (slot->expected)
			return false;
	}
	return true;
}

/* Parts whose target stays taken for longer than anybody waits for them. */
static void
refuse_hopeless(struct tool_queue *queue)
{
	bool known = is_known(queue);
	struct tool_job *job, *next;

	for (job = TAILQ_FIRST(&queue->jobs); known && job != NULL;
	     job = next) {
		next = TAILQ_NEXT(job, entry);
		/* What runs there may end, and free it, at any time. */
		if (job->part && job->state == TOOL_JOB_WAITING &&
		    job->target->running == 0 &&
		    job->target->held_until_ms != 0 &&
		    job->target->held_until_ms >= tool_queue_last_deadline(job))
			tool_queue_finish(queue, job, TOOL_STATUS_BUSY,
			    "it is still at work on an earlier request");
	}
}

void
tool_queue_settle(struct tool_queue *queue)
{
	tool_queue_release(queue);
	refuse_hopeless(queue);
	tool_queue_dispatch(queue);
	if (workers_available(queue))
		queue->idle_since_ms = UINT64_MAX;
	else if (queue->idle_since_ms == UINT64_MAX)
		queue->idle_since_ms = tool_queue_now(queue);
	rearm(queue);
}

static void
tick_request(struct tool_queue *queue, struct tool_request *request)
{
	uint64_t now_ms = tool_queue_now(queue);

	if (request->deadline_ms <= now_ms) {
		tool_queue_answer(queue, request, TOOL_STATUS_TIMEOUT,
		    "the tool's deadline has passed");
		tool_queue_leave(queue, request, "deadline");
	} else if (no_worker_ms(queue, request) <= now_ms) {
		tool_queue_answer(
		    queue, request, TOOL_STATUS_LOST, "no toolworker is up");
		tool_queue_leave(queue, request, "no toolworker is up");
	} else if (request->notice_ms <= now_ms) {
		tool_queue_notice(queue, request);
	}
}

/* A job without waiters, when its time is over. */
static void
job_overdue(struct tool_queue *queue, struct tool_job *job)
{
	if (job->state == TOOL_JOB_UNCLAIMED) {
		tool_queue_abandon(queue, job, "nobody asked for it");
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
