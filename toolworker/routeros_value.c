/* SPDX-License-Identifier: MIT */
/*
 * routeros_value.c – reads RouterOS's texts as what they mean.
 *
 * Invariant: a text that is not understood is an error or a default, never
 * half a number.
 */
#include "toolworker/routeros_value.h"

#include "common/json.h"
#include "common/text_fold.h"
#include "common/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	MAC_DIGITS = 12,
	MAC_DIGITS_MIN = 4, /* fewer would match by chance */
};

static const int64_t second_us = 1000000;
static const int64_t value_max = INT64_MAX / 1000000000;

/* Digits at *TEXT, which is moved behind them; -EINVAL: none, or too many. */
static int
take_digits(const char **text, int64_t *value_out)
{
	int64_t value = 0;
	const char *c = *text;

	if (!isdigit((unsigned char)*c))
		return -EINVAL;
	for (; isdigit((unsigned char)*c); c++) {
		value = value * 10 + (*c - '0');
		if (value > value_max)
			return -EINVAL;
	}
	*text = c;
	*value_out = value;
	return 0;
}

/* The unit at *TEXT in microseconds, or 0. */
static int64_t
take_unit(const char **text)
{
	static const struct {
		const char *name;
		int64_t us;
	} units[] = {
	    {"us", 1},
	    {"ms", 1000}, /* before "m" and "s" */
	    {"w", 604800000000},
	    {"d", 86400000000},
	    {"h", 3600000000},
	    {"m", 60000000},
	    {"s", 1000000},
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t len = strlen(units[i].name);

		if (strncmp(*text, units[i].name, len) == 0) {
			*text += len;
			return units[i].us;
		}
	}
	return 0;
}

/* ".25": a fraction of UNIT, to the microsecond. */
static int64_t
take_fraction(const char **text, int64_t unit_us)
{
	int64_t us = 0;

	if (**text != '.')
		return 0;
	for ((*text)++; isdigit((unsigned char)**text); (*text)++) {
		unit_us /= 10;
		us += (**text - '0') * unit_us;
	}
	return us;
}

/* "02:03:04" or "03:04", the first number being read already. */
static int
take_clock(const char **text, int64_t value, int64_t *us_out)
{
	for (int parts = 1; **text == ':'; parts++) {
		int64_t part;

		(*text)++;
		if (parts == 3 || take_digits(text, &part) < 0 || part > 59)
			return -EINVAL;
		value = value * 60 + part;
	}
	if (value > INT64_MAX / 4 / second_us)
		return -EINVAL;
	*us_out = value * second_us + take_fraction(text, second_us);
	return 0;
}

/* One "3h", "1.5s" or "02:03:04" at *TEXT. */
static int
take_part(const char **text, int64_t *us_out)
{
	const char *fraction;
	int64_t value, unit_us, us;

	if (take_digits(text, &value) < 0)
		return -EINVAL;
	if (**text == ':')
		return take_clock(text, value, us_out);
	fraction = *text;
	take_fraction(text, second_us);
	unit_us = take_unit(text);
	if (unit_us == 0 || value > INT64_MAX / 4 / unit_us)
		return -EINVAL;
	us = value * unit_us + take_fraction(&fraction, unit_us);
	*us_out = us;
	return 0;
}

int
routeros_duration_us(const char *text, int64_t *us_out)
{
	int64_t total = 0, part = 0;

	if (*text == '\0')
		return -EINVAL;
	while (*text != '\0') {
		if (take_part(&text, &part) < 0 || total > INT64_MAX / 4)
			return -EINVAL;
		total += part;
	}
	*us_out = total;
	return 0;
}

int
routeros_number(const char *text, int64_t *value_out)
{
	bool negative = *text == '-';
	int64_t value;

	if (negative)
		text++;
	if (take_digits(&text, &value) < 0)
		return -EINVAL;
	if (strcmp(text, "") != 0 && strcmp(text, "%") != 0 &&
	    strcmp(text, "bps") != 0)
		return -EINVAL;
	*value_out = negative ? -value : value;
	return 0;
}

const char *
routeros_field(const cJSON *record, const char *key)
{
	return json_string(record, key);
}

bool
routeros_flag(const cJSON *record, const char *key)
{
	const char *text = routeros_field(record, key);

	return strcmp(text, "true") == 0 || strcmp(text, "yes") == 0;
}

int64_t
routeros_field_number(const cJSON *record, const char *key, int64_t otherwise)
{
	int64_t value;

	return routeros_number(routeros_field(record, key), &value) == 0
		   ? value
		   : otherwise;
}

/* -- text ---------------------------------------------------------------------- */

/* Bytes of the UTF-8 character at BYTES, 0 if there is none. */
static size_t
character_len(const char *bytes, size_t len)
{
	for (size_t n = 1; n <= 4 && n <= len; n++) {
		if (utf8_count(bytes, n) == 1)
			return n;
	}
	return 0;
}

char *
routeros_text(const char *bytes, size_t len)
{
	char *text = malloc(2 * len + 1);
	size_t out = 0;

	if (text == NULL)
		return NULL;
	for (size_t i = 0; i < len;) {
		size_t n = character_len(bytes + i, len - i);
		unsigned char c = (unsigned char)bytes[i];

		if (c == '\0') {
			text[out++] = ' ';
			i++;
		} else if (n > 0) {
			memcpy(text + out, bytes + i, n);
			out += n;
			i += n;
		} else {
			text[out++] = (char)(0xc0 | c >> 6);
			text[out++] = (char)(0x80 | (c & 0x3f));
			i++;
		}
	}
	text[out] = '\0';
	return text;
}

bool
routeros_text_has_words(const char *text, const char *wanted)
{
	char *folded = text_fold(text);
	char *words = text_fold(wanted);
	char *rest = words;
	bool all = folded != NULL && words != NULL && *words != '\0';
	char *word;

	while (all && (word = strsep(&rest, " ")) != NULL)
		all = strstr(folded, word) != NULL;
	free(folded);
	free(words);
	return all;
}

/* The hexadecimal digits of TEXT, or false: something else is there. */
static bool
mac_digits(const char *text, char digits[MAC_DIGITS + 1])
{
	size_t count = 0;

	for (; *text != '\0'; text++) {
		if (strchr(":-. ", *text) != NULL)
			continue;
		if (!isxdigit((unsigned char)*text) || count == MAC_DIGITS)
			return false;
		digits[count++] = (char)tolower((unsigned char)*text);
	}
	digits[count] = '\0';
	return count >= MAC_DIGITS_MIN;
}

bool
routeros_mac_matches(const char *text, const char *wanted)
{
	char whole[MAC_DIGITS + 1];
	char part[MAC_DIGITS + 1];

	return mac_digits(text, whole) && strlen(whole) == MAC_DIGITS &&
	       mac_digits(wanted, part) && strstr(whole, part) != NULL;
}
