/* SPDX-License-Identifier: MIT */
/*
 * media_rig.h – one call's RTP side over real sockets on loopback, with a peer
 * and a stranger. Time is a variable.
 */
#ifndef TESTS_UNIT_MEDIA_RIG_H
#define TESTS_UNIT_MEDIA_RIG_H

#include "callworker/media.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"

#define MS    UINT64_C(1000000)
#define START (5000 * MS)
#define LOUD  0x10

struct rig {
	int rtp_fd;  /* ours */
	int peer_fd; /* Asterisk's */
	int stranger_fd;
	int ring_fd;
	struct sockaddr_in rtp_address;
	struct sockaddr_in peer_address;
	struct media *media;
	uint64_t now_ns;
	unsigned frames;
	unsigned loud_frames;
	uint8_t last_frame[UPLINK_FRAME_LEN];
	unsigned sent_count;
	char sent[64];
	bool stop_in_callback;
	unsigned beats_wanted; /* of the real clock */
	struct event_base *base;
};

static inline void
on_uplink_frame(const uint8_t *frame, void *arg)
{
	struct rig *rig = arg;

	rig->frames++;
	rig->loud_frames += frame[0] == LOUD;
	memcpy(rig->last_frame, frame, UPLINK_FRAME_LEN);
	if (rig->stop_in_callback)
		media_stop(rig->media);
	if (rig->beats_wanted > 0 && rig->loud_frames >= rig->beats_wanted)
		event_base_loopbreak(rig->base);
}

static inline void
on_utterance_sent(const char *utterance, uint32_t heard_ms, void *arg)
{
	struct rig *rig = arg;

	(void)heard_ms;
	rig->sent_count++;
	snprintf(rig->sent, sizeof(rig->sent), "%s", utterance);
}

static inline int
bound_socket(struct sockaddr_in *address_out)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*address_out = address;
	return fd;
}

static inline int
open_media(struct rig *rig, uint8_t payload_type)
{
	struct media_config config = {
	    .base = rig->base,
	    .rtp_fd = rig->rtp_fd,
	    .ring_fd = rig->ring_fd,
	    .payload_type = payload_type,
	    .on_uplink_frame = on_uplink_frame,
	    .on_utterance_sent = on_utterance_sent,
	    .arg = rig,
	};

	return media_new(&rig->media, &config);
}

static inline int
setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct sockaddr_in unused;

	assert_non_null(rig);
	rig->rtp_fd = bound_socket(&rig->rtp_address);
	rig->peer_fd = bound_socket(&rig->peer_address);
	rig->stranger_fd = bound_socket(&unused);
	assert_int_equal(playout_memfd_create_sized(65536, &rig->ring_fd), 0);
	assert_int_equal(open_media(rig, 0), 0);
	rig->now_ns = START;
	*state = rig;
	return 0;
}

static inline int
teardown(void **state)
{
	struct rig *rig = *state;

	media_free(&rig->media);
	assert_null(rig->media);
	close(rig->rtp_fd);
	close(rig->peer_fd);
	close(rig->stranger_fd);
	close(rig->ring_fd);
	free(rig);
	return 0;
}

static inline void
start(struct rig *rig)
{
	assert_int_equal(
	    media_start_at(rig->media, (struct sockaddr *)&rig->peer_address,
		sizeof(rig->peer_address), rig->now_ns),
	    0);
}

/* The process dies and a successor takes over, `ms` later. */
static inline void
succeed(struct rig *rig, uint64_t ms)
{
	media_free(&rig->media);
	assert_int_equal(open_media(rig, 0), 0);
	rig->now_ns += ms * MS;
	start(rig);
}

static inline void
tick(struct rig *rig)
{
	media_tick(rig->media, rig->now_ns);
	rig->now_ns += 20 * MS;
}

static inline void
send_bytes(struct rig *rig, int fd, const void *bytes, size_t len)
{
	assert_int_equal(
	    sendto(fd, bytes, len, 0, (struct sockaddr *)&rig->rtp_address,
		sizeof(rig->rtp_address)),
	    len);
}

/* One packet of 20 ms from `fd` to us. */
static inline void
send_rtp(struct rig *rig, int fd, uint16_t seq, uint32_t ssrc, uint8_t type)
{
	uint8_t bytes[RTP_HEADER_LEN + RTP_FRAME_LEN];
	struct rtp_packet packet = {
	    .seq = seq,
	    .timestamp = 160u * seq,
	    .ssrc = ssrc,
	    .payload_type = type,
	};

	rtp_build_header(&packet, bytes);
	memset(bytes + RTP_HEADER_LEN, LOUD, RTP_FRAME_LEN);
	send_bytes(rig, fd, bytes, sizeof(bytes));
}

/* The next packet that the peer got; false if none. */
static inline bool
peer_receive(struct rig *rig, struct rtp_packet *packet_out)
{
	static uint8_t bytes[2048];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(rig->peer_fd, bytes, sizeof(bytes), MSG_DONTWAIT,
	    (struct sockaddr *)&from, &len);

	if (n < 0)
		return false;
	assert_int_equal(from.sin_port, rig->rtp_address.sin_port);
	assert_int_equal(rtp_parse(bytes, (size_t)n, packet_out), 0);
	assert_int_equal(packet_out->payload_len, RTP_FRAME_LEN);
	return true;
}

static inline struct media_stats
stats_of(const struct rig *rig)
{
	struct media_stats stats;

	media_get_stats(rig->media, &stats);
	return stats;
}

static inline void
append(struct rig *rig, const char *id, size_t len)
{
	uint8_t *audio = malloc(len);

	assert_non_null(audio);
	for (size_t i = 0; i < len; i++)
		audio[i] = (uint8_t)(i / 160);
	assert_int_equal(
	    playout_append(media_playout(rig->media), id, audio, len), len);
	free(audio);
}

static inline bool
is_silent(const struct rtp_packet *packet)
{
	for (size_t i = 0; i < packet->payload_len; i++)
		if (packet->payload[i] != g711_silence(G711_LAW_ULAW))
			return false;
	return true;
}

static inline void
tick_and_receive(struct rig *rig, struct rtp_packet *packet_out)
{
	tick(rig);
	assert_true(peer_receive(rig, packet_out));
}

static inline void
open_with_base(struct rig *rig)
{
	media_free(&rig->media);
	rig->base = event_base_new();
	assert_non_null(rig->base);
	assert_int_equal(event_base_priority_init(rig->base, 2), 0);
	assert_int_equal(open_media(rig, 0), 0);
}

static inline void
close_with_base(struct rig *rig)
{
	media_free(&rig->media);
	event_base_free(rig->base);
	rig->base = NULL;
}

#endif
