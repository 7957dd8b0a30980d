/* SPDX-License-Identifier: MIT */
/*
 * ari_probe.c – whether events still arrive, which an event of our own tells,
 * and, once our name was taken, whether it is free again.
 */
#include "supervisor/ari_impl.h"

#include "common/json.h"

#include <string.h>
#include <sys/time.h>

enum {
	PROBE_MS = 5000,
	PROBES_MISSED_MAX = 2,
	EARLY_PROBE_MS = 1000,
	EARLY_PROBES = 12, /* after a connect; also how long old ones count */
	IDLE_LOOKS = 6,    /* from one tidying up to the next */
	FREE_LOOKS = 2,    /* in a row, before a free name is taken */
};

#define PROBE_NAME "telefonista-probe"

static const char probe_path[] = "POST events/user/" PROBE_NAME;

static const struct timeval probe_interval = {.tv_sec = PROBE_MS / 1000};
static const struct timeval early_interval = {.tv_sec = EARLY_PROBE_MS / 1000};

/* -- whether the name is free ----------------------------------------------- */

static bool
is_idle_application(const cJSON *body)
{
	return body != NULL &&
	       cJSON_GetArraySize(json_array(body, "channel_ids")) == 0 &&
	       cJSON_GetArraySize(json_array(body, "bridge_ids")) == 0;
}

/*
 * Asterisk 22 looks through its applications for those that are over when
 * one comes or goes, and not when the last bridge of one has: so one comes.
 */
static void
tidy_up(struct ari *ari)
{
	if (ari->socket == NULL)
		(void)ari_connection_open_socket(ari, "-look");
}

static void
on_look(const struct ari_response *response, void *arg)
{
	struct ari *ari = arg;

	if (ari->state != ARI_REPLACED || ari->closing)
		return;
	ari->free_looks = response->status == 404 ? ari->free_looks + 1 : 0;
	ari->idle_looks =
	    is_idle_application(response->body) ? ari->idle_looks + 1 : 0;
	if (ari->free_looks >= FREE_LOOKS)
		ari_reconnect(ari, "the application's name is free again");
	else if (ari->idle_looks % IDLE_LOOKS == 2)
		tidy_up(ari);
}

/*
 * Asterisk forgets an application's name when its program has gone and no
 * channel is in it: to take it then is no fight. While a channel is, nobody
 * can tell. Twice, since that program may only be starting anew.
 */
static void
look(struct ari *ari)
{
	char app[ARI_APP_SIZE];

	ari_request(ari, on_look, ari, "GET", NULL, "applications/%s",
	    ari_escape(ari->config->ari_app, app, sizeof(app)));
}

void
ari_probe_watch_name(struct ari *ari)
{
	ari->free_looks = ari->idle_looks = 0;
	event_add(ari->probe_timer, &probe_interval);
}

/* -- the probe -------------------------------------------------------------- */

/*
 * An Asterisk that was frozen finds all connections that we made and gave up
 * meanwhile, in any order: one of them may take our application from the one
 * that lives, and end. So a young connection is probed in quick succession.
 */
void
ari_on_probe_timer(evutil_socket_t fd, short what, void *arg)
{
	struct ari *ari = arg;
	char app[ARI_APP_SIZE];

	(void)fd;
	(void)what;
	if (ari->state == ARI_REPLACED) {
		look(ari);
		return;
	}
	if (ari->early_probes > 0 && --ari->early_probes == 0) {
		event_add(ari->probe_timer, &probe_interval);
		ari->given_up = 0;
	}
	if (ari->probes_out >= PROBES_MISSED_MAX) {
		ari->given_up++;
		ari_connection_retry(ari, "events no longer arrive");
		return;
	}
	ari->probes_out++;
	ari_request(ari, NULL, NULL, "POST", NULL,
	    "events/user/" PROBE_NAME "?application=%s",
	    ari_escape(ari->config->ari_app, app, sizeof(app)));
}

void
ari_probe_start(struct ari *ari)
{
	ari->early_probes = EARLY_PROBES;
	event_add(ari->probe_timer, &early_interval);
}

bool
ari_is_probe(const cJSON *event)
{
	return strcmp(json_string(event, "type"), "ChannelUserevent") == 0 &&
	       strcmp(json_string(event, "eventname"), PROBE_NAME) == 0;
}

bool
ari_probe_is_asked_by(const char *what)
{
	return strncmp(what, probe_path, sizeof(probe_path) - 1) == 0;
}
