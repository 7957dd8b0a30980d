/* SPDX-License-Identifier: MIT */
/*
 * conversation_control.c – what is done to the call itself: the voice hangs
 * up once its goodbye was heard, it withdraws what runs, the caller gets a
 * person.
 *
 * Invariants: the caller who speaks or dials before the end keeps the call;
 * whoever asks for a person (key 0, or the persona's words) gets the request
 * made without the model, once; no call of the model is left without its one
 * answer, and nothing is said about one that was withdrawn.
 */
#include "callworker/conversation_impl.h"
#include "callworker/person_phrase.h"
#include "common/fault_point.h"
#include "common/json.h"
#include "common/utf8.h"

#include <stdio.h>
#include <string.h>

enum {
	NAMES_SIZE = 256, /* of the tools that were withdrawn */
};

static bool
is_action(const struct brief_tool *tool, const char *action)
{
	return tool != NULL && strcmp(tool->action, action) == 0;
}

static void
refuse(
    struct conversation *c, const char *id, const char *name, const char *why)
{
	log_info("tool not done name=%s id=%s (%s)", name, id, why);
	conversation_answer_tool(c, id, name, 0, TOOL_STATUS_CANCELLED, why);
}

/* ---- a person: the request --------------------------------------------- */

static const struct tool_call *
find_person(const struct conversation *c)
{
	for (unsigned i = 0; i < c->tools.count; i++) {
		if (c->tools.list[i].own)
			return &c->tools.list[i];
	}
	return NULL;
}

/* A transfer that the model asked for. */
static const struct tool_call *
find_transfer(const struct conversation *c)
{
	for (unsigned i = 0; i < c->tools.count; i++) {
		const struct tool_call *call = &c->tools.list[i];

		if (!call->own &&
		    is_action(brief_find_tool(c->config.brief, call->name),
			"transfer"))
			return call;
	}
	return NULL;
}

bool
conversation_control_rings(const struct conversation *c)
{
	return find_person(c) != NULL || find_transfer(c) != NULL;
}

static void
record_person(struct conversation *c, const char *id, const char *member,
    const char *value)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "what", "person");
	json_add_string(body, "id", id);
	json_add_string(body, member, value);
	conversation_record(c, JOURNAL_NOTE, body);
}

/* The voice, the model in it, could not be made to say TEXT word by word. */
static void
tell_voice(struct conversation *c, const char *text)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "what", "told");
	json_add_string(body, "text", text);
	conversation_record(c, JOURNAL_NOTE, body);
	if (voice_add_text(c->config.voice, text) == 0)
		conversation_want_prompt(c, "");
}

/* There is none: said as soon as nobody speaks. */
static void
person_missing(struct conversation *c)
{
	c->control.due = CONVERSATION_DUE_NO_PERSON;
}

static int
add_person_call(struct conversation *c, const char *reason)
{
	char id[VOICE_ID_SIZE];

	snprintf(id, sizeof(id), "person-%u", ++c->control.persons);
	return tool_calls_add_own(
	    &c->tools, id, "person", reason, CONVERSATION_PERSON_MS, c->now_ms);
}

static void
withdraw_hang_up(struct conversation *c, const char *why)
{
	struct conversation_control *control = &c->control;
	char id[VOICE_ID_SIZE];

	if (control->hangup_id[0] == '\0')
		return;
	memcpy(id, control->hangup_id, sizeof(id));
	control->hangup_id[0] = '\0';
	refuse(c, id, control->hangup_name, why);
}

void
conversation_want_person(struct conversation *c, const char *reason)
{
	int ret;

	if (c->phase != CONVERSATION_RUNNING)
		return;
	log_info("the caller wants a person reason=\"%s\"%s", reason,
	    conversation_control_rings(c) ? ": one is being called" : "");
	c->control.person_turn = true;
	withdraw_hang_up(c, "The caller wants a person: the call goes on.");
	if (conversation_control_rings(c))
		return;
	ret = add_person_call(c, reason);
	if (ret == 0) {
		const struct tool_call *call = find_person(c);

		record_person(c, call->id, "reason", reason);
		CONVERSATION_PORT(c, request_person, call);
		c->config.ports->changed(c->config.arg);
		c->control.due = CONVERSATION_DUE_PERSON_WAIT;
	} else {
		log_err("a person cannot be asked for: %s", strerror(-ret));
		person_missing(c);
	}
	if (c->caller_talking)
		return; /* said later: nobody talks into the caller's words */
	conversation_interrupt(c, "the caller wants a person");
	conversation_stop_voice(c);
	c->awaiting = false;
	if (!c->resume.voiceless) /* else the next one says it */
		conversation_control_say_due(c);
}

void
conversation_control_heard(struct conversation *c, const char *transcript)
{
	const char *phrase;

	switch (person_phrase_find(
	    c->config.brief->person_phrases, transcript, &phrase)) {
	case PERSON_PHRASE_NONE:
		break;
	case PERSON_PHRASE_WANTED:
		log_debug("phrase of a persona phrase=\"%s\"", phrase);
		conversation_want_person(c, "words");
		break;
	case PERSON_PHRASE_EXCEPTED:
		/* Whether a wish is taken back is for the voice to say. */
		log_debug("exception of a persona phrase=\"%s\"", phrase);
		break;
	}
}

/* ---- a person: the outcome --------------------------------------------- */

void
conversation_control_person_over(struct conversation *c,
    const struct tool_call *call, enum tool_status status, const char *text)
{
	char told[TOOL_OUTPUT_MAX + 64];

	log_info("person %s id=%s status=%s elapsed_ms=%llu",
	    status == TOOL_STATUS_OK          ? "answers"
	    : status == TOOL_STATUS_CANCELLED ? "not wanted any more"
					      : "not reached",
	    call->id, tool_status_name(status),
	    (unsigned long long)(c->now_ms - call->since_ms));
	record_person(c, call->id, "status", tool_status_name(status));
	c->control.due = CONVERSATION_DUE_NOTHING;
	/* Who has somebody to talk with is let go by the supervisor. */
	if (status == TOOL_STATUS_OK || status == TOOL_STATUS_CANCELLED)
		return;
	if (text[0] == '\0') {
		person_missing(c);
		return;
	}
	snprintf(told, sizeof(told), CONVERSATION_PERSON_TEXT, text);
	told[utf8_cut(told, strlen(told), TOOL_OUTPUT_MAX)] = '\0';
	tell_voice(c, told);
}

void
conversation_control_say_due(struct conversation *c)
{
	enum conversation_due due = c->control.due;

	c->control.due = CONVERSATION_DUE_NOTHING;
	switch (due) {
	case CONVERSATION_DUE_NOTHING:
		break;
	case CONVERSATION_DUE_PERSON_WAIT:
		conversation_say(
		    c, BRIEF_PHRASE_PERSON_WAIT, CONVERSATION_TAG_PERSON_WAIT);
		break;
	case CONVERSATION_DUE_NO_PERSON:
		if (conversation_say(
			c, BRIEF_PHRASE_NO_PERSON, CONVERSATION_TAG_NO_PERSON))
			conversation_await(c);
		else
			tell_voice(c, CONVERSATION_NO_PERSON_TEXT);
		break;
	}
}

void
conversation_control_unsaid(struct conversation *c, int tag)
{
	if (tag == CONVERSATION_TAG_NO_PERSON &&
	    c->phase == CONVERSATION_RUNNING)
		person_missing(c);
}

void
conversation_control_say_again(struct conversation *c, unsigned tags)
{
	if ((tags >> CONVERSATION_TAG_NO_PERSON & 1) != 0)
		conversation_control_unsaid(c, CONVERSATION_TAG_NO_PERSON);
	else if ((tags >> CONVERSATION_TAG_PERSON_WAIT & 1) != 0 &&
		 find_person(c) != NULL)
		c->control.due = CONVERSATION_DUE_PERSON_WAIT;
}

/* ---- withdrawing -------------------------------------------------------- */

/* Nobody wants the call ID any more. */
static void
withdraw(struct conversation *c, const char *id, const char *why)
{
	struct tool_call call;

	if (!tool_calls_take(&c->tools, id, &call))
		return;
	log_info("tool withdrawn name=%s id=%s (%s)", call.name, call.id, why);
	if (call.own)
		conversation_control_person_over(
		    c, &call, TOOL_STATUS_CANCELLED, "");
	else
		conversation_answer_tool(c, call.id, call.name,
		    c->now_ms - call.since_ms, TOOL_STATUS_CANCELLED,
		    "Withdrawn by the caller: do not speak of it.");
	/* On record before: a successor must not ask for it again. */
	CONVERSATION_PORT(c, cancel_tool, call.id);
	tool_call_clear(&call);
	conversation_tool_gone(c);
}

/* Whether CALL is what the model means by NAME; "" is everything. */
static bool
is_meant(const struct conversation *c, const struct tool_call *call,
    const char *name)
{
	if (name[0] == '\0' || strcmp(call->name, name) == 0)
		return true;
	/* It does not know that the call to a person is another's. */
	return call->own &&
	       is_action(brief_find_tool(c->config.brief, name), "transfer");
}

/* The names of what was withdrawn, in NAMES. */
static unsigned
withdraw_all(struct conversation *c, const char *name, char *names, size_t size)
{
	unsigned count = 0;

	names[0] = '\0';
	for (unsigned i = c->tools.count; i > 0; i--) {
		const struct tool_call *call = &c->tools.list[i - 1];
		size_t len = strlen(names);

		if (!is_meant(c, call, name))
			continue;
		snprintf(names + len, size - len, "%s%s", len > 0 ? ", " : "",
		    call->name);
		withdraw(c, call->id, "the voice");
		count++;
	}
	return count;
}

static void
cancel(struct conversation *c, const char *id, const char *tool,
    const char *arguments)
{
	cJSON *json = json_parse(arguments, strlen(arguments));
	const char *name = json_string(json, "tool");
	char names[NAMES_SIZE];
	char text[NAMES_SIZE + 160];

	if (withdraw_all(c, name, names, sizeof(names)) > 0)
		snprintf(text, sizeof(text),
		    "Withdrawn: %s. Do not speak of it, nor of a result of it "
		    "that the caller has not heard.",
		    names);
	else
		snprintf(text, sizeof(text),
		    "Nothing was running. Do not speak of a result that the "
		    "caller has withdrawn and not heard.");
	/* A result that came meanwhile is not wanted either. */
	if (name[0] == '\0' || strcmp(name, c->prompt_tool) == 0)
		c->prompt_due = false;
	cJSON_Delete(json);
	conversation_answer_tool(c, id, tool, 0, TOOL_STATUS_OK, text);
	c->control.cancelled = true;
}

/* ---- hanging up --------------------------------------------------------- */

bool
conversation_control_hangs_up(const struct conversation *c)
{
	return c->control.hangup_id[0] != '\0';
}

/* Why the voice may not hang up now, or NULL. */
static const char *
objection(const struct conversation *c)
{
	if (c->caller_talking || c->dtmf.count > 0)
		return "The caller acts again: the call goes on.";
	if (c->control.person_turn && conversation_control_rings(c))
		return "The caller is being connected to a person: the call "
		       "goes on.";
	/* It has decided without knowing the answer. */
	if (c->prompt_due && voice_has_news(c->config.voice))
		return "An answer has arrived that the caller has not heard. "
		       "Tell it, then end the call.";
	return NULL;
}

void
conversation_control_say_goodbye(struct conversation *c)
{
	if (conversation_control_hangs_up(c) && !c->heard_since_turn &&
	    !c->resume.voiceless)
		conversation_say(
		    c, BRIEF_PHRASE_GOODBYE, CONVERSATION_TAG_FAREWELL);
}

static void
want_hang_up(struct conversation *c, const char *id, const char *name)
{
	struct conversation_control *control = &c->control;
	const struct tool_call *call;
	const char *why;

	if (conversation_control_hangs_up(c)) {
		if (strcmp(id, control->hangup_id) != 0)
			refuse(c, id, name, "The call is being ended.");
		return;
	}
	why = objection(c);
	if (why != NULL) {
		refuse(c, id, name, why);
		return;
	}
	log_info("the voice hangs up once it was heard id=%s goodbye=%s", id,
	    c->heard_since_turn ? "its own" : "ours");
	snprintf(control->hangup_id, sizeof(control->hangup_id), "%s", id);
	snprintf(
	    control->hangup_name, sizeof(control->hangup_name), "%s", name);
	FAULT_POINT("hang_up");
	control->hangup_ms = c->now_ms;
	c->prompt_due = false;
	/* Nobody must answer while the voice says goodbye. */
	while ((call = find_person(c)) != NULL ||
	       (call = find_transfer(c)) != NULL)
		withdraw(c, call->id, "hanging up");
	control->due = CONVERSATION_DUE_NOTHING;
	conversation_control_say_goodbye(c);
}

void
conversation_control_hangs_up_still(
    struct conversation *c, const char *id, const char *name)
{
	struct conversation_control *control = &c->control;

	log_info("the voice hangs up still id=%s", id);
	snprintf(control->hangup_id, sizeof(control->hangup_id), "%s", id);
	snprintf(
	    control->hangup_name, sizeof(control->hangup_name), "%s", name);
	control->hangup_ms = c->now_ms;
	conversation_control_say_goodbye(c);
}

bool
conversation_control_all_heard(const struct conversation *c)
{
	return !conversation_is_heard(c) && !conversation_voice_is_busy(c);
}

static void
watch_hang_up(struct conversation *c)
{
	struct conversation_control *control = &c->control;
	bool all_heard = conversation_control_all_heard(c);
	uint64_t sound_ms = c->layers.voice_ms; /* the last one */
	char id[VOICE_ID_SIZE];

	if (!conversation_control_hangs_up(c) || !c->media_up ||
	    conversation_is_heard(c))
		return;
	if (sound_ms < control->hangup_ms)
		sound_ms = control->hangup_ms;
	if (c->now_ms - sound_ms <
	    (all_heard ? CONVERSATION_LINGER_MS : CONVERSATION_QUIET_MS))
		return;
	if (!all_heard)
		log_warn("the voice does not say its goodbye: hanging up");
	memcpy(id, control->hangup_id, sizeof(id));
	control->hangup_id[0] = '\0';
	conversation_answer_tool(c, id, control->hangup_name,
	    c->now_ms - control->hangup_ms, TOOL_STATUS_OK,
	    "The call is over.");
	conversation_hang_up(c, "voice");
}

/* ---- what happens ------------------------------------------------------- */

bool
conversation_control_call(struct conversation *c, const struct brief_tool *tool,
    const char *id, const char *arguments)
{
	if (is_action(tool, "hangup")) {
		want_hang_up(c, id, tool->name);
		return true;
	}
	if (is_action(tool, "cancel")) {
		cancel(c, id, tool->name, arguments);
		return true;
	}
	if (!is_action(tool, "transfer"))
		return false;
	withdraw_hang_up(c, "The caller is being transferred instead.");
	if (!conversation_control_rings(c)) {
		c->control.person_turn = true;
		return false;
	}
	refuse(c, id, tool->name,
	    "Somebody is being called for the caller already. Do not speak of "
	    "it.");
	return true;
}

void
conversation_control_caller_acts(struct conversation *c)
{
	c->control.person_turn = false;
	c->control.cancelled = false;
	withdraw_hang_up(
	    c, "The caller spoke or dialled before the end: the call goes on.");
}

void
conversation_control_tick(struct conversation *c)
{
	struct conversation_control *control = &c->control;

	if (control->due != CONVERSATION_DUE_NOTHING && !c->caller_talking &&
	    !c->awaiting && conversation_control_all_heard(c))
		conversation_control_say_due(c);
	/* A model that withdrew without a word should say one. */
	if (control->cancelled && !c->heard_since_turn &&
	    !conversation_control_hangs_up(c))
		conversation_want_prompt(c, "");
	control->cancelled = false;
	watch_hang_up(c);
}
