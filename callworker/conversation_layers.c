/* SPDX-License-Identifier: MIT */
/*
 * conversation_layers.c – what a caller hears while a tool runs. The first
 * layer is the model's own "un momento", and our words for it where it says
 * none; the second a soft sound; the third now and then a sentence about how
 * it goes, said beside the conversation (voice_aside).
 *
 * The sound lasts until the answer's first audio, not until the result: from
 * one to the other the voice may need a second or two.
 *
 * Invariant: neither sound nor sentence is begun while the caller speaks or
 * dials, or while something of the voice is to be heard; and no sentence while
 * something of it is due.
 */
#include "callworker/conversation_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const sound_names[] = {
    [COMFORT_NONE] = "none",
    [COMFORT_WORK] = "work",
    [COMFORT_RING] = "ring",
};

static uint64_t
later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/*
 * Whether CALL makes somebody's telephone ring: a transfer, or the call of our
 * own that fetches a person and is no tool. Nothing is looked up for it.
 */
static bool
rings(const struct conversation *c, const struct tool_call *call)
{
	const struct brief_tool *tool =
	    brief_find_tool(c->config.brief, call->name);

	return tool == NULL || strcmp(tool->action, "transfer") == 0;
}

/* The caller is listened to, or will be spoken to. */
static bool
is_taken(const struct conversation *c)
{
	return c->phase != CONVERSATION_RUNNING || !c->media_up ||
	       conversation_control_hangs_up(c) || c->caller_talking ||
	       c->dtmf.count > 0 || c->secret.open || conversation_is_heard(c);
}

/* ---- the sound ----------------------------------------------------------- */

static void
set_sound(struct conversation *c, enum comfort_kind kind, const char *why)
{
	struct conversation_layers *layers = &c->layers;

	if (kind == layers->sound)
		return;
	if (layers->sound != COMFORT_NONE)
		log_info("waiting sound ends kind=%s after_ms=%" PRIu64 " (%s)",
		    sound_names[layers->sound], c->now_ms - layers->sound_ms,
		    why);
	if (kind != COMFORT_NONE)
		log_info("waiting sound begins kind=%s tool=%s",
		    sound_names[kind], conversation_tool(c));
	layers->sound = kind;
	layers->sound_ms = c->now_ms;
	CONVERSATION_PORT(c, comfort, kind);
}

void
conversation_layers_hush(struct conversation *c, const char *why)
{
	set_sound(c, COMFORT_NONE, why);
}

/* All results are there, and the voice has not begun to speak of them. */
static bool
is_answer_due(const struct conversation *c)
{
	return c->tools.count == 0 &&
	       (c->prompt_due || c->awaiting || conversation_voice_is_busy(c));
}

void
conversation_layers_tool_gone(struct conversation *c)
{
	/* A telephone that no longer rings must not be heard ringing. */
	bool goes_on = c->layers.sound == COMFORT_RING
			   ? conversation_control_rings(c)
			   : c->tools.count > 0 || is_answer_due(c);

	if (!goes_on)
		set_sound(c, COMFORT_NONE, "nothing runs");
}

static void
check_sound(struct conversation *c)
{
	const struct conversation_layers *layers = &c->layers;
	const struct tool_call *oldest = tool_calls_oldest(&c->tools);
	uint32_t after_ms = c->config.brief->layers.sound_after_ms;

	if (is_taken(c)) {
		set_sound(c, COMFORT_NONE, "others are heard");
		return;
	}
	if (oldest == NULL) {
		conversation_layers_tool_gone(c);
		return;
	}
	if (after_ms == 0 ||
	    c->now_ms - later(oldest->since_ms, layers->caller_ms) < after_ms ||
	    c->now_ms - layers->voice_ms < CONVERSATION_SOUND_GAP_MS)
		return;
	set_sound(c,
	    conversation_control_rings(c) ? COMFORT_RING : COMFORT_WORK,
	    "another one fits");
}

/* ---- the sentences -------------------------------------------------------- */

/*
 * 0, -EBUSY: not now, but perhaps soon, or another error. A service that
 * cannot speak beside its conversation says what STANDS_IN for its own words
 * in it.
 */
static int
say(struct conversation *c, const char *text, bool stands_in)
{
	int ret = voice_aside(c->config.voice, text, CONVERSATION_TAG_ASIDE);

	if (ret == -ENOTSUP && stands_in)
		ret = voice_say(c->config.voice, text, CONVERSATION_TAG_ASIDE);
	if (ret == 0) {
		c->ordered |= 1u << CONVERSATION_TAG_ASIDE;
		snprintf(c->layers.line, sizeof(c->layers.line), "%s", text);
		c->layers.lines++;
	} else if (ret != -EBUSY && ret != -ENOTSUP) {
		log_warn("aside not said error=\"%s\"", strerror(-ret));
	}
	return ret;
}

/* How far CALL is, in TEXT; false: nothing new is known. */
static bool
tell_progress(const struct conversation *c, const struct tool_call *call,
    char text[SENTENCE_FILLED_SIZE])
{
	const struct brief_tool *tool =
	    brief_find_tool(c->config.brief, call->name);
	const struct sentence_place places[] = {
	    {"done", call->done}, {"total", call->total}};

	if (tool == NULL || tool->progress[0] == '\0' || call->done <= 0 ||
	    call->done >= call->total || call->done == call->said_done)
		return false;
	return sentence_fill(
		   text, SENTENCE_FILLED_SIZE, tool->progress, places, 2) == 0;
}

/* What is said of CALL when nothing is known, in TEXT; false: nothing. */
static bool
tell_waiting(const struct conversation *c, const struct tool_call *call,
    char text[SENTENCE_FILLED_SIZE])
{
	const struct brief_tool *tool =
	    brief_find_tool(c->config.brief, call->name);
	const struct sentence_place place = {
	    "seconds", (int64_t)((c->now_ms - call->since_ms) / 1000)};
	const char *sentence = "";

	if (tool != NULL && tool->waiting_count > 0)
		sentence =
		    tool->waiting[call->said_waiting % tool->waiting_count];
	else if (!rings(c, call))
		sentence = c->config.brief->phrases[BRIEF_PHRASE_TOOL_WAIT];
	return sentence_fill(text, SENTENCE_FILLED_SIZE, sentence, &place, 1) ==
		   0 &&
	       text[0] != '\0';
}

/*
 * A query runs and the caller has not heard a word about it. A caller who has
 * just spoken is answered by the voice itself, if it is given the time.
 */
static void
check_stand_in(struct conversation *c)
{
	struct tool_call *call = &c->tools.list[0]; /* the oldest */
	struct tool_call *end = call + c->tools.count;
	char text[SENTENCE_FILLED_SIZE];

	if (c->said_tool_wait || c->heard_since_turn ||
	    c->now_ms - later(call->since_ms, c->caller_stopped_ms) <
		CONVERSATION_TOOL_WAIT_MS)
		return;
	/* Of a telephone that rings there may be nothing to say. */
	while (call < end && !tell_waiting(c, call, text))
		call++;
	if (call < end) {
		int ret = say(c, text, true);

		if (ret == -EBUSY)
			return;
		if (ret == 0) {
			call->said_waiting++;
			log_info("waiting line ordered kind=first tool=%s",
			    call->name);
		}
	}
	c->said_tool_wait = true;
}

/* Says how CALL goes. False: there is nothing to say. */
static bool
say_line(struct conversation *c, struct tool_call *call, bool progress)
{
	char text[SENTENCE_FILLED_SIZE];
	int ret;

	if (progress ? !tell_progress(c, call, text)
		     : !tell_waiting(c, call, text))
		return false;
	ret = say(c, text, false);
	if (ret == -EBUSY)
		return true;
	c->layers.line_ms = c->now_ms;
	if (ret != 0)
		return true;
	if (progress)
		call->said_done = call->done;
	else
		call->said_waiting++;
	log_info("waiting line ordered kind=%s tool=%s waited_ms=%" PRIu64,
	    progress ? "progress" : "waiting", call->name,
	    c->now_ms - call->since_ms);
	return true;
}

/* What has got on is told first, else the one that takes longest. */
static void
check_line(struct conversation *c)
{
	const struct brief_layers *when = &c->config.brief->layers;
	const struct conversation_layers *layers = &c->layers;
	uint64_t quiet_ms =
	    c->now_ms - later(layers->voice_ms, layers->caller_ms);
	unsigned due = 0;

	if (when->progress_after_ms == 0 ||
	    (c->awaiting && !c->said_tool_wait) ||
	    (quiet_ms < CONVERSATION_LINE_GAP_MS &&
		quiet_ms < when->progress_after_ms) ||
	    (layers->line_ms != 0 &&
		c->now_ms - layers->line_ms < when->progress_every_ms))
		return;
	while (
	    due < c->tools.count &&
	    c->now_ms - c->tools.list[due].since_ms >= when->progress_after_ms)
		due++; /* the oldest are first */
	for (unsigned i = 0; i < due; i++) {
		if (say_line(c, &c->tools.list[i], true))
			return;
	}
	for (unsigned i = 0; i < due; i++) {
		if (say_line(c, &c->tools.list[i], false))
			return;
	}
}

/* ---- an aside that begins, or does not -------------------------------------- */

void
conversation_layers_unsaid(struct conversation *c)
{
	c->layers.line_ms = 0;
	c->said_tool_wait = false;
	for (unsigned i = 0; i < c->tools.count; i++)
		c->tools.list[i].said_done = 0;
}

void
conversation_layers_aside(struct conversation *c, struct spoken *s)
{
	/* Too late: somebody else is heard, or is about to be. */
	if (is_taken(c) || c->tools.count == 0 || c->prompt_due ||
	    conversation_voice_is_busy(c)) {
		s->over = s->interrupted = true;
		voice_interrupted(c->config.voice, s->id, 0);
		return;
	}
	conversation_layers_hush(c, "the voice tells how it goes");
	spoken_set_text(s, c->layers.line);
}

/* ---- time ------------------------------------------------------------------ */

void
conversation_layers_caller_acts(struct conversation *c, const char *why)
{
	c->layers.caller_ms = c->now_ms;
	conversation_layers_hush(c, why);
}

void
conversation_layers_tick(struct conversation *c)
{
	if (c->caller_talking)
		c->layers.caller_ms = c->now_ms;
	if (conversation_is_heard(c))
		c->layers.voice_ms = c->now_ms;
	if (c->tools.count == 0)
		c->layers.line_ms = 0;
	else if (!is_taken(c) && !c->prompt_due &&
		 !conversation_voice_is_busy(c)) {
		check_stand_in(c);
		check_line(c);
	}
	check_sound(c);
}

void
conversation_layers_log_state(const struct conversation *c)
{
	const struct conversation_layers *layers = &c->layers;

	log_info("waiting: sound=%s since_ms=%" PRIu64 " lines=%u "
		 "last_line_ms=%" PRIu64,
	    sound_names[layers->sound],
	    layers->sound == COMFORT_NONE ? 0 : c->now_ms - layers->sound_ms,
	    layers->lines,
	    layers->line_ms == 0 ? 0 : c->now_ms - layers->line_ms);
}
