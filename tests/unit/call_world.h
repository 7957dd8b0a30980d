/* SPDX-License-Identifier: MIT */
/*
 * call_world.h – everything around calls: an Asterisk (fake_ari.h), workers
 * (fake_fleet.h), and the rooms that a call asks for a worker, a persona, its
 * tools. Calls, their table and the ledger are the real ones.
 */
#ifndef TESTS_UNIT_CALL_WORLD_H
#define TESTS_UNIT_CALL_WORLD_H

#include "common/log.h"
#include "supervisor/access.h"
#include "supervisor/brief.h"
#include "supervisor/calls.h"
#include "supervisor/ledger.h"
#include "supervisor/persona.h"
#include "supervisor/records.h"
#include "supervisor/rtp_port.h"
#include "supervisor/spares.h"
#include "supervisor/tool_fan.h"
#include "supervisor/tool_job.h"
#include "supervisor/tool_queue.h"
#include "supervisor/tools.h"
#include "tests/unit/descriptors.h"
#include "tests/unit/fake_ari.h"
#include "tests/unit/fake_clock.h"
#include "tests/unit/fake_fleet.h"
#include "tests/unit/timers.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
	WORLD_WAITING_MAX = 16,
};

struct spares_request {
	spares_fn *fn;
	void *arg;
	bool waits;
};

static struct {
	struct event_base *base;
	struct config config;
	struct ledger *ledger;
	struct access *access;
	struct rtp_ports ports;
	struct personas *personas;
	struct tools *tools;
	struct calls *calls;
	size_t descriptors;

	/* spares */
	size_t warm; /* so many are given out at once */
	const char *unavailable;
	struct spares_request waiting[WORLD_WAITING_MAX];
	size_t asked;
	char last_fault[32];

	/* personas, briefs, tools */
	bool no_persona;
	char model[64]; /* what a persona has, and a brief says */
	char model_asked[64];
	char persona_asked[64];
	int brief_error;
	char brief_customer[256]; /* of the last brief */
	int tools_refs;

	/* the tool queue */
	int tool_error;
	size_t tool_requests;
	size_t tool_cancels;
	size_t tool_ends;
	char tool_asked[512]; /* the last request */

	/* records, if WORLD_KEEPS_RECORDS at its setup */
	uint64_t records_begun;
	size_t records_ended;
	uint64_t record_ended; /* the last one's ticket … */
	unsigned record_token; /* … and token */

	struct {
		char job[TOOL_JOB_ID_SIZE];
		enum tool_status status;
		char detail[TOOL_QUEUE_DETAIL_SIZE];
		size_t count;
	} local; /* what it was told last */
} world;

static bool world_keeps_records;

/* What the tools are, so far as a call asks. */
static struct {
	size_t count;
	struct tool list[4];
} world_tools;

/* -- spares ------------------------------------------------------------------ */

void
spares_take(struct spares *spares, const char *model, bool insists,
    spares_fn *fn, void *arg, struct spares_request **request_out)
{
	struct spares_request *request = &world.waiting[world.asked];

	(void)spares;
	(void)insists;
	snprintf(world.model_asked, sizeof(world.model_asked), "%s", model);
	assert_true(world.asked < WORLD_WAITING_MAX);
	world.asked++;
	*request_out = NULL;
	if (world.unavailable != NULL) {
		fn(NULL, world.unavailable, arg);
		return;
	}
	if (world.warm > 0) {
		world.warm--;
		fn(fake_fleet_worker(PROC_ROLE_CALLWORKER), "", arg);
		return;
	}
	*request = (struct spares_request){fn, arg, true};
	*request_out = request;
}

void
spares_cancel(struct spares_request **request)
{
	if (*request != NULL)
		(*request)->waits = false;
	*request = NULL;
}

void
spares_voice_failed(struct spares *spares, const char *model, const char *fault,
    const char *detail)
{
	(void)spares;
	(void)model;
	(void)detail;
	snprintf(world.last_fault, sizeof(world.last_fault), "%s", fault);
}

bool
spares_available(const struct spares *spares, const char **why_out)
{
	(void)spares;
	*why_out = world.unavailable != NULL ? world.unavailable : "";
	return world.unavailable == NULL;
}

/* The call that has waited longest gets a worker, or the news that none. */
static inline struct worker *
world_give_worker(const char *why)
{
	for (size_t i = 0; i < world.asked; i++) {
		struct spares_request *request = &world.waiting[i];
		struct worker *worker = NULL;

		if (!request->waits)
			continue;
		request->waits = false;
		if (why == NULL)
			worker = fake_fleet_worker(PROC_ROLE_CALLWORKER);
		request->fn(worker, why == NULL ? "" : why, request->arg);
		return worker;
	}
	fail_msg("no call waits for a worker");
	return NULL;
}

/* -- personas, briefs and tools -------------------------------------------------- */

const struct persona *
personas_choose(const struct personas *personas, const char *asked,
    const char *dialled, const char **why_out)
{
	static const struct persona persona = {.name = "soporte"};

	(void)personas;
	(void)dialled;
	snprintf(world.persona_asked, sizeof(world.persona_asked), "%s", asked);
	*why_out = "default";
	return world.no_persona ? NULL : &persona;
}

const struct persona_notes *
personas_notes(const struct personas *personas)
{
	(void)personas;
	return NULL;
}

const char *
brief_model(const struct config *config, const struct persona *persona)
{
	(void)config;
	(void)persona;
	return world.model;
}

void
brief_read_model(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, 0);

	buf[n > 0 ? n : 0] = '\0';
}

int
brief_build(const struct brief_request *request, int *fd_out)
{
	snprintf(world.brief_customer, sizeof(world.brief_customer), "%s",
	    request->customer);
	if (world.brief_error != 0)
		return world.brief_error;
	*fd_out = memfd_create("brief", MFD_CLOEXEC);
	assert_true(write(*fd_out, world.model, strlen(world.model)) > 0);
	return 0;
}

struct tools *
tools_ref(struct tools *tools)
{
	world.tools_refs++;
	return tools;
}

void
tools_unref(struct tools **tools)
{
	if (*tools != NULL)
		world.tools_refs--;
	*tools = NULL;
}

int
tool_queue_on_request(
    struct tool_queue *queue, const char *call, const cJSON *body)
{
	(void)queue;
	(void)call;
	assert_true(cJSON_PrintPreallocated((cJSON *)(uintptr_t)body,
	    world.tool_asked, sizeof(world.tool_asked), false));
	world.tool_requests++;
	return world.tool_error;
}

void
tool_queue_on_local(struct tool_queue *queue, const char *job,
    enum tool_status status, const char *detail)
{
	(void)queue;
	snprintf(world.local.detail, sizeof(world.local.detail), "%s", detail);
	snprintf(world.local.job, sizeof(world.local.job), "%s", job);
	world.local.status = status;
	world.local.count++;
}

size_t
tools_count(const struct tools *tools)
{
	(void)tools;
	return world_tools.count;
}

const struct tool *
tools_find(const struct tools *tools, const char *name)
{
	(void)tools;
	for (size_t i = 0; i < world_tools.count; i++) {
		if (strcmp(world_tools.list[i].name, name) == 0)
			return &world_tools.list[i];
	}
	return NULL;
}

const struct tool *
tools_at(const struct tools *tools, size_t index)
{
	(void)tools;
	assert_true(index < world_tools.count);
	return &world_tools.list[index];
}

int
tool_fan_on_request(struct tool_fan *fan, const char *call, const cJSON *body)
{
	(void)fan;
	return tool_queue_on_request(NULL, call, body);
}

int
tool_fan_on_cancel(struct tool_fan *queue, const char *call, const cJSON *body)
{
	(void)queue;
	(void)call;
	(void)body;
	world.tool_cancels++;
	return world.tool_error;
}

void
tool_fan_end_call(struct tool_fan *queue, const char *call)
{
	(void)queue;
	(void)call;
	world.tool_ends++;
}

/* -- records ----------------------------------------------------------------------- */

uint64_t
records_begin(struct records *records, const char *call, int journal_fd)
{
	(void)call;
	assert_true(journal_fd >= 0);
	return records == NULL ? 0 : ++world.records_begun;
}

bool
records_end(struct records *records, uint64_t ticket, unsigned token)
{
	if (records == NULL || ticket == 0 || ticket == world.record_ended)
		return false;
	world.records_ended++;
	world.record_ended = ticket;
	world.record_token = token;
	return true;
}

/* -- the world --------------------------------------------------------------------- */

static inline int
world_setup(void **state)
{
	struct call_env env;

	(void)state;
	memset(&world, 0, sizeof(world));
	fake_ari_reset();
	fake_fleet_reset();
	fake_now_ms += 1000000;
	world.base = event_base_new();
	world.descriptors = descriptors_open();
	world.tools = (struct tools *)(void *)&world;
	world.config = (struct config){
	    .ari_app = "openai-app",
	    .answer_timeout_ms = 4000,
	    .max_call_s = 1800,
	    .max_calls = 50,
	    .max_calls_per_number = 3,
	    .drain_s = 20,
	    .default_country = 57,
	    .show_caller_number = "last4",
	    .fallback_context = "telefonista-fallback",
	    .fallback_sound = "sound:tt-somethingwrong",
	    .person_destination = "persona",
	    .openai_realtime_model = "gpt-realtime",
	};
	strcpy(world.model, "gpt-realtime");
	rtp_ports_init(&world.ports, 20000, 65000);
	assert_int_equal(
	    ledger_new(&world.ledger, world.base, NULL, world.config.ari_app),
	    0);
	assert_int_equal(access_new(&world.access, -1, clock_now_ms), 0);
	env = (struct call_env){
	    .base = world.base,
	    .access = world.access,
	    .ledger = world.ledger,
	    .records = world_keeps_records ? (void *)&world : NULL,
	    .ports = &world.ports,
	    .config = &world.config,
	    .personas = &world.personas,
	    .tools = &world.tools,
	    .local_ip = "127.0.0.1",
	};
	assert_int_equal(calls_new(&world.calls, &env, NULL, NULL), 0);
	return 0;
}

static inline int
world_teardown(void **state)
{
	(void)state;
	calls_free(&world.calls);
	access_free(&world.access);
	ledger_free(&world.ledger);
	assert_int_equal(world.tools_refs, 0);
	assert_int_equal(descriptors_open(), world.descriptors);
	event_base_free(world.base);
	fake_fleet_reset();
	return 0;
}

/* The FORMAT is an event in JSON. */
static inline void __attribute__((format(printf, 1, 2)))
world_event(const char *format, ...)
{
	char text[4096];
	cJSON *event;
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	event = json_parse(text, strlen(text));
	assert_non_null(event);
	calls_on_event(world.calls, json_string(event, "type"), event);
	cJSON_Delete(event);
}

/* A channel as events and lists have it. */
#define WORLD_CHANNEL                                                          \
	"{\"id\":\"%s\",\"state\":\"%s\",\"caller\":{\"name\":\"Ana\","        \
	"\"number\":\"%s\"},\"dialplan\":{\"exten\":\"3241000752\","           \
	"\"app_name\":\"Stasis\",\"app_data\":\"openai-app%s\"}}"

static inline void
world_caller_arrives(const char *id, const char *channel_state)
{
	world_event(
	    "{\"type\":\"StasisStart\",\"args\":[],\"channel\":" WORLD_CHANNEL
	    "}",
	    id, channel_state, "3001234655", "");
}

static inline void
world_channel_event(const char *type, const char *id)
{
	world_event("{\"type\":\"%s\",\"channel\":{\"id\":\"%s\"}}", type, id);
}

/* What follows NAME= in the path of the last METHOD that has it. */
static inline const char *
world_asked_for(const char *method, const char *name)
{
	static char value[ARI_ID_MAX];

	for (size_t i = fake_ari.count; i-- > 0;) {
		struct fake_request *request = &fake_ari.requests[i];
		const char *found = strstr(request->path, name);

		if (strcmp(request->method, method) != 0 || found == NULL)
			continue;
		found += strlen(name);
		snprintf(value, sizeof(value), "%.*s", (int)strcspn(found, "&"),
		    found);
		return value;
	}
	fail_msg("nobody asked %s with %s", method, name);
	return "";
}

static inline const char *
world_media_id(void)
{
	return world_asked_for("POST", "channelId=");
}

static inline const char *
world_bridge_id(void)
{
	return world_asked_for("POST", "bridgeId=");
}

static const char world_media_answer[] =
    "{\"id\":\"m\",\"channelvars\":{\"UNICASTRTP_LOCAL_ADDRESS\":"
    "\"127.0.0.1\",\"UNICASTRTP_LOCAL_PORT\":\"12345\"}}";

static inline struct worker *
world_worker(void)
{
	assert_true(fake_fleet.count > 0);
	return &fake_fleet.workers[fake_fleet.count - 1];
}

static inline void
world_worker_ready(void)
{
	fake_worker_says(world_worker(), MESSAGE_READY, NULL);
}

static inline void
world_tool_request(const char *id, const char *name)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "id", id);
	json_add_string(body, "name", name);
	json_add_string(body, "arguments", "{}");
	fake_worker_says(world_worker(), MESSAGE_TOOL_REQUEST, body);
}

/* "why" is "sync" in the answer to sync. */
static inline void
world_worker_state(struct worker *worker, const char *name, const char *why,
    int64_t talking_ms)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "state", name);
	json_add_string(body, "why", why);
	json_add_int(body, "talking_ms", talking_ms);
	json_add_string(body, "caller", "+573001234655");
	json_add_string(body, "called", "3241000752");
	json_add_string(body, "persona", "soporte");
	fake_worker_says(worker, MESSAGE_STATE, body);
}

static inline enum call_state
world_state(const char *id)
{
	struct call *call = calls_find(world.calls, id);

	return call == NULL ? CALL_ENDED : call_state(call);
}

/* Nothing of any call is left, here or in Asterisk. */
static inline void
world_assert_empty(void)
{
	timers_settle(world.base);
	while (fake_ari_find("GET", "TELEFONISTA_CLASS") != NULL)
		fake_ari_answer("GET", "TELEFONISTA_CLASS", 404, NULL);
	fake_ari_answer_all("DELETE", 204);
	timers_settle(world.base);
	assert_int_equal(ledger_count(world.ledger), 0);
	assert_int_equal(world.tools_refs, 0);
	for (size_t i = 0; i < fake_fleet.count; i++)
		assert_false(fake_fleet.workers[i].alive);
}

#endif
