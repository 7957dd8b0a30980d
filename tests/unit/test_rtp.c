/* SPDX-License-Identifier: MIT */
/* test_rtp.c – RTP headers, peers, and the order of received packets. */
#include "callworker/rtp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "tests/unit/vectors.h"

#define MS UINT64_C(1000000)

static size_t
unhex(const char *hex, uint8_t *bytes, size_t size)
{
	size_t len = strlen(hex) / 2;

	assert_true(len <= size);
	for (size_t i = 0; i < len; i++) {
		unsigned byte;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		bytes[i] = (uint8_t)byte;
	}
	return len;
}

static double
number(const cJSON *vector, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(vector, name);

	assert_true(cJSON_IsNumber(item));
	return item->valuedouble;
}

static void
check_vector(const cJSON *vector, const char *hex)
{
	const cJSON *payload =
	    cJSON_GetObjectItemCaseSensitive(vector, "payload_hex");
	uint8_t bytes[1500], want[1500], header[RTP_HEADER_LEN];
	struct rtp_packet packet;
	size_t len = unhex(hex, bytes, sizeof(bytes));

	if (cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(vector, "valid"))) {
		assert_int_equal(rtp_parse(bytes, len, &packet), -EBADMSG);
		return;
	}
	assert_int_equal(rtp_parse(bytes, len, &packet), 0);
	assert_int_equal(packet.payload_type, (int)number(vector, "pt"));
	assert_int_equal(packet.marker, (int)number(vector, "marker"));
	assert_int_equal(packet.seq, (int)number(vector, "seq"));
	assert_int_equal(
	    packet.timestamp, (uint32_t)number(vector, "timestamp"));
	assert_int_equal(packet.ssrc, (uint32_t)number(vector, "ssrc"));
	if (payload != NULL) {
		assert_int_equal(packet.payload_len,
		    unhex(payload->valuestring, want, sizeof(want)));
		assert_memory_equal(packet.payload, want, packet.payload_len);
		return;
	}
	assert_int_equal(
	    packet.payload_len, (size_t)number(vector, "payload_bytes"));
	rtp_build_header(&packet, header);
	assert_memory_equal(header, bytes, RTP_HEADER_LEN);
}

static void
published_packets_are_read_or_refused(void **state)
{
	cJSON *file = vectors_load("../shared/specs/rtp/rtp.vectors.json");
	cJSON *vector;
	unsigned checked = 0;

	(void)state;
	if (file == NULL)
		skip();
	cJSON_ArrayForEach(
	    vector, cJSON_GetObjectItemCaseSensitive(file, "vectors")) {
		const cJSON *hex =
		    cJSON_GetObjectItemCaseSensitive(vector, "hex");

		if (hex == NULL)
			continue; /* a sequence of telephone-events */
		check_vector(vector, hex->valuestring);
		checked++;
	}
	assert_true(checked >= 8);
	cJSON_Delete(file);
}

static void
csrc_extension_and_padding_are_skipped(void **state)
{
	uint8_t bytes[64];
	struct rtp_packet packet;
	size_t len = unhex("b2000007000003e8aabbccdd0000000100000002bede0001"
			   "10aa0000fefdfcfb00000004",
	    bytes, sizeof(bytes));

	(void)state;
	assert_int_equal(rtp_parse(bytes, len, &packet), 0);
	assert_int_equal(packet.payload_len, 4);
	assert_int_equal(packet.payload[0], 0xFE);
}

/* Each cut goes into its own allocation, so that ASan sees an overread. */
static void
no_cut_or_changed_packet_is_read_past_its_end(void **state)
{
	uint8_t bytes[64];
	size_t len = unhex("b2000007000003e8aabbccdd0000000100000002bede0001"
			   "10aa0000fefdfcfb00000004",
	    bytes, sizeof(bytes));

	(void)state;
	for (size_t cut = 0; cut <= len; cut++) {
		for (unsigned first = 0; first < 256; first++) {
			uint8_t *copy = malloc(cut > 0 ? cut : 1);
			struct rtp_packet packet;

			assert_non_null(copy);
			memcpy(copy, bytes, cut);
			if (cut > 0)
				copy[0] = (uint8_t)first;
			if (rtp_parse(copy, cut, &packet) == 0) {
				assert_true(packet.payload >= copy);
				assert_true(
				    packet.payload + packet.payload_len <=
				    copy + cut);
			}
			free(copy);
		}
	}
}

static void
padding_of_zero_bytes_is_refused(void **state)
{
	uint8_t bytes[16] = {0xA0};
	struct rtp_packet packet;

	(void)state;
	assert_int_equal(rtp_parse(bytes, sizeof(bytes), &packet), -EBADMSG);
	bytes[15] = 4;
	assert_int_equal(rtp_parse(bytes, sizeof(bytes), &packet), 0);
	assert_int_equal(packet.payload_len, 0);
}

static struct sockaddr_storage
address(const char *text, uint16_t port)
{
	struct sockaddr_storage ss = {0};
	struct sockaddr_in *four = (struct sockaddr_in *)&ss;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&ss;

	if (strchr(text, ':') != NULL) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons(port);
		assert_int_equal(inet_pton(AF_INET6, text, &six->sin6_addr), 1);
	} else {
		four->sin_family = AF_INET;
		four->sin_port = htons(port);
		assert_int_equal(inet_pton(AF_INET, text, &four->sin_addr), 1);
	}
	return ss;
}

static bool
same(const char *a, uint16_t a_port, const char *b, uint16_t b_port)
{
	struct sockaddr_storage left = address(a, a_port);
	struct sockaddr_storage right = address(b, b_port);

	return rtp_same_peer(
	    (struct sockaddr *)&left, (struct sockaddr *)&right);
}

static void
a_peer_is_its_address_and_port(void **state)
{
	struct sockaddr_storage nobody = {.ss_family = AF_UNSPEC};

	(void)state;
	assert_true(same("192.0.2.1", 4000, "192.0.2.1", 4000));
	assert_false(same("192.0.2.1", 4000, "192.0.2.1", 4001));
	assert_false(same("192.0.2.1", 4000, "192.0.2.2", 4000));
	assert_true(same("2001:db8::1", 4000, "2001:db8::1", 4000));
	assert_false(same("2001:db8::1", 4000, "2001:db8::2", 4000));
	assert_true(same("::ffff:192.0.2.1", 4000, "192.0.2.1", 4000));
	assert_false(rtp_same_peer(
	    (struct sockaddr *)&nobody, (struct sockaddr *)&nobody));
}

static enum rtp_verdict
judge(struct rtp_receiver *r, uint16_t seq, uint32_t ssrc, uint64_t now_ns,
    uint64_t *seq_out)
{
	struct rtp_packet packet = {.seq = seq, .ssrc = ssrc};

	return rtp_receiver_judge(r, &packet, now_ns, seq_out);
}

static void
sequence_goes_up_through_a_wrap(void **state)
{
	struct rtp_receiver r = {0};
	uint64_t first, seq;

	(void)state;
	assert_int_equal(
	    judge(&r, 65534, 1, 0, &first), RTP_VERDICT_NEW_SOURCE);
	for (unsigned i = 1; i < 200000; i++) {
		assert_int_equal(judge(&r, (uint16_t)(65534 + i), 1, 0, &seq),
		    RTP_VERDICT_NEXT);
		assert_true(seq == first + i);
	}
	assert_int_equal(rtp_receiver_lost(&r), 0);
}

static void
duplicates_and_reordering_are_told_apart(void **state)
{
	struct rtp_receiver r = {0};
	uint64_t first, seq;

	(void)state;
	judge(&r, 65535, 1, 0, &first);
	assert_int_equal(judge(&r, 65535, 1, 0, &seq), RTP_VERDICT_DUPLICATE);
	assert_int_equal(judge(&r, 2, 1, 0, &seq), RTP_VERDICT_NEXT);
	assert_int_equal(rtp_receiver_lost(&r), 2);
	assert_int_equal(judge(&r, 0, 1, 0, &seq), RTP_VERDICT_REORDERED);
	assert_true(seq == first + 1);
	assert_int_equal(judge(&r, 0, 1, 0, &seq), RTP_VERDICT_DUPLICATE);
	assert_int_equal(judge(&r, 2, 1, 0, &seq), RTP_VERDICT_DUPLICATE);
	assert_int_equal(judge(&r, 1, 1, 0, &seq), RTP_VERDICT_REORDERED);
	assert_int_equal(rtp_receiver_lost(&r), 0);
	assert_int_equal(judge(&r, 200, 1, 0, &seq), RTP_VERDICT_NEXT);
	assert_int_equal(rtp_receiver_lost(&r), 197);
	assert_int_equal(judge(&r, 100, 1, 0, &seq), RTP_VERDICT_STALE);
}

static void
a_packet_before_the_first_one_counts(void **state)
{
	struct rtp_receiver r = {0};
	uint64_t first, seq;

	(void)state;
	judge(&r, 0, 1, 0, &first);
	assert_int_equal(judge(&r, 65535, 1, 0, &seq), RTP_VERDICT_REORDERED);
	assert_true(seq == first - 1);
	assert_int_equal(rtp_receiver_lost(&r), 0);
}

static void
a_new_ssrc_takes_over_and_the_old_one_does_not_come_back(void **state)
{
	struct rtp_receiver r = {0};
	uint64_t old, seq;

	(void)state;
	judge(&r, 60000, 1, 0, &old);
	judge(&r, 60002, 1, 0, &old);
	assert_int_equal(
	    judge(&r, 5, 2, 20 * MS, &seq), RTP_VERDICT_NEW_SOURCE);
	assert_true(seq > old);
	assert_int_equal(judge(&r, 60003, 1, 25 * MS, &seq), RTP_VERDICT_STALE);
	assert_int_equal(judge(&r, 6, 2, 40 * MS, &seq), RTP_VERDICT_NEXT);
	assert_int_equal(rtp_receiver_lost(&r), 1);
	/* Half a minute later it is a transfer back. */
	old = seq;
	assert_int_equal(
	    judge(&r, 60500, 1, 30000 * MS, &seq), RTP_VERDICT_NEW_SOURCE);
	assert_true(seq > old);
}

static void
a_restarted_sequence_is_believed_at_the_second_packet(void **state)
{
	struct rtp_receiver r = {0};
	uint64_t old, seq;

	(void)state;
	judge(&r, 100, 1, 0, &old);
	assert_int_equal(judge(&r, 40000, 1, 0, &seq), RTP_VERDICT_STALE);
	assert_int_equal(judge(&r, 101, 1, 0, &old), RTP_VERDICT_NEXT);
	assert_int_equal(judge(&r, 50000, 1, 0, &seq), RTP_VERDICT_STALE);
	assert_int_equal(judge(&r, 50001, 1, 0, &seq), RTP_VERDICT_NEW_SOURCE);
	assert_true(seq > old);
	assert_int_equal(judge(&r, 50002, 1, 0, &seq), RTP_VERDICT_NEXT);
	assert_int_equal(rtp_receiver_lost(&r), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(published_packets_are_read_or_refused),
	    cmocka_unit_test(csrc_extension_and_padding_are_skipped),
	    cmocka_unit_test(no_cut_or_changed_packet_is_read_past_its_end),
	    cmocka_unit_test(padding_of_zero_bytes_is_refused),
	    cmocka_unit_test(a_peer_is_its_address_and_port),
	    cmocka_unit_test(sequence_goes_up_through_a_wrap),
	    cmocka_unit_test(duplicates_and_reordering_are_told_apart),
	    cmocka_unit_test(a_packet_before_the_first_one_counts),
	    cmocka_unit_test(
		a_new_ssrc_takes_over_and_the_old_one_does_not_come_back),
	    cmocka_unit_test(
		a_restarted_sequence_is_believed_at_the_second_packet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
