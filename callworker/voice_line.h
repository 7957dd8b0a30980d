/* SPDX-License-Identifier: MIT */
/*
 * voice_line.h – a worker's line to the voice service: the session of a spare,
 * and in a call another one whenever that is lost or nears its end.
 *
 * A session that is lost in a call is made anew at once, then at growing
 * intervals, for VOICE_LINE_OUTAGE_MS in all; not if the fault is one that
 * would meet the next one as well (voice_fault_is_lasting()), and not before
 * the time that the service names (voice_retry_ms()). One that nears its end is
 * replaced while it still works: the next one is connected first, and takes
 * over in a pause.
 *
 * The voice that the call has is the line's: a call listens to it and uses it,
 * and never frees it.
 */
#ifndef CALLWORKER_VOICE_LINE_H
#define CALLWORKER_VOICE_LINE_H

#include "callworker/realtime.h"
#include "callworker/supervisor_link.h"
#include "callworker/voice.h"

struct event_base;
struct voice_line;

enum {
	/* From the loss of a session until another one is in force. */
	VOICE_LINE_OUTAGE_MS = 12000,
	VOICE_LINE_CONNECT_MS = 3000, /* of it, for one attempt to connect */
	/* So many losses in so long: this call's sessions do not last. */
	VOICE_LINE_LOSSES_MAX = 4,
	VOICE_LINE_LOSSES_MS = 60000,

	/* Before the end of a session another one is made, … */
	VOICE_LINE_AHEAD_S = 300,
	/* … and takes over wherever it can, not only in a pause. For sessions
	 * that are short, both are less: a quarter of their time, a twelfth. */
	VOICE_LINE_URGENT_S = 60,
	VOICE_LINE_AHEAD_PART = 4,
	VOICE_LINE_URGENT_PART = 12,

	VOICE_LINE_FAREWELL_MS = 1500, /* for the close frame of an old one */
};

/* All with ARG; from the event loop or voice_line_tick() only. */
struct voice_line_events {
	/* The spare's session is up. */
	void (*on_warm)(int64_t expires_s, void *arg);
	/*
	 * There is no session: of a spare; or of a call, and none will come
	 * any more. Once; nothing comes after it.
	 */
	void (*on_failed)(
	    enum voice_fault fault, const char *detail, void *arg);
	/*
	 * VOICE, connected, is to go on with the call; what the call had until
	 * now is closed afterwards. 0, or -errno: the call goes on without.
	 */
	int (*take)(struct voice *voice, void *arg);
	/* May the voice change now? URGENT: where it would hardly be noticed,
	 * else where it cannot be. */
	bool (*may_take)(bool urgent, void *arg);
};

struct voice_line_config {
	struct event_base *base;
	const char *key;                        /* copied; "": there is none */
	const struct voice_line_events *events; /* must stay valid */
	void *arg;
	/* realtime_new(), or a test's. */
	int (*connect)(
	    struct voice **voice_out, const struct realtime_config *config);
};

/* 0 or -ENOMEM. */
int voice_line_new(
    struct voice_line **line_out, const struct voice_line_config *config);

/* Drops what is still connected. NULL-safe, clears. */
void voice_line_free(struct voice_line **line);

/*
 * Makes the first session as PREPARE (copied) says; on_warm or on_failed
 * follows. 0, -EALREADY, -ENOKEY or another -errno of config.connect.
 */
int voice_line_prepare(
    struct voice_line *line, const struct link_prepare *prepare);

/* The session in use, or the spare's; NULL before it is up, or when lost. */
struct voice *voice_line_voice(const struct voice_line *line);

/* "" before voice_line_prepare(). */
const char *voice_line_model(const struct voice_line *line);

/* A call has the voice from now on, and tells about it: */

/* It was assigned. */
void voice_line_assigned(struct voice_line *line);
/* What the last voice_start() asked for is in force. */
void voice_line_in_force(struct voice_line *line);
/*
 * Its voice has told a fatal fault. True: another one is being fetched; false:
 * there is no hope, and no on_failed will say so again.
 */
bool voice_line_lost(
    struct voice_line *line, enum voice_fault fault, const char *detail);

/* About ten times a second. */
void voice_line_tick(struct voice_line *line);

/* Says goodbye to the service; no event follows. */
void voice_line_close(struct voice_line *line);

void voice_line_log_state(const struct voice_line *line);

#endif
