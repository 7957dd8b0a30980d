/* SPDX-License-Identifier: MIT */
/*
 * http_fetch.h – one HTTP request that is waited for, for commands such as
 * `telefonista --check`. Never for a process that must not block.
 */
#ifndef COMMON_HTTP_FETCH_H
#define COMMON_HTTP_FETCH_H

#include "common/http_client.h"

#include <cjson/cJSON.h>

enum {
	HTTP_FETCH_MAX = 256 * 1024, /* bytes of a body */
};

struct http_fetched {
	enum http_result result;
	int status;      /* when result is HTTP_OK */
	char error[512]; /* "" for HTTP_OK, else why, printable */
	cJSON *json;     /* the body, or NULL if it is not JSON */
};

/*
 * Runs BASE's loop until REQUEST has its answer. *OUT is to be released with
 * http_fetched_free() in any case.
 */
void http_fetch(struct event_base *base, struct http_client *client,
    const struct http_request_config *request, struct http_fetched *out);

void http_fetched_free(struct http_fetched *fetched);

#endif
