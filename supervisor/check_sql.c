/* SPDX-License-Identifier: MIT */
/*
 * check_sql.c – looks for the secrets of connection strings, and into
 * unixODBC's own files, as `odbcinst -j` names them: a section of odbcinst.ini
 * is a driver, one of odbc.ini a data source.
 */
#include "supervisor/check_sql.h"

#include "common/json.h"
#include "common/report.h"
#include "common/secret_source.h"
#include "common/sql_dsn.h"
#include "common/sql_tool.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
	VALUE_SIZE = 256,
	LINE_SIZE = 512,
};

/* One tool's database. */
struct subject {
	const char *tool;
	bool good;
};

/* One tool's secrets. */
struct search {
	const char *tool;
	struct secret_sources *sources;
	struct config_problems *problems;
};

static void
on_problem(const char *text, void *arg)
{
	(void)text; /* tool_file_parse() has refused such a file */
	(void)arg;
}

/* Whether the file PATH has a section [NAME]. */
static bool
has_section(const char *path, const char *name)
{
	char line[LINE_SIZE];
	bool found = false;
	FILE *in = fopen(path, "re");

	if (in == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), in) != NULL) {
		char *start = line + strspn(line, " \t");
		size_t len = strcspn(start, "]\n");

		found = start[0] == '[' && start[len] == ']' &&
			strlen(name) == len - 1 &&
			strncasecmp(start + 1, name, len - 1) == 0;
	}
	fclose(in);
	return found;
}

static bool
is_in_system_file(const char *file, const char *name)
{
	const char *folder = getenv("ODBCSYSINI");
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s",
	    folder != NULL && *folder != '\0' ? folder : "/etc", file);
	return has_section(path, name);
}

static void
check_driver(struct subject *subject, const char *dsn)
{
	char driver[VALUE_SIZE];
	bool there;

	if (!sql_dsn_value(dsn, "Driver", driver, sizeof(driver)))
		return;
	there = driver[0] == '/' ? access(driver, R_OK) == 0
				 : is_in_system_file("odbcinst.ini", driver);
	if (there)
		return;
	subject->good = false;
	report_line(REPORT_WARNING,
	    "database of %s: the ODBC driver \"%s\" is not installed; "
	    "`odbcinst -q -d` lists those that are (Debian: libsqliteodbc, "
	    "odbc-postgresql, odbc-mariadb)",
	    subject->tool, driver);
}

static void
check_source(struct subject *subject, const char *dsn)
{
	const char *user_file = getenv("ODBCINI");
	char name[VALUE_SIZE];

	if (!sql_dsn_value(dsn, "DSN", name, sizeof(name)) ||
	    is_in_system_file("odbc.ini", name) ||
	    (user_file != NULL && has_section(user_file, name)))
		return;
	subject->good = false;
	report_line(REPORT_WARNING,
	    "database of %s: there is no data source \"%s\" in odbc.ini",
	    subject->tool, name);
}

/* SQLite would say so only when somebody calls. */
static void
check_file(struct subject *subject, const char *dsn)
{
	char driver[VALUE_SIZE], path[PATH_MAX];

	if (!sql_dsn_value(dsn, "Driver", driver, sizeof(driver)) ||
	    strncasecmp(driver, "SQLite", 6) != 0 ||
	    !sql_dsn_value(dsn, "Database", path, sizeof(path)) ||
	    access(path, R_OK) == 0)
		return;
	subject->good = false;
	report_line(REPORT_WARNING,
	    "database of %s: the file %s is not there, or may not be read",
	    subject->tool, path);
}

/* The connection string of TOOL; NULL, and in WHY what is wrong with it. */
static const char *
find_string(const struct tool *tool, const struct config *config, char *buf,
    size_t size, char *why)
{
	struct sql_tool sql;
	const char *dsn;

	why[0] = '\0';
	if (sql_tool_read(
		&sql, tool->settings, tool->parameters, on_problem, NULL) < 0)
		return NULL;
	dsn = sql_dsn_resolve(sql.dsn, config, buf, size);
	return sql_dsn_check(dsn, why, SQL_DSN_WHY_SIZE) < 0 ? NULL : dsn;
}

static bool
is_offered(const struct tool *tool)
{
	return tool->available && strcmp(tool->executor, "sql") == 0;
}

static void
warn(const struct search *search, const char *why)
{
	config_problem(search->problems, false,
	    "tool \"%s\": %s; until then it fails as \"unreachable\"",
	    search->tool, why);
}

static void
look(const char *name, void *arg)
{
	const struct search *search = arg;
	char why[SECRET_SOURCE_WHY_SIZE];

	if (secret_sources_look(search->sources, name, why, sizeof(why)) < 0)
		warn(search, why);
}

void
check_sql_strings(const struct tools *tools, const struct config *config,
    struct secret_sources *sources, struct config_problems *problems)
{
	char buf[SQL_DSN_MAX + 1], why[SQL_DSN_WHY_SIZE];

	for (size_t i = 0; i < tools_count(tools); i++) {
		const struct tool *tool = tools_at(tools, i);
		struct search search = {tool->name, sources, problems};
		const char *dsn;

		if (!is_offered(tool))
			continue;
		dsn = find_string(tool, config, buf, sizeof(buf), why);
		if (dsn != NULL)
			sql_dsn_each_secret(dsn, look, &search);
		else if (why[0] != '\0')
			warn(&search, why);
	}
}

static void
check_tool(struct subject *subject, const struct tool *tool,
    const struct config *config)
{
	char buf[SQL_DSN_MAX + 1], why[SQL_DSN_WHY_SIZE];
	const char *dsn = find_string(tool, config, buf, sizeof(buf), why);

	if (dsn == NULL)
		return; /* check_sql_strings() says it */
	check_driver(subject, dsn);
	check_source(subject, dsn);
	check_file(subject, dsn);
	if (subject->good)
		report_line(REPORT_OK,
		    "database of %s: its driver or data source is installed",
		    subject->tool);
}

void
check_sql(const struct tools *tools, const struct config *config)
{
	for (size_t i = 0; i < tools_count(tools); i++) {
		const struct tool *tool = tools_at(tools, i);
		struct subject subject = {
		    .tool = tool->name,
		    .good = true,
		};

		if (is_offered(tool))
			check_tool(&subject, tool, config);
	}
}
