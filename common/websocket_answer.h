/* SPDX-License-Identifier: MIT */
/*
 * websocket_answer.h – what a server says that does not upgrade.
 *
 * OpenAI's status alone does not tell a rate limit from an empty account
 * (both are 429), its body does; libwebsockets would throw the body away.
 */
#ifndef COMMON_WEBSOCKET_ANSWER_H
#define COMMON_WEBSOCKET_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

enum {
	WEBSOCKET_ANSWER_RAW_MAX = 16384, /* more is not looked at */
	WEBSOCKET_ANSWER_BODY_MAX = 4096,
	WEBSOCKET_ANSWER_LINE_SIZE = 96,
	WEBSOCKET_ANSWER_RETRY_MAX_MS = 3600000,
	/* "HTTP/1.1 429": enough to know that it is one. */
	WEBSOCKET_ANSWER_PREFIX = 12,
};

struct websocket_answer {
	int status;
	char line[WEBSOCKET_ANSWER_LINE_SIZE];    /* "429 Too Many Requests" */
	char body[WEBSOCKET_ANSWER_BODY_MAX + 1]; /* NUL-terminated, cut */
	size_t body_len;
	/* How long the server wants to be left alone; 0: it does not say. */
	unsigned int retry_ms;
};

/* True if RAW begins like an HTTP/1 answer with a status other than 101. */
bool websocket_answer_is_refusal(const char *raw, size_t len);

/*
 * Reads what has come so far (RFC 9112: by length, chunked, or to the end).
 * True when nothing that is still to come could add to *OUT.
 */
bool websocket_answer_parse(
    const char *raw, size_t len, bool at_end, struct websocket_answer *out);

#endif
