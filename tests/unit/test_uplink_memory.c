/* SPDX-License-Identifier: MIT */
/*
 * test_uplink_memory.c – the caller's last words, from where on they are due,
 * and memory that a dead or hostile process left.
 */
#include "common/uplink_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/damaged_memory.h"

enum {
	SIZE = 256 + 1500 * 160,
	SECOND = 50, /* frames */
};

struct rig {
	int fd;
	struct uplink_memory *memory;
	unsigned next; /* number of the frame that is put next */
};

static int
setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	assert_int_equal(uplink_memory_create(&rig->fd), 0);
	assert_int_equal(uplink_memory_attach(&rig->memory, rig->fd), 0);
	*state = rig;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *rig = *state;

	uplink_memory_free(&rig->memory);
	assert_null(rig->memory);
	close(rig->fd);
	free(rig);
	return 0;
}

/* The process dies, another one maps the same memory. */
static void
succeed(struct rig *rig)
{
	uplink_memory_free(&rig->memory);
	assert_int_equal(uplink_memory_attach(&rig->memory, rig->fd), 0);
}

/* Frame N says N in its first four bytes and in its last. */
static void
make_frame(unsigned n, uint8_t frame[UPLINK_MEMORY_FRAME_LEN])
{
	memset(frame, 0xD5, UPLINK_MEMORY_FRAME_LEN);
	memcpy(frame, &n, sizeof(n));
	frame[UPLINK_MEMORY_FRAME_LEN - 1] = (uint8_t)n;
}

static void
put(struct rig *rig, unsigned frames)
{
	uint8_t frame[UPLINK_MEMORY_FRAME_LEN];

	for (unsigned i = 0; i < frames; i++) {
		make_frame(rig->next++, frame);
		uplink_memory_put(rig->memory, frame);
	}
}

/* Due are all frames from FIRST on, whole and in order. */
static void
assert_due(const struct rig *rig, unsigned first)
{
	size_t due = uplink_memory_due(rig->memory);
	uint8_t bytes[UPLINK_MEMORY_FRAME_LEN], frame[UPLINK_MEMORY_FRAME_LEN];

	assert_int_equal(due, rig->next - first);
	for (unsigned i = 0; i < due; i++) {
		uplink_memory_get(rig->memory, i, 1, bytes);
		make_frame(first + i, frame);
		assert_memory_equal(bytes, frame, sizeof(frame));
	}
}

static void
a_new_memory_has_nothing_due(void **state)
{
	struct rig *rig = *state;
	bool speaking = true;

	assert_due(rig, 0);
	assert_false(uplink_memory_is_open(rig->memory, &speaking));
	assert_false(speaking);
	uplink_memory_turn_ended(rig->memory);
	uplink_memory_turn_answered(rig->memory);
	uplink_memory_heard(rig->memory);
	assert_due(rig, 0);
}

static void
what_no_voice_gave_a_sign_of_hearing_is_due(void **state)
{
	struct rig *rig = *state;

	put(rig, 8 * SECOND);
	assert_due(rig, 0);
	uplink_memory_heard(rig->memory);
	assert_due(rig, 8 * SECOND - UPLINK_MEMORY_UNSURE);
	put(rig, 10);
	assert_due(rig, 8 * SECOND - UPLINK_MEMORY_UNSURE);
}

static void
a_turn_is_due_from_before_its_first_word_until_its_answer(void **state)
{
	struct rig *rig = *state;
	unsigned begin = 4 * SECOND - 10 - UPLINK_MEMORY_LEAD_IN;
	bool speaking;

	put(rig, 4 * SECOND);
	uplink_memory_heard(rig->memory);
	uplink_memory_turn_began(rig->memory, 200);
	assert_true(uplink_memory_is_open(rig->memory, &speaking));
	assert_true(speaking);
	put(rig, 3 * SECOND);
	uplink_memory_heard(rig->memory);
	assert_due(rig, begin);
	succeed(rig);
	assert_due(rig, begin);
	uplink_memory_turn_ended(rig->memory);
	assert_true(uplink_memory_is_open(rig->memory, &speaking));
	assert_false(speaking);
	put(rig, SECOND);
	assert_due(rig, begin);
	uplink_memory_turn_answered(rig->memory);
	assert_false(uplink_memory_is_open(rig->memory, &speaking));
	assert_due(rig, 7 * SECOND);
}

static void
who_speaks_again_before_the_answer_goes_on_with_the_turn(void **state)
{
	struct rig *rig = *state;
	unsigned begin = 2 * SECOND - UPLINK_MEMORY_LEAD_IN;

	put(rig, 2 * SECOND);
	uplink_memory_turn_began(rig->memory, 0);
	put(rig, SECOND);
	uplink_memory_turn_ended(rig->memory);
	put(rig, SECOND);
	uplink_memory_turn_began(rig->memory, 0);
	put(rig, SECOND);
	assert_due(rig, begin);
	/* The first half was written down meanwhile: only the second is due. */
	uplink_memory_turn_answered(rig->memory);
	assert_due(rig, 4 * SECOND - UPLINK_MEMORY_LEAD_IN);
}

/* Noise, that one voice took for speech and the next one did not. */
static void
a_turn_in_which_nothing_was_said_is_over(void **state)
{
	struct rig *rig = *state;
	bool speaking;

	put(rig, 8 * SECOND);
	uplink_memory_turn_began(rig->memory, 0);
	put(rig, 9 * SECOND);
	uplink_memory_heard(rig->memory);
	assert_due(rig, 8 * SECOND - UPLINK_MEMORY_LEAD_IN);
	uplink_memory_turn_void(rig->memory);
	assert_false(uplink_memory_is_open(rig->memory, &speaking));
	uplink_memory_heard(rig->memory);
	assert_due(rig, 17 * SECOND - UPLINK_MEMORY_UNSURE);
	/* Whoever really speaks then is heard from his first word. */
	uplink_memory_turn_began(rig->memory, 0);
	assert_due(rig, 17 * SECOND - UPLINK_MEMORY_LEAD_IN);
}

static void
what_was_answered_is_not_due_again(void **state)
{
	struct rig *rig = *state;

	put(rig, SECOND);
	uplink_memory_turn_began(rig->memory, 0);
	put(rig, SECOND);
	uplink_memory_turn_ended(rig->memory);
	uplink_memory_turn_answered(rig->memory);
	put(rig, 2);
	uplink_memory_turn_began(rig->memory, 5000);
	assert_due(rig, 2 * SECOND);
}

static void
the_oldest_of_a_long_turn_is_forgotten(void **state)
{
	struct rig *rig = *state;

	uplink_memory_turn_began(rig->memory, 0);
	put(rig, UPLINK_MEMORY_FRAMES + 77);
	assert_int_equal(uplink_memory_due(rig->memory), UPLINK_MEMORY_FRAMES);
	assert_due(rig, 77);
	succeed(rig);
	assert_due(rig, 77);
	put(rig, 3 * UPLINK_MEMORY_FRAMES);
	assert_due(rig, 77 + 3 * UPLINK_MEMORY_FRAMES);
	uplink_memory_turn_ended(rig->memory);
	uplink_memory_turn_answered(rig->memory);
	uplink_memory_turn_began(rig->memory, UINT32_MAX);
	assert_due(rig, rig->next);
}

static void
a_turn_said_to_have_begun_long_ago_is_due_as_far_as_we_know_it(void **state)
{
	struct rig *rig = *state;

	put(rig, 2 * UPLINK_MEMORY_FRAMES);
	uplink_memory_heard(rig->memory);
	uplink_memory_turn_began(rig->memory, UINT32_MAX);
	assert_due(rig, UPLINK_MEMORY_FRAMES);
}

static void
work_for_ever(struct rig *rig, int ready)
{
	const char byte = 'x';

	put(rig, 1);
	if (write(ready, &byte, 1) != 1)
		_exit(1);
	for (unsigned i = 0;; i++) {
		put(rig, 1);
		if (i % 7 == 0)
			uplink_memory_turn_began(rig->memory, i % 300);
		if (i % 7 == 3)
			uplink_memory_turn_ended(rig->memory);
		if (i % 7 == 5)
			uplink_memory_turn_answered(rig->memory);
		uplink_memory_heard(rig->memory);
	}
}

static void
a_writer_killed_at_any_moment_leaves_whole_frames(void **state)
{
	struct rig *rig = *state;

	for (unsigned round = 0; round < 100; round++) {
		int ready[2];
		unsigned first;
		uint8_t frame[UPLINK_MEMORY_FRAME_LEN];
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
		succeed(rig);
		if (uplink_memory_due(rig->memory) == 0)
			continue;
		uplink_memory_get(rig->memory, 0, 1, frame);
		memcpy(&first, frame, sizeof(first));
		rig->next = first + (unsigned)uplink_memory_due(rig->memory);
		assert_due(rig, first);
	}
	assert_true(rig->next > 100);
}

/* ---- memory that others may have changed ------------------------------- */

static int
try_attach(void *arg)
{
	struct rig *rig = arg;
	static uint8_t bytes[UPLINK_MEMORY_FRAMES * UPLINK_MEMORY_FRAME_LEN];
	int rc = uplink_memory_attach(&rig->memory, rig->fd);
	bool speaking;

	if (rc != 0)
		return rc;
	/* Accepted: it must also work. */
	assert_true(uplink_memory_due(rig->memory) <= UPLINK_MEMORY_FRAMES);
	uplink_memory_get(
	    rig->memory, 0, uplink_memory_due(rig->memory), bytes);
	put(rig, 20);
	uplink_memory_turn_began(rig->memory, UINT32_MAX);
	put(rig, 20);
	uplink_memory_turn_ended(rig->memory);
	uplink_memory_turn_answered(rig->memory);
	put(rig, 20);
	uplink_memory_heard(rig->memory);
	assert_false(uplink_memory_is_open(rig->memory, &speaking));
	assert_true(uplink_memory_due(rig->memory) <= 20);
	uplink_memory_free(&rig->memory);
	return 0;
}

static struct damaged_memory
used_memory(struct rig *rig)
{
	struct damaged_memory m = {
	    .len = SIZE,
	    .state_off = offsetof(struct uplink_memory_header, state),
	    .state_len = sizeof(struct uplink_memory_state),
	    .crc_off = offsetof(struct uplink_memory_state, crc),
	    .attach = try_attach,
	    .arg = rig,
	};
	void *bytes;

	put(rig, 2 * SECOND);
	uplink_memory_turn_began(rig->memory, 100);
	put(rig, SECOND);
	uplink_memory_free(&rig->memory);
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

static void
a_state_with_a_right_crc_and_wrong_values_is_refused(void **state)
{
	struct damaged_memory m = used_memory(*state);
	const struct uplink_memory_header *header = (const void *)m.bytes;
	struct uplink_memory_state good = header->state[0];
	struct uplink_memory_state bad;

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
	REFUSED(bad.frames = UINT64_MAX);
	REFUSED(bad.frames = bad.due = UINT64_MAX);
	REFUSED(bad.due = bad.frames + 1);
	REFUSED(bad.due = UINT64_MAX);
	REFUSED(bad.frames = bad.due + UPLINK_MEMORY_FRAMES + 1);
	REFUSED(bad.begin = bad.frames + 1);
	REFUSED(bad.end = bad.frames + 1);
	REFUSED(bad.answered = bad.due + 1);
	REFUSED(bad.flags |= 1u << 20);
	REFUSED(bad.flags = UPLINK_MEMORY_SPEAKING);
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
	struct uplink_memory *memory = NULL;
	int rc = uplink_memory_attach(&memory, fd);

	assert_int_equal(memory != NULL, rc == 0);
	uplink_memory_free(&memory);
	return rc;
}

static void
memory_of_another_size_or_kind_is_refused(void **state)
{
	struct rig *rig = *state;

	damaged_kinds_are_refused(rig->fd, SIZE, attach_and_free);
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
	    T(a_new_memory_has_nothing_due),
	    T(what_no_voice_gave_a_sign_of_hearing_is_due),
	    T(a_turn_is_due_from_before_its_first_word_until_its_answer),
	    T(who_speaks_again_before_the_answer_goes_on_with_the_turn),
	    T(a_turn_in_which_nothing_was_said_is_over),
	    T(what_was_answered_is_not_due_again),
	    T(the_oldest_of_a_long_turn_is_forgotten),
	    T(a_turn_said_to_have_begun_long_ago_is_due_as_far_as_we_know_it),
	    T(a_writer_killed_at_any_moment_leaves_whole_frames),
	    T(each_damaged_header_field_is_refused),
	    T(one_damaged_state_is_survived_and_two_are_refused),
	    T(a_state_with_a_right_crc_and_wrong_values_is_refused),
	    T(random_damage_is_never_fatal),
	    T(memory_of_another_size_or_kind_is_refused),
	    T(the_memory_can_neither_shrink_nor_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
