/* SPDX-License-Identifier: MIT */
/*
 * records.h – the records of all calls, written by a thread, so that a disk
 * that hangs or is full is nobody's silence.
 *
 * A call is begun with its journal and ended when nobody writes there any
 * more; until its record is whole on disk the journal is kept, here and (see
 * on_written) by whoever holds it for a later supervisor.
 */
#ifndef SUPERVISOR_RECORDS_H
#define SUPERVISOR_RECORDS_H

#include "supervisor/record_file.h"

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct records;

enum {
	RECORDS_TURN_MS = 1000,  /* between looks at the calls that go on */
	RECORDS_RETRY_MS = 5000, /* after an error of the disk */
	RECORDS_LEAVE_MS = 3000, /* for the last ones, at the end */
	RECORDS_HURRY_MS = 250,  /* … when a successor waits for it */
	RECORDS_ENDED_MAX = 512, /* waiting for a disk; then the oldest goes */
};

struct records_config {
	struct event_base *base;
	struct record_rules rules; /* copied, with their folder */
	long days;                 /* kept; 0: for ever */
	/*
	 * The record of TOKEN, given to records_end(), is on disk, or given up
	 * for good. From the event loop.
	 */
	void (*on_written)(unsigned token, void *arg);
	void *arg;
};

/*
 * Where records go: SETTING (RECORDS_DIR), or "records" in the state directory
 * that systemd made for us, or "" for nowhere.
 */
void records_folder(const char *setting, char *path, size_t size);

/* Starts the thread. 0 or -errno. */
int records_new(
    struct records **records_out, const struct records_config *config);

/*
 * Writes what has ended, for at most RECORDS_LEAVE_MS, and tells it; what goes
 * on stays in open/ for a successor. NULL-safe, clears.
 */
void records_free(struct records **records);

/*
 * That will be for at most RECORDS_HURRY_MS: callers wait meanwhile. A record
 * whose writing takes longer is written by the successor, perhaps once more.
 * NULL-safe.
 */
void records_hurry(struct records *records);

/*
 * What goes into the records of calls that begin from now on, and how many
 * DAYS are kept. The folder stays. NULL-safe.
 */
void records_set_rules(
    struct records *records, const struct record_rules *rules, long days);

/*
 * The calls that an earlier supervisor left have all been begun: what else it
 * left in open/ is closed.
 */
void records_settle(struct records *records);

/*
 * Begins the record of CALL, or goes on with that of an earlier process.
 * JOURNAL_FD is duplicated. Returns a ticket, which is never given twice: a
 * channel may come back with its id while its first call is still ending. 0:
 * RECORDS is NULL, or there was an error, which costs the record, not the call.
 */
uint64_t records_begin(
    struct records *records, const char *call, int journal_fd);

/*
 * Nobody writes any more to the journal of TICKET, which may be 0. True:
 * on_written will be told TOKEN; false: there is nothing to wait for.
 */
bool records_end(struct records *records, uint64_t ticket, unsigned token);

/* Records that have ended and are not on disk yet. */
size_t records_waiting(struct records *records);

#endif
