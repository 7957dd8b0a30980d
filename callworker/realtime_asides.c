/* SPDX-License-Identifier: MIT */
/*
 * realtime_asides.c – one response outside of the conversation.
 *
 * Invariant: each aside that was asked for ends with one on_utterance_done,
 * and is out of the state before it is called. Its id is empty if no audio of
 * it was handed over.
 */
#include "callworker/realtime_asides.h"

#include "callworker/realtime_responses.h"
#include "common/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
realtime_asides_free(struct realtime_asides *as)
{
	free(as->said.text);
	as->said.text = NULL;
}

bool
realtime_asides_is_busy(const struct realtime_asides *as)
{
	return as->state != REALTIME_ASIDE_NONE;
}

/* Takes JSON. 0 or -errno. */
static int
send_event(struct realtime_asides *as, char *json)
{
	int ret = -ENOMEM;

	if (json != NULL)
		ret = as->config->send(json, as->config->send_arg);
	free(json);
	return ret;
}

int
realtime_asides_say(
    struct realtime_asides *as, const char *text, int tag, uint64_t now_ms)
{
	char id[REALTIME_ID_SIZE];
	int ret;

	if (as->state != REALTIME_ASIDE_NONE)
		return -EBUSY;
	realtime_event_id(id, REALTIME_PURPOSE_ASIDE, ++as->number);
	ret = send_event(as, realtime_encode_aside(id, text));
	if (ret != 0)
		return ret;
	as->state = REALTIME_ASIDE_ASKED;
	memcpy(as->ask_id, id, sizeof(id));
	as->hush_id[0] = '\0';
	as->hushed = false;
	as->progress_ms = now_ms;
	as->said.tag = tag;
	as->count++;
	return 0;
}

/* ---- the end ---------------------------------------------------------- */

static void
finish(struct realtime_asides *as, enum voice_end end, const char *why)
{
	const struct voice_events *events = as->config->events;
	struct realtime_utterance said = as->said;

	memset(&as->said, 0, sizeof(as->said));
	as->state = REALTIME_ASIDE_NONE;
	if (as->hushed) {
		end = as->end;
		why = as->why;
	}
	if (end == VOICE_END_FAILED)
		log_info("aside failed reason=\"%s\"", why);
	if (said.announced && said.text != NULL)
		events->on_transcript(VOICE_SPEAKER_VOICE, said.id, said.text,
		    as->config->events_arg);
	free(said.text);
	events->on_utterance_done(said.announced ? said.id : "", said.tag, end,
	    why, as->config->events_arg);
}

static void
send_cancel(struct realtime_asides *as, char event_id[REALTIME_ID_SIZE],
    const char *response_id)
{
	realtime_event_id(event_id, REALTIME_PURPOSE_HUSH, ++as->number);
	if (send_event(as, realtime_encode_cancel(event_id, response_id)) != 0)
		log_debug("cancel of an aside not sent");
}

/* Its end is told once the service tells it, or does not in time. */
static void
hush(struct realtime_asides *as, enum voice_end end, const char *why,
    uint64_t now_ms)
{
	if (as->state == REALTIME_ASIDE_NONE || as->hushed)
		return;
	as->hushed = true;
	as->hushed_ms = now_ms;
	as->end = end;
	as->why = why;
	if (as->state == REALTIME_ASIDE_RUNNING)
		send_cancel(as, as->hush_id, as->said.response_id);
}

void
realtime_asides_hush(
    struct realtime_asides *as, const char *why, uint64_t now_ms)
{
	hush(as, VOICE_END_CUT, why, now_ms);
}

bool
realtime_asides_interrupted(
    struct realtime_asides *as, const char *utterance, uint64_t now_ms)
{
	if (!as->said.announced || strcmp(as->said.id, utterance) != 0)
		return false;
	hush(as, VOICE_END_CUT, "interrupted", now_ms);
	return true;
}

/* ---- events ----------------------------------------------------------- */

/* Not the one under way: one that we had given up before it began. */
static void
cancel_stray(struct realtime_asides *as, const char *response_id)
{
	char event_id[REALTIME_ID_SIZE];

	log_info("late aside cancelled id=%s", response_id);
	snprintf(as->gone_id, sizeof(as->gone_id), "%s", response_id);
	send_cancel(as, event_id, response_id);
}

static void
on_created(struct realtime_asides *as, const struct realtime_event *ev,
    uint64_t now_ms)
{
	const char *id = ev->response_id;
	bool ours = as->state == REALTIME_ASIDE_ASKED &&
		    (ev->ask[0] == '\0' || strcmp(ev->ask, as->ask_id) == 0);

	if (id[0] == '\0' || strlen(id) >= REALTIME_ID_SIZE)
		return;
	if (as->state == REALTIME_ASIDE_RUNNING &&
	    strcmp(as->said.response_id, id) == 0)
		return;
	if (!ours) {
		cancel_stray(as, id);
		return;
	}
	as->state = REALTIME_ASIDE_RUNNING;
	as->progress_ms = now_ms;
	snprintf(as->said.response_id, sizeof(as->said.response_id), "%s", id);
	if (as->hushed) {
		as->hushed_ms = now_ms;
		send_cancel(as, as->hush_id, id);
	}
}

static void
on_done(struct realtime_asides *as, const struct realtime_event *ev)
{
	bool is_gone =
	    as->gone_id[0] != '\0' && strcmp(as->gone_id, ev->response_id) == 0;
	bool is_said = as->state == REALTIME_ASIDE_RUNNING
			   ? strcmp(as->said.response_id, ev->response_id) == 0
			   : as->state == REALTIME_ASIDE_ASKED &&
				 strcmp(as->ask_id, ev->ask) == 0;

	if (is_gone)
		as->gone_id[0] = '\0';
	if (is_gone || is_said)
		as->config->events->on_usage(
		    &ev->usage, as->config->events_arg);
	if (!is_said)
		return;
	if (ev->status == REALTIME_STATUS_CANCELLED)
		finish(as, VOICE_END_CUT, ev->reason);
	else if (ev->status == REALTIME_STATUS_FAILED)
		finish(as, VOICE_END_FAILED,
		    ev->error_code[0] != '\0' ? ev->error_code : "failed");
	else if (strcmp(ev->reason, "content_filter") == 0)
		finish(as, VOICE_END_FAILED, ev->reason);
	else if (!as->said.announced)
		finish(as, VOICE_END_FAILED, "nothing was said");
	else
		finish(as, VOICE_END_COMPLETE, ev->reason);
}

/* Whether EV is about the one item that is spoken; the first one is. */
static bool
is_of_item(struct realtime_asides *as, const struct realtime_event *ev)
{
	struct realtime_utterance *said = &as->said;

	if (ev->item_id[0] == '\0' || strlen(ev->item_id) >= sizeof(said->id))
		return false;
	if (said->id[0] == '\0')
		snprintf(said->id, sizeof(said->id), "%s", ev->item_id);
	return strcmp(said->id, ev->item_id) == 0;
}

static void
on_audio(struct realtime_asides *as, const struct realtime_event *ev,
    uint64_t now_ms)
{
	const struct voice_events *events = as->config->events;
	uint8_t *g711;
	size_t len;

	if (as->hushed || !is_of_item(as, ev)) {
		as->late_audio++;
		return;
	}
	if (realtime_event_audio(ev, &g711, &len) != 0)
		log_debug("audio of an aside not usable");
	if (g711 == NULL)
		return;
	as->progress_ms = now_ms;
	as->said.received_len += len;
	if (!as->said.announced) {
		as->said.announced = true;
		events->on_utterance(
		    as->said.id, as->said.tag, as->config->events_arg);
	}
	/* The listener may have refused it. */
	if (!as->hushed)
		events->on_audio(
		    as->said.id, g711, len, as->config->events_arg);
	free(g711);
}

/* An event of the aside that runs. Function calls of it are nobody's. */
static void
on_own_event(struct realtime_asides *as, const struct realtime_event *ev,
    uint64_t now_ms)
{
	switch (ev->type) {
	case REALTIME_EVENT_OUTPUT_ITEM_ADDED:
		if (strcmp(ev->item_type, "message") == 0)
			(void)is_of_item(as, ev);
		break;
	case REALTIME_EVENT_AUDIO_DELTA:
		on_audio(as, ev, now_ms);
		break;
	case REALTIME_EVENT_TRANSCRIPT_DELTA:
		if (is_of_item(as, ev))
			realtime_utterance_add_text(&as->said, ev->text);
		break;
	case REALTIME_EVENT_TRANSCRIPT_DONE:
		if (is_of_item(as, ev) && ev->text[0] != '\0')
			realtime_utterance_set_text(&as->said, ev->text);
		break;
	case REALTIME_EVENT_CALL_DONE:
		log_warn("function call of an aside ignored name=%s", ev->name);
		break;
	default:
		break;
	}
}

/* The one under way is refused, or was over when we cancelled it. */
static bool
on_error(struct realtime_asides *as, const struct realtime_event *ev)
{
	const char *why =
	    ev->error_code[0] != '\0' ? ev->error_code : ev->error_type;

	switch (realtime_event_id_purpose(ev->error_event_id)) {
	case REALTIME_PURPOSE_ASIDE:
		if (as->state == REALTIME_ASIDE_ASKED &&
		    strcmp(ev->error_event_id, as->ask_id) == 0)
			finish(as, VOICE_END_FAILED, why);
		return true;
	case REALTIME_PURPOSE_HUSH:
		if (as->state == REALTIME_ASIDE_RUNNING && as->hushed &&
		    strcmp(ev->error_event_id, as->hush_id) == 0)
			finish(as, VOICE_END_CUT, why);
		return true;
	default:
		return false;
	}
}

/*
 * Whether response.created is for an aside. A service that does not repeat
 * our metadata tells it by naming no conversation.
 */
static bool
begins_aside(const struct realtime_asides *as, const struct realtime_event *ev,
    bool echoes)
{
	if (realtime_event_id_purpose(ev->ask) == REALTIME_PURPOSE_ASIDE)
		return true;
	if (ev->has_metadata || echoes || !ev->out_of_band)
		return false;
	return as->state == REALTIME_ASIDE_ASKED;
}

bool
realtime_asides_event(struct realtime_asides *as,
    const struct realtime_event *ev, bool echoes, uint64_t now_ms)
{
	bool runs = as->state == REALTIME_ASIDE_RUNNING &&
		    strcmp(as->said.response_id, ev->response_id) == 0;
	bool is_gone =
	    as->gone_id[0] != '\0' && strcmp(as->gone_id, ev->response_id) == 0;

	if (ev->type == REALTIME_EVENT_ERROR)
		return on_error(as, ev);
	if (ev->type == REALTIME_EVENT_RESPONSE_CREATED) {
		if (!begins_aside(as, ev, echoes))
			return false;
		on_created(as, ev, now_ms);
		return true;
	}
	if (ev->type == REALTIME_EVENT_RESPONSE_DONE) {
		if (!runs && !is_gone &&
		    realtime_event_id_purpose(ev->ask) !=
			REALTIME_PURPOSE_ASIDE)
			return false;
		on_done(as, ev);
		return true;
	}
	if (runs)
		on_own_event(as, ev, now_ms);
	else if (is_gone && ev->type == REALTIME_EVENT_AUDIO_DELTA)
		as->late_audio++;
	return runs || is_gone;
}

/* Nobody waits for it any longer; the service may still speak of it. */
static void
give_up(struct realtime_asides *as, const char *why)
{
	snprintf(as->gone_id, sizeof(as->gone_id), "%s", as->said.response_id);
	finish(as, VOICE_END_FAILED, why);
}

void
realtime_asides_tick(struct realtime_asides *as, uint64_t now_ms)
{
	switch (as->state) {
	case REALTIME_ASIDE_NONE:
		break;
	case REALTIME_ASIDE_ASKED:
		if (now_ms - as->progress_ms >= REALTIME_ASIDE_MS)
			give_up(as, "no answer to response.create");
		break;
	case REALTIME_ASIDE_RUNNING:
		if (!as->hushed &&
		    now_ms - as->progress_ms >= REALTIME_ASIDE_MS)
			hush(as, VOICE_END_FAILED, "no audio came", now_ms);
		if (as->hushed && now_ms - as->hushed_ms >= REALTIME_HUSHED_MS)
			give_up(as, "no end after response.cancel");
		break;
	}
}
