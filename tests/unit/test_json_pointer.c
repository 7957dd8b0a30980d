/* SPDX-License-Identifier: MIT */
/* test_json_pointer.c – RFC 6901's own examples, and what is no pointer. */
#include "common/json_pointer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The document of section 5. */
static const char document[] =
    "{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,"
    "\"g|h\":4,\"i\\\\j\":5,\"k\\\"l\":6,\" \":7,\"m~n\":8}";

static void
assert_at(const cJSON *json, const char *pointer, const char *wanted)
{
	const cJSON *value = json_pointer_find(json, pointer);
	char *text;

	if (value == NULL)
		fail_msg("nothing at \"%s\"", pointer);
	text = cJSON_PrintUnformatted(value);
	assert_string_equal(text, wanted);
	free(text);
}

static void
the_examples_of_the_standard_are_found(void **state)
{
	static const char *const rows[][2] = {
	    {"/foo", "[\"bar\",\"baz\"]"},
	    {"/foo/0", "\"bar\""},
	    {"/foo/1", "\"baz\""},
	    {"/", "0"},
	    {"/a~1b", "1"},
	    {"/c%d", "2"},
	    {"/e^f", "3"},
	    {"/g|h", "4"},
	    {"/i\\j", "5"},
	    {"/k\"l", "6"},
	    {"/ ", "7"},
	    {"/m~0n", "8"},
	};
	cJSON *json = cJSON_Parse(document);

	(void)state;
	assert_ptr_equal(json_pointer_find(json, ""), json);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_at(json, rows[i][0], rows[i][1]);
	cJSON_Delete(json);
}

static void
tilde_one_after_an_escaped_tilde_stays(void **state)
{
	cJSON *json = cJSON_Parse("{\"~1\":1,\"/\":2}");

	(void)state;
	assert_at(json, "/~01", "1"); /* section 4: never "/" */
	assert_at(json, "/~1", "2");
	cJSON_Delete(json);
}

static void
what_is_not_there_is_not_found(void **state)
{
	static const char *const pointers[] = {"/bar", "/foo/2", "/foo/-",
	    "/foo/00", "/foo/01", "/foo/+1", "/foo/1 ", "/foo/", "/foo/0/0",
	    "/foo/4294967296", "/foo/99999999999999999999", "/FOO", "/a/b",
	    "//", "/fo", "/fooo", "/a~1"};
	cJSON *json = cJSON_Parse(document);

	(void)state;
	for (size_t i = 0; i < sizeof(pointers) / sizeof(pointers[0]); i++) {
		assert_true(json_pointer_is_valid(pointers[i]));
		if (json_pointer_find(json, pointers[i]) != NULL)
			fail_msg("found \"%s\"", pointers[i]);
	}
	assert_null(json_pointer_find(NULL, "/foo"));
	cJSON_Delete(json);
}

static void
what_is_no_pointer_is_refused(void **state)
{
	static const char *const pointers[] = {
	    "foo", "#/foo", "/~", "/~2", "/foo/~", " /foo", "~0"};
	char longest[JSON_POINTER_MAX + 2];
	cJSON *json = cJSON_Parse(document);

	(void)state;
	for (size_t i = 0; i < sizeof(pointers) / sizeof(pointers[0]); i++) {
		if (json_pointer_is_valid(pointers[i]))
			fail_msg("accepted \"%s\"", pointers[i]);
		assert_null(json_pointer_find(json, pointers[i]));
	}
	memset(longest, '/', sizeof(longest));
	longest[JSON_POINTER_MAX + 1] = '\0';
	assert_false(json_pointer_is_valid(longest));
	longest[JSON_POINTER_MAX] = '\0';
	assert_true(json_pointer_is_valid(longest));
	cJSON_Delete(json);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_examples_of_the_standard_are_found),
	    cmocka_unit_test(tilde_one_after_an_escaped_tilde_stays),
	    cmocka_unit_test(what_is_not_there_is_not_found),
	    cmocka_unit_test(what_is_no_pointer_is_refused),
	};

	return cmocka_run_group_tests_name("json_pointer", tests, NULL, NULL);
}
