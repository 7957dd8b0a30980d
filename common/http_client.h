/* SPDX-License-Identifier: MIT */
/*
 * http_client.h – HTTP requests on a libevent loop (libcurl's multi).
 *
 * Used for ARI's REST, the MikroTik service and the tools. Every request has
 * a deadline and a bounded answer and ends in exactly one callback. Redirects
 * are not followed, proxies in the environment and ~/.netrc are ignored, only
 * http and https are spoken, certificates are always verified. Credentials
 * are never in a URL or a log line. A request that goes out on a kept-alive
 * connection just when the server closes it is sent again on a new one, unless
 * it asks for ONCE.
 */
#ifndef COMMON_HTTP_CLIENT_H
#define COMMON_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/net_address.h"

struct event_base;
struct http_client;
struct http_request;

struct http_client_config {
	unsigned int connections_max; /* open at once; 0: 8 */
	unsigned int idle_s;          /* keep-alive of idle ones; 0: 60 */
	unsigned int requests_max;    /* running or waiting; 0: 1024 */
	const char *user_agent;       /* NULL: "telefonista" */
	const char *ca_file; /* PEM, absolute; NULL: TLS_CA_DIRECTORY */
};

enum http_result {
	HTTP_OK,        /* a complete answer of any status, 4xx and 5xx too */
	HTTP_REFUSED,   /* no connection: refused, unreachable */
	HTTP_RESOLVE,   /* the name could not be resolved */
	HTTP_TIMEOUT,   /* connect timeout or deadline */
	HTTP_TLS,       /* handshake or certificate */
	HTTP_TOO_LARGE, /* answer over response_max */
	HTTP_BROKEN,    /* connection lost or not HTTP */
	HTTP_OTHER,
};

/* Valid only during the callback. */
struct http_response {
	enum http_result result;
	int status;       /* 0 unless at least the status line has come */
	const char *body; /* NUL-terminated after body_len; "" if none */
	size_t body_len;
	const char *content_type; /* "" if none */
	long retry_after_s;       /* Retry-After in seconds, -1 if none */
	const char *redirect_url; /* absolute, where a 3xx points; or "" */
	/*
	 * "" for HTTP_OK, else one printable sentence that names host:port,
	 * "10.0.0.5:8088 refused the connection".
	 */
	const char *error;
	bool sent; /* see http_request_is_sent() */
	unsigned int sent_ago_ms;
	unsigned int elapsed_ms;
};

typedef void (*http_response_fn)(
    const struct http_response *response, void *arg);

/* What has come of an answer so far. */
struct http_part {
	int status;
	const char *content_type; /* "" if there is none */
	const char *body;
	size_t body_len;
};

typedef void (*http_part_fn)(const struct http_part *part, void *arg);

/* Copied; zero means the default where one is named. */
struct http_request_config {
	const char *method; /* NULL: GET, or POST with a body */
	const char *url;    /* absolute, without user:password */
	/* "Name: value", NULL-terminated, or NULL. Never logged. */
	const char *const *headers;
	const void *body; /* NULL for none */
	size_t body_len;
	const char *user; /* Basic authentication, or NULL */
	const char *password;

	/*
	 * Where the URL's host is, in order of preference: then nothing is
	 * resolved here. The ports are ignored, the URL's is used. Without it
	 * a URL whose host is a name is resolved by libcurl's threaded
	 * resolver, unless RESOLVE_FORBIDDEN, which makes it -EINVAL.
	 */
	const struct net_address *addresses;
	size_t address_count;
	bool resolve_forbidden;

	bool plaintext_forbidden; /* only https: */
	unsigned int
	    deadline_ms; /* of everything, queueing included; 0: 10000 */
	unsigned int connect_timeout_ms; /* 0: 3000, at most the deadline */
	/*
	 * For what must not happen twice: a connection of its own, so that
	 * nothing is ever sent again.
	 */
	bool once;
	const char *ca_file; /* PEM, absolute; NULL: the client's */
	/*
	 * SHA-256 of the one certificate to be trusted, TLS_PIN_LEN bytes
	 * (tls.h), or NULL. Requests to one host and port must agree in it,
	 * since they may share a connection.
	 */
	const unsigned char *pin;
	size_t response_max; /* bytes of body; 0: 1 MiB */
	/*
	 * Told whenever more of the body has come, with the ARG of the
	 * response; NULL: not wanted. It is called from inside libcurl, so it
	 * must not begin, cancel or free anything of this client.
	 */
	http_part_fn on_part;
};

/* CONFIG may be NULL. 0 or -errno (see tls.h for the CA file). */
int http_client_new(struct http_client **client_out, struct event_base *base,
    const struct http_client_config *config);

/*
 * Ends all requests without callbacks, closes all connections. NULL-safe,
 * clears *CLIENT. May be called from inside a callback.
 */
void http_client_free(struct http_client **client);

/*
 * Starts a request. The callback runs exactly once, from the event loop,
 * never before this function has returned, at most DEADLINE_MS later (plus
 * the loop's delay). *REQUEST_OUT (may be NULL) is for http_request_cancel()
 * and invalid once the callback has begun. -EINVAL: bad URL, method or
 * header; -EBUSY: requests_max are under way; -ENOMEM.
 */
int http_request(struct http_client *client, struct http_request **request_out,
    const struct http_request_config *config, http_response_fn fn, void *arg);

/* No callback after this. NULL-safe, clears *REQUEST. */
void http_request_cancel(struct http_request **request);

/*
 * Whether a byte of REQUEST has left: the other side may be working on it,
 * for *AGO_MS_OUT so far, which connecting and TLS are no part of.
 */
bool http_request_is_sent(
    const struct http_request *request, unsigned int *ago_ms_out);

/* Requests without an answer so far, for health and status lines. */
unsigned int http_client_pending(const struct http_client *client);

/* "ok", "refused", "timeout" …, for log lines. */
const char *http_result_name(enum http_result result);

#endif
