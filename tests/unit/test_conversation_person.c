/* SPDX-License-Identifier: MIT */
/*
 * test_conversation_person.c – getting a person, against a voice that is a
 * list.
 */
#include "tests/unit/control_world.h"

/* ---- a person ------------------------------------------------------------ */

static void
key_0_leads_to_a_person(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	say(w, "u1", CONVERSATION_TAG_ANSWER, 5000);
	fake_pass(w, 500);
	conversation_dtmf(w->c, '0');
	assert_non_null(strstr(w->lines, "stop\n"));
	forget(w);
	fake_pass(w, 1400);
	expect_nothing(w); /* a longer number may follow */
	fake_pass(w, 200);
	expect(w, "record dtmf {\"digits\":\"0\"}\n" ASKED(
		      "1", "key 0") "stop\nsay 6 Ya le comunico\n");
	assert_string_equal(conversation_tool(w->c), "person");
	/* It waits as long as it takes, and nobody is nudged. */
	fake_pass(w, SECONDS(60));
	expect_nothing(w);
}

static void
a_0_in_a_number_is_a_digit(void **state)
{
	static const char *const numbers[] = {"10", "01", "00", "300", "0*"};
	struct fake_world *w = *state;

	begin(w);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		for (const char *digit = numbers[i]; *digit != '\0'; digit++)
			conversation_dtmf(w->c, *digit);
		fake_pass(w, SECONDS(2));
		assert_null(strstr(w->lines, "person"));
		assert_non_null(strstr(w->lines, "text [El usuario marcó: "));
		forget(w);
	}
	conversation_dtmf(w->c, '0');
	conversation_dtmf(w->c, '#');
	fake_pass(w, 200);
	assert_non_null(strstr(w->lines, ASKED("1", "key 0")));
}

static void
key_0_counts_during_the_greeting(void **state)
{
	struct fake_world *w = *state;

	V.on_configured(w->c);
	conversation_media_up(w->c);
	say(w, "hello", CONVERSATION_TAG_GREETING, 4000);
	fake_pass(w, 500);
	conversation_dtmf(w->c, '0');
	fake_pass(w, SECONDS(2));
	assert_non_null(strstr(w->lines, "interrupted hello 500\n"));
	assert_non_null(strstr(w->lines, ASKED("1", "key 0")));
}

static void
key_0_again_changes_nothing(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	for (int i = 0; i < 3; i++) {
		conversation_dtmf(w->c, '0');
		fake_pass(w, SECONDS(2));
	}
	assert_ptr_equal(
	    strstr(strstr(w->lines, "person person-1") + 1, "person person-"),
	    NULL);
}

static void
words_lead_to_a_person_and_the_model_is_stopped(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, NULL);
	say(w, "u1", CONVERSATION_TAG_ANSWER, 3000);
	fake_pass(w, 200);
	V.on_transcript(VOICE_SPEAKER_CALLER, "item", WANTED, w->c);
	expect(w, ASKED("1", "words") "interrupted u1 200\nrecord heard {"
				      "\"id\":\"u1\",\"heard_ms\":200,"
				      "\"total_ms\":3000,\"interrupted\":true,"
				      "\"heard\":\"\",\"unheard\":\"\"}\n"
				      "stop\nsay 6 Ya le comunico\n");
	assert_int_equal(fake_remaining_ms(w), 0);
	V.on_transcript(VOICE_SPEAKER_CALLER, "item", WANTED, w->c);
	expect_nothing(w);
}

static void
other_words_do_not(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, "Hola.");
	says(w, "No quiero hablar con una persona.");
	V.on_transcript(VOICE_SPEAKER_VOICE, "u", WANTED, w->c);
	expect_nothing(w);
}

static void
nobody_talks_into_the_callers_words(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, NULL);
	V.on_caller_started(80, w->c); /* goes on, or coughs */
	V.on_transcript(VOICE_SPEAKER_CALLER, "item", WANTED, w->c);
	expect(w, ASKED("1", "words"));
	fake_pass(w, SECONDS(2));
	V.on_caller_stopped(w->c);
	fake_pass(w, SECONDS(1));
	expect_nothing(w); /* that turn gets its own answer first */
	say(w, "u1", CONVERSATION_TAG_ANSWER, 1000);
	fake_pass(w, 800);
	expect_nothing(w);
	fake_pass(w, 500);
	assert_non_null(strstr(w->lines, "say 6 Ya le comunico\n"));
}

static void
what_was_withdrawn_meanwhile_is_not_announced(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, NULL);
	V.on_caller_started(80, w->c);
	V.on_transcript(VOICE_SPEAKER_CALLER, "item", WANTED, w->c);
	V.on_caller_stopped(w->c);
	say(w, "u1", CONVERSATION_TAG_ANSWER, 1000);
	forget(w);
	V.on_tool_call("x1", "cancelar", "{\"tool\":\"pasar\"}", w->c);
	expect(w, OVER("1", "cancelled") "cancel person-1\n" DONE("x1",
		      "Withdrawn: person. Do not speak of it, nor of a result "
		      "of it that the caller has not heard."));
	fake_pass(w, SECONDS(5));
	assert_null(strstr(w->lines, "say"));
}

static void
one_person_is_called_for_one_wish(void **state)
{
	struct fake_world *w = *state;
	const char *already = ANSWERED("t1",
	    "Somebody is being called for the caller already. Do not speak "
	    "of it.");

	begin(w);
	says(w, WANTED);
	forget(w);
	V.on_tool_call("t1", "pasar", "{}", w->c); /* ended before the stop */
	expect(w, already);
	fake_pass(w, SECONDS(5));
	expect_nothing(w);
}

static void
the_transfer_of_the_model_is_enough(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, NULL);
	say(w, "u1", CONVERSATION_TAG_ANSWER, 3000);
	V.on_tool_call("t1", "pasar", "{}", w->c);
	expect(w, "request t1 pasar {}\n");
	V.on_transcript(VOICE_SPEAKER_CALLER, "item", WANTED, w->c);
	expect_nothing(w);
	V.on_tool_call("t2", "pasar", "{}", w->c);
	assert_non_null(
	    strstr(w->lines, "answer t2 {\"status\":\"cancelled\""));
	forget(w);
	conversation_tool_result(w->c, "t1", TOOL_STATUS_BUSY, "Ocupado");
	assert_non_null(strstr(w->lines, "answer t1 {\"status\":\"busy\""));
}

static void
no_word_but_the_voices_takes_the_wish_back(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, WANTED);
	say(w, "p", CONVERSATION_TAG_PERSON_WAIT, 1000);
	fake_pass(w, SECONDS(3));
	forget(w);
	/* An exception of the persona's, but no such wish. */
	says(w, "No quiero volver a hablar con una máquina.");
	expect_nothing(w);
	says(w, "Ya no, gracias.");
	V.on_tool_call("x1", "cancelar", "{}", w->c);
	assert_memory_equal(w->lines,
	    OVER("1", "cancelled") "cancel person-1\n",
	    sizeof(OVER("1", "cancelled") "cancel person-1\n") - 1);
	forget(w);
	conversation_tool_result(
	    w->c, "person-1", TOOL_STATUS_REFUSED, "Ocupado");
	expect_nothing(w);
	/* And have another. */
	says(w, WANTED);
	assert_memory_equal(
	    w->lines, ASKED("2", "words"), sizeof(ASKED("2", "words")) - 1);
}

static void
who_is_answered_hears_nothing_more_of_the_voice(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, WANTED);
	say(w, "p", CONVERSATION_TAG_PERSON_WAIT, 1000);
	fake_pass(w, SECONDS(3));
	forget(w);
	conversation_tool_result(w->c, "person-1", TOOL_STATUS_OK, "");
	expect(w, OVER("1", "ok"));
	fake_pass(w, SECONDS(20));
	expect_nothing(w);
}

static void
an_outcome_reaches_the_voice_in_its_sentence(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, WANTED);
	say(w, "p", CONVERSATION_TAG_PERSON_WAIT, 1000);
	fake_pass(w, SECONDS(3));
	forget(w);
	conversation_tool_result(
	    w->c, "person-1", TOOL_STATUS_BUSY, "Está ocupada.");
	fake_pass(w, 200);
	expect(w, OVER("1", "busy") "text [Sobre la persona que se buscó: "
				    "Está ocupada.]\nprompt\n");
}

static void
a_long_outcome_is_cut_between_letters(void **state)
{
	struct fake_world *w = *state;
	char *output = malloc(10001);

	assert_non_null(output);
	for (int i = 0; i < 10000; i += 2)
		memcpy(output + i, "ó", 2);
	output[10000] = '\0';
	begin(w);
	says(w, WANTED);
	forget(w);
	conversation_tool_result(w->c, "person-1", TOOL_STATUS_REFUSED, output);
	assert_true(strlen(w->lines) > 4000 && strlen(w->lines) < 4300);
	free(output);
}

static void
who_can_have_nobody_is_told_so(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, WANTED);
	say(w, "p", CONVERSATION_TAG_PERSON_WAIT, 1000);
	conversation_tool_result(w->c, "person-1", TOOL_STATUS_REFUSED, "");
	forget(w);
	fake_pass(w, 900);
	expect_nothing(w); /* after the words that are being heard */
	fake_pass(w, 300);
	assert_non_null(strstr(w->lines, "say 7 No hay nadie\n"));
	forget(w);
	V.on_utterance_done(
	    "", CONVERSATION_TAG_NO_PERSON, VOICE_END_FAILED, "x", w->c);
	assert_non_null(strstr(w->lines, "say 4 Disculpe\n"));
}

static void
nor_is_it_lost_when_the_caller_speaks_again(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, WANTED);
	say(w, "p", CONVERSATION_TAG_PERSON_WAIT, 1000);
	conversation_tool_result(w->c, "person-1", TOOL_STATUS_REFUSED, "");
	fake_pass(w, 1200);
	assert_non_null(strstr(w->lines, "say 7 No hay nadie\n"));
	V.on_caller_started(80, w->c);
	say(w, "n", CONVERSATION_TAG_NO_PERSON, 1000); /* not heard */
	fake_pass(w, 500);
	forget(w);
	V.on_caller_stopped(w->c);
	say(w, "u1", CONVERSATION_TAG_ANSWER, 500);
	fake_pass(w, 1000);
	assert_non_null(strstr(w->lines, "say 7 No hay nadie\n"));
}

/* Its response had begun, and no audio of it had come. */
static void
nor_when_he_speaks_just_before_it(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, WANTED);
	say(w, "p", CONVERSATION_TAG_PERSON_WAIT, 1000);
	conversation_tool_result(w->c, "person-1", TOOL_STATUS_REFUSED, "");
	fake_pass(w, 1200);
	assert_non_null(strstr(w->lines, "say 7 No hay nadie\n"));
	V.on_caller_started(80, w->c);
	V.on_utterance_done(
	    "", CONVERSATION_TAG_NO_PERSON, VOICE_END_CUT, "", w->c);
	forget(w);
	V.on_caller_stopped(w->c);
	say(w, "u1", CONVERSATION_TAG_ANSWER, 500);
	fake_pass(w, 1000);
	assert_non_null(strstr(w->lines, "say 7 No hay nadie\n"));
	/* What we stop ourselves is not wanted any more. */
	says(w, WANTED);
	forget(w);
	V.on_utterance_done(
	    "", CONVERSATION_TAG_NO_PERSON, VOICE_END_CUT, "", w->c);
	say(w, "p2", CONVERSATION_TAG_PERSON_WAIT, 500);
	fake_pass(w, 1000);
	assert_null(strstr(w->lines, "No hay nadie"));
}

static void
a_supervisor_that_never_answers_is_answered_for(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, WANTED);
	say(w, "p", CONVERSATION_TAG_PERSON_WAIT, 1000);
	fake_pass(w, CONVERSATION_PERSON_MS + TOOL_GRACE_MS - SECONDS(2));
	assert_null(strstr(w->lines, "cancel"));
	fake_pass(w, SECONDS(3));
	assert_non_null(strstr(w->lines, OVER("1", "timeout")));
	assert_non_null(strstr(w->lines, "say 7 No hay nadie\n"));
}

static void
without_phrases_the_voice_is_told(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	conversation_dtmf(w->c, '0');
	fake_pass(w, SECONDS(2));
	assert_non_null(strstr(w->lines, ASKED("1", "key 0") "stop\n"));
	forget(w);
	conversation_tool_result(w->c, "person-1", TOOL_STATUS_REFUSED, "");
	fake_pass(w, 300);
	expect(w, OVER("1", "refused") "text [El usuario pidió una persona y "
				       "no hay quién le atienda. "
				       "Dígaselo.]\nprompt\n");
}

static void
a_new_supervisor_is_asked_again(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	V.on_tool_call("c1", "consultar", "{}", w->c);
	conversation_dtmf(w->c, '0');
	fake_pass(w, SECONDS(2));
	forget(w);
	conversation_repeat_tools(w->c);
	expect(w, "request c1 consultar {}\nperson person-1 key 0\n");
}

static void
but_not_for_a_call_that_is_over(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	V.on_tool_call("c1", "consultar", "{}", w->c);
	conversation_dtmf(w->c, '0');
	fake_pass(w, SECONDS(2));
	conversation_leave(w->c, "limit");
	forget(w);
	conversation_repeat_tools(w->c);
	expect_nothing(w);
}

static void
however_much_runs_there_is_room_for_a_person(void **state)
{
	struct fake_world *w = *state;
	char id[8];

	begin(w);
	for (int i = 0; i < TOOL_CALLS_MAX; i++) {
		snprintf(id, sizeof(id), "c%d", i);
		V.on_tool_call(id, "consultar", "{}", w->c);
	}
	forget(w);
	says(w, WANTED);
	assert_memory_equal(
	    w->lines, ASKED("1", "words"), sizeof(ASKED("1", "words")) - 1);
	forget(w);
	V.on_tool_call("c9", "consultar", "{}", w->c);
	assert_non_null(strstr(w->lines, "answer c9 {\"status\":\"busy\""));
}

/* ---- a person and the end ------------------------------------------------ */

static void
who_wants_a_person_is_not_hung_up_on(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, NULL);
	say(w, "bye", CONVERSATION_TAG_ANSWER, 2000);
	V.on_tool_call("h1", "colgar", "{}", w->c); /* it misheard */
	V.on_transcript(VOICE_SPEAKER_CALLER, "item", WANTED, w->c);
	assert_memory_equal(w->lines,
	    ANSWERED("h1", "The caller wants a person: the call goes on."),
	    sizeof(ANSWERED(
		"h1", "The caller wants a person: the call goes on.")) -
		1);
	forget(w);
	V.on_tool_call("h2", "colgar", "{}", w->c);
	expect(w, ANSWERED("h2", "The caller is being connected to a person: "
				 "the call goes on."));
	fake_pass(w, SECONDS(10));
	assert_null(strstr(w->lines, "hang up"));
}

static void
who_says_goodbye_after_all_is_let_go_and_nobody_rings(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, WANTED);
	say(w, "p", CONVERSATION_TAG_PERSON_WAIT, 1000);
	fake_pass(w, SECONDS(5));
	says(w, "Ya no, chao.");
	say(w, "bye", CONVERSATION_TAG_ANSWER, 1000);
	forget(w);
	V.on_tool_call("h1", "colgar", "{}", w->c);
	expect(w, OVER("1", "cancelled") "cancel person-1\n");
	fake_pass(w, SECONDS(2));
	assert_non_null(strstr(w->lines, "hang up voice\n"));
}

static void
a_transfer_beats_a_hang_up_of_the_same_breath(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, NULL);
	say(w, "u1", CONVERSATION_TAG_ANSWER, 1000);
	V.on_tool_call("h1", "colgar", "{}", w->c);
	V.on_tool_call("t1", "pasar", "{}", w->c);
	expect(w, ANSWERED("h1", "The caller is being transferred "
				 "instead.") "request t1 pasar {}\n");
	fake_pass(w, SECONDS(5));
	assert_null(strstr(w->lines, "hang up"));
}

static void
in_either_order(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	says(w, NULL);
	say(w, "u1", CONVERSATION_TAG_ANSWER, 1000);
	V.on_tool_call("t1", "pasar", "{}", w->c);
	V.on_tool_call("h1", "colgar", "{}", w->c);
	expect(w, "request t1 pasar {}\n" ANSWERED("h1",
		      "The caller is being connected to a person: the call "
		      "goes on."));
	fake_pass(w, SECONDS(5));
	assert_null(strstr(w->lines, "hang up"));
	/* Later, with other words, the caller may say goodbye after all. */
	says(w, "Déjelo así, chao.");
	V.on_tool_call("h2", "colgar", "{}", w->c);
	assert_non_null(strstr(w->lines, WITHDRAWN("t1")));
}

static void
a_call_that_is_being_ended_has_no_person(void **state)
{
	struct fake_world *w = *state;

	begin(w);
	conversation_leave(w->c, "limit");
	forget(w);
	conversation_dtmf(w->c, '0');
	V.on_transcript(VOICE_SPEAKER_CALLER, "item", WANTED, w->c);
	V.on_tool_call("h1", "colgar", "{}", w->c);
	V.on_tool_call("x1", "cancelar", "{}", w->c);
	fake_pass(w, SECONDS(2));
	expect_nothing(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(key_0_leads_to_a_person),
	    TEST(a_0_in_a_number_is_a_digit),
	    TEST(key_0_counts_during_the_greeting),
	    TEST(key_0_again_changes_nothing),
	    TEST(words_lead_to_a_person_and_the_model_is_stopped),
	    TEST(other_words_do_not),
	    TEST(nobody_talks_into_the_callers_words),
	    TEST(what_was_withdrawn_meanwhile_is_not_announced),
	    TEST(one_person_is_called_for_one_wish),
	    TEST(the_transfer_of_the_model_is_enough),
	    TEST(no_word_but_the_voices_takes_the_wish_back),
	    TEST(who_is_answered_hears_nothing_more_of_the_voice),
	    TEST(an_outcome_reaches_the_voice_in_its_sentence),
	    TEST(a_long_outcome_is_cut_between_letters),
	    TEST(who_can_have_nobody_is_told_so),
	    TEST(nor_is_it_lost_when_the_caller_speaks_again),
	    TEST(nor_when_he_speaks_just_before_it),
	    TEST(a_supervisor_that_never_answers_is_answered_for),
	    PLAIN(without_phrases_the_voice_is_told),
	    TEST(a_new_supervisor_is_asked_again),
	    TEST(but_not_for_a_call_that_is_over),
	    TEST(however_much_runs_there_is_room_for_a_person),
	    TEST(who_wants_a_person_is_not_hung_up_on),
	    TEST(who_says_goodbye_after_all_is_let_go_and_nobody_rings),
	    TEST(a_transfer_beats_a_hang_up_of_the_same_breath),
	    TEST(in_either_order),
	    TEST(a_call_that_is_being_ended_has_no_person),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
