/* SPDX-License-Identifier: MIT */
/*
 * fuzz_ari.c – what Asterisk says, through the real calls: a line is an event,
 * "A200 {…}" the answer to the oldest open request, "S[…]" a list of channels,
 * "T" time that passes.
 */
#include "tests/unit/call_world.h"

#include "tests/fuzz/fuzz.h"

enum {
	/* What the fake rooms have place for. */
	LINES_MAX = 40,
	ASKED_MAX = WORLD_WAITING_MAX - 4,
	REQUESTS_MAX = FAKE_ARI_MAX - 64,
};

static void
answer_oldest(const char *text)
{
	char *body = NULL;
	int status = (int)strtol(text, &body, 10);

	for (size_t i = 0; i < fake_ari.count; i++) {
		cJSON *json;

		if (!fake_ari.requests[i].open)
			continue;
		json = json_parse(body, strlen(body));
		if (json != NULL || body[0] == '\0')
			fake_ari_answer_request(&fake_ari.requests[i],
			    status % 1000, json != NULL ? body : NULL);
		cJSON_Delete(json);
		return;
	}
}

static void
list(const char *text)
{
	cJSON *channels = json_parse(text, strlen(text));
	cJSON *bridges = cJSON_CreateArray();

	if (cJSON_IsArray(channels))
		calls_on_snapshot(world.calls, channels, bridges);
	cJSON_Delete(channels);
	cJSON_Delete(bridges);
}

static void
event(const char *text)
{
	cJSON *json = json_parse(text, strlen(text));

	if (cJSON_IsObject(json))
		calls_on_event(world.calls, json_string(json, "type"), json);
	cJSON_Delete(json);
}

static void
handle_line(const char *line)
{
	if (line[0] == 'A')
		answer_oldest(line + 1);
	else if (line[0] == 'S')
		list(line + 1);
	else if (line[0] == 'T')
		timers_expire_soonest(world.base);
	else
		event(line);
}

static void
let_all_go(void)
{
	for (size_t i = 0; i < fake_ari.count; i++) {
		if (fake_ari.requests[i].open)
			fake_ari_answer_request(
			    &fake_ari.requests[i], 404, NULL);
	}
}

/* world_setup() without what costs time a million times. */
static void
setup(void)
{
	static struct event_base *base;
	struct call_env env;

	if (base == NULL)
		base = event_base_new();
	memset(&world, 0, sizeof(world));
	fake_ari.count = 0;
	fake_ari.error = 0;
	fake_ari.state = ARI_UP;
	fake_now_ms = 1000000;
	world.base = base;
	world.warm = 2;
	world.tools = (struct tools *)(void *)&world;
	world.config = (struct config){
	    .ari_app = "openai-app",
	    .answer_timeout_ms = 4000,
	    .max_call_s = 1800,
	    .max_calls = 8,
	    .max_calls_per_number = 3,
	    .drain_s = 20,
	    .default_country = 57,
	    .show_caller_number = "last4",
	    .fallback_context = "telefonista-fallback",
	    .fallback_sound = "sound:tt-somethingwrong",
	    .person_destination = "persona",
	};
	rtp_ports_init(&world.ports, 20000, 65000);
	FUZZ_CHECK(
	    ledger_new(&world.ledger, base, NULL, world.config.ari_app) == 0);
	env = (struct call_env){
	    .base = base,
	    .ledger = world.ledger,
	    .ports = &world.ports,
	    .config = &world.config,
	    .personas = &world.personas,
	    .tools = &world.tools,
	    .local_ip = "127.0.0.1",
	};
	FUZZ_CHECK(calls_new(&world.calls, &env, NULL, NULL) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *line, *rest = text;
	int lines = 0;

	fuzz_init();
	setup();
	while ((line = strsep(&rest, "\n")) != NULL && lines++ < LINES_MAX &&
	       world.asked < ASKED_MAX && fake_ari.count < REQUESTS_MAX)
		handle_line(line);
	let_all_go();
	calls_free(&world.calls);
	ledger_free(&world.ledger);
	FUZZ_CHECK(world.tools_refs == 0);
	fake_fleet_reset();
	free(text);
	return 0;
}
