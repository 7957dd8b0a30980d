/* SPDX-License-Identifier: MIT */
/*
 * router_answer.h – what routers answered, put into words for a telephone.
 *
 * Who answered, what matters first, the few that stand out, sums; then who did
 * not answer, by the reason. All words are the tool's "sentences"
 * (common/routeros_sentences.h). No I/O.
 */
#ifndef SUPERVISOR_ROUTER_ANSWER_H
#define SUPERVISOR_ROUTER_ANSWER_H

#include "common/routeros_tool.h"
#include "common/tool_status.h"
#include "supervisor/router_names.h"

#include <cjson/cJSON.h>
#include <stddef.h>

enum {
	ROUTER_ANSWER_SIZE = 4096, /* bytes, NUL included */
};

/* How one router's job ended. */
struct router_reply {
	const char *router; /* its name */
	enum tool_status status;
	const char *detail; /* OK: an object as in routeros_queries.h */
};

/*
 * Writes what COUNT REPLIES say to a question of QUERY. SENTENCES is complete.
 * Returns how many have answered; an OK that makes no sense has not. -ENOMEM.
 */
int router_answer_make(char buf[ROUTER_ANSWER_SIZE], enum routeros_query query,
    const cJSON *sentences, const struct router_reply *replies, size_t count);

/* Writes what is to be asked back: CHOICE, of NAMES, is not FOUND. */
void router_answer_ask_back(char buf[ROUTER_ANSWER_SIZE],
    const cJSON *sentences, const struct router_names *names,
    const struct router_choice *choice);

#endif
