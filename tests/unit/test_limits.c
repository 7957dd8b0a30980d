/* SPDX-License-Identifier: MIT */
/* test_limits.c – whether MAX_CALLS fits into what the system allows. */
#include "supervisor/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static struct config config = {
    .max_calls = 50, .warm_workers = 2, .tool_workers = 4};
static struct config_problems problems;

static size_t
warnings(const struct limits *limits)
{
	problems.count = 0;
	limits_check(limits, &config, &problems);
	assert_int_equal(config_problems_fatal(&problems), 0);
	return problems.count;
}

static void
what_is_large_enough_is_not_spoken_of(void **state)
{
	const struct limits none = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
	/* packaging/telefonista.service.in */
	const struct limits unit = {32768, 2200, 2048ull << 20};

	(void)state;
	assert_int_equal(warnings(&none), 0);
	assert_int_equal(warnings(&unit), 0);
}

static void
each_limit_that_is_too_low_is_a_warning_that_names_it(void **state)
{
	static const struct {
		struct limits limits;
		const char *name;
	} rows[] = {
	    {{512, UINT64_MAX, UINT64_MAX}, "LimitNOFILE"},
	    {{UINT64_MAX, 60, UINT64_MAX}, "TasksMax"},
	    {{UINT64_MAX, UINT64_MAX, 256ull << 20}, "MemoryMax"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(warnings(&rows[i].limits), 1);
		assert_non_null(strstr(problems.list[0].text, rows[i].name));
		assert_non_null(strstr(problems.list[0].text, "MAX_CALLS: 50"));
	}
}

static void
files_of_cgroups_hold_a_number_or_a_word(void **state)
{
	char path[] = "/tmp/limits-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "2200\n", 5), 5);
	assert_int_equal(limits_read_file(path), 2200);
	assert_int_equal(pwrite(fd, "max\n\n", 5, 0), 5);
	assert_true(limits_read_file(path) == UINT64_MAX);
	close(fd);
	unlink(path);
	assert_true(limits_read_file(path) == UINT64_MAX);
}

static void
the_limit_of_descriptors_is_the_hard_one(void **state)
{
	struct rlimit limit;
	struct limits limits;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limits_read(&limits);
	assert_true(limits.descriptors == limit.rlim_max ||
		    (limits.descriptors == UINT64_MAX &&
			limit.rlim_max == RLIM_INFINITY));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_large_enough_is_not_spoken_of),
	    cmocka_unit_test(
		each_limit_that_is_too_low_is_a_warning_that_names_it),
	    cmocka_unit_test(files_of_cgroups_hold_a_number_or_a_word),
	    cmocka_unit_test(the_limit_of_descriptors_is_the_hard_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
