/* SPDX-License-Identifier: MIT */
/*
 * test_media_peer.c – one call's RTP side: who is heard, who is not, and what
 * the network does.
 */
#include "tests/unit/media_rig.h"

static void
what_is_not_the_callers_audio_is_counted_and_dropped(void **state)
{
	static const uint8_t zeros[RTP_PAYLOAD_MAX + 13] = {0x80};
	static const uint8_t huge[4000] = {0x80};
	struct rig *rig = *state;
	struct media_stats stats;

	start(rig);
	send_rtp(rig, rig->peer_fd, 1, 7, 0);
	for (unsigned i = 0; i < 20; i++)
		send_rtp(rig, rig->stranger_fd, (uint16_t)(2 + i), 7, 0);
	send_rtp(rig, rig->peer_fd, 1, 7, 0);
	send_rtp(rig, rig->peer_fd, 5, 7, 0);
	send_rtp(rig, rig->peer_fd, 3, 7, 0);
	send_rtp(rig, rig->peer_fd, 4, 7, 101);
	send_bytes(rig, rig->peer_fd, "", 0);
	send_bytes(rig, rig->peer_fd, "INVITE sip:x SIP/2.0", 20);
	send_bytes(rig, rig->peer_fd, zeros, RTP_HEADER_LEN); /* no payload */
	send_bytes(rig, rig->peer_fd, zeros, sizeof(zeros));
	send_bytes(rig, rig->peer_fd, huge, sizeof(huge));
	media_receive(rig->media, rig->now_ns);
	stats = stats_of(rig);
	assert_int_equal(stats.packets_in, 3);
	assert_int_equal(stats.stranger, 20);
	assert_int_equal(stats.duplicate, 1);
	assert_int_equal(stats.reordered, 1);
	assert_int_equal(stats.wrong_type, 1);
	assert_int_equal(stats.garbage, 5);
	assert_int_equal(stats.lost, 1); /* 101 was no audio, but there */
}

/* 100 a second is a telephone with 10 ms packets; a thousand is none. */
static void
the_peer_may_send_as_much_as_audio_is(void **state)
{
	struct rig *rig = *state;
	uint16_t seq = 0;

	start(rig);
	for (unsigned ms = 0; ms < 5000; ms += 10) {
		send_rtp(rig, rig->peer_fd, seq++, 7, 0);
		media_receive(rig->media, rig->now_ns + ms * MS);
	}
	assert_int_equal(stats_of(rig).flood, 0);
	rig->now_ns += 5000 * MS;
	for (unsigned ms = 0; ms < 2000; ms++) {
		send_rtp(rig, rig->peer_fd, seq++, 7, 0);
		media_receive(rig->media, rig->now_ns + ms * MS);
	}
	/* 400 at once, and 200 in each second. */
	assert_true(stats_of(rig).flood >= 1190);
	assert_true(stats_of(rig).flood <= 1210);
}

/* Who is flooded has the kernel look at the addresses; its peer is heard. */
static void
many_strangers_are_shut_out(void **state)
{
	struct rig *rig = *state;
	struct sockaddr_in another;
	int another_fd = bound_socket(&another);

	log_set_level(LOG_LEVEL_ERR);
	start(rig);
	for (unsigned i = 0; i < 200; i++)
		send_rtp(rig, rig->stranger_fd, (uint16_t)i, 7, 0);
	for (unsigned i = 0; i < 4; i++)
		media_receive(rig->media, rig->now_ns);
	assert_int_equal(stats_of(rig).stranger, 200);
	for (unsigned i = 0; i < 100; i++)
		send_rtp(rig, rig->stranger_fd, (uint16_t)i, 7, 0);
	send_rtp(rig, rig->peer_fd, 1, 7, 0);
	media_receive(rig->media, rig->now_ns);
	assert_int_equal(stats_of(rig).stranger, 200);
	assert_int_equal(rig->loud_frames, 1);
	/* A successor's peer may be another one. */
	rig->peer_address = another;
	succeed(rig, 40);
	send_rtp(rig, another_fd, 2, 7, 0);
	media_receive(rig->media, rig->now_ns);
	assert_int_equal(rig->loud_frames, 2);
	close(another_fd);
}

static void
a_flood_is_read_in_bounded_portions(void **state)
{
	struct rig *rig = *state;

	start(rig);
	for (unsigned i = 0; i < 100; i++)
		send_rtp(rig, rig->stranger_fd, (uint16_t)i, 7, 0);
	media_receive(rig->media, rig->now_ns);
	assert_int_equal(stats_of(rig).stranger, 64);
	media_receive(rig->media, rig->now_ns);
	assert_int_equal(stats_of(rig).stranger, 100);
}

static void
the_peer_can_change_while_running(void **state)
{
	struct rig *rig = *state;
	struct rtp_packet packet;
	int other_fd;

	start(rig);
	tick(rig);
	assert_true(peer_receive(rig, &packet));
	other_fd = rig->peer_fd;
	rig->peer_fd = bound_socket(&rig->peer_address);
	start(rig);
	tick(rig);
	assert_true(peer_receive(rig, &packet));
	send_rtp(rig, other_fd, 1, 7, 0);
	media_receive(rig->media, rig->now_ns);
	assert_int_equal(stats_of(rig).stranger, 1);
	close(other_fd);
}

static void
an_unusable_peer_is_refused(void **state)
{
	struct rig *rig = *state;
	struct sockaddr_storage peer = {.ss_family = AF_UNIX};

	assert_int_equal(media_start_at(rig->media, (struct sockaddr *)&peer,
			     sizeof(peer), rig->now_ns),
	    -EINVAL);
	assert_int_equal(
	    media_start_at(rig->media, (struct sockaddr *)&rig->peer_address, 4,
		rig->now_ns),
	    -EINVAL);
}

/* Lines in what stderr was while `log_fd` stood in for it. */
static unsigned
lines_in(int log_fd)
{
	char text[8192];
	ssize_t n = pread(log_fd, text, sizeof(text), 0);
	unsigned lines = 0;

	assert_true(n >= 0);
	for (ssize_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	return lines;
}

static void
errors_of_the_network_are_counted_and_do_not_flood_the_log(void **state)
{
	struct rig *rig = *state;
	int log_fd = memfd_create("log", MFD_CLOEXEC);
	int real_stderr = dup(STDERR_FILENO);
	unsigned lines;

	rig->peer_address.sin_port = 0;
	start(rig);
	dup2(log_fd, STDERR_FILENO);
	log_set_level(LOG_LEVEL_WARN);
	for (unsigned i = 0; i < 400; i++)
		tick(rig);
	log_set_level(LOG_LEVEL_ERR);
	dup2(real_stderr, STDERR_FILENO);
	lines = lines_in(log_fd);
	close(real_stderr);
	close(log_fd);
	assert_in_range(lines, 1, 2 * LOG_RATELIMIT_BURST);
	assert_int_equal(stats_of(rig).send_errors, 400);
	assert_int_equal(stats_of(rig).packets_out, 0);
}

/* The loop did not run; the beat that comes next must not fill too early. */
static void
what_waits_in_the_socket_is_heard_before_silence(void **state)
{
	struct rig *rig = *state;

	open_with_base(rig);
	start(rig);
	for (unsigned i = 0; i < 10; i++)
		send_rtp(rig, rig->peer_fd, (uint16_t)i, 7, 0);
	rig->now_ns += 200 * MS;
	tick(rig);
	assert_int_equal(rig->loud_frames, 10);
	assert_int_equal(stats_of(rig).silence_filled_ms, 0);
	close_with_base(rig);
}

static void
on_other(evutil_socket_t fd, short what, void *arg)
{
	struct rig *rig = arg;

	(void)fd;
	(void)what;
	rig->sent_count = (unsigned)stats_of(rig).stranger;
	event_base_loopbreak(rig->base);
}

static void
a_flood_does_not_keep_others_from_their_turn(void **state)
{
	struct rig *rig = *state;
	struct event *other;

	open_with_base(rig);
	start(rig);
	for (unsigned i = 0; i < 200; i++)
		send_rtp(rig, rig->stranger_fd, (uint16_t)i, 7, 0);
	other = event_new(rig->base, -1, 0, on_other, rig);
	assert_non_null(other);
	rig->sent_count = UINT_MAX;
	event_active(other, EV_TIMEOUT, 0);
	event_base_dispatch(rig->base);
	assert_true(rig->sent_count <= 64);
	event_free(other);
	close_with_base(rig);
}

/* Its port is closed for a while: nothing is heard of that but the silence. */
static void
an_unreachable_peer_is_sent_to_until_it_is_back(void **state)
{
	struct rig *rig = *state;
	struct sockaddr_in address = rig->peer_address;
	struct rtp_packet packet;

	start(rig);
	tick(rig);
	assert_true(peer_receive(rig, &packet));
	close(rig->peer_fd);
	for (unsigned i = 0; i < 250; i++)
		tick(rig);
	rig->peer_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    bind(rig->peer_fd, (struct sockaddr *)&address, sizeof(address)),
	    0);
	tick(rig);
	assert_true(peer_receive(rig, &packet));
	assert_int_equal(stats_of(rig).packets_out, 252);
	assert_int_equal(stats_of(rig).send_errors, 0);
	send_rtp(rig, rig->peer_fd, 1, 7, 0);
	media_receive(rig->media, rig->now_ns);
	assert_int_equal(rig->loud_frames, 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(what_is_not_the_callers_audio_is_counted_and_dropped),
	    T(the_peer_may_send_as_much_as_audio_is),
	    T(many_strangers_are_shut_out),
	    T(a_flood_is_read_in_bounded_portions),
	    T(the_peer_can_change_while_running),
	    T(an_unusable_peer_is_refused),
	    T(errors_of_the_network_are_counted_and_do_not_flood_the_log),
	    T(what_waits_in_the_socket_is_heard_before_silence),
	    T(a_flood_does_not_keep_others_from_their_turn),
	    T(an_unreachable_peer_is_sent_to_until_it_is_back),
	};

	log_set_level(LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
