/* SPDX-License-Identifier: MIT */
/*
 * test_sandbox.c – a process that somebody took over: it enters the wall
 * exactly as its role does, and then does what it should not.
 */
#include "callworker/call_wall.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "common/startup.h"
#include "supervisor/keeper_wall.h"
#include "supervisor/spawn.h"
#include "supervisor/supervisor_wall.h"
#include "toolworker/tool_wall.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	KILLED = 1000, /* by SIGSYS */
	STRANGE = 1001,
	NO_WALL = 120, /* exit status */
	OUTPUT_SIZE = 4096,
	ABI_PORTS = 4,
	ABI_SCOPES = 6,
	LOGGED_MS = 3000, /* by the kernel, at most so late */
};

static struct {
	char folder[64];
	char secret[96]; /* a file that another role may read */
	char ca_file[96];
	char settings[96];  /* a folder: of the configuration and the tools */
	char tool[128];     /* a file in it, which names CA_FILE */
	char *other_memory; /* of a second process */
	pid_t other;
	int other_memfd; /* its number there */
	int listener;    /* bound, inherited */
	char output[OUTPUT_SIZE];
	pid_t taken; /* the process that was taken over last */
} world;

/* -- what one may try: 0 it worked, or errno ------------------------------- */

static int
result(long ret)
{
	return ret < 0 ? errno : 0;
}

static int
open_and_close(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return result(fd);
}

static int
open_of_other(const char *what, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)world.other, what);
	return open_and_close(path, flags);
}

static int
make_socket(int family, int type, int protocol)
{
	int fd = socket(family, type, protocol);

	if (fd >= 0)
		close(fd);
	return result(fd);
}

static int
try_nothing(void)
{
	return 0;
}

static int
try_secret(void)
{
	return open_and_close(world.secret, O_RDONLY);
}

static int
try_passwd(void)
{
	return open_and_close("/etc/passwd", O_RDONLY);
}

static int
try_new_file(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/new", world.folder);
	return open_and_close(path, O_WRONLY | O_CREAT);
}

static int
try_ca_file(void)
{
	return open_and_close(world.ca_file, O_RDONLY);
}

static int
try_system_ca(void)
{
	return open_and_close("/etc/ssl/certs", O_RDONLY | O_DIRECTORY);
}

static int
try_memory_file(void)
{
	return open_of_other("mem", O_RDWR);
}

static int
try_environment(void)
{
	return open_of_other("environ", O_RDONLY);
}

static int
try_memfd_of_other(void)
{
	char what[32];

	snprintf(what, sizeof(what), "fd/%d", world.other_memfd);
	return open_of_other(what, O_RDWR);
}

static int
try_read_memory(void)
{
	char byte;
	struct iovec ours = {.iov_base = &byte, .iov_len = 1};
	struct iovec theirs = {.iov_base = world.other_memory, .iov_len = 1};

	return result(process_vm_readv(world.other, &ours, 1, &theirs, 1, 0));
}

static int
try_trace(void)
{
	return result(ptrace(PTRACE_ATTACH, world.other, NULL, NULL));
}

static int
try_steal_descriptor(void)
{
	return result(syscall(SYS_pidfd_getfd, 0, world.other_memfd, 0));
}

static int
try_execute(void)
{
	static char name[] = "true";
	char *const argv[] = {name, NULL};

	return result(execv("/bin/true", argv));
}

static int
try_execute_descriptor(void)
{
	char *const argv[] = {NULL};

	return result(
	    syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, argv, 0));
}

/* A program in the folder of ours: this one, which then does nothing. */
static int
try_execute_own(void)
{
	static char name[] = "test_sandbox", nothing[] = "nothing";
	char *const argv[] = {name, nothing, NULL};
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		execv("/proc/self/exe", argv);
		_exit(NO_WALL);
	}
	waitpid(pid, &status, 0);
	return status == 0 ? 0 : STRANGE;
}

static int
try_bpf(void)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	return result(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
}

static int
try_mount(void)
{
	return result(mount("none", world.folder, "tmpfs", 0, NULL));
}

static int
try_keys(void)
{
	return result(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
}

static int
try_new_namespace(void)
{
	return result(unshare(CLONE_NEWUSER));
}

static int
try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return result(pid);
}

static void *
idle(void *arg)
{
	return arg;
}

static int
try_thread(void)
{
	pthread_t thread;
	int ret = pthread_create(&thread, NULL, idle, NULL);

	if (ret == 0)
		pthread_join(thread, NULL);
	return ret;
}

static int
try_listen(void)
{
	return result(listen(world.listener, 1));
}

static int
try_accept(void)
{
	return result(accept4(world.listener, NULL, NULL, SOCK_NONBLOCK));
}

static int
try_bind(void)
{
	const struct sockaddr_in any = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int ret;

	if (fd < 0)
		return STRANGE;
	ret = result(bind(fd, (const struct sockaddr *)&any, sizeof(any)));
	close(fd);
	return ret;
}

static int
try_tcp(void)
{
	return make_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int
try_tcp6(void)
{
	return make_socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
}

static int
try_udp(void)
{
	return make_socket(AF_INET, SOCK_DGRAM, 0);
}

static int
try_raw(void)
{
	return make_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static int
try_packet(void)
{
	return make_socket(AF_PACKET, SOCK_RAW, 0);
}

static int
try_unix(void)
{
	return make_socket(AF_UNIX, SOCK_STREAM, 0);
}

static int
try_control_socket(void)
{
	return make_socket(AF_UNIX, SOCK_SEQPACKET, 0);
}

/* Its halves could send to systemd's socket, or syslog's. */
static int
try_datagrams(void)
{
	int pair[2];

	return result(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
}

static int
map(int protection)
{
	void *page =
	    mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? errno : 0;
}

static int
try_map(void)
{
	return map(PROT_READ | PROT_WRITE);
}

static int
try_code(void)
{
	return map(PROT_READ | PROT_WRITE | PROT_EXEC);
}

static int
try_make_executable(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return STRANGE;
	return result(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static int
try_signal_parent(void)
{
	return result(kill(getppid(), 0));
}

static int
try_signal_everybody(void)
{
	return result(kill(-1, 0));
}

static int
try_signal_self(void)
{
	return result(kill(getpid(), 0));
}

static int
try_dumpable(void)
{
	return result(prctl(PR_SET_DUMPABLE, 1));
}

static int
try_limits_of_other(void)
{
	struct rlimit old;

	return result(prlimit(world.other, RLIMIT_CORE, NULL, &old));
}

static int
try_typing(void)
{
	return result(ioctl(STDIN_FILENO, TIOCSTI, "x"));
}

static int
try_remove(void)
{
	return result(unlink(world.secret));
}

static int
try_rename(void)
{
	return result(rename(world.secret, world.ca_file));
}

static int
try_priority(void)
{
	return result(setpriority(PRIO_PROCESS, 0, -5));
}

static int
try_unknown_call(void)
{
	return result(syscall(100000));
}

static int
try_is_dumpable(void)
{
	return prctl(PR_GET_DUMPABLE) == 0 ? 0 : STRANGE;
}

/* No core, no debugger: 0 if it holds. */
static int
try_to_be_dumped(void)
{
	struct rlimit core;

	if (getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_cur != 0 ||
	    core.rlim_max != 0)
		return STRANGE;
	return try_is_dumpable();
}

/* -- the process ----------------------------------------------------------- */

typedef int (*try_fn)(void);

static void
become(enum proc_role role, const char *mode)
{
	struct config config = {.audio_priority = false};
	char config_file[128];
	int ret = -EINVAL;

	snprintf(config.sandbox, sizeof(config.sandbox), "%s", mode);
	snprintf(
	    config.tools_dir, sizeof(config.tools_dir), "%s", world.settings);
	snprintf(config.asterisk_ca_file, sizeof(config.asterisk_ca_file), "%s",
	    world.ca_file);
	snprintf(config_file, sizeof(config_file), "%s/telefonista.env",
	    world.settings);
	log_init("unit", LOG_LEVEL_INFO);
	log_info("begins");
	if (role == PROC_ROLE_KEEPER) {
		setenv("SANDBOX", mode, 1);
		keeper_wall_hide_memory();
		(void)spawn_find_binaries();
		if (keeper_wall_enter() < 0)
			_exit(NO_WALL);
		return;
	}
	startup_lock_memory();
	if (role == PROC_ROLE_CALLWORKER)
		ret = call_wall_enter(
		    &config, "wss://localhost/v1", world.ca_file);
	else if (role == PROC_ROLE_TOOLWORKER)
		ret = tool_wall_enter(&config, config_file);
	else if (role == PROC_ROLE_SUPERVISOR)
		ret = supervisor_wall_enter(&config, config_file);
	if (ret < 0)
		_exit(NO_WALL);
}

/* 0: ATTEMPT worked, KILLED, or its errno; what it logged in world.output. */
static int
taken_over(enum proc_role role, const char *mode, try_fn attempt)
{
	int output[2];
	size_t len = 0;
	ssize_t n;
	int status;
	pid_t pid;

	assert_int_equal(pipe(output), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		int result[2] = {0, 0};

		dup2(output[1], STDERR_FILENO);
		become(role, mode);
		result[0] = attempt();
		/* As a line, since errno has more values than a status. */
		dprintf(STDERR_FILENO, "\nresult %d\n", result[0]);
		_exit(0);
	}
	assert_true(pid > 0);
	world.taken = pid;
	close(output[1]);
	while ((n = read(output[0], world.output + len,
		    sizeof(world.output) - 1 - len)) > 0)
		len += (size_t)n;
	world.output[len] = '\0';
	close(output[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? KILLED : STRANGE;
	if (WEXITSTATUS(status) != 0)
		return STRANGE;
	return atoi(strstr(world.output, "\nresult ") + 8);
}

static unsigned int
count(const char *text)
{
	unsigned int n = 0;

	for (const char *at = world.output; (at = strstr(at, text)) != NULL;
	     at++)
		n++;
	return n;
}

struct attempt {
	const char *name;
	try_fn fn;
	int callworker; /* what comes of it; EACCES: Landlock */
	int toolworker;
	int supervisor;
	int keeper;
};

#define ATTEMPT(try, callworker, toolworker, supervisor)                       \
	{                                                                      \
#try, try, callworker, toolworker, supervisor, 0               \
	}

static const struct attempt attempts[] = {
    ATTEMPT(try_nothing, 0, 0, 0),
    ATTEMPT(try_to_be_dumped, 0, 0, 0),
    ATTEMPT(try_ca_file, 0, 0, 0),
    ATTEMPT(try_system_ca, 0, 0, 0),
    ATTEMPT(try_tcp, 0, 0, 0),
    ATTEMPT(try_tcp6, 0, 0, 0),
    ATTEMPT(try_map, 0, 0, 0),
    ATTEMPT(try_signal_self, 0, 0, 0),
    /* glibc blocks all signals meanwhile: nobody can handle this one. */
    ATTEMPT(try_thread, KILLED, 0, 0),
    ATTEMPT(try_udp, EPERM, 0, 0),
    ATTEMPT(try_unix, EPERM, 0, EPERM),
    /* Another call's memory */
    ATTEMPT(try_memory_file, EACCES, EACCES, EACCES),
    ATTEMPT(try_environment, EACCES, EACCES, EACCES),
    ATTEMPT(try_memfd_of_other, EACCES, EACCES, EACCES),
    ATTEMPT(try_read_memory, KILLED, KILLED, KILLED),
    ATTEMPT(try_trace, KILLED, KILLED, KILLED),
    ATTEMPT(try_steal_descriptor, KILLED, KILLED, KILLED),
    /* Programs */
    ATTEMPT(try_execute, KILLED, KILLED, KILLED),
    ATTEMPT(try_execute_descriptor, KILLED, KILLED, KILLED),
    ATTEMPT(try_fork, EPERM, EPERM, EPERM),
    ATTEMPT(try_code, EPERM, EPERM, EPERM),
    ATTEMPT(try_make_executable, EPERM, EPERM, EPERM),
    /* The network */
    ATTEMPT(try_listen, EPERM, EPERM, 0),
    ATTEMPT(try_accept, EPERM, EPERM, EAGAIN),
    ATTEMPT(try_bind, EPERM, EPERM, EACCES),
    ATTEMPT(try_raw, EPERM, EPERM, EPERM),
    ATTEMPT(try_packet, EPERM, EPERM, EPERM),
    ATTEMPT(try_control_socket, EPERM, EPERM, 0),
    ATTEMPT(try_datagrams, EPERM, EPERM, EPERM),
    /* Others, and the system */
    ATTEMPT(try_signal_parent, EPERM, EPERM, EPERM),
    ATTEMPT(try_signal_everybody, EPERM, EPERM, EPERM),
    ATTEMPT(try_limits_of_other, EPERM, EPERM, EPERM),
    ATTEMPT(try_dumpable, EPERM, EPERM, EPERM),
    ATTEMPT(try_typing, EPERM, EPERM, EPERM),
    ATTEMPT(try_rename, EPERM, EPERM, EACCES),
    ATTEMPT(try_priority, EPERM, EPERM, EPERM),
    ATTEMPT(try_unknown_call, EPERM, EPERM, EPERM),
    ATTEMPT(try_bpf, KILLED, KILLED, KILLED),
    ATTEMPT(try_mount, KILLED, KILLED, KILLED),
    ATTEMPT(try_keys, KILLED, KILLED, KILLED),
    ATTEMPT(try_new_namespace, KILLED, KILLED, KILLED),
};

/* Where Landlock alone is in the way. */
static const struct attempt files[] = {
    ATTEMPT(try_secret, EACCES, EACCES, EACCES),
    ATTEMPT(try_passwd, EACCES, 0, EACCES),
    ATTEMPT(try_new_file, EACCES, EACCES, EACCES),
    ATTEMPT(try_remove, EPERM, EACCES, EACCES),
};

#define OF_KEEPER(try, result)                                                 \
	{                                                                      \
		.name = #try, .fn = try, .keeper = result                      \
	}

/* Its wall is about programs; what it reads are its children's secrets. */
static const struct attempt of_keeper[] = {
    OF_KEEPER(try_nothing, 0),
    OF_KEEPER(try_execute_own, 0),
    OF_KEEPER(try_is_dumpable, 0),
    OF_KEEPER(try_execute, EACCES),
    OF_KEEPER(try_execute_descriptor, EACCES),
    OF_KEEPER(try_memory_file, EACCES),
    OF_KEEPER(try_environment, EACCES),
    OF_KEEPER(try_memfd_of_other, EACCES),
    OF_KEEPER(try_signal_parent, EPERM),
    OF_KEEPER(try_limits_of_other, EPERM),
    OF_KEEPER(try_raw, EPERM),
    OF_KEEPER(try_packet, EPERM),
    OF_KEEPER(try_typing, EPERM),
    OF_KEEPER(try_priority, EPERM),
    OF_KEEPER(try_unknown_call, EPERM),
    OF_KEEPER(try_read_memory, KILLED),
    OF_KEEPER(try_trace, KILLED),
    OF_KEEPER(try_steal_descriptor, KILLED),
    OF_KEEPER(try_bpf, KILLED),
    OF_KEEPER(try_mount, KILLED),
    OF_KEEPER(try_keys, KILLED),
    OF_KEEPER(try_new_namespace, KILLED),
};

static void
expect(const struct attempt *attempt, enum proc_role role, int expected)
{
	int got = taken_over(role, "enforce", attempt->fn);

	if (got != expected)
		fail_msg("%s %s: %d, not %d\n%s", proc_role_name(role),
		    attempt->name, got, expected, world.output);
}

static int
expected_of(const struct attempt *attempt, enum proc_role role)
{
	if (role == PROC_ROLE_CALLWORKER)
		return attempt->callworker;
	if (role == PROC_ROLE_TOOLWORKER)
		return attempt->toolworker;
	/* Its RTP sockets are bound: TCP is Landlock's part, if it can. */
	if (attempt->fn == try_bind && sandbox_landlock_abi() < ABI_PORTS)
		return 0;
	return attempt->supervisor;
}

static void
expect_all(enum proc_role role)
{
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
		expect(&attempts[i], role, expected_of(&attempts[i], role));
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		expect(&files[i], role, expected_of(&files[i], role));
}

/* -- the tests ---------------------------------------------------------------- */

static void
a_callworker_that_was_taken_over_gets_nowhere(void **state)
{
	(void)state;
	expect_all(PROC_ROLE_CALLWORKER);
}

static void
a_toolworker_that_was_taken_over_gets_nowhere(void **state)
{
	(void)state;
	expect_all(PROC_ROLE_TOOLWORKER);
}

static void
a_supervisor_that_was_taken_over_gets_nowhere(void **state)
{
	(void)state;
	expect_all(PROC_ROLE_SUPERVISOR);
}

static void
expect_keeper(void)
{
	for (size_t i = 0; i < sizeof(of_keeper) / sizeof(of_keeper[0]); i++) {
		/* It signals its children: whom else is Landlock's part. */
		bool may = of_keeper[i].fn == try_signal_parent &&
			   sandbox_landlock_abi() < ABI_SCOPES;

		expect(&of_keeper[i], PROC_ROLE_KEEPER,
		    may ? 0 : of_keeper[i].keeper);
	}
}

static void
a_keeper_that_was_taken_over_gets_nowhere(void **state)
{
	(void)state;
	expect_keeper();
}

/* Debian 12's kernel has ABI 2. */
static void
with_an_older_landlock_walls_stand_as_well(void **state)
{
	(void)state;
	setenv("TELEFONISTA_LANDLOCK_ABI", "2", 1);
	expect_all(PROC_ROLE_CALLWORKER);
	expect_all(PROC_ROLE_TOOLWORKER);
	expect_all(PROC_ROLE_SUPERVISOR);
	expect_keeper();
	unsetenv("TELEFONISTA_LANDLOCK_ABI");
}

/* Where only the filter is left, and that no process is dumpable. */
static void
without_landlock_the_filter_stands(void **state)
{
	(void)state;
	setenv("TELEFONISTA_LANDLOCK_ABI", "0", 1);
	assert_int_equal(sandbox_landlock_abi(), 0);
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		if (attempts[i].callworker != EACCES)
			expect(&attempts[i], PROC_ROLE_CALLWORKER,
			    attempts[i].callworker);
	}
	unsetenv("TELEFONISTA_LANDLOCK_ABI");
}

static int
try_listen_often(void)
{
	for (int i = 0; i < 10; i++)
		try_listen();
	try_accept();
	return 0;
}

static void
what_is_refused_is_logged_once(void **state)
{
	(void)state;
	assert_int_equal(
	    taken_over(PROC_ROLE_CALLWORKER, "enforce", try_listen_often), 0);
	assert_int_equal(count("error: alarm=sandbox "), 2);
	assert_int_equal(count("syscall=listen number="), 1);
	assert_int_equal(count("syscall=accept4 number="), 1);
	taken_over(PROC_ROLE_CALLWORKER, "enforce", try_unknown_call);
	assert_int_equal(count("syscall=unknown number=100000\n"), 1);
	assert_int_equal(
	    taken_over(PROC_ROLE_CALLWORKER, "enforce", try_nothing), 0);
	assert_int_equal(count("sandbox"), 0);
}

/* What the kernel's audit (audit(8)) says, or -1 where we may not hear it. */
static int
hear_kernel(void)
{
	const struct sockaddr_nl group = {.nl_family = AF_NETLINK,
	    .nl_groups = 1 << (AUDIT_NLGRP_READLOG - 1)};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT);

	if (fd >= 0 &&
	    bind(fd, (const struct sockaddr *)&group, sizeof(group)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Whether the process that was taken over last is said to have made CALL. */
static bool
kernel_says(int fd, long call)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	char pid[32], number[32];
	char text[8192];

	snprintf(pid, sizeof(pid), " pid=%d ", (int)world.taken);
	snprintf(number, sizeof(number), " syscall=%ld ", call);
	while (poll(&ready, 1, LOGGED_MS) > 0) {
		ssize_t n = recv(fd, text, sizeof(text) - 1, 0);
		const char *message = text + NLMSG_HDRLEN;

		if (n <= NLMSG_HDRLEN)
			continue;
		text[n] = '\0';
		if (strstr(message, pid) != NULL &&
		    strstr(message, number) != NULL)
			return true;
	}
	return false;
}

static void
what_the_keeper_is_refused_is_in_the_kernels_log(void **state)
{
	int fd = hear_kernel();
	bool heard;

	(void)state;
	if (fd < 0)
		skip();
	/* A kernel without audit does not even say who was killed. */
	taken_over(PROC_ROLE_KEEPER, "enforce", try_trace);
	heard = kernel_says(fd, SYS_ptrace);
	if (heard) {
		taken_over(PROC_ROLE_KEEPER, "enforce", try_unknown_call);
		assert_true(kernel_says(fd, 100000));
	}
	close(fd);
	if (!heard)
		skip();
}

static void
in_tests_what_is_refused_is_the_end(void **state)
{
	(void)state;
	assert_int_equal(
	    taken_over(PROC_ROLE_CALLWORKER, "kill", try_listen_often), KILLED);
	assert_int_equal(count("syscall=listen number="), 1);
	assert_int_equal(
	    taken_over(PROC_ROLE_CALLWORKER, "kill", try_secret), EACCES);
}

static void
a_wall_can_be_left_out(void **state)
{
	(void)state;
	assert_int_equal(
	    taken_over(PROC_ROLE_CALLWORKER, "off", try_listen), 0);
	assert_int_equal(
	    taken_over(PROC_ROLE_CALLWORKER, "off", try_secret), 0);
}

/* -- the world around ------------------------------------------------------------- */

static void
write_tool(void)
{
	FILE *file;

	snprintf(
	    world.settings, sizeof(world.settings), "%s/etc", world.folder);
	assert_int_equal(mkdir(world.settings, 0700), 0);
	snprintf(
	    world.tool, sizeof(world.tool), "%s/tool.json", world.settings);
	file = fopen(world.tool, "w");
	assert_non_null(file);
	fprintf(file, "{\"executor\": {\"ca_file\": \"%s\"}}", world.ca_file);
	fclose(file);
}

static void
write_file(char *path, size_t size, const char *name)
{
	FILE *file;

	snprintf(path, size, "%s/%s", world.folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("a secret\n", file);
	fclose(file);
}

/* Somebody else's process, with something in memory and in a memfd. */
static void
start_other(void)
{
	world.other_memfd = memfd_create("journal", MFD_CLOEXEC);
	assert_true(world.other_memfd >= 0);
	world.other_memory = strdup("what another caller said");
	world.other = fork();
	if (world.other == 0) {
		startup_lock_memory();
		for (;;)
			pause();
	}
	assert_true(world.other > 0);
	close(world.other_memfd);
}

static int
make_world(void **state)
{
	const struct sockaddr_in any = {.sin_family = AF_INET};

	(void)state;
	snprintf(world.folder, sizeof(world.folder), "/tmp/sandbox.XXXXXX");
	assert_non_null(mkdtemp(world.folder));
	write_file(world.secret, sizeof(world.secret), "ari-password");
	write_file(world.ca_file, sizeof(world.ca_file), "ca.pem");
	write_tool();
	world.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(
	    bind(world.listener, (const struct sockaddr *)&any, sizeof(any)),
	    0);
	start_other();
	return 0;
}

static int
end_world(void **state)
{
	(void)state;
	kill(world.other, SIGKILL);
	waitpid(world.other, NULL, 0);
	free(world.other_memory);
	close(world.listener);
	unlink(world.secret);
	unlink(world.ca_file);
	unlink(world.tool);
	rmdir(world.settings);
	rmdir(world.folder);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_callworker_that_was_taken_over_gets_nowhere),
	    cmocka_unit_test(a_toolworker_that_was_taken_over_gets_nowhere),
	    cmocka_unit_test(a_supervisor_that_was_taken_over_gets_nowhere),
	    cmocka_unit_test(a_keeper_that_was_taken_over_gets_nowhere),
	    cmocka_unit_test(with_an_older_landlock_walls_stand_as_well),
	    cmocka_unit_test(without_landlock_the_filter_stands),
	    cmocka_unit_test(what_is_refused_is_logged_once),
	    cmocka_unit_test(what_the_keeper_is_refused_is_in_the_kernels_log),
	    cmocka_unit_test(in_tests_what_is_refused_is_the_end),
	    cmocka_unit_test(a_wall_can_be_left_out),
	};

	(void)argv;
	if (argc > 1)
		return 0; /* try_execute_own() */
	if (sandbox_is_sanitized()) {
		puts("not with sanitizers, whose walls have holes");
		return 0;
	}
	return cmocka_run_group_tests(tests, make_world, end_world);
}
