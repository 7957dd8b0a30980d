/* SPDX-License-Identifier: MIT */
/* test_keeper.c – children are born, outlived, replaced and ended. */
#include "tests/unit/keeper_rig.h"

/* -- how children are born ---------------------------------------------------------------- */

static void
a_child_gets_exactly_what_is_published(void **state)
{
	struct keeper_message spawned;
	struct child worker;

	(void)state;
	assert_int_equal(rig.supervisor.report.descriptors, 0x3f);
	assert_string_equal(rig.supervisor.report.secrets, "PASSWORD=x\n");
	assert_string_equal(
	    rig.supervisor.report.argument, "--config /etc/unit.env ");
	worker = spawn_worker(&spawned);
	assert_int_equal(worker.report.descriptors, 0x0f);
	assert_string_equal(worker.report.secrets, "");
	assert_true(worker.report.stdin_is_null);
	assert_int_equal(worker.report.pid, spawned.pid);
	assert_int_equal(worker.report.parent, rig.keeper);
	assert_int_equal(worker.report.group, worker.report.pid);
	forget(&worker);
}

static void
a_workers_channel_reaches_the_supervisor(void **state)
{
	struct child worker;
	char text[8];
	int fd;

	(void)state;
	order(
	    (struct keeper_message){
		.op = KEEPER_SPAWN, .seq = 1, .role = PROC_ROLE_CALLWORKER},
	    -1);
	expect(KEEPER_SPAWNED, &fd);
	worker = accept_child("callworker");
	assert_int_equal(send(worker.channel, "hola", 4, 0), 4);
	assert_int_equal(recv(fd, text, sizeof(text), 0), 4);
	close(fd);
	forget(&worker);
}

static void
what_cannot_be_started_is_reported_with_its_reason(void **state)
{
	struct keeper_message failed;

	(void)state;
	/* There is no copy of that name. */
	order(
	    (struct keeper_message){
		.op = KEEPER_SPAWN, .seq = 3, .role = PROC_ROLE_TOOLWORKER},
	    -1);
	failed = expect(KEEPER_SPAWN_FAILED, NULL);
	assert_int_equal(failed.seq, 3);
	assert_int_equal(failed.value, ENOENT);
	order(
	    (struct keeper_message){
		.op = KEEPER_SPAWN, .seq = 4, .role = PROC_ROLE_SUPERVISOR},
	    -1);
	failed = expect(KEEPER_SPAWN_FAILED, NULL);
	assert_int_equal(failed.value, EINVAL);
}

static void
an_exit_is_reported_with_status_and_usage(void **state)
{
	struct keeper_message spawned, exited;
	struct child worker = spawn_worker(&spawned);

	(void)state;
	end_child(&worker, 4);
	exited = expect(KEEPER_EXITED, NULL);
	assert_int_equal(exited.child, spawned.child);
	assert_int_equal(exited.pid, spawned.pid);
	assert_true(WIFEXITED(exited.value));
	assert_int_equal(WEXITSTATUS(exited.value), 4);
	assert_true(exited.max_rss_kib > 0);
}

static void
a_worker_is_killed_when_ordered(void **state)
{
	struct keeper_message spawned, exited;
	struct child worker = spawn_worker(&spawned);

	(void)state;
	order(
	    (struct keeper_message){
		.op = KEEPER_KILL, .child = spawned.child, .value = SIGKILL},
	    -1);
	exited = expect(KEEPER_EXITED, NULL);
	assert_true(WIFSIGNALED(exited.value));
	/* Its number is nobody's now: no process is hit. */
	order(
	    (struct keeper_message){
		.op = KEEPER_KILL, .child = spawned.child, .value = SIGKILL},
	    -1);
	order((struct keeper_message){.op = KEEPER_KILL, .child = 4711}, -1);
	forget(&worker);
}

/* -- what outlives a supervisor -------------------------------------------------------------- */

/* The rows of the next table, with the pid of each held descriptor's child. */
static uint32_t
read_table(struct keeper_message rows[], size_t rows_max)
{
	uint32_t n = 0;

	for (;;) {
		struct keeper_message message = {0};
		int fd = -1;

		assert_true(readable(rig.supervisor.channel, PATIENCE_MS));
		assert_int_equal(
		    keeper_link_receive(rig.supervisor.channel, &message, &fd),
		    1);
		if (message.op == KEEPER_TABLE_END) {
			assert_int_equal(message.value, n);
			return n;
		}
		assert_int_equal(message.op, KEEPER_HELD);
		assert_true(fd >= 0 && n < rows_max);
		close(fd);
		rows[n++] = message;
	}
}

static void
hold(uint32_t child, enum keeper_held held, const char *call)
{
	struct keeper_message message = {
	    .op = KEEPER_HOLD, .child = child, .held = held};

	snprintf(message.text, sizeof(message.text), "%s", call);
	order(message, STDOUT_FILENO);
}

static void
a_new_supervisor_gets_the_table_and_workers_notice_nothing(void **state)
{
	struct keeper_message spawned, rows[8];
	struct child worker = spawn_worker(&spawned);
	pid_t first = rig.supervisor.report.pid;

	(void)state;
	hold(spawned.child, KEEPER_HELD_RTP, "17.4");
	hold(spawned.child, KEEPER_HELD_JOURNAL, "17.4");
	kill_child(&rig.supervisor);
	accept_supervisor();
	assert_int_not_equal(rig.supervisor.report.pid, first);
	assert_int_equal(read_table(rows, 8), 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(rows[i].child, spawned.child);
		assert_int_equal(rows[i].pid, spawned.pid);
		assert_int_equal(rows[i].role, PROC_ROLE_CALLWORKER);
		assert_string_equal(rows[i].text, "17.4");
	}
	assert_int_equal(rows[0].held, KEEPER_HELD_CHANNEL);
	assert_int_equal(rows[1].held, KEEPER_HELD_RTP);
	assert_int_equal(rows[2].held, KEEPER_HELD_JOURNAL);
	assert_int_equal(kill(spawned.pid, 0), 0);
	assert_false(readable(worker.control, 0));
	/* And the new one is obeyed. */
	order(
	    (struct keeper_message){
		.op = KEEPER_KILL, .child = spawned.child, .value = SIGTERM},
	    -1);
	expect(KEEPER_EXITED, NULL);
	forget(&worker);
}

static void
of_a_worker_that_died_meanwhile_the_call_is_left(void **state)
{
	struct keeper_message spawned, rows[8];
	struct child worker = spawn_worker(&spawned);

	(void)state;
	hold(spawned.child, KEEPER_HELD_RTP, "17.4");
	end_child(&worker, 0);
	expect(KEEPER_EXITED, NULL);
	kill_child(&rig.supervisor);
	accept_supervisor();
	assert_int_equal(read_table(rows, 8), 2);
	assert_int_equal(rows[0].pid, 0);
	assert_string_equal(rows[1].text, "17.4");
}

static void
what_was_released_is_not_handed_over(void **state)
{
	struct keeper_message spawned, rows[8];
	struct child worker = spawn_worker(&spawned);

	(void)state;
	hold(spawned.child, KEEPER_HELD_RTP, "17.4");
	end_child(&worker, 0);
	expect(KEEPER_EXITED, NULL);
	order((struct keeper_message){.op = KEEPER_RELEASE,
		  .child = spawned.child},
	    -1);
	kill_child(&rig.supervisor);
	accept_supervisor();
	assert_int_equal(read_table(rows, 8), 0);
}

static void
orders_that_make_no_sense_harm_nobody(void **state)
{
	struct keeper_message spawned;
	struct child worker, other;

	(void)state;
	hold(4711, KEEPER_HELD_RTP, "17.4");
	order((struct keeper_message){.op = KEEPER_HOLD, .child = 1}, -1);
	order((struct keeper_message){.op = KEEPER_RELEASE, .child = 4711}, -1);
	order((struct keeper_message){.op = KEEPER_EXITED, .child = 1}, -1);
	order((struct keeper_message){.op = 999}, STDOUT_FILENO);
	worker = spawn_worker(&spawned);
	hold(spawned.child, (enum keeper_held)77, "17.4");
	/* Before the first one's exit is reported. */
	other = spawn_worker(&spawned);
	forget(&worker);
	forget(&other);
}

static void
a_supervisor_that_says_nonsense_is_replaced(void **state)
{
	pid_t first = rig.supervisor.report.pid;
	struct keeper_message rows[1];

	(void)state;
	assert_int_equal(send(rig.supervisor.channel, "nonsense", 8, 0), 8);
	accept_supervisor();
	assert_int_not_equal(rig.supervisor.report.pid, first);
	assert_int_equal(read_table(rows, 1), 0);
}

static void
a_supervisor_that_hangs_is_replaced(void **state)
{
	pid_t first = rig.supervisor.report.pid;
	uint64_t begin_ms = clock_now_ms();

	(void)state;
	order((struct keeper_message){.op = KEEPER_ALIVE}, -1);
	/* It says nothing more, and does not die by itself. */
	accept_supervisor();
	assert_int_not_equal(rig.supervisor.report.pid, first);
	assert_true(clock_now_ms() - begin_ms >= 4000);
}

static void
restarts_slow_down(void **state)
{
	static const uint64_t at_least_ms[] = {0, 100, 200, 400};
	struct keeper_message rows[1];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		uint64_t begin_ms = clock_now_ms();

		end_child(&rig.supervisor, PROC_EXIT_INTERNAL);
		accept_supervisor();
		assert_true(clock_now_ms() - begin_ms >= at_least_ms[i]);
		read_table(rows, 1);
	}
}

/* -- the end of the service ---------------------------------------------------------------------- */

static int64_t
cpu_ms(clockid_t clock)
{
	struct timespec used;

	assert_int_equal(clock_gettime(clock, &used), 0);
	return (int64_t)used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

/* It would fill the log, and a processor. */
static void
what_is_not_there_is_not_tried_without_a_pause(void **state)
{
	uint64_t end_ms = clock_now_ms() + PATIENCE_MS;
	char path[128];
	clockid_t clock;
	int64_t before_ms;

	(void)state;
	snprintf(path, sizeof(path), "%s/telefonista-supervisor", rig.folder);
	while (access(path, F_OK) == 0) {
		assert_true(clock_now_ms() < end_ms);
		poll(NULL, 0, 5);
	}
	assert_int_equal(clock_getcpuclockid(rig.keeper, &clock), 0);
	before_ms = cpu_ms(clock);
	poll(NULL, 0, 1000); /* of which it may use a fifth */
	assert_true(cpu_ms(clock) - before_ms < 200);
	copy_self("telefonista-supervisor");
	accept_supervisor();
	expect(KEEPER_TABLE_END, NULL);
}

static void
a_configuration_error_at_the_first_start_is_the_operators(void **state)
{
	(void)state;
	end_child(&rig.supervisor, PROC_EXIT_CONFIG);
	assert_int_equal(keeper_status(), PROC_EXIT_CONFIG);
}

static void
a_configuration_error_later_on_does_not_end_calls(void **state)
{
	(void)state;
	order((struct keeper_message){.op = KEEPER_READY}, -1);
	assert_notified("READY=1");
	end_child(&rig.supervisor, PROC_EXIT_CONFIG);
	accept_supervisor();
}

static void
a_stop_is_passed_on_and_ends_everything(void **state)
{
	struct keeper_message spawned, told;
	struct child worker = spawn_worker(&spawned);

	(void)state;
	kill(rig.keeper, SIGINT);
	told = expect(KEEPER_SIGNAL, NULL);
	assert_int_equal(told.value, SIGTERM);
	assert_notified("STOPPING=1");
	end_child(&rig.supervisor, PROC_EXIT_OK);
	assert_int_equal(keeper_status(), PROC_EXIT_OK);
	assert_true(readable(worker.control, PATIENCE_MS)); /* it is dead */
	forget(&worker);
}

static void
a_worker_that_does_not_end_is_killed(void **state)
{
	struct keeper_message spawned;
	struct child worker = spawn_worker(&spawned);

	(void)state;
	kill(rig.keeper, SIGTERM);
	expect(KEEPER_SIGNAL, NULL);
	end_child(&rig.supervisor, PROC_EXIT_OK);
	assert_int_equal(keeper_status(), PROC_EXIT_OK);
	assert_true(readable(worker.control, PATIENCE_MS));
	forget(&worker);
}

static void
a_supervisor_that_dies_while_it_stops_is_replaced(void **state)
{
	struct keeper_message spawned, rows[4];
	struct child worker = spawn_worker(&spawned);

	(void)state;
	hold(spawned.child, KEEPER_HELD_RTP, "17.4");
	kill(rig.keeper, SIGTERM);
	expect(KEEPER_SIGNAL, NULL);
	kill_child(&rig.supervisor);
	accept_supervisor();
	assert_int_equal(read_table(rows, 4), 2);
	assert_int_equal(expect(KEEPER_SIGNAL, NULL).value, SIGTERM);
	assert_false(readable(worker.control, 0)); /* it talks on */
	end_child(&rig.supervisor, PROC_EXIT_OK);
	assert_int_equal(keeper_status(), PROC_EXIT_OK);
	forget(&worker);
}

static void
supervisors_that_die_again_and_again_do_not_hold_up_a_stop(void **state)
{
	struct keeper_message rows[1];

	(void)state;
	kill(rig.keeper, SIGTERM);
	expect(KEEPER_SIGNAL, NULL);
	for (int i = 0; i < 3; i++) {
		end_child(&rig.supervisor, PROC_EXIT_INTERNAL);
		accept_supervisor();
		read_table(rows, 1);
	}
	end_child(&rig.supervisor, PROC_EXIT_INTERNAL);
	assert_int_equal(keeper_status(), PROC_EXIT_INTERNAL);
}

static void
told_twice_the_keeper_does_not_wait_for_calls(void **state)
{
	(void)state;
	kill(rig.keeper, SIGTERM);
	expect(KEEPER_SIGNAL, NULL);
	kill(rig.keeper, SIGTERM);
	/* So that the supervisor hangs up all callers. */
	assert_int_equal(expect(KEEPER_SIGNAL, NULL).value, SIGTERM);
	end_child(&rig.supervisor, PROC_EXIT_OK);
	assert_int_equal(keeper_status(), PROC_EXIT_OK);
}

static void
told_twice_the_keeper_does_not_wait_for_a_supervisor_that_hangs(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		kill(rig.keeper, SIGTERM);
		expect(KEEPER_SIGNAL, NULL);
	}
	assert_int_equal(keeper_status(), PROC_EXIT_OK);
}

static void
a_stop_between_two_supervisors_still_says_goodbye_to_calls(void **state)
{
	struct keeper_message spawned, rows[4];
	struct child worker = spawn_worker(&spawned);

	(void)state;
	/* The next one would come after 100, 200, 400 ms. */
	for (int i = 0; i < 3; i++) {
		end_child(&rig.supervisor, PROC_EXIT_INTERNAL);
		accept_supervisor();
		read_table(rows, 4);
	}
	end_child(&rig.supervisor, PROC_EXIT_INTERNAL);
	kill(rig.keeper, SIGTERM);
	accept_supervisor();
	read_table(rows, 4);
	assert_int_equal(expect(KEEPER_SIGNAL, NULL).value, SIGTERM);
	assert_false(readable(worker.control, 0));
	end_child(&rig.supervisor, PROC_EXIT_OK);
	assert_int_equal(keeper_status(), PROC_EXIT_OK);
	forget(&worker);
}

static void
a_supervisor_told_to_end_ends_the_service(void **state)
{
	(void)state;
	order((struct keeper_message){.op = KEEPER_STOPPING}, -1);
	assert_notified("STOPPING=1");
	end_child(&rig.supervisor, PROC_EXIT_OK);
	assert_int_equal(keeper_status(), PROC_EXIT_OK);
}

static void
other_signals_are_passed_on(void **state)
{
	(void)state;
	kill(rig.keeper, SIGHUP);
	assert_int_equal(expect(KEEPER_SIGNAL, NULL).value, SIGHUP);
	kill(rig.keeper, SIGUSR1);
	assert_int_equal(expect(KEEPER_SIGNAL, NULL).value, SIGUSR1);
}

static void
systemd_is_told_once_that_calls_are_taken_and_how_it_goes(void **state)
{
	struct keeper_message status = {.op = KEEPER_STATUS};

	(void)state;
	order((struct keeper_message){.op = KEEPER_READY}, -1);
	order((struct keeper_message){.op = KEEPER_READY}, -1);
	snprintf(status.text, sizeof(status.text), "ari=up calls=2");
	order(status, -1);
	assert_notified("READY=1");
	assert_notified("STATUS=ari=up calls=2");
}

/* Each line of a datagram is a word of the whole service's. */
static void
a_status_says_nothing_else_to_systemd(void **state)
{
	struct keeper_message status = {.op = KEEPER_STATUS};

	(void)state;
	snprintf(status.text, sizeof(status.text), "ari=up\nMAINPID=1\n");
	order(status, -1);
	assert_notified("STATUS=ari=up MAINPID=1 ");
}

static void
children_are_told_when_the_keeper_dies(void **state)
{
	struct keeper_message spawned;
	struct child worker = spawn_worker(&spawned);

	(void)state;
	kill(rig.keeper, SIGKILL);
	/* SIGTERM, which these children do not handle. */
	assert_true(readable(worker.control, PATIENCE_MS));
	assert_true(readable(rig.supervisor.control, PATIENCE_MS));
	forget(&worker);
}

int
main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_child_gets_exactly_what_is_published),
	    TEST(a_workers_channel_reaches_the_supervisor),
	    TEST(what_cannot_be_started_is_reported_with_its_reason),
	    TEST(an_exit_is_reported_with_status_and_usage),
	    TEST(a_worker_is_killed_when_ordered),
	    TEST(a_new_supervisor_gets_the_table_and_workers_notice_nothing),
	    TEST(of_a_worker_that_died_meanwhile_the_call_is_left),
	    TEST(what_was_released_is_not_handed_over),
	    TEST(orders_that_make_no_sense_harm_nobody),
	    TEST(a_supervisor_that_says_nonsense_is_replaced),
	    TEST(a_supervisor_that_hangs_is_replaced),
	    TEST(restarts_slow_down),
	    cmocka_unit_test_setup_teardown(
		what_is_not_there_is_not_tried_without_a_pause, setup_missing,
		teardown),
	    TEST(a_configuration_error_at_the_first_start_is_the_operators),
	    TEST(a_configuration_error_later_on_does_not_end_calls),
	    TEST(a_stop_is_passed_on_and_ends_everything),
	    cmocka_unit_test_setup_teardown(
		a_worker_that_does_not_end_is_killed, setup_stubborn, teardown),
	    TEST(a_supervisor_that_dies_while_it_stops_is_replaced),
	    TEST(supervisors_that_die_again_and_again_do_not_hold_up_a_stop),
	    TEST(told_twice_the_keeper_does_not_wait_for_calls),
	    TEST(
		told_twice_the_keeper_does_not_wait_for_a_supervisor_that_hangs),
	    TEST(a_stop_between_two_supervisors_still_says_goodbye_to_calls),
	    TEST(a_supervisor_told_to_end_ends_the_service),
	    TEST(other_signals_are_passed_on),
	    TEST(systemd_is_told_once_that_calls_are_taken_and_how_it_goes),
	    TEST(a_status_says_nothing_else_to_systemd),
	    TEST(children_are_told_when_the_keeper_dies),
	};

	be_copy(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
