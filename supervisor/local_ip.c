/* SPDX-License-Identifier: MIT */
/* local_ip.c – asks the kernel's routing table through an unsent datagram. */
#include "supervisor/local_ip.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static int
name_of_socket(int fd, char ip_out[LOCAL_IP_SIZE])
{
	struct sockaddr_storage local;
	socklen_t len = sizeof(local);

	if (getsockname(fd, (struct sockaddr *)&local, &len) < 0)
		return -errno;
	if (getnameinfo((struct sockaddr *)&local, len, ip_out, LOCAL_IP_SIZE,
		NULL, 0, NI_NUMERICHOST) != 0)
		return -EINVAL;
	return 0;
}

int
local_ip_towards(const struct net_address *remote, char ip_out[LOCAL_IP_SIZE])
{
	const struct addrinfo hints = {
	    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	    .ai_socktype = SOCK_DGRAM,
	};
	struct addrinfo *info;
	char port[8];
	int fd, ret;

	snprintf(port, sizeof(port), "%u", remote->port);
	if (getaddrinfo(remote->ip, port, &hints, &info) != 0)
		return -EINVAL;
	fd = socket(info->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ret = fd < 0 ? -errno : 0;
	if (ret == 0 && connect(fd, info->ai_addr, info->ai_addrlen) < 0)
		ret = -errno;
	freeaddrinfo(info);
	if (ret == 0)
		ret = name_of_socket(fd, ip_out);
	if (fd >= 0)
		close(fd);
	return ret;
}
