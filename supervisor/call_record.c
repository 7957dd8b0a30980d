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

void
call_record_begin(struct call *call)
{
	/* Of a worker that died before anybody heard it. */
	records_end(call->env->records, call->id, 0);
	if (call->fds[CALL_FD_JOURNAL] >= 0)
		records_begin(
		    call->env->records, call->id, call->fds[CALL_FD_JOURNAL]);
}

void
call_record_keep(struct call *call, struct worker *worker)
{
	if (call->env->records != NULL && call->kept == 0)
		call->kept = worker_keep(worker);
}

void
call_record_end(struct call *call)
{
	/* records_config.on_written releases it then. */
	if (records_end(call->env->records, call->id, call->kept))
		call->kept = 0;
	else
		call_rescue_over(call);
}
