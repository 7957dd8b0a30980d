/* SPDX-License-Identifier: MIT */
/* tool_status.c – the table of tool statuses as data. */
#include "common/tool_status.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static const struct {
	const char *name;
	unsigned int uses;
} rows[TOOL_STATUS_COUNT] = {
#define X(id, name, uses, what) [TOOL_STATUS_##id] = {name, TOOL_USE_##uses},
    TOOL_STATUS_TABLE(X)
#undef X
};

const char *
tool_status_name(enum tool_status status)
{
	assert(status < TOOL_STATUS_COUNT);
	return rows[status].name;
}

int
tool_status_find(const char *name, enum tool_status *status_out)
{
	for (int i = 0; i < TOOL_STATUS_COUNT; i++) {
		if (strcmp(rows[i].name, name) != 0)
			continue;
		*status_out = (enum tool_status)i;
		return 0;
	}
	return -ENOENT;
}

bool
tool_status_has_sentence(enum tool_status status, enum tool_use use)
{
	assert(status < TOOL_STATUS_COUNT);
	return (rows[status].uses & use) != 0;
}
