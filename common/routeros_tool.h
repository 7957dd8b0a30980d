/* SPDX-License-Identifier: MIT */
/*
 * routeros_tool.h – what a tool of type "routeros" declares: one of the
 * queries below, and the pieces of the sentences in which routers answer.
 * Read by the supervisor, which turns a question into one job per router, and
 * by the toolworker, which asks one router (toolworker/routeros_queries.h).
 */
#ifndef COMMON_ROUTEROS_TOOL_H
#define COMMON_ROUTEROS_TOOL_H

#include <cjson/cJSON.h>

/* X(ENUM, "name") – everything that a router can be asked. */
#define ROUTEROS_QUERY_TABLE(X)                                                \
	X(RESOURCES, "resources")                                              \
	X(INTERFACES, "interfaces")                                            \
	X(CUSTOMERS, "customers")                                              \
	X(FIND_CUSTOMER, "find_customer")                                      \
	X(PING, "ping")                                                        \
	X(GATEWAYS, "gateways")                                                \
	X(LOG, "log")

enum routeros_query {
#define X(id, name) ROUTEROS_QUERY_##id,
	ROUTEROS_QUERY_TABLE(X)
#undef X
	ROUTEROS_QUERY_COUNT
};

enum {
	/* Of a router, for one REST request; nobody can stop it earlier. */
	ROUTEROS_REST_LIMIT_MS = 60000,
};

/*
 * How the text of a job that a router refused begins: what people can do
 * about it differs.
 */
#define ROUTEROS_WHY_LOGIN      "wrong user or password"
#define ROUTEROS_WHY_PERMISSION "the user lacks a permission"
#define ROUTEROS_WHY_UNKNOWN    "the router does not know that command"

struct routeros_tool {
	enum routeros_query query;
	const cJSON *sentences; /* object of texts; part of what was read */
};

typedef void routeros_tool_problem_fn(const char *text, void *arg);

/*
 * Reads SETTINGS, the members of "executor". Every fault goes to PROBLEM,
 * with the place named. 0 or -EINVAL.
 */
int routeros_tool_read(struct routeros_tool *tool_out, const cJSON *settings,
    routeros_tool_problem_fn *problem, void *arg);

const char *routeros_query_name(enum routeros_query query);

/* -ENOENT when no query has that name. */
int routeros_query_find(const char *name, enum routeros_query *query_out);

#endif
