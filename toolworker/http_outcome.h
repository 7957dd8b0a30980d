/* SPDX-License-Identifier: MIT */
/*
 * http_outcome.h – what the end of an HTTP exchange means for a job.
 *
 *   ok           a good status, and the answer is where the tool says
 *   refused      the service understood and says no; its words are the text
 *   timeout      no answer before the deadline, or 408, 504
 *   busy         429, 503
 *   http_error   any other status, redirects included: "HTTP 500"
 *   unreachable  no address, no connection (three seconds without one), bad
 *                certificate, connection lost before an answer
 *   malformed    cut off, too large, of another content type, not UTF-8, not
 *                JSON, or without the answer that the tool promises
 */
#ifndef TOOLWORKER_HTTP_OUTCOME_H
#define TOOLWORKER_HTTP_OUTCOME_H

#include "common/http_client.h"
#include "common/http_tool.h"
#include "common/tool_status.h"
#include "toolworker/tool_secrets.h"

struct http_outcome {
	enum tool_status status;
	char text[TOOL_OUTPUT_SIZE]; /* for the model, or the log */
};

/*
 * DEADLINE_MS is what the exchange had in all. What is one of SECRETS, which
 * may be NULL, is masked in the text.
 */
void http_outcome_read(struct http_outcome *outcome,
    const struct http_tool *tool, const struct http_response *response,
    unsigned int deadline_ms, const struct tool_secrets *secrets);

#endif
