/* SPDX-License-Identifier: MIT */
/* tool_reader.c – says what is wrong with the settings of an executor. */
#include "common/tool_reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
tool_reader_bad(struct tool_reader *reader, const char *fmt, ...)
{
	char text[384];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	reader->good = false;
	reader->problem(text, reader->arg);
}

void
tool_reader_check_members(struct tool_reader *reader, const cJSON *object,
    const char *where, const char *const *names, size_t count)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, object) {
		bool known = false;

		for (size_t i = 0; i < count; i++)
			known = known || strcmp(names[i], item->string) == 0;
		if (!known)
			tool_reader_bad(reader,
			    "%s\"%.64s\" is not a member that it has", where,
			    item->string);
		else if (cJSON_GetObjectItemCaseSensitive(
			     object, item->string) != item)
			tool_reader_bad(reader, "%s\"%s\" is there twice",
			    where, item->string);
	}
}
