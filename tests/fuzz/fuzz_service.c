/* SPDX-License-Identifier: MIT */
/*
 * fuzz_service.c – what HTTP services answer: 'a' a tool's JSON answer, 'l'
 * lines with progress, 't' text, 'u' a refused upgrade, 'o' URLs and
 * addresses, 'd' a result on its way to the model.
 */
#include "callworker/tool_calls.h"
#include "common/json.h"
#include "common/net_address.h"
#include "common/url.h"
#include "common/websocket_answer.h"
#include "tests/fuzz/fuzz.h"
#include "toolworker/http_lines.h"
#include "toolworker/http_outcome.h"

#include <cjson/cJSON.h>

static const char executor[] =
    "{\"type\":\"http\",\"url\":\"https://x.example/\",\"response\":{"
    "\"answer\":\"/data/answer\",\"success\":{\"pointer\":\"/ok\",\"equals\":true},\"reason\":"
    "[\"/error\",\"/data/error\"],\"status\":{\"404\":\"refused\"},"
    "\"progress\":{\"done\":\"/done\",\"total\":\"/total\"}}}";

static void
on_problem(const char *text, void *arg)
{
	(void)arg;
	fprintf(stderr, "%s\n", text);
	abort();
}

/* Made once: what it points into lives as long as the process. */
static const struct http_tool *
tool(void)
{
	static struct http_tool made;
	static cJSON *settings, *parameters;

	if (settings == NULL) {
		settings = cJSON_Parse(executor);
		parameters = cJSON_Parse("{\"type\":\"object\"}");
		FUZZ_CHECK(http_tool_read(&made, settings, parameters,
			       on_problem, NULL) == 0);
	}
	return &made;
}

static void
on_progress(const struct tool_progress *progress, void *arg)
{
	(void)arg;
	(void)progress;
}

static void
fuzz_answer(struct fuzz_input *in, const char *type)
{
	static struct http_outcome outcome;
	struct http_tool text_tool = *tool();
	int status = 100 + (int)(fuzz_u32(in) % 500);
	char *body = fuzz_text(in->data, in->size);
	const struct http_response response = {
	    .result = HTTP_OK,
	    .status = status,
	    .body = body,
	    .body_len = in->size,
	    .content_type = type,
	    .redirect_url = "",
	    .error = "",
	    .retry_after_s = -1,
	};

	text_tool.is_text = strcmp(type, "text/plain") == 0;
	http_outcome_read(&outcome, &text_tool, &response, 30000, NULL);
	FUZZ_CHECK(memchr(outcome.text, '\0', sizeof(outcome.text)) != NULL);
	free(body);
}

static void
fuzz_lines(const uint8_t *data, size_t size)
{
	char *body = fuzz_text(data, size);
	const char *why = NULL;
	size_t read = 0, half = size / 2;
	cJSON *answer;

	http_lines_progress(tool(), body, half, &read, on_progress, NULL);
	FUZZ_CHECK(read <= half);
	http_lines_progress(tool(), body, size, &read, on_progress, NULL);
	FUZZ_CHECK(read <= size);
	answer = http_lines_answer(tool(), body, size, &why);
	FUZZ_CHECK(answer != NULL || why != NULL);
	cJSON_Delete(answer);
	free(body);
}

static void
fuzz_upgrade(const uint8_t *data, size_t size)
{
	static struct websocket_answer answer;
	char *raw = malloc(size + 1);

	FUZZ_CHECK(raw != NULL);
	memcpy(raw, data, size);
	if (websocket_answer_is_refusal(raw, size)) {
		websocket_answer_parse(raw, size, false, &answer);
		websocket_answer_parse(raw, size, true, &answer);
		FUZZ_CHECK(answer.body_len <= WEBSOCKET_ANSWER_BODY_MAX);
		FUZZ_CHECK(answer.body[answer.body_len] == '\0');
	}
	free(raw);
}

static void
fuzz_origin(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	const char *why = NULL;
	struct url url;

	if (url_parse(text, &url, &why) != 0)
		FUZZ_CHECK(why != NULL);
	(void)url_host_is_loopback(text);
	(void)url_host_is_valid(text);
	free(text);
}

/* It is JSON for the model whatever the router or the service said. */
static void
fuzz_output(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	char *output = tool_calls_output(TOOL_STATUS_OK, text);
	cJSON *json = cJSON_Parse(output);

	FUZZ_CHECK(cJSON_IsObject(json));
	FUZZ_CHECK(strlen(output) <= 8 * (size_t)TOOL_OUTPUT_MAX);
	cJSON_Delete(json);
	free(output);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};

	fuzz_init();
	switch (fuzz_byte(&in)) {
	case 'a':
		fuzz_answer(&in, "application/json");
		break;
	case 'n':
		fuzz_answer(&in, "application/x-ndjson");
		break;
	case 't':
		fuzz_answer(&in, "text/plain");
		break;
	case 'l':
		fuzz_lines(in.data, in.size);
		break;
	case 'u':
		fuzz_upgrade(in.data, in.size);
		break;
	case 'o':
		fuzz_origin(in.data, in.size);
		break;
	case 'd':
		fuzz_output(in.data, in.size);
		break;
	}
	return 0;
}
