/* SPDX-License-Identifier: MIT */
/*
 * test_media.c – one call's RTP side over real sockets on loopback. Time is a
 * variable, but in the one test that runs the real clock.
 */
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

static void
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

static void
on_utterance_sent(const char *utterance, uint32_t heard_ms, void *arg)
{
	struct rig *rig = arg;

	(void)heard_ms;
	rig->sent_count++;
	snprintf(rig->sent, sizeof(rig->sent), "%s", utterance);
}

static int
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

static int
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

static int
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

static int
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

static void
start(struct rig *rig)
{
	assert_int_equal(
	    media_start_at(rig->media, (struct sockaddr *)&rig->peer_address,
		sizeof(rig->peer_address), rig->now_ns),
	    0);
}

/* The process dies and a successor takes over, `ms` later. */
static void
succeed(struct rig *rig, uint64_t ms)
{
	media_free(&rig->media);
	assert_int_equal(open_media(rig, 0), 0);
	rig->now_ns += ms * MS;
	start(rig);
}

static void
tick(struct rig *rig)
{
	media_tick(rig->media, rig->now_ns);
	rig->now_ns += 20 * MS;
}

static void
send_bytes(struct rig *rig, int fd, const void *bytes, size_t len)
{
	assert_int_equal(
	    sendto(fd, bytes, len, 0, (struct sockaddr *)&rig->rtp_address,
		sizeof(rig->rtp_address)),
	    len);
}

/* One packet of 20 ms from `fd` to us. */
static void
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
static bool
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

static struct media_stats
stats_of(const struct rig *rig)
{
	struct media_stats stats;

	media_get_stats(rig->media, &stats);
	return stats;
}

static void
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

static void
one_packet_goes_out_every_20_ms(void **state)
{
	struct rig *rig = *state;
	struct rtp_packet first, packet;

	media_tick(rig->media, rig->now_ns); /* not started: nothing */
	assert_false(peer_receive(rig, &first));
	start(rig);
	append(rig, "a", 480);
	playout_end(media_playout(rig->media), "a");
	for (unsigned i = 0; i < 100; i++) {
		tick(rig);
		assert_true(peer_receive(rig, &packet));
		if (i == 0)
			first = packet;
		assert_int_equal(packet.payload_type, 0);
		assert_int_equal(packet.ssrc, first.ssrc);
		assert_int_equal(packet.seq, (uint16_t)(first.seq + i));
		assert_int_equal(
		    packet.timestamp, (uint32_t)(first.timestamp + 160 * i));
		assert_int_equal(packet.payload[0], i < 3 ? i : 0xFF);
		assert_int_equal(packet.marker, i == 0);
		assert_false(peer_receive(rig, &packet));
	}
	assert_int_equal(rig->sent_count, 1);
	assert_string_equal(rig->sent, "a");
	assert_int_equal(stats_of(rig).packets_out, 100);
	assert_int_equal(stats_of(rig).playout.speech_frames, 3);
}

static void
alaw_is_sent_as_payload_type_8(void **state)
{
	struct rig *rig = *state;
	struct rtp_packet packet;

	media_free(&rig->media);
	assert_int_equal(open_media(rig, 9), -EINVAL);
	assert_int_equal(open_media(rig, 8), 0);
	start(rig);
	tick(rig);
	assert_true(peer_receive(rig, &packet));
	assert_int_equal(packet.payload_type, 8);
	assert_int_equal(packet.payload[0], 0xD5);
	send_rtp(rig, rig->peer_fd, 1, 7, 8);
	send_rtp(rig, rig->peer_fd, 2, 7, 0);
	media_receive(rig->media, rig->now_ns);
	assert_int_equal(stats_of(rig).packets_in, 1);
	assert_int_equal(stats_of(rig).wrong_type, 1);
}

static void
the_callers_audio_comes_in_at_once(void **state)
{
	struct rig *rig = *state;

	start(rig);
	for (unsigned i = 0; i < 10; i++) {
		send_rtp(rig, rig->peer_fd, (uint16_t)(65530 + i), 7, 0);
		media_receive(rig->media, rig->now_ns);
		assert_int_equal(rig->loud_frames, i + 1);
		tick(rig);
	}
	assert_int_equal(stats_of(rig).packets_in, 10);
	assert_int_equal(stats_of(rig).lost, 0);
	assert_int_equal(stats_of(rig).silence_filled_ms, 0);
	for (unsigned i = 0; i < 50; i++)
		tick(rig);
	assert_in_range(stats_of(rig).silence_filled_ms, 900, 1010);
	assert_int_equal(rig->loud_frames, 10);
	assert_in_range(rig->frames, 55, 61);
}

static void
what_is_not_the_callers_audio_is_counted_and_dropped(void **state)
{
	static const uint8_t zeros[RTP_PAYLOAD_MAX + 13] = {0x80};
	static const uint8_t huge[4000] = {0x80};
	struct rig *rig = *state;
	struct media_stats stats;

	start(rig);
	send_rtp(rig, rig->peer_fd, 1, 7, 0);
	for (unsigned i = 0; i < 20; i++)
		send_rtp(rig, rig->stranger_fd, (uint16_t)(2 + i), 7, 0);
	send_rtp(rig, rig->peer_fd, 1, 7, 0);
	send_rtp(rig, rig->peer_fd, 5, 7, 0);
	send_rtp(rig, rig->peer_fd, 3, 7, 0);
	send_rtp(rig, rig->peer_fd, 4, 7, 101);
	send_bytes(rig, rig->peer_fd, "", 0);
	send_bytes(rig, rig->peer_fd, "INVITE sip:x SIP/2.0", 20);
	send_bytes(rig, rig->peer_fd, zeros, RTP_HEADER_LEN); /* no payload */
	send_bytes(rig, rig->peer_fd, zeros, sizeof(zeros));
	send_bytes(rig, rig->peer_fd, huge, sizeof(huge));
	media_receive(rig->media, rig->now_ns);
	stats = stats_of(rig);
	assert_int_equal(stats.packets_in, 3);
	assert_int_equal(stats.stranger, 20);
	assert_int_equal(stats.duplicate, 1);
	assert_int_equal(stats.reordered, 1);
	assert_int_equal(stats.wrong_type, 1);
	assert_int_equal(stats.garbage, 5);
	assert_int_equal(stats.lost, 1); /* 101 was no audio, but there */
}

static void
what_waited_in_the_socket_is_not_heard(void **state)
{
	struct rig *rig = *state;

	for (unsigned i = 0; i < 100; i++)
		send_rtp(rig, rig->peer_fd, (uint16_t)i, 7, 0);
	start(rig);
	assert_int_equal(stats_of(rig).stale, 100);
	send_rtp(rig, rig->peer_fd, 100, 7, 0);
	tick(rig);
	assert_int_equal(rig->loud_frames, 1);
}

/* Two and a half seconds of the caller, who spoke while nobody read. */
static void
what_waited_for_a_successor_is_heard(void **state)
{
	struct rig *rig = *state;

	start(rig);
	for (unsigned i = 0; i < 10; i++) {
		send_rtp(rig, rig->peer_fd, (uint16_t)i, 7, 0);
		media_receive(rig->media, rig->now_ns);
		tick(rig);
	}
	assert_int_equal(rig->loud_frames, 10);
	for (unsigned i = 10; i < 135; i++)
		send_rtp(rig, rig->peer_fd, (uint16_t)i, 7, 0);
	succeed(rig, 2500);
	assert_int_equal(rig->loud_frames, 135);
	assert_int_equal(stats_of(rig).stale, 0);
	/* The stream is on time from here on: nothing filled, nothing dropped. */
	for (unsigned i = 135; i < 145; i++) {
		send_rtp(rig, rig->peer_fd, (uint16_t)i, 7, 0);
		media_receive(rig->media, rig->now_ns);
		tick(rig);
	}
	assert_int_equal(rig->loud_frames, 145);
	assert_int_equal(stats_of(rig).ahead_dropped, 0);
	assert_int_equal(stats_of(rig).silence_filled_ms, 0);
}

static void
what_waited_too_long_for_a_successor_is_not_heard(void **state)
{
	struct rig *rig = *state;

	start(rig);
	tick(rig);
	for (unsigned i = 0; i < 50; i++)
		send_rtp(rig, rig->peer_fd, (uint16_t)i, 7, 0);
	succeed(rig, 10000);
	assert_int_equal(stats_of(rig).stale, 50);
	assert_int_equal(rig->loud_frames, 0);
}

/* 100 a second is a telephone with 10 ms packets; a thousand is none. */
static void
the_peer_may_send_as_much_as_audio_is(void **state)
{
	struct rig *rig = *state;
	uint16_t seq = 0;

	start(rig);
	for (unsigned ms = 0; ms < 5000; ms += 10) {
		send_rtp(rig, rig->peer_fd, seq++, 7, 0);
		media_receive(rig->media, rig->now_ns + ms * MS);
	}
	assert_int_equal(stats_of(rig).flood, 0);
	rig->now_ns += 5000 * MS;
	for (unsigned ms = 0; ms < 2000; ms++) {
		send_rtp(rig, rig->peer_fd, seq++, 7, 0);
		media_receive(rig->media, rig->now_ns + ms * MS);
	}
	/* 400 at once, and 200 in each second. */
	assert_true(stats_of(rig).flood >= 1190);
	assert_true(stats_of(rig).flood <= 1210);
}

/* Who is flooded has the kernel look at the addresses; its peer is heard. */
static void
many_strangers_are_shut_out(void **state)
{
	struct rig *rig = *state;
	struct sockaddr_in another;
	int another_fd = bound_socket(&another);

	log_set_level(LOG_LEVEL_ERR);
	start(rig);
	for (unsigned i = 0; i < 200; i++)
		send_rtp(rig, rig->stranger_fd, (uint16_t)i, 7, 0);
	for (unsigned i = 0; i < 4; i++)
		media_receive(rig->media, rig->now_ns);
	assert_int_equal(stats_of(rig).stranger, 200);
	for (unsigned i = 0; i < 100; i++)
		send_rtp(rig, rig->stranger_fd, (uint16_t)i, 7, 0);
	send_rtp(rig, rig->peer_fd, 1, 7, 0);
	media_receive(rig->media, rig->now_ns);
	assert_int_equal(stats_of(rig).stranger, 200);
	assert_int_equal(rig->loud_frames, 1);
	/* A successor's peer may be another one. */
	rig->peer_address = another;
	succeed(rig, 40);
	send_rtp(rig, another_fd, 2, 7, 0);
	media_receive(rig->media, rig->now_ns);
	assert_int_equal(rig->loud_frames, 2);
	close(another_fd);
}

static void
a_flood_is_read_in_bounded_portions(void **state)
{
	struct rig *rig = *state;

	start(rig);
	for (unsigned i = 0; i < 100; i++)
		send_rtp(rig, rig->stranger_fd, (uint16_t)i, 7, 0);
	media_receive(rig->media, rig->now_ns);
	assert_int_equal(stats_of(rig).stranger, 64);
	media_receive(rig->media, rig->now_ns);
	assert_int_equal(stats_of(rig).stranger, 100);
}

static void
speech_after_comfort_noise_does_not_wait_for_it(void **state)
{
	struct rig *rig = *state;

	start(rig);
	send_rtp(rig, rig->peer_fd, 1, 7, 0);
	send_rtp(rig, rig->peer_fd, 2, 7, 13);
	media_receive(rig->media, rig->now_ns);
	assert_int_equal(rig->loud_frames, 1);
	for (unsigned i = 0; i < 25; i++)
		tick(rig);
	send_rtp(rig, rig->peer_fd, 3, 7, 0);
	media_receive(rig->media, rig->now_ns);
	assert_int_equal(rig->loud_frames, 2);
	/* An event's packets, and one after them that overtook the last. */
	send_rtp(rig, rig->peer_fd, 4, 7, 101);
	send_rtp(rig, rig->peer_fd, 6, 7, 0);
	send_rtp(rig, rig->peer_fd, 5, 7, 101);
	media_receive(rig->media, rig->now_ns);
	assert_int_equal(rig->loud_frames, 3);
	assert_int_equal(stats_of(rig).wrong_type, 3);
	assert_int_equal(stats_of(rig).lost, 0);
}

static void
a_source_may_begin_with_comfort_noise(void **state)
{
	struct rig *rig = *state;

	start(rig);
	send_rtp(rig, rig->peer_fd, 60000, 7, 13);
	send_rtp(rig, rig->peer_fd, 60001, 7, 0);
	media_receive(rig->media, rig->now_ns);
	assert_int_equal(rig->loud_frames, 1);
	/* The place of the noise. */
	assert_int_equal(stats_of(rig).silence_filled_ms, 20);
}

/* RTCP where RTP is expected: its sequence number is none. */
static void
another_protocol_does_not_confuse_the_sequence(void **state)
{
	struct rig *rig = *state;

	start(rig);
	send_rtp(rig, rig->peer_fd, 1, 7, 0);
	send_rtp(rig, rig->peer_fd, 40000, 9, 200 & 0x7F);
	send_rtp(rig, rig->peer_fd, 2, 7, 0);
	media_receive(rig->media, rig->now_ns);
	assert_int_equal(rig->loud_frames, 2);
	assert_int_equal(stats_of(rig).lost, 0);
}

static void
a_short_delay_is_made_up_for(void **state)
{
	struct rig *rig = *state;
	struct rtp_packet first, packet = {0};

	start(rig);
	tick(rig);
	assert_true(peer_receive(rig, &first));
	rig->now_ns += 45 * MS; /* two beats were missed */
	media_tick(rig->media, rig->now_ns);
	for (unsigned i = 1; i <= 3; i++) {
		assert_true(peer_receive(rig, &packet));
		assert_int_equal(packet.seq, (uint16_t)(first.seq + i));
		assert_int_equal(
		    packet.timestamp, (uint32_t)(first.timestamp + 160 * i));
		assert_false(packet.marker);
	}
	assert_false(peer_receive(rig, &packet));
	assert_int_equal(stats_of(rig).clock.skipped, 0);
	assert_in_range(stats_of(rig).clock.late_max_us, 45000, 45001);
	media_tick(rig->media, rig->now_ns); /* nothing is due */
	assert_false(peer_receive(rig, &packet));
}

static void
a_long_delay_is_skipped_and_speech_goes_on(void **state)
{
	struct rig *rig = *state;
	struct rtp_packet first, packet = {0};

	append(rig, "a", 1600);
	start(rig);
	tick(rig);
	assert_true(peer_receive(rig, &first));
	rig->now_ns += 1005 * MS; /* now 51 beats are due */
	media_tick(rig->media, rig->now_ns);
	assert_true(peer_receive(rig, &packet));
	assert_int_equal(packet.seq, (uint16_t)(first.seq + 1));
	assert_int_equal(
	    packet.timestamp, (uint32_t)(first.timestamp + 160 * 51));
	assert_true(packet.marker);
	assert_int_equal(packet.payload[0], 1);
	assert_false(peer_receive(rig, &packet));
	/* The grid has not moved. */
	rig->now_ns += 14 * MS;
	media_tick(rig->media, rig->now_ns);
	assert_false(peer_receive(rig, &packet));
	rig->now_ns += 1 * MS;
	media_tick(rig->media, rig->now_ns);
	assert_true(peer_receive(rig, &packet));
	assert_int_equal(
	    packet.timestamp, (uint32_t)(first.timestamp + 160 * 52));
	assert_int_equal(stats_of(rig).clock.skipped, 50);
}

static void
a_successor_goes_on_in_the_middle_of_the_word(void **state)
{
	struct rig *rig = *state;
	struct rtp_packet before = {0}, packet = {0};

	append(rig, "a", 1600);
	start(rig);
	for (unsigned i = 0; i < 4; i++) {
		tick(rig);
		assert_true(peer_receive(rig, &before));
	}
	assert_int_equal(before.payload[0], 3);
	succeed(rig, 87); /* 4 beats missed, the 5th is due 7 ms ago */
	media_tick(rig->media, rig->now_ns);
	assert_true(peer_receive(rig, &packet));
	assert_int_equal(packet.payload[0], 4);
	assert_int_equal(packet.ssrc, before.ssrc);
	assert_int_equal(packet.seq, (uint16_t)(before.seq + 1));
	assert_int_equal(
	    packet.timestamp, (uint32_t)(before.timestamp + 160 * 5));
	assert_true(packet.marker);
	assert_false(peer_receive(rig, &packet));
	rig->now_ns += 13 * MS;
	media_tick(rig->media, rig->now_ns);
	assert_true(peer_receive(rig, &packet));
	assert_int_equal(packet.payload[0], 5);
}

static void
a_grid_of_long_ago_or_of_the_future_is_not_followed(void **state)
{
	struct rig *rig = *state;
	struct rtp_packet packet;

	start(rig);
	tick(rig);
	assert_true(peer_receive(rig, &packet));
	succeed(rig, 3600 * 1000);
	assert_int_equal(stats_of(rig).clock.skipped, 0);
	tick(rig);
	assert_true(peer_receive(rig, &packet));
	playout_set_deadline_ns(
	    media_playout(rig->media), rig->now_ns + 3600000 * MS);
	playout_hold(media_playout(rig->media)); /* commits */
	succeed(rig, 0);
	tick(rig);
	assert_true(peer_receive(rig, &packet));
}

static bool
is_silent(const struct rtp_packet *packet)
{
	for (size_t i = 0; i < packet->payload_len; i++)
		if (packet->payload[i] != g711_silence(G711_LAW_ULAW))
			return false;
	return true;
}

static void
tick_and_receive(struct rig *rig, struct rtp_packet *packet_out)
{
	tick(rig);
	assert_true(peer_receive(rig, packet_out));
}

static void
a_sound_fills_what_the_voice_leaves(void **state)
{
	struct rig *rig = *state;
	struct rtp_packet packet;
	unsigned heard = 0;

	start(rig);
	tick_and_receive(rig, &packet);
	assert_true(is_silent(&packet));
	media_comfort(rig->media, COMFORT_WORK);
	for (unsigned i = 0; i < 20; i++) {
		tick_and_receive(rig, &packet);
		assert_false(is_silent(&packet));
		heard++;
	}
	media_comfort(rig->media, COMFORT_NONE);
	tick_and_receive(rig, &packet); /* fades out */
	assert_false(is_silent(&packet));
	for (unsigned i = 0; i < 20; i++) {
		tick_and_receive(rig, &packet);
		assert_true(is_silent(&packet));
	}
	assert_int_equal(stats_of(rig).comfort_frames, heard + 1);
}

/* The numbers go on, nothing of the speech is lost, and none has the sound. */
static void
a_sound_ends_before_the_voice_begins(void **state)
{
	struct rig *rig = *state;
	struct rtp_packet packet;
	uint16_t seq;
	uint32_t timestamp;

	start(rig);
	media_comfort(rig->media, COMFORT_RING);
	for (unsigned i = 0; i < 20; i++)
		tick_and_receive(rig, &packet);
	seq = packet.seq;
	timestamp = packet.timestamp;
	append(rig, "u1", 5 * RTP_FRAME_LEN);
	playout_end(media_playout(rig->media), "u1");
	tick_and_receive(rig, &packet);
	assert_false(is_silent(&packet));
	assert_false(packet.marker);
	for (uint8_t i = 0; i < 5; i++) {
		tick_and_receive(rig, &packet);
		assert_int_equal(packet.marker, i == 0);
		assert_int_equal(packet.seq, (uint16_t)(seq + 2 + i));
		assert_int_equal(packet.timestamp, timestamp + (2u + i) * 160);
		for (size_t k = 0; k < RTP_FRAME_LEN; k++)
			assert_int_equal(packet.payload[k], i);
	}
	tick_and_receive(rig, &packet); /* still wanted: fades in again */
	assert_false(is_silent(&packet));
	assert_true(g711_peak(G711_LAW_ULAW, packet.payload, 40) < 40);
}

static void
a_call_that_is_held_hears_no_sound(void **state)
{
	struct rig *rig = *state;
	struct rtp_packet packet;

	start(rig);
	media_comfort(rig->media, COMFORT_WORK);
	playout_hold(media_playout(rig->media));
	append(rig, "u1", 5 * RTP_FRAME_LEN);
	for (unsigned i = 0; i < 10; i++) {
		tick_and_receive(rig, &packet);
		assert_true(is_silent(&packet));
	}
	playout_release(media_playout(rig->media));
	tick_and_receive(rig, &packet);
	assert_true(packet.marker); /* nothing to fade out */
	assert_int_equal(stats_of(rig).comfort_frames, 0);
}

static void
after_stop_nothing_goes_out_or_comes_in(void **state)
{
	struct rig *rig = *state;
	struct rtp_packet packet;

	start(rig);
	rig->stop_in_callback = true;
	for (unsigned i = 0; i < 10; i++)
		send_rtp(rig, rig->peer_fd, (uint16_t)i, 7, 0);
	tick(rig);
	assert_true(peer_receive(rig, &packet));
	assert_int_equal(rig->frames, 1);
	tick(rig);
	assert_false(peer_receive(rig, &packet));
	rig->stop_in_callback = false;
	start(rig);
	tick(rig);
	assert_true(peer_receive(rig, &packet));
}

static void
the_peer_can_change_while_running(void **state)
{
	struct rig *rig = *state;
	struct rtp_packet packet;
	int other_fd;

	start(rig);
	tick(rig);
	assert_true(peer_receive(rig, &packet));
	other_fd = rig->peer_fd;
	rig->peer_fd = bound_socket(&rig->peer_address);
	start(rig);
	tick(rig);
	assert_true(peer_receive(rig, &packet));
	send_rtp(rig, other_fd, 1, 7, 0);
	media_receive(rig->media, rig->now_ns);
	assert_int_equal(stats_of(rig).stranger, 1);
	close(other_fd);
}

static void
an_unusable_peer_is_refused(void **state)
{
	struct rig *rig = *state;
	struct sockaddr_storage peer = {.ss_family = AF_UNIX};

	assert_int_equal(media_start_at(rig->media, (struct sockaddr *)&peer,
			     sizeof(peer), rig->now_ns),
	    -EINVAL);
	assert_int_equal(
	    media_start_at(rig->media, (struct sockaddr *)&rig->peer_address, 4,
		rig->now_ns),
	    -EINVAL);
}

/* Lines in what stderr was while `log_fd` stood in for it. */
static unsigned
lines_in(int log_fd)
{
	char text[8192];
	ssize_t n = pread(log_fd, text, sizeof(text), 0);
	unsigned lines = 0;

	assert_true(n >= 0);
	for (ssize_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	return lines;
}

static void
errors_of_the_network_are_counted_and_do_not_flood_the_log(void **state)
{
	struct rig *rig = *state;
	int log_fd = memfd_create("log", MFD_CLOEXEC);
	int real_stderr = dup(STDERR_FILENO);
	unsigned lines;

	rig->peer_address.sin_port = 0;
	start(rig);
	dup2(log_fd, STDERR_FILENO);
	log_set_level(LOG_LEVEL_WARN);
	for (unsigned i = 0; i < 400; i++)
		tick(rig);
	log_set_level(LOG_LEVEL_ERR);
	dup2(real_stderr, STDERR_FILENO);
	lines = lines_in(log_fd);
	close(real_stderr);
	close(log_fd);
	assert_in_range(lines, 1, 2 * LOG_RATELIMIT_BURST);
	assert_int_equal(stats_of(rig).send_errors, 400);
	assert_int_equal(stats_of(rig).packets_out, 0);
}

static void
a_damaged_ring_is_refused(void **state)
{
	struct rig *rig = *state;
	struct media *m = NULL;
	struct media_config config = {.rtp_fd = rig->rtp_fd, .ring_fd = -1};

	assert_int_equal(media_new(&m, &config), -EBADF);
	assert_null(m);
}

/* Percentiles of a clock that is told when it was woken. */
static void
on_beat(unsigned beats, uint64_t skipped, uint64_t next_ns, uint64_t now_ns,
    void *arg)
{
	unsigned *total = arg;

	(void)next_ns;
	(void)now_ns;
	(void)skipped;
	*total += beats;
}

static void
lateness_is_measured(void **state)
{
	struct rtp_clock *clock;
	struct rtp_clock_stats stats;
	unsigned total = 0;

	(void)state;
	assert_int_equal(rtp_clock_new(&clock, NULL, on_beat, &total), 0);
	rtp_clock_get_stats(clock, &stats);
	assert_int_equal(stats.late_p99_us, 0);
	assert_int_equal(rtp_clock_start(clock, START), 0);
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t late_us = i % 100 == 0 ? 5000 : 100;

		rtp_clock_run(
		    clock, START + i * RTP_CLOCK_PERIOD_NS + late_us * 1000);
	}
	rtp_clock_get_stats(clock, &stats);
	assert_int_equal(total, 1000);
	assert_int_equal(stats.wakeups, 1000);
	assert_in_range(stats.late_p50_us, 100, 125);
	assert_in_range(stats.late_p99_us, 100, 125);
	assert_int_equal(stats.late_max_us, 5000);
	rtp_clock_stop(clock);
	rtp_clock_run(clock, START + 9999 * RTP_CLOCK_PERIOD_NS);
	assert_int_equal(total, 1000);
	rtp_clock_free(&clock);
}

/* Sends one packet to us for each that it gets: the caller's side. */
static void
on_peer_readable(evutil_socket_t fd, short what, void *arg)
{
	struct rig *rig = arg;
	struct rtp_packet packet;

	(void)what;
	while (peer_receive(rig, &packet))
		send_rtp(rig, fd, packet.seq, 7, 0);
}

static void
open_with_base(struct rig *rig)
{
	media_free(&rig->media);
	rig->base = event_base_new();
	assert_non_null(rig->base);
	assert_int_equal(event_base_priority_init(rig->base, 2), 0);
	assert_int_equal(open_media(rig, 0), 0);
}

static void
close_with_base(struct rig *rig)
{
	media_free(&rig->media);
	event_base_free(rig->base);
	rig->base = NULL;
}

/* The loop did not run; the beat that comes next must not fill too early. */
static void
what_waits_in_the_socket_is_heard_before_silence(void **state)
{
	struct rig *rig = *state;

	open_with_base(rig);
	start(rig);
	for (unsigned i = 0; i < 10; i++)
		send_rtp(rig, rig->peer_fd, (uint16_t)i, 7, 0);
	rig->now_ns += 200 * MS;
	tick(rig);
	assert_int_equal(rig->loud_frames, 10);
	assert_int_equal(stats_of(rig).silence_filled_ms, 0);
	close_with_base(rig);
}

static void
on_other(evutil_socket_t fd, short what, void *arg)
{
	struct rig *rig = arg;

	(void)fd;
	(void)what;
	rig->sent_count = (unsigned)stats_of(rig).stranger;
	event_base_loopbreak(rig->base);
}

static void
a_flood_does_not_keep_others_from_their_turn(void **state)
{
	struct rig *rig = *state;
	struct event *other;

	open_with_base(rig);
	start(rig);
	for (unsigned i = 0; i < 200; i++)
		send_rtp(rig, rig->stranger_fd, (uint16_t)i, 7, 0);
	other = event_new(rig->base, -1, 0, on_other, rig);
	assert_non_null(other);
	rig->sent_count = UINT_MAX;
	event_active(other, EV_TIMEOUT, 0);
	event_base_dispatch(rig->base);
	assert_true(rig->sent_count <= 64);
	event_free(other);
	close_with_base(rig);
}

/* Its port is closed for a while: nothing is heard of that but the silence. */
static void
an_unreachable_peer_is_sent_to_until_it_is_back(void **state)
{
	struct rig *rig = *state;
	struct sockaddr_in address = rig->peer_address;
	struct rtp_packet packet;

	start(rig);
	tick(rig);
	assert_true(peer_receive(rig, &packet));
	close(rig->peer_fd);
	for (unsigned i = 0; i < 250; i++)
		tick(rig);
	rig->peer_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    bind(rig->peer_fd, (struct sockaddr *)&address, sizeof(address)),
	    0);
	tick(rig);
	assert_true(peer_receive(rig, &packet));
	assert_int_equal(stats_of(rig).packets_out, 252);
	assert_int_equal(stats_of(rig).send_errors, 0);
	send_rtp(rig, rig->peer_fd, 1, 7, 0);
	media_receive(rig->media, rig->now_ns);
	assert_int_equal(rig->loud_frames, 1);
}

static void
the_real_clock_beats_50_times_a_second(void **state)
{
	struct rig *rig = *state;
	const struct timeval limit = {.tv_sec = 20};
	struct event *peer;
	uint64_t began_ns;

	open_with_base(rig);
	peer = event_new(rig->base, rig->peer_fd, EV_READ | EV_PERSIST,
	    on_peer_readable, rig);
	assert_non_null(peer);
	event_add(peer, NULL);
	event_base_loopexit(rig->base, &limit);
	rig->beats_wanted = 25;
	began_ns = clock_now_ns();
	assert_int_equal(
	    media_start(rig->media, (struct sockaddr *)&rig->peer_address,
		sizeof(rig->peer_address)),
	    0);
	event_base_dispatch(rig->base);
	/* Never early; how late depends on the machine. */
	assert_true(rig->loud_frames >= 25);
	assert_true(clock_now_ns() - began_ns >= 24 * 20 * MS);
	assert_true(stats_of(rig).clock.wakeups >= 1);
	assert_true(stats_of(rig).packets_out >= 25);
	event_free(peer);
	close_with_base(rig);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(one_packet_goes_out_every_20_ms),
	    T(alaw_is_sent_as_payload_type_8),
	    T(the_callers_audio_comes_in_at_once),
	    T(what_is_not_the_callers_audio_is_counted_and_dropped),
	    T(what_waited_in_the_socket_is_not_heard),
	    T(what_waited_for_a_successor_is_heard),
	    T(what_waited_too_long_for_a_successor_is_not_heard),
	    T(the_peer_may_send_as_much_as_audio_is),
	    T(many_strangers_are_shut_out),
	    T(a_flood_is_read_in_bounded_portions),
	    T(speech_after_comfort_noise_does_not_wait_for_it),
	    T(a_source_may_begin_with_comfort_noise),
	    T(another_protocol_does_not_confuse_the_sequence),
	    T(a_short_delay_is_made_up_for),
	    T(a_long_delay_is_skipped_and_speech_goes_on),
	    T(a_successor_goes_on_in_the_middle_of_the_word),
	    T(a_grid_of_long_ago_or_of_the_future_is_not_followed),
	    T(a_sound_fills_what_the_voice_leaves),
	    T(a_sound_ends_before_the_voice_begins),
	    T(a_call_that_is_held_hears_no_sound),
	    T(after_stop_nothing_goes_out_or_comes_in),
	    T(the_peer_can_change_while_running),
	    T(an_unusable_peer_is_refused),
	    T(errors_of_the_network_are_counted_and_do_not_flood_the_log),
	    T(a_damaged_ring_is_refused),
	    cmocka_unit_test(lateness_is_measured),
	    T(what_waits_in_the_socket_is_heard_before_silence),
	    T(a_flood_does_not_keep_others_from_their_turn),
	    T(an_unreachable_peer_is_sent_to_until_it_is_back),
	    T(the_real_clock_beats_50_times_a_second),
	};

	log_set_level(LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
