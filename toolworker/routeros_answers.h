/* SPDX-License-Identifier: MIT */
/*
 * routeros_answers.h – from a router's records to the answers that
 * routeros_queries.h describes, one function for each query. Private to
 * routeros_queries.c.
 */
#ifndef TOOLWORKER_ROUTEROS_ANSWERS_H
#define TOOLWORKER_ROUTEROS_ANSWERS_H

#include "toolworker/routeros_queries.h"

/* NULL: the records do not tell what the answer is made of. */
typedef cJSON *routeros_answer_fn(
    const cJSON *arguments, const struct routeros_results *results);

routeros_answer_fn routeros_answer_resources;
routeros_answer_fn routeros_answer_interfaces;
routeros_answer_fn routeros_answer_customers;
routeros_answer_fn routeros_answer_find_customer;
routeros_answer_fn routeros_answer_ping;
routeros_answer_fn routeros_answer_gateways;
routeros_answer_fn routeros_answer_log;

/*
 * Whether the argument "interfaces" means the interface of RECORD: one of its
 * words is a part of its name, factory name or type. Without words all are
 * meant. Never the dynamic ones: each is a customer's, with his name.
 */
bool routeros_interface_is_wanted(const cJSON *record, const cJSON *arguments);

#endif
