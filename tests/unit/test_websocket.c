/* SPDX-License-Identifier: MIT */
/* test_websocket.c – the WebSocket client against good and bad servers. */
#include "tests/unit/websocket_client.h"

#include <dlfcn.h>

/* ---- a session that goes well -------------------------------------------- */

static void
a_session_echoes_and_closes(void **state)
{
	static const char *const headers[] = {
	    "Authorization: Bearer secret", NULL};
	struct scripted_server server;
	struct client client;

	(void)state;
	scripted_server_start(&server, serve_echo, NULL);
	client_init(&client, server.port);
	client.config.subprotocol = "ari";
	client.config.headers = headers;
	client.on_open = send_hello;
	client.on_message = close_now;
	client_open(&client);
	client_run(&client);
	assert_true(client.opened && client.closed);
	assert_string_equal(client.last, "hello");
	assert_false(client.last_binary);
	assert_int_equal(client.reason, WEBSOCKET_LOCAL);
	client_deinit(&client);
	assert_string_equal(scripted_server_stop(&server), "");
}

static void
send_many(struct client *client)
{
	char buf[20000];

	memset(buf, 'x', sizeof(buf));
	for (int i = 0; i < 40; i++) {
		buf[0] = (char)('A' + i);
		assert_int_equal(
		    websocket_send_text(client->ws, buf, (size_t)(1 + i * 499)),
		    0);
	}
}

static void
many_messages_of_many_sizes_keep_their_order(void **state)
{
	static const char *const headers[] = {
	    "Authorization: Bearer secret", NULL};
	struct websocket_stats stats;
	struct scripted_server server;
	struct client client;

	(void)state;
	scripted_server_start(&server, serve_echo, NULL);
	client_init(&client, server.port);
	client.config.subprotocol = "ari";
	client.config.headers = headers;
	client.on_open = send_many;
	client.stop_after = 40;
	client_open(&client);
	client_run(&client);
	assert_int_equal(client.messages, 40);
	assert_int_equal(client.last[0], 'A' + 39);
	assert_int_equal(client.last_len, 1 + 39 * 499);
	websocket_get_stats(client.ws, &stats);
	assert_int_equal(stats.sent, 40);
	assert_int_equal(stats.received, 40);
	assert_int_equal(stats.queued_len, 0);
	websocket_close(client.ws, 1000);
	client_run(&client);
	assert_int_equal(client.reason, WEBSOCKET_LOCAL);
	client_deinit(&client);
	assert_string_equal(scripted_server_stop(&server), "");
}

/* ---- pings ---------------------------------------------------------------- */

static void
a_ping_in_the_same_flight_as_the_answer_gets_its_pong(void **state)
{
	struct scripted_server server;
	struct client client;

	(void)state;
	scripted_server_start(&server, serve_early_ping, NULL);
	client_init(&client, server.port);
	client_open(&client);
	client_run(&client);
	assert_int_equal(client.messages, 1);
	assert_string_equal(client.last, "greeting");
	assert_int_equal(client.reason, WEBSOCKET_PEER);
	assert_int_equal(client.status, 1001);
	assert_string_equal(client.text, "going away");
	client_deinit(&client);
	assert_string_equal(scripted_server_stop(&server), "");
}

static void
serve_silence(struct scripted_conn *conn)
{
	char buf[256];

	if (!scripted_upgrade(conn, "", "", 0))
		return;
	if (scripted_read_frame(conn, buf, sizeof(buf), NULL) != (FIN | PING))
		scripted_fail(conn, "no ping in the silence");
	if (conn->number == 0) {
		scripted_frame(conn, FIN | PONG, "", 0);
		if (scripted_read_frame(conn, buf, sizeof(buf), NULL) !=
		    (FIN | PING))
			scripted_fail(conn, "no second ping");
	}
	scripted_drain(conn);
}

static void
a_silent_peer_is_pinged_and_then_declared_dead(void **state)
{
	struct scripted_server server;
	struct client client;
	uint64_t begun = clock_now_ms();

	(void)state;
	scripted_server_start(&server, serve_silence, NULL);
	client_init(&client, server.port);
	client.config.ping_interval_s = 1;
	client.config.dead_peer_s = 2;
	client_open(&client);
	client_run(&client);
	assert_int_equal(client.reason, WEBSOCKET_DEAD);
	/* 1 s quiet, ping and pong, then 2 s with one more ping */
	assert_true(clock_now_ms() - begun >= 2900);
	client_deinit(&client);
	assert_string_equal(scripted_server_stop(&server), "");
}

/*
 * libevent counts from when its loop woke: in one that has much to do timers
 * come a little early. Stands in for its event_add().
 */
static long early_us;

int
event_add(struct event *ev, const struct timeval *wait)
{
	int (*real)(struct event *, const struct timeval *) = NULL;
	struct timeval less;

	*(void **)&real = dlsym(RTLD_NEXT, "event_add");
	assert_non_null(real);
	if (wait == NULL || (wait->tv_sec == 0 && wait->tv_usec <= early_us))
		return real(ev, wait);
	less.tv_sec = wait->tv_sec - (wait->tv_usec < early_us);
	less.tv_usec = (wait->tv_usec + 1000000 - early_us) % 1000000;
	return real(ev, &less);
}

static void
who_is_early_has_not_stood_still(void **state)
{
	early_us = 20000;
	a_silent_peer_is_pinged_and_then_declared_dead(state);
	early_us = 0;
}

static void
serve_pongs(struct scripted_conn *conn)
{
	char buf[256];

	if (!scripted_upgrade(conn, "", "", 0))
		return;
	if (scripted_read_frame(conn, buf, sizeof(buf), NULL) != (FIN | PING))
		scripted_fail(conn, "no ping after the standstill");
	scripted_frame(conn, FIN | PONG, "", 0);
	scripted_frame(conn, FIN | TEXT, "still here", 10);
	scripted_frame(conn, FIN | CLOSE, "\x03\xe8", 2);
	scripted_drain(conn);
}

/* As a debugger does, or a machine that hangs: nothing of ours runs. */
static void
stand_still(struct client *client)
{
	const struct timespec pause = {.tv_sec = 3};

	nanosleep(&pause, NULL);
	(void)client;
}

static void
who_stood_still_does_not_take_a_living_peer_for_dead(void **state)
{
	struct scripted_server server;
	struct client client;

	(void)state;
	scripted_server_start(&server, serve_pongs, NULL);
	client_init(&client, server.port);
	client.config.ping_interval_s = 1;
	client.config.dead_peer_s = 2;
	client.on_open = stand_still;
	client_open(&client);
	client_run(&client);
	assert_int_equal(client.reason, WEBSOCKET_PEER);
	assert_string_equal(client.last, "still here");
	client_deinit(&client);
	assert_string_equal(scripted_server_stop(&server), "");
}

/* ---- receiving -------------------------------------------------------------- */

static void
serve_fragments(struct scripted_conn *conn)
{
	static char large[50000];

	memset(large, 'L', sizeof(large));
	if (!scripted_upgrade(conn, "", "", 0))
		return;
	scripted_frame(conn, TEXT, "one ", 4);
	scripted_frame(conn, 0, "two ", 4);
	scripted_frame(conn, FIN | PING, "between", 7);
	scripted_frame(conn, 0, "", 0);
	scripted_frame(conn, FIN | 0, "three", 5);
	scripted_frame(conn, FIN | BINARY, "\x00\x01\x02", 3);
	scripted_frame(conn, FIN | TEXT, "", 0);
	scripted_frame(conn, FIN | TEXT, large, sizeof(large));
	scripted_frame(conn, FIN | TEXT, "end", 3);
	scripted_drain(conn);
}

static void
check_fragment(struct client *client)
{
	switch (client->messages) {
	case 1:
		assert_string_equal(client->last, "one two three");
		break;
	case 2:
		assert_true(client->last_binary);
		assert_int_equal(client->last_len, 3);
		assert_memory_equal(client->last, "\x00\x01\x02", 3);
		break;
	case 3:
		assert_int_equal(client->last_len, 0);
		break;
	case 4:
		assert_int_equal(client->last_len, 50000);
		assert_int_equal(client->last[49999], 'L');
		break;
	default:
		assert_string_equal(client->last, "end");
	}
}

static void
fragments_are_joined_and_control_frames_pass_between(void **state)
{
	struct scripted_server server;
	struct client client;

	(void)state;
	scripted_server_start(&server, serve_fragments, NULL);
	client_init(&client, server.port);
	client.on_message = check_fragment;
	client.stop_after = 5;
	client_open(&client);
	client_run(&client);
	assert_int_equal(client.messages, 5);
	client_deinit(&client);
	assert_string_equal(scripted_server_stop(&server), "");
}

static void
serve_oversize(struct scripted_conn *conn)
{
	static char part[600];
	static char flood[5000];
	char buf[256];
	int opcode;

	if (!scripted_upgrade(conn, "", "", 0))
		return;
	scripted_frame(conn, TEXT, part, sizeof(part));
	if (conn->number == 0) {
		scripted_frame(conn, FIN | 0, part, sizeof(part));
	} else { /* says it is of 1 TiB, and begins */
		memcpy(flood, "\x80\x7f\x00\x00\x01\x00\x00\x00\x00\x00", 10);
		scripted_write(conn, flood, sizeof(flood));
	}
	opcode = scripted_read_frame(conn, buf, sizeof(buf), NULL);
	if (opcode != (FIN | CLOSE) || memcmp(buf, "\x03\xf1", 2))
		scripted_fail(conn, "not closed with 1009: %x", opcode);
}

static void
an_oversize_message_is_refused_with_1009(void **state)
{
	struct scripted_server server;
	struct client client;

	(void)state;
	scripted_server_start(&server, serve_oversize, NULL);
	for (int i = 0; i < 2; i++) {
		client_init(&client, server.port);
		client.config.message_max = 1000;
		client_open(&client);
		client_run(&client);
		assert_int_equal(client.reason, WEBSOCKET_OVERSIZE);
		assert_int_equal(client.messages, 0);
		client_deinit(&client);
	}
	assert_string_equal(scripted_server_stop(&server), "");
}

static void
serve_violation(struct scripted_conn *conn)
{
	if (!scripted_upgrade(conn, "", "", 0))
		return;
	if (conn->number == 0)
		scripted_write(conn, "\x83\x01x", 3); /* reserved opcode */
	else if (conn->number == 1)
		scripted_write(conn, "\xf1\x01x", 3); /* reserved bits */
	else if (conn->number == 2)
		scripted_frame(conn, FIN | 0, "x", 1); /* continues nothing */
	else
		return; /* dropped without a close frame */
	scripted_drain(conn);
}

static void
protocol_violations_and_drops_are_told_apart(void **state)
{
	struct scripted_server server;
	struct client client;

	(void)state;
	scripted_server_start(&server, serve_violation, NULL);
	for (int i = 0; i < 4; i++) {
		client_init(&client, server.port);
		client_open(&client);
		client_run(&client);
		assert_true(client.opened);
		assert_int_equal(client.reason, WEBSOCKET_PEER);
		assert_int_equal(client.status, 1006);
		assert_string_equal(client.text,
		    i < 3 ? "the peer broke the WebSocket protocol"
			  : "connection dropped without a close frame");
		client_deinit(&client);
	}
	assert_string_equal(scripted_server_stop(&server), "");
}

/* ---- closing, freeing ------------------------------------------------------- */

static void
serve_deaf(struct scripted_conn *conn)
{
	if (scripted_upgrade(conn, "", "", 0))
		scripted_drain(conn);
}

static void
closing_is_bounded_when_the_peer_never_answers(void **state)
{
	struct scripted_server server;
	struct client client;
	uint64_t begun;

	(void)state;
	scripted_server_start(&server, serve_deaf, NULL);
	client_init(&client, server.port);
	client.on_open = close_now;
	client_open(&client);
	begun = clock_now_ms();
	client_run(&client);
	assert_int_equal(client.reason, WEBSOCKET_LOCAL);
	assert_true(clock_now_ms() - begun >= WEBSOCKET_CLOSE_WAIT_MS - 10);
	client_deinit(&client);
	assert_string_equal(scripted_server_stop(&server), "");
}

static void
closing_before_open_ends_with_local(void **state)
{
	struct client client;
	uint16_t port;
	int fd = scripted_listen(&port);

	(void)state;
	client_init(&client, port);
	client_open(&client);
	close_now(&client);
	assert_false(client.closed);
	client_run(&client);
	assert_int_equal(client.reason, WEBSOCKET_LOCAL);
	assert_int_equal(websocket_send_text(client.ws, "late", 4), -ENOTCONN);
	client_deinit(&client);
	close(fd);
}

static void
freeing_is_safe_in_every_callback(void **state)
{
	struct scripted_server server;
	struct client client;

	(void)state;
	scripted_server_start(&server, serve_greeting, NULL);
	for (int i = 0; i < 4; i++) {
		client_init(
		    &client, i == 2 ? scripted_dead_port() : server.port);
		if (i == 0)
			client.on_open = free_now;
		else if (i == 1)
			client.on_message = free_now;
		else
			client.on_close = free_now;
		if (i == 3)
			client.on_message = close_now;
		client_open(&client);
		client_run(&client);
		assert_null(client.ws);
		client_run_rest(&client);
		assert_int_equal(client.closed, i >= 2);
		client_deinit(&client);
	}
	assert_string_equal(scripted_server_stop(&server), "");
}

static void
freeing_before_anything_happened_is_silent(void **state)
{
	struct client client;
	uint16_t port;
	int fd = scripted_listen(&port);

	(void)state;
	for (int i = 0; i < 2; i++) {
		client_init(&client, port);
		client_open(&client);
		if (i == 1)
			event_base_loop(client.base, EVLOOP_ONCE);
		websocket_free(&client.ws);
		client_run_rest(&client);
		assert_false(client.opened || client.closed);
		client_deinit(&client);
	}
	close(fd);
}

/* ---- configuration ---------------------------------------------------------- */

static void
bad_configurations_are_refused(void **state)
{
	static const char *const split[] = {"A: b\r\nC: d", NULL};
	struct client client;
	struct websocket *ws;

	(void)state;
	client_init(&client, 1);
#define REFUSED(field, value)                                                  \
	do {                                                                   \
		struct websocket_config config = client.config;                \
                                                                               \
		config.field = value;                                          \
		assert_int_equal(                                              \
		    websocket_open(&ws, client.base, &config), -EINVAL);       \
		assert_null(ws);                                               \
	} while (0)
	REFUSED(address_count, 0);
	REFUSED(host, "");
	REFUSED(host, "a b");
	REFUSED(host, "a\r\nb");
	REFUSED(path, "events");
	REFUSED(path, "/a b");
	REFUSED(plaintext_allowed, false);
	REFUSED(tls, true);
	REFUSED(headers, split);
	REFUSED(dead_peer_s, 3);
#undef REFUSED
	client.config.tls = true;
	client.config.plaintext_allowed = false;
	client.config.ca_file = "relative.pem";
	assert_int_equal(
	    websocket_open(&ws, client.base, &client.config), -EINVAL);
	client.config.ca_file = "/nonexistent/ca.pem";
	assert_int_equal(
	    websocket_open(&ws, client.base, &client.config), -ENOENT);
	client.config.ca_file = "/dev/null";
	assert_int_equal(
	    websocket_open(&ws, client.base, &client.config), -EBADMSG);
	client_deinit(&client);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_session_echoes_and_closes),
	    cmocka_unit_test(many_messages_of_many_sizes_keep_their_order),
	    cmocka_unit_test(
		a_ping_in_the_same_flight_as_the_answer_gets_its_pong),
	    cmocka_unit_test(a_silent_peer_is_pinged_and_then_declared_dead),
	    cmocka_unit_test(who_is_early_has_not_stood_still),
	    cmocka_unit_test(
		who_stood_still_does_not_take_a_living_peer_for_dead),
	    cmocka_unit_test(
		fragments_are_joined_and_control_frames_pass_between),
	    cmocka_unit_test(an_oversize_message_is_refused_with_1009),
	    cmocka_unit_test(protocol_violations_and_drops_are_told_apart),
	    cmocka_unit_test(closing_is_bounded_when_the_peer_never_answers),
	    cmocka_unit_test(closing_before_open_ends_with_local),
	    cmocka_unit_test(freeing_is_safe_in_every_callback),
	    cmocka_unit_test(freeing_before_anything_happened_is_silent),
	    cmocka_unit_test(bad_configurations_are_refused),
	};

	signal(SIGPIPE, SIG_IGN);
	log_init("test", getenv("TEST_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
