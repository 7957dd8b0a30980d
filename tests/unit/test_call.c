/* SPDX-License-Identifier: MIT */
/* test_call.c – what may happen while caller and voice talk. */
#include "tests/unit/call_steps.h"

static void
digits_reach_the_worker_once_it_talks_and_only_real_ones(void **state)
{
	static const char *const odd[] = {"", "12", "x", " ", "\\u00e1"};

	(void)state;
	set_up(STEPS - 1);
	world_event("{\"type\":\"ChannelDtmfReceived\",\"digit\":\"1\","
		    "\"channel\":{\"id\":\"" ID "\"}}");
	step_answered();
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		world_event("{\"type\":\"ChannelDtmfReceived\",\"digit\":"
			    "\"%s\",\"channel\":{\"id\":\"" ID "\"}}",
		    odd[i]);
	assert_int_equal(fake_worker_told(world_worker(), MESSAGE_DTMF), 0);
	world_event("{\"type\":\"ChannelDtmfReceived\",\"digit\":\"#\","
		    "\"channel\":{\"id\":\"" ID "\"}}");
	assert_string_equal(
	    json_string(
		fake_worker_heard(world_worker(), MESSAGE_DTMF), "digit"),
	    "#");
}

static void
hold_and_the_many_events_of_a_hang_up_change_nothing(void **state)
{
	static const char *const types[] = {"ChannelHold", "ChannelUnhold",
	    "ChannelVarset", "ChannelHangupRequest", "ChannelLeftBridge",
	    "ChannelStateChange", "ChannelConnectedLine", "Nonsense"};

	(void)state;
	set_up(STEPS);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		world_channel_event(types[i], ID);
	world_event("{\"type\":\"BridgeVideoSourceChanged\",\"bridge\":"
		    "{\"id\":\"%s\"}}",
	    world_bridge_id());
	world_event("{\"type\":\"Dial\",\"peer\":{\"id\":\"" ID "\"}}");
	world_event("{\"type\":\"StasisEnd\",\"channel\":\"" ID "\"}");
	world_event("{\"type\":\"StasisEnd\",\"channel\":{\"id\":7}}");
	world_event("{\"type\":\"StasisEnd\"}");
	assert_int_equal(world_state(ID), CALL_TALKING);
}

static void
a_media_channel_that_somebody_deletes_leads_to_the_fallback(void **state)
{
	(void)state;
	set_up(STEPS);
	world_channel_event("ChannelDestroyed", world_media_id());
	assert_went_to_fallback();
}

static void
a_bridge_that_somebody_destroys_leads_to_the_fallback(void **state)
{
	(void)state;
	set_up(STEPS);
	world_event("{\"type\":\"BridgeDestroyed\",\"bridge\":{\"id\":\"%s\"}}",
	    world_bridge_id());
	assert_went_to_fallback();
	assert_int_equal(fake_ari_asked("DELETE", "bridges/"), 0);
}

static void
function_calls_go_to_the_queue_and_a_broken_one_ends_the_worker(void **state)
{
	(void)state;
	set_up(STEPS);
	world_tool_request("call_1", "consultar");
	fake_worker_says(world_worker(), MESSAGE_TOOL_CANCEL, NULL);
	assert_int_equal(world.tool_requests, 1);
	assert_int_equal(world.tool_cancels, 1);
	assert_int_equal(world_worker()->killed, 0);
	world.tool_error = -EPROTO;
	world_tool_request("call_2", "consultar");
	assert_int_equal(world_worker()->killed, SIGKILL);
}

static void
answers_of_tools_reach_the_worker_while_there_is_one(void **state)
{
	struct call *call;

	(void)state;
	set_up(STEPS);
	call = calls_find(world.calls, ID);
	assert_int_equal(
	    call_send_tool(call, MESSAGE_TOOL_RESULT, cJSON_CreateObject()), 0);
	assert_int_equal(
	    fake_worker_told(world_worker(), MESSAGE_TOOL_RESULT), 1);
	fake_worker_dies(world_worker(), "killed by signal 9");
	assert_int_equal(
	    call_send_tool(call, MESSAGE_TOOL_RESULT, cJSON_CreateObject()),
	    -ENOTCONN);
	assert_int_equal(world.tool_ends, 0); /* a successor will ask */
}

int
main(void)
{
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(digits_reach_the_worker_once_it_talks_and_only_real_ones),
	    TEST(hold_and_the_many_events_of_a_hang_up_change_nothing),
	    TEST(a_media_channel_that_somebody_deletes_leads_to_the_fallback),
	    TEST(a_bridge_that_somebody_destroys_leads_to_the_fallback),
	    TEST(
		function_calls_go_to_the_queue_and_a_broken_one_ends_the_worker),
	    TEST(answers_of_tools_reach_the_worker_while_there_is_one),
	};

	log_init("unit", (enum log_level)0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
