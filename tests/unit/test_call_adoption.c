/* SPDX-License-Identifier: MIT */
/* test_call_adoption.c – a new supervisor goes on where the old one died. */
#include "tests/unit/call_steps.h"

static struct worker *
adopt_live(void)
{
	struct worker *worker = fake_fleet_worker(PROC_ROLE_CALLWORKER);

	step_adopt(ID, worker);
	assert_int_equal(fake_worker_told(worker, MESSAGE_SYNC), 1);
	return worker;
}

/* Asterisk's lists: the caller's channel, and what our predecessor made. */
static void
snapshot(const char *channel_state, bool made)
{
	char text[2048];
	cJSON *channels, *bridges;

	snprintf(text, sizeof(text), "[" WORLD_CHANNEL "%s]", ID, channel_state,
	    "3001234655", ",persona=ventas",
	    made ? ",{\"id\":\"telefonista-openai-app-media-" ID "-0a0b\"}"
		 : "");
	channels = json_parse(text, strlen(text));
	snprintf(text, sizeof(text), "[%s]",
	    made ? "{\"id\":\"telefonista-openai-app-bridge-" ID "-0a0b\"}"
		 : "");
	bridges = json_parse(text, strlen(text));
	assert_non_null(channels);
	calls_on_snapshot(world.calls, channels, bridges);
	cJSON_Delete(channels);
	cJSON_Delete(bridges);
}

static void
empty_snapshot(void)
{
	cJSON *none = cJSON_CreateArray();

	calls_on_snapshot(world.calls, none, none);
	cJSON_Delete(none);
}

static void
a_conversation_goes_on_as_if_nothing_had_been(void **state)
{
	struct worker *worker = adopt_live();

	(void)state;
	world_worker_state(worker, "talking", "sync", 42000);
	snapshot("Up", true);
	assert_int_equal(world_state(ID), CALL_TALKING);
	assert_int_equal(fake_ari.count, 0);
	assert_int_equal(worker->killed, 0);
	assert_int_equal(ledger_count(world.ledger), 2);
	/* And it ends like any other. */
	world_channel_event("StasisEnd", ID);
	assert_non_null(fake_ari_find("DELETE", "media-" ID "-0a0b"));
	assert_non_null(fake_ari_find("DELETE", "bridge-" ID "-0a0b"));
	workers_leave();
	world_assert_empty();
}

static void
nobody_is_sent_away_before_it_is_known_that_he_talks(void **state)
{
	struct worker *worker = adopt_live();

	(void)state;
	world.config.drain_s = 5;
	calls_drain(world.calls);
	assert_int_equal(world_state(ID), CALL_NEW);
	world_worker_state(worker, "talking", "sync", 42000);
	snapshot("Up", true);
	fake_now_ms += 1000;
	timers_turn(world.base);
	timers_turn(world.base);
	assert_int_equal(world_state(ID), CALL_TALKING);
	assert_int_equal(fake_worker_told(worker, MESSAGE_HANGUP), 1);
	assert_true(json_bool(
	    fake_worker_heard(worker, MESSAGE_HANGUP), "farewell", false));
}

static void
the_lists_may_come_before_the_workers_answer(void **state)
{
	struct worker *worker = adopt_live();

	(void)state;
	snapshot("Up", true);
	assert_int_equal(world_state(ID), CALL_NEW);
	world_worker_state(worker, "talking", "sync", 42000);
	assert_int_equal(world_state(ID), CALL_TALKING);
	assert_int_equal(worker->killed, 0);
}

static void
words_to_the_dead_supervisor_are_not_the_answer_to_sync(void **state)
{
	struct worker *worker = adopt_live();

	(void)state;
	snapshot("Up", true);
	/* Said before, read only now. */
	world_worker_state(worker, "assigned", "call.assign", 0);
	world_worker_state(worker, "ready", "voice configured", 0);
	assert_int_equal(worker->killed, 0);
	world_worker_state(worker, "talking", "media", 0);
	world_worker_state(worker, "talking", "sync", 900);
	assert_int_equal(world_state(ID), CALL_TALKING);
	assert_int_equal(worker->killed, 0);
}

static void
a_goodbye_that_is_being_said_is_let_finish_but_not_for_ever(void **state)
{
	struct worker *worker = adopt_live();

	(void)state;
	world_worker_state(worker, "leaving", "sync", 60000);
	snapshot("Up", true);
	assert_int_equal(world_state(ID), CALL_TALKING);
	assert_int_equal(worker->killed, 0);
	timers_expire(world.base);
	assert_non_null(fake_ari_find("DELETE", "channels/" ID));
}

static void
a_hang_up_that_the_dead_supervisor_did_not_carry_out_is_done_now(void **state)
{
	struct worker *worker = adopt_live();

	(void)state;
	world_worker_state(worker, "ended", "sync", 60000);
	snapshot("Up", true); /* nor was he connected with a person */
	assert_int_equal(world_state(ID), CALL_ENDING);
	assert_non_null(fake_ari_find("DELETE", "channels/" ID));
	assert_int_equal(fake_worker_told(worker, MESSAGE_HANGUP), 1);
}

static void
a_hang_up_that_the_dead_supervisor_never_read_is_no_refusal(void **state)
{
	struct worker *worker = adopt_live();

	(void)state;
	act("hangup", "voice");
	assert_int_equal(fake_ari.count, 0);
	fake_worker_dies(worker, "exited with status 0");
	snapshot("Up", true);
	assert_int_equal(world_state(ID), CALL_ENDING);
	assert_non_null(fake_ari_find("DELETE", "channels/" ID));
	assert_null(fake_ari_find("POST", "/continue"));
}

static void
a_call_that_had_not_been_answered_begins_anew(void **state)
{
	struct worker *worker = adopt_live();

	(void)state;
	world_worker_state(worker, "ready", "sync", 0);
	assert_int_equal(worker->killed, 0); /* the lists first */
	snapshot("Ring", true);
	assert_int_equal(worker->killed, SIGKILL);
	/* Two would read one socket: not before it is dead. */
	assert_int_equal(fake_ari_asked("POST", "bridges?"), 0);
	fake_worker_dies(worker, "killed by signal 9");
	fake_ari_answer_all("DELETE", 204);
	for (size_t i = 1; i < STEPS; i++)
		steps[i].take();
	assert_int_equal(world_state(ID), CALL_TALKING);
	assert_int_equal(fake_ari_asked("DELETE", "media-" ID "-0a0b"), 1);
	world_channel_event("StasisEnd", ID);
	workers_leave();
	world_assert_empty();
}

static void
a_call_whose_worker_died_with_the_supervisor_begins_anew(void **state)
{
	const cJSON *assign;

	(void)state;
	step_adopt(ID, NULL);
	snapshot("Up", true);
	fake_ari_answer_all("DELETE", 204);
	/* It is answered already, and nobody knows more than Asterisk. */
	assert_int_equal(fake_ari_asked("POST", "/ring"), 0);
	for (size_t i = 2; i < 5; i++)
		steps[i].take();
	assert_string_equal(world.persona_asked, "soporte");
	assign = fake_worker_heard(world_worker(), MESSAGE_CALL_ASSIGN);
	assert_string_equal(json_string(assign, "caller"), "+573001234655");
	assert_string_equal(json_string(assign, "called"), "3241000752");
	for (size_t i = 5; i < STEPS - 1; i++)
		steps[i].take();
	assert_int_equal(world_state(ID), CALL_TALKING);
}

static void
flags_of_the_first_attempt_do_not_reach_into_the_second(void **state)
{
	struct worker *worker = adopt_live();

	(void)state;
	snapshot("Ring", true);
	/* The old media channel enters our application only now. */
	world_channel_event(
	    "StasisStart", "telefonista-openai-app-media-" ID "-0a0b");
	world_worker_state(worker, "ready", "sync", 0);
	fake_worker_dies(worker, "killed by signal 9");
	step_bridge();
	step_codec();
	step_media();
	/* The new one is not there yet: joining it would be refused. */
	assert_null(fake_ari_find("POST", "/addChannel"));
	step_media_in_stasis();
	assert_non_null(fake_ari_find("POST", "/addChannel"));
}

static void
a_caller_who_hung_up_meanwhile_is_cleaned_up_after(void **state)
{
	struct worker *worker = adopt_live();

	(void)state;
	world_worker_state(worker, "talking", "sync", 42000);
	empty_snapshot();
	assert_int_equal(fake_worker_told(worker, MESSAGE_HANGUP), 1);
	fake_worker_dies(worker, "exited with status 0");
	world_assert_empty();
}

/* Nobody else would take away what our predecessor had made for it. */
static void
one_that_ended_before_the_lists_came_is_cleaned_up_after(void **state)
{
	struct worker *worker = adopt_live();

	(void)state;
	world_worker_state(worker, "talking", "sync", 42000);
	call_hangup(calls_find(world.calls, ID), "an operator");
	asterisk_says_404();
	snapshot("Up", true);
	assert_non_null(fake_ari_find("DELETE", "media-" ID "-0a0b"));
	assert_non_null(fake_ari_find("DELETE", "bridge-" ID "-0a0b"));
	fake_worker_dies(worker, "exited with status 0");
}

static void
an_adopted_worker_that_dies_in_the_conversation_costs_only_the_voice(
    void **state)
{
	struct worker *worker = adopt_live();

	(void)state;
	world_worker_state(worker, "talking", "sync", 42000);
	snapshot("Up", true);
	fake_worker_dies(worker, "killed by signal 11");
	assert_went_to_fallback();
}

static void
a_worker_that_says_nothing_does_not_keep_a_caller_for_ever(void **state)
{
	(void)state;
	adopt_live();
	snapshot("Ring", true);
	timers_expire(world.base);
	assert_went_to_fallback();
}

static void
the_longest_call_counts_from_its_answer(void **state)
{
	struct worker *worker = adopt_live();

	(void)state;
	world_worker_state(worker, "talking", "sync", 1799 * 1000);
	timers_expire(world.base);
	assert_true(json_bool(
	    fake_worker_heard(worker, MESSAGE_HANGUP), "farewell", false));
}

static void
a_dead_worker_and_its_successor_make_one_call(void **state)
{
	struct worker *successor;

	(void)state;
	/* The supervisor died between giving the call away again and
	 * releasing what the dead one held. */
	step_adopt(ID, NULL);
	successor = fake_fleet_worker(PROC_ROLE_CALLWORKER);
	step_adopt(ID, successor);
	assert_int_equal(calls_count(world.calls), 1);
	assert_int_equal(fake_worker_told(successor, MESSAGE_SYNC), 1);
	assert_int_equal(fake_fleet.released, 0);
	world_worker_state(successor, "talking", "sync", 42000);
	assert_int_equal(fake_fleet.released, 1); /* of the dead one */
	snapshot("Up", true);
	assert_int_equal(world_state(ID), CALL_TALKING);
	assert_int_equal(successor->killed, 0);
}

int
main(void)
{
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_conversation_goes_on_as_if_nothing_had_been),
	    TEST(nobody_is_sent_away_before_it_is_known_that_he_talks),
	    TEST(the_lists_may_come_before_the_workers_answer),
	    TEST(words_to_the_dead_supervisor_are_not_the_answer_to_sync),
	    TEST(a_goodbye_that_is_being_said_is_let_finish_but_not_for_ever),
	    TEST(
		a_hang_up_that_the_dead_supervisor_did_not_carry_out_is_done_now),
	    TEST(a_hang_up_that_the_dead_supervisor_never_read_is_no_refusal),
	    TEST(a_call_that_had_not_been_answered_begins_anew),
	    TEST(a_call_whose_worker_died_with_the_supervisor_begins_anew),
	    TEST(flags_of_the_first_attempt_do_not_reach_into_the_second),
	    TEST(a_caller_who_hung_up_meanwhile_is_cleaned_up_after),
	    TEST(one_that_ended_before_the_lists_came_is_cleaned_up_after),
	    TEST(
		an_adopted_worker_that_dies_in_the_conversation_costs_only_the_voice),
	    TEST(a_worker_that_says_nothing_does_not_keep_a_caller_for_ever),
	    TEST(the_longest_call_counts_from_its_answer),
	    TEST(a_dead_worker_and_its_successor_make_one_call),
	};

	log_init("unit", (enum log_level)0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
