/* SPDX-License-Identifier: MIT */
/* test_sql_answer.c – rows in words: formats, choices, gaps, and bad data. */
#include "common/sql_answer.h"

#include "common/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char words_json[] =
    "{\"months\":[\"enero\",\"febrero\",\"marzo\",\"abril\",\"mayo\","
    "\"junio\",\"julio\",\"agosto\",\"septiembre\",\"octubre\","
    "\"noviembre\",\"diciembre\"],\"date\":\"{day} de {month} de {year}\","
    "\"decimal\":\"coma\",\"money\":[\"peso\",\"pesos\"],\"yes\":\"sí\","
    "\"no\":\"no\",\"null\":\"sin dato\"}";

struct fixture {
	cJSON *json;
	struct sql_words words;
	struct sql_text text;
	char why[SQL_ANSWER_WHY_SIZE];
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->json = json_parse(words_json, strlen(words_json));
	f->text.text = calloc(1, SQL_ANSWER_TEXT_MAX + 1);
	assert_non_null(f->text.text);
	assert_int_equal(
	    sql_words_read(&f->words, f->json, f->why, sizeof(f->why)), 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	cJSON_Delete(f->json);
	free(f->text.text);
	free(f);
	return 0;
}

/* TEMPLATE with one column "v" (and "other", "x"), checked and rendered. */
static const char *
render(struct fixture *f, const char *template, const char *value)
{
	const struct sql_column columns[] = {
	    {.name = "OTHER", .value = "x"},
	    {.name = "v", .value = value},
	};
	const struct sql_row row = {.columns = columns, .count = 2};

	if (sql_answer_check(template, &f->words, f->why, sizeof(f->why)) != 0)
		fail_msg("%s: %s", template, f->why);
	f->text.len = 0;
	f->text.full = false;
	f->text.text[0] = '\0';
	assert_int_equal(sql_answer_render(&f->text, template, &f->words, &row,
			     f->why, sizeof(f->why)),
	    0);
	return f->text.text;
}

static void
formats_say_what_databases_write(void **state)
{
	static const struct {
		const char *template;
		const char *value;
		const char *said;
	} rows[] = {
	    {"{v}", "Ñandú", "Ñandú"},
	    {"<{v}> {other}", "a", "<a> x"},
	    {"{v}", "{other}[x]{v?a|b}", "{other}[x]{v?a|b}"},
	    {"{v}", "a\nb\tc\x1b", "a b c "},
	    {"{v:number}", "85000.00", "85000"},
	    {"{v:number}", "0085", "85"},
	    {"{v:number}", "-0.50", "-0 coma 5"},
	    {"{v:number}", ".5", "0 coma 5"},
	    {"{v:number}", "+7.", "7"},
	    {"{v:number}", "0", "0"},
	    {"{v:number}", "-0.00", "0"},
	    {"{v:number}", "000", "0"},
	    {"{v:number}", "", ""},
	    {"{v:number}", "-", "-"},
	    {"{v:number}", ".", "."},
	    {"{v:number}", "1e5", "1e5"},
	    {"{v:number}", "1.2.3", "1.2.3"},
	    {"{v:number}", "doce", "doce"},
	    {"{v:number|factura|facturas}", "1.0", "1 factura"},
	    {"{v:number|factura|facturas}", "21", "21 facturas"},
	    {"{v:number|factura|facturas}", "0", "0 facturas"},
	    {"{v:number|factura|facturas}", "-1", "-1 factura"},
	    {"{v:number|factura|facturas}", "x", "x"},
	    {"{v:money}", "1", "1 peso"},
	    {"{v:money}", "119900.50", "119900 coma 5 pesos"},
	    {"{v:date}", "2026-11-05", "5 de noviembre de 2026"},
	    {"{v:date}", "2026-01-31 10:00:00", "31 de enero de 2026"},
	    {"{v:date}", "2026-13-01", "2026-13-01"},
	    {"{v:date}", "2026-00-01", "2026-00-01"},
	    {"{v:date}", "2026-01-00", "2026-01-00"},
	    {"{v:date}", "20260-1-01", "20260-1-01"},
	    {"{v:date}", "2026-01-011", "2026-01-011"},
	    {"{v:date}", "2026-1", "2026-1"},
	    {"{v:date}", "ñ", "ñ"},
	    {"{v:time}", "14:30:59", "14:30"},
	    {"{v:time}", "2026-01-01 09:05:00", "09:05"},
	    {"{v:time}", "2026-01-01T09:05", "09:05"},
	    {"{v:time}", "9:05", "9:05"},
	    {"{v:time}", " ", " "},
	    {"{v:digits}", "300123", "3 0 0 1 2 3"},
	    {"{v:digits}", "A-12ñ", "A- 1 2ñ"},
	    {"{v:digits}", "", ""},
	    {"{v:yesno}", "1", "sí"},
	    {"{v:yesno}", "f", "no"},
	    {"{v?hay|no hay}", "t", "hay"},
	    {"{v?hay|no hay}", "0.00", "no hay"},
	    {"{v?hay}", "0", ""},
	    {"{v?|no}", "0", "no"},
	    {"{v?{v:number|uno|dos} y {other}|nada}", "2", "2 dos y x"},
	    {"{v?{other?{v}|b}|c}", "7", "7"},
	    {"[a {v}]", "1", "a 1"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *said =
		    render(*state, rows[i].template, rows[i].value);

		if (strcmp(said, rows[i].said) != 0)
			fail_msg("%s of \"%s\": \"%s\", not \"%s\"",
			    rows[i].template, rows[i].value, said,
			    rows[i].said);
	}
}

static void
what_is_null_is_a_word_or_leaves_its_part_out(void **state)
{
	assert_string_equal(render(*state, "{v}", NULL), "sin dato");
	assert_string_equal(render(*state, "{v:money}", NULL), "sin dato");
	assert_string_equal(render(*state, "a[ b {v}].", NULL), "a.");
	assert_string_equal(render(*state, "a[ b [c {v}]d].", NULL), "a b d.");
	assert_string_equal(
	    render(*state, "[x {other}][y {v}]z", NULL), "x xz");
	assert_string_equal(render(*state, "[x {v?a|b}]", NULL), "x b");
	assert_string_equal(render(*state, "{v?a|no [n {v}]}", NULL), "no ");
}

static void
long_values_are_cut_at_a_letter(void **state)
{
	char value[2 * SQL_ANSWER_VALUE_MAX + 2] = "";
	const char *said;

	for (size_t i = 0; i + 2 < sizeof(value); i += 2)
		memcpy(value + i, "ñ", 2);
	said = render(*state, "{v}", value);
	assert_int_equal(strlen(said), SQL_ANSWER_VALUE_MAX + strlen("…"));
	said = render(*state, "{v:digits}", value);
	assert_in_range(strlen(said), 10, SQL_ANSWER_VALUE_MAX + 3);
	memset(value, '7', sizeof(value) - 1);
	said = render(*state, "{v:number}", value);
	assert_int_equal(strlen(said), SQL_ANSWER_VALUE_MAX + strlen("…"));
	said = render(*state, "{v:digits}", value);
	assert_in_range(strlen(said), 10, SQL_ANSWER_VALUE_MAX + 3);
}

static void
a_text_that_is_full_stays_within_its_bounds(void **state)
{
	struct fixture *f = *state;
	char part[1001];

	memset(part, 'x', sizeof(part) - 1);
	part[sizeof(part) - 1] = '\0';
	for (int i = 0; i < 20; i++)
		sql_text_append(&f->text, part, strlen(part));
	assert_true(f->text.full);
	assert_int_equal(f->text.len, 12000);
	assert_int_equal(strlen(f->text.text), 12000);
}

static void
a_column_that_is_not_there_is_named(void **state)
{
	struct fixture *f = *state;
	const struct sql_row row = {0};

	assert_int_equal(sql_answer_render(&f->text, "{nobody}", &f->words,
			     &row, f->why, sizeof(f->why)),
	    -ENOENT);
	assert_non_null(strstr(f->why, "\"nobody\""));
}

static void
bad_templates_are_refused(void **state)
{
	static const char *const bad[] = {"{", "}", "[", "]", "{v", "v}",
	    "[{v]}", "{[v]}", "{}", "{ v}", "{v }", "{v:}", "{v:colour}",
	    "{v:number|one}", "{v:number|a|b|c}", "{v:money|a|b}", "{v?a|b|c}",
	    "{v!}", "{ñ}", "{v?{}|b}", "{v?{v?{v?{v?{v?{v?a}}}}}}",
	    "[[[[[[a]]]]]]",
	    "{a234567890123456789012345678901234567890123456789012345678901234"
	    "5}"};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		f->why[0] = '\0';
		if (sql_answer_check(
			bad[i], &f->words, f->why, sizeof(f->why)) != -EINVAL)
			fail_msg("accepted %s", bad[i]);
		assert_true(f->why[0] != '\0');
	}
}

static void
formats_need_their_words(void **state)
{
	static const char *const needy[] = {
	    "{v:number}", "{v:money}", "{v:date}", "{v:yesno}"};
	struct fixture *f = *state;
	struct sql_words none;

	assert_int_equal(
	    sql_words_read(&none, NULL, f->why, sizeof(f->why)), 0);
	for (size_t i = 0; i < sizeof(needy) / sizeof(needy[0]); i++) {
		assert_int_equal(
		    sql_answer_check(needy[i], &none, f->why, sizeof(f->why)),
		    -EINVAL);
		assert_non_null(strstr(f->why, "\"words\""));
	}
	assert_int_equal(sql_answer_check("{v} {v:digits} {v:time}", &none,
			     f->why, sizeof(f->why)),
	    0);
}

static void
bad_words_are_refused(void **state)
{
	static const char *const bad[] = {"[]", "{\"months\":[\"enero\"]}",
	    "{\"months\":{}}", "{\"money\":\"peso\"}", "{\"money\":[\"a\"]}",
	    "{\"money\":[\"a\",\"b\",\"c\"]}", "{\"money\":[1,2]}",
	    "{\"yes\":1}", "{\"yes\":\"\"}", "{\"colour\":\"x\"}",
	    "{\"months\":[1,2,3,4,5,6,7,8,9,10,11,12]}"};
	struct fixture *f = *state;
	struct sql_words words;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cJSON *json = json_parse(bad[i], strlen(bad[i]));

		assert_non_null(json);
		if (sql_words_read(&words, json, f->why, sizeof(f->why)) !=
		    -EINVAL)
			fail_msg("accepted %s", bad[i]);
		cJSON_Delete(json);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(formats_say_what_databases_write),
	    TEST(what_is_null_is_a_word_or_leaves_its_part_out),
	    TEST(long_values_are_cut_at_a_letter),
	    TEST(a_text_that_is_full_stays_within_its_bounds),
	    TEST(a_column_that_is_not_there_is_named),
	    TEST(bad_templates_are_refused),
	    TEST(formats_need_their_words),
	    TEST(bad_words_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
