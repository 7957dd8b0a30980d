/* SPDX-License-Identifier: MIT */
/* test_json_schema.c – what a tool's arguments must look like. */
#include "common/json_schema.h"

#include "common/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The schema of consultar_mikrotik, as in etc/tools.d. */
#define MIKROTIK                                                                \
	"{\"type\":\"object\",\"properties\":{"                                 \
	"\"question\":{\"type\":\"string\",\"minLength\":3,\"maxLength\":500}," \
	"\"timeout\":{\"type\":\"integer\",\"minimum\":15,\"maximum\":90,"      \
	"\"default\":60}},"                                                     \
	"\"required\":[\"question\"],\"additionalProperties\":false}"

static cJSON *
parse(const char *text)
{
	cJSON *value = cJSON_Parse(text);

	if (value == NULL)
		fail_msg("the test's own JSON is wrong: %s", text);
	return value;
}

static void
expect(const char *schema_text, const char *value_text, const char *why_wanted)
{
	char why[JSON_SCHEMA_WHY_SIZE] = "";
	cJSON *schema = parse(schema_text);
	cJSON *value = parse(value_text);
	int ret;

	if (json_schema_check(schema, why, sizeof(why)) != 0)
		fail_msg("schema refused: %s", why);
	ret = json_schema_validate(schema, value, why, sizeof(why));
	if (why_wanted == NULL && ret != 0)
		fail_msg("%s refused: %s", value_text, why);
	if (why_wanted != NULL && ret == 0)
		fail_msg("%s accepted", value_text);
	if (why_wanted != NULL)
		assert_string_equal(why, why_wanted);
	cJSON_Delete(schema);
	cJSON_Delete(value);
}

static void
good_arguments_fit(void **state)
{
	(void)state;
	expect(MIKROTIK, "{\"question\":\"abc\"}", NULL);
	expect(
	    MIKROTIK, "{\"question\":\"¿está arriba?\",\"timeout\":90}", NULL);
	expect(MIKROTIK, "{\"timeout\":15.0,\"question\":\"ñañ\"}", NULL);
}

static void
a_misfit_names_the_place_and_what_is_needed(void **state)
{
	static const struct {
		const char *value, *why;
	} cases[] = {
	    {"{}", "the value lacks \"question\""},
	    {"[]", "the value is of type array, but object is needed"},
	    {"{\"question\":7}",
		"\"question\" is of type number, but string is needed"},
	    {"{\"question\":null}",
		"\"question\" is of type null, but string is needed"},
	    {"{\"question\":\"ab\"}",
		"\"question\" is too short: 2 characters, at least 3 are "
		"needed"},
	    {"{\"question\":\"abc\",\"timeout\":91}",
		"\"timeout\" must be at most 90"},
	    {"{\"question\":\"abc\",\"timeout\":14.5}",
		"\"timeout\" is of type number, but integer is needed"},
	    {"{\"question\":\"abc\",\"timeout\":\"60\"}",
		"\"timeout\" is of type string, but integer is needed"},
	    {"{\"question\":\"abc\",\"router\":\"x\"}",
		"the value has an unknown member \"router\""},
	    /* Somebody's data, perhaps: reasons are logged. */
	    {"{\"question\":\"abc\",\"1020304050\":\"x\"}",
		"the value has an unknown member"},
	    {"{\"question\":\"abc\",\"Juan P\xc3\xa9rez\":1}",
		"the value has an unknown member"},
	    {"{\"Question\":\"abc\"}", "the value lacks \"question\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		expect(MIKROTIK, cases[i].value, cases[i].why);
}

static void
lengths_are_code_points(void **state)
{
	char value[2048] = "{\"question\":\"";
	size_t head = strlen(value);

	(void)state;
	for (int i = 0; i < 500; i++)
		strcat(value, "ñ");
	strcat(value, "\"}");
	expect(MIKROTIK, value, NULL);
	value[head] = '\0';
	for (int i = 0; i < 501; i++)
		strcat(value, "ñ");
	strcat(value, "\"}");
	expect(MIKROTIK, value,
	    "\"question\" is too long: 501 characters, at most 500 are "
	    "allowed");
	expect(MIKROTIK, "{\"question\":\"ññ\"}",
	    "\"question\" is too short: 2 characters, at least 3 are needed");
}

static void
nested_values_are_named_by_their_path(void **state)
{
	static const char schema[] =
	    "{\"type\":\"object\",\"properties\":{\"filter\":{\"type\":"
	    "\"object\",\"properties\":{\"ports\":{\"type\":\"array\","
	    "\"minItems\":1,\"maxItems\":3,\"items\":{\"type\":\"integer\","
	    "\"exclusiveMinimum\":0,\"exclusiveMaximum\":65536}}}}}}";

	(void)state;
	expect(schema, "{\"filter\":{\"ports\":[1,65535]}}", NULL);
	expect(schema, "{\"filter\":{\"ports\":[1,0]}}",
	    "\"filter.ports[1]\" must be more than 0");
	expect(schema, "{\"filter\":{\"ports\":[65536]}}",
	    "\"filter.ports[0]\" must be less than 65536");
	expect(schema, "{\"filter\":{\"ports\":[]}}",
	    "\"filter.ports\" has too few items: 0, at least 1 are needed");
	expect(schema, "{\"filter\":{\"ports\":[1,2,3,4]}}",
	    "\"filter.ports\" has too many items: 4, at most 3 are allowed");
}

static void
choices_and_unions_are_listed(void **state)
{
	(void)state;
	expect("{\"enum\":[\"up\",\"down\"]}", "\"up\"", NULL);
	expect("{\"enum\":[\"up\",\"down\"]}", "\"UP\"",
	    "the value must be one of: \"up\", \"down\"");
	expect("{\"const\":{\"a\":[1]}}", "{\"a\":[1]}", NULL);
	expect("{\"const\":{\"a\":[1]}}", "{\"a\":[2]}",
	    "the value is not the one value that is allowed");
	expect("{\"type\":[\"string\",\"null\"]}", "null", NULL);
	expect("{\"type\":[\"string\",\"null\"]}", "false",
	    "the value is of type boolean, but string or null is needed");
	expect("{\"additionalProperties\":{\"type\":\"integer\"}}",
	    "{\"a\":1,\"b\":\"x\"}",
	    "\"b\" is of type string, but integer is needed");
}

static void
what_no_schema_allows_is_refused(void **state)
{
	char members[JSON_SCHEMA_MEMBERS_MAX * 16] = "{";

	(void)state;
	expect("{}", "{\"a\":1,\"a\":2}", "the value names \"a\" twice");
	expect("{}", "{\"3\":1,\"3\":2}", "the value names a member twice");
	expect("{}", "{\"a\":[\"\xff\"]}", "\"a[0]\" is not UTF-8");
	expect(
	    "{}", "{\"\xc0\xaf\":1}", "the value has a name that is not UTF-8");
	expect("{}", "[1e999]", "\"[0]\" is not a finite number");
	for (int i = 0; i <= JSON_SCHEMA_MEMBERS_MAX; i++) {
		size_t len = strlen(members);

		snprintf(members + len, sizeof(members) - len, "%s\"%d\":0",
		    i > 0 ? "," : "", i);
	}
	strcat(members, "}");
	expect("{}", members, "the value has too many members");
}

static void
a_schema_we_would_not_obey_is_refused(void **state)
{
	static const struct {
		const char *schema, *why;
	} cases[] = {
	    {"7", "the value needs an object as its schema"},
	    {"{\"pattern\":\"^a\"}",
		"the value has a keyword that is not supported: \"pattern\""},
	    {"{\"properties\":{\"q\":{\"anyOf\":[]}}}",
		"\"q\" has a keyword that is not supported: \"anyOf\""},
	    {"{\"properties\":[]}",
		"the value needs an object as \"properties\""},
	    {"{\"properties\":{\"q\":true}}",
		"\"q\" needs an object as its schema"},
	    {"{\"type\":\"text\"}", "the value has an unknown \"type\""},
	    {"{\"type\":[]}", "the value has an unknown \"type\""},
	    {"{\"enum\":[]}", "the value needs a list as \"enum\""},
	    {"{\"minLength\":\"3\"}",
		"the value needs a whole number as \"minLength\""},
	    {"{\"minLength\":-1}",
		"the value needs a whole number as \"minLength\""},
	    {"{\"maximum\":\"9\"}", "the value needs a number as \"maximum\""},
	    {"{\"required\":\"q\"}", "the value needs a list as \"required\""},
	    {"{\"required\":[1]}", "the value needs names in \"required\""},
	    {"{\"type\":\"string\",\"type\":\"null\"}",
		"the value has \"type\" twice"},
	    {"{\"additionalProperties\":0}",
		"the value needs an object as its schema"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char why[JSON_SCHEMA_WHY_SIZE] = "";
		cJSON *schema = parse(cases[i].schema);

		assert_int_not_equal(
		    json_schema_check(schema, why, sizeof(why)), 0);
		assert_string_equal(why, cases[i].why);
		cJSON_Delete(schema);
	}
}

static void
a_reason_fits_its_buffer_and_stays_text(void **state)
{
	char text[512] = "{\"required\":[\"";
	char why[24];
	char longest[JSON_SCHEMA_WHY_SIZE];
	cJSON *value = parse("{}");
	cJSON *schema;

	(void)state;
	for (int i = 0; i < 200; i++)
		strcat(text, "ñ");
	strcat(text, "\"]}");
	schema = parse(text);
	assert_int_not_equal(
	    json_schema_validate(schema, value, longest, sizeof(longest)), 0);
	/* 48 bytes of it, 24 whole letters. */
	assert_int_equal(strlen(longest), strlen("the value lacks \"\"") + 48);
	assert_int_not_equal(
	    json_schema_validate(schema, value, why, sizeof(why)), 0);
	assert_string_equal(why, "the value lacks \"ñññ");
	for (size_t size = 1; size <= sizeof(longest); size++) {
		json_schema_validate(schema, value, longest, size);
		assert_true(strlen(longest) < size);
		assert_true(utf8_count(longest, strlen(longest)) >= 0);
	}
	cJSON_Delete(schema);
	cJSON_Delete(value);
}

static void
a_bottomless_schema_is_refused(void **state)
{
	char text[2048] = "";
	char why[JSON_SCHEMA_WHY_SIZE];
	cJSON *schema;

	(void)state;
	for (int i = 0; i < 40; i++)
		strcat(text, "{\"items\":");
	strcat(text, "{}");
	for (int i = 0; i < 40; i++)
		strcat(text, "}");
	schema = parse(text);
	assert_int_not_equal(json_schema_check(schema, why, sizeof(why)), 0);
	assert_non_null(strstr(why, "nested too deeply"));
	cJSON_Delete(schema);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good_arguments_fit),
	    cmocka_unit_test(a_misfit_names_the_place_and_what_is_needed),
	    cmocka_unit_test(lengths_are_code_points),
	    cmocka_unit_test(nested_values_are_named_by_their_path),
	    cmocka_unit_test(choices_and_unions_are_listed),
	    cmocka_unit_test(what_no_schema_allows_is_refused),
	    cmocka_unit_test(a_schema_we_would_not_obey_is_refused),
	    cmocka_unit_test(a_reason_fits_its_buffer_and_stays_text),
	    cmocka_unit_test(a_bottomless_schema_is_refused),
	};

	return cmocka_run_group_tests_name("json_schema", tests, NULL, NULL);
}
