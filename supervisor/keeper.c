/* SPDX-License-Identifier: MIT */
/*
 * keeper.c – starts, reaps and restarts the others, and does what the
 * supervisor orders; decides nothing about calls.
 *
 * Invariant: while any worker lives, either a supervisor runs or the time at
 * which the next one starts is known.
 */
#include "supervisor/keeper.h"

#include "common/clock.h"
#include "common/log.h"
#include "supervisor/keeper_children.h"
#include "supervisor/keeper_link.h"
#include "supervisor/keeper_notify.h"
#include "supervisor/keeper_protocol.h"
#include "supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	RESTART_DELAY_FIRST_MS = 0,
	RESTART_DELAY_MAX_MS = 5000,
	SUPERVISOR_START_MS = 30000,  /* from its start to its first word */
	SUPERVISOR_SILENCE_MS = 5000, /* without a word: hung */
	WATCH_MS = 1000,
	WATCH_LATE_MS = 3000, /* the keeper itself was late: no verdict */
	STEADY_MS = 10000,    /* a supervisor that ran this long was healthy */
	STOP_NOW_MS = 2000,   /* for the supervisor to hang up all calls */
	STOP_TERM_MS = 3000,  /* SIGTERM to SIGKILL for what is left over */
	STOP_RESTARTS_MAX = 3,
	DESCRIPTORS_WANTED = 65536, /* five for each of thousands of calls */
};

static struct {
	struct keeper_config config;
	struct keeper_children children;
	int signals; /* signalfd */
	int memory;  /* PROC_FD_MEMORY of every supervisor */

	pid_t supervisor; /* 0: not running */
	int channel;      /* to it, or -1 */
	struct keeper_link_queue queue;
	bool ready_once; /* some supervisor said KEEPER_READY */
	uint64_t started_ms;
	uint64_t heard_ms;      /* from it; 0: nothing yet */
	uint64_t watched_ms;    /* last turn of the watch */
	uint64_t restart_at_ms; /* 0: no restart is due */
	uint64_t restart_delay_ms;

	int stop_signal;            /* 0: running */
	bool stop_now;              /* told so twice */
	uint64_t stop_now_by_ms;    /* then without a supervisor */
	unsigned int stop_restarts; /* supervisors that died while stopping */
	uint64_t kill_at_ms;        /* while stopping, after the supervisor */
	bool finished;              /* the loop ends */
	int exit_status;
} keeper = {.signals = -1, .memory = -1, .channel = -1};

/* -- what the supervisor orders ------------------------------------------ */

/* A new one gets the whole table; one that is stuck or confused must go. */
static void
supervisor_is_useless(int error)
{
	if (keeper.supervisor == 0)
		return;
	log_err("supervisor cannot be talked to, killing it pid=%d error=%s",
	    (int)keeper.supervisor, strerror(error));
	kill(keeper.supervisor, SIGKILL);
}

/* That it is gone will be seen when it is reaped. */
static void
channel_wrote(int ret)
{
	if (ret < 0 && ret != -EAGAIN && ret != -EPIPE && ret != -ECONNRESET)
		supervisor_is_useless(-ret);
}

static void
tell_supervisor(const struct keeper_message *message, int fd)
{
	if (keeper.channel >= 0)
		channel_wrote(keeper_link_post(
		    &keeper.queue, keeper.channel, message, fd));
}

static void
channel_close(void)
{
	if (keeper.channel >= 0)
		close(keeper.channel);
	keeper.channel = -1;
	keeper_link_queue_clear(&keeper.queue);
}

static void
on_spawn(const struct keeper_message *order)
{
	struct keeper_message answer = {
	    .op = KEEPER_SPAWN_FAILED,
	    .seq = order->seq,
	    .role = order->role,
	};
	struct keeper_child *child = NULL;
	int ret = -EINVAL;

	if (keeper.supervisor == 0)
		return; /* the last words of a dead one */
	if (order->role == PROC_ROLE_CALLWORKER ||
	    order->role == PROC_ROLE_TOOLWORKER)
		ret = keeper_children_spawn(&keeper.children,
		    (enum proc_role)order->role, keeper.config.config_file,
		    keeper.config.secrets[order->role], &child);
	if (ret < 0 || child == NULL) {
		answer.value = -ret;
		tell_supervisor(&answer, -1);
		return;
	}
	answer.op = KEEPER_SPAWNED;
	answer.child = child->number;
	answer.pid = child->pid;
	tell_supervisor(&answer, child->held[KEEPER_HELD_CHANNEL]);
}

static void
on_hold(const struct keeper_message *order, int *fd)
{
	struct keeper_child *child =
	    keeper_children_find(&keeper.children, order->child);

	if (child == NULL || order->held >= KEEPER_HELD_COUNT || *fd < 0) {
		log_warn("order to hold a descriptor makes no sense child=%u",
		    order->child);
		return;
	}
	keeper_child_hold(child, (enum keeper_held)order->held, fd);
	memcpy(child->text, order->text, sizeof(child->text));
	child->text[sizeof(child->text) - 1] = '\0';
}

static void
on_status(const struct keeper_message *order)
{
	char text[KEEPER_TEXT_MAX + 16];

	snprintf(text, sizeof(text), "STATUS=%.*s", KEEPER_TEXT_MAX - 1,
	    order->text);
	keeper_notify(text);
}

static void
on_ready(void)
{
	if (!keeper.ready_once)
		keeper_notify("READY=1");
	keeper.ready_once = true;
}

static void
on_order(const struct keeper_message *order, int *fd)
{
	struct keeper_child *child;

	switch ((enum keeper_op)order->op) {
	case KEEPER_SPAWN:
		on_spawn(order);
		return;
	case KEEPER_KILL:
		child = keeper_children_find(&keeper.children, order->child);
		if (child != NULL && child->pid != 0)
			kill(child->pid, order->value);
		return;
	case KEEPER_HOLD:
		on_hold(order, fd);
		return;
	case KEEPER_RELEASE:
		child = keeper_children_find(&keeper.children, order->child);
		if (child != NULL)
			keeper_children_release(&keeper.children, child);
		return;
	case KEEPER_STATUS:
		on_status(order);
		return;
	case KEEPER_READY:
		on_ready();
		return;
	case KEEPER_ALIVE:
		return; /* that it was read is enough */
	case KEEPER_TIMEZONE:
		setenv("TZ", order->text, 1);
		tzset();
		return;
	case KEEPER_STOPPING:
		if (keeper.stop_signal == 0)
			keeper.stop_signal = SIGTERM;
		keeper_notify("STOPPING=1");
		return;
	case KEEPER_SPAWNED:
	case KEEPER_SPAWN_FAILED:
	case KEEPER_EXITED:
	case KEEPER_HELD:
	case KEEPER_TABLE_END:
	case KEEPER_SIGNAL:
		break;
	}
	log_warn("unknown order from the supervisor op=%u", order->op);
}

static void
read_orders(void)
{
	struct keeper_message order;

	for (;;) {
		int fd = -1;
		int got = keeper_link_receive(keeper.channel, &order, &fd);

		if (got == 0)
			return;
		if (got < 0) {
			if (got != -EPIPE)
				supervisor_is_useless(-got);
			channel_close();
			return;
		}
		keeper.heard_ms = clock_now_ms();
		on_order(&order, &fd);
		if (fd >= 0)
			close(fd);
		if (keeper.channel < 0)
			return;
	}
}

/* -- the supervisor ------------------------------------------------------- */

/* What is held, so that a new supervisor goes on where the old one died. */
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
			tell_supervisor(&row, child->held[i]);
			end.value++;
		}
	}
	tell_supervisor(&end, -1);
	if (keeper.stop_signal != 0) {
		struct keeper_message stop = {
		    .op = KEEPER_SIGNAL, .value = keeper.stop_signal};

		tell_supervisor(&stop, -1);
	}
}

static void
finish(int status)
{
	keeper.finished = true;
	keeper.exit_status = status;
}

/* Returns in how many milliseconds. */
static uint64_t
supervisor_retry_later(void)
{
	uint64_t now_ms = clock_now_ms();
	uint64_t delay_ms = keeper.restart_delay_ms;

	if (now_ms - keeper.started_ms >= STEADY_MS)
		delay_ms = RESTART_DELAY_FIRST_MS;
	keeper.restart_at_ms = now_ms + delay_ms;
	keeper.restart_delay_ms = delay_ms == 0 ? 100 : delay_ms * 2;
	if (keeper.restart_delay_ms > RESTART_DELAY_MAX_MS)
		keeper.restart_delay_ms = RESTART_DELAY_MAX_MS;
	/* Whoever stops the service does not wait for ever. */
	if (keeper.stop_signal != 0 &&
	    ++keeper.stop_restarts > STOP_RESTARTS_MAX)
		finish(PROC_EXIT_INTERNAL);
	return delay_ms;
}

static void
supervisor_start(void)
{
	struct spawn_descriptors descriptors = {
	    .secrets = keeper.config.secrets[PROC_ROLE_SUPERVISOR],
	    .memory = keeper.memory,
	};
	pid_t pid = -EINVAL;
	int pair[2];

	keeper.restart_at_ms = 0;
	keeper.started_ms = clock_now_ms();
	keeper.heard_ms = 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0) {
		keeper_link_enlarge(pair[0]);
		descriptors.channel = pair[1];
		pid = spawn(PROC_ROLE_SUPERVISOR, &descriptors,
		    keeper.config.config_file);
		close(pair[1]);
		if (pid < 0)
			close(pair[0]);
	} else {
		pid = -errno;
	}
	if (pid < 0) {
		log_err(
		    "supervisor could not be started error=%s", strerror(-pid));
		supervisor_retry_later();
		return;
	}
	keeper.supervisor = pid;
	keeper.channel = pair[0];
	log_info("supervisor started pid=%d", (int)pid);
	send_table();
}

static bool
exited_with(int status, enum proc_exit code)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == (int)code;
}

static void
supervisor_exited(const char *how, int status)
{
	uint64_t delay_ms;

	keeper.supervisor = 0;
	if (keeper.channel >= 0)
		read_orders(); /* its last ones count */
	channel_close();
	/* One that dies while it says goodbye to calls is replaced, too. */
	if (keeper.stop_signal != 0 &&
	    (keeper.stop_now || exited_with(status, PROC_EXIT_OK) ||
		exited_with(status, PROC_EXIT_CONFIG))) {
		log_info("supervisor ended %s", how);
		finish(PROC_EXIT_OK);
		return;
	}
	if (exited_with(status, PROC_EXIT_CONFIG) && !keeper.ready_once) {
		finish(PROC_EXIT_CONFIG);
		return;
	}
	delay_ms = supervisor_retry_later();
	log_err("supervisor ended %s, calls go on, starting it again "
		"delay_ms=%llu",
	    how, (unsigned long long)delay_ms);
}

/* -- signals -------------------------------------------------------------- */

static void
describe_status(int status, char *text, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "by signal %d (%s)", WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else
		snprintf(text, size, "with status %d (%s)", WEXITSTATUS(status),
		    proc_exit_name(WEXITSTATUS(status)));
}

static uint64_t
timeval_us(struct timeval tv)
{
	return (uint64_t)tv.tv_sec * 1000000u + (uint64_t)tv.tv_usec;
}

static void
child_exited(struct keeper_child *child, int status, const struct rusage *usage)
{
	struct keeper_message message = {
	    .op = KEEPER_EXITED,
	    .child = child->number,
	    .pid = child->pid,
	    .role = child->role,
	    .value = status,
	    .user_us = timeval_us(usage->ru_utime),
	    .system_us = timeval_us(usage->ru_stime),
	    .max_rss_kib = (uint64_t)usage->ru_maxrss,
	};

	child->pid = 0;
	tell_supervisor(&message, -1);
	if (keeper_child_holds_nothing(child))
		keeper_children_release(&keeper.children, child);
}

static void
reap(void)
{
	struct rusage usage;
	struct keeper_child *child;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
		char how[96];

		describe_status(status, how, sizeof(how));
		if (pid == keeper.supervisor) {
			supervisor_exited(how, status);
			continue;
		}
		child = keeper_children_find_pid(&keeper.children, pid);
		if (child == NULL)
			continue;           /* a fork whose exec failed */
		if (keeper.supervisor == 0) /* nobody else would say it */
			log_write(keeper.finished || status == 0
				      ? LOG_LEVEL_INFO
				      : LOG_LEVEL_WARN,
			    "%s ended %s pid=%d", proc_role_name(child->role),
			    how, (int)pid);
		child_exited(child, status, &usage);
	}
}

/* Callers are hung up, not left in silence: that takes a supervisor. */
static void
stop_again(const struct keeper_message *message)
{
	if (keeper.supervisor == 0) {
		finish(PROC_EXIT_OK);
	} else if (keeper.stop_now) {
		kill(keeper.supervisor, SIGKILL);
	} else {
		log_warn("told to stop a second time, hanging up all calls");
		keeper.stop_now = true;
		keeper.stop_now_by_ms = clock_now_ms() + STOP_NOW_MS;
		tell_supervisor(message, -1);
	}
}

/* One that does not manage to stop at once. */
static void
check_stop_now(void)
{
	if (keeper.stop_now_by_ms == 0 ||
	    clock_now_ms() < keeper.stop_now_by_ms)
		return;
	keeper.stop_now_by_ms = 0;
	if (keeper.supervisor == 0)
		return;
	log_warn("supervisor takes too long to stop, killing it pid=%d",
	    (int)keeper.supervisor);
	kill(keeper.supervisor, SIGKILL);
}

static void
on_stop(int sig)
{
	const struct keeper_message message = {
	    .op = KEEPER_SIGNAL, .value = SIGTERM};

	if (keeper.stop_signal != 0) {
		stop_again(&message);
		return;
	}
	keeper.stop_signal = SIGTERM;
	log_info("stopping signal=%d", sig);
	keeper_notify("STOPPING=1");
	if (keeper.supervisor != 0)
		tell_supervisor(&message, -1);
	else if (keeper_children_live(&keeper.children))
		keeper.restart_at_ms = clock_now_ms(); /* for the goodbyes */
	else
		finish(PROC_EXIT_OK);
}

static void
log_state(void)
{
	struct keeper_child *child;

	log_info("keeper state supervisor=%d stopping=%s",
	    (int)keeper.supervisor, keeper.stop_signal != 0 ? "yes" : "no");
	TAILQ_FOREACH(child, &keeper.children.list, entry)
		log_info("keeper state child=%u pid=%d role=%s call=%s",
		    child->number, (int)child->pid, proc_role_name(child->role),
		    child->text);
}

static void
read_signals(void)
{
	struct signalfd_siginfo info;

	while (read(keeper.signals, &info, sizeof(info)) ==
	       (ssize_t)sizeof(info)) {
		struct keeper_message message = {
		    .op = KEEPER_SIGNAL, .value = (int32_t)info.ssi_signo};

		switch (info.ssi_signo) {
		case SIGCHLD:
			reap();
			break;
		case SIGTERM:
		case SIGINT:
			on_stop((int)info.ssi_signo);
			break;
		case SIGUSR1:
			log_state();
			tell_supervisor(&message, -1);
			break;
		case SIGHUP:
			tell_supervisor(&message, -1);
			break;
		}
	}
}

static int
open_signals(void)
{
	static const int ours[] = {SIGCHLD, SIGTERM, SIGINT, SIGUSR1, SIGHUP};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		sigaddset(&set, ours[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	signal(SIGPIPE, SIG_IGN);
	keeper.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return keeper.signals < 0 ? -errno : 0;
}

/* -- the watch ------------------------------------------------------------ */

/* A supervisor that hangs would let callers ring in vain. */
static void
watch_supervisor(void)
{
	uint64_t now_ms = clock_now_ms();
	bool late = now_ms - keeper.watched_ms > WATCH_LATE_MS;
	uint64_t since_ms =
	    keeper.heard_ms != 0 ? keeper.heard_ms : keeper.started_ms;
	uint64_t limit_ms =
	    keeper.heard_ms != 0 ? SUPERVISOR_SILENCE_MS : SUPERVISOR_START_MS;

	keeper.watched_ms = now_ms;
	if (keeper.supervisor == 0 || now_ms - since_ms < limit_ms)
		return;
	keeper.heard_ms = now_ms;
	if (late || proc_is_traced(keeper.supervisor))
		return;
	log_err("supervisor hangs, killing it pid=%d silent_ms=%llu",
	    (int)keeper.supervisor, (unsigned long long)(now_ms - since_ms));
	kill(keeper.supervisor, SIGKILL);
}

static uint64_t
watch_at_ms(void)
{
	return keeper.supervisor != 0 ? clock_now_ms() + WATCH_MS : 0;
}

/* -- the loop ------------------------------------------------------------- */

static int
wait_ms(uint64_t at_ms)
{
	uint64_t now_ms = clock_now_ms();

	if (at_ms == 0)
		return -1;
	return at_ms <= now_ms ? 0 : (int)(at_ms - now_ms);
}

/* The first of two times, of which each may be 0: never. */
static uint64_t
sooner(uint64_t a_ms, uint64_t b_ms)
{
	return b_ms == 0 || (a_ms != 0 && a_ms < b_ms) ? a_ms : b_ms;
}

static void
turn(uint64_t wake_at_ms)
{
	struct pollfd pfds[2] = {
	    {.fd = keeper.signals, .events = POLLIN},
	    {.fd = keeper.channel, .events = POLLIN},
	};

	if (keeper.queue.count > 0)
		pfds[1].events |= POLLOUT;
	if (poll(pfds, 2, wait_ms(wake_at_ms)) < 0)
		return;
	if ((pfds[1].revents & POLLOUT) != 0)
		channel_wrote(keeper_link_flush(&keeper.queue, keeper.channel));
	/* Orders first: what a supervisor said before it died counts. */
	if (pfds[1].revents != 0 && keeper.channel >= 0)
		read_orders();
	if (pfds[0].revents != 0)
		read_signals();
}

/* Ends what is left: SIGTERM, then SIGKILL, until nothing is. */
static void
end_children(void)
{
	keeper_children_kill(&keeper.children, SIGTERM);
	keeper.kill_at_ms = clock_now_ms() + STOP_TERM_MS;
	while (keeper_children_release_dead(&keeper.children)) {
		if (clock_now_ms() >= keeper.kill_at_ms) {
			keeper_children_kill(&keeper.children, SIGKILL);
			keeper.kill_at_ms = clock_now_ms() + STOP_TERM_MS;
		}
		turn(keeper.kill_at_ms);
	}
}

/* As many as we may: a soft limit of 1024 would be 200 calls. */
static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
	    limit.rlim_cur >= DESCRIPTORS_WANTED)
		return;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS_WANTED
			     ? limit.rlim_max
			     : DESCRIPTORS_WANTED;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warn("limit of descriptors cannot be raised error=%s",
		    strerror(errno));
}

/* What one supervisor leaves to the next; the keeper never looks into it. */
static void
make_memory(void)
{
	keeper.memory = memfd_create("access", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (keeper.memory >= 0 &&
	    (ftruncate(keeper.memory, KEEPER_MEMORY_SIZE) < 0 ||
		fcntl(keeper.memory, F_ADD_SEALS,
		    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)) {
		close(keeper.memory);
		keeper.memory = -1;
	}
	if (keeper.memory < 0)
		log_warn("no memory to outlive the supervisor error=%s",
		    strerror(errno));
}

int
keeper_run(const struct keeper_config *config)
{
	int ret;

	keeper.config = *config;
	keeper_children_init(&keeper.children);
	keeper_link_queue_init(&keeper.queue);
	raise_descriptor_limit();
	make_memory();
	keeper.watched_ms = clock_now_ms();
	ret = open_signals();
	if (ret < 0) {
		log_err("signals cannot be read error=%s", strerror(-ret));
		return PROC_EXIT_INTERNAL;
	}
	supervisor_start();
	while (!keeper.finished) {
		if (keeper.restart_at_ms != 0 &&
		    clock_now_ms() >= keeper.restart_at_ms)
			supervisor_start();
		check_stop_now();
		turn(sooner(watch_at_ms(),
		    sooner(keeper.restart_at_ms, keeper.stop_now_by_ms)));
		watch_supervisor();
	}
	end_children();
	log_info("stopped status=%d", keeper.exit_status);
	return keeper.exit_status;
}
