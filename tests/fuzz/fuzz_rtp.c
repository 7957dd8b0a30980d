/* SPDX-License-Identifier: MIT */
/* fuzz_rtp.c – datagrams from the network become the caller's stream. */
#include "callworker/uplink.h"
#include "tests/fuzz/fuzz.h"

enum {
	DATAGRAM_MAX = 512,
	START = 1000000000,
};

struct stream {
	uint64_t frames;
};

static void
on_frame(const uint8_t *frame, void *arg)
{
	struct stream *stream = arg;
	uint8_t copy[UPLINK_FRAME_LEN];

	memcpy(copy, frame, sizeof(copy));
	stream->frames++;
}

/* As media.c does with the peer's datagrams. */
static void
receive(struct uplink *uplink, struct rtp_receiver *receiver,
    const uint8_t *data, size_t len, uint64_t now_ns)
{
	uint8_t *exact = malloc(len > 0 ? len : 1);
	struct rtp_packet packet;
	enum rtp_verdict verdict;
	uint64_t seq = 0;

	FUZZ_CHECK(exact != NULL);
	memcpy(exact, data, len);
	if (rtp_parse(exact, len, &packet) == 0 &&
	    packet.payload_len <= RTP_PAYLOAD_MAX) {
		FUZZ_CHECK(packet.payload_len <= len);
		verdict = rtp_receiver_judge(receiver, &packet, now_ns, &seq);
		if (verdict != RTP_VERDICT_DUPLICATE &&
		    verdict != RTP_VERDICT_STALE)
			uplink_packet(uplink, &packet, seq, verdict, now_ns);
	}
	free(exact);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct rtp_receiver receiver = {0};
	struct stream stream = {0};
	struct uplink *uplink;
	uint64_t now_ns = START;

	fuzz_init();
	FUZZ_CHECK(uplink_new(&uplink, G711_LAW_ULAW, on_frame, &stream) == 0);
	uplink_start(uplink, now_ns);
	while (in.size > 0) {
		uint8_t step = fuzz_byte(&in);
		const uint8_t *datagram;
		size_t len;

		now_ns += (uint64_t)step * 2000000; /* 0 … 510 ms */
		datagram = fuzz_bytes(&in, DATAGRAM_MAX, &len);
		receive(uplink, &receiver, datagram, len, now_ns);
		uplink_tick(uplink, now_ns);
	}
	/* The promise: at most 300 ms ahead of the clock, whatever comes. */
	FUZZ_CHECK(
	    stream.frames * 20 <= (now_ns - START) / 1000000 + 300 + 20 + 60);
	uplink_free(&uplink);
	return 0;
}
