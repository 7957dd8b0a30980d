/* SPDX-License-Identifier: MIT */
/* tool_party.c – calls and targets, counted; see tool_party.h. */
#include "supervisor/tool_party.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct tool_party *
tool_party_find(const struct tool_party_list *list, const char *name)
{
	struct tool_party *party;

	TAILQ_FOREACH(party, list, entry) {
		if (strcmp(party->name, name) == 0)
			return party;
	}
	return NULL;
}

struct tool_party *
tool_party_join(struct tool_party_list *list, const char *name)
{
	struct tool_party *party = tool_party_find(list, name);
	size_t size = strlen(name) + 1;

	if (party == NULL) {
		party = calloc(1, sizeof(*party) + size);
		if (party == NULL)
			return NULL;
		memcpy(party->name, name, size);
		TAILQ_INSERT_TAIL(list, party, entry);
	}
	party->users++;
	return party;
}

void
tool_party_leave(struct tool_party_list *list, struct tool_party **party_ptr)
{
	struct tool_party *party = *party_ptr;

	if (party == NULL)
		return;
	*party_ptr = NULL;
	assert(party->users > 0);
	if (--party->users > 0)
		return;
	assert(party->running == 0);
	TAILQ_REMOVE(list, party, entry);
	free(party);
}
