/* SPDX-License-Identifier: MIT */
/*
 * call_tool.c – reads and checks what a tool of type "call" declares, and
 * makes of a function call's arguments what Asterisk is to dial.
 *
 * Invariant: an endpoint that leaves this file is one of the operator's,
 * letter by letter, but for one value of plain letters, digits, '*', '#',
 * '_', '+' and '-'.
 */
#include "common/call_tool.h"

#include "common/json.h"
#include "common/tool_reader.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MARK "${argument:"

enum {
	NAME_MAX_LEN = 64,
};

/* One run of call_tool_read(). */
/* The later ones are what a tool file adds to "executor" itself. */
static const char *const members[] = {"type", "action", "argument",
    "destinations", "executor", "parameters", "timeout_argument", "read_only"};
static const char *const destination_members[] = {"endpoint", "ring_s"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* -- endpoints ----------------------------------------------------------------- */

/* The NAME in the one "${argument:NAME}" of ENDPOINT; its place, or NULL. */
static const char *
find_reference(const char *endpoint, char name[NAME_MAX_LEN + 1])
{
	const char *start = strstr(endpoint, MARK);
	size_t len;

	if (start == NULL)
		return NULL;
	len = strcspn(start + strlen(MARK), "}");
	if (len > NAME_MAX_LEN || start[strlen(MARK) + len] != '}')
		len = 0;
	snprintf(
	    name, NAME_MAX_LEN + 1, "%.*s", (int)len, start + strlen(MARK));
	return start;
}

/* What comes after a reference. */
static const char *
behind(const char *reference)
{
	return strchr(reference, '}') + 1;
}

/*
 * Whoever calls chooses its value, by way of the model: it must be one of a
 * list, or so short that no outside number can be dialled with it.
 */
static void
check_parameter(struct tool_reader *reader, const char *where, const char *name)
{
	const cJSON *parameter =
	    json_at(reader->parameters, "properties", name, NULL);
	int64_t max = json_int(parameter, "maxLength", INT64_MAX);

	if (strcmp(json_string(parameter, "type"), "string") != 0)
		tool_reader_bad(reader,
		    "%s\"endpoint\": \"parameters\" must describe \"%s\" as a "
		    "string",
		    where, name);
	else if (json_array(parameter, "enum") == NULL &&
		 max > CALL_TOOL_DIGITS_MAX)
		tool_reader_bad(reader,
		    "%s\"endpoint\": the parameter \"%s\" needs an \"enum\" "
		    "or a \"maxLength\" of at most %d, so that nobody can "
		    "have any number dialled",
		    where, name, CALL_TOOL_DIGITS_MAX);
}

/* "TECHNOLOGY/what it understands". */
static bool
is_endpoint(const char *text)
{
	size_t tech = strspn(text,
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");

	if (tech == 0 || text[tech] != '/' || text[tech + 1] == '\0' ||
	    strlen(text) >= CALL_TOOL_ENDPOINT_SIZE - CALL_TOOL_VALUE_MAX)
		return false;
	for (const char *c = text; *c != '\0'; c++) {
		if (!isgraph((unsigned char)*c) || strchr("&,\"<>", *c) != NULL)
			return false;
	}
	return true;
}

static void
check_endpoint(
    struct tool_reader *reader, const char *where, const char *endpoint)
{
	char name[NAME_MAX_LEN + 1];
	const char *reference;

	if (!is_endpoint(endpoint)) {
		tool_reader_bad(reader,
		    "%s\"endpoint\" must be what Asterisk dials, such as "
		    "\"PJSIP/200\" or \"Local/600@from-internal\": at most %d "
		    "letters, no spaces, '&', ',', '<', '>' or quotes",
		    where, CALL_TOOL_ENDPOINT_SIZE - CALL_TOOL_VALUE_MAX - 1);
		return;
	}
	if (strstr(endpoint, "${") == NULL)
		return;
	reference = find_reference(endpoint, name);
	if (reference == NULL || name[0] == '\0' ||
	    reference != strstr(endpoint, "${") ||
	    reference < strchr(endpoint, '/') ||
	    strstr(behind(reference), "${") != NULL)
		tool_reader_bad(reader,
		    "%s\"endpoint\" may hold one ${argument:NAME} behind the "
		    "'/' and no other reference",
		    where);
	else
		check_parameter(reader, where, name);
}

/* -- a transfer ------------------------------------------------------------------- */

static uint32_t
ring_s(const cJSON *destination)
{
	return (uint32_t)json_int(
	    destination, "ring_s", CALL_TOOL_RING_DEFAULT_S);
}

static void
check_destination(struct tool_reader *reader, struct call_tool *tool,
    const cJSON *destination)
{
	const cJSON *ring =
	    cJSON_GetObjectItemCaseSensitive(destination, "ring_s");
	char where[NAME_MAX_LEN + 40];

	snprintf(where, sizeof(where),
	    "\"destinations\": \"%.64s\": ", destination->string);
	if (!cJSON_IsObject(destination)) {
		tool_reader_bad(
		    reader, "%smust be an object with an \"endpoint\"", where);
		return;
	}
	tool_reader_check_members(reader, destination, where,
	    destination_members, COUNT(destination_members));
	check_endpoint(reader, where, json_string(destination, "endpoint"));
	if (ring != NULL && (!cJSON_IsNumber(ring) ||
				ring->valuedouble < CALL_TOOL_RING_MIN_S ||
				ring->valuedouble > CALL_TOOL_RING_MAX_S))
		tool_reader_bad(reader,
		    "%s\"ring_s\" must be a number from %d to %d", where,
		    CALL_TOOL_RING_MIN_S, CALL_TOOL_RING_MAX_S);
	else if (ring_s(destination) > tool->ring_max_s)
		tool->ring_max_s = ring_s(destination);
}

static bool
lists(const cJSON *array, const char *text)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, array) {
		if (cJSON_IsString(item) &&
		    strcmp(item->valuestring, text) == 0)
			return true;
	}
	return false;
}

/* The model can say exactly the destinations that there are. */
static void
check_choice(struct tool_reader *reader, const struct call_tool *tool)
{
	const cJSON *choices = json_array(
	    json_at(reader->parameters, "properties", tool->argument, NULL),
	    "enum");
	const cJSON *item;

	if (choices == NULL) {
		tool_reader_bad(reader,
		    "\"argument\": \"parameters\" must describe \"%.64s\" with "
		    "an \"enum\" of all destinations",
		    tool->argument);
		return;
	}
	cJSON_ArrayForEach(item, tool->destinations) {
		if (!lists(choices, item->string))
			tool_reader_bad(reader,
			    "\"destinations\": \"%.64s\" is missing in the "
			    "\"enum\" of \"%.64s\"",
			    item->string, tool->argument);
	}
	cJSON_ArrayForEach(item, choices) {
		if (!cJSON_IsString(item) ||
		    json_object(tool->destinations, item->valuestring) == NULL)
			tool_reader_bad(reader,
			    "the \"enum\" of \"%.64s\" has \"%.64s\", which is "
			    "none of the \"destinations\"",
			    tool->argument,
			    cJSON_IsString(item) ? item->valuestring : "?");
	}
	cJSON_ArrayForEach(item, json_array(reader->parameters, "required")) {
		if (cJSON_IsString(item) &&
		    strcmp(item->valuestring, tool->argument) != 0)
			tool_reader_bad(reader,
			    "\"parameters\": only \"%.64s\" may be required, "
			    "not \"%.64s\": who presses 0 is asked nothing",
			    tool->argument, item->valuestring);
	}
	if (!lists(json_array(reader->parameters, "required"), tool->argument))
		tool_reader_bad(reader,
		    "\"parameters\": \"%.64s\" must be required",
		    tool->argument);
}

static void
check_transfer(
    struct tool_reader *reader, struct call_tool *tool, const cJSON *settings)
{
	int count = cJSON_GetArraySize(tool->destinations);
	const cJSON *item;

	if (tool->destinations == NULL || count < 1 ||
	    count > CALL_TOOL_DESTINATIONS_MAX) {
		tool_reader_bad(reader,
		    "\"destinations\" must be an object of 1 to %d "
		    "destinations",
		    CALL_TOOL_DESTINATIONS_MAX);
		return;
	}
	cJSON_ArrayForEach(item, tool->destinations) {
		if (cJSON_GetObjectItemCaseSensitive(
			tool->destinations, item->string) != item)
			tool_reader_bad(reader,
			    "\"destinations\": \"%.64s\" is there twice",
			    item->string);
		check_destination(reader, tool, item);
	}
	tool->argument = json_string(settings, "argument");
	if (tool->argument[0] == '\0')
		tool_reader_bad(reader,
		    "\"argument\" must name the parameter that chooses "
		    "one of the \"destinations\"");
	else
		check_choice(reader, tool);
}

int
call_tool_read(struct call_tool *tool_out, const cJSON *settings,
    const cJSON *parameters, call_tool_problem_fn *problem, void *arg)
{
	struct tool_reader reader = {settings, parameters, problem, arg, true};
	struct call_tool tool = {
	    .action = json_string(settings, "action"),
	    .argument = "",
	    .destinations = json_object(settings, "destinations"),
	};

	tool_reader_check_members(
	    &reader, settings, "", members, COUNT(members));
	if (strcmp(tool.action, "transfer") == 0)
		check_transfer(&reader, &tool, settings);
	else if (strcmp(tool.action, "hangup") != 0 &&
		 strcmp(tool.action, "cancel") != 0)
		tool_reader_bad(&reader,
		    "\"action\" must be hangup, cancel or transfer, not "
		    "\"%.40s\"",
		    tool.action);
	else if (tool.destinations != NULL)
		tool_reader_bad(
		    &reader, "\"destinations\" is for the action transfer");
	if (!reader.good)
		return -EINVAL;
	*tool_out = tool;
	return 0;
}

/* -- in use ------------------------------------------------------------------------- */

/* What may stand in an endpoint, whatever the schema allows. */
static bool
is_plain(const char *value)
{
	size_t len =
	    strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			  "0123456789*#_+-");

	return len > 0 && len <= CALL_TOOL_VALUE_MAX && value[len] == '\0';
}

/* ENDPOINT with its reference replaced. */
static int
fill_in(char *buf, size_t size, const char *endpoint, const cJSON *arguments,
    char why[CALL_TOOL_WHY_SIZE])
{
	char name[NAME_MAX_LEN + 1];
	const char *reference = find_reference(endpoint, name);
	const char *value;
	int n;

	if (reference == NULL) {
		n = snprintf(buf, size, "%s", endpoint);
		assert(n > 0 && (size_t)n < size);
		return 0;
	}
	value = json_string(arguments, name);
	if (!is_plain(value)) {
		snprintf(why, CALL_TOOL_WHY_SIZE,
		    "\"%s\" must be an extension: 1 to %d letters, digits, "
		    "'*' or '#'",
		    name, CALL_TOOL_VALUE_MAX);
		return -EINVAL;
	}
	n = snprintf(buf, size, "%.*s%s%s", (int)(reference - endpoint),
	    endpoint, value, behind(reference));
	assert(n > 0 && (size_t)n < size);
	return 0;
}

int
call_tool_destination(const cJSON *settings, const cJSON *arguments,
    struct call_destination *out, char why[CALL_TOOL_WHY_SIZE])
{
	const char *argument = json_string(settings, "argument");
	const char *name = json_string(arguments, argument);
	const cJSON *destination =
	    json_object(json_object(settings, "destinations"), name);

	if (destination == NULL) {
		snprintf(why, CALL_TOOL_WHY_SIZE, "\"%.64s\" is no destination",
		    name);
		return -EINVAL;
	}
	out->name = destination->string;
	out->ring_s = ring_s(destination);
	return fill_in(out->endpoint, sizeof(out->endpoint),
	    json_string(destination, "endpoint"), arguments, why);
}

cJSON *
call_tool_arguments(const cJSON *settings, const char *name)
{
	const cJSON *destination =
	    json_object(json_object(settings, "destinations"), name);
	cJSON *arguments;

	if (destination == NULL ||
	    strstr(json_string(destination, "endpoint"), MARK) != NULL)
		return NULL;
	arguments = cJSON_CreateObject();
	json_add_string(arguments, json_string(settings, "argument"), name);
	return arguments;
}
