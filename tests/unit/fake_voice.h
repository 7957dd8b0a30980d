/* SPDX-License-Identifier: MIT */
/*
 * fake_voice.h – a world for a conversation: a voice that writes down what it
 * is asked, a playout that sends 20 ms every 20 ms, a clock that a test moves.
 *
 * Everything that the conversation does is one line in `lines`.
 */
#ifndef TESTS_UNIT_FAKE_VOICE_H
#define TESTS_UNIT_FAKE_VOICE_H

#include "callworker/conversation.h"
#include "callworker/history.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FAKE_UTTERANCES = 16,
};

struct fake_utterance {
	char id[VOICE_ID_SIZE];
	size_t taken, sent;
	bool ended, cancelled, done;
};

struct fake_world {
	struct voice voice; /* first */
	struct conversation *c;
	struct brief *brief;
	char lines[16384];
	struct fake_utterance played[FAKE_UTTERANCES];
	unsigned played_count;
	bool busy;        /* what voice_is_busy() says */
	bool aside_busy;  /* voice_aside() is refused; a test sets it */
	bool prompt_vain; /* nothing to speak about */
	unsigned audio_frames, silent_frames;
	unsigned whole_frames;   /* of them, that must not be dropped */
	struct journal *journal; /* NULL: records are only noted */
	int journal_fd;
	bool fetches;               /* another voice, if one goes */
	bool remembers;             /* the caller's turn, as audio … */
	uint64_t remembers_from_ms; /* … from here on; 0: all of it */
	unsigned turns_sent;
};

static uint64_t fake_now_ms;

static uint64_t
fake_clock(void)
{
	return fake_now_ms;
}

static void fake_note(struct fake_world *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
fake_note(struct fake_world *w, const char *fmt, ...)
{
	size_t len = strlen(w->lines);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->lines + len, sizeof(w->lines) - len, fmt, ap);
	va_end(ap);
	len = strlen(w->lines);
	snprintf(w->lines + len, sizeof(w->lines) - len, "\n");
}

static struct fake_world *
fake_of(const struct voice *voice)
{
	union {
		const struct voice *in;
		struct fake_world *out;
	} cast = {.in = voice};

	return cast.out;
}

/* ---- the voice -------------------------------------------------------- */

static void
fake_note_history(struct fake_world *w, const struct history *h)
{
	static const char *const kinds[] = {
	    "caller", "told", "voice", "call", "output"};

	for (size_t i = 0; h != NULL && i < h->count; i++) {
		const struct history_item *item = &h->items[i];

		fake_note(w, "past %s %s%s %s", kinds[item->kind], item->id,
		    item->call_id, item->text);
	}
}

static int
fake_start(struct voice *voice, const struct brief *brief, enum g711_law law,
    const struct history *history)
{
	(void)brief;
	(void)law;
	fake_note(fake_of(voice), "start");
	fake_note_history(fake_of(voice), history);
	return 0;
}

static void
fake_listen(struct voice *voice, const struct voice_events *events, void *arg)
{
	(void)voice;
	(void)events;
	(void)arg;
}

static int
fake_send_audio(struct voice *voice, const uint8_t *g711, size_t len)
{
	struct fake_world *w = fake_of(voice);

	w->audio_frames++;
	w->silent_frames += len > 0 && g711[0] == 0xff;
	return 0;
}

static int
fake_repeat_audio(struct voice *voice, const uint8_t *g711, size_t len)
{
	fake_of(voice)->whole_frames++;
	return fake_send_audio(voice, g711, len);
}

static int
fake_say(struct voice *voice, const char *text, int tag)
{
	fake_note(fake_of(voice), "say %d %s", tag, text);
	return 0;
}

static int
fake_aside(struct voice *voice, const char *text, int tag)
{
	if (fake_of(voice)->aside_busy)
		return -EBUSY;
	fake_note(fake_of(voice), "aside %d %s", tag, text);
	return 0;
}

static int
fake_add_text(struct voice *voice, const char *text)
{
	fake_note(fake_of(voice), "text %s", text);
	return 0;
}

static int
fake_answer_tool(struct voice *voice, const char *id, const char *output)
{
	fake_note(fake_of(voice), "answer %s %s", id, output);
	return 0;
}

static bool
fake_prompt(struct voice *voice)
{
	fake_note(fake_of(voice), "prompt");
	return !fake_of(voice)->prompt_vain;
}

static bool
fake_has_news(const struct voice *voice)
{
	return !fake_of(voice)->prompt_vain;
}

static void
fake_nudge(struct voice *voice)
{
	fake_note(fake_of(voice), "nudge");
}

static void
fake_stop(struct voice *voice)
{
	fake_note(fake_of(voice), "stop");
}

static void
fake_interrupted(struct voice *voice, const char *utterance, uint32_t heard_ms)
{
	fake_note(fake_of(voice), "interrupted %s %u", utterance, heard_ms);
}

static bool
fake_is_busy(const struct voice *voice)
{
	return fake_of(voice)->busy;
}

static const struct voice_ops fake_ops = {
    .listen = fake_listen,
    .start = fake_start,
    .send_audio = fake_send_audio,
    .repeat_audio = fake_repeat_audio,
    .say = fake_say,
    .aside = fake_aside,
    .add_text = fake_add_text,
    .answer_tool = fake_answer_tool,
    .prompt = fake_prompt,
    .has_news = fake_has_news,
    .nudge = fake_nudge,
    .stop = fake_stop,
    .interrupted = fake_interrupted,
    .is_busy = fake_is_busy,
};

/* ---- the playout ------------------------------------------------------ */

static struct fake_utterance *
fake_find(struct fake_world *w, const char *id)
{
	for (unsigned i = 0; i < w->played_count; i++) {
		if (strcmp(w->played[i].id, id) == 0)
			return &w->played[i];
	}
	return NULL;
}

static ssize_t
fake_play(const char *id, const uint8_t *g711, size_t len, void *arg)
{
	struct fake_world *w = arg;
	struct fake_utterance *u = fake_find(w, id);

	(void)g711;
	if (u == NULL) {
		u = &w->played[w->played_count++];
		snprintf(u->id, sizeof(u->id), "%s", id);
	}
	if (u->cancelled)
		return -ECANCELED;
	u->taken += len;
	return (ssize_t)len;
}

static void
fake_play_end(const char *id, void *arg)
{
	struct fake_utterance *u = fake_find(arg, id);

	if (u != NULL)
		u->ended = true;
}

static bool
fake_flush(struct playout_flushed *flushed_out, void *arg)
{
	struct fake_world *w = arg;
	bool any = false;

	memset(flushed_out, 0, sizeof(*flushed_out));
	for (unsigned i = 0; i < w->played_count; i++) {
		struct fake_utterance *u = &w->played[i];

		if (u->done || u->cancelled)
			continue;
		u->cancelled = true;
		any = true;
	}
	return any;
}

static int64_t
fake_heard_ms(const char *id, void *arg)
{
	const struct fake_utterance *u = fake_find(arg, id);

	return u == NULL ? -ENOENT : (int64_t)(u->sent / 8);
}

static uint32_t
fake_remaining_ms(void *arg)
{
	struct fake_world *w = arg;
	size_t left = 0;

	for (unsigned i = 0; i < w->played_count; i++) {
		if (!w->played[i].cancelled)
			left += w->played[i].taken - w->played[i].sent;
	}
	return (uint32_t)(left / 8);
}

static bool
fake_find_played(const char *id, struct playout_utterance *found_out, void *arg)
{
	const struct fake_utterance *u = fake_find(arg, id);

	if (u == NULL)
		return false;
	found_out->taken_ms = (uint32_t)(u->taken / 8);
	found_out->sent_ms = (uint32_t)(u->sent / 8);
	found_out->ended = u->ended;
	found_out->cancelled = u->cancelled;
	return true;
}

static void
fake_comfort(enum comfort_kind kind, void *arg)
{
	static const char *const names[] = {"none", "work", "ring"};

	fake_note(arg, "comfort %s", names[kind]);
}

/* ---- the rest of the world -------------------------------------------- */

static void
fake_record(enum journal_type type, cJSON *body, void *arg)
{
	struct fake_world *w = arg;
	char *text = cJSON_PrintUnformatted(body);

	if (type == JOURNAL_HEARD || type == JOURNAL_ASIDE ||
	    type == JOURNAL_DTMF || type == JOURNAL_TOOL_PROGRESS ||
	    type == JOURNAL_ERROR ||
	    (type == JOURNAL_NOTE && cJSON_GetObjectItem(body, "text") == NULL))
		fake_note(w, "record %s %s", journal_type_name(type), text);
	if (w->journal != NULL)
		journal_append(w->journal, type, text, strlen(text));
	free(text);
	cJSON_Delete(body);
}

static struct history *
fake_history(void *arg)
{
	const struct fake_world *w = arg;
	struct history *h = NULL;

	if (w->journal != NULL)
		history_read(&h, w->journal_fd);
	return h;
}

static bool
fake_fetch_voice(enum voice_fault fault, const char *detail, void *arg)
{
	const struct fake_world *w = arg;

	(void)fault;
	(void)detail;
	return w->fetches;
}

static bool
fake_has_turn(uint64_t *from_ms_out, void *arg)
{
	const struct fake_world *w = arg;

	*from_ms_out = w->remembers_from_ms;
	return w->remembers;
}

static void
fake_send_turn(struct voice *voice, void *arg)
{
	struct fake_world *w = arg;

	(void)voice;
	w->turns_sent++;
}

static void
fake_ready(void *arg)
{
	fake_note(arg, "ready");
}

static void
fake_request_tool(const struct tool_call *call, void *arg)
{
	fake_note(
	    arg, "request %s %s %s", call->id, call->name, call->arguments);
}

static void
fake_request_person(const struct tool_call *call, void *arg)
{
	fake_note(arg, "person %s %s", call->id, call->arguments);
}

static void
fake_cancel_tool(const char *id, void *arg)
{
	fake_note(arg, "cancel %s", id);
}

static void
fake_hang_up(const char *reason, void *arg)
{
	fake_note(arg, "hang up %s", reason);
}

static void
fake_voice_lost(enum voice_fault fault, const char *detail, void *arg)
{
	(void)detail;
	fake_note(arg, "voice lost %s", voice_fault_name(fault));
}

static void
fake_changed(void *arg)
{
	(void)arg;
}

static const struct conversation_ports fake_ports = {
    .play = fake_play,
    .play_end = fake_play_end,
    .flush = fake_flush,
    .heard_ms = fake_heard_ms,
    .remaining_ms = fake_remaining_ms,
    .comfort = fake_comfort,
    .record = fake_record,
    .find_played = fake_find_played,
    .history = fake_history,
    .fetch_voice = fake_fetch_voice,
    .has_turn = fake_has_turn,
    .send_turn = fake_send_turn,
    .ready = fake_ready,
    .request_tool = fake_request_tool,
    .request_person = fake_request_person,
    .cancel_tool = fake_cancel_tool,
    .hang_up = fake_hang_up,
    .voice_lost = fake_voice_lost,
    .changed = fake_changed,
};

/* One 20 ms frame to the caller. */
static void
fake_send_frame(struct fake_world *w)
{
	for (unsigned i = 0; i < w->played_count; i++) {
		struct fake_utterance *u = &w->played[i];
		size_t n = u->taken - u->sent;

		if (u->done || u->cancelled)
			continue;
		u->sent += n < 160 ? n : 160;
		if (u->ended && u->sent == u->taken) {
			u->done = true;
			conversation_utterance_sent(
			    w->c, u->id, (uint32_t)(u->sent / 8));
		}
		if (n > 0)
			return;
	}
}

/* Lets MS pass, with frames and ticks as in life. */
static void
fake_pass(struct fake_world *w, uint64_t ms)
{
	for (uint64_t end = fake_now_ms + ms; fake_now_ms < end;) {
		fake_now_ms += 20;
		fake_send_frame(w);
		if (fake_now_ms % 100 == 0)
			conversation_tick(w->c);
	}
}

#endif
