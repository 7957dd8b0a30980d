/* SPDX-License-Identifier: MIT */
/*
 * test_tool_fan.c – one question to many routers, with the real queue and
 * toolworkers that do what a test says.
 */
#include "supervisor/tool_fan.h"

#include "common/routeros_tool.h"
#include "supervisor/tool_holds.h"
#include "tests/unit/tool_queue_rig.h"

enum {
	ROUTERS = 5,
	DEADLINE_MS = 12000,
};

static struct {
	struct tool_fan *fan;
	struct tool_holds *holds;
	struct router_inventory *inventory;
	struct tool tool;
	cJSON *tool_json;
	cJSON *settings;
	cJSON *parameters;
} me;

/* -- surroundings -------------------------------------------------------------- */

static const struct tool *
find_fan_tool(const char *call, const char *name, void *arg)
{
	(void)call;
	(void)arg;
	return strcmp(name, "estado") == 0 ? &me.tool : NULL;
}

static void
fake_part_done(const char *party, const char *id, enum tool_status status,
    const char *detail, uint64_t age_ms, void *arg)
{
	(void)arg;
	tool_fan_on_part(me.fan, party, id, status, detail, age_ms);
}

/* R0 and R1 speak REST, the others the binary API. */
static void
load_inventory(size_t count)
{
	struct config_problems problems = {0};
	static char text[262144];
	size_t len;

	len = (size_t)snprintf(text, sizeof(text),
	    "{\"defaults\":{\"tls\":true,\"user\":\"u\",\"password_secret\":"
	    "\"TOOL_ROUTER_PASSWORD\"},\"routers\":[");
	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "%s{\"name\":\"R%zu\",\"address\":\"10.0.%zu.%zu\",\"api\":"
		    "\"%s\"}",
		    i > 0 ? "," : "", i, i / 250, i % 250 + 1,
		    i < 2 ? "rest" : "binary");
	snprintf(text + len, sizeof(text) - len, "]}");
	router_inventory_unref(&me.inventory);
	assert_int_equal(router_inventory_parse(&me.inventory, "routers.json",
			     text, strlen(text), &problems),
	    0);
	assert_int_equal(problems.count, 0);
	assert_int_equal(router_inventory_count(me.inventory), count);
}

static void
load_tool(void)
{
	char text[16384];
	FILE *file = fopen("etc/tools.d/clientes_conectados.json", "re");
	size_t len;

	assert_non_null(file);
	len = fread(text, 1, sizeof(text), file);
	fclose(file);
	me.tool_json = json_parse(text, len);
	assert_non_null(me.tool_json);
	me.tool = (struct tool){
	    .name = "estado",
	    .executor = "routeros",
	    .parameters = json_object(me.tool_json, "parameters"),
	    .settings = json_object(me.tool_json, "executor"),
	    .failures = json_object(me.tool_json, "failures"),
	    .deadline_ms = DEADLINE_MS,
	    .timeout_argument = "",
	    .stale = "Es de hace {seconds} segundos.",
	    .read_only = true,
	    .available = true,
	};
}

static void
make_fan(void)
{
	const struct tool_fan_config config = {
	    .queue = rig.queue,
	    .inventory = &me.inventory,
	    .find_tool = find_fan_tool,
	    .send_call = fake_send_call,
	    .now_ms = fake_now_ms,
	};

	assert_int_equal(tool_fan_new(&me.fan, &config), 0);
}

static void
make_queue(void)
{
	const struct tool_queue_config config = {
	    .find_tool = fake_find_tool,
	    .send_worker = fake_send_worker,
	    .send_call = fake_send_call,
	    .part_done = fake_part_done,
	    .worker_stuck = fake_stuck,
	    .arm = fake_arm,
	    .now_ms = fake_now_ms,
	    .holds = me.holds,
	};

	tool_queue_free(&rig.queue);
	assert_int_equal(tool_queue_new(&rig.queue, &config), 0);
}

static int
fan_set_up(void **state)
{
	int ret = set_up(state);

	memset(&me, 0, sizeof(me));
	load_tool();
	load_inventory(ROUTERS);
	assert_int_equal(tool_holds_new(&me.holds, -1, fake_now_ms), 0);
	make_queue();
	make_fan();
	worker_up(0);
	worker_up(1);
	return ret;
}

static int
fan_tear_down(void **state)
{
	int ret;

	tool_fan_free(&me.fan);
	router_inventory_unref(&me.inventory);
	cJSON_Delete(me.tool_json);
	ret = tear_down(state);
	tool_holds_free(&me.holds);
	return ret;
}

/* -- what a test says ------------------------------------------------------------- */

static void
question(const char *call, const char *id, const char *routers)
{
	cJSON *body = cJSON_CreateObject();
	char arguments[256];

	snprintf(arguments, sizeof(arguments), "{\"routers\":\"%s\"}", routers);
	json_add_string(body, "call", call);
	json_add_string(body, "id", id);
	json_add_string(body, "name", "estado");
	json_add_string(body, "arguments", arguments);
	assert_int_equal(tool_fan_on_request(me.fan, call, body), 0);
	cJSON_Delete(body);
}

/* The last job.run for ROUTER. */
static const struct sent *
run_of(const char *router)
{
	for (size_t i = rig.sent_count; i > 0; i--) {
		const struct sent *sent = &rig.sent[i - 1];

		if (sent->type == MESSAGE_JOB_RUN &&
		    strcmp(json_string(
			       json_object(sent->body, "arguments"), "router"),
			router) == 0)
			return sent;
	}
	return NULL;
}

static size_t
runs_of(const char *router)
{
	size_t n = 0;

	for (size_t i = 0; i < rig.sent_count; i++)
		n += rig.sent[i].type == MESSAGE_JOB_RUN &&
		     strcmp(
			 json_string(json_object(rig.sent[i].body, "arguments"),
			     "router"),
			 router) == 0;
	return n;
}

static void
router_ends(
    const char *router, const char *status, const char *output, int hold_ms)
{
	const struct sent *run = run_of(router);
	cJSON *body = cJSON_CreateObject();

	assert_non_null(run);
	json_add_string(body, "id", json_string(run->body, "id"));
	json_add_string(body, "status", status);
	json_add_string(body, "output", output);
	if (hold_ms > 0)
		json_add_int(body, "hold_ms", hold_ms);
	tool_queue_on_worker(rig.queue, run->worker, MESSAGE_JOB_RESULT, body);
	cJSON_Delete(body);
}

static void
router_answers(const char *router)
{
	router_ends(router, "ok", "{\"ppp\":10,\"dhcp\":0,\"hotspot\":0}", 0);
}

/* The one answer, with WORDS in it. */
static void
assert_told(
    const char *call, const char *id, const char *status, const char *words)
{
	assert_answer(call, id, status, NULL);
	for (size_t i = 0; i < rig.sent_count; i++) {
		if (rig.sent[i].type != MESSAGE_TOOL_RESULT ||
		    strcmp(rig.sent[i].call, call) != 0 ||
		    strcmp(json_string(rig.sent[i].body, "id"), id) != 0)
			continue;
		if (strstr(json_string(rig.sent[i].body, "output"), words) ==
		    NULL)
			fail_msg("\"%s\" is not in \"%s\"", words,
			    json_string(rig.sent[i].body, "output"));
	}
}

/* -- the tests --------------------------------------------------------------------- */

static void
each_router_gets_one_job_and_the_call_one_answer(void **state)
{
	const cJSON *body;

	(void)state;
	question("c", "1", "todos");
	assert_counts(0, ROUTERS, 2);
	body = run_of("R3")->body;
	assert_string_equal(
	    json_string(json_object(body, "settings"), "executor"), "routeros");
	assert_string_equal(
	    json_string(json_object(body, "settings"), "query"), "customers");
	assert_null(json_at(body, "arguments", "routers", NULL));
	assert_int_equal(json_int(body, "deadline_ms", 0), DEADLINE_MS);
	for (int i = 0; i < ROUTERS; i++) {
		char name[8];

		assert_unanswered("1");
		snprintf(name, sizeof(name), "R%d", i);
		router_answers(name);
	}
	assert_told("c", "1", "ok", "Respondieron 5 de 5 routers. Hay 50 ");
	assert_counts(0, 0, 2);
	assert_int_equal(tool_fan_count(me.fan), 0);
}

static void
one_router_is_a_question_like_any(void **state)
{
	(void)state;
	question("c", "1", "erre 2");
	assert_told("c", "1", "ok", "No conozco ningún router");
	question("c", "2", "R2");
	assert_counts(0, 1, 2);
	router_answers("R2");
	assert_told("c", "2", "ok", "Hay 10 clientes conectados");
}

static void
the_call_hears_how_many_have_answered(void **state)
{
	const struct sent *sent;

	(void)state;
	question("c", "1", "");
	router_answers("R0");
	router_ends("R1", "unreachable", "no", 0);
	router_answers("R4");
	sent = last(MESSAGE_TOOL_PROGRESS);
	assert_string_equal(sent->call, "c");
	assert_string_equal(json_string(sent->body, "id"), "1");
	assert_int_equal(json_int(sent->body, "done", -1), 2);
	assert_int_equal(json_int(sent->body, "total", -1), ROUTERS);
}

static void
at_the_deadline_the_answer_has_what_came(void **state)
{
	(void)state;
	question("c", "1", "todos");
	router_answers("R0");
	router_ends(
	    "R1", "refused", "wrong user or password: cannot log in", 0);
	router_ends("R2", "unreachable", "10.0.0.3 refused the connection", 0);
	pass_ms(DEADLINE_MS - 1);
	assert_unanswered("1");
	pass_ms(1);
	assert_told("c", "1", "ok", "Respondió 1 router de 5.");
	assert_told("c", "1", "ok", "clave: R1.");
	assert_told("c", "1", "ok", "Sin conexión con: R2.");
	assert_told("c", "1", "ok", "a tiempo: R3 y R4.");
	/* What comes later is nobody's. */
	router_ends("R3", "cancelled", "", 0);
	router_ends("R4", "ok", "{}", 0);
	assert_told("c", "1", "ok", "R3 y R4");
	assert_counts(0, 0, 2);
}

static void
when_nobody_answers_that_is_the_status(void **state)
{
	(void)state;
	question("c", "1", "R0 y R1");
	router_ends("R0", "unreachable", "", 0);
	router_ends("R1", "unreachable", "", 0);
	assert_told("c", "1", "unreachable", "Ningún router respondió.");
}

static void
what_a_toolworker_finds_wrong_goes_to_the_model(void **state)
{
	(void)state;
	question("c", "1", "R0");
	router_ends("R0", "invalid_arguments", "\"address\" is none", 0);
	assert_told("c", "1", "invalid_arguments", "\"address\" is none");
	question("c", "2", "x\\u0000");
	assert_told("c", "2", "invalid_arguments", "NUL");
}

static void
two_callers_share_each_routers_job(void **state)
{
	(void)state;
	question("a", "1", "todos");
	question("b", "1", "R0, R1 y R2");
	assert_int_equal(runs_of("R0"), 1);
	assert_counts(0, ROUTERS, 2);
	for (int i = 0; i < 3; i++) {
		char name[8];

		snprintf(name, sizeof(name), "R%d", i);
		router_answers(name);
	}
	assert_told("b", "1", "ok", "Respondieron 3 de 3");
	assert_unanswered("a/1");
	tool_fan_end_call(me.fan, "a");
	assert_int_equal(tool_fan_count(me.fan), 0);
	assert_int_equal(runs_of("R0"), 1);
}

static void
a_router_that_cannot_be_stopped_is_not_asked_again_meanwhile(void **state)
{
	(void)state;
	question("a", "1", "R0 y R3");
	tool_fan_end_call(me.fan, "a");
	/* The binary API is told to stop, REST goes on. */
	assert_int_equal(count(MESSAGE_JOB_CANCEL, "id",
			     json_string(run_of("R3")->body, "id")),
	    1);
	assert_int_equal(count(MESSAGE_JOB_CANCEL, "id",
			     json_string(run_of("R0")->body, "id")),
	    0);
	question("b", "1", "R0 y R3");
	assert_int_equal(runs_of("R0"), 1);
	assert_int_equal(runs_of("R3"), 1);
	router_answers("R0"); /* to the question of before */
	router_ends("R3", "cancelled", "", 0);
	assert_int_equal(runs_of("R3"), 2);
	router_answers("R3");
	assert_told("b", "1", "ok", "Respondieron 2 de 2");
}

static void
a_router_is_left_alone_while_it_is_held(void **state)
{
	(void)state;
	question("a", "1", "R0");
	pass_ms(DEADLINE_MS);
	assert_told("a", "1", "timeout", "a tiempo: R0.");
	router_ends("R0", "cancelled", "", 48000);
	question("b", "1", "R0 y R2");
	assert_int_equal(runs_of("R0"), 1);
	/* Nobody waits for a router that will not be free in time. */
	router_answers("R2");
	assert_told("b", "1", "ok", "ocupados: R0.");
	pass_ms(48000 - 1000);
	question("b", "2", "R0");
	assert_int_equal(runs_of("R0"), 1);
	assert_unanswered("2");
	pass_ms(1000);
	assert_int_equal(runs_of("R0"), 2);
	router_answers("R0");
	assert_told("b", "2", "ok", "Hay 10");
}

static void
a_dead_toolworker_leaves_its_routers_taken(void **state)
{
	(void)state;
	question("a", "1", "R0 y R3");
	tool_queue_worker_gone(rig.queue, run_of("R0")->worker);
	if (runs_of("R3") < 2) /* it ran at the other */
		tool_queue_worker_gone(rig.queue, run_of("R3")->worker);
	worker_up(2);
	/* The binary API ended with its connection, REST goes on. */
	assert_int_equal(runs_of("R0"), 1);
	assert_int_equal(runs_of("R3"), 2);
	router_answers("R3");
	assert_told("a", "1", "ok", "Respondió 1 router de 2.");
	question("b", "1", "R0 y R3");
	router_answers("R3");
	assert_told("b", "1", "ok", "ocupados: R0.");
	pass_ms(ROUTEROS_REST_LIMIT_MS - 1);
	question("b", "2", "R0");
	assert_int_equal(runs_of("R0"), 1);
	pass_ms(1);
	assert_int_equal(runs_of("R0"), 2);
}

/* Another supervisor begins; the one before was killed. */
static void
supervisor_is_killed(void)
{
	tool_fan_free(&me.fan);
	make_queue();
	make_fan();
	worker_up(0);
	worker_up(1);
}

static void
a_new_supervisor_knows_which_routers_stay_taken(void **state)
{
	(void)state;
	question("a", "1", "R0 y R3");
	pass_ms(DEADLINE_MS);
	router_ends("R0", "cancelled", "", 48000);
	router_ends("R3", "cancelled", "", 0);
	supervisor_is_killed();
	question("b", "1", "R0 y R3");
	assert_int_equal(runs_of("R0"), 1);
	router_answers("R3");
	assert_told("b", "1", "ok", "ocupados: R0.");
	pass_ms(48000);
	question("b", "2", "R0");
	assert_int_equal(runs_of("R0"), 2);
	router_ends("R0", "timeout", "", 3000);
	router_ends("R0", "timeout", "", 3000);
	pass_ms(3000);
	question("b", "3", "R0");
	assert_int_equal(runs_of("R0"), 3);
}

/* The result was under way when the supervisor died. */
static void
a_hold_that_nobody_heard_of_counts(void **state)
{
	char job[TOOL_JOB_ID_SIZE], text[256];

	(void)state;
	question("a", "1", "R0");
	snprintf(job, sizeof(job), "%s", json_string(run_of("R0")->body, "id"));
	tool_fan_free(&me.fan);
	make_queue();
	make_fan();
	forget_sent();
	tool_queue_expect(rig.queue, &rig.workers[0]);
	snprintf(text, sizeof(text),
	    "{\"id\":\"%s\",\"status\":\"timeout\",\"output\":\"\","
	    "\"hold_ms\":20000}",
	    job);
	worker_says(0, MESSAGE_JOB_RESULT, text);
	worker_says(0, MESSAGE_STATE, "{\"jobs\":[]}");
	pass_ms(20000 - 1);
	/* Another question about the same router. */
	cJSON_ReplaceItemInObject((cJSON *)(uintptr_t)me.tool.settings, "query",
	    cJSON_CreateString("ping"));
	question("b", "1", "R0");
	assert_null(run_of("R0"));
	pass_ms(1);
	assert_non_null(run_of("R0"));
}

/* Supervisor and toolworker die together: nobody tells how the job ended. */
static void
a_job_that_nobody_heard_of_keeps_its_router_taken(void **state)
{
	(void)state;
	question("a", "1", "R0 y R3");
	supervisor_is_killed();
	question("b", "1", "R0 y R3");
	assert_int_equal(runs_of("R0"), 1);
	router_answers("R3");
	assert_told("b", "1", "ok", "ocupados: R0.");
	pass_ms(DEADLINE_MS + ROUTEROS_REST_LIMIT_MS);
	question("b", "2", "R0");
	assert_int_equal(runs_of("R0"), 2);
}

static void
answers_from_the_cache_say_their_age(void **state)
{
	(void)state;
	me.tool.cache_s = 20;
	question("a", "1", "R0");
	router_answers("R0");
	pass_ms(5000);
	question("b", "1", "R0 y R1");
	assert_int_equal(runs_of("R0"), 1);
	router_answers("R1");
	assert_told("b", "1", "ok", "Es de hace 5 segundos.");
	question("b", "2", "R0 y R1");
	assert_told("b", "2", "ok", "Respondieron 2 de 2");
	assert_int_equal(runs_of("R1"), 1);
}

static void
a_cancelled_question_has_its_one_answer(void **state)
{
	cJSON *body = cJSON_CreateObject();

	(void)state;
	json_add_string(body, "id", "1");
	question("a", "1", "R3 y R4");
	assert_int_equal(tool_fan_on_cancel(me.fan, "a", body), 0);
	assert_answer("a", "1", "cancelled", NULL);
	assert_int_equal(count(MESSAGE_JOB_CANCEL, "id",
			     json_string(run_of("R3")->body, "id")),
	    1);
	router_ends("R3", "cancelled", "", 0);
	router_ends("R4", "ok", "{}", 0);
	/* Once more is the queue's business, which knows of none. */
	assert_int_equal(tool_fan_on_cancel(me.fan, "a", body), 0);
	assert_answer("a", "1", "cancelled", NULL);
	cJSON_Delete(body);
}

static void
a_question_that_is_repeated_is_not_asked_twice(void **state)
{
	(void)state;
	question("a", "1", "R0");
	question("a", "1", "R0");
	assert_int_equal(runs_of("R0"), 1);
	router_answers("R0");
	assert_told("a", "1", "ok", "Hay 10");
	forget_sent();
	question("a", "1", "R0");
	assert_told("a", "1", "ok", "Hay 10");
	assert_null(run_of("R0"));
}

static void
a_new_supervisor_finds_the_jobs_that_run(void **state)
{
	char job[TOOL_JOB_ID_SIZE], text[256];

	(void)state;
	question("a", "1", "R0 y R2");
	snprintf(job, sizeof(job), "%s", json_string(run_of("R0")->body, "id"));
	tool_fan_free(&me.fan);
	make_queue();
	make_fan();
	tool_queue_expect(rig.queue, &rig.workers[0]);
	worker_up(1);
	/* The call was heard first, then the worker with its job. */
	question("a", "1", "R0 y R2");
	assert_unanswered("1");
	snprintf(text, sizeof(text), "{\"jobs\":[\"%s\"]}", job);
	forget_sent();
	pass_ms(100);
	assert_null(run_of("R2"));
	worker_says(0, MESSAGE_STATE, text);
	assert_null(run_of("R0"));
	result(0, job, "ok", "{\"ppp\":1,\"dhcp\":0,\"hotspot\":0}");
	router_answers("R2");
	assert_told("a", "1", "ok", "Hay 11 clientes");
}

static void
a_job_of_an_earlier_supervisor_keeps_its_router_taken(void **state)
{
	char job[TOOL_JOB_ID_SIZE], text[256];

	(void)state;
	question("a", "1", "R0");
	snprintf(job, sizeof(job), "%s", json_string(run_of("R0")->body, "id"));
	tool_fan_free(&me.fan);
	make_queue();
	make_fan();
	forget_sent();
	snprintf(text, sizeof(text), "{\"jobs\":[\"%s\"]}", job);
	worker_says(0, MESSAGE_STATE, text);
	/* Another question about the same router: another job, for later. */
	me.tool.name = "otra";
	cJSON_ReplaceItemInObject((cJSON *)(uintptr_t)me.tool.settings, "query",
	    cJSON_CreateString("ping"));
	question("b", "1", "R0");
	assert_null(run_of("R0"));
	result(0, job, "ok", "{}");
	assert_non_null(run_of("R0"));
	question("b", "2", "R1");
	assert_non_null(run_of("R1"));
}

static void
an_open_question_keeps_its_routers_when_the_inventory_changes(void **state)
{
	(void)state;
	question("a", "1", "R4");
	load_inventory(2);
	router_answers("R4");
	assert_told("a", "1", "ok", "Hay 10");
	question("a", "2", "R4");
	assert_told("a", "2", "ok", "No conozco");
}

static void
parts_are_not_counted_as_questions(void **state)
{
	char id[16];

	(void)state;
	load_inventory(500);
	question("a", "1", "todos");
	question("b", "1", "todos");
	/* 128 on each of two workers; the others wait for them. */
	assert_counts(
	    500 - 2 * TOOL_QUEUE_WORKER_PARTS, 2 * TOOL_QUEUE_WORKER_PARTS, 2);
	/* Nobody else waits for routers. */
	ask("c", "x", "¿Cuántos?", NULL);
	assert_int_equal(count_runs(), 1);
	for (int i = 0; i < 500; i++) {
		char name[8];

		snprintf(name, sizeof(name), "R%d", i);
		router_answers(name);
	}
	assert_told("a", "1", "ok", "Respondieron 500 de 500");
	assert_told("b", "1", "ok", "Respondieron 500 de 500");
	for (int i = 0; i < TOOL_FAN_CALL_MAX; i++) {
		snprintf(id, sizeof(id), "q%d", i);
		question("d", id, "R3");
		assert_unanswered(id);
	}
	question("d", "last", "R3");
	assert_told("d", "last", "busy", "demasiadas consultas");
}

static void
other_tools_pass_through(void **state)
{
	cJSON *body = cJSON_Parse("{\"call\":\"c\",\"id\":\"1\",\"name\":"
				  "\"consultar\",\"arguments\":\"{\\\"question"
				  "\\\":\\\"abc\\\"}\"}");

	(void)state;
	assert_int_equal(tool_fan_on_request(me.fan, "c", body), 0);
	result(json_string(last(MESSAGE_JOB_RUN)->body, "id")[0] == 'c' ? 0 : 1,
	    last_job(), "ok", "Hay 12.");
	assert_answer("c", "1", "ok", "Hay 12.");
	cJSON_ReplaceItemInObject(body, "id", cJSON_CreateString(""));
	cJSON_ReplaceItemInObject(body, "name", cJSON_CreateString("estado"));
	assert_int_equal(tool_fan_on_request(me.fan, "c", body), -EPROTO);
	cJSON_Delete(body);
}

#define fan_test(name)                                                         \
	cmocka_unit_test_setup_teardown(name, fan_set_up, fan_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    fan_test(each_router_gets_one_job_and_the_call_one_answer),
	    fan_test(one_router_is_a_question_like_any),
	    fan_test(the_call_hears_how_many_have_answered),
	    fan_test(at_the_deadline_the_answer_has_what_came),
	    fan_test(when_nobody_answers_that_is_the_status),
	    fan_test(what_a_toolworker_finds_wrong_goes_to_the_model),
	    fan_test(two_callers_share_each_routers_job),
	    fan_test(
		a_router_that_cannot_be_stopped_is_not_asked_again_meanwhile),
	    fan_test(a_router_is_left_alone_while_it_is_held),
	    fan_test(a_dead_toolworker_leaves_its_routers_taken),
	    fan_test(a_new_supervisor_knows_which_routers_stay_taken),
	    fan_test(a_hold_that_nobody_heard_of_counts),
	    fan_test(a_job_that_nobody_heard_of_keeps_its_router_taken),
	    fan_test(answers_from_the_cache_say_their_age),
	    fan_test(a_cancelled_question_has_its_one_answer),
	    fan_test(a_question_that_is_repeated_is_not_asked_twice),
	    fan_test(a_new_supervisor_finds_the_jobs_that_run),
	    fan_test(a_job_of_an_earlier_supervisor_keeps_its_router_taken),
	    fan_test(
		an_open_question_keeps_its_routers_when_the_inventory_changes),
	    fan_test(parts_are_not_counted_as_questions),
	    fan_test(other_tools_pass_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
