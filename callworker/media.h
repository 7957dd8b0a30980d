/* SPDX-License-Identifier: MIT */
/*
 * media.h – the RTP side of one call: socket, peer, clock, uplink and playout
 * tied together. Between media_start and media_stop one packet goes out every
 * 20 ms and the caller's audio comes in as a continuous stream.
 */
#ifndef CALLWORKER_MEDIA_H
#define CALLWORKER_MEDIA_H

#include <stdint.h>
#include <sys/socket.h>

#include "callworker/comfort.h"
#include "callworker/playout.h"
#include "callworker/rtp_clock.h"
#include "callworker/uplink.h"

struct event_base;
struct media;

struct media_config {
	struct event_base *base; /* with 2 priorities or more; NULL: the owner
				    calls media_receive and media_tick */
	int rtp_fd;              /* bound UDP socket; stays the caller's */
	int ring_fd;             /* playout memory; stays the caller's */
	uint8_t payload_type;    /* 0 (ulaw) or 8 (alaw), both ways */
	/* Both run inside media_receive or media_tick. They may call
	 * media_stop, media_get_stats and what playout.h allows. */
	uplink_frame_fn *on_uplink_frame;
	playout_sent_fn *on_utterance_sent;
	void *arg;
};

struct media_stats {
	uint64_t packets_out;
	uint64_t comfort_frames; /* of them; see media_comfort() */
	uint64_t send_errors;
	uint64_t packets_in; /* accepted */
	uint64_t lost;       /* never came */
	uint64_t late;       /* too late to be used, or of an old source */
	uint64_t duplicate;
	uint64_t reordered;
	uint64_t stranger;   /* not from the agreed peer, as far as counted */
	uint64_t flood;      /* from the peer, more than audio can be */
	uint64_t garbage;    /* not RTP, empty or too long */
	uint64_t wrong_type; /* RTP of another payload type */
	uint64_t stale;      /* waited in the socket before the start */
	uint64_t ahead_dropped;
	uint64_t silence_filled_ms;
	uint64_t last_in_ns; /* monotonic time of the last accepted; 0 none */
	struct playout_stats playout;
	struct rtp_clock_stats clock;
};

/* 0 or -errno (-EINVAL: payload type). Nothing is sent or read yet. */
int media_new(struct media **media_out, const struct media_config *config);

/* Stops, and frees what media_new made. NULL-safe. */
void media_free(struct media **media);

/*
 * Empties the socket of what waited in it, then runs: packets to and from
 * `peer` (AF_INET or AF_INET6, else -EINVAL). On a ring that a predecessor
 * left, RTP goes on in its numbering and on its 20 ms grid, and if that was a
 * moment ago, what waited in the socket is the caller's next words: frames
 * come before return. Called again while running it only changes the peer.
 */
int media_start(
    struct media *m, const struct sockaddr *peer, socklen_t peer_len);
int media_start_at(struct media *m, const struct sockaddr *peer,
    socklen_t peer_len, uint64_t now_ns);
void media_stop(struct media *m);

/* The queue to the caller; it may be filled before media_start. */
struct playout *media_playout(struct media *m);

/*
 * The sound of the frames that have nothing of an utterance in them, nor are
 * held. It fades in, and fades out within one frame when KIND changes or an
 * utterance begins, which then waits for this one frame.
 */
void media_comfort(struct media *m, enum comfort_kind kind);

/* What the events do; for owners without a base, with their own time. */
void media_receive(struct media *m, uint64_t now_ns);
void media_tick(struct media *m, uint64_t now_ns);

void media_get_stats(const struct media *m, struct media_stats *stats_out);

#endif
