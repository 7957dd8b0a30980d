/* SPDX-License-Identifier: MIT */
/* rtp_port.h – UDP sockets for RTP out of the operator's port range. */
#ifndef SUPERVISOR_RTP_PORT_H
#define SUPERVISOR_RTP_PORT_H

#include <stdint.h>

/* Where the search goes on, so that a port rests before its next use. */
struct rtp_ports {
	uint16_t min;
	uint16_t max;
	uint16_t next;
};

void rtp_ports_init(struct rtp_ports *ports, long min, long max);

/*
 * Binds a non-blocking UDP socket to IP (numeric, IPv4 or IPv6) and the next
 * free port, marked for expedited forwarding (RFC 3246). An IP that is not this
 * machine's, since a router translates it, means all of its addresses. Returns
 * 0 and the caller's descriptor, or -errno: -EADDRINUSE when the whole range is
 * taken.
 */
int rtp_ports_bind(
    struct rtp_ports *ports, const char *ip, int *fd_out, uint16_t *port_out);

#endif
