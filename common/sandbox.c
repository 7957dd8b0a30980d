/* SPDX-License-Identifier: MIT */
/*
 * sandbox.c – puts a process behind its walls, in the order that lets each
 * part still be made: limits, capabilities, no_new_privs, Landlock, seccomp.
 */
#include "common/sandbox.h"

#include "common/log.h"
#include "common/sandbox_parts.h"

#include <assert.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	PATH_SIZE = 4096,
	MEBIBYTE = 1 << 20,
	CALLWORKER_FILES = 128, /* some thirty are in use */
	CALLWORKER_DATA_MIB = 256,
	TOOLWORKER_DATA_MIB = 1024,
	AUDIO_PRIORITY = 1, /* the lowest, callworker/audio_priority.c */
};

struct sandbox {
	enum proc_role role;
	enum sandbox_mode mode;
	int landlock; /* ruleset, or -1: none */
};

enum sandbox_mode
sandbox_mode_by_name(const char *name)
{
	if (strcmp(name, "off") == 0)
		return SANDBOX_OFF;
	return strcmp(name, "kill") == 0 ? SANDBOX_KILL : SANDBOX_ENFORCE;
}

/* gcc has macros, clang has features. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED true
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED false
#endif

bool
sandbox_is_sanitized(void)
{
	return IS_SANITIZED;
}

/* -- the rules ---------------------------------------------------------------- */

int
sandbox_new(
    struct sandbox **sandbox_out, enum proc_role role, enum sandbox_mode mode)
{
	struct sandbox *sandbox = calloc(1, sizeof(*sandbox));
	int ret;

	if (sandbox == NULL)
		return -ENOMEM;
	sandbox->role = role;
	sandbox->mode = mode;
	sandbox->landlock = -1;
	if (mode != SANDBOX_OFF) {
		/* Who talks to one service only says to which port. */
		ret = sandbox_landlock_new(
		    &sandbox->landlock, role, role == PROC_ROLE_CALLWORKER);
		if (ret < 0) {
			free(sandbox);
			return ret;
		}
	}
	/* Leak checkers look at their own process. */
	if (sandbox_is_sanitized())
		sandbox_allow(sandbox, SANDBOX_READ, "/proc");
	*sandbox_out = sandbox;
	return 0;
}

void
sandbox_allow(struct sandbox *sandbox, unsigned int rights, const char *path)
{
	int ret;

	if (sandbox->landlock < 0 || path[0] == '\0')
		return;
	ret = sandbox_landlock_allow(
	    sandbox->landlock, sandbox->role, rights, path);
	if (ret < 0 && ret != -ENOENT)
		log_warn("sandbox: a path cannot be allowed path=%s error=%s",
		    path, strerror(-ret));
}

void
sandbox_allow_folder_of(
    struct sandbox *sandbox, unsigned int rights, const char *path)
{
	char folder[PATH_SIZE];
	char *slash;

	if (path[0] == '\0')
		return;
	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (slash == NULL)
		snprintf(folder, sizeof(folder), ".");
	else
		slash[slash == folder] = '\0';
	sandbox_allow(sandbox, rights, folder);
}

void
sandbox_allow_port(struct sandbox *sandbox, unsigned int port)
{
	int ret = sandbox->landlock < 0
		      ? 0
		      : sandbox_landlock_allow_port(sandbox->landlock, port);

	if (ret < 0)
		log_warn("sandbox: a port cannot be allowed port=%u error=%s",
		    port, strerror(-ret));
}

/* -- limits and rights ---------------------------------------------------------- */

/* Not above what it is now: that would take a right. */
static void
limit(int resource, uint64_t value)
{
	struct rlimit now;
	struct rlimit limit = {.rlim_cur = value, .rlim_max = value};

	if (getrlimit(resource, &now) == 0 && now.rlim_max < limit.rlim_max)
		limit.rlim_cur = limit.rlim_max = now.rlim_max;
	if (setrlimit(resource, &limit) < 0)
		log_warn("sandbox: limit %d cannot be set error=%s", resource,
		    strerror(errno));
}

/* A limit that we may raise is raised: then it needs no capability. */
bool
sandbox_keeps_audio_priority(void)
{
	struct rlimit priority;

	if (getrlimit(RLIMIT_RTPRIO, &priority) < 0)
		return false;
	if (priority.rlim_cur >= AUDIO_PRIORITY)
		return true;
	priority.rlim_cur = AUDIO_PRIORITY;
	if (priority.rlim_max < AUDIO_PRIORITY)
		priority.rlim_max = AUDIO_PRIORITY;
	return setrlimit(RLIMIT_RTPRIO, &priority) == 0;
}

static void
set_limits(enum proc_role role)
{
	if (role == PROC_ROLE_CALLWORKER) {
		limit(RLIMIT_NOFILE, CALLWORKER_FILES);
		limit(RLIMIT_NPROC, 0);
	}
	if (sandbox_is_sanitized())
		return; /* their shadow is data, too */
	if (role == PROC_ROLE_CALLWORKER)
		limit(RLIMIT_DATA, (uint64_t)CALLWORKER_DATA_MIB * MEBIBYTE);
	if (role == PROC_ROLE_TOOLWORKER)
		limit(RLIMIT_DATA, (uint64_t)TOOLWORKER_DATA_MIB * MEBIBYTE);
}

/*
 * capabilities(7): of this process, and of whatever it may ever execute. One
 * is left to the keeper of a service that runs as root where limits cannot be
 * raised (a container), not in effect, for callworkers to begin with.
 */
static int
drop_capabilities(enum proc_role role)
{
	struct __user_cap_header_struct header = {
	    .version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {0};
	uint32_t kept = 0;

	if (role == PROC_ROLE_KEEPER && !sandbox_keeps_audio_priority() &&
	    syscall(SYS_capget, &header, sets) == 0)
		kept = sets[0].permitted & CAP_TO_MASK(CAP_SYS_NICE);
	/* Without CAP_SETPCAP it cannot be done, and no_new_privs does it. */
	for (int i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++) {
		if (kept == 0 || i != CAP_SYS_NICE)
			prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	memset(sets, 0, sizeof(sets));
	sets[0].permitted = kept;
	return syscall(SYS_capset, &header, sets) < 0 ? -errno : 0;
}

static int
fail(const char *what, int ret)
{
	log_err("alarm=sandbox %s failed, SANDBOX=off runs without walls "
		"error=%s",
	    what, strerror(-ret));
	return ret;
}

static int
enter(const struct sandbox *sandbox)
{
	int ret;

	/* Landlock and capabilities are each thread's own. */
	assert(__libc_single_threaded || sandbox_is_sanitized());
	set_limits(sandbox->role);
	if (sandbox->mode == SANDBOX_OFF)
		return 0;
	if ((ret = drop_capabilities(sandbox->role)) < 0)
		return fail("dropping capabilities", ret);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fail("no_new_privs", -errno);
	if (sandbox->landlock >= 0 &&
	    (ret = sandbox_landlock_enter(sandbox->landlock)) < 0)
		return fail("Landlock", ret);
	/* The keeper's children would die of it before they can handle it. */
	if (sandbox->role != PROC_ROLE_KEEPER &&
	    (ret = sandbox_trap_install(sandbox->mode)) < 0)
		return fail("handling SIGSYS", ret);
	if ((ret = sandbox_filter_load(sandbox->role, sandbox->mode)) < 0)
		return fail("seccomp", ret);
	return 0;
}

int
sandbox_enter(struct sandbox **sandbox)
{
	int ret = enter(*sandbox);

	if ((*sandbox)->landlock >= 0)
		close((*sandbox)->landlock);
	free(*sandbox);
	*sandbox = NULL;
	return ret;
}
