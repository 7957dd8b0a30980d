/* SPDX-License-Identifier: MIT */
/* tool_answers.c – a list of results, oldest first; all live equally long. */
#include "supervisor/tool_answers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct answer {
	TAILQ_ENTRY(answer) entry;
	uint64_t until_ms;
	enum tool_status status;
	char id[TOOL_JOB_ID_SIZE];
	char detail[];
};

struct tool_answers {
	TAILQ_HEAD(, answer) list;
	size_t count;
	size_t count_max;
	uint64_t keep_ms;
};

static void
drop_oldest(struct tool_answers *answers)
{
	struct answer *oldest = TAILQ_FIRST(&answers->list);

	TAILQ_REMOVE(&answers->list, oldest, entry);
	answers->count--;
	free(oldest);
}

uint64_t
tool_answers_purge(struct tool_answers *answers, uint64_t now_ms)
{
	while (!TAILQ_EMPTY(&answers->list) &&
	       TAILQ_FIRST(&answers->list)->until_ms <= now_ms)
		drop_oldest(answers);
	return TAILQ_EMPTY(&answers->list)
		   ? UINT64_MAX
		   : TAILQ_FIRST(&answers->list)->until_ms;
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
		return 0;
	}
	return -ENOENT;
}

void
tool_answers_add(struct tool_answers *answers, uint64_t now_ms, const char *id,
    enum tool_status status, const char *detail)
{
	size_t size = strlen(detail) + 1;
	struct tool_answer known;
	struct answer *answer;

	if (tool_answers_find(answers, now_ms, id, &known) == 0)
		return;
	answer = calloc(1, sizeof(*answer) + size);
	if (answer == NULL)
		return;
	answer->until_ms = now_ms + answers->keep_ms;
	answer->status = status;
	snprintf(answer->id, sizeof(answer->id), "%s", id);
	memcpy(answer->detail, detail, size);
	if (answers->count == answers->count_max)
		drop_oldest(answers);
	TAILQ_INSERT_TAIL(&answers->list, answer, entry);
	answers->count++;
}

int
tool_answers_new(
    struct tool_answers **answers_out, size_t count, uint64_t keep_ms)
{
	struct tool_answers *answers = calloc(1, sizeof(*answers));

	if (answers == NULL)
		return -ENOMEM;
	TAILQ_INIT(&answers->list);
	answers->count_max = count;
	answers->keep_ms = keep_ms;
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
		drop_oldest(answers);
	free(answers);
}
