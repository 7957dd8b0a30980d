/* SPDX-License-Identifier: MIT */
/*
 * realtime_endings.c – what the end of a response means: calls to be run,
 * utterances complete or cut, failures to be retried or reported.
 *
 * Invariant: the response is taken out of the state before the first event is
 * emitted, so that whatever the listener calls finds no response running.
 */
#include "callworker/realtime_responses_impl.h"

#include "callworker/realtime_faults.h"
#include "common/json.h"
#include "common/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
realtime_active_clear(struct realtime_active *run)
{
	realtime_calls_clear(run);
	realtime_order_drop(&run->order);
	memset(run, 0, sizeof(*run));
}

/* ---- failures --------------------------------------------------------- */

/* How long to wait before the next attempt, or -1: give up. */
static int64_t
retry_delay(const struct realtime_responses *rr, enum voice_fault fault)
{
	uint32_t wait;

	if (fault == VOICE_FAULT_CONTENT)
		return -1;
	if (fault != VOICE_FAULT_RATE_LIMIT) {
		if (rr->attempts >= REALTIME_RETRIES)
			return -1;
		return REALTIME_RETRY_MS;
	}
	if (rr->attempts >= REALTIME_RATE_LIMIT_RETRIES)
		return -1;
	wait = (uint32_t)REALTIME_RATE_LIMIT_MS << rr->attempts;
	if (wait < rr->limit_reset_ms)
		wait = rr->limit_reset_ms;
	if (wait > REALTIME_RATE_LIMIT_MAX_MS)
		wait = REALTIME_RATE_LIMIT_MAX_MS;
	return wait;
}

static void
report_fatal(
    struct realtime_responses *rr, enum voice_fault fault, const char *detail)
{
	if (rr->over)
		return;
	rr->over = true;
	rr->config.events->on_fault(fault, detail, true, rr->config.events_arg);
}

/* Nothing was said, nothing will be: whoever waits for it is told. */
static void
report_failure(struct realtime_responses *rr, struct realtime_order *order,
    enum voice_fault fault, const char *detail)
{
	const struct voice_events *events = rr->config.events;
	bool was_say = order->text != NULL;
	int tag = order->tag;

	rr->attempts = 0;
	realtime_order_drop(order);
	if (!was_say)
		rr->outbox.wanted = rr->outbox.nudged = false;
	if (was_say)
		events->on_utterance_done(
		    "", tag, VOICE_END_FAILED, detail, rr->config.events_arg);
	else
		events->on_fault(fault, detail, false, rr->config.events_arg);
}

/* ORDER came to nothing: tries again later, or reports. Empties it. */
static void
fail_order(struct realtime_responses *rr, struct realtime_order *order,
    enum voice_fault fault, const char *detail)
{
	int64_t wait = retry_delay(rr, fault);

	log_warn("voice response failed fault=%s detail=\"%s\" attempt=%u "
		 "retry_ms=%lld",
	    voice_fault_name(fault), detail, rr->attempts + 1,
	    realtime_fault_is_fatal(fault) ? -1LL : (long long)wait);
	if (realtime_fault_is_fatal(fault)) {
		realtime_order_drop(order);
		report_fatal(rr, fault, detail);
		return;
	}
	if (wait < 0) {
		report_failure(rr, order, fault, detail);
		return;
	}
	rr->attempts++;
	rr->stats.retries++;
	rr->retry_at_ms = rr->now_ms + (uint64_t)wait;
	realtime_responses_reorder(rr, order);
}

/* Nobody wants any more what was asked for, and it never began. */
static void
drop_order(struct realtime_responses *rr, struct realtime_order *order,
    enum voice_fault fault, const char *detail)
{
	bool was_say = order->text != NULL;
	int64_t wait = retry_delay(rr, fault);
	int tag = order->tag;

	log_info("voice response that nobody waits for failed fault=%s",
	    voice_fault_name(fault));
	/* What waits behind it would meet the same limit. */
	if (wait > 0)
		rr->retry_at_ms = rr->now_ms + (uint64_t)wait;
	realtime_order_drop(order);
	if (was_say)
		rr->config.events->on_utterance_done(
		    "", tag, VOICE_END_CUT, detail, rr->config.events_arg);
}

void
realtime_responses_ask_failed(
    struct realtime_responses *rr, enum voice_fault fault, const char *detail)
{
	struct realtime_order order = {0};
	bool stopped = rr->cancel_asked;

	rr->asked = rr->cancel_asked = false;
	realtime_order_move(&order, &rr->asked_order);
	if (stopped && !realtime_fault_is_fatal(fault))
		drop_order(rr, &order, fault, detail);
	else
		fail_order(rr, &order, fault, detail);
}

/* ---- utterances ------------------------------------------------------- */

static void
end_utterance(struct realtime_responses *rr, struct realtime_utterance *u,
    enum voice_end end, const char *why)
{
	const struct voice_events *events = rr->config.events;
	char event_id[REALTIME_ID_SIZE];
	char *text = u->text;
	bool transcribed = u->transcribed;

	u->ended = true;
	u->text = NULL;
	u->text_len = 0;
	u->transcribed = true;
	if (u->delete_due) {
		realtime_responses_next_id(rr, event_id, REALTIME_PURPOSE_CUT);
		rr->cut_ms = rr->now_ms;
		realtime_responses_send(
		    rr, realtime_encode_delete(event_id, u->id));
	}
	if (!transcribed && text != NULL && u->announced)
		events->on_transcript(
		    VOICE_SPEAKER_VOICE, u->id, text, rr->config.events_arg);
	free(text);
	if (u->announced)
		events->on_utterance_done(u->id, u->tag,
		    u->cut ? VOICE_END_CUT : end, why, rr->config.events_arg);
}

static void
end_utterances(struct realtime_responses *rr, const char *response_id,
    enum voice_end end, const char *why)
{
	for (unsigned i = 0; i < REALTIME_UTTERANCES_MAX; i++) {
		struct realtime_utterance *u = &rr->utterances.list[i];

		if (u->id[0] != '\0' && !u->ended &&
		    strcmp(u->response_id, response_id) == 0)
			end_utterance(rr, u, end, why);
	}
}

/* ---- the end of a response -------------------------------------------- */

/* COMPLETED: the end overtook the interruption, the calls are real. */
static void
end_cut(struct realtime_responses *rr, struct realtime_active *run,
    bool completed, const char *why)
{
	end_utterances(rr, run->id, VOICE_END_CUT, why);
	if (run->order.text != NULL && !run->spoke)
		rr->config.events->on_utterance_done("", run->order.tag,
		    VOICE_END_CUT, why, rr->config.events_arg);
	if (completed)
		realtime_calls_tell(rr, run);
	else
		realtime_calls_tell_cut(rr, run);
}

static void
end_failed(struct realtime_responses *rr, struct realtime_active *run,
    enum voice_fault fault, const char *why)
{
	end_utterances(rr, run->id, VOICE_END_FAILED, why);
	realtime_calls_tell_cut(rr, run);
	if (run->spoke && run->order.text != NULL) {
		/* Half of it was said; its utterance has told how it ended. */
		realtime_order_drop(&run->order);
		return;
	}
	fail_order(rr, &run->order, fault, why);
}

static void
end_complete(
    struct realtime_responses *rr, struct realtime_active *run, const char *why)
{
	const struct voice_events *events = rr->config.events;

	rr->attempts = 0;
	/* A call is an answer: the voice goes on once it has the result. */
	if (run->order.text == NULL && run->calls_count > 0)
		rr->outbox.nudged = false;
	end_utterances(rr, run->id, VOICE_END_COMPLETE, why);
	if (run->order.text != NULL && !run->spoke)
		events->on_utterance_done("", run->order.tag, VOICE_END_FAILED,
		    "nothing was said", rr->config.events_arg);
	realtime_calls_tell(rr, run);
}

static void
end_by_status(struct realtime_responses *rr, struct realtime_active *run,
    const struct realtime_event *ev)
{
	switch (ev->status) {
	case REALTIME_STATUS_CANCELLED:
		end_cut(rr, run, false, ev->reason);
		break;
	case REALTIME_STATUS_FAILED:
		end_failed(rr, run,
		    realtime_error_fault(
			ev->error_type, ev->error_code, ev->error_message),
		    ev->error_code[0] != '\0' ? ev->error_code : "failed");
		break;
	case REALTIME_STATUS_INCOMPLETE:
		if (strcmp(ev->reason, "content_filter") == 0)
			end_failed(rr, run, VOICE_FAULT_CONTENT, ev->reason);
		else if (!run->spoke && run->calls_count == 0)
			end_failed(rr, run, VOICE_FAULT_SERVER, "incomplete");
		else
			end_complete(rr, run, ev->reason);
		break;
	case REALTIME_STATUS_IN_PROGRESS: /* nonsense in a done event */
	case REALTIME_STATUS_COMPLETED:
		end_complete(rr, run, "");
		break;
	}
}

void
realtime_responses_end(
    struct realtime_responses *rr, const struct realtime_event *ev)
{
	struct realtime_active run = rr->run;

	memset(&rr->run, 0, sizeof(rr->run));
	rr->active = false;
	rr->stats.responses++;
	if (ev != NULL) {
		rr->config.events->on_usage(&ev->usage, rr->config.events_arg);
		realtime_calls_add_output(&run, ev);
	}
	if (ev == NULL || ev->status != REALTIME_STATUS_COMPLETED)
		realtime_calls_drop_partial(&run);
	/* Somebody still waits for what stalled. */
	if (run.stalled && !run.cut &&
	    (ev == NULL || ev->status == REALTIME_STATUS_CANCELLED))
		end_failed(rr, &run, VOICE_FAULT_TIMEOUT, "it stalled");
	else if (run.cut || ev == NULL)
		end_cut(rr, &run,
		    ev != NULL && ev->status == REALTIME_STATUS_COMPLETED,
		    ev == NULL || ev->reason[0] == '\0' ? "given up"
							: ev->reason);
	else
		end_by_status(rr, &run, ev);
	realtime_active_clear(&run);
}
