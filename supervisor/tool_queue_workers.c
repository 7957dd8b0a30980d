/* SPDX-License-Identifier: MIT */
/*
 * tool_queue_workers.c – the toolworkers' side of the queue: who there is,
 * what runs there, and how it ended.
 *
 * Invariant: a slot counts exactly the jobs whose SLOT it is; a worker is
 * believed about a job only if the job runs there, or may have run there
 * since before this supervisor.
 */
#include "supervisor/tool_queue_impl.h"

#include "common/json.h"
#include "common/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct tool_slot *
slot_find(struct tool_queue *queue, const struct worker *worker)
{
	struct tool_slot *slot;

	TAILQ_FOREACH(slot, &queue->slots, entry) {
		if (slot->worker == worker)
			return slot;
	}
	return NULL;
}

/* NULL without memory: that worker then gets no jobs. */
static struct tool_slot *
slot_get(struct tool_queue *queue, struct worker *worker)
{
	struct tool_slot *slot = slot_find(queue, worker);

	if (slot != NULL)
		return slot;
	slot = calloc(1, sizeof(*slot));
	if (slot == NULL)
		return NULL;
	slot->worker = worker;
	TAILQ_INSERT_TAIL(&queue->slots, slot, entry);
	return slot;
}

/* Whether calls may still repeat what they asked an earlier supervisor. */
static bool
is_new(const struct tool_queue *queue)
{
	return tool_queue_now(queue) < queue->born_ms + TOOL_QUEUE_CLAIM_MS;
}

/* The job that waits for what ID is about, under another supervisor's id. */
static struct tool_job *
find_waiting(struct tool_queue *queue, const char *id)
{
	char key[TOOL_KEY_SIZE];
	struct tool_job *job;

	if (tool_job_run_key(key, id) < 0)
		return NULL;
	TAILQ_FOREACH(job, &queue->jobs, entry) {
		if (job->state == TOOL_JOB_WAITING &&
		    strcmp(job->key, key) == 0)
			return job;
	}
	return NULL;
}

/* A job that runs there since before this supervisor. */
static void
adopt(struct tool_queue *queue, struct tool_slot *slot, const char *id)
{
	struct tool_job *job = tool_queue_find(queue, id);

	if (id[0] == '\0' || strlen(id) >= TOOL_JOB_ID_SIZE)
		return;
	if (job == NULL)
		job = find_waiting(queue, id);
	if (job == NULL) {
		job = tool_job_new(id, NULL, NULL, NULL);
		if (job == NULL)
			return;
		job->started_ms = tool_queue_now(queue);
		job->deadline_ms = job->started_ms + TOOL_QUEUE_CLAIM_MS;
		job->part = tool_job_run_mark(id)[0] != '\0';
		if (job->part)
			job->target = tool_party_join(
			    &queue->targets, tool_job_run_mark(id));
		tool_queue_set_slot(job, slot);
		tool_queue_set_state(
		    job, TOOL_JOB_UNCLAIMED, "named by its worker");
		TAILQ_INSERT_TAIL(&queue->jobs, job, entry);
	} else if (job->state == TOOL_JOB_WAITING) {
		memmove(job->id, id, strlen(id) + 1);
		tool_queue_set_slot(job, slot);
		job->attempts++;
		job->deadline_ms = tool_queue_last_deadline(job);
		tool_queue_set_state(
		    job, TOOL_JOB_RUNNING, "named by its worker");
	}
}

void
tool_queue_expect(struct tool_queue *queue, struct worker *worker)
{
	struct tool_slot *slot = slot_get(queue, worker);

	if (slot == NULL)
		return;
	slot->expected = true;
	slot->closed = true;
}

static void
on_state(struct tool_queue *queue, struct worker *worker, const cJSON *body)
{
	struct tool_slot *slot = slot_get(queue, worker);
	const cJSON *id;

	if (slot == NULL)
		return;
	if (slot->expected && json_array(body, "jobs") != NULL) {
		slot->expected = false;
		/* An earlier supervisor told it to go when it is done. */
		slot->closed =
		    strcmp(json_string(body, "state"), "draining") == 0;
	}
	cJSON_ArrayForEach(id, json_array(body, "jobs")) {
		if (cJSON_IsString(id))
			adopt(queue, slot, id->valuestring);
	}
	tool_queue_settle(queue);
}

/* Whether WORKER may speak for JOB: it runs there, or waits for its return. */
static bool
job_is_of(const struct tool_job *job, const struct worker *worker)
{
	return job->call == NULL &&
	       (job->slot == NULL || job->slot->worker == worker);
}

static void
on_progress(struct tool_queue *queue, struct worker *worker, const cJSON *body)
{
	struct tool_job *job = tool_queue_find(queue, json_string(body, "id"));
	struct tool_progress progress;

	/* Also before somebody claims it: those who do will want to know. */
	if (job == NULL || job->state == TOOL_JOB_CANCELLED ||
	    job->state == TOOL_JOB_WAITING || !job_is_of(job, worker))
		return;
	tool_progress_read(&progress, body);
	tool_queue_set_progress(queue, job, &progress);
}

/* The result of a job that calls wait for. */
static void
on_wanted_result(struct tool_queue *queue, struct tool_job *job,
    enum tool_status status, const char *detail)
{
	/* CANCELLED without our order is a worker's way out too. */
	bool lost =
	    status == TOOL_STATUS_LOST || status == TOOL_STATUS_CANCELLED;

	if (!lost) {
		tool_queue_finish(queue, job, status, detail);
	} else if (job->state == TOOL_JOB_RUNNING) {
		job->slot->closed |= status == TOOL_STATUS_LOST;
		tool_queue_lose(queue, job, detail);
	}
}

/*
 * Nobody has asked for job ID, but may yet, if this supervisor is new. What
 * many may ask for is kept for as long as calls need to repeat themselves; a
 * question of later is not to be answered with it.
 */
static void
keep_result(struct tool_queue *queue, const char *id, enum tool_status status,
    const char *detail)
{
	uint64_t now_ms = tool_queue_now(queue);
	char key[TOOL_KEY_SIZE], group[TOOL_JOB_ID_SIZE];

	if (status == TOOL_STATUS_LOST || status == TOOL_STATUS_CANCELLED ||
	    strlen(id) >= TOOL_JOB_ID_SIZE)
		return;
	if (tool_job_run_key(key, id) < 0) {
		tool_answers_add(queue->answers, now_ms, TOOL_QUEUE_ANSWERS_MS,
		    id, status, detail);
	} else if (is_new(queue)) {
		tool_job_make_run_group(group, sizeof(group), key);
		tool_answers_add(queue->answers, now_ms,
		    queue->born_ms + TOOL_QUEUE_CLAIM_MS - now_ms, group,
		    status, detail);
	}
}

/*
 * Job ID is over. JOB is NULL if it is an earlier supervisor's and was not
 * heard of yet; then its id says whom it burdened.
 */
static void
hold_target(struct tool_queue *queue, struct tool_job *job, const char *id,
    const cJSON *body)
{
	int64_t hold_ms = json_int(body, "hold_ms", 0);
	const char *mark = tool_job_run_mark(id);
	struct tool_party *target;

	if (job != NULL) {
		tool_queue_hold(queue, job->target, hold_ms);
	} else if (mark[0] != '\0') {
		target = tool_party_join(&queue->targets, mark);
		tool_queue_hold(queue, target, hold_ms);
		tool_party_leave(&queue->targets, &target);
	}
}

static void
on_result(struct tool_queue *queue, struct worker *worker, const cJSON *body)
{
	const char *id = json_string(body, "id");
	const char *detail = json_string(body, "output");
	struct tool_job *job = tool_queue_find(queue, id);
	enum tool_status status = TOOL_STATUS_INTERNAL;

	if (tool_status_find(json_string(body, "status"), &status) < 0)
		log_err("toolworker answered with an unknown status job=%s "
			"status=%s",
		    id, json_string(body, "status"));
	/* Asked for again before its worker was heard. */
	if (job == NULL && is_new(queue))
		job = find_waiting(queue, id);
	if (job != NULL && !job_is_of(job, worker)) {
		log_warn("result of a job that runs elsewhere job=%s", id);
		return;
	}
	hold_target(queue, job, id, body);
	if (job != NULL && !TAILQ_EMPTY(&job->waiters)) {
		on_wanted_result(queue, job, status, detail);
	} else {
		if (job == NULL || job->state != TOOL_JOB_CANCELLED)
			keep_result(queue, id, status, detail);
		if (job != NULL && job->state == TOOL_JOB_UNCLAIMED)
			tool_queue_cache(queue, job, status, detail);
		if (job != NULL)
			tool_queue_remove(queue, job);
	}
	tool_queue_settle(queue);
}

void
tool_queue_on_worker(struct tool_queue *queue, struct worker *worker,
    enum message_type type, const cJSON *body)
{
	if (type == MESSAGE_HELLO || type == MESSAGE_STATE)
		on_state(queue, worker, body);
	else if (type == MESSAGE_JOB_PROGRESS)
		on_progress(queue, worker, body);
	else if (type == MESSAGE_JOB_RESULT)
		on_result(queue, worker, body);
}

void
tool_queue_worker_drain(struct tool_queue *queue, struct worker *worker)
{
	/* Also one that has not said hello yet. */
	struct tool_slot *slot = slot_get(queue, worker);

	if (slot == NULL)
		return;
	slot->closed = true;
	tool_queue_settle(queue);
}

void
tool_queue_worker_gone(struct tool_queue *queue, struct worker *worker)
{
	struct tool_slot *slot = slot_find(queue, worker);
	struct tool_job *job, *next;

	if (slot == NULL)
		return;
	slot->closed = true;
	for (job = TAILQ_FIRST(&queue->jobs); job != NULL; job = next) {
		next = TAILQ_NEXT(job, entry);
		if (job->slot != slot)
			continue;
		if (job->lingers_ms > 0)
			tool_queue_hold(queue, job->target, job->lingers_ms);
		if (job->state == TOOL_JOB_RUNNING)
			tool_queue_lose(queue, job, "the toolworker died");
		else
			tool_queue_remove(queue, job);
	}
	assert(slot->jobs == 0);
	TAILQ_REMOVE(&queue->slots, slot, entry);
	free(slot);
	tool_queue_settle(queue);
}
