/* SPDX-License-Identifier: MIT */
#include "callworker/confirm.h"

#include "common/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct confirm confirm;

static enum confirm_verdict
ask(const char *tool, const char *arguments, const char *token, uint64_t now_ms)
{
	cJSON *json = json_parse(arguments, strlen(arguments));
	enum confirm_verdict verdict =
	    confirm_judge(&confirm, tool, json, token, now_ms);

	cJSON_Delete(json);
	return verdict;
}

static int
setup(void **state)
{
	(void)state;
	memset(&confirm, 0, sizeof(confirm));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	confirm_clear(&confirm);
	return 0;
}

#define ARGUMENTS "{\"router\":\"r1\",\"n\":2}"

/* The token of a first request, which was read back and answered. */
static const char *
agreed(void)
{
	static char token[CONFIRM_TOKEN_SIZE];

	assert_int_equal(
	    ask("reboot", ARGUMENTS, NULL, 1000), CONFIRM_READ_BACK);
	memcpy(token, confirm.token, sizeof(token));
	assert_int_equal(strlen(token), 32);
	confirm_heard(&confirm, confirm.serial, 1500, true);
	confirm_spoke(&confirm);
	return token;
}

static void
it_runs_once_when_the_caller_has_agreed(void **state)
{
	const char *token = agreed();

	(void)state;
	assert_int_equal(
	    ask("reboot", "{\"n\":2,\"router\":\"r1\"}", token, 5000),
	    CONFIRM_AGREED);
	assert_int_equal(
	    ask("reboot", ARGUMENTS, token, 5001), CONFIRM_READ_BACK);
	assert_string_not_equal(confirm.token, token);
}

static void
a_token_alone_is_not_enough(void **state)
{
	char token[CONFIRM_TOKEN_SIZE];

	(void)state;
	assert_int_equal(
	    ask("reboot", ARGUMENTS, NULL, 1000), CONFIRM_READ_BACK);
	memcpy(token, confirm.token, sizeof(token));
	assert_int_equal(
	    ask("reboot", ARGUMENTS, token, 1001), CONFIRM_TOO_EARLY);
	/* Speaking before the voice was heard is no answer to it. */
	confirm_spoke(&confirm);
	assert_int_equal(
	    ask("reboot", ARGUMENTS, token, 1002), CONFIRM_TOO_EARLY);
	/* A word that was cut off, and what was begun before the request. */
	confirm_heard(&confirm, confirm.serial, 400, false);
	confirm_heard(&confirm, confirm.serial - 1, 5000, true);
	confirm_heard(&confirm, confirm.serial, 0, true);
	confirm_spoke(&confirm);
	assert_int_equal(
	    ask("reboot", ARGUMENTS, token, 1003), CONFIRM_TOO_EARLY);
	confirm_heard(&confirm, confirm.serial, 400, true);
	assert_int_equal(
	    ask("reboot", ARGUMENTS, token, 1004), CONFIRM_TOO_EARLY);
	confirm_spoke(&confirm);
	assert_int_equal(ask("reboot", ARGUMENTS, token, 1005), CONFIRM_AGREED);
}

static void
it_is_bound_to_tool_and_arguments(void **state)
{
	static const struct {
		const char *tool, *arguments;
	} others[] = {
	    {"erase", ARGUMENTS},
	    {"reboot", "{\"router\":\"r2\",\"n\":2}"},
	    {"reboot", "{\"router\":\"r1\",\"n\":3}"},
	    {"reboot", "{\"router\":\"r1\"}"},
	    {"reboot", "{\"router\":\"r1\",\"n\":2,\"all\":true}"},
	    {"reboot", "{\"router\":\"R1\",\"n\":2}"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		const char *token = agreed();

		assert_int_equal(
		    ask(others[i].tool, others[i].arguments, token, 5000),
		    CONFIRM_READ_BACK);
		/* And the old one is dead. */
		assert_int_equal(
		    ask("reboot", ARGUMENTS, token, 5001), CONFIRM_READ_BACK);
	}
}

static void
it_cannot_be_guessed_and_does_not_live_long(void **state)
{
	static const char *const guesses[] = {
	    "", "0", "00000000000000000000000000000000", "confirmed", "true"};
	const char *token;

	(void)state;
	for (size_t i = 0; i < sizeof(guesses) / sizeof(guesses[0]); i++) {
		token = agreed();
		assert_int_equal(ask("reboot", ARGUMENTS, guesses[i], 2000),
		    CONFIRM_READ_BACK);
		/* Who guesses begins anew. */
		assert_int_equal(
		    ask("reboot", ARGUMENTS, token, 2000), CONFIRM_READ_BACK);
	}
	token = agreed();
	assert_int_equal(
	    ask("reboot", ARGUMENTS, token, 1000 + CONFIRM_LIFE_MS),
	    CONFIRM_READ_BACK);
	token = agreed();
	assert_int_equal(ask("reboot", ARGUMENTS, token, 999 + CONFIRM_LIFE_MS),
	    CONFIRM_AGREED);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(it_runs_once_when_the_caller_has_agreed),
	    TEST(a_token_alone_is_not_enough),
	    TEST(it_is_bound_to_tool_and_arguments),
	    TEST(it_cannot_be_guessed_and_does_not_live_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
