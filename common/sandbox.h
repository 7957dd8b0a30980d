/* SPDX-License-Identifier: MIT */
/*
 * sandbox.h – the walls around a process: what is left to whoever takes it
 * over. Besides libc it needs libseccomp only, since the keeper enters, too.
 *
 * A wall is made of: limits (no core, few descriptors), no capabilities,
 * no_new_privs, Landlock (files, TCP ports, signals to others; as far as the
 * kernel has it) and a seccomp filter of the role's system calls
 * (sandbox_calls.h). Children inherit all of it, and may only add to it.
 *
 * A process makes its wall when it has read what only it may read, and
 * before it reads a byte of a peer that it does not trust:
 *
 *	sandbox_new(&sandbox, role, mode);
 *	sandbox_allow(sandbox, SANDBOX_READ, "/etc/ssl/certs");
 *	sandbox_enter(&sandbox);
 */
#ifndef COMMON_SANDBOX_H
#define COMMON_SANDBOX_H

#include "common/proc.h"

#include <stdbool.h>

enum sandbox_mode {
	/* What is not allowed fails with EPERM, and is logged once; the
	 * keeper's by the kernel. */
	SANDBOX_ENFORCE,
	/* … ends the process by SIGSYS: for tests. */
	SANDBOX_KILL,
	/* No wall but the limits: for debuggers. */
	SANDBOX_OFF,
};

/* What may be done with a path and all that is below it; bits. */
enum sandbox_right {
	SANDBOX_READ = 1,    /* open for reading, list */
	SANDBOX_APPEND = 2,  /* write to what is there, make files */
	SANDBOX_CHANGE = 4,  /* and replace and remove them, make folders */
	SANDBOX_EXECUTE = 8, /* execve(2) */
};

struct sandbox;

/* The mode that SANDBOX=NAME means; SANDBOX_ENFORCE for what is none. */
enum sandbox_mode sandbox_mode_by_name(const char *name);

/*
 * Landlock's ABI that is used here, 0: none. TELEFONISTA_LANDLOCK_ABI in the
 * environment makes it less, so that tests see what older kernels do.
 */
int sandbox_landlock_abi(void);

/* Whether this is a build with a sanitizer, which needs more. */
bool sandbox_is_sanitized(void);

/*
 * Whether real-time priority will still be had behind a wall: RLIMIT_RTPRIO
 * allows it. Where only CAP_SYS_NICE does, it must be taken before.
 */
bool sandbox_keeps_audio_priority(void);

/* Limits and Landlock's rules start empty. 0 or -errno. */
int sandbox_new(
    struct sandbox **sandbox_out, enum proc_role role, enum sandbox_mode mode);

/*
 * RIGHTS (enum sandbox_right) for PATH as it is now: what is put in its place
 * later is another file, unless a folder above it was allowed. What is not
 * there is passed over.
 */
void sandbox_allow(
    struct sandbox *sandbox, unsigned int rights, const char *path);

/* … for the folder that PATH is in. */
void sandbox_allow_folder_of(
    struct sandbox *sandbox, unsigned int rights, const char *path);

/* TCP connections to PORT only; again for more of them. */
void sandbox_allow_port(struct sandbox *sandbox, unsigned int port);

/*
 * Enters for good, before there are threads, which are then behind it, too;
 * frees *SANDBOX. 0, or -errno, logged: then the process should end, since it
 * stands before its wall or half in it.
 */
int sandbox_enter(struct sandbox **sandbox);

#endif
