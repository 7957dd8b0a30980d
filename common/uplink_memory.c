/* SPDX-License-Identifier: MIT */
/*
 * uplink_memory.c – the caller's last words in shared memory. The holder works
 * on a private copy of the state; the memory's is read at attach only, and
 * checked there.
 */
#include "common/uplink_memory.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/crc32.h"
#include "common/shared_memory.h"

#define AUDIO_OFF 256u /* behind the header; checked below */
#define AUDIO_LEN (UPLINK_MEMORY_FRAMES * UPLINK_MEMORY_FRAME_LEN)
#define TOTAL_LEN (AUDIO_OFF + AUDIO_LEN)
#define FLAGS     (UPLINK_MEMORY_OPEN | UPLINK_MEMORY_SPEAKING)

_Static_assert(sizeof(struct uplink_memory_state) == 56, "layout");
_Static_assert(sizeof(struct uplink_memory_header) == 40 + 2 * 56, "layout");
_Static_assert(sizeof(struct uplink_memory_header) <= AUDIO_OFF, "layout");

struct uplink_memory {
	struct uplink_memory_state state; /* working copy */
	struct uplink_memory_header *header;
	uint8_t *audio;
};

static uint64_t
later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint32_t
state_crc(const struct uplink_memory_state *state)
{
	struct uplink_memory_state copy = *state;

	copy.crc = 0;
	return crc32_update(0, &copy, sizeof(copy));
}

int
uplink_memory_create(int *fd_out)
{
	struct uplink_memory_header header = {
	    .magic = UPLINK_MEMORY_MAGIC,
	    .version = UPLINK_MEMORY_VERSION,
	    .header_len = sizeof(struct uplink_memory_header),
	    .state_len = sizeof(struct uplink_memory_state),
	    .audio_off = AUDIO_OFF,
	    .frame_len = UPLINK_MEMORY_FRAME_LEN,
	    .frames = UPLINK_MEMORY_FRAMES,
	    .total_len = TOTAL_LEN,
	    .state[0].generation = 1,
	};

	header.state[0].crc = state_crc(&header.state[0]);
	return shared_memory_create(
	    "telefonista-uplink", TOTAL_LEN, &header, sizeof(header), fd_out);
}

/* ---- attaching --------------------------------------------------------- */

/* `state` is private: what is checked here cannot change afterwards. */
static bool
state_is_valid(const struct uplink_memory_state *state)
{
	if (state->crc != state_crc(state) || state->generation == 0 ||
	    state->generation == UINT64_MAX || state->frames > INT64_MAX)
		return false;
	if ((state->flags & ~(unsigned)FLAGS) != 0 ||
	    state->flags == UPLINK_MEMORY_SPEAKING)
		return false;
	return state->due <= state->frames &&
	       state->frames - state->due <= UPLINK_MEMORY_FRAMES &&
	       state->begin <= state->frames && state->end <= state->frames &&
	       state->answered <= state->due;
}

static bool
header_is_valid(const struct uplink_memory_header *header)
{
	return header->magic == UPLINK_MEMORY_MAGIC &&
	       header->version == UPLINK_MEMORY_VERSION &&
	       header->header_len == sizeof(*header) &&
	       header->state_len == sizeof(header->state[0]) &&
	       header->audio_off == AUDIO_OFF &&
	       header->frame_len == UPLINK_MEMORY_FRAME_LEN &&
	       header->frames == UPLINK_MEMORY_FRAMES &&
	       header->total_len == TOTAL_LEN && header->zero == 0;
}

/* The newer of the two states that are whole, or NULL. */
static const struct uplink_memory_state *
choose_state(const struct uplink_memory_header *header)
{
	const struct uplink_memory_state *best = NULL;

	for (unsigned i = 0; i < 2; i++) {
		const struct uplink_memory_state *state = &header->state[i];

		if (state_is_valid(state) &&
		    (best == NULL || state->generation > best->generation))
			best = state;
	}
	return best;
}

int
uplink_memory_attach(struct uplink_memory **memory_out, int fd)
{
	struct uplink_memory_header header; /* copied first, checked then */
	const struct uplink_memory_state *state;
	struct uplink_memory *m;
	void *bytes = NULL;
	uint32_t len = 0;
	int rc = shared_memory_map(
	    fd, PROT_READ | PROT_WRITE, TOTAL_LEN, TOTAL_LEN, &bytes, &len);

	if (rc < 0)
		return rc;
	memcpy(&header, bytes, sizeof(header));
	state = header_is_valid(&header) ? choose_state(&header) : NULL;
	m = state == NULL ? NULL : calloc(1, sizeof(*m));
	if (m == NULL) {
		munmap(bytes, len);
		return state == NULL ? -EBADMSG : -ENOMEM;
	}
	m->state = *state;
	m->header = bytes;
	m->audio = (uint8_t *)bytes + AUDIO_OFF;
	*memory_out = m;
	return 0;
}

void
uplink_memory_free(struct uplink_memory **memory)
{
	struct uplink_memory *m = *memory;

	if (m == NULL)
		return;
	munmap(m->header, TOTAL_LEN);
	free(m);
	*memory = NULL;
}

/* ---- writing ----------------------------------------------------------- */

/* As playout_ring_commit(): the last copy stays whole meanwhile. */
static void
commit(struct uplink_memory *m)
{
	struct uplink_memory_state *slot;

	m->state.generation++;
	m->state.crc = state_crc(&m->state);
	slot = &m->header->state[(m->state.generation & 1) ^ 1];
	atomic_thread_fence(memory_order_seq_cst);
	memcpy(slot, &m->state, sizeof(*slot));
	atomic_thread_fence(memory_order_seq_cst);
}

static uint8_t *
frame_at(const struct uplink_memory *m, uint64_t position)
{
	return m->audio +
	       position % UPLINK_MEMORY_FRAMES * UPLINK_MEMORY_FRAME_LEN;
}

/* Before FRAMES, but not before the call, nor before what was answered. */
static uint64_t
position_back(const struct uplink_memory *m, uint64_t frames)
{
	uint64_t at = m->state.frames > frames ? m->state.frames - frames : 0;

	return later(at, m->state.answered);
}

void
uplink_memory_put(struct uplink_memory *m, const uint8_t *frame)
{
	struct uplink_memory_state *state = &m->state;

	/* Due no more before it is overwritten: a writer killed between the
	 * two leaves no frame twice. */
	if (state->frames - state->due == UPLINK_MEMORY_FRAMES) {
		state->due++;
		commit(m);
	}
	memcpy(frame_at(m, state->frames), frame, UPLINK_MEMORY_FRAME_LEN);
	state->frames++;
	commit(m);
}

void
uplink_memory_turn_began(struct uplink_memory *m, uint32_t ago_ms)
{
	struct uplink_memory_state *state = &m->state;
	uint64_t oldest = state->frames > UPLINK_MEMORY_FRAMES
			      ? state->frames - UPLINK_MEMORY_FRAMES
			      : 0;
	uint64_t at = position_back(
	    m, ago_ms / UPLINK_MEMORY_FRAME_MS + UPLINK_MEMORY_LEAD_IN);

	at = later(at, oldest);
	/* Who speaks again before the answer goes on with his turn. */
	if ((state->flags & UPLINK_MEMORY_OPEN) == 0)
		state->due = at;
	state->begin = at;
	state->flags = UPLINK_MEMORY_OPEN | UPLINK_MEMORY_SPEAKING;
	commit(m);
}

void
uplink_memory_turn_ended(struct uplink_memory *m)
{
	if ((m->state.flags & UPLINK_MEMORY_SPEAKING) == 0)
		return;
	m->state.end = m->state.frames;
	m->state.flags = UPLINK_MEMORY_OPEN;
	commit(m);
}

void
uplink_memory_turn_answered(struct uplink_memory *m)
{
	struct uplink_memory_state *state = &m->state;

	if ((state->flags & UPLINK_MEMORY_OPEN) == 0)
		return;
	if ((state->flags & UPLINK_MEMORY_SPEAKING) != 0) {
		state->due = later(state->due, state->begin);
	} else {
		state->due = later(state->due, state->end);
		state->flags = 0;
	}
	state->answered = state->due;
	commit(m);
}

/* What is due stays so, until uplink_memory_heard(). */
void
uplink_memory_turn_void(struct uplink_memory *m)
{
	if ((m->state.flags & UPLINK_MEMORY_OPEN) == 0)
		return;
	m->state.flags = 0;
	commit(m);
}

void
uplink_memory_heard(struct uplink_memory *m)
{
	uint64_t at = position_back(m, UPLINK_MEMORY_UNSURE);

	if ((m->state.flags & UPLINK_MEMORY_OPEN) != 0 || at <= m->state.due)
		return;
	m->state.due = at;
	commit(m);
}

/* ---- reading ----------------------------------------------------------- */

bool
uplink_memory_is_open(const struct uplink_memory *m, bool *speaking_out)
{
	*speaking_out = (m->state.flags & UPLINK_MEMORY_SPEAKING) != 0;
	return (m->state.flags & UPLINK_MEMORY_OPEN) != 0;
}

size_t
uplink_memory_due(const struct uplink_memory *m)
{
	return (size_t)(m->state.frames - m->state.due);
}

void
uplink_memory_get(const struct uplink_memory *m, size_t first, size_t count,
    uint8_t *bytes_out)
{
	assert(first <= uplink_memory_due(m) &&
	       count <= uplink_memory_due(m) - first);
	for (size_t i = 0; i < count; i++)
		memcpy(bytes_out + i * UPLINK_MEMORY_FRAME_LEN,
		    frame_at(m, m->state.due + first + i),
		    UPLINK_MEMORY_FRAME_LEN);
}
