/* SPDX-License-Identifier: MIT */
/* test_toolworkers.c – the pool of toolworkers between fleet and queue. */
#include "supervisor/toolworkers.h"

#include "common/config.h"
#include "common/log.h"
#include "supervisor/call.h"
#include "supervisor/calls.h"
#include "supervisor/tool_fan.h"
#include "supervisor/tool_queue.h"
#include "supervisor/tools.h"
#include "tests/unit/fake_clock.h"
#include "tests/unit/fake_fleet.h"
#include "tests/unit/timers.h"

enum {
	COUNT = 3,
	JOBS = 5,
};

static struct {
	struct config config;
	struct event_base *base;
	struct toolworkers *pool;
	struct calls *calls; /* only its address matters */

	/* The queue: what it was told, and what it was given to work with. */
	struct tool_queue_config queue;
	struct tool_fan_config fan;
	struct worker *expected;
	size_t heard;
	size_t ticks;
	struct worker *draining;
	struct worker *gone;
	size_t gone_count;
	bool queue_fails;

	/* The one call that there is. */
	size_t told;
} rig;

static const struct tool tool = {.name = "consultar",
    .action = "",
    .deadline_ms = 60000,
    .timeout_argument = "timeout",
    .read_only = true,
    .exclusive = true,
    .cache_s = 7,
    .stale = "hace {seconds} s",
    .target = "router",
    .target_limit = 3,
    .available = true};
static const struct tool broken = {
    .name = "rota", .action = "", .available = false};

static const struct tool transfer = {
    .name = "transferir", .action = "transfer", .available = true};
static const struct tool hangup = {
    .name = "terminar", .action = "hangup", .available = true};

/* -- the rooms around --------------------------------------------------------------- */

struct call *
calls_find(struct calls *calls, const char *id)
{
	(void)calls;
	return strcmp(id, "17.4") == 0 ? (struct call *)(void *)&rig : NULL;
}

const struct tools *
call_tools(const struct call *call)
{
	return (const struct tools *)(const void *)call;
}

int
call_send_tool(struct call *call, enum message_type type, cJSON *body)
{
	(void)call;
	assert_int_equal(type, MESSAGE_TOOL_RESULT);
	cJSON_Delete(body);
	rig.told++;
	return 0;
}

enum tool_status
call_transfer(struct call *call, const char *job, const cJSON *settings,
    const cJSON *arguments, char *detail, size_t size)
{
	(void)call;
	(void)settings;
	(void)arguments;
	snprintf(detail, size, "%s", job);
	return TOOL_STATUS_INVALID_ARGUMENTS;
}

void
call_transfer_cancel(struct call *call, const char *job)
{
	(void)call;
	assert_string_equal(job, "17.4/a");
	rig.told++;
}

enum tool_status
call_access_start(struct call *call, const char *job, const cJSON *settings,
    const cJSON *arguments, char *detail, size_t size)
{
	(void)call;
	(void)job;
	(void)settings;
	(void)arguments;
	(void)detail;
	(void)size;
	fail_msg("no tool of this test is of type access");
	return TOOL_STATUS_INTERNAL;
}

void
call_access_cancel(struct call *call, const char *job)
{
	(void)call;
	assert_string_equal(job, "17.4/a");
}

cJSON *
call_access_describe(const struct call *call)
{
	(void)call;
	return NULL;
}

const struct tool *
tools_find(const struct tools *tools, const char *name)
{
	(void)tools;
	if (strcmp(name, broken.name) == 0)
		return &broken;
	if (strcmp(name, transfer.name) == 0)
		return &transfer;
	if (strcmp(name, hangup.name) == 0)
		return &hangup;
	return strcmp(name, tool.name) == 0 ? &tool : NULL;
}

int
tool_fan_new(struct tool_fan **fan_out, const struct tool_fan_config *config)
{
	assert_ptr_equal(config->queue, &rig.queue);
	*fan_out = (struct tool_fan *)(void *)&rig.fan;
	rig.fan = *config;
	return 0;
}

void
tool_fan_free(struct tool_fan **fan)
{
	*fan = NULL;
}

void
tool_fan_on_part(struct tool_fan *fan, const char *party, const char *id,
    enum tool_status status, const char *detail, uint64_t age_ms)
{
	assert_ptr_equal(fan, &rig.fan);
	assert_string_equal(party, "fan/1");
	assert_string_equal(id, "Guamal");
	assert_string_equal(detail, "{}");
	assert_int_equal(status, TOOL_STATUS_OK);
	assert_int_equal(age_ms, 5);
	rig.told++;
}

int
tool_queue_new(
    struct tool_queue **queue_out, const struct tool_queue_config *config)
{
	if (rig.queue_fails)
		return -ENOMEM;
	rig.queue = *config;
	*queue_out = (struct tool_queue *)(void *)&rig.queue;
	return 0;
}

void
tool_queue_expect(struct tool_queue *queue, struct worker *worker)
{
	(void)queue;
	rig.expected = worker;
}

void
tool_queue_free(struct tool_queue **queue)
{
	*queue = NULL;
}

void
tool_queue_on_worker(struct tool_queue *queue, struct worker *worker,
    enum message_type type, const cJSON *body)
{
	(void)queue;
	(void)worker;
	(void)type;
	(void)body;
	rig.heard++;
}

void
tool_queue_worker_drain(struct tool_queue *queue, struct worker *worker)
{
	(void)queue;
	rig.draining = worker;
}

void
tool_queue_worker_gone(struct tool_queue *queue, struct worker *worker)
{
	(void)queue;
	rig.gone = worker;
	rig.gone_count++;
}

void
tool_queue_tick(struct tool_queue *queue)
{
	(void)queue;
	rig.ticks++;
}

static int
setup(void **state)
{
	(void)state;
	memset(&rig, 0, sizeof(rig));
	fake_fleet_reset();
	fake_now_ms += 1000000;
	rig.base = event_base_new();
	rig.config.tool_workers = 1;
	rig.config.tool_worker_jobs = JOBS;
	return toolworkers_new(
	    &rig.pool, rig.base, NULL, &rig.calls, NULL, NULL, &rig.config);
}

static int
teardown(void **state)
{
	(void)state;
	toolworkers_free(&rig.pool);
	event_base_free(rig.base);
	fake_fleet_reset();
	return 0;
}

static struct worker *
worker(size_t i)
{
	assert_true(i < fake_fleet.count);
	return &fake_fleet.workers[i];
}

/* -- tests --------------------------------------------------------------------------- */

static void
as_many_as_configured_run_and_no_more(void **state)
{
	(void)state;
	rig.config.tool_workers = COUNT;
	assert_int_equal(fake_fleet.count, 0);
	toolworkers_start(rig.pool);
	assert_int_equal(fake_fleet.count, COUNT);
	assert_int_equal(worker(0)->role, PROC_ROLE_TOOLWORKER);
	toolworkers_start(rig.pool);
	timers_expire(rig.base);
	assert_int_equal(fake_fleet.count, COUNT);
	/* Another size holds from the next reload on. */
	rig.config.tool_workers = 1;
	toolworkers_reload(rig.pool);
	assert_int_equal(fake_fleet.count, COUNT + 1);
}

static void
what_a_worker_says_reaches_the_queue(void **state)
{
	(void)state;
	toolworkers_start(rig.pool);
	fake_worker_says(worker(0), MESSAGE_HELLO, NULL);
	fake_worker_says(worker(0), MESSAGE_JOB_RESULT, NULL);
	assert_int_equal(rig.heard, 2);
}

static void
the_queue_hears_of_a_death_once_and_a_new_one_is_started_later(void **state)
{
	(void)state;
	toolworkers_start(rig.pool);
	fake_worker_dies(worker(0), "killed by signal 9");
	assert_ptr_equal(rig.gone, worker(0));
	assert_int_equal(rig.gone_count, 1);
	assert_int_equal(fake_fleet.count, 1); /* not in the same breath */
	timers_expire(rig.base);
	assert_int_equal(fake_fleet.count, 2);
}

static size_t
asked_for_health(void)
{
	size_t n = 0;

	for (size_t i = 0; i < fake_fleet.count; i++)
		n += fake_worker_told(worker(i), MESSAGE_HEALTH);
	return n;
}

static void
the_service_is_asked_once_unless_who_asks_dies(void **state)
{
	cJSON *known;

	(void)state;
	rig.config.tool_workers = COUNT;
	toolworkers_start(rig.pool);
	for (size_t i = 0; i < COUNT; i++)
		fake_worker_says(worker(i), MESSAGE_HELLO, NULL);
	assert_int_equal(fake_worker_told(worker(0), MESSAGE_HEALTH), 1);
	assert_int_equal(asked_for_health(), 1);
	fake_now_ms += 1000;
	fake_worker_dies(worker(0), "killed by signal 9");
	assert_int_equal(fake_worker_told(worker(1), MESSAGE_HEALTH), 1);
	assert_int_equal(asked_for_health(), 2);
	/* It has said so; another never had to. */
	known = cJSON_CreateObject();
	cJSON_AddStringToObject(known, "why", "health");
	fake_worker_says(worker(1), MESSAGE_STATE, known);
	fake_worker_dies(worker(1), "killed by signal 9");
	fake_worker_dies(worker(2), "killed by signal 9");
	assert_int_equal(asked_for_health(), 2);
}

static void
a_service_that_kills_who_asks_is_not_asked_for_ever(void **state)
{
	(void)state;
	toolworkers_start(rig.pool);
	for (size_t i = 0; i < 8; i++) {
		fake_worker_says(worker(i), MESSAGE_HELLO, NULL);
		fake_worker_dies(worker(i), "killed by signal 11");
		timers_expire(rig.base);
	}
	assert_int_equal(asked_for_health(), 4);
}

static void
many_deaths_are_made_good_together_and_none_puts_it_off(void **state)
{
	(void)state;
	rig.config.tool_workers = COUNT;
	toolworkers_start(rig.pool);
	for (size_t i = 0; i < COUNT; i++)
		fake_worker_says(worker(i), MESSAGE_HELLO, NULL);
	for (size_t i = 0; i < COUNT; i++)
		fake_worker_dies(worker(i), "killed by signal 9");
	assert_int_equal(rig.gone_count, COUNT);
	timers_expire(rig.base);
	assert_int_equal(fake_fleet.count, 2 * COUNT);
}

static void
give_jobs(struct worker *to, int count)
{
	for (int i = 0; i < count; i++)
		assert_int_equal(rig.queue.send_worker(to, MESSAGE_JOB_RUN,
				     cJSON_CreateObject(), rig.queue.arg),
		    0);
	timers_settle(rig.base);
}

static void
one_that_has_run_its_jobs_goes_when_another_is_up(void **state)
{
	(void)state;
	toolworkers_start(rig.pool);
	fake_worker_says(worker(0), MESSAGE_HELLO, NULL);
	give_jobs(worker(0), JOBS - 1);
	assert_int_equal(fake_fleet.count, 1);
	give_jobs(worker(0), 1);
	assert_int_equal(fake_fleet.count, 2);
	assert_int_equal(fake_worker_told(worker(0), MESSAGE_DRAIN), 0);
	give_jobs(worker(0), 1); /* it still works */
	/* A successor that never comes up changes nothing. */
	fake_worker_dies(worker(1), "killed by signal 9");
	timers_expire(rig.base);
	assert_int_equal(fake_fleet.count, 3);
	assert_int_equal(fake_worker_told(worker(0), MESSAGE_DRAIN), 0);
	fake_worker_says(worker(2), MESSAGE_HELLO, NULL);
	fake_worker_says(worker(2), MESSAGE_HEARTBEAT, NULL);
	assert_int_equal(fake_worker_told(worker(0), MESSAGE_DRAIN), 1);
	assert_ptr_equal(rig.draining, worker(0));
	fake_worker_dies(worker(0), "exited with status 0");
	timers_expire(rig.base);
	assert_int_equal(fake_fleet.count, 3);
	assert_int_equal(fake_worker_told(worker(2), MESSAGE_DRAIN), 0);
}

static void
one_that_cannot_be_started_is_tried_again(void **state)
{
	(void)state;
	fake_fleet.spawn_fails = true;
	toolworkers_start(rig.pool);
	timers_expire(rig.base);
	timers_expire(rig.base);
	assert_int_equal(fake_fleet.count, 0);
	fake_fleet.spawn_fails = false;
	timers_expire(rig.base);
	assert_int_equal(fake_fleet.count, 1);
}

static void
a_reload_replaces_them_and_waits_for_their_jobs(void **state)
{
	(void)state;
	toolworkers_start(rig.pool);
	toolworkers_reload(rig.pool);
	assert_ptr_equal(rig.draining, worker(0));
	assert_int_equal(fake_worker_told(worker(0), MESSAGE_DRAIN), 1);
	assert_int_equal(fake_fleet.count, 2);
	assert_int_equal(worker(0)->killed, 0);
	/* A second one does not drain it twice. */
	toolworkers_reload(rig.pool);
	assert_int_equal(fake_worker_told(worker(0), MESSAGE_DRAIN), 1);
	/* It leaves and nobody follows: its successor is there already. */
	fake_worker_dies(worker(0), "exited with status 0");
	timers_expire(rig.base);
	assert_int_equal(fake_fleet.count, 3);
	assert_int_equal(rig.gone_count, 1);
}

static void
one_that_cannot_be_told_to_drain_gets_a_signal(void **state)
{
	(void)state;
	toolworkers_start(rig.pool);
	worker(0)->deaf = true;
	toolworkers_reload(rig.pool);
	assert_int_equal(worker(0)->killed, SIGTERM);
}

static void
after_a_stop_none_is_started(void **state)
{
	(void)state;
	toolworkers_start(rig.pool);
	toolworkers_stop(rig.pool);
	assert_int_equal(fake_worker_told(worker(0), MESSAGE_DRAIN), 1);
	fake_worker_dies(worker(0), "exited with status 0");
	timers_expire(rig.base);
	toolworkers_reload(rig.pool);
	assert_int_equal(fake_fleet.count, 1);
}

static void
one_of_a_predecessor_is_asked_what_it_does_and_counts(void **state)
{
	static const struct worker_owner nobody = {0};
	struct worker *old = fake_fleet_worker(PROC_ROLE_TOOLWORKER);

	(void)state;
	worker_set_owner(old, &nobody);
	toolworkers_adopt(rig.pool, old);
	assert_ptr_equal(rig.expected, old);
	assert_int_equal(fake_worker_told(old, MESSAGE_SYNC), 1);
	toolworkers_start(rig.pool);
	assert_int_equal(fake_fleet.count, 1);
	fake_worker_says(old, MESSAGE_STATE, NULL);
	assert_int_equal(rig.heard, 1);
	fake_worker_dies(old, "killed by signal 9");
	assert_ptr_equal(rig.gone, old);
}

/* Else all jobs would wait for what it says, for ever. */
static void
one_of_a_predecessor_that_cannot_be_asked_is_ended(void **state)
{
	static const struct worker_owner nobody = {0};
	struct worker *old = fake_fleet_worker(PROC_ROLE_TOOLWORKER);

	(void)state;
	worker_set_owner(old, &nobody);
	old->deaf = true;
	toolworkers_adopt(rig.pool, old);
	assert_ptr_equal(rig.expected, old);
	assert_int_equal(old->killed, SIGKILL);
	fake_worker_dies(old, "killed by signal 9");
	assert_ptr_equal(rig.gone, old);
}

static void
the_queue_finds_the_tools_that_the_call_was_offered(void **state)
{
	struct tool_queue_tool found;

	(void)state;
	assert_int_equal(
	    rig.queue.find_tool("17.4", "consultar", &found, rig.queue.arg), 0);
	assert_int_equal(found.deadline_ms, 60000);
	assert_string_equal(found.timeout_argument, "timeout");
	assert_true(found.read_only);
	assert_true(found.exclusive);
	assert_int_equal(found.cache_s, 7);
	assert_string_equal(found.stale, "hace {seconds} s");
	assert_string_equal(found.target, "router");
	assert_int_equal(found.target_limit, 3);
	assert_int_equal(
	    rig.queue.find_tool("17.4", "rota", &found, rig.queue.arg),
	    -ENOENT);
	assert_int_equal(
	    rig.queue.find_tool("17.4", "otra", &found, rig.queue.arg),
	    -ENOENT);
	assert_int_equal(
	    rig.queue.find_tool("17.5", "consultar", &found, rig.queue.arg),
	    -ENOENT);
}

static void
what_happens_to_a_call_is_the_calls_own(void **state)
{
	char detail[TOOL_QUEUE_DETAIL_SIZE];
	struct tool_queue_tool found;

	(void)state;
	assert_int_equal(
	    rig.queue.find_tool("17.4", "transferir", &found, rig.queue.arg),
	    0);
	assert_true(found.local);
	assert_int_equal(
	    rig.queue.find_tool("17.4", "consultar", &found, rig.queue.arg), 0);
	assert_false(found.local);
	/* The callworker does that one without asking. */
	assert_int_equal(
	    rig.queue.find_tool("17.4", "terminar", &found, rig.queue.arg),
	    -ENOENT);
	assert_int_equal(rig.queue.start_local("17.4", "17.4/a", NULL, NULL,
			     detail, rig.queue.arg),
	    TOOL_STATUS_INVALID_ARGUMENTS);
	assert_string_equal(detail, "17.4/a");
	rig.queue.cancel_local("17.4", "17.4/a", rig.queue.arg);
	assert_int_equal(rig.told, 1);
	assert_int_equal(rig.queue.start_local("17.5", "17.5/a", NULL, NULL,
			     detail, rig.queue.arg),
	    TOOL_STATUS_LOST);
	rig.queue.cancel_local("17.5", "17.4/a", rig.queue.arg);
	assert_int_equal(rig.told, 1);
}

static void
parts_of_questions_go_to_the_fan_that_sees_the_same_tools(void **state)
{
	(void)state;
	rig.queue.part_done(
	    "fan/1", "Guamal", TOOL_STATUS_OK, "{}", 5, rig.queue.arg);
	assert_int_equal(rig.told, 1);
	assert_ptr_equal(
	    rig.fan.find_tool("17.4", "consultar", rig.fan.arg), &tool);
	assert_null(rig.fan.find_tool("17.4", "rota", rig.fan.arg));
	assert_null(rig.fan.find_tool("17.5", "consultar", rig.fan.arg));
}

static void
answers_go_to_the_call_if_it_is_still_there(void **state)
{
	(void)state;
	assert_int_equal(rig.queue.send_call("17.4", MESSAGE_TOOL_RESULT,
			     cJSON_CreateObject(), rig.queue.arg),
	    0);
	assert_int_equal(rig.told, 1);
	assert_int_equal(rig.queue.send_call("17.5", MESSAGE_TOOL_RESULT,
			     cJSON_CreateObject(), rig.queue.arg),
	    -ENOENT);
}

static void
a_worker_that_is_stuck_is_killed(void **state)
{
	(void)state;
	toolworkers_start(rig.pool);
	rig.queue.worker_stuck(worker(0), rig.queue.arg);
	assert_int_equal(worker(0)->killed, SIGKILL);
}

static void
the_queue_is_woken_when_it_asked_to_be(void **state)
{
	(void)state;
	rig.queue.arm(60000, rig.queue.arg);
	timers_expire(rig.base);
	assert_int_equal(rig.ticks, 1);
	rig.queue.arm(60000, rig.queue.arg);
	rig.queue.arm(UINT64_MAX, rig.queue.arg);
	timers_expire(rig.base);
	assert_int_equal(rig.ticks, 1);
	rig.queue.arm(0, rig.queue.arg);
	while (rig.ticks < 2)
		event_base_loop(rig.base, EVLOOP_ONCE);
}

static void
without_memory_for_the_queue_there_is_no_pool(void **state)
{
	struct toolworkers *pool = NULL;

	(void)state;
	rig.queue_fails = true;
	assert_int_equal(toolworkers_new(&pool, rig.base, NULL, &rig.calls,
			     NULL, NULL, &rig.config),
	    -ENOMEM);
	assert_null(pool);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(as_many_as_configured_run_and_no_more),
	    TEST(what_a_worker_says_reaches_the_queue),
	    TEST(
		the_queue_hears_of_a_death_once_and_a_new_one_is_started_later),
	    TEST(the_service_is_asked_once_unless_who_asks_dies),
	    TEST(a_service_that_kills_who_asks_is_not_asked_for_ever),
	    TEST(many_deaths_are_made_good_together_and_none_puts_it_off),
	    TEST(one_that_has_run_its_jobs_goes_when_another_is_up),
	    TEST(one_that_cannot_be_started_is_tried_again),
	    TEST(a_reload_replaces_them_and_waits_for_their_jobs),
	    TEST(one_that_cannot_be_told_to_drain_gets_a_signal),
	    TEST(after_a_stop_none_is_started),
	    TEST(one_of_a_predecessor_is_asked_what_it_does_and_counts),
	    TEST(one_of_a_predecessor_that_cannot_be_asked_is_ended),
	    TEST(the_queue_finds_the_tools_that_the_call_was_offered),
	    TEST(parts_of_questions_go_to_the_fan_that_sees_the_same_tools),
	    TEST(what_happens_to_a_call_is_the_calls_own),
	    TEST(answers_go_to_the_call_if_it_is_still_there),
	    TEST(a_worker_that_is_stuck_is_killed),
	    TEST(the_queue_is_woken_when_it_asked_to_be),
	    TEST(without_memory_for_the_queue_there_is_no_pool),
	};

	log_init("unit", (enum log_level)0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
