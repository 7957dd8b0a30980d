/* SPDX-License-Identifier: MIT */
/*
 * websocket_lws.c – what libwebsockets (4.1 and 4.3) is given, and tells.
 *
 * Invariant: a callback notes how a link ended and never takes it down: lws is
 * still inside it.
 */
#include "common/websocket_link_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/ssl.h>

#include "common/clock.h"
#include "common/log.h"

enum {
	WRITE_BATCH = 32, /* messages written per offer */
	SERVICE_BUFFER_SIZE = 4096,
	FDS_MAX = 8,
};

_Static_assert(
    (int)LWS_PRE <= (int)WEBSOCKET_QUEUE_HEADROOM, "room for the frame header");

/* ---- what lws tells us ------------------------------------------------- */

static int
on_request(struct websocket_link *link, char **cursor, size_t room)
{
	const struct websocket_link_config *config = &link->config;

	link->requested = true;
	if (config->headers_len == 0)
		return 0;
	if (config->headers_len > room) {
		websocket_link_set_end(
		    link, LINK_FAILED, 0, "request headers are too long");
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

	websocket_link_wipe_secret(link);
	if (status == 101)
		return 0;
	snprintf(text, sizeof(text), "server answered %d", status);
	websocket_link_set_end(link, LINK_REJECTED, status, text);
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
	websocket_link_wipe_secret(link);
	websocket_link_remove_events(link);
	if (link->end.text[0])
		return; /* known better already */
	websocket_link_copy_printable(reason, sizeof(reason), why, len);
	if (!link->connected) {
		websocket_link_set_unreachable(link, 0);
	} else if (link->config.ssl_ctx && !link->requested) {
		websocket_link_set_end(link, LINK_TLS, 0,
		    peer->error[0] ? peer->error
				   : "connection lost in the TLS handshake");
	} else if (strncmp(reason, "HS: ", 4) == 0) {
		snprintf(
		    text, sizeof(text), "bad upgrade answer: %s", reason + 4);
		websocket_link_set_end(link, LINK_REJECTED, 101, text);
	} else {
		websocket_link_set_end(link, LINK_REJECTED, 0,
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
	websocket_link_copy_printable(text, sizeof(text),
	    len > 2 ? data + 2 : data, len > 2 ? len - 2 : 0);
	websocket_link_set_end(link, LINK_CLOSED, code,
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
	websocket_link_remove_events(link);
	if (link->end.text[0])
		return;
	if (ssl && (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN))
		alive = false;
	websocket_link_set_end(link, LINK_CLOSED, 1006,
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
	websocket_link_wipe_secret(link);
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
	websocket_link_remove_events(link);
	if (!link->end.text[0])
		websocket_link_set_end(
		    link, LINK_FAILED, 0, "libwebsockets gave up");
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

/* ---- what lws is given ---------------------------------------------------- */

/* lws's last complaint: it has no other way to say why it made nothing. */
static char lws_error[WEBSOCKET_LINK_TEXT_SIZE];

/* lws logs to stderr by itself; what it says is for developers only. */
static void
on_lws_log(int level, const char *line)
{
	size_t len = strcspn(line, "\n");

	if (level == LLL_ERR)
		websocket_link_copy_printable(
		    lws_error, sizeof(lws_error), line, len);
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

int
websocket_lws_connect(
    struct websocket_link *link, char why[WEBSOCKET_LINK_TEXT_SIZE])
{
	struct lws_vhost *vhost;
	int r = -ENOMEM;

	lws_error[0] = '\0';
	vhost = make_context(link);
	if (vhost) {
		link->wsi = connect_wsi(link, vhost);
		if (link->wsi)
			return 0;
		r = errno ? -errno : -EHOSTUNREACH;
	}
	snprintf(why, WEBSOCKET_LINK_TEXT_SIZE, "%s",
	    r == -ENOMEM && lws_error[0] ? lws_error : strerror(-r));
	return r;
}
