/* SPDX-License-Identifier: MIT */
/*
 * peer.c – a channel between two of our processes: datagrams of JSON.
 *
 * Invariant: on_closed runs at most once, always from the event loop, and
 * nothing runs after peer_free(). A handler may free the peer it was called
 * for: what remains to be freed then is freed when reading ends.
 */
#include "common/peer.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/proc.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	QUEUE_BYTES_MAX = 1024 * 1024,
	QUEUE_MESSAGES_MAX = 512,
	READS_PER_WAKE = 32,       /* so that one peer cannot starve the loop */
	SNDBUF_BYTES = 512 * 1024, /* 167 small messages fit by default */
};

struct queued {
	TAILQ_ENTRY(queued) entry;
	size_t nfds;
	int fds[MESSAGE_FDS_MAX];
	size_t len;
	char text[];
};

struct peer {
	struct peer_config config; /* fd is -1 once closed */
	struct event *read_event;
	struct event *write_event;
	struct event *close_event; /* reports why[], never from peer_send */
	TAILQ_HEAD(, queued) queue;
	size_t queued_bytes;
	size_t queued_count;
	struct log_ratelimit unknown_limit;
	bool closing; /* why[] is set, close_event is active */
	bool reading; /* a handler may be running */
	bool freed;   /* by that handler */
	char why[128];
	char build[64];
};

/* -- closing ------------------------------------------------------------ */

static void
peer_fail(struct peer *peer, const char *why)
{
	if (peer->closing)
		return;
	peer->closing = true;
	snprintf(peer->why, sizeof(peer->why), "%s", why);
	event_del(peer->read_event);
	event_del(peer->write_event);
	event_active(peer->close_event, 0, 0);
}

static void
on_close_event(evutil_socket_t fd, short what, void *arg)
{
	struct peer *peer = arg;

	(void)fd;
	(void)what;
	close(peer->config.fd);
	peer->config.fd = -1;
	peer->config.on_closed(peer, peer->why, peer->config.arg);
}

static void
queued_free(struct queued *queued)
{
	for (size_t i = 0; i < queued->nfds; i++)
		close(queued->fds[i]);
	free(queued);
}

void
peer_free(struct peer **peer_ptr)
{
	struct peer *peer = *peer_ptr;
	struct queued *queued;

	if (peer == NULL)
		return;
	*peer_ptr = NULL;
	while ((queued = TAILQ_FIRST(&peer->queue)) != NULL) {
		TAILQ_REMOVE(&peer->queue, queued, entry);
		queued_free(queued);
	}
	if (peer->read_event != NULL)
		event_free(peer->read_event);
	if (peer->write_event != NULL)
		event_free(peer->write_event);
	if (peer->close_event != NULL)
		event_free(peer->close_event);
	if (peer->config.fd >= 0)
		close(peer->config.fd);
	peer->freed = true;
	if (!peer->reading)
		free(peer);
}

/* -- reading ------------------------------------------------------------ */

/* What recvmsg() brought, checked for nothing yet. */
struct datagram {
	char text[MESSAGE_SIZE_MAX + 1];
	size_t len;
	int flags;
	size_t nfds;
	int fds[MESSAGE_FDS_MAX];
};

static void
datagram_close_fds(struct datagram *datagram)
{
	for (size_t i = 0; i < datagram->nfds; i++) {
		if (datagram->fds[i] >= 0)
			close(datagram->fds[i]);
	}
	datagram->nfds = 0;
}

static void
datagram_take_fds(struct datagram *datagram, struct msghdr *msg)
{
	datagram->nfds = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL;
	     c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		assert(datagram->nfds + n <= MESSAGE_FDS_MAX);
		memcpy(datagram->fds + datagram->nfds, CMSG_DATA(c),
		    n * sizeof(int));
		datagram->nfds += n;
	}
}

/*
 * 1: a datagram, 0: nothing there, -errno; -EPIPE at the end. A peer that
 * died with our messages unread gives ECONNRESET once, before what it still
 * said to us: that is passed over, the end follows.
 */
static int
datagram_receive(int fd, struct datagram *datagram)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * MESSAGE_FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec iov = {datagram->text, sizeof(datagram->text)};
	struct msghdr msg = {
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.buf,
	    /* Not the size of BUF: its padding has room for one more. */
	    .msg_controllen = CMSG_LEN(sizeof(int) * MESSAGE_FDS_MAX),
	};
	ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNRESET))
		return 0;
	if (n < 0)
		return -errno;
	datagram_take_fds(datagram, &msg);
	if (n == 0) {
		datagram_close_fds(datagram);
		return -EPIPE;
	}
	datagram->len = (size_t)n;
	datagram->flags = msg.msg_flags;
	return 1;
}

/*
 * Checks everything that the table says. *BODY_OUT is what could be parsed,
 * also when it is refused, or NULL.
 */
static enum message_fault
datagram_check(const struct peer *peer, const struct datagram *datagram,
    enum message_type *type_out, cJSON **body_out)
{
	cJSON *body;

	*body_out = NULL;
	if ((datagram->flags & MSG_TRUNC) != 0 ||
	    datagram->len > MESSAGE_SIZE_MAX)
		return MESSAGE_OVERSIZED;
	if ((datagram->flags & MSG_CTRUNC) != 0)
		return MESSAGE_DESCRIPTORS;
	body = *body_out = json_parse(datagram->text, datagram->len);
	if (!cJSON_IsObject(body) || json_string(body, "type")[0] == '\0')
		return MESSAGE_MALFORMED;
	if (message_find(json_string(body, "type"), type_out) < 0)
		return MESSAGE_UNKNOWN;
	if (!message_allowed(*type_out, peer->config.them, peer->config.us))
		return MESSAGE_MISDIRECTED;
	if (datagram->len > message_size_max(*type_out))
		return MESSAGE_OVERSIZED;
	if (datagram->nfds != message_fds(*type_out))
		return MESSAGE_DESCRIPTORS;
	return MESSAGE_OK;
}

/*
 * An upgrade in progress may know messages that we do not. The build is
 * unknown of a worker that said hello to our predecessor, and of a supervisor.
 */
static bool
fault_is_tolerable(struct peer *peer, enum message_fault fault)
{
	uint32_t suppressed;

	if (fault != MESSAGE_UNKNOWN ||
	    strcmp(peer->build, proc_build_id()) == 0)
		return false;
	if (log_allow(&peer->unknown_limit, &suppressed))
		log_info("unknown message ignored, peer may be of another "
			 "build build=%s suppressed=%u",
		    peer->build, suppressed);
	return true;
}

static void
peer_refuse(struct peer *peer, enum message_fault fault, const cJSON *body)
{
	const char *type = json_string(body, "type");
	char why[sizeof(peer->why)];

	snprintf(why, sizeof(why), "%s message%s%.40s",
	    message_fault_name(fault), type[0] != '\0' ? " " : "", type);
	peer_fail(peer, why);
}

static void
peer_handle(struct peer *peer, struct datagram *datagram)
{
	enum message_fault fault;
	enum message_type type;
	cJSON *body;

	fault = datagram_check(peer, datagram, &type, &body);
	if (fault == MESSAGE_OK) {
		if (type == MESSAGE_HELLO)
			snprintf(peer->build, sizeof(peer->build), "%s",
			    json_string(body, "build"));
		peer->config.on_message(
		    peer, type, body, datagram->fds, peer->config.arg);
	} else if (!fault_is_tolerable(peer, fault)) {
		peer_refuse(peer, fault, body);
	}
	cJSON_Delete(body);
}

/*
 * One datagram is handled at a time, as no handler runs the loop. On the
 * stack, whose pages are probed in advance, it would cost every process 64 kB;
 * here it costs what messages really use.
 */
static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	static struct datagram datagram;
	static bool in_use;
	struct peer *peer = arg;

	(void)what;
	assert(!in_use);
	in_use = true;
	peer->reading = true;
	for (int i = 0; i < READS_PER_WAKE; i++) {
		int got = datagram_receive(fd, &datagram);

		if (got == 0)
			break;
		if (got < 0) {
			peer_fail(peer, got == -EPIPE ? PEER_CLOSED_BY_OTHER
						      : strerror(-got));
			break;
		}
		peer_handle(peer, &datagram);
		datagram_close_fds(&datagram);
		if (peer->freed || peer->closing)
			break;
	}
	in_use = false;
	peer->reading = false;
	if (peer->freed)
		free(peer);
}

/* -- writing ------------------------------------------------------------ */

/* Returns 0, -EAGAIN when the socket is full, or another -errno. */
static int
send_datagram(int fd, const char *text, size_t len, const int *fds, size_t nfds)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * MESSAGE_FDS_MAX)];
		struct cmsghdr align;
	} control = {{0}};
	char *unconst = (char *)(uintptr_t)text;
	struct iovec iov = {unconst, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (nfds > 0) {
		struct cmsghdr *c = &control.align;

		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	if (sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	if (errno == ENOBUFS || errno == EINTR)
		return -EAGAIN;
	return -errno;
}

static int
peer_enqueue(struct peer *peer, const char *text, size_t len, const int *fds,
    size_t nfds)
{
	struct queued *queued;

	if (peer->queued_bytes + len > QUEUE_BYTES_MAX ||
	    peer->queued_count >= QUEUE_MESSAGES_MAX) {
		peer_fail(peer, "it does not read its messages");
		return -ENOBUFS;
	}
	queued = calloc(1, sizeof(*queued) + len);
	if (queued == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < nfds; i++) {
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);

		if (fd < 0) {
			int ret = -errno;

			queued_free(queued);
			return ret;
		}
		queued->fds[queued->nfds++] = fd;
	}
	memcpy(queued->text, text, len);
	queued->len = len;
	TAILQ_INSERT_TAIL(&peer->queue, queued, entry);
	peer->queued_bytes += len;
	peer->queued_count++;
	event_add(peer->write_event, NULL);
	return 0;
}

bool
peer_is_flushed(const struct peer *peer)
{
	return TAILQ_EMPTY(&peer->queue);
}

/* Writes what the socket takes; returns 0 when the queue is empty. */
static int
peer_write_queue(struct peer *peer)
{
	struct queued *queued;

	while ((queued = TAILQ_FIRST(&peer->queue)) != NULL) {
		int ret = send_datagram(peer->config.fd, queued->text,
		    queued->len, queued->fds, queued->nfds);

		if (ret < 0)
			return ret;
		TAILQ_REMOVE(&peer->queue, queued, entry);
		peer->queued_bytes -= queued->len;
		peer->queued_count--;
		queued_free(queued);
	}
	return 0;
}

/*
 * The other side is gone: reading will find its last words and then the end,
 * so only other errors close the peer here.
 */
static int
peer_sent(struct peer *peer, int ret)
{
	if (ret == -EPIPE || ret == -ECONNRESET)
		return -ENOTCONN;
	if (ret < 0)
		peer_fail(peer, strerror(-ret));
	return ret;
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct peer *peer = arg;
	int ret = peer_write_queue(peer);

	(void)fd;
	(void)what;
	if (ret == -EAGAIN)
		event_add(peer->write_event, NULL);
	else
		peer_sent(peer, ret);
}

static int
peer_send_text(struct peer *peer, const char *text, size_t len, const int *fds,
    size_t nfds)
{
	int ret;

	if (!TAILQ_EMPTY(&peer->queue))
		return peer_enqueue(peer, text, len, fds, nfds);
	ret = send_datagram(peer->config.fd, text, len, fds, nfds);
	if (ret == -EAGAIN)
		return peer_enqueue(peer, text, len, fds, nfds);
	return peer_sent(peer, ret);
}

int
peer_send_fds(struct peer *peer, enum message_type type, cJSON *body,
    const int *fds, size_t nfds)
{
	char *text = NULL;
	size_t len;
	int ret = -ENOMEM;

	assert(message_allowed(type, peer->config.us, peer->config.them));
	assert(nfds == message_fds(type));
	if (body == NULL)
		body = cJSON_CreateObject();
	if (peer->closing) {
		ret = -ENOTCONN;
		goto out;
	}
	json_add_string(body, "type", message_name(type));
	text = cJSON_PrintUnformatted(body);
	if (text == NULL)
		goto out;
	len = strlen(text);
	if (len > message_size_max(type)) {
		log_err("message is too large and was not sent message=%s "
			"bytes=%zu limit=%zu",
		    message_name(type), len, message_size_max(type));
		ret = -EMSGSIZE;
		goto out;
	}
	ret = peer_send_text(peer, text, len, fds, nfds);
out:
	cJSON_Delete(body);
	free(text);
	return ret;
}

int
peer_send(struct peer *peer, enum message_type type, cJSON *body)
{
	return peer_send_fds(peer, type, body, NULL, 0);
}

bool
peer_flush(struct peer *peer, int timeout_ms)
{
	uint64_t end_ms = clock_now_ms() + (uint64_t)timeout_ms;

	while (!peer->closing && peer_write_queue(peer) == -EAGAIN) {
		struct pollfd pfd = {.fd = peer->config.fd, .events = POLLOUT};
		uint64_t now_ms = clock_now_ms();

		if (now_ms >= end_ms ||
		    poll(&pfd, 1, (int)(end_ms - now_ms)) <= 0)
			break;
	}
	return TAILQ_EMPTY(&peer->queue);
}

int
peer_new(struct peer **peer_out, struct event_base *base,
    const struct peer_config *config)
{
	static const int sndbuf = SNDBUF_BYTES;
	struct peer *peer = calloc(1, sizeof(*peer));

	if (peer == NULL) {
		close(config->fd);
		return -ENOMEM;
	}
	TAILQ_INIT(&peer->queue);
	peer->config = *config;
	/* Best effort: a smaller buffer only means that our queue is used. */
	(void)setsockopt(
	    config->fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	peer->read_event = event_new(
	    base, config->fd, EV_READ | EV_PERSIST, on_readable, peer);
	peer->write_event =
	    event_new(base, config->fd, EV_WRITE, on_writable, peer);
	peer->close_event = event_new(base, -1, 0, on_close_event, peer);
	if (peer->read_event == NULL || peer->write_event == NULL ||
	    peer->close_event == NULL ||
	    event_add(peer->read_event, NULL) < 0) {
		peer_free(&peer);
		return -ENOMEM;
	}
	*peer_out = peer;
	return 0;
}
