/* SPDX-License-Identifier: MIT */
/* check_sql.h – the part of `telefonista --check` about databases. */
#ifndef SUPERVISOR_CHECK_SQL_H
#define SUPERVISOR_CHECK_SQL_H

#include "common/config.h"
#include "supervisor/tools.h"

/*
 * Reports, for each tool of type "sql" that is offered, whether what its
 * connection string names is there: the driver, the data source, the secrets,
 * the file of SQLite. Opens no database, and loads no ODBC: the supervisor
 * has no business with either. CONFIG_FILE may be NULL.
 */
void check_sql(const struct tools *tools, const struct config *config,
    const char *config_file);

#endif
