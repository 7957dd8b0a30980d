/* SPDX-License-Identifier: MIT */
/*
 * spoken.h – what the voice has said in a call, and how much of each utterance
 * the caller has really heard.
 */
#ifndef CALLWORKER_SPOKEN_H
#define CALLWORKER_SPOKEN_H

#include "callworker/voice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SPOKEN_MAX = 16, /* utterances remembered; the oldest goes */
	SPOKEN_TEXT_MAX = 16384,
};

struct spoken {
	char id[VOICE_ID_SIZE]; /* "" free */
	int tag;
	unsigned int confirm;  /* the request that it may read back; 0: none */
	uint64_t received_len; /* bytes of audio taken from the voice */
	uint32_t heard_ms;     /* meaningful once over */
	bool ended;            /* the voice adds no more */
	bool over;             /* the caller hears no more of it */
	bool interrupted;      /* by the caller, or by us */
	bool recorded;         /* in the journal */
	size_t noted_len;      /* bytes of TEXT that are in the journal */
	char *text;            /* NULL: not known (yet) */
};

/* Zero it to start. */
struct spoken_list {
	struct spoken list[SPOKEN_MAX];
	unsigned next; /* slot to be used next, the oldest */
};

void spoken_clear(struct spoken_list *sl);

/* The slot of a new utterance; forgets the oldest. */
struct spoken *spoken_begin(struct spoken_list *sl, const char *id, int tag);

/* NULL when unknown. */
struct spoken *spoken_find(struct spoken_list *sl, const char *id);

void spoken_set_text(struct spoken *s, const char *text);
/* More of it, as it comes. */
void spoken_add_text(struct spoken *s, const char *text);
uint32_t spoken_received_ms(const struct spoken *s);

/*
 * How many bytes of TEXT were said when HEARD_MS of TOTAL_MS had been heard:
 * an estimate by even pace, moved back to the end of a word. All of it from
 * TOTAL_MS on, none for 0.
 */
size_t spoken_heard_len(const char *text, uint32_t heard_ms, uint32_t total_ms);

#endif
