/* SPDX-License-Identifier: MIT */
/*
 * call_record.c – a call and the record of it.
 *
 * Invariant: the keeper holds the journal of an ended call until its record is
 * on disk, so that our own death in between costs nothing.
 */
#include "supervisor/call_impl.h"

#include "supervisor/call_rescue.h"
#include "supervisor/fleet.h"
#include "supervisor/records.h"

#include <sys/stat.h>

void
call_record_begin(struct call *call)
{
	int journal = call->fds[CALL_FD_JOURNAL];
	struct stat st;

	if (journal < 0 || fstat(journal, &st) < 0)
		st.st_ino = 0;
	/* The keeper's table may have it twice, see call_adopt_again(). */
	if (call->record != 0 && st.st_ino == call->record_journal)
		return;
	/* Of a worker that died before anybody heard it. */
	records_end(call->env->records, call->record, 0);
	call->record = st.st_ino == 0 ? 0
				      : records_begin(call->env->records,
					    call->id, journal);
	call->record_journal = st.st_ino;
}

void
call_record_keep(struct call *call, struct worker *worker)
{
	if (call->env->records != NULL && call->kept == 0)
		call->kept = worker_keep(worker);
}

void
call_record_outlives(struct call *call)
{
	if (call->record == 0 || call->worker != NULL)
		call_rescue_over(call); /* a living worker's are held, too */
	else if (call->state == CALL_TRANSFERRED)
		call_record_end(call);
}

void
call_record_end(struct call *call)
{
	/* records_config.on_written releases it then. */
	if (records_end(call->env->records, call->record, call->kept))
		call->kept = 0;
	else
		call_rescue_over(call);
}
