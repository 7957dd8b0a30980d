/* SPDX-License-Identifier: MIT */
/*
 * keeper_client.c – orders to the keeper and its reports, on the loop.
 *
 * Orders that the socket does not take at once wait in a bounded queue. The
 * keeper reads always, so one that does not fit there either means that
 * something is badly wrong: it is logged and lost, and the deadlines of
 * whoever gave it do the rest.
 */
#include "supervisor/keeper_client.h"

#include "common/log.h"
#include "supervisor/keeper_link.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct keeper_client {
	int socket;
	struct event *event;
	struct event *write_event;
	struct event *alive_timer;
	struct keeper_link_queue queue;
	uint32_t last_seq;
	keeper_client_fn *fn;
	void *arg;
};

static void
on_readable(evutil_socket_t socket, short what, void *arg)
{
	static const struct keeper_message gone = {.op = 0};
	struct keeper_client *client = arg;
	struct keeper_message message;
	int fd = -1;
	int got = keeper_link_receive(socket, &message, &fd);

	(void)what;
	if (got == 0)
		return;
	if (got < 0) {
		event_del(client->alive_timer);
		event_del(client->event);
		event_del(client->write_event);
	}
	client->fn(got < 0 ? &gone : &message, &fd, client->arg);
	if (fd >= 0)
		close(fd);
}

static void
on_writable(evutil_socket_t socket, short what, void *arg)
{
	struct keeper_client *client = arg;

	(void)what;
	if (keeper_link_flush(&client->queue, socket) == -EAGAIN)
		event_add(client->write_event, NULL);
}

static int
send_order(struct keeper_client *client, struct keeper_message *order,
    const char *text, int fd)
{
	int ret;

	if (text != NULL)
		snprintf(order->text, sizeof(order->text), "%s", text);
	ret = keeper_link_post(&client->queue, client->socket, order, fd);
	if (client->queue.count > 0)
		event_add(client->write_event, NULL);
	if (ret < 0)
		log_err("keeper does not take an order op=%u error=%s",
		    order->op, strerror(-ret));
	return ret;
}

/* The loop turns: the keeper would replace a supervisor that hangs. */
static void
on_alive_timer(evutil_socket_t fd, short what, void *arg)
{
	struct keeper_client *client = arg;
	struct keeper_message order = {.op = KEEPER_ALIVE};

	(void)fd;
	(void)what;
	if (client->queue.count == 0) /* it would only add to what waits */
		send_order(client, &order, NULL, -1);
}

int
keeper_client_new(struct keeper_client **client_out, struct event_base *base,
    int socket, keeper_client_fn *fn, void *arg)
{
	static const struct timeval interval = {.tv_sec = 1};
	struct keeper_client *client = calloc(1, sizeof(*client));

	if (client == NULL) {
		close(socket);
		return -ENOMEM;
	}
	keeper_link_queue_init(&client->queue);
	client->socket = socket;
	client->fn = fn;
	client->arg = arg;
	client->event =
	    event_new(base, socket, EV_READ | EV_PERSIST, on_readable, client);
	client->write_event =
	    event_new(base, socket, EV_WRITE, on_writable, client);
	client->alive_timer =
	    event_new(base, -1, EV_PERSIST, on_alive_timer, client);
	if (client->event == NULL || client->write_event == NULL ||
	    client->alive_timer == NULL ||
	    event_add(client->alive_timer, &interval) < 0 ||
	    event_add(client->event, NULL) < 0) {
		keeper_client_free(&client);
		return -ENOMEM;
	}
	*client_out = client;
	return 0;
}

void
keeper_client_free(struct keeper_client **client_ptr)
{
	struct keeper_client *client = *client_ptr;

	if (client == NULL)
		return;
	*client_ptr = NULL;
	if (client->event != NULL)
		event_free(client->event);
	if (client->write_event != NULL)
		event_free(client->write_event);
	if (client->alive_timer != NULL)
		event_free(client->alive_timer);
	keeper_link_queue_clear(&client->queue);
	close(client->socket);
	free(client);
}

uint32_t
keeper_client_spawn(struct keeper_client *client, enum proc_role role)
{
	struct keeper_message order = {.op = KEEPER_SPAWN, .role = role};

	if (++client->last_seq == 0)
		client->last_seq = 1;
	order.seq = client->last_seq;
	return send_order(client, &order, NULL, -1) == 0 ? order.seq : 0;
}

void
keeper_client_kill(struct keeper_client *client, uint32_t child, int signal)
{
	struct keeper_message order = {
	    .op = KEEPER_KILL, .child = child, .value = signal};

	send_order(client, &order, NULL, -1);
}

void
keeper_client_hold(struct keeper_client *client, uint32_t child,
    enum keeper_held held, const char *call, int fd)
{
	struct keeper_message order = {
	    .op = KEEPER_HOLD, .child = child, .held = held};

	send_order(client, &order, call, fd);
}

void
keeper_client_release(struct keeper_client *client, uint32_t child)
{
	struct keeper_message order = {.op = KEEPER_RELEASE, .child = child};

	send_order(client, &order, NULL, -1);
}

void
keeper_client_status(struct keeper_client *client, const char *text)
{
	struct keeper_message order = {.op = KEEPER_STATUS};

	send_order(client, &order, text, -1);
}

void
keeper_client_timezone(struct keeper_client *client, const char *zone)
{
	struct keeper_message order = {.op = KEEPER_TIMEZONE};

	send_order(client, &order, zone, -1);
}

void
keeper_client_ready(struct keeper_client *client)
{
	struct keeper_message order = {.op = KEEPER_READY};

	send_order(client, &order, NULL, -1);
}

void
keeper_client_stopping(struct keeper_client *client)
{
	struct keeper_message order = {.op = KEEPER_STOPPING};

	send_order(client, &order, NULL, -1);
}

void
keeper_client_log(struct keeper_client *client, int fd)
{
	struct keeper_message order = {.op = KEEPER_LOG};

	send_order(client, &order, NULL, fd);
}

void
keeper_client_say(
    struct keeper_client *client, enum keeper_op op, int32_t value)
{
	struct keeper_message order = {.op = op, .value = value};

	send_order(client, &order, NULL, -1);
}

bool
keeper_client_is_flushed(const struct keeper_client *client)
{
	return client->queue.count == 0;
}
