/* SPDX-License-Identifier: MIT */
/*
 * tool_secret.h – which secrets a tool names, whether they are there, and
 * whether the tool would show them to the network.
 */
#ifndef COMMON_TOOL_SECRET_H
#define COMMON_TOOL_SECRET_H

#include "common/http_tool.h"
#include "common/secret_source.h"
#include "common/tool_file.h"

/*
 * Looks for each secret that TOOL names, without reading it. Each that is not
 * there becomes a warning that says where it is expected. Returns how many.
 */
unsigned int tool_secret_check(const struct tool *tool,
    struct secret_sources *sources, struct config_problems *problems);

/*
 * Whether TOOL sends a secret over plain http to a host that is not a
 * loopback address; ORIGIN then is "http://host:port".
 */
bool tool_secret_is_exposed(const struct http_tool *tool,
    const struct config *config, char *origin, size_t size);

#endif
