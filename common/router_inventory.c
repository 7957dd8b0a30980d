/* SPDX-License-Identifier: MIT */
/*
 * router_inventory.c – reads and checks the inventory of routers.
 *
 * Invariant: a router that comes out is complete and may be asked as it is:
 * no password of it crosses a network in the clear unless its own entry says
 * so.
 */
#include "common/router_inventory.h"

#include "common/env_file.h"
#include "common/json.h"
#include "common/net_address.h"
#include "common/secret.h"
#include "common/url.h"
#include "common/utf8.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
	USER_MAX = 64, /* bytes */
	PATH_TEXT_MAX = 255,
	LIST_SIZE = 300,
};

struct router_inventory {
	unsigned int references;
	cJSON *json; /* what the routers' strings point into */
	size_t count;
	struct router *list;
};

/* One run of router_inventory_parse(). */
struct reader {
	const char *path;
	struct config_problems *problems;
	struct router_inventory *inventory;
	const cJSON *defaults; /* or NULL */
	const cJSON *entry;    /* the router that is being read */
	int index;             /* its place in the file */
	bool good;             /* nothing wrong with it so far */
	size_t plain_count;    /* routers asked without TLS over a network */
	char plain[LIST_SIZE]; /* … and some of their names */
};

static const char *const members[] = {"name", "aliases", "address", "api",
    "tls", "ca_file", "pin_sha256", "user", "password_secret", "groups",
    "comments"};

/* A fault of the router that is being read. */
static void __attribute__((format(printf, 2, 3)))
bad(struct reader *reader, const char *fmt, ...)
{
	const char *name = json_string(reader->entry, "name");
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	config_problem(reader->problems, false,
	    "%s: router %d (\"%.40s\"): %s; this router is left out",
	    reader->path, reader->index + 1, name, text);
	reader->good = false;
}

static void
check_members(struct reader *reader, const cJSON *object)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, object) {
		bool known = false;

		for (size_t i = 0; i < sizeof(members) / sizeof(members[0]);
		     i++)
			known = known || strcmp(members[i], item->string) == 0;
		if (!known)
			bad(reader,
			    "\"%.64s\" is not a member that a router has",
			    item->string);
		else if (cJSON_GetObjectItemCaseSensitive(
			     object, item->string) != item)
			bad(reader, "\"%s\" is there twice", item->string);
	}
}

/* The entry's own member, else that of "defaults", else NULL. */
static const cJSON *
find_member(const struct reader *reader, const char *key)
{
	const cJSON *item =
	    cJSON_GetObjectItemCaseSensitive(reader->entry, key);

	if (item == NULL)
		item = cJSON_GetObjectItemCaseSensitive(reader->defaults, key);
	return item;
}

/* Of 1 … MAX bytes without control characters; "" if it is not there. */
static const char *
take_string(struct reader *reader, const char *key, size_t max)
{
	const cJSON *item = find_member(reader, key);
	const char *text = cJSON_IsString(item) ? item->valuestring : "";
	bool printable = true;

	if (item == NULL)
		return "";
	for (const char *c = text; *c != '\0'; c++)
		printable =
		    printable && (unsigned char)*c >= 0x20 && *c != 0x7f;
	if (*text == '\0' || strlen(text) > max || !printable)
		bad(reader, "\"%s\" must be a text of 1 to %zu bytes", key,
		    max);
	return text;
}

/* A list of names; the array, not the strings, is the caller's. */
static const char *const *
take_names(struct reader *reader, const char *key, size_t *count_out)
{
	const cJSON *list = find_member(reader, key);
	const char **names;
	const cJSON *item;
	size_t count = 0;

	*count_out = 0;
	if (list == NULL)
		return NULL;
	if (!cJSON_IsArray(list) ||
	    cJSON_GetArraySize(list) > ROUTER_NAMES_MAX) {
		bad(reader, "\"%s\" must be a list of at most %d texts", key,
		    ROUTER_NAMES_MAX);
		return NULL;
	}
	names = calloc(ROUTER_NAMES_MAX, sizeof(*names));
	if (names == NULL)
		return NULL;
	cJSON_ArrayForEach(item, list) {
		if (cJSON_IsString(item) && item->valuestring[0] != '\0' &&
		    strlen(item->valuestring) <= ROUTER_NAME_MAX)
			names[count++] = item->valuestring;
		else
			bad(reader, "\"%s\": each must have 1 to %d bytes", key,
			    ROUTER_NAME_MAX);
	}
	*count_out = count;
	return names;
}

/* -- one member each ----------------------------------------------------------- */

static const char *
take_name(struct reader *reader)
{
	const struct router_inventory *inventory = reader->inventory;
	const char *name;

	if (cJSON_GetObjectItemCaseSensitive(reader->entry, "name") == NULL) {
		bad(reader, "\"name\" is missing");
		return "";
	}
	name = take_string(reader, "name", ROUTER_NAME_MAX);
	for (size_t i = 0; i < inventory->count; i++) {
		if (strcasecmp(inventory->list[i].name, name) == 0)
			bad(reader, "another router has that name");
	}
	return name;
}

static enum router_api
take_api(struct reader *reader)
{
	const char *text = take_string(reader, "api", 16);

	if (strcmp(text, "binary") == 0)
		return ROUTER_API_BINARY;
	if (*text != '\0' && strcmp(text, "rest") != 0)
		bad(reader, "\"api\" must be \"rest\" (RouterOS 7) or "
			    "\"binary\" (RouterOS 6 and 7)");
	return ROUTER_API_REST;
}

static bool
take_port(const char *text, uint16_t *port_out)
{
	unsigned long port = 0;
	size_t len = strspn(text, "0123456789");

	if (len == 0 || len > 5 || text[len] != '\0')
		return false;
	port = strtoul(text, NULL, 10);
	*port_out = (uint16_t)port;
	return port >= 1 && port <= 65535;
}

static uint16_t
usual_port(const struct router *router)
{
	if (router->api == ROUTER_API_REST)
		return router->tls ? 443 : 80;
	return router->tls ? 8729 : 8728;
}

/* "10.0.0.1", "router.example:8443", "2001:db8::1", "[2001:db8::1]:443". */
static void
take_address(struct reader *reader, struct router *router)
{
	const char *text = take_string(reader, "address", ROUTER_HOST_SIZE + 8);
	const char *end = text + strlen(text);
	struct net_address numeric;
	bool good;

	router->port = usual_port(router);
	if (*text == '[') {
		text++;
		end = text + strcspn(text, "]");
		good =
		    *end == ']' &&
		    (end[1] == '\0' ||
			(end[1] == ':' && take_port(end + 2, &router->port)));
	} else if (net_address_parse(text, 0, &numeric) == 0) {
		good = true;
	} else {
		end = text + strcspn(text, ":");
		good = *end == '\0' || take_port(end + 1, &router->port);
	}
	if (good && end - text < ROUTER_HOST_SIZE) {
		memcpy(router->host, text, (size_t)(end - text));
		router->host[end - text] = '\0';
	}
	if (router->host[0] == '\0' || !url_host_is_valid(router->host))
		bad(reader, "\"address\" must be an address or a host name, "
			    "with :port if it is not the usual one");
}

/* In the clear only where the entry itself says so, or within the machine. */
static void
take_tls(struct reader *reader, struct router *router)
{
	const cJSON *own =
	    cJSON_GetObjectItemCaseSensitive(reader->entry, "tls");
	const cJSON *item = find_member(reader, "tls");

	router->tls = !cJSON_IsFalse(item);
	if (item != NULL && !cJSON_IsBool(item))
		bad(reader, "\"tls\" must be true or false");
	take_address(reader, router);
	if (router->tls || url_host_is_loopback(router->host))
		return;
	if (own == NULL) {
		bad(reader, "its password would cross the network in the "
			    "clear: \"tls\": false must be in its own entry, "
			    "not only in \"defaults\"");
		return;
	}
	if (reader->plain_count++ < 5) {
		size_t len = strlen(reader->plain);

		snprintf(reader->plain + len, LIST_SIZE - len, "%s%.40s",
		    len > 0 ? ", " : "", router->name);
	}
}

static int
hex_value(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 64 hexadecimal digits; colons between them, as OpenSSL prints it. */
static bool
read_pin(const char *text, unsigned char *pin)
{
	size_t count = 0;

	for (; *text != '\0'; text++) {
		int value = hex_value(*text);

		if (*text == ':' && count % 2 == 0)
			continue;
		if (value < 0 || count == (size_t)2 * ROUTER_PIN_LEN)
			return false;
		pin[count / 2] = (unsigned char)(pin[count / 2] << 4 | value);
		count++;
	}
	return count == (size_t)2 * ROUTER_PIN_LEN;
}

static bool
is_own(const struct reader *reader, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(reader->entry, key) != NULL;
}

static void
take_trust(struct reader *reader, struct router *router)
{
	const char *ca_file = take_string(reader, "ca_file", PATH_TEXT_MAX);
	const char *pin = take_string(reader, "pin_sha256", 95);

	if (*ca_file != '\0' && *pin != '\0') {
		/* An entry's own word beats the default of the other kind. */
		if (is_own(reader, "pin_sha256") == is_own(reader, "ca_file"))
			bad(reader, "\"ca_file\" and \"pin_sha256\" cannot "
				    "both be meant");
		else if (is_own(reader, "pin_sha256"))
			ca_file = "";
		else
			pin = "";
	}
	if (!router->tls)
		return;
	router->pinned = *pin != '\0';
	if (router->pinned && !read_pin(pin, router->pin))
		bad(reader, "\"pin_sha256\" must be the certificate's SHA-256 "
			    "fingerprint, 64 hexadecimal digits");
	if (*ca_file == '\0')
		return;
	router->ca_file = ca_file;
	if (*ca_file != '/')
		bad(reader, "\"ca_file\" must be an absolute path");
	else if (access(ca_file, R_OK) != 0)
		bad(reader, "\"ca_file\": %.200s cannot be read: %s", ca_file,
		    strerror(errno));
}

static void
take_credentials(struct reader *reader, struct router *router)
{
	enum proc_role role;

	router->user = take_string(reader, "user", USER_MAX);
	router->password_secret =
	    take_string(reader, "password_secret", SECRET_KEY_MAX);
	if (*router->user == '\0')
		bad(reader, "\"user\" is missing");
	else if (strchr(router->user, ':') != NULL)
		bad(reader, "\"user\" cannot contain ':'");
	if (!secret_find(router->password_secret,
		strlen(router->password_secret), &role) ||
	    role != PROC_ROLE_TOOLWORKER)
		bad(reader, "\"password_secret\" must name a secret that "
			    "begins with " SECRET_TOOL_PREFIX);
}

/* People write customers' names there: only what the operator says is told. */
static void
take_comments(struct reader *reader, struct router *router)
{
	const cJSON *item = find_member(reader, "comments");

	router->comments = cJSON_IsTrue(item);
	if (item != NULL && !cJSON_IsBool(item))
		bad(reader, "\"comments\" must be true or false");
}

/*
 * A router answers one request of a user at a time, and is known by its name:
 * with two names it would be asked twice at once.
 */
static void
check_address(struct reader *reader, const struct router *router)
{
	const struct router_inventory *inventory = reader->inventory;

	for (size_t i = 0; i < inventory->count; i++) {
		const struct router *other = &inventory->list[i];

		if (other->port == router->port &&
		    strcasecmp(other->host, router->host) == 0 &&
		    strcmp(other->user, router->user) == 0)
			bad(reader,
			    "\"%.40s\" has the same address and user; other "
			    "names for one router are its \"aliases\"",
			    other->name);
	}
}

/*
 * Connections are kept and used again by host and port: all that is trusted
 * there must be trusted by every router there.
 */
static void
check_pins(struct reader *reader, const struct router *router)
{
	const struct router_inventory *inventory = reader->inventory;

	for (size_t i = 0; i < inventory->count; i++) {
		const struct router *other = &inventory->list[i];

		if (other->pinned && router->pinned &&
		    other->port == router->port &&
		    strcasecmp(other->host, router->host) == 0 &&
		    memcmp(other->pin, router->pin, ROUTER_PIN_LEN) != 0)
			bad(reader,
			    "\"pin_sha256\" differs from that of \"%.40s\", "
			    "which has the same address",
			    other->name);
	}
}

/* -- the whole ------------------------------------------------------------------ */

static void
release_router(struct router *router)
{
	/* Ours; the cast is what free(3) wants of a list of constants. */
	free((void *)(uintptr_t)router->aliases);
	free((void *)(uintptr_t)router->groups);
}

static void
read_router(struct reader *reader)
{
	struct router_inventory *inventory = reader->inventory;
	struct router router = {.ca_file = NULL};

	reader->good = true;
	if (!cJSON_IsObject(reader->entry)) {
		bad(reader, "a router is an object");
		return;
	}
	check_members(reader, reader->entry);
	router.name = take_name(reader);
	router.aliases = take_names(reader, "aliases", &router.alias_count);
	router.groups = take_names(reader, "groups", &router.group_count);
	router.api = take_api(reader);
	take_tls(reader, &router);
	take_trust(reader, &router);
	take_credentials(reader, &router);
	take_comments(reader, &router);
	check_address(reader, &router);
	check_pins(reader, &router);
	if (!reader->good) {
		release_router(&router);
		return;
	}
	inventory->list[inventory->count++] = router;
}

/* A fault of the file; nothing of it can be used. */
static void
bad_file(struct reader *reader, const char *why)
{
	config_problem(reader->problems, false,
	    "%s: %s; no router can be asked", reader->path, why);
}

static unsigned int
error_line(const char *text, size_t len)
{
	const char *end = text;
	unsigned int line = 1;

	cJSON_Delete(cJSON_ParseWithLengthOpts(text, len, &end, 0));
	for (const char *c = text; c < end && c < text + len; c++)
		line += *c == '\n';
	return line;
}

static bool
check_file(struct reader *reader)
{
	const cJSON *json = reader->inventory->json;
	const cJSON *routers = json_array(json, "routers");
	const cJSON *item;
	char why[160];

	if (routers == NULL) {
		bad_file(
		    reader, "it must be an object with a list \"routers\"");
		return false;
	}
	if (cJSON_GetArraySize(routers) > ROUTER_INVENTORY_MAX) {
		snprintf(why, sizeof(why), "there are more than %d routers",
		    ROUTER_INVENTORY_MAX);
		bad_file(reader, why);
		return false;
	}
	cJSON_ArrayForEach(item, json) {
		if (strcmp(item->string, "routers") == 0 ||
		    (strcmp(item->string, "defaults") == 0 &&
			cJSON_IsObject(item)))
			continue;
		snprintf(why, sizeof(why), "\"%.64s\" %s", item->string,
		    strcmp(item->string, "defaults") == 0
			? "must be an object"
			: "is not a member that it has");
		bad_file(reader, why);
		return false;
	}
	return true;
}

static void
read_routers(struct reader *reader)
{
	const cJSON *json = reader->inventory->json;

	reader->defaults = json_object(json, "defaults");
	cJSON_ArrayForEach(reader->entry, json_array(json, "routers")) {
		read_router(reader);
		reader->index++;
	}
	if (reader->plain_count > 0)
		config_problem(reader->problems, false,
		    "%s: \"tls\": false sends passwords over the network in "
		    "the clear: %s%s",
		    reader->path, reader->plain,
		    reader->plain_count > 5 ? " and others" : "");
}

/* What "defaults" may not hold, or holds in vain, is said once, not per
 * router. */
static bool
check_defaults(struct reader *reader)
{
	static const char *const own[] = {"name", "aliases", "address"};
	const cJSON *defaults =
	    json_object(reader->inventory->json, "defaults");
	const cJSON *item;
	char why[160];

	cJSON_ArrayForEach(item, defaults) {
		bool fits = false;

		for (size_t i = 0; i < sizeof(members) / sizeof(members[0]);
		     i++)
			fits = fits || strcmp(members[i], item->string) == 0;
		for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
			fits = fits && strcmp(own[i], item->string) != 0;
		if (fits)
			continue;
		snprintf(why, sizeof(why),
		    "\"defaults\": \"%.64s\" is not a member that they have",
		    item->string);
		bad_file(reader, why);
		return false;
	}
	return true;
}

static void
read_text(struct reader *reader, const char *text, size_t len)
{
	struct router_inventory *inventory = reader->inventory;
	char why[64];

	if (utf8_count(text, len) < 0) {
		bad_file(reader, "it is not UTF-8");
		return;
	}
	inventory->json = json_parse(text, len);
	if (inventory->json == NULL) {
		snprintf(why, sizeof(why), "line %u: this is not JSON",
		    error_line(text, len));
		bad_file(reader, why);
		return;
	}
	if (!check_file(reader) || !check_defaults(reader))
		return;
	inventory->list =
	    calloc(ROUTER_INVENTORY_MAX, sizeof(*inventory->list));
	if (inventory->list != NULL)
		read_routers(reader);
}

static struct router_inventory *
inventory_new(void)
{
	struct router_inventory *inventory = calloc(1, sizeof(*inventory));

	if (inventory != NULL)
		inventory->references = 1;
	return inventory;
}

int
router_inventory_parse(struct router_inventory **inventory_out,
    const char *path, const char *text, size_t len,
    struct config_problems *problems)
{
	struct reader reader = {
	    .path = path,
	    .problems = problems,
	    .inventory = inventory_new(),
	};

	if (reader.inventory == NULL)
		return -ENOMEM;
	read_text(&reader, text, len);
	*inventory_out = reader.inventory;
	return 0;
}

int
router_inventory_load(struct router_inventory **inventory_out, const char *path,
    bool expected, struct config_problems *problems)
{
	char *text;
	size_t len;
	int ret = env_file_read(path, &text, &len, NULL);

	if (ret == 0) {
		ret = router_inventory_parse(
		    inventory_out, path, text, len, problems);
		free(text);
		return ret;
	}
	if (ret != -ENOENT || expected)
		config_problem(problems, false,
		    "%s: %s; no router can be asked (ROUTERS_FILE)", path,
		    strerror(-ret));
	*inventory_out = inventory_new();
	return *inventory_out != NULL ? 0 : -ENOMEM;
}

int
router_inventory_load_config(struct router_inventory **inventory_out,
    const struct config *config, struct config_problems *problems)
{
	char path[PATH_MAX];

	config_dir(config->routers_file, "routers.json", path, sizeof(path));
	return router_inventory_load(
	    inventory_out, path, config->routers_file[0] != '\0', problems);
}

struct router_inventory *
router_inventory_ref(struct router_inventory *inventory)
{
	assert(inventory->references > 0);
	inventory->references++;
	return inventory;
}

void
router_inventory_unref(struct router_inventory **inventory)
{
	struct router_inventory *old = *inventory;

	*inventory = NULL;
	if (old == NULL || --old->references > 0)
		return;
	for (size_t i = 0; i < old->count; i++)
		release_router(&old->list[i]);
	free(old->list);
	cJSON_Delete(old->json);
	free(old);
}

size_t
router_inventory_count(const struct router_inventory *inventory)
{
	return inventory->count;
}

const struct router *
router_inventory_at(const struct router_inventory *inventory, size_t index)
{
	assert(index < inventory->count);
	return &inventory->list[index];
}

const struct router *
router_inventory_find(
    const struct router_inventory *inventory, const char *name)
{
	for (size_t i = 0; i < inventory->count; i++) {
		if (strcmp(inventory->list[i].name, name) == 0)
			return &inventory->list[i];
	}
	return NULL;
}

const char *
router_api_name(enum router_api api)
{
	return api == ROUTER_API_REST ? "rest" : "binary";
}
