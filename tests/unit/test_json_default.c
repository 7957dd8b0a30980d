/* SPDX-License-Identifier: MIT */
/* test_json_default.c – defaults are found, checked and filled in. */
#include "common/json_default.h"

#include "common/json_schema.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const char schema_text[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"a\":{\"type\":\"integer\",\"default\":60},"
    "\"b\":{\"type\":\"string\"},"
    "\"c\":{\"type\":\"object\",\"properties\":{"
    "\"d\":{\"type\":\"boolean\",\"default\":false}}},"
    "\"e\":{\"type\":\"object\",\"default\":{},\"properties\":{"
    "\"f\":{\"default\":[1]}}},"
    "\"g\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
    "\"properties\":{\"h\":{\"default\":null}}}}}}";

static void
what_is_left_out_is_filled_in_and_what_is_said_stays(void **state)
{
	static const struct {
		const char *value, *filled;
	} rows[] = {
	    {"{}", "{\"a\":60,\"e\":{\"f\":[1]}}"},
	    {"{\"a\":1,\"e\":{\"f\":2}}", "{\"a\":1,\"e\":{\"f\":2}}"},
	    {"{\"a\":1,\"e\":{},\"c\":{}}",
		"{\"a\":1,\"e\":{\"f\":[1]},\"c\":{\"d\":false}}"},
	    {"{\"a\":1,\"e\":{\"f\":0},\"c\":{\"d\":true,\"x\":1}}",
		"{\"a\":1,\"e\":{\"f\":0},\"c\":{\"d\":true,\"x\":1}}"},
	    {"{\"a\":1,\"e\":{\"f\":0},\"g\":[{},{\"h\":1}]}",
		"{\"a\":1,\"e\":{\"f\":0},\"g\":[{\"h\":null},{\"h\":1}]}"},
	};
	cJSON *schema = cJSON_Parse(schema_text);

	(void)state;
	assert_non_null(schema);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cJSON *value = cJSON_Parse(rows[i].value);
		cJSON *wanted = cJSON_Parse(rows[i].filled);

		assert_int_equal(json_default_fill(value, schema), 0);
		assert_true(cJSON_Compare(value, wanted, true));
		/* Once more changes nothing. */
		assert_int_equal(json_default_fill(value, schema), 0);
		assert_true(cJSON_Compare(value, wanted, true));
		cJSON_Delete(value);
		cJSON_Delete(wanted);
	}
	cJSON_Delete(schema);
}

static void
a_default_must_fit_its_own_schema(void **state)
{
	static const struct {
		const char *text;
		int ret;
	} rows[] = {
	    {schema_text, 0},
	    {"{\"properties\":{\"a\":{\"type\":\"integer\",\"default\":\"x\"}}}",
		-EINVAL},
	    {"{\"properties\":{\"a\":{\"maximum\":90,\"default\":91}}}",
		-EINVAL},
	    {"{\"properties\":{\"a\":{\"properties\":{\"b\":{\"enum\":[1,2],"
	     "\"default\":3}}}}}",
		-EINVAL},
	    {"{\"properties\":{\"a\":{\"items\":{\"properties\":{\"b\":"
	     "{\"minLength\":2,\"default\":\"x\"}}}}}}",
		-EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char why[JSON_SCHEMA_WHY_SIZE] = "";
		cJSON *schema = cJSON_Parse(rows[i].text);

		assert_non_null(schema);
		assert_int_equal(
		    json_schema_check(schema, why, sizeof(why)), 0);
		assert_int_equal(
		    json_default_check(schema, why, sizeof(why)), rows[i].ret);
		assert_int_equal(why[0] != '\0', rows[i].ret != 0);
		cJSON_Delete(schema);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		what_is_left_out_is_filled_in_and_what_is_said_stays),
	    cmocka_unit_test(a_default_must_fit_its_own_schema),
	};

	return cmocka_run_group_tests_name("json_default", tests, NULL, NULL);
}
