/* SPDX-License-Identifier: MIT */
/*
 * test_live_call.c – a call as it is assigned, message and descriptors, by a
 * supervisor at the other end of a real channel.
 */
#include "callworker/live_call.h"

#include "common/journal.h"
#include "common/json.h"
#include "common/peer.h"
#include "common/playout_ring.h"
#include "common/uplink_memory.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct rig {
	struct event_base *base;
	struct supervisor_link *link; /* the callworker's end */
	struct peer *supervisor;
	struct voice voice; /* one that agrees and says nothing */
	struct link_assign assign;
	bool assigned;
	struct live_call *call;
	int ring_fd, journal_fd, brief_fd, rtp_fd, uplink_fd;
};

static void
on_assign(const struct link_assign *assign, void *arg)
{
	struct rig *rig = arg;

	rig->assign = *assign;
	rig->assigned = true;
}

static void
on_link_closed(const char *why, void *arg)
{
	(void)arg;
	fail_msg("channel closed: %s", why);
}

static const struct link_handlers link_handlers = {
    .on_assign = on_assign,
    .on_closed = on_link_closed,
};

static void
on_message(struct peer *peer, enum message_type type, const cJSON *body,
    int *fds, void *arg)
{
	(void)peer;
	(void)type;
	(void)body;
	(void)fds;
	(void)arg;
}

static void
on_closed(struct peer *peer, const char *why, void *arg)
{
	(void)peer;
	(void)arg;
	fail_msg("channel closed: %s", why);
}

static void
ignore_ready(void *arg)
{
	(void)arg;
}

static void
ignore_over(const char *reason, bool voice_lost, void *arg)
{
	(void)reason;
	(void)voice_lost;
	(void)arg;
}

static const struct live_call_handlers call_handlers = {
    .on_ready = ignore_ready,
    .on_over = ignore_over,
    .on_changed = ignore_ready,
    .on_voice_in_force = ignore_ready,
};

static void
voice_listens(struct voice *voice, const struct voice_events *events, void *arg)
{
	(void)voice;
	(void)events;
	(void)arg;
}

static int
voice_starts(struct voice *voice, const struct brief *brief, enum g711_law law,
    const struct history *history)
{
	(void)history;
	(void)voice;
	(void)brief;
	(void)law;
	return 0;
}

static const struct voice_ops voice_ops = {
    .listen = voice_listens,
    .start = voice_starts,
};

static int
setup(void **state)
{
	static const char brief[] = "{\"instructions\":\"x\"}";
	struct rig *rig = calloc(1, sizeof(*rig));
	struct peer_config config = {
	    .us = MESSAGE_SUPERVISOR,
	    .them = MESSAGE_CALLWORKER,
	    .on_message = on_message,
	    .on_closed = on_closed,
	    .arg = rig,
	};
	int pair[2];

	assert_non_null(rig);
	rig->voice.ops = &voice_ops;
	rig->base = event_base_new();
	assert_non_null(rig->base);
	event_base_priority_init(rig->base, 2);
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	config.fd = pair[0];
	assert_int_equal(peer_new(&rig->supervisor, rig->base, &config), 0);
	assert_int_equal(supervisor_link_new(&rig->link, rig->base, pair[1],
			     &link_handlers, rig),
	    0);
	assert_int_equal(uplink_memory_create(&rig->uplink_fd), 0);
	rig->brief_fd = memfd_create("brief", MFD_CLOEXEC);
	assert_int_equal(
	    write(rig->brief_fd, brief, strlen(brief)), strlen(brief));
	assert_int_equal(playout_memfd_create_sized(65536, &rig->ring_fd), 0);
	assert_int_equal(journal_memfd_create(&rig->journal_fd), 0);
	rig->rtp_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	*state = rig;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *rig = *state;

	live_call_free(&rig->call, "test");
	supervisor_link_free(&rig->link);
	peer_free(&rig->supervisor);
	event_base_free(rig->base);
	close(rig->brief_fd);
	close(rig->uplink_fd);
	close(rig->ring_fd);
	close(rig->journal_fd);
	close(rig->rtp_fd);
	free(rig);
	return 0;
}

/* call.assign, as the supervisor sends it, until it was read. */
static const struct link_assign *
assign(struct rig *rig, const char *caller_name)
{
	int fds[] = {rig->rtp_fd, rig->journal_fd, rig->ring_fd, rig->brief_fd,
	    rig->uplink_fd};
	cJSON *body = cJSON_CreateObject();

	json_add_string(body, "call", "1.1");
	json_add_string(body, "codec", "alaw");
	json_add_string(body, "caller", "+573001234655");
	json_add_string(body, "caller_name", caller_name);
	json_add_string(body, "persona", "soporte");
	assert_int_equal(
	    peer_send_fds(rig->supervisor, MESSAGE_CALL_ASSIGN, body, fds, 5),
	    0);
	while (!rig->assigned)
		event_base_loop(rig->base, EVLOOP_ONCE);
	return &rig->assign;
}

static void
begin(struct rig *rig)
{
	struct live_call_config config = {
	    .base = rig->base,
	    .voice = &rig->voice,
	    .link = rig->link,
	    .assign = &rig->assign,
	    .model = "m",
	    .handlers = &call_handlers,
	    .arg = rig,
	};

	assert_int_equal(live_call_new(&rig->call, &config), 0);
}

/* What the memory says to whoever maps it. */
static bool
ring_is_held(struct rig *rig)
{
	struct playout *playout;
	bool held;

	assert_int_equal(
	    playout_new(&playout, rig->ring_fd, G711_LAW_ALAW, NULL, NULL), 0);
	held = playout_is_held(playout);
	playout_free(&playout);
	return held;
}

static void
nothing_is_said_before_the_caller_is_there(void **state)
{
	struct rig *rig = *state;

	assign(rig, "Ana");
	assert_false(ring_is_held(rig));
	begin(rig);
	assert_true(ring_is_held(rig));
}

static void
a_successor_does_not_silence_a_call(void **state)
{
	struct rig *rig = *state;
	struct playout_frame frame;
	struct playout *predecessor;

	assign(rig, "Ana");
	assert_int_equal(
	    playout_new(&predecessor, rig->ring_fd, G711_LAW_ALAW, NULL, NULL),
	    0);
	playout_next(predecessor, &frame);
	playout_free(&predecessor);
	begin(rig);
	assert_false(ring_is_held(rig));
}

/* Descriptors of this process that show a brief. */
static unsigned
briefs_open(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++) {
		char path[32], target[64] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, target, sizeof(target) - 1) > 0 &&
		    strncmp(target, "/memfd:brief", 12) == 0)
			n++;
	}
	return n;
}

static void
the_brief_is_closed_once_it_is_read(void **state)
{
	struct rig *rig = *state;

	assign(rig, "Ana");
	assert_int_equal(briefs_open(), 2); /* ours, and the call's */
	begin(rig);
	assert_int_equal(live_call_assign(rig->call)->brief_fd, -1);
	assert_int_equal(briefs_open(), 1);
}

static void
a_long_name_is_cut_between_letters(void **state)
{
	struct rig *rig = *state;
	char name[3 * LINK_TEXT_SIZE];

	/* Two bytes each, and room for an odd number of them. */
	for (size_t i = 0; i + 2 < sizeof(name); i += 2)
		memcpy(name + i, "ñ", 3);
	assert_int_equal(
	    strlen(assign(rig, name)->caller_name), LINK_TEXT_SIZE - 2);
	assert_memory_equal(
	    rig->assign.caller_name + LINK_TEXT_SIZE - 4, "ñ", 3);
	begin(rig);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(nothing_is_said_before_the_caller_is_there),
	    T(a_successor_does_not_silence_a_call),
	    T(the_brief_is_closed_once_it_is_read),
	    T(a_long_name_is_cut_between_letters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
