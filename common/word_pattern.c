/* SPDX-License-Identifier: MIT */
/*
 * word_pattern.c – finds a pattern of words in a text.
 *
 * Pattern and text are both folded to words with one space between them;
 * of a pattern '*' and '|' are left, as words.
 */
#include "common/word_pattern.h"

#include "common/text_fold.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static size_t
word_len(const char *s)
{
	return strcspn(s, " ");
}

static const char *
next_word(const char *s)
{
	s += word_len(s);
	return *s == ' ' ? s + 1 : s;
}

static bool
same_word(const char *a, const char *b)
{
	return word_len(a) == word_len(b) && memcmp(a, b, word_len(a)) == 0;
}

/* Whether TEXT begins with one of the words at *PATTERN, which is moved on
 * behind them. */
static bool
matches_either(const char *text, const char **pattern)
{
	bool found = same_word(text, *pattern);

	*pattern = next_word(*pattern);
	while (**pattern == '|') {
		*pattern = next_word(*pattern);
		found = found || same_word(text, *pattern);
		*pattern = next_word(*pattern);
	}
	return found;
}

/* Recursion is as deep as PATTERN has stars. */
static bool
begins_with(const char *text, const char *pattern)
{
	while (*pattern != '\0' && *pattern != '*') {
		if (*text == '\0' || !matches_either(text, &pattern))
			return false;
		text = next_word(text);
	}
	if (*pattern == '\0')
		return true;
	pattern = next_word(pattern);
	for (int skipped = 0; skipped <= WORD_PATTERN_GAP; skipped++) {
		if (begins_with(text, pattern))
			return true;
		if (*text == '\0')
			return false;
		text = next_word(text);
	}
	return false;
}

/* The same for a folded pattern. */
static const char *
folded_fault(const char *pattern)
{
	char before = '*'; /* what may not be followed by '*' or '|' */
	unsigned stars = 0;

	if (*pattern == '\0')
		return "there is no word in it";
	for (; *pattern != '\0'; pattern = next_word(pattern)) {
		char c = *pattern;

		if ((c == '*' || c == '|') && (before == '*' || before == '|'))
			return "* and | must stand between words";
		stars += c == '*';
		before = c;
	}
	if (before == '*' || before == '|')
		return "* and | must stand between words";
	return stars > WORD_PATTERN_STARS_MAX ? "there are too many *" : NULL;
}

const char *
word_pattern_fault(const char *pattern)
{
	const char *fault;
	char *folded;

	if (strlen(pattern) > WORD_PATTERN_MAX)
		return "it is too long";
	folded = text_fold_keeping(pattern, "*|");
	fault = folded == NULL ? "there is no memory" : folded_fault(folded);
	free(folded);
	return fault;
}

bool
word_pattern_find(const char *pattern, const char *text)
{
	char *folded = text_fold_keeping(pattern, "*|");
	bool found = false;

	if (folded == NULL || folded_fault(folded) != NULL)
		text = "";
	for (; *text != '\0' && !found; text = next_word(text))
		found = begins_with(text, folded);
	free(folded);
	return found;
}
