/* SPDX-License-Identifier: MIT */
/*
 * sql_tool.c – reads and checks what a tool of type "sql" declares.
 *
 * Invariant: what passes here has a place for each value and nothing of a
 * value in its text; the query is the operator's, word by word.
 */
#include "common/sql_tool.h"

#include "common/json.h"
#include "common/sql_dsn.h"
#include "common/tool_reader.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
	QUERY_MAX = 4096, /* bytes */
	TEXT_MAX = 2048,
	DSN_TEXT_MAX = 512,
	NAME_SIZE = 65,
};

/* One run of sql_tool_read(). */
static const char *const members[] = {"type", "executor", "parameters",
    "timeout_argument", "read_only", "dsn", "query", "bind", "rows_max",
    "timeout_s", "first", "answer", "more", "none", "words", "key"};

/* What the supervisor knows of a caller; see ${caller:NAME}. */
static const char *const caller_names[] = {"number", "customer"};

/* A string of 1 … MAX bytes, "" if it is optional and not there. */
static const char *
take_text(
    struct tool_reader *reader, const char *key, size_t max, bool optional)
{
	const cJSON *item =
	    cJSON_GetObjectItemCaseSensitive(reader->settings, key);

	if (item == NULL && optional)
		return "";
	if (item == NULL || !cJSON_IsString(item) ||
	    item->valuestring[0] == '\0' || strlen(item->valuestring) > max) {
		tool_reader_bad(reader,
		    "\"%s\" must be a text of 1 to %zu bytes", key, max);
		return "";
	}
	return item->valuestring;
}

static unsigned int
take_number(struct tool_reader *reader, const char *key, unsigned int otherwise,
    unsigned int max)
{
	const cJSON *item =
	    cJSON_GetObjectItemCaseSensitive(reader->settings, key);

	if (item == NULL)
		return otherwise;
	if (cJSON_IsNumber(item) && item->valuedouble >= 1 &&
	    item->valuedouble <= max)
		return (unsigned int)item->valuedouble;
	tool_reader_bad(
	    reader, "\"%s\" must be a number from 1 to %u", key, max);
	return otherwise;
}

/* -- the query ------------------------------------------------------------------ */

static int __attribute__((format(printf, 3, 4)))
fail(char *why, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* The end of what begins with the quote at TEXT, or NULL with WHY. */
static const char *
skip_quoted(const char *text, char *why, size_t size)
{
	const char *end = strchr(text + 1, *text);

	if (end == NULL) {
		fail(why, size, "a %c is not closed", *text);
		return NULL;
	}
	if (memchr(text, '\\', (size_t)(end - text)) != NULL) {
		fail(why, size,
		    "in quotes a backslash means something else to each "
		    "server; bind the value instead");
		return NULL;
	}
	return end + 1; /* '' begins the next one */
}

static bool
is_word(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && strncasecmp(text, word, len) == 0;
}

/* A word of the query's own language. */
static int
check_word(const char *text, size_t len, bool is_first, char *why, size_t size)
{
	if (is_first && !is_word(text, len, "SELECT") &&
	    !is_word(text, len, "WITH"))
		return fail(why, size, "it must begin with SELECT or WITH");
	if (is_word(text, len, "INTO"))
		return fail(why, size, "INTO would write something");
	return 0;
}

static int
check_sign(const char *text, char *why, size_t size)
{
	if (*text == ';')
		return fail(why, size, "only one statement, without ';'");
	if (strncmp(text, "--", 2) == 0 || strncmp(text, "/*", 2) == 0 ||
	    *text == '#')
		return fail(why, size, "no comments in it, please");
	if (strchr("${}\\", *text) != NULL ||
	    ((unsigned char)*text < 0x20 && strchr("\t\n", *text) == NULL))
		return fail(why, size,
		    "it has a character that cannot be "
		    "there: $, {, }, \\ or a control one");
	return 0;
}

int
sql_tool_check_query(
    const char *text, size_t *values_out, char *why, size_t size)
{
	bool is_first = true;
	size_t values = 0;

	if (strstr(text, "${") != NULL)
		return fail(why, size,
		    "no ${…} in it: write ? and put the value into \"bind\"");
	while (*text != '\0') {
		size_t len = 0;

		while (isalnum((unsigned char)text[len]) || text[len] == '_' ||
		       (unsigned char)text[len] >= 0x80)
			len++;
		if (len > 0) {
			if (check_word(text, len, is_first, why, size) < 0)
				return -EINVAL;
			is_first = false;
			text += len;
		} else if (strchr("'\"`", *text) != NULL) {
			text = skip_quoted(text, why, size);
			if (text == NULL)
				return -EINVAL;
		} else {
			if (check_sign(text, why, size) < 0)
				return -EINVAL;
			values += *text++ == '?';
		}
	}
	if (is_first)
		return fail(why, size, "it must begin with SELECT or WITH");
	*values_out = values;
	return 0;
}

/* -- the values ------------------------------------------------------------------ */

const char *
sql_tool_reference(
    const cJSON *item, bool *is_caller_out, char *buf, size_t size)
{
	static const struct {
		const char *head;
		bool is_caller;
	} heads[] = {{"${argument:", false}, {"${caller:", true}};
	const char *text = cJSON_IsString(item) ? item->valuestring : "";
	size_t len = strlen(text);

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		size_t head = strlen(heads[i].head);

		if (strncmp(text, heads[i].head, head) != 0 ||
		    len <= head + 1 || text[len - 1] != '}' ||
		    len - head - 1 >= size ||
		    strcspn(text + head, "}") != len - head - 1)
			continue;
		memcpy(buf, text + head, len - head - 1);
		buf[len - head - 1] = '\0';
		*is_caller_out = heads[i].is_caller;
		return buf;
	}
	return NULL;
}

static bool
is_scalar(const cJSON *property)
{
	static const char *const types[] = {
	    "string", "integer", "number", "boolean"};
	const char *type = json_string(property, "type");

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(types[i], type) == 0)
			return true;
	}
	return false;
}

static void
check_caller(struct tool_reader *reader, const char *name)
{
	for (size_t i = 0; i < sizeof(caller_names) / sizeof(caller_names[0]);
	     i++) {
		if (strcmp(name, caller_names[i]) == 0)
			return;
	}
	tool_reader_bad(reader,
	    "\"bind\": ${caller:%s}: there is ${caller:number} and "
	    "${caller:customer}",
	    name);
}

static void
check_value(
    struct tool_reader *reader, struct sql_tool *tool, const cJSON *item)
{
	char buf[NAME_SIZE];
	bool is_caller;
	const char *name =
	    sql_tool_reference(item, &is_caller, buf, sizeof(buf));

	if (name == NULL) {
		if (!cJSON_IsNumber(item) && !cJSON_IsString(item))
			tool_reader_bad(reader,
			    "\"bind\": a value must be a text or a "
			    "number");
		else if (cJSON_IsString(item) &&
			 strstr(item->valuestring, "${") != NULL)
			tool_reader_bad(reader,
			    "\"bind\": \"%.64s\": the whole text may be "
			    "${argument:NAME} or ${caller:NAME}, not a part "
			    "of it",
			    item->valuestring);
		return;
	}
	tool->asks_caller |= is_caller;
	if (is_caller)
		check_caller(reader, name);
	else if (!is_scalar(
		     json_at(reader->parameters, "properties", name, NULL)))
		tool_reader_bad(reader,
		    "\"bind\": ${argument:%s}: \"parameters\" must describe "
		    "it as a string, a number or a boolean",
		    name);
}

static void
take_query(struct tool_reader *reader, struct sql_tool *tool)
{
	const cJSON *item;
	size_t values = 0;
	char why[160];
	bool is_good;

	tool->query = take_text(reader, "query", QUERY_MAX, false);
	is_good = *tool->query != '\0' && sql_tool_check_query(tool->query,
					      &values, why, sizeof(why)) == 0;
	if (*tool->query != '\0' && !is_good)
		tool_reader_bad(reader, "\"query\": %s", why);
	tool->bind = cJSON_GetObjectItemCaseSensitive(reader->settings, "bind");
	if (tool->bind != NULL && !cJSON_IsArray(tool->bind)) {
		tool_reader_bad(reader, "\"bind\" must be a list of values");
		return;
	}
	cJSON_ArrayForEach(item, tool->bind)
		check_value(reader, tool, item);
	if (is_good && values != (size_t)cJSON_GetArraySize(tool->bind))
		tool_reader_bad(reader,
		    "\"query\" has %zu '?' and \"bind\" %d values", values,
		    cJSON_GetArraySize(tool->bind));
	if (values > SQL_TOOL_VALUES_MAX)
		tool_reader_bad(
		    reader, "\"bind\" may have %d values", SQL_TOOL_VALUES_MAX);
}

/* -- the answer ------------------------------------------------------------------ */

static void
take_template(struct tool_reader *reader, const struct sql_tool *tool,
    const char *key, const char **template_out)
{
	char why[SQL_ANSWER_WHY_SIZE];

	if (**template_out != '\0' &&
	    sql_answer_check(*template_out, &tool->words, why, sizeof(why)) < 0)
		tool_reader_bad(reader, "\"%s\": %s", key, why);
}

/* Nothing is put into words: a program reads it. */
static void
take_key(struct tool_reader *reader, struct sql_tool *tool)
{
	static const char *const others[] = {
	    "first", "answer", "more", "none", "words", "rows_max"};

	tool->key = take_text(reader, "key", NAME_SIZE - 1, false);
	tool->answer = tool->none = tool->first = tool->more = "";
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (cJSON_GetObjectItemCaseSensitive(
			reader->settings, others[i]) != NULL)
			tool_reader_bad(reader,
			    "\"%s\" has no meaning beside \"key\"", others[i]);
	}
}

static void
take_answer(struct tool_reader *reader, struct sql_tool *tool)
{
	char why[SQL_ANSWER_WHY_SIZE];

	if (sql_words_read(&tool->words,
		cJSON_GetObjectItemCaseSensitive(reader->settings, "words"),
		why, sizeof(why)) < 0) {
		tool_reader_bad(reader, "\"words\": %s", why);
		return;
	}
	tool->answer = take_text(reader, "answer", TEXT_MAX, false);
	tool->none = take_text(reader, "none", TEXT_MAX, false);
	tool->first = take_text(reader, "first", TEXT_MAX, true);
	tool->more = take_text(reader, "more", TEXT_MAX, true);
	take_template(reader, tool, "answer", &tool->answer);
	take_template(reader, tool, "first", &tool->first);
	take_template(reader, tool, "more", &tool->more);
}

int
sql_tool_read(struct sql_tool *tool_out, const cJSON *settings,
    const cJSON *parameters, sql_tool_problem_fn *problem, void *arg)
{
	struct tool_reader reader = {
	    .settings = settings,
	    .parameters = parameters,
	    .problem = problem,
	    .arg = arg,
	    .good = true,
	};
	struct sql_tool tool = {.dsn = "", .key = ""};
	char why[SQL_DSN_WHY_SIZE];

	tool_reader_check_members(&reader, settings, "", members,
	    sizeof(members) / sizeof(members[0]));
	tool.dsn = take_text(&reader, "dsn", DSN_TEXT_MAX, false);
	if (*tool.dsn != '\0' && sql_dsn_check(tool.dsn, why, sizeof(why)) < 0)
		tool_reader_bad(&reader, "\"dsn\": %s", why);
	take_query(&reader, &tool);
	tool.rows_max = take_number(
	    &reader, "rows_max", SQL_TOOL_ROWS_DEFAULT, SQL_TOOL_ROWS_MAX);
	tool.timeout_s = take_number(&reader, "timeout_s",
	    SQL_TOOL_TIMEOUT_DEFAULT_S, SQL_TOOL_TIMEOUT_MAX_S);
	if (cJSON_GetObjectItemCaseSensitive(settings, "key") != NULL)
		take_key(&reader, &tool);
	else
		take_answer(&reader, &tool);
	if (!reader.good)
		return -EINVAL;
	*tool_out = tool;
	return 0;
}

bool
sql_tool_is_configured(const struct sql_tool *tool, const struct config *config)
{
	char buf[SQL_DSN_MAX + 1];

	return *sql_dsn_resolve(tool->dsn, config, buf, sizeof(buf)) != '\0';
}
