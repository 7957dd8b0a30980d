/* SPDX-License-Identifier: MIT */
/*
 * sql_tool.h – what a tool of type "sql" declares: which database, one query
 * with places for values, and how its rows are put into words. Read by the
 * supervisor to check a file, and by the toolworker to run it. Described in
 * etc/tools.d/README.md.
 */
#ifndef COMMON_SQL_TOOL_H
#define COMMON_SQL_TOOL_H

#include "common/config.h"
#include "common/sql_answer.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

enum {
	SQL_TOOL_VALUES_MAX = 16,
	SQL_TOOL_ROWS_MAX = 50,
	SQL_TOOL_ROWS_DEFAULT = 5,
	SQL_TOOL_TIMEOUT_MAX_S = 300,
	SQL_TOOL_TIMEOUT_DEFAULT_S = 10,
};

/* Everything points into the JSON that was read. Strings: "" if not there. */
struct sql_tool {
	const char *dsn; /* see sql_dsn.h */
	const char *query;
	const cJSON *bind;      /* a value for each '?'; or NULL */
	unsigned int rows_max;  /* put into words; the others are counted */
	unsigned int timeout_s; /* connecting and asking together */
	const char *first;      /* said before the rows */
	const char *answer;     /* template of one row, see sql_answer.h */
	const char *more;       /* with {more} and {rows}: after ROWS_MAX */
	const char *none;
	/*
	 * Instead of answer, first, more and none: the column whose value is
	 * all that is said, if there is just one row; else it is REFUSED.
	 */
	const char *key;
	struct sql_words words;
	bool asks_caller; /* a value is ${caller:…}, so answers are personal */
};

typedef void sql_tool_problem_fn(const char *text, void *arg);

/*
 * Reads SETTINGS, the members of "executor". PARAMETERS is the tool's schema.
 * Every fault goes to PROBLEM, with the place named. Returns 0 or -EINVAL.
 */
int sql_tool_read(struct sql_tool *tool_out, const cJSON *settings,
    const cJSON *parameters, sql_tool_problem_fn *problem, void *arg);

/* Whether the setting that names its database is set. */
bool sql_tool_is_configured(
    const struct sql_tool *tool, const struct config *config);

/*
 * A member of "bind": NULL it stands for itself, else the name of an argument
 * or, with *IS_CALLER_OUT, of what is known of the caller. In BUF.
 */
const char *sql_tool_reference(
    const cJSON *item, bool *is_caller_out, char *buf, size_t size);

/*
 * Whether TEXT is one statement that reads: begins with SELECT or WITH, no
 * ';', no comment, and in quotes no backslash, since servers differ about all
 * of them. *VALUES_OUT: how many '?' it has. -EINVAL with WHY.
 */
int sql_tool_check_query(
    const char *text, size_t *values_out, char *why, size_t size);

#endif
