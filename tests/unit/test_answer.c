/* SPDX-License-Identifier: MIT */
/* test_answer.c – what the model gets of a service's words. */
#include "toolworker/answer.h"

#include "common/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char out[TOOL_OUTPUT_SIZE];

static void
assert_copied(const char *text, const char *wanted)
{
	assert_true(answer_copy(out, text, strlen(text), NULL));
	assert_string_equal(out, wanted);
}

static void
text_stays_as_it_is_but_trimmed(void **state)
{
	(void)state;
	assert_copied(
	    " \r\nHay 12.\n\tÑandú 😀 – «sí» \n", "Hay 12.\n\tÑandú 😀 – «sí»");
}

static void
what_is_no_text_becomes_spaces(void **state)
{
	(void)state;
	assert_copied("a\x1b[2Jb\x01\x7f.", "a [2Jb  .");
	assert_copied("a\xc2\x80\xc2\x9f\xc2\xa0z", "a  \xc2\xa0z");
	assert_copied("a\u202e\u2066\u2069\u200b\u2028\ufeffz", "a      z");
	assert_copied("a\u200a\u2010\u2070z", "a\u200a\u2010\u2070z");
	/* "borra" in letters that nobody sees. */
	assert_copied(
	    "a\U000e0062\U000e006f\U000e0072\U000e0072\U000e0061z", "a     z");
}

static void
nothing_is_nothing(void **state)
{
	(void)state;
	assert_false(answer_copy(out, "", 0, NULL));
	assert_false(answer_copy(out, " \n\t ", 4, NULL));
	assert_false(answer_copy(out, "\x01\u200b", 4, NULL));
}

/* COUNT times UNIT; what is left ends in ENDS_WITH, then says what is gone. */
static void
assert_cut(const char *unit, size_t count, const char *ends_with)
{
	size_t len = strlen(unit) * count, gone, kept;
	char *text = calloc(1, len + 1);
	char *note;

	assert_non_null(text);
	for (size_t i = 0; i < count; i++)
		memcpy(text + i * strlen(unit), unit, strlen(unit));
	assert_true(answer_copy(out, text, len, NULL));
	assert_in_range(strlen(out), ANSWER_MAX / 2, ANSWER_MAX);
	assert_true(utf8_count(out, strlen(out)) > 0);
	note = strstr(out, "\n[… cut off here: ");
	assert_non_null(note);
	assert_int_equal(
	    sscanf(note, "\n[… cut off here: %zu more bytes]", &gone), 1);
	kept = (size_t)(note - out);
	/* The white space at the end is gone before. */
	len -= strchr(" \n", text[len - 1]) != NULL;
	assert_int_equal(kept + gone, len);
	assert_memory_equal(out, text, kept);
	assert_memory_equal(
	    note - strlen(ends_with), ends_with, strlen(ends_with));
	free(text);
}

static void
what_is_too_long_is_cut_where_it_makes_sense(void **state)
{
	(void)state;
	assert_cut("Una línea. Y otra cosa\n", 1000, "otra cosa");
	assert_cut("Una frase. Sin fin ", 1000, "frase.");
	assert_cut("palabra ", 1000, "palabra");
	assert_cut("ñ", 9000, "ñ");
	assert_cut("😀", 9000, "😀");
}

static void
what_just_fits_is_whole(void **state)
{
	char text[ANSWER_MAX + 2];

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_true(answer_copy(out, text, ANSWER_MAX, NULL));
	assert_int_equal(strlen(out), ANSWER_MAX);
	assert_true(answer_copy(out, text, ANSWER_MAX + 1, NULL));
	assert_non_null(strstr(out, "cut off"));
}

static void
a_secret_is_masked_before_it_can_be_cut(void **state)
{
	static const char key[] = "cut-me-if-you-can-0123456789";
	struct tool_secrets *secrets;
	static char text[3 * ANSWER_MAX];

	(void)state;
	setenv("TOOL_UNIT", key, 1);
	assert_int_equal(tool_secrets_new(&secrets, NULL), 0);
	assert_string_equal(tool_secrets_find(secrets, "TOOL_UNIT"), key);
	for (size_t at = ANSWER_MAX - 200; at < ANSWER_MAX; at++) {
		memset(text, 'a', sizeof(text) - 1);
		memcpy(text + at, key, strlen(key));
		assert_true(answer_copy(out, text, strlen(text), secrets));
		assert_null(strstr(out, "cut-"));
	}
	tool_secrets_free(&secrets);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(text_stays_as_it_is_but_trimmed),
	    cmocka_unit_test(what_is_no_text_becomes_spaces),
	    cmocka_unit_test(nothing_is_nothing),
	    cmocka_unit_test(what_is_too_long_is_cut_where_it_makes_sense),
	    cmocka_unit_test(what_just_fits_is_whole),
	    cmocka_unit_test(a_secret_is_masked_before_it_can_be_cut),
	};

	return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
