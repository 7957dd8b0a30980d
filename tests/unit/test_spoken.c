/* SPDX-License-Identifier: MIT */
/* test_spoken.c – which words of an utterance were heard. */
#include "callworker/spoken.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void
words_are_heard_whole_or_not_at_all(void **state)
{
	static const struct {
		const char *text;
		uint32_t heard_ms, total_ms;
		const char *heard;
	} cases[] = {
	    {"uno dos tres", 1000, 1000, "uno dos tres"},
	    {"uno dos tres", 2000, 1000, "uno dos tres"},
	    {"uno dos tres", 0, 1000, ""},
	    {"uno dos tres", 500, 1000, "uno"},
	    {"uno dos tres", 700, 1000, "uno dos"},
	    {"uno dos tres", 100, 1000, ""},
	    {"ñandú ñandú", 600, 1000, "ñandú"},
	    {"ñññññ", 900, 1000, ""},
	    {"", 500, 1000, ""},
	    {"x", 0, 0, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t n = spoken_heard_len(
		    cases[i].text, cases[i].heard_ms, cases[i].total_ms);

		assert_int_equal(n, strlen(cases[i].heard));
		assert_memory_equal(cases[i].text, cases[i].heard, n);
	}
}

static void
the_latest_utterances_are_remembered(void **state)
{
	struct spoken_list sl = {0};
	char id[16];

	(void)state;
	assert_null(spoken_find(&sl, ""));
	for (int i = 0; i <= SPOKEN_MAX; i++) {
		snprintf(id, sizeof(id), "u%d", i);
		spoken_set_text(spoken_begin(&sl, id, i), id);
	}
	assert_null(spoken_find(&sl, "u0"));
	assert_int_equal(spoken_find(&sl, "u1")->tag, 1);
	assert_string_equal(spoken_find(&sl, id)->text, id);
	spoken_clear(&sl);
	assert_null(spoken_find(&sl, id));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(words_are_heard_whole_or_not_at_all),
	    cmocka_unit_test(the_latest_utterances_are_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
