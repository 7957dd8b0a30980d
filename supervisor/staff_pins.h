/* SPDX-License-Identifier: MIT */
/*
 * staff_pins.h – the setting STAFF_PINS: who of the staff has which PIN.
 *
 *	ana:482915, luis:pbkdf2:0123456789abcdef0123456789abcdef
 *
 * A PIN has 6 to 12 digits. The second form is PBKDF2-HMAC-SHA256 of it with
 * the salt "telefonista-NAME", 5000 rounds, 16 bytes in hexadecimal: it keeps
 * a PIN from being read over a shoulder, not from somebody with the file and
 * an hour.
 */
#ifndef SUPERVISOR_STAFF_PINS_H
#define SUPERVISOR_STAFF_PINS_H

#include "common/config.h"

#include <stddef.h>

struct staff_pins;

enum {
	STAFF_PIN_MIN = 6, /* digits */
	STAFF_PIN_MAX = 12,
	STAFF_PINS_MAX = 48,
	STAFF_PINS_NAME_SIZE = 33,
	STAFF_PINS_WHY_SIZE = 160,
};

/*
 * Reads LIST, of which nothing is kept in the clear. 0, -ENOMEM, or -EINVAL
 * with WHY, which names the entry by its number and never shows a PIN. An
 * empty LIST is nobody.
 */
int staff_pins_new(struct staff_pins **pins_out, const char *list,
    char why[STAFF_PINS_WHY_SIZE]);

/* A problem for the operator if LIST is not one. */
void staff_pins_check(const char *list, struct config_problems *problems);

/* Wipes. NULL-safe, clears. */
void staff_pins_free(struct staff_pins **pins);

size_t staff_pins_count(const struct staff_pins *pins);

/*
 * Whose PIN the LEN digits are, or NULL. Every entry is compared whole,
 * whichever matches: how long it takes tells nothing.
 */
const char *staff_pins_match(
    const struct staff_pins *pins, const char *digits, size_t len);

#endif
