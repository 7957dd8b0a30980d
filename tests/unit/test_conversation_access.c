/* SPDX-License-Identifier: MIT */
/*
 * test_conversation_access.c – secret digits and requests that must be
 * confirmed, against a voice that is a list.
 */
#include "tests/unit/conversation_world.h"

static const char brief_text[] =
    "{\"instructions\":\"x\",\"greeting\":\"Hola\",\"silent_caller_s\":300,"
    "\"layers\":{\"sound_after_ms\":2500,\"progress_after_ms\":8000,"
    "\"progress_every_ms\":15000},"
    "\"phrases\":{\"tool_wait\":\"Un momento\"},\"tools\":["
    "{\"name\":\"clave\",\"action\":\"staff_pin\",\"deadline_ms\":60000},"
    "{\"name\":\"reiniciar\",\"confirm\":true,\"deadline_ms\":60000,"
    "\"parameters\":{\"type\":\"object\",\"properties\":{\"r\":{\"type\":"
    "\"string\"},\"confirmation\":{\"type\":\"string\"}},"
    "\"additionalProperties\":false}}]}";

static int
set_up(void **state)
{
	*state = world_conversing(brief_text);
	return 0;
}

static int
set_up_running(void **state)
{
	struct fake_world *w;

	set_up(state);
	w = *state;
	V.on_configured(w->c);
	conversation_media_up(w->c);
	w->lines[0] = '\0';
	return 0;
}

/* The caller makes sound: whether the voice hears it. */
static bool
is_heard(struct fake_world *w)
{
	uint8_t frame[160];
	unsigned silent = w->silent_frames;

	memset(frame, 0x55, sizeof(frame));
	conversation_uplink(w->c, frame, sizeof(frame));
	return w->silent_frames == silent;
}

static void
the_voice_hears_silence_while_digits_are_secret(void **state)
{
	struct fake_world *w = *state;

	assert_true(is_heard(w));
	V.on_tool_call("a", "clave", "{}", w->c);
	conversation_secret_begin(w->c, "Marque su clave");
	assert_non_null(strstr(w->lines, "Marque su clave"));
	w->lines[0] = '\0';
	for (int s = 0; s < 30; s++) {
		assert_false(is_heard(w));
		fake_pass(w, 1000);
	}
	/* Nor is anything said or hummed into the dialling. */
	assert_string_equal(w->lines, "");
	conversation_secret_end(w->c);
	fake_pass(w, CONVERSATION_TAIL_MS - 20);
	assert_false(is_heard(w));
	fake_pass(w, 40);
	assert_true(is_heard(w));
}

static void
a_voice_that_is_not_configured_yet_hears_silence_too(void **state)
{
	struct fake_world *w = *state;

	conversation_secret_begin(w->c, "Marque su clave");
	assert_false(is_heard(w));
	V.on_configured(w->c);
	conversation_media_up(w->c);
	assert_false(is_heard(w));
	conversation_secret_end(w->c);
	fake_pass(w, CONVERSATION_TAIL_MS + 20);
	assert_true(is_heard(w));
}

static void
what_was_dialled_too_early_is_forgotten(void **state)
{
	struct fake_world *w = *state;

	conversation_dtmf(w->c, '4');
	conversation_dtmf(w->c, '8');
	conversation_secret_begin(w->c, "");
	w->lines[0] = '\0';
	fake_pass(w, 500);
	conversation_secret_end(w->c);
	fake_pass(w, 3000);
	assert_null(strstr(w->lines, "4"));
	assert_null(strstr(w->lines, "dtmf"));
}

static void
a_supervisor_that_never_says_the_end_does_not_make_deaf(void **state)
{
	struct fake_world *w = *state;

	V.on_tool_call("a", "clave", "{}", w->c);
	conversation_secret_begin(w->c, "");
	fake_pass(w, 20000);
	assert_false(is_heard(w));
	conversation_tool_result(w->c, "a", TOOL_STATUS_LOST, "Perdido.");
	fake_pass(w, 2000);
	assert_true(is_heard(w));
}

/* -- what must be confirmed --------------------------------------------------- */

/* The token in the last answer. */
static const char *
token_of(const struct fake_world *w)
{
	static const char mark[] = "\\\"confirmation\\\": \\\"";
	static char token[33];
	const char *found = w->lines, *next;

	while ((next = strstr(found, mark)) != NULL)
		found = next + strlen(mark);
	snprintf(token, sizeof(token), "%.32s", found);
	return token;
}

static void
request(struct fake_world *w, const char *id, const char *r, const char *token)
{
	char arguments[128];

	if (token == NULL)
		snprintf(arguments, sizeof(arguments), "{\"r\":\"%s\"}", r);
	else
		snprintf(arguments, sizeof(arguments),
		    "{\"r\":\"%s\",\"confirmation\":\"%s\"}", r, token);
	V.on_tool_call(id, "reiniciar", arguments, w->c);
}

static bool
has_run(const struct fake_world *w)
{
	return strncmp(w->lines, "request ", 8) == 0 ||
	       strstr(w->lines, "\nrequest ") != NULL;
}

static void
nothing_runs_before_the_caller_has_answered(void **state)
{
	struct fake_world *w = *state;
	char token[33];

	request(w, "1", "a", NULL);
	memcpy(token, token_of(w), sizeof(token));
	request(w, "2", "a", token); /* in the same breath */
	caller_speaks(w, 500);       /* about something else */
	request(w, "3", "a", token);
	say(w, "u1", CONVERSATION_TAG_ANSWER, 1500);
	fake_pass(w, 1600);
	request(w, "4", "a", token); /* read back, but not answered */
	assert_false(has_run(w));
	caller_speaks(w, 500);
	request(w, "5", "a", token);
	assert_non_null(strstr(w->lines, "request 5 reiniciar {\"r\":\"a\"}"));
	w->lines[0] = '\0';
	request(w, "6", "a", token);
	assert_false(has_run(w));
}

static void
a_caller_who_interrupts_has_heard_enough_or_not(void **state)
{
	struct fake_world *w = *state;
	char token[33];

	request(w, "1", "a", NULL);
	memcpy(token, token_of(w), sizeof(token));
	say(w, "u1", CONVERSATION_TAG_ANSWER, 2000);
	fake_pass(w, 400);
	caller_speaks(w, 500);
	request(w, "2", "a", token);
	assert_false(has_run(w));
	say(w, "u2", CONVERSATION_TAG_ANSWER, 2000);
	fake_pass(w, 1200);
	caller_speaks(w, 500);
	request(w, "3", "a", token);
	assert_true(has_run(w));
}

static void
keys_are_an_answer_too(void **state)
{
	struct fake_world *w = *state;
	char token[33];

	request(w, "1", "a", NULL);
	memcpy(token, token_of(w), sizeof(token));
	say(w, "u1", CONVERSATION_TAG_ANSWER, 1500);
	fake_pass(w, 1600);
	conversation_dtmf(w->c, '1');
	conversation_dtmf(w->c, '#');
	fake_pass(w, 200);
	request(w, "2", "a", token);
	assert_true(has_run(w));
}

static void
words_from_before_the_request_read_nothing_back(void **state)
{
	struct fake_world *w = *state;
	char token[33];

	say(w, "u1", CONVERSATION_TAG_ANSWER, 2000);
	request(w, "1", "a", NULL); /* in the same response */
	memcpy(token, token_of(w), sizeof(token));
	fake_pass(w, 2100);
	caller_speaks(w, 500);
	request(w, "2", "a", token);
	assert_false(has_run(w));
}

int
main(void)
{
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, set_up_running, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(the_voice_hears_silence_while_digits_are_secret),
	    cmocka_unit_test_setup_teardown(
		a_voice_that_is_not_configured_yet_hears_silence_too, set_up,
		tear_down),
	    TEST(what_was_dialled_too_early_is_forgotten),
	    TEST(a_supervisor_that_never_says_the_end_does_not_make_deaf),
	    TEST(nothing_runs_before_the_caller_has_answered),
	    TEST(a_caller_who_interrupts_has_heard_enough_or_not),
	    TEST(keys_are_an_answer_too),
	    TEST(words_from_before_the_request_read_nothing_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
