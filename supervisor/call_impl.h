/* SPDX-License-Identifier: MIT */
/* call_impl.h – struct call, shared by call.c and the other call_*.c. */
#ifndef SUPERVISOR_CALL_IMPL_H
#define SUPERVISOR_CALL_IMPL_H

#include "common/message.h"
#include "supervisor/call.h"
#include "supervisor/phone_number.h"
#include "supervisor/tool_job.h"

#include <stddef.h>
#include <sys/queue.h>
#include <sys/types.h>

struct call_access;
struct call_leg;
struct event;
struct worker;
struct spares_request;

enum {
	CALL_ATTEMPTS_MAX = 3,      /* workers tried before the fallback */
	CALL_FAREWELL_MS = 15000,   /* goodbye spoken, or hung up anyway */
	CALL_ENDING_TURN_MS = 3000, /* hang up again, kill the worker */
	CALL_FALLBACK_SOUND_MS = 20000,
	CALL_TEXT_MAX = 128,
	CALL_DIGITS_MAX = 32, /* dialled while it has no worker */
};

/* The descriptors of call.assign, in the order of common/message.h. */
enum call_fd {
	CALL_FD_RTP,
	CALL_FD_JOURNAL,
	CALL_FD_PLAYOUT,
	CALL_FD_BRIEF,
	CALL_FD_UPLINK,
	CALL_FD_COUNT,
};

struct call {
	const struct call_env *env;
	enum call_state state;
	struct event *timer;   /* the state's own deadline */
	unsigned int requests; /* to ARI, unanswered; freed only at 0 */

	/* Who and what; fixed from the beginning. */
	char id[ARI_ID_MAX];        /* of the channel */
	struct phone_number number; /* of the caller */
	char caller_name[CALL_TEXT_MAX];
	char caller_shown[CALL_TEXT_MAX]; /* as SHOW_CALLER_NUMBER says */
	char called[CALL_TEXT_MAX];
	char persona_asked[CALL_TEXT_MAX]; /* Stasis(app,persona=…) or "" */
	char persona[CALL_TEXT_MAX];
	char model[CONFIG_TEXT_MAX]; /* that its brief is for; "": not known */
	char codec[8];               /* "ulaw" or "alaw" */
	const char *why;             /* it ended */

	/* In Asterisk. */
	bool up;           /* answered */
	bool channel_gone; /* left our application */
	char media_id[ARI_ID_MAX];
	char bridge_id[ARI_ID_MAX];
	char media_ip[46]; /* where Asterisk wants our RTP */
	uint16_t media_port;
	uint64_t media_made_ms; /* since when the media channel is there */
	bool media_in_stasis;
	bool bridge_made;
	bool joining;
	bool joined;                /* both are in the bridge */
	char playback_id[64];       /* of the fallback sound */
	struct call_leg *leg;       /* of a transfer, or NULL */
	LIST_HEAD(, call_leg) legs; /* and those given up but not answered */
	char person_job[TOOL_JOB_ID_SIZE]; /* the last wish for a person */

	struct call_access *access; /* who it is, not NULL */

	/* The worker. */
	struct spares_request *request; /* waiting for one */
	struct worker *worker;
	bool adopted; /* from an earlier supervisor */
	bool listed;  /* … and Asterisk still has its channel */
	bool synced;  /* … and its worker has said how far it is */
	bool over;    /* … namely at its end, before it was listed */
	bool worker_ready;
	bool farewell; /* the voice is saying goodbye */
	unsigned int attempts;
	struct tools *tools; /* the generation that it started with */
	uint16_t rtp_port;
	/* Ours, for its whole life: what a successor goes on with. Or -1. */
	int fds[CALL_FD_COUNT];

	/* Its record, see records.h. */
	uint64_t record;      /* the ticket; 0: it has none */
	ino_t record_journal; /* … for that journal */

	/* Its rescues, see call_rescue.h. */
	unsigned int resumes; /* successors that it had */
	uint64_t lost_ms;     /* when the last worker was lost; 0: none was */
	bool voiceless;   /* the worker is being killed for having no voice */
	bool excused;     /* one of them was, and is not counted */
	pid_t lost_pid;   /* 0: it died before we were there */
	uint32_t kept;    /* what the keeper holds for a dead one, or 0 */
	char leaving[32]; /* why the voice says goodbye, or "" */
	char digits[CALL_DIGITS_MAX + 1]; /* for the successor */

	/* Figures, CLOCK_MONOTONIC ms. */
	uint64_t started_ms;
	uint64_t talking_ms; /* 0: never */
};

/* call.c */
void call_set_state(struct call *call, enum call_state state, const char *why);
void call_set_timer(struct call *call, uint64_t ms);
/* ari_request() that counts as one of the call's; FN gets the call. */
void call_ari(struct call *call, ari_response_fn *fn, const char *method,
    cJSON *body, const char *path);
/* Every answer begins with it; may end the call (then returns false). */
bool call_answered(struct call *call);

/* What has that ID in one of Asterisk's lists; NULL: nothing. */
const cJSON *call_find_listed(const cJSON *list, const char *id);
bool call_is_in_stasis(const cJSON *channel);

void call_close_fd(struct call *call, enum call_fd fd);

/* call_worker.c */
void call_take_worker(struct call *call);
/* The keeper holds all that the call has, then the worker gets it. */
int call_assign(struct call *call);
void call_release_worker(struct call *call, const char *reason);
/* What was looked up for the brief is there, or will not be waited for. */
void call_lookup_over(struct call *call);
struct fleet_adopted;
void call_worker_adopt(struct call *call, const struct fleet_adopted *adopted);
/* Goes on, or begins anew, as soon as both sides have said what they know. */
void call_adopt_decide(struct call *call);
/* Takes BODY, NULL for none; 0 or -errno (-ENOTCONN: it has no worker). */
int call_send(struct call *call, enum message_type type, cJSON *body);
/* Where Asterisk expects our RTP: the caller can hear and be heard. */
void call_send_media(struct call *call);

/* call_record.c */

/* Its journal is another than before, or was found: the record follows it. */
void call_record_begin(struct call *call);
/* Nobody writes there any more, for whatever reason. */
void call_record_end(struct call *call);
/* In on_gone of an ending call: the journal outlives us until it is written. */
void call_record_keep(struct call *call, struct worker *worker);
/* Nobody will go on with what a dead worker had: it is for the record only. */
void call_record_outlives(struct call *call);

/* call_setup.c */
void call_begin(struct call *call);
/* Something became ready: goes as far as it can. */
void call_advance(struct call *call);
void call_on_media_started(struct call *call);
/* A list puts right what a lost event would have said. */
void call_setup_on_snapshot(
    struct call *call, uint64_t asked_ms, const cJSON *channels);

/* call_end.c */
void call_fallback_played(struct call *call, const cJSON *event);
void call_ending_turn(struct call *call);
/* If it is still there, though it was told to go. */
void call_kill_worker(struct call *call);
/* Frees nothing: reports ENDED when nothing is left. */
void call_check_ended(struct call *call);

#endif
