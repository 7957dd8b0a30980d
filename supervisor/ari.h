/* SPDX-License-Identifier: MIT */
/*
 * ari.h – the connection to Asterisk: events in, REST requests out.
 *
 * One WebSocket (GET /ari/events, subprotocol "ari") and at most eight HTTP
 * connections. After every (re)connect the channels and bridges are listed
 * before any event is delivered, since Asterisk sends no StasisStart again.
 * The socket is proven alive by a user event posted to our own application
 * every 5 s, which must come back on it. All callbacks run from the loop.
 */
#ifndef SUPERVISOR_ARI_H
#define SUPERVISOR_ARI_H

#include "common/config.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

struct ari;
struct event_base;
struct net_address;
struct resolver;

enum {
	ARI_ID_MAX = 150,       /* AST_MAX_UNIQUEID, NUL included */
	ARI_DEADLINE_MS = 3000, /* of every request */
};

enum ari_state {
	ARI_DOWN,       /* waiting to reconnect */
	ARI_CONNECTING, /* resolving, WebSocket handshake */
	ARI_LISTING,    /* connected, reading what is there */
	ARI_UP,
	ARI_REPLACED, /* another program took the application's name */
};

struct ari_callbacks {
	/*
	 * Connected: every channel and bridge that Asterisk has, before the
	 * first event. Both are arrays, valid during the call.
	 */
	void (*on_snapshot)(
	    const cJSON *channels, const cJSON *bridges, void *arg);
	void (*on_event)(const char *type, const cJSON *event, void *arg);
	void (*on_state)(enum ari_state state, void *arg);
};

struct ari_response {
	int status;        /* HTTP status; 0: no answer */
	const cJSON *body; /* NULL if there was none or it was not JSON */
};

typedef void ari_response_fn(const struct ari_response *response, void *arg);

/*
 * CONFIG must outlive the object; its password is read for each connection.
 * Returns 0 or -errno.
 */
int ari_new(struct ari **ari_out, struct event_base *base,
    struct resolver *resolver, const struct config *config,
    const struct ari_callbacks *callbacks, void *arg);

/* NULL-safe, clears. Pending requests get no answer. */
void ari_free(struct ari **ari);

enum ari_state ari_state(const struct ari *ari);
const char *ari_state_name(enum ari_state state);

/* Begins to connect. */
void ari_start(struct ari *ari);

/*
 * The same, but keeps all events, unseen, and asks for no lists, until
 * ari_go_on(): for a successor that takes the application's name while its
 * predecessor still has answers to wait for.
 */
void ari_start_held(struct ari *ari);
void ari_go_on(struct ari *ari);

/*
 * Whether losing the name is a successor's doing, and no alarm. Nor is a
 * connection that is lost made again then: it would take the name back.
 */
void ari_expect_replaced(struct ari *ari, bool expect);

/* Whether every request has its answer. */
bool ari_is_idle(const struct ari *ari);

/* Where Asterisk is, as last resolved; NULL before. */
const struct net_address *ari_address(const struct ari *ari);

/* Drops the connection and makes a new one, also when ARI_REPLACED. */
void ari_reconnect(struct ari *ari, const char *why);

/*
 * Ends the events with a close frame, without which Asterisk logs warnings,
 * and does not connect again: ari_is_closed() within WEBSOCKET_CLOSE_WAIT_MS.
 * Requests still go.
 */
void ari_close(struct ari *ari);
bool ari_is_closed(const struct ari *ari);

/*
 * Sends METHOD /ari/PATH (the format; ids through ari_escape()). BODY is
 * taken; NULL for none. FN (may be NULL) runs exactly once, never before
 * return, within ARI_DEADLINE_MS; what failed is logged with the request,
 * except 404 to a DELETE or for a variable, which may not be set. Needs no
 * WebSocket. Returns 0 or -errno (then FN does not run).
 */
int ari_request(struct ari *ari, ari_response_fn *fn, void *arg,
    const char *method, cJSON *body, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

/* Percent-encodes ID for use in a path or a query (RFC 3986, 2.3). */
const char *ari_escape(const char *id, char *buf, size_t size);

#endif
