/* SPDX-License-Identifier: MIT */
/*
 * routeros_queries.h – everything that a router may be asked: the allow-list.
 *
 * Menus, verbs, properties, flags and filters are constants of the table in
 * routeros_queries.c; nothing else is ever sent, by either API. Arguments are
 * only ever values: JSON strings, or what follows "=name=" in a word. Menus
 * are only printed, and two commands that change nothing are run, ping and
 * monitor-traffic. No I/O.
 *
 * What a query answers, a JSON object of at most TOOL_OUTPUT_SIZE bytes; a
 * member with '?' is left out where the router does not tell. Lists are cut
 * from their end, and "more" says how many are missing:
 *
 *   resources      {"identity", "version", "board", "uptime_s", "cpu_percent",
 *                   "memory_free", "memory_total" (bytes), "temperature_c"?}
 *   interfaces     {"interfaces": [{"name", "comment"?, "type", "running",
 *                   "disabled", "rx_bps"?, "tx_bps"?}], "more"}, busiest
 *                   first; argument "interfaces": parts of names or types
 *   customers      {"ppp", "dhcp", "hotspot"}: how many are connected
 *   find_customer  {"found": [{"kind": "ppp"|"dhcp"|"hotspot", "name",
 *                   "address"?, "mac"?, "uptime_s"?, "comment"?,
 *                   "connected"}], "more"}; argument "customer": words of
 *                   name or comment, an address, or a part of a MAC address
 *   ping           {"sent", "received", "loss_percent", "min_ms"?, "avg_ms"?,
 *                   "max_ms"?}; arguments "address" and "count"
 *   gateways       {"gateways": [{"gateway", "distance", "active", "check",
 *                   "comment"?}], "more"}: the default routes, active first
 *   log            {"entries": [{"time", "topics", "message"}], "more"}:
 *                   warnings and worse, newest first
 */
#ifndef TOOLWORKER_ROUTEROS_QUERIES_H
#define TOOLWORKER_ROUTEROS_QUERIES_H

#include "common/routeros_tool.h"
#include "toolworker/routeros_outcome.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

enum {
	ROUTEROS_COMMANDS_MAX = 3,   /* of one query */
	ROUTEROS_VALUES_MAX = 2,     /* of one command */
	ROUTEROS_PING_MAX = 20,      /* probes: a second each */
	ROUTEROS_MONITORED_MAX = 64, /* interfaces whose traffic is measured */
};

/* One thing to be asked. Strings that do not apply are NULL. */
struct routeros_command {
	const char *menu;     /* "/ip/route" */
	const char *verb;     /* "print"; NULL: the menu is a command */
	const char *proplist; /* "name,type": the fields that are wanted */
	const char *filter;   /* "status=bound": records that have that */
	const char *flag;     /* "count-only", "once" */
	/* Which values it takes, in the order of struct routeros_values. */
	const char *names[ROUTEROS_VALUES_MAX];
	bool optional; /* a router that lacks it is a router with none */
};

/* The values of one command; heap strings. */
struct routeros_values {
	char *list[ROUTEROS_VALUES_MAX];
};

/* What came so far, by the number of the command. */
struct routeros_results {
	const cJSON *list[ROUTEROS_COMMANDS_MAX]; /* arrays, or NULL: none */
};

size_t routeros_command_count(enum routeros_query query);
const struct routeros_command *routeros_command_at(
    enum routeros_query query, size_t index);

/*
 * Makes the values of a command from what the model gave and what came of the
 * commands before it. 1: it is to be run; 0: it need not be, there is nothing
 * to ask; -EINVAL with WHY (ROUTEROS_WHY_SIZE) for the model; -ENOMEM.
 * VALUES is zeroed before, and to be freed in any case.
 */
int routeros_values_make(struct routeros_values *values,
    enum routeros_query query, size_t index, const cJSON *arguments,
    const struct routeros_results *results, char *why);

void routeros_values_free(struct routeros_values *values);

/*
 * Turns what came into the answer above. NULL: the router did not tell what
 * the answer is made of, or no memory.
 */
cJSON *routeros_answer(enum routeros_query query, const cJSON *arguments,
    const struct routeros_results *results);

#endif
