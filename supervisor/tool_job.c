/* SPDX-License-Identifier: MIT */
/* tool_job.c – a function call as data; see tool_job.h. */
#include "supervisor/tool_job.h"

#include "common/json.h"
#include "common/json_schema.h"
#include "common/utf8.h"
#include "supervisor/tool_queue.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

	/* "a/b" and "c" must not be "a" and "b/c". */
	if (n < 0 || (size_t)n >= size || strchr(call, '/') != NULL ||
	    strchr(request, '/') != NULL)
		snprintf(buf, size, "digest/%016llx%016llx",
		    (unsigned long long)digest(
			digest(0xcbf29ce484222325u, call), request),
		    (unsigned long long)digest(
			digest(0x9ae16a3b2f90404fu, request), call));
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
	} else if (tool->parameters != NULL) {
		ret = json_schema_validate(
		    tool->parameters, arguments, why, size);
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

	if (limit_ms <= 0 || limit_ms > TOOL_DEADLINE_MAX_MS)
		limit_ms = TOOL_DEADLINE_MAX_MS;
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

struct tool_job *
tool_job_new(const char *id, const char *call, const char *request,
    const char *name, const struct tool_queue_tool *tool, cJSON *arguments)
{
	struct tool_job *job = calloc(1, sizeof(*job));

	if (job == NULL) {
		cJSON_Delete(arguments);
		return NULL;
	}
	job->arguments = arguments;
	snprintf(job->id, sizeof(job->id), "%s", id);
	if (call == NULL)
		return job;
	job->read_only = tool->read_only;
	job->call = strdup(call);
	job->request = strdup(request);
	job->name = strdup(name);
	job->failures = cJSON_Duplicate(tool->failures, true);
	job->settings = cJSON_Duplicate(tool->settings, true);
	if (job->call == NULL || job->request == NULL || job->name == NULL ||
	    (tool->failures != NULL && job->failures == NULL) ||
	    (tool->settings != NULL && job->settings == NULL)) {
		tool_job_free(job);
		return NULL;
	}
	return job;
}

void
tool_job_disown(struct tool_job *job)
{
	free(job->call);
	free(job->request);
	free(job->name);
	cJSON_Delete(job->arguments);
	cJSON_Delete(job->settings);
	cJSON_Delete(job->failures);
	job->call = job->request = job->name = NULL;
	job->arguments = job->settings = job->failures = NULL;
}

void
tool_job_free(struct tool_job *job)
{
	if (job == NULL)
		return;
	tool_job_disown(job);
	free(job);
}

/* Copies TEXT, cut at a whole letter if it must be. */
static void
copy_cut(char *buf, size_t size, const char *text)
{
	size_t len = utf8_cut(text, strlen(text), size - 1);

	memcpy(buf, text, len);
	buf[len] = '\0';
}

/* SENTENCE with its first "{detail}" replaced by DETAIL. */
static void
fill_in(char *buf, size_t size, const char *sentence, const char *detail)
{
	static const char mark[] = "{detail}";
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
	fill_in(
	    buf, size, sentence, status == TOOL_STATUS_REFUSED ? detail : "");
}
