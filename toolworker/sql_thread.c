/* SPDX-License-Identifier: MIT */
/*
 * sql_thread.c – hands queries to a thread and their results back.
 *
 * Why a thread, and not a loop that blocks until the supervisor kills it: this
 * way heartbeats go on, a caller who hangs up frees the database at once, and
 * a query that takes too long costs an orderly "timeout", not a process with
 * its connections. Why not many: drivers are old C code that is best used by
 * one thread at a time, and a job that needs the process for itself (tools of
 * type "sql" are exclusive) loses nobody else's when a driver crashes.
 *
 * Invariant: QUERY and RESULT belong to the thread while BUSY; LOCK guards
 * QUERY and ENDING, everything else is the loop's.
 */
#include "toolworker/sql_thread.h"

#include "common/log.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
	CANCEL_AGAIN_MS = 100,
	STACK_SIZE = 1 << 20, /* bytes; drivers have large locals */
};

struct sql_thread {
	struct sql_thread_events events;
	struct sql_session *session;
	struct event *done_event; /* DONE_FD is readable */
	struct event *stuck_timer;
	int done_fd;
	pthread_t thread;
	bool is_started;
	bool is_busy;
	bool is_stuck;      /* it was waited for in vain */
	bool is_cancelling; /* CANCELLER runs, or has run for this query */
	pthread_t canceller;
	pthread_mutex_t lock;
	pthread_cond_t wake;           /* of the thread */
	pthread_cond_t returned;       /* of the canceller */
	const struct sql_query *query; /* NULL: nothing to do */
	struct sql_result *result;
	bool ending;
};

/* -- in the thread ---------------------------------------------------------- */

/* Sleeps until woken, or until connections may be idle for too long. */
static void
sleep_once(struct sql_thread *thread, bool is_connected)
{
	struct timespec end;

	if (!is_connected) {
		pthread_cond_wait(&thread->wake, &thread->lock);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += SQL_SESSION_IDLE_MS / 1000;
	pthread_cond_timedwait(&thread->wake, &thread->lock, &end);
}

/* False: the thread is to end. */
static bool
wait_for_query(struct sql_thread *thread)
{
	bool is_connected = sql_session_tidy(thread->session);
	bool ending;

	pthread_mutex_lock(&thread->lock);
	while (thread->query == NULL && !thread->ending) {
		sleep_once(thread, is_connected);
		if (thread->query != NULL || thread->ending)
			break;
		pthread_mutex_unlock(&thread->lock);
		is_connected = sql_session_tidy(thread->session);
		pthread_mutex_lock(&thread->lock);
	}
	ending = thread->ending;
	pthread_mutex_unlock(&thread->lock);
	return !ending;
}

static void
tell_done(struct sql_thread *thread)
{
	const uint64_t one = 1;
	ssize_t n;

	do {
		n = write(thread->done_fd, &one, sizeof(one));
	} while (n < 0 && errno == EINTR);
}

static void *
run(void *arg)
{
	struct sql_thread *thread = arg;

	while (wait_for_query(thread)) {
		sql_session_ask(thread->session, thread->query, thread->result);
		pthread_mutex_lock(&thread->lock);
		thread->query = NULL;
		pthread_cond_signal(&thread->returned);
		pthread_mutex_unlock(&thread->lock);
		tell_done(thread);
	}
	sql_session_free(&thread->session); /* disconnecting may block */
	tell_done(thread);
	return NULL;
}

/* With LOCK held: whether the query came back, or CANCEL_AGAIN_MS passed. */
static void
wait_for_return(struct sql_thread *thread)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_nsec += CANCEL_AGAIN_MS * 1000000L;
	if (end.tv_nsec >= 1000000000L) {
		end.tv_nsec -= 1000000000L;
		end.tv_sec++;
	}
	if (thread->query != NULL)
		pthread_cond_timedwait(&thread->returned, &thread->lock, &end);
}

/*
 * Its own thread: a driver may have to connect in order to cancel. Again and
 * again: what reaches a server before the query does is lost.
 */
static void *
run_cancel(void *arg)
{
	struct sql_thread *thread = arg;

	pthread_mutex_lock(&thread->lock);
	while (thread->query != NULL) {
		pthread_mutex_unlock(&thread->lock);
		sql_session_cancel(thread->session);
		pthread_mutex_lock(&thread->lock);
		wait_for_return(thread);
	}
	pthread_mutex_unlock(&thread->lock);
	return NULL;
}

/* -- on the loop -------------------------------------------------------------- */

/*
 * No signal is for a thread: they are the loop's events. But SIGSYS is raised
 * by what a thread itself does (common/sandbox.h).
 */
static int
start(pthread_t *thread_out, void *(*fn)(void *arg), void *arg)
{
	pthread_attr_t attributes;
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	sigdelset(&all, SIGSYS);
	if (pthread_attr_init(&attributes) != 0)
		return -ENOMEM;
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(thread_out, &attributes, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attributes);
	return -ret;
}

static void
end_canceller(struct sql_thread *thread)
{
	event_del(thread->stuck_timer);
	if (thread->is_cancelling)
		pthread_join(thread->canceller, NULL);
	thread->is_cancelling = false;
}

/* The canceller is at its end too: QUERY is NULL, and it was woken. */
static void
on_done(evutil_socket_t fd, short what, void *arg)
{
	struct sql_thread *thread = arg;
	uint64_t count;

	(void)what;
	if (read(fd, &count, sizeof(count)) != sizeof(count))
		return;
	end_canceller(thread);
	thread->is_busy = false;
	thread->events.on_done(thread->events.arg);
}

static void
on_stuck(evutil_socket_t fd, short what, void *arg)
{
	struct sql_thread *thread = arg;

	(void)fd;
	(void)what;
	thread->is_stuck = true;
	thread->events.on_stuck(thread->events.arg);
}

bool
sql_thread_is_busy(const struct sql_thread *thread)
{
	return thread->is_busy;
}

int
sql_thread_ask(struct sql_thread *thread, const struct sql_query *query,
    struct sql_result *result_out)
{
	int ret;

	assert(!thread->is_busy);
	sql_session_rearm(thread->session);
	pthread_mutex_lock(&thread->lock);
	thread->query = query;
	thread->result = result_out;
	pthread_cond_signal(&thread->wake);
	pthread_mutex_unlock(&thread->lock);
	thread->is_busy = true;
	if (thread->is_started)
		return 0;
	ret = start(&thread->thread, run, thread);
	thread->is_started = ret == 0;
	thread->is_busy = ret == 0;
	if (ret < 0)
		thread->query = NULL;
	return ret;
}

void
sql_thread_cancel(struct sql_thread *thread)
{
	const struct timeval wait = {
	    .tv_sec = SQL_THREAD_STUCK_MS / 1000,
	    .tv_usec = SQL_THREAD_STUCK_MS % 1000 * 1000L,
	};

	if (!thread->is_busy || thread->is_cancelling)
		return;
	thread->is_cancelling =
	    start(&thread->canceller, run_cancel, thread) == 0;
	evtimer_add(thread->stuck_timer, &wait);
}

/* -- life -------------------------------------------------------------------------- */

int
sql_thread_new(struct sql_thread **thread_out, struct event_base *base,
    const struct sql_thread_events *events)
{
	struct sql_thread *thread = calloc(1, sizeof(*thread));
	pthread_condattr_t monotonic;

	if (thread == NULL)
		return -ENOMEM;
	thread->events = *events;
	pthread_mutex_init(&thread->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&thread->wake, &monotonic);
	pthread_cond_init(&thread->returned, &monotonic);
	pthread_condattr_destroy(&monotonic);
	thread->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (thread->done_fd >= 0)
		thread->done_event = event_new(base, thread->done_fd,
		    EV_READ | EV_PERSIST, on_done, thread);
	thread->stuck_timer = evtimer_new(base, on_stuck, thread);
	if (thread->done_event == NULL || thread->stuck_timer == NULL ||
	    event_add(thread->done_event, NULL) < 0 ||
	    sql_session_new(&thread->session) < 0) {
		sql_thread_free(&thread);
		return -ENOMEM;
	}
	*thread_out = thread;
	return 0;
}

/* False: the thread did not say in time that it is done. */
static bool
wait_until_done(struct sql_thread *thread)
{
	struct pollfd done = {.fd = thread->done_fd, .events = POLLIN};
	uint64_t count;

	return poll(&done, 1, SQL_THREAD_END_MS) == 1 &&
	       read(thread->done_fd, &count, sizeof(count)) == sizeof(count);
}

/* Asks the thread to end; false: it hangs in a driver. */
static bool
end_thread(struct sql_thread *thread)
{
	if (!thread->is_started)
		return true;
	if (thread->is_stuck)
		return false;
	if (thread->is_busy) {
		sql_thread_cancel(thread);
		if (!wait_until_done(thread))
			return false;
		end_canceller(thread);
	}
	pthread_mutex_lock(&thread->lock);
	thread->ending = true;
	pthread_cond_signal(&thread->wake);
	pthread_mutex_unlock(&thread->lock);
	if (!wait_until_done(thread))
		return false;
	pthread_join(thread->thread, NULL);
	return true;
}

int
sql_thread_free(struct sql_thread **thread_ptr)
{
	struct sql_thread *thread = *thread_ptr;
	bool ended;

	if (thread == NULL)
		return 0;
	*thread_ptr = NULL;
	ended = end_thread(thread);
	if (thread->done_event != NULL)
		event_free(thread->done_event);
	if (thread->stuck_timer != NULL)
		event_free(thread->stuck_timer);
	if (!ended) {
		log_warn("a database's driver does not come back, it is left "
			 "behind");
		return -EBUSY;
	}
	sql_session_free(&thread->session);
	if (thread->done_fd >= 0)
		close(thread->done_fd);
	pthread_cond_destroy(&thread->wake);
	pthread_cond_destroy(&thread->returned);
	pthread_mutex_destroy(&thread->lock);
	free(thread);
	return 0;
}
