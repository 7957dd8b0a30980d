/* SPDX-License-Identifier: MIT */
/*
 * rtp_clock.h – the 20 ms beat of a call, on absolute deadlines of
 * CLOCK_MONOTONIC: lateness of one beat never moves the next.
 */
#ifndef CALLWORKER_RTP_CLOCK_H
#define CALLWORKER_RTP_CLOCK_H

#include <stdint.h>

#define RTP_CLOCK_PERIOD_NS UINT64_C(20000000)
#define RTP_CLOCK_BURST_MAX 3u /* beats made up for at once */

struct event_base;
struct rtp_clock;

/*
 * `beats` frames are due now (1 to RTP_CLOCK_BURST_MAX). Before them `skipped`
 * periods went by that will not be made up for; `next_ns` is the deadline
 * after these beats.
 */
typedef void rtp_clock_beat_fn(unsigned beats, uint64_t skipped,
    uint64_t next_ns, uint64_t now_ns, void *arg);

struct rtp_clock_stats {
	uint64_t wakeups;
	uint64_t skipped;     /* periods */
	uint32_t late_p50_us; /* upper bounds, within 25 % */
	uint32_t late_p99_us;
	uint32_t late_max_us; /* exact */
};

/*
 * With a base: a timerfd at libevent priority 0. `base` NULL: no timer, the
 * owner calls rtp_clock_run. 0 or -errno.
 */
int rtp_clock_new(struct rtp_clock **clock_out, struct event_base *base,
    rtp_clock_beat_fn *on_beat, void *arg);
void rtp_clock_free(struct rtp_clock **clock);

/* First beat at `first_ns`, which may lie in the past. 0 or -errno. */
int rtp_clock_start(struct rtp_clock *c, uint64_t first_ns);
void rtp_clock_stop(struct rtp_clock *c);

/* What the timer does: runs the beats due at `now_ns`; none due is harmless. */
void rtp_clock_run(struct rtp_clock *c, uint64_t now_ns);

void rtp_clock_get_stats(
    const struct rtp_clock *c, struct rtp_clock_stats *stats_out);

#endif
