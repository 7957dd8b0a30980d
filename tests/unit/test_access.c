/* SPDX-License-Identifier: MIT */
#include "supervisor/access.h"
#include "supervisor/lockout.h"
#include "supervisor/secret_entry.h"
#include "supervisor/staff_pins.h"

#include "common/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define PINS        "ana:482915, luis:730591, eva:1234567890"
#define HOME        "+573001112233"
/* python3: hashlib.pbkdf2_hmac("sha256", b"730591", b"telefonista-eva",
 * 5000, 16).hex() */
#define HASH_OF_EVA "1e56bbc92a740f17dd3cb2a0f3d58579"

enum {
	HOUR_MS = 3600000,
};

static struct {
	uint64_t now_ms;
	int memory;
	struct access *access;
	size_t compared; /* by CRYPTO_memcmp() */
} rig;

static uint64_t
fake_now(void)
{
	return rig.now_ms;
}

int CRYPTO_memcmp(const void *a, const void *b, size_t len);

/* Instead of libcrypto's: counts how often it is asked. */
int
CRYPTO_memcmp(const void *a, const void *b, size_t len)
{
	const unsigned char *x = a, *y = b;
	unsigned char differ = 0;

	rig.compared++;
	for (size_t i = 0; i < len; i++)
		differ |= x[i] ^ y[i];
	return differ;
}

static void
supervisor_begins(void)
{
	assert_int_equal(access_new(&rig.access, rig.memory, fake_now), 0);
	assert_int_equal(access_set_pins(rig.access, PINS), 0);
}

static int
setup(void **state)
{
	(void)state;
	memset(&rig, 0, sizeof(rig));
	rig.now_ms = 5000000;
	rig.memory = memfd_create("access", MFD_CLOEXEC);
	assert_int_equal(ftruncate(rig.memory, ACCESS_MEMORY_SIZE), 0);
	supervisor_begins();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	access_free(&rig.access);
	close(rig.memory);
	return 0;
}

/* Nothing is closed: it is a kill -9. */
static void
supervisor_is_killed(void)
{
	supervisor_begins(); /* the old one's own memory is left to the end */
}

static enum access_verdict
try_pin(struct access_call *call, const char *number, const char *pin)
{
	return access_try_pin(call, number, pin, strlen(pin));
}

/* -- classes ------------------------------------------------------------------ */

static void
who_may_ask_what(void **state)
{
	static const enum tool_who levels[] = {
	    TOOL_WHO_PUBLIC, TOOL_WHO_CUSTOMER, TOOL_WHO_STAFF};
	static const bool may[3][4] = {
	    /* public, customer, staff, service tools */
	    {true, false, false, false}, /* public */
	    {true, true, false, false},  /* customer */
	    {true, true, true, false},   /* staff */
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct access_call *call =
		    access_open(rig.access, "1.1", false);

		if (levels[i] == TOOL_WHO_CUSTOMER) {
			access_factor_asked(call, HOME);
			assert_int_equal(
			    access_factor_right(call, HOME, "100202"), 0);
		} else if (levels[i] == TOOL_WHO_STAFF) {
			access_set_staff(call, "test");
		}
		assert_int_equal(access_class(call), levels[i]);
		for (int who = 0; who < 4; who++)
			assert_int_equal(
			    access_may(call, (enum tool_who)who), may[i][who]);
		access_close(&call, true);
	}
	assert_int_equal(access_class(NULL), TOOL_WHO_PUBLIC);
	assert_true(access_may(NULL, TOOL_WHO_PUBLIC));
	assert_false(access_may(NULL, TOOL_WHO_CUSTOMER));
	assert_string_equal(access_locked(NULL, TOOL_WHO_STAFF, HOME), "call");
}

static void
staff_who_proves_to_be_a_customer_is_both(void **state)
{
	struct access_call *call = access_open(rig.access, "1.1", false);

	(void)state;
	access_factor_asked(call, HOME);
	assert_int_equal(access_factor_right(call, HOME, "100202"), 0);
	assert_int_equal(try_pin(call, HOME, "482915"), ACCESS_GRANTED);
	assert_int_equal(access_class(call), TOOL_WHO_STAFF);
	assert_string_equal(access_customer(call), "100202");
	access_close(&call, true);
}

static void
a_key_that_is_none_makes_nobody_a_customer(void **state)
{
	static const char *const keys[] = {"", "a b", "a\nb", "\x7f",
	    "0123456789012345678901234567890123456789012345678901234567890123"
	    "4"};
	struct access_call *call = access_open(rig.access, "1.1", false);

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		assert_int_equal(
		    access_factor_right(call, HOME, keys[i]), -EINVAL);
		assert_int_equal(access_class(call), TOOL_WHO_PUBLIC);
	}
	access_close(&call, true);
}

/* -- tries ----------------------------------------------------------------------- */

static void
three_wrong_pins_are_all_that_a_call_has(void **state)
{
	struct access_call *call = access_open(rig.access, "1.1", false);

	(void)state;
	assert_int_equal(try_pin(call, HOME, "111111"), ACCESS_WRONG);
	assert_int_equal(access_tries_left(call, TOOL_WHO_STAFF), 2);
	assert_int_equal(try_pin(call, HOME, "48291"), ACCESS_WRONG);
	assert_int_equal(try_pin(call, HOME, "4829150"), ACCESS_LOCKED);
	assert_int_equal(try_pin(call, HOME, "482915"), ACCESS_LOCKED);
	assert_int_equal(access_class(call), TOOL_WHO_PUBLIC);
	/* A customer's answers are another matter. */
	assert_null(access_locked(call, TOOL_WHO_CUSTOMER, HOME));
	access_close(&call, true);
}

static void
calling_again_gives_no_new_tries_for_an_hour(void **state)
{
	struct access_call *call;

	(void)state;
	for (int i = 0; i < 5; i++) {
		call = access_open(rig.access, "1.1", false);
		assert_int_equal(try_pin(call, HOME, "111111"),
		    i < 4 ? ACCESS_WRONG : ACCESS_LOCKED);
		access_close(&call, true);
		rig.now_ms += 60000;
	}
	call = access_open(rig.access, "1.2", false);
	assert_string_equal(
	    access_locked(call, TOOL_WHO_STAFF, HOME), "number");
	assert_int_equal(try_pin(call, HOME, "482915"), ACCESS_LOCKED);
	/* Not from another number, and not for ever. */
	assert_null(access_locked(call, TOOL_WHO_STAFF, "+573009"));
	rig.now_ms += HOUR_MS - 5 * 60000 + 1;
	assert_int_equal(try_pin(call, HOME, "482915"), ACCESS_GRANTED);
	access_close(&call, true);
}

static void
withheld_numbers_are_one_number(void **state)
{
	struct access_call *call;

	(void)state;
	for (int i = 0; i < 5; i++) {
		call = access_open(rig.access, "1.1", false);
		try_pin(call, "", "111111");
		access_close(&call, true);
	}
	call = access_open(rig.access, "1.2", false);
	assert_string_equal(access_locked(call, TOOL_WHO_STAFF, ""), "number");
	access_close(&call, true);
}

static void
who_changes_the_number_with_each_call_is_locked_out_too(void **state)
{
	struct access_call *call;
	char number[32];

	(void)state;
	for (int i = 0; i < LOCKOUT_STAFF_MAX; i++) {
		snprintf(number, sizeof(number), "+57300%07d", i);
		call = access_open(rig.access, "1.1", false);
		assert_null(access_locked(call, TOOL_WHO_STAFF, number));
		try_pin(call, number, "111111");
		access_close(&call, true);
		rig.now_ms += 1000;
	}
	call = access_open(rig.access, "1.2", false);
	assert_string_equal(
	    access_locked(call, TOOL_WHO_STAFF, "+573999"), "everybody");
	/* The first of them is an hour old: one more try in all. */
	rig.now_ms += HOUR_MS - LOCKOUT_STAFF_MAX * 1000 + 1;
	assert_null(access_locked(call, TOOL_WHO_STAFF, "+573999"));
	assert_int_equal(try_pin(call, "+573999", "1"), ACCESS_LOCKED);
	access_close(&call, true);
}

static void
a_right_pin_costs_nothing_and_forgives_nothing(void **state)
{
	struct access_call *call;

	(void)state;
	for (int i = 0; i < 20; i++) {
		call = access_open(rig.access, "1.1", false);
		assert_int_equal(try_pin(call, HOME, "730591"), ACCESS_GRANTED);
		access_close(&call, true);
	}
	for (int i = 0; i < 4; i++) {
		call = access_open(rig.access, "1.1", false);
		assert_int_equal(try_pin(call, HOME, "111111"), ACCESS_WRONG);
		assert_int_equal(try_pin(call, HOME, "730591"), ACCESS_GRANTED);
		access_close(&call, true);
	}
	call = access_open(rig.access, "1.1", false);
	assert_int_equal(try_pin(call, HOME, "111111"), ACCESS_LOCKED);
	access_close(&call, true);
}

static void
who_hangs_up_before_the_answer_has_tried(void **state)
{
	struct access_call *call;

	(void)state;
	for (int i = 0; i < LOCKOUT_NUMBER_MAX; i++) {
		call = access_open(rig.access, "1.1", false);
		assert_null(access_locked(call, TOOL_WHO_CUSTOMER, HOME));
		access_factor_asked(call, HOME);
		access_close(&call, true);
	}
	call = access_open(rig.access, "1.2", false);
	assert_string_equal(
	    access_locked(call, TOOL_WHO_CUSTOMER, HOME), "number");
	access_close(&call, true);
}

static void
a_service_that_is_down_costs_no_try(void **state)
{
	struct access_call *call = access_open(rig.access, "1.1", false);

	(void)state;
	for (int i = 0; i < 10; i++) {
		access_factor_asked(call, HOME);
		access_factor_unknown(call, HOME);
	}
	assert_int_equal(access_tries_left(call, TOOL_WHO_CUSTOMER), 3);
	for (int i = 0; i < 3; i++) {
		access_factor_asked(call, HOME);
		assert_int_equal(access_factor_wrong(call, HOME),
		    i < 2 ? ACCESS_WRONG : ACCESS_LOCKED);
	}
	assert_string_equal(
	    access_locked(call, TOOL_WHO_CUSTOMER, HOME), "call");
	access_close(&call, true);
}

/* -- another supervisor ------------------------------------------------------------ */

static void
the_next_supervisor_knows_what_the_killed_one_knew(void **state)
{
	struct access *old = rig.access;
	struct access_call *staff = access_open(old, "1.1", false);
	struct access_call *customer = access_open(old, "1.2", false);
	struct access_call *guesser = access_open(old, "1.3", false);

	(void)state;
	try_pin(staff, HOME, "482915");
	access_factor_asked(customer, HOME);
	access_factor_right(customer, HOME, "100202");
	try_pin(guesser, "+571", "111111");
	try_pin(guesser, "+571", "111111");
	access_set_entering(guesser, true);
	access_factor_asked(guesser, "+571"); /* nobody will say */
	supervisor_is_killed();
	access_close(&staff, false);
	access_close(&customer, false);
	access_close(&guesser, false);
	access_free(&old);

	staff = access_open(rig.access, "1.1", true);
	customer = access_open(rig.access, "1.2", true);
	guesser = access_open(rig.access, "1.3", true);
	assert_int_equal(access_class(staff), TOOL_WHO_STAFF);
	assert_int_equal(access_class(customer), TOOL_WHO_CUSTOMER);
	assert_string_equal(access_customer(customer), "100202");
	assert_int_equal(access_tries_left(guesser, TOOL_WHO_STAFF), 1);
	assert_int_equal(access_tries_left(guesser, TOOL_WHO_CUSTOMER), 3);
	assert_true(access_is_entering(guesser));
	assert_false(access_is_entering(staff));
	assert_int_equal(try_pin(guesser, "+571", "1"), ACCESS_LOCKED);
	access_close(&staff, true);
	access_close(&customer, true);
	access_close(&guesser, true);
	/* Forgotten with the call. */
	staff = access_open(rig.access, "1.1", true);
	assert_int_equal(access_class(staff), TOOL_WHO_PUBLIC);
	access_close(&staff, true);
}

static void
a_new_call_on_an_old_channel_is_nobody_and_takes_nobodys_place(void **state)
{
	struct access_call *old = access_open(rig.access, "1.1", false);
	struct access_call *fresh, *other;

	(void)state;
	try_pin(old, HOME, "1");
	access_set_staff(old, "test");
	fresh = access_open(rig.access, "1.1", false);
	assert_int_equal(access_class(fresh), TOOL_WHO_PUBLIC);
	assert_int_equal(access_tries_left(fresh, TOOL_WHO_STAFF), 2);
	access_close(&old, true);
	other = access_open(rig.access, "1.2", false);
	access_set_staff(other, "test");
	assert_int_equal(access_class(fresh), TOOL_WHO_PUBLIC);
	access_close(&fresh, true);
	assert_int_equal(access_class(other), TOOL_WHO_STAFF);
	access_close(&other, true);
}

/* -- PINs ----------------------------------------------------------------------------- */

static void
every_entry_is_compared_whichever_matches(void **state)
{
	static const struct {
		const char *pin;
		const char *name;
	} cases[] = {{"482915", "ana"}, {"730591", "luis"},
	    {"1234567890", "eva"}, {"000000", NULL}, {"", NULL},
	    {"4829150000000000", NULL}};
	char why[STAFF_PINS_WHY_SIZE];
	struct staff_pins *pins;

	(void)state;
	assert_int_equal(staff_pins_new(&pins, PINS, why), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *name;

		rig.compared = 0;
		name =
		    staff_pins_match(pins, cases[i].pin, strlen(cases[i].pin));
		assert_int_equal(rig.compared, 3);
		if (cases[i].name == NULL)
			assert_null(name);
		else
			assert_string_equal(name, cases[i].name);
	}
	staff_pins_free(&pins);
}

static void
a_hashed_pin_is_known_with_its_own_name_only(void **state)
{
	char why[STAFF_PINS_WHY_SIZE];
	struct staff_pins *pins;

	(void)state;
	assert_int_equal(
	    staff_pins_new(&pins, "ana:482915,eva:pbkdf2:" HASH_OF_EVA, why),
	    0);
	assert_string_equal(staff_pins_match(pins, "730591", 6), "eva");
	assert_null(staff_pins_match(pins, "730592", 6));
	staff_pins_free(&pins);
	assert_int_equal(
	    staff_pins_new(&pins, "iva:pbkdf2:" HASH_OF_EVA, why), 0);
	assert_null(staff_pins_match(pins, "730591", 6));
	staff_pins_free(&pins);
	/* One PIN for two: of nobody. */
	assert_int_equal(
	    staff_pins_new(&pins, "ana:730591,eva:pbkdf2:" HASH_OF_EVA, why),
	    0);
	assert_null(staff_pins_match(pins, "730591", 6));
	staff_pins_free(&pins);
}

static void
a_bad_list_is_refused_without_showing_a_pin(void **state)
{
	static const struct {
		const char *list, *why;
	} cases[] = {
	    {"482915", "entry 1 is not NAME:PIN"},
	    {"ana:48291", "6 to 12 digits"},
	    {"ana:4829151234567", "6 to 12 digits"},
	    {"ana:48291a", "6 to 12 digits"},
	    {"ana:482915,ana:730591", "entry 2 has the name"},
	    {"ana:482915,luis:482915", "entry 2 has the PIN"},
	    {"a b:482915", "entry 1 is not"},
	    {"eva:pbkdf2:12", "32 hexadecimal"},
	};
	char why[STAFF_PINS_WHY_SIZE];
	struct staff_pins *pins = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
		    staff_pins_new(&pins, cases[i].list, why), -EINVAL);
		assert_non_null(strstr(why, cases[i].why));
		assert_null(strstr(why, "48291"));
		assert_int_equal(
		    access_set_pins(rig.access, cases[i].list), -EINVAL);
	}
	/* The old ones hold, and nobody is let in by an empty list. */
	assert_int_equal(staff_pins_new(&pins, " , ", why), 0);
	assert_int_equal(staff_pins_count(pins), 0);
	assert_null(staff_pins_match(pins, "", 0));
	staff_pins_free(&pins);
}

/* -- digits ------------------------------------------------------------------------------ */

static void
dial(struct secret_entry *entry, const char *digits, uint64_t now_ms)
{
	for (; *digits != '\0'; digits++)
		assert_true(secret_entry_add(entry, *digits, now_ms));
}

static void
digits_end_with_a_hash_their_number_or_a_silence(void **state)
{
	struct secret_entry *entry;
	size_t len;

	(void)state;
	assert_int_equal(secret_entry_new(&entry), 0);
	assert_false(secret_entry_add(entry, '1', 0));
	secret_entry_begin(entry, 0, false, 1000);
	dial(entry, "99*12A3", 2000);
	assert_false(secret_entry_is_complete(entry, 9999));
	dial(entry, "#", 9000);
	assert_true(secret_entry_is_complete(entry, 9000));
	dial(entry, "77", 9000);
	assert_string_equal(secret_entry_digits(entry, &len), "123");
	assert_int_equal(len, 3);

	secret_entry_begin(entry, 4, false, 10000);
	dial(entry, "1234", 10000);
	assert_true(secret_entry_is_complete(entry, 10000));

	secret_entry_begin(entry, 0, false, 20000);
	assert_false(secret_entry_is_complete(entry, 39999));
	dial(entry, "1", 39999);
	assert_int_equal(secret_entry_due_ms(entry), 47999);
	assert_true(secret_entry_is_complete(entry, 47999));
	secret_entry_end(entry, 48000);
	assert_string_equal(secret_entry_digits(entry, &len), "");
	assert_int_equal(secret_entry_due_ms(entry), UINT64_MAX);
	secret_entry_free(&entry);
}

static void
what_is_dialled_after_the_end_is_swallowed_until_a_pause(void **state)
{
	struct secret_entry *entry;
	size_t len;

	(void)state;
	assert_int_equal(secret_entry_new(&entry), 0);
	secret_entry_begin(entry, 6, false, 1000);
	dial(entry, "123456", 1000);
	secret_entry_end(entry, 1000);
	assert_true(secret_entry_add(entry, '7', 2900));
	assert_true(secret_entry_add(entry, '8', 4800));
	assert_false(secret_entry_add(entry, '9', 6900));
	assert_string_equal(secret_entry_digits(entry, &len), "");
	secret_entry_free(&entry);
}

static void
who_was_too_slow_is_still_dialling_a_secret(void **state)
{
	struct secret_entry *entry;

	(void)state;
	assert_int_equal(secret_entry_new(&entry), 0);
	/* Time ran out, or nobody waits any more. */
	secret_entry_begin(entry, 6, false, 1000);
	dial(entry, "4", 2000);
	secret_entry_end(entry, 10000);
	dial(entry, "8", 17999);
	dial(entry, "2", 25998);
	/* But not for ever: then two seconds without a digit are the end. */
	dial(entry, "9", 29999);
	dial(entry, "1", 31998);
	assert_false(secret_entry_add(entry, '0', 34000));

	secret_entry_begin(entry, 6, false, 40000);
	secret_entry_end(entry, 60000);
	assert_false(secret_entry_add(entry, '0', 68000));

	/* Who ends it late has ended it. */
	secret_entry_begin(entry, 0, false, 70000);
	secret_entry_end(entry, 90000);
	dial(entry, "482915#", 95000);
	assert_true(secret_entry_add(entry, '#', 96999));
	assert_false(secret_entry_add(entry, '0', 99000));
	secret_entry_free(&entry);
}

static void
the_rest_of_earlier_digits_is_no_beginning(void **state)
{
	struct secret_entry *entry;
	size_t len;

	(void)state;
	assert_int_equal(secret_entry_new(&entry), 0);
	secret_entry_begin(entry, 6, false, 1000);
	secret_entry_end(entry, 21000);
	dial(entry, "482", 25000);
	secret_entry_begin(entry, 6, false, 25500);
	dial(entry, "915", 26000);
	dial(entry, "482915", 28000);
	assert_string_equal(secret_entry_digits(entry, &len), "482915");
	assert_true(secret_entry_is_complete(entry, 28000));
	/* Long ago it was another matter. */
	secret_entry_end(entry, 28000);
	dial(entry, "#", 28000);
	secret_entry_begin(entry, 6, false, 29500);
	dial(entry, "1", 29500);
	assert_string_equal(secret_entry_digits(entry, &len), "1");
	secret_entry_free(&entry);
}

static void
what_was_begun_under_another_supervisor_does_not_count(void **state)
{
	struct secret_entry *entry;
	size_t len;

	(void)state;
	assert_int_equal(secret_entry_new(&entry), 0);
	secret_entry_swallow(entry, 30000, 1000);
	assert_true(secret_entry_add(entry, '1', 25000));
	secret_entry_begin(entry, 6, true, 25500);
	dial(entry, "15", 26000);
	dial(entry, "482915", 28000);
	assert_true(secret_entry_is_complete(entry, 28000));
	assert_string_equal(secret_entry_digits(entry, &len), "482915");
	secret_entry_begin(entry, 6, true, 30000);
	dial(entry, "915#482915", 30000);
	assert_string_equal(secret_entry_digits(entry, &len), "482915");
	secret_entry_free(&entry);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(who_may_ask_what),
	    TEST(staff_who_proves_to_be_a_customer_is_both),
	    TEST(a_key_that_is_none_makes_nobody_a_customer),
	    TEST(three_wrong_pins_are_all_that_a_call_has),
	    TEST(calling_again_gives_no_new_tries_for_an_hour),
	    TEST(withheld_numbers_are_one_number),
	    TEST(who_changes_the_number_with_each_call_is_locked_out_too),
	    TEST(a_right_pin_costs_nothing_and_forgives_nothing),
	    TEST(who_hangs_up_before_the_answer_has_tried),
	    TEST(a_service_that_is_down_costs_no_try),
	    TEST(the_next_supervisor_knows_what_the_killed_one_knew),
	    TEST(
		a_new_call_on_an_old_channel_is_nobody_and_takes_nobodys_place),
	    TEST(every_entry_is_compared_whichever_matches),
	    TEST(a_hashed_pin_is_known_with_its_own_name_only),
	    TEST(a_bad_list_is_refused_without_showing_a_pin),
	    TEST(digits_end_with_a_hash_their_number_or_a_silence),
	    TEST(what_is_dialled_after_the_end_is_swallowed_until_a_pause),
	    TEST(who_was_too_slow_is_still_dialling_a_secret),
	    TEST(the_rest_of_earlier_digits_is_no_beginning),
	    TEST(what_was_begun_under_another_supervisor_does_not_count),
	};

	log_init("test", LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
