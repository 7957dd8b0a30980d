/* SPDX-License-Identifier: MIT */
/*
 * test_tool_local.c – jobs that the supervisor does itself: no worker is
 * needed for them, and each is answered once, whatever comes first.
 */
#include "tests/unit/tool_queue_rig.h"

#define JOB "c/call_1"

static struct {
	enum tool_status begins; /* what beginning one returns */
	size_t begun;
	size_t cancelled;
	char call[32];
	char job[TOOL_JOB_ID_SIZE];
} local;

static enum tool_status
start_local(const char *call, const char *job, const cJSON *settings,
    const cJSON *arguments, char detail_out[TOOL_QUEUE_DETAIL_SIZE], void *arg)
{
	(void)arg;
	assert_string_equal(json_string(settings, "executor"), "mikrotik");
	assert_string_equal(
	    json_string(arguments, "question"), "cuántos clientes hay");
	local.begun++;
	snprintf(local.call, sizeof(local.call), "%s", call);
	snprintf(local.job, sizeof(local.job), "%s", job);
	snprintf(detail_out, TOOL_QUEUE_DETAIL_SIZE, "not now");
	return local.begins;
}

static void
cancel_local(const char *call, const char *job, void *arg)
{
	(void)arg;
	assert_string_equal(call, local.call);
	assert_string_equal(job, local.job);
	local.cancelled++;
}

static int
set_up_local(void **state)
{
	static const struct tool_queue_config config = {
	    .find_tool = fake_find_tool,
	    .send_worker = fake_send_worker,
	    .send_call = fake_send_call,
	    .start_local = start_local,
	    .cancel_local = cancel_local,
	    .worker_stuck = fake_stuck,
	    .arm = fake_arm,
	    .now_ms = fake_now_ms,
	};

	memset(&local, 0, sizeof(local));
	set_up(state);
	tool_queue_free(&rig.queue);
	rig.tool.local = true;
	rig.tool.timeout_argument = NULL;
	rig.tool.deadline_ms = 55000;
	return tool_queue_new(&rig.queue, &config);
}

static size_t
sent(enum message_type type)
{
	return count(type, "", "");
}

static void
ends(enum tool_status status, const char *words)
{
	tool_queue_on_local(rig.queue, local.job, status, words);
}

static void
it_needs_no_worker_and_is_answered(void **state)
{
	(void)state;
	request("c", "call_1");
	assert_int_equal(local.begun, 1);
	assert_string_equal(local.job, JOB);
	assert_int_equal(tool_queue_count(rig.queue).running, 1);
	pass_ms(TOOL_QUEUE_NO_WORKER_MS + 1000); /* nobody misses one */
	assert_int_equal(sent(MESSAGE_TOOL_RESULT), 0);
	assert_int_equal(sent(MESSAGE_TOOL_PROGRESS), 1);
	ends(TOOL_STATUS_BUSY, "cause 17");
	assert_answer("c", "call_1", "busy", "Ocupado.");
	assert_int_equal(tool_queue_count(rig.queue).requests, 0);
	ends(TOOL_STATUS_OK, "late");
	assert_int_equal(sent(MESSAGE_TOOL_RESULT), 1);
	request("c", "call_1"); /* repeated: the same answer, not begun */
	assert_int_equal(sent(MESSAGE_TOOL_RESULT), 2);
	assert_int_equal(local.begun, 1);
}

static void
what_cannot_begin_is_answered_at_once(void **state)
{
	(void)state;
	local.begins = TOOL_STATUS_INVALID_ARGUMENTS;
	request("c", "call_1");
	assert_answer("c", "call_1", "invalid_arguments", "not now");
	local.begins = TOOL_STATUS_INTERNAL;
	request("c", "call_2");
	assert_answer("c", "call_2", "internal", "Se perdió.");
	assert_int_equal(tool_queue_count(rig.queue).running, 0);
	assert_int_equal(local.cancelled, 0);
}

static void
nobody_waits_and_it_is_given_up(void **state)
{
	(void)state;
	request("c", "call_1");
	cancel("c", "call_1");
	assert_answer("c", "call_1", "cancelled", NULL);
	assert_int_equal(local.cancelled, 1);
	request("c", "call_2");
	tool_queue_end_call(rig.queue, "c");
	assert_int_equal(local.cancelled, 2);
	request("c", "call_3");
	pass_ms(55000);
	assert_answer("c", "call_3", "timeout", "Tardó demasiado.");
	assert_int_equal(local.cancelled, 3);
	assert_int_equal(tool_queue_count(rig.queue).running, 0);
	ends(TOOL_STATUS_OK, "late");
	assert_int_equal(sent(MESSAGE_TOOL_RESULT), 2);
}

static void
no_worker_has_a_say_in_it(void **state)
{
	(void)state;
	worker_up(0);
	request("c", "call_1");
	assert_int_equal(sent(MESSAGE_JOB_RUN), 0);
	result(0, JOB, "ok", "me too");
	assert_int_equal(sent(MESSAGE_TOOL_RESULT), 0);
	tool_queue_worker_gone(rig.queue, &rig.workers[0]);
	assert_int_equal(sent(MESSAGE_TOOL_RESULT), 0);
	ends(TOOL_STATUS_OK, "connected");
	assert_answer("c", "call_1", "ok", "connected");
}

static void
what_a_transfer_does_not_know_it_says_so(void **state)
{
	(void)state;
	cJSON_DeleteItemFromObject(rig.failures, "lost");
	json_add_string(rig.failures, "unknown", "No se pudo.");
	local.begins = TOOL_STATUS_INTERNAL;
	request("c", "call_1");
	assert_answer("c", "call_1", "internal", "No se pudo.");
}

int
main(void)
{
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, set_up_local, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(it_needs_no_worker_and_is_answered),
	    TEST(what_cannot_begin_is_answered_at_once),
	    TEST(nobody_waits_and_it_is_given_up),
	    TEST(no_worker_has_a_say_in_it),
	    TEST(what_a_transfer_does_not_know_it_says_so),
	};

	log_init("unit", (enum log_level)0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
