/* SPDX-License-Identifier: MIT */
/*
 * spawn.c – fork and exec of a role's binary.
 *
 * Invariant: between fork and exec only async-signal-safe calls, and the
 * child has no descriptor but 0, 1, 2 and those of common/proc.h.
 */
#include "supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
	EXEC_MS = 2000, /* for the kernel to read the program */
};

static struct {
	char keeper[SPAWN_PATH_SIZE]; /* "" if it has no name */
	char folder[4096];            /* of the other roles */
} spawner;

/* What has our name now; we ourselves may have been replaced. */
static void
keep_own_path(const char *path)
{
	static const char deleted[] = " (deleted)";
	size_t len = strlen(path), tail = sizeof(deleted) - 1;

	if (len > tail && strcmp(path + len - tail, deleted) == 0)
		len -= tail;
	snprintf(
	    spawner.keeper, sizeof(spawner.keeper), "%.*s", (int)len, path);
}

int
spawn_find_binaries(void)
{
	char path[4096 + 32];
	char *slash;
	ssize_t n = readlink(
	    "/proc/self/exe", spawner.folder, sizeof(spawner.folder) - 1);

	if (n < 0)
		return -errno;
	spawner.folder[n] = '\0';
	keep_own_path(spawner.folder);
	slash = strrchr(spawner.folder, '/');
	if (slash != NULL)
		*slash = '\0';
	snprintf(
	    path, sizeof(path), "%s/telefonista-supervisor", spawner.folder);
	if (access(path, X_OK) == 0)
		return 0;
	snprintf(
	    spawner.folder, sizeof(spawner.folder), "%s", TELEFONISTA_LIBEXEC);
	snprintf(
	    path, sizeof(path), "%s/telefonista-supervisor", spawner.folder);
	return access(path, X_OK) == 0 ? 0 : -errno;
}

/* Puts FD at NUMBER for the exec; an FD of -1 leaves NUMBER closed. */
static int
place(int fd, int number)
{
	return fd < 0 ? 0 : dup2(fd, number);
}

static void
child_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	for (int sig = 1; sig < NSIG; sig++) {
		if (sig != SIGKILL && sig != SIGSTOP)
			signal(sig, SIG_DFL);
	}
	/* Not to die of them before it handles them, and after it did. */
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child. Never returns; reports errno of exec through ERROR_FD. */
static _Noreturn void
child_exec(const struct spawn_descriptors *descriptors, int binary,
    int error_fd, pid_t keeper, char *const argv[])
{
	/* Out of the way of the numbers that are about to be placed. */
	int channel = fcntl(descriptors->channel, F_DUPFD, 16);
	int secrets = descriptors->secrets < 0
			  ? -1
			  : fcntl(descriptors->secrets, F_DUPFD, 16);
	int memory = descriptors->memory < 0
			 ? -1
			 : fcntl(descriptors->memory, F_DUPFD, 16);
	int report = fcntl(error_fd, F_DUPFD, 16);
	int image = binary < 0 ? -1 : fcntl(binary, F_DUPFD, 16);
	int null_low = open("/dev/null", O_RDONLY);
	int null = fcntl(null_low, F_DUPFD, 16);
	int failure;

	setpgid(0, 0);
	child_signals();
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != keeper)
		_exit(PROC_EXIT_ORPHAN);
	if (channel < 0 || report < 0 || null < 0 ||
	    (secrets < 0 && descriptors->secrets >= 0) ||
	    (memory < 0 && descriptors->memory >= 0) ||
	    (image < 0 && binary >= 0)) {
		report = error_fd;
		goto fail;
	}
	close_range(3, 15, 0);
	if (dup2(null, STDIN_FILENO) < 0 ||
	    place(channel, PROC_FD_CHANNEL) < 0 ||
	    place(secrets, PROC_FD_SECRETS) < 0 ||
	    place(memory, PROC_FD_MEMORY) < 0)
		goto fail;
	report = dup2(report, PROC_FD_COUNT);
	if (image >= 0)
		image = dup2(image, PROC_FD_COUNT + 1);
	close_range(PROC_FD_COUNT + (image >= 0 ? 2 : 1), ~0u, 0);
	fcntl(report, F_SETFD, FD_CLOEXEC);
	if (image < 0) {
		execv(argv[0], argv);
	} else {
		fcntl(image, F_SETFD, FD_CLOEXEC);
		execveat(image, "", argv, environ, AT_EMPTY_PATH);
	}
fail:
	failure = errno;
	(void)!write(report, &failure, sizeof(failure));
	_exit(127);
}

/*
 * Reads what exec said: nothing (it worked, the pipe closed) or its errno. A
 * disk that hangs is not waited for: who never says hello is killed.
 */
static int
exec_result(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	int failure = 0;
	ssize_t n;

	if (poll(&pfd, 1, EXEC_MS) == 0)
		return 0;
	do
		n = read(fd, &failure, sizeof(failure));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(failure) ? -failure : 0;
}

/* What a role is started with; NULL-terminated. */
struct command {
	char path[SPAWN_PATH_SIZE];
	char *argv[5];
};

void
spawn_path(char path[SPAWN_PATH_SIZE], enum proc_role role)
{
	if (role == PROC_ROLE_KEEPER)
		snprintf(path, SPAWN_PATH_SIZE, "%s", spawner.keeper);
	else
		snprintf(path, SPAWN_PATH_SIZE, "%s/telefonista-%s",
		    spawner.folder, proc_role_name(role));
}

static void
command_fill(struct command *command, enum proc_role role,
    const char *config_file, const char *extra)
{
	int argc = 0;

	memset(command->argv, 0, sizeof(command->argv));
	spawn_path(command->path, role);
	command->argv[argc++] = command->path;
	/* execv(3) does not write to its arguments. */
	if (config_file != NULL) {
		command->argv[argc++] = (char *)(uintptr_t) "--config";
		command->argv[argc++] = (char *)(uintptr_t)config_file;
	}
	if (extra != NULL)
		command->argv[argc] = (char *)(uintptr_t)extra;
}

pid_t
spawn(enum proc_role role, const struct spawn_descriptors *descriptors,
    const char *config_file)
{
	return spawn_binary(role, -1, descriptors, config_file, NULL);
}

pid_t
spawn_binary(enum proc_role role, int binary,
    const struct spawn_descriptors *descriptors, const char *config_file,
    const char *argument)
{
	struct command command;
	int pipe_fds[2], ret;
	pid_t keeper = getpid();
	pid_t pid;

	command_fill(&command, role, config_file, argument);
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		child_exec(
		    descriptors, binary, pipe_fds[1], keeper, command.argv);
	ret = pid < 0 ? -errno : 0;
	close(pipe_fds[1]);
	if (pid > 0)
		ret = exec_result(pipe_fds[0]);
	close(pipe_fds[0]);
	return ret < 0 ? ret : pid;
}

int
spawn_replace(
    enum proc_role role, const char *config_file, const char *argument)
{
	struct command command;

	command_fill(&command, role, config_file, argument);
	execv(command.path, command.argv);
	perror(command.path);
	return PROC_EXIT_INTERNAL;
}
