/* SPDX-License-Identifier: MIT */
/*
 * main.c – the toolworker process: a channel to the supervisor, a table of
 * jobs, the executors. Nothing on its loop blocks, so that one slow service
 * cannot delay another's answer; what must block has a thread (sql_thread.h).
 */
#include "common/clock.h"
#include "common/config.h"
#include "common/http_client.h"
#include "common/json.h"
#include "common/log.h"
#include "common/peer.h"
#include "common/proc.h"
#include "common/resolver.h"
#include "common/startup.h"
#include "common/title.h"
#include "toolworker/health.h"
#include "toolworker/http_executor.h"
#include "toolworker/jobs.h"
#include "toolworker/routeros_executor.h"
#include "toolworker/run.h"
#include "toolworker/sql_executor.h"
#include "toolworker/tool_secrets.h"
#include "toolworker/tool_wall.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	HEARTBEAT_MS = 500,
	FAREWELL_MS = 500, /* to get the last results out */
	EXECUTOR_COUNT = 3,
	SIGNALS = 3,
};

static struct {
	struct config config;
	struct event_base *base;
	struct event *heartbeat;
	struct event *deadline; /* jobs_tick() */
	struct event *signal_events[SIGNALS];
	struct peer *peer;
	struct http_call_network network;
	struct tool_secrets *secrets;
	struct http_executor *http;
	struct routeros_executor *routeros;
	struct sql_executor *sql;
	struct health *health;
	struct executor executors[EXECUTOR_COUNT];
	struct jobs *jobs;
	bool draining; /* no new jobs; exit after the last */
	bool is_stuck; /* a thread hangs in a driver: only _exit() ends it */
	enum proc_exit exit_status;
} toolworker;

static void
quit(enum proc_exit status)
{
	toolworker.exit_status = status;
	event_base_loopbreak(toolworker.base);
}

/* -- what the supervisor is told ----------------------------------------- */

static void
send_hello(void)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "role", proc_role_name(PROC_ROLE_TOOLWORKER));
	json_add_string(body, "build", proc_build_id());
	json_add_int(body, "pid", getpid());
	peer_send(toolworker.peer, MESSAGE_HELLO, body);
}

static const char *
state_name(void)
{
	if (toolworker.draining)
		return "draining";
	return jobs_count(toolworker.jobs) > 0 ? "busy" : "idle";
}

static void
send_state(const char *why)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "state", state_name());
	json_add_string(body, "why", why);
	json_add(body, "jobs", jobs_list(toolworker.jobs));
	peer_send(toolworker.peer, MESSAGE_STATE, body);
}

static void
on_heartbeat(evutil_socket_t fd, short what, void *arg)
{
	cJSON *body = cJSON_CreateObject();

	(void)fd;
	(void)what;
	(void)arg;
	json_add_string(body, "state", state_name());
	peer_send(toolworker.peer, MESSAGE_HEARTBEAT, body);
}

/* Told to, with nothing left to do: who does not know of it hears it so. */
static void
leave(void)
{
	send_state("drain");
	quit(PROC_EXIT_OK);
}

/* -- the jobs table's callbacks ------------------------------------------- */

static void
on_jobs_send(enum message_type type, cJSON *body, void *arg)
{
	(void)arg;
	peer_send(toolworker.peer, type, body);
}

static void
on_jobs_arm(uint64_t delay_ms, void *arg)
{
	struct timeval delay;

	(void)arg;
	if (delay_ms == UINT64_MAX) {
		evtimer_del(toolworker.deadline);
		return;
	}
	delay.tv_sec = (time_t)(delay_ms / 1000);
	delay.tv_usec = (suseconds_t)(delay_ms % 1000 * 1000);
	evtimer_add(toolworker.deadline, &delay);
}

static void
on_jobs_changed(size_t count, void *arg)
{
	(void)arg;
	title_set("telefonista: toolworker jobs=%zu", count);
	if (toolworker.draining && count == 0)
		leave();
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	jobs_tick(toolworker.jobs);
}

/* The jobs that wait here are lost, and run elsewhere. */
static void
on_sql_stuck(void *arg)
{
	(void)arg;
	quit(PROC_EXIT_INTERNAL);
}

/* -- what the supervisor says ---------------------------------------------- */

static void
on_sync(void)
{
	send_state("sync");
	jobs_tell_progress(toolworker.jobs);
}

static void
on_health_known(void)
{
	send_state("health");
}

/* One of the pool is asked to, once for each set of settings. */
static void
on_health(void)
{
	health_free(&toolworker.health);
	if (health_ask(&toolworker.health, &toolworker.network,
		&toolworker.config, on_health_known) < 0)
		log_err("no memory to ask how the service is");
}

static void
on_drain(void)
{
	log_info("draining jobs=%zu", jobs_count(toolworker.jobs));
	toolworker.draining = true;
	if (jobs_count(toolworker.jobs) == 0)
		leave();
}

static void
on_message(struct peer *peer, enum message_type type, const cJSON *body,
    int *fds, void *arg)
{
	int ret = 0;

	(void)peer;
	(void)fds;
	(void)arg;
	if (type == MESSAGE_JOB_RUN)
		ret = jobs_on_run(toolworker.jobs, body);
	else if (type == MESSAGE_JOB_CANCEL)
		ret = jobs_on_cancel(toolworker.jobs, body);
	else if (type == MESSAGE_SYNC)
		on_sync();
	else if (type == MESSAGE_HEALTH)
		on_health();
	else if (type == MESSAGE_DRAIN)
		on_drain();
	if (ret < 0) {
		log_err(
		    "message has no usable id message=%s", message_name(type));
		quit(PROC_EXIT_CHANNEL);
	}
}

static void
on_closed(struct peer *peer, const char *why, void *arg)
{
	(void)peer;
	(void)arg;
	log_err("channel to the supervisor is gone why=\"%s\" jobs=%zu", why,
	    jobs_count(toolworker.jobs));
	quit(PROC_EXIT_CHANNEL);
}

/* -- signals ----------------------------------------------------------------- */

/* Also when the keeper dies (PR_SET_PDEATHSIG). */
static void
on_sigterm(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	log_info("ending on SIGTERM jobs=%zu", jobs_count(toolworker.jobs));
	quit(PROC_EXIT_OK);
}

static void
on_sigusr1(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	log_info("state=%s jobs=%zu http_requests=%u", state_name(),
	    jobs_count(toolworker.jobs),
	    http_client_pending(toolworker.network.client));
	jobs_log(toolworker.jobs);
}

/* The log file was rotated; settings are read by the next process. */
static void
on_sighup(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	startup_apply_log(&toolworker.config);
}

/* -- start and end ----------------------------------------------------------- */

static int
init_loop(void)
{
	static const int numbers[SIGNALS] = {SIGTERM, SIGUSR1, SIGHUP};
	static const event_callback_fn handlers[SIGNALS] = {
	    on_sigterm, on_sigusr1, on_sighup};
	const struct timeval heartbeat = {.tv_usec = HEARTBEAT_MS * 1000L};

	signal(SIGPIPE, SIG_IGN);
	toolworker.base = event_base_new();
	if (toolworker.base == NULL)
		return -ENOMEM;
	toolworker.heartbeat =
	    event_new(toolworker.base, -1, EV_PERSIST, on_heartbeat, NULL);
	toolworker.deadline = evtimer_new(toolworker.base, on_deadline, NULL);
	if (toolworker.heartbeat == NULL || toolworker.deadline == NULL ||
	    event_add(toolworker.heartbeat, &heartbeat) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < SIGNALS; i++) {
		toolworker.signal_events[i] = evsignal_new(
		    toolworker.base, numbers[i], handlers[i], NULL);
		if (toolworker.signal_events[i] == NULL ||
		    event_add(toolworker.signal_events[i], NULL) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int
init_channel(void)
{
	const struct peer_config config = {
	    .fd = PROC_FD_CHANNEL,
	    .us = MESSAGE_TOOLWORKER,
	    .them = MESSAGE_SUPERVISOR,
	    .on_message = on_message,
	    .on_closed = on_closed,
	};

	return peer_new(&toolworker.peer, toolworker.base, &config);
}

static int
init_network(void)
{
	const struct http_client_config http = {
	    .connections_max = 2 * JOBS_MAX,
	};
	int ret;

	ret = resolver_new(&toolworker.network.resolver, toolworker.base, NULL);
	if (ret < 0)
		return ret;
	return http_client_new(
	    &toolworker.network.client, toolworker.base, &http);
}

static int
init_jobs(void)
{
	const struct jobs_config config = {
	    .executors = toolworker.executors,
	    .executor_count = EXECUTOR_COUNT,
	    .send = on_jobs_send,
	    .arm = on_jobs_arm,
	    .changed = on_jobs_changed,
	    .now_ms = clock_now_ms,
	};

	return jobs_new(&toolworker.jobs, &config);
}

static int
init_executors(void)
{
	const struct sql_executor_config sql = {
	    .base = toolworker.base,
	    .config = &toolworker.config,
	    .secrets = toolworker.secrets,
	    .on_stuck = on_sql_stuck,
	};
	int ret = http_executor_new(&toolworker.http, &toolworker.network,
	    &toolworker.config, toolworker.secrets);

	if (ret == 0)
		ret = sql_executor_new(&toolworker.sql, &sql);
	if (ret == 0)
		ret = routeros_executor_new(&toolworker.routeros,
		    toolworker.base, &toolworker.network, &toolworker.config,
		    toolworker.secrets);
	if (ret < 0)
		return ret;
	toolworker.executors[0] = http_executor_interface(toolworker.http);
	toolworker.executors[1] = sql_executor_interface(toolworker.sql);
	toolworker.executors[2] =
	    routeros_executor_interface(toolworker.routeros);
	return 0;
}

static int
main_init(const char *config_file)
{
	int ret;

	if ((ret = secret_sources_gather(
		 tool_secrets_sources(toolworker.secrets))) < 0 ||
	    (ret = tool_wall_enter(&toolworker.config, config_file)) < 0 ||
	    (ret = init_loop()) < 0 || (ret = init_channel()) < 0 ||
	    (ret = init_network()) < 0 || (ret = init_executors()) < 0 ||
	    (ret = init_jobs()) < 0)
		return ret;
	title_set("telefonista: toolworker jobs=0");
	send_hello();
	return 0;
}

/* --run: no supervisor, no jobs table; one tool and its answer. */
static enum proc_exit
run_once(const char *name, const char *arguments)
{
	int ret;

	if ((ret = init_loop()) < 0 || (ret = init_network()) < 0 ||
	    (ret = init_executors()) < 0) {
		log_err("cannot start why=\"%s\"", strerror(-ret));
		return PROC_EXIT_INTERNAL;
	}
	evtimer_del(toolworker.heartbeat); /* nobody listens */
	return run_tool(toolworker.base, toolworker.executors, EXECUTOR_COUNT,
	    &toolworker.config, tool_secrets_sources(toolworker.secrets), name,
	    arguments);
}

/* Every job gets its answer before the channel goes. */
static void
main_deinit(void)
{
	toolworker.draining = false; /* quit() has been called */
	if (toolworker.jobs != NULL)
		jobs_abandon(toolworker.jobs);
	if (toolworker.peer != NULL)
		peer_flush(toolworker.peer, FAREWELL_MS);
	jobs_free(&toolworker.jobs);
	health_free(&toolworker.health);
	routeros_executor_free(&toolworker.routeros);
	http_executor_free(&toolworker.http);
	toolworker.is_stuck = sql_executor_free(&toolworker.sql) < 0;
	http_client_free(&toolworker.network.client);
	resolver_free(&toolworker.network.resolver);
	peer_free(&toolworker.peer);
	for (size_t i = 0; i < SIGNALS; i++) {
		if (toolworker.signal_events[i] != NULL)
			event_free(toolworker.signal_events[i]);
	}
	if (toolworker.deadline != NULL)
		event_free(toolworker.deadline);
	if (toolworker.heartbeat != NULL)
		event_free(toolworker.heartbeat);
	if (toolworker.base != NULL)
		event_base_free(toolworker.base);
	if (!toolworker.is_stuck)
		tool_secrets_free(&toolworker.secrets);
	config_wipe(&toolworker.config);
}

/* Of the whole process, whatever its threads do. */
static int
finish(void)
{
	fflush(NULL);
	if (toolworker.is_stuck)
		_exit(toolworker.exit_status);
	return toolworker.exit_status;
}

/* -- the command line ---------------------------------------------------------- */

struct options {
	const char *config_file;
	const char *run_name; /* NULL: a worker of the pool */
	const char *run_arguments;
};

static const char usage[] =
    "Usage: telefonista-toolworker [--config FILE] --run NAME ARGUMENTS\n"
    "\n"
    "Runs the tool NAME of etc/tools.d as a call would, and prints status,\n"
    "time and output. ARGUMENTS is JSON: '{\"arguments\": {...}}'.\n"
    "Exit status: 0 it answered, 1 it failed, 2 it cannot be run.\n"
    "\n"
    "Without --run it is a part of telefonista, which starts it itself.\n";

/* Exits with PROC_EXIT_CONFIG for what makes no sense. */
static void
parse_args(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"run", required_argument, NULL, 'r'},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:h", longs, NULL)) != -1) {
		if (c == 'h') {
			fputs(usage, stdout);
			exit(PROC_EXIT_OK);
		}
		if (c == '?') {
			fputs(usage, stderr);
			exit(PROC_EXIT_CONFIG);
		}
		if (c == 'c')
			options->config_file = optarg;
		else
			options->run_name = optarg;
	}
	if (optind < argc)
		options->run_arguments = argv[optind++];
	if (optind < argc ||
	    (options->run_name != NULL) != (options->run_arguments != NULL)) {
		fputs(usage, stderr);
		exit(PROC_EXIT_CONFIG);
	}
}

/*
 * When memory runs out the kernel takes us first, not the supervisor, which is
 * larger: a query gets an honest answer, and is asked again. Before we may not
 * be dumped: what is in /proc of such a process is root's.
 */
static void
be_taken_first(void)
{
	static const char score[] = "500";
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!write(fd, score, sizeof(score) - 1);
	close(fd);
}

int
main(int argc, char **argv)
{
	struct options options = {0};
	int ret;

	title_init(argc, argv);
	log_init("toolworker", LOG_LEVEL_INFO);
	parse_args(argc, argv, &options);
	be_taken_first();
	startup_lock_memory();
	ret = tool_secrets_new(&toolworker.secrets, options.config_file);
	if (ret < 0)
		return PROC_EXIT_INTERNAL;
	startup_load_config(&toolworker.config, options.config_file,
	    PROC_ROLE_TOOLWORKER, LOG_LEVEL_WARN);
	if (options.run_name != NULL) {
		toolworker.exit_status =
		    run_once(options.run_name, options.run_arguments);
		main_deinit();
		return finish();
	}
	ret = main_init(options.config_file);
	if (ret < 0) {
		log_err("cannot start why=\"%s\"", strerror(-ret));
		toolworker.exit_status = PROC_EXIT_INTERNAL;
	} else {
		event_base_dispatch(toolworker.base);
	}
	main_deinit();
	log_info("exit status=%d (%s)", toolworker.exit_status,
	    proc_exit_name(toolworker.exit_status));
	return finish();
}
