/* SPDX-License-Identifier: MIT */
/* test_tools.c – loading tool definitions, good, bad, and in use. */
#include "supervisor/tools.h"

#include "common/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FAILURES                                                               \
	"\"failures\":{\"timeout\":\"t\",\"unreachable\":\"u\","               \
	"\"http_error\":\"h\",\"busy\":\"b\",\"malformed\":\"m\","             \
	"\"refused\":\"r\",\"lost\":\"l\"}"
#define PARAMETERS                                                             \
	"\"parameters\":{\"type\":\"object\",\"properties\":{\"timeout\":"     \
	"{\"type\":\"integer\",\"default\":60}}}"
#define EXECUTOR                                                                \
	"\"executor\":{\"type\":\"http\",\"url\":\"${setting:MIKROTIK_API_URL}" \
	"/query\",\"redirects\":1}"
#define TOOL(name, rest)                                                       \
	"{\"name\":\"" name "\",\"description\":\"d\"," PARAMETERS             \
	"," EXECUTOR "," FAILURES rest "}"

struct fixture {
	char dir[64];
	struct config config;
	struct config_problems problems;
	struct tools *tools;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->dir, "/tmp/test_tools.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->config.enable_mikrotik_tools = true;
	strcpy(f->config.mikrotik_api_url, "http://127.0.0.1:1");
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	tools_unref(&f->tools);
	snprintf(command, sizeof(command), "rm -r %s", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void
add_file(struct fixture *f, const char *name, const char *text)
{
	char path[160];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static void
load(struct fixture *f)
{
	tools_unref(&f->tools);
	memset(&f->problems, 0, sizeof(f->problems));
	assert_int_equal(
	    tools_load(&f->tools, f->dir, &f->config, &f->problems), 0);
	for (size_t i = 0; i < f->problems.count; i++)
		assert_false(f->problems.list[i].fatal);
}

/* The folder then holds one good tool and TEXT, which must be refused. */
static void
assert_refused(struct fixture *f, const char *text, const char *why)
{
	add_file(f, "a.json", TOOL("good", ""));
	add_file(f, "bad.json", text);
	load(f);
	if (tools_count(f->tools) != 1 || f->problems.count == 0)
		fail_msg("accepted %s", text);
	assert_non_null(tools_find(f->tools, "good"));
	assert_non_null(strstr(f->problems.list[0].text, "/bad.json: "));
	if (strstr(f->problems.list[0].text, why) == NULL)
		fail_msg("\"%s\" lacks \"%s\"", f->problems.list[0].text, why);
}

static void
tool_is_loaded_completely(void **state)
{
	struct fixture *f = *state;
	const struct tool *tool;

	add_file(f, "a.json",
	    TOOL("probe",
		",\"deadline_ms\":5000,\"timeout_argument\":\"timeout\","
		"\"read_only\":true,\"waiting\":\"w\""));
	load(f);
	assert_int_equal(f->problems.count, 0);
	assert_int_equal(tools_count(f->tools), 1);
	tool = tools_find(f->tools, "probe");
	assert_ptr_equal(tool, tools_at(f->tools, 0));
	assert_string_equal(tool->description, "d");
	assert_int_equal(tool->waiting_count, 1);
	assert_string_equal(tool->waiting[0], "w");
	assert_string_equal(tool->executor, "http");
	assert_int_equal(tool->deadline_ms, 5000);
	assert_string_equal(tool->timeout_argument, "timeout");
	assert_true(tool->read_only);
	assert_true(tool->available);
	assert_string_equal(json_string(tool->failures, "lost"), "l");
	assert_string_equal(json_string(tool->settings, "executor"), "http");
	assert_int_equal(json_int(tool->settings, "redirects", 0), 1);
	assert_string_equal(
	    json_string(tool->settings, "timeout_argument"), "timeout");
	assert_true(json_bool(tool->settings, "read_only", false));
	assert_true(cJSON_Compare(
	    json_object(tool->settings, "parameters"), tool->parameters, true));
	assert_false(cJSON_HasObjectItem(tool->settings, "type"));
	assert_null(tools_find(f->tools, "other"));
}

#define SQL(dsn, bind, rest)                                                   \
	"{\"name\":\"x\",\"description\":\"d\"," PARAMETERS "," FAILURES rest  \
	",\"executor\":{\"type\":\"sql\",\"dsn\":\"" dsn                       \
	"\",\"query\":\"SELECT ?\",\"bind\":[\"" bind                          \
	"\"],\"answer\":\"{a}\",\"none\":\"n\"}}"

static void
a_query_reads_and_has_a_worker_to_itself(void **state)
{
	struct fixture *f = *state;
	const struct tool *tool;

	add_file(f, "a.json",
	    SQL("${setting:COURSES_DSN}", "${argument:timeout}",
		",\"cache_s\":60,\"read_only\":true,\"stale\":\"{seconds}\""));
	load(f);
	tool = tools_find(f->tools, "x");
	assert_non_null(tool);
	assert_true(tool->read_only && tool->exclusive);
	assert_false(tool->personal);
	assert_false(tool->available); /* COURSES_DSN is not set */
	assert_string_equal(json_string(tool->settings, "executor"), "sql");
	strcpy(f->config.courses_dsn, "DSN=x");
	load(f);
	assert_true(tools_find(f->tools, "x")->available);
	add_file(f, "a.json", SQL("DSN=x", "${caller:customer}", ""));
	load(f);
	tool = tools_find(f->tools, "x");
	assert_true(tool->personal && tool->available && tool->read_only);
}

static void
bad_queries_are_refused_with_their_reason(void **state)
{
	assert_refused(*state,
	    SQL("DSN=x", "${caller:customer}",
		",\"cache_s\":60,\"read_only\":true,\"stale\":\"{seconds}\""),
	    "no answer for others");
	assert_refused(*state,
	    SQL("DSN=x", "a", ",\"timeout_argument\":\"timeout\""),
	    "\"timeout_s\" is the limit");
	assert_refused(*state, SQL("DSN=x", "${argument:no}", ""),
	    "\"executor\": \"bind\": ${argument:no}");
	assert_refused(*state, SQL("DSN=x;PWD=y", "a", ""),
	    "\"executor\": \"dsn\": PWD must be a secret");
}

static void
what_is_left_out_has_a_default(void **state)
{
	struct fixture *f = *state;
	const struct tool *tool;

	add_file(f, "a.json", TOOL("probe", ""));
	load(f);
	tool = tools_find(f->tools, "probe");
	assert_int_equal(tool->deadline_ms, 60000);
	assert_int_equal(tool->waiting_count, 0);
	assert_string_equal(tool->progress, "");
	assert_string_equal(tool->action, "");
	assert_string_equal(tool->timeout_argument, "");
	assert_false(tool->read_only);
	assert_false(tool->exclusive);
	assert_string_equal(tool->target, "probe");
	assert_int_equal(tool->target_limit, 0);
	assert_int_equal(tool->cache_s, 0);
	assert_string_equal(tool->stale, "");
}

static void
what_is_said_while_it_runs_is_taken(void **state)
{
	struct fixture *f = *state;
	const struct tool *tool;

	add_file(f, "a.json",
	    TOOL("probe",
		",\"waiting\":[\"uno\",\"van {seconds} s\"],\"progress\":"
		"\"{done} de {total}\""));
	load(f);
	assert_int_equal(f->problems.count, 0);
	tool = tools_find(f->tools, "probe");
	assert_int_equal(tool->waiting_count, 2);
	assert_string_equal(tool->waiting[0], "uno");
	assert_string_equal(tool->waiting[1], "van {seconds} s");
	assert_string_equal(tool->progress, "{done} de {total}");
}

static void
what_could_not_be_said_is_refused(void **state)
{
	static const char *const bad[][2] = {
	    {TOOL("x", ",\"waiting\":\"\""), "1 to 8"},
	    {TOOL("x", ",\"waiting\":[]"), "1 to 8"},
	    {TOOL("x", ",\"waiting\":1"), "1 to 8"},
	    {TOOL("x", ",\"waiting\":{\"a\":\"b\"}"), "1 to 8"},
	    {TOOL("x", ",\"waiting\":[\"a\",\"\"]"), "1 to 8"},
	    {TOOL("x", ",\"waiting\":[\"a\",2]"), "1 to 8"},
	    {TOOL("x", ",\"waiting\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\","
		       "\"7\",\"8\",\"9\"]"),
		"1 to 8"},
	    {TOOL("x", ",\"waiting\":\"hace {segundos} s\""), "\"{segundos}\""},
	    {TOOL("x", ",\"waiting\":[\"a\",\"{done} s\"]"), "\"{done}\""},
	    {TOOL("x", ",\"progress\":\"\""), "\"progress\""},
	    {TOOL("x", ",\"progress\":[\"{done} de {total}\"]"),
		"\"progress\""},
	    {TOOL("x", ",\"progress\":\"{done} listos\""), "{total}"},
	    {TOOL("x", ",\"progress\":\"{done} de {total} {x}\""), "\"{x}\""},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_refused(*state, bad[i][0], bad[i][1]);
}

static void
what_the_queue_needs_is_taken(void **state)
{
	struct fixture *f = *state;
	const struct tool *tool;

	add_file(f, "a.json",
	    TOOL("probe",
		",\"read_only\":true,\"cache_s\":30,\"stale\":\"hace "
		"{seconds} s\",\"target\":\"router ${argument:timeout}\","
		"\"target_limit\":2,\"exclusive\":true,\"who\":\"public\","
		"\"confirm\":false"));
	load(f);
	assert_int_equal(f->problems.count, 0);
	tool = tools_find(f->tools, "probe");
	assert_int_equal(tool->cache_s, 30);
	assert_string_equal(tool->stale, "hace {seconds} s");
	assert_string_equal(tool->target, "router ${argument:timeout}");
	assert_int_equal(tool->target_limit, 2);
	assert_true(tool->exclusive);
}

static void
what_the_queue_could_not_use_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_refused(f, TOOL("x", ",\"exclusive\":\"no\""), "exclusive");
	assert_refused(f, TOOL("x", ",\"cache_s\":30,\"stale\":\"{seconds}\""),
	    "read_only");
	assert_refused(
	    f, TOOL("x", ",\"read_only\":true,\"cache_s\":30"), "{seconds}");
	assert_refused(f, TOOL("x", ",\"cache_s\":3601"), "0 to 3600");
	assert_refused(f, TOOL("x", ",\"target\":\"\""), "target");
	assert_refused(f, TOOL("x", ",\"target\":\"${argument:no}\""), "no");
	assert_refused(f, TOOL("x", ",\"target\":\"${secret:TOOL_X}\""),
	    "${argument:NAME}");
	assert_refused(f, TOOL("x", ",\"target\":\"${argument:timeout\""),
	    "${argument:NAME}");
	assert_refused(f,
	    TOOL("x", ",\"target\":\"${argument:timeout}${argument:timeout}\""),
	    "${argument:NAME}");
	assert_refused(f, TOOL("x", ",\"target_limit\":0"), "target_limit");
	assert_refused(f, TOOL("x", ",\"who\":\"nobody\""), "\"who\"");
	assert_refused(f, TOOL("x", ",\"who\":\"staff\""), "unidentified");
	assert_refused(f, TOOL("x", ",\"unidentified\":\"u\""),
	    "for a customer or the staff");
	assert_refused(f, TOOL("x", ",\"who\":\"service\",\"confirm\":true"),
	    "nobody to confirm");
	assert_refused(f, TOOL("x", ",\"confirm\":1"), "confirm");
}

#define HTTP(members)                                                          \
	"{\"name\":\"x\",\"description\":\"d\"," PARAMETERS "," FAILURES       \
	",\"executor\":{\"type\":\"http\"," members "}}"
#define URL "\"url\":\"https://crm.test/c\""

#define ABOUT(rest, body)                                                      \
	"{\"name\":\"x\",\"description\":\"d\"," PARAMETERS "," FAILURES rest  \
	",\"executor\":{\"type\":\"http\"," URL ",\"body\":" body "}}"
#define CUSTOMER ",\"who\":\"customer\",\"unidentified\":\"u\""

static void
what_customers_ask_is_about_themselves(void **state)
{
	struct fixture *f = *state;

	add_file(
	    f, "a.json", ABOUT(CUSTOMER, "{\"a\":[\"x ${caller:customer}\"]}"));
	load(f);
	assert_true(tools_find(f->tools, "x")->personal);
	assert_int_equal(f->problems.count, 0);
	add_file(f, "a.json", ABOUT(CUSTOMER, "{\"a\":\"x\"}"));
	load(f);
	assert_false(tools_find(f->tools, "x")->personal);
	assert_int_equal(f->problems.count, 1);
	assert_non_null(strstr(
	    f->problems.list[0].text, "nothing in it is ${caller:customer}"));
	add_file(f, "a.json", SQL("DSN=x", "${caller:number}", ""));
	load(f);
	assert_int_equal(f->problems.count, 1);
	assert_non_null(
	    strstr(f->problems.list[0].text, "pretends to have that number"));
	add_file(f, "a.json",
	    SQL("DSN=x", "${caller:number}", ",\"who\":\"service\""));
	load(f);
	assert_int_equal(f->problems.count, 0);
	/* Where somebody calls back must be said. */
	add_file(f, "a.json", ABOUT("", "\"${caller:number}\""));
	load(f);
	assert_int_equal(f->problems.count, 0);
	assert_refused(f,
	    ABOUT(",\"cache_s\":9,\"read_only\":true,\"stale\":\"{seconds}\"",
		"\"${caller:number}\""),
	    "no answer for others");
}

/* The fault, and the place that its message must name. */
static const char *const bad_executors[][2] = {
    {HTTP(URL ",\"body\":\"${caller:name}\""), "\"body\": ${caller:name}"},
    {HTTP(URL ",\"user\":\"${caller:number}\",\"password\":\"p\""),
	"credential"},
    {HTTP("\"method\":\"GET\""), "\"url\" is missing"},
    {HTTP(URL ",\"response\":{\"progress\":{}}"), "must have \"done\""},
    {HTTP(URL ",\"response\":{\"progress\":7}"), "must have \"done\""},
    {HTTP(URL ",\"response\":{\"progress\":{\"done\":\"x\"}}"),
	"\"progress\": \"done\""},
    {HTTP(URL ",\"response\":{\"progress\":{\"done\":\"/d\",\"of\":1}}"),
	"\"progress\": \"of\""},
    {HTTP(URL ",\"response\":{\"type\":\"text\",\"progress\":"
	      "{\"done\":\"/d\"}}"),
	"a text has no JSON pointers"},
    {HTTP(URL ",\"colour\":1"), "\"executor\": \"colour\""},
    {HTTP(URL ",\"parameters\":{}"), "\"executor\": \"parameters\""},
    {HTTP(URL ",\"executor\":\"sql\""), "\"executor\": \"executor\""},
    {HTTP(URL ",\"read_only\":true"), "\"executor\": \"read_only\""},
    {HTTP("\"url\":\"ftp://h/\""), "\"url\": "},
    {HTTP("\"url\":\"https://u:p@h/\""), "password"},
    {HTTP("\"url\":\"https://h/#f\""), "\"url\": "},
    {HTTP("\"url\":\"https://h/a b\""), "\"url\": "},
    {HTTP("\"url\":\"https://${argument:timeout}/\""), "written out"},
    {HTTP("\"url\":\"https://h:${argument:timeout}/\""), "written out"},
    {HTTP("\"url\":\"${argument:timeout}\""), "must begin with"},
    {HTTP("\"url\":\"${setting:MIKROTIK_API_URL}x\""), "'/' must follow"},
    {HTTP("\"url\":\"${setting:OPENAI_API_KEY}/\""), "may not name"},
    {HTTP("\"url\":\"https://h/${secret:TOOL_X}\""), "not in a URL"},
    {HTTP("\"url\":\"https://h/${argument:no}\""), "does not describe"},
    {HTTP("\"url\":\"https://h/${no:x}\""), "${argument:NAME}"},
    {HTTP("\"url\":\"https://h/${argument:timeout\""), "${argument:NAME}"},
    {HTTP(URL ",\"method\":\"TRACE\""), "\"method\""},
    {HTTP(URL ",\"method\":\"GET\",\"body\":1"), "GET has no body"},
    {HTTP(URL ",\"body\":1,\"form\":{}"), "\"form\""},
    {HTTP(URL ",\"body\":{\"a\":[\"${argument:no}\"]}"), "\"body\": "},
    {HTTP(URL ",\"body\":{\"${argument:timeout}\":1}"), "written out"},
    {HTTP(URL ",\"form\":{\"a\":1}"), "\"form\": \"a\""},
    {HTTP(URL ",\"headers\":{\"Host\":\"h\"}"), "\"Host\""},
    {HTTP(URL ",\"headers\":{\"a b\":\"c\"}"), "\"a b\""},
    {HTTP(URL ",\"headers\":{\"X\":\"a\\r\\nb: c\"}"), "\"X\": "},
    {HTTP(URL ",\"headers\":{\"X\":\"${secret:OPENAI_API_KEY}\"}"), "TOOL_"},
    {HTTP(URL ",\"headers\":{\"X\":\"${secret:TOOL_x}\"}"), "TOOL_"},
    {HTTP(URL ",\"headers\":{\"X\":\"${secret:TOOL_X_FILE}\"}"), "TOOL_"},
    {HTTP(URL ",\"user\":\"${argument:timeout}\""), "\"user\": "},
    {HTTP(URL ",\"password\":\"${secret:TOOL_X}\""), "\"user\""},
    {HTTP(URL ",\"ca_file\":\"ca.pem\""), "absolute"},
    {HTTP(URL ",\"redirects\":6"), "\"redirects\""},
    {HTTP(URL ",\"response\":[]"), "\"response\""},
    {HTTP(URL ",\"response\":{\"x\":1}"), "\"response\": \"x\""},
    {HTTP(URL ",\"response\":{\"type\":\"xml\"}"), "json or text"},
    {HTTP(URL ",\"response\":{\"answer\":\"a\"}"), "\"answer\""},
    {HTTP(URL ",\"response\":{\"reason\":[\"a\"]}"), "\"reason\""},
    {HTTP(URL ",\"response\":{\"success\":{}}"), "\"success\""},
    {HTTP(URL ",\"response\":{\"status\":{\"99\":\"ok\"}}"), "\"99\""},
    {HTTP(URL ",\"response\":{\"status\":{\"404\":\"lost\"}}"), "\"404\""},
    {HTTP(URL ",\"response\":{\"max_bytes\":0}"), "\"max_bytes\""},
    {HTTP(URL ",\"response\":{\"type\":\"text\",\"answer\":\"/a\"}"),
	"a text has no"},
};

static void
what_an_http_tool_could_not_send_is_refused(void **state)
{
	for (size_t i = 0; i < sizeof(bad_executors) / sizeof(*bad_executors);
	     i++)
		assert_refused(
		    *state, bad_executors[i][0], bad_executors[i][1]);
}

static void
a_secret_in_the_clear_is_warned_of_and_the_tool_offered(void **state)
{
	static const struct {
		const char *text, *origin; /* NULL: nothing to warn of */
	} rows[] = {
#define SECRET ",\"headers\":{\"X\":\"k ${secret:TOOL_X}\"}"
	    {HTTP("\"url\":\"http://crm.test/c\"" SECRET),
		"http://crm.test:80"},
	    {HTTP("\"url\":\"http://10.0.0.5:8080/c\",\"body\":{\"a\":["
		  "\"${secret:TOOL_X}\"]}"),
		"http://10.0.0.5:8080"},
	    {HTTP("\"url\":\"http://h.test/${argument:timeout}\",\"form\":"
		  "{\"a\":\"${secret:TOOL_X}\"}"),
		"http://h.test:80"},
	    {HTTP("\"url\":\"http://h.test/\",\"user\":\"u\",\"password\":"
		  "\"${secret:TOOL_X}\""),
		"http://h.test:80"},
	    {HTTP("\"url\":\"${setting:MIKROTIK_API_URL}/c\"" SECRET),
		"http://192.0.2.1:8000"},
	    {HTTP("\"url\":\"https://crm.test/c\"" SECRET), NULL},
	    {HTTP("\"url\":\"http://localhost:1/c\"" SECRET), NULL},
	    {HTTP("\"url\":\"http://127.0.0.2/c\"" SECRET), NULL},
	    {HTTP("\"url\":\"http://[::1]:8/c\"" SECRET), NULL},
	    {HTTP("\"url\":\"http://crm.test/c\""), NULL},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_problems problems = {0};
		struct tool_file file;

		snprintf(f->config.mikrotik_api_url,
		    sizeof(f->config.mikrotik_api_url),
		    "http://192.0.2.1:8000");
		f->config.enable_mikrotik_tools = true;
		assert_int_equal(
		    tool_file_parse(&file, "x.json", rows[i].text,
			strlen(rows[i].text), &f->config, &problems),
		    0);
		assert_int_equal(problems.count, rows[i].origin != NULL);
		if (rows[i].origin != NULL)
			assert_non_null(
			    strstr(problems.list[0].text, rows[i].origin));
		tool_file_free(&file);
	}
}

static void
a_default_that_does_not_fit_is_a_fault(void **state)
{
	assert_refused(*state,
	    "{\"name\":\"x\",\"description\":\"d\",\"parameters\":{\"type\":"
	    "\"object\",\"properties\":{\"a\":{\"type\":\"integer\","
	    "\"maximum\":5,\"default\":6}}}," FAILURES
	    ",\"executor\":{\"type\":\"http\"," URL "}}",
	    "a default");
}

#define CALL(executor, rest)                                                   \
	"{\"name\":\"x\",\"description\":\"d\",\"executor\":{\"type\":"        \
	"\"call\"," executor "}" rest "}"
#define CHOICE                                                                 \
	",\"parameters\":{\"type\":\"object\",\"properties\":{\"to\":{"        \
	"\"enum\":[\"a\"]}},\"required\":[\"to\"]}"
#define TRANSFER                                                               \
	"\"action\":\"transfer\",\"argument\":\"to\",\"destinations\":{"       \
	"\"a\":{\"endpoint\":\"PJSIP/200\",\"ring_s\":20}}"
#define OUTCOMES                                                               \
	"\"busy\":\"b\",\"no_answer\":\"n\",\"refused\":\"r\","                \
	"\"unknown\":\"u\",\"timeout\":\"t\""

static void
what_happens_to_the_call_is_a_tool_too(void **state)
{
	struct fixture *f = *state;
	const struct tool *tool;

	add_file(
	    f, "a.json", CALL(TRANSFER, CHOICE ",\"failures\":{" OUTCOMES "}"));
	load(f);
	for (size_t i = 0; i < f->problems.count; i++)
		print_message("%s\n", f->problems.list[i].text);
	assert_int_equal(f->problems.count, 0);
	tool = tools_find(f->tools, "x");
	assert_true(tool->available);
	assert_string_equal(tool->action, "transfer");
	assert_int_equal(tool->deadline_ms, 35000);
	assert_false(tool->read_only);
	assert_non_null(json_object(tool->settings, "destinations"));
	add_file(f, "a.json",
	    CALL("\"action\":\"hangup\"",
		",\"parameters\":{\"type\":\"object\"}"));
	load(f);
	assert_int_equal(f->problems.count, 0);
	tool = tools_find(f->tools, "x");
	assert_string_equal(tool->action, "hangup");
	assert_int_equal(cJSON_GetArraySize(tool->failures), 0);
	add_file(f, "a.json", TOOL("x", ""));
	load(f);
	assert_string_equal(tools_find(f->tools, "x")->action, "");
}

static void
what_a_call_tool_could_not_do_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_refused(f, CALL(TRANSFER, CHOICE), "\"failures\"");
	assert_refused(f,
	    CALL(TRANSFER, CHOICE ",\"failures\":{\"timeout\":\"t\"}"),
	    "\"busy\"");
	assert_refused(f,
	    CALL(TRANSFER, CHOICE ",\"failures\":{" OUTCOMES ",\"lost\":"
				  "\"l\"}"),
	    "\"lost\" is no status");
	assert_refused(f,
	    CALL(TRANSFER,
		CHOICE ",\"failures\":{" OUTCOMES "},\"read_only\":true"),
	    "\"read_only\" is not for");
	assert_refused(f,
	    CALL(TRANSFER,
		CHOICE ",\"failures\":{" OUTCOMES "},\"deadline_ms\":9000"),
	    "\"deadline_ms\" is not for");
	assert_refused(f,
	    CALL("\"action\":\"dance\"",
		",\"parameters\":{\"type\":\"object\"}"),
	    "\"executor\": \"action\" must be");
}

static void
settings_that_no_job_could_carry_are_refused(void **state)
{
	char text[16384];

	snprintf(text, sizeof(text),
	    HTTP(URL ",\"body\":[\"%04000d\",\"%04000d\",\"%04000d\"]"), 1, 2,
	    3);
	assert_refused(*state, text, "8192");
}

static void
an_http_tool_may_use_all_that_there_is(void **state)
{
	struct fixture *f = *state;

	add_file(f, "a.json",
	    HTTP("\"url\":\"https://crm.test:8443/c/${argument:timeout}/x?q="
		 "${argument:timeout}\",\"method\":\"PUT\",\"headers\":{"
		 "\"Authorization\":\"Bearer ${secret:TOOL_CRM}\"},\"body\":{"
		 "\"a\":[\"${argument:timeout}\",1,null]},\"user\":\"u\","
		 "\"password\":\"${secret:TOOL_PASSWORD}\",\"ca_file\":"
		 "\"/etc/ca.pem\",\"redirects\":5,\"response\":{\"type\":"
		 "\"json\",\"answer\":\"/data/0\",\"success\":{\"pointer\":"
		 "\"/ok\",\"equals\":\"yes\"},\"reason\":[\"\",\"/e\"],"
		 "\"status\":{\"404\":\"refused\"},\"max_bytes\":1000}"));
	load(f);
	for (size_t i = 0; i < f->problems.count; i++)
		print_message("%s\n", f->problems.list[i].text);
	assert_int_equal(f->problems.count, 0);
	/* It names no setting: nothing has to be configured. */
	f->config.mikrotik_api_url[0] = '\0';
	load(f);
	assert_true(tools_find(f->tools, "x")->available);
}

static void
bad_files_are_named_and_do_not_harm_others(void **state)
{
	struct fixture *f = *state;

	assert_refused(f, "{\n\"name\": \"x\",\n oops }", "line 3");
	assert_refused(f, "", "line 1");
	assert_refused(f, "[]", "one JSON object");
	assert_refused(f, "{}", "\"name\"");
	assert_refused(f, TOOL("a b", ""), "letters");
	assert_refused(f, TOOL("good", ""), "another file");
	assert_refused(f, TOOL("x", ",\"colour\":1"), "\"colour\"");
	assert_refused(f, TOOL("x", ",\"name\":\"y\""), "twice");
	assert_refused(f, TOOL("x", ",\"deadline_ms\":10"), "deadline_ms");
	assert_refused(f, TOOL("x", ",\"deadline_ms\":\"10\""), "deadline_ms");
	assert_refused(f, TOOL("x", ",\"read_only\":1"), "read_only");
	assert_refused(f, TOOL("x", ",\"timeout_argument\":\"nope\""), "nope");
	assert_refused(f,
	    "{\"name\":\"x\",\"description\":\"d\"," PARAMETERS "," FAILURES
	    ",\"executor\":{\"type\":\"shell\"}}",
	    "\"shell\"");
	assert_refused(f,
	    "{\"name\":\"x\",\"description\":\"d\"," PARAMETERS "," FAILURES
	    "}",
	    "executor");
	assert_refused(f,
	    "{\"name\":\"x\",\"description\":\"d\"," EXECUTOR "," FAILURES
	    ",\"parameters\":{\"type\":\"string\"}}",
	    "type object");
	assert_refused(f,
	    "{\"name\":\"x\",\"description\":\"d\"," EXECUTOR "," FAILURES
	    ",\"parameters\":{\"type\":\"object\",\"anyOf\":[]}}",
	    "anyOf");
	assert_refused(f,
	    "{\"name\":\"x\",\"description\":\"d\"," PARAMETERS "," EXECUTOR
	    ",\"failures\":{\"timeout\":\"t\"}}",
	    "\"unreachable\"");
	assert_refused(f, "{\"name\":\"x\xff\"}", "UTF-8");
}

static void
every_fault_of_a_file_is_told_at_once(void **state)
{
	struct fixture *f = *state;

	add_file(f, "bad.json", "{\"name\":\"x\",\"colour\":1}");
	load(f);
	/* colour, description, parameters, failures, executor */
	assert_int_equal(f->problems.count, 5);
}

static void
only_json_files_count(void **state)
{
	struct fixture *f = *state;

	add_file(f, "README.md", "x");
	add_file(f, "a.json~", "x");
	add_file(f, ".hidden.json", "x");
	add_file(f, "_off.json", "x");
	load(f);
	assert_int_equal(tools_count(f->tools), 0);
	assert_int_equal(f->problems.count, 0);
}

static void
missing_folder_means_no_tools(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(tools_load(&f->tools, "/nonexistent/tools.d",
			     &f->config, &f->problems),
	    0);
	assert_int_equal(tools_count(f->tools), 0);
	assert_int_equal(f->problems.count, 1);
	assert_non_null(
	    strstr(f->problems.list[0].text, "/nonexistent/tools.d"));
}

static void
tool_without_its_service_is_not_available(void **state)
{
	struct fixture *f = *state;

	add_file(f, "a.json", TOOL("probe", ""));
	f->config.mikrotik_api_url[0] = '\0';
	load(f);
	assert_false(tools_find(f->tools, "probe")->available);
	strcpy(f->config.mikrotik_api_url, "http://h");
	f->config.enable_mikrotik_tools = false;
	load(f);
	assert_false(tools_find(f->tools, "probe")->available);
	assert_int_equal(f->problems.count, 0);
}

static void
generation_lives_as_long_as_somebody_uses_it(void **state)
{
	struct fixture *f = *state;
	struct tools *of_a_call;

	add_file(f, "a.json", TOOL("probe", ""));
	load(f);
	of_a_call = tools_ref(f->tools);
	add_file(f, "a.json", TOOL("renamed", ""));
	load(f); /* drops the reference with which the first one came */
	assert_non_null(tools_find(f->tools, "renamed"));
	assert_string_equal(tools_find(of_a_call, "probe")->name, "probe");
	tools_unref(&of_a_call);
	assert_null(of_a_call);
}

static void
tools_that_come_with_the_program_are_good(void **state)
{
	/* They name customers, or let somebody look for them. */
	static const struct {
		const char *name;
		enum tool_who who;
	} personal[] = {{"consultar_cliente", TOOL_WHO_CUSTOMER},
	    {"buscar_cliente_en_red", TOOL_WHO_STAFF},
	    {"alertas_router", TOOL_WHO_STAFF},
	    {"ping_desde_router", TOOL_WHO_STAFF},
	    {"comprobar_cliente", TOOL_WHO_SERVICE},
	    {"reconocer_numero", TOOL_WHO_SERVICE}};
	struct fixture *f = *state;
	const struct tool *tool;

	if (access("etc/tools.d", R_OK) != 0)
		skip(); /* not run from the source tree */
	assert_int_equal(
	    tools_load(&f->tools, "etc/tools.d", &f->config, &f->problems), 0);
	for (size_t i = 0; i < f->problems.count; i++)
		print_message("%s\n", f->problems.list[i].text);
	assert_int_equal(f->problems.count, 0);
	tool = tools_find(f->tools, "consultar_mikrotik");
	assert_non_null(tool);
	assert_true(tool->read_only);
	/* The longest timeout of the model and the queue's margin fit in. */
	assert_true(tool->deadline_ms >= 95000);
	assert_non_null(
	    strstr(json_string(tool->failures, "refused"), "{detail}"));
	for (size_t i = 0; i < sizeof(personal) / sizeof(personal[0]); i++) {
		tool = tools_find(f->tools, personal[i].name);
		assert_non_null(tool);
		assert_int_equal(tool->who, personal[i].who);
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(tool_is_loaded_completely),
	    TEST(what_is_left_out_has_a_default),
	    TEST(a_query_reads_and_has_a_worker_to_itself),
	    TEST(bad_queries_are_refused_with_their_reason),
	    TEST(what_customers_ask_is_about_themselves),
	    TEST(what_is_said_while_it_runs_is_taken),
	    TEST(what_could_not_be_said_is_refused),
	    TEST(what_the_queue_needs_is_taken),
	    TEST(what_the_queue_could_not_use_is_refused),
	    TEST(what_an_http_tool_could_not_send_is_refused),
	    TEST(what_happens_to_the_call_is_a_tool_too),
	    TEST(what_a_call_tool_could_not_do_is_refused),
	    TEST(settings_that_no_job_could_carry_are_refused),
	    TEST(an_http_tool_may_use_all_that_there_is),
	    TEST(bad_files_are_named_and_do_not_harm_others),
	    TEST(a_secret_in_the_clear_is_warned_of_and_the_tool_offered),
	    TEST(a_default_that_does_not_fit_is_a_fault),
	    TEST(every_fault_of_a_file_is_told_at_once),
	    TEST(only_json_files_count),
	    TEST(missing_folder_means_no_tools),
	    TEST(tool_without_its_service_is_not_available),
	    TEST(generation_lives_as_long_as_somebody_uses_it),
	    TEST(tools_that_come_with_the_program_are_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
