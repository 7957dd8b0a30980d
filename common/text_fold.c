/* SPDX-License-Identifier: MIT */
/*
 * text_fold.c – folds a text to its words.
 *
 * Invariant: what is written is ASCII letters and digits, bytes of valid UTF-8
 * sequences, kept characters, and single spaces between words.
 */
#include "common/text_fold.h"

#include "common/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* U+00C0 to U+00FF; a space separates words (× and ÷). */
static const char *const latin1[64] = {"a", "a", "a", "a", "a", "a", "ae", "c",
    "e", "e", "e", "e", "i", "i", "i", "i", "d", "n", "o", "o", "o", "o", "o",
    " ", "o", "u", "u", "u", "u", "y", "th", "ss", "a", "a", "a", "a", "a", "a",
    "ae", "c", "e", "e", "e", "e", "i", "i", "i", "i", "d", "n", "o", "o", "o",
    "o", "o", " ", "o", "u", "u", "u", "u", "y", "th", "y"};

struct folder {
	char *out;
	size_t len;
	bool gap; /* a space is due before the next letter */
};

static void
add(struct folder *f, const char *bytes, size_t len)
{
	if (f->gap && f->len > 0)
		f->out[f->len++] = ' ';
	f->gap = false;
	memcpy(f->out + f->len, bytes, len);
	f->len += len;
}

/* Bytes of the UTF-8 sequence at S, which ends in NUL; 0: it is none. */
static size_t
sequence_len(const char *s)
{
	for (size_t len = 1; len <= 4 && s[len - 1] != '\0'; len++) {
		if (utf8_count(s, len) == 1)
			return len;
	}
	return 0;
}

static uint32_t
decode(const char *s, size_t len)
{
	const unsigned char *u = (const unsigned char *)s;
	uint32_t c = len == 2   ? u[0] & 0x1fu
		     : len == 3 ? u[0] & 0x0fu
				: u[0] & 7u;

	for (size_t i = 1; i < len; i++)
		c = c << 6 | (u[i] & 0x3fu);
	return c;
}

static bool
is_punctuation(uint32_t c)
{
	return c < 0xc0 || (c >= 0x2000 && c <= 0x2bff) ||
	       (c >= 0x2e00 && c <= 0x2e7f) || (c >= 0x3000 && c <= 0x3003) ||
	       (c >= 0x3008 && c <= 0x3020) || (c >= 0xff00 && c <= 0xff0f) ||
	       c == 0xfeff || c == 0xfffd;
}

/* A code point beyond ASCII, LEN bytes at S. */
static void
fold_wide(struct folder *f, const char *s, size_t len)
{
	uint32_t c = decode(s, len);

	if ((c >= 0x300 && c <= 0x36f) || c == 0xad)
		return; /* a mark on the letter before; a soft hyphen */
	if (c == 0xaa || c == 0xba)
		add(f, c == 0xaa ? "a" : "o", 1); /* 1ª, 1º */
	else if (c >= 0xc0 && c <= 0xff && latin1[c - 0xc0][0] != ' ')
		add(f, latin1[c - 0xc0], strlen(latin1[c - 0xc0]));
	else if (is_punctuation(c) || c <= 0xff)
		f->gap = true;
	else
		add(f, s, len);
}

static void
fold_ascii(struct folder *f, char c, const char *kept)
{
	if (c >= 'A' && c <= 'Z')
		c = (char)(c - 'A' + 'a');
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
		add(f, &c, 1);
		return;
	}
	f->gap = true;
	if (strchr(kept, c) == NULL)
		return;
	add(f, &c, 1);
	f->gap = true;
}

char *
text_fold_keeping(const char *text, const char *kept)
{
	size_t size = strlen(text) + 1;
	struct folder f = {0};

	/* A kept character may need a space on both sides. */
	f.out = malloc(kept[0] == '\0' ? size : 3 * size);
	if (f.out == NULL)
		return NULL;
	while (*text != '\0') {
		size_t len = sequence_len(text);

		if (len == 0)
			f.gap = true;
		else if (len == 1)
			fold_ascii(&f, *text, kept);
		else
			fold_wide(&f, text, len);
		text += len == 0 ? 1 : len;
	}
	f.out[f.len] = '\0';
	return f.out;
}

char *
text_fold(const char *text)
{
	return text_fold_keeping(text, "");
}
