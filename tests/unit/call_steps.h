/* SPDX-License-Identifier: MIT */
/* call_steps.h – one call, taken through its set-up step by step. */
#ifndef TESTS_UNIT_CALL_STEPS_H
#define TESTS_UNIT_CALL_STEPS_H

#include <fcntl.h>

#include "tests/unit/call_world.h"

#define ID "1732012345.17"

static inline void
step_arrive(void)
{
	world_caller_arrives(ID, "Ring");
}

static inline void
step_ring(void)
{
	fake_ari_answer("POST", "/ring", 204, NULL);
}

static inline void
step_bridge(void)
{
	fake_ari_answer("POST", "bridges?", 200, "{}");
}

static inline void
step_codec(void)
{
	fake_ari_answer("GET", "audioreadformat", 200, "{\"value\":\"ulaw\"}");
	fake_ari_answer("GET", "TELEFONISTA_CLASS", 404, NULL);
}

static inline void
step_worker(void)
{
	world_give_worker(NULL);
}

static inline void
step_media(void)
{
	fake_ari_answer("POST", "externalMedia", 200, world_media_answer);
}

static inline void
step_media_in_stasis(void)
{
	world_channel_event("StasisStart", world_media_id());
}

static inline void
step_joined(void)
{
	fake_ari_answer("POST", "/addChannel", 204, NULL);
}

static inline void
step_ready(void)
{
	world_worker_ready();
}

static inline void
step_answered(void)
{
	fake_ari_answer("POST", "/answer", 204, NULL);
}

static const struct {
	void (*take)(void);
	/* The request that it answers, if a refusal is the end of the call. */
	const char *method;
	const char *path;
	bool worker; /* from here on there is one */
} steps[] = {
    {step_arrive, NULL, NULL, false},
    {step_ring, NULL, NULL, false},
    {step_bridge, "POST", "bridges?", false},
    {step_codec, NULL, NULL, false},
    {step_worker, NULL, NULL, true},
    {step_media, "POST", "externalMedia", true},
    {step_media_in_stasis, NULL, NULL, true},
    {step_joined, "POST", "/addChannel", true},
    {step_ready, NULL, NULL, true},
    {step_answered, "POST", "/answer", true},
};

enum {
	STEPS = sizeof(steps) / sizeof(steps[0]),
};

/* Takes the first COUNT steps. */
static inline void
set_up(size_t count)
{
	for (size_t i = 0; i < count; i++)
		steps[i].take();
}

/* A new world for the next round of a loop. */
static inline void
begin_again(void)
{
	world_teardown(NULL);
	world_setup(NULL);
}

/* Workers end as they should once their call is over. */
static inline void
workers_leave(void)
{
	for (size_t i = 0; i < fake_fleet.count; i++) {
		struct worker *worker = &fake_fleet.workers[i];

		if (worker->alive && worker->owner.on_gone != NULL)
			fake_worker_dies(worker, "exited with status 0");
	}
}

/* Whatever is unanswered is answered: the channel is not there any more. */
static inline void
asterisk_says_404(void)
{
	static const char *const methods[] = {"GET", "POST", "DELETE"};

	for (size_t i = 0; i < 3; i++)
		fake_ari_answer_all(methods[i], 404);
}

static inline void
assert_went_to_fallback(void)
{
	assert_int_equal(world_state(ID), CALL_ENDING);
	assert_int_equal(
	    fake_ari_asked("POST",
		"channels/" ID "/continue?context=telefonista-fallback"
		"&extension=3241000752&priority=1"),
	    1);
}

/* The worker says call.action. */
static inline void
act(const char *action, const char *reason)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "action", action);
	json_add_string(body, "reason", reason);
	fake_worker_says(world_worker(), MESSAGE_CALL_ACTION, body);
}

/* Another worker would not help, either. */
static inline void
lose_the_voice(void)
{
	act("hangup", "voice_lost");
	fake_worker_dies(world_worker(), "exited with status 4");
}

/* The keeper's table has a call with WORKER, NULL if that is dead. */
static inline void
step_adopt(const char *call, struct worker *worker)
{
	bool keep = false;
	int held[KEEPER_HELD_COUNT];
	const struct fleet_adopted adopted = {
	    .keep = &keep,
	    .child = 77,
	    .worker = worker,
	    .role = PROC_ROLE_CALLWORKER,
	    .call = call,
	    .held = held,
	};

	for (int i = 0; i < KEEPER_HELD_COUNT; i++)
		held[i] = -1;
	held[KEEPER_HELD_RTP] = open("/dev/null", O_RDWR | O_CLOEXEC);
	calls_adopt(world.calls, &adopted);
	/* As the fleet does with what was not taken. */
	if (held[KEEPER_HELD_RTP] >= 0)
		close(held[KEEPER_HELD_RTP]);
}

#endif
