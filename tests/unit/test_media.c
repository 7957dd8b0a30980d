/* SPDX-License-Identifier: MIT */
/*
 * test_media.c – one call's RTP side: what is heard and sent, and when. Time is
 * a variable, but in the one test that runs the real clock.
 */
#include "tests/unit/media_rig.h"

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

/*
 * Five seconds of the caller, who spoke while nobody read: there was no spare.
 */
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
	for (unsigned i = 10; i < 260; i++)
		send_rtp(rig, rig->peer_fd, (uint16_t)i, 7, 0);
	succeed(rig, 5000);
	assert_int_equal(rig->loud_frames, 260);
	assert_int_equal(stats_of(rig).stale, 0);
	/* The stream is on time from here on: nothing filled, nothing dropped. */
	for (unsigned i = 260; i < 270; i++) {
		send_rtp(rig, rig->peer_fd, (uint16_t)i, 7, 0);
		media_receive(rig->media, rig->now_ns);
		tick(rig);
	}
	assert_int_equal(rig->loud_frames, 270);
	assert_int_equal(stats_of(rig).ahead_dropped, 0);
	assert_int_equal(stats_of(rig).silence_filled_ms, 0);
}

/* … and one of 20 ms, so quickly did it come. */
static void
a_successor_that_comes_before_the_next_frame_loses_none(void **state)
{
	struct rig *rig = *state;

	start(rig);
	send_rtp(rig, rig->peer_fd, 0, 7, 0);
	media_receive(rig->media, rig->now_ns);
	tick(rig); /* the next one is due 20 ms later: now */
	send_rtp(rig, rig->peer_fd, 1, 7, 0);
	rig->now_ns -= 15 * MS;
	succeed(rig, 0);
	assert_int_equal(stats_of(rig).stale, 0);
	assert_int_equal(rig->loud_frames, 2);
	rig->now_ns += 15 * MS;
	for (unsigned i = 2; i < 10; i++) {
		send_rtp(rig, rig->peer_fd, (uint16_t)i, 7, 0);
		media_receive(rig->media, rig->now_ns);
		tick(rig);
	}
	assert_int_equal(rig->loud_frames, 10);
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
	    T(what_waited_in_the_socket_is_not_heard),
	    T(what_waited_for_a_successor_is_heard),
	    T(a_successor_that_comes_before_the_next_frame_loses_none),
	    T(what_waited_too_long_for_a_successor_is_not_heard),
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
	    T(a_damaged_ring_is_refused),
	    cmocka_unit_test(lateness_is_measured),
	    T(the_real_clock_beats_50_times_a_second),
	};

	log_set_level(LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
