/* SPDX-License-Identifier: MIT */
/*
 * tool_queue_rig.h – a tool queue with a clock, calls and toolworkers that do
 * what a test says, and remember what they were sent.
 */
#ifndef TESTS_UNIT_TOOL_QUEUE_RIG_H
#define TESTS_UNIT_TOOL_QUEUE_RIG_H

#include "supervisor/tool_queue.h"

#include "common/json.h"
#include "common/log.h"
#include "common/tool_status.h"

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
	SENT_MAX = 8192,
	WORKERS = 4,
};

struct worker {
	int number;
	int send_error; /* what sending to it returns */
};

struct sent {
	enum message_type type;
	struct worker *worker; /* NULL: to a call */
	char call[32];
	cJSON *body;
};

static struct {
	uint64_t now_ms;
	uint64_t armed_ms; /* a moment; UINT64_MAX for none */
	struct worker workers[WORKERS];
	struct worker *stuck;
	struct sent sent[SENT_MAX];
	size_t sent_count;
	int call_send_error; /* for the next message to a call */
	/* Of "consultar", but for its schema, settings and failures. */
	struct tool_queue_tool tool;
	cJSON *parameters;
	cJSON *settings;
	cJSON *failures;
	struct tool_queue *queue;
	struct tool_holds *holds; /* NULL, unless the test has some */
} rig;

/* -- the queue's surroundings ------------------------------------------------ */

static inline uint64_t
fake_now_ms(void)
{
	return rig.now_ms;
}

static inline void
fake_arm(uint64_t delay_ms, void *arg)
{
	(void)arg;
	rig.armed_ms =
	    delay_ms == UINT64_MAX ? UINT64_MAX : rig.now_ms + delay_ms;
}

static inline int
fake_find_tool(const char *call, const char *name,
    struct tool_queue_tool *tool_out, void *arg)
{
	(void)arg;
	if (strcmp(name, "consultar") != 0 || strcmp(call, "no-tools") == 0)
		return -ENOENT;
	*tool_out = rig.tool;
	tool_out->parameters = rig.parameters;
	tool_out->settings = rig.settings;
	tool_out->failures = rig.failures;
	return 0;
}

static inline struct sent *
remember(enum message_type type, cJSON *body)
{
	struct sent *sent;

	assert_in_range(rig.sent_count, 0, SENT_MAX - 1);
	sent = &rig.sent[rig.sent_count++];
	sent->type = type;
	sent->body = body;
	return sent;
}

static inline int
fake_send_worker(
    struct worker *worker, enum message_type type, cJSON *body, void *arg)
{
	(void)arg;
	if (worker->send_error != 0) {
		cJSON_Delete(body);
		return worker->send_error;
	}
	remember(type, body)->worker = worker;
	return 0;
}

static inline int
fake_send_call(const char *call, enum message_type type, cJSON *body, void *arg)
{
	struct sent *sent;
	int error = rig.call_send_error;

	(void)arg;
	rig.call_send_error = 0;
	if (error != 0) {
		cJSON_Delete(body);
		return error;
	}
	sent = remember(type, body);
	snprintf(sent->call, sizeof(sent->call), "%s", call);
	assert_string_equal(json_string(body, "call"), call);
	return 0;
}

static inline void
fake_stuck(struct worker *worker, void *arg)
{
	(void)arg;
	rig.stuck = worker;
}

static inline int
start_queue(void)
{
	const struct tool_queue_config config = {
	    .find_tool = fake_find_tool,
	    .send_worker = fake_send_worker,
	    .send_call = fake_send_call,
	    .worker_stuck = fake_stuck,
	    .arm = fake_arm,
	    .now_ms = fake_now_ms,
	    .holds = rig.holds,
	};

	return tool_queue_new(&rig.queue, &config);
}

static inline int
set_up(void **state)
{
	(void)state;
	memset(&rig, 0, sizeof(rig));
	rig.now_ms = 5000000;
	rig.armed_ms = UINT64_MAX;
	for (int i = 0; i < WORKERS; i++)
		rig.workers[i].number = i;
	rig.tool.deadline_ms = 95000;
	rig.tool.timeout_argument = "timeout";
	rig.tool.target_limit = 1000;
	rig.parameters = cJSON_Parse(
	    "{\"type\":\"object\",\"properties\":{\"question\":{\"type\":"
	    "\"string\",\"minLength\":3},\"router\":{\"type\":\"string\"},"
	    "\"timeout\":{\"type\":\"integer\",\"minimum\":15,\"maximum\":90,"
	    "\"default\":60}},\"required\":[\"question\"],"
	    "\"additionalProperties\":false}");
	rig.settings = cJSON_Parse("{\"executor\":\"mikrotik\"}");
	rig.failures = cJSON_Parse(
	    "{\"timeout\":\"Tardó demasiado.\",\"unreachable\":\"Sin conexión.\","
	    "\"http_error\":\"Falló.\",\"busy\":\"Ocupado.\",\"malformed\":"
	    "\"Sin sentido.\",\"refused\":\"Dice: {detail} Eso dice.\","
	    "\"lost\":\"Se perdió.\"}");
	assert_non_null(rig.parameters);
	assert_non_null(rig.settings);
	assert_non_null(rig.failures);
	return start_queue();
}

static inline void
forget_sent(void)
{
	for (size_t i = 0; i < rig.sent_count; i++)
		cJSON_Delete(rig.sent[i].body);
	rig.sent_count = 0;
}

static inline int
tear_down(void **state)
{
	(void)state;
	tool_queue_free(&rig.queue);
	forget_sent();
	cJSON_Delete(rig.parameters);
	cJSON_Delete(rig.settings);
	cJSON_Delete(rig.failures);
	return 0;
}

/* -- what a test says ---------------------------------------------------------- */

/* Time passes, ticks come exactly when they were asked for. */
static inline void
pass_ms(uint64_t ms)
{
	uint64_t end_ms = rig.now_ms + ms;

	while (rig.armed_ms <= end_ms) {
		if (rig.armed_ms > rig.now_ms)
			rig.now_ms = rig.armed_ms;
		rig.armed_ms = UINT64_MAX;
		tool_queue_tick(rig.queue);
	}
	rig.now_ms = end_ms;
}

static inline int
request_named(
    const char *call, const char *id, const char *name, const char *arguments)
{
	cJSON *body = cJSON_CreateObject();
	int ret;

	json_add_string(body, "call", call);
	json_add_string(body, "id", id);
	json_add_string(body, "name", name);
	json_add_string(body, "arguments", arguments);
	ret = tool_queue_on_request(rig.queue, call, body);
	cJSON_Delete(body);
	return ret;
}

/* Asks for QUESTION, at ROUTER if not NULL. */
static inline void
ask(const char *call, const char *id, const char *question, const char *router)
{
	char text[256];

	if (router == NULL)
		snprintf(text, sizeof(text), "{\"question\":\"%s\"}", question);
	else
		snprintf(text, sizeof(text),
		    "{\"router\":\"%s\",\"question\":\"%s\"}", router,
		    question);
	assert_int_equal(request_named(call, id, "consultar", text), 0);
}

static inline void
request(const char *call, const char *id)
{
	assert_int_equal(request_named(call, id, "consultar",
			     "{\"question\":\"cuántos clientes hay\"}"),
	    0);
}

static inline void
cancel(const char *call, const char *id)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "id", id);
	assert_int_equal(tool_queue_on_cancel(rig.queue, call, body), 0);
	cJSON_Delete(body);
}

static inline void
worker_says(int number, enum message_type type, const char *text)
{
	cJSON *body = cJSON_Parse(text);

	assert_non_null(body);
	tool_queue_on_worker(rig.queue, &rig.workers[number], type, body);
	cJSON_Delete(body);
}

static inline void
worker_up(int number)
{
	worker_says(number, MESSAGE_HELLO, "{\"role\":\"toolworker\"}");
}

static inline void
result(int number, const char *job, const char *status, const char *output)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "id", job);
	json_add_string(body, "status", status);
	json_add_string(body, "output", output);
	tool_queue_on_worker(
	    rig.queue, &rig.workers[number], MESSAGE_JOB_RESULT, body);
	cJSON_Delete(body);
}

/* -- what a test looks at ------------------------------------------------------ */

static inline size_t
count(enum message_type type, const char *key, const char *value)
{
	size_t n = 0;

	for (size_t i = 0; i < rig.sent_count; i++)
		n += rig.sent[i].type == type &&
		     strcmp(json_string(rig.sent[i].body, key), value) == 0;
	return n;
}

static const struct sent *
last(enum message_type type)
{
	static const struct sent none;

	for (size_t i = rig.sent_count; i > 0; i--) {
		if (rig.sent[i - 1].type == type)
			return &rig.sent[i - 1];
	}
	fail_msg("no %s was sent", message_name(type));
	return &none;
}

/* The one answer of a request: its status and, if not NULL, its words. */
static inline void
assert_answer(
    const char *call, const char *id, const char *status, const char *output)
{
	const cJSON *found = NULL;

	for (size_t i = 0; i < rig.sent_count; i++) {
		const struct sent *sent = &rig.sent[i];

		if (sent->type != MESSAGE_TOOL_RESULT ||
		    strcmp(sent->call, call) != 0 ||
		    strcmp(json_string(sent->body, "id"), id) != 0)
			continue;
		if (found != NULL)
			fail_msg("two answers to %s %s", call, id);
		found = sent->body;
	}
	if (found == NULL)
		fail_msg("no answer to %s %s", call, id);
	assert_string_equal(json_string(found, "status"), status);
	if (output != NULL)
		assert_string_equal(json_string(found, "output"), output);
}

static inline void
assert_unanswered(const char *id)
{
	assert_int_equal(count(MESSAGE_TOOL_RESULT, "id", id), 0);
}

static inline void
assert_counts(size_t waiting, size_t running, size_t workers)
{
	struct tool_queue_counts counts = tool_queue_count(rig.queue);

	assert_int_equal(counts.waiting, waiting);
	assert_int_equal(counts.running, running);
	assert_int_equal(counts.workers, workers);
}

/* The id of the last job that a worker was given. */
static inline const char *
last_job(void)
{
	return json_string(last(MESSAGE_JOB_RUN)->body, "id");
}

static inline size_t
count_runs(void)
{
	return count(MESSAGE_JOB_RUN, "tool", "consultar");
}

#define queue_test(name)                                                       \
	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
