/* SPDX-License-Identifier: MIT */
/*
 * http_tool.c – reads and checks what a tool of type "http" declares.
 *
 * Invariant: what passes here can be sent; only values are still unknown.
 */
#include "common/http_tool.h"

#include "common/http_template.h"
#include "common/json.h"
#include "common/json_pointer.h"
#include "common/tool_reader.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	TEXT_MAX = 4096, /* bytes of one template */
	PATH_TEXT_MAX = 255,
};

/* One run of http_tool_read(). */
static const char *const members[] = {"type", "executor", "parameters",
    "timeout_argument", "read_only", "method", "url", "headers", "body", "form",
    "user", "password", "ca_file", "redirects", "response"};
static const char *const response_members[] = {
    "type", "answer", "success", "reason", "status", "progress", "max_bytes"};
static const char *const methods[] = {
    "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool
is_one_of(const char *word, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(word, words[i]) == 0)
			return true;
	}
	return false;
}

/* A string of 1 … MAX bytes, "" if it is not there. */
static const char *
take_text(struct tool_reader *reader, const char *key, size_t max)
{
	const cJSON *item =
	    cJSON_GetObjectItemCaseSensitive(reader->settings, key);

	if (item == NULL)
		return "";
	if (!cJSON_IsString(item) || item->valuestring[0] == '\0' ||
	    strlen(item->valuestring) > max) {
		tool_reader_bad(reader,
		    "\"%s\" must be a text of 1 to %zu bytes", key, max);
		return "";
	}
	return item->valuestring;
}

static const char *
take_template(
    struct tool_reader *reader, const char *key, enum http_place place)
{
	const char *text = take_text(reader, key, TEXT_MAX);
	char why[HTTP_TEMPLATE_WHY_SIZE];

	if (*text != '\0' && http_template_check(text, place,
				 reader->parameters, why, sizeof(why)) < 0)
		tool_reader_bad(reader, "\"%s\": %s", key, why);
	return text;
}

/* -- the request --------------------------------------------------------------- */

/* RFC 9110 5.6.2 */
static bool
is_token(const char *name)
{
	if (*name == '\0')
		return false;
	for (; *name != '\0'; name++) {
		if (!isascii((unsigned char)*name) ||
		    (!isalnum((unsigned char)*name) &&
			strchr("!#$%&'*+-.^_`|~", *name) == NULL))
			return false;
	}
	return true;
}

/* What frames the message or names its receiver is not the operator's. */
static bool
is_reserved_header(const char *name)
{
	static const char *const names[] = {"Host", "Content-Length",
	    "Transfer-Encoding", "Connection", "Expect", "Upgrade", "TE",
	    "Trailer"};

	for (size_t i = 0; i < COUNT(names); i++) {
		if (strcasecmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

/* An object of templates, or NULL. */
static const cJSON *
take_templates(
    struct tool_reader *reader, const char *key, enum http_place place)
{
	const cJSON *object =
	    cJSON_GetObjectItemCaseSensitive(reader->settings, key);
	char why[HTTP_TEMPLATE_WHY_SIZE];
	const cJSON *item;

	if (object == NULL)
		return NULL;
	if (!cJSON_IsObject(object)) {
		tool_reader_bad(
		    reader, "\"%s\" must be an object of texts", key);
		return NULL;
	}
	cJSON_ArrayForEach(item, object) {
		if (!cJSON_IsString(item) ||
		    strlen(item->valuestring) > TEXT_MAX)
			tool_reader_bad(reader,
			    "\"%s\": \"%.64s\" must be a text", key,
			    item->string);
		else if (http_template_check(item->valuestring, place,
			     reader->parameters, why, sizeof(why)) < 0)
			tool_reader_bad(reader, "\"%s\": \"%.64s\": %s", key,
			    item->string, why);
	}
	return object;
}

static const cJSON *
take_headers(struct tool_reader *reader)
{
	const cJSON *headers =
	    take_templates(reader, "headers", HTTP_PLACE_HEADER);
	const cJSON *item;

	cJSON_ArrayForEach(item, headers) {
		if (!is_token(item->string) || is_reserved_header(item->string))
			tool_reader_bad(reader,
			    "\"headers\": \"%.64s\" is not a header that a "
			    "tool may set",
			    item->string);
	}
	if (cJSON_GetArraySize(headers) > HTTP_TOOL_HEADERS_MAX)
		tool_reader_bad(reader, "\"headers\" may hold %d of them",
		    HTTP_TOOL_HEADERS_MAX);
	return headers;
}

static const char *
take_method(struct tool_reader *reader, bool has_content)
{
	const char *method = take_text(reader, "method", 8);
	bool takes_content;

	if (*method == '\0')
		return has_content ? "POST" : "GET";
	if (!is_one_of(method, methods, COUNT(methods)))
		tool_reader_bad(reader,
		    "\"method\" must be GET, POST, PUT, PATCH, DELETE or HEAD");
	takes_content =
	    strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0;
	if (has_content && !takes_content)
		tool_reader_bad(reader, "\"method\": %s has no body", method);
	return method;
}

static const char *
take_ca_file(struct tool_reader *reader)
{
	const char *path = take_text(reader, "ca_file", PATH_TEXT_MAX);

	if (*path != '\0' && *path != '/')
		tool_reader_bad(reader, "\"ca_file\" must be an absolute path");
	return path;
}

static void
take_request(struct tool_reader *reader, struct http_tool *tool)
{
	char why[HTTP_TEMPLATE_WHY_SIZE];

	tool->url = take_template(reader, "url", HTTP_PLACE_URL);
	if (*tool->url == '\0')
		tool_reader_bad(reader, "\"url\" is missing");
	tool->headers = take_headers(reader);
	tool->form = take_templates(reader, "form", HTTP_PLACE_FORM);
	tool->body = cJSON_GetObjectItemCaseSensitive(reader->settings, "body");
	if (tool->body != NULL && tool->form != NULL)
		tool_reader_bad(
		    reader, "\"body\" and \"form\" cannot both be sent");
	if (tool->body != NULL && http_template_check_json(tool->body,
				      reader->parameters, why, sizeof(why)) < 0)
		tool_reader_bad(reader, "\"body\": %s", why);
	tool->method =
	    take_method(reader, tool->body != NULL || tool->form != NULL);
	tool->user = take_template(reader, "user", HTTP_PLACE_CREDENTIAL);
	tool->password =
	    take_template(reader, "password", HTTP_PLACE_CREDENTIAL);
	if (*tool->password != '\0' && *tool->user == '\0')
		tool_reader_bad(reader, "\"password\" needs a \"user\"");
	tool->ca_file = take_ca_file(reader);
}

/* -- the answer ------------------------------------------------------------------ */

static const char *
take_pointer(struct tool_reader *reader, const cJSON *object, const char *key,
    const char *where)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	if (item == NULL)
		return "";
	if (cJSON_IsString(item) && json_pointer_is_valid(item->valuestring))
		return item->valuestring;
	tool_reader_bad(reader,
	    "%s\"%s\" must be a JSON pointer such as \"/data/0\"", where, key);
	return "";
}

static void
take_success(
    struct tool_reader *reader, const cJSON *response, struct http_tool *tool)
{
	static const char *const names[] = {"pointer", "equals"};
	const cJSON *success =
	    cJSON_GetObjectItemCaseSensitive(response, "success");

	if (success == NULL)
		return;
	tool_reader_check_members(reader, success,
	    "\"response\": \"success\": ", names, COUNT(names));
	tool->success = take_pointer(
	    reader, success, "pointer", "\"response\": \"success\": ");
	tool->success_is = cJSON_GetObjectItemCaseSensitive(success, "equals");
	if (*tool->success == '\0' || tool->success_is == NULL ||
	    cJSON_IsObject(tool->success_is) || cJSON_IsArray(tool->success_is))
		tool_reader_bad(reader,
		    "\"response\": \"success\" must have a \"pointer\" and "
		    "\"equals\", a simple value");
}

static void
take_reasons(
    struct tool_reader *reader, const cJSON *response, struct http_tool *tool)
{
	const cJSON *reasons =
	    cJSON_GetObjectItemCaseSensitive(response, "reason");
	const cJSON *item;

	if (reasons == NULL)
		return;
	if (!cJSON_IsArray(reasons) ||
	    cJSON_GetArraySize(reasons) > HTTP_TOOL_REASONS_MAX) {
		tool_reader_bad(reader,
		    "\"response\": \"reason\" must be a list of at most %d "
		    "JSON pointers",
		    HTTP_TOOL_REASONS_MAX);
		return;
	}
	cJSON_ArrayForEach(item, reasons) {
		if (!cJSON_IsString(item) ||
		    !json_pointer_is_valid(item->valuestring))
			tool_reader_bad(reader,
			    "\"response\": \"reason\": not a JSON pointer");
	}
	tool->reasons = reasons;
}

static void
take_progress(
    struct tool_reader *reader, const cJSON *response, struct http_tool *tool)
{
	static const char where[] = "\"response\": \"progress\": ";
	static const char *const names[] = {"done", "total"};
	const cJSON *progress =
	    cJSON_GetObjectItemCaseSensitive(response, "progress");

	tool->progress_done = tool->progress_total = "";
	if (progress == NULL)
		return;
	tool_reader_check_members(reader, progress, where, names, COUNT(names));
	tool->progress_done = take_pointer(reader, progress, "done", where);
	tool->progress_total = take_pointer(reader, progress, "total", where);
	if (*tool->progress_done == '\0')
		tool_reader_bad(reader,
		    "\"response\": \"progress\" must have \"done\", a JSON "
		    "pointer, and may have \"total\"");
}

static bool
is_http_status(const char *text)
{
	return strlen(text) == 3 && text[0] >= '2' && text[0] <= '5' &&
	       isdigit((unsigned char)text[1]) &&
	       isdigit((unsigned char)text[2]);
}

static void
take_statuses(
    struct tool_reader *reader, const cJSON *response, struct http_tool *tool)
{
	static const char *const allowed[] = {
	    "ok", "refused", "busy", "timeout", "http_error", "unreachable"};
	const cJSON *item;

	tool->statuses = cJSON_GetObjectItemCaseSensitive(response, "status");
	if (tool->statuses != NULL && !cJSON_IsObject(tool->statuses))
		tool_reader_bad(
		    reader, "\"response\": \"status\" must be an object");
	cJSON_ArrayForEach(item, tool->statuses) {
		if (item->string == NULL || !is_http_status(item->string) ||
		    !cJSON_IsString(item) ||
		    !is_one_of(item->valuestring, allowed, COUNT(allowed)))
			tool_reader_bad(reader,
			    "\"response\": \"status\": \"%.16s\": an HTTP "
			    "status, and ok, refused, busy, timeout, "
			    "http_error or unreachable, are wanted",
			    item->string != NULL ? item->string : "");
	}
}

static long
take_number(struct tool_reader *reader, const cJSON *object, const char *key,
    long otherwise, long min, long max)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	if (item == NULL)
		return otherwise;
	if (cJSON_IsNumber(item) && item->valuedouble >= (double)min &&
	    item->valuedouble <= (double)max)
		return (long)item->valuedouble;
	tool_reader_bad(
	    reader, "\"%s\" must be a number from %ld to %ld", key, min, max);
	return otherwise;
}

static void
take_response(struct tool_reader *reader, struct http_tool *tool)
{
	const cJSON *response =
	    cJSON_GetObjectItemCaseSensitive(reader->settings, "response");
	const char *type = json_string(response, "type");

	if (response != NULL && !cJSON_IsObject(response)) {
		tool_reader_bad(reader, "\"response\" must be an object");
		response = NULL;
	}
	if (response != NULL)
		tool_reader_check_members(reader, response,
		    "\"response\": ", response_members,
		    COUNT(response_members));
	if (json_at(response, "type", NULL) != NULL &&
	    strcmp(type, "json") != 0 && strcmp(type, "text") != 0)
		tool_reader_bad(
		    reader, "\"response\": \"type\" must be json or text");
	tool->is_text = strcmp(type, "text") == 0;
	tool->answer =
	    take_pointer(reader, response, "answer", "\"response\": ");
	take_success(reader, response, tool);
	take_reasons(reader, response, tool);
	take_statuses(reader, response, tool);
	take_progress(reader, response, tool);
	tool->response_max = (size_t)take_number(reader, response, "max_bytes",
	    HTTP_TOOL_RESPONSE_DEFAULT, 1, HTTP_TOOL_RESPONSE_MAX);
	if (tool->is_text && (*tool->answer != '\0' || *tool->success != '\0' ||
				 *tool->progress_done != '\0'))
		tool_reader_bad(
		    reader, "\"response\": a text has no JSON pointers");
}

static void
on_caller(const char *name, void *arg)
{
	(void)name;
	*(bool *)arg = true;
}

static void
look_at_callers(const cJSON *value, bool *asks)
{
	const cJSON *item;

	if (cJSON_IsString(value))
		http_template_each_caller(value->valuestring, on_caller, asks);
	cJSON_ArrayForEach(item, value)
		look_at_callers(item, asks);
}

int
http_tool_read(struct http_tool *tool_out, const cJSON *settings,
    const cJSON *parameters, http_tool_problem_fn *problem, void *arg)
{
	struct tool_reader reader = {
	    .settings = settings,
	    .parameters = parameters,
	    .problem = problem,
	    .arg = arg,
	    .good = true,
	};
	struct http_tool tool = {.success = ""};

	tool_reader_check_members(
	    &reader, settings, "", members, COUNT(members));
	take_request(&reader, &tool);
	tool.redirects = (unsigned int)take_number(
	    &reader, settings, "redirects", 0, 0, HTTP_TOOL_REDIRECTS_MAX);
	take_response(&reader, &tool);
	/* In the url, headers, body or form; elsewhere it was a fault. */
	look_at_callers(settings, &tool.asks_caller);
	if (!reader.good)
		return -EINVAL;
	*tool_out = tool;
	return 0;
}

/* -- what follows from it --------------------------------------------------------- */

struct configured {
	const struct config *config;
	bool all;
};

static void
look_at_setting(const char *name, void *arg)
{
	struct configured *configured = arg;
	const char *value = http_template_setting(configured->config, name);

	if (value == NULL || *value == '\0')
		configured->all = false;
}

static void
look_at_settings(const cJSON *value, struct configured *configured)
{
	const cJSON *item;

	if (cJSON_IsString(value))
		http_template_each_setting(
		    value->valuestring, look_at_setting, configured);
	cJSON_ArrayForEach(item, value)
		look_at_settings(item, configured);
}

bool
http_tool_is_configured(
    const struct http_tool *tool, const struct config *config)
{
	struct configured configured = {.config = config, .all = true};

	http_template_each_setting(tool->url, look_at_setting, &configured);
	http_template_each_setting(tool->user, look_at_setting, &configured);
	http_template_each_setting(
	    tool->password, look_at_setting, &configured);
	look_at_settings(tool->headers, &configured);
	look_at_settings(tool->body, &configured);
	look_at_settings(tool->form, &configured);
	return configured.all;
}

enum tool_status
http_tool_status(const struct http_tool *tool, int status)
{
	enum tool_status declared;
	char key[12];

	snprintf(key, sizeof(key), "%d", status);
	if (tool_status_find(json_string(tool->statuses, key), &declared) == 0)
		return declared;
	if (status >= 200 && status <= 299)
		return TOOL_STATUS_OK;
	if (status == 429 || status == 503)
		return TOOL_STATUS_BUSY;
	if (status == 408 || status == 504)
		return TOOL_STATUS_TIMEOUT;
	return TOOL_STATUS_HTTP_ERROR;
}
