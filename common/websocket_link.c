/* SPDX-License-Identifier: MIT */
/*
 * websocket_link.c – libwebsockets 4.1 and 4.3 serviced from libevent.
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
#include "common/websocket_link.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <event2/event_struct.h>
#include <libwebsockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/websocket_refusal.h"

enum {
	/* Service passes that one edge is worth while connecting. */
	OPENING_PASSES = 3,
	OPENING_PASSES_MAX = 64,
	OPENING_TICK_MS = 50, /* net under the edges, see above */
	OPEN_PASSES_MAX = 256,
	CLOSE_ECHO_MS = 500,
	WRITE_OFFERS = 3,
	WRITE_BATCH = 32, /* messages written per offer */
	/*
	 * Bytes the kernel may hold unsent (TCP_NOTSENT_LOWAT): live audio
	 * must queue where it can still be dropped, not in the socket.
	 */
	UNSENT_MAX = 16384,
	SERVICE_BUFFER_SIZE = 4096,
	FDS_MAX = 8,
};

_Static_assert(
    (int)LWS_PRE <= (int)WEBSOCKET_QUEUE_HEADROOM, "room for the frame header");

struct websocket_link {
	struct websocket_link_config config;
	struct lws_protocols protocols[2]; /* ours, and the terminator */
	struct lws_context *context;
	struct lws *wsi; /* NULL once lws has freed it */
	int fd;
	short awaited;      /* POLLIN, POLLOUT, where lws tells us */
	struct event io;    /* the socket */
	struct event write; /* the socket, one shot, while output is stuck */
	struct event pump;  /* activated by hand, and the opening tick */

	int depth;     /* enter() without leave() */
	bool orphaned; /* freed while inside lws */
	bool ended;    /* lws has said good-bye to the wsi */
	bool connected;
	bool requested; /* the HTTP request has been written */
	bool answering; /* its answer is lws's to read */
	bool opened;

	bool want_ping;
	bool drain;     /* send the queue before the close frame */
	int close_code; /* nonzero: we are closing */
	bool close_begun;
	bool writeable_seen; /* lws reached its lowest write priority */

	struct websocket_refusal *refusal; /* being read by us, not lws */

	/* Where lws's buffer held our secret headers; wiped after use. */
	char *secret;
	size_t secret_len;

	uint64_t heard_ms;
	uint64_t peer_closed_ms; /* its close frame came; 0: not yet */
	struct websocket_link_end end;
};

static void drive_event(evutil_socket_t fd, short what, void *arg);

/* Copies foreign text, control characters as '?', cut to fit. */
static void
copy_printable(char *dst, size_t size, const void *src, size_t len)
{
	const unsigned char *s = src;
	size_t n = 0;

	for (size_t i = 0; i < len && n + 1 < size && s[i]; i++)
		dst[n++] = s[i] < 0x20 || s[i] == 0x7f ? '?' : (char)s[i];
	dst[n] = '\0';
}

static void
set_end(struct websocket_link *link, enum websocket_link_fate fate, int status,
    const char *text)
{
	link->end.fate = fate;
	link->end.status = status;
	copy_printable(
	    link->end.text, sizeof(link->end.text), text, strlen(text));
}

static void
set_unreachable(struct websocket_link *link, int err)
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
	set_end(link, LINK_UNREACHABLE, 0, text);
}

static void
wipe_secret(struct websocket_link *link)
{
	if (link->secret)
		explicit_bzero(link->secret, link->secret_len);
	link->secret = NULL;
}

/* Before lws closes the descriptor and its number is used again. */
static void
remove_events(struct websocket_link *link)
{
	if (link->fd >= 0) {
		event_del(&link->io);
		event_del(&link->write);
	}
	event_del(&link->pump);
	link->fd = -1;
}

/* ---- what lws tells us ------------------------------------------------- */

static int
on_request(struct websocket_link *link, char **cursor, size_t room)
{
	const struct websocket_link_config *config = &link->config;

	link->requested = true;
	if (config->headers_len == 0)
		return 0;
	if (config->headers_len > room) {
		set_end(link, LINK_FAILED, 0, "request headers are too long");
		return -1;
	}
	memcpy(*cursor, config->headers, config->headers_len);
	link->secret = *cursor;
	link->secret_len = config->headers_len;
	*cursor += config->headers_len;
	return 0;
}

/*
 * The answer's header is complete. Most refusals never get here, see
 * read_refusal(); one whose first bytes came alone does, without its body.
 */
static int
on_answer(struct websocket_link *link, struct lws *wsi)
{
	int status = (int)lws_http_client_http_response(wsi);
	char text[WEBSOCKET_LINK_TEXT_SIZE];

	wipe_secret(link);
	if (status == 101)
		return 0;
	snprintf(text, sizeof(text), "server answered %d", status);
	set_end(link, LINK_REJECTED, status, text);
	return -1;
}

/* The connection never opened; WHY is lws's own, rough explanation. */
static void
on_failure(struct websocket_link *link, const char *why, size_t len)
{
	const struct tls_peer *peer = link->config.peer;
	char text[WEBSOCKET_LINK_TEXT_SIZE];
	char reason[128];

	link->ended = true;
	wipe_secret(link);
	remove_events(link);
	if (link->end.text[0])
		return; /* known better already */
	copy_printable(reason, sizeof(reason), why, len);
	if (!link->connected) {
		set_unreachable(link, 0);
	} else if (link->config.ssl_ctx && !link->requested) {
		set_end(link, LINK_TLS, 0,
		    peer->error[0] ? peer->error
				   : "connection lost in the TLS handshake");
	} else if (strncmp(reason, "HS: ", 4) == 0) {
		snprintf(
		    text, sizeof(text), "bad upgrade answer: %s", reason + 4);
		set_end(link, LINK_REJECTED, 101, text);
	} else {
		set_end(link, LINK_REJECTED, 0,
		    "connection closed without a proper answer");
	}
}

static void
on_peer_close(
    struct websocket_link *link, const unsigned char *data, size_t len)
{
	int code = 1005; /* none given, RFC 6455 7.1.5 */
	char text[WEBSOCKET_LINK_TEXT_SIZE];

	if (len >= 2)
		code = data[0] << 8 | data[1];
	copy_printable(text, sizeof(text), len > 2 ? data + 2 : data,
	    len > 2 ? len - 2 : 0);
	set_end(link, LINK_CLOSED, code,
	    text[0] ? text : "closed by the peer without a reason");
	link->peer_closed_ms = clock_now_ms();
}

/* Gone without a close frame from the peer; the socket still exists. */
static void
on_gone(struct websocket_link *link, struct lws *wsi)
{
	SSL *ssl = link->config.ssl_ctx ? lws_get_ssl(wsi) : NULL;
	char byte;
	ssize_t n = recv(link->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	bool alive = n > 0 || (n < 0 && errno == EAGAIN);

	link->ended = true;
	remove_events(link);
	if (link->end.text[0])
		return;
	if (ssl && (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN))
		alive = false;
	set_end(link, LINK_CLOSED, 1006,
	    alive ? "the peer broke the WebSocket protocol"
		  : "connection dropped without a close frame");
}

static int
on_data(
    struct websocket_link *link, struct lws *wsi, const void *data, size_t len)
{
	const struct websocket_chunk chunk = {
	    .data = data,
	    .len = len,
	    .frame_left = lws_remaining_packet_payload(wsi),
	    .is_binary = lws_frame_is_binary(wsi),
	    .is_last = lws_is_final_fragment(wsi),
	};

	if (link->close_code)
		return 0;
	link->config.owner->on_chunk(&chunk, link->config.arg);
	return link->orphaned ? -1 : 0;
}

static int
write_message(struct lws *wsi, unsigned char *bytes, size_t len,
    enum lws_write_protocol kind)
{
	return lws_write(wsi, bytes, len, kind) < 0 ? -1 : 0;
}

/*
 * Never a second write while lws still holds part of the first: it would
 * queue without limit.
 */
static int
write_messages(struct websocket_link *link, struct lws *wsi)
{
	for (int i = 0; i < WRITE_BATCH && !lws_partial_buffered(wsi); i++) {
		struct websocket_message *message;
		int r;

		message = link->config.owner->next_message(link->config.arg);
		if (!message)
			return 0;
		r = write_message(wsi,
		    message->bytes + WEBSOCKET_QUEUE_HEADROOM, message->len,
		    LWS_WRITE_TEXT);
		free(message);
		if (r)
			return -1;
	}
	/* More may wait: the next pass of the loop, or a writable socket. */
	if (!lws_partial_buffered(wsi))
		event_active(&link->pump, EV_TIMEOUT, 0);
	return 1;
}

static int
on_writeable(struct websocket_link *link, struct lws *wsi)
{
	unsigned char ping[LWS_PRE + 1] = {0};
	int r = 0;

	link->writeable_seen = true;
	if (link->want_ping && !link->close_code) {
		link->want_ping = false;
		if (write_message(wsi, ping + LWS_PRE, 0, LWS_WRITE_PING))
			return -1;
	}
	if (!link->close_code || link->drain)
		r = write_messages(link, wsi);
	if (r != 0 || !link->close_code || link->close_begun)
		return r < 0 ? -1 : 0;
	link->close_begun = true;
	link->writeable_seen = false; /* the close frame wants an offer */
	lws_close_reason(wsi, (enum lws_close_status)link->close_code, NULL, 0);
	return -1; /* lws now begins the closing handshake */
}

static int
on_open(struct websocket_link *link)
{
	link->opened = true;
	link->heard_ms = clock_now_ms();
	wipe_secret(link);
	link->config.owner->on_open(link->config.arg);
	return link->orphaned ? -1 : 0;
}

/* The last word about a wsi; normally one of the above came before it. */
static void
on_destroyed(struct websocket_link *link)
{
	link->wsi = NULL;
	if (link->ended || link->fd < 0)
		return; /* fd < 0: inside websocket_link_open() */
	link->ended = true;
	remove_events(link);
	if (!link->end.text[0])
		set_end(link, LINK_FAILED, 0, "libwebsockets gave up");
}

static int
on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
    size_t len)
{
	struct websocket_link *link = lws_context_user(lws_get_context(wsi));

	(void)user;
	if (!link || link->orphaned)
		return reason == LWS_CALLBACK_CLIENT_WRITEABLE ||
			       reason == LWS_CALLBACK_CLIENT_RECEIVE
			   ? -1
			   : 0;
	switch ((int)reason) {
	case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
		return on_request(link, in, len);
	case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP:
		return on_answer(link, wsi);
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		on_failure(link, in ? in : "", in ? len : 0);
		return 0;
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		return on_open(link);
	case LWS_CALLBACK_CLIENT_RECEIVE:
		return on_data(link, wsi, in, len);
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		return on_writeable(link, wsi);
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		on_peer_close(link, in, len);
		return 0;
	case LWS_CALLBACK_CLIENT_CLOSED:
		on_gone(link, wsi);
		return 0;
	case LWS_CALLBACK_WSI_DESTROY:
		on_destroyed(link);
		return 0;
	case LWS_CALLBACK_CHANGE_MODE_POLL_FD:
		link->awaited = (short)((struct lws_pollargs *)in)->events;
		return 0;
	default:
		return 0;
	}
}

/* ---- driving lws from libevent ----------------------------------------- */

static void
destroy(struct websocket_link *link)
{
	link->orphaned = true; /* what lws says while dying is of no use */
	remove_events(link);
	wipe_secret(link);
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
		remove_events(link);
		wipe_secret(link);
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
		set_unreachable(link, err);
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
	set_end(link, LINK_REJECTED, answer->status, text);
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

/* ---- making a link ------------------------------------------------------ */

/* lws's last complaint: it has no other way to say why it made nothing. */
static char lws_error[WEBSOCKET_LINK_TEXT_SIZE];

/* lws logs to stderr by itself; what it says is for developers only. */
static void
on_lws_log(int level, const char *line)
{
	size_t len = strcspn(line, "\n");

	if (level == LLL_ERR)
		copy_printable(lws_error, sizeof(lws_error), line, len);
	log_debug("libwebsockets says text=\"%.*s\"", (int)len, line);
}

/*
 * DO_SSL_GLOBAL_INIT allocates process-wide OpenSSL indexes and moves lws's
 * own to the newest, so that a second context that asks for it breaks a
 * handshake of the first: only one may.
 */
static uint64_t
context_options(bool tls)
{
	static bool initialised;
	uint64_t options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
			   LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME |
			   LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS;

	if (tls && !initialised) {
		options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
		initialised = true;
	}
	return options;
}

static struct lws_vhost *
make_context(struct websocket_link *link)
{
	/* No validity pings of lws's: the owner counts silence itself. */
	static const lws_retry_bo_t retry = {0};
	const struct websocket_link_config *config = &link->config;
	struct lws_context_creation_info info = {
	    .port = CONTEXT_PORT_NO_LISTEN,
	    .options = context_options(config->ssl_ctx),
	    .protocols = link->protocols,
	    .user = link,
	    .fd_limit_per_thread = FDS_MAX,
	    .max_http_header_pool = 1,
	    .pt_serv_buf_size = SERVICE_BUFFER_SIZE,
	    .timeout_secs = config->timeout_s + 5,
	    .connect_timeout_secs = config->timeout_s + 5,
	    .http_proxy_address = "none:0", /* not $http_proxy's */
	    .retry_and_idle_policy = &retry,
	    .provided_client_ssl_ctx = config->ssl_ctx,
	};

	lws_set_log_level(LLL_ERR | LLL_WARN, on_lws_log);
	link->protocols[0] = (struct lws_protocols){
	    .name = "telefonista",
	    .callback = on_lws,
	    .rx_buffer_size = SERVICE_BUFFER_SIZE,
	    /* Messages up to this are written in one piece. */
	    .tx_packet_size = config->message_max,
	};
	link->context = lws_create_context(&info);
	if (!link->context)
		return NULL;
	if (config->ssl_ctx)
		info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
	return lws_create_vhost(link->context, &info);
}

static struct lws *
connect_wsi(struct websocket_link *link, struct lws_vhost *vhost)
{
	static const lws_retry_bo_t retry = {0};
	const struct websocket_link_config *config = &link->config;
	const struct lws_client_connect_info info = {
	    .context = link->context,
	    .vhost = vhost,
	    .address = config->address->ip,
	    .port = config->address->port,
	    .host = config->host_header,
	    .path = config->path,
	    .protocol = config->subprotocol,
	    .local_protocol_name = link->protocols[0].name,
	    .ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT |
			      (config->ssl_ctx ? LCCSCF_USE_SSL : 0),
	    .alpn = "http/1.1",
	    .ietf_version_or_minus_one = -1,
	    .retry_and_idle_policy = &retry,
	    .pwsi = &link->wsi,
	};

	errno = 0;
	return lws_client_connect_via_info(&info);
}

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
	struct lws_vhost *vhost;
	int r = -ENOMEM;

	*link_out = NULL;
	lws_error[0] = '\0';
	if (!link)
		goto fail;
	link->config = *config;
	link->end.body = "";
	link->fd = -1;
	event_assign(&link->pump, config->base, -1, 0, drive_event, link);
	vhost = make_context(link);
	if (!vhost)
		goto fail;
	link->wsi = connect_wsi(link, vhost);
	if (!link->wsi) {
		r = errno ? -errno : -EHOSTUNREACH;
		goto fail;
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
fail:
	snprintf(why, WEBSOCKET_LINK_TEXT_SIZE, "%s",
	    r == -ENOMEM && lws_error[0] ? lws_error : strerror(-r));
	if (link)
		destroy(link);
	return r;
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
