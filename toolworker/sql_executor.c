/* SPDX-License-Identifier: MIT */
/*
 * sql_executor.c – jobs in a line before one thread.
 *
 * Invariant: CURRENT is what the thread asks, or NULL when it is idle; a query
 * whose job has ended stays CURRENT, without its events, until it comes back.
 */
#include "toolworker/sql_executor.h"

#include "common/clock.h"
#include "common/log.h"
#include "toolworker/sql_job.h"
#include "toolworker/sql_thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum {
	WHY_SIZE = 512,
};

/* A job of the jobs table; its handle. */
struct turn {
	TAILQ_ENTRY(turn) entry; /* while it waits */
	struct sql_executor *executor;
	struct sql_job *job;
	struct executor_events events;
	struct event *limit; /* the query's own time limit */
	uint64_t started_ms;
	bool has_ended; /* told, or cancelled: nobody waits for it */
};

struct sql_executor {
	struct sql_executor_config config;
	struct sql_thread *thread;
	struct turn *current;
	TAILQ_HEAD(, turn) waiting; /* first come first */
};

static void
turn_free(struct turn *turn)
{
	if (turn->limit != NULL)
		event_free(turn->limit);
	sql_job_free(turn->job);
	free(turn);
}

/* The driver's words are for the operator only. */
static void
log_outcome(struct turn *turn, enum tool_status status, const char *why)
{
	struct sql_job *job = turn->job;
	unsigned int elapsed_ms =
	    (unsigned int)(clock_now_ms() - turn->started_ms);
	const char *kept = job->result.was_kept ? "yes" : "no";
	/* Nothing failed when a key is that of nobody. */
	bool is_nobody = status == TOOL_STATUS_REFUSED &&
			 job->result.status == TOOL_STATUS_OK;

	if (status == TOOL_STATUS_OK || is_nobody) {
		log_info("tool query answered tool=%s rows=%u kept=%s "
			 "elapsed_ms=%u",
		    job->name, job->result.rows, kept, elapsed_ms);
		return;
	}
	sql_job_mask(job, turn->executor->config.secrets);
	log_warn("tool query failed tool=%s status=%s kept=%s elapsed_ms=%u "
		 "why=\"%s\" driver=\"%s\"",
	    job->name, tool_status_name(status), kept, elapsed_ms, why,
	    job->result.driver);
}

/* -- the thread's events --------------------------------------------------------- */

static void ask_next(struct sql_executor *executor);

/* What the jobs table is told, once. */
static void
finish(struct turn *turn)
{
	struct executor_events events = turn->events;
	static char output[TOOL_OUTPUT_SIZE];
	enum tool_status status =
	    sql_job_answer(turn->job, turn->executor->config.secrets, output);

	log_outcome(turn, status, status == TOOL_STATUS_OK ? "" : output);
	turn_free(turn);
	events.result(status, output, events.arg);
}

static void
on_done(void *arg)
{
	struct sql_executor *executor = arg;
	struct turn *turn = executor->current;

	executor->current = NULL;
	ask_next(executor);
	if (!turn->has_ended) {
		finish(turn);
		return;
	}
	log_info("tool query came back tool=%s after_ms=%u", turn->job->name,
	    (unsigned int)(clock_now_ms() - turn->started_ms));
	turn_free(turn);
}

static void
on_stuck(void *arg)
{
	struct sql_executor *executor = arg;

	log_err("a database's driver does not come back from a query "
		"tool=%s",
	    executor->current->job->name);
	executor->config.on_stuck(executor->config.arg);
}

/* -- turns ------------------------------------------------------------------------ */

/* False: it cannot be asked; its result says why. */
static bool
ask(struct sql_executor *executor, struct turn *turn)
{
	struct sql_result *result = &turn->job->result;
	int ret = sql_thread_ask(executor->thread, &turn->job->query, result);

	if (ret < 0) {
		result->status = TOOL_STATUS_INTERNAL;
		snprintf(result->why, sizeof(result->why), "no thread: %s",
		    strerror(-ret));
		return false;
	}
	executor->current = turn;
	return true;
}

static void
ask_next(struct sql_executor *executor)
{
	struct turn *turn;

	while (executor->current == NULL &&
	       (turn = TAILQ_FIRST(&executor->waiting)) != NULL) {
		TAILQ_REMOVE(&executor->waiting, turn, entry);
		if (!ask(executor, turn))
			finish(turn);
	}
}

/* Nobody waits for TURN any more; its query is stopped. */
static void
give_up(struct turn *turn)
{
	struct sql_executor *executor = turn->executor;

	turn->has_ended = true;
	if (turn->limit != NULL)
		event_del(turn->limit);
	if (turn == executor->current) {
		sql_thread_cancel(executor->thread);
		return;
	}
	TAILQ_REMOVE(&executor->waiting, turn, entry);
	turn_free(turn);
}

static void
on_limit(evutil_socket_t fd, short what, void *arg)
{
	struct turn *turn = arg;
	struct executor_events events = turn->events;
	static const char why[] = "the query took too long";

	(void)fd;
	(void)what;
	log_warn("tool query failed tool=%s status=timeout elapsed_ms=%u "
		 "why=\"%s\"",
	    turn->job->name, (unsigned int)(clock_now_ms() - turn->started_ms),
	    why);
	give_up(turn);
	events.result(TOOL_STATUS_TIMEOUT, why, events.arg);
}

static struct turn *
turn_new(struct sql_executor *executor, const struct executor_events *events,
    struct sql_job *job)
{
	struct turn *turn = calloc(1, sizeof(*turn));
	const struct timeval limit = {
	    .tv_sec = job->query.timeout_ms / 1000,
	    .tv_usec = (suseconds_t)(job->query.timeout_ms % 1000) * 1000,
	};

	if (turn == NULL) {
		sql_job_free(job);
		return NULL;
	}
	turn->executor = executor;
	turn->events = *events;
	turn->job = job;
	turn->started_ms = clock_now_ms();
	turn->limit = evtimer_new(executor->config.base, on_limit, turn);
	if (turn->limit == NULL || evtimer_add(turn->limit, &limit) < 0) {
		turn_free(turn);
		return NULL;
	}
	return turn;
}

static void *
sql_start(void *self, const struct executor_request *request,
    const struct executor_events *events)
{
	struct sql_executor *executor = self;
	struct turn *turn = NULL;
	struct sql_job *job;
	char why[WHY_SIZE];
	enum tool_status status =
	    sql_job_new(&job, request, executor->config.config,
		executor->config.secrets, why, sizeof(why));

	if (status == TOOL_STATUS_OK) {
		turn = turn_new(executor, events, job);
		status = TOOL_STATUS_INTERNAL;
		snprintf(why, sizeof(why), "no memory");
	}
	if (turn == NULL) {
		/* What is wrong with arguments may repeat them: not logged. */
		log_warn("tool query cannot be asked tool=%s status=%s "
			 "why=\"%s\"",
		    request->tool, tool_status_name(status),
		    status == TOOL_STATUS_INVALID_ARGUMENTS ? "" : why);
		events->result(status, why, events->arg);
		return NULL;
	}
	if (executor->current != NULL) {
		TAILQ_INSERT_TAIL(&executor->waiting, turn, entry);
		return turn;
	}
	if (ask(executor, turn))
		return turn;
	finish(turn);
	return NULL;
}

static void
sql_cancel(void *handle)
{
	give_up(handle);
}

/* -- life -------------------------------------------------------------------------- */

int
sql_executor_new(struct sql_executor **executor_out,
    const struct sql_executor_config *config)
{
	struct sql_executor *executor = calloc(1, sizeof(*executor));
	const struct sql_thread_events events = {
	    .on_done = on_done,
	    .on_stuck = on_stuck,
	    .arg = executor,
	};

	if (executor == NULL)
		return -ENOMEM;
	executor->config = *config;
	TAILQ_INIT(&executor->waiting);
	if (sql_thread_new(&executor->thread, config->base, &events) < 0) {
		free(executor);
		return -ENOMEM;
	}
	*executor_out = executor;
	return 0;
}

int
sql_executor_free(struct sql_executor **executor_ptr)
{
	struct sql_executor *executor = *executor_ptr;
	struct turn *turn;
	int ret;

	if (executor == NULL)
		return 0;
	*executor_ptr = NULL;
	while ((turn = TAILQ_FIRST(&executor->waiting)) != NULL) {
		TAILQ_REMOVE(&executor->waiting, turn, entry);
		turn_free(turn);
	}
	ret = sql_thread_free(&executor->thread);
	if (ret < 0)
		return ret; /* the thread may still use the current job */
	if (executor->current != NULL)
		turn_free(executor->current);
	free(executor);
	return 0;
}

struct executor
sql_executor_interface(struct sql_executor *executor)
{
	return (struct executor){
	    .name = "sql",
	    .self = executor,
	    .start = sql_start,
	    .cancel = sql_cancel,
	};
}
