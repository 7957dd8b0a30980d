/* SPDX-License-Identifier: MIT */
/*
 * health.h – whether the MikroTik query service is up: one GET
 * MIKROTIK_API_URL/health, whose outcome is a log line and nothing else. The
 * supervisor asks one worker of the pool for it, when settings are loaded.
 */
#ifndef TOOLWORKER_HEALTH_H
#define TOOLWORKER_HEALTH_H

#include "common/config.h"
#include "toolworker/http_call.h"

struct health;

typedef void health_fn(void);

/*
 * Asks, unless the service is not configured: then *HEALTH_OUT is NULL. FN is
 * called once that is logged, not before return and not after health_free().
 * NETWORK outlives it. 0 or -ENOMEM.
 */
int health_ask(struct health **health_out,
    const struct http_call_network *network, const struct config *config,
    health_fn *fn);

/* NULL-safe, clears *HEALTH. */
void health_free(struct health **health);

#endif
