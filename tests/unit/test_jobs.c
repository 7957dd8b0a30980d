/* SPDX-License-Identifier: MIT */
/* test_jobs.c – every job.run gets one job.result, whatever happens. */
#include "toolworker/jobs.h"

#include "common/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	SENT_MAX = 128,
};

/* A job inside the fake executor. */
struct fake_run {
	struct executor_events events;
	char id[TOOL_JOB_ID_SIZE];
};

static struct {
	uint64_t now_ms;
	uint64_t armed_ms; /* delay, UINT64_MAX for none */
	size_t running;    /* as told by changed() */
	struct {
		enum message_type type;
		cJSON *body;
	} sent[SENT_MAX];
	size_t sent_count;
	struct fake_run *runs[JOBS_MAX + 1];
	size_t run_count;
	size_t cancelled;
	bool refuse;          /* the executor ends jobs while it starts them */
	unsigned int hold_ms; /* told when a job is cancelled */
	struct executor executor;
	struct jobs *jobs;
} rig;

static uint64_t
fake_now_ms(void)
{
	return rig.now_ms;
}

static void
fake_send(enum message_type type, cJSON *body, void *arg)
{
	(void)arg;
	assert_in_range(rig.sent_count, 0, SENT_MAX - 1);
	rig.sent[rig.sent_count].type = type;
	rig.sent[rig.sent_count++].body = body;
}

static void
fake_arm(uint64_t delay_ms, void *arg)
{
	(void)arg;
	rig.armed_ms = delay_ms;
}

static void
fake_changed(size_t count, void *arg)
{
	(void)arg;
	rig.running = count;
}

static void *
fake_start(void *self, const struct executor_request *request,
    const struct executor_events *events)
{
	struct fake_run *run;

	assert_ptr_equal(self, &rig);
	if (rig.refuse) {
		events->result(TOOL_STATUS_REFUSED, "no", events->arg);
		return NULL;
	}
	run = calloc(1, sizeof(*run));
	assert_non_null(run);
	run->events = *events;
	snprintf(run->id, sizeof(run->id), "%s", request->id);
	assert_string_equal(json_string(request->arguments, "q"), "hola");
	rig.runs[rig.run_count++] = run;
	return run;
}

static void
fake_drop(struct fake_run *run)
{
	for (size_t i = 0; i < rig.run_count; i++) {
		if (rig.runs[i] == run) {
			rig.runs[i] = rig.runs[--rig.run_count];
			free(run);
			return;
		}
	}
	fail_msg("cancelled a job that does not run");
}

static void
fake_cancel(void *handle)
{
	const struct fake_run *run = handle;

	rig.cancelled++;
	if (rig.hold_ms > 0)
		run->events.hold(rig.hold_ms, run->events.arg);
	fake_drop(handle);
}

static struct fake_run *
fake_find(const char *id)
{
	for (size_t i = 0; i < rig.run_count; i++) {
		if (strcmp(rig.runs[i]->id, id) == 0)
			return rig.runs[i];
	}
	fail_msg("%s does not run", id);
	return NULL;
}

static void
fake_finish(const char *id, enum tool_status status, const char *output)
{
	struct fake_run *run = fake_find(id);
	struct executor_events events = run->events;

	fake_drop(run);
	events.result(status, output, events.arg);
}

static int
set_up(void **state)
{
	const struct jobs_config config = {
	    .executors = &rig.executor,
	    .executor_count = 1,
	    .send = fake_send,
	    .arm = fake_arm,
	    .changed = fake_changed,
	    .now_ms = fake_now_ms,
	};

	(void)state;
	memset(&rig, 0, sizeof(rig));
	rig.now_ms = 1000000;
	rig.executor = (struct executor){
	    .name = "fake",
	    .self = &rig,
	    .start = fake_start,
	    .cancel = fake_cancel,
	};
	return jobs_new(&rig.jobs, &config);
}

static int
tear_down(void **state)
{
	(void)state;
	jobs_free(&rig.jobs);
	for (size_t i = 0; i < rig.sent_count; i++)
		cJSON_Delete(rig.sent[i].body);
	return rig.run_count == 0 ? 0 : -1;
}

static int
run(const char *id, int deadline_ms)
{
	char text[512];
	cJSON *body;
	int ret;

	snprintf(text, sizeof(text),
	    "{\"id\":\"%s\",\"tool\":\"consultar\",\"settings\":{\"executor\":"
	    "\"fake\"},\"arguments\":{\"q\":\"hola\"},\"deadline_ms\":%d}",
	    id, deadline_ms);
	body = cJSON_Parse(text);
	ret = jobs_on_run(rig.jobs, body);
	cJSON_Delete(body);
	return ret;
}

static void
run_text(const char *text, int wanted)
{
	cJSON *body = cJSON_Parse(text);

	assert_non_null(body);
	assert_int_equal(jobs_on_run(rig.jobs, body), wanted);
	cJSON_Delete(body);
}

static void
cancel(const char *id)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "id", id);
	assert_int_equal(jobs_on_cancel(rig.jobs, body), 0);
	cJSON_Delete(body);
}

/* Exactly one result for ID, with that status. */
static const char *
result_of(const char *id, const char *status)
{
	const char *output = NULL;

	for (size_t i = 0; i < rig.sent_count; i++) {
		const cJSON *body = rig.sent[i].body;

		if (rig.sent[i].type != MESSAGE_JOB_RESULT ||
		    strcmp(json_string(body, "id"), id) != 0)
			continue;
		if (output != NULL)
			fail_msg("two results for %s", id);
		assert_string_equal(json_string(body, "status"), status);
		output = json_string(body, "output");
	}
	if (output == NULL)
		fail_msg("no result for %s", id);
	return output;
}

static void
an_answer_becomes_the_result(void **state)
{
	(void)state;
	assert_int_equal(run("a", 60000), 0);
	assert_int_equal(rig.running, 1);
	assert_int_equal(rig.sent_count, 0);
	fake_finish("a", TOOL_STATUS_OK, "doce clientes");
	assert_string_equal(result_of("a", "ok"), "doce clientes");
	assert_int_equal(rig.running, 0);
	assert_true(rig.armed_ms == UINT64_MAX);
}

static void
report(const char *id, int64_t done, int64_t total, const char *text)
{
	struct fake_run *fake = fake_find(id);
	struct tool_progress progress;

	tool_progress_set(&progress, done, total, text);
	fake->events.progress(&progress, fake->events.arg);
}

/* The last message, which must be ID's progress. */
static const cJSON *
last_progress(const char *id)
{
	assert_int_not_equal(rig.sent_count, 0);
	assert_int_equal(
	    rig.sent[rig.sent_count - 1].type, MESSAGE_JOB_PROGRESS);
	assert_string_equal(
	    json_string(rig.sent[rig.sent_count - 1].body, "id"), id);
	return rig.sent[rig.sent_count - 1].body;
}

static void
progress_is_passed_on_with_the_time(void **state)
{
	const cJSON *body;

	(void)state;
	run("a", 60000);
	rig.now_ms += 2500;
	report("a", 3, 12, "routers");
	assert_int_equal(rig.sent_count, 1);
	body = last_progress("a");
	assert_int_equal(json_int(body, "done", -1), 3);
	assert_int_equal(json_int(body, "total", -1), 12);
	assert_string_equal(json_string(body, "text"), "routers");
	assert_int_equal(json_int(body, "elapsed_ms", -1), 2500);
	rig.now_ms += JOBS_PROGRESS_MS;
	report("a", -1, -1, "casi");
	body = last_progress("a");
	assert_null(cJSON_GetObjectItem(body, "done"));
	assert_null(cJSON_GetObjectItem(body, "total"));
	assert_int_equal(rig.sent_count, 2);
	fake_finish("a", TOOL_STATUS_OK, "");
}

static void
a_flood_of_progress_becomes_two_a_second_and_the_last(void **state)
{
	(void)state;
	run("a", 60000);
	for (int i = 1; i <= 1000; i++) {
		report("a", i, 2000, "");
		rig.now_ms += 1;
		if (rig.armed_ms == 0)
			jobs_tick(rig.jobs);
	}
	assert_in_range(rig.sent_count, 2, 3);
	rig.now_ms += JOBS_PROGRESS_MS;
	jobs_tick(rig.jobs);
	assert_int_equal(json_int(last_progress("a"), "done", -1), 1000);
	/* Nothing is left to be told, nor is the same told twice. */
	assert_int_equal(rig.armed_ms, 60000 - 1000 - JOBS_PROGRESS_MS);
	rig.now_ms += JOBS_PROGRESS_MS;
	jobs_tick(rig.jobs);
	report("a", 1000, 2000, "");
	assert_in_range(rig.sent_count, 3, 4);
	fake_finish("a", TOOL_STATUS_OK, "");
}

static void
what_was_put_off_is_told_before_the_result(void **state)
{
	(void)state;
	run("a", 60000);
	report("a", 1, 2, "");
	report("a", 2, 2, "");
	assert_int_equal(rig.sent_count, 1);
	assert_int_equal(rig.armed_ms, JOBS_PROGRESS_MS);
	fake_finish("a", TOOL_STATUS_OK, "");
	assert_int_equal(rig.sent_count, 3);
	assert_int_equal(json_int(rig.sent[1].body, "done", -1), 2);
	assert_int_equal(rig.sent[2].type, MESSAGE_JOB_RESULT);
	assert_true(rig.armed_ms == UINT64_MAX);
}

static void
a_new_supervisor_is_told_how_every_job_goes(void **state)
{
	(void)state;
	run("a", 60000);
	run("b", 60000);
	report("b", 3, 5, "");
	rig.now_ms += 4000;
	jobs_tell_progress(rig.jobs);
	assert_int_equal(rig.sent_count, 2);
	assert_int_equal(json_int(last_progress("b"), "done", -1), 3);
	assert_int_equal(json_int(last_progress("b"), "elapsed_ms", -1), 4000);
	fake_finish("a", TOOL_STATUS_OK, "");
	fake_finish("b", TOOL_STATUS_OK, "");
}

static void
the_first_deadline_is_waited_for_and_ends_only_its_job(void **state)
{
	(void)state;
	run("late", 60000);
	assert_int_equal(rig.armed_ms, 60000);
	rig.now_ms += 100;
	run("soon", 5000);
	assert_int_equal(rig.armed_ms, 5000);
	rig.now_ms += 4999;
	jobs_tick(rig.jobs);
	assert_int_equal(rig.sent_count, 0);
	assert_int_equal(rig.armed_ms, 1);
	rig.now_ms += 1;
	jobs_tick(rig.jobs);
	result_of("soon", "timeout");
	assert_int_equal(rig.cancelled, 1);
	assert_int_equal(jobs_count(rig.jobs), 1);
	assert_int_equal(rig.armed_ms, 60000 - 5100);
	fake_finish("late", TOOL_STATUS_OK, "");
}

static void
a_cancelled_job_is_answered_and_an_unknown_one_ignored(void **state)
{
	(void)state;
	run("a", 60000);
	cancel("b");
	assert_int_equal(rig.sent_count, 0);
	cancel("a");
	result_of("a", "cancelled");
	cancel("a");
	assert_int_equal(rig.sent_count, 1);
	assert_int_equal(rig.cancelled, 1);
}

/* The hold_ms of the result of ID, -1 if it has none. */
static int64_t
hold_of(const char *id)
{
	for (size_t i = 0; i < rig.sent_count; i++) {
		if (rig.sent[i].type == MESSAGE_JOB_RESULT &&
		    strcmp(json_string(rig.sent[i].body, "id"), id) == 0)
			return json_int(rig.sent[i].body, "hold_ms", -1);
	}
	fail_msg("no result for %s", id);
	return -1;
}

static void
a_result_says_how_long_its_target_stays_busy(void **state)
{
	struct fake_run *job;

	(void)state;
	run("ends", 60000);
	job = fake_find("ends");
	job->events.hold(7000, job->events.arg);
	job->events.hold(48000, job->events.arg);
	fake_finish("ends", TOOL_STATUS_TIMEOUT, "late");
	assert_int_equal(hold_of("ends"), 48000);
	run("free", 60000);
	fake_finish("free", TOOL_STATUS_OK, "x");
	assert_int_equal(hold_of("free"), -1);
	rig.hold_ms = 30000;
	run("cancelled", 60000);
	cancel("cancelled");
	assert_int_equal(hold_of("cancelled"), 30000);
	run("late", 1000);
	rig.now_ms += 1000;
	jobs_tick(rig.jobs);
	result_of("late", "timeout");
	assert_int_equal(hold_of("late"), 30000);
}

static void
the_same_id_runs_only_once_at_a_time(void **state)
{
	(void)state;
	run("a", 60000);
	run("a", 60000);
	assert_int_equal(rig.run_count, 1);
	assert_int_equal(rig.sent_count, 0);
	fake_finish("a", TOOL_STATUS_OK, "");
	result_of("a", "ok");
}

static void
a_full_table_answers_busy(void **state)
{
	char id[16];

	(void)state;
	for (int i = 0; i < JOBS_MAX; i++) {
		snprintf(id, sizeof(id), "job%d", i);
		run(id, 60000);
	}
	assert_int_equal(rig.run_count, JOBS_MAX);
	run("one more", 60000);
	result_of("one more", "busy");
	assert_int_equal(rig.run_count, JOBS_MAX);
	fake_finish("job7", TOOL_STATUS_OK, "");
	run("one more after all", 60000);
	assert_int_equal(rig.run_count, JOBS_MAX);
}

static void
an_executor_may_end_a_job_while_it_starts_it(void **state)
{
	(void)state;
	rig.refuse = true;
	run("a", 60000);
	assert_string_equal(result_of("a", "refused"), "no");
	assert_int_equal(jobs_count(rig.jobs), 0);
	assert_int_equal(rig.running, 0);
	assert_int_equal(rig.cancelled, 0);
}

static void
what_cannot_be_run_is_answered_at_once(void **state)
{
	(void)state;
	run_text("{\"id\":\"a\",\"tool\":\"unknown\",\"arguments\":{},"
		 "\"deadline_ms\":1000}",
	    0);
	result_of("a", "internal");
	run_text("{\"id\":\"b\",\"tool\":\"fake\",\"arguments\":[],"
		 "\"deadline_ms\":1000}",
	    0);
	result_of("b", "internal");
	run_text("{\"id\":\"c\",\"tool\":\"fake\",\"arguments\":{}}", 0);
	result_of("c", "internal");
	run_text("{\"id\":\"d\",\"tool\":\"fake\",\"arguments\":{},"
		 "\"deadline_ms\":-5}",
	    0);
	result_of("d", "internal");
	assert_int_equal(jobs_count(rig.jobs), 0);
}

static void
what_cannot_be_answered_is_a_broken_channel(void **state)
{
	char text[256];

	(void)state;
	run_text("{\"tool\":\"fake\",\"arguments\":{}}", -EPROTO);
	run_text("{\"id\":7,\"tool\":\"fake\",\"arguments\":{}}", -EPROTO);
	snprintf(text, sizeof(text), "{\"id\":\"%0*d\"}", TOOL_JOB_ID_SIZE, 0);
	run_text(text, -EPROTO);
	assert_int_equal(rig.sent_count, 0);
}

static void
the_tool_s_own_name_serves_without_settings(void **state)
{
	(void)state;
	run_text("{\"id\":\"a\",\"tool\":\"fake\",\"arguments\":{\"q\":"
		 "\"hola\"},\"deadline_ms\":1e300}",
	    0);
	assert_int_equal(rig.run_count, 1);
	assert_int_equal(rig.armed_ms, JOB_DEADLINE_MAX_MS);
	fake_finish("a", TOOL_STATUS_OK, "");
}

static void
an_end_of_the_process_answers_every_job_lost(void **state)
{
	(void)state;
	run("a", 60000);
	run("b", 60000);
	jobs_abandon(rig.jobs);
	result_of("a", "lost");
	result_of("b", "lost");
	assert_int_equal(rig.cancelled, 2);
	assert_int_equal(jobs_count(rig.jobs), 0);
}

static void
the_list_of_a_full_table_fits_a_state_message(void **state)
{
	char id[TOOL_JOB_ID_SIZE + 8];
	char *text;
	cJSON *list;

	(void)state;
	for (int i = 0; i < JOBS_MAX; i++) {
		snprintf(id, sizeof(id), "%0*d", TOOL_JOB_ID_SIZE - 1, i);
		assert_int_equal(run(id, 60000), 0);
	}
	list = jobs_list(rig.jobs);
	assert_int_equal(cJSON_GetArraySize(list), JOBS_MAX);
	text = cJSON_PrintUnformatted(list);
	assert_in_range(strlen(text), 1, message_size_max(MESSAGE_STATE) - 256);
	free(text);
	cJSON_Delete(list);
}

#define jobs_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    jobs_test(an_answer_becomes_the_result),
	    jobs_test(progress_is_passed_on_with_the_time),
	    jobs_test(a_flood_of_progress_becomes_two_a_second_and_the_last),
	    jobs_test(what_was_put_off_is_told_before_the_result),
	    jobs_test(a_new_supervisor_is_told_how_every_job_goes),
	    jobs_test(the_first_deadline_is_waited_for_and_ends_only_its_job),
	    jobs_test(a_cancelled_job_is_answered_and_an_unknown_one_ignored),
	    jobs_test(a_result_says_how_long_its_target_stays_busy),
	    jobs_test(the_same_id_runs_only_once_at_a_time),
	    jobs_test(a_full_table_answers_busy),
	    jobs_test(an_executor_may_end_a_job_while_it_starts_it),
	    jobs_test(what_cannot_be_run_is_answered_at_once),
	    jobs_test(what_cannot_be_answered_is_a_broken_channel),
	    jobs_test(the_tool_s_own_name_serves_without_settings),
	    jobs_test(an_end_of_the_process_answers_every_job_lost),
	    jobs_test(the_list_of_a_full_table_fits_a_state_message),
	};

	return cmocka_run_group_tests_name("jobs", tests, NULL, NULL);
}
