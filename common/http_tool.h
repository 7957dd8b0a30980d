/* SPDX-License-Identifier: MIT */
/*
 * http_tool.h – what a tool of type "http" declares: which request is made of
 * the arguments, and what its answer means. Read by the supervisor to check a
 * file, and by the toolworker to run it. Described in etc/tools.d/README.md.
 */
#ifndef COMMON_HTTP_TOOL_H
#define COMMON_HTTP_TOOL_H

#include "common/config.h"
#include "common/tool_status.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

enum {
	HTTP_TOOL_HEADERS_MAX = 16,
	HTTP_TOOL_REASONS_MAX = 8,
	HTTP_TOOL_REDIRECTS_MAX = 5,
	HTTP_TOOL_RESPONSE_MAX = 4 << 20, /* bytes that may be allowed */
	HTTP_TOOL_RESPONSE_DEFAULT = 256 << 10,
};

/* Everything points into the JSON that was read. Strings: "" if not there. */
struct http_tool {
	const char *method; /* GET unless said, with a body POST */
	const char *url;
	const cJSON *headers; /* object of templates, or NULL */
	const cJSON *body;    /* JSON template, or NULL */
	const cJSON *form;    /* object of templates, or NULL */
	const char *user;     /* Basic authentication */
	const char *password;
	const char *ca_file;
	unsigned int redirects; /* that may be followed */

	bool is_text;            /* the answer is plain text, else JSON */
	const char *answer;      /* pointer to the answer; JSON only */
	const char *success;     /* pointer to the flag; JSON only */
	const cJSON *success_is; /* its value when all is well, or NULL */
	const cJSON *reasons;    /* array of pointers to a refusal's words */
	const cJSON *statuses;   /* "404" → status name, or NULL */
	/* Pointers to the counts in lines before the answer; "": none come. */
	const char *progress_done;
	const char *progress_total;
	size_t response_max; /* bytes */
	bool asks_caller;    /* a ${caller:…}, so answers are personal */
};

typedef void http_tool_problem_fn(const char *text, void *arg);

/*
 * Reads SETTINGS, the members of "executor". PARAMETERS is the tool's schema.
 * Every fault goes to PROBLEM, with the place named. Returns 0 or -EINVAL.
 */
int http_tool_read(struct http_tool *tool_out, const cJSON *settings,
    const cJSON *parameters, http_tool_problem_fn *problem, void *arg);

/* Whether every setting that TOOL names is set and switched on. */
bool http_tool_is_configured(
    const struct http_tool *tool, const struct config *config);

/* What an answer with this HTTP status means; OK is to be looked into. */
enum tool_status http_tool_status(const struct http_tool *tool, int status);

#endif
