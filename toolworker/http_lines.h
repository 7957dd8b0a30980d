/* SPDX-License-Identifier: MIT */
/*
 * http_lines.h – an answer that comes as newline-delimited JSON: lines that
 * say how it goes, and the last one, which is the answer.
 */
#ifndef TOOLWORKER_HTTP_LINES_H
#define TOOLWORKER_HTTP_LINES_H

#include "common/http_tool.h"
#include "common/tool_progress.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	HTTP_LINES_PROGRESS_MAX =
	    4096, /* bytes; longer lines are no progress */
};

/* "application/x-ndjson", with or without parameters. */
bool http_lines_is_type(const char *content_type);

/*
 * Looks at the lines of BODY that are complete and begin at *READ or later,
 * moves *READ behind them, and calls FN for each that tells TOOL's progress.
 */
void http_lines_progress(const struct http_tool *tool, const char *body,
    size_t len, size_t *read,
    void (*fn)(const struct tool_progress *progress, void *arg), void *arg);

/*
 * The last line of BODY, which is whole, as JSON; NULL with *WHY_OUT if a line
 * is not JSON, or the last one only tells how it goes. Empty lines mean
 * nothing. Free with cJSON_Delete().
 */
cJSON *http_lines_answer(const struct http_tool *tool, const char *body,
    size_t len, const char **why_out);

#endif
