/* SPDX-License-Identifier: MIT */
/*
 * conversation_watch.c – what happens when nothing happens: a caller who
 * waits for the voice, a caller who says nothing, and how a call ends.
 *
 * Invariant: from every phase but OVER a bounded time leads to sound or to
 * OVER, and OVER is entered together with exactly one hang_up or voice_lost.
 */
#include "callworker/conversation_impl.h"

#include <stdio.h>
#include <string.h>

/* ---- the end ---------------------------------------------------------- */

void
conversation_hang_up(struct conversation *c, const char *reason)
{
	conversation_set_phase(c, CONVERSATION_OVER, reason);
	CONVERSATION_PORT(c, hang_up, reason);
}

static void
lose(struct conversation *c)
{
	/* The conversation was over: nobody else needs to go on with it. */
	if (conversation_control_hangs_up(c)) {
		conversation_hang_up(c, "voice");
		return;
	}
	conversation_set_phase(
	    c, CONVERSATION_OVER, voice_fault_name(c->fault));
	CONVERSATION_PORT(c, voice_lost, c->fault, c->detail);
}

enum brief_phrase
conversation_farewell_phrase(const char *reason)
{
	if (strcmp(reason, "limit") == 0)
		return BRIEF_PHRASE_LIMIT_GOODBYE;
	if (strcmp(reason, "silent") == 0)
		return BRIEF_PHRASE_SILENT_GOODBYE;
	return BRIEF_PHRASE_SHUTDOWN_GOODBYE;
}

void
conversation_leave(struct conversation *c, const char *reason)
{
	conversation_enter(c);
	if (c->phase >= CONVERSATION_LEAVING)
		return;
	snprintf(c->reason, sizeof(c->reason), "%s", reason);
	c->farewell = conversation_farewell_phrase(reason);
	c->leave_ms = c->now_ms;
	c->awaiting = false;
	if (c->phase == CONVERSATION_STARTING || !c->media_up) {
		conversation_hang_up(c, c->reason); /* nobody would hear it */
		return;
	}
	conversation_set_phase(c, CONVERSATION_LEAVING, reason);
	conversation_watch(c);
}

static void
say_farewell(struct conversation *c)
{
	if (!c->farewell_said) {
		conversation_interrupt(c, "goodbye");
		conversation_stop_voice(c);
	}
	c->farewell_said = true;
	c->farewells++;
	if (!conversation_say(c, c->farewell, CONVERSATION_TAG_FAREWELL))
		conversation_hang_up(c, c->reason);
}

void
conversation_farewell_over(struct conversation *c, bool heard)
{
	if (c->phase != CONVERSATION_LEAVING)
		return;
	if (heard)
		c->farewell_sent_ms = c->now_ms;
	else if (c->farewells > 1)
		conversation_hang_up(c, c->reason);
	else
		say_farewell(c); /* once more */
}

static void
watch_leaving(struct conversation *c)
{
	uint64_t elapsed_ms = c->now_ms - c->leave_ms;

	if (c->farewell_sent_ms != 0) {
		if (c->now_ms - c->farewell_sent_ms >= CONVERSATION_LINGER_MS)
			conversation_hang_up(c, c->reason);
	} else if (elapsed_ms >= CONVERSATION_FAREWELL_MS) {
		log_warn("goodbye not heard in time");
		conversation_hang_up(c, c->reason);
	} else if (!c->farewell_said && conversation_control_hangs_up(c)) {
		/* It has said goodbye already, or is about to. */
		if (conversation_control_all_heard(c))
			c->farewell_sent_ms = c->now_ms;
	} else if (!c->farewell_said && !c->resume.voiceless &&
		   (!conversation_is_heard(c) ||
		       elapsed_ms >= CONVERSATION_LAST_SENTENCE_MS)) {
		say_farewell(c);
	}
}

void
conversation_voice_is_lost(
    struct conversation *c, enum voice_fault fault, const char *detail)
{
	if (c->phase >= CONVERSATION_LOST)
		return;
	c->fault = fault;
	snprintf(c->detail, sizeof(c->detail), "%s", detail);
	log_warn("voice lost fault=%s detail=\"%s\"", voice_fault_name(fault),
	    detail);
	if (c->phase == CONVERSATION_LEAVING) {
		conversation_hang_up(c, c->reason);
		return;
	}
	c->leave_ms = c->now_ms;
	if (c->phase == CONVERSATION_STARTING || !c->media_up) {
		lose(c);
		return;
	}
	conversation_set_phase(c, CONVERSATION_LOST, "voice lost");
	conversation_voice_adds_no_more(c);
}

static void
watch_lost(struct conversation *c)
{
	if (conversation_is_heard(c)
		? c->now_ms - c->leave_ms >= CONVERSATION_LOST_MS
		: c->now_ms - c->layers.voice_ms >= CONVERSATION_LINGER_MS)
		lose(c);
}

/* ---- a caller who waits ----------------------------------------------- */

static void
give_up(struct conversation *c, const char *why)
{
	log_err("the voice does not answer (%s): the call goes elsewhere", why);
	conversation_stop_voice(c);
	conversation_hang_up(c, "voice_lost");
}

void
conversation_trouble(struct conversation *c, const char *why)
{
	if (conversation_control_hangs_up(c))
		return; /* nobody waits for an answer any more */
	if (c->troubles >= CONVERSATION_TROUBLES_MAX) {
		give_up(c, why);
		return;
	}
	c->troubles++;
	log_warn("the voice has trouble (%s): apologising", why);
	conversation_stop_voice(c);
	if (!conversation_say(
		c, BRIEF_PHRASE_TROUBLE, CONVERSATION_TAG_TROUBLE))
		voice_nudge(c->config.voice);
	conversation_await(c);
	c->remedy = CONVERSATION_REMEDY_TROUBLE;
}

static void
watch_answer(struct conversation *c)
{
	if (!c->awaiting)
		return;
	/* Somebody speaks, or a tool runs: that is not silence. */
	if (c->caller_talking || c->tools.count > 0 || c->resume.voiceless ||
	    conversation_is_heard(c))
		c->awaiting_ms = c->now_ms;
	if (c->now_ms - c->awaiting_ms < CONVERSATION_QUIET_MS)
		return;
	c->awaiting_ms = c->now_ms;
	switch (c->remedy) {
	case CONVERSATION_REMEDY_NONE:
		log_warn("the caller waits and hears nothing: nudging");
		c->remedy = CONVERSATION_REMEDY_NUDGE;
		voice_nudge(c->config.voice);
		break;
	case CONVERSATION_REMEDY_NUDGE:
		conversation_trouble(c, "no sound");
		break;
	case CONVERSATION_REMEDY_TROUBLE:
		give_up(c, "no sound");
		break;
	}
}

/* ---- a caller who says nothing ---------------------------------------- */

static void
watch_silence(struct conversation *c)
{
	uint64_t limit_ms = (uint64_t)c->config.brief->silent_caller_s * 1000;

	if (!c->media_up)
		return;
	if (c->caller_talking || c->tools.count > 0 || c->awaiting ||
	    c->prompt_due || conversation_is_heard(c) ||
	    conversation_voice_is_busy(c))
		c->sign_ms = c->now_ms;
	if (c->asked_silent && limit_ms > CONVERSATION_STILL_THERE_MS)
		limit_ms = CONVERSATION_STILL_THERE_MS;
	if (c->now_ms - c->sign_ms < limit_ms)
		return;
	c->sign_ms = c->now_ms;
	if (c->asked_silent) {
		conversation_leave(c, "silent");
		return;
	}
	log_info("silent caller: asking");
	c->asked_silent = true;
	if (conversation_say(
		c, BRIEF_PHRASE_STILL_THERE, CONVERSATION_TAG_STILL_THERE))
		conversation_await(c);
}

void
conversation_watch(struct conversation *c)
{
	switch (c->phase) {
	case CONVERSATION_STARTING:
	case CONVERSATION_OVER:
		break;
	case CONVERSATION_RUNNING:
		watch_answer(c);
		if (c->phase == CONVERSATION_RUNNING)
			watch_silence(c);
		break;
	case CONVERSATION_LEAVING:
		watch_leaving(c);
		break;
	case CONVERSATION_LOST:
		watch_lost(c);
		break;
	}
}
