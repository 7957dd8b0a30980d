/* SPDX-License-Identifier: MIT */
/*
 * realtime_responses.c – keeps track of responses and decides when to ask for
 * one.
 *
 * Invariant: pump() alone adds items and asks, and only while nothing is
 * asked and no response runs; it runs after everything that happens.
 */
#include "callworker/realtime_responses_impl.h"
#include "common/log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
realtime_responses_next_id(struct realtime_responses *rr,
    char id_out[REALTIME_ID_SIZE], enum realtime_purpose purpose)
{
	realtime_event_id(id_out, purpose, ++rr->number);
}

void
realtime_responses_send(struct realtime_responses *rr, char *json)
{
	if (json == NULL)
		log_err("no memory for an event to the voice service");
	else if (rr->config.send(json, rr->config.send_arg) != 0)
		log_debug("event to the voice service not sent");
	free(json);
}

void
realtime_responses_reorder(
    struct realtime_responses *rr, struct realtime_order *order)
{
	if (order->text != NULL)
		realtime_outbox_return_say(&rr->outbox, order);
	else
		rr->outbox.nudged = true;
}

int
realtime_responses_new(struct realtime_responses **rr_out,
    const struct realtime_responses_config *config)
{
	struct realtime_responses *rr = calloc(1, sizeof(*rr));

	*rr_out = rr;
	if (rr == NULL)
		return -ENOMEM;
	rr->config = *config;
	rr->asides.config = &rr->config;
	return 0;
}

void
realtime_responses_free(struct realtime_responses **rr)
{
	if (*rr == NULL)
		return;
	realtime_outbox_clear(&(*rr)->outbox);
	realtime_utterances_free(&(*rr)->utterances);
	realtime_asides_free(&(*rr)->asides);
	realtime_order_drop(&(*rr)->asked_order);
	realtime_active_clear(&(*rr)->run);
	free(*rr);
	*rr = NULL;
}

/* ---- asking ----------------------------------------------------------- */

/* Whether an answer (not a text word by word) may be asked for now. */
static bool
answer_is_due(const struct realtime_responses *rr)
{
	if (!rr->outbox.wanted && !rr->outbox.nudged)
		return false;
	return !rr->caller_talking;
}

static void
pump(struct realtime_responses *rr)
{
	char *json;

	if (rr->asked || rr->active || rr->over)
		return;
	while ((json = realtime_outbox_take_item(&rr->outbox)) != NULL)
		realtime_responses_send(rr, json);
	/* The service answers the caller's turn by itself. */
	if (rr->now_ms < rr->retry_at_ms || rr->now_ms < rr->automatic_until_ms)
		return;
	if (!realtime_outbox_take_say(&rr->outbox, &rr->asked_order) &&
	    !answer_is_due(rr))
		return;
	realtime_responses_next_id(rr, rr->asked_id, REALTIME_PURPOSE_ASK);
	rr->asked = true;
	rr->asked_ms = rr->now_ms;
	rr->cancel_asked = false;
	realtime_responses_send(
	    rr, realtime_encode_ask(rr->asked_id, rr->asked_order.text));
}

static void
send_cancel(struct realtime_responses *rr)
{
	struct realtime_active *run = &rr->run;

	if (run->cancelled_ms != 0)
		return;
	run->cancelled_ms = rr->now_ms;
	realtime_responses_next_id(rr, run->cancel_id, REALTIME_PURPOSE_CANCEL);
	realtime_responses_send(
	    rr, realtime_encode_cancel(run->cancel_id, run->id));
}

/* Nobody wants the rest of it. */
static void
cancel_run(struct realtime_responses *rr)
{
	rr->run.cut = true;
	rr->run.cancel_at_ms = 0;
	send_cancel(rr);
}

/* ---- what the service says about responses ---------------------------- */

/* Whether the response in EV is the one that we asked for. */
static bool
is_ours(const struct realtime_responses *rr, const struct realtime_event *ev)
{
	if (!rr->asked)
		return false;
	if (ev->has_metadata || rr->echoes)
		return strcmp(ev->ask, rr->asked_id) == 0;
	/* Nothing tells: ours unless another was to be expected. */
	return !rr->caller_talking && rr->now_ms >= rr->automatic_until_ms;
}

static void
on_created(struct realtime_responses *rr, const struct realtime_event *ev)
{
	bool ours = is_ours(rr, ev);
	bool is_answer = !ours || rr->asked_order.text == NULL;
	bool stopped = false;

	if (ev->response_id[0] == '\0' ||
	    strlen(ev->response_id) >= REALTIME_ID_SIZE)
		return;
	if (rr->active && strcmp(rr->run.id, ev->response_id) == 0)
		return;
	if (rr->active)
		realtime_responses_end(rr, NULL);
	rr->active = true;
	snprintf(rr->run.id, sizeof(rr->run.id), "%s", ev->response_id);
	rr->run.progress_ms = rr->now_ms;
	if (ours) {
		rr->asked = false;
		realtime_order_move(&rr->run.order, &rr->asked_order);
		memcpy(rr->run.ask_id, rr->asked_id, sizeof(rr->asked_id));
	} else {
		stopped = rr->stop_automatic;
		rr->automatic_until_ms = 0;
		rr->stop_automatic = false;
	}
	/* One that is cancelled at once answers nothing. */
	if (is_answer && !stopped && !(ours && rr->cancel_asked))
		realtime_outbox_answered(&rr->outbox, ours);
	if (stopped || (ours && rr->cancel_asked))
		cancel_run(rr);
	if (ours)
		rr->cancel_asked = false;
}

static void
on_done(struct realtime_responses *rr, const struct realtime_event *ev)
{
	/* Ours, of which response.created got lost. */
	if (!rr->active && rr->asked && ev->ask[0] != '\0' &&
	    strcmp(ev->ask, rr->asked_id) == 0)
		on_created(rr, ev);
	if (!rr->active || strcmp(rr->run.id, ev->response_id) != 0) {
		log_debug("response.done for another response");
		realtime_calls_late(rr, ev);
		return;
	}
	realtime_responses_end(rr, ev);
}

static bool
is_of_run(const struct realtime_responses *rr, const struct realtime_event *ev)
{
	return rr->active && strcmp(rr->run.id, ev->response_id) == 0;
}

/* Whether EV belongs to the running response and still counts. */
static bool
in_run(const struct realtime_responses *rr, const struct realtime_event *ev)
{
	return is_of_run(rr, ev) && !rr->run.cut;
}

/* Whatever comes of the running response, known to us or not, is progress. */
static void
note_progress(struct realtime_responses *rr, const struct realtime_event *ev)
{
	if (!rr->active || ev->type == REALTIME_EVENT_RESPONSE_CREATED ||
	    strcmp(rr->run.id, ev->response_id) != 0)
		return;
	rr->run.began = true;
	rr->run.progress_ms = rr->now_ms;
}

static void
on_item_added(struct realtime_responses *rr, const struct realtime_event *ev)
{
	if (!in_run(rr, ev) || strcmp(ev->item_type, "message") != 0)
		return;
	if (realtime_utterances_get(&rr->utterances, ev->item_id,
		ev->response_id, rr->run.order.tag) != NULL)
		rr->run.announced = true;
}

/* The utterance that a delta belongs to, or NULL: the delta is dropped. */
static struct realtime_utterance *
utterance_of(struct realtime_responses *rr, const struct realtime_event *ev)
{
	struct realtime_utterance *u;

	if (!in_run(rr, ev))
		return NULL;
	u = realtime_utterances_find(&rr->utterances, ev->item_id);
	/* A service that announces its items does not use others. */
	if (u == NULL && !rr->run.announced)
		u = realtime_utterances_get(&rr->utterances, ev->item_id,
		    ev->response_id, rr->run.order.tag);
	if (u == NULL || u->cut || u->ended)
		return NULL;
	return u;
}

static void
on_audio(struct realtime_responses *rr, const struct realtime_event *ev)
{
	struct realtime_utterance *u = utterance_of(rr, ev);
	const struct voice_events *events = rr->config.events;
	uint8_t *g711;
	size_t len;
	uint32_t more;
	int err;

	if (u == NULL) {
		rr->stats.late_audio++;
		return;
	}
	err = realtime_event_audio(ev, &g711, &len);
	if (err != 0 && log_allow(&rr->noise, &more))
		log_warn("audio of the voice not usable error=%d more=%u", -err,
		    more);
	if (g711 == NULL)
		return;
	u->content_index = ev->content_index;
	u->received_len += len;
	rr->run.spoke = true;
	if (!u->announced) {
		u->announced = true;
		realtime_asides_hush(
		    &rr->asides, "the voice has more to say", rr->now_ms);
		if (rr->run.order.text == NULL)
			rr->outbox.nudged = false; /* here is the answer */
		events->on_utterance(u->id, u->tag, rr->config.events_arg);
		if (!u->cut && u->text != NULL && events->on_words != NULL)
			events->on_words(u->id, u->text, rr->config.events_arg);
	}
	if (!u->cut)
		events->on_audio(u->id, g711, len, rr->config.events_arg);
	free(g711);
}

static void
on_voice_text(struct realtime_responses *rr, const struct realtime_event *ev)
{
	struct realtime_utterance *u =
	    realtime_utterances_find(&rr->utterances, ev->item_id);
	const struct voice_events *events = rr->config.events;

	if (u == NULL || u->transcribed)
		return;
	if (ev->type == REALTIME_EVENT_TRANSCRIPT_DELTA) {
		realtime_utterance_add_text(u, ev->text);
		if (u->announced && !u->cut && !u->ended &&
		    events->on_words != NULL)
			events->on_words(
			    u->id, ev->text, rr->config.events_arg);
	} else if (ev->text[0] != '\0')
		realtime_utterance_set_text(u, ev->text);
}

/* ---- the caller ------------------------------------------------------- */

/* How long ago the caller began to speak, as the service heard it. */
static uint32_t
speech_age_ms(
    const struct realtime_responses *rr, const struct realtime_event *ev)
{
	uint64_t start_ms = (uint64_t)ev->audio_start_ms + rr->lead_in_ms;

	if (ev->audio_start_ms < 0 || start_ms > rr->sent_audio_ms)
		return 0;
	return (uint32_t)(rr->sent_audio_ms - start_ms);
}

static void
on_speech_started(
    struct realtime_responses *rr, const struct realtime_event *ev)
{
	rr->caller_talking = true;
	rr->talking_ms = rr->loud_ms = rr->now_ms;
	realtime_asides_hush(&rr->asides, "caller speaks", rr->now_ms);
	rr->stop_automatic = false; /* another turn, another answer */
	if (rr->active && !rr->run.cut) {
		rr->run.cut = true;
		rr->run.cancel_at_ms = rr->now_ms + REALTIME_CANCEL_MS;
	}
	/* It would talk into the caller's words, who gets an answer anyway. */
	if (rr->asked && rr->asked_order.text == NULL) {
		rr->cancel_asked = true;
		rr->outbox.wanted = rr->outbox.unspoken = true;
	}
	rr->config.events->on_caller_started(
	    speech_age_ms(rr, ev), rr->config.events_arg);
}

static void
on_speech_stopped(struct realtime_responses *rr, const char *turn)
{
	const struct voice_events *events = rr->config.events;

	rr->caller_talking = false;
	rr->automatic_until_ms = rr->now_ms + REALTIME_AUTOMATIC_MS;
	if (events->on_turn != NULL)
		events->on_turn(turn, rr->config.events_arg);
	events->on_caller_stopped(rr->config.events_arg);
}

/* ---- the interface ---------------------------------------------------- */

/* EV, or, if it is an error that lacks its event_id, *GUESSED with it. */
static const struct realtime_event *
attribute(struct realtime_responses *rr, const struct realtime_event *ev,
    struct realtime_event *guessed)
{
	if (ev->type != REALTIME_EVENT_ERROR || ev->error_event_id[0] != '\0')
		return ev;
	*guessed = *ev;
	guessed->error_event_id = realtime_responses_guess_error(rr, ev);
	if (guessed->error_event_id[0] != '\0')
		log_info("error without an event_id taken for one of %s",
		    guessed->error_event_id);
	return guessed;
}

static bool
dispatch(struct realtime_responses *rr, const struct realtime_event *ev)
{
	if (ev->type == REALTIME_EVENT_RESPONSE_CREATED && ev->ask[0] != '\0')
		rr->echoes = true;
	if (realtime_asides_event(&rr->asides, ev, rr->echoes, rr->now_ms))
		return true;
	switch (ev->type) {
	case REALTIME_EVENT_RESPONSE_CREATED:
		on_created(rr, ev);
		return true;
	case REALTIME_EVENT_RESPONSE_DONE:
		on_done(rr, ev);
		return true;
	case REALTIME_EVENT_OUTPUT_ITEM_ADDED:
		on_item_added(rr, ev);
		return true;
	case REALTIME_EVENT_AUDIO_DELTA:
		on_audio(rr, ev);
		return true;
	case REALTIME_EVENT_TRANSCRIPT_DELTA:
	case REALTIME_EVENT_TRANSCRIPT_DONE:
		on_voice_text(rr, ev);
		return true;
	case REALTIME_EVENT_CALL_DONE:
		if (is_of_run(rr, ev))
			realtime_calls_add(&rr->run, ev);
		return true;
	case REALTIME_EVENT_OUTPUT_ITEM_DONE:
		if (is_of_run(rr, ev))
			realtime_calls_add_item(&rr->run, ev);
		return true;
	case REALTIME_EVENT_SPEECH_STARTED:
		on_speech_started(rr, ev);
		return true;
	case REALTIME_EVENT_SPEECH_STOPPED:
		on_speech_stopped(rr, ev->item_id);
		return true;
	case REALTIME_EVENT_ITEM_ADDED:
	case REALTIME_EVENT_ITEM_CREATED:
	case REALTIME_EVENT_ITEM_DONE:
		realtime_outbox_confirm(&rr->outbox, ev->item_id);
		return true;
	case REALTIME_EVENT_RATE_LIMITS:
		rr->limit_reset_ms = ev->reset_ms;
		return true;
	case REALTIME_EVENT_ERROR:
		return realtime_responses_error(rr, ev);
	case REALTIME_EVENT_SESSION_CREATED:
	case REALTIME_EVENT_SESSION_UPDATED:
	case REALTIME_EVENT_CALLER_TRANSCRIPT:
	case REALTIME_EVENT_CALLER_TRANSCRIPT_FAILED:
	case REALTIME_EVENT_UNKNOWN:
		break;
	}
	return false;
}

bool
realtime_responses_event(struct realtime_responses *rr,
    const struct realtime_event *ev, uint64_t now_ms)
{
	struct realtime_event guessed;
	bool taken;

	if (rr->over)
		return true;
	rr->now_ms = now_ms;
	note_progress(rr, ev);
	taken = dispatch(rr, attribute(rr, ev, &guessed));
	pump(rr);
	return taken;
}

/* A response that makes no progress is given up, so that another can run. */
static void
check_run(struct realtime_responses *rr)
{
	struct realtime_active *run = &rr->run;
	uint64_t now = rr->now_ms;

	if (run->cancel_at_ms != 0 && now >= run->cancel_at_ms)
		cancel_run(rr);
	if (run->cancelled_ms == 0 &&
	    now - run->progress_ms >=
		(run->began ? REALTIME_STALL_MS : REALTIME_BEGIN_MS)) {
		log_warn("voice response stalls, cancelled id=%s began=%s",
		    run->id, run->began ? "yes" : "no");
		run->stalled = true;
		send_cancel(rr); /* what comes all the same is heard */
	}
	if (run->cancelled_ms != 0 &&
	    now - run->cancelled_ms >= REALTIME_CANCELLED_MS) {
		log_warn("cancelled response did not end id=%s", run->id);
		realtime_responses_end(rr, NULL);
	}
}

/* Nobody may be taken to speak for ever: all would wait for the end of it. */
static void
check_caller(struct realtime_responses *rr)
{
	if (rr->now_ms - rr->loud_ms < REALTIME_SILENT_MS &&
	    rr->now_ms - rr->talking_ms < REALTIME_SPEECH_MS)
		return;
	log_warn("the service did not say that the caller stopped speaking "
		 "after_ms=%llu silent_ms=%llu",
	    (unsigned long long)(rr->now_ms - rr->talking_ms),
	    (unsigned long long)(rr->now_ms - rr->loud_ms));
	on_speech_stopped(rr, "");
}

void
realtime_responses_tick(struct realtime_responses *rr, uint64_t now_ms)
{
	if (rr->over)
		return;
	rr->now_ms = now_ms;
	realtime_asides_tick(&rr->asides, now_ms);
	if (rr->caller_talking)
		check_caller(rr);
	if (rr->active)
		check_run(rr);
	if (rr->asked && !rr->active &&
	    now_ms - rr->asked_ms >= REALTIME_ASK_MS)
		realtime_responses_ask_failed(
		    rr, VOICE_FAULT_TIMEOUT, "no answer to response.create");
	pump(rr);
}

void
realtime_responses_listen(
    struct realtime_responses *rr, const struct voice_events *events, void *arg)
{
	rr->config.events = events;
	rr->config.events_arg = arg;
}

int
realtime_responses_say(struct realtime_responses *rr, const char *text, int tag)
{
	int ret = realtime_outbox_add_say(&rr->outbox, text, tag);

	if (ret == 0)
		pump(rr);
	return ret;
}

int
realtime_responses_aside(
    struct realtime_responses *rr, const char *text, int tag)
{
	if (rr->over)
		return -ENOTCONN;
	/* The service may be about to answer the caller's turn. */
	if (realtime_responses_is_busy(rr) || rr->caller_talking ||
	    rr->now_ms < rr->automatic_until_ms)
		return -EBUSY;
	return realtime_asides_say(&rr->asides, text, tag, rr->now_ms);
}

int
realtime_responses_add_text(struct realtime_responses *rr, const char *text)
{
	char item_id[REALTIME_ID_SIZE], event_id[REALTIME_ID_SIZE];
	int ret;

	realtime_responses_next_id(rr, event_id, REALTIME_PURPOSE_ITEM);
	snprintf(item_id, sizeof(item_id), "text_%u", rr->number);
	ret = realtime_outbox_add_item(&rr->outbox, item_id, event_id,
	    realtime_encode_text(event_id, item_id, text), REALTIME_TEXTS_MAX);
	pump(rr);
	return ret;
}

int
realtime_responses_answer_tool(
    struct realtime_responses *rr, const char *id, const char *output)
{
	char item_id[REALTIME_ID_SIZE], event_id[REALTIME_ID_SIZE];
	int ret;

	realtime_responses_next_id(rr, event_id, REALTIME_PURPOSE_ITEM);
	snprintf(item_id, sizeof(item_id), "output_%u", rr->number);
	ret = realtime_outbox_add_item(&rr->outbox, item_id, event_id,
	    realtime_encode_output(event_id, item_id, id, output), UINT_MAX);
	pump(rr);
	return ret;
}

bool
realtime_responses_has_news(const struct realtime_responses *rr)
{
	return rr->outbox.unspoken;
}

bool
realtime_responses_prompt(struct realtime_responses *rr)
{
	if (!rr->outbox.unspoken)
		return false;
	rr->outbox.wanted = true;
	pump(rr);
	return true;
}

void
realtime_responses_nudge(struct realtime_responses *rr)
{
	rr->outbox.nudged = true;
	pump(rr);
}

void
realtime_responses_stop(struct realtime_responses *rr)
{
	realtime_outbox_clear_says(&rr->outbox);
	realtime_asides_hush(&rr->asides, "stopped", rr->now_ms);
	rr->outbox.wanted = rr->outbox.nudged = false;
	/* The service's own answer to the caller is on its way. */
	rr->stop_automatic = rr->now_ms < rr->automatic_until_ms;
	if (rr->active)
		cancel_run(rr);
	if (rr->asked)
		rr->cancel_asked = true;
}

void
realtime_responses_interrupted(
    struct realtime_responses *rr, const char *utterance, uint32_t heard_ms)
{
	struct realtime_utterance *u =
	    realtime_utterances_find(&rr->utterances, utterance);
	char event_id[REALTIME_ID_SIZE];
	char *json;

	if (realtime_asides_interrupted(&rr->asides, utterance, rr->now_ms) ||
	    u == NULL)
		return;
	realtime_responses_next_id(rr, event_id, REALTIME_PURPOSE_CUT);
	json = realtime_utterance_interrupt(u, event_id, heard_ms);
	if (json == NULL)
		return;
	rr->cut_ms = rr->now_ms;
	realtime_responses_send(rr, json);
}

void
realtime_responses_set_lead_in(
    struct realtime_responses *rr, uint32_t lead_in_ms)
{
	rr->lead_in_ms = lead_in_ms;
}

void
realtime_responses_sent_audio(
    struct realtime_responses *rr, uint32_t ms, bool is_silence)
{
	rr->sent_audio_ms += ms;
	if (!is_silence)
		rr->loud_ms = rr->now_ms;
}

void
realtime_responses_lost_audio(struct realtime_responses *rr, uint32_t ms)
{
	rr->sent_audio_ms -= ms < rr->sent_audio_ms ? ms : rr->sent_audio_ms;
}

bool
realtime_responses_is_busy(const struct realtime_responses *rr)
{
	return rr->asked || rr->active || rr->outbox.says_count > 0 ||
	       rr->outbox.wanted || rr->outbox.nudged;
}

bool
realtime_responses_is_over(const struct realtime_responses *rr)
{
	return rr->over;
}

void
realtime_responses_describe(
    const struct realtime_responses *rr, char *buf, size_t size)
{
	snprintf(buf, size,
	    "response=%s asked=%s says=%u items=%u unspoken=%s wanted=%s "
	    "caller_talking=%s attempts=%u aside=%s",
	    rr->active ? rr->run.id : "none", rr->asked ? "yes" : "no",
	    rr->outbox.says_count, rr->outbox.items_count,
	    rr->outbox.unspoken ? "yes" : "no",
	    rr->outbox.wanted || rr->outbox.nudged ? "yes" : "no",
	    rr->caller_talking ? "yes" : "no", rr->attempts,
	    realtime_asides_is_busy(&rr->asides) ? "yes" : "no");
}

void
realtime_responses_get_stats(const struct realtime_responses *rr,
    struct realtime_responses_stats *stats_out)
{
	*stats_out = rr->stats;
	stats_out->asides = rr->asides.count;
	stats_out->late_audio += rr->asides.late_audio;
}
