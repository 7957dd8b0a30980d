/* SPDX-License-Identifier: MIT */
/*
 * rtp.h – RTP packets (RFC 3550): parse and build the header, judge the
 * sequence of received packets. No sockets, no clocks, no allocation.
 */
#ifndef CALLWORKER_RTP_H
#define CALLWORKER_RTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define RTP_HEADER_LEN  12u
#define RTP_FRAME_LEN   160u /* bytes of G.711 in 20 ms */
#define RTP_PAYLOAD_MAX 960u /* 120 ms; senders use 10 to 60 ms */

struct rtp_packet {
	uint16_t seq;
	uint32_t timestamp; /* samples, 8000 per second */
	uint32_t ssrc;
	uint8_t payload_type; /* 0..127 */
	bool marker;
	const uint8_t *payload; /* points into the parsed bytes */
	size_t payload_len;
};

/*
 * Reads one datagram (RFC 3550 section 5.1, CSRC list, extension and padding
 * skipped). -EBADMSG when it is not RTP or its parts do not fit `len`.
 */
int rtp_parse(const uint8_t *data, size_t len, struct rtp_packet *packet_out);

/* Writes the 12-byte header of `packet` (payload fields not used). */
void rtp_build_header(
    const struct rtp_packet *packet, uint8_t header_out[RTP_HEADER_LEN]);

/*
 * Same address and port? An IPv4-mapped IPv6 address equals its IPv4 form,
 * so a dual-stack socket may be used. Other families never match.
 */
bool rtp_same_peer(const struct sockaddr *a, const struct sockaddr *b);

enum rtp_verdict {
	RTP_VERDICT_NEXT,       /* newer than all before */
	RTP_VERDICT_REORDERED,  /* older than the newest, not seen before */
	RTP_VERDICT_NEW_SOURCE, /* first packet, new SSRC or sequence restart */
	RTP_VERDICT_DUPLICATE,  /* seen before: drop */
	RTP_VERDICT_STALE,      /* too old, or of the source before: drop */
};

/* Sequence state of one peer; zero it to start. Only rtp.c looks inside. */
struct rtp_receiver {
	bool started;
	uint32_t ssrc;
	uint32_t old_ssrc;    /* source before this one */
	uint64_t switched_ns; /* when `ssrc` took over from `old_ssrc` */
	bool has_old;
	uint64_t newest;      /* extended sequence number */
	uint64_t first;       /* extended number of the source's first */
	uint64_t seen;        /* bit i: newest - i was received */
	uint32_t restart_seq; /* sequence that would confirm a restart */
	uint64_t received;    /* accepted, of this source */
	uint64_t lost_before; /* of earlier sources */
};

/*
 * Judges one packet of the agreed peer, arrived at `now_ns` (any monotonic
 * clock). `seq_out` gets its sequence number extended to 64 bits, which goes
 * up through wraps and new sources, for all verdicts but STALE. RFC 3550
 * appendix A.1: a jump of 3000 or more is believed at the second packet.
 */
enum rtp_verdict rtp_receiver_judge(struct rtp_receiver *r,
    const struct rtp_packet *packet, uint64_t now_ns, uint64_t *seq_out);

/* Packets that never came (RFC 3550 A.3), over all sources so far. */
uint64_t rtp_receiver_lost(const struct rtp_receiver *r);

#endif
