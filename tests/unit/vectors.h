/* SPDX-License-Identifier: MIT */
/* vectors.h – published test vectors, where the tree has them beside it. */
#ifndef TESTS_UNIT_VECTORS_H
#define TESTS_UNIT_VECTORS_H

#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

/* The parsed file, the caller's; NULL if there is none. From the repo root. */
static inline cJSON *
vectors_load(const char *path)
{
	enum {
		SIZE = 1 << 20
	};
	FILE *f = fopen(path, "r");
	cJSON *json = NULL;
	char *text;
	size_t len;

	if (f == NULL)
		return NULL;
	text = malloc(SIZE);
	if (text != NULL) {
		len = fread(text, 1, SIZE, f);
		json = cJSON_ParseWithLength(text, len);
		free(text);
	}
	fclose(f);
	return json;
}

#endif
