/* SPDX-License-Identifier: MIT */
/*
 * test_fleet.c – workers spawned through a keeper, watched, and mourned once.
 * The test is the keeper, and each worker.
 */
#include "supervisor/fleet.h"

#include "common/json.h"
#include "common/log.h"
#include "supervisor/keeper_client.h"
#include "supervisor/keeper_link.h"
#include "tests/unit/descriptors.h"
#include "tests/unit/fake_clock.h"
#include "tests/unit/timers.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	ORDERS_MAX = 64,
};

static struct {
	struct event_base *base;
	struct fleet *fleet;
	int keeper; /* the keeper's end */
	size_t descriptors;
	struct keeper_message orders[ORDERS_MAX];
	size_t order_count;

	int messages;
	enum message_type type;
	int gone;
	char how[128];
	struct worker *gone_worker;

	int adopted;
	struct worker *adopted_worker;
	char adopted_call[KEEPER_TEXT_MAX];
	bool adopted_rtp;
	int settled;
	int signal;
	int keeper_gone;
} rig;

/* -- what the fleet reports ---------------------------------------------------------- */

static void
on_message(
    struct worker *worker, enum message_type type, const cJSON *body, void *arg)
{
	(void)worker;
	(void)body;
	(void)arg;
	rig.messages++;
	rig.type = type;
}

static void
on_gone(struct worker *worker, const char *how, void *arg)
{
	(void)arg;
	rig.gone++;
	rig.gone_worker = worker;
	snprintf(rig.how, sizeof(rig.how), "%s", how);
}

static const struct worker_owner owner = {
    .on_message = on_message, .on_gone = on_gone};

static void
on_adopted(const struct fleet_adopted *adopted, void *arg)
{
	(void)arg;
	assert_int_equal(rig.settled, 0);
	rig.adopted++;
	rig.adopted_worker = adopted->worker;
	rig.adopted_rtp = adopted->held[KEEPER_HELD_RTP] >= 0;
	snprintf(
	    rig.adopted_call, sizeof(rig.adopted_call), "%s", adopted->call);
	if (adopted->worker != NULL)
		worker_set_owner(adopted->worker, &owner);
}

static void
on_settled(void *arg)
{
	(void)arg;
	rig.settled++;
}

static void
on_signal(int sig, void *arg)
{
	(void)arg;
	rig.signal = sig;
}

static void
on_keeper_gone(void *arg)
{
	(void)arg;
	rig.keeper_gone++;
}

static int
setup(void **state)
{
	static const struct fleet_callbacks callbacks = {
	    .on_adopted = on_adopted,
	    .on_settled = on_settled,
	    .on_signal = on_signal,
	    .on_keeper_gone = on_keeper_gone,
	};
	int pair[2];

	(void)state;
	memset(&rig, 0, sizeof(rig));
	rig.base = event_base_new();
	rig.descriptors = descriptors_open();
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	rig.keeper = pair[1];
	return fleet_new(&rig.fleet, rig.base, pair[0], &callbacks);
}

static int
teardown(void **state)
{
	(void)state;
	fleet_free(&rig.fleet);
	if (rig.keeper >= 0)
		close(rig.keeper);
	assert_int_equal(descriptors_open(), rig.descriptors);
	event_base_free(rig.base);
	return 0;
}

/* -- the keeper ------------------------------------------------------------------------ */

static void
read_orders(void)
{
	struct keeper_message order;
	int fd;

	timers_settle(rig.base);
	while (keeper_link_receive(rig.keeper, &order, &fd) == 1) {
		if (fd >= 0)
			close(fd);
		if (order.op == KEEPER_ALIVE)
			continue; /* with every turn of the timers */
		assert_true(rig.order_count < ORDERS_MAX);
		rig.orders[rig.order_count++] = order;
	}
}

/* How often OP was ordered for CHILD. */
static size_t
ordered(enum keeper_op op, uint32_t child)
{
	size_t n = 0;

	read_orders();
	for (size_t i = 0; i < rig.order_count; i++)
		n += rig.orders[i].op == op && rig.orders[i].child == child;
	return n;
}

/* The signal of the last kill, or 0. */
static int
killed(uint32_t child)
{
	int sig = 0;

	read_orders();
	for (size_t i = 0; i < rig.order_count; i++) {
		if (rig.orders[i].op == KEEPER_KILL &&
		    rig.orders[i].child == child)
			sig = rig.orders[i].value;
	}
	return sig;
}

static void
report(const struct keeper_message *message, int fd)
{
	assert_int_equal(keeper_link_send(rig.keeper, message, fd), 0);
	timers_settle(rig.base);
}

static uint32_t
last_seq(void)
{
	uint32_t seq = 0;

	read_orders();
	for (size_t i = 0; i < rig.order_count; i++) {
		if (rig.orders[i].op == KEEPER_SPAWN)
			seq = rig.orders[i].seq;
	}
	return seq;
}

/* Answers the last spawn order; returns the worker's end of its channel. */
static int
spawned(uint32_t child, pid_t pid)
{
	struct keeper_message message = {.op = KEEPER_SPAWNED,
	    .seq = last_seq(),
	    .child = child,
	    .pid = pid,
	    .role = PROC_ROLE_CALLWORKER};
	int pair[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	report(&message, pair[0]);
	close(pair[0]);
	return pair[1];
}

static void
exited(uint32_t child, int status)
{
	const struct keeper_message message = {
	    .op = KEEPER_EXITED, .child = child, .value = status};

	report(&message, -1);
}

static void
held_row(
    uint32_t child, pid_t pid, enum keeper_held held, const char *call, int fd)
{
	struct keeper_message message = {.op = KEEPER_HELD,
	    .child = child,
	    .pid = pid,
	    .role = PROC_ROLE_CALLWORKER,
	    .held = held};

	snprintf(message.text, sizeof(message.text), "%s", call);
	report(&message, fd);
}

static void
table_end(void)
{
	const struct keeper_message message = {.op = KEEPER_TABLE_END};

	report(&message, -1);
}

/* -- a worker ---------------------------------------------------------------------------- */

static void
say(int channel, const char *text)
{
	assert_int_equal(
	    send(channel, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	timers_settle(rig.base);
}

static struct worker *
start(uint32_t child, int *channel_out)
{
	struct worker *worker =
	    fleet_spawn(rig.fleet, PROC_ROLE_CALLWORKER, &owner);

	assert_non_null(worker);
	*channel_out = spawned(child, getpid());
	say(*channel_out, "{\"type\":\"hello\"}");
	return worker;
}

/* Time passes without anybody saying anything. */
static void
pass(uint64_t ms)
{
	for (uint64_t passed = 0; passed < ms; passed += 250) {
		fake_now_ms += 250;
		timers_turn(rig.base);
	}
}

/* -- tests --------------------------------------------------------------------------------- */

static void
a_worker_is_ordered_heard_and_mourned(void **state)
{
	struct worker *worker;
	int channel;

	(void)state;
	worker = start(7, &channel);
	assert_int_equal(worker_pid(worker), getpid());
	assert_int_equal(rig.type, MESSAGE_HELLO);
	say(channel, "{\"type\":\"bye\"}");
	close(channel);
	exited(7, 0);
	assert_int_equal(rig.type, MESSAGE_BYE);
	assert_int_equal(rig.gone, 1);
	assert_ptr_equal(rig.gone_worker, worker);
	assert_string_equal(rig.how, "exited with status 0 (done)");
	assert_int_equal(ordered(KEEPER_RELEASE, 7), 1);
	assert_int_equal(ordered(KEEPER_KILL, 7), 0);
	assert_int_equal(fleet_count(rig.fleet), 0);
}

static void
the_exit_may_be_reported_before_the_last_words_are_read(void **state)
{
	const struct keeper_message message = {
	    .op = KEEPER_EXITED, .child = 7, .value = SIGKILL};
	int channel;

	(void)state;
	start(7, &channel);
	/* Both lie there when the loop turns next. */
	assert_int_equal(keeper_link_send(rig.keeper, &message, -1), 0);
	assert_true(
	    send(channel, "{\"type\":\"bye\"}", 14, MSG_NOSIGNAL) == 14);
	close(channel);
	for (int i = 0; i < 10; i++)
		timers_settle(rig.base);
	assert_int_equal(rig.type, MESSAGE_BYE);
	assert_int_equal(rig.gone, 1);
	assert_string_equal(rig.how, "killed by signal 9 (Killed)");
}

static void
heartbeats_are_not_passed_on_and_keep_a_worker_alive(void **state)
{
	int channel;

	(void)state;
	start(7, &channel);
	for (int i = 0; i < 20; i++) {
		pass(500);
		say(channel, "{\"type\":\"heartbeat\"}");
	}
	assert_int_equal(rig.messages, 1);
	assert_int_equal(killed(7), 0);
	close(channel);
}

static void
a_worker_that_stops_beating_is_killed_once(void **state)
{
	int channel;

	(void)state;
	start(7, &channel);
	pass(FLEET_SILENCE_MS - 250);
	assert_int_equal(killed(7), 0);
	pass(500);
	assert_int_equal(killed(7), SIGKILL);
	pass(5000);
	assert_int_equal(ordered(KEEPER_KILL, 7), 1);
	assert_int_equal(rig.gone, 0); /* not before it is dead */
	close(channel);
	exited(7, SIGKILL);
	assert_int_equal(rig.gone, 1);
}

static void
a_worker_that_never_says_hello_is_killed(void **state)
{
	int channel;

	(void)state;
	fleet_spawn(rig.fleet, PROC_ROLE_CALLWORKER, &owner);
	channel = spawned(7, getpid());
	pass(FLEET_HELLO_MS - 500);
	assert_int_equal(killed(7), 0);
	pass(1000);
	assert_int_equal(killed(7), SIGKILL);
	close(channel);
}

static void
a_watcher_that_was_late_itself_gives_no_verdict(void **state)
{
	int channel;

	(void)state;
	start(7, &channel);
	pass(500);
	fake_now_ms += 10000; /* we stood still, not the worker */
	timers_turn(rig.base);
	assert_int_equal(killed(7), 0);
	pass(FLEET_SILENCE_MS + 500);
	assert_int_equal(killed(7), SIGKILL);
	close(channel);
}

static void
a_worker_that_is_being_debugged_may_stand_still(void **state)
{
	int pipe_fds[2], channel;
	pid_t child;

	(void)state;
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		char c;

		close(pipe_fds[1]);
		_exit(read(pipe_fds[0], &c, 1) == 0 ? 0 : 1);
	}
	close(pipe_fds[0]);
	if (ptrace(PTRACE_SEIZE, child, NULL, NULL) == 0) {
		fleet_spawn(rig.fleet, PROC_ROLE_CALLWORKER, &owner);
		channel = spawned(7, child);
		say(channel, "{\"type\":\"hello\"}");
		pass(60000);
		assert_int_equal(killed(7), 0);
		ptrace(PTRACE_DETACH, child, NULL, NULL);
		close(channel);
	} else {
		print_message("ptrace is not allowed here\n");
	}
	close(pipe_fds[1]);
	waitpid(child, NULL, 0);
}

static void
a_worker_that_breaks_the_protocol_is_killed(void **state)
{
	int channel;

	(void)state;
	start(7, &channel);
	say(channel, "{\"type\":\"call.assign\"}");
	assert_int_equal(killed(7), SIGKILL);
	close(channel);
	exited(7, SIGKILL);
	assert_int_equal(rig.gone, 1);
}

static void
a_worker_that_closed_its_channel_has_time_to_exit(void **state)
{
	struct worker *worker;
	int channel;

	(void)state;
	worker = start(7, &channel);
	close(channel);
	timers_settle(rig.base);
	assert_int_equal(killed(7), 0);
	assert_int_equal(worker_send(worker, MESSAGE_SYNC, NULL), -ENOTCONN);
	pass(FLEET_SILENCE_MS + 500);
	assert_int_equal(killed(7), SIGKILL);
	exited(7, SIGKILL);
	assert_int_equal(rig.gone, 1);
}

static void
a_worker_that_could_not_be_started_is_mourned_too(void **state)
{
	struct keeper_message message = {.op = KEEPER_SPAWN_FAILED,
	    .role = PROC_ROLE_CALLWORKER,
	    .value = EAGAIN};

	(void)state;
	fleet_spawn(rig.fleet, PROC_ROLE_CALLWORKER, &owner);
	message.seq = last_seq();
	report(&message, -1);
	assert_int_equal(rig.gone, 1);
	assert_non_null(strstr(rig.how, "could not be started"));
	assert_int_equal(fleet_count(rig.fleet), 0);
	/* An answer to nothing harms nobody. */
	report(&message, -1);
	assert_int_equal(rig.gone, 1);
}

static void
a_worker_that_cannot_be_talked_to_is_ended_and_mourned(void **state)
{
	const struct keeper_message message = {.op = KEEPER_SPAWNED,
	    .seq = 1,
	    .child = 7,
	    .pid = getpid(),
	    .role = PROC_ROLE_CALLWORKER};

	(void)state;
	fleet_spawn(rig.fleet, PROC_ROLE_CALLWORKER, &owner);
	assert_int_equal(last_seq(), 1);
	report(&message, -1); /* its channel got no number here */
	assert_int_equal(rig.gone, 1);
	assert_int_equal(killed(7), SIGKILL);
	assert_int_equal(ordered(KEEPER_RELEASE, 7), 1);
	assert_int_equal(fleet_count(rig.fleet), 0);
	exited(7, SIGKILL);
	assert_int_equal(rig.gone, 1);
	assert_int_equal(rig.keeper_gone, 0);
}

static void
a_signal_for_one_that_is_being_started_is_not_lost(void **state)
{
	struct worker *worker =
	    fleet_spawn(rig.fleet, PROC_ROLE_CALLWORKER, &owner);
	int channel;

	(void)state;
	worker_kill(worker, SIGKILL);
	worker_kill(worker, SIGTERM); /* does not make it milder */
	assert_int_equal(killed(7), 0);
	channel = spawned(7, getpid());
	assert_int_equal(killed(7), SIGKILL);
	close(channel);
}

static void
a_process_that_nobody_ordered_is_ended(void **state)
{
	int channel = spawned(9, getpid());

	(void)state;
	assert_int_equal(killed(9), SIGKILL);
	assert_int_equal(ordered(KEEPER_RELEASE, 9), 1);
	exited(9, SIGKILL);
	assert_int_equal(ordered(KEEPER_RELEASE, 9), 2);
	assert_int_equal(rig.gone, 0);
	close(channel);
}

static void
signals_for_all_spare_those_who_could_not_handle_them_yet(void **state)
{
	int first, second;

	(void)state;
	start(7, &first);
	fleet_spawn(rig.fleet, PROC_ROLE_CALLWORKER, &owner);
	second = spawned(8, getpid());
	fleet_signal(rig.fleet, SIGHUP);
	assert_int_equal(killed(7), SIGHUP);
	assert_int_equal(killed(8), 0);
	close(first);
	close(second);
}

static void
what_a_call_needs_is_held_by_the_keeper(void **state)
{
	struct worker *worker;
	int channel;

	(void)state;
	worker = start(7, &channel);
	worker_hold(worker, KEEPER_HELD_RTP, "17.4", STDOUT_FILENO);
	assert_int_equal(ordered(KEEPER_HOLD, 7), 1);
	for (size_t i = 0; i < rig.order_count; i++) {
		if (rig.orders[i].op != KEEPER_HOLD)
			continue;
		assert_int_equal(rig.orders[i].held, KEEPER_HELD_RTP);
		assert_string_equal(rig.orders[i].text, "17.4");
	}
	close(channel);
}

static void
the_table_of_a_predecessor_is_adopted_before_anything_else(void **state)
{
	int pair[2];

	(void)state;
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	held_row(5, getpid(), KEEPER_HELD_CHANNEL, "17.4", pair[0]);
	held_row(5, getpid(), KEEPER_HELD_RTP, "17.4", STDOUT_FILENO);
	/* A second row for the same, and one that does not exist. */
	held_row(5, getpid(), KEEPER_HELD_RTP, "17.4", STDOUT_FILENO);
	held_row(5, getpid(), KEEPER_HELD_COUNT, "17.4", STDOUT_FILENO);
	close(pair[0]);
	assert_int_equal(rig.adopted, 0);
	table_end();
	assert_int_equal(rig.adopted, 1);
	assert_int_equal(rig.settled, 1);
	assert_string_equal(rig.adopted_call, "17.4");
	assert_true(rig.adopted_rtp);
	assert_non_null(rig.adopted_worker);
	/* It is watched and heard like any other. */
	say(pair[1], "{\"type\":\"state\",\"state\":\"talking\"}");
	assert_int_equal(rig.type, MESSAGE_STATE);
	pass(FLEET_SILENCE_MS + 500);
	assert_int_equal(killed(5), SIGKILL);
	close(pair[1]);
	exited(5, SIGKILL);
	assert_int_equal(rig.gone, 1);
}

static void
of_a_dead_worker_only_its_call_is_left(void **state)
{
	(void)state;
	held_row(5, 0, KEEPER_HELD_CHANNEL, "17.4", STDOUT_FILENO);
	held_row(5, 0, KEEPER_HELD_RTP, "17.4", STDOUT_FILENO);
	table_end();
	assert_int_equal(rig.adopted, 1);
	assert_null(rig.adopted_worker);
	assert_true(rig.adopted_rtp);
	assert_int_equal(ordered(KEEPER_RELEASE, 5), 1);
	assert_int_equal(fleet_count(rig.fleet), 0);
}

/* Its call must not get another before it is dead: both would read its RTP. */
static void
one_whose_channel_got_no_number_here_is_ended_before_its_call_goes_on(
    void **state)
{
	(void)state;
	held_row(5, getpid(), KEEPER_HELD_CHANNEL, "17.4", -1);
	held_row(5, getpid(), KEEPER_HELD_RTP, "17.4", STDOUT_FILENO);
	table_end();
	assert_int_equal(rig.adopted, 1);
	assert_non_null(rig.adopted_worker);
	assert_true(rig.adopted_rtp);
	assert_int_equal(killed(5), SIGKILL);
	assert_int_equal(rig.gone, 0);
	assert_int_equal(
	    worker_send(rig.adopted_worker, MESSAGE_SYNC, NULL), -ENOTCONN);
	exited(5, SIGKILL);
	assert_int_equal(rig.gone, 1);
	assert_int_equal(ordered(KEEPER_RELEASE, 5), 1);
	assert_int_equal(fleet_count(rig.fleet), 0);
}

static void
a_table_that_never_ends_leaves_no_descriptor(void **state)
{
	(void)state;
	held_row(5, 0, KEEPER_HELD_RTP, "17.4", STDOUT_FILENO);
	held_row(6, getpid(), KEEPER_HELD_RTP, "", STDOUT_FILENO);
}

static void
signals_of_the_service_come_through_the_keeper(void **state)
{
	const struct keeper_message message = {
	    .op = KEEPER_SIGNAL, .value = SIGHUP};
	const struct keeper_message odd = {.op = 999};

	(void)state;
	report(&odd, -1);
	report(&message, STDOUT_FILENO);
	assert_int_equal(rig.signal, SIGHUP);
}

static void
a_keeper_that_is_gone_is_reported_once(void **state)
{
	(void)state;
	close(rig.keeper);
	rig.keeper = -1;
	for (int i = 0; i < 5; i++)
		timers_settle(rig.base);
	assert_int_equal(rig.keeper_gone, 1);
	assert_null(fleet_spawn(rig.fleet, PROC_ROLE_CALLWORKER, &owner));
	assert_int_equal(fleet_count(rig.fleet), 0);
}

static void
the_keeper_hears_that_the_loop_turns(void **state)
{
	struct keeper_message message;
	int fd;

	(void)state;
	timers_turn(rig.base);
	assert_int_equal(keeper_link_receive(rig.keeper, &message, &fd), 1);
	assert_int_equal(message.op, KEEPER_ALIVE);
}

static void
orders_that_the_keeper_does_not_read_at_once_are_not_lost(void **state)
{
	struct keeper_client *keeper = fleet_keeper(rig.fleet);
	struct keeper_message message;
	uint32_t next = 1;
	int fd;

	(void)state;
	for (uint32_t i = 1; i <= 2000; i++)
		keeper_client_kill(keeper, i, SIGHUP);
	while (next <= 2000) {
		timers_settle(rig.base);
		while (keeper_link_receive(rig.keeper, &message, &fd) == 1)
			assert_int_equal(message.child, next++);
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_worker_is_ordered_heard_and_mourned),
	    TEST(the_exit_may_be_reported_before_the_last_words_are_read),
	    TEST(heartbeats_are_not_passed_on_and_keep_a_worker_alive),
	    TEST(a_worker_that_stops_beating_is_killed_once),
	    TEST(a_worker_that_never_says_hello_is_killed),
	    TEST(a_watcher_that_was_late_itself_gives_no_verdict),
	    TEST(a_worker_that_is_being_debugged_may_stand_still),
	    TEST(a_worker_that_breaks_the_protocol_is_killed),
	    TEST(a_worker_that_closed_its_channel_has_time_to_exit),
	    TEST(a_worker_that_could_not_be_started_is_mourned_too),
	    TEST(a_worker_that_cannot_be_talked_to_is_ended_and_mourned),
	    TEST(a_signal_for_one_that_is_being_started_is_not_lost),
	    TEST(a_process_that_nobody_ordered_is_ended),
	    TEST(signals_for_all_spare_those_who_could_not_handle_them_yet),
	    TEST(what_a_call_needs_is_held_by_the_keeper),
	    TEST(the_table_of_a_predecessor_is_adopted_before_anything_else),
	    TEST(of_a_dead_worker_only_its_call_is_left),
	    TEST(
		one_whose_channel_got_no_number_here_is_ended_before_its_call_goes_on),
	    TEST(a_table_that_never_ends_leaves_no_descriptor),
	    TEST(signals_of_the_service_come_through_the_keeper),
	    TEST(a_keeper_that_is_gone_is_reported_once),
	    TEST(the_keeper_hears_that_the_loop_turns),
	    TEST(orders_that_the_keeper_does_not_read_at_once_are_not_lost),
	};

	log_init("unit", (enum log_level)0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
