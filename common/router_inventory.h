/* SPDX-License-Identifier: MIT */
/*
 * router_inventory.h – the operator's routers, etc/routers.json: how people
 * call them, where they are and how they are asked.
 *
 * One load of the file is a generation: immutable and counted. The supervisor
 * uses names, aliases and groups, the toolworker the rest. No password is in
 * the file: it names secrets (common/secret.h). The format is described in
 * etc/tools.d/README.md.
 */
#ifndef COMMON_ROUTER_INVENTORY_H
#define COMMON_ROUTER_INVENTORY_H

#include "common/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ROUTER_INVENTORY_MAX = 1000, /* routers */
	ROUTER_NAME_MAX = 64,        /* bytes of a name, alias or group */
	ROUTER_NAMES_MAX = 32,       /* aliases, and groups, of one router */
	ROUTER_HOST_SIZE = 254,
	ROUTER_PIN_LEN = 32, /* bytes of a SHA-256 */
};

enum router_api {
	ROUTER_API_REST,   /* RouterOS 7.1 and later: /rest, 443 or 80 */
	ROUTER_API_BINARY, /* RouterOS 6 and later: 8729 or 8728 */
};

/* Strings belong to the inventory; none is NULL but where said. */
struct router {
	const char *name; /* unique, whatever the case of its letters */
	const char *const *aliases;
	size_t alias_count;
	const char *const *groups;
	size_t group_count;

	char host[ROUTER_HOST_SIZE]; /* name or numeric, unbracketed */
	uint16_t port;
	enum router_api api;
	bool tls;
	const char *ca_file;               /* absolute, or NULL: the system's */
	bool pinned;                       /* then PIN, and no CA, is trusted */
	unsigned char pin[ROUTER_PIN_LEN]; /* SHA-256 of the certificate, DER */
	bool comments; /* of interfaces and routes, may be told to callers */
	const char *user;
	const char *password_secret; /* TOOL_… */
};

struct router_inventory;

/*
 * Reads PATH. What is wrong becomes a warning in PROBLEMS that names the file
 * and the place; a router with a fault is left out and harms no other. A file
 * that is not there is an inventory without routers, and a problem only if
 * EXPECTED. The generation comes with one reference. 0 or -ENOMEM.
 */
int router_inventory_load(struct router_inventory **inventory_out,
    const char *path, bool expected, struct config_problems *problems);

/* The same from TEXT, UTF-8 of LEN bytes; PATH is for the problems. */
int router_inventory_parse(struct router_inventory **inventory_out,
    const char *path, const char *text, size_t len,
    struct config_problems *problems);

/* Reads the file that ROUTERS_FILE names, or etc/routers.json. */
int router_inventory_load_config(struct router_inventory **inventory_out,
    const struct config *config, struct config_problems *problems);

struct router_inventory *router_inventory_ref(
    struct router_inventory *inventory);

/* Drops a reference, and with the last one everything. NULL-safe, clears. */
void router_inventory_unref(struct router_inventory **inventory);

size_t router_inventory_count(const struct router_inventory *inventory);
const struct router *router_inventory_at(
    const struct router_inventory *inventory, size_t index);

/* By its exact name; NULL when there is none. */
const struct router *router_inventory_find(
    const struct router_inventory *inventory, const char *name);

const char *router_api_name(enum router_api api); /* "rest", "binary" */

#endif
