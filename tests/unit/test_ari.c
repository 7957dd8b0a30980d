/* SPDX-License-Identifier: MIT */
/*
 * test_ari.c – the connection to Asterisk: lists before events, a probe, and
 * every way to lose it. Resolver, WebSocket and HTTP do as the test wants.
 */
#include "supervisor/ari.h"

#include "common/http_client.h"
#include "common/json.h"
#include "common/log.h"
#include "common/resolver.h"
#include "common/websocket.h"
#include "tests/unit/timers.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	REQUESTS_MAX = 256,
	STATES_MAX = 64,
};

struct request {
	char method[8];
	char url[4096];
	char body[512];
	http_response_fn fn;
	void *arg;
	bool open;
};

static struct {
	struct event_base *base;
	struct config config;
	struct ari *ari;

	/* resolver */
	resolver_fn resolved;
	void *resolved_arg;
	char looked_up[256];
	int resolver_error;

	/* WebSocket: one at a time */
	struct websocket_callbacks ws;
	void *ws_arg;
	bool ws_open;
	int ws_count;
	int ws_error;
	char path[512];
	char authorization[512];
	char subprotocol[16];
	bool plaintext;

	/* HTTP */
	struct request requests[REQUESTS_MAX];
	size_t request_count;
	char user[64];
	char password[64];
	int http_error;

	/* what is reported */
	int snapshots;
	int listed_channels;
	int events;
	char event_types[256];
	enum ari_state states[STATES_MAX];
	size_t state_count;
	int answers;
	int status;
	bool had_body;
} rig;

/* -- the rooms below ------------------------------------------------------------------ */

int
resolver_lookup(struct resolver *resolver, const char *host, uint16_t port,
    unsigned int deadline_ms, resolver_fn fn, void *arg,
    struct resolver_request **request_out)
{
	(void)resolver;
	(void)deadline_ms;
	assert_int_equal(port, 8088);
	if (rig.resolver_error != 0)
		return rig.resolver_error;
	snprintf(rig.looked_up, sizeof(rig.looked_up), "%s", host);
	rig.resolved = fn;
	rig.resolved_arg = arg;
	*request_out = (struct resolver_request *)(void *)&rig;
	return 0;
}

void
resolver_cancel(struct resolver_request **request)
{
	if (*request != NULL)
		rig.resolved = NULL;
	*request = NULL;
}

int
websocket_open(struct websocket **ws_out, struct event_base *base,
    const struct websocket_config *config)
{
	(void)base;
	assert_false(rig.ws_open); /* the old one was freed */
	*ws_out = NULL;
	if (rig.ws_error != 0)
		return rig.ws_error;
	assert_null(config->headers[1]);
	snprintf(rig.path, sizeof(rig.path), "%s", config->path);
	snprintf(rig.authorization, sizeof(rig.authorization), "%s",
	    config->headers[0]);
	snprintf(rig.subprotocol, sizeof(rig.subprotocol), "%s",
	    config->subprotocol);
	rig.plaintext = config->plaintext_allowed;
	rig.ws = config->callbacks;
	rig.ws_arg = config->arg;
	rig.ws_open = true;
	rig.ws_count++;
	*ws_out = (struct websocket *)(void *)&rig;
	return 0;
}

void
websocket_free(struct websocket **ws)
{
	if (*ws != NULL)
		rig.ws_open = false;
	*ws = NULL;
}

void
websocket_close(struct websocket *ws, int code)
{
	(void)ws;
	assert_int_equal(code, 1000);
}

const char *
websocket_reason_name(enum websocket_reason reason)
{
	(void)reason;
	return "unit";
}

int
http_client_new(struct http_client **client_out, struct event_base *base,
    const struct http_client_config *config)
{
	(void)base;
	assert_int_equal(config->connections_max, 8);
	*client_out = (struct http_client *)(void *)&rig;
	return 0;
}

void
http_client_free(struct http_client **client)
{
	*client = NULL; /* without callbacks */
}

int
http_request(struct http_client *client, struct http_request **request_out,
    const struct http_request_config *config, http_response_fn fn, void *arg)
{
	struct request *request = &rig.requests[rig.request_count];

	(void)client;
	assert_null(request_out);
	assert_int_equal(config->deadline_ms, ARI_DEADLINE_MS);
	if (rig.http_error != 0)
		return rig.http_error;
	assert_true(rig.request_count < REQUESTS_MAX);
	rig.request_count++;
	snprintf(
	    request->method, sizeof(request->method), "%s", config->method);
	snprintf(request->url, sizeof(request->url), "%s", config->url);
	snprintf(request->body, sizeof(request->body), "%.*s",
	    (int)config->body_len,
	    config->body != NULL ? (const char *)config->body : "");
	snprintf(rig.user, sizeof(rig.user), "%s", config->user);
	snprintf(rig.password, sizeof(rig.password), "%s", config->password);
	request->fn = fn;
	request->arg = arg;
	request->open = true;
	return 0;
}

/* -- what is reported -------------------------------------------------------------------- */

static void
on_snapshot(const cJSON *channels, const cJSON *bridges, void *arg)
{
	(void)arg;
	assert_true(cJSON_IsArray(channels));
	assert_true(cJSON_IsArray(bridges));
	assert_int_equal(ari_state(rig.ari), ARI_UP);
	rig.snapshots++;
	rig.listed_channels = cJSON_GetArraySize(channels);
}

static void
on_event(const char *type, const cJSON *event, void *arg)
{
	size_t len = strlen(rig.event_types);

	(void)arg;
	assert_true(cJSON_IsObject(event));
	assert_true(rig.snapshots > 0);
	rig.events++;
	snprintf(
	    rig.event_types + len, sizeof(rig.event_types) - len, "%s ", type);
}

static void
on_state(enum ari_state state, void *arg)
{
	(void)arg;
	assert_true(rig.state_count < STATES_MAX);
	rig.states[rig.state_count++] = state;
}

static void
on_answer(const struct ari_response *response, void *arg)
{
	assert_ptr_equal(arg, &rig);
	rig.answers++;
	rig.status = response->status;
	rig.had_body = response->body != NULL;
}

static int
setup(void **state)
{
	static const struct ari_callbacks callbacks = {
	    .on_snapshot = on_snapshot,
	    .on_event = on_event,
	    .on_state = on_state,
	};

	(void)state;
	memset(&rig, 0, sizeof(rig));
	rig.base = event_base_new();
	rig.config = (struct config){
	    .asterisk_host = "pbx.example",
	    .asterisk_port = 8088,
	    .asterisk_username = "unit",
	    .asterisk_password = "s3cr3t:x",
	    .ari_app = "openai-app",
	};
	return ari_new(&rig.ari, rig.base, NULL, &rig.config, &callbacks, NULL);
}

static int
teardown(void **state)
{
	(void)state;
	ari_free(&rig.ari);
	event_base_free(rig.base);
	return 0;
}

/* -- the other side ------------------------------------------------------------------------- */

static void
resolve(const char *ip)
{
	struct resolver_result result = {
	    .err = ip == NULL ? -ENOENT : 0, .count = ip == NULL ? 0 : 1};
	resolver_fn fn = rig.resolved;

	result.text = ip == NULL ? "no such name" : "";
	snprintf(result.addresses[0].ip, sizeof(result.addresses[0].ip), "%s",
	    ip != NULL ? ip : "");
	assert_non_null(fn);
	rig.resolved = NULL;
	fn(&result, rig.resolved_arg);
}

static void
event(const char *text)
{
	assert_true(rig.ws_open);
	rig.ws.on_message((struct websocket *)(void *)&rig, text, strlen(text),
	    false, rig.ws_arg);
}

static void
drop(enum websocket_reason reason, int status)
{
	const struct websocket_closed closed = {
	    .reason = reason, .status = status, .text = "unit", .body = ""};

	rig.ws.on_close((struct websocket *)(void *)&rig, &closed, rig.ws_arg);
}

/* The oldest open request whose URL contains PART, or NULL. */
static struct request *
find(const char *method, const char *part)
{
	for (size_t i = 0; i < rig.request_count; i++) {
		struct request *request = &rig.requests[i];

		if (request->open && strcmp(request->method, method) == 0 &&
		    strstr(request->url, part) != NULL)
			return request;
	}
	return NULL;
}

static void
answer(const char *method, const char *part, int status, const char *body)
{
	struct request *request = find(method, part);
	const struct http_response response = {
	    .result = status == 0 ? HTTP_TIMEOUT : HTTP_OK,
	    .status = status,
	    .body = body,
	    .body_len = strlen(body),
	    .content_type = "",
	    .error = status == 0 ? "no answer" : "",
	};

	assert_non_null(request);
	request->open = false;
	request->fn(&response, request->arg);
}

static void
connect_ari(void)
{
	if (rig.resolved != NULL)
		resolve("127.0.0.1");
	rig.ws.on_open((struct websocket *)(void *)&rig, rig.ws_arg);
}

static void
answer_lists(void)
{
	answer("GET", "/ari/channels", 200, "[{\"id\":\"17.4\"}]");
	answer("GET", "/ari/bridges", 200, "[]");
	answer("GET", "/ari/applications/openai-app", 200, "{}");
}

static void
come_up(void)
{
	ari_start(rig.ari);
	connect_ari();
	answer_lists();
	assert_int_equal(ari_state(rig.ari), ARI_UP);
}

/* -- connecting ----------------------------------------------------------------------------- */

static void
it_connects_with_the_password_in_a_header_and_nowhere_else(void **state)
{
	(void)state;
	ari_start(rig.ari);
	assert_int_equal(ari_state(rig.ari), ARI_CONNECTING);
	assert_string_equal(rig.looked_up, "pbx.example");
	resolve("192.0.2.7");
	assert_string_equal(
	    rig.path, "/ari/events?app=openai-app&subscribeAll=false");
	/* "unit:s3cr3t:x" */
	assert_string_equal(
	    rig.authorization, "Authorization: Basic dW5pdDpzM2NyM3Q6eA==");
	assert_string_equal(rig.subprotocol, "ari");
	assert_string_equal(ari_address(rig.ari)->ip, "192.0.2.7");
	rig.ws.on_open((struct websocket *)(void *)&rig, rig.ws_arg);
	assert_string_equal(
	    rig.requests[0].url, "http://pbx.example:8088/ari/channels");
	assert_string_equal(rig.user, "unit");
	assert_string_equal(rig.password, "s3cr3t:x");
}

static void
plain_http_is_for_loopback_unless_the_operator_says_otherwise(void **state)
{
	(void)state;
	ari_start(rig.ari);
	resolve("192.0.2.7");
	assert_false(rig.plaintext);
	teardown(state);
	setup(state);
	ari_start(rig.ari);
	resolve("127.0.0.1");
	assert_true(rig.plaintext);
	teardown(state);
	setup(state);
	rig.config.asterisk_allow_plain_http = true;
	ari_start(rig.ari);
	resolve("192.0.2.7");
	assert_true(rig.plaintext);
}

static void
an_ipv6_host_stands_in_brackets(void **state)
{
	(void)state;
	snprintf(rig.config.asterisk_host, sizeof(rig.config.asterisk_host),
	    "2001:db8::7");
	ari_request(rig.ari, NULL, NULL, "GET", NULL, "channels");
	assert_string_equal(
	    rig.requests[0].url, "http://[2001:db8::7]:8088/ari/channels");
}

static void
lists_come_before_events_whatever_the_order_of_the_answers(void **state)
{
	(void)state;
	ari_start(rig.ari);
	connect_ari();
	assert_int_equal(ari_state(rig.ari), ARI_LISTING);
	event("{\"type\":\"StasisStart\"}");
	answer("GET", "/ari/applications/openai-app", 200, "{}");
	answer("GET", "/ari/bridges", 200, "[]");
	event("{\"type\":\"StasisEnd\"}");
	assert_int_equal(rig.events, 0);
	answer("GET", "/ari/channels", 200, "[{},{}]");
	assert_int_equal(rig.snapshots, 1);
	assert_int_equal(rig.listed_channels, 2);
	assert_string_equal(rig.event_types, "StasisStart StasisEnd ");
	event("{\"type\":\"ChannelVarset\"}");
	assert_int_equal(rig.events, 3);
}

static void
lists_that_cannot_be_had_begin_everything_anew(void **state)
{
	static const struct {
		const char *path;
		int status;
		const char *body;
	} cases[] = {
	    {"/ari/channels", 0, ""},
	    {"/ari/channels", 500, "{\"message\":\"no\"}"},
	    {"/ari/channels", 200, "{}"},
	    {"/ari/channels", 200, "[{"},
	    {"/ari/bridges", 503, ""},
	    {"/ari/bridges", 200, ""},
	    {"/ari/applications/openai-app", 404, ""},
	    {"/ari/applications/openai-app", 0, ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ari_start(rig.ari);
		connect_ari();
		event("{\"type\":\"StasisStart\"}");
		answer("GET", cases[i].path, cases[i].status, cases[i].body);
		assert_int_equal(ari_state(rig.ari), ARI_DOWN);
		assert_false(rig.ws_open);
		timers_expire(rig.base);
		connect_ari();
		/* What the old lists say comes too late. */
		for (struct request *old;
		     (old = find("GET", "")) != NULL && old < &rig.requests[3];)
			answer("GET", strstr(old->url, "/ari/"), 200, "[]");
		assert_int_equal(rig.snapshots, 0);
		answer_lists();
		assert_int_equal(ari_state(rig.ari), ARI_UP);
		assert_int_equal(rig.events, 0); /* of the lost connection */
		teardown(state);
		setup(state);
	}
}

static void
a_name_a_refusal_and_a_lack_of_memory_are_tried_again(void **state)
{
	(void)state;
	ari_start(rig.ari);
	resolve(NULL);
	assert_int_equal(ari_state(rig.ari), ARI_DOWN);
	timers_expire(rig.base);
	resolve("127.0.0.1");
	drop(WEBSOCKET_REFUSED, 0);
	assert_int_equal(ari_state(rig.ari), ARI_DOWN);
	rig.resolver_error = -ENOMEM;
	timers_expire(rig.base);
	assert_int_equal(ari_state(rig.ari), ARI_DOWN);
	rig.resolver_error = 0;
	rig.ws_error = -ENOMEM;
	timers_expire(rig.base);
	resolve("127.0.0.1");
	assert_int_equal(ari_state(rig.ari), ARI_DOWN);
	rig.ws_error = 0;
	timers_expire(rig.base);
	resolve("127.0.0.1");
	drop(WEBSOCKET_HANDSHAKE, 401);
	timers_expire(rig.base);
	rig.http_error = -EBUSY;
	connect_ari(); /* the lists cannot be asked for */
	assert_int_equal(ari_state(rig.ari), ARI_DOWN);
	rig.http_error = 0;
	timers_expire(rig.base);
	connect_ari();
	answer_lists();
	assert_int_equal(ari_state(rig.ari), ARI_UP);
}

static void
a_lost_connection_is_made_again_and_listed_again(void **state)
{
	(void)state;
	come_up();
	drop(WEBSOCKET_PEER, 1006);
	assert_int_equal(ari_state(rig.ari), ARI_DOWN);
	timers_expire(rig.base);
	connect_ari();
	answer_lists();
	assert_int_equal(rig.snapshots, 2);
	assert_int_equal(rig.ws_count, 2);
}

/* -- events ------------------------------------------------------------------------------------ */

static void
what_is_no_event_is_passed_over(void **state)
{
	static const char *const odd[] = {"", "x", "[]", "{}", "7", "null",
	    "{\"type\":5}", "{\"type\":\"\"}", "{\"type\":\"A\"", "\"type\"",
	    "{\"type\":\"A\"}{\"type\":\"B\"}"};

	(void)state;
	come_up();
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		event(odd[i]);
	rig.ws.on_message((struct websocket *)(void *)&rig, "{\"type\":\"A\"}",
	    12, true, rig.ws_arg); /* binary */
	assert_int_equal(rig.events, 0);
	event("{\"type\":\"NobodyKnows\"}");
	assert_int_equal(rig.events, 1);
	assert_int_equal(ari_state(rig.ari), ARI_UP);
}

static void
a_flood_of_events_before_the_lists_is_bounded(void **state)
{
	(void)state;
	ari_start(rig.ari);
	connect_ari();
	for (int i = 0; i < 20000 && rig.ws_open; i++)
		event("{\"type\":\"ChannelVarset\"}");
	assert_int_equal(ari_state(rig.ari), ARI_DOWN);
}

/* Asks whether somebody has the name; what Asterisk says. */
static void
look_says(int status, const char *body)
{
	timers_turn(rig.base);
	answer("GET", "/ari/applications/openai-app", status, body);
}

static void
look(int status)
{
	look_says(status, "{\"channel_ids\":[\"1.2\"]}");
}

static void
an_application_that_was_taken_is_not_fought_for(void **state)
{
	(void)state;
	come_up();
	event("{\"type\":\"ApplicationReplaced\"}");
	assert_int_equal(ari_state(rig.ari), ARI_REPLACED);
	assert_false(rig.ws_open);
	for (int i = 0; i < 5; i++) {
		timers_expire(rig.base);
		look(200);
	}
	assert_int_equal(rig.ws_count, 1);
	assert_int_equal(ari_state(rig.ari), ARI_REPLACED);
	/* Requests still work, and an operator may take it back. */
	assert_int_equal(ari_request(rig.ari, on_answer, &rig, "DELETE", NULL,
			     "channels/1.2"),
	    0);
	answer("DELETE", "/ari/channels/1.2", 204, "");
	assert_int_equal(rig.answers, 1);
	ari_reconnect(rig.ari, "unit");
	timers_expire(rig.base);
	connect_ari();
	answer_lists();
	assert_int_equal(ari_state(rig.ari), ARI_UP);
}

static void
a_name_that_nobody_has_any_more_is_taken_again(void **state)
{
	(void)state;
	come_up();
	event("{\"type\":\"ApplicationReplaced\"}");
	look(200);
	look(404); /* it may only be starting anew … */
	look(200); /* … as it was */
	look(404);
	look(0); /* no answer is none */
	look(404);
	assert_int_equal(ari_state(rig.ari), ARI_REPLACED);
	assert_int_equal(rig.ws_count, 1);
	look(404);
	assert_int_equal(ari_state(rig.ari), ARI_CONNECTING);
	connect_ari();
	answer_lists();
	assert_int_equal(ari_state(rig.ari), ARI_UP);
}

static void
a_name_that_asterisk_has_not_yet_forgotten_is_tidied_up(void **state)
{
	(void)state;
	come_up();
	event("{\"type\":\"ApplicationReplaced\"}");
	for (int i = 0; i < 8; i++) {
		look_says(200, "{\"channel_ids\":[\"1.2\"],\"bridge_ids\":[]}");
		assert_int_equal(rig.ws_count, 1);
	}
	for (int i = 1; i <= 12; i++) {
		look_says(200, "{\"channel_ids\":[],\"bridge_ids\":[]}");
		assert_int_equal(rig.ws_open, i == 2 || i == 8);
		if (!rig.ws_open)
			continue;
		assert_non_null(strstr(rig.path, "app=openai-app-look&"));
		if (i == 2)
			rig.ws.on_open(
			    (struct websocket *)(void *)&rig, rig.ws_arg);
		else
			rig.ws.on_close((struct websocket *)(void *)&rig,
			    &(struct websocket_closed){.text = "unit"},
			    rig.ws_arg);
		assert_false(rig.ws_open);
		assert_int_equal(ari_state(rig.ari), ARI_REPLACED);
	}
	assert_int_equal(rig.ws_count, 3);
}

/* A frozen Asterisk finds them late, and in any order. */
static void
our_own_earlier_connection_is_no_other_program(void **state)
{
	const struct websocket_closed dead = {
	    .reason = WEBSOCKET_DEAD, .text = "unit"};

	(void)state;
	come_up();
	rig.ws.on_close((struct websocket *)(void *)&rig, &dead, rig.ws_arg);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ari_state(rig.ari), ARI_DOWN);
		timers_expire(rig.base);
		connect_ari();
		answer_lists();
		assert_int_equal(ari_state(rig.ari), ARI_UP);
		event("{\"type\":\"ApplicationReplaced\"}");
	}
	/* Once for each that was given up. */
	assert_int_equal(ari_state(rig.ari), ARI_REPLACED);
}

static void
what_our_successor_took_is_not_looked_at(void **state)
{
	size_t asked;

	(void)state;
	come_up();
	asked = rig.request_count;
	ari_expect_replaced(rig.ari, true);
	event("{\"type\":\"ApplicationReplaced\"}");
	for (int i = 0; i < 5; i++)
		timers_turn(rig.base);
	assert_int_equal(rig.request_count, asked);
	assert_int_equal(ari_state(rig.ari), ARI_REPLACED);
}

/* To connect again would take it back. */
static void
a_connection_that_our_successor_needs_is_not_made_again(void **state)
{
	int count;

	(void)state;
	come_up();
	count = rig.ws_count;
	ari_expect_replaced(rig.ari, true);
	drop(WEBSOCKET_PEER, 1006);
	assert_int_equal(ari_state(rig.ari), ARI_DOWN);
	for (int i = 0; i < 5; i++)
		timers_expire(rig.base);
	assert_int_equal(ari_state(rig.ari), ARI_DOWN);
	/* It stays after all. */
	ari_expect_replaced(rig.ari, false);
	ari_reconnect(rig.ari, "unit");
	connect_ari();
	assert_int_equal(rig.ws_count, count + 1);
	assert_int_equal(ari_state(rig.ari), ARI_LISTING);
}

/* -- the probe ------------------------------------------------------------------------------------ */

static const char probe[] =
    "{\"type\":\"ChannelUserevent\",\"eventname\":\"telefonista-probe\"}";

static void
a_probe_that_comes_back_keeps_the_connection(void **state)
{
	(void)state;
	come_up();
	for (int i = 0; i < 10; i++) {
		timers_turn(rig.base);
		answer("POST",
		    "/ari/events/user/telefonista-probe?application="
		    "openai-app",
		    204, "");
		event(probe);
	}
	assert_int_equal(rig.events, 0); /* nobody's business */
	assert_int_equal(ari_state(rig.ari), ARI_UP);
	assert_int_equal(rig.ws_count, 1);
	event("{\"type\":\"ChannelUserevent\",\"eventname\":\"x\"}");
	assert_int_equal(rig.events, 1);
}

static void
two_probes_that_do_not_come_back_end_the_connection(void **state)
{
	(void)state;
	come_up();
	timers_turn(rig.base);
	timers_turn(rig.base);
	/* Asterisk takes them, but its events do not arrive. */
	answer("POST", "telefonista-probe", 204, "");
	answer("POST", "telefonista-probe", 204, "");
	assert_int_equal(ari_state(rig.ari), ARI_UP);
	timers_turn(rig.base);
	assert_int_not_equal(ari_state(rig.ari), ARI_UP);
	assert_false(rig.ws_open);
}

/* -- requests ----------------------------------------------------------------------------------------- */

static void
a_request_gets_exactly_one_answer_with_its_body(void **state)
{
	cJSON *body = cJSON_CreateObject();

	(void)state;
	json_add_string(body, "a", "b");
	assert_int_equal(ari_request(rig.ari, on_answer, &rig, "POST", body,
			     "channels/%s/play?media=%s", "1.2", "x"),
	    0);
	assert_int_equal(rig.answers, 0);
	assert_string_equal(rig.requests[0].url,
	    "http://pbx.example:8088/ari/channels/1.2/play?media=x");
	assert_string_equal(rig.requests[0].body, "{\"a\":\"b\"}");
	answer("POST", "/play", 201, "{\"id\":\"p\"}");
	assert_int_equal(rig.answers, 1);
	assert_int_equal(rig.status, 201);
	assert_true(rig.had_body);
}

static void
answers_that_are_odd_have_no_body_and_none_has_status_0(void **state)
{
	static const struct {
		int status;
		const char *body;
		bool had_body;
	} cases[] = {{204, "", false}, {200, "<html>", false},
	    {200, "[", false}, {404, "{\"message\":\"no\"}", true},
	    {500, "\n", false}, {0, "", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ari_request(rig.ari, on_answer, &rig, "GET", NULL, "x");
		answer("GET", "/ari/x", cases[i].status, cases[i].body);
		assert_int_equal(rig.answers, (int)i + 1);
		assert_int_equal(rig.status, cases[i].status);
		assert_int_equal(rig.had_body, cases[i].had_body);
	}
}

static void
a_path_that_does_not_fit_is_not_sent_cut_off(void **state)
{
	char *path = calloc(1, 5000);

	(void)state;
	memset(path, 'x', 4999);
	assert_int_equal(
	    ari_request(rig.ari, on_answer, &rig, "DELETE", NULL, "%s", path),
	    -ENAMETOOLONG);
	free(path);
	assert_int_equal(rig.request_count, 0);
	assert_int_equal(rig.answers, 0);
}

static void
a_request_that_cannot_be_sent_says_so_and_answers_nobody(void **state)
{
	(void)state;
	rig.http_error = -EBUSY;
	assert_int_equal(ari_request(rig.ari, on_answer, &rig, "POST",
			     cJSON_CreateObject(), "x"),
	    -EBUSY);
	assert_int_equal(rig.answers, 0);
}

static void
nobody_is_answered_after_the_end(void **state)
{
	(void)state;
	come_up();
	ari_request(rig.ari, on_answer, &rig, "GET", NULL, "x");
	drop(WEBSOCKET_PEER, 1000);
	timers_expire(rig.base);
	connect_ari(); /* with its lists under way */
	ari_free(&rig.ari);
	assert_false(rig.ws_open);
	assert_int_equal(rig.answers, 0);
	/* What the rooms below kept is gone with them: see the leak check. */
}

static void
ids_are_escaped_for_paths_and_queries(void **state)
{
	char buf[64], tiny[8];

	(void)state;
	assert_string_equal(
	    ari_escape("1732.17-a_b~", buf, sizeof(buf)), "1732.17-a_b~");
	assert_string_equal(ari_escape("a/b?c&d=e#f g%h", buf, sizeof(buf)),
	    "a%2Fb%3Fc%26d%3De%23f%20g%25h");
	assert_string_equal(
	    ari_escape("\xc3\xb1\n", buf, sizeof(buf)), "%C3%B1%0A");
	assert_string_equal(ari_escape("", buf, sizeof(buf)), "");
	/* Cut between characters, never in one. */
	assert_string_equal(ari_escape("////", tiny, sizeof(tiny)), "%2F%2F");
}

static void
every_state_has_a_name(void **state)
{
	(void)state;
	for (int i = ARI_DOWN; i <= ARI_REPLACED; i++)
		assert_string_not_equal(ari_state_name((enum ari_state)i), "?");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(it_connects_with_the_password_in_a_header_and_nowhere_else),
	    TEST(plain_http_is_for_loopback_unless_the_operator_says_otherwise),
	    TEST(an_ipv6_host_stands_in_brackets),
	    TEST(lists_come_before_events_whatever_the_order_of_the_answers),
	    TEST(lists_that_cannot_be_had_begin_everything_anew),
	    TEST(a_name_a_refusal_and_a_lack_of_memory_are_tried_again),
	    TEST(a_lost_connection_is_made_again_and_listed_again),
	    TEST(what_is_no_event_is_passed_over),
	    TEST(a_flood_of_events_before_the_lists_is_bounded),
	    TEST(an_application_that_was_taken_is_not_fought_for),
	    TEST(a_name_that_nobody_has_any_more_is_taken_again),
	    TEST(what_our_successor_took_is_not_looked_at),
	    TEST(a_connection_that_our_successor_needs_is_not_made_again),
	    TEST(our_own_earlier_connection_is_no_other_program),
	    TEST(a_name_that_asterisk_has_not_yet_forgotten_is_tidied_up),
	    TEST(a_probe_that_comes_back_keeps_the_connection),
	    TEST(two_probes_that_do_not_come_back_end_the_connection),
	    TEST(a_request_gets_exactly_one_answer_with_its_body),
	    TEST(answers_that_are_odd_have_no_body_and_none_has_status_0),
	    TEST(a_path_that_does_not_fit_is_not_sent_cut_off),
	    TEST(a_request_that_cannot_be_sent_says_so_and_answers_nobody),
	    TEST(nobody_is_answered_after_the_end),
	    TEST(ids_are_escaped_for_paths_and_queries),
	    TEST(every_state_has_a_name),
	};

	log_init("unit", (enum log_level)0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
