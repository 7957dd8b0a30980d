/* SPDX-License-Identifier: MIT */
/* test_clock.c – monotonic time never steps, wall time is for people. */
#include "common/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	OFFSET_S = 86400 * 400,
};

static void
monotonic_time_never_goes_back(void **state)
{
	uint64_t last_ns = clock_now_ns();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint64_t now_ns = clock_now_ns();

		assert_true(now_ns >= last_ns);
		last_ns = now_ns;
	}
	assert_in_range(
	    clock_now_ms(), last_ns / 1000000u, last_ns / 1000000u + 60000);
}

static void
a_test_can_set_the_wall_clock_but_not_the_other(void **state)
{
	struct timespec real, monotonic;

	(void)state;
	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	assert_in_range(
	    clock_wall(), real.tv_sec + OFFSET_S, real.tv_sec + OFFSET_S + 60);
	assert_in_range(
	    clock_now_ms() / 1000, monotonic.tv_sec, monotonic.tv_sec + 60);
}

static void
a_date_is_iso_8601_with_milliseconds_and_zone(void **state)
{
	const char *shape = "dddd-dd-ddTdd:dd:dd.ddd-05:00";
	char text[40];

	(void)state;
	setenv("TZ", "<-05>5", 1);
	tzset();
	clock_format_wall(text, sizeof(text));
	assert_int_equal(strlen(text), strlen(shape));
	for (size_t i = 0; shape[i] != '\0'; i++) {
		if (shape[i] == 'd')
			assert_in_range(text[i], '0', '9');
		else
			assert_int_equal(text[i], shape[i]);
	}
}

static void
a_date_that_does_not_fit_is_cut(void **state)
{
	char text[11];

	(void)state;
	clock_format_wall(text, sizeof(text));
	assert_int_equal(strlen(text), 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(monotonic_time_never_goes_back),
	    cmocka_unit_test(a_test_can_set_the_wall_clock_but_not_the_other),
	    cmocka_unit_test(a_date_is_iso_8601_with_milliseconds_and_zone),
	    cmocka_unit_test(a_date_that_does_not_fit_is_cut),
	};

	setenv("TELEFONISTA_WALL_OFFSET_S", "34560000", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
