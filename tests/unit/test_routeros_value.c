/* SPDX-License-Identifier: MIT */
/*
 * test_routeros_value.c – the durations, numbers and texts that RouterOS
 * writes, and what looks like them.
 */
#include "toolworker/routeros_value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/json.h"
#include "common/utf8.h"

static void
durations_are_read_with_every_unit(void **state)
{
	static const struct {
		const char *text;
		int64_t us;
	} rows[] = {
	    {"0s", 0},
	    {"551us", 551},
	    {"12ms345us", 12345},
	    {"1s2ms", 1002000},
	    {"1d7h44m20s", 114260000000},
	    {"1w2d3h", 788400000000},
	    {"3w2d20h12m20s", 2059940000000},
	    {"2d20h12m20s", 245540000000},
	    {"10m", 600000000},
	    {"1.5s", 1500000},
	    {"0.25ms", 250},
	    {"02:03:04", 7384000000},
	    {"1d02:03:04", 93784000000},
	    {"03:04", 184000000},
	    {"00:00:10.5", 10500000},
	    {"9m59s", 599000000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t us = -1;

		if (routeros_duration_us(rows[i].text, &us) < 0)
			fail_msg("\"%s\" is not read", rows[i].text);
		assert_int_equal(us, rows[i].us);
	}
}

static void
what_is_no_duration_is_refused(void **state)
{
	static const char *const rows[] = {"", "never", "s", "1", "1x", "-1s",
	    "1h ", " 1h", "1h2", "1:2:3:4", "1:99", "1:", "1..5s",
	    "99999999999999999999s", "999999999999999w", "9000000000:00:00",
	    "1h-2m", "∞", "1s\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t us;

		if (routeros_duration_us(rows[i], &us) == 0)
			fail_msg(
			    "\"%s\" is read as %lld", rows[i], (long long)us);
	}
}

static void
numbers_may_have_a_sign_and_a_unit(void **state)
{
	int64_t value = 7;

	(void)state;
	assert_int_equal(routeros_number("1500", &value), 0);
	assert_int_equal(value, 1500);
	assert_int_equal(routeros_number("-5", &value), 0);
	assert_int_equal(value, -5);
	assert_int_equal(routeros_number("100%", &value), 0);
	assert_int_equal(value, 100);
	assert_int_equal(routeros_number("12bps", &value), 0);
	assert_int_equal(value, 12);
	assert_int_equal(routeros_number("4294967296", &value), 0);
	assert_true(value == INT64_C(4294967296));
}

static void
what_is_no_number_is_refused(void **state)
{
	static const char *const rows[] = {"", "-", "x", "1.5", "1e3", "0x10",
	    " 1", "1 ", "--1", "99999999999999999999", "1,000", "1%%"};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t value;

		if (routeros_number(rows[i], &value) == 0)
			fail_msg("\"%s\" is read", rows[i]);
	}
}

static void
fields_that_are_missing_have_defaults(void **state)
{
	cJSON *record = cJSON_Parse("{\"a\":\"true\",\"b\":\"yes\","
				    "\"c\":\"false\",\"n\":\"12\",\"d\":true,"
				    "\"e\":\"\"}");

	(void)state;
	assert_true(routeros_flag(record, "a"));
	assert_true(routeros_flag(record, "b"));
	assert_false(routeros_flag(record, "c"));
	assert_false(routeros_flag(record, "d")); /* every value is a text */
	assert_false(routeros_flag(record, "nothing"));
	assert_false(routeros_flag(NULL, "a"));
	assert_string_equal(routeros_field(record, "nothing"), "");
	assert_true(routeros_field_number(record, "n", 5) == 12);
	assert_true(routeros_field_number(record, "e", 5) == 5);
	assert_true(routeros_field_number(NULL, "n", 5) == 5);
	cJSON_Delete(record);
}

static void
texts_become_utf8_whatever_they_are(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *text;
	} rows[] = {
	    {"", 0, ""}, {"ca\xc3\xb1o", 5, "caño"},
	    {"ca\xf1o", 4, "caño"}, /* WinBox */
	    {"\xf0\x9f\x98\x80", 4, "😀"},
	    {"\xf0\x9f\x98", 3, "ð\xc2\x9f\xc2\x98"}, {"a\0b", 3, "a b"},
	    {"\xed\xa0\x80", 3, "í\xc2\xa0\xc2\x80"}, /* a surrogate */
	    {"\xc0\xaf", 2, "À¯"},                    /* overlong */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text = routeros_text(rows[i].bytes, rows[i].len);

		assert_string_equal(text, rows[i].text);
		free(text);
	}
}

static void
any_bytes_become_valid_utf8(void **state)
{
	char bytes[64];
	uint32_t seed = 5;

	(void)state;
	for (int round = 0; round < 5000; round++) {
		size_t len = (size_t)round % sizeof(bytes);
		char *text;

		for (size_t i = 0; i < len; i++) {
			seed = seed * 1664525 + 1013904223;
			bytes[i] = (char)(seed >> 24);
		}
		text = routeros_text(bytes, len);
		assert_true(utf8_count(text, strlen(text)) >= 0);
		assert_true(strlen(text) >= len);
		free(text);
	}
}

static void
customers_are_found_by_words(void **state)
{
	(void)state;
	assert_true(routeros_text_has_words("Juan Pérez, El Roble", "perez"));
	assert_true(
	    routeros_text_has_words("Juan Pérez, El Roble", "ROBLE juan"));
	assert_true(routeros_text_has_words("jperez", "Perez"));
	assert_false(
	    routeros_text_has_words("Juan Pérez, El Roble", "juan gomez"));
	assert_false(routeros_text_has_words("Juan", ""));
	assert_false(routeros_text_has_words("Juan", " ,. "));
	assert_false(routeros_text_has_words("", "juan"));
}

static void
mac_addresses_are_found_by_a_part(void **state)
{
	static const char mac[] = "00:00:5E:00:53:AA";

	(void)state;
	assert_true(routeros_mac_matches(mac, "00:00:5e:00:53:aa"));
	assert_true(routeros_mac_matches(mac, "00-00-5E-00-53-AA"));
	assert_true(routeros_mac_matches(mac, "00005e0053aa"));
	assert_true(routeros_mac_matches(mac, "53:aa"));
	assert_false(routeros_mac_matches(mac, "aa"));
	assert_false(routeros_mac_matches(mac, "53:ab"));
	assert_false(routeros_mac_matches(mac, "53:ax"));
	assert_false(routeros_mac_matches(mac, ""));
	assert_false(routeros_mac_matches(mac, "00:00:5e:00:53:aa:00"));
	assert_false(routeros_mac_matches("203.0.113.9", "0011"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(durations_are_read_with_every_unit),
	    cmocka_unit_test(what_is_no_duration_is_refused),
	    cmocka_unit_test(numbers_may_have_a_sign_and_a_unit),
	    cmocka_unit_test(what_is_no_number_is_refused),
	    cmocka_unit_test(fields_that_are_missing_have_defaults),
	    cmocka_unit_test(texts_become_utf8_whatever_they_are),
	    cmocka_unit_test(any_bytes_become_valid_utf8),
	    cmocka_unit_test(customers_are_found_by_words),
	    cmocka_unit_test(mac_addresses_are_found_by_a_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
