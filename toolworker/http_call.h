/* SPDX-License-Identifier: MIT */
/*
 * http_call.h – one request to a service that an operator named by URL:
 * resolve the host, then ask, within one deadline, ending in one callback.
 *
 * Names are resolved here and not in the supervisor, because a tool's address
 * may change while this process lives and nobody else needs it.
 */
#ifndef TOOLWORKER_HTTP_CALL_H
#define TOOLWORKER_HTTP_CALL_H

#include "common/http_client.h"
#include "common/resolver.h"

struct http_call;

/* What every call of this process shares; outlives them. */
struct http_call_network {
	struct resolver *resolver;
	struct http_client *client;
};

/*
 * Starts REQUEST (everything in it is copied; addresses are ignored). FN runs
 * exactly once, from the event loop, never before return, unless the call is
 * cancelled; then *CALL_OUT is invalid. A name that cannot be resolved is a
 * response with HTTP_RESOLVE. Returns 0 or -errno: -EINVAL for a bad URL,
 * -EBUSY, -ENOMEM.
 */
int http_call_start(struct http_call **call_out,
    const struct http_call_network *network,
    const struct http_request_config *request, http_response_fn fn, void *arg);

/* Whether the service may be working on it (http_request_is_sent()). */
bool http_call_is_sent(const struct http_call *call, unsigned int *ago_ms_out);

/* No callback after this. NULL-safe, clears *CALL. */
void http_call_cancel(struct http_call **call);

#endif
