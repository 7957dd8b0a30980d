/* SPDX-License-Identifier: MIT */
/*
 * intruder.c – a process of a role that somebody took over, beside a running
 * service: tests/e2e/test_walls.py starts it. Not installed.
 *
 * Usage: intruder ROLE CONFIG URL CA_FILE [VERB ARGUMENT]...
 *
 * It reads its settings and enters its wall as the role does, then tries each
 * VERB and prints a line for it: "VERB ARGUMENT NUMBER", the errno or 0.
 */
#include "callworker/call_wall.h"
#include "common/log.h"
#include "common/startup.h"
#include "supervisor/supervisor_wall.h"
#include "toolworker/tool_wall.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	FIRST_ATTEMPT = 5,
	BAD_USAGE = 64,
};

static int
enter(const char *role, const char *file, const char *url, const char *ca_file)
{
	static struct config config;

	startup_lock_memory();
	if (strcmp(role, "callworker") == 0) {
		startup_load_config(
		    &config, file, PROC_ROLE_CALLWORKER, LOG_LEVEL_DEBUG);
		return call_wall_enter(&config, url, ca_file);
	}
	if (strcmp(role, "toolworker") == 0) {
		startup_load_config(
		    &config, file, PROC_ROLE_TOOLWORKER, LOG_LEVEL_DEBUG);
		return tool_wall_enter(&config, file);
	}
	startup_load_config(
	    &config, file, PROC_ROLE_SUPERVISOR, LOG_LEVEL_DEBUG);
	return supervisor_wall_enter(&config, file);
}

static int
open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? errno : 0;
}

static int
connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int ret;

	if (fd < 0)
		return errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	ret = connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0
		  ? errno
		  : 0;
	close(fd);
	return ret;
}

static int
attempt(const char *verb, const char *argument)
{
	pid_t pid = (pid_t)strtol(argument, NULL, 10);

	if (strcmp(verb, "read") == 0)
		return open_file(argument, O_RDONLY);
	if (strcmp(verb, "write") == 0)
		return open_file(argument, O_WRONLY);
	if (strcmp(verb, "connect") == 0)
		return connect_to(argument);
	if (strcmp(verb, "signal") == 0)
		return kill(pid, 0) < 0 ? errno : 0;
	if (strcmp(verb, "peek") == 0) {
		char byte;
		struct iovec to = {.iov_base = &byte, .iov_len = 1};

		return process_vm_readv(pid, &to, 1, &to, 1, 0) < 0 ? errno : 0;
	}
	exit(BAD_USAGE);
}

int
main(int argc, char **argv)
{
	log_init("intruder", LOG_LEVEL_INFO);
	log_info("begins");
	if (argc < FIRST_ATTEMPT ||
	    enter(argv[1], argv[2], argv[3], argv[4]) < 0)
		return BAD_USAGE;
	for (int i = FIRST_ATTEMPT; i + 1 < argc; i += 2) {
		printf("%s %s %d\n", argv[i], argv[i + 1],
		    attempt(argv[i], argv[i + 1]));
		fflush(stdout);
	}
	return 0;
}
