/* SPDX-License-Identifier: MIT */
/*
 * staff_pins.c – keeps PINs as digests under a key of this process, and
 * compares in constant time.
 *
 * Invariant: no PIN is in memory in the clear after staff_pins_new() and
 * staff_pins_match() return.
 */
#include "supervisor/staff_pins.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASHED "pbkdf2:"
#define SALT   "telefonista-%s"

enum {
	ROUNDS = 5000,
	DIGEST_LEN = 16,
	KEY_LEN = 32,
	LIST_MAX = 512,
};

struct entry {
	char name[STAFF_PINS_NAME_SIZE];
	bool hashed; /* as the operator wrote it, else under our key */
	unsigned char digest[DIGEST_LEN];
};

struct staff_pins {
	unsigned char key[KEY_LEN];
	size_t count;
	struct entry list[STAFF_PINS_MAX];
};

static bool
is_pin(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)text[i]))
			return false;
	}
	return len >= STAFF_PIN_MIN && len <= STAFF_PIN_MAX;
}

static int
digest_own(const struct staff_pins *pins, const char *digits, size_t len,
    unsigned char out[DIGEST_LEN])
{
	unsigned char whole[EVP_MAX_MD_SIZE];
	unsigned int n = 0;
	bool ok = HMAC(EVP_sha256(), pins->key, KEY_LEN,
		      (const unsigned char *)digits, len, whole, &n) != NULL;

	memcpy(out, whole, DIGEST_LEN);
	OPENSSL_cleanse(whole, sizeof(whole));
	return ok ? 0 : -ENOMEM;
}

static int
digest_hashed(const struct entry *entry, const char *digits, size_t len,
    unsigned char out[DIGEST_LEN])
{
	char salt[STAFF_PINS_NAME_SIZE + sizeof(SALT)];
	int n = snprintf(salt, sizeof(salt), SALT, entry->name);

	return PKCS5_PBKDF2_HMAC(digits, (int)len, (const unsigned char *)salt,
		   n, ROUNDS, EVP_sha256(), DIGEST_LEN, out) == 1
		   ? 0
		   : -ENOMEM;
}

/* -- reading ------------------------------------------------------------------ */

static int
read_hex(const char *text, unsigned char out[DIGEST_LEN])
{
	if (strspn(text, "0123456789abcdefABCDEF") != 2 * DIGEST_LEN ||
	    text[2 * DIGEST_LEN] != '\0')
		return -EINVAL;
	for (size_t i = 0; i < DIGEST_LEN; i++) {
		const char pair[] = {text[2 * i], text[2 * i + 1], '\0'};

		out[i] = (unsigned char)strtoul(pair, NULL, 16);
	}
	return 0;
}

static bool
is_name(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)text[i]) &&
		    strchr("._-", text[i]) == NULL)
			return false;
	}
	return len > 0 && len < STAFF_PINS_NAME_SIZE;
}

/* TEXT is one entry without spaces around it. NULL, or what is wrong. */
static const char *
read_entry(struct staff_pins *pins, const char *text)
{
	size_t len = strcspn(text, ":");
	const char *pin = text + len + 1;
	struct entry *entry;

	if (text[len] != ':' || !is_name(text, len))
		return "is not NAME:PIN, with a name of letters, digits, '.', "
		       "'_' and '-'";
	if (pins->count == STAFF_PINS_MAX)
		return "is one too many";
	entry = &pins->list[pins->count];
	snprintf(entry->name, sizeof(entry->name), "%.*s", (int)len, text);
	entry->hashed = strncmp(pin, HASHED, strlen(HASHED)) == 0;
	if (entry->hashed) {
		if (read_hex(pin + strlen(HASHED), entry->digest) < 0)
			return "has no 32 hexadecimal digits after pbkdf2:";
	} else if (!is_pin(pin, strlen(pin))) {
		return "has a PIN that is not 6 to 12 digits";
	} else if (digest_own(pins, pin, strlen(pin), entry->digest) < 0) {
		return "cannot be kept: no memory";
	}
	for (size_t i = 0; i < pins->count; i++) {
		const struct entry *other = &pins->list[i];

		if (strcmp(other->name, entry->name) == 0)
			return "has the name of an earlier one";
		if (other->hashed == entry->hashed &&
		    memcmp(other->digest, entry->digest, DIGEST_LEN) == 0)
			return "has the PIN of an earlier one";
	}
	pins->count++;
	return NULL;
}

static int
read_list(struct staff_pins *pins, char *list, char *why)
{
	static const char spaces[] = " \t\r\n";
	unsigned int number = 0;
	char *text;

	while ((text = strsep(&list, ",")) != NULL) {
		const char *wrong;
		size_t len;

		text += strspn(text, spaces);
		for (len = strlen(text);
		     len > 0 && strchr(spaces, text[len - 1]) != NULL; len--)
			text[len - 1] = '\0';
		number++;
		if (*text == '\0')
			continue;
		wrong = read_entry(pins, text);
		if (wrong == NULL)
			continue;
		snprintf(
		    why, STAFF_PINS_WHY_SIZE, "entry %u %s", number, wrong);
		return -EINVAL;
	}
	return 0;
}

int
staff_pins_new(struct staff_pins **pins_out, const char *list,
    char why[STAFF_PINS_WHY_SIZE])
{
	struct staff_pins *pins = calloc(1, sizeof(*pins));
	char copy[LIST_MAX];
	int ret;

	why[0] = '\0';
	if (pins == NULL || RAND_bytes(pins->key, KEY_LEN) != 1) {
		free(pins);
		return -ENOMEM;
	}
	snprintf(copy, sizeof(copy), "%s", list);
	ret = read_list(pins, copy, why);
	OPENSSL_cleanse(copy, sizeof(copy));
	if (ret < 0) {
		staff_pins_free(&pins);
		return ret;
	}
	*pins_out = pins;
	return 0;
}

void
staff_pins_free(struct staff_pins **pins)
{
	if (*pins == NULL)
		return;
	OPENSSL_cleanse(*pins, sizeof(**pins));
	free(*pins);
	*pins = NULL;
}

void
staff_pins_check(const char *list, struct config_problems *problems)
{
	char why[STAFF_PINS_WHY_SIZE];
	struct staff_pins *pins = NULL;

	if (staff_pins_new(&pins, list, why) == -EINVAL)
		config_problem(
		    problems, false, "STAFF_PINS: %s; no PIN is accepted", why);
	staff_pins_free(&pins);
}

size_t
staff_pins_count(const struct staff_pins *pins)
{
	return pins->count;
}

/* -- comparing ----------------------------------------------------------------- */

const char *
staff_pins_match(const struct staff_pins *pins, const char *digits, size_t len)
{
	unsigned char own[DIGEST_LEN], hashed[DIGEST_LEN];
	size_t found = 0, matches = 0;
	bool broken = digest_own(pins, digits, len, own) < 0;

	for (size_t i = 0; i < pins->count; i++) {
		const struct entry *entry = &pins->list[i];
		const unsigned char *given = own;
		size_t is_equal, mask;

		if (entry->hashed) {
			broken |= digest_hashed(entry, digits, len, hashed) < 0;
			given = hashed;
		}
		is_equal = CRYPTO_memcmp(given, entry->digest, DIGEST_LEN) == 0;
		mask = (size_t)0 - is_equal;
		found = (found & ~mask) | (i & mask);
		matches += is_equal;
	}
	OPENSSL_cleanse(own, sizeof(own));
	OPENSSL_cleanse(hashed, sizeof(hashed));
	/* Two entries with one PIN, one of them hashed: neither is meant. */
	return matches != 1 || broken ? NULL : pins->list[found].name;
}
