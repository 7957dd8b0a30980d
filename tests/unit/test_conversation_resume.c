/* SPDX-License-Identifier: MIT */
/*
 * test_conversation_resume.c – a conversation that goes on with another voice:
 * in another process, after a crash, or in the same one.
 */
#include "common/clock.h"
#include "tests/unit/conversation_world.h"

#define TOOL(name, action)                                                     \
	"{\"name\":\"" name "\",\"action\":\"" action                          \
	"\",\"deadline_ms\":60000}"

static const char brief_text[] =
    "{\"instructions\":\"x\",\"greeting\":\"Hola\",\"silent_caller_s\":30,"
    "\"phrases\":{\"still_there\":\"¿Sigue ahí?\",\"silent_goodbye\":"
    "\"Adiós callado\",\"limit_goodbye\":\"Adiós límite\",\"goodbye\":"
    "\"Adiós\",\"trouble\":\"Disculpe\",\"person_wait\":\"Le comunico\","
    "\"no_person\":\"No hay\",\"tool_wait\":\"Un momento\"},\"tools\":[" TOOL(
	"consultar", "") "," TOOL("colgar", "hangup") "]}";

#define NOT_MADE                                                               \
	"{\"status\":\"cancelled\",\"error\":\"The call was not made: there "  \
	"was an interruption. Call again if the caller still wants it.\"}\n"

static void
converse_in(struct fake_world *w, struct history *history, const char *leaving,
    bool secret)
{
	struct conversation_config config = world_config(w);

	config.history = history;
	config.leaving = leaving;
	config.secret = secret;
	assert_int_equal(conversation_new(&w->c, &config), 0);
	history_free(&history);
}

static void
converse(struct fake_world *w, struct history *history, const char *leaving)
{
	converse_in(w, history, leaving, false);
}

/* A call in which the greeting was heard. */
static int
set_up(void **state)
{
	struct fake_world *w = world_new(brief_text);

	assert_int_equal(journal_memfd_create(&w->journal_fd), 0);
	assert_int_equal(journal_attach(&w->journal, w->journal_fd), 0);
	fake_now_ms = clock_now_ms() / 100 * 100 + 100;
	converse(w, NULL, "");
	*state = w;
	return 0;
}

static void
say_words(
    struct fake_world *w, const char *id, int tag, const char *words, size_t ms)
{
	static const uint8_t audio[8 * 10000];

	V.on_utterance(id, tag, w->c);
	V.on_words(id, words, w->c);
	V.on_audio(id, audio, 8 * ms, w->c);
}

static void
end(struct fake_world *w, const char *id, int tag, const char *words)
{
	V.on_transcript(VOICE_SPEAKER_VOICE, id, words, w->c);
	V.on_utterance_done(id, tag, VOICE_END_COMPLETE, "", w->c);
}

static void
greet(struct fake_world *w)
{
	V.on_configured(w->c);
	conversation_media_up(w->c);
	say_words(w, "g", CONVERSATION_TAG_GREETING, "Hola", 100);
	end(w, "g", CONVERSATION_TAG_GREETING, "Hola");
	fake_pass(w, 200);
	w->lines[0] = '\0';
}

static void
turn(struct fake_world *w, const char *id, const char *words)
{
	V.on_caller_started(0, w->c);
	V.on_turn(id, w->c);
	V.on_caller_stopped(w->c);
	if (words[0] != '\0')
		V.on_transcript(VOICE_SPEAKER_CALLER, id, words, w->c);
}

/* The process dies here; another one goes on. */
static void
crash_in(struct fake_world *w, const char *leaving, bool secret)
{
	struct journal *journal = w->journal;
	struct history *h;

	assert_int_equal(history_read(&h, w->journal_fd), 0);
	w->journal = NULL; /* the dead write nothing */
	conversation_free(&w->c);
	w->journal = journal;
	w->lines[0] = '\0';
	converse_in(w, h, leaving, secret);
}

static void
crash_leaving(struct fake_world *w, const char *leaving)
{
	crash_in(w, leaving, false);
}

static void
crash(struct fake_world *w)
{
	crash_leaving(w, "");
}

/* … and its voice knows the history. */
static void
crash_and_go_on(struct fake_world *w)
{
	crash(w);
	w->lines[0] = '\0';
	V.on_configured(w->c);
	expect(w, "ready\n");
}

#define UNO "uno dos tres cuatro cinco seis siete ocho"

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
	    T(a_successor_is_deaf_from_its_first_frame),
	    T(what_waits_since_the_last_digit_is_not_heard),
	    T(digits_that_end_while_nobody_is_there_are_not_heard),
	    T(a_pause_is_when_nobody_notices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
