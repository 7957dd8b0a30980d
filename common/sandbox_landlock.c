/* SPDX-License-Identifier: MIT */
/*
 * sandbox_landlock.c – Landlock (landlock(7)) by its bare system calls.
 *
 * The constants are here because the headers of Debian 12 know ABI 2 and its
 * kernels of later releases know more. Invariant: a right is asked for only
 * if the ABI in use has it, so that an older kernel gives what it can.
 */
#include "common/sandbox_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	CREATE_VERSION = 1, /* LANDLOCK_CREATE_RULESET_VERSION */
	RULE_PATH = 1,
	RULE_PORT = 2,
	ABI_MIN = 2,
	ABI_MAX = 6, /* the newest that is used here */
	ABI_PORTS = 4,
	ABI_SCOPES = 6,
};

/* LANDLOCK_ACCESS_FS_…, in the order of their bits, with their first ABI. */
#define RIGHTS(X)                                                              \
	X(EXECUTE, 1)                                                          \
	X(WRITE_FILE, 1)                                                       \
	X(READ_FILE, 1)                                                        \
	X(READ_DIR, 1)                                                         \
	X(REMOVE_DIR, 1)                                                       \
	X(REMOVE_FILE, 1)                                                      \
	X(MAKE_CHAR, 1)                                                        \
	X(MAKE_DIR, 1)                                                         \
	X(MAKE_REG, 1)                                                         \
	X(MAKE_SOCK, 1)                                                        \
	X(MAKE_FIFO, 1)                                                        \
	X(MAKE_BLOCK, 1)                                                       \
	X(MAKE_SYM, 1)                                                         \
	X(REFER, 2)                                                            \
	X(TRUNCATE, 3)                                                         \
	X(IOCTL_DEV, 5)

enum {
#define X(name, abi) BIT_##name,
	RIGHTS(X)
#undef X
};

#define RIGHT(name) (UINT64_C(1) << BIT_##name)

static const int right_abi[] = {
#define X(name, abi) [BIT_##name] = (abi),
    RIGHTS(X)
#undef X
};

static const uint64_t file_rights =
    RIGHT(EXECUTE) | RIGHT(WRITE_FILE) | RIGHT(READ_FILE) | RIGHT(TRUNCATE);

enum {
	PORT_BIND = 1,
	PORT_CONNECT = 2,
	SCOPE_ABSTRACT_SOCKET = 1,
	SCOPE_SIGNAL = 2,
};

/* The kernel's structures; it takes a longer one whose rest is zero. */
struct ruleset {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

struct path_rule {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

struct port_rule {
	uint64_t allowed;
	uint64_t port;
};

int
sandbox_landlock_abi(void)
{
	const char *forced = getenv("TELEFONISTA_LANDLOCK_ABI");
	long abi = syscall(
	    SYS_landlock_create_ruleset, NULL, (size_t)0, CREATE_VERSION);

	if (abi > ABI_MAX)
		abi = ABI_MAX;
	if (forced != NULL) {
		long most = strtol(forced, NULL, 10);

		if (most >= 0 && most < abi)
			abi = most;
	}
	/* Less: ENOSYS, EOPNOTSUPP, a container's EPERM; or ABI 1, with which
	 * nothing can be moved from one folder to another. */
	return abi < ABI_MIN ? 0 : (int)abi;
}

/* What this ABI can forbid at all. */
static uint64_t
known_rights(int abi)
{
	uint64_t rights = 0;

	for (size_t i = 0; i < sizeof(right_abi) / sizeof(right_abi[0]); i++) {
		if (right_abi[i] <= abi)
			rights |= UINT64_C(1) << i;
	}
	return rights;
}

/*
 * The keeper's domain is its children's, too: it forbids only programs. To
 * move files from folder to folder is forbidden where it is not mentioned.
 */
static uint64_t
handled_rights(enum proc_role role, int abi)
{
	if (role == PROC_ROLE_KEEPER)
		return RIGHT(EXECUTE) | RIGHT(REFER);
	return known_rights(abi);
}

int
sandbox_landlock_new(int *fd_out, enum proc_role role, bool limit_ports)
{
	int abi = sandbox_landlock_abi();
	struct ruleset ruleset = {.fs = handled_rights(role, abi)};
	long fd;

	*fd_out = -1;
	if (abi == 0)
		return 0;
	if (abi >= ABI_PORTS)
		ruleset.net = PORT_BIND | (limit_ports ? PORT_CONNECT : 0);
	/* The keeper may have to talk to systemd by an abstract name. */
	if (abi >= ABI_SCOPES)
		ruleset.scoped =
		    SCOPE_SIGNAL |
		    (role == PROC_ROLE_KEEPER ? 0 : SCOPE_ABSTRACT_SOCKET);
	fd = syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);
	if (fd < 0)
		return -errno;
	*fd_out = (int)fd;
	return 0;
}

static uint64_t
translate(unsigned int rights)
{
	uint64_t access = 0;

	if (rights & SANDBOX_READ)
		access |= RIGHT(READ_FILE) | RIGHT(READ_DIR);
	if (rights & (SANDBOX_APPEND | SANDBOX_CHANGE))
		access |= RIGHT(WRITE_FILE) | RIGHT(MAKE_REG);
	if (rights & SANDBOX_CHANGE)
		access |= RIGHT(TRUNCATE) | RIGHT(REMOVE_FILE) |
			  RIGHT(REMOVE_DIR) | RIGHT(MAKE_DIR) |
			  RIGHT(MAKE_SOCK) | RIGHT(REFER);
	if (rights & SANDBOX_EXECUTE)
		access |= RIGHT(EXECUTE) | RIGHT(READ_FILE);
	return access;
}

int
sandbox_landlock_allow(
    int fd, enum proc_role role, unsigned int rights, const char *path)
{
	struct path_rule rule = {
	    .allowed = translate(rights) &
		       handled_rights(role, sandbox_landlock_abi()),
	};
	struct stat st;
	int ret = 0;

	rule.fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.fd < 0)
		return -errno;
	if (fstat(rule.fd, &st) < 0)
		ret = -errno;
	else if (!S_ISDIR(st.st_mode))
		rule.allowed &= file_rights;
	if (ret == 0 && rule.allowed != 0 &&
	    syscall(SYS_landlock_add_rule, fd, RULE_PATH, &rule, 0) < 0)
		ret = -errno;
	close(rule.fd);
	return ret;
}

int
sandbox_landlock_allow_port(int fd, unsigned int port)
{
	const struct port_rule rule = {.allowed = PORT_CONNECT, .port = port};

	if (sandbox_landlock_abi() < ABI_PORTS)
		return 0;
	if (syscall(SYS_landlock_add_rule, fd, RULE_PORT, &rule, 0) < 0)
		return -errno;
	return 0;
}

int
sandbox_landlock_enter(int fd)
{
	return syscall(SYS_landlock_restrict_self, fd, 0) < 0 ? -errno : 0;
}
