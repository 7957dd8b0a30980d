/* SPDX-License-Identifier: MIT */
/*
 * test_realtime_responses.c – the response state machine against a scripted
 * service: what is asked for, heard, cut and stopped.
 */
#include "tests/unit/realtime_world.h"

#include <errno.h>

static void
a_greeting_is_asked_for_and_becomes_an_utterance(void **state)
{
	struct world *w = *state;

	assert_int_equal(realtime_responses_say(w->rr, "Hola", 3), 0);
	expect(w, "send say\n");
	created(w, "r1", w->last_ask);
	audio(w, "r1", "i1");
	audio(w, "r1", "i1");
	expect(w, "told utterance i1 tag 3\ntold audio i1 960\n"
		  "told audio i1 960\n");
	give(w, "{'type':'response.output_audio_transcript.delta',"
		"'response_id':'r1','item_id':'i1','delta':'Ho'}");
	give(w, "{'type':'response.output_audio_transcript.done',"
		"'response_id':'r1','item_id':'i1','transcript':'Hola'}");
	done(w, "r1", "completed");
	expect(w, "told text i1 Hola\ntold done i1 tag 3 complete\n");
	assert_false(realtime_responses_is_busy(w->rr));
}

static void
only_one_response_is_asked_for_at_a_time(void **state)
{
	struct world *w = *state;

	realtime_responses_say(w->rr, "uno", 1);
	realtime_responses_say(w->rr, "dos", 2);
	realtime_responses_nudge(w->rr);
	realtime_responses_nudge(w->rr);
	expect(w, "send say\n");
	created(w, "r1", w->last_ask);
	expect(w, "");
	audio(w, "r1", "i1");
	done(w, "r1", "completed");
	expect(w, "told utterance i1 tag 1\ntold audio i1 960\n"
		  "told done i1 tag 1 complete\nsend say\n");
	created(w, "r2", w->last_ask);
	audio(w, "r2", "i2");
	done(w, "r2", "completed");
	expect(w, "told utterance i2 tag 2\ntold audio i2 960\n"
		  "told done i2 tag 2 complete\nsend ask\n");
	created(w, "r3", w->last_ask);
	done(w, "r3", "completed");
	expect(w, ""); /* the nudges were merged */
}

static void
nothing_of_an_interrupted_response_is_heard_afterwards(void **state)
{
	struct world *w = *state;
	struct realtime_responses_stats stats;

	created(w, "r1", NULL);
	audio(w, "r1", "i1");
	speech(w, "started");
	audio(w, "r1", "i1");
	audio(w, "r1", "i2");
	realtime_responses_interrupted(w->rr, "i1", 100);
	done(w, "r1", "cancelled");
	expect(w, "told utterance i1 tag 0\ntold audio i1 960\n"
		  "told caller started\nsend truncate i1 100\n"
		  "told done i1 tag 0 cut\n");
	realtime_responses_get_stats(w->rr, &stats);
	assert_int_equal(stats.late_audio, 2);
}

static void
truncation_never_exceeds_what_was_received(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	audio(w, "r1", "i1");
	done(w, "r1", "completed");
	w->lines[0] = '\0';
	realtime_responses_interrupted(w->rr, "i1", 57340);
	expect(w, "send truncate i1 120\n");
	realtime_responses_interrupted(w->rr, "unknown", 100);
	expect(w, "");
}

static void
an_item_of_which_nothing_was_heard_is_deleted(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	audio(w, "r1", "i1");
	w->lines[0] = '\0';
	speech(w, "started");
	realtime_responses_interrupted(w->rr, "i1", 0);
	expect(w, "told caller started\n"); /* not while it grows */
	done(w, "r1", "cancelled");
	expect(w, "send conversation.item.delete i1\ntold done i1 tag 0 cut\n");
}

static void
an_interrupted_response_that_goes_on_is_cancelled(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	speech(w, "started");
	later(w, REALTIME_CANCEL_MS - 1);
	expect(w, "told caller started\n");
	later(w, 1);
	expect(w, "send response.cancel r1\n");
	later(w, 100);
	expect(w, ""); /* once */
	done(w, "r1", "cancelled");
	expect(w, "");
}

static void
a_refused_cancel_means_that_nothing_runs(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	realtime_responses_stop(w->rr);
	expect(w, "send response.cancel r1\n");
	refuse(w, "response_cancel_not_active", w->last_event);
	assert_false(realtime_responses_is_busy(w->rr));
	realtime_responses_nudge(w->rr);
	expect(w, "send ask\n");
}

static void
a_collision_is_harmless_and_asked_again(void **state)
{
	struct world *w = *state;

	realtime_responses_say(w->rr, "hola", 1);
	created(w, "r1", NULL); /* automatic, although nobody spoke */
	refuse(w, "conversation_already_has_active_response", w->last_ask);
	expect(w, "send say\n");
	done(w, "r1", "completed");
	expect(w, "send say\n");
}

static void
an_automatic_response_that_wins_the_race_delays_ours(void **state)
{
	struct world *w = *state;

	speech(w, "started");
	realtime_responses_say(w->rr, "hola", 1);
	speech(w, "stopped");
	expect(w, "told caller started\nsend say\ntold caller stopped\n");
	created(w, "r1", NULL);
	audio(w, "r1", "i1");
	expect(w, "told utterance i1 tag 0\ntold audio i1 960\n");
	refuse(w, "conversation_already_has_active_response", w->last_ask);
	expect(w, "");
	done(w, "r1", "completed");
	expect(w, "told done i1 tag 0 complete\nsend say\n");
	created(w, "r2", w->last_ask);
	audio(w, "r2", "i2");
	expect(w, "told utterance i2 tag 1\ntold audio i2 960\n");
}

static void
a_text_lets_the_automatic_response_go_first(void **state)
{
	struct world *w = *state;

	speech(w, "started");
	speech(w, "stopped");
	realtime_responses_say(w->rr, "hola", 1);
	expect(w, "told caller started\ntold caller stopped\n");
	created(w, "r1", NULL);
	done(w, "r1", "completed");
	expect(w, "send say\n");
}

static void
an_automatic_response_that_is_not_wanted_any_more_is_stopped(void **state)
{
	struct world *w = *state;

	speech(w, "started");
	speech(w, "stopped");
	expect(w, "told caller started\ntold caller stopped\n");
	realtime_responses_stop(w->rr); /* before it has begun */
	realtime_responses_say(w->rr, "hola", 1);
	created(w, "r1", NULL);
	expect(w, "send response.cancel r1\n");
	audio(w, "r1", "i1");
	expect(w, "");
	done(w, "r1", "cancelled");
	expect(w, "send say\n");
	created(w, "r2", w->last_ask);
	done(w, "r2", "completed");
	/* The next turn gets its answer. */
	speech(w, "started");
	speech(w, "stopped");
	realtime_responses_stop(w->rr);
	speech(w, "started");
	speech(w, "stopped");
	w->lines[0] = '\0';
	created(w, "r3", NULL);
	expect(w, "");
}

static void
an_automatic_response_that_saw_the_output_answers_it(void **state)
{
	struct world *w = *state;

	speech(w, "started");
	realtime_responses_answer_tool(w->rr, "c1", "a");
	realtime_responses_prompt(w->rr);
	expect(w, "told caller started\nsend item function_call_output\n");
	confirm_item(w);
	speech(w, "stopped");
	later(w, 100);
	expect(w, "told caller stopped\n");
	created(w, "r1", NULL);
	done(w, "r1", "completed");
	later(w, 5000);
	expect(w, "");
}

static void
an_automatic_response_that_could_not_see_it_does_not(void **state)
{
	struct world *w = *state;

	speech(w, "started");
	realtime_responses_answer_tool(w->rr, "c1", "a");
	realtime_responses_prompt(w->rr);
	speech(w, "stopped");
	created(w, "r1", NULL);
	confirm_item(w);
	w->lines[0] = '\0';
	done(w, "r1", "completed");
	expect(w, "send ask\n");
}

static void
without_an_automatic_response_we_ask_after_a_while(void **state)
{
	struct world *w = *state;

	speech(w, "started");
	realtime_responses_answer_tool(w->rr, "c1", "a");
	realtime_responses_prompt(w->rr);
	confirm_item(w);
	speech(w, "stopped");
	w->lines[0] = '\0';
	later(w, REALTIME_AUTOMATIC_MS - 1);
	expect(w, "");
	later(w, 1);
	expect(w, "send ask\n");
}

static void
what_we_asked_for_does_not_talk_into_the_callers_words(void **state)
{
	struct world *w = *state;

	realtime_responses_nudge(w->rr);
	speech(w, "started");
	created(w, "r1", w->last_ask);
	expect(w, "send ask\ntold caller started\nsend response.cancel r1\n");
	audio(w, "r1", "i1");
	done(w, "r1", "cancelled");
	expect(w, "");
	speech(w, "stopped");
	created(w, "r2", NULL);
	audio(w, "r2", "i2");
	expect(w, "told caller stopped\ntold utterance i2 tag 0\n"
		  "told audio i2 960\n");
	done(w, "r2", "completed");
	later(w, 10000);
	expect(w, "told done i2 tag 0 complete\n");
}

static void
audio_of_unannounced_items_and_other_responses_is_dropped(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	give(w, "{'type':'response.output_item.added','response_id':'r1',"
		"'item':{'id':'i1','type':'message'}}");
	audio(w, "r1", "ghost");
	audio(w, "r9", "i1");
	audio(w, "", "i1");
	expect(w, "");
	audio(w, "r1", "i1");
	expect(w, "told utterance i1 tag 0\ntold audio i1 960\n");
}

static void
a_second_done_for_the_same_response_is_ignored(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	call_done(w, "r1", "c1");
	done(w, "r1", "completed");
	done(w, "r1", "completed");
	expect(w, "told call c1 consultar {}\n");
}

static void
stop_and_interrupt(struct world *w)
{
	realtime_responses_interrupted(w->rr, "i1", 40);
	realtime_responses_stop(w->rr);
}

static void
everything_may_be_called_from_inside_an_event(void **state)
{
	struct world *w = *state;

	w->on_caller_started = stop_and_interrupt;
	created(w, "r1", NULL);
	audio(w, "r1", "i1");
	speech(w, "started");
	done(w, "r1", "cancelled");
	expect(w, "told utterance i1 tag 0\ntold audio i1 960\n"
		  "told caller started\nsend truncate i1 40\n"
		  "send response.cancel r1\ntold done i1 tag 0 cut\n");
}

static void
the_queue_of_texts_is_bounded(void **state)
{
	struct world *w = *state;
	int err = 0;

	for (int i = 0; i < 20 && err == 0; i++)
		err = realtime_responses_say(w->rr, "x", i);
	assert_true(err < 0);
	realtime_responses_stop(w->rr);
	expect(w, "send say\n");
}

static void
what_was_stopped_is_not_tried_again(void **state)
{
	struct world *w = *state;

	realtime_responses_say(w->rr, "Un momento", 3);
	realtime_responses_stop(w->rr);
	expect(w, "send say\n");
	refuse(w, "rate_limit_exceeded", w->last_ask);
	expect(w, "told done  tag 3 cut\n");
	later(w, 30000);
	expect(w, "");
	assert_false(realtime_responses_is_busy(w->rr));
}

static void
what_was_stopped_and_never_began_is_forgotten(void **state)
{
	struct world *w = *state;

	realtime_responses_nudge(w->rr);
	realtime_responses_stop(w->rr);
	expect(w, "send ask\n");
	later(w, REALTIME_ASK_MS);
	later(w, REALTIME_ASK_MS);
	expect(w, "");
	assert_false(realtime_responses_is_busy(w->rr));
}

static void
a_nudge_after_a_stop_is_not_lost_with_what_was_stopped(void **state)
{
	struct world *w = *state;

	realtime_responses_nudge(w->rr);
	realtime_responses_stop(w->rr);
	realtime_responses_nudge(w->rr);
	created(w, "r1", w->last_ask);
	expect(w, "send ask\nsend response.cancel r1\n");
	done(w, "r1", "cancelled");
	expect(w, "send ask\n");
	created(w, "r2", w->last_ask);
	done(w, "r2", "completed");
	expect(w, "");
}

static void
audio_that_was_dropped_is_not_counted_as_sent(void **state)
{
	struct world *w = *state;

	realtime_responses_set_lead_in(w->rr, 300);
	realtime_responses_sent_audio(w->rr, 5000, false);
	realtime_responses_lost_audio(w->rr, 2000);
	/* The service has heard 3 s, the last half of which is speech. */
	give(w, "{'type':'input_audio_buffer.speech_started',"
		"'audio_start_ms':1200}");
	assert_int_equal(w->ago_ms, 1500);
	realtime_responses_lost_audio(w->rr, 9000);
	give(w, "{'type':'input_audio_buffer.speech_started',"
		"'audio_start_ms':1200}");
	assert_int_equal(w->ago_ms, 0); /* unknown, but not absurd */
}

static void
a_caller_whose_line_is_silent_does_not_speak_for_ever(void **state)
{
	struct world *w = *state;

	speech(w, "started");
	realtime_responses_answer_tool(w->rr, "c1", "a");
	confirm_item(w);
	realtime_responses_prompt(w->rr);
	later(w, REALTIME_SILENT_MS / 2);
	realtime_responses_sent_audio(w->rr, 20, false);
	w->lines[0] = '\0';
	later(w, REALTIME_SILENT_MS - 1);
	realtime_responses_sent_audio(w->rr, 20, true);
	expect(w, "");
	later(w, 1);
	expect(w, "told caller stopped\n");
	later(w, REALTIME_AUTOMATIC_MS);
	expect(w, "send ask\n"); /* the service did not answer either */
	speech(w, "stopped");    /* late */
	expect(w, "told caller stopped\n");
}

static void
a_noisy_line_does_not_speak_for_ever_either(void **state)
{
	struct world *w = *state;

	speech(w, "started");
	for (int s = 1; s < REALTIME_SPEECH_MS / 1000; s++) {
		realtime_responses_sent_audio(w->rr, 1000, false);
		later(w, 1000);
	}
	expect(w, "told caller started\n");
	later(w, 1000);
	expect(w, "told caller stopped\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_greeting_is_asked_for_and_becomes_an_utterance),
	    TEST(only_one_response_is_asked_for_at_a_time),
	    TEST(nothing_of_an_interrupted_response_is_heard_afterwards),
	    TEST(truncation_never_exceeds_what_was_received),
	    TEST(an_item_of_which_nothing_was_heard_is_deleted),
	    TEST(an_interrupted_response_that_goes_on_is_cancelled),
	    TEST(a_refused_cancel_means_that_nothing_runs),
	    TEST(a_collision_is_harmless_and_asked_again),
	    TEST(an_automatic_response_that_wins_the_race_delays_ours),
	    TEST(a_text_lets_the_automatic_response_go_first),
	    TEST(an_automatic_response_that_is_not_wanted_any_more_is_stopped),
	    TEST(an_automatic_response_that_saw_the_output_answers_it),
	    TEST(an_automatic_response_that_could_not_see_it_does_not),
	    TEST(without_an_automatic_response_we_ask_after_a_while),
	    TEST(what_we_asked_for_does_not_talk_into_the_callers_words),
	    TEST(audio_of_unannounced_items_and_other_responses_is_dropped),
	    TEST(a_second_done_for_the_same_response_is_ignored),
	    TEST(everything_may_be_called_from_inside_an_event),
	    TEST(the_queue_of_texts_is_bounded),
	    TEST(what_was_stopped_is_not_tried_again),
	    TEST(what_was_stopped_and_never_began_is_forgotten),
	    TEST(a_nudge_after_a_stop_is_not_lost_with_what_was_stopped),
	    TEST(audio_that_was_dropped_is_not_counted_as_sent),
	    TEST(a_caller_whose_line_is_silent_does_not_speak_for_ever),
	    TEST(a_noisy_line_does_not_speak_for_ever_either),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
