/* SPDX-License-Identifier: MIT */
/*
 * voicecheck.c – the command telefonista-voicecheck, run by `telefonista
 * --check`: does OpenAI accept the key, and does it know the models. A process
 * of its own, because it holds the key and must not hold Asterisk's password.
 *
 * GET /v1/models/{id} costs nothing, needs the same key, and tells when a
 * model will be shut down.
 */
#include "common/clock.h"
#include "common/config.h"
#include "common/http_fetch.h"
#include "common/json.h"
#include "common/proc.h"
#include "common/report.h"
#include "common/startup.h"
#include "common/url.h"

#include <ctype.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	DEADLINE_MS = 10000,
	MODELS_MAX = 16,
};

struct check {
	struct config config;
	struct event_base *base;
	struct http_client *client;
	/* "https://api.openai.com:443/v1" */
	char origin[URL_HOST_SIZE + URL_PATH_SIZE + 32];
	char authorization[CONFIG_SECRET_MAX + 32];
	bool failed;
};

/*
 * OPENAI_REALTIME_URL is wss://HOST/v1/realtime; the models are beside its
 * last segment, https://HOST/v1/models.
 */
static bool
find_origin(struct check *check)
{
	const char *why;
	struct url url;

	if (url_parse(check->config.openai_realtime_url, &url, &why) < 0)
		return false;
	for (size_t len = strlen(url.path); len > 1 && url.path[len - 1] == '/';
	     len--)
		url.path[len - 1] = '\0';
	*strrchr(url.path, '/') = '\0';
	snprintf(check->origin, sizeof(check->origin), "%s://%s%s%s:%u%s",
	    url.tls ? "https" : "http",
	    strchr(url.host, ':') != NULL ? "[" : "", url.host,
	    strchr(url.host, ':') != NULL ? "]" : "", url.port, url.path);
	return true;
}

/* RFC 3986 section 2.1; a fine-tuned model's name has colons. */
static void
percent_encode(char *out, size_t size, const char *text)
{
	size_t n = 0;

	for (; *text != '\0' && n + 4 <= size; text++) {
		unsigned char c = (unsigned char)*text;

		if (isalnum(c) || strchr("-._~", c) != NULL)
			out[n++] = (char)c;
		else
			n += (size_t)snprintf(out + n, size - n, "%%%02X", c);
	}
	out[n] = '\0';
}

static void
report_model(struct check *check, const char *model, const cJSON *json)
{
	const char *date = json_string(json, "shutdown_date");
	char today[16] = "";
	time_t now = clock_wall();
	struct tm tm;

	if (gmtime_r(&now, &tm) != NULL)
		strftime(today, sizeof(today), "%Y-%m-%d", &tm);
	if (date[0] == '\0') {
		report_line(REPORT_OK,
		    "OpenAI accepts the key and knows the model %s", model);
	} else if (strcmp(date, today) > 0) {
		report_line(REPORT_OK,
		    "OpenAI accepts the key and knows the model %s", model);
		report_line(REPORT_WARNING,
		    "OpenAI will shut %s down on %.20s: choose another "
		    "OPENAI_REALTIME_MODEL before",
		    model, date);
	} else {
		report_line(REPORT_ERROR,
		    "OpenAI has shut %s down on %.20s: choose another "
		    "OPENAI_REALTIME_MODEL",
		    model, date);
		check->failed = true;
	}
}

static void
report_refusal(
    struct check *check, const char *model, const struct http_fetched *got)
{
	const cJSON *error = json_object(got->json, "error");
	const char *code = json_string(error, "code");
	const char *message = json_string(error, "message");

	check->failed = true;
	switch (got->status) {
	case 401:
		/* The message repeats parts of the key: not shown. */
		report_line(REPORT_ERROR,
		    "OpenAI does not accept OPENAI_API_KEY (%.60s)",
		    code[0] != '\0' ? code : "HTTP 401");
		break;
	case 403:
		/* A restricted key may hold sessions without reading this. */
		check->failed = false;
		report_line(REPORT_WARNING,
		    "OpenAI does not let this key read models, so %s could "
		    "not be checked: %.200s",
		    model, message);
		break;
	case 404:
		report_line(REPORT_ERROR,
		    "OpenAI does not know the model %s, or the project of "
		    "this key has no access to it: see OPENAI_REALTIME_MODEL",
		    model);
		break;
	case 429:
		report_line(REPORT_ERROR, "OpenAI refuses for now: %s",
		    strcmp(code, "insufficient_quota") == 0
			? "the account has no credit left"
			: "too many requests with this key");
		break;
	default:
		report_line(REPORT_ERROR,
		    "OpenAI answers with HTTP %d to a question about %s "
		    "(%.200s)",
		    got->status, model,
		    message[0] != '\0' ? message : "no reason given");
		break;
	}
}

static void
report_no_answer(struct check *check, const struct http_fetched *got)
{
	const char *remedy = "";

	check->failed = true;
	if (got->result == HTTP_TLS)
		remedy =
		    check->config.openai_ca_file[0] != '\0'
			? "; is OPENAI_CA_FILE the right one?"
			: "; is the clock right, and ca-certificates installed? A CA of your own goes into OPENAI_CA_FILE";
	else if (got->result == HTTP_RESOLVE)
		remedy = "; does DNS work on this machine?";
	else if (got->result == HTTP_TIMEOUT || got->result == HTTP_REFUSED)
		remedy = "; does a firewall forbid the way out?";
	report_line(
	    REPORT_ERROR, "OpenAI is not reached: %s%s", got->error, remedy);
}

/* Returns whether it makes sense to ask for another model. */
static bool
ask(struct check *check, const char *model)
{
	const char *const headers[] = {check->authorization, NULL};
	char url[sizeof(check->origin) + 400];
	char name[384];
	struct http_fetched got;
	bool go_on;

	percent_encode(name, sizeof(name), model);
	snprintf(url, sizeof(url), "%s/models/%s", check->origin, name);
	http_fetch(check->base, check->client,
	    &(struct http_request_config){
		.url = url, .headers = headers, .deadline_ms = DEADLINE_MS},
	    &got);
	if (got.result != HTTP_OK)
		report_no_answer(check, &got);
	else if (got.status == 200)
		report_model(check, model, got.json);
	else
		report_refusal(check, model, &got);
	go_on =
	    got.result == HTTP_OK && (got.status == 200 || got.status == 404);
	http_fetched_free(&got);
	return go_on;
}

static int
open_client(struct check *check)
{
	const char *ca_file = check->config.openai_ca_file;
	const struct http_client_config config = {
	    .ca_file = ca_file[0] != '\0' ? ca_file : NULL};

	check->base = event_base_new();
	if (check->base == NULL)
		return -1;
	return http_client_new(&check->client, check->base, &config);
}

static int
check_voice(const char *config_file, const char *const *models, size_t count)
{
	static struct config_problems problems;
	struct check check = {.failed = false};

	config_load(
	    &check.config, config_file, PROC_ROLE_CALLWORKER, &problems);
	report_problems(&problems);
	if (config_problems_fatal(&problems) > 0) {
		config_wipe(&check.config);
		return PROC_EXIT_CONFIG;
	}
	snprintf(check.authorization, sizeof(check.authorization),
	    "Authorization: Bearer %s", check.config.openai_api_key);
	config_wipe(&check.config);
	if (!find_origin(&check) || open_client(&check) < 0) {
		report_line(REPORT_ERROR, "OpenAI cannot be asked: the "
					  "connection could not be set up");
		check.failed = true;
	} else {
		for (size_t i = 0; i < count; i++) {
			if (!ask(&check, models[i]))
				break;
		}
	}
	http_client_free(&check.client);
	if (check.base != NULL)
		event_base_free(check.base);
	explicit_bzero(check.authorization, sizeof(check.authorization));
	return check.failed ? PROC_EXIT_CONFIG : PROC_EXIT_OK;
}

int
main(int argc, char **argv)
{
	const char *config_file = NULL;
	const char *models[MODELS_MAX];
	size_t count = 0;

	startup_lock_memory();
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--config") == 0)
			config_file = argv[i + 1];
		else if (strcmp(argv[i], "--model") == 0 && count < MODELS_MAX)
			models[count++] = argv[i + 1];
	}
	return check_voice(config_file, models, count);
}
