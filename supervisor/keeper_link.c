/* SPDX-License-Identifier: MIT */
/* keeper_link.c – fixed structs and a descriptor over SOCK_SEQPACKET. */
#include "supervisor/keeper_link.h"

#include <errno.h>
#include <stdint.h>
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
	if (sendmsg(socket, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -errno;
	return 0;
}

static int
take_descriptor(struct msghdr *msg)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(msg);
	int fd = -1;

	if (header != NULL && header->cmsg_level == SOL_SOCKET &&
	    header->cmsg_type == SCM_RIGHTS &&
	    header->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
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
	ssize_t n = recvmsg(socket, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd;

	/* ECONNRESET: it died with our words unread; its own still follow. */
	if (n < 0)
		return errno == EAGAIN || errno == EINTR || errno == ECONNRESET
			   ? 0
			   : -errno;
	fd = take_descriptor(&msg);
	if (n != (ssize_t)sizeof(*message) ||
	    (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		if (fd >= 0)
			close(fd);
		return n == 0 ? -EPIPE : -EPROTO;
	}
	message->text[sizeof(message->text) - 1] = '\0';
	*fd_out = fd;
	return 1;
}

void
keeper_link_enlarge(int socket)
{
	static const int bytes = 4 * 1024 * 1024;

	/* A table of 200 calls has 1000 rows; ignored: the limit is lower. */
	if (setsockopt(
		socket, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(
		    socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}
