/* SPDX-License-Identifier: MIT */
/*
 * sql_answer.h – puts one row of a database into words, by a template of the
 * tool's file.
 *
 *   {column}                    the value as it is
 *   {column:FORMAT}             number, money, date, time, digits, yesno
 *   {column:number|one|many}    a number and the word for what it counts
 *   {column?if true|if not}     false: NULL, "", 0, f, false, n, no
 *   [text {column}]             left out when a column in it is NULL
 *
 * The parts of "?" and "[]" are templates again. A value is data: it is put
 * in once, and what looks like a template in it stays what it is. Words that
 * a caller hears come from the file (struct sql_words), none from here.
 */
#ifndef COMMON_SQL_ANSWER_H
#define COMMON_SQL_ANSWER_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

enum {
	SQL_ANSWER_DEPTH_MAX = 4,    /* parts within parts */
	SQL_ANSWER_VALUE_MAX = 600,  /* bytes of a value that are said */
	SQL_ANSWER_TEXT_MAX = 12288, /* bytes of a whole answer */
	SQL_ANSWER_WHY_SIZE = 160,
};

/* Everything points into the tool's JSON; "" or NULL where it has none. */
struct sql_words {
	const cJSON *months;   /* twelve names */
	const char *date;      /* with {day}, {month}, {year} */
	const char *decimal;   /* between whole and fraction: "coma" */
	const char *money_one; /* "peso" */
	const char *money;     /* "pesos" */
	const char *yes;
	const char *no;
	const char *null; /* for a value that is not there */
	const char *over; /* "más de": before a count that was given up */
};

struct sql_column {
	const char *name;
	const char *value; /* UTF-8; NULL is SQL's NULL */
};

struct sql_row {
	const struct sql_column *columns;
	size_t count;
};

/* A text that grows; what does not fit sets FULL and is left out. */
struct sql_text {
	char *text; /* SQL_ANSWER_TEXT_MAX + 1 bytes */
	size_t len;
	bool full;
};

/* Reads "words"; an absent object leaves all empty. -EINVAL with WHY. */
int sql_words_read(
    struct sql_words *words_out, const cJSON *object, char *why, size_t size);

/*
 * Whether TEMPLATE is one, and WORDS has what its formats need. Column names
 * are known only when the query runs. -EINVAL with WHY.
 */
int sql_answer_check(const char *template, const struct sql_words *words,
    char *why, size_t size);

/*
 * Appends TEMPLATE, checked, filled in with ROW. -ENOENT: the query has no
 * such column; WHY names it. Names are compared without regard to case, as
 * servers differ in it.
 */
int sql_answer_render(struct sql_text *text, const char *template,
    const struct sql_words *words, const struct sql_row *row, char *why,
    size_t size);

void sql_text_append(struct sql_text *text, const char *bytes, size_t len);

#endif
