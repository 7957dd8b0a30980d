/* SPDX-License-Identifier: MIT */
/*
 * dtmf.c – groups digits.
 *
 * Invariant: digits[] never holds more than DTMF_GROUP_MAX, since a full group
 * is complete.
 */
#include "callworker/dtmf.h"

#include <string.h>

bool
dtmf_is_digit(char digit)
{
	return digit != '\0' && strchr("0123456789*#ABCDabcd", digit) != NULL;
}

bool
dtmf_add(struct dtmf *d, char digit, uint64_t now_ms)
{
	bool first;

	if (!dtmf_is_digit(digit))
		return false;
	if (d->complete)
		memset(d, 0, sizeof(*d));
	first = d->count == 0;
	d->last_ms = now_ms;
	if (digit == '#')
		d->complete = true;
	if (digit != '#' || first)
		d->digits[d->count++] =
		    digit >= 'a' ? (char)(digit - 'a' + 'A') : digit;
	if (d->count == DTMF_GROUP_MAX)
		d->complete = true;
	return first;
}

bool
dtmf_take(struct dtmf *d, uint64_t now_ms, char text[DTMF_TEXT_SIZE])
{
	size_t n = 0;

	if (d->count == 0 ||
	    (!d->complete && now_ms - d->last_ms < DTMF_GAP_MS))
		return false;
	for (size_t i = 0; i < d->count; i++) {
		if (i > 0)
			text[n++] = ' ';
		text[n++] = d->digits[i];
	}
	text[n] = '\0';
	memset(d, 0, sizeof(*d));
	return true;
}
