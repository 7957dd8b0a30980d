/* SPDX-License-Identifier: MIT */
/*
 * conversation.h – the mind of a call: whose turn it is, what is heard, which
 * tools run, and how it ends. Knows a voice only through voice.h.
 *
 * Rules: what the caller says or dials stops the voice at once, and nothing of
 * what it was saying is heard afterwards. Nothing waits for a tool but its
 * answer. Whenever somebody waits for the voice and hears nothing, something
 * happens within seconds: a nudge, an apology, at last another place to send
 * the caller to.
 *
 * No sockets and no timers: the world is behind struct conversation_ports,
 * and everything that takes time is looked at in conversation_tick().
 */
#ifndef CALLWORKER_CONVERSATION_H
#define CALLWORKER_CONVERSATION_H

#include "callworker/brief.h"
#include "callworker/comfort.h"
#include "callworker/playout.h"
#include "callworker/tool_calls.h"
#include "callworker/voice.h"
#include "common/journal.h"
#include "common/tool_progress.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* From the end of the caller's turn, or a prompt of ours, to sound. */
	CONVERSATION_QUIET_MS = 6000,
	/* Apologies in a row without an answer in between; then it is over. */
	CONVERSATION_TROUBLES_MAX = 2,
	/* A result is put before the voice when so little is left to be heard.
	 */
	CONVERSATION_ALMOST_SAID_MS = 400,
	/* … and when no other tool answers within this time. */
	CONVERSATION_GATHER_MS = 800,
	/* A tool runs and nothing was said about it, or since the caller's
	 * last turn: its first sentence is, or tool_wait. */
	CONVERSATION_TOOL_WAIT_MS = 2500,
	/* From the voice's last sample to the sound of waiting. */
	CONVERSATION_SOUND_GAP_MS = 500,
	/* From anybody's last sound to a sentence about how it goes; less if
	 * the first one is due sooner. */
	CONVERSATION_LINE_GAP_MS = 3000,
	/* After still_there; less if silent_caller_s is. */
	CONVERSATION_STILL_THERE_MS = 10000,
	/* A sentence may be finished before the goodbye. */
	CONVERSATION_LAST_SENTENCE_MS = 3000,
	CONVERSATION_FAREWELL_MS = 12000, /* all of it, then it is cut */
	/* From the last packet to the hang-up, or to the fallback: its end is
	 * still under way, in the network and in the telephone's jitter
	 * buffer. */
	CONVERSATION_LINGER_MS = 300,
	/* Until a person must have answered or not, whoever says it; the
	 * supervisor's own time is shorter. */
	CONVERSATION_PERSON_MS = 180000,
	/* After secret digits: the last tone, or word, is still under way. */
	CONVERSATION_TAIL_MS = 600,
	/* What waits for a successor in the socket may be so old. */
	CONVERSATION_WAITED_MS = 6000,
	/* Secret digits that nobody asks for, and of which nobody says that
	 * they are over. */
	CONVERSATION_SECRET_MS = 1000,
	/* What is queued may be heard when the voice is lost. */
	CONVERSATION_LOST_MS = 3000,
	/* Without a voice, whoever fetches another one; then it is lost. */
	CONVERSATION_VOICELESS_MS = 20000,
	/* A new voice that knows only that the caller was speaking: until he
	 * goes on, or is asked to repeat it. */
	CONVERSATION_REPEAT_MS = 1500,
};

/* Tags of voice_say(): X(ENUM, "name in the journal"). */
#define CONVERSATION_TAGS(X)                                                   \
	X(ANSWER, "answer") /* VOICE_TAG_ANSWER */                             \
	X(GREETING, "greeting")                                                \
	X(STILL_THERE, "still_there")                                          \
	X(ASIDE, "aside") /* of voice_aside(): while a tool runs */            \
	X(TROUBLE, "trouble")                                                  \
	X(FAREWELL, "farewell")                                                \
	X(PERSON_WAIT, "person_wait")                                          \
	X(NO_PERSON, "no_person")                                              \
	X(SECRET, "secret") /* what may be dialled now */

/* Of the uplink, in the journal's states. */
#define CONVERSATION_STATE_SECRET "uplink_secret"
#define CONVERSATION_STATE_HEARD  "uplink_heard"

enum conversation_tag {
#define X(id, name) CONVERSATION_TAG_##id,
	CONVERSATION_TAGS(X)
#undef X
};
_Static_assert((int)CONVERSATION_TAG_ANSWER == (int)VOICE_TAG_ANSWER, "tags");

const char *conversation_tag_name(int tag);
int conversation_tag_find(const char *name); /* -ENOENT */

/* What the conversation does to the world; all with ARG, all at once. */
struct conversation_ports {
	/* As the functions of playout.h. */
	ssize_t (*play)(
	    const char *utterance, const uint8_t *g711, size_t len, void *arg);
	void (*play_end)(const char *utterance, void *arg);
	bool (*flush)(struct playout_flushed *flushed_out, void *arg);
	int64_t (*heard_ms)(const char *utterance, void *arg);
	uint32_t (*remaining_ms)(void *arg);
	/* As media_comfort(). */
	void (*comfort)(enum comfort_kind kind, void *arg);

	/* One entry of the call's history; BODY is taken. */
	void (*record)(enum journal_type type, cJSON *body, void *arg);

	/* A voice is configured: the first one and greets, or another one that
	 * goes on. */
	void (*ready)(void *arg);
	/*
	 * The voice's session is over. True: another one is being fetched,
	 * conversation_change_voice() or conversation_voice_is_lost() follows;
	 * false, or no such port: the voice is lost.
	 */
	bool (*fetch_voice)(
	    enum voice_fault fault, const char *detail, void *arg);
	/* The call so far, from its journal, to be freed; NULL: unreadable. */
	struct history *(*history)(void *arg);
	/* What playout knows of an utterance; false: nothing. */
	bool (*find_played)(const char *utterance,
	    struct playout_utterance *found_out, void *arg);
	/*
	 * Whether what the caller said in the turn that has no answer yet (or
	 * is saying) is remembered as audio, from *FROM_MS_OUT
	 * (CLOCK_MONOTONIC; 0: its beginning) on, and sends it to VOICE, which
	 * was just started. May be NULL: it is not.
	 */
	bool (*has_turn)(uint64_t *from_ms_out, void *arg);
	void (*send_turn)(struct voice *voice, void *arg);
	/* The caller's next 20 ms as a voice may know them. May be NULL. */
	void (*heard_caller)(const uint8_t *g711, size_t len, void *arg);
	void (*request_tool)(const struct tool_call *call, void *arg);
	/* The caller wants a person: an own call, its arguments the reason.
	 * conversation_tool_result() says what came of it. */
	void (*request_person)(const struct tool_call *call, void *arg);
	/* Of either. */
	void (*cancel_tool)(const char *id, void *arg);
	/* The call should end now: "silent", "voice" (the model's wish),
	 * "voice_lost", or the reason given to conversation_leave(). Once. */
	void (*hang_up)(const char *reason, void *arg);
	/* There is no voice any more; instead of hang_up. Once. */
	void (*voice_lost)(
	    enum voice_fault fault, const char *detail, void *arg);
	/* What conversation_tool() says may have changed. */
	void (*changed)(void *arg);
};

struct conversation_config {
	struct voice *voice;       /* warm; stays the owner's */
	const struct brief *brief; /* stays the owner's */
	enum g711_law law;
	const struct conversation_ports *ports;
	void *arg;
	bool log_transcripts;
	uint64_t (*clock_ms)(void); /* clock_now_ms(), or a test's */
	/* Of the process that had the call before; NULL: it is a new one. Used
	 * during conversation_new() only. */
	struct history *history;
	const char
	    *leaving; /* why that one was saying goodbye; NULL, "": not */
	bool secret;  /* secret digits are being dialled to it */
};

struct conversation;

/* The events that the owner gives to its voice, ARG the conversation. */
extern const struct voice_events conversation_voice_events;

/*
 * Begins: the voice is told its brief; ready() and the greeting follow. With a
 * history it goes on instead: nobody is greeted who has heard a word, what is
 * queued is heard, what runs is asked for again with the same ids.
 * 0 or -errno; only record, find_played, heard_ms, play_end, has_turn and
 * send_turn are called before it returns, none of them for a new one.
 */
int conversation_new(struct conversation **conversation_out,
    const struct conversation_config *config);

/*
 * The session is over, another one is being fetched: what was said of an
 * utterance is heard, tools go on, nothing is said. For owners without the
 * port fetch_voice.
 */
void conversation_voice_gone(
    struct conversation *c, enum voice_fault fault, const char *detail);

/*
 * From now on VOICE, which is warm; it is told the history. The conversation
 * listens to it; the caller of this closes the old one afterwards. 0 or
 * -errno of voice_start(), or of reading the journal: then nothing is changed.
 */
int conversation_change_voice(struct conversation *c, struct voice *voice);

/* No other one comes: an apology where possible, then voice_lost(). */
void conversation_voice_is_lost(
    struct conversation *c, enum voice_fault fault, const char *detail);

/* A moment in which a change of voice is not noticed: nobody speaks, nothing
 * is being said or prepared. */
bool conversation_is_pausing(const struct conversation *c);

/* Records what was not recorded yet. NULL-safe, clears. */
void conversation_free(struct conversation **conversation);

/* About ten times a second. */
void conversation_tick(struct conversation *c);

/* The caller hears us and we hear the caller. */
void conversation_media_up(struct conversation *c);

/* The caller's next 20 ms. */
void conversation_uplink(
    struct conversation *c, const uint8_t *g711, size_t len);

/* Playout has sent the last of UTTERANCE. */
void conversation_utterance_sent(
    struct conversation *c, const char *utterance, uint32_t heard_ms);

void conversation_dtmf(struct conversation *c, char digit);

/*
 * The caller dials, elsewhere, what nobody here may know: until the end, and a
 * moment longer, the voice hears silence. SAY (may be "") asks for it.
 */
void conversation_secret_begin(struct conversation *c, const char *say);
void conversation_secret_end(struct conversation *c);

void conversation_tool_progress(struct conversation *c, const char *id,
    uint64_t elapsed_ms, const struct tool_progress *progress);
void conversation_tool_result(struct conversation *c, const char *id,
    enum tool_status status, const char *output);

/*
 * Says goodbye as REASON wants it ("limit", "silent", "shutdown", …), then
 * hang_up(REASON). A second call changes nothing.
 */
void conversation_leave(struct conversation *c, const char *reason);

/* The name of the tool that waits longest, or "". */
const char *conversation_tool(const struct conversation *c);

/* Function calls and the wish for a person that have no answer yet, for a
 * supervisor that lost them; nothing when the call is about to end. */
void conversation_repeat_tools(struct conversation *c);

/* Tokens and seconds of the whole conversation. */
void conversation_get_usage(
    const struct conversation *c, struct voice_usage *usage_out);

/* A few lines. */
void conversation_log_state(const struct conversation *c);

#endif
