/* SPDX-License-Identifier: MIT */
/*
 * routeros_sentences.h – the pieces of which the answers about routers are
 * made, "sentences" of a tool of type "routeros": which there are for each
 * query, and which places in braces each may have. supervisor/router_answer.h
 * puts them together; etc/tools.d/README.md describes them.
 *
 * A piece that counts may have two forms, "un router|{count} routers".
 */
#ifndef COMMON_ROUTEROS_SENTENCES_H
#define COMMON_ROUTEROS_SENTENCES_H

#include "common/routeros_tool.h"

#include <cjson/cJSON.h>

enum {
	ROUTEROS_SENTENCE_MAX = 300, /* bytes of one */
};

/*
 * Checks SENTENCES of a tool that asks QUERY: all that are needed, no others,
 * and no place that is not filled in. Every fault goes to PROBLEM. 0 or
 * -EINVAL.
 */
int routeros_sentences_check(enum routeros_query query, const cJSON *sentences,
    routeros_tool_problem_fn *problem, void *arg);

#endif
