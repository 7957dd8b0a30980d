/* SPDX-License-Identifier: MIT */
/* test_conversation_layers.c – what is heard while a tool runs, and when not. */
#include "tests/unit/conversation_world.h"

static const char brief_text[] =
    "{\"instructions\":\"x\",\"greeting\":\"Hola\",\"silent_caller_s\":30,"
    "\"phrases\":{\"still_there\":\"¿Sigue ahí?\",\"trouble\":\"Disculpe\","
    "\"tool_wait\":\"Un momento\",\"limit_goodbye\":\"Adiós\"},"
    "\"layers\":{\"sound_after_ms\":2500,\"progress_after_ms\":8000,"
    "\"progress_every_ms\":15000},\"tools\":["
    "{\"name\":\"routers\",\"deadline_ms\":60000,\"waiting\":[\"Sigo\","
    "\"Van {seconds} s\"],\"progress\":\"Van {done} de {total}\"},"
    "{\"name\":\"plain\",\"deadline_ms\":60000},"
    "{\"name\":\"transfer\",\"deadline_ms\":60000,\"action\":\"transfer\"}]}";

/* All of an utterance is heard. */
static void
hear(struct fake_world *w, const char *id, int tag, size_t ms)
{
	say(w, id, tag, ms);
	fake_pass(w, ms + 20);
}

static struct fake_world *
begin_with(const char *text)
{
	struct fake_world *w = world_conversing(text);

	begin(w);
	return w;
}

/* A caller has asked, and the voice has said that it will look. */
static void
caller_asks(struct fake_world *w)
{
	V.on_caller_started(0, w->c);
	fake_pass(w, 1000);
	V.on_caller_stopped(w->c);
	fake_pass(w, 500);
	hear(w, "look", CONVERSATION_TAG_ANSWER, 1000);
	w->lines[0] = '\0';
}

static void
call_tool(struct fake_world *w, const char *id, const char *name)
{
	V.on_tool_call(id, name, "{}", w->c);
	w->lines[0] = '\0';
}

static int
set_up(void **state)
{
	struct fake_world *w = begin_with(brief_text);

	caller_asks(w);
	*state = w;
	return 0;
}

static void
progress(struct fake_world *w, const char *id, int64_t done, int64_t total)
{
	struct tool_progress far;

	tool_progress_set(&far, done, total, "");
	conversation_tool_progress(w->c, id, 1000, &far);
	w->lines[0] = '\0';
}

/* ---- the sound ----------------------------------------------------------- */

static void
the_sound_comes_after_its_time_and_ends_with_the_answer(void **state)
{
	struct fake_world *w = *state;

	fake_pass(w, SECONDS(5));
	call_tool(w, "c1", "routers");
	fake_pass(w, 2400);
	expect_nothing(w);
	fake_pass(w, 200);
	expect(w, "comfort work\n");
	fake_pass(w, SECONDS(3));
	expect_nothing(w);
	conversation_tool_result(w->c, "c1", TOOL_STATUS_BUSY, "Ocupado");
	expect(w, "answer c1 {\"status\":\"busy\",\"error\":\"Ocupado\"}\n");
	fake_pass(w, 1000); /* the voice thinks about it */
	expect(w, "prompt\n");
	V.on_utterance("u1", CONVERSATION_TAG_ANSWER, w->c);
	assert_non_null(strstr(w->lines, "comfort none\n"));
}

/* … which may be that there is none: then nothing is waited for. */
static void
a_telephone_that_no_longer_rings_is_not_heard(void **state)
{
	struct fake_world *w = *state;

	call_tool(w, "c1", "transfer");
	fake_pass(w, 3000);
	expect(w, "comfort ring\n");
	conversation_tool_result(w->c, "c1", TOOL_STATUS_BUSY, "Ocupado");
	assert_non_null(strstr(w->lines, "comfort none\n"));
}

static void
not_even_while_something_else_runs(void **state)
{
	struct fake_world *w = *state;

	call_tool(w, "t1", "transfer");
	fake_pass(w, SECONDS(7));
	assert_non_null(strstr(w->lines, "comfort ring\n"));
	call_tool(w, "c1", "plain");
	conversation_tool_result(w->c, "t1", TOOL_STATUS_BUSY, "");
	assert_non_null(strstr(w->lines, "comfort none\n"));
}

static void
the_sound_waits_for_the_voice_to_end(void **state)
{
	struct fake_world *w = *state;

	call_tool(w, "c1", "routers");
	fake_pass(w, 1000);
	speak(w, "u1", CONVERSATION_TAG_ANSWER, 2000);
	V.on_utterance_done(
	    "u1", CONVERSATION_TAG_ANSWER, VOICE_END_COMPLETE, "", w->c);
	fake_pass(w, 2000 + CONVERSATION_SOUND_GAP_MS - 100);
	assert_null(strstr(w->lines, "comfort"));
	fake_pass(w, 300);
	assert_non_null(strstr(w->lines, "comfort work\n"));
}

static void
the_sound_ends_with_the_callers_first_word(void **state)
{
	struct fake_world *w = *state;

	call_tool(w, "c1", "routers");
	fake_pass(w, 3000);
	expect(w, "comfort work\n");
	V.on_caller_started(0, w->c);
	expect(w, "comfort none\n"); /* not with the next tick */
	fake_pass(w, SECONDS(4));
	V.on_caller_stopped(w->c);
	fake_pass(w, 2400);
	expect_nothing(w);
	fake_pass(w, 300);
	assert_non_null(strstr(w->lines, "comfort work\n"));
}

static void
the_sound_ends_when_the_caller_dials(void **state)
{
	struct fake_world *w = *state;

	call_tool(w, "c1", "routers");
	fake_pass(w, 3000);
	expect(w, "comfort work\n");
	conversation_dtmf(w->c, '1');
	expect(w, "comfort none\nstop\n");
}

static void
the_sound_ends_before_the_voice_begins(void **state)
{
	struct fake_world *w = *state;

	call_tool(w, "c1", "routers");
	fake_pass(w, 3000);
	expect(w, "comfort work\n");
	V.on_utterance("u1", CONVERSATION_TAG_ANSWER, w->c);
	expect(w, "comfort none\n");
}

static void
the_sound_ends_with_the_call(void **state)
{
	struct fake_world *w = *state;

	call_tool(w, "c1", "routers");
	fake_pass(w, 3000);
	expect(w, "comfort work\n");
	conversation_leave(w->c, "limit");
	expect(w, "comfort none\nstop\nsay 5 Adiós\n");
}

static void
the_sound_goes_on_while_another_tool_runs(void **state)
{
	struct fake_world *w = *state;

	call_tool(w, "c1", "routers");
	call_tool(w, "c2", "plain");
	fake_pass(w, 3000);
	expect(w, "comfort work\n");
	conversation_tool_result(w->c, "c2", TOOL_STATUS_BUSY, "Ocupado");
	assert_null(strstr(w->lines, "comfort"));
	w->lines[0] = '\0';
	fake_pass(w, CONVERSATION_GATHER_MS + 200);
	expect(w, "prompt\n");
	hear(w, "u1", CONVERSATION_TAG_ANSWER, 1000);
	assert_non_null(strstr(w->lines, "comfort none\n"));
	w->lines[0] = '\0';
	fake_pass(w, 800);
	expect(w, "comfort work\n"); /* the other one still runs */
}

static void
a_transfer_rings(void **state)
{
	struct fake_world *w = *state;

	call_tool(w, "c1", "transfer");
	fake_pass(w, 3000);
	expect(w, "comfort ring\n");
	fake_pass(w, SECONDS(15)); /* and nobody says "I am looking it up" */
	expect_nothing(w);
}

static void
nothing_is_heard_when_the_settings_say_never(void **state)
{
	char text[sizeof(brief_text)];
	struct fake_world *w = *state;

	tear_down(state);
	strcpy(text, brief_text);
	memcpy(strstr(text, "after_ms\":2500"), "after_ms\":0000", 14);
	memcpy(strstr(text, "after_ms\":8000"), "after_ms\":0000", 14);
	/* JSON has no number 0000. */
	memcpy(strstr(text, "after_ms\":0000"), "after_ms\":   0", 14);
	memcpy(strstr(text, "after_ms\":0000"), "after_ms\":   0", 14);
	*state = w = begin_with(text);
	caller_asks(w);
	call_tool(w, "c1", "routers");
	fake_pass(w, SECONDS(50));
	expect_nothing(w);
}

/* ---- sentences ------------------------------------------------------------- */

static void
sentences_come_in_turn(void **state)
{
	struct fake_world *w = *state;

	fake_pass(w, SECONDS(5));
	call_tool(w, "c1", "routers");
	fake_pass(w, 7900);
	expect(w, "comfort work\n");
	fake_pass(w, 200);
	expect(w, "aside 3 Sigo\n");
	hear(w, "a1", CONVERSATION_TAG_ASIDE, 1000);
	fake_pass(w, 600);
	expect(w, "comfort none\nrecord aside {\"id\":\"a1\",\"heard_ms\":1000,"
		  "\"total_ms\":1000,\"interrupted\":false,\"heard\":\"Sigo\","
		  "\"unheard\":\"\"}\ncomfort work\n");
	fake_pass(w, 13200);
	expect_nothing(w);
	fake_pass(w, 300);
	expect(w, "aside 3 Van 23 s\n");
	fake_pass(w, 15000);
	expect(w, "aside 3 Sigo\n");
}

static void
real_progress_is_told_first_and_once(void **state)
{
	struct fake_world *w = *state;

	call_tool(w, "c1", "routers");
	progress(w, "c1", 2, 5);
	fake_pass(w, 8200);
	expect(w, "comfort work\naside 3 Van 2 de 5\n");
	fake_pass(w, 15000);
	expect(w, "aside 3 Sigo\n"); /* nothing new */
	progress(w, "c1", -1, -1);   /* not known this time: not forgotten */
	progress(w, "c1", 4, 5);
	fake_pass(w, 15000);
	expect(w, "aside 3 Van 4 de 5\n");
	progress(w, "c1", 5, 5); /* the answer is about to come */
	fake_pass(w, 15000);
	assert_non_null(strstr(w->lines, "aside 3 Van 5"));
	assert_null(strstr(w->lines, "5 de 5"));
}

static void
progress_that_makes_no_sense_is_not_told(void **state)
{
	static const int64_t cases[][2] = {
	    {0, 5}, {-1, 5}, {5, -1}, {6, 5}, {5, 0}, {INT64_MIN, INT64_MAX}};
	struct fake_world *w = *state;

	call_tool(w, "c1", "routers");
	fake_pass(w, 3000);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		progress(w, "c1", cases[i][0], cases[i][1]);
		fake_pass(w, 1000);
		assert_null(strstr(w->lines, " de "));
	}
}

static void
the_second_tool_tells_how_it_goes(void **state)
{
	struct fake_world *w = *state;

	call_tool(w, "c1", "plain");
	fake_pass(w, 1000);
	call_tool(w, "c2", "routers");
	progress(w, "c2", 3, 5);
	fake_pass(w, 7200); /* the first is due, the second not yet */
	expect(w, "comfort work\naside 3 Un momento\n");
	fake_pass(w, 15000);
	expect(w, "aside 3 Van 3 de 5\n");
}

static void
a_voice_that_is_busy_is_asked_again(void **state)
{
	struct fake_world *w = *state;

	call_tool(w, "c1", "routers");
	fake_pass(w, 3000);
	w->lines[0] = '\0';
	w->aside_busy = true;
	fake_pass(w, SECONDS(7));
	expect_nothing(w);
	w->aside_busy = false;
	fake_pass(w, 200);
	expect(w, "aside 3 Sigo\n");
	V.on_utterance_done(
	    "", CONVERSATION_TAG_ASIDE, VOICE_END_FAILED, "refused", w->c);
	fake_pass(w, SECONDS(14));
	expect_nothing(w); /* neither again at once, nor an apology */
}

static void
nothing_is_said_into_a_turn(void **state)
{
	struct fake_world *w = *state;

	call_tool(w, "c1", "routers");
	fake_pass(w, 7000);
	V.on_caller_started(0, w->c);
	w->lines[0] = '\0';
	fake_pass(w, SECONDS(3));
	V.on_caller_stopped(w->c);
	fake_pass(w, SECONDS(2));
	hear(w, "u1", CONVERSATION_TAG_ANSWER, 1000);
	assert_null(strstr(w->lines, "aside"));
	w->lines[0] = '\0';
	fake_pass(w, CONVERSATION_LINE_GAP_MS - 200);
	expect(w, "comfort work\n");
	fake_pass(w, 400);
	expect(w, "aside 3 Sigo\n");
}

static void
an_aside_that_comes_too_late_is_not_heard(void **state)
{
	struct fake_world *w = *state;

	call_tool(w, "c1", "routers");
	fake_pass(w, 8200);
	w->lines[0] = '\0';
	V.on_caller_started(0, w->c);
	w->lines[0] = '\0';
	speak(w, "a1", CONVERSATION_TAG_ASIDE, 1000);
	expect(w, "interrupted a1 0\n");
	assert_int_equal(fake_remaining_ms(w), 0);
}

/* It would be cut after a word or two. */
static void
an_aside_is_not_begun_when_the_answer_is_on_its_way(void **state)
{
	struct fake_world *w = *state;

	call_tool(w, "c1", "routers");
	fake_pass(w, 8200);
	conversation_tool_result(w->c, "c1", TOOL_STATUS_BUSY, "Ocupado");
	w->lines[0] = '\0';
	speak(w, "a1", CONVERSATION_TAG_ASIDE, 1000);
	expect(w, "interrupted a1 0\n");
	call_tool(w, "c2", "routers");
	w->busy = true; /* the caller's own question */
	w->lines[0] = '\0';
	speak(w, "a2", CONVERSATION_TAG_ASIDE, 1000);
	expect(w, "interrupted a2 0\n");
	assert_int_equal(fake_remaining_ms(w), 0);
}

static void
a_transfer_rings_whatever_else_runs(void **state)
{
	struct fake_world *w = *state;

	call_tool(w, "c1", "routers");
	fake_pass(w, 3000);
	expect(w, "comfort work\n");
	call_tool(w, "c2", "transfer");
	fake_pass(w, 200);
	expect(w, "comfort ring\n");
	conversation_tool_result(w->c, "c2", TOOL_STATUS_BUSY, "Ocupado");
	w->lines[0] = '\0';
	fake_pass(w, 200);
	expect(w, "comfort work\n");
}

static void
the_caller_cuts_an_aside(void **state)
{
	struct fake_world *w = *state;

	call_tool(w, "c1", "routers");
	fake_pass(w, 8200);
	speak(w, "a1", CONVERSATION_TAG_ASIDE, 1000);
	fake_pass(w, 500);
	w->lines[0] = '\0';
	V.on_caller_started(0, w->c);
	expect(w, "interrupted a1 500\n");
	assert_int_equal(fake_remaining_ms(w), 0);
}

static void
an_answer_does_not_wait_for_an_aside_and_cuts_it(void **state)
{
	struct fake_world *w = *state;

	call_tool(w, "c1", "routers");
	fake_pass(w, 8200);
	speak(w, "a1", CONVERSATION_TAG_ASIDE, 3000);
	V.on_transcript(VOICE_SPEAKER_VOICE, "a1", "something else", w->c);
	V.on_utterance_done(
	    "a1", CONVERSATION_TAG_ASIDE, VOICE_END_COMPLETE, "", w->c);
	fake_pass(w, 500);
	conversation_tool_result(w->c, "c1", TOOL_STATUS_BUSY, "Ocupado");
	w->lines[0] = '\0';
	fake_pass(w, 200);
	expect(w, "prompt\n");
	fake_pass(w, 300);
	speak(w, "u1", CONVERSATION_TAG_ANSWER, 1000);
	expect(w, "interrupted a1 1000\nrecord aside {\"id\":\"a1\","
		  "\"heard_ms\":1000,\"total_ms\":3000,\"interrupted\":true,"
		  "\"heard\":\"\",\"unheard\":\"Sigo\"}\n");
	assert_int_equal(fake_remaining_ms(w), 1000);
}

/* The model said no word of its own: ours, and then the others in turn. */
static void
a_stand_in_is_the_first_sentence(void **state)
{
	struct fake_world *w = *state;

	V.on_caller_started(0, w->c);
	fake_pass(w, 1000);
	V.on_caller_stopped(w->c);
	call_tool(w, "c1", "routers");
	fake_pass(w, CONVERSATION_TOOL_WAIT_MS + 100);
	expect(w, "aside 3 Sigo\ncomfort work\n");
	hear(w, "a1", CONVERSATION_TAG_ASIDE, 1000);
	w->lines[0] = '\0';
	fake_pass(w, 5000);
	expect(w, "comfort work\naside 3 Van 8 s\n");
}

static int
refuse_aside(struct voice *voice, const char *text, int tag)
{
	(void)voice;
	(void)text;
	(void)tag;
	return -ENOTSUP;
}

static void
a_telephone_that_rings_does_not_take_its_place(void **state)
{
	struct fake_world *w = *state;

	call_tool(w, "t1", "transfer");
	V.on_caller_started(0, w->c);
	fake_pass(w, 1000);
	V.on_caller_stopped(w->c);
	call_tool(w, "c1", "routers"); /* without a word */
	fake_pass(w, 2700);
	assert_non_null(strstr(w->lines, "aside 3 Sigo\n"));
}

static void
a_voice_without_asides_says_only_the_stand_in(void **state)
{
	struct fake_world *w = *state;
	struct voice_ops ops = fake_ops;

	ops.aside = refuse_aside;
	w->voice.ops = &ops;
	V.on_caller_started(0, w->c);
	fake_pass(w, 1000);
	V.on_caller_stopped(w->c);
	call_tool(w, "c1", "plain");
	fake_pass(w, SECONDS(20));
	expect(w, "say 3 Un momento\ncomfort work\n");
	w->voice.ops = &fake_ops;
}

/* ---- what was in doubt before ----------------------------------------------- */

static void
our_words_do_not_talk_over_a_caller_who_has_begun(void **state)
{
	struct fake_world *w = *state;

	fake_pass(w, SECONDS(31));
	expect(w, "say 2 ¿Sigue ahí?\n");
	V.on_caller_started(0, w->c);
	speak(w, "s1", CONVERSATION_TAG_STILL_THERE, 1000);
	expect(w, "interrupted s1 0\n");
	assert_int_equal(fake_remaining_ms(w), 0);
	V.on_utterance_done(
	    "s1", CONVERSATION_TAG_STILL_THERE, VOICE_END_CUT, "", w->c);
	w->lines[0] = '\0';
	V.on_caller_stopped(w->c);
	speak(w, "t1", CONVERSATION_TAG_TROUBLE, 1000);
	expect_nothing(w); /* in the caller's silence it may be said */
	assert_int_equal(fake_remaining_ms(w), 1000);
}

static void
every_digit_stops_what_is_said(void **state)
{
	struct fake_world *w = *state;

	conversation_dtmf(w->c, '1');
	expect(w, "stop\n");
	conversation_dtmf(w->c, '2');
	expect_nothing(w);
	fake_pass(w, 300);
	speak(w, "u1", CONVERSATION_TAG_ANSWER, 1000);
	fake_pass(w, 200);
	conversation_dtmf(w->c, '3');
	expect(w, "interrupted u1 200\nstop\n");
	w->busy = true; /* about to say something */
	conversation_dtmf(w->c, '4');
	expect(w, "stop\n");
}

static void
no_result_is_spoken_about_between_two_digits(void **state)
{
	struct fake_world *w = *state;

	call_tool(w, "c1", "routers");
	conversation_dtmf(w->c, '1');
	conversation_tool_result(w->c, "c1", TOOL_STATUS_BUSY, "Ocupado");
	w->lines[0] = '\0';
	fake_pass(w, 1000);
	expect_nothing(w);
	conversation_dtmf(w->c, '2');
	fake_pass(w, 1700);
	assert_non_null(strstr(w->lines, "marcó: 1 2]\nprompt\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(the_sound_comes_after_its_time_and_ends_with_the_answer),
	    TEST(a_telephone_that_no_longer_rings_is_not_heard),
	    TEST(not_even_while_something_else_runs),
	    TEST(the_sound_waits_for_the_voice_to_end),
	    TEST(the_sound_ends_with_the_callers_first_word),
	    TEST(the_sound_ends_when_the_caller_dials),
	    TEST(the_sound_ends_before_the_voice_begins),
	    TEST(the_sound_ends_with_the_call),
	    TEST(the_sound_goes_on_while_another_tool_runs),
	    TEST(a_transfer_rings),
	    TEST(nothing_is_heard_when_the_settings_say_never),
	    TEST(sentences_come_in_turn),
	    TEST(real_progress_is_told_first_and_once),
	    TEST(progress_that_makes_no_sense_is_not_told),
	    TEST(the_second_tool_tells_how_it_goes),
	    TEST(a_voice_that_is_busy_is_asked_again),
	    TEST(nothing_is_said_into_a_turn),
	    TEST(an_aside_that_comes_too_late_is_not_heard),
	    TEST(an_aside_is_not_begun_when_the_answer_is_on_its_way),
	    TEST(a_transfer_rings_whatever_else_runs),
	    TEST(the_caller_cuts_an_aside),
	    TEST(an_answer_does_not_wait_for_an_aside_and_cuts_it),
	    TEST(a_stand_in_is_the_first_sentence),
	    TEST(a_telephone_that_rings_does_not_take_its_place),
	    TEST(a_voice_without_asides_says_only_the_stand_in),
	    TEST(our_words_do_not_talk_over_a_caller_who_has_begun),
	    TEST(every_digit_stops_what_is_said),
	    TEST(no_result_is_spoken_about_between_two_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
