/* SPDX-License-Identifier: MIT */
/*
 * ari.c – Asterisk's events and REST interface.
 *
 * Invariant: an event reaches on_event only after on_snapshot of the same
 * connection; those that arrive while the lists are read wait in a queue.
 */
#include "supervisor/ari.h"

#include "common/clock.h"
#include "common/http_client.h"
#include "common/json.h"
#include "common/log.h"
#include "common/resolver.h"
#include "common/websocket.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <event2/event.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>

enum {
	CONNECTIONS_MAX = 8, /* Asterisk drops the 101st without a word */
	BACKOFF_FIRST_MS = 250,
	BACKOFF_MAX_MS = 10000,
	PROBE_MS = 5000,
	PROBES_MISSED_MAX = 2,
	EARLY_PROBE_MS = 1000,
	EARLY_PROBES = 12, /* after a connect; also how long old ones count */
	IDLE_LOOKS = 6,    /* from one tidying up to the next */
	FREE_LOOKS = 2,    /* in a row, before a free name is taken */
	AWAY_ALARM_MS = 5000,  /* no alarm for what is over at once */
	AWAY_AGAIN_MS = 60000, /* from then on all that is said of it */
	PING_S = 2,            /* nothing heard for so long: we ping */
	DEAD_S = 6,            /* … and so long: half-open, to be made anew */
	EVENT_BYTES_MAX = 1024 * 1024,
	RESPONSE_BYTES_MAX = 8 * 1024 * 1024, /* /channels of a busy PBX */
	WAITING_EVENTS_MAX = 10000,
	PATH_SIZE = 2048, /* three ids of ARI_ID_MAX, all of it escaped */
};

#define PROBE_NAME "telefonista-probe"

static const char probe_path[] = "POST events/user/" PROBE_NAME;

struct waiting_event {
	STAILQ_ENTRY(waiting_event) entry;
	cJSON *event;
};

/* A request under way; the owner of FN and ARG waits for its answer. */
struct request {
	LIST_ENTRY(request) entry;
	ari_response_fn *fn;
	void *arg;
	char what[PATH_SIZE + 16]; /* "POST channels/1.2/answer" */
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

static const struct timeval probe_interval = {.tv_sec = PROBE_MS / 1000};
static const struct timeval early_interval = {.tv_sec = EARLY_PROBE_MS / 1000};

static void connect_now(struct ari *ari);
static int open_socket(struct ari *ari, const char *suffix);

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

/* It has been away for so long that each attempt need not be told. */
static bool
is_old_news(const struct ari *ari)
{
	return ari->away_ms != 0 &&
	       clock_now_ms() - ari->away_ms >= AWAY_AGAIN_MS;
}

static void
set_state(struct ari *ari, enum ari_state state, const char *why)
{
	if (ari->state == state)
		return;
	log_write(is_old_news(ari) && state < ARI_LISTING ? LOG_LEVEL_DEBUG
							  : LOG_LEVEL_INFO,
	    "ari %s -> %s (%s)", ari_state_name(ari->state),
	    ari_state_name(state), why);
	ari->state = state;
	ari->callbacks.on_state(state, ari->arg);
}

/* -- requests ------------------------------------------------------------- */

const char *
ari_escape(const char *id, char *buf, size_t size)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = 0;

	assert(size > 0);
	for (; *id != '\0' && n + 4 <= size; id++) {
		unsigned char c = (unsigned char)*id;

		if (isalnum(c) || strchr("-._~", c) != NULL) {
			buf[n++] = (char)c;
			continue;
		}
		buf[n++] = '%';
		buf[n++] = hex[c >> 4];
		buf[n++] = hex[c & 15];
	}
	buf[n] = '\0';
	return buf;
}

/* What it is for is known when its event does not come. */
static bool
is_probe_request(const struct request *request)
{
	return strncmp(request->what, probe_path, sizeof(probe_path) - 1) == 0;
}

static void
log_failure(const struct request *request, const struct http_response *response)
{
	bool gone = response->status == 404 &&
		    (strncmp(request->what, "DELETE ", 7) == 0 ||
			strncmp(request->what, "GET applications/", 17) == 0 ||
			strstr(request->what, "/variable?") != NULL);
	int body_len = response->body_len > 300 ? 300 : (int)response->body_len;

	if (response->result != HTTP_OK)
		log_warn("ari request failed request=\"%s\" error=\"%s\" "
			 "elapsed_ms=%u",
		    request->what, response->error, response->elapsed_ms);
	else if (response->status >= 400 && !gone)
		log_warn("ari request refused request=\"%s\" status=%d "
			 "body=\"%.*s\"",
		    request->what, response->status, body_len, response->body);
}

static void
request_free(struct request *request)
{
	LIST_REMOVE(request, entry);
	free(request);
}

static void
on_response(const struct http_response *response, void *arg)
{
	struct request *request = arg;
	cJSON *body = NULL;
	struct ari_response answer = {0};

	if (!is_probe_request(request))
		log_failure(request, response);
	if (response->result == HTTP_OK) {
		answer.status = response->status;
		if (response->body_len > 0)
			body = json_parse(response->body, response->body_len);
		if (response->body_len > 0 && body == NULL &&
		    !is_probe_request(request))
			log_warn("ari answer is not JSON request=\"%s\" "
				 "bytes=%zu",
			    request->what, response->body_len);
		answer.body = body;
	}
	if (request->fn != NULL)
		request->fn(&answer, request->arg);
	cJSON_Delete(body);
	request_free(request);
}

static int
send_request(struct ari *ari, struct request *request, const char *method,
    const char *url, const cJSON *body)
{
	static const char *const headers[] = {
	    "Content-Type: application/json", NULL};
	struct http_request_config http = {
	    .method = method,
	    .url = url,
	    .user = ari->config->asterisk_username,
	    .password = ari->config->asterisk_password,
	    .addresses = ari->addresses,
	    .address_count = ari->address_count,
	    .deadline_ms = ARI_DEADLINE_MS,
	    .connect_timeout_ms = ARI_DEADLINE_MS / 2,
	    .response_max = RESPONSE_BYTES_MAX,
	};
	char *text = NULL;
	int ret;

	if (body != NULL) {
		text = cJSON_PrintUnformatted(body);
		if (text == NULL)
			return -ENOMEM;
		http.headers = headers;
		http.body = text;
		http.body_len = strlen(text);
	}
	ret = http_request(ari->http, NULL, &http, on_response, request);
	free(text);
	return ret;
}

int
ari_request(struct ari *ari, ari_response_fn *fn, void *arg, const char *method,
    cJSON *body, const char *format, ...)
{
	struct request *request = calloc(1, sizeof(*request));
	bool is_v6 = strchr(ari->config->asterisk_host, ':') != NULL;
	char path[PATH_SIZE], url[PATH_SIZE + 320];
	int ret = -ENOMEM;
	va_list ap;
	int len;

	if (request == NULL)
		goto out;
	va_start(ap, format);
	len = vsnprintf(path, sizeof(path), format, ap);
	va_end(ap);
	LIST_INSERT_HEAD(&ari->requests, request, entry);
	request->fn = fn;
	request->arg = arg;
	snprintf(request->what, sizeof(request->what), "%s %s", method, path);
	snprintf(url, sizeof(url), "%s://%s%s%s:%ld/ari/%s",
	    ari->config->asterisk_tls ? "https" : "http", is_v6 ? "[" : "",
	    ari->config->asterisk_host, is_v6 ? "]" : "",
	    ari->config->asterisk_port, path);
	/* Cut, it would be about something else. */
	ret = len < 0 || (size_t)len >= sizeof(path)
		  ? -ENAMETOOLONG
		  : send_request(ari, request, method, url, body);
	if (ret < 0) {
		log_warn("ari request cannot be sent request=\"%s\" error=%s",
		    request->what, strerror(-ret));
		request_free(request);
	}
out:
	cJSON_Delete(body);
	return ret;
}

/* -- connecting ------------------------------------------------------------ */

static void
forget_connection(struct ari *ari)
{
	struct waiting_event *waiting;

	ari->generation++;
	resolver_cancel(&ari->lookup);
	websocket_free(&ari->socket);
	event_del(ari->retry_timer);
	event_del(ari->probe_timer);
	ari->probes_out = 0;
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

static void
note_away(struct ari *ari, unsigned int wait_ms, const char *why)
{
	uint64_t now_ms = clock_now_ms();
	uint64_t away_ms, told_ms;

	if (ari->away_ms == 0)
		ari->away_ms = now_ms;
	away_ms = now_ms - ari->away_ms;
	told_ms = now_ms - ari->away_told_ms;
	/* A password that is refused has an alarm of its own. */
	if (away_ms < AWAY_ALARM_MS || ari->refused ||
	    (ari->away_told_ms != 0 && told_ms < AWAY_AGAIN_MS)) {
		log_write(is_old_news(ari) ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN,
		    "ari connection lost, trying again in_ms=%u reason=\"%s\"",
		    wait_ms, why);
		return;
	}
	ari->away_told_ms = now_ms;
	log_err("alarm=ari_away ari connection lost, trying again: no call "
		"arrives here away_ms=%llu in_ms=%u reason=\"%s\"",
	    (unsigned long long)away_ms, wait_ms, why);
}

static void
note_back(struct ari *ari)
{
	if (ari->away_told_ms != 0)
		log_info("ari is back away_ms=%llu",
		    (unsigned long long)(clock_now_ms() - ari->away_ms));
	ari->away_ms = ari->away_told_ms = 0;
}

/* Exponential backoff with jitter: between half of it and all of it. */
static void
retry_later(struct ari *ari, const char *why)
{
	struct timeval tv;
	uint32_t random = 0;
	unsigned int wait_ms;

	forget_connection(ari);
	if (ari->expect_replaced) {
		set_state(ari, ARI_DOWN, why);
		return;
	}
	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
	wait_ms = ari->backoff_ms / 2 + random % (ari->backoff_ms / 2 + 1);
	ari->backoff_ms = ari->backoff_ms * 2 < BACKOFF_MAX_MS
			      ? ari->backoff_ms * 2
			      : BACKOFF_MAX_MS;
	tv.tv_sec = (time_t)(wait_ms / 1000);
	tv.tv_usec = (suseconds_t)(wait_ms % 1000) * 1000;
	event_add(ari->retry_timer, &tv);
	note_away(ari, wait_ms, why);
	set_state(ari, ARI_DOWN, why);
}

void
ari_reconnect(struct ari *ari, const char *why)
{
	log_info("ari connecting anew why=\"%s\"", why);
	ari->backoff_ms = BACKOFF_FIRST_MS;
	connect_now(ari);
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	connect_now(arg);
}

/* -- the lists that come before events --------------------------------------- */

static void
deliver(struct ari *ari, const cJSON *event)
{
	ari->callbacks.on_event(json_string(event, "type"), event, ari->arg);
}

static void
deliver_waiting(struct ari *ari)
{
	uint32_t generation = ari->generation;
	struct waiting_event *waiting;

	while (ari->generation == generation &&
	       (waiting = STAILQ_FIRST(&ari->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&ari->waiting, entry);
		ari->waiting_count--;
		deliver(ari, waiting->event);
		cJSON_Delete(waiting->event);
		free(waiting);
	}
}

static void
listing_complete(struct ari *ari)
{
	cJSON *channels = ari->channels, *bridges = ari->bridges;

	ari->channels = ari->bridges = NULL;
	ari->backoff_ms = BACKOFF_FIRST_MS;
	ari->early_probes = EARLY_PROBES;
	event_add(ari->probe_timer, &early_interval);
	set_state(ari, ARI_UP, "connected");
	note_back(ari);
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
		retry_later(ari, "channels and bridges cannot be listed");
		return;
	}
	if (what == LIST_APPLICATION)
		ari->application_ok = true;
	else if (!keep_list(
		     what == LIST_CHANNELS ? &ari->channels : &ari->bridges,
		     response->body)) {
		retry_later(ari, "out of memory");
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

static void
start_listing(struct ari *ari)
{
	char app[3 * 64 + 1], path[sizeof(app) + 16];

	ari_escape(ari->config->ari_app, app, sizeof(app));
	snprintf(path, sizeof(path), "applications/%s", app);
	if (list(ari, LIST_CHANNELS, "channels") < 0 ||
	    list(ari, LIST_BRIDGES, "bridges") < 0 ||
	    list(ari, LIST_APPLICATION, path) < 0)
		retry_later(ari, "requests cannot be sent");
}

/* -- the probe, and the look whether a taken name is free ----------------------- */

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
		(void)open_socket(ari, "-look");
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
	char app[3 * 64 + 1];

	ari_request(ari, on_look, ari, "GET", NULL, "applications/%s",
	    ari_escape(ari->config->ari_app, app, sizeof(app)));
}

/*
 * An Asterisk that was frozen finds all connections that we made and gave up
 * meanwhile, in any order: one of them may take our application from the one
 * that lives, and end. So a young connection is probed in quick succession.
 */
static void
on_probe_timer(evutil_socket_t fd, short what, void *arg)
{
	struct ari *ari = arg;
	char app[3 * 64 + 1];

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
		retry_later(ari, "events no longer arrive");
		return;
	}
	ari->probes_out++;
	ari_request(ari, NULL, NULL, "POST", NULL,
	    "events/user/" PROBE_NAME "?application=%s",
	    ari_escape(ari->config->ari_app, app, sizeof(app)));
}

static bool
is_probe(const cJSON *event)
{
	return strcmp(json_string(event, "type"), "ChannelUserevent") == 0 &&
	       strcmp(json_string(event, "eventname"), PROBE_NAME) == 0;
}

/* -- events ------------------------------------------------------------------- */

static void
keep_for_later(struct ari *ari, cJSON *event)
{
	struct waiting_event *waiting = NULL;

	if (ari->waiting_count < WAITING_EVENTS_MAX)
		waiting = calloc(1, sizeof(*waiting));
	if (waiting == NULL) {
		cJSON_Delete(event);
		retry_later(ari, "too many events while listing");
		return;
	}
	waiting->event = event;
	STAILQ_INSERT_TAIL(&ari->waiting, waiting, entry);
	ari->waiting_count++;
}

static void
on_replaced(struct ari *ari)
{
	if (ari->expect_replaced) {
		forget_connection(ari);
		set_state(ari, ARI_REPLACED, "by our successor");
		return;
	}
	if (ari->given_up > 0) { /* by one of these, unless it happens again */
		ari->given_up--;
		retry_later(ari, "replaced, perhaps by an earlier connection");
		return;
	}
	log_err("alarm=ari_application_replaced another program uses the "
		"Stasis application app=%s: no new calls arrive here; stop "
		"that program: when it has gone and its last call has ended "
		"the name is taken again, on SIGHUP at once",
	    ari->config->ari_app);
	forget_connection(ari);
	ari->free_looks = ari->idle_looks = 0;
	event_add(ari->probe_timer, &probe_interval);
	set_state(ari, ARI_REPLACED, "ApplicationReplaced");
}

static void
handle_event(struct ari *ari, cJSON *event)
{
	const char *type = json_string(event, "type");

	if (is_probe(event)) {
		ari->probes_out = 0;
		cJSON_Delete(event);
	} else if (strcmp(type, "ApplicationReplaced") == 0) {
		cJSON_Delete(event);
		on_replaced(ari);
	} else if (ari->state == ARI_LISTING) {
		keep_for_later(ari, event);
	} else {
		deliver(ari, event);
		cJSON_Delete(event);
	}
}

static void
on_message(struct websocket *ws, const char *data, size_t len, bool is_binary,
    void *arg)
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

static void
on_open(struct websocket *ws, void *arg)
{
	struct ari *ari = arg;

	(void)ws;
	if (ari->state == ARI_REPLACED) { /* it was only to tidy up */
		websocket_free(&ari->socket);
		return;
	}
	ari->refused = false;
	set_state(ari, ARI_LISTING, "events connected");
	if (!ari->held)
		start_listing(ari);
}

static void
on_close(struct websocket *ws, const struct websocket_closed *closed, void *arg)
{
	struct ari *ari = arg;
	char why[192];

	(void)ws;
	if (ari->closing || ari->state == ARI_REPLACED) {
		websocket_free(&ari->socket);
		return;
	}
	if (closed->reason == WEBSOCKET_HANDSHAKE && closed->status == 401) {
		/* An alarm for each attempt would say no more than one. */
		if (!ari->refused)
			log_err("alarm=ari_password Asterisk refuses the user "
				"of ASTERISK_USERNAME or its "
				"ASTERISK_PASSWORD; see ari.conf");
		ari->refused = true;
	}
	if (closed->reason == WEBSOCKET_TIMEOUT ||
	    closed->reason == WEBSOCKET_DEAD)
		ari->given_up++;
	snprintf(why, sizeof(why), "%s status=%d %s",
	    websocket_reason_name(closed->reason), closed->status,
	    closed->text);
	retry_later(ari, why);
}

/* "Authorization: Basic …" (RFC 7617); the caller wipes it. */
static int
basic_header(const struct config *config, char *buf, size_t size)
{
	char pair[CONFIG_TEXT_MAX + CONFIG_SECRET_MAX + 2];
	unsigned char encoded[sizeof(pair) * 4 / 3 + 8];
	int n = snprintf(pair, sizeof(pair), "%s:%s", config->asterisk_username,
	    config->asterisk_password);

	EVP_EncodeBlock(encoded, (const unsigned char *)pair, n);
	n = snprintf(buf, size, "Authorization: Basic %s", encoded);
	explicit_bzero(pair, sizeof(pair));
	explicit_bzero(encoded, sizeof(encoded));
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static bool
all_loopback(const struct ari *ari)
{
	for (size_t i = 0; i < ari->address_count; i++) {
		if (!net_address_is_loopback(&ari->addresses[i]))
			return false;
	}
	return true;
}

/* For the events of our application, or of one that is called so and SUFFIX. */
static int
open_socket(struct ari *ari, const char *suffix)
{
	const struct config *config = ari->config;
	char app[3 * 64 + 1], path[sizeof(app) + 64], basic[1200];
	const char *headers[] = {basic, NULL};
	struct websocket_config socket = {
	    .addresses = ari->addresses,
	    .address_count = ari->address_count,
	    .host = config->asterisk_host,
	    .path = path,
	    .tls = config->asterisk_tls,
	    .plaintext_allowed =
		!config->asterisk_tls &&
		(config->asterisk_allow_plain_http || all_loopback(ari)),
	    .ca_file = config->asterisk_ca_file[0] != '\0'
			   ? config->asterisk_ca_file
			   : NULL,
	    .subprotocol = "ari",
	    .headers = headers,
	    .handshake_timeout_ms = 5000,
	    .ping_interval_s = PING_S,
	    .dead_peer_s = DEAD_S,
	    .message_max = EVENT_BYTES_MAX,
	    .name = "ari",
	    .callbacks = {on_open, on_message, on_close},
	    .arg = ari,
	};
	int ret;

	ari_escape(config->ari_app, app, sizeof(app));
	snprintf(path, sizeof(path), "/ari/events?app=%s%s&subscribeAll=false",
	    app, suffix);
	ret = basic_header(config, basic, sizeof(basic));
	if (ret == 0)
		ret = websocket_open(&ari->socket, ari->base, &socket);
	explicit_bzero(basic, sizeof(basic));
	return ret;
}

static void
on_resolved(const struct resolver_result *result, void *arg)
{
	struct ari *ari = arg;
	int ret;

	ari->lookup = NULL;
	if (result->err != 0) {
		retry_later(ari, result->text);
		return;
	}
	ari->address_count = result->count;
	memcpy(ari->addresses, result->addresses,
	    result->count * sizeof(result->addresses[0]));
	ret = open_socket(ari, "");
	if (ret < 0)
		retry_later(ari, strerror(-ret));
}

static void
connect_now(struct ari *ari)
{
	int ret;

	forget_connection(ari);
	set_state(ari, ARI_CONNECTING, "trying");
	ret = resolver_lookup(ari->resolver, ari->config->asterisk_host,
	    (uint16_t)ari->config->asterisk_port, 5000, on_resolved, ari,
	    &ari->lookup);
	if (ret < 0)
		retry_later(ari, strerror(-ret));
}

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
	ari->backoff_ms = BACKOFF_FIRST_MS;
	ari->retry_timer = event_new(base, -1, 0, on_retry, ari);
	ari->probe_timer = event_new(base, -1, EV_PERSIST, on_probe_timer, ari);
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
	connect_now(ari);
}

void
ari_start_held(struct ari *ari)
{
	ari->held = true;
	connect_now(ari);
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
	start_listing(ari);
}

void
ari_expect_replaced(struct ari *ari, bool expect)
{
	ari->expect_replaced = expect;
}

bool
ari_is_idle(const struct ari *ari)
{
	return LIST_EMPTY(&ari->requests);
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
	struct request *request;
	struct listing *listing;

	if (ari == NULL)
		return;
	*ari_ptr = NULL;
	if (ari->probe_timer != NULL && ari->retry_timer != NULL)
		forget_connection(ari);
	http_client_free(&ari->http); /* from now on nobody is answered */
	while ((request = LIST_FIRST(&ari->requests)) != NULL)
		request_free(request);
	while ((listing = LIST_FIRST(&ari->listings)) != NULL)
		listing_free(listing);
	if (ari->retry_timer != NULL)
		event_free(ari->retry_timer);
	if (ari->probe_timer != NULL)
		event_free(ari->probe_timer);
	free(ari);
}
