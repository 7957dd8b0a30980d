/* SPDX-License-Identifier: MIT */
/*
 * ari_listing.c – what is in Asterisk, before its first event.
 *
 * Invariant: lists that were asked for on an earlier connection are dropped,
 * and events that came meanwhile are delivered after them, in order.
 */
#include "supervisor/ari_impl.h"

#include "common/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	WAITING_EVENTS_MAX = 10000,
};

struct waiting_event {
	STAILQ_ENTRY(waiting_event) entry;
	cJSON *event;
};

/* One of the lists that come before events. */
struct listing {
	LIST_ENTRY(listing) entry;
	struct ari *ari;
	uint32_t generation;
	enum {
		LIST_CHANNELS,
		LIST_BRIDGES,
		LIST_APPLICATION
	} what;
};

/* -- events that come too early --------------------------------------------- */

static void
deliver_waiting(struct ari *ari)
{
	uint32_t generation = ari->generation;
	struct waiting_event *waiting;

	while (ari->generation == generation &&
	       (waiting = STAILQ_FIRST(&ari->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&ari->waiting, entry);
		ari->waiting_count--;
		ari_deliver(ari, waiting->event);
		cJSON_Delete(waiting->event);
		free(waiting);
	}
}

void
ari_listing_keep(struct ari *ari, cJSON *event)
{
	struct waiting_event *waiting = NULL;

	if (ari->waiting_count < WAITING_EVENTS_MAX)
		waiting = calloc(1, sizeof(*waiting));
	if (waiting == NULL) {
		cJSON_Delete(event);
		ari_connection_retry(ari, "too many events while listing");
		return;
	}
	waiting->event = event;
	STAILQ_INSERT_TAIL(&ari->waiting, waiting, entry);
	ari->waiting_count++;
}

void
ari_listing_forget(struct ari *ari)
{
	struct waiting_event *waiting;

	cJSON_Delete(ari->channels);
	cJSON_Delete(ari->bridges);
	ari->channels = ari->bridges = NULL;
	ari->application_ok = false;
	while ((waiting = STAILQ_FIRST(&ari->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&ari->waiting, entry);
		cJSON_Delete(waiting->event);
		free(waiting);
	}
	ari->waiting_count = 0;
}

/* -- the lists -------------------------------------------------------------- */

static void
listing_complete(struct ari *ari)
{
	cJSON *channels = ari->channels, *bridges = ari->bridges;

	ari->channels = ari->bridges = NULL;
	ari_probe_start(ari);
	ari_connection_is_up(ari);
	ari->callbacks.on_snapshot(channels, bridges, ari->arg);
	cJSON_Delete(channels);
	cJSON_Delete(bridges);
	deliver_waiting(ari);
}

static bool
keep_list(cJSON **list, const cJSON *body)
{
	*list = cJSON_Duplicate(body, true);
	return *list != NULL;
}

static void
listing_free(struct listing *listing)
{
	LIST_REMOVE(listing, entry);
	free(listing);
}

static void
on_listing(const struct ari_response *response, void *arg)
{
	struct listing *listing = arg;
	struct ari *ari = listing->ari;
	bool late = listing->generation != ari->generation ||
		    ari->state != ARI_LISTING || ari->closing;
	int what = listing->what;

	listing_free(listing);
	if (late)
		return;
	if (response->status != 200 ||
	    (what != LIST_APPLICATION && !cJSON_IsArray(response->body))) {
		ari_connection_retry(
		    ari, "channels and bridges cannot be listed");
		return;
	}
	if (what == LIST_APPLICATION)
		ari->application_ok = true;
	else if (!keep_list(
		     what == LIST_CHANNELS ? &ari->channels : &ari->bridges,
		     response->body)) {
		ari_connection_retry(ari, "out of memory");
		return;
	}
	if (ari->channels != NULL && ari->bridges != NULL &&
	    ari->application_ok)
		listing_complete(ari);
}

static int
list(struct ari *ari, int what, const char *path)
{
	struct listing *listing = calloc(1, sizeof(*listing));
	int ret;

	if (listing == NULL)
		return -ENOMEM;
	LIST_INSERT_HEAD(&ari->listings, listing, entry);
	listing->ari = ari;
	listing->generation = ari->generation;
	listing->what = what;
	ret = ari_request(ari, on_listing, listing, "GET", NULL, "%s", path);
	if (ret < 0)
		listing_free(listing);
	return ret;
}

void
ari_listing_start(struct ari *ari)
{
	char app[ARI_APP_SIZE], path[sizeof(app) + 16];

	ari_escape(ari->config->ari_app, app, sizeof(app));
	snprintf(path, sizeof(path), "applications/%s", app);
	if (list(ari, LIST_CHANNELS, "channels") < 0 ||
	    list(ari, LIST_BRIDGES, "bridges") < 0 ||
	    list(ari, LIST_APPLICATION, path) < 0)
		ari_connection_retry(ari, "requests cannot be sent");
}

void
ari_listing_free(struct ari *ari)
{
	struct listing *listing;

	while ((listing = LIST_FIRST(&ari->listings)) != NULL)
		listing_free(listing);
}
