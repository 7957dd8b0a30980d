/* SPDX-License-Identifier: MIT */
/*
 * routeros_queries.c – the allow-list, and the values that go with it.
 *
 * Invariant: every path, property and filter that can reach a router is a
 * string constant in this file.
 */
#include "toolworker/routeros_queries.h"

#include "common/json.h"
#include "common/url.h"
#include "toolworker/routeros_answers.h"
#include "toolworker/routeros_value.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ARGUMENT_MAX = 200,     /* bytes */
	PING_USUAL = 4,         /* probes, unless said */
	INTERFACE_NAMES = 8192, /* bytes of their names */
};

struct query {
	size_t count;
	struct routeros_command commands[ROUTEROS_COMMANDS_MAX];
	/* NULL: its commands take no values. */
	int (*make_values)(struct routeros_values *values, size_t index,
	    const cJSON *arguments, const struct routeros_results *results,
	    char *why);
	routeros_answer_fn *answer;
};

/* -- values ------------------------------------------------------------------ */

static int
make_ping_values(struct routeros_values *values, size_t index,
    const cJSON *arguments, const struct routeros_results *results, char *why)
{
	const char *address = json_string(arguments, "address");
	int64_t count = json_int(arguments, "count", PING_USUAL);
	char text[24];

	(void)index;
	(void)results;
	if (strlen(address) > ARGUMENT_MAX || *address == '\0' ||
	    *address == '-' || !url_host_is_valid(address)) {
		snprintf(why, ROUTEROS_WHY_SIZE,
		    "\"address\" must be an IP address or a host name");
		return -EINVAL;
	}
	if (count < 1 || count > ROUTEROS_PING_MAX) {
		snprintf(why, ROUTEROS_WHY_SIZE,
		    "\"count\" must be a number from 1 to %d",
		    ROUTEROS_PING_MAX);
		return -EINVAL;
	}
	snprintf(text, sizeof(text), "%d", (int)count);
	values->list[0] = strdup(address);
	values->list[1] = strdup(text);
	return values->list[0] != NULL && values->list[1] != NULL ? 1 : -ENOMEM;
}

/*
 * A name that a list with commas can carry. Names that are not ASCII may be
 * in an encoding that routeros_text() has changed.
 */
static bool
is_listable(const char *name)
{
	for (const char *c = name; *c != '\0'; c++) {
		if ((unsigned char)*c >= 0x7f || (unsigned char)*c < 0x20 ||
		    *c == ',')
			return false;
	}
	return *name != '\0';
}

/* The traffic of the interfaces that are up and asked for. */
static int
make_monitor_values(const cJSON *arguments, const cJSON *interfaces,
    struct routeros_values *values)
{
	char names[INTERFACE_NAMES] = "";
	const cJSON *record;
	size_t len = 0;
	int count = 0;

	cJSON_ArrayForEach(record, interfaces) {
		const char *name = routeros_field(record, "name");

		if (count == ROUTEROS_MONITORED_MAX ||
		    !routeros_flag(record, "running") || !is_listable(name) ||
		    !routeros_interface_is_wanted(record, arguments) ||
		    len + strlen(name) + 2 > sizeof(names))
			continue;
		len += (size_t)snprintf(names + len, sizeof(names) - len,
		    "%s%s", count > 0 ? "," : "", name);
		count++;
	}
	if (count == 0)
		return 0;
	values->list[0] = strdup(names);
	return values->list[0] != NULL ? 1 : -ENOMEM;
}

static int
check_text(const cJSON *arguments, const char *key, bool needed, char *why)
{
	const char *text = json_string(arguments, key);

	if (strlen(text) <= ARGUMENT_MAX && (*text != '\0' || !needed))
		return 1;
	snprintf(why, ROUTEROS_WHY_SIZE,
	    "\"%s\" must be a text of 1 to %d bytes", key, ARGUMENT_MAX);
	return -EINVAL;
}

static int
make_interface_values(struct routeros_values *values, size_t index,
    const cJSON *arguments, const struct routeros_results *results, char *why)
{
	if (index == 0)
		return check_text(arguments, "interfaces", false, why);
	return make_monitor_values(arguments, results->list[0], values);
}

/* Customers are looked for in what the router lists: nothing is sent. */
static int
make_find_values(struct routeros_values *values, size_t index,
    const cJSON *arguments, const struct routeros_results *results, char *why)
{
	(void)values;
	(void)index;
	(void)results;
	return check_text(arguments, "customer", true, why);
}

/* -- the table ---------------------------------------------------------------- */

static const struct query queries[ROUTEROS_QUERY_COUNT] = {
    [ROUTEROS_QUERY_RESOURCES] =
	{
	    .count = 3,
	    .commands =
		{
		    {.menu = "/system/resource",
			.verb = "print",
			.proplist = "version,board-name,uptime,cpu-load,"
				    "free-memory,total-memory"},
		    {.menu = "/system/identity",
			.verb = "print",
			.proplist = "name"},
		    /* Fields are named otherwise by RouterOS 6 and 7. */
		    {.menu = "/system/health",
			.verb = "print",
			.optional = true},
		},
	    .answer = routeros_answer_resources,
	},
    [ROUTEROS_QUERY_INTERFACES] =
	{
	    .count = 2,
	    .commands =
		{
		    {.menu = "/interface",
			.verb = "print",
			.proplist = "name,default-name,comment,type,running,"
				    "disabled,dynamic"},
		    {.menu = "/interface",
			.verb = "monitor-traffic",
			.proplist = "name,rx-bits-per-second,"
				    "tx-bits-per-second",
			.flag = "once",
			.names = {"interface"}},
		},
	    .make_values = make_interface_values,
	    .answer = routeros_answer_interfaces,
	},
    [ROUTEROS_QUERY_CUSTOMERS] =
	{
	    .count = 3,
	    .commands =
		{
		    {.menu = "/ppp/active",
			.verb = "print",
			.flag = "count-only",
			.optional = true},
		    {.menu = "/ip/dhcp-server/lease",
			.verb = "print",
			.filter = "status=bound",
			.flag = "count-only",
			.optional = true},
		    {.menu = "/ip/hotspot/active",
			.verb = "print",
			.flag = "count-only",
			.optional = true},
		},
	    .answer = routeros_answer_customers,
	},
    [ROUTEROS_QUERY_FIND_CUSTOMER] =
	{
	    .count = 3,
	    .commands =
		{
		    {.menu = "/ppp/active",
			.verb = "print",
			.proplist = "name,address,caller-id,uptime,comment",
			.optional = true},
		    {.menu = "/ip/dhcp-server/lease",
			.verb = "print",
			.proplist = "address,active-address,mac-address,"
				    "active-mac-address,host-name,comment,"
				    "status",
			.optional = true},
		    {.menu = "/ip/hotspot/active",
			.verb = "print",
			.proplist = "user,address,mac-address,uptime,comment",
			.optional = true},
		},
	    .make_values = make_find_values,
	    .answer = routeros_answer_find_customer,
	},
    [ROUTEROS_QUERY_PING] =
	{
	    .count = 1,
	    .commands = {{.menu = "/ping", .names = {"address", "count"}}},
	    .make_values = make_ping_values,
	    .answer = routeros_answer_ping,
	},
    [ROUTEROS_QUERY_GATEWAYS] =
	{
	    .count = 1,
	    .commands = {{.menu = "/ip/route",
		.verb = "print",
		.proplist = "gateway,distance,active,disabled,check-gateway,"
			    "comment",
		.filter = "dst-address=0.0.0.0/0"}},
	    .answer = routeros_answer_gateways,
	},
    [ROUTEROS_QUERY_LOG] =
	{
	    .count = 1,
	    .commands = {{.menu = "/log",
		.verb = "print",
		.proplist = "time,topics,message"}},
	    .answer = routeros_answer_log,
	},
};

size_t
routeros_command_count(enum routeros_query query)
{
	return queries[query].count;
}

const struct routeros_command *
routeros_command_at(enum routeros_query query, size_t index)
{
	assert(index < queries[query].count);
	return &queries[query].commands[index];
}

int
routeros_values_make(struct routeros_values *values, enum routeros_query query,
    size_t index, const cJSON *arguments,
    const struct routeros_results *results, char *why)
{
	if (queries[query].make_values == NULL)
		return 1;
	return queries[query].make_values(
	    values, index, arguments, results, why);
}

void
routeros_values_free(struct routeros_values *values)
{
	for (size_t i = 0; i < ROUTEROS_VALUES_MAX; i++)
		free(values->list[i]);
	*values = (struct routeros_values){0};
}

/* -- bounds of the answer -------------------------------------------------------- */

static bool
fits(const cJSON *answer)
{
	char *text = cJSON_PrintUnformatted(answer);
	bool fitting = text != NULL && strlen(text) < TOOL_OUTPUT_SIZE;

	free(text);
	return fitting;
}

static cJSON *
find_list(cJSON *answer)
{
	cJSON *item;

	cJSON_ArrayForEach(item, answer) {
		if (cJSON_IsArray(item))
			return item;
	}
	return NULL;
}

cJSON *
routeros_answer(enum routeros_query query, const cJSON *arguments,
    const struct routeros_results *results)
{
	cJSON *answer = queries[query].answer(arguments, results);
	cJSON *list = find_list(answer);
	int more;

	while (answer != NULL && !fits(answer)) {
		int count = cJSON_GetArraySize(list);

		if (count == 0) {
			cJSON_Delete(answer);
			return NULL;
		}
		cJSON_DeleteItemFromArray(list, count - 1);
		more = (int)json_int(answer, "more", 0) + 1;
		cJSON_ReplaceItemInObjectCaseSensitive(
		    answer, "more", cJSON_CreateNumber(more));
	}
	return answer;
}
