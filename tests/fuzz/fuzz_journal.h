/* SPDX-License-Identifier: MIT */
/*
 * fuzz_journal.h – a journal that somebody wrote: a line is an entry, its
 * type's number before the body.
 */
#ifndef TESTS_FUZZ_FUZZ_JOURNAL_H
#define TESTS_FUZZ_FUZZ_JOURNAL_H

#include "common/journal.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

enum {
	FUZZ_JOURNAL_LEN = 256 * 1024,
};

/* The memfd of one with the lines of TEXT, which is cut up; close(). */
static inline int
fuzz_journal(char *text)
{
	struct journal *journal;
	char *line, *rest = text;
	int fd;

	FUZZ_CHECK(journal_memfd_create_sized(FUZZ_JOURNAL_LEN, &fd) == 0);
	FUZZ_CHECK(journal_attach(&journal, fd) == 0);
	while ((line = strsep(&rest, "\n")) != NULL) {
		char *body = line;
		long type = strtol(line, &body, 10);

		/* These two the journal writes itself. */
		if (type <= 0 || type > 64 || type == JOURNAL_FULL ||
		    type == JOURNAL_FINAL)
			continue;
		(void)journal_append(
		    journal, (enum journal_type)type, body, strlen(body));
	}
	journal_free(&journal);
	return fd;
}

#endif
