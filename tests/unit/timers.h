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
	short persistent; /* EV_PERSIST, or 0: those that run once */
	struct event *events[TIMERS_MAX];
	size_t count;
};

static inline int
timers_collect(
    const struct event_base *base, const struct event *event, void *arg)
{
	struct timers *timers = arg;

	(void)base;
	if ((event_get_events(event) & EV_PERSIST) == timers->persistent &&
	    event_pending(event, EV_TIMEOUT, NULL) != 0 &&
	    event_get_fd(event) < 0 && timers->count < TIMERS_MAX)
		/* libevent gives them out as const, and to activate them. */
		timers->events[timers->count++] =
		    *(struct event **)(void *)&event;
	return 0;
}

/* What is active now, and what comes of it. */
static inline void
timers_settle(struct event_base *base)
{
	for (int i = 0; i < 3; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static inline void
timers_run(struct event_base *base, short persistent)
{
	struct timers timers = {.persistent = persistent};

	timers_settle(base);
	event_base_foreach_event(base, timers_collect, &timers);
	for (size_t i = 0; i < timers.count; i++)
		event_active(timers.events[i], EV_TIMEOUT, 0);
	timers_settle(base);
}

/* Every periodic timer once. */
static inline void
timers_turn(struct event_base *base)
{
	timers_run(base, EV_PERSIST);
}

/* Every timer that runs once and is waiting. */
static inline void
timers_expire(struct event_base *base)
{
	timers_run(base, 0);
}

/* Of those only the one that would be first. */
static inline void
timers_expire_soonest(struct event_base *base)
{
	struct timers timers = {.persistent = 0};
	struct event *soonest = NULL;
	struct timeval first = {0}, when;

	timers_settle(base);
	event_base_foreach_event(base, timers_collect, &timers);
	for (size_t i = 0; i < timers.count; i++) {
		if (!event_pending(timers.events[i], EV_TIMEOUT, &when) ||
		    (soonest != NULL && !evutil_timercmp(&when, &first, <)))
			continue;
		soonest = timers.events[i];
		first = when;
	}
	if (soonest != NULL)
		event_active(soonest, EV_TIMEOUT, 0);
	timers_settle(base);
}

#endif
