/* SPDX-License-Identifier: MIT */
/*
 * net_address.h – a numeric TCP endpoint, the only kind that workers know.
 */
#ifndef COMMON_NET_ADDRESS_H
#define COMMON_NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	NET_ADDRESS_IP_SIZE = 46,     /* INET6_ADDRSTRLEN */
	NET_ADDRESS_FORMAT_SIZE = 56, /* "[ip]:port" and NUL */
	NET_ADDRESSES_MAX = 8,        /* of one host name */
};

/* IP is numeric and canonical, without brackets or scope. */
struct net_address {
	char ip[NET_ADDRESS_IP_SIZE];
	uint16_t port;
};

/*
 * Parses "192.0.2.1", "2001:db8::1" or "[2001:db8::1]" into *OUT. Returns 0,
 * or -EINVAL if TEXT is not a numeric address.
 */
int net_address_parse(const char *text, uint16_t port, struct net_address *out);

bool net_address_is_ipv6(const struct net_address *address);

/* True for 127.0.0.0/8, ::1 and ::ffff:127.0.0.0/104. */
bool net_address_is_loopback(const struct net_address *address);

/* Writes "192.0.2.1:443" or "[2001:db8::1]:443". */
void net_address_format(
    const struct net_address *address, char *buf, size_t size);

#endif
