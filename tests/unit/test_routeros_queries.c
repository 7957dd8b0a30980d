/* SPDX-License-Identifier: MIT */
/*
 * test_routeros_queries.c – what is sent, word by word, and what is made of
 * the answers that MikroTik has published (../shared/specs/routeros).
 */
#include "toolworker/routeros_queries.h"
#include "toolworker/routeros_rest.h"
#include "toolworker/routeros_value.h"
#include "toolworker/routeros_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/env_file.h"
#include "common/json.h"
#include "common/utf8.h"

#include <errno.h>

#define SPECS "../shared/specs/routeros/"

static struct router router = {
    .name = "N",
    .host = "10.0.0.1",
    .port = 443,
    .tls = true,
};

/* -- what is sent ---------------------------------------------------------------- */

/* The values of COMMAND as the model's ARGUMENTS make them. */
static int
make(struct routeros_values *values, enum routeros_query query, size_t index,
    const char *arguments, const struct routeros_results *results)
{
	static const struct routeros_results none;
	cJSON *json = cJSON_Parse(arguments);
	char why[ROUTEROS_WHY_SIZE] = "";
	int ret;

	assert_non_null(json);
	*values = (struct routeros_values){.list = {NULL}};
	ret = routeros_values_make(
	    values, query, index, json, results != NULL ? results : &none, why);
	assert_int_equal(*why != '\0', ret == -EINVAL);
	cJSON_Delete(json);
	return ret;
}

static void
assert_rest(const struct routeros_command *command,
    const struct routeros_values *values, const char *url, const char *body)
{
	char *our_url, *our_body;

	assert_int_equal(
	    routeros_rest_build(&router, command, values, &our_url, &our_body),
	    0);
	assert_string_equal(our_url, url);
	if (body == NULL)
		assert_null(our_body);
	else
		assert_string_equal(our_body, body);
	free(our_url);
	free(our_body);
}

/* The sentence as its words between spaces. */
static void
assert_binary(const struct routeros_command *command,
    const struct routeros_values *values, const char *words)
{
	struct routeros_sentence sentence;
	struct routeros_buffer buffer = {0};
	char text[1024] = "";
	size_t len = 0;

	routeros_words_command(&buffer, command, values, 7);
	assert_int_equal(buffer.error, 0);
	assert_int_equal(
	    routeros_sentence_decode(buffer.bytes, buffer.len, &sentence),
	    buffer.len);
	for (size_t i = 0; i < sentence.count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "%s%.*s", i > 0 ? " " : "", (int)sentence.words[i].len,
		    sentence.words[i].text);
	assert_string_equal(text, words);
	routeros_buffer_free(&buffer);
}

static void
every_command_is_one_of_these(void **state)
{
	static const struct {
		enum routeros_query query;
		size_t index;
		const char *url;  /* after /rest */
		const char *body; /* NULL: GET */
		const char *words;
	} rows[] = {
	    {ROUTEROS_QUERY_RESOURCES, 0,
		"/system/resource?.proplist=version,board-name,uptime,cpu-load,"
		"free-memory,total-memory",
		NULL,
		"/system/resource/print =.proplist=version,board-name,uptime,"
		"cpu-load,free-memory,total-memory .tag=7"},
	    {ROUTEROS_QUERY_RESOURCES, 1, "/system/identity?.proplist=name",
		NULL, "/system/identity/print =.proplist=name .tag=7"},
	    {ROUTEROS_QUERY_RESOURCES, 2, "/system/health", NULL,
		"/system/health/print .tag=7"},
	    {ROUTEROS_QUERY_INTERFACES, 0,
		"/interface?.proplist=name,default-name,comment,type,running,"
		"disabled,dynamic",
		NULL,
		"/interface/print =.proplist=name,default-name,comment,type,"
		"running,disabled,dynamic .tag=7"},
	    {ROUTEROS_QUERY_CUSTOMERS, 0, "/ppp/active/print",
		"{\"count-only\":\"\"}",
		"/ppp/active/print =count-only= .tag=7"},
	    {ROUTEROS_QUERY_CUSTOMERS, 1, "/ip/dhcp-server/lease/print",
		"{\".query\":[\"status=bound\"],\"count-only\":\"\"}",
		"/ip/dhcp-server/lease/print =count-only= ?status=bound "
		".tag=7"},
	    {ROUTEROS_QUERY_CUSTOMERS, 2, "/ip/hotspot/active/print",
		"{\"count-only\":\"\"}",
		"/ip/hotspot/active/print =count-only= .tag=7"},
	    {ROUTEROS_QUERY_FIND_CUSTOMER, 0,
		"/ppp/active?.proplist=name,address,caller-id,uptime,comment",
		NULL,
		"/ppp/active/print =.proplist=name,address,caller-id,uptime,"
		"comment .tag=7"},
	    {ROUTEROS_QUERY_FIND_CUSTOMER, 1,
		"/ip/dhcp-server/lease?.proplist=address,active-address,"
		"mac-address,active-mac-address,host-name,comment,status",
		NULL,
		"/ip/dhcp-server/lease/print =.proplist=address,"
		"active-address,mac-address,active-mac-address,host-name,"
		"comment,status .tag=7"},
	    {ROUTEROS_QUERY_FIND_CUSTOMER, 2,
		"/ip/hotspot/active?.proplist=user,address,mac-address,uptime,"
		"comment",
		NULL,
		"/ip/hotspot/active/print =.proplist=user,address,mac-address,"
		"uptime,comment .tag=7"},
	    {ROUTEROS_QUERY_PING, 0, "/ping",
		"{\"address\":\"10.0.0.9\",\"count\":\"3\"}",
		"/ping =address=10.0.0.9 =count=3 .tag=7"},
	    {ROUTEROS_QUERY_GATEWAYS, 0, "/ip/route/print",
		"{\".proplist\":\"gateway,distance,active,disabled,"
		"check-gateway,comment\",\".query\":"
		"[\"dst-address=0.0.0.0/0\"]}",
		"/ip/route/print =.proplist=gateway,distance,active,disabled,"
		"check-gateway,comment ?dst-address=0.0.0.0/0 .tag=7"},
	    {ROUTEROS_QUERY_LOG, 0, "/log?.proplist=time,topics,message", NULL,
		"/log/print =.proplist=time,topics,message .tag=7"},
	};
	size_t commands = 1; /* monitor-traffic has a test of its own */

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct routeros_command *command =
		    routeros_command_at(rows[i].query, rows[i].index);
		struct routeros_values values;
		char url[256];

		assert_int_equal(make(&values, rows[i].query, rows[i].index,
				     "{\"address\":\"10.0.0.9\",\"count\":3,"
				     "\"customer\":\"x\"}",
				     NULL),
		    1);
		snprintf(url, sizeof(url), "https://10.0.0.1:443/rest%s",
		    rows[i].url);
		assert_rest(command, &values, url, rows[i].body);
		assert_binary(command, &values, rows[i].words);
		routeros_values_free(&values);
		commands++;
	}
	for (int i = 0; i < ROUTEROS_QUERY_COUNT; i++)
		commands -= routeros_command_count((enum routeros_query)i);
	assert_int_equal(commands, 0); /* none is untested */
}

static void
traffic_is_measured_where_it_was_asked_for(void **state)
{
	const struct routeros_command *command =
	    routeros_command_at(ROUTEROS_QUERY_INTERFACES, 1);
	cJSON *interfaces = cJSON_Parse(
	    "[{\"name\":\"sfp1\",\"type\":\"ether\",\"running\":\"true\"},"
	    "{\"name\":\"sfp2\",\"type\":\"ether\",\"running\":\"false\"},"
	    "{\"name\":\"fibra\",\"default-name\":\"SFP-3\",\"type\":\"ether\","
	    "\"running\":\"true\"},"
	    "{\"name\":\"sfp,4\",\"running\":\"true\"},"
	    "{\"name\":\"sfp \xc3\xb1\",\"running\":\"true\"},"
	    "{\"name\":\"ether1\",\"running\":\"true\"},"
	    "{\"name\":\"<pppoe-x>\",\"type\":\"pppoe-in\",\"running\":"
	    "\"true\",\"dynamic\":\"true\"}]");
	const struct routeros_results results = {.list = {interfaces}};
	struct routeros_values values;

	(void)state;
	assert_int_equal(make(&values, ROUTEROS_QUERY_INTERFACES, 1,
			     "{\"interfaces\":\"sfp\"}", &results),
	    1);
	assert_rest(command, &values,
	    "https://10.0.0.1:443/rest/interface/monitor-traffic",
	    "{\".proplist\":\"name,rx-bits-per-second,tx-bits-per-second\","
	    "\"once\":\"\",\"interface\":\"sfp1,fibra\"}");
	assert_binary(command, &values,
	    "/interface/monitor-traffic =.proplist=name,rx-bits-per-second,"
	    "tx-bits-per-second =once= =interface=sfp1,fibra .tag=7");
	routeros_values_free(&values);
	assert_int_equal(
	    make(&values, ROUTEROS_QUERY_INTERFACES, 1, "{}", &results), 1);
	assert_string_equal(values.list[0], "sfp1,fibra,ether1");
	routeros_values_free(&values);
	assert_int_equal(make(&values, ROUTEROS_QUERY_INTERFACES, 1,
			     "{\"interfaces\":\"pppoe\"}", &results),
	    0); /* whose traffic that is, is personal */
	assert_int_equal(make(&values, ROUTEROS_QUERY_INTERFACES, 1,
			     "{\"interfaces\":\"sfp2\"}", &results),
	    0);
	cJSON_Delete(interfaces);
}

static void
addresses_of_every_kind_make_urls(void **state)
{
	const struct routeros_values none = {.list = {NULL}};
	const struct routeros_command *command =
	    routeros_command_at(ROUTEROS_QUERY_RESOURCES, 2);
	struct router saved = router;

	(void)state;
	snprintf(router.host, sizeof(router.host), "2001:db8::1");
	router.port = 8443;
	assert_rest(command, &none,
	    "https://[2001:db8::1]:8443/rest/system/health", NULL);
	snprintf(router.host, sizeof(router.host), "r.example");
	router.tls = false;
	router.port = 80;
	assert_rest(
	    command, &none, "http://r.example:80/rest/system/health", NULL);
	router = saved;
}

static void
arguments_that_are_no_values_are_refused(void **state)
{
	static const char *const pings[] = {"{}", "{\"address\":\"\"}",
	    "{\"address\":7}", "{\"address\":\"a b\"}", "{\"address\":\"-f\"}",
	    "{\"address\":\"10.0.0.1/24\"}", "{\"address\":\"a\\r\\nb\"}",
	    "{\"address\":\"=x=\"}", "{\"address\":\"a\",\"count\":0}",
	    "{\"address\":\"a\",\"count\":21}"};
	struct routeros_values values;

	(void)state;
	for (size_t i = 0; i < sizeof(pings) / sizeof(pings[0]); i++) {
		assert_int_equal(
		    make(&values, ROUTEROS_QUERY_PING, 0, pings[i], NULL),
		    -EINVAL);
		routeros_values_free(&values);
	}
	assert_int_equal(
	    make(&values, ROUTEROS_QUERY_PING, 0,
		"{\"address\":\"2001:db8::1\",\"count\":\"x\"}", NULL),
	    1);
	assert_string_equal(values.list[1], "4");
	routeros_values_free(&values);
}

/* -- what comes back -------------------------------------------------------------- */

/* The published answer NAME of FILE as a response; NULL: not there. */
static cJSON *
load_sample(const char *file, const char *name, int *status_out)
{
	char path[128];
	char *text;
	size_t len;
	cJSON *json, *body = NULL;
	const cJSON *item;

	snprintf(path, sizeof(path), SPECS "%s.json", file);
	if (env_file_read(path, &text, &len, NULL) < 0)
		return NULL;
	json = json_parse(text, len);
	free(text);
	cJSON_ArrayForEach(item, json) {
		const cJSON *response = json_object(item, "response");

		if (strcmp(json_string(item, "name"), name) != 0)
			continue;
		*status_out = (int)json_int(response, "status", 0);
		body = cJSON_Duplicate(json_at(response, "body", NULL), true);
	}
	cJSON_Delete(json);
	assert_non_null(body);
	return body;
}

/* Reads BODY as the REST API's answer. */
static void
read_body(struct routeros_outcome *outcome, int status, const char *body)
{
	const struct http_response response = {
	    .result = HTTP_OK,
	    .status = status,
	    .body = body,
	    .body_len = strlen(body),
	    .content_type = "application/json",
	    .redirect_url = "",
	    .error = "",
	};

	*outcome = (struct routeros_outcome){.status = TOOL_STATUS_INTERNAL};
	routeros_rest_read(outcome, &response, NULL);
}

/* False: the samples are not there. */
static bool
read_sample(
    struct routeros_outcome *outcome, const char *file, const char *name)
{
	int status;
	cJSON *body = load_sample(file, name, &status);
	char *text;

	if (body == NULL)
		return false;
	text = cJSON_PrintUnformatted(body);
	read_body(outcome, status, text);
	free(text);
	cJSON_Delete(body);
	return true;
}

/* Takes the records of what came. */
static void
assert_answer(enum routeros_query query, const char *arguments, cJSON *first,
    cJSON *second, cJSON *third, const char *expected)
{
	const struct routeros_results results = {
	    .list = {first, second, third}};
	cJSON *json = cJSON_Parse(arguments);
	cJSON *answer = routeros_answer(query, json, &results);
	char *text = answer != NULL ? cJSON_PrintUnformatted(answer) : NULL;

	if (expected == NULL)
		assert_null(answer);
	else
		assert_string_equal(text, expected);
	free(text);
	cJSON_Delete(answer);
	cJSON_Delete(json);
	cJSON_Delete(first);
	cJSON_Delete(second);
	cJSON_Delete(third);
}

static void
published_answers_become_ours(void **state)
{
	struct routeros_outcome a, b;

	(void)state;
	if (!read_sample(&a, "system", "resource"))
		skip();
	read_sample(&b, "system", "identity");
	assert_answer(ROUTEROS_QUERY_RESOURCES, "{}", a.records, b.records,
	    NULL,
	    "{\"identity\":\"branch-office-1\",\"version\":"
	    "\"7.19.4 (stable)\",\"board\":\"hAP ax^2\",\"uptime_s\":114260,"
	    "\"cpu_percent\":7,\"memory_free\":687116288,"
	    "\"memory_total\":1073741824}");
	/* A list of one object, as 7.1beta4 had it. */
	read_sample(&a, "system", "resource-7.1beta4");
	assert_answer(ROUTEROS_QUERY_RESOURCES, "{}", a.records, NULL, NULL,
	    "{\"identity\":\"\",\"version\":\"7.1beta4 (development)\","
	    "\"board\":\"CCR1016-12S-1S+\",\"uptime_s\":245540,"
	    "\"cpu_percent\":1,\"memory_free\":1503133696,"
	    "\"memory_total\":2046820352}");
	read_sample(&a, "interface", "interface-list");
	read_sample(&b, "interface", "monitor-traffic-once");
	assert_answer(ROUTEROS_QUERY_INTERFACES, "{}", a.records, b.records,
	    NULL,
	    "{\"interfaces\":[{\"name\":\"ether1\",\"type\":\"ether\","
	    "\"running\":true,\"disabled\":false,\"rx_bps\":0,\"tx_bps\":0},"
	    "{\"name\":\"ether2\",\"type\":\"ether\",\"running\":false,"
	    "\"disabled\":false,\"rx_bps\":0,\"tx_bps\":0}],\"more\":0}");
	read_sample(&a, "ping", "ping-count");
	assert_answer(ROUTEROS_QUERY_PING, "{}", a.records, NULL, NULL,
	    "{\"sent\":3,\"received\":3,\"loss_percent\":0,\"min_ms\":0.521,"
	    "\"avg_ms\":0.538,\"max_ms\":0.551}");
	read_sample(&a, "ping", "ping-timeout");
	assert_answer(ROUTEROS_QUERY_PING, "{}", a.records, NULL, NULL,
	    "{\"sent\":2,\"received\":0,\"loss_percent\":100}");
	read_sample(&a, "log", "log");
	assert_answer(ROUTEROS_QUERY_LOG, "{}", a.records, NULL, NULL,
	    "{\"entries\":[],\"more\":0}");
	read_sample(&a, "ip", "address-count");
	read_sample(&b, "ip", "address-count");
	assert_answer(ROUTEROS_QUERY_CUSTOMERS, "{}", a.records, b.records,
	    NULL, "{\"ppp\":1,\"dhcp\":1,\"hotspot\":0}");
}

static void
published_customers_are_found(void **state)
{
	struct routeros_outcome a, b;

	(void)state;
	if (!read_sample(&a, "ppp", "ppp-active"))
		skip();
	read_sample(&b, "ip", "dhcp-lease");
	assert_answer(ROUTEROS_QUERY_FIND_CUSTOMER, "{\"customer\":\"office\"}",
	    a.records, b.records, NULL,
	    "{\"found\":[{\"kind\":\"ppp\",\"name\":\"office-l2tp\","
	    "\"address\":\"100.64.0.6\",\"mac\":\"203.0.113.9\","
	    "\"uptime_s\":2059940,\"connected\":true}],\"more\":0}");
	read_sample(&a, "ppp", "ppp-active-by-name");
	read_sample(&b, "ip", "dhcp-lease");
	assert_answer(ROUTEROS_QUERY_FIND_CUSTOMER,
	    "{\"customer\":\"00:53:02\"}", a.records, b.records, NULL,
	    "{\"found\":[{\"kind\":\"dhcp\",\"name\":\"ESP-9A2B\","
	    "\"address\":\"192.0.2.11\",\"mac\":\"00:00:5E:00:53:02\","
	    "\"comment\":\"kitchen sensor\",\"connected\":true}],\"more\":0}");
}

static void
published_errors_mean_what_can_be_done(void **state)
{
	static const struct {
		const char *file;
		const char *name;
		enum tool_status status;
		const char *why;
		bool unknown;
	} rows[] = {
	    {"errors", "unauthorized", TOOL_STATUS_REFUSED, ROUTEROS_WHY_LOGIN,
		false},
	    {"errors", "record-not-found", TOOL_STATUS_REFUSED,
		"the router refused (HTTP 404)", false},
	    {"errors", "no-such-menu", TOOL_STATUS_REFUSED,
		ROUTEROS_WHY_UNKNOWN, true},
	    {"errors", "delete-interface-old", TOOL_STATUS_REFUSED,
		ROUTEROS_WHY_UNKNOWN, true},
	    {"errors", "remove-interface-new", TOOL_STATUS_REFUSED,
		ROUTEROS_WHY_UNKNOWN, true},
	    {"errors", "bad-json", TOOL_STATUS_REFUSED,
		"the router refused: Failed to parse json", false},
	    {"errors", "no-content-type", TOOL_STATUS_REFUSED,
		"the router refused (HTTP 415)", false},
	    {"errors", "timeout", TOOL_STATUS_BUSY, "the router is busy",
		false},
	    {"errors", "no-api-policy", TOOL_STATUS_REFUSED,
		ROUTEROS_WHY_PERMISSION, false},
	    {"errors", "no-write-policy", TOOL_STATUS_REFUSED,
		ROUTEROS_WHY_PERMISSION, false},
	    {"ping", "ping-no-policy", TOOL_STATUS_REFUSED,
		ROUTEROS_WHY_PERMISSION, false},
	    {"ping", "ping-endless", TOOL_STATUS_BUSY, "the router is busy",
		false},
	};
	struct routeros_outcome outcome;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!read_sample(&outcome, rows[i].file, rows[i].name))
			skip();
		assert_int_equal(outcome.status, rows[i].status);
		assert_null(outcome.records);
		assert_int_equal(outcome.unknown, rows[i].unknown);
		if (strncmp(outcome.why, rows[i].why, strlen(rows[i].why)) != 0)
			fail_msg("%s: \"%s\"", rows[i].name, outcome.why);
	}
}

static void
answers_that_lack_what_was_asked_for_are_none(void **state)
{
	static const char *const bodies[] = {
	    "[]", "[{}]", "{}", "[[],1,\"x\"]", "[{\"name\":\"x\"}]"};
	struct routeros_outcome outcome;

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		read_body(&outcome, 200, bodies[i]);
		assert_int_equal(outcome.status, TOOL_STATUS_OK);
		assert_answer(ROUTEROS_QUERY_RESOURCES, "{}", outcome.records,
		    NULL, NULL, NULL);
		read_body(&outcome, 200, bodies[i]);
		assert_answer(ROUTEROS_QUERY_PING, "{}", outcome.records, NULL,
		    NULL, NULL);
		read_body(&outcome, 200, bodies[i]);
		assert_answer(ROUTEROS_QUERY_CUSTOMERS, "{}", outcome.records,
		    NULL, NULL, NULL);
	}
}

static void
what_is_no_json_is_malformed(void **state)
{
	static const char *const bodies[] = {
	    "", "{", "\"x\"", "null", "7", "[1] x", "<html>"};
	struct routeros_outcome outcome;

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		read_body(&outcome, 200, bodies[i]);
		assert_int_equal(outcome.status, TOOL_STATUS_MALFORMED);
		read_body(&outcome, 302, bodies[i]);
		assert_int_equal(outcome.status, TOOL_STATUS_MALFORMED);
		read_body(&outcome, 403, bodies[i]);
		assert_int_equal(outcome.status, TOOL_STATUS_REFUSED);
	}
}

/* A list of COUNT times RECORD. */
static char *
make_body(const char *record, size_t count)
{
	size_t len = strlen(record) + 1;
	char *body = malloc(count * len + 2);

	assert_non_null(body);
	for (size_t i = 0; i < count; i++)
		snprintf(body + i * len, len + 1, "%c%s", i == 0 ? '[' : ',',
		    record);
	memcpy(body + count * len, "]", 2);
	return body;
}

static void
records_without_end_are_not_read(void **state)
{
	static const size_t counts[] = {
	    ROUTEROS_RECORDS_MAX, ROUTEROS_RECORDS_MAX + 1};
	struct routeros_outcome outcome;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char *body = make_body("{\"name\":\"a\"}", counts[i]);

		read_body(&outcome, 200, body);
		assert_int_equal(outcome.status,
		    i == 0 ? TOOL_STATUS_OK : TOOL_STATUS_MALFORMED);
		assert_int_equal(cJSON_GetArraySize(outcome.records),
		    i == 0 ? ROUTEROS_RECORDS_MAX : 0);
		cJSON_Delete(outcome.records);
		free(body);
	}
}

/* Nobody who was asked about 64 interfaces answers about 65. */
static void
traffic_that_was_not_asked_for_is_not_searched(void **state)
{
	static const char interface[] =
	    "[{\"name\":\"z\",\"type\":\"ether\",\"running\":\"true\"}]";
	static const char last[] =
	    "{\"name\":\"z\",\"rx-bits-per-second\":\"1\","
	    "\"tx-bits-per-second\":\"2\"}";

	(void)state;
	for (size_t others = 63; others <= 64; others++) {
		char *body = make_body("{\"name\":\"a\"}", others);
		cJSON *traffic = cJSON_Parse(body);

		cJSON_AddItemToArray(traffic, cJSON_Parse(last));
		assert_answer(ROUTEROS_QUERY_INTERFACES, "{}",
		    cJSON_Parse(interface), traffic, NULL,
		    others == 63
			? "{\"interfaces\":[{\"name\":\"z\",\"type\":"
			  "\"ether\",\"running\":true,\"disabled\":false,"
			  "\"rx_bps\":1,\"tx_bps\":2}],\"more\":0}"
			: "{\"interfaces\":[{\"name\":\"z\",\"type\":"
			  "\"ether\",\"running\":true,\"disabled\":false}],"
			  "\"more\":0}");
		free(body);
	}
}

static void
gateways_are_sorted_whatever_their_distance(void **state)
{
	(void)state;
	assert_answer(ROUTEROS_QUERY_GATEWAYS, "{}",
	    cJSON_Parse("[{\"gateway\":\"far\",\"distance\":\"9000000000\"},"
			"{\"gateway\":\"b\",\"distance\":\"2147483648\"},"
			"{\"gateway\":\"a\",\"distance\":\"1\"}]"),
	    NULL, NULL,
	    "{\"gateways\":[{\"gateway\":\"a\",\"distance\":1,"
	    "\"active\":false,\"check\":\"none\"},{\"gateway\":\"b\","
	    "\"distance\":2147483648,\"active\":false,\"check\":\"none\"},"
	    "{\"gateway\":\"far\",\"distance\":9000000000,"
	    "\"active\":false,\"check\":\"none\"}],\"more\":0}");
}

static void
what_routers_say_stays_one_line(void **state)
{
	struct routeros_outcome outcome = {.records = NULL};

	(void)state;
	assert_answer(ROUTEROS_QUERY_LOG, "{}",
	    cJSON_Parse("[{\"time\":\"1\",\"topics\":\"error\","
			"\"message\":\"a\\nb\\tc\"}]"),
	    NULL, NULL,
	    "{\"entries\":[{\"time\":\"1\",\"topics\":\"error\","
	    "\"message\":\"a b c\"}],\"more\":0}");
	routeros_outcome_refuse(
	    &outcome, "a\nb\tc\xc2\x9b\xe2\x80\xae\" status=\"ok", NULL);
	assert_string_equal(
	    outcome.why, "the router refused: a b c  ' status='ok");
}

/* One broken letter would end the connection that carries it. */
static void
a_reason_that_is_too_long_is_cut_between_letters(void **state)
{
	struct routeros_outcome outcome = {.records = NULL};
	char text[2 * ROUTEROS_WHY_SIZE + 2] = "";

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		if (i == 1)
			memcpy(text, "x", 2);
		while (strlen(text) < 2 * ROUTEROS_WHY_SIZE - 2)
			strcat(text, "\xc3\xb1");
		routeros_outcome_fail(
		    &outcome, TOOL_STATUS_REFUSED, "%s", text);
		assert_true(utf8_count(outcome.why, strlen(outcome.why)) > 100);
	}
}

static void
a_request_that_was_sent_holds_its_router(void **state)
{
	struct http_response response = {
	    .result = HTTP_TIMEOUT,
	    .error = "no answer",
	    .sent = true,
	    .sent_ago_ms = 12000,
	    .elapsed_ms = 15000, /* 3 s of them for TLS */
	};
	struct routeros_outcome outcome = {.records = NULL};

	(void)state;
	routeros_rest_read(&outcome, &response, NULL);
	assert_int_equal(outcome.status, TOOL_STATUS_TIMEOUT);
	assert_int_equal(outcome.hold_ms, 48000);
	response.sent_ago_ms = 61000;
	routeros_rest_read(&outcome, &response, NULL);
	assert_int_equal(outcome.hold_ms, 0);
	response.sent_ago_ms = 1000;
	response.result = HTTP_BROKEN; /* it was the router that gave up */
	outcome.hold_ms = 0;
	routeros_rest_read(&outcome, &response, NULL);
	assert_int_equal(outcome.hold_ms, 0);
	response.result = HTTP_TOO_LARGE; /* it was us */
	routeros_rest_read(&outcome, &response, NULL);
	assert_int_equal(outcome.hold_ms, 59000);
	outcome.hold_ms = 0;
	response.result = HTTP_TIMEOUT;
	response.sent = false; /* it never got there */
	response.elapsed_ms = 3000;
	routeros_rest_read(&outcome, &response, NULL);
	assert_int_equal(outcome.status, TOOL_STATUS_UNREACHABLE);
	assert_int_equal(outcome.hold_ms, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_command_is_one_of_these),
	    cmocka_unit_test(traffic_is_measured_where_it_was_asked_for),
	    cmocka_unit_test(addresses_of_every_kind_make_urls),
	    cmocka_unit_test(arguments_that_are_no_values_are_refused),
	    cmocka_unit_test(published_answers_become_ours),
	    cmocka_unit_test(published_customers_are_found),
	    cmocka_unit_test(published_errors_mean_what_can_be_done),
	    cmocka_unit_test(answers_that_lack_what_was_asked_for_are_none),
	    cmocka_unit_test(what_is_no_json_is_malformed),
	    cmocka_unit_test(records_without_end_are_not_read),
	    cmocka_unit_test(traffic_that_was_not_asked_for_is_not_searched),
	    cmocka_unit_test(gateways_are_sorted_whatever_their_distance),
	    cmocka_unit_test(what_routers_say_stays_one_line),
	    cmocka_unit_test(a_reason_that_is_too_long_is_cut_between_letters),
	    cmocka_unit_test(a_request_that_was_sent_holds_its_router),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
