/* SPDX-License-Identifier: MIT */
/* test_shortage.c – what runs out, is said once, and comes back. */
#include "supervisor/shortage.h"

#include "common/headroom.h"
#include "common/log.h"
#include "tests/unit/descriptors.h"
#include "tests/unit/fake_clock.h"
#include "tests/unit/timers.h"

#include <errno.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	RESERVE = 12,
};

static struct {
	struct event_base *base;
	struct shortages *shortages;
	struct rlimit limit;
	int log[2]; /* a pipe in stderr's place */
	int stderr_before;
	char text[8192];
} rig;

static int
setup(void **state)
{
	(void)state;
	memset(&rig, 0, sizeof(rig));
	fake_now_ms += 1000000;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &rig.limit), 0);
	rig.base = event_base_new();
	assert_int_equal(pipe(rig.log), 0);
	rig.stderr_before = dup(STDERR_FILENO);
	dup2(rig.log[1], STDERR_FILENO);
	return shortages_new(&rig.shortages, rig.base);
}

static int
teardown(void **state)
{
	(void)state;
	setrlimit(RLIMIT_NOFILE, &rig.limit);
	shortages_free(&rig.shortages);
	event_base_free(rig.base);
	dup2(rig.stderr_before, STDERR_FILENO);
	close(rig.stderr_before);
	close(rig.log[0]);
	close(rig.log[1]);
	return 0;
}

/* The lines that were logged since the last time. */
static const char *
logged(void)
{
	ssize_t n;

	log_info("end of what was logged");
	n = read(rig.log[0], rig.text, sizeof(rig.text) - 1);
	assert_true(n > 0);
	rig.text[n] = '\0';
	return rig.text;
}

static size_t
count(const char *text, const char *word)
{
	size_t n = 0;

	for (; (text = strstr(text, word)) != NULL; text += strlen(word))
		n++;
	return n;
}

/* So many descriptors are left to this process. */
static void
leave(unsigned int n)
{
	struct rlimit limit = rig.limit;
	int next = dup(STDERR_FILENO);

	close(next);
	limit.rlim_cur = (rlim_t)next + n;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void
turn(void)
{
	fake_now_ms += 1000;
	timers_turn(rig.base);
}

static void
headroom_is_what_is_really_left(void **state)
{
	size_t open = descriptors_open();

	(void)state;
	leave(5);
	assert_true(headroom_has_descriptors(5));
	assert_false(headroom_has_descriptors(6));
	assert_int_equal(descriptors_open(), open);
}

static void
calls_are_refused_while_something_is_still_left(void **state)
{
	(void)state;
	assert_null(shortages_refuse(rig.shortages));
	leave(SHORTAGE_DESCRIPTORS_LEFT);
	assert_null(shortages_refuse(rig.shortages));
	leave(SHORTAGE_DESCRIPTORS_LEFT - 1);
	assert_string_equal(
	    shortages_refuse(rig.shortages), "no descriptors left");
}

static void
the_reserve_is_free_for_a_refusal_and_comes_back(void **state)
{
	size_t open = descriptors_open();

	(void)state;
	leave(0);
	assert_false(headroom_has_descriptors(1));
	assert_non_null(shortages_refuse(rig.shortages));
	assert_true(headroom_has_descriptors(RESERVE));
	turn();
	assert_false(headroom_has_descriptors(1));
	assert_non_null(shortages_refuse(rig.shortages));
	setrlimit(RLIMIT_NOFILE, &rig.limit);
	turn();
	assert_int_equal(descriptors_open(), open);
	assert_null(shortages_refuse(rig.shortages));
}

static void
one_alarm_a_minute_and_one_word_when_it_is_over(void **state)
{
	const char *text;

	(void)state;
	leave(3);
	for (int i = 0; i < 20; i++) {
		assert_non_null(shortages_refuse(rig.shortages));
		turn();
	}
	text = logged();
	assert_int_equal(count(text, "alarm=descriptors "), 1);
	assert_int_equal(count(text, "suffice again"), 0);
	fake_now_ms += SHORTAGE_ALARM_MS;
	assert_non_null(shortages_refuse(rig.shortages));
	text = logged();
	assert_int_equal(count(text, "alarm=descriptors "), 1);
	assert_int_equal(count(text, "suppressed=19"), 1);
	setrlimit(RLIMIT_NOFILE, &rig.limit);
	turn();
	turn();
	text = logged();
	assert_int_equal(count(text, "descriptors suffice again"), 1);
}

static void
what_comes_and_goes_does_not_flood_the_log(void **state)
{
	const char *text;

	(void)state;
	for (int i = 0; i < 30; i++) {
		shortage_met(rig.shortages, SHORTAGE_PORTS, "unit");
		shortage_over(rig.shortages, SHORTAGE_PORTS);
		fake_now_ms += 1000;
	}
	text = logged();
	assert_int_equal(count(text, "alarm=rtp_port "), 1);
	assert_int_equal(count(text, "RTP ports suffice again"), 1);
}

static void
kinds_do_not_hide_each_other(void **state)
{
	const char *text;

	(void)state;
	shortage_met(rig.shortages, SHORTAGE_MEMORY, "unit");
	shortage_met(rig.shortages, SHORTAGE_PROCESSES, "unit");
	shortage_met(rig.shortages, SHORTAGE_PORTS, "unit");
	text = logged();
	assert_int_equal(count(text, "alarm="), 3);
	turn();
	text = logged();
	assert_int_equal(count(text, "memory suffices again"), 1);
	assert_int_equal(count(text, "again"), 1);
}

static void
an_errno_says_what_is_short(void **state)
{
	(void)state;
	assert_int_equal(
	    shortage_of(EMFILE, SHORTAGE_PORTS), SHORTAGE_DESCRIPTORS);
	assert_int_equal(
	    shortage_of(ENFILE, SHORTAGE_MEMORY), SHORTAGE_DESCRIPTORS);
	assert_int_equal(shortage_of(ENOMEM, SHORTAGE_PORTS), SHORTAGE_MEMORY);
	assert_int_equal(
	    shortage_of(EADDRINUSE, SHORTAGE_PORTS), SHORTAGE_PORTS);
}

static void
without_a_watch_nothing_is_short(void **state)
{
	(void)state;
	assert_null(shortages_refuse(NULL));
	shortage_met(NULL, SHORTAGE_MEMORY, "unit");
	shortage_over(NULL, SHORTAGE_MEMORY);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(headroom_is_what_is_really_left),
	    TEST(calls_are_refused_while_something_is_still_left),
	    TEST(the_reserve_is_free_for_a_refusal_and_comes_back),
	    TEST(one_alarm_a_minute_and_one_word_when_it_is_over),
	    TEST(what_comes_and_goes_does_not_flood_the_log),
	    TEST(kinds_do_not_hide_each_other),
	    TEST(an_errno_says_what_is_short),
	    TEST(without_a_watch_nothing_is_short),
	};

	log_init("unit", LOG_LEVEL_INFO);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
