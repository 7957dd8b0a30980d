/* SPDX-License-Identifier: MIT */
/*
 * http_setup.h – one request, checked and told to libcurl.
 *
 * Private to http_client.c: what a request is, apart from how it runs.
 */
#ifndef COMMON_HTTP_SETUP_H
#define COMMON_HTTP_SETUP_H

#include <curl/curl.h>

#include "common/http_client.h"
#include "common/tls.h"

enum {
	HTTP_SETUP_ENDPOINT_SIZE = 280,
};

/* What libcurl refers to while the request runs. */
struct http_setup {
	char endpoint[HTTP_SETUP_ENDPOINT_SIZE]; /* "host:port", for people */
	struct curl_slist *headers;
	struct curl_slist *resolve;
	char *body;
	size_t body_len;
	unsigned char pin[TLS_PIN_LEN];
};

/*
 * Configures EASY for CONFIG; SETUP is zeroed by the caller and must outlive
 * the transfer, http_setup_free() is due in any case. 0, -EINVAL or -ENOMEM.
 */
int http_setup_apply(struct http_setup *setup, CURL *easy,
    const struct http_request_config *config, const char *ca_file, long idle_s);

/* Wipes headers and body. */
void http_setup_free(struct http_setup *setup);

#endif
