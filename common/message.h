/* SPDX-License-Identifier: MIT */
/*
 * message.h – every message between supervisor and workers, in one table.
 *
 * One datagram on a SOCK_SEQPACKET socketpair is one JSON object whose member
 * "type" is the name below. The table gives sender, receiver, the largest
 * size and how many descriptors ride along (SCM_RIGHTS, in the order named
 * beside the message). From it come the enum, the names and the direction
 * check: a message from the wrong side, too long, with too many or too few
 * descriptors or not an object never reaches a handler and closes that peer.
 *
 * The fields of each message are written by one message_send_*-like function
 * in the sender and read by one on_* handler in the receiver; they are:
 *
 * hello          role, build, pid
 * heartbeat      state
 * state          call, state, why, talking_ms, caller, called, persona,
 *                tool: every change of state and, with why "sync", the
 *                answer to sync; a toolworker's has jobs, the ids of those
 *                that run
 * ready          call: the voice session is configured, greeting on its way
 * voice.failed   call ("" for a spare), fault, detail: no session; fault is
 *                one of enum voice_fault's names (common/voice_fault.h)
 * tool.request   call, id, name, arguments (a JSON string, as the model
 *                wrote it)
 * tool.cancel    call, id
 * call.action    call, action, reason: "hangup"; "person" with an id, which
 *                  is answered by a tool.result and may be cancelled like a
 *                  tool.request: the caller wants one
 * bye            call, reason, usage, media: last words before exit 0
 *
 * session.prepare  model, url, ca_file ("": the system's), addresses:
 *                  numeric, of the URL's host, in the order to be tried
 * call.assign      call, caller, caller_shown (for titles and logs),
 *                  caller_name, called, codec, persona; resumes (0: a new
 *                  call, n: its n-th successor, to whom "media" comes at
 *                  once), talking_ms (since the answer), leaving (why its
 *                  predecessor was saying goodbye, or ""), secret (as after
 *                  secret.begin); descriptors: RTP socket, journal,
 *                  playout, brief (a sealed memfd: what the voice is told,
 *                  a JSON object), uplink (what the caller said last); a
 *                  successor's are those that its predecessor had
 * media            call, address, port: the caller can hear and be heard
 * dtmf             call, digit; none while digits are secret
 * secret.begin     call, id, say: the caller is to dial what nobody may hear;
 *                  until secret.end (or the end of the function call) the
 *                  uplink is silence; SAY asks the caller for it
 * secret.end       call, id
 * tool.progress    call, id, elapsed_ms, text, done, total (how many parts
 *                  of the work are done, of how many; absent or -1: unknown)
 * tool.result      call, id, status (enum tool_status's names), output
 * hangup           call, reason, farewell: end the call; with farewell the
 *                  voice says goodbye first, without it the caller is gone
 * drain            a spare: exit; a worker in a call: exit after it; a
 *                  toolworker: no new jobs, exit after the last
 * sync             a new supervisor asks: answer with state; a callworker then
 *                  repeats each unanswered tool.request and wish for a person
 *
 * job.run        id, tool, arguments, settings, deadline_ms (from receipt),
 *                caller (what we know of who asks: number, customer; each
 *                only if it is known, and never from the model)
 * job.cancel     id
 * health         ask the query service how it is, log it, and say state
 *                  with why "health"
 * job.progress   id, elapsed_ms, text, done, total (as tool.progress)
 * job.result     id, status, output, hold_ms (optional: the target is busy with
 *                it for so long yet)
 *
 * On the control socket (supervisor/control.h):
 * control.request  id (a number of the operator's), request: "status", "calls"
 *                  or "end"; for "end" call, and now (true: without a goodbye)
 * control.reply    id, more (another reply of the same id follows), error ("":
 *                  none, else a sentence), and what was asked for: status (an
 *                  object) or calls (an array, in parts)
 */
#ifndef COMMON_MESSAGE_H
#define COMMON_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

enum {
	MESSAGE_SIZE_MAX = 65536, /* bytes, whatever the table says */
	MESSAGE_FDS_MAX = 5,
};

/* Who may send or receive; a mask, since two kinds of worker say hello. */
enum message_side {
	MESSAGE_SUPERVISOR = 1,
	MESSAGE_CALLWORKER = 2,
	MESSAGE_TOOLWORKER = 4,
	MESSAGE_OPERATOR = 8,
	MESSAGE_WORKER = MESSAGE_CALLWORKER | MESSAGE_TOOLWORKER,
};

/* X(ENUM, "name", sender, receiver, largest size, descriptors) */
#define MESSAGE_TABLE(X)                                                       \
	X(HELLO, "hello", WORKER, SUPERVISOR, 1024, 0)                         \
	X(HEARTBEAT, "heartbeat", WORKER, SUPERVISOR, 1024, 0)                 \
	X(STATE, "state", WORKER, SUPERVISOR, 16384, 0)                        \
	X(READY, "ready", CALLWORKER, SUPERVISOR, 1024, 0)                     \
	X(VOICE_FAILED, "voice.failed", CALLWORKER, SUPERVISOR, 4096, 0)       \
	X(TOOL_REQUEST, "tool.request", CALLWORKER, SUPERVISOR, 49152, 0)      \
	X(TOOL_CANCEL, "tool.cancel", CALLWORKER, SUPERVISOR, 1024, 0)         \
	X(CALL_ACTION, "call.action", CALLWORKER, SUPERVISOR, 8192, 0)         \
	X(BYE, "bye", CALLWORKER, SUPERVISOR, 8192, 0)                         \
	X(SESSION_PREPARE, "session.prepare", SUPERVISOR, CALLWORKER, 8192, 0) \
	X(CALL_ASSIGN, "call.assign", SUPERVISOR, CALLWORKER, 8192, 5)         \
	X(MEDIA, "media", SUPERVISOR, CALLWORKER, 1024, 0)                     \
	X(DTMF, "dtmf", SUPERVISOR, CALLWORKER, 1024, 0)                       \
	X(SECRET_BEGIN, "secret.begin", SUPERVISOR, CALLWORKER, 4096, 0)       \
	X(SECRET_END, "secret.end", SUPERVISOR, CALLWORKER, 1024, 0)           \
	X(TOOL_PROGRESS, "tool.progress", SUPERVISOR, CALLWORKER, 8192, 0)     \
	X(TOOL_RESULT, "tool.result", SUPERVISOR, CALLWORKER, 49152, 0)        \
	X(HANGUP, "hangup", SUPERVISOR, CALLWORKER, 1024, 0)                   \
	X(DRAIN, "drain", SUPERVISOR, WORKER, 1024, 0)                         \
	X(SYNC, "sync", SUPERVISOR, WORKER, 1024, 0)                           \
	X(JOB_RUN, "job.run", SUPERVISOR, TOOLWORKER, 61440, 0)                \
	X(JOB_CANCEL, "job.cancel", SUPERVISOR, TOOLWORKER, 1024, 0)           \
	X(HEALTH, "health", SUPERVISOR, TOOLWORKER, 1024, 0)                   \
	X(JOB_PROGRESS, "job.progress", TOOLWORKER, SUPERVISOR, 8192, 0)       \
	X(JOB_RESULT, "job.result", TOOLWORKER, SUPERVISOR, 49152, 0)          \
	X(CONTROL_REQUEST, "control.request", OPERATOR, SUPERVISOR, 1024, 0)   \
	X(CONTROL_REPLY, "control.reply", SUPERVISOR, OPERATOR, 61440, 0)

enum message_type {
#define X(id, name, from, to, size, fds) MESSAGE_##id,
	MESSAGE_TABLE(X)
#undef X
	MESSAGE_TYPE_COUNT
};

/* Why a datagram was refused; MESSAGE_OK is 0. */
enum message_fault {
	MESSAGE_OK,
	MESSAGE_MALFORMED,   /* not one JSON object with a string "type" */
	MESSAGE_UNKNOWN,     /* a type that this build does not know */
	MESSAGE_MISDIRECTED, /* this peer may not say that to us */
	MESSAGE_OVERSIZED,
	MESSAGE_DESCRIPTORS, /* too many, too few, or cut off by the kernel */
};

const char *message_name(enum message_type type);
const char *message_fault_name(enum message_fault fault);
size_t message_size_max(enum message_type type);
size_t message_fds(enum message_type type);

/* -ENOENT when no message has that name. */
int message_find(const char *name, enum message_type *type_out);

/* Whether FROM may say TYPE to TO, both single sides. */
bool message_allowed(
    enum message_type type, enum message_side from, enum message_side to);

#endif
