/* SPDX-License-Identifier: MIT */
/* g711.h – G.711 u-law and A-law: code tables, silence, level, mixing. */
#ifndef CALLWORKER_G711_H
#define CALLWORKER_G711_H

#include <stddef.h>
#include <stdint.h>

enum g711_law {
	G711_LAW_ULAW, /* RTP payload type 0, OpenAI "audio/pcmu" */
	G711_LAW_ALAW, /* RTP payload type 8, OpenAI "audio/pcma" */
};

/* Samples, and so bytes, per millisecond: G.711 is 8000 bytes a second. */
#define G711_BYTES_PER_MS 8u

/* Law of a static payload type (RFC 3551 table 4): 0 or 8; else -EINVAL. */
int g711_law_of_payload_type(unsigned payload_type, enum g711_law *law_out);

/* The code that decodes to (nearly) zero: 0xFF for u-law, 0xD5 for A-law. */
uint8_t g711_silence(enum g711_law law);

/* One code to a 16-bit linear sample (ITU-T G.711, left-justified). */
int16_t g711_decode(enum g711_law law, uint8_t code);

/* Nearest code of a 16-bit linear sample; clips at 32124 / 32256. */
uint8_t g711_encode(enum g711_law law, int16_t linear);

/* Largest absolute linear value in `len` codes; 0 for none. */
unsigned g711_peak(enum g711_law law, const uint8_t *codes, size_t len);

/* Mean square of the linear samples; 0 for none. */
uint32_t g711_mean_square(enum g711_law law, const uint8_t *codes, size_t len);

/* Adds `len` codes of `from` onto `onto`, sample by sample, clipping. */
void g711_mix(
    enum g711_law law, uint8_t *onto, const uint8_t *from, size_t len);

#endif
