/* SPDX-License-Identifier: MIT */
/*
 * test_realtime_asides.c – a text said beside the conversation, with all that
 * can overtake it, against a scripted service.
 */
#include "callworker/realtime_asides.h"

#include "tests/unit/realtime_world.h"

#include <errno.h>

enum {
	TAG = 7
};

static int
aside(struct world *w)
{
	return realtime_responses_aside(w->rr, "Sigo con ello", TAG);
}

/* Asked for, begun, and its first audio is here. */
static void
begin_aside(struct world *w)
{
	assert_int_equal(aside(w), 0);
	created(w, "a1", w->last_aside);
	audio(w, "a1", "ia");
	expect(w, "send aside\ntold utterance ia tag 7\n"
		  "told audio ia 960\n");
}

static void
an_aside_becomes_an_utterance_and_is_paid_for(void **state)
{
	struct world *w = *state;

	begin_aside(w);
	assert_false(realtime_responses_is_busy(w->rr));
	give(w, "{'type':'response.output_audio_transcript.delta',"
		"'response_id':'a1','item_id':'ia','delta':'Sigo'}");
	give(w, "{'type':'response.output_audio_transcript.done',"
		"'response_id':'a1','item_id':'ia','transcript':"
		"'Sigo con ello'}");
	done(w, "a1", "completed");
	expect(w, "told text ia Sigo con ello\ntold done ia tag 7 complete\n");
	assert_int_equal(w->usages, 1);
	assert_int_equal(aside(w), 0); /* the next one */
}

static void
there_is_one_aside_at_a_time(void **state)
{
	struct world *w = *state;

	assert_int_equal(aside(w), 0);
	assert_int_equal(aside(w), -EBUSY);
	created(w, "a1", w->last_aside);
	assert_int_equal(aside(w), -EBUSY);
	realtime_responses_stop(w->rr);
	assert_int_equal(aside(w), -EBUSY); /* until it has ended */
	done(w, "a1", "cancelled");
	assert_int_equal(aside(w), 0);
}

static void
an_aside_waits_for_the_voice_and_for_the_caller(void **state)
{
	struct world *w = *state;

	realtime_responses_nudge(w->rr);
	assert_int_equal(aside(w), -EBUSY); /* asked */
	created(w, "r1", w->last_ask);
	assert_int_equal(aside(w), -EBUSY); /* runs */
	done(w, "r1", "completed");
	speech(w, "started");
	assert_int_equal(aside(w), -EBUSY);
	speech(w, "stopped");
	assert_int_equal(aside(w), -EBUSY); /* the service will answer */
	later(w, REALTIME_AUTOMATIC_MS);
	assert_int_equal(aside(w), 0);
}

static void
an_aside_delays_no_response(void **state)
{
	struct world *w = *state;

	assert_int_equal(aside(w), 0);
	realtime_responses_nudge(w->rr);
	expect(w, "send aside\nsend ask\n");
	created(w, "a1", w->last_aside);
	audio(w, "a1", "ia");
	created(w, "r1", w->last_ask);
	expect(w, "told utterance ia tag 7\ntold audio ia 960\n");
	done(w, "a1", "completed");
	done(w, "r1", "completed");
	realtime_responses_nudge(w->rr);
	expect(w, "told done ia tag 7 complete\nsend ask\n");
}

static void
an_aside_does_not_hold_back_the_result_of_a_tool(void **state)
{
	struct world *w = *state;

	begin_aside(w);
	realtime_responses_answer_tool(w->rr, "c1", "a");
	confirm_item(w);
	realtime_responses_prompt(w->rr);
	expect(w, "send item function_call_output\nsend ask\n");
}

static void
the_created_of_either_may_come_first(void **state)
{
	struct world *w = *state;

	assert_int_equal(aside(w), 0);
	realtime_responses_say(w->rr, "hola", 1);
	created(w, "r1", w->last_ask);
	created(w, "a1", w->last_aside);
	w->lines[0] = '\0';
	audio(w, "a1", "ia");
	audio(w, "r1", "i1");
	expect(w, "told utterance ia tag 7\ntold audio ia 960\n"
		  "send response.cancel a1\n"
		  "told utterance i1 tag 1\ntold audio i1 960\n");
}

static void
an_automatic_response_is_not_taken_for_the_aside(void **state)
{
	struct world *w = *state;

	assert_int_equal(aside(w), 0);
	created(w, "r1", NULL);
	call_done(w, "r1", "c1");
	done(w, "r1", "completed");
	expect(w, "send aside\ntold call c1 consultar {}\n");
	created(w, "a1", w->last_aside);
	audio(w, "a1", "ia");
	expect(w, "told utterance ia tag 7\ntold audio ia 960\n");
}

static void
without_metadata_its_lack_of_a_conversation_tells(void **state)
{
	struct world *w = *state;

	assert_int_equal(aside(w), 0);
	give(w, "{'type':'response.created','response':{'id':'r1',"
		"'conversation_id':'conv_1','metadata':null}}");
	give(w, "{'type':'response.created','response':{'id':'a1',"
		"'conversation_id':null,'metadata':null}}");
	w->lines[0] = '\0';
	audio(w, "a1", "ia");
	done(w, "a1", "completed");
	audio(w, "r1", "i1");
	expect(w, "told utterance ia tag 7\ntold audio ia 960\n"
		  "told done ia tag 7 complete\n"
		  "told utterance i1 tag 0\ntold audio i1 960\n");
}

static void
the_answer_cuts_the_aside_and_late_audio_is_dropped(void **state)
{
	struct world *w = *state;
	struct realtime_responses_stats stats;

	begin_aside(w);
	created(w, "r1", NULL);
	expect(w, ""); /* it may think for long */
	audio(w, "r1", "i1");
	audio(w, "a1", "ia");
	expect(w, "send response.cancel a1\n"
		  "told utterance i1 tag 0\ntold audio i1 960\n");
	done(w, "a1", "cancelled");
	audio(w, "a1", "ia");
	audio(w, "r1", "i1");
	expect(w, "told done ia tag 7 cut\ntold audio i1 960\n");
	realtime_responses_get_stats(w->rr, &stats);
	assert_int_equal(stats.late_audio, 2);
}

static void
the_caller_cuts_the_aside_which_is_no_item(void **state)
{
	struct world *w = *state;

	begin_aside(w);
	speech(w, "started");
	realtime_responses_interrupted(w->rr, "ia", 60);
	expect(w, "send response.cancel a1\ntold caller started\n");
	done(w, "a1", "completed"); /* the end was on its way */
	expect(w, "told done ia tag 7 cut\n");
	realtime_responses_interrupted(w->rr, "ia", 60);
	expect(w, ""); /* neither truncated nor deleted */
}

static void
the_listener_may_refuse_an_aside_as_it_begins(void **state)
{
	struct world *w = *state;

	begin_aside(w);
	realtime_responses_interrupted(w->rr, "ia", 0);
	audio(w, "a1", "ia");
	expect(w, "send response.cancel a1\n");
	done(w, "a1", "cancelled");
	expect(w, "told done ia tag 7 cut\n");
}

static void
an_aside_cut_before_it_has_an_id_is_cancelled_then(void **state)
{
	struct world *w = *state;

	assert_int_equal(aside(w), 0);
	speech(w, "started");
	expect(w, "send aside\ntold caller started\n");
	created(w, "a1", w->last_aside);
	audio(w, "a1", "ia");
	expect(w, "send response.cancel a1\n");
	done(w, "a1", "cancelled");
	expect(w, "told done  tag 7 cut\n");
}

static void
a_refused_cancel_ends_the_aside_once(void **state)
{
	struct world *w = *state;

	begin_aside(w);
	realtime_responses_stop(w->rr);
	expect(w, "send response.cancel a1\n");
	refuse(w, "response_cancel_not_active", w->last_event);
	expect(w, "told done ia tag 7 cut\n");
	refuse(w, "response_cancel_not_active", w->last_event);
	expect(w, "");
}

static void
a_cancel_that_crosses_the_end_changes_nothing(void **state)
{
	struct world *w = *state;

	begin_aside(w);
	realtime_responses_stop(w->rr);
	done(w, "a1", "completed");
	w->lines[0] = '\0';
	realtime_responses_nudge(w->rr);
	created(w, "r1", w->last_ask);
	audio(w, "r1", "i1");
	refuse(w, "response_cancel_not_active", "hush-2");
	audio(w, "r1", "i1");
	expect(w, "send ask\ntold utterance i1 tag 0\ntold audio i1 960\n"
		  "told audio i1 960\n");
}

static void
a_refused_aside_fails_in_silence(void **state)
{
	struct world *w = *state;

	assert_int_equal(aside(w), 0);
	refuse(w, "rate_limit_exceeded", w->last_aside);
	expect(w, "send aside\ntold done  tag 7 failed\n");
	later(w, 60000);
	expect(w, ""); /* neither tried again nor a fault */
	realtime_responses_nudge(w->rr);
	expect(w, "send ask\n"); /* and it makes no answer wait */
}

static void
a_failed_aside_is_no_fault(void **state)
{
	struct world *w = *state;

	assert_int_equal(aside(w), 0);
	created(w, "a1", w->last_aside);
	failed(w, "a1", "insufficient_quota");
	expect(w, "send aside\ntold done  tag 7 failed\n");
	later(w, 60000);
	expect(w, "");
}

static void
an_aside_without_audio_has_failed(void **state)
{
	struct world *w = *state;

	assert_int_equal(aside(w), 0);
	created(w, "a1", w->last_aside);
	done(w, "a1", "completed");
	expect(w, "send aside\ntold done  tag 7 failed\n");
}

static void
function_calls_of_an_aside_are_nobodys(void **state)
{
	struct world *w = *state;

	begin_aside(w);
	call_done(w, "a1", "c1");
	give(w,
	    "{'type':'response.done','response':{'id':'a1','status':"
	    "'completed','output':[{'type':'function_call','status':"
	    "'completed','call_id':'c2','name':'otra','arguments':'{}'}]}}");
	expect(w, "told done ia tag 7 complete\n");
}

static void
only_one_item_of_an_aside_is_spoken(void **state)
{
	struct world *w = *state;

	assert_int_equal(aside(w), 0);
	created(w, "a1", w->last_aside);
	give(w, "{'type':'response.output_item.added','response_id':'a1',"
		"'item':{'id':'fc','type':'function_call'}}");
	give(w, "{'type':'response.output_item.added','response_id':'a1',"
		"'item':{'id':'ia','type':'message'}}");
	audio(w, "a1", "ghost");
	audio(w, "a1", "ia");
	expect(w, "send aside\ntold utterance ia tag 7\n"
		  "told audio ia 960\n");
}

static void
an_aside_that_nobody_begins_is_forgotten_and_cancelled_when_late(void **state)
{
	struct world *w = *state;

	assert_int_equal(aside(w), 0);
	later(w, REALTIME_ASIDE_MS - 1);
	expect(w, "send aside\n");
	later(w, 1);
	expect(w, "told done  tag 7 failed\n");
	created(w, "a1", "aside-1");
	audio(w, "a1", "ia");
	expect(w, "send response.cancel a1\n");
	done(w, "a1", "cancelled");
	done(w, "a1", "cancelled");
	expect(w, "");
	assert_int_equal(w->usages, 1);
}

static void
a_late_aside_does_not_disturb_the_next_one(void **state)
{
	struct world *w = *state;

	assert_int_equal(aside(w), 0);
	later(w, REALTIME_ASIDE_MS);
	assert_int_equal(aside(w), 0);
	w->lines[0] = '\0';
	created(w, "a1", "aside-1");
	created(w, "a2", w->last_aside);
	audio(w, "a1", "i1");
	audio(w, "a2", "i2");
	done(w, "a1", "cancelled");
	done(w, "a2", "completed");
	expect(w, "send response.cancel a1\n"
		  "told utterance i2 tag 7\ntold audio i2 960\n"
		  "told done i2 tag 7 complete\n");
	assert_int_equal(w->usages, 2);
}

static void
an_aside_that_stalls_is_cut(void **state)
{
	struct world *w = *state;

	begin_aside(w);
	later(w, REALTIME_ASIDE_MS);
	expect(w, "send response.cancel a1\n");
	later(w, REALTIME_HUSHED_MS - 1);
	expect(w, "");
	later(w, 1);
	expect(w, "told done ia tag 7 failed\n");
	done(w, "a1", "cancelled"); /* it comes after all */
	expect(w, "");
	assert_int_equal(w->usages, 1);
}

static void
an_end_without_a_beginning_ends_the_aside(void **state)
{
	struct world *w = *state;

	assert_int_equal(aside(w), 0);
	give(w,
	    "{'type':'response.done','response':{'id':'a1','status':"
	    "'completed','metadata':{'ask':'%s'}}}",
	    w->last_aside);
	expect(w, "send aside\ntold done  tag 7 failed\n");
	assert_int_equal(w->usages, 1);
}

static void
hush_and_stop(struct world *w)
{
	realtime_responses_interrupted(w->rr, "ia", 20);
	realtime_responses_stop(w->rr);
	assert_int_equal(aside(w), -EBUSY);
}

static void
everything_may_be_called_from_inside_an_event(void **state)
{
	struct world *w = *state;

	begin_aside(w);
	w->on_caller_started = hush_and_stop;
	speech(w, "started");
	done(w, "a1", "cancelled");
	expect(w, "send response.cancel a1\ntold caller started\n"
		  "told done ia tag 7 cut\n");
}

static void
after_the_session_there_is_no_aside(void **state)
{
	struct world *w = *state;

	begin_aside(w);
	created(w, "r1", NULL);
	failed(w, "r1", "insufficient_quota");
	expect(w, "told fault quota fatal\n");
	audio(w, "a1", "ia");
	later(w, 60000);
	expect(w, "");
	assert_int_equal(aside(w), -ENOTCONN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(an_aside_becomes_an_utterance_and_is_paid_for),
	    TEST(there_is_one_aside_at_a_time),
	    TEST(an_aside_waits_for_the_voice_and_for_the_caller),
	    TEST(an_aside_delays_no_response),
	    TEST(an_aside_does_not_hold_back_the_result_of_a_tool),
	    TEST(the_created_of_either_may_come_first),
	    TEST(an_automatic_response_is_not_taken_for_the_aside),
	    TEST(without_metadata_its_lack_of_a_conversation_tells),
	    TEST(the_answer_cuts_the_aside_and_late_audio_is_dropped),
	    TEST(the_caller_cuts_the_aside_which_is_no_item),
	    TEST(the_listener_may_refuse_an_aside_as_it_begins),
	    TEST(an_aside_cut_before_it_has_an_id_is_cancelled_then),
	    TEST(a_refused_cancel_ends_the_aside_once),
	    TEST(a_cancel_that_crosses_the_end_changes_nothing),
	    TEST(a_refused_aside_fails_in_silence),
	    TEST(a_failed_aside_is_no_fault),
	    TEST(an_aside_without_audio_has_failed),
	    TEST(function_calls_of_an_aside_are_nobodys),
	    TEST(only_one_item_of_an_aside_is_spoken),
	    TEST(
		an_aside_that_nobody_begins_is_forgotten_and_cancelled_when_late),
	    TEST(a_late_aside_does_not_disturb_the_next_one),
	    TEST(an_aside_that_stalls_is_cut),
	    TEST(an_end_without_a_beginning_ends_the_aside),
	    TEST(everything_may_be_called_from_inside_an_event),
	    TEST(after_the_session_there_is_no_aside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
