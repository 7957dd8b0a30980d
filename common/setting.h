/* SPDX-License-Identifier: MIT */
/*
 * setting.h – the rows of CONFIG_TABLE as data: finding one, and putting a
 * value that an operator wrote into struct config. Part of config_load().
 */
#ifndef COMMON_SETTING_H
#define COMMON_SETTING_H

#include "common/config.h"

#include <stdbool.h>
#include <stddef.h>

enum setting_kind {
	SETTING_KIND_TEXT,
	SETTING_KIND_NUMBER,
	SETTING_KIND_FRACTION,
	SETTING_KIND_SWITCH,
	SETTING_KIND_CHOICE,
	SETTING_KIND_SECRET,
};

struct setting {
	const char *key;
	enum setting_kind kind;
	size_t offset; /* in struct config */
	const char *dflt;
	long min; /* of a number's value, of a text's length in bytes */
	long max;
	const char *what;
};

enum {
#define X(member, key, kind, dflt, min, max, what) +1
	SETTING_COUNT = 0 CONFIG_TABLE(X),
#undef X
	SETTING_WHY_SIZE = 160,
};

const struct setting *setting_at(size_t index);
size_t setting_index(const struct setting *setting);

/* NULL when there is none of that name. */
const struct setting *setting_find(const char *key);

/* The secret whose file KEY names ("OPENAI_API_KEY_FILE"), or NULL. */
const struct setting *setting_find_file(const char *key);

/* The setting that somebody who wrote KEY may have meant, or NULL. */
const struct setting *setting_guess(const char *key);

void *setting_member(struct config *config, const struct setting *setting);

/*
 * Puts VALUE into CONFIG. Returns false, with CONFIG unchanged and a reason
 * in WHY (SETTING_WHY_SIZE), which never contains a secret.
 */
bool setting_set(struct config *config, const struct setting *setting,
    const char *value, char *why);

/* Whether "" is a value of its own, not "not set". */
bool setting_may_be_empty(const struct setting *setting);

#endif
