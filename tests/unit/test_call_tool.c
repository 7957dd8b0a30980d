/* SPDX-License-Identifier: MIT */
/*
 * test_call_tool.c – what a tool of type "call" may declare, and that nobody
 * has anything dialled which the operator did not write.
 */
#include "common/call_tool.h"

#include "common/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define EXTENSION                                                              \
	"\"ext\":{\"type\":\"string\",\"maxLength\":4},\"list\":{\"type\":"    \
	"\"string\",\"enum\":[\"a\",\"${x}\",\"1@out\"]},\"n\":{\"type\":"     \
	"\"integer\"},\"long\":{\"type\":\"string\",\"maxLength\":7}"
#define PARAMETERS                                                             \
	"{\"type\":\"object\",\"properties\":{\"to\":{\"type\":\"string\","    \
	"\"enum\":[\"a\",\"b\"]}," EXTENSION "},\"required\":[\"to\"]}"
#define TRANSFER(destinations)                                                 \
	"{\"type\":\"call\",\"action\":\"transfer\",\"argument\":\"to\","      \
	"\"destinations\":{" destinations "}}"
#define A           "\"a\":{\"endpoint\":\"PJSIP/200\"}"
#define B(endpoint) "\"b\":{\"endpoint\":\"" endpoint "\"}"

static char problems[4096];

static void
on_problem(const char *text, void *arg)
{
	(void)arg;
	strcat(problems, text);
	strcat(problems, "\n");
}

static int
read_tool(const char *executor, const char *parameters, struct call_tool *tool)
{
	cJSON *settings = json_parse(executor, strlen(executor));
	cJSON *schema = json_parse(parameters, strlen(parameters));
	int ret;

	assert_non_null(settings);
	assert_non_null(schema);
	problems[0] = '\0';
	ret = call_tool_read(tool, settings, schema, on_problem, NULL);
	cJSON_Delete(settings);
	cJSON_Delete(schema);
	return ret;
}

static void
assert_fault(const char *executor, const char *parameters, const char *why)
{
	struct call_tool tool;

	if (read_tool(executor, parameters, &tool) != -EINVAL)
		fail_msg("accepted %s", executor);
	if (strstr(problems, why) == NULL)
		fail_msg("\"%s\" lacks \"%s\"", problems, why);
}

static const char *const faults[][2] = {
    {"{\"type\":\"call\"}", "\"action\" must be"},
    {"{\"type\":\"call\",\"action\":\"dance\"}", "\"dance\""},
    {"{\"type\":\"call\",\"action\":\"hangup\",\"colour\":1}", "\"colour\""},
    {"{\"type\":\"call\",\"action\":\"hangup\",\"destinations\":{}}",
	"for the action transfer"},
    {"{\"type\":\"call\",\"action\":\"transfer\",\"argument\":\"to\"}",
	"1 to 32"},
    {TRANSFER(""), "1 to 32"},
    {TRANSFER(A), "has \"b\", which is none"},
    {TRANSFER(A "," B("PJSIP/1") ",\"c\":{\"endpoint\":\"PJSIP/1\"}"),
	"\"c\" is missing"},
    {TRANSFER(A "," A "," B("PJSIP/1")), "\"a\" is there twice"},
    {TRANSFER(A ",\"b\":1"), "\"b\": must be an object"},
    {TRANSFER(A ",\"b\":{}"), "\"b\": \"endpoint\" must be"},
    {TRANSFER(A ",\"b\":{\"endpoint\":\"PJSIP/1\",\"ring\":5}"), "\"ring\""},
    {TRANSFER(A ",\"b\":{\"endpoint\":\"PJSIP/1\",\"ring_s\":4}"), "5 to 120"},
    {TRANSFER(A ",\"b\":{\"endpoint\":\"PJSIP/1\",\"ring_s\":\"30\"}"),
	"5 to 120"},
    {TRANSFER(A "," B("200")), "must be what Asterisk dials"},
    {TRANSFER(A "," B("PJSIP/")), "must be what Asterisk dials"},
    {TRANSFER(A "," B("/200")), "must be what Asterisk dials"},
    {TRANSFER(A "," B("PJSIP/1&PJSIP/2")), "must be what Asterisk dials"},
    {TRANSFER(A "," B("PJSIP/1 2")), "must be what Asterisk dials"},
    {TRANSFER(A "," B("PJSIP/1\\n")), "must be what Asterisk dials"},
    {TRANSFER(A "," B("Local/${argument:nope}@x")), "\"nope\" as a string"},
    {TRANSFER(A "," B("Local/${argument:n}@x")), "\"n\" as a string"},
    {TRANSFER(A "," B("Local/${argument:long}@x")), "any number dialled"},
    {TRANSFER(A "," B("Local/${argument:ext@x")), "one ${argument:NAME}"},
    {TRANSFER(A "," B("Local/${argument:}@x")), "one ${argument:NAME}"},
    {TRANSFER(A "," B("Local/${secret:X}@x")), "one ${argument:NAME}"},
    {TRANSFER(A "," B("Local/${argument:ext}${argument:ext}@x")),
	"one ${argument:NAME}"},
    {TRANSFER(A "," B("Local/${EXTEN}${argument:ext}@x")),
	"one ${argument:NAME}"},
};

static void
every_fault_is_named_with_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		assert_fault(faults[i][0], PARAMETERS, faults[i][1]);
}

static void
the_choice_must_be_the_only_question(void **state)
{
	const char *tool = TRANSFER(A "," B("PJSIP/201"));

	(void)state;
	assert_fault(tool, "{\"type\":\"object\"}", "\"to\" with an \"enum\"");
	assert_fault(tool,
	    "{\"type\":\"object\",\"properties\":{\"to\":{\"enum\":[\"a\","
	    "\"b\",1]}},\"required\":[\"to\"]}",
	    "has \"?\"");
	assert_fault(tool,
	    "{\"type\":\"object\",\"properties\":{\"to\":{\"enum\":[\"a\","
	    "\"b\"]}},\"required\":[\"to\",\"why\"]}",
	    "not \"why\"");
	assert_fault(tool,
	    "{\"type\":\"object\",\"properties\":{\"to\":{\"enum\":[\"a\","
	    "\"b\"]}}}",
	    "\"to\" must be required");
	assert_fault("{\"type\":\"call\",\"action\":\"transfer\","
		     "\"destinations\":{" A "}}",
	    PARAMETERS, "\"argument\" must name");
}

static void
what_is_good_is_read(void **state)
{
	struct call_tool tool;

	(void)state;
	assert_int_equal(read_tool("{\"type\":\"call\",\"action\":\"hangup\"}",
			     "{\"type\":\"object\"}", &tool),
	    0);
	assert_int_equal(tool.ring_max_s, 0);
	assert_int_equal(
	    read_tool(TRANSFER(A ",\"b\":{\"endpoint\":\"Local/"
				 "${argument:ext}@in\",\"ring_s\":90}"),
		PARAMETERS, &tool),
	    0);
	assert_string_equal(problems, "");
	assert_int_equal(tool.ring_max_s, 90);
}

/* -- in use ------------------------------------------------------------------- */

struct dialling {
	cJSON *settings;
	cJSON *arguments;
	struct call_destination to;
	char why[CALL_TOOL_WHY_SIZE];
	int ret;
};

static void
dial(struct dialling *d, const char *endpoint, const char *arguments)
{
	char text[512];

	snprintf(text, sizeof(text),
	    "{\"argument\":\"to\",\"destinations\":{\"a\":{\"endpoint\":"
	    "\"%s\"}}}",
	    endpoint);
	d->settings = json_parse(text, strlen(text));
	d->arguments = json_parse(arguments, strlen(arguments));
	assert_non_null(d->settings);
	d->ret =
	    call_tool_destination(d->settings, d->arguments, &d->to, d->why);
}

static void
dialled(struct dialling *d)
{
	cJSON_Delete(d->settings);
	cJSON_Delete(d->arguments);
}

static void
what_is_dialled_is_the_operators(void **state)
{
	struct dialling d;

	(void)state;
	dial(&d, "PJSIP/200", "{\"to\":\"a\",\"endpoint\":\"PJSIP/900\"}");
	assert_int_equal(d.ret, 0);
	assert_string_equal(d.to.name, "a");
	assert_string_equal(d.to.endpoint, "PJSIP/200");
	assert_int_equal(d.to.ring_s, CALL_TOOL_RING_DEFAULT_S);
	dialled(&d);
	dial(&d, "Local/${argument:ext}@in", "{\"to\":\"a\",\"ext\":\"*204\"}");
	assert_int_equal(d.ret, 0);
	assert_string_equal(d.to.endpoint, "Local/*204@in");
	dialled(&d);
	dial(&d, "PJSIP/200", "{\"to\":\"b\"}");
	assert_int_equal(d.ret, -EINVAL);
	assert_string_equal(d.why, "\"b\" is no destination");
	dialled(&d);
	dial(&d, "PJSIP/200", "{}");
	assert_int_equal(d.ret, -EINVAL);
	dialled(&d);
}

static void
no_value_leaves_its_place(void **state)
{
	static const char *const values[] = {"", "1@outside", "1/n", "1,30",
	    "1&2", "${X}", "1 2", "1\\n2", "\\u00f1", "1;2",
	    "123456789012345678901234567890123"};
	struct dialling d;
	char arguments[128];

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		snprintf(arguments, sizeof(arguments),
		    "{\"to\":\"a\",\"ext\":\"%s\"}", values[i]);
		dial(&d, "Local/${argument:ext}@in", arguments);
		if (d.ret != -EINVAL)
			fail_msg("\"%s\" gave %s", values[i], d.to.endpoint);
		assert_non_null(strstr(d.why, "\"ext\" must be an extension"));
		dialled(&d);
	}
	dial(&d, "Local/${argument:ext}@in", "{\"to\":\"a\",\"ext\":204}");
	assert_int_equal(d.ret, -EINVAL);
	dialled(&d);
}

static void
the_longest_endpoint_has_room(void **state)
{
	char endpoint[CALL_TOOL_ENDPOINT_SIZE];
	struct dialling d;
	int max = CALL_TOOL_ENDPOINT_SIZE - CALL_TOOL_VALUE_MAX - 1;
	int n = snprintf(endpoint, sizeof(endpoint), "Local/${argument:x}@");

	(void)state;
	memset(endpoint + n, 'c', (size_t)(max - n));
	endpoint[max] = '\0';
	dial(&d, endpoint,
	    "{\"to\":\"a\",\"x\":\"12345678901234567890123456789012\"}");
	assert_int_equal(d.ret, 0);
	assert_non_null(strstr(d.to.endpoint, "cccc"));
	dialled(&d);
}

static void
a_destination_by_name_asks_nobody_anything(void **state)
{
	struct dialling d;
	cJSON *arguments;

	(void)state;
	dial(&d, "PJSIP/200", "{}");
	arguments = call_tool_arguments(d.settings, "a");
	assert_string_equal(json_string(arguments, "to"), "a");
	cJSON_Delete(arguments);
	assert_null(call_tool_arguments(d.settings, "b"));
	dialled(&d);
	dial(&d, "Local/${argument:ext}@in", "{}");
	assert_null(call_tool_arguments(d.settings, "a"));
	dialled(&d);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_fault_is_named_with_its_place),
	    cmocka_unit_test(the_choice_must_be_the_only_question),
	    cmocka_unit_test(what_is_good_is_read),
	    cmocka_unit_test(what_is_dialled_is_the_operators),
	    cmocka_unit_test(no_value_leaves_its_place),
	    cmocka_unit_test(the_longest_endpoint_has_room),
	    cmocka_unit_test(a_destination_by_name_asks_nobody_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
