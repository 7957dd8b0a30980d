/* SPDX-License-Identifier: MIT */
/* test_spares.c – warm workers for calls, and no storm when there are none. */
#include "supervisor/spares.h"

#include "common/log.h"
#include "common/resolver.h"
#include "supervisor/breaker.h"
#include "tests/unit/fake_clock.h"
#include "tests/unit/fake_fleet.h"
#include "tests/unit/timers.h"

enum {
	CALLERS = 8,
	TURN_MS = 500,
};

static const char model[] = "gpt-realtime";

static struct {
	struct event_base *base;
	struct config config;
	struct spares *spares;
	bool resolver_fails;
	struct {
		struct spares_request *request;
		struct worker *worker;
		char why[128];
		int answers;
	} callers[CALLERS];
} rig;

/* -- the resolver, which answers at once or when told --------------------------- */

static struct {
	resolver_fn fn;
	void *arg;
} lookup;

int
resolver_lookup(struct resolver *resolver, const char *host, uint16_t port,
    unsigned int deadline_ms, resolver_fn fn, void *arg,
    struct resolver_request **request_out)
{
	(void)resolver;
	(void)port;
	(void)deadline_ms;
	assert_string_equal(host, "api.example");
	if (rig.resolver_fails)
		return -ENOMEM;
	lookup.fn = fn;
	lookup.arg = arg;
	*request_out = (struct resolver_request *)(void *)&lookup;
	return 0;
}

void
resolver_cancel(struct resolver_request **request)
{
	if (*request != NULL)
		lookup.fn = NULL;
	*request = NULL;
}

static void
resolve(int err)
{
	struct resolver_result result = {
	    .err = err, .text = err != 0 ? "no such name" : ""};
	resolver_fn fn = lookup.fn;

	if (err == 0) {
		result.count = 2;
		snprintf(result.addresses[0].ip, sizeof(result.addresses[0].ip),
		    "2001:db8::1");
		snprintf(result.addresses[1].ip, sizeof(result.addresses[1].ip),
		    "192.0.2.7");
	}
	assert_non_null(fn);
	lookup.fn = NULL;
	fn(&result, lookup.arg);
}

/* -- the rig ---------------------------------------------------------------------- */

static int
setup_with(long warm_workers)
{
	memset(&rig, 0, sizeof(rig));
	fake_fleet_reset();
	lookup.fn = NULL;
	fake_now_ms += 1000000;
	rig.base = event_base_new();
	rig.config.warm_workers = warm_workers;
	snprintf(rig.config.openai_realtime_model,
	    sizeof(rig.config.openai_realtime_model), "%s", model);
	snprintf(rig.config.openai_realtime_url,
	    sizeof(rig.config.openai_realtime_url),
	    "wss://api.example/v1/realtime");
	return spares_new(&rig.spares, rig.base, NULL, NULL, &rig.config);
}

static int
setup(void **state)
{
	(void)state;
	return setup_with(2);
}

static int
setup_without_spares(void **state)
{
	(void)state;
	return setup_with(0);
}

static int
teardown(void **state)
{
	(void)state;
	spares_free(&rig.spares);
	event_base_free(rig.base);
	fake_fleet_reset();
	return 0;
}

static void
pass(uint64_t ms)
{
	for (uint64_t passed = 0; passed < ms; passed += TURN_MS) {
		fake_now_ms += TURN_MS;
		timers_turn(rig.base);
	}
}

static struct worker *
worker(size_t i)
{
	assert_true(i < fake_fleet.count);
	return &fake_fleet.workers[i];
}

static void
state_of(struct worker *w, const char *name)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "state", name);
	fake_worker_says(w, MESSAGE_STATE, body);
}

static void
voice_failed(struct worker *w, const char *fault)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "call", "");
	json_add_string(body, "fault", fault);
	json_add_string(body, "detail", "unit");
	fake_worker_says(w, MESSAGE_VOICE_FAILED, body);
}

static void
connect_worker(struct worker *w)
{
	fake_worker_says(w, MESSAGE_HELLO, NULL);
	resolve(0);
	state_of(w, "connecting");
}

static void
warm(struct worker *w)
{
	connect_worker(w);
	state_of(w, "warm");
}

static void
on_answer(struct worker *w, const char *why, void *arg)
{
	size_t i = (size_t)(uintptr_t)arg;
	static const struct worker_owner nobody = {0};

	rig.callers[i].worker = w;
	rig.callers[i].answers++;
	snprintf(rig.callers[i].why, sizeof(rig.callers[i].why), "%s", why);
	if (w != NULL)
		worker_set_owner(w, &nobody);
}

static void
take(size_t i, const char *of_model)
{
	spares_take(rig.spares, of_model, false, on_answer,
	    (void *)(uintptr_t)i, &rig.callers[i].request);
}

static void
insist(size_t i)
{
	spares_take(rig.spares, model, true, on_answer, (void *)(uintptr_t)i,
	    &rig.callers[i].request);
}

static bool
available(void)
{
	const char *why;

	return spares_available(rig.spares, &why);
}

/* -- warm ones ------------------------------------------------------------------------ */

static void
as_many_as_wanted_are_made_and_told_what_to_connect_to(void **state)
{
	const cJSON *body, *addresses;

	(void)state;
	spares_start(rig.spares);
	assert_int_equal(fake_fleet.count, 2);
	connect_worker(worker(0));
	body = fake_worker_heard(worker(0), MESSAGE_SESSION_PREPARE);
	assert_string_equal(json_string(body, "model"), model);
	addresses = json_array(body, "addresses");
	assert_int_equal(cJSON_GetArraySize(addresses), 2);
	assert_string_equal(
	    cJSON_GetArrayItem(addresses, 0)->valuestring, "2001:db8::1");
	assert_int_equal(spares_warm_count(rig.spares), 0);
	state_of(worker(0), "warm");
	assert_int_equal(spares_warm_count(rig.spares), 1);
	warm(worker(1));
	pass(5000);
	assert_int_equal(fake_fleet.count, 2);
}

static void
a_warm_one_is_handed_over_at_once_and_replaced(void **state)
{
	(void)state;
	spares_start(rig.spares);
	warm(worker(0));
	take(0, model);
	assert_ptr_equal(rig.callers[0].worker, worker(0));
	assert_null(rig.callers[0].request);
	assert_int_equal(spares_warm_count(rig.spares), 0);
	assert_int_equal(fake_fleet.count, 3);
	/* It is no longer a spare: nothing here hears of it. */
	fake_worker_dies(worker(0), "unit");
	assert_int_equal(fake_fleet.count, 3);
}

static void
callers_that_wait_are_served_in_order(void **state)
{
	(void)state;
	spares_start(rig.spares);
	take(0, model);
	take(1, model);
	take(2, model);
	assert_int_equal(fake_fleet.count, 5); /* 3 who wait, 2 to spare */
	warm(worker(4));
	warm(worker(1));
	assert_ptr_equal(rig.callers[0].worker, worker(4));
	assert_ptr_equal(rig.callers[1].worker, worker(1));
	assert_int_equal(rig.callers[2].answers, 0);
	warm(worker(0));
	assert_ptr_equal(rig.callers[2].worker, worker(0));
}

static void
one_who_no_longer_waits_is_not_called(void **state)
{
	(void)state;
	spares_start(rig.spares);
	take(0, model);
	take(1, model);
	spares_cancel(&rig.callers[0].request);
	assert_null(rig.callers[0].request);
	warm(worker(0));
	assert_int_equal(rig.callers[0].answers, 0);
	assert_ptr_equal(rig.callers[1].worker, worker(0));
}

static void
another_model_gets_a_worker_of_its_own(void **state)
{
	(void)state;
	spares_start(rig.spares);
	warm(worker(0));
	take(0, "gpt-other");
	assert_int_equal(rig.callers[0].answers, 0);
	assert_int_equal(fake_fleet.count, 3);
	connect_worker(worker(2));
	assert_string_equal(
	    json_string(
		fake_worker_heard(worker(2), MESSAGE_SESSION_PREPARE), "model"),
	    "gpt-other");
	state_of(worker(2), "warm");
	assert_ptr_equal(rig.callers[0].worker, worker(2));
}

static void
without_spares_a_worker_is_made_for_each_caller(void **state)
{
	(void)state;
	spares_start(rig.spares);
	pass(2000);
	assert_int_equal(fake_fleet.count, 0);
	take(0, model);
	assert_int_equal(fake_fleet.count, 1);
	warm(worker(0));
	assert_ptr_equal(rig.callers[0].worker, worker(0));
}

static void
an_old_one_goes_when_its_successor_is_warm(void **state)
{
	(void)state;
	spares_start(rig.spares);
	warm(worker(0));
	warm(worker(1));
	fake_now_ms += SPARES_AGE_MS;
	timers_turn(rig.base);
	assert_int_equal(fake_fleet.count, 4);
	/* Meanwhile a caller gets one of the old at once. */
	assert_int_equal(spares_warm_count(rig.spares), 2);
	warm(worker(2));
	warm(worker(3));
	pass(TURN_MS);
	assert_int_equal(fake_worker_told(worker(0), MESSAGE_DRAIN), 1);
	assert_int_equal(fake_worker_told(worker(1), MESSAGE_DRAIN), 1);
	assert_int_equal(spares_warm_count(rig.spares), 2);
	pass(TURN_MS);
	assert_int_equal(fake_fleet.count, 4);
	/* One that does not leave is killed. */
	assert_int_equal(worker(0)->killed, 0);
	pass(4000);
	assert_int_equal(worker(0)->killed, SIGKILL);
}

static void
an_old_one_goes_in_the_end_even_without_a_successor(void **state)
{
	(void)state;
	spares_start(rig.spares);
	warm(worker(0));
	fake_fleet.spawn_fails = true;
	fake_now_ms += SPARES_AGE_MAX_MS - 1;
	timers_turn(rig.base);
	assert_int_equal(fake_worker_told(worker(0), MESSAGE_DRAIN), 0);
	fake_now_ms += 1;
	timers_turn(rig.base);
	assert_int_equal(fake_worker_told(worker(0), MESSAGE_DRAIN), 1);
}

/* -- what goes wrong --------------------------------------------------------------------- */

static void
one_that_gets_no_session_in_time_is_let_go(void **state)
{
	(void)state;
	spares_start(rig.spares);
	connect_worker(worker(0));
	pass(SPARES_CONNECT_MS + TURN_MS);
	assert_int_equal(fake_worker_told(worker(0), MESSAGE_DRAIN), 1);
}

static void
three_faults_in_a_row_stop_attempts_and_turn_callers_away(void **state)
{
	const char *why = "";

	(void)state;
	spares_start(rig.spares);
	take(0, model);
	for (size_t i = 0; i < 3; i++) {
		connect_worker(worker(i));
		voice_failed(worker(i), "server");
		fake_worker_dies(worker(i), "exited with status 4");
	}
	assert_false(spares_available(rig.spares, &why));
	assert_string_not_equal(why, "");
	timers_turn(rig.base);
	assert_int_equal(rig.callers[0].answers, 1);
	assert_null(rig.callers[0].worker);
	assert_string_equal(rig.callers[0].why, why);
	/* Whoever asks now is told at once. */
	take(1, model);
	assert_int_equal(rig.callers[1].answers, 1);
	assert_null(rig.callers[1].request);
}

static void
a_warm_one_is_for_who_calls_whatever_others_meet(void **state)
{
	(void)state;
	spares_start(rig.spares);
	warm(worker(0));
	warm(worker(1));
	spares_voice_failed(rig.spares, model, "rate_limit", "unit");
	assert_true(available());
	take(0, model);
	assert_ptr_equal(rig.callers[0].worker, worker(0));
	assert_false(available()); /* the last one is for a rescue */
	insist(1);
	assert_ptr_equal(rig.callers[1].worker, worker(1));
}

static void
a_warm_one_is_of_no_use_without_money(void **state)
{
	(void)state;
	spares_start(rig.spares);
	warm(worker(0));
	warm(worker(1));
	spares_voice_failed(rig.spares, model, "quota", "unit");
	assert_false(available());
}

static void
what_was_good_for_a_call_ends_the_waiting_after_others_died(void **state)
{
	size_t before;

	(void)state;
	spares_start(rig.spares);
	for (size_t i = 0; i < 8; i++) {
		fake_worker_dies(worker(fake_fleet.count - 1), "unit");
		pass(10000);
	}
	warm(worker(0));
	fake_worker_dies(worker(fake_fleet.count - 1), "unit");
	before = fake_fleet.count;
	pass(TURN_MS);
	assert_int_equal(fake_fleet.count, before); /* later */
	take(0, model);
	assert_non_null(rig.callers[0].worker);
	assert_int_equal(fake_fleet.count, before + 2);
}

static void
who_insists_outlasts_a_fault_that_may_pass(void **state)
{
	(void)state;
	spares_start(rig.spares);
	spares_voice_failed(rig.spares, model, "rate_limit", "unit");
	insist(0);
	fake_worker_dies(worker(0), "unit");
	fake_worker_dies(worker(1), "unit");
	pass(BREAKER_OPEN_RATE_LIMIT_MS / 2);
	assert_int_equal(rig.callers[0].answers, 0);
	assert_int_equal(fake_fleet.count, 2);
	pass(BREAKER_OPEN_RATE_LIMIT_MS);
	warm(worker(2));
	assert_ptr_equal(rig.callers[0].worker, worker(2));
	spares_voice_failed(rig.spares, model, "quota", "unit");
	insist(1);
	assert_int_equal(rig.callers[1].answers, 1);
	assert_null(rig.callers[1].worker);
}

static void
a_broken_key_means_one_attempt_a_minute(void **state)
{
	size_t before;

	(void)state;
	spares_start(rig.spares);
	connect_worker(worker(0));
	voice_failed(worker(0), "key");
	fake_worker_dies(worker(0), "exited with status 4");
	connect_worker(worker(1));
	voice_failed(worker(1), "key");
	fake_worker_dies(worker(1), "exited with status 4");
	before = fake_fleet.count;
	pass(BREAKER_OPEN_LASTING_MS - 2 * TURN_MS);
	assert_int_equal(fake_fleet.count, before);
	pass(3 * TURN_MS);
	assert_int_equal(fake_fleet.count, before + 1);
	pass(5000);
	assert_int_equal(fake_fleet.count, before + 1);
	warm(worker(before));
	assert_true(available());
	assert_int_equal(fake_fleet.count, before + 2);
}

static void
a_probe_that_dies_without_a_word_has_failed(void **state)
{
	size_t probe;

	(void)state;
	spares_start(rig.spares);
	connect_worker(worker(0));
	voice_failed(worker(0), "quota");
	fake_worker_dies(worker(0), "exited with status 4");
	fake_worker_dies(worker(1), "killed by signal 9");
	pass(BREAKER_OPEN_LASTING_MS);
	probe = fake_fleet.count - 1;
	fake_worker_says(worker(probe), MESSAGE_HELLO, NULL);
	fake_worker_dies(worker(probe), "killed by signal 11");
	pass(BREAKER_OPEN_MAX_MS + 2 * TURN_MS);
	assert_int_equal(fake_fleet.count, probe + 2);
}

static void
a_probe_that_cannot_be_started_does_not_end_all_attempts(void **state)
{
	(void)state;
	spares_start(rig.spares);
	connect_worker(worker(0));
	voice_failed(worker(0), "quota");
	fake_worker_dies(worker(0), "exited with status 4");
	fake_worker_dies(worker(1), "killed by signal 9");
	fake_fleet.spawn_fails = true;
	pass(BREAKER_OPEN_LASTING_MS);
	fake_fleet.spawn_fails = false;
	pass(2 * BREAKER_OPEN_MAX_MS);
	assert_int_equal(fake_fleet.count, 3);
	warm(worker(2));
	assert_true(available());
}

static void
without_spares_the_service_still_finds_out_that_it_works_again(void **state)
{
	(void)state;
	spares_start(rig.spares);
	take(0, model);
	connect_worker(worker(0));
	voice_failed(worker(0), "key");
	fake_worker_dies(worker(0), "exited with status 4");
	assert_int_equal(rig.callers[0].answers, 1);
	pass(BREAKER_OPEN_LASTING_MS + 2 * TURN_MS);
	assert_int_equal(fake_fleet.count, 2);
	warm(worker(1));
	assert_true(available());
}

/* Until a new one is started, in milliseconds. */
static uint64_t
pause_before_the_next(void)
{
	uint64_t begin_ms = fake_now_ms;
	size_t before = fake_fleet.count;

	while (fake_fleet.count == before)
		pass(TURN_MS);
	return fake_now_ms - begin_ms;
}

static void
early_deaths_are_followed_by_longer_and_longer_pauses(void **state)
{
	uint64_t last_ms = 0;

	(void)state;
	spares_start(rig.spares);
	for (int i = 0; i < 12; i++) {
		uint64_t pause_ms;

		fake_worker_dies(
		    worker(fake_fleet.count - 1), "exited with status 1");
		pause_ms = pause_before_the_next();
		assert_true(pause_ms >= last_ms);
		last_ms = pause_ms;
	}
	assert_int_equal(last_ms, 10000);
}

static void
sessions_that_are_dropped_as_soon_as_they_are_up_make_no_storm(void **state)
{
	size_t i = 0;

	(void)state;
	spares_start(rig.spares);
	for (int s = 0; s < 60; s++) {
		for (; i < fake_fleet.count; i++) {
			warm(worker(i));
			voice_failed(worker(i), "closed");
			fake_worker_dies(worker(i), "exited with status 4");
		}
		pass(1000);
	}
	assert_true(fake_fleet.count < 30);
}

static void
one_that_was_told_to_go_is_followed_at_once(void **state)
{
	(void)state;
	spares_start(rig.spares);
	warm(worker(0));
	warm(worker(1));
	spares_reload(rig.spares);
	assert_int_equal(fake_worker_told(worker(0), MESSAGE_DRAIN), 1);
	assert_int_equal(fake_worker_told(worker(1), MESSAGE_DRAIN), 1);
	assert_int_equal(fake_fleet.count, 4);
	voice_failed(worker(0), "network"); /* its socket, as it goes */
	voice_failed(worker(1), "network");
	fake_worker_dies(worker(0), "exited with status 0");
	fake_worker_dies(worker(1), "exited with status 0");
	assert_int_equal(fake_fleet.count, 4);
	/* And a successor's death is the first, not the third. */
	connect_worker(worker(2));
	voice_failed(worker(2), "network");
	assert_true(available());
}

static void
a_name_that_cannot_be_resolved_is_a_fault_of_the_network(void **state)
{
	(void)state;
	spares_start(rig.spares);
	for (size_t i = 0; i < 3; i++) {
		fake_worker_says(worker(i), MESSAGE_HELLO, NULL);
		resolve(-ENOENT);
		assert_int_equal(fake_worker_told(worker(i), MESSAGE_DRAIN), 1);
		timers_turn(rig.base);
	}
	assert_false(available());
}

static void
one_that_dies_while_its_name_is_looked_up_is_not_called_back(void **state)
{
	(void)state;
	spares_start(rig.spares);
	fake_worker_says(worker(0), MESSAGE_HELLO, NULL);
	assert_non_null(lookup.fn);
	fake_worker_dies(worker(0), "killed by signal 9");
	assert_null(lookup.fn);
}

static void
a_resolver_that_cannot_even_be_asked_is_survived(void **state)
{
	(void)state;
	rig.resolver_fails = true;
	spares_start(rig.spares);
	fake_worker_says(worker(0), MESSAGE_HELLO, NULL);
	assert_int_equal(fake_worker_told(worker(0), MESSAGE_DRAIN), 1);
}

static void
a_worker_that_is_already_ending_gets_a_signal_instead(void **state)
{
	(void)state;
	spares_start(rig.spares);
	warm(worker(0));
	worker(0)->deaf = true;
	spares_reload(rig.spares);
	assert_int_equal(worker(0)->killed, SIGTERM);
}

static void
faults_of_calls_count_too(void **state)
{
	(void)state;
	spares_start(rig.spares);
	spares_voice_failed(rig.spares, model, "no such fault", "");
	spares_voice_failed(rig.spares, model, "content", "");
	assert_true(available());
	spares_voice_failed(rig.spares, model, "quota", "");
	assert_false(available());
}

/* One persona's wrong model is not everybody's outage. */
static void
a_refused_model_turns_away_only_its_own_callers(void **state)
{
	size_t of_model;

	(void)state;
	spares_start(rig.spares);
	warm(worker(0));
	of_model = fake_fleet.count;
	take(0, "gpt-forbidden");
	take(1, "gpt-forbidden");
	connect_worker(worker(of_model));
	voice_failed(worker(of_model), "model");
	fake_worker_dies(worker(of_model), "exited with status 4");
	timers_turn(rig.base);
	assert_int_equal(rig.callers[0].answers, 1);
	assert_null(rig.callers[0].worker);
	assert_int_equal(rig.callers[1].answers, 1);
	assert_true(available());
	take(2, "gpt-forbidden"); /* told at once */
	assert_int_equal(rig.callers[2].answers, 1);
	assert_null(rig.callers[2].worker);
	take(3, model);
	assert_ptr_equal(rig.callers[3].worker, worker(0));
}

/* … and later one of its callers finds out that it works now. */
static void
a_refused_model_is_tried_again_after_a_while(void **state)
{
	size_t before;

	(void)state;
	rig.config.warm_workers = 0;
	spares_start(rig.spares);
	take(0, "gpt-forbidden");
	connect_worker(worker(0));
	voice_failed(worker(0), "model");
	fake_worker_dies(worker(0), "exited with status 4");
	pass(BREAKER_OPEN_LASTING_MS);
	before = fake_fleet.count;
	take(1, "gpt-forbidden");
	assert_int_equal(rig.callers[1].answers, 0);
	assert_int_equal(fake_fleet.count, before + 1);
	warm(worker(before));
	assert_ptr_equal(rig.callers[1].worker, worker(before));
}

static void
stopping_lets_all_go_and_turns_everybody_away(void **state)
{
	const char *why;

	(void)state;
	spares_start(rig.spares);
	warm(worker(0));
	take(0, "gpt-other");
	spares_stop(rig.spares);
	assert_int_equal(fake_worker_told(worker(0), MESSAGE_DRAIN), 1);
	assert_int_equal(rig.callers[0].answers, 1);
	assert_null(rig.callers[0].worker);
	assert_false(spares_available(rig.spares, &why));
	assert_string_equal(why, "the service is stopping");
	for (size_t i = 0; i < 3; i++)
		fake_worker_dies(worker(i), "exited with status 0");
	pass(5000);
	assert_int_equal(fake_fleet.count, 3);
}

/* The keeper says that it could not; PID 0 is how the fleet passes it on. */
static void
not_started(struct worker *w)
{
	w->pid = 0;
	fake_worker_dies(w, "could not be started: unit");
}

static void
who_needs_a_process_that_cannot_be_started_does_not_wait(void **state)
{
	(void)state;
	spares_start(rig.spares);
	take(0, model);
	assert_int_equal(fake_fleet.count, 1);
	not_started(worker(0));
	pass(TURN_MS);
	assert_int_equal(rig.callers[0].answers, 1);
	assert_null(rig.callers[0].worker);
	assert_string_equal(rig.callers[0].why, "no process can be started");
	/* Nobody waits, nobody tries; the next one tries at once. */
	pass(5000);
	assert_int_equal(fake_fleet.count, 1);
	take(1, model);
	assert_int_equal(fake_fleet.count, 2);
	warm(worker(1));
	assert_ptr_equal(rig.callers[1].worker, worker(1));
}

static void
who_insists_is_tried_for_until_there_is_a_process(void **state)
{
	(void)state;
	spares_start(rig.spares);
	insist(0);
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(fake_fleet.count, i + 1);
		not_started(worker(i));
		pass(TURN_MS);
	}
	assert_int_equal(rig.callers[0].answers, 0);
	warm(worker(8));
	assert_ptr_equal(rig.callers[0].worker, worker(8));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define BARE(name)                                                             \
	cmocka_unit_test_setup_teardown(name, setup_without_spares, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(as_many_as_wanted_are_made_and_told_what_to_connect_to),
	    TEST(a_warm_one_is_handed_over_at_once_and_replaced),
	    TEST(callers_that_wait_are_served_in_order),
	    TEST(one_who_no_longer_waits_is_not_called),
	    TEST(another_model_gets_a_worker_of_its_own),
	    BARE(without_spares_a_worker_is_made_for_each_caller),
	    TEST(an_old_one_goes_when_its_successor_is_warm),
	    TEST(an_old_one_goes_in_the_end_even_without_a_successor),
	    TEST(one_that_gets_no_session_in_time_is_let_go),
	    TEST(three_faults_in_a_row_stop_attempts_and_turn_callers_away),
	    TEST(a_warm_one_is_for_who_calls_whatever_others_meet),
	    TEST(a_warm_one_is_of_no_use_without_money),
	    TEST(what_was_good_for_a_call_ends_the_waiting_after_others_died),
	    TEST(who_insists_outlasts_a_fault_that_may_pass),
	    TEST(a_broken_key_means_one_attempt_a_minute),
	    TEST(a_probe_that_dies_without_a_word_has_failed),
	    TEST(a_probe_that_cannot_be_started_does_not_end_all_attempts),
	    BARE(
		without_spares_the_service_still_finds_out_that_it_works_again),
	    TEST(early_deaths_are_followed_by_longer_and_longer_pauses),
	    TEST(
		sessions_that_are_dropped_as_soon_as_they_are_up_make_no_storm),
	    TEST(one_that_was_told_to_go_is_followed_at_once),
	    TEST(a_name_that_cannot_be_resolved_is_a_fault_of_the_network),
	    TEST(one_that_dies_while_its_name_is_looked_up_is_not_called_back),
	    TEST(a_resolver_that_cannot_even_be_asked_is_survived),
	    TEST(a_worker_that_is_already_ending_gets_a_signal_instead),
	    TEST(faults_of_calls_count_too),
	    TEST(a_refused_model_turns_away_only_its_own_callers),
	    TEST(a_refused_model_is_tried_again_after_a_while),
	    TEST(stopping_lets_all_go_and_turns_everybody_away),
	    BARE(who_needs_a_process_that_cannot_be_started_does_not_wait),
	    BARE(who_insists_is_tried_for_until_there_is_a_process),
	};

	log_init("unit", (enum log_level)0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
