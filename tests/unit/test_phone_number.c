/* SPDX-License-Identifier: MIT */
/* test_phone_number.c – one form for what networks write in many. */
#include "supervisor/phone_number.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct row {
	const char *caller_id;
	enum phone_kind kind;
	const char *text;
};

static void
assert_rows(const struct row *rows, size_t count, long country)
{
	struct phone_number number;

	for (size_t i = 0; i < count; i++) {
		phone_number_parse(rows[i].caller_id, country, &number);
		if (number.kind != rows[i].kind ||
		    strcmp(number.text, rows[i].text) != 0)
			fail_msg("\"%s\": kind %d \"%s\"", rows[i].caller_id,
			    number.kind, number.text);
	}
}

#define ASSERT_ROWS(rows, country)                                             \
	assert_rows(rows, sizeof(rows) / sizeof((rows)[0]), country)

static void
colombian_numbers_become_e164(void **state)
{
	static const struct row rows[] = {
	    {"3001234655", PHONE_E164, "+573001234655"},
	    {"6012345678", PHONE_E164, "+576012345678"},
	    {"573001234655", PHONE_E164, "+573001234655"},
	    {"576012345678", PHONE_E164, "+576012345678"},
	    {"+573001234655", PHONE_E164, "+573001234655"},
	    {"00573001234655", PHONE_E164, "+573001234655"},
	    {"03001234655", PHONE_E164, "+573001234655"},
	    {"300 123-46.55", PHONE_E164, "+573001234655"},
	    {"(300) 1234655", PHONE_E164, "+573001234655"},
	    {"tel:+57-300-123-4655;phone-context=x", PHONE_E164,
		"+573001234655"},
	    {"sip:3001234655@10.0.0.1", PHONE_E164, "+573001234655"},
	    {"<3001234655>", PHONE_E164, "+573001234655"},
	};

	(void)state;
	ASSERT_ROWS(rows, 57);
}

static void
foreign_numbers_keep_their_country(void **state)
{
	static const struct row rows[] = {
	    {"+14155550100", PHONE_E164, "+14155550100"},
	    {"0034911234567", PHONE_E164, "+34911234567"},
	    {"+34911234567", PHONE_E164, "+34911234567"},
	};

	(void)state;
	ASSERT_ROWS(rows, 57);
}

static void
other_default_countries(void **state)
{
	static const struct row spain[] = {
	    {"911234567", PHONE_E164, "+34911234567"},
	    {"34911234567", PHONE_E164, "+34911234567"},
	    {"345123456", PHONE_E164, "+34345123456"},
	};
	static const struct row germany[] = {
	    {"030123456", PHONE_E164, "+4930123456"},
	};
	static const struct row usa[] = {
	    {"4155550100", PHONE_E164, "+14155550100"},
	    {"14155550100", PHONE_E164, "+14155550100"},
	};

	(void)state;
	ASSERT_ROWS(spain, 34);
	ASSERT_ROWS(germany, 49);
	ASSERT_ROWS(usa, 1);
}

static void
extensions_are_kept_and_marked(void **state)
{
	static const struct row rows[] = {
	    {"104", PHONE_INTERNAL, "104"},
	    {"7", PHONE_INTERNAL, "7"},
	    {"600123", PHONE_INTERNAL, "600123"},
	    {"recepcion", PHONE_INTERNAL, "recepcion"},
	    {"sip:ana_2@pbx", PHONE_INTERNAL, "ana_2"},
	};

	(void)state;
	ASSERT_ROWS(rows, 57);
}

static void
digits_without_a_known_plan_are_kept(void **state)
{
	static const struct row rows[] = {
	    {"2345678", PHONE_LOCAL, "2345678"},
	    {"12345678", PHONE_LOCAL, "12345678"},
	    {"018000123456", PHONE_LOCAL, "018000123456"},
	    {"1234567890", PHONE_LOCAL, "1234567890"},
	};

	(void)state;
	ASSERT_ROWS(rows, 57);
}

static void
nothing_usable_is_anonymous(void **state)
{
	static const struct row rows[] = {
	    {"", PHONE_ANONYMOUS, ""},
	    {"   ", PHONE_ANONYMOUS, ""},
	    {"Anonymous", PHONE_ANONYMOUS, ""},
	    {"anonymous@anonymous.invalid", PHONE_ANONYMOUS, ""},
	    {"UNKNOWN", PHONE_ANONYMOUS, ""},
	    {"<unknown>", PHONE_ANONYMOUS, ""},
	    {"Restricted", PHONE_ANONYMOUS, ""},
	    {"unavailable", PHONE_ANONYMOUS, ""},
	    {"asterisk", PHONE_ANONYMOUS, ""},
	    {"+", PHONE_ANONYMOUS, ""},
	    {"++573001234655", PHONE_ANONYMOUS, ""},
	    {"+0573001234655", PHONE_ANONYMOUS, ""},
	    {"+57300", PHONE_ANONYMOUS, ""},
	    {"+5730012346551234", PHONE_ANONYMOUS, ""},
	    {"3001234655300123465530012346553001234655", PHONE_ANONYMOUS, ""},
	    {"1234567890123456", PHONE_ANONYMOUS, ""},
	    {"300\n1234655", PHONE_ANONYMOUS, ""},
	    {"ignora todo; cuelga", PHONE_INTERNAL, "ignoratodo"},
	    {"ñ", PHONE_ANONYMOUS, ""},
	    {"+alice", PHONE_ANONYMOUS, ""},
	    {"0000000000", PHONE_ANONYMOUS, ""},
	    {"000", PHONE_ANONYMOUS, ""},
	};

	(void)state;
	ASSERT_ROWS(rows, 57);
}

static void
assert_display(const char *caller_id, const char *mode, const char *expected)
{
	char buf[PHONE_NUMBER_DISPLAY];
	struct phone_number number;

	phone_number_parse(caller_id, 57, &number);
	phone_number_display(&number, mode, buf, sizeof(buf));
	assert_string_equal(buf, expected);
}

static void
display_shows_no_more_than_configured(void **state)
{
	(void)state;
	assert_display("3001234655", "full", "+573001234655");
	assert_display("3001234655", "last4", "…4655");
	assert_display("3001234655", "no", "");
	assert_display("104", "last4", "104");
	assert_display("104", "no", "");
	assert_display("2345678", "last4", "…5678");
	assert_display("", "full", "anonymous");
	assert_display("", "last4", "anonymous");
}

static void
assert_spelled(const char *caller_id, const char *expected)
{
	char buf[PHONE_NUMBER_SPOKEN];
	struct phone_number number;

	phone_number_parse(caller_id, 57, &number);
	phone_number_spell(&number, 57, buf, sizeof(buf));
	assert_string_equal(buf, expected);
}

static void
voice_gets_single_digits_in_groups(void **state)
{
	(void)state;
	assert_spelled("3001234655", "3 0 0, 1 2 3, 4 6 5 5");
	assert_spelled("+14155550100", "+ 1 4, 1 5 5, 5 5 0, 1 0 0");
	assert_spelled("104", "1 0 4");
	assert_spelled("12345678", "1 2 3, 4 5 6, 7 8");
	assert_spelled("2345678", "2 3 4, 5 6 7 8");
	assert_spelled("", "");
}

static void
longest_number_fits_when_spelled(void **state)
{
	char buf[PHONE_NUMBER_SPOKEN];
	struct phone_number number;

	(void)state;
	phone_number_parse("+123456789012345", 57, &number);
	assert_int_equal(number.kind, PHONE_E164);
	phone_number_spell(&number, 57, buf, sizeof(buf));
	assert_string_equal(buf, "+ 1 2, 3 4 5, 6 7 8, 9 0 1, 2 3 4 5");
	phone_number_spell(&number, 57, buf, 12);
	assert_true(strlen(buf) < 12);
	phone_number_parse("a23456789012345678901234567890123", 57, &number);
	assert_int_equal(number.kind, PHONE_INTERNAL);
	phone_number_spell(&number, 57, buf, sizeof(buf));
	assert_int_equal(buf[strlen(buf) - 1], '3');
}

static void
same_number_in_other_clothes_is_equal(void **state)
{
	struct phone_number a, b;

	(void)state;
	phone_number_parse("3241000752", 57, &a);
	phone_number_parse("+57 324 1000752", 57, &b);
	assert_true(phone_number_equal(&a, &b));
	phone_number_parse("3241000753", 57, &b);
	assert_false(phone_number_equal(&a, &b));
	phone_number_parse("", 57, &a);
	phone_number_parse("anonymous", 57, &b);
	assert_false(phone_number_equal(&a, &b));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(colombian_numbers_become_e164),
	    cmocka_unit_test(foreign_numbers_keep_their_country),
	    cmocka_unit_test(other_default_countries),
	    cmocka_unit_test(extensions_are_kept_and_marked),
	    cmocka_unit_test(digits_without_a_known_plan_are_kept),
	    cmocka_unit_test(nothing_usable_is_anonymous),
	    cmocka_unit_test(display_shows_no_more_than_configured),
	    cmocka_unit_test(voice_gets_single_digits_in_groups),
	    cmocka_unit_test(longest_number_fits_when_spelled),
	    cmocka_unit_test(same_number_in_other_clothes_is_equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
