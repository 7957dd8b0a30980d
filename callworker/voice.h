/* SPDX-License-Identifier: MIT */
/*
 * voice.h – what a call needs of a voice service, whatever its dialect.
 *
 * A voice hears the caller, says utterances, and asks for tools. It takes
 * turns by itself: after the caller has spoken it answers without being
 * asked. How it does that (responses, delegations, one stream) stays behind
 * this interface. An utterance is one continuous piece of speech with an id
 * of its own; its audio may come much faster than it is heard.
 *
 * Events run from the event loop or from voice_tick(), never from inside
 * another function of this room; any of these functions but voice_free() may
 * be called from inside an event. After on_fault(fatal) nothing else comes.
 */
#ifndef CALLWORKER_VOICE_H
#define CALLWORKER_VOICE_H

#include "callworker/g711.h"
#include "common/voice_fault.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct brief;
struct history;
struct voice;

enum {
	VOICE_ID_SIZE = 64,     /* of an utterance or a tool call, NUL incl. */
	VOICE_TAG_ANSWER = 0,   /* an utterance nobody ordered word by word */
	VOICE_DETAIL_MAX = 256, /* bytes of a fault's detail */
};

enum voice_end {
	VOICE_END_COMPLETE, /* all of it was handed over */
	VOICE_END_CUT,      /* stopped: the caller spoke, or voice_stop() */
	VOICE_END_FAILED,   /* the service broke off; WHY says how */
};

enum voice_speaker {
	VOICE_SPEAKER_CALLER,
	VOICE_SPEAKER_VOICE,
};

/* What one step of the voice has cost; all are increments, 0 when unknown. */
#define VOICE_USAGE(X)                                                         \
	X(input_text)   /* tokens, cached ones included */                     \
	X(input_audio)  /* tokens, cached ones included */                     \
	X(input_cached) /* tokens, text and audio */                           \
	X(output_text)  /* tokens */                                           \
	X(output_audio) /* tokens */                                           \
	X(seconds)      /* for services that count time */

struct voice_usage {
#define X(member) int64_t member;
	VOICE_USAGE(X)
#undef X
};

/* All strings live during the call only. */
struct voice_events {
	/* Connected and accepted; EXPIRES_S since the epoch, 0 unknown. */
	void (*on_up)(int64_t expires_s, void *arg);
	/* What voice_start() asked for is in force. */
	void (*on_configured)(void *arg);
	/* Before the first audio. TAG is that of voice_say() or voice_aside(),
	 * or ANSWER. */
	void (*on_utterance)(const char *utterance, int tag, void *arg);
	void (*on_audio)(
	    const char *utterance, const uint8_t *g711, size_t len, void *arg);
	/*
	 * Once for each on_utterance. WHY is "" when complete. An order of
	 * voice_say() or voice_aside() that never became an utterance ends
	 * here as well, with an empty id.
	 */
	void (*on_utterance_done)(const char *utterance, int tag,
	    enum voice_end end, const char *why, void *arg);
	/* More of what an utterance says, as it comes; on_transcript repeats
	 * all of it. May be NULL. */
	void (*on_words)(const char *utterance, const char *text, void *arg);
	/* AGO_MS: how long ago the caller began, if the service says; else 0. */
	void (*on_caller_started)(uint32_t ago_ms, void *arg);
	/* Before on_caller_stopped: the turn's on_transcript will have this ID.
	 * May be NULL. */
	void (*on_turn)(const char *id, void *arg);
	void (*on_caller_stopped)(void *arg);
	/* What was said in one turn; may come long after the audio. */
	void (*on_transcript)(enum voice_speaker who, const char *id,
	    const char *text, void *arg);
	/* To be answered once with voice_answer_tool(). ARGUMENTS is a JSON
	 * text as the model wrote it, unchecked. */
	void (*on_tool_call)(
	    const char *id, const char *name, const char *arguments, void *arg);
	/*
	 * The same for a call that is not to be run: what it was part of was
	 * interrupted, or broke off. The voice knows that it made it.
	 */
	void (*on_tool_call_cut)(
	    const char *id, const char *name, const char *arguments, void *arg);
	void (*on_usage)(const struct voice_usage *usage, void *arg);
	/*
	 * FATAL: the session is over. Otherwise the voice owes the caller an
	 * answer that it could not produce, and its own retries are used up.
	 */
	void (*on_fault)(
	    enum voice_fault fault, const char *detail, bool fatal, void *arg);
};

struct voice_ops {
	void (*listen)(
	    struct voice *voice, const struct voice_events *events, void *arg);
	int (*start)(struct voice *voice, const struct brief *brief,
	    enum g711_law law, const struct history *history);
	int (*send_audio)(struct voice *voice, const uint8_t *g711, size_t len);
	int (*repeat_audio)(
	    struct voice *voice, const uint8_t *g711, size_t len);
	uint64_t (*heard_ms)(const struct voice *voice);
	/* NULL: this service never says. */
	uint32_t (*retry_ms)(const struct voice *voice);
	int (*say)(struct voice *voice, const char *text, int tag);
	/* NULL: this service can say nothing beside the conversation. */
	int (*aside)(struct voice *voice, const char *text, int tag);
	int (*add_text)(struct voice *voice, const char *text);
	int (*answer_tool)(
	    struct voice *voice, const char *id, const char *output);
	bool (*prompt)(struct voice *voice);
	bool (*has_news)(const struct voice *voice);
	void (*nudge)(struct voice *voice);
	void (*stop)(struct voice *voice);
	void (*interrupted)(
	    struct voice *voice, const char *utterance, uint32_t heard_ms);
	bool (*is_busy)(const struct voice *voice);
	void (*tick)(struct voice *voice, uint64_t now_ms);
	void (*log_state)(const struct voice *voice);
	void (*close)(struct voice *voice);
	void (*free)(struct voice *voice);
};

/* The first member of every backend. */
struct voice {
	const struct voice_ops *ops;
};

/*
 * From now on EVENTS (which must stay valid) with ARG. Not from inside an
 * event. Before voice_start() only on_up and on_fault are called.
 */
static inline void
voice_listen(struct voice *v, const struct voice_events *events, void *arg)
{
	v->ops->listen(v, events, arg);
}

/*
 * Tells a connected voice who it is; on_configured follows. HISTORY: it goes
 * on with a conversation that another one had; NULL: it begins one. Of an
 * utterance that is still being heard (not over) the voice then knows all, and
 * voice_interrupted() is for it, too. What is added, said or heard from now on
 * comes after the history. Both are copied. 0 or -errno (-ENOTCONN before
 * on_up, -ENOMEM).
 */
static inline int
voice_start(struct voice *v, const struct brief *brief, enum g711_law law,
    const struct history *history)
{
	return v->ops->start(v, brief, law, history);
}

/*
 * The caller's next 20 ms. When the network stalls, the oldest audio is
 * dropped, counted and logged by the backend. 0 or -errno.
 */
static inline int
voice_send_audio(struct voice *v, const uint8_t *g711, size_t len)
{
	return v->ops->send_audio(v, g711, len);
}

/*
 * 20 ms that the caller said before, to another voice, to one that is gone, or
 * to nobody yet; to be sent after voice_start() with a history, until
 * on_configured, faster than they were spoken. None is dropped. 0 or -errno.
 */
static inline int
voice_repeat_audio(struct voice *v, const uint8_t *g711, size_t len)
{
	return v->ops->repeat_audio(v, g711, len);
}

/* When the service last gave a sign of life, clock_now_ms(); 0: never. */
static inline uint64_t
voice_heard_ms(const struct voice *v)
{
	return v->ops->heard_ms(v);
}

/* After a fatal fault: how long the service asks to be left alone before it is
 * tried again; 0: it does not say. */
static inline uint32_t
voice_retry_ms(const struct voice *v)
{
	return v->ops->retry_ms == NULL ? 0 : v->ops->retry_ms(v);
}

/*
 * Says TEXT word by word once what is being said or prepared is over. TAG
 * (> 0) comes back with its utterance. 0, -ENOBUFS (four wait), -ENOMEM.
 */
static inline int
voice_say(struct voice *v, const char *text, int tag)
{
	return v->ops->say(v, text, tag);
}

/*
 * Says TEXT word by word now, beside the conversation: the voice will not
 * know that it was said, and nothing that it has to say waits for it. TAG
 * (> 0) comes back with its utterance. The voice cuts it when the caller
 * speaks, when other audio of its own begins, and with voice_stop(); then, or
 * when it fails, it ends (on_utterance_done) and is not tried again. 0;
 * -EBUSY: something is being said or prepared, the caller speaks, or another
 * aside is under way; -ENOTCONN, -ENOMEM; -ENOTSUP: this voice cannot.
 */
static inline int
voice_aside(struct voice *v, const char *text, int tag)
{
	return v->ops->aside == NULL ? -ENOTSUP : v->ops->aside(v, text, tag);
}

/* Adds something the caller did (digits dialled) without asking for a reply:
 * voice_prompt() does. 0, -ENOBUFS or -ENOMEM. */
static inline int
voice_add_text(struct voice *v, const char *text)
{
	return v->ops->add_text(v, text);
}

/* The same for the result of a tool call, exactly one for each id; there is
 * always room for it. 0 or -ENOMEM. */
static inline int
voice_answer_tool(struct voice *v, const char *id, const char *output)
{
	return v->ops->answer_tool(v, id, output);
}

/*
 * The floor is the voice's: it should speak about what was added since it
 * last began to speak. False: it did so meanwhile, nothing will come of this.
 * Calls merge.
 */
static inline bool
voice_prompt(struct voice *v)
{
	return v->ops->prompt(v);
}

/* Something was added since it last began to speak: voice_prompt() would be
 * true. */
static inline bool
voice_has_news(const struct voice *v)
{
	return v->ops->has_news(v);
}

/* It should speak in any case: the caller waits for an answer. */
static inline void
voice_nudge(struct voice *v)
{
	v->ops->nudge(v);
}

/* Stops what is being said or prepared, and forgets what was to be said. */
static inline void
voice_stop(struct voice *v)
{
	v->ops->stop(v);
}

/* The caller heard the first HEARD_MS of UTTERANCE and will hear no more. */
static inline void
voice_interrupted(struct voice *v, const char *utterance, uint32_t heard_ms)
{
	v->ops->interrupted(v, utterance, heard_ms);
}

/* Something is being prepared, or waits to be; an aside does not count. */
static inline bool
voice_is_busy(const struct voice *v)
{
	return v->ops->is_busy(v);
}

/* To be called about ten times a second: the voice's only timer. */
static inline void
voice_tick(struct voice *v, uint64_t now_ms)
{
	v->ops->tick(v, now_ms);
}

static inline void
voice_log_state(const struct voice *v)
{
	v->ops->log_state(v);
}

/* Says goodbye to the service; no event follows. */
static inline void
voice_close(struct voice *v)
{
	v->ops->close(v);
}

/* NULL-safe, clears; no event follows. */
static inline void
voice_free(struct voice **voice)
{
	if (*voice != NULL)
		(*voice)->ops->free(*voice);
	*voice = NULL;
}

#endif
