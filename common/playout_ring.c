/* SPDX-License-Identifier: MIT */
/*
 * playout_ring.c – shared memory of the playout. The holder works on a private
 * copy of the state; the memory is read at attach only, and checked there.
 */
#include "common/playout_ring.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/crc32.h"

#define RING_AUDIO_OFF 4096u /* the header's page; checked below */
#define RING_FLAGS                                                             \
	(PLAYOUT_RING_HELD | PLAYOUT_RING_IN_SPURT | PLAYOUT_RING_STARTED |    \
	    PLAYOUT_RING_JUMPED)
#define UTTERANCE_FLAGS                                                        \
	(PLAYOUT_UTTERANCE_ENDED | PLAYOUT_UTTERANCE_CANCELLED |               \
	    PLAYOUT_UTTERANCE_DONE)

_Static_assert(sizeof(struct playout_ring_header) <= RING_AUDIO_OFF, "page");

struct playout_ring {
	struct playout_ring_state state; /* working copy */
	struct playout_ring_header *header;
	uint8_t *audio;
	uint32_t audio_len;
	uint32_t total_len;
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

/* Writes the whole header in one go: a new memfd reads as zeros. */
static int
write_header(int fd, uint32_t audio_len)
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
	ssize_t n;
	int rc = random_numbers(&header.state[0]);

	if (rc < 0)
		return rc;
	header.state[0].generation = 1;
	header.state[0].crc = state_crc(&header.state[0]);
	n = pwrite(fd, &header, sizeof(header), 0);
	if (n < 0)
		return -errno;
	return n == (ssize_t)sizeof(header) ? 0 : -EIO;
}

int
playout_memfd_create(int *fd_out)
{
	return playout_memfd_create_sized(PLAYOUT_RING_AUDIO_LEN, fd_out);
}

int
playout_memfd_create_sized(uint32_t audio_len, int *fd_out)
{
	int fd, rc;

	if (audio_len < PLAYOUT_RING_AUDIO_MIN ||
	    audio_len > PLAYOUT_RING_AUDIO_MAX)
		return -EINVAL;
	fd = memfd_create(
	    "telefonista-playout", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)RING_AUDIO_OFF + (off_t)audio_len) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) !=
		0) {
		rc = -errno;
		goto fail;
	}
	rc = write_header(fd, audio_len);
	if (rc < 0)
		goto fail;
	*fd_out = fd;
	return 0;
fail:
	close(fd);
	return rc;
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
	return playout_ring_id_is_valid(u->id) && u->sent <= u->taken && u->zero == 0 &&
	       (u->flags & ~(unsigned)UTTERANCE_FLAGS) == 0;
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
	    state->read_off >= audio_len || state->fill > audio_len ||
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
check_header(const struct playout_ring_header *header, uint64_t total_len)
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

/* The size of a memfd that cannot shrink under our mapping, or -errno. */
static int64_t
sealed_size(int fd)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0)
		return errno == EINVAL ? -EBADMSG : -errno;
	if ((seals & F_SEAL_SHRINK) == 0)
		return -EBADMSG;
	if (fstat(fd, &st) != 0)
		return -errno;
	if (st.st_size < (off_t)(RING_AUDIO_OFF + PLAYOUT_RING_AUDIO_MIN) ||
	    st.st_size > (off_t)(RING_AUDIO_OFF + PLAYOUT_RING_AUDIO_MAX))
		return -EBADMSG;
	return st.st_size;
}

int
playout_ring_attach(struct playout_ring **ring_out, int fd)
{
	struct playout_ring_header header; /* copied first, checked then */
	struct playout_ring *r = NULL;
	int64_t size = sealed_size(fd);
	void *memory;
	int rc;

	if (size < 0)
		return (int)size;
	memory =
	    mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	memcpy(&header, memory, sizeof(header));
	rc = check_header(&header, (uint64_t)size);
	if (rc < 0)
		goto fail;
	r = calloc(1, sizeof(*r));
	rc = r == NULL ? -ENOMEM : choose_state(r, &header);
	if (rc < 0)
		goto fail;
	r->header = memory;
	r->audio = (uint8_t *)memory + RING_AUDIO_OFF;
	r->audio_len = header.audio_len;
	r->total_len = header.total_len;
	*ring_out = r;
	return 0;
fail:
	free(r);
	munmap(memory, (size_t)size);
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
