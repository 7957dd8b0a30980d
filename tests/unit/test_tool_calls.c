/* SPDX-License-Identifier: MIT */
/* test_tool_calls.c – exactly one answer for each function call. */
#include "callworker/tool_calls.h"

#include "common/json.h"
#include "common/utf8.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
a_call_is_answered_once(void **state)
{
	struct tool_calls tc = {0};
	struct tool_call call;

	(void)state;
	assert_int_equal(tool_calls_add(&tc, "c1", "x", "{}", 1000, 0), 0);
	assert_int_equal(tool_calls_add(&tc, "c2", "y", "{}", 1000, 5), 0);
	assert_int_equal(
	    tool_calls_add(&tc, "c1", "x", "{}", 1000, 0), -EEXIST);
	assert_string_equal(tool_calls_oldest(&tc)->id, "c1");
	assert_true(tool_calls_take(&tc, "c1", &call));
	assert_string_equal(call.name, "x");
	tool_call_clear(&call);
	assert_false(tool_calls_take(&tc, "c1", &call));
	assert_string_equal(tool_calls_oldest(&tc)->id, "c2");
	tool_calls_clear(&tc);
	assert_null(tool_calls_oldest(&tc));
}

static void
a_call_expires_after_its_deadline_and_the_grace(void **state)
{
	struct tool_calls tc = {0};
	struct tool_call call;

	(void)state;
	tool_calls_add(&tc, "slow", "x", "{}", 60000, 100);
	tool_calls_add(&tc, "quick", "x", "{}", 1000, 100);
	assert_false(tool_calls_take_expired(
	    &tc, 100 + 1000 + TOOL_GRACE_MS - 1, &call));
	assert_true(
	    tool_calls_take_expired(&tc, 100 + 1000 + TOOL_GRACE_MS, &call));
	assert_string_equal(call.id, "quick");
	tool_call_clear(&call);
	assert_false(
	    tool_calls_take_expired(&tc, 100 + 1000 + TOOL_GRACE_MS, &call));
	tool_calls_clear(&tc);
}

static void
the_table_and_its_strings_are_bounded(void **state)
{
	struct tool_calls tc = {0};
	char *long_text = malloc(TOOL_ARGUMENTS_MAX + 2);
	char id[16];

	(void)state;
	assert_non_null(long_text);
	memset(long_text, 'x', TOOL_ARGUMENTS_MAX + 1);
	long_text[TOOL_ARGUMENTS_MAX + 1] = '\0';
	assert_int_equal(
	    tool_calls_add(&tc, "c", "x", long_text, 1, 0), -EINVAL);
	assert_int_equal(
	    tool_calls_add(&tc, long_text, "x", "{}", 1, 0), -EINVAL);
	assert_int_equal(
	    tool_calls_add(&tc, "c", long_text, "{}", 1, 0), -EINVAL);
	assert_int_equal(tool_calls_add(&tc, "", "x", "{}", 1, 0), -EINVAL);
	for (int i = 0; i < TOOL_CALLS_MAX; i++) {
		snprintf(id, sizeof(id), "c%d", i);
		assert_int_equal(tool_calls_add(&tc, id, "x", "{}", 1, 0), 0);
	}
	assert_int_equal(
	    tool_calls_add(&tc, "more", "x", "{}", 1, 0), -ENOBUFS);
	tool_calls_clear(&tc);
	free(long_text);
}

/* Takes TEXT. */
static cJSON *
parse(char *text)
{
	cJSON *json;

	assert_non_null(text);
	assert_true(utf8_count(text, strlen(text)) >= 0);
	json = json_parse(text, strlen(text));
	assert_non_null(json);
	free(text);
	return json;
}

static void
a_result_is_marked_as_data(void **state)
{
	cJSON *json = parse(tool_calls_output(TOOL_STATUS_OK, "señal -61"));

	(void)state;
	assert_string_equal(json_string(json, "status"), "ok");
	assert_string_equal(json_string(json, "result"), "señal -61");
	assert_non_null(strstr(json_string(json, "note"), "data"));
	assert_false(cJSON_HasObjectItem(json, "incomplete"));
	cJSON_Delete(json);
}

static void
a_failure_carries_its_sentence(void **state)
{
	cJSON *json =
	    parse(tool_calls_output(TOOL_STATUS_TIMEOUT, "No respondió."));

	(void)state;
	assert_string_equal(json_string(json, "status"), "timeout");
	assert_string_equal(json_string(json, "error"), "No respondió.");
	cJSON_Delete(json);
}

static void
a_long_result_is_cut_between_characters_and_says_so(void **state)
{
	char text[3 * TOOL_OUTPUT_MAX + 2];
	cJSON *json;
	size_t len;

	(void)state;
	text[0] = 'x'; /* so that the limit falls inside an ñ */
	for (size_t i = 1; i + 1 < sizeof(text); i += 2)
		memcpy(text + i, "ñ", 2);
	text[sizeof(text) - 1] = '\0';
	json = parse(tool_calls_output(TOOL_STATUS_OK, text));
	len = strlen(json_string(json, "result"));
	assert_true(len <= TOOL_OUTPUT_MAX && len >= TOOL_OUTPUT_MAX - 3);
	assert_non_null(strstr(json_string(json, "incomplete"), "more bytes"));
	cJSON_Delete(json);
}

static void
bytes_that_are_no_text_cannot_break_the_socket(void **state)
{
	cJSON *json = parse(
	    tool_calls_output(TOOL_STATUS_OK, "a\xff\xfe ñ \xc3 \xed\xa0\x80"));

	(void)state;
	assert_string_equal(json_string(json, "result"), "a?? ñ ? ???");
	cJSON_Delete(json);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_call_is_answered_once),
	    cmocka_unit_test(a_call_expires_after_its_deadline_and_the_grace),
	    cmocka_unit_test(the_table_and_its_strings_are_bounded),
	    cmocka_unit_test(a_result_is_marked_as_data),
	    cmocka_unit_test(a_failure_carries_its_sentence),
	    cmocka_unit_test(
		a_long_result_is_cut_between_characters_and_says_so),
	    cmocka_unit_test(bytes_that_are_no_text_cannot_break_the_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
