/* SPDX-License-Identifier: MIT */
/*
 * routeros_wire.h – the binary API's sentences to and from bytes. No I/O.
 *
 * A stream is sentences; a sentence is words and a word of length zero; a
 * word is its length, in one to five bytes, and that many bytes (MikroTik's
 * manual, page API). A word may hold any byte.
 */
#ifndef TOOLWORKER_ROUTEROS_WIRE_H
#define TOOLWORKER_ROUTEROS_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	ROUTEROS_LENGTH_SIZE = 5, /* most bytes of a length */
	/* What we accept; routers send words of a few hundred bytes. */
	ROUTEROS_WORD_MAX = 64 * 1024,
	ROUTEROS_WORDS_MAX = 256, /* of one sentence */
	ROUTEROS_SENTENCE_MAX = 128 * 1024,
};

/* -- lengths --------------------------------------------------------------- */

/* Writes LENGTH into BYTES; returns how many bytes it took. */
size_t routeros_length_encode(
    uint32_t length, unsigned char bytes[ROUTEROS_LENGTH_SIZE]);

/*
 * Reads a length from LEN bytes. Returns how many bytes it took, 0 if there
 * are too few, -EPROTO for a byte that begins none (above 0xF0: reserved). Lengths
 * that take more bytes than they need are accepted.
 */
ssize_t routeros_length_decode(
    const unsigned char *bytes, size_t len, uint32_t *length_out);

/* -- sentences ------------------------------------------------------------- */

/*
 * Words point into the bytes that were decoded, and are not terminated by a
 * NUL.
 */
struct routeros_word {
	const char *text;
	size_t len;
};

struct routeros_sentence {
	size_t count;
	struct routeros_word words[ROUTEROS_WORDS_MAX];
};

/*
 * Reads one sentence from LEN bytes. Returns how many bytes it took (an empty
 * sentence, to be ignored, takes one and has no words), 0 if it is not
 * complete yet, or -errno: -EPROTO for a reserved control byte, -EMSGSIZE for
 * more than the limits above, which is noticed as soon as the length is read.
 */
ssize_t routeros_sentence_decode(
    const void *bytes, size_t len, struct routeros_sentence *sentence_out);

/* -- a sentence of ours ----------------------------------------------------- */

/* Grows as needed; zeroed before use. */
struct routeros_buffer {
	unsigned char *bytes;
	size_t len;
	size_t size;
	int error; /* 0, or the first -errno: then it must not be sent */
};

/* Appends KEY and VALUE as one word: ("=address=", "10.0.0.1"). Not empty. */
void routeros_buffer_word(
    struct routeros_buffer *buffer, const char *key, const char *value);

/* Ends the sentence. */
void routeros_buffer_end(struct routeros_buffer *buffer);

/* Overwrites (a password was in it) and frees. */
void routeros_buffer_free(struct routeros_buffer *buffer);

#endif
