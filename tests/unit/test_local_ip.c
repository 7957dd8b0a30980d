/* SPDX-License-Identifier: MIT */
/* test_local_ip.c – from which address this machine would talk to another. */
#include "supervisor/local_ip.h"

#include "tests/unit/descriptors.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int
ask(const char *ip, char ip_out[LOCAL_IP_SIZE])
{
	struct net_address remote = {.port = 8088};
	size_t before = descriptors_open();
	int ret;

	snprintf(remote.ip, sizeof(remote.ip), "%s", ip);
	ret = local_ip_towards(&remote, ip_out);
	assert_int_equal(descriptors_open(), before);
	return ret;
}

static void
asterisk_on_this_machine_reaches_us_on_loopback(void **state)
{
	char ip[LOCAL_IP_SIZE];

	(void)state;
	assert_int_equal(ask("127.0.0.1", ip), 0);
	assert_string_equal(ip, "127.0.0.1");
	assert_int_equal(ask("127.0.0.5", ip), 0);
	assert_memory_equal(ip, "127.0.0.", 8);
}

static void
a_name_is_no_address(void **state)
{
	char ip[LOCAL_IP_SIZE] = "before";

	(void)state;
	assert_int_equal(ask("localhost", ip), -EINVAL);
	assert_int_equal(ask("", ip), -EINVAL);
	assert_string_equal(ip, "before");
}

static void
an_address_without_a_route_is_an_error_not_a_guess(void **state)
{
	char ip[LOCAL_IP_SIZE] = "before";

	(void)state;
	/* Never routed (RFC 4291 2.5.6 without a scope). */
	assert_true(ask("fe80::1", ip) < 0);
	assert_string_equal(ip, "before");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(asterisk_on_this_machine_reaches_us_on_loopback),
	    cmocka_unit_test(a_name_is_no_address),
	    cmocka_unit_test(
		an_address_without_a_route_is_an_error_not_a_guess),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
