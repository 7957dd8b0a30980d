/* SPDX-License-Identifier: MIT */
/* secret_files.c – finds names of files, and opens none with a secret. */
#include "common/secret_files.h"

#include "common/env_file.h"
#include "common/secret.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char suffix[] = "_FILE";

struct search {
	enum proc_role role;
	secret_files_fn fn;
	void *arg;
};

static bool
is_ours(const struct search *search, const char *key, size_t len)
{
	enum proc_role role;

	return secret_find(key, len, &role) && role == search->role;
}

/* KEY, of LEN bytes, is said to be VALUE. */
static void
look_at(
    const struct search *search, const char *key, size_t len, const char *value)
{
	size_t tail = sizeof(suffix) - 1;

	if (len > tail && *value != '\0' &&
	    memcmp(key + len - tail, suffix, tail) == 0 &&
	    is_ours(search, key, len - tail))
		search->fn(value, search->arg);
}

static void
on_setting(const char *key, const char *value, unsigned int line, void *arg)
{
	(void)line;
	look_at(arg, key, strlen(key), value);
}

static void
on_error(unsigned int line, const char *why, void *arg)
{
	(void)line; /* config_load() says so */
	(void)why;
	(void)arg;
}

static void
search_config(struct search *search, const char *config_file)
{
	const struct env_file_handlers handlers = {
	    .on_setting = on_setting,
	    .on_error = on_error,
	    .arg = search,
	};
	char *text;
	size_t len;

	if (config_file == NULL ||
	    env_file_read(config_file, &text, &len, NULL) < 0)
		return;
	env_file_parse(text, len, &handlers);
	env_file_wipe(text, len);
}

static void
search_environment(const struct search *search)
{
	for (char **var = environ; *var != NULL; var++) {
		size_t len = strcspn(*var, "=");

		if ((*var)[len] == '=')
			look_at(search, *var, len, *var + len + 1);
	}
}

static void
search_credentials(const struct search *search)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	const struct dirent *entry;
	char path[PATH_MAX];
	DIR *dir = folder != NULL ? opendir(folder) : NULL;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (!is_ours(search, entry->d_name, strlen(entry->d_name)))
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		search->fn(path, search->arg);
	}
	closedir(dir);
}

void
secret_files_each(
    enum proc_role role, const char *config_file, secret_files_fn fn, void *arg)
{
	struct search search = {.role = role, .fn = fn, .arg = arg};

	search_environment(&search);
	search_config(&search, config_file);
	search_credentials(&search);
}
