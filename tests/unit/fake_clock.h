/* SPDX-License-Identifier: MIT */
/* fake_clock.h – common/clock.h with a time that only the test moves. */
#ifndef TESTS_UNIT_FAKE_CLOCK_H
#define TESTS_UNIT_FAKE_CLOCK_H

#include "common/clock.h"

#include <stdio.h>

static uint64_t fake_now_ms = 1000000;

uint64_t
clock_now_ms(void)
{
	return fake_now_ms;
}

uint64_t
clock_now_ns(void)
{
	return fake_now_ms * 1000000u;
}

time_t
clock_wall(void)
{
	return (time_t)(fake_now_ms / 1000);
}

void
clock_format_wall(char *buf, size_t size)
{
	snprintf(buf, size, "%llu", (unsigned long long)fake_now_ms);
}

#endif
