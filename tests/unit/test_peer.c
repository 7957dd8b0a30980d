/* SPDX-License-Identifier: MIT */
/* test_peer.c – a channel to another process, which may do anything. */
#include "common/peer.h"

#include "common/json.h"
#include "common/log.h"
#include "common/proc.h"
#include "tests/unit/descriptors.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	TAKE_NONE = -1,
};

static struct {
	struct event_base *base;
	struct peer *peer;
	int socket; /* the peer's own */
	int other;  /* the far end, raw */
	size_t descriptors;

	int messages;
	enum message_type type;
	char text[128]; /* member "text" of the last message */
	bool free_in_handler;
	int take; /* which descriptor the handler keeps, or TAKE_NONE */
	int taken;

	int closed;
	char why[128];
	bool free_in_closed;
} rig;

static void
on_message(struct peer *peer, enum message_type type, const cJSON *body,
    int *fds, void *arg)
{
	assert_ptr_equal(peer, rig.peer);
	assert_ptr_equal(arg, &rig);
	rig.messages++;
	rig.type = type;
	snprintf(rig.text, sizeof(rig.text), "%s", json_string(body, "text"));
	if (rig.take != TAKE_NONE) {
		rig.taken = fds[rig.take];
		fds[rig.take] = -1;
	}
	if (rig.free_in_handler)
		peer_free(&rig.peer);
}

static void
on_closed(struct peer *peer, const char *why, void *arg)
{
	assert_ptr_equal(peer, rig.peer);
	assert_ptr_equal(arg, &rig);
	rig.closed++;
	snprintf(rig.why, sizeof(rig.why), "%s", why);
	if (rig.free_in_closed)
		peer_free(&rig.peer);
}

static void
open_peer(enum message_side us, enum message_side them)
{
	struct peer_config config = {
	    .us = us,
	    .them = them,
	    .on_message = on_message,
	    .on_closed = on_closed,
	    .arg = &rig,
	};
	int pair[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, pair),
	    0);
	config.fd = rig.socket = pair[0];
	rig.other = pair[1];
	assert_int_equal(peer_new(&rig.peer, rig.base, &config), 0);
}

static int
setup(void **state)
{
	(void)state;
	memset(&rig, 0, sizeof(rig));
	rig.base = event_base_new();
	rig.descriptors = descriptors_open();
	rig.take = TAKE_NONE;
	rig.free_in_closed = true;
	open_peer(MESSAGE_SUPERVISOR, MESSAGE_CALLWORKER);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	peer_free(&rig.peer);
	if (rig.other >= 0)
		close(rig.other);
	assert_int_equal(descriptors_open(), rig.descriptors);
	event_base_free(rig.base);
	return 0;
}

/* Lets everything happen that can happen now. */
static void
settle(void)
{
	for (int i = 0; i < 50; i++)
		event_base_loop(rig.base, EVLOOP_NONBLOCK);
}

static void
say_fds(const char *text, size_t len, const int *fds, size_t nfds)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * 16)];
		struct cmsghdr header;
	} control = {{0}};
	char copy[70000];
	struct iovec iov = {copy, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	memcpy(copy, text, len);
	if (nfds > 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * nfds);
	}
	assert_int_equal(sendmsg(rig.other, &msg, MSG_NOSIGNAL), len);
}

static void
say(const char *text)
{
	say_fds(text, strlen(text), NULL, 0);
}

static void
assert_refused(const char *why)
{
	settle();
	assert_int_equal(rig.messages, 0);
	assert_int_equal(rig.closed, 1);
	assert_string_equal(rig.why, why);
	assert_null(rig.peer);
}

/* -- reading -------------------------------------------------------------------- */

static void
a_good_message_reaches_the_handler(void **state)
{
	(void)state;
	say("{\"type\":\"bye\",\"text\":\"adi\\u00f3s\"}");
	settle();
	assert_int_equal(rig.messages, 1);
	assert_int_equal(rig.type, MESSAGE_BYE);
	assert_string_equal(rig.text, "adi\xc3\xb3s");
	assert_int_equal(rig.closed, 0);
}

static void
what_is_no_json_object_closes_the_peer(void **state)
{
	static const char *const bad[] = {"{\"type\":\"bye\"", "bye", "[]",
	    "\"bye\"", "{}", "{\"type\":7}", "{\"type\":\"\"}", "\n",
	    "{\"type\":\"bye\"}{\"type\":\"bye\"}"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		say(bad[i]);
		assert_refused("malformed message");
		close(rig.other);
		rig.closed = 0;
		open_peer(MESSAGE_SUPERVISOR, MESSAGE_CALLWORKER);
	}
}

static void
a_nul_inside_a_message_closes_the_peer(void **state)
{
	static const char text[] = "{\"type\":\"bye\"}\0{}";

	(void)state;
	say_fds(text, sizeof(text) - 1, NULL, 0);
	assert_refused("malformed message");
}

static void
a_message_of_the_wrong_side_closes_the_peer_and_is_named(void **state)
{
	(void)state;
	say("{\"type\":\"call.assign\"}");
	assert_refused("misdirected message call.assign");
}

static void
a_toolworker_may_not_say_what_a_callworker_may(void **state)
{
	(void)state;
	peer_free(&rig.peer);
	close(rig.other);
	open_peer(MESSAGE_SUPERVISOR, MESSAGE_TOOLWORKER);
	say("{\"type\":\"call.action\",\"action\":\"hangup\"}");
	assert_refused("misdirected message call.action");
}

static void
a_message_over_its_own_limit_closes_the_peer(void **state)
{
	char text[1026];

	(void)state;
	memset(text, ' ', sizeof(text));
	memcpy(text, "{\"type\":\"ready\"}", 16);
	say_fds(text, 1024, NULL, 0); /* the very limit */
	settle();
	assert_int_equal(rig.messages, 1);
	rig.messages = 0;
	say_fds(text, 1025, NULL, 0);
	assert_refused("oversized message ready");
}

static void
a_datagram_over_the_limit_of_all_closes_the_peer(void **state)
{
	static char text[MESSAGE_SIZE_MAX + 100];

	(void)state;
	memset(text, ' ', sizeof(text));
	memcpy(text, "{\"type\":\"bye\"}", 14);
	say_fds(text, sizeof(text), NULL, 0);
	assert_refused("oversized message");
}

/* It may have said hello to our predecessor; supervisors never do. */
static void
an_unknown_message_of_an_unknown_build_is_passed_over(void **state)
{
	(void)state;
	say("{\"type\":\"sing\"}");
	say("{\"type\":\"bye\"}");
	settle();
	assert_int_equal(rig.closed, 0);
	assert_int_equal(rig.messages, 1);
}

static void
an_unknown_message_of_the_same_build_closes_the_peer(void **state)
{
	char hello[256];

	(void)state;
	snprintf(hello, sizeof(hello), "{\"type\":\"hello\",\"build\":\"%s\"}",
	    proc_build_id());
	say(hello);
	settle();
	rig.messages = 0;
	say("{\"type\":\"sing\"}");
	assert_refused("unknown message sing");
}

static void
an_unknown_message_of_another_build_is_passed_over(void **state)
{
	(void)state;
	say("{\"type\":\"hello\",\"build\":\"9.9.9+future\"}");
	say("{\"type\":\"sing\"}");
	say("{\"type\":\"bye\"}");
	settle();
	assert_int_equal(rig.closed, 0);
	assert_int_equal(rig.messages, 2);
	assert_int_equal(rig.type, MESSAGE_BYE);
}

static void
a_misdirected_message_of_another_build_still_closes_the_peer(void **state)
{
	(void)state;
	say("{\"type\":\"hello\",\"build\":\"9.9.9+future\"}");
	settle();
	rig.messages = 0;
	say("{\"type\":\"hangup\"}");
	assert_refused("misdirected message hangup");
}

static void
only_the_first_bad_message_is_looked_at(void **state)
{
	(void)state;
	say("nonsense");
	say("{\"type\":\"bye\"}");
	assert_refused("malformed message");
}

/* -- descriptors ------------------------------------------------------------------ */

static void
descriptors_that_nobody_asked_for_close_the_peer_and_are_closed(void **state)
{
	const int fds[2] = {STDOUT_FILENO, STDOUT_FILENO};
	const char *text = "{\"type\":\"bye\"}";

	(void)state;
	say_fds(text, strlen(text), fds, 2);
	assert_refused("wrong number of descriptors in message bye");
}

static void
more_descriptors_than_there_is_room_for_close_the_peer(void **state)
{
	int fds[MESSAGE_FDS_MAX + 2];
	const char *text = "{\"type\":\"bye\"}";

	(void)state;
	for (size_t i = 0; i < MESSAGE_FDS_MAX + 2; i++)
		fds[i] = STDOUT_FILENO;
	say_fds(text, strlen(text), fds, MESSAGE_FDS_MAX + 2);
	assert_refused("wrong number of descriptors in message");
}

static void
one_descriptor_more_than_there_is_room_for_closes_the_peer(void **state)
{
	int fds[MESSAGE_FDS_MAX + 1];
	const char *text = "{\"type\":\"bye\"}";

	(void)state;
	for (size_t i = 0; i < MESSAGE_FDS_MAX + 1; i++)
		fds[i] = STDOUT_FILENO;
	say_fds(text, strlen(text), fds, MESSAGE_FDS_MAX + 1);
	assert_refused("wrong number of descriptors in message");
}

static void
descriptors_of_what_is_malformed_are_closed(void **state)
{
	const int fds[1] = {STDOUT_FILENO};

	(void)state;
	say_fds("rubbish", 7, fds, 1);
	assert_refused("malformed message");
}

static void
too_few_descriptors_close_the_peer(void **state)
{
	const int fds[3] = {STDOUT_FILENO, STDOUT_FILENO, STDOUT_FILENO};
	const char *text = "{\"type\":\"call.assign\"}";

	(void)state;
	peer_free(&rig.peer);
	close(rig.other);
	open_peer(MESSAGE_CALLWORKER, MESSAGE_SUPERVISOR);
	say_fds(text, strlen(text), fds, 3);
	assert_refused("wrong number of descriptors in message call.assign");
}

static void
the_handler_keeps_what_it_takes_and_the_rest_is_closed(void **state)
{
	const int fds[5] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO,
	    STDOUT_FILENO, STDOUT_FILENO};
	const char *text = "{\"type\":\"call.assign\"}";

	(void)state;
	peer_free(&rig.peer);
	close(rig.other);
	open_peer(MESSAGE_CALLWORKER, MESSAGE_SUPERVISOR);
	rig.take = 2;
	say_fds(text, strlen(text), fds, 5);
	settle();
	assert_int_equal(rig.messages, 1);
	assert_int_equal(descriptors_open(), rig.descriptors + 3);
	assert_true((fcntl(rig.taken, F_GETFD) & FD_CLOEXEC) != 0);
	close(rig.taken);
}

/* -- the end ------------------------------------------------------------------------ */

static void
the_end_of_the_other_side_is_told_once(void **state)
{
	(void)state;
	rig.free_in_closed = false;
	close(rig.other);
	rig.other = -1;
	settle();
	assert_int_equal(rig.closed, 1);
	assert_string_equal(rig.why, PEER_CLOSED_BY_OTHER);
	assert_int_equal(peer_send(rig.peer, MESSAGE_SYNC, NULL), -ENOTCONN);
	settle();
	assert_int_equal(rig.closed, 1);
}

static void
last_words_of_one_that_died_with_ours_unread_are_heard(void **state)
{
	(void)state;
	/* Its socket then reports ECONNRESET before what it said. */
	assert_int_equal(peer_send(rig.peer, MESSAGE_SYNC, NULL), 0);
	say("{\"type\":\"state\"}");
	say("{\"type\":\"bye\",\"text\":\"last\"}");
	close(rig.other);
	rig.other = -1;
	settle();
	assert_int_equal(rig.messages, 2);
	assert_string_equal(rig.text, "last");
	assert_int_equal(rig.closed, 1);
	assert_string_equal(rig.why, PEER_CLOSED_BY_OTHER);
}

static void
sending_to_one_that_is_gone_does_not_hide_its_last_words(void **state)
{
	(void)state;
	say("{\"type\":\"bye\",\"text\":\"last\"}");
	close(rig.other);
	rig.other = -1;
	assert_int_equal(peer_send(rig.peer, MESSAGE_SYNC, NULL), -ENOTCONN);
	settle();
	assert_string_equal(rig.text, "last");
	assert_string_equal(rig.why, PEER_CLOSED_BY_OTHER);
}

static void
a_handler_may_free_its_peer(void **state)
{
	(void)state;
	rig.free_in_handler = true;
	say("{\"type\":\"bye\"}");
	say("{\"type\":\"bye\"}");
	settle();
	assert_int_equal(rig.messages, 1);
	assert_int_equal(rig.closed, 0);
	assert_null(rig.peer);
}

/* -- writing -------------------------------------------------------------------------- */

static size_t
hear(char *buf, size_t size)
{
	ssize_t n = recv(rig.other, buf, size - 1, MSG_DONTWAIT);

	if (n < 0)
		return 0;
	buf[n] = '\0';
	return (size_t)n;
}

static void
a_message_carries_its_name_and_its_members(void **state)
{
	cJSON *body = cJSON_CreateObject();
	char text[256];

	(void)state;
	json_add_string(body, "digit", "#");
	assert_int_equal(peer_send(rig.peer, MESSAGE_DTMF, body), 0);
	hear(text, sizeof(text));
	assert_string_equal(text, "{\"digit\":\"#\",\"type\":\"dtmf\"}");
	assert_int_equal(peer_send(rig.peer, MESSAGE_DRAIN, NULL), 0);
	hear(text, sizeof(text));
	assert_string_equal(text, "{\"type\":\"drain\"}");
}

static void
a_message_over_its_limit_is_not_sent(void **state)
{
	cJSON *body = cJSON_CreateObject();
	char text[2048];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	json_add_string(body, "digit", text);
	assert_int_equal(peer_send(rig.peer, MESSAGE_DTMF, body), -EMSGSIZE);
	assert_int_equal(hear(text, sizeof(text)), 0);
	settle();
	assert_int_equal(rig.closed, 0);
}

static cJSON *
numbered(int number, size_t padding)
{
	cJSON *body = cJSON_CreateObject();
	char *text = calloc(1, padding + 1);

	memset(text, 'x', padding);
	json_add_int(body, "n", number);
	json_add_string(body, "padding", text);
	free(text);
	return body;
}

static void
nothing_is_called_after_free(void **state)
{
	int ret = 0;

	(void)state;
	say("{\"type\":\"bye\"}");
	while (ret == 0)
		ret = peer_send(
		    rig.peer, MESSAGE_TOOL_RESULT, numbered(0, 40000));
	assert_int_equal(ret, -ENOBUFS); /* it will be reported closed */
	peer_free(&rig.peer);
	settle();
	assert_int_equal(rig.messages, 0);
	assert_int_equal(rig.closed, 0);
	peer_free(&rig.peer); /* NULL by now */
}

/* Sends until the socket is full and COUNT messages wait in the queue. */
static int
fill(int count)
{
	int sent = 0, queued = 0, spent = 0;

	while (queued < count) {
		int pending;

		assert_int_equal(peer_send(rig.peer, MESSAGE_TOOL_RESULT,
				     numbered(sent, 2000)),
		    0);
		sent++;
		/* The socket's own count stands still once it is full. */
		assert_int_equal(ioctl(rig.socket, SIOCOUTQ, &pending), 0);
		queued = pending == spent ? queued + 1 : 0;
		spent = pending;
	}
	return sent;
}

static void
what_the_socket_does_not_take_waits_and_keeps_its_order(void **state)
{
	static char text[MESSAGE_SIZE_MAX];
	int sent = fill(20), heard = 0;

	(void)state;
	for (int i = 0; i < 1000 && heard < sent; i++) {
		while (hear(text, sizeof(text)) > 0) {
			char start[32];

			snprintf(start, sizeof(start), "{\"n\":%d,", heard++);
			assert_memory_equal(text, start, strlen(start));
		}
		settle();
	}
	assert_int_equal(heard, sent);
	assert_int_equal(rig.closed, 0);
}

static void
one_that_never_reads_is_closed_from_the_loop_and_not_before(void **state)
{
	int ret = 0, sent = 0;

	(void)state;
	while (ret == 0 && sent < 5000) {
		ret = peer_send(
		    rig.peer, MESSAGE_TOOL_RESULT, numbered(sent++, 1000));
	}
	assert_int_equal(ret, -ENOBUFS);
	assert_int_equal(rig.closed, 0);
	assert_int_equal(peer_send(rig.peer, MESSAGE_SYNC, NULL), -ENOTCONN);
	settle();
	assert_int_equal(rig.closed, 1);
	assert_string_equal(rig.why, "it does not read its messages");
}

static void
descriptors_that_wait_are_copies_and_do_not_leak(void **state)
{
	static char text[MESSAGE_SIZE_MAX];
	const int fds[5] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO,
	    STDOUT_FILENO, STDOUT_FILENO};

	(void)state;
	fill(5);
	assert_int_equal(peer_send_fds(rig.peer, MESSAGE_CALL_ASSIGN,
			     numbered(0, 1), fds, 5),
	    0);
	assert_int_equal(descriptors_open(), rig.descriptors + 2 + 5);
	while (hear(text, sizeof(text)) > 0)
		settle();
	assert_int_equal(descriptors_open(), rig.descriptors + 2);
	/* And when the peer is freed first. */
	fill(5);
	peer_send_fds(rig.peer, MESSAGE_CALL_ASSIGN, numbered(0, 1), fds, 5);
	peer_free(&rig.peer);
}

static void
a_flush_gives_up_when_nobody_reads(void **state)
{
	static char text[MESSAGE_SIZE_MAX];

	(void)state;
	fill(3);
	assert_false(peer_flush(rig.peer, 20));
	while (hear(text, sizeof(text)) > 0)
		continue;
	assert_true(peer_flush(rig.peer, 20));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_good_message_reaches_the_handler),
	    TEST(what_is_no_json_object_closes_the_peer),
	    TEST(a_nul_inside_a_message_closes_the_peer),
	    TEST(a_message_of_the_wrong_side_closes_the_peer_and_is_named),
	    TEST(a_toolworker_may_not_say_what_a_callworker_may),
	    TEST(a_message_over_its_own_limit_closes_the_peer),
	    TEST(a_datagram_over_the_limit_of_all_closes_the_peer),
	    TEST(an_unknown_message_of_an_unknown_build_is_passed_over),
	    TEST(an_unknown_message_of_the_same_build_closes_the_peer),
	    TEST(an_unknown_message_of_another_build_is_passed_over),
	    TEST(a_misdirected_message_of_another_build_still_closes_the_peer),
	    TEST(only_the_first_bad_message_is_looked_at),
	    TEST(
		descriptors_that_nobody_asked_for_close_the_peer_and_are_closed),
	    TEST(more_descriptors_than_there_is_room_for_close_the_peer),
	    TEST(one_descriptor_more_than_there_is_room_for_closes_the_peer),
	    TEST(descriptors_of_what_is_malformed_are_closed),
	    TEST(too_few_descriptors_close_the_peer),
	    TEST(the_handler_keeps_what_it_takes_and_the_rest_is_closed),
	    TEST(the_end_of_the_other_side_is_told_once),
	    TEST(last_words_of_one_that_died_with_ours_unread_are_heard),
	    TEST(sending_to_one_that_is_gone_does_not_hide_its_last_words),
	    TEST(a_handler_may_free_its_peer),
	    TEST(nothing_is_called_after_free),
	    TEST(a_message_carries_its_name_and_its_members),
	    TEST(a_message_over_its_limit_is_not_sent),
	    TEST(what_the_socket_does_not_take_waits_and_keeps_its_order),
	    TEST(one_that_never_reads_is_closed_from_the_loop_and_not_before),
	    TEST(descriptors_that_wait_are_copies_and_do_not_leak),
	    TEST(a_flush_gives_up_when_nobody_reads),
	};

	signal(SIGPIPE, SIG_IGN);
	log_init("unit", LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
