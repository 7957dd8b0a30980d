/* SPDX-License-Identifier: MIT */
/*
 * mask.h – overwrites a secret in the words of a service, however it is
 * spelled there.
 */
#ifndef TOOLWORKER_MASK_H
#define TOOLWORKER_MASK_H

#include <stddef.h>

enum {
	/* Bytes of text that may spell one byte of a secret. */
	MASK_SPELLING_MAX = 10,
	MASK_SECRET_SIZE = 4096, /* bytes of a secret, NUL included */
};

/*
 * Overwrites with '*' what in TEXT, LEN bytes, is SECRET: as it is,
 * percent-encoded (once or twice, '+' for a space), escaped as in JSON or
 * HTML, all of these mixed, or anywhere within something in base64 of either
 * alphabet, for instance "user:SECRET". One that is as long as
 * MASK_SECRET_SIZE is not looked for.
 */
void mask_secret(char *text, size_t len, const char *secret);

#endif
