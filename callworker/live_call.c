/* SPDX-License-Identifier: MIT */
/*
 * live_call.c – joins the rooms of one call.
 *
 * Invariant: the playout of a new call is held from the first word of the
 * greeting until the caller is connected, so that nothing is said to nobody.
 */
#include "callworker/live_call.h"

#include "callworker/caller_memory.h"
#include "callworker/history.h"
#include "callworker/media.h"
#include "common/clock.h"
#include "common/fault_point.h"
#include "common/json.h"
#include "common/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct live_call {
	struct live_call_config config;
	struct link_assign assign;
	struct brief *brief;
	struct journal *journal;
	struct media *media;
	struct conversation *conversation;
	struct history *history;      /* of a predecessor, until it is used */
	struct caller_memory *memory; /* NULL: it is damaged */
	struct voice *voice;          /* that is in force, or NULL */
	struct voice *coming;         /* that was started */
	uint64_t voice_ms;            /* since when it is in force */
	uint64_t media_up_ms;         /* 0: not yet */
	bool was_ready;
};

/* ---- what the conversation does --------------------------------------- */

static struct playout *
playout_of(const struct live_call *call)
{
	return media_playout(call->media);
}

static ssize_t
port_play(const char *utterance, const uint8_t *g711, size_t len, void *arg)
{
	const struct live_call *call = arg;

	caller_memory_voice_plays(call->memory);
	return playout_append(playout_of(arg), utterance, g711, len);
}

static void
port_play_end(const char *utterance, void *arg)
{
	/* Flushed or forgotten meanwhile: then there is nothing to end. */
	(void)playout_end(playout_of(arg), utterance);
}

static bool
port_flush(struct playout_flushed *flushed_out, void *arg)
{
	return playout_flush(playout_of(arg), flushed_out);
}

static int64_t
port_heard_ms(const char *utterance, void *arg)
{
	return playout_heard_ms(playout_of(arg), utterance);
}

static uint32_t
port_remaining_ms(void *arg)
{
	return playout_remaining_ms(playout_of(arg));
}

static bool
port_find_played(
    const char *utterance, struct playout_utterance *found_out, void *arg)
{
	return playout_find(playout_of(arg), utterance, found_out) == 0;
}

static struct history *
port_history(void *arg)
{
	const struct live_call *call = arg;
	struct history *history;
	int ret = history_read(&history, call->assign.journal_fd);

	if (ret != 0)
		log_err("journal cannot be read: %s", strerror(-ret));
	return history;
}

static void
port_comfort(enum comfort_kind kind, void *arg)
{
	const struct live_call *call = arg;

	media_comfort(call->media, kind);
}

static void
port_record(enum journal_type type, cJSON *body, void *arg)
{
	const struct live_call *call = arg;
	char *text = cJSON_PrintUnformatted(body);

	/* A full journal counts and says so itself. */
	if (text != NULL)
		(void)journal_append(call->journal, type, text, strlen(text));
	caller_memory_note(call->memory, type, body);
	free(text);
	cJSON_Delete(body);
}

static void
record_session(struct live_call *call, const char *state, const char *fault)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "state", state);
	json_add_string(body, "model", call->config.model);
	json_add_string(body, "fault", fault);
	port_record(JOURNAL_SESSION, body, call);
}

static void
port_ready(void *arg)
{
	struct live_call *call = arg;

	record_session(call, "configured", "");
	call->voice = call->coming;
	call->voice_ms = clock_now_ms();
	call->config.handlers->on_voice_in_force(call->config.arg);
	if (call->was_ready)
		return; /* another voice in the same call */
	call->was_ready = true;
	supervisor_link_ready(call->config.link);
	call->config.handlers->on_ready(call->config.arg);
}

static void
port_request_tool(const struct tool_call *tool, void *arg)
{
	const struct live_call *call = arg;

	FAULT_POINT("tool.request");
	supervisor_link_tool_request(
	    call->config.link, tool->id, tool->name, tool->arguments);
	FAULT_POINT("tool.requested");
}

static void
port_request_person(const struct tool_call *person, void *arg)
{
	const struct live_call *call = arg;

	supervisor_link_person(
	    call->config.link, person->id, person->arguments);
}

static void
port_cancel_tool(const char *id, void *arg)
{
	const struct live_call *call = arg;

	supervisor_link_tool_cancel(call->config.link, id);
}

static void
port_hang_up(const char *reason, void *arg)
{
	const struct live_call *call = arg;

	supervisor_link_hang_up(call->config.link, reason);
	call->config.handlers->on_over(
	    reason, strcmp(reason, "voice_lost") == 0, call->config.arg);
}

static void
port_voice_lost(enum voice_fault fault, const char *detail, void *arg)
{
	struct live_call *call = arg;

	record_session(call, "lost", voice_fault_name(fault));
	supervisor_link_voice_failed(call->config.link, fault, detail);
	/* An earlier one has moved the caller already: then this is moot. */
	supervisor_link_hang_up(call->config.link, "voice_lost");
	call->config.handlers->on_over("voice_lost", true, call->config.arg);
}

static bool
port_fetch_voice(enum voice_fault fault, const char *detail, void *arg)
{
	struct live_call *call = arg;

	call->voice = NULL;
	if (!call->config.handlers->on_voice_dropped(
		fault, detail, call->config.arg))
		return false;
	record_session(call, "dropped", voice_fault_name(fault));
	return true;
}

static bool
port_has_turn(uint64_t *from_ms_out, void *arg)
{
	const struct live_call *call = arg;

	return caller_memory_has_turn(call->memory, from_ms_out);
}

static void
port_send_turn(struct voice *voice, void *arg)
{
	const struct live_call *call = arg;

	caller_memory_send(call->memory, voice);
}

static void
port_heard_caller(const uint8_t *g711, size_t len, void *arg)
{
	const struct live_call *call = arg;

	caller_memory_put(call->memory, g711, len);
}

static void
port_changed(void *arg)
{
	const struct live_call *call = arg;

	call->config.handlers->on_changed(call->config.arg);
}

static const struct conversation_ports ports = {
    .play = port_play,
    .play_end = port_play_end,
    .flush = port_flush,
    .heard_ms = port_heard_ms,
    .remaining_ms = port_remaining_ms,
    .comfort = port_comfort,
    .record = port_record,
    .ready = port_ready,
    .history = port_history,
    .find_played = port_find_played,
    .fetch_voice = port_fetch_voice,
    .has_turn = port_has_turn,
    .send_turn = port_send_turn,
    .heard_caller = port_heard_caller,
    .request_tool = port_request_tool,
    .request_person = port_request_person,
    .cancel_tool = port_cancel_tool,
    .hang_up = port_hang_up,
    .voice_lost = port_voice_lost,
    .changed = port_changed,
};

/* ---- what RTP does ---------------------------------------------------- */

static void
on_uplink_frame(const uint8_t *frame, void *arg)
{
	const struct live_call *call = arg;

	FAULT_POINT("uplink");
	conversation_uplink(call->conversation, frame, UPLINK_FRAME_LEN);
}

static void
on_utterance_sent(const char *utterance, uint32_t heard_ms, void *arg)
{
	const struct live_call *call = arg;

	conversation_utterance_sent(call->conversation, utterance, heard_ms);
}

int
live_call_media(struct live_call *call, const struct net_address *peer)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct sockaddr_in in = {.sin_family = AF_INET};
	char text[NET_ADDRESS_FORMAT_SIZE];
	int ret;

	net_address_format(peer, text, sizeof(text));
	in.sin_port = in6.sin6_port = htons(peer->port);
	if (inet_pton(AF_INET, peer->ip, &in.sin_addr) == 1)
		ret = media_start(
		    call->media, (struct sockaddr *)&in, sizeof(in));
	else if (inet_pton(AF_INET6, peer->ip, &in6.sin6_addr) == 1)
		ret = media_start(
		    call->media, (struct sockaddr *)&in6, sizeof(in6));
	else
		ret = -EINVAL;
	if (ret != 0) {
		log_err("media cannot start peer=%s error=%s", text,
		    strerror(-ret));
		return ret;
	}
	if (call->media_up_ms != 0)
		return 0; /* another peer, the same call */
	log_info("media started peer=%s", text);
	call->media_up_ms = clock_now_ms();
	if (call->assign.talking_ms < call->media_up_ms)
		call->media_up_ms -= call->assign.talking_ms;
	playout_release(playout_of(call));
	conversation_media_up(call->conversation);
	return 0;
}

/* ---- life ------------------------------------------------------------- */

static void
record_assign(struct live_call *call)
{
	const struct link_assign *assign = &call->assign;
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "call", assign->call);
	json_add_string(body, "caller", assign->caller);
	json_add_string(body, "caller_name", assign->caller_name);
	json_add_string(body, "called", assign->called);
	json_add_string(body, "persona", assign->persona);
	json_add_string(
	    body, "codec", assign->law == G711_LAW_ALAW ? "alaw" : "ulaw");
	json_add_string(body, "model", call->config.model);
	json_add_int(body, "resumes", assign->resumes);
	port_record(JOURNAL_CALL, body, call);
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
close_fds(struct link_assign *assign)
{
	close_fd(&assign->rtp_fd);
	close_fd(&assign->journal_fd);
	close_fd(&assign->playout_fd);
	close_fd(&assign->brief_fd);
	close_fd(&assign->uplink_fd);
}

static int
attach(struct live_call *call, const char **what_out)
{
	struct media_config media = {
	    .base = call->config.base,
	    .rtp_fd = call->assign.rtp_fd,
	    .ring_fd = call->assign.playout_fd,
	    .payload_type = call->assign.law == G711_LAW_ALAW ? 8 : 0,
	    .on_uplink_frame = on_uplink_frame,
	    .on_utterance_sent = on_utterance_sent,
	    .arg = call,
	};
	int ret;

	*what_out = "brief";
	ret = brief_read(&call->brief, call->assign.brief_fd);
	close_fd(&call->assign.brief_fd);
	if (ret != 0)
		return ret;
	*what_out = "journal";
	if (call->assign.resumes > 0)
		ret = history_read(&call->history, call->assign.journal_fd);
	if (ret == 0)
		ret = journal_attach(&call->journal, call->assign.journal_fd);
	if (ret != 0)
		return ret;
	ret = caller_memory_new(&call->memory, call->assign.uplink_fd);
	if (ret != 0)
		log_warn("what the caller says is not remembered: %s",
		    strerror(-ret));
	*what_out = "media";
	ret = media_new(&call->media, &media);
	/* Who goes on with a call that is heard must not silence it. */
	if (ret == 0 && playout_is_new(playout_of(call)))
		playout_hold(playout_of(call));
	return ret;
}

static int
converse(struct live_call *call)
{
	struct conversation_config config = {
	    .voice = call->config.voice,
	    .brief = call->brief,
	    .law = call->assign.law,
	    .ports = &ports,
	    .arg = call,
	    .log_transcripts = call->config.log_transcripts,
	    .clock_ms = clock_now_ms,
	    .history = call->history,
	    .leaving = call->assign.leaving,
	    .secret = call->assign.secret,
	};
	int ret = -ENOTCONN;

	call->coming = config.voice;
	if (config.voice != NULL)
		ret = conversation_new(&call->conversation, &config);
	if (ret == 0)
		voice_listen(config.voice, &conversation_voice_events,
		    call->conversation);
	if (ret == 0 && call->assign.resumes > 0)
		caller_memory_send(call->memory, config.voice);
	history_free(&call->history);
	return ret;
}

static void
destroy(struct live_call *call)
{
	conversation_free(&call->conversation);
	history_free(&call->history);
	caller_memory_free(&call->memory);
	media_free(&call->media);
	journal_free(&call->journal);
	brief_free(&call->brief);
	close_fds(&call->assign);
	free(call);
}

int
live_call_new(
    struct live_call **call_out, const struct live_call_config *config)
{
	struct live_call *call = calloc(1, sizeof(*call));
	struct link_assign assign = *config->assign;
	const char *what = "memory";
	int ret = -ENOMEM;

	*call_out = NULL;
	if (call == NULL) {
		close_fds(&assign);
		goto fail;
	}
	call->config = *config;
	call->assign = assign;
	call->config.assign = NULL;
	ret = attach(call, &what);
	if (ret != 0)
		goto fail;
	record_assign(call);
	if (call->brief->model[0] != '\0' &&
	    strcmp(call->brief->model, config->model) != 0)
		log_warn("the brief asks for another model than the session "
			 "has brief=%s session=%s",
		    call->brief->model, config->model);
	what = "voice";
	ret = converse(call);
	if (ret != 0)
		goto fail;
	FAULT_POINT("call.assigned");
	*call_out = call;
	return 0;
fail:
	log_err("call cannot begin: %s: %s", what, strerror(-ret));
	if (call != NULL)
		destroy(call);
	return ret;
}

void
live_call_free(struct live_call **call_ptr, const char *reason)
{
	struct live_call *call = *call_ptr;
	cJSON *body;
	char *text;

	if (call == NULL)
		return;
	media_stop(call->media);
	body = cJSON_CreateObject();
	json_add_string(body, "reason", reason);
	json_add_int(body, "talking_ms", (int64_t)live_call_talking_ms(call));
	json_add(body, "usage", live_call_usage(call));
	json_add(body, "media", live_call_media_stats(call));
	conversation_free(&call->conversation);
	text = cJSON_PrintUnformatted(body);
	if (text != NULL)
		(void)journal_append_final(call->journal, text, strlen(text));
	free(text);
	cJSON_Delete(body);
	destroy(call);
	*call_ptr = NULL;
}

void
live_call_tick(struct live_call *call)
{
	if (call->voice != NULL)
		caller_memory_tick(
		    call->memory, call->voice, call->voice_ms, clock_now_ms());
	conversation_tick(call->conversation);
}

/* ---- another voice ----------------------------------------------------- */

int
live_call_change_voice(struct live_call *call, struct voice *voice)
{
	int ret = conversation_change_voice(call->conversation, voice);

	if (ret != 0) {
		log_err("the voice cannot change: %s", strerror(-ret));
		return ret;
	}
	call->voice = NULL;
	call->coming = voice;
	/* Unless the conversation had it do so: it may have been too late for
	 * the last one to notice that the caller speaks. */
	caller_memory_send(call->memory, voice);
	return 0;
}

/*
 * At the end of a sentence, if need be: a turn that the caller has begun is
 * heard by the next voice from its beginning.
 */
bool
live_call_may_change_voice(struct live_call *call, bool urgent)
{
	if (conversation_is_pausing(call->conversation))
		return true;
	return urgent && call->voice != NULL && !voice_is_busy(call->voice) &&
	       playout_remaining_ms(playout_of(call)) == 0;
}

void
live_call_voice_lost(
    struct live_call *call, enum voice_fault fault, const char *detail)
{
	conversation_voice_is_lost(call->conversation, fault, detail);
}

/* ---- what others ask -------------------------------------------------- */

struct conversation *
live_call_conversation(struct live_call *call)
{
	return call->conversation;
}

const struct link_assign *
live_call_assign(const struct live_call *call)
{
	return &call->assign;
}

uint64_t
live_call_talking_ms(const struct live_call *call)
{
	return call->media_up_ms == 0 ? 0 : clock_now_ms() - call->media_up_ms;
}

cJSON *
live_call_usage(const struct live_call *call)
{
	cJSON *json = cJSON_CreateObject();
	struct voice_usage usage;

	conversation_get_usage(call->conversation, &usage);
	json_add_string(json, "model", call->config.model);
#define X(member) json_add_int(json, #member, usage.member);
	VOICE_USAGE(X)
#undef X
	return json;
}

#define MEDIA_STATS(X)                                                         \
	X(packets_out)                                                         \
	X(comfort_frames)                                                      \
	X(send_errors)                                                         \
	X(packets_in)                                                          \
	X(lost)                                                                \
	X(late)                                                                \
	X(duplicate)                                                           \
	X(reordered)                                                           \
	X(stranger)                                                            \
	X(flood)                                                               \
	X(garbage)                                                             \
	X(wrong_type)                                                          \
	X(stale)                                                               \
	X(ahead_dropped)                                                       \
	X(silence_filled_ms)

cJSON *
live_call_media_stats(const struct live_call *call)
{
	cJSON *json = cJSON_CreateObject();
	struct media_stats stats;

	media_get_stats(call->media, &stats);
#define X(member) json_add_int(json, #member, (int64_t)stats.member);
	MEDIA_STATS(X)
#undef X
	json_add_int(json, "underruns", (int64_t)stats.playout.underruns);
	json_add_int(
	    json, "skipped_frames", (int64_t)stats.playout.skipped_frames);
	json_add_int(json, "clock_late_p99_us", stats.clock.late_p99_us);
	json_add_int(json, "clock_late_max_us", stats.clock.late_max_us);
	return json;
}

void
live_call_log_state(const struct live_call *call)
{
	cJSON *media = live_call_media_stats(call);
	cJSON *usage = live_call_usage(call);
	char *media_text = cJSON_PrintUnformatted(media);
	char *usage_text = cJSON_PrintUnformatted(usage);

	conversation_log_state(call->conversation);
	log_info("media: %s", media_text != NULL ? media_text : "?");
	log_info("usage: %s", usage_text != NULL ? usage_text : "?");
	free(media_text);
	free(usage_text);
	cJSON_Delete(media);
	cJSON_Delete(usage);
}
