/* SPDX-License-Identifier: MIT */
/* test_proc.c – roles, exit statuses and the build have names. */
#include "common/proc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
a_role_is_called_like_its_binary(void **state)
{
	(void)state;
	assert_string_equal(proc_role_name(PROC_ROLE_KEEPER), "keeper");
	assert_string_equal(proc_role_name(PROC_ROLE_SUPERVISOR), "supervisor");
	assert_string_equal(proc_role_name(PROC_ROLE_CALLWORKER), "callworker");
	assert_string_equal(proc_role_name(PROC_ROLE_TOOLWORKER), "toolworker");
	assert_string_equal(
	    proc_role_name((enum proc_role)PROC_ROLE_COUNT), "unknown");
}

static void
every_exit_status_has_a_meaning_and_others_have_none(void **state)
{
	(void)state;
	for (int i = PROC_EXIT_OK; i <= PROC_EXIT_HANDED_OVER; i++)
		assert_string_not_equal(proc_exit_name(i), "unknown status");
	assert_string_equal(
	    proc_exit_name(PROC_EXIT_CONFIG), "configuration error");
	assert_string_equal(proc_exit_name(127), "unknown status");
	assert_string_equal(proc_exit_name(-1), "unknown status");
}

static void
the_build_names_version_and_commit(void **state)
{
	const char *plus = strchr(proc_build_id(), '+');

	(void)state;
	assert_non_null(plus);
	assert_memory_equal(proc_build_id(), TELEFONISTA_VERSION,
	    (size_t)(plus - proc_build_id()));
	assert_true(strlen(plus) > 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_role_is_called_like_its_binary),
	    cmocka_unit_test(
		every_exit_status_has_a_meaning_and_others_have_none),
	    cmocka_unit_test(the_build_names_version_and_commit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
