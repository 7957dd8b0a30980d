/* SPDX-License-Identifier: MIT */
/*
 * keeper_link.h – carries struct keeper_message and at most one descriptor
 * over a SOCK_SEQPACKET socket. Used by both sides; libc only.
 */
#ifndef SUPERVISOR_KEEPER_LINK_H
#define SUPERVISOR_KEEPER_LINK_H

#include "supervisor/keeper_protocol.h"

#include <stddef.h>
#include <sys/queue.h>

struct keeper_link_item;

/* Messages that the socket did not take yet, in order. */
struct keeper_link_queue {
	STAILQ_HEAD(, keeper_link_item) items;
	size_t count;
};

enum {
	/* Rows of the largest table, and then some. */
	KEEPER_LINK_QUEUE_MAX = KEEPER_CHILDREN_MAX * (KEEPER_HELD_COUNT + 1),
};

void keeper_link_queue_init(struct keeper_link_queue *queue);
/* Forgets what waits. */
void keeper_link_queue_clear(struct keeper_link_queue *queue);

/*
 * Sends MESSAGE after what already waits, or lets it wait; FD (-1 for none)
 * is duplicated if it must. Returns 0, -EPIPE or -ECONNRESET when the other
 * side is gone, -ENOBUFS when the queue is full, or another -errno.
 */
int keeper_link_post(struct keeper_link_queue *queue, int socket,
    const struct keeper_message *message, int fd);

/* Sends what waits. Returns 0 when nothing does, -EAGAIN, or as above. */
int keeper_link_flush(struct keeper_link_queue *queue, int socket);

/*
 * Sends without blocking; FD -1 for none, else the caller keeps it.
 * Returns 0 or -errno (-EAGAIN: the other side does not read).
 */
int keeper_link_send(int socket, const struct keeper_message *message, int fd);

/*
 * Receives without blocking. Returns 1 (*fd_out is a descriptor that the
 * caller closes, or -1), 0 when there is nothing, -EPIPE at the end,
 * -EPROTO for a datagram of another size or with more than one descriptor,
 * or another -errno.
 */
int keeper_link_receive(
    int socket, struct keeper_message *message, int *fd_out);

/* Makes room for a table of thousands of rows; best effort. */
void keeper_link_enlarge(int socket);

#endif
