/* SPDX-License-Identifier: MIT */
/*
 * g711.c – G.711 companding by arithmetic (ITU-T G.711, 11/88, tables 1 and 2).
 * Linear values are left-justified in 16 bits: u-law has 14 bits, A-law 13.
 */
#include "callworker/g711.h"

#include <errno.h>
#include <stdlib.h>

#define ULAW_BIAS 132 /* 33 in 14 bits: makes the segments powers of two */
#define ULAW_CLIP 32635

int
g711_law_of_payload_type(unsigned payload_type, enum g711_law *law_out)
{
	if (payload_type != 0 && payload_type != 8)
		return -EINVAL;
	*law_out = payload_type == 0 ? G711_LAW_ULAW : G711_LAW_ALAW;
	return 0;
}

uint8_t
g711_silence(enum g711_law law)
{
	return law == G711_LAW_ULAW ? 0xFF : 0xD5;
}

/* Position of the highest set bit of a value below 2^15, counted from bit 7. */
static unsigned
segment_of(unsigned magnitude)
{
	unsigned segment = 0;

	while (segment < 7 && magnitude >> (segment + 8) != 0)
		segment++;
	return segment;
}

/* All bits of a u-law code are sent inverted; bit 7 is then 1 for plus. */
static int
ulaw_decode(uint8_t code)
{
	unsigned bits = code ^ 0xFFu;
	int magnitude = (int)((bits & 15) << 3) + ULAW_BIAS;

	magnitude = (magnitude << ((bits >> 4) & 7)) - ULAW_BIAS;
	return (bits & 0x80) != 0 ? -magnitude : magnitude;
}

static uint8_t
ulaw_encode(int linear)
{
	unsigned sign = linear < 0 ? 0x80 : 0;
	int clipped = abs(linear) < ULAW_CLIP ? abs(linear) : ULAW_CLIP;
	unsigned magnitude = (unsigned)(clipped + ULAW_BIAS);
	unsigned segment = segment_of(magnitude);

	return (uint8_t) ~(
	    sign | segment << 4 | ((magnitude >> (segment + 3)) & 15));
}

/* Every second bit of an A-law code is sent inverted (0x55). */
static int
alaw_decode(uint8_t code)
{
	unsigned bits = code ^ 0x55u;
	unsigned segment = (bits >> 4) & 7;
	int magnitude = (int)((bits & 15) << 4) + 8;

	if (segment > 0)
		magnitude = (magnitude + 256) << (segment - 1);
	return (bits & 0x80) != 0 ? magnitude : -magnitude;
}

static uint8_t
alaw_encode(int linear)
{
	unsigned sign = linear >= 0 ? 0x80 : 0;
	/* -1 .. -16 is the first negative interval: one's complement. */
	unsigned magnitude = (unsigned)(linear >= 0 ? linear : -linear - 1);
	unsigned segment = segment_of(magnitude);
	unsigned shift = segment > 1 ? segment + 3 : 4;

	return (uint8_t)((sign | segment << 4 | ((magnitude >> shift) & 15)) ^
			 0x55u);
}

int16_t
g711_decode(enum g711_law law, uint8_t code)
{
	return (int16_t)(law == G711_LAW_ULAW ? ulaw_decode(code)
					      : alaw_decode(code));
}

uint8_t
g711_encode(enum g711_law law, int16_t linear)
{
	return law == G711_LAW_ULAW ? ulaw_encode(linear) : alaw_encode(linear);
}

unsigned
g711_peak(enum g711_law law, const uint8_t *codes, size_t len)
{
	unsigned peak = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned level = (unsigned)abs(g711_decode(law, codes[i]));

		if (level > peak)
			peak = level;
	}
	return peak;
}

uint32_t
g711_mean_square(enum g711_law law, const uint8_t *codes, size_t len)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < len; i++) {
		int64_t level = g711_decode(law, codes[i]);

		sum += (uint64_t)(level * level);
	}
	return len > 0 ? (uint32_t)(sum / len) : 0;
}

void
g711_mix(enum g711_law law, uint8_t *onto, const uint8_t *from, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		int sum = g711_decode(law, onto[i]) + g711_decode(law, from[i]);

		if (sum > INT16_MAX)
			sum = INT16_MAX;
		if (sum < INT16_MIN)
			sum = INT16_MIN;
		onto[i] = g711_encode(law, (int16_t)sum);
	}
}
