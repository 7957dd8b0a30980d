/* SPDX-License-Identifier: MIT */
/*
 * sql_job.h – one query on its way, as data: from a tool and its arguments to
 * values, and from rows to words.
 */
#ifndef TOOLWORKER_SQL_JOB_H
#define TOOLWORKER_SQL_JOB_H

#include "common/config.h"
#include "toolworker/executor.h"
#include "toolworker/sql_session.h"
#include "toolworker/tool_secrets.h"

struct sql_job {
	struct sql_query query; /* the thread's while it asks; so are: */
	struct sql_result result;
	struct sql_text text;              /* the rows in words */
	unsigned int rows_said;            /* of them */
	char row_why[SQL_ANSWER_WHY_SIZE]; /* a row that could not be said */

	cJSON *settings; /* TOOL points into it */
	struct sql_tool tool;
	char name[65]; /* of the tool, for log lines */
};

/*
 * Makes a job of REQUEST, whose query can be asked, and OK. Otherwise a
 * status, with WHY: INVALID_ARGUMENTS, REFUSED (the caller is not known well
 * enough), UNREACHABLE (no database is named, or its secret is missing),
 * INTERNAL. *JOB_OUT is then NULL.
 */
enum tool_status sql_job_new(struct sql_job **job_out,
    const struct executor_request *request, const struct config *config,
    struct tool_secrets *secrets, char *why, size_t size);

/* NULL-safe. Overwrites what may be a secret or a person's. */
void sql_job_free(struct sql_job *job);

/*
 * After the query: what the voice gets, in OUTPUT of TOOL_OUTPUT_SIZE bytes,
 * and the status. Never words of a driver.
 */
enum tool_status sql_job_answer(
    struct sql_job *job, const struct tool_secrets *secrets, char *output);

/* Takes the values and SECRETS' values out of what the driver said. */
void sql_job_mask(struct sql_job *job, const struct tool_secrets *secrets);

#endif
