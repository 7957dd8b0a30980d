/* SPDX-License-Identifier: MIT */
/*
 * fuzz_ari.c – what Asterisk says, through the real calls: a line is an event,
 * "A200 {…}" the answer to the oldest open request, "S{…}" its lists,
 * "T" time that passes. And what others say to them: "W{…}" is a message of
 * the callworker that came last, "D" its death, "C{…}" an operator's request.
 */
#include "tests/unit/call_world.h"

#include "supervisor/control.h"
#include "tests/fuzz/fuzz.h"

#include <sys/socket.h>
#include <sys/un.h>

enum {
	/* What the fake rooms have place for. */
	LINES_MAX = 40,
	ASKED_MAX = WORLD_WAITING_MAX - 4,
	REQUESTS_MAX = FAKE_ARI_MAX - 64,
	OPERATORS_MAX = 2, /* each costs a socket in a folder */
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
	cJSON *json = json_parse(text, strlen(text));
	const cJSON *channels = json_array(json, "channels");
	const cJSON *bridges = json_array(json, "bridges");

	if (channels != NULL && bridges != NULL)
		calls_on_snapshot(world.calls, channels, bridges);
	cJSON_Delete(json);
}

static void
event(const char *text)
{
	cJSON *json = json_parse(text, strlen(text));

	if (cJSON_IsObject(json))
		calls_on_event(world.calls, json_string(json, "type"), json);
	cJSON_Delete(json);
}

static struct worker *
last_worker(void)
{
	size_t n = fake_fleet.count;

	return n > 0 && fake_fleet.workers[n - 1].alive
		   ? &fake_fleet.workers[n - 1]
		   : NULL;
}

/* What its peer lets through; what the tools' room is told is not read here. */
static void
worker_says(const char *text)
{
	cJSON *json = json_parse(text, strlen(text));
	struct worker *worker = last_worker();
	enum message_type type;

	if (cJSON_IsObject(json) && worker != NULL &&
	    worker->told_count < FAKE_TOLD_MAX - 8 &&
	    message_find(json_string(json, "type"), &type) == 0 &&
	    message_allowed(type, MESSAGE_CALLWORKER, MESSAGE_SUPERVISOR) &&
	    message_fds(type) == 0 && type != MESSAGE_TOOL_REQUEST)
		fake_worker_says(worker, type, json);
	else
		cJSON_Delete(json);
}

static void
worker_dies(void)
{
	struct worker *worker = last_worker();

	if (worker != NULL)
		fake_worker_dies(worker, "killed by signal 9 (Killed)");
}

static cJSON *
status(void *arg)
{
	(void)arg;
	return cJSON_CreateObject();
}

static int operators;

/* An operator's program connects, asks this, and reads what it is told. */
static void
operator_asks(const char *text)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct control_config config = {.base = world.base,
	    .path = address.sun_path,
	    .calls = world.calls,
	    .status = status};
	struct control *control;
	char reply[4096];
	int fd;

	if (++operators > OPERATORS_MAX)
		return;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path),
	    "/tmp/fuzz-control-%d", (int)getpid());
	FUZZ_CHECK(fd >= 0 && control_new(&control, &config) == 0);
	FUZZ_CHECK(connect(fd, (const struct sockaddr *)&address,
		       sizeof(address)) == 0);
	if (text[0] != '\0')
		(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
	for (int i = 0; i < 3; i++)
		event_base_loop(world.base, EVLOOP_NONBLOCK);
	while (recv(fd, reply, sizeof(reply) - 1, MSG_DONTWAIT) > 0)
		;
	close(fd);
	control_free(&control);
	unlink(address.sun_path);
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
	else if (line[0] == 'W')
		worker_says(line + 1);
	else if (line[0] == 'D')
		worker_dies();
	else if (line[0] == 'C')
		operator_asks(line + 1);
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
	strcpy(world.model, "gpt-realtime");
	rtp_ports_init(&world.ports, 20000, 65000);
	FUZZ_CHECK(access_new(&world.access, -1, clock_now_ms) == 0);
	FUZZ_CHECK(
	    ledger_new(&world.ledger, base, NULL, world.config.ari_app) == 0);
	env = (struct call_env){
	    .base = base,
	    .access = world.access,
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
	operators = 0;
	while ((line = strsep(&rest, "\n")) != NULL && lines++ < LINES_MAX &&
	       world.asked < ASKED_MAX && fake_ari.count < REQUESTS_MAX)
		handle_line(line);
	let_all_go();
	calls_free(&world.calls);
	access_free(&world.access);
	ledger_free(&world.ledger);
	FUZZ_CHECK(world.tools_refs == 0);
	fake_fleet_reset();
	free(text);
	return 0;
}
