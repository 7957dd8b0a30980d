/* SPDX-License-Identifier: MIT */
/* tool_secret.c – looks through a tool's templates for secrets. */
#include "common/tool_secret.h"

#include "common/http_template.h"
#include "common/secret.h"
#include "common/url.h"

#include <stdio.h>
#include <string.h>

enum {
	NAMES_MAX = 64,
};

/* The secrets of one tool, each once. */
struct names {
	char list[NAMES_MAX][SECRET_KEY_MAX + 1];
	size_t count;
};

static void
on_secret(const char *name, void *arg)
{
	struct names *names = arg;

	for (size_t i = 0; i < names->count; i++) {
		if (strcmp(names->list[i], name) == 0)
			return;
	}
	if (names->count < NAMES_MAX)
		snprintf(names->list[names->count++], sizeof(names->list[0]),
		    "%s", name);
}

/* In all strings of VALUE. */
static void
collect(const cJSON *value, struct names *names)
{
	const cJSON *item;

	if (cJSON_IsString(value))
		http_template_each_secret(value->valuestring, on_secret, names);
	cJSON_ArrayForEach(item, value)
		collect(item, names);
}

static void
collect_all(const struct http_tool *tool, struct names *names)
{
	names->count = 0;
	http_template_each_secret(tool->user, on_secret, names);
	http_template_each_secret(tool->password, on_secret, names);
	collect(tool->headers, names);
	collect(tool->body, names);
	collect(tool->form, names);
}

static void
ignore_problem(const char *text, void *arg)
{
	(void)text;
	(void)arg;
}

unsigned int
tool_secret_check(const struct tool *tool, struct secret_sources *sources,
    struct config_problems *problems)
{
	char why[SECRET_SOURCE_WHY_SIZE];
	struct http_tool http;
	struct names names;
	unsigned int missing = 0;

	if (strcmp(tool->executor, "http") != 0 ||
	    http_tool_read(&http, tool->settings, tool->parameters,
		ignore_problem, NULL) < 0)
		return 0;
	collect_all(&http, &names);
	for (size_t i = 0; i < names.count; i++) {
		if (secret_sources_look(
			sources, names.list[i], why, sizeof(why)) == 0)
			continue;
		missing++;
		config_problem(problems, false,
		    "tool \"%s\": %s; until then it fails as \"unreachable\"",
		    tool->name, why);
	}
	return missing;
}

/* The URL with its setting, if it begins with one; as much as its origin. */
static void
write_url(
    char *url, size_t size, const char *template, const struct config *config)
{
	static const char head[] = "${setting:";
	char name[64];
	const char *end = strchr(template, '}');
	const char *value = NULL;

	snprintf(url, size, "%s", template);
	if (strncmp(template, head, sizeof(head) - 1) != 0 || end == NULL)
		return;
	snprintf(name, sizeof(name), "%.*s",
	    (int)(end - template - (ptrdiff_t)(sizeof(head) - 1)),
	    template + sizeof(head) - 1);
	value = http_template_setting(config, name);
	snprintf(url, size, "%s", value != NULL ? value : "");
}

bool
tool_secret_is_exposed(const struct http_tool *tool,
    const struct config *config, char *origin, size_t size)
{
	char text[CONFIG_TEXT_MAX];
	struct names names;
	const char *why;
	struct url url;

	collect_all(tool, &names);
	write_url(text, sizeof(text), tool->url, config);
	if (names.count == 0 || url_parse_origin(text, &url, &why) < 0 ||
	    url.tls || url_host_is_loopback(url.host))
		return false;
	snprintf(origin, size, "%s://%s:%u", url.scheme, url.host, url.port);
	return true;
}
