/* SPDX-License-Identifier: MIT */
/* journal_rig.h – a call's journal as a test writes it, and its history. */
#ifndef TESTS_UNIT_JOURNAL_RIG_H
#define TESTS_UNIT_JOURNAL_RIG_H

#include "callworker/history.h"
#include "common/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct journal_rig {
	int fd;
	struct journal *journal;
	struct history *h; /* as last read */
};

static inline void
journal_rig_open(struct journal_rig *rig)
{
	assert_int_equal(journal_memfd_create(&rig->fd), 0);
	assert_int_equal(journal_attach(&rig->journal, rig->fd), 0);
}

static inline void
journal_rig_close(struct journal_rig *rig)
{
	history_free(&rig->h);
	history_free(&rig->h);
	journal_free(&rig->journal);
	close(rig->fd);
}

/* One more record. */
static inline void
add(struct journal_rig *rig, enum journal_type type, const char *body)
{
	assert_int_equal(
	    journal_append(rig->journal, type, body, strlen(body)), 0);
}

static inline void
journal_rig_read(struct journal_rig *rig)
{
	history_free(&rig->h);
	assert_int_equal(history_read(&rig->h, rig->fd), 0);
}

#endif
