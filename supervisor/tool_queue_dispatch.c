/* SPDX-License-Identifier: MIT */
/*
 * tool_queue_dispatch.c – which job runs next, and on which worker.
 *
 * Turns: the call that was served longest ago is next, one that was not served
 * yet before all; within a call, what was asked first. So a call that asks one
 * thing waits for at most one job of each other call, whatever those ask.
 *
 * Bulkheads: of the places that all workers have, a target gets the number
 * that its tool says, or a quarter. Jobs of a dead target fill their own part
 * and wait for each other; nobody else waits for them.
 *
 * After another supervisor every job waits until each worker has said what
 * runs there: it may be that one. A worker that does not say it is killed
 * after FLEET_SILENCE_MS.
 *
 * Parts of divided questions, of which there may be hundreds, have places of
 * their own on each worker, so that they keep nobody else waiting.
 *
 * What is not read-only is noted before it is sent, in memory that outlives us:
 * if no worker has it, nor its result came, and yet it was begun, nobody knows
 * how it ended, and it is not begun again.
 *
 * Exclusive jobs need an empty worker. When there is none, the one with the
 * fewest jobs is reserved: it gets no others, until it is empty.
 */
#include "supervisor/tool_queue_impl.h"

#include "common/json.h"
#include "supervisor/tool_holds.h"

#include <assert.h>
#include <errno.h>

/* Where jobs could go now; NULL: nowhere. */
struct places {
	struct tool_slot *shared;
	struct tool_slot *parts; /* for one of a divided question */
	struct tool_slot *empty; /* for an exclusive one */
	size_t open;             /* workers that take jobs */
	bool unsure;             /* some worker has not said what runs there */
};

static bool
is_open(const struct tool_slot *slot)
{
	return !slot->closed && slot->exclusive == 0;
}

static void
find_places(const struct tool_queue *queue, struct places *places)
{
	struct tool_slot *slot;

	*places = (struct places){0};
	TAILQ_FOREACH(slot, &queue->slots, entry) {
		places->open += !slot->closed;
		places->unsure |= slot->expected;
		if (!is_open(slot))
			continue;
		if (slot->jobs == 0 &&
		    (places->empty == NULL || slot->reserved))
			places->empty = slot;
		if (!slot->reserved && slot->parts < TOOL_QUEUE_WORKER_PARTS &&
		    (places->parts == NULL ||
			slot->parts < places->parts->parts))
			places->parts = slot;
		if (!slot->reserved &&
		    slot->jobs - slot->parts < TOOL_QUEUE_WORKER_MAX &&
		    (places->shared == NULL ||
			slot->jobs - slot->parts <
			    places->shared->jobs - places->shared->parts))
			places->shared = slot;
	}
}

static size_t
target_limit(const struct tool_job *job, const struct places *places)
{
	size_t all = places->open;

	if (job->target_limit > 0)
		return job->target_limit;
	if (!job->exclusive)
		all *= TOOL_QUEUE_WORKER_MAX;
	return all < TOOL_QUEUE_SHARE ? 1 : all / TOOL_QUEUE_SHARE;
}

/* Whether JOB could run if there were a place. */
static bool
is_ready(const struct tool_job *job, const struct places *places)
{
	size_t taken = job->target->running;

	taken += job->target->held_until_ms != 0;
	return job->state == TOOL_JOB_WAITING &&
	       taken < target_limit(job, places);
}

/* An exclusive job is ready but no worker is empty: keeps one for it. */
static void
reserve(struct tool_queue *queue, const struct places *places)
{
	struct tool_slot *slot, *best = NULL;
	const struct tool_job *job;
	bool wanted = false;

	TAILQ_FOREACH(job, &queue->jobs, entry)
		wanted |= job->exclusive && is_ready(job, places);
	wanted = wanted && (places->empty == NULL || places->empty->reserved);
	TAILQ_FOREACH(slot, &queue->slots, entry) {
		if (is_open(slot) &&
		    (best == NULL || slot->reserved ||
			(!best->reserved && slot->jobs < best->jobs)))
			best = slot;
	}
	TAILQ_FOREACH(slot, &queue->slots, entry)
		slot->reserved = wanted && slot == best;
}

static struct tool_slot *
place_for(const struct tool_job *job, const struct places *places)
{
	if (places->unsure)
		return NULL;
	if (job->exclusive)
		return places->empty;
	return job->part ? places->parts : places->shared;
}

/* The request whose turn it is, of those whose job can run now. */
static struct tool_request *
next_request(const struct tool_queue *queue, const struct places *places)
{
	struct tool_request *request, *best = NULL;

	TAILQ_FOREACH(request, &queue->requests, entry) {
		const struct tool_job *job = request->job;

		if (place_for(job, places) == NULL || !is_ready(job, places))
			continue;
		if (best == NULL || request->caller->turn < best->caller->turn)
			best = request;
	}
	return best;
}

/* Of the one who waits: what is personal is never merged. */
static void
add_caller(struct tool_queue *queue, const struct tool_job *job, cJSON *body)
{
	const struct tool_request *request = TAILQ_FIRST(&job->waiters);

	if (job->personal && request != NULL &&
	    queue->config.describe_caller != NULL)
		json_add(body, "caller",
		    queue->config.describe_caller(
			request->caller->name, queue->config.arg));
}

static int
send_run(struct tool_queue *queue, const struct tool_job *job,
    const struct tool_slot *slot, uint64_t deadline_ms)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "id", job->id);
	json_add_string(body, "tool", job->name);
	json_add(body, "arguments", cJSON_Duplicate(job->arguments, true));
	json_add(body, "settings", cJSON_Duplicate(job->settings, true));
	json_add_int(body, "deadline_ms", (int64_t)deadline_ms);
	add_caller(queue, job, body);
	return queue->config.send_worker(
	    slot->worker, MESSAGE_JOB_RUN, body, queue->config.arg);
}

/* -EALREADY: it was begun before, and may not be begun again. */
static int
send_once(struct tool_queue *queue, const struct tool_job *job,
    const struct tool_slot *slot, uint64_t end_ms)
{
	uint64_t now_ms = tool_queue_now(queue);
	uint64_t deadline_ms = end_ms > now_ms ? end_ms - now_ms : 1;
	struct tool_holds *holds = queue->config.holds;
	char begun[TOOL_BEGUN_SIZE];
	int ret;

	if (job->read_only)
		return send_run(queue, job, slot, deadline_ms);
	tool_job_make_begun(begun, job->id);
	if (tool_holds_has(holds, begun))
		return -EALREADY;
	tool_holds_set(holds, begun, end_ms + TOOL_QUEUE_ANSWERS_MS);
	ret = send_run(queue, job, slot, deadline_ms);
	if (ret < 0)
		tool_holds_set(holds, begun, 0);
	return ret;
}

static void
run(struct tool_queue *queue, struct tool_request *request,
    struct tool_slot *slot)
{
	struct tool_job *job = request->job;
	uint64_t end_ms = tool_queue_last_deadline(job);
	int ret;

	assert(slot != NULL); /* next_request() looked */
	ret = send_once(queue, job, slot, end_ms);
	if (ret == 0) {
		tool_queue_set_slot(job, slot);
		job->attempts++;
		job->deadline_ms = end_ms;
		tool_queue_set_state(job, TOOL_JOB_RUNNING, "job.run sent");
		/* Should its end never be heard of. */
		if (job->lingers_ms > 0)
			tool_holds_set(queue->config.holds, job->target->name,
			    end_ms + job->lingers_ms);
		request->caller->turn = ++queue->turn;
	} else if (ret == -EMSGSIZE) {
		tool_queue_finish(queue, job, TOOL_STATUS_INVALID_ARGUMENTS,
		    "The function was not run: its arguments are too long. "
		    "Shorten them and call it again.");
	} else if (ret == -EALREADY) {
		tool_queue_finish(queue, job, TOOL_STATUS_LOST,
		    "it was begun before, and its result was lost");
	} else if (ret == -ENOMEM) {
		tool_queue_finish(
		    queue, job, TOOL_STATUS_INTERNAL, "no memory");
	} else {
		slot->closed = true; /* it will be reported gone */
	}
}

void
tool_queue_dispatch(struct tool_queue *queue)
{
	struct tool_request *request;
	struct places places;

	tool_queue_start_local(queue);
	for (;;) {
		find_places(queue, &places);
		reserve(queue, &places);
		find_places(queue, &places);
		request = next_request(queue, &places);
		if (request == NULL)
			return;
		run(queue, request, place_for(request->job, &places));
	}
}
