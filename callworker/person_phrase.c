/* SPDX-License-Identifier: MIT */
/*
 * person_phrase.c – judges a transcript by a persona's phrases.
 *
 * Invariant: an exception beats every phrase of its clause, wherever either
 * is in the list, and none of another clause.
 */
#include "callworker/person_phrase.h"

#include "common/log.h"
#include "common/text_fold.h"
#include "common/word_pattern.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool
is_exception(const char *phrase)
{
	return phrase[0] == '!';
}

/* The first phrase that TEXT holds; EXCEPTIONS: of those with a '!'. */
static const char *
find(const cJSON *phrases, const char *text, bool exceptions)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, phrases) {
		const char *phrase = cJSON_GetStringValue(item);

		if (phrase == NULL || is_exception(phrase) != exceptions)
			continue;
		if (word_pattern_find(phrase + exceptions, text))
			return phrase;
	}
	return NULL;
}

static const char *
find_folded(const cJSON *phrases, const char *text, size_t len, bool exceptions)
{
	char *part = strndup(text, len);
	char *folded = part != NULL ? text_fold(part) : NULL;
	const char *found = NULL;

	if (folded == NULL)
		log_err("no memory to look for the phrases of a persona");
	else
		found = find(phrases, folded, exceptions);
	free(folded);
	free(part);
	return found;
}

/* TRANSCRIPT without the clauses that hold an exception, a new string; the
 * last of those is *EXCEPTION_OUT, if there is any. NULL without memory. */
static char *
without_exceptions(
    const cJSON *phrases, const char *transcript, const char **exception_out)
{
	char *kept = malloc(strlen(transcript) + 1);
	size_t used = 0;

	if (kept == NULL)
		return NULL;
	while (*transcript != '\0') {
		size_t len = strcspn(transcript, ",.;:!?\n");
		const char *found = find_folded(phrases, transcript, len, true);

		len += transcript[len] != '\0';
		if (found != NULL) {
			*exception_out = found;
		} else {
			memcpy(kept + used, transcript, len);
			used += len;
		}
		transcript += len;
	}
	kept[used] = '\0';
	return kept;
}

enum person_phrase_verdict
person_phrase_find(
    const cJSON *phrases, const char *transcript, const char **phrase_out)
{
	const char *found, *exception = NULL;
	char *kept = without_exceptions(phrases, transcript, &exception);

	/* Without memory to judge by it, no exception counts. */
	if (kept != NULL)
		transcript = kept;
	found = find_folded(phrases, transcript, strlen(transcript), false);
	free(kept);
	if (found != NULL) {
		*phrase_out = found;
		return PERSON_PHRASE_WANTED;
	}
	if (exception == NULL)
		return PERSON_PHRASE_NONE;
	*phrase_out = exception;
	return PERSON_PHRASE_EXCEPTED;
}
