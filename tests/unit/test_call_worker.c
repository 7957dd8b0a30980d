/* SPDX-License-Identifier: MIT */
/* test_call_worker.c – a call whose worker fails, dies or does not leave. */
#include "tests/unit/call_steps.h"

static void
a_worker_lost_before_the_answer_is_replaced_when_it_is_dead(void **state)
{
	(void)state;
	for (size_t i = 5; i < STEPS; i++) {
		struct worker *first;

		set_up(i);
		first = world_worker();
		fake_worker_dies(first, "killed by signal 9");
		assert_int_equal(world_state(ID), CALL_NEW);
		assert_int_equal(world.asked, 2);
		step_worker();
		assert_ptr_not_equal(world_worker(), first);
		/* What was made in Asterisk is kept. */
		assert_int_equal(fake_ari_asked("POST", "externalMedia"), 1);
		for (size_t j = i; j < STEPS; j++) {
			if (steps[j].path == NULL ||
			    fake_ari_find(steps[j].method, steps[j].path))
				steps[j].take();
		}
		if (i == STEPS - 1) /* the first answer found it unready */
			step_ready();
		assert_int_equal(world_state(ID), CALL_TALKING);
		assert_int_equal(
		    fake_worker_told(world_worker(), MESSAGE_MEDIA), 1);
		begin_again();
	}
}

static void
one_that_could_not_be_told_is_replaced_at_once(void **state)
{
	struct worker *deaf = fake_fleet_worker(PROC_ROLE_CALLWORKER);

	(void)state;
	set_up(4);
	deaf->deaf = true;
	world.waiting[0].waits = false;
	world.waiting[0].fn(deaf, "", world.waiting[0].arg);
	assert_int_equal(deaf->killed, SIGKILL);
	fake_worker_dies(deaf, "killed by signal 9");
	assert_int_equal(world_state(ID), CALL_NEW);
	assert_int_equal(world.asked, 2);
}

static void
three_lost_workers_are_enough(void **state)
{
	(void)state;
	set_up(5);
	fake_worker_dies(world_worker(), "exited with status 4");
	step_worker();
	fake_worker_dies(world_worker(), "exited with status 4");
	step_worker();
	fake_worker_dies(world_worker(), "exited with status 4");
	assert_went_to_fallback();
	assert_int_equal(world.asked, 3);
}

static void
a_voice_that_fails_before_the_answer_costs_its_worker_only(void **state)
{
	cJSON *body = cJSON_CreateObject();

	(void)state;
	set_up(8);
	json_add_string(body, "fault", "rate_limit");
	fake_worker_says(world_worker(), MESSAGE_VOICE_FAILED, body);
	assert_string_equal(world.last_fault, "rate_limit");
	assert_int_equal(world_worker()->killed, SIGKILL);
	assert_int_equal(world_state(ID), CALL_ASSIGNED);
}

static void
a_worker_that_gives_up_before_the_answer_is_replaced(void **state)
{
	(void)state;
	set_up(8);
	act("hangup", "voice_lost");
	assert_int_equal(world_state(ID), CALL_ASSIGNED);
	assert_int_equal(world_worker()->killed, SIGKILL);
	fake_worker_dies(world_worker(), "killed by signal 9");
	assert_int_equal(world.asked, 2);
}

static void
a_voice_that_is_lost_in_the_conversation_leads_to_the_fallback(void **state)
{
	cJSON *body = cJSON_CreateObject();

	(void)state;
	set_up(STEPS);
	json_add_string(body, "fault", "server");
	fake_worker_says(world_worker(), MESSAGE_VOICE_FAILED, body);
	assert_string_equal(world.last_fault, "server");
	assert_went_to_fallback();
}

static void
a_worker_that_does_not_leave_is_killed(void **state)
{
	(void)state;
	set_up(STEPS);
	world_channel_event("StasisEnd", ID);
	assert_int_equal(world_worker()->killed, 0);
	timers_expire(world.base);
	assert_int_equal(world_worker()->killed, SIGKILL);
	asterisk_says_404();
	assert_int_equal(world_state(ID), CALL_ENDED); /* not found any more */
	assert_int_equal(world.tools_refs, 1);         /* but not freed */
	fake_worker_dies(world_worker(), "killed by signal 9");
	world_assert_empty();
}

int
main(void)
{
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_worker_lost_before_the_answer_is_replaced_when_it_is_dead),
	    TEST(one_that_could_not_be_told_is_replaced_at_once),
	    TEST(three_lost_workers_are_enough),
	    TEST(a_worker_that_gives_up_before_the_answer_is_replaced),
	    TEST(a_voice_that_fails_before_the_answer_costs_its_worker_only),
	    TEST(
		a_voice_that_is_lost_in_the_conversation_leads_to_the_fallback),
	    TEST(a_worker_that_does_not_leave_is_killed),
	};

	log_init("unit", (enum log_level)0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
