/* SPDX-License-Identifier: MIT */
/*
 * tool_holds.c – a table of targets in shared memory.
 *
 * Invariant: an entry's moment is 0 while its name is written, so that dying
 * in between leaves no entry with half a name. What is read is checked: the
 * writer may have been killed, or been another version.
 */
#include "supervisor/tool_holds.h"

#include "common/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	MAGIC = 0x54454c48, /* of this layout */
};

struct entry {
	uint64_t until_ms; /* 0, or in the past: free */
	char target[TOOL_HOLDS_TARGET_SIZE];
};

struct memory {
	uint32_t magic;
	uint32_t size;
	struct entry entries[TOOL_HOLDS_MAX];
};

_Static_assert(sizeof(struct memory) <= KEEPER_MEMORY_HOLDS, "it must fit");

struct tool_holds {
	struct memory *memory;
	uint64_t (*now_ms)(void);
};

int
tool_holds_new(struct tool_holds **holds_out, int fd, uint64_t (*now_ms)(void))
{
	int flags = fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED;
	struct tool_holds *holds = calloc(1, sizeof(*holds));
	struct memory *memory;

	if (holds == NULL)
		return -ENOMEM;
	memory = mmap(NULL, KEEPER_MEMORY_HOLDS, PROT_READ | PROT_WRITE, flags,
	    fd, fd < 0 ? 0 : TOOL_HOLDS_OFFSET);
	if (memory == MAP_FAILED) {
		free(holds);
		return -errno;
	}
	if (memory->magic != MAGIC || memory->size != sizeof(*memory)) {
		memset(memory, 0, sizeof(*memory));
		memory->size = sizeof(*memory);
		memory->magic = MAGIC;
	}
	holds->memory = memory;
	holds->now_ms = now_ms;
	*holds_out = holds;
	return 0;
}

void
tool_holds_free(struct tool_holds **holds)
{
	if (*holds == NULL)
		return;
	munmap((*holds)->memory, KEEPER_MEMORY_HOLDS);
	free(*holds);
	*holds = NULL;
}

/* Its own entry, or else one that is free; NULL: there is no room. */
static struct entry *
find_entry(struct tool_holds *holds, const char *target)
{
	struct entry *entries = holds->memory->entries;
	uint64_t now_ms = holds->now_ms();
	struct entry *unused = NULL;

	for (size_t i = 0; i < TOOL_HOLDS_MAX; i++) {
		if (entries[i].until_ms <= now_ms)
			unused = &entries[i];
		else if (strncmp(entries[i].target, target,
			     TOOL_HOLDS_TARGET_SIZE) == 0)
			return &entries[i];
	}
	return unused;
}

void
tool_holds_set(struct tool_holds *holds, const char *target, uint64_t until_ms)
{
	size_t len = strlen(target);
	struct entry *entry;

	if (holds == NULL || len >= TOOL_HOLDS_TARGET_SIZE)
		return;
	entry = find_entry(holds, target);
	if (entry == NULL) {
		if (until_ms != 0)
			log_warn("more targets stay taken, or were begun, "
				 "than can be remembered max=%d",
			    TOOL_HOLDS_MAX);
		return;
	}
	entry->until_ms = 0;
	atomic_signal_fence(memory_order_seq_cst);
	memset(entry->target, 0, sizeof(entry->target));
	memcpy(entry->target, target, len);
	atomic_signal_fence(memory_order_seq_cst);
	entry->until_ms = until_ms;
}

bool
tool_holds_has(const struct tool_holds *holds, const char *target)
{
	uint64_t until_ms;
	const char *name;
	size_t at = 0;

	while ((name = tool_holds_next(holds, &at, &until_ms)) != NULL) {
		if (strcmp(name, target) == 0)
			return true;
	}
	return false;
}

const char *
tool_holds_next(
    const struct tool_holds *holds, size_t *at, uint64_t *until_ms_out)
{
	while (holds != NULL && *at < TOOL_HOLDS_MAX) {
		const struct entry *entry = &holds->memory->entries[(*at)++];

		if (entry->until_ms <= holds->now_ms() ||
		    entry->target[0] == '\0' ||
		    memchr(entry->target, '\0', sizeof(entry->target)) == NULL)
			continue;
		*until_ms_out = entry->until_ms;
		return entry->target;
	}
	return NULL;
}
