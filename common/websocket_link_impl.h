/* SPDX-License-Identifier: MIT */
/*
 * websocket_link_impl.h – a link's state, shared by websocket_link.c (its life)
 * and websocket_lws.c (libwebsockets' callbacks). Nobody else includes it.
 */
#ifndef COMMON_WEBSOCKET_LINK_IMPL_H
#define COMMON_WEBSOCKET_LINK_IMPL_H

#include "common/websocket_link.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <libwebsockets.h>

struct websocket_refusal;

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

/* websocket_link.c */

/* Copies foreign text, control characters as '?', cut to fit. */
void websocket_link_copy_printable(
    char *dst, size_t size, const void *src, size_t len);
void websocket_link_set_end(struct websocket_link *link,
    enum websocket_link_fate fate, int status, const char *text);
/* ERR: of connect(2), 0 unknown. */
void websocket_link_set_unreachable(struct websocket_link *link, int err);
/* The request is out, or will not be: its secret headers go. */
void websocket_link_wipe_secret(struct websocket_link *link);
/* Before lws closes the descriptor and its number is used again. */
void websocket_link_remove_events(struct websocket_link *link);

/* websocket_lws.c */

/* Makes the context and begins to connect; as websocket_link_open(). */
int websocket_lws_connect(
    struct websocket_link *link, char why[WEBSOCKET_LINK_TEXT_SIZE]);

#endif
