/* SPDX-License-Identifier: MIT */
/*
 * call_transfer.c – another telephone rings for the caller, and gets him.
 *
 * The leg is dialled into our own application, from which it reports only
 * when it was answered (measured on Asterisk 22). Until then caller and voice
 * go on as before. Then the leg goes into the bridge, the media channel out
 * of it and the worker home: nothing but the bridge holds the two together,
 * so that neither a supervisor's death nor the end of the service cuts them.
 *
 * Invariant: a call has at most one leg that counts, call->leg. A leg that
 * was given up is the ledger's to delete, and is kept only until Asterisk has
 * answered what was asked about it; its late events belong to nobody.
 */
#include "supervisor/call_transfer.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "supervisor/ledger.h"
#include "supervisor/tool_queue.h"
#include "supervisor/tools.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	PATH_MAX_LEN = 1024,
	ID_ESCAPED = 3 * ARI_ID_MAX,
	CLAIM_MS = 5000, /* for a leg of an earlier supervisor */
};

/* Q.850, as Asterisk's hangup causes number them. */
enum {
	CAUSE_UNKNOWN = 0, /* Asterisk's own: nothing was said */
	CAUSE_NORMAL = 16,
	CAUSE_BUSY = 17,
	CAUSE_NO_RESPONSE = 18,
	CAUSE_NO_ANSWER = 19,
	CAUSE_ABSENT = 20,
	CAUSE_REJECTED = 21,
};

/* -- legs ------------------------------------------------------------------- */

static struct call_leg *
leg_new(struct call *call, enum call_leg_state state)
{
	struct call_leg *leg = calloc(1, sizeof(*leg));

	if (leg == NULL)
		return NULL;
	leg->call = call;
	leg->state = state;
	leg->started_ms = clock_now_ms();
	LIST_INSERT_HEAD(&call->legs, leg, entry);
	call->leg = leg;
	return leg;
}

static void
leg_free(struct call_leg *leg)
{
	LIST_REMOVE(leg, entry);
	if (leg->timer != NULL)
		event_free(leg->timer);
	free(leg);
}

/* It counts no longer: Asterisk deletes it. */
static void
leg_give_up(struct call_leg *leg)
{
	struct call *call = leg->call;

	call->leg = NULL;
	ledger_remove(call->env->ledger, leg->id);
	if (leg->requests == 0)
		leg_free(leg);
	else if (leg->timer != NULL)
		event_del(leg->timer);
}

static void
log_outcome(const struct call_leg *leg, const char *outcome, const char *why)
{
	log_info("call=%s transfer to=%s endpoint=%s outcome=%s why=\"%s\" "
		 "after_ms=%llu",
	    leg->call->id, leg->to.name, leg->to.endpoint, outcome, why,
	    (unsigned long long)(clock_now_ms() - leg->started_ms));
}

/* It failed: the caller is still with the voice, who is told. */
static void
leg_failed(struct call_leg *leg, enum tool_status status, const char *why)
{
	struct call *call = leg->call;
	char job[TOOL_JOB_ID_SIZE];

	snprintf(job, sizeof(job), "%s", leg->job);
	log_outcome(leg, tool_status_name(status), why);
	leg_give_up(leg);
	tool_queue_on_local(call->env->tool_queue, job, status, why);
}

/*
 * There is no way to the person. Who pressed 0 would only be told so again
 * each time: the dialplan's people have him, if it has any.
 */
static void
leg_unknown(struct call_leg *leg, const char *why)
{
	struct call *call = leg->call;

	if (strcmp(leg->job, call->person_job) != 0 || leg->job[0] == '\0' ||
	    call->env->config->fallback_context[0] == '\0') {
		leg_failed(leg, TOOL_STATUS_UNKNOWN, why);
		return;
	}
	log_outcome(leg, "unknown", why);
	leg_give_up(leg);
	call_fallback(call, "the caller wants a person");
}

static int
leg_ari(
    struct call_leg *leg, ari_response_fn *fn, cJSON *body, const char *path)
{
	struct call *call = leg->call;
	int ret =
	    ari_request(call->env->ari, fn, leg, "POST", body, "%s", path);

	if (ret == 0) {
		leg->requests++;
		call->requests++;
	}
	return ret;
}

/* Every answer begins with it: whether LEG, which it may free, counts. */
static bool
leg_answered(struct call_leg *leg)
{
	struct call *call = leg->call;
	bool counts = call->leg == leg;

	leg->requests--;
	if (!counts && leg->requests == 0)
		leg_free(leg);
	call_answered(call);
	return counts && call->leg == leg;
}

/* -- connecting -------------------------------------------------------------- */

/* Caller and person have each other. */
static void
connected(struct call *call, const char *why)
{
	ledger_remove(call->env->ledger, call->media_id);
	call_set_state(call, CALL_TRANSFERRED, why);
	call_release_worker(call, "transferred");
	call_close_fd(call, CALL_FD_RTP);
}

static void
on_joined(const struct ari_response *response, void *arg)
{
	struct call_leg *leg = arg;
	struct call *call = leg->call;

	if (!leg_answered(leg))
		return;
	if (response->status / 100 != 2) {
		/* 400, 404, 422: hung up between its answer and ours. */
		leg_failed(leg,
		    response->status / 100 == 4 ? TOOL_STATUS_REFUSED
						: TOOL_STATUS_UNKNOWN,
		    "answered, but could not be connected");
		return;
	}
	leg->state = CALL_LEG_JOINED;
	log_outcome(leg, "answered", "connected");
	tool_queue_on_local(
	    call->env->tool_queue, leg->job, TOOL_STATUS_OK, "connected");
	connected(call, "a person answered");
}

static int
join(struct call_leg *leg)
{
	char path[PATH_MAX_LEN], bridge[ID_ESCAPED], id[ID_ESCAPED];

	leg->state = CALL_LEG_JOINING;
	snprintf(path, sizeof(path), "bridges/%s/addChannel?channel=%s",
	    ari_escape(leg->call->bridge_id, bridge, sizeof(bridge)),
	    ari_escape(leg->id, id, sizeof(id)));
	return leg_ari(leg, on_joined, NULL, path);
}

/* Somebody picked up. What nobody has asked for yet waits for that. */
static void
on_picked_up(struct call_leg *leg)
{
	if (leg->state != CALL_LEG_RINGING)
		return;
	leg->state = CALL_LEG_ANSWERED;
	if (leg->job[0] != '\0' && join(leg) < 0)
		leg_failed(
		    leg, TOOL_STATUS_UNKNOWN, "Asterisk cannot be asked");
}

/* -- how it ended -------------------------------------------------------------- */

/*
 * A telephone's refusal comes as a cause. A dialplan that only falls through
 * behind Dial() gives none, but the status of the dialling; where not even
 * that came there was no such extension.
 */
static enum tool_status
outcome(const struct call_leg *leg, int64_t cause)
{
	switch (cause) {
	case CAUSE_BUSY:
		return TOOL_STATUS_BUSY;
	case CAUSE_NO_RESPONSE:
	case CAUSE_NO_ANSWER:
	case CAUSE_ABSENT:
		return TOOL_STATUS_NO_ANSWER;
	case CAUSE_REJECTED:
		return TOOL_STATUS_REFUSED;
	case CAUSE_UNKNOWN:
	case CAUSE_NORMAL:
		break;
	default:
		return TOOL_STATUS_UNKNOWN;
	}
	if (strcmp(leg->dial_status, "BUSY") == 0)
		return TOOL_STATUS_BUSY;
	return leg->rang && strcmp(leg->dial_status, "CONGESTION") != 0
		   ? TOOL_STATUS_NO_ANSWER
		   : TOOL_STATUS_UNKNOWN;
}

static void
on_leg_gone(struct call_leg *leg, int64_t cause)
{
	struct call *call = leg->call;
	enum tool_status status;
	char why[64];

	if (leg->state == CALL_LEG_JOINED) {
		leg_give_up(leg);
		call_hangup(call, "the person hung up");
	} else if (leg->state == CALL_LEG_ANSWERED ||
		   leg->state == CALL_LEG_JOINING) {
		leg_failed(leg, TOOL_STATUS_REFUSED, "hung up at once");
	} else {
		status = outcome(leg, cause);
		snprintf(why, sizeof(why), "cause %d %s", (int)cause,
		    leg->dial_status);
		if (status == TOOL_STATUS_UNKNOWN)
			leg_unknown(leg, why);
		else
			leg_failed(leg, status, why);
	}
}

static const char *
subject(const cJSON *event)
{
	const cJSON *channel = json_object(event, "channel");

	/* Dial has whom it dials in "peer". */
	return json_string(
	    channel != NULL ? channel : json_object(event, "peer"), "id");
}

bool
call_transfer_event(struct call *call, const char *type, const cJSON *event)
{
	const cJSON *channel = json_object(event, "channel");
	struct call_leg *leg = call->leg;

	if (leg == NULL || leg->id[0] == '\0' ||
	    strcmp(subject(event), leg->id) != 0)
		return false;
	if (strcmp(type, "Dial") == 0) {
		snprintf(leg->dial_status, sizeof(leg->dial_status), "%s",
		    json_string(event, "dialstatus"));
		leg->rang |= strcmp(leg->dial_status, "RINGING") == 0;
	} else if (strcmp(type, "ChannelStateChange") == 0) {
		leg->rang |=
		    strcmp(json_string(channel, "state"), "Ringing") == 0;
	} else if (strcmp(type, "StasisStart") == 0) {
		on_picked_up(leg);
	} else if (strcmp(type, "ChannelDestroyed") == 0) {
		ledger_gone(call->env->ledger, leg->id);
		on_leg_gone(leg, json_int(event, "cause", CAUSE_UNKNOWN));
	} else if (strcmp(type, "StasisEnd") == 0) {
		on_leg_gone(leg, CAUSE_NORMAL);
	}
	return true;
}

/* -- dialling ------------------------------------------------------------------- */

static void
on_dialled(const struct ari_response *response, void *arg)
{
	struct call_leg *leg = arg;

	ledger_made(leg->call->env->ledger, leg->id);
	if (!leg_answered(leg))
		return;
	leg->made_ms = clock_now_ms();
	/*
	 * 409: it is dialled already, since an answer was lost and curl asked
	 * again. What rings or was picked up is dialled, too.
	 */
	if (response->status / 100 == 2 || response->status == 409 ||
	    leg->state != CALL_LEG_RINGING || leg->rang)
		return;
	if (response->status == 0) /* nor could it send him elsewhere */
		leg_failed(leg, TOOL_STATUS_UNKNOWN, "no answer of Asterisk");
	else
		leg_unknown(leg, "Asterisk cannot dial it");
}

/* "Ana <3001234655>": what the other telephone shows. */
static void
add_caller_id(cJSON *body, const struct call *call)
{
	char name[CALL_TEXT_MAX], text[2 * CALL_TEXT_MAX];
	size_t len = 0;

	if (call->number.text[0] == '\0')
		return;
	for (const char *c = call->caller_name; *c != '\0'; c++) {
		if ((unsigned char)*c >= ' ' && strchr("\"<>\\", *c) == NULL)
			name[len++] = *c;
	}
	name[len] = '\0';
	snprintf(text, sizeof(text), "\"%s\" <%s>", name, call->number.text);
	json_add_string(body, "callerId", text);
}

static int
dial(struct call_leg *leg)
{
	struct call *call = leg->call;
	cJSON *variables = cJSON_CreateObject();
	cJSON *body = cJSON_CreateObject();
	int ret;

	ret = ledger_add(call->env->ledger, LEDGER_LEG, call->id, leg->id);
	if (ret < 0) {
		cJSON_Delete(variables);
		cJSON_Delete(body);
		return ret;
	}
	/* __: Local channels and those that they dial inherit it. */
	json_add_string(variables, "__TELEFONISTA_CALL", call->id);
	json_add_string(body, "endpoint", leg->to.endpoint);
	json_add_string(body, "app", call->env->config->ari_app);
	json_add_string(body, "channelId", leg->id);
	json_add_string(body, "originator", call->id);
	json_add_int(body, "timeout", leg->to.ring_s);
	add_caller_id(body, call);
	json_add(body, "variables", variables);
	leg->state = CALL_LEG_RINGING;
	ret = leg_ari(leg, on_dialled, body, "channels");
	if (ret < 0)
		ledger_gone(call->env->ledger, leg->id);
	else
		log_info("call=%s transfer begins to=%s endpoint=%s ring_s=%u",
		    call->id, leg->to.name, leg->to.endpoint, leg->to.ring_s);
	return ret;
}

/* -- what a tool asks for ---------------------------------------------------------- */

/* Why no transfer can begin now, for the model; NULL if one can. */
static const char *
obstacle(const struct call *call)
{
	if (call->state != CALL_TALKING || call->farewell)
		return "The caller cannot be connected any more: the call is "
		       "ending.";
	if (call->leg != NULL && call->leg->job[0] != '\0')
		return "Nothing was done: the caller is being connected "
		       "already, it is ringing. Wait for the outcome, or "
		       "withdraw it first.";
	return NULL;
}

/* The name belongs to settings that may go before the leg. */
static void
ask_for(
    struct call_leg *leg, const char *job, const struct call_destination *to)
{
	snprintf(leg->job, sizeof(leg->job), "%s", job);
	snprintf(leg->name, sizeof(leg->name), "%s", to->name);
	leg->to = *to;
	leg->to.name = leg->name;
}

/* A leg that an earlier supervisor dialled is what JOB is about. */
static int
claim(struct call_leg *leg, const char *job, const struct call_destination *to)
{
	log_info("call=%s transfer goes on to=%s", leg->call->id, to->name);
	ask_for(leg, job, to);
	if (leg->timer != NULL)
		event_del(leg->timer);
	return leg->state == CALL_LEG_ANSWERED ? join(leg) : 0;
}

enum tool_status
call_transfer(struct call *call, const char *job, const cJSON *settings,
    const cJSON *arguments, char *detail, size_t size)
{
	const char *why_not = obstacle(call);
	char why[CALL_TOOL_WHY_SIZE];
	struct call_destination to;
	struct call_leg *leg = call->leg;
	int ret = 0;

	if (why_not == NULL &&
	    call_tool_destination(settings, arguments, &to, why) < 0)
		why_not = why;
	if (why_not != NULL) {
		snprintf(detail, size, "%s", why_not);
		return TOOL_STATUS_INVALID_ARGUMENTS;
	}
	if (leg != NULL) {
		ret = claim(leg, job, &to);
	} else {
		leg = leg_new(call, CALL_LEG_WAITING);
		if (leg == NULL)
			return TOOL_STATUS_INTERNAL;
		ask_for(leg, job, &to);
		/* A predecessor may have begun it: the lists will tell. */
		if (!call->adopted || call->listed)
			ret = dial(leg);
	}
	if (ret == 0)
		return TOOL_STATUS_OK;
	leg_give_up(leg);
	return TOOL_STATUS_INTERNAL;
}

void
call_transfer_cancel(struct call *call, const char *job)
{
	struct call_leg *leg = call->leg;

	if (leg == NULL || leg->state == CALL_LEG_JOINED ||
	    strcmp(leg->job, job) != 0)
		return;
	log_outcome(leg, "cancelled", "nobody waits for it");
	leg_give_up(leg);
}

void
call_transfer_end(struct call *call)
{
	struct call_leg *leg = call->leg;

	if (leg == NULL)
		return;
	if (leg->state != CALL_LEG_JOINED)
		log_outcome(leg, "cancelled", call->why);
	leg_give_up(leg);
}

/* -- a caller who wants a person ------------------------------------------------------ */

/* A transfer with that destination, and what to ask it; NULL: there is none. */
static cJSON *
person_request(const struct call *call, const char *id)
{
	const char *wanted = call->env->config->person_destination;

	for (size_t i = 0; i < tools_count(call->tools); i++) {
		const struct tool *tool = tools_at(call->tools, i);
		cJSON *arguments = NULL, *body;
		char *text;

		if (strcmp(tool->action, "transfer") == 0)
			arguments = call_tool_arguments(tool->settings, wanted);
		if (arguments == NULL)
			continue;
		text = cJSON_PrintUnformatted(arguments);
		body = cJSON_CreateObject();
		json_add_string(body, "id", id);
		json_add_string(body, "name", tool->name);
		json_add_string(body, "arguments", text != NULL ? text : "");
		cJSON_Delete(arguments);
		free(text);
		return body;
	}
	return NULL;
}

static void
answer_unknown(struct call *call, const char *id)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "id", id);
	json_add_string(body, "status", tool_status_name(TOOL_STATUS_UNKNOWN));
	json_add_string(body, "output", "");
	call_send(call, MESSAGE_TOOL_RESULT, body);
}

int
call_wants_person(struct call *call, const cJSON *body)
{
	const struct config *config = call->env->config;
	const char *id = json_string(body, "id");
	cJSON *request = person_request(call, id);
	int ret = 0;

	log_info("call=%s wants a person id=%s reason=%.64s", call->id, id,
	    json_string(body, "reason"));
	if (request != NULL) {
		tool_job_make_id(
		    call->person_job, sizeof(call->person_job), call->id, id);
		ret = tool_queue_on_request(
		    call->env->tool_queue, call->id, request);
	} else if (config->fallback_context[0] != '\0') {
		call_fallback(call, "the caller wants a person");
	} else {
		log_warn("call=%s no person can be reached: no transfer has "
			 "the destination %s, and FALLBACK_CONTEXT is not set",
		    call->id, config->person_destination);
		answer_unknown(call, id);
	}
	cJSON_Delete(request);
	return ret;
}

/* -- what Asterisk has ------------------------------------------------------------------ */

static bool
holds(const cJSON *bridge, const char *channel)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, json_array(bridge, "channels")) {
		if (cJSON_IsString(item) &&
		    strcmp(item->valuestring, channel) == 0)
			return true;
	}
	return false;
}

/*
 * A thing of ours, of that KIND, made for CALL; of several the one that is in
 * BRIDGE, for the others were given up. NULL: there is none.
 */
static const cJSON *
find_made(const struct ledger *ledger, enum ledger_kind kind, const cJSON *list,
    const cJSON *bridge, const char *call)
{
	const cJSON *item, *found = NULL;

	cJSON_ArrayForEach(item, list) {
		const char *id = json_string(item, "id");

		if (!ledger_belongs(ledger, kind, id, call) ||
		    strchr(id, ';') != NULL)
			continue;
		if (holds(bridge, id))
			return item;
		if (found == NULL)
			found = item;
	}
	return found;
}

static void
on_claim_timer(evutil_socket_t fd, short what, void *arg)
{
	struct call_leg *leg = arg;

	(void)fd;
	(void)what;
	log_outcome(leg, "cancelled", "nobody asked for it");
	leg_give_up(leg);
}

/* A leg of an earlier supervisor, for which nobody has asked so far. */
static int
wait_for_claim(struct call_leg *leg)
{
	static const struct timeval wait = {.tv_sec = CLAIM_MS / 1000};

	leg->timer =
	    event_new(leg->call->env->base, -1, 0, on_claim_timer, leg);
	if (leg->timer == NULL || event_add(leg->timer, &wait) < 0)
		return -1;
	return 0;
}

/* LISTED is a leg that an earlier supervisor dialled for CALL. */
static void
adopt_leg(struct call *call, const cJSON *listed, const cJSON *bridges)
{
	const char *id = json_string(listed, "id");
	struct call_leg *leg = call->leg;
	const cJSON *bridge;

	if (leg == NULL)
		leg = leg_new(call, CALL_LEG_WAITING);
	if (leg == NULL ||
	    ledger_adopt(call->env->ledger, LEDGER_LEG, id) < 0) {
		log_err("alarm=memory call=%s a transfer cannot go on",
		    call->id); /* and the ledger deletes the leg */
		if (leg != NULL && leg->job[0] != '\0')
			leg_failed(leg, TOOL_STATUS_INTERNAL, "no memory");
		else if (leg != NULL)
			leg_give_up(leg);
		return;
	}
	snprintf(leg->id, sizeof(leg->id), "%s", id);
	leg->made_ms = clock_now_ms();
	leg->state = CALL_LEG_RINGING;
	leg->rang = true;
	if (leg->to.name == NULL)
		leg->to.name = leg->name;
	bridge = call_find_listed(bridges, call->bridge_id);
	if (holds(bridge, id) && holds(bridge, call->id)) {
		leg->state = CALL_LEG_JOINED;
		tool_queue_on_local(call->env->tool_queue, leg->job,
		    TOOL_STATUS_OK, "connected");
		connected(call, "goes on with a person");
		return;
	}
	if (leg->job[0] == '\0' && wait_for_claim(leg) < 0)
		leg_give_up(leg);
	else if (call_is_in_stasis(listed))
		on_picked_up(leg);
}

void
call_transfer_adopt(
    struct call *call, const cJSON *channels, const cJSON *bridges)
{
	const cJSON *listed;

	if (call->state >= CALL_ENDING)
		return; /* the ledger deletes what is listed */
	listed = find_made(call->env->ledger, LEDGER_LEG, channels,
	    call_find_listed(bridges, call->bridge_id), call->id);
	if (listed != NULL)
		adopt_leg(call, listed, bridges);
	else if (call->leg != NULL && dial(call->leg) < 0)
		leg_failed(
		    call->leg, TOOL_STATUS_INTERNAL, "cannot be dialled");
}

void
call_transfer_on_snapshot(
    struct call *call, uint64_t asked_ms, const cJSON *channels)
{
	struct call_leg *leg = call->leg;
	const cJSON *listed;

	if (leg == NULL || leg->made_ms == 0 || leg->made_ms >= asked_ms)
		return; /* the list may be older */
	listed = call_find_listed(channels, leg->id);
	if (listed != NULL) {
		if (call_is_in_stasis(listed))
			on_picked_up(leg);
		return;
	}
	ledger_gone(call->env->ledger, leg->id);
	if (leg->state == CALL_LEG_RINGING)
		leg_unknown(leg, "gone meanwhile");
	else
		on_leg_gone(leg, CAUSE_UNKNOWN);
}

int
call_adopt_transferred(struct call **call_out, const struct call_env *env,
    const cJSON *channel, const cJSON *channels, const cJSON *bridges)
{
	const char *id = json_string(channel, "id");
	const cJSON *bridge =
	    find_made(env->ledger, LEDGER_BRIDGE, bridges, NULL, id);
	const cJSON *leg =
	    find_made(env->ledger, LEDGER_LEG, channels, bridge, id);
	const cJSON *media =
	    find_made(env->ledger, LEDGER_CHANNEL, channels, bridge, id);
	struct call *call;
	int ret;

	/* The voice's channel may have been about to go. */
	if (!holds(bridge, id) ||
	    (leg != NULL ? !holds(bridge, json_string(leg, "id"))
			 : media != NULL))
		return -ENOENT; /* was with a voice, not with a person */
	ret = call_new(&call, env, channel, NULL);
	if (ret < 0)
		return ret;
	snprintf(call->bridge_id, sizeof(call->bridge_id), "%s",
	    json_string(bridge, "id"));
	ret = ledger_adopt(env->ledger, LEDGER_BRIDGE, call->bridge_id);
	if (leg != NULL && ret == 0)
		adopt_leg(call, leg, bridges);
	if (call->state != CALL_TRANSFERRED)
		call_hangup(call, "the person hung up meanwhile");
	*call_out = call;
	return 0;
}

void
call_transfer_free(struct call *call)
{
	while (!LIST_EMPTY(&call->legs))
		leg_free(LIST_FIRST(&call->legs));
	call->leg = NULL;
}
