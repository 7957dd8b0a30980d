/* SPDX-License-Identifier: MIT */
/*
 * control.c – clients of the control socket and what they ask.
 *
 * Invariant: nothing an operator's program does, or leaves undone, makes a
 * call wait: clients are few, their queues are bounded, and one that is silent
 * for long, or does not read, is let go.
 */
#include "supervisor/control.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/peer.h"
#include "supervisor/calls.h"

#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	BACKLOG = 8,
	GROUPS_MAX = 256, /* of a client, that we look at */
	PAUSE_MS = 1000,  /* when there is no descriptor for a client */
};

struct client {
	TAILQ_ENTRY(client) entry;
	struct control *control;
	struct peer *peer;
	struct ucred who;
	uint64_t heard_ms;
};

struct control {
	struct control_config config;
	gid_t group; /* of the socket's file */
	int fd;
	struct event *readable;
	struct event *timer;
	bool starved; /* the last client could not be let in */
	TAILQ_HEAD(, client) clients;
	size_t count;
};

/* -- answers ------------------------------------------------------------------- */

static cJSON *
reply_new(const cJSON *request, const char *error, bool more)
{
	cJSON *reply = cJSON_CreateObject();

	json_add_int(reply, "id", json_int(request, "id", 0));
	json_add_bool(reply, "more", more);
	json_add_string(reply, "error", error);
	return reply;
}

static void
answer(struct client *client, const cJSON *request, const char *error)
{
	peer_send(client->peer, MESSAGE_CONTROL_REPLY,
	    reply_new(request, error, false));
}

static void
on_status(struct client *client, const cJSON *request)
{
	const struct control_config *config = &client->control->config;
	cJSON *reply = reply_new(request, "", false);

	json_add(reply, "status", config->status(config->arg));
	peer_send(client->peer, MESSAGE_CONTROL_REPLY, reply);
}

struct listing {
	struct client *client;
	const cJSON *request;
	cJSON *part;
};

static void
send_part(struct listing *listing, bool more)
{
	cJSON *reply = reply_new(listing->request, "", more);

	json_add(reply, "calls", listing->part);
	listing->part = NULL;
	peer_send(listing->client->peer, MESSAGE_CONTROL_REPLY, reply);
}

static void
list_call(struct call *call, void *arg)
{
	struct listing *listing = arg;

	if (cJSON_GetArraySize(listing->part) == CONTROL_CALLS_PART)
		send_part(listing, true);
	if (listing->part == NULL)
		listing->part = cJSON_CreateArray();
	cJSON_AddItemToArray(listing->part, call_describe(call));
}

static void
on_calls(struct client *client, const cJSON *request)
{
	struct listing listing = {
	    .client = client,
	    .request = request,
	    .part = cJSON_CreateArray(),
	};

	calls_each(client->control->config.calls, list_call, &listing);
	send_part(&listing, false);
}

static void
on_end(struct client *client, const cJSON *request)
{
	const char *id = json_string(request, "call");
	bool now = json_bool(request, "now", false);
	const char *why = "";
	struct call *call = calls_find(client->control->config.calls, id);

	if (call == NULL || call_state(call) >= CALL_ENDING) {
		answer(client, request, "there is no such call");
		return;
	}
	log_info("call=%s an operator ends it now=%s uid=%u pid=%d", id,
	    now ? "yes" : "no", (unsigned)client->who.uid,
	    (int)client->who.pid);
	if (now || call_state(call) == CALL_TRANSFERRED)
		call_hangup(call, "ended by an operator");
	else if (!call_farewell(call, "operator"))
		why = "it is saying goodbye, or was found again just now: "
		      "ask again in a moment, or with --now";
	answer(client, request, why);
}

static void
on_message(struct peer *peer, enum message_type type, const cJSON *body,
    int *fds, void *arg)
{
	struct client *client = arg;
	const char *request = json_string(body, "request");

	(void)peer;
	(void)fds;
	(void)type; /* the table allows an operator one */
	client->heard_ms = clock_now_ms();
	if (strcmp(request, "status") == 0)
		on_status(client, body);
	else if (strcmp(request, "calls") == 0)
		on_calls(client, body);
	else if (strcmp(request, "end") == 0)
		on_end(client, body);
	else
		answer(client, body,
		    "unknown request; there are status, calls and end");
}

/* -- clients ------------------------------------------------------------------- */

static void
client_free(struct client *client)
{
	TAILQ_REMOVE(&client->control->clients, client, entry);
	client->control->count--;
	peer_free(&client->peer);
	free(client);
}

static void
on_closed(struct peer *peer, const char *why, void *arg)
{
	struct client *client = arg;

	(void)peer;
	if (strcmp(why, PEER_CLOSED_BY_OTHER) != 0)
		log_warn("control socket: client let go why=\"%s\" uid=%u "
			 "pid=%d",
		    why, (unsigned)client->who.uid, (int)client->who.pid);
	client_free(client);
}

/* Its supplementary groups; none when the kernel does not tell. */
static bool
is_in_group(int fd, gid_t group)
{
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(groups);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) != 0)
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++) {
		if (groups[i] == group)
			return true;
	}
	return false;
}

/* The file's mode says the same, until somebody changes it. */
static bool
may_ask(const struct control *control, int fd, struct ucred *who_out)
{
	socklen_t len = sizeof(*who_out);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, who_out, &len) != 0)
		return false;
	return who_out->uid == 0 || who_out->uid == geteuid() ||
	       who_out->gid == control->group ||
	       is_in_group(fd, control->group);
}

static int
admit(struct control *control, int fd)
{
	struct client *client = calloc(1, sizeof(*client));
	struct peer_config config = {
	    .fd = fd,
	    .us = MESSAGE_SUPERVISOR,
	    .them = MESSAGE_OPERATOR,
	    .on_message = on_message,
	    .on_closed = on_closed,
	    .arg = client,
	};
	int ret;

	if (client == NULL) {
		close(fd);
		return -ENOMEM;
	}
	client->control = control;
	client->heard_ms = clock_now_ms();
	TAILQ_INSERT_TAIL(&control->clients, client, entry);
	control->count++;
	if (!may_ask(control, fd, &client->who)) {
		log_warn("control socket: refused uid=%u pid=%d",
		    (unsigned)client->who.uid, (int)client->who.pid);
		close(fd);
		client_free(client);
		return -EPERM;
	}
	ret = peer_new(&client->peer, control->config.base, &config);
	if (ret < 0)
		client_free(client);
	return ret;
}

/* The longest silent one makes place. */
static void
make_place(struct control *control)
{
	struct client *client, *oldest = NULL;

	if (control->count < CONTROL_CLIENTS_MAX)
		return;
	TAILQ_FOREACH(client, &control->clients, entry) {
		if (oldest == NULL || client->heard_ms < oldest->heard_ms)
			oldest = client;
	}
	if (oldest != NULL)
		client_free(oldest);
}

static void
on_readable(evutil_socket_t listener, short what, void *arg)
{
	struct control *control = arg;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	if (fd >= 0) {
		control->starved = false;
		make_place(control);
		(void)admit(control, fd);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		/* It would be readable again at once. */
		if (!control->starved)
			log_warn("control socket: no client error=%s",
			    strerror(errno));
		control->starved = true;
		event_del(control->readable);
	}
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct control *control = arg;
	uint64_t now_ms = clock_now_ms();
	struct client *client, *next;

	(void)fd;
	(void)what;
	for (client = TAILQ_FIRST(&control->clients); client != NULL;
	     client = next) {
		next = TAILQ_NEXT(client, entry);
		if (now_ms - client->heard_ms > CONTROL_IDLE_MS)
			client_free(client);
	}
	if (!event_pending(control->readable, EV_READ, NULL))
		event_add(control->readable, NULL);
}

/* -- the socket ---------------------------------------------------------------- */

void
control_path(const char *setting, char *path, size_t size)
{
	const char *runtime = getenv("RUNTIME_DIRECTORY");

	if (setting[0] != '\0')
		snprintf(path, size, "%s", setting);
	else if (runtime != NULL && runtime[0] == '/')
		snprintf(path, size, "%s/control", runtime);
	else
		path[0] = '\0';
}

/* A socket at which nobody answers was left by one that died. */
static int
remove_dead(const struct sockaddr_un *address)
{
	struct stat st;
	int fd, ret = 0;

	if (lstat(address->sun_path, &st) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) ==
		0 ||
	    errno == EAGAIN)
		ret = -EADDRINUSE;
	else if (unlink(address->sun_path) != 0 && errno != ENOENT)
		ret = -errno;
	close(fd);
	return ret;
}

static int
listen_at(struct control *control, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat st;
	mode_t mask;
	int ret;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	ret = remove_dead(&address);
	if (ret < 0)
		return ret;
	control->fd =
	    socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (control->fd < 0)
		return -errno;
	mask = umask(0117); /* 0660 from its first moment */
	ret = bind(control->fd, (struct sockaddr *)&address, sizeof(address));
	ret = ret == 0 ? 0 : -errno;
	umask(mask);
	if (ret == 0 && stat(path, &st) != 0)
		ret = -errno;
	if (ret == 0 && listen(control->fd, BACKLOG) != 0)
		ret = -errno;
	if (ret == 0)
		control->group = st.st_gid;
	return ret;
}

int
control_new(struct control **control_out, const struct control_config *config)
{
	static const struct timeval turn = {.tv_sec = PAUSE_MS / 1000};
	struct control *control = calloc(1, sizeof(*control));
	int ret;

	*control_out = NULL;
	if (control == NULL)
		return -ENOMEM;
	control->config = *config;
	control->fd = -1;
	TAILQ_INIT(&control->clients);
	ret = listen_at(control, config->path);
	if (ret < 0)
		goto fail;
	ret = -ENOMEM;
	control->readable = event_new(config->base, control->fd,
	    EV_READ | EV_PERSIST, on_readable, control);
	control->timer =
	    event_new(config->base, -1, EV_PERSIST, on_turn, control);
	if (control->readable == NULL || control->timer == NULL ||
	    event_add(control->readable, NULL) < 0 ||
	    event_add(control->timer, &turn) < 0)
		goto fail;
	control->config.path = NULL; /* the caller's, for now only */
	*control_out = control;
	return 0;
fail:
	control_free(&control);
	return ret;
}

void
control_free(struct control **control_ptr)
{
	struct control *control = *control_ptr;

	if (control == NULL)
		return;
	while (!TAILQ_EMPTY(&control->clients))
		client_free(TAILQ_FIRST(&control->clients));
	if (control->readable != NULL)
		event_free(control->readable);
	if (control->timer != NULL)
		event_free(control->timer);
	if (control->fd >= 0)
		close(control->fd);
	free(control);
	*control_ptr = NULL;
}
