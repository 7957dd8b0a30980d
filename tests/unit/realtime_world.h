/* SPDX-License-Identifier: MIT */
/*
 * realtime_world.h – the response state machine with a scripted service:
 * events go in as JSON, what is sent and told is one line each.
 */
#ifndef TESTS_UNIT_REALTIME_WORLD_H
#define TESTS_UNIT_REALTIME_WORLD_H

#include "callworker/realtime_responses.h"

#include "common/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* One test's world: a clock, what was sent, and what was told. */
struct world {
	struct realtime_responses *rr;
	uint64_t now_ms;
	char lines[16384]; /* "send ask", "told audio item_1 3", … */
	char last_ask[REALTIME_ID_SIZE];
	char last_aside[REALTIME_ID_SIZE];
	char last_item[REALTIME_ID_SIZE];
	char last_event[REALTIME_ID_SIZE];
	unsigned usages;
	uint32_t ago_ms; /* of the last on_caller_started */
	void (*on_caller_started)(struct world *w); /* may be NULL */
};

static void note(struct world *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
note(struct world *w, const char *fmt, ...)
{
	size_t len = strlen(w->lines);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->lines + len, sizeof(w->lines) - len, fmt, ap);
	va_end(ap);
	len = strlen(w->lines);
	snprintf(w->lines + len, sizeof(w->lines) - len, "\n");
}

static void
copy_id(char id_out[REALTIME_ID_SIZE], const char *id)
{
	snprintf(id_out, REALTIME_ID_SIZE, "%s", id);
}

static int
fake_send(const char *json, void *arg)
{
	struct world *w = arg;
	cJSON *event = json_parse(json, strlen(json));
	const char *type = json_string(event, "type");
	const cJSON *item = json_object(event, "item");

	assert_non_null(event);
	copy_id(w->last_event, json_string(event, "event_id"));
	assert_true(w->last_event[0] != '\0');
	if (strcmp(type, "response.create") == 0 &&
	    strcmp(json_string(json_object(event, "response"), "conversation"),
		"none") == 0) {
		copy_id(w->last_aside, w->last_event);
		note(w, "send aside");
	} else if (strcmp(type, "response.create") == 0) {
		copy_id(w->last_ask, w->last_event);
		note(w, "send %s",
		    cJSON_HasObjectItem(
			json_object(event, "response"), "instructions")
			? "say"
			: "ask");
	} else if (item != NULL) {
		copy_id(w->last_item, json_string(item, "id"));
		note(w, "send item %s", json_string(item, "type"));
	} else if (strcmp(type, "conversation.item.truncate") == 0) {
		note(w, "send truncate %s %d", json_string(event, "item_id"),
		    (int)json_int(event, "audio_end_ms", -1));
	} else {
		note(w, "send %s %s%s", type, json_string(event, "item_id"),
		    json_string(event, "response_id"));
	}
	cJSON_Delete(event);
	return 0;
}

static void
on_utterance(const char *utterance, int tag, void *arg)
{
	note(arg, "told utterance %s tag %d", utterance, tag);
}

static void
on_audio(const char *utterance, const uint8_t *g711, size_t len, void *arg)
{
	(void)g711;
	note(arg, "told audio %s %zu", utterance, len);
}

static void
on_utterance_done(const char *utterance, int tag, enum voice_end end,
    const char *why, void *arg)
{
	static const char *const ends[] = {"complete", "cut", "failed"};

	(void)why;
	note(arg, "told done %s tag %d %s", utterance, tag, ends[end]);
}

static void
on_caller_started(uint32_t ago_ms, void *arg)
{
	struct world *w = arg;

	w->ago_ms = ago_ms;
	note(w, "told caller started");
	if (w->on_caller_started != NULL)
		w->on_caller_started(w);
}

static void
on_caller_stopped(void *arg)
{
	note(arg, "told caller stopped");
}

static void
on_transcript(
    enum voice_speaker who, const char *id, const char *text, void *arg)
{
	assert_int_equal(who, VOICE_SPEAKER_VOICE);
	note(arg, "told text %s %s", id, text);
}

static void
on_tool_call(const char *id, const char *name, const char *arguments, void *arg)
{
	note(arg, "told call %s %s %s", id, name, arguments);
}

static void
on_tool_call_cut(
    const char *id, const char *name, const char *arguments, void *arg)
{
	note(arg, "told cut call %s %s %s", id, name, arguments);
}

static void
on_usage(const struct voice_usage *usage, void *arg)
{
	struct world *w = arg;

	(void)usage;
	w->usages++;
}

static void
on_fault(enum voice_fault fault, const char *detail, bool fatal, void *arg)
{
	(void)detail;
	note(arg, "told fault %s%s", voice_fault_name(fault),
	    fatal ? " fatal" : "");
}

static const struct voice_events events = {
    .on_utterance = on_utterance,
    .on_audio = on_audio,
    .on_utterance_done = on_utterance_done,
    .on_caller_started = on_caller_started,
    .on_caller_stopped = on_caller_stopped,
    .on_transcript = on_transcript,
    .on_tool_call = on_tool_call,
    .on_tool_call_cut = on_tool_call_cut,
    .on_usage = on_usage,
    .on_fault = on_fault,
};

static int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct realtime_responses_config config = {
	    .send = fake_send,
	    .send_arg = w,
	    .events = &events,
	    .events_arg = w,
	};

	assert_non_null(w);
	w->now_ms = 1000000;
	assert_int_equal(realtime_responses_new(&w->rr, &config), 0);
	realtime_responses_tick(w->rr, w->now_ms); /* as a session does */
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	realtime_responses_free(&w->rr);
	free(w);
	return 0;
}

static void give(struct world *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* One event of the service; ' stands for ". */
static void
give(struct world *w, const char *fmt, ...)
{
	struct realtime_event ev;
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *p = text; (p = strchr(p, '\'')) != NULL; p++)
		*p = '"';
	assert_int_equal(realtime_event_parse(&ev, text, strlen(text)), 0);
	realtime_responses_event(w->rr, &ev, w->now_ms);
	realtime_event_free(&ev);
}

/* Everything that happened since the last call. */
#define expect(w, text)                                                        \
	do {                                                                   \
		assert_string_equal((w)->lines, text);                         \
		(w)->lines[0] = '\0';                                          \
	} while (0)

static inline void
created(struct world *w, const char *id, const char *ask)
{
	if (ask != NULL)
		give(w,
		    "{'type':'response.created','response':{'id':'%s',"
		    "'status':'in_progress','metadata':{'ask':'%s'}}}",
		    id, ask);
	else
		give(w,
		    "{'type':'response.created','response':{'id':'%s',"
		    "'status':'in_progress','metadata':null}}",
		    id);
}

static inline void
done(struct world *w, const char *id, const char *status)
{
	give(w,
	    "{'type':'response.done','response':{'id':'%s','status':'%s',"
	    "'output':[],'usage':null}}",
	    id, status);
}

static inline void
failed(struct world *w, const char *id, const char *code)
{
	give(w,
	    "{'type':'response.done','response':{'id':'%s','status':'failed',"
	    "'status_details':{'type':'failed','error':{'type':'x',"
	    "'code':'%s'}},'output':[]}}",
	    id, code);
}

/* 960 bytes of audio, 120 ms. */
static inline void
audio(struct world *w, const char *response, const char *item)
{
	char base64[1281];

	memset(base64, '/', 1280);
	base64[1280] = '\0';
	give(w,
	    "{'type':'response.output_audio.delta','response_id':'%s',"
	    "'item_id':'%s','output_index':0,'content_index':0,"
	    "'delta':'%s'}",
	    response, item, base64);
}

static inline void
call_done(struct world *w, const char *response, const char *call)
{
	give(w,
	    "{'type':'response.function_call_arguments.done','response_id':"
	    "'%s','item_id':'fc','call_id':'%s','name':'consultar',"
	    "'arguments':'{}'}",
	    response, call);
}

static inline void
refuse(struct world *w, const char *code, const char *event_id)
{
	give(w,
	    "{'type':'error','error':{'type':'invalid_request_error',"
	    "'code':'%s','message':'no','event_id':%s%s%s}}",
	    code, event_id != NULL ? "'" : "",
	    event_id != NULL ? event_id : "null", event_id != NULL ? "'" : "");
}

static inline void
confirm_item(struct world *w)
{
	give(w, "{'type':'conversation.item.added','item':{'id':'%s'}}",
	    w->last_item);
}

static inline void
speech(struct world *w, const char *what)
{
	give(w, "{'type':'input_audio_buffer.speech_%s','item_id':'u'}", what);
}

static inline void
later(struct world *w, uint64_t ms)
{
	w->now_ms += ms;
	realtime_responses_tick(w->rr, w->now_ms);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
