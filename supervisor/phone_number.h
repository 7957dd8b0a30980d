/* SPDX-License-Identifier: MIT */
/*
 * phone_number.h – what Asterisk gives as the caller's number, made into one
 * form (E.164), and shown to those who may see it.
 */
#ifndef SUPERVISOR_PHONE_NUMBER_H
#define SUPERVISOR_PHONE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

enum {
	PHONE_NUMBER_SIZE = 42,    /* NUL included */
	PHONE_NUMBER_DIGITS = 15,  /* at most, E.164 section 6 */
	PHONE_NUMBER_SPOKEN = 96,  /* room for phone_number_spell() */
	PHONE_NUMBER_DISPLAY = 48, /* room for phone_number_display() */
};

enum phone_kind {
	PHONE_ANONYMOUS, /* withheld, unknown, or nothing usable */
	PHONE_INTERNAL,  /* an extension of the PBX, kept as it is */
	PHONE_LOCAL,     /* digits whose country we cannot tell, kept */
	PHONE_E164,      /* '+' and the complete number */
};

struct phone_number {
	enum phone_kind kind;
	char text[PHONE_NUMBER_SIZE]; /* "" if anonymous */
};

/*
 * Reads CALLER_ID, which a stranger chose, with COUNTRY (57) for numbers
 * without a country code. Never fails: what makes no sense is anonymous.
 */
void phone_number_parse(
    const char *caller_id, long country, struct phone_number *number_out);

/* Whether TEXT is one of the words for "no number" ("Anonymous", …). */
bool phone_number_is_withheld(const char *text);

/* Whether both are the same known number. */
bool phone_number_equal(
    const struct phone_number *a, const struct phone_number *b);

/*
 * For titles and logs. MODE is SHOW_CALLER_NUMBER: "full", "last4" ("…4655";
 * an extension is shown whole) or "no" (""). Anonymous: "anonymous".
 */
void phone_number_display(const struct phone_number *number, const char *mode,
    char *buf, size_t size);

/*
 * For the voice: single digits in groups as people say them, "3 0 0, 1 2 3,
 * 4 6 5 5", without the country code if it is COUNTRY. "" if anonymous.
 */
void phone_number_spell(
    const struct phone_number *number, long country, char *buf, size_t size);

#endif
