/* SPDX-License-Identifier: MIT */
/*
 * routeros_api.h – a connection to RouterOS's binary API: TCP or TLS, the
 * login of every version, one command at a time.
 *
 * Each command has a tag. One that nobody waits for any longer is cancelled
 * by it: the connection stays open behind the caller's back until the router
 * has confirmed that, or a second.
 */
#ifndef TOOLWORKER_ROUTEROS_API_H
#define TOOLWORKER_ROUTEROS_API_H

#include "common/resolver.h"
#include "common/router_inventory.h"
#include "toolworker/routeros_outcome.h"
#include "toolworker/routeros_queries.h"

#include <sys/queue.h>

struct event_base;
struct routeros_api;

LIST_HEAD(routeros_api_list, routeros_api);

/* What all connections of this process share; outlives them. */
struct routeros_api_network {
	struct event_base *base;
	struct resolver *resolver;
	const struct tool_secrets *secrets; /* masked in a router's words */
	struct routeros_api_list leaving;   /* cancelling, without an owner */
};

/*
 * Connects to ROUTER, which outlives the connection, and logs in. PASSWORD is
 * copied, and wiped after the login. FN runs exactly once, from the event
 * loop, never before return, unless the connection is closed: with OK the
 * connection may be used, else only closed. *API_OUT is to be closed in any
 * case. 0 or -errno.
 */
int routeros_api_open(struct routeros_api **api_out,
    struct routeros_api_network *network, const struct router *router,
    const char *password, routeros_outcome_fn *fn, void *arg);

/*
 * Runs COMMAND, which is used before return. FN as above; after OK, and after
 * a refusal, the next command may be run, from FN too. Nothing may be running.
 * 0 or -ENOMEM.
 */
int routeros_api_run(struct routeros_api *api,
    const struct routeros_command *command,
    const struct routeros_values *values, routeros_outcome_fn *fn, void *arg);

/*
 * No callback after this; what is running is cancelled at the router. Returns
 * how long it may still be at work, in milliseconds. May be called from FN.
 * NULL-safe, clears *API.
 */
unsigned int routeros_api_close(struct routeros_api **api);

/* Ends the connections that are cancelling something. */
void routeros_api_leave(struct routeros_api_network *network);

#endif
