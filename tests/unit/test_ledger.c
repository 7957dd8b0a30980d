/* SPDX-License-Identifier: MIT */
/* test_ledger.c – what we made in Asterisk is taken away, and nothing else. */
#include "supervisor/ledger.h"

#include "common/log.h"
#include "tests/unit/fake_ari.h"
#include "tests/unit/fake_clock.h"
#include "tests/unit/timers.h"

static struct {
	struct event_base *base;
	struct ledger *ledger;
} rig;

static int
setup(void **state)
{
	(void)state;
	fake_ari_reset();
	rig.base = event_base_new();
	return ledger_new(&rig.ledger, rig.base, NULL, "openai-app");
}

static int
teardown(void **state)
{
	(void)state;
	ledger_free(&rig.ledger);
	event_base_free(rig.base);
	return 0;
}

/* Enters it, and Asterisk has made it. */
static void
make(enum ledger_kind kind, const char *call, char id_out[ARI_ID_MAX])
{
	assert_int_equal(ledger_add(rig.ledger, kind, call, id_out), 0);
	ledger_made(rig.ledger, id_out);
}

static void
reconcile(const char *channels_text, const char *bridges_text)
{
	cJSON *channels = json_parse(channels_text, strlen(channels_text));
	cJSON *bridges = json_parse(bridges_text, strlen(bridges_text));

	ledger_reconcile(rig.ledger, channels, bridges);
	cJSON_Delete(channels);
	cJSON_Delete(bridges);
}

static void
an_id_names_application_kind_and_call_and_is_new_each_time(void **state)
{
	char a[ARI_ID_MAX], b[ARI_ID_MAX];

	(void)state;
	assert_int_equal(ledger_add(rig.ledger, LEDGER_CHANNEL, "17.4", a), 0);
	assert_int_equal(ledger_add(rig.ledger, LEDGER_BRIDGE, "17.4", b), 0);
	assert_memory_equal(a, "telefonista-openai-app-media-17.4-", 34);
	assert_memory_equal(b, "telefonista-openai-app-bridge-17.4-", 35);
	assert_true(ledger_belongs(rig.ledger, LEDGER_CHANNEL, a, "17.4"));
	assert_false(ledger_belongs(rig.ledger, LEDGER_BRIDGE, a, "17.4"));
	assert_false(ledger_belongs(rig.ledger, LEDGER_CHANNEL, a, "17.41"));
	assert_false(ledger_belongs(rig.ledger, LEDGER_CHANNEL, a, "17"));
	assert_int_equal(ledger_count(rig.ledger), 2);
}

static void
a_long_channel_id_still_makes_an_id_that_asterisk_takes(void **state)
{
	char call[ARI_ID_MAX], other[ARI_ID_MAX], id[ARI_ID_MAX];

	(void)state;
	memset(call, 'x', sizeof(call) - 1);
	call[sizeof(call) - 1] = '\0';
	memcpy(other, call, sizeof(call));
	other[sizeof(other) - 2] = 'y';
	assert_int_equal(ledger_add(rig.ledger, LEDGER_BRIDGE, call, id), 0);
	assert_true(strlen(id) < ARI_ID_MAX);
	assert_true(ledger_is_ours(rig.ledger, id));
	assert_true(ledger_belongs(rig.ledger, LEDGER_BRIDGE, id, call));
	assert_false(ledger_belongs(rig.ledger, LEDGER_BRIDGE, id, other));
}

static void
what_another_instance_made_is_not_ours(void **state)
{
	(void)state;
	assert_true(ledger_is_ours(
	    rig.ledger, "telefonista-openai-app-media-1.2-abcd"));
	assert_true(ledger_is_ours(
	    rig.ledger, "telefonista-openai-app-bridge-1.2-abcd"));
	/* The application "openai-app-2" begins the same way. */
	assert_false(ledger_is_ours(
	    rig.ledger, "telefonista-openai-app-2-media-1.2-abcd"));
	assert_false(ledger_is_ours(rig.ledger, "1732012345.17"));
	assert_false(ledger_is_ours(rig.ledger, ""));
	assert_false(ledger_is_ours(rig.ledger, "telefonista-openai-app-"));
}

static void
removing_deletes_once_and_confirmation_ends_it(void **state)
{
	char id[ARI_ID_MAX];

	(void)state;
	make(LEDGER_BRIDGE, "17.4", id);
	ledger_remove(rig.ledger, id);
	ledger_remove(rig.ledger, id);
	assert_int_equal(fake_ari.count, 1);
	assert_int_equal(fake_ari_asked("DELETE", "bridges/telefonista-"), 1);
	assert_int_equal(ledger_count(rig.ledger), 1);
	fake_ari_answer("DELETE", id, 204, NULL);
	assert_int_equal(ledger_count(rig.ledger), 0);
}

static void
a_404_is_a_confirmation_too(void **state)
{
	char id[ARI_ID_MAX];

	(void)state;
	make(LEDGER_CHANNEL, "17.4", id);
	ledger_remove(rig.ledger, id);
	fake_ari_answer("DELETE", "channels/telefonista-", 404, NULL);
	assert_int_equal(ledger_count(rig.ledger), 0);
}

static void
a_failed_deletion_is_tried_again_until_it_works(void **state)
{
	static const int failures[] = {0, 500, 409};
	char id[ARI_ID_MAX];

	(void)state;
	make(LEDGER_CHANNEL, "17.4", id);
	ledger_remove(rig.ledger, id);
	for (size_t i = 0; i < 3; i++) {
		fake_ari_answer("DELETE", id, failures[i], NULL);
		assert_int_equal(ledger_count(rig.ledger), 1);
		timers_turn(rig.base);
		assert_int_equal(fake_ari.count, i + 2);
	}
	fake_ari_answer("DELETE", id, 204, NULL);
	assert_int_equal(ledger_count(rig.ledger), 0);
}

static void
a_request_that_cannot_be_sent_is_made_later(void **state)
{
	char id[ARI_ID_MAX];

	(void)state;
	make(LEDGER_CHANNEL, "17.4", id);
	fake_ari.error = -12;
	ledger_remove(rig.ledger, id);
	assert_int_equal(fake_ari.count, 0);
	fake_ari.error = 0;
	timers_turn(rig.base);
	assert_int_equal(fake_ari.count, 1);
	fake_ari_answer("DELETE", id, 204, NULL);
	assert_int_equal(ledger_count(rig.ledger), 0);
}

static void
what_is_gone_while_its_deletion_is_under_way_is_forgotten_once(void **state)
{
	char id[ARI_ID_MAX];

	(void)state;
	make(LEDGER_CHANNEL, "17.4", id);
	ledger_remove(rig.ledger, id);
	ledger_gone(rig.ledger, id); /* its ChannelDestroyed */
	assert_int_equal(ledger_count(rig.ledger), 0);
	ledger_gone(rig.ledger, id);
	fake_ari_answer("DELETE", id, 404, NULL);
	/* And one whose answer never comes, because everything ends. */
	make(LEDGER_CHANNEL, "17.5", id);
	ledger_remove(rig.ledger, id);
	ledger_gone(rig.ledger, id);
}

static void
a_deletion_does_not_overtake_what_makes_it(void **state)
{
	char id[ARI_ID_MAX];

	(void)state;
	ledger_add(rig.ledger, LEDGER_CHANNEL, "17.4", id);
	ledger_remove(rig.ledger, id);
	assert_int_equal(fake_ari.count, 0);
	ledger_made(rig.ledger, id);
	assert_int_equal(fake_ari_asked("DELETE", id), 1);
	ledger_made(rig.ledger, id);
	ledger_made(rig.ledger, "17.4");
	assert_int_equal(fake_ari.count, 1);
}

static void
what_nobody_says_was_made_is_deleted_in_the_end(void **state)
{
	char id[ARI_ID_MAX];

	(void)state;
	ledger_add(rig.ledger, LEDGER_CHANNEL, "17.4", id);
	ledger_remove(rig.ledger, id);
	fake_now_ms += ARI_DEADLINE_MS;
	timers_turn(rig.base);
	assert_int_equal(fake_ari.count, 0);
	fake_now_ms += 2 * ARI_DEADLINE_MS;
	timers_turn(rig.base);
	assert_int_equal(fake_ari_asked("DELETE", id), 1);
}

static void
an_id_of_nothing_is_no_mistake(void **state)
{
	(void)state;
	ledger_remove(rig.ledger, "");
	ledger_gone(rig.ledger, "");
	ledger_stray(rig.ledger, LEDGER_CHANNEL, "1732012345.17");
	assert_int_equal(fake_ari.count, 0);
}

static void
a_list_brings_to_light_what_nobody_remembers(void **state)
{
	char id[ARI_ID_MAX];
	char channels[512];

	(void)state;
	make(LEDGER_CHANNEL, "17.4", id);
	snprintf(channels, sizeof(channels),
	    "[{\"id\":\"17.4\"},{\"id\":\"%s\"},"
	    "{\"id\":\"telefonista-openai-app-media-9.9-0001\"},"
	    "{\"id\":\"telefonista-other-media-9.9-0001\"},{}]",
	    id);
	reconcile(channels,
	    "[{\"id\":\"telefonista-openai-app-bridge-9.9-0002\"},"
	    "{\"id\":\"somebody's\"}]");
	assert_int_equal(fake_ari.count, 2);
	assert_non_null(fake_ari_find("DELETE", "media-9.9-0001"));
	assert_non_null(fake_ari_find("DELETE", "bridge-9.9-0002"));
	/* A second list before the answers asks for nothing again. */
	reconcile(
	    channels, "[{\"id\":\"telefonista-openai-app-bridge-9.9-0002\"}]");
	assert_int_equal(fake_ari.count, 2);
	fake_ari_answer_all("DELETE", 204);
	assert_int_equal(ledger_count(rig.ledger), 1);
}

static void
a_list_may_be_older_than_what_was_just_made(void **state)
{
	char id[ARI_ID_MAX];

	(void)state;
	make(LEDGER_CHANNEL, "17.4", id);
	reconcile("[]", "[]");
	assert_int_equal(ledger_count(rig.ledger), 1);
	fake_now_ms += 10000;
	reconcile("[]", "[]");
	assert_int_equal(ledger_count(rig.ledger), 0);
}

static void
what_a_predecessor_made_is_adopted_once(void **state)
{
	static const char id[] = "telefonista-openai-app-media-17.4-abcd";

	(void)state;
	assert_int_equal(ledger_adopt(rig.ledger, LEDGER_CHANNEL, id), 0);
	assert_int_equal(ledger_adopt(rig.ledger, LEDGER_CHANNEL, id), 0);
	assert_int_equal(ledger_count(rig.ledger), 1);
	reconcile(
	    "[{\"id\":\"telefonista-openai-app-media-17.4-abcd\"}]", "[]");
	assert_int_equal(fake_ari.count, 0);
	ledger_remove(rig.ledger, id);
	assert_int_equal(fake_ari.count, 1);
}

static void
nothing_is_asked_while_asterisk_is_away(void **state)
{
	char id[ARI_ID_MAX];

	(void)state;
	make(LEDGER_CHANNEL, "17.4", id);
	ledger_remove(rig.ledger, id);
	fake_ari_answer("DELETE", id, 0, NULL);
	fake_ari.state = ARI_DOWN;
	timers_turn(rig.base);
	timers_turn(rig.base);
	assert_int_equal(fake_ari.count, 1);
	fake_ari.state = ARI_UP;
	timers_turn(rig.base);
	assert_int_equal(fake_ari.count, 2);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(an_id_names_application_kind_and_call_and_is_new_each_time),
	    TEST(a_long_channel_id_still_makes_an_id_that_asterisk_takes),
	    TEST(what_another_instance_made_is_not_ours),
	    TEST(removing_deletes_once_and_confirmation_ends_it),
	    TEST(a_404_is_a_confirmation_too),
	    TEST(a_failed_deletion_is_tried_again_until_it_works),
	    TEST(a_request_that_cannot_be_sent_is_made_later),
	    TEST(
		what_is_gone_while_its_deletion_is_under_way_is_forgotten_once),
	    TEST(a_deletion_does_not_overtake_what_makes_it),
	    TEST(what_nobody_says_was_made_is_deleted_in_the_end),
	    TEST(an_id_of_nothing_is_no_mistake),
	    TEST(a_list_brings_to_light_what_nobody_remembers),
	    TEST(a_list_may_be_older_than_what_was_just_made),
	    TEST(what_a_predecessor_made_is_adopted_once),
	    TEST(nothing_is_asked_while_asterisk_is_away),
	};

	log_init("unit", (enum log_level)0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
