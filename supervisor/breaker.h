/* SPDX-License-Identifier: MIT */
/*
 * breaker.h – a circuit breaker for sessions with the voice service: a broken
 * key or an outage means one attempt now and then, not a storm.
 */
#ifndef SUPERVISOR_BREAKER_H
#define SUPERVISOR_BREAKER_H

#include "common/voice_fault.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	BREAKER_FAILURES = 3, /* passing faults in a row that open it */
	BREAKER_OPEN_FIRST_MS = 2000,
	BREAKER_OPEN_MAX_MS = 30000,
	BREAKER_OPEN_LASTING_MS = 60000, /* key, quota, model, certificate */
	BREAKER_OPEN_RATE_LIMIT_MS = 10000,
};

enum breaker_state {
	BREAKER_CLOSED,    /* all is well */
	BREAKER_OPEN,      /* nobody tries until open_until_ms */
	BREAKER_HALF_OPEN, /* one attempt is under way */
};

struct breaker {
	enum breaker_state state;
	enum voice_fault fault; /* that opened it */
	unsigned int failures;  /* in a row */
	uint64_t open_until_ms;
	uint64_t open_ms; /* length of the last opening */
};

/*
 * A session could not be made. Faults that say nothing about the service
 * (not "shared") do not count. Logs an alarm when it opens.
 */
void breaker_failed(struct breaker *breaker, enum voice_fault fault,
    const char *detail, uint64_t now_ms);

/* A session is up. */
void breaker_succeeded(struct breaker *breaker);

/* Whether one more attempt may start. */
bool breaker_is_due(const struct breaker *breaker, uint64_t now_ms);

/* The same, for one that starts now: a yes while open makes it half open. */
bool breaker_allows(struct breaker *breaker, uint64_t now_ms);

/* Whether it is worth waiting for a session at all. */
bool breaker_is_open(const struct breaker *breaker);

/* The configuration was read again: forget what was. */
void breaker_reset(struct breaker *breaker);

#endif
