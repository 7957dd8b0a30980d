/* SPDX-License-Identifier: MIT */
/* tool_wall.c – what a toolworker needs from behind its wall. */
#include "toolworker/tool_wall.h"

#include "common/sandbox.h"
#include "common/sandbox_paths.h"

int
tool_wall_enter(const struct config *config)
{
	struct sandbox *sandbox;
	int ret = sandbox_new(&sandbox, PROC_ROLE_TOOLWORKER,
	    sandbox_mode_by_name(config->sandbox));

	if (ret < 0)
		return ret;
	sandbox_allow_basics(sandbox, config->log_file_path);
	sandbox_allow_tls(sandbox, NULL);
	sandbox_allow(sandbox, SANDBOX_READ | SANDBOX_CHANGE, "/");
	return sandbox_enter(&sandbox);
}
