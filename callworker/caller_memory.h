/* SPDX-License-Identifier: MIT */
/*
 * caller_memory.h – what the caller said last, kept for the next voice: the
 * call's uplink memory, told by the call's own history what was taken up.
 *
 * A voice that goes on with a call is sent what is due in one piece, faster
 * than it was spoken, before the frames that come from then on. It hears the
 * turn that has no answer yet from its first word, and answers it by itself.
 */
#ifndef CALLWORKER_CALLER_MEMORY_H
#define CALLWORKER_CALLER_MEMORY_H

#include "callworker/voice.h"
#include "common/journal.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

struct caller_memory;

enum {
	/* What a voice says so early was said before it heard what was due. */
	CALLER_MEMORY_SETTLE_MS = 1000,
};

/*
 * Attaches to the memory FD, which may be closed then. -EBADMSG: it is none,
 * or damaged; or -ENOMEM.
 */
int caller_memory_new(struct caller_memory **memory_out, int fd);

/* NULL-safe, clears. In all of the following NULL is a memory that keeps
 * nothing. */
void caller_memory_free(struct caller_memory **memory);

/* The caller's next 20 ms as a voice may know them; LEN is a frame's. */
void caller_memory_put(
    struct caller_memory *m, const uint8_t *g711, size_t len);

/* An entry of the call's history that is being written. */
void caller_memory_note(
    struct caller_memory *m, enum journal_type type, const cJSON *body);

/* Audio of the voice is about to be heard. */
void caller_memory_voice_plays(struct caller_memory *m);

/*
 * The caller's turn has no answer, and is remembered, from *FROM_MS_OUT
 * (CLOCK_MONOTONIC) on; 0: from its beginning.
 */
bool caller_memory_has_turn(
    const struct caller_memory *m, uint64_t *from_ms_out);

/* VOICE was just started: it is sent what is due, once. */
void caller_memory_send(struct caller_memory *m, struct voice *voice);

/* About ten times a second: VOICE, which hears the caller since SINCE_MS, may
 * have given a sign of life. */
void caller_memory_tick(struct caller_memory *m, const struct voice *voice,
    uint64_t since_ms, uint64_t now_ms);

#endif
