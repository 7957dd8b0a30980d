/* SPDX-License-Identifier: MIT */
/* test_call_setup.c – from StasisStart to two-way audio, and every step that fails. */
#include "tests/unit/call_steps.h"

/* -- the set-up ---------------------------------------------------------------------- */

static void
what_can_be_done_at_once_is_done_at_once(void **state)
{
	(void)state;
	step_arrive();
	assert_int_equal(world_state(ID), CALL_NEW);
	assert_non_null(fake_ari_find("POST", "channels/" ID "/ring"));
	assert_non_null(
	    fake_ari_find("GET", "variable=CHANNEL(audioreadformat)"));
	assert_non_null(fake_ari_find("POST", "bridges?type=mixing"));
	step_codec();
	assert_non_null(fake_ari_find("POST",
	    "channels/externalMedia?app=openai-app&channelId=telefonista-"));
	assert_non_null(fake_ari_find("POST", "external_host=127.0.0.1:"));
	assert_int_equal(world.asked, 1);
}

static void
the_caller_is_answered_last_and_the_worker_told_then(void **state)
{
	struct worker *worker;
	const cJSON *media;

	(void)state;
	set_up(STEPS - 1);
	worker = world_worker();
	assert_int_equal(world_state(ID), CALL_MEDIA);
	assert_int_equal(fake_worker_told(worker, MESSAGE_MEDIA), 0);
	step_answered();
	assert_int_equal(world_state(ID), CALL_TALKING);
	media = fake_worker_heard(worker, MESSAGE_MEDIA);
	assert_string_equal(json_string(media, "call"), ID);
	assert_string_equal(json_string(media, "address"), "127.0.0.1");
	assert_int_equal(json_int(media, "port", 0), 12345);
	assert_int_equal(fake_ari_unanswered(), 0);
}

static void
a_worker_is_told_all_about_its_call_and_the_keeper_holds_it(void **state)
{
	const cJSON *assign;

	(void)state;
	set_up(5);
	assert_int_equal(world_state(ID), CALL_ASSIGNED);
	assign = fake_worker_heard(world_worker(), MESSAGE_CALL_ASSIGN);
	assert_string_equal(json_string(assign, "call"), ID);
	assert_string_equal(json_string(assign, "caller"), "+573001234655");
	assert_string_equal(json_string(assign, "caller_name"), "Ana");
	assert_string_equal(json_string(assign, "caller_shown"), "\u20264655");
	assert_string_equal(json_string(assign, "called"), "3241000752");
	assert_string_equal(json_string(assign, "codec"), "ulaw");
	assert_string_equal(json_string(assign, "persona"), "soporte");
	assert_int_equal(world_worker()->held,
	    1u << KEEPER_HELD_RTP | 1u << KEEPER_HELD_JOURNAL |
		1u << KEEPER_HELD_PLAYOUT | 1u << KEEPER_HELD_BRIEF |
		1u << KEEPER_HELD_UPLINK);
	assert_string_equal(world_worker()->held_call, ID);
	assert_int_equal(json_int(assign, "resumes", -1), 0);
	assert_int_equal(json_int(assign, "talking_ms", -1), 0);
	assert_string_equal(json_string(assign, "leaving"), "");
	/* All of it stays open here, for a successor. */
	assert_int_equal(descriptors_open(), world.descriptors + 5);
}

static void
a_media_channel_that_is_listed_has_started(void **state)
{
	char text[1024];
	cJSON *channels, *bridges = cJSON_CreateArray();

	(void)state;
	set_up(6); /* its StasisStart is lost with the connection */
	for (int in_app = 0; in_app < 2; in_app++) {
		snprintf(text, sizeof(text),
		    "[" WORLD_CHANNEL ",{\"id\":\"%s\",\"state\":\"%s\","
		    "\"dialplan\":{\"app_name\":\"%s\"}}]",
		    ID, "Ring", "3001234655", "", world_media_id(),
		    in_app ? "Up" : "Down", in_app ? "Stasis" : "");
		channels = json_parse(text, strlen(text));
		assert_non_null(channels);
		calls_on_ari_state(world.calls, ARI_LISTING);
		calls_on_snapshot(world.calls, channels, bridges);
		cJSON_Delete(channels);
		assert_int_equal(fake_ari_asked("POST", "/addChannel"), in_app);
	}
	cJSON_Delete(bridges);
	/* It was not lost after all. */
	step_media_in_stasis();
	assert_int_equal(fake_ari_asked("POST", "/addChannel"), 1);
	step_joined();
	step_ready();
	step_answered();
	assert_int_equal(world_state(ID), CALL_TALKING);
}

static void
a_channel_that_came_answered_is_neither_rung_nor_answered(void **state)
{
	(void)state;
	world_caller_arrives(ID, "Up");
	assert_int_equal(fake_ari_asked("POST", "/ring"), 0);
	for (size_t i = 2; i < STEPS - 1; i++)
		steps[i].take();
	assert_int_equal(world_state(ID), CALL_TALKING);
	assert_int_equal(fake_ari_asked("POST", "/answer"), 0);
}

static void
the_order_of_what_becomes_ready_does_not_matter(void **state)
{
	(void)state;
	step_arrive();
	step_codec();
	step_worker();
	step_ready();
	step_media_in_stasis(); /* before the answer that made it */
	assert_null(fake_ari_find("POST", "/addChannel"));
	step_media();
	assert_null(fake_ari_find("POST", "/addChannel"));
	step_bridge();
	step_joined();
	assert_non_null(fake_ari_find("POST", "/answer"));
	step_answered();
	step_ring(); /* at last */
	assert_int_equal(world_state(ID), CALL_TALKING);
}

static void
a_law_callers_get_a_law_and_all_others_mu_law(void **state)
{
	static const struct {
		int status;
		const char *body;
		const char *codec;
	} cases[] = {
	    {200, "{\"value\":\"alaw\"}", "format=alaw&"},
	    {200, "{\"value\":\"ulaw\"}", "format=ulaw&"},
	    {200, "{\"value\":\"g722\"}", "format=ulaw&"},
	    {200, "{\"value\":7}", "format=ulaw&"},
	    {200, NULL, "format=ulaw&"},
	    {500, "{\"message\":\"no\"}", "format=ulaw&"},
	    {0, NULL, "format=ulaw&"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		step_arrive();
		fake_ari_answer(
		    "GET", "/variable", cases[i].status, cases[i].body);
		assert_non_null(fake_ari_find("POST", cases[i].codec));
		begin_again();
	}
}

static void
a_caller_without_a_ringing_tone_still_gets_a_voice(void **state)
{
	(void)state;
	step_arrive();
	fake_ari_answer("POST", "/ring", 500, NULL);
	for (size_t i = 2; i < STEPS; i++)
		steps[i].take();
	assert_int_equal(world_state(ID), CALL_TALKING);
}

static void
a_persona_named_in_the_dialplan_is_asked_for(void **state)
{
	(void)state;
	world_event("{\"type\":\"StasisStart\",\"args\":[\"x\","
		    "\"persona=ventas\"],\"channel\":" WORLD_CHANNEL "}",
	    ID, "Ring", "", "");
	step_codec();
	assert_string_equal(world.persona_asked, "ventas");
}

/* -- what goes wrong in it ---------------------------------------------------------------- */

static void
any_step_that_asterisk_refuses_leads_to_the_fallback(void **state)
{
	static const int refusals[] = {0, 400, 404, 409, 422, 500, 503};

	(void)state;
	for (size_t i = 0; i < STEPS; i++) {
		for (size_t r = 0; steps[i].path != NULL && r < 7; r++) {
			if (refusals[r] == 404 && i == STEPS - 1)
				continue; /* see the next test */
			set_up(i);
			fake_ari_answer(steps[i].method, steps[i].path,
			    refusals[r], "{\"message\":\"no\"}");
			assert_went_to_fallback();
			fake_ari_answer("POST", "/continue", 204, NULL);
			world_channel_event("StasisEnd", ID);
			asterisk_says_404();
			workers_leave();
			world_assert_empty();
			begin_again();
		}
	}
}

static void
a_404_about_the_callers_channel_is_a_caller_who_is_gone(void **state)
{
	(void)state;
	step_arrive();
	fake_ari_answer("GET", "/variable", 404, NULL);
	assert_int_equal(fake_ari_asked("POST", "/continue"), 0);
	asterisk_says_404();
	world_assert_empty();
	begin_again();
	set_up(STEPS - 1);
	fake_ari_answer("POST", "/answer", 404, NULL);
	assert_int_equal(fake_ari_asked("POST", "/continue"), 0);
	workers_leave();
	asterisk_says_404();
	world_assert_empty();
}

static void
a_caller_may_hang_up_after_any_step(void **state)
{
	(void)state;
	for (size_t i = 1; i <= STEPS; i++) {
		set_up(i);
		world_channel_event("StasisEnd", ID);
		assert_int_equal(fake_ari_asked("POST", "/continue"), 0);
		if (steps[i - 1].worker)
			assert_string_equal(
			    json_string(fake_worker_heard(
					    world_worker(), MESSAGE_HANGUP),
				"reason"),
			    "caller_gone");
		else /* the news comes too late to get a worker */
			for (size_t j = 0; j < world.asked; j++)
				assert_false(world.waiting[j].waits);
		workers_leave();
		asterisk_says_404();
		world_assert_empty();
		assert_int_equal(world_state(ID), CALL_ENDED);
		begin_again();
	}
}

static void
late_answers_of_asterisk_after_a_hang_up_start_nothing(void **state)
{
	(void)state;
	for (size_t i = 1; i < STEPS; i++) {
		size_t asked;

		set_up(i);
		world_channel_event("StasisEnd", ID);
		asked = fake_ari_asked("GET", "") + fake_ari_asked("POST", "");
		fake_ari_answer_all("GET", 200);
		fake_ari_answer_all("POST", 200);
		assert_int_equal(
		    fake_ari_asked("GET", "") + fake_ari_asked("POST", ""),
		    asked);
		workers_leave();
		world_assert_empty();
		begin_again();
	}
}

static void
requests_that_cannot_be_sent_end_in_the_fallback_or_a_hang_up(void **state)
{
	(void)state;
	for (size_t i = 0; i < STEPS; i++) {
		set_up(i);
		fake_ari.error = -ENOMEM;
		if (steps[i].path == NULL ||
		    fake_ari_find(steps[i].method, steps[i].path) != NULL)
			steps[i].take();
		fake_ari.error = 0;
		/* As soon as requests work again it ends or goes on. */
		if (world_state(ID) == CALL_ENDING) {
			timers_expire(world.base);
			assert_non_null(
			    fake_ari_find("DELETE", "channels/" ID));
		}
		world_channel_event("StasisEnd", ID);
		workers_leave();
		asterisk_says_404();
		/* What was never asked for cannot be confirmed: deleted. */
		fake_now_ms += 10000;
		timers_turn(world.base);
		world_assert_empty();
		begin_again();
	}
}

static void
a_media_answer_that_names_no_address_leads_to_the_fallback(void **state)
{
	static const char *const answers[] = {"{}", "{\"channelvars\":{}}",
	    "{\"channelvars\":{\"UNICASTRTP_LOCAL_ADDRESS\":\"127.0.0.1\"}}",
	    "{\"channelvars\":{\"UNICASTRTP_LOCAL_ADDRESS\":\"127.0.0.1\","
	    "\"UNICASTRTP_LOCAL_PORT\":\"0\"}}",
	    "{\"channelvars\":{\"UNICASTRTP_LOCAL_ADDRESS\":\"127.0.0.1\","
	    "\"UNICASTRTP_LOCAL_PORT\":\"65536\"}}",
	    "{\"channelvars\":{\"UNICASTRTP_LOCAL_ADDRESS\":\"127.0.0.1\","
	    "\"UNICASTRTP_LOCAL_PORT\":\"12x\"}}",
	    "{\"channelvars\":{\"UNICASTRTP_LOCAL_ADDRESS\":"
	    "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\","
	    "\"UNICASTRTP_LOCAL_PORT\":\"12345\"}}",
	    "[]"};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		set_up(5);
		fake_ari_answer("POST", "externalMedia", 200, answers[i]);
		assert_went_to_fallback();
		begin_again();
	}
}

static void
nobody_rings_longer_than_the_answer_timeout(void **state)
{
	(void)state;
	for (size_t i = 1; i < STEPS; i++) {
		set_up(i);
		timers_expire(world.base);
		assert_went_to_fallback();
		fake_ari_answer("POST", "/continue", 204, NULL);
		workers_leave();
		asterisk_says_404();
		world_assert_empty();
		begin_again();
	}
}

static void
a_media_channel_that_is_made_after_all_is_deleted(void **state)
{
	char media[ARI_ID_MAX];

	(void)state;
	set_up(5);
	snprintf(media, sizeof(media), "%s", world_media_id());
	fake_ari_answer("POST", "externalMedia", 0, NULL); /* 3 s passed */
	fake_ari_answer("DELETE", media, 404, NULL);       /* not made yet */
	assert_null(fake_ari_find("DELETE", media));
	world_channel_event("StasisStart", media);
	assert_non_null(fake_ari_find("DELETE", media));
	fake_ari_answer("POST", "/continue", 204, NULL);
	workers_leave();
	asterisk_says_404();
	world_assert_empty();
}

static void
without_a_port_a_persona_or_a_brief_there_is_a_fallback(void **state)
{
	(void)state;
	rtp_ports_init(&world.ports, 1, 1);
	world.ports.next = 1;
	world.no_persona = true;
	step_arrive();
	if (world_state(ID) == CALL_NEW) /* root may bind port 1 */
		step_codec();
	assert_went_to_fallback();
	begin_again();
	world.brief_error = -ENOMEM;
	set_up(5);
	assert_went_to_fallback();
	assert_int_equal(
	    fake_worker_told(world_worker(), MESSAGE_CALL_ASSIGN), 0);
	assert_int_equal(fake_worker_told(world_worker(), MESSAGE_HANGUP), 1);
	workers_leave();
}

static void
when_no_worker_can_be_had_there_is_a_fallback(void **state)
{
	(void)state;
	set_up(4);
	world_give_worker("the account has no credit left");
	assert_went_to_fallback();
}

int
main(void)
{
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(what_can_be_done_at_once_is_done_at_once),
	    TEST(the_caller_is_answered_last_and_the_worker_told_then),
	    TEST(a_worker_is_told_all_about_its_call_and_the_keeper_holds_it),
	    TEST(a_media_channel_that_is_listed_has_started),
	    TEST(a_channel_that_came_answered_is_neither_rung_nor_answered),
	    TEST(the_order_of_what_becomes_ready_does_not_matter),
	    TEST(a_law_callers_get_a_law_and_all_others_mu_law),
	    TEST(a_caller_without_a_ringing_tone_still_gets_a_voice),
	    TEST(a_persona_named_in_the_dialplan_is_asked_for),
	    TEST(any_step_that_asterisk_refuses_leads_to_the_fallback),
	    TEST(a_404_about_the_callers_channel_is_a_caller_who_is_gone),
	    TEST(a_caller_may_hang_up_after_any_step),
	    TEST(late_answers_of_asterisk_after_a_hang_up_start_nothing),
	    TEST(requests_that_cannot_be_sent_end_in_the_fallback_or_a_hang_up),
	    TEST(a_media_answer_that_names_no_address_leads_to_the_fallback),
	    TEST(nobody_rings_longer_than_the_answer_timeout),
	    TEST(a_media_channel_that_is_made_after_all_is_deleted),
	    TEST(without_a_port_a_persona_or_a_brief_there_is_a_fallback),
	    TEST(when_no_worker_can_be_had_there_is_a_fallback),
	};

	log_init("unit", (enum log_level)0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
