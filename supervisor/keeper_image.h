/* SPDX-License-Identifier: MIT */
/*
 * keeper_image.h – the keeper's state on its way into another image of it: the
 * same process, with the same children and descriptors, in a newer program.
 *
 * It is one memfd of fixed-width structs, sealed. Whoever reads it believes
 * nothing: sizes, counts, numbers of descriptors and children are checked
 * first, and what does not fit is refused as a whole.
 */
#ifndef SUPERVISOR_KEEPER_IMAGE_H
#define SUPERVISOR_KEEPER_IMAGE_H

#include "common/proc.h"
#include "supervisor/keeper_protocol.h"

#include <stdint.h>

#define KEEPER_IMAGE_MAGIC 0x7265706565746574u /* "teteeper" */

enum {
	/* Raised when a field changes its place or meaning. */
	KEEPER_IMAGE_VERSION = 1,
	KEEPER_IMAGE_ROLES = 8,
	KEEPER_IMAGE_HELD = 16, /* -1 what an older one does not know */
};

_Static_assert(
    (int)PROC_ROLE_COUNT <= (int)KEEPER_IMAGE_ROLES, "room for every role");
_Static_assert(
    (int)KEEPER_HELD_COUNT <= (int)KEEPER_IMAGE_HELD, "room for all held");

struct keeper_image_binary {
	uint64_t device;
	uint64_t inode;
	int64_t changed_s;
	int64_t changed_ns;
	int32_t fd; /* or -1 */
	uint32_t padding;
};

_Static_assert(sizeof(struct keeper_image_binary) == 40, "layout");

struct keeper_image_header {
	uint64_t magic;
	uint32_t version;
	uint32_t header_size;
	uint32_t child_size;
	uint32_t child_count;
	uint32_t last_number;
	int32_t memory;                      /* or -1 */
	int32_t secrets[KEEPER_IMAGE_ROLES]; /* or -1 */
	int32_t supervisor;                  /* pid; 0: none runs */
	int32_t channel;                     /* or -1 */
	uint32_t supervisor_ready;
	uint32_t ready_once;
	uint32_t failures;
	uint32_t padding;
	uint64_t started_ms; /* CLOCK_MONOTONIC, as all of these */
	uint64_t heard_ms;
	uint64_t restart_at_ms;
	uint64_t restart_delay_ms;
	struct keeper_image_binary binary; /* the supervisor's */
	struct keeper_image_binary good;
};

_Static_assert(sizeof(struct keeper_image_header) == 200, "layout");

struct keeper_image_child {
	uint32_t number;
	int32_t pid; /* 0: dead */
	uint32_t role;
	uint32_t padding;
	int32_t held[KEEPER_IMAGE_HELD]; /* or -1 */
	char text[KEEPER_TEXT_MAX];
};

_Static_assert(sizeof(struct keeper_image_child) == 240, "layout");

/*
 * Writes the keeper's state. The descriptors that it names survive an exec
 * after keeper_image_inherit(true). Returns the memfd or -errno.
 */
int keeper_image_write(void);
void keeper_image_inherit(bool inherit);

/*
 * Whether FD has a state that this program understands: 0, or -EPROTO with
 * *WHY_OUT, or another -errno. Changes nothing; needs no descriptor of it.
 */
int keeper_image_check(int fd, const char **why_out);

/*
 * Takes all of it; FD stays the caller's. Also what does not belong to this
 * process is refused: descriptors that are closed, children that are not ours.
 */
int keeper_image_read(int fd, const char **why_out);

#endif
