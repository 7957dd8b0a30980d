/* SPDX-License-Identifier: MIT */
/*
 * access_tool.h – what a tool of type "access" declares: how a caller says
 * who it is. Described in etc/tools.d/README.md.
 */
#ifndef COMMON_ACCESS_TOOL_H
#define COMMON_ACCESS_TOOL_H

#include <cjson/cJSON.h>
#include <stddef.h>

enum {
	ACCESS_TOOL_LENGTH_MAX = 16, /* digits */
	/* Asking for them, dialling them, looking the answer up. */
	ACCESS_TOOL_DEADLINE_MS = 45000,
};

/* Everything points into the JSON that was read. Strings: "" if not there. */
struct access_tool {
	const char *action; /* "staff_pin" or "customer_factor" */
	const char *prompt; /* said when digits may be dialled */
	size_t length;      /* so many are enough; 0: until '#' */
	/* Of customer_factor: the tool that looks the answer up, and its
	 * argument that is dialled if the model does not give it; "". */
	const char *tool;
	const char *dial;
	/* What the voice is told: */
	const char *granted;
	const char *wrong;   /* with {left}: how often it may still be tried */
	const char *locked;  /* no more today */
	const char *nothing; /* nothing was dialled */
};

typedef void access_tool_problem_fn(const char *text, void *arg);

/*
 * Reads SETTINGS, the members of "executor". PARAMETERS is the tool's schema.
 * Every fault goes to PROBLEM, with the place named. Returns 0 or -EINVAL.
 */
int access_tool_read(struct access_tool *tool_out, const cJSON *settings,
    const cJSON *parameters, access_tool_problem_fn *problem, void *arg);

#endif
