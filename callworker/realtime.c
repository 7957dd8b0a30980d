/* SPDX-License-Identifier: MIT */
/*
 * realtime.c – one Realtime session: its connection, its life, and the
 * events that concern neither responses nor items.
 *
 * Invariant: at most one fatal fault is reported, and nothing after it. The
 * service's bytes are counted, parsed and bounded before they mean anything.
 */
#include "callworker/realtime.h"

#include "callworker/brief.h"
#include "callworker/realtime_faults.h"
#include "callworker/realtime_history.h"
#include "callworker/realtime_responses.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/url.h"
#include "common/websocket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum session_state {
	SESSION_CONNECTING,
	SESSION_OPEN,        /* session.created is awaited */
	SESSION_UP,          /* warm: nothing was asked of it */
	SESSION_CONFIGURING, /* session.updated is awaited */
	SESSION_READY,
	SESSION_OVER,
};

static const char *const session_names[] = {
    [SESSION_CONNECTING] = "connecting",
    [SESSION_OPEN] = "open",
    [SESSION_UP] = "up",
    [SESSION_CONFIGURING] = "configuring",
    [SESSION_READY] = "ready",
    [SESSION_OVER] = "over",
};

struct realtime {
	struct voice voice; /* first */
	const struct voice_events *events;
	void *arg;
	struct websocket *ws;
	struct realtime_responses *responses;
	struct realtime_history history;
	bool resumes; /* goes on with a history … */
	bool updated; /* … and the rest is in force */
	uint64_t updated_ms;
	enum session_state state;
	enum g711_law law;
	unsigned long long lost_frames; /* dropped, and not counted as sent */
	uint64_t state_ms; /* since when; 0: stamped by the next tick */
	uint32_t retry_ms; /* the service asks to be left alone so long */
	unsigned malformed;
	unsigned long long dropped_audio;  /* as of the last log line */
	struct log_ratelimit odd_events;   /* unknown, malformed */
	struct log_ratelimit error_events; /* harmless errors */
	struct log_ratelimit drops;
	char url_path[URL_PATH_SIZE + 256];
};

static struct realtime *
from_voice(struct voice *voice)
{
	return (struct realtime *)(void *)voice;
}

static void
set_state(struct realtime *rt, enum session_state state, const char *why)
{
	if (rt->state == state)
		return;
	log_debug("voice session %s -> %s (%s)", session_names[rt->state],
	    session_names[state], why);
	rt->state = state;
	rt->state_ms = clock_now_ms();
}

/* Ends the session; the last that the listener hears of it. */
static void
fail(struct realtime *rt, enum voice_fault fault, const char *detail)
{
	char text[VOICE_DETAIL_MAX];

	if (rt->state == SESSION_OVER)
		return;
	snprintf(text, sizeof(text), "%s", detail);
	set_state(rt, SESSION_OVER, voice_fault_name(fault));
	if (rt->ws != NULL)
		websocket_close(rt->ws, 1000);
	rt->events->on_fault(fault, text, true, rt->arg);
}

/* ---- events ----------------------------------------------------------- */

static void
on_created(struct realtime *rt, const struct realtime_event *ev)
{
	if (rt->state != SESSION_OPEN)
		return;
	set_state(rt, SESSION_UP, "session.created");
	log_info("voice session up session=%s", ev->session_id);
	rt->events->on_up(ev->expires_s, rt->arg);
}

/* All that was asked for is in force, or as much as there will be. */
static void
get_ready(struct realtime *rt)
{
	set_state(rt, SESSION_READY,
	    rt->resumes ? "it has the history" : "session.updated");
	/* It has seen no event yet: what is asked for now is asked now. */
	realtime_responses_tick(rt->responses, clock_now_ms());
	rt->events->on_configured(rt->arg);
}

static void
on_updated(struct realtime *rt)
{
	if (rt->state != SESSION_CONFIGURING)
		return;
	rt->updated = true;
	rt->updated_ms = clock_now_ms();
	if (rt->history.missing == 0)
		get_ready(rt);
}

/* An event about the history. */
static void
on_history(struct realtime *rt)
{
	if (rt->state == SESSION_CONFIGURING && rt->updated &&
	    rt->history.missing == 0)
		get_ready(rt);
}

static void
on_error(struct realtime *rt, const struct realtime_event *ev)
{
	enum voice_fault fault = realtime_error_fault(
	    ev->error_type, ev->error_code, ev->error_message);
	bool ours = realtime_event_id_purpose(ev->error_event_id) ==
		    REALTIME_PURPOSE_UPDATE;
	char detail[VOICE_DETAIL_MAX];
	uint32_t more;

	/* The words about a refused key repeat parts of it. */
	snprintf(detail, sizeof(detail), "%.60s %.60s: %.120s",
	    ev->error_code[0] != '\0' ? ev->error_code : ev->error_type,
	    ev->error_param, fault == VOICE_FAULT_KEY ? "" : ev->error_message);
	/* An update that is refused is lost as a whole: without persona,
	 * tools and format there is no call. */
	if (ours || rt->state != SESSION_READY ||
	    realtime_fault_is_fatal(fault)) {
		fail(rt, fault, detail);
		return;
	}
	if (log_allow(&rt->error_events, &more))
		log_warn("error of the voice service ignored code=%s "
			 "type=%s message=\"%.200s\" more=%u",
		    ev->error_code, ev->error_type, ev->error_message, more);
}

static void
on_caller_transcript(struct realtime *rt, const struct realtime_event *ev)
{
	if (ev->type == REALTIME_EVENT_CALLER_TRANSCRIPT) {
		rt->events->on_transcript(
		    VOICE_SPEAKER_CALLER, ev->item_id, ev->text, rt->arg);
		return;
	}
	log_info(
	    "the caller's words were not transcribed code=%s", ev->error_code);
}

static void
on_other_event(struct realtime *rt, const struct realtime_event *ev)
{
	uint32_t more;

	switch (ev->type) {
	case REALTIME_EVENT_SESSION_CREATED:
		on_created(rt, ev);
		break;
	case REALTIME_EVENT_SESSION_UPDATED:
		on_updated(rt);
		break;
	case REALTIME_EVENT_ERROR:
		on_error(rt, ev);
		break;
	case REALTIME_EVENT_CALLER_TRANSCRIPT:
	case REALTIME_EVENT_CALLER_TRANSCRIPT_FAILED:
		if (rt->state == SESSION_READY)
			on_caller_transcript(rt, ev);
		break;
	default:
		if (log_allow(&rt->odd_events, &more))
			log_debug("voice event ignored type=%.80s more=%u",
			    ev->type_name, more);
		break;
	}
}

/* The state machine may have come to a fatal end. */
static void
check_responses(struct realtime *rt)
{
	if (rt->state == SESSION_OVER ||
	    !realtime_responses_is_over(rt->responses))
		return;
	set_state(rt, SESSION_OVER, "no more responses");
	if (rt->ws != NULL)
		websocket_close(rt->ws, 1000);
}

static void
on_malformed(struct realtime *rt, size_t len, bool is_binary)
{
	uint32_t more;

	rt->malformed++;
	if (log_allow(&rt->odd_events, &more))
		log_warn("malformed message of the voice service len=%zu "
			 "binary=%s count=%u more=%u",
		    len, is_binary ? "yes" : "no", rt->malformed, more);
	if (rt->malformed >= REALTIME_MALFORMED_MAX)
		fail(rt, VOICE_FAULT_PROTOCOL, "too many malformed messages");
}

static void
on_message(struct websocket *ws, const char *data, size_t len, bool is_binary,
    void *arg)
{
	struct realtime *rt = arg;
	struct realtime_event ev;

	(void)ws;
	if (rt->state == SESSION_OVER)
		return;
	if (is_binary || realtime_event_parse(&ev, data, len) != 0) {
		on_malformed(rt, len, is_binary);
		return;
	}
	/* Before that nobody listens to what a session says of its own. */
	if (rt->resumes && realtime_history_event(&rt->history, &ev))
		on_history(rt);
	else if (rt->state != SESSION_READY ||
		 !realtime_responses_event(rt->responses, &ev, clock_now_ms()))
		on_other_event(rt, &ev);
	realtime_event_free(&ev);
	check_responses(rt);
}

/* ---- the connection --------------------------------------------------- */

static void
on_open(struct websocket *ws, void *arg)
{
	struct realtime *rt = arg;

	(void)ws;
	set_state(rt, SESSION_OPEN, "connected");
}

static void
on_close(struct websocket *ws, const struct websocket_closed *closed, void *arg)
{
	struct realtime *rt = arg;
	char detail[VOICE_DETAIL_MAX];

	(void)ws;
	rt->retry_ms = closed->retry_ms;
	snprintf(detail, sizeof(detail), "%s %d %.200s",
	    websocket_reason_name(closed->reason), closed->status,
	    closed->text);
	fail(rt, realtime_closed_fault(closed), detail);
}

static int
send_text(const char *json, void *arg)
{
	struct realtime *rt = arg;

	if (rt->ws == NULL || rt->state == SESSION_OVER)
		return -ENOTCONN;
	return websocket_send_text(rt->ws, json, strlen(json));
}

/* ---- the interface ---------------------------------------------------- */

static void
realtime_listen(
    struct voice *voice, const struct voice_events *events, void *arg)
{
	struct realtime *rt = from_voice(voice);

	rt->events = events;
	rt->arg = arg;
	realtime_responses_listen(rt->responses, events, arg);
}

static int
realtime_start(struct voice *voice, const struct brief *brief,
    enum g711_law law, const struct history *history)
{
	struct realtime *rt = from_voice(voice);
	char id[REALTIME_ID_SIZE];
	char *json;
	int ret;

	if (rt->state != SESSION_UP)
		return -ENOTCONN;
	realtime_event_id(id, REALTIME_PURPOSE_UPDATE, 1);
	json = realtime_encode_session(id, brief, law);
	if (json == NULL)
		return -ENOMEM;
	ret = send_text(json, rt);
	free(json);
	rt->law = law;
	rt->resumes = history != NULL;
	if (ret == 0 && history != NULL)
		ret =
		    realtime_history_send(&rt->history, history, send_text, rt);
	realtime_responses_set_lead_in(
	    rt->responses, (uint32_t)json_int(brief->turn_detection,
			       "prefix_padding_ms", REALTIME_LEAD_IN_MS));
	if (ret == 0)
		set_state(rt, SESSION_CONFIGURING, "session.update");
	return ret;
}

/* One frame was queued (SENT), and older ones were perhaps dropped for it. */
static void
count_audio(struct realtime *rt, const uint8_t *g711, size_t len, bool sent)
{
	struct websocket_stats stats;

	websocket_get_stats(rt->ws, &stats);
	if (sent)
		realtime_responses_sent_audio(rt->responses,
		    (uint32_t)(len / G711_BYTES_PER_MS),
		    g711_mean_square(rt->law, g711, len) <=
			REALTIME_SILENCE_MEAN_SQUARE);
	realtime_responses_lost_audio(rt->responses,
	    (uint32_t)(stats.dropped - rt->lost_frames) * REALTIME_FRAME_MS);
	rt->lost_frames = stats.dropped;
}

static int
append_audio(struct realtime *rt, const uint8_t *g711, size_t len,
    int (*send)(struct websocket *ws, const char *buf, size_t len))
{
	char buf[REALTIME_APPEND_SIZE];
	size_t n;
	int ret;

	/* The service takes everything in order: what comes before it has
	 * said that it knows the history comes after it all the same. */
	if (rt->state != SESSION_READY &&
	    (rt->state != SESSION_CONFIGURING || !rt->resumes))
		return -ENOTCONN;
	n = realtime_encode_append(buf, g711, len);
	ret = send(rt->ws, buf, n);
	count_audio(rt, g711, len, ret == 0);
	return ret;
}

static int
realtime_send_audio(struct voice *voice, const uint8_t *g711, size_t len)
{
	return append_audio(
	    from_voice(voice), g711, len, websocket_send_text_droppable);
}

static int
realtime_repeat_audio(struct voice *voice, const uint8_t *g711, size_t len)
{
	return append_audio(from_voice(voice), g711, len, websocket_send_text);
}

static uint64_t
realtime_heard_ms(const struct voice *voice)
{
	const struct realtime *rt =
	    (const struct realtime *)(const void *)voice;

	return rt->ws == NULL ? 0 : websocket_heard_ms(rt->ws);
}

static uint32_t
realtime_retry_ms(const struct voice *voice)
{
	const struct realtime *rt =
	    (const struct realtime *)(const void *)voice;

	return rt->retry_ms;
}

static int
realtime_say(struct voice *voice, const char *text, int tag)
{
	return realtime_responses_say(from_voice(voice)->responses, text, tag);
}

static int
realtime_aside(struct voice *voice, const char *text, int tag)
{
	struct realtime *rt = from_voice(voice);

	if (rt->state != SESSION_READY)
		return -ENOTCONN;
	return realtime_responses_aside(rt->responses, text, tag);
}

static int
realtime_add_text(struct voice *voice, const char *text)
{
	return realtime_responses_add_text(from_voice(voice)->responses, text);
}

static int
realtime_answer_tool(struct voice *voice, const char *id, const char *output)
{
	return realtime_responses_answer_tool(
	    from_voice(voice)->responses, id, output);
}

static bool
realtime_prompt(struct voice *voice)
{
	return realtime_responses_prompt(from_voice(voice)->responses);
}

static bool
realtime_has_news(const struct voice *voice)
{
	const struct realtime *rt =
	    (const struct realtime *)(const void *)voice;

	return realtime_responses_has_news(rt->responses);
}

static void
realtime_nudge(struct voice *voice)
{
	realtime_responses_nudge(from_voice(voice)->responses);
}

static void
realtime_stop(struct voice *voice)
{
	realtime_responses_stop(from_voice(voice)->responses);
}

static void
realtime_interrupted(
    struct voice *voice, const char *utterance, uint32_t heard_ms)
{
	struct realtime *rt = from_voice(voice);

	if (!realtime_history_interrupted(
		&rt->history, utterance, heard_ms, send_text, rt))
		realtime_responses_interrupted(
		    rt->responses, utterance, heard_ms);
}

static bool
realtime_is_busy(const struct voice *voice)
{
	const struct realtime *rt =
	    (const struct realtime *)(const void *)voice;

	return realtime_responses_is_busy(rt->responses);
}

static void
log_dropped_audio(struct realtime *rt)
{
	struct websocket_stats stats;
	uint32_t more;

	if (rt->ws == NULL)
		return;
	websocket_get_stats(rt->ws, &stats);
	if (stats.dropped == rt->dropped_audio || !log_allow(&rt->drops, &more))
		return;
	log_warn("network stalls: the caller's oldest audio dropped ms=%llu "
		 "queued_bytes=%zu",
	    (stats.dropped - rt->dropped_audio) * REALTIME_FRAME_MS,
	    stats.queued_len);
	rt->dropped_audio = stats.dropped;
}

static void
realtime_tick(struct voice *voice, uint64_t now_ms)
{
	struct realtime *rt = from_voice(voice);
	uint64_t age_ms = now_ms > rt->state_ms ? now_ms - rt->state_ms : 0;

	if (rt->state == SESSION_OVER)
		return;
	if (rt->state == SESSION_OPEN && age_ms >= REALTIME_CREATED_MS)
		fail(rt, VOICE_FAULT_TIMEOUT, "no session.created");
	else if (rt->state == SESSION_CONFIGURING && !rt->updated &&
		 age_ms >= REALTIME_UPDATED_MS)
		fail(rt, VOICE_FAULT_TIMEOUT, "no session.updated");
	if (rt->state == SESSION_CONFIGURING && rt->updated &&
	    now_ms - rt->updated_ms >= REALTIME_HISTORY_MS) {
		log_warn("the voice does not say that it has the history "
			 "missing=%zu",
		    rt->history.missing);
		get_ready(rt);
	}
	if (rt->state == SESSION_OVER)
		return;
	realtime_responses_tick(rt->responses, now_ms);
	check_responses(rt);
	log_dropped_audio(rt);
}

static void
realtime_log_state(const struct voice *voice)
{
	const struct realtime *rt =
	    (const struct realtime *)(const void *)voice;
	struct realtime_responses_stats rs;
	struct websocket_stats ws = {0};
	char text[256];

	realtime_responses_describe(rt->responses, text, sizeof(text));
	realtime_responses_get_stats(rt->responses, &rs);
	if (rt->ws != NULL)
		websocket_get_stats(rt->ws, &ws);
	log_info("voice: session=%s %s", session_names[rt->state], text);
	log_info(
	    "voice: responses=%llu retries=%llu collisions=%llu "
	    "asides=%llu late_audio=%llu dropped_calls=%llu malformed=%u sent=%llu "
	    "received=%llu queued_bytes=%zu dropped_audio=%llu",
	    (unsigned long long)rs.responses, (unsigned long long)rs.retries,
	    (unsigned long long)rs.collisions, (unsigned long long)rs.asides,
	    (unsigned long long)rs.late_audio,
	    (unsigned long long)rs.dropped_calls, rt->malformed, ws.sent,
	    ws.received, ws.queued_len, ws.dropped);
}

static void
realtime_close(struct voice *voice)
{
	struct realtime *rt = from_voice(voice);

	if (rt->state == SESSION_OVER)
		return;
	set_state(rt, SESSION_OVER, "closed by us");
	if (rt->ws != NULL)
		websocket_close(rt->ws, 1000);
}

static void
realtime_free(struct voice *voice)
{
	struct realtime *rt = from_voice(voice);

	websocket_free(&rt->ws);
	realtime_responses_free(&rt->responses);
	realtime_history_free(&rt->history);
	free(rt);
}

static const struct voice_ops realtime_ops = {
    .listen = realtime_listen,
    .start = realtime_start,
    .send_audio = realtime_send_audio,
    .repeat_audio = realtime_repeat_audio,
    .heard_ms = realtime_heard_ms,
    .retry_ms = realtime_retry_ms,
    .say = realtime_say,
    .aside = realtime_aside,
    .add_text = realtime_add_text,
    .answer_tool = realtime_answer_tool,
    .prompt = realtime_prompt,
    .has_news = realtime_has_news,
    .nudge = realtime_nudge,
    .stop = realtime_stop,
    .interrupted = realtime_interrupted,
    .is_busy = realtime_is_busy,
    .tick = realtime_tick,
    .log_state = realtime_log_state,
    .close = realtime_close,
    .free = realtime_free,
};

/* "…?model=NAME"; a model's name needs no quoting, or is none. */
static int
build_path(struct realtime *rt, const struct url *url, const char *model)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-._:";
	int n;

	if (model[0] == '\0' || strspn(model, allowed) != strlen(model))
		return -EINVAL;
	n = snprintf(rt->url_path, sizeof(rt->url_path), "%s%cmodel=%s",
	    url->path, url->has_query ? '&' : '?', model);
	return n < 0 || (size_t)n >= sizeof(rt->url_path) ? -EINVAL : 0;
}

static int
open_websocket(struct realtime *rt, const struct realtime_config *config,
    const struct url *url)
{
	struct net_address addresses[NET_ADDRESSES_MAX];
	char authorization[640];
	const char *headers[] = {authorization, NULL};
	struct websocket_config ws = {
	    .addresses = addresses,
	    .address_count = config->address_count,
	    .host = url->host,
	    .path = rt->url_path,
	    .tls = url->tls,
	    .plaintext_allowed = !url->tls && url_host_is_loopback(url->host),
	    .ca_file = config->ca_file != NULL && config->ca_file[0] != '\0'
			   ? config->ca_file
			   : NULL,
	    .headers = headers,
	    .handshake_timeout_ms = config->connect_ms != 0
					? config->connect_ms
					: REALTIME_CONNECT_MS,
	    .ping_interval_s = REALTIME_PING_S,
	    .dead_peer_s = REALTIME_DEAD_S,
	    .message_max = REALTIME_MESSAGE_MAX,
	    .droppable_max = REALTIME_AUDIO_MAX,
	    .name = "voice",
	    .callbacks = {on_open, on_message, on_close},
	    .arg = rt,
	};
	int n = snprintf(authorization, sizeof(authorization),
	    "Authorization: Bearer %s", config->key);
	int ret = -EINVAL;

	for (size_t i = 0; i < config->address_count; i++) {
		addresses[i] = config->addresses[i];
		addresses[i].port = url->port;
	}
	if (n > 0 && (size_t)n < sizeof(authorization))
		ret = websocket_open(&rt->ws, config->base, &ws);
	explicit_bzero(authorization, sizeof(authorization));
	return ret;
}

int
realtime_new(struct voice **voice_out, const struct realtime_config *config)
{
	struct realtime *rt = calloc(1, sizeof(*rt));
	struct realtime_responses_config responses = {
	    .send = send_text,
	    .send_arg = rt,
	    .events = config->events,
	    .events_arg = config->arg,
	};
	const char *why = "";
	struct url url;
	int ret;

	*voice_out = NULL;
	if (rt == NULL)
		return -ENOMEM;
	rt->voice.ops = &realtime_ops;
	rt->events = config->events;
	rt->arg = config->arg;
	ret = url_parse(config->url, &url, &why);
	if (ret != 0)
		log_err("OPENAI_REALTIME_URL is not usable: %s", why);
	if (ret == 0 && (config->address_count == 0 ||
			    config->address_count > NET_ADDRESSES_MAX))
		ret = -EINVAL;
	if (ret == 0)
		ret = build_path(rt, &url, config->model);
	if (ret == 0)
		ret = realtime_responses_new(&rt->responses, &responses);
	if (ret == 0)
		ret = open_websocket(rt, config, &url);
	if (ret != 0) {
		realtime_free(&rt->voice);
		return ret;
	}
	rt->state_ms = clock_now_ms();
	*voice_out = &rt->voice;
	return 0;
}
