/* SPDX-License-Identifier: MIT */
/*
 * test_http_executor.c – from a job to requests and back, over a transport
 * that does what a test says. With http_message.c, whose work is what is sent.
 */
#include "toolworker/http_executor.h"

#include "common/json.h"
#include "tests/unit/fake_clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define JSON "application/json"

/* -- the transport: http_call.c's place ------------------------------------- */

struct http_call {
	http_response_fn fn;
	http_part_fn on_part;
	void *arg;
};

static struct {
	struct http_call call; /* one at a time is enough */
	bool under_way;
	int refuse; /* what the next start returns */
	unsigned int sent;
	char text[8192]; /* METHOD URL, headers, body; of the last one */
	struct http_request_config config;

	struct tool_secrets *secrets;
	struct http_executor *executor;
	struct executor interface;
	struct config settings;
	const char *caller; /* JSON; NULL: nothing is known */
	void *handle;
	unsigned int results;
	enum tool_status status;
	char output[TOOL_OUTPUT_SIZE];
	int64_t done;
} rig;

static void
add(const char *text, const char *end)
{
	size_t len = strlen(rig.text);

	snprintf(rig.text + len, sizeof(rig.text) - len, "%s%s", text, end);
}

int
http_call_start(struct http_call **call_out,
    const struct http_call_network *network,
    const struct http_request_config *request, http_response_fn fn, void *arg)
{
	int refuse = rig.refuse;

	(void)network;
	assert_false(rig.under_way);
	rig.refuse = 0;
	if (refuse < 0)
		return refuse;
	rig.sent++;
	rig.config = *request;
	rig.text[0] = '\0';
	add(request->method, " ");
	add(request->url, "\n");
	for (size_t i = 0; request->headers[i] != NULL; i++)
		add(request->headers[i], "\n");
	if (request->user != NULL) {
		add(request->user, ":");
		add(request->password, "\n");
	}
	if (request->body != NULL)
		add(request->body, "");
	rig.call = (struct http_call){fn, request->on_part, arg};
	rig.under_way = true;
	*call_out = &rig.call;
	return 0;
}

void
http_call_cancel(struct http_call **call_ptr)
{
	if (*call_ptr != NULL)
		rig.under_way = false;
	*call_ptr = NULL;
}

static void
respond(int status, const char *type, const char *body, const char *redirect)
{
	const struct http_response response = {
	    .result = HTTP_OK,
	    .status = status,
	    .content_type = type,
	    .body = body,
	    .body_len = strlen(body),
	    .redirect_url = redirect,
	    .retry_after_s = -1,
	    .error = "",
	};

	assert_true(rig.under_way);
	rig.under_way = false;
	rig.call.fn(&response, rig.call.arg);
}

/* -- the job's side ------------------------------------------------------------ */

static void
on_result(enum tool_status status, const char *output, void *arg)
{
	assert_ptr_equal(arg, &rig);
	assert_false(rig.under_way);
	rig.results++;
	rig.status = status;
	snprintf(rig.output, sizeof(rig.output), "%s", output);
}

static void
on_progress(const struct tool_progress *progress, void *arg)
{
	assert_ptr_equal(arg, &rig);
	rig.done = progress->done;
}

static int
setup(void **state)
{
	static const struct http_call_network network;

	(void)state;
	memset(&rig, 0, sizeof(rig));
	rig.done = -1;
	setenv("TOOL_KEY", "k&y-0123456789", 1);
	snprintf(rig.settings.mikrotik_api_url,
	    sizeof(rig.settings.mikrotik_api_url), "http://r.test");
	rig.settings.enable_mikrotik_tools = true;
	assert_int_equal(tool_secrets_new(&rig.secrets, NULL), 0);
	assert_int_equal(http_executor_new(&rig.executor, &network,
			     &rig.settings, rig.secrets),
	    0);
	rig.interface = http_executor_interface(rig.executor);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	http_executor_free(&rig.executor);
	tool_secrets_free(&rig.secrets);
	return rig.under_way ? -1 : 0;
}

#define PARAMETERS                                                                \
	"\"parameters\":{\"type\":\"object\",\"properties\":{\"q\":{\"type\":"    \
	"\"string\",\"maxLength\":20000},\"t\":{\"type\":\"integer\",\"default\"" \
	":60,\"minimum\":15}},\"additionalProperties\":false}"

/* Starts a job of the tool with MEMBERS; its arguments are JSON. */
static void
start(const char *members, const char *arguments)
{
	static const struct executor_events events = {
	    .progress = on_progress, .result = on_result, .arg = &rig};
	char text[4096];
	struct executor_request request = {
	    .id = "j", .tool = "probe", .deadline_ms = 30000};

	snprintf(text, sizeof(text),
	    "{\"executor\":\"http\"," PARAMETERS ",%s}", members);
	request.settings = cJSON_Parse(text);
	request.arguments = cJSON_Parse(arguments);
	request.caller = cJSON_Parse(rig.caller);
	assert_non_null(request.settings);
	assert_non_null(request.arguments);
	rig.results = 0;
	rig.handle = rig.interface.start(rig.interface.self, &request, &events);
	assert_int_equal(rig.results, rig.handle == NULL);
	/* Nothing of the request may be needed after it has been started. */
	cJSON_Delete((cJSON *)(uintptr_t)request.settings);
	cJSON_Delete((cJSON *)(uintptr_t)request.arguments);
	cJSON_Delete((cJSON *)(uintptr_t)request.caller);
}

static void
assert_result(enum tool_status status, const char *output)
{
	assert_int_equal(rig.results, 1);
	assert_int_equal(rig.status, status);
	if (output != NULL)
		assert_string_equal(rig.output, output);
}

static void
what_is_sent_is_what_the_templates_say(void **state)
{
	static const struct {
		const char *members, *sent;
	} rows[] = {
	    {"\"url\":\"https://h/${argument:t}?q=${argument:q}\"",
		"GET https://h/60?q=a%20%26b\nAccept: application/json\n"},
	    {"\"url\":\"${setting:MIKROTIK_API_URL}/q\",\"body\":{\"q\":"
	     "\"${argument:q}\",\"t\":\"${timeout_s}\",\"x\":[null,true]},"
	     "\"timeout_argument\":\"t\"",
		"POST http://r.test/q\nAccept: application/json\n"
		"Content-Type: application/json\n"
		"{\"q\":\"a &b\",\"t\":28,\"x\":[null,true]}"},
	    {"\"url\":\"https://h/\",\"method\":\"PUT\",\"form\":{\"a b\":"
	     "\"${argument:q}\",\"k\":\"${secret:TOOL_KEY}\"}",
		"PUT https://h/\nAccept: application/json\n"
		"Content-Type: application/x-www-form-urlencoded\n"
		"a%20b=a%20%26b&k=k%26y-0123456789"},
	    {"\"url\":\"https://h/\",\"headers\":{\"accept\":\"x/y\","
	     "\"X-Key\":\"k ${secret:TOOL_KEY} ${argument:q}\"},\"user\":\"u\","
	     "\"password\":\"${secret:TOOL_KEY}\"",
		"GET https://h/\naccept: x/y\n"
		"X-Key: k k&y-0123456789 a%20%26b\nu:k&y-0123456789\n"},
	    {"\"url\":\"https://h/\",\"response\":{\"type\":\"text\"}",
		"GET https://h/\nAccept: text/plain\n"},
	    {"\"url\":\"https://h/\",\"response\":{\"progress\":{\"done\":\"/n\"}}",
		"GET https://h/\nAccept: application/x-ndjson, "
		"application/json;q=0.9\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		start(rows[i].members, "{\"q\":\"a &b\"}");
		assert_string_equal(rig.text, rows[i].sent);
		/* What writes must never be repeated by the transport. */
		assert_true(rig.config.once);
		respond(200, "", "\"bien\"", "");
		if (strstr(rows[i].members, "text") == NULL)
			assert_result(TOOL_STATUS_OK, "bien");
	}
}

static void
it_is_about_the_caller_whom_we_know(void **state)
{
	static const char members[] =
	    "\"url\":\"https://h/\",\"body\":"
	    "{\"c\":\"${caller:customer}\",\"q\":\"${argument:q}\"}";

	(void)state;
	start(members, "{\"q\":\"100203\"}");
	assert_result(TOOL_STATUS_REFUSED, "not known of the caller: customer");
	rig.caller = "{\"number\":\"+571\"}";
	start(members, "{\"q\":\"100203\"}");
	assert_result(TOOL_STATUS_REFUSED, "not known of the caller: customer");
	assert_int_equal(rig.sent, 0);
	rig.caller = "{\"number\":\"+571\",\"customer\":\"100202\"}";
	start(members, "{\"q\":\"100203\"}");
	assert_non_null(
	    strstr(rig.text, "{\"c\":\"100202\",\"q\":\"100203\"}"));
	respond(200, "", "\"bien\"", "");
	assert_result(TOOL_STATUS_OK, "bien");
}

static void
what_cannot_be_sent_is_answered_at_once(void **state)
{
	static const struct {
		const char *members, *arguments;
		enum tool_status wanted;
	} rows[] = {
	    {"\"url\":\"https://h/\"", "{\"q\":7}",
		TOOL_STATUS_INVALID_ARGUMENTS},
	    {"\"url\":\"https://h/\"", "{\"x\":7}",
		TOOL_STATUS_INVALID_ARGUMENTS},
	    {"\"url\":\"https://h/${argument:t}/x\",\"redirects\":9", "{}",
		TOOL_STATUS_INTERNAL},
	    {"\"method\":\"GET\"", "{}", TOOL_STATUS_INTERNAL},
	    {"\"url\":\"https://h/\",\"headers\":{\"X\":"
	     "\"${secret:TOOL_NOBODY}\"}",
		"{}", TOOL_STATUS_UNREACHABLE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		start(rows[i].members, rows[i].arguments);
		assert_result(rows[i].wanted, NULL);
		assert_null(rig.handle);
	}
	assert_int_equal(rig.sent, 0);
	rig.refuse = -EBUSY;
	start("\"url\":\"https://h/\"", "{}");
	assert_result(TOOL_STATUS_BUSY, NULL);
	rig.refuse = -ENOMEM;
	start("\"url\":\"https://h/\"", "{}");
	assert_result(TOOL_STATUS_INTERNAL, NULL);
}

static void
redirects_are_followed_where_they_may(void **state)
{
	static const struct {
		const char *members;
		int status;
		const char *where;
		const char *then; /* NULL: not followed */
	} rows[] = {
#define HOW(rest) "\"url\":\"https://h/a\",\"redirects\":1" rest
#define POST      ",\"body\":{\"x\":1}"
	    {HOW(""), 302, "https://h/b", "GET https://h/b"},
	    {HOW(""), 302, "https://H:443/b", "GET https://H:443/b"},
	    {HOW(""), 302, "http://h/b", NULL},
	    {HOW(""), 302, "https://h:444/b", NULL},
	    {HOW(""), 302, "https://h.evil/b", NULL},
	    {HOW(""), 302, "", NULL},
	    {HOW(""), 304, "https://h/b", NULL},
	    {HOW(POST), 302, "https://h/b", NULL},
	    {HOW(POST), 303, "https://h/b", "GET https://h/b"},
	    {HOW(POST), 307, "https://h/b", NULL},
	    {HOW(POST ",\"read_only\":true"), 307, "https://h/b",
		"POST https://h/b"},
	    {"\"url\":\"https://h/a\"", 302, "https://h/b", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		start(rows[i].members, "{}");
		respond(rows[i].status, JSON, "{}", rows[i].where);
		if (rows[i].then == NULL) {
			assert_result(TOOL_STATUS_HTTP_ERROR, NULL);
			continue;
		}
		assert_int_equal(rig.results, 0);
		if (strncmp(rig.text, rows[i].then, strlen(rows[i].then)) != 0)
			fail_msg("row %zu: %s", i, rig.text);
		/* One was allowed. */
		respond(302, JSON, "{}", "https://h/c");
		assert_result(TOOL_STATUS_HTTP_ERROR, "HTTP 302");
	}
}

static void
lines_are_progress_as_they_come(void **state)
{
	static const char body[] =
	    "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n{\"a\":\"x\"}";
	struct http_part part = {200, "application/x-ndjson", body, 0};

	(void)state;
	start("\"url\":\"https://h/\",\"response\":{\"answer\":\"/a\","
	      "\"progress\":{\"done\":\"/n\"}}",
	    "{}");
	assert_non_null(rig.call.on_part);
	for (part.body_len = 1; part.body_len < 16; part.body_len++) {
		rig.call.on_part(&part, rig.call.arg);
		assert_int_equal(rig.done, part.body_len < 8 ? -1 : 1);
	}
	part.body_len = strlen(body);
	rig.call.on_part(&part, rig.call.arg);
	assert_int_equal(rig.done, 3);
	respond(200, "application/x-ndjson", body, "");
	assert_result(TOOL_STATUS_OK, "x");
	/* Not of what failed, nor of another type, nor undeclared. */
	rig.done = -1;
	start("\"url\":\"https://h/\",\"response\":{\"progress\":{\"done\":"
	      "\"/n\"}}",
	    "{}");
	part.status = 500;
	rig.call.on_part(&part, rig.call.arg);
	part.status = 200;
	part.content_type = JSON;
	rig.call.on_part(&part, rig.call.arg);
	assert_int_equal(rig.done, -1);
	rig.interface.cancel(rig.handle);
	start("\"url\":\"https://h/\"", "{}");
	assert_null(rig.call.on_part);
	rig.interface.cancel(rig.handle);
}

static void
a_cancelled_job_has_no_result(void **state)
{
	(void)state;
	start("\"url\":\"https://h/\"", "{}");
	assert_true(rig.under_way);
	rig.interface.cancel(rig.handle);
	assert_false(rig.under_way);
	assert_int_equal(rig.results, 0);
}

static void
the_deadline_is_for_all_requests_together(void **state)
{
	(void)state;
	start("\"url\":\"https://h/a\",\"redirects\":1", "{}");
	assert_int_equal(rig.config.deadline_ms, 30000);
	fake_now_ms += 12000;
	respond(302, JSON, "", "https://h/b");
	assert_int_equal(rig.config.deadline_ms, 18000);
	respond(200, JSON, "7", "");
	assert_result(TOOL_STATUS_OK, "7");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(what_is_sent_is_what_the_templates_say),
	    TEST(it_is_about_the_caller_whom_we_know),
	    TEST(what_cannot_be_sent_is_answered_at_once),
	    TEST(redirects_are_followed_where_they_may),
	    TEST(lines_are_progress_as_they_come),
	    TEST(a_cancelled_job_has_no_result),
	    TEST(the_deadline_is_for_all_requests_together),
	};

	return cmocka_run_group_tests_name("http_executor", tests, NULL, NULL);
}
