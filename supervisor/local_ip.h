/* SPDX-License-Identifier: MIT */
/* local_ip.h – the address of ours that Asterisk's RTP can reach. */
#ifndef SUPERVISOR_LOCAL_IP_H
#define SUPERVISOR_LOCAL_IP_H

#include "common/resolver.h"

enum {
	LOCAL_IP_SIZE = NET_ADDRESS_IP_SIZE,
};

/*
 * The address from which this machine would talk to REMOTE; no packet is
 * sent. Returns 0 or -errno.
 */
int local_ip_towards(
    const struct net_address *remote, char ip_out[LOCAL_IP_SIZE]);

#endif
