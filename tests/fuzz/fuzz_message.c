/* SPDX-License-Identifier: MIT */
/*
 * fuzz_message.c – datagrams of another process, in all directions: who we are
 * and who sends is the first byte, then datagrams with a length each.
 */
#include "common/json.h"
#include "common/peer.h"
#include "tests/fuzz/fuzz.h"

#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

struct got {
	struct peer *peer;
	enum message_side us, them;
	int closed;
};

static void
on_message(struct peer *peer, enum message_type type, const cJSON *body,
    int *fds, void *arg)
{
	const struct got *got = arg;

	(void)fds;
	FUZZ_CHECK(peer == got->peer);
	FUZZ_CHECK(message_allowed(type, got->them, got->us));
	FUZZ_CHECK(message_fds(type) == 0);
	FUZZ_CHECK(cJSON_IsObject(body));
	FUZZ_CHECK(got->closed == 0);
}

static void
on_closed(struct peer *peer, const char *why, void *arg)
{
	struct got *got = arg;

	(void)peer;
	FUZZ_CHECK(why[0] != '\0');
	got->closed++;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum message_side pairs[][2] = {
	    {MESSAGE_SUPERVISOR, MESSAGE_CALLWORKER},
	    {MESSAGE_SUPERVISOR, MESSAGE_TOOLWORKER},
	    {MESSAGE_SUPERVISOR, MESSAGE_OPERATOR},
	    {MESSAGE_CALLWORKER, MESSAGE_SUPERVISOR},
	    {MESSAGE_TOOLWORKER, MESSAGE_SUPERVISOR},
	};
	static struct event_base *base;
	struct fuzz_input in = {data, size};
	struct got got = {0};
	struct peer_config config = {
	    .on_message = on_message,
	    .on_closed = on_closed,
	    .arg = &got,
	};
	size_t pair;
	int fds[2];

	fuzz_init();
	if (base == NULL)
		base = event_base_new();
	pair = fuzz_byte(&in) % (sizeof(pairs) / sizeof(pairs[0]));
	config.us = got.us = pairs[pair][0];
	config.them = got.them = pairs[pair][1];
	FUZZ_CHECK(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds) == 0);
	config.fd = fds[0];
	FUZZ_CHECK(peer_new(&got.peer, base, &config) == 0);
	while (in.size > 0) {
		size_t len;
		const uint8_t *datagram = fuzz_bytes(&in, 65535, &len);

		if (len > 0)
			(void)!send(fds[1], datagram, len, MSG_NOSIGNAL);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	close(fds[1]);
	event_base_loop(base, EVLOOP_NONBLOCK);
	FUZZ_CHECK(got.closed <= 1);
	peer_free(&got.peer);
	return 0;
}
