/* SPDX-License-Identifier: MIT */
/*
 * tool_fan.c – divides questions and puts their answers together.
 *
 * Invariant: a question exists from when its parts are put into the queue
 * until it is answered or its call is over; while it exists, each part that is
 * not done is a request in the queue. finish() and a cancellation are the
 * only places that answer one that has parts.
 */
#include "supervisor/tool_fan.h"

#include "common/json.h"
#include "common/json_schema.h"
#include "common/log.h"
#include "common/routeros_tool.h"
#include "common/tool_progress.h"
#include "supervisor/router_answer.h"
#include "supervisor/router_names.h"
#include "supervisor/tool_answers.h"
#include "supervisor/tool_job.h"
#include "supervisor/tool_queue.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PARTY_SIZE = 32,
	ANSWERS_MAX = 64,
};

/* One router's. */
struct part {
	const char *router; /* the inventory's */
	bool done;
	enum tool_status status;
	char *detail; /* NULL: no memory for it, or not done */
};

struct question {
	TAILQ_ENTRY(question) entry;
	char party[PARTY_SIZE];     /* by which the queue knows it */
	char key[TOOL_JOB_ID_SIZE]; /* tool_job_make_id() */
	char *call;
	char *id;
	char *name;
	enum routeros_query query;
	cJSON *sentences;
	char *stale;
	struct router_inventory *inventory;
	uint64_t started_ms;
	uint64_t deadline_ms; /* a moment */
	uint64_t age_ms;      /* of the oldest answer from the cache */
	bool starting;        /* not all parts are in the queue yet */
	size_t count;
	size_t done;
	size_t answered;
	struct part *parts;
};

struct tool_fan {
	struct tool_fan_config config;
	TAILQ_HEAD(, question) questions;
	struct router_names *names; /* of the newest inventory that was asked */
	struct tool_answers *answers;
	uint64_t serial;
};

/* What somebody asks, before and after it is a question. */
struct demand {
	const char *call;
	const char *id;
	const char *name;
	char key[TOOL_JOB_ID_SIZE];
};

/* -- answers ------------------------------------------------------------------------ */

static void
send_result(struct tool_fan *fan, const struct demand *demand,
    enum tool_status status, const char *words)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "call", demand->call);
	json_add_string(body, "id", demand->id);
	json_add_string(body, "status", tool_status_name(status));
	json_add_string(body, "output", words);
	fan->config.send_call(
	    demand->call, MESSAGE_TOOL_RESULT, body, fan->config.arg);
}

/* Answers DEMAND, and the same again if it is repeated. */
static void
reply(struct tool_fan *fan, const struct demand *demand,
    enum tool_status status, const char *words)
{
	send_result(fan, demand, status, words);
	tool_answers_add(fan->answers, fan->config.now_ms(),
	    TOOL_QUEUE_ANSWERS_MS, demand->key, status, words);
}

/* Answers what never becomes a question. */
static void
refuse(struct tool_fan *fan, const struct demand *demand,
    const struct tool *tool, enum tool_status status, const char *why)
{
	char words[TOOL_OUTPUT_SIZE];

	if (status == TOOL_STATUS_INVALID_ARGUMENTS)
		snprintf(words, sizeof(words),
		    "The function was not run: %s. Correct this and call it "
		    "again.",
		    why);
	else
		tool_job_words(
		    words, sizeof(words), tool->failures, status, why);
	log_warn("tool answered name=%s call=%s id=%s status=%s elapsed_ms=0 "
		 "detail=\"%s\"",
	    demand->name, demand->call, demand->id, tool_status_name(status),
	    why);
	send_result(fan, demand, status, words);
}

/* -- the end of a question -------------------------------------------------------------- */

static void
question_free(struct question *question)
{
	for (size_t i = 0; question->parts != NULL && i < question->count; i++)
		free(question->parts[i].detail);
	free(question->parts);
	free(question->call);
	free(question->id);
	free(question->name);
	free(question->stale);
	cJSON_Delete(question->sentences);
	router_inventory_unref(&question->inventory);
	free(question);
}

static void
question_drop(struct tool_fan *fan, struct question *question)
{
	TAILQ_REMOVE(&fan->questions, question, entry);
	question_free(question);
}

/* How a question ended that no router has answered: as most of them. */
static enum tool_status
status_of_most(const struct question *question)
{
	enum tool_status best = TOOL_STATUS_LOST;
	size_t most = 0;

	for (int s = TOOL_STATUS_OK + 1; s < TOOL_STATUS_COUNT; s++) {
		size_t n = 0;

		for (size_t i = 0; i < question->count; i++)
			n += question->parts[i].status == (enum tool_status)s;
		if (n > most) {
			most = n;
			best = (enum tool_status)s;
		}
	}
	return best;
}

/* "timeout=3 refused=1", with a space in front. */
static void
list_failures(char *buf, size_t size, const struct question *question)
{
	size_t len = 0;

	buf[0] = '\0';
	for (int s = TOOL_STATUS_OK + 1; s < TOOL_STATUS_COUNT; s++) {
		size_t n = 0;

		for (size_t i = 0; i < question->count; i++)
			n += question->parts[i].status == (enum tool_status)s;
		if (n > 0 && len < size)
			len +=
			    (size_t)snprintf(buf + len, size - len, " %s=%zu",
				tool_status_name((enum tool_status)s), n);
	}
}

static void
log_end(const struct tool_fan *fan, const struct question *question,
    enum tool_status status, size_t answered)
{
	char failures[256];

	list_failures(failures, sizeof(failures), question);
	log_write(status == TOOL_STATUS_OK ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
	    "tool answered name=%s call=%s id=%s status=%s elapsed_ms=%llu "
	    "routers=%zu answered=%zu%s",
	    question->name, question->call, question->id,
	    tool_status_name(status),
	    (unsigned long long)(fan->config.now_ms() - question->started_ms),
	    question->count, answered, failures);
}

/* What is wrong with the arguments, if a toolworker found it; else NULL. */
static const char *
find_invalid(const struct question *question)
{
	for (size_t i = 0; i < question->count; i++) {
		const struct part *part = &question->parts[i];

		if (part->status == TOOL_STATUS_INVALID_ARGUMENTS &&
		    part->detail != NULL)
			return part->detail;
	}
	return NULL;
}

/* Writes the answer. Returns how many routers have a part in it. */
static int
assemble(const struct question *question, char *words, size_t size)
{
	struct router_reply *replies =
	    calloc(question->count + 1, sizeof(*replies));
	char text[ROUTER_ANSWER_SIZE];
	int answered = -ENOMEM;

	if (replies == NULL)
		return answered;
	for (size_t i = 0; i < question->count; i++) {
		const struct part *part = &question->parts[i];

		replies[i].router = part->router;
		replies[i].status = part->status;
		replies[i].detail = part->detail != NULL ? part->detail : "";
	}
	answered = router_answer_make(text, question->query,
	    question->sentences, replies, question->count);
	free(replies);
	if (answered >= 0)
		tool_job_words_aged(words, size, text,
		    question->age_ms >= TOOL_QUEUE_FRESH_MS ? question->stale
							    : "",
		    (unsigned int)(question->age_ms / 1000));
	return answered;
}

static void
finish(struct tool_fan *fan, struct question *question)
{
	struct demand demand = {
	    .call = question->call,
	    .id = question->id,
	    .name = question->name,
	};
	enum tool_status status = TOOL_STATUS_OK;
	char words[TOOL_OUTPUT_SIZE] = "";
	int answered = assemble(question, words, sizeof(words));

	memcpy(demand.key, question->key, sizeof(demand.key));
	if (answered <= 0)
		status = status_of_most(question);
	if (answered < 0) {
		status = TOOL_STATUS_INTERNAL;
		answered = 0;
	}
	if (answered == 0 && find_invalid(question) != NULL) {
		status = TOOL_STATUS_INVALID_ARGUMENTS;
		snprintf(words, sizeof(words),
		    "The function was not run: %.400s. Correct this and call "
		    "it again.",
		    find_invalid(question));
	}
	log_end(fan, question, status, (size_t)answered);
	reply(fan, &demand, status, words);
	question_drop(fan, question);
}

/* -- its parts ----------------------------------------------------------------------------- */

static void
tell_progress(struct tool_fan *fan, const struct question *question)
{
	uint64_t now_ms = fan->config.now_ms();
	struct tool_progress progress;
	cJSON *body;

	/* At the deadline the answer says it. */
	if (question->done == question->count ||
	    now_ms >= question->deadline_ms)
		return;
	tool_progress_set(&progress, (int64_t)question->answered,
	    (int64_t)question->count, "");
	body = cJSON_CreateObject();
	json_add_string(body, "call", question->call);
	json_add_string(body, "id", question->id);
	json_add_int(
	    body, "elapsed_ms", (int64_t)(now_ms - question->started_ms));
	tool_progress_write(&progress, body);
	fan->config.send_call(
	    question->call, MESSAGE_TOOL_PROGRESS, body, fan->config.arg);
}

static struct question *
find_party(const struct tool_fan *fan, const char *party)
{
	struct question *question;

	TAILQ_FOREACH(question, &fan->questions, entry) {
		if (strcmp(question->party, party) == 0)
			return question;
	}
	return NULL;
}

static struct part *
find_part(const struct question *question, const char *router)
{
	for (size_t i = 0; i < question->count; i++) {
		if (strcmp(question->parts[i].router, router) == 0)
			return &question->parts[i];
	}
	return NULL;
}

void
tool_fan_on_part(struct tool_fan *fan, const char *party, const char *id,
    enum tool_status status, const char *detail, uint64_t age_ms)
{
	struct question *question = find_party(fan, party);
	struct part *part = question == NULL ? NULL : find_part(question, id);

	if (part == NULL || part->done) {
		log_err("part of no question party=%s id=%s", party, id);
		return;
	}
	part->done = true;
	part->status = status;
	part->detail = strdup(detail);
	question->done++;
	log_debug("part of a question done call=%s id=%s router=\"%s\" "
		  "status=%s",
	    question->call, question->id, id, tool_status_name(status));
	if (status == TOOL_STATUS_OK) {
		question->answered++;
		if (age_ms > question->age_ms)
			question->age_ms = age_ms;
	}
	if (question->starting)
		return;
	if (question->done == question->count)
		finish(fan, question);
	else if (status == TOOL_STATUS_OK)
		tell_progress(fan, question);
}

/* The arguments of ROUTER's part: its name instead of what was said. */
static cJSON *
part_arguments(const cJSON *arguments, const char *router)
{
	cJSON *own = cJSON_Duplicate(arguments, true);

	cJSON_DeleteItemFromObjectCaseSensitive(own, "routers");
	cJSON_DeleteItemFromObjectCaseSensitive(own, "router");
	json_add_string(own, "router", router);
	return own;
}

/* Puts every part into the queue; some may be answered at once. */
static void
start_parts(struct tool_fan *fan, struct question *question,
    const struct tool *tool, const cJSON *arguments)
{
	cJSON *settings = cJSON_CreateObject();
	struct tool_queue_tool run = {
	    .settings = settings,
	    .read_only = true,
	    .cache_s = tool->cache_s,
	    .target = "router ${argument:router}",
	    .target_limit = 1,
	};

	json_add_string(settings, "executor", "routeros");
	json_add_string(
	    settings, "query", routeros_query_name(question->query));
	question->starting = true;
	for (size_t i = 0; i < question->count; i++) {
		const char *name = question->parts[i].router;
		uint64_t now_ms = fan->config.now_ms();

		run.deadline_ms =
		    now_ms < question->deadline_ms
			? (unsigned int)(question->deadline_ms - now_ms)
			: 1;
		/* It works on what it was asked until its own limit. */
		run.lingers_ms =
		    router_inventory_find(question->inventory, name)->api ==
			    ROUTER_API_REST
			? ROUTEROS_REST_LIMIT_MS
			: 0;
		tool_queue_add_part(fan->config.queue, question->party, name,
		    question->name, &run, part_arguments(arguments, name));
	}
	question->starting = false;
	cJSON_Delete(settings);
	if (question->done == question->count)
		finish(fan, question);
	else
		tell_progress(fan, question);
}

/* -- from a request to a question ------------------------------------------------------------ */

static struct question *
question_new(struct tool_fan *fan, const struct demand *demand,
    const struct tool *tool, const struct router_choice *choice)
{
	struct question *question = calloc(1, sizeof(*question));
	struct router_inventory *inventory = *fan->config.inventory;
	size_t n = 0;

	if (question == NULL)
		return NULL;
	snprintf(question->party, sizeof(question->party), "fan/%llu",
	    (unsigned long long)++fan->serial);
	memcpy(question->key, demand->key, sizeof(question->key));
	question->call = strdup(demand->call);
	question->id = strdup(demand->id);
	question->name = strdup(demand->name);
	question->stale = strdup(tool->stale);
	question->sentences =
	    cJSON_Duplicate(json_object(tool->settings, "sentences"), true);
	question->inventory = router_inventory_ref(inventory);
	question->started_ms = fan->config.now_ms();
	question->parts = calloc(choice->count, sizeof(*question->parts));
	if (question->parts == NULL || question->call == NULL ||
	    question->id == NULL || question->name == NULL ||
	    question->stale == NULL || question->sentences == NULL ||
	    routeros_query_find(
		json_string(tool->settings, "query"), &question->query) < 0) {
		question_free(question);
		return NULL;
	}
	for (size_t i = 0; i < router_inventory_count(inventory); i++) {
		if (choice->chosen[i])
			question->parts[n++].router =
			    router_inventory_at(inventory, i)->name;
	}
	question->count = n;
	return question;
}

static bool
is_busy(const struct tool_fan *fan, const char *call, size_t more)
{
	const struct question *question;
	size_t all = 0, own = 0;

	TAILQ_FOREACH(question, &fan->questions, entry) {
		more += question->count;
		own += strcmp(question->call, call) == 0;
		all++;
	}
	return all >= TOOL_FAN_QUESTIONS_MAX || own >= TOOL_FAN_CALL_MAX ||
	       more > TOOL_FAN_PARTS_MAX;
}

/* The names of the inventory of today. 0 or -ENOMEM. */
static int
renew_names(struct tool_fan *fan)
{
	struct router_names *names;
	int ret;

	if (fan->names != NULL &&
	    router_names_inventory(fan->names) == *fan->config.inventory)
		return 0;
	ret = router_names_new(&names, *fan->config.inventory);
	if (ret < 0)
		return ret;
	router_names_free(&fan->names);
	fan->names = names;
	return 0;
}

/* Nobody, or several, could be meant: the model is to ask. */
static void
ask_back(struct tool_fan *fan, const struct demand *demand,
    const struct tool *tool, const struct router_choice *choice)
{
	char words[ROUTER_ANSWER_SIZE];

	router_answer_ask_back(words, json_object(tool->settings, "sentences"),
	    fan->names, choice);
	log_info("tool asks back which router name=%s call=%s id=%s "
		 "candidates=%zu",
	    demand->name, demand->call, demand->id,
	    choice->candidate_count + choice->more);
	reply(fan, demand, TOOL_STATUS_OK, words);
}

static void
begin(struct tool_fan *fan, const struct demand *demand,
    const struct tool *tool, const struct router_choice *choice,
    const cJSON *arguments)
{
	const struct tool_queue_tool timing = {
	    .parameters = tool->parameters,
	    .deadline_ms = tool->deadline_ms,
	    .timeout_argument = tool->timeout_argument,
	};
	struct question *question;

	if (is_busy(fan, demand->call, choice->count)) {
		refuse(fan, demand, tool, TOOL_STATUS_BUSY,
		    "too many questions are open");
		return;
	}
	question = question_new(fan, demand, tool, choice);
	if (question == NULL) {
		refuse(fan, demand, tool, TOOL_STATUS_INTERNAL,
		    "it cannot be begun");
		return;
	}
	question->deadline_ms =
	    question->started_ms + tool_job_deadline(&timing, arguments);
	TAILQ_INSERT_TAIL(&fan->questions, question, entry);
	log_info("tool requested name=%s call=%s id=%s routers=%zu "
		 "deadline_ms=%llu",
	    demand->name, demand->call, demand->id, question->count,
	    (unsigned long long)(question->deadline_ms - question->started_ms));
	start_parts(fan, question, tool, arguments);
}

/* Checks a request that is new. */
static void
take_up(struct tool_fan *fan, const struct demand *demand,
    const struct tool *tool, const cJSON *body)
{
	const struct tool_queue_tool schema = {.parameters = tool->parameters};
	struct router_choice *choice = malloc(sizeof(*choice));
	char why[JSON_SCHEMA_WHY_SIZE];
	cJSON *arguments;

	arguments = tool_job_parse_arguments(
	    &schema, json_string(body, "arguments"), why, sizeof(why));
	if (arguments == NULL)
		refuse(fan, demand, tool, TOOL_STATUS_INVALID_ARGUMENTS, why);
	else if (choice == NULL || renew_names(fan) < 0 ||
		 router_names_resolve(
		     fan->names, json_string(arguments, "routers"), choice) < 0)
		refuse(fan, demand, tool, TOOL_STATUS_INTERNAL, "no memory");
	else if (choice->verdict != ROUTER_VERDICT_FOUND)
		ask_back(fan, demand, tool, choice);
	else
		begin(fan, demand, tool, choice, arguments);
	cJSON_Delete(arguments);
	free(choice);
}

static struct question *
find_question(const struct tool_fan *fan, const char *key)
{
	struct question *question;

	TAILQ_FOREACH(question, &fan->questions, entry) {
		if (strcmp(question->key, key) == 0)
			return question;
	}
	return NULL;
}

/* -- what the calls say ------------------------------------------------------------------------ */

int
tool_fan_on_request(struct tool_fan *fan, const char *call, const cJSON *body)
{
	struct demand demand = {
	    .call = call,
	    .id = json_string(body, "id"),
	    .name = json_string(body, "name"),
	};
	const struct tool *tool =
	    fan->config.find_tool(call, demand.name, fan->config.arg);
	struct tool_answer answer;

	if (tool == NULL || strcmp(tool->executor, "routeros") != 0)
		return tool_queue_on_request(fan->config.queue, call, body);
	if (demand.id[0] == '\0' || strlen(demand.id) > TOOL_REQUEST_ID_MAX)
		return -EPROTO;
	tool_job_make_id(demand.key, sizeof(demand.key), call, demand.id);
	if (find_question(fan, demand.key) != NULL)
		log_info("tool requested again, still at it name=%s call=%s "
			 "id=%s",
		    demand.name, call, demand.id);
	else if (tool_answers_find(fan->answers, fan->config.now_ms(),
		     demand.key, &answer) == 0)
		send_result(fan, &demand, answer.status, answer.detail);
	else
		take_up(fan, &demand, tool, body);
	return 0;
}

int
tool_fan_on_cancel(struct tool_fan *fan, const char *call, const cJSON *body)
{
	struct demand demand = {.call = call, .id = json_string(body, "id")};
	struct question *question;

	if (demand.id[0] == '\0' || strlen(demand.id) > TOOL_REQUEST_ID_MAX)
		return -EPROTO;
	tool_job_make_id(demand.key, sizeof(demand.key), call, demand.id);
	question = find_question(fan, demand.key);
	if (question == NULL)
		return tool_queue_on_cancel(fan->config.queue, call, body);
	tool_queue_end_call(fan->config.queue, question->party);
	log_info("tool cancelled name=%s call=%s id=%s", question->name, call,
	    demand.id);
	reply(fan, &demand, TOOL_STATUS_CANCELLED, "");
	question_drop(fan, question);
	return 0;
}

void
tool_fan_end_call(struct tool_fan *fan, const char *call)
{
	struct question *question, *next;

	for (question = TAILQ_FIRST(&fan->questions); question != NULL;
	     question = next) {
		next = TAILQ_NEXT(question, entry);
		if (strcmp(question->call, call) != 0)
			continue;
		log_info("tool cancelled, its call has ended name=%s call=%s "
			 "id=%s",
		    question->name, call, question->id);
		tool_queue_end_call(fan->config.queue, question->party);
		question_drop(fan, question);
	}
	tool_queue_end_call(fan->config.queue, call);
}

/* -- life -------------------------------------------------------------------------------------- */

size_t
tool_fan_count(const struct tool_fan *fan)
{
	const struct question *question;
	size_t n = 0;

	TAILQ_FOREACH(question, &fan->questions, entry)
		n++;
	return n;
}

void
tool_fan_log(const struct tool_fan *fan)
{
	const struct question *question;

	TAILQ_FOREACH(question, &fan->questions, entry)
		log_info("question name=%s call=%s id=%s routers=%zu done=%zu "
			 "answered=%zu elapsed_ms=%llu",
		    question->name, question->call, question->id,
		    question->count, question->done, question->answered,
		    (unsigned long long)(fan->config.now_ms() -
					 question->started_ms));
}

int
tool_fan_new(struct tool_fan **fan_out, const struct tool_fan_config *config)
{
	struct tool_fan *fan = calloc(1, sizeof(*fan));

	if (fan == NULL)
		return -ENOMEM;
	fan->config = *config;
	TAILQ_INIT(&fan->questions);
	if (tool_answers_new(&fan->answers, ANSWERS_MAX) < 0) {
		tool_fan_free(&fan);
		return -ENOMEM;
	}
	*fan_out = fan;
	return 0;
}

void
tool_fan_free(struct tool_fan **fan_ptr)
{
	struct tool_fan *fan = *fan_ptr;

	if (fan == NULL)
		return;
	*fan_ptr = NULL;
	while (!TAILQ_EMPTY(&fan->questions))
		question_drop(fan, TAILQ_FIRST(&fan->questions));
	router_names_free(&fan->names);
	tool_answers_free(&fan->answers);
	free(fan);
}
