/* SPDX-License-Identifier: MIT */
/*
 * routeros_api.c – one connection, from the name's resolution to its end.
 *
 * Invariant: FN is called by finish() only, which forgets it first and
 * touches the connection no more: its owner may have closed it.
 */
#include "toolworker/routeros_api.h"

#include "common/tls.h"
#include "toolworker/routeros_value.h"
#include "toolworker/routeros_words.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/ssl.h>

enum {
	CONNECT_MS = 5000,       /* to one address, TLS handshake included */
	CANCEL_MS = 1000,        /* then the connection ends, and the command */
	READ_AHEAD = 256 * 1024, /* bytes that wait for us at most */
	TAG_SIZE = 12,
	PASSWORD_SIZE = 4096, /* that of a secret */
};

enum state {
	STATE_RESOLVING,
	STATE_CONNECTING,
	STATE_LOGIN,
	STATE_IDLE,
	STATE_RUNNING,
	STATE_FAILED,  /* only to be closed */
	STATE_LEAVING, /* the owner has gone, a cancellation is under way */
};

struct routeros_api {
	LIST_ENTRY(routeros_api) entry; /* while leaving */
	struct routeros_api_network *network;
	const struct router *router; /* not while leaving */
	enum state state;
	char *password; /* until the login is done */
	bool challenged;

	struct resolver_request *lookup;
	struct net_address addresses[NET_ADDRESSES_MAX];
	size_t address_count;
	size_t address_next; /* to be tried when this one fails */
	struct tls_peer peer;
	SSL_CTX *tls;
	struct bufferevent *bev;
	struct event *timer; /* of connecting, and of leaving */

	unsigned int tag; /* of the command that runs */
	cJSON *records;   /* what came of it */
	size_t bytes;     /* … received */
	size_t record_count;
	struct routeros_outcome trap; /* its status is OK until one comes */
	routeros_outcome_fn *fn;
	void *arg;
};

/* -- the end ------------------------------------------------------------------- */

static void
forget_password(struct routeros_api *api)
{
	if (api->password != NULL)
		explicit_bzero(api->password, strlen(api->password));
	free(api->password);
	api->password = NULL;
}

static void
api_free(struct routeros_api *api)
{
	if (api->state == STATE_LEAVING)
		LIST_REMOVE(api, entry);
	resolver_cancel(&api->lookup);
	if (api->bev != NULL)
		bufferevent_free(api->bev);
	tls_client_context_free(&api->tls);
	if (api->timer != NULL)
		event_free(api->timer);
	cJSON_Delete(api->records);
	forget_password(api);
	free(api);
}

/* Tells the owner how it went; nothing may be done with API after this. */
static void
finish(
    struct routeros_api *api, enum state next, struct routeros_outcome *outcome)
{
	routeros_outcome_fn *fn = api->fn;

	api->state = next;
	api->fn = NULL;
	if (next == STATE_FAILED) {
		event_del(api->timer);
		forget_password(api);
		if (api->bev != NULL)
			bufferevent_disable(api->bev, EV_READ | EV_WRITE);
	}
	fn(outcome, api->arg);
}

/* The connection is of no use any more, while the owner waits for something. */
static void
fail(struct routeros_api *api, enum tool_status status, const char *why)
{
	struct routeros_outcome outcome = {.records = NULL};

	if (api->state == STATE_LEAVING) {
		api_free(api);
		return;
	}
	if (api->fn == NULL) { /* idle: the next command will find out */
		api->state = STATE_FAILED;
		return;
	}
	routeros_outcome_fail(&outcome, status, "%s:%u: %s", api->router->host,
	    api->router->port, why);
	finish(api, STATE_FAILED, &outcome);
}

static void
set_timer(struct routeros_api *api, unsigned int ms)
{
	const struct timeval wait = {
	    .tv_sec = ms / 1000,
	    .tv_usec = (suseconds_t)(ms % 1000) * 1000,
	};

	event_add(api->timer, &wait);
}

/* -- sending ---------------------------------------------------------------------- */

static void
on_sent(const void *bytes, size_t len, void *arg)
{
	(void)arg;
	/* Ours, by malloc(); the const is the callback's. */
	explicit_bzero((void *)(uintptr_t)bytes, len);
	free((void *)(uintptr_t)bytes);
}

/* Takes what is in BUFFER; it is wiped once it has left. 0 or -errno. */
static int
send_buffer(struct routeros_api *api, struct routeros_buffer *buffer)
{
	struct evbuffer *output = bufferevent_get_output(api->bev);
	int ret = buffer->error;

	if (ret == 0 && evbuffer_add_reference(output, buffer->bytes,
			    buffer->len, on_sent, NULL) < 0)
		ret = -ENOMEM;
	if (ret == 0)
		*buffer = (struct routeros_buffer){0};
	routeros_buffer_free(buffer);
	return ret;
}

/* -- login -------------------------------------------------------------------------- */

/* KEY is "=password=" or "=response=". */
static int
send_login(struct routeros_api *api, const char *key, const char *value)
{
	struct routeros_buffer buffer = {0};

	routeros_buffer_word(&buffer, "/login", "");
	routeros_buffer_word(&buffer, "=name=", api->router->user);
	routeros_buffer_word(&buffer, key, value);
	routeros_buffer_end(&buffer);
	return send_buffer(api, &buffer);
}

/* !done of /login: we are in, or the router is an old one with a challenge. */
static void
login_done(struct routeros_api *api, const char *challenge)
{
	struct routeros_outcome outcome = {.status = TOOL_STATUS_OK};
	char response[ROUTEROS_RESPONSE_SIZE];
	int ret;

	if (*challenge == '\0') {
		forget_password(api);
		finish(api, STATE_IDLE, &outcome);
		return;
	}
	if (api->challenged) {
		fail(api, TOOL_STATUS_MALFORMED, "asks for a login for ever");
		return;
	}
	api->challenged = true;
	ret = routeros_words_respond(challenge, api->password, response);
	if (ret == 0)
		ret = send_login(api, "=response=", response);
	explicit_bzero(response, sizeof(response));
	if (ret == -EPROTO)
		fail(api, TOOL_STATUS_MALFORMED, "asks for an unknown login");
	else if (ret < 0)
		fail(api, TOOL_STATUS_INTERNAL, strerror(-ret));
}

/* -- sentences ------------------------------------------------------------------------ */

/* Whether SENTENCE has the tag of the command that runs. */
static bool
is_ours(
    const struct routeros_api *api, const struct routeros_sentence *sentence)
{
	char tag[TAG_SIZE + 8];

	snprintf(tag, sizeof(tag), ".tag=%u", api->tag);
	for (size_t i = 1; i < sentence->count; i++) {
		if (routeros_word_is(&sentence->words[i], tag))
			return true;
	}
	return false;
}

static void
on_login_reply(struct routeros_api *api, const struct routeros_word *reply,
    const cJSON *record)
{
	struct routeros_outcome outcome = {.records = NULL};

	if (routeros_word_is(reply, "!done")) {
		login_done(api, routeros_field(record, "ret"));
	} else if (routeros_word_is(reply, "!trap")) {
		routeros_outcome_refuse(&outcome,
		    routeros_field(record, "message"), api->network->secrets);
		finish(api, STATE_FAILED, &outcome);
	}
}

static void
command_done(struct routeros_api *api)
{
	struct routeros_outcome outcome = api->trap;

	if (outcome.status == TOOL_STATUS_OK)
		outcome.records = api->records;
	else
		cJSON_Delete(api->records);
	api->records = NULL;
	finish(api, STATE_IDLE, &outcome);
}

/* Takes RECORD. False: as on_sentence(). */
static bool
on_command_reply(
    struct routeros_api *api, const struct routeros_word *reply, cJSON *record)
{
	bool is_done = routeros_word_is(reply, "!done");

	if (routeros_word_is(reply, "!trap") &&
	    api->trap.status == TOOL_STATUS_OK)
		routeros_outcome_refuse(&api->trap,
		    routeros_field(record, "message"), api->network->secrets);
	if ((is_done || routeros_word_is(reply, "!re")) &&
	    record->child != NULL) {
		cJSON_AddItemToArray(api->records, record);
		record = NULL;
		api->record_count++;
	}
	cJSON_Delete(record);
	if (is_done) {
		command_done(api);
		return false;
	}
	if (api->record_count > ROUTEROS_RECORDS_MAX) {
		fail(api, TOOL_STATUS_MALFORMED, "sends records without end");
		return false;
	}
	return true;
}

static void
on_fatal(struct routeros_api *api, const struct routeros_sentence *sentence)
{
	char why[ROUTEROS_DETAIL_SIZE + 24] = "ended the session";
	char detail[ROUTEROS_DETAIL_SIZE];
	char *text;

	if (sentence->count > 1) {
		text = routeros_text(
		    sentence->words[1].text, sentence->words[1].len);
		routeros_outcome_detail(
		    detail, text != NULL ? text : "", api->network->secrets);
		snprintf(why, sizeof(why), "ended the session: %s", detail);
		free(text);
	}
	fail(api, TOOL_STATUS_UNREACHABLE, why);
}

/*
 * Handles one sentence, which is not empty. False: API may have been freed,
 * and is not to be read from for now.
 */
static bool
on_sentence(struct routeros_api *api, const struct routeros_sentence *sentence)
{
	const struct routeros_word *reply = &sentence->words[0];
	enum state before = api->state;
	bool is_end = routeros_word_is(reply, "!done");
	cJSON *record;

	if (routeros_word_is(reply, "!fatal")) {
		on_fatal(api, sentence);
		return false;
	}
	if (before != STATE_LOGIN && !is_ours(api, sentence))
		return true;
	if (before == STATE_LEAVING) {
		if (is_end)
			api_free(api);
		return !is_end;
	}
	if (before != STATE_LOGIN && before != STATE_RUNNING)
		return true;
	record = routeros_words_record(sentence);
	if (record == NULL) {
		fail(api, TOOL_STATUS_INTERNAL, "no memory");
		return false;
	}
	if (before == STATE_LOGIN) {
		bool last = is_end || routeros_word_is(reply, "!trap");

		on_login_reply(api, reply, record);
		cJSON_Delete(record);
		return !last;
	}
	return on_command_reply(api, reply, record);
}

/*
 * Takes the next whole sentence off INPUT, into *BYTES_OUT, to be freed, which
 * SENTENCE points into. Returns as routeros_sentence_decode(), or -ENOMEM.
 */
static ssize_t
take_sentence(struct evbuffer *input, unsigned char **bytes_out,
    struct routeros_sentence *sentence)
{
	size_t len = evbuffer_get_length(input);
	const unsigned char *bytes;
	ssize_t used;

	if (len > ROUTEROS_SENTENCE_MAX + ROUTEROS_LENGTH_SIZE)
		len = ROUTEROS_SENTENCE_MAX + ROUTEROS_LENGTH_SIZE;
	bytes = evbuffer_pullup(input, (ssize_t)len);
	if (bytes == NULL)
		return len == 0 ? 0 : -ENOMEM;
	used = routeros_sentence_decode(bytes, len, sentence);
	if (used <= 0)
		return used;
	*bytes_out = malloc((size_t)used);
	if (*bytes_out == NULL)
		return -ENOMEM;
	evbuffer_remove(input, *bytes_out, (size_t)used);
	return routeros_sentence_decode(*bytes_out, (size_t)used, sentence);
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *input = bufferevent_get_input(bev);
	struct routeros_api *api = arg;
	struct routeros_sentence sentence;
	unsigned char *bytes;
	bool go_on = true;
	ssize_t used;

	while (go_on && (used = take_sentence(input, &bytes, &sentence)) != 0) {
		if (used < 0) {
			fail(api,
			    used == -ENOMEM ? TOOL_STATUS_INTERNAL
					    : TOOL_STATUS_MALFORMED,
			    used == -ENOMEM ? "no memory"
					    : "does not speak RouterOS's API");
			return;
		}
		api->bytes += (size_t)used;
		if (api->bytes > ROUTEROS_BYTES_MAX) {
			fail(api, TOOL_STATUS_MALFORMED, "sends too much");
			go_on = false;
		} else if (sentence.count > 0) {
			go_on = on_sentence(api, &sentence);
		}
		free(bytes);
	}
}

/* -- connecting --------------------------------------------------------------------- */

static void connect_next(struct routeros_api *api, const char *why);

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct routeros_api *api = arg;
	int err = EVUTIL_SOCKET_ERROR();
	const char *why = "closed the connection";

	(void)bev;
	if (what & BEV_EVENT_CONNECTED) {
		event_del(api->timer);
		bufferevent_enable(api->bev, EV_READ | EV_WRITE);
		api->state = STATE_LOGIN;
		if (send_login(api, "=password=", api->password) < 0)
			fail(api, TOOL_STATUS_INTERNAL, "no memory");
		return;
	}
	/* A refused TLS connection is an end of file with that error. */
	if (api->peer.error[0] != '\0')
		why = api->peer.error;
	else if (err != 0 && err != EAGAIN && err != EINPROGRESS &&
		 ((what & BEV_EVENT_ERROR) || api->state == STATE_CONNECTING))
		why = strerror(err);
	if (api->state == STATE_CONNECTING)
		connect_next(api, why);
	else
		fail(api, TOOL_STATUS_UNREACHABLE, why);
}

/* Connecting takes too long, or the cancellation does. */
static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct routeros_api *api = arg;

	(void)fd;
	(void)what;
	if (api->state == STATE_LEAVING)
		api_free(api);
	else
		connect_next(api, "does not answer");
}

static struct bufferevent *
make_connection(struct routeros_api *api)
{
	const int options = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS;
	struct event_base *base = api->network->base;
	struct bufferevent *bev;
	SSL *ssl;

	if (api->tls == NULL)
		return bufferevent_socket_new(base, -1, options);
	ssl = SSL_new(api->tls);
	if (ssl == NULL)
		return NULL;
	bev = bufferevent_openssl_socket_new(
	    base, -1, ssl, BUFFEREVENT_SSL_CONNECTING, options);
	if (bev == NULL)
		SSL_free(ssl);
	else
		bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return bev;
}

static socklen_t
make_sockaddr(
    const struct net_address *address, struct sockaddr_storage *storage)
{
	struct sockaddr_in in = {
	    .sin_family = AF_INET, .sin_port = htons(address->port)};
	struct sockaddr_in6 in6 = {
	    .sin6_family = AF_INET6, .sin6_port = htons(address->port)};

	memset(storage, 0, sizeof(*storage));
	if (inet_pton(AF_INET, address->ip, &in.sin_addr) == 1) {
		memcpy(storage, &in, sizeof(in));
		return sizeof(in);
	}
	if (inet_pton(AF_INET6, address->ip, &in6.sin6_addr) != 1)
		return 0;
	memcpy(storage, &in6, sizeof(in6));
	return sizeof(in6);
}

/* Tries the next address; WHY is how the last one failed. */
static void
connect_next(struct routeros_api *api, const char *why)
{
	struct sockaddr_storage storage;
	socklen_t len;

	if (api->address_next == api->address_count) {
		fail(api, TOOL_STATUS_UNREACHABLE, why);
		return;
	}
	if (api->bev != NULL)
		bufferevent_free(api->bev);
	len = make_sockaddr(&api->addresses[api->address_next++], &storage);
	api->bev = make_connection(api);
	if (api->bev == NULL || len == 0) {
		fail(api, TOOL_STATUS_INTERNAL, "no memory");
		return;
	}
	bufferevent_setcb(api->bev, on_read, NULL, on_event, api);
	bufferevent_setwatermark(api->bev, EV_READ, 0, READ_AHEAD);
	api->state = STATE_CONNECTING;
	set_timer(api, CONNECT_MS);
	/* A failure is told by on_event(), once we are back in the loop. */
	if (bufferevent_socket_connect(
		api->bev, (struct sockaddr *)&storage, (int)len) < 0)
		set_timer(api, 0);
}

static void
on_resolved(const struct resolver_result *result, void *arg)
{
	struct routeros_api *api = arg;

	api->lookup = NULL;
	if (result->err != 0) {
		fail(api, TOOL_STATUS_UNREACHABLE, result->text);
		return;
	}
	memcpy(api->addresses, result->addresses, sizeof(api->addresses));
	api->address_count = result->count;
	connect_next(api, "");
}

static int
make_tls(struct routeros_api *api)
{
	const struct router *router = api->router;
	int ret;

	if (!router->tls)
		return 0;
	snprintf(api->peer.host, sizeof(api->peer.host), "%s", router->host);
	ret = tls_client_context_new(&api->tls, router->ca_file, &api->peer);
	if (ret == 0 && router->pinned)
		ret = tls_context_pin(api->tls, router->pin);
	return ret;
}

int
routeros_api_open(struct routeros_api **api_out,
    struct routeros_api_network *network, const struct router *router,
    const char *password, routeros_outcome_fn *fn, void *arg)
{
	struct routeros_api *api = calloc(1, sizeof(*api));
	int ret = -ENOMEM;

	if (api == NULL)
		return -ENOMEM;
	api->network = network;
	api->router = router;
	api->fn = fn;
	api->arg = arg;
	api->password = strndup(password, PASSWORD_SIZE);
	api->timer = evtimer_new(network->base, on_timer, api);
	if (api->password == NULL || api->timer == NULL)
		goto fail;
	ret = make_tls(api);
	if (ret == 0)
		ret = resolver_lookup(network->resolver, router->host,
		    router->port, CONNECT_MS, on_resolved, api, &api->lookup);
	if (ret < 0)
		goto fail;
	*api_out = api;
	return 0;
fail:
	api_free(api);
	return ret;
}

/* -- commands ------------------------------------------------------------------------ */

int
routeros_api_run(struct routeros_api *api,
    const struct routeros_command *command,
    const struct routeros_values *values, routeros_outcome_fn *fn, void *arg)
{
	struct routeros_buffer buffer = {0};

	assert(api->fn == NULL);
	if (api->state != STATE_IDLE)
		return -ENOTCONN;
	api->records = cJSON_CreateArray();
	if (api->records == NULL)
		return -ENOMEM;
	routeros_words_command(&buffer, command, values, ++api->tag);
	api->state = STATE_RUNNING;
	api->bytes = 0;
	api->record_count = 0;
	api->trap = (struct routeros_outcome){.status = TOOL_STATUS_OK};
	api->fn = fn;
	api->arg = arg;
	return send_buffer(api, &buffer);
}

/* Asks the router to stop, and stays until it says that it has. */
static int
send_cancel(struct routeros_api *api)
{
	struct routeros_buffer buffer = {0};
	char tag[TAG_SIZE];

	routeros_buffer_word(&buffer, "/cancel", "");
	snprintf(tag, sizeof(tag), "%u", api->tag);
	routeros_buffer_word(&buffer, "=tag=", tag);
	snprintf(tag, sizeof(tag), "%u", ++api->tag);
	routeros_buffer_word(&buffer, ".tag=", tag);
	routeros_buffer_end(&buffer);
	return send_buffer(api, &buffer);
}

unsigned int
routeros_api_close(struct routeros_api **api_ptr)
{
	struct routeros_api *api = *api_ptr;

	*api_ptr = NULL;
	if (api == NULL)
		return 0;
	if (api->state != STATE_RUNNING || send_cancel(api) < 0) {
		api_free(api);
		return 0;
	}
	api->fn = NULL;
	api->router = NULL;
	api->bytes = 0;
	api->state = STATE_LEAVING;
	LIST_INSERT_HEAD(&api->network->leaving, api, entry);
	set_timer(api, CANCEL_MS);
	return CANCEL_MS;
}

void
routeros_api_leave(struct routeros_api_network *network)
{
	while (!LIST_EMPTY(&network->leaving))
		api_free(LIST_FIRST(&network->leaving));
}
