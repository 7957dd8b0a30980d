/* SPDX-License-Identifier: MIT */
/*
 * proc.h – what every process of Telefonista agrees on: the roles, what a
 * child inherits, and what its exit status means.
 *
 * A child is made by fork and exec in the keeper only (supervisor/spawn.c)
 * and starts with exactly the descriptors listed here; everything else
 * reaches it over its channel with SCM_RIGHTS. Its process group is its own
 * (a ^C in the operator's terminal reaches the keeper alone), and SIGTERM
 * tells it when the keeper has died (PR_SET_PDEATHSIG).
 */
#ifndef COMMON_PROC_H
#define COMMON_PROC_H

#include <stdbool.h>
#include <sys/types.h>

#define TELEFONISTA_VERSION "0.1.0"

enum proc_role {
	PROC_ROLE_KEEPER,
	PROC_ROLE_SUPERVISOR,
	PROC_ROLE_CALLWORKER,
	PROC_ROLE_TOOLWORKER,
};

enum {
	PROC_ROLE_COUNT = PROC_ROLE_TOOLWORKER + 1,
};

/* Inherited descriptors: 0 is /dev/null, 1 and 2 are the log. */
enum proc_fd {
	/*
	 * A SOCK_SEQPACKET socket: a worker's to the supervisor (JSON,
	 * common/message.h), the supervisor's to the keeper
	 * (supervisor/keeper_protocol.h).
	 */
	PROC_FD_CHANNEL = 3,
	/*
	 * A memfd of NAME=value lines: the role's own secrets, if the
	 * service was given them in its environment; closed otherwise.
	 * Read once by config_load(), then closed.
	 */
	PROC_FD_SECRETS = 4,
	/*
	 * The supervisor's only: a memfd that the keeper made, of what must
	 * outlive it and belongs to no worker (supervisor/access.h).
	 */
	PROC_FD_MEMORY = 5,
	PROC_FD_COUNT = 6,
};

/* Each exit status has one meaning and, in the keeper, one consequence. */
enum proc_exit {
	PROC_EXIT_OK = 0,          /* did what it was told */
	PROC_EXIT_INTERNAL = 1,    /* our mistake, or the system's: restart */
	PROC_EXIT_CONFIG = 2,      /* the operator must act: do not restart */
	PROC_EXIT_CHANNEL = 3,     /* the peer broke the message protocol */
	PROC_EXIT_BACKEND = 4,     /* the voice service was lost for good */
	PROC_EXIT_ORPHAN = 5,      /* the keeper is gone */
	PROC_EXIT_HANDED_OVER = 6, /* another supervisor has what it had */
};

/* "callworker"; the binary is "telefonista-callworker". */
const char *proc_role_name(enum proc_role role);

/* A sentence for the log; "unknown status" for one not in enum proc_exit. */
const char *proc_exit_name(int status);

/* Somebody debugs PID: it may stand still as long as they like. */
bool proc_is_traced(pid_t pid);

/*
 * What binaries of one build share and others do not: decides whether an
 * unknown message is an error or an upgrade in progress.
 */
const char *proc_build_id(void);

#endif
