/* SPDX-License-Identifier: MIT */
/*
 * tool_secrets.c – keeps the secrets that were needed, in one place.
 *
 * Invariant: a value is in the table of struct tool_secrets and nowhere else
 * in this process, except while a request is made of it; what no job has
 * named is not in this process at all.
 */
#include "toolworker/tool_secrets.h"

#include "common/log.h"
#include "common/secret.h"
#include "common/secret_source.h"
#include "toolworker/mask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)MASK_SECRET_SIZE >= (int)SECRET_SOURCE_SIZE,
    "every secret can be masked");

struct entry {
	char name[SECRET_KEY_MAX + 1];
	char *value;
};

struct tool_secrets {
	struct secret_sources *sources;
	struct entry list[TOOL_SECRETS_MAX];
	size_t count;
};

static const char *
find_known(const struct tool_secrets *secrets, const char *name)
{
	for (size_t i = 0; i < secrets->count; i++) {
		if (strcmp(secrets->list[i].name, name) == 0)
			return secrets->list[i].value;
	}
	return NULL;
}

/* NULL: no room, no memory. */
static const char *
keep(struct tool_secrets *secrets, const char *name, const char *value)
{
	struct entry *entry = &secrets->list[secrets->count];

	if (secrets->count == TOOL_SECRETS_MAX) {
		log_err("more secrets of tools than fit secret=%s max=%d", name,
		    TOOL_SECRETS_MAX);
		return NULL;
	}
	entry->value = strdup(value);
	if (entry->value == NULL)
		return NULL;
	snprintf(entry->name, sizeof(entry->name), "%s", name);
	secrets->count++;
	return entry->value;
}

const char *
tool_secrets_find(struct tool_secrets *secrets, const char *name)
{
	const char *known = find_known(secrets, name);
	char value[SECRET_SOURCE_SIZE];
	char why[SECRET_SOURCE_WHY_SIZE];

	if (known != NULL)
		return known;
	if (secret_sources_read(
		secrets->sources, name, value, why, sizeof(why)) < 0)
		log_err("secret of a tool cannot be had secret=%s why=\"%s\"",
		    name, why);
	else
		known = keep(secrets, name, value);
	explicit_bzero(value, sizeof(value));
	return known;
}

struct secret_sources *
tool_secrets_sources(struct tool_secrets *secrets)
{
	return secrets->sources;
}

void
tool_secrets_hide(const struct tool_secrets *secrets, char *text, size_t len)
{
	for (size_t i = 0; i < secrets->count; i++) {
		const char *value = secrets->list[i].value;
		size_t value_len = strlen(value);

		/* No spelling is shorter than what it spells: most of the many
		 * short values that a router says are not worth a search. */
		if (value_len >= TOOL_SECRET_HIDE_MIN && value_len <= len)
			mask_secret(text, len, value);
	}
}

int
tool_secrets_new(struct tool_secrets **secrets_out, const char *config_file)
{
	struct tool_secrets *secrets = calloc(1, sizeof(*secrets));
	int ret;

	if (secrets == NULL)
		return -ENOMEM;
	ret = secret_sources_new(&secrets->sources, config_file);
	if (ret == 0)
		ret = secret_sources_take_environment(secrets->sources);
	if (ret < 0) {
		tool_secrets_free(&secrets);
		return ret;
	}
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
		char *value = secrets->list[i].value;

		explicit_bzero(value, strlen(value));
		free(value);
	}
	secret_sources_free(&secrets->sources);
	free(secrets);
}
