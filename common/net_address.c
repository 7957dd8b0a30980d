/* SPDX-License-Identifier: MIT */
/* net_address.c – numeric endpoints to and from text. */
#include "common/net_address.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>

int
net_address_parse(const char *text, uint16_t port, struct net_address *out)
{
	char ip[NET_ADDRESS_IP_SIZE];
	unsigned char bytes[sizeof(struct in6_addr)];
	size_t len = strlen(text);
	bool bracketed = len >= 2 && text[0] == '[' && text[len - 1] == ']';
	int family = AF_INET6;

	if (bracketed) {
		text++;
		len -= 2;
	}
	if (len >= sizeof(ip))
		return -EINVAL;
	memcpy(ip, text, len);
	ip[len] = '\0';
	if (!bracketed && inet_pton(AF_INET, ip, bytes) == 1)
		family = AF_INET;
	else if (inet_pton(AF_INET6, ip, bytes) != 1)
		return -EINVAL;
	if (!inet_ntop(family, bytes, out->ip, sizeof(out->ip)))
		return -EINVAL;
	out->port = port;
	return 0;
}

bool
net_address_is_ipv6(const struct net_address *address)
{
	return strchr(address->ip, ':') != NULL;
}

bool
net_address_is_loopback(const struct net_address *address)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, address->ip, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) == IN_LOOPBACKNET;
	if (inet_pton(AF_INET6, address->ip, &v6) != 1)
		return false;
	return IN6_IS_ADDR_LOOPBACK(&v6) ||
	       (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == IN_LOOPBACKNET);
}

void
net_address_format(const struct net_address *address, char *buf, size_t size)
{
	snprintf(buf, size, net_address_is_ipv6(address) ? "[%s]:%u" : "%s:%u",
	    address->ip, address->port);
}
