/* SPDX-License-Identifier: MIT */
/* answer.c – cleans and cuts what a service said. */
#include "toolworker/answer.h"

#include "common/utf8.h"
#include "toolworker/mask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NOTE_SIZE = 64,
	/* What can be seen of the text: a secret that is not whole in it
	 * begins behind the cut. */
	WINDOW = ANSWER_MAX + MASK_SPELLING_MAX * MASK_SECRET_SIZE,
};

/*
 * How many bytes at TEXT are a character that only machines would notice, 0
 * if it is one to be kept. U+0080-9F; U+200B-F, U+2028-2E, U+2066-69: zero
 * width, separators, direction; U+FEFF.
 */
static size_t
unprintable(const unsigned char *text, size_t left)
{
	if (text[0] < 0x20)
		return text[0] != '\n' && text[0] != '\t';
	if (text[0] == 0x7f)
		return 1;
	if (left >= 2 && text[0] == 0xc2 && text[1] < 0xa0)
		return 2;
	if (left < 3)
		return 0;
	if (text[0] == 0xe2 && text[1] == 0x80 &&
	    ((text[2] >= 0x8b && text[2] <= 0x8f) ||
		(text[2] >= 0xa8 && text[2] <= 0xae)))
		return 3;
	if (text[0] == 0xe2 && text[1] == 0x81 && text[2] >= 0xa6 &&
	    text[2] <= 0xa9)
		return 3;
	return text[0] == 0xef && text[1] == 0xbb && text[2] == 0xbf ? 3 : 0;
}

/*
 * Where to cut at most MAX of LEN bytes: after the last line, else sentence,
 * else word that leaves at least half, else after any letter.
 */
static size_t
find_cut(const char *text, size_t len, size_t max)
{
	static const char *const ends[] = {"\n", ". ", " "};

	max = utf8_cut(text, len, max);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t end_len = strlen(ends[i]);

		for (size_t at = max - end_len; at > max / 2; at--) {
			if (memcmp(text + at, ends[i], end_len) == 0)
				return ends[i][0] == '.' ? at + 1 : at;
		}
	}
	return max;
}

static size_t
copy_clean(char *buf, const char *text, size_t len)
{
	size_t out = 0;

	for (size_t i = 0; i < len;) {
		size_t skip =
		    unprintable((const unsigned char *)text + i, len - i);

		if (skip > 0) {
			buf[out++] = ' ';
			i += skip;
		} else {
			buf[out++] = text[i++];
		}
	}
	buf[out] = '\0';
	return out;
}

bool
answer_copy(
    char *buf, const char *text, size_t len, const struct tool_secrets *secrets)
{
	static const char space[] = " \t\r\n";
	char *window;
	size_t kept, end;

	while (len > 0 && strchr(space, text[0]) != NULL) {
		text++;
		len--;
	}
	while (len > 0 && strchr(space, text[len - 1]) != NULL)
		len--;
	window = malloc(WINDOW);
	buf[0] = '\0';
	if (window == NULL)
		return false;
	kept = len < WINDOW ? len : WINDOW;
	memcpy(window, text, kept);
	if (secrets != NULL)
		tool_secrets_hide(secrets, window, kept);
	if (len > ANSWER_MAX)
		kept = find_cut(window, kept, ANSWER_MAX - NOTE_SIZE);
	end = copy_clean(buf, window, kept);
	explicit_bzero(window, WINDOW);
	free(window);
	if (kept < len)
		snprintf(buf + end, NOTE_SIZE,
		    "\n[… cut off here: %zu more bytes]", len - kept);
	return buf[strspn(buf, space)] != '\0';
}
