/* SPDX-License-Identifier: MIT */
/*
 * sql_dsn.h – how a tool names its database: an ODBC connection string, with
 * the password by reference.
 *
 *   Driver=PostgreSQL Unicode;Server=10.0.0.5;Database=isp;UID=voz;
 *   PWD=${secret:TOOL_DB_PASSWORD}
 *
 * or DSN=name, of odbc.ini. "${setting:CUSTOMERS_DSN}" alone stands for the
 * string that the operator has set; there "example" is the SQLite database
 * that came with the program.
 */
#ifndef COMMON_SQL_DSN_H
#define COMMON_SQL_DSN_H

#include "common/config.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	SQL_DSN_MAX = 1023, /* bytes of a string with its secrets */
	SQL_DSN_WHY_SIZE = 192,
};

/*
 * Whether DSN, as a tool's file has it, is one. A password must be a secret,
 * and options that would let a driver put values into the query's text are
 * refused. -EINVAL with WHY, which repeats no value.
 */
int sql_dsn_check(const char *dsn, char *why, size_t size);

/*
 * What DSN stands for, "" when the setting that it names is not set. The text
 * is DSN's or CONFIG's, or lives in BUF.
 */
const char *sql_dsn_resolve(
    const char *dsn, const struct config *config, char *buf, size_t size);

/*
 * Puts the secrets into DSN, resolved and checked, in BUF of SQL_DSN_MAX + 1.
 * FIND_SECRET gives NULL for one that is not there. -ENOENT, -EMSGSIZE, or
 * -EINVAL: a secret holds what no connection string can; with WHY.
 */
int sql_dsn_render(char *buf, const char *dsn,
    const char *(*find_secret)(const char *name, void *arg), void *arg,
    char *why, size_t size);

/* The value of KEY in DSN, without braces; false: it is not there. */
bool sql_dsn_value(const char *dsn, const char *key, char *buf, size_t size);

/* Calls FN for each secret that DSN names. */
void sql_dsn_each_secret(
    const char *dsn, void (*fn)(const char *name, void *arg), void *arg);

#endif
