/* SPDX-License-Identifier: MIT */
/*
 * fuzz_tools.c – what the tool queue is told by processes that may be another's
 * by now, a message a line: "R{…}" and "C{…}" a callworker asks and withdraws,
 * "1{…}" to "4{…}" a toolworker says, "D" the first one dies, "T" time passes.
 */
#include "tests/unit/tool_queue_rig.h"

#include "tests/fuzz/fuzz.h"

enum {
	LINES_MAX = 60,
	TURN_MS = 7000,
};

/* A call's request is under a name that the supervisor chose. */
static void
handle(const char *line, const cJSON *body)
{
	enum message_type type;

	if (line[0] == 'R')
		(void)tool_queue_on_request(rig.queue, "1.1", body);
	else if (line[0] == 'C')
		(void)tool_queue_on_cancel(rig.queue, "1.1", body);
	else if (line[0] >= '1' && line[0] < '1' + WORKERS &&
		 message_find(json_string(body, "type"), &type) == 0 &&
		 message_allowed(type, MESSAGE_TOOLWORKER, MESSAGE_SUPERVISOR))
		tool_queue_on_worker(
		    rig.queue, &rig.workers[line[0] - '1'], type, body);
}

static void
handle_line(const char *line)
{
	cJSON *body;

	if (line[0] == 'D') {
		tool_queue_worker_gone(rig.queue, &rig.workers[0]);
		return;
	}
	if (line[0] == 'T') {
		pass_ms(TURN_MS);
		return;
	}
	body = line[0] != '\0' ? json_parse(line + 1, strlen(line + 1)) : NULL;
	if (cJSON_IsObject(body))
		handle(line, body);
	cJSON_Delete(body);
}

/* What a call is told is of its own, with a status, and no longer than it
 * may be. */
static void
check_answers(void)
{
	for (size_t i = 0; i < rig.sent_count; i++) {
		const struct sent *sent = &rig.sent[i];

		if (sent->type != MESSAGE_TOOL_RESULT)
			continue;
		FUZZ_CHECK(strcmp(sent->call, "1.1") == 0);
		FUZZ_CHECK(json_string(sent->body, "status")[0] != '\0');
		FUZZ_CHECK(strlen(json_string(sent->body, "output")) <=
			   message_size_max(MESSAGE_TOOL_RESULT));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *line, *rest = text;
	int lines = 0;

	fuzz_init();
	FUZZ_CHECK(set_up(NULL) == 0);
	while ((line = strsep(&rest, "\n")) != NULL && lines++ < LINES_MAX)
		handle_line(line);
	tool_queue_end_call(rig.queue, "1.1");
	for (int i = 0; i < WORKERS; i++)
		tool_queue_worker_gone(rig.queue, &rig.workers[i]);
	pass_ms(TURN_MS);
	check_answers();
	FUZZ_CHECK(tool_queue_count(rig.queue).running == 0);
	FUZZ_CHECK(tool_queue_count(rig.queue).waiting == 0);
	tear_down(NULL);
	free(text);
	return 0;
}
