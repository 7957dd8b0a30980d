/* SPDX-License-Identifier: MIT */
/*
 * transfer_steps.h – a call's transfer to a person, step by step: what is
 * asked for, what Asterisk dials, and what becomes of it.
 */
#ifndef TESTS_UNIT_TRANSFER_STEPS_H
#define TESTS_UNIT_TRANSFER_STEPS_H

#include "tests/unit/call_steps.h"

#define JOB             "1732012345.17/call_1"
#define ADDED           "/addChannel?channel=telefonista-openai-app-transfer-"
#define LEG_OF(call)    "telefonista-openai-app-transfer-" call "-0a0b"
#define OLD_LEG_ID      "telefonista-openai-app-transfer-" ID "-0000"
#define BRIDGE_OF(call) "telefonista-openai-app-bridge-" call "-0a0b"
#define MEDIA_OF(call)  "telefonista-openai-app-media-" call "-0a0b"

static const char settings_text[] =
    "{\"argument\":\"destino\",\"destinations\":{\"persona\":{\"endpoint\":"
    "\"Local/persona@telefonista-transfer\",\"ring_s\":40},\"extension\":{"
    "\"endpoint\":\"Local/${argument:extension}@in\"}}}";

static cJSON *settings;
static char detail[256];

static inline struct call *
the_call(void)
{
	struct call *call = calls_find(world.calls, ID);

	assert_non_null(call);
	return call;
}

static inline enum tool_status
ask_for(const char *job, const char *arguments_text)
{
	cJSON *arguments = json_parse(arguments_text, strlen(arguments_text));
	enum tool_status status;

	detail[0] = '\0';
	status = call_transfer(
	    the_call(), job, settings, arguments, detail, sizeof(detail));
	cJSON_Delete(arguments);
	return status;
}

static inline enum tool_status
transfer(void)
{
	return ask_for(JOB, "{\"destino\":\"persona\"}");
}

/* What Asterisk was last asked to dial. */
static inline cJSON *
dialled(void)
{
	for (size_t i = fake_ari.count; i-- > 0;) {
		struct fake_request *request = &fake_ari.requests[i];

		if (strcmp(request->path, "channels") == 0 &&
		    strcmp(request->method, "POST") == 0)
			return json_parse(request->body, strlen(request->body));
	}
	fail_msg("nothing was dialled");
	return NULL;
}

static inline const char *
leg_id(void)
{
	static char id[ARI_ID_MAX];
	cJSON *body = dialled();

	snprintf(id, sizeof(id), "%s", json_string(body, "channelId"));
	cJSON_Delete(body);
	return id;
}

static inline struct fake_request *
find_dial(void)
{
	for (size_t i = 0; i < fake_ari.count; i++) {
		if (fake_ari.requests[i].open &&
		    strcmp(fake_ari.requests[i].method, "POST") == 0 &&
		    strcmp(fake_ari.requests[i].path, "channels") == 0)
			return &fake_ari.requests[i];
	}
	fail_msg("nothing is being dialled");
	return NULL;
}

static inline void
dial_answered(int status)
{
	struct fake_request *request = find_dial();

	if (request != NULL)
		fake_ari_answer_request(request, status, "{}");
}

static inline void
leg_event(const char *type)
{
	world_channel_event(type, leg_id());
}

static inline void
leg_destroyed(int cause)
{
	world_event("{\"type\":\"ChannelDestroyed\",\"cause\":%d,\"channel\":{"
		    "\"id\":\"%s\"}}",
	    cause, leg_id());
}

static inline void
leg_dial_status(const char *status)
{
	world_event("{\"type\":\"Dial\",\"dialstatus\":\"%s\",\"peer\":{"
		    "\"id\":\"%s\"}}",
	    status, leg_id());
}

static inline bool
was_deleted(const char *id)
{
	return fake_ari_asked("DELETE", id) > 0;
}

/* The call talks, and a telephone rings for it. */
static inline void
ring(void)
{
	set_up(STEPS);
	assert_int_equal(world_state(ID), CALL_TALKING);
	assert_int_equal(transfer(), TOOL_STATUS_OK);
	dial_answered(200);
	leg_dial_status("RINGING");
}

static inline void
connect_them(void)
{
	ring();
	leg_event("StasisStart");
	fake_ari_answer("POST", ADDED, 204, NULL);
	assert_int_equal(world_state(ID), CALL_TRANSFERRED);
}

static inline void
assert_answer(enum tool_status status)
{
	assert_int_equal(world.local.count, 1);
	assert_int_equal(world.local.status, status);
	assert_string_equal(world.local.job, JOB);
	assert_int_equal(world_state(ID), CALL_TALKING);
}

static inline int
setup(void **state)
{
	memset(&world_tools, 0, sizeof(world_tools));
	return world_setup(state);
}

static inline int
group_setup(void **state)
{
	(void)state;
	settings = json_parse(settings_text, sizeof(settings_text) - 1);
	return settings == NULL;
}

static inline int
group_teardown(void **state)
{
	(void)state;
	cJSON_Delete(settings);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

#endif
