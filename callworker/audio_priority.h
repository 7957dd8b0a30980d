/* SPDX-License-Identifier: MIT */
/*
 * audio_priority.h – a call's process before all others, so that its 20 ms
 * clock keeps time on a machine that is busy with something else.
 */
#ifndef CALLWORKER_AUDIO_PRIORITY_H
#define CALLWORKER_AUDIO_PRIORITY_H

#include <stdbool.h>

enum {
	/* Longest work without a pause; then it is an ordinary process. */
	AUDIO_PRIORITY_WORK_MS = 100,
};

/*
 * Takes the lowest real-time priority (sched(7), SCHED_RR). 0, also when it is
 * taken already, or -errno: -EPERM where neither CAP_SYS_NICE nor RLIMIT_RTPRIO
 * (LimitRTPRIO= of systemd) allows it.
 */
int audio_priority_take(void);

/* It was lost since this was last asked: the process worked too long. */
bool audio_priority_was_lost(void);

#endif
