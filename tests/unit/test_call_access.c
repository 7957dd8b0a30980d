/* SPDX-License-Identifier: MIT */
/* test_call_access.c – a call's class, its secret digits, what it may ask. */
#include "tests/unit/call_steps.h"

#define PIN_JOB "1732012345.17/call_1"
#define LOCKED  "No más."

static cJSON *pin_settings, *factor_settings, *no_arguments;

static int
access_setup(void **state)
{
	static const char pin[] =
	    "{\"executor\":\"access\",\"action\":\"staff_pin\",\"prompt\":"
	    "\"Marque.\",\"granted\":\"Bien.\",\"wrong\":\"Mal, {left}.\","
	    "\"locked\":\"" LOCKED "\",\"nothing\":\"Nada.\",\"parameters\":"
	    "{\"type\":\"object\",\"properties\":{},"
	    "\"additionalProperties\":false}}";
	static const char factor[] =
	    "{\"executor\":\"access\",\"action\":\"customer_factor\","
	    "\"tool\":\"comprobar\",\"dial\":\"documento\",\"prompt\":\"M.\","
	    "\"granted\":\"Bien.\",\"wrong\":\"Mal, {left}.\",\"locked\":"
	    "\"" LOCKED "\",\"nothing\":\"Nada.\",\"length\":4,\"parameters\":"
	    "{\"type\":\"object\",\"properties\":{\"documento\":{\"type\":"
	    "\"string\"},\"contrato\":{\"type\":\"string\"}}}}";

	pin_settings = json_parse(pin, strlen(pin));
	factor_settings = json_parse(factor, strlen(factor));
	no_arguments = cJSON_CreateObject();
	assert_int_equal(world_setup(state), 0);
	assert_int_equal(access_set_pins(world.access, "ana:482915"), 0);
	memset(&world_tools, 0, sizeof(world_tools));
	world_tools.count = 4;
	world_tools.list[0] = (struct tool){
	    .name = "saldo",
	    .action = "",
	    .who = TOOL_WHO_CUSTOMER,
	    .unidentified = "Primero identifíquese.",
	    .available = true,
	};
	world_tools.list[1] = (struct tool){
	    .name = "torre",
	    .action = "",
	    .who = TOOL_WHO_STAFF,
	    .unidentified = "Solo personal.",
	    .available = true,
	};
	world_tools.list[2] = (struct tool){
	    .name = "comprobar",
	    .action = "",
	    .who = TOOL_WHO_SERVICE,
	    .unidentified = "",
	    .available = true,
	};
	world_tools.list[3] = (struct tool){
	    .name = "libre",
	    .action = "",
	    .unidentified = "",
	    .available = true,
	};
	return 0;
}

static int
access_teardown(void **state)
{
	memset(&world_tools, 0, sizeof(world_tools));
	cJSON_Delete(pin_settings);
	cJSON_Delete(factor_settings);
	cJSON_Delete(no_arguments);
	return world_teardown(state);
}

/* The id of the call's Nth own question; no time has passed since it came. */
static const char *
own(unsigned int n)
{
	static char id[40];

	snprintf(id, sizeof(id), "access-%llu.%u",
	    (unsigned long long)fake_now_ms, n);
	return id;
}

static struct call *
the_call(void)
{
	return calls_find(world.calls, ID);
}

static enum tool_status
start(const cJSON *settings, const cJSON *arguments, char *detail)
{
	detail[0] = '\0';
	return call_access_start(the_call(), PIN_JOB, settings, arguments,
	    detail, TOOL_QUEUE_DETAIL_SIZE);
}

static void
dial(const char *digits)
{
	for (; *digits != '\0'; digits++)
		world_event("{\"type\":\"ChannelDtmfReceived\",\"digit\":\"%c\""
			    ",\"channel\":{\"id\":\"" ID "\"}}",
		    *digits);
	timers_settle(world.base);
}

static void
assert_told(enum tool_status status, const char *detail)
{
	timers_settle(world.base);
	assert_string_equal(world.local.job, PIN_JOB);
	assert_int_equal(world.local.status, status);
	assert_string_equal(world.local.detail, detail);
}

static size_t
told(enum message_type type)
{
	return fake_worker_told(world_worker(), type);
}

static void
assert_refused(const char *id, const char *name, const char *output)
{
	size_t requests = world.tool_requests;
	const cJSON *result;

	world_tool_request(id, name);
	assert_int_equal(world.tool_requests, requests);
	result = fake_worker_heard(world_worker(), MESSAGE_TOOL_RESULT);
	assert_string_equal(json_string(result, "id"), id);
	assert_string_equal(json_string(result, "output"), output);
}

static void
assert_runs(const char *id, const char *name)
{
	size_t requests = world.tool_requests;

	world_tool_request(id, name);
	assert_int_equal(world.tool_requests, requests + 1);
}

/* -- what may be asked ---------------------------------------------------------- */

static void
the_public_asks_what_is_public(void **state)
{
	(void)state;
	set_up(STEPS);
	assert_runs("call_1", "libre");
	assert_refused("call_2", "saldo", "Primero identifíquese.");
	assert_refused("call_3", "torre", "Solo personal.");
	assert_refused("call_4", "comprobar",
	    "The function was not run: there is no function of that name.");
	assert_runs("call_5", "nada"); /* the queue says that it is not there */
	assert_int_equal(world_worker()->killed, 0);
}

static void
a_worker_that_pretends_to_be_this_room_is_ended(void **state)
{
	(void)state;
	set_up(STEPS);
	world_tool_request("access-1", "libre");
	assert_int_equal(world_worker()->killed, SIGKILL);
	assert_int_equal(world.tool_requests, 0);
}

static void
the_dialplan_makes_staff(void **state)
{
	static const struct {
		int status;
		const char *body;
		bool staff;
	} cases[] = {{200, "{\"value\":\"staff\"}", true},
	    {200, "{\"value\":\"Staff\"}", false},
	    {200, "{\"value\":\"customer\"}", false},
	    {200, "{\"value\":\"\"}", false}, {200, "{}", false},
	    {404, "{\"message\":\"not found\"}", false}, {500, NULL, false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		step_arrive();
		fake_ari_answer(
		    "GET", "TELEFONISTA_CLASS", cases[i].status, cases[i].body);
		for (size_t j = 1; j < STEPS; j++) {
			if (steps[j].take == step_codec)
				fake_ari_answer("GET", "audioreadformat", 200,
				    "{\"value\":\"ulaw\"}");
			else
				steps[j].take();
		}
		if (cases[i].staff)
			assert_runs("call_1", "torre");
		else
			assert_refused("call_1", "torre", "Solo personal.");
		access_teardown(NULL);
		access_setup(NULL);
	}
}

/* -- a PIN ---------------------------------------------------------------------------- */

static void
a_pin_is_dialled_and_seen_by_nobody(void **state)
{
	char detail[TOOL_QUEUE_DETAIL_SIZE];
	cJSON *caller;

	(void)state;
	set_up(STEPS);
	dial("7");
	assert_int_equal(told(MESSAGE_DTMF), 1);
	assert_int_equal(
	    start(pin_settings, no_arguments, detail), TOOL_STATUS_OK);
	assert_string_equal(
	    json_string(
		fake_worker_heard(world_worker(), MESSAGE_SECRET_BEGIN), "say"),
	    "Marque.");
	dial("482915#");
	assert_told(TOOL_STATUS_OK, "Bien.");
	assert_int_equal(told(MESSAGE_SECRET_END), 1);
	dial("99"); /* too much */
	assert_int_equal(told(MESSAGE_DTMF), 1);
	assert_runs("call_2", "torre");
	caller = call_access_describe(the_call());
	assert_string_equal(json_string(caller, "number"), "+573001234655");
	assert_string_equal(json_string(caller, "customer"), "");
	cJSON_Delete(caller);
	/* Once is enough. */
	assert_int_equal(
	    start(pin_settings, no_arguments, detail), TOOL_STATUS_OK);
	assert_told(TOOL_STATUS_OK, "Bien.");
	assert_int_equal(told(MESSAGE_SECRET_BEGIN), 1);
}

static void
wrong_ones_are_counted_and_nothing_is_not(void **state)
{
	static const struct {
		const char *digits, *detail;
	} cases[] = {{"#", "Nada."}, {"111111#", "Mal, 2."}, {"#", "Nada."},
	    {"222222#", "Mal, 1."}, {"333333#", LOCKED}};
	char detail[TOOL_QUEUE_DETAIL_SIZE];

	(void)state;
	set_up(STEPS);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
		    start(pin_settings, no_arguments, detail), TOOL_STATUS_OK);
		dial(cases[i].digits);
		assert_told(TOOL_STATUS_REFUSED, cases[i].detail);
	}
	assert_int_equal(
	    start(pin_settings, no_arguments, detail), TOOL_STATUS_REFUSED);
	assert_string_equal(detail, LOCKED);
	assert_int_equal(told(MESSAGE_SECRET_BEGIN), 5);
	assert_int_equal(told(MESSAGE_SECRET_END), 5);
	assert_refused("call_9", "torre", "Solo personal.");
}

static void
an_entry_that_nobody_wants_any_more_ends(void **state)
{
	char detail[TOOL_QUEUE_DETAIL_SIZE];

	(void)state;
	set_up(STEPS);
	assert_int_equal(
	    start(pin_settings, no_arguments, detail), TOOL_STATUS_OK);
	assert_int_equal(
	    start(pin_settings, no_arguments, detail), TOOL_STATUS_BUSY);
	dial("4829");
	call_access_cancel(the_call(), "another/job");
	assert_int_equal(told(MESSAGE_SECRET_END), 0);
	call_access_cancel(the_call(), PIN_JOB);
	assert_int_equal(told(MESSAGE_SECRET_END), 1);
	fake_now_ms += 5000; /* still dialling */
	dial("15#");
	assert_int_equal(told(MESSAGE_DTMF), 0);
	fake_now_ms += 2500;
	dial("0");
	assert_int_equal(told(MESSAGE_DTMF), 1);
	assert_int_equal(world.local.count, 0);
	assert_refused("call_9", "torre", "Solo personal.");
}

/* -- a customer's answer ----------------------------------------------------------------- */

static void
factor_answered(const char *id, const char *status, const char *output)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "id", id);
	json_add_string(body, "status", status);
	json_add_string(body, "output", output);
	call_send_tool(the_call(), MESSAGE_TOOL_RESULT, body);
}

static void
another_worker_keeps_silent_too_and_nobody_dials_twice(void **state)
{
	char detail[TOOL_QUEUE_DETAIL_SIZE];
	const cJSON *begin;

	(void)state;
	for (int dialled = 0; dialled < 2; dialled++) {
		set_up(STEPS);
		world.warm = 1;
		assert_int_equal(
		    start(pin_settings, no_arguments, detail), TOOL_STATUS_OK);
		if (dialled)
			dial("48");
		fake_worker_dies(world_worker(), "killed by signal 9");
		/* From its first frame, and then with the words. */
		assert_true(json_bool(
		    fake_worker_heard(world_worker(), MESSAGE_CALL_ASSIGN),
		    "secret", false));
		assert_int_equal(told(MESSAGE_SECRET_BEGIN), 1);
		begin = fake_worker_heard(world_worker(), MESSAGE_SECRET_BEGIN);
		assert_string_equal(
		    json_string(begin, "say"), dialled ? "" : "Marque.");
		dial(dialled ? "2915#" : "482915#");
		assert_told(TOOL_STATUS_OK, "Bien.");
		assert_int_equal(told(MESSAGE_SECRET_END), 1);
		assert_int_equal(told(MESSAGE_DTMF), 0);
		access_teardown(NULL);
		access_setup(NULL);
	}
}

static void
what_is_dialled_while_nobody_is_there_counts(void **state)
{
	char detail[TOOL_QUEUE_DETAIL_SIZE];

	(void)state;
	set_up(STEPS);
	assert_int_equal(
	    start(pin_settings, no_arguments, detail), TOOL_STATUS_OK);
	fake_worker_dies(world_worker(), "killed by signal 9");
	dial("482915#");
	assert_told(TOOL_STATUS_OK, "Bien.");
	world_give_worker(NULL);
	assert_false(
	    json_bool(fake_worker_heard(world_worker(), MESSAGE_CALL_ASSIGN),
		"secret", true));
	assert_int_equal(told(MESSAGE_SECRET_BEGIN), 0);
	assert_int_equal(told(MESSAGE_DTMF), 0);
}

static void
a_customer_is_who_the_database_says(void **state)
{
	char detail[TOOL_QUEUE_DETAIL_SIZE];
	cJSON *arguments = cJSON_CreateObject(), *caller;

	(void)state;
	json_add_string(arguments, "contrato", "100202");
	set_up(STEPS);
	assert_int_equal(
	    start(factor_settings, arguments, detail), TOOL_STATUS_OK);
	dial("7930"); /* as many as it wants */
	assert_non_null(strstr(world.tool_asked, own(1)));
	assert_non_null(strstr(world.tool_asked, "comprobar"));
	assert_non_null(strstr(world.tool_asked, "7930"));
	factor_answered("access-0", "ok", "999"); /* somebody else's */
	assert_int_equal(world.local.count, 0);
	factor_answered(own(1), "refused", "");
	assert_told(TOOL_STATUS_REFUSED, "Mal, 2.");
	json_add_string(arguments, "documento", "79300400");
	assert_int_equal(
	    start(factor_settings, arguments, detail), TOOL_STATUS_OK);
	timers_settle(world.base);
	factor_answered(own(2), "unreachable", "");
	assert_told(TOOL_STATUS_UNREACHABLE, "");
	assert_int_equal(
	    start(factor_settings, arguments, detail), TOOL_STATUS_OK);
	timers_settle(world.base);
	factor_answered(own(3), "ok", "two words");
	assert_told(TOOL_STATUS_MALFORMED, "");
	assert_refused("call_8", "saldo", "Primero identifíquese.");
	assert_int_equal(
	    start(factor_settings, arguments, detail), TOOL_STATUS_OK);
	timers_settle(world.base);
	factor_answered(own(4), "ok", "100202");
	assert_told(TOOL_STATUS_OK, "Bien.");
	assert_runs("call_9", "saldo");
	caller = call_access_describe(the_call());
	assert_string_equal(json_string(caller, "customer"), "100202");
	cJSON_Delete(caller);
	cJSON_Delete(arguments);
	assert_int_equal(told(MESSAGE_TOOL_RESULT), 1); /* call_8's */
	assert_int_equal(told(MESSAGE_DTMF), 0);
}

static void
an_answer_that_nobody_waits_for_is_a_try_and_proves_nothing(void **state)
{
	char detail[TOOL_QUEUE_DETAIL_SIZE];
	cJSON *arguments = cJSON_CreateObject();

	(void)state;
	json_add_string(arguments, "contrato", "100202");
	json_add_string(arguments, "documento", "79300400");
	set_up(STEPS);
	for (unsigned int i = 1; i <= 3; i++) {
		assert_int_equal(
		    start(factor_settings, arguments, detail), TOOL_STATUS_OK);
		timers_settle(world.base);
		assert_non_null(strstr(world.tool_asked, own(i)));
		call_access_cancel(the_call(), PIN_JOB);
		factor_answered(own(i), "ok", "100202");
		assert_refused("call_8", "saldo", "Primero identifíquese.");
	}
	assert_int_equal(
	    start(factor_settings, arguments, detail), TOOL_STATUS_REFUSED);
	assert_string_equal(detail, LOCKED);
	cJSON_Delete(arguments);
}

static void
who_is_locked_out_meanwhile_is_not_looked_up(void **state)
{
	char detail[TOOL_QUEUE_DETAIL_SIZE];
	cJSON *arguments = cJSON_CreateObject();
	struct access_call *other;

	(void)state;
	json_add_string(arguments, "contrato", "100202");
	set_up(STEPS);
	assert_int_equal(
	    start(factor_settings, arguments, detail), TOOL_STATUS_OK);
	for (int i = 0; i < 5; i++) {
		other = access_open(world.access, "other", false);
		access_factor_asked(other, "+573001234655");
		access_factor_wrong(other, "+573001234655");
		access_close(&other, true);
	}
	dial("7930");
	assert_told(TOOL_STATUS_REFUSED, LOCKED);
	assert_null(strstr(world.tool_asked, "comprobar"));
	assert_int_equal(told(MESSAGE_SECRET_END), 1);
	cJSON_Delete(arguments);
}

static void
who_was_proved_is_nobody_else(void **state)
{
	char detail[TOOL_QUEUE_DETAIL_SIZE];
	cJSON *arguments = cJSON_CreateObject();

	(void)state;
	json_add_string(arguments, "contrato", "100202");
	set_up(STEPS);
	start(factor_settings, arguments, detail);
	dial("7930");
	assert_non_null(strstr(world.tool_asked, own(1)));
	factor_answered(own(1), "ok", "100202");
	assert_told(TOOL_STATUS_OK, "Bien.");
	/* The same again is proved already. */
	assert_int_equal(
	    start(factor_settings, arguments, detail), TOOL_STATUS_OK);
	assert_told(TOOL_STATUS_OK, "Bien.");
	assert_int_equal(told(MESSAGE_SECRET_BEGIN), 1);
	/* Another is not; an empty answer is none. */
	cJSON_ReplaceItemInObject(
	    arguments, "contrato", cJSON_CreateString("100203"));
	json_add_string(arguments, "documento", "");
	assert_int_equal(
	    start(factor_settings, arguments, detail), TOOL_STATUS_OK);
	assert_int_equal(told(MESSAGE_SECRET_BEGIN), 2);
	dial("1032");
	assert_non_null(strstr(world.tool_asked, "1032"));
	assert_null(strstr(world.tool_asked, "documento\\\":\\\"\\\""));
	factor_answered(own(2), "refused", "");
	assert_told(TOOL_STATUS_REFUSED, "Mal, 2.");
	cJSON_Delete(arguments);
}

/* -- while it rings ------------------------------------------------------------------------- */

static void
the_brief_waits_for_what_is_known_of_the_number(void **state)
{
	(void)state;
	snprintf(world.config.customer_lookup,
	    sizeof(world.config.customer_lookup), "comprobar");
	set_up(5);
	assert_non_null(strstr(world.tool_asked, "access-lookup"));
	assert_int_equal(world_state(ID), CALL_NEW);
	assert_int_equal(told(MESSAGE_CALL_ASSIGN), 0);
	factor_answered("access-lookup", "ok", "cliente del plan Hogar");
	timers_settle(world.base);
	assert_int_equal(world_state(ID), CALL_ASSIGNED);
	assert_string_equal(world.brief_customer, "cliente del plan Hogar");
	/* It makes nobody a customer. */
	assert_refused("call_1", "saldo", "Primero identifíquese.");
}

static void
but_not_for_long_and_a_failure_says_nothing(void **state)
{
	(void)state;
	for (int late = 0; late < 2; late++) {
		snprintf(world.config.customer_lookup,
		    sizeof(world.config.customer_lookup), "comprobar");
		set_up(5);
		if (late)
			timers_expire_soonest(world.base);
		else
			factor_answered("access-lookup", "unreachable", "x");
		timers_settle(world.base);
		assert_int_equal(world_state(ID), CALL_ASSIGNED);
		assert_string_equal(world.brief_customer, "");
		factor_answered("access-lookup", "ok", "late");
		access_teardown(NULL);
		access_setup(NULL);
	}
}

int
main(void)
{
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, access_setup, access_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(the_public_asks_what_is_public),
	    TEST(a_worker_that_pretends_to_be_this_room_is_ended),
	    TEST(the_dialplan_makes_staff),
	    TEST(a_pin_is_dialled_and_seen_by_nobody),
	    TEST(wrong_ones_are_counted_and_nothing_is_not),
	    TEST(an_entry_that_nobody_wants_any_more_ends),
	    TEST(another_worker_keeps_silent_too_and_nobody_dials_twice),
	    TEST(what_is_dialled_while_nobody_is_there_counts),
	    TEST(a_customer_is_who_the_database_says),
	    TEST(an_answer_that_nobody_waits_for_is_a_try_and_proves_nothing),
	    TEST(who_is_locked_out_meanwhile_is_not_looked_up),
	    TEST(who_was_proved_is_nobody_else),
	    TEST(the_brief_waits_for_what_is_known_of_the_number),
	    TEST(but_not_for_long_and_a_failure_says_nothing),
	};

	log_init("test", LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
