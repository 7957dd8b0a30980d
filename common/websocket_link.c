/* SPDX-License-Identifier: MIT */
/*
 * websocket_link.c – one connection's life, serviced from libevent.
 *
 * Every link has an lws context of its own: links cannot re-enter each other,
 * and dropping one means destroying its context. lws keeps its wish to write
 * to itself, so the rule is: while connecting, edges of the socket cause a
 * few non-blocking service passes; once open, data in is serviced as it
 * comes, and after it (and whenever there is something to send) the link
 * offers "you may write" until lws has nothing left. Without those offers a
 * ping that arrived together with the 101 answer would wait for the next tick.
 *
 * Invariant: lws is entered only between enter() and leave(); leave() is
 * where a link that ended or was freed meanwhile is taken down.
 */
#include "common/websocket_link_impl.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "common/clock.h"
#include "common/websocket_refusal.h"

enum {
	/* Service passes that one edge is worth while connecting. */
	OPENING_PASSES = 3,
	OPENING_PASSES_MAX = 64,
	OPENING_TICK_MS = 50, /* net under the edges, see above */
	OPEN_PASSES_MAX = 256,
	CLOSE_ECHO_MS = 500,
	WRITE_OFFERS = 3,
	/*
	 * Bytes the kernel may hold unsent (TCP_NOTSENT_LOWAT): live audio
	 * must queue where it can still be dropped, not in the socket.
	 */
	UNSENT_MAX = 16384,
};

static void drive_event(evutil_socket_t fd, short what, void *arg);

void
websocket_link_copy_printable(
    char *dst, size_t size, const void *src, size_t len)
{
	const unsigned char *s = src;
	size_t n = 0;

	for (size_t i = 0; i < len && n + 1 < size && s[i]; i++)
		dst[n++] = s[i] < 0x20 || s[i] == 0x7f ? '?' : (char)s[i];
	dst[n] = '\0';
}

void
websocket_link_set_end(struct websocket_link *link,
    enum websocket_link_fate fate, int status, const char *text)
{
	link->end.fate = fate;
	link->end.status = status;
	websocket_link_copy_printable(
	    link->end.text, sizeof(link->end.text), text, strlen(text));
}

void
websocket_link_set_unreachable(struct websocket_link *link, int err)
{
	char where[64];
	char text[WEBSOCKET_LINK_TEXT_SIZE];

	net_address_format(link->config.address, where, sizeof(where));
	switch (err) {
	case ECONNREFUSED:
		snprintf(
		    text, sizeof(text), "%s refused the connection", where);
		break;
	case ETIMEDOUT:
		snprintf(text, sizeof(text), "no answer from %s", where);
		break;
	case ENETUNREACH:
	case EHOSTUNREACH:
		snprintf(text, sizeof(text), "no route to %s", where);
		break;
	default:
		snprintf(text, sizeof(text), "cannot connect to %s: %s", where,
		    err ? strerror(err) : "unknown reason");
	}
	websocket_link_set_end(link, LINK_UNREACHABLE, 0, text);
}

void
websocket_link_wipe_secret(struct websocket_link *link)
{
	if (link->secret)
		explicit_bzero(link->secret, link->secret_len);
	link->secret = NULL;
}

void
websocket_link_remove_events(struct websocket_link *link)
{
	if (link->fd >= 0) {
		event_del(&link->io);
		event_del(&link->write);
	}
	event_del(&link->pump);
	link->fd = -1;
}

/* ---- driving lws from libevent ----------------------------------------- */

static void
destroy(struct websocket_link *link)
{
	link->orphaned = true; /* what lws says while dying is of no use */
	websocket_link_remove_events(link);
	websocket_link_wipe_secret(link);
	if (link->context)
		lws_context_destroy(link->context);
	free(link->refusal);
	free(link);
}

static void
enter(struct websocket_link *link)
{
	link->depth++;
}

/* The link may be gone after this. */
static void
leave(struct websocket_link *link)
{
	assert(link->depth > 0);
	if (link->depth == 1 && link->ended && !link->orphaned) {
		websocket_link_remove_events(link);
		websocket_link_wipe_secret(link);
		lws_context_destroy(link->context);
		link->context = NULL;
		link->config.owner->on_end(&link->end, link->config.arg);
	}
	if (--link->depth == 0 && link->orphaned)
		destroy(link);
}

static bool
is_over(const struct websocket_link *link)
{
	return link->ended || link->orphaned;
}

static int
service_fd(struct websocket_link *link, short revents)
{
	struct lws_pollfd pfd = {
	    .fd = link->fd,
	    .events = (short)(POLLIN | POLLOUT),
	    .revents = revents,
	};

	return lws_service_fd(link->context, &pfd);
}

/* lws holds input that the socket will not announce again. */
static bool
has_pending_input(struct websocket_link *link)
{
	return lws_service_adjust_timeout(link->context, 1, 0) == 0;
}

/*
 * One non-blocking pass of lws. That of 4.3 would also read its netlink
 * socket, and close a connection that the routes it has read there, as it
 * understands them, do not carry (a default route without a gateway is none
 * to it). Debian 13 builds lws so that it tells what it waits for: there the
 * pass goes over our socket alone. The timers of lws then never fire; every
 * one that matters is the owner's.
 */
static void
service_pass(struct websocket_link *link)
{
#ifdef LWS_WITH_EXTERNAL_POLL
	struct pollfd pfd = {.fd = link->fd, .events = link->awaited};

	if (poll(&pfd, 1, 0) < 0)
		return;
	if (has_pending_input(link))
		pfd.revents |= POLLIN;
	if (pfd.revents)
		service_fd(link, pfd.revents);
#else
	lws_service(link->context, -1);
#endif
}

static void
offer_write(struct websocket_link *link)
{
	link->writeable_seen = false;
	for (int i = 0; i < WRITE_OFFERS && !is_over(link); i++) {
		lws_callback_on_writable(link->wsi);
		service_fd(link, POLLOUT);
		if (link->writeable_seen)
			break;
	}
	if (!is_over(link) && lws_partial_buffered(link->wsi))
		event_add(&link->write, NULL);
}

/* The peer has closed; our echo of its frame gets this long to leave. */
static void
bound_peer_close(struct websocket_link *link)
{
	const struct timeval wait = {.tv_usec = CLOSE_ECHO_MS * 1000};

	if (clock_now_ms() - link->peer_closed_ms >= CLOSE_ECHO_MS)
		link->ended = true;
	else
		event_add(&link->pump, &wait);
}

static void
drive_open(struct websocket_link *link, bool readable)
{
	if (readable && !is_over(link))
		service_fd(link, POLLIN);
	for (int i = 0; i < OPEN_PASSES_MAX && !is_over(link); i++) {
		if (!has_pending_input(link))
			break;
		service_pass(link);
	}
	if (!is_over(link))
		offer_write(link);
	if (!is_over(link) && link->peer_closed_ms)
		bound_peer_close(link);
}

/*
 * The outcome of connect(2), asked for before lws does, because lws throws
 * the reason away. Returns whether to go on.
 */
static bool
check_connected(struct websocket_link *link)
{
	struct sockaddr_storage peer;
	socklen_t peer_len = sizeof(peer);
	int err = 0;
	socklen_t len = sizeof(err);

	if (link->connected)
		return true;
	if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
		err = errno;
	if (err) {
		websocket_link_set_unreachable(link, err);
		link->ended = true;
		return false;
	}
	link->connected =
	    getpeername(link->fd, (struct sockaddr *)&peer, &peer_len) == 0;
	return link->connected;
}

static bool
is_readable(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	return poll(&pfd, 1, 0) > 0 && (pfd.revents & POLLIN);
}

/* ---- while connecting ----------------------------------------------------- */

static void
end_refused(struct websocket_link *link)
{
	const struct websocket_answer *answer = &link->refusal->answer;
	char text[WEBSOCKET_LINK_TEXT_SIZE];

	snprintf(text, sizeof(text), "server answered %s", answer->line);
	websocket_link_set_end(link, LINK_REJECTED, answer->status, text);
	link->end.body = answer->body;
	link->end.body_len = answer->body_len;
	link->end.retry_ms = answer->retry_ms;
	link->ended = true;
}

/* The rest of it is waited for, but not long. */
static void
read_refusal(struct websocket_link *link)
{
	const struct timeval tick = {.tv_usec = OPENING_TICK_MS * 1000};

	if (websocket_refusal_read(link->refusal))
		end_refused(link);
	else
		event_add(&link->pump, &tick);
}

/*
 * The request is out: look at the first bytes of the answer before lws reads
 * them. A refusal is taken from lws; anything else is handed to it.
 */
static void
look_at_answer(struct websocket_link *link)
{
	SSL *ssl = link->config.ssl_ctx ? lws_get_ssl(link->wsi) : NULL;
	enum websocket_look look = websocket_refusal_look(link->fd, ssl);

	if (look == LOOK_WAIT)
		return;
	if (look == LOOK_REFUSAL) {
		link->refusal = websocket_refusal_new(link->fd, ssl);
		if (link->refusal) {
			read_refusal(link);
			return;
		}
	}
	link->answering = true;
	service_fd(link, POLLIN);
}

static void
watch_open(struct websocket_link *link)
{
	struct event_base *base = link->config.base;

	event_del(&link->io);
	event_assign(
	    &link->io, base, link->fd, EV_READ | EV_PERSIST, drive_event, link);
	event_add(&link->io, NULL);
}

/* One edge of the socket, as lws sees it. */
static void
pass_opening(struct websocket_link *link)
{
	bool was_requested = link->requested;

	for (int i = 0; i < OPENING_PASSES_MAX; i++) {
		if (i >= OPENING_PASSES && !has_pending_input(link) &&
		    !is_readable(link->fd))
			return;
		service_pass(link);
		if (is_over(link) || link->opened)
			return;
		if (link->requested != was_requested)
			return; /* from here on the answer is looked at first */
	}
}

static void
drive_opening(struct websocket_link *link)
{
	const struct timeval tick = {.tv_usec = OPENING_TICK_MS * 1000};

	if (!check_connected(link)) {
		if (!link->ended)
			event_add(&link->pump, &tick);
		return;
	}
	if (link->refusal)
		read_refusal(link);
	else if (link->requested && !link->answering)
		look_at_answer(link);
	else
		pass_opening(link);
	if (!is_over(link) && !link->refusal && !link->opened)
		event_add(&link->pump, &tick);
	if (!is_over(link) && link->opened) {
		watch_open(link);
		drive_open(link, true);
	}
}

/* Everything comes through here: socket, write one-shot, pump. */
static void
drive_event(evutil_socket_t fd, short what, void *arg)
{
	struct websocket_link *link = arg;

	(void)fd;
	if (what & EV_READ)
		link->heard_ms = clock_now_ms();
	enter(link);
	if (link->opened)
		drive_open(link, what & EV_READ);
	else
		drive_opening(link);
	leave(link);
}

/* ---- the owner's side ----------------------------------------------------- */

static void
set_socket_options(struct websocket_link *link)
{
	int one = 1;
	int unsent = UNSENT_MAX;
	unsigned int timeout = link->config.user_timeout_ms;

	/* All of them only improve matters, so failures do not count. */
	setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(
	    link->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
	if (timeout)
		setsockopt(link->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout,
		    sizeof(timeout));
}

int
websocket_link_open(struct websocket_link **link_out,
    const struct websocket_link_config *config,
    char why[WEBSOCKET_LINK_TEXT_SIZE])
{
	const struct timeval tick = {.tv_usec = OPENING_TICK_MS * 1000};
	struct websocket_link *link = calloc(1, sizeof(*link));
	int r;

	*link_out = NULL;
	if (!link) {
		snprintf(why, WEBSOCKET_LINK_TEXT_SIZE, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	link->config = *config;
	link->end.body = "";
	link->fd = -1;
	event_assign(&link->pump, config->base, -1, 0, drive_event, link);
	r = websocket_lws_connect(link, why);
	if (r) {
		destroy(link);
		return r;
	}
	link->fd = lws_get_socket_fd(link->wsi);
	set_socket_options(link);
	event_assign(&link->io, config->base, link->fd,
	    EV_READ | EV_WRITE | EV_ET | EV_PERSIST, drive_event, link);
	event_assign(
	    &link->write, config->base, link->fd, EV_WRITE, drive_event, link);
	event_add(&link->io, NULL);
	event_add(&link->pump, &tick);
	*link_out = link;
	return 0;
}

void
websocket_link_free(struct websocket_link **linkp)
{
	struct websocket_link *link = *linkp;

	*linkp = NULL;
	if (!link)
		return;
	if (link->depth > 0)
		link->orphaned = true; /* leave() destroys it */
	else
		destroy(link);
}

void
websocket_link_wake(struct websocket_link *link)
{
	if (link->opened && link->fd >= 0)
		event_active(&link->pump, EV_TIMEOUT, 0);
}

void
websocket_link_ping(struct websocket_link *link)
{
	link->want_ping = true;
	websocket_link_wake(link);
}

void
websocket_link_close(struct websocket_link *link, int code, bool drain)
{
	assert(code >= 1000 && code < 5000);
	if (link->close_code)
		return;
	link->close_code = code;
	link->drain = drain;
	websocket_link_wake(link);
}

uint64_t
websocket_link_heard_ms(const struct websocket_link *link)
{
	return link->heard_ms;
}
