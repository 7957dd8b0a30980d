/* SPDX-License-Identifier: MIT */
/* tool_queue_progress.c – tells calls how what they wait for goes. */
#include "supervisor/tool_queue_impl.h"

#include "common/json.h"
#include "common/log.h"
#include "common/utf8.h"

#include <string.h>

enum {
	PROGRESS_TEXT_SIZE = 2048,
};

static void
tell(struct tool_queue *queue, const struct tool_request *request,
    const char *text)
{
	uint64_t elapsed_ms = tool_queue_now(queue) - request->started_ms;
	cJSON *body = cJSON_CreateObject();
	char cut[PROGRESS_TEXT_SIZE];
	size_t len = utf8_cut(text, strlen(text), sizeof(cut) - 1);

	memcpy(cut, text, len);
	cut[len] = '\0';
	json_add_string(body, "call", request->caller->name);
	json_add_string(body, "id", request->id);
	json_add_int(body, "elapsed_ms", (int64_t)elapsed_ms);
	json_add_string(body, "text", cut);
	queue->config.send_call(request->caller->name, MESSAGE_TOOL_PROGRESS,
	    body, queue->config.arg);
}

void
tool_queue_send_progress(
    struct tool_queue *queue, const struct tool_job *job, const char *text)
{
	const struct tool_request *request;

	TAILQ_FOREACH(request, &job->waiters, waiter)
		tell(queue, request, text);
}

void
tool_queue_notice(struct tool_queue *queue, struct tool_request *request)
{
	uint64_t now_ms = tool_queue_now(queue);

	log_info("tool waiting name=%s call=%s elapsed=%llus id=%s state=%s",
	    request->name, request->caller->name,
	    (unsigned long long)((now_ms - request->started_ms) / 1000),
	    request->id, tool_queue_state_name(request->job->state));
	tell(queue, request, "");
	while (request->notice_ms <= now_ms)
		request->notice_ms += TOOL_QUEUE_NOTICE_MS;
}
