/* SPDX-License-Identifier: MIT */
/*
 * person_phrase.c – judges a transcript by a persona's phrases.
 *
 * Invariant: an exception beats every phrase, wherever it is in the list.
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

static const char *
find_exception(const cJSON *phrases, const char *transcript)
{
	const char *found = NULL;

	while (*transcript != '\0' && found == NULL) {
		size_t len = strcspn(transcript, ",.;:!?\n");

		found = find_folded(phrases, transcript, len, true);
		transcript += len + (transcript[len] != '\0');
	}
	return found;
}

enum person_phrase_verdict
person_phrase_find(
    const cJSON *phrases, const char *transcript, const char **phrase_out)
{
	const char *found =
	    find_folded(phrases, transcript, strlen(transcript), false);
	const char *exception = find_exception(phrases, transcript);

	if (exception != NULL) {
		*phrase_out = exception;
		return PERSON_PHRASE_EXCEPTED;
	}
	if (found == NULL)
		return PERSON_PHRASE_NONE;
	*phrase_out = found;
	return PERSON_PHRASE_WANTED;
}
