/* SPDX-License-Identifier: MIT */
/*
 * fuzz_template.c – templates and what the model puts into them: whatever the
 * argument is, it stays inside the place that it was given.
 *
 * A byte for the place, then template, argument and JSON template, each up to
 * 0xff.
 */
#include "common/http_template.h"
#include "common/json.h"
#include "common/json_pointer.h"
#include "common/sentence.h"
#include "common/sql_answer.h"
#include "common/sql_dsn.h"
#include "tests/fuzz/fuzz.h"

#include <cjson/cJSON.h>

static const char schema[] =
    "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"},"
    "\"n\":{\"type\":\"integer\"}},\"required\":[\"a\"]}";

static const char *
find_secret(const char *name, void *arg)
{
	(void)arg;
	return name[0] != '\0' ? "S3cr3t&x=1" : NULL;
}

static size_t
count(const char *text, const char *chars)
{
	size_t n = 0;

	while ((text = strpbrk(text, chars)) != NULL) {
		n++;
		text++;
	}
	return n;
}

/* No argument adds a separator, a line, or a control character. */
static void
check_place(const char *filled, const char *plain, enum http_place place)
{
	if (place == HTTP_PLACE_URL)
		FUZZ_CHECK(count(filled, "/?#&\r\n \"") ==
			   count(plain, "/?#&\r\n \""));
	else if (place == HTTP_PLACE_HEADER)
		FUZZ_CHECK(count(filled, "\r\n") == count(plain, "\r\n"));
}

static void
fuzz_http(const char *template, const char *argument, enum http_place place)
{
	cJSON *parameters = cJSON_Parse(schema);
	cJSON *arguments = cJSON_CreateObject();
	cJSON *harmless = cJSON_CreateObject();
	struct http_template_values values = {
	    .parameters = parameters,
	    .find_secret = find_secret,
	    .timeout_s = 30,
	};
	char why[256], *filled, *plain;

	json_add_string(arguments, "a", argument);
	json_add_int(arguments, "n", -7);
	json_add_string(harmless, "a", "x");
	json_add_int(harmless, "n", -7);
	if (http_template_check(
		template, place, parameters, why, sizeof(why)) == 0) {
		values.arguments = arguments;
		if (http_template_render(&filled, template, place, &values, why,
			sizeof(why)) == 0) {
			values.arguments = harmless;
			if (http_template_render(&plain, template, place,
				&values, why, sizeof(why)) == 0) {
				check_place(filled, plain, place);
				http_template_free(plain);
			}
			http_template_free(filled);
		}
	}
	cJSON_Delete(parameters);
	cJSON_Delete(arguments);
	cJSON_Delete(harmless);
}

static void
fuzz_json(const char *template, const char *argument)
{
	cJSON *parameters = cJSON_Parse(schema);
	cJSON *json = json_parse(template, strlen(template));
	cJSON *arguments = cJSON_CreateObject(), *out;
	struct http_template_values values = {
	    .arguments = arguments,
	    .parameters = parameters,
	    .find_secret = find_secret,
	};
	char why[256], pointer[64];

	json_add_string(arguments, "a", argument);
	if (json != NULL &&
	    http_template_check_json(json, parameters, why, sizeof(why)) == 0 &&
	    http_template_render_json(&out, json, &values, why, sizeof(why)) ==
		0) {
		snprintf(pointer, sizeof(pointer), "/%.60s", argument);
		(void)json_pointer_find(out, pointer);
		http_template_free_json(out);
	}
	cJSON_Delete(json);
	cJSON_Delete(arguments);
	cJSON_Delete(parameters);
}

static void
fuzz_sentence(const char *template, const char *argument)
{
	static const struct sentence_place places[] = {
	    {"done", 3}, {"total", INT64_MIN}};
	char out[SENTENCE_FILLED_SIZE];

	(void)argument;
	if (sentence_stray(template, places, 2) == NULL &&
	    sentence_fill(out, sizeof(out), template, places, 2) == 0)
		FUZZ_CHECK(strlen(out) < sizeof(out));
}

static void
fuzz_sql(const char *template, const char *argument)
{
	static char memory[SQL_ANSWER_TEXT_MAX + 1];
	struct sql_column columns[] = {
	    {"a", argument}, {"b", NULL}, {"saldo", "12345.60"}};
	const struct sql_row row = {columns, 3};
	struct sql_text text = {.text = memory};
	struct sql_words words;
	char why[SQL_ANSWER_WHY_SIZE], buf[SQL_DSN_MAX + 1];

	FUZZ_CHECK(sql_words_read(&words, NULL, why, sizeof(why)) == 0);
	if (sql_answer_check(template, &words, why, sizeof(why)) == 0 &&
	    sql_answer_render(
		&text, template, &words, &row, why, sizeof(why)) == 0)
		FUZZ_CHECK(text.len <= SQL_ANSWER_TEXT_MAX);
	if (sql_dsn_check(template, why, sizeof(why)) == 0)
		(void)sql_dsn_render(
		    buf, template, find_secret, NULL, why, sizeof(why));
	(void)sql_dsn_value(template, "Driver", buf, sizeof(buf));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	uint8_t place = fuzz_byte(&in);
	char *template, *argument;

	fuzz_init();
	template = fuzz_part(&in);
	argument = fuzz_part(&in);
	switch (place) {
	case 'u':
		fuzz_http(template, argument, HTTP_PLACE_URL);
		break;
	case 'h':
		fuzz_http(template, argument, HTTP_PLACE_HEADER);
		break;
	case 'j':
		fuzz_json(template, argument);
		break;
	case 's':
		fuzz_sentence(template, argument);
		break;
	case 'q':
		fuzz_sql(template, argument);
		break;
	}
	free(template);
	free(argument);
	return 0;
}
