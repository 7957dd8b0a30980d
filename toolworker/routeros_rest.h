/* SPDX-License-Identifier: MIT */
/*
 * routeros_rest.h – one command over RouterOS 7's REST API.
 *
 * A print without flag or filter is a GET, anything else a POST with JSON.
 * RouterOS does not notice that we give up: it works on until its own limit
 * of 60 s, and the user's next request waits meanwhile. How long that may
 * still be is told with each end (hold_ms).
 */
#ifndef TOOLWORKER_ROUTEROS_REST_H
#define TOOLWORKER_ROUTEROS_REST_H

#include "common/router_inventory.h"
#include "toolworker/http_call.h"
#include "toolworker/routeros_outcome.h"
#include "toolworker/routeros_queries.h"

struct routeros_rest;

/*
 * Asks ROUTER with its password of SECRETS, which are masked in its words;
 * everything is copied or used before return, but NETWORK and SECRETS. FN runs
 * exactly once, from the event loop, unless it is cancelled; then *REST_OUT is
 * invalid. -EACCES: the password is not there; 0 or -errno of
 * http_call_start().
 */
int routeros_rest_start(struct routeros_rest **rest_out,
    const struct http_call_network *network, const struct router *router,
    struct tool_secrets *secrets, const struct routeros_command *command,
    const struct routeros_values *values, unsigned int deadline_ms,
    routeros_outcome_fn *fn, void *arg);

/*
 * No callback after this. Returns how long the router may still be at work,
 * in milliseconds. NULL-safe, clears *REST.
 */
unsigned int routeros_rest_cancel(struct routeros_rest **rest);

/* -- parts, without I/O --------------------------------------------------- */

/*
 * The URL of COMMAND at ROUTER, and as body its JSON, or NULL for a GET. Both
 * are to be freed. 0 or -ENOMEM.
 */
int routeros_rest_build(const struct router *router,
    const struct routeros_command *command,
    const struct routeros_values *values, char **url_out, char **body_out);

/* What RESPONSE means. OUTCOME is zeroed before; SECRETS may be NULL. */
void routeros_rest_read(struct routeros_outcome *outcome,
    const struct http_response *response, const struct tool_secrets *secrets);

#endif
