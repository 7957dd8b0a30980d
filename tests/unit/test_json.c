/* SPDX-License-Identifier: MIT */
/* test_json.c – bounded parsing and getters that never fail. */
#include "common/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static cJSON *
parse(const char *text)
{
	return json_parse(text, strlen(text));
}

static void
assert_refused(const char *text, size_t len)
{
	cJSON *value = json_parse(text, len);

	if (value != NULL)
		fail_msg("accepted %.40s", text);
}

static void
parses_one_value_with_white_space_around(void **state)
{
	cJSON *value = parse(" \t\r\n{\"a\":1} \n");

	(void)state;
	assert_non_null(value);
	assert_int_equal(json_int(value, "a", 0), 1);
	cJSON_Delete(value);
}

static void
refuses_what_is_not_exactly_one_value(void **state)
{
	static const char *const bad[] = {"", " ", "{", "{}}", "{} {}", "[1,]",
	    "{\"a\":}", "nul", "{\"a\":1}x", "'a'", "\"a", "\"a\\"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(bad[i], strlen(bad[i]));
	assert_refused("{\"a\":1}\0", 8);
	assert_refused("\"a\0b\"", 5);
}

static void
reads_no_byte_behind_len(void **state)
{
	/* Not NUL-terminated, so that the address sanitizer can object. */
	char *text = malloc(7);
	cJSON *value;

	(void)state;
	assert_non_null(text);
	memcpy(text, "[12,34]", 7);
	value = json_parse(text, 7);
	assert_non_null(value);
	cJSON_Delete(value);
	for (size_t len = 1; len < 7; len++)
		assert_refused(text, len);
	free(text);
}

static void
bounds_nesting(void **state)
{
	char text[2 * JSON_DEPTH_MAX + 3];
	cJSON *value;

	(void)state;
	memset(text, '[', JSON_DEPTH_MAX);
	memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	value = json_parse(text, (size_t)2 * JSON_DEPTH_MAX);
	assert_non_null(value);
	cJSON_Delete(value);
	memset(text, '[', JSON_DEPTH_MAX + 1);
	memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
	assert_refused(text, (size_t)2 * JSON_DEPTH_MAX + 2);
}

static void
brackets_in_strings_do_not_nest(void **state)
{
	char text[1024] = "\"\\\"";
	cJSON *value;

	(void)state;
	memset(text + 3, '[', 500);
	strcpy(text + 503, "\"");
	value = parse(text);
	assert_non_null(value);
	assert_int_equal(strlen(value->valuestring), 501);
	cJSON_Delete(value);
}

static void
absent_null_and_foreign_members_give_the_default(void **state)
{
	cJSON *value =
	    parse("{\"s\":5,\"n\":\"5\",\"b\":null,\"o\":[],\"a\":{},"
		  "\"big\":1e999}");

	(void)state;
	assert_non_null(value);
	assert_string_equal(json_string(value, "s"), "");
	assert_string_equal(json_string(value, "missing"), "");
	assert_string_equal(json_string(NULL, "s"), "");
	assert_true(json_number(value, "n", 7.5) == 7.5);
	assert_true(json_number(value, "big", 7.5) == 7.5);
	assert_int_equal(json_int(value, "n", -3), -3);
	assert_true(json_bool(value, "b", true));
	assert_null(json_object(value, "o"));
	assert_null(json_array(value, "a"));
	assert_non_null(json_array(value, "o"));
	assert_non_null(json_object(value, "a"));
	cJSON_Delete(value);
	value = parse("[1]");
	assert_string_equal(json_string(value, "s"), "");
	cJSON_Delete(value);
}

static void
member_names_are_case_sensitive(void **state)
{
	cJSON *value = parse("{\"Type\":\"a\",\"type\":\"b\"}");

	(void)state;
	assert_string_equal(json_string(value, "type"), "b");
	cJSON_Delete(value);
}

static void
integers_are_clamped_and_cut(void **state)
{
	cJSON *value = parse("{\"a\":1e300,\"b\":-1e300,\"c\":2.9,\"d\":-2.9,"
			     "\"e\":9223372036854775807}");

	(void)state;
	assert_true(json_int(value, "a", 0) == INT64_MAX);
	assert_true(json_int(value, "b", 0) == INT64_MIN);
	assert_true(json_int(value, "c", 0) == 2);
	assert_true(json_int(value, "d", 0) == -2);
	assert_true(json_int(value, "e", 0) == INT64_MAX);
	cJSON_Delete(value);
}

static void
walks_a_path(void **state)
{
	cJSON *value = parse("{\"error\":{\"code\":\"x\",\"deep\":{\"n\":1}}}");

	(void)state;
	assert_string_equal(
	    json_at(value, "error", "code", NULL)->valuestring, "x");
	assert_int_equal(
	    json_int(json_at(value, "error", "deep", NULL), "n", 0), 1);
	assert_null(json_at(value, "error", "code", "further", NULL));
	assert_null(json_at(value, "missing", "code", NULL));
	assert_ptr_equal(json_at(value, NULL), value);
	assert_null(json_at(NULL, "a", NULL));
	cJSON_Delete(value);
}

static void
adds_members(void **state)
{
	cJSON *object = cJSON_CreateObject();
	char *text;

	(void)state;
	json_add_string(object, "s", "ñ\"");
	json_add_int(object, "i", -5);
	json_add_bool(object, "b", true);
	json_add(object, "o", cJSON_CreateObject());
	json_add(object, "nothing", NULL);
	text = cJSON_PrintUnformatted(object);
	assert_string_equal(
	    text, "{\"s\":\"ñ\\\"\",\"i\":-5,\"b\":true,\"o\":{}}");
	free(text);
	cJSON_Delete(object);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(parses_one_value_with_white_space_around),
	    cmocka_unit_test(refuses_what_is_not_exactly_one_value),
	    cmocka_unit_test(reads_no_byte_behind_len),
	    cmocka_unit_test(bounds_nesting),
	    cmocka_unit_test(brackets_in_strings_do_not_nest),
	    cmocka_unit_test(absent_null_and_foreign_members_give_the_default),
	    cmocka_unit_test(member_names_are_case_sensitive),
	    cmocka_unit_test(integers_are_clamped_and_cut),
	    cmocka_unit_test(walks_a_path),
	    cmocka_unit_test(adds_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
