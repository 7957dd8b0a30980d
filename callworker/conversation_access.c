/* SPDX-License-Identifier: MIT */
/*
 * conversation_access.c – what a call must not say aloud, and what it must
 * not do unasked: secret digits, and requests that the caller confirms.
 *
 * Invariants: while digits are secret the voice's service is given silence
 * and nothing else; a tool with "confirm" never runs on the model's word.
 */
#include "callworker/conversation_impl.h"
#include "common/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As in common/tool_file.h; the supervisor put it into the schema. */
#define CONFIRMATION "confirmation"

/* ---- secret digits ----------------------------------------------------- */

static const struct tool_call *
find_access(const struct conversation *c)
{
	for (unsigned i = 0; i < c->tools.count; i++) {
		const struct tool_call *call = &c->tools.list[i];
		const struct brief_tool *tool =
		    brief_find_tool(c->config.brief, call->name);

		if (tool != NULL &&
		    (strcmp(tool->action, "staff_pin") == 0 ||
			strcmp(tool->action, "customer_factor") == 0))
			return call;
	}
	return NULL;
}

bool
conversation_is_secret(const struct conversation *c)
{
	return c->secret.open ||
	       (c->secret.ended_ms != 0 &&
		   c->config.clock_ms() <
		       c->secret.ended_ms + CONVERSATION_TAIL_MS);
}

/* Before its effect: a successor must be silent as well. */
static void
record_uplink(struct conversation *c, const char *to, const char *why)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "to", to);
	json_add_string(body, "why", why);
	conversation_record(c, JOURNAL_STATE, body);
}

void
conversation_resume_secret(struct conversation *c, const struct history *h)
{
	struct conversation_secret *secret = &c->secret;

	secret->open = c->config.secret;
	secret->begun_ms = c->now_ms;
	if (secret->open)
		log_info("uplink is silent: digits are secret still");
	/* They are over, but what comes first may be from before. */
	else if (h->secret ||
		 (h->secret_ms != 0 && c->now_ms < h->secret_ms +
						       CONVERSATION_TAIL_MS +
						       CONVERSATION_WAITED_MS))
		secret->ended_ms = c->now_ms;
	if (h->secret && !secret->open)
		record_uplink(c, CONVERSATION_STATE_HEARD, "resumed");
}

void
conversation_secret_asked(struct conversation *c)
{
	free(c->secret.say);
	c->secret.say = NULL;
}

/* Without a voice: the next one asks. */
void
conversation_say_secret(struct conversation *c)
{
	const char *say = c->secret.say;

	if (say == NULL || c->resume.voiceless)
		return;
	if (voice_say(c->config.voice, say, CONVERSATION_TAG_SECRET) != 0)
		log_warn("the caller cannot be asked to dial");
}

void
conversation_secret_begin(struct conversation *c, const char *say)
{
	conversation_enter(c);
	/* One that is still starting has an uplink already. */
	if (c->phase > CONVERSATION_RUNNING)
		return;
	if (!c->secret.open) {
		log_info("uplink is silent: digits are secret");
		record_uplink(c, CONVERSATION_STATE_SECRET, "told");
	}
	c->secret.open = true;
	c->secret.begun_ms = c->now_ms;
	/* Dialled too early: it may have been the beginning. */
	explicit_bzero(&c->dtmf, sizeof(c->dtmf));
	conversation_layers_hush(c, "the caller is to dial");
	if (say[0] == '\0')
		return;
	conversation_secret_asked(c);
	c->secret.say = strdup(say);
	if (c->secret.say == NULL)
		log_warn("the caller cannot be asked to dial");
	conversation_say_secret(c);
}

static void
secret_over(struct conversation *c, const char *why)
{
	conversation_secret_asked(c);
	if (!c->secret.open)
		return;
	c->secret.open = false;
	c->secret.ended_ms = c->now_ms;
	record_uplink(c, CONVERSATION_STATE_HEARD, why);
	log_info("uplink is heard again after_ms=%" PRIu64 " (%s)",
	    c->now_ms - c->secret.begun_ms, why);
}

void
conversation_secret_end(struct conversation *c)
{
	conversation_enter(c);
	secret_over(c, "told");
}

/* Who loses its supervisor must not be deaf for ever. */
void
conversation_access_tick(struct conversation *c)
{
	if (c->secret.open && find_access(c) == NULL &&
	    c->now_ms - c->secret.begun_ms >= CONVERSATION_SECRET_MS)
		secret_over(c, "nobody asks for digits any more");
}

/* ---- requests that must be confirmed ------------------------------------- */

/* The model is told in its own terms; what the caller hears is its. */
static void
tell_verdict(struct conversation *c, const struct brief_tool *tool,
    const char *id, enum confirm_verdict verdict)
{
	char text[512];

	switch (verdict) {
	case CONFIRM_AGREED:
		return;
	case CONFIRM_READ_BACK:
		snprintf(text, sizeof(text),
		    "Nothing was done yet. Tell the caller in one sentence "
		    "what will be done, with all that matters, and ask whether "
		    "to do it. Wait for the answer. Only if it is yes, call "
		    "this again with the same arguments and "
		    "\"" CONFIRMATION "\": \"%s\". It is valid once.",
		    c->confirm.token);
		break;
	case CONFIRM_TOO_EARLY:
		snprintf(text, sizeof(text),
		    "Nothing was done yet: the caller has not answered since "
		    "you read the request back. Wait for the answer.");
		break;
	case CONFIRM_BROKEN:
		snprintf(text, sizeof(text), "%s", brief_failure(tool, "lost"));
		break;
	}
	log_info("refused: tool=%s id=%s %s", tool->name, id,
	    verdict == CONFIRM_READ_BACK   ? "must be confirmed"
	    : verdict == CONFIRM_TOO_EARLY ? "is not confirmed yet"
					   : "cannot be confirmed");
	conversation_answer_tool(
	    c, id, tool->name, 0, TOOL_STATUS_UNCONFIRMED, text);
	conversation_want_prompt(c, tool->name);
}

/* ARGUMENTS without the token, which *TOKEN_OUT then is (or NULL). */
static cJSON *
take_token(const char *arguments, cJSON **token_out)
{
	cJSON *json = json_parse(arguments, strlen(arguments));

	*token_out =
	    cJSON_DetachItemFromObjectCaseSensitive(json, CONFIRMATION);
	return json;
}

char *
conversation_confirm(struct conversation *c, const struct brief_tool *tool,
    const char *id, const char *arguments)
{
	enum confirm_verdict verdict;
	cJSON *json, *token;
	char *text = NULL;

	json = take_token(arguments, &token);
	verdict = confirm_judge(&c->confirm, tool->name, json,
	    cJSON_GetStringValue(token), c->now_ms);
	if (verdict == CONFIRM_AGREED) {
		text = cJSON_PrintUnformatted(json);
		if (text == NULL)
			verdict = CONFIRM_BROKEN;
		else
			log_info("the caller has confirmed tool=%s id=%s",
			    tool->name, id);
	}
	tell_verdict(c, tool, id, verdict);
	cJSON_Delete(token);
	cJSON_Delete(json);
	return text;
}
