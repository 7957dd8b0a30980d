/* SPDX-License-Identifier: MIT */
/*
 * sql_answer.c – walks templates, once to check them and once per row.
 *
 * Invariant: check and render are the same walk, so that what was accepted
 * can be rendered; a walk never goes past END, and a value never becomes a
 * template.
 */
#include "common/sql_answer.h"

#include "common/json.h"
#include "common/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	NAME_SIZE = 65,
	WORD_MAX = 64, /* bytes of a word of the file */
	FIELD_PARTS = 3,
};

enum format {
	FORMAT_TEXT,
	FORMAT_NUMBER,
	FORMAT_MONEY,
	FORMAT_DATE,
	FORMAT_TIME,
	FORMAT_DIGITS,
	FORMAT_YESNO,
	FORMAT_COUNT
};

static const char *const formats[FORMAT_COUNT] = {
    [FORMAT_TEXT] = "text",
    [FORMAT_NUMBER] = "number",
    [FORMAT_MONEY] = "money",
    [FORMAT_DATE] = "date",
    [FORMAT_TIME] = "time",
    [FORMAT_DIGITS] = "digits",
    [FORMAT_YESNO] = "yesno",
};

/* One walk. */
struct walk {
	struct sql_text *text; /* NULL: only checking */
	const struct sql_words *words;
	const struct sql_row *row;
	char *why;
	size_t size;
	bool met_null; /* in the part that is walked */
};

/* A stretch of a template. */
struct span {
	const char *at;
	const char *end;
};

/* {column}, {column:format|one|many} or {column?yes|no} taken apart. */
struct field {
	char column[NAME_SIZE];
	enum format format;
	bool is_choice;
	size_t part_count;
	struct span parts[FIELD_PARTS]; /* between '|' */
};

static int __attribute__((format(printf, 2, 3)))
fail(struct walk *walk, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(walk->why, walk->size, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

void
sql_text_append(struct sql_text *text, const char *bytes, size_t len)
{
	if (text->full || len > SQL_ANSWER_TEXT_MAX - text->len) {
		text->full = true;
		return;
	}
	memcpy(text->text + text->len, bytes, len);
	text->len += len;
	text->text[text->len] = '\0';
}

static void
put(struct walk *walk, const char *text)
{
	if (walk->text != NULL)
		sql_text_append(walk->text, text, strlen(text));
}

/* -- values in words -------------------------------------------------------- */

/* Line breaks would let a value look like more than one. */
static void
put_value(struct walk *walk, const char *value)
{
	size_t len = strlen(value);
	size_t kept = utf8_cut(value, len, SQL_ANSWER_VALUE_MAX);
	char clean[SQL_ANSWER_VALUE_MAX + 1];

	for (size_t i = 0; i < kept; i++)
		clean[i] = (unsigned char)value[i] < 0x20 ? ' ' : value[i];
	clean[kept] = '\0';
	put(walk, clean);
	if (kept < len)
		put(walk, "…");
}

/*
 * A number as databases write it, [+-]digits[.digits], without zeros that say
 * nothing. False: it is none, or one with an exponent.
 */
static bool
put_number(struct walk *walk, const char *value, bool *is_one_out)
{
	const char *digits = value + (*value == '-' || *value == '+');
	size_t whole, fraction = 0;
	const char *point;

	digits += strspn(digits, "0");
	whole = strspn(digits, "0123456789");
	point = digits + whole;
	if (*point == '.')
		fraction = strspn(point + 1, "0123456789");
	if (point[*point == '.' ? 1 + fraction : 0] != '\0' ||
	    (whole == 0 && fraction == 0 && digits[-(digits > value)] != '0') ||
	    whole + fraction > 40)
		return false;
	while (fraction > 0 && point[fraction] == '0')
		fraction--;
	*is_one_out = whole == 1 && fraction == 0 && *digits == '1';
	if (*value == '-' && whole + fraction > 0)
		put(walk, "-");
	if (walk->text == NULL)
		return true;
	sql_text_append(walk->text, whole > 0 ? digits : "0", whole + !whole);
	if (fraction == 0)
		return true;
	put(walk, " ");
	put(walk, walk->words->decimal);
	put(walk, " ");
	sql_text_append(walk->text, point + 1, fraction);
	return true;
}

/* Two digits at TEXT as a number, -1 if they are none. */
static int
two_digits(const char *text)
{
	if (!isdigit((unsigned char)text[0]) ||
	    !isdigit((unsigned char)text[1]))
		return -1;
	return (text[0] - '0') * 10 + text[1] - '0';
}

/* ISO 8601's calendar date, with or without a time behind it. */
static bool
put_date(struct walk *walk, const char *value)
{
	const char *pattern = walk->words->date;
	int month, day;
	char number[8];

	if (strlen(value) < 10 || two_digits(value) < 0 ||
	    two_digits(value + 2) < 0 || value[4] != '-' || value[7] != '-' ||
	    isdigit((unsigned char)value[10]))
		return false;
	month = two_digits(value + 5);
	day = two_digits(value + 8);
	if (month < 1 || month > 12 || day < 1 || day > 31)
		return false;
	while (*pattern != '\0') {
		size_t len = strcspn(pattern, "{");

		if (walk->text != NULL)
			sql_text_append(walk->text, pattern, len);
		pattern += len;
		if (strncmp(pattern, "{day}", 5) == 0) {
			snprintf(number, sizeof(number), "%d", day);
			put(walk, number);
		} else if (strncmp(pattern, "{month}", 7) == 0) {
			put(walk,
			    cJSON_GetArrayItem(walk->words->months, month - 1)
				->valuestring);
		} else if (strncmp(pattern, "{year}", 6) == 0) {
			snprintf(number, sizeof(number), "%.4s", value);
			put(walk, number);
		}
		pattern += strcspn(pattern, "}");
		pattern += *pattern == '}';
	}
	return true;
}

/* "14:30" of "14:30:00" or "2026-11-24 14:30:00". */
static bool
put_time(struct walk *walk, const char *value)
{
	const char *time = strpbrk(value, " T");
	char text[8];

	time = time != NULL ? time + 1 : value;
	if (strlen(time) < 5 || two_digits(time) < 0 || time[2] != ':' ||
	    two_digits(time + 3) < 0)
		return false;
	snprintf(text, sizeof(text), "%.5s", time);
	put(walk, text);
	return true;
}

/* One by one, as numbers of telephones and contracts are said. */
static void
put_digits(struct walk *walk, const char *value)
{
	size_t len = utf8_cut(value, strlen(value), SQL_ANSWER_VALUE_MAX / 2);
	char spaced[SQL_ANSWER_VALUE_MAX + 1];
	size_t out = 0;

	for (size_t i = 0; i < len; i++) {
		bool digit = isdigit((unsigned char)value[i]);

		if (digit && i > 0)
			spaced[out++] = ' ';
		spaced[out++] = value[i];
	}
	spaced[out] = '\0';
	put_value(walk, spaced);
}

static bool
is_true(const char *value)
{
	static const char *const no[] = {"f", "false", "n", "no"};

	/* "", "0", "0.00" */
	if (value == NULL || value[strspn(value, "+-0.")] == '\0')
		return false;
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		if (strcasecmp(value, no[i]) == 0)
			return false;
	}
	return true;
}

/* The unit of a number, or of money. */
static void
put_unit(struct walk *walk, const struct field *field, bool is_one)
{
	const struct sql_words *words = walk->words;
	const struct span *unit = &field->parts[is_one ? 1 : 2];

	if (field->format == FORMAT_MONEY) {
		put(walk, " ");
		put(walk, is_one ? words->money_one : words->money);
	} else if (field->part_count == FIELD_PARTS && walk->text != NULL) {
		put(walk, " ");
		sql_text_append(
		    walk->text, unit->at, (size_t)(unit->end - unit->at));
	}
}

/* A value that is not of its format is said as it is. */
static void
put_formatted(struct walk *walk, const struct field *field, const char *value)
{
	bool is_one = false;
	bool done = false;

	switch (field->format) {
	case FORMAT_NUMBER:
	case FORMAT_MONEY:
		done = put_number(walk, value, &is_one);
		if (done)
			put_unit(walk, field, is_one);
		break;
	case FORMAT_DATE:
		done = put_date(walk, value);
		break;
	case FORMAT_TIME:
		done = put_time(walk, value);
		break;
	case FORMAT_DIGITS:
		put_digits(walk, value);
		done = true;
		break;
	case FORMAT_YESNO:
		put(walk, is_true(value) ? walk->words->yes : walk->words->no);
		done = true;
		break;
	case FORMAT_TEXT:
	case FORMAT_COUNT:
		break;
	}
	if (!done)
		put_value(walk, value);
}

/* -- the walk ---------------------------------------------------------------- */

/* The end of the part that begins behind an OPEN at AT, or NULL. */
static const char *
find_close(const char *at, const char *end)
{
	char closers[SQL_ANSWER_DEPTH_MAX + 1];
	size_t depth = 0;

	for (; at < end; at++) {
		if (*at == '{' || *at == '[') {
			if (depth == sizeof(closers))
				return NULL;
			closers[depth++] = *at == '{' ? '}' : ']';
		} else if (*at == '}' || *at == ']') {
			if (depth == 0 || closers[--depth] != *at)
				return NULL;
			if (depth == 0)
				return at;
		}
	}
	return NULL;
}

/* Splits at the '|' that are in no inner part. False: too many. */
static bool
split_parts(struct field *field, const char *at, const char *end)
{
	int depth = 0;

	field->parts[0] = (struct span){.at = at, .end = end};
	field->part_count = 1;
	for (; at < end; at++) {
		depth += (*at == '{' || *at == '[');
		depth -= (*at == '}' || *at == ']');
		if (*at != '|' || depth > 0)
			continue;
		if (field->part_count == FIELD_PARTS)
			return false;
		field->parts[field->part_count - 1].end = at;
		field->parts[field->part_count++] =
		    (struct span){.at = at + 1, .end = end};
	}
	return true;
}

static bool
find_format(const struct span *span, enum format *format_out)
{
	size_t len = (size_t)(span->end - span->at);

	for (int i = 0; i < FORMAT_COUNT; i++) {
		if (strlen(formats[i]) == len &&
		    memcmp(formats[i], span->at, len) == 0) {
			*format_out = (enum format)i;
			return true;
		}
	}
	return false;
}

static bool
has_words_for(enum format format, const struct sql_words *words)
{
	switch (format) {
	case FORMAT_NUMBER:
		return *words->decimal != '\0';
	case FORMAT_MONEY:
		return *words->decimal != '\0' && *words->money != '\0';
	case FORMAT_DATE:
		return words->months != NULL && *words->date != '\0';
	case FORMAT_YESNO:
		return *words->yes != '\0' && *words->no != '\0';
	case FORMAT_TEXT:
	case FORMAT_TIME:
	case FORMAT_DIGITS:
	case FORMAT_COUNT:
		break;
	}
	return true;
}

static int
read_field(struct walk *walk, struct field *field, struct span inside)
{
	size_t len = 0;

	*field = (struct field){.format = FORMAT_TEXT};
	while (
	    inside.at + len < inside.end && len < NAME_SIZE - 1 &&
	    (isalnum((unsigned char)inside.at[len]) || inside.at[len] == '_'))
		len++;
	memcpy(field->column, inside.at, len);
	inside.at += len;
	if (len == 0 ||
	    (inside.at < inside.end && *inside.at != ':' && *inside.at != '?'))
		return fail(walk, "{…} must begin with a column's name of "
				  "letters, digits and '_'");
	if (inside.at == inside.end)
		return 0;
	field->is_choice = *inside.at == '?';
	if (!split_parts(field, inside.at + 1, inside.end))
		return fail(walk, "{%s…}: too many '|'", field->column);
	if (field->is_choice)
		return field->part_count <= 2
			   ? 0
			   : fail(walk, "{%s?…}: too many '|'", field->column);
	if (!find_format(&field->parts[0], &field->format))
		return fail(walk,
		    "{%s:…}: the format must be number, money, date, time, "
		    "digits or yesno",
		    field->column);
	if (field->part_count != 1 && (field->format != FORMAT_NUMBER ||
					  field->part_count != FIELD_PARTS))
		return fail(walk, "{%s:…}: {%s:number|one|many} is wanted",
		    field->column, field->column);
	if (!has_words_for(field->format, walk->words))
		return fail(walk, "{%s:%s} needs more in \"words\"",
		    field->column, formats[field->format]);
	return 0;
}

/* -ENOENT: the query does not give it. */
static int
find_value(struct walk *walk, const char *column, const char **value_out)
{
	const struct sql_row *row = walk->row;

	*value_out = "";
	if (row == NULL)
		return 0;
	for (size_t i = 0; i < row->count; i++) {
		if (strcasecmp(row->columns[i].name, column) != 0)
			continue;
		*value_out = row->columns[i].value;
		return 0;
	}
	fail(walk, "the query has no column \"%s\"", column);
	return -ENOENT;
}

static int walk_part(struct walk *walk, struct span part, unsigned int depth);

static int
walk_choice(struct walk *walk, const struct field *field, const char *value,
    unsigned int depth)
{
	bool met_null = walk->met_null;
	int ret = 0;

	for (size_t i = 0; i < field->part_count && ret == 0; i++) {
		if (walk->row == NULL || is_true(value) == (i == 0))
			ret = walk_part(walk, field->parts[i], depth + 1);
	}
	walk->met_null = met_null; /* a choice has a word for NULL */
	return ret;
}

static int
walk_field(struct walk *walk, struct span inside, unsigned int depth)
{
	struct field field;
	const char *value = NULL;
	int ret = read_field(walk, &field, inside);

	if (ret == 0)
		ret = find_value(walk, field.column, &value);
	if (ret < 0)
		return ret;
	if (field.is_choice)
		return walk_choice(walk, &field, value, depth);
	if (walk->row == NULL)
		return 0;
	walk->met_null |= value == NULL;
	if (value == NULL)
		put(walk, walk->words->null);
	else
		put_formatted(walk, &field, value);
	return 0;
}

static int
walk_optional(struct walk *walk, struct span inside, unsigned int depth)
{
	size_t len = walk->text != NULL ? walk->text->len : 0;
	bool met_null = walk->met_null;
	int ret;

	walk->met_null = false;
	ret = walk_part(walk, inside, depth + 1);
	if (walk->met_null && walk->text != NULL) {
		walk->text->len = len;
		walk->text->text[len] = '\0';
	}
	walk->met_null = met_null;
	return ret;
}

static int
walk_part(struct walk *walk, struct span part, unsigned int depth)
{
	const char *at = part.at;
	int ret = 0;

	if (depth > SQL_ANSWER_DEPTH_MAX)
		return fail(walk, "too many parts within parts");
	while (at < part.end && ret == 0) {
		const char *mark = at;
		struct span inside;

		while (mark < part.end && strchr("{}[]", *mark) == NULL)
			mark++;
		if (walk->text != NULL)
			sql_text_append(walk->text, at, (size_t)(mark - at));
		if (mark == part.end)
			break;
		inside.at = mark + 1;
		inside.end = find_close(mark, part.end);
		if (inside.end == NULL)
			return fail(walk, "a {, }, [ or ] has no counterpart");
		ret = *mark == '{' ? walk_field(walk, inside, depth)
				   : walk_optional(walk, inside, depth);
		at = inside.end + 1;
	}
	return ret;
}

static int
walk_all(struct walk *walk, const char *template)
{
	struct span all = {.at = template, .end = template + strlen(template)};

	return walk_part(walk, all, 0);
}

int
sql_answer_check(
    const char *template, const struct sql_words *words, char *why, size_t size)
{
	struct walk walk = {.words = words, .why = why, .size = size};

	return walk_all(&walk, template);
}

int
sql_answer_render(struct sql_text *text, const char *template,
    const struct sql_words *words, const struct sql_row *row, char *why,
    size_t size)
{
	struct walk walk = {
	    .text = text,
	    .words = words,
	    .row = row,
	    .why = why,
	    .size = size,
	};

	return walk_all(&walk, template);
}

/* -- the words of the file ------------------------------------------------------ */

static bool
is_word(const cJSON *item)
{
	return cJSON_IsString(item) && item->valuestring[0] != '\0' &&
	       strlen(item->valuestring) <= WORD_MAX;
}

static int
read_months(struct sql_words *words, const cJSON *item, struct walk *walk)
{
	const cJSON *month;

	cJSON_ArrayForEach(month, item) {
		if (!is_word(month))
			return fail(walk, "\"months\": each must be a word");
	}
	if (!cJSON_IsArray(item) || cJSON_GetArraySize(item) != 12)
		return fail(walk, "\"months\" must be twelve names");
	words->months = item;
	return 0;
}

/* ["peso", "pesos"] */
static int
read_money(struct sql_words *words, const cJSON *item, struct walk *walk)
{
	const cJSON *one = cJSON_GetArrayItem(item, 0);
	const cJSON *many = cJSON_GetArrayItem(item, 1);

	if (!is_word(one) || !is_word(many) || cJSON_GetArraySize(item) != 2)
		return fail(
		    walk, "\"money\" must be two words, for one and for many");
	words->money_one = one->valuestring;
	words->money = many->valuestring;
	return 0;
}

static int
read_word(struct sql_words *words, const cJSON *item, struct walk *walk)
{
	const struct {
		const char *key;
		const char **word;
	} rows[] = {
	    {"date", &words->date},
	    {"decimal", &words->decimal},
	    {"yes", &words->yes},
	    {"no", &words->no},
	    {"null", &words->null},
	    {"over", &words->over},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].key, item->string) != 0)
			continue;
		if (!is_word(item))
			return fail(walk,
			    "\"%s\" must be a text of 1 to %d bytes",
			    rows[i].key, WORD_MAX);
		*rows[i].word = item->valuestring;
		return 0;
	}
	return fail(walk, "\"%.64s\" is none of them", item->string);
}

int
sql_words_read(
    struct sql_words *words_out, const cJSON *object, char *why, size_t size)
{
	struct sql_words words = {
	    .date = "",
	    .decimal = "",
	    .money_one = "",
	    .money = "",
	    .yes = "",
	    .no = "",
	    .null = "",
	    .over = "",
	};
	struct walk walk = {.why = why, .size = size};
	const cJSON *item;
	int ret = 0;

	if (object != NULL && !cJSON_IsObject(object))
		return fail(&walk, "it must be an object");
	cJSON_ArrayForEach(item, object) {
		if (strcmp(item->string, "months") == 0)
			ret = read_months(&words, item, &walk);
		else if (strcmp(item->string, "money") == 0)
			ret = read_money(&words, item, &walk);
		else
			ret = read_word(&words, item, &walk);
		if (ret < 0)
			return ret;
	}
	*words_out = words;
	return 0;
}
