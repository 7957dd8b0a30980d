/* SPDX-License-Identifier: MIT */
/*
 * fuzz_history.c – the journal that a dead worker left, as its successor
 * reads it: a line is an entry, its type's number before the body.
 */
#include "callworker/history.h"
#include "tests/fuzz/fuzz_journal.h"

#include <unistd.h>

/* Its bounds are what the voice's session and our memory rely on. */
static void
check(const struct history *history)
{
	size_t total = 0;

	FUZZ_CHECK(history->count <= HISTORY_ITEMS_MAX);
	for (size_t i = 0; i < history->count; i++) {
		const struct history_item *item = &history->items[i];

		FUZZ_CHECK(item->text != NULL);
		FUZZ_CHECK(strlen(item->text) <= HISTORY_WORDS_MAX);
		FUZZ_CHECK(strlen(item->id) < sizeof(item->id));
		total += strlen(item->text);
	}
	FUZZ_CHECK(total <= HISTORY_TEXT_MAX);
	for (size_t i = 0; i < history->pending_count; i++)
		FUZZ_CHECK(history->pending[i].id[0] != '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct history *history;
	int fd;

	fuzz_init();
	fd = fuzz_journal(text);
	if (history_read(&history, fd) == 0) {
		check(history);
		history_free(&history);
	}
	close(fd);
	free(text);
	return 0;
}
