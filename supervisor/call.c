/* SPDX-License-Identifier: MIT */
/*
 * call.c – a call's state machine: who it is, its states, its clock, and
 * what Asterisk says about it.
 *
 * Invariant: a call leaves ENDING only when its channel has left our
 * application, its worker is dead and no request is unanswered; what it made
 * in Asterisk is the ledger's to take away.
 */
#include "supervisor/call.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "supervisor/call_access.h"
#include "supervisor/call_impl.h"
#include "supervisor/call_rescue.h"
#include "supervisor/call_transfer.h"
#include "supervisor/fleet.h"
#include "supervisor/ledger.h"
#include "supervisor/phone_number.h"
#include "supervisor/spares.h"
#include "supervisor/tools.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOVE(to) (1u << CALL_##to)

/* Which states may follow which. */
static const unsigned int moves[] = {
    [CALL_NEW] = MOVE(ASSIGNED) | MOVE(TALKING) | MOVE(RESCUE) |
		 MOVE(TRANSFERRED) | MOVE(ENDING),
    [CALL_ASSIGNED] = MOVE(NEW) | MOVE(MEDIA) | MOVE(ENDING),
    [CALL_MEDIA] = MOVE(NEW) | MOVE(TALKING) | MOVE(ENDING),
    [CALL_TALKING] = MOVE(RESCUE) | MOVE(TRANSFERRED) | MOVE(ENDING),
    [CALL_RESCUE] = MOVE(TALKING) | MOVE(TRANSFERRED) | MOVE(ENDING),
    [CALL_TRANSFERRED] = MOVE(ENDING),
    [CALL_ENDING] = MOVE(ENDED),
    [CALL_ENDED] = 0,
};

const char *
call_state_name(enum call_state state)
{
	switch (state) {
	case CALL_NEW:
		return "NEW";
	case CALL_ASSIGNED:
		return "ASSIGNED";
	case CALL_MEDIA:
		return "MEDIA";
	case CALL_TALKING:
		return "TALKING";
	case CALL_RESCUE:
		return "RESCUE";
	case CALL_TRANSFERRED:
		return "TRANSFERRED";
	case CALL_ENDING:
		return "ENDING";
	case CALL_ENDED:
		return "ENDED";
	}
	return "?";
}

void
call_set_timer(struct call *call, uint64_t ms)
{
	struct timeval tv = {
	    .tv_sec = (time_t)(ms / 1000),
	    .tv_usec = (suseconds_t)(ms % 1000) * 1000,
	};

	event_add(call->timer, &tv);
}

/* What of CALL_TALKING's time is left, in ms; at least 1. */
static uint64_t
time_left(const struct call *call)
{
	uint64_t limit_ms = (uint64_t)call->env->config->max_call_s * 1000;
	uint64_t talked_ms = clock_now_ms() - call->talking_ms;

	if (call->farewell)
		return CALL_FAREWELL_MS;
	return talked_ms < limit_ms ? limit_ms - talked_ms : 1;
}

void
call_set_state(struct call *call, enum call_state state, const char *why)
{
	if (call->state == state)
		return;
	assert((moves[call->state] & (1u << state)) != 0);
	log_info("call=%s %s -> %s (%s)", call->id,
	    call_state_name(call->state), call_state_name(state), why);
	call->state = state;
	switch (state) {
	case CALL_NEW:
	case CALL_ASSIGNED:
	case CALL_MEDIA:
		break; /* one deadline for the whole set-up */
	case CALL_TALKING:
		if (call->talking_ms == 0)
			call->talking_ms = clock_now_ms();
		call_set_timer(call, time_left(call));
		break;
	case CALL_RESCUE:
		call_set_timer(call, CALL_RESCUE_MS);
		break;
	case CALL_TRANSFERRED:
		call_set_timer(call, CALL_ENDING_TURN_MS); /* the worker's */
		call_record_outlives(call);
		break;
	case CALL_ENDING:
		call->why = why;
		call_set_timer(call, CALL_ENDING_TURN_MS);
		call_transfer_end(call);
		call_record_outlives(call);
		break;
	case CALL_ENDED:
		event_del(call->timer);
		break;
	}
	call->env->on_changed(call, call->env->arg);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct call *call = arg;

	(void)fd;
	(void)what;
	switch (call->state) {
	case CALL_NEW:
	case CALL_ASSIGNED:
	case CALL_MEDIA:
		call_fallback(call, "not ready to answer in time");
		break;
	case CALL_TALKING:
		if (call->farewell)
			call_hangup(call, "farewell took too long");
		else
			(void)call_farewell(call, "limit");
		break;
	case CALL_RESCUE:
		call_rescue_fail(call, "no other worker in time");
		break;
	case CALL_TRANSFERRED:
		call_kill_worker(call);
		break;
	case CALL_ENDING:
		call_ending_turn(call);
		break;
	case CALL_ENDED:
		break;
	}
}

/* -- requests to Asterisk -------------------------------------------------------- */

void
call_ari(struct call *call, ari_response_fn *fn, const char *method,
    cJSON *body, const char *path)
{
	if (ari_request(call->env->ari, fn, call, method, body, "%s", path) ==
	    0)
		call->requests++;
	else if (call->state < CALL_ENDING)
		call_fallback(call, "Asterisk cannot be asked");
}

bool
call_answered(struct call *call)
{
	assert(call->requests > 0);
	call->requests--;
	if (call->state == CALL_ENDING)
		call_check_ended(call);
	return call->state < CALL_ENDING;
}

/* -- who calls whom ---------------------------------------------------------------- */

/* An argument of Stasis(): "persona=NAME". */
static void
read_arg(struct call *call, const char *arg)
{
	if (arg != NULL && strncmp(arg, "persona=", 8) == 0)
		snprintf(call->persona_asked, sizeof(call->persona_asked), "%s",
		    arg + 8);
}

static void
read_args(struct call *call, const cJSON *args)
{
	const cJSON *arg;

	cJSON_ArrayForEach(arg, args)
		read_arg(call, cJSON_GetStringValue(arg));
}

/* Where lists have the arguments: "openai-app,persona=NAME". */
static void
read_app_data(struct call *call, const cJSON *channel)
{
	const cJSON *dialplan = json_object(channel, "dialplan");
	char data[512], *rest = data;

	snprintf(data, sizeof(data), "%s", json_string(dialplan, "app_data"));
	strsep(&rest, ",");
	while (rest != NULL)
		read_arg(call, strsep(&rest, ","));
}

static void
read_channel(struct call *call, const cJSON *channel)
{
	const cJSON *caller = json_object(channel, "caller");
	const cJSON *dialplan = json_object(channel, "dialplan");
	const struct config *config = call->env->config;

	snprintf(call->called, sizeof(call->called), "%s",
	    json_string(dialplan, "exten"));
	snprintf(call->caller_name, sizeof(call->caller_name), "%s",
	    json_string(caller, "name"));
	call->up = strcmp(json_string(channel, "state"), "Up") == 0;
	phone_number_parse(json_string(caller, "number"),
	    config->default_country, &call->number);
	phone_number_display(&call->number, config->show_caller_number,
	    call->caller_shown, sizeof(call->caller_shown));
}

/* -- what Asterisk says ------------------------------------------------------------ */

void
call_on_channel_gone(struct call *call, const char *why)
{
	call->channel_gone = true;
	ledger_remove(call->env->ledger, call->media_id);
	ledger_remove(call->env->ledger, call->bridge_id);
	if (call->state < CALL_ENDING)
		call_set_state(call, CALL_ENDING, why);
	call_release_worker(call, "caller_gone");
	call_check_ended(call);
}

static void
on_dtmf(struct call *call, const cJSON *event)
{
	const char *digit = json_string(event, "digit");
	cJSON *body;

	if ((call->state != CALL_TALKING && call->state != CALL_RESCUE) ||
	    strlen(digit) != 1 || strchr("0123456789*#ABCD", digit[0]) == NULL)
		return;
	if (call_access_takes_digit(call, digit[0])) {
		/* The event is forgotten next, but not its bytes. */
		explicit_bzero((char *)(uintptr_t)digit, 1);
		return;
	}
	if (call->worker == NULL) {
		call_rescue_digit(call, digit[0]);
		return;
	}
	body = cJSON_CreateObject();
	json_add_string(body, "digit", digit);
	call_send(call, MESSAGE_DTMF, body);
}

static void
on_own_event(struct call *call, const char *type, const cJSON *event)
{
	if (strcmp(type, "StasisEnd") == 0 ||
	    strcmp(type, "ChannelDestroyed") == 0)
		call_on_channel_gone(call, "caller gone");
	else if (strcmp(type, "ChannelDtmfReceived") == 0)
		on_dtmf(call, event);
	else if (strcmp(type, "ChannelHold") == 0)
		log_info("call=%s on hold", call->id);
	else if (strcmp(type, "ChannelUnhold") == 0)
		log_info("call=%s off hold", call->id);
}

static void
on_media_event(struct call *call, const char *type)
{
	if (strcmp(type, "StasisStart") == 0) {
		/* Made at last, after it was given up and deleted. */
		if (call->state >= CALL_TRANSFERRED)
			ledger_stray(
			    call->env->ledger, LEDGER_CHANNEL, call->media_id);
		else
			call_on_media_started(call);
	} else if (strcmp(type, "ChannelDestroyed") == 0) {
		ledger_gone(call->env->ledger, call->media_id);
		if (call->state < CALL_TRANSFERRED)
			call_fallback(call, "media channel gone");
	}
}

static void
on_bridge_destroyed(struct call *call)
{
	ledger_gone(call->env->ledger, call->bridge_id);
	if (call->state < CALL_ENDING)
		call_fallback(call, "bridge gone");
}

void
call_on_event(struct call *call, const char *type, const cJSON *event)
{
	const cJSON *channel = json_object(event, "channel");

	if (call_transfer_event(call, type, event))
		return;
	if (strcmp(type, "PlaybackFinished") == 0)
		call_fallback_played(call, event);
	else if (strcmp(type, "BridgeDestroyed") == 0)
		on_bridge_destroyed(call);
	else if (channel == NULL)
		return;
	else if (strcmp(json_string(channel, "id"), call->media_id) == 0)
		on_media_event(call, type);
	else
		on_own_event(call, type, event);
}

const cJSON *
call_find_listed(const cJSON *list, const char *id)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, list) {
		if (strcmp(json_string(item, "id"), id) == 0)
			return item;
	}
	return NULL;
}

bool
call_is_in_stasis(const cJSON *channel)
{
	return strcmp(json_string(json_object(channel, "dialplan"), "app_name"),
		   "Stasis") == 0;
}

/* Finds what an earlier supervisor made for this call. */
static void
adopt_made(struct call *call, enum ledger_kind kind, const cJSON *list,
    char id_out[ARI_ID_MAX])
{
	struct ledger *ledger = call->env->ledger;
	const cJSON *item;

	cJSON_ArrayForEach(item, list) {
		const char *id = json_string(item, "id");

		if (!ledger_belongs(ledger, kind, id, call->id) ||
		    ledger_adopt(ledger, kind, id) < 0)
			continue;
		snprintf(id_out, ARI_ID_MAX, "%s", id);
		return;
	}
}

void
call_on_snapshot(struct call *call, uint64_t asked_ms, const cJSON *channel,
    const cJSON *channels, const cJSON *bridges)
{
	bool first = call->adopted && !call->listed;

	if (call->channel_gone || call->state == CALL_ENDED)
		return; /* what was made for it the ledger finds listed */
	if (call->adopted && call->media_id[0] == '\0') {
		adopt_made(call, LEDGER_CHANNEL, channels, call->media_id);
		adopt_made(call, LEDGER_BRIDGE, bridges, call->bridge_id);
	}
	if (channel == NULL) {
		call_on_channel_gone(call, "caller gone meanwhile");
		return;
	}
	if (!first) {
		call_setup_on_snapshot(call, asked_ms, channels);
		call_transfer_on_snapshot(call, asked_ms, channels);
		return;
	}
	read_channel(call, channel);
	read_app_data(call, channel);
	call->listed = true;
	call_transfer_adopt(call, channels, bridges);
	call_rescue_snapshot(call, bridges);
	/* Unless it was a person whom the worker left him to. */
	if (call->state == CALL_TALKING && call->over)
		call_hangup(call, "voice hung up meanwhile");
	else if (call->state == CALL_TALKING && call->worker == NULL)
		call_rescue(call);
	call_adopt_decide(call);
}

/* -- birth and death ------------------------------------------------------------------ */

static int
call_alloc(struct call **call_out, const struct call_env *env, const char *id)
{
	struct call *call = calloc(1, sizeof(*call));

	if (call == NULL)
		return -ENOMEM;
	call->env = env;
	for (int i = 0; i < CALL_FD_COUNT; i++)
		call->fds[i] = -1;
	call->why = "";
	LIST_INIT(&call->legs);
	call->started_ms = clock_now_ms();
	call->tools = tools_ref(*env->tools);
	snprintf(call->id, sizeof(call->id), "%s", id);
	call->timer = event_new(env->base, -1, 0, on_timer, call);
	if (call->timer == NULL || call_access_new(call) < 0) {
		call_free(&call);
		return -ENOMEM;
	}
	*call_out = call;
	return 0;
}

int
call_new(struct call **call_out, const struct call_env *env,
    const cJSON *channel, const cJSON *args)
{
	struct call *call;
	int ret = call_alloc(&call, env, json_string(channel, "id"));

	if (ret < 0)
		return ret;
	call_access_open(call, false);
	read_channel(call, channel);
	if (args != NULL)
		read_args(call, args);
	else
		read_app_data(call, channel);
	log_info("call=%s arrived caller=%s called=%s", call->id,
	    call->caller_shown, call->called);
	*call_out = call;
	return 0;
}

void
call_start(struct call *call)
{
	call_set_timer(call, (uint64_t)call->env->config->answer_timeout_ms);
	call_begin(call);
}

int
call_adopt(struct call **call_out, const struct call_env *env,
    const struct fleet_adopted *adopted)
{
	struct call *call;
	int ret = call_alloc(&call, env, adopted->call);

	if (ret < 0)
		return ret;
	call->adopted = true;
	call_access_open(call, true);
	*call_out = call;
	call_set_timer(call, (uint64_t)env->config->answer_timeout_ms);
	call_worker_adopt(call, adopted);
	return 0;
}

void
call_adopt_again(struct call *call, const struct fleet_adopted *adopted)
{
	if (adopted->worker == NULL)
		return;
	if (call->worker == NULL)
		call_worker_adopt(call, adopted);
	else
		worker_kill(adopted->worker, SIGKILL);
}

void
call_close_fd(struct call *call, enum call_fd fd)
{
	if (call->fds[fd] >= 0)
		close(call->fds[fd]);
	call->fds[fd] = -1;
}

void
call_free(struct call **call_ptr)
{
	struct call *call = *call_ptr;

	if (call == NULL)
		return;
	*call_ptr = NULL;
	spares_cancel(&call->request);
	call_access_free(call, call->state == CALL_ENDED);
	call_transfer_free(call);
	if (call->timer != NULL)
		event_free(call->timer);
	for (int i = 0; i < CALL_FD_COUNT; i++)
		call_close_fd(call, (enum call_fd)i);
	tools_unref(&call->tools);
	free(call);
}

/* -- what it is --------------------------------------------------------------------------- */

const char *
call_id(const struct call *call)
{
	return call->id;
}

enum call_state
call_state(const struct call *call)
{
	return call->state;
}

uint64_t
call_started_ms(const struct call *call)
{
	return call->started_ms;
}

bool
call_is_quiet(const struct call *call)
{
	return (call->state == CALL_TALKING && !call_access_enters(call)) ||
	       call->state == CALL_TRANSFERRED || call->state == CALL_ENDED;
}

bool
call_is_synced(const struct call *call)
{
	return !call->adopted || call->synced || call->worker == NULL;
}

const char *
call_caller(const struct call *call)
{
	return call->number.text;
}

bool
call_owns(const struct call *call, const char *id)
{
	if (id[0] == '\0')
		return false;
	if (strcmp(id, call->id) == 0)
		return !call->channel_gone;
	return strcmp(id, call->media_id) == 0 ||
	       strcmp(id, call->bridge_id) == 0 ||
	       (call->leg != NULL && strcmp(id, call->leg->id) == 0) ||
	       strcmp(id, call->playback_id) == 0;
}

const struct tools *
call_tools(const struct call *call)
{
	return call->tools;
}

void
call_log_state(const struct call *call)
{
	log_info("supervisor state call=%s state=%s caller=%s called=%s "
		 "persona=%s worker=%d age_ms=%llu media=%s bridge=%s "
		 "leg=%s requests=%u class=%s",
	    call->id, call_state_name(call->state), call->caller_shown,
	    call->called, call->persona,
	    call->worker != NULL ? (int)worker_pid(call->worker) : 0,
	    (unsigned long long)(clock_now_ms() - call->started_ms),
	    call->media_id, call->bridge_id,
	    call->leg != NULL ? call->leg->id : "", call->requests,
	    call_access_class(call));
}
