/* SPDX-License-Identifier: MIT */
/* keeper_wall.c – what any process of the service needs, the keeper included. */
#include "supervisor/keeper_wall.h"

#include "common/log.h"
#include "common/sandbox.h"
#include "supervisor/spawn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int
keeper_wall_enter(void)
{
	static const char *const loaders[] = {
	    "/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"};
	const char *mode = getenv("SANDBOX");
	struct sandbox *sandbox;
	char path[SPAWN_PATH_SIZE];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
	int ret = sandbox_new(&sandbox, PROC_ROLE_KEEPER,
	    sandbox_mode_by_name(mode != NULL ? mode : ""));

	if (ret < 0)
		return ret;
	/* To move files is the children's walls' business. */
	sandbox_allow(sandbox, SANDBOX_CHANGE, "/");
	/* Folders, since an upgrade puts new files in them. */
	path[len > 0 ? len : 0] = '\0';
	sandbox_allow_folder_of(sandbox, SANDBOX_EXECUTE, path);
	spawn_path(path, PROC_ROLE_SUPERVISOR);
	sandbox_allow_folder_of(sandbox, SANDBOX_EXECUTE, path);
	for (size_t i = 0; i < sizeof(loaders) / sizeof(loaders[0]); i++)
		sandbox_allow(sandbox, SANDBOX_EXECUTE, loaders[i]);
	return sandbox_enter(&sandbox);
}

void
keeper_wall_hide_memory(void)
{
	const char *dumpable = getenv("TELEFONISTA_DUMPABLE");

	if (dumpable != NULL && strcmp(dumpable, "1") == 0)
		return;
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		log_warn("core dumps cannot be switched off error=%s",
		    strerror(errno));
}
