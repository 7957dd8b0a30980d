/* SPDX-License-Identifier: MIT */
/*
 * sql_job.c – values in, words out.
 *
 * Invariant: what the model or a caller gave is in QUERY.VALUES and nowhere
 * else; a ${caller:…} is never taken from the arguments.
 */
#include "toolworker/sql_job.h"

#include "common/json.h"
#include "common/json_schema.h"
#include "common/log.h"
#include "common/sql_dsn.h"
#include "toolworker/answer.h"
#include "toolworker/mask.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	NAME_SIZE = 65,
	HANDOVER_MS = 500, /* from our time limit to the job's deadline */
	LEAST_MS = 500,
	/* Further rows are only counted: room for what is said of them. */
	ROWS_TEXT_MAX = ANSWER_MAX - 600,
	MASK_MIN = 2, /* bytes of a value worth masking */
};

/* -- values ------------------------------------------------------------------ */

/* What the model gave, else the schema's default, else NULL. */
static const cJSON *
find_argument(const struct executor_request *request, const char *name)
{
	const cJSON *given = json_at(request->arguments, name, NULL);

	if (given != NULL)
		return given;
	return json_at(request->settings, "parameters", "properties", name,
	    "default", NULL);
}

static bool
set_value(struct sql_value *value, const cJSON *item)
{
	*value = (struct sql_value){.kind = SQL_KIND_NULL};
	if (cJSON_IsString(item)) {
		value->kind = SQL_KIND_TEXT;
		value->text = strdup(item->valuestring);
		return value->text != NULL;
	}
	if (cJSON_IsBool(item)) {
		value->kind = SQL_KIND_SWITCH;
		value->integer = cJSON_IsTrue(item);
	} else if (cJSON_IsNumber(item)) {
		value->real = item->valuedouble;
		value->kind = SQL_KIND_REAL;
		/* Up to there a double holds every integer. */
		if (fabs(value->real) <= 9007199254740992.0 &&
		    value->real == floor(value->real)) {
			value->kind = SQL_KIND_INTEGER;
			value->integer = (int64_t)value->real;
		}
	}
	return true;
}

static enum tool_status
set_values(struct sql_job *job, const struct executor_request *request,
    char *why, size_t size)
{
	const cJSON *item, *given;

	cJSON_ArrayForEach(item, job->tool.bind) {
		char buf[NAME_SIZE];
		bool is_caller = false;
		const char *name =
		    sql_tool_reference(item, &is_caller, buf, sizeof(buf));

		given = item;
		if (name != NULL && !is_caller)
			given = find_argument(request, name);
		if (is_caller) {
			given = json_at(request->caller, name, NULL);
			if (!cJSON_IsString(given) ||
			    *given->valuestring == '\0') {
				snprintf(why, size,
				    "not known of the caller: %s", name);
				return TOOL_STATUS_REFUSED;
			}
		}
		assert(job->query.value_count < SQL_TOOL_VALUES_MAX);
		if (!set_value(
			&job->query.values[job->query.value_count++], given)) {
			snprintf(why, size, "no memory");
			return TOOL_STATUS_INTERNAL;
		}
	}
	return TOOL_STATUS_OK;
}

/* -- the database ---------------------------------------------------------------- */

static const char *
find_secret(const char *name, void *arg)
{
	return tool_secrets_find(arg, name);
}

static enum tool_status
set_dsn(struct sql_job *job, const struct config *config,
    struct tool_secrets *secrets, char *why, size_t size)
{
	char buf[SQL_DSN_MAX + 1], reason[SQL_DSN_WHY_SIZE];
	const char *dsn =
	    sql_dsn_resolve(job->tool.dsn, config, buf, sizeof(buf));

	if (*dsn == '\0') {
		snprintf(why, size, "its database is not set");
		return TOOL_STATUS_UNREACHABLE;
	}
	/* A setting's text has not been checked yet. */
	if (sql_dsn_check(dsn, reason, sizeof(reason)) < 0 ||
	    sql_dsn_render(job->query.dsn, dsn, find_secret, secrets, reason,
		sizeof(reason)) < 0) {
		snprintf(why, size, "connection string: %s", reason);
		return TOOL_STATUS_UNREACHABLE;
	}
	return TOOL_STATUS_OK;
}

/* -- a job ------------------------------------------------------------------------ */

static void
on_problem(const char *text, void *arg)
{
	log_err("tool cannot be run tool=%s why=\"%s\"",
	    ((const struct sql_job *)arg)->name, text);
}

/* The one row of which a program wants one value. */
static int
on_key_row(struct sql_job *job, const struct sql_row *row)
{
	for (size_t i = 0; i < row->count; i++) {
		const struct sql_column *column = &row->columns[i];

		if (strcasecmp(column->name, job->tool.key) != 0)
			continue;
		if (job->text.len == 0 && column->value != NULL)
			sql_text_append(
			    &job->text, column->value, strlen(column->value));
		return 0;
	}
	snprintf(job->row_why, sizeof(job->row_why), "there is no column %s",
	    job->tool.key);
	return -EINVAL;
}

/* In the thread. */
static int
on_row(const struct sql_row *row, void *arg)
{
	struct sql_job *job = arg;
	size_t len = job->text.len;
	int ret;

	if (job->text.full || len > ROWS_TEXT_MAX)
		return 0;
	if (*job->tool.key != '\0')
		return on_key_row(job, row);
	if (len > 0)
		sql_text_append(&job->text, "\n", 1);
	ret = sql_answer_render(&job->text, job->tool.answer, &job->tool.words,
	    row, job->row_why, sizeof(job->row_why));
	if (ret < 0)
		return ret;
	/* Half a row is none; the first one is cut where it is told. */
	if (len > 0 && (job->text.full || job->text.len > ROWS_TEXT_MAX)) {
		job->text.len = len;
		job->text.text[len] = '\0';
		job->text.full = true;
	} else {
		job->rows_said++;
	}
	return 0;
}

static unsigned int
limit_ms(const struct sql_tool *tool, const struct executor_request *request)
{
	unsigned int ms = tool->timeout_s * 1000;

	if (ms + HANDOVER_MS > request->deadline_ms)
		ms = request->deadline_ms > HANDOVER_MS + LEAST_MS
			 ? request->deadline_ms - HANDOVER_MS
			 : LEAST_MS;
	return ms;
}

static enum tool_status
prepare(struct sql_job *job, const struct executor_request *request,
    const struct config *config, struct tool_secrets *secrets, char *why,
    size_t size)
{
	const cJSON *parameters = json_object(job->settings, "parameters");
	char misfit[JSON_SCHEMA_WHY_SIZE];
	enum tool_status status;

	snprintf(why, size, "the tool's definition is not one");
	if (parameters == NULL ||
	    json_schema_check(parameters, misfit, sizeof(misfit)) < 0 ||
	    sql_tool_read(
		&job->tool, job->settings, parameters, on_problem, job) < 0)
		return TOOL_STATUS_INTERNAL;
	if (json_schema_validate(
		parameters, request->arguments, misfit, sizeof(misfit)) < 0) {
		snprintf(why, size, "%s", misfit);
		return TOOL_STATUS_INVALID_ARGUMENTS;
	}
	status = set_values(job, request, why, size);
	if (status == TOOL_STATUS_OK)
		status = set_dsn(job, config, secrets, why, size);
	return status;
}

enum tool_status
sql_job_new(struct sql_job **job_out, const struct executor_request *request,
    const struct config *config, struct tool_secrets *secrets, char *why,
    size_t size)
{
	struct sql_job *job = calloc(1, sizeof(*job));
	enum tool_status status;

	*job_out = NULL;
	snprintf(why, size, "no memory");
	if (job == NULL)
		return TOOL_STATUS_INTERNAL;
	snprintf(job->name, sizeof(job->name), "%s", request->tool);
	job->settings = cJSON_Duplicate(request->settings, true);
	job->text.text = calloc(1, SQL_ANSWER_TEXT_MAX + 1);
	status = job->settings != NULL && job->text.text != NULL
		     ? prepare(job, request, config, secrets, why, size)
		     : TOOL_STATUS_INTERNAL;
	if (status != TOOL_STATUS_OK) {
		sql_job_free(job);
		return status;
	}
	job->query.text = job->tool.query;
	job->query.rows_max = job->tool.rows_max;
	job->query.timeout_ms = limit_ms(&job->tool, request);
	job->query.on_row = on_row;
	job->query.arg = job;
	*job_out = job;
	return TOOL_STATUS_OK;
}

void
sql_job_free(struct sql_job *job)
{
	if (job == NULL)
		return;
	for (size_t i = 0; i < job->query.value_count; i++) {
		char *text = job->query.values[i].text;

		if (text != NULL)
			explicit_bzero(text, strlen(text));
		free(text);
	}
	cJSON_Delete(job->settings);
	if (job->text.text != NULL)
		explicit_bzero(job->text.text, SQL_ANSWER_TEXT_MAX);
	free(job->text.text);
	explicit_bzero(job, sizeof(*job));
	free(job);
}

/* -- the answer ------------------------------------------------------------------- */

/* "first" or "more", with how many rows there are. */
static void
append_sentence(
    const struct sql_job *job, struct sql_text *text, const char *template)
{
	char rows[NAME_SIZE + 16], more[NAME_SIZE + 16];
	char why[SQL_ANSWER_WHY_SIZE];
	const char *over = job->result.gave_up ? job->tool.words.over : "";
	const char *space = *over != '\0' ? " " : "";
	const struct sql_column columns[] = {
	    {.name = "rows", .value = rows},
	    {.name = "more", .value = more},
	};
	const struct sql_row row = {.columns = columns, .count = 2};

	snprintf(rows, sizeof(rows), "%s%s%u", over, space, job->result.rows);
	snprintf(more, sizeof(more), "%s%s%u", over, space,
	    job->result.rows - job->rows_said);
	if (sql_answer_render(
		text, template, &job->tool.words, &row, why, sizeof(why)) < 0)
		log_err("tool's sentence cannot be said tool=%s why=\"%s\"",
		    job->name, why);
}

static enum tool_status
answer_rows(
    struct sql_job *job, const struct tool_secrets *secrets, char *output)
{
	char whole[2 * SQL_ANSWER_TEXT_MAX + 2] = "";
	char part[SQL_ANSWER_TEXT_MAX + 1] = "";
	struct sql_text text = {.text = part};
	int n = 0;

	if (*job->tool.first != '\0') {
		append_sentence(job, &text, job->tool.first);
		sql_text_append(&text, "\n", 1);
	}
	n = snprintf(whole, sizeof(whole), "%s%s", part, job->text.text);
	text = (struct sql_text){.text = part};
	part[0] = '\0';
	if (job->result.rows > job->rows_said && *job->tool.more != '\0')
		append_sentence(job, &text, job->tool.more);
	snprintf(whole + n, sizeof(whole) - (size_t)n, "%s%s",
	    *part != '\0' ? "\n" : "", part);
	if (answer_copy(output, whole, strlen(whole), secrets))
		return TOOL_STATUS_OK;
	snprintf(output, TOOL_OUTPUT_SIZE, "the rows say nothing");
	return TOOL_STATUS_MALFORMED;
}

static enum tool_status
answer_key(const struct sql_job *job, char *output)
{
	bool is_one = job->result.rows == 1 && job->text.len > 0;

	snprintf(output, TOOL_OUTPUT_SIZE, "%s", is_one ? job->text.text : "");
	return is_one ? TOOL_STATUS_OK : TOOL_STATUS_REFUSED;
}

enum tool_status
sql_job_answer(
    struct sql_job *job, const struct tool_secrets *secrets, char *output)
{
	const struct sql_result *result = &job->result;

	if (*job->row_why != '\0') {
		snprintf(output, TOOL_OUTPUT_SIZE, "%s", job->row_why);
		return TOOL_STATUS_INTERNAL;
	}
	if (result->status != TOOL_STATUS_OK) {
		snprintf(output, TOOL_OUTPUT_SIZE, "%s", result->why);
		return result->status;
	}
	if (*job->tool.key != '\0')
		return answer_key(job, output);
	if (result->rows > 0)
		return answer_rows(job, secrets, output);
	answer_copy(output, job->tool.none, strlen(job->tool.none), NULL);
	return TOOL_STATUS_OK;
}

/* One letter is no secret, and masking it everywhere hides the rest. */
static void
mask_value(char *text, const char *value)
{
	if (value != NULL && strlen(value) >= MASK_MIN)
		mask_secret(text, strlen(text), value);
}

void
sql_job_mask(struct sql_job *job, const struct tool_secrets *secrets)
{
	static const char *const passwords[] = {"PWD", "Password", "PASS"};
	char password[SQL_DSN_MAX + 1];
	char *text = job->result.driver;
	char number[32];

	for (size_t i = 0; i < job->query.value_count; i++) {
		const struct sql_value *value = &job->query.values[i];

		mask_value(text, value->text);
		if (value->kind == SQL_KIND_INTEGER) {
			snprintf(number, sizeof(number), "%lld",
			    (long long)value->integer);
			mask_value(text, number);
		}
	}
	tool_secrets_hide(secrets, text, strlen(text));
	/* Also one that is too short to be looked for everywhere. */
	for (size_t i = 0; i < sizeof(passwords) / sizeof(passwords[0]); i++) {
		if (sql_dsn_value(job->query.dsn, passwords[i], password,
			sizeof(password)))
			mask_value(text, password);
	}
	explicit_bzero(password, sizeof(password));
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == '"')
			*text = ' ';
	}
}
