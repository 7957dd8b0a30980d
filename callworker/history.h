/* SPDX-License-Identifier: MIT */
/*
 * history.h – a call so far, as its journal tells it: what another voice must
 * know to go on with it, and what was under way when the last one went.
 *
 * An item is what the service calls one. What the caller did not hear of the
 * voice is no part of the history; what nobody may know (secret digits) was
 * never in the journal.
 */
#ifndef CALLWORKER_HISTORY_H
#define CALLWORKER_HISTORY_H

#include "callworker/tool_calls.h"
#include "callworker/voice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HISTORY_ITEMS_MAX = 300,      /* what a voice is told; the oldest go */
	HISTORY_TEXT_MAX = 48 * 1024, /* bytes of all their texts */
	HISTORY_WORDS_MAX = 8 * 1024, /* bytes of one */
	HISTORY_REASON_SIZE = 32,
};

enum history_kind {
	HISTORY_CALLER, /* a turn of the caller; "": nobody knows the words */
	HISTORY_TOLD,  /* what the voice was told: digits, a person's outcome */
	HISTORY_VOICE, /* an utterance */
	HISTORY_CALL,  /* a function call; its text is the arguments */
	HISTORY_OUTPUT, /* its answer */
};

struct history_item {
	enum history_kind kind;
	char id[VOICE_ID_SIZE];      /* in the session that made it, or "" */
	char call_id[VOICE_ID_SIZE]; /* of CALL and OUTPUT */
	char name[TOOL_NAME_SIZE];   /* of CALL */
	char *text;                  /* never NULL */
	bool open;                   /* of CALLER: it has no answer yet */
	uint64_t since_ms;           /* of CALLER: CLOCK_MONOTONIC, or 0 */
	/* Of VOICE. */
	int tag;           /* enum conversation_tag */
	bool over;         /* the caller hears no more of it; TEXT is heard */
	bool broken;       /* its voice went before it had said all */
	bool recorded;     /* the journal knows what was heard of it */
	bool answers;      /* it answers an open turn, … */
	bool tells;        /* … or speaks of what was added */
	uint32_t heard_ms; /* so far */
	uint32_t total_ms; /* of it that came */
};

/* A function call, or (own) a person, that waits for an answer. */
struct history_pending {
	char id[VOICE_ID_SIZE];
	char name[TOOL_NAME_SIZE];
	char *arguments; /* as requested; of a person: the reason */
	bool own;
	bool requested;    /* by the supervisor it is known, or may be */
	uint64_t since_ms; /* CLOCK_MONOTONIC */
};

struct history {
	struct history_item *items;
	size_t count, room;
	size_t text_len;
	size_t dropped; /* items that are not here any more */
	struct history_pending *pending;
	size_t pending_count, pending_room;
	struct voice_usage usage;
	unsigned persons; /* asked for so far */
	bool no_person;   /* there was none, and the caller was not told */
	unsigned troubles;
	bool caller_talking;   /* when the journal ended */
	uint64_t talking_ms;   /* since when, or was; CLOCK_MONOTONIC */
	bool turn_owed;        /* he has spoken and was not answered */
	bool news;             /* what was added since the voice last spoke */
	bool heard_since_turn; /* an utterance was begun */
	bool asked_silent;
	bool cut; /* the journal was full: nobody knows what came then */
	uint64_t sign_ms; /* CLOCK_MONOTONIC: of anybody's last sign */
	bool secret;      /* digits were, and the voice heard silence */
	uint64_t
	    secret_ms; /* CLOCK_MONOTONIC: until when; 0: they never were */
	char leaving[HISTORY_REASON_SIZE]; /* why a goodbye is due; "": not */
};

/*
 * Reads the journal, whose writer may have been killed at any instruction.
 * 0, -EBADMSG (no journal), -ENOMEM or another -errno; the descriptor stays
 * the caller's. What makes no sense in it is passed over.
 */
int history_read(struct history **history_out, int journal_fd);

/* NULL-safe, clears. */
void history_free(struct history **history);

/*
 * Forgets of the caller's turn that has no answer what began at FROM_MS
 * (CLOCK_MONOTONIC) or later: it is heard again.
 */
void history_forget_turn(struct history *h, uint64_t from_ms);

/* The utterance I was never heard, nor will be. */
void history_unsay(struct history *h, size_t i);

/* Sets the text of item I. 0 or -ENOMEM. */
int history_set_text(struct history *h, size_t i, const char *text, size_t len);

/* Drops the oldest items beyond HISTORY_ITEMS_MAX and HISTORY_TEXT_MAX. An
 * output never stays without its call; a call that waits for its answer
 * stays. */
void history_bound(struct history *h);

#endif
