/* SPDX-License-Identifier: MIT */
/* check_sql.h – what the databases of tools lack. */
#ifndef SUPERVISOR_CHECK_SQL_H
#define SUPERVISOR_CHECK_SQL_H

#include "common/config.h"
#include "common/secret_source.h"
#include "supervisor/tools.h"

/*
 * For each tool of type "sql" that is offered: a connection string that is
 * none, or names secrets that are not there, becomes a warning.
 */
void check_sql_strings(const struct tools *tools, const struct config *config,
    struct secret_sources *sources, struct config_problems *problems);

/*
 * For `telefonista --check`: reports whether the other things that these
 * strings name are there, the driver, the data source, the file of SQLite.
 * Opens no database, and loads no ODBC: the supervisor has no business with
 * either.
 */
void check_sql(const struct tools *tools, const struct config *config);

#endif
