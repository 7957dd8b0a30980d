/* SPDX-License-Identifier: MIT */
/*
 * toolworkers.h – the processes that run tool jobs, tied to the queue:
 * TOOL_WORKERS of them, each replaced when it dies, is stuck, or has run
 * TOOL_WORKER_JOBS jobs. The first to come up after a start or a reload is told
 * to look how the query service is.
 */
#ifndef SUPERVISOR_TOOLWORKERS_H
#define SUPERVISOR_TOOLWORKERS_H

#include <stddef.h>

struct calls;
struct config;
struct event_base;
struct fleet;
struct router_inventory;
struct tool_fan;
struct tool_holds;
struct tool_queue;
struct toolworkers;
struct worker;

/*
 * CALLS_PTR: where the table of calls will be (it is made after the queue
 * that it needs). *ROUTERS_PTR: the inventory for new questions, from when
 * there are calls. HOLDS and CONFIG must outlive it; toolworkers_reload() after it has
 * changed. Returns 0 or -errno.
 */
int toolworkers_new(struct toolworkers **workers_out, struct event_base *base,
    struct fleet *fleet, struct calls **calls_ptr,
    struct router_inventory **routers_ptr, struct tool_holds *holds,
    const struct config *config);
void toolworkers_free(struct toolworkers **workers);

struct tool_queue *toolworkers_queue(struct toolworkers *workers);

/* Where the calls' questions go; it passes on to the queue. */
struct tool_fan *toolworkers_fan(struct toolworkers *workers);

/* One that an earlier supervisor left, with its jobs. */
void toolworkers_adopt(struct toolworkers *workers, struct worker *worker);

/* From now on the pool is kept at its size. */
void toolworkers_start(struct toolworkers *workers);
/* No more are started; those there end. */
void toolworkers_stop(struct toolworkers *workers);
/* The configuration changed: fresh processes, running jobs are finished. */
void toolworkers_reload(struct toolworkers *workers);

#endif
