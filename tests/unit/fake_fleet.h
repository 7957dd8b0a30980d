/* SPDX-License-Identifier: MIT */
/*
 * fake_fleet.h – supervisor/fleet.h without processes: workers say and
 * suffer what the test wants.
 */
#ifndef TESTS_UNIT_FAKE_FLEET_H
#define TESTS_UNIT_FAKE_FLEET_H

#include "common/json.h"
#include "supervisor/fleet.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	FAKE_WORKERS_MAX = 64,
	FAKE_TOLD_MAX = 64,
};

struct worker {
	struct worker_owner owner;
	enum proc_role role;
	pid_t pid;
	bool alive;
	bool deaf;  /* worker_send() fails: it is ending */
	int killed; /* the last signal */
	size_t told_count;
	struct {
		enum message_type type;
		cJSON *body;
		size_t nfds;
	} told[FAKE_TOLD_MAX];
	int told_fds[MESSAGE_FDS_MAX]; /* the last; not its own */
	bool kept;         /* what the keeper holds for it, after its death */
	unsigned int held; /* mask of what the keeper was told to hold */
	char held_call[KEEPER_TEXT_MAX];
};

static struct {
	struct worker workers[FAKE_WORKERS_MAX];
	size_t count;
	bool spawn_fails;
	size_t released; /* of what was kept */
} fake_fleet;

static inline void
fake_fleet_reset(void)
{
	for (size_t i = 0; i < fake_fleet.count; i++) {
		struct worker *worker = &fake_fleet.workers[i];

		for (size_t j = 0; j < worker->told_count; j++)
			cJSON_Delete(worker->told[j].body);
	}
	memset(&fake_fleet, 0, sizeof(fake_fleet));
}

static inline struct worker *
fake_fleet_worker(enum proc_role role)
{
	struct worker *worker = &fake_fleet.workers[fake_fleet.count];

	assert_true(fake_fleet.count < FAKE_WORKERS_MAX);
	fake_fleet.count++;
	worker->role = role;
	worker->pid = (pid_t)(1000 + fake_fleet.count);
	worker->alive = true;
	return worker;
}

struct worker *
fleet_spawn(
    struct fleet *fleet, enum proc_role role, const struct worker_owner *owner)
{
	struct worker *worker;

	(void)fleet;
	if (fake_fleet.spawn_fails)
		return NULL;
	worker = fake_fleet_worker(role);
	worker->owner = *owner;
	return worker;
}

void
worker_set_owner(struct worker *worker, const struct worker_owner *owner)
{
	assert_true(worker->alive);
	worker->owner = *owner;
}

int
worker_send_fds(struct worker *worker, enum message_type type, cJSON *body,
    const int *fds, size_t nfds)
{
	assert_true(worker->alive);
	assert_int_equal(nfds, message_fds(type));
	for (size_t i = 0; i < nfds; i++)
		assert_true(fds[i] >= 0);
	if (worker->deaf) {
		cJSON_Delete(body);
		return -ENOTCONN;
	}
	assert_true(worker->told_count < FAKE_TOLD_MAX);
	worker->told[worker->told_count].type = type;
	worker->told[worker->told_count].nfds = nfds;
	if (nfds > 0)
		memcpy(worker->told_fds, fds, nfds * sizeof(fds[0]));
	worker->told[worker->told_count++].body = body;
	return 0;
}

int
worker_send(struct worker *worker, enum message_type type, cJSON *body)
{
	return worker_send_fds(worker, type, body, NULL, 0);
}

void
worker_kill(struct worker *worker, int sig)
{
	assert_true(worker->alive);
	if (worker->killed != SIGKILL)
		worker->killed = sig;
}

void
worker_hold(
    struct worker *worker, enum keeper_held held, const char *call, int fd)
{
	assert_true(worker->alive);
	assert_true(fd >= 0);
	worker->held |= 1u << held;
	snprintf(worker->held_call, sizeof(worker->held_call), "%s", call);
}

uint32_t
worker_keep(struct worker *worker)
{
	assert_true(worker->alive);
	worker->kept = true;
	return (uint32_t)worker->pid;
}

void
fleet_release(struct fleet *fleet, uint32_t child)
{
	(void)fleet;
	(void)child;
	fake_fleet.released++;
}

pid_t
worker_pid(const struct worker *worker)
{
	assert_true(worker->alive);
	return worker->pid;
}

/* -- what the test makes it do ---------------------------------------------- */

/* Takes BODY. */
static inline void
fake_worker_says(struct worker *worker, enum message_type type, cJSON *body)
{
	assert_true(worker->alive);
	if (body == NULL)
		body = cJSON_CreateObject();
	if (worker->owner.on_message != NULL)
		worker->owner.on_message(worker, type, body, worker->owner.arg);
	cJSON_Delete(body);
}

static inline void
fake_worker_dies(struct worker *worker, const char *how)
{
	assert_true(worker->alive);
	if (worker->owner.on_gone != NULL)
		worker->owner.on_gone(worker, how, worker->owner.arg);
	worker->alive = false; /* the fleet frees it now */
}

/* How often it was told TYPE. */
static inline size_t
fake_worker_told(const struct worker *worker, enum message_type type)
{
	size_t n = 0;

	for (size_t i = 0; i < worker->told_count; i++)
		n += worker->told[i].type == type;
	return n;
}

/* The last TYPE it was told; fails the test if there was none. */
static inline const cJSON *
fake_worker_heard(const struct worker *worker, enum message_type type)
{
	for (size_t i = worker->told_count; i-- > 0;) {
		if (worker->told[i].type == type)
			return worker->told[i].body;
	}
	fail_msg("worker was not told %s", message_name(type));
	return NULL;
}

#endif
