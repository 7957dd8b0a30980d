/* SPDX-License-Identifier: MIT */
/* http_fetch.c – one HTTP request that is waited for. */
#include "common/http_fetch.h"

#include "common/json.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>

struct waiter {
	struct event_base *base;
	struct http_fetched *out;
	bool done;
};

static void
on_response(const struct http_response *response, void *arg)
{
	struct waiter *waiter = arg;

	waiter->done = true;
	waiter->out->result = response->result;
	waiter->out->status = response->status;
	snprintf(waiter->out->error, sizeof(waiter->out->error), "%s",
	    response->error);
	waiter->out->json = json_parse(response->body, response->body_len);
	event_base_loopbreak(waiter->base);
}

void
http_fetch(struct event_base *base, struct http_client *client,
    const struct http_request_config *request, struct http_fetched *out)
{
	struct http_request_config bounded = *request;
	struct http_request *pending = NULL;
	struct waiter waiter = {.base = base, .out = out};
	int ret;

	memset(out, 0, sizeof(*out));
	bounded.response_max = HTTP_FETCH_MAX;
	ret = http_request(client, &pending, &bounded, on_response, &waiter);
	while (ret == 0 && !waiter.done) {
		if (event_base_dispatch(base) != 0 && !waiter.done)
			break;
	}
	if (waiter.done)
		return;
	out->result = HTTP_OTHER;
	snprintf(out->error, sizeof(out->error), "the request failed: %s",
	    ret < 0 ? strerror(-ret) : "no event loop");
	if (ret == 0)
		http_request_cancel(&pending);
}

void
http_fetched_free(struct http_fetched *fetched)
{
	cJSON_Delete(fetched->json);
	fetched->json = NULL;
}
