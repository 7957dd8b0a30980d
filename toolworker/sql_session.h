/* SPDX-License-Identifier: MIT */
/*
 * sql_session.h – connections to databases, and one query at a time on them.
 * Blocks: it is for a thread of its own (sql_thread.h), and logs nothing.
 *
 * A connection is read-only three times over: SQL_ATTR_ACCESS_MODE for the
 * driver, a command that makes the server refuse to write, and a question
 * whether it does; without the right answer the connection is not used. That
 * is known for SQLite, PostgreSQL and MariaDB, and others are refused.
 *
 * Values are bound, never written into a text. A connection is kept for the
 * next query, unless it was cancelled, failed or idle for so long that a
 * firewall may have forgotten it. One that died meanwhile is made again, and
 * the query is asked once more: it only reads.
 */
#ifndef TOOLWORKER_SQL_SESSION_H
#define TOOLWORKER_SQL_SESSION_H

#include "common/sql_answer.h"
#include "common/sql_dsn.h"
#include "common/sql_tool.h"
#include "common/tool_status.h"

#include <stdint.h>

enum {
	SQL_SESSION_WHY_SIZE = 192,
	SQL_SESSION_DRIVER_SIZE = 512,
	SQL_SESSION_COLUMNS_MAX = 32,
	SQL_SESSION_COUNT_MAX = 1000, /* rows counted, not put into words */
	SQL_SESSION_IDLE_MS = 60000,  /* a connection is kept so long */
};

enum sql_kind {
	SQL_KIND_NULL,
	SQL_KIND_TEXT,
	SQL_KIND_INTEGER,
	SQL_KIND_REAL,
	SQL_KIND_SWITCH,
};

/* A value for a '?'. */
struct sql_value {
	enum sql_kind kind;
	char *text; /* UTF-8 */
	int64_t integer;
	double real;
};

/* Gets each row that is to be put into words. Not 0: stop with MALFORMED. */
typedef int sql_row_fn(const struct sql_row *row, void *arg);

struct sql_query {
	char dsn[SQL_DSN_MAX + 1]; /* with its password */
	const char *text;
	struct sql_value values[SQL_TOOL_VALUES_MAX];
	size_t value_count;
	unsigned int rows_max;
	unsigned int timeout_ms;
	sql_row_fn *on_row;
	void *arg;
};

struct sql_result {
	enum tool_status status;
	unsigned int rows; /* that there are, as far as they were counted */
	bool gave_up;      /* there are more than ROWS */
	bool was_kept;     /* the connection was there already */
	char why[SQL_SESSION_WHY_SIZE];       /* our words, for the log */
	char driver[SQL_SESSION_DRIVER_SIZE]; /* its words: may hold values */
};

struct odbc;
struct sql_session;

/* 0 or -ENOMEM. */
int sql_session_new(struct sql_session **session_out);

/* Disconnects, which may block. NULL-safe, clears *SESSION. */
void sql_session_free(struct sql_session **session);

/*
 * Closes what has been idle for SQL_SESSION_IDLE_MS, which may block. Returns
 * whether there are connections left, for which to come back.
 */
bool sql_session_tidy(struct sql_session *session);

/* Forgets an earlier sql_session_cancel(). From any thread, between queries. */
void sql_session_rearm(struct sql_session *session);

/* Asks, and blocks until *RESULT_OUT is complete. */
void sql_session_ask(struct sql_session *session, const struct sql_query *query,
    struct sql_result *result_out);

/*
 * From another thread: ends what sql_session_ask() is doing, if the driver
 * can. To be repeated: a server passes over what comes before the query.
 * May block, for drivers tell a server over another connection.
 */
void sql_session_cancel(struct sql_session *session);

#endif
