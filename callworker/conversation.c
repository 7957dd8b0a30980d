/* SPDX-License-Identifier: MIT */
/*
 * conversation.c – turns: who speaks, who is interrupted, what was heard.
 *
 * Invariant: an utterance that was interrupted is never played again, whatever
 * the voice still sends of it.
 */
#include "callworker/conversation_impl.h"
#include "common/fault_point.h"
#include "common/json.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const phase_names[] = {
    [CONVERSATION_STARTING] = "starting",
    [CONVERSATION_RUNNING] = "running",
    [CONVERSATION_LEAVING] = "leaving",
    [CONVERSATION_LOST] = "lost",
    [CONVERSATION_OVER] = "over",
};

void
conversation_record(struct conversation *c, enum journal_type type, cJSON *body)
{
	CONVERSATION_PORT(c, record, type, body);
}

void
conversation_set_phase(
    struct conversation *c, enum conversation_phase phase, const char *why)
{
	cJSON *body;

	assert(phase > c->phase);
	if (phase != CONVERSATION_RUNNING)
		conversation_layers_hush(c, why);
	log_info("conversation %s -> %s (%s)", phase_names[c->phase],
	    phase_names[phase], why);
	body = cJSON_CreateObject();
	json_add_string(body, "from", phase_names[c->phase]);
	json_add_string(body, "to", phase_names[phase]);
	json_add_string(body, "why", why);
	conversation_record(c, JOURNAL_STATE, body);
	c->phase = phase;
}

void
conversation_await(struct conversation *c)
{
	c->awaiting = true;
	c->awaiting_ms = c->now_ms;
	c->remedy = CONVERSATION_REMEDY_NONE;
}

void
conversation_want_prompt(struct conversation *c, const char *tool)
{
	if (!c->prompt_due) {
		c->prompt_ms = c->now_ms;
		snprintf(c->prompt_tool, sizeof(c->prompt_tool), "%s", tool);
	} else if (strcmp(c->prompt_tool, tool) != 0) {
		c->prompt_tool[0] = '\0';
	}
	c->prompt_due = true;
}

bool
conversation_say(
    struct conversation *c, enum brief_phrase phrase, enum conversation_tag tag)
{
	const char *text = c->config.brief->phrases[phrase];

	if (text[0] == '\0' || voice_say(c->config.voice, text, (int)tag) != 0)
		return false;
	c->ordered |= 1u << tag;
	return true;
}

void
conversation_stop_voice(struct conversation *c)
{
	voice_stop(c->config.voice);
	c->ordered = 0;
}

/*
 * Not the greeting, a goodbye and what asks for secret digits: who resumes
 * knows of them. Nor an apology: the next voice has what it was about.
 */
void
conversation_order_again(struct conversation *c)
{
	unsigned lost = c->ordered;

	c->ordered = 0;
	conversation_control_say_again(c, lost);
	if ((lost >> CONVERSATION_TAG_ASIDE & 1) != 0)
		conversation_layers_unsaid(c);
	if ((lost >> CONVERSATION_TAG_STILL_THERE & 1) != 0)
		c->asked_silent = false;
}

/* ---- what was heard --------------------------------------------------- */

/* Both the voice and the playout are done with it. */
static void
record_heard(struct conversation *c, struct spoken *s)
{
	const char *text = s->text != NULL ? s->text : "";
	uint32_t total_ms = spoken_received_ms(s);
	size_t heard_len = spoken_heard_len(text, s->heard_ms, total_ms);
	cJSON *body = cJSON_CreateObject();
	char *heard = strndup(text, heard_len);

	s->recorded = true;
	json_add_string(body, "id", s->id);
	json_add_int(body, "heard_ms", s->heard_ms);
	json_add_int(body, "total_ms", total_ms);
	json_add_bool(body, "interrupted", s->interrupted);
	json_add_string(body, "heard", heard != NULL ? heard : "");
	json_add_string(body, "unheard", text + heard_len);
	/* What the voice does not know of is no part of the conversation. */
	conversation_record(c,
	    s->tag == CONVERSATION_TAG_ASIDE ? JOURNAL_ASIDE : JOURNAL_HEARD,
	    body);
	if (c->config.log_transcripts)
		log_info("voice said text=\"%s\" heard=\"%s\" heard_ms=%u "
			 "total_ms=%u",
		    text,
		    heard_len == strlen(text)         ? "all"
		    : heard_len == 0 || heard == NULL ? "nothing"
						      : heard,
		    s->heard_ms, total_ms);
	free(heard);
}

void
conversation_record_if_done(struct conversation *c, struct spoken *s)
{
	if (s->ended && s->over && !s->recorded)
		record_heard(c, s);
}

/* The caller hears no more of S than was sent until now. */
static void
cut_utterance(struct conversation *c, struct spoken *s)
{
	int64_t heard_ms = CONVERSATION_PORT(c, heard_ms, s->id);

	if (heard_ms < 0)
		heard_ms = 0;
	s->heard_ms = (uint32_t)heard_ms;
	s->over = true;
	s->interrupted = !s->ended || s->heard_ms < spoken_received_ms(s);
	confirm_heard(&c->confirm, s->confirm, s->heard_ms, !s->interrupted);
	if (s->interrupted)
		voice_interrupted(c->config.voice, s->id, s->heard_ms);
	conversation_record_if_done(c, s);
}

static bool
is_aside(const struct spoken *s)
{
	return s->id[0] != '\0' && !s->over && s->tag == CONVERSATION_TAG_ASIDE;
}

bool
conversation_is_aside(const struct conversation *c)
{
	for (unsigned i = 0; i < SPOKEN_MAX; i++) {
		if (is_aside(&c->spoken.list[i]))
			return true;
	}
	return false;
}

void
conversation_interrupt(struct conversation *c, const char *why)
{
	struct playout_flushed flushed = {0};
	bool was_playing = CONVERSATION_PORT(c, flush, &flushed);

	for (unsigned i = 0; i < SPOKEN_MAX; i++) {
		struct spoken *s = &c->spoken.list[i];

		if (s->id[0] != '\0' && !s->over)
			cut_utterance(c, s);
	}
	if (was_playing)
		log_info("playout stopped (%s) heard_ms=%u dropped_ms=%u", why,
		    flushed.heard_ms, flushed.dropped_ms);
}

void
conversation_utterance_sent(
    struct conversation *c, const char *utterance, uint32_t heard_ms)
{
	struct spoken *s = spoken_find(&c->spoken, utterance);

	conversation_enter(c);
	c->sign_ms = c->layers.voice_ms = c->now_ms;
	if (s == NULL || s->over)
		return;
	s->over = true;
	s->heard_ms = heard_ms;
	confirm_heard(&c->confirm, s->confirm, heard_ms, true);
	conversation_record_if_done(c, s);
	if (s->tag == CONVERSATION_TAG_FAREWELL)
		conversation_farewell_over(c, true);
}

/* ---- the voice -------------------------------------------------------- */

static void
on_up(int64_t expires_s, void *arg)
{
	(void)expires_s; /* the owner's: a conversation begins after it */
	(void)arg;
}

static void
on_configured(void *arg)
{
	struct conversation *c = conversation_enter(arg);
	const struct brief *brief = c->config.brief;

	if (c->phase != CONVERSATION_STARTING) {
		if (c->resume.voiceless && c->phase < CONVERSATION_LOST)
			conversation_resume_speak(c);
		return;
	}
	c->resume.voiceless = false;
	conversation_set_phase(c, CONVERSATION_RUNNING, "voice configured");
	c->config.ports->ready(c->config.arg);
	if (brief->greeting[0] == '\0')
		voice_nudge(c->config.voice);
	else
		voice_say(c->config.voice, brief->greeting,
		    CONVERSATION_TAG_GREETING);
	conversation_await(c);
}

static void
log_first_audio(struct conversation *c, int tag)
{
	if (tag == CONVERSATION_TAG_GREETING)
		log_info("greeting ready after_ms=%llu",
		    (unsigned long long)(c->now_ms - c->started_ms));
	if (c->caller_stopped_ms != 0)
		log_info("first audio after_ms=%llu",
		    (unsigned long long)(c->now_ms - c->caller_stopped_ms));
	c->caller_stopped_ms = 0;
}

/* What we had it say is not said into a sentence of the caller, or later. */
static bool
is_too_late(const struct conversation *c, int tag)
{
	if (c->phase >= CONVERSATION_LEAVING)
		return tag != CONVERSATION_TAG_FAREWELL;
	/* The goodbye of a hang-up that was withdrawn meanwhile. */
	if (tag == CONVERSATION_TAG_FAREWELL &&
	    !conversation_control_hangs_up(c))
		return true;
	return c->caller_talking && tag != CONVERSATION_TAG_ANSWER &&
	       tag != CONVERSATION_TAG_GREETING;
}

/* Before anything of it can be heard. */
static void
record_speaking(struct conversation *c, const struct spoken *s)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "id", s->id);
	json_add_string(body, "tag", conversation_tag_name(s->tag));
	conversation_record(c, JOURNAL_SPEAKING, body);
}

/*
 * The voice speaks, and has not heard the caller: what another one took for his
 * words was noise.
 */
static void
withdraw_turn(struct conversation *c)
{
	cJSON *body;

	c->resume.heard_again = false;
	if (!c->resume.was_talking)
		return;
	c->resume.was_talking = false;
	log_info("the caller had said nothing after all");
	body = cJSON_CreateObject();
	json_add_bool(body, "speaks", false);
	json_add_bool(body, "none", true);
	conversation_record(c, JOURNAL_CALLER, body);
}

static void
on_utterance(const char *utterance, int tag, void *arg)
{
	struct conversation *c = conversation_enter(arg);
	struct spoken *s;

	c->ordered &= ~(1u << tag);
	/* Nothing else can be queued: an aside begins only in silence. */
	if (tag != CONVERSATION_TAG_ASIDE && conversation_is_aside(c))
		conversation_interrupt(c, "the voice has more to say");
	s = spoken_begin(&c->spoken, utterance, tag);
	if (tag == CONVERSATION_TAG_ANSWER)
		s->confirm = c->confirm.serial;
	if (tag == CONVERSATION_TAG_SECRET)
		conversation_secret_asked(c);
	if (is_too_late(c, tag)) {
		s->over = s->interrupted = true;
		voice_interrupted(c->config.voice, utterance, 0);
		conversation_control_unsaid(c, tag);
		return;
	}
	if (tag == CONVERSATION_TAG_ASIDE) {
		conversation_layers_aside(c, s);
		if (!s->over)
			record_speaking(c, s);
		return;
	}
	withdraw_turn(c);
	record_speaking(c, s);
	conversation_layers_hush(c, "the voice speaks");
	c->awaiting = false;
	c->heard_since_turn = true;
	if (tag == CONVERSATION_TAG_ANSWER)
		c->troubles = 0;
	log_first_audio(c, tag);
}

/* During the goodbye only it may be heard, and what was begun before. */
static bool
may_play(const struct conversation *c, const struct spoken *s)
{
	if (s->over || c->phase >= CONVERSATION_LOST)
		return false;
	return c->phase != CONVERSATION_LEAVING || !c->farewell_said ||
	       s->tag == CONVERSATION_TAG_FAREWELL;
}

static void
on_words(const char *utterance, const char *text, void *arg)
{
	struct conversation *c = conversation_enter(arg);
	struct spoken *s = spoken_find(&c->spoken, utterance);

	/* The words of an aside are ours. */
	if (s != NULL && !s->over && s->tag != CONVERSATION_TAG_ASIDE)
		spoken_add_text(s, text);
}

/* The words that came go before the audio that they may belong to. */
static void
record_words(struct conversation *c, struct spoken *s)
{
	size_t len = s->text != NULL ? strlen(s->text) : 0;
	cJSON *body;

	if (len <= s->noted_len || s->tag == CONVERSATION_TAG_ASIDE)
		return;
	body = cJSON_CreateObject();
	json_add_string(body, "id", s->id);
	json_add_string(body, "text", s->text + s->noted_len);
	conversation_record(c, JOURNAL_WORDS, body);
	s->noted_len = len;
}

static void
on_audio(const char *utterance, const uint8_t *g711, size_t len, void *arg)
{
	struct conversation *c = conversation_enter(arg);
	struct spoken *s = spoken_find(&c->spoken, utterance);
	ssize_t taken;
	uint32_t more;

	if (s == NULL || !may_play(c, s))
		return;
	record_words(c, s);
	taken = CONVERSATION_PORT(c, play, utterance, g711, len);
	if (taken > 0)
		s->received_len += (size_t)taken;
	if (taken < (ssize_t)len && log_allow(&c->noise, &more))
		log_warn("audio of the voice lost utterance=%s taken=%zd "
			 "of=%zu more=%u",
		    utterance, taken, len, more);
}

static void
order_is_done(
    struct conversation *c, int tag, enum voice_end end, const char *why)
{
	if (tag == CONVERSATION_TAG_FAREWELL) {
		conversation_farewell_over(c, false);
		return;
	}
	if (end != VOICE_END_FAILED || c->phase != CONVERSATION_RUNNING)
		return;
	if (tag == CONVERSATION_TAG_GREETING ||
	    tag == CONVERSATION_TAG_TROUBLE ||
	    tag == CONVERSATION_TAG_NO_PERSON)
		conversation_trouble(c, why);
}

/* What came of S is all of it. */
static void
end_utterance(struct conversation *c, struct spoken *s)
{
	s->ended = true;
	if (s->received_len == 0)
		s->over = true; /* playout never knew it */
	if (s->over)
		conversation_record_if_done(c, s);
	else
		CONVERSATION_PORT(c, play_end, s->id);
}

static void
on_utterance_done(const char *utterance, int tag, enum voice_end end,
    const char *why, void *arg)
{
	struct conversation *c = conversation_enter(arg);
	struct spoken *s = spoken_find(&c->spoken, utterance);
	bool unheard;

	if (utterance[0] == '\0') {
		/* Cut by the caller, not by conversation_stop_voice(). */
		if (end == VOICE_END_CUT && (c->ordered >> tag & 1) != 0)
			conversation_control_unsaid(c, tag);
		c->ordered &= ~(1u << tag);
	}
	if (why[0] != '\0')
		log_info("utterance ended id=%s tag=%d %s (%s)", utterance, tag,
		    end == VOICE_END_COMPLETE ? "complete"
		    : end == VOICE_END_CUT    ? "cut"
					      : "failed",
		    why);
	unheard = s == NULL || (!s->over && s->received_len == 0);
	if (s != NULL)
		end_utterance(c, s);
	if (unheard)
		order_is_done(c, tag, end, why);
}

void
conversation_voice_adds_no_more(struct conversation *c)
{
	for (unsigned i = 0; i < SPOKEN_MAX; i++) {
		struct spoken *s = &c->spoken.list[i];

		if (s->id[0] != '\0' && !s->ended)
			end_utterance(c, s);
	}
}

static void
record_caller(struct conversation *c, bool speaks, uint32_t ago_ms)
{
	cJSON *body = cJSON_CreateObject();

	json_add_bool(body, "speaks", speaks);
	if (speaks)
		json_add_int(body, "ago_ms", ago_ms);
	if (speaks && c->resume.heard_again)
		json_add_bool(body, "again", true);
	if (speaks && c->resume.heard_again && c->resume.heard_from_ms != 0)
		json_add_int(body, "from_ms", (int64_t)c->resume.heard_from_ms);
	if (!speaks)
		json_add_string(body, "turn", c->turn);
	conversation_record(c, JOURNAL_CALLER, body);
	c->resume.heard_again = c->resume.was_talking = false;
	c->turn[0] = '\0';
}

static void
on_caller_started(uint32_t ago_ms, void *arg)
{
	struct conversation *c = conversation_enter(arg);
	bool was_heard = conversation_is_heard(c);

	/* The goodbye is not interrupted; the service only hears silence. */
	if (c->phase != CONVERSATION_RUNNING)
		return;
	record_caller(c, true, ago_ms);
	FAULT_POINT("caller.started");
	c->caller_talking = true;
	c->caller_stopped_ms = 0;
	c->awaiting = false;
	c->heard_since_turn = false;
	c->said_tool_wait = false; /* in another turn it may be due again */
	c->asked_silent = false;
	c->sign_ms = c->now_ms;
	conversation_layers_caller_acts(c, "caller speaks");
	conversation_resume_caller_acts(c);
	conversation_control_caller_acts(c);
	conversation_interrupt(c, "caller speaks");
	if (was_heard)
		log_info("barge-in stopped playout after_ms=%u", ago_ms);
}

static void
on_turn(const char *id, void *arg)
{
	struct conversation *c = conversation_enter(arg);

	snprintf(c->turn, sizeof(c->turn), "%s", id);
}

static void
on_caller_stopped(void *arg)
{
	struct conversation *c = conversation_enter(arg);

	c->caller_talking = false;
	if (c->phase != CONVERSATION_RUNNING)
		return;
	record_caller(c, false, 0);
	confirm_spoke(&c->confirm);
	c->caller_stopped_ms = c->now_ms;
	c->layers.caller_ms = c->now_ms;
	c->sign_ms = c->now_ms;
	conversation_await(c);
}

static void
on_transcript(
    enum voice_speaker who, const char *id, const char *text, void *arg)
{
	struct conversation *c = conversation_enter(arg);
	struct spoken *s = spoken_find(&c->spoken, id);
	cJSON *body;

	if (s != NULL && s->tag == CONVERSATION_TAG_ASIDE)
		return; /* its words are ours */
	body = cJSON_CreateObject();
	json_add_string(body, "id", id);
	json_add_string(body, "text", text);
	if (who == VOICE_SPEAKER_CALLER) {
		conversation_record(c, JOURNAL_USER, body);
		if (c->config.log_transcripts)
			log_info("caller said text=\"%s\"", text);
		conversation_control_heard(c, text);
		return;
	}
	conversation_record(c, JOURNAL_ASSISTANT, body);
	if (s != NULL) {
		spoken_set_text(s, text);
		s->noted_len = s->text != NULL ? strlen(s->text) : 0;
	}
}

static void
on_usage(const struct voice_usage *usage, void *arg)
{
	struct conversation *c = conversation_enter(arg);
	cJSON *body = cJSON_CreateObject();

#define X(member)                                                              \
	c->usage.member += usage->member;                                      \
	json_add_int(body, #member, usage->member);
	VOICE_USAGE(X)
#undef X
	conversation_record(c, JOURNAL_USAGE, body);
}

static void
on_fault(enum voice_fault fault, const char *detail, bool fatal, void *arg)
{
	struct conversation *c = conversation_enter(arg);
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "fault", voice_fault_name(fault));
	json_add_string(body, "detail", detail);
	json_add_bool(body, "fatal", fatal);
	conversation_record(c, JOURNAL_ERROR, body);
	if (fatal && c->phase < CONVERSATION_LOST &&
	    c->config.ports->fetch_voice != NULL &&
	    c->config.ports->fetch_voice(fault, detail, c->config.arg))
		conversation_voice_gone(c, fault, detail);
	else if (fatal)
		conversation_voice_is_lost(c, fault, detail);
	else if (c->phase == CONVERSATION_RUNNING)
		conversation_trouble(c, voice_fault_name(fault));
}

const struct voice_events conversation_voice_events = {
    .on_up = on_up,
    .on_configured = on_configured,
    .on_utterance = on_utterance,
    .on_audio = on_audio,
    .on_utterance_done = on_utterance_done,
    .on_words = on_words,
    .on_caller_started = on_caller_started,
    .on_turn = on_turn,
    .on_caller_stopped = on_caller_stopped,
    .on_transcript = on_transcript,
    .on_tool_call = conversation_on_tool_call,
    .on_tool_call_cut = conversation_on_tool_call_cut,
    .on_usage = on_usage,
    .on_fault = on_fault,
};

/* ---- the caller ------------------------------------------------------- */

void
conversation_media_up(struct conversation *c)
{
	conversation_enter(c);
	if (!c->media_up)
		c->sign_ms = c->now_ms;
	c->media_up = true;
	log_info("talking: the caller is connected after_ms=%llu",
	    (unsigned long long)(c->now_ms - c->started_ms));
}

void
conversation_uplink(struct conversation *c, const uint8_t *g711, size_t len)
{
	uint8_t silence[RTP_FRAME_LEN];

	if (c->phase >= CONVERSATION_LOST)
		return;
	if (c->phase == CONVERSATION_LEAVING || conversation_is_secret(c)) {
		assert(len <= sizeof(silence));
		memset(silence, g711_silence(c->config.law), len);
		g711 = silence;
	}
	if (c->config.ports->heard_caller != NULL)
		c->config.ports->heard_caller(g711, len, c->config.arg);
	/* It may have waited for us, and come in one burst: no stall of the
	 * network, in which the oldest would be dropped. */
	if (c->resume.voiceless)
		voice_repeat_audio(c->config.voice, g711, len);
	else
		voice_send_audio(c->config.voice, g711, len);
}

void
conversation_dtmf(struct conversation *c, char digit)
{
	conversation_enter(c);
	if (c->phase != CONVERSATION_RUNNING || !dtmf_is_digit(digit))
		return;
	c->sign_ms = c->now_ms;
	c->asked_silent = false;
	c->awaiting = c->heard_since_turn = false;
	conversation_resume_caller_acts(c);
	conversation_control_caller_acts(c);
	conversation_layers_caller_acts(c, "caller dials");
	/* Something may have begun between two digits. */
	if (dtmf_add(&c->dtmf, digit, c->now_ms) || conversation_is_heard(c) ||
	    conversation_voice_is_busy(c)) {
		conversation_interrupt(c, "caller dials");
		voice_stop(c->config.voice);
		conversation_order_again(c);
	}
}

static void
check_dtmf(struct conversation *c)
{
	char digits[DTMF_TEXT_SIZE];
	char text[DTMF_TEXT_SIZE + 32];
	cJSON *body;

	if (!dtmf_take(&c->dtmf, c->now_ms, digits))
		return;
	body = cJSON_CreateObject();
	json_add_string(body, "digits", digits);
	conversation_record(c, JOURNAL_DTMF, body);
	confirm_spoke(&c->confirm);
	if (strcmp(digits, CONVERSATION_PERSON_KEY) == 0) {
		conversation_want_person(c, "key " CONVERSATION_PERSON_KEY);
		return;
	}
	snprintf(text, sizeof(text), CONVERSATION_DTMF_TEXT, digits);
	if (voice_add_text(c->config.voice, text) == 0)
		conversation_want_prompt(c, "");
	c->prompt_ms = 0; /* not to be kept for a tool's result */
}

void
conversation_tick(struct conversation *c)
{
	conversation_enter(c);
	if (c->phase < CONVERSATION_LOST)
		conversation_resume_tick(c);
	if (c->phase == CONVERSATION_RUNNING) {
		check_dtmf(c);
		conversation_access_tick(c);
		conversation_tools_tick(c);
		conversation_control_tick(c);
	}
	conversation_watch(c);
}

/* ---- life ------------------------------------------------------------- */

int
conversation_new(struct conversation **conversation_out,
    const struct conversation_config *config)
{
	struct conversation *c = calloc(1, sizeof(*c));
	int ret;

	*conversation_out = NULL;
	if (c == NULL)
		return -ENOMEM;
	c->config = *config;
	c->now_ms = c->started_ms = c->sign_ms = config->clock_ms();
	if (config->history != NULL)
		ret = conversation_resume(c);
	else
		ret = voice_start(
		    config->voice, config->brief, config->law, NULL);
	if (ret != 0) {
		spoken_clear(&c->spoken);
		tool_calls_clear(&c->tools);
		conversation_resume_clear(c);
		conversation_secret_asked(c);
		free(c);
		return ret;
	}
	*conversation_out = c;
	return 0;
}

void
conversation_free(struct conversation **conversation)
{
	struct conversation *c = *conversation;

	if (c == NULL)
		return;
	for (unsigned i = 0; i < SPOKEN_MAX; i++) {
		struct spoken *s = &c->spoken.list[i];
		int64_t heard_ms;

		if (s->id[0] == '\0' || s->recorded)
			continue;
		heard_ms = CONVERSATION_PORT(c, heard_ms, s->id);
		if (!s->over)
			s->heard_ms = heard_ms > 0 ? (uint32_t)heard_ms : 0;
		record_heard(c, s);
	}
	spoken_clear(&c->spoken);
	confirm_clear(&c->confirm);
	tool_calls_clear(&c->tools);
	conversation_resume_clear(c);
	conversation_secret_asked(c);
	free(c);
	*conversation = NULL;
}

void
conversation_get_usage(
    const struct conversation *c, struct voice_usage *usage_out)
{
	*usage_out = c->usage;
}

void
conversation_log_state(const struct conversation *c)
{
	log_info("conversation: phase=%s media=%s caller_talking=%s "
		 "awaiting=%s remedy=%d prompt_due=%s troubles=%u tools=%u "
		 "tool=%s digits=%zu",
	    phase_names[c->phase], c->media_up ? "up" : "down",
	    c->caller_talking ? "yes" : "no", c->awaiting ? "yes" : "no",
	    (int)c->remedy, c->prompt_due ? "yes" : "no", c->troubles,
	    c->tools.count, conversation_tool(c), c->dtmf.count);
	conversation_layers_log_state(c);
}
