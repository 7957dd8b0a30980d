/* SPDX-License-Identifier: MIT */
/* test_audio_priority.c – a call goes first, and not at any price. */
#include "callworker/audio_priority.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	EXIT_GOOD = 0,
	EXIT_POLICY,
	EXIT_EARLY,
	EXIT_NEVER,
	EXIT_UNTOLD,
	EXIT_FORBIDDEN = 77,
	CPU_MAX_S = 5,
	NOBODY = 65534,
};

static int
policy(void)
{
	return sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
}

/* In a process of its own, whose priority ends with it. */
static int
in_child(int (*story)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(story());
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int
take(void)
{
	int ret = audio_priority_take();

	if (ret == -EPERM)
		return EXIT_FORBIDDEN;
	return ret == 0 && policy() == SCHED_RR ? EXIT_GOOD : EXIT_POLICY;
}

static int
work_on(void)
{
	const clock_t end = clock() + CPU_MAX_S * CLOCKS_PER_SEC;

	if (audio_priority_was_lost())
		return EXIT_EARLY;
	while (policy() == SCHED_RR) {
		if (clock() > end)
			return EXIT_NEVER;
	}
	if (!audio_priority_was_lost() || audio_priority_was_lost())
		return EXIT_UNTOLD;
	return EXIT_GOOD;
}

static int
work_without_a_pause(void)
{
	int ret = take();

	return ret == EXIT_GOOD ? work_on() : ret;
}

/* As under systemd: allowed to take it, and nothing else. */
static int
work_without_capabilities(void)
{
	int ret = take();

	if (ret != EXIT_GOOD)
		return ret;
	if (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) != 0)
		return EXIT_FORBIDDEN;
	return work_on();
}

static int
pause_now_and_then(void)
{
	const struct timespec pause = {.tv_nsec = 1000 * 1000};
	const clock_t end = clock() + CLOCKS_PER_SEC / 4;
	int ret = take();

	while (ret == EXIT_GOOD && clock() < end) {
		const clock_t next = clock() + CLOCKS_PER_SEC / 200;

		while (clock() < next)
			;
		nanosleep(&pause, NULL);
	}
	return ret == EXIT_GOOD && policy() != SCHED_RR ? EXIT_POLICY : ret;
}

static void
expect(int (*story)(void))
{
	int ret = in_child(story);

	if (ret == EXIT_FORBIDDEN)
		skip(); /* this system does not allow it */
	assert_int_equal(ret, EXIT_GOOD);
}

static void
it_is_taken_where_the_system_allows_it(void **state)
{
	(void)state;
	expect(take);
}

static void
one_that_never_pauses_becomes_ordinary(void **state)
{
	(void)state;
	expect(work_without_a_pause);
}

static void
one_without_other_rights_becomes_ordinary_too(void **state)
{
	(void)state;
	expect(work_without_capabilities);
}

static void
one_that_works_hard_and_pauses_keeps_it(void **state)
{
	(void)state;
	expect(pause_now_and_then);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_is_taken_where_the_system_allows_it),
	    cmocka_unit_test(one_that_never_pauses_becomes_ordinary),
	    cmocka_unit_test(one_without_other_rights_becomes_ordinary_too),
	    cmocka_unit_test(one_that_works_hard_and_pauses_keeps_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
