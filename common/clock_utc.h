/* SPDX-License-Identifier: MIT */
/* clock_utc.h – the date for handlers of signals, which know no time zone. */
#ifndef COMMON_CLOCK_UTC_H
#define COMMON_CLOCK_UTC_H

enum {
	CLOCK_UTC_SIZE = sizeof("2026-11-21T13:30:00Z"),
};

/*
 * "2026-11-21T13:30:00Z"; async-signal-safe once clock_wall() was called
 * outside of a handler.
 */
void clock_format_utc(char buf[CLOCK_UTC_SIZE]);

#endif
