/* SPDX-License-Identifier: MIT */
/*
 * fuzz_realtime.c – what OpenAI's socket says, a message a line: through the
 * parser and the state machine of responses.
 */
#include "callworker/realtime_responses.h"
#include "common/json.h"
#include "tests/fuzz/fuzz.h"

#include <cjson/cJSON.h>
#include <errno.h>

struct told {
	int utterances; /* begun and not ended */
	bool fatal;
};

/* What we send must be JSON, whatever we were told. */
static int
on_send(const char *json, void *arg)
{
	cJSON *parsed = cJSON_Parse(json);

	(void)arg;
	FUZZ_CHECK(cJSON_IsObject(parsed));
	cJSON_Delete(parsed);
	return 0;
}

static void
on_utterance(const char *utterance, int tag, void *arg)
{
	struct told *told = arg;

	(void)tag;
	FUZZ_CHECK(utterance[0] != '\0' && strlen(utterance) < VOICE_ID_SIZE);
	FUZZ_CHECK(!told->fatal);
	told->utterances++;
}

static void
on_audio(const char *utterance, const uint8_t *g711, size_t len, void *arg)
{
	const struct told *told = arg;
	uint8_t sum = 0;

	(void)utterance;
	FUZZ_CHECK(told->utterances > 0);
	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + g711[i]);
	(void)sum;
}

static void
on_utterance_done(const char *utterance, int tag, enum voice_end end,
    const char *why, void *arg)
{
	struct told *told = arg;

	(void)tag;
	(void)end;
	(void)why;
	if (utterance[0] != '\0')
		told->utterances--;
	FUZZ_CHECK(told->utterances >= 0);
}

static void
on_caller_started(uint32_t ago_ms, void *arg)
{
	(void)ago_ms;
	(void)arg;
}

static void
on_caller_stopped(void *arg)
{
	(void)arg;
}

static void
on_transcript(
    enum voice_speaker who, const char *id, const char *text, void *arg)
{
	(void)who;
	(void)arg;
	FUZZ_CHECK(id != NULL && text != NULL);
}

static void
on_tool_call(const char *id, const char *name, const char *arguments, void *arg)
{
	(void)arg;
	FUZZ_CHECK(id[0] != '\0' && strlen(id) < VOICE_ID_SIZE);
	FUZZ_CHECK(name != NULL && arguments != NULL);
}

static void
on_usage(const struct voice_usage *usage, void *arg)
{
	(void)usage;
	(void)arg;
}

static void
on_fault(enum voice_fault fault, const char *detail, bool fatal, void *arg)
{
	struct told *told = arg;

	(void)fault;
	FUZZ_CHECK(detail != NULL);
	told->fatal = told->fatal || fatal;
}

static const struct voice_events events = {
    .on_utterance = on_utterance,
    .on_audio = on_audio,
    .on_utterance_done = on_utterance_done,
    .on_caller_started = on_caller_started,
    .on_caller_stopped = on_caller_stopped,
    .on_transcript = on_transcript,
    .on_tool_call = on_tool_call,
    .on_tool_call_cut = on_tool_call,
    .on_usage = on_usage,
    .on_fault = on_fault,
};

/* One line; those that begin with '!' are what we do meanwhile. */
static void
handle_line(struct realtime_responses *rr, const char *line, size_t len,
    uint64_t *now_ms)
{
	struct realtime_event event;

	if (len > 0 && line[0] == '!') {
		switch (len > 1 ? line[1] : 0) {
		case 'n':
			realtime_responses_nudge(rr);
			break;
		case 'p':
			realtime_responses_prompt(rr);
			break;
		case 's':
			realtime_responses_say(rr, "Diga.", 3);
			break;
		case 'a':
			realtime_responses_aside(rr, "Aparte.", 4);
			break;
		case 'x':
			realtime_responses_stop(rr);
			break;
		case 't':
			realtime_responses_add_text(rr, "[texto]");
			break;
		case 'o':
			realtime_responses_answer_tool(rr, "call_1", "{}");
			break;
		case 'i':
			realtime_responses_interrupted(rr, "item_1", 100);
			break;
		default:
			*now_ms += 1000;
			break;
		}
	} else if (realtime_event_parse(&event, line, len) == 0) {
		uint8_t *g711;
		size_t g711_len;

		if (event.type == REALTIME_EVENT_AUDIO_DELTA &&
		    realtime_event_audio(&event, &g711, &g711_len) == 0)
			free(g711);
		if (!realtime_responses_is_over(rr))
			realtime_responses_event(rr, &event, *now_ms);
		realtime_event_free(&event);
	}
	*now_ms += 10;
	if (!realtime_responses_is_over(rr))
		realtime_responses_tick(rr, *now_ms);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct told told = {0};
	const struct realtime_responses_config config = {
	    .send = on_send,
	    .events = &events,
	    .events_arg = &told,
	};
	struct realtime_responses *rr;
	char *text = fuzz_text(data, size);
	char *line = text, *end;
	uint64_t now_ms = 1000;

	fuzz_init();
	FUZZ_CHECK(realtime_responses_new(&rr, &config) == 0);
	while (
	    (end = memchr(line, '\n', size - (size_t)(line - text))) != NULL) {
		*end = '\0';
		handle_line(rr, line, (size_t)(end - line), &now_ms);
		line = end + 1;
	}
	realtime_responses_free(&rr);
	free(text);
	return 0;
}
