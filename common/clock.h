/* SPDX-License-Identifier: MIT */
/*
 * clock.h – the only place that reads time.
 *
 * Monotonic time drives every timer and never steps. Wall-clock time is for
 * people (logs, the persona's "today is …") and may step at any moment;
 * nothing else may depend on it. Tests set the wall clock's offset with
 * TELEFONISTA_WALL_OFFSET_S.
 */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

uint64_t clock_now_ns(void); /* CLOCK_MONOTONIC */
uint64_t clock_now_ms(void);

/* Seconds since the epoch, with the test offset. */
time_t clock_wall(void);

/* "2026-11-21T08:30:00.123-05:00" in the process's time zone. */
void clock_format_wall(char *buf, size_t size);

#endif
