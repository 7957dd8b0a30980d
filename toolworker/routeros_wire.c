/* SPDX-License-Identifier: MIT */
/*
 * routeros_wire.c – lengths, words and sentences of RouterOS's binary API.
 *
 * Invariant: nothing is read behind the bytes that were given, and a length
 * is judged before any byte of its word is waited for.
 */
#include "toolworker/routeros_wire.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

size_t
routeros_length_encode(
    uint32_t length, unsigned char bytes[ROUTEROS_LENGTH_SIZE])
{
	size_t count;
	uint32_t mark;

	if (length >= 0x10000000) {
		bytes[0] = 0xf0;
		for (unsigned int i = 0; i < 4; i++)
			bytes[1 + i] = (unsigned char)(length >> (24 - 8 * i));
		return 5;
	}
	if (length < 0x80) {
		count = 1;
		mark = 0;
	} else if (length < 0x4000) {
		count = 2;
		mark = 0x8000;
	} else if (length < 0x200000) {
		count = 3;
		mark = 0xc00000;
	} else {
		count = 4;
		mark = 0xe0000000;
	}
	length |= mark;
	for (size_t i = 0; i < count; i++)
		bytes[i] = (unsigned char)(length >> (8 * (count - 1 - i)));
	return count;
}

ssize_t
routeros_length_decode(
    const unsigned char *bytes, size_t len, uint32_t *length_out)
{
	uint32_t length;
	size_t count;

	if (len == 0)
		return 0;
	if (bytes[0] > 0xf0)
		return -EPROTO;
	count = bytes[0] < 0x80   ? 1
		: bytes[0] < 0xc0 ? 2
		: bytes[0] < 0xe0 ? 3
		: bytes[0] < 0xf0 ? 4
				  : 5;
	if (len < count)
		return 0;
	/* The first byte's mark: as many set bits as bytes follow. */
	length = bytes[0] & (0xffU >> count); /* 0xF0: nothing */
	for (size_t i = 1; i < count; i++)
		length = length << 8 | bytes[i];
	*length_out = length;
	return (ssize_t)count;
}

ssize_t
routeros_sentence_decode(
    const void *bytes, size_t len, struct routeros_sentence *sentence_out)
{
	const unsigned char *data = bytes;
	size_t at = 0;

	sentence_out->count = 0;
	for (;;) {
		uint32_t length;
		ssize_t taken =
		    routeros_length_decode(data + at, len - at, &length);

		if (taken <= 0)
			return taken;
		at += (size_t)taken;
		if (length == 0)
			return (ssize_t)at;
		if (length > ROUTEROS_WORD_MAX ||
		    at + length > ROUTEROS_SENTENCE_MAX ||
		    sentence_out->count == ROUTEROS_WORDS_MAX)
			return -EMSGSIZE;
		if (length > len - at)
			return 0;
		sentence_out->words[sentence_out->count++] =
		    (struct routeros_word){
			.text = (const char *)data + at,
			.len = length,
		    };
		at += length;
	}
}

/* -- a sentence of ours ------------------------------------------------------- */

/* Not realloc(3), which leaves a copy of a password behind. */
static bool
reserve(struct routeros_buffer *buffer, size_t more)
{
	size_t size = buffer->size > 0 ? buffer->size : 256;
	unsigned char *bytes;

	if (buffer->error < 0)
		return false;
	while (size - buffer->len < more)
		size *= 2;
	if (size == buffer->size)
		return true;
	bytes = malloc(size);
	if (bytes == NULL) {
		buffer->error = -ENOMEM;
		return false;
	}
	if (buffer->bytes != NULL) {
		memcpy(bytes, buffer->bytes, buffer->len);
		explicit_bzero(buffer->bytes, buffer->size);
		free(buffer->bytes);
	}
	buffer->bytes = bytes;
	buffer->size = size;
	return true;
}

void
routeros_buffer_word(
    struct routeros_buffer *buffer, const char *key, const char *value)
{
	size_t key_len = strlen(key);
	size_t value_len = strlen(value);

	assert(key_len + value_len > 0);
	if (value_len > ROUTEROS_WORD_MAX - key_len) {
		buffer->error = -EMSGSIZE;
		return;
	}
	if (!reserve(buffer, ROUTEROS_LENGTH_SIZE + key_len + value_len))
		return;
	buffer->len += routeros_length_encode(
	    (uint32_t)(key_len + value_len), buffer->bytes + buffer->len);
	memcpy(buffer->bytes + buffer->len, key, key_len);
	memcpy(buffer->bytes + buffer->len + key_len, value, value_len);
	buffer->len += key_len + value_len;
}

void
routeros_buffer_end(struct routeros_buffer *buffer)
{
	if (reserve(buffer, 1))
		buffer->bytes[buffer->len++] = 0;
}

void
routeros_buffer_free(struct routeros_buffer *buffer)
{
	if (buffer->bytes != NULL)
		explicit_bzero(buffer->bytes, buffer->size);
	free(buffer->bytes);
	*buffer = (struct routeros_buffer){0};
}
