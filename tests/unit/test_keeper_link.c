/* SPDX-License-Identifier: MIT */
/* test_keeper_link.c – fixed structs with a descriptor, queued when needed. */
#include "supervisor/keeper_link.h"

#include "tests/unit/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
	int ours;
	int theirs;
	size_t descriptors;
	struct keeper_link_queue queue;
} rig;

static int
setup(void **state)
{
	int pair[2];

	(void)state;
	rig.descriptors = descriptors_open();
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	rig.ours = pair[0];
	rig.theirs = pair[1];
	keeper_link_queue_init(&rig.queue);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	keeper_link_queue_clear(&rig.queue);
	if (rig.ours >= 0)
		close(rig.ours);
	if (rig.theirs >= 0)
		close(rig.theirs);
	assert_int_equal(descriptors_open(), rig.descriptors);
	return 0;
}

/* Sends LEN bytes with NFDS copies of standard output, as no one should. */
static void
send_raw(const void *data, size_t len, size_t nfds)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * 8)];
		struct cmsghdr header;
	} control = {{0}};
	char copy[1024];
	struct iovec iov = {copy, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[8];

	memcpy(copy, data, len);
	for (size_t i = 0; i < nfds; i++)
		fds[i] = STDOUT_FILENO;
	if (nfds > 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * nfds);
	}
	assert_int_equal(sendmsg(rig.theirs, &msg, MSG_NOSIGNAL), len);
}

static void
a_struct_arrives_as_it_was_sent(void **state)
{
	struct keeper_message sent = {.op = KEEPER_EXITED,
	    .child = 7,
	    .pid = 1234,
	    .value = -5,
	    .user_us = UINT64_MAX,
	    .text = "1732012345.17"};
	struct keeper_message got;
	int fd = 99;

	(void)state;
	assert_int_equal(keeper_link_receive(rig.ours, &got, &fd), 0);
	assert_int_equal(keeper_link_send(rig.theirs, &sent, -1), 0);
	assert_int_equal(keeper_link_receive(rig.ours, &got, &fd), 1);
	assert_memory_equal(&got, &sent, sizeof(sent));
	assert_int_equal(fd, -1);
}

static void
a_descriptor_comes_along_and_is_close_on_exec(void **state)
{
	struct keeper_message message = {.op = KEEPER_HELD};
	int fd = -1;

	(void)state;
	keeper_link_send(rig.theirs, &message, STDOUT_FILENO);
	assert_int_equal(keeper_link_receive(rig.ours, &message, &fd), 1);
	assert_true(fd > STDERR_FILENO);
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	close(fd);
}

static void
text_without_an_end_gets_one(void **state)
{
	struct keeper_message message = {.op = KEEPER_STATUS};
	int fd;

	(void)state;
	memset(message.text, 'x', sizeof(message.text));
	keeper_link_send(rig.theirs, &message, -1);
	keeper_link_receive(rig.ours, &message, &fd);
	assert_int_equal(strlen(message.text), KEEPER_TEXT_MAX - 1);
}

static void
a_datagram_of_another_size_is_a_protocol_error(void **state)
{
	struct keeper_message message = {.op = KEEPER_SPAWN};
	char longer[sizeof(message) + 1] = {0};
	int fd = -1;

	(void)state;
	send_raw(&message, sizeof(message) - 1, 1);
	assert_int_equal(keeper_link_receive(rig.ours, &message, &fd), -EPROTO);
	send_raw(longer, sizeof(longer), 1);
	assert_int_equal(keeper_link_receive(rig.ours, &message, &fd), -EPROTO);
	assert_int_equal(descriptors_open(), rig.descriptors + 2);
}

static void
more_than_one_descriptor_is_a_protocol_error_and_none_stays(void **state)
{
	struct keeper_message message = {.op = KEEPER_HOLD};
	int fd = -1;

	(void)state;
	for (size_t n = 2; n <= 4; n++) {
		send_raw(&message, sizeof(message), n);
		assert_int_equal(
		    keeper_link_receive(rig.ours, &message, &fd), -EPROTO);
		assert_int_equal(descriptors_open(), rig.descriptors + 2);
	}
}

static void
for_a_descriptor_without_a_number_the_words_still_come(void **state)
{
	struct keeper_message sent = {.op = KEEPER_SPAWNED, .child = 7}, got;
	struct rlimit limit, none;
	int fd = STDOUT_FILENO;

	(void)state;
	assert_int_equal(keeper_link_send(rig.ours, &sent, STDOUT_FILENO), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(keeper_link_receive(rig.theirs, &got, &fd), 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(got.child, 7);
	assert_int_equal(fd, -1);
}

static void
the_end_comes_after_the_last_words(void **state)
{
	struct keeper_message message = {.op = KEEPER_HOLD};
	int fd;

	(void)state;
	/* Ours stays unread: the end then begins with ECONNRESET. */
	keeper_link_send(rig.ours, &message, -1);
	message.op = KEEPER_READY;
	keeper_link_send(rig.theirs, &message, -1);
	close(rig.theirs);
	rig.theirs = -1;
	assert_int_equal(keeper_link_receive(rig.ours, &message, &fd), 1);
	assert_int_equal(message.op, KEEPER_READY);
	assert_int_equal(keeper_link_receive(rig.ours, &message, &fd), -EPIPE);
	assert_int_equal(keeper_link_send(rig.ours, &message, -1), -EPIPE);
	assert_int_equal(
	    keeper_link_post(&rig.queue, rig.ours, &message, -1), -EPIPE);
}

static void
a_large_table_waits_and_arrives_in_order(void **state)
{
	enum {
		ROWS = 3000,
	};
	struct keeper_message row = {.op = KEEPER_HELD}, got;
	uint32_t read_rows = 0;
	int fd;

	(void)state;
	for (row.child = 0; row.child < ROWS; row.child++)
		assert_int_equal(
		    keeper_link_post(&rig.queue, rig.theirs, &row, -1), 0);
	assert_true(rig.queue.count > 0);
	assert_int_equal(keeper_link_flush(&rig.queue, rig.theirs), -EAGAIN);
	while (read_rows < ROWS) {
		int ret = keeper_link_receive(rig.ours, &got, &fd);

		if (ret == 0) {
			keeper_link_flush(&rig.queue, rig.theirs);
			continue;
		}
		assert_int_equal(ret, 1);
		assert_int_equal(got.child, read_rows++);
	}
	assert_int_equal(rig.queue.count, 0);
	assert_int_equal(keeper_link_flush(&rig.queue, rig.theirs), 0);
}

static void
descriptors_that_wait_outlive_the_original_and_do_not_leak(void **state)
{
	struct keeper_message row = {.op = KEEPER_HELD};
	size_t before;
	int fd, pipe_fds[2];

	(void)state;
	while (rig.queue.count == 0)
		keeper_link_post(&rig.queue, rig.theirs, &row, -1);
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	row.op = KEEPER_SPAWNED;
	before = descriptors_open();
	keeper_link_post(&rig.queue, rig.theirs, &row, pipe_fds[0]);
	assert_int_equal(descriptors_open(), before + 1);
	close(pipe_fds[0]);
	do {
		keeper_link_flush(&rig.queue, rig.theirs);
		assert_true(keeper_link_receive(rig.ours, &row, &fd) == 1);
	} while (row.op != KEEPER_SPAWNED);
	assert_int_equal(write(pipe_fds[1], "x", 1), 1);
	assert_int_equal(read(fd, &row, 1), 1);
	close(fd);
	/* And what is forgotten. */
	row.op = KEEPER_HELD;
	while (rig.queue.count < 3)
		keeper_link_post(&rig.queue, rig.theirs, &row, pipe_fds[1]);
	close(pipe_fds[1]);
}

static void
a_queue_is_bounded(void **state)
{
	struct keeper_message row = {.op = KEEPER_HELD};
	int ret = 0;

	(void)state;
	while (ret == 0)
		ret = keeper_link_post(&rig.queue, rig.theirs, &row, -1);
	assert_int_equal(ret, -ENOBUFS);
	assert_int_equal(rig.queue.count, KEEPER_LINK_QUEUE_MAX);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_struct_arrives_as_it_was_sent),
	    TEST(a_descriptor_comes_along_and_is_close_on_exec),
	    TEST(text_without_an_end_gets_one),
	    TEST(a_datagram_of_another_size_is_a_protocol_error),
	    TEST(more_than_one_descriptor_is_a_protocol_error_and_none_stays),
	    TEST(for_a_descriptor_without_a_number_the_words_still_come),
	    TEST(the_end_comes_after_the_last_words),
	    TEST(a_large_table_waits_and_arrives_in_order),
	    TEST(descriptors_that_wait_outlive_the_original_and_do_not_leak),
	    TEST(a_queue_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
