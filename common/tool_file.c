/* SPDX-License-Identifier: MIT */
/*
 * tool_file.c – reads and checks the definition of one tool.
 *
 * Invariant: a tool that comes out is complete; nobody who uses it has to
 * look for a missing member.
 */
#include "common/tool_file.h"

#include "common/access_tool.h"
#include "common/call_tool.h"
#include "common/http_tool.h"
#include "common/json.h"
#include "common/json_default.h"
#include "common/json_schema.h"
#include "common/routeros_sentences.h"
#include "common/routeros_tool.h"
#include "common/sentence.h"
#include "common/sql_tool.h"
#include "common/tool_secret.h"
#include "common/tool_status.h"
#include "common/url.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	DESCRIPTION_MAX = 4096, /* bytes */
	NAME_MAX_LEN = 64,      /* OpenAI's limit for a function's name */
	DEADLINE_DEFAULT_MS = 60000,
};

/* One run of tool_file_parse(). */
struct reader {
	const char *path;
	const cJSON *json;
	const struct config *config;
	struct config_problems *problems;
	struct tool tool;
	bool good;
};

static const char *const members[] = {"name", "description", "parameters",
    "executor", "deadline_ms", "timeout_argument", "read_only", "exclusive",
    "cache_s", "stale", "target", "target_limit", "who", "unidentified",
    "confirm", "failures", "waiting", "progress"};

static const char *const who_names[] = {
    [TOOL_WHO_PUBLIC] = "public",
    [TOOL_WHO_CUSTOMER] = "customer",
    [TOOL_WHO_STAFF] = "staff",
    [TOOL_WHO_SERVICE] = "service",
};

const char *
tool_who_name(enum tool_who who)
{
	return who_names[who];
}

static void __attribute__((format(printf, 2, 3)))
bad(struct reader *reader, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	config_problem(reader->problems, false,
	    "%s: %s; this tool is not offered", reader->path, text);
	reader->good = false;
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
check_members(struct reader *reader)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, reader->json) {
		bool known = false;

		for (size_t i = 0; i < sizeof(members) / sizeof(members[0]);
		     i++)
			known = known || strcmp(members[i], item->string) == 0;
		if (!known)
			bad(reader, "\"%.64s\" is not a member that a tool has",
			    item->string);
		else if (cJSON_GetObjectItemCaseSensitive(
			     reader->json, item->string) != item)
			bad(reader, "\"%s\" is there twice", item->string);
	}
}

/* -- members of one kind each ------------------------------------------------ */

/* A string of 1 … MAX bytes, or what is OPTIONAL and not there. */
static const char *
take_string(struct reader *reader, const char *key, size_t max, bool optional)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(reader->json, key);
	const char *value = json_string(reader->json, key);

	if (item == NULL && optional)
		return "";
	if (value[0] == '\0' || strlen(value) > max)
		bad(reader, "\"%s\" must be a text of 1 to %zu bytes", key,
		    max);
	return value;
}

static bool
take_switch(struct reader *reader, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(reader->json, key);

	if (item != NULL && !cJSON_IsBool(item))
		bad(reader, "\"%s\" must be true or false", key);
	return json_bool(reader->json, key, false);
}

static uint32_t
take_number(struct reader *reader, const char *key, uint32_t otherwise,
    uint32_t min, uint32_t max)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(reader->json, key);

	if (item == NULL)
		return otherwise;
	if (cJSON_IsNumber(item) && item->valuedouble >= min &&
	    item->valuedouble <= max)
		return (uint32_t)item->valuedouble;
	bad(reader, "\"%s\" must be a number from %u to %u", key, min, max);
	return otherwise;
}

/* -- one member each ------------------------------------------------------------ */

static void
take_name(struct reader *reader)
{
	const char *name = take_string(reader, "name", NAME_MAX_LEN, false);

	reader->tool.name = name;
	for (const char *c = name; *c != '\0'; c++) {
		if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-') {
			bad(reader,
			    "\"name\" may contain only letters, digits, '_' "
			    "and '-'");
			return;
		}
	}
}

static void
take_parameters(struct reader *reader)
{
	const cJSON *parameters = json_object(reader->json, "parameters");
	char why[JSON_SCHEMA_WHY_SIZE];

	reader->tool.parameters = parameters;
	if (parameters == NULL ||
	    strcmp(json_string(parameters, "type"), "object") != 0)
		bad(reader,
		    "\"parameters\" must be a JSON schema of type object");
	else if (json_schema_check(parameters, why, sizeof(why)) < 0)
		bad(reader, "\"parameters\": %.300s", why);
	else if (json_default_check(parameters, why, sizeof(why)) < 0)
		bad(reader, "\"parameters\": a default: %.300s", why);
}

/* How a tool of this kind can fail. */
static enum tool_use
use_of(const struct reader *reader)
{
	const cJSON *executor = json_object(reader->json, "executor");

	if (strcmp(json_string(executor, "type"), "call") != 0)
		return TOOL_USE_QUERY;
	return strcmp(json_string(executor, "action"), "transfer") == 0
		   ? TOOL_USE_TRANSFER
		   : TOOL_USE_NONE;
}

static void
take_failures(struct reader *reader)
{
	static const cJSON none = {.type = cJSON_Object};
	const cJSON *failures = json_object(reader->json, "failures");
	enum tool_use use = use_of(reader);
	enum tool_status status;
	const cJSON *item;

	reader->tool.failures = failures != NULL ? failures : &none;
	if (failures == NULL && use == TOOL_USE_NONE)
		return;
	if (failures == NULL) {
		bad(reader, "\"failures\" must be an object with a sentence "
			    "for each status");
		return;
	}
	for (int i = 0; i < TOOL_STATUS_COUNT; i++) {
		const char *name = tool_status_name((enum tool_status)i);
		const char *sentence = json_string(failures, name);

		if (tool_status_has_sentence((enum tool_status)i, use) &&
		    (sentence[0] == '\0' || strlen(sentence) > SENTENCE_MAX))
			bad(reader,
			    "\"failures\" must have a sentence of 1 to %d "
			    "bytes for \"%s\"",
			    SENTENCE_MAX, name);
	}
	cJSON_ArrayForEach(item, failures) {
		if (tool_status_find(item->string, &status) < 0 ||
		    !tool_status_has_sentence(status, use))
			bad(reader,
			    "\"failures\": \"%.64s\" is no status of a failure "
			    "of this executor",
			    item->string);
	}
}

/* What is in braces and is no place would be read out. */
static void
check_places(struct reader *reader, const char *key, const char *text,
    const struct sentence_place *places, size_t count)
{
	const char *stray = sentence_stray(text, places, count);

	if (stray != NULL)
		bad(reader, "\"%s\": \"%.*s\" is no place that it can have",
		    key, (int)strcspn(stray, " ,.;:"), stray);
}

static bool
add_waiting(struct reader *reader, const cJSON *item)
{
	static const struct sentence_place places[] = {{.name = "seconds"}};
	struct tool *tool = &reader->tool;
	const char *text = cJSON_IsString(item) ? item->valuestring : "";

	if (text[0] == '\0' || strlen(text) > SENTENCE_MAX ||
	    tool->waiting_count == TOOL_WAITING_MAX)
		return false;
	check_places(reader, "waiting", text, places, 1);
	tool->waiting[tool->waiting_count++] = text;
	return true;
}

/* One sentence, or a list of them. */
static void
take_waiting(struct reader *reader)
{
	const cJSON *waiting =
	    cJSON_GetObjectItemCaseSensitive(reader->json, "waiting");
	const cJSON *item;
	bool good = true;

	if (cJSON_IsArray(waiting)) {
		good = waiting->child != NULL;
		cJSON_ArrayForEach(item, waiting)
			good = good && add_waiting(reader, item);
	} else if (waiting != NULL) {
		good = add_waiting(reader, waiting);
	}
	if (!good)
		bad(reader,
		    "\"waiting\" must be a text of 1 to %d bytes, or a list "
		    "of 1 to %d such texts",
		    SENTENCE_MAX, TOOL_WAITING_MAX);
}

static void
take_progress(struct reader *reader)
{
	static const struct sentence_place places[] = {
	    {.name = "done"}, {.name = "total"}};
	const char *text = take_string(reader, "progress", SENTENCE_MAX, true);

	reader->tool.progress = text;
	check_places(reader, "progress", text, places, 2);
	if (text[0] != '\0' &&
	    (strstr(text, "{done}") == NULL || strstr(text, "{total}") == NULL))
		bad(reader, "\"progress\" must say {done} and {total}");
}

static void
take_deadline(struct reader *reader)
{
	struct tool *tool = &reader->tool;
	const cJSON *argument;

	tool->deadline_ms = take_number(reader, "deadline_ms",
	    DEADLINE_DEFAULT_MS, TOOL_DEADLINE_MIN_MS, TOOL_DEADLINE_MAX_MS);
	tool->timeout_argument =
	    take_string(reader, "timeout_argument", NAME_MAX_LEN, true);
	if (tool->timeout_argument[0] == '\0')
		return;
	argument = json_at(
	    tool->parameters, "properties", tool->timeout_argument, NULL);
	if (json_number(argument, "default", -1) <= 0)
		bad(reader,
		    "\"timeout_argument\": \"parameters\" must describe "
		    "\"%s\" with a default, in seconds",
		    tool->timeout_argument);
}

static void
take_cache(struct reader *reader)
{
	struct tool *tool = &reader->tool;

	tool->read_only = take_switch(reader, "read_only");
	tool->exclusive = take_switch(reader, "exclusive");
	tool->cache_s = take_number(reader, "cache_s", 0, 0, TOOL_CACHE_MAX_S);
	tool->stale = take_string(reader, "stale", SENTENCE_MAX, true);
	if (tool->cache_s == 0)
		return;
	if (!tool->read_only)
		bad(reader, "\"cache_s\": only what is \"read_only\" may be "
			    "answered from memory");
	if (strstr(tool->stale, "{seconds}") == NULL)
		bad(reader,
		    "\"cache_s\" needs \"stale\", a text with {seconds} that "
		    "says how old an answer is");
}

/* At most one reference, to an argument whose values are plain. */
static void
check_target(struct reader *reader, const char *target)
{
	static const char head[] = "${argument:";
	const char *start = strstr(target, "${");
	char name[NAME_MAX_LEN + 1];
	const char *type;
	size_t len;

	if (start == NULL)
		return;
	len = strncmp(start, head, sizeof(head) - 1) == 0
		  ? strcspn(start + sizeof(head) - 1, "}")
		  : 0;
	if (len == 0 || len > NAME_MAX_LEN ||
	    start[sizeof(head) - 1 + len] != '}' ||
	    strstr(start + 2, "${") != NULL) {
		bad(reader, "\"target\" may hold one ${argument:NAME} and no "
			    "other reference");
		return;
	}
	memcpy(name, start + sizeof(head) - 1, len);
	name[len] = '\0';
	type = json_string(
	    json_at(reader->tool.parameters, "properties", name, NULL), "type");
	if (strcmp(type, "string") != 0 && strcmp(type, "integer") != 0)
		bad(reader,
		    "\"target\": \"parameters\" must describe \"%s\" as a "
		    "string or an integer",
		    name);
}

static void
take_target(struct reader *reader)
{
	struct tool *tool = &reader->tool;

	tool->target =
	    take_string(reader, "target", TOOL_TARGET_SIZE - 1, true);
	if (tool->target[0] == '\0')
		tool->target = tool->name;
	check_target(reader, tool->target);
	tool->target_limit =
	    take_number(reader, "target_limit", 0, 1, TOOL_TARGET_LIMIT_MAX);
}

/* Added to the schema of a tool that must be confirmed. */
static void
check_confirmation(struct reader *reader)
{
	if (json_at(reader->tool.parameters, "properties",
		TOOL_CONFIRMATION_ARGUMENT, NULL) != NULL)
		bad(reader, "\"confirm\": \"parameters\" may not describe "
			    "\"" TOOL_CONFIRMATION_ARGUMENT "\": it is added");
}

/* Who a tool is for, and whether the caller must confirm. */
static void
take_audience(struct reader *reader)
{
	static const size_t count = sizeof(who_names) / sizeof(who_names[0]);
	struct tool *tool = &reader->tool;
	const cJSON *item =
	    cJSON_GetObjectItemCaseSensitive(reader->json, "who");
	const char *who = json_string(reader->json, "who");
	bool is_spoken_for;
	size_t i = 0;

	while (i < count && strcmp(who, who_names[i]) != 0)
		i++;
	if (item == NULL)
		i = TOOL_WHO_PUBLIC;
	if (i == count)
		bad(reader,
		    "\"who\" must be public, customer, staff or service");
	else
		tool->who = (enum tool_who)i;
	tool->unidentified =
	    take_string(reader, "unidentified", SENTENCE_MAX, true);
	is_spoken_for =
	    tool->who == TOOL_WHO_CUSTOMER || tool->who == TOOL_WHO_STAFF;
	if (is_spoken_for && tool->unidentified[0] == '\0')
		bad(reader,
		    "\"who\": %s needs \"unidentified\", a text that tells "
		    "the voice how a caller says who it is",
		    who);
	else if (!is_spoken_for && tool->unidentified[0] != '\0')
		bad(reader, "\"unidentified\" is for tools for a customer or "
			    "the staff");
	tool->confirm = take_switch(reader, "confirm");
	if (tool->confirm && tool->who == TOOL_WHO_SERVICE)
		bad(reader, "\"confirm\": there is nobody to confirm it");
	if (tool->confirm)
		check_confirmation(reader);
}

/* -- the executor ---------------------------------------------------------------- */

static void
on_executor_problem(const char *text, void *arg)
{
	bad(arg, "\"executor\": %s", text);
}

/* What is done in the call itself has no queue, no cache and no target. */
static void
check_call(struct reader *reader, const cJSON *executor)
{
	static const char *const foreign[] = {"deadline_ms", "timeout_argument",
	    "read_only", "exclusive", "cache_s", "stale", "target",
	    "target_limit"};
	struct tool *tool = &reader->tool;
	struct call_tool call;
	bool is_transfer =
	    strcmp(json_string(executor, "action"), "transfer") == 0;

	if (!is_transfer && (tool->who != TOOL_WHO_PUBLIC || tool->confirm))
		bad(reader, "\"who\" and \"confirm\": whoever calls may end "
			    "the call or withdraw a question");
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		if (cJSON_HasObjectItem(reader->json, foreign[i]))
			bad(reader,
			    "\"%s\" is not for the executor \"call\": remove "
			    "it",
			    foreign[i]);
	}
	if (call_tool_read(&call, executor, tool->parameters,
		on_executor_problem, reader) < 0)
		return;
	tool->action = call.action;
	tool->available = true;
	if (call.ring_max_s > 0)
		tool->deadline_ms =
		    (call.ring_max_s + CALL_TOOL_MARGIN_S) * 1000;
}

/* Its target is each router, one job at a time; the model names them. */
static void
check_routeros(struct reader *reader, const cJSON *executor)
{
	static const char *const foreign[] = {
	    "exclusive", "target", "target_limit"};
	const cJSON *properties =
	    json_at(reader->tool.parameters, "properties", NULL);
	struct routeros_tool routeros;

	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		if (cJSON_HasObjectItem(reader->json, foreign[i]))
			bad(reader,
			    "\"%s\" is not for the executor \"routeros\": "
			    "remove it",
			    foreign[i]);
	}
	if (!reader->tool.read_only)
		bad(reader, "\"read_only\" must be true: routers are only "
			    "ever asked");
	if (strcmp(json_string(json_at(properties, "routers", NULL), "type"),
		"string") != 0 ||
	    json_at(properties, "router", NULL) != NULL)
		bad(reader,
		    "\"parameters\" must describe \"routers\", whom the "
		    "caller names, as a string, and no \"router\"");
	if (routeros_tool_read(
		&routeros, executor, on_executor_problem, reader) < 0 ||
	    routeros_sentences_check(routeros.query, routeros.sentences,
		on_executor_problem, reader) < 0)
		return;
	reader->tool.available = true;
}

/* What is asked about the caller is nobody else's answer. */
static void
set_personal(struct reader *reader, bool personal)
{
	reader->tool.personal = personal;
	if (personal && reader->tool.cache_s > 0)
		bad(reader, "\"cache_s\": what is asked with ${caller:…} is "
			    "no answer for others");
}

/* A query only reads, and has a worker to itself: drivers may block, or die. */
static void
check_sql(struct reader *reader, const cJSON *executor)
{
	struct tool *tool = &reader->tool;
	struct sql_tool sql;

	if (tool->timeout_argument[0] != '\0')
		bad(reader, "\"timeout_argument\" is not for the executor "
			    "\"sql\": its \"timeout_s\" is the limit");
	if (sql_tool_read(&sql, executor, tool->parameters, on_executor_problem,
		reader) < 0)
		return;
	tool->read_only = true;
	tool->exclusive = true;
	tool->available = sql_tool_is_configured(&sql, reader->config);
	set_personal(reader, sql.asks_caller);
}

static void
check_http(struct reader *reader, const cJSON *executor)
{
	struct tool *tool = &reader->tool;
	char origin[URL_HOST_SIZE + 32];
	struct http_tool http;

	if (http_tool_read(&http, executor, tool->parameters,
		on_executor_problem, reader) < 0)
		return;
	tool->available = http_tool_is_configured(&http, reader->config);
	set_personal(reader, http.asks_caller);
	if (tool_secret_is_exposed(
		&http, reader->config, origin, sizeof(origin)))
		config_problem(reader->problems, false,
		    "%s: \"executor\": a secret is sent to %s in the "
		    "clear; use https",
		    reader->path, origin);
}

/* How a caller says who it is: for everybody, and never by itself. */
static void
check_access(struct reader *reader, const cJSON *executor)
{
	struct tool *tool = &reader->tool;
	struct access_tool access;

	if (tool->who != TOOL_WHO_PUBLIC || tool->confirm)
		bad(reader, "\"who\" and \"confirm\" are not for the executor "
			    "\"access\": it is how callers become somebody");
	if (strstr(json_string(tool->failures, "refused"), "{detail}") == NULL)
		bad(reader, "\"failures\": \"refused\" must have {detail}: "
			    "what the executor says");
	if (tool->cache_s > 0 || tool->read_only || tool->exclusive)
		bad(reader, "\"cache_s\", \"read_only\" and \"exclusive\" are "
			    "not for the executor \"access\"");
	if (access_tool_read(&access, executor, tool->parameters,
		on_executor_problem, reader) < 0)
		return;
	tool->action = access.action;
	if (tool->deadline_ms < ACCESS_TOOL_DEADLINE_MS)
		bad(reader, "\"deadline_ms\": dialling takes at least %d",
		    ACCESS_TOOL_DEADLINE_MS);
	/* Of customer_factor tools_load() says: it needs another one. */
	tool->available = strcmp(access.action, "staff_pin") != 0 ||
			  reader->config->staff_pins[0] != '\0';
}

static void
check_executor(struct reader *reader, const cJSON *executor)
{
	if (strcmp(reader->tool.executor, "call") == 0)
		check_call(reader, executor);
	else if (strcmp(reader->tool.executor, "routeros") == 0)
		check_routeros(reader, executor);
	else if (strcmp(reader->tool.executor, "sql") == 0)
		check_sql(reader, executor);
	else if (strcmp(reader->tool.executor, "access") == 0)
		check_access(reader, executor);
	else if (strcmp(reader->tool.executor, "http") == 0)
		check_http(reader, executor);
	else
		bad(reader,
		    "\"executor\": the type \"%.40s\" is not known; there is: "
		    "http, sql, routeros, call, access",
		    reader->tool.executor);
}

/* What the executor gets with each job, or NULL. */
static cJSON *
make_settings(const struct reader *reader, const cJSON *executor)
{
	const struct tool *tool = &reader->tool;
	cJSON *settings = cJSON_Duplicate(executor, true);

	cJSON_DeleteItemFromObjectCaseSensitive(settings, "type");
	json_add_string(settings, "executor", tool->executor);
	json_add(
	    settings, "parameters", cJSON_Duplicate(tool->parameters, true));
	if (tool->timeout_argument[0] != '\0')
		json_add_string(
		    settings, "timeout_argument", tool->timeout_argument);
	json_add_bool(settings, "read_only", tool->read_only);
	return settings;
}

static bool
fits(const cJSON *settings)
{
	char *text = cJSON_PrintUnformatted(settings);
	bool fitting = text != NULL && strlen(text) <= TOOL_SETTINGS_MAX;

	free(text);
	return fitting;
}

static cJSON *
take_executor(struct reader *reader)
{
	static const char *const ours[] = {
	    "executor", "parameters", "timeout_argument", "read_only"};
	const cJSON *executor = json_object(reader->json, "executor");
	cJSON *settings;

	reader->tool.executor = json_string(executor, "type");
	if (reader->tool.executor[0] == '\0') {
		bad(reader, "\"executor\" must be an object with a \"type\"");
		return NULL;
	}
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		if (json_at(executor, ours[i], NULL) != NULL)
			bad(reader,
			    "\"executor\": \"%s\" is not a member that it has",
			    ours[i]);
	}
	check_executor(reader, executor);
	if (!reader->good)
		return NULL;
	settings = make_settings(reader, executor);
	if (!fits(settings)) {
		bad(reader,
		    "\"parameters\" and \"executor\" together may have %d "
		    "bytes",
		    TOOL_SETTINGS_MAX);
		cJSON_Delete(settings);
		return NULL;
	}
	reader->tool.settings = settings;
	return settings;
}

static bool
mentions(const cJSON *value, const char *reference)
{
	const cJSON *item;

	if (cJSON_IsString(value))
		return strstr(value->valuestring, reference) != NULL;
	cJSON_ArrayForEach(item, value) {
		if (mentions(item, reference))
			return true;
	}
	return false;
}

/*
 * Who has proved to be one customer could ask about another, and whoever
 * pretends to have a number could hear about its owner.
 */
static void
warn_about_audience(const struct reader *reader)
{
	const struct tool *tool = &reader->tool;
	bool is_query = strcmp(tool->executor, "http") == 0 ||
			strcmp(tool->executor, "sql") == 0;
	const cJSON *properties = json_object(tool->parameters, "properties");

	if (reader->good && is_query && tool->who == TOOL_WHO_CUSTOMER &&
	    !tool->personal && properties != NULL && properties->child != NULL)
		config_problem(reader->problems, false,
		    "%s: \"who\": customers choose whom it is about: nothing "
		    "in it is ${caller:customer}",
		    reader->path);
	if (reader->good && tool->read_only && tool->who != TOOL_WHO_SERVICE &&
	    mentions(tool->settings, "${caller:number}"))
		config_problem(reader->problems, false,
		    "%s: \"executor\": what is found with ${caller:number} is "
		    "told to whoever pretends to have that number",
		    reader->path);
}

static cJSON *
read_members(struct reader *reader)
{
	cJSON *settings;

	check_members(reader);
	take_name(reader);
	reader->tool.description =
	    take_string(reader, "description", DESCRIPTION_MAX, false);
	take_waiting(reader);
	take_progress(reader);
	take_parameters(reader);
	take_failures(reader);
	take_deadline(reader);
	take_cache(reader);
	take_target(reader);
	take_audience(reader);
	settings = take_executor(reader);
	warn_about_audience(reader);
	return settings;
}

int
tool_file_parse(struct tool_file *file_out, const char *path, const char *text,
    size_t len, const struct config *config, struct config_problems *problems)
{
	cJSON *json = json_parse(text, len);
	struct reader reader = {
	    .path = path,
	    .json = json,
	    .config = config,
	    .problems = problems,
	    .tool = {.action = ""},
	    .good = true,
	};
	struct tool_file file = {.json = json};

	if (json == NULL)
		bad(&reader, "line %u: this is not JSON",
		    error_line(text, len));
	else if (!cJSON_IsObject(json))
		bad(&reader, "a tool is one JSON object");
	else
		file.settings = read_members(&reader);
	if (!reader.good || file.settings == NULL) {
		tool_file_free(&file);
		return -EINVAL;
	}
	file.tool = reader.tool;
	*file_out = file;
	return 0;
}

void
tool_file_free(struct tool_file *file)
{
	cJSON_Delete(file->json);
	cJSON_Delete(file->settings);
	*file = (struct tool_file){0};
}
