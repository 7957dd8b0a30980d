/* SPDX-License-Identifier: MIT */
/*
 * timers.h – makes the periodic timers of a room run now, whatever the time,
 * so that a test waits for nothing.
 */
#ifndef TESTS_UNIT_TIMERS_H
#define TESTS_UNIT_TIMERS_H

#include <event2/event.h>
#include <stddef.h>

enum {
	TIMERS_MAX = 64,
};

struct timers {
	struct event *events[TIMERS_MAX];
	size_t count;
};

static inline int
timers_collect(
    const struct event_base *base, const struct event *event, void *arg)
{
	struct timers *timers = arg;

	(void)base;
	if ((event_get_events(event) & EV_PERSIST) != 0 &&
	    event_get_fd(event) < 0 && timers->count < TIMERS_MAX)
		/* libevent gives them out as const, and to activate them. */
		timers->events[timers->count++] =
		    *(struct event **)(void *)&event;
	return 0;
}

/* Runs what is active, then every periodic timer once, then what follows. */
static inline void
timers_turn(struct event_base *base)
{
	struct timers timers = {.count = 0};

	event_base_loop(base, EVLOOP_NONBLOCK);
	event_base_foreach_event(base, timers_collect, &timers);
	for (size_t i = 0; i < timers.count; i++)
		event_active(timers.events[i], EV_TIMEOUT, 0);
	event_base_loop(base, EVLOOP_NONBLOCK);
	event_base_loop(base, EVLOOP_NONBLOCK);
}

#endif
