/* SPDX-License-Identifier: MIT */
/*
 * media.c – the RTP side of one call. Nothing is allocated or logged per
 * packet; what the network can cause is counted, and named in the log at most
 * a few times in 10 s.
 */
#include "callworker/media.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "common/clock.h"
#include "common/fault_point.h"
#include "common/log.h"

#define BATCH         8u    /* datagrams of one recvmmsg */
#define BATCHES_MAX   8u    /* of one wake-up: then others have their turn */
#define DRAIN_MAX     4096u /* datagrams emptied out at the start */
#define DATAGRAM_MAX  1500u
#define RESUME_MAX_NS UINT64_C(60000000000) /* an older grid is forgotten */
#define TAKE_ROUNDS   5u /* of media_receive(): more than waits in 6 s */
#define TAKE_MAX_NS   UINT64_C(6000000000) /* what waited is still wanted */

/* The peer sends 50 datagrams a second, or 100 with 10 ms in each. */
#define PEER_NS      UINT64_C(5000000)    /* one in so long, on average … */
#define PEER_BURST   UINT64_C(2000000000) /* … after a stop of ours, of theirs */
#define STRANGERS    200u /* in STRANGERS_NS: from then on the kernel's */
#define STRANGERS_NS UINT64_C(1000000000)

/* RFC 3551 table 4, RFC 3389; and table 5, where RFC 4733 events are. */
#define TYPE_COMFORT_NOISE 13u
#define TYPE_DYNAMIC       96u

struct media_batch {
	struct mmsghdr message[BATCH];
	struct iovec part[BATCH];
	struct sockaddr_storage from[BATCH];
	uint8_t data[BATCH][DATAGRAM_MAX];
};

struct media {
	struct media_config config;
	bool started;
	struct sockaddr_storage peer;
	socklen_t peer_len;
	struct event *readable;
	struct rtp_clock *clock;
	struct uplink *uplink;
	struct playout *playout;
	struct comfort comfort;
	struct rtp_receiver receiver;
	struct media_stats stats; /* what is counted here */
	struct log_ratelimit send_log;
	struct log_ratelimit stranger_log;
	struct log_ratelimit source_log;
	struct log_ratelimit flood_log;
	uint64_t peer_ns;      /* paid for until then; see is_flood() */
	uint64_t strangers_ns; /* when they were begun to be counted */
	unsigned strangers;    /* since then */
	struct media_batch batch;
};

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	media_receive(arg, clock_now_ns());
}

/* A caller who hears nothing: a route, a firewall (EPERM), a wrong family. */
static void
note_send_error(struct media *m, int err)
{
	uint32_t suppressed;

	m->stats.send_errors++;
	if (log_allow(&m->send_log, &suppressed))
		log_warn("RTP cannot be sent error=\"%s\" total=%llu "
			 "unlogged=%u",
		    strerror(err), (unsigned long long)m->stats.send_errors,
		    suppressed);
}

/* Speech, or what fills its place; never both in one frame. */
static void
next_frame(struct media *m, struct playout_frame *frame)
{
	bool last = comfort_is_heard(&m->comfort) && playout_is_due(m->playout);

	if (last)
		playout_next_silence(m->playout, frame);
	else
		playout_next(m->playout, frame);
	if (!frame->silence || playout_is_held(m->playout)) {
		comfort_cut(&m->comfort);
		return;
	}
	if (comfort_fill(&m->comfort, frame->payload, last))
		m->stats.comfort_frames++;
}

/* One frame to the peer. An error loses this frame, as the network could. */
static void
send_frame(struct media *m)
{
	struct playout_frame frame;
	uint8_t packet[RTP_HEADER_LEN + RTP_FRAME_LEN];
	struct rtp_packet header;

	next_frame(m, &frame);
	FAULT_POINT("rtp.send");
	header = (struct rtp_packet){
	    .seq = frame.seq,
	    .timestamp = frame.timestamp,
	    .ssrc = frame.ssrc,
	    .payload_type = m->config.payload_type,
	    .marker = frame.marker,
	};
	rtp_build_header(&header, packet);
	memcpy(packet + RTP_HEADER_LEN, frame.payload, RTP_FRAME_LEN);
	if (sendto(m->config.rtp_fd, packet, sizeof(packet),
		MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&m->peer,
		m->peer_len) == (ssize_t)sizeof(packet))
		m->stats.packets_out++;
	else
		note_send_error(m, errno);
}

/*
 * Out first, it has the deadline; then what did not come in. Audio is read as
 * it comes, but before any is given up the socket is asked once more: after a
 * stop of this process it is there.
 */
static void
on_beat(unsigned beats, uint64_t skipped, uint64_t next_ns, uint64_t now_ns,
    void *arg)
{
	struct media *m = arg;

	playout_skip(m->playout, skipped);
	playout_set_deadline_ns(m->playout, next_ns);
	for (unsigned i = 0; i < beats; i++)
		send_frame(m);
	playout_report(m->playout);
	if (m->readable == NULL || uplink_is_due(m->uplink, now_ns))
		media_receive(m, now_ns);
	if (m->started)
		uplink_tick(m->uplink, now_ns);
}

static void
prepare_batch(struct media_batch *b)
{
	for (unsigned i = 0; i < BATCH; i++) {
		b->from[i].ss_family = AF_UNSPEC;
		b->part[i].iov_base = b->data[i];
		b->part[i].iov_len = DATAGRAM_MAX;
		b->message[i].msg_hdr = (struct msghdr){
		    .msg_iov = &b->part[i],
		    .msg_iovlen = 1,
		    .msg_name = &b->from[i],
		    .msg_namelen = sizeof(b->from[i]),
		};
	}
}

/* Datagrams now in the batch: 0 when none waits (or the socket has an error,
 * which is then cleared: the next read goes on). */
static unsigned
receive_batch(struct media *m)
{
	int n;

	prepare_batch(&m->batch);
	n = recvmmsg(
	    m->config.rtp_fd, m->batch.message, BATCH, MSG_DONTWAIT, NULL);
	return n > 0 ? (unsigned)n : 0;
}

static void
note_source(struct media *m, const struct rtp_packet *packet)
{
	uint32_t suppressed;

	if (log_allow(&m->source_log, &suppressed))
		log_info("caller's RTP begins ssrc=%08x seq=%u bytes=%zu "
			 "unlogged=%u",
		    packet->ssrc, packet->seq, packet->payload_len, suppressed);
}

/*
 * Each datagram of a stranger costs a look at its address. Of many of them the
 * kernel takes care: a connected socket gets its peer's only. Not from the
 * beginning, since it then also gets ICMP errors, and nobody counts.
 */
static void
shut_strangers_out(struct media *m)
{
	if (connect(m->config.rtp_fd, (struct sockaddr *)&m->peer,
		m->peer_len) == 0)
		log_warn("alarm=rtp_flood strangers flood the RTP port, the "
			 "kernel drops them from now on total=%llu",
		    (unsigned long long)m->stats.stranger);
}

/* Strangers were shut out, perhaps by a predecessor; the peer may be another. */
static int
follow_peer(struct media *m)
{
	struct sockaddr_storage old;
	socklen_t len = sizeof(old);

	if (getpeername(m->config.rtp_fd, (struct sockaddr *)&old, &len) != 0)
		return 0;
	return connect(m->config.rtp_fd, (struct sockaddr *)&m->peer,
		   m->peer_len) == 0
		   ? 0
		   : -errno;
}

static void
note_stranger(struct media *m, uint64_t now_ns)
{
	uint32_t suppressed;

	m->stats.stranger++;
	if (now_ns - m->strangers_ns > STRANGERS_NS) {
		m->strangers_ns = now_ns;
		m->strangers = 0;
	}
	if (++m->strangers == STRANGERS)
		shut_strangers_out(m);
	if (log_allow(&m->stranger_log, &suppressed))
		log_warn("RTP from a stranger dropped total=%llu unlogged=%u",
		    (unsigned long long)m->stats.stranger, suppressed);
}

/*
 * More than a telephone sends: each datagram moves `peer_ns` on by PEER_NS,
 * and it may be ahead of the clock by PEER_BURST.
 */
static bool
is_flood(struct media *m, uint64_t now_ns)
{
	uint32_t suppressed;

	if (m->peer_ns < now_ns)
		m->peer_ns = now_ns;
	if (m->peer_ns + PEER_NS <= now_ns + PEER_BURST) {
		m->peer_ns += PEER_NS;
		return false;
	}
	m->stats.flood++;
	if (log_allow(&m->flood_log, &suppressed))
		log_warn("more RTP than audio dropped total=%llu unlogged=%u",
		    (unsigned long long)m->stats.flood, suppressed);
	return true;
}

static void
handle_packet(struct media *m, const struct rtp_packet *packet, uint64_t now_ns)
{
	uint64_t seq = 0;
	enum rtp_verdict verdict =
	    rtp_receiver_judge(&m->receiver, packet, now_ns, &seq);

	switch (verdict) {
	case RTP_VERDICT_DUPLICATE:
		m->stats.duplicate++;
		return;
	case RTP_VERDICT_STALE:
		m->stats.late++;
		return;
	case RTP_VERDICT_NEW_SOURCE:
		note_source(m, packet);
		break;
	case RTP_VERDICT_REORDERED:
		m->stats.reordered++;
		break;
	case RTP_VERDICT_NEXT:
		break;
	}
	m->stats.packets_in++;
	m->stats.last_in_ns = now_ns;
	uplink_packet(m->uplink, packet, seq, verdict, now_ns);
}

/*
 * Comfort noise and events have their places in the caller's sequence, or the
 * speech that follows would wait for them. Their contents are nothing to us.
 */
static void
handle_other_type(
    struct media *m, const struct rtp_packet *packet, uint64_t now_ns)
{
	struct rtp_packet empty = *packet;
	enum rtp_verdict verdict;
	uint64_t seq = 0;

	m->stats.wrong_type++;
	if (packet->payload_type != TYPE_COMFORT_NOISE &&
	    packet->payload_type < TYPE_DYNAMIC)
		return;
	/* A source does not begin with one: it would silence the caller's. */
	if (packet->payload_type >= TYPE_DYNAMIC &&
	    packet->ssrc != m->receiver.ssrc)
		return;
	empty.payload_len = 0;
	verdict = rtp_receiver_judge(&m->receiver, &empty, now_ns, &seq);
	if (verdict != RTP_VERDICT_DUPLICATE && verdict != RTP_VERDICT_STALE)
		uplink_packet(m->uplink, &empty, seq, verdict, now_ns);
}

static void
handle_datagram(struct media *m, const struct msghdr *header,
    const uint8_t *data, size_t len, uint64_t now_ns)
{
	struct rtp_packet packet;

	if (!rtp_same_peer(header->msg_name, (struct sockaddr *)&m->peer)) {
		note_stranger(m, now_ns);
		return;
	}
	if (is_flood(m, now_ns))
		return;
	if ((header->msg_flags & MSG_TRUNC) != 0 ||
	    rtp_parse(data, len, &packet) != 0) {
		m->stats.garbage++;
		return;
	}
	if (packet.payload_type != m->config.payload_type) {
		handle_other_type(m, &packet, now_ns);
		return;
	}
	if (packet.payload_len == 0 || packet.payload_len > RTP_PAYLOAD_MAX) {
		m->stats.garbage++;
		return;
	}
	handle_packet(m, &packet, now_ns);
}

void
media_receive(struct media *m, uint64_t now_ns)
{
	for (unsigned round = 0; round < BATCHES_MAX; round++) {
		unsigned count = m->started ? receive_batch(m) : 0;

		for (unsigned i = 0; i < count && m->started; i++)
			handle_datagram(m, &m->batch.message[i].msg_hdr,
			    m->batch.data[i], m->batch.message[i].msg_len,
			    now_ns);
		if (count < BATCH)
			return;
	}
}

void
media_tick(struct media *m, uint64_t now_ns)
{
	rtp_clock_run(m->clock, now_ns);
}

static int
make_rooms(struct media *m, enum g711_law law)
{
	const struct media_config *config = &m->config;
	int rc = playout_new(&m->playout, config->ring_fd, law,
	    config->on_utterance_sent, config->arg);

	if (rc == 0)
		rc = uplink_new(
		    &m->uplink, law, config->on_uplink_frame, config->arg);
	if (rc == 0)
		rc = rtp_clock_new(&m->clock, config->base, on_beat, m);
	if (rc < 0 || config->base == NULL)
		return rc;
	/* Not above the others, as the clock is: a flood must not starve them. */
	m->readable = event_new(
	    config->base, config->rtp_fd, EV_READ | EV_PERSIST, on_readable, m);
	return m->readable != NULL ? 0 : -ENOMEM;
}

int
media_new(struct media **media_out, const struct media_config *config)
{
	enum g711_law law;
	struct media *m;
	int rc = g711_law_of_payload_type(config->payload_type, &law);

	if (rc < 0)
		return rc;
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return -ENOMEM;
	m->config = *config;
	comfort_init(&m->comfort, law);
	rc = make_rooms(m, law);
	if (rc < 0) {
		media_free(&m);
		return rc;
	}
	*media_out = m;
	return 0;
}

void
media_free(struct media **media)
{
	struct media *m = *media;

	if (m == NULL)
		return;
	m->started = false;
	if (m->readable != NULL)
		event_free(m->readable);
	rtp_clock_free(&m->clock);
	uplink_free(&m->uplink);
	playout_free(&m->playout);
	free(m);
	*media = NULL;
}

static int
set_peer(struct media *m, const struct sockaddr *peer, socklen_t peer_len)
{
	socklen_t need = peer->sa_family == AF_INET6
			     ? sizeof(struct sockaddr_in6)
			     : sizeof(struct sockaddr_in);

	if ((peer->sa_family != AF_INET && peer->sa_family != AF_INET6) ||
	    peer_len < need || peer_len > sizeof(m->peer))
		return -EINVAL;
	memset(&m->peer, 0, sizeof(m->peer));
	memcpy(&m->peer, peer, need);
	m->peer_len = need;
	return 0;
}

/* An unread socket holds seconds of audio: nobody wants to hear them now. */
static void
drain_socket(struct media *m)
{
	unsigned total = 0;
	unsigned count;

	do {
		count = receive_batch(m);
		total += count;
	} while (count > 0 && total < DRAIN_MAX);
	m->stats.stale += total;
	if (total > 0)
		log_info("stale RTP dropped at start packets=%u", total);
}

/* The next beat: on the predecessor's grid if it left one that is plausible. */
static uint64_t
first_beat(const struct media *m, uint64_t now_ns)
{
	uint64_t left = playout_deadline_ns(m->playout);

	if (left == 0 || left > now_ns + RTP_CLOCK_PERIOD_NS ||
	    now_ns > left + RESUME_MAX_NS)
		return now_ns;
	return left;
}

/*
 * A predecessor that stopped a moment ago left words of the caller in the
 * socket. The stream begins where its own ended, and they are its first.
 */
static void
take_what_waits(struct media *m, uint64_t now_ns)
{
	uint64_t before = m->stats.packets_in;

	for (unsigned i = 0; i < TAKE_ROUNDS; i++)
		media_receive(m, now_ns);
	if (m->stats.packets_in > before)
		log_info(
		    "took over what the caller said meanwhile packets=%llu",
		    (unsigned long long)(m->stats.packets_in - before));
}

/* A quick successor comes before its predecessor's next frame was due. */
static bool
is_taken_over(const struct media *m, uint64_t now_ns)
{
	uint64_t left = playout_deadline_ns(m->playout);

	return left != 0 && left <= now_ns + RTP_CLOCK_PERIOD_NS &&
	       now_ns <= left + TAKE_MAX_NS;
}

int
media_start_at(struct media *m, const struct sockaddr *peer, socklen_t peer_len,
    uint64_t now_ns)
{
	int rc = set_peer(m, peer, peer_len);
	bool goes_on;

	if (rc == 0)
		rc = follow_peer(m);
	if (rc < 0 || m->started)
		return rc;
	goes_on = is_taken_over(m, now_ns);
	if (!goes_on)
		drain_socket(m);
	rc = rtp_clock_start(m->clock, first_beat(m, now_ns));
	if (rc < 0)
		return rc;
	if (m->readable != NULL && event_add(m->readable, NULL) != 0) {
		rtp_clock_stop(m->clock);
		return -ENOMEM;
	}
	uplink_start(
	    m->uplink, goes_on ? playout_deadline_ns(m->playout) : now_ns);
	m->started = true;
	if (goes_on)
		take_what_waits(m, now_ns);
	return 0;
}

int
media_start(struct media *m, const struct sockaddr *peer, socklen_t peer_len)
{
	return media_start_at(m, peer, peer_len, clock_now_ns());
}

void
media_stop(struct media *m)
{
	if (!m->started)
		return;
	m->started = false;
	rtp_clock_stop(m->clock);
	if (m->readable != NULL)
		event_del(m->readable);
}

struct playout *
media_playout(struct media *m)
{
	return m->playout;
}

void
media_comfort(struct media *m, enum comfort_kind kind)
{
	comfort_set(&m->comfort, kind);
}

void
media_get_stats(const struct media *m, struct media_stats *stats_out)
{
	struct uplink_stats uplink;

	uplink_get_stats(m->uplink, &uplink);
	*stats_out = m->stats;
	stats_out->lost = rtp_receiver_lost(&m->receiver);
	stats_out->late += uplink.late;
	stats_out->ahead_dropped = uplink.ahead_dropped;
	stats_out->silence_filled_ms = uplink.filled / G711_BYTES_PER_MS;
	playout_get_stats(m->playout, &stats_out->playout);
	rtp_clock_get_stats(m->clock, &stats_out->clock);
}
