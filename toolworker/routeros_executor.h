/* SPDX-License-Identifier: MIT */
/*
 * routeros_executor.h – the executor "routeros": a job is one query
 * (routeros_queries.h) to one router of the inventory, its commands one after
 * the other.
 *
 * The router is the argument "router", the exact name; for somebody who runs
 * a tool by hand also "routers", and with one router in the inventory
 * nothing. Never more than one request is in flight at a router in a job; that
 * there is one job is the queue's business (target, hold_ms).
 */
#ifndef TOOLWORKER_ROUTEROS_EXECUTOR_H
#define TOOLWORKER_ROUTEROS_EXECUTOR_H

#include "common/config.h"
#include "toolworker/executor.h"
#include "toolworker/http_call.h"
#include "toolworker/tool_secrets.h"

struct event_base;
struct routeros_executor;

/*
 * Loads the inventory; what is wrong in it is logged. BASE, NETWORK and
 * SECRETS outlive the executor. 0 or -ENOMEM.
 */
int routeros_executor_new(struct routeros_executor **executor_out,
    struct event_base *base, const struct http_call_network *network,
    const struct config *config, struct tool_secrets *secrets);

/* After the last job has ended. NULL-safe, clears *EXECUTOR. */
void routeros_executor_free(struct routeros_executor **executor);

/* For the jobs table: "routeros". */
struct executor routeros_executor_interface(struct routeros_executor *executor);

#endif
