/* SPDX-License-Identifier: MIT */
/* tool_job.c – requests and jobs as data; see tool_job.h. */
#include "supervisor/tool_job.h"

#include "common/json.h"
#include "common/json_default.h"
#include "common/json_schema.h"
#include "common/utf8.h"
#include "supervisor/tool_queue.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TOOL_NOTE_SIZE = 512,
};

static const char run_prefix[] = "run/";

/* FNV-1a: ids come from Asterisk and the voice, so no one gains by a clash. */
static uint64_t
digest(uint64_t hash, const char *text)
{
	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
	return (hash ^ 0xff) * 0x100000001b3u;
}

void
tool_job_make_id(char *buf, size_t size, const char *call, const char *request)
{
	int n = snprintf(buf, size, "%s/%s", call, request);

	/* "a/b" and "c" must not be "a" and "b/c", nor the id of a run. */
	if (n < 0 || (size_t)n >= size || strchr(call, '/') != NULL ||
	    strchr(request, '/') != NULL || strcmp(call, "run") == 0)
		snprintf(buf, size, "digest/%016llx%016llx",
		    (unsigned long long)digest(
			digest(0xcbf29ce484222325u, call), request),
		    (unsigned long long)digest(
			digest(0x9ae16a3b2f90404fu, request), call));
}

void
tool_job_make_run_group(char *buf, size_t size, const char *key)
{
	snprintf(buf, size, "%s%s", run_prefix, key);
}

void
tool_job_make_run_id(
    char *buf, size_t size, const char *key, uint64_t serial, const char *mark)
{
	snprintf(buf, size, "%s%s/%llx%s%s", run_prefix, key,
	    (unsigned long long)serial, mark[0] != '\0' ? "/" : "", mark);
}

void
tool_job_make_mark(char *buf, const char *target)
{
	snprintf(buf, TOOL_MARK_SIZE, "%016llx",
	    (unsigned long long)digest(0xcbf29ce484222325u, target));
}

void
tool_job_make_begun(char *buf, const char *id)
{
	buf[0] = '!';
	tool_job_make_mark(buf + 1, id);
}

bool
tool_job_is_begun(const char *name)
{
	return name[0] == '!';
}

const char *
tool_job_run_mark(const char *id)
{
	char key[TOOL_KEY_SIZE];
	const char *mark = NULL;

	if (tool_job_run_key(key, id) == 0)
		mark = strchr(id + strlen(run_prefix) + TOOL_KEY_SIZE, '/');
	return mark != NULL && strlen(mark + 1) == TOOL_MARK_SIZE - 1 ? mark + 1
								      : "";
}

int
tool_job_run_key(char key[TOOL_KEY_SIZE], const char *id)
{
	size_t len = strlen(run_prefix);

	if (strncmp(id, run_prefix, len) != 0 ||
	    strspn(id + len, "0123456789abcdef") != TOOL_KEY_SIZE - 1 ||
	    id[len + TOOL_KEY_SIZE - 1] != '/')
		return -ENOENT;
	memcpy(key, id + len, TOOL_KEY_SIZE - 1);
	key[TOOL_KEY_SIZE - 1] = '\0';
	return 0;
}

/* Whether JSON text writes a NUL, at which every C string of it would end. */
static bool
writes_nul(const char *text)
{
	while ((text = strchr(text, '\\')) != NULL && text[1] != '\0') {
		if (strncmp(text, "\\u0000", 6) == 0)
			return true;
		text += 2;
	}
	return false;
}

cJSON *
tool_job_parse_arguments(const struct tool_queue_tool *tool, const char *text,
    char *why, size_t size)
{
	cJSON *arguments;
	int ret = 0;

	/* Some models write nothing when a function needs nothing. */
	if (text[strspn(text, " \t\r\n")] == '\0')
		text = "{}";
	arguments = json_parse(text, strlen(text));
	if (!cJSON_IsObject(arguments)) {
		snprintf(why, size, "the arguments are not a JSON object");
		ret = -1;
	} else if (writes_nul(text)) {
		snprintf(why, size, "the arguments contain a NUL character");
		ret = -1;
	} else if (tool->parameters != NULL) {
		ret = json_schema_validate(
		    tool->parameters, arguments, why, size);
		if (ret == 0 &&
		    json_default_fill(arguments, tool->parameters) < 0) {
			snprintf(why, size, "there is no memory");
			ret = -1;
		}
	}
	if (ret == 0)
		return arguments;
	cJSON_Delete(arguments);
	return NULL;
}

unsigned int
tool_job_deadline(const struct tool_queue_tool *tool, const cJSON *arguments)
{
	double limit_ms = tool->deadline_ms;
	const char *name = tool->timeout_argument;
	double timeout_s;

	if (limit_ms <= 0 || limit_ms > TOOL_JOB_DEADLINE_MAX_MS)
		limit_ms = TOOL_JOB_DEADLINE_MAX_MS;
	if (name == NULL || name[0] == '\0')
		return (unsigned int)limit_ms;
	timeout_s = json_number(
	    json_at(tool->parameters, "properties", name, NULL), "default", 0);
	timeout_s = json_number(arguments, name, timeout_s);
	if (timeout_s > 0 &&
	    timeout_s * 1000 + TOOL_TIMEOUT_MARGIN_MS < limit_ms)
		limit_ms = timeout_s * 1000 + TOOL_TIMEOUT_MARGIN_MS;
	return (unsigned int)limit_ms;
}

/* Copies TEXT, cut at a whole letter if it must be. */
static void
copy_cut(char *buf, size_t size, const char *text)
{
	size_t len = utf8_cut(text, strlen(text), size - 1);

	memcpy(buf, text, len);
	buf[len] = '\0';
}

/* The value of an argument as text; what is not simple has none. */
static void
argument_text(char *buf, size_t size, const cJSON *value)
{
	buf[0] = '\0';
	if (cJSON_IsString(value))
		copy_cut(buf, size, value->valuestring);
	else if (cJSON_IsNumber(value))
		snprintf(buf, size, "%.17g", value->valuedouble);
	else if (cJSON_IsBool(value))
		copy_cut(buf, size, cJSON_IsTrue(value) ? "true" : "false");
}

void
tool_job_target(char *buf, size_t size, const char *name,
    const struct tool_queue_tool *tool, const cJSON *arguments)
{
	static const char mark[] = "${argument:";
	const char *pattern = tool->target, *start, *end;
	char argument[TOOL_TARGET_MAX], text[TOOL_TARGET_MAX];

	if (pattern == NULL || pattern[0] == '\0')
		pattern = name;
	copy_cut(buf, size, pattern);
	start = strstr(pattern, mark);
	end = start == NULL ? NULL : strchr(start, '}');
	if (end == NULL)
		return;
	start += strlen(mark);
	snprintf(argument, sizeof(argument), "%.*s", (int)(end - start), start);
	argument_text(text, sizeof(text),
	    cJSON_GetObjectItemCaseSensitive(arguments, argument));
	snprintf(buf, size, "%.*s%s%s", (int)(start - strlen(mark) - pattern),
	    pattern, text, end + 1);
}

struct tool_job *
tool_job_new(const char *id, const char *name,
    const struct tool_queue_tool *tool, cJSON *arguments)
{
	struct tool_job *job = calloc(1, sizeof(*job));

	if (job == NULL) {
		cJSON_Delete(arguments);
		return NULL;
	}
	TAILQ_INIT(&job->waiters);
	tool_progress_clear(&job->progress);
	job->arguments = arguments;
	snprintf(job->id, sizeof(job->id), "%s", id);
	if (tool_job_run_key(job->key, id) < 0)
		job->key[0] = '\0';
	if (tool == NULL)
		return job;
	job->read_only = tool->read_only;
	job->exclusive = tool->exclusive;
	job->lingers_ms = tool->lingers_ms;
	job->personal = tool->personal;
	job->cache_s = tool->cache_s;
	job->target_limit = tool->target_limit;
	job->name = strdup(name);
	job->settings = cJSON_Duplicate(tool->settings, true);
	if (job->name == NULL ||
	    (tool->settings != NULL && job->settings == NULL)) {
		tool_job_free(job);
		return NULL;
	}
	return job;
}

void
tool_job_free(struct tool_job *job)
{
	if (job == NULL)
		return;
	assert(TAILQ_EMPTY(&job->waiters));
	assert(job->slot == NULL && job->target == NULL);
	free(job->name);
	free(job->call);
	cJSON_Delete(job->arguments);
	cJSON_Delete(job->settings);
	free(job);
}

struct tool_request *
tool_request_new(const char *key, const char *id, const char *name,
    const struct tool_queue_tool *tool)
{
	struct tool_request *request = calloc(1, sizeof(*request));

	if (request == NULL)
		return NULL;
	snprintf(request->key, sizeof(request->key), "%s", key);
	request->id = strdup(id);
	request->name = strdup(name);
	request->failures = cJSON_Duplicate(tool->failures, true);
	if (request->id == NULL || request->name == NULL ||
	    (tool->failures != NULL && request->failures == NULL)) {
		tool_request_free(request);
		return NULL;
	}
	return request;
}

void
tool_request_free(struct tool_request *request)
{
	if (request == NULL)
		return;
	assert(request->caller == NULL);
	free(request->id);
	free(request->name);
	cJSON_Delete(request->failures);
	free(request);
}

/* SENTENCE with its first MARK replaced by DETAIL. */
static void
fill_in(char *buf, size_t size, const char *sentence, const char *mark,
    const char *detail)
{
	const char *place = strstr(sentence, mark);
	size_t len;

	copy_cut(buf, size, sentence);
	if (place == NULL || (size_t)(place - sentence) >= size)
		return;
	len = (size_t)(place - sentence);
	copy_cut(buf + len, size - len, detail);
	len += strlen(buf + len);
	copy_cut(buf + len, size - len, place + strlen(mark));
}

void
tool_job_words(char *buf, size_t size, const cJSON *failures,
    enum tool_status status, const char *detail)
{
	const char *sentence;

	assert(size > 0);
	if (status == TOOL_STATUS_OK ||
	    status == TOOL_STATUS_INVALID_ARGUMENTS) {
		copy_cut(buf, size, detail);
		return;
	}
	if (status == TOOL_STATUS_INTERNAL)
		status = TOOL_STATUS_LOST;
	sentence = json_string(failures, tool_status_name(status));
	if (status == TOOL_STATUS_LOST && sentence[0] == '\0')
		sentence = json_string(
		    failures, tool_status_name(TOOL_STATUS_UNKNOWN));
	fill_in(buf, size, sentence, "{detail}",
	    status == TOOL_STATUS_REFUSED ? detail : "");
}

void
tool_job_words_aged(char *buf, size_t size, const char *detail,
    const char *note, unsigned int age_s)
{
	char text[TOOL_NOTE_SIZE], seconds[16];
	size_t len;

	snprintf(seconds, sizeof(seconds), "%u", age_s);
	fill_in(text, sizeof(text), note, "{seconds}", seconds);
	assert(size > sizeof(text) + 1);
	copy_cut(buf, size - strlen(text) - 1, detail);
	len = strlen(buf);
	snprintf(
	    buf + len, size - len, "%s%s", text[0] == '\0' ? "" : " ", text);
}
