/* SPDX-License-Identifier: MIT */
/*
 * comfort.c – the sound of waiting.
 *
 * WORK is a marimba, far away: two soft strokes, C5 E5, and 2.4 s later two
 * more, E5 D5 (523.25, 659.26, 587.33 Hz), the second 0.3 s after the first,
 * and so on every 4.8 s. A stroke swells in 6 ms and dies away with a time
 * constant of 0.25 s; a wooden knock of four times the frequency, to which
 * the bars of that instrument are tuned, is 18 dB below it and gone after
 * 0.1 s. The loudest 20 ms have -30 dBFS (a sine of full scale: 0 dBFS),
 * about 15 dB below speech; most of the time there is much less or nothing.
 *
 * Why so. No network signals with strokes that die away, nor with these
 * frequencies: call progress lives between 350 and 480 Hz and at 620 Hz,
 * information tones at 950 Hz and above, and DTMF needs energy between 1209
 * and 1633 Hz, where there is none. What a telephone echoes of it is below
 * -45 dBFS and has not the shape of speech, so that no voice activity
 * detection takes it for the caller.
 *
 * RING is what a Colombian caller knows: 425 Hz, 1 s on, 4 s off (ITU-T
 * E.180), but at -30 dBFS, and with edges of 10 ms.
 *
 * A stroke is the answer of a two-pole resonator to an impulse: three
 * multiplications a sample, no tables, and a second stroke adds to the first.
 *
 * Invariant: nothing clicks. What begins, begins at zero; what ends has faded
 * out before.
 */
#include "callworker/comfort.h"

#include <math.h>
#include <string.h>

#define RATE    8000.0
#define TWO_PI  6.283185307179586
#define MS(n)   ((uint32_t)(n)*G711_BYTES_PER_MS) /* in samples */
#define WORKING 1100.0 /* amplitude of a stroke before its swelling */
#define RINGING 1036.0 /* -30 dBFS: 32767 / 10^(30/20) */
#define FAINT   1e-3   /* what is below it has died away */

/* Of each note: the tone, what its swelling lacks of it, the knock. */
enum {
	TONE,
	SWELLING,
	KNOCK,
	NOTE_RESONATORS,
};

static const double notes[] = {523.25, 587.33, 659.26}; /* C5 D5 E5 */

static const struct stroke {
	uint32_t at; /* samples into the pattern */
	unsigned note;
} strokes[] = {
    {MS(0), 0},
    {MS(300), 2},
    {MS(2400), 2},
    {MS(2700), 1},
};

_Static_assert(
    sizeof(notes) / sizeof(notes[0]) * NOTE_RESONATORS == COMFORT_RESONATORS,
    "a set of resonators for each note");

void
comfort_init(struct comfort *c, enum g711_law law)
{
	memset(c, 0, sizeof(*c));
	c->law = law;
}

void
comfort_set(struct comfort *c, enum comfort_kind kind)
{
	c->wanted = kind;
}

bool
comfort_is_heard(const struct comfort *c)
{
	return c->kind != COMFORT_NONE;
}

void
comfort_cut(struct comfort *c)
{
	c->kind = COMFORT_NONE;
}

/* ---- resonators ---------------------------------------------------------- */

/* Adds amplitude * exp(-t / decay_s) * sin(2 pi hz t), t from now on. */
static void
strike(struct comfort_resonator *r, double hz, double decay_s, double amplitude)
{
	double angle = TWO_PI * hz / RATE;
	double decay = exp(-1 / (decay_s * RATE));

	r->k1 = 2 * decay * cos(angle);
	r->k2 = decay * decay;
	/* What it would have said one and two samples ago. */
	r->y1 -= amplitude * sin(angle) / decay;
	r->y2 -= amplitude * sin(2 * angle) / (decay * decay);
}

static double
next_of(struct comfort_resonator *r)
{
	double y;

	if (fabs(r->y1) + fabs(r->y2) < FAINT) {
		r->y1 = r->y2 = 0; /* or it would go on among denormals */
		return 0;
	}
	y = r->k1 * r->y1 - r->k2 * r->y2;
	r->y2 = r->y1;
	r->y1 = y;
	return y;
}

/* ---- patterns ------------------------------------------------------------- */

static double
next_working(struct comfort *c)
{
	double sum = 0;

	for (size_t i = 0; i < sizeof(strokes) / sizeof(strokes[0]); i++) {
		struct comfort_resonator *r =
		    &c->resonators[strokes[i].note * NOTE_RESONATORS];
		double hz = notes[strokes[i].note];

		if (strokes[i].at != c->position)
			continue;
		strike(&r[TONE], hz, 0.25, WORKING);
		strike(&r[SWELLING], hz, 0.006, -WORKING);
		strike(&r[KNOCK], 4 * hz, 0.03, WORKING / 8);
	}
	for (size_t i = 0; i < COMFORT_RESONATORS; i++)
		sum += next_of(&c->resonators[i]);
	c->position = (c->position + 1) % MS(4800);
	return sum;
}

static double
next_ringing(struct comfort *c)
{
	struct comfort_resonator *r = &c->resonators[TONE];
	uint32_t at = c->position;
	uint32_t edge = MS(10);

	c->position = (c->position + 1) % MS(5000);
	if (at >= MS(1000)) {
		r->y1 = r->y2 = 0;
		return 0;
	}
	if (at == 0)
		strike(r, 425, INFINITY, RINGING);
	if (at > MS(1000) - edge)
		edge = MS(1000) - at;
	else if (at < edge)
		edge = at;
	return next_of(r) * edge / MS(10);
}

/* ---- frames --------------------------------------------------------------- */

static void
begin(struct comfort *c)
{
	c->kind = c->wanted;
	c->gain = 0;
	c->position = 0;
	memset(c->resonators, 0, sizeof(c->resonators));
}

/* Moves the gain by one sample; false: it has faded out. */
static bool
fade(struct comfort *c, bool out)
{
	if (!out) {
		c->gain = fmin(c->gain + 1.0 / MS(COMFORT_FADE_IN_MS), 1);
		return true;
	}
	c->gain -= 1.0 / MS(COMFORT_FADE_OUT_MS);
	return c->gain > 0;
}

bool
comfort_fill(struct comfort *c, uint8_t payload[RTP_FRAME_LEN], bool last)
{
	bool out = last || c->wanted != c->kind;

	if (c->kind == COMFORT_NONE) {
		if (!out || last)
			return false;
		begin(c);
		out = false;
	}
	for (size_t i = 0; i < RTP_FRAME_LEN; i++) {
		double sample;

		if (!fade(c, out)) {
			c->kind = COMFORT_NONE;
			return true;
		}
		sample =
		    c->kind == COMFORT_RING ? next_ringing(c) : next_working(c);
		payload[i] =
		    g711_encode(c->law, (int16_t)lrint(sample * c->gain));
	}
	if (out)
		c->kind = COMFORT_NONE;
	return true;
}
