/* SPDX-License-Identifier: MIT */
/*
 * confirm.h – a request that may run only after the caller has agreed to it.
 *
 * The model's first request runs nothing and gets a token. With it the same
 * request, with the same arguments, may run once, when the caller has heard
 * the voice since and has spoken since that. What the caller said is for the
 * model to understand; that there was something to understand is ours.
 *
 *   none ──request──▶ issued ──voice heard──▶ heard ──caller spoke──▶ agreed
 *    ▲                   │                      │                       │
 *    └──── another request, LIFE_MS over ───────┴─────── used ──────────┘
 */
#ifndef CALLWORKER_CONFIRM_H
#define CALLWORKER_CONFIRM_H

#include "callworker/tool_calls.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	CONFIRM_TOKEN_SIZE = 33, /* 128 bits in hexadecimal, NUL included */
	CONFIRM_LIFE_MS = 120000,
	CONFIRM_HEARD_MS = 1000, /* of one utterance, unless it is shorter */
};

/* Zero it to start. */
struct confirm {
	char token[CONFIRM_TOKEN_SIZE]; /* "": none */
	char tool[TOOL_NAME_SIZE];
	cJSON *arguments;
	unsigned int serial; /* of the request; utterances after it have it */
	uint64_t issued_ms;
	bool heard;
	bool spoke;
};

enum confirm_verdict {
	CONFIRM_AGREED,    /* run it; the token is used up */
	CONFIRM_READ_BACK, /* a new request: its token is in the struct */
	CONFIRM_TOO_EARLY, /* the right token, but nobody has agreed yet */
	CONFIRM_BROKEN,    /* no randomness, no memory */
};

/*
 * TOOL is called with ARGUMENTS, in which TOKEN (NULL: none) no longer is.
 * Both are copied.
 */
enum confirm_verdict confirm_judge(struct confirm *confirm, const char *tool,
    const cJSON *arguments, const char *token, uint64_t now_ms);

/* The caller heard MS of an utterance that began after request SERIAL. */
void confirm_heard(
    struct confirm *confirm, unsigned int serial, uint32_t ms, bool to_the_end);

/* The caller has said, or dialled, something. */
void confirm_spoke(struct confirm *confirm);

void confirm_clear(struct confirm *confirm);

#endif
