/* SPDX-License-Identifier: MIT */
/* test_sql_tool.c – what a tool of type "sql" may declare, and what not. */
#include "common/sql_tool.h"

#include "common/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PARAMETERS                                                             \
	"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"},"    \
	"\"l\":{\"type\":\"array\"}}}"
/* The members that every tool needs, but for the query and its values. */
#define REST "\"dsn\":\"DSN=x\",\"answer\":\"{b}\",\"none\":\"n\""
#define TOOL(query, more)                                                      \
	"{\"type\":\"sql\"," REST ",\"query\":\"" query "\"" more "}"

static char problems[4096];

static void
on_problem(const char *text, void *arg)
{
	(void)arg;
	snprintf(problems + strlen(problems),
	    sizeof(problems) - strlen(problems), "%s\n", text);
}

static int
read_text(const char *text, struct sql_tool *tool_out, cJSON **json_out)
{
	cJSON *parameters = json_parse(PARAMETERS, strlen(PARAMETERS));
	int ret;

	problems[0] = '\0';
	*json_out = json_parse(text, strlen(text));
	assert_non_null(*json_out);
	ret = sql_tool_read(tool_out, *json_out, parameters, on_problem, NULL);
	cJSON_Delete(parameters);
	assert_int_equal(ret == 0, problems[0] == '\0');
	return ret;
}

static void
assert_refused(const char *text, const char *why)
{
	struct sql_tool tool;
	cJSON *json;

	if (read_text(text, &tool, &json) != -EINVAL)
		fail_msg("accepted %s", text);
	if (strstr(problems, why) == NULL)
		fail_msg("%s: \"%s\" lacks \"%s\"", text, problems, why);
	cJSON_Delete(json);
}

static void
a_tool_is_read_completely(void **state)
{
	static const char text[] = TOOL("SELECT b FROM t WHERE a = ? AND c = ?",
	    ",\"bind\":[\"${argument:a}\",\"${caller:number}\"],\"rows_max\":7,"
	    "\"timeout_s\":3,\"first\":\"{rows}\",\"more\":\"{more}\"");
	struct sql_tool tool;
	cJSON *json;

	(void)state;
	assert_int_equal(read_text(text, &tool, &json), 0);
	assert_string_equal(tool.dsn, "DSN=x");
	assert_int_equal(cJSON_GetArraySize(tool.bind), 2);
	assert_int_equal(tool.rows_max, 7);
	assert_int_equal(tool.timeout_s, 3);
	assert_string_equal(tool.none, "n");
	assert_true(tool.asks_caller);
	cJSON_Delete(json);
	assert_int_equal(read_text(TOOL("SELECT 1 AS b", ""), &tool, &json), 0);
	assert_null(tool.bind);
	assert_int_equal(tool.rows_max, SQL_TOOL_ROWS_DEFAULT);
	assert_int_equal(tool.timeout_s, SQL_TOOL_TIMEOUT_DEFAULT_S);
	assert_string_equal(tool.more, "");
	assert_false(tool.asks_caller);
	cJSON_Delete(json);
}

static void
queries_that_read_are_accepted(void **state)
{
	static const struct {
		const char *text;
		size_t values;
	} rows[] = {
	    {"SELECT 1", 0},
	    {" select a\n\tFROM b WHERE c = ? AND d=?", 2},
	    {"WITH x AS (SELECT ?) SELECT '?', \"?\", `?`, 'it''s ?' FROM x",
		1},
	    {"SELECT a FROM intocable WHERE b <> 'INTO'", 0},
	    {"SELECT año, \"ñ\" FROM t WHERE a - 1 = -?", 1},
	    {"SELECT a[1]::text, b % 2, c || 'x', d / 2 * 3 FROM t", 0},
	};
	char why[160];
	size_t values;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (sql_tool_check_query(
			rows[i].text, &values, why, sizeof(why)) != 0)
			fail_msg("%s: %s", rows[i].text, why);
		assert_int_equal(values, rows[i].values);
	}
}

static void
what_is_not_one_reading_statement_is_refused(void **state)
{
	static const struct {
		const char *text;
		const char *why;
	} rows[] = {
	    {"", "SELECT or WITH"},
	    {"?", "SELECT or WITH"},
	    {"(DELETE FROM x)", "SELECT or WITH"},
	    {"DELETE FROM x", "SELECT or WITH"},
	    {"SELECTED", "SELECT or WITH"},
	    {"SELECT 1;", "';'"},
	    {"SELECT 1; DROP TABLE x", "';'"},
	    {"SELECT 1 -- x", "comments"},
	    {"SELECT 1 --", "comments"},
	    {"SELECT /*! 1 */ 2", "comments"},
	    {"SELECT 1 # x", "comments"},
	    {"SELECT a INTO b FROM c", "INTO"},
	    {"SELECT a FROM b into outfile 'x'", "INTO"},
	    {"SELECT '\\' OR 1", "backslash"},
	    {"SELECT \"\\\"\"", "backslash"},
	    {"SELECT \\ 1", "character"},
	    {"SELECT 'a", "not closed"},
	    {"SELECT 'a''", "not closed"},
	    {"SELECT $$a$$", "character"},
	    {"SELECT $1", "character"},
	    {"SELECT {fn now()}", "character"},
	    {"SELECT '${argument:a}'", "bind"},
	    {"SELECT ${argument:a}", "bind"},
	    {"SELECT 1\x01", "character"},
	};
	char why[160];
	size_t values;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (sql_tool_check_query(
			rows[i].text, &values, why, sizeof(why)) != -EINVAL)
			fail_msg("accepted %s", rows[i].text);
		if (strstr(why, rows[i].why) == NULL)
			fail_msg("%s: %s", rows[i].text, why);
	}
}

static void
faults_are_named_with_their_place(void **state)
{
	(void)state;
	assert_refused("{}", "\"dsn\" must be a text");
	assert_refused("{}", "\"query\" must be a text");
	assert_refused("{}", "\"answer\" must be a text");
	assert_refused("{}", "\"none\" must be a text");
	assert_refused(TOOL("SELECT 1", ",\"colour\":1"), "\"colour\"");
	assert_refused(TOOL("SELECT 1", ",\"none\":\"m\""), "twice");
	assert_refused(TOOL("DROP TABLE x", ""), "\"query\": it must begin");
	assert_refused(TOOL("SELECT ?", ""), "1 '?' and \"bind\" 0");
	assert_refused(
	    TOOL("SELECT 1", ",\"bind\":[1]"), "0 '?' and \"bind\" 1");
	assert_refused(TOOL("SELECT 1", ",\"bind\":{}"), "must be a list");
	assert_refused(TOOL("SELECT ?", ",\"bind\":[null]"), "text or a");
	assert_refused(
	    TOOL("SELECT ?", ",\"bind\":[\"${argument:z}\"]"), "${argument:z}");
	assert_refused(
	    TOOL("SELECT ?", ",\"bind\":[\"${argument:l}\"]"), "${argument:l}");
	assert_refused(TOOL("SELECT ?", ",\"bind\":[\"%${argument:a}%\"]"),
	    "the whole text");
	assert_refused(TOOL("SELECT ?", ",\"bind\":[\"${secret:TOOL_X}\"]"),
	    "the whole text");
	assert_refused(TOOL("SELECT ?", ",\"bind\":[\"${caller:pin}\"]"),
	    "${caller:number} and ${caller:customer}");
	assert_refused(TOOL("SELECT 1", ",\"rows_max\":0"), "1 to 50");
	assert_refused(TOOL("SELECT 1", ",\"rows_max\":\"5\""), "\"rows_max\"");
	assert_refused(TOOL("SELECT 1", ",\"timeout_s\":301"), "1 to 300");
	assert_refused(TOOL("SELECT 1", ",\"first\":\"{\""), "\"first\": ");
	assert_refused(
	    TOOL("SELECT 1", ",\"more\":\"{more:number}\""), "\"words\"");
	assert_refused(TOOL("SELECT 1", ",\"words\":{\"x\":1}"), "\"words\": ");
	assert_refused("{\"dsn\":\"DSN=x;PWD=y\",\"query\":\"SELECT 1\","
		       "\"answer\":\"a\",\"none\":\"n\"}",
	    "\"dsn\": PWD must be a secret");
}

static void
too_many_values_are_refused(void **state)
{
	char text[2048] = "{" REST ",\"query\":\"SELECT ";
	size_t len;

	(void)state;
	for (int i = 0; i <= SQL_TOOL_VALUES_MAX; i++)
		strcat(text, i == 0 ? "?" : ",?");
	strcat(text, "\",\"bind\":[");
	for (int i = 0; i <= SQL_TOOL_VALUES_MAX; i++)
		strcat(text, i == 0 ? "1" : ",1");
	strcat(text, "]}");
	len = strlen(text);
	assert_in_range(len, 1, sizeof(text) - 1);
	assert_refused(text, "16 values");
}

static void
a_tool_needs_its_setting(void **state)
{
	struct config config = {0};
	struct sql_tool tool = {.dsn = "${setting:CUSTOMERS_DSN}"};

	(void)state;
	assert_false(sql_tool_is_configured(&tool, &config));
	strcpy(config.customers_dsn, "DSN=x");
	assert_true(sql_tool_is_configured(&tool, &config));
	tool.dsn = "DSN=y";
	assert_true(sql_tool_is_configured(&tool, &config));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_tool_is_read_completely),
	    cmocka_unit_test(queries_that_read_are_accepted),
	    cmocka_unit_test(what_is_not_one_reading_statement_is_refused),
	    cmocka_unit_test(faults_are_named_with_their_place),
	    cmocka_unit_test(too_many_values_are_refused),
	    cmocka_unit_test(a_tool_needs_its_setting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
