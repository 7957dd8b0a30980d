/* SPDX-License-Identifier: MIT */
/*
 * mask.c – compares text and secret one character at a time, where the text
 * may spell each as it likes.
 *
 * Masked is what was spelled, byte for byte, so that nothing else moves.
 */
#include "toolworker/mask.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
	BASE64_SHORTEST = 6, /* fewer letters occur by chance */
};

/* -- escapes --------------------------------------------------------------- */

/* One character as some format spells it. */
struct spelled {
	size_t len;    /* bytes of text; 0: no escape */
	char bytes[4]; /* what it stands for, UTF-8 */
	size_t count;
};

static int
digit_of(char c, unsigned int base)
{
	int value = -1;

	if (c >= '0' && c <= '9')
		value = c - '0';
	else if (c >= 'a' && c <= 'f')
		value = c - 'a' + 10;
	else if (c >= 'A' && c <= 'F')
		value = c - 'A' + 10;
	return value < (int)base ? value : -1;
}

/* MIN to MAX digits at TEXT; returns how many, 0 if there are too few. */
static size_t
read_digits(const char *text, size_t left, unsigned int base, size_t min,
    size_t max, uint32_t *value_out)
{
	uint32_t value = 0;
	size_t n = 0;

	while (n < max && n < left && digit_of(text[n], base) >= 0)
		value = value * base + (uint32_t)digit_of(text[n++], base);
	*value_out = value;
	return n < min ? 0 : n;
}

static void
set_byte(struct spelled *spelled, uint32_t byte, size_t len)
{
	spelled->bytes[0] = (char)byte;
	spelled->count = 1;
	spelled->len = len;
}

static void
set_code_point(struct spelled *spelled, uint32_t code, size_t len)
{
	char *bytes = spelled->bytes;

	spelled->len = len;
	if (code < 0x80) {
		set_byte(spelled, code, len);
	} else if (code < 0x800) {
		bytes[0] = (char)(0xc0 | code >> 6);
		bytes[1] = (char)(0x80 | (code & 0x3f));
		spelled->count = 2;
	} else if (code < 0x10000) {
		bytes[0] = (char)(0xe0 | code >> 12);
		bytes[1] = (char)(0x80 | (code >> 6 & 0x3f));
		bytes[2] = (char)(0x80 | (code & 0x3f));
		spelled->count = 3;
	} else {
		bytes[0] = (char)(0xf0 | (code >> 18 & 0x07));
		bytes[1] = (char)(0x80 | (code >> 12 & 0x3f));
		bytes[2] = (char)(0x80 | (code >> 6 & 0x3f));
		bytes[3] = (char)(0x80 | (code & 0x3f));
		spelled->count = 4;
	}
}

/* HEAD, "%" or what who encodes twice makes of it, and two digits. */
static void
read_percent(
    struct spelled *spelled, const char *head, const char *text, size_t left)
{
	size_t len = strlen(head);
	uint32_t byte;

	if (left > len && memcmp(text, head, len) == 0 &&
	    read_digits(text + len, left - len, 16, 2, 2, &byte) > 0)
		set_byte(spelled, byte, len + 2);
}

/* \u0041, \x41, \" \\ \/ \' */
static void
read_backslash(struct spelled *spelled, const char *text, size_t left)
{
	uint32_t code, low = 0;

	if (left < 2)
		return;
	if (text[1] == 'u' &&
	    read_digits(text + 2, left - 2, 16, 4, 4, &code) > 0) {
		bool pair = (code & 0xfc00) == 0xd800 && left >= 12 &&
			    text[6] == '\\' && text[7] == 'u' &&
			    read_digits(text + 8, left - 8, 16, 4, 4, &low) > 0;

		if (pair)
			code = 0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff);
		set_code_point(spelled, code, pair ? 12 : 6);
	} else if (text[1] == 'x' &&
		   read_digits(text + 2, left - 2, 16, 2, 2, &code) > 0) {
		set_byte(spelled, code, 4);
	} else if (strchr("\"\\/'", text[1]) != NULL && text[1] != '\0') {
		set_byte(spelled, (unsigned char)text[1], 2);
	}
}

/* &#65; &#x41; and what has a name in every HTML */
static void
read_entity(struct spelled *spelled, const char *text, size_t left)
{
	static const struct {
		const char *text;
		char byte;
	} names[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'},
	    {"&quot;", '"'}, {"&apos;", '\''}};
	bool hex = left > 2 && (text[2] == 'x' || text[2] == 'X');
	size_t head = hex ? 3 : 2;
	uint32_t code;
	size_t n;

	if (left > head && text[1] == '#') {
		n = read_digits(text + head, left - head, hex ? 16 : 10, 1,
		    MASK_SPELLING_MAX - 4, &code);
		if (n > 0 && head + n < left && text[head + n] == ';')
			set_code_point(spelled, code, head + n + 1);
		return;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t len = strlen(names[i].text);

		if (left >= len && memcmp(text, names[i].text, len) == 0)
			set_byte(spelled, (unsigned char)names[i].byte, len);
	}
}

enum {
	READINGS = 3,
	DEPTH_MAX = 64, /* places of one secret that can be read in two ways */
};

/* Every character that may begin at TEXT, the longest spelling first. */
static void
read_all(struct spelled readings[READINGS], const char *text, size_t left)
{
	memset(readings, 0, READINGS * sizeof(readings[0]));
	set_byte(&readings[2], (unsigned char)text[0], 1);
	if (text[0] == '%') {
		read_percent(&readings[1], "%", text, left);
		read_percent(&readings[0], "%25", text, left);
	} else if (text[0] == '\\') {
		read_backslash(&readings[1], text, left);
	} else if (text[0] == '&') {
		read_entity(&readings[1], text, left);
	} else if (text[0] == '+') {
		set_byte(&readings[1], ' ', 1);
	}
}

/* -- comparing ---------------------------------------------------------------- */

/*
 * How many bytes at TEXT spell PATTERN; 0: they do not. Where two readings
 * fit, "%2541" for one, all but the last are tried by calling itself.
 */
static size_t
match(const char *text, size_t left, const char *pattern, size_t pattern_len,
    unsigned int depth)
{
	size_t used = 0, at = 0;

	while (at < pattern_len && used < left) {
		struct spelled readings[READINGS], fits = {0};

		read_all(readings, text + used, left - used);
		for (size_t i = 0; i < READINGS; i++) {
			const struct spelled *r = &readings[i];
			size_t n = 0;

			if (r->len == 0 || r->count > pattern_len - at ||
			    memcmp(r->bytes, pattern + at, r->count) != 0)
				continue;
			if (fits.len > 0 && fits.count == pattern_len - at)
				break; /* that ends it; the longer one */
			if (fits.len > 0 && depth < DEPTH_MAX)
				n = match(text + used + fits.len,
				    left - used - fits.len,
				    pattern + at + fits.count,
				    pattern_len - at - fits.count, depth + 1);
			if (n > 0)
				return used + fits.len + n;
			fits = *r;
		}
		if (fits.len == 0)
			return 0;
		used += fits.len;
		at += fits.count;
	}
	return at == pattern_len ? used : 0;
}

static void
mask(char *text, size_t len, const char *pattern, size_t pattern_len)
{
	for (size_t i = 0; i < len;) {
		size_t n = 0;

		if (text[i] == pattern[0] || strchr("%\\&+", text[i]) != NULL)
			n = match(text + i, len - i, pattern, pattern_len, 0);
		memset(text + i, '*', n);
		i += n > 0 ? n : 1;
	}
}

/* -- base64 --------------------------------------------------------------------- */

/* The six bits of BYTES that begin at bit AT. */
static unsigned int
six_bits(const char *bytes, size_t len, size_t at)
{
	unsigned int word = (unsigned int)(unsigned char)bytes[at / 8] << 8;

	if (at / 8 + 1 < len)
		word |= (unsigned char)bytes[at / 8 + 1];
	return word >> (10 - at % 8) & 0x3f;
}

/*
 * The letters of base64 (RFC 4648 4 and 5) that depend on SECRET alone when
 * SHIFT bytes, modulo 3, precede it; those at its ends depend on its
 * neighbours too. SECRET is short enough for TEXT.
 */
static void
mask_base64(char *text, size_t len, const char *secret, size_t shift,
    const char *last_two)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t secret_len = strlen(secret);
	size_t first = (8 * shift + 5) / 6;
	size_t end = 8 * (shift + secret_len) / 6;
	char pattern[2 * MASK_SECRET_SIZE] = "";

	if (end - first < BASE64_SHORTEST)
		return;
	for (size_t i = first; i < end; i++) {
		unsigned int six =
		    six_bits(secret, secret_len, 6 * i - 8 * shift);

		pattern[i - first] =
		    six < 62 ? letters[six] : last_two[six - 62];
	}
	mask(text, len, pattern, end - first);
	explicit_bzero(pattern, sizeof(pattern));
}

void
mask_secret(char *text, size_t len, const char *secret)
{
	if (*secret == '\0' || strlen(secret) >= MASK_SECRET_SIZE)
		return;
	mask(text, len, secret, strlen(secret));
	for (size_t shift = 0; shift < 3; shift++) {
		mask_base64(text, len, secret, shift, "+/");
		mask_base64(text, len, secret, shift, "-_");
	}
}
