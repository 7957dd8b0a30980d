/* SPDX-License-Identifier: MIT */
/*
 * realtime_calls.c – function calls of responses: those that are run, and
 * those that are only answered because their response was broken off.
 *
 * Invariant: whatever becomes of a response, each call that the service keeps
 * in the conversation is told to the listener, who answers it. A call without
 * an answer would stay before the model for the rest of the session.
 */
#include "callworker/realtime_responses_impl.h"

#include "common/json.h"
#include "common/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
clear_call(struct realtime_call *call)
{
	free(call->name);
	free(call->arguments);
	memset(call, 0, sizeof(*call));
}

void
realtime_calls_clear(struct realtime_active *run)
{
	for (unsigned i = 0; i < run->calls_count; i++)
		clear_call(&run->calls[i]);
	run->calls_count = 0;
}

static struct realtime_call *
find_call(struct realtime_active *run, const char *id)
{
	for (unsigned i = 0; i < run->calls_count; i++) {
		if (strcmp(run->calls[i].id, id) == 0)
			return &run->calls[i];
	}
	return NULL;
}

/* The call with this id, new or known; NULL if there is no room for it. */
static struct realtime_call *
add_call(struct realtime_active *run, const char *id, const char *name,
    const char *arguments)
{
	struct realtime_call *call = find_call(run, id);

	if (call != NULL)
		return call;
	if (id[0] == '\0' || strlen(id) >= sizeof(call->id) ||
	    run->calls_count == REALTIME_CALLS_MAX) {
		log_warn("function call ignored name=%s reason=\"no usable "
			 "id, or more than %d in one response\"",
		    name, REALTIME_CALLS_MAX);
		return NULL;
	}
	call = &run->calls[run->calls_count];
	call->name = strdup(name);
	call->arguments = strdup(arguments);
	if (call->name == NULL || call->arguments == NULL) {
		clear_call(call);
		log_err("no memory for a function call");
		return NULL;
	}
	snprintf(call->id, sizeof(call->id), "%s", id);
	run->calls_count++;
	return call;
}

void
realtime_calls_add(struct realtime_active *run, const struct realtime_event *ev)
{
	(void)add_call(run, ev->call_id, ev->name, ev->text);
}

/* An item is a function call that the service keeps and wants answered. */
static void
add_item(struct realtime_active *run, const cJSON *item)
{
	const char *status = json_string(item, "status");
	struct realtime_call *call;

	if (strcmp(json_string(item, "type"), "function_call") != 0 ||
	    strcmp(status, "incomplete") == 0 ||
	    strcmp(status, "in_progress") == 0)
		return;
	call = add_call(run, json_string(item, "call_id"),
	    json_string(item, "name"), json_string(item, "arguments"));
	if (call != NULL)
		call->whole = true;
}

void
realtime_calls_add_item(
    struct realtime_active *run, const struct realtime_event *ev)
{
	add_item(run, json_object(ev->json, "item"));
}

void
realtime_calls_add_output(
    struct realtime_active *run, const struct realtime_event *ev)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, ev->output) {
		add_item(run, item);
	}
}

void
realtime_calls_drop_partial(struct realtime_active *run)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < run->calls_count; i++) {
		if (run->calls[i].whole)
			run->calls[kept++] = run->calls[i];
		else
			clear_call(&run->calls[i]);
	}
	run->calls_count = kept;
}

static bool
was_told(const struct realtime_responses *rr, const char *id)
{
	for (unsigned i = 0; i < REALTIME_CALLS_MAX; i++) {
		if (strcmp(rr->told_calls[i], id) == 0)
			return true;
	}
	return false;
}

static void
note_told(struct realtime_responses *rr, const char *id)
{
	snprintf(
	    rr->told_calls[rr->told_next], sizeof(rr->told_calls[0]), "%s", id);
	rr->told_next = (rr->told_next + 1) % REALTIME_CALLS_MAX;
}

void
realtime_calls_tell(
    struct realtime_responses *rr, const struct realtime_active *run)
{
	for (unsigned i = 0; i < run->calls_count; i++) {
		const struct realtime_call *call = &run->calls[i];

		note_told(rr, call->id);
		rr->config.events->on_tool_call(call->id, call->name,
		    call->arguments, rr->config.events_arg);
	}
}

void
realtime_calls_tell_cut(
    struct realtime_responses *rr, const struct realtime_active *run)
{
	for (unsigned i = 0; i < run->calls_count; i++) {
		const struct realtime_call *call = &run->calls[i];

		if (was_told(rr, call->id))
			continue;
		note_told(rr, call->id);
		rr->stats.dropped_calls++;
		rr->config.events->on_tool_call_cut(call->id, call->name,
		    call->arguments, rr->config.events_arg);
	}
}

void
realtime_calls_late(
    struct realtime_responses *rr, const struct realtime_event *ev)
{
	struct realtime_active late = {0};

	if (ev->out_of_band)
		return; /* its items are in no conversation */
	realtime_calls_add_output(&late, ev);
	realtime_calls_tell_cut(rr, &late);
	realtime_calls_clear(&late);
}
