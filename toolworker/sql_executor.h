/* SPDX-License-Identifier: MIT */
/*
 * sql_executor.h – the executor "sql": a job is one query of the database that
 * its tool declares (common/sql_tool.h), and its rows in words.
 *
 * The query runs in a thread (sql_thread.h, which says why). One at a time;
 * a job that comes while the query of an earlier, cancelled one has not come
 * back waits for it. What drivers say is logged, without the values and the
 * secrets, and never told to a caller.
 */
#ifndef TOOLWORKER_SQL_EXECUTOR_H
#define TOOLWORKER_SQL_EXECUTOR_H

#include "common/config.h"
#include "toolworker/executor.h"
#include "toolworker/tool_secrets.h"

#include <event2/event.h>

struct sql_executor;

struct sql_executor_config {
	struct event_base *base;
	const struct config *config;
	struct tool_secrets *secrets;
	/*
	 * A driver hangs and does not react to cancelling: this process should
	 * end, for no thread can be taken out of a call.
	 */
	void (*on_stuck)(void *arg);
	void *arg;
};

/* What CONFIG points to outlives the executor. 0 or -ENOMEM. */
int sql_executor_new(struct sql_executor **executor_out,
    const struct sql_executor_config *config);

/*
 * After the last job has ended. -EBUSY: a driver hangs; the process must end
 * by _exit(). NULL-safe, clears *EXECUTOR.
 */
int sql_executor_free(struct sql_executor **executor);

/* For the jobs table: "sql". */
struct executor sql_executor_interface(struct sql_executor *executor);

#endif
