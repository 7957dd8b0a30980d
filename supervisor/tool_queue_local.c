/* SPDX-License-Identifier: MIT */
/*
 * tool_queue_local.c – jobs that the supervisor does itself: what happens to
 * the call, such as a transfer.
 *
 * Invariant: a local job answers one request, is at no worker and waits for
 * none; it is RUNNING from when it was begun until it has ended or nobody
 * waits for it.
 */
#include "supervisor/tool_queue_impl.h"

#include "common/log.h"

#include <assert.h>

static void
begin(struct tool_queue *queue, struct tool_job *job)
{
	char detail[TOOL_QUEUE_DETAIL_SIZE] = "";
	enum tool_status status;

	job->attempts++;
	job->deadline_ms = tool_queue_last_deadline(job);
	tool_queue_set_state(job, TOOL_JOB_RUNNING, "begun here");
	status = queue->config.start_local(job->call, job->id, job->settings,
	    job->arguments, detail, queue->config.arg);
	if (status != TOOL_STATUS_OK)
		tool_queue_finish(queue, job, status, detail);
}

void
tool_queue_start_local(struct tool_queue *queue)
{
	struct tool_job *job, *next;

	for (job = TAILQ_FIRST(&queue->jobs); job != NULL; job = next) {
		next = TAILQ_NEXT(job, entry);
		if (job->call != NULL && job->state == TOOL_JOB_WAITING)
			begin(queue, job);
	}
}

void
tool_queue_cancel_local(struct tool_queue *queue, struct tool_job *job)
{
	assert(job->call != NULL && job->state == TOOL_JOB_RUNNING);
	queue->config.cancel_local(job->call, job->id, queue->config.arg);
	tool_queue_remove(queue, job);
}

void
tool_queue_on_local(struct tool_queue *queue, const char *id,
    enum tool_status status, const char *detail)
{
	struct tool_job *job = tool_queue_find(queue, id);

	if (job == NULL || job->call == NULL || job->state != TOOL_JOB_RUNNING)
		log_debug("local job that nobody waits for job=%s", id);
	else
		tool_queue_finish(queue, job, status, detail);
	tool_queue_settle(queue);
}
