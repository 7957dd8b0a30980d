/* SPDX-License-Identifier: MIT */
/* routeros_outcome.c – a router's refusals, sorted by what can be done. */
#include "toolworker/routeros_outcome.h"

#include "common/routeros_tool.h"
#include "common/utf8.h"
#include "toolworker/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
routeros_outcome_fail(struct routeros_outcome *outcome, enum tool_status status,
    const char *fmt, ...)
{
	char *why = outcome->why;
	size_t len;
	va_list ap;

	cJSON_Delete(outcome->records);
	outcome->records = NULL;
	outcome->status = status;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(outcome->why), fmt, ap);
	va_end(ap);
	/* It, or a part of it, may have been cut within a letter. */
	for (len = strlen(why); len > 0 && utf8_count(why, len) < 0; len--)
		why[len - 1] = '\0';
}

void
routeros_outcome_detail(char buf[ROUTEROS_DETAIL_SIZE], const char *message,
    const struct tool_secrets *secrets)
{
	char clean[TOOL_OUTPUT_SIZE];
	size_t len = strlen(message);

	if (utf8_count(message, len) < 0 ||
	    !answer_copy(clean, message, len, secrets))
		clean[0] = '\0';
	len = utf8_cut(clean, strlen(clean), ROUTEROS_DETAIL_SIZE - 1);
	memcpy(buf, clean, len);
	buf[len] = '\0';
	for (char *c = buf; *c != '\0'; c++) {
		if (*c == '\n' || *c == '\t')
			*c = ' ';
		else if (*c == '"')
			*c = '\'';
	}
}

void
routeros_outcome_refuse(struct routeros_outcome *outcome, const char *message,
    const struct tool_secrets *secrets)
{
	static const struct {
		const char *words;
		enum tool_status status;
		const char *meaning;
	} table[] = {
	    {"invalid user name or password", TOOL_STATUS_REFUSED,
		ROUTEROS_WHY_LOGIN},
	    {"cannot log in", TOOL_STATUS_REFUSED, ROUTEROS_WHY_LOGIN},
	    {"not enough permissions", TOOL_STATUS_REFUSED,
		ROUTEROS_WHY_PERMISSION},
	    {"not allowed", TOOL_STATUS_REFUSED, ROUTEROS_WHY_PERMISSION},
	    {"no such command", TOOL_STATUS_REFUSED, ROUTEROS_WHY_UNKNOWN},
	    /* Its own limit of 60 s passed behind somebody else's request. */
	    {"session closed", TOOL_STATUS_BUSY, "the router is busy"},
	    {"interrupted", TOOL_STATUS_BUSY, "the router interrupted it"},
	};
	char detail[ROUTEROS_DETAIL_SIZE];

	routeros_outcome_detail(detail, message, secrets);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcasestr(message, table[i].words) == NULL)
			continue;
		routeros_outcome_fail(outcome, table[i].status, "%s: %s",
		    table[i].meaning, detail);
		outcome->unknown =
		    strcmp(table[i].meaning, ROUTEROS_WHY_UNKNOWN) == 0;
		return;
	}
	routeros_outcome_fail(outcome, TOOL_STATUS_REFUSED,
	    "the router refused: %s", *detail != '\0' ? detail : "no reason");
}
