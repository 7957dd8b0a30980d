/* SPDX-License-Identifier: MIT */
/*
 * sql_session.c – the one place that calls ODBC to ask something.
 *
 * Invariant: STATEMENT is set, under LOCK, exactly while a call of ours may
 * be cancelled; a connection is in the table only if its server has said
 * that it will not write.
 */
#include "toolworker/sql_session.h"

#include "common/clock.h"
#include "common/utf8.h"
#include "toolworker/odbc.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	CONNECTIONS_MAX = 4, /* databases that tools of one site use */
	NAME_SIZE = 65,
	CELL_SIZE = SQL_ANSWER_VALUE_MAX + 8, /* one more than is said */
	LOGIN_MAX_S = 10,
	COMMANDS_MAX = 4,
	MARGIN_MS = 500, /* the server's own limit is that much later */
};

/* What has to be said to a server before it may be asked anything. */
struct server {
	const char *name; /* SQL_DBMS_NAME */
	const char *commands[COMMANDS_MAX];
	const char *question; /* whether it will write … */
	const char *answer;   /* … and what it says if not */
	const char *limit;    /* seconds and milliseconds; or NULL */
};

static const struct server servers[] = {
    {
	.name = "SQLite",
	.commands = {"PRAGMA query_only = ON"},
	.question = "PRAGMA query_only",
	.answer = "1",
    },
    {
	.name = "PostgreSQL",
	.commands = {"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
	    "SET standard_conforming_strings = on"},
	.question = "SHOW transaction_read_only",
	.answer = "on",
	.limit = "SET statement_timeout = '%u.%03us'",
    },
    {
	.name = "MariaDB",
	.commands = {"SET SESSION TRANSACTION READ ONLY",
	    "SET SESSION sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,STRICT_ALL_TABLES'"},
	.question = "SELECT @@SESSION.tx_read_only",
	.answer = "1",
	.limit = "SET SESSION max_statement_time = %u.%03u",
    },
};

/*
 * Ours come first, where the first counts; where the last counts they are
 * among those that no tool may set. NoCreat: a file that is not there is not
 * made. StepAPI: SQLite's rows one by one. CHARSET: MariaDB's.
 */
static const char options[] =
    "NoCreat=1;StepAPI=1;BigInt=1;UseServerSidePrepare=1;BoolsAsChar=0;"
    "UnknownSizes=2;TextAsLongVarchar=0;CHARSET=utf8mb4;NO_PROMPT=1;";

static const char connection_failed[] = "the connection failed";

struct connection {
	SQLHDBC handle; /* NULL: a free place */
	const struct server *server;
	unsigned int limit_ms; /* that the server was told */
	uint64_t used_ms;
	char dsn[SQL_DSN_MAX + 1];
};

struct sql_session {
	const struct odbc *odbc; /* NULL until the first query */
	SQLHENV environment;
	struct connection connections[CONNECTIONS_MAX];
	pthread_mutex_t lock;
	SQLHSTMT statement; /* that can be cancelled now; or NULL */
	bool was_cancelled;
};

/* One query on its way; what failed goes to RESULT. */
struct asking {
	struct sql_session *session;
	const struct sql_query *query;
	struct sql_result *result;
	struct connection *connection;
	SQLHSTMT statement;
	char state[6]; /* SQLSTATE of the last error */
	SQLSMALLINT columns;
	char names[SQL_SESSION_COLUMNS_MAX][NAME_SIZE];
	char cells[SQL_SESSION_COLUMNS_MAX][CELL_SIZE];
	SQLLEN lengths[SQL_TOOL_VALUES_MAX];
};

/* ODBC has no const. */
static SQLCHAR *
sql_text(const char *text)
{
	return (SQLCHAR *)(uintptr_t)text;
}

/* ODBC passes some numbers as pointers. */
static SQLPOINTER
sql_number(unsigned long number)
{
	return (SQLPOINTER)(uintptr_t)number;
}

static bool
good(SQLRETURN ret)
{
	return SQL_SUCCEEDED(ret);
}

/* -- errors --------------------------------------------------------------------- */

static bool
has_state(const struct asking *asking, const char *head)
{
	return strncmp(asking->state, head, strlen(head)) == 0;
}

/* Keeps what the driver says about its last failure. */
static void
read_error(struct asking *asking, SQLSMALLINT type, SQLHANDLE handle)
{
	struct sql_result *result = asking->result;
	SQLCHAR text[SQL_SESSION_DRIVER_SIZE - 32];
	SQLCHAR state[6] = "";
	SQLINTEGER native = 0;
	SQLSMALLINT len = 0;

	text[0] = '\0';
	asking->state[0] = '\0';
	if (!good(asking->session->odbc->SQLGetDiagRec(
		type, handle, 1, state, &native, text, sizeof(text), &len)))
		return;
	memcpy(asking->state, state, sizeof(asking->state) - 1);
	snprintf(result->driver, sizeof(result->driver), "%s (%d): %s",
	    asking->state, (int)native, (const char *)text);
}

static void
set(struct sql_result *result, enum tool_status status, const char *why)
{
	result->status = status;
	snprintf(result->why, sizeof(result->why), "%s", why);
}

/*
 * What SQLSTATE means for a caller (ISO 9075-2 24.1, PostgreSQL appendix A,
 * ODBC appendix A): classes 08 and 57P are a server that is gone, 53 one that
 * has too much to do, 57014, HYT00 and 70100 a query that took too long, 22
 * a value that does not fit.
 */
static void
set_failure(struct asking *asking, const char *doing)
{
	static const struct {
		const char *state;
		enum tool_status status;
		const char *why;
	} rows[] = {
	    {"08", TOOL_STATUS_UNREACHABLE, connection_failed},
	    {"57P", TOOL_STATUS_UNREACHABLE, "the server shuts down"},
	    {"IM", TOOL_STATUS_UNREACHABLE, "no such driver or data source"},
	    {"28", TOOL_STATUS_UNREACHABLE, "user or password is wrong"},
	    {"53", TOOL_STATUS_BUSY, "the server has too much to do"},
	    {"40", TOOL_STATUS_BUSY, "the server withdrew the query"},
	    {"57014", TOOL_STATUS_TIMEOUT, "the query took too long"},
	    {"70100", TOOL_STATUS_TIMEOUT, "the query took too long"},
	    {"HYT", TOOL_STATUS_TIMEOUT, "the query took too long"},
	    {"HY008", TOOL_STATUS_TIMEOUT, "the query was cancelled"},
	    {"22", TOOL_STATUS_INVALID_ARGUMENTS,
		"the database cannot take a value of the arguments"},
	};

	set(asking->result, TOOL_STATUS_HTTP_ERROR, doing);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (has_state(asking, rows[i].state)) {
			set(asking->result, rows[i].status, rows[i].why);
			return;
		}
	}
}

/* -- connections ------------------------------------------------------------------ */

static void
connection_close(struct sql_session *session, struct connection *connection)
{
	if (connection->handle != NULL) {
		session->odbc->SQLDisconnect(connection->handle);
		session->odbc->SQLFreeHandle(
		    SQL_HANDLE_DBC, connection->handle);
	}
	explicit_bzero(connection, sizeof(*connection));
}

bool
sql_session_tidy(struct sql_session *session)
{
	uint64_t now_ms = clock_now_ms();
	bool left = false;

	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *connection = &session->connections[i];

		if (connection->handle != NULL &&
		    now_ms - connection->used_ms > SQL_SESSION_IDLE_MS)
			connection_close(session, connection);
		left |= connection->handle != NULL;
	}
	return left;
}

/* A free place; if there is none, of that which was used longest ago. */
static struct connection *
make_place(struct sql_session *session)
{
	struct connection *oldest = &session->connections[0];

	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *connection = &session->connections[i];

		if (connection->handle == NULL)
			return connection;
		if (connection->used_ms < oldest->used_ms)
			oldest = connection;
	}
	connection_close(session, oldest);
	return oldest;
}

/* A command without values or rows. */
static bool
say(struct asking *asking, const char *text)
{
	const struct odbc *odbc = asking->session->odbc;
	SQLHSTMT statement = NULL;
	SQLRETURN ret;

	if (!good(odbc->SQLAllocHandle(
		SQL_HANDLE_STMT, asking->connection->handle, &statement)))
		return false;
	ret = odbc->SQLExecDirect(statement, sql_text(text), SQL_NTS);
	if (!good(ret) && ret != SQL_NO_DATA)
		read_error(asking, SQL_HANDLE_STMT, statement);
	odbc->SQLFreeHandle(SQL_HANDLE_STMT, statement);
	return good(ret) || ret == SQL_NO_DATA;
}

/* Whether the server says that it will not write. */
static bool
is_read_only(struct asking *asking)
{
	const struct server *server = asking->connection->server;
	const struct odbc *odbc = asking->session->odbc;
	SQLHSTMT statement = NULL;
	char answer[16] = "";
	SQLLEN len = 0;

	if (!good(odbc->SQLAllocHandle(
		SQL_HANDLE_STMT, asking->connection->handle, &statement)))
		return false;
	if (!good(odbc->SQLExecDirect(
		statement, sql_text(server->question), SQL_NTS)) ||
	    !good(odbc->SQLFetch(statement)) ||
	    !good(odbc->SQLGetData(
		statement, 1, SQL_C_CHAR, answer, sizeof(answer), &len)))
		answer[0] = '\0';
	odbc->SQLFreeHandle(SQL_HANDLE_STMT, statement);
	return strcmp(answer, server->answer) == 0;
}

static const struct server *
find_server(struct asking *asking)
{
	SQLCHAR name[64] = "";
	SQLSMALLINT len = 0;

	asking->session->odbc->SQLGetInfo(asking->connection->handle,
	    SQL_DBMS_NAME, name, sizeof(name), &len);
	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
		if (strcmp((const char *)name, servers[i].name) == 0)
			return &servers[i];
	}
	snprintf(asking->result->driver, sizeof(asking->result->driver),
	    "it calls itself \"%s\"", (const char *)name);
	return NULL;
}

/* After connecting: nothing may be asked before this is done. */
static bool
make_read_only(struct asking *asking)
{
	struct connection *connection = asking->connection;

	connection->server = find_server(asking);
	if (connection->server == NULL) {
		set(asking->result, TOOL_STATUS_INTERNAL,
		    "not a SQLite, PostgreSQL or MariaDB: not known how to "
		    "make it read-only");
		return false;
	}
	for (size_t i = 0;
	     i < COMMANDS_MAX && connection->server->commands[i] != NULL; i++) {
		if (!say(asking, connection->server->commands[i])) {
			set_failure(asking, "the server cannot be prepared");
			return false;
		}
	}
	if (is_read_only(asking))
		return true;
	set(asking->result, TOOL_STATUS_INTERNAL,
	    "the server does not say that it is read-only");
	return false;
}

static bool
open_connection(struct asking *asking)
{
	const struct odbc *odbc = asking->session->odbc;
	struct connection *connection = asking->connection;
	unsigned int login_s = asking->query->timeout_ms / 1000 + 1;
	char text[sizeof(options) + SQL_DSN_MAX];
	SQLSMALLINT len = 0;
	SQLRETURN ret;

	if (!good(odbc->SQLAllocHandle(SQL_HANDLE_DBC,
		asking->session->environment, &connection->handle))) {
		connection->handle = NULL;
		set(asking->result, TOOL_STATUS_INTERNAL, "no memory");
		return false;
	}
	if (login_s > LOGIN_MAX_S)
		login_s = LOGIN_MAX_S;
	odbc->SQLSetConnectAttr(connection->handle, SQL_ATTR_LOGIN_TIMEOUT,
	    sql_number(login_s), SQL_IS_UINTEGER);
	odbc->SQLSetConnectAttr(connection->handle, SQL_ATTR_ACCESS_MODE,
	    sql_number(SQL_MODE_READ_ONLY), SQL_IS_UINTEGER);
	snprintf(text, sizeof(text), "%s%s", options, asking->query->dsn);
	ret = odbc->SQLDriverConnect(connection->handle, NULL, sql_text(text),
	    SQL_NTS, NULL, 0, &len, SQL_DRIVER_NOPROMPT);
	explicit_bzero(text, sizeof(text));
	if (!good(ret)) {
		read_error(asking, SQL_HANDLE_DBC, connection->handle);
		set_failure(asking, "no connection");
		/* Whatever the reason: nobody can be asked there. */
		if (asking->result->status == TOOL_STATUS_HTTP_ERROR)
			asking->result->status = TOOL_STATUS_UNREACHABLE;
		odbc->SQLFreeHandle(SQL_HANDLE_DBC, connection->handle);
		connection->handle = NULL;
		return false;
	}
	memcpy(connection->dsn, asking->query->dsn, sizeof(connection->dsn));
	return make_read_only(asking);
}

/* A connection that is there, or a new one. */
static bool
get_connection(struct asking *asking)
{
	struct sql_session *session = asking->session;

	sql_session_tidy(session);
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *connection = &session->connections[i];

		if (connection->handle == NULL ||
		    strcmp(connection->dsn, asking->query->dsn) != 0)
			continue;
		asking->connection = connection;
		asking->result->was_kept = true;
		return true;
	}
	asking->connection = make_place(session);
	asking->result->was_kept = false;
	return open_connection(asking);
}

/* -- the query ------------------------------------------------------------------- */

/* False: it was cancelled before it began. */
static bool
publish(struct sql_session *session, SQLHSTMT statement)
{
	bool may_go_on;

	pthread_mutex_lock(&session->lock);
	may_go_on = !session->was_cancelled;
	session->statement = may_go_on ? statement : NULL;
	pthread_mutex_unlock(&session->lock);
	return may_go_on;
}

/*
 * A call that may take long, SQLExecute or SQLFetch. Only within it can the
 * query be cancelled: between two calls a driver may take SQLCancel() for an
 * order to close the statement (ODBC 2), while we use it.
 */
static SQLRETURN
call(struct asking *asking, SQLRETURN SQL_API (*fn)(SQLHSTMT statement))
{
	SQLRETURN ret;

	if (!publish(asking->session, asking->statement))
		return SQL_ERROR;
	ret = fn(asking->statement);
	publish(asking->session, NULL);
	return ret;
}

/* The server stops by itself too, should our cancelling not reach it. */
static bool
set_limit(struct asking *asking)
{
	struct connection *connection = asking->connection;
	unsigned int limit_ms = asking->query->timeout_ms + MARGIN_MS;
	const char *format = connection->server->limit;
	char text[80];

	if (format == NULL || connection->limit_ms == limit_ms)
		return true;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, sizeof(text), format, limit_ms / 1000, limit_ms % 1000);
#pragma GCC diagnostic pop
	if (!say(asking, text))
		return false;
	connection->limit_ms = limit_ms;
	return true;
}

static SQLRETURN
bind_value(struct asking *asking, SQLUSMALLINT number)
{
	const struct sql_value *value = &asking->query->values[number - 1];
	SQLLEN *len = &asking->lengths[number - 1];
	SQLSMALLINT c_type = SQL_C_CHAR, type = SQL_VARCHAR;
	const void *data = value->text != NULL ? value->text : "";
	SQLULEN size = 1;

	*len = 0;
	switch (value->kind) {
	case SQL_KIND_NULL:
		*len = SQL_NULL_DATA;
		break;
	case SQL_KIND_TEXT:
		*len = (SQLLEN)strlen(data);
		size = *len > 0 ? (SQLULEN)*len : 1;
		break;
	case SQL_KIND_INTEGER:
		c_type = SQL_C_SBIGINT;
		type = SQL_BIGINT;
		data = &value->integer;
		break;
	case SQL_KIND_REAL:
		c_type = SQL_C_DOUBLE;
		type = SQL_DOUBLE;
		data = &value->real;
		break;
	case SQL_KIND_SWITCH:
		c_type = SQL_C_SBIGINT;
		type = SQL_INTEGER;
		data = &value->integer;
		break;
	}
	return asking->session->odbc->SQLBindParameter(asking->statement,
	    number, SQL_PARAM_INPUT, c_type, type, size, 0,
	    (SQLPOINTER)(uintptr_t)data, *len > 0 ? *len : 0, len);
}

static bool
execute(struct asking *asking)
{
	const struct odbc *odbc = asking->session->odbc;
	SQLULEN rows = asking->query->rows_max + SQL_SESSION_COUNT_MAX + 1;
	SQLRETURN ret;

	/* Some drivers hold all rows in memory; all of them know this. */
	odbc->SQLSetStmtAttr(asking->statement, SQL_ATTR_MAX_ROWS,
	    sql_number(rows), SQL_IS_UINTEGER);
	odbc->SQLSetStmtAttr(asking->statement, SQL_ATTR_QUERY_TIMEOUT,
	    sql_number(asking->query->timeout_ms / 1000 + 1), SQL_IS_UINTEGER);
	ret = odbc->SQLPrepare(
	    asking->statement, sql_text(asking->query->text), SQL_NTS);
	for (size_t i = 0; good(ret) && i < asking->query->value_count; i++)
		ret = bind_value(asking, (SQLUSMALLINT)(i + 1));
	if (good(ret))
		ret = call(asking, odbc->SQLExecute);
	if (good(ret) || ret == SQL_NO_DATA)
		return true;
	read_error(asking, SQL_HANDLE_STMT, asking->statement);
	set_failure(asking, "the query failed");
	return false;
}

static bool
describe(struct asking *asking)
{
	const struct odbc *odbc = asking->session->odbc;
	SQLSMALLINT len, type, digits, null;
	SQLULEN size;

	if (!good(
		odbc->SQLNumResultCols(asking->statement, &asking->columns)) ||
	    asking->columns < 1 || asking->columns > SQL_SESSION_COLUMNS_MAX) {
		set(asking->result, TOOL_STATUS_INTERNAL,
		    "the query has no columns, or too many");
		return false;
	}
	for (SQLSMALLINT i = 0; i < asking->columns; i++) {
		asking->names[i][0] = '\0';
		odbc->SQLDescribeCol(asking->statement, (SQLUSMALLINT)(i + 1),
		    (SQLCHAR *)asking->names[i], NAME_SIZE, &len, &type, &size,
		    &digits, &null);
		asking->names[i][NAME_SIZE - 1] = '\0';
	}
	return true;
}

/*
 * Reads a cell as text, cut if it is longer than what is said of it. The
 * first CELL_SIZE - 1 bytes of valid UTF-8 may end within a letter.
 */
static bool
read_cell(struct asking *asking, SQLUSMALLINT number, const char **value_out)
{
	char *cell = asking->cells[number - 1];
	SQLLEN len = 0;
	SQLRETURN ret = asking->session->odbc->SQLGetData(
	    asking->statement, number, SQL_C_CHAR, cell, CELL_SIZE, &len);
	size_t kept;

	*value_out = NULL;
	if (!good(ret)) {
		read_error(asking, SQL_HANDLE_STMT, asking->statement);
		set_failure(asking, "a value cannot be read");
		return false;
	}
	if (len == SQL_NULL_DATA)
		return true;
	cell[CELL_SIZE - 1] = '\0';
	kept = strlen(cell);
	for (size_t cut = 0; cut < 4 && kept == CELL_SIZE - 1 - cut; cut++) {
		if (utf8_count(cell, kept) >= 0)
			break;
		cell[--kept] = '\0';
	}
	if (utf8_count(cell, kept) < 0) {
		set(asking->result, TOOL_STATUS_MALFORMED,
		    "a value is not UTF-8");
		return false;
	}
	*value_out = cell;
	return true;
}

static bool
read_row(struct asking *asking)
{
	struct sql_column columns[SQL_SESSION_COLUMNS_MAX];
	const struct sql_row row = {
	    .columns = columns,
	    .count = (size_t)asking->columns,
	};

	for (SQLSMALLINT i = 0; i < asking->columns; i++) {
		columns[i].name = asking->names[i];
		if (!read_cell(
			asking, (SQLUSMALLINT)(i + 1), &columns[i].value))
			return false;
	}
	if (asking->query->on_row(&row, asking->query->arg) == 0)
		return true;
	set(asking->result, TOOL_STATUS_MALFORMED, "a row cannot be said");
	return false;
}

static bool
read_rows(struct asking *asking)
{
	const struct odbc *odbc = asking->session->odbc;
	struct sql_result *result = asking->result;
	unsigned int rows_max = asking->query->rows_max;
	SQLRETURN ret;

	if (!describe(asking))
		return false;
	while (good(ret = call(asking, odbc->SQLFetch))) {
		if (result->rows == rows_max + SQL_SESSION_COUNT_MAX) {
			result->gave_up = true;
			break;
		}
		if (++result->rows <= rows_max && !read_row(asking))
			return false;
	}
	if (good(ret) || ret == SQL_NO_DATA) {
		set(result, TOOL_STATUS_OK, "");
		return true;
	}
	read_error(asking, SQL_HANDLE_STMT, asking->statement);
	set_failure(asking, "the rows cannot be read");
	return false;
}

/* Some say HY000, "general error", when a server is gone. */
static bool
is_dead(struct asking *asking)
{
	SQLUINTEGER dead = SQL_CD_FALSE;

	if (asking->result->status != TOOL_STATUS_HTTP_ERROR)
		return false;
	asking->session->odbc->SQLGetConnectAttr(asking->connection->handle,
	    SQL_ATTR_CONNECTION_DEAD, &dead, SQL_IS_UINTEGER, NULL);
	return dead == SQL_CD_TRUE;
}

/* On a connection that is there. */
static bool
ask(struct asking *asking)
{
	const struct odbc *odbc = asking->session->odbc;
	bool done;

	if (!set_limit(asking)) {
		set_failure(asking, "the time limit cannot be set");
		return false;
	}
	if (!good(odbc->SQLAllocHandle(SQL_HANDLE_STMT,
		asking->connection->handle, &asking->statement))) {
		read_error(asking, SQL_HANDLE_DBC, asking->connection->handle);
		set_failure(asking, "no statement");
		return false;
	}
	done = execute(asking) && read_rows(asking);
	odbc->SQLFreeHandle(SQL_HANDLE_STMT, asking->statement);
	if (!done && is_dead(asking))
		set(asking->result, TOOL_STATUS_UNREACHABLE, connection_failed);
	return done;
}

static bool
was_cancelled(struct sql_session *session)
{
	bool cancelled;

	pthread_mutex_lock(&session->lock);
	cancelled = session->was_cancelled;
	pthread_mutex_unlock(&session->lock);
	return cancelled;
}

/* A kept connection may have died since; a new one has not. */
static bool
is_worth_another(const struct asking *asking)
{
	const struct sql_result *result = asking->result;

	return result->was_kept && result->rows == 0 &&
	       result->status == TOOL_STATUS_UNREACHABLE &&
	       !was_cancelled(asking->session);
}

static int
load(struct sql_session *session, struct sql_result *result)
{
	const struct odbc *odbc;
	int ret;

	if (session->odbc != NULL)
		return 0;
	ret = odbc_load(&odbc, result->why, sizeof(result->why));
	if (ret < 0) {
		result->status = TOOL_STATUS_UNREACHABLE;
		return ret;
	}
	if (!good(odbc->SQLAllocHandle(
		SQL_HANDLE_ENV, SQL_NULL_HANDLE, &session->environment)) ||
	    !good(odbc->SQLSetEnvAttr(session->environment,
		SQL_ATTR_ODBC_VERSION, sql_number(SQL_OV_ODBC3), 0))) {
		set(result, TOOL_STATUS_INTERNAL, "no memory");
		return -ENOMEM;
	}
	session->odbc = odbc;
	return 0;
}

void
sql_session_rearm(struct sql_session *session)
{
	pthread_mutex_lock(&session->lock);
	session->was_cancelled = false;
	pthread_mutex_unlock(&session->lock);
}

void
sql_session_ask(struct sql_session *session, const struct sql_query *query,
    struct sql_result *result_out)
{
	struct asking *asking = calloc(1, sizeof(*asking));
	bool done = false;

	*result_out = (struct sql_result){.status = TOOL_STATUS_INTERNAL};
	if (asking == NULL || load(session, result_out) < 0) {
		free(asking);
		return;
	}
	asking->session = session;
	asking->query = query;
	asking->result = result_out;
	for (int attempt = 0; attempt < 2 && !done; attempt++) {
		done = get_connection(asking) && ask(asking);
		if (done && !was_cancelled(session)) {
			asking->connection->used_ms = clock_now_ms();
			break;
		}
		/* What went wrong there is not carried to the next query. */
		connection_close(session, asking->connection);
		if (!is_worth_another(asking))
			break;
		result_out->driver[0] = '\0';
	}
	explicit_bzero(asking, sizeof(*asking));
	free(asking);
}

void
sql_session_cancel(struct sql_session *session)
{
	pthread_mutex_lock(&session->lock);
	session->was_cancelled = true;
	if (session->statement != NULL)
		session->odbc->SQLCancel(session->statement);
	pthread_mutex_unlock(&session->lock);
}

/* -- life -------------------------------------------------------------------------- */

int
sql_session_new(struct sql_session **session_out)
{
	struct sql_session *session = calloc(1, sizeof(*session));

	if (session == NULL)
		return -ENOMEM;
	if (pthread_mutex_init(&session->lock, NULL) != 0) {
		free(session);
		return -ENOMEM;
	}
	*session_out = session;
	return 0;
}

void
sql_session_free(struct sql_session **session_ptr)
{
	struct sql_session *session = *session_ptr;

	if (session == NULL)
		return;
	*session_ptr = NULL;
	if (session->odbc != NULL) {
		for (size_t i = 0; i < CONNECTIONS_MAX; i++)
			connection_close(session, &session->connections[i]);
		session->odbc->SQLFreeHandle(
		    SQL_HANDLE_ENV, session->environment);
	}
	pthread_mutex_destroy(&session->lock);
	free(session);
}
