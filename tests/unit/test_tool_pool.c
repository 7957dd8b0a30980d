/* SPDX-License-Identifier: MIT */
/*
 * test_tool_pool.c – many calls, many workers: merging, cache, turns,
 * bulkheads, and one answer each in any disorder.
 */
#include "tests/unit/tool_queue_rig.h"

enum {
	CALLERS = 50,
};

static const char *
call_name(int i)
{
	static char name[16];

	snprintf(name, sizeof(name), "c%d", i);
	return name;
}

static int
set_up_read_only(void **state)
{
	int ret = set_up(state);

	rig.tool.read_only = true;
	return ret;
}

/* -- merging --------------------------------------------------------------- */

static void
fifty_callers_with_one_question_cost_one_run(void **state)
{
	(void)state;
	for (int i = 0; i < WORKERS; i++)
		worker_up(i);
	for (int i = 0; i < CALLERS; i++)
		ask(call_name(i), "a", "¿Cuántos?", NULL);
	assert_int_equal(count_runs(), 1);
	assert_counts(0, 1, WORKERS);
	worker_says(0, MESSAGE_JOB_PROGRESS, "{\"id\":\"x\"}");
	result(0, last_job(), "ok", "Hay 12.");
	for (int i = 0; i < CALLERS; i++)
		assert_answer(call_name(i), "a", "ok", "Hay 12.");
	assert_counts(0, 0, WORKERS);
	/* What is not cached runs again for the next one. */
	ask("late", "a", "¿Cuántos?", NULL);
	assert_int_equal(count_runs(), 2);
}

static void
the_order_of_arguments_does_not_matter_their_values_do(void **state)
{
	(void)state;
	worker_up(0);
	request_named(
	    "a", "1", "consultar", "{\"question\":\"abc\",\"timeout\":20}");
	request_named(
	    "b", "1", "consultar", "{\"timeout\":20, \"question\":\"abc\"}");
	assert_int_equal(count_runs(), 1);
	request_named(
	    "c", "1", "consultar", "{\"timeout\":21,\"question\":\"abc\"}");
	request_named(
	    "d", "1", "consultar", "{\"timeout\":20,\"question\":\"abd\"}");
	assert_int_equal(count_runs(), 3);
	/* A default is the same, said or not, and the job gets it. */
	request_named("f", "1", "consultar", "{\"question\":\"abe\"}");
	assert_int_equal(count_runs(), 4);
	assert_int_equal(
	    json_int(json_object(last(MESSAGE_JOB_RUN)->body, "arguments"),
		"timeout", 0),
	    60);
	request_named(
	    "g", "1", "consultar", "{\"timeout\":60,\"question\":\"abe\"}");
	assert_int_equal(count_runs(), 4);
	/* Nor do calls share that have other settings (SIGHUP). */
	cJSON_AddStringToObject(rig.settings, "url", "http://new");
	request_named(
	    "e", "1", "consultar", "{\"timeout\":20,\"question\":\"abc\"}");
	assert_int_equal(count_runs(), 5);
}

static void
what_writes_is_never_merged(void **state)
{
	(void)state;
	rig.tool.read_only = false;
	rig.tool.cache_s = 60;
	worker_up(0);
	ask("a", "1", "abc", NULL);
	ask("b", "1", "abc", NULL);
	assert_int_equal(count_runs(), 2);
	result(0, "a/1", "ok", "Hecho.");
	ask("c", "1", "abc", NULL);
	assert_int_equal(count_runs(), 3);
}

static void
what_depends_on_who_asks_is_never_merged_but_retried(void **state)
{
	(void)state;
	rig.tool.personal = true;
	rig.tool.cache_s = 60;
	worker_up(0);
	ask("a", "1", "abc", NULL);
	ask("b", "1", "abc", NULL);
	assert_int_equal(count_runs(), 2);
	result(0, "a/1", "ok", "La cuenta de a.");
	assert_answer("a", "1", "ok", "La cuenta de a.");
	ask("c", "1", "abc", NULL);
	assert_int_equal(count_runs(), 3);
	result(0, "c/1", "lost", "died");
	worker_up(1);
	assert_int_equal(count_runs(), 4);
}

static void
a_job_lives_as_long_as_somebody_waits_for_it(void **state)
{
	const char *job;

	(void)state;
	worker_up(0);
	ask("a", "1", "abc", NULL);
	job = last_job();
	ask("b", "1", "abc", NULL);
	ask("c", "1", "abc", NULL);
	tool_queue_end_call(rig.queue, "a");
	cancel("b", "1");
	assert_answer("b", "1", "cancelled", NULL);
	assert_int_equal(count(MESSAGE_JOB_CANCEL, "id", job), 0);
	tool_queue_end_call(rig.queue, "c");
	assert_int_equal(count(MESSAGE_JOB_CANCEL, "id", job), 1);
	/* The next one who asks does not get what was given up. */
	ask("d", "1", "abc", NULL);
	assert_int_equal(count_runs(), 2);
	assert_string_not_equal(last_job(), job);
	result(0, job, "ok", "de antes");
	assert_int_equal(count(MESSAGE_TOOL_RESULT, "output", "de antes"), 0);
	result(0, last_job(), "ok", "Hay 12.");
	assert_answer("d", "1", "ok", "Hay 12.");
	assert_counts(0, 0, 1);
}

static void
each_waits_its_own_time_and_hears_the_progress(void **state)
{
	char progress[160];

	(void)state;
	worker_up(0);
	ask("a", "1", "abc", NULL);
	snprintf(progress, sizeof(progress),
	    "{\"id\":\"%s\",\"text\":\"3 de 5\"}", last_job());
	pass_ms(20000);
	ask("b", "1", "abc", NULL);
	assert_int_equal(count_runs(), 1);
	worker_says(0, MESSAGE_JOB_PROGRESS, progress);
	assert_int_equal(count(MESSAGE_TOOL_PROGRESS, "text", "3 de 5"), 2);
	/* More than half of the time has gone: that run is too old. */
	pass_ms(13000);
	ask("c", "1", "abc", NULL);
	assert_int_equal(count_runs(), 2);
	pass_ms(32000);
	assert_answer("a", "1", "timeout", NULL);
	assert_int_equal(count(MESSAGE_TOOL_RESULT, "call", "b"), 0);
	pass_ms(20000);
	assert_answer("b", "1", "timeout", NULL);
	assert_int_equal(count(MESSAGE_TOOL_RESULT, "call", "c"), 0);
}

/* What CALL was told last of how its one request goes. */
static const cJSON *
progress_of(const char *call)
{
	for (size_t i = rig.sent_count; i > 0; i--) {
		if (rig.sent[i - 1].type == MESSAGE_TOOL_PROGRESS &&
		    strcmp(rig.sent[i - 1].call, call) == 0)
			return rig.sent[i - 1].body;
	}
	fail_msg("%s was not told", call);
	return NULL;
}

static void
say_progress(int worker, const char *job, const char *members)
{
	char text[256];

	snprintf(text, sizeof(text), "{\"id\":\"%s\",%s}", job, members);
	worker_says(worker, MESSAGE_JOB_PROGRESS, text);
}

static void
counts_reach_everyone_who_waits_and_who_joins(void **state)
{
	size_t before;

	(void)state;
	worker_up(0);
	ask("a", "1", "abc", NULL);
	ask("b", "1", "abc", NULL);
	say_progress(0, last_job(), "\"done\":2,\"total\":5,\"text\":\"x\"");
	for (int i = 0; i < 2; i++) {
		const cJSON *body = progress_of(i == 0 ? "a" : "b");

		assert_int_equal(json_int(body, "done", -1), 2);
		assert_int_equal(json_int(body, "total", -1), 5);
		assert_string_equal(json_string(body, "text"), "x");
	}
	/* Who comes later knows as much, and waits since he came. */
	pass_ms(4000);
	before = rig.sent_count;
	ask("c", "1", "abc", NULL);
	assert_int_equal(rig.sent_count, before + 1);
	assert_int_equal(json_int(progress_of("c"), "done", -1), 2);
	assert_int_equal(json_int(progress_of("c"), "elapsed_ms", -1), 0);
	/* So does the reminder after ten seconds. */
	pass_ms(6000);
	assert_int_equal(json_int(progress_of("a"), "elapsed_ms", -1), 10000);
	assert_int_equal(json_int(progress_of("a"), "done", -1), 2);
	result(0, last_job(), "ok", "Hay 12.");
}

static void
a_second_run_knows_nothing_of_the_first_one_s_progress(void **state)
{
	(void)state;
	worker_up(0);
	worker_up(1);
	ask("a", "1", "abc", NULL);
	say_progress(0, last_job(), "\"done\":2,\"total\":5");
	tool_queue_worker_gone(rig.queue, &rig.workers[0]);
	assert_int_equal(count_runs(), 2);
	ask("b", "1", "abc", NULL);
	assert_int_equal(count(MESSAGE_TOOL_PROGRESS, "call", "b"), 0);
	result(1, last_job(), "ok", "Hay 12.");
}

static void
counts_without_sense_are_unknown(void **state)
{
	static const struct {
		const char *members;
		int done, total;
	} rows[] = {
	    {"\"done\":-1,\"total\":5", -1, -1},
	    {"\"done\":6,\"total\":5", 6, -1},
	    {"\"done\":\"2\",\"total\":5", -1, -1},
	    {"\"total\":5", -1, -1},
	    {"\"done\":1e300,\"total\":1e300", -1, -1},
	    {"\"done\":0,\"total\":0", 0, 0},
	    {"\"done\":3", 3, -1},
	};

	(void)state;
	worker_up(0);
	ask("a", "1", "abc", NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		say_progress(0, last_job(), rows[i].members);
		assert_int_equal(
		    json_int(progress_of("a"), "done", -1), rows[i].done);
		assert_int_equal(
		    json_int(progress_of("a"), "total", -1), rows[i].total);
	}
	result(0, last_job(), "ok", "Hay 12.");
}

static void
a_lost_job_is_run_once_more_for_all(void **state)
{
	(void)state;
	worker_up(0);
	worker_up(1);
	for (int i = 0; i < CALLERS; i++)
		ask(call_name(i), "a", "abc", NULL);
	tool_queue_worker_gone(rig.queue, &rig.workers[0]);
	assert_int_equal(count_runs(), 2);
	assert_ptr_equal(last(MESSAGE_JOB_RUN)->worker, &rig.workers[1]);
	tool_queue_worker_gone(rig.queue, &rig.workers[1]);
	for (int i = 0; i < CALLERS; i++)
		assert_answer(call_name(i), "a", "lost", "Se perdió.");
}

/* -- the cache --------------------------------------------------------------- */

static void
an_answer_serves_for_a_while_and_says_how_old_it_is(void **state)
{
	(void)state;
	rig.tool.cache_s = 30;
	rig.tool.stale = "(dato de hace {seconds} segundos)";
	worker_up(0);
	ask("a", "1", "abc", NULL);
	result(0, last_job(), "ok", "Hay 12.");
	pass_ms(999);
	ask("b", "1", "abc", NULL);
	assert_answer("b", "1", "ok", "Hay 12.");
	pass_ms(11001);
	ask("c", "1", "abc", NULL);
	assert_answer("c", "1", "ok", "Hay 12. (dato de hace 12 segundos)");
	/* Said again, it is the same. */
	pass_ms(5000);
	ask("c", "1", "abc", NULL);
	assert_int_equal(count(MESSAGE_TOOL_RESULT, "output",
			     "Hay 12. (dato de hace 12 segundos)"),
	    2);
	assert_int_equal(count_runs(), 1);
	pass_ms(13000);
	ask("d", "1", "abc", NULL);
	assert_int_equal(count_runs(), 2);
}

static void
failures_are_not_cached(void **state)
{
	static const char *const statuses[] = {
	    "timeout", "refused", "busy", "internal", "unreachable"};

	(void)state;
	rig.tool.cache_s = 30;
	worker_up(0);
	for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
		ask(call_name((int)i), "1", "abc", NULL);
		assert_int_equal(count_runs(), i + 1);
		result(0, last_job(), statuses[i], "x");
		assert_answer(call_name((int)i), "1", statuses[i], NULL);
	}
}

/* -- turns -------------------------------------------------------------------- */

/* The place at which a call's only job was run, counted from 1. */
static size_t
place_of(const char *question)
{
	size_t place = 0;

	for (size_t i = 0; i < rig.sent_count; i++) {
		if (rig.sent[i].type != MESSAGE_JOB_RUN)
			continue;
		place++;
		if (strcmp(
			json_string(json_object(rig.sent[i].body, "arguments"),
			    "question"),
			question) == 0)
			return place;
	}
	return 0;
}

static void
a_call_that_asks_one_thing_is_next_to_one_that_asks_twenty(void **state)
{
	char text[32];

	(void)state;
	rig.tool.target_limit = 1;
	worker_up(0);
	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "muchas %d", i);
		ask("greedy", text, text, NULL);
	}
	ask("modest", "1", "una sola", NULL);
	ask("modest2", "1", "otra sola", NULL);
	while (tool_queue_count(rig.queue).running > 0)
		result(0, last_job(), "ok", "x");
	assert_int_equal(count_runs(), 22);
	/* One was running already. */
	assert_int_equal(place_of("una sola"), 2);
	assert_int_equal(place_of("otra sola"), 3);
	assert_int_equal(place_of("muchas 1"), 4);
	assert_int_equal(place_of("muchas 19"), 22);
}

static void
two_that_ask_much_take_turns(void **state)
{
	char text[32];

	(void)state;
	rig.tool.target_limit = 1;
	worker_up(0);
	for (int i = 0; i < 10; i++) {
		snprintf(text, sizeof(text), "uno %d", i);
		ask("a", text, text, NULL);
	}
	for (int i = 0; i < 10; i++) {
		snprintf(text, sizeof(text), "dos %d", i);
		ask("b", text, text, NULL);
	}
	while (tool_queue_count(rig.queue).running > 0)
		result(0, last_job(), "ok", "x");
	for (int i = 0; i < 10; i++) {
		snprintf(text, sizeof(text), "uno %d", i);
		assert_int_equal(place_of(text), 2 * i + 1);
		snprintf(text, sizeof(text), "dos %d", i);
		assert_int_equal(place_of(text), 2 * i + 2);
	}
}

/* -- bulkheads ------------------------------------------------------------------ */

enum {
	ROUTERS = 50,
	HEALTHY_MS = 200,
	STEP_MS = 50,
	RUN_MS = 90000,
};

/* Answers what has been with a worker for HEALTHY_MS, but not of DEAD. */
static void
routers_answer(const char *dead, const uint64_t *sent_ms, size_t *done)
{
	for (size_t i = 0; i < rig.sent_count; i++) {
		const struct sent *sent = &rig.sent[i];

		if (sent->type == MESSAGE_JOB_CANCEL && !done[i]) {
			done[i] = 1;
			result(sent->worker->number,
			    json_string(sent->body, "id"), "cancelled", "");
		}
		if (sent->type != MESSAGE_JOB_RUN || done[i] ||
		    rig.now_ms < sent_ms[i] + HEALTHY_MS ||
		    strcmp(json_string(
			       json_object(sent->body, "arguments"), "router"),
			dead) == 0)
			continue;
		done[i] = 1;
		result(sent->worker->number, json_string(sent->body, "id"),
		    "ok", "Bien.");
	}
}

struct latency {
	uint64_t worst_ms, sum_ms;
	size_t answers, asked, others; /* of the healthy; others: not ok */
};

/* Adds what was answered since message FROM. */
static void
look_at_answers(struct latency *latency, size_t from, const uint64_t *asked_ms)
{
	for (size_t i = from; i < rig.sent_count; i++) {
		const cJSON *body = rig.sent[i].body;
		int serial = atoi(json_string(body, "id") + 1);
		uint64_t ms;

		if (rig.sent[i].type != MESSAGE_TOOL_RESULT ||
		    json_string(body, "id")[0] != 'h')
			continue;
		ms = rig.now_ms - asked_ms[serial];
		latency->answers++;
		latency->sum_ms += ms;
		latency->others +=
		    strcmp(json_string(body, "status"), "ok") != 0;
		if (ms > latency->worst_ms)
			latency->worst_ms = ms;
	}
}

/*
 * Fifty routers, two callers at a time asking each; of one of them everybody
 * always wants to know something more, four times a second.
 */
static struct latency
ask_fifty_routers(const char *dead)
{
	static uint64_t sent_ms[SENT_MAX], asked_ms[SENT_MAX];
	static size_t done[SENT_MAX];
	struct latency latency = {0};
	size_t known = 0;

	memset(done, 0, sizeof(done));
	for (int ms = 0; ms < RUN_MS; ms += STEP_MS) {
		char text[32], id[32], router[16];
		int turn = ms / STEP_MS;
		size_t from = rig.sent_count;

		if (turn % 5 == 0) { /* every 250 ms, one of the 49 … */
			int number = 1 + turn / 5 % (ROUTERS - 1);

			asked_ms[latency.asked] = rig.now_ms;
			snprintf(id, sizeof(id), "h%zu", latency.asked++);
			snprintf(router, sizeof(router), "r%d", number);
			snprintf(text, sizeof(text), "sano %d", turn);
			ask(call_name(number), id, text, router);
			/* … and the one. */
			snprintf(id, sizeof(id), "d%d", turn);
			ask(call_name(100 + turn / 5 % 40), id, text, "r0");
		}
		look_at_answers(&latency, from, asked_ms);
		for (; known < rig.sent_count; known++)
			sent_ms[known] = rig.now_ms;
		pass_ms(STEP_MS);
		from = rig.sent_count;
		routers_answer(dead, sent_ms, done);
		look_at_answers(&latency, from, asked_ms);
		for (; known < rig.sent_count; known++)
			sent_ms[known] = rig.now_ms;
	}
	return latency;
}

static void
one_dead_target_does_not_delay_the_healthy_ones(void **state)
{
	struct latency healthy, troubled;

	(void)state;
	rig.tool.target = "${argument:router}";
	rig.tool.target_limit = 0;
	for (int i = 0; i < WORKERS; i++)
		worker_up(i);
	healthy = ask_fifty_routers("none");
	tear_down(state);
	set_up_read_only(state);
	rig.tool.target = "${argument:router}";
	rig.tool.target_limit = 0;
	for (int i = 0; i < WORKERS; i++)
		worker_up(i);
	troubled = ask_fifty_routers("r0");
	print_message("49 healthy targets, all alive: %zu answers, mean %llu "
		      "ms, worst %llu ms; one dead: %zu answers, mean %llu "
		      "ms, worst %llu ms\n",
	    healthy.answers,
	    (unsigned long long)(healthy.sum_ms / healthy.answers),
	    (unsigned long long)healthy.worst_ms, troubled.answers,
	    (unsigned long long)(troubled.sum_ms / troubled.answers),
	    (unsigned long long)troubled.worst_ms);
	assert_int_equal(healthy.others, 0);
	assert_int_equal(troubled.others, 0);
	assert_int_equal(troubled.answers, healthy.answers);
	assert_int_equal(troubled.sum_ms, healthy.sum_ms);
	assert_int_equal(troubled.worst_ms, healthy.worst_ms);
	assert_true(troubled.worst_ms <= HEALTHY_MS + STEP_MS);
	/* The dead one did have its part, all of it. */
	assert_true(tool_queue_count(rig.queue).running >=
		    WORKERS * TOOL_QUEUE_WORKER_MAX / TOOL_QUEUE_SHARE);
}

static void
a_target_gets_its_part_and_no_more(void **state)
{
	char text[32];

	(void)state;
	rig.tool.target = "${argument:router}";
	rig.tool.target_limit = 0;
	for (int i = 0; i < WORKERS; i++)
		worker_up(i);
	for (int i = 0; i < CALLERS; i++) {
		snprintf(text, sizeof(text), "abc %d", i);
		ask(call_name(i), "1", text, "r1");
	}
	assert_counts(CALLERS - 32, 32, WORKERS);
	ask("x", "1", "abc", "r2");
	assert_counts(CALLERS - 32, 33, WORKERS);
	rig.tool.target_limit = 2;
	for (int i = 0; i < CALLERS; i++) {
		snprintf(text, sizeof(text), "abc %d", i);
		ask(call_name(i), "2", text, "r3");
	}
	assert_counts(CALLERS - 32 + CALLERS - 2, 35, WORKERS);
}

static void
a_target_that_too_many_ask_is_busy_others_are_not(void **state)
{
	char text[32], id[16];

	(void)state;
	rig.tool.target = "${argument:router}";
	for (int i = 0; i < TOOL_QUEUE_TARGET_MAX + 1; i++) {
		snprintf(text, sizeof(text), "abc %d", i);
		snprintf(id, sizeof(id), "i%d", i);
		ask(call_name(i % 50), id, text, "dead");
	}
	assert_answer("c6", "i256", "busy", "Ocupado.");
	assert_unanswered("i255");
	/* Who asks what is asked already may wait with the others. */
	ask("x", "1", "abc 5", "dead");
	ask("x", "2", "abc", "alive");
	assert_unanswered("1");
	assert_unanswered("2");
}

/* A question that nobody has asked yet. */
static void
ask_another(const char *call, int number)
{
	char text[32];

	snprintf(text, sizeof(text), "otra %d", number);
	ask(call, text, text, NULL);
}

/* -- exclusive jobs --------------------------------------------------------------- */

static void
an_exclusive_job_has_a_worker_for_itself(void **state)
{
	struct worker *alone;

	(void)state;
	rig.tool.exclusive = true;
	worker_up(0);
	worker_up(1);
	ask("a", "1", "abc", NULL);
	alone = last(MESSAGE_JOB_RUN)->worker;
	rig.tool.exclusive = false;
	for (int i = 0; i < 4; i++) {
		ask_another("b", i);
		assert_ptr_not_equal(last(MESSAGE_JOB_RUN)->worker, alone);
	}
	assert_counts(0, 5, 2);
}

static void
an_exclusive_job_gets_its_worker_however_much_else_there_is(void **state)
{
	struct worker *reserved = NULL;

	(void)state;
	worker_up(0);
	worker_up(1);
	for (int i = 0; i < 4; i++)
		ask_another("a", i);
	rig.tool.exclusive = true;
	ask("b", "1", "sola", NULL);
	assert_counts(1, 4, 2);
	rig.tool.exclusive = false;
	/* What comes now goes to one of the two only. */
	for (int i = 4; i < 8; i++) {
		ask_another("c", i);
		if (reserved != NULL)
			assert_ptr_equal(
			    last(MESSAGE_JOB_RUN)->worker, reserved);
		reserved = last(MESSAGE_JOB_RUN)->worker;
	}
	for (size_t i = 0; i < 4; i++) {
		if (rig.sent[i].worker != reserved)
			result(rig.sent[i].worker->number,
			    json_string(rig.sent[i].body, "id"), "ok", "x");
	}
	assert_ptr_not_equal(last(MESSAGE_JOB_RUN)->worker, reserved);
	assert_true(place_of("sola") > 0);
	assert_counts(0, 7, 2);
}

/* -- a new supervisor ---------------------------------------------------------------- */

/* The queue of a new supervisor, with nothing sent so far. */
static void
start_again(void)
{
	struct tool_queue_config config = {
	    .find_tool = fake_find_tool,
	    .send_worker = fake_send_worker,
	    .send_call = fake_send_call,
	    .worker_stuck = fake_stuck,
	    .arm = fake_arm,
	    .now_ms = fake_now_ms,
	};

	tool_queue_free(&rig.queue);
	forget_sent();
	rig.armed_ms = UINT64_MAX;
	assert_int_equal(tool_queue_new(&rig.queue, &config), 0);
}

static void
says_jobs(int number, const char *job)
{
	char text[160];

	snprintf(text, sizeof(text), "{\"jobs\":[\"%s\"]}", job);
	worker_says(number, MESSAGE_STATE, text);
}

/* In which order they are heard: 0 worker first, 1 calls first, 2 between. */
static void
take_over(int order)
{
	char job[TOOL_JOB_ID_SIZE];

	worker_up(0);
	for (int i = 0; i < CALLERS; i++)
		ask(call_name(i), "a", "¿Cuántos?", NULL);
	snprintf(job, sizeof(job), "%s", last_job());
	pass_ms(3000);
	start_again();
	if (order == 0)
		says_jobs(0, job);
	/* Not the first one's: its caller has hung up meanwhile. */
	for (int i = 1; i < CALLERS; i++) {
		if (order == 2 && i == CALLERS / 2)
			says_jobs(0, job);
		ask(call_name(i), "a", "¿Cuántos?", NULL);
	}
	if (order == 1)
		says_jobs(0, job);
	assert_int_equal(count_runs(), 0);
	assert_counts(0, 1, 1);
	result(0, job, "ok", "Hay 12.");
	for (int i = 1; i < CALLERS; i++)
		assert_answer(call_name(i), "a", "ok", "Hay 12.");
	assert_counts(0, 0, 1);
}

static void
a_new_supervisor_takes_over_a_run_with_all_who_wait(void **state)
{
	for (int order = 0; order < 3; order++) {
		take_over(order);
		tear_down(state);
		set_up_read_only(state);
	}
}

/* The new supervisor hears of the run before its caller. */
static void
progress_before_the_claim_is_kept_for_it(void **state)
{
	char job[TOOL_JOB_ID_SIZE];

	(void)state;
	worker_up(0);
	ask("a", "1", "abc", NULL);
	snprintf(job, sizeof(job), "%s", last_job());
	start_again();
	says_jobs(0, job);
	say_progress(0, job, "\"done\":4,\"total\":5");
	assert_int_equal(rig.sent_count, 0);
	ask("a", "1", "abc", NULL);
	assert_int_equal(count_runs(), 0);
	assert_int_equal(json_int(progress_of("a"), "done", -1), 4);
	result(0, job, "ok", "Hay 12.");
	assert_answer("a", "1", "ok", "Hay 12.");
}

static void
a_result_for_many_from_before_is_kept_until_all_have_asked(void **state)
{
	char job[TOOL_JOB_ID_SIZE];

	(void)state;
	worker_up(0);
	ask("a", "1", "abc", NULL);
	ask("b", "1", "abc", NULL);
	snprintf(job, sizeof(job), "%s", last_job());
	start_again();
	worker_up(0);
	result(0, job, "ok", "Hay 12.");
	ask("a", "1", "abc", NULL);
	pass_ms(20000);
	ask("b", "1", "abc", NULL);
	assert_answer("a", "1", "ok", "Hay 12.");
	assert_answer("b", "1", "ok", "Hay 12.");
	assert_int_equal(count_runs(), 0);
	/* Then it is no answer to a question any more. */
	pass_ms(TOOL_QUEUE_CLAIM_MS - 20000);
	ask("c", "1", "abc", NULL);
	assert_int_equal(count_runs(), 1);
}

/* -- whatever happens ---------------------------------------------------------------- */

static unsigned int
dice(unsigned int *seed, unsigned int sides)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 16) % sides;
}

enum {
	EVENTS = 160,
	RANDOM_CALLS = 6,
};

static struct {
	bool requested[EVENTS]; /* … and answered, unless the call ended */
	bool excused[EVENTS];   /* its call has ended */
	size_t repeated[EVENTS];
} story;

/* A call ends: what is open then is never answered. */
static void
random_end(unsigned int call, int serial)
{
	char id[16];

	for (int i = 0; i < serial; i++) {
		snprintf(id, sizeof(id), "%d", i);
		if ((unsigned int)i % RANDOM_CALLS == call &&
		    story.requested[i] &&
		    count(MESSAGE_TOOL_RESULT, "id", id) == 0)
			story.excused[i] = true;
	}
	tool_queue_end_call(rig.queue, call_name((int)call));
}

/* A job that some worker was told to run: what happens to it. */
static void
random_result(unsigned int *seed)
{
	static const char *const statuses[] = {
	    "ok", "ok", "ok", "lost", "cancelled", "timeout", "nonsense"};
	size_t start =
	    rig.sent_count == 0 ? 0 : dice(seed, (unsigned int)rig.sent_count);

	for (size_t i = start; i < rig.sent_count; i++) {
		const struct sent *sent = &rig.sent[i];

		if (sent->type != MESSAGE_JOB_RUN)
			continue;
		result(dice(seed, 8) == 0 ? (int)dice(seed, WORKERS)
					  : sent->worker->number,
		    json_string(sent->body, "id"), statuses[dice(seed, 7)],
		    "x");
		return;
	}
}

static void
random_request(unsigned int *seed, int serial)
{
	char id[16], question[16], router[16];
	/* Some ask what others ask. */
	unsigned int topic = dice(seed, 5);

	rig.tool.cache_s = dice(seed, 3) == 0 ? 5 : 0;
	rig.tool.exclusive = topic == 4;
	snprintf(id, sizeof(id), "%d", serial);
	snprintf(question, sizeof(question), "tema %u", topic);
	snprintf(router, sizeof(router), "r%u", topic % 2);
	ask(call_name(serial % RANDOM_CALLS), id, question, router);
	story.requested[serial] = true;
}

/* The same again, as after a change of supervisors: no second answer, or the
 * same one if it was given already. */
static void
random_repeat(unsigned int *seed, int serial)
{
	int earlier = (int)dice(seed, (unsigned int)serial + 1);
	char id[16];
	size_t before;

	snprintf(id, sizeof(id), "%d", earlier);
	if (!story.requested[earlier] || story.excused[earlier])
		return;
	before = count(MESSAGE_TOOL_RESULT, "id", id);
	if (before > 0)
		return;
	ask(call_name(earlier % RANDOM_CALLS), id, "tema 0", "r0");
	assert_true(count(MESSAGE_TOOL_RESULT, "id", id) <= 1);
}

static void
random_event(unsigned int *seed, int serial)
{
	unsigned int event = dice(seed, 20);
	int number = (int)dice(seed, WORKERS);
	char id[16];

	if (event < 7) {
		random_request(seed, serial);
	} else if (event < 9) {
		worker_up(number);
	} else if (event == 9) {
		tool_queue_worker_gone(rig.queue, &rig.workers[number]);
	} else if (event == 10 && dice(seed, 3) == 0) {
		for (int i = 0; i < WORKERS; i++) /* all at once */
			tool_queue_worker_gone(rig.queue, &rig.workers[i]);
	} else if (event == 11) {
		tool_queue_worker_drain(rig.queue, &rig.workers[number]);
	} else if (event == 12) {
		int earlier = (int)dice(seed, (unsigned int)serial + 1);

		snprintf(id, sizeof(id), "%d", earlier);
		cancel(call_name(earlier % RANDOM_CALLS), id);
	} else if (event == 13) {
		random_end(dice(seed, RANDOM_CALLS), serial);
	} else if (event == 14) {
		pass_ms(dice(seed, 20000));
	} else if (event == 15) {
		random_repeat(seed, serial);
	} else if (event == 16) {
		rig.workers[number].send_error =
		    dice(seed, 2) == 0 ? -ENOBUFS : 0;
	} else {
		random_result(seed);
	}
}

static void
random_round(unsigned int seed)
{
	char id[16];

	memset(&story, 0, sizeof(story));
	for (int serial = 0; serial < EVENTS; serial++)
		random_event(&seed, serial);
	/* In the end everybody dies, and time passes. */
	for (int i = 0; i < WORKERS; i++) {
		tool_queue_worker_gone(rig.queue, &rig.workers[i]);
		rig.workers[i].send_error = 0;
	}
	pass_ms(200000);
	assert_counts(0, 0, 0);
	assert_int_equal(tool_queue_count(rig.queue).requests, 0);
	assert_true(rig.armed_ms == UINT64_MAX);
	for (int serial = 0; serial < EVENTS; serial++) {
		snprintf(id, sizeof(id), "%d", serial);
		assert_int_equal(count(MESSAGE_TOOL_RESULT, "id", id),
		    story.requested[serial] && !story.excused[serial]);
	}
	forget_sent();
}

static void
in_any_disorder_each_request_is_answered_exactly_once(void **state)
{
	(void)state;
	rig.tool.target = "${argument:router}";
	for (unsigned int round = 1; round <= 300; round++) {
		rig.tool.read_only = round % 3 != 0;
		rig.tool.target_limit = round % 4 < 2 ? 0 : 3;
		random_round(round);
	}
}

#define pool_test(name)                                                        \
	cmocka_unit_test_setup_teardown(name, set_up_read_only, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    pool_test(fifty_callers_with_one_question_cost_one_run),
	    pool_test(the_order_of_arguments_does_not_matter_their_values_do),
	    pool_test(what_writes_is_never_merged),
	    pool_test(what_depends_on_who_asks_is_never_merged_but_retried),
	    pool_test(a_job_lives_as_long_as_somebody_waits_for_it),
	    pool_test(each_waits_its_own_time_and_hears_the_progress),
	    pool_test(counts_reach_everyone_who_waits_and_who_joins),
	    pool_test(a_second_run_knows_nothing_of_the_first_one_s_progress),
	    pool_test(counts_without_sense_are_unknown),
	    pool_test(progress_before_the_claim_is_kept_for_it),
	    pool_test(a_lost_job_is_run_once_more_for_all),
	    pool_test(an_answer_serves_for_a_while_and_says_how_old_it_is),
	    pool_test(failures_are_not_cached),
	    pool_test(
		a_call_that_asks_one_thing_is_next_to_one_that_asks_twenty),
	    pool_test(two_that_ask_much_take_turns),
	    pool_test(one_dead_target_does_not_delay_the_healthy_ones),
	    pool_test(a_target_gets_its_part_and_no_more),
	    pool_test(a_target_that_too_many_ask_is_busy_others_are_not),
	    pool_test(an_exclusive_job_has_a_worker_for_itself),
	    pool_test(
		an_exclusive_job_gets_its_worker_however_much_else_there_is),
	    pool_test(a_new_supervisor_takes_over_a_run_with_all_who_wait),
	    pool_test(
		a_result_for_many_from_before_is_kept_until_all_have_asked),
	    pool_test(in_any_disorder_each_request_is_answered_exactly_once),
	};

	log_init("unit", (enum log_level)0);
	return cmocka_run_group_tests_name("tool_pool", tests, NULL, NULL);
}
