/* SPDX-License-Identifier: MIT */
/*
 * keeper_supervisor.c – the supervisor that works, and the one that stands by
 * to take its place.
 *
 * Invariant: at most one has been given the table and not been reaped since,
 * so that no worker's channel is ever read by two.
 */
#include "supervisor/keeper_impl.h"

#include "common/clock.h"
#include "common/log.h"
#include "supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	RESTART_DELAY_FIRST_MS = 0,
	RESTART_DELAY_MAX_MS = 5000,
	STEADY_MS = 10000, /* a supervisor that ran this long was healthy */
	STOP_RESTARTS_MAX = 3,
	FAILURES_MAX = 2,         /* then the binary that was good before */
	STANDBY_START_MS = 15000, /* to read its settings */
	STANDBY_YIELD_MS = 20000, /* more than all steps of handover.h */
};

void
keeper_supervisor_init(void)
{
	for (size_t i = 0; i < 2; i++) {
		keeper.slots[i].channel = -1;
		keeper.slots[i].binary.fd = -1;
		keeper_link_queue_init(&keeper.slots[i].queue);
	}
	keeper.good.fd = -1;
	keeper.supervisor = &keeper.slots[0];
	keeper.standby = &keeper.slots[1];
}

/* -- its channel -------------------------------------------------------------- */

/* A new one gets the whole table; one that is stuck or confused must go. */
static void
is_useless(struct keeper_supervisor *supervisor, int error)
{
	if (supervisor->pid == 0)
		return;
	log_err("supervisor cannot be talked to, killing it pid=%d error=%s",
	    (int)supervisor->pid, strerror(error));
	kill(supervisor->pid, SIGKILL);
}

/* That it is gone will be seen when it is reaped. */
void
keeper_channel_wrote(struct keeper_supervisor *supervisor, int ret)
{
	if (ret < 0 && ret != -EAGAIN && ret != -EPIPE && ret != -ECONNRESET)
		is_useless(supervisor, -ret);
}

void
keeper_tell(struct keeper_supervisor *supervisor,
    const struct keeper_message *message, int fd)
{
	if (supervisor->channel >= 0)
		keeper_channel_wrote(
		    supervisor, keeper_link_post(&supervisor->queue,
				    supervisor->channel, message, fd));
}

static void
say(struct keeper_supervisor *supervisor, enum keeper_op op)
{
	const struct keeper_message message = {.op = op};

	keeper_tell(supervisor, &message, -1);
}

void
keeper_channel_close(struct keeper_supervisor *supervisor)
{
	if (supervisor->channel >= 0)
		close(supervisor->channel);
	supervisor->channel = -1;
	keeper_link_queue_clear(&supervisor->queue);
}

/* -- its beginning -------------------------------------------------------------- */

/* What is held, so that a new supervisor goes on where the old one ended. */
static void
send_table(void)
{
	struct keeper_message end = {.op = KEEPER_TABLE_END};
	struct keeper_child *child;

	TAILQ_FOREACH(child, &keeper.children.list, entry) {
		struct keeper_message row = {
		    .op = KEEPER_HELD,
		    .child = child->number,
		    .pid = child->pid,
		    .role = child->role,
		};

		memcpy(row.text, child->text, sizeof(row.text));
		for (uint32_t i = 0; i < KEEPER_HELD_COUNT; i++) {
			if (child->held[i] < 0)
				continue;
			row.held = i;
			keeper_tell(keeper.supervisor, &row, child->held[i]);
			end.value++;
		}
	}
	keeper_tell(keeper.supervisor, &end, -1);
	if (keeper.stop_signal != 0) {
		struct keeper_message stop = {
		    .op = KEEPER_SIGNAL, .value = keeper.stop_signal};

		keeper_tell(keeper.supervisor, &stop, -1);
	}
}

/* Returns in how many milliseconds. */
static uint64_t
retry_later(void)
{
	uint64_t now_ms = clock_now_ms();
	uint64_t delay_ms = keeper.restart_delay_ms;

	if (now_ms - keeper.supervisor->started_ms >= STEADY_MS)
		delay_ms = RESTART_DELAY_FIRST_MS;
	keeper.restart_at_ms = now_ms + delay_ms;
	keeper.restart_delay_ms = delay_ms == 0 ? 100 : delay_ms * 2;
	if (keeper.restart_delay_ms > RESTART_DELAY_MAX_MS)
		keeper.restart_delay_ms = RESTART_DELAY_MAX_MS;
	/* Whoever stops the service does not wait for ever. */
	if (keeper.stop_signal != 0 &&
	    ++keeper.stop_restarts > STOP_RESTARTS_MAX)
		keeper_finish(PROC_EXIT_INTERNAL);
	return delay_ms;
}

/* Starts SUPERVISOR: BINARY, or -1 for what is there. 0 or -errno. */
static int
start(struct keeper_supervisor *supervisor, int binary, const char *argument)
{
	struct spawn_descriptors descriptors = {
	    .secrets = keeper.config.secrets[PROC_ROLE_SUPERVISOR],
	    .memory = keeper.memory,
	};
	int pair[2];
	pid_t pid;

	supervisor->started_ms = clock_now_ms();
	supervisor->heard_ms = 0;
	supervisor->ready = false;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	keeper_link_enlarge(pair[0]);
	descriptors.channel = pair[1];
	pid = spawn_binary(PROC_ROLE_SUPERVISOR, binary, &descriptors,
	    keeper.config.config_file, argument);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return pid;
	}
	supervisor->pid = pid;
	supervisor->channel = pair[0];
	return 0;
}

static int
open_binary(struct keeper_binary *binary)
{
	char path[SPAWN_PATH_SIZE];

	spawn_path(path, PROC_ROLE_SUPERVISOR);
	return keeper_binary_open(binary, path);
}

/*
 * What is there now, or, if that is good for nothing, what was before: then
 * *BY_FD_OUT is set.
 */
static int
choose_binary(struct keeper_binary *binary, bool *by_fd_out)
{
	int ret = open_binary(binary);

	*by_fd_out = false;
	if (keeper.good.fd < 0 ||
	    (ret == 0 && (keeper.failures < FAILURES_MAX ||
			     keeper_binary_same(binary, &keeper.good))))
		return ret;
	log_err("alarm=upgrade the new supervisor does not work, starting the "
		"one that ran before error=%s failures=%u",
	    ret < 0 ? strerror(-ret) : "it ends before it is ready",
	    keeper.failures);
	keeper_binary_close(binary);
	*binary = keeper.good;
	binary->fd = fcntl(keeper.good.fd, F_DUPFD_CLOEXEC, 3);
	*by_fd_out = true;
	return binary->fd < 0 ? -errno : 0;
}

void
keeper_supervisor_start(void)
{
	struct keeper_supervisor *supervisor = keeper.supervisor;
	bool by_fd;
	int ret;

	keeper.restart_at_ms = 0;
	/* Also if it is not: what fails again and again is tried less often. */
	supervisor->started_ms = clock_now_ms();
	keeper_binary_close(&supervisor->binary);
	ret = choose_binary(&supervisor->binary, &by_fd);
	if (ret == 0)
		ret =
		    start(supervisor, by_fd ? supervisor->binary.fd : -1, NULL);
	if (ret < 0) {
		log_err(
		    "supervisor could not be started error=%s", strerror(-ret));
		keeper.failures++;
		retry_later();
		return;
	}
	log_info("supervisor started pid=%d", (int)supervisor->pid);
	send_table();
}

/* -- its end ---------------------------------------------------------------------- */

/* The one that stands by takes the place of the one that has ended. */
static void
promote(const char *how)
{
	struct keeper_supervisor *old = keeper.supervisor;

	keeper.supervisor = keeper.standby;
	keeper.standby = old;
	keeper.standby_step = KEEPER_STANDBY_NONE;
	keeper.standby_by_ms = 0;
	keeper.restart_at_ms = 0;
	keeper.restart_delay_ms = RESTART_DELAY_FIRST_MS;
	log_info("supervisor ended %s, another one takes over pid=%d", how,
	    (int)keeper.supervisor->pid);
	send_table();
}

void
keeper_supervisor_exited(const char *how, int status)
{
	struct keeper_supervisor *supervisor = keeper.supervisor;
	uint64_t delay_ms;

	supervisor->pid = 0;
	if (supervisor->channel >= 0)
		keeper_read_orders(supervisor); /* its last ones count */
	keeper_channel_close(supervisor);
	if (keeper.standby->pid != 0 && !keeper.stop_now) {
		promote(how);
		return;
	}
	/* One that dies while it says goodbye to calls is replaced, too. */
	if (keeper.stop_signal != 0 &&
	    (keeper.stop_now || keeper_exited_with(status, PROC_EXIT_OK) ||
		keeper_exited_with(status, PROC_EXIT_CONFIG))) {
		log_info("supervisor ended %s", how);
		keeper_finish(PROC_EXIT_OK);
		return;
	}
	if (keeper_exited_with(status, PROC_EXIT_CONFIG) &&
	    !keeper.ready_once) {
		keeper_finish(PROC_EXIT_CONFIG);
		return;
	}
	keeper.failures = supervisor->ready ? 0 : keeper.failures + 1;
	delay_ms = retry_later();
	log_err("supervisor ended %s, calls go on, starting it again "
		"delay_ms=%llu",
	    how, (unsigned long long)delay_ms);
}

/* -- the one that stands by ---------------------------------------------------------- */

void
keeper_standby_start(void)
{
	struct keeper_supervisor *standby = keeper.standby;
	int ret;

	keeper_binary_close(&standby->binary);
	ret = open_binary(&standby->binary);
	if (ret == 0)
		ret = start(standby, -1, "--standby");
	if (ret < 0) {
		log_err("alarm=upgrade the new supervisor could not be "
			"started, the old one stays error=%s",
		    strerror(-ret));
		keeper_reload_end();
		return;
	}
	keeper.standby_step = KEEPER_STANDBY_STARTING;
	keeper.standby_by_ms = clock_now_ms() + STANDBY_START_MS;
	log_info("another supervisor stands by pid=%d", (int)standby->pid);
}

/* It is no more, or will not be: the old one goes on. */
static void
give_up(const char *why)
{
	if (keeper.standby_step >= KEEPER_STANDBY_YIELDING)
		say(keeper.supervisor, KEEPER_STAY);
	keeper.standby_step = KEEPER_STANDBY_NONE;
	keeper.standby_by_ms = 0;
	/* A service that ends wants no other. */
	if (keeper.stop_signal != 0)
		log_info(
		    "the new supervisor does not take over why=\"%s\"", why);
	else
		log_err(
		    "alarm=upgrade the new supervisor does not take over, the old "
		    "one stays why=\"%s\"",
		    why);
	keeper_reload_end();
}

/* Nobody waits for it to be reaped: it was never given the table. */
void
keeper_standby_stop(const char *why)
{
	if (keeper.standby->pid == 0)
		return;
	kill(keeper.standby->pid, SIGKILL);
	keeper_standby_exited(why);
}

void
keeper_standby_exited(const char *how)
{
	keeper.standby->pid = 0;
	keeper_channel_close(keeper.standby);
	give_up(how);
}

static void
set_step(enum keeper_standby_step step)
{
	keeper.standby_step = step;
	keeper.standby_by_ms = clock_now_ms() + STANDBY_YIELD_MS;
}

void
keeper_standby_order(struct keeper_supervisor *from, enum keeper_op op)
{
	if (op == KEEPER_PREPARED && from == keeper.standby &&
	    keeper.standby_step == KEEPER_STANDBY_STARTING) {
		set_step(KEEPER_STANDBY_YIELDING);
		say(keeper.supervisor, KEEPER_YIELD);
	} else if (op == KEEPER_YIELDING && from == keeper.supervisor &&
		   keeper.standby_step == KEEPER_STANDBY_YIELDING) {
		set_step(KEEPER_STANDBY_CONNECTING);
		say(keeper.standby, KEEPER_CONNECT);
	} else if (op == KEEPER_YIELD_FAILED && from == keeper.supervisor) {
		keeper_standby_stop("it does not connect to Asterisk");
	}
}

void
keeper_standby_turn(uint64_t now_ms)
{
	if (keeper.standby_by_ms == 0 || now_ms < keeper.standby_by_ms)
		return;
	keeper_standby_stop(keeper.standby_step == KEEPER_STANDBY_STARTING
				? "it does not come up"
				: "it takes too long");
}
