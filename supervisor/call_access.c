/* SPDX-License-Identifier: MIT */
/*
 * call_access.c – a call's class: what its voice may ask for, and how its
 * caller becomes somebody.
 *
 * Invariant: a secret digit is seen by this room, and by the tool that must
 * look it up; no log line, no other message and no title has it.
 */
#include "supervisor/call_access.h"

#include "common/access_tool.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/sentence.h"
#include "supervisor/access.h"
#include "supervisor/call_lookup.h"
#include "supervisor/fleet.h"
#include "supervisor/secret_entry.h"
#include "supervisor/tool_job.h"
#include "supervisor/tool_queue.h"
#include "supervisor/tools.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	OWN_ID_SIZE = 40,
	ORPHAN_MS = 30000, /* for the tool.request of an earlier supervisor */
};

enum step {
	STEP_NONE,
	STEP_ENTRY,
	STEP_ASK_DUE,
	STEP_ASKED,
	STEP_TELL_DUE,
};

static const char *const step_names[] = {
    [STEP_NONE] = "none",
    [STEP_ENTRY] = "entry",
    [STEP_ASK_DUE] = "ask due",
    [STEP_ASKED] = "asked",
    [STEP_TELL_DUE] = "tell due",
};

#define MOVE(to) (1u << STEP_##to)

/* Which may follow which; back to NONE from all, when nobody waits. */
static const unsigned int moves[] = {
    [STEP_NONE] = MOVE(ENTRY) | MOVE(ASK_DUE) | MOVE(TELL_DUE),
    [STEP_ENTRY] = MOVE(NONE) | MOVE(ASK_DUE) | MOVE(TELL_DUE),
    [STEP_ASK_DUE] = MOVE(NONE) | MOVE(ASKED) | MOVE(TELL_DUE),
    [STEP_ASKED] = MOVE(NONE) | MOVE(TELL_DUE),
    [STEP_TELL_DUE] = MOVE(NONE),
};

struct call_access {
	struct access_call *record; /* NULL: PUBLIC, and stays so */
	struct secret_entry *entry;
	struct event *timer; /* of the step */
	enum step step;

	/* From the tool's beginning until the queue was told. */
	char job[TOOL_JOB_ID_SIZE];
	cJSON *settings, *arguments;
	struct access_tool tool; /* points into them */
	enum tool_status status; /* to be told */
	char detail[TOOL_QUEUE_DETAIL_SIZE];

	/* The question under way. A channel that comes back, or one that is
	 * adopted, must not be given the answers to its earlier ones. */
	uint64_t born_ms;
	unsigned int serial;
	char asked[OWN_ID_SIZE];

	bool secret; /* the worker was told so */
	char secret_id[TOOL_JOB_ID_SIZE];

	struct call_lookup *lookup;
};

static void
set_step(struct call *call, enum step step, const char *why)
{
	struct call_access *access = call->access;

	assert((moves[access->step] & (1u << step)) != 0);
	log_debug("call=%s access %s -> %s (%s)", call->id,
	    step_names[access->step], step_names[step], why);
	access->step = step;
}

static void
set_timer(struct event *timer, uint64_t ms)
{
	struct timeval tv = {
	    .tv_sec = (time_t)(ms / 1000),
	    .tv_usec = (suseconds_t)(ms % 1000) * 1000,
	};

	event_add(timer, &tv);
}

/* -- secret digits ---------------------------------------------------------------- */

static void
send_secret(struct call *call, enum message_type type, const char *say)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "id", call->access->secret_id);
	if (type == MESSAGE_SECRET_BEGIN)
		json_add_string(body, "say", say);
	call_send(call, type, body);
}

static void
begin_secret(struct call *call)
{
	struct call_access *access = call->access;
	bool again = access->secret; /* since an earlier supervisor */

	access_set_entering(access->record, true);
	access->secret = true;
	memcpy(access->secret_id, access->job, sizeof(access->secret_id));
	secret_entry_begin(
	    access->entry, access->tool.length, again, clock_now_ms());
	send_secret(call, MESSAGE_SECRET_BEGIN, access->tool.prompt);
	log_info("call=%s secret digits are awaited action=%s", call->id,
	    access->tool.action);
}

static void
end_secret(struct call *call, const char *why)
{
	struct call_access *access = call->access;

	if (!access->secret)
		return;
	secret_entry_end(access->entry, clock_now_ms());
	access->secret = false;
	send_secret(call, MESSAGE_SECRET_END, "");
	access_set_entering(access->record, false);
	log_info("call=%s secret digits are over (%s)", call->id, why);
}

/* -- the outcome -------------------------------------------------------------------- */

/* A dialled answer is less secret than a PIN, but nobody's business either. */
static void
wipe_dialled(struct call_access *access)
{
	cJSON *item = access->tool.dial == NULL
			  ? NULL
			  : cJSON_GetObjectItemCaseSensitive(
				access->arguments, access->tool.dial);

	if (item != NULL && cJSON_IsString(item))
		explicit_bzero(item->valuestring, strlen(item->valuestring));
}

/* Nobody waits any longer. */
static void
drop(struct call *call, const char *why)
{
	struct call_access *access = call->access;

	end_secret(call, why);
	event_del(access->timer);
	wipe_dialled(access);
	cJSON_Delete(access->settings);
	cJSON_Delete(access->arguments);
	access->settings = access->arguments = NULL;
	access->tool = (struct access_tool){.action = ""};
	access->job[0] = access->asked[0] = '\0';
	if (access->step != STEP_NONE)
		set_step(call, STEP_NONE, why);
}

/* The queue is told from the event loop. */
static void
tell_later(struct call *call, enum tool_status status, const char *detail)
{
	struct call_access *access = call->access;

	end_secret(call, tool_status_name(status));
	access->status = status;
	snprintf(access->detail, sizeof(access->detail), "%s", detail);
	set_step(call, STEP_TELL_DUE, tool_status_name(status));
	set_timer(access->timer, 0);
}

static void
tell(struct call *call)
{
	struct call_access *access = call->access;
	char job[TOOL_JOB_ID_SIZE], detail[TOOL_QUEUE_DETAIL_SIZE];

	memcpy(job, access->job, sizeof(job));
	memcpy(detail, access->detail, sizeof(detail));
	drop(call, "told");
	tool_queue_on_local(call->env->tool_queue, job, access->status, detail);
}

/* Which class ACTION leads to. */
static enum tool_who
who_of(const struct access_tool *tool)
{
	return strcmp(tool->action, "staff_pin") == 0 ? TOOL_WHO_STAFF
						      : TOOL_WHO_CUSTOMER;
}

static void
tell_verdict(struct call *call, enum access_verdict verdict)
{
	const struct call_access *access = call->access;
	const struct access_tool *tool = &access->tool;
	const struct sentence_place left = {
	    "left", access_tries_left(access->record, who_of(tool))};
	char text[SENTENCE_FILLED_SIZE];

	switch (verdict) {
	case ACCESS_GRANTED:
		tell_later(call, TOOL_STATUS_OK, tool->granted);
		break;
	case ACCESS_WRONG:
		sentence_fill(text, sizeof(text), tool->wrong, &left, 1);
		tell_later(call, TOOL_STATUS_REFUSED, text);
		break;
	case ACCESS_LOCKED:
		tell_later(call, TOOL_STATUS_REFUSED, tool->locked);
		break;
	}
}

/* -- another tool looks it up --------------------------------------------------------- */

int
call_access_ask(
    struct call *call, const char *id, const char *name, const cJSON *arguments)
{
	cJSON *body = cJSON_CreateObject();
	char *text = arguments == NULL ? strdup("{}")
				       : cJSON_PrintUnformatted(arguments);
	int ret = -ENOMEM;

	if (text != NULL) {
		json_add_string(body, "id", id);
		json_add_string(body, "name", name);
		json_add_string(body, "arguments", text);
		ret = tool_queue_on_request(
		    call->env->tool_queue, call->id, body);
		explicit_bzero(text, strlen(text));
	}
	free(text);
	text = cJSON_GetStringValue(
	    cJSON_GetObjectItemCaseSensitive(body, "arguments"));
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	cJSON_Delete(body);
	return ret;
}

static void
ask_factor(struct call *call)
{
	struct call_access *access = call->access;
	const char *locked =
	    access_locked(access->record, TOOL_WHO_CUSTOMER, call->number.text);

	/* While this one dialled, others may have tried. */
	if (locked != NULL) {
		log_warn("call=%s refused: action=%s locked=%s", call->id,
		    access->tool.action, locked);
		tell_verdict(call, ACCESS_LOCKED);
		return;
	}
	snprintf(access->asked, sizeof(access->asked),
	    CALL_ACCESS_OWN_ID "%llu.%u", (unsigned long long)access->born_ms,
	    ++access->serial);
	access_factor_asked(access->record, call->number.text);
	set_step(call, STEP_ASKED, access->tool.tool);
	/* The answer may come before return: in call_access_hears(). */
	if (call_access_ask(call, access->asked, access->tool.tool,
		access->arguments) < 0) {
		access_factor_unknown(access->record, call->number.text);
		tell_later(call, TOOL_STATUS_INTERNAL, "no memory");
	}
}

static void
on_factor(struct call *call, enum tool_status status, const char *output)
{
	struct call_access *access = call->access;
	const char *number = call->number.text;

	access->asked[0] = '\0';
	if (status == TOOL_STATUS_REFUSED) {
		tell_verdict(call, access_factor_wrong(access->record, number));
	} else if (status != TOOL_STATUS_OK) {
		/* Whose fault it is will not be the caller's. */
		access_factor_unknown(access->record, number);
		tell_later(call, status,
		    status == TOOL_STATUS_INVALID_ARGUMENTS ? output : "");
	} else if (access_factor_right(access->record, number, output) < 0) {
		log_err("call=%s tool=%s gives no key that can be used",
		    call->id, access->tool.tool);
		access_factor_unknown(access->record, number);
		tell_later(call, TOOL_STATUS_MALFORMED, "");
	} else {
		tell_verdict(call, ACCESS_GRANTED);
	}
}

/* -- digits are complete --------------------------------------------------------------- */

static void
dial_factor(struct call *call)
{
	struct call_access *access = call->access;
	size_t len;
	const char *digits = secret_entry_digits(access->entry, &len);

	/* The model may have put an empty one there. */
	cJSON_DeleteItemFromObjectCaseSensitive(
	    access->arguments, access->tool.dial);
	json_add_string(access->arguments, access->tool.dial, digits);
	end_secret(call, "dialled");
	set_step(call, STEP_ASK_DUE, "dialled");
	ask_factor(call);
}

static void
on_entered(struct call *call)
{
	struct call_access *access = call->access;
	size_t len;
	const char *digits = secret_entry_digits(access->entry, &len);

	if (len == 0)
		tell_later(call, TOOL_STATUS_REFUSED, access->tool.nothing);
	else if (who_of(&access->tool) == TOOL_WHO_STAFF)
		tell_verdict(call, access_try_pin(access->record,
				       call->number.text, digits, len));
	else
		dial_factor(call);
}

static void
check_entry(struct call *call)
{
	struct call_access *access = call->access;
	uint64_t now_ms = clock_now_ms();
	uint64_t due_ms = secret_entry_due_ms(access->entry);

	if (secret_entry_is_complete(access->entry, now_ms))
		on_entered(call);
	else
		set_timer(access->timer, due_ms - now_ms);
}

bool
call_access_enters(const struct call *call)
{
	return call->access->step == STEP_ENTRY;
}

bool
call_access_is_secret(const struct call *call)
{
	return call->access->secret;
}

bool
call_access_takes_digit(struct call *call, char digit)
{
	struct call_access *access = call->access;

	if (!secret_entry_add(access->entry, digit, clock_now_ms()))
		return false;
	if (access->step == STEP_ENTRY)
		check_entry(call);
	return true;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct call *call = arg;

	(void)fd;
	(void)what;
	switch (call->access->step) {
	case STEP_NONE:
		end_secret(call, "nobody asks for them any more");
		break;
	case STEP_ENTRY:
		check_entry(call);
		break;
	case STEP_ASK_DUE:
		ask_factor(call);
		break;
	case STEP_ASKED:
		break;
	case STEP_TELL_DUE:
		tell(call);
		break;
	}
}

/* -- a tool begins ----------------------------------------------------------------------- */

static void
on_problem(const char *text, void *arg)
{
	log_err("call=%s an access tool is not one: %s",
	    ((const struct call *)arg)->id, text);
}

static int
keep_tool(struct call *call, const char *job, const cJSON *settings,
    const cJSON *arguments)
{
	struct call_access *access = call->access;

	snprintf(access->job, sizeof(access->job), "%s", job);
	access->settings = cJSON_Duplicate(settings, true);
	access->arguments = cJSON_Duplicate(arguments, true);
	if (access->settings == NULL || access->arguments == NULL)
		return -ENOMEM;
	return access_tool_read(&access->tool, access->settings,
	    json_object(access->settings, "parameters"), on_problem, call);
}

/* Nothing to be dialled: the model has it. */
static bool
is_answered(const struct call_access *access)
{
	const struct access_tool *tool = &access->tool;

	return tool->dial[0] == '\0' ||
	       json_string(access->arguments, tool->dial)[0] != '\0';
}

/* Whether the customer who was proved is the one that is meant. */
static bool
is_same_customer(const struct call_access *access)
{
	const char *customer = access_customer(access->record);
	const cJSON *item;

	cJSON_ArrayForEach(item, access->arguments) {
		if (customer[0] != '\0' && cJSON_IsString(item) &&
		    strcmp(item->valuestring, customer) == 0)
			return true;
	}
	return false;
}

static bool
is_proved(const struct call_access *access)
{
	if (who_of(&access->tool) == TOOL_WHO_STAFF)
		return access_class(access->record) == TOOL_WHO_STAFF;
	return is_same_customer(access) && !is_answered(access);
}

enum tool_status
call_access_start(struct call *call, const char *job, const cJSON *settings,
    const cJSON *arguments, char *detail, size_t size)
{
	struct call_access *access = call->access;
	const struct access_tool *tool = &access->tool;
	const char *locked;

	if (access->step != STEP_NONE || call->state != CALL_TALKING)
		return TOOL_STATUS_BUSY;
	if (keep_tool(call, job, settings, arguments) < 0) {
		drop(call, "cannot begin");
		return TOOL_STATUS_INTERNAL;
	}
	if (is_proved(access)) {
		tell_verdict(call, ACCESS_GRANTED);
		return TOOL_STATUS_OK;
	}
	locked = access_locked(access->record, who_of(tool), call->number.text);
	if (locked != NULL) {
		log_warn("call=%s refused: action=%s locked=%s", call->id,
		    tool->action, locked);
		snprintf(detail, size, "%s", tool->locked);
		drop(call, "locked");
		return TOOL_STATUS_REFUSED;
	}
	if (who_of(tool) == TOOL_WHO_CUSTOMER && is_answered(access)) {
		set_step(call, STEP_ASK_DUE, "the voice has the answer");
		set_timer(access->timer, 0);
	} else {
		set_step(call, STEP_ENTRY, tool->action);
		begin_secret(call);
		set_timer(access->timer, SECRET_ENTRY_FIRST_MS);
	}
	return TOOL_STATUS_OK;
}

void
call_access_cancel(struct call *call, const char *job)
{
	struct call_access *access = call->access;

	if (access->step != STEP_NONE && strcmp(access->job, job) == 0)
		drop(call, "nobody waits for it");
}

void
call_access_resume(struct call *call)
{
	struct call_access *access = call->access;
	size_t len = 0;

	if (!access->secret)
		return;
	if (access->step == STEP_ENTRY)
		secret_entry_digits(access->entry, &len);
	if (access->step != STEP_ENTRY || len > 0) {
		/* Who is dialling notices nothing, and goes on. */
		send_secret(call, MESSAGE_SECRET_BEGIN, "");
		return;
	}
	/* Whether he heard that he was asked is not known. */
	secret_entry_begin(
	    access->entry, access->tool.length, false, clock_now_ms());
	set_timer(access->timer, SECRET_ENTRY_FIRST_MS);
	send_secret(call, MESSAGE_SECRET_BEGIN, access->tool.prompt);
}

void
call_access_end(struct call *call)
{
	drop(call, "its worker is gone");
}

/* -- what the voice asks for ---------------------------------------------------------------- */

static void
refuse(struct call *call, const char *id, const struct tool *tool)
{
	bool is_hidden = tool->who == TOOL_WHO_SERVICE;
	cJSON *body = cJSON_CreateObject();

	log_warn("call=%s refused: tool=%s id=%s is for %s, the caller is %s",
	    call->id, tool->name, id, tool_who_name(tool->who),
	    call_access_class(call));
	json_add_string(body, "id", id);
	json_add_string(body, "status",
	    tool_status_name(is_hidden ? TOOL_STATUS_INVALID_ARGUMENTS
				       : TOOL_STATUS_REFUSED));
	json_add_string(body, "output",
	    is_hidden ? "The function was not run: there is no function of "
			"that name."
		      : tool->unidentified);
	call_send(call, MESSAGE_TOOL_RESULT, body);
}

int
call_access_permit(struct call *call, const cJSON *body)
{
	const char *id = json_string(body, "id");
	const struct tool *tool =
	    tools_find(call->tools, json_string(body, "name"));

	if (id[0] == '\0' || strlen(id) > TOOL_REQUEST_ID_MAX ||
	    strncmp(id, CALL_ACCESS_OWN_ID, strlen(CALL_ACCESS_OWN_ID)) == 0)
		return -EPROTO;
	if (tool == NULL || access_may(call->access->record, tool->who))
		return 1; /* the queue knows what to say of a tool that is
			     not there */
	refuse(call, id, tool);
	return 0;
}

cJSON *
call_access_describe(const struct call *call)
{
	const char *customer = access_customer(call->access->record);
	cJSON *json = cJSON_CreateObject();

	if (call->number.text[0] != '\0')
		json_add_string(json, "number", call->number.text);
	if (customer[0] != '\0')
		json_add_string(json, "customer", customer);
	return json;
}

const char *
call_access_class(const struct call *call)
{
	return tool_who_name(access_class(call->access->record));
}

void
call_access_trust(struct call *call, const char *why)
{
	access_set_staff(call->access->record, why);
}

struct call_lookup *
call_access_lookup(const struct call *call)
{
	return call->access->lookup;
}

bool
call_access_hears(struct call *call, enum message_type type, const cJSON *body)
{
	struct call_access *access = call->access;
	const char *id = json_string(body, "id");
	const char *output = json_string(body, "output");
	enum tool_status status = TOOL_STATUS_INTERNAL;

	if (strncmp(id, CALL_ACCESS_OWN_ID, strlen(CALL_ACCESS_OWN_ID)) != 0)
		return false;
	if (type != MESSAGE_TOOL_RESULT)
		return true;
	tool_status_find(json_string(body, "status"), &status);
	if (strcmp(id, CALL_ACCESS_LOOKUP_ID) == 0)
		call_lookup_on_answer(access->lookup, status, output);
	else if (access->step == STEP_ASKED && strcmp(id, access->asked) == 0)
		on_factor(call, status, output);
	return true;
}

/* -- life ------------------------------------------------------------------------------------- */

/* Its worker still keeps silent; who asked for it will ask again. */
static void
adopt_secret(struct call *call)
{
	struct call_access *access = call->access;

	if (!access_is_entering(access->record))
		return;
	access_set_entering(access->record, true);
	access->secret = true;
	secret_entry_swallow(access->entry, ORPHAN_MS, clock_now_ms());
	set_timer(access->timer, ORPHAN_MS);
}

int
call_access_new(struct call *call)
{
	struct call_access *access = calloc(1, sizeof(*access));

	if (access == NULL)
		return -ENOMEM;
	call->access = access;
	access->born_ms = clock_now_ms();
	access->tool.action = "";
	access->timer = event_new(call->env->base, -1, 0, on_timer, call);
	if (access->timer == NULL || secret_entry_new(&access->entry) < 0 ||
	    call_lookup_new(&access->lookup, call) < 0) {
		call_access_free(call, false);
		return -ENOMEM;
	}
	return 0;
}

void
call_access_open(struct call *call, bool adopted)
{
	call->access->record =
	    access_open(call->env->access, call->id, adopted);
	adopt_secret(call);
}

void
call_access_free(struct call *call, bool over)
{
	struct call_access *access = call->access;

	if (access == NULL)
		return;
	call->access = NULL;
	wipe_dialled(access);
	cJSON_Delete(access->settings);
	cJSON_Delete(access->arguments);
	secret_entry_free(&access->entry);
	access_close(&access->record, over);
	if (access->timer != NULL)
		event_free(access->timer);
	call_lookup_free(&access->lookup);
	free(access);
}
