/* SPDX-License-Identifier: MIT */
/* supervisor_wall.c – what the supervisor needs from behind its wall. */
#include "supervisor/supervisor_wall.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "common/sandbox_paths.h"
#include "common/secret_files.h"
#include "supervisor/control.h"
#include "supervisor/record_file.h"
#include "supervisor/records.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LOOK_MS = 5000, /* between two looks */
};

/* What the resolver reads again when somebody has changed it. */
static const char *const names[] = {"/etc/resolv.conf", "/etc/hosts"};

static struct {
	char log_file[CONFIG_TEXT_MAX]; /* whose folder was allowed */
	uint64_t looked_ms; /* for what was replaced; UINT64_MAX: found */
} wall;

typedef void (*path_fn)(const char *path, void *arg);

static void
folder_of(const char *path, char *folder, size_t size)
{
	char *slash;

	snprintf(folder, size, "%s", path);
	slash = strrchr(folder, '/');
	if (slash != NULL)
		slash[slash == folder] = '\0';
}

/* What is read again when the operator says so: FN for each. */
static void
each_source(
    const struct config *config, const char *config_file, path_fn fn, void *arg)
{
	char path[PATH_MAX];
	char folder[PATH_MAX];

	if (config_file != NULL) {
		folder_of(config_file, folder, sizeof(folder));
		fn(folder, arg);
	}
	config_dir(config->tools_dir, "tools.d", path, sizeof(path));
	fn(path, arg);
	config_dir(config->persona_dir, "personas", path, sizeof(path));
	fn(path, arg);
	config_dir(config->routers_file, "routers.json", path, sizeof(path));
	folder_of(path, folder, sizeof(folder));
	fn(folder, arg);
	if (config->asterisk_ca_file[0] != '\0')
		fn(config->asterisk_ca_file, arg);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		fn(names[i], arg);
	secret_files_each(PROC_ROLE_SUPERVISOR, config_file, fn, arg);
}

static void
allow_source(const char *path, void *arg)
{
	sandbox_allow(arg, SANDBOX_READ, path);
}

static void
allow_system(struct sandbox *sandbox)
{
	static const char *const read[] = {
	    "/proc", /* whether somebody debugs a worker */
	    "/etc/odbcinst.ini",
	    "/etc/odbc.ini",
	};
	const char *odbc = getenv("ODBCSYSINI");

	for (size_t i = 0; i < sizeof(read) / sizeof(read[0]); i++)
		sandbox_allow(sandbox, SANDBOX_READ, read[i]);
	if (odbc != NULL)
		sandbox_allow(sandbox, SANDBOX_READ, odbc);
}

/* Made now, since what is not there cannot be allowed. */
static void
allow_records(struct sandbox *sandbox, const struct config *config)
{
	char folder[RECORD_FOLDER_MAX];

	records_folder(config->records_dir, folder, sizeof(folder));
	if (folder[0] == '\0')
		return;
	if (mkdir(folder, 0750) < 0 && errno != EEXIST)
		return; /* records_new() says so */
	sandbox_allow(sandbox, SANDBOX_READ | SANDBOX_CHANGE, folder);
}

int
supervisor_wall_enter(const struct config *config, const char *config_file)
{
	struct sandbox *sandbox;
	char path[PATH_MAX];
	int ret = sandbox_new(&sandbox, PROC_ROLE_SUPERVISOR,
	    sandbox_mode_by_name(config->sandbox));

	if (ret < 0)
		return ret;
	snprintf(
	    wall.log_file, sizeof(wall.log_file), "%s", config->log_file_path);
	sandbox_allow_basics(sandbox, config->log_file_path);
	sandbox_allow_tls(sandbox, NULL);
	allow_system(sandbox);
	each_source(config, config_file, allow_source, sandbox);
	allow_records(sandbox, config);
	control_path(config->control_socket, path, sizeof(path));
	sandbox_allow_folder_of(sandbox, SANDBOX_READ | SANDBOX_CHANGE, path);
	wall.looked_ms = clock_now_ms();
	return sandbox_enter(&sandbox);
}

/* The mode of a file says yes, and the wall says no. */
static void
try_source(const char *path, void *arg)
{
	bool *covered = arg;
	int fd;

	if (access(path, R_OK) < 0)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd >= 0) {
		close(fd);
	} else if (errno == EACCES) {
		log_info("to be read, but not behind the wall of this process "
			 "path=%s",
		    path);
		*covered = false;
	}
}

bool
supervisor_wall_covers(const struct config *config, const char *config_file)
{
	bool covered = true;

	each_source(config, config_file, try_source, &covered);
	return covered && strcmp(config->log_file_path, wall.log_file) == 0;
}

bool
supervisor_wall_lost_files(const struct config *config)
{
	uint64_t now_ms = clock_now_ms();
	bool covered = true;

	if (wall.looked_ms == UINT64_MAX || now_ms - wall.looked_ms < LOOK_MS)
		return false;
	wall.looked_ms = now_ms;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		try_source(names[i], &covered);
	if (config->asterisk_ca_file[0] != '\0')
		try_source(config->asterisk_ca_file, &covered);
	if (!covered)
		wall.looked_ms = UINT64_MAX;
	return !covered;
}
