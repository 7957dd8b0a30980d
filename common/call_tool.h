/* SPDX-License-Identifier: MIT */
/*
 * call_tool.h – what a tool of type "call" declares: that the call ends, that
 * a question is withdrawn, or where a caller may be transferred to. Described
 * in etc/tools.d/README.md.
 *
 * Whom Asterisk is told to dial stands in the file. What the model says picks
 * one of the destinations, and at most fills a place in it with a few letters
 * and digits that cannot be anything but a short extension.
 */
#ifndef COMMON_CALL_TOOL_H
#define COMMON_CALL_TOOL_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CALL_TOOL_DESTINATIONS_MAX = 32,
	CALL_TOOL_ENDPOINT_SIZE = 160, /* bytes, NUL included */
	CALL_TOOL_VALUE_MAX = 32,      /* bytes of an argument in one */
	CALL_TOOL_DIGITS_MAX = 6,      /* … unless the schema lists them */
	CALL_TOOL_RING_MIN_S = 5,
	CALL_TOOL_RING_MAX_S = 120,
	CALL_TOOL_RING_DEFAULT_S = 30,
	CALL_TOOL_MARGIN_S = 15, /* the deadline beyond the ringing */
	CALL_TOOL_WHY_SIZE = 256,
};

/* Everything points into the JSON that was read. */
struct call_tool {
	const char *action; /* "hangup", "cancel" or "transfer" */
	/* Of a transfer: the parameter that chooses, and what there is. */
	const char *argument;
	const cJSON *destinations;
	uint32_t ring_max_s; /* of all destinations */
};

typedef void call_tool_problem_fn(const char *text, void *arg);

/*
 * Reads SETTINGS, the members of "executor". PARAMETERS is the tool's schema.
 * Every fault goes to PROBLEM, with the place named. Returns 0 or -EINVAL.
 */
int call_tool_read(struct call_tool *tool_out, const cJSON *settings,
    const cJSON *parameters, call_tool_problem_fn *problem, void *arg);

struct call_destination {
	const char *name;
	char endpoint[CALL_TOOL_ENDPOINT_SIZE]; /* for Asterisk to dial */
	uint32_t ring_s;
};

/*
 * Where ARGUMENTS lead, of a transfer whose SETTINGS were read without fault.
 * Returns 0, or -EINVAL with what the model should know in WHY.
 */
int call_tool_destination(const cJSON *settings, const cJSON *arguments,
    struct call_destination *destination_out, char why[CALL_TOOL_WHY_SIZE]);

/*
 * The arguments with which a transfer goes to the destination NAME, asking
 * nobody anything; NULL if it has none of that name, or one that needs an
 * argument. To be deleted.
 */
cJSON *call_tool_arguments(const cJSON *settings, const char *name);

#endif
