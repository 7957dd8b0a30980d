/* SPDX-License-Identifier: MIT */
/* test_call_end.c – every way in which a call ends, and that nothing is left. */
#include "tests/unit/call_steps.h"

static void
a_voice_that_hangs_up_ends_the_call(void **state)
{
	static const char *const reasons[] = {
	    "silent", "limit", "shutdown", "terminated", "farewell", ""};

	(void)state;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		set_up(STEPS);
		act("hangup", reasons[i]);
		assert_int_equal(world_state(ID), CALL_ENDING);
		assert_false(
		    json_bool(fake_worker_heard(world_worker(), MESSAGE_HANGUP),
			"farewell", true));
		fake_ari_answer(
		    "DELETE", "channels/" ID "?reason_code=16", 204, NULL);
		world_channel_event("StasisEnd", ID);
		workers_leave();
		world_assert_empty();
		begin_again();
	}
}

static void
a_voice_that_reports_its_own_loss_leads_to_the_fallback(void **state)
{
	(void)state;
	set_up(STEPS);
	act("hangup", "voice_lost");
	assert_went_to_fallback();
}

static void
an_action_that_does_not_exist_is_passed_over(void **state)
{
	(void)state;
	set_up(STEPS);
	act("dance", "");
	assert_int_equal(world_state(ID), CALL_TALKING);
}

static void
the_longest_call_ends_with_a_goodbye(void **state)
{
	const cJSON *hangup;

	(void)state;
	set_up(STEPS);
	timers_expire(world.base); /* MAX_CALL_SECONDS */
	hangup = fake_worker_heard(world_worker(), MESSAGE_HANGUP);
	assert_string_equal(json_string(hangup, "reason"), "limit");
	assert_true(json_bool(hangup, "farewell", false));
	assert_int_equal(world_state(ID), CALL_TALKING);
	/* The goodbye has been heard. */
	act("hangup", "limit");
	assert_non_null(fake_ari_find("DELETE", "channels/" ID));
}

static void
a_goodbye_that_takes_too_long_is_cut(void **state)
{
	(void)state;
	set_up(STEPS);
	timers_expire(world.base);
	timers_expire(world.base);
	assert_int_equal(world_state(ID), CALL_ENDING);
	assert_non_null(fake_ari_find("DELETE", "channels/" ID));
}

static void
a_hang_up_without_effect_is_repeated_until_the_channel_is_gone(void **state)
{
	static const int answers[] = {0, 500, 204, 503};

	(void)state;
	set_up(STEPS);
	act("hangup", "silent");
	workers_leave();
	for (size_t i = 0; i < 4; i++) {
		fake_ari_answer("DELETE", "channels/" ID, answers[i], NULL);
		assert_int_equal(world_state(ID), CALL_ENDING);
		timers_expire(world.base);
	}
	fake_ari_answer("DELETE", "channels/" ID, 404, NULL);
	world_assert_empty();
}

static void
a_channel_given_to_the_dialplan_is_not_touched_again(void **state)
{
	(void)state;
	set_up(STEPS);
	lose_the_voice();
	/* No StasisEnd: the events go to another program, say. */
	fake_ari_answer("POST", "/continue", 204, NULL);
	for (int i = 0; i < 3; i++)
		timers_expire(world.base);
	assert_int_equal(fake_ari_asked("DELETE", "channels/" ID), 0);
	world_assert_empty();
}

static void
a_fallback_that_asterisk_refuses_ends_in_a_hang_up(void **state)
{
	(void)state;
	set_up(STEPS);
	lose_the_voice();
	fake_ari_answer("POST", "/continue", 500, NULL);
	assert_non_null(fake_ari_find("DELETE", "channels/" ID));
	fake_ari_answer("DELETE", "channels/" ID, 204, NULL);
	world_channel_event("StasisEnd", ID);
	world_assert_empty();
}

static void
a_channel_that_is_in_the_dialplan_already_is_left_there(void **state)
{
	(void)state;
	set_up(STEPS);
	lose_the_voice();
	/* The first answer was lost, and the request was made again. */
	fake_ari_answer("POST", "/continue", 409, NULL);
	assert_null(fake_ari_find("DELETE", "channels/" ID));
	world_assert_empty();
}

static void
without_a_context_the_caller_is_answered_and_hears_a_sound(void **state)
{
	char playback[ARI_ID_MAX];

	(void)state;
	world.config.fallback_context[0] = '\0';
	set_up(4);
	world_give_worker("the service is stopping");
	fake_ari_answer("POST", "/answer", 204, NULL);
	snprintf(playback, sizeof(playback), "%s",
	    world_asked_for("POST", "playbackId="));
	assert_non_null(
	    fake_ari_find("POST", "play?media=sound%3Att-somethingwrong"));
	fake_ari_answer("POST", "/play", 201, "{}");
	assert_null(fake_ari_find("DELETE", "channels/" ID));
	world_event("{\"type\":\"PlaybackFinished\",\"playback\":"
		    "{\"id\":\"somebody's\"}}");
	assert_null(fake_ari_find("DELETE", "channels/" ID));
	world_event(
	    "{\"type\":\"PlaybackFinished\",\"playback\":{\"id\":\"%s\"}}",
	    playback);
	fake_ari_answer("DELETE", "channels/" ID, 204, NULL);
	world_channel_event("StasisEnd", ID);
	asterisk_says_404();
	world_assert_empty();
}

static void
a_caller_may_hang_up_during_the_sound(void **state)
{
	(void)state;
	world.config.fallback_context[0] = '\0';
	set_up(STEPS);
	lose_the_voice();
	fake_ari_answer("POST", "/play", 201, "{}");
	world_channel_event("StasisEnd", ID);
	world_event(
	    "{\"type\":\"PlaybackFinished\",\"playback\":{\"id\":\"%s\"}}",
	    world_asked_for("POST", "playbackId="));
	world_assert_empty();
	assert_int_equal(fake_ari_asked("DELETE", "channels/" ID), 0);
}

static void
a_sound_that_cannot_be_played_ends_in_a_hang_up(void **state)
{
	static const int failures[] = {0, 404, 409, 500};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		world.config.fallback_context[0] = '\0';
		set_up(STEPS);
		lose_the_voice();
		fake_ari_answer("POST", "/play", failures[i], NULL);
		fake_ari_answer("DELETE", "channels/" ID, 404, NULL);
		world_assert_empty();
		begin_again();
	}
}

static void
with_neither_context_nor_sound_the_caller_is_let_go(void **state)
{
	(void)state;
	world.config.fallback_context[0] = '\0';
	world.config.fallback_sound[0] = '\0';
	set_up(4);
	world_give_worker("no session");
	fake_ari_answer("DELETE", "channels/" ID, 204, NULL);
	world_channel_event("StasisEnd", ID);
	asterisk_says_404();
	world_assert_empty();
}

static void
a_strange_dialled_number_cannot_leave_its_place_in_the_path(void **state)
{
	(void)state;
	world_event(
	    "{\"type\":\"StasisStart\",\"channel\":{\"id\":\"" ID "\","
	    "\"state\":\"Ring\",\"dialplan\":{\"exten\":\"1&priority=9/../x "
	    "\\n\"}}}");
	fake_ari_answer("GET", "/variable", 200, "{}");
	world_give_worker("no session");
	assert_non_null(fake_ari_find(
	    "POST", "&extension=1%26priority%3D9%2F..%2Fx%20%0A&priority=1"));
}

int
main(void)
{
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_voice_that_hangs_up_ends_the_call),
	    TEST(a_voice_that_reports_its_own_loss_leads_to_the_fallback),
	    TEST(an_action_that_does_not_exist_is_passed_over),
	    TEST(the_longest_call_ends_with_a_goodbye),
	    TEST(a_goodbye_that_takes_too_long_is_cut),
	    TEST(
		a_hang_up_without_effect_is_repeated_until_the_channel_is_gone),
	    TEST(a_channel_given_to_the_dialplan_is_not_touched_again),
	    TEST(a_fallback_that_asterisk_refuses_ends_in_a_hang_up),
	    TEST(a_channel_that_is_in_the_dialplan_already_is_left_there),
	    TEST(without_a_context_the_caller_is_answered_and_hears_a_sound),
	    TEST(a_caller_may_hang_up_during_the_sound),
	    TEST(a_sound_that_cannot_be_played_ends_in_a_hang_up),
	    TEST(with_neither_context_nor_sound_the_caller_is_let_go),
	    TEST(a_strange_dialled_number_cannot_leave_its_place_in_the_path),
	};

	log_init("unit", (enum log_level)0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
