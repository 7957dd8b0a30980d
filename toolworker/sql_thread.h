/* SPDX-License-Identifier: MIT */
/*
 * sql_thread.h – one thread that asks databases, beside a loop that never
 * waits for it.
 *
 * The thread is started with the first query and asks one at a time. What it
 * does can be cancelled; a driver that does not come back from that hangs in
 * a call that no thread can be taken out of, and only the process's end helps:
 * then on_stuck() is called.
 */
#ifndef TOOLWORKER_SQL_THREAD_H
#define TOOLWORKER_SQL_THREAD_H

#include "toolworker/sql_session.h"

#include <event2/event.h>
#include <stdbool.h>

enum {
	SQL_THREAD_STUCK_MS = 8000, /* after its cancellation */
	SQL_THREAD_END_MS = 4000,   /* for sql_thread_free(), twice */
};

struct sql_thread;

/* From the loop. */
struct sql_thread_events {
	void (*on_done)(void *arg); /* the result of the query is there */
	void (*on_stuck)(void *arg);
	void *arg;
};

/* EVENTS is copied. 0 or -ENOMEM. */
int sql_thread_new(struct sql_thread **thread_out, struct event_base *base,
    const struct sql_thread_events *events);

/*
 * Cancels what runs, without on_done(), and ends the thread. Waits for it a
 * few seconds at most; if it hangs in a driver, everything of it is left as it
 * is and -EBUSY returned: then the process must end by _exit(), and what
 * sql_thread_ask() was given must not be freed. NULL-safe, clears *THREAD.
 */
int sql_thread_free(struct sql_thread **thread);

bool sql_thread_is_busy(const struct sql_thread *thread);

/*
 * Asks QUERY, which like *RESULT_OUT must live until on_done(). The thread
 * must not be busy. 0, or -errno: no thread could be started.
 */
int sql_thread_ask(struct sql_thread *thread, const struct sql_query *query,
    struct sql_result *result_out);

/* Ends what runs; on_done() follows, or on_stuck(). */
void sql_thread_cancel(struct sql_thread *thread);

#endif
