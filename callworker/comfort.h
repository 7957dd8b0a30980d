/* SPDX-License-Identifier: MIT */
/*
 * comfort.h – a soft sound that says "I am still here" to a caller for whom a
 * tool works, made sample by sample in the frames that the voice leaves empty.
 */
#ifndef CALLWORKER_COMFORT_H
#define CALLWORKER_COMFORT_H

#include <stdbool.h>
#include <stdint.h>

#include "callworker/g711.h"
#include "callworker/rtp.h"

enum {
	COMFORT_FADE_IN_MS = 200,
	COMFORT_FADE_OUT_MS = 20, /* one frame */
	COMFORT_RESONATORS = 9,
};

enum comfort_kind {
	COMFORT_NONE,
	COMFORT_WORK, /* somebody works on it */
	COMFORT_RING, /* somebody's telephone rings: ringback of Colombia */
};

/* A two-pole resonator: something that was struck and dies away. */
struct comfort_resonator {
	double k1, k2; /* next = k1 * y1 - k2 * y2 */
	double y1, y2; /* the last two samples */
};

/* comfort_init() it. */
struct comfort {
	enum g711_law law;
	enum comfort_kind wanted;
	enum comfort_kind kind; /* what sounds; NONE when nothing does */
	double gain;            /* 0 … 1, on its way */
	uint32_t position;      /* samples into the pattern of KIND */
	struct comfort_resonator resonators[COMFORT_RESONATORS];
};

void comfort_init(struct comfort *c, enum g711_law law);

/*
 * From the next frame on KIND fades in, and what sounds fades out within that
 * frame. What is set already goes on.
 */
void comfort_set(struct comfort *c, enum comfort_kind kind);

/* Whether something of it would be in the next frame but for its end. */
bool comfort_is_heard(const struct comfort *c);

/*
 * Writes the next 20 ms over PAYLOAD, a frame of silence; LAST has it fade out
 * in this frame whatever is set. False: nothing sounds, PAYLOAD is as it was.
 */
bool comfort_fill(struct comfort *c, uint8_t payload[RTP_FRAME_LEN], bool last);

/* This frame is another's: nothing sounds, and a next time begins anew. */
void comfort_cut(struct comfort *c);

#endif
