/* SPDX-License-Identifier: MIT */
/*
 * handover.c – the steps with which a supervisor ends for its successor.
 *
 * Invariant: until Asterisk says that the name is another's, this supervisor
 * handles each event; from then on it gets none, and its successor keeps all.
 */
#include "supervisor/handover.h"

#include "common/clock.h"
#include "common/log.h"
#include "supervisor/ari.h"
#include "supervisor/calls.h"
#include "supervisor/fleet.h"
#include "supervisor/keeper_client.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

enum {
	TURN_MS = 10,
};

enum step {
	STEP_NONE,
	STEP_QUIETING,
	STEP_LEAVING_NAME,
	STEP_FINISHING,
};

struct handover {
	struct handover_env env;
	enum step step;
	uint64_t since_ms;
	uint64_t begun_ms;
	bool stop_owed; /* nobody has been told yet but us */
	struct event *timer;
};

static void
set_step(struct handover *handover, enum step step, const char *why)
{
	static const char *const names[] = {
	    [STEP_NONE] = "NONE",
	    [STEP_QUIETING] = "QUIETING",
	    [STEP_LEAVING_NAME] = "LEAVING_NAME",
	    [STEP_FINISHING] = "FINISHING",
	};

	log_info(
	    "handover %s -> %s (%s)", names[handover->step], names[step], why);
	handover->step = step;
	handover->since_ms = clock_now_ms();
}

static void
say(struct handover *handover, enum keeper_op op)
{
	keeper_client_say(fleet_keeper(handover->env.fleet), op, 0);
}

/* Without a connection there is no name to leave and no event to lose. */
static void
leave_name(struct handover *handover, const char *why)
{
	if (ari_state(handover->env.ari) != ARI_UP) {
		set_step(handover, STEP_FINISHING, "no connection to Asterisk");
		return;
	}
	set_step(handover, STEP_LEAVING_NAME, why);
	ari_expect_replaced(handover->env.ari, true);
	say(handover, KEEPER_YIELDING);
}

static void
await_name(struct handover *handover, bool late)
{
	enum ari_state state = ari_state(handover->env.ari);

	if (state == ARI_REPLACED) {
		set_step(handover, STEP_FINISHING, "the successor has it");
	} else if (state != ARI_UP) {
		set_step(handover, STEP_FINISHING, "connection lost meanwhile");
	} else if (late) {
		handover_stay(handover, "the successor does not connect");
		say(handover, KEEPER_YIELD_FAILED);
	}
}

static void
finish(struct handover *handover, bool late)
{
	bool answered = ari_is_idle(handover->env.ari);

	if (!late && (!answered || !fleet_is_flushed(handover->env.fleet)))
		return;
	if (!answered)
		log_warn("handover does not wait for Asterisk's answers");
	log_info("handover done calls=%zu took_ms=%llu",
	    calls_count(handover->env.calls),
	    (unsigned long long)(clock_now_ms() - handover->begun_ms));
	event_del(handover->timer);
	handover->env.on_done(handover->env.arg);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct handover *handover = arg;
	uint64_t elapsed_ms = clock_now_ms() - handover->since_ms;

	(void)fd;
	(void)what;
	switch (handover->step) {
	case STEP_NONE:
		break;
	case STEP_QUIETING:
		if (calls_are_quiet(handover->env.calls))
			leave_name(handover, "no call is half made");
		else if (elapsed_ms >= HANDOVER_QUIET_MS)
			leave_name(handover, "waited long enough");
		break;
	case STEP_LEAVING_NAME:
		await_name(handover, elapsed_ms >= HANDOVER_NAME_MS);
		break;
	case STEP_FINISHING:
		finish(handover, elapsed_ms >= HANDOVER_FINISH_MS);
		break;
	}
}

bool
handover_is_leaving(const struct handover *handover)
{
	return handover->step >= STEP_LEAVING_NAME;
}

void
handover_begin(struct handover *handover)
{
	static const struct timeval interval = {.tv_usec = TURN_MS * 1000};

	if (handover->step != STEP_NONE)
		return;
	set_step(handover, STEP_QUIETING, "a successor stands by");
	handover->begun_ms = handover->since_ms;
	event_add(handover->timer, &interval);
}

void
handover_stay(struct handover *handover, const char *why)
{
	enum ari_state state = ari_state(handover->env.ari);
	bool left = handover_is_leaving(handover);

	if (handover->step == STEP_NONE)
		return;
	set_step(handover, STEP_NONE, why);
	event_del(handover->timer);
	ari_expect_replaced(handover->env.ari, false);
	if (left && (state == ARI_REPLACED || state == ARI_DOWN))
		ari_reconnect(handover->env.ari, "the successor is no more");
	if (handover->stop_owed) {
		handover->stop_owed = false;
		handover->env.on_stop(handover->env.arg);
	}
}

/* Without the name a supervisor that drains would not hear of its calls. */
bool
handover_may_stop(struct handover *handover)
{
	if (!handover_is_leaving(handover)) {
		handover_stay(handover, "the service is stopping");
		return true;
	}
	log_info("handover goes on, the successor is to stop");
	handover->stop_owed = true;
	return false;
}

int
handover_new(struct handover **handover_out, const struct handover_env *env)
{
	struct handover *handover = calloc(1, sizeof(*handover));

	if (handover == NULL)
		return -ENOMEM;
	handover->env = *env;
	handover->timer =
	    event_new(env->base, -1, EV_PERSIST, on_turn, handover);
	if (handover->timer == NULL) {
		handover_free(&handover);
		return -ENOMEM;
	}
	*handover_out = handover;
	return 0;
}

void
handover_free(struct handover **handover_ptr)
{
	struct handover *handover = *handover_ptr;

	if (handover == NULL)
		return;
	*handover_ptr = NULL;
	if (handover->timer != NULL)
		event_free(handover->timer);
	free(handover);
}
