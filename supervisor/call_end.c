/* SPDX-License-Identifier: MIT */
/*
 * call_end.c – every way in which a call ends, and the proof that it did.
 *
 * A call that we cannot serve is not dropped: it goes to FALLBACK_CONTEXT,
 * or hears FALLBACK_SOUND. A channel that does not end when told to is told
 * again every few seconds.
 */
#include "supervisor/call_impl.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "supervisor/fleet.h"
#include "supervisor/ledger.h"
#include "supervisor/spares.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum {
	PATH_MAX_LEN = 1024,
	ID_ESCAPED = 3 * ARI_ID_MAX,
};

/* -- hanging up -------------------------------------------------------------- */

static void
on_deleted(const struct ari_response *response, void *arg)
{
	struct call *call = arg;

	/* 204: StasisEnd follows. 404: it went before, or never will tell. */
	if (response->status == 404 && !call->channel_gone)
		call_on_channel_gone(call, "already gone");
	call_answered(call);
}

static void
delete_channel(struct call *call)
{
	char path[PATH_MAX_LEN], id[ID_ESCAPED];

	snprintf(path, sizeof(path), "channels/%s?reason_code=16",
	    ari_escape(call->id, id, sizeof(id)));
	call_ari(call, on_deleted, "DELETE", NULL, path);
}

void
call_hangup(struct call *call, const char *reason)
{
	if (call->state >= CALL_ENDING)
		return;
	call_set_state(call, CALL_ENDING, reason);
	call_release_worker(call, reason);
	delete_channel(call);
}

bool
call_farewell(struct call *call, const char *reason)
{
	cJSON *body;

	if (call->state >= CALL_TRANSFERRED || call->farewell)
		return false;
	if (call->adopted && call->state == CALL_NEW)
		return false; /* it may be talking: its worker has not said yet */
	if (call->state < CALL_TALKING) {
		call_fallback(call, reason);
		return true;
	}
	log_info("call=%s saying goodbye reason=%s", call->id, reason);
	call->farewell = true;
	snprintf(call->leaving, sizeof(call->leaving), "%s", reason);
	if (call->state == CALL_TALKING)
		call_set_timer(call, CALL_FAREWELL_MS);
	body = cJSON_CreateObject();
	json_add_string(body, "reason", reason);
	json_add_bool(body, "farewell", true);
	call_send(call, MESSAGE_HANGUP, body);
	return true;
}

/* -- the fallback -------------------------------------------------------------- */

static void
on_continued(const struct ari_response *response, void *arg)
{
	struct call *call = arg;

	/*
	 * Now it is the dialplan's: to end it later would be wrong. 409: so
	 * it is already, since an answer was lost and curl asked again.
	 */
	if ((response->status >= 200 && response->status < 300) ||
	    response->status == 409)
		call_on_channel_gone(call, "in the dialplan");
	else
		delete_channel(call);
	call_answered(call);
}

static void
continue_in_dialplan(struct call *call)
{
	char path[PATH_MAX_LEN], id[ID_ESCAPED], context[256], exten[400];

	snprintf(path, sizeof(path),
	    "channels/%s/continue?context=%s&extension=%s&priority=1",
	    ari_escape(call->id, id, sizeof(id)),
	    ari_escape(
		call->env->config->fallback_context, context, sizeof(context)),
	    ari_escape(call->called[0] != '\0' ? call->called : "s", exten,
		sizeof(exten)));
	call_ari(call, on_continued, "POST", NULL, path);
}

static void
on_playing(const struct ari_response *response, void *arg)
{
	struct call *call = arg;

	if (response->status < 200 || response->status >= 300)
		delete_channel(call);
	call_answered(call);
}

static void
play_sound(struct call *call)
{
	char path[PATH_MAX_LEN], id[ID_ESCAPED], media[3 * CONFIG_TEXT_MAX];

	snprintf(call->playback_id, sizeof(call->playback_id),
	    "telefonista-%llx", (unsigned long long)clock_now_ns());
	snprintf(path, sizeof(path), "channels/%s/play?media=%s&playbackId=%s",
	    ari_escape(call->id, id, sizeof(id)),
	    ari_escape(call->env->config->fallback_sound, media, sizeof(media)),
	    call->playback_id);
	call_set_timer(call, CALL_FALLBACK_SOUND_MS);
	call_ari(call, on_playing, "POST", NULL, path);
}

static void
on_answered_for_sound(const struct ari_response *response, void *arg)
{
	struct call *call = arg;

	if (response->status >= 200 && response->status < 300) {
		call->up = true;
		play_sound(call);
	} else {
		delete_channel(call);
	}
	call_answered(call);
}

static void
answer_for_sound(struct call *call)
{
	char path[PATH_MAX_LEN], id[ID_ESCAPED];

	snprintf(path, sizeof(path), "channels/%s/answer",
	    ari_escape(call->id, id, sizeof(id)));
	call_ari(call, on_answered_for_sound, "POST", NULL, path);
}

void
call_fallback_played(struct call *call, const cJSON *event)
{
	const cJSON *playback = json_object(event, "playback");

	if (call->playback_id[0] != '\0' && !call->channel_gone &&
	    strcmp(json_string(playback, "id"), call->playback_id) == 0) {
		call->playback_id[0] = '\0';
		delete_channel(call);
	}
}

void
call_fallback(struct call *call, const char *why)
{
	const struct config *config = call->env->config;

	if (call->state >= CALL_ENDING)
		return;
	log_warn("call=%s goes to the fallback why=\"%s\" to=%s", call->id, why,
	    config->fallback_context[0] != '\0' ? config->fallback_context
	    : config->fallback_sound[0] != '\0' ? config->fallback_sound
						: "hang-up");
	call_set_state(call, CALL_ENDING, why);
	call_release_worker(call, "replaced");
	ledger_remove(call->env->ledger, call->bridge_id);
	ledger_remove(call->env->ledger, call->media_id);
	if (config->fallback_context[0] != '\0')
		continue_in_dialplan(call);
	else if (config->fallback_sound[0] == '\0')
		delete_channel(call);
	else if (call->up)
		play_sound(call);
	else
		answer_for_sound(call);
}

/* -- the end ------------------------------------------------------------------------ */

void
call_kill_worker(struct call *call)
{
	if (call->worker == NULL)
		return;
	log_warn("call=%s worker does not leave, killing it pid=%d", call->id,
	    (int)worker_pid(call->worker));
	worker_kill(call->worker, SIGKILL);
}

void
call_ending_turn(struct call *call)
{
	call_kill_worker(call);
	if (!call->channel_gone && call->requests == 0)
		delete_channel(call);
	call_set_timer(call, CALL_ENDING_TURN_MS);
}

static void
log_summary(const struct call *call)
{
	uint64_t now_ms = clock_now_ms();

	log_info("call=%s ended why=\"%s\" total_ms=%llu talked_ms=%llu "
		 "caller=%s called=%s persona=%s",
	    call->id, call->why,
	    (unsigned long long)(now_ms - call->started_ms),
	    (unsigned long long)(call->talking_ms != 0
				     ? now_ms - call->talking_ms
				     : 0),
	    call->caller_shown, call->called, call->persona);
}

void
call_check_ended(struct call *call)
{
	if (call->state != CALL_ENDING || !call->channel_gone ||
	    call->worker != NULL || call->requests > 0)
		return;
	log_summary(call);
	call_record_end(call);
	call_set_state(call, CALL_ENDED, "nothing is left");
}
