/* SPDX-License-Identifier: MIT */
/* test_http_template.c – no value is ever more than a value, wherever it is
 * put. */
#include "common/http_template.h"

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

static const char schema_text[] =
    "{\"type\":\"object\",\"required\":[\"q\",\"n\"],\"properties\":{"
    "\"q\":{\"type\":\"string\"},\"n\":{\"type\":\"integer\"},"
    "\"flag\":{\"type\":\"boolean\"},\"d\":{\"type\":\"string\","
    "\"default\":\"día\"},\"o\":{\"type\":\"string\"},"
    "\"list\":{\"type\":\"array\"}}}";

static struct {
	cJSON *schema, *caller;
	struct config config;
	char why[HTTP_TEMPLATE_WHY_SIZE];
} rig;

static int
set_up(void **state)
{
	(void)state;
	memset(&rig, 0, sizeof(rig));
	rig.schema = cJSON_Parse(schema_text);
	rig.caller = cJSON_CreateObject();
	rig.config.enable_mikrotik_tools = true;
	strcpy(rig.config.mikrotik_api_url, "http://10.0.0.5:8000/api");
	return rig.schema != NULL ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	cJSON_Delete(rig.schema);
	cJSON_Delete(rig.caller);
	return 0;
}

static const char *
find_secret(const char *name, void *arg)
{
	(void)arg;
	return strcmp(name, "TOOL_TOKEN") == 0 ? "s3cr3t" : NULL;
}

static struct http_template_values
values_of(const cJSON *arguments)
{
	return (struct http_template_values){
	    .arguments = arguments,
	    .parameters = rig.schema,
	    .caller = rig.caller,
	    .config = &rig.config,
	    .find_secret = find_secret,
	    .timeout_s = 17,
	};
}

/* Renders TEXT with the argument q; NULL when refused with ERR. */
static char *
render(enum http_place place, const char *text, const char *q, int err)
{
	cJSON *arguments = cJSON_CreateObject();
	struct http_template_values values = values_of(arguments);
	char *out = NULL;
	int ret;

	json_add_string(arguments, "q", q);
	json_add_int(arguments, "n", 7);
	json_add_bool(arguments, "flag", true);
	if (http_template_check(
		text, place, rig.schema, rig.why, sizeof(rig.why)) < 0)
		fail_msg("%s: %s", text, rig.why);
	ret = http_template_render(
	    &out, text, place, &values, rig.why, sizeof(rig.why));
	cJSON_Delete(arguments);
	if (ret != err)
		fail_msg("%s with \"%s\": %d, %s", text, q, ret, rig.why);
	return out;
}

static void
assert_rendered(
    enum http_place place, const char *text, const char *q, const char *wanted)
{
	char *out = render(place, text, q, 0);

	assert_string_equal(out, wanted);
	http_template_free(out);
}

static void
references_are_replaced(void **state)
{
	(void)state;
	assert_rendered(HTTP_PLACE_URL,
	    "${setting:MIKROTIK_API_URL}/c/${argument:q}?n=${argument:n}", "x",
	    "http://10.0.0.5:8000/api/c/x?n=7");
	assert_rendered(HTTP_PLACE_HEADER, "Bearer ${secret:TOOL_TOKEN}", "",
	    "Bearer s3cr3t");
	assert_rendered(HTTP_PLACE_HEADER, "${timeout_s}s ${argument:flag}", "",
	    "17s true");
	assert_rendered(
	    HTTP_PLACE_CREDENTIAL, "${secret:TOOL_TOKEN}", "", "s3cr3t");
	assert_rendered(
	    HTTP_PLACE_FORM, "a b ${argument:d}", "", "a%20b%20d%C3%ADa");
	assert_rendered(
	    HTTP_PLACE_URL, "http://h/?o=${argument:o}", "", "http://h/?o=");
}

/* What an argument may try, and the only way in which it may arrive. */
static const char *const attempts[][2] = {
    {"a/b", "a%2Fb"},
    {"a\\b", "a%5Cb"},
    {"a?b=c&d#e", "a%3Fb%3Dc%26d%23e"},
    {"a\r\nX-Evil: 1\r\n\r\nGET / HTTP/1.1",
	"a%0D%0AX-Evil%3A%201%0D%0A%0D%0AGET%20%2F%20HTTP%2F1.1"},
    {"%2e%2e%2f", "%252e%252e%252f"},
    {"@evil.test:80", "%40evil.test%3A80"},
    {"\"'<>`{|}^ ", "%22%27%3C%3E%60%7B%7C%7D%5E%20"},
    {"${secret:TOOL_TOKEN}", "%24%7Bsecret%3ATOOL_TOKEN%7D"},
    {"' OR 1=1;--", "%27%20OR%201%3D1%3B--"},
    {"ñ\x7f\x01", "%C3%B1%7F%01"},
    {"a,b;c=d", "a%2Cb%3Bc%3Dd"},
    {"A-z_0.9~", "A-z_0.9~"},
};

static void
no_argument_leaves_its_place_in_a_text(void **state)
{
	char wanted[256];

	(void)state;
	for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++) {
		const char *q = attempts[i][0];

		snprintf(wanted, sizeof(wanted), "https://h/c/%s/end",
		    attempts[i][1]);
		assert_rendered(
		    HTTP_PLACE_URL, "https://h/c/${argument:q}/end", q, wanted);
		snprintf(wanted, sizeof(wanted), "https://h/c?q=%s&end=1",
		    attempts[i][1]);
		assert_rendered(HTTP_PLACE_URL,
		    "https://h/c?q=${argument:q}&end=1", q, wanted);
		assert_rendered(
		    HTTP_PLACE_HEADER, "${argument:q}", q, attempts[i][1]);
		assert_rendered(
		    HTTP_PLACE_FORM, "${argument:q}", q, attempts[i][1]);
	}
}

static void
no_argument_climbs_out_of_a_path(void **state)
{
	static const char *const climbers[] = {"", ".", "..", "../x", "x/..",
	    "a/../b", "..\\x", "x\\.", "./x", "/..", "a/./b"};

	(void)state;
	for (size_t i = 0; i < sizeof(climbers) / sizeof(*climbers); i++) {
		assert_null(render(HTTP_PLACE_URL, "https://h/c/${argument:q}",
		    climbers[i], -EINVAL));
		assert_non_null(strstr(rig.why, "\"q\""));
		/* In a query it harms nobody. */
		http_template_free(render(HTTP_PLACE_URL,
		    "https://h/c?q=${argument:q}", climbers[i], 0));
	}
	/* Nor with the help of what stands beside it. */
	assert_rendered(HTTP_PLACE_URL, "https://h/c/.${argument:q}", "a",
	    "https://h/c/.a");
}

static void
no_argument_leaves_a_json_string(void **state)
{
	static const char *const evil[] = {"\",\"admin\":true,\"x\":\"",
	    "\\\",\\\"a", "\n\r\t\x01", "}]}", "${secret:TOOL_TOKEN}",
	    "</script>", "ñ😀"};
	cJSON *template = cJSON_Parse(
	    "{\"q\":\"${argument:q}\",\"m\":\"<${argument:q}>\",\"k\":[\"${"
	    "argument:q}\",null,1.5,{\"z\":\"${argument:n}\"}]}");

	(void)state;
	for (size_t i = 0; i < sizeof(evil) / sizeof(*evil); i++) {
		cJSON *arguments = cJSON_CreateObject(), *made, *again;
		struct http_template_values values = values_of(arguments);
		char mixed[128];
		char *text;

		json_add_string(arguments, "q", evil[i]);
		json_add_int(arguments, "n", 7);
		assert_int_equal(http_template_render_json(&made, template,
				     &values, rig.why, sizeof(rig.why)),
		    0);
		text = cJSON_PrintUnformatted(made);
		again = json_parse(text, strlen(text));
		assert_non_null(again);
		assert_int_equal(cJSON_GetArraySize(again), 3);
		assert_string_equal(json_string(again, "q"), evil[i]);
		snprintf(mixed, sizeof(mixed), "<%s>", evil[i]);
		assert_string_equal(json_string(again, "m"), mixed);
		free(text);
		cJSON_Delete(again);
		cJSON_Delete(made);
		cJSON_Delete(arguments);
	}
	cJSON_Delete(template);
}

static void
json_keeps_types_and_leaves_out_what_is_absent(void **state)
{
	cJSON *template = cJSON_Parse(
	    "{\"n\":\"${argument:n}\",\"s\":\"${timeout_s}\",\"o\":\"${"
	    "argument:o}\",\"l\":\"${argument:list}\",\"d\":\"${argument:d}\","
	    "\"a\":[\"${argument:o}\"],\"t\":\"${secret:TOOL_TOKEN}\"}");
	cJSON *arguments = cJSON_Parse("{\"n\":7,\"list\":[1,{\"x\":2}]}");
	struct http_template_values values = values_of(arguments);
	cJSON *made;
	char *text;

	(void)state;
	assert_int_equal(http_template_check_json(
			     template, rig.schema, rig.why, sizeof(rig.why)),
	    0);
	assert_int_equal(http_template_render_json(&made, template, &values,
			     rig.why, sizeof(rig.why)),
	    0);
	text = cJSON_PrintUnformatted(made);
	assert_string_equal(text,
	    "{\"n\":7,\"s\":17,\"l\":[1,{\"x\":2}],\"d\":\"día\",\"a\":[null],"
	    "\"t\":\"s3cr3t\"}");
	free(text);
	cJSON_Delete(made);
	cJSON_Delete(arguments);
	cJSON_Delete(template);
}

static void
what_is_not_there_is_named(void **state)
{
	(void)state;
	render(HTTP_PLACE_HEADER, "${secret:TOOL_OTHER}", "", -ENOENT);
	assert_string_equal(rig.why, "TOOL_OTHER is not set");
	rig.config.mikrotik_api_url[0] = '\0';
	render(HTTP_PLACE_URL, "${setting:MIKROTIK_API_URL}/x", "", -ENOENT);
	assert_string_equal(rig.why, "MIKROTIK_API_URL is not set");
	strcpy(rig.config.mikrotik_api_url, "http://h");
	rig.config.enable_mikrotik_tools = false;
	render(HTTP_PLACE_URL, "${setting:MIKROTIK_API_URL}/x", "", -ENOENT);
}

static void
the_caller_is_who_we_know_and_no_argument(void **state)
{
	static const struct {
		enum http_place place;
		const char *text, *wanted;
	} rows[] = {
	    {HTTP_PLACE_URL, "https://h/${caller:customer}/x?n=${argument:q}",
		"https://h/10%2F0%22%202/x?n=%24%7Bcaller%3Acustomer%7D"},
	    {HTTP_PLACE_HEADER, "n ${caller:customer}", "n 10%2F0%22%202"},
	    {HTTP_PLACE_FORM, "${caller:customer}", "10%2F0%22%202"},
	    {HTTP_PLACE_JSON, "de ${caller:customer}", "de 10/0\" 2"},
	    {HTTP_PLACE_JSON, "${argument:q}", "${caller:customer}"},
	};
	static const char *const stray[] = {
	    "${caller:name}", "${caller:}", "${caller}"};

	(void)state;
	json_add_string(rig.caller, "customer", "10/0\" 2");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_rendered(rows[i].place, rows[i].text,
		    "${caller:customer}", rows[i].wanted);
	assert_null(render(HTTP_PLACE_JSON, "${caller:number}", "x", -EACCES));
	assert_non_null(strstr(rig.why, "number"));
	cJSON_ReplaceItemInObject(
	    rig.caller, "customer", cJSON_CreateString(".."));
	assert_null(render(
	    HTTP_PLACE_URL, "https://h/${caller:customer}", "x", -EACCES));
	for (size_t i = 0; i < sizeof(stray) / sizeof(stray[0]); i++)
		assert_int_equal(http_template_check(stray[i], HTTP_PLACE_JSON,
				     rig.schema, rig.why, sizeof(rig.why)),
		    -EINVAL);
	assert_int_equal(
	    http_template_check("${caller:customer}", HTTP_PLACE_CREDENTIAL,
		rig.schema, rig.why, sizeof(rig.why)),
	    -EINVAL);
	assert_int_equal(
	    http_template_check("https://${caller:customer}.test/",
		HTTP_PLACE_URL, rig.schema, rig.why, sizeof(rig.why)),
	    -EINVAL);
}

static void
no_text_grows_without_end(void **state)
{
	static char q[HTTP_TEMPLATE_MAX + 2];

	(void)state;
	memset(q, 'x', HTTP_TEMPLATE_MAX);
	http_template_free(render(HTTP_PLACE_HEADER, "${argument:q}", q, 0));
	render(HTTP_PLACE_HEADER, "${argument:q}${argument:q}", q, -EMSGSIZE);
	q[HTTP_TEMPLATE_MAX] = 'x';
	render(HTTP_PLACE_JSON, "-${argument:q}", q, -EMSGSIZE);
	memset(q, ' ', HTTP_TEMPLATE_MAX);
	render(HTTP_PLACE_URL, "http://h/?q=${argument:q}", q, -EMSGSIZE);
}

static void
a_path_needs_its_arguments(void **state)
{
	(void)state;
	assert_int_equal(
	    http_template_check("http://h/${argument:o}", HTTP_PLACE_URL,
		rig.schema, rig.why, sizeof(rig.why)),
	    -EINVAL);
	assert_non_null(strstr(rig.why, "required"));
	assert_int_equal(
	    http_template_check("http://h/${argument:d}", HTTP_PLACE_URL,
		rig.schema, rig.why, sizeof(rig.why)),
	    0);
	assert_int_equal(
	    http_template_check("http://h/?${argument:list}", HTTP_PLACE_URL,
		rig.schema, rig.why, sizeof(rig.why)),
	    -EINVAL);
}

#define template_test(name)                                                    \
	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    template_test(references_are_replaced),
	    template_test(no_argument_leaves_its_place_in_a_text),
	    template_test(no_argument_climbs_out_of_a_path),
	    template_test(no_argument_leaves_a_json_string),
	    template_test(json_keeps_types_and_leaves_out_what_is_absent),
	    template_test(what_is_not_there_is_named),
	    template_test(the_caller_is_who_we_know_and_no_argument),
	    template_test(no_text_grows_without_end),
	    template_test(a_path_needs_its_arguments),
	};

	return cmocka_run_group_tests_name("http_template", tests, NULL, NULL);
}
