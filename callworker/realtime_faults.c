/* SPDX-License-Identifier: MIT */
/*
 * realtime_faults.c – tables from what OpenAI says to enum voice_fault.
 *
 * Invariant: what nobody has seen before is a fault of the service (SERVER) or
 * of this one session (CLOSED), never one that stops all other calls.
 */
#include "callworker/realtime_faults.h"

#include "common/websocket.h"

#include <string.h>

enum voice_fault
realtime_error_fault(const char *type, const char *code, const char *message)
{
	static const struct {
		const char *word;
		enum voice_fault fault;
	} words[] = {
	    {"insufficient_quota", VOICE_FAULT_QUOTA},
	    {"credit_balance_exhausted", VOICE_FAULT_QUOTA},
	    {"billing_", VOICE_FAULT_QUOTA},
	    {"exceeded your current quota", VOICE_FAULT_QUOTA},
	    {"rate_limit", VOICE_FAULT_RATE_LIMIT},
	    {"invalid_api_key", VOICE_FAULT_KEY},
	    {"authentication", VOICE_FAULT_KEY},
	    {"model_not_found", VOICE_FAULT_MODEL},
	    {"invalid_model", VOICE_FAULT_MODEL},
	    {"session_expired", VOICE_FAULT_EXPIRED},
	    {"maximum duration", VOICE_FAULT_EXPIRED},
	    {"content_filter", VOICE_FAULT_CONTENT},
	    {"server_error", VOICE_FAULT_SERVER},
	    {"internal_error", VOICE_FAULT_SERVER},
	    {"overloaded", VOICE_FAULT_SERVER},
	    {"invalid_request", VOICE_FAULT_PROTOCOL},
	    {"beta_api_shape", VOICE_FAULT_PROTOCOL},
	};
	const char *const places[] = {code, type, message};

	for (size_t p = 0; p < 3; p++) {
		for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
			if (strstr(places[p], words[i].word) != NULL)
				return words[i].fault;
		}
	}
	return VOICE_FAULT_SERVER;
}

bool
realtime_fault_is_fatal(enum voice_fault fault)
{
	return fault == VOICE_FAULT_QUOTA || fault == VOICE_FAULT_KEY ||
	       fault == VOICE_FAULT_MODEL || fault == VOICE_FAULT_EXPIRED;
}

static enum voice_fault
handshake_fault(const struct websocket_closed *closed)
{
	enum voice_fault fault = realtime_error_fault("", "", closed->body);

	switch (closed->status) {
	case 401:
	case 403:
		return VOICE_FAULT_KEY;
	case 404:
		return VOICE_FAULT_MODEL;
	case 429:
		return fault == VOICE_FAULT_QUOTA ? fault
						  : VOICE_FAULT_RATE_LIMIT;
	default:
		break;
	}
	if (closed->status >= 500)
		return VOICE_FAULT_SERVER;
	if (fault == VOICE_FAULT_MODEL || fault == VOICE_FAULT_KEY ||
	    fault == VOICE_FAULT_QUOTA)
		return fault;
	return VOICE_FAULT_PROTOCOL;
}

static enum voice_fault
peer_fault(const struct websocket_closed *closed)
{
	enum voice_fault fault = realtime_error_fault("", "", closed->text);

	/* The peer's own words, when they say something. */
	if (fault != VOICE_FAULT_SERVER)
		return fault;
	switch (closed->status) {
	case 1006:
		return VOICE_FAULT_NETWORK;
	case 1002:
	case 1003:
	case 1007:
	case 1009:
		return VOICE_FAULT_PROTOCOL;
	case 1011:
	case 1012:
	case 1013:
		return VOICE_FAULT_SERVER;
	default:
		return VOICE_FAULT_CLOSED;
	}
}

enum voice_fault
realtime_closed_fault(const struct websocket_closed *closed)
{
	switch (closed->reason) {
	case WEBSOCKET_REFUSED:
		return VOICE_FAULT_REFUSED;
	case WEBSOCKET_TLS:
		return VOICE_FAULT_TLS;
	case WEBSOCKET_HANDSHAKE:
		return handshake_fault(closed);
	case WEBSOCKET_TIMEOUT:
		return VOICE_FAULT_TIMEOUT;
	case WEBSOCKET_PEER:
		return peer_fault(closed);
	case WEBSOCKET_DEAD:
		return VOICE_FAULT_NETWORK;
	case WEBSOCKET_OVERSIZE:
		return VOICE_FAULT_PROTOCOL;
	case WEBSOCKET_LOCAL:
	case WEBSOCKET_INTERNAL:
		break;
	}
	return VOICE_FAULT_INTERNAL;
}
