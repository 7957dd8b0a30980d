/* SPDX-License-Identifier: MIT */
/*
 * http_executor.c – one request per job, and the redirects that it may take.
 *
 * Invariant: an exchange has exactly one call under way until its result;
 * it is freed before the result is told.
 */
#include "toolworker/http_executor.h"

#include "common/clock.h"
#include "common/http_template.h"
#include "common/http_tool.h"
#include "common/json.h"
#include "common/json_schema.h"
#include "common/log.h"
#include "common/url.h"
#include "toolworker/http_lines.h"
#include "toolworker/http_message.h"
#include "toolworker/http_outcome.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	HANDOVER_MS = 2000, /* from the service's deadline to the job's */
};

struct http_executor {
	const struct http_call_network *network;
	const struct config *config;
	struct tool_secrets *secrets;
};

struct exchange {
	struct http_executor *executor;
	struct executor_events events;
	struct http_call *call;
	cJSON *settings; /* TOOL points into it */
	struct http_tool tool;
	struct http_message message;
	char name[65]; /* of the tool, for log lines */
	bool read_only;
	size_t lines_read; /* bytes of the answer, looked at for progress */
	unsigned int redirects; /* followed so far */
	unsigned int deadline_ms;
	uint64_t started_ms;
};

static void
exchange_free(struct exchange *exchange)
{
	http_call_cancel(&exchange->call);
	http_message_free(&exchange->message);
	cJSON_Delete(exchange->settings);
	free(exchange);
}

/*
 * Answers and reasons of the service may name its customers: not logged, and
 * our own reasons hold nothing of the service but its host and port.
 */
static void
log_outcome(const struct exchange *exchange, const struct http_outcome *outcome,
    const struct http_response *response)
{
	bool ours = outcome->status != TOOL_STATUS_OK &&
		    outcome->status != TOOL_STATUS_REFUSED;

	log_write(ours ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
	    "tool query %s tool=%s status=%s http=%d bytes=%zu elapsed_ms=%u "
	    "why=\"%s\"",
	    ours ? "failed" : "answered", exchange->name,
	    tool_status_name(outcome->status), response->status,
	    response->body_len,
	    (unsigned int)(clock_now_ms() - exchange->started_ms),
	    ours ? outcome->text : "");
}

/* -- the request and its redirects --------------------------------------------- */

static void on_response(const struct http_response *response, void *arg);

static void
on_part(const struct http_part *part, void *arg)
{
	struct exchange *exchange = arg;

	if (http_tool_status(&exchange->tool, part->status) == TOOL_STATUS_OK &&
	    http_lines_is_type(part->content_type))
		http_lines_progress(&exchange->tool, part->body, part->body_len,
		    &exchange->lines_read, exchange->events.progress,
		    exchange->events.arg);
}

static int
send_request(struct exchange *exchange)
{
	unsigned int spent_ms =
	    (unsigned int)(clock_now_ms() - exchange->started_ms);
	struct http_request_config request = {
	    .response_max = exchange->tool.response_max,
	    .once = !exchange->read_only,
	};

	exchange->lines_read = 0;
	if (*exchange->tool.progress_done != '\0')
		request.on_part = on_part;
	if (*exchange->tool.ca_file != '\0')
		request.ca_file = exchange->tool.ca_file;
	request.deadline_ms = spent_ms < exchange->deadline_ms
				  ? exchange->deadline_ms - spent_ms
				  : 1;
	http_message_apply(&exchange->message, &request);
	return http_call_start(&exchange->call, exchange->executor->network,
	    &request, on_response, exchange);
}

static bool
is_same_origin(const char *a, const char *b)
{
	struct url left, right;
	const char *why;

	return url_parse_origin(a, &left, &why) == 0 &&
	       url_parse_origin(b, &right, &why) == 0 &&
	       strcmp(left.scheme, right.scheme) == 0 &&
	       strcasecmp(left.host, right.host) == 0 &&
	       left.port == right.port;
}

/* Whether to follow; *BECOMES_GET_OUT as of RFC 9110 15.4. */
static bool
may_follow(const struct exchange *exchange,
    const struct http_response *response, bool *becomes_get_out)
{
	const char *method = exchange->message.method;
	bool is_get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;

	*becomes_get_out = false;
	if (response->result != HTTP_OK ||
	    exchange->redirects >= exchange->tool.redirects ||
	    *response->redirect_url == '\0' ||
	    !is_same_origin(exchange->message.url, response->redirect_url))
		return false;
	switch (response->status) {
	case 301:
	case 302:
		return is_get; /* clients differ about the others */
	case 303:
		*becomes_get_out = !is_get;
		return true;
	case 307:
	case 308:
		return is_get || exchange->read_only;
	default:
		return false;
	}
}

/* False: RESPONSE is the last one. */
static bool
follow(struct exchange *exchange, const struct http_response *response)
{
	bool becomes_get;

	exchange->call = NULL;
	if (!may_follow(exchange, response, &becomes_get))
		return false;
	exchange->redirects++;
	return http_message_redirect(&exchange->message, response->redirect_url,
		   becomes_get) == 0 &&
	       send_request(exchange) == 0;
}

static void
on_response(const struct http_response *response, void *arg)
{
	struct exchange *exchange = arg;
	struct executor_events events = exchange->events;
	struct http_outcome outcome;

	if (follow(exchange, response))
		return;
	http_outcome_read(&outcome, &exchange->tool, response,
	    exchange->deadline_ms, exchange->executor->secrets);
	log_outcome(exchange, &outcome, response);
	exchange_free(exchange);
	events.result(outcome.status, outcome.text, events.arg);
}

/* -- from a job to a request ------------------------------------------------------ */

/* The seconds that the service gets: what was asked for, if time is left. */
static unsigned int
service_timeout_s(const struct executor_request *request)
{
	const char *name = json_string(request->settings, "timeout_argument");
	const cJSON *property =
	    json_at(request->settings, "parameters", "properties", name, NULL);
	double left_s = ((double)request->deadline_ms - HANDOVER_MS) / 1000;
	double least_s = json_number(property, "minimum", 1);
	double asked_s = json_number(
	    request->arguments, name, json_number(property, "default", left_s));

	if (asked_s > left_s)
		asked_s = left_s;
	if (asked_s < least_s)
		asked_s = least_s;
	return asked_s < 1 ? 1 : (unsigned int)asked_s;
}

static const char *
find_secret(const char *name, void *arg)
{
	return tool_secrets_find(arg, name);
}

static void
on_problem(const char *text, void *arg)
{
	log_err("tool cannot be run tool=%s why=\"%s\"",
	    ((const struct exchange *)arg)->name, text);
}

/* What an error before anything was sent means. */
static enum tool_status
status_of_error(int err)
{
	switch (err) {
	case -EINVAL:
	case -EMSGSIZE:
		return TOOL_STATUS_INVALID_ARGUMENTS;
	case -EACCES:
		return TOOL_STATUS_REFUSED;
	case -ENOENT:
		return TOOL_STATUS_UNREACHABLE;
	default:
		return TOOL_STATUS_INTERNAL;
	}
}

/* Reads the tool, checks the arguments, makes the request; not yet sent. */
static enum tool_status
prepare(struct exchange *exchange, const struct executor_request *request,
    char *why, size_t size)
{
	struct http_template_values values = {
	    .arguments = request->arguments,
	    .parameters = json_object(exchange->settings, "parameters"),
	    .caller = request->caller,
	    .config = exchange->executor->config,
	    .find_secret = find_secret,
	    .arg = exchange->executor->secrets,
	    .timeout_s = service_timeout_s(request),
	};
	int ret;

	snprintf(why, size, "the tool's definition is not one");
	if (values.parameters == NULL ||
	    json_schema_check(values.parameters, why, size) < 0 ||
	    http_tool_read(&exchange->tool, exchange->settings,
		values.parameters, on_problem, exchange) < 0)
		return TOOL_STATUS_INTERNAL;
	if (json_schema_validate(
		values.parameters, request->arguments, why, size) < 0)
		return TOOL_STATUS_INVALID_ARGUMENTS;
	ret = http_message_build(
	    &exchange->message, &exchange->tool, &values, why, size);
	return ret == 0 ? TOOL_STATUS_OK : status_of_error(ret);
}

static struct exchange *
exchange_new(struct http_executor *executor,
    const struct executor_request *request,
    const struct executor_events *events)
{
	struct exchange *exchange = calloc(1, sizeof(*exchange));

	if (exchange == NULL)
		return NULL;
	exchange->settings = cJSON_Duplicate(request->settings, true);
	exchange->executor = executor;
	exchange->events = *events;
	exchange->deadline_ms = request->deadline_ms;
	exchange->started_ms = clock_now_ms();
	exchange->read_only = json_bool(request->settings, "read_only", false);
	snprintf(exchange->name, sizeof(exchange->name), "%s", request->tool);
	return exchange;
}

static void *
http_start(void *self, const struct executor_request *request,
    const struct executor_events *events)
{
	struct exchange *exchange = exchange_new(self, request, events);
	enum tool_status status = TOOL_STATUS_INTERNAL;
	char why[JSON_SCHEMA_WHY_SIZE] = "no memory";
	int ret;

	if (exchange != NULL)
		status = prepare(exchange, request, why, sizeof(why));
	if (status == TOOL_STATUS_OK) {
		ret = send_request(exchange);
		if (ret == 0)
			return exchange;
		status =
		    ret == -EBUSY ? TOOL_STATUS_BUSY : TOOL_STATUS_INTERNAL;
		snprintf(why, sizeof(why), "%s", strerror(-ret));
	}
	/* What is wrong with arguments may repeat them: not logged. */
	log_warn("tool query cannot be sent tool=%s status=%s why=\"%s\"",
	    request->tool, tool_status_name(status),
	    status == TOOL_STATUS_INVALID_ARGUMENTS ? "" : why);
	if (exchange != NULL)
		exchange_free(exchange);
	events->result(status, why, events->arg);
	return NULL;
}

static void
http_cancel(void *handle)
{
	exchange_free(handle);
}

/* -- life ---------------------------------------------------------------------------- */

int
http_executor_new(struct http_executor **executor_out,
    const struct http_call_network *network, const struct config *config,
    struct tool_secrets *secrets)
{
	struct http_executor *executor = calloc(1, sizeof(*executor));

	if (executor == NULL)
		return -ENOMEM;
	executor->network = network;
	executor->config = config;
	executor->secrets = secrets;
	*executor_out = executor;
	return 0;
}

void
http_executor_free(struct http_executor **executor)
{
	free(*executor);
	*executor = NULL;
}

struct executor
http_executor_interface(struct http_executor *executor)
{
	return (struct executor){
	    .name = "http",
	    .self = executor,
	    .start = http_start,
	    .cancel = http_cancel,
	};
}
