/* SPDX-License-Identifier: MIT */
/*
 * tool_queue_calls.c – what calls say: a question becomes a request, and a job
 * unless there is one already that will answer it.
 */
#include "supervisor/tool_queue_impl.h"

#include "common/json.h"
#include "common/json_schema.h"
#include "common/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void
reply_invalid(struct tool_queue *queue, const struct tool_question *question,
    const char *why)
{
	char text[JSON_SCHEMA_WHY_SIZE + 128];

	snprintf(text, sizeof(text),
	    "The function was not run: %s. Correct this and call it again.",
	    why);
	tool_queue_reply(
	    queue, question, NULL, 0, TOOL_STATUS_INVALID_ARGUMENTS, text);
}

static struct tool_request *
find_request(const struct tool_queue *queue, const char *key)
{
	struct tool_request *request;

	TAILQ_FOREACH(request, &queue->requests, entry) {
		if (strcmp(request->key, key) == 0)
			return request;
	}
	return NULL;
}

static bool
is_busy(const struct tool_queue *queue, const char *call)
{
	const struct tool_party *caller =
	    tool_party_find(&queue->callers, call);
	const struct tool_request *request;
	size_t all = 0;

	TAILQ_FOREACH(request, &queue->requests, entry)
		all += !request->part;
	return all >= TOOL_QUEUE_MAX ||
	       (caller != NULL && caller->users >= TOOL_QUEUE_CALL_MAX);
}

/* Another job for TARGET would wait too long, and keep others out. */
static bool
is_crowded(const struct tool_queue *queue, const char *target)
{
	const struct tool_party *party =
	    tool_party_find(&queue->targets, target);

	return party != NULL && party->users >= TOOL_QUEUE_TARGET_MAX;
}

/*
 * The job that a question with KEY can wait for too: not one whose run has
 * less than half of the time left that the question may take. A part would
 * only wait for its target.
 */
static struct tool_job *
find_joinable(struct tool_queue *queue, const char *key,
    unsigned int deadline_ms, bool part)
{
	uint64_t least_ms = part ? 0 : tool_queue_now(queue) + deadline_ms / 2;
	struct tool_job *job;

	TAILQ_FOREACH(job, &queue->jobs, entry) {
		if (key[0] == '\0' || strcmp(job->key, key) != 0)
			continue;
		if (job->state == TOOL_JOB_WAITING ||
		    job->state == TOOL_JOB_UNCLAIMED ||
		    (job->state == TOOL_JOB_RUNNING &&
			job->deadline_ms >= least_ms))
			return job;
	}
	return NULL;
}

/* A question, checked: what its request and its job are made of. */
struct demand {
	const struct tool_question *question;
	struct tool_queue_tool tool;
	cJSON *arguments; /* until a job takes them */
	unsigned int deadline_ms;
	char request_key[TOOL_JOB_ID_SIZE];
	char key[TOOL_KEY_SIZE]; /* "": shares nothing */
	char target[TOOL_TARGET_MAX];
};

/* A new job for DEMAND, in the queue and without waiters; NULL: no memory. */
static struct tool_job *
job_make(struct tool_queue *queue, struct demand *demand)
{
	const char *name = demand->question->name;
	char id[TOOL_JOB_ID_SIZE];
	struct tool_job *job;

	if (demand->key[0] != '\0')
		tool_job_make_run_id(id, sizeof(id), demand->key,
		    ++queue->serial,
		    demand->question->part ? demand->target : "");
	else
		snprintf(id, sizeof(id), "%s", demand->request_key);
	job = tool_job_new(id, name, &demand->tool, demand->arguments);
	demand->arguments = NULL;
	if (job == NULL)
		return NULL;
	job->started_ms = tool_queue_now(queue);
	job->part = demand->question->part;
	job->target = tool_party_join(&queue->targets, demand->target);
	if (demand->tool.local)
		job->call = strdup(demand->question->call);
	if (job->target == NULL || (demand->tool.local && job->call == NULL)) {
		tool_party_leave(&queue->targets, &job->target);
		tool_job_free(job);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&queue->jobs, job, entry);
	return job;
}

/* JOB, just made, takes the place of UNCLAIMED, which runs already. */
static void
job_claim(struct tool_queue *queue, struct tool_job *job,
    struct tool_job *unclaimed, uint64_t deadline_ms)
{
	memcpy(job->id, unclaimed->id, sizeof(job->id));
	tool_queue_set_slot(job, unclaimed->slot);
	job->attempts = 1;
	job->deadline_ms = deadline_ms;
	job->progress = unclaimed->progress;
	tool_queue_set_state(job, TOOL_JOB_RUNNING, "it was running already");
	tool_queue_remove(queue, unclaimed);
}

/* Puts DEMAND's request into the queue. 0 or -ENOMEM. */
static int
enqueue(struct tool_queue *queue, struct demand *demand, struct tool_job *job)
{
	const struct tool_question *question = demand->question;
	struct tool_job *unclaimed = NULL;
	struct tool_request *request;
	uint64_t now_ms = tool_queue_now(queue);

	request = tool_request_new(
	    demand->request_key, question->id, question->name, &demand->tool);
	if (request == NULL)
		return -ENOMEM;
	request->started_ms = now_ms;
	request->deadline_ms = now_ms + demand->deadline_ms;
	request->part = question->part;
	request->notice_ms =
	    question->part ? UINT64_MAX : now_ms + TOOL_QUEUE_NOTICE_MS;
	request->caller = tool_party_join(&queue->callers, question->call);
	if (request->caller == NULL)
		goto fail;
	if (job != NULL && job->state == TOOL_JOB_UNCLAIMED) {
		unclaimed = job;
		job = NULL;
	}
	if (job == NULL && (job = job_make(queue, demand)) == NULL)
		goto fail;
	if (unclaimed != NULL)
		job_claim(queue, job, unclaimed, request->deadline_ms);
	request->job = job;
	TAILQ_INSERT_TAIL(&queue->requests, request, entry);
	TAILQ_INSERT_TAIL(&job->waiters, request, waiter);
	/* Of many parts the one who divided the question tells. */
	log_write(question->part ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
	    "tool requested name=%s call=%s id=%s deadline_ms=%u "
	    "state=%s target=%s job=%s",
	    question->name, question->call, question->id, demand->deadline_ms,
	    tool_queue_state_name(job->state), job->target->name, job->id);
	if (tool_progress_is_known(&job->progress))
		tool_queue_tell(queue, request);
	return 0;

fail:
	tool_party_leave(&queue->callers, &request->caller);
	tool_request_free(request);
	return -ENOMEM;
}

/* A part's answer is not words yet. */
static void
reply_part(struct tool_queue *queue, const struct demand *demand,
    const struct tool_answer *answer)
{
	struct tool_question question = *demand->question;

	question.age_ms = answer->age_ms;
	tool_queue_reply(
	    queue, &question, NULL, 0, answer->status, answer->detail);
}

/* Answered already: for others, or for this call by an earlier supervisor. */
static bool
reply_known(struct tool_queue *queue, const struct demand *demand)
{
	uint64_t now_ms = tool_queue_now(queue);
	char words[TOOL_OUTPUT_SIZE], group[TOOL_JOB_ID_SIZE];
	struct tool_answer answer;
	const char *note = "";

	if (demand->key[0] == '\0')
		return false;
	tool_job_make_run_group(group, sizeof(group), demand->key);
	if (demand->tool.cache_s > 0 && tool_answers_find(queue->cache, now_ms,
					    demand->key, &answer) == 0) {
		if (answer.age_ms >= TOOL_QUEUE_FRESH_MS &&
		    demand->tool.stale != NULL)
			note = demand->tool.stale;
		log_info("tool answers from its cache name=%s age_ms=%llu",
		    demand->question->name, (unsigned long long)answer.age_ms);
	} else if (tool_answers_find(queue->answers, now_ms, group, &answer) <
		   0) {
		return false;
	}
	if (demand->question->part) {
		reply_part(queue, demand, &answer);
		return true;
	}
	tool_job_words_aged(words, sizeof(words), answer.detail, note,
	    (unsigned int)(answer.age_ms / 1000));
	tool_queue_reply(queue, demand->question, demand->tool.failures, 0,
	    answer.status, words);
	tool_answers_add(queue->answers, now_ms, TOOL_QUEUE_ANSWERS_MS,
	    demand->request_key, answer.status, words);
	return true;
}

/* A checked question becomes a request, unless there is an answer. */
static void
take_in(struct tool_queue *queue, struct demand *demand)
{
	const struct tool_question *question = demand->question;
	struct tool_job *job;

	/* The caller is no part of the key: see tool_queue.h. */
	if (demand->tool.read_only && !demand->tool.personal)
		tool_key_make(demand->key, question->name, demand->arguments,
		    demand->tool.settings);
	if (reply_known(queue, demand))
		return;
	job = tool_queue_find(queue, demand->request_key);
	if (job == NULL)
		job = find_joinable(
		    queue, demand->key, demand->deadline_ms, question->part);
	if ((!question->part && is_busy(queue, question->call)) ||
	    (job == NULL && is_crowded(queue, demand->target)))
		tool_queue_reply(queue, question, demand->tool.failures, 0,
		    TOOL_STATUS_BUSY, "too many tools are running");
	else if (job != NULL && job->state == TOOL_JOB_CANCELLED)
		tool_queue_reply(queue, question, demand->tool.failures, 0,
		    TOOL_STATUS_CANCELLED, "it was given up before");
	else if (enqueue(queue, demand, job) < 0)
		tool_queue_reply(queue, question, demand->tool.failures, 0,
		    TOOL_STATUS_INTERNAL, "no memory");
}

/* Checks a request that is new; answers it if it cannot be run. */
static void
take_up(struct tool_queue *queue, const struct tool_question *question,
    const char *request_key, const cJSON *body)
{
	struct demand demand = {.question = question};
	char why[JSON_SCHEMA_WHY_SIZE];

	snprintf(
	    demand.request_key, sizeof(demand.request_key), "%s", request_key);
	if (queue->config.find_tool(question->call, question->name,
		&demand.tool, queue->config.arg) < 0) {
		reply_invalid(
		    queue, question, "there is no function of that name");
		return;
	}
	demand.arguments = tool_job_parse_arguments(
	    &demand.tool, json_string(body, "arguments"), why, sizeof(why));
	if (demand.arguments == NULL) {
		reply_invalid(queue, question, why);
		return;
	}
	tool_job_target(demand.target, sizeof(demand.target), question->name,
	    &demand.tool, demand.arguments);
	demand.deadline_ms = tool_job_deadline(&demand.tool, demand.arguments);
	take_in(queue, &demand);
	cJSON_Delete(demand.arguments);
}

void
tool_queue_add_part(struct tool_queue *queue, const char *party, const char *id,
    const char *name, const struct tool_queue_tool *tool, cJSON *arguments)
{
	const struct tool_question question = {
	    .call = party,
	    .id = id,
	    .name = name,
	    .part = true,
	};
	struct demand demand = {
	    .question = &question,
	    .tool = *tool,
	    .arguments = arguments,
	    .deadline_ms = tool->deadline_ms,
	};
	char target[TOOL_TARGET_MAX];

	tool_job_make_id(
	    demand.request_key, sizeof(demand.request_key), party, id);
	tool_job_target(target, sizeof(target), name, tool, demand.arguments);
	tool_job_make_mark(demand.target, target);
	take_in(queue, &demand);
	cJSON_Delete(demand.arguments);
	tool_queue_settle(queue);
}

/* The request was answered before: says the same again. */
static bool
reply_again(struct tool_queue *queue, const struct tool_question *question,
    const char *key)
{
	struct tool_queue_tool tool = {0};
	struct tool_answer answer;

	if (tool_answers_find(
		queue->answers, tool_queue_now(queue), key, &answer) < 0)
		return false;
	/* Not offered any more: then without its sentence. */
	queue->config.find_tool(
	    question->call, question->name, &tool, queue->config.arg);
	tool_queue_reply(
	    queue, question, tool.failures, 0, answer.status, answer.detail);
	return true;
}

int
tool_queue_on_request(
    struct tool_queue *queue, const char *call, const cJSON *body)
{
	const struct tool_question question = {
	    .call = call,
	    .id = json_string(body, "id"),
	    .name = json_string(body, "name"),
	};
	char key[TOOL_JOB_ID_SIZE];

	if (question.id[0] == '\0' || strlen(question.id) > TOOL_REQUEST_ID_MAX)
		return -EPROTO;
	tool_job_make_id(key, sizeof(key), call, question.id);
	if (find_request(queue, key) != NULL)
		log_info("tool requested again, still at it name=%s call=%s "
			 "id=%s",
		    question.name, call, question.id);
	else if (reply_again(queue, &question, key))
		log_debug("tool requested again key=%s", key);
	else
		take_up(queue, &question, key, body);
	tool_queue_settle(queue);
	return 0;
}

int
tool_queue_on_cancel(
    struct tool_queue *queue, const char *call, const cJSON *body)
{
	const char *id = json_string(body, "id");
	char key[TOOL_JOB_ID_SIZE];
	struct tool_request *request;

	if (id[0] == '\0' || strlen(id) > TOOL_REQUEST_ID_MAX)
		return -EPROTO;
	tool_job_make_id(key, sizeof(key), call, id);
	request = find_request(queue, key);
	if (request != NULL) {
		tool_queue_answer(
		    queue, request, TOOL_STATUS_CANCELLED, "cancelled");
		tool_queue_leave(queue, request, "cancelled by the call");
		tool_queue_settle(queue);
	}
	return 0;
}

void
tool_queue_end_call(struct tool_queue *queue, const char *call)
{
	struct tool_request *request, *next;

	for (request = TAILQ_FIRST(&queue->requests); request != NULL;
	     request = next) {
		next = TAILQ_NEXT(request, entry);
		if (strcmp(request->caller->name, call) != 0)
			continue;
		log_write(request->part ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
		    "tool cancelled, its call has ended name=%s call=%s id=%s",
		    request->name, call, request->id);
		tool_queue_leave(queue, request, "call ended");
	}
	tool_queue_settle(queue);
}
