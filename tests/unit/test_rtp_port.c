/* SPDX-License-Identifier: MIT */
/* test_rtp_port.c – the next free UDP port of a range, round and round. */
#include "supervisor/rtp_port.h"

#include "tests/unit/descriptors.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	RANGE = 4,
};

static struct {
	struct rtp_ports ports;
	uint16_t min;
	size_t descriptors;
} rig;

/* Binds PORT (0: the kernel's choice) on loopback; -1 if it is taken. */
static int
occupy(uint16_t port, uint16_t *port_out)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (bind(fd, (struct sockaddr *)&address, len) < 0) {
		close(fd);
		return -1;
	}
	getsockname(fd, (struct sockaddr *)&address, &len);
	if (port_out != NULL)
		*port_out = ntohs(address.sin_port);
	return fd;
}

static bool
all_free(uint16_t min)
{
	for (uint16_t i = 0; i < RANGE; i++) {
		int fd = occupy((uint16_t)(min + i), NULL);

		if (fd < 0)
			return false;
		close(fd);
	}
	return true;
}

/* A range of which nobody else has a port at the moment. */
static int
setup(void **state)
{
	(void)state;
	for (;;) {
		int fd = occupy(0, &rig.min);

		close(fd);
		if (rig.min < 65000 && all_free(rig.min))
			break;
	}
	memset(&rig.ports, 0, sizeof(rig.ports));
	rtp_ports_init(&rig.ports, rig.min, rig.min + RANGE - 1);
	rig.descriptors = descriptors_open();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	assert_int_equal(descriptors_open(), rig.descriptors);
	return 0;
}

static uint16_t
bind_and_close(void)
{
	uint16_t port;
	int fd;

	assert_int_equal(
	    rtp_ports_bind(&rig.ports, "127.0.0.1", &fd, &port), 0);
	close(fd);
	return port;
}

static void
a_port_rests_before_its_next_use(void **state)
{
	(void)state;
	for (int i = 0; i < 2 * RANGE; i++)
		assert_int_equal(bind_and_close(), rig.min + i % RANGE);
}

static void
a_port_that_is_taken_is_passed_over(void **state)
{
	int fd = occupy((uint16_t)(rig.min + 1), NULL);

	(void)state;
	assert_int_equal(bind_and_close(), rig.min);
	assert_int_equal(bind_and_close(), rig.min + 2);
	close(fd);
}

static void
a_range_that_is_taken_whole_is_an_error_and_leaves_nothing(void **state)
{
	int fds[RANGE], fd = -7;
	uint16_t port = 0;

	(void)state;
	for (int i = 0; i < RANGE; i++)
		fds[i] = occupy((uint16_t)(rig.min + i), NULL);
	assert_int_equal(
	    rtp_ports_bind(&rig.ports, "127.0.0.1", &fd, &port), -EADDRINUSE);
	assert_int_equal(fd, -7);
	assert_int_equal(port, 0);
	for (int i = 0; i < RANGE; i++)
		close(fds[i]);
}

static void
the_socket_is_bound_non_blocking_and_marked(void **state)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address);
	uint16_t port;
	int tos = 0;
	int fd;

	(void)state;
	assert_int_equal(
	    rtp_ports_bind(&rig.ports, "127.0.0.1", &fd, &port), 0);
	getsockname(fd, (struct sockaddr *)&address, &len);
	assert_int_equal(ntohs(address.sin_port), port);
	assert_int_equal(ntohl(address.sin_addr.s_addr), INADDR_LOOPBACK);
	assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	len = sizeof(tos);
	assert_int_equal(getsockopt(fd, IPPROTO_IP, IP_TOS, &tos, &len), 0);
	assert_int_equal(tos, IPTOS_DSCP_EF);
	close(fd);
}

static void
an_address_that_is_none_is_an_error(void **state)
{
	uint16_t port;
	int fd;

	(void)state;
	assert_int_equal(
	    rtp_ports_bind(&rig.ports, "localhost", &fd, &port), -EINVAL);
	assert_int_equal(rtp_ports_bind(&rig.ports, "", &fd, &port), -EINVAL);
}

/* The one that Asterisk is told may be a router's, in front of us. */
static void
an_address_that_is_translated_means_all_of_ours(void **state)
{
	static const char *const ips[] = {"192.0.2.1", "2001:db8::1"};
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		socklen_t len = sizeof(address);
		uint16_t port;
		int fd;

		assert_int_equal(
		    rtp_ports_bind(&rig.ports, ips[i], &fd, &port), 0);
		getsockname(fd, &address.any, &len);
		if (i == 0)
			assert_int_equal(
			    ntohl(address.v4.sin_addr.s_addr), INADDR_ANY);
		else
			assert_memory_equal(&address.v6.sin6_addr, &in6addr_any,
			    sizeof(in6addr_any));
		close(fd);
	}
}

static void
a_new_range_keeps_the_place_if_it_lies_inside(void **state)
{
	(void)state;
	bind_and_close();
	bind_and_close();
	rtp_ports_init(&rig.ports, rig.min + 1, rig.min + RANGE - 1);
	assert_int_equal(bind_and_close(), rig.min + 2);
	rtp_ports_init(&rig.ports, rig.min, rig.min + 1);
	assert_int_equal(bind_and_close(), rig.min);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_port_rests_before_its_next_use),
	    TEST(a_port_that_is_taken_is_passed_over),
	    TEST(a_range_that_is_taken_whole_is_an_error_and_leaves_nothing),
	    TEST(the_socket_is_bound_non_blocking_and_marked),
	    TEST(an_address_that_is_none_is_an_error),
	    TEST(an_address_that_is_translated_means_all_of_ours),
	    TEST(a_new_range_keeps_the_place_if_it_lies_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
