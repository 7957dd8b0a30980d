/* SPDX-License-Identifier: MIT */
/* test_tool_queue.c – one answer to every function call, come what may. */
#include "supervisor/tool_holds.h"
#include "tests/unit/tool_queue_rig.h"

/* -- a request's usual way --------------------------------------------------- */

static void
an_answer_comes_back_to_its_call(void **state)
{
	const cJSON *body;

	(void)state;
	worker_up(0);
	request("100.1", "call_a");
	assert_counts(0, 1, 1);
	body = last(MESSAGE_JOB_RUN)->body;
	assert_string_equal(json_string(body, "id"), "100.1/call_a");
	assert_string_equal(json_string(body, "tool"), "consultar");
	assert_string_equal(
	    json_string(json_object(body, "arguments"), "question"),
	    "cuántos clientes hay");
	assert_string_equal(
	    json_string(json_object(body, "settings"), "executor"), "mikrotik");
	assert_int_equal(json_int(body, "deadline_ms", 0), 65000);
	result(0, "100.1/call_a", "ok", "Hay 12.");
	assert_answer("100.1", "call_a", "ok", "Hay 12.");
	assert_counts(0, 0, 1);
}

static void
every_failure_gets_its_sentence(void **state)
{
	static const struct {
		const char *status, *output;
	} cases[] = {
	    {"timeout", "Tardó demasiado."},
	    {"unreachable", "Sin conexión."},
	    {"http_error", "Falló."},
	    {"busy", "Ocupado."},
	    {"malformed", "Sin sentido."},
	    {"refused", "Dice: HTTP 500 Eso dice."},
	    {"internal", "Se perdió."},
	    {"lost", "Se perdió."},
	    {"cancelled", "Se perdió."}, /* not our order: lost */
	    {"nonsense", "Se perdió."},
	};

	(void)state;
	worker_up(0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char id[16], job[32];

		worker_up(0);
		snprintf(id, sizeof(id), "call_%zu", i);
		snprintf(job, sizeof(job), "c/%s", id);
		tool_queue_worker_gone(rig.queue, &rig.workers[0]);
		worker_up(0);
		request("c", id);
		result(0, job, cases[i].status, "HTTP 500");
		assert_answer("c", id,
		    strcmp(cases[i].status, "cancelled") == 0 ? "lost"
		    : strcmp(cases[i].status, "nonsense") == 0
			? "internal"
			: cases[i].status,
		    cases[i].output);
	}
}

static void
the_model_is_told_what_to_correct(void **state)
{
	static const struct {
		const char *name, *arguments, *why;
	} cases[] = {
	    {"borrar", "{}", "there is no function of that name"},
	    {"consultar", "{\"question\":\"ab\"}",
		"\"question\" is too short: 2 characters"},
	    {"consultar", "{\"question\":", "not a JSON object"},
	    {"consultar", "[]", "not a JSON object"},
	    {"consultar", "", "lacks \"question\""},
	    {"consultar", "{\"question\":\"abc\",\"timeout\":500}",
		"\"timeout\" must be at most 90"},
	    {"consultar", "{\"question\":\"abc\",\"x\":{}}",
		"unknown member \"x\""},
	    {"consultar", "{\"question\":\"abc\\u0000d\"}", "a NUL character"},
	};

	(void)state;
	worker_up(0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char id[16];

		snprintf(id, sizeof(id), "call_%zu", i);
		assert_int_equal(
		    request_named("c", id, cases[i].name, cases[i].arguments),
		    0);
		assert_answer("c", id, "invalid_arguments", NULL);
		assert_non_null(strstr(
		    json_string(last(MESSAGE_TOOL_RESULT)->body, "output"),
		    cases[i].why));
	}
	request("no-tools", "call_x");
	assert_answer("no-tools", "call_x", "invalid_arguments", NULL);
	assert_int_equal(count(MESSAGE_JOB_RUN, "tool", "consultar"), 0);
}

static void
a_request_without_an_id_is_the_peer_s_fault(void **state)
{
	char id[256];

	(void)state;
	memset(id, 'x', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	assert_int_equal(request_named("c", "", "consultar", "{}"), -EPROTO);
	assert_int_equal(request_named("c", id, "consultar", "{}"), -EPROTO);
	assert_int_equal(rig.sent_count, 0);
}

static void
long_and_ambiguous_ids_still_find_their_way(void **state)
{
	char id[TOOL_JOB_ID_SIZE + 1];
	const char *first, *second;

	(void)state;
	worker_up(0);
	memset(id, 'x', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	request("c", id);
	first = json_string(last(MESSAGE_JOB_RUN)->body, "id");
	assert_in_range(strlen(first), 1, TOOL_JOB_ID_SIZE - 1);
	result(0, first, "ok", "Hay 12.");
	assert_answer("c", id, "ok", "Hay 12.");
	request("a/b", "c");
	first = json_string(last(MESSAGE_JOB_RUN)->body, "id");
	request("a", "b/c");
	second = json_string(last(MESSAGE_JOB_RUN)->body, "id");
	assert_string_not_equal(first, second);
}

static void
an_answer_that_fits_no_message_is_an_honest_failure(void **state)
{
	(void)state;
	worker_up(0);
	request("c", "call_a");
	rig.call_send_error = -EMSGSIZE;
	result(0, "c/call_a", "ok", "Hay 12.");
	assert_answer("c", "call_a", "malformed", "Sin sentido.");
}

/* -- the clock ------------------------------------------------------------------ */

static void
the_deadline_is_the_question_s_timeout_and_five_seconds(void **state)
{
	(void)state;
	worker_up(0);
	assert_int_equal(request_named("c", "call_a", "consultar",
			     "{\"question\":\"abc\",\"timeout\":15}"),
	    0);
	assert_int_equal(
	    json_int(last(MESSAGE_JOB_RUN)->body, "deadline_ms", 0), 20000);
	pass_ms(19999);
	assert_unanswered("call_a");
	pass_ms(1);
	assert_answer("c", "call_a", "timeout", "Tardó demasiado.");
	assert_int_equal(count(MESSAGE_JOB_CANCEL, "id", "c/call_a"), 1);
}

static void
a_result_after_the_deadline_is_not_said(void **state)
{
	(void)state;
	worker_up(0);
	request("c", "call_a");
	pass_ms(65000);
	assert_answer("c", "call_a", "timeout", NULL);
	assert_counts(0, 1, 1);
	result(0, "c/call_a", "ok", "Hay 12.");
	assert_answer("c", "call_a", "timeout", NULL);
	assert_counts(0, 0, 1);
	pass_ms(TOOL_QUEUE_CONFIRM_MS);
	assert_null(rig.stuck);
}

static void
a_worker_that_does_not_confirm_a_cancel_is_stuck(void **state)
{
	(void)state;
	worker_up(0);
	request("c", "call_a");
	pass_ms(65000 + TOOL_QUEUE_CONFIRM_MS);
	assert_ptr_equal(rig.stuck, &rig.workers[0]);
	/* It gets no more jobs. */
	request("c", "call_b");
	assert_counts(1, 1, 1);
	tool_queue_worker_gone(rig.queue, &rig.workers[0]);
	assert_counts(1, 0, 0);
	worker_up(1);
	assert_int_equal(count(MESSAGE_JOB_RUN, "id", "c/call_b"), 1);
	assert_answer("c", "call_a", "timeout", NULL);
}

static void
every_ten_seconds_the_call_hears_that_it_is_not_forgotten(void **state)
{
	(void)state;
	worker_up(0);
	request("c", "call_a");
	pass_ms(9999);
	assert_int_equal(count(MESSAGE_TOOL_PROGRESS, "id", "call_a"), 0);
	pass_ms(1);
	assert_int_equal(count(MESSAGE_TOOL_PROGRESS, "id", "call_a"), 1);
	assert_int_equal(
	    json_int(last(MESSAGE_TOOL_PROGRESS)->body, "elapsed_ms", 0),
	    10000);
	pass_ms(25000);
	assert_int_equal(count(MESSAGE_TOOL_PROGRESS, "id", "call_a"), 3);
	/* A frozen process does not catch up on them. */
	rig.now_ms += 25000;
	tool_queue_tick(rig.queue);
	assert_int_equal(count(MESSAGE_TOOL_PROGRESS, "id", "call_a"), 4);
	result(0, "c/call_a", "ok", "");
	pass_ms(60000);
	assert_int_equal(count(MESSAGE_TOOL_PROGRESS, "id", "call_a"), 4);
}

static void
progress_of_the_job_is_passed_on(void **state)
{
	(void)state;
	worker_up(0);
	worker_up(1);
	request("c", "call_a");
	worker_says(0, MESSAGE_JOB_PROGRESS,
	    "{\"id\":\"c/call_a\",\"elapsed_ms\":1,\"text\":\"3 de 12\"}");
	assert_string_equal(
	    json_string(last(MESSAGE_TOOL_PROGRESS)->body, "text"), "3 de 12");
	/* Not that of strangers. */
	worker_says(1, MESSAGE_JOB_PROGRESS,
	    "{\"id\":\"c/call_a\",\"text\":\"mentira\"}");
	worker_says(0, MESSAGE_JOB_PROGRESS,
	    "{\"id\":\"c/call_b\",\"text\":\"mentira\"}");
	assert_int_equal(count(MESSAGE_TOOL_PROGRESS, "text", "mentira"), 0);
}

/* -- workers come and go ------------------------------------------------------- */

static void
a_request_waits_for_a_worker_but_not_for_ever(void **state)
{
	(void)state;
	request("c", "call_a");
	assert_counts(1, 0, 0);
	pass_ms(TOOL_QUEUE_NO_WORKER_MS - 1);
	assert_unanswered("call_a");
	worker_up(0);
	/* What it waited is not given to it again. */
	assert_int_equal(
	    json_int(last(MESSAGE_JOB_RUN)->body, "deadline_ms", 0),
	    65000 - TOOL_QUEUE_NO_WORKER_MS + 1);
	tool_queue_worker_gone(rig.queue, &rig.workers[0]);
	assert_answer("c", "call_a", "lost", "Se perdió.");
	request("c", "call_b");
	pass_ms(TOOL_QUEUE_NO_WORKER_MS);
	assert_answer("c", "call_b", "lost", "Se perdió.");
}

static void
a_read_only_job_is_run_once_more(void **state)
{
	(void)state;
	rig.tool.read_only = true;
	worker_up(0);
	request("c", "call_a");
	tool_queue_worker_gone(rig.queue, &rig.workers[0]);
	assert_unanswered("call_a");
	assert_counts(1, 0, 0);
	worker_up(1);
	assert_int_equal(count(MESSAGE_JOB_RUN, "id", last_job()), 2);
	assert_ptr_equal(last(MESSAGE_JOB_RUN)->worker, &rig.workers[1]);
	tool_queue_worker_gone(rig.queue, &rig.workers[1]);
	assert_answer("c", "call_a", "lost", NULL);
}

static void
no_second_run_without_time_for_it(void **state)
{
	(void)state;
	rig.tool.read_only = true;
	worker_up(0);
	worker_up(1);
	request("c", "call_a");
	pass_ms(65000 - TOOL_QUEUE_RETRY_MS + 1);
	tool_queue_worker_gone(rig.queue, &rig.workers[0]);
	assert_answer("c", "call_a", "lost", NULL);
}

static void
a_worker_that_ends_politely_gets_its_jobs_taken_away(void **state)
{
	(void)state;
	rig.tool.read_only = true;
	worker_up(0);
	request("c", "call_a");
	worker_up(1);
	result(0, last_job(), "lost", "the toolworker was ended");
	assert_ptr_equal(last(MESSAGE_JOB_RUN)->worker, &rig.workers[1]);
	tool_queue_worker_gone(rig.queue, &rig.workers[0]);
	result(1, last_job(), "ok", "Hay 12.");
	assert_answer("c", "call_a", "ok", "Hay 12.");
}

static void
jobs_go_to_the_worker_with_the_fewest(void **state)
{
	(void)state;
	worker_up(0);
	worker_up(1);
	request("c", "call_a");
	request("c", "call_b");
	request("c", "call_c");
	assert_ptr_equal(rig.sent[0].worker, &rig.workers[0]);
	assert_ptr_equal(rig.sent[1].worker, &rig.workers[1]);
	assert_ptr_equal(rig.sent[2].worker, &rig.workers[0]);
	tool_queue_worker_drain(rig.queue, &rig.workers[1]);
	request("c", "call_d");
	request("c", "call_e");
	assert_int_equal(rig.sent_count, 5);
	assert_ptr_equal(rig.sent[3].worker, &rig.workers[0]);
	assert_ptr_equal(rig.sent[4].worker, &rig.workers[0]);
}

static void
a_worker_that_drains_before_its_hello_gets_no_jobs(void **state)
{
	(void)state;
	tool_queue_worker_drain(rig.queue, &rig.workers[0]);
	worker_up(0);
	request("c", "call_a");
	assert_counts(1, 0, 1);
	tool_queue_worker_gone(rig.queue, &rig.workers[0]);
	worker_up(0);
	assert_counts(0, 1, 1);
}

static void
a_worker_that_cannot_be_told_is_passed_over(void **state)
{
	(void)state;
	worker_up(0);
	worker_up(1);
	rig.workers[0].send_error = -ENOBUFS;
	request("c", "call_a");
	assert_ptr_equal(last(MESSAGE_JOB_RUN)->worker, &rig.workers[1]);
	assert_counts(0, 1, 2);
}

static void
arguments_that_fit_no_message_are_the_model_s_to_shorten(void **state)
{
	(void)state;
	worker_up(0);
	rig.workers[0].send_error = -EMSGSIZE;
	request("c", "call_a");
	assert_answer("c", "call_a", "invalid_arguments", NULL);
	assert_counts(0, 0, 1);
	rig.workers[0].send_error = -ENOMEM;
	request("c", "call_b");
	assert_answer("c", "call_b", "internal", "Se perdió.");
}

static void
a_stranger_s_result_changes_nothing(void **state)
{
	(void)state;
	worker_up(0);
	worker_up(1);
	request("c", "call_a");
	result(1, "c/call_a", "ok", "mentira");
	result(0, "c/unknown", "ok", "nada");
	result(0, "", "ok", "nada");
	assert_unanswered("call_a");
	tool_queue_worker_gone(rig.queue, &rig.workers[1]);
	result(0, "c/call_a", "ok", "Hay 12.");
	assert_answer("c", "call_a", "ok", "Hay 12.");
}

/* -- too much -------------------------------------------------------------------- */

static void
too_many_requests_are_busy_at_once(void **state)
{
	char call[32];

	(void)state;
	rig.tool.target = "${argument:router}";
	for (int i = 0; i < TOOL_QUEUE_CALL_MAX; i++) {
		snprintf(call, sizeof(call), "call_%d", i);
		request("greedy", call);
	}
	request("greedy", "one_more");
	assert_answer("greedy", "one_more", "busy", "Ocupado.");
	for (int i = 0; i < TOOL_QUEUE_MAX - TOOL_QUEUE_CALL_MAX; i++) {
		char router[16];

		snprintf(call, sizeof(call), "c%d", i);
		snprintf(router, sizeof(router), "r%d", i % 8);
		ask(call, "call_a", "cuántos", router);
	}
	assert_counts(TOOL_QUEUE_MAX, 0, 0);
	request("late", "call_z");
	assert_answer("late", "call_z", "busy", "Ocupado.");
}

static void
a_worker_gets_no_more_than_it_can_run(void **state)
{
	char call[32], job[64];

	(void)state;
	worker_up(0);
	for (int i = 0; i < TOOL_QUEUE_WORKER_MAX + 3; i++) {
		snprintf(call, sizeof(call), "c%d", i);
		request(call, "a");
	}
	assert_counts(3, TOOL_QUEUE_WORKER_MAX, 1);
	/* First come, first served. */
	result(0, "c5/a", "ok", "");
	snprintf(job, sizeof(job), "c%d/a", TOOL_QUEUE_WORKER_MAX);
	assert_string_equal(
	    json_string(last(MESSAGE_JOB_RUN)->body, "id"), job);
	/* A cancelled job keeps its place until the worker confirms. */
	cancel("c6", "a");
	assert_counts(2, TOOL_QUEUE_WORKER_MAX, 1);
	result(0, "c6/a", "cancelled", "");
	assert_counts(1, TOOL_QUEUE_WORKER_MAX, 1);
}

/* -- taking back ------------------------------------------------------------------ */

static void
a_cancelled_request_is_answered_once(void **state)
{
	(void)state;
	worker_up(0);
	request("c", "call_a");
	cancel("c", "call_a");
	assert_answer("c", "call_a", "cancelled", "");
	cancel("c", "call_a");
	cancel("c", "unknown");
	assert_int_equal(count(MESSAGE_JOB_CANCEL, "id", "c/call_a"), 1);
	result(0, "c/call_a", "cancelled", "cancelled");
	assert_answer("c", "call_a", "cancelled", "");
	assert_counts(0, 0, 1);
}

static void
a_hang_up_cancels_the_call_s_jobs_only(void **state)
{
	(void)state;
	worker_up(0);
	request("c", "call_a");
	request("d", "call_b");
	tool_queue_worker_drain(rig.queue, &rig.workers[0]);
	request("c", "call_c");
	assert_counts(1, 2, 1);
	tool_queue_end_call(rig.queue, "c");
	assert_counts(0, 2, 1);
	assert_int_equal(count(MESSAGE_JOB_CANCEL, "id", "c/call_a"), 1);
	result(0, "c/call_a", "cancelled", "");
	result(0, "d/call_b", "ok", "Hay 12.");
	assert_unanswered("call_a");
	assert_unanswered("call_c");
	assert_answer("d", "call_b", "ok", "Hay 12.");
	assert_counts(0, 0, 1);
}

/* -- a new supervisor -------------------------------------------------------------- */

static void
a_repeated_request_does_not_run_twice(void **state)
{
	(void)state;
	worker_up(0);
	request("c", "call_a");
	request("c", "call_a");
	assert_int_equal(count(MESSAGE_JOB_RUN, "id", "c/call_a"), 1);
	result(0, "c/call_a", "ok", "Hay 12.");
	assert_answer("c", "call_a", "ok", "Hay 12.");
	/* Nor when the answer has gone already: the same one again. */
	request("c", "call_a");
	assert_int_equal(count(MESSAGE_JOB_RUN, "id", "c/call_a"), 1);
	assert_int_equal(count(MESSAGE_TOOL_RESULT, "output", "Hay 12."), 2);
	/* That is forgotten one day. */
	pass_ms(TOOL_QUEUE_ANSWERS_MS);
	assert_true(rig.armed_ms == UINT64_MAX);
	request("c", "call_a");
	assert_int_equal(count(MESSAGE_JOB_RUN, "id", "c/call_a"), 2);
}

static void
a_running_job_is_claimed_by_its_repeated_request(void **state)
{
	(void)state;
	worker_says(0, MESSAGE_STATE,
	    "{\"state\":\"busy\",\"jobs\":[\"c/call_a\",7,\"\"]}");
	assert_counts(0, 1, 1);
	pass_ms(2000);
	request("c", "call_a");
	assert_counts(0, 1, 1);
	assert_int_equal(count(MESSAGE_JOB_RUN, "id", "c/call_a"), 0);
	result(0, "c/call_a", "ok", "Hay 12.");
	assert_answer("c", "call_a", "ok", "Hay 12.");
}

static void
the_state_may_come_after_the_repeated_request(void **state)
{
	(void)state;
	request("c", "call_a");
	worker_says(0, MESSAGE_STATE, "{\"jobs\":[\"c/call_a\"]}");
	assert_int_equal(count(MESSAGE_JOB_RUN, "id", "c/call_a"), 0);
	assert_counts(0, 1, 1);
	result(0, "c/call_a", "ok", "Hay 12.");
	assert_answer("c", "call_a", "ok", "Hay 12.");
}

static void
a_result_from_before_finds_the_request_that_is_repeated(void **state)
{
	(void)state;
	result(0, "c/call_a", "refused", "no hay tal router");
	worker_says(0, MESSAGE_STATE, "{\"jobs\":[]}");
	pass_ms(1000);
	request("c", "call_a");
	assert_int_equal(count(MESSAGE_JOB_RUN, "id", "c/call_a"), 0);
	assert_answer(
	    "c", "call_a", "refused", "Dice: no hay tal router Eso dice.");
	/* The other order. */
	rig.workers[1].send_error = -ENOTCONN;
	tool_queue_worker_drain(rig.queue, &rig.workers[0]);
	request("c", "call_b");
	result(0, "c/call_b", "ok", "Hay 12.");
	assert_answer("c", "call_b", "ok", "Hay 12.");
}

static void
a_job_that_nobody_claims_is_cancelled(void **state)
{
	(void)state;
	worker_says(0, MESSAGE_STATE, "{\"jobs\":[\"gone/call_a\"]}");
	pass_ms(TOOL_QUEUE_CLAIM_MS - 1);
	assert_int_equal(count(MESSAGE_JOB_CANCEL, "id", "gone/call_a"), 0);
	pass_ms(1);
	assert_int_equal(count(MESSAGE_JOB_CANCEL, "id", "gone/call_a"), 1);
	/* Too late now, but not without an answer. */
	request("gone", "call_a");
	assert_answer("gone", "call_a", "cancelled", NULL);
	result(0, "gone/call_a", "cancelled", "");
	assert_counts(0, 0, 1);
}

static void
an_unclaimed_job_goes_with_its_worker(void **state)
{
	(void)state;
	worker_says(0, MESSAGE_STATE, "{\"jobs\":[\"c/a\",\"c/b\"]}");
	request("c", "a");
	cancel("c", "a");
	assert_counts(0, 2, 1);
	tool_queue_worker_gone(rig.queue, &rig.workers[0]);
	assert_counts(0, 0, 0);
	assert_answer("c", "a", "cancelled", NULL);
}

/* -- after another supervisor ------------------------------------------------ */

static void
what_may_run_already_waits_until_all_have_said_what_they_run(void **state)
{
	char job[32], text[256];

	(void)state;
	/* Worker 0 may be at it; worker 1 is new. */
	tool_queue_expect(rig.queue, &rig.workers[0]);
	worker_up(1);
	request("17.4", "a");
	assert_int_equal(count_runs(), 0);
	/* Nor what only reads, though it would do no harm. */
	rig.tool.read_only = true;
	request("17.5", "b");
	assert_int_equal(count_runs(), 0);
	rig.tool.read_only = false;
	snprintf(job, sizeof(job), "%s", "17.4/a");
	snprintf(text, sizeof(text),
	    "{\"state\":\"busy\",\"why\":\"sync\",\"jobs\":[\"%s\"]}", job);
	worker_says(0, MESSAGE_STATE, text);
	assert_int_equal(count_runs(), 1);
	result(0, job, "ok", "Hecho.");
	assert_answer("17.4", "a", "ok", "Hecho.");
	assert_int_equal(count_runs(), 1);
}

static void
what_nobody_runs_is_run_once_all_have_said_so(void **state)
{
	(void)state;
	tool_queue_expect(rig.queue, &rig.workers[0]);
	worker_up(1);
	request("17.4", "a");
	assert_int_equal(count_runs(), 0);
	/* That one was told to go, and gets nothing. */
	worker_says(0, MESSAGE_STATE,
	    "{\"state\":\"draining\",\"why\":\"sync\",\"jobs\":[]}");
	assert_int_equal(count_runs(), 1);
	assert_ptr_equal(last(MESSAGE_JOB_RUN)->worker, &rig.workers[1]);
	/* Alone it would be no help to anybody. */
	tool_queue_worker_gone(rig.queue, &rig.workers[1]);
	request("17.5", "b");
	assert_int_equal(count_runs(), 1);
}

static void
new_supervisor(void)
{
	tool_queue_free(&rig.queue);
	forget_sent();
	assert_int_equal(start_queue(), 0);
	worker_up(0);
}

/* Its worker died with the supervisor, or its result did. */
static void
what_was_begun_and_is_not_read_only_is_not_begun_again(void **state)
{
	(void)state;
	assert_int_equal(tool_holds_new(&rig.holds, -1, fake_now_ms), 0);
	new_supervisor();
	request("17.4", "a");
	assert_int_equal(count_runs(), 1);
	rig.tool.read_only = true;
	request("17.4", "b");
	assert_int_equal(count_runs(), 2);
	new_supervisor();
	request("17.4", "b");
	assert_int_equal(count_runs(), 1);
	rig.tool.read_only = false;
	request("17.4", "a");
	assert_int_equal(count_runs(), 1);
	assert_answer("17.4", "a", "lost", "Se perdió.");
	/* Another one is asked for, and runs. */
	request("17.4", "c");
	assert_int_equal(count_runs(), 2);
	tool_queue_free(&rig.queue);
	tool_holds_free(&rig.holds);
}

static void
what_could_not_be_sent_was_not_begun(void **state)
{
	(void)state;
	assert_int_equal(tool_holds_new(&rig.holds, -1, fake_now_ms), 0);
	new_supervisor();
	rig.workers[0].send_error = -ENOTCONN;
	request("17.4", "a");
	assert_int_equal(count_runs(), 0);
	worker_up(1);
	assert_int_equal(count_runs(), 1);
	tool_queue_free(&rig.queue);
	tool_holds_free(&rig.holds);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    queue_test(an_answer_comes_back_to_its_call),
	    queue_test(every_failure_gets_its_sentence),
	    queue_test(the_model_is_told_what_to_correct),
	    queue_test(a_request_without_an_id_is_the_peer_s_fault),
	    queue_test(long_and_ambiguous_ids_still_find_their_way),
	    queue_test(an_answer_that_fits_no_message_is_an_honest_failure),
	    queue_test(the_deadline_is_the_question_s_timeout_and_five_seconds),
	    queue_test(a_result_after_the_deadline_is_not_said),
	    queue_test(a_worker_that_does_not_confirm_a_cancel_is_stuck),
	    queue_test(
		every_ten_seconds_the_call_hears_that_it_is_not_forgotten),
	    queue_test(progress_of_the_job_is_passed_on),
	    queue_test(a_request_waits_for_a_worker_but_not_for_ever),
	    queue_test(a_read_only_job_is_run_once_more),
	    queue_test(no_second_run_without_time_for_it),
	    queue_test(a_worker_that_ends_politely_gets_its_jobs_taken_away),
	    queue_test(jobs_go_to_the_worker_with_the_fewest),
	    queue_test(a_worker_that_drains_before_its_hello_gets_no_jobs),
	    queue_test(a_worker_that_cannot_be_told_is_passed_over),
	    queue_test(
		arguments_that_fit_no_message_are_the_model_s_to_shorten),
	    queue_test(a_stranger_s_result_changes_nothing),
	    queue_test(too_many_requests_are_busy_at_once),
	    queue_test(a_worker_gets_no_more_than_it_can_run),
	    queue_test(a_cancelled_request_is_answered_once),
	    queue_test(a_hang_up_cancels_the_call_s_jobs_only),
	    queue_test(a_repeated_request_does_not_run_twice),
	    queue_test(a_running_job_is_claimed_by_its_repeated_request),
	    queue_test(the_state_may_come_after_the_repeated_request),
	    queue_test(a_result_from_before_finds_the_request_that_is_repeated),
	    queue_test(a_job_that_nobody_claims_is_cancelled),
	    queue_test(an_unclaimed_job_goes_with_its_worker),
	    queue_test(
		what_may_run_already_waits_until_all_have_said_what_they_run),
	    queue_test(what_nobody_runs_is_run_once_all_have_said_so),
	    queue_test(what_was_begun_and_is_not_read_only_is_not_begun_again),
	    queue_test(what_could_not_be_sent_was_not_begun),
	};

	return cmocka_run_group_tests_name("tool_queue", tests, NULL, NULL);
}
