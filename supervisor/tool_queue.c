/* SPDX-License-Identifier: MIT */
/*
 * tool_queue.c – the queue's books: its jobs, where they are, and its own
 * beginning and end.
 *
 * Invariant: a job's state and its slot are changed here only, and a slot and
 * a target count exactly the jobs that are at a worker.
 */
#include "supervisor/tool_queue_impl.h"

#include "common/log.h"
#include "supervisor/tool_holds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
		job->slot->parts -= job->part;
		if (job->target != NULL)
			job->target->running--;
	}
	if (slot != NULL) {
		slot->jobs++;
		slot->exclusive += job->exclusive;
		slot->parts += job->part;
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

void
tool_queue_hold(struct tool_queue *queue, struct tool_party *target, int64_t ms)
{
	uint64_t now_ms = tool_queue_now(queue);

	if (target == NULL)
		return;
	if (ms <= 0) {
		tool_holds_set(queue->config.holds, target->name, 0);
		if (target->held_until_ms != 0)
			target->held_until_ms = now_ms; /* release() does it */
		return;
	}
	if (ms > TOOL_QUEUE_HOLD_MAX_MS)
		ms = TOOL_QUEUE_HOLD_MAX_MS;
	log_info("tool target stays taken target=\"%s\" hold_ms=%lld",
	    target->name, (long long)ms);
	if (target->held_until_ms == 0)
		target->users++;
	target->held_until_ms = now_ms + (uint64_t)ms;
	tool_holds_set(
	    queue->config.holds, target->name, target->held_until_ms);
}

/* Targets of an earlier supervisor that may be at work, or stay taken. */
static int
restore_holds(struct tool_queue *queue)
{
	uint64_t most_ms = tool_queue_now(queue) + TOOL_JOB_DEADLINE_MAX_MS +
			   TOOL_QUEUE_HOLD_MAX_MS;
	struct tool_party *target;
	uint64_t until_ms;
	const char *name;
	size_t at = 0;

	while ((name = tool_holds_next(queue->config.holds, &at, &until_ms)) !=
	       NULL) {
		if (tool_job_is_begun(name))
			continue;
		target = tool_party_join(&queue->targets, name);
		if (target == NULL)
			return -ENOMEM;
		target->held_until_ms = until_ms < most_ms ? until_ms : most_ms;
	}
	return 0;
}

uint64_t
tool_queue_release(struct tool_queue *queue)
{
	uint64_t now_ms = tool_queue_now(queue), first_ms = UINT64_MAX;
	struct tool_party *target, *next;

	for (target = TAILQ_FIRST(&queue->targets); target != NULL;
	     target = next) {
		next = TAILQ_NEXT(target, entry);
		if (target->held_until_ms == 0)
			continue;
		if (target->held_until_ms > now_ms) {
			if (target->held_until_ms < first_ms)
				first_ms = target->held_until_ms;
			continue;
		}
		target->held_until_ms = 0;
		tool_party_leave(&queue->targets, &target);
	}
	return first_ms;
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
	    tool_answers_new(&queue->cache, TOOL_QUEUE_CACHE_MAX) < 0 ||
	    restore_holds(queue) < 0) {
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
	struct tool_party *target;
	struct tool_slot *slot;

	if (queue == NULL)
		return;
	*queue_ptr = NULL;
	while (!TAILQ_EMPTY(&queue->requests))
		tool_queue_drop(queue, TAILQ_FIRST(&queue->requests));
	while (!TAILQ_EMPTY(&queue->jobs))
		tool_queue_remove(queue, TAILQ_FIRST(&queue->jobs));
	while ((target = TAILQ_FIRST(&queue->targets)) != NULL)
		tool_party_leave(&queue->targets, &target); /* was held */
	while ((slot = TAILQ_FIRST(&queue->slots)) != NULL) {
		TAILQ_REMOVE(&queue->slots, slot, entry);
		free(slot);
	}
	tool_answers_free(&queue->answers);
	tool_answers_free(&queue->cache);
	free(queue);
}
