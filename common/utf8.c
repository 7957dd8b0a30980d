/* SPDX-License-Identifier: MIT */
/* utf8.c – checks UTF-8 by the table of RFC 3629, section 4. */
#include "common/utf8.h"

#include <errno.h>

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

ssize_t
utf8_count(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	const unsigned char *end = p + len;
	ssize_t count = 0;

	while (p < end) {
		unsigned char low, high;
		size_t n = sequence_length(*p, &low, &high);

		if (n == 0 || n > (size_t)(end - p))
			return -EILSEQ;
		if (n > 1 && (p[1] < low || p[1] > high))
			return -EILSEQ;
		for (size_t i = 2; i < n; i++) {
			if (p[i] < 0x80 || p[i] > 0xbf)
				return -EILSEQ;
		}
		p += n;
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
