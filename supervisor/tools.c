/* SPDX-License-Identifier: MIT */
/*
 * tools.c – loads the folder of tool definitions and counts who uses them.
 *
 * Invariant: a generation does not change once it is loaded.
 */
#include "supervisor/tools.h"

#include "common/json.h"
#include "common/tool_secret.h"
#include "supervisor/folder.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct tools {
	unsigned int references;
	size_t count;
	struct tool_file list[TOOLS_MAX];
};

/* What is being loaded; arg of on_file(). */
struct loader {
	struct tools *tools;
	const struct config *config;
	struct config_problems *problems;
};

static void
on_file(const char *path, const char *name, char *text, size_t len, void *arg)
{
	struct loader *loader = arg;
	struct tools *tools = loader->tools;
	struct tool_file file;
	int ret;

	(void)name;
	ret = tool_file_parse(
	    &file, path, text, len, loader->config, loader->problems);
	free(text);
	if (ret < 0)
		return;
	if (tools_find(tools, file.tool.name) == NULL &&
	    tools->count < TOOLS_MAX) {
		tools->list[tools->count++] = file;
		return;
	}
	if (tools->count == TOOLS_MAX)
		config_problem(loader->problems, false,
		    "%s: there are more than %d tools; this tool is not "
		    "offered",
		    path, TOOLS_MAX);
	else
		config_problem(loader->problems, false,
		    "%s: another file defines \"%s\" already; this tool is "
		    "not offered",
		    path, file.tool.name);
	tool_file_free(&file);
}

/*
 * Who a customer is, is looked up by another tool, which no voice may call:
 * else the model would have the key without the caller's answer.
 */
static void
link_factors(struct tools *tools, struct config_problems *problems)
{
	for (size_t i = 0; i < tools->count; i++) {
		struct tool *tool = &tools->list[i].tool;
		const char *name = json_string(tool->settings, "tool");
		const struct tool *lookup;

		if (strcmp(tool->action, "customer_factor") != 0)
			continue;
		lookup = tools_find(tools, name);
		tool->available = false;
		if (lookup == NULL)
			config_problem(problems, false,
			    "tool %s: \"executor\": there is no tool \"%.64s\""
			    "; this tool is not offered",
			    tool->name, name);
		else if (lookup->who != TOOL_WHO_SERVICE ||
			 lookup->action[0] != '\0')
			config_problem(problems, false,
			    "tool %s: \"executor\": \"%.64s\" must be a query "
			    "with \"who\": \"service\"; this tool is not "
			    "offered",
			    tool->name, name);
		else
			tool->available = lookup->available;
	}
}

static void
check_lookup(const struct tools *tools, const struct config *config,
    struct config_problems *problems)
{
	const char *name = config->customer_lookup;
	const struct tool *tool = tools_find(tools, name);

	if (name[0] == '\0')
		return;
	if (tool == NULL)
		config_problem(problems, false,
		    "CUSTOMER_LOOKUP: there is no tool \"%.64s\"; numbers are "
		    "not looked up",
		    name);
	else if (tool->who != TOOL_WHO_SERVICE || tool->action[0] != '\0')
		config_problem(problems, false,
		    "CUSTOMER_LOOKUP: \"%.64s\" must be a query with \"who\": "
		    "\"service\"; numbers are not looked up",
		    name);
	else if (!tool->available)
		config_problem(problems, false,
		    "CUSTOMER_LOOKUP: \"%.64s\" is not available; numbers are "
		    "not looked up",
		    name);
}

int
tools_load(struct tools **tools_out, const char *folder,
    const struct config *config, struct config_problems *problems)
{
	struct loader loader = {.config = config, .problems = problems};
	int ret;

	loader.tools = calloc(1, sizeof(*loader.tools));
	if (loader.tools == NULL)
		return -ENOMEM;
	loader.tools->references = 1;
	ret = folder_read(folder, ".json", problems, on_file, &loader);
	if (ret < 0)
		config_problem(problems, false,
		    "%s: %s; the voice has no tools (TOOLS_DIR)", folder,
		    strerror(-ret));
	link_factors(loader.tools, problems);
	check_lookup(loader.tools, config, problems);
	*tools_out = loader.tools;
	return 0;
}

/* Without it a tool is offered, and fails: better known before a call. */
void
tools_check_secrets(const struct tools *tools, struct secret_sources *sources,
    struct config_problems *problems)
{
	for (size_t i = 0; i < tools->count; i++) {
		if (tools->list[i].tool.available)
			tool_secret_check(
			    &tools->list[i].tool, sources, problems);
	}
}

void
tools_use_routers(struct tools *tools, size_t router_count)
{
	for (size_t i = 0; i < tools->count && router_count == 0; i++) {
		struct tool *tool = &tools->list[i].tool;

		if (strcmp(tool->executor, "routeros") == 0)
			tool->available = false;
	}
}

struct tools *
tools_ref(struct tools *tools)
{
	assert(tools->references > 0);
	tools->references++;
	return tools;
}

void
tools_unref(struct tools **tools)
{
	struct tools *old = *tools;

	*tools = NULL;
	if (old == NULL || --old->references > 0)
		return;
	for (size_t i = 0; i < old->count; i++)
		tool_file_free(&old->list[i]);
	free(old);
}

size_t
tools_count(const struct tools *tools)
{
	return tools->count;
}

const struct tool *
tools_at(const struct tools *tools, size_t index)
{
	assert(index < tools->count);
	return &tools->list[index].tool;
}

const struct tool *
tools_find(const struct tools *tools, const char *name)
{
	for (size_t i = 0; i < tools->count; i++) {
		if (strcmp(tools->list[i].tool.name, name) == 0)
			return &tools->list[i].tool;
	}
	return NULL;
}
