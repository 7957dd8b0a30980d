/* SPDX-License-Identifier: MIT */
/*
 * access_tool.c – reads and checks what a tool of type "access" declares.
 *
 * Invariant: a PIN is dialled, never an argument: the model has no place in
 * which it could pass one on.
 */
#include "common/access_tool.h"

#include "common/json.h"
#include "common/sentence.h"
#include "common/tool_reader.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* One run of access_tool_read(). */
/* The later ones are what a tool file adds to "executor" itself. */
static const char *const members[] = {"type", "action", "prompt", "length",
    "tool", "dial", "granted", "wrong", "locked", "nothing", "executor",
    "parameters", "timeout_argument", "read_only"};

/* WANTED: it must be there; else it must not. */
static const char *
take_text(struct tool_reader *reader, const char *key, bool wanted)
{
	const cJSON *item =
	    cJSON_GetObjectItemCaseSensitive(reader->settings, key);
	const char *text = json_string(reader->settings, key);

	if (!wanted && item != NULL)
		tool_reader_bad(reader, "\"%s\" has no meaning in it", key);
	else if (wanted && (text[0] == '\0' || strlen(text) > SENTENCE_MAX))
		tool_reader_bad(reader,
		    "\"%s\" must be a text of 1 to %d bytes", key,
		    SENTENCE_MAX);
	return text;
}

static void
take_sentences(struct tool_reader *reader, struct access_tool *tool, bool dials)
{
	static const struct sentence_place left = {.name = "left"};
	const char *stray;

	tool->prompt = take_text(reader, "prompt", dials);
	tool->nothing = take_text(reader, "nothing", dials);
	tool->granted = take_text(reader, "granted", true);
	tool->wrong = take_text(reader, "wrong", true);
	tool->locked = take_text(reader, "locked", true);
	stray = sentence_stray(tool->wrong, &left, 1);
	if (stray != NULL)
		tool_reader_bad(reader,
		    "\"wrong\": \"%.*s\" is no place that it can have",
		    (int)strcspn(stray, " ,.;:"), stray);
}

static void
take_length(struct tool_reader *reader, struct access_tool *tool, bool dials)
{
	const cJSON *item =
	    cJSON_GetObjectItemCaseSensitive(reader->settings, "length");

	if (item == NULL)
		return;
	if (!dials || !cJSON_IsNumber(item) || item->valuedouble < 1 ||
	    item->valuedouble > ACCESS_TOOL_LENGTH_MAX)
		tool_reader_bad(reader,
		    "\"length\" must be a number from 1 to %d, of digits that "
		    "are dialled",
		    ACCESS_TOOL_LENGTH_MAX);
	else
		tool->length = (size_t)item->valuedouble;
}

/* A PIN has no other way than the keys. */
static void
check_pin(struct tool_reader *reader)
{
	const cJSON *properties = json_object(reader->parameters, "properties");

	if (properties != NULL && properties->child != NULL)
		tool_reader_bad(
		    reader, "\"staff_pin\" has no arguments: a PIN is dialled");
	if (json_bool(reader->parameters, "additionalProperties", true))
		tool_reader_bad(reader,
		    "\"staff_pin\": \"parameters\" must have "
		    "\"additionalProperties\": false");
}

static bool
is_required(const struct tool_reader *reader, const char *name)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, json_array(reader->parameters, "required")) {
		if (cJSON_IsString(item) &&
		    strcmp(item->valuestring, name) == 0)
			return true;
	}
	return false;
}

static void
check_dial(struct tool_reader *reader, const char *dial)
{
	const cJSON *parameter =
	    json_at(reader->parameters, "properties", dial, NULL);

	if (strcmp(json_string(parameter, "type"), "string") != 0)
		tool_reader_bad(reader,
		    "\"dial\": \"parameters\" must describe \"%.64s\" as a "
		    "string",
		    dial);
	else if (is_required(reader, dial))
		tool_reader_bad(reader,
		    "\"dial\": \"%.64s\" may not be required, else it is never "
		    "dialled",
		    dial);
}

int
access_tool_read(struct access_tool *tool_out, const cJSON *settings,
    const cJSON *parameters, access_tool_problem_fn *problem, void *arg)
{
	struct tool_reader reader = {
	    .settings = settings,
	    .parameters = parameters,
	    .problem = problem,
	    .arg = arg,
	    .good = true,
	};
	struct access_tool tool = {
	    .action = json_string(settings, "action"),
	    .dial = json_string(settings, "dial"),
	};
	bool is_pin = strcmp(tool.action, "staff_pin") == 0;
	bool dials = is_pin || tool.dial[0] != '\0';

	tool_reader_check_members(&reader, settings, "", members,
	    sizeof(members) / sizeof(members[0]));
	if (!is_pin && strcmp(tool.action, "customer_factor") != 0)
		tool_reader_bad(
		    &reader, "\"action\" must be staff_pin or customer_factor");
	take_sentences(&reader, &tool, dials);
	take_length(&reader, &tool, dials);
	tool.tool = take_text(&reader, "tool", !is_pin);
	if (is_pin)
		check_pin(&reader);
	if (is_pin && tool.dial[0] != '\0')
		tool_reader_bad(&reader, "\"dial\" has no meaning in it");
	else if (tool.dial[0] != '\0')
		check_dial(&reader, tool.dial);
	if (!reader.good)
		return -EINVAL;
	*tool_out = tool;
	return 0;
}
