/* SPDX-License-Identifier: MIT */
/*
 * http_client.c – libcurl's multi interface on libevent.
 *
 * curl tells which sockets and which timer it wants, libevent tells curl what
 * happened. The deadline is a timer of ours, because curl does not count the
 * time a request waits for a free connection. Invariant: a request is on the
 * list from http_request() until just before its callback, and callbacks run
 * only from complete_finished() and on_deadline(), never inside curl; on_part
 * apart, which may do nothing here.
 */
#include "common/http_client.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <curl/curl.h>
#include <event2/event.h>
#include <event2/event_struct.h>

#include "common/clock.h"
#include "common/http_memory.h"
#include "common/http_setup.h"
#include "common/tls.h"

enum {
	CONNECTIONS_MAX = 8,
	IDLE_S = 60,
	REQUESTS_MAX = 1024,
	DEADLINE_MS = 10000,
	RESPONSE_MAX = 1 << 20,
	BODY_FIRST = 1024, /* bytes; doubled as needed */
	ERROR_SIZE = HTTP_SETUP_ENDPOINT_SIZE + CURL_ERROR_SIZE + 64,
};

/* A socket that curl wants watched. */
struct watch {
	LIST_ENTRY(watch) entry;
	struct http_client *client;
	struct event event;
};

struct http_client {
	struct event_base *base;
	CURLM *multi;
	struct event timer; /* curl's one timer */
	char *user_agent;
	char *ca_file;
	long idle_s;
	unsigned int requests_max;
	unsigned int pending;
	int depth;     /* inside complete_finished() or on_deadline() */
	bool orphaned; /* freed inside; goes when the depth is 0 again */
	LIST_HEAD(, http_request) requests;
	LIST_HEAD(, watch) watches;
};

struct http_request {
	LIST_ENTRY(http_request) entry;
	struct http_client *client;
	CURL *easy;
	struct http_setup setup;
	struct event deadline;
	uint64_t begun_ms;
	http_response_fn fn;
	http_part_fn on_part;
	void *arg;

	char *body;
	size_t body_len;
	size_t body_size;
	size_t response_max;
	bool too_large;
	char curl_error[CURL_ERROR_SIZE];
	char error[ERROR_SIZE];
};

static const char *const result_names[] = {
    [HTTP_OK] = "ok",
    [HTTP_REFUSED] = "refused",
    [HTTP_RESOLVE] = "resolve",
    [HTTP_TIMEOUT] = "timeout",
    [HTTP_TLS] = "tls",
    [HTTP_TOO_LARGE] = "too large",
    [HTTP_BROKEN] = "broken",
    [HTTP_OTHER] = "other",
};

const char *
http_result_name(enum http_result result)
{
	assert((size_t)result < sizeof(result_names) / sizeof(*result_names));
	return result_names[result];
}

static void
set_timer(struct event *timer, unsigned long ms)
{
	const struct timeval wait = {
	    .tv_sec = (time_t)(ms / 1000),
	    .tv_usec = (suseconds_t)(ms % 1000 * 1000),
	};

	event_add(timer, &wait);
}

/* ---- the end of a request ------------------------------------------------- */

static void
free_request(struct http_request *request)
{
	struct http_client *client = request->client;

	event_del(&request->deadline);
	LIST_REMOVE(request, entry);
	client->pending--;
	if (request->easy) {
		curl_multi_remove_handle(client->multi, request->easy);
		curl_easy_cleanup(request->easy);
	}
	http_setup_free(&request->setup);
	free(request->body);
	free(request);
}

static enum http_result
map_result(CURLcode code, const struct http_request *request)
{
	if (request->too_large)
		return HTTP_TOO_LARGE;
	switch ((int)code) {
	case CURLE_OK:
		return HTTP_OK;
	case CURLE_COULDNT_CONNECT:
		return HTTP_REFUSED;
	case CURLE_COULDNT_RESOLVE_HOST:
		return HTTP_RESOLVE;
	case CURLE_OPERATION_TIMEDOUT:
		return HTTP_TIMEOUT;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
		return HTTP_TLS;
	case CURLE_FILESIZE_EXCEEDED:
		return HTTP_TOO_LARGE;
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_PARTIAL_FILE:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9 and other noise */
		return HTTP_BROKEN;
	default:
		return HTTP_OTHER;
	}
}

static void
write_error(struct http_request *request, enum http_result result)
{
	const char *where = request->setup.endpoint;
	const char *why =
	    request->curl_error[0] ? request->curl_error : "unknown reason";
	long os_error = 0;

	curl_easy_getinfo(request->easy, CURLINFO_OS_ERRNO, &os_error);
#define SAY(...) snprintf(request->error, sizeof(request->error), __VA_ARGS__)
	switch (result) {
	case HTTP_OK:
		request->error[0] = '\0';
		break;
	case HTTP_REFUSED:
		if (os_error == ECONNREFUSED)
			SAY("%s refused the connection", where);
		else
			SAY("cannot connect to %s: %s", where,
			    os_error ? strerror((int)os_error) : why);
		break;
	case HTTP_RESOLVE:
		SAY("%s: the host name cannot be resolved", where);
		break;
	case HTTP_TIMEOUT:
		SAY("%s did not answer within %llu ms", where,
		    (unsigned long long)(clock_now_ms() - request->begun_ms));
		break;
	case HTTP_TLS:
		SAY("no trusted TLS connection to %s: %s", where, why);
		break;
	case HTTP_TOO_LARGE:
		SAY("%s answered with more than %zu bytes", where,
		    request->response_max);
		break;
	case HTTP_BROKEN:
		SAY("%s broke the connection off: %s", where, why);
		break;
	case HTTP_OTHER:
		SAY("request to %s failed: %s", where, why);
		break;
	}
#undef SAY
	for (char *p = request->error; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	}
}

bool
http_request_is_sent(
    const struct http_request *request, unsigned int *ago_ms_out)
{
	uint64_t spent_ms = clock_now_ms() - request->begun_ms;
	curl_off_t before_us = 0;
	long bytes = 0;

	curl_easy_getinfo(request->easy, CURLINFO_REQUEST_SIZE, &bytes);
	curl_easy_getinfo(
	    request->easy, CURLINFO_PRETRANSFER_TIME_T, &before_us);
	*ago_ms_out = 0;
	if (bytes > 0 && (uint64_t)before_us / 1000 < spent_ms)
		*ago_ms_out =
		    (unsigned int)(spent_ms - (uint64_t)before_us / 1000);
	return bytes > 0;
}

/* Runs the callback; the request and even the client may go with it. */
static void
complete(struct http_request *request, enum http_result result)
{
	struct http_response response = {
	    .result = result,
	    .body = request->body ? request->body : "",
	    .body_len = request->body_len,
	    .content_type = "",
	    .redirect_url = "",
	    .retry_after_s = -1,
	    .elapsed_ms = (unsigned int)(clock_now_ms() - request->begun_ms),
	};
	char *content_type = NULL;
	char *redirect_url = NULL;
	curl_off_t retry_after = 0;
	long status = 0;

	write_error(request, result);
	response.error = request->error;
	response.sent = http_request_is_sent(request, &response.sent_ago_ms);
	curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(request->easy, CURLINFO_CONTENT_TYPE, &content_type);
	curl_easy_getinfo(request->easy, CURLINFO_REDIRECT_URL, &redirect_url);
	curl_easy_getinfo(request->easy, CURLINFO_RETRY_AFTER, &retry_after);
	response.status = (int)status;
	if (content_type)
		response.content_type = content_type;
	if (redirect_url)
		response.redirect_url = redirect_url;
	if (retry_after > 0)
		response.retry_after_s = (long)retry_after;
	/* Off curl's hands first: the callback may start anything. */
	curl_multi_remove_handle(request->client->multi, request->easy);
	event_del(&request->deadline);
	if (request->fn)
		request->fn(&response, request->arg);
	free_request(request);
}

static void
destroy(struct http_client *client)
{
	while (!LIST_EMPTY(&client->requests))
		free_request(LIST_FIRST(&client->requests));
	if (client->multi)
		curl_multi_cleanup(client->multi);
	event_del(&client->timer);
	while (!LIST_EMPTY(&client->watches)) {
		struct watch *watch = LIST_FIRST(&client->watches);

		event_del(&watch->event);
		LIST_REMOVE(watch, entry);
		free(watch);
	}
	free(client->user_agent);
	free(client->ca_file);
	free(client);
}

/* Callbacks may free the client; it lives until the outermost leave(). */
static void
enter(struct http_client *client)
{
	client->depth++;
}

static void
leave(struct http_client *client)
{
	if (--client->depth == 0 && client->orphaned)
		destroy(client);
}

static void
complete_finished(struct http_client *client)
{
	CURLMsg *message;
	int left;

	enter(client);
	while (!client->orphaned &&
	       (message = curl_multi_info_read(client->multi, &left))) {
		CURLcode code = message->data.result;
		struct http_request *request;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(
		    message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
		complete(request, map_result(code, request));
	}
	leave(client);
}

/* ---- curl's callbacks and ours --------------------------------------------- */

static void
on_socket_event(evutil_socket_t fd, short what, void *arg)
{
	struct watch *watch = arg;
	struct http_client *client = watch->client;
	int action = 0;
	int running;

	if (what & EV_READ)
		action |= CURL_CSELECT_IN;
	if (what & EV_WRITE)
		action |= CURL_CSELECT_OUT;
	curl_multi_socket_action(client->multi, fd, action, &running);
	complete_finished(client);
}

static void
on_curl_timer(evutil_socket_t fd, short what, void *arg)
{
	struct http_client *client = arg;
	int running;

	(void)fd;
	(void)what;
	curl_multi_socket_action(
	    client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	complete_finished(client);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct http_request *request = arg;
	struct http_client *client = request->client;

	(void)fd;
	(void)what;
	enter(client);
	complete(request, HTTP_TIMEOUT);
	leave(client);
}

static int
set_curl_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct http_client *client = arg;

	(void)multi;
	if (timeout_ms < 0)
		event_del(&client->timer);
	else
		set_timer(&client->timer, (unsigned long)timeout_ms);
	return 0;
}

static int
set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct http_client *client = arg;
	struct watch *watch = socket_arg;
	short events = EV_PERSIST;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (watch) {
			event_del(&watch->event);
			LIST_REMOVE(watch, entry);
			free(watch);
		}
		return 0;
	}
	if (watch) {
		event_del(&watch->event);
	} else {
		watch = calloc(1, sizeof(*watch));
		if (!watch)
			return -1;
		watch->client = client;
		LIST_INSERT_HEAD(&client->watches, watch, entry);
		curl_multi_assign(client->multi, fd, watch);
	}
	if (what & CURL_POLL_IN)
		events |= EV_READ;
	if (what & CURL_POLL_OUT)
		events |= EV_WRITE;
	event_assign(
	    &watch->event, client->base, fd, events, on_socket_event, watch);
	event_add(&watch->event, NULL);
	return 0;
}

static void
tell_part(struct http_request *request)
{
	struct http_part part = {
	    .content_type = "",
	    .body = request->body,
	    .body_len = request->body_len,
	};
	char *content_type = NULL;
	long status = 0;

	curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(request->easy, CURLINFO_CONTENT_TYPE, &content_type);
	part.status = (int)status;
	if (content_type)
		part.content_type = content_type;
	request->on_part(&part, request->arg);
}

static size_t
take_body(char *data, size_t size, size_t count, void *arg)
{
	struct http_request *request = arg;
	size_t len = size * count;
	size_t wanted = request->body_size ? request->body_size : BODY_FIRST;

	if (len > request->response_max - request->body_len) {
		request->too_large = true;
		return 0;
	}
	if (request->body_len + len >= request->body_size) {
		char *grown;

		while (wanted <= request->body_len + len)
			wanted *= 2;
		grown = realloc(request->body, wanted);
		if (!grown)
			return 0;
		request->body = grown;
		request->body_size = wanted;
	}
	memcpy(request->body + request->body_len, data, len);
	request->body_len += len;
	request->body[request->body_len] = '\0';
	if (request->on_part)
		tell_part(request);
	return len;
}

/* ---- starting a request ------------------------------------------------------ */

/* How it is tied to its request. */
static int
tie_request(struct http_request *request)
{
	CURL *easy = request->easy;
	curl_off_t max = (curl_off_t)request->response_max;

	if (curl_easy_setopt(easy, CURLOPT_PRIVATE, request) ||
	    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->curl_error) ||
	    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body) ||
	    curl_easy_setopt(easy, CURLOPT_WRITEDATA, request) ||
	    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, max) ||
	    curl_easy_setopt(
		easy, CURLOPT_USERAGENT, request->client->user_agent))
		return -ENOMEM;
	return 0;
}

int
http_request(struct http_client *client, struct http_request **request_out,
    const struct http_request_config *config, http_response_fn fn, void *arg)
{
	struct http_request *request;
	int r;

	assert(config->url);
	if (request_out)
		*request_out = NULL;
	if (client->pending >= client->requests_max)
		return -EBUSY;
	request = calloc(1, sizeof(*request));
	if (!request)
		return -ENOMEM;
	request->client = client;
	request->fn = fn;
	request->on_part = config->on_part;
	request->arg = arg;
	request->begun_ms = clock_now_ms();
	request->response_max =
	    config->response_max ? config->response_max : RESPONSE_MAX;
	event_assign(
	    &request->deadline, client->base, -1, 0, on_deadline, request);
	LIST_INSERT_HEAD(&client->requests, request, entry);
	client->pending++;
	r = -ENOMEM;
	request->easy = curl_easy_init();
	if (!request->easy)
		goto fail;
	r = http_setup_apply(&request->setup, request->easy, config,
	    client->ca_file, client->idle_s);
	if (r == 0)
		r = tie_request(request);
	if (r)
		goto fail;
	r = -ENOMEM;
	if (curl_multi_add_handle(client->multi, request->easy) != CURLM_OK)
		goto fail;
	set_timer(&request->deadline,
	    config->deadline_ms ? config->deadline_ms : DEADLINE_MS);
	if (request_out)
		*request_out = request;
	return 0;
fail:
	free_request(request);
	return r;
}

void
http_request_cancel(struct http_request **requestp)
{
	struct http_request *request = *requestp;

	*requestp = NULL;
	if (request)
		free_request(request);
}

unsigned int
http_client_pending(const struct http_client *client)
{
	return client->pending;
}

/* ---- the client ---------------------------------------------------------------- */

static int
set_multi(struct http_client *client, long connections_max)
{
	client->multi = curl_multi_init();
	if (!client->multi)
		return -ENOMEM;
	curl_multi_setopt(
	    client->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections_max);
	curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, connections_max);
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
	curl_multi_setopt(
	    client->multi, CURLMOPT_TIMERFUNCTION, set_curl_timer);
	curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
	return 0;
}

/* A CA file that cannot be used is better known now than in each request. */
static int
check_ca_file(const char *ca_file)
{
	struct tls_peer peer = {.host = "localhost"};
	SSL_CTX *ctx;
	int r;

	if (!ca_file)
		return 0;
	r = tls_client_context_new(&ctx, ca_file, &peer);
	if (r == 0)
		tls_client_context_free(&ctx);
	return r;
}

int
http_client_new(struct http_client **client_out, struct event_base *base,
    const struct http_client_config *config)
{
	static const struct http_client_config defaults = {0};
	struct http_client *client;
	int r;

	*client_out = NULL;
	if (!config)
		config = &defaults;
	r = check_ca_file(config->ca_file);
	if (r)
		return r;
	/* Counted by curl; once more than needed does no harm. */
	r = http_memory_init();
	if (r)
		return r;
	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->base = base;
	client->idle_s = config->idle_s ? (long)config->idle_s : IDLE_S;
	client->requests_max =
	    config->requests_max ? config->requests_max : REQUESTS_MAX;
	event_assign(&client->timer, base, -1, 0, on_curl_timer, client);
	r = -ENOMEM;
	client->user_agent =
	    strdup(config->user_agent ? config->user_agent : "telefonista");
	if (!client->user_agent)
		goto fail;
	if (config->ca_file) {
		client->ca_file = strdup(config->ca_file);
		if (!client->ca_file)
			goto fail;
	}
	r = set_multi(client, config->connections_max
				  ? (long)config->connections_max
				  : CONNECTIONS_MAX);
	if (r)
		goto fail;
	*client_out = client;
	return 0;
fail:
	destroy(client);
	return r;
}

void
http_client_free(struct http_client **clientp)
{
	struct http_client *client = *clientp;

	*clientp = NULL;
	if (!client)
		return;
	if (client->depth > 0)
		client->orphaned = true;
	else
		destroy(client);
}
