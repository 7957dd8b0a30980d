/* SPDX-License-Identifier: MIT */
/*
 * test_realtime_responses.c – the response state machine against a scripted
 * service.
 */
#include "tests/unit/realtime_world.h"

#include <errno.h>

/* ---- tests ------------------------------------------------------------- */

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
two_calls_run_after_the_end_and_are_answered_together(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	call_done(w, "r1", "c1");
	call_done(w, "r1", "c2");
	expect(w, "");
	done(w, "r1", "completed");
	expect(w, "told call c1 consultar {}\ntold call c2 consultar {}\n");
	realtime_responses_answer_tool(w->rr, "c1", "a");
	expect(w, "send item function_call_output\n");
	confirm_item(w);
	realtime_responses_answer_tool(w->rr, "c2", "b");
	realtime_responses_prompt(w->rr);
	realtime_responses_prompt(w->rr);
	expect(w, "send item function_call_output\nsend ask\n");
	confirm_item(w);
	created(w, "r2", w->last_ask);
	done(w, "r2", "completed");
	realtime_responses_prompt(w->rr); /* it has spoken about both */
	expect(w, "");
}

static void
calls_named_only_in_the_end_are_run_once(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	call_done(w, "r1", "c1");
	give(w,
	    "{'type':'response.done','response':{'id':'r1','status':"
	    "'completed','output':[{'type':'function_call','status':"
	    "'completed','call_id':'c1','name':'consultar','arguments':'{}'},"
	    "{'type':'function_call','status':'completed','call_id':'c2',"
	    "'name':'otra','arguments':'{}'},{'type':'function_call',"
	    "'status':'incomplete','call_id':'c3','name':'x',"
	    "'arguments':'{'}]}}");
	expect(w, "told call c1 consultar {}\ntold call c2 otra {}\n");
}

/* The item of CALL is done, and in the conversation. */
static void
call_item_done(
    struct world *w, const char *response, const char *call, const char *status)
{
	give(w,
	    "{'type':'response.output_item.done','response_id':'%s',"
	    "'output_index':0,'item':{'id':'fc','type':'function_call',"
	    "'status':'%s','call_id':'%s','name':'consultar',"
	    "'arguments':'{}'}}",
	    response, status, call);
}

static void
calls_of_a_cancelled_response_are_answered_but_not_run(void **state)
{
	struct world *w = *state;
	struct realtime_responses_stats stats;

	created(w, "r1", NULL);
	call_done(w, "r1", "c1");
	call_item_done(w, "r1", "c1", "completed");
	call_done(w, "r1", "c2"); /* comes for what is broken off as well */
	call_item_done(w, "r1", "c2", "incomplete");
	speech(w, "started");
	done(w, "r1", "cancelled");
	expect(w, "told caller started\ntold cut call c1 consultar {}\n");
	realtime_responses_answer_tool(w->rr, "c1", "not run");
	expect(w, "send item function_call_output\n");
	done(w, "r1", "cancelled"); /* twice */
	expect(w, "");
	realtime_responses_get_stats(w->rr, &stats);
	assert_int_equal(stats.dropped_calls, 1);
}

#define CALL_OUTPUT(status)                                                    \
	"{'type':'response.done','response':{'id':'r1','status':'" status      \
	"','output':[{'type':'function_call','status':'completed',"            \
	"'call_id':'c1','name':'consultar','arguments':'{}'},{'type':"         \
	"'function_call','status':'incomplete','call_id':'c2','name':"         \
	"'consultar','arguments':'{'}]}}"

static void
the_end_too_tells_which_calls_of_a_cancelled_response_are_kept(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	call_done(w, "r1", "c1");
	call_done(w, "r1", "c2");
	speech(w, "started");
	give(w, CALL_OUTPUT("cancelled"));
	expect(w, "told caller started\ntold cut call c1 consultar {}\n");
}

static void
calls_of_a_failed_response_are_answered_before_it_is_tried_again(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	call_done(w, "r1", "c1");
	call_item_done(w, "r1", "c1", "completed");
	failed(w, "r1", "server_error");
	expect(w, "told cut call c1 consultar {}\n");
	realtime_responses_answer_tool(w->rr, "c1", "not run");
	expect(w, "send item function_call_output\n");
	later(w, REALTIME_RETRY_MS);
	expect(w, "send ask\n");
}

static void
calls_of_a_response_that_was_given_up_are_answered_once(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	call_done(w, "r1", "c1");
	speech(w, "started");
	speech(w, "stopped");
	later(w, REALTIME_CANCEL_MS);
	expect(w, "told caller started\ntold caller stopped\n"
		  "send response.cancel r1\n");
	later(w, REALTIME_CANCELLED_MS);
	expect(w, ""); /* whether c1 is kept is not known */
	give(w, CALL_OUTPUT("completed"));
	expect(w, "told cut call c1 consultar {}\n");
	give(w, CALL_OUTPUT("completed"));
	expect(w, "");
}

static void
an_output_waits_for_the_end_of_a_running_response(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	realtime_responses_answer_tool(w->rr, "c1", "a");
	realtime_responses_prompt(w->rr);
	expect(w, "");
	done(w, "r1", "completed");
	expect(w, "send item function_call_output\nsend ask\n");
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
a_rate_limit_is_waited_out_and_bounded(void **state)
{
	struct world *w = *state;

	realtime_responses_nudge(w->rr);
	for (unsigned i = 0; i < REALTIME_RATE_LIMIT_RETRIES; i++) {
		created(w, "r1", w->last_ask);
		failed(w, "r1", "rate_limit_exceeded");
		expect(w, "send ask\n");
		later(w, (uint64_t)(REALTIME_RATE_LIMIT_MS << i) - 1);
		expect(w, "");
		later(w, 1);
	}
	created(w, "r1", w->last_ask);
	failed(w, "r1", "rate_limit_exceeded");
	expect(w, "send ask\ntold fault rate_limit\n");
	later(w, 60000);
	expect(w, "");
}

static void
a_server_error_is_tried_once_more(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	failed(w, "r1", "server_error");
	expect(w, "");
	later(w, REALTIME_RETRY_MS);
	expect(w, "send ask\n");
	created(w, "r2", w->last_ask);
	failed(w, "r2", "server_error");
	expect(w, "told fault server\n");
}

static void
a_text_that_cannot_be_said_is_reported_as_such(void **state)
{
	struct world *w = *state;

	realtime_responses_say(w->rr, "adiós", 5);
	created(w, "r1", w->last_ask);
	failed(w, "r1", "server_error");
	later(w, REALTIME_RETRY_MS);
	expect(w, "send say\nsend say\n");
	created(w, "r2", w->last_ask);
	failed(w, "r2", "server_error");
	expect(w, "told done  tag 5 failed\n");
}

static void
an_empty_account_ends_the_session(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	failed(w, "r1", "insufficient_quota");
	expect(w, "told fault quota fatal\n");
	realtime_responses_nudge(w->rr);
	expect(w, "");
}

static void
a_withheld_answer_is_not_tried_again(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	give(w, "{'type':'response.done','response':{'id':'r1','status':"
		"'incomplete','status_details':{'type':'incomplete','reason':"
		"'content_filter'},'output':[]}}");
	expect(w, "told fault content\n");
	later(w, 10000);
	expect(w, "");
}

static void
an_answer_cut_by_its_token_limit_counts_as_said(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	audio(w, "r1", "i1");
	give(w, "{'type':'response.done','response':{'id':'r1','status':"
		"'incomplete','status_details':{'type':'incomplete','reason':"
		"'max_output_tokens'},'output':[]}}");
	later(w, 10000);
	expect(w, "told utterance i1 tag 0\ntold audio i1 960\n"
		  "told done i1 tag 0 complete\n");
}

static void
a_response_without_an_end_is_given_up(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	later(w, REALTIME_BEGIN_MS - 1);
	expect(w, ""); /* it may think */
	later(w, 1);
	expect(w, "send response.cancel r1\n");
	later(w, REALTIME_CANCELLED_MS);
	later(w, REALTIME_RETRY_MS);
	expect(w, "send ask\n"); /* the caller waits for it */
	created(w, "r2", w->last_ask);
	later(w, REALTIME_BEGIN_MS);
	later(w, REALTIME_CANCELLED_MS);
	expect(w, "send response.cancel r2\ntold fault timeout\n");
	assert_false(realtime_responses_is_busy(w->rr));
}

static void
an_answer_that_stalls_in_the_middle_is_asked_for_again(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	audio(w, "r1", "i1");
	w->lines[0] = '\0';
	later(w, REALTIME_STALL_MS - 1);
	expect(w, "");
	later(w, 1);
	audio(w, "r1", "i1"); /* heard, although it comes late */
	done(w, "r1", "cancelled");
	expect(w, "send response.cancel r1\ntold audio i1 960\n"
		  "told done i1 tag 0 failed\n");
	later(w, REALTIME_RETRY_MS);
	expect(w, "send ask\n");
}

static void
a_stalled_answer_that_the_caller_interrupts_is_not(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	audio(w, "r1", "i1");
	later(w, REALTIME_STALL_MS);
	w->lines[0] = '\0';
	speech(w, "started");
	done(w, "r1", "cancelled");
	later(w, REALTIME_RETRY_MS);
	expect(w, "told caller started\ntold done i1 tag 0 cut\n");
	assert_false(realtime_responses_is_busy(w->rr));
}

static void
a_stalled_answer_that_is_complete_after_all_counts(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	audio(w, "r1", "i1");
	later(w, REALTIME_STALL_MS);
	w->lines[0] = '\0';
	done(w, "r1", "completed");
	refuse(w, "response_cancel_not_active", w->last_event);
	later(w, REALTIME_RETRY_MS);
	expect(w, "told done i1 tag 0 complete\n");
}

static void
the_arguments_of_a_call_are_progress(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	for (int i = 0; i < 10; i++) {
		give(w, "{'type':'response.function_call_arguments.delta',"
			"'response_id':'r1','item_id':'fc','call_id':'c1',"
			"'delta':'{'}");
		later(w, REALTIME_STALL_MS - 1);
	}
	expect(w, "");
	later(w, 1);
	expect(w, "send response.cancel r1\n");
}

static void
a_long_answer_that_still_comes_is_not_cut(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	for (int i = 0; i < 20; i++) {
		audio(w, "r1", "i1");
		w->lines[0] = '\0';
		later(w, REALTIME_STALL_MS - 1);
		expect(w, "");
	}
}

static void
a_create_without_any_answer_is_tried_again(void **state)
{
	struct world *w = *state;

	realtime_responses_nudge(w->rr);
	later(w, REALTIME_ASK_MS);
	later(w, REALTIME_RETRY_MS);
	expect(w, "send ask\nsend ask\n");
	later(w, REALTIME_ASK_MS);
	expect(w, "told fault timeout\n");
}

static void
harmless_errors_change_nothing(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	refuse(w, "item_truncate_invalid_item_id", "cut-7");
	refuse(w, "unsupported_content_type", "cut-8");
	refuse(w, "invalid_value", "cut-9");
	refuse(w, "response_cancel_not_active", NULL);
	audio(w, "r1", "i1");
	expect(w, "told utterance i1 tag 0\ntold audio i1 960\n");
}

static void
a_refused_item_does_not_block_the_next_answer(void **state)
{
	struct world *w = *state;

	realtime_responses_answer_tool(w->rr, "c1", "a");
	refuse(w, "invalid_tool_call_id", w->last_event);
	realtime_responses_prompt(w->rr);
	expect(w, "send item function_call_output\nsend ask\n");
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
calls_that_were_complete_before_the_interruption_are_run(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	call_done(w, "r1", "c1");
	speech(w, "started"); /* on its way when the response ended */
	done(w, "r1", "completed");
	expect(w, "told caller started\ntold call c1 consultar {}\n");
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
a_call_answers_the_nudge_that_came_meanwhile(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	realtime_responses_nudge(w->rr); /* it takes long */
	call_done(w, "r1", "c1");
	done(w, "r1", "completed");
	expect(
	    w, "told call c1 consultar {}\n"); /* no word before the result */
	realtime_responses_answer_tool(w->rr, "c1", "a");
	realtime_responses_prompt(w->rr);
	expect(w, "send item function_call_output\nsend ask\n");
}

static void
an_error_without_an_id_is_of_the_only_thing_asked_for(void **state)
{
	struct world *w = *state;

	realtime_responses_nudge(w->rr);
	refuse(w, "invalid_value", NULL);
	later(w, REALTIME_RETRY_MS);
	expect(w, "send ask\nsend ask\n"); /* not after 10 s */
	refuse(w, "invalid_value", NULL);
	expect(w, "told fault protocol\n");
}

static void
an_error_without_an_id_is_of_the_only_item(void **state)
{
	struct world *w = *state;

	realtime_responses_answer_tool(w->rr, "c1", "a");
	refuse(w, "invalid_value", NULL);
	/* Else a later automatic response would not count as an answer. */
	created(w, "r1", NULL);
	assert_false(realtime_responses_prompt(w->rr));
}

static void
an_error_that_may_be_about_two_things_is_of_none(void **state)
{
	struct world *w = *state;

	realtime_responses_answer_tool(w->rr, "c1", "a");
	realtime_responses_prompt(w->rr);
	refuse(w, "invalid_value", NULL); /* the item, or the asking */
	later(w, REALTIME_RETRY_MS);
	expect(w, "send item function_call_output\nsend ask\n");
	refuse(w, "invalid_tool_call_id", NULL); /* the item, by its code */
	later(w, REALTIME_RETRY_MS);
	expect(w, "");
	refuse(w, "server_error", NULL); /* now it is the asking */
	later(w, REALTIME_RETRY_MS);
	expect(w, "send ask\n");
}

static void
an_error_after_a_cut_may_be_about_the_cut(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	audio(w, "r1", "i1");
	done(w, "r1", "completed");
	realtime_responses_interrupted(w->rr, "i1", 40);
	realtime_responses_nudge(w->rr);
	w->lines[0] = '\0';
	refuse(w, "invalid_value", NULL);
	later(w, REALTIME_RETRY_MS);
	expect(w, "");
	refuse(w, "rate_limit_exceeded", NULL); /* a cut has none */
	later(w, REALTIME_RATE_LIMIT_MS);
	expect(w, "send ask\n");
}

static void
a_refused_cancel_without_an_id_ends_what_was_cancelled(void **state)
{
	struct world *w = *state;

	created(w, "r1", NULL);
	realtime_responses_stop(w->rr);
	refuse(w, "response_cancel_not_active", NULL);
	expect(w, "send response.cancel r1\n");
	assert_false(realtime_responses_is_busy(w->rr));
}

static void
an_error_without_an_id_may_be_the_asides(void **state)
{
	struct world *w = *state;

	assert_int_equal(realtime_responses_aside(w->rr, "Sigo", 7), 0);
	refuse(w, "server_error", NULL);
	expect(w, "send aside\ntold done  tag 7 failed\n");
	assert_int_equal(realtime_responses_aside(w->rr, "Sigo", 8), 0);
	realtime_responses_nudge(w->rr);
	refuse(w, "server_error", NULL); /* of which? */
	expect(w, "send aside\nsend ask\n");
}

static void
results_are_never_too_many(void **state)
{
	struct world *w = *state;
	int ret = 0;

	created(w, "r1", NULL); /* while it runs, all wait */
	for (int i = 0; i < 200 && ret == 0; i++)
		ret = realtime_responses_add_text(w->rr, "1");
	assert_int_equal(ret, -ENOBUFS); /* digits are */
	for (int i = 0; i < 200; i++)
		assert_int_equal(
		    realtime_responses_answer_tool(w->rr, "c", "a"), 0);
	w->lines[0] = '\0';
	done(w, "r1", "completed");
	for (char *p = w->lines;
	     (p = strstr(p, "function_call_output")) != NULL; p++)
		ret++;
	assert_int_equal(ret, -ENOBUFS + 200);
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
	    TEST(two_calls_run_after_the_end_and_are_answered_together),
	    TEST(calls_named_only_in_the_end_are_run_once),
	    TEST(calls_of_a_cancelled_response_are_answered_but_not_run),
	    TEST(
		the_end_too_tells_which_calls_of_a_cancelled_response_are_kept),
	    TEST(
		calls_of_a_failed_response_are_answered_before_it_is_tried_again),
	    TEST(calls_of_a_response_that_was_given_up_are_answered_once),
	    TEST(an_output_waits_for_the_end_of_a_running_response),
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
	    TEST(a_rate_limit_is_waited_out_and_bounded),
	    TEST(a_server_error_is_tried_once_more),
	    TEST(a_text_that_cannot_be_said_is_reported_as_such),
	    TEST(an_empty_account_ends_the_session),
	    TEST(a_withheld_answer_is_not_tried_again),
	    TEST(an_answer_cut_by_its_token_limit_counts_as_said),
	    TEST(a_response_without_an_end_is_given_up),
	    TEST(an_answer_that_stalls_in_the_middle_is_asked_for_again),
	    TEST(a_stalled_answer_that_the_caller_interrupts_is_not),
	    TEST(a_stalled_answer_that_is_complete_after_all_counts),
	    TEST(the_arguments_of_a_call_are_progress),
	    TEST(a_long_answer_that_still_comes_is_not_cut),
	    TEST(a_create_without_any_answer_is_tried_again),
	    TEST(harmless_errors_change_nothing),
	    TEST(a_refused_item_does_not_block_the_next_answer),
	    TEST(audio_of_unannounced_items_and_other_responses_is_dropped),
	    TEST(a_second_done_for_the_same_response_is_ignored),
	    TEST(everything_may_be_called_from_inside_an_event),
	    TEST(the_queue_of_texts_is_bounded),
	    TEST(calls_that_were_complete_before_the_interruption_are_run),
	    TEST(what_was_stopped_is_not_tried_again),
	    TEST(what_was_stopped_and_never_began_is_forgotten),
	    TEST(a_nudge_after_a_stop_is_not_lost_with_what_was_stopped),
	    TEST(a_call_answers_the_nudge_that_came_meanwhile),
	    TEST(an_error_without_an_id_is_of_the_only_thing_asked_for),
	    TEST(an_error_without_an_id_is_of_the_only_item),
	    TEST(an_error_that_may_be_about_two_things_is_of_none),
	    TEST(an_error_after_a_cut_may_be_about_the_cut),
	    TEST(a_refused_cancel_without_an_id_ends_what_was_cancelled),
	    TEST(an_error_without_an_id_may_be_the_asides),
	    TEST(results_are_never_too_many),
	    TEST(audio_that_was_dropped_is_not_counted_as_sent),
	    TEST(a_caller_whose_line_is_silent_does_not_speak_for_ever),
	    TEST(a_noisy_line_does_not_speak_for_ever_either),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
