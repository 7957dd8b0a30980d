/* SPDX-License-Identifier: MIT */
/*
 * router_names.c – finds the names of routers in what somebody says.
 *
 * Invariant: a router is chosen only by a whole name, alias or group, or by
 * the beginning of a name that no other router's has; and only if nothing of
 * what was said is left over.
 */
#include "supervisor/router_names.h"

#include "supervisor/router_words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PREFIX_LETTERS_MIN = 4, /* of a beginning that stands for a name */
	SIMILAR_MAX = 3,        /* letters by which a similar name differs */
	SIMILAR_LEN_MAX = 64,
};

/* A name, alias or group as it may be said. */
struct pattern {
	char *text; /* of router_words_split() */
	size_t router;
	bool is_group;
};

struct router_names {
	struct router_inventory *inventory;
	size_t router_count;
	size_t count;
	size_t size;
	struct pattern *list;
};

/* -- all that can be said ------------------------------------------------------- */

static int
add_pattern(
    struct router_names *names, const char *text, size_t router, bool is_group)
{
	struct router_words words;
	int ret = router_words_split(&words, text);

	if (ret == -E2BIG || (ret == 0 && words.count == 0)) {
		router_words_free(&words);
		return 0; /* nothing that could be said */
	}
	if (ret < 0)
		return ret;
	names->list[names->count++] = (struct pattern){
	    .text = words.text,
	    .router = router,
	    .is_group = is_group,
	};
	return 0;
}

static int
add_router(struct router_names *names, size_t index)
{
	const struct router *router =
	    router_inventory_at(names->inventory, index);
	int ret = add_pattern(names, router->name, index, false);

	for (size_t i = 0; ret == 0 && i < router->alias_count; i++)
		ret = add_pattern(names, router->aliases[i], index, false);
	for (size_t i = 0; ret == 0 && i < router->group_count; i++)
		ret = add_pattern(names, router->groups[i], index, true);
	return ret;
}

int
router_names_new(
    struct router_names **names_out, struct router_inventory *inventory)
{
	struct router_names *names = calloc(1, sizeof(*names));
	int ret = 0;

	if (names == NULL)
		return -ENOMEM;
	names->inventory = router_inventory_ref(inventory);
	names->router_count = router_inventory_count(inventory);
	for (size_t i = 0; i < names->router_count; i++) {
		const struct router *router = router_inventory_at(inventory, i);

		names->size += 1 + router->alias_count + router->group_count;
	}
	names->list = calloc(names->size + 1, sizeof(*names->list));
	if (names->list == NULL)
		ret = -ENOMEM;
	for (size_t i = 0; ret == 0 && i < names->router_count; i++)
		ret = add_router(names, i);
	if (ret < 0)
		router_names_free(&names);
	else
		*names_out = names;
	return ret;
}

void
router_names_free(struct router_names **names_ptr)
{
	struct router_names *names = *names_ptr;

	if (names == NULL)
		return;
	*names_ptr = NULL;
	for (size_t i = 0; i < names->count; i++)
		free(names->list[i].text);
	free(names->list);
	router_inventory_unref(&names->inventory);
	free(names);
}

const struct router_inventory *
router_names_inventory(const struct router_names *names)
{
	return names->inventory;
}

void
router_names_check(
    const struct router_names *names, struct config_problems *problems)
{
	for (size_t i = 0; i < names->count; i++) {
		const struct pattern *a = &names->list[i];

		for (size_t j = 0; j < i && !a->is_group; j++) {
			const struct pattern *b = &names->list[j];

			if (b->is_group || a->router == b->router ||
			    strcmp(a->text, b->text) != 0)
				continue;
			config_problem(problems, false,
			    "routers \"%s\" and \"%s\" are both called \"%s\" "
			    "when spoken: who asks for it is asked back",
			    router_inventory_at(names->inventory, b->router)
				->name,
			    router_inventory_at(names->inventory, a->router)
				->name,
			    a->text);
		}
	}
}

/* -- who it could be -------------------------------------------------------------- */

/* One run of router_names_resolve(). */
struct search {
	const struct router_names *names;
	const struct router_words *words;
	struct router_choice *choice;
	bool excluding; /* behind "menos" */
	/* The part between two "y": */
	bool part[ROUTER_INVENTORY_MAX]; /* whom it means so far */
	bool matched;
	bool was_group; /* the last match of the part */
	bool said_all;
	size_t begin; /* its first word */
};

static void
add_candidate(struct router_choice *choice, size_t router)
{
	for (size_t i = 0; i < choice->candidate_count; i++) {
		if (choice->candidates[i] == router)
			return;
	}
	if (choice->candidate_count < ROUTER_CANDIDATES_MAX)
		choice->candidates[choice->candidate_count++] = router;
	else
		choice->more++;
}

static size_t
smallest(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/* How many letters must be changed, added or left out; MAX + 1 if more. */
static size_t
distance(const char *a, const char *b, size_t max)
{
	size_t row[SIMILAR_LEN_MAX + 1];
	size_t len_a = strlen(a), len_b = strlen(b);

	if (len_a > SIMILAR_LEN_MAX || len_b > SIMILAR_LEN_MAX ||
	    (len_a > len_b ? len_a - len_b : len_b - len_a) > max)
		return max + 1;
	for (size_t j = 0; j <= len_b; j++)
		row[j] = j;
	for (size_t i = 1; i <= len_a; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= len_b; j++) {
			size_t old = row[j];

			row[j] = smallest(old + 1, row[j - 1] + 1,
			    diagonal + (a[i - 1] != b[j - 1]));
			diagonal = old;
		}
	}
	return row[len_b];
}

/* Whether PATTERN holds WORD as a whole word. */
static bool
has_word(const char *pattern, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = strstr(pattern, word); at != NULL;
	     at = strstr(at + 1, word)) {
		if ((at == pattern || at[-1] == ' ') &&
		    (at[len] == '\0' || at[len] == ' '))
			return true;
	}
	return false;
}

/* Names like WORDS: a word of theirs in them, or but for a few letters. */
static void
add_similar(struct search *search, const char *words)
{
	size_t max = strlen(words) / 3;

	if (max > SIMILAR_MAX)
		max = SIMILAR_MAX;
	for (size_t i = 0; i < search->names->count; i++) {
		const struct pattern *pattern = &search->names->list[i];

		if (!pattern->is_group &&
		    (has_word(pattern->text, words) ||
			has_word(words, pattern->text) ||
			distance(pattern->text, words, max) <= max))
			add_candidate(search->choice, pattern->router);
	}
}

/* The words from FIRST on, COUNT of them; cut. */
static void
copy_words(
    char *buf, size_t size, const struct search *search, size_t first, size_t n)
{
	const struct router_word *from = &search->words->list[first];
	const struct router_word *last = from + n - 1;
	size_t len = last->at + last->len - from->at;

	snprintf(buf, size, "%.*s", (int)len, search->words->text + from->at);
}

/* -- one word after the other ------------------------------------------------------ */

/* How many words PATTERN has if it is what is said at AT; else 0. */
static size_t
match_len(const struct search *search, const char *pattern, size_t at)
{
	const struct router_words *words = search->words;
	const char *text = words->text + words->list[at].at;
	size_t len = strlen(pattern), n = 1;

	if (strncmp(text, pattern, len) != 0 ||
	    (text[len] != ' ' && text[len] != '\0'))
		return 0;
	for (const char *c = pattern; *c != '\0'; c++)
		n += *c == ' ';
	return n;
}

/* What is said at AT: the routers that have the longest such name. */
struct match {
	size_t len; /* words; 0: none */
	size_t routers;
	size_t groups;
};

static void
find_match(const struct search *search, size_t at, struct match *match)
{
	*match = (struct match){0};
	for (size_t i = 0; i < search->names->count; i++) {
		const struct pattern *pattern = &search->names->list[i];
		size_t len = match_len(search, pattern->text, at);

		if (len == 0 || len < match->len)
			continue;
		if (len > match->len)
			*match = (struct match){.len = len};
		match->groups += pattern->is_group;
		match->routers += !pattern->is_group;
	}
}

/* Marks whom MATCH at AT means in SET. Returns how many. */
static size_t
mark_match(const struct search *search, size_t at, const struct match *match,
    bool groups, bool *set)
{
	size_t n = 0;

	for (size_t i = 0; i < search->names->count; i++) {
		const struct pattern *pattern = &search->names->list[i];

		if (pattern->is_group != groups || set[pattern->router] ||
		    match_len(search, pattern->text, at) != match->len)
			continue;
		set[pattern->router] = true;
		n++;
	}
	return n;
}

static void
fail(struct search *search, enum router_verdict verdict, size_t at, size_t n)
{
	struct router_choice *choice = search->choice;

	choice->verdict = verdict;
	copy_words(choice->words, sizeof(choice->words), search, at, n);
}

/* A match joins its part: "torres del sur" are both, names are added. */
static bool
join_part(struct search *search, const bool *set, bool is_group)
{
	bool both = search->matched && (is_group || search->was_group);
	bool any = false;

	for (size_t i = 0; i < search->names->router_count; i++) {
		if (both)
			search->part[i] = search->part[i] && set[i];
		else
			search->part[i] = search->part[i] || set[i];
		any = any || search->part[i];
	}
	search->matched = true;
	search->was_group = is_group;
	return any;
}

/* Takes MATCH at AT. False: the search has failed. */
static bool
take_match(struct search *search, size_t at, const struct match *match)
{
	bool set[ROUTER_INVENTORY_MAX] = {false};
	bool is_group =
	    match->routers == 0 || (match->groups > 0 && search->said_all);
	size_t n = mark_match(search, at, match, is_group, set);

	if (!is_group && n > 1) {
		fail(search, ROUTER_VERDICT_AMBIGUOUS, at, match->len);
		for (size_t i = 0; i < search->names->router_count; i++) {
			if (set[i])
				add_candidate(search->choice, i);
		}
		return false;
	}
	if (join_part(search, set, is_group))
		return true;
	fail(search, ROUTER_VERDICT_UNKNOWN, search->begin,
	    at + match->len - search->begin);
	return false;
}

/* What the part means is chosen, or left out; another begins. */
static void
end_part(struct search *search)
{
	for (size_t i = 0; i < search->names->router_count; i++) {
		if (search->part[i] || (search->said_all && !search->matched))
			search->choice->chosen[i] = !search->excluding;
		search->part[i] = false;
	}
	search->matched = search->was_group = search->said_all = false;
}

static bool
ends_part(const struct search *search, size_t at)
{
	return at == search->words->count ||
	       search->words->list[at].kind == ROUTER_WORD_AND ||
	       search->words->list[at].kind == ROUTER_WORD_BUT;
}

/*
 * No name begins at AT. If all of its part is the beginning of one router's
 * name, that is meant; else those that hold it are asked back.
 */
static bool
take_beginning(struct search *search, size_t at, size_t *len_out)
{
	char said[ROUTER_CHOICE_WORDS];
	size_t len = 0, found = 0, before = 0, router = 0;
	bool only = !search->matched;
	bool set[ROUTER_INVENTORY_MAX] = {false};

	while (!ends_part(search, at + len))
		len++;
	copy_words(said, sizeof(said), search, at, len);
	for (size_t i = 0; i < search->names->count; i++) {
		const struct pattern *pattern = &search->names->list[i];

		if (pattern->is_group || set[pattern->router] ||
		    !has_word(pattern->text, said))
			continue;
		set[pattern->router] = true;
		add_candidate(search->choice, pattern->router);
		router = pattern->router;
		before += strncmp(pattern->text, said, strlen(said)) == 0;
		found++;
	}
	if (only && found == 1 && before == 1 &&
	    strlen(said) >= PREFIX_LETTERS_MIN &&
	    strcspn(said, "0123456789") == strlen(said)) {
		search->choice->candidate_count = 0;
		search->part[router] = true;
		search->matched = true;
		*len_out = len;
		return true;
	}
	fail(search,
	    only && found > 0 ? ROUTER_VERDICT_AMBIGUOUS
			      : ROUTER_VERDICT_UNKNOWN,
	    only ? at : search->begin, only ? len : at + len - search->begin);
	if (found > 0)
		return false;
	for (size_t i = 0; i < search->names->router_count; i++) {
		if (search->part[i])
			add_candidate(search->choice, i);
	}
	add_similar(search, said);
	return false;
}

/* Takes what is said at AT. False: the search has failed. */
static bool
take_word(struct search *search, size_t at, size_t *len_out)
{
	enum router_word_kind kind = search->words->list[at].kind;
	struct match match;

	*len_out = 1;
	find_match(search, at, &match);
	if (match.len > 0) {
		*len_out = match.len;
		return take_match(search, at, &match);
	}
	switch (kind) {
	case ROUTER_WORD_ALL:
		search->said_all = true;
		return true;
	case ROUTER_WORD_SOFT:
		return true;
	case ROUTER_WORD_BUT:
		/* "menos Guamal": of all. */
		search->said_all |= at == 0;
		end_part(search);
		search->begin = at + 1;
		search->excluding = true;
		return true;
	case ROUTER_WORD_AND:
		end_part(search);
		search->begin = at + 1;
		return true;
	case ROUTER_WORD_NAME:
		return take_beginning(search, at, len_out);
	}
	return false;
}

/* False: something that was said means nobody, which CHOICE tells. */
static bool
resolve_words(struct search *search)
{
	struct router_choice *choice = search->choice;
	size_t len;

	for (size_t at = 0; at < search->words->count; at += len) {
		if (!take_word(search, at, &len))
			return false;
	}
	end_part(search);
	for (size_t i = 0; i < search->names->router_count; i++)
		choice->count += choice->chosen[i];
	if (choice->count > 0)
		choice->verdict = ROUTER_VERDICT_FOUND;
	return true;
}

/* Nothing but what means nothing: all of them, or the only one. */
static void
resolve_nothing(const struct router_names *names, struct router_choice *choice)
{
	choice->count = names->router_count;
	for (size_t i = 0; i < choice->count; i++)
		choice->chosen[i] = true;
	if (choice->count > 0)
		choice->verdict = ROUTER_VERDICT_FOUND;
}

/* Whether TEXT means nothing because it says nothing, not one we lack. */
static bool
means_all(const char *text)
{
	static const char *const ones[] = {"el ", "un ", "ese ", "este "};

	while (*text == ' ')
		text++;
	for (size_t i = 0; i < sizeof(ones) / sizeof(ones[0]); i++) {
		if (strncasecmp(text, ones[i], strlen(ones[i])) == 0)
			return false;
	}
	return true;
}

int
router_names_resolve(const struct router_names *names, const char *text,
    struct router_choice *choice)
{
	struct router_words words;
	struct search *search;
	int ret;

	memset(choice, 0, sizeof(*choice));
	choice->verdict = ROUTER_VERDICT_UNKNOWN;
	ret = router_words_split(&words, text);
	if (ret == -E2BIG) {
		snprintf(choice->words, sizeof(choice->words), "…");
		return 0;
	}
	if (ret < 0)
		return ret;
	search = calloc(1, sizeof(*search));
	if (search == NULL) {
		router_words_free(&words);
		return -ENOMEM;
	}
	search->names = names;
	search->words = &words;
	search->choice = choice;
	if (resolve_words(search) && choice->count == 0 && !search->excluding &&
	    (names->router_count == 1 || means_all(text)))
		resolve_nothing(names, choice);
	free(search);
	router_words_free(&words);
	return 0;
}
