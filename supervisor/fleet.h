/* SPDX-License-Identifier: MIT */
/*
 * fleet.h – the supervisor's worker processes: spawned through the keeper,
 * talked to over a peer, watched by heartbeat, mourned exactly once.
 */
#ifndef SUPERVISOR_FLEET_H
#define SUPERVISOR_FLEET_H

#include "common/message.h"
#include "common/proc.h"
#include "supervisor/keeper_protocol.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

struct event_base;
struct fleet;
struct keeper_client;
struct worker;

enum {
	FLEET_HELLO_MS = 10000,  /* from spawn to hello */
	FLEET_SILENCE_MS = 2000, /* without a heartbeat: hung */
};

/* Who gets what a worker says; set at spawn, changed by worker_set_owner(). */
struct worker_owner {
	void (*on_message)(struct worker *worker, enum message_type type,
	    const cJSON *body, void *arg);
	/*
	 * The process is dead and everything it said has been delivered. HOW
	 * is a sentence. WORKER is freed after return.
	 */
	void (*on_gone)(struct worker *worker, const char *how, void *arg);
	void *arg;
};

/* A worker that outlived the supervisor before this one. */
struct fleet_adopted {
	struct worker *worker; /* NULL: it is dead, only descriptors remain */
	enum proc_role role;
	const char *call; /* "" for a spare */
	int *held;        /* [KEEPER_HELD_COUNT]; take by setting -1 */
	uint32_t child;   /* of a dead one, for fleet_release() … */
	bool *keep;       /* … if the callee sets it; else it is released */
};

struct shortages;

struct fleet_callbacks {
	/*
	 * KEEPER_YIELD, KEEPER_STAY or KEEPER_CONNECT was said; or the table
	 * is complete, KEEPER_TABLE_END, before the first on_adopted.
	 */
	void (*on_order)(enum keeper_op op, void *arg);
	/* Before on_settled, once per worker. The callee sets an owner. */
	void (*on_adopted)(const struct fleet_adopted *adopted, void *arg);
	/* The table of the old supervisor has been read: go. */
	void (*on_settled)(void *arg);
	void (*on_signal)(int signal, void *arg);
	void (*on_keeper_gone)(void *arg);
	void *arg;
	struct shortages *shortages; /* is told when a spawn fails; or NULL */
};

/* Takes KEEPER_SOCKET. Returns 0 or -errno. */
int fleet_new(struct fleet **fleet_out, struct event_base *base,
    int keeper_socket, const struct fleet_callbacks *callbacks);
void fleet_free(struct fleet **fleet);
struct keeper_client *fleet_keeper(struct fleet *fleet);

/* NULL when the keeper cannot be asked; otherwise on_gone comes one day. */
struct worker *fleet_spawn(
    struct fleet *fleet, enum proc_role role, const struct worker_owner *owner);

/* Sends SIGNAL to every worker that has said hello. */
void fleet_signal(struct fleet *fleet, int signal);
size_t fleet_count(const struct fleet *fleet);
/* Whether keeper and workers have, or will read, all that was sent. */
bool fleet_is_flushed(const struct fleet *fleet);

void worker_set_owner(struct worker *worker, const struct worker_owner *owner);
/*
 * As peer_send(). One whose channel is closed, or does not read, will be
 * reported gone; one that was not told for want of memory will not.
 */
int worker_send(struct worker *worker, enum message_type type, cJSON *body);
int worker_send_fds(struct worker *worker, enum message_type type, cJSON *body,
    const int *fds, size_t nfds);
/* A worker that is only being started gets it as soon as it exists. */
void worker_kill(struct worker *worker, int signal);
/* So that FD outlives this supervisor; CALL is what it belongs to. */
void worker_hold(
    struct worker *worker, enum keeper_held held, const char *call, int fd);
/*
 * In on_gone: what the keeper holds for it stays, until fleet_release() of
 * the child that is returned (0: it holds nothing).
 */
uint32_t worker_keep(struct worker *worker);
void fleet_release(struct fleet *fleet, uint32_t child);
pid_t worker_pid(const struct worker *worker);

#endif
