/* SPDX-License-Identifier: MIT */
/* test_websocket_answer.c – refusals, whole, in pieces and malformed. */
#include "common/websocket_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *raw;
	int status;
	const char *line;
	const char *body;
	bool to_end; /* only the end of the stream completes it */
} cases[] = {
    {"HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nkey", 401,
	"401 Unauthorized", "key", false},
    {"HTTP/1.1 429 Too Many Requests\r\nX: Content-Length: 9\r\n"
     "content-length:5\r\n\r\nquota and more",
	429, "429 Too Many Requests", "quota", false},
    {"HTTP/1.1 500 Oops\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
     "4;ext=1\r\nWiki\r\n05\r\npedia\r\n0\r\n\r\n",
	500, "500 Oops", "Wikipedia", false},
    {"HTTP/1.0 503 Busy\r\n\r\nuntil the end", 503, "503 Busy", "until the end",
	true},
    {"HTTP/1.1 403\r\nContent-Length: 0\r\n\r\n", 403, "403", "", false},
    {"HTTP/1.1 502 Bad\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 502,
	"502 Bad", "", false},
    {"HTTP/1.1 404 Not Found\r\nno header at all", 404, "404 Not Found", "",
	true},
};

static void
refusals_are_read_whole(void **state)
{
	struct websocket_answer answer;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t len = strlen(cases[i].raw);

		assert_true(websocket_answer_is_refusal(cases[i].raw, len));
		assert_int_equal(
		    websocket_answer_parse(cases[i].raw, len, false, &answer),
		    !cases[i].to_end);
		assert_true(
		    websocket_answer_parse(cases[i].raw, len, true, &answer));
		assert_int_equal(answer.status, cases[i].status);
		assert_string_equal(answer.line, cases[i].line);
		assert_string_equal(answer.body, cases[i].body);
		assert_int_equal(answer.body_len, strlen(cases[i].body));
	}
}

static void
how_long_to_wait_is_read(void **state)
{
	static const struct {
		const char *fields;
		unsigned int retry_ms;
	} waits[] = {
	    {"Retry-After: 2\r\n", 2000},
	    {"x: 1\r\nretry-after:120\r\ny: 2\r\n", 120000},
	    {"Retry-After: 2\r\nretry-after-ms: 1250\r\n", 1250},
	    {"retry-after-ms: soon\r\nRetry-After: 3\r\n", 3000},
	    {"Retry-After: Sat, 21 Nov 2026 18:00:00 GMT\r\n", 0},
	    {"Retry-After: -1\r\n", 0},
	    {"Retry-After:\r\n", 0},
	    {"Retry-After: 99999999999999999999\r\n",
		WEBSOCKET_ANSWER_RETRY_MAX_MS},
	    {"Retry-Afterwards: 5\r\n", 0},
	    {"", 0},
	};
	struct websocket_answer answer;
	char raw[256];

	(void)state;
	for (size_t i = 0; i < sizeof(waits) / sizeof(*waits); i++) {
		snprintf(raw, sizeof(raw),
		    "HTTP/1.1 429 Too Many Requests\r\n%s"
		    "Content-Length: 0\r\n\r\nRetry-After: 9\r\n",
		    waits[i].fields);
		assert_true(
		    websocket_answer_parse(raw, strlen(raw), false, &answer));
		assert_int_equal(answer.retry_ms, waits[i].retry_ms);
	}
}

/* No prefix may be read past its end (the sanitizer watches) or complete. */
static void
every_prefix_is_incomplete(void **state)
{
	struct websocket_answer answer;
	const char *raw = cases[2].raw;
	size_t whole = strlen(raw) - 2; /* the last chunk's line suffices */

	(void)state;
	for (size_t len = 0; len < whole; len++) {
		char *prefix = malloc(len + 1);
		bool complete;

		memcpy(prefix, raw, len);
		prefix = realloc(prefix, len ? len : 1);
		complete = websocket_answer_parse(prefix, len, false, &answer);
		/* Without a status it is hopeless, and that is an end, too. */
		assert_int_equal(complete, len < WEBSOCKET_ANSWER_PREFIX);
		free(prefix);
	}
	assert_true(websocket_answer_parse(raw, whole, false, &answer));
}

static void
what_is_no_refusal_is_left_alone(void **state)
{
	static const char *const others[] = {
	    "HTTP/1.1 101 Switching Protocols\r\n\r\n", "HTTP/1.1 4",
	    "HTTP/2 404\r\n\r\n....", "SSH-2.0-OpenSSH_9.2\r\n",
	    "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1-404"};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		assert_false(
		    websocket_answer_is_refusal(others[i], strlen(others[i])));
}

static void
large_bodies_are_cut(void **state)
{
	static char raw[WEBSOCKET_ANSWER_RAW_MAX];
	struct websocket_answer answer;
	static const char *const heads[] = {
	    "HTTP/1.1 500 A\r\nContent-Length: 99999999999999999999\r\n\r\n",
	    "HTTP/1.1 500 A\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "ffffffffffffffffff\r\n",
	    "HTTP/1.1 500 A\r\n\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		memset(raw, 'x', sizeof(raw));
		memcpy(raw, heads[i], strlen(heads[i]));
		assert_true(
		    websocket_answer_parse(raw, sizeof(raw), false, &answer));
		assert_int_equal(answer.body_len, WEBSOCKET_ANSWER_BODY_MAX);
		assert_int_equal(answer.body[answer.body_len], '\0');
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(refusals_are_read_whole),
	    cmocka_unit_test(how_long_to_wait_is_read),
	    cmocka_unit_test(every_prefix_is_incomplete),
	    cmocka_unit_test(what_is_no_refusal_is_left_alone),
	    cmocka_unit_test(large_bodies_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
