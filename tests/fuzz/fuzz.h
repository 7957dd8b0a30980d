/* SPDX-License-Identifier: MIT */
/*
 * fuzz.h – what the fuzz targets share: a silent log, and bytes handed out
 * piece by piece.
 *
 * A target takes bytes as a stranger sends them, and aborts when what the room
 * promises is not so; sanitizers see the rest. `make fuzz` runs them.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "common/log.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define FUZZ_CHECK(condition)                                                  \
	do {                                                                   \
		if (!(condition)) {                                            \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__,       \
			    __LINE__, #condition);                             \
			abort();                                               \
		}                                                              \
	} while (0)

/* To be called once; what is logged of a million inputs helps nobody. */
static inline void
fuzz_init(void)
{
	static int done;

	if (!done)
		log_set_level((enum log_level)0);
	done = 1;
}

struct fuzz_input {
	const uint8_t *data;
	size_t size;
};

/* 0 when there are no more. */
static inline uint8_t
fuzz_byte(struct fuzz_input *in)
{
	if (in->size == 0)
		return 0;
	in->size--;
	return *in->data++;
}

static inline uint32_t
fuzz_u32(struct fuzz_input *in)
{
	uint32_t value = 0;

	for (int i = 0; i < 4; i++)
		value = value << 8 | fuzz_byte(in);
	return value;
}

/* Up to MAX bytes, as many as a length before them says. */
static inline const uint8_t *
fuzz_bytes(struct fuzz_input *in, size_t max, size_t *len_out)
{
	const uint8_t *bytes;
	size_t len = (size_t)fuzz_byte(in) << 8;

	len |= fuzz_byte(in);
	if (len > max)
		len = max;
	if (len > in->size)
		len = in->size;
	bytes = in->data;
	in->data += len;
	in->size -= len;
	*len_out = len;
	return bytes;
}

/* A NUL-terminated copy in memory of its exact size, so that a read beyond is
 * seen; free(). */
static inline char *
fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	FUZZ_CHECK(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

/* The bytes up to the next 0xff, as a text; free(). */
static inline char *
fuzz_part(struct fuzz_input *in)
{
	const uint8_t *end =
	    in->size > 0 ? memchr(in->data, 0xff, in->size) : NULL;
	size_t len = end != NULL ? (size_t)(end - in->data) : in->size;
	char *text = fuzz_text(in->data, len);

	in->data += len + (end != NULL);
	in->size -= len + (end != NULL);
	return text;
}

#endif
