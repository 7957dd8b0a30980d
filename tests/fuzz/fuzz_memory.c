/* SPDX-License-Identifier: MIT */
/*
 * fuzz_memory.c – a call's shared memories as a dead, or hostile, worker leaves
 * them: journal, playout ring, uplink memory. The first byte says which, then
 * bytes go to offsets, and checksums are made right again where asked.
 */
#include "common/crc32.h"
#include "common/journal.h"
#include "common/playout_ring.h"
#include "common/uplink_memory.h"
#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LEN = 65536,
	EDITS_MAX = 64,
};

static uint8_t *
map(int fd, size_t *len_out)
{
	struct stat st;
	uint8_t *memory;

	FUZZ_CHECK(fstat(fd, &st) == 0);
	*len_out = (size_t)st.st_size;
	memory =
	    mmap(NULL, *len_out, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	FUZZ_CHECK(memory != MAP_FAILED);
	return memory;
}

/* Mostly near the beginning, where what is believed is. */
static void
edit(struct fuzz_input *in, uint8_t *memory, size_t len)
{
	for (int i = 0; i < EDITS_MAX && in->size > 0; i++) {
		uint32_t place = fuzz_u32(in);
		size_t offset =
		    (place & 1) != 0 ? (place >> 1) % len : (place >> 1) % 4096;
		const uint8_t *bytes;
		size_t n;

		bytes = fuzz_bytes(in, len - offset, &n);
		memcpy(memory + offset, bytes, n);
	}
}

static void
put_u32(uint8_t *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
}

/* The CRC of the struct at STATE, whose own is at OFFSET in it. */
static void
seal_struct(uint8_t *state, size_t len, size_t offset)
{
	put_u32(state + offset, 0);
	put_u32(state + offset, crc32_update(0, state, len));
}

static void
fuzz_journal(struct fuzz_input *in)
{
	static const char body[] = "{\"text\":\"hola\"}";
	struct journal_reader *reader;
	struct journal_entry entry;
	struct journal *journal;
	uint8_t *memory;
	size_t len;
	int fd;

	FUZZ_CHECK(journal_memfd_create_sized(LEN, &fd) == 0);
	FUZZ_CHECK(journal_attach(&journal, fd) == 0);
	for (int i = 0; i < 4; i++)
		journal_append(journal, JOURNAL_USER, body, sizeof(body) - 1);
	journal_free(&journal);
	memory = map(fd, &len);
	edit(in, memory, len);
	if (journal_reader_new(&reader, fd) == 0) {
		uint32_t last = 0;

		while (journal_reader_next(reader, &entry) == 1) {
			FUZZ_CHECK(entry.body_len <= JOURNAL_BODY_MAX);
			FUZZ_CHECK(entry.body[entry.body_len] == '\0');
			FUZZ_CHECK(entry.number > last);
			last = entry.number;
		}
		journal_reader_free(&reader);
	}
	if (journal_attach(&journal, fd) == 0) {
		journal_append(journal, JOURNAL_NOTE, "{}", 2);
		journal_free(&journal);
	}
	munmap(memory, len);
	close(fd);
}

static void
use_ring(struct playout_ring *ring)
{
	struct playout_ring_state *state = playout_ring_state(ring);
	uint8_t frame[160] = {0};

	for (int i = 0; i < 8; i++) {
		if (playout_ring_room(ring) >= sizeof(frame))
			playout_ring_put(ring, frame, sizeof(frame));
		if (state->fill >= sizeof(frame))
			playout_ring_get(ring, frame, sizeof(frame));
		playout_ring_commit(ring);
	}
	FUZZ_CHECK(state->utterances <= PLAYOUT_RING_UTTERANCES);
	for (uint32_t i = 0; i < state->utterances; i++) {
		FUZZ_CHECK(playout_ring_id_is_valid(state->utterance[i].id));
		FUZZ_CHECK(
		    state->utterance[i].sent <= state->utterance[i].taken);
	}
	playout_ring_clear(ring);
	playout_ring_commit(ring);
}

static void
fuzz_ring(struct fuzz_input *in)
{
	bool seal = (fuzz_byte(in) & 1) != 0;
	struct playout_ring *ring;
	uint8_t *memory;
	size_t len;
	int fd;

	FUZZ_CHECK(playout_memfd_create_sized(LEN, &fd) == 0);
	memory = map(fd, &len);
	edit(in, memory, len);
	for (int i = 0; seal && i < 2; i++)
		seal_struct(
		    memory + offsetof(struct playout_ring_header, state[i]),
		    sizeof(struct playout_ring_state),
		    offsetof(struct playout_ring_state, crc));
	if (playout_ring_attach(&ring, fd) == 0) {
		use_ring(ring);
		playout_ring_free(&ring);
	}
	munmap(memory, len);
	close(fd);
}

static void
use_uplink(struct uplink_memory *memory)
{
	static const uint8_t frame[UPLINK_MEMORY_FRAME_LEN];
	size_t due = uplink_memory_due(memory);
	uint8_t *bytes;
	bool speaking;

	FUZZ_CHECK(due <= UPLINK_MEMORY_FRAMES);
	bytes = malloc(due * UPLINK_MEMORY_FRAME_LEN + 1);
	FUZZ_CHECK(bytes != NULL);
	if (due > 0)
		uplink_memory_get(memory, 0, due, bytes);
	free(bytes);
	(void)uplink_memory_is_open(memory, &speaking);
	uplink_memory_turn_began(memory, 100000);
	uplink_memory_put(memory, frame);
	uplink_memory_turn_ended(memory);
	uplink_memory_turn_answered(memory);
	uplink_memory_heard(memory);
	FUZZ_CHECK(uplink_memory_due(memory) <= UPLINK_MEMORY_FRAMES);
}

static void
fuzz_uplink(struct fuzz_input *in)
{
	bool seal = (fuzz_byte(in) & 1) != 0;
	struct uplink_memory *attached;
	uint8_t *memory;
	size_t len;
	int fd;

	FUZZ_CHECK(uplink_memory_create(&fd) == 0);
	memory = map(fd, &len);
	edit(in, memory, len);
	for (int i = 0; seal && i < 2; i++)
		seal_struct(
		    memory + offsetof(struct uplink_memory_header, state[i]),
		    sizeof(struct uplink_memory_state),
		    offsetof(struct uplink_memory_state, crc));
	if (uplink_memory_attach(&attached, fd) == 0) {
		use_uplink(attached);
		uplink_memory_free(&attached);
	}
	munmap(memory, len);
	close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};

	fuzz_init();
	switch (fuzz_byte(&in) % 3) {
	case 0:
		fuzz_journal(&in);
		break;
	case 1:
		fuzz_ring(&in);
		break;
	default:
		fuzz_uplink(&in);
		break;
	}
	return 0;
}
