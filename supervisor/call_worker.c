/* SPDX-License-Identifier: MIT */
/*
 * call_worker.c – a call and its callworker: found, briefed, listened to,
 * let go.
 *
 * Invariant: a call has at most one worker, and a new one is looked for only
 * when the old one is dead, because both would read the same RTP socket. What
 * is done for one that died while the caller heard it is in call_rescue.h.
 */
#include "supervisor/call_impl.h"

#include "common/clock.h"
#include "common/journal.h"
#include "common/json.h"
#include "common/log.h"
#include "common/playout_ring.h"
#include "common/uplink_memory.h"
#include "supervisor/brief.h"
#include "supervisor/call_access.h"
#include "supervisor/call_lookup.h"
#include "supervisor/call_rescue.h"
#include "supervisor/call_transfer.h"
#include "supervisor/fleet.h"
#include "supervisor/ledger.h"
#include "supervisor/persona.h"
#include "supervisor/shortage.h"
#include "supervisor/spares.h"
#include "supervisor/tool_fan.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	BYE_TEXT_MAX = 1500, /* of a worker's last words, in the log */
};

int
call_send(struct call *call, enum message_type type, cJSON *body)
{
	if (body == NULL)
		body = cJSON_CreateObject();
	json_add_string(body, "call", call->id);
	if (call->worker == NULL) {
		cJSON_Delete(body);
		return -ENOTCONN;
	}
	return worker_send(call->worker, type, body);
}

int
call_send_tool(struct call *call, enum message_type type, cJSON *body)
{
	if (call_access_hears(call, type, body)) {
		cJSON_Delete(body);
		return 0;
	}
	if (call->worker == NULL) {
		cJSON_Delete(body);
		return -ENOTCONN;
	}
	return worker_send(call->worker, type, body);
}

/* -- what the worker says ---------------------------------------------------- */

/*
 * Of a caller who is not answered yet another worker may take care. That a
 * successor has no voice counts as its death.
 */
static void
voice_lost(struct call *call)
{
	bool is_new = call->resumes > 0 && !call->worker_ready;

	if (call->state == CALL_TALKING && !is_new)
		call_fallback(call, "voice service lost");
	else if (call->state <= CALL_TALKING)
		worker_kill(call->worker, SIGKILL); /* on_gone goes on */
	call->voiceless = is_new;
}

/*
 * Of a call that an earlier supervisor began the brief knows it. What its
 * persona is today, or whether there still is one, does not matter.
 */
static const char *
voice_model(struct call *call)
{
	if (call->model[0] == '\0' && call->fds[CALL_FD_BRIEF] >= 0)
		brief_read_model(
		    call->fds[CALL_FD_BRIEF], call->model, sizeof(call->model));
	return call->model[0] != '\0'
		   ? call->model
		   : call->env->config->openai_realtime_model;
}

static void
on_voice_failed(struct call *call, const cJSON *body)
{
	const char *fault = json_string(body, "fault");

	log_warn("call=%s voice failed fault=%s detail=\"%s\"", call->id, fault,
	    json_string(body, "detail"));
	spares_voice_failed(call->env->spares, voice_model(call), fault,
	    json_string(body, "detail"));
	voice_lost(call);
}

/* It was answered TALKED_MS ago, before this supervisor. */
static void
go_on(struct call *call, uint64_t talked_ms)
{
	uint64_t now_ms = clock_now_ms();

	call->talking_ms = talked_ms < now_ms ? now_ms - talked_ms : now_ms;
	if (call->started_ms > call->talking_ms)
		call->started_ms = call->talking_ms;
	call->up = true;
	call->worker_ready = true;
	call_set_state(call, CALL_TALKING, "goes on");
	call_rescue_over(call);
}

/*
 * Nobody is hung up on while he still hears ringing. A worker that hangs up
 * before it has said more to us has talked with him, and said so to a
 * predecessor who did not listen any more.
 */
static void
end_by_worker(struct call *call, const char *why)
{
	if (call->state == CALL_NEW && call->adopted) {
		go_on(call, 0);
		call->over = true;
	}
	if (call->over && !call->listed)
		return; /* a person may have him: the lists tell */
	if (call->state < CALL_TALKING)
		call_fallback(call, why);
	else
		call_hangup(call, why);
}

static void
on_action(struct call *call, const cJSON *body)
{
	const char *action = json_string(body, "action");
	const char *reason = json_string(body, "reason");

	if (strcmp(action, "person") == 0) {
		if (call_wants_person(call, body) < 0)
			worker_kill(call->worker, SIGKILL);
		return;
	}
	if (strcmp(action, "hangup") != 0) {
		log_warn("call=%s unknown action=%s", call->id, action);
		return;
	}
	if (strcmp(reason, "voice_lost") == 0)
		voice_lost(call);
	else if (strcmp(reason, "silent") == 0)
		end_by_worker(call, "silent caller");
	else if (strcmp(reason, "limit") == 0)
		end_by_worker(call, "longest call");
	else if (strcmp(reason, "shutdown") == 0)
		end_by_worker(call, "service stops");
	else if (strcmp(reason, "operator") == 0)
		end_by_worker(call, "ended by an operator");
	else if (strcmp(reason, "terminated") == 0)
		end_by_worker(call, "worker was told to end");
	else
		end_by_worker(call, "voice hung up");
}

static void
on_bye(struct call *call, const cJSON *body)
{
	char *text = cJSON_PrintUnformatted(body);

	log_info("call=%s worker says bye %.*s", call->id, BYE_TEXT_MAX,
	    text != NULL ? text : "");
	free(text);
}

/* Whoever takes its place says goodbye for the same reason. */
static void
keep_leaving(struct call *call, const cJSON *body)
{
	const char *why = json_string(body, "why");

	if (strcmp(json_string(body, "state"), "leaving") == 0 &&
	    call->leaving[0] == '\0')
		snprintf(call->leaving, sizeof(call->leaving), "%s",
		    strcmp(why, "sync") == 0 ? "shutdown" : why);
}

/*
 * What an adopted worker says of itself. Words that it said to our
 * predecessor, who never read them, may come before its answer to us.
 */
static void
on_state(struct call *call, const cJSON *body)
{
	const char *state = json_string(body, "state");
	int64_t talked_ms = json_int(body, "talking_ms", 0);

	keep_leaving(call, body);
	if (!call->adopted || call->synced || call->state >= CALL_TRANSFERRED)
		return;
	call->synced = strcmp(json_string(body, "why"), "sync") == 0;
	phone_number_parse(json_string(body, "caller"),
	    call->env->config->default_country, &call->number);
	phone_number_display(&call->number,
	    call->env->config->show_caller_number, call->caller_shown,
	    sizeof(call->caller_shown));
	snprintf(call->called, sizeof(call->called), "%s",
	    json_string(body, "called"));
	snprintf(call->persona, sizeof(call->persona), "%s",
	    json_string(body, "persona"));
	if (strcmp(state, "talking") == 0 || talked_ms > 0)
		go_on(call, talked_ms > 0 ? (uint64_t)talked_ms : 0);
	if (call->state == CALL_TALKING && strcmp(state, "leaving") == 0) {
		call->farewell = true;
		call_set_timer(call, CALL_FAREWELL_MS);
	} else if (call->state == CALL_TALKING && strcmp(state, "ended") == 0) {
		call->over = true;
		if (call->listed)
			call_hangup(call, "voice hung up meanwhile");
	}
	call_adopt_decide(call);
}

/* -EPROTO: the worker breaks the protocol. */
static int
on_tool_request(struct call *call, const cJSON *body)
{
	int ret = call_access_permit(call, body);

	return ret <= 0
		   ? ret
		   : tool_fan_on_request(call->env->tool_fan, call->id, body);
}

static void
on_message(
    struct worker *worker, enum message_type type, const cJSON *body, void *arg)
{
	struct call *call = arg;

	/* Said before it heard that it may go. */
	if (call->state == CALL_TRANSFERRED && type != MESSAGE_BYE)
		return;
	switch (type) {
	case MESSAGE_STATE:
		on_state(call, body);
		break;
	case MESSAGE_READY:
		call->worker_ready = true;
		call_advance(call);
		break;
	case MESSAGE_VOICE_FAILED:
		on_voice_failed(call, body);
		break;
	case MESSAGE_TOOL_REQUEST:
		if (on_tool_request(call, body) < 0)
			worker_kill(worker, SIGKILL);
		break;
	case MESSAGE_TOOL_CANCEL:
		if (tool_fan_on_cancel(call->env->tool_fan, call->id, body) < 0)
			worker_kill(worker, SIGKILL);
		break;
	case MESSAGE_CALL_ACTION:
		on_action(call, body);
		break;
	case MESSAGE_BYE:
		on_bye(call, body);
		break;
	default:
		break; /* hello again, heartbeat */
	}
}

/* Nobody is there any more who would hear the answers. */
static void
end_questions(struct call *call)
{
	tool_fan_end_call(call->env->tool_fan, call->id);
	call_access_end(call);
}

/* Until a successor has it. */
static void
keep_held(struct call *call, struct worker *worker)
{
	if (call->kept == 0)
		call->kept = worker_keep(worker);
}

static void
on_gone(struct worker *worker, const char *how, void *arg)
{
	struct call *call = arg;

	call->worker = NULL;
	call->worker_ready = false;
	call->synced = true; /* it will not say more */
	switch (call->state) {
	case CALL_NEW:
	case CALL_ASSIGNED:
	case CALL_MEDIA:
		if (!call->adopted) /* else a successor may ask again */
			end_questions(call);
		log_warn("call=%s worker lost before %s how=\"%s\"", call->id,
		    call->adopted ? "it told how far it is" : "the answer",
		    how);
		if (call->adopted) {
			call->lost_pid = worker_pid(worker);
			keep_held(call, worker);
			call_adopt_decide(call);
		} else if (call->attempts < CALL_ATTEMPTS_MAX) {
			call_set_state(call, CALL_NEW, "another worker");
			call_take_worker(call);
		} else {
			call_fallback(call, "no worker survives");
		}
		break;
	case CALL_TALKING:
		log_err("call=%s worker lost how=\"%s\"", call->id, how);
		call->lost_pid = worker_pid(worker);
		keep_held(call, worker);
		if (!call->adopted || call->listed)
			call_rescue(call);
		break; /* else the lists tell whether a person has him */
	case CALL_RESCUE:
		log_warn(
		    "call=%s worker lost before it had the call how=\"%s\"",
		    call->id, how);
		call_take_worker(call);
		break;
	case CALL_TRANSFERRED:
		call_record_keep(call, worker);
		call_record_end(call);
		break;
	case CALL_ENDING:
		call_record_keep(call, worker);
		call_check_ended(call);
		break;
	case CALL_ENDED:
		break;
	}
}

static void
own(struct call *call, struct worker *worker)
{
	const struct worker_owner owner = {
	    .on_message = on_message,
	    .on_gone = on_gone,
	    .arg = call,
	};

	call->worker = worker;
	call->worker_ready = false;
	worker_set_owner(worker, &owner);
}

/* -- giving it a call ------------------------------------------------------------ */

static const enum keeper_held held_as[CALL_FD_COUNT] = {
    [CALL_FD_RTP] = KEEPER_HELD_RTP,
    [CALL_FD_JOURNAL] = KEEPER_HELD_JOURNAL,
    [CALL_FD_PLAYOUT] = KEEPER_HELD_PLAYOUT,
    [CALL_FD_BRIEF] = KEEPER_HELD_BRIEF,
    [CALL_FD_UPLINK] = KEEPER_HELD_UPLINK,
};

static int
make_brief(const struct call *call, int *fd_out)
{
	const struct personas *personas = *call->env->personas;
	const char *why;
	const struct brief_request request = {
	    .config = call->env->config,
	    .persona =
		personas_choose(personas, call->persona, call->called, &why),
	    .notes = personas_notes(personas),
	    .tools = call->tools,
	    .caller = &call->number,
	    .caller_name = call->caller_name,
	    .dialled = call->called,
	    .customer = call_lookup_found(call_access_lookup(call)),
	    .now = clock_wall(),
	};

	return brief_build(&request, fd_out);
}

/* Fresh, also if a worker had the call that died before anybody heard it. */
static int
make_memory(struct call *call)
{
	int ret;

	call_close_fd(call, CALL_FD_JOURNAL);
	call_close_fd(call, CALL_FD_PLAYOUT);
	call_close_fd(call, CALL_FD_BRIEF);
	call_close_fd(call, CALL_FD_UPLINK);
	ret = journal_memfd_create(&call->fds[CALL_FD_JOURNAL]);
	if (ret == 0)
		ret = playout_memfd_create(&call->fds[CALL_FD_PLAYOUT]);
	if (ret == 0)
		ret = make_brief(call, &call->fds[CALL_FD_BRIEF]);
	if (ret == 0)
		ret = uplink_memory_create(&call->fds[CALL_FD_UPLINK]);
	return ret;
}

static cJSON *
assign_body(const struct call *call)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "call", call->id);
	json_add_string(body, "caller", call->number.text);
	json_add_string(body, "caller_name", call->caller_name);
	json_add_string(body, "caller_shown", call->caller_shown);
	json_add_string(body, "called", call->called);
	json_add_string(body, "codec", call->codec);
	json_add_string(body, "persona", call->persona);
	json_add_int(body, "resumes", call->resumes);
	json_add_int(body, "talking_ms",
	    call->talking_ms == 0
		? 0
		: (int64_t)(clock_now_ms() - call->talking_ms));
	json_add_string(body, "leaving", call->leaving);
	json_add_bool(body, "secret", call_access_is_secret(call));
	return body;
}

int
call_assign(struct call *call)
{
	for (int i = 0; i < CALL_FD_COUNT; i++)
		worker_hold(call->worker, held_as[i], call->id, call->fds[i]);
	return worker_send_fds(call->worker, MESSAGE_CALL_ASSIGN,
	    assign_body(call), call->fds, CALL_FD_COUNT);
}

static void
assign(struct call *call)
{
	int ret = make_memory(call);

	if (ret < 0) {
		shortage_met(call->env->shortages,
		    shortage_of(-ret, SHORTAGE_MEMORY), strerror(-ret));
		call_fallback(call, "no memory for a call");
		return;
	}
	call_record_begin(call);
	call_set_state(call, CALL_ASSIGNED, "worker found");
	/* One that was not told would only cost time: on_gone has another. */
	if (call_assign(call) < 0)
		worker_kill(call->worker, SIGKILL);
}

void
call_send_media(struct call *call)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "address", call->media_ip);
	json_add_int(body, "port", call->media_port);
	/* Without it nobody would ever be heard. */
	if (call_send(call, MESSAGE_MEDIA, body) < 0)
		worker_kill(call->worker, SIGKILL);
}

static void
on_worker(struct worker *worker, const char *why, void *arg)
{
	struct call *call = arg;

	call->request = NULL;
	if (worker == NULL) {
		call_rescue_fail(call, why);
		return;
	}
	own(call, worker);
	log_info(
	    "call=%s has worker pid=%d", call->id, (int)worker_pid(worker));
	if (call->state == CALL_RESCUE)
		call_rescue_go_on(call);
	else if (!call_lookup_is_looking(call_access_lookup(call)))
		assign(call);
}

void
call_lookup_over(struct call *call)
{
	if (call->state == CALL_NEW && call->worker != NULL)
		assign(call);
}

/* Who answers a call that nobody has heard yet. False: nobody can. */
static bool
choose_persona(struct call *call)
{
	const struct persona *persona;
	const char *why;

	persona = personas_choose(*call->env->personas,
	    call->persona[0] != '\0' ? call->persona : call->persona_asked,
	    call->called, &why);
	if (persona == NULL)
		return false;
	if (call->persona[0] == '\0')
		log_info(
		    "call=%s persona=%s (%s)", call->id, persona->name, why);
	snprintf(call->persona, sizeof(call->persona), "%s", persona->name);
	snprintf(call->model, sizeof(call->model), "%s",
	    brief_model(call->env->config, persona));
	return true;
}

void
call_take_worker(struct call *call)
{
	struct spares_request *request = NULL;

	/* A successor gets the brief that there is. */
	if (call->state != CALL_RESCUE && !choose_persona(call)) {
		call_fallback(call, "no persona");
		return;
	}
	call->attempts++;
	spares_take(call->env->spares, voice_model(call),
	    call->state == CALL_RESCUE, on_worker, call, &request);
	if (request != NULL)
		call->request = request;
}

void
call_release_worker(struct call *call, const char *reason)
{
	cJSON *body;

	spares_cancel(&call->request);
	end_questions(call);
	if (call->worker == NULL)
		return;
	body = cJSON_CreateObject();
	json_add_string(body, "reason", reason);
	json_add_bool(body, "farewell", false);
	call_send(call, MESSAGE_HANGUP, body);
}

/* -- after an earlier supervisor --------------------------------------------------- */

/*
 * What the dead one of a pair had stays if its successor has not all: then it
 * was not told of the call yet.
 */
static void
take_held(struct call *call, int held[KEEPER_HELD_COUNT])
{
	bool all = true;

	for (int i = 0; i < CALL_FD_COUNT; i++)
		all = all && held[held_as[i]] >= 0;
	for (int i = 0; i < CALL_FD_COUNT; i++) {
		if (!all && call->fds[i] >= 0)
			continue;
		call_close_fd(call, (enum call_fd)i);
		call->fds[i] = held[held_as[i]];
		held[held_as[i]] = -1;
	}
}

void
call_worker_adopt(struct call *call, const struct fleet_adopted *adopted)
{
	struct worker *worker = adopted->worker;

	take_held(call, adopted->held);
	call_record_begin(call);
	call->synced = worker == NULL;
	if (worker == NULL) {
		*adopted->keep = true;
		call->kept = adopted->child;
		log_warn(
		    "call=%s found again, worker lost meanwhile", call->id);
		return;
	}
	own(call, worker);
	log_info(
	    "call=%s found again pid=%d", call->id, (int)worker_pid(worker));
	if (call_send(call, MESSAGE_SYNC, NULL) < 0)
		worker_kill(worker, SIGKILL);
}

void
call_adopt_decide(struct call *call)
{
	if (!call->listed || !call->synced || call->state != CALL_NEW)
		return;
	/* Not answered yet: what was half made is made again. */
	if (call->worker != NULL) {
		worker_kill(call->worker, SIGKILL);
		return; /* on_gone comes back here */
	}
	if (call_rescue_can(call)) {
		call_rescue(call);
		return;
	}
	log_info("call=%s set up again", call->id);
	end_questions(call);
	call_rescue_over(call);
	call->adopted = false;
	ledger_remove(call->env->ledger, call->media_id);
	ledger_remove(call->env->ledger, call->bridge_id);
	call->media_id[0] = call->bridge_id[0] = '\0';
	call->media_port = 0;
	call->media_made_ms = 0;
	call->media_in_stasis = call->bridge_made = false;
	call->joining = call->joined = false;
	call_close_fd(call, CALL_FD_RTP);
	call_start(call);
}
