/* SPDX-License-Identifier: MIT */
/*
 * ari_request.c – REST requests to Asterisk.
 *
 * Invariant: each that was sent has an entry in ari->requests until it has
 * been answered, once.
 */
#include "supervisor/ari_impl.h"

#include "common/http_client.h"
#include "common/json.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	RESPONSE_BYTES_MAX = 8 * 1024 * 1024, /* /channels of a busy PBX */
	PATH_SIZE = 2048, /* three ids of ARI_ID_MAX, all of it escaped */
};

/* A request under way; the owner of FN and ARG waits for its answer. */
struct request {
	LIST_ENTRY(request) entry;
	ari_response_fn *fn;
	void *arg;
	char what[PATH_SIZE + 16]; /* "POST channels/1.2/answer" */
};

const char *
ari_escape(const char *id, char *buf, size_t size)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = 0;

	assert(size > 0);
	for (; *id != '\0' && n + 4 <= size; id++) {
		unsigned char c = (unsigned char)*id;

		if (isalnum(c) || strchr("-._~", c) != NULL) {
			buf[n++] = (char)c;
			continue;
		}
		buf[n++] = '%';
		buf[n++] = hex[c >> 4];
		buf[n++] = hex[c & 15];
	}
	buf[n] = '\0';
	return buf;
}

static void
log_failure(const struct request *request, const struct http_response *response)
{
	bool gone = response->status == 404 &&
		    (strncmp(request->what, "DELETE ", 7) == 0 ||
			strncmp(request->what, "GET applications/", 17) == 0 ||
			strstr(request->what, "/variable?") != NULL);
	int body_len = response->body_len > 300 ? 300 : (int)response->body_len;

	if (response->result != HTTP_OK)
		log_warn("ari request failed request=\"%s\" error=\"%s\" "
			 "elapsed_ms=%u",
		    request->what, response->error, response->elapsed_ms);
	else if (response->status >= 400 && !gone)
		log_warn("ari request refused request=\"%s\" status=%d "
			 "body=\"%.*s\"",
		    request->what, response->status, body_len, response->body);
}

static void
request_free(struct request *request)
{
	LIST_REMOVE(request, entry);
	free(request);
}

static void
on_response(const struct http_response *response, void *arg)
{
	struct request *request = arg;
	cJSON *body = NULL;
	struct ari_response answer = {0};

	if (!ari_probe_is_asked_by(request->what))
		log_failure(request, response);
	if (response->result == HTTP_OK) {
		answer.status = response->status;
		if (response->body_len > 0)
			body = json_parse(response->body, response->body_len);
		if (response->body_len > 0 && body == NULL &&
		    !ari_probe_is_asked_by(request->what))
			log_warn("ari answer is not JSON request=\"%s\" "
				 "bytes=%zu",
			    request->what, response->body_len);
		answer.body = body;
	}
	if (request->fn != NULL)
		request->fn(&answer, request->arg);
	cJSON_Delete(body);
	request_free(request);
}

static int
send_request(struct ari *ari, struct request *request, const char *method,
    const char *url, const cJSON *body)
{
	static const char *const headers[] = {
	    "Content-Type: application/json", NULL};
	struct http_request_config http = {
	    .method = method,
	    .url = url,
	    .user = ari->config->asterisk_username,
	    .password = ari->config->asterisk_password,
	    .addresses = ari->addresses,
	    .address_count = ari->address_count,
	    .deadline_ms = ARI_DEADLINE_MS,
	    .connect_timeout_ms = ARI_DEADLINE_MS / 2,
	    .response_max = RESPONSE_BYTES_MAX,
	};
	char *text = NULL;
	int ret;

	if (body != NULL) {
		text = cJSON_PrintUnformatted(body);
		if (text == NULL)
			return -ENOMEM;
		http.headers = headers;
		http.body = text;
		http.body_len = strlen(text);
	}
	ret = http_request(ari->http, NULL, &http, on_response, request);
	free(text);
	return ret;
}

int
ari_request(struct ari *ari, ari_response_fn *fn, void *arg, const char *method,
    cJSON *body, const char *format, ...)
{
	struct request *request = calloc(1, sizeof(*request));
	bool is_v6 = strchr(ari->config->asterisk_host, ':') != NULL;
	char path[PATH_SIZE], url[PATH_SIZE + 320];
	int ret = -ENOMEM;
	va_list ap;
	int len;

	if (request == NULL)
		goto out;
	va_start(ap, format);
	len = vsnprintf(path, sizeof(path), format, ap);
	va_end(ap);
	LIST_INSERT_HEAD(&ari->requests, request, entry);
	request->fn = fn;
	request->arg = arg;
	snprintf(request->what, sizeof(request->what), "%s %s", method, path);
	snprintf(url, sizeof(url), "%s://%s%s%s:%ld/ari/%s",
	    ari->config->asterisk_tls ? "https" : "http", is_v6 ? "[" : "",
	    ari->config->asterisk_host, is_v6 ? "]" : "",
	    ari->config->asterisk_port, path);
	/* Cut, it would be about something else. */
	ret = len < 0 || (size_t)len >= sizeof(path)
		  ? -ENAMETOOLONG
		  : send_request(ari, request, method, url, body);
	if (ret < 0) {
		log_warn("ari request cannot be sent request=\"%s\" error=%s",
		    request->what, strerror(-ret));
		request_free(request);
	}
out:
	cJSON_Delete(body);
	return ret;
}

bool
ari_is_idle(const struct ari *ari)
{
	return LIST_EMPTY(&ari->requests);
}

void
ari_request_free_all(struct ari *ari)
{
	struct request *request;

	while ((request = LIST_FIRST(&ari->requests)) != NULL)
		request_free(request);
}
