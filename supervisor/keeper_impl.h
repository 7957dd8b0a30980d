/* SPDX-License-Identifier: MIT */
/*
 * keeper_impl.h – the keeper's state, shared by keeper.c (loop, signals),
 * keeper_order.c (what the supervisor orders), keeper_supervisor.c (that one,
 * and the one that stands by), keeper_reload.c (SIGHUP: upgrades) and
 * keeper_image.c (through an exec). Nobody else includes it.
 */
#ifndef SUPERVISOR_KEEPER_IMPL_H
#define SUPERVISOR_KEEPER_IMPL_H

#include "supervisor/keeper.h"
#include "supervisor/keeper_children.h"
#include "supervisor/keeper_link.h"
#include "supervisor/keeper_protocol.h"
#include "supervisor/spawn.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* A file, told apart from the one that takes its place. */
struct keeper_binary {
	int fd; /* O_PATH: can be executed after it was replaced; or -1 */
	dev_t device;
	ino_t inode;
	struct timespec changed;
};

struct keeper_supervisor {
	pid_t pid;   /* 0: not running */
	int channel; /* to it, or -1 */
	struct keeper_link_queue queue;
	struct keeper_binary binary; /* what it runs */
	bool ready;                  /* it said KEEPER_READY */
	uint64_t started_ms;
	uint64_t heard_ms; /* from it; 0: nothing yet */
};

enum keeper_standby_step {
	KEEPER_STANDBY_NONE,
	KEEPER_STANDBY_STARTING,   /* reads its settings */
	KEEPER_STANDBY_YIELDING,   /* the old one was told */
	KEEPER_STANDBY_CONNECTING, /* the new one was told to connect */
};

struct keeper_state {
	struct keeper_config config;
	struct keeper_children children;
	int signals; /* signalfd */
	int memory;  /* PROC_FD_MEMORY of every supervisor */

	struct keeper_supervisor slots[2];
	struct keeper_supervisor *supervisor, *standby; /* the slots */
	enum keeper_standby_step standby_step;
	uint64_t standby_by_ms;    /* then it has failed; 0: there is none */
	struct keeper_binary good; /* the last one that was ready */
	unsigned int failures;     /* deaths in a row of those not ready */
	bool ready_once;           /* some supervisor said KEEPER_READY */
	uint64_t watched_ms;       /* last turn of the watch */
	uint64_t dog_every_ms;     /* WATCHDOG=1 for systemd; 0: not wanted */
	uint64_t dog_fed_ms;
	uint64_t restart_at_ms; /* 0: no restart is due */
	uint64_t restart_delay_ms;

	struct keeper_binary own; /* what this process runs */
	char own_path[SPAWN_PATH_SIZE];
	pid_t trial;           /* the new one, trying to read our state; or 0 */
	uint64_t trial_by_ms;  /* then it has failed */
	bool becoming;         /* it could: exec, as soon as nothing waits */
	uint64_t reload_by_ms; /* a SIGHUP is being done until then, or 0 */
	bool reload_again;     /* another one came meanwhile */

	int stop_signal;            /* 0: running */
	bool stop_told;             /* by a signal, not by the supervisor */
	bool stop_now;              /* told so twice */
	uint64_t stop_now_by_ms;    /* then without a supervisor */
	unsigned int stop_restarts; /* supervisors that died while stopping */
	uint64_t unheld_ms;         /* last alarm about that; or 0 */
	uint64_t kill_at_ms;        /* while stopping, after the supervisor */
	bool finished;              /* the loop ends */
	int exit_status;
};

extern struct keeper_state keeper;

/* -- keeper.c ---------------------------------------------------------------- */

/* The loop ends, then all children, then the process with STATUS. */
void keeper_finish(int status);
/* Whether wait status STATUS is an exit with CODE. */
bool keeper_exited_with(int status, enum proc_exit code);

/* -- keeper_order.c ----------------------------------------------------------- */

/* Reads all that SUPERVISOR has said; closes its channel at the end. */
void keeper_read_orders(struct keeper_supervisor *supervisor);
/* The service is to stop, and takes no successor any more. */
void keeper_begin_to_stop(void);

/* -- keeper_supervisor.c ------------------------------------------------------ */

void keeper_supervisor_init(void);
void keeper_supervisor_start(void);
/* It is dead and reaped: HOW is a sentence, STATUS wait(2)'s. */
void keeper_supervisor_exited(const char *how, int status);
void keeper_standby_exited(const char *how);

void keeper_tell(struct keeper_supervisor *supervisor,
    const struct keeper_message *message, int fd);
/* What keeper_link_*() said of a channel: one that is stuck must go. */
void keeper_channel_wrote(struct keeper_supervisor *supervisor, int ret);
void keeper_channel_close(struct keeper_supervisor *supervisor);

/* Another one beside the one that works, of the binary that is there now. */
void keeper_standby_start(void);
/* Without effect if there is none. */
void keeper_standby_stop(const char *why);
/* The one that works, or the other one, said so. */
void keeper_standby_order(struct keeper_supervisor *from, enum keeper_op op);
void keeper_standby_turn(uint64_t now_ms);

/* -- keeper_reload.c ---------------------------------------------------------- */

/* Remembers which program this is. */
void keeper_reload_init(void);
/* SIGHUP. */
void keeper_reload_begin(void);
/* … which an older program of this process began. */
void keeper_reload_resume(void);
/* The trial has ended: HOW is a sentence, STATUS wait(2)'s. */
void keeper_trial_exited(const char *how, int status);
/* The supervisor has read its settings; RESULT is enum keeper_reloaded. */
void keeper_reload_settings(int32_t result);
/* As far as it goes it is done: READY=1. */
void keeper_reload_end(void);
void keeper_reload_turn(uint64_t now_ms);

/*
 * What is at PATH now; the caller closes BINARY->fd with
 * keeper_binary_close(). 0 or -errno.
 */
int keeper_binary_open(struct keeper_binary *binary, const char *path);
void keeper_binary_close(struct keeper_binary *binary);
bool keeper_binary_same(
    const struct keeper_binary *a, const struct keeper_binary *b);

#endif
