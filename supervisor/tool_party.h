/* SPDX-License-Identifier: MIT */
/*
 * tool_party.h – who takes part in the queue, by name: the calls that ask, and
 * the targets that are asked. One exists for as long as somebody uses it.
 */
#ifndef SUPERVISOR_TOOL_PARTY_H
#define SUPERVISOR_TOOL_PARTY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct tool_party {
	TAILQ_ENTRY(tool_party) entry;
	size_t users;   /* a call: its open requests; a target: its jobs */
	size_t running; /* a target: jobs that are at a worker */
	uint64_t
	    held_until_ms; /* a target: a place is taken so long; 0: none */
	uint64_t turn;     /* a call: when it was served last; 0: not yet */
	char name[];
};

TAILQ_HEAD(tool_party_list, tool_party);

/* The one called NAME, with one user more. NULL: no memory. */
struct tool_party *tool_party_join(
    struct tool_party_list *list, const char *name);

/* NULL if nobody uses NAME. */
struct tool_party *tool_party_find(
    const struct tool_party_list *list, const char *name);

/* Its last user frees it. NULL-safe, clears *PARTY. */
void tool_party_leave(struct tool_party_list *list, struct tool_party **party);

#endif
