/* SPDX-License-Identifier: MIT */
/* call_wall.c – what a callworker needs from behind its wall. */
#include "callworker/call_wall.h"

#include "callworker/audio_priority.h"
#include "common/sandbox.h"
#include "common/sandbox_paths.h"
#include "common/url.h"

int
call_wall_enter(
    const struct config *config, const char *url, const char *ca_file)
{
	struct sandbox *sandbox;
	const char *why;
	struct url voice;
	int ret = sandbox_new(&sandbox, PROC_ROLE_CALLWORKER,
	    sandbox_mode_by_name(config->sandbox));

	if (ret < 0)
		return ret;
	/* What goes with the capabilities is taken early, see on_media(). */
	if (config->audio_priority && !sandbox_keeps_audio_priority())
		(void)!audio_priority_take();
	sandbox_allow_basics(sandbox, config->log_file_path);
	sandbox_allow_tls(sandbox, ca_file);
	if (url_parse(url, &voice, &why) == 0)
		sandbox_allow_port(sandbox, voice.port);
	return sandbox_enter(&sandbox);
}
