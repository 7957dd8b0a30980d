/* SPDX-License-Identifier: MIT */
/*
 * keeper_rig.h – a keeper as a real process with real children.
 *
 * The test program is copied beside itself as telefonista (which runs the
 * keeper), telefonista-supervisor and telefonista-callworker. A copy that is
 * a child reports to the test what it finds, hands over its channel, and then
 * waits for its end; so the test speaks with the keeper as the supervisor.
 */
#ifndef TESTS_UNIT_KEEPER_RIG_H
#define TESTS_UNIT_KEEPER_RIG_H

#include "common/clock.h"
#include "common/log.h"
#include "supervisor/keeper.h"
#include "supervisor/keeper_link.h"
#include "supervisor/spawn.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	PATIENCE_MS = 20000, /* of a busy machine */
};

/* What a child tells the test first. */
struct report {
	pid_t pid;
	pid_t parent;
	pid_t group;
	uint32_t descriptors; /* mask of those below 32 */
	bool stdin_is_null;
	char role[32];
	char argument[128];
	char secrets[64];
};

/* A child, as the test sees it. */
struct child {
	int control; /* closed by its death */
	int channel; /* its PROC_FD_CHANNEL */
	struct report report;
};

static struct {
	char folder[64];
	int control; /* where children report */
	int notify;  /* as systemd */
	pid_t keeper;
	struct child supervisor;
} rig;

/* -- the copies --------------------------------------------------------------------- */

/* An abstract address of this test, KIND 'c' for control, 'n' for notify. */
static inline socklen_t
address_of(char kind, const char *owner, struct sockaddr_un *address)
{
	int n;

	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	n = snprintf(address->sun_path + 1, sizeof(address->sun_path) - 1,
	    "telefonista-test-%c-%s", kind, owner);
	return (
	    socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

static inline uint32_t
descriptor_mask(void)
{
	uint32_t mask = 0;

	for (int fd = 0; fd < 32; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			mask |= 1u << fd;
	}
	return mask;
}

static inline bool
is_null_device(int fd)
{
	struct stat st, null;

	return fstat(fd, &st) == 0 && stat("/dev/null", &null) == 0 &&
	       st.st_rdev == null.st_rdev && S_ISCHR(st.st_mode);
}

static inline void
fill_report(struct report *report, const char *role, int argc, char **argv)
{
	memset(report, 0, sizeof(*report));
	report->pid = getpid();
	report->parent = getppid();
	report->group = getpgrp();
	report->descriptors = descriptor_mask();
	report->stdin_is_null = is_null_device(STDIN_FILENO);
	snprintf(report->role, sizeof(report->role), "%s", role);
	for (int i = 1; i < argc; i++)
		snprintf(report->argument + strlen(report->argument),
		    sizeof(report->argument) - strlen(report->argument), "%s ",
		    argv[i]);
	if (pread(PROC_FD_SECRETS, report->secrets, sizeof(report->secrets) - 1,
		0) < 0)
		report->secrets[0] = '\0';
}

/* Reports, hands the channel over, and exits with the status it is told. */
static inline void
be_child(const char *role, int argc, char **argv)
{
	struct report report;
	struct sockaddr_un address;
	socklen_t len = address_of('c', getenv("UNIT_OWNER"), &address);
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = {{0}};
	struct iovec iov = {&report, sizeof(report)};
	struct msghdr msg = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.buf,
	    .msg_controllen = sizeof(control.buf)};
	int fd, status = 0, channel = PROC_FD_CHANNEL;

	if (getenv("UNIT_STUBBORN") != NULL)
		signal(SIGTERM, SIG_IGN);
	fill_report(&report, role, argc, argv);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&address, len) < 0)
		_exit(99);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &channel, sizeof(channel));
	if (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0)
		_exit(98);
	if (recv(fd, &status, sizeof(status), 0) != sizeof(status))
		_exit(97);
	_exit(status);
}

static inline void
be_keeper(void)
{
	struct keeper_config config = {.config_file = "/etc/unit.env"};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	log_init("keeper", (enum log_level)0);
	for (int i = 0; i < PROC_ROLE_COUNT; i++)
		config.secrets[i] = -1;
	config.secrets[PROC_ROLE_SUPERVISOR] =
	    memfd_create("secrets", MFD_CLOEXEC);
	(void)!write(config.secrets[PROC_ROLE_SUPERVISOR], "PASSWORD=x\n", 11);
	if (spawn_find_binaries() < 0)
		_exit(96);
	if (getenv("UNIT_MISSING") != NULL)
		unlink(getenv("UNIT_MISSING"));
	_exit(keeper_run(&config));
}

/* -- the test's side ------------------------------------------------------------------ */

static inline int
open_socket(char kind, int type)
{
	char owner[16];
	struct sockaddr_un address;
	socklen_t len;
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	snprintf(owner, sizeof(owner), "%d", (int)getpid());
	len = address_of(kind, owner, &address);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	if (type == SOCK_SEQPACKET)
		assert_int_equal(listen(fd, 64), 0);
	return fd;
}

static inline bool
readable(int fd, int timeout_ms)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	return poll(&pfd, 1, timeout_ms) == 1;
}

/* The next child that reports. */
static inline struct child
accept_child(const char *role)
{
	struct child child = {.channel = -1};
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = {{0}};
	struct iovec iov = {&child.report, sizeof(child.report)};
	struct msghdr msg = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.buf,
	    .msg_controllen = sizeof(control.buf)};

	assert_true(readable(rig.control, PATIENCE_MS));
	child.control = accept4(rig.control, NULL, NULL, SOCK_CLOEXEC);
	assert_true(child.control >= 0);
	assert_int_equal(recvmsg(child.control, &msg, MSG_CMSG_CLOEXEC),
	    sizeof(child.report));
	memcpy(&child.channel, CMSG_DATA(&control.header), sizeof(int));
	assert_string_equal(child.report.role, role);
	return child;
}

static inline void
forget(struct child *child)
{
	if (child->channel >= 0)
		close(child->channel);
	if (child->control >= 0)
		close(child->control);
	child->channel = child->control = -1;
}

/* Ends it with STATUS and waits until it is dead. */
static inline void
end_child(struct child *child, int status)
{
	char c;

	/* As when a process ends: nobody has its channel any more. */
	close(child->channel);
	child->channel = -1;
	assert_int_equal(
	    send(child->control, &status, sizeof(status), MSG_NOSIGNAL),
	    sizeof(status));
	assert_true(readable(child->control, PATIENCE_MS));
	assert_true(recv(child->control, &c, 1, 0) <= 0);
	forget(child);
}

static inline void
kill_child(struct child *child)
{
	char c;

	close(child->channel);
	child->channel = -1;
	kill(child->report.pid, SIGKILL);
	assert_true(readable(child->control, PATIENCE_MS));
	assert_true(recv(child->control, &c, 1, 0) <= 0);
	forget(child);
}

static inline void
order(struct keeper_message message, int fd)
{
	assert_int_equal(
	    keeper_link_send(rig.supervisor.channel, &message, fd), 0);
}

/* The keeper's next report, which must be OP; *FD_OUT may be NULL. */
static inline struct keeper_message
expect(enum keeper_op op, int *fd_out)
{
	struct keeper_message message = {0};
	int fd = -1;

	assert_true(readable(rig.supervisor.channel, PATIENCE_MS));
	assert_int_equal(
	    keeper_link_receive(rig.supervisor.channel, &message, &fd), 1);
	assert_int_equal(message.op, op);
	if (fd_out != NULL)
		*fd_out = fd;
	else if (fd >= 0)
		close(fd);
	return message;
}

static inline void
accept_supervisor(void)
{
	rig.supervisor = accept_child("supervisor");
}

static inline struct child
spawn_worker(struct keeper_message *spawned_out)
{
	order(
	    (struct keeper_message){
		.op = KEEPER_SPAWN, .seq = 7, .role = PROC_ROLE_CALLWORKER},
	    -1);
	*spawned_out = expect(KEEPER_SPAWNED, NULL);
	assert_int_equal(spawned_out->seq, 7);
	return accept_child("callworker");
}

/* Waits for the keeper's end; its exit status. */
static inline int
keeper_status(void)
{
	uint64_t end_ms = clock_now_ms() + PATIENCE_MS;
	int status = -1;

	while (waitpid(rig.keeper, &status, WNOHANG) == 0) {
		assert_true(clock_now_ms() < end_ms);
		poll(NULL, 0, 5);
	}
	rig.keeper = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline void
assert_notified(const char *text)
{
	char got[256];
	ssize_t n;

	assert_true(readable(rig.notify, PATIENCE_MS));
	n = recv(rig.notify, got, sizeof(got) - 1, 0);
	assert_true(n > 0);
	got[n] = '\0';
	assert_string_equal(got, text);
}

static inline void
start_keeper(void)
{
	char path[128], owner[16], notify[64];

	snprintf(path, sizeof(path), "%s/telefonista", rig.folder);
	snprintf(owner, sizeof(owner), "%d", (int)getpid());
	snprintf(notify, sizeof(notify), "@telefonista-test-n-%s", owner);
	rig.keeper = fork();
	assert_true(rig.keeper >= 0);
	if (rig.keeper == 0) {
		setenv("UNIT_OWNER", owner, 1);
		setenv("NOTIFY_SOCKET", notify, 1);
		execl(path, path, (char *)NULL);
		_exit(95);
	}
}

static inline void
open_sockets(void)
{
	rig.control = open_socket('c', SOCK_SEQPACKET);
	rig.notify = open_socket('n', SOCK_DGRAM);
	rig.supervisor = (struct child){.control = -1, .channel = -1};
}

/* There is no supervisor when the keeper begins. */
static inline int
setup_missing(void **state)
{
	char path[128];

	(void)state;
	open_sockets();
	snprintf(path, sizeof(path), "%s/telefonista-supervisor", rig.folder);
	setenv("UNIT_MISSING", path, 1);
	start_keeper();
	unsetenv("UNIT_MISSING");
	return 0;
}

static inline int
setup(void **state)
{
	(void)state;
	open_sockets();
	start_keeper();
	accept_supervisor();
	expect(KEEPER_TABLE_END, NULL);
	return 0;
}

static inline int
setup_stubborn(void **state)
{
	int ret;

	setenv("UNIT_STUBBORN", "1", 1);
	ret = setup(state);
	unsetenv("UNIT_STUBBORN");
	return ret;
}

static inline int
teardown(void **state)
{
	(void)state;
	if (rig.keeper != 0) {
		kill(rig.keeper, SIGKILL);
		waitpid(rig.keeper, NULL, 0);
	}
	forget(&rig.supervisor);
	close(rig.control);
	close(rig.notify);
	return 0;
}

/* -- copies and start ------------------------------------------------------------------------------ */

static inline void
copy_self(const char *name)
{
	static char buf[65536];
	char path[128];
	ssize_t n;
	int in, out;

	snprintf(path, sizeof(path), "%s/%s", rig.folder, name);
	in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	out = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	if (in < 0 || out < 0)
		abort();
	while ((n = read(in, buf, sizeof(buf))) > 0) {
		if (write(out, buf, (size_t)n) != n)
			abort();
	}
	close(in);
	close(out);
}

static const char *const copies[] = {
    "telefonista", "telefonista-supervisor", "telefonista-callworker"};

static inline int
group_setup(void **state)
{
	(void)state;
	snprintf(rig.folder, sizeof(rig.folder), "/tmp/telefonista-XXXXXX");
	if (mkdtemp(rig.folder) == NULL)
		return -1;
	for (size_t i = 0; i < 3; i++)
		copy_self(copies[i]);
	return 0;
}

static inline int
group_teardown(void **state)
{
	char path[128];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", rig.folder, copies[i]);
		unlink(path);
	}
	return rmdir(rig.folder);
}

/* In main(), first: a copy never returns from here. */
static inline void
be_copy(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');

	name = name == NULL ? argv[0] : name + 1;
	if (strcmp(name, "telefonista") == 0)
		be_keeper();
	if (strncmp(name, "telefonista-", 12) == 0)
		be_child(name + 12, argc, argv);
}

#endif
