/* SPDX-License-Identifier: MIT */
/*
 * main.c – the supervisor: the mind of the service.
 *
 * A table of contents: each room is made here, in order, and freed in the
 * reverse order. It is a child of the keeper, which hands it what an earlier
 * supervisor left before anything else happens. With --standby that one still
 * works: until the table comes, nothing of the service is touched.
 */
#include "supervisor/supervisor_impl.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/resolver.h"
#include "common/startup.h"
#include "common/title.h"
#include "supervisor/access.h"
#include "supervisor/ari.h"
#include "supervisor/calls.h"
#include "supervisor/check.h"
#include "supervisor/control.h"
#include "supervisor/handover.h"
#include "supervisor/ledger.h"
#include "supervisor/records.h"
#include "supervisor/shortage.h"
#include "supervisor/spares.h"
#include "supervisor/supervisor_wall.h"
#include "supervisor/tool_holds.h"
#include "supervisor/toolworkers.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	TURN_MS = 500,
};

/* -- rooms that a predecessor used until now -------------------------------- */

/* The keeper's memory, or -1: it has none. */
static int
find_memory(void)
{
	static const char name[] = "/memfd:access";
	char path[sizeof(name)];
	char link[32];

	/* Run by hand, a foreign descriptor may have its number. */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", PROC_FD_MEMORY);
	if (readlink(link, path, sizeof(path)) >= (ssize_t)sizeof(name) - 1 &&
	    memcmp(path, name, sizeof(name) - 1) == 0)
		return PROC_FD_MEMORY;
	return -1;
}

static int
init_access(struct supervisor *me)
{
	int ret = access_new(&me->access, find_memory(), clock_now_ms);

	/* What is wrong with them was told with the settings. */
	if (ret == 0)
		access_set_pins(me->access, me->settings.config.staff_pins);
	return ret;
}

static void
on_written(unsigned token, void *arg)
{
	struct supervisor *me = arg;

	if (token != 0)
		fleet_release(me->fleet, token);
}

/* Calls are served without them, too. */
static void
init_records(struct supervisor *me)
{
	char folder[RECORD_FOLDER_MAX];
	struct records_config config = {
	    .base = me->base,
	    .rules = settings_record_rules(&me->settings),
	    .days = me->settings.config.records_days,
	    .on_written = on_written,
	    .arg = me,
	};
	int ret;

	records_folder(me->settings.config.records_dir, folder, sizeof(folder));
	if (folder[0] == '\0')
		return;
	config.rules.folder = folder;
	ret = records_new(&me->records, &config);
	if (ret < 0)
		log_err("alarm=records no call records: %s", strerror(-ret));
}

/* Which targets stay taken is known when nobody else says so any more. */
static int
init_tools(struct supervisor *me)
{
	int ret = tool_holds_new(&me->holds, find_memory(), clock_now_ms);

	return ret < 0 ? ret
		       : toolworkers_new(&me->toolworkers, me->base, me->fleet,
			     &me->calls, &me->settings.routers, me->holds,
			     &me->settings.config);
}

static int
init_calls(struct supervisor *me)
{
	const struct call_env env = {
	    .base = me->base,
	    .fleet = me->fleet,
	    .ari = me->ari,
	    .ledger = me->ledger,
	    .spares = me->spares,
	    .ports = &me->ports,
	    .tool_queue = toolworkers_queue(me->toolworkers),
	    .tool_fan = toolworkers_fan(me->toolworkers),
	    .access = me->access,
	    .records = me->records,
	    .shortages = me->shortages,
	    .config = &me->settings.config,
	    .personas = &me->settings.personas,
	    .tools = &me->settings.tools,
	    .local_ip = me->local_ip,
	};

	rtp_ports_init(&me->ports, me->settings.config.rtp_port_min,
	    me->settings.config.rtp_port_max);
	return calls_new(&me->calls, &env, NULL, NULL);
}

/* Without it calls are served all the same. */
static void
open_control(struct supervisor *me)
{
	char path[CONFIG_TEXT_MAX];
	const struct control_config config = {
	    .base = me->base,
	    .path = path,
	    .calls = me->calls,
	    .status = supervisor_describe,
	    .arg = me,
	};
	int ret;

	control_path(me->settings.config.control_socket, path, sizeof(path));
	if (path[0] == '\0')
		return;
	ret = control_new(&me->control, &config);
	if (ret < 0)
		log_err("alarm=control_socket no control socket path=%s: %s",
		    path,
		    ret == -EADDRINUSE
			? "another service answers there, set another "
			  "CONTROL_SOCKET"
			: strerror(-ret));
}

void
supervisor_take_over(struct supervisor *me)
{
	static const struct timeval interval = {.tv_usec = TURN_MS * 1000};
	int ret = init_access(me);

	init_records(me);
	if (ret == 0)
		ret = init_tools(me);
	if (ret == 0)
		ret = init_calls(me);
	if (ret == 0)
		ret = supervisor_handover_init(me);
	if (ret == 0 && event_add(me->timer, &interval) < 0)
		ret = -ENOMEM;
	if (ret < 0) {
		log_err("cannot take over error=%s", strerror(-ret));
		exit(PROC_EXIT_INTERNAL); /* the keeper starts another one */
	}
	open_control(me);
}

/* -- beginning and end of the process --------------------------------------- */

/* Whether only to --check. */
static bool
parse_args(struct supervisor *me, int argc, char **argv)
{
	static const struct option longs[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"check", no_argument, NULL, 'k'},
	    {"standby", no_argument, NULL, 's'},
	    {NULL, 0, NULL, 0},
	};
	bool check = false;
	int c;

	while ((c = getopt_long(argc, argv, "c:", longs, NULL)) != -1) {
		if (c == 'c')
			me->settings.file = optarg;
		else if (c == 'k')
			check = true;
		else if (c == 's')
			me->standby = true;
		else
			exit(PROC_EXIT_CONFIG);
	}
	return check;
}

static int
init_timers(struct supervisor *me)
{
	me->timer = event_new(me->base, -1, EV_PERSIST, supervisor_on_turn, me);
	me->sync_timer =
	    event_new(me->base, -1, EV_PERSIST, supervisor_on_sync_turn, me);
	return me->timer == NULL || me->sync_timer == NULL ? -ENOMEM : 0;
}

static int
main_init(struct supervisor *me)
{
	struct fleet_callbacks callbacks = {
	    .on_order = supervisor_on_order,
	    .on_adopted = supervisor_on_adopted,
	    .on_settled = supervisor_on_settled,
	    .on_signal = supervisor_on_signal,
	    .on_keeper_gone = supervisor_on_keeper_gone,
	    .arg = me,
	};
	int ret;

	me->base = event_base_new();
	if (me->base == NULL)
		return -ENOMEM;
	ret = supervisor_signal_init(me);
	if (ret == 0)
		ret = init_timers(me);
	if (ret == 0)
		ret = shortages_new(&me->shortages, me->base);
	callbacks.shortages = me->shortages;
	if (ret == 0)
		ret = resolver_new(&me->resolver, me->base, NULL);
	if (ret == 0)
		ret = fleet_new(
		    &me->fleet, me->base, PROC_FD_CHANNEL, &callbacks);
	if (ret == 0)
		ret = spares_new(&me->spares, me->base, me->fleet, me->resolver,
		    &me->settings.config);
	if (ret == 0)
		ret = supervisor_asterisk_init(me);
	if (ret == 0)
		ret = ledger_new(&me->ledger, me->base, me->ari,
		    me->settings.config.ari_app);
	if (ret == 0 && me->standby)
		keeper_client_say(fleet_keeper(me->fleet), KEEPER_PREPARED, 0);
	return ret;
}

static void
main_deinit(struct supervisor *me)
{
	handover_free(&me->handover);
	/* First what calls others back, so that nobody is called any more. */
	control_free(&me->control);
	ari_free(&me->ari);
	calls_free(&me->calls);
	records_free(&me->records);
	access_free(&me->access);
	ledger_free(&me->ledger);
	spares_free(&me->spares);
	toolworkers_free(&me->toolworkers);
	tool_holds_free(&me->holds);
	fleet_free(&me->fleet);
	shortages_free(&me->shortages);
	resolver_free(&me->resolver);
	supervisor_signal_free(me);
	if (me->timer != NULL)
		event_free(me->timer);
	if (me->sync_timer != NULL)
		event_free(me->sync_timer);
	if (me->base != NULL)
		event_base_free(me->base);
	settings_free(&me->settings);
}

int
main(int argc, char **argv)
{
	static struct supervisor supervisor;
	struct settings *settings = &supervisor.settings;
	int ret;

	title_init(argc, argv); /* before anything points into argv */
	if (parse_args(&supervisor, argc, argv))
		return check_run(settings->file);
	title_set_name("telef-super");
	title_set("telefonista: supervisor %s",
	    supervisor.standby ? "stands by" : "starting");
	log_init("supervisor", LOG_LEVEL_INFO);
	supervisor.keeper = getppid();
	startup_lock_memory();
	if (settings_load(settings) < 0)
		return PROC_EXIT_CONFIG;
	if (supervisor_wall_enter(&settings->config, settings->file) < 0)
		return PROC_EXIT_INTERNAL;
	ret = main_init(&supervisor);
	if (ret < 0) {
		log_err("cannot start error=%s", strerror(-ret));
		return PROC_EXIT_INTERNAL;
	}
	event_base_dispatch(supervisor.base);
	main_deinit(&supervisor);
	return supervisor.exit_status;
}
