/* SPDX-License-Identifier: MIT */
/*
 * router_facts.c – sums, extremes and exceptions of many routers' answers.
 *
 * Invariant: what a router says is text for a place of a sentence, or a number
 * that is written anew; nothing of it decides which sentence that is but
 * numbers and flags.
 */
#include "supervisor/router_facts.h"

#include "common/json.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TOP_MAX = 5,      /* of many, those that stand out */
	ONE_MAX = 10,     /* of one router's things, as many are said */
	FULL_MAX = 2,     /* routers that are described one by one */
	VERSIONS_MAX = 4, /* different ones */
	NAMES_MAX = 10,
	LABEL_SIZE = 256,
	CPU_BUSY = 80,    /* percent */
	MEMORY_FULL = 90, /* percent */
	HOT_C = 70,
	RESTARTED_S = 3600, /* up for less is worth a word */
};

/* Nothing that is counted comes near it. */
#define NUMBER_MAX INT64_C(1000000000000000)

/* -- pieces ------------------------------------------------------------------------- */

/* A whole number, of a size that can be summed up. */
static int64_t
whole(const cJSON *json, const char *key, int64_t otherwise)
{
	int64_t value = json_int(json, key, otherwise);

	if (value > NUMBER_MAX)
		return NUMBER_MAX;
	return value < -NUMBER_MAX ? -NUMBER_MAX : value;
}

/* Something with a rank: the highest is said first. */
struct ranked {
	double rank;
	const struct router_fact *fact;
	const cJSON *item; /* of a list in its answer, or NULL */
};

static int
compare_ranked(const void *a, const void *b)
{
	const struct ranked *left = a, *right = b;

	if (left->rank != right->rank)
		return left->rank > right->rank ? -1 : 1;
	/* They keep the inventory's order. */
	return left->fact < right->fact ? -1 : left->fact > right->fact;
}

static void
sort(struct ranked *list, size_t count)
{
	if (list != NULL)
		qsort(list, count, sizeof(*list), compare_ranked);
}

/* How many things all lists called KEY have. */
static size_t
count_items(const struct router_fact *facts, size_t count, const char *key)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += (size_t)cJSON_GetArraySize(json_array(facts[i].json, key));
	return n;
}

/* Those that the routers did not list. */
static int64_t
count_more(const struct router_fact *facts, size_t count)
{
	int64_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += whole(facts[i].json, "more", 0);
	return n;
}

/* "sfp1 (Fibra a Medellín)" */
static void
label(char buf[LABEL_SIZE], const cJSON *item, const char *key)
{
	const char *comment = json_string(item, "comment");
	const char *name = json_string(item, key);

	if (comment[0] == '\0' || strcmp(comment, name) == 0)
		snprintf(buf, LABEL_SIZE, "%.120s", name);
	else
		snprintf(buf, LABEL_SIZE, "%.120s (%.120s)", name, comment);
}

static void
add_item(struct speech_list *list, const char *key,
    const struct speech_place *places, size_t count)
{
	char item[SPEECH_ITEM_SIZE];

	speech_piece(item, sizeof(item), list->sentences, key, places, count);
	speech_list_add(list, item);
}

/* Says KEY with LIST in its place NAME, unless LIST is empty. */
static void
say_list(struct speech *speech, const char *key, const char *name,
    struct speech_list *list)
{
	const struct speech_place place = {name, speech_list_end(list)};

	if (place.value[0] != '\0')
		speech_say(speech, key, &place, 1);
}

static void
say_count(struct speech *speech, const char *key, int64_t count)
{
	char number[SPEECH_NUMBER_SIZE];
	const struct speech_place place = {"count", number};

	speech_count(number, count);
	speech_say(speech, key, &place, 1);
}

/* -- resources ------------------------------------------------------------------ */

static int64_t
memory_percent(const cJSON *json)
{
	int64_t total = whole(json, "memory_total", 0);
	int64_t free_bytes = whole(json, "memory_free", 0);

	if (total <= 0 || free_bytes < 0 || free_bytes > total)
		return 0;
	return 100 - 100 * free_bytes / total;
}

static void
add_trouble(
    struct speech_list *list, const char *key, const char *place, int64_t value)
{
	char number[SPEECH_NUMBER_SIZE];
	const struct speech_place places[] = {{place, number}};

	speech_count(number, value);
	add_item(list, key, places, 1);
}

/* What is wrong with a router; "" if nothing is. */
static const char *
find_troubles(
    struct speech_list *list, const cJSON *sentences, const cJSON *json)
{
	int64_t cpu = whole(json, "cpu_percent", 0);
	int64_t degrees = whole(json, "temperature_c", 0);
	int64_t up_s = whole(json, "uptime_s", RESTARTED_S);
	char time[SPEECH_NUMBER_SIZE];
	const struct speech_place places[] = {{"time", time}};

	speech_list_init(list, sentences, ", ", ONE_MAX);
	if (up_s < RESTARTED_S) {
		speech_time(time, sentences, up_s);
		add_item(list, "restarted", places, 1);
	}
	if (cpu >= CPU_BUSY)
		add_trouble(list, "busy_cpu", "percent", cpu);
	if (degrees >= HOT_C)
		add_trouble(list, "hot", "degrees", degrees);
	if (memory_percent(json) >= MEMORY_FULL)
		add_trouble(
		    list, "full_memory", "percent", memory_percent(json));
	return speech_list_end(list);
}

static void
say_router(struct speech *speech, const struct router_fact *fact)
{
	const cJSON *json = fact->json;
	char time[SPEECH_NUMBER_SIZE], cpu[SPEECH_NUMBER_SIZE];
	char memory[SPEECH_NUMBER_SIZE], degrees[SPEECH_NUMBER_SIZE];
	const struct speech_place places[] = {{"router", fact->router},
	    {"version", json_string(json, "version")},
	    {"board", json_string(json, "board")}, {"time", time},
	    {"percent", cpu}, {"memory", memory}};
	const struct speech_place warmth = {"degrees", degrees};

	speech_time(time, speech->sentences, whole(json, "uptime_s", 0));
	speech_count(cpu, whole(json, "cpu_percent", 0));
	speech_count(memory, memory_percent(json));
	speech_count(degrees, whole(json, "temperature_c", 0));
	speech_say(speech, "router", places, 6);
	if (json_at(json, "temperature_c", NULL) != NULL)
		speech_say(speech, "temperature", &warmth, 1);
}

static void
say_versions(
    struct speech *speech, const struct router_fact *facts, size_t count)
{
	struct speech_list list;
	char number[SPEECH_NUMBER_SIZE];

	speech_list_init(&list, speech->sentences, ", ", VERSIONS_MAX);
	for (size_t i = 0; i < count; i++) {
		const char *version = json_string(facts[i].json, "version");
		const struct speech_place places[] = {
		    {"version", version}, {"count", number}};
		size_t same = 0, before = 0;

		for (size_t j = 0; j < count; j++) {
			bool equal =
			    strcmp(json_string(facts[j].json, "version"),
				version) == 0;

			same += equal;
			before += equal && j < i;
		}
		if (before > 0)
			continue;
		speech_count(number, (int64_t)same);
		add_item(&list, "version_item", places, 2);
	}
	say_list(speech, "versions", "items", &list);
}

void
router_facts_resources(
    struct speech *speech, const struct router_fact *facts, size_t count)
{
	struct speech_list bad, troubles;
	int64_t cpu = 0;
	size_t normal = 0;
	char number[SPEECH_NUMBER_SIZE];
	const struct speech_place average = {"percent", number};

	for (size_t i = 0; i < count && count <= FULL_MAX; i++)
		say_router(speech, &facts[i]);
	if (count <= FULL_MAX)
		return;
	speech_list_init(&bad, speech->sentences, "; ", NAMES_MAX);
	for (size_t i = 0; i < count; i++) {
		const struct speech_place places[] = {
		    {"router", facts[i].router},
		    {"troubles", find_troubles(&troubles, speech->sentences,
				     facts[i].json)}};

		cpu += whole(facts[i].json, "cpu_percent", 0);
		if (places[1].value[0] == '\0')
			normal++;
		else
			add_item(&bad, "attention_item", places, 2);
	}
	say_list(speech, "attention", "items", &bad);
	if (normal > 0)
		say_count(speech, normal == count ? "all_normal" : "normal",
		    (int64_t)normal);
	speech_count(number, cpu / (int64_t)count);
	speech_say(speech, "average", &average, 1);
	say_versions(speech, facts, count);
}

/* -- interfaces ---------------------------------------------------------------------- */

struct traffic {
	int64_t count, running, disabled;
	double rx, tx;
};

static double
busiest_way(const cJSON *item)
{
	double rx = json_number(item, "rx_bps", 0);
	double tx = json_number(item, "tx_bps", 0);

	return rx > tx ? rx : tx;
}

/* Ranks all interfaces by their traffic, and sums them up. */
static size_t
rank_interfaces(struct ranked *list, struct traffic *sum,
    const struct router_fact *facts, size_t count)
{
	const cJSON *item;
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		cJSON_ArrayForEach(
		    item, json_array(facts[i].json, "interfaces")) {
			list[n].fact = &facts[i];
			list[n].item = item;
			list[n++].rank = busiest_way(item);
			sum->running += json_bool(item, "running", false);
			sum->disabled += json_bool(item, "disabled", false);
			sum->rx += json_number(item, "rx_bps", 0);
			sum->tx += json_number(item, "tx_bps", 0);
		}
	}
	sum->count = (int64_t)n;
	sort(list, n);
	return n;
}

static void
say_totals(struct speech *speech, const struct traffic *sum)
{
	char count[SPEECH_NUMBER_SIZE], running[SPEECH_NUMBER_SIZE];
	char down[SPEECH_NUMBER_SIZE], disabled[SPEECH_NUMBER_SIZE];
	char rx[SPEECH_NUMBER_SIZE], tx[SPEECH_NUMBER_SIZE];
	const struct speech_place places[] = {{"count", count},
	    {"running", running}, {"down", down}, {"disabled", disabled},
	    {"rx", rx}, {"tx", tx}};
	int64_t dead = sum->count - sum->running - sum->disabled;

	speech_count(count, sum->count);
	speech_count(running, sum->running);
	speech_count(down, dead > 0 ? dead : 0);
	speech_count(disabled, sum->disabled);
	speech_rate(rx, speech->sentences, sum->rx);
	speech_rate(tx, speech->sentences, sum->tx);
	speech_say(speech, "totals", places, 6);
}

static void
say_interfaces(
    struct speech *speech, const struct ranked *list, size_t n, size_t routers)
{
	char name[LABEL_SIZE], rx[SPEECH_NUMBER_SIZE], tx[SPEECH_NUMBER_SIZE];
	struct speech_list down, busy;

	speech_list_init(&down, speech->sentences, "; ", TOP_MAX);
	speech_list_init(
	    &busy, speech->sentences, "; ", routers == 1 ? ONE_MAX : TOP_MAX);
	for (size_t i = 0; i < n; i++) {
		const cJSON *item = list[i].item;
		const struct speech_place places[] = {{"interface", name},
		    {"router", list[i].fact->router}, {"rx", rx}, {"tx", tx}};

		label(name, item, "name");
		speech_rate(
		    rx, speech->sentences, json_number(item, "rx_bps", 0));
		speech_rate(
		    tx, speech->sentences, json_number(item, "tx_bps", 0));
		if (json_bool(item, "running", false))
			add_item(&busy, "busiest_item", places, 4);
		else if (!json_bool(item, "disabled", false))
			add_item(&down, "down_item", places, 2);
	}
	busy.more = 0; /* the sums have them */
	say_list(speech, "down", "items", &down);
	say_list(speech, "busiest", "items", &busy);
}

void
router_facts_interfaces(
    struct speech *speech, const struct router_fact *facts, size_t count)
{
	size_t all = count_items(facts, count, "interfaces");
	struct ranked *list = calloc(all + 1, sizeof(*list));
	struct traffic sum = {0};
	size_t n;

	if (list == NULL)
		return;
	n = rank_interfaces(list, &sum, facts, count);
	sum.count += count_more(facts, count);
	if (n == 0) {
		speech_say(speech, "no_interfaces", NULL, 0);
	} else {
		say_totals(speech, &sum);
		say_interfaces(speech, list, n, count);
	}
	free(list);
}

/* -- customers ------------------------------------------------------------------- */

static int64_t
customers_of(const cJSON *json)
{
	return whole(json, "ppp", 0) + whole(json, "dhcp", 0) +
	       whole(json, "hotspot", 0);
}

static void
say_customers(
    struct speech *speech, const struct router_fact *facts, size_t count)
{
	static const char *const kinds[] = {"ppp", "dhcp", "hotspot"};
	char numbers[4][SPEECH_NUMBER_SIZE];
	const struct speech_place places[] = {{"count", numbers[3]},
	    {"ppp", numbers[0]}, {"dhcp", numbers[1]}, {"hotspot", numbers[2]}};
	int64_t all = 0;

	for (size_t k = 0; k < 3; k++) {
		int64_t sum = 0;

		for (size_t i = 0; i < count; i++)
			sum += whole(facts[i].json, kinds[k], 0);
		speech_count(numbers[k], sum);
		all += sum;
	}
	speech_count(numbers[3], all);
	speech_say(speech, "connected", places, 4);
}

void
router_facts_customers(
    struct speech *speech, const struct router_fact *facts, size_t count)
{
	struct ranked *list = calloc(count, sizeof(*list));
	struct speech_list most, empty;
	char number[SPEECH_NUMBER_SIZE];

	say_customers(speech, facts, count);
	speech_list_init(&most, speech->sentences, "; ", TOP_MAX);
	speech_list_init(&empty, speech->sentences, ", ", NAMES_MAX);
	for (size_t i = 0; list != NULL && i < count; i++)
		list[i] = (struct ranked){
		    .rank = (double)customers_of(facts[i].json),
		    .fact = &facts[i],
		};
	sort(list, count);
	for (size_t i = 0; list != NULL && i < count; i++) {
		const struct speech_place places[] = {
		    {"router", list[i].fact->router}, {"count", number}};

		speech_count(number, customers_of(list[i].fact->json));
		if (list[i].rank > 0)
			add_item(&most, "most_item", places, 2);
		else
			speech_list_add(&empty, list[i].fact->router);
	}
	most.more = 0; /* the sum has them */
	say_list(speech, "empty", "routers", &empty);
	if (count > 1)
		say_list(speech, "most", "items", &most);
	free(list);
}

/* -- find_customer ------------------------------------------------------------------ */

static const char *
first_text(const cJSON *item, const char *a, const char *b, const char *c)
{
	const char *text = json_string(item, a);

	if (text[0] == '\0')
		text = json_string(item, b);
	return text[0] != '\0' ? text : json_string(item, c);
}

static void
customer_state(
    char *buf, size_t size, const cJSON *sentences, const cJSON *item)
{
	char time[SPEECH_NUMBER_SIZE];
	const struct speech_place place = {"time", time};
	int64_t up_s = whole(item, "uptime_s", -1);

	speech_time(time, sentences, up_s);
	if (!json_bool(item, "connected", true))
		speech_piece(buf, size, sentences, "offline", NULL, 0);
	else if (up_s < 0)
		speech_piece(buf, size, sentences, "online", NULL, 0);
	else
		speech_piece(buf, size, sentences, "online_since", &place, 1);
}

static const char *
kind_name(const cJSON *item)
{
	const char *kind = json_string(item, "kind");

	if (strcmp(kind, "ppp") == 0)
		return "PPP";
	return strcmp(kind, "dhcp") == 0 ? "DHCP" : kind;
}

void
router_facts_find_customer(
    struct speech *speech, const struct router_fact *facts, size_t count)
{
	int64_t all = count_more(facts, count) +
		      (int64_t)count_items(facts, count, "found");
	char name[LABEL_SIZE], state[SPEECH_ITEM_SIZE];
	char number[SPEECH_NUMBER_SIZE];
	struct speech_place answer[] = {{"count", number}, {"items", ""}};
	struct speech_list list;
	const cJSON *item;

	speech_list_init(&list, speech->sentences, "; ", TOP_MAX);
	for (size_t i = 0; i < count; i++) {
		cJSON_ArrayForEach(item, json_array(facts[i].json, "found")) {
			const struct speech_place places[] = {{"name", name},
			    {"router", facts[i].router},
			    {"kind", kind_name(item)},
			    {"address",
				first_text(item, "address", "mac", "name")},
			    {"state", state}};

			label(name, item, "name");
			customer_state(
			    state, sizeof(state), speech->sentences, item);
			add_item(&list, "found_item", places, 5);
		}
	}
	if (list.said + list.more == 0) {
		speech_say(speech, "not_found", NULL, 0);
		return;
	}
	speech_count(number, all);
	list.more = all > (int64_t)list.said ? (size_t)all - list.said : 0;
	answer[1].value = speech_list_end(&list);
	speech_say(speech, "found", answer, 2);
}

/* -- ping --------------------------------------------------------------------------- */

void
router_facts_ping(
    struct speech *speech, const struct router_fact *facts, size_t count)
{
	struct ranked *ranked = calloc(count, sizeof(*ranked));
	char sent[SPEECH_NUMBER_SIZE], received[SPEECH_NUMBER_SIZE];
	char loss[SPEECH_NUMBER_SIZE], average[SPEECH_NUMBER_SIZE];
	char max[SPEECH_NUMBER_SIZE];
	struct speech_list list;

	if (ranked == NULL)
		return;
	for (size_t i = 0; i < count; i++)
		ranked[i] = (struct ranked){
		    .rank = json_number(facts[i].json, "loss_percent", 0),
		    .fact = &facts[i],
		};
	sort(ranked, count);
	speech_list_init(&list, speech->sentences, "; ", TOP_MAX);
	for (size_t i = 0; i < count; i++) {
		const cJSON *json = ranked[i].fact->json;
		const struct speech_place places[] = {
		    {"router", ranked[i].fact->router}, {"sent", sent},
		    {"received", received}, {"loss", loss},
		    {"average", average}, {"max", max}};

		speech_count(sent, whole(json, "sent", 0));
		speech_count(received, whole(json, "received", 0));
		speech_count(loss, whole(json, "loss_percent", 0));
		speech_number(
		    average, speech->sentences, json_number(json, "avg_ms", 0));
		speech_number(
		    max, speech->sentences, json_number(json, "max_ms", 0));
		if (whole(json, "received", 0) > 0)
			add_item(&list, "answers", places, 6);
		else
			add_item(&list, "silent", places, 2);
	}
	say_list(speech, "results", "items", &list);
	free(ranked);
}

/* -- gateways ---------------------------------------------------------------------- */

/* Those of a router that are ACTIVE, or not. */
static const char *
gateways_of(struct speech_list *list, const cJSON *sentences, const cJSON *json,
    bool active)
{
	char name[LABEL_SIZE];
	const cJSON *item;

	speech_list_init(list, sentences, ", ", TOP_MAX);
	cJSON_ArrayForEach(item, json_array(json, "gateways")) {
		if (json_bool(item, "active", false) != active)
			continue;
		label(name, item, "gateway");
		speech_list_add(list, name);
	}
	return speech_list_end(list);
}

void
router_facts_gateways(
    struct speech *speech, const struct router_fact *facts, size_t count)
{
	struct speech_list none, list, active, backup;

	speech_list_init(&none, speech->sentences, ", ", NAMES_MAX);
	speech_list_init(&list, speech->sentences, "; ", TOP_MAX);
	for (size_t i = 0; i < count; i++) {
		const cJSON *json = facts[i].json;
		const struct speech_place places[] = {
		    {"router", facts[i].router},
		    {"gateways",
			gateways_of(&active, speech->sentences, json, true)},
		    {"backups",
			gateways_of(&backup, speech->sentences, json, false)}};

		if (places[1].value[0] == '\0')
			speech_list_add(&none, facts[i].router);
		else if (places[2].value[0] == '\0')
			add_item(&list, "gateway_item", places, 2);
		else
			add_item(&list, "backup_item", places, 3);
	}
	say_list(speech, "no_gateway", "routers", &none);
	say_list(speech, "gateways", "items", &list);
}

/* -- log ------------------------------------------------------------------------------ */

static int64_t
warnings_of(const cJSON *json)
{
	return whole(json, "more", 0) +
	       cJSON_GetArraySize(json_array(json, "entries"));
}

static void
add_warnings(struct speech_list *list, const struct router_fact *fact)
{
	const cJSON *entries = json_array(fact->json, "entries");
	const cJSON *newest = entries != NULL ? entries->child : NULL;
	char number[SPEECH_NUMBER_SIZE], warnings[SPEECH_NUMBER_SIZE];
	const struct speech_place count = {"count", number};
	const struct speech_place places[] = {{"router", fact->router},
	    {"warnings", warnings}, {"time", json_string(newest, "time")},
	    {"message", json_string(newest, "message")}};

	speech_count(number, warnings_of(fact->json));
	speech_piece(warnings, sizeof(warnings), list->sentences,
	    "warning_count", &count, 1);
	add_item(list, "warning_item", places, 4);
}

void
router_facts_log(
    struct speech *speech, const struct router_fact *facts, size_t count)
{
	struct ranked *ranked = calloc(count, sizeof(*ranked));
	struct speech_list list;
	size_t quiet = 0;

	if (ranked == NULL)
		return;
	for (size_t i = 0; i < count; i++)
		ranked[i] = (struct ranked){
		    .rank = (double)warnings_of(facts[i].json),
		    .fact = &facts[i],
		};
	sort(ranked, count);
	speech_list_init(&list, speech->sentences, "; ", TOP_MAX);
	for (size_t i = 0; i < count; i++) {
		if (ranked[i].rank > 0)
			add_warnings(&list, ranked[i].fact);
		else
			quiet++;
	}
	say_list(speech, "warnings", "items", &list);
	if (quiet > 0)
		say_count(speech, quiet == count ? "all_quiet" : "quiet",
		    (int64_t)quiet);
	free(ranked);
}
