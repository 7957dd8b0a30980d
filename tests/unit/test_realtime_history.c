/* SPDX-License-Identifier: MIT */
/*
 * test_realtime_history.c – an earlier conversation as Realtime events.
 */
#include "callworker/realtime_history.h"

#include "callworker/conversation.h"
#include "callworker/history.h"
#include "common/journal.h"
#include "common/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/journal_rig.h"

struct rig {
	struct realtime_history rh;
	struct journal_rig past;
	char lines[8192];
	char last_event[REALTIME_ID_SIZE];
	unsigned sends_left; /* until one fails */
};

/* What the service would see of an item. */
static int
send_event(const char *text, void *arg)
{
	struct rig *rig = arg;
	cJSON *event = json_parse(text, strlen(text));
	const cJSON *item = json_object(event, "item");
	const cJSON *part = cJSON_GetArrayItem(json_array(item, "content"), 0);
	size_t len = strlen(rig->lines);

	if (rig->sends_left-- == 0) {
		cJSON_Delete(event);
		return -ENOBUFS;
	}
	snprintf(rig->last_event, sizeof(rig->last_event), "%s",
	    json_string(event, "event_id"));
	assert_true(strncmp(rig->last_event, "history-", 8) == 0);
	if (item == NULL)
		snprintf(rig->lines + len, sizeof(rig->lines) - len, "%s %s\n",
		    json_string(event, "type"), json_string(event, "item_id"));
	else
		snprintf(rig->lines + len, sizeof(rig->lines) - len,
		    "%s %s%s after=%s %s%s%s%s: %s%s%s\n",
		    json_string(item, "id"), json_string(item, "type"),
		    json_string(item, "role"),
		    json_string(event, "previous_item_id"),
		    json_string(part, "type"), json_string(item, "call_id"),
		    cJSON_HasObjectItem(item, "name") ? " " : "",
		    json_string(item, "name"), json_string(part, "text"),
		    json_string(item, "arguments"),
		    json_string(item, "output"));
	cJSON_Delete(event);
	return 0;
}

static int
setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	rig->sends_left = 1000;
	journal_rig_open(&rig->past);
	*state = rig;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *rig = *state;

	realtime_history_free(&rig->rh);
	journal_rig_close(&rig->past);
	free(rig);
	return 0;
}

static int
replay(struct rig *rig)
{
	journal_rig_read(&rig->past);
	/* As a playout would say: it is being heard. */
	for (size_t i = 0; i < rig->past.h->count; i++)
		rig->past.h->items[i].total_ms = 2000;
	rig->lines[0] = '\0';
	return realtime_history_send(&rig->rh, rig->past.h, send_event, rig);
}

static void
expect(struct rig *rig, const char *lines)
{
	assert_string_equal(rig->lines, lines);
	rig->lines[0] = '\0';
}

static bool
hears(struct rig *rig, const char *text)
{
	struct realtime_event ev;
	bool taken;

	assert_int_equal(realtime_event_parse(&ev, text, strlen(text)), 0);
	taken = realtime_history_event(&rig->rh, &ev);
	realtime_event_free(&ev);
	return taken;
}

/* The service tells of an item: WHAT is "added" or "done". */
static bool
hears_item(struct rig *rig, const char *what, const char *id)
{
	char text[256];

	snprintf(text, sizeof(text),
	    "{\"type\":\"conversation.item.%s\",\"item\":{\"id\":\"%s\"}}",
	    what, id);
	return hears(rig, text);
}

static bool
hears_refusal(struct rig *rig, const char *event_id)
{
	char text[256];

	snprintf(text, sizeof(text),
	    "{\"type\":\"error\",\"error\":{\"type\":\"t\",\"code\":\"x\","
	    "\"message\":\"no\",\"event_id\":\"%s\"}}",
	    event_id);
	return hears(rig, text);
}

static void
each_kind_has_its_form(void **state)
{
	struct rig *rig = *state;

	add(&rig->past, JOURNAL_USER, "{\"id\":\"item_u\",\"text\":\"hola\"}");
	add(&rig->past, JOURNAL_SPEAKING,
	    "{\"id\":\"item_a\",\"tag\":\"answer\"}");
	add(&rig->past, JOURNAL_WORDS,
	    "{\"id\":\"item_a\",\"text\":\"dígame\"}");
	add(&rig->past, JOURNAL_DTMF, "{\"digits\":\"5\"}");
	add(&rig->past, JOURNAL_TOOL_CALL,
	    "{\"id\":\"call_1\",\"name\":\"n\",\"arguments\":\"{}\"}");
	add(&rig->past, JOURNAL_TOOL_RESULT,
	    "{\"id\":\"call_1\",\"status\":\"ok\",\"output\":\"bien\"}");
	assert_int_equal(replay(rig), 0);
	assert_string_equal(rig->lines,
	    "item_u messageuser after= input_text: hola\n"
	    "item_a messageassistant after= output_text: dígame\n"
	    "past_3 messageuser after= input_text: [El usuario marcó: 5]\n"
	    "past_5 function_call after= call_1 n: {}\n"
	    "past_7 function_call_output after= call_1: bien\n");
}

static void
what_the_caller_did_not_hear_is_not_told(void **state)
{
	struct rig *rig = *state;

	add(&rig->past, JOURNAL_SPEAKING, "{\"id\":\"a\",\"tag\":\"answer\"}");
	add(&rig->past, JOURNAL_SPEAKING, "{\"id\":\"b\",\"tag\":\"aside\"}");
	add(&rig->past, JOURNAL_ASIDE,
	    "{\"id\":\"b\",\"heard\":\"Sigo buscando\"}");
	add(&rig->past, JOURNAL_CALLER, "{\"speaks\":false,\"turn\":\"u\"}");
	assert_int_equal(replay(rig), 0);
	expect(rig, "");
	assert_int_equal(rig->rh.missing, 0);
}

static void
ids_that_the_service_would_refuse_are_replaced(void **state)
{
	struct rig *rig = *state;

	add(&rig->past, JOURNAL_USER,
	    "{\"id\":\"con espacio\",\"text\":\"uno\"}");
	add(&rig->past, JOURNAL_USER,
	    "{\"id\":\"item_012345678901234567890123456789\",\"text\":\"dos\"}");
	add(&rig->past, JOURNAL_USER, "{\"id\":\"past_6\",\"text\":\"tres\"}");
	add(&rig->past, JOURNAL_DTMF, "{\"digits\":\"1\"}");
	add(&rig->past, JOURNAL_DTMF, "{\"digits\":\"2\"}");
	assert_int_equal(replay(rig), 0);
	assert_int_equal(rig->rh.count, 5);
	for (size_t i = 0; i < rig->rh.count; i++) {
		assert_true(
		    strlen(rig->rh.items[i].id) <= REALTIME_HISTORY_ID_MAX);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(
			    rig->rh.items[i].id, rig->rh.items[k].id);
	}
}

static void
it_is_there_when_the_service_has_or_refuses_all_of_it(void **state)
{
	struct rig *rig = *state;

	add(&rig->past, JOURNAL_USER, "{\"id\":\"u1\",\"text\":\"uno\"}");
	add(&rig->past, JOURNAL_USER, "{\"id\":\"u2\",\"text\":\"dos\"}");
	assert_int_equal(replay(rig), 0);
	assert_int_equal(rig->rh.missing, 2);
	assert_true(hears_item(rig, "added", "u1"));
	assert_true(hears_item(rig, "done", "u1"));
	assert_false(hears_item(rig, "added", "other"));
	assert_false(hears_refusal(rig, "item-1"));
	assert_int_equal(rig->rh.missing, 1);
	assert_true(hears_refusal(rig, rig->last_event));
	assert_int_equal(rig->rh.missing, 0);
	assert_true(hears_refusal(rig, "history-99"));
	assert_true(hears_refusal(rig, rig->last_event));
	assert_int_equal(rig->rh.missing, 0);
}

static void
an_interrupted_one_is_replaced_by_what_was_heard(void **state)
{
	struct rig *rig = *state;

	add(&rig->past, JOURNAL_SPEAKING, "{\"id\":\"a\",\"tag\":\"answer\"}");
	add(&rig->past, JOURNAL_WORDS,
	    "{\"id\":\"a\",\"text\":\"uno dos tres\"}");
	add(&rig->past, JOURNAL_SPEAKING, "{\"id\":\"b\",\"tag\":\"answer\"}");
	add(&rig->past, JOURNAL_WORDS, "{\"id\":\"b\",\"text\":\"cuatro\"}");
	assert_int_equal(replay(rig), 0);
	rig->lines[0] = '\0';
	assert_true(
	    realtime_history_interrupted(&rig->rh, "a", 1300, send_event, rig));
	expect(rig, "heard_3 messageassistant after=a output_text: uno dos\n"
		    "conversation.item.delete a\n");
	/* Nothing was heard of it: nothing takes its place. */
	assert_true(
	    realtime_history_interrupted(&rig->rh, "b", 0, send_event, rig));
	expect(rig, "conversation.item.delete b\n");
	assert_false(
	    realtime_history_interrupted(&rig->rh, "a", 1300, send_event, rig));
	assert_false(realtime_history_interrupted(
	    &rig->rh, "new", 100, send_event, rig));
	expect(rig, "");
}

static void
a_full_socket_is_told(void **state)
{
	struct rig *rig = *state;

	add(&rig->past, JOURNAL_USER, "{\"id\":\"u1\",\"text\":\"uno\"}");
	add(&rig->past, JOURNAL_USER, "{\"id\":\"u2\",\"text\":\"dos\"}");
	rig->sends_left = 1;
	assert_int_equal(replay(rig), -ENOBUFS);
}

static void
no_history_is_nothing_to_wait_for(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(replay(rig), 0);
	assert_int_equal(rig->rh.missing, 0);
	assert_false(hears_item(rig, "added", "x"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(each_kind_has_its_form),
	    T(what_the_caller_did_not_hear_is_not_told),
	    T(ids_that_the_service_would_refuse_are_replaced),
	    T(it_is_there_when_the_service_has_or_refuses_all_of_it),
	    T(an_interrupted_one_is_replaced_by_what_was_heard),
	    T(a_full_socket_is_told),
	    T(no_history_is_nothing_to_wait_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
