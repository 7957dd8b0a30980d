/* SPDX-License-Identifier: MIT */
/*
 * websocket.c – one WebSocket's life: addresses tried, messages joined and
 * queued, silence noticed, closed with one reason.
 *
 * The bytes are websocket_link.c's business. Here one timer serves all
 * deadlines of the state it is in. Invariant: there is a link in CONNECTING
 * (but between two addresses), OPEN and CLOSING, and in no other state.
 */
#include "common/websocket.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/tls.h"
#include "common/websocket_link.h"
#include "common/websocket_settings.h"

enum {
	RECEIVE_KEEP = 16384, /* a larger buffer is given back */
	LATE_MS = 1000, /* a timer so late: we stood still, not the peer */
};

enum websocket_state {
	WEBSOCKET_STATE_CONNECTING,
	WEBSOCKET_STATE_OPEN,
	WEBSOCKET_STATE_CLOSING, /* our close frame, or what precedes it */
	WEBSOCKET_STATE_CLOSED,
};

struct websocket {
	struct event_base *base;
	struct websocket_callbacks callbacks;
	void *arg;

	struct websocket_settings settings;
	SSL_CTX *ssl_ctx;
	struct tls_peer peer;

	enum websocket_state state;
	enum websocket_reason closing_reason; /* in CLOSING, and its words */
	const char *closing_text;
	struct websocket_link *link;
	size_t next_address;
	struct event timer;
	uint64_t begun_ms;   /* websocket_open() */
	uint64_t attempt_ms; /* this address */
	uint64_t opened_ms;
	uint64_t closing_ms;
	uint64_t ping_ms;     /* our last ping; unanswered if heard before it */
	uint64_t due_ms;      /* when the timer should fire */
	uint64_t forgiven_ms; /* silence before it is our own fault */

	struct websocket_queue queue;
	unsigned long long sent;
	unsigned long long received;

	char *message; /* being joined; message_size bytes allocated */
	size_t message_len;
	size_t message_size;
};

static const char *const state_names[] = {
    [WEBSOCKET_STATE_CONNECTING] = "connecting",
    [WEBSOCKET_STATE_OPEN] = "open",
    [WEBSOCKET_STATE_CLOSING] = "closing",
    [WEBSOCKET_STATE_CLOSED] = "closed",
};

static const bool legal_moves[4][4] = {
    [WEBSOCKET_STATE_CONNECTING] =
	{
	    [WEBSOCKET_STATE_OPEN] = true,
	    [WEBSOCKET_STATE_CLOSING] = true,
	    [WEBSOCKET_STATE_CLOSED] = true,
	},
    [WEBSOCKET_STATE_OPEN] =
	{
	    [WEBSOCKET_STATE_CLOSING] = true,
	    [WEBSOCKET_STATE_CLOSED] = true,
	},
    [WEBSOCKET_STATE_CLOSING] = {[WEBSOCKET_STATE_CLOSED] = true},
};

static const char *const reason_names[] = {
    [WEBSOCKET_REFUSED] = "refused",
    [WEBSOCKET_TLS] = "tls",
    [WEBSOCKET_HANDSHAKE] = "handshake",
    [WEBSOCKET_TIMEOUT] = "timeout",
    [WEBSOCKET_PEER] = "peer",
    [WEBSOCKET_DEAD] = "dead",
    [WEBSOCKET_OVERSIZE] = "oversize",
    [WEBSOCKET_LOCAL] = "local",
    [WEBSOCKET_INTERNAL] = "internal",
};

static void try_next_address(struct websocket *ws);

const char *
websocket_reason_name(enum websocket_reason reason)
{
	assert((size_t)reason < sizeof(reason_names) / sizeof(*reason_names));
	return reason_names[reason];
}

static void
set_state(struct websocket *ws, enum websocket_state state, const char *why)
{
	assert(legal_moves[ws->state][state]);
	log_debug("websocket %s -> %s socket=%s why=\"%s\"",
	    state_names[ws->state], state_names[state], ws->settings.name, why);
	ws->state = state;
}

static void
arm(struct websocket *ws, uint64_t ms)
{
	const struct timeval wait = {
	    .tv_sec = (time_t)(ms / 1000),
	    .tv_usec = (suseconds_t)(ms % 1000 * 1000),
	};

	ws->due_ms = clock_now_ms() + ms;
	event_add(&ws->timer, &wait);
}

/* Ends the connection and tells the owner; WS may be gone afterwards. */
static void
finish(struct websocket *ws, const struct websocket_closed *closed)
{
	event_del(&ws->timer);
	websocket_link_free(&ws->link);
	websocket_settings_wipe(&ws->settings);
	websocket_queue_clear(&ws->queue);
	set_state(ws, WEBSOCKET_STATE_CLOSED, closed->text);
	if (ws->callbacks.on_close)
		ws->callbacks.on_close(ws, closed, ws->arg);
}

static void
finish_plain(
    struct websocket *ws, enum websocket_reason reason, const char *text)
{
	const struct websocket_closed closed = {
	    .reason = reason,
	    .text = text,
	    .body = "",
	};

	finish(ws, &closed);
}

/* ---- connecting --------------------------------------------------------- */

static void
fail_unopened(struct websocket *ws, const struct websocket_link_end *end)
{
	struct websocket_closed closed = {
	    .status = end->status,
	    .text = end->text,
	    .body = end->body,
	    .body_len = end->body_len,
	    .retry_ms = end->retry_ms,
	};

	switch (end->fate) {
	case LINK_UNREACHABLE:
		closed.reason = WEBSOCKET_REFUSED;
		break;
	case LINK_TLS:
		closed.reason = WEBSOCKET_TLS;
		break;
	case LINK_REJECTED:
		closed.reason = WEBSOCKET_HANDSHAKE;
		break;
	case LINK_CLOSED:
	case LINK_FAILED:
		closed.reason = WEBSOCKET_INTERNAL;
		break;
	}
	finish(ws, &closed);
}

static bool
has_next_address(const struct websocket *ws)
{
	return ws->next_address < ws->settings.address_count;
}

/* The address that is being tried gives no sign of life. */
static void
give_up_address(struct websocket *ws)
{
	char where[64];

	net_address_format(&ws->settings.addresses[ws->next_address - 1], where,
	    sizeof(where));
	log_info("no answer, trying the next address socket=%s address=%s",
	    ws->settings.name, where);
	websocket_link_free(&ws->link);
	try_next_address(ws);
}

static void
time_out(struct websocket *ws)
{
	char text[128];
	char where[64];

	net_address_format(&ws->settings.addresses[ws->next_address - 1], where,
	    sizeof(where));
	snprintf(text, sizeof(text), "not connected to %s within %u ms", where,
	    ws->settings.handshake_timeout_ms);
	finish_plain(ws, WEBSOCKET_TIMEOUT, text);
}

static void
arm_connecting(struct websocket *ws)
{
	uint64_t now = clock_now_ms();
	uint64_t due = ws->begun_ms + ws->settings.handshake_timeout_ms;
	uint64_t next = ws->attempt_ms + WEBSOCKET_ADDRESS_TRY_MS;

	if (has_next_address(ws) && next < due &&
	    websocket_link_heard_ms(ws->link) == 0)
		due = next;
	arm(ws, due > now ? due - now : 0);
}

static void
on_connecting_timer(struct websocket *ws)
{
	uint64_t now = clock_now_ms();

	if (!ws->link) {
		try_next_address(ws); /* the first, or one after a failure */
		return;
	}
	if (now - ws->begun_ms >= ws->settings.handshake_timeout_ms) {
		time_out(ws);
		return;
	}
	if (has_next_address(ws) && websocket_link_heard_ms(ws->link) == 0 &&
	    now - ws->attempt_ms >= WEBSOCKET_ADDRESS_TRY_MS) {
		give_up_address(ws);
		return;
	}
	arm_connecting(ws);
}

/* ---- what the link tells us --------------------------------------------- */

/* Since when the peer is silent, as far as we can tell. */
static uint64_t
quiet_since(const struct websocket *ws)
{
	uint64_t heard = websocket_link_heard_ms(ws->link);

	return heard > ws->forgiven_ms ? heard : ws->forgiven_ms;
}

/* Until the silence is next to be looked at, in OPEN. */
static void
arm_silence(struct websocket *ws)
{
	uint64_t heard = quiet_since(ws);
	uint64_t now = clock_now_ms();
	uint64_t due = heard + ws->settings.ping_interval_ms;

	if (heard < ws->ping_ms) {
		due = heard + ws->settings.dead_peer_ms;
		if (due > ws->ping_ms + ws->settings.ping_interval_ms)
			due = ws->ping_ms + ws->settings.ping_interval_ms;
	}
	arm(ws, due > now ? due - now : 0);
}

static void
on_link_open(void *arg)
{
	struct websocket *ws = arg;

	websocket_settings_wipe(&ws->settings);
	if (ws->state != WEBSOCKET_STATE_CONNECTING)
		return; /* closed in the last moment */
	ws->opened_ms = clock_now_ms();
	set_state(ws, WEBSOCKET_STATE_OPEN, "upgraded");
	arm_silence(ws);
	if (ws->callbacks.on_open)
		ws->callbacks.on_open(ws, ws->arg);
}

static void
on_link_end(const struct websocket_link_end *end, void *arg)
{
	struct websocket *ws = arg;
	struct websocket_closed closed = {
	    .status = end->status,
	    .text = end->text,
	    .body = "",
	};

	websocket_link_free(&ws->link);
	switch (ws->state) {
	case WEBSOCKET_STATE_CONNECTING:
		if (end->fate == LINK_UNREACHABLE && has_next_address(ws)) {
			log_info("trying the next address socket=%s why=\"%s\"",
			    ws->settings.name, end->text);
			arm(ws, 0);
			return;
		}
		fail_unopened(ws, end);
		break;
	case WEBSOCKET_STATE_OPEN:
		closed.reason = end->fate == LINK_CLOSED ? WEBSOCKET_PEER
							 : WEBSOCKET_INTERNAL;
		finish(ws, &closed);
		break;
	case WEBSOCKET_STATE_CLOSING:
		finish_plain(ws, ws->closing_reason, ws->closing_text);
		break;
	case WEBSOCKET_STATE_CLOSED:
		assert(!"a link in CLOSED");
	}
}

static struct websocket_message *
on_link_next(void *arg)
{
	struct websocket *ws = arg;
	struct websocket_message *message = websocket_queue_take(&ws->queue);

	if (message)
		ws->sent++;
	return message;
}

static void
begin_closing(struct websocket *ws, enum websocket_reason reason, int code,
    bool drain, const char *why)
{
	ws->closing_reason = reason;
	ws->closing_text = why;
	ws->closing_ms = clock_now_ms();
	set_state(ws, WEBSOCKET_STATE_CLOSING, why);
	if (ws->link)
		websocket_link_close(ws->link, code, drain);
	arm(ws, WEBSOCKET_CLOSE_WAIT_MS);
}

/* Room for LEN bytes and a NUL. */
static int
grow_message(struct websocket *ws, size_t len)
{
	size_t size = ws->message_size ? ws->message_size : 1024;
	char *grown;

	if (len < ws->message_size)
		return 0;
	while (size <= len)
		size *= 2;
	if (size > ws->settings.message_max + 1)
		size = ws->settings.message_max + 1;
	grown = realloc(ws->message, size);
	if (!grown)
		return -ENOMEM;
	ws->message = grown;
	ws->message_size = size;
	return 0;
}

static void
deliver(struct websocket *ws, bool is_binary)
{
	size_t len = ws->message_len;

	ws->message[len] = '\0';
	ws->message_len = 0;
	ws->received++;
	if (ws->callbacks.on_message)
		ws->callbacks.on_message(
		    ws, ws->message, len, is_binary, ws->arg);
}

/*
 * A large buffer is given back with the next message, not after its own:
 * then the callback may have freed us.
 */
static void
shrink_message(struct websocket *ws)
{
	if (ws->message_len == 0 && ws->message_size > RECEIVE_KEEP) {
		free(ws->message);
		ws->message = NULL;
		ws->message_size = 0;
	}
}

static void
on_link_chunk(const struct websocket_chunk *chunk, void *arg)
{
	struct websocket *ws = arg;
	size_t room = ws->settings.message_max - ws->message_len;

	if (ws->state != WEBSOCKET_STATE_OPEN)
		return;
	if (chunk->len > room || chunk->frame_left > room - chunk->len) {
		log_warn("message too long socket=%s limit=%zu",
		    ws->settings.name, ws->settings.message_max);
		begin_closing(
		    ws, WEBSOCKET_OVERSIZE, 1009, false, "message too long");
		return;
	}
	shrink_message(ws);
	if (grow_message(ws, ws->message_len + chunk->len)) {
		begin_closing(ws, WEBSOCKET_INTERNAL, 1011, false, "no memory");
		return;
	}
	if (chunk->len > 0)
		memcpy(ws->message + ws->message_len, chunk->data, chunk->len);
	ws->message_len += chunk->len;
	if (chunk->is_last)
		deliver(ws, chunk->is_binary);
}

static const struct websocket_link_owner link_owner = {
    .on_open = on_link_open,
    .on_chunk = on_link_chunk,
    .next_message = on_link_next,
    .on_end = on_link_end,
};

static void
try_next_address(struct websocket *ws)
{
	struct websocket_link_config config = {
	    .base = ws->base,
	    .host_header = ws->settings.host_header,
	    .path = ws->settings.path,
	    .subprotocol = ws->settings.subprotocol,
	    .headers = ws->settings.headers,
	    .headers_len = ws->settings.headers_len,
	    .ssl_ctx = ws->ssl_ctx,
	    .peer = &ws->peer,
	    .message_max = ws->queue.max,
	    .timeout_s = ws->settings.handshake_timeout_ms / 1000 + 1,
	    .user_timeout_ms = ws->settings.dead_peer_ms,
	    .owner = &link_owner,
	    .arg = ws,
	};
	char why[WEBSOCKET_LINK_TEXT_SIZE];
	char text[WEBSOCKET_LINK_TEXT_SIZE + 96];
	char where[64];
	int r = -EHOSTUNREACH;

	while (has_next_address(ws)) {
		config.address = &ws->settings.addresses[ws->next_address++];
		ws->attempt_ms = clock_now_ms();
		r = websocket_link_open(&ws->link, &config, why);
		if (r == 0) {
			arm_connecting(ws);
			return;
		}
		net_address_format(config.address, where, sizeof(where));
		snprintf(
		    text, sizeof(text), "cannot connect to %s: %s", where, why);
		log_info("address cannot be used socket=%s why=\"%s\"",
		    ws->settings.name, text);
	}
	finish_plain(
	    ws, r == -ENOMEM ? WEBSOCKET_INTERNAL : WEBSOCKET_REFUSED, text);
}

/* ---- time ---------------------------------------------------------------- */

static void
on_open_timer(struct websocket *ws)
{
	uint64_t now = clock_now_ms();
	uint64_t quiet;
	char text[64];

	/*
	 * Who was stopped for a while (a debugger, a machine that hangs) has
	 * not pinged either: the peer gets its chance to answer first. (A
	 * timer may also be early: libevent counts from when its loop woke.)
	 */
	if (now >= ws->due_ms + LATE_MS)
		ws->forgiven_ms = now - ws->settings.ping_interval_ms;
	quiet = now - quiet_since(ws);
	if (quiet >= ws->settings.dead_peer_ms) {
		snprintf(text, sizeof(text), "nothing heard for %u s",
		    ws->settings.dead_peer_ms / 1000);
		finish_plain(ws, WEBSOCKET_DEAD, text);
		return;
	}
	if (quiet >= ws->settings.ping_interval_ms &&
	    now - ws->ping_ms >= ws->settings.ping_interval_ms) {
		ws->ping_ms = now;
		websocket_link_ping(ws->link);
	}
	arm_silence(ws);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct websocket *ws = arg;

	(void)fd;
	(void)what;
	switch (ws->state) {
	case WEBSOCKET_STATE_CONNECTING:
		on_connecting_timer(ws);
		break;
	case WEBSOCKET_STATE_OPEN:
		on_open_timer(ws);
		break;
	case WEBSOCKET_STATE_CLOSING:
		finish_plain(ws, ws->closing_reason, ws->closing_text);
		break;
	case WEBSOCKET_STATE_CLOSED:
		break;
	}
}

/* ---- the owner's side ----------------------------------------------------- */

int
websocket_open(struct websocket **ws_out, struct event_base *base,
    const struct websocket_config *config)
{
	struct websocket *ws = calloc(1, sizeof(*ws));
	int r;

	*ws_out = NULL;
	if (!ws)
		return -ENOMEM;
	ws->base = base;
	ws->callbacks = config->callbacks;
	ws->arg = config->arg;
	event_assign(&ws->timer, base, -1, 0, on_timer, ws);
	r = websocket_settings_make(&ws->settings, config);
	if (r)
		goto fail;
	websocket_queue_init(
	    &ws->queue, ws->settings.queue_max, ws->settings.droppable_max);
	memcpy(ws->peer.host, ws->settings.host, sizeof(ws->peer.host));
	if (config->tls)
		r = tls_client_context_new(
		    &ws->ssl_ctx, config->ca_file, &ws->peer);
	if (r)
		goto fail;
	ws->begun_ms = clock_now_ms();
	arm(ws, 0);
	*ws_out = ws;
	return 0;
fail:
	websocket_free(&ws);
	return r;
}

void
websocket_free(struct websocket **wsp)
{
	struct websocket *ws = *wsp;

	*wsp = NULL;
	if (!ws)
		return;
	event_del(&ws->timer);
	websocket_link_free(&ws->link);
	tls_client_context_free(&ws->ssl_ctx);
	websocket_settings_free(&ws->settings);
	websocket_queue_clear(&ws->queue);
	free(ws->message);
	free(ws);
}

static int
send_text(struct websocket *ws, const char *buf, size_t len, bool droppable)
{
	int r;

	if (ws->state != WEBSOCKET_STATE_OPEN)
		return -ENOTCONN;
	r = websocket_queue_push(&ws->queue, buf, len, droppable);
	if (r == 0)
		websocket_link_wake(ws->link);
	return r;
}

int
websocket_send_text(struct websocket *ws, const char *buf, size_t len)
{
	return send_text(ws, buf, len, false);
}

int
websocket_send_text_droppable(struct websocket *ws, const char *buf, size_t len)
{
	return send_text(ws, buf, len, true);
}

uint64_t
websocket_heard_ms(const struct websocket *ws)
{
	return ws->link == NULL ? 0 : websocket_link_heard_ms(ws->link);
}

void
websocket_get_stats(
    const struct websocket *ws, struct websocket_stats *stats_out)
{
	*stats_out = (struct websocket_stats){
	    .queued_len = ws->queue.len,
	    .droppable_len = ws->queue.droppable_len,
	    .dropped = ws->queue.dropped,
	    .sent = ws->sent,
	    .received = ws->received,
	};
}

void
websocket_close(struct websocket *ws, int code)
{
	switch (ws->state) {
	case WEBSOCKET_STATE_CONNECTING:
		begin_closing(ws, WEBSOCKET_LOCAL, code, false,
		    "closed by us before open");
		arm(ws, 0);
		break;
	case WEBSOCKET_STATE_OPEN:
		begin_closing(ws, WEBSOCKET_LOCAL, code, true, "closed by us");
		break;
	case WEBSOCKET_STATE_CLOSING:
	case WEBSOCKET_STATE_CLOSED:
		break;
	}
}
