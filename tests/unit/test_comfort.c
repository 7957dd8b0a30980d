/* SPDX-License-Identifier: MIT */
/*
 * test_comfort.c – the sound of waiting, measured as a telephone hears it:
 * after G.711, in both laws.
 */
#include "callworker/comfort.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RATE   8000
#define FRAMES 500 /* 10 s: two patterns of each kind */

struct sound {
	struct comfort comfort;
	enum g711_law law;
	int16_t samples[FRAMES * RTP_FRAME_LEN];
	size_t len;
};

static const enum g711_law laws[] = {G711_LAW_ULAW, G711_LAW_ALAW};

/* The next frame as it is heard; false: not a sample of it is a sound. */
static bool
hear_frame(struct sound *s, bool last)
{
	uint8_t payload[RTP_FRAME_LEN];
	uint8_t silence = g711_silence(s->law);
	bool any = false;

	memset(payload, silence, sizeof(payload));
	comfort_fill(&s->comfort, payload, last);
	for (size_t i = 0; i < RTP_FRAME_LEN; i++) {
		any = any || payload[i] != silence;
		s->samples[s->len++] = g711_decode(s->law, payload[i]);
	}
	return any;
}

static struct sound *
hear(enum g711_law law, enum comfort_kind kind, unsigned frames)
{
	struct sound *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->law = law;
	comfort_init(&s->comfort, law);
	comfort_set(&s->comfort, kind);
	for (unsigned i = 0; i < frames; i++)
		hear_frame(s, false);
	return s;
}

/* Of LEN samples, a sine of full scale being 0 dBFS. */
static double
level(const int16_t *samples, size_t len)
{
	double sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += (double)samples[i] * samples[i];
	return 10 * log10(2 * sum / (double)len / (32767.0 * 32767.0) + 1e-12);
}

static double
loudest_frame(const struct sound *s)
{
	double loudest = -120;

	for (size_t at = 0; at < s->len; at += RTP_FRAME_LEN)
		loudest = fmax(loudest, level(s->samples + at, RTP_FRAME_LEN));
	return loudest;
}

/* The largest step from one sample to the next. */
static int
roughest(const struct sound *s)
{
	int most = 0;

	for (size_t i = 1; i < s->len; i++) {
		int step = abs(s->samples[i] - s->samples[i - 1]);

		most = step > most ? step : most;
	}
	return most;
}

/* The level of one frequency in the whole sound (Goertzel), in dBFS. */
static double
level_at(const struct sound *s, double hz)
{
	double k = 2 * cos(2 * M_PI * hz / RATE);
	double y1 = 0, y2 = 0;

	for (size_t i = 0; i < s->len; i++) {
		double y = s->samples[i] + k * y1 - y2;

		y2 = y1;
		y1 = y;
	}
	return 20 * log10(2 * sqrt(y1 * y1 + y2 * y2 - k * y1 * y2) /
			      (double)s->len / 32767 +
			  1e-12);
}

static void
it_is_soft(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct sound *work = hear(laws[i], COMFORT_WORK, FRAMES);
		struct sound *ring = hear(laws[i], COMFORT_RING, FRAMES);

		print_message("%s: work %.1f ring %.1f dBFS, all %.1f, step "
			      "%d and %d\n",
		    i == 0 ? "u-law" : "A-law", loudest_frame(work),
		    loudest_frame(ring), level(work->samples, work->len),
		    roughest(work), roughest(ring));
		assert_true(fabs(loudest_frame(work) + 30) < 1);
		assert_true(fabs(loudest_frame(ring) + 30) < 1);
		assert_true(level(work->samples, work->len) < -36);
		free(work);
		free(ring);
	}
}

static void
no_telephone_takes_it_for_a_signal(void **state)
{
	/* Dialling, ringing, busy; DTMF's upper group; information tones. */
	static const double signals[] = {350, 400, 425, 440, 450, 480, 620, 697,
	    770, 852, 941, 950, 1209, 1336, 1400, 1477, 1633, 1800};
	struct sound *s = hear(G711_LAW_ALAW, COMFORT_WORK, FRAMES);

	(void)state;
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		if (level_at(s, signals[i]) > -65)
			fail_msg("%.0f Hz: %.1f dBFS", signals[i],
			    level_at(s, signals[i]));
	}
	free(s);
	s = hear(G711_LAW_ALAW, COMFORT_WORK, 50); /* one stroke of each */
	assert_true(level_at(s, 523.25) > -50);
	assert_true(level_at(s, 659.26) > -50);
	free(s);
}

static void
it_rings_as_in_colombia(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct sound *s = hear(laws[i], COMFORT_RING, FRAMES);

		for (size_t ms = 0; ms < 10000; ms += 20) {
			double dbfs = level(s->samples + ms * 8, 160);
			bool on = ms % 5000 < 1000;

			if (on && ms % 5000 >= 20 && ms % 5000 < 980 &&
			    ms > COMFORT_FADE_IN_MS)
				assert_true(fabs(dbfs + 30) < 0.5);
			if (!on)
				assert_true(dbfs < -65);
		}
		/* On for a fifth of the time. */
		assert_true(fabs(level_at(s, 425) + 30 + 14) < 1);
		free(s);
	}
}

static void
it_fades_in(void **state)
{
	struct sound *s = hear(G711_LAW_ULAW, COMFORT_RING, 20);

	(void)state;
	assert_true(level(s->samples, 160) < -45);
	for (size_t ms = 20; ms < COMFORT_FADE_IN_MS; ms += 20)
		assert_true(level(s->samples + ms * 8, 160) >
			    level(s->samples + (ms - 20) * 8, 160));
	assert_true(level(s->samples + 8 * COMFORT_FADE_IN_MS, 160) > -31);
	free(s);
}

/*
 * Whenever it is stopped: one frame fades out, the next is silence, and no
 * step is larger than those of the sound itself.
 */
static void
it_ends_within_a_frame_and_without_a_click(void **state)
{
	static const enum comfort_kind kinds[] = {COMFORT_WORK, COMFORT_RING};

	(void)state;
	for (unsigned k = 0; k < 4; k++) {
		enum g711_law law = laws[k / 2];
		enum comfort_kind kind = kinds[k % 2];
		struct sound *whole = hear(law, kind, FRAMES);
		int step = roughest(whole);

		assert_true(step < 800);
		for (unsigned frames = 1; frames < 300; frames++) {
			struct sound *s = hear(law, kind, frames);
			bool last = frames % 2 == 0;

			if (!last)
				comfort_set(&s->comfort, COMFORT_NONE);
			hear_frame(s, last);
			assert_false(comfort_is_heard(&s->comfort));
			comfort_set(&s->comfort, COMFORT_NONE);
			assert_false(hear_frame(s, false));
			assert_true(roughest(s) <= step);
			/* What is left at the end is next to nothing. */
			assert_true(
			    abs(s->samples[(frames + 1) * 160 - 1]) <= 32);
			free(s);
		}
		free(whole);
	}
}

static void
it_changes_its_kind_without_a_click(void **state)
{
	struct sound *s = hear(G711_LAW_ALAW, COMFORT_WORK, 25);

	(void)state;
	comfort_set(&s->comfort, COMFORT_RING);
	for (unsigned i = 0; i < 25; i++)
		hear_frame(s, false);
	assert_true(roughest(s) < 800);
	assert_true(fabs(level(s->samples + 45 * 160, 160) + 30) < 0.5);
	free(s);
}

static void
what_is_cut_begins_anew(void **state)
{
	struct sound *s = hear(G711_LAW_ULAW, COMFORT_RING, 20);
	uint8_t first = g711_encode(G711_LAW_ULAW, s->samples[100]);

	(void)state;
	comfort_cut(&s->comfort);
	assert_false(comfort_is_heard(&s->comfort));
	s->len = 0;
	assert_true(hear_frame(s, false)); /* it is still wanted */
	assert_int_equal(g711_encode(G711_LAW_ULAW, s->samples[100]), first);
	free(s);
}

static void
nothing_is_touched_when_nothing_sounds(void **state)
{
	uint8_t payload[RTP_FRAME_LEN], before[RTP_FRAME_LEN];
	struct comfort c;

	(void)state;
	memset(payload, 0x42, sizeof(payload));
	memcpy(before, payload, sizeof(payload));
	comfort_init(&c, G711_LAW_ALAW);
	comfort_fill(&c, payload, false);
	assert_memory_equal(payload, before, sizeof(payload));
	comfort_set(&c, COMFORT_WORK);
	comfort_fill(&c, payload, true); /* another begins here already */
	assert_memory_equal(payload, before, sizeof(payload));
	assert_false(comfort_is_heard(&c));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_is_soft),
	    cmocka_unit_test(no_telephone_takes_it_for_a_signal),
	    cmocka_unit_test(it_rings_as_in_colombia),
	    cmocka_unit_test(it_fades_in),
	    cmocka_unit_test(it_ends_within_a_frame_and_without_a_click),
	    cmocka_unit_test(it_changes_its_kind_without_a_click),
	    cmocka_unit_test(what_is_cut_begins_anew),
	    cmocka_unit_test(nothing_is_touched_when_nothing_sounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
