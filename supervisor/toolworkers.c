/* SPDX-License-Identifier: MIT */
/*
 * toolworkers.c – keeps the toolworkers alive and carries messages between
 * them, the queue and the calls.
 *
 * Invariant: the queue hears of a worker's death exactly once, after its
 * last message. A worn worker goes on until its successor is up, so that
 * recycling never makes the pool smaller.
 */
#include "supervisor/toolworkers.h"

#include "common/clock.h"
#include "common/config.h"
#include "common/json.h"
#include "common/log.h"
#include "supervisor/call.h"
#include "supervisor/calls.h"
#include "supervisor/fleet.h"
#include "supervisor/tool_fan.h"
#include "supervisor/tool_queue.h"
#include "supervisor/tools.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum {
	RESTART_FIRST_MS = 100,
	RESTART_MAX_MS = 10000,   /* of those that do not even come up */
	RESTART_UP_MAX_MS = 1000, /* of those that came up */
	STEADY_MS = 30000,        /* one that ran this long was healthy */
	HEALTH_MS = 6000,         /* what it takes to ask the service */
	HEALTH_TRIES = 3,         /* of workers that die of it */
};

struct member {
	TAILQ_ENTRY(member) entry;
	struct toolworkers *pool;
	struct worker *worker;
	bool up;      /* it has said something */
	bool worn;    /* has run its jobs: leaves when another is up */
	bool leaving; /* drains: does not count any more */
	long jobs;    /* given to it */
	uint64_t started_ms;
	uint64_t health_ms; /* asked then; 0: not, or it has said */
};

struct toolworkers {
	const struct config *config;
	struct fleet *fleet;
	struct calls **calls;
	struct tool_queue *queue;
	struct tool_fan *fan;
	struct event *queue_timer;
	struct event *start_timer;
	struct event *recycle_timer;
	unsigned int restart_ms;
	bool running;
	bool health_due; /* a worker is to ask the service how it is */
	unsigned int health_tries; /* left, should it die before it can tell */
	TAILQ_HEAD(, member) members;
};

static void fill(struct toolworkers *pool);

/* NULL if it is none of the pool's. */
static struct member *
member_find(const struct toolworkers *pool, const struct worker *worker)
{
	struct member *member;

	TAILQ_FOREACH(member, &pool->members, entry) {
		if (member->worker == worker)
			return member;
	}
	return NULL;
}

/* -- what the queue asks for ------------------------------------------------------ */

static const struct tool *
find_offered(const char *call_id, const char *name, void *arg)
{
	struct toolworkers *pool = arg;
	struct call *call = calls_find(*pool->calls, call_id);
	const struct tool *tool =
	    call == NULL ? NULL : tools_find(call_tools(call), name);

	return tool != NULL && tool->available ? tool : NULL;
}

static int
find_tool(const char *call_id, const char *name,
    struct tool_queue_tool *tool_out, void *arg)
{
	const struct tool *tool = find_offered(call_id, name, arg);

	if (tool == NULL)
		return -ENOENT;
	/* The callworker's own. */
	if (strcmp(tool->action, "hangup") == 0 ||
	    strcmp(tool->action, "cancel") == 0)
		return -ENOENT;
	*tool_out = (struct tool_queue_tool){
	    .parameters = tool->parameters,
	    .settings = tool->settings,
	    .failures = tool->failures,
	    .deadline_ms = tool->deadline_ms,
	    .timeout_argument = tool->timeout_argument,
	    .read_only = tool->read_only,
	    .personal = tool->personal,
	    .exclusive = tool->exclusive,
	    .cache_s = tool->cache_s,
	    .stale = tool->stale,
	    .target = tool->target,
	    .target_limit = tool->target_limit,
	    .local = tool->action[0] != '\0',
	};
	return 0;
}

static enum tool_status
start_local(const char *call_id, const char *job, const cJSON *settings,
    const cJSON *arguments, char detail_out[TOOL_QUEUE_DETAIL_SIZE], void *arg)
{
	struct toolworkers *pool = arg;
	struct call *call = calls_find(*pool->calls, call_id);

	if (call == NULL)
		return TOOL_STATUS_LOST;
	if (strcmp(json_string(settings, "executor"), "access") == 0)
		return call_access_start(call, job, settings, arguments,
		    detail_out, TOOL_QUEUE_DETAIL_SIZE);
	return call_transfer(
	    call, job, settings, arguments, detail_out, TOOL_QUEUE_DETAIL_SIZE);
}

static void
cancel_local(const char *call_id, const char *job, void *arg)
{
	struct toolworkers *pool = arg;
	struct call *call = calls_find(*pool->calls, call_id);

	if (call == NULL)
		return;
	call_transfer_cancel(call, job);
	call_access_cancel(call, job);
}

static cJSON *
describe_caller(const char *call_id, void *arg)
{
	struct toolworkers *pool = arg;
	const struct call *call = calls_find(*pool->calls, call_id);

	return call == NULL ? NULL : call_access_describe(call);
}

static int
send_worker(
    struct worker *worker, enum message_type type, cJSON *body, void *arg)
{
	static const struct timeval now = {0};
	struct toolworkers *pool = arg;
	struct member *member = member_find(pool, worker);

	if (type == MESSAGE_JOB_RUN && member != NULL && !member->worn &&
	    ++member->jobs >= pool->config->tool_worker_jobs) {
		member->worn = true;
		/* Not from here: the queue is at work. */
		event_add(pool->recycle_timer, &now);
	}
	return worker_send(worker, type, body);
}

static int
send_call(const char *call_id, enum message_type type, cJSON *body, void *arg)
{
	struct toolworkers *pool = arg;
	struct call *call = calls_find(*pool->calls, call_id);

	if (call == NULL) {
		cJSON_Delete(body);
		return -ENOENT;
	}
	return call_send_tool(call, type, body);
}

static void
part_done(const char *party, const char *id, enum tool_status status,
    const char *detail, uint64_t age_ms, void *arg)
{
	struct toolworkers *pool = arg;

	tool_fan_on_part(pool->fan, party, id, status, detail, age_ms);
}

static void
worker_stuck(struct worker *worker, void *arg)
{
	(void)arg;
	worker_kill(worker, SIGKILL);
}

static void
arm(uint64_t delay_ms, void *arg)
{
	struct toolworkers *pool = arg;
	struct timeval tv = {
	    .tv_sec = (time_t)(delay_ms / 1000),
	    .tv_usec = (suseconds_t)(delay_ms % 1000) * 1000,
	};

	if (delay_ms == UINT64_MAX)
		event_del(pool->queue_timer);
	else
		event_add(pool->queue_timer, &tv);
}

static void
on_queue_timer(evutil_socket_t fd, short what, void *arg)
{
	struct toolworkers *pool = arg;

	(void)fd;
	(void)what;
	tool_queue_tick(pool->queue);
}

/* -- the processes ------------------------------------------------------------------ */

static void
member_drain(struct member *member)
{
	member->leaving = true;
	tool_queue_worker_drain(member->pool->queue, member->worker);
	if (worker_send(member->worker, MESSAGE_DRAIN, NULL) < 0)
		worker_kill(member->worker, SIGTERM);
}

/* One more is up: one that is worn may go. */
static void
recycle(struct toolworkers *pool)
{
	struct member *member;

	TAILQ_FOREACH(member, &pool->members, entry) {
		if (!member->worn || member->leaving)
			continue;
		log_info("toolworker recycled jobs=%ld", member->jobs);
		member_drain(member);
		return;
	}
}

/* The first that is up asks how the service is; else the next to come up. */
static void
ask_health(struct toolworkers *pool)
{
	struct member *member;

	TAILQ_FOREACH(member, &pool->members, entry) {
		if (!member->up || member->leaving ||
		    worker_send(member->worker, MESSAGE_HEALTH, NULL) < 0)
			continue;
		member->health_ms = clock_now_ms();
		pool->health_due = false;
		return;
	}
}

static void
on_message(
    struct worker *worker, enum message_type type, const cJSON *body, void *arg)
{
	struct member *member = arg;
	bool first = !member->up;

	member->up = true;
	/* Told so by an earlier supervisor. */
	if (type == MESSAGE_STATE && !member->leaving &&
	    strcmp(json_string(body, "state"), "draining") == 0) {
		member->leaving = true;
		fill(member->pool);
	}
	if (type == MESSAGE_STATE &&
	    strcmp(json_string(body, "why"), "health") == 0)
		member->health_ms = 0;
	tool_queue_on_worker(member->pool->queue, worker, type, body);
	if (!first || member->leaving)
		return;
	if (member->pool->health_due)
		ask_health(member->pool);
	recycle(member->pool);
}

/* DEAD may have died before it could tell how the service is. */
static void
ask_health_again(struct toolworkers *pool, const struct member *dead)
{
	if (!pool->running || pool->health_tries == 0 || dead->health_ms == 0 ||
	    clock_now_ms() - dead->health_ms >= HEALTH_MS)
		return;
	pool->health_tries--;
	pool->health_due = true;
	ask_health(pool);
}

static void
start_later(struct toolworkers *pool, const struct member *dead)
{
	unsigned int max_ms = dead->up ? RESTART_UP_MAX_MS : RESTART_MAX_MS;
	struct timeval tv;

	if (event_pending(pool->start_timer, EV_TIMEOUT, NULL))
		return; /* that fills all gaps, and is not put off */
	if (clock_now_ms() - dead->started_ms >= STEADY_MS)
		pool->restart_ms = RESTART_FIRST_MS;
	if (pool->restart_ms > max_ms)
		pool->restart_ms = max_ms;
	tv.tv_sec = (time_t)(pool->restart_ms / 1000);
	tv.tv_usec = (suseconds_t)(pool->restart_ms % 1000) * 1000;
	pool->restart_ms *= 2;
	event_add(pool->start_timer, &tv);
}

static void
on_gone(struct worker *worker, const char *how, void *arg)
{
	struct member *member = arg;
	struct toolworkers *pool = member->pool;

	if (!member->leaving)
		log_warn("toolworker lost how=\"%s\"", how);
	TAILQ_REMOVE(&pool->members, member, entry);
	tool_queue_worker_gone(pool->queue, worker);
	if (!member->leaving)
		start_later(pool, member);
	ask_health_again(pool, member);
	free(member);
}

static struct member *
member_new(struct toolworkers *pool)
{
	struct member *member = calloc(1, sizeof(*member));

	if (member == NULL)
		return NULL;
	member->pool = pool;
	member->started_ms = clock_now_ms();
	return member;
}

static struct worker_owner
owner_of(struct member *member)
{
	return (struct worker_owner){
	    .on_message = on_message,
	    .on_gone = on_gone,
	    .arg = member,
	};
}

static int
member_start(struct toolworkers *pool)
{
	struct member *member = member_new(pool);
	struct worker_owner owner;

	if (member == NULL) {
		start_later(
		    pool, &(struct member){.started_ms = clock_now_ms()});
		return -ENOMEM;
	}
	owner = owner_of(member);
	member->worker = fleet_spawn(pool->fleet, PROC_ROLE_TOOLWORKER, &owner);
	if (member->worker == NULL) {
		start_later(pool, member);
		free(member);
		return -EAGAIN;
	}
	TAILQ_INSERT_TAIL(&pool->members, member, entry);
	return 0;
}

/* Those that stay: the worn ones are as good as gone. */
static size_t
count_staying(const struct toolworkers *pool)
{
	const struct member *member;
	size_t n = 0;

	TAILQ_FOREACH(member, &pool->members, entry)
		n += !member->leaving && !member->worn;
	return n;
}

static void
fill(struct toolworkers *pool)
{
	while (pool->running &&
	       count_staying(pool) < (size_t)pool->config->tool_workers) {
		if (member_start(pool) < 0)
			break;
	}
}

static void
on_start_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	fill(arg);
}

static void
drain_all(struct toolworkers *pool)
{
	struct member *member;

	TAILQ_FOREACH(member, &pool->members, entry) {
		if (!member->leaving)
			member_drain(member);
	}
}

/* -- the public side -------------------------------------------------------------------- */

void
toolworkers_adopt(struct toolworkers *pool, struct worker *worker)
{
	struct member *member = member_new(pool);
	struct worker_owner owner;

	if (member == NULL) {
		worker_kill(worker, SIGKILL);
		return;
	}
	member->worker = worker;
	member->up = true;
	owner = owner_of(member);
	worker_set_owner(worker, &owner);
	TAILQ_INSERT_TAIL(&pool->members, member, entry);
	tool_queue_expect(pool->queue, worker);
	/* No job runs anywhere until it has answered. */
	if (worker_send(worker, MESSAGE_SYNC, NULL) < 0)
		worker_kill(worker, SIGKILL);
}

void
toolworkers_start(struct toolworkers *pool)
{
	pool->running = true;
	/* Those of an earlier supervisor have been asked. */
	pool->health_due = TAILQ_EMPTY(&pool->members);
	pool->health_tries = HEALTH_TRIES;
	fill(pool);
}

void
toolworkers_stop(struct toolworkers *pool)
{
	pool->running = false;
	event_del(pool->start_timer);
	drain_all(pool);
}

void
toolworkers_reload(struct toolworkers *pool)
{
	drain_all(pool);
	pool->health_due = true;
	pool->health_tries = HEALTH_TRIES;
	fill(pool);
}

struct tool_queue *
toolworkers_queue(struct toolworkers *pool)
{
	return pool->queue;
}

struct tool_fan *
toolworkers_fan(struct toolworkers *pool)
{
	return pool->fan;
}

static int
make_fan(struct toolworkers *pool, struct router_inventory **routers)
{
	const struct tool_fan_config config = {
	    .queue = pool->queue,
	    .inventory = routers,
	    .find_tool = find_offered,
	    .send_call = send_call,
	    .now_ms = clock_now_ms,
	    .arg = pool,
	};

	return tool_fan_new(&pool->fan, &config);
}

int
toolworkers_new(struct toolworkers **pool_out, struct event_base *base,
    struct fleet *fleet, struct calls **calls,
    struct router_inventory **routers, struct tool_holds *holds,
    const struct config *settings)
{
	struct toolworkers *pool = calloc(1, sizeof(*pool));
	const struct tool_queue_config config = {
	    .find_tool = find_tool,
	    .send_worker = send_worker,
	    .send_call = send_call,
	    .start_local = start_local,
	    .describe_caller = describe_caller,
	    .cancel_local = cancel_local,
	    .part_done = part_done,
	    .worker_stuck = worker_stuck,
	    .arm = arm,
	    .now_ms = clock_now_ms,
	    .holds = holds,
	    .arg = pool,
	};

	if (pool == NULL)
		return -ENOMEM;
	TAILQ_INIT(&pool->members);
	pool->config = settings;
	pool->fleet = fleet;
	pool->calls = calls;
	pool->restart_ms = RESTART_FIRST_MS;
	pool->queue_timer = event_new(base, -1, 0, on_queue_timer, pool);
	pool->start_timer = event_new(base, -1, 0, on_start_timer, pool);
	pool->recycle_timer = event_new(base, -1, 0, on_start_timer, pool);
	if (pool->queue_timer == NULL || pool->start_timer == NULL ||
	    pool->recycle_timer == NULL ||
	    tool_queue_new(&pool->queue, &config) < 0 ||
	    make_fan(pool, routers) < 0) {
		toolworkers_free(&pool);
		return -ENOMEM;
	}
	*pool_out = pool;
	return 0;
}

void
toolworkers_free(struct toolworkers **pool_ptr)
{
	static const struct worker_owner nobody = {0};
	struct toolworkers *pool = *pool_ptr;
	struct member *member;

	if (pool == NULL)
		return;
	*pool_ptr = NULL;
	while ((member = TAILQ_FIRST(&pool->members)) != NULL) {
		worker_set_owner(member->worker, &nobody);
		TAILQ_REMOVE(&pool->members, member, entry);
		free(member);
	}
	tool_fan_free(&pool->fan);
	tool_queue_free(&pool->queue);
	if (pool->queue_timer != NULL)
		event_free(pool->queue_timer);
	if (pool->start_timer != NULL)
		event_free(pool->start_timer);
	if (pool->recycle_timer != NULL)
		event_free(pool->recycle_timer);
	free(pool);
}
