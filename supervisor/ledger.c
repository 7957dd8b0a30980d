/* SPDX-License-Identifier: MIT */
/*
 * ledger.c – what we made in Asterisk and have to take away again.
 *
 * Invariant: an id is entered before Asterisk is asked to make it and leaves
 * only when Asterisk has confirmed that it is gone (204 or 404 to a DELETE,
 * an event, or a list without it).
 */
#include "supervisor/ledger.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"

#include <errno.h>
#include <event2/event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>

enum {
	TURN_MS = 1000,
	MAKING_MS = 2 * ARI_DEADLINE_MS,
	YOUNG_MS = 10000, /* may be missing in a list made before it */
};

struct entry {
	LIST_ENTRY(entry) link;
	struct ledger *ledger;
	enum ledger_kind kind;
	char id[ARI_ID_MAX];
	bool making; /* the request is not answered: not to be deleted */
	bool removing;
	bool asked; /* a DELETE is under way */
	bool gone;  /* in the list of that name */
	uint64_t since_ms;
};

struct ledger {
	struct ari *ari;
	const char *app;
	struct event *timer;
	LIST_HEAD(, entry) entries;
	LIST_HEAD(, entry) gone; /* … but the answer to a DELETE is not in */
};

static const char *const kind_words[] = {
    [LEDGER_CHANNEL] = "media",
    [LEDGER_BRIDGE] = "bridge",
    [LEDGER_LEG] = "transfer",
};

/* "telefonista-APP-media-CALL-" */
static int
prefix(const struct ledger *ledger, enum ledger_kind kind, const char *call,
    char *buf, size_t size)
{
	uint64_t hash = 14695981039346656037u; /* FNV-1a */
	int n = snprintf(buf, size, "telefonista-%s-%s-%s-", ledger->app,
	    kind_words[kind], call);

	if (n > 0 && (size_t)n + 8 < size)
		return n;
	/* Too long for an Asterisk id: the call's id is replaced by a hash. */
	for (const char *p = call; *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * 1099511628211u;
	return snprintf(buf, size, "telefonista-%s-%s-%016llx-", ledger->app,
	    kind_words[kind], (unsigned long long)hash);
}

static struct entry *
find(const struct ledger *ledger, const char *id)
{
	struct entry *entry;

	LIST_FOREACH(entry, &ledger->entries, link)
	{
		if (strcmp(entry->id, id) == 0)
			return entry;
	}
	return NULL;
}

static struct entry *
enter(struct ledger *ledger, enum ledger_kind kind, const char *id)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (entry == NULL)
		return NULL;
	entry->ledger = ledger;
	entry->kind = kind;
	entry->since_ms = clock_now_ms();
	snprintf(entry->id, sizeof(entry->id), "%s", id);
	LIST_INSERT_HEAD(&ledger->entries, entry, link);
	return entry;
}

static void
entry_free(struct entry *entry)
{
	LIST_REMOVE(entry, link);
	free(entry);
}

static void
drop(struct entry *entry)
{
	if (!entry->asked) {
		entry_free(entry);
		return;
	}
	LIST_REMOVE(entry, link);
	entry->gone = true;
	LIST_INSERT_HEAD(&entry->ledger->gone, entry, link);
}

static void
on_deleted(const struct ari_response *response, void *arg)
{
	struct entry *entry = arg;

	entry->asked = false;
	if (entry->gone || response->status == 204 || response->status == 200 ||
	    response->status == 404)
		entry_free(entry);
	/* Otherwise the timer asks again. */
}

static void
ask(struct entry *entry)
{
	char id[3 * ARI_ID_MAX];

	/* A DELETE that overtook what makes it would leave it there. */
	if (entry->asked || entry->making)
		return;
	ari_escape(entry->id, id, sizeof(id));
	entry->asked =
	    ari_request(entry->ledger->ari, on_deleted, entry, "DELETE", NULL,
		"%s/%s", entry->kind == LEDGER_BRIDGE ? "bridges" : "channels",
		id) == 0;
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct ledger *ledger = arg;
	enum ari_state state = ari_state(ledger->ari);
	uint64_t now_ms = clock_now_ms();
	struct entry *entry;

	(void)fd;
	(void)what;
	if (state != ARI_UP && state != ARI_REPLACED)
		return;
	LIST_FOREACH(entry, &ledger->entries, link)
	{
		if (now_ms - entry->since_ms >= MAKING_MS)
			entry->making = false; /* the request was not sent */
		if (entry->removing)
			ask(entry);
	}
}

int
ledger_add(struct ledger *ledger, enum ledger_kind kind, const char *call,
    char id_out[ARI_ID_MAX])
{
	uint16_t random = 0;
	int n = prefix(ledger, kind, call, id_out, ARI_ID_MAX);
	struct entry *entry;

	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
	snprintf(id_out + n, ARI_ID_MAX - (size_t)n, "%04x", random);
	entry = enter(ledger, kind, id_out);
	if (entry == NULL)
		return -ENOMEM;
	entry->making = true;
	return 0;
}

void
ledger_made(struct ledger *ledger, const char *id)
{
	struct entry *entry = find(ledger, id);

	if (entry == NULL)
		return;
	entry->making = false;
	if (entry->removing)
		ask(entry);
}

int
ledger_adopt(struct ledger *ledger, enum ledger_kind kind, const char *id)
{
	if (find(ledger, id) != NULL)
		return 0;
	return enter(ledger, kind, id) != NULL ? 0 : -ENOMEM;
}

void
ledger_remove(struct ledger *ledger, const char *id)
{
	struct entry *entry = find(ledger, id);

	if (entry == NULL || entry->removing)
		return;
	entry->removing = true;
	ask(entry);
}

void
ledger_gone(struct ledger *ledger, const char *id)
{
	struct entry *entry = find(ledger, id);

	if (entry != NULL)
		drop(entry);
}

/* Not merely "telefonista-APP-": that is how those of APP-2 begin, too. */
bool
ledger_is_ours(const struct ledger *ledger, const char *id)
{
	char start[ARI_ID_MAX];

	for (size_t i = 0; i < sizeof(kind_words) / sizeof(kind_words[0]);
	     i++) {
		int n = snprintf(start, sizeof(start), "telefonista-%s-%s-",
		    ledger->app, kind_words[i]);

		if (strncmp(id, start, (size_t)n) == 0)
			return true;
	}
	return false;
}

bool
ledger_belongs(const struct ledger *ledger, enum ledger_kind kind,
    const char *id, const char *call)
{
	char start[ARI_ID_MAX];
	int n = prefix(ledger, kind, call, start, sizeof(start));

	return strncmp(id, start, (size_t)n) == 0;
}

/* Of a Local channel, which goes with the first one. */
static bool
is_second_half(const char *id)
{
	size_t len = strlen(id);

	return len > 2 && strcmp(id + len - 2, ";2") == 0;
}

static void
take_away(struct ledger *ledger, enum ledger_kind kind, const char *id,
    enum log_level level)
{
	if (!ledger_is_ours(ledger, id) || is_second_half(id) ||
	    find(ledger, id) != NULL)
		return;
	log_write(level, "left over in Asterisk, deleting it %s=%s",
	    kind_words[kind], id);
	if (enter(ledger, kind, id) != NULL)
		ledger_remove(ledger, id);
}

/*
 * Nothing to warn of: events and answers come in no order, and this one may
 * have overtaken the answer to its own deletion.
 */
void
ledger_stray(struct ledger *ledger, enum ledger_kind kind, const char *id)
{
	take_away(ledger, kind, id, LOG_LEVEL_INFO);
}

static bool
listed(const cJSON *list, const char *id)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, list) {
		if (strcmp(json_string(item, "id"), id) == 0)
			return true;
	}
	return false;
}

static void
take_all_away(struct ledger *ledger, enum ledger_kind kind, const cJSON *list)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, list)
		take_away(
		    ledger, kind, json_string(item, "id"), LOG_LEVEL_WARN);
}

void
ledger_reconcile(
    struct ledger *ledger, const cJSON *channels, const cJSON *bridges)
{
	uint64_t now_ms = clock_now_ms();
	struct entry *entry, *next;

	/* Else they may be those of who has our name now. */
	if (ari_state(ledger->ari) != ARI_REPLACED) {
		take_all_away(ledger, LEDGER_CHANNEL, channels);
		take_all_away(ledger, LEDGER_BRIDGE, bridges);
	}
	for (entry = LIST_FIRST(&ledger->entries); entry != NULL;
	     entry = next) {
		next = LIST_NEXT(entry, link);
		if (now_ms - entry->since_ms >= YOUNG_MS &&
		    !listed(entry->kind == LEDGER_BRIDGE ? bridges : channels,
			entry->id))
			drop(entry);
	}
}

size_t
ledger_count(const struct ledger *ledger)
{
	const struct entry *entry;
	size_t n = 0;

	LIST_FOREACH(entry, &ledger->entries, link)
	n++;
	return n;
}

size_t
ledger_count_removing(const struct ledger *ledger)
{
	const struct entry *entry;
	size_t n = 0;

	LIST_FOREACH(entry, &ledger->entries, link)
	n += entry->removing;
	return n;
}

void
ledger_log_state(const struct ledger *ledger)
{
	const struct entry *entry;

	LIST_FOREACH(entry, &ledger->entries, link)
	log_info("supervisor state ledger %s=%s removing=%s",
	    kind_words[entry->kind], entry->id, entry->removing ? "yes" : "no");
}

int
ledger_new(struct ledger **ledger_out, struct event_base *base, struct ari *ari,
    const char *app)
{
	static const struct timeval interval = {.tv_sec = TURN_MS / 1000};
	struct ledger *ledger = calloc(1, sizeof(*ledger));

	if (ledger == NULL)
		return -ENOMEM;
	LIST_INIT(&ledger->entries);
	LIST_INIT(&ledger->gone);
	ledger->ari = ari;
	ledger->app = app;
	ledger->timer = event_new(base, -1, EV_PERSIST, on_turn, ledger);
	if (ledger->timer == NULL || event_add(ledger->timer, &interval) < 0) {
		ledger_free(&ledger);
		return -ENOMEM;
	}
	*ledger_out = ledger;
	return 0;
}

/* The ARI connection is freed before, so that no answer finds an entry. */
void
ledger_free(struct ledger **ledger_ptr)
{
	struct ledger *ledger = *ledger_ptr;
	struct entry *entry;

	if (ledger == NULL)
		return;
	*ledger_ptr = NULL;
	while ((entry = LIST_FIRST(&ledger->entries)) != NULL)
		entry_free(entry);
	while ((entry = LIST_FIRST(&ledger->gone)) != NULL)
		entry_free(entry);
	if (ledger->timer != NULL)
		event_free(ledger->timer);
	free(ledger);
}
