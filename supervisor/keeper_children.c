/* SPDX-License-Identifier: MIT */
/*
 * keeper_children.c – forks workers and holds descriptors for them.
 *
 * Invariant: an entry, with what is held in it, lives until it is released,
 * also after the child's death, so that a supervisor that died at the same
 * moment is succeeded by one that still finds it.
 */
#include "supervisor/keeper_children.h"

#include "common/headroom.h"
#include "supervisor/spawn.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	/* For a spawn, and to start a supervisor and its successor. */
	SPAWN_DESCRIPTORS = 16,
};

void
keeper_children_init(struct keeper_children *children)
{
	TAILQ_INIT(&children->list);
	children->last_number = 0;
}

struct keeper_child *
keeper_children_find(struct keeper_children *children, uint32_t number)
{
	struct keeper_child *child;

	TAILQ_FOREACH(child, &children->list, entry) {
		if (child->number == number)
			break;
	}
	return child;
}

struct keeper_child *
keeper_children_find_pid(struct keeper_children *children, pid_t pid)
{
	struct keeper_child *child;

	TAILQ_FOREACH(child, &children->list, entry) {
		if (child->pid == pid)
			break;
	}
	return child;
}

static size_t
count(const struct keeper_children *children)
{
	const struct keeper_child *child;
	size_t n = 0;

	TAILQ_FOREACH(child, &children->list, entry)
		n++;
	return n;
}

static struct keeper_child *
add(struct keeper_children *children, enum proc_role role, int channel)
{
	struct keeper_child *child = calloc(1, sizeof(*child));

	if (child == NULL)
		return NULL;
	child->number = ++children->last_number;
	child->role = role;
	for (int i = 0; i < KEEPER_HELD_COUNT; i++)
		child->held[i] = -1;
	child->held[KEEPER_HELD_CHANNEL] = channel;
	TAILQ_INSERT_TAIL(&children->list, child, entry);
	return child;
}

/*
 * What those who have no call yet will give us to hold, too: a call that is
 * not held is lost with its supervisor.
 */
static bool
has_headroom(const struct keeper_children *children)
{
	const struct keeper_child *child;
	size_t n = SPAWN_DESCRIPTORS + KEEPER_HELD_COUNT;

	TAILQ_FOREACH(child, &children->list, entry) {
		if (child->role == PROC_ROLE_CALLWORKER &&
		    child->held[KEEPER_HELD_RTP] < 0)
			n += KEEPER_HELD_COUNT;
	}
	return headroom_has_descriptors(n);
}

int
keeper_children_spawn(struct keeper_children *children, enum proc_role role,
    const char *config_file, int secrets, struct keeper_child **child_out)
{
	struct spawn_descriptors descriptors = {
	    .secrets = secrets, .memory = -1};
	struct keeper_child *child;
	int pair[2];
	pid_t pid;

	if (count(children) >= KEEPER_CHILDREN_MAX)
		return -EAGAIN;
	if (!has_headroom(children))
		return -EMFILE;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	child = add(children, role, pair[0]);
	if (child == NULL) {
		close(pair[0]);
		close(pair[1]);
		return -ENOMEM;
	}
	descriptors.channel = pair[1];
	pid = spawn(role, &descriptors, config_file);
	close(pair[1]);
	if (pid < 0) {
		keeper_children_release(children, child);
		return pid;
	}
	child->pid = pid;
	*child_out = child;
	return 0;
}

void
keeper_child_hold(struct keeper_child *child, enum keeper_held held, int *fd)
{
	if (child->held[held] >= 0)
		close(child->held[held]);
	child->held[held] = *fd;
	*fd = -1;
}

bool
keeper_child_holds_nothing(const struct keeper_child *child)
{
	for (int i = 0; i < KEEPER_HELD_COUNT; i++) {
		if (child->held[i] >= 0)
			return false;
	}
	return true;
}

void
keeper_children_release(
    struct keeper_children *children, struct keeper_child *child)
{
	for (int i = 0; i < KEEPER_HELD_COUNT; i++) {
		if (child->held[i] >= 0)
			close(child->held[i]);
		child->held[i] = -1;
	}
	child->text[0] = '\0';
	if (child->pid != 0)
		return;
	TAILQ_REMOVE(&children->list, child, entry);
	free(child);
}

bool
keeper_children_release_dead(struct keeper_children *children)
{
	struct keeper_child *child, *next;

	for (child = TAILQ_FIRST(&children->list); child != NULL;
	     child = next) {
		next = TAILQ_NEXT(child, entry);
		if (child->pid == 0)
			keeper_children_release(children, child);
	}
	return !TAILQ_EMPTY(&children->list);
}

bool
keeper_children_live(const struct keeper_children *children)
{
	const struct keeper_child *child;

	TAILQ_FOREACH(child, &children->list, entry) {
		if (child->pid != 0)
			return true;
	}
	return false;
}

void
keeper_children_kill(const struct keeper_children *children, int sig)
{
	const struct keeper_child *child;

	TAILQ_FOREACH(child, &children->list, entry) {
		if (child->pid != 0)
			kill(child->pid, sig);
	}
}
