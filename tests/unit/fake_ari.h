/* SPDX-License-Identifier: MIT */
/*
 * fake_ari.h – supervisor/ari.h without an Asterisk: requests are kept until
 * the test answers them, one by one and in the order that it wants.
 */
#ifndef TESTS_UNIT_FAKE_ARI_H
#define TESTS_UNIT_FAKE_ARI_H

#include "common/json.h"
#include "supervisor/ari.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum {
	FAKE_ARI_MAX = 512,
};

struct fake_request {
	char method[8];
	char path[2048];
	char body[4096]; /* as JSON; "" if there was none */
	ari_response_fn *fn;
	void *arg;
	bool open; /* not answered yet */
};

static struct {
	enum ari_state state;
	int error; /* what ari_request() returns instead, or 0 */
	struct fake_request requests[FAKE_ARI_MAX];
	size_t count;
} fake_ari;

static inline void
fake_ari_reset(void)
{
	memset(&fake_ari, 0, sizeof(fake_ari));
	fake_ari.state = ARI_UP;
}

enum ari_state
ari_state(const struct ari *ari)
{
	(void)ari;
	return fake_ari.state;
}

const char *
ari_escape(const char *id, char *buf, size_t size)
{
	size_t n = 0;

	for (; *id != '\0' && n + 4 <= size; id++) {
		unsigned char c = (unsigned char)*id;

		if (isalnum(c) || strchr("-._~", c) != NULL)
			buf[n++] = (char)c;
		else
			n += (size_t)snprintf(buf + n, 4, "%%%02X", c);
	}
	buf[n] = '\0';
	return buf;
}

int
ari_request(struct ari *ari, ari_response_fn *fn, void *arg, const char *method,
    cJSON *body, const char *format, ...)
{
	struct fake_request *request = &fake_ari.requests[fake_ari.count];
	va_list ap;

	(void)ari;
	request->body[0] = '\0';
	if (body != NULL)
		assert_true(cJSON_PrintPreallocated(
		    body, request->body, sizeof(request->body), false));
	cJSON_Delete(body);
	if (fake_ari.error != 0)
		return fake_ari.error;
	assert_true(fake_ari.count < FAKE_ARI_MAX);
	fake_ari.count++;
	snprintf(request->method, sizeof(request->method), "%s", method);
	va_start(ap, format);
	vsnprintf(request->path, sizeof(request->path), format, ap);
	va_end(ap);
	request->fn = fn;
	request->arg = arg;
	request->open = true;
	return 0;
}

/* The oldest unanswered METHOD whose path contains PART, or NULL. */
static inline struct fake_request *
fake_ari_find(const char *method, const char *part)
{
	for (size_t i = 0; i < fake_ari.count; i++) {
		struct fake_request *request = &fake_ari.requests[i];

		if (request->open && strcmp(request->method, method) == 0 &&
		    strstr(request->path, part) != NULL)
			return request;
	}
	return NULL;
}

/* How often it was asked for, answered or not. */
static inline size_t
fake_ari_asked(const char *method, const char *part)
{
	size_t n = 0;

	for (size_t i = 0; i < fake_ari.count; i++)
		n += strcmp(fake_ari.requests[i].method, method) == 0 &&
		     strstr(fake_ari.requests[i].path, part) != NULL;
	return n;
}

static inline size_t
fake_ari_unanswered(void)
{
	size_t n = 0;

	for (size_t i = 0; i < fake_ari.count; i++)
		n += fake_ari.requests[i].open;
	return n;
}

/* STATUS 0: no answer came in time. TEXT is the body, or NULL. */
static inline void
fake_ari_answer_request(
    struct fake_request *request, int status, const char *text)
{
	cJSON *body = text == NULL ? NULL : json_parse(text, strlen(text));
	const struct ari_response response = {.status = status, .body = body};

	assert_true(text == NULL || body != NULL);
	request->open = false;
	if (request->fn != NULL)
		request->fn(&response, request->arg);
	cJSON_Delete(body);
}

static inline void
fake_ari_answer(
    const char *method, const char *part, int status, const char *text)
{
	struct fake_request *request = fake_ari_find(method, part);

	if (request == NULL)
		fail_msg("nobody asked for %s %s", method, part);
	else
		fake_ari_answer_request(request, status, text);
}

/* Answers every open METHOD, also those that come of it. */
static inline void
fake_ari_answer_all(const char *method, int status)
{
	struct fake_request *request;

	while ((request = fake_ari_find(method, "")) != NULL)
		fake_ari_answer_request(request, status, NULL);
}

#endif
