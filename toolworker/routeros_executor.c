/* SPDX-License-Identifier: MIT */
/*
 * routeros_executor.c – one query, from the job to its answer.
 *
 * Invariant: an inquiry has exactly one command or login under way until it
 * ends; it is freed before its result is told.
 */
#include "toolworker/routeros_executor.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/router_inventory.h"
#include "common/routeros_tool.h"
#include "toolworker/routeros_api.h"
#include "toolworker/routeros_queries.h"
#include "toolworker/routeros_rest.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct routeros_executor {
	const struct http_call_network *http;
	struct routeros_api_network binary;
	struct tool_secrets *secrets;
	struct router_inventory *inventory;
};

struct inquiry {
	struct routeros_executor *executor;
	struct executor_events events;
	const struct router *router;
	enum routeros_query query;
	size_t index; /* of the command that is due or under way */
	cJSON *arguments;
	cJSON *records[ROUTEROS_COMMANDS_MAX]; /* what came; NULL: nothing */
	const char *password;                  /* the secrets' */
	struct routeros_rest *rest;
	struct routeros_api *api;
	uint64_t started_ms;
	unsigned int deadline_ms;
	char tool[65]; /* for log lines */
};

/* -- the end ----------------------------------------------------------------------- */

static void
inquiry_free(struct inquiry *inquiry)
{
	routeros_rest_cancel(&inquiry->rest);
	routeros_api_close(&inquiry->api);
	for (size_t i = 0; i < ROUTEROS_COMMANDS_MAX; i++)
		cJSON_Delete(inquiry->records[i]);
	cJSON_Delete(inquiry->arguments);
	free(inquiry);
}

static unsigned int
elapsed_ms(const struct inquiry *inquiry)
{
	return (unsigned int)(clock_now_ms() - inquiry->started_ms);
}

/* What routers answer may name customers: not logged. */
static void
log_end(const struct inquiry *inquiry, enum tool_status status,
    unsigned int hold_ms, const char *why)
{
	log_write(status == TOOL_STATUS_OK ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
	    "router query %s tool=%s router=\"%s\" query=%s api=%s status=%s "
	    "elapsed_ms=%u hold_ms=%u why=\"%s\"",
	    status == TOOL_STATUS_OK ? "answered" : "failed", inquiry->tool,
	    inquiry->router->name, routeros_query_name(inquiry->query),
	    router_api_name(inquiry->router->api), tool_status_name(status),
	    elapsed_ms(inquiry), hold_ms, why);
}

static void
end(struct inquiry *inquiry, enum tool_status status, unsigned int hold_ms,
    const char *output)
{
	struct executor_events events = inquiry->events;
	char text[TOOL_OUTPUT_SIZE];

	snprintf(text, sizeof(text), "%s", output);
	tool_secrets_hide(inquiry->executor->secrets, text, strlen(text));
	log_end(inquiry, status, hold_ms, status == TOOL_STATUS_OK ? "" : text);
	inquiry_free(inquiry);
	events.hold(hold_ms, events.arg);
	events.result(status, text, events.arg);
}

/* What is said of interfaces and routes is for callers of every class. */
static void
drop_comments(struct inquiry *inquiry)
{
	cJSON *record;

	if (inquiry->router->comments ||
	    (inquiry->query != ROUTEROS_QUERY_INTERFACES &&
		inquiry->query != ROUTEROS_QUERY_GATEWAYS))
		return;
	cJSON_ArrayForEach(record, inquiry->records[0]) {
		/* A router could send it twice. */
		while (
		    cJSON_GetObjectItemCaseSensitive(record, "comment") != NULL)
			cJSON_DeleteItemFromObjectCaseSensitive(
			    record, "comment");
	}
}

static void
answer(struct inquiry *inquiry)
{
	struct routeros_results results;
	cJSON *json;
	char *text;

	drop_comments(inquiry);
	for (size_t i = 0; i < ROUTEROS_COMMANDS_MAX; i++)
		results.list[i] = inquiry->records[i];
	json = routeros_answer(inquiry->query, inquiry->arguments, &results);
	text = json != NULL ? cJSON_PrintUnformatted(json) : NULL;
	cJSON_Delete(json);
	if (text != NULL)
		end(inquiry, TOOL_STATUS_OK, 0, text);
	else
		end(inquiry, TOOL_STATUS_MALFORMED, 0,
		    "the router's answer lacks what was asked for");
	free(text);
}

/* -- commands, one after the other ----------------------------------------------- */

static void ask(struct inquiry *inquiry);

/* A router may repeat what it was sent; masked before anything is cut. */
static void
hide_secrets(const struct tool_secrets *secrets, cJSON *records)
{
	cJSON *record, *item;

	cJSON_ArrayForEach(record, records) {
		cJSON_ArrayForEach(item, record) {
			if (cJSON_IsString(item))
				tool_secrets_hide(secrets, item->valuestring,
				    strlen(item->valuestring));
		}
	}
}

static void
on_outcome(struct routeros_outcome *outcome, void *arg)
{
	struct inquiry *inquiry = arg;
	const struct routeros_command *command =
	    routeros_command_at(inquiry->query, inquiry->index);

	inquiry->rest = NULL;
	if (outcome->status != TOOL_STATUS_OK &&
	    !(command->optional && outcome->unknown)) {
		end(inquiry, outcome->status, outcome->hold_ms, outcome->why);
		return;
	}
	hide_secrets(inquiry->executor->secrets, outcome->records);
	inquiry->records[inquiry->index++] = outcome->records;
	ask(inquiry);
}

static void
on_login(struct routeros_outcome *outcome, void *arg)
{
	struct inquiry *inquiry = arg;

	if (outcome->status != TOOL_STATUS_OK)
		end(inquiry, outcome->status, 0, outcome->why);
	else
		ask(inquiry);
}

static unsigned int
left_ms(const struct inquiry *inquiry)
{
	unsigned int spent_ms = elapsed_ms(inquiry);

	return spent_ms < inquiry->deadline_ms ? inquiry->deadline_ms - spent_ms
					       : 1;
}

static int
send_command(struct inquiry *inquiry, const struct routeros_values *values)
{
	const struct routeros_command *command =
	    routeros_command_at(inquiry->query, inquiry->index);

	if (inquiry->router->api == ROUTER_API_BINARY)
		return routeros_api_run(
		    inquiry->api, command, values, on_outcome, inquiry);
	return routeros_rest_start(&inquiry->rest, inquiry->executor->http,
	    inquiry->router, inquiry->executor->secrets, command, values,
	    left_ms(inquiry), on_outcome, inquiry);
}

static enum tool_status
status_of_error(int err)
{
	switch (err) {
	case -EINVAL:
		return TOOL_STATUS_INVALID_ARGUMENTS;
	case -EBUSY:
		return TOOL_STATUS_BUSY;
	case -ENOTCONN:
	case -ENOENT: /* tls_client_context_new(): of the CA file */
	case -EACCES:
	case -EBADMSG:
		return TOOL_STATUS_UNREACHABLE;
	default:
		return TOOL_STATUS_INTERNAL;
	}
}

/* Runs what is due next, or answers after the last. */
static void
ask(struct inquiry *inquiry)
{
	struct routeros_values values = {.list = {NULL}};
	struct routeros_results results;
	char why[ROUTEROS_WHY_SIZE] = "";
	int ret = 0;

	while (ret == 0 &&
	       inquiry->index < routeros_command_count(inquiry->query)) {
		for (size_t i = 0; i < ROUTEROS_COMMANDS_MAX; i++)
			results.list[i] = inquiry->records[i];
		ret = routeros_values_make(&values, inquiry->query,
		    inquiry->index, inquiry->arguments, &results, why);
		if (ret == 0)
			inquiry->index++;
	}
	if (ret > 0) {
		ret = send_command(inquiry, &values);
		if (ret == 0)
			ret = 1;
	}
	routeros_values_free(&values);
	if (ret == 0)
		answer(inquiry);
	else if (ret < 0)
		end(inquiry, status_of_error(ret), 0,
		    *why != '\0' ? why : strerror(-ret));
}

/* -- from a job to an inquiry -------------------------------------------------------- */

static bool
is_called(const struct router *router, const char *name)
{
	bool called = strcasecmp(router->name, name) == 0;

	for (size_t i = 0; i < router->alias_count; i++)
		called = called || strcasecmp(router->aliases[i], name) == 0;
	return called;
}

/* The supervisor names it exactly; a person at --run may use an alias. */
static const struct router *
find_router(const struct router_inventory *inventory, const cJSON *arguments)
{
	const char *name = json_string(arguments, "router");
	size_t count = router_inventory_count(inventory);

	if (*name != '\0')
		return router_inventory_find(inventory, name);
	name = json_string(arguments, "routers");
	if (*name == '\0' && count == 1)
		return router_inventory_at(inventory, 0);
	for (size_t i = 0; i < count && *name != '\0'; i++) {
		const struct router *router = router_inventory_at(inventory, i);

		if (is_called(router, name))
			return router;
	}
	return NULL;
}

/* The values of the first command show whether the arguments are good. */
static enum tool_status
check_arguments(const struct inquiry *inquiry, char *why)
{
	const struct routeros_results none = {.list = {NULL}};
	struct routeros_values values = {.list = {NULL}};
	int ret = routeros_values_make(
	    &values, inquiry->query, 0, inquiry->arguments, &none, why);

	routeros_values_free(&values);
	return ret < 0 ? status_of_error(ret) : TOOL_STATUS_OK;
}

static enum tool_status
prepare(
    struct inquiry *inquiry, const struct executor_request *request, char *why)
{
	const struct routeros_executor *executor = inquiry->executor;
	const char *query = json_string(request->settings, "query");

	if (routeros_query_find(query, &inquiry->query) < 0) {
		snprintf(why, ROUTEROS_WHY_SIZE, "there is no such query");
		return TOOL_STATUS_INTERNAL;
	}
	inquiry->router = find_router(executor->inventory, inquiry->arguments);
	if (inquiry->router == NULL) {
		snprintf(why, ROUTEROS_WHY_SIZE,
		    "no router of the inventory has that name");
		return TOOL_STATUS_INVALID_ARGUMENTS;
	}
	inquiry->password = tool_secrets_find(
	    executor->secrets, inquiry->router->password_secret);
	if (inquiry->password == NULL) {
		snprintf(why, ROUTEROS_WHY_SIZE, "%s is not set",
		    inquiry->router->password_secret);
		return TOOL_STATUS_UNREACHABLE;
	}
	return check_arguments(inquiry, why);
}

static struct inquiry *
inquiry_new(struct routeros_executor *executor,
    const struct executor_request *request,
    const struct executor_events *events)
{
	struct inquiry *inquiry = calloc(1, sizeof(*inquiry));

	if (inquiry == NULL)
		return NULL;
	inquiry->executor = executor;
	inquiry->events = *events;
	inquiry->arguments = cJSON_Duplicate(request->arguments, true);
	inquiry->deadline_ms = request->deadline_ms;
	inquiry->started_ms = clock_now_ms();
	snprintf(inquiry->tool, sizeof(inquiry->tool), "%s", request->tool);
	if (inquiry->arguments != NULL)
		return inquiry;
	inquiry_free(inquiry);
	return NULL;
}

/* The first thing that is sent: a login, or the first command itself. */
static int
begin(struct inquiry *inquiry)
{
	const struct routeros_results none = {.list = {NULL}};
	struct routeros_values values = {.list = {NULL}};
	char why[ROUTEROS_WHY_SIZE];
	int ret;

	if (inquiry->router->api == ROUTER_API_BINARY)
		return routeros_api_open(&inquiry->api,
		    &inquiry->executor->binary, inquiry->router,
		    inquiry->password, on_login, inquiry);
	ret = routeros_values_make(
	    &values, inquiry->query, 0, inquiry->arguments, &none, why);
	assert(ret != 0); /* no query begins with a command to be left out */
	if (ret > 0)
		ret = send_command(inquiry, &values);
	routeros_values_free(&values);
	return ret;
}

static void *
routeros_start(void *self, const struct executor_request *request,
    const struct executor_events *events)
{
	struct inquiry *inquiry = inquiry_new(self, request, events);
	enum tool_status status = TOOL_STATUS_INTERNAL;
	char why[ROUTEROS_WHY_SIZE] = "no memory";
	int ret;

	if (inquiry != NULL)
		status = prepare(inquiry, request, why);
	if (status == TOOL_STATUS_OK) {
		ret = begin(inquiry);
		if (ret == 0)
			return inquiry;
		status = status_of_error(ret);
		snprintf(why, sizeof(why), "%s", strerror(-ret));
	}
	log_warn("router query cannot be sent tool=%s status=%s why=\"%s\"",
	    request->tool, tool_status_name(status), why);
	if (inquiry != NULL)
		inquiry_free(inquiry);
	events->result(status, why, events->arg);
	return NULL;
}

static void
routeros_cancel(void *handle)
{
	struct inquiry *inquiry = handle;
	struct executor_events events = inquiry->events;
	unsigned int hold_ms = routeros_rest_cancel(&inquiry->rest);

	if (inquiry->api != NULL)
		hold_ms = routeros_api_close(&inquiry->api);
	log_end(inquiry, TOOL_STATUS_CANCELLED, hold_ms, "nobody waits");
	inquiry_free(inquiry);
	events.hold(hold_ms, events.arg);
}

/* -- life --------------------------------------------------------------------------- */

static int
load_inventory(struct routeros_executor *executor, const struct config *config)
{
	struct config_problems *problems = calloc(1, sizeof(*problems));
	int ret;

	if (problems == NULL)
		return -ENOMEM;
	ret = router_inventory_load_config(
	    &executor->inventory, config, problems);
	/* The supervisor says it at warning, once for all toolworkers. */
	for (size_t i = 0; i < problems->count && i < CONFIG_PROBLEMS_MAX; i++)
		log_info("%s", problems->list[i].text);
	free(problems);
	return ret;
}

int
routeros_executor_new(struct routeros_executor **executor_out,
    struct event_base *base, const struct http_call_network *network,
    const struct config *config, struct tool_secrets *secrets)
{
	struct routeros_executor *executor = calloc(1, sizeof(*executor));

	if (executor == NULL)
		return -ENOMEM;
	executor->http = network;
	executor->binary.base = base;
	executor->binary.resolver = network->resolver;
	executor->binary.secrets = secrets;
	LIST_INIT(&executor->binary.leaving);
	executor->secrets = secrets;
	if (load_inventory(executor, config) < 0) {
		free(executor);
		return -ENOMEM;
	}
	*executor_out = executor;
	return 0;
}

void
routeros_executor_free(struct routeros_executor **executor_ptr)
{
	struct routeros_executor *executor = *executor_ptr;

	if (executor == NULL)
		return;
	*executor_ptr = NULL;
	routeros_api_leave(&executor->binary);
	router_inventory_unref(&executor->inventory);
	free(executor);
}

struct executor
routeros_executor_interface(struct routeros_executor *executor)
{
	return (struct executor){
	    .name = "routeros",
	    .self = executor,
	    .start = routeros_start,
	    .cancel = routeros_cancel,
	};
}
