/* SPDX-License-Identifier: MIT */
/*
 * http_call.c – resolver and HTTP client, one after the other.
 *
 * Invariant: exactly one of LOOKUP and REQUEST is pending, until the callback
 * or the cancellation ends the call.
 */
#include "toolworker/http_call.h"

#include "common/clock.h"
#include "common/tls.h"
#include "common/url.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	HEADERS_MAX = 20,
};

struct http_call {
	const struct http_call_network *network;
	struct resolver_request *lookup;
	struct http_request *request;
	struct http_request_config config; /* its pointers are these: */
	char *url;
	char *method;
	char *user;
	char *password;
	char *ca_file;
	void *body;
	unsigned char *pin;
	char *headers[HEADERS_MAX + 1];
	uint64_t started_ms;
	http_response_fn fn;
	http_part_fn on_part;
	void *arg;
};

/* What may hold a secret. NULL-safe. */
static void
wipe(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

static void
http_call_free(struct http_call *call)
{
	for (size_t i = 0; i < HEADERS_MAX; i++)
		wipe(call->headers[i]);
	wipe(call->url);
	free(call->method);
	wipe(call->user);
	wipe(call->password);
	free(call->ca_file);
	if (call->body != NULL)
		explicit_bzero(call->body, call->config.body_len);
	free(call->body);
	free(call->pin);
	free(call);
}

/* *TO becomes a copy of FROM, or NULL if that is NULL; false: no memory. */
static bool
copy_text(char **to, const char *from)
{
	*to = from != NULL ? strdup(from) : NULL;
	return from == NULL || *to != NULL;
}

static int
copy_headers(struct http_call *call, const char *const *headers)
{
	for (size_t i = 0; headers != NULL && headers[i] != NULL; i++) {
		if (i == HEADERS_MAX)
			return -EINVAL;
		if (!copy_text(&call->headers[i], headers[i]))
			return -ENOMEM;
	}
	return 0;
}

static int
copy_request(struct http_call *call, const struct http_request_config *from)
{
	struct http_request_config *to = &call->config;

	if (!copy_text(&call->url, from->url) ||
	    !copy_text(&call->method, from->method) ||
	    !copy_text(&call->user, from->user) ||
	    !copy_text(&call->ca_file, from->ca_file) ||
	    !copy_text(&call->password, from->password))
		return -ENOMEM;
	if (from->body != NULL) {
		call->body = malloc(from->body_len + 1);
		if (call->body == NULL)
			return -ENOMEM;
		memcpy(call->body, from->body, from->body_len);
		to->body_len = from->body_len;
	}
	if (from->pin != NULL) {
		call->pin = malloc(TLS_PIN_LEN);
		if (call->pin == NULL)
			return -ENOMEM;
		memcpy(call->pin, from->pin, TLS_PIN_LEN);
	}
	*to = *from;
	to->url = call->url;
	to->method = call->method;
	to->user = call->user;
	to->password = call->password;
	to->ca_file = call->ca_file;
	to->body = call->body;
	to->pin = call->pin;
	to->headers = (const char *const *)call->headers;
	to->addresses = NULL;
	to->address_count = 0;
	return copy_headers(call, from->headers);
}

static unsigned int
elapsed_ms(const struct http_call *call)
{
	return (unsigned int)(clock_now_ms() - call->started_ms);
}

/* The end: the call is freed before the callback, which may do anything. */
static void
finish(struct http_call *call, const struct http_response *response)
{
	http_response_fn fn = call->fn;
	void *arg = call->arg;

	http_call_free(call);
	fn(response, arg);
}

static void
finish_unsent(struct http_call *call, enum http_result result, const char *why)
{
	const struct http_response response = {
	    .result = result,
	    .body = "",
	    .content_type = "",
	    .redirect_url = "",
	    .retry_after_s = -1,
	    .error = why,
	    .elapsed_ms = elapsed_ms(call),
	};

	finish(call, &response);
}

static void
on_part(const struct http_part *part, void *arg)
{
	struct http_call *call = arg;

	call->on_part(part, call->arg);
}

static void
on_response(const struct http_response *response, void *arg)
{
	struct http_call *call = arg;
	struct http_response whole = *response;

	whole.elapsed_ms = elapsed_ms(call);
	finish(call, &whole);
}

static void
on_resolved(const struct resolver_result *result, void *arg)
{
	struct http_call *call = arg;
	unsigned int spent_ms = elapsed_ms(call);
	int ret;

	call->lookup = NULL;
	if (result->err != 0) {
		finish_unsent(call, HTTP_RESOLVE, result->text);
		return;
	}
	if (spent_ms >= call->config.deadline_ms) {
		finish_unsent(
		    call, HTTP_TIMEOUT, "resolving the name took all the time");
		return;
	}
	call->config.deadline_ms -= spent_ms;
	call->config.on_part = call->on_part != NULL ? on_part : NULL;
	call->config.addresses = result->addresses;
	call->config.address_count = result->count;
	ret = http_request(call->network->client, &call->request, &call->config,
	    on_response, call);
	call->config.addresses = NULL; /* the resolver's */
	if (ret < 0)
		finish_unsent(call, HTTP_OTHER, strerror(-ret));
}

int
http_call_start(struct http_call **call_out,
    const struct http_call_network *network,
    const struct http_request_config *request, http_response_fn fn, void *arg)
{
	struct http_call *call;
	struct url url;
	const char *why;
	int ret;

	if (url_parse_origin(request->url, &url, &why) < 0)
		return -EINVAL;
	call = calloc(1, sizeof(*call));
	if (call == NULL)
		return -ENOMEM;
	call->network = network;
	call->started_ms = clock_now_ms();
	call->fn = fn;
	call->on_part = request->on_part;
	call->arg = arg;
	ret = copy_request(call, request);
	if (ret == 0)
		ret = resolver_lookup(network->resolver, url.host, url.port,
		    call->config.deadline_ms, on_resolved, call, &call->lookup);
	if (ret < 0) {
		http_call_free(call);
		return ret;
	}
	*call_out = call;
	return 0;
}

void
http_call_cancel(struct http_call **call_ptr)
{
	struct http_call *call = *call_ptr;

	if (call == NULL)
		return;
	*call_ptr = NULL;
	resolver_cancel(&call->lookup);
	http_request_cancel(&call->request);
	http_call_free(call);
}

bool
http_call_is_sent(const struct http_call *call, unsigned int *ago_ms_out)
{
	*ago_ms_out = 0;
	return call->request != NULL &&
	       http_request_is_sent(call->request, ago_ms_out);
}
