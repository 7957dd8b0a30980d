/* SPDX-License-Identifier: MIT */
/*
 * test_conversation_voice.c – a conversation that goes on with another voice in
 * the same process.
 */
#include "tests/unit/resume_world.h"

/* ---- the same process -------------------------------------------------------- */

static void
a_session_that_drops_is_followed_by_another(void **state)
{
	struct fake_world *w = *state;

	w->fetches = true;
	greet(w);
	turn(w, "u1", "¿señal?");
	V.on_tool_call("c1", "consultar", "{}", w->c);
	V.on_fault(VOICE_FAULT_NETWORK, "reset", true, w->c);
	w->lines[0] = '\0';
	conversation_tool_result(w->c, "c1", TOOL_STATUS_OK, "bien");
	fake_pass(w, SECONDS(5));
	expect_nothing(w); /* nobody is there to be told */
	assert_int_equal(conversation_change_voice(w->c, &w->voice), 0);
	assert_non_null(strstr(w->lines, "past output c1"));
	w->lines[0] = '\0';
	V.on_configured(w->c);
	fake_pass(w, 200);
	expect(w, "ready\nnudge\n");
}

static void
what_a_dropped_session_was_saying_is_finished(void **state)
{
	struct fake_world *w = *state;

	w->fetches = true;
	greet(w);
	turn(w, "u1", "cuente");
	say_words(w, "a1", CONVERSATION_TAG_ANSWER, "uno dos", 1000);
	V.on_fault(VOICE_FAULT_NETWORK, "reset", true, w->c);
	fake_pass(w, 200);
	assert_int_equal(conversation_change_voice(w->c, &w->voice), 0);
	V.on_configured(w->c);
	fake_pass(w, SECONDS(1));
	assert_non_null(strstr(w->lines, "«uno dos»"));
	/* A second process knows it as well. */
	crash_and_go_on(w);
	fake_pass(w, 200);
	assert_non_null(strstr(w->lines, "«uno dos»"));
}

static void
without_another_voice_the_call_goes_elsewhere(void **state)
{
	struct fake_world *w = *state;

	w->fetches = true;
	greet(w);
	V.on_fault(VOICE_FAULT_NETWORK, "reset", true, w->c);
	fake_pass(w, CONVERSATION_VOICELESS_MS - 500);
	assert_null(strstr(w->lines, "voice lost"));
	fake_pass(w, 1500);
	assert_non_null(strstr(w->lines, "voice lost timeout\n"));
}

static void
whoever_fetches_may_give_up(void **state)
{
	struct fake_world *w = *state;

	w->fetches = true;
	greet(w);
	V.on_fault(VOICE_FAULT_NETWORK, "reset", true, w->c);
	conversation_voice_is_lost(w->c, VOICE_FAULT_NETWORK, "no way");
	fake_pass(w, 500);
	assert_non_null(strstr(w->lines, "voice lost network\n"));
	assert_int_equal(
	    conversation_change_voice(w->c, &w->voice), -ESHUTDOWN);
}

static void
drop(struct fake_world *w)
{
	w->fetches = true;
	V.on_fault(VOICE_FAULT_NETWORK, "reset", true, w->c);
}

static void
fetch(struct fake_world *w)
{
	assert_int_equal(conversation_change_voice(w->c, &w->voice), 0);
	w->lines[0] = '\0';
	V.on_configured(w->c);
}

static void
what_asks_for_digits_is_said_by_the_next_voice(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	conversation_secret_begin(w->c, "Marque su PIN");
	expect(w, "say 8 Marque su PIN\n");
	drop(w); /* before a word of it was heard */
	fetch(w);
	expect(w, "ready\nsay 8 Marque su PIN\n");
	say_words(w, "s", CONVERSATION_TAG_SECRET, "Marque su PIN", 100);
	end(w, "s", CONVERSATION_TAG_SECRET, "Marque su PIN");
	fake_pass(w, 200);
	drop(w);
	fetch(w);
	expect(w, "ready\n"); /* heard once is enough */
}

static void
who_wants_a_person_without_a_voice_is_told_by_the_next(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	drop(w);
	conversation_dtmf(w->c, '0');
	fake_pass(w, SECONDS(3));
	assert_non_null(strstr(w->lines, "person person-1 key 0\n"));
	assert_null(strstr(w->lines, "say"));
	fetch(w);
	fake_pass(w, 200);
	assert_non_null(strstr(w->lines, "say 6 Le comunico\n"));
}

static void
what_was_ordered_and_not_begun_is_said_by_the_next_voice(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	conversation_dtmf(w->c, '0');
	fake_pass(w, SECONDS(3));
	assert_non_null(strstr(w->lines, "say 6 Le comunico\n"));
	drop(w);
	fetch(w);
	fake_pass(w, 200);
	expect(w, "ready\nsay 6 Le comunico\n");
	say_words(w, "p", CONVERSATION_TAG_PERSON_WAIT, "Le comunico", 100);
	end(w, "p", CONVERSATION_TAG_PERSON_WAIT, "Le comunico");
	fake_pass(w, 200);
	w->lines[0] = '\0';
	conversation_tool_result(w->c, "person-1", TOOL_STATUS_REFUSED, "");
	fake_pass(w, 200);
	assert_non_null(strstr(w->lines, "say 7 No hay\n"));
	drop(w);
	fetch(w);
	fake_pass(w, 200);
	expect(w, "ready\nsay 7 No hay\n");
	/* Another process says it, too, and once is enough. */
	crash_and_go_on(w);
	fake_pass(w, 200);
	expect(w, "say 7 No hay\n");
	say_words(w, "n", CONVERSATION_TAG_NO_PERSON, "No hay", 100);
	end(w, "n", CONVERSATION_TAG_NO_PERSON, "No hay");
	fake_pass(w, 200);
	drop(w);
	fetch(w);
	fake_pass(w, 200);
	expect(w, "ready\n");
	crash_and_go_on(w);
	fake_pass(w, 200);
	expect_nothing(w);
}

static void
who_was_not_asked_whether_he_is_there_is_not_let_go_for_it(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	fake_pass(w, SECONDS(31));
	expect(w, "say 2 ¿Sigue ahí?\n");
	drop(w);
	fetch(w);
	expect(w, "ready\n");
	fake_pass(w, CONVERSATION_STILL_THERE_MS + SECONDS(5));
	expect_nothing(w);
	fake_pass(w, SECONDS(16));
	expect(w, "say 2 ¿Sigue ahí?\n");
}

static void
an_aside_that_was_not_begun_is_ordered_again(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	turn(w, "u1", "mire");
	V.on_tool_call("c1", "consultar", "{}", w->c);
	fake_pass(w, SECONDS(4));
	assert_non_null(strstr(w->lines, "aside 3 Un momento\n"));
	drop(w);
	fetch(w);
	fake_pass(w, SECONDS(1));
	assert_non_null(strstr(w->lines, "aside 3 Un momento\n"));
}

static void
a_goodbye_that_was_lost_is_said_before_hanging_up(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	turn(w, "u1", "adiós");
	V.on_tool_call("h1", "colgar", "{}", w->c);
	assert_non_null(strstr(w->lines, "say 5 Adiós\n"));
	drop(w);
	fetch(w);
	expect(w, "ready\nsay 5 Adiós\n");
}

static void
a_goodbye_that_broke_off_is_said_anew(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	conversation_leave(w->c, "limit");
	assert_non_null(strstr(w->lines, "say 5 Adiós límite\n"));
	say_words(w, "f", CONVERSATION_TAG_FAREWELL, "Adi", 300);
	drop(w);
	fake_pass(w, SECONDS(1)); /* what had come of it is heard */
	assert_null(strstr(w->lines, "hang up"));
	fetch(w);
	fake_pass(w, 200);
	expect(w, "ready\nstop\nsay 5 Adiós límite\n");
	say_words(w, "f2", CONVERSATION_TAG_FAREWELL, "Adiós límite", 300);
	end(w, "f2", CONVERSATION_TAG_FAREWELL, "Adiós límite");
	drop(w); /* all of it is there: nobody has to say it again */
	fake_pass(w, SECONDS(1));
	assert_non_null(strstr(w->lines, "hang up limit\n"));
}

static void
a_goodbye_that_was_taken_back_is_not_the_one_that_is_due(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	turn(w, "u1", "adiós");
	V.on_tool_call("h1", "colgar", "{}", w->c);
	say_words(w, "f", CONVERSATION_TAG_FAREWELL, "Adiós", 300);
	end(w, "f", CONVERSATION_TAG_FAREWELL, "Adiós");
	fake_pass(w, 320);
	turn(w, "u2", "una cosa más");
	say_words(w, "a1", CONVERSATION_TAG_ANSWER, "dígame", 100);
	end(w, "a1", CONVERSATION_TAG_ANSWER, "dígame");
	fake_pass(w, 200);
	crash_leaving(w, "limit");
	V.on_configured(w->c);
	fake_pass(w, 100);
	assert_non_null(strstr(w->lines, "say 5 Adiós límite\n"));
}

static void
words_that_are_heard_again_are_told_once(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	turn(w, "u1", "¿hola?");
	w->remembers = true;
	drop(w);
	fetch(w);
	turn(
	    w, "v1", "¿hola?"); /* the same words, as the next one hears them */
	w->remembers = false;
	drop(w);
	w->lines[0] = '\0';
	assert_int_equal(conversation_change_voice(w->c, &w->voice), 0);
	expect(w, "start\npast voice g Hola\npast caller v1 ¿hola?\n");
}

/*
 * What waited for a successor comes in one burst, of which a queue that is
 * bounded for live audio would keep the end.
 */
static void
words_that_waited_for_a_voice_are_all_sent(void **state)
{
	static const uint8_t frame[160];
	struct fake_world *w = *state;

	greet(w);
	conversation_uplink(w->c, frame, sizeof(frame));
	assert_int_equal(w->whole_frames, 0);
	crash(w);
	for (unsigned i = 0; i < 250; i++)
		conversation_uplink(w->c, frame, sizeof(frame));
	assert_int_equal(w->whole_frames, 250);
	V.on_configured(w->c);
	conversation_uplink(w->c, frame, sizeof(frame));
	assert_int_equal(w->whole_frames, 250);
	drop(w);
	conversation_uplink(w->c, frame, sizeof(frame)); /* to nobody */
	assert_int_equal(w->whole_frames, 250);
}

static void
a_pause_is_when_nobody_notices(void **state)
{
	struct fake_world *w = *state;

	greet(w);
	fake_pass(w, 100);
	assert_true(conversation_is_pausing(w->c));
	turn(w, "u1", "cuente");
	assert_false(conversation_is_pausing(w->c));
	say_words(w, "a1", CONVERSATION_TAG_ANSWER, "uno", 500);
	end(w, "a1", CONVERSATION_TAG_ANSWER, "uno");
	assert_false(conversation_is_pausing(w->c));
	fake_pass(w, 600);
	assert_true(conversation_is_pausing(w->c));
	w->busy = true;
	assert_false(conversation_is_pausing(w->c));
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_session_that_drops_is_followed_by_another),
	    T(what_a_dropped_session_was_saying_is_finished),
	    T(without_another_voice_the_call_goes_elsewhere),
	    T(whoever_fetches_may_give_up),
	    T(what_asks_for_digits_is_said_by_the_next_voice),
	    T(who_wants_a_person_without_a_voice_is_told_by_the_next),
	    T(what_was_ordered_and_not_begun_is_said_by_the_next_voice),
	    T(who_was_not_asked_whether_he_is_there_is_not_let_go_for_it),
	    T(an_aside_that_was_not_begun_is_ordered_again),
	    T(a_goodbye_that_was_lost_is_said_before_hanging_up),
	    T(a_goodbye_that_broke_off_is_said_anew),
	    T(a_goodbye_that_was_taken_back_is_not_the_one_that_is_due),
	    T(words_that_are_heard_again_are_told_once),
	    T(words_that_waited_for_a_voice_are_all_sent),
	    T(a_pause_is_when_nobody_notices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
