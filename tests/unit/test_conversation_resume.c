/* SPDX-License-Identifier: MIT */
/*
 * test_conversation_resume.c – a conversation that goes on in another process,
 * after a crash.
 */
#include "tests/unit/resume_world.h"

/* ---- another process ----------------------------------------------------- */

static void
nobody_is_greeted_again(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	crash(w);
	expect(w, "start\npast voice g Hola\n");
	V.on_configured(w->c);
	fake_pass(w, SECONDS(5));
	expect(w, "ready\n");
}

static void
who_heard_no_word_is_greeted(void **state)
{
	struct fake_world *w = *state;

	V.on_configured(w->c);
	crash(w);
	w->lines[0] = '\0';
	V.on_configured(w->c);
	expect(w, "ready\nsay 1 Hola\n");
}

static void
a_queued_sentence_is_heard_to_its_end_and_recorded(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	turn(w, "u1", "cuente");
	say_words(w, "a1", CONVERSATION_TAG_ANSWER, UNO, 2000);
	end(w, "a1", CONVERSATION_TAG_ANSWER, UNO);
	fake_pass(w, 500);
	crash(w);
	expect(w, "start\npast voice g Hola\npast caller u1 cuente\n"
		  "past voice a1 " UNO "\n");
	V.on_configured(w->c);
	fake_pass(w, SECONDS(3));
	expect(w, "ready\nrecord heard {\"id\":\"a1\",\"heard_ms\":2000,"
		  "\"total_ms\":2000,\"interrupted\":false,\"heard\":\"" UNO
		  "\",\"unheard\":\"\"}\n");
}

static void
what_is_queued_can_be_interrupted(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	turn(w, "u1", "cuente");
	say_words(w, "a1", CONVERSATION_TAG_ANSWER, UNO, 2000);
	end(w, "a1", CONVERSATION_TAG_ANSWER, UNO);
	fake_pass(w, 500);
	crash_and_go_on(w);
	fake_pass(w, 500);
	V.on_caller_started(0, w->c);
	expect(w, "interrupted a1 1000\nrecord heard {\"id\":\"a1\","
		  "\"heard_ms\":1000,\"total_ms\":2000,\"interrupted\":true,"
		  "\"heard\":\"uno dos tres cuatro\",\"unheard\":\" cinco seis "
		  "siete ocho\"}\n");
	assert_int_equal(fake_remaining_ms(w), 0);
}

static void
what_was_cut_and_not_recorded_is_recorded(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	turn(w, "u1", "cuente");
	say_words(w, "a1", CONVERSATION_TAG_ANSWER, UNO, 2000);
	end(w, "a1", CONVERSATION_TAG_ANSWER, UNO);
	fake_pass(w, 1000);
	assert_string_equal(w->played[1].id, "a1");
	w->played[1].cancelled = true; /* and then it died */
	crash(w);
	expect(w, "start\npast voice g Hola\npast caller u1 cuente\n"
		  "past voice a1 uno dos tres cuatro\nrecord heard {\"id\":"
		  "\"a1\",\"heard_ms\":1000,\"total_ms\":1000,"
		  "\"interrupted\":true,\"heard\":\"uno dos tres cuatro\","
		  "\"unheard\":\"\"}\n");
}

static void
half_a_sentence_is_heard_and_then_finished(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	turn(w, "u1", "cuente");
	say_words(w, "a1", CONVERSATION_TAG_ANSWER, "uno dos tres", 1000);
	fake_pass(w, 200);
	crash(w);
	w->lines[0] = '\0';
	V.on_configured(w->c);
	expect(w, "ready\n");
	fake_pass(w, 300);
	expect_nothing(w); /* there is enough to be heard yet */
	fake_pass(w, 200);
	expect(w, "text [Su última frase se cortó y el usuario la oyó solo "
		  "hasta aquí: «uno dos tres». Continúe desde esa palabra, "
		  "sin saludar, sin repetir y sin mencionar el corte.]\n"
		  "nudge\n");
	fake_pass(w, 500);
	assert_non_null(strstr(w->lines, "\"heard\":\"uno dos tres\""));
}

static void
a_caller_who_goes_on_speaking_needs_no_rest(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	turn(w, "u1", "cuente");
	say_words(w, "a1", CONVERSATION_TAG_ANSWER, "uno dos tres", 1000);
	crash_and_go_on(w);
	V.on_caller_started(0, w->c);
	w->lines[0] = '\0';
	fake_pass(w, SECONDS(4));
	expect_nothing(w);
	/* Nor does who dials. */
	V.on_caller_stopped(w->c);
	say_words(w, "a2", CONVERSATION_TAG_ANSWER, "cuatro", 1000);
	crash_and_go_on(w);
	conversation_dtmf(w->c, '5');
	w->lines[0] = '\0';
	fake_pass(w, SECONDS(3));
	assert_null(strstr(w->lines, "Continúe"));
	assert_non_null(strstr(w->lines, "text [El usuario marcó: 5]\nprompt"));
}

static void
a_turn_without_an_answer_is_answered(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	turn(w, "u1", "¿hola?");
	crash_and_go_on(w);
	fake_pass(w, 100);
	expect(w, "nudge\n");
}

static void
a_turn_that_is_remembered_is_sent_instead(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	turn(w, "u1", "¿hola?");
	w->remembers = true;
	crash(w);
	expect(w, "start\npast voice g Hola\n");
	assert_int_equal(w->turns_sent, 1);
	V.on_configured(w->c);
	fake_pass(w, SECONDS(2));
	expect(w, "ready\n"); /* the service answers it by itself */
	fake_pass(w, SECONDS(5));
	expect(w, "nudge\n"); /* … or does not */
}

/* The memory of a long turn has its end only: the rest is told in words. */
static void
of_a_long_turn_what_is_not_remembered_is_told(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	turn(w, "u1", "mi número es el uno dos tres");
	/* The journal's clock is the real one: two of its milliseconds. */
	for (uint64_t then_ms = clock_now_ms(); clock_now_ms() == then_ms;)
		;
	w->remembers_from_ms = clock_now_ms();
	turn(w, "u2", "y mi nombre");
	w->remembers = true;
	crash(w);
	expect(w, "start\npast voice g Hola\n"
		  "past caller u1 mi número es el uno dos tres\n");
	assert_int_equal(w->turns_sent, 1);
	/* A third one is told the same, and what the second one heard. */
	V.on_configured(w->c);
	turn(w, "v2", "y mi nombre");
	w->remembers = false;
	crash(w);
	expect(w, "start\npast voice g Hola\n"
		  "past caller u1 mi número es el uno dos tres\n"
		  "past caller v2 y mi nombre\n");
}

/* One voice heard the caller begin, the next one heard nothing of it. */
static void
noise_leaves_no_turn_behind(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	V.on_caller_started(0, w->c);
	w->remembers = true;
	crash_and_go_on(w);
	assert_int_equal(w->turns_sent, 1);
	fake_pass(w, SECONDS(7));
	expect(w, "nudge\n");
	say_words(w, "a1", CONVERSATION_TAG_ANSWER, "uno dos tres", 2000);
	fake_pass(w, 1000);
	/* A third one is told what it broke off, and waits for no caller. */
	w->remembers = false;
	crash_and_go_on(w);
	assert_int_equal(w->turns_sent, 1);
	fake_pass(w, SECONDS(1));
	assert_non_null(strstr(w->lines, "«uno dos tres»"));
}

static void
words_that_nobody_knows_are_asked_for_again(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	turn(w, "u1", "");
	crash_and_go_on(w);
	fake_pass(w, 100);
	expect(w, "text [No se oyó bien lo último que dijo el usuario. Pídale "
		  "en una frase que lo repita, sin saludar.]\nnudge\n");
}

/* A full journal does not know of the turn, the caller's memory does. */
static void
what_a_full_journal_lacks_is_sent_and_not_asked_for(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	while (journal_append(w->journal, JOURNAL_SESSION, "{}", 2) == 0)
		;
	turn(w, "u1", "¿hola?");
	w->remembers = true;
	crash_and_go_on(w);
	assert_int_equal(w->turns_sent, 1);
	fake_pass(w, SECONDS(2));
	expect_nothing(w);
}

static void
who_speaks_while_it_happens_is_let_finish(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	V.on_caller_started(0, w->c);
	crash_and_go_on(w);
	fake_pass(w, CONVERSATION_REPEAT_MS - 300);
	expect_nothing(w);
	V.on_caller_started(0, w->c);
	V.on_caller_stopped(w->c);
	fake_pass(w, SECONDS(4));
	assert_null(strstr(w->lines, "text"));
	assert_null(strstr(w->lines, "nudge"));
}

static void
who_fell_silent_while_it_happened_is_asked(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	V.on_caller_started(0, w->c);
	crash_and_go_on(w);
	fake_pass(w, CONVERSATION_REPEAT_MS + 200);
	assert_non_null(strstr(w->lines, "Pídale"));
}

/* ---- tools ---------------------------------------------------------------- */

static void
a_tool_that_runs_is_asked_for_again_with_its_id(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	turn(w, "u1", "¿señal?");
	V.on_tool_call("c1", "consultar", "{\"q\":1}", w->c);
	crash(w);
	expect(w, "start\npast voice g Hola\npast caller u1 ¿señal?\n"
		  "past call c1 {\"q\":1}\n");
	fake_pass(w, 100); /* not before the new voice is there only */
	expect(w, "request c1 consultar {\"q\":1}\n");
	V.on_configured(w->c);
	conversation_tool_result(w->c, "c1", TOOL_STATUS_OK, "bien");
	assert_non_null(strstr(w->lines, "answer c1"));
	fake_pass(w, SECONDS(1));
	assert_non_null(strstr(w->lines, "prompt"));
	conversation_tool_result(w->c, "c1", TOOL_STATUS_OK, "bien");
	assert_null(strstr(strstr(w->lines, "answer c1") + 1, "answer c1"));
}

static void
its_deadline_is_what_is_left_of_it(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	V.on_tool_call("c1", "consultar", "{}", w->c);
	/* The journal has the real clock, which the test is ahead of. */
	fake_now_ms = clock_now_ms() / 100 * 100 + SECONDS(50);
	crash_and_go_on(w);
	fake_pass(w, SECONDS(19));
	assert_null(strstr(w->lines, "answer c1"));
	fake_pass(w, SECONDS(2));
	assert_non_null(strstr(w->lines, "answer c1 {\"status\":\"timeout\""));
}

static void
a_call_that_was_not_passed_on_is_not_run(void **state)
{
	static const char call[] =
	    "{\"id\":\"c1\",\"name\":\"consultar\",\"arguments\":\"{}\"}";
	struct fake_world *w = *state;

	greet(w);
	assert_int_equal(
	    journal_append(w->journal, JOURNAL_TOOL_CALL, call, strlen(call)),
	    0);
	crash_and_go_on(w);
	fake_pass(w, 200);
	expect(w, "answer c1 " NOT_MADE "nudge\n");
}

static void
a_result_that_was_not_spoken_is_spoken_of(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	V.on_tool_call("c1", "consultar", "{}", w->c);
	conversation_tool_result(w->c, "c1", TOOL_STATUS_OK, "bien");
	crash(w);
	assert_non_null(strstr(w->lines, "past output c1 {\"status\":\"ok\""));
	w->lines[0] = '\0';
	V.on_configured(w->c);
	fake_pass(w, 200);
	expect(w, "ready\nnudge\n");
}

static void
a_person_who_is_called_is_called_on(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	conversation_dtmf(w->c, '0');
	fake_pass(w, SECONDS(3));
	crash_and_go_on(w);
	fake_pass(w, 100);
	assert_non_null(strstr(w->lines, "person person-1 key 0\n"));
	w->lines[0] = '\0';
	conversation_tool_result(w->c, "person-1", TOOL_STATUS_BUSY, "Ocupada");
	assert_non_null(strstr(w->lines, "text [Sobre la persona"));
	/* Another wish has another number. */
	conversation_dtmf(w->c, '0');
	fake_pass(w, SECONDS(3));
	assert_non_null(strstr(w->lines, "person person-2 key 0\n"));
}

/* ---- the end --------------------------------------------------------------- */

static void
a_goodbye_that_was_due_is_said(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	crash_leaving(w, "limit");
	w->lines[0] = '\0';
	fake_pass(w, 500);
	expect_nothing(w); /* not before there is a voice */
	V.on_configured(w->c);
	fake_pass(w, 100);
	expect(w, "ready\nstop\nsay 5 Adiós límite\n");
	say_words(w, "f", CONVERSATION_TAG_FAREWELL, "Adiós límite", 500);
	end(w, "f", CONVERSATION_TAG_FAREWELL, "Adiós límite");
	fake_pass(w, 500 + CONVERSATION_LINGER_MS + 200);
	assert_non_null(strstr(w->lines, "hang up limit\n"));
}

static void
a_goodbye_that_is_queued_is_heard_and_is_the_end(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	conversation_leave(w->c, "silent");
	say_words(w, "f", CONVERSATION_TAG_FAREWELL, "Adiós callado", 1000);
	end(w, "f", CONVERSATION_TAG_FAREWELL, "Adiós callado");
	fake_pass(w, 300);
	crash(w); /* who leaves of its own accord has told nobody */
	w->lines[0] = '\0';
	fake_pass(w, 600);
	assert_null(strstr(w->lines, "hang up"));
	fake_pass(w, SECONDS(1));
	assert_non_null(strstr(w->lines, "hang up silent\n"));
	assert_null(strstr(w->lines, "say"));
}

static void
a_voice_that_was_hanging_up_hangs_up(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	turn(w, "u1", "adiós");
	say_words(w, "a1", CONVERSATION_TAG_ANSWER, "Hasta luego", 1000);
	end(w, "a1", CONVERSATION_TAG_ANSWER, "Hasta luego");
	V.on_tool_call("h1", "colgar", "{}", w->c);
	crash_and_go_on(w);
	fake_pass(w, 900);
	expect_nothing(w);
	fake_pass(w, SECONDS(1));
	assert_non_null(strstr(w->lines, "hang up voice\n"));
	assert_null(strstr(w->lines, "say"));
}

static void
a_silent_caller_is_not_given_more_time(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	fake_now_ms = clock_now_ms() / 100 * 100 + SECONDS(20);
	crash_and_go_on(w);
	fake_pass(w, SECONDS(9));
	expect_nothing(w);
	fake_pass(w, SECONDS(2));
	expect(w, "say 2 ¿Sigue ahí?\n");
}

/* ---- secret digits ------------------------------------------------------------ */

static bool
hears(struct fake_world *w)
{
	static const uint8_t frame[160];
	unsigned silent = w->silent_frames;

	conversation_uplink(w->c, frame, sizeof(frame));
	return w->silent_frames == silent;
}

static void
a_successor_is_deaf_from_its_first_frame(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	assert_true(hears(w));
	crash_in(w, "", true);
	assert_false(hears(w));
	conversation_secret_begin(w->c, "");
	conversation_secret_end(w->c);
	assert_false(hears(w));
	fake_pass(w, CONVERSATION_TAIL_MS + 100);
	assert_true(hears(w));
}

/* The last digit, or its end, may wait in the socket. */
static void
what_waits_since_the_last_digit_is_not_heard(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	fake_now_ms = clock_now_ms() + 100;
	conversation_secret_begin(w->c, "");
	conversation_secret_end(w->c);
	fake_now_ms += CONVERSATION_TAIL_MS + 100;
	assert_true(hears(w));
	crash(w);
	assert_false(hears(w));
	fake_now_ms += CONVERSATION_TAIL_MS + CONVERSATION_WAITED_MS;
	assert_true(hears(w));
	crash(w);
	assert_true(hears(w));
}

static void
digits_that_end_while_nobody_is_there_are_not_heard(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	conversation_secret_begin(w->c, "");
	crash(w); /* the supervisor says that they are over */
	assert_false(hears(w));
	fake_pass(w, CONVERSATION_TAIL_MS + 100);
	assert_true(hears(w));
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(nobody_is_greeted_again),
	    T(who_heard_no_word_is_greeted),
	    T(a_queued_sentence_is_heard_to_its_end_and_recorded),
	    T(what_is_queued_can_be_interrupted),
	    T(what_was_cut_and_not_recorded_is_recorded),
	    T(half_a_sentence_is_heard_and_then_finished),
	    T(a_caller_who_goes_on_speaking_needs_no_rest),
	    T(a_turn_without_an_answer_is_answered),
	    T(a_turn_that_is_remembered_is_sent_instead),
	    T(of_a_long_turn_what_is_not_remembered_is_told),
	    T(noise_leaves_no_turn_behind),
	    T(words_that_nobody_knows_are_asked_for_again),
	    T(what_a_full_journal_lacks_is_sent_and_not_asked_for),
	    T(who_speaks_while_it_happens_is_let_finish),
	    T(who_fell_silent_while_it_happened_is_asked),
	    T(a_tool_that_runs_is_asked_for_again_with_its_id),
	    T(its_deadline_is_what_is_left_of_it),
	    T(a_call_that_was_not_passed_on_is_not_run),
	    T(a_result_that_was_not_spoken_is_spoken_of),
	    T(a_person_who_is_called_is_called_on),
	    T(a_goodbye_that_was_due_is_said),
	    T(a_goodbye_that_is_queued_is_heard_and_is_the_end),
	    T(a_voice_that_was_hanging_up_hangs_up),
	    T(a_silent_caller_is_not_given_more_time),
	    T(a_successor_is_deaf_from_its_first_frame),
	    T(what_waits_since_the_last_digit_is_not_heard),
	    T(digits_that_end_while_nobody_is_there_are_not_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
