/* SPDX-License-Identifier: MIT */
/*
 * test_handover.c – a supervisor makes way for its successor, or stays; and a
 * stop that comes in between is nobody's loss.
 */
#include "supervisor/ari.h"
#include "supervisor/calls.h"
#include "supervisor/fleet.h"
#include "supervisor/handover.h"
#include "supervisor/keeper_client.h"
#include "tests/unit/fake_clock.h"
#include "tests/unit/timers.h"

#include "common/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct {
	struct event_base *base;
	struct handover *handover;
	enum ari_state ari;
	bool expects; /* to be replaced */
	bool idle;
	bool quiet;
	bool flushed;
	int reconnects;
	enum keeper_op said; /* to the keeper, last; 0: nothing */
	int done;
	int stops;
} rig;

/* -- the rooms beside it -------------------------------------------------------- */

enum ari_state
ari_state(const struct ari *ari)
{
	(void)ari;
	return rig.ari;
}

void
ari_expect_replaced(struct ari *ari, bool expect)
{
	(void)ari;
	rig.expects = expect;
}

bool
ari_is_idle(const struct ari *ari)
{
	(void)ari;
	return rig.idle;
}

void
ari_reconnect(struct ari *ari, const char *why)
{
	(void)ari;
	(void)why;
	assert_false(rig.expects);
	rig.reconnects++;
}

bool
calls_are_quiet(const struct calls *calls)
{
	(void)calls;
	return rig.quiet;
}

size_t
calls_count(const struct calls *calls)
{
	(void)calls;
	return 0;
}

bool
fleet_is_flushed(const struct fleet *fleet)
{
	(void)fleet;
	return rig.flushed;
}

struct keeper_client *
fleet_keeper(struct fleet *fleet)
{
	(void)fleet;
	return NULL;
}

void
keeper_client_say(
    struct keeper_client *client, enum keeper_op op, int32_t value)
{
	(void)client;
	(void)value;
	rig.said = op;
}

/* -- the test's side -------------------------------------------------------------- */

static void
on_done(void *arg)
{
	assert_ptr_equal(arg, &rig);
	rig.done++;
}

/* As main.c has it. */
static void
on_stop(void *arg)
{
	assert_ptr_equal(arg, &rig);
	assert_true(handover_may_stop(rig.handover));
	rig.stops++;
}

static int
setup(void **state)
{
	struct handover_env env = {
	    .on_done = on_done, .on_stop = on_stop, .arg = &rig};

	(void)state;
	memset(&rig, 0, sizeof(rig));
	rig.ari = ARI_UP;
	rig.idle = rig.quiet = rig.flushed = true;
	env.base = rig.base = event_base_new();
	return handover_new(&rig.handover, &env);
}

static int
teardown(void **state)
{
	(void)state;
	handover_free(&rig.handover);
	event_base_free(rig.base);
	return 0;
}

static void
pass(uint64_t ms)
{
	fake_now_ms += ms;
	timers_turn(rig.base);
}

/* Until the successor may connect. */
static void
yield(void)
{
	handover_begin(rig.handover);
	pass(10);
	assert_int_equal(rig.said, KEEPER_YIELDING);
	assert_true(rig.expects);
}

/* … and has. */
static void
lose_the_name(void)
{
	yield();
	rig.idle = false;
	rig.ari = ARI_REPLACED;
	pass(10);
	assert_int_equal(rig.done, 0);
}

/* -- it makes way ------------------------------------------------------------------- */

static void
it_ends_when_the_name_and_the_last_answers_have_gone(void **state)
{
	(void)state;
	rig.quiet = false;
	handover_begin(rig.handover);
	pass(10);
	assert_int_equal(rig.said, 0);
	assert_false(handover_is_leaving(rig.handover));
	rig.quiet = true;
	pass(10);
	assert_int_equal(rig.said, KEEPER_YIELDING);
	assert_true(handover_is_leaving(rig.handover));
	rig.idle = rig.flushed = false;
	rig.ari = ARI_REPLACED;
	pass(10);
	pass(10);
	rig.idle = true;
	pass(10);
	assert_int_equal(rig.done, 0);
	rig.flushed = true;
	pass(10);
	assert_int_equal(rig.done, 1);
	assert_int_equal(rig.reconnects, 0);
}

static void
nothing_is_waited_for_without_end(void **state)
{
	(void)state;
	rig.quiet = rig.idle = false;
	handover_begin(rig.handover);
	pass(HANDOVER_QUIET_MS);
	assert_int_equal(rig.said, KEEPER_YIELDING);
	rig.ari = ARI_DOWN; /* that is not waited for, either */
	pass(10);
	pass(HANDOVER_FINISH_MS);
	assert_int_equal(rig.done, 1);
}

static void
without_asterisk_there_is_no_name_to_leave(void **state)
{
	(void)state;
	rig.ari = ARI_DOWN;
	handover_begin(rig.handover);
	pass(10);
	pass(10);
	assert_int_equal(rig.said, 0);
	assert_int_equal(rig.done, 1);
}

/* -- it stays ------------------------------------------------------------------------ */

static void
a_successor_that_does_not_connect_changes_nothing(void **state)
{
	(void)state;
	yield();
	pass(HANDOVER_NAME_MS);
	assert_int_equal(rig.said, KEEPER_YIELD_FAILED);
	assert_false(rig.expects);
	assert_int_equal(rig.reconnects, 0);
	assert_int_equal(rig.stops, 0);
	assert_false(handover_is_leaving(rig.handover));
	pass(HANDOVER_FINISH_MS);
	assert_int_equal(rig.done, 0);
}

static void
the_name_is_taken_back_from_one_that_has_died(void **state)
{
	static const enum ari_state states[] = {ARI_REPLACED, ARI_DOWN};

	(void)state;
	for (int i = 0; i < 2; i++) {
		lose_the_name();
		rig.ari = states[i];
		handover_stay(rig.handover, "unit");
		assert_int_equal(rig.reconnects, i + 1);
		rig.ari = ARI_UP;
	}
	assert_int_equal(rig.stops, 0);
	assert_int_equal(rig.done, 0);
}

/* -- a stop in between ------------------------------------------------------------------ */

static void
a_stop_before_the_name_is_left_is_for_this_one(void **state)
{
	(void)state;
	assert_true(handover_may_stop(rig.handover));
	rig.quiet = false;
	handover_begin(rig.handover);
	pass(10);
	assert_true(handover_may_stop(rig.handover));
	rig.quiet = true;
	pass(10);
	assert_int_equal(rig.said, 0);
	assert_int_equal(rig.done, 0);
}

/* It would drain without hearing of its calls. */
static void
a_stop_while_the_successor_connects_is_for_that_one(void **state)
{
	(void)state;
	yield();
	assert_false(handover_may_stop(rig.handover));
	assert_true(rig.expects);
	rig.ari = ARI_REPLACED;
	pass(10);
	pass(10);
	assert_int_equal(rig.done, 1);
	assert_int_equal(rig.stops, 0);
}

static void
a_stop_is_not_lost_with_a_successor_that_does_not_connect(void **state)
{
	(void)state;
	yield();
	assert_false(handover_may_stop(rig.handover));
	assert_false(handover_may_stop(rig.handover));
	pass(HANDOVER_NAME_MS);
	assert_int_equal(rig.stops, 1);
	assert_false(rig.expects);
	assert_int_equal(rig.done, 0);
}

static void
a_stop_is_not_lost_with_a_successor_that_dies(void **state)
{
	(void)state;
	lose_the_name();
	assert_false(handover_may_stop(rig.handover));
	handover_stay(rig.handover, "unit");
	assert_int_equal(rig.reconnects, 1);
	assert_int_equal(rig.stops, 1);
	/* Once only. */
	handover_stay(rig.handover, "unit");
	assert_int_equal(rig.stops, 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest tests[] = {
	    TEST(it_ends_when_the_name_and_the_last_answers_have_gone),
	    TEST(nothing_is_waited_for_without_end),
	    TEST(without_asterisk_there_is_no_name_to_leave),
	    TEST(a_successor_that_does_not_connect_changes_nothing),
	    TEST(the_name_is_taken_back_from_one_that_has_died),
	    TEST(a_stop_before_the_name_is_left_is_for_this_one),
	    TEST(a_stop_while_the_successor_connects_is_for_that_one),
	    TEST(a_stop_is_not_lost_with_a_successor_that_does_not_connect),
	    TEST(a_stop_is_not_lost_with_a_successor_that_dies),
	};

	log_set_level(LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
