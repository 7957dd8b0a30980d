/* SPDX-License-Identifier: MIT */
/*
 * test_playout.c – utterances in, frames out, and the ring that outlives its
 * process: every damage to its memory must be refused or survived.
 */
#include "callworker/playout.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/damaged_memory.h"

#define SILENCE 0xFF

struct rig {
	int fd;
	struct playout *playout;
	char sent[64]; /* ids reported, each followed by a blank */
	uint32_t sent_ms;
	bool append_in_callback;
};

static void
on_sent(const char *utterance, uint32_t heard_ms, void *arg)
{
	struct rig *rig = arg;
	const uint8_t more[1] = {9};

	assert_true(
	    strlen(rig->sent) + strlen(utterance) + 2 < sizeof(rig->sent));
	strcat(rig->sent, utterance);
	strcat(rig->sent, " ");
	rig->sent_ms = heard_ms;
	if (rig->append_in_callback)
		assert_int_equal(
		    playout_append(rig->playout, "next", more, 1), 1);
}

static void
open_playout(struct rig *rig)
{
	assert_int_equal(
	    playout_new(&rig->playout, rig->fd, G711_LAW_ULAW, on_sent, rig),
	    0);
}

/* The process dies, another one maps the same memory. */
static void
succeed(struct rig *rig)
{
	playout_free(&rig->playout);
	assert_null(rig->playout);
	open_playout(rig);
}

static int
setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	assert_int_equal(playout_memfd_create_sized(65536, &rig->fd), 0);
	open_playout(rig);
	*state = rig;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *rig = *state;

	playout_free(&rig->playout);
	close(rig->fd);
	free(rig);
	return 0;
}

/* Appends `len` bytes that count up from `first`. */
static ssize_t
append(struct rig *rig, const char *id, uint8_t first, size_t len)
{
	uint8_t *bytes = malloc(len > 0 ? len : 1);
	ssize_t rc;

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)((first + i) % 250);
	rc = playout_append(rig->playout, id, bytes, len);
	free(bytes);
	return rc;
}

static struct playout_frame
next(struct rig *rig)
{
	struct playout_frame frame;

	playout_next(rig->playout, &frame);
	playout_report(rig->playout);
	return frame;
}

/* `frame` carries speech that counts up from `first` at its start. */
static void
assert_speech(const struct playout_frame *frame, unsigned first, size_t len)
{
	assert_false(frame->silence);
	for (size_t i = 0; i < RTP_FRAME_LEN; i++)
		assert_int_equal(
		    frame->payload[i], i < len ? (first + i) % 250 : SILENCE);
}

static void
assert_silence(const struct playout_frame *frame)
{
	assert_true(frame->silence);
	for (size_t i = 0; i < RTP_FRAME_LEN; i++)
		assert_int_equal(frame->payload[i], SILENCE);
}

static void
an_empty_queue_sends_continuous_silence(void **state)
{
	struct rig *rig = *state;
	struct playout_frame first = next(rig);

	assert_silence(&first);
	assert_true(first.marker);
	for (unsigned i = 1; i < 70000; i++) {
		struct playout_frame frame = next(rig);

		assert_true(frame.silence);
		assert_false(frame.marker);
		assert_int_equal(frame.seq, (uint16_t)(first.seq + i));
		assert_int_equal(
		    frame.timestamp, (uint32_t)(first.timestamp + 160 * i));
		assert_int_equal(frame.ssrc, first.ssrc);
	}
}

static void
speech_waits_for_one_packet_of_prebuffer(void **state)
{
	struct rig *rig = *state;
	struct playout_frame frame;

	next(rig);
	append(rig, "a", 0, 319);
	frame = next(rig);
	assert_silence(&frame);
	append(rig, "a", 319 % 250, 1);
	frame = next(rig);
	assert_speech(&frame, 0, 160);
	assert_true(frame.marker);
	frame = next(rig);
	assert_speech(&frame, 160, 160);
	assert_false(frame.marker);
	frame = next(rig); /* ran dry */
	assert_silence(&frame);
	append(rig, "a", 320 % 250, 160);
	frame = next(rig);
	assert_silence(&frame);
	assert_int_equal(playout_end(rig->playout, "a"), 0);
	frame = next(rig);
	assert_speech(&frame, 320 % 250, 160);
	assert_true(frame.marker);
	assert_string_equal(rig->sent, "a ");
	assert_int_equal(rig->sent_ms, 60);
}

static void
the_tail_of_an_utterance_is_padded(void **state)
{
	struct rig *rig = *state;
	struct playout_frame frame;
	struct playout_stats stats;

	append(rig, "a", 7, 200);
	playout_end(rig->playout, "a");
	assert_int_equal(playout_remaining_ms(rig->playout), 25);
	frame = next(rig);
	assert_speech(&frame, 7, 160);
	assert_string_equal(rig->sent, "");
	frame = next(rig);
	assert_speech(&frame, 167, 40);
	assert_string_equal(rig->sent, "a ");
	assert_int_equal(rig->sent_ms, 25);
	assert_int_equal(playout_heard_ms(rig->playout, "a"), 25);
	assert_int_equal(playout_remaining_ms(rig->playout), 0);
	frame = next(rig);
	assert_silence(&frame);
	playout_get_stats(rig->playout, &stats);
	assert_int_equal(stats.underruns, 0);
	assert_string_equal(rig->sent, "a "); /* once */
}

static void
utterances_follow_each_other_without_a_gap(void **state)
{
	struct rig *rig = *state;
	struct playout_frame frame;

	append(rig, "a", 0, 200);
	append(rig, "b", 200, 300); /* ends a */
	assert_int_equal(append(rig, "a", 0, 1), -EALREADY);
	assert_int_equal(playout_end(rig->playout, "a"), -EALREADY);
	frame = next(rig);
	assert_speech(&frame, 0, 160);
	frame = next(rig);
	assert_speech(&frame, 160, 160);
	assert_string_equal(rig->sent, "a ");
	assert_int_equal(playout_heard_ms(rig->playout, "a"), 25);
	assert_int_equal(playout_heard_ms(rig->playout, "b"), 15);
}

static void
an_utterance_without_audio_is_complete_at_its_end(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(append(rig, "a", 0, 0), 0);
	next(rig);
	assert_string_equal(rig->sent, "");
	playout_end(rig->playout, "a");
	next(rig);
	assert_string_equal(rig->sent, "a ");
	assert_int_equal(rig->sent_ms, 0);
}

static void
a_flush_drops_everything_and_says_what_was_heard(void **state)
{
	struct rig *rig = *state;
	struct playout_flushed flushed;
	struct playout_frame frame;

	append(rig, "a", 0, 1000);
	append(rig, "b", 0, 1000);
	next(rig);
	next(rig);
	next(rig);
	assert_true(playout_flush(rig->playout, &flushed));
	assert_string_equal(flushed.utterance, "a");
	assert_int_equal(flushed.heard_ms, 60);
	assert_int_equal(flushed.dropped_ms, (2000 - 480) / 8);
	frame = next(rig);
	assert_silence(&frame);
	assert_int_equal(playout_heard_ms(rig->playout, "a"), 60);
	assert_int_equal(playout_heard_ms(rig->playout, "b"), 0);
	assert_int_equal(playout_heard_ms(rig->playout, "c"), -ENOENT);
	assert_int_equal(playout_remaining_ms(rig->playout), 0);
	/* Late audio of what was flushed is never heard. */
	assert_int_equal(append(rig, "a", 0, 500), -ECANCELED);
	assert_int_equal(append(rig, "b", 0, 500), -ECANCELED);
	assert_int_equal(playout_end(rig->playout, "b"), -ECANCELED);
	assert_false(playout_flush(rig->playout, &flushed));
	assert_string_equal(rig->sent, "");
	/* The next utterance is not disturbed by it. */
	append(rig, "c", 3, 400);
	frame = next(rig);
	assert_speech(&frame, 3, 160);
	assert_true(frame.marker);
}

static void
a_flush_of_an_open_utterance_that_ran_dry_ends_it(void **state)
{
	struct rig *rig = *state;
	struct playout_flushed flushed;

	append(rig, "a", 0, 320);
	next(rig);
	next(rig);
	assert_true(playout_flush(rig->playout, &flushed));
	assert_int_equal(flushed.heard_ms, 40);
	assert_int_equal(flushed.dropped_ms, 0);
	assert_int_equal(append(rig, "a", 0, 1), -ECANCELED);
}

static void
nothing_is_consumed_while_held(void **state)
{
	struct rig *rig = *state;
	struct playout_frame frame;

	playout_hold(rig->playout);
	append(rig, "greeting", 0, 800);
	for (unsigned i = 0; i < 50; i++) {
		frame = next(rig);
		assert_silence(&frame);
	}
	succeed(rig);
	assert_true(playout_is_held(rig->playout));
	assert_int_equal(playout_remaining_ms(rig->playout), 100);
	playout_release(rig->playout);
	frame = next(rig);
	assert_speech(&frame, 0, 160);
	assert_true(frame.marker);
}

static void
a_ring_is_new_until_a_frame_was_made(void **state)
{
	struct rig *rig = *state;

	assert_true(playout_is_new(rig->playout));
	playout_hold(rig->playout);
	append(rig, "greeting", 0, 800);
	succeed(rig);
	assert_true(playout_is_new(rig->playout));
	playout_release(rig->playout);
	next(rig);
	assert_false(playout_is_new(rig->playout));
	succeed(rig);
	assert_false(playout_is_new(rig->playout));
	assert_false(playout_is_held(rig->playout));
}

static void
speech_that_is_due_can_wait_for_a_frame(void **state)
{
	struct rig *rig = *state;
	struct playout_frame frame;

	assert_false(playout_is_due(rig->playout));
	append(rig, "a", 0, 160);
	assert_false(playout_is_due(rig->playout)); /* one frame too few */
	append(rig, "a", 160, 640);
	assert_true(playout_is_due(rig->playout));
	playout_next_silence(rig->playout, &frame);
	assert_silence(&frame);
	assert_true(playout_is_due(rig->playout));
	playout_hold(rig->playout);
	assert_false(playout_is_due(rig->playout));
	playout_release(rig->playout);
	frame = next(rig);
	assert_speech(&frame, 0, 160);
	assert_true(playout_is_due(rig->playout)); /* it goes on */
}

static void
a_hold_in_mid_word_loses_nothing(void **state)
{
	struct rig *rig = *state;
	struct playout_frame frame;
	struct playout_stats stats;

	append(rig, "a", 0, 800);
	next(rig);
	playout_hold(rig->playout);
	frame = next(rig);
	assert_silence(&frame);
	playout_release(rig->playout);
	frame = next(rig);
	assert_speech(&frame, 160, 160);
	playout_get_stats(rig->playout, &stats);
	assert_int_equal(stats.underruns, 0);
}

static void
a_full_ring_takes_what_fits(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(append(rig, "a", 0, 70000), 65536);
	assert_int_equal(append(rig, "a", 0, 1), -ENOBUFS);
	next(rig);
	assert_int_equal(append(rig, "a", 65536 % 250, 500), 160);
	for (unsigned i = 1; i < 410; i++) {
		struct playout_frame frame = next(rig);

		assert_speech(&frame, 160 * i, 160);
	}
}

static void
the_usual_ring_holds_five_minutes(void **state)
{
	struct rig *rig = *state;
	uint8_t *audio = calloc(1, 300 * 8000);

	assert_non_null(audio);
	playout_free(&rig->playout);
	close(rig->fd);
	assert_int_equal(playout_memfd_create(&rig->fd), 0);
	open_playout(rig);
	assert_int_equal(
	    playout_append(rig->playout, "a", audio, 300 * 8000), 300 * 8000);
	assert_int_equal(playout_remaining_ms(rig->playout), 300000);
	free(audio);
}

static void
a_full_table_refuses_and_then_forgets_the_oldest(void **state)
{
	struct rig *rig = *state;
	char id[8];

	for (unsigned i = 0; i < PLAYOUT_RING_UTTERANCES; i++) {
		snprintf(id, sizeof(id), "u%u", i);
		assert_int_equal(append(rig, id, 0, 160), 160);
	}
	assert_int_equal(append(rig, "more", 0, 160), -ENOBUFS);
	next(rig);
	assert_string_equal(rig->sent, "u0 ");
	assert_int_equal(playout_heard_ms(rig->playout, "u0"), 20);
	assert_int_equal(append(rig, "more", 0, 160), 160);
	assert_int_equal(playout_heard_ms(rig->playout, "u0"), -ENOENT);
	assert_int_equal(playout_remaining_ms(rig->playout), 16 * 20);
}

static void
the_callback_may_queue_more(void **state)
{
	struct rig *rig = *state;

	rig->append_in_callback = true;
	append(rig, "a", 0, 160);
	playout_end(rig->playout, "a");
	next(rig);
	rig->append_in_callback = false;
	playout_end(rig->playout, "next");
	next(rig);
	next(rig);
	assert_string_equal(rig->sent, "a next ");
}

static void
ids_that_are_no_ids_are_refused(void **state)
{
	struct rig *rig = *state;
	char id[80];

	memset(id, 'x', sizeof(id));
	id[63] = '\0';
	assert_int_equal(append(rig, id, 0, 1), 1);
	id[63] = 'x';
	id[64] = '\0';
	assert_int_equal(append(rig, id, 0, 1), -EINVAL);
	assert_int_equal(append(rig, "", 0, 1), -EINVAL);
	assert_int_equal(append(rig, "a b", 0, 1), -EINVAL);
	assert_int_equal(append(rig, "a\n", 0, 1), -EINVAL);
	assert_int_equal(playout_end(rig->playout, id), -ENOENT);
	assert_int_equal(playout_heard_ms(rig->playout, ""), -ENOENT);
}

static void
skipped_time_moves_the_timestamp_only(void **state)
{
	struct rig *rig = *state;
	struct playout_frame before, after;

	append(rig, "a", 0, 800);
	before = next(rig);
	playout_skip(rig->playout, 7);
	after = next(rig);
	assert_speech(&after, 160, 160);
	assert_int_equal(after.seq, (uint16_t)(before.seq + 1));
	assert_int_equal(
	    after.timestamp, (uint32_t)(before.timestamp + 8 * 160));
	assert_true(after.marker);
	after = next(rig);
	assert_false(after.marker);
}

static void
a_successor_goes_on_with_the_next_sample(void **state)
{
	struct rig *rig = *state;
	struct playout_frame before, frame;

	append(rig, "a", 0, 1600);
	for (unsigned i = 0; i < 4; i++)
		before = next(rig);
	playout_set_deadline_ns(rig->playout, 12345);
	before = next(rig);
	succeed(rig);
	assert_int_equal(playout_heard_ms(rig->playout, "a"), 100);
	assert_int_equal(playout_remaining_ms(rig->playout), 100);
	assert_int_equal(playout_deadline_ns(rig->playout), 12345);
	frame = next(rig);
	assert_speech(&frame, 5 * 160, 160);
	assert_false(frame.marker);
	assert_int_equal(frame.seq, (uint16_t)(before.seq + 1));
	assert_int_equal(frame.timestamp, (uint32_t)(before.timestamp + 160));
	assert_int_equal(frame.ssrc, before.ssrc);
	/* The utterance can be continued and ended by the successor. */
	append(rig, "a", 1600 % 250, 160);
	playout_end(rig->playout, "a");
	for (unsigned i = 6; i < 11; i++)
		frame = next(rig);
	assert_speech(&frame, 10 * 160, 160);
	assert_string_equal(rig->sent, "a ");
}

static void
a_flush_outlives_the_process(void **state)
{
	struct rig *rig = *state;
	struct playout_frame frame;

	append(rig, "a", 0, 1600);
	next(rig);
	playout_flush(rig->playout, NULL);
	succeed(rig);
	frame = next(rig);
	assert_silence(&frame);
	assert_int_equal(playout_heard_ms(rig->playout, "a"), 20);
	assert_int_equal(append(rig, "a", 0, 1), -ECANCELED);
}

/* Bytes of memory that the ring really occupies. */
static long
occupied(const struct rig *rig)
{
	struct stat st;

	assert_int_equal(fstat(rig->fd, &st), 0);
	return (long)st.st_blocks * 512;
}

static void
a_long_answer_that_was_heard_occupies_no_memory(void **state)
{
	struct rig *rig = *state;
	struct playout_frame frame;

	playout_free(&rig->playout);
	close(rig->fd);
	assert_int_equal(playout_memfd_create_sized(1u << 20, &rig->fd), 0);
	open_playout(rig);
	assert_int_equal(append(rig, "a", 0, 400000), 400000);
	playout_end(rig->playout, "a");
	assert_true(occupied(rig) >= 400000);
	for (unsigned i = 0; i < 2499; i++)
		frame = next(rig);
	assert_true(occupied(rig) >= 400000);
	frame = next(rig);
	assert_speech(&frame, 2499 * 160, 160);
	assert_in_range(occupied(rig), 4096, 4096 + 65536);
	/* A flush gives it back, too, and what comes then is heard. */
	append(rig, "b", 1, 400000);
	next(rig);
	playout_flush(rig->playout, NULL);
	assert_in_range(occupied(rig), 4096, 4096 + 65536);
	append(rig, "c", 2, 200000);
	frame = next(rig);
	assert_speech(&frame, 2, 160);
	/* A successor frees what it finds, once it is not needed. */
	succeed(rig);
	frame = next(rig);
	assert_speech(&frame, 162, 160);
	playout_flush(rig->playout, NULL);
	assert_in_range(occupied(rig), 4096, 4096 + 65536);
}

static void
a_successor_finds_what_was_queued_and_what_was_cut(void **state)
{
	struct rig *rig = *state;
	struct playout_utterance found;

	append(rig, "a", 0, 480);
	next(rig);
	succeed(rig);
	assert_int_equal(playout_find(rig->playout, "a", &found), 0);
	assert_int_equal(found.taken_ms, 60);
	assert_int_equal(found.sent_ms, 20);
	assert_false(found.ended || found.cancelled);
	playout_end(rig->playout, "a");
	playout_flush(rig->playout, NULL);
	succeed(rig);
	assert_int_equal(playout_find(rig->playout, "a", &found), 0);
	assert_true(found.ended && found.cancelled);
	assert_int_equal(playout_find(rig->playout, "b", &found), -ENOENT);
	assert_int_equal(playout_find(rig->playout, "", &found), -ENOENT);
}

static void
an_end_that_nobody_heard_of_is_reported_by_the_successor(void **state)
{
	struct rig *rig = *state;
	struct playout_frame frame;

	append(rig, "a", 0, 160);
	playout_end(rig->playout, "a");
	playout_next(rig->playout, &frame); /* killed before the report */
	succeed(rig);
	next(rig);
	assert_string_equal(rig->sent, "a ");
}

/* Appends bytes that say their own place in the utterance. */
static void
append_in_place(struct rig *rig, uint64_t place)
{
	uint8_t audio[200];

	for (unsigned i = 0; i < sizeof(audio); i++)
		audio[i] = (uint8_t)((place + i) % 251);
	playout_append(rig->playout, "a", audio, sizeof(audio));
}

static uint64_t
heard_bytes(struct rig *rig)
{
	int64_t ms = playout_heard_ms(rig->playout, "a");

	return ms > 0 ? (uint64_t)ms * 8 : 0;
}

/* Goes on where the last one was killed, until it is killed too. */
static void
work_for_ever(struct rig *rig, int ready_fd)
{
	struct playout_frame frame;

	open_playout(rig);
	if (write(ready_fd, "x", 1) != 1)
		_exit(1);
	for (;;) {
		append_in_place(
		    rig, heard_bytes(rig) +
			     8 * (uint64_t)playout_remaining_ms(rig->playout));
		playout_next(rig->playout, &frame);
	}
}

static void
check_left_ring(struct rig *rig)
{
	struct playout_frame frame;
	uint64_t place;

	open_playout(rig);
	place = heard_bytes(rig);
	frame = next(rig);
	for (size_t i = 0; !frame.silence && i < RTP_FRAME_LEN; i++)
		assert_int_equal(frame.payload[i], (place + i) % 251);
	playout_free(&rig->playout);
}

/*
 * A child works on the ring and is killed at some moment, again and again: what
 * it leaves is always whole, and the next frame is the one that follows.
 */
static void
a_writer_killed_at_any_moment_leaves_a_whole_ring(void **state)
{
	struct rig *rig = *state;
	uint64_t heard;

	playout_free(&rig->playout);
	for (unsigned round = 0; round < 100; round++) {
		int ready[2];
		char byte;
		pid_t pid;

		assert_int_equal(pipe(ready), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			work_for_ever(rig, ready[1]);
		assert_int_equal(read(ready[0], &byte, 1), 1);
		usleep(round * 10); /* the moment varies; any will do */
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		close(ready[0]);
		close(ready[1]);
		check_left_ring(rig);
	}
	open_playout(rig);
	heard = heard_bytes(rig);
	assert_true(heard > 100 * 160);
}

static int
try_attach(void *arg)
{
	struct rig *rig = arg;
	int rc = playout_new(&rig->playout, rig->fd, G711_LAW_ULAW, NULL, NULL);

	if (rc == 0) {
		/* Accepted: it must also work. */
		for (unsigned i = 0; i < 20; i++)
			next(rig);
		append(rig, "z", 0, 70000);
		playout_flush(rig->playout, NULL);
		playout_free(&rig->playout);
	}
	return rc;
}

/* A ring with some state in it, mapped for damage. */
static struct damaged_memory
used_memory(struct rig *rig)
{
	struct damaged_memory m = {
	    .len = 4096 + 65536,
	    .state_off = offsetof(struct playout_ring_header, state),
	    .state_len = sizeof(struct playout_ring_state),
	    .crc_off = offsetof(struct playout_ring_state, crc),
	    .attach = try_attach,
	    .arg = rig,
	};
	void *bytes;

	append(rig, "a", 0, 1000);
	next(rig);
	append(rig, "b", 0, 1000);
	next(rig);
	playout_free(&rig->playout);
	bytes =
	    mmap(NULL, m.len, PROT_READ | PROT_WRITE, MAP_SHARED, rig->fd, 0);
	assert_ptr_not_equal(bytes, MAP_FAILED);
	m.bytes = bytes;
	return m;
}

static void
each_damaged_header_field_is_refused(void **state)
{
	struct damaged_memory m = used_memory(*state);

	damaged_header_is_refused(&m);
	munmap(m.bytes, m.len);
}

static void
one_damaged_state_is_survived_and_two_are_refused(void **state)
{
	struct damaged_memory m = used_memory(*state);

	damaged_states_are_told(&m);
	munmap(m.bytes, m.len);
}

/* The older copy is one commit behind: a frame is said again, nothing more. */
static void
the_older_state_is_one_commit_behind(void **state)
{
	struct rig *rig = *state;
	struct playout_frame before, after;
	struct playout_ring_header *header;
	unsigned newer;

	append(rig, "a", 0, 1000);
	next(rig);
	before = next(rig);
	playout_free(&rig->playout);
	header =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, rig->fd, 0);
	assert_ptr_not_equal(header, MAP_FAILED);
	newer = header->state[1].generation > header->state[0].generation;
	header->state[newer].rtp_seq ^= 1; /* torn */
	munmap(header, 4096);
	open_playout(rig);
	after = next(rig);
	assert_int_equal(after.seq, before.seq);
	assert_memory_equal(after.payload, before.payload, RTP_FRAME_LEN);
}

static void
a_state_with_a_right_crc_and_wrong_values_is_refused(void **state)
{
	struct damaged_memory m = used_memory(*state);
	const struct playout_ring_header *header = (const void *)m.bytes;
	struct playout_ring_state good = header->state[0];
	struct playout_ring_state bad;

	if (header->state[1].generation > good.generation)
		good = header->state[1];
	damaged_forge(&m, &good);
	assert_int_equal(m.attach(m.arg), 0);
#define REFUSED(change)                                                        \
	do {                                                                   \
		bad = good;                                                    \
		change;                                                        \
		damaged_forge(&m, &bad);                                       \
		assert_int_equal(m.attach(m.arg), -EBADMSG);                   \
	} while (0)
	REFUSED(bad.generation = 0);
	REFUSED(bad.generation = UINT64_MAX);
	REFUSED(bad.read_off = 65536);
	REFUSED(bad.read_off = UINT32_MAX);
	REFUSED(bad.fill += 1);
	REFUSED(bad.fill = UINT32_MAX);
	REFUSED(bad.flags |= 1u << 20);
	REFUSED(bad.zero = 1);
	REFUSED(bad.utterances = PLAYOUT_RING_UTTERANCES + 1);
	REFUSED(bad.utterances = UINT32_MAX);
	REFUSED(bad.utterances = 0);
	REFUSED(bad.utterance[0].sent = bad.utterance[0].taken + 1);
	REFUSED(bad.utterance[1].taken = UINT32_MAX);
	REFUSED(bad.utterance[0].flags |= 1u << 31);
	REFUSED(bad.utterance[0].zero = 1);
	REFUSED(bad.utterance[0].id[0] = '\0');
	REFUSED(bad.utterance[0].id[0] = '\n');
	REFUSED(memset(bad.utterance[1].id, 'x', PLAYOUT_RING_ID_SIZE));
#undef REFUSED
	munmap(m.bytes, m.len);
}

static void
random_damage_is_never_fatal(void **state)
{
	struct damaged_memory m = used_memory(*state);

	damaged_at_random_is_never_fatal(&m);
	munmap(m.bytes, m.len);
}

static int
attach_and_free(int fd)
{
	struct playout *p = NULL;
	int rc = playout_new(&p, fd, G711_LAW_ULAW, NULL, NULL);

	assert_int_equal(p != NULL, rc == 0);
	playout_free(&p);
	return rc;
}

static void
memory_of_another_size_or_kind_is_refused(void **state)
{
	struct rig *rig = *state;
	int fd;

	damaged_kinds_are_refused(rig->fd, 4096 + 65536, attach_and_free);
	assert_int_equal(playout_memfd_create_sized(100, &fd), -EINVAL);
}

static void
the_memory_can_neither_shrink_nor_grow(void **state)
{
	struct rig *rig = *state;

	damaged_memory_is_sealed(rig->fd);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(an_empty_queue_sends_continuous_silence),
	    T(speech_waits_for_one_packet_of_prebuffer),
	    T(the_tail_of_an_utterance_is_padded),
	    T(utterances_follow_each_other_without_a_gap),
	    T(an_utterance_without_audio_is_complete_at_its_end),
	    T(a_flush_drops_everything_and_says_what_was_heard),
	    T(a_flush_of_an_open_utterance_that_ran_dry_ends_it),
	    T(nothing_is_consumed_while_held),
	    T(a_ring_is_new_until_a_frame_was_made),
	    T(speech_that_is_due_can_wait_for_a_frame),
	    T(a_hold_in_mid_word_loses_nothing),
	    T(a_full_ring_takes_what_fits),
	    T(the_usual_ring_holds_five_minutes),
	    T(a_full_table_refuses_and_then_forgets_the_oldest),
	    T(the_callback_may_queue_more),
	    T(ids_that_are_no_ids_are_refused),
	    T(skipped_time_moves_the_timestamp_only),
	    T(a_successor_goes_on_with_the_next_sample),
	    T(a_flush_outlives_the_process),
	    T(a_long_answer_that_was_heard_occupies_no_memory),
	    T(a_successor_finds_what_was_queued_and_what_was_cut),
	    T(an_end_that_nobody_heard_of_is_reported_by_the_successor),
	    T(a_writer_killed_at_any_moment_leaves_a_whole_ring),
	    T(each_damaged_header_field_is_refused),
	    T(one_damaged_state_is_survived_and_two_are_refused),
	    T(the_older_state_is_one_commit_behind),
	    T(a_state_with_a_right_crc_and_wrong_values_is_refused),
	    T(random_damage_is_never_fatal),
	    T(memory_of_another_size_or_kind_is_refused),
	    T(the_memory_can_neither_shrink_nor_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
