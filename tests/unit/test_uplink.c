/* SPDX-License-Identifier: MIT */
/*
 * test_uplink.c – the caller's stream under every kind of RTP.
 *
 * Time is a variable. Each packet carries its own code in all samples, so that
 * the frames that come out say which packet went where.
 */
#include "callworker/uplink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS      UINT64_C(1000000)
#define START   (1000 * MS)
#define OUT_MAX (32u << 20) /* over an hour */
#define SILENCE 0xFF
#define LOUD    0x10 /* a code far above the level that counts as quiet */

struct rig {
	struct uplink *uplink;
	uint64_t now_ns;
	uint64_t tick_ns; /* of the next 20 ms tick */
	uint8_t *out;
	size_t out_len;
};

static void
on_frame(const uint8_t *frame, void *arg)
{
	struct rig *rig = arg;

	assert_true(rig->out_len + UPLINK_FRAME_LEN <= OUT_MAX);
	memcpy(rig->out + rig->out_len, frame, UPLINK_FRAME_LEN);
	rig->out_len += UPLINK_FRAME_LEN;
}

static int
setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	rig->out = malloc(OUT_MAX);
	assert_non_null(rig->out);
	assert_int_equal(
	    uplink_new(&rig->uplink, G711_LAW_ULAW, on_frame, rig), 0);
	rig->now_ns = START;
	rig->tick_ns = START;
	uplink_start(rig->uplink, START);
	*state = rig;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *rig = *state;

	uplink_free(&rig->uplink);
	assert_null(rig->uplink);
	free(rig->out);
	free(rig);
	return 0;
}

/* Time passes, with the ticks that fall into it. */
static void
advance_to(struct rig *rig, uint64_t now_ns)
{
	while (rig->tick_ns <= now_ns) {
		uplink_tick(rig->uplink, rig->tick_ns);
		rig->tick_ns += 20 * MS;
	}
	rig->now_ns = now_ns;
}

static void
advance(struct rig *rig, uint64_t ms)
{
	advance_to(rig, rig->now_ns + ms * MS);
}

static void
push_verdict(struct rig *rig, uint64_t seq, uint32_t timestamp, uint8_t code,
    size_t len, enum rtp_verdict verdict)
{
	uint8_t payload[RTP_PAYLOAD_MAX];
	struct rtp_packet packet = {
	    .seq = (uint16_t)seq,
	    .timestamp = timestamp,
	    .payload = payload,
	    .payload_len = len,
	};

	memset(payload, code, len);
	uplink_packet(rig->uplink, &packet, seq, verdict, rig->now_ns);
}

static void
push(struct rig *rig, uint64_t seq, uint32_t timestamp, uint8_t code)
{
	push_verdict(rig, seq, timestamp, code, 160, RTP_VERDICT_NEXT);
}

static struct uplink_stats
stats_of(const struct rig *rig)
{
	struct uplink_stats stats;

	uplink_get_stats(rig->uplink, &stats);
	return stats;
}

/* How far the stream is ahead of the clock, in ms. */
static int64_t
lead_ms(const struct rig *rig)
{
	return (int64_t)rig->out_len / 8 -
	       (int64_t)((rig->now_ns - START) / MS);
}

#define assert_lead(rig, low, high)                                            \
	do {                                                                   \
		assert_true(lead_ms(rig) >= (low));                            \
		assert_true(lead_ms(rig) <= (high));                           \
	} while (0)

static size_t
count_code(const struct rig *rig, uint8_t code)
{
	size_t count = 0;

	for (size_t i = 0; i < rig->out_len; i++)
		count += rig->out[i] == code;
	return count;
}

static void
in_order_audio_leaves_at_once_and_unchanged(void **state)
{
	struct rig *rig = *state;

	for (unsigned i = 0; i < 100; i++) {
		push(rig, 10 + i, 160 * i, (uint8_t)(1 + i % 50));
		assert_int_equal(rig->out_len, 160 * (i + 1));
		assert_int_equal(rig->out[rig->out_len - 1], 1 + i % 50);
		advance(rig, 20);
	}
	assert_int_equal(stats_of(rig).filled, 0);
	assert_int_equal(stats_of(rig).frames, 100);
}

static void
any_packet_length_becomes_frames_of_20_ms(void **state)
{
	static const unsigned ptime[] = {10, 20, 30, 40, 60, 15};

	(void)state;
	for (unsigned k = 0; k < sizeof(ptime) / sizeof(ptime[0]); k++) {
		void *fresh;
		struct rig *rig;
		uint32_t at = 0xFFFFFF00; /* wraps */

		setup(&fresh);
		rig = fresh;
		for (unsigned i = 0; i < 100; i++) {
			push_verdict(
			    rig, i, at, LOUD, ptime[k] * 8, RTP_VERDICT_NEXT);
			at += ptime[k] * 8;
			advance(rig, ptime[k]);
		}
		assert_int_equal(stats_of(rig).filled, 0);
		assert_int_equal(rig->out_len, 100 * ptime[k] * 8 / 160 * 160);
		assert_int_equal(count_code(rig, LOUD), rig->out_len);
		teardown(&fresh);
	}
}

static void
silence_comes_by_the_clock_before_the_first_packet(void **state)
{
	struct rig *rig = *state;

	advance(rig, 60);
	assert_int_equal(rig->out_len, 0);
	advance(rig, 940);
	assert_lead(rig, -60, 0);
	assert_int_equal(count_code(rig, SILENCE), rig->out_len);
}

/* A process that dies takes along what it has begun and not handed out. */
static void
after_silence_no_part_of_a_word_waits_for_the_next_packet(void **state)
{
	struct rig *rig = *state;

	rig->tick_ns += 7 * MS + 300000; /* on no frame's edge */
	for (unsigned i = 0; i < 20; i++) {
		if (i % 10 == 0)
			advance(rig, 1003); /* nobody speaks */
		push(rig, i, 160 * i, LOUD);
		assert_int_equal(count_code(rig, LOUD), 160 * (i + 1));
		advance(rig, 20);
	}
	assert_lead(rig, -60, 20);
}

static void
a_gap_is_filled_while_it_lasts_and_not_twice(void **state)
{
	struct rig *rig = *state;
	unsigned i;

	for (i = 0; i < 10; i++) {
		push(rig, i, 160 * i, LOUD);
		advance(rig, 20);
	}
	assert_int_equal(stats_of(rig).filled, 0);
	/* Hold of 2 s: the sender's timestamps go on meanwhile. */
	advance(rig, 2000);
	assert_lead(rig, -60, 20);
	i += 100;
	for (unsigned k = 0; k < 10; k++) {
		push(rig, 10 + k, 160 * (i + k), LOUD);
		advance(rig, 20);
		assert_lead(rig, -60, 40);
	}
	assert_int_equal(count_code(rig, LOUD), 20 * 160);
	assert_int_equal(stats_of(rig).gaps, 1);
	assert_in_range(stats_of(rig).filled, 1940 * 8, 2040 * 8);
}

/* The server must not hear of the end of a turn later than it could. */
static void
in_a_gap_silence_comes_frame_by_frame(void **state)
{
	struct rig *rig = *state;

	push(rig, 0, 0, LOUD);
	advance(rig, 100);
	assert_lead(rig, 0, 0);
	for (unsigned i = 0; i < 50; i++) {
		size_t before = rig->out_len;

		advance(rig, 20);
		assert_int_equal(rig->out_len - before, UPLINK_FRAME_LEN);
	}
	/* Back again, jitter is jitter: 60 ms without a packet are no gap. */
	push(rig, 1, 160 * 55, LOUD);
	advance(rig, 60);
	assert_int_equal(stats_of(rig).gaps, 1);
}

static void
a_gap_without_timestamps_loses_no_word(void **state)
{
	struct rig *rig = *state;

	push(rig, 0, 0, LOUD);
	advance(rig, 5000);
	/* The sender's clock stood still: its next timestamp is contiguous. */
	for (unsigned k = 1; k < 10; k++) {
		push(rig, k, 160 * k, LOUD);
		advance(rig, 20);
	}
	assert_int_equal(count_code(rig, LOUD), 10 * 160);
	assert_lead(rig, -60, 40);
}

static void
a_timestamp_jump_alone_does_not_fill(void **state)
{
	struct rig *rig = *state;

	push(rig, 0, 0, LOUD);
	advance(rig, 20);
	push(rig, 1, 0x70000000, LOUD);
	advance(rig, 20);
	push(rig, 2, 100, LOUD);
	advance(rig, 20);
	push(rig, 3, 260, LOUD);
	assert_lead(rig, -20, 60);
	assert_int_equal(count_code(rig, LOUD), 4 * 160);
}

static void
a_sender_that_counts_twice_as_fast_cannot_flood_us(void **state)
{
	struct rig *rig = *state;

	for (unsigned i = 0; i < 500; i++) {
		push(rig, i, 320 * i, LOUD);
		advance(rig, 20);
		assert_lead(rig, -60, 300);
	}
}

static void
a_lost_packet_leaves_its_place_silent(void **state)
{
	struct rig *rig = *state;

	push(rig, 0, 0, 1);
	advance(rig, 20);
	advance(rig, 20);
	push(rig, 2, 320, 3);
	assert_int_equal(rig->out_len, 160); /* it may only be late */
	advance(rig, 20);
	push(rig, 3, 480, 4);
	advance(rig, 20);
	push(rig, 4, 640, 5);
	assert_int_equal(rig->out_len, 5 * 160);
	assert_int_equal(rig->out[159], 1);
	assert_int_equal(rig->out[160], SILENCE);
	assert_int_equal(rig->out[319], SILENCE);
	assert_int_equal(rig->out[320], 3);
	assert_int_equal(rig->out[799], 5);
	/* Now it comes after all: its place was passed. */
	push_verdict(rig, 1, 160, 2, 160, RTP_VERDICT_REORDERED);
	assert_int_equal(stats_of(rig).late, 1);
	assert_int_equal(count_code(rig, 2), 0);
}

static void
swapped_packets_are_put_in_order(void **state)
{
	struct rig *rig = *state;

	push(rig, 0, 0, 1);
	advance(rig, 20);
	push(rig, 2, 320, 3);
	push(rig, 3, 480, 4);
	push_verdict(rig, 1, 160, 2, 160, RTP_VERDICT_REORDERED);
	assert_int_equal(rig->out_len, 4 * 160);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(rig->out[160 * i], i + 1);
	assert_int_equal(stats_of(rig).filled, 0);
}

static void
two_holes_at_once_are_passed_in_order(void **state)
{
	struct rig *rig = *state;

	push(rig, 0, 0, 1);
	advance(rig, 60);
	push(rig, 1 + 1, 320, 3);
	advance(rig, 20);
	push(rig, 4, 640, 5);
	advance(rig, 20);
	push(rig, 9, 1440, 10);
	advance(rig, 100);
	assert_int_equal(count_code(rig, 3), 160);
	assert_int_equal(count_code(rig, 5), 160);
	assert_int_equal(count_code(rig, 10), 160);
	assert_lead(rig, -60, 200);
}

static void
a_burst_after_a_stall_is_kept_and_the_lead_is_bounded(void **state)
{
	struct rig *rig = *state;
	unsigned i;

	for (i = 0; i < 10; i++) {
		push(rig, i, 160 * i, LOUD);
		advance(rig, 20);
	}
	advance(rig, 900); /* the network holds 45 packets up */
	for (; i < 55; i++)
		push(rig, i, 160 * i, LOUD);
	assert_int_equal(count_code(rig, LOUD), 55 * 160);
	for (; i < 1000; i++) {
		push(rig, i, 160 * i, LOUD);
		advance(rig, 20);
		assert_lead(rig, -60, 1000);
	}
	assert_int_equal(count_code(rig, LOUD), 1000 * 160);
	/* Pauses between words take the lead back. */
	for (; i < 1100; i++) {
		push(rig, i, 160 * i, SILENCE);
		advance(rig, 20);
	}
	assert_lead(rig, -60, 140);
}

static void
a_burst_of_seconds_is_cut(void **state)
{
	struct rig *rig = *state;

	for (unsigned i = 0; i < 250; i++)
		push(rig, i, 160 * i, LOUD);
	assert_lead(rig, 980, 1000);
	assert_int_equal(stats_of(rig).ahead_dropped, 250 - 50);
}

/* Half an hour of a sender whose crystal is `ppm` fast; a word every second. */
static void
run_half_an_hour(struct rig *rig, int64_t ppm)
{
	uint64_t packet_ns = (uint64_t)(20000000 - 20 * ppm);
	uint64_t at = START;

	for (unsigned i = 0; at < START + 1800 * 1000 * MS; i++) {
		advance_to(rig, at);
		push(rig, i, 160 * i, i % 50 < 40 ? LOUD : SILENCE);
		assert_lead(rig, -80, 160);
		at += packet_ns;
	}
}

static void
a_fast_crystal_does_not_fill_a_buffer(void **state)
{
	struct rig *rig = *state;

	run_half_an_hour(rig, 500);
	assert_in_range(stats_of(rig).ahead_dropped, 30, 60);
	assert_int_equal(stats_of(rig).filled, 0);
	assert_int_equal(count_code(rig, LOUD) % 160, 0);
}

static void
a_slow_crystal_does_not_fall_behind(void **state)
{
	struct rig *rig = *state;

	run_half_an_hour(rig, -500);
	assert_int_equal(stats_of(rig).ahead_dropped, 0);
	assert_in_range(stats_of(rig).filled, 800 * 8, 1000 * 8);
}

/* Network jitter of up to 50 ms must neither lose nor invent audio. */
static void
jitter_changes_nothing(void **state)
{
	struct rig *rig = *state;
	uint32_t random = 1;

	for (unsigned i = 0; i < 3000; i++) {
		uint64_t sent = START + 20 * MS * i;

		random = random * 1103515245 + 12345;
		advance_to(rig, sent > rig->now_ns ? sent : rig->now_ns);
		if (sent + (random >> 16) % 50 * MS > rig->now_ns)
			advance_to(rig, sent + (random >> 16) % 50 * MS);
		push(rig, i, 160 * i, LOUD);
	}
	assert_int_equal(stats_of(rig).filled, 0);
	assert_int_equal(count_code(rig, LOUD), 3000 * 160);
}

/* 60 ms of audio in each packet, the first one 55 ms after the start. */
static void
jitter_of_long_packets_is_no_gap(void **state)
{
	struct rig *rig = *state;

	for (unsigned i = 0; i < 100; i++) {
		uint64_t sent = START + (55 + 60 * i) * MS;

		advance_to(rig, sent + i % 2 * 40 * MS);
		push_verdict(rig, i, 480 * i, LOUD, 480, RTP_VERDICT_NEXT);
	}
	assert_int_equal(stats_of(rig).filled, 0);
	assert_int_equal(count_code(rig, LOUD), 100 * 480);
}

static void
a_new_source_goes_on_where_the_old_one_ended(void **state)
{
	struct rig *rig = *state;

	push(rig, 0, 0, 1);
	advance(rig, 20);
	push(rig, 2, 320, 3); /* waits for 1 */
	push_verdict(rig, 1000, 0xDEADBEEF, 4, 160, RTP_VERDICT_NEW_SOURCE);
	advance(rig, 20);
	push(rig, 1001, 0xDEADBEEF + 160, 5);
	assert_int_equal(count_code(rig, 3), 160);
	assert_int_equal(count_code(rig, 4), 160);
	assert_int_equal(count_code(rig, 5), 160);
	assert_lead(rig, 0, 80);
}

static void
a_stopped_process_does_not_send_minutes_of_silence(void **state)
{
	struct rig *rig = *state;

	push(rig, 0, 0, LOUD);
	rig->now_ns += 600 * 1000 * MS; /* without a tick */
	uplink_tick(rig->uplink, rig->now_ns);
	assert_in_range(rig->out_len, 900 * 8, 1100 * 8);
	push(rig, 1, 160, LOUD);
	assert_int_equal(count_code(rig, LOUD), 2 * 160);
}

/* Whatever arrives, the stream stays within its bounds of the clock. */
static void
random_packets_keep_the_bounds(void **state)
{
	struct rig *rig = *state;
	uint64_t base = 1 << 16;
	uint32_t timestamp = 0;

	srand(20261121);
	for (unsigned i = 0; i < 100000; i++) {
		unsigned dice = (unsigned)rand() % 100;
		uint64_t seq = base + (unsigned)rand() % 6;

		if (dice < 70)
			timestamp += 160;
		else if (dice < 75)
			timestamp = (uint32_t)rand();
		if (dice < 97)
			push_verdict(rig, seq, timestamp, LOUD,
			    1 + (unsigned)rand() % RTP_PAYLOAD_MAX,
			    dice == 80 ? RTP_VERDICT_NEW_SOURCE
				       : RTP_VERDICT_NEXT);
		if (dice % 3 == 0)
			base++;
		if (dice == 80)
			base += 1 << 17;
		advance(rig, dice == 99 ? 500 : 10);
		assert_lead(rig, -120, 1000);
	}
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(in_order_audio_leaves_at_once_and_unchanged),
	    cmocka_unit_test(any_packet_length_becomes_frames_of_20_ms),
	    T(silence_comes_by_the_clock_before_the_first_packet),
	    T(after_silence_no_part_of_a_word_waits_for_the_next_packet),
	    T(a_gap_is_filled_while_it_lasts_and_not_twice),
	    T(in_a_gap_silence_comes_frame_by_frame),
	    T(a_gap_without_timestamps_loses_no_word),
	    T(a_timestamp_jump_alone_does_not_fill),
	    T(a_sender_that_counts_twice_as_fast_cannot_flood_us),
	    T(a_lost_packet_leaves_its_place_silent),
	    T(swapped_packets_are_put_in_order),
	    T(two_holes_at_once_are_passed_in_order),
	    T(a_burst_after_a_stall_is_kept_and_the_lead_is_bounded),
	    T(a_burst_of_seconds_is_cut),
	    T(a_fast_crystal_does_not_fill_a_buffer),
	    T(a_slow_crystal_does_not_fall_behind),
	    T(jitter_changes_nothing),
	    T(jitter_of_long_packets_is_no_gap),
	    T(a_new_source_goes_on_where_the_old_one_ended),
	    T(a_stopped_process_does_not_send_minutes_of_silence),
	    T(random_packets_keep_the_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
