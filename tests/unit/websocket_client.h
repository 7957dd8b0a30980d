/* SPDX-License-Identifier: MIT */
/*
 * websocket_client.h – a WebSocket client of a test: what it was told, and
 * what it does when it is told something; and servers for it.
 */
#ifndef TESTS_UNIT_WEBSOCKET_CLIENT_H
#define TESTS_UNIT_WEBSOCKET_CLIENT_H

#include "common/websocket.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <event2/event.h>

#include "common/clock.h"
#include "common/log.h"
#include "tests/unit/guarded_loop.h"
#include "tests/unit/scripted_server.h"

enum {
	FIN = 0x80,
	TEXT = 0x1,
	BINARY = 0x2,
	CLOSE = 0x8,
	PING = 0x9,
	PONG = 0xa,
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

static inline void
on_open(struct websocket *ws, void *arg)
{
	struct client *client = arg;

	assert_ptr_equal(ws, client->ws);
	assert_false(client->opened);
	client->opened = true;
	if (client->on_open)
		client->on_open(client);
}

static inline void
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

static inline void
on_close(struct websocket *ws, const struct websocket_closed *closed, void *arg)
{
	struct client *client = arg;

	assert_false(client->closed);
	assert_ptr_equal(ws, client->ws);
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

static inline void
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

static inline void
client_open(struct client *client)
{
	assert_int_equal(
	    websocket_open(&client->ws, client->base, &client->config), 0);
	assert_false(client->opened);
}

/* Until somebody breaks the loop. */
static inline void
client_run(struct client *client)
{
	guarded_loop(client->base);
}

/* What is already there, for instance after a free. */
static inline void
client_run_rest(struct client *client)
{
	event_base_loop(client->base, EVLOOP_NONBLOCK);
}

static inline void
client_deinit(struct client *client)
{
	websocket_free(&client->ws);
	client_run_rest(client);
	event_base_free(client->base);
}

static inline void
send_hello(struct client *client)
{
	assert_int_equal(websocket_send_text(client->ws, "hello", 5), 0);
}

static inline void
free_now(struct client *client)
{
	websocket_free(&client->ws);
	assert_null(client->ws);
	event_base_loopbreak(client->base);
}

static inline void
close_now(struct client *client)
{
	websocket_close(client->ws, 1000);
	websocket_close(client->ws, 1001); /* does nothing */
}

/* ---- what a server does --------------------------------------------------- */

static inline void
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

static inline void
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

static inline void
serve_greeting(struct scripted_conn *conn)
{
	char frame[] = "\x81\x02hi";

	if (scripted_upgrade(conn, "", frame, 4))
		scripted_drain(conn);
}

#endif
