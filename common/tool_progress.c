/* SPDX-License-Identifier: MIT */
/* tool_progress.c – counts and words of a job under way. */
#include "common/tool_progress.h"

#include "common/json.h"
#include "common/utf8.h"

#include <string.h>

void
tool_progress_set(struct tool_progress *progress, int64_t done, int64_t total,
    const char *text)
{
	size_t len = utf8_cut(text, strlen(text), sizeof(progress->text) - 1);

	if (done < 0 || done > TOOL_PROGRESS_MAX)
		done = -1;
	if (done < 0 || total < done || total > TOOL_PROGRESS_MAX)
		total = -1;
	progress->done = done;
	progress->total = total;
	memcpy(progress->text, text, len);
	progress->text[len] = '\0';
}

void
tool_progress_clear(struct tool_progress *progress)
{
	tool_progress_set(progress, -1, -1, "");
}

bool
tool_progress_is_known(const struct tool_progress *progress)
{
	return progress->done >= 0 || progress->text[0] != '\0';
}

bool
tool_progress_is_same(
    const struct tool_progress *a, const struct tool_progress *b)
{
	return a->done == b->done && a->total == b->total &&
	       strcmp(a->text, b->text) == 0;
}

void
tool_progress_read(struct tool_progress *progress, const cJSON *body)
{
	tool_progress_set(progress, json_int(body, "done", -1),
	    json_int(body, "total", -1), json_string(body, "text"));
}

void
tool_progress_write(const struct tool_progress *progress, cJSON *body)
{
	if (progress->done >= 0)
		json_add_int(body, "done", progress->done);
	if (progress->total >= 0)
		json_add_int(body, "total", progress->total);
	json_add_string(body, "text", progress->text);
}
