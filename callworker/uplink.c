/* SPDX-License-Identifier: MIT */
/*
 * uplink.c – the caller's RTP as a continuous stream.
 *
 * Two numbers are compared: how many samples entered the stream since its
 * start, and how many should have by the clock. The difference, the lead, is
 * kept between -60 ms and +1 s whatever the sender does; RTP timestamps only
 * say where inside the stream silence belongs.
 *
 * A lead is no delay: it is the silence that filled a stall of the network,
 * whose words came all the same. It costs the end of the caller's turn being
 * noticed later by as much, once, since his pauses take it back.
 */
#include "callworker/uplink.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_SAMPLE 125000 /* 8000 samples per second */
#define MS(ms)        ((int64_t)(ms) * (int64_t)G711_BYTES_PER_MS)

#define UPLINK_GAP        MS(60)  /* behind the clock: fill */
#define UPLINK_HOLE_SLACK MS(40)  /* timestamps may lead the clock by so much */
#define UPLINK_DRAIN      MS(120) /* ahead of the clock: drop quiet packets */
#define UPLINK_AHEAD_MAX  MS(1000) /* ahead of the clock: drop any packet */
#define UPLINK_FILL_MAX   MS(1000) /* more is a stopped process, not a gap */
#define UPLINK_WINDOW     4u       /* packets that may wait for an older one */
#define UPLINK_WAIT_NS    UINT64_C(40000000)
#define UPLINK_QUIET_PEAK 164u /* -46 dBFS: between words */

struct uplink_waiting {
	bool used;
	bool new_source;
	uint32_t timestamp;
	size_t len;
	uint8_t payload[RTP_PAYLOAD_MAX];
};

struct uplink {
	enum g711_law law;
	uplink_frame_fn *on_frame;
	void *arg;
	struct uplink_stats stats;

	uint64_t start_ns; /* sample 0 of the stream, by the clock */
	int64_t samples;   /* entered the stream */
	bool in_gap;       /* the last samples were filled in by the clock */

	bool has_source;
	uint32_t next_timestamp; /* of the sample that enters next */
	uint64_t next_seq;       /* extended; of the packet that enters next */

	/* Packets after a missing one; slot = seq % UPLINK_WINDOW. */
	struct uplink_waiting waiting[UPLINK_WINDOW];
	unsigned waiting_count;
	uint64_t wait_since_ns;

	uint8_t frame[UPLINK_FRAME_LEN]; /* begun */
	size_t frame_len;
};

int
uplink_new(struct uplink **uplink_out, enum g711_law law,
    uplink_frame_fn *on_frame, void *arg)
{
	struct uplink *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return -ENOMEM;
	u->law = law;
	u->on_frame = on_frame;
	u->arg = arg;
	*uplink_out = u;
	return 0;
}

void
uplink_free(struct uplink **uplink)
{
	free(*uplink);
	*uplink = NULL;
}

static void
clear_waiting(struct uplink *u)
{
	for (unsigned i = 0; i < UPLINK_WINDOW; i++)
		u->waiting[i].used = false;
	u->waiting_count = 0;
}

void
uplink_start(struct uplink *u, uint64_t now_ns)
{
	u->start_ns = now_ns;
	u->samples = 0;
	u->in_gap = false;
	u->has_source = false;
	u->frame_len = 0;
	clear_waiting(u);
}

/* Samples that the stream is ahead of the clock; negative when behind. */
static int64_t
lead(const struct uplink *u, uint64_t now_ns)
{
	int64_t elapsed_ns = (int64_t)(now_ns - u->start_ns);

	return u->samples - elapsed_ns / NS_PER_SAMPLE;
}

/* Puts samples into the stream; `codes` NULL means silence. */
static void
put(struct uplink *u, const uint8_t *codes, size_t len)
{
	size_t done = 0;

	u->samples += (int64_t)len;
	while (done < len) {
		size_t part = UPLINK_FRAME_LEN - u->frame_len;

		if (part > len - done)
			part = len - done;
		if (codes != NULL)
			memcpy(u->frame + u->frame_len, codes + done, part);
		else
			memset(u->frame + u->frame_len, g711_silence(u->law),
			    part);
		u->frame_len += part;
		done += part;
		if (u->frame_len == UPLINK_FRAME_LEN) {
			u->frame_len = 0;
			u->stats.frames++;
			u->on_frame(u->frame, u->arg);
		}
	}
}

static void
fill(struct uplink *u, int64_t samples)
{
	put(u, NULL, (size_t)samples);
	u->next_timestamp += (uint32_t)samples;
	u->stats.filled += (uint64_t)samples;
	if (!u->in_gap)
		u->stats.gaps++;
	u->in_gap = true;
}

/*
 * Silence for what is missing before `timestamp`. What the clock has already
 * filled was added to next_timestamp, so that it is not filled twice; and the
 * clock limits what a sender with strange timestamps can make us fill.
 */
static void
fill_hole(struct uplink *u, uint32_t timestamp, uint64_t now_ns)
{
	int64_t hole = (int32_t)(timestamp - u->next_timestamp);
	int64_t limit = UPLINK_HOLE_SLACK - lead(u, now_ns);

	if (hole > limit)
		hole = limit;
	if (hole > 0)
		fill(u, hole);
}

/* The next packet of the sequence enters the stream, or is dropped. */
static void
deliver(struct uplink *u, uint32_t timestamp, bool new_source,
    const uint8_t *payload, size_t len, uint64_t now_ns)
{
	int64_t after;

	if (len == 0) {
		/* Its timestamp may be an event's, long ago. */
		if (new_source)
			u->next_timestamp = timestamp;
		return;
	}
	if (!new_source)
		fill_hole(u, timestamp, now_ns);
	after = lead(u, now_ns) + (int64_t)len;
	u->next_timestamp = timestamp + (uint32_t)len;
	if (after > UPLINK_AHEAD_MAX ||
	    (after > UPLINK_DRAIN &&
		g711_peak(u->law, payload, len) < UPLINK_QUIET_PEAK)) {
		u->stats.ahead_dropped++;
		return;
	}
	u->in_gap = false;
	put(u, payload, len);
}

static void
deliver_waiting(struct uplink *u, uint64_t now_ns)
{
	struct uplink_waiting *w = &u->waiting[u->next_seq % UPLINK_WINDOW];

	w->used = false;
	u->waiting_count--;
	u->next_seq++;
	deliver(u, w->timestamp, w->new_source, w->payload, w->len, now_ns);
}

/* Everything that waits and directly follows what was delivered. */
static void
deliver_ready(struct uplink *u, uint64_t now_ns)
{
	while (u->waiting[u->next_seq % UPLINK_WINDOW].used)
		deliver_waiting(u, now_ns);
	u->wait_since_ns = now_ns;
}

/* Gives up the oldest missing packets: the stream goes on after them. */
static void
pass_hole(struct uplink *u, uint64_t now_ns)
{
	while (u->waiting_count > 0 &&
	       !u->waiting[u->next_seq % UPLINK_WINDOW].used)
		u->next_seq++;
	deliver_ready(u, now_ns);
}

static bool
has_waited(const struct uplink *u, uint64_t now_ns)
{
	return u->waiting_count > 0 &&
	       now_ns - u->wait_since_ns >= UPLINK_WAIT_NS;
}

static void
end_wait(struct uplink *u, uint64_t now_ns)
{
	if (has_waited(u, now_ns))
		pass_hole(u, now_ns);
}

static void
wait_for_older(struct uplink *u, const struct rtp_packet *packet, uint64_t seq,
    uint64_t now_ns)
{
	struct uplink_waiting *w = &u->waiting[seq % UPLINK_WINDOW];

	if (w->used)
		return; /* the same packet: judged, so this cannot happen */
	w->used = true;
	w->new_source = false;
	w->timestamp = packet->timestamp;
	w->len = packet->payload_len;
	if (packet->payload_len > 0)
		memcpy(w->payload, packet->payload, packet->payload_len);
	if (u->waiting_count++ == 0)
		u->wait_since_ns = now_ns;
}

/*
 * The first packet of all is on time: the clock begins with it. Else the
 * stream would run behind by up to a packet's length, and the jitter of long
 * ones would look like a gap.
 */
static void
begin_on_time(struct uplink *u, uint64_t now_ns)
{
	int64_t behind = -lead(u, now_ns);

	if (behind > 0 && behind <= UPLINK_GAP)
		u->start_ns += (uint64_t)behind * NS_PER_SAMPLE;
}

void
uplink_packet(struct uplink *u, const struct rtp_packet *packet, uint64_t seq,
    enum rtp_verdict verdict, uint64_t now_ns)
{
	bool new_source = verdict == RTP_VERDICT_NEW_SOURCE || !u->has_source;

	assert(packet->payload_len <= RTP_PAYLOAD_MAX);
	if (new_source) {
		while (u->waiting_count > 0)
			pass_hole(u, now_ns);
		if (!u->has_source)
			begin_on_time(u, now_ns);
		u->has_source = true;
		u->next_seq = seq;
	}
	if (seq < u->next_seq) {
		u->stats.late++;
		return;
	}
	while (u->waiting_count > 0 && seq - u->next_seq >= UPLINK_WINDOW)
		pass_hole(u, now_ns);
	if (seq - u->next_seq >= UPLINK_WINDOW)
		u->next_seq =
		    seq; /* nothing waits: a long hole is no reorder */
	if (seq != u->next_seq) {
		wait_for_older(u, packet, seq, now_ns);
		end_wait(u, now_ns);
		return;
	}
	u->next_seq++;
	deliver(u, packet->timestamp, new_source, packet->payload,
	    packet->payload_len, now_ns);
	deliver_ready(u, now_ns);
}

/*
 * Nothing came for so long that it is no jitter. From then on silence comes
 * frame by frame, so that the server hears at once that the caller does not
 * speak.
 */
static bool
is_gap(const struct uplink *u, int64_t behind)
{
	return behind > (u->in_gap ? 0 : UPLINK_GAP);
}

/*
 * Of so much silence what ends with a frame: the packets that follow are whole
 * frames then, and no part of a word waits for the next one, which a successor
 * of this process would not have.
 */
static int64_t
to_whole_frames(const struct uplink *u, int64_t samples)
{
	int64_t begun = (int64_t)u->frame_len;

	return (begun + samples) / UPLINK_FRAME_LEN * UPLINK_FRAME_LEN - begun;
}

void
uplink_tick(struct uplink *u, uint64_t now_ns)
{
	int64_t behind;

	end_wait(u, now_ns);
	behind = -lead(u, now_ns);
	if (!is_gap(u, behind))
		return;
	if (behind > UPLINK_FILL_MAX) {
		int64_t excess = behind - UPLINK_FILL_MAX;

		u->start_ns += (uint64_t)excess * NS_PER_SAMPLE;
		behind = UPLINK_FILL_MAX;
	}
	/* What waits is here already; only what is missing before it is not. */
	while (u->waiting_count > 0) {
		pass_hole(u, now_ns);
		behind = -lead(u, now_ns);
	}
	behind = to_whole_frames(u, behind);
	if (behind > 0)
		fill(u, behind);
}

bool
uplink_is_due(const struct uplink *u, uint64_t now_ns)
{
	return has_waited(u, now_ns) || is_gap(u, -lead(u, now_ns));
}

void
uplink_get_stats(const struct uplink *u, struct uplink_stats *stats_out)
{
	*stats_out = u->stats;
}
