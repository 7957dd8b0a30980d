/* SPDX-License-Identifier: MIT */
/*
 * secret_entry.c – collects secret digits.
 *
 * Invariant: while the entry is not open its page holds zeroes.
 */
#include "supervisor/secret_entry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct secret_entry {
	char *digits; /* a page */
	size_t page;
	size_t count;
	size_t length; /* wanted; 0: any */
	bool open;
	bool ended;        /* by '#' or its length */
	uint64_t due_ms;   /* complete if nothing comes until then */
	uint64_t after_ms; /* until then digits are swallowed */
	uint64_t late_ms;  /* until then one prolongs that by NEXT_MS */
	uint64_t lost_ms;  /* the last one was; 0: never */
	uint64_t pause_ms; /* open: those before belong to an earlier one */
};

int
secret_entry_new(struct secret_entry **entry_out)
{
	struct secret_entry *entry = calloc(1, sizeof(*entry));

	if (entry == NULL)
		return -ENOMEM;
	entry->page = (size_t)sysconf(_SC_PAGESIZE);
	entry->digits = mmap(NULL, entry->page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (entry->digits == MAP_FAILED) {
		free(entry);
		return -ENOMEM;
	}
	/* Neither may fail for a reason that makes the service worse off than
	 * without: a limit on locked memory, an old kernel. */
	(void)madvise(entry->digits, entry->page, MADV_DONTDUMP);
	(void)madvise(entry->digits, entry->page, MADV_WIPEONFORK);
	(void)mlock(entry->digits, entry->page);
	*entry_out = entry;
	return 0;
}

static void
wipe(struct secret_entry *entry)
{
	explicit_bzero(entry->digits, SECRET_ENTRY_MAX + 1);
	entry->count = 0;
}

void
secret_entry_free(struct secret_entry **entry_ptr)
{
	struct secret_entry *entry = *entry_ptr;

	if (entry == NULL)
		return;
	*entry_ptr = NULL;
	wipe(entry);
	munmap(entry->digits, entry->page);
	free(entry);
}

void
secret_entry_begin(
    struct secret_entry *entry, size_t length, bool again, uint64_t now_ms)
{
	if (entry->lost_ms != 0 &&
	    now_ms < entry->lost_ms + SECRET_ENTRY_PAUSE_MS)
		again = true;
	wipe(entry);
	entry->length = length;
	entry->open = true;
	entry->ended = false;
	entry->lost_ms = 0;
	entry->pause_ms = again ? now_ms + SECRET_ENTRY_PAUSE_MS : 0;
	entry->due_ms = now_ms + SECRET_ENTRY_FIRST_MS;
}

void
secret_entry_end(struct secret_entry *entry, uint64_t now_ms)
{
	bool unfinished = entry->open && !entry->ended;

	wipe(entry);
	/* Also of one that was never opened again after a restart. */
	entry->late_ms = now_ms + (unfinished ? SECRET_ENTRY_LATE_MS : 0);
	entry->after_ms = now_ms + (unfinished ? SECRET_ENTRY_NEXT_MS
					       : SECRET_ENTRY_AFTER_MS);
	entry->open = false;
}

void
secret_entry_swallow(
    struct secret_entry *entry, uint64_t for_ms, uint64_t now_ms)
{
	entry->after_ms = now_ms + for_ms;
}

static uint64_t
later(uint64_t a_ms, uint64_t b_ms)
{
	return a_ms > b_ms ? a_ms : b_ms;
}

/* One that came too late: it says that more may follow, or that none will. */
static void
swallow(struct secret_entry *entry, char digit, uint64_t now_ms)
{
	uint64_t next_ms = now_ms + SECRET_ENTRY_NEXT_MS;

	entry->lost_ms = now_ms;
	if (digit == '#') {
		entry->late_ms = now_ms;
		entry->after_ms = now_ms + SECRET_ENTRY_AFTER_MS;
		return;
	}
	if (next_ms > entry->late_ms)
		next_ms = entry->late_ms;
	next_ms = later(next_ms, now_ms + SECRET_ENTRY_AFTER_MS);
	entry->after_ms = later(entry->after_ms, next_ms);
}

bool
secret_entry_add(struct secret_entry *entry, char digit, uint64_t now_ms)
{
	if (!entry->open) {
		if (now_ms >= entry->after_ms)
			return false;
		swallow(entry, digit, now_ms);
		return true;
	}
	if (secret_entry_is_complete(entry, now_ms))
		return true;
	if (now_ms < entry->pause_ms) {
		entry->pause_ms =
		    digit == '#' ? 0 : now_ms + SECRET_ENTRY_PAUSE_MS;
		return true;
	}
	entry->due_ms = now_ms + SECRET_ENTRY_NEXT_MS;
	if (digit == '*')
		wipe(entry);
	else if (digit == '#')
		entry->ended = true;
	else if (digit >= '0' && digit <= '9')
		entry->digits[entry->count++] = digit;
	if (entry->count == SECRET_ENTRY_MAX ||
	    (entry->length > 0 && entry->count >= entry->length))
		entry->ended = true;
	return true;
}

bool
secret_entry_is_open(const struct secret_entry *entry)
{
	return entry->open;
}

bool
secret_entry_is_complete(const struct secret_entry *entry, uint64_t now_ms)
{
	return entry->open && (entry->ended || now_ms >= entry->due_ms);
}

uint64_t
secret_entry_due_ms(const struct secret_entry *entry)
{
	if (!entry->open)
		return UINT64_MAX;
	return entry->ended ? 0 : entry->due_ms;
}

const char *
secret_entry_digits(const struct secret_entry *entry, size_t *len_out)
{
	*len_out = entry->count;
	return entry->digits;
}
