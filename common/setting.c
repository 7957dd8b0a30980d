/* SPDX-License-Identifier: MIT */
/* setting.c – finds settings by name and reads their values. */
#include "common/setting.h"

#include "common/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct setting settings[SETTING_COUNT] = {
#define X(member, key, kind, dflt, min, max, what)                             \
	{#key, SETTING_KIND_##kind, offsetof(struct config, member), dflt,     \
	    min, max, what},
    CONFIG_TABLE(X)
#undef X
};

enum {
	CHOICES_MAX = 6,
	KEY_MAX = 64, /* longer than any of ours */
};

/* The values of each CHOICE; "" where leaving it out has a meaning. */
static const struct {
	const char *key;
	const char *values[CHOICES_MAX + 1];
} choices[] = {
    {"OPENAI_REASONING_EFFORT",
	{"", "minimal", "low", "medium", "high", "xhigh"}},
    {"TURN_DETECTION", {"server_vad", "semantic_vad"}},
    {"VAD_EAGERNESS", {"auto", "low", "medium", "high"}},
    {"NOISE_REDUCTION", {"near_field", "far_field", "off"}},
    {"LOG_LEVEL", {"error", "warning", "info", "debug"}},
    {"SANDBOX", {"enforce", "kill", "off"}},
    {"SHOW_CALLER_NUMBER", {"last4", "full", "no"}},
};

const struct setting *
setting_at(size_t index)
{
	return &settings[index];
}

const struct setting *
setting_find(const char *key)
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		if (strcmp(settings[i].key, key) == 0)
			return &settings[i];
	}
	return NULL;
}

const struct setting *
setting_find_file(const char *key)
{
	size_t len = strlen(key);

	if (len <= 5 || strcmp(key + len - 5, "_FILE") != 0)
		return NULL;
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		if (settings[i].kind == SETTING_KIND_SECRET &&
		    strlen(settings[i].key) == len - 5 &&
		    memcmp(settings[i].key, key, len - 5) == 0)
			return &settings[i];
	}
	return NULL;
}

size_t
setting_index(const struct setting *setting)
{
	return (size_t)(setting - settings);
}

void *
setting_member(struct config *config, const struct setting *setting)
{
	return (char *)config + setting->offset;
}

static bool
has_control_characters(const char *value)
{
	for (; *value != '\0'; value++) {
		if (iscntrl((unsigned char)*value))
			return true;
	}
	return false;
}

static bool
set_text(char *member, const struct setting *setting, const char *value,
    char *why, size_t size)
{
	size_t len = strlen(value);

	if (len > (size_t)setting->max)
		snprintf(
		    why, size, "it is longer than %ld bytes", setting->max);
	else if (has_control_characters(value) || utf8_count(value, len) < 0)
		snprintf(why, size,
		    "it contains control characters or is "
		    "not UTF-8");
	else {
		memcpy(member, value, len + 1);
		return true;
	}
	return false;
}

static bool
set_number(long *member, const struct setting *setting, const char *value,
    char *why, size_t size)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(value, &end, 10);
	if (end == value || *end != '\0' || errno != 0 ||
	    number < setting->min || number > setting->max) {
		snprintf(why, size,
		    "\"%.40s\" is not a whole number from %ld to %ld", value,
		    setting->min, setting->max);
		return false;
	}
	*member = number;
	return true;
}

static bool
set_fraction(double *member, const struct setting *setting, const char *value,
    char *why, size_t size)
{
	char *end;
	double number = strtod(value, &end);

	if (end == value || *end != '\0' || !isfinite(number) ||
	    number < (double)setting->min || number > (double)setting->max) {
		snprintf(why, size,
		    "\"%.40s\" is not a number from %ld to %ld, such as 0.5",
		    value, setting->min, setting->max);
		return false;
	}
	*member = number;
	return true;
}

static bool
set_switch(bool *member, const char *value, char *why, size_t size)
{
	static const char *const words[] = {
	    "no", "yes", "false", "true", "0", "1", "off", "on"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(value, words[i]) == 0) {
			*member = i % 2 == 1;
			return true;
		}
	}
	snprintf(why, size, "\"%.40s\" is neither yes nor no", value);
	return false;
}

static const char *const *
choice_values(const char *key)
{
	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
		if (strcmp(choices[i].key, key) == 0)
			return choices[i].values;
	}
	return NULL;
}

static bool
set_choice(char *member, const struct setting *setting, const char *value,
    char *why, size_t size)
{
	const char *const *values = choice_values(setting->key);

	for (; values != NULL && *values != NULL; values++) {
		if (strcasecmp(value, *values) == 0) {
			snprintf(member, CONFIG_TEXT_MAX, "%s", *values);
			return true;
		}
	}
	snprintf(
	    why, size, "\"%.40s\" is not one of: %s", value, setting->what);
	return false;
}

bool
setting_set(struct config *config, const struct setting *setting,
    const char *value, char *why)
{
	void *member = setting_member(config, setting);

	switch (setting->kind) {
	case SETTING_KIND_TEXT:
	case SETTING_KIND_SECRET:
		return set_text(member, setting, value, why, SETTING_WHY_SIZE);
	case SETTING_KIND_NUMBER:
		return set_number(
		    member, setting, value, why, SETTING_WHY_SIZE);
	case SETTING_KIND_FRACTION:
		return set_fraction(
		    member, setting, value, why, SETTING_WHY_SIZE);
	case SETTING_KIND_SWITCH:
		return set_switch(member, value, why, SETTING_WHY_SIZE);
	case SETTING_KIND_CHOICE:
		return set_choice(
		    member, setting, value, why, SETTING_WHY_SIZE);
	}
	return false;
}

bool
setting_may_be_empty(const struct setting *setting)
{
	const char *const *values;

	if (setting->kind == SETTING_KIND_TEXT)
		return setting->min == 0;
	values = setting->kind == SETTING_KIND_CHOICE
		     ? choice_values(setting->key)
		     : NULL;
	return values != NULL && values[0][0] == '\0';
}

/* Levenshtein's distance of A and B without regard to case; two rows. */
static size_t
distance(const char *a, const char *b)
{
	size_t row[KEY_MAX];
	size_t len = strlen(b);

	if (len >= sizeof(row) / sizeof(row[0]))
		return SIZE_MAX;
	for (size_t j = 0; j <= len; j++)
		row[j] = j;
	for (size_t i = 0; a[i] != '\0'; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < len; j++) {
			size_t same = toupper((unsigned char)a[i]) ==
				      toupper((unsigned char)b[j]);
			size_t best = diagonal + !same;

			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j + 1] + 1 < best)
				best = row[j + 1] + 1;
			diagonal = row[j + 1];
			row[j + 1] = best;
		}
	}
	return row[len];
}

const struct setting *
setting_guess(const char *key)
{
	const struct setting *nearest = NULL;
	size_t least = strlen(key) / 4 + 1;

	for (size_t i = 0; i < SETTING_COUNT; i++) {
		size_t d = distance(key, settings[i].key);

		if (d <= least && (nearest == NULL || d < least)) {
			least = d;
			nearest = &settings[i];
		}
	}
	return nearest;
}
