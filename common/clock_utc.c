/* SPDX-License-Identifier: MIT */
/* clock_utc.c – a date by arithmetic alone (proleptic Gregorian calendar). */
#include "common/clock_utc.h"

#include "common/clock.h"

#include <stdint.h>

enum {
	DAY_S = 86400,
	ERA_DAYS = 146097,   /* of 400 years, after which dates repeat */
	EPOCH_DAYS = 719468, /* from 0000-03-01 to 1970-01-01 */
};

/* VALUE in DIGITS digits, and what follows it. */
static char *
put(char *end, int64_t value, int digits, char next)
{
	for (int i = digits - 1; i >= 0; i--) {
		end[i] = (char)('0' + value % 10);
		value /= 10;
	}
	end[digits] = next;
	return end + digits + 1;
}

/* Years are taken to begin in March: the leap day ends them. */
void
clock_format_utc(char buf[CLOCK_UTC_SIZE])
{
	int64_t now_s = clock_wall();
	int64_t days = now_s / DAY_S + EPOCH_DAYS;
	int64_t s = now_s % DAY_S;
	int64_t day = days % ERA_DAYS;
	int64_t year =
	    (day - day / 1460 + day / 36524 - day / (ERA_DAYS - 1)) / 365;
	int64_t month;

	day -= 365 * year + year / 4 - year / 100;
	month = (5 * day + 2) / 153;
	day -= (153 * month + 2) / 5;
	month = month < 10 ? month + 3 : month - 9;
	year += days / ERA_DAYS * 400 + (month <= 2);
	buf = put(buf, year, 4, '-');
	buf = put(buf, month, 2, '-');
	buf = put(buf, day + 1, 2, 'T');
	buf = put(buf, s / 3600, 2, ':');
	buf = put(buf, s / 60 % 60, 2, ':');
	*put(buf, s % 60, 2, 'Z') = '\0';
}
