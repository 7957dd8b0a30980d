/* SPDX-License-Identifier: MIT */
/*
 * test_realtime_races.c – the response state machine against a model of the
 * service, with everything that can overtake each other overtaking each other.
 *
 * Messages of both directions wait in queues; a random choice decides what
 * happens next: one is delivered, time passes, the caller speaks, the
 * conversation wants something, a response fails. Afterwards the line is
 * drained, and everything that was begun must have ended, once.
 */
#include "callworker/realtime_responses.h"

#include "common/json.h"
#include "common/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	RUNS = 300,
	STEPS = 400,
	QUEUE_MAX = 4096,
	TAGS_MAX = 512,
	ASIDE_TAG = 1000, /* and above: voice_aside() */
	ASIDES_MAX = 4,
	CALLS_MAX = 512,
};

/* What a response.create beside the conversation says. */
#define OUT_OF_BAND "\"conversation\":\"none\""

/* A response outside of the conversation; id "" free. */
struct side {
	char id[32];
	char ask[64];
	unsigned progress;
};

struct queue {
	char *list[QUEUE_MAX];
	unsigned head, tail;
};

struct model {
	struct realtime_responses *rr;
	uint64_t now_ms;
	unsigned seed;
	struct queue up, down; /* to the service, to us */

	/* The service. */
	char active[32]; /* id of the response that runs; "" none */
	char ask[64];    /* its metadata, "" when automatic */
	unsigned number;
	unsigned progress;           /* of the active one */
	unsigned calls;              /* function calls made */
	bool kept[CALLS_MAX];        /* they are in the conversation */
	unsigned outputs[CALLS_MAX]; /* what came for them */
	struct side sides[ASIDES_MAX];
	bool talking;

	/* What we could know: response.created was delivered, its end not. */
	char known[32];

	/* What the listener was told. */
	unsigned said[TAGS_MAX]; /* ends of each voice_say() */
	unsigned next_tag;
	unsigned refused_says;
	unsigned asides, asides_done;
	char utterance[64];   /* the last */
	bool aside_cut;       /* the last one may not be heard any more */
	unsigned begun, done; /* utterances */
	bool stopped;         /* stop() forgets texts */
	bool fatal;
};

static unsigned
roll(struct model *m, unsigned sides)
{
	m->seed = m->seed * 1103515245u + 12345u;
	return (m->seed >> 16) % sides;
}

static void put(struct queue *q, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ' stands for ". */
static void
put(struct queue *q, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *p = text; (p = strchr(p, '\'')) != NULL; p++)
		*p = '"';
	assert_true(q->tail < QUEUE_MAX);
	q->list[q->tail] = strdup(text);
	assert_non_null(q->list[q->tail]);
	q->tail++;
}

/* ---- the service ------------------------------------------------------- */

static void
service_begin(struct model *m, const char *ask)
{
	snprintf(m->active, sizeof(m->active), "resp_%u", ++m->number);
	snprintf(m->ask, sizeof(m->ask), "%s", ask);
	m->progress = 0;
	if (ask[0] != '\0')
		put(&m->down,
		    "{'type':'response.created','response':{'id':'%s',"
		    "'metadata':{'ask':'%s'}}}",
		    m->active, ask);
	else
		put(&m->down,
		    "{'type':'response.created','response':{'id':'%s',"
		    "'metadata':null}}",
		    m->active);
}

static void
service_end(struct model *m, const char *status, const char *code)
{
	put(&m->down,
	    "{'type':'response.done','response':{'id':'%s','status':'%s',"
	    "'status_details':{'error':{'code':'%s'}}}}",
	    m->active, status, code);
	m->active[0] = '\0';
}

/* The model calls a function; WHOLE: nobody breaks it off. */
static void
service_call(struct model *m, bool whole)
{
	unsigned call = ++m->calls;

	assert_true(call < CALLS_MAX);
	m->kept[call] = whole;
	put(&m->down,
	    "{'type':'response.function_call_arguments.done','response_id':"
	    "'%s','call_id':'call_%u','name':'x','arguments':'{}'}",
	    m->active, call);
	put(&m->down,
	    "{'type':'response.output_item.done','response_id':'%s','item':{"
	    "'type':'function_call','status':'%s','call_id':'call_%u',"
	    "'name':'x','arguments':'{}'}}",
	    m->active, whole ? "completed" : "incomplete", call);
}

/* The caller or the client breaks the active response off. */
static void
service_cut(struct model *m)
{
	if (roll(m, 4) == 0)
		service_call(m, false);
	service_end(m, "cancelled", "");
}

static void
service_take_item(struct model *m, const cJSON *item)
{
	unsigned call;

	put(&m->down, "{'type':'conversation.item.added','item':{'id':'%s'}}",
	    json_string(item, "id"));
	if (strcmp(json_string(item, "type"), "function_call_output") != 0)
		return;
	assert_int_equal(
	    sscanf(json_string(item, "call_id"), "call_%u", &call), 1);
	assert_true(call > 0 && call <= m->calls && m->kept[call]);
	m->outputs[call]++;
}

static void
service_refuse(struct model *m, const char *code, const char *event_id)
{
	put(&m->down,
	    "{'type':'error','error':{'type':'invalid_request_error','code':"
	    "'%s','event_id':%s%s%s}}",
	    code, event_id[0] != '\0' ? "'" : "",
	    event_id[0] != '\0' ? event_id : "null",
	    event_id[0] != '\0' ? "'" : "");
}

static void
side_begin(struct model *m, const char *ask)
{
	struct side *side = m->sides;

	while (side->id[0] != '\0')
		side++;
	assert_true(side < m->sides + ASIDES_MAX);
	snprintf(side->id, sizeof(side->id), "side_%u", ++m->number);
	snprintf(side->ask, sizeof(side->ask), "%s", ask);
	side->progress = 0;
	put(&m->down,
	    "{'type':'response.created','response':{'id':'%s',"
	    "'conversation_id':null,'metadata':{'ask':'%s'}}}",
	    side->id, ask);
}

static void
side_end(struct model *m, struct side *side, const char *status)
{
	put(&m->down,
	    "{'type':'response.done','response':{'id':'%s','status':'%s',"
	    "'metadata':{'ask':'%s'}}}",
	    side->id, status, side->ask);
	side->id[0] = '\0';
}

static void
side_work(struct model *m, bool may_fail)
{
	struct side *side = &m->sides[roll(m, ASIDES_MAX)];

	if (side->id[0] == '\0')
		return;
	if (may_fail && roll(m, 20) == 0)
		side_end(m, side, "failed");
	else if (++side->progress >= 4)
		side_end(m, side, "completed");
	else
		put(&m->down,
		    "{'type':'response.output_audio.delta','response_id':'%s',"
		    "'item_id':'item_%s','delta':'////'}",
		    side->id, side->id);
}

static bool
side_cancel(struct model *m, const char *id)
{
	for (unsigned i = 0; i < ASIDES_MAX; i++) {
		if (strcmp(m->sides[i].id, id) != 0)
			continue;
		side_end(m, &m->sides[i], "cancelled");
		return true;
	}
	return false;
}

static void
service_create(struct model *m, const char *id, bool aside)
{
	if (aside && roll(m, 10) == 0)
		service_refuse(m, "rate_limit_exceeded", id);
	else if (aside)
		side_begin(m, id);
	else if (m->active[0] != '\0')
		service_refuse(
		    m, "conversation_already_has_active_response", id);
	else
		service_begin(m, id);
}

static void
service_take(struct model *m, const char *text)
{
	cJSON *event = json_parse(text, strlen(text));
	const char *type = json_string(event, "type");
	const char *id = json_string(event, "event_id");

	if (strcmp(type, "response.create") == 0) {
		service_create(m, id, strstr(text, OUT_OF_BAND) != NULL);
	} else if (strcmp(type, "response.cancel") == 0) {
		if (strcmp(json_string(event, "response_id"), m->active) == 0)
			service_cut(m);
		else if (!side_cancel(m, json_string(event, "response_id")))
			service_refuse(m, "response_cancel_not_active", id);
	} else if (strcmp(type, "conversation.item.create") == 0) {
		service_take_item(m, json_object(event, "item"));
	}
	cJSON_Delete(event);
}

/* The active response goes on a little. */
static void
service_work(struct model *m, bool may_fail)
{
	if (m->active[0] == '\0')
		return;
	m->progress++;
	if (may_fail && roll(m, 20) == 0) {
		service_end(m, "failed",
		    roll(m, 2) != 0 ? "server_error" : "rate_limit_exceeded");
	} else if (m->progress < 3) {
		put(&m->down,
		    "{'type':'response.output_audio.delta','response_id':'%s',"
		    "'item_id':'item_%s','delta':'////'}",
		    m->active, m->active);
	} else if (may_fail && m->progress < 8 && roll(m, 3) == 0) {
		service_call(m, true);
	} else {
		service_end(m, "completed", "");
	}
}

static void
service_hear(struct model *m, bool talking)
{
	if (m->talking == talking)
		return;
	m->talking = talking;
	put(&m->down, "{'type':'input_audio_buffer.speech_%s'}",
	    talking ? "started" : "stopped");
	if (talking && m->active[0] != '\0')
		service_cut(m);
	else if (!talking && m->active[0] == '\0')
		service_begin(m, "");
	else if (!talking)
		service_refuse(
		    m, "conversation_already_has_active_response", "");
}

/* ---- our side ----------------------------------------------------------- */

static int
on_send(const char *json, void *arg)
{
	struct model *m = arg;

	/* Never while we know that one runs: a race is no excuse then. */
	if (strstr(json, "response.create\"") != NULL &&
	    strstr(json, OUT_OF_BAND) == NULL)
		assert_string_equal(m->known, "");
	/* What is no item of the conversation can only be cancelled. */
	if (strstr(json, "conversation.item.") != NULL)
		assert_null(strstr(json, "item_side_"));
	assert_true(m->up.tail < QUEUE_MAX);
	m->up.list[m->up.tail] = strdup(json);
	assert_non_null(m->up.list[m->up.tail]);
	m->up.tail++;
	return 0;
}

static void
on_utterance(const char *utterance, int tag, void *arg)
{
	struct model *m = arg;

	m->begun++;
	snprintf(m->utterance, sizeof(m->utterance), "%s", utterance);
	if (tag < ASIDE_TAG)
		m->aside_cut = true;
	else
		assert_false(m->aside_cut);
}

static void
on_audio(const char *utterance, const uint8_t *g711, size_t len, void *arg)
{
	struct model *m = arg;

	(void)g711;
	(void)len;
	if (strncmp(utterance, "item_side_", 10) == 0)
		assert_false(m->aside_cut);
}

static void
on_utterance_done(const char *utterance, int tag, enum voice_end end,
    const char *why, void *arg)
{
	struct model *m = arg;

	(void)end;
	(void)why;
	m->done += utterance[0] != '\0';
	if (tag >= ASIDE_TAG) {
		assert_int_equal(tag, ASIDE_TAG + (int)m->asides);
		m->asides_done++;
	} else if (tag > 0) {
		m->said[tag]++;
	}
}

static void
on_caller_started(uint32_t ago_ms, void *arg)
{
	struct model *m = arg;

	(void)ago_ms;
	m->aside_cut = true;
	if (roll(m, 2) != 0)
		realtime_responses_interrupted(m->rr, "item_resp_1", 10);
	if (roll(m, 2) != 0)
		realtime_responses_interrupted(m->rr, m->utterance, 10);
}

static void
on_caller_stopped(void *arg)
{
	(void)arg;
}

static void
on_transcript(
    enum voice_speaker who, const char *id, const char *text, void *arg)
{
	(void)who;
	(void)id;
	(void)text;
	(void)arg;
}

static void
on_tool_call(const char *id, const char *name, const char *arguments, void *arg)
{
	struct model *m = arg;

	(void)name;
	(void)arguments;
	realtime_responses_answer_tool(m->rr, id, "x");
}

static void
on_usage(const struct voice_usage *usage, void *arg)
{
	(void)usage;
	(void)arg;
}

static void
on_fault(enum voice_fault fault, const char *detail, bool fatal, void *arg)
{
	struct model *m = arg;

	(void)fault;
	(void)detail;
	m->fatal = m->fatal || fatal;
}

static const struct voice_events events = {
    .on_utterance = on_utterance,
    .on_audio = on_audio,
    .on_utterance_done = on_utterance_done,
    .on_caller_started = on_caller_started,
    .on_caller_stopped = on_caller_stopped,
    .on_transcript = on_transcript,
    .on_tool_call = on_tool_call,
    .on_tool_call_cut = on_tool_call,
    .on_usage = on_usage,
    .on_fault = on_fault,
};

static void
want_aside(struct model *m)
{
	bool pending = m->asides != m->asides_done;
	int ret = realtime_responses_aside(
	    m->rr, "aparte", ASIDE_TAG + (int)m->asides + 1);

	if (ret != 0) {
		assert_int_equal(ret, -EBUSY);
		return;
	}
	assert_false(pending); /* one at a time */
	m->asides++;
	m->aside_cut = false;
}

static void
want(struct model *m)
{
	switch (roll(m, 7)) {
	case 0:
		if (m->next_tag + 1 < TAGS_MAX &&
		    realtime_responses_say(
			m->rr, "texto", (int)m->next_tag + 1) == 0)
			m->next_tag++;
		else
			m->refused_says++;
		break;
	case 1:
		(void)realtime_responses_add_text(m->rr, "dígitos");
		break;
	case 2:
		(void)realtime_responses_prompt(m->rr);
		break;
	case 3:
		realtime_responses_nudge(m->rr);
		break;
	case 4:
		if (roll(m, 4) == 0) {
			m->stopped = true;
			realtime_responses_stop(m->rr);
		}
		break;
	case 5:
		want_aside(m);
		break;
	default:
		break;
	}
}

static bool
deliver(struct model *m, struct queue *q)
{
	struct realtime_event ev;
	char *text;

	if (q->head == q->tail)
		return false;
	text = q->list[q->head++];
	if (q == &m->up) {
		service_take(m, text);
	} else {
		assert_int_equal(
		    realtime_event_parse(&ev, text, strlen(text)), 0);
		if (strncmp(ev.response_id, "side_", 5) == 0)
			; /* of no conversation */
		else if (ev.type == REALTIME_EVENT_RESPONSE_CREATED)
			snprintf(
			    m->known, sizeof(m->known), "%s", ev.response_id);
		else if (ev.type == REALTIME_EVENT_RESPONSE_DONE)
			m->known[0] = '\0';
		realtime_responses_event(m->rr, &ev, m->now_ms);
		realtime_event_free(&ev);
	}
	free(text);
	return true;
}

static void
pass(struct model *m, uint64_t ms)
{
	m->now_ms += ms;
	realtime_responses_tick(m->rr, m->now_ms);
}

static void
step(struct model *m)
{
	switch (roll(m, 8)) {
	case 0:
	case 1:
		deliver(m, &m->up);
		break;
	case 2:
	case 3:
		deliver(m, &m->down);
		break;
	case 4:
		service_work(m, true);
		side_work(m, true);
		break;
	case 5:
		/* A network is slow, but not for seconds. */
		pass(m,
		    m->down.head == m->down.tail ? roll(m, 1000) : roll(m, 60));
		break;
	case 6:
		if (roll(m, 3) == 0)
			service_hear(m, !m->talking);
		break;
	default:
		want(m);
		break;
	}
}

/* Nobody speaks, nothing fails: everything comes to its end. */
static void
drain(struct model *m)
{
	service_hear(m, false);
	for (int i = 0; i < 2000; i++) {
		while (deliver(m, &m->up) || deliver(m, &m->down))
			;
		service_work(m, false);
		side_work(m, false);
		(void)realtime_responses_prompt(m->rr);
		pass(m, 100);
	}
}

static void
run(unsigned seed)
{
	struct model *m = calloc(1, sizeof(*m));
	struct realtime_responses_config config = {
	    .send = on_send,
	    .send_arg = m,
	    .events = &events,
	    .events_arg = m,
	};

	assert_non_null(m);
	m->seed = seed;
	m->now_ms = 1000;
	assert_int_equal(realtime_responses_new(&m->rr, &config), 0);
	for (int i = 0; i < STEPS; i++)
		step(m);
	drain(m);
	assert_false(m->fatal);
	assert_false(realtime_responses_is_busy(m->rr));
	assert_int_equal(m->begun, m->done);
	assert_int_equal(m->asides, m->asides_done);
	for (unsigned call = 1; call <= m->calls; call++)
		assert_int_equal(m->outputs[call], m->kept[call]);
	for (unsigned tag = 1; tag <= m->next_tag; tag++) {
		assert_true(m->said[tag] <= 1);
		if (!m->stopped)
			assert_int_equal(m->said[tag], 1);
	}
	assert_false(realtime_responses_prompt(m->rr)); /* all spoken about */
	realtime_responses_free(&m->rr);
	free(m);
}

static void
whatever_overtakes_what_everything_ends_once(void **state)
{
	(void)state;
	log_set_level(LOG_LEVEL_ERR);
	for (unsigned seed = 1; seed <= RUNS; seed++)
		run(seed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whatever_overtakes_what_everything_ends_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
