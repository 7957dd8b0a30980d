/* SPDX-License-Identifier: MIT */
/*
 * keeper_link.c – fixed structs and a descriptor over SOCK_SEQPACKET.
 *
 * A table of 200 calls has 1000 rows, an ordinary socket takes 167: what does
 * not fit waits in a queue of whoever sends.
 */
#include "supervisor/keeper_link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	char buf[CMSG_SPACE(sizeof(int))];
	struct cmsghdr header;
};

int
keeper_link_send(int socket, const struct keeper_message *message, int fd)
{
	union control control = {{0}};
	struct keeper_message copy = *message;
	struct iovec iov = {&copy, sizeof(copy)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	if (sendmsg(socket, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	/* Too much is on its way, in bytes or in descriptors: later. */
	if (errno == ENOBUFS || errno == ETOOMANYREFS || errno == EINTR)
		return -EAGAIN;
	return -errno;
}

/*
 * The one descriptor that may come along, or -1. The kernel pads the control
 * buffer, so two can arrive: -2 then, and both are closed.
 */
static int
take_descriptor(struct msghdr *msg)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(msg);
	int fds[2] = {-1, -1};
	size_t len;

	if (header == NULL || header->cmsg_level != SOL_SOCKET ||
	    header->cmsg_type != SCM_RIGHTS)
		return -1;
	len = header->cmsg_len - CMSG_LEN(0);
	memcpy(fds, CMSG_DATA(header), len < sizeof(fds) ? len : sizeof(fds));
	if (fds[1] < 0)
		return fds[0];
	close(fds[0]);
	close(fds[1]);
	return -2;
}

/* ECONNRESET: it died with our words unread; its own still follow. */
static ssize_t
receive(int socket, struct msghdr *msg)
{
	ssize_t n;

	do
		n = recvmsg(socket, msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	return n;
}

int
keeper_link_receive(int socket, struct keeper_message *message, int *fd_out)
{
	union control control;
	struct iovec iov = {message, sizeof(*message)};
	struct msghdr msg = {
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.buf,
	    .msg_controllen = sizeof(control.buf),
	};
	ssize_t n = receive(socket, &msg);
	int fd;

	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	fd = take_descriptor(&msg);
	/* Cut off and none there: we have no number left for it (EMFILE). */
	if (fd == -1)
		msg.msg_flags &= ~MSG_CTRUNC;
	if (n != (ssize_t)sizeof(*message) || fd < -1 ||
	    (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		if (fd >= 0)
			close(fd);
		return n == 0 ? -EPIPE : -EPROTO;
	}
	message->text[sizeof(message->text) - 1] = '\0';
	*fd_out = fd;
	return 1;
}

/* -- what the socket does not take at once ---------------------------------- */

struct keeper_link_item {
	STAILQ_ENTRY(keeper_link_item) entry;
	struct keeper_message message;
	int fd; /* ours, or -1 */
};

void
keeper_link_queue_init(struct keeper_link_queue *queue)
{
	STAILQ_INIT(&queue->items);
	queue->count = 0;
}

static void
remove_first(struct keeper_link_queue *queue)
{
	struct keeper_link_item *item = STAILQ_FIRST(&queue->items);

	STAILQ_REMOVE_HEAD(&queue->items, entry);
	queue->count--;
	if (item->fd >= 0)
		close(item->fd);
	free(item);
}

void
keeper_link_queue_clear(struct keeper_link_queue *queue)
{
	while (!STAILQ_EMPTY(&queue->items))
		remove_first(queue);
}

static int
enqueue(struct keeper_link_queue *queue, const struct keeper_message *message,
    int fd)
{
	struct keeper_link_item *item;

	if (queue->count >= KEEPER_LINK_QUEUE_MAX)
		return -ENOBUFS;
	item = calloc(1, sizeof(*item));
	if (item == NULL)
		return -ENOMEM;
	item->message = *message;
	item->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (fd >= 0 && item->fd < 0) {
		int ret = -errno;

		free(item);
		return ret;
	}
	STAILQ_INSERT_TAIL(&queue->items, item, entry);
	queue->count++;
	return 0;
}

int
keeper_link_post(struct keeper_link_queue *queue, int socket,
    const struct keeper_message *message, int fd)
{
	int ret = -EAGAIN;

	if (STAILQ_EMPTY(&queue->items))
		ret = keeper_link_send(socket, message, fd);
	return ret == -EAGAIN ? enqueue(queue, message, fd) : ret;
}

int
keeper_link_flush(struct keeper_link_queue *queue, int socket)
{
	struct keeper_link_item *item;

	while ((item = STAILQ_FIRST(&queue->items)) != NULL) {
		int ret = keeper_link_send(socket, &item->message, item->fd);

		if (ret < 0)
			return ret;
		remove_first(queue);
	}
	return 0;
}

void
keeper_link_enlarge(int socket)
{
	static const int bytes = 4 * 1024 * 1024;

	/* Best effort: otherwise more waits in the queue. */
	if (setsockopt(
		socket, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(
		    socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}
