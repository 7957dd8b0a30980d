/* SPDX-License-Identifier: MIT */
/*
 * mikrotik.c – one HTTP exchange per job, and what its outcome means.
 *
 * Invariant: text of the service leaves this file only through
 * answer_text(), as valid UTF-8 without control characters, bounded.
 */
#include "toolworker/mikrotik.h"

#include "common/json.h"
#include "common/log.h"
#include "common/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	URL_SIZE = 512,
	HANDOVER_MS = 2000, /* from the service's deadline to the job's */
};

struct mikrotik {
	const struct http_call_network *network;
	struct http_call *probe;
	char query_url[URL_SIZE]; /* "" when there is no service */
	char health_url[URL_SIZE];
};

struct exchange {
	struct http_call *call;
	struct executor_events events;
	unsigned int deadline_ms;
};

/* What a job ends with. */
struct outcome {
	enum tool_status status;
	char text[TOOL_OUTPUT_SIZE];
};

static const char *const json_headers[] = {
    "Content-Type: application/json", "Accept: application/json", NULL};

/* -- from an exchange to an outcome -------------------------------------- */

static void
outcome_set(struct outcome *outcome, enum tool_status status, const char *text)
{
	outcome->status = status;
	snprintf(outcome->text, sizeof(outcome->text), "%s", text);
}

/*
 * Copies valid UTF-8, trimmed, control characters made spaces, cut to the
 * size at a whole letter and then saying so. Returns whether anything but
 * white space was there.
 */
static bool
answer_text(char *buf, size_t size, const char *text)
{
	static const char cut_note[] = "\n[…]";
	size_t len, kept;

	text += strspn(text, " \t\r\n");
	len = strlen(text);
	while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
		len--;
	kept = len < size ? len : utf8_cut(text, len, size - sizeof(cut_note));
	memcpy(buf, text, kept);
	buf[kept] = '\0';
	for (size_t i = 0; i < kept; i++) {
		unsigned char c = (unsigned char)buf[i];

		if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
			buf[i] = ' ';
	}
	if (kept < len)
		memcpy(buf + kept, cut_note, sizeof(cut_note));
	return len > 0;
}

/* success false: why, in whichever member the service says it. */
static void
read_refusal(struct outcome *outcome, const cJSON *answer)
{
	static const char *const places[] = {
	    "error", "response", "message", "detail"};

	outcome->status = TOOL_STATUS_REFUSED;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		if (answer_text(outcome->text, sizeof(outcome->text),
			json_string(answer, places[i])))
			return;
	}
	outcome_set(outcome, TOOL_STATUS_REFUSED,
	    "the service refused without a reason");
}

static void
read_answer(struct outcome *outcome, const struct http_response *response)
{
	const cJSON *success, *text;
	cJSON *answer = NULL;

	if (utf8_count(response->body, response->body_len) >= 0)
		answer = json_parse(response->body, response->body_len);
	success = cJSON_GetObjectItemCaseSensitive(answer, "success");
	text = cJSON_GetObjectItemCaseSensitive(answer, "response");
	if (answer == NULL)
		outcome_set(
		    outcome, TOOL_STATUS_MALFORMED, "the answer is not JSON");
	else if (!cJSON_IsObject(answer) || !cJSON_IsBool(success))
		outcome_set(outcome, TOOL_STATUS_MALFORMED,
		    "the answer has no \"success\"");
	else if (cJSON_IsFalse(success))
		read_refusal(outcome, answer);
	else if (!cJSON_IsString(text))
		outcome_set(outcome, TOOL_STATUS_MALFORMED,
		    "the answer has no text as \"response\"");
	else if (!answer_text(
		     outcome->text, sizeof(outcome->text), text->valuestring))
		outcome_set(outcome, TOOL_STATUS_MALFORMED,
		    "the answer's \"response\" is empty");
	else
		outcome->status = TOOL_STATUS_OK;
	cJSON_Delete(answer);
}

static void
read_http_status(struct outcome *outcome, const struct http_response *response)
{
	enum tool_status status = TOOL_STATUS_HTTP_ERROR;
	char text[64];

	if (response->status == 429 || response->status == 503)
		status = TOOL_STATUS_BUSY;
	else if (response->status == 408 || response->status == 504)
		status = TOOL_STATUS_TIMEOUT;
	if (response->retry_after_s >= 0)
		snprintf(text, sizeof(text), "HTTP %d, retry after %ld s",
		    response->status, response->retry_after_s);
	else
		snprintf(text, sizeof(text), "HTTP %d", response->status);
	outcome_set(outcome, status, text);
}

/* The exchange did not come to its end. */
static enum tool_status
failure_status(const struct http_response *response, unsigned int deadline_ms)
{
	switch (response->result) {
	case HTTP_REFUSED:
	case HTTP_RESOLVE:
	case HTTP_TLS:
		return TOOL_STATUS_UNREACHABLE;
	case HTTP_TIMEOUT:
		/* Long before the deadline it was the connect timeout. */
		return response->status == 0 &&
			       response->elapsed_ms < deadline_ms / 10 * 9
			   ? TOOL_STATUS_UNREACHABLE
			   : TOOL_STATUS_TIMEOUT;
	case HTTP_TOO_LARGE:
		return TOOL_STATUS_MALFORMED;
	case HTTP_BROKEN:
		return response->status != 0 ? TOOL_STATUS_MALFORMED
					     : TOOL_STATUS_UNREACHABLE;
	case HTTP_OK:
	case HTTP_OTHER:
		break;
	}
	return TOOL_STATUS_INTERNAL;
}

/* Answers and reasons of the service may name its customers: not logged. */
static void
log_exchange(
    const struct http_response *response, const struct outcome *outcome)
{
	bool ours = outcome->status != TOOL_STATUS_OK &&
		    outcome->status != TOOL_STATUS_REFUSED;

	log_write(ours ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
	    "mikrotik query %s status=%s http=%d bytes=%zu elapsed_ms=%u "
	    "why=\"%s\"",
	    ours ? "failed" : "answered", tool_status_name(outcome->status),
	    response->status, response->body_len, response->elapsed_ms,
	    ours ? outcome->text : "");
}

static void
on_response(const struct http_response *response, void *arg)
{
	struct exchange *exchange = arg;
	struct executor_events events = exchange->events;
	struct outcome outcome;

	if (response->result != HTTP_OK)
		outcome_set(&outcome,
		    failure_status(response, exchange->deadline_ms),
		    response->error);
	else if (response->status == 200)
		read_answer(&outcome, response);
	else
		read_http_status(&outcome, response);
	free(exchange);
	log_exchange(response, &outcome);
	events.result(outcome.status, outcome.text, events.arg);
}

/* -- from a job to an exchange ------------------------------------------- */

/* The seconds that the service gets: what was asked for, if time is left. */
static int
service_timeout_s(double asked_s, unsigned int deadline_ms)
{
	double left_s = (deadline_ms - (double)HANDOVER_MS) / 1000;

	if (asked_s > left_s)
		asked_s = left_s;
	return asked_s < MIKROTIK_TIMEOUT_MIN_S ? MIKROTIK_TIMEOUT_MIN_S
						: (int)asked_s;
}

/* The JSON to post, or NULL with what is wrong in *WHY_OUT. */
static char *
build_query(const struct executor_request *request, const char **why_out)
{
	const char *question = json_string(request->arguments, "question");
	ssize_t count = utf8_count(question, strlen(question));
	double timeout_s = json_number(
	    request->arguments, "timeout", MIKROTIK_TIMEOUT_DEFAULT_S);
	cJSON *query;
	char *text;

	*why_out = "\"question\" must have 3 to 500 characters";
	if (count < MIKROTIK_QUESTION_MIN || count > MIKROTIK_QUESTION_MAX)
		return NULL;
	*why_out = "\"timeout\" must be 15 to 90 seconds";
	if (timeout_s < MIKROTIK_TIMEOUT_MIN_S ||
	    timeout_s > MIKROTIK_TIMEOUT_MAX_S)
		return NULL;
	*why_out = NULL;
	query = cJSON_CreateObject();
	json_add_string(query, "question", question);
	json_add_int(query, "timeout",
	    service_timeout_s(timeout_s, request->deadline_ms));
	text = cJSON_PrintUnformatted(query);
	cJSON_Delete(query);
	return text;
}

static int
send_query(
    struct mikrotik *mikrotik, struct exchange *exchange, const char *query)
{
	const struct http_request_config http = {
	    .method = "POST",
	    .url = mikrotik->query_url,
	    .headers = json_headers,
	    .body = query,
	    .body_len = strlen(query),
	    .deadline_ms = exchange->deadline_ms,
	    .response_max = MIKROTIK_RESPONSE_MAX,
	};

	return http_call_start(
	    &exchange->call, mikrotik->network, &http, on_response, exchange);
}

/* The job cannot even begin: its result comes before start() returns. */
static void *
refuse(const struct executor_events *events, enum tool_status status,
    const char *why)
{
	log_warn("mikrotik query cannot be sent status=%s why=\"%s\"",
	    tool_status_name(status), why);
	events->result(status, why, events->arg);
	return NULL;
}

static void *
mikrotik_start(void *self, const struct executor_request *request,
    const struct executor_events *events)
{
	struct mikrotik *mikrotik = self;
	struct exchange *exchange;
	const char *why;
	char *query;
	int ret;

	if (mikrotik->query_url[0] == '\0')
		return refuse(events, TOOL_STATUS_UNREACHABLE,
		    "MIKROTIK_API_URL is not set");
	query = build_query(request, &why);
	if (why != NULL)
		return refuse(events, TOOL_STATUS_INVALID_ARGUMENTS, why);
	exchange = calloc(1, sizeof(*exchange));
	if (query == NULL || exchange == NULL) {
		ret = -ENOMEM;
		goto out;
	}
	exchange->events = *events;
	exchange->deadline_ms = request->deadline_ms;
	ret = send_query(mikrotik, exchange, query);
out:
	free(query);
	if (ret == 0)
		return exchange;
	free(exchange);
	return refuse(events,
	    ret == -EBUSY ? TOOL_STATUS_BUSY : TOOL_STATUS_INTERNAL,
	    strerror(-ret));
}

static void
mikrotik_cancel(void *handle)
{
	struct exchange *exchange = handle;

	http_call_cancel(&exchange->call);
	free(exchange);
}

/* -- the service's health ------------------------------------------------- */

static void
on_health(const struct http_response *response, void *arg)
{
	struct mikrotik *mikrotik = arg;

	mikrotik->probe = NULL;
	if (response->result == HTTP_OK && response->status == 200)
		log_info("mikrotik service is up url=%s elapsed_ms=%u",
		    mikrotik->health_url, response->elapsed_ms);
	else if (response->result == HTTP_OK)
		log_warn("mikrotik service is not well url=%s http=%d",
		    mikrotik->health_url, response->status);
	else
		log_warn("mikrotik service cannot be reached, queries will "
			 "fail until it can url=%s result=%s why=\"%s\"",
		    mikrotik->health_url, http_result_name(response->result),
		    response->error);
}

void
mikrotik_probe(struct mikrotik *mikrotik)
{
	const struct http_request_config http = {
	    .url = mikrotik->health_url,
	    .deadline_ms = MIKROTIK_HEALTH_DEADLINE_MS,
	    .response_max = MIKROTIK_RESPONSE_MAX,
	};
	int ret;

	if (mikrotik->health_url[0] == '\0' || mikrotik->probe != NULL)
		return;
	ret = http_call_start(
	    &mikrotik->probe, mikrotik->network, &http, on_health, mikrotik);
	if (ret < 0)
		log_warn("mikrotik service cannot be asked for its health "
			 "why=\"%s\"",
		    strerror(-ret));
}

/* -- life ------------------------------------------------------------------ */

int
mikrotik_new(struct mikrotik **mikrotik_out,
    const struct http_call_network *network, const char *base_url)
{
	struct mikrotik *mikrotik;
	size_t len = strlen(base_url);

	while (len > 0 && base_url[len - 1] == '/')
		len--;
	if (len + sizeof("/health") > URL_SIZE)
		return -EINVAL;
	mikrotik = calloc(1, sizeof(*mikrotik));
	if (mikrotik == NULL)
		return -ENOMEM;
	mikrotik->network = network;
	if (len > 0) {
		snprintf(mikrotik->query_url, URL_SIZE, "%.*s/query", (int)len,
		    base_url);
		snprintf(mikrotik->health_url, URL_SIZE, "%.*s/health",
		    (int)len, base_url);
	}
	*mikrotik_out = mikrotik;
	return 0;
}

void
mikrotik_free(struct mikrotik **mikrotik_ptr)
{
	struct mikrotik *mikrotik = *mikrotik_ptr;

	if (mikrotik == NULL)
		return;
	*mikrotik_ptr = NULL;
	http_call_cancel(&mikrotik->probe);
	free(mikrotik);
}

struct executor
mikrotik_executor(struct mikrotik *mikrotik)
{
	return (struct executor){
	    .name = "mikrotik",
	    .self = mikrotik,
	    .start = mikrotik_start,
	    .cancel = mikrotik_cancel,
	};
}
