/* SPDX-License-Identifier: MIT */
/* folder.c – reads the files of a folder that an operator edits. */
#include "supervisor/folder.h"

#include "common/env_file.h"
#include "common/utf8.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
has_suffix(const char *name, const char *suffix)
{
	size_t len = strlen(name);
	size_t suffix_len = strlen(suffix);

	return len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

static bool
is_wanted(const char *name, const char *suffix)
{
	return name[0] != '.' && name[0] != '_' &&
	       strncmp(name, "README", 6) != 0 && has_suffix(name, suffix);
}

static bool
is_plain_text(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((c < 0x20 && strchr("\n\t\r", c) == NULL) || c == 0 ||
		    c == 0x7f)
			return false;
	}
	return utf8_count(text, len) >= 0;
}

char *
folder_read_file(const char *path, size_t *len_out, const char **why_out)
{
	char *text;
	int ret = env_file_read(path, &text, len_out, NULL);

	*why_out = ret == -ENOENT  ? ""
		   : ret == -EFBIG ? "it is far too large"
				   : strerror(-ret);
	if (ret < 0)
		return NULL;
	if (is_plain_text(text, *len_out))
		return text;
	*why_out = "it is not UTF-8 text, or contains control characters";
	free(text);
	return NULL;
}

int
folder_read(const char *folder, const char *suffix,
    struct config_problems *problems, folder_file_fn *fn, void *arg)
{
	struct dirent **entries;
	char path[PATH_MAX];
	int count = scandir(folder, &entries, NULL, alphasort);
	int matched = 0;

	if (count < 0)
		return -errno;
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		const char *why;
		size_t len;
		char *text;

		if (!is_wanted(name, suffix)) {
			free(entries[i]);
			continue;
		}
		matched++;
		snprintf(path, sizeof(path), "%s/%s", folder, name);
		text = folder_read_file(path, &len, &why);
		if (text != NULL)
			fn(path, name, text, len, arg);
		else
			config_problem(problems, false, "%s: %s", path,
			    why[0] != '\0' ? why : strerror(ENOENT));
		free(entries[i]);
	}
	free(entries);
	return matched;
}
