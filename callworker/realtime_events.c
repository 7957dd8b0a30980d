/* SPDX-License-Identifier: MIT */
/*
 * realtime_events.c – encodes and decodes events of the Realtime API (GA).
 *
 * Invariant: what is sent fits the strict form of the published schema; what
 * is received is only ever read through the checked getters of common/json.
 */
#include "callworker/realtime_events.h"

#include "callworker/brief.h"
#include "common/json.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	enum realtime_event_type type;
	const char *name;
} event_names[] = {
#define X(id, name) {REALTIME_EVENT_##id, name},
    REALTIME_EVENTS(X)
#undef X
};

static const char *const purpose_names[] = {
    [REALTIME_PURPOSE_NONE] = "",
    [REALTIME_PURPOSE_UPDATE] = "update",
    [REALTIME_PURPOSE_ASK] = "ask",
    [REALTIME_PURPOSE_CANCEL] = "cancel",
    [REALTIME_PURPOSE_ITEM] = "item",
    [REALTIME_PURPOSE_CUT] = "cut",
    [REALTIME_PURPOSE_ASIDE] = "aside",
    [REALTIME_PURPOSE_HUSH] = "hush",
    [REALTIME_PURPOSE_HISTORY] = "history",
};

/* Says to the model, in the callers' language, what to do with one text. */
#define SAY_EXACTLY                                                            \
	"Di exactamente, palabra por palabra y sin añadir nada: «%s»"

static enum realtime_event_type
find_type(const char *name)
{
	for (size_t i = 0; i < sizeof(event_names) / sizeof(*event_names);
	     i++) {
		if (strcmp(event_names[i].name, name) == 0)
			return event_names[i].type;
	}
	return REALTIME_EVENT_UNKNOWN;
}

static enum realtime_status
find_status(const char *name)
{
	if (strcmp(name, "completed") == 0)
		return REALTIME_STATUS_COMPLETED;
	if (strcmp(name, "cancelled") == 0)
		return REALTIME_STATUS_CANCELLED;
	if (strcmp(name, "failed") == 0)
		return REALTIME_STATUS_FAILED;
	if (strcmp(name, "incomplete") == 0)
		return REALTIME_STATUS_INCOMPLETE;
	return REALTIME_STATUS_IN_PROGRESS;
}

static int64_t
tokens(const cJSON *details, const char *key)
{
	int64_t n = json_int(details, key, 0);

	return n < 0 ? 0 : n;
}

static void
read_usage(struct voice_usage *usage, const cJSON *json)
{
	const cJSON *in = json_object(json, "input_token_details");
	const cJSON *out = json_object(json, "output_token_details");

	usage->input_text = tokens(in, "text_tokens");
	usage->input_audio = tokens(in, "audio_tokens");
	usage->input_cached = tokens(in, "cached_tokens");
	usage->output_text = tokens(out, "text_tokens");
	usage->output_audio = tokens(out, "audio_tokens");
}

static void
read_error(struct realtime_event *ev, const cJSON *error)
{
	ev->error_type = json_string(error, "type");
	ev->error_code = json_string(error, "code");
	ev->error_message = json_string(error, "message");
	ev->error_param = json_string(error, "param");
	ev->error_event_id = json_string(error, "event_id");
}

static void
read_response(struct realtime_event *ev)
{
	const cJSON *response = json_object(ev->json, "response");
	const cJSON *details = json_object(response, "status_details");
	const cJSON *metadata = json_object(response, "metadata");

	ev->response_id = json_string(response, "id");
	ev->status = find_status(json_string(response, "status"));
	ev->reason = json_string(details, "reason");
	ev->has_metadata = metadata != NULL;
	ev->ask = json_string(metadata, "ask");
	ev->out_of_band = cJSON_IsNull(
	    cJSON_GetObjectItemCaseSensitive(response, "conversation_id"));
	ev->output = json_array(response, "output");
	read_usage(&ev->usage, json_object(response, "usage"));
	read_error(ev, json_object(details, "error"));
}

/* The longest wait of a limit that is used up; the others do not matter. */
static void
read_rate_limits(struct realtime_event *ev)
{
	const cJSON *limit;

	cJSON_ArrayForEach(limit, json_array(ev->json, "rate_limits")) {
		double s = json_number(limit, "reset_seconds", 0);

		if (json_number(limit, "remaining", 1) > 0 || !(s > 0))
			continue;
		if (s > 60)
			s = 60;
		if (s * 1000 > ev->reset_ms)
			ev->reset_ms = (uint32_t)(s * 1000);
	}
}

static void
read_text(struct realtime_event *ev)
{
	static const char *const members[] = {
	    "delta", "transcript", "arguments"};

	for (size_t i = 0; i < 3 && ev->text[0] == '\0'; i++)
		ev->text = json_string(ev->json, members[i]);
}

static void
read_members(struct realtime_event *ev)
{
	const cJSON *session = json_object(ev->json, "session");
	const cJSON *item = json_object(ev->json, "item");

	ev->response_id = json_string(ev->json, "response_id");
	ev->item_id = json_string(ev->json, "item_id");
	if (item != NULL)
		ev->item_id = json_string(item, "id");
	ev->item_type = json_string(item, "type");
	ev->call_id = json_string(ev->json, "call_id");
	ev->name = json_string(ev->json, "name");
	ev->content_index = json_int(ev->json, "content_index", 0);
	ev->audio_start_ms = json_int(ev->json, "audio_start_ms", -1);
	ev->session_id = json_string(session, "id");
	ev->expires_s = json_int(session, "expires_at", 0);
	ev->reason = ev->ask = ev->text = "";
	read_text(ev);
	read_error(ev, json_object(ev->json, "error"));
	if (ev->type == REALTIME_EVENT_RESPONSE_CREATED ||
	    ev->type == REALTIME_EVENT_RESPONSE_DONE)
		read_response(ev);
	if (ev->type == REALTIME_EVENT_RATE_LIMITS)
		read_rate_limits(ev);
}

int
realtime_event_parse(
    struct realtime_event *event_out, const char *text, size_t len)
{
	struct realtime_event ev = {.json = json_parse(text, len)};

	memset(event_out, 0, sizeof(*event_out));
	ev.type_name = json_string(ev.json, "type");
	if (!cJSON_IsObject(ev.json) || ev.type_name[0] == '\0') {
		cJSON_Delete(ev.json);
		return -EBADMSG;
	}
	ev.type = find_type(ev.type_name);
	read_members(&ev);
	*event_out = ev;
	return 0;
}

void
realtime_event_free(struct realtime_event *event)
{
	cJSON_Delete(event->json);
	memset(event, 0, sizeof(*event));
}

int
realtime_event_audio(
    const struct realtime_event *event, uint8_t **g711_out, size_t *len_out)
{
	size_t len = strlen(event->text);
	size_t padding = len - strcspn(event->text, "=");
	uint8_t *g711;
	int n;

	*g711_out = NULL;
	*len_out = 0;
	if (len == 0)
		return 0;
	if (len % 4 != 0 || len > INT32_MAX || padding > 2 ||
	    strspn(event->text + len - padding, "=") != padding)
		return -EBADMSG;
	g711 = malloc(len / 4 * 3);
	if (g711 == NULL)
		return -ENOMEM;
	n = EVP_DecodeBlock(g711, (const unsigned char *)event->text, (int)len);
	n -= (int)padding; /* which it counts as bytes */
	if (n <= 0) {
		free(g711);
		return -EBADMSG;
	}
	*g711_out = g711;
	*len_out = (size_t)n;
	return 0;
}

void
realtime_event_id(char id_out[REALTIME_ID_SIZE], enum realtime_purpose purpose,
    unsigned number)
{
	snprintf(
	    id_out, REALTIME_ID_SIZE, "%s-%u", purpose_names[purpose], number);
}

enum realtime_purpose
realtime_event_id_purpose(const char *id)
{
	size_t len = strcspn(id, "-");

	for (size_t p = REALTIME_PURPOSE_UPDATE;
	     p < sizeof(purpose_names) / sizeof(purpose_names[0]); p++) {
		if (strlen(purpose_names[p]) == len &&
		    strncmp(purpose_names[p], id, len) == 0)
			return (enum realtime_purpose)p;
	}
	return REALTIME_PURPOSE_NONE;
}

static cJSON *
new_event(const char *type, const char *event_id)
{
	cJSON *event = cJSON_CreateObject();

	json_add_string(event, "type", type);
	json_add_string(event, "event_id", event_id);
	return event;
}

static cJSON *
add_object(cJSON *parent, const char *key)
{
	return cJSON_AddObjectToObject(parent, key);
}

static char *
print_event(cJSON *event)
{
	char *text = cJSON_PrintUnformatted(event);

	cJSON_Delete(event);
	return text;
}

static void
add_format(cJSON *direction, enum g711_law law)
{
	json_add_string(add_object(direction, "format"), "type",
	    law == G711_LAW_ALAW ? "audio/pcma" : "audio/pcmu");
}

static void
add_turn_detection(cJSON *input, const struct brief *brief)
{
	cJSON *detection = brief->turn_detection == NULL
			       ? cJSON_CreateObject()
			       : cJSON_Duplicate(brief->turn_detection, true);

	if (!cJSON_HasObjectItem(detection, "type"))
		json_add_string(detection, "type", "server_vad");
	/* The response state machine counts on both. */
	cJSON_DeleteItemFromObject(detection, "create_response");
	cJSON_DeleteItemFromObject(detection, "interrupt_response");
	json_add_bool(detection, "create_response", true);
	json_add_bool(detection, "interrupt_response", true);
	json_add(input, "turn_detection", detection);
}

static void
add_input(cJSON *audio, const struct brief *brief, enum g711_law law)
{
	cJSON *input = add_object(audio, "input");
	cJSON *part;

	add_format(input, law);
	if (brief->transcription_model[0] != '\0') {
		part = add_object(input, "transcription");
		json_add_string(part, "model", brief->transcription_model);
		if (brief->language[0] != '\0')
			json_add_string(part, "language", brief->language);
	}
	if (brief->noise_reduction[0] != '\0') {
		part = add_object(input, "noise_reduction");
		json_add_string(part, "type", brief->noise_reduction);
	}
	add_turn_detection(input, brief);
}

static void
add_tools(cJSON *session, const struct brief *brief)
{
	cJSON *tools = cJSON_AddArrayToObject(session, "tools");

	for (size_t i = 0; i < brief->tool_count; i++) {
		const struct brief_tool *tool = &brief->tools[i];
		cJSON *json = cJSON_CreateObject();

		json_add_string(json, "type", "function");
		json_add_string(json, "name", tool->name);
		json_add_string(json, "description", tool->description);
		if (tool->parameters != NULL)
			json_add(json, "parameters",
			    cJSON_Duplicate(tool->parameters, true));
		if (!cJSON_AddItemToArray(tools, json))
			cJSON_Delete(json);
	}
	json_add_string(session, "tool_choice", "auto");
}

char *
realtime_encode_session(
    const char *event_id, const struct brief *brief, enum g711_law law)
{
	cJSON *event = new_event("session.update", event_id);
	cJSON *session = add_object(event, "session");
	cJSON *modalities =
	    cJSON_AddArrayToObject(session, "output_modalities");
	cJSON *audio, *output;

	json_add_string(session, "type", "realtime");
	cJSON_AddItemToArray(modalities, cJSON_CreateString("audio"));
	json_add_string(session, "instructions", brief->instructions);
	audio = add_object(session, "audio");
	add_input(audio, brief, law);
	output = add_object(audio, "output");
	add_format(output, law);
	if (brief->voice[0] != '\0')
		json_add_string(output, "voice", brief->voice);
	add_tools(session, brief);
	if (brief->reasoning_effort[0] != '\0')
		json_add_string(add_object(session, "reasoning"), "effort",
		    brief->reasoning_effort);
	return print_event(event);
}

/* A message of ROLE, whose words are of TYPE. */
static void
add_message(cJSON *event, const char *item_id, const char *role,
    const char *type, const char *text)
{
	cJSON *item = add_object(event, "item");
	cJSON *content, *part = cJSON_CreateObject();

	json_add_string(item, "id", item_id);
	json_add_string(item, "type", "message");
	json_add_string(item, "role", role);
	content = cJSON_AddArrayToObject(item, "content");
	json_add_string(part, "type", type);
	json_add_string(part, "text", text);
	if (!cJSON_AddItemToArray(content, part))
		cJSON_Delete(part);
}

char *
realtime_encode_text(
    const char *event_id, const char *item_id, const char *text)
{
	cJSON *event = new_event("conversation.item.create", event_id);

	add_message(event, item_id, "user", "input_text", text);
	return print_event(event);
}

char *
realtime_encode_said(const char *event_id, const char *item_id,
    const char *previous, const char *text)
{
	cJSON *event = new_event("conversation.item.create", event_id);

	if (previous[0] != '\0')
		json_add_string(event, "previous_item_id", previous);
	add_message(event, item_id, "assistant", "output_text", text);
	return print_event(event);
}

char *
realtime_encode_call(const char *event_id, const char *item_id,
    const char *call_id, const char *name, const char *arguments)
{
	cJSON *event = new_event("conversation.item.create", event_id);
	cJSON *item = add_object(event, "item");

	json_add_string(item, "id", item_id);
	json_add_string(item, "type", "function_call");
	json_add_string(item, "call_id", call_id);
	json_add_string(item, "name", name);
	json_add_string(item, "arguments", arguments);
	return print_event(event);
}

char *
realtime_encode_output(const char *event_id, const char *item_id,
    const char *call_id, const char *output)
{
	cJSON *event = new_event("conversation.item.create", event_id);
	cJSON *item = add_object(event, "item");

	json_add_string(item, "id", item_id);
	json_add_string(item, "type", "function_call_output");
	json_add_string(item, "call_id", call_id);
	json_add_string(item, "output", output);
	return print_event(event);
}

/* The text between our quotation marks must not end them. */
static char *
say_instructions(const char *say)
{
	size_t size = sizeof(SAY_EXACTLY) + strlen(say);
	char *text = malloc(size);
	char *mark;

	if (text == NULL)
		return NULL;
	snprintf(text, size, SAY_EXACTLY, say);
	mark = strstr(text, "«") + strlen("«");
	for (char *p = mark; (p = strpbrk(p, "\"\xc2")) != NULL; p++) {
		if (*p == '"')
			*p = '\'';
		else if (strcmp(p, "»") != 0 &&
			 (p[1] == '\xab' || p[1] == '\xbb'))
			memcpy(p, "' ", 2);
	}
	return text;
}

/* A response.create; *RESPONSE_OUT is in it. INSTRUCTIONS may be NULL. */
static cJSON *
new_ask(const char *event_id, const char *instructions, cJSON **response_out)
{
	cJSON *event = new_event("response.create", event_id);
	cJSON *response = add_object(event, "response");

	json_add_string(add_object(response, "metadata"), "ask", event_id);
	if (instructions != NULL)
		json_add_string(response, "instructions", instructions);
	*response_out = response;
	return event;
}

char *
realtime_encode_ask(const char *event_id, const char *say)
{
	char *instructions = say == NULL ? NULL : say_instructions(say);
	cJSON *event, *response;

	if (say != NULL && instructions == NULL)
		return NULL;
	event = new_ask(event_id, instructions, &response);
	free(instructions);
	if (say != NULL)
		json_add_string(response, "tool_choice", "none");
	return print_event(event);
}

char *
realtime_encode_aside(const char *event_id, const char *text)
{
	char *instructions = say_instructions(text);
	cJSON *event, *response;

	if (instructions == NULL)
		return NULL;
	event = new_ask(event_id, instructions, &response);
	free(instructions);
	json_add_string(response, "conversation", "none");
	/* Both are the session's, unless emptied. */
	cJSON_AddArrayToObject(response, "input");
	cJSON_AddArrayToObject(response, "tools");
	return print_event(event);
}

char *
realtime_encode_cancel(const char *event_id, const char *response_id)
{
	cJSON *event = new_event("response.cancel", event_id);

	json_add_string(event, "response_id", response_id);
	return print_event(event);
}

char *
realtime_encode_truncate(const char *event_id, const char *item_id,
    int64_t content_index, uint32_t audio_end_ms)
{
	cJSON *event = new_event("conversation.item.truncate", event_id);

	json_add_string(event, "item_id", item_id);
	json_add_int(event, "content_index", content_index);
	json_add_int(event, "audio_end_ms", audio_end_ms);
	return print_event(event);
}

char *
realtime_encode_delete(const char *event_id, const char *item_id)
{
	cJSON *event = new_event("conversation.item.delete", event_id);

	json_add_string(event, "item_id", item_id);
	return print_event(event);
}

size_t
realtime_encode_append(
    char buf[REALTIME_APPEND_SIZE], const uint8_t *g711, size_t len)
{
	static const char head[] =
	    "{\"type\":\"input_audio_buffer.append\",\"audio\":\"";
	size_t n = sizeof(head) - 1;

	assert(len <= REALTIME_FRAME_MAX);
	memcpy(buf, head, n);
	n += (size_t)EVP_EncodeBlock((unsigned char *)buf + n, g711, (int)len);
	memcpy(buf + n, "\"}", 2);
	return n + 2;
}
