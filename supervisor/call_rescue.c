/* SPDX-License-Identifier: MIT */
/*
 * call_rescue.c – from a worker's death to the word of its successor.
 *
 * Invariant: in RESCUE the call has no worker that knows of it, and the
 * keeper holds what it had until it holds it for the successor, so that our
 * own death in between costs nothing either.
 */
#include "supervisor/call_rescue.h"

#include "common/clock.h"
#include "common/journal.h"
#include "common/json.h"
#include "common/log.h"
#include "supervisor/call_access.h"
#include "supervisor/fleet.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PATH_SIZE = 1024,
	NS_PER_MS = 1000000,
};

static bool
has_memory(const struct call *call)
{
	for (int i = 0; i < CALL_FD_COUNT; i++) {
		if (call->fds[i] < 0)
			return false;
	}
	return true;
}

void
call_rescue_fail(struct call *call, const char *why)
{
	if (call->farewell || call->leaving[0] != '\0')
		call_hangup(call, why);
	else
		call_fallback(call, why);
}

void
call_rescue_over(struct call *call)
{
	if (call->kept != 0)
		fleet_release(call->env->fleet, call->kept);
	call->kept = 0;
}

void
call_rescue_digit(struct call *call, char digit)
{
	size_t len = strlen(call->digits);

	if (len < CALL_DIGITS_MAX)
		call->digits[len] = digit;
}

/* -- what only the dead knew ------------------------------------------------------ */

/* An entry that a worker wrote when it got the call. */
static void
recall_assignment(
    struct call *call, const struct journal_entry *entry, unsigned int number)
{
	uint64_t now_ms = clock_now_ms(), then_ms = entry->mono_ns / NS_PER_MS;
	cJSON *json = json_parse(entry->body, entry->body_len);
	const char *codec = json_string(json, "codec");

	if (then_ms > now_ms)
		then_ms = now_ms;
	if (number > 0) {
		call->resumes = number;
		call->lost_ms = then_ms;
	} else if (call->talking_ms == 0) {
		call->talking_ms = then_ms; /* rather too early */
	}
	if (strcmp(codec, "ulaw") == 0 || strcmp(codec, "alaw") == 0)
		snprintf(call->codec, sizeof(call->codec), "%s", codec);
	if (call->persona[0] == '\0')
		snprintf(call->persona, sizeof(call->persona), "%s",
		    json_string(json, "persona"));
	cJSON_Delete(json);
}

/*
 * A supervisor that did not set the call up reads in its journal what it needs
 * to know, how often it was rescued and when last.
 */
static void
recall(struct call *call)
{
	struct journal_reader *reader;
	struct journal_entry entry;
	unsigned int n = 0;

	if (!call->adopted || call->codec[0] != '\0' ||
	    call->fds[CALL_FD_JOURNAL] < 0 ||
	    journal_reader_new(&reader, call->fds[CALL_FD_JOURNAL]) < 0)
		return;
	while (journal_reader_next(reader, &entry) == 1) {
		if (entry.type == JOURNAL_CALL)
			recall_assignment(call, &entry, n++);
	}
	journal_reader_free(&reader);
	if (call->started_ms > call->talking_ms && call->talking_ms != 0)
		call->started_ms = call->talking_ms;
}

static void
ask_variable(struct call *call, ari_response_fn *fn, const char *name)
{
	char path[PATH_SIZE], id[3 * ARI_ID_MAX];

	snprintf(path, sizeof(path), "channels/%s/variable?variable=%s",
	    ari_escape(call->media_id, id, sizeof(id)), name);
	call_ari(call, fn, "GET", NULL, path);
}

static void
on_port(const struct ari_response *response, void *arg)
{
	struct call *call = arg;
	long port = strtol(json_string(response->body, "value"), NULL, 10);

	if (!call_answered(call) || call->state != CALL_RESCUE)
		return;
	if (response->status != 200 || port < 1 || port > UINT16_MAX) {
		call_rescue_fail(call, "no media address");
		return;
	}
	call->media_port = (uint16_t)port;
	call_take_worker(call);
}

static void
on_address(const struct ari_response *response, void *arg)
{
	struct call *call = arg;
	const char *ip = json_string(response->body, "value");

	if (!call_answered(call) || call->state != CALL_RESCUE)
		return;
	if (response->status != 200 || ip[0] == '\0' ||
	    strlen(ip) >= sizeof(call->media_ip)) {
		call_rescue_fail(call, "no media address");
		return;
	}
	snprintf(call->media_ip, sizeof(call->media_ip), "%s", ip);
	ask_variable(call, on_port, "UNICASTRTP_LOCAL_PORT");
}

/* -- another worker --------------------------------------------------------------- */

/*
 * Whether this loss is one too many: the second of late may be the call's own
 * doing. That a successor got no voice is excused once, and no more, since what
 * it told the service may be what the service does not bear.
 */
static bool
count_loss(struct call *call)
{
	uint64_t now_ms = clock_now_ms();
	bool again =
	    call->lost_ms != 0 && now_ms - call->lost_ms < CALL_RESCUE_AGAIN_MS;

	if (!again) {
		call->excused = false;
	} else if (call->voiceless && !call->excused) {
		log_warn("call=%s its successor had no voice, another one is "
			 "tried",
		    call->id);
		call->excused = true;
		again = false;
	}
	call->voiceless = false;
	call->lost_ms = now_ms;
	return again;
}

void
call_rescue(struct call *call)
{
	recall(call);
	if (count_loss(call)) {
		call_rescue_fail(call, "worker lost again so soon");
	} else if (!has_memory(call) || call->codec[0] == '\0') {
		call_rescue_fail(call, "worker lost");
	} else {
		call_set_state(call, CALL_RESCUE, "worker lost");
		if (call->media_port != 0)
			call_take_worker(call);
		else
			ask_variable(
			    call, on_address, "UNICASTRTP_LOCAL_ADDRESS");
	}
}

static void
send_digits(struct call *call)
{
	char digits[CALL_DIGITS_MAX + 1];

	memcpy(digits, call->digits, sizeof(digits));
	memset(call->digits, 0, sizeof(call->digits));
	for (const char *d = digits; *d != '\0'; d++) {
		cJSON *body = cJSON_CreateObject();

		json_add_string(body, "digit", (char[]){*d, '\0'});
		call_send(call, MESSAGE_DTMF, body);
	}
}

void
call_rescue_go_on(struct call *call)
{
	call->resumes++;
	if (call_assign(call) < 0) {
		call->resumes--;
		worker_kill(call->worker, SIGKILL);
		return;
	}
	call_send_media(call);
	call_rescue_over(call);
	call_set_state(call, CALL_TALKING, "goes on with another worker");
	call_access_resume(call);
	send_digits(call);
	log_err("alarm=rescue call=%s rescue from=%d to=%d after_ms=%llu "
		"resumes=%u",
	    call->id, (int)call->lost_pid, (int)worker_pid(call->worker),
	    (unsigned long long)(clock_now_ms() - call->lost_ms),
	    call->resumes);
}

/* -- after an earlier supervisor ------------------------------------------------------ */

static bool
holds(const cJSON *bridge, const char *id)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, json_array(bridge, "channels")) {
		if (cJSON_IsString(item) && strcmp(item->valuestring, id) == 0)
			return true;
	}
	return false;
}

void
call_rescue_snapshot(struct call *call, const cJSON *bridges)
{
	const cJSON *bridge = call_find_listed(bridges, call->bridge_id);

	call->joined = holds(bridge, call->id) && holds(bridge, call->media_id);
}

bool
call_rescue_can(const struct call *call)
{
	return call->up && call->joined && has_memory(call);
}
