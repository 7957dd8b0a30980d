/* SPDX-License-Identifier: MIT */
/*
 * test_conversation_control.c – hanging up and withdrawing, against a voice
 * that is a list.
 */
#include "tests/unit/control_world.h"

/* ---- hanging up -------------------------------------------------------- */

static void
the_call_ends_when_the_goodbye_of_the_voice_was_heard(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, "Gracias, eso es todo.");
	say(w, "bye", CONVERSATION_TAG_ANSWER, 2000);
	V.on_tool_call("h1", "colgar", "{}", w->c);
	expect_nothing(w);
	fake_pass(w, 1980);
	expect_nothing(w);
	fake_pass(w, 20);
	assert_non_null(strstr(w->lines, "\"heard_ms\":2000"));
	forget(w);
	fake_pass(w, CONVERSATION_LINGER_MS - 100);
	expect_nothing(w); /* its end is under way */
	fake_pass(w, 200);
	expect(w, DONE("h1", "The call is over.") "hang up voice\n");
	fake_pass(w, SECONDS(20));
	expect_nothing(w);
}

static void
a_voice_that_hangs_up_without_a_word_says_goodbye(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, "Chao.");
	V.on_tool_call("h1", "colgar", "{}", w->c);
	expect(w, "say 5 Adiós\n");
	w->busy = true;
	fake_pass(w, 2000);
	expect_nothing(w); /* it is being prepared */
	say(w, "bye", CONVERSATION_TAG_FAREWELL, 1000);
	w->busy = false;
	fake_pass(w, 1000);
	forget(w);
	fake_pass(w, CONVERSATION_LINGER_MS + 100);
	expect(w, DONE("h1", "The call is over.") "hang up voice\n");
}

static void
words_that_are_still_being_made_are_waited_for(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, "Chao.");
	say(w, "bye", CONVERSATION_TAG_ANSWER, 100);
	w->busy = true;
	V.on_tool_call("h1", "colgar", "{}", w->c);
	fake_pass(w, SECONDS(3));
	say(w, "more", CONVERSATION_TAG_ANSWER, 5000);
	fake_pass(w, SECONDS(4));
	assert_null(strstr(w->lines, "hang up"));
	w->busy = false;
	fake_pass(w, SECONDS(2));
	assert_non_null(strstr(w->lines, "hang up voice\n"));
}

static void
a_goodbye_that_never_comes_does_not_keep_the_call(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, "Chao.");
	V.on_tool_call("h1", "colgar", "{}", w->c);
	forget(w);
	w->busy = true; /* for ever */
	fake_pass(w, CONVERSATION_QUIET_MS - 200);
	expect_nothing(w);
	fake_pass(w, 400);
	assert_non_null(strstr(w->lines, "hang up voice\n"));
}

static void
nor_does_an_answer_that_fails_then(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, "Gracias, chao.");
	say(w, "bye", CONVERSATION_TAG_ANSWER, 1000);
	V.on_tool_call("h1", "colgar", "{}", w->c);
	forget(w);
	V.on_fault(VOICE_FAULT_SERVER, "overloaded", false, w->c);
	fake_pass(w, SECONDS(2));
	assert_null(strstr(w->lines, "say"));
	assert_non_null(strstr(w->lines, "hang up voice\n"));
}

static void
a_caller_who_speaks_during_the_goodbye_keeps_the_call(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, "Gracias.");
	say(w, "bye", CONVERSATION_TAG_ANSWER, 2000);
	V.on_tool_call("h1", "colgar", "{}", w->c);
	fake_pass(w, 1000);
	V.on_caller_started(80, w->c);
	assert_memory_equal(w->lines, GOES_ON("h1"), sizeof(GOES_ON("h1")) - 1);
	assert_non_null(strstr(w->lines, "interrupted bye 1000\n"));
	forget(w);
	fake_pass(w, SECONDS(2));
	V.on_caller_stopped(w->c);
	say(w, "yes", CONVERSATION_TAG_ANSWER, 1000);
	fake_pass(w, SECONDS(20));
	assert_null(strstr(w->lines, "hang up"));
	/* It may hang up another time. */
	V.on_tool_call("h2", "colgar", "{}", w->c);
	fake_pass(w, SECONDS(1));
	assert_non_null(strstr(w->lines, "hang up voice\n"));
}

static void
a_goodbye_that_comes_after_that_is_not_heard(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, "Chao.");
	V.on_tool_call("h1", "colgar", "{}", w->c);
	expect(w, "say 5 Adiós\n");
	says(w, "Ah, espere."); /* while it is being made */
	forget(w);
	say(w, "bye", CONVERSATION_TAG_FAREWELL, 1000);
	assert_non_null(strstr(w->lines, "interrupted bye 0\n"));
	assert_int_equal(fake_remaining_ms(w), 0);
	fake_pass(w, SECONDS(2));
	assert_null(strstr(w->lines, "hang up"));
}

static void
even_in_the_last_moment_and_with_a_digit(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	say(w, "bye", CONVERSATION_TAG_ANSWER, 1000);
	V.on_tool_call("h1", "colgar", "{}", w->c);
	fake_pass(w, 1000 + CONVERSATION_LINGER_MS - 100);
	forget(w);
	conversation_dtmf(w->c, '5');
	expect(w, GOES_ON("h1") "stop\n");
	fake_pass(w, SECONDS(5));
	expect(w, "record dtmf {\"digits\":\"5\"}\n"
		  "text [El usuario marcó: 5]\nprompt\n");
}

static void
a_caller_who_speaks_already_is_not_hung_up_on(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	V.on_caller_started(80, w->c);
	V.on_tool_call("h1", "colgar", "{}", w->c);
	expect(w, ANSWERED("h1", "The caller acts again: the call goes on."));
	V.on_caller_stopped(w->c);
	say(w, "u1", CONVERSATION_TAG_ANSWER, 100);
	conversation_dtmf(w->c, '5');
	forget(w);
	V.on_tool_call("h2", "colgar", "{}", w->c);
	expect(w, ANSWERED("h2", "The caller acts again: the call goes on."));
}

static void
a_result_that_was_not_told_keeps_the_call(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, "¿Cómo está mi señal?");
	say(w, "u1", CONVERSATION_TAG_ANSWER, 1000);
	V.on_tool_call("c1", "consultar", "{}", w->c);
	conversation_tool_result(w->c, "c1", TOOL_STATUS_OK, "bien");
	forget(w);
	V.on_tool_call("h1", "colgar", "{}", w->c);
	/* The voice learns it before it is asked to go on. */
	expect(w, ANSWERED("h1", "An answer has arrived that the caller has "
				 "not heard. Tell it, then end the call."));
	fake_pass(w, SECONDS(5));
	assert_non_null(strstr(w->lines, "prompt\n"));
	assert_null(strstr(w->lines, "hang up"));
}

static void
a_result_that_the_voice_knew_does_not(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	V.on_tool_call("c1", "consultar", "{}", w->c);
	V.on_caller_started(80, w->c);
	conversation_tool_result(w->c, "c1", TOOL_STATUS_OK, "bien");
	V.on_caller_stopped(w->c);
	w->prompt_vain = true; /* it has spoken about it by itself */
	say(w, "u1", CONVERSATION_TAG_ANSWER, 1000);
	V.on_tool_call("h1", "colgar", "{}", w->c);
	fake_pass(w, SECONDS(2));
	assert_non_null(strstr(w->lines, "hang up voice\n"));
}

static void
nothing_is_said_of_a_query_after_the_goodbye(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, "Déjelo así, chao.");
	V.on_tool_call("c1", "consultar", "{}", w->c);
	say(w, "bye", CONVERSATION_TAG_ANSWER, 2000);
	V.on_tool_call("h1", "colgar", "{}", w->c);
	forget(w);
	conversation_tool_result(w->c, "c1", TOOL_STATUS_OK, "bien");
	fake_pass(w, 1900);
	assert_null(strstr(w->lines, "prompt"));
	fake_pass(w, 1000);
	assert_null(strstr(w->lines, "prompt"));
	assert_non_null(strstr(w->lines, "hang up voice\n"));
}

static void
the_result_is_told_if_the_call_goes_on(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	V.on_tool_call("c1", "consultar", "{}", w->c);
	say(w, "bye", CONVERSATION_TAG_ANSWER, 2000);
	V.on_tool_call("h1", "colgar", "{}", w->c);
	conversation_tool_result(w->c, "c1", TOOL_STATUS_OK, "bien");
	says(w, "No, espere.");
	forget(w);
	fake_pass(w, 200);
	expect(w, "prompt\n");
}

static void
a_second_hang_up_is_answered_too(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	say(w, "bye", CONVERSATION_TAG_ANSWER, 2000);
	V.on_tool_call("h1", "colgar", "{}", w->c);
	V.on_tool_call("h1", "colgar", "{}", w->c);
	V.on_tool_call("h2", "colgar", "{}", w->c);
	expect(w, ANSWERED("h2", "The call is being ended."));
}

static void
the_limit_does_not_say_goodbye_twice(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, "Chao.");
	V.on_tool_call("h1", "colgar", "{}", w->c);
	expect(w, "say 5 Adiós\n");
	w->busy = true;
	conversation_leave(w->c, "limit");
	fake_pass(w, SECONDS(4));
	say(w, "bye", CONVERSATION_TAG_FAREWELL, 1000);
	w->busy = false;
	fake_pass(w, 1000);
	assert_null(strstr(w->lines, "límite"));
	assert_null(strstr(w->lines, "hang up"));
	fake_pass(w, CONVERSATION_LINGER_MS + 200);
	assert_non_null(strstr(w->lines, "hang up limit\n"));
}

static void
a_voice_lost_after_its_goodbye_ends_the_call_all_the_same(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	say(w, "bye", CONVERSATION_TAG_ANSWER, 1000);
	V.on_tool_call("h1", "colgar", "{}", w->c);
	V.on_fault(VOICE_FAULT_NETWORK, "gone", true, w->c);
	forget(w);
	fake_pass(w, SECONDS(2));
	assert_non_null(strstr(w->lines, "hang up voice\n"));
	assert_null(strstr(w->lines, "voice lost"));
}

static void
a_persona_without_goodbye_is_silent_and_hangs_up(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, "Chao.");
	V.on_tool_call("h1", "colgar", "{}", w->c);
	fake_pass(w, CONVERSATION_LINGER_MS + 100);
	expect(w, DONE("h1", "The call is over.") "hang up voice\n");
}

/* ---- withdrawing -------------------------------------------------------- */

static void
what_the_caller_withdraws_is_never_spoken_of(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	V.on_tool_call("c1", "consultar", "{}", w->c);
	V.on_tool_call("c2", "otra", "{}", w->c);
	says(w, "Déjelo así.");
	say(w, "u1", CONVERSATION_TAG_ANSWER, 100);
	fake_pass(w, 200);
	forget(w);
	V.on_tool_call("x1", "cancelar", "{}", w->c);
	expect(w, WITHDRAWN("c2") WITHDRAWN("c1") DONE("x1",
		      "Withdrawn: otra, consultar. Do not speak of it, nor "
		      "of a result of it that the caller has not heard."));
	assert_string_equal(conversation_tool(w->c), "");
	conversation_tool_result(w->c, "c1", TOOL_STATUS_OK, "late");
	conversation_tool_result(w->c, "c2", TOOL_STATUS_OK, "late");
	fake_pass(w, SECONDS(20));
	expect_nothing(w);
}

static void
one_of_two_can_be_withdrawn(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	V.on_tool_call("c1", "consultar", "{}", w->c);
	V.on_tool_call("c2", "otra", "{}", w->c);
	says(w, "Eso no.");
	say(w, "u1", CONVERSATION_TAG_ANSWER, 100);
	fake_pass(w, 200);
	forget(w);
	V.on_tool_call("x1", "cancelar", "{\"tool\":\"consultar\"}", w->c);
	assert_memory_equal(
	    w->lines, WITHDRAWN("c1"), sizeof(WITHDRAWN("c1")) - 1);
	assert_string_equal(conversation_tool(w->c), "otra");
	V.on_tool_call("x2", "cancelar", "{\"tool\":\"nada\"}", w->c);
	assert_non_null(strstr(w->lines, "Nothing was running."));
	forget(w);
	conversation_tool_result(w->c, "c2", TOOL_STATUS_OK, "bien");
	fake_pass(w, 200);
	assert_non_null(strstr(w->lines, "prompt\n"));
}

static void
a_result_that_just_came_is_withdrawn_as_well(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	V.on_tool_call("c1", "consultar", "{}", w->c);
	says(w, "Déjelo.");
	say(w, "u1", CONVERSATION_TAG_ANSWER, 1000);
	conversation_tool_result(w->c, "c1", TOOL_STATUS_OK, "bien");
	forget(w);
	V.on_tool_call("x1", "cancelar", "{}", w->c);
	fake_pass(w, SECONDS(5));
	assert_null(strstr(w->lines, "prompt"));
}

static void
so_is_one_that_is_named(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	V.on_tool_call("c1", "consultar", "{}", w->c);
	says(w, "Déjelo.");
	say(w, "u1", CONVERSATION_TAG_ANSWER, 1000);
	conversation_tool_result(w->c, "c1", TOOL_STATUS_OK, "bien");
	forget(w);
	V.on_tool_call("x1", "cancelar", "{\"tool\":\"consultar\"}", w->c);
	expect(
	    w, DONE("x1", "Nothing was running. Do not speak of a result that "
			  "the caller has withdrawn and not heard."));
	fake_pass(w, SECONDS(5));
	assert_null(strstr(w->lines, "prompt"));
}

static void
but_not_the_result_of_another(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	V.on_tool_call("c1", "consultar", "{}", w->c);
	V.on_tool_call("c2", "otra", "{}", w->c);
	says(w, "Lo otro, déjelo.");
	say(w, "u1", CONVERSATION_TAG_ANSWER, 1000);
	conversation_tool_result(w->c, "c1", TOOL_STATUS_OK, "bien");
	conversation_tool_result(w->c, "c2", TOOL_STATUS_OK, "mal");
	V.on_tool_call("x1", "cancelar", "{\"tool\":\"otra\"}", w->c);
	forget(w);
	fake_pass(w, SECONDS(5));
	assert_non_null(strstr(w->lines, "prompt\n"));
}

static void
a_voice_that_withdraws_without_a_word_is_asked_for_one(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	V.on_tool_call("c1", "consultar", "{}", w->c);
	says(w, "Déjelo.");
	forget(w);
	V.on_tool_call("x1", "cancelar", "{}", w->c);
	fake_pass(w, 300);
	assert_non_null(strstr(w->lines, "prompt\n"));
}

static void
unless_it_hangs_up_with_it(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	V.on_tool_call("c1", "consultar", "{}", w->c);
	says(w, "Déjelo así, chao.");
	V.on_tool_call("x1", "cancelar", "{}", w->c);
	V.on_tool_call("h1", "colgar", "{}", w->c);
	assert_non_null(strstr(w->lines, "say 5 Adiós\n"));
	say(w, "bye", CONVERSATION_TAG_FAREWELL, 1000);
	fake_pass(w, SECONDS(2));
	assert_null(strstr(w->lines, "prompt"));
	assert_non_null(strstr(w->lines, "hang up voice\n"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(the_call_ends_when_the_goodbye_of_the_voice_was_heard),
	    TEST(a_voice_that_hangs_up_without_a_word_says_goodbye),
	    TEST(words_that_are_still_being_made_are_waited_for),
	    TEST(a_goodbye_that_never_comes_does_not_keep_the_call),
	    TEST(nor_does_an_answer_that_fails_then),
	    TEST(a_caller_who_speaks_during_the_goodbye_keeps_the_call),
	    TEST(a_goodbye_that_comes_after_that_is_not_heard),
	    TEST(even_in_the_last_moment_and_with_a_digit),
	    TEST(a_caller_who_speaks_already_is_not_hung_up_on),
	    TEST(a_result_that_was_not_told_keeps_the_call),
	    TEST(a_result_that_the_voice_knew_does_not),
	    TEST(nothing_is_said_of_a_query_after_the_goodbye),
	    TEST(the_result_is_told_if_the_call_goes_on),
	    TEST(a_second_hang_up_is_answered_too),
	    TEST(the_limit_does_not_say_goodbye_twice),
	    TEST(a_voice_lost_after_its_goodbye_ends_the_call_all_the_same),
	    PLAIN(a_persona_without_goodbye_is_silent_and_hangs_up),
	    TEST(what_the_caller_withdraws_is_never_spoken_of),
	    TEST(one_of_two_can_be_withdrawn),
	    TEST(a_result_that_just_came_is_withdrawn_as_well),
	    TEST(so_is_one_that_is_named),
	    TEST(but_not_the_result_of_another),
	    TEST(a_voice_that_withdraws_without_a_word_is_asked_for_one),
	    TEST(unless_it_hangs_up_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
