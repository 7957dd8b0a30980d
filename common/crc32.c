/* SPDX-License-Identifier: MIT */
/*
 * crc32.c – CRC-32, eight bytes at a time ("slicing by eight"): a journal of
 * 4 MiB must be read between two packets. It detects damage, not malice.
 */
#include "common/crc32.h"

#include <endian.h>
#include <string.h>

/*
 * A CRC is linear: each entry is made of those of its eight bits. Table N is
 * of a byte that is followed by N zeros.
 */
#define BIT(i, n, value) ((i) >> (n)&1u ? UINT32_C(value) : 0u)
#define ENTRY(i, a, b, c, d, e, f, g, h)                                       \
	BIT(i, 0, a) ^ BIT(i, 1, b) ^ BIT(i, 2, c) ^ BIT(i, 3, d) ^            \
	    BIT(i, 4, e) ^ BIT(i, 5, f) ^ BIT(i, 6, g) ^ BIT(i, 7, h)
#define FOUR(i, ...)                                                           \
	ENTRY(i, __VA_ARGS__), ENTRY((i) + 1u, __VA_ARGS__),                   \
	    ENTRY((i) + 2u, __VA_ARGS__), ENTRY((i) + 3u, __VA_ARGS__)
#define SIXTEEN(i, ...)                                                        \
	FOUR(i, __VA_ARGS__), FOUR((i) + 4u, __VA_ARGS__),                     \
	    FOUR((i) + 8u, __VA_ARGS__), FOUR((i) + 12u, __VA_ARGS__)
#define SIXTY_FOUR(i, ...)                                                     \
	SIXTEEN(i, __VA_ARGS__), SIXTEEN((i) + 16u, __VA_ARGS__),              \
	    SIXTEEN((i) + 32u, __VA_ARGS__), SIXTEEN((i) + 48u, __VA_ARGS__)
#define TABLE(...)                                                             \
	{                                                                      \
		SIXTY_FOUR(0u, __VA_ARGS__), SIXTY_FOUR(64u, __VA_ARGS__),     \
		    SIXTY_FOUR(128u, __VA_ARGS__),                             \
		    SIXTY_FOUR(192u, __VA_ARGS__)                              \
	}

static const uint32_t table[8][256] = {
    TABLE(0x77073096, 0xee0e612c, 0x076dc419, 0x0edb8832, 0x1db71064,
	0x3b6e20c8, 0x76dc4190, 0xedb88320),
    TABLE(0x191b3141, 0x32366282, 0x646cc504, 0xc8d98a08, 0x4ac21251,
	0x958424a2, 0xf0794f05, 0x3b83984b),
    TABLE(0x01c26a37, 0x0384d46e, 0x0709a8dc, 0x0e1351b8, 0x1c26a370,
	0x384d46e0, 0x709a8dc0, 0xe1351b80),
    TABLE(0xb8bc6765, 0xaa09c88b, 0x8f629757, 0xc5b428ef, 0x5019579f,
	0xa032af3e, 0x9b14583d, 0xed59b63b),
    TABLE(0x3d6029b0, 0x7ac05360, 0xf580a6c0, 0x30704bc1, 0x60e09782,
	0xc1c12f04, 0x58f35849, 0xb1e6b092),
    TABLE(0xcb5cd3a5, 0x4dc8a10b, 0x9b914216, 0xec53826d, 0x03d6029b,
	0x07ac0536, 0x0f580a6c, 0x1eb014d8),
    TABLE(0xa6770bb4, 0x979f1129, 0xf44f2413, 0x33ef4e67, 0x67de9cce,
	0xcfbd399c, 0x440b7579, 0x8816eaf2),
    TABLE(0xccaa009e, 0x4225077d, 0x844a0efa, 0xd3e51bb5, 0x7cbb312b,
	0xf9766256, 0x299dc2ed, 0x533b85da),
};

static uint32_t
load(const uint8_t *bytes)
{
	uint32_t word;

	memcpy(&word, bytes, sizeof(word));
	return le32toh(word);
}

uint32_t
crc32_update(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *byte = data;

	crc = ~crc;
	for (; len >= 8; byte += 8, len -= 8) {
		uint32_t a = load(byte) ^ crc, b = load(byte + 4);

		crc = table[7][a & 255] ^ table[6][a >> 8 & 255] ^
		      table[5][a >> 16 & 255] ^ table[4][a >> 24] ^
		      table[3][b & 255] ^ table[2][b >> 8 & 255] ^
		      table[1][b >> 16 & 255] ^ table[0][b >> 24];
	}
	for (; len > 0; byte++, len--)
		crc = crc >> 8 ^ table[0][(crc ^ *byte) & 255];
	return ~crc;
}
