/* SPDX-License-Identifier: MIT */
/* sandbox_parts.h – what the rooms of the sandbox are to each other. */
#ifndef COMMON_SANDBOX_PARTS_H
#define COMMON_SANDBOX_PARTS_H

#include "common/sandbox.h"

#include <stddef.h>

/* -- sandbox_filter.c: system calls ----------------------------------------- */

/* For all threads of this process, for good. 0 or -errno. */
int sandbox_filter_load(enum proc_role role, enum sandbox_mode mode);

/* -- sandbox_trap.c: what happens to a call that is refused ------------------- */

/*
 * Whether a call that was trapped can be made to fail here; else the filter
 * itself must, and the kernel's log has the line.
 */
bool sandbox_trap_can_refuse(void);

/*
 * Handles SIGSYS: one line in the log for each system call, and EPERM for who
 * made it, or the end. 0 or -errno.
 */
int sandbox_trap_install(enum sandbox_mode mode);

/* -- sandbox_landlock.c: files, ports, signals --------------------------------- */

/* *FD_OUT is -1 when this kernel has none. 0 or -errno. */
int sandbox_landlock_new(int *fd_out, enum proc_role role, bool limit_ports);
int sandbox_landlock_allow(
    int fd, enum proc_role role, unsigned int rights, const char *path);
int sandbox_landlock_allow_port(int fd, unsigned int port);
int sandbox_landlock_enter(int fd);

#endif
