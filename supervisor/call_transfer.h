/* SPDX-License-Identifier: MIT */
/*
 * call_transfer.h – transfers, as the other rooms of a call use them; what
 * the world sees of them is in call.h.
 */
#ifndef SUPERVISOR_CALL_TRANSFER_H
#define SUPERVISOR_CALL_TRANSFER_H

#include "common/call_tool.h"
#include "supervisor/call_impl.h"
#include "supervisor/tool_job.h"

#include <sys/queue.h>

enum call_leg_state {
	CALL_LEG_WAITING, /* for Asterisk's lists, after a supervisor's death */
	CALL_LEG_RINGING, /* Asterisk was asked to dial */
	CALL_LEG_ANSWERED, /* … but nobody has asked this supervisor for it */
	CALL_LEG_JOINING,  /* on its way into the bridge */
	CALL_LEG_JOINED,
};

/* A channel to the person who is to have the caller. */
struct call_leg {
	LIST_ENTRY(call_leg) entry;
	struct call *call;
	enum call_leg_state state;
	unsigned int requests;      /* to ARI, unanswered */
	char id[ARI_ID_MAX];        /* "" while WAITING */
	char job[TOOL_JOB_ID_SIZE]; /* the queue's; "": nobody's yet */
	char name[CALL_TEXT_MAX];
	struct call_destination to;
	bool rang;
	char dial_status[16]; /* of the last Dial event */
	uint64_t started_ms;  /* CLOCK_MONOTONIC */
	uint64_t made_ms;     /* Asterisk has it since; 0: not known */
	struct event *timer;  /* until somebody claims it */
};

/* An event about the leg; false: it is about something else. */
bool call_transfer_event(
    struct call *call, const char *type, const cJSON *event);

/* The call ends, and with it what rings or talks. */
void call_transfer_end(struct call *call);

/* CALL's first list of what there is: finds what a predecessor began. */
void call_transfer_adopt(
    struct call *call, const cJSON *channels, const cJSON *bridges);

/* A list asked for at ASKED_MS puts right what lost events would have said. */
void call_transfer_on_snapshot(
    struct call *call, uint64_t asked_ms, const cJSON *channels);

/* call.action person. -EPROTO: without a usable id. */
int call_wants_person(struct call *call, const cJSON *body);

void call_transfer_free(struct call *call);

#endif
