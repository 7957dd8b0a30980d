/* SPDX-License-Identifier: MIT */
/*
 * sentence.c – finds and fills the places in a sentence. A value is a number:
 * nothing that a service or a caller wrote can get into a sentence.
 */
#include "common/sentence.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The place that TEXT, a brace, begins with; *LEN_OUT: its bytes. */
static const struct sentence_place *
find_place(const char *text, const struct sentence_place *places, size_t count,
    size_t *len_out)
{
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(places[i].name);

		if (strncmp(text + 1, places[i].name, len) != 0 ||
		    text[1 + len] != '}')
			continue;
		*len_out = len + 2;
		return &places[i];
	}
	return NULL;
}

const char *
sentence_stray(
    const char *text, const struct sentence_place *places, size_t count)
{
	for (;;) {
		size_t len;

		text += strcspn(text, "{}");
		if (*text == '\0')
			return NULL;
		if (*text == '}' ||
		    find_place(text, places, count, &len) == NULL)
			return text;
		text += len;
	}
}

int
sentence_fill(char *out, size_t size, const char *text,
    const struct sentence_place *places, size_t count)
{
	size_t used = 0;

	while (*text != '\0' && used < size) {
		size_t len = 0;
		const struct sentence_place *place =
		    *text == '{' ? find_place(text, places, count, &len) : NULL;

		if (place == NULL) {
			out[used++] = *text++;
			continue;
		}
		used += (size_t)snprintf(
		    out + used, size - used, "%" PRId64, place->value);
		text += len;
	}
	if (used < size) {
		out[used] = '\0';
		return 0;
	}
	out[0] = '\0';
	return -EMSGSIZE;
}
