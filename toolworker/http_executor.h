/* SPDX-License-Identifier: MIT */
/*
 * http_executor.h – the executor "http": a job is one request to the service
 * that its tool declares (common/http_tool.h), and what comes of it
 * (http_outcome.h).
 *
 * Redirects are followed only as often as the tool allows, only to the same
 * scheme, host and port, and only where nothing is done twice by it: what is
 * not read_only and not a GET is never sent again (RFC 9110 15.4).
 */
#ifndef TOOLWORKER_HTTP_EXECUTOR_H
#define TOOLWORKER_HTTP_EXECUTOR_H

#include "common/config.h"
#include "toolworker/executor.h"
#include "toolworker/http_call.h"
#include "toolworker/tool_secrets.h"

struct http_executor;

/* NETWORK, CONFIG and SECRETS outlive the executor. 0 or -ENOMEM. */
int http_executor_new(struct http_executor **executor_out,
    const struct http_call_network *network, const struct config *config,
    struct tool_secrets *secrets);

/* After the last job has ended. NULL-safe, clears *EXECUTOR. */
void http_executor_free(struct http_executor **executor);

/* For the jobs table: "http". */
struct executor http_executor_interface(struct http_executor *executor);

#endif
