/* SPDX-License-Identifier: MIT */
/*
 * playout_ring.h – the shared memory of a call's playout: layout, creation,
 * and the check that a process makes before it goes on where another ended.
 *
 * One process writes at a time; the next attaches after it is dead. The state
 * exists twice, each copy with a generation and a CRC: a commit overwrites the
 * older copy, so that a writer killed at any instruction leaves one that is
 * whole. Nothing read from the memory is used before it was checked.
 */
#ifndef COMMON_PLAYOUT_RING_H
#define COMMON_PLAYOUT_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAYOUT_RING_MAGIC      UINT64_C(0x314f59414c504654) /* "TFPLAYO1" */
#define PLAYOUT_RING_VERSION    1u
#define PLAYOUT_RING_AUDIO_LEN  (4u << 20) /* 524 s of G.711 */
#define PLAYOUT_RING_AUDIO_MIN  4096u
#define PLAYOUT_RING_AUDIO_MAX  (64u << 20)
#define PLAYOUT_RING_UTTERANCES 16u
#define PLAYOUT_RING_ID_SIZE    64u /* with the terminating NUL */

enum playout_utterance_flag {
	PLAYOUT_UTTERANCE_ENDED = 1u << 0,     /* no more audio will come */
	PLAYOUT_UTTERANCE_CANCELLED = 1u << 1, /* flushed by barge-in */
	PLAYOUT_UTTERANCE_DONE = 1u << 2,      /* complete and reported */
};

struct playout_ring_utterance {
	char id[PLAYOUT_RING_ID_SIZE];
	uint32_t taken; /* bytes of it that entered the ring */
	uint32_t sent;  /* bytes of it that went out in RTP; <= taken */
	uint32_t flags;
	uint32_t zero;
};

enum playout_ring_flag {
	PLAYOUT_RING_HELD = 1u << 0,     /* nothing is consumed */
	PLAYOUT_RING_IN_SPURT = 1u << 1, /* the last frame was speech */
	PLAYOUT_RING_STARTED = 1u << 2,  /* a frame was made */
	PLAYOUT_RING_JUMPED = 1u << 3,   /* time was skipped: marker due */
};

struct playout_ring_state {
	uint64_t generation; /* of the commit, from 1 */
	uint64_t next_ns;    /* CLOCK_MONOTONIC of the next frame; 0 unset */
	uint64_t frames;     /* made so far */
	uint32_t read_off;   /* next byte to send, in the audio area */
	uint32_t fill;       /* bytes not yet sent */
	uint32_t rtp_ssrc;
	uint32_t rtp_timestamp; /* of the next frame */
	uint16_t rtp_seq;       /* of the next frame */
	uint16_t zero;
	uint32_t flags;
	uint32_t utterances; /* used entries, oldest first */
	uint32_t crc;        /* CRC-32 of this struct with crc = 0 */
	struct playout_ring_utterance utterance[PLAYOUT_RING_UTTERANCES];
};

struct playout_ring_header {
	uint64_t magic;
	uint32_t version;
	uint32_t header_len; /* sizeof this struct */
	uint32_t state_len;  /* sizeof struct playout_ring_state */
	uint32_t audio_off;  /* from the start of the memory */
	uint32_t audio_len;
	uint32_t total_len; /* of the whole memory */
	struct playout_ring_state state[2];
};

struct playout_ring;

/*
 * Creates the memory of one call: a memfd (close-on-exec) of fixed, sealed
 * size, empty, with random SSRC, sequence number and timestamp.
 * 0 or -errno; the descriptor is the caller's.
 */
int playout_memfd_create(int *fd_out);

/* The same with an audio area of `audio_len` bytes; -EINVAL out of bounds. */
int playout_memfd_create_sized(uint32_t audio_len, int *fd_out);

/*
 * Maps and checks. -EBADMSG: not a ring, or damaged beyond both copies; other
 * -errno of fstat, fcntl, mmap, malloc. The descriptor stays the caller's and
 * may be closed at once.
 */
int playout_ring_attach(struct playout_ring **ring_out, int fd);
void playout_ring_free(struct playout_ring **ring);

/*
 * The private working copy of the state, which no other process can change.
 * The holder edits it and calls playout_ring_commit.
 */
struct playout_ring_state *playout_ring_state(struct playout_ring *r);

/* Publishes the working copy as the next generation. */
void playout_ring_commit(struct playout_ring *r);

/* 1 to 63 printable ASCII characters without blanks; reads 64 at most. */
bool playout_ring_id_is_valid(const char *id);

/* Room for so many more bytes. */
uint32_t playout_ring_room(const struct playout_ring *r);

/*
 * Copies `len` bytes in behind the fill (len <= room), or out from the front
 * (len <= fill), and moves fill and read_off of the working copy. Uncommitted.
 */
void playout_ring_put(
    struct playout_ring *r, const uint8_t *bytes, uint32_t len);
void playout_ring_get(struct playout_ring *r, uint8_t *bytes_out, uint32_t len);

/* Drops all audio not yet sent. Uncommitted. */
void playout_ring_clear(struct playout_ring *r);

#endif
