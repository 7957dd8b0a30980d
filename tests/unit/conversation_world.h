/* SPDX-License-Identifier: MIT */
/*
 * conversation_world.h – a conversation in the world of fake_voice.h, what
 * its two sides say, and what came of it.
 */
#ifndef TESTS_UNIT_CONVERSATION_WORLD_H
#define TESTS_UNIT_CONVERSATION_WORLD_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/fake_voice.h"

#define V          conversation_voice_events
#define SECONDS(n) ((uint64_t)(n)*1000)

/* Everything that happened since the last call. */
#define expect(w, text)                                                        \
	do {                                                                   \
		assert_string_equal((w)->lines, text);                         \
		(w)->lines[0] = '\0';                                          \
	} while (0)
#define expect_nothing(w) expect(w, "")

/* What a new conversation in the world of W is made of. */
static inline struct conversation_config
world_config(struct fake_world *w)
{
	return (struct conversation_config){
	    .voice = &w->voice,
	    .brief = w->brief,
	    .law = G711_LAW_ULAW,
	    .ports = &fake_ports,
	    .arg = w,
	    .clock_ms = fake_clock,
	};
}

/* A world with a brief of TEXT and no conversation yet. */
static inline struct fake_world *
world_new(const char *text)
{
	struct fake_world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->voice.ops = &fake_ops;
	assert_int_equal(brief_parse(&w->brief, text, strlen(text)), 0);
	fake_now_ms = 1000000;
	return w;
}

/* … with one that nobody has said anything in. */
static inline struct fake_world *
world_conversing(const char *text)
{
	struct fake_world *w = world_new(text);
	struct conversation_config config = world_config(w);

	assert_int_equal(conversation_new(&w->c, &config), 0);
	return w;
}

static inline int
tear_down(void **state)
{
	struct fake_world *w = *state;

	conversation_free(&w->c);
	brief_free(&w->brief);
	if (w->journal != NULL)
		close(w->journal_fd);
	journal_free(&w->journal);
	free(w);
	return 0;
}

/* The voice makes MS of audio of an utterance; begins it if TAG is not
 * negative. */
static inline void
speak(struct fake_world *w, const char *id, int tag, size_t ms)
{
	uint8_t audio[8 * 1000];

	memset(audio, 0x55, sizeof(audio));
	if (tag >= 0)
		V.on_utterance(id, tag, w->c);
	for (; ms > 0; ms -= ms < 1000 ? ms : 1000)
		V.on_audio(id, audio, 8 * (ms < 1000 ? ms : 1000), w->c);
}

/* … all of it: nothing is heard before time passes. */
static inline void
say(struct fake_world *w, const char *id, int tag, size_t ms)
{
	speak(w, id, tag, ms);
	V.on_utterance_done(id, tag, VOICE_END_COMPLETE, "", w->c);
}

static inline void
caller_speaks(struct fake_world *w, uint64_t ms)
{
	V.on_caller_started(80, w->c);
	fake_pass(w, ms);
	V.on_caller_stopped(w->c);
}

/* A call in which the greeting was heard, and nothing noted so far. */
static inline void
begin(struct fake_world *w)
{
	V.on_configured(w->c);
	conversation_media_up(w->c);
	say(w, "hello", CONVERSATION_TAG_GREETING, 100);
	fake_pass(w, 200);
	w->lines[0] = '\0';
}

#endif
