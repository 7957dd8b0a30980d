/* SPDX-License-Identifier: MIT */
/* routeros_tool.c – the queries by name, and the executor's few members. */
#include "common/routeros_tool.h"

#include "common/json.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	SENTENCE_MAX = 600, /* bytes of one piece */
	PROBLEM_SIZE = 320,
};

static const char *const names[] = {
#define X(id, name) [ROUTEROS_QUERY_##id] = name,
    ROUTEROS_QUERY_TABLE(X)
#undef X
};

const char *
routeros_query_name(enum routeros_query query)
{
	assert(query < ROUTEROS_QUERY_COUNT);
	return names[query];
}

int
routeros_query_find(const char *name, enum routeros_query *query_out)
{
	for (int i = 0; i < ROUTEROS_QUERY_COUNT; i++) {
		if (strcmp(names[i], name) == 0) {
			*query_out = (enum routeros_query)i;
			return 0;
		}
	}
	return -ENOENT;
}

static bool
is_member(const char *name)
{
	/* "executor" is what "type" becomes in a job's settings. */
	static const char *const members[] = {
	    "type", "executor", "query", "sentences"};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (strcmp(members[i], name) == 0)
			return true;
	}
	return false;
}

static int
check_sentences(
    const cJSON *sentences, routeros_tool_problem_fn *problem, void *arg)
{
	char text[PROBLEM_SIZE];
	const cJSON *item;
	int ret = 0;

	if (sentences != NULL && !cJSON_IsObject(sentences)) {
		problem("\"sentences\" must be an object of texts", arg);
		return -EINVAL;
	}
	cJSON_ArrayForEach(item, sentences) {
		if (cJSON_IsString(item) &&
		    strlen(item->valuestring) <= SENTENCE_MAX)
			continue;
		snprintf(text, sizeof(text),
		    "\"sentences\": \"%.64s\" must be a text of at most %d "
		    "bytes",
		    item->string, SENTENCE_MAX);
		problem(text, arg);
		ret = -EINVAL;
	}
	return ret;
}

static void
list_queries(char *text, size_t size)
{
	size_t len = (size_t)snprintf(text, size, "\"query\" must be one of");

	for (int i = 0; i < ROUTEROS_QUERY_COUNT && len < size; i++)
		len += (size_t)snprintf(text + len, size - len, "%s %s",
		    i > 0 ? "," : "", names[i]);
}

int
routeros_tool_read(struct routeros_tool *tool_out, const cJSON *settings,
    routeros_tool_problem_fn *problem, void *arg)
{
	struct routeros_tool tool = {0};
	char text[PROBLEM_SIZE];
	const cJSON *item;
	int ret = 0;

	cJSON_ArrayForEach(item, settings) {
		if (is_member(item->string))
			continue;
		snprintf(text, sizeof(text),
		    "\"%.64s\" is not a member that it has", item->string);
		problem(text, arg);
		ret = -EINVAL;
	}
	if (routeros_query_find(json_string(settings, "query"), &tool.query) <
	    0) {
		list_queries(text, sizeof(text));
		problem(text, arg);
		ret = -EINVAL;
	}
	tool.sentences =
	    cJSON_GetObjectItemCaseSensitive(settings, "sentences");
	if (check_sentences(tool.sentences, problem, arg) < 0)
		ret = -EINVAL;
	if (ret == 0)
		*tool_out = tool;
	return ret;
}
