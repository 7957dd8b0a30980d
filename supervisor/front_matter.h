/* SPDX-License-Identifier: MIT */
/*
 * front_matter.h – takes a Markdown file with fields at its head apart.
 *
 * The file begins with a line "---", then fields "key: value", then another
 * line "---", then the body. A value goes on in lines that begin with white
 * space; lines that begin with "- " are the items of a list and are joined
 * with commas. Quotes around a whole value are dropped. A line whose first
 * character is '#' says nothing.
 */
#ifndef SUPERVISOR_FRONT_MATTER_H
#define SUPERVISOR_FRONT_MATTER_H

#include <stddef.h>

struct front_matter_handlers {
	/* KEY and VALUE live in the text; LINE is where the field begins. */
	void (*on_field)(
	    const char *key, char *value, unsigned int line, void *arg);
	/* WHY is a printable reason; may come more than once. */
	void (*on_error)(unsigned int line, const char *why, void *arg);
	void *arg;
};

/*
 * Parses TEXT, NUL-terminated UTF-8, which is overwritten. Returns the body
 * in it, without white space at its ends, or NULL after an error that makes
 * the rest meaningless.
 */
char *front_matter_parse(
    char *text, const struct front_matter_handlers *handlers);

/*
 * The next item of a list "a, b" or "[a, b]", without white space and quotes;
 * NULL when there is none. *REST begins as the value and is overwritten.
 */
char *front_matter_next(char **rest);

#endif
