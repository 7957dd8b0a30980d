/* SPDX-License-Identifier: MIT */
/*
 * realtime_errors.c – what an `error` event means for responses and items.
 *
 * Invariant: an error is acted on only if its event_id says what it is about,
 * or if it can be about one thing only.
 */
#include "callworker/realtime_responses_impl.h"

#include "callworker/realtime_faults.h"
#include "common/log.h"

#include <string.h>

static void
on_collision(struct realtime_responses *rr, const struct realtime_event *ev)
{
	bool for_ask =
	    rr->asked && (ev->error_event_id[0] == '\0' ||
			     strcmp(ev->error_event_id, rr->asked_id) == 0);
	bool covered =
	    rr->active && !rr->outbox.unspoken && rr->asked_order.text == NULL;

	rr->stats.collisions++;
	/* Then what began was not what we had asked for. */
	if (rr->active && !rr->asked && rr->run.order.text != NULL &&
	    strcmp(ev->error_event_id, rr->run.ask_id) == 0) {
		realtime_responses_reorder(rr, &rr->run.order);
		return;
	}
	log_info("response refused: another one runs ours=%s",
	    for_ask ? "yes" : "no");
	if (for_ask) {
		rr->asked = false;
		if (covered || rr->cancel_asked)
			realtime_order_drop(&rr->asked_order);
		else
			realtime_responses_reorder(rr, &rr->asked_order);
		if (!rr->active)
			rr->retry_at_ms = rr->now_ms + REALTIME_RATE_LIMIT_MS;
	} else if (ev->error_event_id[0] == '\0' && rr->active) {
		/* The service could not answer the caller's turn itself. */
		rr->outbox.nudged = true;
	}
}

static void
on_cancel_refused(
    struct realtime_responses *rr, const struct realtime_event *ev)
{
	log_debug("nothing to cancel");
	if (rr->active && rr->run.cancelled_ms != 0 &&
	    strcmp(ev->error_event_id, rr->run.cancel_id) == 0)
		realtime_responses_end(rr, NULL);
}

static void
on_item_refused(struct realtime_responses *rr, const struct realtime_event *ev)
{
	if (realtime_outbox_refuse(&rr->outbox, ev->error_event_id))
		log_warn("item refused by the voice service code=%s "
			 "message=\"%.200s\"",
		    ev->error_code, ev->error_message);
}

/* An error of the service while we wait for the response we asked for. */
static void
on_ask_refused(struct realtime_responses *rr, const struct realtime_event *ev)
{
	if (!rr->asked)
		return;
	realtime_responses_ask_failed(rr,
	    realtime_error_fault(
		ev->error_type, ev->error_code, ev->error_message),
	    ev->error_code[0] != '\0' ? ev->error_code : ev->error_type);
}

/* ---- errors that do not say what they are about -------------------------- */

static bool
starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* Of what EV can be about, as its code and its parameter tell. */
static void
narrow(const struct realtime_event *ev, bool *ask, bool *item, bool *cancel)
{
	enum voice_fault fault = realtime_error_fault(
	    ev->error_type, ev->error_code, ev->error_message);
	const char *code = ev->error_code;
	bool is_cancel = strcmp(code, "response_cancel_not_active") == 0;
	bool is_item = starts_with(code, "item_create") ||
		       starts_with(code, "invalid_tool_call") ||
		       starts_with(ev->error_param, "item");
	bool is_ask = starts_with(ev->error_param, "response") ||
		      fault == VOICE_FAULT_SERVER ||
		      fault == VOICE_FAULT_RATE_LIMIT ||
		      fault == VOICE_FAULT_CONTENT;
	bool is_cut = starts_with(code, "item_truncate") ||
		      starts_with(code, "item_delete");

	*ask = !is_cancel && !is_item && !is_cut;
	*item = !is_cancel && !is_ask && !is_cut;
	*cancel = !is_item && !is_ask && !is_cut;
}

const char *
realtime_responses_guess_error(
    const struct realtime_responses *rr, const struct realtime_event *ev)
{
	const struct realtime_asides *as = &rr->asides;
	const char *found[5];
	const char *item_id = "";
	bool ask, item, cancel;
	unsigned items, n = 0;

	/* These are told apart without an id, or end the session. */
	if (strcmp(ev->error_code,
		"conversation_already_has_active_response") == 0 ||
	    realtime_fault_is_fatal(realtime_error_fault(
		ev->error_type, ev->error_code, ev->error_message)))
		return "";
	narrow(ev, &ask, &item, &cancel);
	items = realtime_outbox_sent_items(&rr->outbox, &item_id);
	if (ask && rr->asked)
		found[n++] = rr->asked_id;
	if (ask && as->state == REALTIME_ASIDE_ASKED)
		found[n++] = as->ask_id;
	if (item && items == 1)
		found[n++] = item_id;
	if (cancel && rr->active && rr->run.cancelled_ms != 0)
		found[n++] = rr->run.cancel_id;
	if (cancel && as->state == REALTIME_ASIDE_RUNNING && as->hushed)
		found[n++] = as->hush_id;
	/* Several items, or a cut a moment ago: it may be any of them. */
	if (n != 1 || (item && items > 1) ||
	    (ask && item && cancel && rr->cut_ms != 0 &&
		rr->now_ms - rr->cut_ms < REALTIME_CUT_MS))
		return "";
	return found[0];
}

bool
realtime_responses_error(
    struct realtime_responses *rr, const struct realtime_event *ev)
{
	if (strcmp(ev->error_code,
		"conversation_already_has_active_response") == 0) {
		on_collision(rr, ev);
		return true;
	}
	if (strcmp(ev->error_code, "response_cancel_not_active") == 0) {
		on_cancel_refused(rr, ev);
		return true;
	}
	switch (realtime_event_id_purpose(ev->error_event_id)) {
	case REALTIME_PURPOSE_ITEM:
		on_item_refused(rr, ev);
		return true;
	case REALTIME_PURPOSE_ASK:
		if (strcmp(ev->error_event_id, rr->asked_id) == 0)
			on_ask_refused(rr, ev);
		return true;
	case REALTIME_PURPOSE_CUT:
		log_debug("cut refused code=%s", ev->error_code);
		return true;
	case REALTIME_PURPOSE_CANCEL:
		on_cancel_refused(rr, ev);
		return true;
	case REALTIME_PURPOSE_ASIDE: /* were taken by their room */
	case REALTIME_PURPOSE_HUSH:
	case REALTIME_PURPOSE_NONE:
	case REALTIME_PURPOSE_UPDATE:
	case REALTIME_PURPOSE_HISTORY:
		break;
	}
	return false;
}
