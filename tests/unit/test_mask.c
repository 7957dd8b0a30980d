/* SPDX-License-Identifier: MIT */
/* test_mask.c – a secret is found in whatever spelling it comes back. */
#include "toolworker/mask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

enum {
	ROUNDS = 20000,
	TEXT_SIZE = 4096,
};

static const char secret[] = "k&y \"<s3cr3t>/+=%41\\ñ";

/* Each is masked from its first to its last byte, and nothing else. */
static const char *const spellings[] = {
    "k&y \"<s3cr3t>/+=%41\\ñ",
    /* percent: as of RFC 3986, lower case, a form's, twice */
    "k%26y%20%22%3Cs3cr3t%3E%2F%2B%3D%2541%5C%C3%B1",
    "k%26y%20%22%3cs3cr3t%3e%2f%2b%3d%2541%5c%c3%b1",
    "k%26y+%22%3Cs3cr3t%3E/%2B=%2541%5C%C3%B1",
    "k%2526y%2520%2522%253Cs3cr3t%253E%252F%252B%253D%252541%255C%25C3%25B1",
    /* JSON: as needed, all of it, with and without letters beyond ASCII */
    "k&y \\\"<s3cr3t>\\/+=%41\\\\ñ",
    "k\\u0026y \\\"\\u003cs3cr3t\\u003E/+=%41\\\\\\u00f1",
    "\\u006b\\u0026\\u0079\\u0020\\u0022\\u003c\\u0073\\u0033\\u0063\\u0072"
    "\\u0033\\u0074\\u003e\\u002f\\u002b\\u003d\\u0025\\u0034\\u0031\\u005c"
    "\\u00f1",
    "k\\x26y \\\"<s3cr3t>/+=%41\\\\\\xc3\\xb1",
    /* HTML: names, numbers */
    "k&amp;y &quot;&lt;s3cr3t&gt;/+=%41\\ñ",
    "k&#38;y&#32;&#34;&#60;s3cr3t&#62;&#x2f;&#X2B;=%41&#92;&#241;",
    "k&#x26;y &#x22;&#x3c;s3cr3t&#x3E;/+=%41\\&#xF1;",
};

static void
every_spelling_is_masked(void **state)
{
	char text[TEXT_SIZE], wanted[TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(spellings) / sizeof(*spellings); i++) {
		size_t len = strlen(spellings[i]);

		snprintf(text, sizeof(text), "a=%s;b", spellings[i]);
		memcpy(wanted, "a=", 2);
		memset(wanted + 2, '*', len);
		memcpy(wanted + 2 + len, ";b", 3);
		mask_secret(text, strlen(text), secret);
		assert_string_equal(text, wanted);
	}
}

static void
what_is_not_the_secret_stays(void **state)
{
	static const char *const texts[] = {"", "k", "%", "\\", "\\u", "\\u00",
	    "&", "&#", "&#;", "&#x;", "k&y \"<s3cr3t>/+=%41\\", "k%26y%2",
	    "s3cr3t", "%25", "%2541", "K&Y \"<S3CR3T>/+=%41\\Ñ",
	    "k&amp;y &quot", "\\ud83d\\ude00", "k&#99999999999;y"};
	char text[TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		snprintf(text, sizeof(text), "%s", texts[i]);
		mask_secret(text, strlen(text), secret);
		assert_string_equal(text, texts[i]);
	}
}

static void
letters_beyond_the_first_plane_are_spelled_as_pairs(void **state)
{
	char text[] = "x \\ud83d\\ude00abcdef \\ud83dabcdef";

	(void)state;
	mask_secret(text, strlen(text), "😀abcdef");
	assert_string_equal(text, "x ****************** \\ud83dabcdef");
}

/* In BUF, COUNT bytes of DATA in base64, with or without the URL's letters. */
static void
encode(char *buf, const char *data, size_t len, bool for_url)
{
	EVP_EncodeBlock(
	    (unsigned char *)buf, (const unsigned char *)data, (int)len);
	for (; for_url && *buf != '\0'; buf++) {
		if (*buf == '+')
			*buf = '-';
		if (*buf == '/')
			*buf = '_';
	}
}

static char
any_letter(void)
{
	return (char)(0x20 + rand() % 0x5f);
}

/* Writes C in one of its spellings. */
static size_t
spell(char *buf, unsigned char c)
{
	switch (rand() % 7) {
	case 0:
		return (size_t)sprintf(buf, "%%%02X", c);
	case 1:
		return (size_t)sprintf(buf, "%%%02x", c);
	case 2:
		return (size_t)sprintf(buf, "\\u%04x", c);
	case 3:
		return (size_t)sprintf(buf, "&#%u;", c);
	case 4:
		return (size_t)sprintf(buf, "&#x%X;", c);
	case 5:
		return (size_t)sprintf(buf, "%%25%02X", c);
	default:
		/* What begins an escape cannot stand for itself among them. */
		return (size_t)sprintf(
		    buf, strchr("%\\&+", c) != NULL ? "%%%02x" : "%c", c);
	}
}

static void
secrets_of_any_letters_are_masked_in_any_mixture(void **state)
{
	char key[40], text[TEXT_SIZE];

	(void)state;
	srand(1);
	for (int round = 0; round < ROUNDS; round++) {
		size_t len = 6 + (size_t)(rand() % 30), at = 3;

		for (size_t i = 0; i < len; i++)
			key[i] = any_letter();
		key[len] = '\0';
		memcpy(text, "<<<", 3);
		for (size_t i = 0; i < len; i++)
			at += spell(text + at, (unsigned char)key[i]);
		memcpy(text + at, ">>>", 4);
		mask_secret(text, strlen(text), key);
		if (strspn(text + 3, "*") != at - 3)
			fail_msg(
			    "round %d: %s is left of %s", round, text, key);
	}
}

static void
within_base64_only_what_its_neighbours_share_is_left(void **state)
{
	char key[40], data[128], text[TEXT_SIZE], before[TEXT_SIZE];

	(void)state;
	srand(2);
	for (int round = 0; round < ROUNDS; round++) {
		size_t len = 6 + (size_t)(rand() % 30);
		size_t lead = (size_t)(rand() % 20);
		size_t tail = (size_t)(rand() % 20), first, end;

		for (size_t i = 0; i < len; i++)
			key[i] = any_letter();
		key[len] = '\0';
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = any_letter();
		memcpy(data + lead, key, len);
		encode(text, data, lead + len + tail, round % 2 == 0);
		strcpy(before, text);
		mask_secret(text, strlen(text), key);
		first = (8 * lead + 5) / 6;
		end = 8 * (lead + len) / 6;
		for (size_t i = 0; before[i] != '\0'; i++) {
			bool within = i >= first && i < end;

			if (within != (text[i] == '*'))
				fail_msg("round %d: %s of %s with %s", round,
				    text, before, key);
		}
	}
}

static void
base64_in_a_url_or_in_json_is_base64_too(void **state)
{
	static const char key[] = "\xff\xff\xfe\xfb\xef\xbe~~~?";
	char code[64], text[256];

	(void)state;
	encode(code, key, strlen(key), false);
	assert_non_null(strpbrk(code, "+/"));
	snprintf(text, sizeof(text), "x");
	for (const char *c = code; *c != '\0'; c++) {
		size_t len = strlen(text);

		snprintf(text + len, sizeof(text) - len,
		    *c == '+'   ? "%%2B"
		    : *c == '/' ? "\\/"
				: "%c",
		    *c);
	}
	mask_secret(text, strlen(text), key);
	/* The last letters depend on what follows. */
	assert_int_equal(text[0], 'x');
	assert_true(strspn(text + 1, "*") >= strlen(code) - 4);
}

static void
the_longest_secret_is_masked_and_a_longer_one_not_looked_for(void **state)
{
	char *key = calloc(1, MASK_SECRET_SIZE + 1);
	char *text = calloc(1, 2 * MASK_SECRET_SIZE);

	(void)state;
	memset(key, 'x', MASK_SECRET_SIZE - 1);
	encode(text, key, MASK_SECRET_SIZE - 1, false);
	mask_secret(text, strlen(text), key);
	assert_true(strspn(text, "*") > MASK_SECRET_SIZE);
	key[MASK_SECRET_SIZE - 1] = 'x';
	strcpy(text, key);
	mask_secret(text, strlen(text), key);
	assert_string_equal(text, key);
	free(key);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_spelling_is_masked),
	    cmocka_unit_test(what_is_not_the_secret_stays),
	    cmocka_unit_test(
		letters_beyond_the_first_plane_are_spelled_as_pairs),
	    cmocka_unit_test(secrets_of_any_letters_are_masked_in_any_mixture),
	    cmocka_unit_test(
		within_base64_only_what_its_neighbours_share_is_left),
	    cmocka_unit_test(base64_in_a_url_or_in_json_is_base64_too),
	    cmocka_unit_test(
		the_longest_secret_is_masked_and_a_longer_one_not_looked_for),
	};

	return cmocka_run_group_tests_name("mask", tests, NULL, NULL);
}
