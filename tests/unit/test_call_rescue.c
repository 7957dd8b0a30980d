/* SPDX-License-Identifier: MIT */
/* test_call_rescue.c – a caller is heard, and his worker dies. */
#include "common/journal.h"
#include "common/playout_ring.h"
#include "common/uplink_memory.h"
#include "supervisor/call_impl.h"
#include "tests/unit/call_steps.h"

#include <fcntl.h>

static int
told_fd(const struct worker *worker, size_t i)
{
	return worker->told_fds[i];
}

/* Its caller is heard; another worker is at hand unless WARM is 0. */
static struct worker *
talk(size_t warm)
{
	set_up(STEPS);
	world.warm = warm;
	return world_worker();
}

static void
another_goes_on_at_once_with_the_same_descriptors(void **state)
{
	struct worker *first = talk(1), *second;
	int fds[MESSAGE_FDS_MAX];
	const cJSON *body;

	(void)state;
	for (size_t i = 0; i < MESSAGE_FDS_MAX; i++)
		fds[i] = told_fd(first, i);
	fake_now_ms += 42000;
	fake_worker_dies(first, "killed by signal 9");
	second = world_worker();
	assert_ptr_not_equal(first, second);
	assert_int_equal(world_state(ID), CALL_TALKING);
	for (size_t i = 0; i < MESSAGE_FDS_MAX; i++)
		assert_int_equal(told_fd(second, i), fds[i]);
	body = fake_worker_heard(second, MESSAGE_CALL_ASSIGN);
	assert_int_equal(json_int(body, "resumes", 0), 1);
	assert_int_equal(json_int(body, "talking_ms", 0), 42000);
	assert_string_equal(json_string(body, "leaving"), "");
	body = fake_worker_heard(second, MESSAGE_MEDIA);
	assert_string_equal(json_string(body, "address"), "127.0.0.1");
	assert_int_equal(json_int(body, "port", 0), 12345);
	/* Nothing was asked of Asterisk, and no question was withdrawn. */
	assert_int_equal(fake_ari_unanswered(), 0);
	assert_int_equal(world.tool_ends, 0);
	/* The keeper let go of the dead one's when it held the other's. */
	assert_string_equal(second->held_call, ID);
	assert_int_equal(fake_fleet.released, 1);
}

static void
twice_in_thirty_seconds_is_the_calls_own_fault(void **state)
{
	(void)state;
	fake_worker_dies(talk(2), "killed by signal 11");
	fake_now_ms += 29999;
	fake_worker_dies(world_worker(), "killed by signal 11");
	assert_went_to_fallback();
	assert_int_equal(fake_fleet.released, 2);
	assert_true(world.tool_ends > 0);
}

static void
later_it_is_another_misfortune(void **state)
{
	(void)state;
	talk(3);
	for (int i = 1; i <= 3; i++) {
		fake_worker_dies(world_worker(), "killed by signal 9");
		assert_int_equal(world_state(ID), CALL_TALKING);
		assert_int_equal(json_int(fake_worker_heard(world_worker(),
					      MESSAGE_CALL_ASSIGN),
				     "resumes", 0),
		    i);
		fake_now_ms += 31000;
	}
}

static void
a_successor_without_a_voice_is_replaced_too(void **state)
{
	cJSON *body = cJSON_CreateObject();

	(void)state;
	fake_worker_dies(talk(2), "killed by signal 9");
	json_add_string(body, "fault", "server");
	fake_worker_says(world_worker(), MESSAGE_VOICE_FAILED, body);
	assert_int_equal(world_worker()->killed, SIGKILL);
	assert_int_equal(world_state(ID), CALL_TALKING);
	fake_worker_dies(world_worker(), "killed by signal 9");
	assert_int_equal(world_state(ID), CALL_TALKING);
	assert_int_equal(
	    json_int(fake_worker_heard(world_worker(), MESSAGE_CALL_ASSIGN),
		"resumes", 0),
	    2);
}

/* Two successors die: the first for want of a voice; NO_VOICE: so both. */
static void
lose_voices(bool no_voice)
{
	fake_worker_dies(talk(3), "killed by signal 9");
	for (int i = 0; i < 2; i++) {
		cJSON *body = cJSON_CreateObject();

		assert_int_equal(world_state(ID), CALL_TALKING);
		json_add_string(body, "fault", "server");
		if (i == 0 || no_voice)
			fake_worker_says(
			    world_worker(), MESSAGE_VOICE_FAILED, body);
		else
			cJSON_Delete(body);
		fake_worker_dies(world_worker(), "killed by signal 9");
	}
}

static void
but_not_twice(void **state)
{
	(void)state;
	lose_voices(true);
	assert_went_to_fallback();
}

static void
nor_if_the_next_one_dies_of_the_call(void **state)
{
	(void)state;
	lose_voices(false);
	assert_went_to_fallback();
}

/* What it is told is as it was, whatever the folder of personas has now. */
static void
a_persona_that_is_gone_goes_on(void **state)
{
	struct worker *worker = talk(1);
	const cJSON *body;

	(void)state;
	world.no_persona = true;
	strcpy(world.model, "gpt-realtime-mini");
	fake_worker_dies(worker, "killed by signal 9");
	assert_int_equal(world_state(ID), CALL_TALKING);
	assert_string_equal(world.model_asked, "gpt-realtime");
	body = fake_worker_heard(world_worker(), MESSAGE_CALL_ASSIGN);
	assert_string_equal(json_string(body, "persona"), "soporte");
}

static void
without_a_spare_the_next_one_is_waited_for(void **state)
{
	struct worker *second;

	(void)state;
	fake_worker_dies(talk(0), "killed by signal 9");
	assert_int_equal(world_state(ID), CALL_RESCUE);
	assert_int_equal(fake_fleet.released, 0);
	world_channel_event("ChannelHold", ID);
	second = world_give_worker(NULL);
	assert_int_equal(world_state(ID), CALL_TALKING);
	assert_int_equal(fake_worker_told(second, MESSAGE_MEDIA), 1);
	assert_int_equal(fake_fleet.released, 1);
}

static void
but_not_for_long(void **state)
{
	(void)state;
	fake_worker_dies(talk(0), "killed by signal 9");
	timers_expire(world.base);
	assert_went_to_fallback();
	assert_int_equal(fake_fleet.released, 1);
}

static void
nor_when_none_can_be_had(void **state)
{
	struct worker *worker = talk(0);

	(void)state;
	world.unavailable = "the service is stopping";
	fake_worker_dies(worker, "killed by signal 9");
	assert_went_to_fallback();
}

static void
a_caller_who_leaves_meanwhile_is_not_waited_for(void **state)
{
	(void)state;
	fake_worker_dies(talk(0), "killed by signal 9");
	world_channel_event("StasisEnd", ID);
	assert_false(world.waiting[world.asked - 1].waits);
	assert_true(world.tool_ends > 0);
	assert_int_equal(fake_fleet.released, 1);
	asterisk_says_404();
	world_assert_empty();
}

static void
one_that_died_before_it_was_told_is_not_counted(void **state)
{
	struct worker *deaf;

	(void)state;
	fake_worker_dies(talk(0), "killed by signal 9");
	deaf = fake_fleet_worker(PROC_ROLE_CALLWORKER);
	deaf->deaf = true;
	world.waiting[world.asked - 1].waits = false;
	world.waiting[world.asked - 1].fn(
	    deaf, "", world.waiting[world.asked - 1].arg);
	assert_int_equal(world_state(ID), CALL_RESCUE);
	assert_int_equal(deaf->killed, SIGKILL);
	world.warm = 1;
	fake_worker_dies(deaf, "killed by signal 9");
	assert_int_equal(world_state(ID), CALL_TALKING);
	assert_int_equal(
	    json_int(fake_worker_heard(world_worker(), MESSAGE_CALL_ASSIGN),
		"resumes", 0),
	    1);
}

static void
digits_wait_for_who_goes_on(void **state)
{
	(void)state;
	fake_worker_dies(talk(0), "killed by signal 9");
	for (int i = 0; i < 40; i++)
		world_event(
		    "{\"type\":\"ChannelDtmfReceived\",\"digit\":\"%c\","
		    "\"channel\":{\"id\":\"" ID "\"}}",
		    '0' + i % 10);
	world_give_worker(NULL);
	assert_int_equal(
	    fake_worker_told(world_worker(), MESSAGE_DTMF), CALL_DIGITS_MAX);
	assert_string_equal(
	    json_string(
		fake_worker_heard(world_worker(), MESSAGE_DTMF), "digit"),
	    "1");
}

static void
a_goodbye_is_said_to_its_end(void **state)
{
	const cJSON *assign;

	(void)state;
	talk(1);
	timers_expire(world.base); /* MAX_CALL_SECONDS */
	fake_worker_dies(world_worker(), "killed by signal 9");
	assert_int_equal(world_state(ID), CALL_TALKING);
	assign = fake_worker_heard(world_worker(), MESSAGE_CALL_ASSIGN);
	assert_string_equal(json_string(assign, "leaving"), "limit");
	/* Not for ever, and not twice. */
	fake_worker_dies(world_worker(), "killed by signal 9");
	assert_int_equal(world_state(ID), CALL_ENDING);
	assert_non_null(fake_ari_find("DELETE", "channels/" ID));
	assert_int_equal(fake_ari_asked("POST", "/continue"), 0);
}

static void
a_goodbye_that_nobody_here_asked_for_too(void **state)
{
	const cJSON *assign;

	(void)state;
	talk(1);
	world_worker_state(world_worker(), "leaving", "terminated", 1000);
	fake_worker_dies(world_worker(), "killed by signal 9");
	assign = fake_worker_heard(world_worker(), MESSAGE_CALL_ASSIGN);
	assert_string_equal(json_string(assign, "leaving"), "terminated");
}

static void
a_goodbye_that_is_due_while_nobody_is_there_is_said_then(void **state)
{
	const cJSON *assign;

	(void)state;
	fake_worker_dies(talk(0), "killed by signal 9");
	calls_drain(world.calls);
	fake_now_ms += 11000;
	timers_turn(world.base);
	assert_int_equal(world_state(ID), CALL_RESCUE);
	world_give_worker(NULL);
	assign = fake_worker_heard(world_worker(), MESSAGE_CALL_ASSIGN);
	assert_string_equal(json_string(assign, "leaving"), "shutdown");
}

static void
the_longest_call_counts_from_its_answer_all_the_same(void **state)
{
	(void)state;
	talk(1);
	fake_now_ms += 1799 * 1000;
	fake_worker_dies(world_worker(), "killed by signal 9");
	timers_expire(world.base);
	assert_int_equal(fake_worker_told(world_worker(), MESSAGE_HANGUP), 1);
	assert_int_equal(world_state(ID), CALL_TALKING);
}

/* -- a supervisor that died, too ------------------------------------------------- */

static int held[KEEPER_HELD_COUNT];
static bool kept;

static void
write_assignment(int fd, const char *codec)
{
	struct journal *journal;
	char text[128];

	assert_int_equal(journal_attach(&journal, fd), 0);
	snprintf(text, sizeof(text),
	    "{\"call\":\"" ID "\",\"codec\":\"%s\",\"persona\":\"soporte\"}",
	    codec);
	assert_int_equal(
	    journal_append(journal, JOURNAL_CALL, text, strlen(text)), 0);
	journal_free(&journal);
}

/* What a predecessor's brief says; a persona of today has another. */
#define OLD_MODEL "gpt-realtime-old"

/* The keeper's table: a worker, or the things of one that died. */
static void
adopt_with(struct worker *worker, int journal)
{
	const struct fleet_adopted adopted = {
	    .worker = worker,
	    .role = PROC_ROLE_CALLWORKER,
	    .call = ID,
	    .held = held,
	    .child = 77,
	    .keep = &kept,
	};

	held[KEEPER_HELD_CHANNEL] = -1;
	held[KEEPER_HELD_RTP] = open("/dev/null", O_RDWR | O_CLOEXEC);
	held[KEEPER_HELD_BRIEF] = memfd_create("brief", MFD_CLOEXEC);
	assert_int_equal(
	    write(held[KEEPER_HELD_BRIEF], OLD_MODEL, strlen(OLD_MODEL)),
	    strlen(OLD_MODEL));
	assert_int_equal(playout_memfd_create(&held[KEEPER_HELD_PLAYOUT]), 0);
	assert_int_equal(uplink_memory_create(&held[KEEPER_HELD_UPLINK]), 0);
	held[KEEPER_HELD_JOURNAL] = journal;
	kept = false;
	calls_adopt(world.calls, &adopted);
	for (int i = 0; i < KEEPER_HELD_COUNT; i++)
		assert_int_equal(held[i], -1);
}

static void
adopt(struct worker *worker, int assignments)
{
	int journal;

	assert_int_equal(journal_memfd_create(&journal), 0);
	for (int i = 0; i < assignments; i++)
		write_assignment(journal, "alaw");
	adopt_with(worker, journal);
}

#define MEDIA_ID  "telefonista-openai-app-media-" ID "-0a0b"
#define BRIDGE_ID "telefonista-openai-app-bridge-" ID "-0a0b"

static void
snapshot(bool joined)
{
	char text[2048];
	cJSON *channels, *bridges;

	snprintf(text, sizeof(text),
	    "[" WORLD_CHANNEL ",{\"id\":\"" MEDIA_ID "\"}]", ID, "Up",
	    "3001234655", "");
	channels = json_parse(text, strlen(text));
	snprintf(text, sizeof(text),
	    "[{\"id\":\"" BRIDGE_ID "\",\"channels\":[%s]}]",
	    joined ? "\"" ID "\",\"" MEDIA_ID "\"" : "");
	bridges = json_parse(text, strlen(text));
	calls_on_snapshot(world.calls, channels, bridges);
	cJSON_Delete(channels);
	cJSON_Delete(bridges);
}

static void
asterisk_tells_the_address(void)
{
	fake_ari_answer("GET",
	    "media-" ID "-0a0b/variable?variable="
	    "UNICASTRTP_LOCAL_ADDRESS",
	    200, "{\"value\":\"192.0.2.7\"}");
	fake_ari_answer(
	    "GET", "UNICASTRTP_LOCAL_PORT", 200, "{\"value\":\"20202\"}");
}

static void
assert_goes_on(int resumes)
{
	const cJSON *body;

	assert_int_equal(world_state(ID), CALL_TALKING);
	assert_string_equal(world.model_asked, OLD_MODEL);
	body = fake_worker_heard(world_worker(), MESSAGE_CALL_ASSIGN);
	assert_string_equal(json_string(body, "codec"), "alaw");
	assert_string_equal(json_string(body, "persona"), "soporte");
	assert_string_equal(json_string(body, "caller"), "+573001234655");
	assert_int_equal(json_int(body, "resumes", 0), resumes);
	body = fake_worker_heard(world_worker(), MESSAGE_MEDIA);
	assert_string_equal(json_string(body, "address"), "192.0.2.7");
	assert_int_equal(json_int(body, "port", 0), 20202);
	assert_int_equal(fake_ari_unanswered(), 0);
}

static void
what_a_dead_worker_left_is_taken_up(void **state)
{
	(void)state;
	world.warm = 1;
	adopt(NULL, 1);
	assert_true(kept);
	fake_now_ms += 5000;
	snapshot(true);
	assert_int_equal(world_state(ID), CALL_RESCUE);
	assert_int_equal(fake_fleet.released, 0);
	asterisk_tells_the_address();
	assert_goes_on(1);
	assert_int_equal(fake_fleet.released, 1);
}

static void
who_was_rescued_a_moment_ago_is_not_rescued_again(void **state)
{
	(void)state;
	world.warm = 1;
	adopt(NULL, 2);
	snapshot(true);
	assert_went_to_fallback();
}

static void
an_adopted_worker_is_replaced_like_any_other(void **state)
{
	struct worker *worker = fake_fleet_worker(PROC_ROLE_CALLWORKER);

	(void)state;
	world.warm = 1;
	adopt(worker, 1);
	assert_false(kept);
	snapshot(true);
	world_worker_state(worker, "talking", "sync", 42000);
	fake_worker_dies(worker, "killed by signal 9");
	asterisk_tells_the_address();
	assert_goes_on(1);
	assert_int_equal(
	    json_int(fake_worker_heard(world_worker(), MESSAGE_CALL_ASSIGN),
		"talking_ms", 0),
	    42000);
}

static void
one_that_dies_before_the_lists_came_waits_for_them(void **state)
{
	struct worker *worker = fake_fleet_worker(PROC_ROLE_CALLWORKER);

	(void)state;
	world.warm = 1;
	adopt(worker, 1);
	world_worker_state(worker, "talking", "sync", 42000);
	fake_worker_dies(worker, "killed by signal 9");
	assert_int_equal(world_state(ID), CALL_TALKING);
	snapshot(true);
	asterisk_tells_the_address();
	assert_goes_on(1);
}

/* Its successor asks again for what it had asked for. */
static void
one_that_dies_without_a_word_has_its_questions_kept(void **state)
{
	struct worker *worker = fake_fleet_worker(PROC_ROLE_CALLWORKER);

	(void)state;
	world.warm = 1;
	adopt(worker, 1);
	snapshot(true);
	fake_worker_dies(worker, "killed by signal 9");
	assert_int_equal(world_state(ID), CALL_RESCUE);
	asterisk_tells_the_address();
	assert_goes_on(1);
	assert_int_equal(world.tool_ends, 0);
}

static void
unless_its_call_begins_anew(void **state)
{
	struct worker *worker = fake_fleet_worker(PROC_ROLE_CALLWORKER);

	(void)state;
	adopt(worker, 1);
	snapshot(false);
	fake_worker_dies(worker, "killed by signal 9");
	assert_int_equal(world_state(ID), CALL_NEW);
	assert_true(world.tool_ends > 0);
}

/* What it says is not taken for what the dead one was asked. */
static void
a_successor_is_not_asked_how_far_it_is(void **state)
{
	struct worker *worker = fake_fleet_worker(PROC_ROLE_CALLWORKER);
	cJSON *body = cJSON_CreateObject();

	(void)state;
	world.warm = 1;
	adopt(worker, 1);
	world_worker_state(worker, "talking", "answered", 42000);
	snapshot(true);
	fake_worker_dies(worker, "killed by signal 9");
	asterisk_tells_the_address();
	assert_goes_on(1);
	world_worker_state(world_worker(), "talking", "goes on", 42000);
	/* It never had a voice: that counts as its death. */
	json_add_string(body, "fault", "server");
	fake_worker_says(world_worker(), MESSAGE_VOICE_FAILED, body);
	assert_int_equal(world_worker()->killed, SIGKILL);
}

static void
a_spare_that_was_not_told_yet_does_not_cost_the_call(void **state)
{
	struct worker *spare = fake_fleet_worker(PROC_ROLE_CALLWORKER);

	(void)state;
	world.warm = 1;
	adopt(NULL, 1);
	adopt(spare, 1);
	fake_now_ms += 1000;
	world_worker_state(spare, "warm", "sync", 0);
	snapshot(true);
	assert_int_equal(spare->killed, SIGKILL);
	fake_worker_dies(spare, "killed by signal 9");
	asterisk_tells_the_address();
	assert_goes_on(1);
}

static void
who_was_not_connected_yet_begins_anew(void **state)
{
	(void)state;
	adopt(NULL, 1);
	snapshot(false);
	assert_int_equal(world_state(ID), CALL_NEW);
	assert_int_equal(fake_ari_asked("POST", "bridges?"), 1);
	assert_int_equal(fake_fleet.released, 1);
}

static void
without_an_address_it_is_the_fallback(void **state)
{
	(void)state;
	world.warm = 1;
	adopt(NULL, 1);
	snapshot(true);
	fake_ari_answer("GET", "UNICASTRTP_LOCAL_ADDRESS", 404, NULL);
	assert_went_to_fallback();
}

/* -- what is recorded -------------------------------------------------------------- */

static int
setup_recorded(void **state)
{
	world_keeps_records = true;
	return world_setup(state);
}

static int
teardown_recorded(void **state)
{
	world_keeps_records = false;
	return world_teardown(state);
}

static void
a_pair_of_the_table_has_one_record(void **state)
{
	struct worker *worker = fake_fleet_worker(PROC_ROLE_CALLWORKER);
	struct call *call;
	int journal;

	(void)state;
	adopt(NULL, 1);
	call = calls_find(world.calls, ID);
	journal = fcntl(call->fds[CALL_FD_JOURNAL], F_DUPFD_CLOEXEC, 0);
	assert_true(journal >= 0);
	adopt_with(worker, journal);
	assert_int_equal(world.records_begun, 1);
	assert_int_equal(world.records_ended, 0);
}

static void
a_rescue_that_fails_leaves_the_journal_to_the_record(void **state)
{
	(void)state;
	fake_worker_dies(talk(0), "killed by signal 9");
	timers_expire(world.base);
	assert_went_to_fallback();
	assert_int_equal(fake_fleet.released, 0);
	fake_ari_answer("POST", "/continue", 204, NULL);
	asterisk_says_404();
	assert_int_equal(world.records_ended, 1);
	assert_true(world.record_token != 0);
	assert_int_equal(fake_fleet.released, 0);
}

static void
a_channel_that_comes_back_does_not_end_its_first_record(void **state)
{
	struct worker *first = talk(0);

	(void)state;
	world_channel_event("StasisEnd", ID);
	assert_int_equal(world.records_ended, 0); /* its last words come */
	set_up(6);
	assert_int_equal(world.records_begun, 2);
	assert_int_equal(world.records_ended, 0);
	fake_worker_dies(first, "exited with status 0");
	assert_int_equal(world.records_ended, 1);
	assert_int_equal(world.record_ended, 1);
}

int
main(void)
{
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
#define RECORDED(name)                                                         \
	cmocka_unit_test_setup_teardown(name, setup_recorded, teardown_recorded)
	const struct CMUnitTest tests[] = {
	    TEST(another_goes_on_at_once_with_the_same_descriptors),
	    TEST(twice_in_thirty_seconds_is_the_calls_own_fault),
	    TEST(later_it_is_another_misfortune),
	    TEST(a_successor_without_a_voice_is_replaced_too),
	    TEST(but_not_twice),
	    TEST(nor_if_the_next_one_dies_of_the_call),
	    TEST(a_persona_that_is_gone_goes_on),
	    TEST(without_a_spare_the_next_one_is_waited_for),
	    TEST(but_not_for_long),
	    TEST(nor_when_none_can_be_had),
	    TEST(a_caller_who_leaves_meanwhile_is_not_waited_for),
	    TEST(one_that_died_before_it_was_told_is_not_counted),
	    TEST(digits_wait_for_who_goes_on),
	    TEST(a_goodbye_is_said_to_its_end),
	    TEST(a_goodbye_that_nobody_here_asked_for_too),
	    TEST(a_goodbye_that_is_due_while_nobody_is_there_is_said_then),
	    TEST(the_longest_call_counts_from_its_answer_all_the_same),
	    TEST(what_a_dead_worker_left_is_taken_up),
	    TEST(who_was_rescued_a_moment_ago_is_not_rescued_again),
	    TEST(an_adopted_worker_is_replaced_like_any_other),
	    TEST(one_that_dies_before_the_lists_came_waits_for_them),
	    TEST(one_that_dies_without_a_word_has_its_questions_kept),
	    TEST(unless_its_call_begins_anew),
	    TEST(a_successor_is_not_asked_how_far_it_is),
	    TEST(a_spare_that_was_not_told_yet_does_not_cost_the_call),
	    TEST(who_was_not_connected_yet_begins_anew),
	    TEST(without_an_address_it_is_the_fallback),
	    RECORDED(a_pair_of_the_table_has_one_record),
	    RECORDED(a_rescue_that_fails_leaves_the_journal_to_the_record),
	    RECORDED(a_channel_that_comes_back_does_not_end_its_first_record),
	};

	log_init("unit", (enum log_level)0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
