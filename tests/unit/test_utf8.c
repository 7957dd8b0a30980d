/* SPDX-License-Identifier: MIT */
/* test_utf8.c – the borders of RFC 3629. */
#include "common/utf8.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
good_text_is_counted_in_code_points(void **state)
{
	static const struct {
		const char *text;
		ssize_t count;
	} cases[] = {
	    {"", 0},
	    {"abc", 3},
	    {"ñandú", 5},
	    {"\x7f\xc2\x80\xdf\xbf", 3},
	    {"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf", 4},
	    {"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(
		    utf8_count(cases[i].text, strlen(cases[i].text)),
		    cases[i].count);
	assert_int_equal(utf8_count("a\0b", 3), 3);
}

static void
everything_else_is_refused(void **state)
{
	static const char *const bad[] = {
	    "\x80",
	    "\xbf",
	    "\xc0\xaf",
	    "\xc1\xbf",
	    "\xc3",
	    "\xc3(",
	    "\xe0\x9f\xbf",
	    "\xed\xa0\x80",
	    "\xe2\x82",
	    "\xe2\x82\x41",
	    "\xf0\x8f\xbf\xbf",
	    "\xf4\x90\x80\x80",
	    "\xf5\x80\x80\x80",
	    "\xf0\x9f\x98",
	    "\xff",
	    "abc\xfe",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(utf8_count(bad[i], strlen(bad[i])), -EILSEQ);
}

static void
a_cut_never_splits_a_letter(void **state)
{
	static const char text[] = "añ\xf0\x9f\x98\x80z"; /* 1 + 2 + 4 + 1 */
	static const size_t wanted[] = {0, 1, 1, 3, 3, 3, 3, 7, 8, 8};

	(void)state;
	for (size_t max = 0; max < sizeof(wanted) / sizeof(*wanted); max++)
		assert_int_equal(
		    utf8_cut(text, strlen(text), max), wanted[max]);
}

static void
what_nobody_sees_is_found(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} cases[] = {{"", 0}, {"a", 0}, {"\n", 0}, {"ñ", 0}, {"\u00a0", 0},
	    {"\xc2\x80", 2}, {"\u00ad", 2}, {"\u200a", 0}, {"\u200b", 3},
	    {"\u2010", 0}, {"\u2028", 3}, {"\u2069", 3}, {"\u2070", 0},
	    {"\ufe0f", 3}, {"\ufeff", 3}, {"\ufffd", 0}, {"😀", 0},
	    {"\U000e0041", 4}, {"\U000e0fff", 4}, {"\U000e1000", 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(
		    utf8_unseen(cases[i].text, strlen(cases[i].text)),
		    cases[i].len);
	assert_int_equal(utf8_unseen("\xf3\xa0\x81", 3), 0); /* cut */
	assert_int_equal(utf8_unseen("\x80", 1), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_nobody_sees_is_found),
	    cmocka_unit_test(good_text_is_counted_in_code_points),
	    cmocka_unit_test(everything_else_is_refused),
	    cmocka_unit_test(a_cut_never_splits_a_letter),
	};

	return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
