/* SPDX-License-Identifier: MIT */
/* http_lines.c – takes newline-delimited JSON apart. */
#include "toolworker/http_lines.h"

#include "common/json.h"
#include "common/json_pointer.h"

#include <math.h>
#include <string.h>
#include <strings.h>

bool
http_lines_is_type(const char *content_type)
{
	static const char name[] = "application/x-ndjson";
	size_t len = strcspn(content_type, "; \t");

	return len == sizeof(name) - 1 &&
	       strncasecmp(content_type, name, len) == 0;
}

/* A count at POINTER, or -1. */
static int64_t
count_at(const cJSON *line, const char *pointer)
{
	const cJSON *item =
	    *pointer != '\0' ? json_pointer_find(line, pointer) : NULL;

	if (item == NULL || !cJSON_IsNumber(item) || item->valuedouble < 0 ||
	    item->valuedouble > TOOL_PROGRESS_MAX ||
	    trunc(item->valuedouble) != item->valuedouble)
		return -1;
	return (int64_t)item->valuedouble;
}

/* Whether LINE says how it goes. */
static bool
read_progress(struct tool_progress *progress, const struct http_tool *tool,
    const cJSON *line)
{
	tool_progress_set(progress, count_at(line, tool->progress_done),
	    count_at(line, tool->progress_total), "");
	return tool_progress_is_known(progress);
}

void
http_lines_progress(const struct http_tool *tool, const char *body, size_t len,
    size_t *read, void (*fn)(const struct tool_progress *progress, void *arg),
    void *arg)
{
	struct tool_progress progress;
	const char *end;

	while (*read < len &&
	       (end = memchr(body + *read, '\n', len - *read)) != NULL) {
		const char *start = body + *read;
		size_t line_len = (size_t)(end - start);
		cJSON *line = NULL;

		*read += line_len + 1;
		if (line_len <= HTTP_LINES_PROGRESS_MAX)
			line = json_parse(start, line_len);
		if (line != NULL && read_progress(&progress, tool, line))
			fn(&progress, arg);
		cJSON_Delete(line);
	}
}

static bool
is_blank(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
			return false;
	}
	return true;
}

cJSON *
http_lines_answer(const struct http_tool *tool, const char *body, size_t len,
    const char **why_out)
{
	struct tool_progress progress;
	const char *end = body + len;
	cJSON *last = NULL;

	while (body < end) {
		const char *stop = memchr(body, '\n', (size_t)(end - body));
		size_t line_len = (size_t)((stop != NULL ? stop : end) - body);

		if (!is_blank(body, line_len)) {
			cJSON_Delete(last);
			last = json_parse(body, line_len);
			*why_out = "a line of the answer is not JSON";
			if (last == NULL)
				return NULL;
		}
		body += line_len + 1;
	}
	*why_out = "the answer has no lines";
	if (last == NULL)
		return NULL;
	/* With a pointer it is looked for there; without, this would be it. */
	if (*tool->answer != '\0' || !read_progress(&progress, tool, last))
		return last;
	*why_out = "the answer broke off after its progress";
	cJSON_Delete(last);
	return NULL;
}
