/* SPDX-License-Identifier: MIT */
/* test_websocket_queue.c – peers that do not read, and what is kept for them. */
#include "tests/unit/websocket_client.h"

#include "common/websocket_queue.h"

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
	assert_int_equal(websocket_send_text_droppable(client.ws, "x", 1), 0);
	event_free(flood.tick);
	client_deinit(&client);
	assert_string_equal(scripted_server_stop(&server), "");
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
	assert_int_equal(queue.droppable_len, 4);
	assert_int_equal(queue.len, 7);
	websocket_queue_clear(&queue);
	assert_int_equal(queue.len, 0);
	assert_null(websocket_queue_take(&queue));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		old_audio_is_dropped_and_the_rest_leaves_before_the_close),
	    cmocka_unit_test(a_peer_that_stops_reading_costs_bounded_memory),
	    cmocka_unit_test(the_queue_keeps_its_bounds),
	};

	signal(SIGPIPE, SIG_IGN);
	log_init("test", getenv("TEST_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
