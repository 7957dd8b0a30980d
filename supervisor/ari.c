/* SPDX-License-Identifier: MIT */
/*
 * ari.c – Asterisk's events and REST interface: its state, its life, and where
 * an event goes.
 *
 * Invariant: an event reaches on_event only after on_snapshot of the same
 * connection; those that arrive while the lists are read wait in a queue.
 */
#include "supervisor/ari_impl.h"

#include "common/http_client.h"
#include "common/json.h"
#include "common/websocket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	CONNECTIONS_MAX = 8, /* Asterisk drops the 101st without a word */
};

const char *
ari_state_name(enum ari_state state)
{
	switch (state) {
	case ARI_DOWN:
		return "down";
	case ARI_CONNECTING:
		return "connecting";
	case ARI_LISTING:
		return "listing";
	case ARI_UP:
		return "up";
	case ARI_REPLACED:
		return "replaced";
	}
	return "?";
}

enum ari_state
ari_state(const struct ari *ari)
{
	return ari->state;
}

void
ari_set_state(struct ari *ari, enum ari_state state, const char *why)
{
	if (ari->state == state)
		return;
	log_write(ari_connection_is_old_news(ari) && state < ARI_LISTING
		      ? LOG_LEVEL_DEBUG
		      : LOG_LEVEL_INFO,
	    "ari %s -> %s (%s)", ari_state_name(ari->state),
	    ari_state_name(state), why);
	ari->state = state;
	ari->callbacks.on_state(state, ari->arg);
}

/* -- events ----------------------------------------------------------------- */

void
ari_deliver(struct ari *ari, const cJSON *event)
{
	ari->callbacks.on_event(json_string(event, "type"), event, ari->arg);
}

static void
on_replaced(struct ari *ari)
{
	if (ari->expect_replaced) {
		ari_connection_forget(ari);
		ari_set_state(ari, ARI_REPLACED, "by our successor");
		return;
	}
	if (ari->given_up > 0) { /* by one of these, unless it happens again */
		ari->given_up--;
		ari_connection_retry(
		    ari, "replaced, perhaps by an earlier connection");
		return;
	}
	log_err("alarm=ari_application_replaced another program uses the "
		"Stasis application app=%s: no new calls arrive here; stop "
		"that program: when it has gone and its last call has ended "
		"the name is taken again, on SIGHUP at once",
	    ari->config->ari_app);
	ari_connection_forget(ari);
	ari_probe_watch_name(ari);
	ari_set_state(ari, ARI_REPLACED, "ApplicationReplaced");
}

static void
handle_event(struct ari *ari, cJSON *event)
{
	const char *type = json_string(event, "type");

	if (ari_is_probe(event)) {
		ari->probes_out = 0;
		cJSON_Delete(event);
	} else if (strcmp(type, "ApplicationReplaced") == 0) {
		cJSON_Delete(event);
		on_replaced(ari);
	} else if (ari->state == ARI_LISTING) {
		ari_listing_keep(ari, event);
	} else {
		ari_deliver(ari, event);
		cJSON_Delete(event);
	}
}

void
ari_on_message(struct websocket *ws, const char *data, size_t len,
    bool is_binary, void *arg)
{
	struct ari *ari = arg;
	cJSON *event = is_binary ? NULL : json_parse(data, len);
	uint32_t suppressed;

	(void)ws;
	if (!cJSON_IsObject(event) || json_string(event, "type")[0] == '\0') {
		if (log_allow(&ari->bad_event_limit, &suppressed))
			log_warn("ari event ignored, it is not an object with "
				 "a type bytes=%zu binary=%s suppressed=%u",
			    len, is_binary ? "yes" : "no", suppressed);
		cJSON_Delete(event);
		return;
	}
	handle_event(ari, event);
}

/* -- life ------------------------------------------------------------------- */

int
ari_new(struct ari **ari_out, struct event_base *base,
    struct resolver *resolver, const struct config *config,
    const struct ari_callbacks *callbacks, void *arg)
{
	const struct http_client_config http = {
	    .connections_max = CONNECTIONS_MAX,
	    .ca_file = config->asterisk_ca_file[0] != '\0'
			   ? config->asterisk_ca_file
			   : NULL,
	};
	struct ari *ari = calloc(1, sizeof(*ari));
	int ret = -ENOMEM;

	if (ari == NULL)
		return -ENOMEM;
	STAILQ_INIT(&ari->waiting);
	LIST_INIT(&ari->requests);
	LIST_INIT(&ari->listings);
	ari->base = base;
	ari->resolver = resolver;
	ari->config = config;
	ari->callbacks = *callbacks;
	ari->arg = arg;
	ari->backoff_ms = ARI_BACKOFF_FIRST_MS;
	ari->retry_timer = event_new(base, -1, 0, ari_on_retry, ari);
	ari->probe_timer =
	    event_new(base, -1, EV_PERSIST, ari_on_probe_timer, ari);
	if (ari->retry_timer == NULL || ari->probe_timer == NULL)
		goto fail;
	ret = http_client_new(&ari->http, base, &http);
	if (ret < 0)
		goto fail;
	*ari_out = ari;
	return 0;
fail:
	ari_free(&ari);
	return ret;
}

void
ari_start(struct ari *ari)
{
	ari_connection_open(ari);
}

void
ari_start_held(struct ari *ari)
{
	ari->held = true;
	ari_connection_open(ari);
}

void
ari_go_on(struct ari *ari)
{
	if (!ari->held)
		return;
	ari->held = false;
	if (ari->state != ARI_LISTING)
		return;
	/* The lists are of now, not of when it connected. */
	ari->callbacks.on_state(ari->state, ari->arg);
	ari_listing_start(ari);
}

void
ari_expect_replaced(struct ari *ari, bool expect)
{
	ari->expect_replaced = expect;
}

void
ari_close(struct ari *ari)
{
	if (ari->closing)
		return;
	ari->closing = true;
	event_del(ari->retry_timer);
	event_del(ari->probe_timer);
	resolver_cancel(&ari->lookup);
	if (ari->socket != NULL)
		websocket_close(ari->socket, 1000);
}

bool
ari_is_closed(const struct ari *ari)
{
	return ari->closing && ari->socket == NULL;
}

const struct net_address *
ari_address(const struct ari *ari)
{
	return ari->address_count > 0 ? &ari->addresses[0] : NULL;
}

void
ari_free(struct ari **ari_ptr)
{
	struct ari *ari = *ari_ptr;

	if (ari == NULL)
		return;
	*ari_ptr = NULL;
	if (ari->probe_timer != NULL && ari->retry_timer != NULL)
		ari_connection_forget(ari);
	http_client_free(&ari->http); /* from now on nobody is answered */
	ari_request_free_all(ari);
	ari_listing_free(ari);
	if (ari->retry_timer != NULL)
		event_free(ari->retry_timer);
	if (ari->probe_timer != NULL)
		event_free(ari->probe_timer);
	free(ari);
}
