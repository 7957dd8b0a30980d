/* SPDX-License-Identifier: MIT */
/*
 * websocket_link.h – one connection to one address, driven by libwebsockets.
 *
 * Private to websocket.c. Everything that knows libwebsockets is behind this
 * header, so that another version's way of joining a foreign event loop
 * (4.3's event_lib_custom) touches websocket_link.c and websocket_lws.c only.
 */
#ifndef COMMON_WEBSOCKET_LINK_H
#define COMMON_WEBSOCKET_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>

#include "common/net_address.h"
#include "common/tls.h"
#include "common/websocket_queue.h"

struct event_base;
struct websocket_link;

enum {
	WEBSOCKET_LINK_TEXT_SIZE = 256,
};

enum websocket_link_fate {
	LINK_UNREACHABLE, /* no TCP connection */
	LINK_TLS,         /* TCP, but no TLS session */
	LINK_REJECTED,    /* the answer is not a good 101 */
	LINK_CLOSED,      /* was open, is closed */
	LINK_FAILED,      /* our own failure */
};

struct websocket_link_end {
	enum websocket_link_fate fate;
	int status; /* REJECTED: of HTTP or 0. CLOSED: peer's code or 1006 */
	char text[WEBSOCKET_LINK_TEXT_SIZE]; /* printable, never empty */
	const char *body; /* REJECTED: its start, NUL-terminated; or "" */
	size_t body_len;
	unsigned int retry_ms; /* REJECTED: as in websocket_closed */
};

/* A piece of a data frame. */
struct websocket_chunk {
	const unsigned char *data;
	size_t len;
	size_t frame_left; /* bytes of this frame still to come */
	bool is_binary;
	bool is_last; /* of its message */
};

/*
 * What the owner is told. Inside these it may call any websocket_link_
 * function, websocket_link_free() included; after that nothing is called.
 */
struct websocket_link_owner {
	void (*on_open)(void *arg);
	void (*on_chunk)(const struct websocket_chunk *chunk, void *arg);
	/* The next message to send, or NULL; the link frees it. */
	struct websocket_message *(*next_message)(void *arg);
	/* Once, unless freed before; the link does nothing after it. */
	void (*on_end)(const struct websocket_link_end *end, void *arg);
};

/* Pointers must stay valid until websocket_link_free(), HEADERS to on_open. */
struct websocket_link_config {
	struct event_base *base;
	const struct net_address *address;
	const char *host_header;
	const char *path;
	const char *subprotocol; /* or NULL */
	const char *headers;     /* "Name: value\r\n…" */
	size_t headers_len;
	SSL_CTX *ssl_ctx;             /* NULL: plain */
	const struct tls_peer *peer;  /* of ssl_ctx */
	size_t message_max;           /* longest message to be sent */
	unsigned int timeout_s;       /* how long the owner may wait for open */
	unsigned int user_timeout_ms; /* TCP gives up unacknowledged data */
	const struct websocket_link_owner *owner;
	void *arg;
};

/*
 * Starts connecting; what is known to be impossible at once is returned as
 * -errno, with the reason in WHY: then there is no link and no callback.
 * -ENOMEM is whatever keeps libwebsockets itself from working.
 */
int websocket_link_open(struct websocket_link **link_out,
    const struct websocket_link_config *config,
    char why[WEBSOCKET_LINK_TEXT_SIZE]);

/* Drops the connection. NULL-safe, clears *LINK. */
void websocket_link_free(struct websocket_link **link);

/* There is something for next_message. */
void websocket_link_wake(struct websocket_link *link);

/* Sends a ping (RFC 6455 5.5.2) as soon as possible. */
void websocket_link_ping(struct websocket_link *link);

/*
 * Sends what next_message still gives if DRAIN, then a close frame with CODE;
 * on_end follows when the peer has answered. The owner sets the bound.
 */
void websocket_link_close(struct websocket_link *link, int code, bool drain);

/* When the peer last sent anything, clock_now_ms(); 0 for never. */
uint64_t websocket_link_heard_ms(const struct websocket_link *link);

#endif
