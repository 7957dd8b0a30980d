/* SPDX-License-Identifier: MIT */
/*
 * websocket_answer.c – an HTTP/1 answer in one bounded buffer.
 *
 * Parsed from its start each time more has come: answers are small and rare,
 * and a parser without memory cannot get out of step.
 */
#include "common/websocket_answer.h"

#include <string.h>
#include <strings.h>

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The status after "HTTP/1.x ", or -1. */
static int
get_status(const char *raw, size_t len)
{
	if (len < WEBSOCKET_ANSWER_PREFIX || memcmp(raw, "HTTP/1.", 7) != 0 ||
	    !is_digit(raw[7]) || raw[8] != ' ')
		return -1;
	if (!is_digit(raw[9]) || !is_digit(raw[10]) || !is_digit(raw[11]))
		return -1;
	return (raw[9] - '0') * 100 + (raw[10] - '0') * 10 + (raw[11] - '0');
}

bool
websocket_answer_is_refusal(const char *raw, size_t len)
{
	int status = get_status(raw, len);

	return status >= 100 && status != 101;
}

/* The value of a header field, "" with a length of 0 if it is not there. */
static const char *
find_field(const char *head, size_t len, const char *name, size_t *len_out)
{
	size_t name_len = strlen(name);
	const char *end = head + len;
	const char *line = head;

	*len_out = 0;
	for (;;) {
		const char *eol = memmem(line, (size_t)(end - line), "\r\n", 2);

		if (!eol)
			eol = end;
		if ((size_t)(eol - line) > name_len && line[name_len] == ':' &&
		    strncasecmp(line, name, name_len) == 0) {
			line += name_len + 1;
			while (line < eol && (*line == ' ' || *line == '\t'))
				line++;
			*len_out = (size_t)(eol - line);
			return line;
		}
		if (end - eol <= 2)
			return "";
		line = eol + 2;
	}
}

static void
append(struct websocket_answer *out, const char *data, size_t len)
{
	size_t room = WEBSOCKET_ANSWER_BODY_MAX - out->body_len;

	if (len > room)
		len = room;
	memcpy(out->body + out->body_len, data, len);
	out->body_len += len;
	out->body[out->body_len] = '\0';
}

static bool
is_full(const struct websocket_answer *out)
{
	return out->body_len == WEBSOCKET_ANSWER_BODY_MAX;
}

static int
hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* RFC 9112 7.1. True at the last chunk, when full, or when it is no chunk. */
static bool
take_chunks(struct websocket_answer *out, const char *p, size_t len)
{
	const char *end = p + len;

	for (;;) {
		const char *eol = memmem(p, (size_t)(end - p), "\r\n", 2);
		size_t size = 0;

		if (!eol)
			return false;
		if (hex_value(*p) < 0)
			return true;
		for (; hex_value(*p) >= 0; p++) {
			size = size * 16 + (size_t)hex_value(*p);
			if (size > WEBSOCKET_ANSWER_RAW_MAX)
				size = WEBSOCKET_ANSWER_RAW_MAX;
		}
		if (size == 0)
			return true;
		p = eol + 2;
		if ((size_t)(end - p) < size + 2) {
			append(out, p,
			    (size_t)(end - p) < size ? (size_t)(end - p)
						     : size);
			return is_full(out);
		}
		append(out, p, size);
		if (is_full(out))
			return true;
		p += size + 2;
	}
}

/* A decimal number, at most MAX; 0 if it is none. */
static size_t
get_number(const char *value, size_t len, size_t max)
{
	size_t number = 0;

	for (size_t i = 0; i < len && is_digit(value[i]); i++) {
		number = number * 10 + (size_t)(value[i] - '0');
		if (number > max)
			return max;
	}
	return number;
}

/*
 * "Retry-After: 2" (RFC 9110 10.2.3; a date there is passed over, since the
 * two clocks may differ), or OpenAI's more exact "retry-after-ms".
 */
static unsigned int
get_retry_ms(const char *head, size_t len)
{
	size_t value_len;
	const char *value;
	size_t ms;

	value = find_field(head, len, "retry-after-ms", &value_len);
	ms = get_number(value, value_len, WEBSOCKET_ANSWER_RETRY_MAX_MS);
	if (ms > 0)
		return (unsigned int)ms;
	value = find_field(head, len, "Retry-After", &value_len);
	ms = get_number(value, value_len, WEBSOCKET_ANSWER_RETRY_MAX_MS / 1000);
	return (unsigned int)ms * 1000;
}

static bool
take_body(struct websocket_answer *out, const char *head, size_t head_len,
    const char *body, size_t len)
{
	size_t value_len;
	const char *value;
	size_t length;

	value = find_field(head, head_len, "Transfer-Encoding", &value_len);
	if (value_len >= 7 &&
	    strncasecmp(value + value_len - 7, "chunked", 7) == 0)
		return take_chunks(out, body, len);
	value = find_field(head, head_len, "Content-Length", &value_len);
	if (value_len == 0) {
		append(out, body, len);
		return is_full(out);
	}
	/* Cut to what we would look at anyway. */
	length = get_number(value, value_len, WEBSOCKET_ANSWER_RAW_MAX);
	append(out, body, len < length ? len : length);
	return len >= length || is_full(out);
}

bool
websocket_answer_parse(
    const char *raw, size_t len, bool at_end, struct websocket_answer *out)
{
	const char *head_end = memmem(raw, len, "\r\n\r\n", 4);
	const char *eol = memmem(raw, len, "\r\n", 2);
	size_t line_len;
	size_t head_len;
	bool whole;

	memset(out, 0, sizeof(*out));
	out->status = get_status(raw, len);
	if (out->status < 0) {
		out->status = 0;
		return true;
	}
	line_len = (eol ? (size_t)(eol - raw) : len) - 9;
	if (line_len >= sizeof(out->line))
		line_len = sizeof(out->line) - 1;
	memcpy(out->line, raw + 9, line_len);
	if (!head_end)
		return at_end || len >= WEBSOCKET_ANSWER_RAW_MAX;
	head_len = (size_t)(head_end - raw) + 4;
	out->retry_ms = get_retry_ms(raw, head_len);
	whole = take_body(out, raw, head_len, raw + head_len, len - head_len);
	return whole || at_end || len >= WEBSOCKET_ANSWER_RAW_MAX;
}
