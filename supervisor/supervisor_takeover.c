/* SPDX-License-Identifier: MIT */
/*
 * supervisor_takeover.c – what an earlier supervisor left, and how this one
 * makes way for the next.
 *
 * Invariant: until the keeper's table has come nothing of the service is
 * touched: a predecessor may still be at work.
 */
#include "supervisor/supervisor_impl.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/proc.h"
#include "supervisor/ari.h"
#include "supervisor/calls.h"
#include "supervisor/handover.h"
#include "supervisor/records.h"
#include "supervisor/spares.h"
#include "supervisor/toolworkers.h"

#include <signal.h>

enum {
	SYNC_TURN_MS = 5,
	SYNC_MS = 1000, /* for adopted workers to say how far they are */
};

/* -- a predecessor ---------------------------------------------------------- */

/* Spares are cheap: fresh ones know the settings of today. */
static void
drain_spare(struct worker *worker)
{
	if (worker_send(worker, MESSAGE_DRAIN, NULL) < 0)
		worker_kill(worker, SIGTERM);
}

void
supervisor_on_adopted(const struct fleet_adopted *adopted, void *arg)
{
	struct supervisor *me = arg;

	if (adopted->role == PROC_ROLE_TOOLWORKER) {
		if (adopted->worker != NULL)
			toolworkers_adopt(me->toolworkers, adopted->worker);
	} else if (adopted->call[0] != '\0') {
		calls_adopt(me->calls, adopted);
	} else if (adopted->worker != NULL) {
		drain_spare(adopted->worker);
	}
}

/* Before a worker says that its call talks, digits would be ignored. */
void
supervisor_on_sync_turn(evutil_socket_t fd, short what, void *arg)
{
	struct supervisor *me = arg;

	(void)fd;
	(void)what;
	if (!calls_are_synced(me->calls) && clock_now_ms() < me->sync_by_ms)
		return;
	event_del(me->sync_timer);
	ari_go_on(me->ari);
}

/* A predecessor that still works lets us connect before it ends. */
static void
start_ari(struct supervisor *me)
{
	static const struct timeval interval = {.tv_usec = SYNC_TURN_MS * 1000};

	if (!me->connected) {
		ari_start(me->ari);
		return;
	}
	me->sync_by_ms = clock_now_ms() + SYNC_MS;
	event_add(me->sync_timer, &interval);
}

void
supervisor_on_settled(void *arg)
{
	struct supervisor *me = arg;

	me->settled = true;
	if (!me->stopping) {
		spares_start(me->spares);
		toolworkers_start(me->toolworkers);
	}
	records_settle(me->records);
	start_ari(me);
	supervisor_tell_settings(me);
	keeper_client_ready(fleet_keeper(me->fleet));
	log_info("ready app=%s model=%s max_calls=%ld",
	    me->settings.config.ari_app,
	    me->settings.config.openai_realtime_model,
	    me->settings.config.max_calls);
}

/* -- a successor ------------------------------------------------------------ */

static void
on_handed_over(void *arg)
{
	struct supervisor *me = arg;

	records_hurry(me->records);
	supervisor_finish(me, PROC_EXIT_HANDED_OVER);
}

/* There is no successor after all. */
static void
on_owed_stop(void *arg)
{
	supervisor_stop(arg);
}

int
supervisor_handover_init(struct supervisor *me)
{
	const struct handover_env env = {
	    .base = me->base,
	    .fleet = me->fleet,
	    .ari = me->ari,
	    .calls = me->calls,
	    .on_done = on_handed_over,
	    .on_stop = on_owed_stop,
	    .arg = me,
	};

	return handover_new(&me->handover, &env);
}

/* -- the keeper ------------------------------------------------------------- */

void
supervisor_on_order(enum keeper_op op, void *arg)
{
	struct supervisor *me = arg;

	if (op == KEEPER_TABLE_END) {
		supervisor_take_over(me);
	} else if (op == KEEPER_CONNECT && !me->settled && !me->connected) {
		me->connected = true;
		ari_start_held(me->ari);
	} else if (op == KEEPER_YIELD && me->settled && !me->stopping) {
		handover_begin(me->handover);
	} else if (op == KEEPER_STAY && me->settled) {
		handover_stay(me->handover, "the keeper says so");
	}
}

void
supervisor_on_keeper_gone(void *arg)
{
	struct supervisor *me = arg;

	log_err("the keeper is gone, ending: calls say goodbye by themselves");
	supervisor_finish(me, PROC_EXIT_ORPHAN);
}
