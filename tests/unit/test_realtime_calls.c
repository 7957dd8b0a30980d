/* SPDX-License-Identifier: MIT */
/*
 * test_realtime_calls.c – the function calls of a response and their answers,
 * against a scripted service.
 */
#include "tests/unit/realtime_world.h"

#include <errno.h>

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(two_calls_run_after_the_end_and_are_answered_together),
	    TEST(calls_named_only_in_the_end_are_run_once),
	    TEST(calls_of_a_cancelled_response_are_answered_but_not_run),
	    TEST(
		the_end_too_tells_which_calls_of_a_cancelled_response_are_kept),
	    TEST(
		calls_of_a_failed_response_are_answered_before_it_is_tried_again),
	    TEST(calls_of_a_response_that_was_given_up_are_answered_once),
	    TEST(an_output_waits_for_the_end_of_a_running_response),
	    TEST(calls_that_were_complete_before_the_interruption_are_run),
	    TEST(a_call_answers_the_nudge_that_came_meanwhile),
	    TEST(results_are_never_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
