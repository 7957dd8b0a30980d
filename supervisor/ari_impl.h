/* SPDX-License-Identifier: MIT */
/*
 * ari_impl.h – the connection to Asterisk, shared by ari.c (state, events and
 * life), ari_connection.c (the WebSocket, made again and again),
 * ari_listing.c (what comes before its events), ari_probe.c (whether they
 * come) and ari_request.c (REST). Nobody else includes it.
 */
#ifndef SUPERVISOR_ARI_IMPL_H
#define SUPERVISOR_ARI_IMPL_H

#include "common/log.h"
#include "common/resolver.h"
#include "supervisor/ari.h"

#include <event2/event.h>
#include <stdint.h>
#include <sys/queue.h>

struct listing;
struct request;
struct waiting_event;
struct websocket;

enum {
	ARI_BACKOFF_FIRST_MS = 250,
	ARI_APP_SIZE = 3 * 64 + 1, /* its name, all of it escaped */
};

struct ari {
	struct event_base *base;
	struct resolver *resolver;
	const struct config *config;
	struct ari_callbacks callbacks;
	void *arg;

	enum ari_state state;
	struct http_client *http;
	LIST_HEAD(, request) requests;
	LIST_HEAD(, listing) listings;
	struct websocket *socket;
	struct resolver_request *lookup;
	struct net_address addresses[NET_ADDRESSES_MAX];
	size_t address_count;

	struct event *retry_timer;
	unsigned int backoff_ms;
	struct event *probe_timer;
	unsigned int probes_out;   /* sent, not come back */
	unsigned int early_probes; /* still to be sent in quick succession */
	unsigned int given_up;     /* connections that Asterisk may yet find */

	uint64_t away_ms;        /* since when it is not connected; 0: it is */
	uint64_t away_told_ms;   /* the last alarm about that, or 0 */
	unsigned int free_looks; /* the name was nobody's, so often in a row */
	unsigned int idle_looks; /* it had no channel and no bridge */

	bool closing; /* for good */
	bool held;    /* by ari_start_held() */
	bool expect_replaced;
	bool refused;        /* our password, and the alarm was given */
	uint32_t generation; /* of the connection: late lists are dropped */
	cJSON *channels;     /* while ARI_LISTING */
	cJSON *bridges;
	bool application_ok;
	STAILQ_HEAD(, waiting_event) waiting;
	size_t waiting_count;
	struct log_ratelimit bad_event_limit;
};

/* -- ari.c ----------------------------------------------------------------- */

void ari_set_state(struct ari *ari, enum ari_state state, const char *why);
void ari_deliver(struct ari *ari, const cJSON *event);
/* Of websocket.h. */
void ari_on_message(struct websocket *ws, const char *data, size_t len,
    bool is_binary, void *arg);

/* -- ari_connection.c --------------------------------------------------------- */

/* Now, in place of the one there is. */
void ari_connection_open(struct ari *ari);
/* For the events of our application, or of one that is called so and SUFFIX. */
int ari_connection_open_socket(struct ari *ari, const char *suffix);
/* Exponential backoff with jitter: between half of it and all of it. */
void ari_connection_retry(struct ari *ari, const char *why);
/* All of it, with what was to become of it. */
void ari_connection_forget(struct ari *ari);
/* It has been away for so long that each attempt need not be told. */
bool ari_connection_is_old_news(const struct ari *ari);
/* All lists have come: it is of use. */
void ari_connection_is_up(struct ari *ari);
/* Of event_new(). */
void ari_on_retry(evutil_socket_t fd, short what, void *arg);

/* -- ari_listing.c ------------------------------------------------------------ */

void ari_listing_start(struct ari *ari);
/* Takes an event that came before the lists. */
void ari_listing_keep(struct ari *ari, cJSON *event);
/* What has been listed and kept. */
void ari_listing_forget(struct ari *ari);
/* At the end: nobody is answered any more. */
void ari_listing_free(struct ari *ari);

/* -- ari_probe.c ---------------------------------------------------------------- */

/* Of a connection that has just come up. */
void ari_probe_start(struct ari *ari);
/* The name was taken: from now on it is looked whether it is free. */
void ari_probe_watch_name(struct ari *ari);
bool ari_is_probe(const cJSON *event);
/* WHAT is "POST events/…": what it is for is known when no event comes. */
bool ari_probe_is_asked_by(const char *what);
/* Of event_new(). */
void ari_on_probe_timer(evutil_socket_t fd, short what, void *arg);

/* -- ari_request.c -------------------------------------------------------------- */

/* At the end: nobody is answered any more. */
void ari_request_free_all(struct ari *ari);

#endif
