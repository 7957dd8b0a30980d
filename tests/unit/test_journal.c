/* SPDX-License-Identifier: MIT */
/*
 * test_journal.c – a history that outlives its writer: order, room, torn and
 * damaged entries, and a memory that lies.
 */
#include "common/journal.h"

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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/crc32.h"
#include "common/log.h"

#define LEN 65536u

struct rig {
	int fd;
	struct journal *journal;
	uint8_t *memory; /* the same memory, for damage */
};

static int
setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	assert_int_equal(journal_memfd_create_sized(LEN, &rig->fd), 0);
	assert_int_equal(journal_attach(&rig->journal, rig->fd), 0);
	rig->memory =
	    mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, rig->fd, 0);
	assert_ptr_not_equal(rig->memory, MAP_FAILED);
	*state = rig;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *rig = *state;

	journal_free(&rig->journal);
	munmap(rig->memory, LEN);
	close(rig->fd);
	free(rig);
	return 0;
}

static int
append(struct rig *rig, enum journal_type type, const char *body)
{
	return journal_append(rig->journal, type, body, strlen(body));
}

static void
succeed(struct rig *rig)
{
	journal_free(&rig->journal);
	assert_int_equal(journal_attach(&rig->journal, rig->fd), 0);
}

/* Entries found by a new reader; `bodies` gets them with blanks between. */
static unsigned
read_all(struct rig *rig, char *bodies, size_t size, uint32_t *damaged_out)
{
	struct journal_reader *reader;
	struct journal_entry entry;
	unsigned count = 0;

	bodies[0] = '\0';
	assert_int_equal(journal_reader_new(&reader, rig->fd), 0);
	while (journal_reader_next(reader, &entry) == 1) {
		size_t used = strlen(bodies);

		assert_int_equal(strlen(entry.body), entry.body_len);
		snprintf(bodies + used, size - used, "%s ", entry.body);
		count++;
	}
	if (damaged_out != NULL)
		*damaged_out = journal_reader_damaged(reader);
	journal_reader_free(&reader);
	assert_null(reader);
	return count;
}

static void
assert_bodies(struct rig *rig, const char *want)
{
	char bodies[1024];

	read_all(rig, bodies, sizeof(bodies), NULL);
	assert_string_equal(bodies, want);
}

static void
entries_are_read_in_order_with_their_times(void **state)
{
	struct rig *rig = *state;
	struct journal_reader *reader;
	struct journal_entry entry;
	uint64_t before = clock_now_ns();
	time_t wall = clock_wall();

	assert_int_equal(append(rig, JOURNAL_CALL, "{\"call\":\"1.2\"}"), 0);
	assert_int_equal(append(rig, JOURNAL_USER, "{\"text\":\"¿aló?\"}"), 0);
	assert_int_equal(journal_reader_new(&reader, rig->fd), 0);
	assert_int_equal(journal_reader_next(reader, &entry), 1);
	assert_int_equal(entry.type, JOURNAL_CALL);
	assert_int_equal(entry.number, 1);
	assert_string_equal(entry.body, "{\"call\":\"1.2\"}");
	assert_in_range(entry.mono_ns, before, clock_now_ns());
	assert_in_range(entry.wall_s, wall, clock_wall());
	assert_int_equal(journal_reader_next(reader, &entry), 1);
	assert_int_equal(entry.type, JOURNAL_USER);
	assert_int_equal(entry.number, 2);
	assert_int_equal(journal_reader_next(reader, &entry), 0);
	/* A reader that has come to the end sees what follows later. */
	append(rig, JOURNAL_STATE, "{}");
	assert_int_equal(journal_reader_next(reader, &entry), 1);
	assert_int_equal(entry.number, 3);
	assert_int_equal(journal_reader_next(reader, &entry), 0);
	journal_reader_free(&reader);
}

static void
a_successor_appends_behind_the_last_entry(void **state)
{
	struct rig *rig = *state;

	append(rig, JOURNAL_USER, "a");
	append(rig, JOURNAL_USER, "bb");
	succeed(rig);
	append(rig, JOURNAL_USER, "ccc");
	assert_bodies(rig, "a bb ccc ");
}

static void
types_have_names(void **state)
{
	(void)state;
	assert_string_equal(journal_type_name(JOURNAL_TOOL_CALL), "tool_call");
	assert_string_equal(journal_type_name(JOURNAL_FINAL), "final");
	assert_string_equal(journal_type_name(9999), "unknown");
}

static void
bodies_are_bounded(void **state)
{
	struct rig *rig = *state;
	char *big = malloc(JOURNAL_BODY_MAX + 1);
	int fd;

	assert_non_null(big);
	memset(big, 'x', JOURNAL_BODY_MAX + 1);
	assert_int_equal(append(rig, JOURNAL_NOTE, ""), -EINVAL);
	assert_int_equal(journal_append(rig->journal, JOURNAL_NOTE, big,
			     JOURNAL_BODY_MAX + 1),
	    -EMSGSIZE);
	assert_int_equal(journal_append_final(rig->journal, "", 0), -EINVAL);
	assert_int_equal(
	    journal_append_final(rig->journal, big, JOURNAL_FINAL_MAX + 1),
	    -EMSGSIZE);
	journal_free(&rig->journal);
	assert_int_equal(journal_memfd_create(&fd), 0);
	assert_int_equal(journal_attach(&rig->journal, fd), 0);
	assert_int_equal(
	    journal_append(rig->journal, JOURNAL_NOTE, big, JOURNAL_BODY_MAX),
	    0);
	close(fd);
	free(big);
}

static void
a_full_journal_says_so_once_and_keeps_room_for_the_end(void **state)
{
	struct rig *rig = *state;
	char body[1000], final[JOURNAL_FINAL_MAX];
	struct journal_reader *reader;
	struct journal_entry entry;
	unsigned appended = 0, full = 0, last = 0;

	memset(body, 'x', sizeof(body));
	memset(final, 'y', sizeof(final));
	while (
	    journal_append(rig->journal, JOURNAL_NOTE, body, sizeof(body)) == 0)
		appended++;
	assert_in_range(appended, 50, 60);
	/* Also what would still fit is refused: the history has no holes. */
	assert_int_equal(append(rig, JOURNAL_NOTE, "x"), -ENOSPC);
	succeed(rig);
	assert_int_equal(append(rig, JOURNAL_NOTE, "x"), -ENOSPC);
	assert_int_equal(journal_dropped(rig->journal), 3);
	assert_int_equal(
	    journal_append_final(rig->journal, final, sizeof(final)), 0);
	assert_int_equal(
	    journal_append_final(rig->journal, final, 1), -EALREADY);
	assert_int_equal(append(rig, JOURNAL_NOTE, "x"), -EALREADY);
	succeed(rig);
	assert_int_equal(
	    journal_append_final(rig->journal, final, 1), -EALREADY);
	assert_int_equal(journal_dropped(rig->journal), 3);
	assert_int_equal(journal_reader_new(&reader, rig->fd), 0);
	while (journal_reader_next(reader, &entry) == 1) {
		full += entry.type == JOURNAL_FULL;
		last = entry.type;
	}
	journal_reader_free(&reader);
	assert_int_equal(full, 1);
	assert_int_equal(last, JOURNAL_FINAL);
}

/* The offset of entry `index`, all bodies being at most 8 bytes. */
static size_t
offset_of(unsigned index)
{
	return sizeof(struct journal_header) +
	       index * (sizeof(struct journal_entry_header) + 8);
}

static void
a_torn_last_entry_is_not_there_and_is_written_over(void **state)
{
	struct rig *rig = *state;
	const size_t size = sizeof(struct journal_entry_header) + 8;
	uint8_t saved[64];

	append(rig, JOURNAL_USER, "first");
	append(rig, JOURNAL_USER, "second");
	memcpy(saved, rig->memory + offset_of(1), size);
	for (size_t i = 0; i < size; i++) {
		/* Torn in two ways: a byte wrong, the rest not written. */
		if (i < size - 2) {
			rig->memory[offset_of(1) + i] ^= 0xA5;
			assert_bodies(rig, "first ");
			memcpy(rig->memory + offset_of(1), saved, size);
		}
		if (i < sizeof(struct journal_entry_header)) {
			memset(rig->memory + offset_of(1), 0, i);
			assert_bodies(rig, i == 0 ? "first second " : "first ");
			memcpy(rig->memory + offset_of(1), saved, size);
		}
	}
	/* Body written, head not: then killed. */
	memset(
	    rig->memory + offset_of(1), 0, sizeof(struct journal_entry_header));
	succeed(rig);
	append(rig, JOURNAL_USER, "x");
	append(rig, JOURNAL_USER, "y");
	assert_bodies(rig, "first x y ");
}

static void
nothing_of_a_torn_entry_comes_back(void **state)
{
	struct rig *rig = *state;

	append(rig, JOURNAL_USER, "first");
	append(rig, JOURNAL_USER, "second");
	append(rig, JOURNAL_USER, "third");
	/* Length unreadable: what is behind it cannot be found. */
	memset(rig->memory + offset_of(1), 0xFF, 4);
	succeed(rig);
	append(rig, JOURNAL_USER, "x");
	assert_bodies(rig, "first x ");
}

static void
an_entry_damaged_in_the_middle_is_passed_over(void **state)
{
	struct rig *rig = *state;
	char bodies[256];
	uint32_t damaged;

	append(rig, JOURNAL_USER, "a");
	append(rig, JOURNAL_USER, "b");
	append(rig, JOURNAL_USER, "c");
	append(rig, JOURNAL_USER, "d");
	rig->memory[offset_of(1) + sizeof(struct journal_entry_header)] = 'X';
	rig->memory[offset_of(2) + 20] ^= 1;
	assert_int_equal(read_all(rig, bodies, sizeof(bodies), &damaged), 2);
	assert_string_equal(bodies, "a d ");
	assert_int_equal(damaged, 2);
	succeed(rig);
	append(rig, JOURNAL_USER, "e");
	assert_bodies(rig, "a d e ");
}

static void
each_damaged_header_field_is_refused(void **state)
{
	struct rig *rig = *state;
	struct journal_reader *reader = NULL;
	struct journal *journal = NULL;

	append(rig, JOURNAL_USER, "a");
	for (size_t i = 0; i < sizeof(struct journal_header); i++) {
		/* How many were dropped is a number, whatever it says. */
		if (i / 4 == offsetof(struct journal_header, dropped) / 4)
			continue;
		for (unsigned bit = 0; bit < 8; bit++) {
			rig->memory[i] ^= (uint8_t)(1u << bit);
			assert_int_equal(
			    journal_attach(&journal, rig->fd), -EBADMSG);
			assert_int_equal(
			    journal_reader_new(&reader, rig->fd), -EBADMSG);
			rig->memory[i] ^= (uint8_t)(1u << bit);
		}
	}
	assert_null(journal);
	assert_null(reader);
	assert_bodies(rig, "a ");
}

static void
lying_lengths_are_never_followed_out_of_the_memory(void **state)
{
	static const uint32_t lengths[] = {1, 8, 9, 65535, 65536, 65537,
	    LEN - 64, LEN - 63, LEN, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF8,
	    UINT32_MAX};
	struct rig *rig = *state;
	char bodies[256];

	append(rig, JOURNAL_USER, "a");
	append(rig, JOURNAL_USER, "b");
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memcpy(rig->memory + offset_of(1), &lengths[i], 4);
		if (lengths[i] != 1)
			assert_int_equal(
			    read_all(rig, bodies, sizeof(bodies), NULL), 1);
	}
	/* The last entry ends with the memory, and one does not fit before. */
	memset(rig->memory + offset_of(0), 0, LEN - offset_of(0));
	assert_int_equal(read_all(rig, bodies, sizeof(bodies), NULL), 0);
}

static void
random_damage_is_never_fatal(void **state)
{
	struct rig *rig = *state;
	uint8_t saved[4096];
	char bodies[8192], body[32];

	for (unsigned i = 0; i < 60; i++) {
		snprintf(body, sizeof(body), "%.*s", (int)(i % 30 + 1),
		    "abcdefghijklmnopqrstuvwxyzabcdefghij");
		append(rig, JOURNAL_NOTE, body);
	}
	memcpy(saved, rig->memory, sizeof(saved));
	srand(11);
	for (unsigned round = 0; round < 2000; round++) {
		for (unsigned i = 0; i < 1 + round % 8; i++)
			rig->memory[sizeof(struct journal_header) +
				    (unsigned)rand() % 4000] = (uint8_t)rand();
		read_all(rig, bodies, sizeof(bodies), NULL);
		if (round % 50 == 0) {
			succeed(rig);
			append(rig, JOURNAL_NOTE, "x");
		}
		memcpy(rig->memory, saved, sizeof(saved));
	}
}

static void
a_writer_killed_at_any_moment_loses_one_entry_at_most(void **state)
{
	struct rig *rig = *state;

	for (unsigned round = 0; round < 50; round++) {
		uint32_t acknowledged = 0;
		char bodies[64];
		int fd[2];
		pid_t pid;

		memset(rig->memory + sizeof(struct journal_header), 0,
		    LEN - sizeof(struct journal_header));
		assert_int_equal(pipe(fd), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			succeed(rig);
			for (uint32_t i = 1;; i++)
				if (append(rig, JOURNAL_NOTE, "12345678") !=
					0 ||
				    write(fd[1], &i, sizeof(i)) < 0)
					_exit(0);
		}
		close(fd[1]);
		for (unsigned i = 0; i < 1 + round; i++)
			assert_int_equal(read(fd[0], &acknowledged, 4), 4);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		while (read(fd[0], &acknowledged, 4) == 4)
			;
		close(fd[0]);
		assert_in_range(read_all(rig, bodies, sizeof(bodies), NULL),
		    acknowledged, acknowledged + 2);
	}
}

static void
memory_of_another_size_or_kind_is_refused(void **state)
{
	struct rig *rig = *state;
	struct journal_reader *reader = NULL;
	int fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int pipe_fd[2];

	assert_true(fd >= 0);
	assert_int_equal(pipe(pipe_fd), 0);
	assert_int_equal(ftruncate(fd, LEN), 0);
	assert_int_equal(pwrite(fd, rig->memory, LEN, 0), LEN);
	assert_int_equal(journal_reader_new(&reader, fd), -EBADMSG);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(journal_reader_new(&reader, fd), 0);
	journal_reader_free(&reader);
	assert_int_equal(ftruncate(fd, LEN + 4096), 0);
	assert_int_equal(journal_reader_new(&reader, fd), -EBADMSG);
	assert_int_equal(journal_reader_new(&reader, pipe_fd[0]), -EBADMSG);
	assert_int_equal(journal_reader_new(&reader, -1), -EBADF);
	assert_null(reader);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	close(fd);
	assert_int_equal(journal_memfd_create_sized(100, &fd), -EINVAL);
	assert_int_equal(journal_memfd_create_sized(LEN + 1, &fd), -EINVAL);
	/* Ours can be neither shortened nor lengthened. */
	assert_int_equal(ftruncate(rig->fd, 0), -1);
	assert_int_equal(ftruncate(rig->fd, 1 << 20), -1);
}

static void
the_checksum_is_the_well_known_one(void **state)
{
	(void)state;
	assert_int_equal(crc32_update(0, "123456789", 9), 0xCBF43926);
	assert_int_equal(
	    crc32_update(crc32_update(0, "1234", 4), "56789", 5), 0xCBF43926);
	assert_int_equal(crc32_update(0, "", 0), 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(entries_are_read_in_order_with_their_times),
	    T(a_successor_appends_behind_the_last_entry),
	    cmocka_unit_test(types_have_names),
	    T(bodies_are_bounded),
	    T(a_full_journal_says_so_once_and_keeps_room_for_the_end),
	    T(a_torn_last_entry_is_not_there_and_is_written_over),
	    T(nothing_of_a_torn_entry_comes_back),
	    T(an_entry_damaged_in_the_middle_is_passed_over),
	    T(each_damaged_header_field_is_refused),
	    T(lying_lengths_are_never_followed_out_of_the_memory),
	    T(random_damage_is_never_fatal),
	    T(a_writer_killed_at_any_moment_loses_one_entry_at_most),
	    T(memory_of_another_size_or_kind_is_refused),
	    cmocka_unit_test(the_checksum_is_the_well_known_one),
	};

	log_set_level(LOG_LEVEL_ERR); /* much damage is done on purpose */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
