/* SPDX-License-Identifier: MIT */
/*
 * conversation_impl.h – the conversation's state, shared by conversation.c
 * (turns), conversation_tools.c (function calls), conversation_layers.c (what
 * is heard while they run), conversation_control.c (the call itself),
 * conversation_access.c (secret digits, requests to be confirmed),
 * conversation_resume.c (from one voice to the next) and conversation_watch.c
 * (what happens when nothing does). Nobody else includes it.
 */
#ifndef CALLWORKER_CONVERSATION_IMPL_H
#define CALLWORKER_CONVERSATION_IMPL_H

#include "callworker/confirm.h"
#include "callworker/conversation.h"
#include "callworker/conversation_texts.h"
#include "callworker/dtmf.h"
#include "callworker/history.h"
#include "callworker/spoken.h"
#include "common/log.h"
#include "common/sentence.h"

enum {
	CONVERSATION_REASON_SIZE = 32,
};

enum conversation_phase {
	CONVERSATION_STARTING, /* the voice is told who it is */
	CONVERSATION_RUNNING,
	CONVERSATION_LEAVING, /* the goodbye is due or being said */
	CONVERSATION_LOST,    /* no voice; what is queued may be heard */
	CONVERSATION_OVER,    /* hang_up or voice_lost was called */
};

/* What was done about a caller who waits and hears nothing. */
enum conversation_remedy {
	CONVERSATION_REMEDY_NONE,
	CONVERSATION_REMEDY_NUDGE,
	CONVERSATION_REMEDY_TROUBLE,
};

/* What is heard while a tool runs. */
struct conversation_layers {
	enum comfort_kind sound;
	uint64_t sound_ms;  /* since when */
	uint64_t voice_ms;  /* when something of the voice was heard last */
	uint64_t caller_ms; /* when the caller spoke or dialled last */
	uint64_t line_ms;   /* the last one about this batch; 0: none */
	unsigned lines;
	char line[SENTENCE_FILLED_SIZE]; /* the words of the last one */
};

/* A phrase that is said as soon as nobody speaks. */
enum conversation_due {
	CONVERSATION_DUE_NOTHING,
	CONVERSATION_DUE_PERSON_WAIT,
	CONVERSATION_DUE_NO_PERSON,
};

struct conversation_control {
	/* The voice wants to hang up. */
	char hangup_id[VOICE_ID_SIZE]; /* of the function call; "" not */
	char hangup_name[TOOL_NAME_SIZE];
	uint64_t hangup_ms; /* since when */
	/* The caller wants a person: the own call in `tools`. */
	unsigned persons; /* asked for so far */
	bool person_turn; /* by caller or voice, in this turn of the caller */
	enum conversation_due due;
	bool cancelled; /* the model withdrew something since the last tick */
};

/* Digits that nobody may hear. */
struct conversation_secret {
	bool open;
	uint64_t begun_ms;
	uint64_t ended_ms; /* 0: never */
	char *say;         /* asks for them, and was not begun; or NULL */
};

/* What a new voice is to say first, once nobody speaks. */
enum conversation_owed {
	CONVERSATION_OWED_NOTHING,
	CONVERSATION_OWED_ANSWER, /* all that it needs is in its history */
	CONVERSATION_OWED_REST,   /* of an utterance that broke off */
	CONVERSATION_OWED_REPEAT, /* nobody knows what the caller said */
};

/* From the last word of one voice to the first of the next. */
struct conversation_resume {
	bool voiceless;        /* since one went, until another is configured */
	uint64_t voiceless_ms; /* since when */
	bool greet;            /* nobody has heard a word yet */
	enum conversation_owed owed;
	uint64_t owed_ms; /* not before */
	bool heard_again; /* the caller's turn was sent to it once more, … */
	uint64_t heard_from_ms; /* … from here on; 0: all of it */
	bool was_talking; /* he was, says the journal, and no voice since */
	char *words;      /* of OWED_REST: the last that were heard */
	struct history_pending *pending; /* not in `tools` yet */
	size_t pending_count;
	bool repeat; /* requests that the supervisor may not have got */
};

struct conversation {
	struct conversation_config config;
	struct voice no_voice; /* config.voice while there is none */
	struct conversation_resume resume;
	enum conversation_phase phase;
	uint64_t now_ms;
	uint64_t started_ms;
	bool media_up;
	struct voice_usage usage;
	struct spoken_list spoken;
	struct tool_calls tools;
	struct dtmf dtmf;
	struct conversation_secret secret;
	struct confirm confirm;
	struct log_ratelimit noise;

	/* Turns. */
	bool caller_talking;
	char turn[VOICE_ID_SIZE];   /* id of the one that ends now, or "" */
	uint64_t caller_stopped_ms; /* 0: not since the last first audio */
	bool heard_since_turn;      /* the voice said something since then */
	bool prompt_due;            /* results or digits wait for the voice */
	uint64_t prompt_ms;         /* since when */
	char prompt_tool[TOOL_NAME_SIZE]; /* all are of this one; or "" */

	/* The caller waits for sound. */
	bool awaiting;
	uint64_t awaiting_ms; /* since when, or since the last remedy */
	enum conversation_remedy remedy;
	unsigned troubles; /* apologies since the last answer */

	/* The caller says nothing. */
	uint64_t sign_ms;  /* somebody was heard, or something ran */
	bool asked_silent; /* still_there was said */

	struct conversation_control control;
	struct conversation_layers layers;
	unsigned ordered;    /* 1 << tag: to be said, and not begun */
	bool said_tool_wait; /* in this batch of tools, since the last turn */

	/* The end. */
	char reason[CONVERSATION_REASON_SIZE];
	enum brief_phrase farewell;
	uint64_t leave_ms;         /* since when */
	bool farewell_said;        /* voice_say() was called for it */
	unsigned farewells;        /* attempts */
	uint64_t farewell_sent_ms; /* its last packet; 0: not yet */
	enum voice_fault fault;
	char detail[VOICE_DETAIL_MAX];
};

#define CONVERSATION_PORT(c, port, ...)                                        \
	((c)->config.ports->port(__VA_ARGS__, (c)->config.arg))

/* Where every event enters: ARG as a conversation that knows the time. */
static inline struct conversation *
conversation_enter(void *arg)
{
	struct conversation *c = arg;

	c->now_ms = c->config.clock_ms();
	return c;
}

/* A response may be on its way, or cannot: there is no voice yet. */
static inline bool
conversation_voice_is_busy(const struct conversation *c)
{
	return c->resume.voiceless || voice_is_busy(c->config.voice);
}

/* conversation.c */
/* Both the voice and the playout are done with S: it is recorded, once. */
void conversation_record_if_done(struct conversation *c, struct spoken *s);
void conversation_set_phase(
    struct conversation *c, enum conversation_phase phase, const char *why);
/* An aside is being heard, or about to be; then nothing else is. */
bool conversation_is_aside(const struct conversation *c);
/* The voice is gone: what it began ends with what came of it. */
void conversation_voice_adds_no_more(struct conversation *c);
/* Silences the voice: what is queued is dropped, the voice is told. */
void conversation_interrupt(struct conversation *c, const char *why);
/* The voice forgets what it was to say. */
void conversation_stop_voice(struct conversation *c);
/* The voice that was to say something is gone: what matters is said again. */
void conversation_order_again(struct conversation *c);
/* Says one of the brief's phrases; false when it is empty. */
bool conversation_say(struct conversation *c, enum brief_phrase phrase,
    enum conversation_tag tag);
/* Something was put before the voice that it should speak about: a result of
 * TOOL, or, TOOL being "", something else. */
void conversation_want_prompt(struct conversation *c, const char *tool);
/* The caller waits for sound from now on. */
void conversation_await(struct conversation *c);
void conversation_record(
    struct conversation *c, enum journal_type type, cJSON *body);

/* Something of the voice is still to be heard. */
static inline bool
conversation_is_heard(const struct conversation *c)
{
	return c->config.ports->remaining_ms(c->config.arg) > 0;
}

/* conversation_tools.c */
void conversation_on_tool_call(
    const char *id, const char *name, const char *arguments, void *arg);
void conversation_on_tool_call_cut(
    const char *id, const char *name, const char *arguments, void *arg);
void conversation_tools_tick(struct conversation *c);
/* The one answer of a call that is in the table no more. Asks for no prompt.
 */
void conversation_answer_tool(struct conversation *c, const char *id,
    const char *name, uint64_t elapsed_ms, enum tool_status status,
    const char *text);

/* One was taken out of the table. */
void conversation_tool_gone(struct conversation *c);

/* conversation_control.c */

/* A function call with an action; false: it is the supervisor's to run. */
bool conversation_control_call(struct conversation *c,
    const struct brief_tool *tool, const char *id, const char *arguments);
/* The caller speaks or dials. */
void conversation_control_caller_acts(struct conversation *c);
/* What the caller said, perhaps long ago. */
void conversation_control_heard(struct conversation *c, const char *transcript);
/* REASON: "key 0" or "words". */
void conversation_want_person(struct conversation *c, const char *reason);
/* The own CALL, which is in the table no more, has ended. */
void conversation_control_person_over(struct conversation *c,
    const struct tool_call *call, enum tool_status status, const char *text);
void conversation_control_say_due(struct conversation *c);
/* What has TAG came when it could not be heard, or was cut before it did. */
void conversation_control_unsaid(struct conversation *c, int tag);
/* Of what has TAGS (1 << tag) the voice never began. */
void conversation_control_say_again(struct conversation *c, unsigned tags);
void conversation_control_tick(struct conversation *c);
/* It hangs up, and has not said goodbye: ours is, by the next voice if there
 * is none. */
void conversation_control_say_goodbye(struct conversation *c);
/* Nothing new is begun: the voice says goodbye and hangs up. */
bool conversation_control_hangs_up(const struct conversation *c);
/* Somebody is being called who should take the caller over. */
bool conversation_control_rings(const struct conversation *c);
/* The voice has nothing more to say, and all of it was heard. */
bool conversation_control_all_heard(const struct conversation *c);

/* conversation_access.c */

/* What a predecessor heard of secret digits, or was still to hear. */
void conversation_resume_secret(
    struct conversation *c, const struct history *h);
/* The voice may be asked to say now what asks for them. */
void conversation_say_secret(struct conversation *c);
/* It does, or nobody asks for them any more. */
void conversation_secret_asked(struct conversation *c);
/* The voice may hear nothing now. */
bool conversation_is_secret(const struct conversation *c);
/*
 * What TOOL, which must be confirmed, may be run with, to be freed; NULL: not
 * now, and the call has its answer.
 */
char *conversation_confirm(struct conversation *c,
    const struct brief_tool *tool, const char *id, const char *arguments);
void conversation_access_tick(struct conversation *c);

/* conversation_layers.c */

/* Another one is heard: no sound from the next frame on. */
void conversation_layers_hush(struct conversation *c, const char *why);
/* A call has its answer: the sound may end. */
void conversation_layers_tool_gone(struct conversation *c);
/* The caller speaks or dials. */
void conversation_layers_caller_acts(struct conversation *c, const char *why);
/* The last sentence never began: the next one may come at once. */
void conversation_layers_unsaid(struct conversation *c);
/* The utterance S of a voice_aside() begins: lets it be heard, or not. */
void conversation_layers_aside(struct conversation *c, struct spoken *s);
void conversation_layers_tick(struct conversation *c);
void conversation_layers_log_state(const struct conversation *c);

/* The call ID of the voice's, unanswered when its voice went, hangs up. */
void conversation_control_hangs_up_still(
    struct conversation *c, const char *id, const char *name);

/* conversation_resume.c */

/* Goes on with what config.history says, in a new process. 0 or -errno. */
int conversation_resume(struct conversation *c);
/* The new voice is configured. */
void conversation_resume_speak(struct conversation *c);
/* Asks the voice to speak, about what it owes or what is new. False: it has
 * nothing to say. */
bool conversation_resume_prompt(struct conversation *c);
/* The caller speaks: he will be answered, and nothing is owed any more. */
void conversation_resume_caller_acts(struct conversation *c);
void conversation_resume_tick(struct conversation *c);
void conversation_resume_clear(struct conversation *c);

/* conversation_watch.c */
void conversation_watch(struct conversation *c);
void conversation_hang_up(struct conversation *c, const char *reason);
/* What is said when the call ends for REASON. */
enum brief_phrase conversation_farewell_phrase(const char *reason);
/* The voice owes an answer that will not come: apologise, or give up. */
void conversation_trouble(struct conversation *c, const char *why);
/* An utterance of the goodbye is over, HEARD or not. */
void conversation_farewell_over(struct conversation *c, bool heard);

#endif
