/* SPDX-License-Identifier: MIT */
/*
 * keeper_link.h – carries struct keeper_message and at most one descriptor
 * over a SOCK_SEQPACKET socket. Used by both sides; libc only.
 */
#ifndef SUPERVISOR_KEEPER_LINK_H
#define SUPERVISOR_KEEPER_LINK_H

#include "supervisor/keeper_protocol.h"

/*
 * Sends without blocking; FD -1 for none, else the caller keeps it.
 * Returns 0 or -errno (-EAGAIN: the other side does not read).
 */
int keeper_link_send(int socket, const struct keeper_message *message, int fd);

/*
 * Receives without blocking. Returns 1 (*fd_out is a descriptor that the
 * caller closes, or -1), 0 when there is nothing, -EPIPE at the end,
 * -EPROTO for a datagram of another size, or another -errno.
 */
int keeper_link_receive(
    int socket, struct keeper_message *message, int *fd_out);

/* Makes room for a table of thousands of rows; best effort. */
void keeper_link_enlarge(int socket);

#endif
