/* SPDX-License-Identifier: MIT */
/*
 * ari_connection.c – the WebSocket with Asterisk's events: made, lost, and
 * made again after a while.
 */
#include "supervisor/ari_impl.h"

#include "common/clock.h"
#include "common/websocket.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum {
	BACKOFF_MAX_MS = 10000,
	AWAY_ALARM_MS = 5000,  /* no alarm for what is over at once */
	AWAY_AGAIN_MS = 60000, /* from then on all that is said of it */
	PING_S = 2,            /* nothing heard for so long: we ping */
	DEAD_S = 6,            /* … and so long: half-open, to be made anew */
	EVENT_BYTES_MAX = 1024 * 1024,
};

/* -- its end ---------------------------------------------------------------- */

void
ari_connection_forget(struct ari *ari)
{
	ari->generation++;
	resolver_cancel(&ari->lookup);
	websocket_free(&ari->socket);
	event_del(ari->retry_timer);
	event_del(ari->probe_timer);
	ari->probes_out = 0;
	ari_listing_forget(ari);
}

bool
ari_connection_is_old_news(const struct ari *ari)
{
	return ari->away_ms != 0 &&
	       clock_now_ms() - ari->away_ms >= AWAY_AGAIN_MS;
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
		log_write(ari_connection_is_old_news(ari) ? LOG_LEVEL_DEBUG
							  : LOG_LEVEL_WARN,
		    "ari connection lost, trying again in_ms=%u reason=\"%s\"",
		    wait_ms, why);
		return;
	}
	ari->away_told_ms = now_ms;
	log_err("alarm=ari_away ari connection lost, trying again: no call "
		"arrives here away_ms=%llu in_ms=%u reason=\"%s\"",
	    (unsigned long long)away_ms, wait_ms, why);
}

void
ari_connection_retry(struct ari *ari, const char *why)
{
	struct timeval tv;
	uint32_t random = 0;
	unsigned int wait_ms;

	ari_connection_forget(ari);
	if (ari->expect_replaced) {
		ari_set_state(ari, ARI_DOWN, why);
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
	ari_set_state(ari, ARI_DOWN, why);
}

/* -- its beginning ---------------------------------------------------------- */

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
	ari_set_state(ari, ARI_LISTING, "events connected");
	if (!ari->held)
		ari_listing_start(ari);
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
	ari_connection_retry(ari, why);
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

int
ari_connection_open_socket(struct ari *ari, const char *suffix)
{
	const struct config *config = ari->config;
	char app[ARI_APP_SIZE], path[sizeof(app) + 64], basic[1200];
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
	    .callbacks = {on_open, ari_on_message, on_close},
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
		ari_connection_retry(ari, result->text);
		return;
	}
	ari->address_count = result->count;
	memcpy(ari->addresses, result->addresses,
	    result->count * sizeof(result->addresses[0]));
	ret = ari_connection_open_socket(ari, "");
	if (ret < 0)
		ari_connection_retry(ari, strerror(-ret));
}

void
ari_connection_open(struct ari *ari)
{
	int ret;

	ari_connection_forget(ari);
	ari_set_state(ari, ARI_CONNECTING, "trying");
	ret = resolver_lookup(ari->resolver, ari->config->asterisk_host,
	    (uint16_t)ari->config->asterisk_port, 5000, on_resolved, ari,
	    &ari->lookup);
	if (ret < 0)
		ari_connection_retry(ari, strerror(-ret));
}

void
ari_reconnect(struct ari *ari, const char *why)
{
	log_info("ari connecting anew why=\"%s\"", why);
	ari->backoff_ms = ARI_BACKOFF_FIRST_MS;
	ari_connection_open(ari);
}

void
ari_on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	ari_connection_open(arg);
}

void
ari_connection_is_up(struct ari *ari)
{
	ari->backoff_ms = ARI_BACKOFF_FIRST_MS;
	ari_set_state(ari, ARI_UP, "connected");
	if (ari->away_told_ms != 0)
		log_info("ari is back away_ms=%llu",
		    (unsigned long long)(clock_now_ms() - ari->away_ms));
	ari->away_ms = ari->away_told_ms = 0;
}
