/* SPDX-License-Identifier: MIT */
/* test_sql_dsn.c – connection strings and the secrets in them. */
#include "common/sql_dsn.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *secret_value;

static const char *
find_secret(const char *name, void *arg)
{
	(void)arg;
	return strcmp(name, "TOOL_DB") == 0 ? secret_value : NULL;
}

static void
good_strings_are_accepted(void **state)
{
	static const char *const good[] = {"Driver=SQLite3;Database=/x y.db",
	    "DSN=isp", "dsn=isp;UID=voz;PWD=${secret:TOOL_DB}",
	    "Driver={PostgreSQL Unicode};Server=10.0.0.5;", ";;DSN=a;;",
	    "Driver=x;Database={a;b=c}",
	    "Driver=x;A=", "${setting:COURSES_DSN}", "${setting:CUSTOMERS_DSN}",
	    "Driver = x ; A = b"};
	char why[SQL_DSN_WHY_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (sql_dsn_check(good[i], why, sizeof(why)) != 0)
			fail_msg("%s: %s", good[i], why);
	}
}

static void
bad_strings_are_refused_without_repeating_values(void **state)
{
	static const char *const bad[] = {"", "isp", "Driver", "=x;DSN=a",
	    "Database=x", "DSN=a;PWD=geheim", "DSN=a;Password={geheim}",
	    "DSN=a;pwd=${secret:TOOL_DB}geheim", "DSN=a;X=${argument:geheim}",
	    "DSN=a;PWD=${secret:OPENAI_API_KEY}", "DSN=a;PWD=${secret:TOOL_}",
	    "DSN=a;X={geheim", "DSN=a;X={a}geheim", "DSN=a\n;X=b",
	    "DSN=a;useServerSidePrepare=0", "DSN=a;PREPONCLIENT=1",
	    "DSN=a;OPTION=67108864", "DSN=a;LoadExt=/x.so", "DSN=a;charset=x",
	    "DSN=a;INITSTMT={DROP TABLE x}", "${setting:MIKROTIK_API_URL}",
	    "${setting:COURSES_DSN};UID=a", "DSN=${setting:COURSES_DSN}"};
	char why[SQL_DSN_WHY_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (sql_dsn_check(bad[i], why, sizeof(why)) != -EINVAL)
			fail_msg("accepted %s", bad[i]);
		assert_null(strstr(why, "geheim"));
	}
}

static int
render(char *buf, const char *dsn, const char *value)
{
	char why[SQL_DSN_WHY_SIZE];
	int ret;

	secret_value = value;
	ret = sql_dsn_render(buf, dsn, find_secret, NULL, why, sizeof(why));
	if (value != NULL && *value != '\0' && ret < 0)
		assert_null(strstr(why, value));
	return ret;
}

static void
secrets_are_put_in_so_that_they_stay_one_value(void **state)
{
	char buf[SQL_DSN_MAX + 1], value[64];

	(void)state;
	assert_int_equal(
	    render(buf, "DSN=a;PWD=${secret:TOOL_DB};X=1", "abc"), 0);
	assert_string_equal(buf, "DSN=a;PWD=abc;X=1;");
	assert_int_equal(
	    render(buf, "DSN=a;PWD=${secret:TOOL_DB};X=1", "a;UID=root"), 0);
	assert_string_equal(buf, "DSN=a;PWD={a;UID=root};X=1;");
	assert_true(sql_dsn_value(buf, "pwd", value, sizeof(value)));
	assert_string_equal(value, "a;UID=root");
	assert_true(sql_dsn_value(buf, "X", value, sizeof(value)));
	assert_string_equal(value, "1");
	assert_false(sql_dsn_value(buf, "UID", value, sizeof(value)));
	assert_int_equal(
	    render(buf, "DSN=a;PWD=${secret:TOOL_DB}", "a};UID=root"), -EINVAL);
	assert_int_equal(
	    render(buf, "DSN=a;PWD=${secret:TOOL_DB}", NULL), -ENOENT);
	assert_string_equal(buf, "");
}

static void
what_is_too_long_is_refused(void **state)
{
	char buf[SQL_DSN_MAX + 1], value[SQL_DSN_MAX + 1];

	(void)state;
	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	assert_int_equal(
	    render(buf, "DSN=a;PWD=${secret:TOOL_DB}", value), -EMSGSIZE);
	for (size_t i = 0; i < sizeof(buf); i++)
		assert_int_equal(buf[i], 0);
	value[SQL_DSN_MAX - strlen("DSN=a;PWD=;")] = '\0';
	assert_int_equal(render(buf, "DSN=a;PWD=${secret:TOOL_DB}", value), 0);
	assert_int_equal(strlen(buf), SQL_DSN_MAX);
}

static void
a_setting_stands_for_what_the_operator_wrote(void **state)
{
	struct config config = {0};
	char buf[SQL_DSN_MAX + 1];

	(void)state;
	assert_string_equal(
	    sql_dsn_resolve("DSN=a", &config, buf, sizeof(buf)), "DSN=a");
	assert_string_equal(sql_dsn_resolve("${setting:COURSES_DSN}", &config,
				buf, sizeof(buf)),
	    "");
	strcpy(config.courses_dsn, "DSN=b");
	assert_string_equal(sql_dsn_resolve("${setting:COURSES_DSN}", &config,
				buf, sizeof(buf)),
	    "DSN=b");
	assert_string_equal(sql_dsn_resolve("${setting:CUSTOMERS_DSN}", &config,
				buf, sizeof(buf)),
	    "");
	strcpy(config.courses_dsn, "example");
	assert_non_null(strstr(sql_dsn_resolve("${setting:COURSES_DSN}",
				   &config, buf, sizeof(buf)),
	    "Driver=SQLite3;Database=/"));
}

static void
count_secret(const char *name, void *arg)
{
	unsigned int *count = arg;

	assert_string_equal(name, "TOOL_DB");
	++*count;
}

static void
the_secrets_of_a_string_are_named(void **state)
{
	unsigned int count = 0;

	(void)state;
	sql_dsn_each_secret("DSN=a;UID=${secret:TOOL_DB};B=c;PWD=${secret:TOOL_"
			    "DB}",
	    count_secret, &count);
	assert_int_equal(count, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good_strings_are_accepted),
	    cmocka_unit_test(bad_strings_are_refused_without_repeating_values),
	    cmocka_unit_test(secrets_are_put_in_so_that_they_stay_one_value),
	    cmocka_unit_test(what_is_too_long_is_refused),
	    cmocka_unit_test(a_setting_stands_for_what_the_operator_wrote),
	    cmocka_unit_test(the_secrets_of_a_string_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
