/* SPDX-License-Identifier: MIT */
/* test_websocket.c – the WebSocket client against good and bad servers. */
#include "common/websocket.h"

#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <event2/event.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/websocket_queue.h"
#include "tests/unit/scripted_server.h"

enum {
	FIN = 0x80,
	TEXT = 0x1,
	BINARY = 0x2,
	CLOSE = 0x8,
	PING = 0x9,
	PONG = 0xa,

	GUARD_S = 20, /* a loop that runs so long is stuck */
};

struct client {
	struct event_base *base;
	struct websocket *ws;
	struct websocket_config config;
	struct net_address addresses[2];

	bool opened;
	bool closed;
	int messages;
	char last[65536];
	size_t last_len;
	bool last_binary;
	size_t total_len;
	int stop_after; /* messages, then leave the loop; 0: never */

	enum websocket_reason reason;
	int status;
	char text[256];
	char body[8192];

	void (*on_open)(struct client *client);
	void (*on_message)(struct client *client);
	void (*on_close)(struct client *client);
};

static void
on_open(struct websocket *ws, void *arg)
{
	struct client *client = arg;

	assert_true(websocket_is_open(ws));
	assert_false(client->opened);
	client->opened = true;
	if (client->on_open)
		client->on_open(client);
}

static void
on_message(struct websocket *ws, const char *data, size_t len, bool is_binary,
    void *arg)
{
	struct client *client = arg;

	(void)ws;
	assert_true(client->opened);
	assert_false(client->closed);
	assert_int_equal(data[len], '\0');
	client->messages++;
	client->total_len += len;
	client->last_len = len;
	client->last_binary = is_binary;
	memcpy(client->last, data,
	    len < sizeof(client->last) ? len + 1 : sizeof(client->last));
	if (client->stop_after && client->messages >= client->stop_after)
		event_base_loopbreak(client->base);
	if (client->on_message)
		client->on_message(client);
}

static void
on_close(struct websocket *ws, const struct websocket_closed *closed, void *arg)
{
	struct client *client = arg;

	assert_false(client->closed);
	assert_false(websocket_is_open(ws));
	assert_true(closed->text[0]);
	assert_int_equal(strlen(closed->body), closed->body_len);
	client->closed = true;
	client->reason = closed->reason;
	client->status = closed->status;
	snprintf(client->text, sizeof(client->text), "%s", closed->text);
	snprintf(client->body, sizeof(client->body), "%s", closed->body);
	if (client->on_close)
		client->on_close(client);
	event_base_loopbreak(client->base);
}

static void
client_init(struct client *client, uint16_t port)
{
	memset(client, 0, sizeof(*client));
	client->base = event_base_new();
	assert_int_equal(
	    net_address_parse("127.0.0.1", port, &client->addresses[0]), 0);
	client->config = (struct websocket_config){
	    .addresses = client->addresses,
	    .address_count = 1,
	    .host = "localhost",
	    .path = "/events?app=test",
	    .plaintext_allowed = true,
	    .callbacks = {on_open, on_message, on_close},
	    .arg = client,
	};
}

static void
client_open(struct client *client)
{
	assert_int_equal(
	    websocket_open(&client->ws, client->base, &client->config), 0);
	assert_false(client->opened);
}

static void
on_guard(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	fail_msg("the loop is stuck");
}

/* Until somebody breaks the loop. */
static void
client_run(struct client *client)
{
	const struct timeval wait = {.tv_sec = GUARD_S};
	struct event *guard = evtimer_new(client->base, on_guard, NULL);

	event_add(guard, &wait);
	event_base_dispatch(client->base);
	event_free(guard);
}

/* What is already there, for instance after a free. */
static void
client_run_rest(struct client *client)
{
	event_base_loop(client->base, EVLOOP_NONBLOCK);
}

static void
client_deinit(struct client *client)
{
	websocket_free(&client->ws);
	client_run_rest(client);
	event_base_free(client->base);
}

static void
send_hello(struct client *client)
{
	assert_int_equal(websocket_send_text(client->ws, "hello", 5), 0);
}

static void
free_now(struct client *client)
{
	websocket_free(&client->ws);
	assert_null(client->ws);
	event_base_loopbreak(client->base);
}

static void
close_now(struct client *client)
{
	websocket_close(client->ws, 1000);
	websocket_close(client->ws, 1001); /* does nothing */
}

/* ---- a session that goes well -------------------------------------------- */

static void
serve_echo(struct scripted_conn *conn)
{
	char value[256];
	char buf[65536];
	size_t len;
	int opcode;

	if (!scripted_upgrade(conn, "Sec-WebSocket-Protocol: ari\r\n", "", 0))
		return;
	if (strncmp(conn->request, "GET /events?app=test HTTP/1.1\r\n", 31))
		scripted_fail(conn, "request line: %.40s", conn->request);
	if (strcmp(scripted_header(conn, "Authorization", value, sizeof(value)),
		"Bearer secret"))
		scripted_fail(conn, "Authorization: %s", value);
	if (strcmp(scripted_header(
		       conn, "Sec-WebSocket-Protocol", value, sizeof(value)),
		"ari"))
		scripted_fail(conn, "subprotocol: %s", value);
	scripted_header(conn, "Host", value, sizeof(value));
	if (strncmp(value, "localhost:", 10))
		scripted_fail(conn, "Host: %s", value);
	while (
	    (opcode = scripted_read_frame(conn, buf, sizeof(buf), &len)) >= 0) {
		if ((opcode & 0xf) == CLOSE) {
			scripted_frame(conn, FIN | CLOSE, buf, len);
			return;
		}
		scripted_frame(conn, (unsigned int)opcode, buf, len);
	}
	scripted_fail(conn, "no close frame");
}

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
serve_early_ping(struct scripted_conn *conn)
{
	unsigned char tail[64];
	char buf[256];
	uint64_t begun;
	size_t n = scripted_make_frame(tail, FIN | PING, "early", 5);

	n += scripted_make_frame(tail + n, FIN | TEXT, "greeting", 8);
	if (!scripted_upgrade(conn, "", tail, n))
		return;
	begun = clock_now_ms();
	if (scripted_read_frame(conn, buf, sizeof(buf), NULL) != (FIN | PONG) ||
	    strcmp(buf, "early"))
		scripted_fail(conn, "no pong to the early ping");
	if (clock_now_ms() - begun > 900)
		scripted_fail(
		    conn, "pong after %d ms", (int)(clock_now_ms() - begun));
	scripted_frame(conn, FIN | CLOSE, "\x03\xe9going away", 12);
	scripted_drain(conn);
}

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

/* ---- not getting that far --------------------------------------------------- */

static void
a_refused_connection_names_the_address(void **state)
{
	struct client client;
	char text[128];
	uint16_t port = scripted_dead_port();

	(void)state;
	client_init(&client, port);
	client_open(&client);
	client_run(&client);
	assert_false(client.opened);
	assert_int_equal(client.reason, WEBSOCKET_REFUSED);
	snprintf(
	    text, sizeof(text), "127.0.0.1:%u refused the connection", port);
	assert_string_equal(client.text, text);
	client_deinit(&client);
}

static void
serve_greeting(struct scripted_conn *conn)
{
	char frame[] = "\x81\x02hi";

	if (scripted_upgrade(conn, "", frame, 4))
		scripted_drain(conn);
}

static void
the_next_address_is_tried_after_a_refusal(void **state)
{
	struct scripted_server server;
	struct client client;

	(void)state;
	scripted_server_start(&server, serve_greeting, NULL);
	client_init(&client, scripted_dead_port());
	net_address_parse("127.0.0.1", server.port, &client.addresses[1]);
	client.config.address_count = 2;
	client.stop_after = 1;
	client_open(&client);
	client_run(&client);
	assert_string_equal(client.last, "hi");
	client_deinit(&client);
	assert_string_equal(scripted_server_stop(&server), "");
}

/* It accepts (the kernel does) and never says a word. */
static void
the_next_address_is_tried_when_the_first_stays_silent(void **state)
{
	static const char *const headers[] = {
	    "Authorization: Bearer secret", NULL};
	struct scripted_server server;
	struct client client;
	uint64_t begun = clock_now_ms();
	uint16_t port;
	int fd = scripted_listen(&port);

	(void)state;
	scripted_server_start(&server, serve_echo, NULL);
	client_init(&client, port);
	net_address_parse("127.0.0.1", server.port, &client.addresses[1]);
	client.config.address_count = 2;
	client.config.headers = headers;
	client.config.subprotocol = "ari";
	client.on_open = close_now;
	client_open(&client);
	client_run(&client);
	assert_true(client.opened);
	assert_int_equal(client.reason, WEBSOCKET_LOCAL);
	assert_true(clock_now_ms() - begun >= WEBSOCKET_ADDRESS_TRY_MS);
	client_deinit(&client);
	assert_string_equal(scripted_server_stop(&server), "");
	close(fd);
}

static void
a_silent_server_times_out(void **state)
{
	struct client client;
	uint16_t port;
	int fd = scripted_listen(&port);

	(void)state;
	client_init(&client, port);
	client.config.handshake_timeout_ms = 300;
	client_open(&client);
	client_run(&client);
	assert_int_equal(client.reason, WEBSOCKET_TIMEOUT);
	client_deinit(&client);
	close(fd);
}

static void
serve_refusals(struct scripted_conn *conn)
{
	static const char *const answers[] = {
	    "HTTP/1.1 401 Unauthorized\r\nContent-Length: 15\r\n"
	    "Content-Type: application/json\r\n\r\n{\"error\":\"key\"}",
	    "HTTP/1.1 429 Too Many Requests\r\nTransfer-Encoding: chunked\r\n"
	    "\r\n5\r\nquota\r\n3\r\n!\x1b!\r\n0\r\n\r\n",
	    "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
	    "Content-Length: 0\r\n\r\n",
	    "HTTP/1.0 503 Service Unavailable\r\n\r\nbusy",
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
	    "SSH-2.0-OpenSSH_9.2\r\n\r\n",
	    "",
	};

	if (!scripted_read_request(conn))
		return;
	scripted_print(conn, answers[conn->number % 7]);
}

static const struct {
	int status;
	const char *text;
	const char *body;
} refusals[] = {
    {401, "server answered 401 Unauthorized", "{\"error\":\"key\"}"},
    {429, "server answered 429 Too Many Requests", "quota!\x1b!"},
    {302, "server answered 302 Found", ""},
    {503, "server answered 503 Service Unavailable", "busy"},
    {101, "bad upgrade answer: Accept hash wrong", ""},
    {0, "connection closed without a proper answer", ""},
    {0, "connection closed without a proper answer", ""},
};

static void
an_answer_other_than_101_is_reported_with_its_body(void **state)
{
	struct scripted_server server;
	struct client client;

	(void)state;
	scripted_server_start(&server, serve_refusals, NULL);
	for (size_t i = 0; i < 7; i++) {
		client_init(&client, server.port);
		client_open(&client);
		client_run(&client);
		assert_false(client.opened);
		assert_int_equal(client.reason, WEBSOCKET_HANDSHAKE);
		assert_int_equal(client.status, refusals[i].status);
		assert_string_equal(client.text, refusals[i].text);
		assert_string_equal(client.body, refusals[i].body);
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

/* ---- a stalled peer ---------------------------------------------------------- */

/* Reads nothing until it is told to, then counts messages to the close. */
static void
serve_stalled(struct scripted_conn *conn)
{
	char buf[2048];
	int opcode;
	int kept = 0;

	if (!scripted_upgrade(conn, "", "", 0))
		return;
	scripted_frame(conn, FIN | TEXT, "go", 2);
	/* The client fills everything, then says so with a small message. */
	while (
	    (opcode = scripted_read_frame(conn, buf, sizeof(buf), NULL)) >= 0) {
		if ((opcode & 0xf) == CLOSE)
			break;
		if (strncmp(buf, "keep", 4) == 0)
			kept++;
	}
	if (kept != 3)
		scripted_fail(conn, "%d undroppable messages", kept);
	scripted_frame(conn, FIN | CLOSE, "\x03\xe8", 2);
}

static void
stall(struct client *client)
{
	struct websocket_stats stats;
	char audio[1000];

	memset(audio, 'a', sizeof(audio));
	assert_int_equal(websocket_send_text(client->ws, "keep 1", 6), 0);
	/* Not yet written: we are inside a callback. */
	for (int i = 0; i < 30; i++) {
		if (i == 10 || i == 20)
			assert_int_equal(
			    websocket_send_text(client->ws, "keep n", 6), 0);
		assert_int_equal(websocket_send_text_droppable(
				     client->ws, audio, sizeof(audio)),
		    0);
	}
	websocket_get_stats(client->ws, &stats);
	assert_int_equal(stats.droppable_len, 10000);
	assert_int_equal(stats.queued_len, 10018);
	assert_int_equal(stats.dropped, 20);
	websocket_close(client->ws, 1000);
}

static void
old_audio_is_dropped_and_the_rest_leaves_before_the_close(void **state)
{
	struct scripted_server server;
	struct client client;

	(void)state;
	scripted_server_start(&server, serve_stalled, NULL);
	client_init(&client, server.port);
	client.config.queue_max = 20000;
	client.config.droppable_max = 10000;
	client.on_message = stall;
	client_open(&client);
	client_run(&client);
	assert_int_equal(client.reason, WEBSOCKET_LOCAL);
	client_deinit(&client);
	assert_string_equal(scripted_server_stop(&server), "");
}

static void
serve_no_reader(struct scripted_conn *conn)
{
	int small = 4096;

	setsockopt(conn->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (!scripted_upgrade(conn, "", "", 0))
		return;
	scripted_wait_stop(conn);
}

struct flood {
	struct client *client;
	struct event *tick;
	int left;
};

static void
on_flood(evutil_socket_t fd, short what, void *arg)
{
	struct flood *flood = arg;
	const struct timeval wait = {.tv_usec = 1000};
	static char audio[8000];

	(void)fd;
	(void)what;
	memset(audio, 'a', sizeof(audio));
	for (int i = 0; i < 20; i++)
		assert_int_equal(websocket_send_text_droppable(
				     flood->client->ws, audio, sizeof(audio)),
		    0);
	if (--flood->left > 0)
		event_add(flood->tick, &wait);
	else
		event_base_loopbreak(flood->client->base);
}

static void
a_peer_that_stops_reading_costs_bounded_memory(void **state)
{
	struct websocket_stats stats;
	struct scripted_server server;
	struct client client;
	struct flood flood = {.client = &client, .left = 200};

	(void)state;
	scripted_server_start(&server, serve_no_reader, NULL);
	client_init(&client, server.port);
	client.config.droppable_max = 64000;
	client.on_open = NULL;
	client_open(&client);
	while (!client.opened)
		event_base_loop(client.base, EVLOOP_ONCE);
	flood.tick = evtimer_new(client.base, on_flood, &flood);
	event_active(flood.tick, EV_TIMEOUT, 0);
	client_run(&client);
	websocket_get_stats(client.ws, &stats);
	assert_true(stats.droppable_len <= 64000);
	/* 4000 messages of 8 kB offered: 32 MB. */
	assert_true(stats.dropped > 2000);
	assert_int_equal(
	    stats.dropped + stats.sent + stats.droppable_len / 8000, 4000);
	assert_true(websocket_drop_droppable(client.ws) > 0);
	assert_int_equal(websocket_send_text_droppable(client.ws, "x", 1), 0);
	event_free(flood.tick);
	client_deinit(&client);
	assert_string_equal(scripted_server_stop(&server), "");
}

/* ---- TLS ------------------------------------------------------------------- */

static void
run_tls(const struct scripted_ca *server_ca, const char *names, long expires_s,
    const char *ca_file, struct client *client)
{
	SSL_CTX *tls = scripted_tls(server_ca, names, expires_s);
	struct scripted_server server;

	scripted_server_start(&server, serve_early_ping, tls);
	client_init(client, server.port);
	client->config.tls = true;
	client->config.plaintext_allowed = false;
	client->config.ca_file = ca_file;
	client_open(client);
	client_run(client);
	client_deinit(client);
	assert_string_equal(scripted_server_stop(&server), "");
	SSL_CTX_free(tls);
}

static void
tls_accepts_the_right_certificate_only(void **state)
{
	static const struct {
		const char *names;
		long expires_s;
		bool foreign;
		const char *text; /* NULL: accepted */
	} cases[] = {
	    {"DNS:localhost", 3600, false, NULL},
	    {"DNS:other.test", 3600, false, "hostname mismatch"},
	    {"IP:127.0.0.1", 3600, false, "hostname mismatch"},
	    {"DNS:localhost", -60, false, "certificate has expired"},
	    {"DNS:localhost", 3600, true,
		"unable to get local issuer certificate"},
	};
	struct scripted_ca ca;
	struct scripted_ca foreign;
	struct client client;

	(void)state;
	scripted_ca_make(&ca);
	scripted_ca_make(&foreign);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		run_tls(cases[i].foreign ? &foreign : &ca, cases[i].names,
		    cases[i].expires_s, ca.file, &client);
		if (!cases[i].text) {
			assert_true(client.opened);
			assert_string_equal(client.last, "greeting");
			assert_int_equal(client.status, 1001);
			continue;
		}
		assert_false(client.opened);
		assert_int_equal(client.reason, WEBSOCKET_TLS);
		assert_string_equal(client.text, cases[i].text);
	}
	/* The system's directory does not know this CA either. */
	run_tls(&ca, "DNS:localhost", 3600, NULL, &client);
	assert_int_equal(client.reason, WEBSOCKET_TLS);
	scripted_ca_free(&ca);
	scripted_ca_free(&foreign);
}

static void
serve_plain_answer(struct scripted_conn *conn)
{
	char buf[16];

	if (scripted_read(conn, buf, sizeof(buf)) > 0)
		scripted_print(conn, "HTTP/1.1 400 Bad Request\r\n\r\n");
}

static void
a_server_without_tls_is_named_as_such(void **state)
{
	struct scripted_server server;
	struct client client;

	(void)state;
	scripted_server_start(&server, serve_plain_answer, NULL);
	client_init(&client, server.port);
	client.config.tls = true;
	client.config.plaintext_allowed = false;
	client_open(&client);
	client_run(&client);
	assert_int_equal(client.reason, WEBSOCKET_TLS);
	assert_string_equal(client.text, "wrong version number");
	client_deinit(&client);
	assert_string_equal(scripted_server_stop(&server), "");
}

/* Two handshakes at once, and one context made during another's handshake. */
static void
two_tls_sockets_do_not_disturb_each_other(void **state)
{
	struct scripted_ca ca;
	struct scripted_server server[2];
	struct client client[2];
	SSL_CTX *tls;

	(void)state;
	scripted_ca_make(&ca);
	tls = scripted_tls(&ca, "DNS:localhost", 3600);
	for (int i = 0; i < 2; i++) {
		scripted_server_start(&server[i], serve_early_ping, tls);
		client_init(&client[i], server[i].port);
		client[i].config.tls = true;
		client[i].config.plaintext_allowed = false;
		client[i].config.ca_file = ca.file;
	}
	event_base_free(client[1].base);
	client[1].base = client[0].base;
	client_open(&client[0]);
	event_base_loop(client[0].base, EVLOOP_ONCE);
	client_open(&client[1]);
	while (!client[0].closed || !client[1].closed)
		client_run(&client[0]);
	for (int i = 0; i < 2; i++) {
		assert_string_equal(client[i].last, "greeting");
		assert_int_equal(client[i].status, 1001);
		assert_string_equal(scripted_server_stop(&server[i]), "");
		websocket_free(&client[i].ws);
	}
	event_base_free(client[0].base);
	SSL_CTX_free(tls);
	scripted_ca_free(&ca);
}

/* A numeric IPv6 host: brackets in Host:, none in the certificate, no SNI. */
static void
serve_ipv6_host(struct scripted_conn *conn)
{
	char value[64];

	if (!scripted_upgrade(conn, "", "\x81\x02hi", 4))
		return;
	scripted_header(conn, "Host", value, sizeof(value));
	if (strncmp(value, "[::1]:", 6) != 0)
		scripted_fail(conn, "Host: %s", value);
	if (conn->ssl && SSL_get_servername(conn->ssl, 0))
		scripted_fail(conn, "SNI with an address");
	scripted_drain(conn);
}

static void
a_numeric_ipv6_host_is_verified_as_such(void **state)
{
	static const char *const hosts[] = {"::1", "[::1]"};
	struct scripted_ca ca;
	struct scripted_server server;
	struct client client;
	SSL_CTX *tls;

	(void)state;
	scripted_ca_make(&ca);
	tls = scripted_tls(&ca, "IP:::1", 3600);
	scripted_server_start(&server, serve_ipv6_host, tls);
	for (int i = 0; i < 2; i++) {
		client_init(&client, server.port);
		client.config.host = hosts[i];
		client.config.tls = true;
		client.config.plaintext_allowed = false;
		client.config.ca_file = ca.file;
		client.stop_after = 1;
		client_open(&client);
		client_run(&client);
		assert_string_equal(client.last, "hi");
		client_deinit(&client);
	}
	assert_string_equal(scripted_server_stop(&server), "");
	SSL_CTX_free(tls);
	scripted_ca_free(&ca);
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

static void
the_queue_keeps_its_bounds(void **state)
{
	struct websocket_queue queue;
	struct websocket_message *message;

	(void)state;
	websocket_queue_init(&queue, 10, 6);
	assert_int_equal(websocket_queue_push(&queue, "1234", 4, true), 0);
	assert_int_equal(websocket_queue_push(&queue, "ab", 2, false), 0);
	assert_int_equal(websocket_queue_push(&queue, "56", 2, true), 0);
	assert_int_equal(websocket_queue_push(&queue, "789", 3, true), 0);
	assert_int_equal(queue.dropped, 1); /* "1234" */
	assert_int_equal(queue.len, 7);
	assert_int_equal(
	    websocket_queue_push(&queue, "cdef", 4, false), -ENOBUFS);
	assert_int_equal(
	    websocket_queue_push(&queue, "1234567", 7, true), -ENOBUFS);
	assert_int_equal(websocket_queue_push(&queue, "cde", 3, false), 0);
	/* queue_max counts for droppable ones, too: "56" must go. */
	assert_int_equal(websocket_queue_push(&queue, "0", 1, true), 0);
	assert_int_equal(queue.dropped, 2);
	message = websocket_queue_take(&queue);
	assert_memory_equal(message->bytes + WEBSOCKET_QUEUE_HEADROOM, "ab", 2);
	free(message);
	assert_int_equal(websocket_queue_drop(&queue), 2);
	assert_int_equal(queue.droppable_len, 0);
	assert_int_equal(queue.len, 3);
	websocket_queue_clear(&queue);
	assert_int_equal(queue.len, 0);
	assert_null(websocket_queue_take(&queue));
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
	    cmocka_unit_test(a_refused_connection_names_the_address),
	    cmocka_unit_test(the_next_address_is_tried_after_a_refusal),
	    cmocka_unit_test(
		the_next_address_is_tried_when_the_first_stays_silent),
	    cmocka_unit_test(a_silent_server_times_out),
	    cmocka_unit_test(
		an_answer_other_than_101_is_reported_with_its_body),
	    cmocka_unit_test(closing_is_bounded_when_the_peer_never_answers),
	    cmocka_unit_test(closing_before_open_ends_with_local),
	    cmocka_unit_test(freeing_is_safe_in_every_callback),
	    cmocka_unit_test(freeing_before_anything_happened_is_silent),
	    cmocka_unit_test(
		old_audio_is_dropped_and_the_rest_leaves_before_the_close),
	    cmocka_unit_test(a_peer_that_stops_reading_costs_bounded_memory),
	    cmocka_unit_test(tls_accepts_the_right_certificate_only),
	    cmocka_unit_test(a_server_without_tls_is_named_as_such),
	    cmocka_unit_test(two_tls_sockets_do_not_disturb_each_other),
	    cmocka_unit_test(a_numeric_ipv6_host_is_verified_as_such),
	    cmocka_unit_test(bad_configurations_are_refused),
	    cmocka_unit_test(the_queue_keeps_its_bounds),
	};

	signal(SIGPIPE, SIG_IGN);
	log_init("test", getenv("TEST_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
