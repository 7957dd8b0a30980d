/* SPDX-License-Identifier: MIT */
/*
 * supervisor_signal.c – what the supervisor is told to do: to read its
 * settings again, to stop.
 */
#include "supervisor/supervisor_impl.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/startup.h"
#include "supervisor/access.h"
#include "supervisor/ari.h"
#include "supervisor/calls.h"
#include "supervisor/handover.h"
#include "supervisor/ledger.h"
#include "supervisor/records.h"
#include "supervisor/spares.h"
#include "supervisor/supervisor_wall.h"
#include "supervisor/toolworkers.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

enum {
	TURN_STOPPING_MS = 50,
	LEAVE_MS = 2000, /* for workers to go; then the keeper ends them */
};

static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};

_Static_assert(sizeof(signals) / sizeof(signals[0]) == SUPERVISOR_SIGNALS,
    "one event each");

/* -- settings --------------------------------------------------------------- */

void
supervisor_tell_settings(struct supervisor *me)
{
	struct keeper_client *keeper = fleet_keeper(me->fleet);

	keeper_client_timezone(keeper, me->settings.config.timezone);
	if (me->settings.config.log_file_path[0] != '\0')
		keeper_client_log(keeper, STDERR_FILENO);
}

static void
tell_reloaded(struct supervisor *me, enum keeper_reloaded result)
{
	keeper_client_say(
	    fleet_keeper(me->fleet), KEEPER_RELOADED, (int32_t)result);
}

/* Workers read the new settings; for our part another supervisor does. */
static void
reload_elsewhere(struct supervisor *me)
{
	log_info("a new supervisor takes over, to read them");
	fleet_signal(me->fleet, SIGHUP);
	toolworkers_reload(me->toolworkers);
	tell_reloaded(me, KEEPER_RELOADED_OUTSIDE);
}

static void
reload(struct supervisor *me)
{
	bool busy = calls_count(me->calls) > 0 || ledger_count(me->ledger) > 0;
	const struct config *config = &me->settings.config;
	enum keeper_reloaded result;
	struct record_rules rules;
	bool reconnect;

	log_info("reading the configuration again");
	result = settings_reload(&me->settings, busy, &reconnect);
	if (result == KEEPER_RELOADED_OUTSIDE) {
		reload_elsewhere(me);
		return;
	}
	if (result == KEEPER_RELOADED_NOTHING) {
		tell_reloaded(me, result);
		return;
	}
	access_set_pins(me->access, config->staff_pins);
	rules = settings_record_rules(&me->settings);
	records_set_rules(me->records, &rules, config->records_days);
	startup_apply_log(config);
	rtp_ports_init(&me->ports, config->rtp_port_min, config->rtp_port_max);
	me->local_ip[0] = '\0';
	/* Some call may be about to need it. */
	if (ari_address(me->ari) != NULL)
		supervisor_find_local_ip(me);
	supervisor_tell_settings(me);
	fleet_signal(me->fleet, SIGHUP); /* log files */
	spares_reload(me->spares);
	toolworkers_reload(me->toolworkers);
	if (reconnect || ari_state(me->ari) == ARI_REPLACED)
		ari_reconnect(me->ari, "configuration read again");
	tell_reloaded(me, result);
}

/* -- the end ---------------------------------------------------------------- */

void
supervisor_finish(struct supervisor *me, int status)
{
	me->exit_status = status;
	event_base_loopbreak(me->base);
}

void
supervisor_stop(struct supervisor *me)
{
	static const struct timeval interval = {
	    .tv_usec = TURN_STOPPING_MS * 1000};

	/* So that a successor, too, is told. */
	keeper_client_stopping(fleet_keeper(me->fleet));
	if (!handover_may_stop(me->handover))
		return;
	me->stopping = true;
	log_info("stopping");
	spares_stop(me->spares);
	calls_drain(me->calls);
	event_add(me->timer, &interval);
	supervisor_show_state(me);
}

/* First the calls, then whom they needed until the end. */
static void
stop_turn(struct supervisor *me)
{
	uint64_t now_ms = clock_now_ms();

	if (!calls_drained(me->calls))
		return;
	if (me->leave_by_ms == 0) {
		me->leave_by_ms = now_ms + LEAVE_MS;
		toolworkers_stop(me->toolworkers);
		ari_close(me->ari);
	}
	if ((fleet_count(me->fleet) == 0 && ari_is_closed(me->ari)) ||
	    now_ms >= me->leave_by_ms)
		supervisor_finish(me, PROC_EXIT_OK);
}

void
supervisor_on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct supervisor *me = arg;

	(void)fd;
	(void)what;
	if (me->stopping)
		stop_turn(me);
	else if (me->settled && !handover_is_leaving(me->handover) &&
		 supervisor_wall_lost_files(&me->settings.config))
		reload_elsewhere(me);
	supervisor_show_state(me);
}

/* -- signals ---------------------------------------------------------------- */

/*
 * *TOLD: who tells us was heard before. Who tells every process of the service
 * means it once, though we hear it twice.
 */
static void
be_told_to_stop(struct supervisor *me, bool *told)
{
	if (!me->stopping)
		supervisor_stop(me);
	else if (*told)
		calls_drain_now(me->calls);
	*told = true;
}

static void
handle_signal(struct supervisor *me, int sig, bool *told)
{
	if (!me->settled) {
		if (sig == SIGTERM || sig == SIGINT)
			supervisor_finish(me, PROC_EXIT_OK);
		return; /* nothing is ours yet */
	}
	switch (sig) {
	case SIGTERM:
	case SIGINT:
		be_told_to_stop(me, told);
		break;
	case SIGHUP:
		if (!handover_is_leaving(me->handover))
			reload(me);
		break;
	case SIGUSR1:
		supervisor_log_state(me);
		break;
	}
}

void
supervisor_on_signal(int sig, void *arg)
{
	struct supervisor *me = arg;

	handle_signal(me, sig, &me->told_by_keeper);
}

/* Sent to this process itself; those sent to the service come by the keeper. */
static void
on_signal(evutil_socket_t sig, short what, void *arg)
{
	struct supervisor *me = arg;

	(void)what;
	if (sig == SIGTERM && getppid() != me->keeper)
		return; /* the keeper died: on_keeper_gone says the rest */
	handle_signal(me, (int)sig, &me->told_to_stop);
}

int
supervisor_signal_init(struct supervisor *me)
{
	for (size_t i = 0; i < SUPERVISOR_SIGNALS; i++) {
		me->signal_events[i] =
		    evsignal_new(me->base, signals[i], on_signal, me);
		if (me->signal_events[i] == NULL ||
		    event_add(me->signal_events[i], NULL) < 0)
			return -ENOMEM;
	}
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

void
supervisor_signal_free(struct supervisor *me)
{
	for (size_t i = 0; i < SUPERVISOR_SIGNALS; i++) {
		if (me->signal_events[i] != NULL)
			event_free(me->signal_events[i]);
	}
}
