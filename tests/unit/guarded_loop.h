/* SPDX-License-Identifier: MIT */
/* guarded_loop.h – an event loop that is given up if nobody ever ends it. */
#ifndef TESTS_UNIT_GUARDED_LOOP_H
#define TESTS_UNIT_GUARDED_LOOP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <event2/event.h>

enum {
	GUARDED_LOOP_S = 20, /* one that runs so long is stuck */
};

static inline void
guarded_loop_on_time(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	fail_msg("the loop is stuck");
}

/* Until somebody breaks the loop of BASE. */
static inline void
guarded_loop(struct event_base *base)
{
	const struct timeval wait = {.tv_sec = GUARDED_LOOP_S};
	struct event *guard = evtimer_new(base, guarded_loop_on_time, NULL);

	event_add(guard, &wait);
	event_base_dispatch(base);
	event_free(guard);
}

#endif
