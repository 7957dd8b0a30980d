/* SPDX-License-Identifier: MIT */
/*
 * audio_priority.c – SCHED_RR with a safety catch.
 *
 * A real-time process that does not pause would take its processor away from
 * everybody, Asterisk included. The kernel counts how long it works without
 * one (RLIMIT_RTTIME) and says so with SIGXCPU: that takes the priority away
 * for good, and the call goes on like any process.
 */
#include "callworker/audio_priority.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

static volatile sig_atomic_t lost;

static void
on_worked_too_long(int sig)
{
	const struct sched_param ordinary = {0};
	int saved = errno;

	(void)sig;
	/* To clear RESET_ON_FORK would take a right that we may not have. */
	lost = sched_setscheduler(
		   0, SCHED_OTHER | SCHED_RESET_ON_FORK, &ordinary) == 0;
	errno = saved;
}

int
audio_priority_take(void)
{
	const struct sched_param lowest = {.sched_priority = 1};
	struct sigaction action = {.sa_handler = on_worked_too_long};
	struct rlimit work;

	if (getrlimit(RLIMIT_RTTIME, &work) < 0)
		return -errno;
	work.rlim_cur = (rlim_t)AUDIO_PRIORITY_WORK_MS * 1000; /* us */
	if (work.rlim_max != RLIM_INFINITY && work.rlim_cur > work.rlim_max)
		work.rlim_cur = work.rlim_max;
	action.sa_flags = SA_RESTART;
	if (sigaction(SIGXCPU, &action, NULL) < 0 ||
	    setrlimit(RLIMIT_RTTIME, &work) < 0 ||
	    sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &lowest) < 0)
		return -errno;
	return 0;
}

bool
audio_priority_was_lost(void)
{
	bool was = lost != 0;

	lost = 0;
	return was;
}
