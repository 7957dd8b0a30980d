/* SPDX-License-Identifier: MIT */
/*
 * uplink_memory.h – what the caller said in the last 30 s, in shared memory,
 * and from where on a voice that takes over must hear it.
 *
 * One process writes at a time; the next attaches after it is dead. The state
 * exists twice, as in playout_ring.h: a commit overwrites the older copy, so
 * that a writer killed at any instruction leaves one that is whole. Nothing
 * read from the memory is used before it was checked.
 *
 * Due is what no voice has taken up: the caller's turn that has no answer yet,
 * or what came in the last moment, of which nobody knows whether it was heard.
 */
#ifndef COMMON_UPLINK_MEMORY_H
#define COMMON_UPLINK_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UPLINK_MEMORY_MAGIC     UINT64_C(0x314e494c50554654) /* "TFUPLIN1" */
#define UPLINK_MEMORY_VERSION   1u
#define UPLINK_MEMORY_FRAME_LEN 160u /* 20 ms of G.711 */
#define UPLINK_MEMORY_FRAME_MS  20u
#define UPLINK_MEMORY_FRAMES    1500u /* 30 s */
#define UPLINK_MEMORY_LEAD_IN   15u   /* frames before speech was noticed */
/*
 * Frames that a voice which gives signs of life may not have got yet: in a
 * connection that stalls in one direction they are no sign of hearing. Outside
 * of turns it does no harm if a voice hears them a second time.
 */
#define UPLINK_MEMORY_UNSURE    250u

enum uplink_memory_flag {
	UPLINK_MEMORY_OPEN = 1u << 0,     /* a turn has no answer yet */
	UPLINK_MEMORY_SPEAKING = 1u << 1, /* … nor an end; only with OPEN */
};

/* All positions count frames since the call began. */
struct uplink_memory_state {
	uint64_t generation; /* of the commit, from 1 */
	uint64_t frames;     /* written */
	uint64_t due;        /* the first that a new voice should hear */
	uint64_t begin;      /* of the newest turn */
	uint64_t end;        /* of the newest turn that has ended */
	uint64_t answered;   /* before it nothing is ever due; <= due */
	uint32_t flags;
	uint32_t crc; /* CRC-32 of this struct with crc = 0 */
};

struct uplink_memory_header {
	uint64_t magic;
	uint32_t version;
	uint32_t header_len; /* sizeof this struct */
	uint32_t state_len;  /* sizeof struct uplink_memory_state */
	uint32_t audio_off;  /* from the start of the memory */
	uint32_t frame_len;
	uint32_t frames;    /* in the memory */
	uint32_t total_len; /* of the whole memory */
	uint32_t zero;
	struct uplink_memory_state state[2];
};

struct uplink_memory;

/*
 * Creates the memory of one call: a memfd (close-on-exec) of fixed, sealed
 * size, empty. 0 or -errno; the descriptor is the caller's.
 */
int uplink_memory_create(int *fd_out);

/*
 * Maps and checks. -EBADMSG: not such a memory, or damaged beyond both copies;
 * other -errno of fstat, fcntl, mmap, malloc. The descriptor stays the
 * caller's and may be closed at once.
 */
int uplink_memory_attach(struct uplink_memory **memory_out, int fd);
/* NULL-safe, clears. */
void uplink_memory_free(struct uplink_memory **memory);

/* The caller's next frame, of UPLINK_MEMORY_FRAME_LEN bytes. */
void uplink_memory_put(struct uplink_memory *m, const uint8_t *frame);

/* The voice noticed AGO_MS later that the caller speaks. */
void uplink_memory_turn_began(struct uplink_memory *m, uint32_t ago_ms);
void uplink_memory_turn_ended(struct uplink_memory *m);
/*
 * What was said is known: it is answered, or written down. Of a turn that has
 * not ended nothing is; then only what came before it is no longer due.
 */
void uplink_memory_turn_answered(struct uplink_memory *m);
/* It was none: nothing was said. */
void uplink_memory_turn_void(struct uplink_memory *m);
/* The voice gave a sign of life: outside of turns it heard nothing of note. */
void uplink_memory_heard(struct uplink_memory *m);

/* A turn has no answer; *SPEAKING_OUT: it has not ended either. */
bool uplink_memory_is_open(const struct uplink_memory *m, bool *speaking_out);

/* Frames that are due, at most UPLINK_MEMORY_FRAMES. */
size_t uplink_memory_due(const struct uplink_memory *m);
/* Copies due frames, the FIRSTth (from 0) and on; within uplink_memory_due. */
void uplink_memory_get(const struct uplink_memory *m, size_t first,
    size_t count, uint8_t *bytes_out);

#endif
