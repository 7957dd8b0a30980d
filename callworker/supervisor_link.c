/* SPDX-License-Identifier: MIT */
/*
 * supervisor_link.c – messages to and from the supervisor, field by field.
 *
 * Invariant: what a handler gets was checked: ids are not empty, addresses
 * numeric, statuses known, and the call is ours. Where that fails the channel
 * is closed, since both sides are one program.
 */
#include "callworker/supervisor_link.h"

#include "common/json.h"
#include "common/log.h"
#include "common/message.h"
#include "common/peer.h"
#include "common/proc.h"
#include "common/utf8.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct supervisor_link {
	struct peer *peer;
	const struct link_handlers *handlers;
	void *arg;
	char call[LINK_CALL_SIZE]; /* "" for a spare */
	bool closed;
};

/* ---- what we say ------------------------------------------------------ */

static cJSON *
new_body(const struct supervisor_link *link)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "call", link->call);
	return body;
}

static void
send_body(struct supervisor_link *link, enum message_type type, cJSON *body)
{
	if (link->closed) {
		cJSON_Delete(body);
		return;
	}
	/* A peer that cannot be told any more will say so in on_closed. */
	peer_send(link->peer, type, body);
}

void
supervisor_link_hello(struct supervisor_link *link)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "role", proc_role_name(PROC_ROLE_CALLWORKER));
	json_add_string(body, "build", proc_build_id());
	json_add_int(body, "pid", getpid());
	send_body(link, MESSAGE_HELLO, body);
}

void
supervisor_link_heartbeat(struct supervisor_link *link, const char *state)
{
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "state", state);
	send_body(link, MESSAGE_HEARTBEAT, body);
}

void
supervisor_link_state(
    struct supervisor_link *link, const struct link_state *state)
{
	const struct link_assign *assign = state->assign;
	cJSON *body = new_body(link);

	json_add_string(body, "state", state->state);
	json_add_string(body, "why", state->why);
	json_add_int(body, "talking_ms", (int64_t)state->talking_ms);
	json_add_string(body, "tool", state->tool);
	if (assign != NULL) {
		json_add_string(body, "caller", assign->caller);
		json_add_string(body, "called", assign->called);
		json_add_string(body, "persona", assign->persona);
	}
	send_body(link, MESSAGE_STATE, body);
}

void
supervisor_link_ready(struct supervisor_link *link)
{
	send_body(link, MESSAGE_READY, new_body(link));
}

void
supervisor_link_voice_failed(
    struct supervisor_link *link, enum voice_fault fault, const char *detail)
{
	cJSON *body = new_body(link);

	json_add_string(body, "fault", voice_fault_name(fault));
	json_add_string(body, "detail", detail);
	send_body(link, MESSAGE_VOICE_FAILED, body);
}

void
supervisor_link_tool_request(struct supervisor_link *link, const char *id,
    const char *name, const char *arguments)
{
	cJSON *body = new_body(link);

	json_add_string(body, "id", id);
	json_add_string(body, "name", name);
	json_add_string(body, "arguments", arguments);
	send_body(link, MESSAGE_TOOL_REQUEST, body);
}

void
supervisor_link_tool_cancel(struct supervisor_link *link, const char *id)
{
	cJSON *body = new_body(link);

	json_add_string(body, "id", id);
	send_body(link, MESSAGE_TOOL_CANCEL, body);
}

void
supervisor_link_person(
    struct supervisor_link *link, const char *id, const char *reason)
{
	cJSON *body = new_body(link);

	json_add_string(body, "action", "person");
	json_add_string(body, "id", id);
	json_add_string(body, "reason", reason);
	send_body(link, MESSAGE_CALL_ACTION, body);
}

void
supervisor_link_hang_up(struct supervisor_link *link, const char *reason)
{
	cJSON *body = new_body(link);

	json_add_string(body, "action", "hangup");
	json_add_string(body, "reason", reason);
	send_body(link, MESSAGE_CALL_ACTION, body);
}

void
supervisor_link_bye(struct supervisor_link *link, const char *reason,
    cJSON *usage, cJSON *media)
{
	cJSON *body = new_body(link);

	json_add_string(body, "reason", reason);
	json_add(body, "usage", usage);
	json_add(body, "media", media);
	send_body(link, MESSAGE_BYE, body);
}

/* ---- what we hear: 0, or -EBADMSG when it cannot be meant -------------- */

static int
on_prepare(struct supervisor_link *link, const cJSON *body)
{
	struct net_address addresses[NET_ADDRESSES_MAX];
	struct link_prepare prepare = {
	    .model = json_string(body, "model"),
	    .url = json_string(body, "url"),
	    .ca_file = json_string(body, "ca_file"),
	    .addresses = addresses,
	};
	const cJSON *item;
	size_t count = 0;

	cJSON_ArrayForEach(item, json_array(body, "addresses")) {
		if (count == NET_ADDRESSES_MAX)
			break;
		if (!cJSON_IsString(item) ||
		    net_address_parse(
			item->valuestring, 0, &addresses[count]) != 0)
			return -EBADMSG;
		count++;
	}
	if (count == 0 || prepare.model[0] == '\0' || prepare.url[0] == '\0')
		return -EBADMSG;
	prepare.address_count = count;
	link->handlers->on_prepare(&prepare, link->arg);
	return 0;
}

static int
copy_text(char *out, size_t size, const cJSON *body, const char *key)
{
	int n = snprintf(out, size, "%s", json_string(body, key));

	return n < 0 || (size_t)n >= size ? -EBADMSG : 0;
}

/* The same for people's names, which may be cut, but not inside a letter. */
static void
cut_text(char out[LINK_TEXT_SIZE], const cJSON *body, const char *key)
{
	const char *text = json_string(body, key);
	size_t len = utf8_cut(text, strlen(text), LINK_TEXT_SIZE - 1);

	memcpy(out, text, len);
	out[len] = '\0';
}

/* A number from 0 to MAX; 0 when it is absent. */
static int
read_count(const cJSON *body, const char *key, int64_t max, uint64_t *count_out)
{
	int64_t count = json_int(body, key, 0);

	if (count < 0 || count > max)
		return -EBADMSG;
	*count_out = (uint64_t)count;
	return 0;
}

static int
read_assign(struct link_assign *assign, const cJSON *body)
{
	const char *codec = json_string(body, "codec");
	uint64_t count;

	if (copy_text(assign->call, sizeof(assign->call), body, "call") != 0 ||
	    assign->call[0] == '\0')
		return -EBADMSG;
	cut_text(assign->caller, body, "caller");
	cut_text(assign->caller_name, body, "caller_name");
	cut_text(assign->caller_shown, body, "caller_shown");
	cut_text(assign->called, body, "called");
	cut_text(assign->persona, body, "persona");
	cut_text(assign->leaving, body, "leaving");
	assign->secret = json_bool(body, "secret", false);
	if (read_count(body, "resumes", UINT32_MAX, &count) != 0)
		return -EBADMSG;
	assign->resumes = (uint32_t)count;
	if (read_count(body, "talking_ms", INT64_MAX, &assign->talking_ms) != 0)
		return -EBADMSG;
	if (strcmp(codec, "ulaw") == 0)
		assign->law = G711_LAW_ULAW;
	else if (strcmp(codec, "alaw") == 0)
		assign->law = G711_LAW_ALAW;
	else
		return -EBADMSG;
	return 0;
}

static int
on_assign(struct supervisor_link *link, const cJSON *body, int *fds)
{
	struct link_assign assign = {0};

	if (link->call[0] != '\0' || read_assign(&assign, body) != 0)
		return -EBADMSG;
	assign.rtp_fd = fds[0];
	assign.journal_fd = fds[1];
	assign.playout_fd = fds[2];
	assign.brief_fd = fds[3];
	assign.uplink_fd = fds[4];
	fds[0] = fds[1] = fds[2] = fds[3] = fds[4] = -1;
	snprintf(link->call, sizeof(link->call), "%s", assign.call);
	link->handlers->on_assign(&assign, link->arg);
	return 0;
}

static int
on_media(struct supervisor_link *link, const cJSON *body)
{
	int64_t port = json_int(body, "port", 0);
	struct net_address peer;

	if (port < 1 || port > UINT16_MAX ||
	    net_address_parse(
		json_string(body, "address"), (uint16_t)port, &peer) != 0)
		return -EBADMSG;
	link->handlers->on_media(&peer, link->arg);
	return 0;
}

static int
on_dtmf(struct supervisor_link *link, const cJSON *body)
{
	const char *digit = json_string(body, "digit");

	if (strlen(digit) != 1)
		return -EBADMSG;
	link->handlers->on_dtmf(digit[0], link->arg);
	return 0;
}

static int
on_secret_begin(struct supervisor_link *link, const cJSON *body)
{
	link->handlers->on_secret_begin(json_string(body, "say"), link->arg);
	return 0;
}

static int
on_secret_end(struct supervisor_link *link)
{
	link->handlers->on_secret_end(link->arg);
	return 0;
}

static int
on_tool_progress(struct supervisor_link *link, const cJSON *body)
{
	int64_t elapsed_ms = json_int(body, "elapsed_ms", 0);
	struct tool_progress progress;

	if (json_string(body, "id")[0] == '\0')
		return -EBADMSG;
	tool_progress_read(&progress, body);
	link->handlers->on_tool_progress(json_string(body, "id"),
	    elapsed_ms > 0 ? (uint64_t)elapsed_ms : 0, &progress, link->arg);
	return 0;
}

static int
on_tool_result(struct supervisor_link *link, const cJSON *body)
{
	enum tool_status status;

	if (json_string(body, "id")[0] == '\0' ||
	    tool_status_find(json_string(body, "status"), &status) != 0)
		return -EBADMSG;
	link->handlers->on_tool_result(json_string(body, "id"), status,
	    json_string(body, "output"), link->arg);
	return 0;
}

static int
on_hangup(struct supervisor_link *link, const cJSON *body)
{
	link->handlers->on_hangup(json_string(body, "reason"),
	    json_bool(body, "farewell", false), link->arg);
	return 0;
}

/* What concerns a call must concern ours. */
static bool
is_for_us(const struct supervisor_link *link, enum message_type type,
    const cJSON *body)
{
	if (type == MESSAGE_SESSION_PREPARE || type == MESSAGE_CALL_ASSIGN ||
	    type == MESSAGE_DRAIN || type == MESSAGE_SYNC)
		return true;
	if (link->call[0] != '\0' &&
	    strcmp(json_string(body, "call"), link->call) == 0)
		return true;
	log_warn(
	    "message for another call ignored message=%s", message_name(type));
	return false;
}

static int
dispatch(struct supervisor_link *link, enum message_type type,
    const cJSON *body, int *fds)
{
	switch (type) {
	case MESSAGE_SESSION_PREPARE:
		return on_prepare(link, body);
	case MESSAGE_CALL_ASSIGN:
		return on_assign(link, body, fds);
	case MESSAGE_MEDIA:
		return on_media(link, body);
	case MESSAGE_DTMF:
		return on_dtmf(link, body);
	case MESSAGE_SECRET_BEGIN:
		return on_secret_begin(link, body);
	case MESSAGE_SECRET_END:
		return on_secret_end(link);
	case MESSAGE_TOOL_PROGRESS:
		return on_tool_progress(link, body);
	case MESSAGE_TOOL_RESULT:
		return on_tool_result(link, body);
	case MESSAGE_HANGUP:
		return on_hangup(link, body);
	case MESSAGE_DRAIN:
		link->handlers->on_drain(link->arg);
		return 0;
	case MESSAGE_SYNC:
		link->handlers->on_sync(link->arg);
		return 0;
	default: /* the peer lets nothing else through */
		return 0;
	}
}

static void
on_message(struct peer *peer, enum message_type type, const cJSON *body,
    int *fds, void *arg)
{
	struct supervisor_link *link = arg;

	(void)peer;
	if (link->closed || !is_for_us(link, type, body))
		return;
	if (dispatch(link, type, body, fds) == 0)
		return;
	link->closed = true;
	log_err("message of the supervisor makes no sense message=%s",
	    message_name(type));
	link->handlers->on_closed("message without sense", link->arg);
}

static void
on_closed(struct peer *peer, const char *why, void *arg)
{
	struct supervisor_link *link = arg;

	(void)peer;
	if (link->closed)
		return;
	link->closed = true;
	link->handlers->on_closed(why, link->arg);
}

/* ---- life ------------------------------------------------------------- */

int
supervisor_link_new(struct supervisor_link **link_out, struct event_base *base,
    int fd, const struct link_handlers *handlers, void *arg)
{
	struct supervisor_link *link = calloc(1, sizeof(*link));
	struct peer_config config = {
	    .fd = fd,
	    .us = MESSAGE_CALLWORKER,
	    .them = MESSAGE_SUPERVISOR,
	    .on_message = on_message,
	    .on_closed = on_closed,
	    .arg = link,
	};
	int ret;

	*link_out = NULL;
	if (link == NULL) {
		close(fd);
		return -ENOMEM;
	}
	link->handlers = handlers;
	link->arg = arg;
	ret = peer_new(&link->peer, base, &config);
	if (ret != 0) {
		free(link);
		return ret;
	}
	*link_out = link;
	return 0;
}

void
supervisor_link_free(struct supervisor_link **link)
{
	if (*link == NULL)
		return;
	peer_free(&(*link)->peer);
	free(*link);
	*link = NULL;
}

void
supervisor_link_flush(struct supervisor_link *link, int timeout_ms)
{
	if (!link->closed)
		peer_flush(link->peer, timeout_ms);
}
