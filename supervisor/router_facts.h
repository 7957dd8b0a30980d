/* SPDX-License-Identifier: MIT */
/*
 * router_facts.h – one function for each query: what the routers that have
 * answered say, in the order in which it matters. Private to router_answer.c.
 */
#ifndef SUPERVISOR_ROUTER_FACTS_H
#define SUPERVISOR_ROUTER_FACTS_H

#include "supervisor/router_speech.h"

#include <cjson/cJSON.h>
#include <stddef.h>

/* A router that has answered, and what. */
struct router_fact {
	const char *router;
	const cJSON *json; /* an object as in routeros_queries.h */
};

/* Adds what COUNT FACTS, at least one, say. Without memory it says less. */
typedef void router_facts_fn(
    struct speech *speech, const struct router_fact *facts, size_t count);

router_facts_fn router_facts_resources;
router_facts_fn router_facts_interfaces;
router_facts_fn router_facts_customers;
router_facts_fn router_facts_find_customer;
router_facts_fn router_facts_ping;
router_facts_fn router_facts_gateways;
router_facts_fn router_facts_log;

#endif
