/* SPDX-License-Identifier: MIT */
/*
 * phone_number.c – caller id to E.164, and back to what people read.
 *
 * Colombia's plan (since September 2021): ten digits, mobiles begin with 3,
 * landlines with 60; others are treated by the general habits of the ITU:
 * country code, or a trunk prefix 0 before the national number.
 */
#include "supervisor/phone_number.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
	COLOMBIA = 57,
	ITALY = 39,            /* its numbers keep their leading 0 */
	EXTENSION_MAX = 6,     /* digits of an extension, at most */
	INTERNATIONAL_MIN = 8, /* digits with country code, at least */
	NATIONAL_MIN = 7,
	NATIONAL_MAX = 12,
};

/* What networks and PBXes write when there is no number. */
static const char *const no_numbers[] = {"anonymous", "unknown", "restricted",
    "unavailable", "private", "withheld", "blocked", "asterisk", "s", "invalid",
    "none", "null", "desconocido", "privado", "oculto"};

bool
phone_number_is_withheld(const char *text)
{
	for (size_t i = 0; i < sizeof(no_numbers) / sizeof(no_numbers[0]);
	     i++) {
		if (strcasecmp(text, no_numbers[i]) == 0)
			return true;
	}
	return false;
}

/*
 * Copies the number proper: without "tel:" or "sip:", "@host", parameters,
 * and what people write between digits. False: too long, or odd characters.
 */
static bool
clean(char *out, size_t size, const char *in)
{
	size_t n = 0;

	if (strncasecmp(in, "tel:", 4) == 0 || strncasecmp(in, "sip:", 4) == 0)
		in += 4;
	else if (strncasecmp(in, "sips:", 5) == 0)
		in += 5;
	for (; *in != '\0' && *in != '@' && *in != ';'; in++) {
		unsigned char c = (unsigned char)*in;

		if (strchr(" -.()/\t<>\"", c) != NULL)
			continue;
		if ((!isalnum(c) && c != '_' && !(c == '+' && n == 0)) ||
		    n + 1 >= size)
			return false;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return true;
}

static void
set(struct phone_number *number, enum phone_kind kind, const char *prefix,
    const char *digits)
{
	number->kind = kind;
	snprintf(number->text, sizeof(number->text), "%s%s", prefix, digits);
}

/* DIGITS with country code. */
static void
set_international(struct phone_number *number, const char *digits)
{
	size_t len = strlen(digits);

	if (digits[0] == '0' || len < INTERNATIONAL_MIN ||
	    len > PHONE_NUMBER_DIGITS)
		number->kind = PHONE_ANONYMOUS;
	else
		set(number, PHONE_E164, "+", digits);
}

static bool
is_colombian(const char *digits)
{
	return strlen(digits) == 10 &&
	       (digits[0] == '3' || strncmp(digits, "60", 2) == 0);
}

static bool
is_national(const char *digits, long country)
{
	size_t len = strlen(digits);

	if (country == COLOMBIA)
		return is_colombian(digits);
	return len >= NATIONAL_MIN && len <= NATIONAL_MAX;
}

/* DIGITS without '+' or "00", more of them than an extension has. */
static void
set_national(struct phone_number *number, const char *digits, long country)
{
	char code[8];
	int code_len = snprintf(code, sizeof(code), "%ld", country);
	bool has_code = strncmp(digits, code, (size_t)code_len) == 0 &&
			strlen(digits) >= (size_t)code_len + NATIONAL_MIN;
	const char *bare =
	    digits[0] == '0' && country != ITALY ? digits + 1 : digits;
	char prefix[16];

	snprintf(prefix, sizeof(prefix), "+%s", code);
	/* A complete number may begin with a code without '+' … */
	if (has_code && strlen(digits) > 10 &&
	    is_national(digits + code_len, country))
		set(number, PHONE_E164, "+", digits);
	else if (is_national(bare, country))
		set(number, PHONE_E164, prefix, bare);
	else
		set(number, PHONE_LOCAL, "", digits);
}

void
phone_number_parse(
    const char *caller_id, long country, struct phone_number *number_out)
{
	char text[PHONE_NUMBER_SIZE - 8] = ""; /* room for "+57" */
	size_t digits;

	memset(number_out, 0, sizeof(*number_out));
	number_out->kind = PHONE_ANONYMOUS;
	if (!clean(text, sizeof(text), caller_id) || text[0] == '\0' ||
	    phone_number_is_withheld(text))
		return;
	digits = strspn(text + (text[0] == '+'), "0123456789");
	if (text[digits + (text[0] == '+')] != '\0') {
		/* A SIP user with a name: only our own PBX has those. */
		if (text[0] != '+')
			set(number_out, PHONE_INTERNAL, "", text);
	} else if (text[0] == '+') {
		set_international(number_out, text + 1);
	} else if (strncmp(text, "00", 2) == 0 &&
		   digits >= INTERNATIONAL_MIN + 2) {
		set_international(number_out, text + 2);
	} else if (digits <= EXTENSION_MAX) {
		set(number_out, PHONE_INTERNAL, "", text);
	} else if (digits <= PHONE_NUMBER_DIGITS) {
		set_national(number_out, text, country);
	}
	/* "000000", "0000000000": what a trunk sends for nothing. */
	if (number_out->text[strspn(number_out->text, "+0")] == '\0') {
		number_out->kind = PHONE_ANONYMOUS;
		number_out->text[0] = '\0';
	}
}

bool
phone_number_equal(const struct phone_number *a, const struct phone_number *b)
{
	return a->kind != PHONE_ANONYMOUS && a->kind == b->kind &&
	       strcmp(a->text, b->text) == 0;
}

void
phone_number_display(
    const struct phone_number *number, const char *mode, char *buf, size_t size)
{
	size_t len = strlen(number->text);

	if (number->kind == PHONE_ANONYMOUS)
		snprintf(buf, size, "anonymous");
	else if (strcmp(mode, "full") == 0 ||
		 (number->kind == PHONE_INTERNAL && strcmp(mode, "last4") == 0))
		snprintf(buf, size, "%s", number->text);
	else if (strcmp(mode, "last4") == 0)
		snprintf(buf, size, "…%s", number->text + len - 4);
	else
		snprintf(buf, size, "%s", "");
}

/* Appends LEN digits of *FROM, single, and a separator if others follow. */
static size_t
append_group(char *buf, size_t size, const char *from, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n + 3 < size; i++) {
		if (i > 0)
			buf[n++] = ' ';
		buf[n++] = from[i];
	}
	if (from[len] != '\0' && n + 3 < size) {
		buf[n++] = ',';
		buf[n++] = ' ';
	}
	buf[n] = '\0';
	return n;
}

void
phone_number_spell(
    const struct phone_number *number, long country, char *buf, size_t size)
{
	const char *digits = number->text;
	char code[8];
	int code_len = snprintf(code, sizeof(code), "+%ld", country);
	size_t n = 0;

	buf[0] = '\0';
	if (number->kind == PHONE_E164 &&
	    strncmp(digits, code, (size_t)code_len) == 0)
		digits += code_len;
	/* Threes, with four or two at the end: 300 123 4655, 45 67. */
	for (size_t left = strlen(digits); left > 0;) {
		size_t len = left == 4 || left < 3 ? left : 3;

		if (*digits == '+')
			len = 1 + (left > 4 ? 2 : 0);
		n += append_group(buf + n, size - n, digits, len);
		digits += len;
		left -= len;
	}
}
