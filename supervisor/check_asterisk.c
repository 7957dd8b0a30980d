/* SPDX-License-Identifier: MIT */
/*
 * check_asterisk.c – asks a running Asterisk whether it is fit for us.
 *
 * Only two things are written. A user event to an application that does not
 * exist, which Asterisk refuses with 404 after it has checked the user's
 * rights: a read_only user gets 403 (res_ari.c looks at the method first). And
 * a bridge with nobody in it, into which FALLBACK_SOUND is played for a moment.
 */
#include "supervisor/check_asterisk.h"

#include "common/clock.h"
#include "common/http_fetch.h"
#include "common/json.h"
#include "common/report.h"
#include "supervisor/ari.h"
#include "supervisor/tools.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	DEADLINE_MS = 5000,
	SOUND_TURN_MS = 20,
	SOUND_BEGINS_MS = 3000, /* then Asterisk is too busy to tell */
	/* What is not there, or cannot be decoded, ends sooner. */
	SOUND_PLAYS_MS = 300,
	PATH_SIZE = 3 * CONFIG_TEXT_MAX + 256,
};

struct check {
	struct event_base *base;
	struct http_client *client;
	const struct config *config;
	char origin[CONFIG_TEXT_MAX + 32]; /* "http://127.0.0.1:8088" */
	bool failed;
};

/* What etc/asterisk/modules.conf lists and we cannot do without. */
static const struct {
	const char *name;
	const char *purpose;
} modules[] = {
    {"res_http_websocket.so", "events"},
    {"res_stasis.so", "calls"},
    {"res_stasis_answer.so", "answering"},
    {"res_stasis_playback.so", "FALLBACK_SOUND"},
    {"res_ari.so", "all requests"},
    {"res_ari_applications.so", "reconnecting"},
    {"res_ari_bridges.so", "connecting caller and voice"},
    {"res_ari_channels.so", "calls"},
    {"res_ari_events.so", "events"},
    {"app_stasis.so", "Stasis() in the dialplan"},
    {"chan_rtp.so", "external media: the audio"},
};

static void
fetch(struct check *check, const char *method, const char *path,
    struct http_fetched *got)
{
	char url[CONFIG_TEXT_MAX + 32 + PATH_SIZE];

	snprintf(url, sizeof(url), "%s/ari/%s", check->origin, path);
	http_fetch(check->base, check->client,
	    &(struct http_request_config){.method = method,
		.url = url,
		.user = check->config->asterisk_username,
		.password = check->config->asterisk_password,
		.deadline_ms = DEADLINE_MS},
	    got);
}

static void __attribute__((format(printf, 2, 3)))
fail(struct check *check, const char *fmt, ...)
{
	char text[REPORT_LINE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	report_line(REPORT_ERROR, "%s", text);
	check->failed = true;
}

static void
report_no_answer(struct check *check, const struct http_fetched *got)
{
	switch (got->result) {
	case HTTP_TLS:
		fail(check,
		    "Asterisk: %s; see ASTERISK_TLS, ASTERISK_CA_FILE and "
		    "tlscertfile in http.conf",
		    got->error);
		break;
	case HTTP_RESOLVE:
		fail(check, "Asterisk: %s; see ASTERISK_HOST", got->error);
		break;
	case HTTP_REFUSED:
	case HTTP_TIMEOUT:
		fail(check,
		    "Asterisk: %s; is it running, and does http.conf say "
		    "enabled=yes with the bindaddr and bindport of "
		    "ASTERISK_HOST and ASTERISK_PORT?",
		    got->error);
		break;
	case HTTP_OK:
	case HTTP_TOO_LARGE:
	case HTTP_BROKEN:
	case HTTP_OTHER:
		fail(check,
		    "Asterisk: %s; is ASTERISK_PORT really its HTTP port "
		    "(and ASTERISK_TLS right)?",
		    got->error);
		break;
	}
}

/* Returns whether more can be asked. */
static bool
check_reachable(struct check *check)
{
	struct http_fetched got;
	const char *version;
	bool good = false;

	fetch(check, "GET", "asterisk/info", &got);
	version = json_string(json_at(got.json, "system", NULL), "version");
	if (got.result != HTTP_OK) {
		report_no_answer(check, &got);
	} else if (got.status == 200 && version[0] != '\0') {
		report_line(REPORT_OK, "Asterisk %.40s answers at %s", version,
		    check->origin);
		good = true;
	} else if (got.status == 401) {
		fail(check,
		    "Asterisk answers at %s, but not to this user: "
		    "ASTERISK_USERNAME and ASTERISK_PASSWORD must be those "
		    "of a user in ari.conf",
		    check->origin);
	} else if (got.status == 404) {
		fail(check,
		    "%s answers, but without ARI: ari.conf must say "
		    "enabled=yes, and res_ari.so and res_ari_asterisk.so be "
		    "loaded",
		    check->origin);
	} else if (got.status == 503) {
		fail(check, "Asterisk is still starting: try again");
	} else {
		fail(check,
		    "%s answers with HTTP %d to asterisk/info: is that "
		    "Asterisk? See ASTERISK_HOST and ASTERISK_PORT",
		    check->origin, got.status);
	}
	http_fetched_free(&got);
	return good;
}

static void
check_may_write(struct check *check)
{
	const char *user = check->config->asterisk_username;
	struct http_fetched got;

	fetch(check, "POST",
	    "events/user/telefonista-check?application=telefonista-check",
	    &got);
	if (got.result != HTTP_OK)
		report_no_answer(check, &got);
	else if (got.status == 403)
		fail(check,
		    "the ARI user %.60s may only read: ari.conf must say "
		    "read_only=no for it",
		    user);
	else if (got.status == 404 || got.status / 100 == 2)
		report_line(
		    REPORT_OK, "the ARI user %.60s may act on calls", user);
	else
		fail(check,
		    "Asterisk answers with HTTP %d to a user event: may the "
		    "ARI user %.60s write?",
		    got.status, user);
	http_fetched_free(&got);
}

/* -1: cannot be told. */
static int
module_is_running(struct check *check, const char *name)
{
	struct http_fetched got;
	char path[96];
	int running = -1;

	snprintf(path, sizeof(path), "asterisk/modules/%s", name);
	fetch(check, "GET", path, &got);
	if (got.result == HTTP_OK && got.status == 200)
		running =
		    strcmp(json_string(got.json, "status"), "Running") == 0;
	else if (got.result == HTTP_OK &&
		 (got.status == 404 || got.status == 409))
		running = 0;
	http_fetched_free(&got);
	return running;
}

static void
check_modules(struct check *check)
{
	size_t count = sizeof(modules) / sizeof(modules[0]);
	size_t running = 0;

	for (size_t i = 0; i < count; i++) {
		int state = module_is_running(check, modules[i].name);

		running += state == 1;
		if (state == 0)
			fail(check,
			    "Asterisk has not loaded %s (%s): modules.conf, "
			    "or asterisk -rx 'module load %s'",
			    modules[i].name, modules[i].purpose,
			    modules[i].name);
		else if (state < 0)
			report_line(REPORT_WARNING,
			    "Asterisk does not say whether %s is loaded",
			    modules[i].name);
	}
	if (running == count)
		report_line(REPORT_OK,
		    "Asterisk has loaded chan_rtp and the %zu other modules "
		    "that are needed",
		    count - 1);
}

/* -- telephones to which callers are transferred ---------------------------- */

/*
 * Only of PJSIP/NAME can be told whether it exists, and only with
 * res_ari_endpoints; where a dialplan leads to ARI does not say.
 */
static void
check_telephone(struct check *check, const char *tool, const cJSON *destination,
    const char *endpoint)
{
	struct http_fetched got;
	const char *message;
	char path[192];

	snprintf(path, sizeof(path), "endpoints/%s", endpoint);
	fetch(check, "GET", path, &got);
	message = json_string(got.json, "message");
	if (got.result != HTTP_OK)
		report_line(REPORT_WARNING, "Asterisk: %s", got.error);
	else if (got.status == 404 &&
		 strcmp(message, "Endpoint not found") == 0)
		report_line(REPORT_WARNING,
		    "%s: Asterisk has no endpoint %s (destination %s)", tool,
		    endpoint, destination->string);
	else if (got.status == 200 &&
		 strcmp(json_string(got.json, "state"), "offline") == 0)
		report_line(REPORT_WARNING,
		    "%s: %s is not there at the moment (destination %s)", tool,
		    endpoint, destination->string);
	http_fetched_free(&got);
}

static void
check_telephones(struct check *check, const struct tools *tools)
{
	static const char plain[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "0123456789-._";

	for (size_t i = 0; i < tools_count(tools); i++) {
		const struct tool *tool = tools_at(tools, i);
		const cJSON *destination;

		cJSON_ArrayForEach(
		    destination, json_object(tool->settings, "destinations")) {
			const char *endpoint =
			    json_string(destination, "endpoint");

			if (strncmp(endpoint, "PJSIP/", 6) == 0 &&
			    endpoint[6 + strspn(endpoint + 6, plain)] == '\0')
				check_telephone(
				    check, tool->name, destination, endpoint);
		}
	}
}

/* -- what callers hear when nobody can speak -------------------------------- */

enum sound {
	SOUND_PLAYS,
	SOUND_FAILS,
	SOUND_UNKNOWN,
};

/* "": it is not there (any more); NULL: Asterisk does not say. */
static const char *
playback_state(struct check *check, const char *id, char *buf, size_t size)
{
	struct http_fetched got;
	const char *state = NULL;
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "playbacks/%s", id);
	fetch(check, "GET", path, &got);
	if (got.result == HTTP_OK && got.status == 200) {
		snprintf(buf, size, "%s", json_string(got.json, "state"));
		state = buf;
	} else if (got.result == HTTP_OK && got.status == 404 &&
		   strcmp(json_string(got.json, "message"),
		       "Resource not found") != 0) {
		state = "";
	}
	http_fetched_free(&got);
	return state;
}

/* Only its end would be told by an event: so whether it lasts. */
static enum sound
watch_playback(struct check *check, const char *id)
{
	uint64_t begun_ms = clock_now_ms(), playing_ms = 0;
	char buf[16];

	for (;;) {
		const char *state = playback_state(check, id, buf, sizeof(buf));
		uint64_t now_ms = clock_now_ms();

		if (state == NULL)
			return SOUND_UNKNOWN;
		if (strcmp(state, "playing") == 0 && playing_ms == 0)
			playing_ms = now_ms;
		if (playing_ms != 0 && now_ms - playing_ms >= SOUND_PLAYS_MS)
			return SOUND_PLAYS;
		if (state[0] == '\0')
			return SOUND_FAILS;
		if (now_ms - begun_ms >= SOUND_BEGINS_MS)
			return SOUND_UNKNOWN;
		poll(NULL, 0, SOUND_TURN_MS);
	}
}

static void delete (struct check *check, const char *kind, const char *id)
{
	struct http_fetched got;
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%s", kind, id);
	fetch(check, "DELETE", path, &got);
	http_fetched_free(&got);
}

static enum sound
play_into(struct check *check, const char *bridge)
{
	enum sound sound = SOUND_UNKNOWN;
	struct http_fetched got;
	char path[PATH_SIZE], media[3 * CONFIG_TEXT_MAX];

	snprintf(path, sizeof(path), "bridges/%s/play?media=%s&playbackId=%s",
	    bridge,
	    ari_escape(check->config->fallback_sound, media, sizeof(media)),
	    bridge);
	fetch(check, "POST", path, &got);
	if (got.result == HTTP_OK && got.status / 100 == 2)
		sound = watch_playback(check, bridge);
	http_fetched_free(&got);
	/* Else Asterisk would log that it failed. */
	if (sound == SOUND_PLAYS)
		delete (check, "playbacks", bridge);
	return sound;
}

static enum sound
try_sound(struct check *check)
{
	enum sound sound = SOUND_UNKNOWN;
	struct http_fetched got;
	char path[PATH_SIZE], bridge[64];

	snprintf(bridge, sizeof(bridge), "telefonista-check-%llx",
	    (unsigned long long)clock_now_ns());
	snprintf(path, sizeof(path), "bridges?type=mixing&bridgeId=%s", bridge);
	fetch(check, "POST", path, &got);
	if (got.result == HTTP_OK && got.status / 100 == 2)
		sound = play_into(check, bridge);
	http_fetched_free(&got);
	delete (check, "bridges", bridge); /* also if its answer was lost */
	return sound;
}

/* Without FALLBACK_CONTEXT nothing else is heard; else a dialplan may do so. */
static void
check_fallback_sound(struct check *check)
{
	const char *name = check->config->fallback_sound;
	bool needed = check->config->fallback_context[0] == '\0';

	if (name[0] == '\0')
		return;
	switch (try_sound(check)) {
	case SOUND_PLAYS:
		report_line(REPORT_OK, "Asterisk can play %.80s", name);
		break;
	case SOUND_FAILS:
		check->failed = check->failed || needed;
		report_line(needed ? REPORT_ERROR : REPORT_WARNING,
		    "FALLBACK_SOUND: Asterisk cannot play %.80s: copy it to "
		    "its folder of sounds (see etc/asterisk/README.md), "
		    "readable for its user, in a format of `core show file "
		    "formats`",
		    name);
		break;
	case SOUND_UNKNOWN:
		report_line(REPORT_WARNING,
		    "FALLBACK_SOUND: Asterisk does not say whether it can "
		    "play %.80s: that needs chan_bridge_media.so and "
		    "res_ari_playbacks.so",
		    name);
		break;
	}
}

bool
check_asterisk(struct event_base *base, const struct config *config,
    const struct tools *tools)
{
	const char *ca_file = config->asterisk_ca_file;
	const struct http_client_config client = {
	    .ca_file = ca_file[0] != '\0' ? ca_file : NULL};
	bool is_v6 = strchr(config->asterisk_host, ':') != NULL;
	struct check check = {.base = base, .config = config};

	snprintf(check.origin, sizeof(check.origin), "%s://%s%s%s:%ld",
	    config->asterisk_tls ? "https" : "http", is_v6 ? "[" : "",
	    config->asterisk_host, is_v6 ? "]" : "", config->asterisk_port);
	if (http_client_new(&check.client, base, &client) < 0) {
		fail(&check, "Asterisk cannot be asked: see ASTERISK_CA_FILE");
		return false;
	}
	if (check_reachable(&check)) {
		check_may_write(&check);
		check_modules(&check);
		check_telephones(&check, tools);
		if (!check.failed)
			check_fallback_sound(&check);
	}
	http_client_free(&check.client);
	return !check.failed;
}
