/* SPDX-License-Identifier: MIT */
/* test_dtmf.c – which digits belong together. */
#include "callworker/dtmf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void
digits_are_one_group_until_nothing_comes(void **state)
{
	struct dtmf d = {0};
	char text[DTMF_TEXT_SIZE];

	(void)state;
	assert_true(dtmf_add(&d, '1', 1000));
	assert_false(dtmf_add(&d, '2', 2400));
	assert_false(dtmf_take(&d, 2400 + DTMF_GAP_MS - 1, text));
	assert_false(dtmf_add(&d, '0', 3000));
	assert_true(dtmf_take(&d, 3000 + DTMF_GAP_MS, text));
	assert_string_equal(text, "1 2 0");
	assert_false(dtmf_take(&d, 99999, text));
	assert_true(dtmf_add(&d, '7', 100000));
}

static void
a_hash_ends_a_group_and_is_not_part_of_it(void **state)
{
	struct dtmf d = {0};
	char text[DTMF_TEXT_SIZE];

	(void)state;
	dtmf_add(&d, '4', 0);
	dtmf_add(&d, '*', 10);
	dtmf_add(&d, '#', 20);
	assert_true(dtmf_take(&d, 20, text));
	assert_string_equal(text, "4 *");
}

static void
a_hash_alone_is_a_group(void **state)
{
	struct dtmf d = {0};
	char text[DTMF_TEXT_SIZE];

	(void)state;
	assert_true(dtmf_add(&d, '#', 0));
	assert_true(dtmf_take(&d, 0, text));
	assert_string_equal(text, "#");
}

static void
a_group_is_bounded(void **state)
{
	struct dtmf d = {0};
	char text[DTMF_TEXT_SIZE];

	(void)state;
	for (int i = 0; i < DTMF_GROUP_MAX; i++)
		dtmf_add(&d, '9', 0);
	assert_true(dtmf_take(&d, 0, text));
	assert_int_equal(strlen(text), DTMF_TEXT_SIZE - 1);
	for (int i = 0; i < 3 * DTMF_GROUP_MAX; i++)
		dtmf_add(&d, '9', 0); /* nobody takes: the oldest are lost */
	assert_true(dtmf_take(&d, 0, text));
}

static void
what_is_no_digit_is_ignored(void **state)
{
	struct dtmf d = {0};
	char text[DTMF_TEXT_SIZE];

	(void)state;
	assert_false(dtmf_add(&d, '\0', 0));
	assert_false(dtmf_add(&d, 'E', 0));
	assert_false(dtmf_add(&d, ' ', 0));
	assert_false(dtmf_take(&d, 10000, text));
	assert_true(dtmf_add(&d, 'b', 0));
	assert_true(dtmf_take(&d, 10000, text));
	assert_string_equal(text, "B");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(digits_are_one_group_until_nothing_comes),
	    cmocka_unit_test(a_hash_ends_a_group_and_is_not_part_of_it),
	    cmocka_unit_test(a_hash_alone_is_a_group),
	    cmocka_unit_test(a_group_is_bounded),
	    cmocka_unit_test(what_is_no_digit_is_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
