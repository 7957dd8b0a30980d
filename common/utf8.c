/* SPDX-License-Identifier: MIT */
/* utf8.c – checks UTF-8 by the table of RFC 3629, section 4. */
#include "common/utf8.h"

#include <errno.h>
#include <stdint.h>

/*
 * The length of the sequence that LEAD begins, 0 when none does; the second
 * byte must be within *LOW and *HIGH, later ones within 80..BF.
 */
static size_t
sequence_length(unsigned char lead, unsigned char *low, unsigned char *high)
{
	*low = 0x80;
	*high = 0xbf;
	if (lead < 0x80)
		return 1;
	if (lead >= 0xc2 && lead <= 0xdf)
		return 2;
	if (lead >= 0xe0 && lead <= 0xef) {
		if (lead == 0xe0)
			*low = 0xa0; /* shorter forms exist */
		else if (lead == 0xed)
			*high = 0x9f; /* surrogates */
		return 3;
	}
	if (lead >= 0xf0 && lead <= 0xf4) {
		if (lead == 0xf0)
			*low = 0x90; /* shorter forms exist */
		else if (lead == 0xf4)
			*high = 0x8f; /* over U+10FFFF */
		return 4;
	}
	return 0;
}

/* The bytes of the code point at TEXT, of LEFT bytes; 0: it is not UTF-8. */
static size_t
length_at(const char *text, size_t left)
{
	const unsigned char *p = (const unsigned char *)text;
	unsigned char low, high;
	size_t n = left > 0 ? sequence_length(*p, &low, &high) : 0;

	if (n == 0 || n > left)
		return 0;
	if (n > 1 && (p[1] < low || p[1] > high))
		return 0;
	for (size_t i = 2; i < n; i++) {
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	}
	return n;
}

ssize_t
utf8_count(const char *text, size_t len)
{
	ssize_t count = 0;

	for (size_t n; len > 0; text += n, len -= n) {
		n = length_at(text, len);
		if (n == 0)
			return -EILSEQ;
		count++;
	}
	return count;
}

size_t
utf8_cut(const char *text, size_t len, size_t max)
{
	if (len <= max)
		return len;
	while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80)
		max--;
	return max;
}

static uint32_t
decode(const unsigned char *p, size_t len)
{
	uint32_t code = len == 1 ? p[0] : p[0] & (0xffu >> (len + 1));

	for (size_t i = 1; i < len; i++)
		code = code << 6 | (p[i] & 0x3fu);
	return code;
}

size_t
utf8_unseen(const char *text, size_t left)
{
	/* Of the Unicode Character Database: Cc, Zl, Zp and
	 * Default_Ignorable_Code_Point, but Hangul's fillers. */
	static const struct {
		uint32_t first, last;
	} ranges[] = {{0x80, 0x9f}, {0xad, 0xad}, {0x34f, 0x34f},
	    {0x61c, 0x61c}, {0x17b4, 0x17b5}, {0x180b, 0x180f},
	    {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},
	    {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xfff0, 0xfffb},
	    {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff}};
	const unsigned char *p = (const unsigned char *)text;
	unsigned char low, high;
	size_t len = left > 0 ? sequence_length(*p, &low, &high) : 0;
	uint32_t code;

	if (len < 2 || len > left)
		return 0;
	code = decode(p, len);
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (code >= ranges[i].first && code <= ranges[i].last)
			return len;
	}
	return 0;
}

size_t
utf8_visible(const char *text, size_t left)
{
	size_t len = length_at(text, left);

	if (len == 1)
		return (unsigned char)*text >= 0x20 && *text != 0x7f;
	return utf8_unseen(text, left) > 0 ? 0 : len;
}
