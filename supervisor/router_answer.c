/* SPDX-License-Identifier: MIT */
/*
 * router_answer.c – the frame of every answer: how many answered, what they
 * say, who did not and why.
 *
 * Invariant: those who did not answer are always told; what the others say has
 * the room that this leaves.
 */
#include "supervisor/router_answer.h"

#include "common/json.h"
#include "supervisor/router_facts.h"
#include "supervisor/router_speech.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SILENT_NAMED_MAX = 12, /* of one reason, the others are counted */
	SILENT_SIZE = 1700,    /* bytes of all who did not answer */
};

static router_facts_fn *const facts_of[ROUTEROS_QUERY_COUNT] = {
    [ROUTEROS_QUERY_RESOURCES] = router_facts_resources,
    [ROUTEROS_QUERY_INTERFACES] = router_facts_interfaces,
    [ROUTEROS_QUERY_CUSTOMERS] = router_facts_customers,
    [ROUTEROS_QUERY_FIND_CUSTOMER] = router_facts_find_customer,
    [ROUTEROS_QUERY_PING] = router_facts_ping,
    [ROUTEROS_QUERY_GATEWAYS] = router_facts_gateways,
    [ROUTEROS_QUERY_LOG] = router_facts_log,
};

/* Why routers did not answer, the first to be told first. */
static const char *const reasons[] = {"unreachable", "timeout", "busy", "login",
    "permission", "refused", "malformed", "lost"};

#define REASONS (sizeof(reasons) / sizeof(reasons[0]))

static const char *
reason_of(const struct router_reply *reply)
{
	switch (reply->status) {
	case TOOL_STATUS_TIMEOUT:
		return "timeout";
	case TOOL_STATUS_UNREACHABLE:
		return "unreachable";
	case TOOL_STATUS_BUSY:
		return "busy";
	case TOOL_STATUS_REFUSED:
		if (strncmp(reply->detail, ROUTEROS_WHY_LOGIN,
			strlen(ROUTEROS_WHY_LOGIN)) == 0)
			return "login";
		if (strncmp(reply->detail, ROUTEROS_WHY_PERMISSION,
			strlen(ROUTEROS_WHY_PERMISSION)) == 0)
			return "permission";
		return "refused";
	case TOOL_STATUS_OK: /* and no answer that makes sense */
	case TOOL_STATUS_MALFORMED:
	case TOOL_STATUS_HTTP_ERROR:
		return "malformed";
	case TOOL_STATUS_NO_ANSWER:
	case TOOL_STATUS_UNKNOWN:
	case TOOL_STATUS_INVALID_ARGUMENTS:
	case TOOL_STATUS_UNCONFIRMED:
	case TOOL_STATUS_LOST:
	case TOOL_STATUS_CANCELLED:
	case TOOL_STATUS_INTERNAL:
	case TOOL_STATUS_COUNT:
		break;
	}
	return "lost";
}

/* Adds those of REPLIES, without an answer, that have REASON. */
static void
say_silent(struct speech *speech, const char *reason,
    const struct router_reply *replies, const bool *answered, size_t count)
{
	struct speech_list list;
	struct speech_place place = {"routers", ""};

	speech_list_init(&list, speech->sentences, ", ", SILENT_NAMED_MAX);
	for (size_t i = 0; i < count; i++) {
		if (!answered[i] && strcmp(reason_of(&replies[i]), reason) == 0)
			speech_list_add(&list, replies[i].router);
	}
	place.value = speech_list_end(&list);
	if (place.value[0] == '\0' || speech_say(speech, reason, &place, 1))
		return;
	/* Too many long names: then only how many. */
	speech_list_init(&list, speech->sentences, ", ", 0);
	for (size_t i = 0; i < count; i++) {
		if (!answered[i] && strcmp(reason_of(&replies[i]), reason) == 0)
			speech_list_add(&list, replies[i].router);
	}
	place.value = speech_list_end(&list);
	speech_say(speech, reason, &place, 1);
}

static void
say_head(struct speech *speech, size_t answered, size_t total)
{
	char count[SPEECH_NUMBER_SIZE], of[SPEECH_NUMBER_SIZE];
	const struct speech_place places[] = {{"count", count}, {"total", of}};

	speech_count(count, (int64_t)answered);
	speech_count(of, (int64_t)total);
	if (answered == 0) {
		speech_say(speech, "nobody", NULL, 0);
		return;
	}
	speech_say(speech, "data", NULL, 0);
	if (total > 1)
		speech_say(speech, "answered", places, 2);
}

/* Takes the answers apart. Returns how many facts there are. */
static size_t
read_facts(struct router_fact *facts, cJSON **texts, bool *answered,
    const struct router_reply *replies, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		const char *detail = replies[i].detail;

		if (replies[i].status != TOOL_STATUS_OK)
			continue;
		texts[i] = json_parse(detail, strlen(detail));
		answered[i] = cJSON_IsObject(texts[i]);
		if (!answered[i])
			continue;
		facts[n].router = replies[i].router;
		facts[n++].json = texts[i];
	}
	return n;
}

int
router_answer_make(char buf[ROUTER_ANSWER_SIZE], enum routeros_query query,
    const cJSON *sentences, const struct router_reply *replies, size_t count)
{
	struct router_fact *facts = calloc(count + 1, sizeof(*facts));
	cJSON **texts = calloc(count + 1, sizeof(cJSON *));
	bool *answered = calloc(count + 1, sizeof(*answered));
	char silent[SILENT_SIZE];
	struct speech speech, end;
	int ret = -ENOMEM;

	if (facts == NULL || texts == NULL || answered == NULL)
		goto out;
	ret = (int)read_facts(facts, texts, answered, replies, count);
	speech_init(&end, sentences, silent, sizeof(silent));
	for (size_t i = 0; i < REASONS; i++)
		say_silent(&end, reasons[i], replies, answered, count);
	speech_init(&speech, sentences, buf, ROUTER_ANSWER_SIZE - end.len - 1);
	say_head(&speech, (size_t)ret, count);
	if (ret > 0)
		facts_of[query](&speech, facts, (size_t)ret);
	if (end.len > 0)
		snprintf(buf + speech.len, ROUTER_ANSWER_SIZE - speech.len,
		    "%s%s", speech.len > 0 ? " " : "", silent);
out:
	for (size_t i = 0; texts != NULL && i < count; i++)
		cJSON_Delete(texts[i]);
	free(texts);
	free(facts);
	free(answered);
	return ret;
}

void
router_answer_ask_back(char buf[ROUTER_ANSWER_SIZE], const cJSON *sentences,
    const struct router_names *names, const struct router_choice *choice)
{
	const struct router_inventory *inventory =
	    router_names_inventory(names);
	struct speech_place places[] = {
	    {"words", choice->words}, {"routers", ""}};
	struct speech_list list;
	struct speech speech;

	speech_list_init(&list, sentences, ", ", ROUTER_CANDIDATES_MAX);
	for (size_t i = 0; i < choice->candidate_count; i++)
		speech_list_add(
		    &list, router_inventory_at(inventory, choice->candidates[i])
			       ->name);
	list.more += choice->more;
	places[1].value = speech_list_end(&list);
	speech_init(&speech, sentences, buf, ROUTER_ANSWER_SIZE);
	if (choice->verdict == ROUTER_VERDICT_AMBIGUOUS) {
		speech_say(&speech, "ambiguous", places, 2);
		return;
	}
	speech_say(&speech, "unknown", places, 1);
	if (choice->candidate_count > 0)
		speech_say(&speech, "similar", places + 1, 1);
}
