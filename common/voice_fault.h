/* SPDX-License-Identifier: MIT */
/*
 * voice_fault.h – what can go wrong with a voice service, in one table.
 *
 * A callworker reports the name (voice.failed, call.action voice_lost); the
 * supervisor's circuit breaker decides by the two flags. LASTING: another
 * session with the same key would fail alike until somebody acts, so nobody
 * should try at once. SHARED: it says something about the service or our
 * account, not about this one session.
 */
#ifndef COMMON_VOICE_FAULT_H
#define COMMON_VOICE_FAULT_H

#include <stdbool.h>

/* X(ENUM, "name", lasting, shared, "what happened") */
#define VOICE_FAULT_TABLE(X)                                                   \
	X(NETWORK, "network", false, true, "the connection broke")             \
	X(REFUSED, "refused", false, true, "no address let us connect")        \
	X(TIMEOUT, "timeout", false, true, "no answer in time")                \
	X(TLS, "tls", true, true, "the certificate or handshake is not good")  \
	X(KEY, "key", true, true, "the API key is not accepted")               \
	X(QUOTA, "quota", true, true, "the account has no credit left")        \
	X(RATE_LIMIT, "rate_limit", false, true, "too many requests")          \
	X(SERVER, "server", false, true, "the service failed")                 \
	X(MODEL, "model", true, true, "the model is not available")            \
	X(CONTENT, "content", false, false, "the service withheld an answer")  \
	X(PROTOCOL, "protocol", false, false, "the service made no sense")     \
	X(EXPIRED, "expired", false, false, "the session reached its end")     \
	X(CLOSED, "closed", false, false, "the service closed the session")    \
	X(INTERNAL, "internal", false, false, "our own failure")

enum voice_fault {
#define X(id, name, lasting, shared, what) VOICE_FAULT_##id,
	VOICE_FAULT_TABLE(X)
#undef X
	VOICE_FAULT_COUNT
};

const char *voice_fault_name(enum voice_fault fault);
const char *voice_fault_what(enum voice_fault fault);
bool voice_fault_is_lasting(enum voice_fault fault);
bool voice_fault_is_shared(enum voice_fault fault);

/* -ENOENT when no fault has that name. */
int voice_fault_find(const char *name, enum voice_fault *fault_out);

#endif
