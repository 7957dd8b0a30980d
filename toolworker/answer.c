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

/* How many bytes at TEXT are not for people's eyes, 0 for one to be kept. */
static size_t
unprintable(const char *text, size_t left)
{
	unsigned char c = (unsigned char)text[0];

	if (c < 0x80)
		return (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
	return utf8_unseen(text, left);
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
		size_t skip = unprintable(text + i, len - i);

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
