/* SPDX-License-Identifier: MIT */
/*
 * tool_queue_impl.h – what tool_queue.c (calls, clock, dispatch) and
 * tool_queue_workers.c (what workers say) share. Nobody else includes it.
 */
#ifndef SUPERVISOR_TOOL_QUEUE_IMPL_H
#define SUPERVISOR_TOOL_QUEUE_IMPL_H

#include "supervisor/tool_answers.h"
#include "supervisor/tool_job.h"
#include "supervisor/tool_queue.h"

/* A toolworker. */
struct tool_slot {
	TAILQ_ENTRY(tool_slot) entry;
	struct worker *worker;
	size_t jobs; /* of any state but WAITING */
	bool closed; /* drains, is stuck or does not listen: no new jobs */
};

struct tool_queue {
	struct tool_queue_config config;
	struct tool_job_list jobs; /* first come, first served */
	TAILQ_HEAD(, tool_slot) slots;
	struct tool_answers *answers;
	uint64_t idle_since_ms; /* no worker takes jobs since; UINT64_MAX */
};

static inline uint64_t
tool_queue_now(const struct tool_queue *queue)
{
	return queue->config.now_ms();
}

struct tool_job *tool_queue_find(struct tool_queue *queue, const char *id);

/* One setter per machine: logs old -> new (why). */
void tool_queue_set_state(
    struct tool_job *job, enum tool_job_state state, const char *why);

/* The job leaves its worker and, unless SLOT is NULL, gets another. */
void tool_queue_set_slot(struct tool_job *job, struct tool_slot *slot);

/* Frees a job that nobody waits for. */
void tool_queue_remove(struct tool_queue *queue, struct tool_job *job);

/* Answers the call that waits for JOB, and frees the job. */
void tool_queue_finish(struct tool_queue *queue, struct tool_job *job,
    enum tool_status status, const char *detail);

/* A running job's worker will not do it: a second run, or LOST. */
void tool_queue_lose(
    struct tool_queue *queue, struct tool_job *job, const char *why);

/* Tells the call that waits for JOB how it goes. */
void tool_queue_send_progress(
    struct tool_queue *queue, const struct tool_job *job, const char *text);

/* The end of every public function that may have changed something. */
void tool_queue_settle(struct tool_queue *queue);

#endif
