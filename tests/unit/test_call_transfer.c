/* SPDX-License-Identifier: MIT */
/*
 * test_call_transfer.c – a caller and the person whom he is connected with:
 * how it rings, ends and is given up.
 */
#include "tests/unit/transfer_steps.h"

/* -- it works ----------------------------------------------------------------- */

static void
what_is_dialled_says_who_calls(void **state)
{
	cJSON *body;

	(void)state;
	set_up(STEPS);
	assert_int_equal(transfer(), TOOL_STATUS_OK);
	body = dialled();
	assert_string_equal(json_string(body, "endpoint"),
	    "Local/persona@telefonista-transfer");
	assert_string_equal(json_string(body, "app"), "openai-app");
	assert_string_equal(json_string(body, "originator"), ID);
	assert_string_equal(
	    json_string(body, "callerId"), "\"Ana\" <+573001234655>");
	assert_int_equal(json_int(body, "timeout", 0), 40);
	assert_string_equal(
	    json_string(json_object(body, "variables"), "__TELEFONISTA_CALL"),
	    ID);
	assert_true(ledger_belongs(
	    world.ledger, LEDGER_LEG, json_string(body, "channelId"), ID));
	cJSON_Delete(body);
	assert_int_equal(world.local.count, 0);
	assert_int_equal(world_state(ID), CALL_TALKING);
}

static void
who_answers_has_the_caller_and_the_voice_goes(void **state)
{
	(void)state;
	ring();
	leg_event("StasisStart");
	assert_int_equal(world.local.count, 0);
	assert_false(was_deleted(world_media_id()));
	fake_ari_answer("POST", ADDED, 204, NULL);
	assert_int_equal(world_state(ID), CALL_TRANSFERRED);
	assert_int_equal(world.local.status, TOOL_STATUS_OK);
	assert_string_equal(world.local.job, JOB);
	assert_true(was_deleted(world_media_id()));
	assert_false(was_deleted(world_bridge_id()));
	assert_int_equal(fake_worker_told(world_worker(), MESSAGE_HANGUP), 1);
	assert_int_equal(calls_count(world.calls), 0);
	/* What it says until it hears of it is of no account. */
	act("hangup", "silent");
	fake_worker_dies(world_worker(), "exited with status 0");
	world_channel_event("ChannelDestroyed", world_media_id());
	assert_int_equal(world_state(ID), CALL_TRANSFERRED);
	assert_false(was_deleted(leg_id()));
}

static void
a_person_who_hangs_up_ends_the_call(void **state)
{
	(void)state;
	connect_them();
	fake_worker_dies(world_worker(), "exited with status 0");
	leg_event("StasisEnd");
	assert_int_equal(world_state(ID), CALL_ENDING);
	assert_int_equal(fake_ari_asked("DELETE", "channels/" ID "?"), 1);
	world_channel_event("StasisEnd", ID);
	asterisk_says_404();
	world_assert_empty();
}

static void
a_caller_who_hangs_up_ends_the_persons_call(void **state)
{
	(void)state;
	connect_them();
	fake_worker_dies(world_worker(), "exited with status 0");
	world_channel_event("StasisEnd", ID);
	assert_true(was_deleted(leg_id()));
	assert_true(was_deleted(world_bridge_id()));
	world_assert_empty();
}

static void
a_worker_that_does_not_go_is_killed(void **state)
{
	(void)state;
	connect_them();
	timers_expire(world.base);
	assert_int_equal(world_worker()->killed, SIGKILL);
	assert_int_equal(world_state(ID), CALL_TRANSFERRED);
	fake_worker_dies(world_worker(), "killed by signal 9");
	assert_int_equal(world_state(ID), CALL_TRANSFERRED);
}

static void
a_pair_is_nobodys_burden(void **state)
{
	char bridge[ARI_ID_MAX];

	(void)state;
	connect_them();
	snprintf(bridge, sizeof(bridge), "%s", world_bridge_id());
	fake_worker_dies(world_worker(), "exited with status 0");
	fake_ari_answer_all("DELETE", 204);
	world.config.max_calls = 1;
	world_caller_arrives("2.2", "Ring");
	assert_int_equal(world_state("2.2"), CALL_NEW);
	world_channel_event("StasisEnd", "2.2");
	asterisk_says_404();
	timers_settle(world.base);
	/* The service may end; the two go on. */
	calls_drain_now(world.calls);
	assert_int_equal(world_state(ID), CALL_TRANSFERRED);
	assert_true(calls_drained(world.calls));
	assert_false(was_deleted(leg_id()));
	assert_false(was_deleted(bridge));
}

/* -- it does not work ------------------------------------------------------------ */

static void
every_end_of_the_ringing_has_its_name(void **state)
{
	static const struct {
		const char *dial; /* last status, or NULL */
		int cause;
		bool rang;
		enum tool_status status;
	} cases[] = {
	    {"BUSY", 17, false, TOOL_STATUS_BUSY},
	    {"BUSY", 0, false, TOOL_STATUS_BUSY}, /* Local: no cause */
	    {"NOANSWER", 19, true, TOOL_STATUS_NO_ANSWER},
	    {NULL, 19, false, TOOL_STATUS_NO_ANSWER},
	    {NULL, 18, false, TOOL_STATUS_NO_ANSWER},
	    {NULL, 20, false, TOOL_STATUS_NO_ANSWER},
	    {"NOANSWER", 0, true, TOOL_STATUS_NO_ANSWER},
	    {"NOANSWER", 16, true, TOOL_STATUS_NO_ANSWER},
	    {"NOANSWER", 21, false, TOOL_STATUS_REFUSED},
	    {"NOANSWER", 21, true, TOOL_STATUS_REFUSED},
	    {NULL, 0, false, TOOL_STATUS_UNKNOWN}, /* no such extension */
	    {"NOANSWER", 1, false, TOOL_STATUS_UNKNOWN},
	    {"CONGESTION", 0, false, TOOL_STATUS_UNKNOWN},
	    {"CONGESTION", 0, true, TOOL_STATUS_UNKNOWN},
	    {"CONGESTION", 34, false, TOOL_STATUS_UNKNOWN},
	    {"NOANSWER", 38, false, TOOL_STATUS_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_up(STEPS);
		assert_int_equal(transfer(), TOOL_STATUS_OK);
		dial_answered(200);
		leg_dial_status("");
		if (cases[i].rang)
			world_event("{\"type\":\"ChannelStateChange\","
				    "\"channel\":{\"id\":\"%s\",\"state\":"
				    "\"Ringing\"}}",
			    leg_id());
		if (cases[i].dial != NULL)
			leg_dial_status(cases[i].dial);
		leg_destroyed(cases[i].cause);
		if (world.local.status != cases[i].status)
			fail_msg("case %zu is %s", i,
			    tool_status_name(world.local.status));
		assert_answer(cases[i].status);
		assert_false(was_deleted(leg_id()));
		begin_again();
	}
}

static void
what_asterisk_cannot_dial_is_unknown(void **state)
{
	(void)state;
	set_up(STEPS);
	assert_int_equal(transfer(), TOOL_STATUS_OK);
	dial_answered(500);
	assert_answer(TOOL_STATUS_UNKNOWN);
	begin_again();
	set_up(STEPS);
	assert_int_equal(transfer(), TOOL_STATUS_OK);
	dial_answered(0); /* it may ring all the same */
	assert_answer(TOOL_STATUS_UNKNOWN);
	assert_true(was_deleted(leg_id()));
	begin_again();
	set_up(STEPS);
	fake_ari.error = -ENOTCONN;
	assert_int_equal(transfer(), TOOL_STATUS_INTERNAL);
	assert_int_equal(world_state(ID), CALL_TALKING);
	assert_int_equal(world.local.count, 0);
}

static void
an_answer_that_was_lost_loses_nobody(void **state)
{
	static const int answers[] = {0, 409, 500};

	(void)state;
	/* Asked again by curl, it is there already. */
	set_up(STEPS);
	assert_int_equal(transfer(), TOOL_STATUS_OK);
	dial_answered(409);
	assert_int_equal(world.local.count, 0);
	assert_false(was_deleted(leg_id()));
	begin_again();
	/* The events were faster than the answer, which never comes. */
	for (size_t i = 0; i < 3; i++) {
		set_up(STEPS);
		assert_int_equal(transfer(), TOOL_STATUS_OK);
		leg_dial_status("RINGING");
		if (i > 0)
			leg_event("StasisStart");
		if (i > 1)
			fake_ari_answer("POST", ADDED, 204, NULL);
		dial_answered(answers[i]);
		assert_false(was_deleted(leg_id()));
		if (i == 0)
			leg_event("StasisStart");
		if (i < 2)
			fake_ari_answer("POST", ADDED, 204, NULL);
		assert_int_equal(world_state(ID), CALL_TRANSFERRED);
		assert_int_equal(world.local.status, TOOL_STATUS_OK);
		begin_again();
	}
}

static void
after_a_failure_it_can_be_tried_again(void **state)
{
	char first[ARI_ID_MAX];

	(void)state;
	ring();
	snprintf(first, sizeof(first), "%s", leg_id());
	leg_destroyed(17);
	assert_int_equal(
	    ask_for("j2", "{\"destino\":\"extension\",\"extension\":\"204\"}"),
	    TOOL_STATUS_OK);
	assert_string_not_equal(first, leg_id());
	dial_answered(200);
	/* Late news of the first is no news of the second. */
	world_channel_event("ChannelDestroyed", first);
	assert_int_equal(world.local.count, 1);
	leg_event("StasisStart");
	fake_ari_answer("POST", ADDED, 204, NULL);
	assert_int_equal(world_state(ID), CALL_TRANSFERRED);
	assert_string_equal(world.local.job, "j2");
}

static void
who_hangs_up_before_being_connected_refused(void **state)
{
	(void)state;
	ring();
	leg_event("StasisStart");
	fake_ari_answer("POST", ADDED, 400, NULL);
	assert_answer(TOOL_STATUS_REFUSED);
	assert_false(was_deleted(world_media_id()));
	begin_again();
	ring();
	leg_event("StasisStart");
	leg_event("StasisEnd");
	assert_answer(TOOL_STATUS_REFUSED);
	fake_ari_answer("POST", ADDED, 204, NULL);
	assert_int_equal(world.local.count, 1);
	assert_int_equal(world_state(ID), CALL_TALKING);
}

static void
nothing_is_dialled_that_must_not_be(void **state)
{
	size_t asked;

	(void)state;
	set_up(STEPS);
	asked = fake_ari_asked("POST", "channels");
	assert_int_equal(
	    ask_for(JOB, "{\"destino\":\"extension\",\"extension\":\"1@o\"}"),
	    TOOL_STATUS_INVALID_ARGUMENTS);
	assert_non_null(strstr(detail, "must be an extension"));
	assert_int_equal(ask_for(JOB, "{\"destino\":\"otra\"}"),
	    TOOL_STATUS_INVALID_ARGUMENTS);
	assert_int_equal(fake_ari_asked("POST", "channels"), asked);
	assert_int_equal(transfer(), TOOL_STATUS_OK);
	assert_int_equal(ask_for("j2", "{\"destino\":\"persona\"}"),
	    TOOL_STATUS_INVALID_ARGUMENTS);
	assert_non_null(strstr(detail, "already"));
	call_farewell(the_call(), "limit");
	call_transfer_cancel(the_call(), JOB);
	assert_int_equal(transfer(), TOOL_STATUS_INVALID_ARGUMENTS);
	assert_non_null(strstr(detail, "ending"));
}

/* -- it is given up ------------------------------------------------------------------ */

static void
a_transfer_that_is_withdrawn_rings_no_more(void **state)
{
	(void)state;
	ring();
	call_transfer_cancel(the_call(), "another");
	assert_false(was_deleted(leg_id()));
	call_transfer_cancel(the_call(), JOB);
	assert_true(was_deleted(leg_id()));
	/* Picked up in the same moment: too late. */
	leg_event("StasisStart");
	leg_event("StasisEnd");
	leg_destroyed(16);
	assert_int_equal(fake_ari_asked("POST", ADDED), 0);
	assert_int_equal(world.local.count, 0);
	assert_int_equal(world_state(ID), CALL_TALKING);
}

static void
withdrawn_before_asterisk_has_dialled_it_is_deleted_after(void **state)
{
	(void)state;
	set_up(STEPS);
	assert_int_equal(transfer(), TOOL_STATUS_OK);
	call_transfer_cancel(the_call(), JOB);
	assert_false(was_deleted(leg_id())); /* would overtake the dialling */
	dial_answered(200);
	assert_true(was_deleted(leg_id()));
	assert_int_equal(world_state(ID), CALL_TALKING);
}

static void
withdrawn_on_the_way_into_the_bridge_the_voice_stays(void **state)
{
	(void)state;
	ring();
	leg_event("StasisStart");
	call_transfer_cancel(the_call(), JOB);
	assert_true(was_deleted(leg_id()));
	fake_ari_answer("POST", ADDED, 204, NULL);
	assert_int_equal(world_state(ID), CALL_TALKING);
	assert_false(was_deleted(world_media_id()));
	assert_int_equal(world.local.count, 0);
}

static void
withdrawn_once_they_are_connected_is_too_late(void **state)
{
	(void)state;
	connect_them();
	call_transfer_cancel(the_call(), JOB);
	assert_int_equal(world_state(ID), CALL_TRANSFERRED);
	assert_false(was_deleted(leg_id()));
}

static void
a_caller_who_leaves_stops_the_ringing_at_once(void **state)
{
	(void)state;
	for (int joining = 0; joining < 2; joining++) {
		ring();
		if (joining)
			leg_event("StasisStart");
		world_channel_event("StasisEnd", ID);
		assert_true(was_deleted(leg_id()));
		workers_leave();
		asterisk_says_404();
		leg_destroyed(16);
		world_assert_empty();
		begin_again();
	}
}

static void
a_caller_who_leaves_while_it_is_dialled_leaves_nothing(void **state)
{
	(void)state;
	set_up(STEPS);
	assert_int_equal(transfer(), TOOL_STATUS_OK);
	world_channel_event("StasisEnd", ID);
	workers_leave();
	assert_int_equal(world_state(ID), CALL_ENDED); /* gone for Asterisk */
	dial_answered(200);
	assert_true(was_deleted(leg_id()));
	asterisk_says_404();
	world_assert_empty();
}

static void
a_voice_lost_for_good_ends_the_transfer_too(void **state)
{
	(void)state;
	ring();
	lose_the_voice();
	assert_went_to_fallback();
	assert_true(was_deleted(leg_id()));
}

/* -- a caller who wants a person -------------------------------------------------------- */

static void
want_person(void)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "action", "person");
	json_add_string(body, "id", "person-1");
	json_add_string(body, "reason", "key");
	fake_worker_says(world_worker(), MESSAGE_CALL_ACTION, body);
}

static void
a_person_is_asked_for_like_any_transfer(void **state)
{
	(void)state;
	world_tools.count = 2;
	world_tools.list[0] = (struct tool){.name = "x", .action = "hangup"};
	world_tools.list[1] = (struct tool){
	    .name = "transferir", .action = "transfer", .settings = settings};
	/* Whom the model may connect is another matter. */
	world_tools.list[1].who = TOOL_WHO_STAFF;
	world_tools.list[1].confirm = true;
	set_up(STEPS);
	want_person();
	assert_int_equal(world.tool_requests, 1);
	assert_string_equal(world.tool_asked,
	    "{\"id\":\"person-1\",\"name\":\"transferir\",\"arguments\":\"{"
	    "\\\"destino\\\":\\\"persona\\\"}\"}");
	assert_int_equal(world_state(ID), CALL_TALKING);
	world.tool_error = -EPROTO;
	want_person();
	assert_int_equal(world_worker()->killed, SIGKILL);
}

/* As the queue does with what want_person() asks. */
static void
person_rings(void)
{
	world_tools.count = 1;
	world_tools.list[0] = (struct tool){
	    .name = "transferir", .action = "transfer", .settings = settings};
	set_up(STEPS);
	want_person();
	assert_int_equal(ask_for(ID "/person-1", "{\"destino\":\"persona\"}"),
	    TOOL_STATUS_OK);
}

static void
a_person_whom_nobody_can_dial_is_in_the_dialplan(void **state)
{
	(void)state;
	person_rings();
	dial_answered(500);
	assert_went_to_fallback();
	assert_int_equal(world.local.count, 0);
	begin_again();
	person_rings();
	dial_answered(200);
	leg_destroyed(0); /* no such extension */
	assert_went_to_fallback();
	begin_again();
	/* Without a dialplan for it the voice says so. */
	person_rings();
	world.config.fallback_context[0] = '\0';
	dial_answered(500);
	assert_int_equal(world_state(ID), CALL_TALKING);
	assert_int_equal(world.local.status, TOOL_STATUS_UNKNOWN);
	begin_again();
	/* So it does when an Asterisk that is gone could not take him. */
	person_rings();
	dial_answered(0);
	assert_int_equal(world_state(ID), CALL_TALKING);
	assert_int_equal(world.local.status, TOOL_STATUS_UNKNOWN);
	begin_again();
	/* Somebody who is only busy can be tried again. */
	person_rings();
	dial_answered(200);
	leg_destroyed(17);
	assert_int_equal(world_state(ID), CALL_TALKING);
	assert_int_equal(world.local.status, TOOL_STATUS_BUSY);
}

static void
without_such_a_destination_the_dialplan_has_people(void **state)
{
	(void)state;
	world_tools.count = 1;
	world_tools.list[0] = (struct tool){
	    .name = "transferir", .action = "transfer", .settings = settings};
	/* It needs an argument that nobody has said. */
	strcpy(world.config.person_destination, "extension");
	set_up(STEPS);
	want_person();
	assert_int_equal(world.tool_requests, 0);
	assert_went_to_fallback();
	begin_again();
	world_tools.count = 0;
	set_up(STEPS);
	want_person();
	assert_went_to_fallback();
}

static void
without_any_people_the_voice_is_told(void **state)
{
	const cJSON *body;

	(void)state;
	world.config.fallback_context[0] = '\0';
	set_up(STEPS);
	want_person();
	assert_int_equal(world_state(ID), CALL_TALKING);
	assert_int_equal(
	    fake_worker_told(world_worker(), MESSAGE_TOOL_RESULT), 1);
	body = fake_worker_heard(world_worker(), MESSAGE_TOOL_RESULT);
	assert_string_equal(json_string(body, "id"), "person-1");
	assert_string_equal(json_string(body, "status"), "unknown");
	assert_string_equal(json_string(body, "output"), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(what_is_dialled_says_who_calls),
	    TEST(who_answers_has_the_caller_and_the_voice_goes),
	    TEST(a_person_who_hangs_up_ends_the_call),
	    TEST(a_caller_who_hangs_up_ends_the_persons_call),
	    TEST(a_worker_that_does_not_go_is_killed),
	    TEST(a_pair_is_nobodys_burden),
	    TEST(every_end_of_the_ringing_has_its_name),
	    TEST(what_asterisk_cannot_dial_is_unknown),
	    TEST(an_answer_that_was_lost_loses_nobody),
	    TEST(after_a_failure_it_can_be_tried_again),
	    TEST(who_hangs_up_before_being_connected_refused),
	    TEST(nothing_is_dialled_that_must_not_be),
	    TEST(a_transfer_that_is_withdrawn_rings_no_more),
	    TEST(withdrawn_before_asterisk_has_dialled_it_is_deleted_after),
	    TEST(withdrawn_on_the_way_into_the_bridge_the_voice_stays),
	    TEST(withdrawn_once_they_are_connected_is_too_late),
	    TEST(a_caller_who_leaves_stops_the_ringing_at_once),
	    TEST(a_caller_who_leaves_while_it_is_dialled_leaves_nothing),
	    TEST(a_voice_lost_for_good_ends_the_transfer_too),
	    TEST(a_person_is_asked_for_like_any_transfer),
	    TEST(a_person_whom_nobody_can_dial_is_in_the_dialplan),
	    TEST(without_such_a_destination_the_dialplan_has_people),
	    TEST(without_any_people_the_voice_is_told),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
