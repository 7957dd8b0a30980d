/* SPDX-License-Identifier: MIT */
/*
 * http_message.h – one request, its templates filled in.
 */
#ifndef TOOLWORKER_HTTP_MESSAGE_H
#define TOOLWORKER_HTTP_MESSAGE_H

#include "common/http_client.h"
#include "common/http_template.h"
#include "common/http_tool.h"

enum {
	HTTP_MESSAGE_HEADERS_MAX = HTTP_TOOL_HEADERS_MAX + 2,
	HTTP_MESSAGE_BODY_MAX = 128 * 1024, /* bytes */
};

/* Wiped by http_message_free(): there may be secrets anywhere in it. */
struct http_message {
	const char *method; /* the tool's */
	char *url;
	char *headers[HTTP_MESSAGE_HEADERS_MAX + 1]; /* NULL-terminated */
	char *body;
	char *user; /* NULL: no authentication */
	char *password;
};

/*
 * Fills in TOOL's templates. MESSAGE is to be released in any case. Errors
 * as of http_template_render(), with WHY.
 */
int http_message_build(struct http_message *message,
    const struct http_tool *tool, const struct http_template_values *values,
    char *why, size_t size);

void http_message_free(struct http_message *message);

/* Points REQUEST to the message's parts. */
void http_message_apply(
    const struct http_message *message, struct http_request_config *request);

/* The same to URL, absolute, or a GET of it without a body. 0 or -ENOMEM. */
int http_message_redirect(
    struct http_message *message, const char *url, bool becomes_get);

#endif
