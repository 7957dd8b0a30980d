/* SPDX-License-Identifier: MIT */
/*
 * playout_ring.c – shared memory of the playout. The holder works on a private
 * copy of the state; the memory is read at attach only, and checked there.
 */
#include "common/playout_ring.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "common/crc32.h"
#include "common/shared_memory.h"

#define RING_AUDIO_OFF 4096u /* the header's page; checked below */
#define RING_FLAGS                                                             \
	(PLAYOUT_RING_HELD | PLAYOUT_RING_IN_SPURT | PLAYOUT_RING_STARTED |    \
	    PLAYOUT_RING_JUMPED)
#define UTTERANCE_FLAGS                                                        \
	(PLAYOUT_UTTERANCE_ENDED | PLAYOUT_UTTERANCE_CANCELLED |               \
	    PLAYOUT_UTTERANCE_DONE)

/* What stays in memory when nothing is queued; whole pages, 8 s of audio. */
#define RING_KEEP_LEN 65536u

_Static_assert(sizeof(struct playout_ring_utterance) == 80, "layout");
_Static_assert(sizeof(struct playout_ring_state) == 56 + 16 * 80, "layout");
_Static_assert(sizeof(struct playout_ring_header) == 32 + 2 * 1336, "layout");
_Static_assert(sizeof(struct playout_ring_header) <= RING_AUDIO_OFF, "page");

struct playout_ring {
	struct playout_ring_state state; /* working copy */
	struct playout_ring_header *header;
	uint8_t *audio;
	uint32_t audio_len;
	uint32_t total_len;
	uint32_t used_len; /* bytes from the start that may be in memory */
};

static uint32_t
state_crc(const struct playout_ring_state *state)
{
	static const uint32_t zero;
	const size_t at = offsetof(struct playout_ring_state, crc);
	const size_t after = at + sizeof(zero);
	const uint8_t *bytes = (const uint8_t *)state;
	uint32_t crc = crc32_update(0, bytes, at);

	crc = crc32_update(crc, &zero, sizeof(zero));
	return crc32_update(crc, bytes + after, sizeof(*state) - after);
}

static int
random_numbers(struct playout_ring_state *state)
{
	uint32_t random[3];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	state->rtp_ssrc = random[0];
	state->rtp_timestamp = random[1];
	state->rtp_seq = (uint16_t)random[2];
	return 0;
}

int
playout_memfd_create(int *fd_out)
{
	return playout_memfd_create_sized(PLAYOUT_RING_AUDIO_LEN, fd_out);
}

int
playout_memfd_create_sized(uint32_t audio_len, int *fd_out)
{
	struct playout_ring_header header = {
	    .magic = PLAYOUT_RING_MAGIC,
	    .version = PLAYOUT_RING_VERSION,
	    .header_len = sizeof(struct playout_ring_header),
	    .state_len = sizeof(struct playout_ring_state),
	    .audio_off = RING_AUDIO_OFF,
	    .audio_len = audio_len,
	    .total_len = RING_AUDIO_OFF + audio_len,
	};
	int rc;

	if (audio_len < PLAYOUT_RING_AUDIO_MIN ||
	    audio_len > PLAYOUT_RING_AUDIO_MAX)
		return -EINVAL;
	rc = random_numbers(&header.state[0]);
	if (rc < 0)
		return rc;
	header.state[0].generation = 1;
	header.state[0].crc = state_crc(&header.state[0]);
	return shared_memory_create("telefonista-playout", header.total_len,
	    &header, sizeof(header), fd_out);
}

bool
playout_ring_id_is_valid(const char *id)
{
	size_t len = strnlen(id, PLAYOUT_RING_ID_SIZE);

	if (len == 0 || len == PLAYOUT_RING_ID_SIZE)
		return false;
	for (size_t i = 0; i < len; i++)
		if (id[i] < 0x21 || id[i] > 0x7E)
			return false;
	return true;
}

static bool
utterance_is_valid(const struct playout_ring_utterance *u)
{
	return playout_ring_id_is_valid(u->id) && u->sent <= u->taken &&
	       u->zero == 0 && (u->flags & ~(unsigned)UTTERANCE_FLAGS) == 0;
}

/* Bytes of it that are still in the ring. */
static uint32_t
utterance_queued(const struct playout_ring_utterance *u)
{
	if ((u->flags & PLAYOUT_UTTERANCE_CANCELLED) != 0)
		return 0;
	return u->taken - u->sent;
}

/* `state` is private: what is checked here cannot change afterwards. */
static bool
state_is_valid(const struct playout_ring_state *state, uint32_t audio_len)
{
	uint64_t queued = 0;

	if (state->crc != state_crc(state) || state->generation == 0 ||
	    state->generation == UINT64_MAX || state->read_off >= audio_len ||
	    state->fill > audio_len ||
	    (state->flags & ~(unsigned)RING_FLAGS) != 0 || state->zero != 0 ||
	    state->utterances > PLAYOUT_RING_UTTERANCES)
		return false;
	for (uint32_t i = 0; i < state->utterances; i++) {
		if (!utterance_is_valid(&state->utterance[i]))
			return false;
		queued += utterance_queued(&state->utterance[i]);
	}
	return queued == state->fill;
}

static int
check_header(const struct playout_ring_header *header, uint32_t total_len)
{
	if (header->magic != PLAYOUT_RING_MAGIC ||
	    header->version != PLAYOUT_RING_VERSION ||
	    header->header_len != sizeof(*header) ||
	    header->state_len != sizeof(header->state[0]) ||
	    header->audio_off != RING_AUDIO_OFF ||
	    header->audio_len < PLAYOUT_RING_AUDIO_MIN ||
	    header->audio_len > PLAYOUT_RING_AUDIO_MAX ||
	    header->total_len != total_len ||
	    header->audio_len + RING_AUDIO_OFF != header->total_len)
		return -EBADMSG;
	return 0;
}

/* Takes the newer of the two states that are whole. */
static int
choose_state(struct playout_ring *r, const struct playout_ring_header *header)
{
	const struct playout_ring_state *best = NULL;

	for (unsigned i = 0; i < 2; i++) {
		const struct playout_ring_state *state = &header->state[i];

		if (!state_is_valid(state, header->audio_len))
			continue;
		if (best == NULL || state->generation > best->generation)
			best = state;
	}
	if (best == NULL)
		return -EBADMSG;
	r->state = *best;
	return 0;
}

int
playout_ring_attach(struct playout_ring **ring_out, int fd)
{
	struct playout_ring_header header; /* copied first, checked then */
	struct playout_ring *r = NULL;
	void *memory = NULL;
	uint32_t len = 0;
	int rc = shared_memory_map(fd, PROT_READ | PROT_WRITE,
	    RING_AUDIO_OFF + PLAYOUT_RING_AUDIO_MIN,
	    RING_AUDIO_OFF + PLAYOUT_RING_AUDIO_MAX, &memory, &len);

	if (rc < 0)
		return rc;
	memcpy(&header, memory, sizeof(header));
	rc = check_header(&header, len);
	if (rc < 0)
		goto fail;
	r = calloc(1, sizeof(*r));
	rc = r == NULL ? -ENOMEM : choose_state(r, &header);
	if (rc < 0)
		goto fail;
	r->header = memory;
	r->audio = (uint8_t *)memory + RING_AUDIO_OFF;
	r->audio_len = header.audio_len;
	r->total_len = len;
	r->used_len = header.audio_len; /* by others; we do not know */
	*ring_out = r;
	return 0;
fail:
	free(r);
	munmap(memory, len);
	return rc;
}

void
playout_ring_free(struct playout_ring **ring)
{
	struct playout_ring *r = *ring;

	if (r == NULL)
		return;
	munmap(r->header, r->total_len);
	free(r);
	*ring = NULL;
}

struct playout_ring_state *
playout_ring_state(struct playout_ring *r)
{
	return &r->state;
}

/*
 * Gives the memory of a long answer back when it has been heard. Only after
 * the state says that nothing is queued: a successor must not read the zeros.
 */
static void
release_memory(struct playout_ring *r)
{
	if (r->state.fill > 0 || r->used_len <= RING_KEEP_LEN)
		return;
	/* Failing costs memory and nothing else. */
	(void)madvise(
	    r->audio + RING_KEEP_LEN, r->used_len - RING_KEEP_LEN, MADV_REMOVE);
	r->used_len = RING_KEEP_LEN;
}

/*
 * The copy of the generation before last is overwritten; the last one stays
 * whole meanwhile. The fences keep the compiler from moving audio behind the
 * state that speaks of it, or the state of the next commit before this one.
 */
void
playout_ring_commit(struct playout_ring *r)
{
	struct playout_ring_state *slot;

	r->state.generation++;
	r->state.crc = state_crc(&r->state);
	assert(r->state.fill <= r->audio_len);
	slot = &r->header->state[(r->state.generation & 1) ^ 1];
	atomic_thread_fence(memory_order_seq_cst);
	memcpy(slot, &r->state, sizeof(*slot));
	atomic_thread_fence(memory_order_seq_cst);
	release_memory(r);
}

uint32_t
playout_ring_room(const struct playout_ring *r)
{
	return r->audio_len - r->state.fill;
}

void
playout_ring_put(struct playout_ring *r, const uint8_t *bytes, uint32_t len)
{
	uint32_t at, first;

	assert(len <= playout_ring_room(r));
	/* Empty: begin at the front, so that few pages are ever touched. */
	if (r->state.fill == 0)
		r->state.read_off = 0;
	at = r->state.read_off + r->state.fill;
	if (at >= r->audio_len)
		at -= r->audio_len;
	first = r->audio_len - at < len ? r->audio_len - at : len;
	memcpy(r->audio + at, bytes, first);
	memcpy(r->audio, bytes + first, len - first);
	if (r->used_len < at + first)
		r->used_len = at + first;
	r->state.fill += len;
}

void
playout_ring_get(struct playout_ring *r, uint8_t *bytes_out, uint32_t len)
{
	uint32_t at = r->state.read_off;
	uint32_t first;

	assert(len <= r->state.fill);
	first = r->audio_len - at < len ? r->audio_len - at : len;
	memcpy(bytes_out, r->audio + at, first);
	memcpy(bytes_out + first, r->audio, len - first);
	at += len;
	r->state.read_off = at >= r->audio_len ? at - r->audio_len : at;
	r->state.fill -= len;
}

void
playout_ring_clear(struct playout_ring *r)
{
	r->state.read_off = 0;
	r->state.fill = 0;
}
