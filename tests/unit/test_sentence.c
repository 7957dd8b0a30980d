/* SPDX-License-Identifier: MIT */
/* test_sentence.c – the places in sentences that are read out. */
#include "common/sentence.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct sentence_place places[] = {
    {"done", 3}, {"total", INT64_MIN}};

static void
places_are_filled_and_the_rest_is_kept(void **state)
{
	static const char *const cases[][2] = {
	    {"", ""},
	    {"Ya van {done}.", "Ya van 3."},
	    {"{done}{done} de {total}", "33 de -9223372036854775808"},
	    {"ñ {Done} {done {} { done} }", "ñ {Done} {done {} { done} }"},
	    {"{{done}}", "{3}"},
	    {"{", "{"},
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(
		    sentence_fill(out, sizeof(out), cases[i][0], places, 2), 0);
		assert_string_equal(out, cases[i][1]);
	}
}

static void
what_does_not_fit_is_not_cut(void **state)
{
	char out[8];

	(void)state;
	assert_int_equal(sentence_fill(out, 8, "1234567", places, 2), 0);
	assert_string_equal(out, "1234567");
	assert_int_equal(
	    sentence_fill(out, 8, "12345678", places, 2), -EMSGSIZE);
	assert_string_equal(out, "");
	assert_int_equal(
	    sentence_fill(out, 8, "{total}", places, 2), -EMSGSIZE);
	assert_string_equal(out, "");
	assert_int_equal(
	    sentence_fill(out, 8, "1234567{done}", places, 2), -EMSGSIZE);
}

static void
strays_are_found_where_they_are(void **state)
{
	static const struct {
		const char *text;
		int at; /* -1: none */
	} cases[] = {
	    {"", -1},
	    {"{done} de {total}", -1},
	    {"van {hechos}", 4},
	    {"van {done", 4},
	    {"van done}", 8},
	    {"{{done}}", 0},
	    {"{done}}", 6},
	    {"{}", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *stray = sentence_stray(cases[i].text, places, 2);

		assert_int_equal(
		    stray == NULL ? -1 : (int)(stray - cases[i].text),
		    cases[i].at);
	}
	assert_non_null(sentence_stray("{done}", NULL, 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(places_are_filled_and_the_rest_is_kept),
	    cmocka_unit_test(what_does_not_fit_is_not_cut),
	    cmocka_unit_test(strays_are_found_where_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
