/* SPDX-License-Identifier: MIT */
/*
 * conversation_tools.c – function calls in a conversation: checked, passed on,
 * waited for, answered; and when the voice gets to speak about the answers.
 *
 * Invariant: every call that the voice made while the conversation runs gets
 * exactly one answer, whatever the rest of the system does. (When it leaves,
 * the voice only says goodbye: no answer would be read.)
 */
#include "callworker/conversation_impl.h"
#include "common/fault_point.h"
#include "common/json.h"
#include "common/json_schema.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
conversation_answer_tool(struct conversation *c, const char *id,
    const char *name, uint64_t elapsed_ms, enum tool_status status,
    const char *text)
{
	char *output = tool_calls_output(status, text);
	cJSON *body = cJSON_CreateObject();
	int ret;

	log_info("tool answered name=%s id=%s status=%s elapsed_ms=%llu "
		 "bytes=%zu",
	    name, id, tool_status_name(status), (unsigned long long)elapsed_ms,
	    strlen(text));
	json_add_string(body, "id", id);
	json_add_string(body, "status", tool_status_name(status));
	json_add_int(body, "elapsed_ms", (int64_t)elapsed_ms);
	json_add_string(body, "output", output != NULL ? output : "");
	conversation_record(c, JOURNAL_TOOL_RESULT, body);
	FAULT_POINT("tool.answer");
	ret = output == NULL ? -ENOMEM
			     : voice_answer_tool(c->config.voice, id, output);
	if (ret != 0)
		log_err("result of a tool lost name=%s error=%s", name,
		    strerror(-ret));
	free(output);
}

static void
answer(struct conversation *c, const char *id, const char *name,
    uint64_t elapsed_ms, enum tool_status status, const char *text)
{
	conversation_answer_tool(c, id, name, elapsed_ms, status, text);
	conversation_want_prompt(c, name);
}

/* Whether the model called as the tool's definition says; else *WHY. */
static bool
arguments_fit(const struct brief_tool *tool, const char *arguments, char *why,
    size_t size)
{
	cJSON *json = json_parse(arguments, strlen(arguments));
	bool ok = cJSON_IsObject(json);
	char ignored[JSON_SCHEMA_WHY_SIZE];

	if (!ok)
		snprintf(why, size, "the arguments are not a JSON object");
	/* A schema that nobody here understands is the supervisor's to judge.
	 */
	else if (tool->parameters != NULL && json_schema_check(tool->parameters,
						 ignored, sizeof(ignored)) == 0)
		ok = json_schema_validate(tool->parameters, json, why, size) ==
		     0;
	cJSON_Delete(json);
	return ok;
}

/* Says to the model what to correct. */
static void
refuse_call(
    struct conversation *c, const char *id, const char *name, const char *why)
{
	char text[JSON_SCHEMA_WHY_SIZE + 128];

	log_warn("tool call refused name=%s id=%s (%s)", name, id, why);
	snprintf(text, sizeof(text),
	    "The call was not made: %s. Correct it and call again, or ask "
	    "the caller for what is missing.",
	    why);
	answer(c, id, name, 0, TOOL_STATUS_INVALID_ARGUMENTS, text);
}

/* Before the supervisor gets it: what is not here was never asked for. */
static void
record_request(struct conversation *c, const struct tool_call *call)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "id", call->id);
	json_add_string(body, "name", call->name);
	json_add_string(body, "arguments", call->arguments);
	conversation_record(c, JOURNAL_TOOL_REQUEST, body);
}

static void
start_call(struct conversation *c, const struct brief_tool *tool,
    const char *id, const char *arguments)
{
	int ret = tool_calls_add(
	    &c->tools, id, tool->name, arguments, tool->deadline_ms, c->now_ms);

	if (ret == -EEXIST)
		return; /* named twice by the service */
	if (ret == -ENOBUFS) {
		answer(c, id, tool->name, 0, TOOL_STATUS_BUSY,
		    brief_failure(tool, "busy"));
		return;
	}
	if (ret != 0) {
		refuse_call(c, id, tool->name, "the arguments are too long");
		return;
	}
	log_info("tool called name=%s id=%s", tool->name, id);
	record_request(c, &c->tools.list[c->tools.count - 1]);
	CONVERSATION_PORT(c, request_tool, &c->tools.list[c->tools.count - 1]);
	c->config.ports->changed(c->config.arg);
}

static void
record_call(struct conversation *c, const char *id, const char *name,
    const char *arguments)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "id", id);
	json_add_string(body, "name", name);
	json_add_string(body, "arguments", arguments);
	conversation_record(c, JOURNAL_TOOL_CALL, body);
}

/*
 * What the caller interrupted may be what he does not want. Whether it is, the
 * voice knows once it has heard him; it answers him anyway, so no prompt.
 */
void
conversation_on_tool_call_cut(
    const char *id, const char *name, const char *arguments, void *arg)
{
	struct conversation *c = conversation_enter(arg);

	record_call(c, id, name, arguments);
	if (c->phase != CONVERSATION_RUNNING)
		return;
	log_info("tool call not run, its response was broken off name=%s id=%s",
	    name, id);
	conversation_answer_tool(c, id, name, 0, TOOL_STATUS_CANCELLED,
	    "The call was not made: you were interrupted. Call again if the "
	    "caller still wants it.");
}

void
conversation_on_tool_call(
    const char *id, const char *name, const char *arguments, void *arg)
{
	struct conversation *c = conversation_enter(arg);
	const struct brief_tool *tool = brief_find_tool(c->config.brief, name);
	char why[JSON_SCHEMA_WHY_SIZE];
	char *agreed = NULL;

	record_call(c, id, name, arguments);
	if (c->phase != CONVERSATION_RUNNING)
		return;
	c->awaiting = false;
	if (tool == NULL) {
		refuse_call(c, id, name, "there is no tool of that name");
		return;
	}
	if (!arguments_fit(tool, arguments, why, sizeof(why))) {
		refuse_call(c, id, name, why);
		return;
	}
	if (tool->confirm) {
		agreed = conversation_confirm(c, tool, id, arguments);
		if (agreed == NULL)
			return;
		arguments = agreed;
	}
	if (!conversation_control_call(c, tool, id, arguments))
		start_call(c, tool, id, arguments);
	free(agreed);
}

void
conversation_tool_gone(struct conversation *c)
{
	if (c->tools.count == 0)
		c->said_tool_wait = false;
	conversation_layers_tool_gone(c);
	c->config.ports->changed(c->config.arg);
}

/* Takes what CALL holds. */
static void
finish_call(struct conversation *c, struct tool_call *call,
    enum tool_status status, const char *text)
{
	if (call->own)
		conversation_control_person_over(c, call, status, text);
	else
		answer(c, call->id, call->name, c->now_ms - call->since_ms,
		    status, text);
	tool_call_clear(call);
	conversation_tool_gone(c);
}

void
conversation_tool_result(struct conversation *c, const char *id,
    enum tool_status status, const char *output)
{
	struct tool_call call;

	conversation_enter(c);
	if (c->phase != CONVERSATION_RUNNING)
		return;
	if (!tool_calls_take(&c->tools, id, &call)) {
		log_info("tool result nobody waits for id=%s status=%s", id,
		    tool_status_name(status));
		return;
	}
	finish_call(c, &call, status, output);
}

void
conversation_tool_progress(struct conversation *c, const char *id,
    uint64_t elapsed_ms, const struct tool_progress *progress)
{
	struct tool_call *call = tool_calls_find(&c->tools, id);
	cJSON *body = cJSON_CreateObject();

	conversation_enter(c);
	if (call != NULL && progress->total > 0) {
		call->done = progress->done;
		call->total = progress->total;
	}
	log_info("tool progress id=%s elapsed_ms=%llu done=%lld total=%lld", id,
	    (unsigned long long)elapsed_ms, (long long)progress->done,
	    (long long)progress->total);
	json_add_string(body, "id", id);
	json_add_int(body, "elapsed_ms", (int64_t)elapsed_ms);
	tool_progress_write(progress, body);
	conversation_record(c, JOURNAL_TOOL_PROGRESS, body);
}

/* The supervisor owed an answer and did not give it. */
static void
expire_calls(struct conversation *c)
{
	struct tool_call call;

	while (tool_calls_take_expired(&c->tools, c->now_ms, &call)) {
		const char *text = brief_failure(
		    brief_find_tool(c->config.brief, call.name), "timeout");

		log_err("tool without an answer name=%s id=%s: answering "
			"ourselves",
		    call.name, call.id);
		char id[VOICE_ID_SIZE];

		memcpy(id, call.id, sizeof(id));
		finish_call(c, &call, TOOL_STATUS_TIMEOUT,
		    text[0] != '\0' || call.own
			? text
			: "The query did not answer in time. Say "
			  "so, and do not invent an answer.");
		CONVERSATION_PORT(c, cancel_tool, id);
	}
}

/*
 * Results and digits are before the voice already, which may take them up by
 * itself when the caller speaks. It is asked to when nobody speaks, or only
 * an aside is heard: what then is said cuts it.
 */
static void
check_prompt(struct conversation *c)
{
	if (!c->prompt_due || c->now_ms < c->resume.owed_ms ||
	    c->caller_talking || c->dtmf.count > 0 ||
	    conversation_control_hangs_up(c) || conversation_voice_is_busy(c) ||
	    (!conversation_is_aside(c) &&
		c->config.ports->remaining_ms(c->config.arg) >
		    CONVERSATION_ALMOST_SAID_MS))
		return;
	if (c->tools.count > 0 &&
	    c->now_ms - c->prompt_ms < CONVERSATION_GATHER_MS)
		return;
	c->prompt_due = false;
	if (conversation_resume_prompt(c))
		conversation_await(c);
}

void
conversation_tools_tick(struct conversation *c)
{
	tool_calls_log_waiting(&c->tools, c->now_ms);
	expire_calls(c);
	check_prompt(c);
	conversation_layers_tick(c);
}

const char *
conversation_tool(const struct conversation *c)
{
	const struct tool_call *oldest = tool_calls_oldest(&c->tools);

	return oldest != NULL ? oldest->name : "";
}

void
conversation_repeat_tools(struct conversation *c)
{
	if (c->phase != CONVERSATION_RUNNING)
		return;
	for (unsigned i = 0; i < c->tools.count; i++) {
		const struct tool_call *call = &c->tools.list[i];

		if (call->own)
			CONVERSATION_PORT(c, request_person, call);
		else
			CONVERSATION_PORT(c, request_tool, call);
	}
}
