/* SPDX-License-Identifier: MIT */
/*
 * websocket_queue.c – a bounded queue that forgets old audio first.
 *
 * Invariant: droppable_len <= len <= max and droppable_len <= droppable_max.
 */
#include "common/websocket_queue.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void
websocket_queue_init(
    struct websocket_queue *queue, size_t max, size_t droppable_max)
{
	assert(max > 0 && droppable_max <= max);
	*queue = (struct websocket_queue){
	    .max = max,
	    .droppable_max = droppable_max,
	};
	TAILQ_INIT(&queue->messages);
}

static void
unlink_message(struct websocket_queue *queue, struct websocket_message *message)
{
	TAILQ_REMOVE(&queue->messages, message, entry);
	queue->len -= message->len;
	if (message->droppable)
		queue->droppable_len -= message->len;
}

/* The oldest droppable one; there must be one. */
static void
drop_oldest(struct websocket_queue *queue)
{
	struct websocket_message *message;

	TAILQ_FOREACH(message, &queue->messages, entry) {
		if (message->droppable)
			break;
	}
	assert(message);
	unlink_message(queue, message);
	queue->dropped++;
	free(message);
}

/* Makes room for LEN droppable bytes, or changes nothing. */
static int
make_room(struct websocket_queue *queue, size_t len)
{
	size_t kept = queue->len - queue->droppable_len;

	if (len > queue->droppable_max || len > queue->max - kept)
		return -ENOBUFS;
	while (queue->droppable_len > 0 &&
	       (queue->droppable_len > queue->droppable_max - len ||
		   queue->len > queue->max - len))
		drop_oldest(queue);
	return 0;
}

int
websocket_queue_push(
    struct websocket_queue *queue, const void *buf, size_t len, bool droppable)
{
	struct websocket_message *message;

	if (droppable && make_room(queue, len))
		return -ENOBUFS;
	if (len > queue->max - queue->len)
		return -ENOBUFS;
	message = malloc(sizeof(*message) + WEBSOCKET_QUEUE_HEADROOM + len);
	if (!message)
		return -ENOMEM;
	message->len = len;
	message->droppable = droppable;
	if (len > 0)
		memcpy(message->bytes + WEBSOCKET_QUEUE_HEADROOM, buf, len);
	TAILQ_INSERT_TAIL(&queue->messages, message, entry);
	queue->len += len;
	if (droppable)
		queue->droppable_len += len;
	return 0;
}

struct websocket_message *
websocket_queue_take(struct websocket_queue *queue)
{
	struct websocket_message *message = TAILQ_FIRST(&queue->messages);

	if (message)
		unlink_message(queue, message);
	return message;
}

void
websocket_queue_clear(struct websocket_queue *queue)
{
	struct websocket_message *message;

	while ((message = websocket_queue_take(queue)))
		free(message);
}
