/* SPDX-License-Identifier: MIT */
/* test_breaker.c – one attempt now and then instead of a storm. */
#include "supervisor/breaker.h"

#include "common/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct breaker breaker;
static uint64_t now_ms;

static int
setup(void **state)
{
	(void)state;
	breaker = (struct breaker){0};
	now_ms = 1000000;
	return 0;
}

static void
break_by(enum voice_fault fault)
{
	breaker_failed(&breaker, fault, "unit", now_ms);
}

/* From closed to open by passing faults; the length of the pause. */
static uint64_t
open_by(enum voice_fault fault, int failures)
{
	for (int i = 1; i < failures; i++) {
		break_by(fault);
		assert_int_equal(breaker.state, BREAKER_CLOSED);
	}
	break_by(fault);
	assert_int_equal(breaker.state, BREAKER_OPEN);
	assert_int_equal(breaker.fault, fault);
	return breaker.open_until_ms - now_ms;
}

static void
pass_the_pause(void)
{
	now_ms = breaker.open_until_ms - 1;
	assert_false(breaker_allows(&breaker, now_ms));
	now_ms++;
	assert_true(breaker_allows(&breaker, now_ms));
	assert_int_equal(breaker.state, BREAKER_HALF_OPEN);
}

static void
a_new_breaker_allows_any_number_of_attempts(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		assert_true(breaker_allows(&breaker, now_ms));
	assert_false(breaker_is_open(&breaker));
}

static void
the_third_passing_fault_in_a_row_opens_it(void **state)
{
	(void)state;
	assert_int_equal(open_by(VOICE_FAULT_NETWORK, BREAKER_FAILURES),
	    BREAKER_OPEN_FIRST_MS);
	assert_true(breaker_is_open(&breaker));
	assert_false(breaker_allows(&breaker, now_ms));
}

static void
a_success_in_between_starts_the_count_again(void **state)
{
	(void)state;
	break_by(VOICE_FAULT_SERVER);
	break_by(VOICE_FAULT_TIMEOUT);
	breaker_succeeded(&breaker);
	open_by(VOICE_FAULT_SERVER, BREAKER_FAILURES);
}

static void
a_lasting_fault_opens_it_at_once_and_for_long(void **state)
{
	static const enum voice_fault lasting[] = {VOICE_FAULT_KEY,
	    VOICE_FAULT_QUOTA, VOICE_FAULT_MODEL, VOICE_FAULT_TLS};

	for (size_t i = 0; i < sizeof(lasting) / sizeof(lasting[0]); i++) {
		setup(state);
		assert_int_equal(
		    open_by(lasting[i], 1), BREAKER_OPEN_LASTING_MS);
	}
}

static void
a_rate_limit_opens_it_at_once(void **state)
{
	(void)state;
	assert_int_equal(
	    open_by(VOICE_FAULT_RATE_LIMIT, 1), BREAKER_OPEN_RATE_LIMIT_MS);
}

static void
faults_that_say_nothing_about_the_service_do_not_count(void **state)
{
	static const enum voice_fault own[] = {VOICE_FAULT_CONTENT,
	    VOICE_FAULT_PROTOCOL, VOICE_FAULT_EXPIRED, VOICE_FAULT_CLOSED,
	    VOICE_FAULT_INTERNAL};

	(void)state;
	for (size_t i = 0; i < 10 * sizeof(own) / sizeof(own[0]); i++)
		break_by(own[i % (sizeof(own) / sizeof(own[0]))]);
	assert_int_equal(breaker.state, BREAKER_CLOSED);
	assert_int_equal(breaker.failures, 0);
}

static void
after_the_pause_one_attempt_is_allowed_and_no_second(void **state)
{
	(void)state;
	open_by(VOICE_FAULT_NETWORK, BREAKER_FAILURES);
	pass_the_pause();
	assert_true(breaker_is_open(&breaker));
	for (int i = 0; i < 100; i++) {
		now_ms += 10000;
		assert_false(breaker_allows(&breaker, now_ms));
	}
}

static void
the_attempt_that_works_closes_it(void **state)
{
	(void)state;
	open_by(VOICE_FAULT_QUOTA, 1);
	pass_the_pause();
	breaker_succeeded(&breaker);
	assert_int_equal(breaker.state, BREAKER_CLOSED);
	assert_true(breaker_allows(&breaker, now_ms));
	/* And the next outage begins with a short pause again. */
	assert_int_equal(open_by(VOICE_FAULT_NETWORK, BREAKER_FAILURES),
	    BREAKER_OPEN_FIRST_MS);
}

static void
an_attempt_that_fails_opens_it_again_whatever_the_fault(void **state)
{
	for (int i = 0; i < VOICE_FAULT_COUNT; i++) {
		setup(state);
		open_by(VOICE_FAULT_NETWORK, BREAKER_FAILURES);
		pass_the_pause();
		break_by((enum voice_fault)i);
		assert_int_equal(breaker.state, BREAKER_OPEN);
		assert_int_equal(breaker.fault, i);
		assert_true(breaker.open_until_ms > now_ms);
	}
}

static void
pauses_grow_to_a_limit(void **state)
{
	uint64_t last_ms = 0;

	(void)state;
	open_by(VOICE_FAULT_NETWORK, BREAKER_FAILURES);
	for (int i = 0; i < 10; i++) {
		assert_true(breaker.open_ms >= last_ms);
		assert_true(breaker.open_ms <= BREAKER_OPEN_MAX_MS);
		last_ms = breaker.open_ms;
		pass_the_pause();
		break_by(VOICE_FAULT_REFUSED);
	}
	assert_int_equal(last_ms, BREAKER_OPEN_MAX_MS);
}

static void
faults_while_it_is_open_do_not_make_the_pause_longer(void **state)
{
	uint64_t until_ms;

	(void)state;
	open_by(VOICE_FAULT_NETWORK, BREAKER_FAILURES);
	until_ms = breaker.open_until_ms;
	now_ms += 500;
	break_by(VOICE_FAULT_NETWORK);
	break_by(VOICE_FAULT_KEY);
	assert_int_equal(breaker.open_until_ms, until_ms);
}

static void
a_session_that_comes_up_late_closes_an_open_one(void **state)
{
	(void)state;
	open_by(VOICE_FAULT_RATE_LIMIT, 1);
	breaker_succeeded(&breaker);
	assert_true(breaker_allows(&breaker, now_ms));
}

static void
reading_the_configuration_again_forgets_everything(void **state)
{
	(void)state;
	open_by(VOICE_FAULT_KEY, 1);
	breaker_reset(&breaker);
	assert_false(breaker_is_open(&breaker));
	assert_true(breaker_allows(&breaker, now_ms));
	assert_int_equal(open_by(VOICE_FAULT_NETWORK, BREAKER_FAILURES),
	    BREAKER_OPEN_FIRST_MS);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
	    TEST(a_new_breaker_allows_any_number_of_attempts),
	    TEST(the_third_passing_fault_in_a_row_opens_it),
	    TEST(a_success_in_between_starts_the_count_again),
	    TEST(a_lasting_fault_opens_it_at_once_and_for_long),
	    TEST(a_rate_limit_opens_it_at_once),
	    TEST(faults_that_say_nothing_about_the_service_do_not_count),
	    TEST(after_the_pause_one_attempt_is_allowed_and_no_second),
	    TEST(the_attempt_that_works_closes_it),
	    TEST(an_attempt_that_fails_opens_it_again_whatever_the_fault),
	    TEST(pauses_grow_to_a_limit),
	    TEST(faults_while_it_is_open_do_not_make_the_pause_longer),
	    TEST(a_session_that_comes_up_late_closes_an_open_one),
	    TEST(reading_the_configuration_again_forgets_everything),
	};

	log_init("unit", (enum log_level)0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
