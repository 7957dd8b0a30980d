/* SPDX-License-Identifier: MIT */
/*
 * word_pattern.h – words that an operator wants to be found in what somebody
 * says, whatever the case, the accents and the punctuation.
 *
 * "hablar|hable con * persona": words in a row; "a|b" is either word, "*"
 * stands for up to WORD_PATTERN_GAP words or none. A word is compared with
 * whole words only.
 */
#ifndef COMMON_WORD_PATTERN_H
#define COMMON_WORD_PATTERN_H

#include <stdbool.h>

enum {
	WORD_PATTERN_GAP = 3,
	WORD_PATTERN_MAX = 400,     /* bytes */
	WORD_PATTERN_STARS_MAX = 4, /* each multiplies the work by four */
};

/* NULL, or what is wrong with PATTERN, a literal. */
const char *word_pattern_fault(const char *pattern);

/* Whether TEXT, as text_fold() left it, holds PATTERN, a good one. */
bool word_pattern_find(const char *pattern, const char *text);

#endif
