/* SPDX-License-Identifier: MIT */
/*
 * router_words.h – what somebody says when he names routers, as words that can
 * be compared: lower case without accents, numbers as digits, without the
 * words that mean nothing there.
 *
 * "el router de Guamal, y ciento cincuenta y dos punto uno" becomes "guamal",
 * ",", "y", "152", "1". A router's alias goes through the same, so that
 * "router 26 punto 1", "26.1", "veintiséis uno" and "dos seis punto uno" are
 * one. No I/O.
 */
#ifndef SUPERVISOR_ROUTER_WORDS_H
#define SUPERVISOR_ROUTER_WORDS_H

#include <stddef.h>

enum {
	ROUTER_WORDS_MAX = 96,        /* words of one text */
	ROUTER_WORDS_TEXT_MAX = 1024, /* bytes of it */
};

enum router_word_kind {
	ROUTER_WORD_NAME, /* of something, or a part of a name */
	ROUTER_WORD_SOFT, /* "torre": part of a name, or nothing */
	ROUTER_WORD_ALL,  /* "todos" */
	ROUTER_WORD_AND,  /* "y", "," */
	ROUTER_WORD_BUT,  /* "menos" */
};

struct router_word {
	enum router_word_kind kind;
	size_t at; /* its place in TEXT, */
	size_t len;
};

struct router_words {
	size_t count;
	struct router_word list[ROUTER_WORDS_MAX];
	char *text; /* all words, between them one space */
};

/*
 * Takes TEXT, UTF-8, apart. 0 with *WORDS_OUT to be released, -E2BIG if it is
 * too long for the names of routers, or -ENOMEM.
 */
int router_words_split(struct router_words *words_out, const char *text);

void router_words_free(struct router_words *words);

#endif
