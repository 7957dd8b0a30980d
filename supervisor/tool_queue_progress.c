/* SPDX-License-Identifier: MIT */
/*
 * tool_queue_progress.c – tells calls how what they wait for goes.
 *
 * Invariant: everyone who waits for a job has been told what is known of its
 * progress, also those who came later.
 */
#include "supervisor/tool_queue_impl.h"

#include "common/json.h"
#include "common/log.h"

void
tool_queue_tell(struct tool_queue *queue, const struct tool_request *request)
{
	uint64_t elapsed_ms = tool_queue_now(queue) - request->started_ms;
	cJSON *body;

	if (request->part)
		return;
	body = cJSON_CreateObject();
	json_add_string(body, "call", request->caller->name);
	json_add_string(body, "id", request->id);
	json_add_int(body, "elapsed_ms", (int64_t)elapsed_ms);
	tool_progress_write(&request->job->progress, body);
	queue->config.send_call(request->caller->name, MESSAGE_TOOL_PROGRESS,
	    body, queue->config.arg);
}

void
tool_queue_set_progress(struct tool_queue *queue, struct tool_job *job,
    const struct tool_progress *progress)
{
	const struct tool_request *request;

	job->progress = *progress;
	TAILQ_FOREACH(request, &job->waiters, waiter)
		tool_queue_tell(queue, request);
}

void
tool_queue_notice(struct tool_queue *queue, struct tool_request *request)
{
	uint64_t now_ms = tool_queue_now(queue);

	log_info("tool waiting name=%s call=%s elapsed=%llus id=%s state=%s",
	    request->name, request->caller->name,
	    (unsigned long long)((now_ms - request->started_ms) / 1000),
	    request->id, tool_queue_state_name(request->job->state));
	tool_queue_tell(queue, request);
	while (request->notice_ms <= now_ms)
		request->notice_ms += TOOL_QUEUE_NOTICE_MS;
}
