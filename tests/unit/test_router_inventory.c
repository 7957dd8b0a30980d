/* SPDX-License-Identifier: MIT */
/*
 * test_router_inventory.c – routers.json: what it may say, and how a fault is
 * named without harming another router.
 */
#include "common/router_inventory.h"
#include "common/routeros_tool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

static struct config_problems problems;

static struct router_inventory *
parse(const char *text)
{
	struct router_inventory *inventory;

	memset(&problems, 0, sizeof(problems));
	assert_int_equal(router_inventory_parse(&inventory, "routers.json",
			     text, strlen(text), &problems),
	    0);
	return inventory;
}

/* A whole file with one router of MEMBERS beside name, user and secret. */
static struct router_inventory *
parse_router(const char *members)
{
	char text[2048];

	snprintf(text, sizeof(text),
	    "{\"routers\":[{\"name\":\"Guamal\",\"user\":\"u\","
	    "\"password_secret\":\"TOOL_X\"%s%s}]}",
	    *members != '\0' ? "," : "", members);
	return parse(text);
}

/* The one router of MEMBERS, without a problem. */
static const struct router *
only(struct router_inventory *inventory)
{
	if (problems.count > 0)
		fail_msg("%s", problems.list[0].text);
	assert_int_equal(router_inventory_count(inventory), 1);
	return router_inventory_at(inventory, 0);
}

static void
a_router_has_all_that_is_said_of_it(void **state)
{
	struct router_inventory *inventory = parse(
	    "{\"defaults\":{\"user\":\"telefonista\",\"password_secret\":"
	    "\"TOOL_ROUTER_PASSWORD\",\"groups\":[\"torres\"]},"
	    "\"routers\":[{\"name\":\"Guamal\",\"aliases\":[\"la de Guamal\","
	    "\"router 26 punto 1\"],\"address\":\"10.0.26.1\","
	    "\"ca_file\":\"/dev/null\"},"
	    "{\"name\":\"Roble\",\"address\":\"roble.example:8443\","
	    "\"api\":\"binary\",\"user\":\"otro\",\"groups\":[],"
	    "\"comments\":true,"
	    "\"pin_sha256\":\"00112233445566778899aabbccddeeff"
	    "00112233445566778899AABBCCDDEEFF\"}]}");
	const struct router *router =
	    router_inventory_find(inventory, "Guamal");

	(void)state;
	assert_int_equal(problems.count, 0);
	assert_int_equal(router_inventory_count(inventory), 2);
	assert_ptr_equal(router, router_inventory_at(inventory, 0));
	assert_int_equal(router->alias_count, 2);
	assert_string_equal(router->aliases[1], "router 26 punto 1");
	assert_int_equal(router->group_count, 1);
	assert_string_equal(router->groups[0], "torres");
	assert_string_equal(router->host, "10.0.26.1");
	assert_int_equal(router->port, 443);
	assert_int_equal(router->api, ROUTER_API_REST);
	assert_true(router->tls);
	assert_false(router->pinned);
	assert_string_equal(router->ca_file, "/dev/null");
	assert_false(router->comments);
	assert_string_equal(router->user, "telefonista");
	assert_string_equal(router->password_secret, "TOOL_ROUTER_PASSWORD");
	router = router_inventory_find(inventory, "Roble");
	assert_int_equal(router->port, 8443);
	assert_int_equal(router->api, ROUTER_API_BINARY);
	assert_true(router->comments);
	assert_string_equal(router->user, "otro");
	assert_int_equal(router->group_count, 0);
	assert_true(router->pinned);
	assert_int_equal(router->pin[1], 0x11);
	assert_int_equal(router->pin[31], 0xff);
	assert_null(router_inventory_find(inventory, "roble"));
	router_inventory_unref(&inventory);
	assert_null(inventory);
}

static void
addresses_and_usual_ports(void **state)
{
	static const struct {
		const char *members;
		const char *host;
		unsigned int port;
	} rows[] = {
	    {"\"address\":\"10.0.0.1\"", "10.0.0.1", 443},
	    {"\"address\":\"10.0.0.1\",\"api\":\"binary\"", "10.0.0.1", 8729},
	    {"\"address\":\"127.0.0.1\",\"tls\":false", "127.0.0.1", 80},
	    {"\"address\":\"127.0.0.1\",\"tls\":false,\"api\":\"binary\"",
		"127.0.0.1", 8728},
	    {"\"address\":\"r.example:1\"", "r.example", 1},
	    {"\"address\":\"2001:db8::1\"", "2001:db8::1", 443},
	    {"\"address\":\"[2001:db8::1]\"", "2001:db8::1", 443},
	    {"\"address\":\"[2001:db8::1]:65535\"", "2001:db8::1", 65535},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct router_inventory *inventory =
		    parse_router(rows[i].members);
		const struct router *router = only(inventory);

		assert_string_equal(router->host, rows[i].host);
		assert_int_equal(router->port, rows[i].port);
		router_inventory_unref(&inventory);
	}
}

static void
faults_of_a_router_name_it_and_the_member(void **state)
{
	static const char *const rows[][2] = {
	    {"", "\"address\""},
	    {"\"address\":\"\"", "\"address\""},
	    {"\"address\":7", "\"address\""},
	    {"\"address\":\"a b\"", "\"address\""},
	    {"\"address\":\"10.0.0.1:0\"", "\"address\""},
	    {"\"address\":\"10.0.0.1:65536\"", "\"address\""},
	    {"\"address\":\"10.0.0.1:\"", "\"address\""},
	    {"\"address\":\"10.0.0.1:80/x\"", "\"address\""},
	    {"\"address\":\"[2001:db8::1\"", "\"address\""},
	    {"\"address\":\"[2001:db8::1]x\"", "\"address\""},
	    {"\"address\":\"u@10.0.0.1\"", "\"address\""},
	    {"\"address\":\"http://10.0.0.1\"", "\"address\""},
	    {"\"address\":\"a\",\"api\":\"ssh\"", "\"api\""},
	    {"\"address\":\"a\",\"tls\":\"no\"", "\"tls\""},
	    {"\"address\":\"a\",\"ca_file\":\"ca.pem\"", "\"ca_file\""},
	    {"\"address\":\"a\",\"ca_file\":\"/nonexistent/x\"",
		"cannot be read"},
	    {"\"address\":\"a\",\"pin_sha256\":\"00\"", "\"pin_sha256\""},
	    {"\"address\":\"a\",\"pin_sha256\":\"x0112233445566778899aabbccdd"
	     "eeff00112233445566778899aabbccddeeff\"",
		"\"pin_sha256\""},
	    {"\"address\":\"a\",\"ca_file\":\"/dev/null\",\"pin_sha256\":"
	     "\"00112233445566778899aabbccddeeff00112233445566778899aabbccddee"
	     "ff\"",
		"cannot both"},
	    {"\"address\":\"a\",\"aliases\":\"x\"", "\"aliases\""},
	    {"\"address\":\"a\",\"aliases\":[\"\"]", "\"aliases\""},
	    {"\"address\":\"a\",\"groups\":[7]", "\"groups\""},
	    {"\"address\":\"a\",\"comments\":1", "\"comments\""},
	    {"\"address\":\"a\",\"password\":\"x\"",
		"\"password\" is not a member"},
	    {"\"address\":\"a\",\"name\":\"b\"", "there twice"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct router_inventory *inventory = parse_router(rows[i][0]);

		assert_int_equal(router_inventory_count(inventory), 0);
		assert_true(problems.count >= 1);
		assert_false(problems.list[0].fatal);
		if (strstr(problems.list[0].text, rows[i][1]) == NULL ||
		    strstr(problems.list[0].text,
			"routers.json: router 1 (\"Guamal\"): ") == NULL)
			fail_msg("%s: %s", rows[i][0], problems.list[0].text);
		router_inventory_unref(&inventory);
	}
}

static void
one_router_has_one_entry_for_each_user(void **state)
{
	struct router_inventory *inventory;

	(void)state;
	inventory = parse(
	    "{\"defaults\":{\"user\":\"u\",\"password_secret\":\"TOOL_X\"},"
	    "\"routers\":[{\"name\":\"A\",\"address\":\"r.example\"},"
	    "{\"name\":\"B\",\"address\":\"R.example:443\"},"
	    "{\"name\":\"C\",\"address\":\"r.example:444\"},"
	    "{\"name\":\"D\",\"address\":\"r.example\",\"user\":\"v\"}]}");
	assert_int_equal(router_inventory_count(inventory), 3);
	assert_null(router_inventory_find(inventory, "B"));
	assert_int_equal(problems.count, 1);
	assert_non_null(strstr(problems.list[0].text,
	    "router 2 (\"B\"): \"A\" has the same address"));
	router_inventory_unref(&inventory);
}

static void
credentials_are_a_user_and_a_tools_secret(void **state)
{
	static const char *const rows[][2] = {
	    {"\"password_secret\":\"TOOL_X\"", "\"user\" is missing"},
	    {"\"user\":\"a:b\",\"password_secret\":\"TOOL_X\"", "':'"},
	    {"\"user\":\"a\"", "\"password_secret\""},
	    {"\"user\":\"a\",\"password_secret\":\"OPENAI_API_KEY\"",
		"\"password_secret\""},
	    {"\"user\":\"a\",\"password_secret\":\"PATH\"",
		"\"password_secret\""},
	    {"\"user\":\"a\",\"password_secret\":\"TOOL_X_FILE\"",
		"\"password_secret\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct router_inventory *inventory;
		char text[512];

		snprintf(text, sizeof(text),
		    "{\"routers\":[{\"name\":\"N\",\"address\":\"a\",%s}]}",
		    rows[i][0]);
		inventory = parse(text);
		assert_int_equal(router_inventory_count(inventory), 0);
		if (strstr(problems.list[0].text, rows[i][1]) == NULL)
			fail_msg("%s: %s", rows[i][0], problems.list[0].text);
		router_inventory_unref(&inventory);
	}
}

static void
a_password_in_the_clear_needs_the_routers_own_word(void **state)
{
	struct router_inventory *inventory;

	(void)state;
	inventory = parse(
	    "{\"defaults\":{\"user\":\"u\",\"password_secret\":\"TOOL_X\","
	    "\"tls\":false},\"routers\":[{\"name\":\"A\",\"address\":"
	    "\"10.0.0.1\"},{\"name\":\"B\",\"address\":\"localhost\"},"
	    "{\"name\":\"C\",\"address\":\"10.0.0.3\",\"tls\":false}]}");
	assert_int_equal(router_inventory_count(inventory), 2);
	assert_null(router_inventory_find(inventory, "A"));
	assert_int_equal(problems.count, 2);
	assert_non_null(strstr(problems.list[0].text, "own entry"));
	assert_non_null(strstr(problems.list[1].text, "in the clear: C"));
	router_inventory_unref(&inventory);
}

static void
faults_of_the_file_are_said_once(void **state)
{
	static const char *const rows[][2] = {
	    {"", "line 1"},
	    {"{\n\"routers\": [\n{]", "line 3"},
	    {"[]", "\"routers\""},
	    {"{}", "\"routers\""},
	    {"{\"routers\":{}}", "\"routers\""},
	    {"{\"routers\":[],\"x\":1}", "\"x\""},
	    {"{\"routers\":[],\"defaults\":7}", "\"defaults\""},
	    {"{\"routers\":[],\"defaults\":{\"address\":\"a\"}}",
		"\"address\""},
	    {"{\"routers\":[\xff]}", "UTF-8"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct router_inventory *inventory = parse(rows[i][0]);

		assert_int_equal(router_inventory_count(inventory), 0);
		assert_int_equal(problems.count, 1);
		if (strstr(problems.list[0].text, rows[i][1]) == NULL)
			fail_msg("%s: %s", rows[i][0], problems.list[0].text);
		router_inventory_unref(&inventory);
	}
}

#define ROUTER(name, more)                                                     \
	"{\"name\":\"" name "\",\"address\":\"10.0.0.1\",\"user\":\"u" name    \
	"\","                                                                  \
	"\"password_secret\":\"TOOL_X\"" more "}"

static void
names_are_unique_and_pins_of_one_address_agree(void **state)
{
	struct router_inventory *inventory;

	(void)state;
	inventory = parse(
	    "{\"routers\":[" ROUTER("A", "") "," ROUTER("a", "") ",7,null]}");
	assert_int_equal(router_inventory_count(inventory), 1);
	assert_int_equal(problems.count, 3);
	assert_non_null(strstr(problems.list[0].text, "router 2 (\"a\")"));
	assert_non_null(strstr(problems.list[1].text, "router 3 (\"\")"));
	router_inventory_unref(&inventory);
	inventory = parse("{\"routers\":[" ROUTER("A",
	    ",\"pin_sha256\":\"00112233445566778899aabbccddeeff00112233445566"
	    "778899aabbccddeeff\"") "," ROUTER("B",
	    ",\"pin_sha256\":\"10112233445566778899aabbccddeeff00112233445566"
	    "778899aabbccddeeff\"") "]}");
	assert_int_equal(router_inventory_count(inventory), 1);
	assert_non_null(strstr(problems.list[0].text, "differs"));
	router_inventory_unref(&inventory);
}

static void
a_generation_lives_as_long_as_somebody_uses_it(void **state)
{
	struct router_inventory *inventory =
	    parse("{\"routers\":[" ROUTER("A", "") "]}");
	struct router_inventory *other = router_inventory_ref(inventory);

	(void)state;
	router_inventory_unref(&inventory);
	assert_int_equal(router_inventory_count(other), 1);
	assert_string_equal(router_inventory_at(other, 0)->name, "A");
	router_inventory_unref(&other);
	router_inventory_unref(&other);
}

static void
a_file_that_is_not_there_is_an_empty_inventory(void **state)
{
	struct router_inventory *inventory;

	(void)state;
	memset(&problems, 0, sizeof(problems));
	assert_int_equal(router_inventory_load(&inventory,
			     "/nonexistent/routers.json", false, &problems),
	    0);
	assert_int_equal(router_inventory_count(inventory), 0);
	assert_int_equal(problems.count, 0);
	router_inventory_unref(&inventory);
	assert_int_equal(router_inventory_load(&inventory,
			     "/nonexistent/routers.json", true, &problems),
	    0);
	assert_int_equal(problems.count, 1);
	assert_non_null(strstr(problems.list[0].text, "ROUTERS_FILE"));
	router_inventory_unref(&inventory);
}

static void
the_example_is_valid(void **state)
{
	struct router_inventory *inventory;

	(void)state;
	memset(&problems, 0, sizeof(problems));
	assert_int_equal(router_inventory_load(&inventory,
			     "etc/routers.json.example", true, &problems),
	    0);
	if (problems.count > 0)
		fail_msg("%s", problems.list[0].text);
	assert_true(router_inventory_count(inventory) >= 3);
	router_inventory_unref(&inventory);
}

/* -- the executor's members in a tool ---------------------------------------------- */

static char last_problem[400];

static void
on_problem(const char *text, void *arg)
{
	(void)arg;
	snprintf(last_problem, sizeof(last_problem), "%s", text);
}

static void
a_tool_names_a_query_and_its_sentences(void **state)
{
	static const char *const bad[][2] = {
	    {"{}", "\"query\""},
	    {"{\"query\":\"reboot\"}", "resources, interfaces"},
	    {"{\"query\":\"log\",\"menu\":\"/x\"}", "\"menu\""},
	    {"{\"query\":\"log\",\"sentences\":[]}", "\"sentences\""},
	    {"{\"query\":\"log\",\"sentences\":{\"a\":1}}", "\"a\""},
	};
	struct routeros_tool tool;
	cJSON *json = cJSON_Parse("{\"type\":\"routeros\",\"query\":\"ping\","
				  "\"sentences\":{\"lost\":\"se pierde\"}}");

	(void)state;
	assert_int_equal(routeros_tool_read(&tool, json, on_problem, NULL), 0);
	assert_int_equal(tool.query, ROUTEROS_QUERY_PING);
	assert_string_equal(tool.sentences->child->valuestring, "se pierde");
	cJSON_Delete(json);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json = cJSON_Parse(bad[i][0]);
		assert_int_equal(
		    routeros_tool_read(&tool, json, on_problem, NULL), -EINVAL);
		if (strstr(last_problem, bad[i][1]) == NULL)
			fail_msg("%s: %s", bad[i][0], last_problem);
		cJSON_Delete(json);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_router_has_all_that_is_said_of_it),
	    cmocka_unit_test(addresses_and_usual_ports),
	    cmocka_unit_test(faults_of_a_router_name_it_and_the_member),
	    cmocka_unit_test(one_router_has_one_entry_for_each_user),
	    cmocka_unit_test(credentials_are_a_user_and_a_tools_secret),
	    cmocka_unit_test(
		a_password_in_the_clear_needs_the_routers_own_word),
	    cmocka_unit_test(faults_of_the_file_are_said_once),
	    cmocka_unit_test(names_are_unique_and_pins_of_one_address_agree),
	    cmocka_unit_test(a_generation_lives_as_long_as_somebody_uses_it),
	    cmocka_unit_test(a_file_that_is_not_there_is_an_empty_inventory),
	    cmocka_unit_test(the_example_is_valid),
	    cmocka_unit_test(a_tool_names_a_query_and_its_sentences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
