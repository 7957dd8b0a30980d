/* SPDX-License-Identifier: MIT */
/*
 * mikrotik.h – the executor of consultar_mikrotik: a question in plain words
 * to the MikroTik query service, an answer in plain words from it.
 *
 *   POST $MIKROTIK_API_URL/query  {"question": 3-500 characters,
 *                                  "timeout": 15-90 seconds}
 *   200 {"success": bool, "response": string, "metadata": object}
 *   GET  $MIKROTIK_API_URL/health
 *
 * How an exchange becomes a status:
 *   ok           200, success, a response that is not blank
 *   refused      200, success false: the service understood and says why; its
 *                words are the output
 *   timeout      no answer before the deadline, or 408, 504
 *   busy         429, 503
 *   http_error   any other status, redirects included; "HTTP 500" is said
 *   unreachable  no URL set, no address, no connection (three seconds without
 *                one), bad certificate, connection lost before an answer
 *   malformed    200 that is cut off, over RESPONSE_MAX, not UTF-8, not JSON,
 *                or JSON of another shape
 *   invalid_arguments  question or timeout outside of the above
 */
#ifndef TOOLWORKER_MIKROTIK_H
#define TOOLWORKER_MIKROTIK_H

#include "toolworker/executor.h"
#include "toolworker/http_call.h"

enum {
	MIKROTIK_QUESTION_MIN = 3, /* characters (code points) */
	MIKROTIK_QUESTION_MAX = 500,
	MIKROTIK_TIMEOUT_MIN_S = 15,
	MIKROTIK_TIMEOUT_MAX_S = 90,
	MIKROTIK_TIMEOUT_DEFAULT_S = 60,
	MIKROTIK_RESPONSE_MAX = 256 * 1024, /* bytes of JSON */
	MIKROTIK_HEALTH_DEADLINE_MS = 5000,
};

struct mikrotik;

/*
 * BASE_URL is MIKROTIK_API_URL, with or without a slash at the end; "" makes
 * every job unreachable. NETWORK outlives the executor. 0 or -errno.
 */
int mikrotik_new(struct mikrotik **mikrotik_out,
    const struct http_call_network *network, const char *base_url);

/* After the last job has ended. NULL-safe, clears *MIKROTIK. */
void mikrotik_free(struct mikrotik **mikrotik);

/* Asks for GET /health, once; the answer is a log line and nothing else. */
void mikrotik_probe(struct mikrotik *mikrotik);

/* For the jobs table: "mikrotik". */
struct executor mikrotik_executor(struct mikrotik *mikrotik);

#endif
