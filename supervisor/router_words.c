/* SPDX-License-Identifier: MIT */
/*
 * router_words.c – from what is said to words that can be compared.
 *
 * Invariant: the words of an alias and of a caller who says that alias are the
 * same, however he reads its numbers.
 */
#include "supervisor/router_words.h"

#include "common/text_fold.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NUMBER_DIGITS_MAX = 9,
	SPOKEN_MAX = 2 * ROUTER_WORDS_MAX, /* words as they were said */
};

/* -- words with a meaning ------------------------------------------------------ */

/* What a number word is worth, and what may follow it. */
struct number_word {
	const char *word;
	unsigned int value;
};

static const struct number_word units[] = {{"cero", 0}, {"uno", 1}, {"dos", 2},
    {"tres", 3}, {"cuatro", 4}, {"cinco", 5}, {"seis", 6}, {"siete", 7},
    {"ocho", 8}, {"nueve", 9}};

static const struct number_word teens[] = {{"diez", 10}, {"once", 11},
    {"doce", 12}, {"trece", 13}, {"catorce", 14}, {"quince", 15},
    {"dieciseis", 16}, {"diecisiete", 17}, {"dieciocho", 18},
    {"diecinueve", 19}, {"veintiuno", 21}, {"veintiun", 21}, {"veintidos", 22},
    {"veintitres", 23}, {"veinticuatro", 24}, {"veinticinco", 25},
    {"veintiseis", 26}, {"veintisiete", 27}, {"veintiocho", 28},
    {"veintinueve", 29}};

static const struct number_word tens[] = {{"veinte", 20}, {"treinta", 30},
    {"cuarenta", 40}, {"cincuenta", 50}, {"sesenta", 60}, {"setenta", 70},
    {"ochenta", 80}, {"noventa", 90}};

static const struct number_word hundreds[] = {{"cien", 100}, {"ciento", 100},
    {"doscientos", 200}, {"trescientos", 300}, {"cuatrocientos", 400},
    {"quinientos", 500}, {"seiscientos", 600}, {"setecientos", 700},
    {"novecientos", 900}, {"ochocientos", 800}};

/* Said around a name, never part of what tells it from others. */
static const char *const fillers[] = {"el", "la", "los", "las", "lo", "de",
    "del", "al", "a", "en", "un", "una", "router", "routers", "ruter", "ruters",
    "rauter", "rauters", "ruteador", "enrutador", "enrutadores", "mikrotik",
    "mikrotiks", "mikrotic", "microtik", "microtic", "numero"};

/* May be part of a name; else nothing. */
static const char *const soft[] = {"torre", "torres", "nodo", "nodos", "antena",
    "antenas", "sede", "sedes", "estacion", "sector", "sectores", "equipo",
    "equipos", "grupo", "zona", "repetidora", "llama", "llamado", "llamada",
    "se", "por", "favor", "que", "esta", "estan", "ahora", "punto", "ese",
    "esa", "solo", "solamente", "ip"};

static const char *const all[] = {"todos", "todas", "todo", "toda", "red",
    "cada", "cualquier", "cualquiera", "general", "completa", "completo",
    "demas", "resto"};

static const char *const ands[] = {
    "y", "e", "o", "u", ",", ";", "tambien", "ademas", "mas", "ni"};

static const char *const buts[] = {"menos", "excepto", "salvo", "sin"};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static bool
is_one_of(const char *word, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(word, list[i]) == 0)
			return true;
	}
	return false;
}

static enum router_word_kind
kind_of(const char *word)
{
	if (is_one_of(word, ands, LENGTH(ands)))
		return ROUTER_WORD_AND;
	if (is_one_of(word, buts, LENGTH(buts)))
		return ROUTER_WORD_BUT;
	if (is_one_of(word, all, LENGTH(all)))
		return ROUTER_WORD_ALL;
	if (is_one_of(word, soft, LENGTH(soft)))
		return ROUTER_WORD_SOFT;
	return ROUTER_WORD_NAME;
}

/* -- numbers ----------------------------------------------------------------------- */

/* The words as they were said; NULL behind the last. */
struct spoken {
	const char *list[SPOKEN_MAX + 1];
	size_t count;
};

static bool
find_number(const struct number_word *list, size_t count, const char *word,
    unsigned int *value_out)
{
	for (size_t i = 0; word != NULL && i < count; i++) {
		if (strcmp(list[i].word, word) == 0) {
			*value_out = list[i].value;
			return true;
		}
	}
	return false;
}

#define FIND(list, word, out) find_number(list, LENGTH(list), word, out)

/* A number below a hundred at AT. Returns how many words it has, 0: none. */
static size_t
read_below_hundred(
    const struct spoken *spoken, size_t at, unsigned int *value_out)
{
	const char *const *word = spoken->list + at;
	unsigned int unit;

	if (FIND(units, word[0], value_out) || FIND(teens, word[0], value_out))
		return 1;
	if (!FIND(tens, word[0], value_out))
		return 0;
	/* Without "y" it may be two numbers: "treinta uno" is 30.1. */
	if (word[1] == NULL || strcmp(word[1], "y") != 0 ||
	    !FIND(units, word[2], &unit) || unit == 0)
		return 1;
	*value_out += unit;
	return 3;
}

/* A number in words, up to 999. */
static size_t
read_words(const struct spoken *spoken, size_t at, unsigned int *value_out)
{
	unsigned int rest;
	size_t n;

	if (!FIND(hundreds, spoken->list[at], value_out))
		return read_below_hundred(spoken, at, value_out);
	n = strcmp(spoken->list[at], "cien") == 0
		? 0
		: read_below_hundred(spoken, at + 1, &rest);
	if (n > 0 && rest > 0)
		*value_out += rest;
	return n > 0 && rest > 0 ? n + 1 : 1;
}

/* A number in words or digits. Returns how many words it has, 0: none. */
static size_t
read_number(const struct spoken *spoken, size_t at, char *digits, size_t size)
{
	const char *word = spoken->list[at];
	unsigned int value = 0;
	size_t n = 1;

	if (word == NULL)
		return 0;
	if (strspn(word, "0123456789") == strlen(word) &&
	    strlen(word) <= NUMBER_DIGITS_MAX)
		value = (unsigned int)strtoul(word, NULL, 10);
	else
		n = read_words(spoken, at, &value);
	snprintf(digits, size, "%u", value);
	return n;
}

/* -- putting them together ------------------------------------------------------------ */

static bool
is_point(const char *word)
{
	return word != NULL &&
	       (strcmp(word, "punto") == 0 || strcmp(word, ".") == 0);
}

struct splitter {
	struct spoken spoken;
	struct router_words *words;
	size_t len;     /* of the text so far */
	bool was_digit; /* the last word is digits read one by one */
};

static int
add_word(struct splitter *s, enum router_word_kind kind, const char *text)
{
	struct router_words *words = s->words;
	struct router_word *word = &words->list[words->count];
	size_t len = strlen(text);

	if (words->count == ROUTER_WORDS_MAX)
		return -E2BIG;
	if (words->count > 0)
		words->text[s->len++] = ' ';
	word->kind = kind;
	word->at = s->len;
	word->len = len;
	memcpy(words->text + s->len, text, len + 1);
	s->len += len;
	words->count++;
	return 0;
}

/* "uno cinco dos" is 152; "quince dos" is 15 and 2. */
static int
add_number(struct splitter *s, const char *digits)
{
	struct router_word *last;
	bool is_digit = digits[1] == '\0';

	if (!s->was_digit || !is_digit) {
		s->was_digit = is_digit;
		return add_word(s, ROUTER_WORD_NAME, digits);
	}
	last = &s->words->list[s->words->count - 1];
	/* A nought in front says nothing. */
	if (last->len == 1 && s->words->text[last->at] == '0') {
		s->words->text[last->at] = digits[0];
		return 0;
	}
	if (last->len == NUMBER_DIGITS_MAX)
		return -E2BIG;
	s->words->text[s->len++] = digits[0];
	s->words->text[s->len] = '\0';
	last->len++;
	return 0;
}

static int
add_all(struct splitter *s)
{
	char digits[16], next[16];
	size_t at = 0;
	int ret = 0;

	while (ret == 0 && at < s->spoken.count) {
		const char *word = s->spoken.list[at];
		size_t n = read_number(&s->spoken, at, digits, sizeof(digits));

		if (n > 0) {
			ret = add_number(s, digits);
			at += n;
			/* The point between two numbers parts their digits. */
			if (is_point(s->spoken.list[at]) &&
			    read_number(
				&s->spoken, at + 1, next, sizeof(next)) > 0) {
				s->was_digit = false;
				at++;
			}
			continue;
		}
		s->was_digit = false;
		if (strcmp(word, ".") != 0 &&
		    !is_one_of(word, fillers, LENGTH(fillers)))
			ret = add_word(s, kind_of(word), word);
		at++;
	}
	return ret;
}

/* The comma of "26,1" is a point, that of "26, 27" is not. */
static void
mend_commas(char *text)
{
	for (char *c = text; *c != '\0'; c++) {
		if (*c == ',' && c > text && isdigit((unsigned char)c[-1]) &&
		    isdigit((unsigned char)c[1]))
			*c = '.';
	}
}

static int
split_spoken(struct spoken *spoken, char *folded)
{
	char *rest = NULL;

	for (char *word = strtok_r(folded, " ", &rest); word != NULL;
	     word = strtok_r(NULL, " ", &rest)) {
		if (spoken->count == SPOKEN_MAX)
			return -E2BIG;
		spoken->list[spoken->count++] = word;
	}
	return 0;
}

int
router_words_split(struct router_words *words, const char *text)
{
	struct splitter s = {.words = words};
	char raw[ROUTER_WORDS_TEXT_MAX + 1];
	char *folded;
	int ret;

	words->count = 0;
	words->text = NULL;
	if (strlen(text) > ROUTER_WORDS_TEXT_MAX)
		return -E2BIG;
	snprintf(raw, sizeof(raw), "%s", text);
	mend_commas(raw);
	folded = text_fold_keeping(raw, ".,;");
	/* Digits are no longer than the words for them. */
	words->text = folded == NULL ? NULL : calloc(1, 2 * strlen(folded) + 2);
	ret = words->text == NULL ? -ENOMEM : split_spoken(&s.spoken, folded);
	if (ret == 0)
		ret = add_all(&s);
	free(folded);
	if (ret < 0)
		router_words_free(words);
	return ret;
}

void
router_words_free(struct router_words *words)
{
	free(words->text);
	words->text = NULL;
	words->count = 0;
}
