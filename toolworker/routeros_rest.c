/* SPDX-License-Identifier: MIT */
/* routeros_rest.c – commands as HTTP requests, answers as records. */
#include "toolworker/routeros_rest.h"

#include "common/json.h"
#include "common/routeros_tool.h"
#include "toolworker/routeros_value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct routeros_rest {
	struct http_call *call;
	const struct tool_secrets *secrets;
	routeros_outcome_fn *fn;
	void *arg;
};

/* -- the request ----------------------------------------------------------------- */

static bool
is_plain_print(const struct routeros_command *command)
{
	return command->verb != NULL && strcmp(command->verb, "print") == 0 &&
	       command->flag == NULL && command->filter == NULL &&
	       command->names[0] == NULL;
}

static char *
make_url(const struct router *router, const struct routeros_command *command)
{
	bool plain = is_plain_print(command);
	bool bracketed = strchr(router->host, ':') != NULL;
	const char *verb = plain ? NULL : command->verb;
	const char *proplist = plain ? command->proplist : NULL;
	char *url;
	int len = asprintf(&url, "%s://%s%s%s:%u/rest%s%s%s%s%s",
	    router->tls ? "https" : "http", bracketed ? "[" : "", router->host,
	    bracketed ? "]" : "", router->port, command->menu,
	    verb != NULL ? "/" : "", verb != NULL ? verb : "",
	    proplist != NULL ? "?.proplist=" : "",
	    proplist != NULL ? proplist : "");

	return len < 0 ? NULL : url;
}

static char *
make_body(const struct routeros_command *command,
    const struct routeros_values *values)
{
	cJSON *body = cJSON_CreateObject();
	char *text;

	if (command->proplist != NULL)
		json_add_string(body, ".proplist", command->proplist);
	if (command->filter != NULL)
		json_add(body, ".query",
		    cJSON_CreateStringArray(&command->filter, 1));
	if (command->flag != NULL)
		json_add_string(body, command->flag, "");
	for (size_t i = 0; i < ROUTEROS_VALUES_MAX; i++) {
		if (command->names[i] != NULL)
			json_add_string(
			    body, command->names[i], values->list[i]);
	}
	text = cJSON_PrintUnformatted(body);
	cJSON_Delete(body);
	return text;
}

int
routeros_rest_build(const struct router *router,
    const struct routeros_command *command,
    const struct routeros_values *values, char **url_out, char **body_out)
{
	bool plain = is_plain_print(command);
	char *url = make_url(router, command);
	char *body = plain ? NULL : make_body(command, values);

	if (url == NULL || (!plain && body == NULL)) {
		free(url);
		free(body);
		return -ENOMEM;
	}
	*url_out = url;
	*body_out = body;
	return 0;
}

/* -- the answer ------------------------------------------------------------------- */

/* A record's values are texts; what is not one is left out. */
static bool
is_record(const cJSON *item)
{
	return cJSON_IsObject(item) && item->child != NULL;
}

/* One object, or a list of them; "[]" and "[{}]" have none. -E2BIG. */
static int
read_records(struct routeros_outcome *outcome, cJSON *json)
{
	cJSON *records = cJSON_CreateArray();
	cJSON *item, *next;
	int count = 0;

	outcome->records = records;
	if (cJSON_IsObject(json)) {
		cJSON_AddItemToArray(records, json);
		return 0;
	}
	for (item = json->child; item != NULL; item = next) {
		next = item->next;
		if (!is_record(item))
			continue;
		if (count++ == ROUTEROS_RECORDS_MAX)
			break;
		cJSON_AddItemToArray(
		    records, cJSON_DetachItemViaPointer(json, item));
	}
	cJSON_Delete(json);
	return item == NULL ? 0 : -E2BIG;
}

/* The body as JSON, whatever its encoding; or NULL. */
static cJSON *
parse_body(const struct http_response *response)
{
	char *text = routeros_text(response->body, response->body_len);
	cJSON *json = text != NULL ? json_parse(text, strlen(text)) : NULL;

	free(text);
	return json;
}

static void
read_error(struct routeros_outcome *outcome,
    const struct http_response *response, const cJSON *json,
    const struct tool_secrets *secrets)
{
	const char *detail = json_string(json, "detail");

	if (response->status == 401)
		routeros_outcome_fail(
		    outcome, TOOL_STATUS_REFUSED, "%s", ROUTEROS_WHY_LOGIN);
	else if (*detail != '\0')
		routeros_outcome_refuse(outcome, detail, secrets);
	else if (response->status == 403)
		routeros_outcome_fail(outcome, TOOL_STATUS_REFUSED,
		    "%s: the router's web service forbids it (HTTP 403)",
		    ROUTEROS_WHY_PERMISSION);
	else if (response->status == 503 || response->status == 429)
		routeros_outcome_fail(outcome, TOOL_STATUS_BUSY,
		    "the router is busy (HTTP %d)", response->status);
	else
		routeros_outcome_fail(outcome, TOOL_STATUS_REFUSED,
		    "the router refused (HTTP %d)", response->status);
}

static void
read_answer(struct routeros_outcome *outcome,
    const struct http_response *response, const struct tool_secrets *secrets)
{
	cJSON *json = parse_body(response);

	if (response->status >= 400) {
		read_error(outcome, response, json, secrets);
		cJSON_Delete(json);
	} else if (response->status < 200 || response->status > 299) {
		routeros_outcome_fail(outcome, TOOL_STATUS_MALFORMED,
		    "the answer is no RouterOS's (HTTP %d)", response->status);
		cJSON_Delete(json);
	} else if (cJSON_IsObject(json) || cJSON_IsArray(json)) {
		outcome->status = TOOL_STATUS_OK;
		if (read_records(outcome, json) < 0)
			routeros_outcome_fail(outcome, TOOL_STATUS_MALFORMED,
			    "the router sends records without end");
	} else {
		routeros_outcome_fail(
		    outcome, TOOL_STATUS_MALFORMED, "the answer is not JSON");
		cJSON_Delete(json);
	}
}

static enum tool_status
failure_status(const struct http_response *response)
{
	switch (response->result) {
	case HTTP_TIMEOUT:
		return response->sent ? TOOL_STATUS_TIMEOUT
				      : TOOL_STATUS_UNREACHABLE;
	case HTTP_TOO_LARGE:
		return TOOL_STATUS_MALFORMED;
	case HTTP_REFUSED:
	case HTTP_RESOLVE:
	case HTTP_TLS:
	case HTTP_BROKEN: /* also how a router goes down that is restarted */
		return TOOL_STATUS_UNREACHABLE;
	case HTTP_OK:
	case HTTP_OTHER:
		break;
	}
	return TOOL_STATUS_INTERNAL;
}

/* The router's limit begins with the request, not with the connection. */
static unsigned int
left_of_limit(unsigned int sent_ago_ms)
{
	return sent_ago_ms < ROUTEROS_REST_LIMIT_MS
		   ? ROUTEROS_REST_LIMIT_MS - sent_ago_ms
		   : 0;
}

/* Whether it was us who gave up, and not the router. */
static bool
is_abandoned(enum http_result result)
{
	return result == HTTP_TIMEOUT || result == HTTP_TOO_LARGE ||
	       result == HTTP_OTHER;
}

void
routeros_rest_read(struct routeros_outcome *outcome,
    const struct http_response *response, const struct tool_secrets *secrets)
{
	if (response->result == HTTP_OK) {
		read_answer(outcome, response, secrets);
		return;
	}
	routeros_outcome_fail(
	    outcome, failure_status(response), "%s", response->error);
	if (response->sent && is_abandoned(response->result))
		outcome->hold_ms = left_of_limit(response->sent_ago_ms);
}

/* -- one command --------------------------------------------------------------------- */

static void
on_response(const struct http_response *response, void *arg)
{
	struct routeros_rest *rest = arg;
	routeros_outcome_fn *fn = rest->fn;
	void *fn_arg = rest->arg;
	const struct tool_secrets *secrets = rest->secrets;
	struct routeros_outcome outcome = {.status = TOOL_STATUS_INTERNAL};

	free(rest);
	routeros_rest_read(&outcome, response, secrets);
	fn(&outcome, fn_arg);
}

static int
send_command(struct routeros_rest *rest,
    const struct http_call_network *network, const struct router *router,
    const char *password, const char *url, const char *body,
    unsigned int deadline_ms)
{
	static const char *const json_headers[] = {
	    "Content-Type: application/json", NULL};
	const struct http_request_config request = {
	    .url = url,
	    .headers = body != NULL ? json_headers : NULL,
	    .body = body,
	    .body_len = body != NULL ? strlen(body) : 0,
	    .user = router->user,
	    .password = password,
	    .plaintext_forbidden = router->tls,
	    .deadline_ms = deadline_ms,
	    .ca_file = router->ca_file,
	    .pin = router->pinned ? router->pin : NULL,
	    .response_max = ROUTEROS_BYTES_MAX,
	};

	return http_call_start(
	    &rest->call, network, &request, on_response, rest);
}

int
routeros_rest_start(struct routeros_rest **rest_out,
    const struct http_call_network *network, const struct router *router,
    struct tool_secrets *secrets, const struct routeros_command *command,
    const struct routeros_values *values, unsigned int deadline_ms,
    routeros_outcome_fn *fn, void *arg)
{
	const char *password =
	    tool_secrets_find(secrets, router->password_secret);
	struct routeros_rest *rest;
	char *url = NULL;
	char *body = NULL;
	int ret;

	if (password == NULL)
		return -EACCES;
	rest = calloc(1, sizeof(*rest));
	if (rest == NULL)
		return -ENOMEM;
	rest->secrets = secrets;
	rest->fn = fn;
	rest->arg = arg;
	ret = routeros_rest_build(router, command, values, &url, &body);
	if (ret == 0)
		ret = send_command(
		    rest, network, router, password, url, body, deadline_ms);
	free(url);
	free(body);
	if (ret < 0) {
		free(rest);
		return ret;
	}
	*rest_out = rest;
	return 0;
}

unsigned int
routeros_rest_cancel(struct routeros_rest **rest_ptr)
{
	struct routeros_rest *rest = *rest_ptr;
	unsigned int hold_ms = 0, ago_ms;

	if (rest == NULL)
		return 0;
	*rest_ptr = NULL;
	if (http_call_is_sent(rest->call, &ago_ms))
		hold_ms = left_of_limit(ago_ms);
	http_call_cancel(&rest->call);
	free(rest);
	return hold_ms;
}
