/* SPDX-License-Identifier: MIT */
/* clock.c – monotonic and wall-clock time; see clock.h for who may use what. */
#include "common/clock.h"

#include "common/fault_point.h"

#include <stdio.h>
#include <stdlib.h>

uint64_t
clock_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t
clock_now_ms(void)
{
	return clock_now_ns() / 1000000u;
}

static struct timespec
wall_now(void)
{
	static long offset_s;
	static int offset_known;
	struct timespec ts;

	if (!offset_known) {
		const char *text = getenv("TELEFONISTA_WALL_OFFSET_S");

		offset_s = text != NULL ? strtol(text, NULL, 10) : 0;
		offset_known = 1;
	}
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += offset_s + FAULT_CLOCK_STEP_S();
	return ts;
}

time_t
clock_wall(void)
{
	return wall_now().tv_sec;
}

void
clock_format_wall(char *buf, size_t size)
{
	struct timespec ts = wall_now();
	char date[24], zone[8];
	struct tm tm;

	localtime_r(&ts.tv_sec, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z", &tm);
	snprintf(buf, size, "%s.%03ld%.3s:%.2s", date, ts.tv_nsec / 1000000,
	    zone, zone + 3);
}
