/* SPDX-License-Identifier: MIT */
/*
 * peer.h – one end of a channel between two of our processes.
 *
 * Reads whole messages (common/message.h), checks direction, size, shape and
 * descriptors, and hands the good ones to a handler. Sends never block: what
 * the socket does not take waits in a bounded queue; when that overflows, or
 * the other side sends what it may not, the peer is closed. A peer that is
 * closed says so once, from the event loop, never from inside peer_send().
 */
#ifndef COMMON_PEER_H
#define COMMON_PEER_H

#include "common/message.h"

#include <cjson/cJSON.h>
#include <stddef.h>

struct event_base;
struct peer;

/*
 * A good message. BODY belongs to the peer and lives until return. FDS holds
 * exactly message_fds(TYPE) descriptors; the handler takes one by setting its
 * element to -1, the rest are closed on return. The handler may free PEER.
 */
typedef void peer_message_fn(struct peer *peer, enum message_type type,
    const cJSON *body, int *fds, void *arg);

/* Why, when the other side just went. */
#define PEER_CLOSED_BY_OTHER "closed by the other side"

/*
 * The channel is gone: WHY is a printable reason (PEER_CLOSED_BY_OTHER,
 * "misdirected message", …) that lives as long as PEER. Called once; the
 * handler usually frees PEER.
 */
typedef void peer_closed_fn(struct peer *peer, const char *why, void *arg);

struct peer_config {
	int fd;                 /* SOCK_SEQPACKET; taken, closed by free */
	enum message_side us;   /* a single side */
	enum message_side them; /* a single side */
	peer_message_fn *on_message;
	peer_closed_fn *on_closed;
	void *arg;
};

/*
 * Starts reading on BASE. Returns 0 or -errno; the descriptor is taken in
 * either case. No handler runs before return.
 */
int peer_new(struct peer **peer_out, struct event_base *base,
    const struct peer_config *config);

/* NULL-safe, clears. What is queued is lost. No handler runs afterwards. */
void peer_free(struct peer **peer);

/*
 * Queues TYPE with BODY's members (BODY is taken and freed, also on error;
 * NULL means a message without members). FDS are duplicated, so the caller
 * keeps its own. Returns 0, or -errno: -EMSGSIZE when it is larger than the
 * table allows (our mistake: logged), -ENOBUFS when the queue is full (the
 * peer will be closed), -ENOTCONN once closed, -ENOMEM, -EMFILE.
 */
int peer_send(struct peer *peer, enum message_type type, cJSON *body);
int peer_send_fds(struct peer *peer, enum message_type type, cJSON *body,
    const int *fds, size_t nfds);

/* Whether the socket has taken all that was sent. */
bool peer_is_flushed(const struct peer *peer);

/*
 * Writes out what is queued, for at most TIMEOUT_MS, blocking: only for a
 * process that is about to exit. Returns whether everything went.
 */
bool peer_flush(struct peer *peer, int timeout_ms);

#endif
