/* SPDX-License-Identifier: MIT */
/*
 * websocket.h – a WebSocket client (RFC 6455) on a libevent loop.
 *
 * Used for Asterisk's events (ARI) and for OpenAI's Realtime sessions alike.
 * It connects to numeric addresses only, so that nothing in it can block.
 * Pings of the server are answered at once. All callbacks run from the event
 * loop, never from inside a function of this room; any function of this
 * room, websocket_free() included, may be called from inside them.
 */
#ifndef COMMON_WEBSOCKET_H
#define COMMON_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/net_address.h"

struct event_base;
struct websocket;

enum {
	WEBSOCKET_ADDRESS_TRY_MS = 2000, /* then the next address is tried */
	WEBSOCKET_CLOSE_WAIT_MS = 1000,  /* for the peer's close frame */
};

enum websocket_reason {
	/* before on_open */
	WEBSOCKET_REFUSED,   /* no address let us connect (text: why) */
	WEBSOCKET_TLS,       /* handshake or certificate (text: why) */
	WEBSOCKET_HANDSHAKE, /* answered, but not with a good 101: status */
	WEBSOCKET_TIMEOUT,   /* not open within handshake_timeout_ms */
	/* after on_open */
	WEBSOCKET_PEER,     /* closed by the peer: status is its code or 1006 */
	WEBSOCKET_DEAD,     /* no sign of life for dead_peer_s */
	WEBSOCKET_OVERSIZE, /* a message over message_max; we sent 1009 */
	/* either */
	WEBSOCKET_LOCAL,    /* websocket_close() has finished */
	WEBSOCKET_INTERNAL, /* our own failure: no memory, library error */
};

/* Valid only during on_close. */
struct websocket_closed {
	enum websocket_reason reason;
	/*
	 * HANDSHAKE: the HTTP status (401, 403, 429, 500 …; 101 if only the
	 * upgrade headers were wrong, 0 if it was no HTTP). PEER: the close
	 * code (RFC 6455 7.4; 1005 none given, 1006 connection just dropped;
	 * lws shows 1012 to 2999 as 1002).
	 * Otherwise 0.
	 */
	int status;
	/*
	 * One printable line without control characters, for instance
	 * "certificate has expired" or the peer's own reason; never empty.
	 */
	const char *text;
	/*
	 * HANDSHAKE: the start of the response body, up to 4 KiB, waited for
	 * at most 1 s (foreign bytes, NUL-terminated), else "".
	 */
	const char *body;
	size_t body_len;
	/* HANDSHAKE: how long the server asks not to be tried again
	 * (Retry-After, RFC 9110 10.2.3); 0 if it does not say. */
	unsigned int retry_ms;
};

struct websocket_callbacks {
	void (*on_open)(struct websocket *ws, void *arg);
	/*
	 * One whole message, fragments joined. DATA is only valid during the
	 * call and NUL-terminated one byte after LEN, for parsers that want
	 * it; text is not checked to be UTF-8.
	 */
	void (*on_message)(struct websocket *ws, const char *data, size_t len,
	    bool is_binary, void *arg);
	/*
	 * Exactly once for every successful websocket_open(), unless
	 * websocket_free() comes first. Nothing is called after it; the object
	 * still wants its websocket_free(), which may happen in here.
	 */
	void (*on_close)(struct websocket *ws,
	    const struct websocket_closed *closed, void *arg);
};

/* Everything is copied; zero means the default where one is named. */
struct websocket_config {
	const struct net_address *addresses; /* tried in this order */
	size_t address_count;                /* 1 … NET_ADDRESSES_MAX */
	/* SNI, certificate check and Host: header; at most 100 bytes. */
	const char *host;
	const char *path; /* with query, begins with '/'; at most 1024 bytes */

	/* Exactly one of the two: plain ws:// only on purpose. */
	bool tls;
	bool plaintext_allowed;
	const char *ca_file; /* PEM, absolute; NULL: TLS_CA_DIRECTORY */

	const char *subprotocol; /* NULL for none; ARI wants "ari" */
	/*
	 * Extra request headers, "Name: value", NULL-terminated, or NULL.
	 * At most 2048 bytes together. Our copies are wiped as soon as the
	 * socket is open or has failed, and never logged.
	 */
	const char *const *headers;

	unsigned int handshake_timeout_ms; /* all addresses; 0: 10000 */
	unsigned int ping_interval_s;      /* quiet so long: we ping; 0: 15 */
	unsigned int dead_peer_s; /* quiet so long: DEAD; 0: 30; > ping */

	size_t message_max;   /* bytes of one whole message; 0: 1 MiB */
	size_t queue_max;     /* bytes waiting to be sent; 0: 1 MiB */
	size_t droppable_max; /* bytes of droppable ones; 0: queue_max */

	const char *name; /* for our log lines: "ari", "openai"; NULL: host */

	struct websocket_callbacks callbacks;
	void *arg;
};

struct websocket_stats {
	size_t queued_len;           /* bytes waiting to be sent */
	size_t droppable_len;        /* … of which droppable */
	unsigned long long dropped;  /* droppable messages discarded */
	unsigned long long sent;     /* messages handed to the socket */
	unsigned long long received; /* whole messages delivered */
};

/*
 * Starts connecting. No callback runs before it returns. Returns 0, or a
 * negative errno when the configuration is wrong (-EINVAL), the CA file
 * cannot be used (see tls.h) or memory is short; then *WS_OUT is NULL.
 */
int websocket_open(struct websocket **ws_out, struct event_base *base,
    const struct websocket_config *config);

/*
 * Drops the connection without a close frame if it is still there, and ends
 * all callbacks. NULL-safe, clears *WS.
 */
void websocket_free(struct websocket **ws);

/*
 * Copies one text message into the send queue; allowed from on_open on.
 * Messages leave in order. -ENOBUFS: queue_max would be passed, nothing is
 * queued. -ENOTCONN: not open, or closing. -ENOMEM.
 */
int websocket_send_text(struct websocket *ws, const char *buf, size_t len);

/*
 * The same for real-time audio: if droppable_max would be passed, the oldest
 * droppable messages not yet begun are discarded (and counted) to make room.
 * -ENOBUFS only if that is not enough, or queue_max is full of others.
 */
int websocket_send_text_droppable(
    struct websocket *ws, const char *buf, size_t len);

/* When the peer last sent anything, clock_now_ms(); 0: nothing yet. */
uint64_t websocket_heard_ms(const struct websocket *ws);

void websocket_get_stats(
    const struct websocket *ws, struct websocket_stats *stats_out);

/*
 * Sends what is queued, then a close frame with CODE (1000, 1001, 1008 …),
 * and waits for the peer's; on_close(LOCAL) follows within
 * WEBSOCKET_CLOSE_WAIT_MS, whatever the peer does, and no on_message in
 * between. A second call does nothing.
 */
void websocket_close(struct websocket *ws, int code);

/* "refused", "tls" …, for log lines. */
const char *websocket_reason_name(enum websocket_reason reason);

#endif
