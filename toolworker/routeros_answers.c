/* SPDX-License-Identifier: MIT */
/*
 * routeros_answers.c – picks what matters out of a router's records.
 *
 * Invariant: a router's text gets into an answer only through add_text(),
 * short and without control characters.
 */
#include "toolworker/routeros_answers.h"

#include "common/json.h"
#include "common/utf8.h"
#include "toolworker/answer.h"
#include "toolworker/routeros_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	INTERFACES_MAX = 40,
	FOUND_MAX = 20,
	GATEWAYS_MAX = 16,
	ENTRIES_MAX = 25,
	NAME_MAX_LEN = 64, /* bytes */
	COMMENT_MAX = 100,
	MESSAGE_MAX = 200,
};

/* -- pieces -------------------------------------------------------------------- */

/* At most MAX bytes of TEXT; nothing if there is nothing in it. */
static void
add_text(cJSON *object, const char *key, const char *text, size_t max)
{
	char clean[TOOL_OUTPUT_SIZE];

	/* Secrets are masked before records get here. */
	if (!answer_copy(clean, text, strlen(text), NULL))
		return;
	clean[utf8_cut(clean, strlen(clean), max)] = '\0';
	for (char *c = clean; *c != '\0'; c++) {
		if (*c == '\n' || *c == '\t')
			*c = ' ';
	}
	json_add_string(object, key, clean);
}

/* The same of a field, "" if it is missing. */
static void
add_field(cJSON *object, const char *key, const cJSON *record,
    const char *field, size_t max)
{
	add_text(object, key, routeros_field(record, field), max);
	if (cJSON_GetObjectItemCaseSensitive(object, key) == NULL)
		json_add_string(object, key, "");
}

/* Nothing if the field is no number. */
static void
add_number(
    cJSON *object, const char *key, const cJSON *record, const char *field)
{
	int64_t value;

	if (routeros_number(routeros_field(record, field), &value) == 0)
		json_add_int(object, key, value);
}

static void
add_seconds(
    cJSON *object, const char *key, const cJSON *record, const char *field)
{
	int64_t us;

	if (routeros_duration_us(routeros_field(record, field), &us) == 0)
		json_add_int(object, key, us / 1000000);
}

static void
add_milliseconds(
    cJSON *object, const char *key, const cJSON *record, const char *field)
{
	int64_t us;

	if (routeros_duration_us(routeros_field(record, field), &us) == 0)
		json_add(object, key, cJSON_CreateNumber((double)us / 1000));
}

static const cJSON *
first(const cJSON *records)
{
	return records != NULL ? records->child : NULL;
}

/*
 * Sorts ITEMS by COMPARE and makes {KEY: the first MAX of them, "more": how
 * many are left}. Takes ITEMS.
 */
static cJSON *
make_list(const char *key, cJSON *items, int max,
    int (*compare)(const void *a, const void *b))
{
	int count = cJSON_GetArraySize(items);
	cJSON **sorted = calloc((size_t)count + 1, sizeof(cJSON *));
	cJSON *answer = cJSON_CreateObject();
	cJSON *list = cJSON_CreateArray();

	for (int i = 0; sorted != NULL && i < count; i++)
		sorted[i] = cJSON_DetachItemFromArray(items, 0);
	if (sorted != NULL && compare != NULL)
		qsort(sorted, (size_t)count, sizeof(cJSON *), compare);
	for (int i = 0; sorted != NULL && i < count; i++) {
		if (i < max)
			cJSON_AddItemToArray(list, sorted[i]);
		else
			cJSON_Delete(sorted[i]);
	}
	free(sorted);
	cJSON_Delete(items);
	json_add(answer, key, list);
	json_add_int(answer, "more", count > max ? count - max : 0);
	return answer;
}

/* -- resources ------------------------------------------------------------------ */

/*
 * RouterOS 7 lists {"name": "cpu-temperature", "value": "45"}, RouterOS 6
 * gives one record with a field for each; small devices have none.
 */
static void
add_temperature(cJSON *answer, const cJSON *health)
{
	static const char *const names[] = {"temperature", "cpu-temperature",
	    "board-temperature", "board-temperature1", "sfp-temperature"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const cJSON *record;

		cJSON_ArrayForEach(record, health) {
			bool named = strcmp(routeros_field(record, "name"),
					 names[i]) == 0;

			add_number(answer, "temperature_c", record,
			    named ? "value" : names[i]);
			if (json_at(answer, "temperature_c", NULL) != NULL)
				return;
		}
	}
}

cJSON *
routeros_answer_resources(
    const cJSON *arguments, const struct routeros_results *results)
{
	const cJSON *record = first(results->list[0]);
	cJSON *answer;

	(void)arguments;
	if (*routeros_field(record, "version") == '\0')
		return NULL;
	answer = cJSON_CreateObject();
	add_field(
	    answer, "identity", first(results->list[1]), "name", NAME_MAX_LEN);
	add_field(answer, "version", record, "version", NAME_MAX_LEN);
	add_field(answer, "board", record, "board-name", NAME_MAX_LEN);
	add_seconds(answer, "uptime_s", record, "uptime");
	add_number(answer, "cpu_percent", record, "cpu-load");
	add_number(answer, "memory_free", record, "free-memory");
	add_number(answer, "memory_total", record, "total-memory");
	add_temperature(answer, results->list[2]);
	return answer;
}

/* -- interfaces ------------------------------------------------------------------ */

static bool
has_part(const cJSON *record, const char *field, const char *part, size_t len)
{
	const char *text = routeros_field(record, field);

	for (; strlen(text) >= len; text++) {
		if (strncasecmp(text, part, len) == 0)
			return true;
	}
	return false;
}

bool
routeros_interface_is_wanted(const cJSON *record, const cJSON *arguments)
{
	static const char between[] = " ,;\t";
	const char *words = json_string(arguments, "interfaces");
	size_t len;

	/* Each is a customer's session, named after him: find_customer's. */
	if (routeros_flag(record, "dynamic"))
		return false;
	words += strspn(words, between);
	if (*words == '\0')
		return true;
	for (; *words != '\0'; words += len, words += strspn(words, between)) {
		len = strcspn(words, between);
		if (has_part(record, "name", words, len) ||
		    has_part(record, "default-name", words, len) ||
		    has_part(record, "type", words, len))
			return true;
	}
	return false;
}

/* A router that measures more than it was asked for is not searched for it. */
static void
add_traffic(cJSON *item, const cJSON *record, const cJSON *traffic)
{
	const char *name = routeros_field(record, "name");
	const cJSON *measured;
	int count = 0;

	if (!routeros_flag(record, "running")) {
		json_add_int(item, "rx_bps", 0);
		json_add_int(item, "tx_bps", 0);
		return;
	}
	cJSON_ArrayForEach(measured, traffic) {
		if (count++ == ROUTEROS_MONITORED_MAX)
			return;
		if (strcmp(routeros_field(measured, "name"), name) != 0)
			continue;
		add_number(item, "rx_bps", measured, "rx-bits-per-second");
		add_number(item, "tx_bps", measured, "tx-bits-per-second");
		return;
	}
}

static double
busyness(const cJSON *item)
{
	double rx = json_number(item, "rx_bps", 0);
	double tx = json_number(item, "tx_bps", 0);

	if (!json_bool(item, "running", false))
		return json_bool(item, "disabled", false) ? -2 : -1;
	return rx > tx ? rx : tx;
}

static int
compare_interfaces(const void *a, const void *b)
{
	const cJSON *left = *(const cJSON *const *)a;
	const cJSON *right = *(const cJSON *const *)b;
	double difference = busyness(right) - busyness(left);

	if (difference != 0)
		return difference < 0 ? -1 : 1;
	return strcmp(json_string(left, "name"), json_string(right, "name"));
}

cJSON *
routeros_answer_interfaces(
    const cJSON *arguments, const struct routeros_results *results)
{
	cJSON *items = cJSON_CreateArray();
	const cJSON *record;

	cJSON_ArrayForEach(record, results->list[0]) {
		cJSON *item;

		if (!routeros_interface_is_wanted(record, arguments))
			continue;
		item = cJSON_CreateObject();
		add_field(item, "name", record, "name", NAME_MAX_LEN);
		add_text(item, "comment", routeros_field(record, "comment"),
		    COMMENT_MAX);
		add_field(item, "type", record, "type", NAME_MAX_LEN);
		json_add_bool(
		    item, "running", routeros_flag(record, "running"));
		json_add_bool(
		    item, "disabled", routeros_flag(record, "disabled"));
		add_traffic(item, record, results->list[1]);
		cJSON_AddItemToArray(items, item);
	}
	return make_list(
	    "interfaces", items, INTERFACES_MAX, compare_interfaces);
}

/* -- customers -------------------------------------------------------------------- */

/* NULL RECORDS: the router has no such menu, and so nobody in it. */
static bool
add_count(cJSON *answer, const char *key, const cJSON *records)
{
	int64_t count = records == NULL
			    ? 0
			    : routeros_field_number(first(records), "ret", -1);

	if (count < 0)
		return false;
	json_add_int(answer, key, count);
	return true;
}

cJSON *
routeros_answer_customers(
    const cJSON *arguments, const struct routeros_results *results)
{
	cJSON *answer = cJSON_CreateObject();

	(void)arguments;
	if (add_count(answer, "ppp", results->list[0]) &&
	    add_count(answer, "dhcp", results->list[1]) &&
	    add_count(answer, "hotspot", results->list[2]))
		return answer;
	cJSON_Delete(answer);
	return NULL;
}

/* Where one kind of customer has what. "" where it has nothing. */
struct customer_kind {
	const char *name;
	const char *names[2]; /* fields that name them, the better one first */
	const char *addresses[2];
	const char *macs[2];
	const char *uptime;
};

static const struct customer_kind customer_kinds[ROUTEROS_COMMANDS_MAX] = {
    {"ppp", {"name", ""}, {"address", ""}, {"caller-id", ""}, "uptime"},
    {"dhcp", {"host-name", "comment"}, {"active-address", "address"},
	{"active-mac-address", "mac-address"}, ""},
    {"hotspot", {"user", "comment"}, {"address", ""}, {"mac-address", ""},
	"uptime"},
};

static const char *
either(const cJSON *record, const char *const fields[2])
{
	const char *text = routeros_field(record, fields[0]);

	return *text != '\0' ? text : routeros_field(record, fields[1]);
}

static bool
is_customer(
    const cJSON *record, const struct customer_kind *kind, const char *wanted)
{
	char text[1024];

	snprintf(text, sizeof(text), "%s %s %s",
	    routeros_field(record, kind->names[0]),
	    routeros_field(record, kind->names[1]),
	    routeros_field(record, "comment"));
	for (size_t i = 0; i < 2; i++) {
		if (strcmp(routeros_field(record, kind->addresses[i]),
			wanted) == 0 ||
		    routeros_mac_matches(
			routeros_field(record, kind->macs[i]), wanted))
			return true;
	}
	return routeros_text_has_words(text, wanted);
}

static cJSON *
make_customer(const cJSON *record, const struct customer_kind *kind)
{
	const char *status = routeros_field(record, "status");
	cJSON *item = cJSON_CreateObject();

	json_add_string(item, "kind", kind->name);
	add_text(item, "name", either(record, kind->names), NAME_MAX_LEN);
	add_text(
	    item, "address", either(record, kind->addresses), NAME_MAX_LEN);
	add_text(item, "mac", either(record, kind->macs), NAME_MAX_LEN);
	add_seconds(item, "uptime_s", record, kind->uptime);
	add_text(
	    item, "comment", routeros_field(record, "comment"), COMMENT_MAX);
	/* Of those that are not connected only leases are listed. */
	json_add_bool(
	    item, "connected", *status == '\0' || strcmp(status, "bound") == 0);
	return item;
}

cJSON *
routeros_answer_find_customer(
    const cJSON *arguments, const struct routeros_results *results)
{
	const char *wanted = json_string(arguments, "customer");
	cJSON *items = cJSON_CreateArray();

	for (size_t i = 0; i < ROUTEROS_COMMANDS_MAX; i++) {
		const struct customer_kind *kind = &customer_kinds[i];
		const cJSON *record;

		cJSON_ArrayForEach(record, results->list[i]) {
			if (is_customer(record, kind, wanted))
				cJSON_AddItemToArray(
				    items, make_customer(record, kind));
		}
	}
	return make_list("found", items, FOUND_MAX, NULL);
}

/* -- the others ------------------------------------------------------------------- */

/* One record per probe, with the sums so far: the last one has them all. */
cJSON *
routeros_answer_ping(
    const cJSON *arguments, const struct routeros_results *results)
{
	const cJSON *record = first(results->list[0]);
	cJSON *answer;

	(void)arguments;
	while (record != NULL && record->next != NULL)
		record = record->next;
	if (routeros_field_number(record, "sent", -1) < 0)
		return NULL;
	answer = cJSON_CreateObject();
	add_number(answer, "sent", record, "sent");
	add_number(answer, "received", record, "received");
	add_number(answer, "loss_percent", record, "packet-loss");
	add_milliseconds(answer, "min_ms", record, "min-rtt");
	add_milliseconds(answer, "avg_ms", record, "avg-rtt");
	add_milliseconds(answer, "max_ms", record, "max-rtt");
	return answer;
}

static int
compare_gateways(const void *a, const void *b)
{
	const cJSON *left = *(const cJSON *const *)a;
	const cJSON *right = *(const cJSON *const *)b;
	int difference = (int)json_bool(right, "active", false) -
			 (int)json_bool(left, "active", false);
	int64_t near = json_int(left, "distance", 255);
	int64_t far = json_int(right, "distance", 255);

	if (difference != 0)
		return difference;
	return (near > far) - (near < far);
}

cJSON *
routeros_answer_gateways(
    const cJSON *arguments, const struct routeros_results *results)
{
	cJSON *items = cJSON_CreateArray();
	const cJSON *record;

	(void)arguments;
	cJSON_ArrayForEach(record, results->list[0]) {
		const char *check = routeros_field(record, "check-gateway");
		cJSON *item;

		if (routeros_flag(record, "disabled"))
			continue;
		item = cJSON_CreateObject();
		add_field(item, "gateway", record, "gateway", NAME_MAX_LEN);
		add_number(item, "distance", record, "distance");
		json_add_bool(item, "active", routeros_flag(record, "active"));
		add_text(item, "check", *check != '\0' ? check : "none",
		    NAME_MAX_LEN);
		add_text(item, "comment", routeros_field(record, "comment"),
		    COMMENT_MAX);
		cJSON_AddItemToArray(items, item);
	}
	return make_list("gateways", items, GATEWAYS_MAX, compare_gateways);
}

static bool
is_warning(const char *topics)
{
	static const char *const words[] = {"warning", "error", "critical"};

	while (*topics != '\0') {
		size_t len = strcspn(topics, ",");

		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			if (strlen(words[i]) == len &&
			    memcmp(topics, words[i], len) == 0)
				return true;
		}
		topics += len + (topics[len] == ',');
	}
	return false;
}

cJSON *
routeros_answer_log(
    const cJSON *arguments, const struct routeros_results *results)
{
	cJSON *items = cJSON_CreateArray();
	const cJSON *record;

	(void)arguments;
	/* The router lists the oldest first. */
	cJSON_ArrayForEach(record, results->list[0]) {
		cJSON *item;

		if (!is_warning(routeros_field(record, "topics")))
			continue;
		item = cJSON_CreateObject();
		add_field(item, "time", record, "time", NAME_MAX_LEN);
		add_field(item, "topics", record, "topics", NAME_MAX_LEN);
		add_field(item, "message", record, "message", MESSAGE_MAX);
		cJSON_InsertItemInArray(items, 0, item);
	}
	return make_list("entries", items, ENTRIES_MAX, NULL);
}
