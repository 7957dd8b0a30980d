/* SPDX-License-Identifier: MIT */
/*
 * rtp.c – RTP headers and the order of what arrives (RFC 3550). Every length
 * taken from a packet is checked against what is left before it is used.
 */
#include "callworker/rtp.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define RTP_VERSION       2u
#define RTP_MAX_DROPOUT   3000u /* RFC 3550 A.1 */
#define RTP_SEEN_BITS     64u
/* Packets of the source before are still under way for so long. */
#define RTP_OLD_SOURCE_NS UINT64_C(500000000)

static uint16_t
get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void
put16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static void
put32(uint8_t *p, uint32_t value)
{
	put16(p, (uint16_t)(value >> 16));
	put16(p + 2, (uint16_t)value);
}

int
rtp_parse(const uint8_t *data, size_t len, struct rtp_packet *packet_out)
{
	size_t start = RTP_HEADER_LEN;
	size_t padding = 0;

	if (len < RTP_HEADER_LEN || data[0] >> 6 != RTP_VERSION)
		return -EBADMSG;
	start += 4 * (size_t)(data[0] & 15);
	if ((data[0] & 0x10) != 0) {
		if (start + 4 > len)
			return -EBADMSG;
		start += 4 + 4 * (size_t)get16(data + start + 2);
	}
	if (start > len)
		return -EBADMSG;
	if ((data[0] & 0x20) != 0) {
		padding = data[len - 1];
		if (padding == 0 || padding > len - start)
			return -EBADMSG;
	}
	*packet_out = (struct rtp_packet){
	    .seq = get16(data + 2),
	    .timestamp = get32(data + 4),
	    .ssrc = get32(data + 8),
	    .payload_type = data[1] & 0x7F,
	    .marker = (data[1] & 0x80) != 0,
	    .payload = data + start,
	    .payload_len = len - start - padding,
	};
	return 0;
}

void
rtp_build_header(
    const struct rtp_packet *packet, uint8_t header_out[RTP_HEADER_LEN])
{
	header_out[0] = RTP_VERSION << 6;
	header_out[1] = (uint8_t)((packet->marker ? 0x80u : 0u) |
				  (packet->payload_type & 0x7Fu));
	put16(header_out + 2, packet->seq);
	put32(header_out + 4, packet->timestamp);
	put32(header_out + 8, packet->ssrc);
}

/* Any IPv4 or IPv6 address as 16 bytes (RFC 4291 2.5.5.2) and a port. */
struct endpoint {
	uint8_t address[16];
	uint32_t scope;
	in_port_t port;
};

static int
endpoint_of(const struct sockaddr *sa, struct endpoint *endpoint_out)
{
	static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};
	struct sockaddr_in6 six;
	struct sockaddr_in four;

	memset(endpoint_out, 0, sizeof(*endpoint_out));
	if (sa->sa_family == AF_INET6) {
		memcpy(&six, sa, sizeof(six));
		memcpy(endpoint_out->address, &six.sin6_addr, 16);
		endpoint_out->scope = six.sin6_scope_id;
		endpoint_out->port = six.sin6_port;
		return 0;
	}
	if (sa->sa_family != AF_INET)
		return -EAFNOSUPPORT;
	memcpy(&four, sa, sizeof(four));
	memcpy(endpoint_out->address, mapped, 12);
	memcpy(endpoint_out->address + 12, &four.sin_addr, 4);
	endpoint_out->port = four.sin_port;
	return 0;
}

bool
rtp_same_peer(const struct sockaddr *a, const struct sockaddr *b)
{
	struct endpoint left, right;

	if (endpoint_of(a, &left) != 0 || endpoint_of(b, &right) != 0)
		return false;
	return left.port == right.port && left.scope == right.scope &&
	       memcmp(left.address, right.address, sizeof(left.address)) == 0;
}

/* A new numbering begins: its first extended number is above all before. */
static enum rtp_verdict
begin_source(struct rtp_receiver *r, const struct rtp_packet *packet,
    uint64_t now_ns, uint64_t *seq_out)
{
	uint64_t cycle = r->newest >> 16;

	if (r->started) {
		r->lost_before = rtp_receiver_lost(r);
		r->has_old = packet->ssrc != r->ssrc;
		r->old_ssrc = r->ssrc;
		r->switched_ns = now_ns;
	}
	/* Two cycles up: late packets of the old one cannot reach it. */
	r->newest = (cycle + 2) << 16 | packet->seq;
	r->first = r->newest;
	r->seen = 1;
	r->received = 1;
	r->ssrc = packet->ssrc;
	r->restart_seq = UINT32_MAX;
	r->started = true;
	*seq_out = r->newest;
	return RTP_VERDICT_NEW_SOURCE;
}

/* A packet `behind` (below RTP_SEEN_BITS) the newest one, or it again. */
static enum rtp_verdict
judge_older(struct rtp_receiver *r, uint16_t behind, uint64_t *seq_out)
{
	*seq_out = r->newest - behind;
	if ((r->seen >> behind & 1) != 0)
		return RTP_VERDICT_DUPLICATE;
	r->seen |= UINT64_C(1) << behind;
	/* Reordered before the very first: the count begins with it. */
	if (*seq_out < r->first)
		r->first = *seq_out;
	r->received++;
	return RTP_VERDICT_REORDERED;
}

enum rtp_verdict
rtp_receiver_judge(struct rtp_receiver *r, const struct rtp_packet *packet,
    uint64_t now_ns, uint64_t *seq_out)
{
	uint16_t ahead, behind;

	if (!r->started)
		return begin_source(r, packet, now_ns, seq_out);
	if (packet->ssrc != r->ssrc) {
		if (r->has_old && packet->ssrc == r->old_ssrc &&
		    now_ns - r->switched_ns < RTP_OLD_SOURCE_NS)
			return RTP_VERDICT_STALE;
		return begin_source(r, packet, now_ns, seq_out);
	}
	ahead = (uint16_t)(packet->seq - (uint16_t)r->newest);
	behind = (uint16_t)-ahead;
	if (ahead != 0 && ahead < RTP_MAX_DROPOUT) {
		r->newest += ahead;
		r->seen = ahead < RTP_SEEN_BITS ? r->seen << ahead | 1 : 1;
		r->received++;
		r->restart_seq = UINT32_MAX;
		*seq_out = r->newest;
		return RTP_VERDICT_NEXT;
	}
	if (behind < RTP_SEEN_BITS)
		return judge_older(r, behind, seq_out);
	if (packet->seq == r->restart_seq)
		return begin_source(r, packet, now_ns, seq_out);
	r->restart_seq = (uint16_t)(packet->seq + 1);
	return RTP_VERDICT_STALE;
}

uint64_t
rtp_receiver_lost(const struct rtp_receiver *r)
{
	uint64_t expected = r->started ? r->newest - r->first + 1 : 0;
	uint64_t lost = expected > r->received ? expected - r->received : 0;

	return r->lost_before + lost;
}
