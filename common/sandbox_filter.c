/* SPDX-License-Identifier: MIT */
/*
 * sandbox_filter.c – the seccomp filter of a role.
 *
 * Calls whose arguments do not matter are rows of sandbox_calls.h; the others
 * are here, a function each. What a filter cannot see (what a pointer points
 * to, such as clone3's flags) is refused.
 *
 * Invariant: the keeper's filter lets through whatever a filter of any other
 * role does, since children have both.
 */
#include "common/sandbox_calls.h"
#include "common/sandbox_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <malloc.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	TYPE_MASK = 0xf,       /* of socket(2): without SOCK_NONBLOCK, … */
	NETLINK_NAME_LEN = 12, /* struct sockaddr_nl; an IPv4 one has 16 */
	OPTIMIZE_TREE = 2,
	CLONE_NEW_ANY = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
			CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
			CLONE_NEWNET,
	CLONE_THREADLIKE = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD,
#ifndef PR_SET_VMA
	PR_SET_VMA = 0x53564d41,
#endif
};

struct filter {
	scmp_filter_ctx context;
	unsigned int roles; /* C, T, S, K: those whose calls it allows */
	int ret;            /* the first error */
};

static void
add(struct filter *filter, uint32_t action, int call, unsigned int count,
    const struct scmp_arg_cmp *conditions)
{
	int ret = seccomp_rule_add_array(
	    filter->context, action, call, count, conditions);

	if (filter->ret == 0)
		filter->ret = ret;
}

static void
allow_any(struct filter *filter, int call)
{
	add(filter, SCMP_ACT_ALLOW, call, 0, NULL);
}

/* Every condition must hold; more rules for the same call are alternatives. */
#define ALLOW_IF(filter, call, ...)                                            \
	do {                                                                   \
		const struct scmp_arg_cmp conditions[] = {__VA_ARGS__};        \
		add(filter, SCMP_ACT_ALLOW, call,                              \
		    sizeof(conditions) / sizeof(conditions[0]), conditions);   \
	} while (0)

/* Argument N of 32 bits is VALUE: the register's upper half is noise. */
#define IS(n, value)                                                           \
	{                                                                      \
		n, SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint32_t)(value)           \
	}
#define MASKED(n, mask, value)                                                 \
	{                                                                      \
		n, SCMP_CMP_MASKED_EQ, (scmp_datum_t)(mask),                   \
		    (scmp_datum_t)(value)                                      \
	}

/* -- sockets -------------------------------------------------------------------- */

static void
allow_socket(struct filter *filter, int family, int type)
{
	ALLOW_IF(filter, SCMP_SYS(socket), IS(0, family),
	    MASKED(1, TYPE_MASK, type));
}

static void
add_sockets(struct filter *filter)
{
	allow_socket(filter, AF_INET, SOCK_STREAM);
	allow_socket(filter, AF_INET6, SOCK_STREAM);
	/* libwebsockets of Debian 13 and getaddrinfo(3) ask for routes. */
	ALLOW_IF(filter, SCMP_SYS(socket), IS(0, AF_NETLINK),
	    MASKED(1, TYPE_MASK, SOCK_RAW), IS(2, NETLINK_ROUTE));
	if (filter->roles & (T | S)) {
		allow_socket(filter, AF_INET, SOCK_DGRAM);
		allow_socket(filter, AF_INET6, SOCK_DGRAM);
		/* libcurl wakes itself with a pair. One of datagrams could
		 * send to any socket with a name: systemd's, syslog's. */
		ALLOW_IF(filter, SCMP_SYS(socketpair), IS(0, AF_UNIX),
		    MASKED(1, TYPE_MASK, SOCK_STREAM));
		ALLOW_IF(filter, SCMP_SYS(socketpair), IS(0, AF_UNIX),
		    MASKED(1, TYPE_MASK, SOCK_SEQPACKET));
	}
	/* Databases of this machine. */
	if (filter->roles & T)
		allow_socket(filter, AF_UNIX, SOCK_STREAM);
	/* The control socket. */
	if (filter->roles & S)
		allow_socket(filter, AF_UNIX, SOCK_SEQPACKET);
	/* systemd's NOTIFY_SOCKET */
	if (filter->roles & K)
		allow_socket(filter, AF_UNIX, SOCK_DGRAM);
	/* RTP ports and the control socket are the supervisor's. */
	if (filter->roles & S)
		allow_any(filter, SCMP_SYS(bind));
	else
		ALLOW_IF(filter, SCMP_SYS(bind), IS(2, NETLINK_NAME_LEN));
}

/* -- memory, threads, processes ---------------------------------------------------- */

static void
add_memory(struct filter *filter)
{
	if (filter->roles & K) {
		allow_any(filter, SCMP_SYS(mmap));
		allow_any(filter, SCMP_SYS(mprotect));
		return;
	}
	ALLOW_IF(filter, SCMP_SYS(mmap), MASKED(2, PROT_EXEC, 0));
	ALLOW_IF(filter, SCMP_SYS(mprotect), MASKED(2, PROT_EXEC, 0));
	/* A driver of a database is loaded when it is first needed. */
	if (filter->roles & T)
		ALLOW_IF(filter, SCMP_SYS(mmap),
		    MASKED(2, PROT_EXEC | PROT_WRITE, PROT_EXEC),
		    MASKED(3, MAP_ANONYMOUS, 0));
}

static void
add_processes(struct filter *filter)
{
	/* glibc takes ENOSYS for an old kernel, and uses clone. */
	add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, NULL);
	if (filter->roles & K) {
		ALLOW_IF(filter, SCMP_SYS(clone), MASKED(0, CLONE_NEW_ANY, 0));
		allow_any(filter, SCMP_SYS(execve));
		allow_any(filter, SCMP_SYS(execveat));
		allow_any(filter, SCMP_SYS(kill));
		allow_any(filter, SCMP_SYS(tgkill));
		return;
	}
	if (filter->roles & (T | S))
		ALLOW_IF(filter, SCMP_SYS(clone),
		    MASKED(
			0, CLONE_THREADLIKE | CLONE_NEW_ANY, CLONE_THREADLIKE));
	/* abort(3) */
	ALLOW_IF(filter, SCMP_SYS(kill), IS(0, getpid()));
	ALLOW_IF(filter, SCMP_SYS(tgkill), IS(0, getpid()));
}

/* -- calls that do many things -------------------------------------------------------- */

static void
allow_each(struct filter *filter, int call, unsigned int argument,
    const uint32_t *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ALLOW_IF(filter, call, IS(argument, values[i]));
}

#define ALLOW_EACH(filter, call, argument, values)                             \
	allow_each(filter, call, argument, values,                             \
	    sizeof(values) / sizeof((values)[0]))

static void
add_multiplexers(struct filter *filter)
{
	static const uint32_t fcntls[] = {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD,
	    F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW, F_OFD_GETLK,
	    F_OFD_SETLK, F_OFD_SETLKW, F_ADD_SEALS, F_GET_SEALS};
	static const uint32_t ioctls[] = {FIONBIO, FIONREAD, TCGETS};
	static const uint32_t prctls[] = {
	    PR_SET_NAME, PR_GET_NAME, PR_SET_VMA, PR_GET_DUMPABLE};
	static const uint32_t prctls_at_start[] = {PR_SET_DUMPABLE,
	    PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS,
	    PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_CAP_AMBIENT, PR_GET_SECCOMP,
	    PR_SET_SECCOMP};

	ALLOW_EACH(filter, SCMP_SYS(fcntl), 1, fcntls);
	ALLOW_EACH(filter, SCMP_SYS(ioctl), 1, ioctls);
	ALLOW_EACH(filter, SCMP_SYS(prctl), 0, prctls);
	if (filter->roles & K)
		ALLOW_EACH(filter, SCMP_SYS(prctl), 0, prctls_at_start);
	/* Who may not be dumped stays so. */
	if (prctl(PR_GET_DUMPABLE) == 1)
		ALLOW_IF(filter, SCMP_SYS(prctl), IS(0, PR_SET_DUMPABLE));
	else
		ALLOW_IF(filter, SCMP_SYS(prctl), IS(0, PR_SET_DUMPABLE),
		    MASKED(1, UINT64_MAX, 0));
	/* Of this process only. */
	ALLOW_IF(filter, SCMP_SYS(prlimit64), IS(0, 0));
	if (filter->roles & C)
		ALLOW_IF(filter, SCMP_SYS(sched_setscheduler), IS(0, 0));
}

/* -- all together ------------------------------------------------------------------------ */

static void
add_rows(struct filter *filter)
{
#define X(name, who)                                                           \
	if (filter->roles & (who))                                             \
		allow_any(filter, SCMP_SYS(name));
	SANDBOX_CALLS(X)
#undef X
	if (!sandbox_is_sanitized())
		return;
#define X(name) allow_any(filter, SCMP_SYS(name));
	SANDBOX_SANITIZER_CALLS(X)
#undef X
}

static bool
is_for_sanitizers(int call)
{
	static const int calls[] = {
#define X(name) SCMP_SYS(name),
	    SANDBOX_SANITIZER_CALLS(X)
#undef X
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (calls[i] == call)
			return sandbox_is_sanitized();
	}
	return false;
}

static void
add_deadly(struct filter *filter)
{
#define X(name)                                                                \
	if (!is_for_sanitizers(SCMP_SYS(name)))                                \
		add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(name), 0, NULL);
	SANDBOX_DEADLY(X)
#undef X
	if ((filter->roles & K) != 0)
		return;
	add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(execve), 0, NULL);
	add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(execveat), 0, NULL);
}

static unsigned int
letters(enum proc_role role)
{
	switch (role) {
	case PROC_ROLE_CALLWORKER:
		return C;
	case PROC_ROLE_TOOLWORKER:
		return T;
	case PROC_ROLE_SUPERVISOR:
		return S;
	case PROC_ROLE_KEEPER:
		return K | S | T | C;
	}
	return 0;
}

/*
 * What happens to a call of no list. The keeper's filter is its children's
 * before they can handle a trap, too, so the line that it costs is one of the
 * kernel's (type=1326).
 */
static uint32_t
other_calls(enum proc_role role, enum sandbox_mode mode)
{
	if (role == PROC_ROLE_KEEPER || !sandbox_trap_can_refuse())
		return mode == SANDBOX_KILL ? SCMP_ACT_KILL_PROCESS
					    : SCMP_ACT_ERRNO(EPERM);
	return SCMP_ACT_TRAP;
}

int
sandbox_filter_load(enum proc_role role, enum sandbox_mode mode)
{
	uint32_t other = other_calls(role, mode);
	struct filter filter = {
	    .context = seccomp_init(other),
	    .roles = letters(role),
	};

	if (filter.context == NULL)
		return -ENOMEM;
	filter.ret = seccomp_attr_set(
	    filter.context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (filter.ret == 0)
		filter.ret =
		    seccomp_attr_set(filter.context, SCMP_FLTATR_CTL_TSYNC, 1);
	if (filter.ret == 0)
		filter.ret = seccomp_attr_set(
		    filter.context, SCMP_FLTATR_CTL_OPTIMIZE, OPTIMIZE_TREE);
	/* Whoever cannot say what was refused leaves it to the kernel's log. */
	if (filter.ret == 0 && other != SCMP_ACT_TRAP)
		filter.ret =
		    seccomp_attr_set(filter.context, SCMP_FLTATR_CTL_LOG, 1);
	add_rows(&filter);
	add_sockets(&filter);
	add_memory(&filter);
	add_processes(&filter);
	add_multiplexers(&filter);
	if (other != SCMP_ACT_KILL_PROCESS)
		add_deadly(&filter);
	if (filter.ret == 0)
		filter.ret = seccomp_load(filter.context);
	seccomp_release(filter.context);
	/* It took some hundred kilobytes to think of it. */
	malloc_trim(0);
	return filter.ret;
}
