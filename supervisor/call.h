/* SPDX-License-Identifier: MIT */
/*
 * call.h – one telephone call, from StasisStart until nothing of it is left.
 *
 *   NEW       it entered our application; a worker is being found
 *   ASSIGNED  a callworker has it; media and session are being made
 *   MEDIA     all is ready; the channel is being answered
 *   TALKING   caller and voice hear each other
 *   RESCUE    its worker died while they did; another one is being found
 *   TRANSFERRED  caller and a person hear each other, the worker is gone
 *   ENDING    it goes: fallback, hang-up, worker's last words
 *   ENDED     nothing is left; freed
 *
 * The caller hears ringing until MEDIA, so that a call that cannot be taken
 * can still go elsewhere.
 */
#ifndef SUPERVISOR_CALL_H
#define SUPERVISOR_CALL_H

#include "common/config.h"
#include "common/message.h"
#include "common/tool_status.h"
#include "supervisor/ari.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

struct access;
struct call;
struct event_base;
struct fleet;
struct fleet_adopted;
struct ledger;
struct personas;
struct records;
struct rtp_ports;
struct shortages;
struct spares;
struct tool_fan;
struct tool_queue;
struct tools;

enum call_state {
	CALL_NEW,
	CALL_ASSIGNED,
	CALL_MEDIA,
	CALL_TALKING,
	CALL_RESCUE,
	CALL_TRANSFERRED,
	CALL_ENDING,
	CALL_ENDED,
};

/* The rooms that a call works with; they outlive it. */
struct call_env {
	struct event_base *base;
	struct fleet *fleet;
	struct ari *ari;
	struct ledger *ledger;
	struct spares *spares;
	struct rtp_ports *ports;
	struct tool_queue *tool_queue;
	struct tool_fan *tool_fan;   /* before it, for what its worker asks */
	struct access *access;       /* NULL: every caller is of class PUBLIC */
	struct records *records;     /* NULL: none are kept */
	struct shortages *shortages; /* NULL: nothing runs out */
	const struct config *config;
	struct personas **personas; /* the generation for new calls */
	struct tools **tools;
	const char *local_ip; /* where Asterisk reaches us; "" unknown yet */
	/* State or title-worthy facts changed; ENDED: free it after return. */
	void (*on_changed)(struct call *call, void *arg);
	void *arg;
};

/*
 * CHANNEL as in a StasisStart event or a list; ARGS the event's args, or NULL
 * to read them from the channel. Nothing happens before call_start() or
 * call_fallback(). Returns 0 or -errno.
 */
int call_new(struct call **call_out, const struct call_env *env,
    const cJSON *channel, const cJSON *args);
void call_start(struct call *call);

/* A call that an earlier supervisor left; takes what it needs of ADOPTED. */
int call_adopt(struct call **call_out, const struct call_env *env,
    const struct fleet_adopted *adopted);
/*
 * The keeper's table has the call a second time: a worker that died and its
 * successor, if our predecessor died in between.
 */
void call_adopt_again(struct call *call, const struct fleet_adopted *adopted);

/* Only when ENDED, or when the process ends. NULL-safe, clears. */
void call_free(struct call **call);

/* -- what may happen to it --------------------------------------------------- */

/* An event about what call_owns(). */
void call_on_event(struct call *call, const char *type, const cJSON *event);

/* Its channel is no longer in our application. */
void call_on_channel_gone(struct call *call, const char *why);

/*
 * What Asterisk has: its CHANNEL if that is in our application, or NULL, and
 * the lists in which an adopted call finds what its predecessor made. They
 * were asked for at ASKED_MS (CLOCK_MONOTONIC).
 */
void call_on_snapshot(struct call *call, uint64_t asked_ms,
    const cJSON *channel, const cJSON *channels, const cJSON *bridges);

/*
 * A pair in LISTS that an earlier supervisor connected, or of which one has
 * gone since: CHANNEL is the caller's. 0 with *CALL_OUT, which is TRANSFERRED
 * or ends; -ENOENT: it is not such a caller; or -ENOMEM.
 */
int call_adopt_transferred(struct call **call_out, const struct call_env *env,
    const cJSON *channel, const cJSON *channels, const cJSON *bridges);

/*
 * Passes tool.progress or tool.result on to its callworker. Takes BODY;
 * 0 or -errno (-ENOTCONN: it has none).
 */
int call_send_tool(struct call *call, enum message_type type, cJSON *body);

/*
 * A tool's transfer of this call, known by JOB: begins it, or joins what an
 * earlier supervisor had begun. OK: tool_queue_on_local() says how it went.
 * Else that is how it went already; DETAIL says why, for INVALID_ARGUMENTS in
 * words for the model.
 */
enum tool_status call_transfer(struct call *call, const char *job,
    const cJSON *settings, const cJSON *arguments, char *detail, size_t size);

/* Nobody waits for it any longer: the telephone stops ringing. */
void call_transfer_cancel(struct call *call, const char *job);

/*
 * A tool's way for the caller to say who it is, known by JOB; as
 * call_transfer().
 */
enum tool_status call_access_start(struct call *call, const char *job,
    const cJSON *settings, const cJSON *arguments, char *detail, size_t size);

/* Nobody waits for it any longer. */
void call_access_cancel(struct call *call, const char *job);

/* What is known of the caller, as job.run has it; NULL: no memory. */
cJSON *call_access_describe(const struct call *call);

/*
 * The voice says goodbye for REASON ("limit", "shutdown", "operator"), then it
 * ends; who still hears ringing goes to the fallback. False: that changes
 * nothing, since it is ending, a person has the caller, or it is an adopted
 * call of which nobody knows yet whether it talks.
 */
bool call_farewell(struct call *call, const char *reason);

/* Hangs up at once. */
void call_hangup(struct call *call, const char *reason);

/* It cannot be served: to FALLBACK_CONTEXT, else a sound and the end. */
void call_fallback(struct call *call, const char *why);

/* -- what it is ----------------------------------------------------------------- */

const char *call_id(const struct call *call);
enum call_state call_state(const struct call *call);
uint64_t call_started_ms(const struct call *call); /* CLOCK_MONOTONIC */
const char *call_state_name(enum call_state state);
/* Nothing about it is half done, see calls_are_quiet(). */
bool call_is_quiet(const struct call *call);
/* Unless its worker, from an earlier supervisor, has yet to be heard. */
bool call_is_synced(const struct call *call);
/* E.164, or as the PBX gave it; "" for anonymous. */
const char *call_caller(const struct call *call);
/*
 * Its own channel until that has left our application (it may come back, as
 * another call), its media channel, bridge, the leg of a transfer, or the
 * playback of its fallback.
 */
bool call_owns(const struct call *call, const char *id);
/* The generation of tools that its voice was offered. */
const struct tools *call_tools(const struct call *call);
void call_log_state(const struct call *call);
/* The same as members of an object, for an operator; a new one. */
cJSON *call_describe(const struct call *call);

#endif
