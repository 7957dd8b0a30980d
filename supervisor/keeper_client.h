/* SPDX-License-Identifier: MIT */
/* keeper_client.h – the supervisor's side of the channel to the keeper. */
#ifndef SUPERVISOR_KEEPER_CLIENT_H
#define SUPERVISOR_KEEPER_CLIENT_H

#include "common/proc.h"
#include "supervisor/keeper_protocol.h"

#include <stdbool.h>

struct event_base;
struct keeper_client;

/*
 * MESSAGE is one that the keeper may send; *FD its descriptor or -1, taken
 * by setting it to -1. OP 0 means that the keeper is gone.
 */
typedef void keeper_client_fn(
    const struct keeper_message *message, int *fd, void *arg);

/* Takes SOCKET (PROC_FD_CHANNEL), also on error. Returns 0 or -errno. */
int keeper_client_new(struct keeper_client **client_out,
    struct event_base *base, int socket, keeper_client_fn *fn, void *arg);
void keeper_client_free(struct keeper_client **client);

/*
 * Asks for a process; the answer is KEEPER_SPAWNED or KEEPER_SPAWN_FAILED
 * with the returned sequence number (never 0), or 0 if it cannot be asked.
 */
uint32_t keeper_client_spawn(struct keeper_client *client, enum proc_role role);
void keeper_client_kill(
    struct keeper_client *client, uint32_t child, int signal);
/* The keeper duplicates FD for CALL; the caller keeps its own. */
void keeper_client_hold(struct keeper_client *client, uint32_t child,
    enum keeper_held held, const char *call, int fd);
void keeper_client_release(struct keeper_client *client, uint32_t child);
void keeper_client_status(struct keeper_client *client, const char *text);
void keeper_client_timezone(struct keeper_client *client, const char *zone);
void keeper_client_ready(struct keeper_client *client);
void keeper_client_stopping(struct keeper_client *client);
/* The keeper's log goes where FD does; the caller keeps it. */
void keeper_client_log(struct keeper_client *client, int fd);
/* OP is one that has nothing but a VALUE. */
void keeper_client_say(
    struct keeper_client *client, enum keeper_op op, int32_t value);
/* Whether the keeper has, or will read, all that was said. */
bool keeper_client_is_flushed(const struct keeper_client *client);

#endif
