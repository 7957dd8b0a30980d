/* SPDX-License-Identifier: MIT */
/*
 * rtp_clock.c – the 20 ms beat. Deadlines lie on one grid, first + n periods,
 * for as long as the clock runs: being late, making up and skipping move along
 * the grid and never shift it, so the timer is armed once.
 */
#include "callworker/rtp_clock.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/clock.h"

#define NS_PER_S UINT64_C(1000000000)

/*
 * Lateness in microseconds: below 8 one bucket each, then four buckets per
 * power of two, so that a bucket's upper bound is within 25 % of its values.
 */
#define LATE_BUCKETS 124u

struct rtp_clock {
	rtp_clock_beat_fn *on_beat;
	void *arg;
	bool running;
	uint64_t next_ns;
	int timer_fd; /* -1 without a base */
	struct event *timer;
	uint64_t wakeups;
	uint64_t skipped;
	uint32_t late_max_us;
	uint32_t late[LATE_BUCKETS];
};

static unsigned
late_bucket(uint32_t us)
{
	unsigned shift = 0;

	while (us >> shift >= 8)
		shift++;
	return 4 * shift + (us >> shift);
}

static uint32_t
late_bucket_end(unsigned bucket)
{
	if (bucket < 8)
		return bucket;
	return (uint32_t)(((uint64_t)(bucket % 4) + 5) << (bucket / 4 - 1)) - 1;
}

static void
note_lateness(struct rtp_clock *c, uint64_t late_ns)
{
	uint64_t us = late_ns / 1000;
	uint32_t late_us = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;

	c->wakeups++;
	c->late[late_bucket(late_us)]++;
	if (late_us > c->late_max_us)
		c->late_max_us = late_us;
}

void
rtp_clock_run(struct rtp_clock *c, uint64_t now_ns)
{
	uint64_t due, skip = 0;

	if (!c->running || now_ns < c->next_ns)
		return;
	note_lateness(c, now_ns - c->next_ns);
	due = (now_ns - c->next_ns) / RTP_CLOCK_PERIOD_NS + 1;
	/*
	 * A short delay is made up for, the far end's jitter buffer covers it.
	 * After a long one the late packets would be thrown away there: better
	 * the speech goes on with the packet that is due now.
	 */
	if (due > RTP_CLOCK_BURST_MAX) {
		skip = due - 1;
		due = 1;
	}
	c->skipped += skip;
	c->next_ns += (skip + due) * RTP_CLOCK_PERIOD_NS;
	c->on_beat((unsigned)due, skip, c->next_ns, now_ns, c->arg);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct rtp_clock *c = arg;
	uint64_t expirations;

	(void)what;
	/* How often it expired does not matter, only what time it is now. */
	if (read(fd, &expirations, sizeof(expirations)) < 0)
		return;
	rtp_clock_run(c, clock_now_ns());
}

static int
make_timer(struct rtp_clock *c, struct event_base *base)
{
	c->timer_fd =
	    timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (c->timer_fd < 0)
		return -errno;
	c->timer =
	    event_new(base, c->timer_fd, EV_READ | EV_PERSIST, on_timer, c);
	if (c->timer == NULL)
		return -ENOMEM;
	if (event_priority_set(c->timer, 0) != 0 ||
	    event_add(c->timer, NULL) != 0)
		return -EINVAL;
	return 0;
}

int
rtp_clock_new(struct rtp_clock **clock_out, struct event_base *base,
    rtp_clock_beat_fn *on_beat, void *arg)
{
	struct rtp_clock *c = calloc(1, sizeof(*c));
	int rc;

	if (c == NULL)
		return -ENOMEM;
	c->on_beat = on_beat;
	c->arg = arg;
	c->timer_fd = -1;
	if (base != NULL) {
		rc = make_timer(c, base);
		if (rc < 0) {
			rtp_clock_free(&c);
			return rc;
		}
	}
	*clock_out = c;
	return 0;
}

void
rtp_clock_free(struct rtp_clock **clock)
{
	struct rtp_clock *c = *clock;

	if (c == NULL)
		return;
	if (c->timer != NULL)
		event_free(c->timer);
	if (c->timer_fd >= 0)
		close(c->timer_fd);
	free(c);
	*clock = NULL;
}

/* Arms the grid `first_ns` + n periods; 0 disarms. */
static int
arm(struct rtp_clock *c, uint64_t first_ns)
{
	struct itimerspec when = {
	    .it_value.tv_sec = (time_t)(first_ns / NS_PER_S),
	    .it_value.tv_nsec = (long)(first_ns % NS_PER_S),
	    .it_interval.tv_nsec = (long)RTP_CLOCK_PERIOD_NS,
	};

	if (c->timer_fd < 0)
		return 0;
	if (timerfd_settime(c->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) != 0)
		return -errno;
	return 0;
}

int
rtp_clock_start(struct rtp_clock *c, uint64_t first_ns)
{
	int rc;

	assert(first_ns > 0);
	rc = arm(c, first_ns);
	if (rc < 0)
		return rc;
	c->next_ns = first_ns;
	c->running = true;
	return 0;
}

void
rtp_clock_stop(struct rtp_clock *c)
{
	if (!c->running)
		return;
	c->running = false;
	(void)arm(c, 0);
}

/* The end of the bucket in which the share `percent` of all lies. */
static uint32_t
late_percentile(const struct rtp_clock *c, unsigned percent)
{
	uint64_t rank = (c->wakeups * percent + 99) / 100;
	uint64_t below = 0;

	for (unsigned i = 0; i < LATE_BUCKETS; i++) {
		below += c->late[i];
		if (below >= rank && below > 0)
			return late_bucket_end(i) < c->late_max_us
				   ? late_bucket_end(i)
				   : c->late_max_us;
	}
	return 0;
}

void
rtp_clock_get_stats(
    const struct rtp_clock *c, struct rtp_clock_stats *stats_out)
{
	*stats_out = (struct rtp_clock_stats){
	    .wakeups = c->wakeups,
	    .skipped = c->skipped,
	    .late_p50_us = late_percentile(c, 50),
	    .late_p99_us = late_percentile(c, 99),
	    .late_max_us = c->late_max_us,
	};
}
