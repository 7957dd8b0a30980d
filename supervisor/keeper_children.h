/* SPDX-License-Identifier: MIT */
/*
 * keeper_children.h – the keeper's table of workers and of what is held for
 * each: its channel and what its call must not lose with it.
 */
#ifndef SUPERVISOR_KEEPER_CHILDREN_H
#define SUPERVISOR_KEEPER_CHILDREN_H

#include "common/proc.h"
#include "supervisor/keeper_protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

struct keeper_child {
	TAILQ_ENTRY(keeper_child) entry;
	uint32_t number;
	pid_t pid; /* 0: dead, its descriptors wait for the supervisor */
	enum proc_role role;
	char text[KEEPER_TEXT_MAX]; /* the call, for a new supervisor */
	int held[KEEPER_HELD_COUNT];
};

TAILQ_HEAD(keeper_child_list, keeper_child);

struct keeper_children {
	struct keeper_child_list list; /* the oldest first */
	uint32_t last_number;
};

void keeper_children_init(struct keeper_children *children);

/* NULL when there is none. */
struct keeper_child *keeper_children_find(
    struct keeper_children *children, uint32_t number);
struct keeper_child *keeper_children_find_pid(
    struct keeper_children *children, pid_t pid);

/*
 * Forks a worker of ROLE that reads CONFIG_FILE (may be NULL) and, from
 * SECRETS (a descriptor, or -1), its secrets. Its channel is held. 0 with
 * *CHILD_OUT, or -errno (-EAGAIN: KEEPER_CHILDREN_MAX there are).
 */
int keeper_children_spawn(struct keeper_children *children, enum proc_role role,
    const char *config_file, int secrets, struct keeper_child **child_out);

/* Takes *FD, in place of what was held as HELD. */
void keeper_child_hold(
    struct keeper_child *child, enum keeper_held held, int *fd);

bool keeper_child_holds_nothing(const struct keeper_child *child);

/* Closes what is held for it, and forgets it if it is dead. */
void keeper_children_release(
    struct keeper_children *children, struct keeper_child *child);

/* The same for all that are dead. Whether any lives. */
bool keeper_children_release_dead(struct keeper_children *children);

bool keeper_children_live(const struct keeper_children *children);
void keeper_children_kill(const struct keeper_children *children, int sig);

#endif
