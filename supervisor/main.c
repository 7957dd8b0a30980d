/* SPDX-License-Identifier: MIT */
/*
 * main.c – the supervisor: the mind of the service.
 *
 * A table of contents: each room is made here, in order, and freed in the
 * reverse order. It is a child of the keeper, which hands it what an earlier
 * supervisor left before anything else happens. With --standby that one still
 * works: until the table comes, nothing of the service is touched.
 */
#include "common/clock.h"
#include "common/config.h"
#include "common/json.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/resolver.h"
#include "common/router_inventory.h"
#include "common/secret_source.h"
#include "common/startup.h"
#include "common/title.h"
#include "supervisor/access.h"
#include "supervisor/ari.h"
#include "supervisor/calls.h"
#include "supervisor/check.h"
#include "supervisor/check_routers.h"
#include "supervisor/check_sql.h"
#include "supervisor/control.h"
#include "supervisor/fleet.h"
#include "supervisor/handover.h"
#include "supervisor/keeper_client.h"
#include "supervisor/ledger.h"
#include "supervisor/limits.h"
#include "supervisor/local_ip.h"
#include "supervisor/model.h"
#include "supervisor/persona.h"
#include "supervisor/records.h"
#include "supervisor/rtp_port.h"
#include "supervisor/shortage.h"
#include "supervisor/spares.h"
#include "supervisor/staff_pins.h"
#include "supervisor/supervisor_wall.h"
#include "supervisor/tool_fan.h"
#include "supervisor/tool_holds.h"
#include "supervisor/tool_queue.h"
#include "supervisor/tools.h"
#include "supervisor/toolworkers.h"

#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	TURN_MS = 500,
	TURN_STOPPING_MS = 50,
	LEAVE_MS = 2000, /* for workers to go; then the keeper ends them */
	SYNC_TURN_MS = 5,
	SYNC_MS = 1000, /* for adopted workers to say how far they are */
};

static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};

enum {
	SIGNAL_COUNT = sizeof(signals) / sizeof(signals[0]),
};

static struct {
	const char *config_file;
	bool check;
	bool standby;   /* another supervisor works: wait for the table */
	bool settled;   /* the table has been read */
	bool connected; /* to Asterisk, while standing by */
	struct config config;
	pid_t keeper;

	struct event_base *base;
	struct event *signal_events[SIGNAL_COUNT];
	struct event *timer;
	struct event *sync_timer;
	uint64_t sync_by_ms;
	struct resolver *resolver;
	struct fleet *fleet;
	struct personas *personas;
	struct tools *tools;
	struct secret_sources *secrets; /* where those of tools are */
	struct router_inventory *routers;
	struct spares *spares;
	struct tool_holds *holds;
	struct toolworkers *toolworkers;
	struct ari *ari;
	struct ledger *ledger;
	struct access *access;
	struct rtp_ports ports;
	char local_ip[LOCAL_IP_SIZE];
	struct calls *calls;
	struct control *control; /* NULL: no socket */
	struct records *records; /* NULL: none are kept */
	struct handover *handover;
	struct shortages *shortages;

	bool stopping;
	uint64_t leave_by_ms; /* 0: calls are still going on */
	int exit_status;
	char title[KEEPER_TEXT_MAX];
} me;

/* -- title and state ------------------------------------------------------------- */

static void
show_state(void)
{
	char title[sizeof(me.title)];

	snprintf(title, sizeof(title), "%sari=%s calls=%zu spares=%zu",
	    me.stopping ? "stopping " : "",
	    ari_state_name(me.ari != NULL ? ari_state(me.ari) : ARI_DOWN),
	    calls_count(me.calls), spares_warm_count(me.spares));
	if (strcmp(title, me.title) == 0)
		return;
	memcpy(me.title, title, sizeof(title));
	title_set("telefonista: supervisor %s", title);
	keeper_client_status(fleet_keeper(me.fleet), title);
}

static void
log_state(void)
{
	struct tool_queue_counts jobs =
	    tool_queue_count(toolworkers_queue(me.toolworkers));

	log_info("supervisor state %s workers=%zu ledger=%zu jobs_waiting=%zu "
		 "jobs_running=%zu questions=%zu toolworkers=%zu",
	    me.title, fleet_count(me.fleet), ledger_count(me.ledger),
	    jobs.waiting, jobs.running,
	    tool_fan_count(toolworkers_fan(me.toolworkers)), jobs.workers);
	calls_log_state(me.calls);
	spares_log_state(me.spares);
	ledger_log_state(me.ledger);
	tool_queue_log(toolworkers_queue(me.toolworkers));
	tool_fan_log(toolworkers_fan(me.toolworkers));
}

/* -- settings ---------------------------------------------------------------------- */

/* Personas, tools and routers of CONFIG; the old ones stay when this fails. */
static int
load_folders(const struct config *config, struct config_problems *problems)
{
	struct personas *personas = NULL;
	struct router_inventory *routers = NULL;
	struct tools *tools = NULL;
	char folder[4096];
	int ret;

	ret = router_inventory_load_config(&routers, config, problems);
	if (ret < 0)
		return ret;
	config_dir(config->tools_dir, "tools.d", folder, sizeof(folder));
	ret = tools_load(&tools, folder, config, problems);
	if (ret < 0)
		goto out;
	tools_use_routers(tools, router_inventory_count(routers));
	tools_check_secrets(tools, me.secrets, problems);
	check_routers_secrets(routers, me.secrets, problems);
	check_sql_strings(tools, config, me.secrets, problems);
	config_dir(config->persona_dir, "personas", folder, sizeof(folder));
	ret = personas_load(&personas, folder, config, problems);
	if (ret < 0)
		goto out;
	personas_check_tools(personas, tools, problems);
	staff_pins_check(config->staff_pins, problems);
	if (config_problems_fatal(problems) > 0)
		goto out; /* the caller sees the problems */
	personas_free(&me.personas);
	tools_unref(&me.tools);
	router_inventory_unref(&me.routers);
	me.personas = personas;
	me.tools = tools;
	me.routers = routers;
	return 0;
out:
	personas_free(&personas);
	tools_unref(&tools);
	router_inventory_unref(&routers);
	return ret;
}

static void
keep_text(struct config_problems *problems, const char *key, char *fresh,
    const char *old)
{
	if (strcmp(fresh, old) == 0)
		return;
	config_problem(problems, false,
	    "%s changed: not while there are calls; SIGHUP after them, or a "
	    "restart",
	    key);
	snprintf(fresh, CONFIG_TEXT_MAX, "%s", old);
}

/*
 * Of another Asterisk or application we would not hear how calls end, nor
 * would a successor that takes over now.
 */
static void
keep_asterisk(struct config *fresh, struct config_problems *problems)
{
	const struct config *old = &me.config;

	if (calls_count(me.calls) == 0 && ledger_count(me.ledger) == 0)
		return;
	keep_text(problems, "ASTERISK_HOST", fresh->asterisk_host,
	    old->asterisk_host);
	keep_text(problems, "ARI_APP", fresh->ari_app, old->ari_app);
	if (fresh->asterisk_port == old->asterisk_port)
		return;
	config_problem(problems, false,
	    "ASTERISK_PORT changed: not while there are calls; SIGHUP after "
	    "them, or a restart");
	fresh->asterisk_port = old->asterisk_port;
}

static bool
ari_settings_differ(const struct config *a, const struct config *b)
{
	return strcmp(a->asterisk_host, b->asterisk_host) != 0 ||
	       a->asterisk_port != b->asterisk_port ||
	       a->asterisk_tls != b->asterisk_tls ||
	       strcmp(a->asterisk_username, b->asterisk_username) != 0 ||
	       strcmp(a->asterisk_password, b->asterisk_password) != 0 ||
	       strcmp(a->ari_app, b->ari_app) != 0;
}

static void
find_local_ip(void)
{
	const struct net_address *asterisk = ari_address(me.ari);
	int ret = -EADDRNOTAVAIL;

	if (me.local_ip[0] != '\0')
		return;
	if (me.config.local_ip_address[0] != '\0') {
		snprintf(me.local_ip, sizeof(me.local_ip), "%.*s",
		    LOCAL_IP_SIZE - 1, me.config.local_ip_address);
		ret = 0;
	} else if (asterisk != NULL) {
		ret = local_ip_towards(asterisk, me.local_ip);
	}
	if (ret < 0)
		log_err("alarm=local_ip no address at which Asterisk reaches "
			"us, set LOCAL_IP_ADDRESS error=%s",
		    strerror(-ret));
	else
		log_info("media address is %s", me.local_ip);
}

/* The keeper parses nothing: what it needs of the settings it is told. */
static void
tell_keeper_settings(void)
{
	struct keeper_client *keeper = fleet_keeper(me.fleet);

	keeper_client_timezone(keeper, me.config.timezone);
	if (me.config.log_file_path[0] != '\0')
		keeper_client_log(keeper, STDERR_FILENO);
}

static void
tell_reloaded(enum keeper_reloaded result)
{
	keeper_client_say(
	    fleet_keeper(me.fleet), KEEPER_RELOADED, (int32_t)result);
}

/* Workers read the new settings; for our part another supervisor does. */
static void
reload_elsewhere(void)
{
	log_info("a new supervisor takes over, to read them");
	fleet_signal(me.fleet, SIGHUP);
	toolworkers_reload(me.toolworkers);
	tell_reloaded(KEEPER_RELOADED_OUTSIDE);
}

static void
reload(void)
{
	struct config_problems problems = {0};
	struct config fresh = me.config;
	enum keeper_reloaded result = KEEPER_RELOADED_ALL;
	size_t count;
	bool reconnect;

	log_info("reading the configuration again");
	config_load(&fresh, me.config_file, PROC_ROLE_SUPERVISOR, &problems);
	model_apply(&fresh, clock_wall(), &problems);
	if (config_problems_fatal(&problems) == 0)
		load_folders(&fresh, &problems);
	count = problems.count;
	keep_asterisk(&fresh, &problems);
	if (problems.count > count)
		result = KEEPER_RELOADED_PART;
	if (result == KEEPER_RELOADED_ALL &&
	    !supervisor_wall_covers(&fresh, me.config_file)) {
		config_wipe(&fresh);
		reload_elsewhere();
		return;
	}
	startup_log_problems(&problems);
	if (config_problems_fatal(&problems) > 0) {
		log_err("the configuration has errors, the old one stays");
		config_wipe(&fresh);
		tell_reloaded(KEEPER_RELOADED_NOTHING);
		return;
	}
	reconnect = ari_settings_differ(&fresh, &me.config) ||
		    ari_state(me.ari) == ARI_REPLACED;
	me.config = fresh;
	config_wipe(&fresh);
	access_set_pins(me.access, me.config.staff_pins);
	startup_apply_log(&me.config);
	rtp_ports_init(
	    &me.ports, me.config.rtp_port_min, me.config.rtp_port_max);
	me.local_ip[0] = '\0';
	if (ari_address(me.ari) != NULL)
		find_local_ip(); /* some call may be about to need it */
	tell_keeper_settings();
	fleet_signal(me.fleet, SIGHUP); /* log files */
	spares_reload(me.spares);
	toolworkers_reload(me.toolworkers);
	if (reconnect)
		ari_reconnect(me.ari, "configuration read again");
	tell_reloaded(result);
}

/* -- ending ------------------------------------------------------------------------- */

static void
finish(int status)
{
	me.exit_status = status;
	event_base_loopbreak(me.base);
}

static void
stop(void)
{
	static const struct timeval interval = {
	    .tv_usec = TURN_STOPPING_MS * 1000};

	if (me.stopping) {
		calls_drain_now(me.calls);
		return;
	}
	/* So that a successor, too, is told. */
	keeper_client_stopping(fleet_keeper(me.fleet));
	if (!handover_may_stop(me.handover))
		return;
	me.stopping = true;
	log_info("stopping");
	spares_stop(me.spares);
	calls_drain(me.calls);
	event_add(me.timer, &interval);
	show_state();
}

/* First the calls, then whom they needed until the end. */
static void
stop_turn(void)
{
	uint64_t now_ms = clock_now_ms();

	if (!calls_drained(me.calls))
		return;
	if (me.leave_by_ms == 0) {
		me.leave_by_ms = now_ms + LEAVE_MS;
		toolworkers_stop(me.toolworkers);
		ari_close(me.ari);
	}
	if ((fleet_count(me.fleet) == 0 && ari_is_closed(me.ari)) ||
	    now_ms >= me.leave_by_ms)
		finish(PROC_EXIT_OK);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	if (me.stopping)
		stop_turn();
	show_state();
}

/* -- signals --------------------------------------------------------------------------- */

static void
handle_signal(int sig, void *arg)
{
	(void)arg;
	if (!me.settled) {
		if (sig == SIGTERM || sig == SIGINT)
			finish(PROC_EXIT_OK);
		return; /* nothing is ours yet */
	}
	switch (sig) {
	case SIGTERM:
	case SIGINT:
		stop();
		break;
	case SIGHUP:
		if (!handover_is_leaving(me.handover))
			reload();
		break;
	case SIGUSR1:
		log_state();
		break;
	}
}

/* Sent to this process itself; those sent to the service come by the keeper. */
static void
on_signal(evutil_socket_t sig, short what, void *arg)
{
	(void)what;
	if (sig == SIGTERM && getppid() != me.keeper)
		return; /* the keeper died: on_keeper_gone says the rest */
	handle_signal((int)sig, arg);
}

static void
on_handed_over(void *arg)
{
	(void)arg;
	records_hurry(me.records);
	finish(PROC_EXIT_HANDED_OVER);
}

/* There is no successor after all. */
static void
on_owed_stop(void *arg)
{
	(void)arg;
	stop();
}

static void
on_keeper_gone(void *arg)
{
	(void)arg;
	log_err("the keeper is gone, ending: calls say goodbye by themselves");
	finish(PROC_EXIT_ORPHAN);
}

/* -- Asterisk ------------------------------------------------------------------------------ */

static void
on_snapshot(const cJSON *channels, const cJSON *bridges, void *arg)
{
	(void)arg;
	find_local_ip();
	calls_on_snapshot(me.calls, channels, bridges);
}

static void
on_event(const char *type, const cJSON *event, void *arg)
{
	(void)arg;
	find_local_ip();
	calls_on_event(me.calls, type, event);
}

static void
on_ari_state(enum ari_state state, void *arg)
{
	(void)arg;
	if (me.calls == NULL)
		return; /* standing by */
	calls_on_ari_state(me.calls, state);
	show_state();
}

static int
connect_ari(void)
{
	static const struct ari_callbacks callbacks = {
	    .on_snapshot = on_snapshot,
	    .on_event = on_event,
	    .on_state = on_ari_state,
	};

	return ari_new(
	    &me.ari, me.base, me.resolver, &me.config, &callbacks, NULL);
}

/* -- what an earlier supervisor left ------------------------------------------------------- */

/* Spares are cheap: fresh ones know the settings of today. */
static void
drain_spare(struct worker *worker)
{
	if (worker_send(worker, MESSAGE_DRAIN, NULL) < 0)
		worker_kill(worker, SIGTERM);
}

static void
on_adopted(const struct fleet_adopted *adopted, void *arg)
{
	(void)arg;
	if (adopted->role == PROC_ROLE_TOOLWORKER) {
		if (adopted->worker != NULL)
			toolworkers_adopt(me.toolworkers, adopted->worker);
	} else if (adopted->call[0] != '\0') {
		calls_adopt(me.calls, adopted);
	} else if (adopted->worker != NULL) {
		drain_spare(adopted->worker);
	}
}

/* Before a worker says that its call talks, digits would be ignored. */
static void
on_sync_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	if (!calls_are_synced(me.calls) && clock_now_ms() < me.sync_by_ms)
		return;
	event_del(me.sync_timer);
	ari_go_on(me.ari);
}

/* A predecessor that still works lets us connect before it ends. */
static void
start_ari(void)
{
	static const struct timeval interval = {.tv_usec = SYNC_TURN_MS * 1000};

	if (!me.connected) {
		ari_start(me.ari);
		return;
	}
	me.sync_by_ms = clock_now_ms() + SYNC_MS;
	event_add(me.sync_timer, &interval);
}

static void
on_settled(void *arg)
{
	(void)arg;
	me.settled = true;
	if (!me.stopping) {
		spares_start(me.spares);
		toolworkers_start(me.toolworkers);
	}
	records_settle(me.records);
	start_ari();
	tell_keeper_settings();
	keeper_client_ready(fleet_keeper(me.fleet));
	log_info("ready app=%s model=%s max_calls=%ld", me.config.ari_app,
	    me.config.openai_realtime_model, me.config.max_calls);
}

/* -- beginning and end of the process ---------------------------------------------------------- */

static void
parse_args(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"check", no_argument, NULL, 'k'},
	    {"standby", no_argument, NULL, 's'},
	    {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:", longs, NULL)) != -1) {
		if (c == 'c')
			me.config_file = optarg;
		else if (c == 'k')
			me.check = true;
		else if (c == 's')
			me.standby = true;
		else
			exit(PROC_EXIT_CONFIG);
	}
}

static int
load_configuration(void)
{
	struct config_problems problems = {0};
	struct limits limits;
	int ret = 0;

	/* Before config_load(), see there. */
	if (secret_sources_new(&me.secrets, me.config_file) < 0)
		return -ENOMEM;
	config_load(
	    &me.config, me.config_file, PROC_ROLE_SUPERVISOR, &problems);
	startup_check_system(&me.config, &problems);
	limits_read(&limits);
	limits_check(&limits, &me.config, &problems);
	model_apply(&me.config, clock_wall(), &problems);
	if (config_problems_fatal(&problems) == 0)
		ret = load_folders(&me.config, &problems);
	startup_apply_log(&me.config);
	startup_log_problems(&problems);
	if (config_problems_fatal(&problems) > 0)
		return -EINVAL;
	return ret;
}

static int
init_signals(void)
{
	for (size_t i = 0; i < SIGNAL_COUNT; i++) {
		me.signal_events[i] =
		    evsignal_new(me.base, signals[i], on_signal, NULL);
		if (me.signal_events[i] == NULL ||
		    event_add(me.signal_events[i], NULL) < 0)
			return -ENOMEM;
	}
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

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
init_access(void)
{
	int ret = access_new(&me.access, find_memory(), clock_now_ms);

	/* What is wrong with them was told with the settings. */
	if (ret == 0)
		access_set_pins(me.access, me.config.staff_pins);
	return ret;
}

static void
on_written(unsigned token, void *arg)
{
	(void)arg;
	if (token != 0)
		fleet_release(me.fleet, token);
}

/* Calls are served without them, too. */
static void
init_records(void)
{
	char folder[RECORD_FOLDER_MAX];
	const struct records_config config = {
	    .base = me.base,
	    .rules =
		{
		    .folder = folder,
		    .transcripts = me.config.record_transcripts,
		    .show_number = me.config.show_caller_number,
		},
	    .days = me.config.records_days,
	    .on_written = on_written,
	};
	int ret;

	records_folder(me.config.records_dir, folder, sizeof(folder));
	if (folder[0] == '\0')
		return;
	ret = records_new(&me.records, &config);
	if (ret < 0)
		log_err("alarm=records no call records: %s", strerror(-ret));
}

/* Which targets stay taken is known when nobody else says so any more. */
static int
init_tools(void)
{
	int ret = tool_holds_new(&me.holds, find_memory(), clock_now_ms);

	return ret < 0 ? ret
		       : toolworkers_new(&me.toolworkers, me.base, me.fleet,
			     &me.calls, &me.routers, me.holds, &me.config);
}

static int
init_calls(void)
{
	const struct call_env env = {
	    .base = me.base,
	    .fleet = me.fleet,
	    .ari = me.ari,
	    .ledger = me.ledger,
	    .spares = me.spares,
	    .ports = &me.ports,
	    .tool_queue = toolworkers_queue(me.toolworkers),
	    .tool_fan = toolworkers_fan(me.toolworkers),
	    .access = me.access,
	    .records = me.records,
	    .shortages = me.shortages,
	    .config = &me.config,
	    .personas = &me.personas,
	    .tools = &me.tools,
	    .local_ip = me.local_ip,
	};

	rtp_ports_init(
	    &me.ports, me.config.rtp_port_min, me.config.rtp_port_max);
	return calls_new(&me.calls, &env, NULL, NULL);
}

static cJSON *
describe(void *arg)
{
	struct tool_queue_counts jobs =
	    tool_queue_count(toolworkers_queue(me.toolworkers));
	cJSON *body = cJSON_CreateObject();

	(void)arg;
	json_add_string(body, "build", proc_build_id());
	json_add_int(body, "pid", (int64_t)me.keeper);
	json_add_bool(body, "stopping", me.stopping);
	json_add_string(body, "ari", ari_state_name(ari_state(me.ari)));
	json_add_int(body, "calls", (int64_t)calls_count(me.calls));
	json_add_int(body, "spares", (int64_t)spares_warm_count(me.spares));
	json_add_int(body, "workers", (int64_t)fleet_count(me.fleet));
	json_add_int(body, "jobs_waiting", (int64_t)jobs.waiting);
	json_add_int(body, "jobs_running", (int64_t)jobs.running);
	json_add_int(body, "toolworkers", (int64_t)jobs.workers);
	json_add_int(
	    body, "records_waiting", (int64_t)records_waiting(me.records));
	return body;
}

/* Without it calls are served all the same. */
static void
open_control(void)
{
	char path[CONFIG_TEXT_MAX];
	const struct control_config config = {
	    .base = me.base,
	    .path = path,
	    .calls = me.calls,
	    .status = describe,
	};
	int ret;

	control_path(me.config.control_socket, path, sizeof(path));
	if (path[0] == '\0')
		return;
	ret = control_new(&me.control, &config);
	if (ret < 0)
		log_err("alarm=control_socket no control socket path=%s: %s",
		    path,
		    ret == -EADDRINUSE
			? "another service answers there, set another "
			  "CONTROL_SOCKET"
			: strerror(-ret));
}

static int
init_handover(void)
{
	const struct handover_env env = {
	    .base = me.base,
	    .fleet = me.fleet,
	    .ari = me.ari,
	    .calls = me.calls,
	    .on_done = on_handed_over,
	    .on_stop = on_owed_stop,
	};

	return handover_new(&me.handover, &env);
}

/* What a predecessor used until now is ours. */
static void
take_over(void)
{
	static const struct timeval interval = {.tv_usec = TURN_MS * 1000};
	int ret = init_access();

	init_records();
	if (ret == 0)
		ret = init_tools();
	if (ret == 0)
		ret = init_calls();
	if (ret == 0)
		ret = init_handover();
	if (ret == 0 && event_add(me.timer, &interval) < 0)
		ret = -ENOMEM;
	if (ret < 0) {
		log_err("cannot take over error=%s", strerror(-ret));
		exit(PROC_EXIT_INTERNAL); /* the keeper starts another one */
	}
	open_control();
}

static void
on_order(enum keeper_op op, void *arg)
{
	(void)arg;
	if (op == KEEPER_TABLE_END) {
		take_over();
	} else if (op == KEEPER_CONNECT && !me.settled && !me.connected) {
		me.connected = true;
		ari_start_held(me.ari);
	} else if (op == KEEPER_YIELD && me.settled && !me.stopping) {
		handover_begin(me.handover);
	} else if (op == KEEPER_STAY && me.settled) {
		handover_stay(me.handover, "the keeper says so");
	}
}

static int
init_timers(void)
{
	me.timer = event_new(me.base, -1, EV_PERSIST, on_turn, NULL);
	me.sync_timer = event_new(me.base, -1, EV_PERSIST, on_sync_turn, NULL);
	return me.timer == NULL || me.sync_timer == NULL ? -ENOMEM : 0;
}

static int
main_init(void)
{
	struct fleet_callbacks callbacks = {
	    .on_order = on_order,
	    .on_adopted = on_adopted,
	    .on_settled = on_settled,
	    .on_signal = handle_signal,
	    .on_keeper_gone = on_keeper_gone,
	};
	int ret;

	me.base = event_base_new();
	if (me.base == NULL)
		return -ENOMEM;
	ret = init_signals();
	if (ret == 0)
		ret = init_timers();
	if (ret == 0)
		ret = shortages_new(&me.shortages, me.base);
	callbacks.shortages = me.shortages;
	if (ret == 0)
		ret = resolver_new(&me.resolver, me.base, NULL);
	if (ret == 0)
		ret =
		    fleet_new(&me.fleet, me.base, PROC_FD_CHANNEL, &callbacks);
	if (ret == 0)
		ret = spares_new(
		    &me.spares, me.base, me.fleet, me.resolver, &me.config);
	if (ret == 0)
		ret = connect_ari();
	if (ret == 0)
		ret =
		    ledger_new(&me.ledger, me.base, me.ari, me.config.ari_app);
	if (ret == 0 && me.standby)
		keeper_client_say(fleet_keeper(me.fleet), KEEPER_PREPARED, 0);
	return ret;
}

static void
main_deinit(void)
{
	handover_free(&me.handover);
	/* First what calls others back, so that nobody is called any more. */
	control_free(&me.control);
	ari_free(&me.ari);
	calls_free(&me.calls);
	records_free(&me.records);
	access_free(&me.access);
	ledger_free(&me.ledger);
	spares_free(&me.spares);
	toolworkers_free(&me.toolworkers);
	tool_holds_free(&me.holds);
	fleet_free(&me.fleet);
	shortages_free(&me.shortages);
	resolver_free(&me.resolver);
	personas_free(&me.personas);
	tools_unref(&me.tools);
	secret_sources_free(&me.secrets);
	router_inventory_unref(&me.routers);
	for (size_t i = 0; i < SIGNAL_COUNT; i++) {
		if (me.signal_events[i] != NULL)
			event_free(me.signal_events[i]);
	}
	if (me.timer != NULL)
		event_free(me.timer);
	if (me.sync_timer != NULL)
		event_free(me.sync_timer);
	if (me.base != NULL)
		event_base_free(me.base);
	config_wipe(&me.config);
}

int
main(int argc, char **argv)
{
	int ret;

	title_init(argc, argv); /* before anything points into argv */
	parse_args(argc, argv);
	if (me.check)
		return check_run(me.config_file);
	title_set_name("telef-super");
	title_set("telefonista: supervisor %s",
	    me.standby ? "stands by" : "starting");
	log_init("supervisor", LOG_LEVEL_INFO);
	me.keeper = getppid();
	startup_lock_memory();
	if (load_configuration() < 0)
		return PROC_EXIT_CONFIG;
	if (supervisor_wall_enter(&me.config, me.config_file) < 0)
		return PROC_EXIT_INTERNAL;
	ret = main_init();
	if (ret < 0) {
		log_err("cannot start error=%s", strerror(-ret));
		return PROC_EXIT_INTERNAL;
	}
	event_base_dispatch(me.base);
	main_deinit();
	return me.exit_status;
}
