/* SPDX-License-Identifier: MIT */
/*
 * tool_wall.c – what a toolworker needs from behind its wall.
 *
 * Which files tools name is looked up when the process starts, as their
 * settings come with each job only. After a change the supervisor replaces
 * toolworkers (SIGHUP).
 */
#include "toolworker/tool_wall.h"

#include "common/env_file.h"
#include "common/json.h"
#include "common/sandbox.h"
#include "common/sandbox_paths.h"
#include "common/secret_files.h"
#include "common/sql_dsn.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	DEPTH_MAX = 16, /* of objects in a tool's file */
};

/* -- what drivers of databases and libc read ---------------------------------- */

static const char *const system_files[] = {
    /* Programs' own, nobody's secrets. */
    "/usr",
    "/lib",
    "/lib64",
    "/opt",
    "/etc/ld.so.cache",
    /* ODBC and its drivers */
    "/etc/odbcinst.ini",
    "/etc/odbc.ini",
    "/etc/mysql",
    "/etc/my.cnf",
    "/etc/postgresql-common",
    "/etc/freetds",
    "/etc/krb5.conf",
    "/etc/gnutls",
    /* Names, of machines and of our own user */
    "/etc/nsswitch.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/resolv.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/passwd",
    "/etc/group",
};

static void
allow_system(struct sandbox *sandbox)
{
	static const char *const variables[] = {"ODBCSYSINI", "ODBCINI"};

	for (size_t i = 0; i < sizeof(system_files) / sizeof(system_files[0]);
	     i++)
		sandbox_allow(sandbox, SANDBOX_READ, system_files[i]);
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const char *path = getenv(variables[i]);

		if (path != NULL)
			sandbox_allow(sandbox, SANDBOX_READ, path);
	}
}

/* -- what tools name ------------------------------------------------------------ */

/* SQLite would put what it sorts into a folder that is not allowed. */
static void
allow_change(struct sandbox *sandbox, const char *folder)
{
	sandbox_allow(sandbox, SANDBOX_READ | SANDBOX_CHANGE, folder);
	setenv("SQLITE_TMPDIR", folder, 0);
}

/* A database in a file lies in a folder with its journal. */
static void
allow_database(
    struct sandbox *sandbox, const struct config *config, const char *dsn)
{
	static const char key[] = "Database=";
	char buf[PATH_MAX + 64];
	char path[PATH_MAX];
	char *slash;
	const char *at =
	    strcasestr(sql_dsn_resolve(dsn, config, buf, sizeof(buf)), key);

	if (at == NULL)
		return;
	at += sizeof(key) - 1;
	snprintf(path, sizeof(path), "%.*s", (int)strcspn(at, ";"), at);
	slash = strrchr(path, '/');
	if (path[0] != '/' || slash == path)
		return;
	*slash = '\0';
	allow_change(sandbox, path);
}

/* "dsn" and "ca_file" wherever they are. */
static void
allow_named(struct sandbox *sandbox, const struct config *config,
    const cJSON *value, int depth)
{
	const cJSON *member;

	if (depth == DEPTH_MAX)
		return;
	cJSON_ArrayForEach(member, value) {
		const char *text = cJSON_GetStringValue(member);

		if (text == NULL || member->string == NULL)
			allow_named(sandbox, config, member, depth + 1);
		else if (strcmp(member->string, "dsn") == 0)
			allow_database(sandbox, config, text);
		else if (strcmp(member->string, "ca_file") == 0)
			sandbox_allow(sandbox, SANDBOX_READ, text);
	}
}

static void
allow_named_in_file(
    struct sandbox *sandbox, const struct config *config, const char *path)
{
	char *text;
	size_t len;
	cJSON *json;

	if (env_file_read(path, &text, &len, NULL) < 0)
		return;
	json = cJSON_ParseWithLength(text, len);
	allow_named(sandbox, config, json, 0);
	cJSON_Delete(json);
	env_file_wipe(text, len);
}

static void
allow_tools(struct sandbox *sandbox, const struct config *config)
{
	const struct dirent *entry;
	char folder[PATH_MAX];
	char path[2 * PATH_MAX];
	DIR *dir;

	config_dir(config->routers_file, "routers.json", path, sizeof(path));
	sandbox_allow(sandbox, SANDBOX_READ, path);
	allow_named_in_file(sandbox, config, path);
	config_dir(config->tools_dir, "tools.d", folder, sizeof(folder));
	dir = opendir(folder);
	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		allow_named_in_file(sandbox, config, path);
	}
	closedir(dir);
}

/* TOOL_FOLDERS: what cannot be found by itself. */
static void
allow_folders(struct sandbox *sandbox, const struct config *config)
{
	char folders[CONFIG_TEXT_MAX];
	char *rest = folders;
	char *folder;

	snprintf(folders, sizeof(folders), "%s", config->tool_folders);
	while ((folder = strsep(&rest, ":")) != NULL) {
		if (folder[0] == '/')
			allow_change(sandbox, folder);
	}
}

static void
allow_secret(const char *path, void *arg)
{
	sandbox_allow(arg, SANDBOX_READ, path);
}

int
tool_wall_enter(const struct config *config, const char *config_file)
{
	struct sandbox *sandbox;
	int ret = sandbox_new(&sandbox, PROC_ROLE_TOOLWORKER,
	    sandbox_mode_by_name(config->sandbox));

	if (ret < 0)
		return ret;
	sandbox_allow_basics(sandbox, config->log_file_path);
	sandbox_allow_tls(sandbox, NULL);
	allow_system(sandbox);
	allow_tools(sandbox, config);
	allow_database(sandbox, config, "${setting:CUSTOMERS_DSN}");
	allow_database(sandbox, config, "${setting:COURSES_DSN}");
	allow_folders(sandbox, config);
	secret_files_each(
	    PROC_ROLE_TOOLWORKER, config_file, allow_secret, sandbox);
	return sandbox_enter(&sandbox);
}
