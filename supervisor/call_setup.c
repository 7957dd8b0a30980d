/* SPDX-License-Identifier: MIT */
/*
 * call_setup.c – from StasisStart to two-way audio.
 *
 * Everything that can runs at once: the worker, the codec and then the media
 * channel, the bridge. Both channels are joined while the caller still hears
 * ringing; answering is the last step, when the voice is ready, so that not
 * a syllable of the greeting is lost (measured on Asterisk 22: adding an
 * unanswered channel to a bridge neither answers it nor sends a 183).
 */
#include "supervisor/call_impl.h"

#include "supervisor/call_access.h"
#include "supervisor/call_lookup.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "supervisor/ledger.h"
#include "supervisor/rtp_port.h"
#include "supervisor/shortage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PATH_MAX_LEN = 1024,
	ID_ESCAPED = 3 * ARI_ID_MAX,
};

static bool
is_success(const struct ari_response *response)
{
	return response->status >= 200 && response->status < 300;
}

/* A request about the caller's channel failed. */
static void
channel_step_failed(
    struct call *call, const struct ari_response *response, const char *why)
{
	if (response->status == 404) /* before its StasisEnd reached us */
		call_on_channel_gone(call, "caller gone");
	else
		call_fallback(call, why);
}

/* -- answering ---------------------------------------------------------------- */

static void
go(struct call *call)
{
	call_send_media(call);
	call_set_state(call, CALL_TALKING, "answered");
	log_info("call=%s answered setup_ms=%llu codec=%s persona=%s", call->id,
	    (unsigned long long)(call->talking_ms - call->started_ms),
	    call->codec, call->persona);
}

static void
on_answered(const struct ari_response *response, void *arg)
{
	struct call *call = arg;

	if (!call_answered(call))
		return;
	if (!is_success(response)) {
		channel_step_failed(call, response, "cannot be answered");
		return;
	}
	call->up = true;
	if (call->state == CALL_MEDIA && call->worker_ready)
		go(call);
	else
		call_advance(call); /* the worker died meanwhile */
}

static void
answer(struct call *call)
{
	char path[PATH_MAX_LEN], id[ID_ESCAPED];

	if (call->up) {
		go(call);
		return;
	}
	snprintf(path, sizeof(path), "channels/%s/answer",
	    ari_escape(call->id, id, sizeof(id)));
	call_ari(call, on_answered, "POST", NULL, path);
}

/* -- the bridge ------------------------------------------------------------------ */

static void
on_joined(const struct ari_response *response, void *arg)
{
	struct call *call = arg;

	if (!call_answered(call))
		return;
	if (!is_success(response)) {
		call_fallback(call, "cannot be bridged");
		return;
	}
	call->joined = true;
	call_advance(call);
}

static void
join(struct call *call)
{
	char path[PATH_MAX_LEN + ID_ESCAPED], bridge[ID_ESCAPED];
	char caller[ID_ESCAPED], media[ID_ESCAPED];

	snprintf(path, sizeof(path), "bridges/%s/addChannel?channel=%s,%s",
	    ari_escape(call->bridge_id, bridge, sizeof(bridge)),
	    ari_escape(call->id, caller, sizeof(caller)),
	    ari_escape(call->media_id, media, sizeof(media)));
	call_ari(call, on_joined, "POST", NULL, path);
}

static void
on_bridge(const struct ari_response *response, void *arg)
{
	struct call *call = arg;

	ledger_made(call->env->ledger, call->bridge_id);
	if (!call_answered(call))
		return;
	if (!is_success(response)) {
		call_fallback(call, "no bridge");
		return;
	}
	call->bridge_made = true;
	call_advance(call);
}

static void
make_bridge(struct call *call)
{
	char path[PATH_MAX_LEN], id[ID_ESCAPED];

	if (ledger_add(call->env->ledger, LEDGER_BRIDGE, call->id,
		call->bridge_id) < 0) {
		call_fallback(call, "out of memory");
		return;
	}
	snprintf(path, sizeof(path),
	    "bridges?type=mixing&name=telefonista&bridgeId=%s",
	    ari_escape(call->bridge_id, id, sizeof(id)));
	call_ari(call, on_bridge, "POST", NULL, path);
}

/* -- the media channel -------------------------------------------------------------- */

/* Where Asterisk expects our RTP (chan_rtp sets both before it answers). */
static int
read_media_address(struct call *call, const cJSON *channel)
{
	const cJSON *vars = json_object(channel, "channelvars");
	const char *ip = json_string(vars, "UNICASTRTP_LOCAL_ADDRESS");
	const char *port = json_string(vars, "UNICASTRTP_LOCAL_PORT");
	char *end;
	long number = strtol(port, &end, 10);

	if (ip[0] == '\0' || strlen(ip) >= sizeof(call->media_ip) ||
	    end == port || *end != '\0' || number < 1 || number > 65535)
		return -EBADMSG;
	snprintf(call->media_ip, sizeof(call->media_ip), "%s", ip);
	call->media_port = (uint16_t)number;
	return 0;
}

static void
on_media(const struct ari_response *response, void *arg)
{
	struct call *call = arg;

	ledger_made(call->env->ledger, call->media_id);
	if (!call_answered(call))
		return;
	if (!is_success(response)) {
		call_fallback(call, "no media channel");
		return;
	}
	if (read_media_address(call, response->body) < 0) {
		log_err("call=%s externalMedia's answer names no address",
		    call->id);
		call_fallback(call, "no media address");
		return;
	}
	call->media_made_ms = clock_now_ms();
	call_advance(call);
}

static void
make_media(struct call *call)
{
	const char *ip = call->env->local_ip;
	char path[PATH_MAX_LEN], id[ID_ESCAPED], app[3 * 64 + 1];

	if (ledger_add(call->env->ledger, LEDGER_CHANNEL, call->id,
		call->media_id) < 0) {
		call_fallback(call, "out of memory");
		return;
	}
	snprintf(path, sizeof(path),
	    "channels/externalMedia?app=%s&channelId=%s&format=%s"
	    "&external_host=%s%s%s:%u",
	    ari_escape(call->env->config->ari_app, app, sizeof(app)),
	    ari_escape(call->media_id, id, sizeof(id)), call->codec,
	    strchr(ip, ':') != NULL ? "%5B" : "", ip,
	    strchr(ip, ':') != NULL ? "%5D" : "", call->rtp_port);
	call_ari(call, on_media, "POST", NULL, path);
}

void
call_on_media_started(struct call *call)
{
	call->media_in_stasis = true;
	call_advance(call);
}

/*
 * One that came while Asterisk had nobody to give it to has ended, and nobody
 * was told of that either.
 */
static void
make_media_again(struct call *call)
{
	log_warn("call=%s media channel was lost with the connection, "
		 "making another",
	    call->id);
	ledger_remove(call->env->ledger, call->media_id);
	call->media_port = 0;
	call->media_made_ms = 0;
	make_media(call);
}

void
call_setup_on_snapshot(
    struct call *call, uint64_t asked_ms, const cJSON *channels)
{
	const cJSON *listed = call_find_listed(channels, call->media_id);

	if (call->state >= CALL_TALKING || call->media_in_stasis)
		return;
	if (call_is_in_stasis(listed))
		call_on_media_started(call);
	else if (listed == NULL && call->media_made_ms != 0 &&
		 call->media_made_ms < asked_ms)
		make_media_again(call);
}

/* -- the codec --------------------------------------------------------------------------- */

/*
 * A-law callers get A-law from end to end; everyone else mu-law, which
 * Asterisk transcodes to if it must.
 */
static void
on_codec(const struct ari_response *response, void *arg)
{
	struct call *call = arg;
	bool alaw;

	if (!call_answered(call))
		return;
	if (response->status == 404) {
		channel_step_failed(call, response, "");
		return;
	}
	alaw = is_success(response) &&
	       strcmp(json_string(response->body, "value"), "alaw") == 0;
	snprintf(
	    call->codec, sizeof(call->codec), "%s", alaw ? "alaw" : "ulaw");
	make_media(call);
	if (call->state < CALL_ENDING)
		call_take_worker(call);
}

static void
ask_codec(struct call *call)
{
	char path[PATH_MAX_LEN], id[ID_ESCAPED];

	snprintf(path, sizeof(path),
	    "channels/%s/variable?variable=CHANNEL(audioreadformat)",
	    ari_escape(call->id, id, sizeof(id)));
	call_ari(call, on_codec, "GET", NULL, path);
}

/* -- the beginning --------------------------------------------------------------------------- */

static void
on_ring(const struct ari_response *response, void *arg)
{
	(void)response; /* a caller without a ringing tone still gets a voice */
	call_answered(arg);
}

/* A dialplan without Ringing() would leave the caller in silence. */
static void
ring(struct call *call)
{
	char path[PATH_MAX_LEN], id[ID_ESCAPED];

	if (call->up)
		return;
	snprintf(path, sizeof(path), "channels/%s/ring",
	    ari_escape(call->id, id, sizeof(id)));
	call_ari(call, on_ring, "POST", NULL, path);
}

void
call_begin(struct call *call)
{
	int ret = call->env->local_ip[0] == '\0'
		      ? -EADDRNOTAVAIL
		      : rtp_ports_bind(call->env->ports, call->env->local_ip,
			    &call->fds[CALL_FD_RTP], &call->rtp_port);

	if (ret < 0) {
		shortage_met(call->env->shortages,
		    shortage_of(-ret, SHORTAGE_PORTS), strerror(-ret));
		call_fallback(call, "no RTP port");
		return;
	}
	shortage_over(call->env->shortages, SHORTAGE_PORTS);
	ring(call);
	ask_codec(call);
	if (call->state < CALL_ENDING)
		make_bridge(call);
	if (call->state < CALL_ENDING)
		call_lookup_begin(call_access_lookup(call));
}

void
call_advance(struct call *call)
{
	bool media_ready =
	    call->bridge_made && call->media_port != 0 && call->media_in_stasis;

	if (call->state >= CALL_TALKING)
		return;
	if (media_ready && !call->joined && !call->joining) {
		call->joining = true;
		join(call);
		return;
	}
	if (call->joined && call->worker_ready &&
	    call->state == CALL_ASSIGNED) {
		call_set_state(call, CALL_MEDIA, "media and voice are ready");
		answer(call);
	}
}
