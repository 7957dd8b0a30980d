/* SPDX-License-Identifier: MIT */
/*
 * keeper.c – the loop: reaps the others, sees who hangs, passes on what the
 * service is told, and ends; decides nothing about calls.
 *
 * Invariant: while any worker lives, either a supervisor runs or the time at
 * which the next one starts is known.
 */
#include "supervisor/keeper_impl.h"

#include "common/clock.h"
#include "common/log.h"
#include "supervisor/keeper_image.h"
#include "supervisor/keeper_notify.h"

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
#include <sys/wait.h>
#include <unistd.h>

enum {
	SUPERVISOR_START_MS = 30000,  /* from its start to its first word */
	SUPERVISOR_SILENCE_MS = 5000, /* without a word: hung */
	WATCH_MS = 1000,
	WATCH_LATE_MS = 3000, /* the keeper itself was late: no verdict */
	STOP_NOW_MS = 2000,   /* for the supervisor to hang up all calls */
	STOP_TERM_MS = 3000,  /* SIGTERM to SIGKILL for what is left over */
	DESCRIPTORS_WANTED = 65536, /* five for each of thousands of calls */
};

struct keeper_state keeper = {.signals = -1, .memory = -1};

void
keeper_finish(int status)
{
	keeper.finished = true;
	keeper.exit_status = status;
}

bool
keeper_exited_with(int status, enum proc_exit code)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == (int)code;
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
	keeper_tell(keeper.supervisor, &message, -1);
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
		if (pid == keeper.supervisor->pid) {
			keeper_supervisor_exited(how, status);
			continue;
		}
		if (pid == keeper.trial) {
			keeper_trial_exited(how, status);
			continue;
		}
		if (pid == keeper.standby->pid) {
			keeper_standby_exited(how);
			continue;
		}
		child = keeper_children_find_pid(&keeper.children, pid);
		if (child == NULL)
			continue;                /* a fork whose exec failed */
		if (keeper.supervisor->pid == 0) /* nobody else would say it */
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
	if (keeper.supervisor->pid == 0) {
		keeper_finish(PROC_EXIT_OK);
	} else if (keeper.stop_now) {
		kill(keeper.supervisor->pid, SIGKILL);
	} else {
		log_warn("told to stop a second time, hanging up all calls");
		keeper.stop_now = true;
		keeper.stop_now_by_ms = clock_now_ms() + STOP_NOW_MS;
		keeper_standby_stop("told to stop a second time");
		keeper_tell(keeper.supervisor, message, -1);
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
	if (keeper.supervisor->pid == 0)
		return;
	log_warn("supervisor takes too long to stop, killing it pid=%d",
	    (int)keeper.supervisor->pid);
	kill(keeper.supervisor->pid, SIGKILL);
}

static void
on_stop(int sig)
{
	const struct keeper_message message = {
	    .op = KEEPER_SIGNAL, .value = SIGTERM};

	if (keeper.stop_told) {
		stop_again(&message);
		return;
	}
	keeper.stop_told = true;
	log_info("stopping signal=%d", sig);
	/* Else the supervisor was told itself, perhaps with all of us. */
	if (keeper.stop_signal == 0)
		keeper_begin_to_stop();
	if (keeper.supervisor->pid != 0)
		keeper_tell(keeper.supervisor, &message, -1);
	else if (keeper_children_live(&keeper.children))
		keeper.restart_at_ms = clock_now_ms(); /* for the goodbyes */
	else
		keeper_finish(PROC_EXIT_OK);
}

static void
log_state(void)
{
	struct keeper_child *child;

	log_info("keeper state supervisor=%d stopping=%s",
	    (int)keeper.supervisor->pid,
	    keeper.stop_signal != 0 ? "yes" : "no");
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
			keeper_tell(keeper.supervisor, &message, -1);
			break;
		case SIGHUP:
			keeper_reload_begin();
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
	uint64_t since_ms = keeper.supervisor->heard_ms != 0
				? keeper.supervisor->heard_ms
				: keeper.supervisor->started_ms;
	uint64_t limit_ms = keeper.supervisor->heard_ms != 0
				? SUPERVISOR_SILENCE_MS
				: SUPERVISOR_START_MS;

	keeper.watched_ms = now_ms;
	if (keeper.supervisor->pid == 0 || now_ms - since_ms < limit_ms)
		return;
	keeper.supervisor->heard_ms = now_ms;
	if (late || proc_is_traced(keeper.supervisor->pid))
		return;
	log_err("supervisor hangs, killing it pid=%d silent_ms=%llu",
	    (int)keeper.supervisor->pid,
	    (unsigned long long)(now_ms - since_ms));
	kill(keeper.supervisor->pid, SIGKILL);
}

/*
 * systemd is told that the service is well only while a supervisor turns its
 * loop (or is debugged): without one no call is answered. That Asterisk or
 * the voice service is away is no reason to end the calls there are.
 */
static void
feed_watchdog(void)
{
	const struct keeper_supervisor *supervisor = keeper.supervisor;
	uint64_t now_ms = clock_now_ms();

	if (keeper.dog_every_ms == 0 || supervisor->pid == 0 ||
	    now_ms - keeper.dog_fed_ms < keeper.dog_every_ms)
		return;
	if ((supervisor->heard_ms == 0 ||
		now_ms - supervisor->heard_ms >= SUPERVISOR_SILENCE_MS) &&
	    !proc_is_traced(supervisor->pid))
		return;
	keeper.dog_fed_ms = now_ms;
	keeper_notify("WATCHDOG=1");
}

/* WATCHDOG_USEC, as sd_watchdog_enabled(3) has it: fed twice in that time. */
static void
read_watchdog(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");

	if (usec == NULL || (pid != NULL && atoi(pid) != (int)getpid()))
		return;
	keeper.dog_every_ms = strtoull(usec, NULL, 10) / 2000;
}

static uint64_t
watch_at_ms(void)
{
	return keeper.supervisor->pid != 0 ? clock_now_ms() + WATCH_MS : 0;
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

static short
wanted_events(const struct keeper_supervisor *supervisor)
{
	return supervisor->queue.count > 0 ? POLLIN | POLLOUT : POLLIN;
}

static void
serve_channel(struct keeper_supervisor *supervisor, short events)
{
	if ((events & POLLOUT) != 0)
		keeper_channel_wrote(supervisor,
		    keeper_link_flush(&supervisor->queue, supervisor->channel));
	if (events != 0 && supervisor->channel >= 0)
		keeper_read_orders(supervisor);
}

static void
turn(uint64_t wake_at_ms)
{
	struct keeper_supervisor *supervisor = keeper.supervisor;
	struct keeper_supervisor *standby = keeper.standby;
	struct pollfd pfds[3] = {
	    {.fd = keeper.signals, .events = POLLIN},
	    {.fd = supervisor->channel, .events = wanted_events(supervisor)},
	    {.fd = standby->channel, .events = wanted_events(standby)},
	};

	if (poll(pfds, 3, wait_ms(wake_at_ms)) < 0)
		return;
	/* Orders first: what a supervisor said before it died counts. */
	serve_channel(supervisor, pfds[1].revents);
	serve_channel(standby, pfds[2].revents);
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

static void
run_turn(void)
{
	uint64_t now_ms = clock_now_ms();

	if (keeper.restart_at_ms != 0 && now_ms >= keeper.restart_at_ms)
		keeper_supervisor_start();
	check_stop_now();
	keeper_standby_turn(now_ms);
	keeper_reload_turn(now_ms);
	turn(sooner(watch_at_ms(),
	    sooner(keeper.restart_at_ms, keeper.stop_now_by_ms)));
	watch_supervisor();
	feed_watchdog();
}

/* 0 or an exit status of enum proc_exit. */
static int
begin(const struct keeper_config *config)
{
	int ret;

	keeper.config = *config;
	keeper_children_init(&keeper.children);
	keeper_supervisor_init();
	keeper_reload_init();
	raise_descriptor_limit();
	read_watchdog();
	keeper.watched_ms = clock_now_ms();
	ret = open_signals();
	if (ret == 0)
		return 0;
	log_err("signals cannot be read error=%s", strerror(-ret));
	return PROC_EXIT_INTERNAL;
}

static int
run(void)
{
	while (!keeper.finished)
		run_turn();
	keeper_standby_stop("the service has stopped");
	end_children();
	log_info("stopped status=%d", keeper.exit_status);
	return keeper.exit_status;
}

int
keeper_run(const struct keeper_config *config)
{
	int ret = begin(config);

	if (ret != 0)
		return ret;
	make_memory();
	keeper_supervisor_start();
	return run();
}

int
keeper_resume(const struct keeper_config *config, int image, int old)
{
	const char *why = "";
	int ret = begin(config);

	if (ret != 0)
		return ret;
	ret = keeper_image_read(image, &why);
	if (ret < 0) {
		log_err("alarm=upgrade the state of the keeper before this one "
			"cannot be taken over error=%s %s",
		    strerror(-ret), why);
		close(keeper.signals);
		return ret;
	}
	close(image);
	if (old >= 0)
		close(old);
	log_info("goes on as the new keeper version=%s", proc_build_id());
	reap(); /* who died meanwhile */
	keeper_reload_resume();
	return run();
}
