/* SPDX-License-Identifier: MIT */
/*
 * secret.c – moves secrets from the environment into memfds, one per role.
 *
 * Invariant: after secret_take_environment() no secret is readable in
 * /proc/PID/environ of this process or of any child.
 */
#include "common/secret.h"

#include "common/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	/* Workers share the file: none may change what the next one reads. */
	SEALS = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL,
};

static const struct {
	const char *key;
	enum proc_role role;
} secrets[] = {
#define X(key, role) {#key, PROC_ROLE_##role},
    SECRET_TABLE(X)
#undef X
};

/* The names of settings, some of which begin like a tool's secret. */
static const char *const settings[] = {
#define X(member, key, kind, dflt, min, max, what) #key,
    CONFIG_TABLE(X)
#undef X
};

static bool
is_setting(const char *key, size_t len)
{
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (strlen(settings[i]) == len &&
		    memcmp(settings[i], key, len) == 0)
			return true;
	}
	return false;
}

/* TOOL_…, of A-Z, 0-9 and '_'. */
static bool
is_tool_secret(const char *key, size_t len)
{
	static const char file[] = "_FILE";
	size_t prefix = sizeof(SECRET_TOOL_PREFIX) - 1;

	if (len <= prefix || len > SECRET_KEY_MAX ||
	    memcmp(key, SECRET_TOOL_PREFIX, prefix) != 0)
		return false;
	for (size_t i = prefix; i < len; i++) {
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", key[i]) ==
		    NULL)
			return false;
	}
	return (len < sizeof(file) ||
		   memcmp(key + len - 5, file, sizeof(file) - 1) != 0) &&
	       !is_setting(key, len);
}

bool
secret_find(const char *key, size_t len, enum proc_role *role_out)
{
	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		if (strlen(secrets[i].key) != len ||
		    memcmp(secrets[i].key, key, len) != 0)
			continue;
		*role_out = secrets[i].role;
		return true;
	}
	*role_out = PROC_ROLE_TOOLWORKER;
	return is_tool_secret(key, len);
}

bool
secret_is_memfd(int fd)
{
	static const char name[] = "/memfd:secrets";
	char path[32];
	char link[64];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlink(path, link, sizeof(link));
	return len >= (ssize_t)sizeof(name) - 1 &&
	       memcmp(link, name, sizeof(name) - 1) == 0;
}

static int
append_line(int *fd, const char *line, size_t len)
{
	if (*fd < 0) {
		*fd = memfd_create("secrets", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		if (*fd < 0)
			return -errno;
	}
	if (write(*fd, line, len) != (ssize_t)len || write(*fd, "\n", 1) != 1)
		return errno != 0 ? -errno : -EIO;
	return 0;
}

/* Removes *VAR from the environment's array; its bytes stay with the caller. */
static void
remove_variable(char **var)
{
	do {
		var[0] = var[1];
	} while (*var++ != NULL);
}

/*
 * A value of several lines would become one of its first line: it shall be
 * seen to be none, as in any other source.
 */
static void
mark_line_ends(char *line)
{
	for (; *line != '\0'; line++) {
		if (*line == '\n')
			*line = '\r';
	}
}

int
secret_take_environment(int fds_out[PROC_ROLE_COUNT])
{
	char **var = environ;
	enum proc_role role;
	int found = 0;

	for (int i = 0; i < PROC_ROLE_COUNT; i++)
		fds_out[i] = -1;
	while (*var != NULL) {
		char *line = *var;
		int ret;

		if (!secret_find(line, strcspn(line, "="), &role)) {
			var++;
			continue;
		}
		if (role == PROC_ROLE_TOOLWORKER)
			mark_line_ends(line);
		ret = append_line(&fds_out[role], line, strlen(line));
		/* Who starts first shall know of it, but not what it is. */
		if (ret == 0 && role != PROC_ROLE_SUPERVISOR &&
		    line[strcspn(line, "=")] != '\0')
			ret = append_line(&fds_out[PROC_ROLE_SUPERVISOR], line,
			    strcspn(line, "="));
		explicit_bzero(line, strlen(line));
		remove_variable(var);
		if (ret < 0)
			return ret;
		found++;
	}
	for (int i = 0; i < PROC_ROLE_COUNT; i++) {
		if (fds_out[i] >= 0 &&
		    fcntl(fds_out[i], F_ADD_SEALS, SEALS) < 0)
			return -errno;
	}
	return found;
}
