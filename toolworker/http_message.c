/* SPDX-License-Identifier: MIT */
/* http_message.c – fills in the templates of one request. */
#include "toolworker/http_message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool
has_header(const struct http_tool *tool, const char *name)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, tool->headers) {
		if (strcasecmp(item->string, name) == 0)
			return true;
	}
	return false;
}

static int
add_header(struct http_message *message, const char *name, const char *value)
{
	size_t len = strlen(name) + strlen(value) + sizeof(": ");
	size_t i = 0;

	while (message->headers[i] != NULL)
		i++;
	if (i == HTTP_MESSAGE_HEADERS_MAX)
		return -EMSGSIZE;
	/* asprintf() would leave parts of it where it grew. */
	message->headers[i] = malloc(len);
	if (message->headers[i] == NULL)
		return -ENOMEM;
	snprintf(message->headers[i], len, "%s: %s", name, value);
	return 0;
}

/* Lines are better than a document: they say how it goes. */
static const char *
accepted(const struct http_tool *tool)
{
	if (tool->is_text)
		return "text/plain";
	return *tool->progress_done != '\0'
		   ? "application/x-ndjson, application/json;q=0.9"
		   : "application/json";
}

static int
build_headers(struct http_message *message, const struct http_tool *tool,
    const struct http_template_values *values, char *why, size_t size)
{
	const cJSON *item;
	char *value;
	int ret = 0;

	cJSON_ArrayForEach(item, tool->headers) {
		ret = http_template_render(&value, item->valuestring,
		    HTTP_PLACE_HEADER, values, why, size);
		if (ret < 0)
			return ret;
		ret = add_header(message, item->string, value);
		http_template_free(value);
		if (ret < 0)
			return ret;
	}
	if (!has_header(tool, "Accept"))
		ret = add_header(message, "Accept", accepted(tool));
	if (ret == 0 && !has_header(tool, "Content-Type")) {
		if (tool->body != NULL)
			ret = add_header(
			    message, "Content-Type", "application/json");
		else if (tool->form != NULL)
			ret = add_header(message, "Content-Type",
			    "application/x-www-form-urlencoded");
	}
	return ret;
}

static int
build_json(struct http_message *message, const struct http_tool *tool,
    const struct http_template_values *values, char *why, size_t size)
{
	cJSON *json = NULL;
	int ret =
	    http_template_render_json(&json, tool->body, values, why, size);

	if (ret < 0)
		return ret;
	/* What grows while it is printed leaves parts of it behind. */
	message->body = calloc(1, HTTP_MESSAGE_BODY_MAX);
	if (message->body == NULL)
		ret = -ENOMEM;
	else if (!cJSON_PrintPreallocated(
		     json, message->body, HTTP_MESSAGE_BODY_MAX, false))
		ret = -EMSGSIZE;
	http_template_free_json(json);
	return ret;
}

/* name=value&… ; names are the operator's, and encoded like values. */
static int
build_form(struct http_message *message, const struct http_tool *tool,
    const struct http_template_values *values, char *why, size_t size)
{
	const cJSON *item;

	message->body = calloc(1, HTTP_MESSAGE_BODY_MAX);
	if (message->body == NULL)
		return -ENOMEM;
	cJSON_ArrayForEach(item, tool->form) {
		size_t len = strlen(message->body);
		char *value = NULL, *name = NULL;
		int ret = http_template_render(
		    &name, item->string, HTTP_PLACE_FORM, values, why, size);

		if (ret == 0)
			ret = http_template_render(&value, item->valuestring,
			    HTTP_PLACE_FORM, values, why, size);
		if (ret == 0 && len + strlen(name) + strlen(value) + 3 >
				    HTTP_MESSAGE_BODY_MAX)
			ret = -EMSGSIZE;
		if (ret == 0)
			snprintf(message->body + len,
			    HTTP_MESSAGE_BODY_MAX - len, "%s%s=%s",
			    len > 0 ? "&" : "", name, value);
		http_template_free(name);
		http_template_free(value);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int
build_credentials(struct http_message *message, const struct http_tool *tool,
    const struct http_template_values *values, char *why, size_t size)
{
	int ret;

	if (*tool->user == '\0')
		return 0;
	ret = http_template_render(&message->user, tool->user,
	    HTTP_PLACE_CREDENTIAL, values, why, size);
	if (ret == 0)
		ret = http_template_render(&message->password, tool->password,
		    HTTP_PLACE_CREDENTIAL, values, why, size);
	return ret;
}

int
http_message_build(struct http_message *message, const struct http_tool *tool,
    const struct http_template_values *values, char *why, size_t size)
{
	int ret;

	*message = (struct http_message){.method = tool->method};
	snprintf(why, size, "no memory, or far too much to send");
	ret = http_template_render(
	    &message->url, tool->url, HTTP_PLACE_URL, values, why, size);
	if (ret == 0)
		ret = build_headers(message, tool, values, why, size);
	if (ret == 0 && tool->body != NULL)
		ret = build_json(message, tool, values, why, size);
	if (ret == 0 && tool->form != NULL)
		ret = build_form(message, tool, values, why, size);
	if (ret == 0)
		ret = build_credentials(message, tool, values, why, size);
	if (ret == 0 && message->body != NULL &&
	    strlen(message->body) >= HTTP_MESSAGE_BODY_MAX)
		ret = -EMSGSIZE;
	return ret;
}

void
http_message_free(struct http_message *message)
{
	http_template_free(message->url);
	for (size_t i = 0; message->headers[i] != NULL; i++)
		http_template_free(message->headers[i]);
	http_template_free(message->body);
	http_template_free(message->user);
	http_template_free(message->password);
	*message = (struct http_message){0};
}

void
http_message_apply(
    const struct http_message *message, struct http_request_config *request)
{
	request->method = message->method;
	request->url = message->url;
	request->headers = (const char *const *)message->headers;
	request->body = message->body;
	request->body_len = message->body != NULL ? strlen(message->body) : 0;
	request->user = message->user;
	request->password = message->password;
}

int
http_message_redirect(
    struct http_message *message, const char *url, bool becomes_get)
{
	char *copy = strdup(url);

	if (copy == NULL)
		return -ENOMEM;
	http_template_free(message->url);
	message->url = copy;
	if (becomes_get) {
		message->method = "GET";
		http_template_free(message->body);
		message->body = NULL;
	}
	return 0;
}
