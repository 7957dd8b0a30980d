/* SPDX-License-Identifier: MIT */
/*
 * supervisor_impl.h – the supervisor as a process: all its rooms in one table,
 * shared by main.c (makes and frees them), supervisor_asterisk.c (what comes
 * from there), supervisor_signal.c (what it is told to do: reload, stop),
 * supervisor_takeover.c (what a predecessor leaves, and a successor gets) and
 * supervisor_status.c (what it shows). Nobody else includes it.
 */
#ifndef SUPERVISOR_SUPERVISOR_IMPL_H
#define SUPERVISOR_SUPERVISOR_IMPL_H

#include "supervisor/fleet.h"
#include "supervisor/keeper_client.h"
#include "supervisor/local_ip.h"
#include "supervisor/rtp_port.h"
#include "supervisor/settings.h"

#include <cjson/cJSON.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	SUPERVISOR_SIGNALS = 4,
};

struct supervisor {
	bool standby;   /* another supervisor works: wait for the table */
	bool settled;   /* the table has been read */
	bool connected; /* to Asterisk, while standing by */
	struct settings settings;
	pid_t keeper;

	struct event_base *base;
	struct event *signal_events[SUPERVISOR_SIGNALS];
	struct event *timer;
	struct event *sync_timer;
	uint64_t sync_by_ms;
	struct resolver *resolver;
	struct fleet *fleet;
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
	bool told_to_stop;    /* this process was */
	bool told_by_keeper;  /* the service was */
	uint64_t leave_by_ms; /* 0: calls are still going on */
	int exit_status;
	char title[KEEPER_TEXT_MAX];
};

/* -- main.c ----------------------------------------------------------------- */

/* What a predecessor used until now is ours. */
void supervisor_take_over(struct supervisor *me);

/* -- supervisor_asterisk.c ---------------------------------------------------- */

/* Makes ari, unconnected. 0 or -errno. */
int supervisor_asterisk_init(struct supervisor *me);
/* Where Asterisk reaches our media, unless that is known. */
void supervisor_find_local_ip(struct supervisor *me);

/* -- supervisor_signal.c ------------------------------------------------------ */

/* Those sent to this process itself. 0 or -ENOMEM; to be freed in any case. */
int supervisor_signal_init(struct supervisor *me);
void supervisor_signal_free(struct supervisor *me);
/* Of fleet.h: the service was sent it. */
void supervisor_on_signal(int sig, void *arg);
/* Of event_new(). */
void supervisor_on_turn(evutil_socket_t fd, short what, void *arg);
/* Begins, once: calls end within DRAIN_SECONDS, then the process. */
void supervisor_stop(struct supervisor *me);
/* The loop ends, and the process with STATUS. */
void supervisor_finish(struct supervisor *me, int status);
/* The keeper parses nothing: what it needs of the settings it is told. */
void supervisor_tell_settings(struct supervisor *me);

/* -- supervisor_takeover.c ---------------------------------------------------- */

/* 0 or -ENOMEM. */
int supervisor_handover_init(struct supervisor *me);
/* Of fleet.h. */
void supervisor_on_order(enum keeper_op op, void *arg);
void supervisor_on_adopted(const struct fleet_adopted *adopted, void *arg);
void supervisor_on_settled(void *arg);
void supervisor_on_keeper_gone(void *arg);
/* Of event_new(). */
void supervisor_on_sync_turn(evutil_socket_t fd, short what, void *arg);

/* -- supervisor_status.c ------------------------------------------------------ */

/* In the title, and to systemd. */
void supervisor_show_state(struct supervisor *me);
/* Line by line, with what each room has. */
void supervisor_log_state(struct supervisor *me);
/* Of control.h; ARG is the supervisor. */
cJSON *supervisor_describe(void *arg);

#endif
