/* SPDX-License-Identifier: MIT */
/*
 * odbc.h – unixODBC's driver manager, loaded when the first query comes.
 *
 * Not linked, because most toolworkers never run a query: on Debian 12
 * libodbc and what it needs cost a process 640 kB of resident memory, 160 kB
 * of them its own. Without the library everything but "sql" tools works.
 */
#ifndef TOOLWORKER_ODBC_H
#define TOOLWORKER_ODBC_H

#include <sql.h>
#include <sqlext.h>
#include <stddef.h>

/* The functions that are used, under their own names (ODBC 3.8). */
#define ODBC_TABLE(X)                                                          \
	X(SQLAllocHandle)                                                      \
	X(SQLBindParameter)                                                    \
	X(SQLCancel)                                                           \
	X(SQLColAttribute)                                                     \
	X(SQLDataSources)                                                      \
	X(SQLDescribeCol)                                                      \
	X(SQLDisconnect)                                                       \
	X(SQLDriverConnect)                                                    \
	X(SQLDrivers)                                                          \
	X(SQLExecDirect)                                                       \
	X(SQLExecute)                                                          \
	X(SQLFetch)                                                            \
	X(SQLFreeHandle)                                                       \
	X(SQLGetConnectAttr)                                                   \
	X(SQLGetData)                                                          \
	X(SQLGetDiagRec)                                                       \
	X(SQLGetInfo)                                                          \
	X(SQLNumResultCols)                                                    \
	X(SQLPrepare)                                                          \
	X(SQLSetConnectAttr)                                                   \
	X(SQLSetEnvAttr)                                                       \
	X(SQLSetStmtAttr)

struct odbc {
#define X(name) __typeof__(name) *name;
	ODBC_TABLE(X)
#undef X
};

/*
 * Loads the library once for the life of the process. -ENOENT: it is not
 * installed, or lacks something; WHY says what. Not to be called by two
 * threads at once.
 */
int odbc_load(const struct odbc **odbc_out, char *why, size_t size);

#endif
