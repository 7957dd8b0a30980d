/* SPDX-License-Identifier: MIT */
/*
 * title.h – what ps(1) and top(1) show for this process. libc only.
 *
 * The title is written over the memory in which the kernel handed over argv
 * and the environment, as setproctitle(3) of the BSDs does. Control
 * characters and invalid UTF-8 in a title are shown as '?', since a caller
 * chooses part of it and an operator's terminal prints it.
 */
#ifndef COMMON_TITLE_H
#define COMMON_TITLE_H

enum {
	TITLE_MAX = 256, /* bytes of a title, NUL included */
};

/*
 * An environment variable with this name and a value of TITLE_MAX bytes is
 * what spawn() adds, so that a child's title has room even if there is
 * hardly any other environment. title_init() drops it again.
 */
#define TITLE_ROOM_VARIABLE "TELEFONISTA_TITLE_ROOM"

/*
 * Moves the environment and the arguments to the heap (argv[i] afterwards
 * point to the copies) and clears their old place, so that what was in the
 * environment is no longer shown in /proc/PID/environ. Call it first thing in
 * main(), before anything keeps a pointer from argv or getenv(3), and before
 * there are threads. Without memory, titles are simply not set.
 */
void title_init(int argc, char **argv);

/* Sets the title, cut at a character boundary to the room there is. */
void title_set(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Sets the short name that `ps -o comm` and gdb show: at most 15 bytes. */
void title_set_name(const char *name);

#endif
