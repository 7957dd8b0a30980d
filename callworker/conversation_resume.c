/* SPDX-License-Identifier: MIT */
/*
 * conversation_resume.c – from one voice to the next, in this process or in
 * that of a predecessor, with the journal as all that the new one knows.
 *
 * Invariants: the caller hears nothing of it but a later next turn. A function
 * call that the supervisor may know is asked for again with its id; one that
 * it cannot know is answered as not made, so that nothing runs twice or
 * unconfirmed.
 */
#include "callworker/conversation_impl.h"
#include "common/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const tag_names[] = {
#define X(id, name) [CONVERSATION_TAG_##id] = name,
    CONVERSATION_TAGS(X)
#undef X
};

enum {
	TAGS = sizeof(tag_names) / sizeof(tag_names[0]),
	LAST_WORDS_MAX = 160, /* bytes of what was heard last */
};

const char *
conversation_tag_name(int tag)
{
	return tag >= 0 && tag < (int)TAGS ? tag_names[tag] : "";
}

int
conversation_tag_find(const char *name)
{
	for (int tag = 0; tag < (int)TAGS; tag++) {
		if (strcmp(tag_names[tag], name) == 0)
			return tag;
	}
	return -ENOENT;
}

/* ---- no voice ---------------------------------------------------------- */

static int
no_send_audio(struct voice *voice, const uint8_t *g711, size_t len)
{
	(void)voice;
	(void)g711;
	(void)len;
	return -ENOTCONN;
}

static int
no_say(struct voice *voice, const char *text, int tag)
{
	(void)voice;
	(void)text;
	(void)tag;
	return -ENOTCONN;
}

/* The journal has it, from which the next voice will know. */
static int
no_add_text(struct voice *voice, const char *text)
{
	(void)voice;
	(void)text;
	return 0;
}

static int
no_answer_tool(struct voice *voice, const char *id, const char *output)
{
	(void)voice;
	(void)id;
	(void)output;
	return 0;
}

static bool
no_prompt(struct voice *voice)
{
	(void)voice;
	return false;
}

static bool
no_has_news(const struct voice *voice)
{
	(void)voice;
	return true;
}

static void
no_act(struct voice *voice)
{
	(void)voice;
}

static void
no_interrupted(struct voice *voice, const char *utterance, uint32_t heard_ms)
{
	(void)voice;
	(void)utterance;
	(void)heard_ms;
}

static bool
no_is_busy(const struct voice *voice)
{
	(void)voice;
	return true;
}

static const struct voice_ops no_voice_ops = {
    .send_audio = no_send_audio,
    .repeat_audio = no_send_audio,
    .say = no_say,
    .add_text = no_add_text,
    .answer_tool = no_answer_tool,
    .prompt = no_prompt,
    .has_news = no_has_news,
    .nudge = no_act,
    .stop = no_act,
    .interrupted = no_interrupted,
    .is_busy = no_is_busy,
};

static void
go_without_voice(struct conversation *c)
{
	c->resume.voiceless = true;
	c->resume.voiceless_ms = c->now_ms;
}

/* ---- what the playout knows better -------------------------------------- */

/*
 * ITEM, an utterance that the journal has not seen the end of: how much of it
 * was heard, how much is queued.
 */
static void
settle_utterance(struct conversation *c, struct history *h, size_t i)
{
	struct history_item *item = &h->items[i];
	struct playout_utterance played;

	if (!CONVERSATION_PORT(c, find_played, item->id, &played) ||
	    played.taken_ms == 0) {
		history_unsay(h, i); /* it had only been announced */
		return;
	}
	item->heard_ms = played.sent_ms;
	item->total_ms = played.taken_ms;
	item->broken = item->broken || (!played.ended && !played.cancelled);
	item->over = played.cancelled ||
		     (played.ended && played.sent_ms == played.taken_ms);
	if (played.cancelled)
		(void)history_set_text(h, i, item->text,
		    spoken_heard_len(
			item->text, item->heard_ms, item->total_ms));
}

static bool
is_speech(const struct history_item *item)
{
	return item->kind == HISTORY_VOICE &&
	       item->tag != CONVERSATION_TAG_ASIDE;
}

/* Of a turn of the caller something must be there, for what answers it. */
static void
settle(struct conversation *c, struct history *h)
{
	for (size_t i = h->count; i > 0; i--) {
		const struct history_item *item = &h->items[i - 1];

		if (item->kind == HISTORY_VOICE && !item->over)
			settle_utterance(c, h, i - 1);
	}
	for (size_t i = 0; i < h->count; i++) {
		const struct history_item *item = &h->items[i];

		if (item->kind == HISTORY_CALLER && !item->open &&
		    item->text[0] == '\0')
			(void)history_set_text(h, i, CONVERSATION_UNKNOWN_TEXT,
			    strlen(CONVERSATION_UNKNOWN_TEXT));
	}
}

/* ---- who owes the next word ---------------------------------------------- */

static bool
was_interrupted(const struct history_item *item)
{
	return item->over && item->heard_ms < item->total_ms;
}

/* The utterance that was under way when its voice went, or NULL. */
static const struct history_item *
find_broken(const struct history *h)
{
	for (size_t i = h->count; i > 0; i--) {
		const struct history_item *item = &h->items[i - 1];

		if (item->kind == HISTORY_CALLER)
			return NULL;
		if (is_speech(item))
			return item->broken && !was_interrupted(item) ? item
								      : NULL;
	}
	return NULL;
}

/* Whether nobody has heard a word of the voice, and nobody has spoken. */
static bool
is_unbegun(const struct history *h)
{
	if (h->dropped > 0 || h->turn_owed || h->caller_talking)
		return false;
	for (size_t i = 0; i < h->count; i++) {
		const struct history_item *item = &h->items[i];

		if (item->kind == HISTORY_CALLER ||
		    (is_speech(item) && (item->heard_ms > 0 || !item->over)))
			return false;
	}
	return true;
}

/* Whether the words of the turn without an answer are known. */
static bool
turn_is_known(const struct history *h)
{
	for (size_t i = h->count; i > 0; i--) {
		const struct history_item *item = &h->items[i - 1];

		if (item->kind == HISTORY_CALLER && item->open)
			return item->text[0] != '\0';
	}
	return false;
}

static void
owe_rest(struct conversation *c, const struct history_item *item)
{
	const char *text = item->text;
	size_t len = strlen(text);
	const char *from =
	    len > LAST_WORDS_MAX ? text + len - LAST_WORDS_MAX : text;

	if (from != text)
		from = strchr(from, ' ') != NULL ? strchr(from, ' ') + 1 : text;
	c->resume.owed = CONVERSATION_OWED_REST;
	free(c->resume.words);
	c->resume.words = from[0] == '\0' ? NULL : strdup(from);
}

/* CAN_HEAR: what the caller said and got no answer to is sent again. */
static void
decide(struct conversation *c, const struct history *h, bool can_hear)
{
	const struct history_item *broken = find_broken(h);

	c->resume.owed = CONVERSATION_OWED_NOTHING;
	c->resume.owed_ms = 0;
	c->resume.greet = is_unbegun(h);
	c->resume.heard_again = false;
	c->resume.was_talking = h->caller_talking;
	if (h->caller_talking || h->turn_owed || h->cut) {
		/* The service answers it by itself. */
		c->resume.heard_again = can_hear;
		if (can_hear)
			return;
		c->resume.owed =
		    !h->caller_talking && !h->cut && turn_is_known(h)
			? CONVERSATION_OWED_ANSWER
			: CONVERSATION_OWED_REPEAT;
		if (h->caller_talking)
			c->resume.owed_ms = c->now_ms + CONVERSATION_REPEAT_MS;
	} else if (broken != NULL && broken->tag != CONVERSATION_TAG_FAREWELL) {
		owe_rest(c, broken);
	} else if (h->news) {
		c->resume.owed = CONVERSATION_OWED_ANSWER;
	}
}

/* Tells VOICE all that H knows. 0 or -errno. */
static int
start_voice(struct conversation *c, struct voice *voice, struct history *h)
{
	uint64_t from_ms = 0;
	bool can_hear;
	int ret;

	settle(c, h);
	can_hear = (h->turn_owed || h->caller_talking || h->cut) &&
		   c->config.ports->has_turn != NULL &&
		   c->config.ports->has_turn(&from_ms, c->config.arg);
	decide(c, h, can_hear);
	c->resume.heard_from_ms = from_ms;
	/* Of a turn too long to be remembered the rest is told in words. */
	if (can_hear)
		history_forget_turn(h, from_ms);
	history_bound(h);
	ret = voice_start(voice, c->config.brief, c->config.law, h);
	if (ret != 0) {
		c->resume.owed = CONVERSATION_OWED_NOTHING;
		return ret;
	}
	log_info("voice gets the history items=%zu bytes=%zu left_out=%zu "
		 "owed=%d turn=%s",
	    h->count, h->text_len, h->dropped, (int)c->resume.owed,
	    can_hear ? "again" : "as text");
	if (can_hear)
		c->config.ports->send_turn(voice, c->config.arg);
	return 0;
}

/* ---- a predecessor's process -------------------------------------------- */

/* Before playout is told that no more comes. */
static void
record_broken(struct conversation *c, const char *utterance)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "id", utterance);
	conversation_record(c, JOURNAL_BROKEN, body);
}

/* What it queued can be interrupted, and is recorded as heard. */
static void
restore_utterance(struct conversation *c, const struct history_item *item)
{
	struct spoken *s = spoken_begin(&c->spoken, item->id, item->tag);

	spoken_set_text(s, item->text);
	s->received_len = (uint64_t)item->total_ms * G711_BYTES_PER_MS;
	s->heard_ms = item->heard_ms;
	s->ended = true;
	s->over = item->over;
	s->interrupted = item->over && item->heard_ms < item->total_ms;
	/* Of that one the text is what was heard of it. */
	if (s->interrupted)
		s->received_len = (uint64_t)item->heard_ms * G711_BYTES_PER_MS;
	/* What follows is said as a whole. */
	if (item->broken && s->tag == CONVERSATION_TAG_FAREWELL)
		s->tag = CONVERSATION_TAG_ANSWER;
	if (!item->over && item->broken)
		record_broken(c, item->id);
	if (!item->over)
		CONVERSATION_PORT(c, play_end, item->id);
	conversation_record_if_done(c, s);
}

static int
restore_tools(struct conversation *c, struct history *h)
{
	for (size_t i = 0; i < h->pending_count; i++) {
		const struct history_pending *p = &h->pending[i];
		const struct brief_tool *tool =
		    brief_find_tool(c->config.brief, p->name);
		uint64_t since_ms = p->since_ms;
		int ret;

		if (!p->requested)
			continue;
		if (since_ms > c->now_ms)
			since_ms = c->now_ms;
		ret = p->own
			  ? tool_calls_add_own(&c->tools, p->id, p->name,
				p->arguments, CONVERSATION_PERSON_MS, since_ms)
			  : tool_calls_add(&c->tools, p->id, p->name,
				p->arguments,
				tool != NULL ? tool->deadline_ms
					     : BRIEF_DEADLINE_MS,
				since_ms);
		if (ret != 0) {
			log_warn("a tool that ran is not waited for id=%s "
				 "error=%s",
			    p->id, strerror(-ret));
			continue;
		}
		c->tools.list[c->tools.count - 1].log_ms =
		    c->now_ms + TOOL_LOG_MS;
		log_info("tool waits on name=%s id=%s since_ms=%llu", p->name,
		    p->id, (unsigned long long)(c->now_ms - since_ms));
	}
	c->control.persons = h->persons;
	c->resume.repeat = c->tools.count > 0;
	/* The others are looked at once ports may be called. */
	c->resume.pending = h->pending;
	c->resume.pending_count = h->pending_count;
	h->pending = NULL;
	h->pending_count = h->pending_room = 0;
	return 0;
}

static void
restore_leaving(
    struct conversation *c, const struct history *h, const char *reason)
{
	snprintf(c->reason, sizeof(c->reason), "%s", reason);
	c->farewell = conversation_farewell_phrase(reason);
	c->leave_ms = c->now_ms;
	conversation_set_phase(c, CONVERSATION_LEAVING, "resumed");
	/* What was said before the caller spoke was another goodbye. */
	for (size_t i = h->count; i > 0; i--) {
		const struct history_item *item = &h->items[i - 1];

		if (item->kind == HISTORY_CALLER)
			break;
		if (item->kind != HISTORY_VOICE || item->broken ||
		    item->tag != CONVERSATION_TAG_FAREWELL ||
		    item->total_ms == 0)
			continue;
		c->farewell_said = true;
		c->farewells++;
		if (item->over)
			c->farewell_sent_ms = c->now_ms;
	}
	/* The voice had hung up, and its goodbye was heard. */
	if (strcmp(reason, "voice") == 0) {
		c->farewell_said = true;
		c->farewell_sent_ms = c->now_ms;
	}
}

static void
restore_watches(struct conversation *c, const struct history *h)
{
	c->media_up = true;
	c->usage = h->usage;
	c->troubles = h->troubles;
	c->asked_silent = h->asked_silent;
	c->heard_since_turn = h->heard_since_turn;
	c->said_tool_wait = h->heard_since_turn;
	if (h->sign_ms != 0 && h->sign_ms < c->now_ms)
		c->sign_ms = h->sign_ms;
}

static const char *
reason_of(const struct conversation *c, const struct history *h)
{
	const char *leaving = c->config.leaving;

	return leaving != NULL && leaving[0] != '\0' ? leaving : h->leaving;
}

int
conversation_resume(struct conversation *c)
{
	struct history *h = c->config.history;
	const char *reason = reason_of(c, h);
	int ret;

	go_without_voice(c);
	conversation_resume_secret(c, h);
	ret = start_voice(c, c->config.voice, h);
	if (ret != 0)
		return ret;
	restore_watches(c, h);
	conversation_set_phase(c, CONVERSATION_RUNNING, "resumed");
	if (h->no_person)
		conversation_control_unsaid(c, CONVERSATION_TAG_NO_PERSON);
	for (size_t i = 0; i < h->count; i++) {
		const struct history_item *item = &h->items[i];
		struct playout_utterance played;

		if (item->kind == HISTORY_VOICE && item->id[0] != '\0' &&
		    !item->recorded &&
		    CONVERSATION_PORT(c, find_played, item->id, &played))
			restore_utterance(c, item);
	}
	ret = restore_tools(c, h);
	if (ret == 0 && reason[0] != '\0')
		restore_leaving(c, h, reason);
	c->config.history = NULL;
	c->config.leaving = NULL;
	return ret;
}

/* ---- the same process ---------------------------------------------------- */

/* What VOICE was saying ends here, with what came of it. */
static void
break_off(struct conversation *c)
{
	for (unsigned i = 0; i < SPOKEN_MAX; i++) {
		const struct spoken *s = &c->spoken.list[i];

		if (s->id[0] != '\0' && !s->ended)
			record_broken(c, s->id);
	}
	conversation_voice_adds_no_more(c);
	conversation_order_again(c);
}

/*
 * A goodbye that was ordered and did not come, or not all of it, is for the
 * next one to say. Before the voice adds no more.
 */
static void
order_farewell_again(struct conversation *c)
{
	for (unsigned i = 0; i < SPOKEN_MAX; i++) {
		struct spoken *s = &c->spoken.list[i];

		if (s->id[0] == '\0' || s->received_len == 0 ||
		    s->tag != CONVERSATION_TAG_FAREWELL || s->interrupted)
			continue;
		if (s->ended)
			return;
		s->tag = CONVERSATION_TAG_ANSWER; /* as restore_utterance() */
	}
	c->farewell_said = false;
	c->farewells = 0;
}

void
conversation_voice_gone(
    struct conversation *c, enum voice_fault fault, const char *detail)
{
	conversation_enter(c);
	if (c->phase >= CONVERSATION_LOST)
		return;
	log_warn("voice gone, another one is fetched fault=%s detail=\"%s\"",
	    voice_fault_name(fault), detail);
	c->no_voice.ops = &no_voice_ops;
	c->config.voice = &c->no_voice;
	go_without_voice(c);
	if (c->phase == CONVERSATION_LEAVING && c->farewell_said)
		order_farewell_again(c);
	break_off(c);
	/* The voice that knew is gone; another one tells it anew. */
	c->caller_talking = false;
	c->awaiting = false;
}

int
conversation_change_voice(struct conversation *c, struct voice *voice)
{
	struct voice *old = c->config.voice;
	struct history *h;
	int ret;

	conversation_enter(c);
	if (c->phase >= CONVERSATION_LOST)
		return -ESHUTDOWN;
	break_off(c);
	h = c->config.ports->history(c->config.arg);
	if (h == NULL)
		return -EBADMSG;
	if (c->phase == CONVERSATION_STARTING)
		ret = voice_start(voice, c->config.brief, c->config.law, NULL);
	else
		ret = start_voice(c, voice, h);
	history_free(&h);
	if (ret != 0)
		return ret;
	confirm_clear(&c->confirm);
	c->config.voice = voice;
	go_without_voice(c);
	c->caller_talking = false;
	c->awaiting = false;
	voice_listen(voice, &conversation_voice_events, c);
	log_info("voice changes%s",
	    old == &c->no_voice ? "" : ": the old one was still there");
	return 0;
}

bool
conversation_is_pausing(const struct conversation *c)
{
	return c->phase == CONVERSATION_RUNNING && !c->caller_talking &&
	       !c->awaiting && !c->prompt_due && c->dtmf.count == 0 &&
	       !conversation_is_secret(c) && !conversation_is_heard(c) &&
	       !conversation_voice_is_busy(c) &&
	       c->control.due == CONVERSATION_DUE_NOTHING &&
	       !conversation_control_hangs_up(c);
}

/* ---- the new voice -------------------------------------------------------- */

/* Calls that were made and never got as far as the supervisor. */
static void
answer_unmade(struct conversation *c)
{
	struct conversation_resume *r = &c->resume;

	for (size_t i = 0; i < r->pending_count; i++) {
		struct history_pending *p = &r->pending[i];
		const struct brief_tool *tool =
		    brief_find_tool(c->config.brief, p->name);

		if (!p->requested && tool != NULL &&
		    strcmp(tool->action, "hangup") == 0) {
			conversation_control_hangs_up_still(c, p->id, p->name);
		} else if (!p->requested) {
			conversation_answer_tool(c, p->id, p->name, 0,
			    TOOL_STATUS_CANCELLED,
			    "The call was not made: there was an "
			    "interruption. Call again if the caller still "
			    "wants it.");
			if (r->owed == CONVERSATION_OWED_NOTHING)
				r->owed = CONVERSATION_OWED_ANSWER;
			conversation_want_prompt(c, "");
		}
		free(p->arguments);
	}
	free(r->pending);
	r->pending = NULL;
	r->pending_count = 0;
}

void
conversation_resume_speak(struct conversation *c)
{
	struct conversation_resume *r = &c->resume;
	const char *greeting = c->config.brief->greeting;

	r->voiceless = false;
	log_info("voice goes on after_ms=%llu owed=%d",
	    (unsigned long long)(c->now_ms - r->voiceless_ms), (int)r->owed);
	c->config.ports->ready(c->config.arg);
	if (c->phase != CONVERSATION_RUNNING)
		return;
	conversation_say_secret(c);
	conversation_control_say_goodbye(c);
	if (r->greet && greeting[0] != '\0') {
		voice_say(c->config.voice, greeting, CONVERSATION_TAG_GREETING);
		conversation_await(c);
		return;
	}
	if (r->greet)
		r->owed = CONVERSATION_OWED_ANSWER;
	if (r->heard_again)
		conversation_await(c);
	if (r->owed != CONVERSATION_OWED_NOTHING) {
		conversation_want_prompt(c, "");
		c->prompt_ms = 0; /* not to be kept for a tool's result */
	}
}

static bool
tell_rest(struct conversation *c)
{
	const char *words = c->resume.words;
	char text[sizeof(CONVERSATION_REST_TEXT) + LAST_WORDS_MAX];

	if (words == NULL || strlen(words) > LAST_WORDS_MAX)
		snprintf(text, sizeof(text), CONVERSATION_REST_UNKNOWN_TEXT);
	else
		snprintf(text, sizeof(text), CONVERSATION_REST_TEXT, words);
	return voice_add_text(c->config.voice, text) == 0;
}

bool
conversation_resume_prompt(struct conversation *c)
{
	struct conversation_resume *r = &c->resume;
	enum conversation_owed owed = r->owed;
	bool told = true;

	r->owed = CONVERSATION_OWED_NOTHING;
	switch (owed) {
	case CONVERSATION_OWED_NOTHING:
		return voice_prompt(c->config.voice);
	case CONVERSATION_OWED_ANSWER:
		break;
	case CONVERSATION_OWED_REST:
		told = tell_rest(c);
		break;
	case CONVERSATION_OWED_REPEAT:
		told = voice_add_text(
			   c->config.voice, CONVERSATION_REPEAT_TEXT) == 0;
		break;
	}
	if (!told)
		log_warn("the voice could not be told what it owes");
	voice_nudge(c->config.voice);
	return true;
}

void
conversation_resume_caller_acts(struct conversation *c)
{
	c->resume.owed = CONVERSATION_OWED_NOTHING;
}

void
conversation_resume_tick(struct conversation *c)
{
	struct conversation_resume *r = &c->resume;

	if (r->repeat)
		conversation_repeat_tools(c);
	r->repeat = false;
	if (r->pending != NULL)
		answer_unmade(c);
	if (r->voiceless &&
	    c->now_ms - r->voiceless_ms >= CONVERSATION_VOICELESS_MS) {
		r->voiceless = false;
		conversation_voice_is_lost(
		    c, VOICE_FAULT_TIMEOUT, "no other voice in time");
	}
}

void
conversation_resume_clear(struct conversation *c)
{
	struct conversation_resume *r = &c->resume;

	for (size_t i = 0; i < r->pending_count; i++)
		free(r->pending[i].arguments);
	free(r->pending);
	free(r->words);
	memset(r, 0, sizeof(*r));
}
