/* SPDX-License-Identifier: MIT */
/*
 * websocket_queue.h – what waits to be sent on one WebSocket.
 *
 * Bounded in bytes. Droppable messages (live audio, worth nothing late) have
 * a bound of their own inside it, and make room for their successors by
 * discarding the oldest; the others are never discarded.
 */
#ifndef COMMON_WEBSOCKET_QUEUE_H
#define COMMON_WEBSOCKET_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

enum {
	/* Writable bytes before the payload, for the frame header. */
	WEBSOCKET_QUEUE_HEADROOM = 16,
};

struct websocket_message {
	TAILQ_ENTRY(websocket_message) entry;
	size_t len; /* of the payload */
	bool droppable;
	unsigned char bytes[]; /* headroom, then the payload */
};

struct websocket_queue {
	TAILQ_HEAD(, websocket_message) messages;
	size_t len;           /* payload bytes waiting */
	size_t droppable_len; /* … of which droppable */
	size_t max;
	size_t droppable_max;
	unsigned long long dropped; /* messages, ever */
};

void websocket_queue_init(
    struct websocket_queue *queue, size_t max, size_t droppable_max);

/* Copies BUF. 0, -ENOBUFS (nothing changed) or -ENOMEM. */
int websocket_queue_push(
    struct websocket_queue *queue, const void *buf, size_t len, bool droppable);

/* Takes the oldest out, the caller free()s it; NULL when empty. */
struct websocket_message *websocket_queue_take(struct websocket_queue *queue);

/* Frees everything, counts nothing; a zeroed queue is empty, too. */
void websocket_queue_clear(struct websocket_queue *queue);

#endif
