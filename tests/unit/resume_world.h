/* SPDX-License-Identifier: MIT */
/*
 * resume_world.h – a call that has a journal, whose process dies or whose
 * voice goes.
 */
#ifndef TESTS_UNIT_RESUME_WORLD_H
#define TESTS_UNIT_RESUME_WORLD_H

#include "common/clock.h"
#include "tests/unit/conversation_world.h"

#define TOOL(name, action)                                                     \
	"{\"name\":\"" name "\",\"action\":\"" action                          \
	"\",\"deadline_ms\":60000}"

static const char brief_text[] =
    "{\"instructions\":\"x\",\"greeting\":\"Hola\",\"silent_caller_s\":30,"
    "\"phrases\":{\"still_there\":\"¿Sigue ahí?\",\"silent_goodbye\":"
    "\"Adiós callado\",\"limit_goodbye\":\"Adiós límite\",\"goodbye\":"
    "\"Adiós\",\"trouble\":\"Disculpe\",\"person_wait\":\"Le comunico\","
    "\"no_person\":\"No hay\",\"tool_wait\":\"Un momento\"},\"tools\":[" TOOL(
	"consultar", "") "," TOOL("colgar", "hangup") "]}";

#define NOT_MADE                                                               \
	"{\"status\":\"cancelled\",\"error\":\"The call was not made: there "  \
	"was an interruption. Call again if the caller still wants it.\"}\n"

static inline void
converse_in(struct fake_world *w, struct history *history, const char *leaving,
    bool secret)
{
	struct conversation_config config = world_config(w);

	config.history = history;
	config.leaving = leaving;
	config.secret = secret;
	assert_int_equal(conversation_new(&w->c, &config), 0);
	history_free(&history);
}

static inline void
converse(struct fake_world *w, struct history *history, const char *leaving)
{
	converse_in(w, history, leaving, false);
}

/* A call in which the greeting was heard. */
static inline int
set_up(void **state)
{
	struct fake_world *w = world_new(brief_text);

	assert_int_equal(journal_memfd_create(&w->journal_fd), 0);
	assert_int_equal(journal_attach(&w->journal, w->journal_fd), 0);
	fake_now_ms = clock_now_ms() / 100 * 100 + 100;
	converse(w, NULL, "");
	*state = w;
	return 0;
}

static inline void
say_words(
    struct fake_world *w, const char *id, int tag, const char *words, size_t ms)
{
	static const uint8_t audio[8 * 10000];

	V.on_utterance(id, tag, w->c);
	V.on_words(id, words, w->c);
	V.on_audio(id, audio, 8 * ms, w->c);
}

static inline void
end(struct fake_world *w, const char *id, int tag, const char *words)
{
	V.on_transcript(VOICE_SPEAKER_VOICE, id, words, w->c);
	V.on_utterance_done(id, tag, VOICE_END_COMPLETE, "", w->c);
}

static inline void
greet(struct fake_world *w)
{
	V.on_configured(w->c);
	conversation_media_up(w->c);
	say_words(w, "g", CONVERSATION_TAG_GREETING, "Hola", 100);
	end(w, "g", CONVERSATION_TAG_GREETING, "Hola");
	fake_pass(w, 200);
	w->lines[0] = '\0';
}

static inline void
turn(struct fake_world *w, const char *id, const char *words)
{
	V.on_caller_started(0, w->c);
	V.on_turn(id, w->c);
	V.on_caller_stopped(w->c);
	if (words[0] != '\0')
		V.on_transcript(VOICE_SPEAKER_CALLER, id, words, w->c);
}

/* The process dies here; another one goes on. */
static inline void
crash_in(struct fake_world *w, const char *leaving, bool secret)
{
	struct journal *journal = w->journal;
	struct history *h;

	assert_int_equal(history_read(&h, w->journal_fd), 0);
	w->journal = NULL; /* the dead write nothing */
	conversation_free(&w->c);
	w->journal = journal;
	w->lines[0] = '\0';
	converse_in(w, h, leaving, secret);
}

static inline void
crash_leaving(struct fake_world *w, const char *leaving)
{
	crash_in(w, leaving, false);
}

static inline void
crash(struct fake_world *w)
{
	crash_leaving(w, "");
}

/* … and its voice knows the history. */
static inline void
crash_and_go_on(struct fake_world *w)
{
	crash(w);
	w->lines[0] = '\0';
	V.on_configured(w->c);
	expect(w, "ready\n");
}

#define UNO "uno dos tres cuatro cinco seis siete ocho"

#endif
