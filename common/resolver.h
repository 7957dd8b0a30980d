/* SPDX-License-Identifier: MIT */
/*
 * resolver.h – host names to numeric addresses, without ever blocking.
 *
 * The supervisor resolves; workers are given the numeric list. IPv6 and IPv4
 * are asked for at once (evdns), /etc/hosts is honoured, and an answer that
 * was good once is served again while the name servers do not answer.
 */
#ifndef COMMON_RESOLVER_H
#define COMMON_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/net_address.h"

struct event_base;

struct resolver;
struct resolver_request;

struct resolver_config {
	const char *resolv_conf; /* NULL: /etc/resolv.conf */
	const char *hosts;       /* NULL: /etc/hosts; "" for none */
	unsigned int cache_ms;   /* a good answer is reused so long; 0: 60000 */
	unsigned int stale_ms; /* … and so long when a lookup fails; 0: 1 day */
};

/*
 * ERR is 0 with at least one address, -ETIMEDOUT (deadline or no answer),
 * -ENOENT (no such name, or no address), -EINVAL (not a host name),
 * -ENOMEM, or -EIO (the name servers failed). STALE means that the lookup
 * failed and this is the last good answer. Order is that of RFC 6724 as far
 * as it matters here: IPv6 first only if this machine has a route to it.
 */
struct resolver_result {
	int err;
	bool stale;
	size_t count;
	struct net_address addresses[NET_ADDRESSES_MAX];
	const char *text; /* printable reason when err != 0 or stale, else "" */
};

typedef void (*resolver_fn)(const struct resolver_result *result, void *arg);

/* CONFIG may be NULL. The base must outlive the resolver. 0 or -errno. */
int resolver_new(struct resolver **resolver_out, struct event_base *base,
    const struct resolver_config *config);

/* Cancels what is pending, without callbacks. NULL-safe, clears *RESOLVER. */
void resolver_free(struct resolver **resolver);

/*
 * Looks HOST up; a numeric HOST (with or without brackets) and a cached name
 * need no packet. The callback runs exactly once, never before this function
 * has returned, within DEADLINE_MS. *REQUEST_OUT is for resolver_cancel() and
 * invalid once the callback has begun. 0 or -errno (then no callback).
 */
int resolver_lookup(struct resolver *resolver, const char *host, uint16_t port,
    unsigned int deadline_ms, resolver_fn fn, void *arg,
    struct resolver_request **request_out);

/* No callback after this. NULL-safe, clears *REQUEST. */
void resolver_cancel(struct resolver_request **request);

#endif
