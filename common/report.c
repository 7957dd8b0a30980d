/* SPDX-License-Identifier: MIT */
/* report.c – the lines of `telefonista --check`. */
#include "common/report.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One width, so that the texts stand below each other. */
static const char *const heads[] = {
    [REPORT_OK] = "ok       ",
    [REPORT_WARNING] = "warning  ",
    [REPORT_ERROR] = "error    ",
};

void
report_line(enum report_level level, const char *fmt, ...)
{
	char text[REPORT_LINE_MAX - 16];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *c = text; *c != '\0'; c++) {
		if (iscntrl((unsigned char)*c))
			*c = '?';
	}
	printf("%s%s\n", heads[level], text);
	fflush(stdout);
}

void
report_problems(const struct config_problems *problems)
{
	for (size_t i = 0; i < problems->count && i < CONFIG_PROBLEMS_MAX; i++)
		report_line(
		    problems->list[i].fatal ? REPORT_ERROR : REPORT_WARNING,
		    "%s", problems->list[i].text);
	if (problems->count > CONFIG_PROBLEMS_MAX)
		report_line(REPORT_WARNING, "… and %zu more",
		    problems->count - CONFIG_PROBLEMS_MAX);
}

bool
report_parse(
    const char *line, enum report_level *level_out, const char **text_out)
{
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		size_t len = strlen(heads[i]);

		if (strncmp(line, heads[i], len) != 0)
			continue;
		*level_out = (enum report_level)i;
		*text_out = line + len;
		return true;
	}
	return false;
}
