/* SPDX-License-Identifier: MIT */
/*
 * spares.c – keeps warm callworkers at hand and hands them to calls.
 *
 * Invariant: every spare is either on its way (starting, connecting), warm,
 * or leaving; a spare that was taken is no longer in the list. There are
 * enough on their way for all who wait, and for WARM_WORKERS beyond.
 */
#include "supervisor/spares.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/resolver.h"
#include "common/url.h"
#include "supervisor/fleet.h"
#include "supervisor/voice_breakers.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum {
	TURN_MS = 500,
	START_DELAY_FIRST_MS = 100, /* after a spare that died young */
	START_DELAY_MAX_MS = 10000,
	STEADY_MS = 10000, /* a session that lasted so long was good */
	LEAVE_MS = 3000,   /* from drain to SIGKILL */
};

enum spare_state {
	SPARE_STARTING,   /* no hello yet */
	SPARE_CONNECTING, /* resolving, then session.prepare */
	SPARE_WARM,
	SPARE_LEAVING,
};

struct spare {
	TAILQ_ENTRY(spare) entry;
	struct spares *spares;
	struct worker *worker;
	enum spare_state state;
	char model[CONFIG_TEXT_MAX];
	uint64_t since_ms; /* in this state */
	uint64_t started_ms;
	bool failed; /* no session, or it was lost */
	struct resolver_request *lookup;
};

struct spares_request {
	TAILQ_ENTRY(spares_request) entry;
	struct spares *spares;
	char model[CONFIG_TEXT_MAX];
	bool insists; /* see spares_take() */
	spares_fn *fn;
	void *arg;
};

struct spares {
	struct fleet *fleet;
	struct resolver *resolver;
	const struct config *config;
	struct event *timer;
	struct voice_breakers breakers;
	bool running;
	bool starved;            /* the last process could not be started */
	uint64_t start_delay_ms; /* grows while spares die young */
	uint64_t start_at_ms;    /* none is started before */
	TAILQ_HEAD(, spare) list;
	TAILQ_HEAD(, spares_request) waiting;
};

static void balance(struct spares *spares);

/* -- one spare ---------------------------------------------------------------- */

static void
spare_set_state(struct spare *spare, enum spare_state state)
{
	spare->state = state;
	spare->since_ms = clock_now_ms();
}

static void
spare_unlink(struct spare *spare)
{
	resolver_cancel(&spare->lookup);
	TAILQ_REMOVE(&spare->spares->list, spare, entry);
	free(spare);
}

static void
spare_leave(struct spare *spare)
{
	if (spare->state == SPARE_LEAVING)
		return;
	resolver_cancel(&spare->lookup);
	spare_set_state(spare, SPARE_LEAVING);
	if (worker_send(spare->worker, MESSAGE_DRAIN, NULL) < 0)
		worker_kill(spare->worker, SIGTERM);
}

static void
spare_failed(struct spare *spare, const char *fault_name, const char *detail)
{
	enum voice_fault fault;

	spare->failed = true;
	if (voice_fault_find(fault_name, &fault) < 0)
		fault = VOICE_FAULT_INTERNAL;
	log_warn("spare has no voice session pid=%d fault=%s detail=\"%s\"",
	    (int)worker_pid(spare->worker), voice_fault_name(fault), detail);
	voice_breakers_failed(&spare->spares->breakers, spare->model, fault,
	    detail, clock_now_ms());
}

static void
send_prepare(struct spare *spare, const struct resolver_result *result)
{
	cJSON *body = cJSON_CreateObject();
	cJSON *addresses = cJSON_CreateArray();

	for (size_t i = 0; i < result->count; i++)
		cJSON_AddItemToArray(
		    addresses, cJSON_CreateString(result->addresses[i].ip));
	json_add_string(body, "model", spare->model);
	json_add_string(
	    body, "url", spare->spares->config->openai_realtime_url);
	json_add_string(body, "ca_file", spare->spares->config->openai_ca_file);
	json_add(body, "addresses", addresses);
	worker_send(spare->worker, MESSAGE_SESSION_PREPARE, body);
}

static void
on_resolved(const struct resolver_result *result, void *arg)
{
	struct spare *spare = arg;

	spare->lookup = NULL;
	if (result->err != 0) {
		spare_failed(spare, "network", result->text);
		spare_leave(spare);
		return;
	}
	send_prepare(spare, result);
}

static void
spare_connect(struct spare *spare)
{
	struct spares *spares = spare->spares;
	struct url url;
	const char *why = "";
	int ret = url_parse(spares->config->openai_realtime_url, &url, &why);

	spare_set_state(spare, SPARE_CONNECTING);
	if (ret == 0)
		ret = resolver_lookup(spares->resolver, url.host, url.port,
		    5000, on_resolved, spare, &spare->lookup);
	if (ret < 0) {
		spare_failed(spare, "network", strerror(-ret));
		spare_leave(spare);
	}
}

static void
on_spare_state(struct spare *spare, const cJSON *body)
{
	if (spare->state != SPARE_CONNECTING ||
	    strcmp(json_string(body, "state"), "warm") != 0)
		return;
	log_debug("spare is warm pid=%d model=%s after_ms=%llu",
	    (int)worker_pid(spare->worker), spare->model,
	    (unsigned long long)(clock_now_ms() - spare->since_ms));
	spare_set_state(spare, SPARE_WARM);
	voice_breakers_succeeded(&spare->spares->breakers, spare->model);
	balance(spare->spares);
}

static void
on_message(
    struct worker *worker, enum message_type type, const cJSON *body, void *arg)
{
	struct spare *spare = arg;

	(void)worker;
	switch (type) {
	case MESSAGE_HELLO:
		spare->spares->starved = false;
		if (spare->state == SPARE_STARTING)
			spare_connect(spare);
		break;
	case MESSAGE_STATE:
		on_spare_state(spare, body);
		break;
	case MESSAGE_VOICE_FAILED:
		if (spare->state == SPARE_LEAVING)
			break; /* it is gone already, for whatever reason */
		spare_failed(spare, json_string(body, "fault"),
		    json_string(body, "detail"));
		spare_leave(spare);
		break;
	default:
		break; /* bye and late words of one that leaves */
	}
}

static void
start_later(struct spares *spares)
{
	uint64_t delay_ms = spares->start_delay_ms * 2;

	if (delay_ms < START_DELAY_FIRST_MS)
		delay_ms = START_DELAY_FIRST_MS;
	if (delay_ms > START_DELAY_MAX_MS)
		delay_ms = START_DELAY_MAX_MS;
	spares->start_delay_ms = delay_ms;
	spares->start_at_ms = clock_now_ms() + delay_ms;
}

static void
on_gone(struct worker *worker, const char *how, void *arg)
{
	struct spare *spare = arg;
	struct spares *spares = spare->spares;
	bool told = spare->state == SPARE_LEAVING && !spare->failed;

	if (worker_pid(worker) == 0)
		spares->starved = true;
	/* Also when the service drops each session as soon as it is up. */
	if (!told && clock_now_ms() - spare->started_ms < STEADY_MS)
		start_later(spares);
	/* A probe that dies without a word has failed too. */
	if (!told && !spare->failed && spare->state != SPARE_WARM &&
	    voice_breakers_probing(&spares->breakers, spare->model))
		voice_breakers_failed(&spares->breakers, spare->model,
		    VOICE_FAULT_NETWORK, how, clock_now_ms());
	spare_unlink(spare);
	balance(spares);
}

static int
spare_start(struct spares *spares, const char *model)
{
	struct worker_owner owner = {
	    .on_message = on_message, .on_gone = on_gone};
	struct spare *spare = calloc(1, sizeof(*spare));

	if (spare == NULL)
		return -ENOMEM;
	spare->spares = spares;
	snprintf(spare->model, sizeof(spare->model), "%s", model);
	spare_set_state(spare, SPARE_STARTING);
	spare->started_ms = spare->since_ms;
	owner.arg = spare;
	spare->worker =
	    fleet_spawn(spares->fleet, PROC_ROLE_CALLWORKER, &owner);
	if (spare->worker == NULL) {
		free(spare);
		return -EAGAIN;
	}
	TAILQ_INSERT_TAIL(&spares->list, spare, entry);
	return 0;
}

/* -- who waits ------------------------------------------------------------------ */

static void
request_finish(
    struct spares_request *request, struct worker *worker, const char *why)
{
	struct spares_request copy = *request;

	TAILQ_REMOVE(&request->spares->waiting, request, entry);
	free(request);
	copy.fn(worker, why, copy.arg);
}

static struct spare *
find_warm(struct spares *spares, const char *model)
{
	struct spare *spare;

	TAILQ_FOREACH(spare, &spares->list, entry) {
		if (spare->state == SPARE_WARM &&
		    strcmp(spare->model, model) == 0)
			return spare;
	}
	return NULL;
}

/* It was good for a call: there is no reason to wait with the next ones. */
static struct worker *
hand_over(struct spare *spare)
{
	struct worker *worker = spare->worker;

	spare->spares->start_delay_ms = spare->spares->start_at_ms = 0;
	spare_unlink(spare);
	return worker;
}

static void
serve_waiting(struct spares *spares)
{
	struct spares_request *request, *next;

	for (request = TAILQ_FIRST(&spares->waiting); request != NULL;
	     request = next) {
		struct spare *spare = find_warm(spares, request->model);

		next = TAILQ_NEXT(request, entry);
		if (spare == NULL)
			continue;
		request_finish(request, hand_over(spare), "");
		/* The callback may have changed the list: start over. */
		next = TAILQ_FIRST(&spares->waiting);
	}
}

static void
fail_waiting(struct spares *spares, const char *why)
{
	struct spares_request *request;

	while ((request = TAILQ_FIRST(&spares->waiting)) != NULL)
		request_finish(request, NULL, why);
}

/*
 * Whether a call can hope for MODEL (NULL: for any voice); else *WHY_OUT. What
 * may pass by itself takes no hope from the PATIENT.
 */
static bool
is_available(const struct spares *spares, const char *model, bool patient,
    const char **why_out)
{
	enum voice_fault fault;

	*why_out = "";
	if (!spares->running)
		*why_out = "the service is stopping";
	else if (voice_breakers_are_open(
		     &spares->breakers, model, clock_now_ms(), &fault) &&
		 (!patient || voice_fault_is_lasting(fault)))
		*why_out = voice_fault_what(fault);
	return (*why_out)[0] == '\0';
}

/* Warm, but to be replaced: it goes when its successor is warm. */
static bool
is_old(const struct spare *spare)
{
	return spare->state == SPARE_WARM &&
	       clock_now_ms() - spare->since_ms >= SPARES_AGE_MS;
}

static bool
has_successor(const struct spare *old)
{
	const struct spare *spare;

	TAILQ_FOREACH(spare, &old->spares->list, entry) {
		if (spare->state == SPARE_WARM && !is_old(spare) &&
		    strcmp(spare->model, old->model) == 0)
			return true;
	}
	return false;
}

/* -- how many there should be ------------------------------------------------------ */

static size_t
count_coming(const struct spares *spares, const char *model)
{
	const struct spare *spare;
	size_t n = 0;

	TAILQ_FOREACH(spare, &spares->list, entry) {
		if (spare->state != SPARE_LEAVING && !is_old(spare) &&
		    strcmp(spare->model, model) == 0)
			n++;
	}
	return n;
}

static struct spares_request *
find_hopeless(struct spares *spares, const char **why_out)
{
	struct spares_request *request;

	TAILQ_FOREACH(request, &spares->waiting, entry) {
		if (!is_available(
			spares, request->model, request->insists, why_out))
			return request;
		*why_out = "no process can be started";
		if (spares->starved && !request->insists &&
		    count_coming(spares, request->model) == 0)
			return request;
	}
	return NULL;
}

static size_t
count_waiting(const struct spares *spares, const char *model)
{
	const struct spares_request *request;
	size_t n = 0;

	TAILQ_FOREACH(request, &spares->waiting, entry) {
		if (strcmp(request->model, model) == 0)
			n++;
	}
	return n;
}

static size_t
wanted(const struct spares *spares, const char *model)
{
	size_t n = count_waiting(spares, model);
	enum voice_fault fault;

	if (strcmp(model, spares->config->openai_realtime_model) != 0)
		return n;
	n += (size_t)spares->config->warm_workers;
	/* Without spares nobody else would find out that it works again. */
	if (n == 0 && voice_breakers_are_open(
			  &spares->breakers, model, clock_now_ms(), &fault))
		return 1;
	return n;
}

static void
start_missing(struct spares *spares, const char *model)
{
	uint64_t now_ms = clock_now_ms();

	while (spares->running && now_ms >= spares->start_at_ms &&
	       count_coming(spares, model) < wanted(spares, model) &&
	       voice_breakers_allow(&spares->breakers, model, now_ms)) {
		if (spare_start(spares, model) == 0)
			continue;
		start_later(spares);
		/* Otherwise it would stay half open, and nobody would try. */
		if (voice_breakers_probing(&spares->breakers, model))
			voice_breakers_failed(&spares->breakers, model,
			    VOICE_FAULT_INTERNAL, "no process could be started",
			    now_ms);
		break;
	}
}

static void
balance(struct spares *spares)
{
	struct spares_request *request;
	const char *why = "";

	serve_waiting(spares);
	while ((request = find_hopeless(spares, &why)) != NULL)
		request_finish(request, NULL, why);
	start_missing(spares, spares->config->openai_realtime_model);
	TAILQ_FOREACH(request, &spares->waiting, entry)
		start_missing(spares, request->model);
}

static void
check_age(struct spare *spare, uint64_t now_ms)
{
	uint64_t age_ms = now_ms - spare->since_ms;

	switch (spare->state) {
	case SPARE_STARTING:
		break; /* the fleet watches for the hello */
	case SPARE_CONNECTING:
		if (age_ms < SPARES_CONNECT_MS)
			break;
		spare_failed(spare, "timeout", "no session in time");
		spare_leave(spare);
		break;
	case SPARE_WARM:
		if (age_ms >= STEADY_MS)
			spare->spares->start_delay_ms = 0;
		if (age_ms >= SPARES_AGE_MAX_MS ||
		    (is_old(spare) && has_successor(spare)))
			spare_leave(spare);
		break;
	case SPARE_LEAVING:
		if (age_ms >= LEAVE_MS)
			worker_kill(spare->worker, SIGKILL);
		break;
	}
}

static bool
somebody_insists(const struct spares *spares)
{
	const struct spares_request *request;

	TAILQ_FOREACH(request, &spares->waiting, entry) {
		if (request->insists)
			return true;
	}
	return false;
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct spares *spares = arg;
	uint64_t now_ms = clock_now_ms();
	struct spare *spare;

	(void)fd;
	(void)what;
	TAILQ_FOREACH(spare, &spares->list, entry)
		check_age(spare, now_ms);
	if (spares->starved && somebody_insists(spares))
		spares->start_at_ms = 0;
	balance(spares);
}

/* -- the public side ------------------------------------------------------------------ */

bool
spares_available(const struct spares *spares, const char **why_out)
{
	size_t warm = spares_warm_count(spares);

	/*
	 * Who gets a warm one needs no new session. But half of them are kept
	 * for calls whose worker dies meanwhile.
	 */
	return is_available(spares, NULL,
	    2 * warm > (size_t)spares->config->warm_workers, why_out);
}

void
spares_take(struct spares *spares, const char *model, bool insists,
    spares_fn *fn, void *arg, struct spares_request **request_out)
{
	struct spares_request *request;
	struct spare *spare = find_warm(spares, model);
	const char *why = "out of memory";

	*request_out = NULL;
	if (spare != NULL) {
		fn(hand_over(spare), "", arg);
		balance(spares);
		return;
	}
	request = calloc(1, sizeof(*request));
	if (request == NULL || !is_available(spares, model, insists, &why)) {
		free(request);
		fn(NULL, why, arg);
		return;
	}
	request->spares = spares;
	snprintf(request->model, sizeof(request->model), "%s", model);
	request->insists = insists;
	request->fn = fn;
	request->arg = arg;
	TAILQ_INSERT_TAIL(&spares->waiting, request, entry);
	*request_out = request;
	/* To ask costs next to nothing, and the caller would wait in vain. */
	if (spares->starved)
		spares->start_at_ms = 0;
	start_missing(spares, model);
}

void
spares_cancel(struct spares_request **request_ptr)
{
	struct spares_request *request = *request_ptr;

	if (request == NULL)
		return;
	*request_ptr = NULL;
	TAILQ_REMOVE(&request->spares->waiting, request, entry);
	free(request);
}

void
spares_voice_failed(struct spares *spares, const char *model,
    const char *fault_name, const char *detail)
{
	enum voice_fault fault;

	if (voice_fault_find(fault_name, &fault) == 0)
		voice_breakers_failed(
		    &spares->breakers, model, fault, detail, clock_now_ms());
}

void
spares_start(struct spares *spares)
{
	static const struct timeval interval = {.tv_usec = TURN_MS * 1000};

	spares->running = true;
	event_add(spares->timer, &interval);
	balance(spares);
}

void
spares_reload(struct spares *spares)
{
	struct spare *spare;

	voice_breakers_reset(&spares->breakers);
	spares->start_delay_ms = spares->start_at_ms = 0;
	TAILQ_FOREACH(spare, &spares->list, entry)
		spare_leave(spare);
	balance(spares);
}

void
spares_stop(struct spares *spares)
{
	struct spare *spare;

	spares->running = false;
	TAILQ_FOREACH(spare, &spares->list, entry)
		spare_leave(spare);
	fail_waiting(spares, "the service is stopping");
}

size_t
spares_warm_count(const struct spares *spares)
{
	const struct spare *spare;
	size_t n = 0;

	TAILQ_FOREACH(spare, &spares->list, entry)
		n += spare->state == SPARE_WARM;
	return n;
}

void
spares_log_state(const struct spares *spares)
{
	static const char *const names[] = {
	    [SPARE_STARTING] = "starting",
	    [SPARE_CONNECTING] = "connecting",
	    [SPARE_WARM] = "warm",
	    [SPARE_LEAVING] = "leaving",
	};
	const struct spare *spare;

	TAILQ_FOREACH(spare, &spares->list, entry)
		log_info(
		    "supervisor state spare pid=%d state=%s model=%s age_ms=%llu",
		    (int)worker_pid(spare->worker), names[spare->state],
		    spare->model,
		    (unsigned long long)(clock_now_ms() - spare->since_ms));
}

int
spares_new(struct spares **spares_out, struct event_base *base,
    struct fleet *fleet, struct resolver *resolver, const struct config *config)
{
	struct spares *spares = calloc(1, sizeof(*spares));

	if (spares == NULL)
		return -ENOMEM;
	TAILQ_INIT(&spares->list);
	TAILQ_INIT(&spares->waiting);
	spares->fleet = fleet;
	spares->resolver = resolver;
	spares->config = config;
	spares->timer = event_new(base, -1, EV_PERSIST, on_turn, spares);
	if (spares->timer == NULL) {
		free(spares);
		return -ENOMEM;
	}
	*spares_out = spares;
	return 0;
}

void
spares_free(struct spares **spares_ptr)
{
	static const struct worker_owner nobody = {0};
	struct spares *spares = *spares_ptr;
	struct spare *spare;
	struct spares_request *request;

	if (spares == NULL)
		return;
	*spares_ptr = NULL;
	while ((spare = TAILQ_FIRST(&spares->list)) != NULL) {
		worker_set_owner(spare->worker, &nobody);
		spare_unlink(spare);
	}
	while ((request = TAILQ_FIRST(&spares->waiting)) != NULL)
		spares_cancel(&request);
	event_free(spares->timer);
	free(spares);
}
