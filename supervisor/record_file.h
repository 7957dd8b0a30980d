/* SPDX-License-Identifier: MIT */
/*
 * record_file.h – one call's record on disk: its journal (common/journal.h) as
 * a file of JSON lines, complete up to the last copy whatever dies.
 *
 *   FOLDER/open/CALL.INODE.jsonl           while the call goes on
 *   FOLDER/2026-11-21/083000-CALL.jsonl    afterwards
 *
 * A line is {"n": entry, "time": wall clock, "ms": since the first entry,
 * "type": …} and the members of the entry. Everything here may block on the
 * disk: it is called by records.c's thread, not from the event loop.
 */
#ifndef SUPERVISOR_RECORD_FILE_H
#define SUPERVISOR_RECORD_FILE_H

#include <stdbool.h>

struct record_file;

enum {
	RECORD_FOLDER_MAX = 3072, /* bytes of FOLDER, so that all paths fit */
	RECORD_CALL_MAX = 160,
};

/* What goes into a record. */
struct record_rules {
	const char *folder;  /* made if it is not there; must stay valid */
	bool transcripts;    /* what was said, dialled, asked and answered */
	char show_number[8]; /* SHOW_CALLER_NUMBER: "full", "last4", "no" */
};

/*
 * Begins the record of CALL, or goes on with the one that an earlier process
 * began of the same journal. JOURNAL_FD is only read, and the caller's. 0 or
 * -errno (-EBADMSG: that is no journal).
 */
int record_file_open(struct record_file **file_out,
    const struct record_rules *rules, const char *call, int journal_fd);

/*
 * Copies what is new. 0, or -errno of the disk: nothing is lost then, a later
 * call goes on where this one failed.
 */
int record_file_copy(struct record_file *file);

/*
 * Copies the rest, says so if the journal has no last words ("cut"), has the
 * disk keep it and moves the file to its day. 0, or as record_file_copy(). To
 * be followed by record_file_free() only.
 */
int record_file_finish(struct record_file *file);

/* NULL-safe, clears. An unfinished file stays in open/. */
void record_file_free(struct record_file **file);

/*
 * Moves every file in open/ for which IS_LIVE does not say that its record
 * goes on (it gets the file's name) to its day, as "cut". How many, or -errno.
 */
int record_files_close_left(const struct record_rules *rules,
    bool (*is_live)(const char *name, void *arg), void *arg);

/* The name of FILE in open/, for IS_LIVE. */
const char *record_file_name(const struct record_file *file);

/* Removes the days that ended more than DAYS days ago. How many, or -errno. */
int record_files_prune(const struct record_rules *rules, long days);

#endif
