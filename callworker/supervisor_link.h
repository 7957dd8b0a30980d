/* SPDX-License-Identifier: MIT */
/*
 * supervisor_link.h – the callworker's side of the channel: what it says to
 * the supervisor and hears from it. Each message's fields are written or read
 * in exactly one function of supervisor_link.c; their list is in
 * common/message.h.
 */
#ifndef CALLWORKER_SUPERVISOR_LINK_H
#define CALLWORKER_SUPERVISOR_LINK_H

#include "callworker/g711.h"
#include "callworker/voice.h"
#include "common/net_address.h"
#include "common/tool_progress.h"
#include "common/tool_status.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct supervisor_link;

enum {
	LINK_CALL_SIZE = 160, /* a channel id, NUL included */
	LINK_TEXT_SIZE = 256,
};

/* session.prepare; valid during the call only. */
struct link_prepare {
	const char *model;
	const char *url;
	const char *ca_file;                 /* "": the system's */
	const struct net_address *addresses; /* without port: see URL */
	size_t address_count;
};

/* call.assign; who and what, as the supervisor knows it. */
struct link_assign {
	char call[LINK_CALL_SIZE];
	char caller[LINK_TEXT_SIZE];
	char caller_name[LINK_TEXT_SIZE];
	char caller_shown[LINK_TEXT_SIZE]; /* for titles and log, or "" */
	char called[LINK_TEXT_SIZE];
	char persona[LINK_TEXT_SIZE];
	enum g711_law law;
	/* A call that another worker had: its successor goes on with it. */
	uint32_t resumes;    /* the how many-th successor; 0: a new call */
	uint64_t talking_ms; /* since the answer; 0: not answered */
	char leaving[LINK_TEXT_SIZE]; /* why a goodbye was under way, or "" */
	bool secret; /* … of secret digits: nobody may hear the caller */
	/* Owned by the handler, which closes them. */
	int rtp_fd, journal_fd, playout_fd, brief_fd, uplink_fd;
};

/* state: sent at each change, and as the answer to sync. */
struct link_state {
	const char *state;
	const char *why;
	const struct link_assign *assign; /* NULL for a spare */
	uint64_t talking_ms;
	const char *tool; /* "" none */
};

/* Strings live during the call only. All with ARG. */
struct link_handlers {
	void (*on_prepare)(const struct link_prepare *prepare, void *arg);
	void (*on_assign)(const struct link_assign *assign, void *arg);
	void (*on_media)(const struct net_address *peer, void *arg);
	void (*on_dtmf)(char digit, void *arg);
	void (*on_secret_begin)(const char *say, void *arg);
	void (*on_secret_end)(void *arg);
	void (*on_tool_progress)(const char *id, uint64_t elapsed_ms,
	    const struct tool_progress *progress, void *arg);
	void (*on_tool_result)(const char *id, enum tool_status status,
	    const char *output, void *arg);
	void (*on_hangup)(const char *reason, bool farewell, void *arg);
	void (*on_drain)(void *arg);
	void (*on_sync)(void *arg);
	/* Nothing comes or goes any more; the link still wants its free. */
	void (*on_closed)(const char *why, void *arg);
};

/*
 * Takes FD. HANDLERS must stay valid; none is called before return. 0 or
 * -errno.
 */
int supervisor_link_new(struct supervisor_link **link_out,
    struct event_base *base, int fd, const struct link_handlers *handlers,
    void *arg);

/* NULL-safe, clears. Not from inside a handler. */
void supervisor_link_free(struct supervisor_link **link);

/* Gets out what is queued, for at most TIMEOUT_MS, before an exit. */
void supervisor_link_flush(struct supervisor_link *link, int timeout_ms);

void supervisor_link_hello(struct supervisor_link *link);
void supervisor_link_heartbeat(struct supervisor_link *link, const char *state);
void supervisor_link_state(
    struct supervisor_link *link, const struct link_state *state);
void supervisor_link_ready(struct supervisor_link *link);
void supervisor_link_voice_failed(
    struct supervisor_link *link, enum voice_fault fault, const char *detail);
void supervisor_link_tool_request(struct supervisor_link *link, const char *id,
    const char *name, const char *arguments);
void supervisor_link_tool_cancel(struct supervisor_link *link, const char *id);
/* The caller wants a person; ID's outcome comes as a tool's result. */
void supervisor_link_person(
    struct supervisor_link *link, const char *id, const char *reason);
void supervisor_link_hang_up(struct supervisor_link *link, const char *reason);
/* USAGE and MEDIA are taken; they may be NULL. */
void supervisor_link_bye(struct supervisor_link *link, const char *reason,
    cJSON *usage, cJSON *media);

#endif
