/* SPDX-License-Identifier: MIT */
/* test_calls.c – who is let in, whose event it is, what is put right. */
#include "tests/unit/call_steps.h"

#define OTHER "1732012345.18"

static void
arrive_from(const char *id, const char *number)
{
	world_event(
	    "{\"type\":\"StasisStart\",\"args\":[],\"channel\":" WORLD_CHANNEL
	    "}",
	    id, "Ring", number, "");
}

static void
arrive_many(int first, int count, const char *number)
{
	for (int i = first; i < first + count; i++) {
		char id[32];

		snprintf(id, sizeof(id), "99.%d", i);
		arrive_from(id, number);
	}
}

static cJSON *
parse(const char *text)
{
	cJSON *json = json_parse(text, strlen(text));

	assert_non_null(json);
	return json;
}

static void
snapshot(const char *channels_text, const char *bridges_text)
{
	cJSON *channels = parse(channels_text), *bridges = parse(bridges_text);

	calls_on_snapshot(world.calls, channels, bridges);
	cJSON_Delete(channels);
	cJSON_Delete(bridges);
}

/* ID as it is listed, state Up, in application APP with its arguments. */
static const char *
listed(const char *id, const char *app)
{
	static char text[512];

	snprintf(text, sizeof(text),
	    "{\"id\":\"%s\",\"state\":\"Up\",\"caller\":{\"number\":\"\"},"
	    "\"dialplan\":{\"exten\":\"1\",\"app_name\":\"Stasis\","
	    "\"app_data\":\"%s\"}}",
	    id, app);
	return text;
}

/* -- who is let in ------------------------------------------------------------------- */

static void
calls_above_the_limit_go_to_the_fallback(void **state)
{
	(void)state;
	world.config.max_calls = 2;
	arrive_many(0, 3, "");
	assert_int_equal(calls_count(world.calls), 2);
	assert_int_equal(fake_ari_asked("POST", "/continue"), 1);
	assert_int_equal(fake_ari_asked("POST", "channels/99.2/continue"), 1);
	/* Nothing is made for one that is not let in. */
	assert_int_equal(fake_ari_asked("POST", "bridges?"), 2);
	/* A place that gets free is given away. */
	world_channel_event("StasisEnd", "99.0");
	arrive_from(OTHER, "");
	assert_int_equal(calls_count(world.calls), 2);
	assert_int_equal(fake_ari_asked("POST", "/continue"), 1);
}

static void
one_number_gets_so_many_calls_and_withheld_ones_are_many_people(void **state)
{
	(void)state;
	arrive_many(0, 4, "3001234655");
	assert_int_equal(calls_count(world.calls), 3);
	assert_int_equal(fake_ari_asked("POST", "channels/99.3/continue"), 1);
	/* The same number in another form. */
	arrive_from(OTHER, "+573001234655");
	assert_int_equal(calls_count(world.calls), 3);
	arrive_many(10, 5, "anonymous");
	assert_int_equal(calls_count(world.calls), 8);
}

static void
nobody_is_let_in_without_hope_for_a_voice(void **state)
{
	(void)state;
	world.unavailable = "the account has no credit left";
	step_arrive();
	assert_went_to_fallback();
	assert_int_equal(fake_ari.count, 1);
}

static void
an_id_that_makes_no_sense_makes_no_call(void **state)
{
	char id[ARI_ID_MAX + 1];

	(void)state;
	memset(id, '7', ARI_ID_MAX);
	id[ARI_ID_MAX] = '\0';
	arrive_from("", "");
	arrive_from(id, "");
	world_event("{\"type\":\"StasisStart\"}");
	world_event("{\"type\":\"StasisStart\",\"channel\":{\"id\":5}}");
	assert_int_equal(calls_count(world.calls), 0);
	assert_int_equal(fake_ari.count, 0);
}

/* -- whose event it is ------------------------------------------------------------------ */

static void
an_event_reaches_the_call_that_owns_the_channel_and_no_other(void **state)
{
	(void)state;
	step_arrive();
	arrive_from(OTHER, "");
	world_channel_event("StasisEnd", OTHER);
	assert_int_equal(world_state(ID), CALL_NEW);
	assert_int_equal(calls_count(world.calls), 1);
	world_channel_event("StasisEnd", "1732012345.1");
	world_channel_event("StasisEnd", ID ".1");
	assert_int_equal(calls_count(world.calls), 1);
}

static void
a_media_channel_that_no_call_knows_is_deleted(void **state)
{
	(void)state;
	world_channel_event(
	    "StasisStart", "telefonista-openai-app-media-1.2-abcd");
	assert_int_equal(calls_count(world.calls), 0);
	assert_int_equal(fake_ari_asked("DELETE", "media-1.2-abcd"), 1);
}

static void
a_caller_sent_back_to_us_is_a_new_call_even_before_the_old_is_buried(
    void **state)
{
	(void)state;
	set_up(STEPS);
	/* Into the dialplan, and from there at once to us again. */
	world_channel_event("StasisEnd", ID);
	step_arrive();
	assert_int_equal(world_state(ID), CALL_NEW);
	assert_int_equal(fake_ari_asked("GET", "audioreadformat"), 2);
	/* The old one ends without harm to the new. */
	fake_worker_dies(world_worker(), "exited with status 0");
	timers_settle(world.base);
	assert_int_equal(world_state(ID), CALL_NEW);
	world_channel_event("StasisEnd", ID);
	asterisk_says_404();
	world_assert_empty();
}

static void
a_repeated_stasis_start_of_a_live_call_changes_nothing(void **state)
{
	(void)state;
	step_arrive();
	step_arrive();
	assert_int_equal(calls_count(world.calls), 1);
	assert_int_equal(fake_ari_asked("GET", "audioreadformat"), 1);
}

/* -- what is put right -------------------------------------------------------------------- */

static void
a_channel_that_waited_while_we_were_away_becomes_a_call(void **state)
{
	char channels[1024];

	(void)state;
	snprintf(channels, sizeof(channels), "[%s]",
	    listed(ID, "openai-app,persona=ventas"));
	snapshot(channels, "[]");
	assert_int_equal(calls_count(world.calls), 1);
	step_codec();
	assert_string_equal(world.persona_asked, "ventas");
	/* And only once. */
	snapshot(channels, "[]");
	assert_int_equal(calls_count(world.calls), 1);
}

static void
channels_of_others_are_left_alone(void **state)
{
	static const char *const theirs[] = {
	    "other-app", "openai-app-2", "openai", "", "openai-app2,x"};

	(void)state;
	for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++) {
		char channels[1024];

		snprintf(
		    channels, sizeof(channels), "[%s]", listed(ID, theirs[i]));
		snapshot(channels, "[]");
	}
	snapshot("[{\"id\":\"5.5\",\"dialplan\":{\"app_name\":\"Queue\","
		 "\"app_data\":\"openai-app\"}},{\"id\":\"5.6\"},{},7]",
	    "[{\"id\":\"their-bridge\"},null]");
	assert_int_equal(calls_count(world.calls), 0);
	assert_int_equal(fake_ari.count, 0);
}

static void
a_call_whose_channel_went_while_we_were_away_is_over(void **state)
{
	(void)state;
	set_up(STEPS);
	snapshot("[]", "[]");
	assert_int_equal(fake_worker_told(world_worker(), MESSAGE_HANGUP), 1);
	workers_leave();
	asterisk_says_404();
	world_assert_empty();
}

static void
a_call_that_is_listed_goes_on(void **state)
{
	char channels[1024];

	(void)state;
	set_up(STEPS);
	snprintf(channels, sizeof(channels), "[%s,{\"id\":\"%s\"}]",
	    listed(ID, "openai-app"), world_media_id());
	snapshot(channels, "[]");
	assert_int_equal(world_state(ID), CALL_TALKING);
	assert_int_equal(fake_ari_unanswered(), 0);
}

/* The list of every minute, as far as its two requests. */
static void
a_minute_passes(void)
{
	fake_now_ms += 61000;
	timers_turn(world.base);
	assert_non_null(fake_ari_find("GET", "channels"));
}

static void
a_lost_stasis_end_is_found_by_the_list_of_every_minute(void **state)
{
	(void)state;
	set_up(STEPS);
	a_minute_passes();
	fake_ari_answer("GET", "channels", 200, "[]");
	fake_ari_answer("GET", "bridges", 200, "[]");
	assert_int_equal(fake_worker_told(world_worker(), MESSAGE_HANGUP), 1);
}

static void
lists_of_this_minute(const char *channels)
{
	a_minute_passes();
	fake_ari_answer("GET", "channels", 200, channels);
	fake_ari_answer("GET", "bridges", 200, "[]");
}

static void
who_was_forgotten_is_found_by_the_second_list_that_has_him(void **state)
{
	char channels[600];

	(void)state;
	/* His StasisStart was lost, or there was no memory for him. */
	snprintf(
	    channels, sizeof(channels), "[%s]", listed(OTHER, "openai-app"));
	lists_of_this_minute(channels);
	assert_int_equal(calls_count(world.calls), 0); /* an old list? */
	lists_of_this_minute("[]");
	lists_of_this_minute(channels);
	assert_int_equal(calls_count(world.calls), 0);
	lists_of_this_minute(channels);
	assert_int_equal(world_state(OTHER), CALL_NEW);
	fake_ari_answer("GET", "audioreadformat", 200, "{\"value\":\"ulaw\"}");
	fake_ari_answer("GET", "TELEFONISTA_CLASS", 404, NULL);
	lists_of_this_minute(channels);
	assert_int_equal(calls_count(world.calls), 1);
}

static void
a_404_for_a_caller_who_is_still_there_does_not_forget_him(void **state)
{
	char channels[600];

	(void)state;
	step_arrive();
	fake_ari_answer("GET", "/variable", 404, NULL);
	asterisk_says_404();
	timers_settle(world.base);
	assert_int_equal(calls_count(world.calls), 0);
	snprintf(channels, sizeof(channels), "[%s]", listed(ID, "openai-app"));
	lists_of_this_minute(channels);
	lists_of_this_minute(channels);
	assert_int_equal(world_state(ID), CALL_NEW);
}

static void
a_list_says_nothing_about_calls_that_came_after_it_was_asked_for(void **state)
{
	(void)state;
	a_minute_passes();
	fake_now_ms += 1;
	step_arrive();
	/* Meanwhile the connection changes: still the same old list. */
	fake_now_ms += 1;
	calls_on_ari_state(world.calls, ARI_DOWN);
	fake_ari_answer("GET", "channels", 200, "[]");
	fake_ari_answer("GET", "bridges", 200, "[]");
	assert_int_equal(world_state(ID), CALL_NEW);
}

static void
lists_that_cannot_be_had_end_nothing(void **state)
{
	static const struct {
		int status;
		const char *body;
	} answers[] = {{0, NULL}, {500, NULL}, {200, NULL}, {200, "{}"}};

	(void)state;
	set_up(STEPS);
	for (size_t i = 0; i < 4; i++) {
		a_minute_passes();
		fake_ari_answer(
		    "GET", "channels", answers[i].status, answers[i].body);
		assert_null(fake_ari_find("GET", "bridges"));
		a_minute_passes();
		fake_ari_answer("GET", "channels", 200, "[]");
		fake_ari_answer(
		    "GET", "bridges", answers[i].status, answers[i].body);
		assert_int_equal(world_state(ID), CALL_TALKING);
	}
}

static void
nothing_is_listed_while_asterisk_is_away_and_often_when_blind(void **state)
{
	(void)state;
	fake_ari.state = ARI_DOWN;
	fake_now_ms += 120000;
	timers_turn(world.base);
	assert_int_equal(fake_ari.count, 0);
	/* Another program gets the events: lists must do. */
	fake_ari.state = ARI_REPLACED;
	calls_on_ari_state(world.calls, ARI_REPLACED);
	fake_now_ms += 6000;
	timers_turn(world.base);
	assert_non_null(fake_ari_find("GET", "channels"));
}

/* It may be another Telefonista, whose names begin as ours do. */
static void
what_belongs_to_who_has_our_name_is_left_alone(void **state)
{
	char channels[1024];

	(void)state;
	fake_ari.state = ARI_REPLACED;
	calls_on_ari_state(world.calls, ARI_REPLACED);
	snprintf(channels, sizeof(channels),
	    "[%s,{\"id\":\"telefonista-openai-app-media-1.2-abcd\"}]",
	    listed(OTHER, "openai-app"));
	for (int i = 0; i < 3; i++) {
		fake_now_ms += 6000;
		timers_turn(world.base);
		fake_ari_answer("GET", "channels", 200, channels);
		fake_ari_answer("GET", "bridges", 200,
		    "[{\"id\":\"telefonista-openai-app-bridge-1.2-abcd\"}]");
	}
	assert_int_equal(calls_count(world.calls), 0);
	assert_int_equal(fake_ari_unanswered(), 0);
}

static void
leftovers_of_a_predecessor_are_taken_away(void **state)
{
	(void)state;
	snapshot("[{\"id\":\"telefonista-openai-app-media-1.2-abcd\"}]",
	    "[{\"id\":\"telefonista-openai-app-bridge-1.2-abcd\"}]");
	assert_int_equal(fake_ari_asked("DELETE", "channels/"), 1);
	assert_int_equal(fake_ari_asked("DELETE", "bridges/"), 1);
	world_assert_empty();
}

/* -- the drain ------------------------------------------------------------------------------- */

static void
a_drain_lets_nobody_in_and_gives_those_there_some_time(void **state)
{
	(void)state;
	set_up(STEPS);
	calls_drain(world.calls);
	arrive_from(OTHER, "");
	assert_int_equal(
	    fake_ari_asked("POST", "channels/" OTHER "/continue"), 1);
	assert_int_equal(fake_worker_told(world_worker(), MESSAGE_HANGUP), 0);
	assert_false(calls_drained(world.calls));
	/* Ten seconds before the end all are said goodbye to, once. */
	fake_now_ms += 10000;
	timers_turn(world.base);
	timers_turn(world.base);
	assert_string_equal(
	    json_string(
		fake_worker_heard(world_worker(), MESSAGE_HANGUP), "reason"),
	    "shutdown");
	assert_int_equal(fake_worker_told(world_worker(), MESSAGE_HANGUP), 1);
	assert_int_equal(world_state(ID), CALL_TALKING);
	/* Then it is over for who still talks. */
	fake_now_ms += 10000;
	timers_turn(world.base);
	assert_non_null(fake_ari_find("DELETE", "channels/" ID));
	assert_false(calls_drained(world.calls));
}

static void
a_drain_can_be_cut_short_without_leaving_anybody_in_silence(void **state)
{
	(void)state;
	set_up(STEPS);
	calls_drain(world.calls);
	calls_drain_now(world.calls);
	assert_non_null(fake_ari_find("DELETE", "channels/" ID));
	assert_false(
	    json_bool(fake_worker_heard(world_worker(), MESSAGE_HANGUP),
		"farewell", true));
	assert_false(calls_drained(world.calls));
	fake_now_ms += 5000;
	assert_true(calls_drained(world.calls));
}

static void
a_drain_is_done_when_nothing_is_left(void **state)
{
	(void)state;
	set_up(STEPS);
	calls_drain(world.calls);
	world_channel_event("StasisEnd", ID);
	workers_leave();
	timers_settle(world.base);
	assert_false(calls_drained(world.calls)); /* the ledger is not empty */
	asterisk_says_404();
	assert_true(calls_drained(world.calls));
}

static void
a_drain_does_not_wait_for_ever_for_an_asterisk_that_is_gone(void **state)
{
	(void)state;
	set_up(STEPS);
	calls_drain(world.calls);
	fake_ari.error = -ENOBUFS;
	fake_now_ms += 20000;
	timers_turn(world.base);
	assert_false(calls_drained(world.calls));
	fake_now_ms += 5000;
	assert_true(calls_drained(world.calls));
}

static void
without_drain_seconds_goodbyes_are_said_at_once(void **state)
{
	(void)state;
	world.config.drain_s = 5;
	set_up(STEPS);
	arrive_from(OTHER, ""); /* rings: nothing to say goodbye with */
	calls_drain(world.calls);
	assert_true(json_bool(fake_worker_heard(world_worker(), MESSAGE_HANGUP),
	    "farewell", false));
	assert_int_equal(
	    fake_ari_asked("POST", "channels/" OTHER "/continue"), 1);
}

int
main(void)
{
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(calls_above_the_limit_go_to_the_fallback),
	    TEST(
		one_number_gets_so_many_calls_and_withheld_ones_are_many_people),
	    TEST(nobody_is_let_in_without_hope_for_a_voice),
	    TEST(an_id_that_makes_no_sense_makes_no_call),
	    TEST(an_event_reaches_the_call_that_owns_the_channel_and_no_other),
	    TEST(a_media_channel_that_no_call_knows_is_deleted),
	    TEST(
		a_caller_sent_back_to_us_is_a_new_call_even_before_the_old_is_buried),
	    TEST(a_repeated_stasis_start_of_a_live_call_changes_nothing),
	    TEST(a_channel_that_waited_while_we_were_away_becomes_a_call),
	    TEST(channels_of_others_are_left_alone),
	    TEST(a_call_whose_channel_went_while_we_were_away_is_over),
	    TEST(a_call_that_is_listed_goes_on),
	    TEST(a_lost_stasis_end_is_found_by_the_list_of_every_minute),
	    TEST(who_was_forgotten_is_found_by_the_second_list_that_has_him),
	    TEST(a_404_for_a_caller_who_is_still_there_does_not_forget_him),
	    TEST(
		a_list_says_nothing_about_calls_that_came_after_it_was_asked_for),
	    TEST(lists_that_cannot_be_had_end_nothing),
	    TEST(nothing_is_listed_while_asterisk_is_away_and_often_when_blind),
	    TEST(what_belongs_to_who_has_our_name_is_left_alone),
	    TEST(leftovers_of_a_predecessor_are_taken_away),
	    TEST(a_drain_lets_nobody_in_and_gives_those_there_some_time),
	    TEST(a_drain_can_be_cut_short_without_leaving_anybody_in_silence),
	    TEST(a_drain_is_done_when_nothing_is_left),
	    TEST(a_drain_does_not_wait_for_ever_for_an_asterisk_that_is_gone),
	    TEST(without_drain_seconds_goodbyes_are_said_at_once),
	};

	log_init("unit", (enum log_level)0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
