/* SPDX-License-Identifier: MIT */
/*
 * router_names.h – which routers somebody means who names them, by their
 * names, aliases and groups in the inventory.
 *
 * "Guamal y Acacías" are two, "las torres del sur" those that are in both
 * groups, "todos menos Guamal" what it says; numbers may be said in any way
 * (router_words.h). Everything that is said must be understood: a name of
 * which only a part is known, that several have or that is only similar, is
 * nobody's, and is answered with those it could be. No I/O.
 */
#ifndef SUPERVISOR_ROUTER_NAMES_H
#define SUPERVISOR_ROUTER_NAMES_H

#include "common/config.h"
#include "common/router_inventory.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	ROUTER_CANDIDATES_MAX = 6,
	ROUTER_CHOICE_WORDS =
	    160, /* bytes of what is not understood, NUL too */
};

enum router_verdict {
	ROUTER_VERDICT_FOUND,
	ROUTER_VERDICT_AMBIGUOUS, /* it could be any of the candidates */
	ROUTER_VERDICT_UNKNOWN,   /* the candidates are similar, if any */
};

struct router_choice {
	enum router_verdict verdict;
	size_t count; /* FOUND: 1 … */
	/* By their index in the inventory, in its order. */
	bool chosen[ROUTER_INVENTORY_MAX];
	/* If not FOUND: what is not clear, as words, and who it could be. */
	char words[ROUTER_CHOICE_WORDS];
	size_t candidate_count;
	size_t candidates[ROUTER_CANDIDATES_MAX];
	size_t more; /* candidates that are not listed */
};

struct router_names;

/* Takes a reference of INVENTORY. 0 or -ENOMEM. */
int router_names_new(
    struct router_names **names_out, struct router_inventory *inventory);

/* NULL-safe, clears *NAMES. */
void router_names_free(struct router_names **names);

const struct router_inventory *router_names_inventory(
    const struct router_names *names);

/*
 * Who is meant with TEXT, UTF-8; "" means all. 0, or -ENOMEM. A TEXT that is
 * too long to be names is UNKNOWN.
 */
int router_names_resolve(const struct router_names *names, const char *text,
    struct router_choice *choice_out);

/* Names that two routers share, for speech, as warnings in PROBLEMS. */
void router_names_check(
    const struct router_names *names, struct config_problems *problems);

#endif
