/* SPDX-License-Identifier: MIT */
/* breaker.c – decides when a session with the voice service may be tried. */
#include "supervisor/breaker.h"

#include "common/log.h"

#include <string.h>

static const char *
state_name(enum breaker_state state)
{
	switch (state) {
	case BREAKER_CLOSED:
		return "closed";
	case BREAKER_OPEN:
		return "open";
	case BREAKER_HALF_OPEN:
		return "half-open";
	}
	return "?";
}

static void
set_state(struct breaker *breaker, enum breaker_state state, const char *why)
{
	if (breaker->state == state)
		return;
	log_info("voice breaker %s -> %s (%s)", state_name(breaker->state),
	    state_name(state), why);
	breaker->state = state;
}

/* How long nobody should try after FAULT. */
static uint64_t
pause_ms(const struct breaker *breaker, enum voice_fault fault)
{
	uint64_t longer_ms = breaker->open_ms * 2;

	if (voice_fault_is_lasting(fault))
		return BREAKER_OPEN_LASTING_MS;
	if (longer_ms < BREAKER_OPEN_FIRST_MS)
		longer_ms = BREAKER_OPEN_FIRST_MS;
	if (fault == VOICE_FAULT_RATE_LIMIT &&
	    longer_ms < BREAKER_OPEN_RATE_LIMIT_MS)
		longer_ms = BREAKER_OPEN_RATE_LIMIT_MS;
	return longer_ms < BREAKER_OPEN_MAX_MS ? longer_ms
					       : BREAKER_OPEN_MAX_MS;
}

void
breaker_failed(struct breaker *breaker, enum voice_fault fault,
    const char *detail, uint64_t now_ms)
{
	bool opens;

	/* The one attempt of a half-open breaker counts whatever it met. */
	if (!voice_fault_is_shared(fault) &&
	    breaker->state != BREAKER_HALF_OPEN)
		return;
	breaker->failures++;
	opens = breaker->failures >= BREAKER_FAILURES ||
		breaker->state == BREAKER_HALF_OPEN ||
		voice_fault_is_lasting(fault) ||
		fault == VOICE_FAULT_RATE_LIMIT;
	if (!opens || breaker->state == BREAKER_OPEN)
		return;
	breaker->open_ms = pause_ms(breaker, fault);
	breaker->open_until_ms = now_ms + breaker->open_ms;
	breaker->fault = fault;
	log_err("alarm=openai_%s no voice session can be made: %s; next try "
		"in_ms=%llu detail=\"%s\"",
	    voice_fault_name(fault), voice_fault_what(fault),
	    (unsigned long long)breaker->open_ms, detail);
	set_state(breaker, BREAKER_OPEN, voice_fault_name(fault));
}

void
breaker_succeeded(struct breaker *breaker)
{
	set_state(breaker, BREAKER_CLOSED, "a session is up");
	breaker->failures = 0;
	breaker->open_ms = 0;
}

bool
breaker_is_due(const struct breaker *breaker, uint64_t now_ms)
{
	return breaker->state == BREAKER_CLOSED ||
	       (breaker->state == BREAKER_OPEN &&
		   now_ms >= breaker->open_until_ms);
}

bool
breaker_allows(struct breaker *breaker, uint64_t now_ms)
{
	if (!breaker_is_due(breaker, now_ms))
		return false;
	if (breaker->state == BREAKER_OPEN)
		set_state(breaker, BREAKER_HALF_OPEN, "time for one attempt");
	return true;
}

bool
breaker_is_open(const struct breaker *breaker)
{
	return breaker->state != BREAKER_CLOSED;
}

void
breaker_reset(struct breaker *breaker)
{
	set_state(breaker, BREAKER_CLOSED, "configuration read again");
	memset(breaker, 0, sizeof(*breaker));
}
