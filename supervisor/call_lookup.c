/* SPDX-License-Identifier: MIT */
/*
 * call_lookup.c – asks who a caller may be, while it rings.
 *
 * Invariant: the call waits for CALL_LOOKUP_MS at most, and what comes later
 * is not looked at.
 */
#include "supervisor/call_lookup.h"

#include "common/json.h"
#include "common/log.h"
#include "supervisor/call_access.h"
#include "supervisor/tools.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLASS_VARIABLE "TELEFONISTA_CLASS"

enum {
	FOUND_SIZE = 2048,
	PATH_SIZE = 600,
};

struct call_lookup {
	struct call *call;
	struct event *timer;
	bool looking;
	char found[FOUND_SIZE];
};

/* -- the dialplan ----------------------------------------------------------- */

static void
on_class(const struct ari_response *response, void *arg)
{
	struct call *call = arg;

	if (!call_answered(call) || response->status != 200)
		return; /* 404: it is not set */
	if (strcmp(json_string(response->body, "value"), "staff") == 0)
		call_access_trust(call, CLASS_VARIABLE " of the dialplan");
}

static void
ask_class(struct call *call)
{
	char path[PATH_SIZE], id[3 * ARI_ID_MAX];

	snprintf(path, sizeof(path),
	    "channels/%s/variable?variable=" CLASS_VARIABLE,
	    ari_escape(call->id, id, sizeof(id)));
	call_ari(call, on_class, "GET", NULL, path);
}

/* -- the number ------------------------------------------------------------- */

static void
set_timer(struct call_lookup *lookup, uint64_t ms)
{
	struct timeval tv = {
	    .tv_sec = (time_t)(ms / 1000),
	    .tv_usec = (suseconds_t)(ms % 1000) * 1000,
	};

	event_add(lookup->timer, &tv);
}

static void
look_up(struct call_lookup *lookup)
{
	struct call *call = lookup->call;
	const struct config *config = call->env->config;
	const char *name = config->customer_lookup;
	const struct tool *tool;
	uint64_t limit_ms = (uint64_t)config->answer_timeout_ms / 2;

	if (name[0] == '\0' || call->number.text[0] == '\0' ||
	    lookup->found[0] != '\0')
		return;
	tool = tools_find(call->tools, name);
	if (tool == NULL || !tool->available || tool->who != TOOL_WHO_SERVICE)
		return;
	lookup->looking = true;
	set_timer(
	    lookup, limit_ms < CALL_LOOKUP_MS ? limit_ms : CALL_LOOKUP_MS);
	if (call_access_ask(call, CALL_ACCESS_LOOKUP_ID, name, NULL) < 0)
		lookup->looking = false;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct call_lookup *lookup = arg;

	(void)fd;
	(void)what;
	if (lookup->looking) {
		log_warn("call=%s the caller's number takes too long to look "
			 "up",
		    lookup->call->id);
		lookup->looking = false;
	}
	call_lookup_over(lookup->call);
}

void
call_lookup_on_answer(
    struct call_lookup *lookup, enum tool_status status, const char *output)
{
	if (!lookup->looking)
		return; /* too late: the voice knows what it knows */
	lookup->looking = false;
	log_info("call=%s the caller's number was looked up status=%s",
	    lookup->call->id, tool_status_name(status));
	if (status == TOOL_STATUS_OK)
		snprintf(lookup->found, sizeof(lookup->found), "%s", output);
	/* From the loop: the queue may not be called back. */
	set_timer(lookup, 0);
}

void
call_lookup_begin(struct call_lookup *lookup)
{
	ask_class(lookup->call);
	if (lookup->call->state < CALL_ENDING)
		look_up(lookup);
}

bool
call_lookup_is_looking(const struct call_lookup *lookup)
{
	return lookup->looking;
}

const char *
call_lookup_found(const struct call_lookup *lookup)
{
	return lookup->found;
}

/* -- life --------------------------------------------------------------------- */

int
call_lookup_new(struct call_lookup **lookup_out, struct call *call)
{
	struct call_lookup *lookup = calloc(1, sizeof(*lookup));

	if (lookup == NULL)
		return -ENOMEM;
	lookup->call = call;
	lookup->timer = event_new(call->env->base, -1, 0, on_timer, lookup);
	if (lookup->timer == NULL) {
		call_lookup_free(&lookup);
		return -ENOMEM;
	}
	*lookup_out = lookup;
	return 0;
}

void
call_lookup_free(struct call_lookup **lookup_ptr)
{
	struct call_lookup *lookup = *lookup_ptr;

	if (lookup == NULL)
		return;
	*lookup_ptr = NULL;
	if (lookup->timer != NULL)
		event_free(lookup->timer);
	free(lookup);
}
