/* SPDX-License-Identifier: MIT */
/*
 * tool_queue_impl.h – what the rooms of the queue share. Nobody else includes
 * it.
 */
#ifndef SUPERVISOR_TOOL_QUEUE_IMPL_H
#define SUPERVISOR_TOOL_QUEUE_IMPL_H

#include "supervisor/tool_answers.h"
#include "supervisor/tool_job.h"
#include "supervisor/tool_party.h"
#include "supervisor/tool_queue.h"

/* A toolworker. */
struct tool_slot {
	TAILQ_ENTRY(tool_slot) entry;
	struct worker *worker;
	size_t jobs;      /* of any state but WAITING */
	size_t exclusive; /* of those */
	size_t parts;     /* of those: of divided questions */
	bool closed;      /* drains, is stuck or does not listen: no new jobs */
	bool expected;    /* has not said yet what runs there */
	bool reserved;    /* becomes empty for an exclusive job */
};

struct tool_queue {
	struct tool_queue_config config;
	struct tool_request_list requests; /* first come first */
	struct tool_job_list jobs;
	struct tool_party_list callers;
	struct tool_party_list targets;
	TAILQ_HEAD(, tool_slot) slots;
	struct tool_answers *answers; /* by request, and by run group */
	struct tool_answers *cache;   /* by key */
	uint64_t turn;                /* the last caller's */
	uint64_t serial;              /* of the last run */
	uint64_t born_ms;
	uint64_t idle_since_ms; /* no worker takes jobs since; UINT64_MAX */
};

static inline uint64_t
tool_queue_now(const struct tool_queue *queue)
{
	return queue->config.now_ms();
}

/* What a request is known by, before and after it is a job. */
struct tool_question {
	const char *call;
	const char *id;
	const char *name;
	bool part;       /* CALL is a party that has divided a question */
	uint64_t age_ms; /* of a part's answer */
};

/* -- tool_queue.c: the books ------------------------------------------------- */

/* By its id; NULL if there is none. */
struct tool_job *tool_queue_find(struct tool_queue *queue, const char *id);

const char *tool_queue_state_name(enum tool_job_state state);

/* One setter per machine: logs old -> new (why). */
void tool_queue_set_state(
    struct tool_job *job, enum tool_job_state state, const char *why);

/* The job leaves its worker and, unless SLOT is NULL, gets another. */
void tool_queue_set_slot(struct tool_job *job, struct tool_slot *slot);

/* Frees a job that nobody waits for. */
void tool_queue_remove(struct tool_queue *queue, struct tool_job *job);

/* When the last of those who wait for JOB gives up. */
uint64_t tool_queue_last_deadline(const struct tool_job *job);

/*
 * A place at TARGET, NULL-safe, stays taken for MS from now, whatever was said
 * before; 0: it is free.
 */
void tool_queue_hold(
    struct tool_queue *queue, struct tool_party *target, int64_t ms);

/* Lets go the places whose time has come. Returns when the next one's does. */
uint64_t tool_queue_release(struct tool_queue *queue);

/* -- tool_queue_end.c: how requests and jobs end ------------------------------ */

/* Keeps how JOB ended for others who ask the same, if its tool allows it. */
void tool_queue_cache(struct tool_queue *queue, const struct tool_job *job,
    enum tool_status status, const char *detail);

/* Sends the one tool.result of QUESTION; FAILURES has the sentences. */
void tool_queue_reply(struct tool_queue *queue,
    const struct tool_question *question, const cJSON *failures,
    uint64_t elapsed_ms, enum tool_status status, const char *detail);

/* Replies to REQUEST, and remembers what; tool_queue_drop() is due. */
void tool_queue_answer(struct tool_queue *queue,
    const struct tool_request *request, enum tool_status status,
    const char *detail);

/* REQUEST waits no longer and is freed; its job is left as it is. */
void tool_queue_drop(struct tool_queue *queue, struct tool_request *request);

/* REQUEST waits no longer, nor does its job if that was the last. */
void tool_queue_leave(
    struct tool_queue *queue, struct tool_request *request, const char *why);

/* Nobody waits for JOB any longer; its worker keeps it until it confirms. */
void tool_queue_abandon(
    struct tool_queue *queue, struct tool_job *job, const char *why);

/* Answers everyone who waits for JOB, and frees it. */
void tool_queue_finish(struct tool_queue *queue, struct tool_job *job,
    enum tool_status status, const char *detail);

/* A running job's worker will not do it: a second run, or LOST. */
void tool_queue_lose(
    struct tool_queue *queue, struct tool_job *job, const char *why);

/* -- tool_queue_progress.c: how it goes ---------------------------------------- */

/* Tells REQUEST's call what is known of its job. */
void tool_queue_tell(
    struct tool_queue *queue, const struct tool_request *request);

/* Keeps PROGRESS for those who join, and tells everyone who waits for JOB. */
void tool_queue_set_progress(struct tool_queue *queue, struct tool_job *job,
    const struct tool_progress *progress);

/* REQUEST waits for long: says so, and sets when it is due again. */
void tool_queue_notice(struct tool_queue *queue, struct tool_request *request);

/* -- tool_queue_clock.c: what is due --------------------------------------------- */

/* The end of every public function that may have changed something. */
void tool_queue_settle(struct tool_queue *queue);

/* -- tool_queue_local.c: what the supervisor does itself -------------------------- */

/* Begins every local job that waits. */
void tool_queue_start_local(struct tool_queue *queue);

/* Nobody waits for JOB, a local one, any longer: it is freed. */
void tool_queue_cancel_local(struct tool_queue *queue, struct tool_job *job);

/* -- tool_queue_dispatch.c: which job next, and where --------------------------- */

/* Gives workers what can be run now. */
void tool_queue_dispatch(struct tool_queue *queue);

#endif
