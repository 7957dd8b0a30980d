/* SPDX-License-Identifier: MIT */
/*
 * http_outcome.c – from an HTTP response to a status and words.
 *
 * Invariant: text of the service leaves this file only through
 * answer_copy(), where secrets are masked.
 */
#include "toolworker/http_outcome.h"

#include "common/json.h"
#include "common/json_pointer.h"
#include "common/utf8.h"
#include "toolworker/answer.h"
#include "toolworker/http_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void
set(struct http_outcome *outcome, enum tool_status status, const char *text)
{
	outcome->status = status;
	snprintf(outcome->text, sizeof(outcome->text), "%s", text);
}

static void
malformed(struct http_outcome *outcome, const char *why)
{
	set(outcome, TOOL_STATUS_MALFORMED, why);
}

/* "application/json", "application/problem+json; charset=utf-8". */
static bool
is_json_type(const char *type)
{
	size_t len = strcspn(type, "; \t");

	return len == 0 ||
	       (len == 16 && strncasecmp(type, "application/json", len) == 0) ||
	       (len == 9 && strncasecmp(type, "text/json", len) == 0) ||
	       (len > 5 && strncasecmp(type + len - 5, "+json", 5) == 0);
}

/* A page is what a proxy or a login form sends, not an answer. */
static bool
is_text_type(const char *type)
{
	return *type == '\0' || (strncasecmp(type, "text/", 5) == 0 &&
				    strncasecmp(type, "text/html", 9) != 0);
}

/* A string as it is, anything else as JSON. False: nothing is there. */
static bool
copy_value(struct http_outcome *outcome, const cJSON *value,
    const struct tool_secrets *secrets)
{
	char *text;
	bool there;

	if (value == NULL || cJSON_IsNull(value))
		return false;
	if (cJSON_IsString(value))
		return answer_copy(outcome->text, value->valuestring,
		    strlen(value->valuestring), secrets);
	text = cJSON_PrintUnformatted(value);
	there = text != NULL &&
		answer_copy(outcome->text, text, strlen(text), secrets);
	free(text);
	return there;
}

static void
read_refusal(struct http_outcome *outcome, const struct http_tool *tool,
    const cJSON *answer, const char *otherwise,
    const struct tool_secrets *secrets)
{
	const cJSON *place;

	cJSON_ArrayForEach(place, tool->reasons) {
		if (copy_value(outcome,
			json_pointer_find(answer, place->valuestring),
			secrets)) {
			outcome->status = TOOL_STATUS_REFUSED;
			return;
		}
	}
	set(outcome, TOOL_STATUS_REFUSED, otherwise);
}

static bool
is_same_kind(const cJSON *a, const cJSON *b)
{
	return (cJSON_IsBool(a) && cJSON_IsBool(b)) ||
	       (a->type & 0xff) == (b->type & 0xff);
}

static void
read_json(struct http_outcome *outcome, const struct http_tool *tool,
    const cJSON *answer, const struct tool_secrets *secrets)
{
	const cJSON *success = NULL;

	if (*tool->success != '\0')
		success = json_pointer_find(answer, tool->success);
	if (*tool->success != '\0' &&
	    (success == NULL || !is_same_kind(success, tool->success_is)))
		malformed(outcome, "the answer does not say whether it is one");
	else if (success != NULL &&
		 !cJSON_Compare(success, tool->success_is, true))
		read_refusal(outcome, tool, answer,
		    "the service refused without a reason", secrets);
	else if (!copy_value(
		     outcome, json_pointer_find(answer, tool->answer), secrets))
		malformed(outcome, "the answer has nothing where it should be");
	else
		outcome->status = TOOL_STATUS_OK;
}

/* The body as JSON, or its last line; NULL: there is none, for WHY. */
static cJSON *
parse_body(const struct http_tool *tool, const struct http_response *response,
    const char **why_out)
{
	bool is_lines = *tool->progress_done != '\0' &&
			http_lines_is_type(response->content_type);

	*why_out = "the answer's type is not JSON";
	if (!is_lines && !is_json_type(response->content_type))
		return NULL;
	*why_out = "the answer is not JSON";
	if (utf8_count(response->body, response->body_len) < 0)
		return NULL;
	return is_lines ? http_lines_answer(
			      tool, response->body, response->body_len, why_out)
			: json_parse(response->body, response->body_len);
}

static void
read_body(struct http_outcome *outcome, const struct http_tool *tool,
    const struct http_response *response, const struct tool_secrets *secrets)
{
	const char *why;
	cJSON *answer;

	if (!tool->is_text) {
		answer = parse_body(tool, response, &why);
		if (answer == NULL)
			malformed(outcome, why);
		else
			read_json(outcome, tool, answer, secrets);
		cJSON_Delete(answer);
	} else if (!is_text_type(response->content_type)) {
		malformed(outcome, "the answer's type is not plain text");
	} else if (memchr(response->body, '\0', response->body_len) != NULL ||
		   utf8_count(response->body, response->body_len) < 0) {
		malformed(outcome, "the answer is not UTF-8 text");
	} else if (!answer_copy(outcome->text, response->body,
		       response->body_len, secrets)) {
		malformed(outcome, "the answer is empty");
	} else {
		outcome->status = TOOL_STATUS_OK;
	}
}

static void
read_status(struct http_outcome *outcome, const struct http_tool *tool,
    const struct http_response *response, enum tool_status status,
    const struct tool_secrets *secrets)
{
	const char *why;
	char text[64];
	cJSON *answer;

	if (response->retry_after_s >= 0)
		snprintf(text, sizeof(text), "HTTP %d, retry after %ld s",
		    response->status, response->retry_after_s);
	else
		snprintf(text, sizeof(text), "HTTP %d", response->status);
	if (status != TOOL_STATUS_REFUSED) {
		set(outcome, status, text);
		return;
	}
	answer = parse_body(tool, response, &why);
	read_refusal(outcome, tool, answer, text, secrets);
	cJSON_Delete(answer);
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

void
http_outcome_read(struct http_outcome *outcome, const struct http_tool *tool,
    const struct http_response *response, unsigned int deadline_ms,
    const struct tool_secrets *secrets)
{
	enum tool_status status;

	if (response->result != HTTP_OK) {
		set(outcome, failure_status(response, deadline_ms),
		    response->error);
		return;
	}
	status = http_tool_status(tool, response->status);
	if (status == TOOL_STATUS_OK)
		read_body(outcome, tool, response, secrets);
	else
		read_status(outcome, tool, response, status, secrets);
}
