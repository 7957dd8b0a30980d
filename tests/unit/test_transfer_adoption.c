/* SPDX-License-Identifier: MIT */
/*
 * test_transfer_adoption.c – transfers that outlive their supervisor, or its
 * connection to Asterisk.
 */
#include "tests/unit/transfer_steps.h"

/* -- after a supervisor's death ------------------------------------------------------------ */

static struct worker *
adopt(void)
{
	struct worker *worker = fake_fleet_worker(PROC_ROLE_CALLWORKER);

	step_adopt(ID, worker);
	return worker;
}

enum {
	WITH_MEDIA = 1,
	WITH_LEG = 2,
	LEG_IN_APP = 4,
	LEG_IN_BRIDGE = 8,
	NO_CALLER = 16,
	OLD_LEG = 32,
};

/* Asterisk's lists: the caller in the bridge, and what WHAT says. */
static void
snapshot(unsigned int what)
{
	char text[4096];
	cJSON *channels, *bridges;

	snprintf(text, sizeof(text),
	    "[" WORLD_CHANNEL "%s%s%s%s%s,{\"id\":\"9.9\"}]",
	    what & NO_CALLER ? "8.8" : ID, "Up", "3001234655",
	    what & NO_CALLER ? "-other" : "",
	    what & WITH_MEDIA ? ",{\"id\":\"" MEDIA_OF(ID) "\"}" : "",
	    what & OLD_LEG ? ",{\"id\":\"" OLD_LEG_ID "\"}" : "",
	    what & WITH_LEG
		? ",{\"id\":\"" LEG_OF(ID) ";2\"},{\"id\":\"" LEG_OF(ID) "\""
		: "",
	    what & LEG_IN_APP ? ",\"state\":\"Up\",\"dialplan\":{\"app_name\":"
				"\"Stasis\",\"app_data\":\"openai-app\"}"
			      : "",
	    what & WITH_LEG ? "}" : "");
	channels = json_parse(text, strlen(text));
	snprintf(text, sizeof(text),
	    "[{\"id\":\"" BRIDGE_OF(ID) "\",\"channels\":[\"%s\"%s]}]",
	    what & NO_CALLER ? "x" : ID,
	    what & LEG_IN_BRIDGE ? ",\"" LEG_OF(ID) "\"" : "");
	bridges = json_parse(text, strlen(text));
	assert_non_null(channels);
	assert_non_null(bridges);
	calls_on_ari_state(world.calls, ARI_LISTING);
	calls_on_snapshot(world.calls, channels, bridges);
	calls_on_ari_state(world.calls, ARI_UP);
	cJSON_Delete(channels);
	cJSON_Delete(bridges);
}

static void
what_rang_goes_on_ringing(void **state)
{
	(void)state;
	/* The voice repeats its request before or after the lists come. */
	for (int first = 0; first < 2; first++) {
		struct worker *worker = adopt();

		if (first == 0)
			snapshot(WITH_MEDIA | WITH_LEG);
		world_worker_state(worker, "talking", "sync", 42000);
		assert_int_equal(transfer(), TOOL_STATUS_OK);
		if (first == 1)
			snapshot(WITH_MEDIA | WITH_LEG);
		assert_int_equal(world_state(ID), CALL_TALKING);
		assert_int_equal(fake_ari.count, 0);
		world_channel_event("StasisStart", LEG_OF(ID));
		fake_ari_answer("POST", ADDED, 204, NULL);
		assert_int_equal(world_state(ID), CALL_TRANSFERRED);
		assert_int_equal(world.local.status, TOOL_STATUS_OK);
		assert_true(was_deleted(MEDIA_OF(ID)));
		begin_again();
	}
}

static void
what_was_answered_meanwhile_is_connected(void **state)
{
	(void)state;
	for (int first = 0; first < 2; first++) {
		struct worker *worker = adopt();

		if (first == 0)
			snapshot(WITH_MEDIA | WITH_LEG | LEG_IN_APP);
		world_worker_state(worker, "talking", "sync", 42000);
		assert_int_equal(fake_ari_asked("POST", ADDED), 0);
		assert_int_equal(transfer(), TOOL_STATUS_OK);
		if (first == 1)
			snapshot(WITH_MEDIA | WITH_LEG | LEG_IN_APP);
		fake_ari_answer("POST", ADDED, 204, NULL);
		assert_int_equal(world_state(ID), CALL_TRANSFERRED);
		begin_again();
	}
}

static void
what_was_in_the_bridge_stays_connected(void **state)
{
	(void)state;
	for (int first = 0; first < 2; first++) {
		struct worker *worker = adopt();

		if (first == 1) {
			world_worker_state(worker, "talking", "sync", 42000);
			assert_int_equal(transfer(), TOOL_STATUS_OK);
		}
		snapshot(WITH_MEDIA | WITH_LEG | LEG_IN_APP | LEG_IN_BRIDGE);
		if (first == 0)
			world_worker_state(worker, "talking", "sync", 42000);
		assert_int_equal(world_state(ID), CALL_TRANSFERRED);
		assert_true(was_deleted(MEDIA_OF(ID)));
		assert_false(was_deleted(LEG_OF(ID)));
		assert_int_equal(fake_worker_told(worker, MESSAGE_HANGUP), 1);
		begin_again();
	}
}

static void
whom_the_voice_left_to_a_person_stays_with_him(void **state)
{
	(void)state;
	/* It was about to go, or went, when the supervisor died. */
	for (int first = 0; first < 2; first++) {
		struct worker *worker = adopt();

		world_worker_state(worker, "ended", "sync", 42000);
		if (first == 1)
			fake_worker_dies(worker, "exited with status 0");
		assert_int_equal(world_state(ID), CALL_TALKING);
		snapshot(WITH_LEG | LEG_IN_APP | LEG_IN_BRIDGE);
		assert_int_equal(world_state(ID), CALL_TRANSFERRED);
		assert_false(was_deleted(LEG_OF(ID)));
		assert_int_equal(fake_ari_asked("DELETE", "channels/" ID), 0);
		begin_again();
	}
	/* Nobody has him: over is over, and lost is lost. */
	for (int first = 0; first < 2; first++) {
		struct worker *worker = adopt();

		world_worker_state(
		    worker, first == 0 ? "ended" : "talking", "sync", 42000);
		fake_worker_dies(worker, "exited with status 0");
		snapshot(WITH_MEDIA);
		assert_int_equal(world_state(ID), CALL_ENDING);
		assert_int_equal(
		    fake_ari_asked("POST", "/continue"), first == 0 ? 0 : 1);
		begin_again();
	}
}

static void
what_is_not_there_any_more_is_dialled_again(void **state)
{
	struct worker *worker = adopt();

	(void)state;
	world_worker_state(worker, "talking", "sync", 42000);
	assert_int_equal(transfer(), TOOL_STATUS_OK);
	assert_int_equal(fake_ari.count, 0);
	snapshot(WITH_MEDIA);
	dial_answered(200);
	leg_destroyed(17);
	assert_answer(TOOL_STATUS_BUSY);
}

static void
a_leg_that_nobody_asks_for_does_not_ring_for_ever(void **state)
{
	struct worker *worker = adopt();

	(void)state;
	world_worker_state(worker, "talking", "sync", 42000);
	snapshot(WITH_MEDIA | WITH_LEG);
	assert_false(was_deleted(LEG_OF(ID)));
	timers_expire(world.base);
	assert_true(was_deleted(LEG_OF(ID)));
	assert_int_equal(world_state(ID), CALL_TALKING);
}

static void
a_pair_is_never_a_new_call(void **state)
{
	(void)state;
	snapshot(WITH_LEG | LEG_IN_APP | LEG_IN_BRIDGE);
	assert_int_equal(world_state(ID), CALL_TRANSFERRED);
	assert_int_equal(world.asked, 0);
	assert_int_equal(fake_ari.count, 0);
	/* Again, as after any reconnection. */
	fake_now_ms += 20000;
	snapshot(WITH_LEG | LEG_IN_APP | LEG_IN_BRIDGE);
	assert_int_equal(fake_ari.count, 0);
	world_channel_event("StasisEnd", ID);
	assert_true(was_deleted(LEG_OF(ID)));
	assert_true(was_deleted(BRIDGE_OF(ID)));
	world_assert_empty();
	begin_again();
	/* The voice's channel was to go, and so was an earlier leg. */
	snapshot(WITH_MEDIA | OLD_LEG | WITH_LEG | LEG_IN_APP | LEG_IN_BRIDGE);
	assert_int_equal(world_state(ID), CALL_TRANSFERRED);
	assert_true(was_deleted(MEDIA_OF(ID)));
	assert_true(was_deleted(OLD_LEG_ID));
	assert_false(was_deleted(LEG_OF(ID)));
}

static void
who_was_left_alone_meanwhile_is_let_go(void **state)
{
	(void)state;
	snapshot(0); /* the person hung up */
	assert_int_equal(world_state(ID), CALL_ENDING);
	assert_int_equal(world.asked, 0);
	assert_int_equal(fake_ari_asked("DELETE", "channels/" ID "?"), 1);
	begin_again();
	snapshot(WITH_LEG | LEG_IN_BRIDGE | NO_CALLER); /* the caller did */
	assert_true(was_deleted(LEG_OF(ID)));
	assert_true(was_deleted(BRIDGE_OF(ID)));
	assert_false(was_deleted(LEG_OF(ID) ";2"));
	begin_again();
	/* Whose worker died with the supervisor begins anew, as ever. */
	snapshot(WITH_MEDIA | WITH_LEG);
	assert_int_equal(world_state(ID), CALL_NEW);
	assert_true(was_deleted(LEG_OF(ID)));
}

/* -- after a lost connection ------------------------------------------------------------------ */

/* As snapshot(), with the ids that this supervisor has made. */
static void
reconnect(bool leg, bool leg_in_app)
{
	char text[2048];
	cJSON *channels, *bridges = cJSON_CreateArray();

	snprintf(text, sizeof(text),
	    "[" WORLD_CHANNEL ",{\"id\":\"%s\"},{\"id\":\"%s\"%s}]", ID, "Up",
	    "3001234655", "", world_media_id(), leg ? leg_id() : "x",
	    leg_in_app ? ",\"dialplan\":{\"app_name\":\"Stasis\"}" : "");
	channels = json_parse(text, strlen(text));
	assert_non_null(channels);
	fake_now_ms += 1000;
	calls_on_ari_state(world.calls, ARI_LISTING);
	calls_on_snapshot(world.calls, channels, bridges);
	calls_on_ari_state(world.calls, ARI_UP);
	cJSON_Delete(channels);
	cJSON_Delete(bridges);
}

static void
a_lost_connection_hides_no_outcome(void **state)
{
	(void)state;
	ring();
	reconnect(true, false);
	assert_int_equal(world.local.count, 0);
	reconnect(true, true);
	fake_ari_answer("POST", ADDED, 204, NULL);
	assert_int_equal(world_state(ID), CALL_TRANSFERRED);
	reconnect(false, false);
	assert_int_equal(world_state(ID), CALL_ENDING);
	begin_again();
	ring();
	reconnect(false, false);
	assert_answer(TOOL_STATUS_UNKNOWN);
	begin_again();
	/* The list may be older than the leg. */
	set_up(STEPS);
	fake_now_ms += 1000;
	calls_on_ari_state(world.calls, ARI_LISTING);
	assert_int_equal(transfer(), TOOL_STATUS_OK);
	fake_now_ms -= 1000;
	reconnect(false, false);
	assert_int_equal(world.local.count, 0);
	dial_answered(200);
	leg_event("StasisStart");
	assert_int_equal(fake_ari_asked("POST", ADDED), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(what_rang_goes_on_ringing),
	    TEST(what_was_answered_meanwhile_is_connected),
	    TEST(what_was_in_the_bridge_stays_connected),
	    TEST(whom_the_voice_left_to_a_person_stays_with_him),
	    TEST(what_is_not_there_any_more_is_dialled_again),
	    TEST(a_leg_that_nobody_asks_for_does_not_ring_for_ever),
	    TEST(a_pair_is_never_a_new_call),
	    TEST(who_was_left_alone_meanwhile_is_let_go),
	    TEST(a_lost_connection_hides_no_outcome),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
