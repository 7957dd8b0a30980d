/* SPDX-License-Identifier: MIT */
/*
 * control.h – the control socket: what an operator's program asks of a running
 * service, and what it is told. telefonistactl is one such program.
 *
 * An AF_UNIX socket of type SOCK_SEQPACKET, a datagram a message of
 * common/message.h. Its mode is 0660; besides, whoever connects must be root,
 * of our own user, or in the socket's group (unix(7), SO_PEERCRED). What is
 * asked that changes anything is logged with who asked it.
 */
#ifndef SUPERVISOR_CONTROL_H
#define SUPERVISOR_CONTROL_H

#include <cjson/cJSON.h>
#include <stddef.h>

struct calls;
struct control;
struct event_base;

enum {
	CONTROL_CLIENTS_MAX = 16,
	CONTROL_IDLE_MS = 60000, /* then a client is let go */
	CONTROL_CALLS_PART = 64, /* calls in one reply */
};

struct control_config {
	struct event_base *base;
	const char *path; /* of the socket */
	struct calls *calls;
	/* Members for the reply to "status"; the caller owns them. */
	cJSON *(*status)(void *arg);
	void *arg;
};

/*
 * Where the socket is: SETTING (CONTROL_SOCKET), or "control" in the runtime
 * directory that systemd made for us, or "" for none.
 */
void control_path(const char *setting, char *path, size_t size);

/*
 * Listens at PATH, in place of what a dead service left there. 0 or -errno:
 * -EADDRINUSE when a living one answers there, -ENAMETOOLONG, or of bind(2).
 * Everything in CONFIG must outlive it.
 */
int control_new(
    struct control **control_out, const struct control_config *config);

/* NULL-safe, clears. The file stays: a successor may have its own there. */
void control_free(struct control **control);

#endif
