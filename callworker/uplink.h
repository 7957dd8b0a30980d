/* SPDX-License-Identifier: MIT */
/*
 * uplink.h – the caller's audio as one continuous 8 kHz stream in 20 ms frames.
 *
 * In-order audio is passed on at once, without a jitter buffer. Whatever the
 * caller's RTP does, the stream keeps pace with the clock: at most 60 ms behind
 * (then silence is filled in, a frame with each tick until audio comes again),
 * at most 1 s ahead (then audio is dropped).
 */
#ifndef CALLWORKER_UPLINK_H
#define CALLWORKER_UPLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "callworker/g711.h"
#include "callworker/rtp.h"

#define UPLINK_FRAME_LEN 160u

struct uplink;

/* One frame of 160 codes, valid during the call only. */
typedef void uplink_frame_fn(const uint8_t *frame, void *arg);

struct uplink_stats {
	uint64_t frames;        /* handed out */
	uint64_t late;          /* packets dropped: their place was passed */
	uint64_t ahead_dropped; /* packets dropped: stream ahead of the clock */
	uint64_t filled;        /* samples of silence filled in */
	uint64_t gaps;          /* times silence had to be filled in */
};

/* 0 or -ENOMEM. `on_frame` may run inside uplink_packet and uplink_tick. */
int uplink_new(struct uplink **uplink_out, enum g711_law law,
    uplink_frame_fn *on_frame, void *arg);
void uplink_free(struct uplink **uplink);

/* The stream begins at `now_ns`; forgets everything before, keeps counts. */
void uplink_start(struct uplink *u, uint64_t now_ns);

/*
 * One packet judged NEXT, REORDERED or NEW_SOURCE, with its extended sequence
 * number. `payload_len` is at most RTP_PAYLOAD_MAX; 0 for a packet that has a
 * place in the sequence but no audio, so that nobody waits for it. Frames that
 * it completes are handed out before return; one that came too early waits up
 * to 40 ms.
 */
void uplink_packet(struct uplink *u, const struct rtp_packet *packet,
    uint64_t seq, enum rtp_verdict verdict, uint64_t now_ns);

/* To be called every 20 ms: ends waits, fills silence by the clock. */
void uplink_tick(struct uplink *u, uint64_t now_ns);

/* Will uplink_tick pass over audio that, perhaps, only has not been read? */
bool uplink_is_due(const struct uplink *u, uint64_t now_ns);

void uplink_get_stats(const struct uplink *u, struct uplink_stats *stats_out);

#endif
