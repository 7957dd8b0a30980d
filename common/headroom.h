/* SPDX-License-Identifier: MIT */
/* headroom.h – how much of what a process may have is left. */
#ifndef COMMON_HEADROOM_H
#define COMMON_HEADROOM_H

#include <stdbool.h>
#include <stddef.h>

enum {
	HEADROOM_DESCRIPTORS_MAX = 1024,
};

/*
 * Whether COUNT more descriptors (at most HEADROOM_DESCRIPTORS_MAX) could be
 * opened now. It is tried, which takes some ten microseconds: no other
 * question tells the truth about a limit that somebody changes meanwhile. It
 * says nothing about the limit of the whole system (ENFILE).
 */
bool headroom_has_descriptors(size_t count);

#endif
