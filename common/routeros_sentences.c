/* SPDX-License-Identifier: MIT */
/* routeros_sentences.c – the table of pieces, and its comparison with a file. */
#include "common/routeros_sentences.h"

#include "common/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ONLY(query) (1u << ROUTEROS_QUERY_##query)

enum {
	EVERY = (1u << ROUTEROS_QUERY_COUNT) - 1,
	TIMES = ONLY(RESOURCES) | ONLY(FIND_CUSTOMER),
	ROUTEROS_PROBLEM_SIZE = 320,
};

struct piece {
	const char *name;
	unsigned int queries; /* which need it */
	const char *places;   /* words in braces that it may have */
};

static const struct piece pieces[] = {
    /* Around every answer. */
    {"data", EVERY, ""},
    {"answered", EVERY, "count total"},
    {"nobody", EVERY, ""},
    {"and", EVERY, ""},
    {"more", EVERY, "count"},
    {"decimal", EVERY, ""},
    /* Who did not answer, by the reason. */
    {"timeout", EVERY, "routers"},
    {"unreachable", EVERY, "routers"},
    {"login", EVERY, "routers"},
    {"permission", EVERY, "routers"},
    {"refused", EVERY, "routers"},
    {"busy", EVERY, "routers"},
    {"malformed", EVERY, "routers"},
    {"lost", EVERY, "routers"},
    /* Who is not clear. */
    {"ambiguous", EVERY, "words routers"},
    {"unknown", EVERY, "words"},
    {"similar", EVERY, "routers"},
    /* Times. */
    {"days", TIMES, "count"},
    {"hours", TIMES, "count"},
    {"minutes", TIMES, "count"},
    /* resources */
    {"attention", ONLY(RESOURCES), "items"},
    {"attention_item", ONLY(RESOURCES), "router troubles"},
    {"busy_cpu", ONLY(RESOURCES), "percent"},
    {"full_memory", ONLY(RESOURCES), "percent"},
    {"hot", ONLY(RESOURCES), "degrees"},
    {"restarted", ONLY(RESOURCES), "time"},
    {"normal", ONLY(RESOURCES), "count"},
    {"all_normal", ONLY(RESOURCES), "count"},
    {"average", ONLY(RESOURCES), "percent"},
    {"versions", ONLY(RESOURCES), "items"},
    {"version_item", ONLY(RESOURCES), "version count"},
    {"router", ONLY(RESOURCES), "router version board time percent memory"},
    {"temperature", ONLY(RESOURCES), "degrees"},
    /* interfaces */
    {"totals", ONLY(INTERFACES), "count running down disabled rx tx"},
    {"no_interfaces", ONLY(INTERFACES), ""},
    {"down", ONLY(INTERFACES), "items"},
    {"down_item", ONLY(INTERFACES), "interface router"},
    {"busiest", ONLY(INTERFACES), "items"},
    {"busiest_item", ONLY(INTERFACES), "interface router rx tx"},
    {"bps", ONLY(INTERFACES), ""},
    {"kbps", ONLY(INTERFACES), ""},
    {"mbps", ONLY(INTERFACES), ""},
    {"gbps", ONLY(INTERFACES), ""},
    /* customers */
    {"connected", ONLY(CUSTOMERS), "count ppp dhcp hotspot"},
    {"most", ONLY(CUSTOMERS), "items"},
    {"most_item", ONLY(CUSTOMERS), "router count"},
    {"empty", ONLY(CUSTOMERS), "routers"},
    /* find_customer */
    {"found", ONLY(FIND_CUSTOMER), "count items"},
    {"found_item", ONLY(FIND_CUSTOMER), "name router kind address state"},
    {"online_since", ONLY(FIND_CUSTOMER), "time"},
    {"online", ONLY(FIND_CUSTOMER), ""},
    {"offline", ONLY(FIND_CUSTOMER), ""},
    {"not_found", ONLY(FIND_CUSTOMER), ""},
    /* ping */
    {"results", ONLY(PING), "items"},
    {"answers", ONLY(PING), "router sent received loss average max"},
    {"silent", ONLY(PING), "router sent"},
    /* gateways */
    {"no_gateway", ONLY(GATEWAYS), "routers"},
    {"gateways", ONLY(GATEWAYS), "items"},
    {"gateway_item", ONLY(GATEWAYS), "router gateways"},
    {"backup_item", ONLY(GATEWAYS), "router gateways backups"},
    /* log */
    {"warnings", ONLY(LOG), "items"},
    {"warning_item", ONLY(LOG), "router warnings time message"},
    {"warning_count", ONLY(LOG), "count"},
    {"quiet", ONLY(LOG), "count"},
    {"all_quiet", ONLY(LOG), "count"},
};

/* What is being checked. */
struct checker {
	enum routeros_query query;
	routeros_tool_problem_fn *problem;
	void *arg;
	int ret;
};

static void __attribute__((format(printf, 2, 3)))
bad(struct checker *checker, const char *fmt, ...)
{
	char text[ROUTEROS_PROBLEM_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	checker->problem(text, checker->arg);
	checker->ret = -EINVAL;
}

static const struct piece *
find_piece(const struct checker *checker, const char *name)
{
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		if ((pieces[i].queries >> checker->query & 1) != 0 &&
		    strcmp(pieces[i].name, name) == 0)
			return &pieces[i];
	}
	return NULL;
}

/* Whether WORD of LEN bytes is one of LIST, separated by spaces. */
static bool
has_word(const char *list, const char *word, size_t len)
{
	while (*list != '\0') {
		size_t n = strcspn(list, " ");

		if (n == len && memcmp(list, word, len) == 0)
			return true;
		list += n + (list[n] == ' ');
	}
	return false;
}

static void
check_text(struct checker *checker, const struct piece *piece, const char *text)
{
	bool counts = has_word(piece->places, "count", strlen("count"));
	const char *bar = strchr(text, '|');

	if (bar != NULL && (!counts || strchr(bar + 1, '|') != NULL))
		bad(checker,
		    "\"sentences\": \"%s\" can%s have two forms with '|'",
		    piece->name, counts ? " only" : "not");
	while ((text = strchr(text, '{')) != NULL) {
		size_t len = strcspn(++text, "} ,.;:");

		if (text[len] != '}' || !has_word(piece->places, text, len))
			bad(checker,
			    "\"sentences\": \"%s\" cannot have the place "
			    "{%.*s}; it can have: %s",
			    piece->name, (int)len, text,
			    piece->places[0] != '\0' ? piece->places : "none");
	}
}

static void
check_piece(struct checker *checker, const cJSON *item)
{
	const struct piece *piece = find_piece(checker, item->string);

	if (piece == NULL)
		bad(checker,
		    "\"sentences\": \"%.64s\" is no sentence of the query "
		    "\"%s\"",
		    item->string, routeros_query_name(checker->query));
	else if (!cJSON_IsString(item) || item->valuestring[0] == '\0' ||
		 strlen(item->valuestring) > ROUTEROS_SENTENCE_MAX)
		bad(checker,
		    "\"sentences\": \"%s\" must be a text of 1 to %d bytes",
		    piece->name, ROUTEROS_SENTENCE_MAX);
	else
		check_text(checker, piece, item->valuestring);
}

int
routeros_sentences_check(enum routeros_query query, const cJSON *sentences,
    routeros_tool_problem_fn *problem, void *arg)
{
	struct checker checker = {
	    .query = query,
	    .problem = problem,
	    .arg = arg,
	};
	const cJSON *item;

	if (!cJSON_IsObject(sentences)) {
		bad(&checker, "\"sentences\" must be an object of texts");
		return checker.ret;
	}
	cJSON_ArrayForEach(item, sentences)
		check_piece(&checker, item);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		if ((pieces[i].queries >> query & 1) != 0 &&
		    !cJSON_HasObjectItem(sentences, pieces[i].name))
			bad(&checker,
			    "\"sentences\" lacks \"%s\", which the query "
			    "\"%s\" needs",
			    pieces[i].name, routeros_query_name(query));
	}
	return checker.ret;
}
