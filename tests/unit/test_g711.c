/* SPDX-License-Identifier: MIT */
/* test_g711.c – companding against the ITU tables, level and mixing. */
#include "callworker/g711.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "tests/unit/vectors.h"

#define ULAW_CLIP 32124
#define ALAW_CLIP 32256

static void
decoded_codes_equal_the_published_tables(void **state)
{
	static const char *const name[] = {"ulaw_to_linear", "alaw_to_linear"};
	cJSON *vectors = vectors_load("../shared/specs/rtp/g711.json");

	(void)state;
	if (vectors == NULL)
		skip();
	for (unsigned law = 0; law < 2; law++) {
		cJSON *table =
		    cJSON_GetObjectItemCaseSensitive(vectors, name[law]);
		cJSON *value;
		unsigned code = 0;

		assert_int_equal(cJSON_GetArraySize(table), 256);
		cJSON_ArrayForEach(value, table) {
			assert_int_equal(value->valueint,
			    g711_decode((enum g711_law)law, (uint8_t)code));
			code++;
		}
	}
	cJSON_Delete(vectors);
}

static void
well_known_codes_decode_as_itu_says(void **state)
{
	(void)state;
	assert_int_equal(g711_decode(G711_LAW_ULAW, 0x00), -ULAW_CLIP);
	assert_int_equal(g711_decode(G711_LAW_ULAW, 0x80), ULAW_CLIP);
	assert_int_equal(g711_decode(G711_LAW_ULAW, 0xFF), 0);
	assert_int_equal(g711_decode(G711_LAW_ALAW, 0xD5), 8);
	assert_int_equal(g711_decode(G711_LAW_ALAW, 0x55), -8);
	assert_int_equal(g711_decode(G711_LAW_ALAW, 0x2A), -ALAW_CLIP);
	assert_int_equal(g711_decode(G711_LAW_ALAW, 0xAA), ALAW_CLIP);
}

static void
every_code_survives_decoding_and_encoding(void **state)
{
	(void)state;
	for (unsigned law = 0; law < 2; law++) {
		for (unsigned code = 0; code < 256; code++) {
			uint8_t want = (uint8_t)code;

			/* Minus zero has no sample of its own. */
			if (law == G711_LAW_ULAW && code == 0x7F)
				want = 0xFF;
			assert_int_equal(
			    want, g711_encode((enum g711_law)law,
				      g711_decode(
					  (enum g711_law)law, (uint8_t)code)));
		}
	}
}

static void
every_sample_is_encoded_within_half_a_step(void **state)
{
	static const int clip[] = {ULAW_CLIP, ALAW_CLIP};
	static const int error[] = {516, 512};

	(void)state;
	for (unsigned law = 0; law < 2; law++) {
		for (int x = INT16_MIN; x <= INT16_MAX; x++) {
			int back = g711_decode((enum g711_law)law,
			    g711_encode((enum g711_law)law, (int16_t)x));
			int want = x;

			if (want > clip[law])
				want = clip[law];
			if (want < -clip[law])
				want = -clip[law];
			assert_true(abs(back - want) <= error[law]);
			/* Small samples have small steps. */
			if (abs(x) < 256)
				assert_true(abs(back - x) <= 16);
		}
	}
}

static void
payload_types_name_the_law(void **state)
{
	enum g711_law law = G711_LAW_ALAW;

	(void)state;
	assert_int_equal(g711_law_of_payload_type(0, &law), 0);
	assert_int_equal(law, G711_LAW_ULAW);
	assert_int_equal(g711_law_of_payload_type(8, &law), 0);
	assert_int_equal(law, G711_LAW_ALAW);
	assert_int_equal(g711_law_of_payload_type(9, &law), -EINVAL);
}

static void
level_of_silence_is_low_and_of_noise_is_high(void **state)
{
	uint8_t codes[160];

	(void)state;
	for (unsigned l = 0; l < 2; l++) {
		enum g711_law law = (enum g711_law)l;

		memset(codes, g711_silence(law), sizeof(codes));
		assert_true(g711_peak(law, codes, sizeof(codes)) <= 8);
		assert_true(g711_mean_square(law, codes, sizeof(codes)) <= 64);
		codes[7] = g711_encode(law, -12000);
		assert_in_range(
		    g711_peak(law, codes, sizeof(codes)), 11500, 12500);
		assert_in_range(g711_mean_square(law, codes, sizeof(codes)),
		    11500u * 11500u / 160, 12500u * 12500u / 160);
		assert_int_equal(g711_mean_square(law, codes, 0), 0);
		assert_int_equal(g711_peak(law, codes, 0), 0);
	}
}

static void
mixing_adds_and_clips(void **state)
{
	(void)state;
	for (unsigned l = 0; l < 2; l++) {
		enum g711_law law = (enum g711_law)l;
		uint8_t onto[3] = {g711_encode(law, 1000),
		    g711_encode(law, 30000), g711_encode(law, -30000)};
		const uint8_t from[3] = {g711_encode(law, 2000),
		    g711_encode(law, 30000), g711_encode(law, -30000)};

		g711_mix(law, onto, from, 3);
		assert_in_range(g711_decode(law, onto[0]), 2850, 3150);
		assert_true(g711_decode(law, onto[1]) >= ULAW_CLIP);
		assert_true(g711_decode(law, onto[2]) <= -ULAW_CLIP);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decoded_codes_equal_the_published_tables),
	    cmocka_unit_test(well_known_codes_decode_as_itu_says),
	    cmocka_unit_test(every_code_survives_decoding_and_encoding),
	    cmocka_unit_test(every_sample_is_encoded_within_half_a_step),
	    cmocka_unit_test(payload_types_name_the_law),
	    cmocka_unit_test(level_of_silence_is_low_and_of_noise_is_high),
	    cmocka_unit_test(mixing_adds_and_clips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
