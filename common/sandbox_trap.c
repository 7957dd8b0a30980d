/* SPDX-License-Identifier: MIT */
/*
 * sandbox_trap.c – handles SIGSYS, which a refused system call raises.
 *
 * The handler may run in the middle of malloc(3) or of a line of the log, on
 * any thread: it is async-signal-safe, and the names of system calls, which
 * libseccomp can only give with malloc(3), were copied before. Where SIGSYS is
 * blocked, as while pthread_create(3) runs, the kernel ends the process.
 */
#include "common/log.h"
#include "common/sandbox_parts.h"

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum {
	CALLS_MAX = 512, /* numbers end at some 470 */
	NAMES_SIZE = 8192,
	WORD_BITS = 64,
	FROM_SECCOMP = 1, /* SYS_SECCOMP of the kernel's siginfo.h */
};

static struct {
	bool deadly;
	/* Names by number, NUL-terminated, one after the other. */
	char names[NAMES_SIZE];
	uint16_t name_at[CALLS_MAX]; /* 0: not known */
	_Atomic uint64_t said[CALLS_MAX / WORD_BITS];
} trap;

bool
sandbox_trap_can_refuse(void)
{
#if defined(__x86_64__) || defined(__aarch64__)
	return true;
#else
	return false;
#endif
}

/* What the system call seems to return. */
static void
set_result(ucontext_t *context, int result)
{
#if defined(__x86_64__)
	context->uc_mcontext.gregs[REG_RAX] = result;
#elif defined(__aarch64__)
	context->uc_mcontext.regs[0] = (uint64_t)(int64_t)result;
#else
	(void)context;
	(void)result;
#endif
}

/* Whether this is the first time. */
static bool
is_new(unsigned int call)
{
	/* Numbers that are none share one line. */
	unsigned int index = call < CALLS_MAX ? call : CALLS_MAX - 1;
	uint64_t bit = UINT64_C(1) << (index % WORD_BITS);

	return (atomic_fetch_or(&trap.said[index / WORD_BITS], bit) & bit) == 0;
}

static char *
append_number(char *end, unsigned int number)
{
	char digits[12];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	while (n > 0)
		*end++ = digits[--n];
	*end = '\0';
	return end;
}

static void
say(unsigned int call)
{
	char line[160];
	char *end = stpcpy(line, "alarm=sandbox a system call was refused, "
				 "see SANDBOX syscall=");

	end = stpcpy(end, call < CALLS_MAX && trap.name_at[call] != 0
			      ? trap.names + trap.name_at[call]
			      : "unknown");
	end = stpcpy(end, " number=");
	append_number(end, call);
	log_write_in_signal(LOG_LEVEL_ERR, line);
}

static void
on_sigsys(int sig, siginfo_t *info, void *context)
{
	unsigned int call = (unsigned int)info->si_syscall;
	int saved_errno = errno;

	/* Sent by somebody, not by the filter: it means nothing. */
	if (info->si_code != FROM_SECCOMP)
		return;
	if (is_new(call))
		say(call);
	if (trap.deadly) {
		signal(sig, SIG_DFL);
		/* It ends here: SIGSYS is not blocked (SA_NODEFER). */
		syscall(SYS_tgkill, getpid(), gettid(), sig);
		_exit(128 + sig);
	}
	set_result(context, -EPERM);
	errno = saved_errno;
}

static void
copy_names(void)
{
	size_t at = 1;

	for (int call = 0; call < CALLS_MAX; call++) {
		char *name =
		    seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);
		size_t size;

		if (name == NULL)
			continue;
		size = strlen(name) + 1;
		if (at + size <= sizeof(trap.names)) {
			memcpy(trap.names + at, name, size);
			trap.name_at[call] = (uint16_t)at;
			at += size;
		}
		free(name);
	}
}

int
sandbox_trap_install(enum sandbox_mode mode)
{
	struct sigaction action = {
	    .sa_sigaction = on_sigsys,
	    .sa_flags = SA_SIGINFO | SA_NODEFER,
	};
	sigset_t set;

	trap.deadly = mode == SANDBOX_KILL;
	copy_names();
	sigemptyset(&set);
	sigaddset(&set, SIGSYS);
	if (sigaction(SIGSYS, &action, NULL) < 0 ||
	    sigprocmask(SIG_UNBLOCK, &set, NULL) < 0)
		return -errno;
	return 0;
}
