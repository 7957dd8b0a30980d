/* SPDX-License-Identifier: MIT */
/*
 * realtime.h – the voice backend that speaks OpenAI's Realtime API (GA) over
 * a WebSocket. Everything else about it is in voice.h.
 */
#ifndef CALLWORKER_REALTIME_H
#define CALLWORKER_REALTIME_H

#include "callworker/voice.h"
#include "common/resolver.h"

struct event_base;

enum {
	REALTIME_CONNECT_MS = 10000, /* all addresses, TLS and upgrade */
	REALTIME_CREATED_MS = 10000, /* from there to session.created */
	REALTIME_UPDATED_MS = 8000,  /* session.update to session.updated */
	REALTIME_PING_S = 2,         /* quiet so long: we ping */
	REALTIME_DEAD_S = 5,         /* quiet so long: the session is lost */
	REALTIME_HISTORY_MS = 3000,  /* from there until it has the history */
	REALTIME_LEAD_IN_MS = 300,   /* before speech, if the brief is silent */
	REALTIME_MALFORMED_MAX = 10, /* messages that are no event; then over */
	REALTIME_MESSAGE_MAX = 2 << 20,       /* bytes of one message */
	REALTIME_AUDIO_MAX = 40 << 10,        /* bytes queued of audio: 3 s */
	REALTIME_FRAME_MS = 20,               /* of each voice_send_audio() */
	REALTIME_SILENCE_MEAN_SQUARE = 13000, /* -49 dBFS: nobody speaks */
};

struct realtime_config {
	struct event_base *base;
	const char *url;     /* wss://host/v1/realtime; ws:// for loopback */
	const char *ca_file; /* PEM; NULL or "": the system's */
	const char *model;
	const char *key; /* used during realtime_new() only */
	/* Of the URL's host, in order; its port is used, not theirs. */
	const struct net_address *addresses;
	size_t address_count;
	unsigned int connect_ms;           /* 0: REALTIME_CONNECT_MS */
	const struct voice_events *events; /* must stay valid */
	void *arg;
};

/*
 * Starts connecting; on_up or on_fault(fatal) follows, given voice_tick().
 * The key is wiped from our memory except for the WebSocket's copy, which
 * goes when the request is sent. 0, -EINVAL (URL, model, or no address) or
 * another -errno of websocket_open().
 */
int realtime_new(
    struct voice **voice_out, const struct realtime_config *config);

#endif
