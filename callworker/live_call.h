/* SPDX-License-Identifier: MIT */
/*
 * live_call.h – the one call of a callworker: its RTP, playout, journal, voice
 * and conversation, tied together.
 */
#ifndef CALLWORKER_LIVE_CALL_H
#define CALLWORKER_LIVE_CALL_H

#include "callworker/conversation.h"
#include "callworker/supervisor_link.h"

struct event_base;
struct live_call;

/* All with ARG; from inside the functions below or the event loop. */
struct live_call_handlers {
	void (*on_ready)(void *arg);
	/* The call should end; the link was told. Once. */
	void (*on_over)(const char *reason, bool voice_lost, void *arg);
	void (*on_changed)(void *arg); /* which tool runs */
	/* A voice, the first one or another, goes on from here. */
	void (*on_voice_in_force)(void *arg);
	/* The voice's session is over. True: another one is being fetched,
	 * live_call_change_voice() or live_call_voice_lost() follows. */
	bool (*on_voice_dropped)(
	    enum voice_fault fault, const char *detail, void *arg);
};

struct live_call_config {
	struct event_base *base;
	struct voice *voice; /* stays the owner's; -ENOTCONN if not warm */
	struct supervisor_link *link;     /* stays the owner's */
	const struct link_assign *assign; /* its descriptors are taken */
	const char *model;                /* of the session that VOICE has */
	bool log_transcripts;
	const struct live_call_handlers *handlers;
	void *arg;
};

/*
 * Reads the brief, attaches journal and playout, and has the voice told who
 * it is. 0 or -errno, with the reason logged; the descriptors are taken in
 * either case.
 */
int live_call_new(
    struct live_call **call_out, const struct live_call_config *config);

/*
 * The caller has gone or is let go: the last entries of the journal, REASON
 * among them. NULL-safe, clears. The voice must not tell anything afterwards:
 * voice_close() it first.
 */
void live_call_free(struct live_call **call, const char *reason);

/* The caller can hear and be heard at PEER. 0 or -errno. */
int live_call_media(struct live_call *call, const struct net_address *peer);

void live_call_tick(struct live_call *call);

/*
 * From now on VOICE, connected, which stays the owner's: it is told the call
 * so far, and hears what the caller said that no voice has taken up. 0 or
 * -errno: nothing has changed. Not from inside an event of a voice.
 */
int live_call_change_voice(struct live_call *call, struct voice *voice);

/* Whether that would go unnoticed now; URGENT: or hardly be noticed. */
bool live_call_may_change_voice(struct live_call *call, bool urgent);

/* After on_voice_dropped: none was to be had. */
void live_call_voice_lost(
    struct live_call *call, enum voice_fault fault, const char *detail);

struct conversation *live_call_conversation(struct live_call *call);
const struct link_assign *live_call_assign(const struct live_call *call);

/* Since the caller could hear us; 0 before. */
uint64_t live_call_talking_ms(const struct live_call *call);

/* Members for the call record; the caller owns them. */
cJSON *live_call_usage(const struct live_call *call);
cJSON *live_call_media_stats(const struct live_call *call);

/* Several lines. */
void live_call_log_state(const struct live_call *call);

#endif
