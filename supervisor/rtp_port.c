/* SPDX-License-Identifier: MIT */
/* rtp_port.c – binds the next free port of a range, round and round. */
#include "supervisor/rtp_port.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

void
rtp_ports_init(struct rtp_ports *ports, long min, long max)
{
	assert(min > 0 && min <= max && max <= UINT16_MAX);
	ports->min = (uint16_t)min;
	ports->max = (uint16_t)max;
	if (ports->next < ports->min || ports->next > ports->max)
		ports->next = ports->min;
}

static int
parse_ip(const char *ip, union address *address, socklen_t *len_out)
{
	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, ip, &address->v4.sin_addr) == 1) {
		address->any.sa_family = AF_INET;
		*len_out = sizeof(address->v4);
		return 0;
	}
	if (inet_pton(AF_INET6, ip, &address->v6.sin6_addr) == 1) {
		address->any.sa_family = AF_INET6;
		*len_out = sizeof(address->v6);
		return 0;
	}
	return -EINVAL;
}

static int
bind_port(union address *address, socklen_t len, uint16_t port, int *fd_out)
{
	static const int expedited = IPTOS_DSCP_EF;
	int fd = socket(address->any.sa_family,
	    SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (address->any.sa_family == AF_INET)
		address->v4.sin_port = htons(port);
	else
		address->v6.sin6_port = htons(port);
	if (bind(fd, &address->any, len) < 0) {
		int ret = -errno;

		close(fd);
		return ret;
	}
	/* Only a wish: networks may ignore it. */
	if (address->any.sa_family == AF_INET)
		(void)setsockopt(
		    fd, IPPROTO_IP, IP_TOS, &expedited, sizeof(expedited));
	else
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &expedited,
		    sizeof(expedited));
	*fd_out = fd;
	return 0;
}

/* 0.0.0.0 or :: */
static void
make_any(union address *address)
{
	if (address->any.sa_family == AF_INET)
		address->v4.sin_addr.s_addr = htonl(INADDR_ANY);
	else
		address->v6.sin6_addr = in6addr_any;
}

int
rtp_ports_bind(
    struct rtp_ports *ports, const char *ip, int *fd_out, uint16_t *port_out)
{
	union address address;
	socklen_t len;
	int ret = parse_ip(ip, &address, &len);
	uint32_t count = (uint32_t)(ports->max - ports->min) + 1;

	if (ret < 0)
		return ret;
	ret = -EADDRINUSE;
	for (uint32_t i = 0; i < count && ret == -EADDRINUSE; i++) {
		uint16_t port = ports->next;

		ports->next =
		    port == ports->max ? ports->min : (uint16_t)(port + 1);
		ret = bind_port(&address, len, port, fd_out);
		if (ret == -EADDRNOTAVAIL) {
			make_any(&address);
			ret = bind_port(&address, len, port, fd_out);
		}
		if (ret == 0)
			*port_out = port;
	}
	return ret;
}
