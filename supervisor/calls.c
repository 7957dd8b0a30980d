/* SPDX-License-Identifier: MIT */
/*
 * calls.c – the table of calls: admission, events, reconciliation, drain.
 *
 * Invariant: every channel in our application is either a call here or one
 * of the ledger's; a list from Asterisk puts right what an event that was
 * lost would have told: after each connect who came and who went, every
 * minute who went, and who is there for the second time unknown.
 */
#include "supervisor/calls.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "supervisor/fleet.h"
#include "supervisor/ledger.h"
#include "supervisor/shortage.h"
#include "supervisor/spares.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum {
	TURN_MS = 1000,
	RECONCILE_MS = 60000,
	RECONCILE_BLIND_MS = 5000, /* while events go to another program */
	FAREWELL_MS = 10000,       /* what a goodbye may take of the drain */
	DRAIN_GRACE_MS = 5000,     /* for the last deletions */
};

struct seat {
	TAILQ_ENTRY(seat) entry;
	struct call *call;
};

struct calls {
	struct call_env env;
	void (*on_changed)(void *arg);
	void *arg;
	TAILQ_HEAD(, seat) seats;
	struct event *timer;
	struct event *bury_event; /* frees what has ENDED */
	uint64_t reconciled_ms;
	uint64_t asked_ms;      /* when the lists below were asked for */
	uint64_t connected_ms;  /* … and those of the last connection */
	cJSON *listed_channels; /* while a reconciliation is under way */
	cJSON *strangers;       /* ids that the last one found in our app */
	bool reconciling;
	uint64_t drain_at_ms; /* 0: not draining; when all must be gone */
	bool no_goodbyes;     /* while draining: it is to end at once */
};

/* -- the table ------------------------------------------------------------------ */

static struct call *
find_owner(struct calls *calls, const char *id)
{
	struct seat *seat;

	TAILQ_FOREACH(seat, &calls->seats, entry) {
		if (call_owns(seat->call, id))
			return seat->call;
	}
	return NULL;
}

struct call *
calls_find(struct calls *calls, const char *id)
{
	struct call *call = find_owner(calls, id);

	return call != NULL && strcmp(call_id(call), id) == 0 ? call : NULL;
}

void
calls_each(
    struct calls *calls, void (*fn)(struct call *call, void *arg), void *arg)
{
	struct seat *seat;

	TAILQ_FOREACH(seat, &calls->seats, entry)
		fn(seat->call, arg);
}

size_t
calls_count(const struct calls *calls)
{
	const struct seat *seat;
	size_t n = 0;

	TAILQ_FOREACH(seat, &calls->seats, entry)
		n += call_state(seat->call) < CALL_TRANSFERRED;
	return n;
}

bool
calls_are_quiet(const struct calls *calls)
{
	const struct seat *seat;

	TAILQ_FOREACH(seat, &calls->seats, entry) {
		if (!call_is_quiet(seat->call))
			return false;
	}
	return true;
}

bool
calls_are_synced(const struct calls *calls)
{
	const struct seat *seat;

	TAILQ_FOREACH(seat, &calls->seats, entry) {
		if (!call_is_synced(seat->call))
			return false;
	}
	return true;
}

/* A call may say ENDED deep inside one of its functions: freed later. */
static void
on_bury(evutil_socket_t fd, short what, void *arg)
{
	struct calls *calls = arg;
	struct seat *seat, *next;

	(void)fd;
	(void)what;
	for (seat = TAILQ_FIRST(&calls->seats); seat != NULL; seat = next) {
		next = TAILQ_NEXT(seat, entry);
		if (call_state(seat->call) != CALL_ENDED)
			continue;
		TAILQ_REMOVE(&calls->seats, seat, entry);
		call_free(&seat->call);
		free(seat);
	}
}

static void
on_call_changed(struct call *call, void *arg)
{
	struct calls *calls = arg;

	if (call_state(call) == CALL_ENDED)
		event_active(calls->bury_event, 0, 0);
	if (calls->on_changed != NULL)
		calls->on_changed(calls->arg);
}

/* A seat is had before who takes it: a call without one would be nobody's. */
static struct seat *
seat_new(void)
{
	return calloc(1, sizeof(struct seat));
}

static void
seat_take(struct calls *calls, struct seat *seat, struct call *call)
{
	seat->call = call;
	TAILQ_INSERT_TAIL(&calls->seats, seat, entry);
}

/* -- admission -------------------------------------------------------------------- */

static long
count_from(const struct calls *calls, const struct call *other)
{
	const struct seat *seat;
	long n = 0;

	TAILQ_FOREACH(seat, &calls->seats, entry)
		n += seat->call != other &&
		     call_state(seat->call) < CALL_ENDING &&
		     strcmp(call_caller(seat->call), call_caller(other)) == 0;
	return n;
}

/* NULL, or why CALL (already in the table) cannot be taken. */
static const char *
refusal(const struct calls *calls, const struct call *call)
{
	const struct config *config = calls->env.config;
	const char *why;

	if (calls->drain_at_ms != 0)
		return "the service is stopping";
	if ((long)calls_count(calls) > config->max_calls)
		return "MAX_CALLS reached";
	/* Withheld numbers are many people. */
	if (call_caller(call)[0] != '\0' &&
	    count_from(calls, call) >= config->max_calls_per_number)
		return "MAX_CALLS_PER_NUMBER reached";
	if (!spares_available(calls->env.spares, &why))
		return why;
	return shortages_refuse(calls->env.shortages);
}

/* Whoever comes is at least refused: the reserve is for that, too. */
static struct call *
seat_new_call(struct calls *calls, const cJSON *channel, const cJSON *args)
{
	struct seat *seat = seat_new();
	struct call *call;

	if (seat == NULL || call_new(&call, &calls->env, channel, args) < 0) {
		free(seat);
		return NULL;
	}
	seat_take(calls, seat, call);
	return call;
}

static void
admit(struct calls *calls, const cJSON *channel, const cJSON *args)
{
	struct call *call = seat_new_call(calls, channel, args);
	const char *why;

	if (call == NULL) {
		shortage_met(calls->env.shortages, SHORTAGE_MEMORY,
		    "a call cannot be taken");
		call = seat_new_call(calls, channel, args);
	}
	if (call == NULL) {
		log_err("alarm=memory call=%s cannot be taken",
		    json_string(channel, "id"));
		return;
	}
	why = refusal(calls, call);
	if (why != NULL)
		call_fallback(call, why);
	else
		call_start(call);
	on_call_changed(call, calls);
}

/* -- events -------------------------------------------------------------------------- */

static void
on_stasis_start(struct calls *calls, const cJSON *event)
{
	const cJSON *channel = json_object(event, "channel");
	const char *id = json_string(channel, "id");
	struct call *call = find_owner(calls, id);

	if (id[0] == '\0' || strlen(id) >= ARI_ID_MAX)
		return;
	if (call != NULL)
		call_on_event(call, "StasisStart", event);
	else if (ledger_is_ours(calls->env.ledger, id))
		ledger_stray(calls->env.ledger, LEDGER_CHANNEL, id);
	else
		admit(calls, channel, json_array(event, "args"));
}

/* What an event is about: a channel (Dial: the peer), a playback, a bridge. */
static const char *
subject(const cJSON *event)
{
	static const char *const things[] = {
	    "channel", "playback", "bridge", "peer"};

	for (size_t i = 0; i < sizeof(things) / sizeof(things[0]); i++) {
		const cJSON *thing = json_object(event, things[i]);

		if (thing != NULL)
			return json_string(thing, "id");
	}
	return "";
}

void
calls_on_event(struct calls *calls, const char *type, const cJSON *event)
{
	struct call *call;

	if (strcmp(type, "StasisStart") == 0) {
		on_stasis_start(calls, event);
		return;
	}
	if (strcmp(type, "ChannelVarset") == 0)
		return; /* ten at every hang-up, and none matters */
	call = find_owner(calls, subject(event));
	if (call != NULL)
		call_on_event(call, type, event);
	else
		log_debug("event of no call type=%s", type);
}

/* -- reconciliation -------------------------------------------------------------------- */

/* "openai-app,persona=x": whether a channel waits in our application. */
static bool
is_in_app(const struct calls *calls, const cJSON *channel)
{
	const cJSON *dialplan = json_object(channel, "dialplan");
	const char *app = calls->env.config->ari_app;
	const char *data = json_string(dialplan, "app_data");
	size_t len = strlen(app);

	return strcmp(json_string(dialplan, "app_name"), "Stasis") == 0 &&
	       strncmp(data, app, len) == 0 &&
	       (data[len] == '\0' || data[len] == ',');
}

/* Somebody in our application who is no call here. */
static bool
is_stranger(struct calls *calls, const cJSON *channel)
{
	const char *id = json_string(channel, "id");

	return !ledger_is_ours(calls->env.ledger, id) &&
	       is_in_app(calls, channel) && find_owner(calls, id) == NULL &&
	       strlen(id) < ARI_ID_MAX;
}

static void
find_new(struct calls *calls, const cJSON *channels)
{
	const cJSON *channel;

	cJSON_ArrayForEach(channel, channels) {
		if (!is_stranger(calls, channel))
			continue;
		log_info("call=%s was waiting in our application",
		    json_string(channel, "id"));
		admit(calls, channel, NULL);
	}
}

static bool
was_stranger(const struct calls *calls, const char *id)
{
	const cJSON *stranger;

	cJSON_ArrayForEach(stranger, calls->strangers) {
		if (strcmp(stranger->valuestring, id) == 0)
			return true;
	}
	return false;
}

/*
 * The list of every minute may be older than a call's end, but not than the
 * last list: who was a stranger then, too, has waited in vain. While another
 * program has our name they are its callers.
 */
static void
find_forgotten(struct calls *calls, const cJSON *channels)
{
	bool blind = ari_state(calls->env.ari) == ARI_REPLACED;
	cJSON *strangers = cJSON_CreateArray();
	const cJSON *channel;

	cJSON_ArrayForEach(channel, channels) {
		const char *id = json_string(channel, "id");

		if (blind || !is_stranger(calls, channel))
			continue;
		if (was_stranger(calls, id)) {
			log_warn(
			    "call=%s was forgotten in our application", id);
			admit(calls, channel, NULL);
		} else {
			cJSON_AddItemToArray(strangers, cJSON_CreateString(id));
		}
	}
	cJSON_Delete(calls->strangers);
	calls->strangers = strangers;
}

/* Channel ID if it is there and in our application, else NULL. */
static const cJSON *
find_listed(const struct calls *calls, const cJSON *channels, const char *id)
{
	const cJSON *channel;

	cJSON_ArrayForEach(channel, channels) {
		if (strcmp(json_string(channel, "id"), id) == 0)
			return is_in_app(calls, channel) ? channel : NULL;
	}
	return NULL;
}

/* 0, or as call_adopt_transferred(). */
static int
seat_transferred(struct calls *calls, const cJSON *channel,
    const cJSON *channels, const cJSON *bridges)
{
	struct seat *seat = seat_new();
	struct call *call;
	int ret = -ENOMEM;

	if (seat != NULL)
		ret = call_adopt_transferred(
		    &call, &calls->env, channel, channels, bridges);
	if (ret == 0)
		seat_take(calls, seat, call);
	else
		free(seat);
	return ret;
}

/* Callers who were with a person when an earlier supervisor ended. */
static void
find_transferred(
    struct calls *calls, const cJSON *channels, const cJSON *bridges)
{
	const cJSON *channel;

	cJSON_ArrayForEach(channel, channels) {
		if (!is_stranger(calls, channel) ||
		    seat_transferred(calls, channel, channels, bridges) !=
			-ENOMEM)
			continue;
		shortage_met(calls->env.shortages, SHORTAGE_MEMORY,
		    "a call cannot be taken over");
		if (seat_transferred(calls, channel, channels, bridges) ==
		    -ENOMEM)
			log_err("alarm=memory call=%s cannot be taken over",
			    json_string(channel, "id"));
	}
}

/* The lists were asked for at ASKED_MS; calls from NEWER_MS on are not in. */
static void
reconcile(struct calls *calls, uint64_t newer_ms, uint64_t asked_ms,
    const cJSON *channels, const cJSON *bridges)
{
	struct seat *seat;

	TAILQ_FOREACH(seat, &calls->seats, entry) {
		if (call_started_ms(seat->call) < newer_ms)
			call_on_snapshot(seat->call, asked_ms,
			    find_listed(calls, channels, call_id(seat->call)),
			    channels, bridges);
	}
	ledger_reconcile(calls->env.ledger, channels, bridges);
}

void
calls_on_snapshot(
    struct calls *calls, const cJSON *channels, const cJSON *bridges)
{
	find_transferred(calls, channels, bridges);
	/* Before the first event: no call is newer. */
	reconcile(calls, UINT64_MAX, calls->connected_ms, channels, bridges);
	find_new(calls, channels);
}

static void
on_bridges(const struct ari_response *response, void *arg)
{
	struct calls *calls = arg;

	calls->reconciling = false;
	if (response->status == 200 && cJSON_IsArray(response->body)) {
		reconcile(calls, calls->asked_ms, calls->asked_ms,
		    calls->listed_channels, response->body);
		find_forgotten(calls, calls->listed_channels);
	}
	cJSON_Delete(calls->listed_channels);
	calls->listed_channels = NULL;
}

static void
on_channels(const struct ari_response *response, void *arg)
{
	struct calls *calls = arg;

	calls->reconciling = false;
	if (response->status != 200 || !cJSON_IsArray(response->body))
		return;
	calls->listed_channels = cJSON_Duplicate(response->body, true);
	calls->reconciling = calls->listed_channels != NULL &&
			     ari_request(calls->env.ari, on_bridges, calls,
				 "GET", NULL, "bridges") == 0;
}

static void
reconcile_if_due(struct calls *calls, uint64_t now_ms)
{
	enum ari_state state = ari_state(calls->env.ari);
	uint64_t period_ms =
	    state == ARI_REPLACED ? RECONCILE_BLIND_MS : RECONCILE_MS;

	if (calls->reconciling || (state != ARI_UP && state != ARI_REPLACED) ||
	    now_ms - calls->reconciled_ms < period_ms)
		return;
	calls->reconciled_ms = calls->asked_ms = now_ms;
	calls->reconciling = ari_request(calls->env.ari, on_channels, calls,
				 "GET", NULL, "channels") == 0;
}

void
calls_on_ari_state(struct calls *calls, enum ari_state state)
{
	/* Whatever comes next begins with a list of its own. */
	calls->reconciled_ms = clock_now_ms();
	if (state == ARI_LISTING)
		calls->connected_ms = calls->reconciled_ms;
}

/* -- taking over ------------------------------------------------------------------------ */

static bool
seat_adopted(struct calls *calls, const struct fleet_adopted *adopted)
{
	struct seat *seat = seat_new();
	struct call *call;

	if (seat == NULL || call_adopt(&call, &calls->env, adopted) < 0) {
		free(seat);
		return false;
	}
	seat_take(calls, seat, call);
	return true;
}

void
calls_adopt(struct calls *calls, const struct fleet_adopted *adopted)
{
	struct call *call = calls_find(calls, adopted->call);

	if (call != NULL) {
		call_adopt_again(call, adopted);
		return;
	}
	if (seat_adopted(calls, adopted))
		return;
	shortage_met(calls->env.shortages, SHORTAGE_MEMORY,
	    "a call cannot be taken over");
	if (seat_adopted(calls, adopted))
		return;
	/* Nobody hears it any more: its caller is a stranger soon. */
	log_err("alarm=memory call=%s cannot be taken over", adopted->call);
	if (adopted->worker != NULL)
		worker_kill(adopted->worker, SIGKILL);
}

/* -- the drain ---------------------------------------------------------------------------- */

static void
say_goodbyes(struct calls *calls)
{
	struct seat *seat;

	TAILQ_FOREACH(seat, &calls->seats, entry)
		(void)call_farewell(seat->call, "shutdown");
}

/* Two people who talk to each other do not need us. */
static void
hang_up_all(struct calls *calls, const char *why)
{
	struct seat *seat;

	TAILQ_FOREACH(seat, &calls->seats, entry) {
		if (call_state(seat->call) != CALL_TRANSFERRED)
			call_hangup(seat->call, why);
	}
}

static bool
only_transferred(const struct calls *calls)
{
	const struct seat *seat;

	TAILQ_FOREACH(seat, &calls->seats, entry) {
		if (call_state(seat->call) != CALL_TRANSFERRED)
			return false;
	}
	return true;
}

static void
drain_turn(struct calls *calls, uint64_t now_ms)
{
	if (!calls->no_goodbyes && now_ms + FAREWELL_MS >= calls->drain_at_ms)
		say_goodbyes(calls);
	if (now_ms >= calls->drain_at_ms)
		hang_up_all(calls, "DRAIN_SECONDS are over");
}

void
calls_drain(struct calls *calls)
{
	uint64_t now_ms = clock_now_ms();

	if (calls->drain_at_ms != 0)
		return;
	calls->drain_at_ms =
	    now_ms + (uint64_t)calls->env.config->drain_s * 1000;
	log_info("draining calls=%zu within_s=%ld", calls_count(calls),
	    calls->env.config->drain_s);
	drain_turn(calls, now_ms);
}

void
calls_drain_now(struct calls *calls)
{
	calls->no_goodbyes = true;
	calls->drain_at_ms = clock_now_ms();
	hang_up_all(calls, "the service stops at once");
}

bool
calls_drained(const struct calls *calls)
{
	if (only_transferred(calls) &&
	    ledger_count_removing(calls->env.ledger) == 0)
		return true;
	return clock_now_ms() >= calls->drain_at_ms + DRAIN_GRACE_MS;
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct calls *calls = arg;
	uint64_t now_ms = clock_now_ms();

	(void)fd;
	(void)what;
	reconcile_if_due(calls, now_ms);
	if (calls->drain_at_ms != 0)
		drain_turn(calls, now_ms);
}

void
calls_log_state(const struct calls *calls)
{
	const struct seat *seat;

	TAILQ_FOREACH(seat, &calls->seats, entry)
		call_log_state(seat->call);
}

int
calls_new(struct calls **calls_out, const struct call_env *env,
    void (*on_changed)(void *arg), void *arg)
{
	static const struct timeval interval = {.tv_sec = TURN_MS / 1000};
	struct calls *calls = calloc(1, sizeof(*calls));

	if (calls == NULL)
		return -ENOMEM;
	TAILQ_INIT(&calls->seats);
	calls->env = *env;
	calls->env.on_changed = on_call_changed;
	calls->env.arg = calls;
	calls->on_changed = on_changed;
	calls->arg = arg;
	calls->reconciled_ms = clock_now_ms();
	calls->timer = event_new(env->base, -1, EV_PERSIST, on_turn, calls);
	calls->bury_event = event_new(env->base, -1, 0, on_bury, calls);
	if (calls->timer == NULL || calls->bury_event == NULL ||
	    event_add(calls->timer, &interval) < 0) {
		calls_free(&calls);
		return -ENOMEM;
	}
	*calls_out = calls;
	return 0;
}

void
calls_free(struct calls **calls_ptr)
{
	struct calls *calls = *calls_ptr;
	struct seat *seat;

	if (calls == NULL)
		return;
	*calls_ptr = NULL;
	while ((seat = TAILQ_FIRST(&calls->seats)) != NULL) {
		TAILQ_REMOVE(&calls->seats, seat, entry);
		call_free(&seat->call);
		free(seat);
	}
	cJSON_Delete(calls->listed_channels);
	cJSON_Delete(calls->strangers);
	if (calls->timer != NULL)
		event_free(calls->timer);
	if (calls->bury_event != NULL)
		event_free(calls->bury_event);
	free(calls);
}
