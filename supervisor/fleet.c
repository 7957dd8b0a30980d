/* SPDX-License-Identifier: MIT */
/*
 * fleet.c – every worker process of this supervisor.
 *
 * Invariant: on_gone runs once per worker, after both its exit was reported
 * and its channel was read to the end, so that last words are never lost.
 * A worker that breaks the protocol or stops beating is killed, and then
 * dies like any other.
 */
#include "supervisor/fleet.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/peer.h"
#include "supervisor/keeper_client.h"
#include "supervisor/shortage.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	WATCH_MS = 250,
	WATCH_LATE_MS = 750, /* the watcher itself was late: no verdicts */
};

struct worker {
	TAILQ_ENTRY(worker) entry;
	struct fleet *fleet;
	uint32_t seq;   /* of the spawn; until the keeper answered */
	uint32_t child; /* 0 until then */
	pid_t pid;
	enum proc_role role;
	struct peer *peer;
	bool hello;
	bool exited;
	bool dying;       /* SIGKILL was sent */
	bool told_to_end; /* SIGTERM was sent */
	bool keep;        /* what the keeper holds for it */
	int kill_signal;  /* once the keeper has said who it is, or 0 */
	uint64_t heard_ms;
	char how[128];
	struct worker_owner owner;
};

/* Rows of one child in the keeper's table, until it is complete. */
struct adoption {
	TAILQ_ENTRY(adoption) entry;
	struct worker *worker; /* NULL: it is dead */
	uint32_t child;
	enum proc_role role;
	char call[KEEPER_TEXT_MAX];
	int held[KEEPER_HELD_COUNT];
};

struct fleet {
	struct event_base *base;
	struct keeper_client *keeper;
	struct fleet_callbacks callbacks;
	struct event *watch_timer;
	uint64_t watched_ms; /* last turn of the watcher */
	TAILQ_HEAD(, worker) workers;
	TAILQ_HEAD(, adoption) adoptions;
};

/* -- the end of a worker ---------------------------------------------------- */

static void
worker_free(struct worker *worker)
{
	TAILQ_REMOVE(&worker->fleet->workers, worker, entry);
	if (worker->child != 0 && !worker->keep)
		keeper_client_release(worker->fleet->keeper, worker->child);
	peer_free(&worker->peer);
	free(worker);
}

static void
worker_gone(struct worker *worker)
{
	if (worker->owner.on_gone != NULL)
		worker->owner.on_gone(worker, worker->how, worker->owner.arg);
	worker_free(worker);
}

static void
worker_exited(struct worker *worker, const char *how)
{
	worker->exited = true;
	snprintf(worker->how, sizeof(worker->how), "%s", how);
	if (worker->peer == NULL)
		worker_gone(worker);
}

void
worker_kill(struct worker *worker, int sig)
{
	if (worker->exited)
		return;
	worker->dying = worker->dying || sig == SIGKILL;
	worker->told_to_end = worker->told_to_end || sig == SIGTERM;
	if (worker->child == 0) {
		if (worker->kill_signal != SIGKILL)
			worker->kill_signal = sig;
		return;
	}
	keeper_client_kill(worker->fleet->keeper, worker->child, sig);
}

static void
on_peer_closed(struct peer *peer, const char *why, void *arg)
{
	struct worker *worker = arg;
	bool by_itself = strcmp(why, PEER_CLOSED_BY_OTHER) == 0;

	(void)peer;
	if (!worker->exited && !by_itself)
		log_err("%s breaks the protocol, killing it pid=%d why=\"%s\"",
		    proc_role_name(worker->role), (int)worker->pid, why);
	peer_free(&worker->peer); /* WHY with it */
	if (worker->exited)
		worker_gone(worker);
	else if (by_itself)
		worker->heard_ms = clock_now_ms(); /* time to exit */
	else
		worker_kill(worker, SIGKILL);
}

/* -- messages ----------------------------------------------------------------- */

static void
on_peer_message(struct peer *peer, enum message_type type, const cJSON *body,
    int *fds, void *arg)
{
	struct worker *worker = arg;

	(void)peer;
	(void)fds; /* no worker sends descriptors */
	worker->heard_ms = clock_now_ms();
	if (type == MESSAGE_HEARTBEAT)
		return;
	if (type == MESSAGE_HELLO)
		worker->hello = true;
	if (worker->owner.on_message != NULL)
		worker->owner.on_message(worker, type, body, worker->owner.arg);
}

int
worker_send_fds(struct worker *worker, enum message_type type, cJSON *body,
    const int *fds, size_t nfds)
{
	if (worker->peer == NULL) {
		cJSON_Delete(body);
		return -ENOTCONN;
	}
	return peer_send_fds(worker->peer, type, body, fds, nfds);
}

int
worker_send(struct worker *worker, enum message_type type, cJSON *body)
{
	return worker_send_fds(worker, type, body, NULL, 0);
}

void
worker_hold(
    struct worker *worker, enum keeper_held held, const char *call, int fd)
{
	keeper_client_hold(
	    worker->fleet->keeper, worker->child, held, call, fd);
}

uint32_t
worker_keep(struct worker *worker)
{
	worker->keep = worker->child != 0;
	return worker->child;
}

void
fleet_release(struct fleet *fleet, uint32_t child)
{
	keeper_client_release(fleet->keeper, child);
}

void
worker_set_owner(struct worker *worker, const struct worker_owner *owner)
{
	worker->owner = *owner;
}

pid_t
worker_pid(const struct worker *worker)
{
	return worker->pid;
}

/* -- the beginning of a worker --------------------------------------------------- */

static int
worker_connect(struct worker *worker, int channel)
{
	const struct peer_config config = {
	    .fd = channel,
	    .us = MESSAGE_SUPERVISOR,
	    .them = worker->role == PROC_ROLE_TOOLWORKER ? MESSAGE_TOOLWORKER
							 : MESSAGE_CALLWORKER,
	    .on_message = on_peer_message,
	    .on_closed = on_peer_closed,
	    .arg = worker,
	};

	worker->heard_ms = clock_now_ms();
	return peer_new(&worker->peer, worker->fleet->base, &config);
}

static struct worker *
worker_new(struct fleet *fleet, enum proc_role role)
{
	struct worker *worker = calloc(1, sizeof(*worker));

	if (worker == NULL)
		return NULL;
	worker->fleet = fleet;
	worker->role = role;
	worker->heard_ms = clock_now_ms();
	TAILQ_INSERT_TAIL(&fleet->workers, worker, entry);
	return worker;
}

struct worker *
fleet_spawn(
    struct fleet *fleet, enum proc_role role, const struct worker_owner *owner)
{
	struct worker *worker = worker_new(fleet, role);

	if (worker == NULL)
		return NULL;
	worker->owner = *owner;
	worker->seq = keeper_client_spawn(fleet->keeper, role);
	if (worker->seq == 0) {
		worker_free(worker);
		return NULL;
	}
	return worker;
}

static struct worker *
find_by_seq(struct fleet *fleet, uint32_t seq)
{
	struct worker *worker;

	TAILQ_FOREACH(worker, &fleet->workers, entry) {
		if (worker->seq == seq && worker->child == 0)
			return worker;
	}
	return NULL;
}

static struct worker *
find_by_child(struct fleet *fleet, uint32_t child)
{
	struct worker *worker;

	TAILQ_FOREACH(worker, &fleet->workers, entry) {
		if (worker->child == child)
			return worker;
	}
	return NULL;
}

/* It runs, but the descriptor to talk with it could not be received. */
static void
spawn_is_useless(struct fleet *fleet, struct worker *worker)
{
	shortage_met(fleet->callbacks.shortages, SHORTAGE_DESCRIPTORS,
	    "a worker cannot be talked to");
	worker_exited(worker, "could not be started: no descriptor for it");
}

static void
on_spawned(struct fleet *fleet, const struct keeper_message *m, int *fd)
{
	struct worker *worker = find_by_seq(fleet, m->seq);
	int channel = *fd;

	*fd = -1;
	if (worker == NULL || channel < 0) {
		if (channel >= 0)
			close(channel);
		keeper_client_kill(fleet->keeper, m->child, SIGKILL);
		keeper_client_release(fleet->keeper, m->child);
		if (worker != NULL)
			spawn_is_useless(fleet, worker);
		return;
	}
	shortage_over(fleet->callbacks.shortages, SHORTAGE_PROCESSES);
	worker->child = m->child;
	worker->pid = m->pid;
	log_debug("%s started pid=%d", proc_role_name(worker->role),
	    (int)worker->pid);
	if (worker_connect(worker, channel) < 0)
		worker->kill_signal = SIGKILL;
	if (worker->kill_signal != 0)
		worker_kill(worker, worker->kill_signal);
}

static void
on_spawn_failed(struct fleet *fleet, const struct keeper_message *m)
{
	struct worker *worker = find_by_seq(fleet, m->seq);
	char how[128];

	snprintf(how, sizeof(how), "%s could not be started: %s",
	    proc_role_name((enum proc_role)m->role), strerror(m->value));
	shortage_met(fleet->callbacks.shortages, SHORTAGE_PROCESSES, how);
	if (worker != NULL)
		worker_exited(worker, how);
}

static void
on_exited(struct fleet *fleet, const struct keeper_message *m)
{
	struct worker *worker = find_by_child(fleet, m->child);
	int status = m->value;
	bool expected = status == 0;
	char how[128];

	if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "killed by signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(how, sizeof(how), "exited with status %d (%s)",
		    WEXITSTATUS(status), proc_exit_name(WEXITSTATUS(status)));
	if (worker == NULL) {
		keeper_client_release(fleet->keeper, m->child);
		return;
	}
	/* It had not come as far as handling the signal. */
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM)
		expected = worker->told_to_end;
	log_write(expected ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN,
	    "%s %s pid=%d cpu_ms=%llu max_rss_kib=%llu",
	    proc_role_name(worker->role), how, m->pid,
	    (unsigned long long)((m->user_us + m->system_us) / 1000),
	    (unsigned long long)m->max_rss_kib);
	worker_exited(worker, how);
}

/* -- taking over from an earlier supervisor ----------------------------------------- */

static struct adoption *
adoption_find(struct fleet *fleet, uint32_t child)
{
	struct adoption *adoption;

	TAILQ_FOREACH(adoption, &fleet->adoptions, entry) {
		if (adoption->child == child)
			return adoption;
	}
	return NULL;
}

/* NULL without memory, also for the worker that will be heard and watched. */
static struct adoption *
adoption_new(struct fleet *fleet, const struct keeper_message *m)
{
	struct adoption *adoption = calloc(1, sizeof(*adoption));

	if (adoption == NULL)
		return NULL;
	adoption->role = (enum proc_role)m->role;
	if (m->pid != 0) {
		adoption->worker = worker_new(fleet, adoption->role);
		if (adoption->worker == NULL) {
			free(adoption);
			return NULL;
		}
		adoption->worker->pid = m->pid;
	}
	adoption->child = m->child;
	memcpy(adoption->call, m->text, sizeof(adoption->call));
	for (int i = 0; i < KEEPER_HELD_COUNT; i++)
		adoption->held[i] = -1;
	TAILQ_INSERT_TAIL(&fleet->adoptions, adoption, entry);
	return adoption;
}

static struct adoption *
adoption_get(struct fleet *fleet, const struct keeper_message *m)
{
	struct adoption *adoption = adoption_find(fleet, m->child);

	if (adoption == NULL)
		adoption = adoption_new(fleet, m);
	if (adoption == NULL) {
		shortage_met(fleet->callbacks.shortages, SHORTAGE_MEMORY,
		    "a process cannot be taken over");
		adoption = adoption_new(fleet, m);
	}
	return adoption;
}

/* Nobody will know of it: it must not go on with a call that others get. */
static void
adoption_refuse(struct fleet *fleet, const struct keeper_message *m)
{
	log_err("alarm=memory %s cannot be taken over pid=%d call=%s",
	    proc_role_name((enum proc_role)m->role), (int)m->pid, m->text);
	if (m->pid != 0)
		keeper_client_kill(fleet->keeper, m->child, SIGKILL);
	else
		keeper_client_release(fleet->keeper, m->child);
}

static void
on_held(struct fleet *fleet, const struct keeper_message *m, int *fd)
{
	struct adoption *adoption = adoption_get(fleet, m);

	if (adoption == NULL) {
		adoption_refuse(fleet, m);
		return;
	}
	if (m->held >= KEEPER_HELD_COUNT || adoption->held[m->held] >= 0)
		return;
	adoption->held[m->held] = *fd;
	*fd = -1;
}

/*
 * One with which we cannot talk, since its channel got no number here, is
 * killed; it is a living one until its exit is reported.
 */
static void
adopt_worker(struct fleet *fleet, struct adoption *adoption)
{
	int channel = adoption->held[KEEPER_HELD_CHANNEL];
	struct worker *worker = adoption->worker;

	worker->child = adoption->child;
	worker->hello = true;
	if (channel < 0)
		shortage_met(fleet->callbacks.shortages, SHORTAGE_DESCRIPTORS,
		    "a worker cannot be talked to");
	if (channel < 0 || worker_connect(worker, channel) < 0)
		worker_kill(worker, SIGKILL);
	adoption->held[KEEPER_HELD_CHANNEL] = -1;
}

static void
adoption_free(struct fleet *fleet, struct adoption *adoption)
{
	for (int i = 0; i < KEEPER_HELD_COUNT; i++) {
		if (adoption->held[i] >= 0)
			close(adoption->held[i]);
	}
	TAILQ_REMOVE(&fleet->adoptions, adoption, entry);
	free(adoption);
}

static void
adopt(struct fleet *fleet, struct adoption *adoption)
{
	bool keep = false;
	struct fleet_adopted adopted = {
	    .worker = adoption->worker,
	    .role = adoption->role,
	    .call = adoption->call,
	    .held = adoption->held,
	    .child = adoption->child,
	    .keep = &keep,
	};

	if (adoption->worker != NULL)
		adopt_worker(fleet, adoption);
	fleet->callbacks.on_adopted(&adopted, fleet->callbacks.arg);
	if (adopted.worker == NULL && !keep)
		keeper_client_release(fleet->keeper, adoption->child);
	adoption_free(fleet, adoption);
}

static void
give_order(struct fleet *fleet, enum keeper_op op)
{
	if (fleet->callbacks.on_order != NULL)
		fleet->callbacks.on_order(op, fleet->callbacks.arg);
}

static void
on_table_end(struct fleet *fleet)
{
	struct adoption *adoption;

	give_order(fleet, KEEPER_TABLE_END);
	while ((adoption = TAILQ_FIRST(&fleet->adoptions)) != NULL)
		adopt(fleet, adoption);
	fleet->callbacks.on_settled(fleet->callbacks.arg);
}

static void
on_keeper(const struct keeper_message *m, int *fd, void *arg)
{
	struct fleet *fleet = arg;

	switch (m->op) {
	case 0:
		fleet->callbacks.on_keeper_gone(fleet->callbacks.arg);
		break;
	case KEEPER_SPAWNED:
		on_spawned(fleet, m, fd);
		break;
	case KEEPER_SPAWN_FAILED:
		on_spawn_failed(fleet, m);
		break;
	case KEEPER_EXITED:
		on_exited(fleet, m);
		break;
	case KEEPER_HELD:
		on_held(fleet, m, fd);
		break;
	case KEEPER_TABLE_END:
		on_table_end(fleet);
		break;
	case KEEPER_SIGNAL:
		fleet->callbacks.on_signal(m->value, fleet->callbacks.arg);
		break;
	case KEEPER_YIELD:
	case KEEPER_STAY:
	case KEEPER_CONNECT:
		give_order(fleet, (enum keeper_op)m->op);
		break;
	default:
		log_warn("unknown report from the keeper op=%u", m->op);
	}
}

/* -- heartbeats -------------------------------------------------------------------- */

static void
watch(struct worker *worker, uint64_t now_ms)
{
	uint64_t limit_ms = worker->hello ? FLEET_SILENCE_MS : FLEET_HELLO_MS;

	if (worker->child == 0 || worker->exited || worker->dying ||
	    now_ms - worker->heard_ms < limit_ms)
		return;
	if (proc_is_traced(worker->pid)) {
		worker->heard_ms = now_ms;
		return;
	}
	log_err("%s hangs, killing it pid=%d silent_ms=%llu",
	    proc_role_name(worker->role), (int)worker->pid,
	    (unsigned long long)(now_ms - worker->heard_ms));
	worker_kill(worker, SIGKILL);
}

static void
on_watch(evutil_socket_t fd, short what, void *arg)
{
	struct fleet *fleet = arg;
	uint64_t now_ms = clock_now_ms();
	bool late = now_ms - fleet->watched_ms > WATCH_LATE_MS;
	struct worker *worker;

	(void)fd;
	(void)what;
	fleet->watched_ms = now_ms;
	TAILQ_FOREACH(worker, &fleet->workers, entry) {
		if (late)
			worker->heard_ms = now_ms;
		else
			watch(worker, now_ms);
	}
}

void
fleet_signal(struct fleet *fleet, int sig)
{
	struct worker *worker;

	TAILQ_FOREACH(worker, &fleet->workers, entry) {
		if (worker->hello) /* before, the signal could kill it */
			worker_kill(worker, sig);
	}
}

size_t
fleet_count(const struct fleet *fleet)
{
	const struct worker *worker;
	size_t n = 0;

	TAILQ_FOREACH(worker, &fleet->workers, entry)
		n++;
	return n;
}

bool
fleet_is_flushed(const struct fleet *fleet)
{
	const struct worker *worker;

	TAILQ_FOREACH(worker, &fleet->workers, entry) {
		if (worker->peer != NULL && !peer_is_flushed(worker->peer))
			return false;
	}
	return keeper_client_is_flushed(fleet->keeper);
}

struct keeper_client *
fleet_keeper(struct fleet *fleet)
{
	return fleet->keeper;
}

int
fleet_new(struct fleet **fleet_out, struct event_base *base, int keeper_socket,
    const struct fleet_callbacks *callbacks)
{
	static const struct timeval interval = {.tv_usec = WATCH_MS * 1000};
	struct fleet *fleet = calloc(1, sizeof(*fleet));
	int ret;

	if (fleet == NULL)
		return -ENOMEM;
	TAILQ_INIT(&fleet->workers);
	TAILQ_INIT(&fleet->adoptions);
	fleet->base = base;
	fleet->callbacks = *callbacks;
	fleet->watched_ms = clock_now_ms();
	fleet->watch_timer = event_new(base, -1, EV_PERSIST, on_watch, fleet);
	ret = fleet->watch_timer == NULL ||
		      event_add(fleet->watch_timer, &interval) < 0
		  ? -ENOMEM
		  : keeper_client_new(
			&fleet->keeper, base, keeper_socket, on_keeper, fleet);
	if (ret < 0) {
		fleet_free(&fleet);
		return ret;
	}
	*fleet_out = fleet;
	return 0;
}

void
fleet_free(struct fleet **fleet_ptr)
{
	struct fleet *fleet = *fleet_ptr;
	struct adoption *adoption;
	struct worker *worker;

	if (fleet == NULL)
		return;
	*fleet_ptr = NULL;
	while ((adoption = TAILQ_FIRST(&fleet->adoptions)) != NULL)
		adoption_free(fleet, adoption);
	while ((worker = TAILQ_FIRST(&fleet->workers)) != NULL) {
		TAILQ_REMOVE(&fleet->workers, worker, entry);
		peer_free(&worker->peer);
		free(worker);
	}
	keeper_client_free(&fleet->keeper);
	if (fleet->watch_timer != NULL)
		event_free(fleet->watch_timer);
	free(fleet);
}
