/* SPDX-License-Identifier: MIT */
/*
 * tools.c – loads tool definitions, checks them, and counts who uses them.
 *
 * Invariant: a tool in a generation is complete; nobody who uses it has to
 * look for a missing member.
 */
#include "supervisor/tools.h"

#include "common/json.h"
#include "common/json_schema.h"
#include "common/tool_status.h"
#include "supervisor/folder.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	DESCRIPTION_MAX = 4096, /* bytes */
	SENTENCE_MAX = 600,
	NAME_MAX_LEN = 64, /* OpenAI's limit for a function's name */
	DEADLINE_DEFAULT_MS = 60000,
};

struct tools {
	unsigned int references;
	size_t count;
	struct tool list[TOOLS_MAX];
	cJSON *files[TOOLS_MAX]; /* what list[i] points into */
	cJSON *settings[TOOLS_MAX];
};

/* What is being loaded; arg of on_file(). */
struct loader {
	struct tools *tools;
	const struct config *config;
	struct config_problems *problems;
	const char *path;
	bool good; /* of the file in PATH so far */
};

static const char *const members[] = {"name", "description", "parameters",
    "executor", "deadline_ms", "timeout_argument", "read_only", "failures",
    "waiting"};

static void __attribute__((format(printf, 2, 3)))
bad(struct loader *loader, const char *fmt, ...)
{
	char text[384];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	config_problem(loader->problems, false,
	    "%s: %s; this tool is not offered", loader->path, text);
	loader->good = false;
}

/* The line of TEXT in which JSON stops making sense. */
static unsigned int
error_line(const char *text, size_t len)
{
	const char *end = text;
	unsigned int line = 1;

	cJSON_Delete(cJSON_ParseWithLengthOpts(text, len, &end, 0));
	for (const char *c = text; c < end && c < text + len; c++)
		line += *c == '\n';
	return line;
}

static void
check_members(struct loader *loader, const cJSON *file)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, file) {
		bool known = false;

		for (size_t i = 0; i < sizeof(members) / sizeof(members[0]);
		     i++)
			known = known || strcmp(members[i], item->string) == 0;
		if (!known)
			bad(loader, "\"%.64s\" is not a member that a tool has",
			    item->string);
		else if (cJSON_GetObjectItemCaseSensitive(file, item->string) !=
			 item)
			bad(loader, "\"%s\" is there twice", item->string);
	}
}

/* A string of 1 … MAX bytes, or what is OPTIONAL and not there. */
static const char *
take_string(struct loader *loader, const cJSON *file, const char *key,
    size_t max, bool optional)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(file, key);
	const char *value = json_string(file, key);

	if (item == NULL && optional)
		return "";
	if (value[0] == '\0' || strlen(value) > max)
		bad(loader, "\"%s\" must be a text of 1 to %zu bytes", key,
		    max);
	return value;
}

static void
take_name(struct loader *loader, const cJSON *file, struct tool *tool)
{
	tool->name = take_string(loader, file, "name", NAME_MAX_LEN, false);
	for (const char *c = tool->name; *c != '\0'; c++) {
		if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-') {
			bad(loader,
			    "\"name\" may contain only letters, digits, '_' "
			    "and '-'");
			break;
		}
	}
	if (tools_find(loader->tools, tool->name) != NULL)
		bad(loader, "another file defines \"%s\" already", tool->name);
}

static void
take_parameters(struct loader *loader, const cJSON *file, struct tool *tool)
{
	char why[JSON_SCHEMA_WHY_SIZE];

	tool->parameters = json_object(file, "parameters");
	if (tool->parameters == NULL ||
	    strcmp(json_string(tool->parameters, "type"), "object") != 0)
		bad(loader,
		    "\"parameters\" must be a JSON schema of type object");
	else if (json_schema_check(tool->parameters, why, sizeof(why)) < 0)
		bad(loader, "\"parameters\": %.300s", why);
}

static void
take_failures(struct loader *loader, const cJSON *file, struct tool *tool)
{
	enum tool_status status;
	const cJSON *item;

	tool->failures = json_object(file, "failures");
	if (tool->failures == NULL) {
		bad(loader, "\"failures\" must be an object with a sentence "
			    "for each status");
		return;
	}
	for (int i = 0; i < TOOL_STATUS_COUNT; i++) {
		const char *name = tool_status_name((enum tool_status)i);
		const char *sentence = json_string(tool->failures, name);

		if (tool_status_has_sentence((enum tool_status)i) &&
		    (sentence[0] == '\0' || strlen(sentence) > SENTENCE_MAX))
			bad(loader,
			    "\"failures\" must have a sentence of 1 to %d "
			    "bytes for \"%s\"",
			    SENTENCE_MAX, name);
	}
	cJSON_ArrayForEach(item, tool->failures) {
		if (tool_status_find(item->string, &status) < 0 ||
		    !tool_status_has_sentence(status))
			bad(loader,
			    "\"failures\": \"%.64s\" is no status of a failure",
			    item->string);
	}
}

static void
take_limits(struct loader *loader, const cJSON *file, struct tool *tool)
{
	const cJSON *item =
	    cJSON_GetObjectItemCaseSensitive(file, "deadline_ms");
	double ms = json_number(
	    file, "deadline_ms", item == NULL ? DEADLINE_DEFAULT_MS : 0);
	const cJSON *read_only =
	    cJSON_GetObjectItemCaseSensitive(file, "read_only");
	const cJSON *argument;

	if (read_only != NULL && !cJSON_IsBool(read_only))
		bad(loader, "\"read_only\" must be true or false");
	tool->read_only = json_bool(file, "read_only", false);
	if (ms < TOOLS_DEADLINE_MIN_MS || ms > TOOLS_DEADLINE_MAX_MS)
		bad(loader, "\"deadline_ms\" must be a number from %d to %d",
		    TOOLS_DEADLINE_MIN_MS, TOOLS_DEADLINE_MAX_MS);
	else
		tool->deadline_ms = (uint32_t)ms;
	tool->timeout_argument =
	    take_string(loader, file, "timeout_argument", NAME_MAX_LEN, true);
	if (tool->timeout_argument[0] == '\0')
		return;
	argument = json_at(
	    tool->parameters, "properties", tool->timeout_argument, NULL);
	if (json_number(argument, "default", -1) <= 0)
		bad(loader,
		    "\"timeout_argument\": \"parameters\" must describe "
		    "\"%s\" with a default, in seconds",
		    tool->timeout_argument);
}

static bool
executor_is_available(struct loader *loader, const char *type)
{
	if (strcmp(type, "mikrotik") == 0)
		return loader->config->enable_mikrotik_tools &&
		       loader->config->mikrotik_api_url[0] != '\0';
	bad(loader,
	    "\"executor\": the type \"%.40s\" is not known; there is: "
	    "mikrotik",
	    type);
	return false;
}

/* Returns the settings for job.run, or NULL. */
static cJSON *
take_executor(struct loader *loader, const cJSON *file, struct tool *tool)
{
	const cJSON *executor = json_object(file, "executor");
	cJSON *settings;

	tool->executor = json_string(executor, "type");
	if (tool->executor[0] == '\0') {
		bad(loader, "\"executor\" must be an object with a \"type\"");
		return NULL;
	}
	tool->available = executor_is_available(loader, tool->executor);
	settings = cJSON_Duplicate(executor, true);
	cJSON_DeleteItemFromObjectCaseSensitive(settings, "type");
	cJSON_DeleteItemFromObjectCaseSensitive(settings, "executor");
	json_add_string(settings, "executor", tool->executor);
	tool->settings = settings;
	return settings;
}

static void
take_file(struct loader *loader, cJSON *file)
{
	struct tools *tools = loader->tools;
	struct tool tool = {0};
	cJSON *settings;

	check_members(loader, file);
	take_name(loader, file, &tool);
	tool.description =
	    take_string(loader, file, "description", DESCRIPTION_MAX, false);
	tool.waiting = take_string(loader, file, "waiting", SENTENCE_MAX, true);
	take_parameters(loader, file, &tool);
	take_failures(loader, file, &tool);
	take_limits(loader, file, &tool);
	settings = take_executor(loader, file, &tool);
	if (loader->good && tools->count == TOOLS_MAX)
		bad(loader, "there are more than %d tools", TOOLS_MAX);
	if (!loader->good || settings == NULL) {
		cJSON_Delete(settings);
		cJSON_Delete(file);
		return;
	}
	tools->list[tools->count] = tool;
	tools->files[tools->count] = file;
	tools->settings[tools->count++] = settings;
}

static void
on_file(const char *path, const char *name, char *text, size_t len, void *arg)
{
	struct loader *loader = arg;
	cJSON *file = json_parse(text, len);

	(void)name;
	loader->path = path;
	loader->good = true;
	if (file == NULL)
		bad(loader, "line %u: this is not JSON", error_line(text, len));
	else if (!cJSON_IsObject(file))
		bad(loader, "a tool is one JSON object");
	if (loader->good)
		take_file(loader, file);
	else
		cJSON_Delete(file);
	free(text);
}

int
tools_load(struct tools **tools_out, const char *folder,
    const struct config *config, struct config_problems *problems)
{
	struct loader loader = {.config = config, .problems = problems};
	int ret;

	loader.tools = calloc(1, sizeof(*loader.tools));
	if (loader.tools == NULL)
		return -ENOMEM;
	loader.tools->references = 1;
	ret = folder_read(folder, ".json", problems, on_file, &loader);
	if (ret < 0)
		config_problem(problems, false,
		    "%s: %s; the voice has no tools (TOOLS_DIR)", folder,
		    strerror(-ret));
	*tools_out = loader.tools;
	return 0;
}

struct tools *
tools_ref(struct tools *tools)
{
	assert(tools->references > 0);
	tools->references++;
	return tools;
}

void
tools_unref(struct tools **tools)
{
	struct tools *old = *tools;

	*tools = NULL;
	if (old == NULL || --old->references > 0)
		return;
	for (size_t i = 0; i < old->count; i++) {
		cJSON_Delete(old->files[i]);
		cJSON_Delete(old->settings[i]);
	}
	free(old);
}

size_t
tools_count(const struct tools *tools)
{
	return tools->count;
}

const struct tool *
tools_at(const struct tools *tools, size_t index)
{
	assert(index < tools->count);
	return &tools->list[index];
}

const struct tool *
tools_find(const struct tools *tools, const char *name)
{
	for (size_t i = 0; i < tools->count; i++) {
		if (strcmp(tools->list[i].name, name) == 0)
			return &tools->list[i];
	}
	return NULL;
}
