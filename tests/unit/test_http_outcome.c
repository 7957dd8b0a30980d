/* SPDX-License-Identifier: MIT */
/* test_http_outcome.c – what each end of an exchange means for a job. */
#include "toolworker/http_outcome.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define JSON  "application/json"
#define LINES "application/x-ndjson"

/* Declares an answer, a flag, reasons, a status of its own, and progress. */
static const char full[] =
    "{\"url\":\"https://h/\",\"response\":{\"answer\":\"/a\",\"success\":"
    "{\"pointer\":\"/ok\",\"equals\":true},\"reason\":[\"/none\",\"/why\"],"
    "\"status\":{\"404\":\"refused\",\"500\":\"busy\"},"
    "\"progress\":{\"done\":\"/n\"}}}";
static const char plain[] = "{\"url\":\"https://h/\"}";
static const char text[] =
    "{\"url\":\"https://h/\",\"response\":{\"type\":\"text\"}}";

struct row {
	const char *settings;
	int status;
	const char *type;
	const char *body;
	enum tool_status wanted;
	const char *words; /* NULL: whatever they are */
};

static const struct row rows[] = {
    {full, 200, JSON, "{\"ok\":true,\"a\":\"sí\"}", TOOL_STATUS_OK, "sí"},
    {full, 299, JSON, "{\"ok\":true,\"a\":[1]}", TOOL_STATUS_OK, "[1]"},
    {full, 200, JSON, "{\"ok\":true}", TOOL_STATUS_MALFORMED, NULL},
    {full, 200, JSON, "{\"ok\":true,\"a\":null}", TOOL_STATUS_MALFORMED, NULL},
    {full, 200, JSON, "{\"ok\":true,\"a\":\" \"}", TOOL_STATUS_MALFORMED, NULL},
    {full, 200, JSON, "{\"ok\":1,\"a\":\"x\"}", TOOL_STATUS_MALFORMED, NULL},
    {full, 200, JSON, "{\"a\":\"x\"}", TOOL_STATUS_MALFORMED, NULL},
    {full, 200, JSON, "{\"ok\":false,\"why\":\"No.\"}", TOOL_STATUS_REFUSED,
	"No."},
    {full, 200, JSON, "{\"ok\":false}", TOOL_STATUS_REFUSED,
	"the service refused without a reason"},
    {full, 404, JSON, "{\"why\":\"No hay.\"}", TOOL_STATUS_REFUSED, "No hay."},
    {full, 404, "text/html", "<p>", TOOL_STATUS_REFUSED, "HTTP 404"},
    {full, 404, LINES, "{\"n\":1}\n{\"why\":\"No.\"}", TOOL_STATUS_REFUSED,
	"No."},
    {full, 500, JSON, "{}", TOOL_STATUS_BUSY, "HTTP 500"},
    {full, 200, LINES, "{\"n\":1}\n{\"ok\":true,\"a\":\"x\"}\n", TOOL_STATUS_OK,
	"x"},
    {full, 200, LINES, "{\"n\":1}\n", TOOL_STATUS_MALFORMED, NULL},
    {full, 200, LINES, "oops\n{\"ok\":true,\"a\":\"x\"}", TOOL_STATUS_MALFORMED,
	"a line of the answer is not JSON"},
    {full, 200, "application/x-ndjsonp", "{\"ok\":true,\"a\":\"x\"}",
	TOOL_STATUS_MALFORMED, "the answer's type is not JSON"},
    {plain, 200, "", "{\"x\":1}", TOOL_STATUS_OK, "{\"x\":1}"},
    {plain, 200, "application/problem+json; a=b", "7", TOOL_STATUS_OK, "7"},
    {plain, 200, "TEXT/JSON", "7", TOOL_STATUS_OK, "7"},
    {plain, 200, "+json", "7", TOOL_STATUS_MALFORMED, NULL},
    {plain, 200, "text/html", "7", TOOL_STATUS_MALFORMED,
	"the answer's type is not JSON"},
    {plain, 200, LINES, "7", TOOL_STATUS_MALFORMED, NULL},
    {plain, 200, JSON, "", TOOL_STATUS_MALFORMED, "the answer is not JSON"},
    {plain, 200, JSON, "{} x", TOOL_STATUS_MALFORMED, NULL},
    {plain, 200, JSON, "\"\xff\"", TOOL_STATUS_MALFORMED, NULL},
    {plain, 301, JSON, "{}", TOOL_STATUS_HTTP_ERROR, "HTTP 301"},
    {plain, 404, JSON, "{}", TOOL_STATUS_HTTP_ERROR, "HTTP 404"},
    {plain, 408, JSON, "{}", TOOL_STATUS_TIMEOUT, "HTTP 408"},
    {plain, 429, JSON, "{}", TOOL_STATUS_BUSY, "HTTP 429"},
    {plain, 503, JSON, "{}", TOOL_STATUS_BUSY, "HTTP 503"},
    {plain, 504, JSON, "{}", TOOL_STATUS_TIMEOUT, "HTTP 504"},
    {text, 200, "text/plain", " sí\n", TOOL_STATUS_OK, "sí"},
    {text, 200, "", "sí", TOOL_STATUS_OK, "sí"},
    {text, 200, "text/html", "sí", TOOL_STATUS_MALFORMED, NULL},
    {text, 200, JSON, "sí", TOOL_STATUS_MALFORMED, NULL},
    {text, 200, "text/plain", "\xc3", TOOL_STATUS_MALFORMED, NULL},
    {text, 200, "text/plain", "\n", TOOL_STATUS_MALFORMED, NULL},
};

static void
on_problem(const char *why, void *arg)
{
	(void)arg;
	fail_msg("%s", why);
}

static void
read_outcome(struct http_outcome *outcome, const char *settings_text,
    const struct http_response *response)
{
	cJSON *settings = cJSON_Parse(settings_text);
	cJSON *parameters = cJSON_Parse("{\"type\":\"object\"}");
	struct http_tool tool;

	assert_int_equal(
	    http_tool_read(&tool, settings, parameters, on_problem, NULL), 0);
	http_outcome_read(outcome, &tool, response, 10000, NULL);
	cJSON_Delete(settings);
	cJSON_Delete(parameters);
}

static void
an_answer_means_what_the_tool_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct http_response response = {
		    .result = HTTP_OK,
		    .status = rows[i].status,
		    .content_type = rows[i].type,
		    .body = rows[i].body,
		    .body_len = strlen(rows[i].body),
		    .redirect_url = "",
		    .retry_after_s = -1,
		    .error = "",
		};
		struct http_outcome outcome;

		read_outcome(&outcome, rows[i].settings, &response);
		if (outcome.status != rows[i].wanted)
			fail_msg("row %zu: %s (%s)", i,
			    tool_status_name(outcome.status), outcome.text);
		if (rows[i].words != NULL)
			assert_string_equal(outcome.text, rows[i].words);
		assert_true(outcome.text[0] != '\0');
	}
}

static void
an_exchange_without_an_end_has_its_own_meaning(void **state)
{
	static const struct {
		enum http_result result;
		int status;
		unsigned int elapsed_ms; /* of 10000 */
		enum tool_status wanted;
	} ends[] = {
	    {HTTP_REFUSED, 0, 1, TOOL_STATUS_UNREACHABLE},
	    {HTTP_RESOLVE, 0, 1, TOOL_STATUS_UNREACHABLE},
	    {HTTP_TLS, 0, 1, TOOL_STATUS_UNREACHABLE},
	    /* The connect timeout, and the deadline. */
	    {HTTP_TIMEOUT, 0, 3000, TOOL_STATUS_UNREACHABLE},
	    {HTTP_TIMEOUT, 0, 10000, TOOL_STATUS_TIMEOUT},
	    {HTTP_TIMEOUT, 200, 3000, TOOL_STATUS_TIMEOUT},
	    {HTTP_TOO_LARGE, 200, 1, TOOL_STATUS_MALFORMED},
	    {HTTP_BROKEN, 0, 1, TOOL_STATUS_UNREACHABLE},
	    {HTTP_BROKEN, 200, 1, TOOL_STATUS_MALFORMED},
	    {HTTP_OTHER, 0, 1, TOOL_STATUS_INTERNAL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		const struct http_response response = {
		    .result = ends[i].result,
		    .status = ends[i].status,
		    .content_type = JSON,
		    .body = "{\"a\":1}",
		    .body_len = 7,
		    .redirect_url = "",
		    .retry_after_s = -1,
		    .error = "why",
		    .elapsed_ms = ends[i].elapsed_ms,
		};
		struct http_outcome outcome;

		read_outcome(&outcome, plain, &response);
		assert_int_equal(outcome.status, ends[i].wanted);
		assert_string_equal(outcome.text, "why");
	}
}

static void
who_is_busy_may_say_for_how_long(void **state)
{
	const struct http_response response = {
	    .result = HTTP_OK,
	    .status = 503,
	    .content_type = "",
	    .body = "",
	    .redirect_url = "",
	    .retry_after_s = 30,
	    .error = "",
	};
	struct http_outcome outcome;

	(void)state;
	read_outcome(&outcome, plain, &response);
	assert_string_equal(outcome.text, "HTTP 503, retry after 30 s");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_answer_means_what_the_tool_says),
	    cmocka_unit_test(an_exchange_without_an_end_has_its_own_meaning),
	    cmocka_unit_test(who_is_busy_may_say_for_how_long),
	};

	return cmocka_run_group_tests_name("http_outcome", tests, NULL, NULL);
}
