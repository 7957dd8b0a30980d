/* SPDX-License-Identifier: MIT */
/*
 * test_voice_line.c – sessions that come and go, on a clock that the test
 * moves: which one is made when, and which one the call has.
 */
#include "callworker/voice_line.h"

#include <errno.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/fake_clock.h"

enum {
	SESSIONS = 64,
	HOUR_S = 3600,
};

/* A session: what was asked of the service, and what it tells. */
struct session {
	struct voice voice; /* first */
	const struct voice_events *events;
	void *arg;
	bool freed, closed;
	unsigned int connect_ms;
	char key[64];
	uint64_t made_ms;
	uint32_t retry_ms;
};

static struct rig {
	struct event_base *base;
	struct voice_line *line;
	struct session sessions[SESSIONS]; /* never used twice */
	unsigned count;
	int connect_ret;
	/* What the call knows. */
	struct session *taken;
	int take_ret;
	bool may, was_urgent;
	unsigned warm, failed;
	int64_t expires_s;
	enum voice_fault fault;
	char detail[VOICE_DETAIL_MAX];
} rig;

static struct session *
of(struct voice *voice)
{
	return (struct session *)(void *)voice;
}

static void
session_listen(struct voice *v, const struct voice_events *events, void *arg)
{
	of(v)->events = events;
	of(v)->arg = arg;
}

static void
session_tick(struct voice *v, uint64_t now_ms)
{
	(void)now_ms;
	assert_false(of(v)->freed);
}

static void
session_log_state(const struct voice *v)
{
	(void)v;
}

static uint32_t
session_retry_ms(const struct voice *v)
{
	return ((const struct session *)(const void *)v)->retry_ms;
}

static void
session_close(struct voice *v)
{
	of(v)->closed = true;
}

static void
session_free(struct voice *v)
{
	assert_false(of(v)->freed);
	of(v)->freed = true;
}

static const struct voice_ops session_ops = {
    .listen = session_listen,
    .retry_ms = session_retry_ms,
    .tick = session_tick,
    .log_state = session_log_state,
    .close = session_close,
    .free = session_free,
};

static int
connect_session(struct voice **voice_out, const struct realtime_config *config)
{
	struct session *s = &rig.sessions[rig.count++];

	assert_true(rig.count < SESSIONS);
	assert_string_equal(config->url, "wss://example.org/v1/realtime");
	assert_string_equal(config->model, "gpt-x");
	assert_int_equal(config->address_count, 1);
	s->made_ms = fake_now_ms;
	if (rig.connect_ret != 0)
		return rig.connect_ret;
	s->voice.ops = &session_ops;
	s->events = config->events;
	s->arg = config->arg;
	s->connect_ms = config->connect_ms;
	snprintf(s->key, sizeof(s->key), "%s", config->key);
	*voice_out = &s->voice;
	return 0;
}

static void
on_warm(int64_t expires_s, void *arg)
{
	assert_ptr_equal(arg, &rig);
	rig.warm++;
	rig.expires_s = expires_s;
}

static void
on_failed(enum voice_fault fault, const char *detail, void *arg)
{
	assert_ptr_equal(arg, &rig);
	rig.failed++;
	rig.fault = fault;
	snprintf(rig.detail, sizeof(rig.detail), "%s", detail);
}

static const struct voice_events call_events = {0};

static int
take(struct voice *voice, void *arg)
{
	(void)arg;
	if (rig.take_ret != 0)
		return rig.take_ret;
	rig.taken = of(voice);
	voice_listen(voice, &call_events, NULL);
	return 0;
}

static bool
may_take(bool urgent, void *arg)
{
	(void)arg;
	rig.was_urgent = urgent;
	return rig.may;
}

static const struct voice_line_events line_events = {
    .on_warm = on_warm,
    .on_failed = on_failed,
    .take = take,
    .may_take = may_take,
};

/* The last one that was made. */
static struct session *
last(void)
{
	assert_true(rig.count > 0);
	return &rig.sessions[rig.count - 1];
}

/* What is due at once is done. */
static void
turn(void)
{
	event_base_loop(rig.base, EVLOOP_NONBLOCK);
}

static void
pass(uint64_t ms)
{
	for (uint64_t end = fake_now_ms + ms; fake_now_ms < end;) {
		fake_now_ms += 100;
		voice_line_tick(rig.line);
		turn();
	}
}

static int
setup(void **state)
{
	struct voice_line_config config = {
	    .key = "sk-test",
	    .events = &line_events,
	    .arg = &rig,
	    .connect = connect_session,
	};

	(void)state;
	memset(&rig, 0, sizeof(rig));
	fake_now_ms = 1000000;
	rig.base = event_base_new();
	config.base = rig.base;
	assert_int_equal(voice_line_new(&rig.line, &config), 0);
	assert_null(voice_line_voice(rig.line));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	voice_line_free(&rig.line);
	assert_null(rig.line);
	for (unsigned i = 0; i < rig.count; i++)
		assert_true(
		    rig.sessions[i].freed || rig.sessions[i].voice.ops == NULL);
	event_base_free(rig.base);
	return 0;
}

static int
prepare(void)
{
	struct net_address address;
	const struct link_prepare prepare = {
	    .model = "gpt-x",
	    .url = "wss://example.org/v1/realtime",
	    .ca_file = "",
	    .addresses = &address,
	    .address_count = 1,
	};

	assert_int_equal(net_address_parse("192.0.2.1", 0, &address), 0);
	return voice_line_prepare(rig.line, &prepare);
}

static void
comes_up(struct session *s, int64_t life_s)
{
	s->events->on_up((int64_t)clock_wall() + life_s, s->arg);
	turn();
}

static void
fails(struct session *s, enum voice_fault fault)
{
	s->events->on_fault(fault, "why", true, s->arg);
	turn();
}

/* A spare whose session lasts LIFE_S. */
static struct session *
become_warm(int64_t life_s)
{
	assert_int_equal(prepare(), 0);
	assert_int_equal(rig.count, 1);
	comes_up(last(), life_s);
	assert_int_equal(rig.warm, 1);
	assert_ptr_equal(voice_line_voice(rig.line), &last()->voice);
	return last();
}

/* … and that is in a call. */
static struct session *
be_in_call(int64_t life_s)
{
	struct session *s = become_warm(life_s);

	voice_listen(&s->voice, &call_events, NULL);
	voice_line_assigned(rig.line);
	voice_line_in_force(rig.line);
	return s;
}

/* ---- a spare ------------------------------------------------------------- */

static void
a_spare_has_one_session(void **state)
{
	(void)state;
	become_warm(HOUR_S);
	assert_string_equal(last()->key, "sk-test");
	assert_int_equal(last()->connect_ms, 0);
	assert_int_equal(rig.expires_s, clock_wall() + HOUR_S);
	assert_int_equal(prepare(), -EALREADY);
	/* It is no call: nobody would take another one. */
	pass(HOUR_S * 1000);
	assert_int_equal(rig.count, 1);
}

static void
a_spare_whose_session_fails_says_so_once(void **state)
{
	(void)state;
	assert_int_equal(prepare(), 0);
	fails(last(), VOICE_FAULT_SERVER);
	assert_int_equal(rig.failed, 1);
	assert_int_equal(rig.fault, VOICE_FAULT_SERVER);
	assert_string_equal(rig.detail, "why");
	pass(30000);
	assert_int_equal(rig.count, 1);
	assert_int_equal(rig.failed, 1);
}

static void
a_warm_session_that_is_lost_is_not_made_again(void **state)
{
	(void)state;
	become_warm(HOUR_S);
	fails(last(), VOICE_FAULT_NETWORK);
	assert_int_equal(rig.failed, 1);
	pass(30000);
	assert_int_equal(rig.count, 1);
}

static void
without_a_key_no_session_is_tried(void **state)
{
	struct voice_line_config config = {
	    .base = rig.base,
	    .key = "",
	    .events = &line_events,
	    .arg = &rig,
	    .connect = connect_session,
	};

	(void)state;
	voice_line_free(&rig.line);
	assert_int_equal(voice_line_new(&rig.line, &config), 0);
	assert_int_equal(prepare(), -ENOKEY);
	assert_int_equal(rig.count, 0);
}

/* ---- lost in a call -------------------------------------------------------- */

static void
a_session_lost_in_a_call_is_made_anew_at_once(void **state)
{
	struct session *first = be_in_call(HOUR_S);

	(void)state;
	assert_true(voice_line_lost(rig.line, VOICE_FAULT_NETWORK, "reset"));
	turn();
	assert_int_equal(rig.count, 2);
	assert_int_equal(last()->connect_ms, VOICE_LINE_CONNECT_MS);
	assert_string_equal(last()->key, "sk-test");
	assert_false(first->freed); /* the call still holds it */
	comes_up(last(), HOUR_S);
	assert_ptr_equal(rig.taken, last());
	assert_ptr_equal(voice_line_voice(rig.line), &last()->voice);
	voice_line_in_force(rig.line);
	pass(VOICE_LINE_FAREWELL_MS + 200);
	assert_true(first->freed);
	assert_int_equal(rig.failed, 0);
	assert_int_equal(rig.count, 2);
}

static void
attempts_come_at_growing_intervals_and_then_end(void **state)
{
	uint64_t begun, last_wait = 0;

	(void)state;
	be_in_call(HOUR_S);
	begun = fake_now_ms;
	assert_true(voice_line_lost(rig.line, VOICE_FAULT_SERVER, "500"));
	turn();
	while (rig.failed == 0) {
		unsigned before = rig.count;

		fails(last(), VOICE_FAULT_SERVER);
		while (rig.failed == 0 && rig.count == before) {
			pass(100);
		}
		if (rig.failed != 0)
			break;
		assert_true(last()->made_ms - begun >= last_wait);
		last_wait = last()->made_ms - begun;
	}
	assert_int_equal(rig.failed, 1);
	assert_int_equal(rig.fault, VOICE_FAULT_SERVER);
	assert_in_range(fake_now_ms - begun, VOICE_LINE_OUTAGE_MS - 3000,
	    VOICE_LINE_OUTAGE_MS + 200);
	assert_in_range(rig.count, 6, 12);
}

/* How long after its refusal the next attempt was made. */
static uint64_t
wait_after(enum voice_fault fault, uint32_t retry_ms)
{
	uint64_t then_ms = fake_now_ms;
	unsigned before = rig.count;

	last()->retry_ms = retry_ms;
	fails(last(), fault);
	for (int i = 0; i < 100 && rig.count == before; i++)
		pass(100);
	assert_int_equal(rig.count, before + 1);
	return last()->made_ms - then_ms;
}

static void
too_many_is_asked_again_ever_later(void **state)
{
	(void)state;
	be_in_call(HOUR_S);
	assert_true(voice_line_lost(rig.line, VOICE_FAULT_NETWORK, "reset"));
	turn();
	assert_in_range(wait_after(VOICE_FAULT_RATE_LIMIT, 0), 500, 700);
	assert_in_range(wait_after(VOICE_FAULT_RATE_LIMIT, 0), 1000, 1300);
	assert_in_range(wait_after(VOICE_FAULT_RATE_LIMIT, 0), 2000, 2600);
	assert_in_range(wait_after(VOICE_FAULT_RATE_LIMIT, 0), 4000, 5100);
}

static void
a_service_that_says_when_is_asked_then(void **state)
{
	(void)state;
	be_in_call(HOUR_S);
	assert_true(voice_line_lost(rig.line, VOICE_FAULT_NETWORK, "reset"));
	turn();
	assert_in_range(wait_after(VOICE_FAULT_RATE_LIMIT, 3000), 3000, 3400);
	assert_in_range(wait_after(VOICE_FAULT_SERVER, 200), 200, 300);
	/* It said so once. */
	assert_in_range(wait_after(VOICE_FAULT_SERVER, 0), 2000, 2600);
}

static void
a_service_that_wants_longer_than_a_caller_waits_is_given_up(void **state)
{
	(void)state;
	be_in_call(HOUR_S);
	assert_true(voice_line_lost(rig.line, VOICE_FAULT_NETWORK, "reset"));
	turn();
	last()->retry_ms = VOICE_LINE_OUTAGE_MS;
	fails(last(), VOICE_FAULT_RATE_LIMIT);
	assert_int_equal(rig.failed, 1);
	assert_int_equal(rig.fault, VOICE_FAULT_RATE_LIMIT);
}

/* … and the loop's own timer makes it, not the next tick. */
static void
an_attempt_is_made_when_it_is_due(void **state)
{
	(void)state;
	be_in_call(HOUR_S);
	assert_true(voice_line_lost(rig.line, VOICE_FAULT_NETWORK, "reset"));
	turn();
	last()->retry_ms = 1;
	fails(last(), VOICE_FAULT_SERVER);
	assert_int_equal(rig.count, 2);
	fake_now_ms++;
	event_base_loop(rig.base, EVLOOP_ONCE);
	assert_int_equal(rig.count, 3);
}

static void
what_would_meet_the_next_session_too_is_not_tried(void **state)
{
	static const enum voice_fault faults[] = {VOICE_FAULT_KEY,
	    VOICE_FAULT_QUOTA, VOICE_FAULT_MODEL, VOICE_FAULT_TLS};

	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		be_in_call(HOUR_S);
		assert_false(voice_line_lost(rig.line, faults[i], "no"));
		pass(30000);
		assert_int_equal(rig.count, 1);
		assert_int_equal(rig.failed, 0); /* it was told already */
		teardown(state);
		setup(state);
	}
}

static void
a_key_refused_on_the_way_back_ends_the_attempts(void **state)
{
	(void)state;
	be_in_call(HOUR_S);
	assert_true(voice_line_lost(rig.line, VOICE_FAULT_NETWORK, "reset"));
	turn();
	fails(last(), VOICE_FAULT_KEY);
	assert_int_equal(rig.failed, 1);
	assert_int_equal(rig.fault, VOICE_FAULT_KEY);
	pass(30000);
	assert_int_equal(rig.count, 2);
}

static void
a_service_that_takes_the_connection_and_says_nothing_is_given_up(void **state)
{
	(void)state;
	be_in_call(HOUR_S);
	assert_true(voice_line_lost(rig.line, VOICE_FAULT_NETWORK, "reset"));
	turn();
	pass(VOICE_LINE_OUTAGE_MS - 200);
	assert_int_equal(rig.failed, 0);
	pass(400);
	assert_int_equal(rig.failed, 1);
	assert_true(last()->freed);
}

static void
a_session_that_is_taken_but_never_in_force_is_given_up(void **state)
{
	(void)state;
	be_in_call(HOUR_S);
	assert_true(voice_line_lost(rig.line, VOICE_FAULT_NETWORK, "reset"));
	turn();
	comes_up(last(), HOUR_S);
	assert_ptr_equal(rig.taken, last());
	pass(VOICE_LINE_OUTAGE_MS + 200);
	assert_int_equal(rig.failed, 1);
	assert_false(last()->freed); /* the call still listens to it */
}

static void
sessions_that_do_not_last_are_not_made_for_ever(void **state)
{
	bool more = true;

	(void)state;
	be_in_call(HOUR_S);
	for (unsigned i = 0; more; i++) {
		more = voice_line_lost(rig.line, VOICE_FAULT_CLOSED, "bye");
		assert_int_equal(more, i < VOICE_LINE_LOSSES_MAX);
		if (!more)
			break;
		turn();
		comes_up(last(), HOUR_S);
		voice_line_in_force(rig.line);
		pass(5000);
	}
	assert_int_equal(rig.count, 1 + VOICE_LINE_LOSSES_MAX);
}

static void
losses_long_ago_do_not_count(void **state)
{
	(void)state;
	be_in_call(HOUR_S);
	for (unsigned i = 0; i < 3 * VOICE_LINE_LOSSES_MAX; i++) {
		assert_true(
		    voice_line_lost(rig.line, VOICE_FAULT_CLOSED, "bye"));
		turn();
		comes_up(last(), HOUR_S);
		voice_line_in_force(rig.line);
		pass(VOICE_LINE_LOSSES_MS / VOICE_LINE_LOSSES_MAX + 200);
	}
	assert_int_equal(rig.failed, 0);
}

static void
before_the_voice_was_in_force_the_call_is_another_worker_s(void **state)
{
	(void)state;
	become_warm(HOUR_S);
	voice_line_assigned(rig.line);
	assert_false(voice_line_lost(rig.line, VOICE_FAULT_SERVER, "1011"));
	pass(5000);
	assert_int_equal(rig.count, 1);
}

static void
a_call_that_cannot_take_the_session_goes_on_trying(void **state)
{
	(void)state;
	be_in_call(HOUR_S);
	assert_true(voice_line_lost(rig.line, VOICE_FAULT_NETWORK, "reset"));
	turn();
	rig.take_ret = -ENOMEM;
	comes_up(last(), HOUR_S);
	assert_null(rig.taken);
	assert_true(rig.sessions[1].freed);
	pass(VOICE_LINE_OUTAGE_MS + 200);
	assert_int_equal(rig.failed, 1);
	assert_int_equal(rig.fault, VOICE_FAULT_INTERNAL);
}

/* ---- rotated ----------------------------------------------------------------- */

static void
a_session_near_its_end_is_replaced_in_a_pause(void **state)
{
	struct session *first = be_in_call(HOUR_S);

	(void)state;
	pass((HOUR_S - VOICE_LINE_AHEAD_S) * 1000 - 1000);
	assert_int_equal(rig.count, 1);
	pass(1500);
	assert_int_equal(rig.count, 2);
	comes_up(last(), HOUR_S);
	pass(20000);
	assert_null(rig.taken); /* somebody speaks */
	assert_false(rig.was_urgent);
	rig.may = true;
	pass(100);
	assert_ptr_equal(rig.taken, last());
	assert_true(first->closed);
	assert_false(first->freed);
	voice_line_in_force(rig.line);
	pass(VOICE_LINE_FAREWELL_MS + 200);
	assert_true(first->freed);
	/* The next one, in an hour. */
	rig.may = false;
	pass((HOUR_S - VOICE_LINE_AHEAD_S - 60) * 1000);
	assert_int_equal(rig.count, 2);
	pass(60 * 1000);
	assert_int_equal(rig.count, 3);
	assert_int_equal(rig.failed, 0);
}

static void
without_a_pause_it_becomes_urgent(void **state)
{
	(void)state;
	be_in_call(HOUR_S);
	pass((HOUR_S - VOICE_LINE_AHEAD_S) * 1000 + 500);
	comes_up(last(), HOUR_S);
	pass((VOICE_LINE_AHEAD_S - VOICE_LINE_URGENT_S) * 1000 - 1000);
	assert_false(rig.was_urgent);
	pass(1000);
	assert_true(rig.was_urgent);
	assert_null(rig.taken);
}

static void
a_replacement_that_fails_is_tried_again_and_the_call_goes_on(void **state)
{
	(void)state;
	be_in_call(HOUR_S);
	pass((HOUR_S - VOICE_LINE_AHEAD_S) * 1000 + 500);
	fails(last(), VOICE_FAULT_RATE_LIMIT);
	assert_int_equal(rig.failed, 0);
	assert_true(last()->freed);
	pass(20000);
	assert_int_equal(rig.count, 2);
	pass(10000);
	assert_int_equal(rig.count, 3);
	comes_up(last(), HOUR_S);
	/* Dropped while it waited for a pause. */
	fails(last(), VOICE_FAULT_NETWORK);
	pass(30000);
	assert_int_equal(rig.count, 4);
	comes_up(last(), HOUR_S);
	rig.may = true;
	pass(100);
	assert_ptr_equal(rig.taken, last());
	assert_int_equal(rig.failed, 0);
}

static void
a_loss_while_the_replacement_waits_takes_it_at_once(void **state)
{
	(void)state;
	be_in_call(HOUR_S);
	pass((HOUR_S - VOICE_LINE_AHEAD_S) * 1000 + 500);
	comes_up(last(), HOUR_S);
	assert_true(voice_line_lost(rig.line, VOICE_FAULT_EXPIRED, "over"));
	turn();
	assert_int_equal(rig.count, 2);
	assert_ptr_equal(rig.taken, last());
}

static void
a_loss_while_the_replacement_connects_waits_for_it(void **state)
{
	(void)state;
	be_in_call(HOUR_S);
	pass((HOUR_S - VOICE_LINE_AHEAD_S) * 1000 + 500);
	assert_int_equal(rig.count, 2);
	assert_true(voice_line_lost(rig.line, VOICE_FAULT_EXPIRED, "over"));
	turn();
	assert_int_equal(rig.count, 2);
	comes_up(last(), HOUR_S);
	assert_ptr_equal(rig.taken, last());
}

static void
a_short_session_is_replaced_in_its_last_quarter(void **state)
{
	(void)state;
	be_in_call(20);
	pass(14500);
	assert_int_equal(rig.count, 1);
	pass(1000);
	assert_int_equal(rig.count, 2);
	rig.may = true;
	comes_up(last(), 20);
	pass(100);
	assert_ptr_equal(rig.taken, last());
	assert_false(rig.was_urgent);
}

static void
a_session_that_nobody_dates_is_never_replaced(void **state)
{
	(void)state;
	assert_int_equal(prepare(), 0);
	last()->events->on_up(0, last()->arg);
	turn();
	voice_line_assigned(rig.line);
	voice_line_in_force(rig.line);
	pass(2 * HOUR_S * 1000);
	assert_int_equal(rig.count, 1);
}

static void
after_the_goodbye_nothing_comes(void **state)
{
	struct session *first = be_in_call(HOUR_S);

	(void)state;
	assert_true(voice_line_lost(rig.line, VOICE_FAULT_NETWORK, "reset"));
	voice_line_close(rig.line);
	assert_true(first->closed);
	pass(30000);
	assert_int_equal(rig.count, 1);
	assert_int_equal(rig.failed, 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(a_spare_has_one_session),
	    T(a_spare_whose_session_fails_says_so_once),
	    T(a_warm_session_that_is_lost_is_not_made_again),
	    T(without_a_key_no_session_is_tried),
	    T(a_session_lost_in_a_call_is_made_anew_at_once),
	    T(attempts_come_at_growing_intervals_and_then_end),
	    T(too_many_is_asked_again_ever_later),
	    T(a_service_that_says_when_is_asked_then),
	    T(a_service_that_wants_longer_than_a_caller_waits_is_given_up),
	    T(an_attempt_is_made_when_it_is_due),
	    T(what_would_meet_the_next_session_too_is_not_tried),
	    T(a_key_refused_on_the_way_back_ends_the_attempts),
	    T(a_service_that_takes_the_connection_and_says_nothing_is_given_up),
	    T(a_session_that_is_taken_but_never_in_force_is_given_up),
	    T(sessions_that_do_not_last_are_not_made_for_ever),
	    T(losses_long_ago_do_not_count),
	    T(before_the_voice_was_in_force_the_call_is_another_worker_s),
	    T(a_call_that_cannot_take_the_session_goes_on_trying),
	    T(a_session_near_its_end_is_replaced_in_a_pause),
	    T(without_a_pause_it_becomes_urgent),
	    T(a_replacement_that_fails_is_tried_again_and_the_call_goes_on),
	    T(a_loss_while_the_replacement_waits_takes_it_at_once),
	    T(a_loss_while_the_replacement_connects_waits_for_it),
	    T(a_short_session_is_replaced_in_its_last_quarter),
	    T(a_session_that_nobody_dates_is_never_replaced),
	    T(after_the_goodbye_nothing_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
