/* SPDX-License-Identifier: MIT */
/*
 * tool_secrets.c – gathers the tools' secrets and keeps them in one place.
 *
 * Invariant: a value is in the table of struct tool_secrets and nowhere else
 * in this process, except while a request is made of it.
 */
#include "toolworker/tool_secrets.h"

#include "common/env_file.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/secret.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	MEMFD_MAX = 128 * 1024, /* bytes of the keeper's lines */
	FILE_SUFFIX_LEN = 5,    /* "_FILE" */
};

struct entry {
	char name[SECRET_KEY_MAX + 1];
	char *value; /* NULL: not read yet */
	char *path;  /* of TOOL_X_FILE, or NULL */
};

struct tool_secrets {
	struct entry list[TOOL_SECRETS_MAX];
	size_t count;
};

/* The entry of NAME, made if need be; NULL when the table is full. */
static struct entry *
get_entry(struct tool_secrets *secrets, const char *name, size_t len)
{
	struct entry *entry;

	for (size_t i = 0; i < secrets->count; i++) {
		entry = &secrets->list[i];
		if (strlen(entry->name) == len &&
		    memcmp(entry->name, name, len) == 0)
			return entry;
	}
	if (secrets->count == TOOL_SECRETS_MAX) {
		log_err("more secrets of tools than fit secret=%.*s max=%d",
		    (int)len, name, TOOL_SECRETS_MAX);
		return NULL;
	}
	entry = &secrets->list[secrets->count++];
	memcpy(entry->name, name, len);
	entry->name[len] = '\0';
	return entry;
}

static bool
is_tool_secret(const char *key, size_t len)
{
	enum proc_role role;

	return secret_find(key, len, &role) && role == PROC_ROLE_TOOLWORKER;
}

/* No value may end a header's line. */
static bool
is_printable(const char *value)
{
	for (; *value != '\0'; value++) {
		if ((unsigned char)*value < 0x20 || *value == 0x7f)
			return false;
	}
	return true;
}

static void
set_value(struct entry *entry, const char *value)
{
	if (!is_printable(value) || strlen(value) >= TOOL_SECRET_SIZE)
		log_err("secret cannot be used, it is too long or has control "
			"characters secret=%s",
		    entry->name);
	else
		entry->value = strdup(value);
}

/* The first one who knows a value is right. */
static void
offer(struct tool_secrets *secrets, const char *key, size_t len,
    const char *value)
{
	struct entry *entry;

	if (*value == '\0' || !is_tool_secret(key, len))
		return;
	entry = get_entry(secrets, key, len);
	if (entry != NULL && entry->value == NULL)
		set_value(entry, value);
}

static void
offer_path(
    struct tool_secrets *secrets, const char *key, size_t len, const char *path)
{
	struct entry *entry;

	if (*path == '\0' || len <= FILE_SUFFIX_LEN ||
	    memcmp(key + len - FILE_SUFFIX_LEN, "_FILE", FILE_SUFFIX_LEN) != 0)
		return;
	len -= FILE_SUFFIX_LEN;
	if (!is_tool_secret(key, len))
		return;
	entry = get_entry(secrets, key, len);
	if (entry != NULL && entry->path == NULL)
		entry->path = strdup(path);
}

/* -- sources -------------------------------------------------------------------- */

static int
read_memfd(struct tool_secrets *secrets)
{
	char *text, *rest, *line;
	ssize_t len;

	if (!secret_is_memfd(PROC_FD_SECRETS))
		return 0;
	text = calloc(1, MEMFD_MAX + 1);
	if (text == NULL)
		return -ENOMEM;
	/* All spawns share one open file: its offset means nothing. */
	len = pread(PROC_FD_SECRETS, text, MEMFD_MAX, 0);
	rest = text;
	while (len > 0 && (line = strsep(&rest, "\n")) != NULL) {
		size_t key_len = strcspn(line, "=");

		if (line[key_len] == '=')
			offer(secrets, line, key_len, line + key_len + 1);
	}
	explicit_bzero(text, MEMFD_MAX);
	free(text);
	return 0;
}

/* Values leave the environment, as the keeper would have had it. */
static void
read_environment(struct tool_secrets *secrets)
{
	char **var = environ;

	while (*var != NULL) {
		size_t len = strcspn(*var, "=");
		char *value = *var + len + ((*var)[len] == '=');
		char name[SECRET_KEY_MAX + 1];

		offer_path(secrets, *var, len, value);
		if (!is_tool_secret(*var, len)) {
			var++;
			continue;
		}
		offer(secrets, *var, len, value);
		explicit_bzero(value, strlen(value));
		memcpy(name, *var, len);
		name[len] = '\0';
		unsetenv(name); /* moves the next one here */
	}
}

static void
on_setting(const char *key, const char *value, unsigned int line, void *arg)
{
	(void)line;
	offer(arg, key, strlen(key), value);
	offer_path(arg, key, strlen(key), value);
}

static void
on_error(unsigned int line, const char *why, void *arg)
{
	(void)line; /* config_load() says so */
	(void)why;
	(void)arg;
}

static void
read_config(struct tool_secrets *secrets, const char *path)
{
	const struct env_file_handlers handlers = {
	    .on_setting = on_setting,
	    .on_error = on_error,
	    .arg = secrets,
	};
	char *text;
	size_t len;

	if (path == NULL || env_file_read(path, &text, &len, NULL) < 0)
		return;
	env_file_parse(text, len, &handlers);
	env_file_wipe(text, len);
}

/* One line, as a secret's file has it. */
static void
read_file(struct entry *entry, const char *path, bool is_credential)
{
	bool exposed;
	size_t value_len, len;
	char *text;
	int ret = env_file_read(path, &text, &len, &exposed);

	if (ret < 0) {
		log_err("secret cannot be read secret=%s path=%s error=%s",
		    entry->name, path, strerror(-ret));
		return;
	}
	value_len = strcspn(text, "\r\n");
	if (value_len == 0 ||
	    value_len + strspn(text + value_len, "\r\n") < len) {
		log_err("secret must be one line secret=%s path=%s",
		    entry->name, path);
	} else {
		text[value_len] = '\0';
		set_value(entry, text);
	}
	env_file_wipe(text, len);
	if (exposed && !is_credential)
		log_warn("others may read a secret: chmod 600 %s secret=%s",
		    path, entry->name);
}

static void
read_credential(struct entry *entry)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	char path[PATH_MAX];

	if (folder == NULL)
		return;
	snprintf(path, sizeof(path), "%s/%s", folder, entry->name);
	if (access(path, F_OK) == 0)
		read_file(entry, path, true);
}

const char *
tool_secrets_find(struct tool_secrets *secrets, const char *name)
{
	struct entry *entry;

	if (!is_tool_secret(name, strlen(name)))
		return NULL;
	entry = get_entry(secrets, name, strlen(name));
	if (entry == NULL)
		return NULL;
	if (entry->value == NULL && entry->path != NULL)
		read_file(entry, entry->path, false);
	else if (entry->value == NULL)
		read_credential(entry);
	if (entry->value == NULL)
		log_err(
		    "a tool names a secret that is not there secret=%s", name);
	return entry->value;
}

void
tool_secrets_hide(const struct tool_secrets *secrets, char *text)
{
	for (size_t i = 0; i < secrets->count; i++) {
		const char *value = secrets->list[i].value;
		size_t len = value != NULL ? strlen(value) : 0;
		char *at = text;

		if (len < TOOL_SECRET_HIDE_MIN)
			continue;
		while ((at = strstr(at, value)) != NULL) {
			memset(at, '*', len);
			at += len;
		}
	}
}

int
tool_secrets_new(struct tool_secrets **secrets_out, const char *config_file)
{
	struct tool_secrets *secrets = calloc(1, sizeof(*secrets));

	if (secrets == NULL)
		return -ENOMEM;
	if (read_memfd(secrets) < 0) {
		free(secrets);
		return -ENOMEM;
	}
	read_environment(secrets);
	read_config(secrets, config_file);
	*secrets_out = secrets;
	return 0;
}

void
tool_secrets_free(struct tool_secrets **secrets_ptr)
{
	struct tool_secrets *secrets = *secrets_ptr;

	if (secrets == NULL)
		return;
	*secrets_ptr = NULL;
	for (size_t i = 0; i < secrets->count; i++) {
		struct entry *entry = &secrets->list[i];

		if (entry->value != NULL)
			explicit_bzero(entry->value, strlen(entry->value));
		free(entry->value);
		free(entry->path);
	}
	free(secrets);
}
