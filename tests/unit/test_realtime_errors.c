/* SPDX-License-Identifier: MIT */
/*
 * test_realtime_errors.c – responses that fail, stall or are refused, against a
 * scripted service.
 */
#include "tests/unit/realtime_world.h"

#include <errno.h>

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
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
	    TEST(an_error_without_an_id_is_of_the_only_thing_asked_for),
	    TEST(an_error_without_an_id_is_of_the_only_item),
	    TEST(an_error_that_may_be_about_two_things_is_of_none),
	    TEST(an_error_after_a_cut_may_be_about_the_cut),
	    TEST(a_refused_cancel_without_an_id_ends_what_was_cancelled),
	    TEST(an_error_without_an_id_may_be_the_asides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
