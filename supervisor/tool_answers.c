/* SPDX-License-Identifier: MIT */
/* tool_answers.c – a list of results, oldest first. */
#include "supervisor/tool_answers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct answer {
	TAILQ_ENTRY(answer) entry;
	uint64_t since_ms;
	uint64_t until_ms;
	enum tool_status status;
	char id[TOOL_JOB_ID_SIZE];
	char detail[];
};

struct tool_answers {
	TAILQ_HEAD(, answer) list;
	size_t count;
	size_t count_max;
};

static void
drop(struct tool_answers *answers, struct answer *answer)
{
	TAILQ_REMOVE(&answers->list, answer, entry);
	answers->count--;
	free(answer);
}

uint64_t
tool_answers_purge(struct tool_answers *answers, uint64_t now_ms)
{
	struct answer *answer, *next;
	uint64_t first_ms = UINT64_MAX;

	for (answer = TAILQ_FIRST(&answers->list); answer != NULL;
	     answer = next) {
		next = TAILQ_NEXT(answer, entry);
		if (answer->until_ms <= now_ms)
			drop(answers, answer);
		else if (answer->until_ms < first_ms)
			first_ms = answer->until_ms;
	}
	return first_ms;
}

int
tool_answers_find(struct tool_answers *answers, uint64_t now_ms, const char *id,
    struct tool_answer *answer_out)
{
	const struct answer *answer;

	tool_answers_purge(answers, now_ms);
	TAILQ_FOREACH(answer, &answers->list, entry) {
		if (strcmp(answer->id, id) != 0)
			continue;
		answer_out->status = answer->status;
		answer_out->detail = answer->detail;
		answer_out->age_ms = now_ms - answer->since_ms;
		return 0;
	}
	return -ENOENT;
}

void
tool_answers_add(struct tool_answers *answers, uint64_t now_ms,
    uint64_t keep_ms, const char *id, enum tool_status status,
    const char *detail)
{
	size_t size = strlen(detail) + 1;
	struct tool_answer known;
	struct answer *answer;

	if (tool_answers_find(answers, now_ms, id, &known) == 0)
		return;
	answer = calloc(1, sizeof(*answer) + size);
	if (answer == NULL)
		return;
	answer->since_ms = now_ms;
	answer->until_ms = now_ms + keep_ms;
	answer->status = status;
	snprintf(answer->id, sizeof(answer->id), "%s", id);
	memcpy(answer->detail, detail, size);
	if (answers->count == answers->count_max)
		drop(answers, TAILQ_FIRST(&answers->list));
	TAILQ_INSERT_TAIL(&answers->list, answer, entry);
	answers->count++;
}

int
tool_answers_new(struct tool_answers **answers_out, size_t count)
{
	struct tool_answers *answers = calloc(1, sizeof(*answers));

	if (answers == NULL)
		return -ENOMEM;
	TAILQ_INIT(&answers->list);
	answers->count_max = count;
	*answers_out = answers;
	return 0;
}

void
tool_answers_free(struct tool_answers **answers_ptr)
{
	struct tool_answers *answers = *answers_ptr;

	if (answers == NULL)
		return;
	*answers_ptr = NULL;
	while (!TAILQ_EMPTY(&answers->list))
		drop(answers, TAILQ_FIRST(&answers->list));
	free(answers);
}
