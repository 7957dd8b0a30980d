/* SPDX-License-Identifier: MIT */
/*
 * test_keeper_standby.c – a supervisor of a new binary takes the place of the
 * one that works, whichever of the two dies, and also while the service stops.
 */
#include "tests/unit/keeper_rig.h"

static struct child standby;

static void
say(enum keeper_op op)
{
	order((struct keeper_message){.op = op}, -1);
}

/* The test speaks with the other one. */
static void
change_sides(void)
{
	struct child other = rig.supervisor;

	rig.supervisor = standby;
	standby = other;
}

/* A new binary, and the reload that starts it. */
static void
start_standby(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/telefonista-supervisor", rig.folder);
	assert_int_equal(unlink(path), 0);
	copy_self("telefonista-supervisor");
	assert_int_equal(kill(rig.keeper, SIGHUP), 0);
	assert_int_equal(expect(KEEPER_SIGNAL, NULL).value, SIGHUP);
	say(KEEPER_RELOADED); /* value 0: KEEPER_RELOADED_ALL */
	standby = accept_child("supervisor");
	assert_string_equal(
	    standby.report.argument, "--config /etc/unit.env --standby ");
}

/* … until it is told to connect. */
static void
let_it_connect(void)
{
	start_standby();
	change_sides();
	say(KEEPER_PREPARED);
	change_sides();
	expect(KEEPER_YIELD, NULL);
	say(KEEPER_YIELDING);
	change_sides();
	expect(KEEPER_CONNECT, NULL);
	change_sides();
}

static void
stop(void)
{
	assert_int_equal(kill(rig.keeper, SIGTERM), 0);
	assert_int_equal(expect(KEEPER_SIGNAL, NULL).value, SIGTERM);
}

static void
it_gets_the_table_when_the_old_one_has_ended(void **state)
{
	(void)state;
	let_it_connect();
	end_child(&rig.supervisor, PROC_EXIT_HANDED_OVER);
	change_sides();
	expect(KEEPER_TABLE_END, NULL);
	forget(&standby);
}

/* It still reads its settings, and says only later that it could. */
static void
it_takes_over_from_one_that_dies_first(void **state)
{
	struct keeper_message spawned;
	struct child worker;

	(void)state;
	start_standby();
	kill_child(&rig.supervisor);
	change_sides();
	expect(KEEPER_TABLE_END, NULL);
	say(KEEPER_PREPARED);
	worker = spawn_worker(&spawned); /* it is obeyed */
	forget(&worker);
	forget(&standby);
}

static void
a_stop_reaches_the_one_that_takes_over(void **state)
{
	(void)state;
	let_it_connect();
	stop();
	end_child(&rig.supervisor, PROC_EXIT_HANDED_OVER);
	change_sides();
	expect(KEEPER_TABLE_END, NULL);
	assert_int_equal(expect(KEEPER_SIGNAL, NULL).value, SIGTERM);
	end_child(&rig.supervisor, PROC_EXIT_OK);
	assert_int_equal(keeper_status(), PROC_EXIT_OK);
	forget(&standby);
}

/* The signal was sent to the one that works, which drains and ends. */
static void
a_supervisor_that_stops_by_itself_has_no_successor(void **state)
{
	(void)state;
	start_standby();
	say(KEEPER_STOPPING);
	assert_true(readable(standby.control, PATIENCE_MS)); /* it is dead */
	end_child(&rig.supervisor, PROC_EXIT_OK);
	assert_int_equal(keeper_status(), PROC_EXIT_OK);
	forget(&standby);
}

/* Nobody has said goodbye to the calls. */
static void
a_stop_is_not_over_when_both_have_ended(void **state)
{
	(void)state;
	let_it_connect();
	stop();
	kill_child(&standby);
	expect(KEEPER_STAY, NULL);
	end_child(&rig.supervisor, PROC_EXIT_HANDED_OVER);
	accept_supervisor();
	expect(KEEPER_TABLE_END, NULL);
	assert_int_equal(expect(KEEPER_SIGNAL, NULL).value, SIGTERM);
	end_child(&rig.supervisor, PROC_EXIT_OK);
	assert_int_equal(keeper_status(), PROC_EXIT_OK);
}

/* As when its name servers have changed: nobody asked for that one. */
static void
a_reload_is_not_lost_with_one_that_came_unasked(void **state)
{
	(void)state;
	order((struct keeper_message){.op = KEEPER_RELOADED,
		  .value = KEEPER_RELOADED_OUTSIDE},
	    -1);
	standby = accept_child("supervisor");
	assert_int_equal(kill(rig.keeper, SIGHUP), 0);
	kill_child(&standby);
	assert_int_equal(expect(KEEPER_SIGNAL, NULL).value, SIGHUP);
}

/* Who is to hang up at once is not one that still has to take over. */
static void
told_twice_the_old_one_stays(void **state)
{
	(void)state;
	let_it_connect();
	stop();
	kill(rig.keeper, SIGTERM);
	expect(KEEPER_STAY, NULL);
	assert_int_equal(expect(KEEPER_SIGNAL, NULL).value, SIGTERM);
	assert_true(readable(standby.control, PATIENCE_MS)); /* it is dead */
	end_child(&rig.supervisor, PROC_EXIT_OK);
	assert_int_equal(keeper_status(), PROC_EXIT_OK);
	forget(&standby);
}

int
main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest tests[] = {
	    TEST(it_gets_the_table_when_the_old_one_has_ended),
	    TEST(it_takes_over_from_one_that_dies_first),
	    TEST(a_stop_reaches_the_one_that_takes_over),
	    TEST(a_supervisor_that_stops_by_itself_has_no_successor),
	    TEST(a_stop_is_not_over_when_both_have_ended),
	    TEST(a_reload_is_not_lost_with_one_that_came_unasked),
	    TEST(told_twice_the_old_one_stays),
	};

	be_copy(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
