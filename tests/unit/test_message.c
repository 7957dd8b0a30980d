/* SPDX-License-Identifier: MIT */
/* test_message.c – the table of messages: names, directions and limits. */
#include "common/message.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const enum message_side sides[] = {MESSAGE_SUPERVISOR,
    MESSAGE_CALLWORKER, MESSAGE_TOOLWORKER, MESSAGE_OPERATOR};

enum {
	SIDES = sizeof(sides) / sizeof(sides[0]),
};

static void
every_message_is_found_by_its_name(void **state)
{
	(void)state;
	for (int i = 0; i < MESSAGE_TYPE_COUNT; i++) {
		enum message_type found = MESSAGE_TYPE_COUNT;
		const char *name = message_name((enum message_type)i);

		assert_int_equal(message_find(name, &found), 0);
		assert_int_equal(found, i);
	}
}

static void
a_name_that_is_not_in_the_table_is_not_found(void **state)
{
	enum message_type type = MESSAGE_BYE;

	(void)state;
	assert_int_equal(message_find("", &type), -ENOENT);
	assert_int_equal(message_find("Hello", &type), -ENOENT);
	assert_int_equal(message_find("hello ", &type), -ENOENT);
	assert_int_equal(message_find("job", &type), -ENOENT);
	assert_int_equal(type, MESSAGE_BYE);
}

static void
every_message_has_a_sane_size_and_number_of_descriptors(void **state)
{
	(void)state;
	for (int i = 0; i < MESSAGE_TYPE_COUNT; i++) {
		size_t size = message_size_max((enum message_type)i);

		assert_in_range(size, 1024, MESSAGE_SIZE_MAX);
		assert_in_range(
		    message_fds((enum message_type)i), 0, MESSAGE_FDS_MAX);
	}
	assert_int_equal(message_fds(MESSAGE_CALL_ASSIGN), 5);
	assert_int_equal(message_fds(MESSAGE_MEDIA), 0);
}

/* How often TYPE may go from one side to another, of all nine ways. */
static unsigned int
ways(enum message_type type)
{
	unsigned int n = 0;

	for (size_t i = 0; i < SIDES; i++) {
		for (size_t j = 0; j < SIDES; j++)
			n += message_allowed(type, sides[i], sides[j]);
	}
	return n;
}

static void
no_message_may_go_both_ways_or_between_workers(void **state)
{
	(void)state;
	for (int i = 0; i < MESSAGE_TYPE_COUNT; i++) {
		enum message_type type = (enum message_type)i;
		bool down = false, up = false;

		for (size_t j = 1; j < SIDES; j++) {
			down = down || message_allowed(
					   type, MESSAGE_SUPERVISOR, sides[j]);
			up = up || message_allowed(
				       type, sides[j], MESSAGE_SUPERVISOR);
		}
		assert_true(down != up);
		assert_false(message_allowed(
		    type, MESSAGE_CALLWORKER, MESSAGE_TOOLWORKER));
		assert_false(message_allowed(
		    type, MESSAGE_TOOLWORKER, MESSAGE_CALLWORKER));
		assert_false(message_allowed(
		    type, MESSAGE_SUPERVISOR, MESSAGE_SUPERVISOR));
	}
}

static void
the_direction_of_each_message_is_what_the_map_says(void **state)
{
	static const enum message_type from_callworker[] = {MESSAGE_READY,
	    MESSAGE_VOICE_FAILED, MESSAGE_TOOL_REQUEST, MESSAGE_TOOL_CANCEL,
	    MESSAGE_CALL_ACTION, MESSAGE_BYE};
	static const enum message_type to_callworker[] = {
	    MESSAGE_SESSION_PREPARE, MESSAGE_CALL_ASSIGN, MESSAGE_MEDIA,
	    MESSAGE_DTMF, MESSAGE_TOOL_PROGRESS, MESSAGE_TOOL_RESULT,
	    MESSAGE_HANGUP};
	static const enum message_type both_workers[] = {MESSAGE_HELLO,
	    MESSAGE_HEARTBEAT, MESSAGE_STATE, MESSAGE_DRAIN, MESSAGE_SYNC};

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		assert_true(message_allowed(from_callworker[i],
		    MESSAGE_CALLWORKER, MESSAGE_SUPERVISOR));
		assert_int_equal(ways(from_callworker[i]), 1);
	}
	for (size_t i = 0; i < 7; i++) {
		assert_true(message_allowed(
		    to_callworker[i], MESSAGE_SUPERVISOR, MESSAGE_CALLWORKER));
		assert_int_equal(ways(to_callworker[i]), 1);
	}
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(ways(both_workers[i]), 2);
	assert_true(message_allowed(
	    MESSAGE_JOB_RUN, MESSAGE_SUPERVISOR, MESSAGE_TOOLWORKER));
	assert_true(message_allowed(
	    MESSAGE_JOB_RESULT, MESSAGE_TOOLWORKER, MESSAGE_SUPERVISOR));
	assert_int_equal(ways(MESSAGE_JOB_RUN), 1);
	assert_int_equal(ways(MESSAGE_JOB_RESULT), 1);
}

static void
every_fault_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int i = MESSAGE_OK; i <= MESSAGE_DESCRIPTORS; i++) {
		const char *name = message_fault_name((enum message_fault)i);

		assert_string_not_equal(name, "?");
		for (int j = MESSAGE_OK; j < i; j++)
			assert_string_not_equal(
			    name, message_fault_name((enum message_fault)j));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_message_is_found_by_its_name),
	    cmocka_unit_test(a_name_that_is_not_in_the_table_is_not_found),
	    cmocka_unit_test(
		every_message_has_a_sane_size_and_number_of_descriptors),
	    cmocka_unit_test(no_message_may_go_both_ways_or_between_workers),
	    cmocka_unit_test(
		the_direction_of_each_message_is_what_the_map_says),
	    cmocka_unit_test(every_fault_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
