/* SPDX-License-Identifier: MIT */
/*
 * sentence.h – sentences with places for numbers, "{done} de {total}", that an
 * operator writes into a tool's file and the voice reads out.
 */
#ifndef COMMON_SENTENCE_H
#define COMMON_SENTENCE_H

#include <stddef.h>
#include <stdint.h>

enum {
	SENTENCE_MAX = 600,          /* bytes as written, without NUL */
	SENTENCE_FILLED_SIZE = 1024, /* enough with numbers in, NUL included */
};

struct sentence_place {
	const char *name; /* without braces */
	int64_t value;
};

/*
 * Finds what is in braces in TEXT and none of the COUNT PLACES (whose values
 * are not looked at), so that no typing error is ever read out. Returns where
 * it begins in TEXT, its brace included, and NULL when there is none.
 */
const char *sentence_stray(
    const char *text, const struct sentence_place *places, size_t count);

/*
 * Writes TEXT with its places filled in to OUT of SIZE bytes. 0, or -EMSGSIZE
 * when it does not fit: then OUT holds "".
 */
int sentence_fill(char *out, size_t size, const char *text,
    const struct sentence_place *places, size_t count);

#endif
