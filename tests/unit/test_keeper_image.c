/* SPDX-License-Identifier: MIT */
/* test_keeper_image.c – what a new keeper believes of an old one's state. */
#include "supervisor/keeper_image.h"

#include "supervisor/keeper_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	ROWS = 2,
};

/* A state as bytes, to be spoilt. */
static struct {
	struct keeper_image_header header;
	struct keeper_image_child rows[ROWS];
} image;

static pid_t child; /* a living one of ours */

static int
open_null(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(fd > STDERR_FILENO);
	return fd;
}

static int
set_up(void **state)
{
	(void)state;
	keeper_children_init(&keeper.children);
	keeper_supervisor_init();
	child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	memset(&image, 0, sizeof(image));
	image.header = (struct keeper_image_header){
	    .magic = KEEPER_IMAGE_MAGIC,
	    .version = KEEPER_IMAGE_VERSION,
	    .header_size = sizeof(image.header),
	    .child_size = sizeof(image.rows[0]),
	    .child_count = ROWS,
	    .last_number = 9,
	    .memory = open_null(),
	    .channel = -1,
	    .ready_once = 1,
	    .failures = 3,
	    .started_ms = 12,
	    .binary = {.fd = -1},
	    .good = {.fd = -1, .inode = 77},
	};
	memset(image.header.secrets, 0xff, sizeof(image.header.secrets));
	for (uint32_t n = 0; n < ROWS; n++) {
		image.rows[n].number = 4 + n;
		image.rows[n].role = PROC_ROLE_CALLWORKER;
		memset(image.rows[n].held, 0xff, sizeof(image.rows[n].held));
		memcpy(image.rows[n].text, "17.4", 5);
	}
	image.rows[0].pid = child;
	image.rows[0].held[KEEPER_HELD_RTP] = open_null();
	return 0;
}

static int
tear_down(void **state)
{
	struct keeper_child *row;

	(void)state;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(image.header.memory);
	close(image.rows[0].held[KEEPER_HELD_RTP]);
	while ((row = TAILQ_FIRST(&keeper.children.list)) != NULL) {
		TAILQ_REMOVE(&keeper.children.list, row, entry);
		free(row);
	}
	return 0;
}

static int
make(size_t size, bool seal)
{
	int fd = memfd_create("test", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, &image, size), (ssize_t)size);
	if (seal)
		assert_int_equal(fcntl(fd, F_ADD_SEALS,
				     F_SEAL_SHRINK | F_SEAL_GROW |
					 F_SEAL_WRITE | F_SEAL_SEAL),
		    0);
	return fd;
}

/* Also that nothing of it was taken. */
static void
assert_refused(size_t size, bool seal, const char *reason)
{
	const char *why = "";
	int fd = make(size, seal);

	assert_int_equal(keeper_image_check(fd, &why), -EPROTO);
	assert_string_equal(why, reason);
	assert_int_equal(keeper_image_read(fd, &why), -EPROTO);
	assert_true(TAILQ_EMPTY(&keeper.children.list));
	assert_int_equal(keeper.failures, 0);
	close(fd);
}

#define REFUSED(reason) assert_refused(sizeof(image), true, reason)

/* -- the tests --------------------------------------------------------------- */

static void
a_good_state_is_taken_whole_and_written_again(void **state)
{
	const char *why = "";
	int fd = make(sizeof(image), true), again;
	struct keeper_image_child row;
	struct keeper_child *taken;

	(void)state;
	assert_int_equal(keeper_image_check(fd, &why), 0);
	assert_true(TAILQ_EMPTY(&keeper.children.list));
	assert_int_equal(keeper_image_read(fd, &why), 0);
	assert_int_equal(keeper.children.last_number, 9);
	assert_int_equal(keeper.failures, 3);
	assert_int_equal(keeper.good.inode, 77);
	assert_int_equal(keeper.supervisor->started_ms, 12);
	taken = keeper_children_find(&keeper.children, 4);
	assert_non_null(taken);
	assert_int_equal(taken->pid, child);
	assert_string_equal(taken->text, "17.4");
	assert_int_equal(
	    taken->held[KEEPER_HELD_RTP], image.rows[0].held[KEEPER_HELD_RTP]);
	assert_int_equal(
	    fcntl(taken->held[KEEPER_HELD_RTP], F_GETFD), FD_CLOEXEC);
	keeper_image_inherit(true);
	assert_int_equal(fcntl(taken->held[KEEPER_HELD_RTP], F_GETFD), 0);
	again = keeper_image_write();
	assert_true(again >= 0);
	assert_int_equal(
	    pread(again, &row, sizeof(row), sizeof(image.header)), sizeof(row));
	assert_memory_equal(&row, &image.rows[0], sizeof(row));
	assert_int_equal(keeper_image_check(again, &why), 0);
	/* Nobody can change it any more. */
	assert_int_equal(write(again, "x", 1), -1);
	close(again);
	close(fd);
	keeper.failures = 0;
}

static void
what_is_no_state_is_refused(void **state)
{
	const char *why = "";
	int pipe_fds[2];

	(void)state;
	assert_refused(sizeof(image), false, "it is not sealed");
	assert_refused(0, true, "it is too short");
	assert_refused(sizeof(image.header) - 1, true, "it is too short");
	assert_refused(sizeof(image) - 1, true, "its size is wrong");
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(keeper_image_read(pipe_fds[0], &why), -EPROTO);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	assert_int_equal(keeper_image_read(-1, &why), -EPROTO);
	image.header.magic++;
	REFUSED("it is no keeper's state");
}

static void
another_version_is_refused(void **state)
{
	(void)state;
	image.header.version++;
	REFUSED("it is of another version");
	image.header.version--;
	image.header.header_size += 8;
	REFUSED("it is of another version");
	image.header.header_size -= 8;
	image.header.child_size += 8;
	REFUSED("it is of another version");
}

static void
counts_that_lie_are_refused(void **state)
{
	(void)state;
	image.header.child_count = ROWS + 1;
	REFUSED("its size is wrong");
	image.header.child_count = UINT32_MAX;
	REFUSED("its size is wrong");
	image.header.child_count = ROWS;
	image.rows[1].number = image.rows[0].number;
	REFUSED("a child's number makes no sense");
	image.rows[1].number = 10;
	REFUSED("a child's number makes no sense");
}

static void
children_that_make_no_sense_are_refused(void **state)
{
	(void)state;
	image.rows[1].role = PROC_ROLE_SUPERVISOR;
	REFUSED("a child makes no sense");
	image.rows[1].role = 99;
	REFUSED("a child makes no sense");
	image.rows[1].role = PROC_ROLE_TOOLWORKER;
	image.rows[1].pid = -1;
	REFUSED("a child makes no sense");
	image.rows[1].pid = 0;
	memset(image.rows[1].text, 'x', sizeof(image.rows[1].text));
	REFUSED("a text does not end");
}

static void
descriptors_that_make_no_sense_are_refused(void **state)
{
	(void)state;
	image.rows[1].held[KEEPER_HELD_JOURNAL] = STDERR_FILENO;
	REFUSED("a descriptor makes no sense");
	image.rows[1].held[KEEPER_HELD_JOURNAL] = -2;
	REFUSED("a descriptor makes no sense");
	image.rows[1].held[KEEPER_HELD_JOURNAL] = -1;
	/* Of a later version, and about to be forgotten. */
	image.rows[1].held[KEEPER_IMAGE_HELD - 1] = 50;
	REFUSED("it holds what is unknown here");
	image.rows[1].held[KEEPER_IMAGE_HELD - 1] = -1;
	image.header.secrets[KEEPER_IMAGE_ROLES - 1] = 50;
	REFUSED("a secret makes no sense");
	image.header.secrets[KEEPER_IMAGE_ROLES - 1] = -1;
	image.header.good.fd = 0;
	REFUSED("a descriptor makes no sense");
	image.header.good.fd = -1;
	image.header.channel = 50; /* to whom? */
	REFUSED("its supervisor makes no sense");
}

/* Good in form, but of another process. */
static void
what_is_not_ours_is_refused(void **state)
{
	const char *why = "";
	int fd;

	(void)state;
	image.rows[1].pid = getppid();
	fd = make(sizeof(image), true);
	assert_int_equal(keeper_image_check(fd, &why), 0);
	assert_int_equal(keeper_image_read(fd, &why), -EPROTO);
	assert_string_equal(why, "a child is not ours");
	close(fd);
	image.rows[1].pid = 0;
	image.rows[1].held[KEEPER_HELD_BRIEF] = 1023;
	fd = make(sizeof(image), true);
	assert_int_equal(keeper_image_read(fd, &why), -EPROTO);
	assert_string_equal(why, "a descriptor is closed");
	close(fd);
	assert_true(TAILQ_EMPTY(&keeper.children.list));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(what_is_no_state_is_refused),
	    TEST(another_version_is_refused),
	    TEST(counts_that_lie_are_refused),
	    TEST(children_that_make_no_sense_are_refused),
	    TEST(descriptors_that_make_no_sense_are_refused),
	    TEST(what_is_not_ours_is_refused),
	    TEST(a_good_state_is_taken_whole_and_written_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
