/* SPDX-License-Identifier: MIT */
/*
 * damaged_memory.h – memory that outlives its process, when others have
 * changed it: a header, then its state twice, each with a CRC.
 */
#ifndef TESTS_UNIT_DAMAGED_MEMORY_H
#define TESTS_UNIT_DAMAGED_MEMORY_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/crc32.h"

enum {
	DAMAGED_STATE_MAX = 65536,
};

struct damaged_memory {
	uint8_t *bytes; /* mapped */
	size_t len;
	size_t state_off; /* of the first; the second follows it */
	size_t state_len;
	size_t crc_off; /* in a state: 4 bytes, over all others and 0 */
	/* What an heir says to the memory; works with it if it is accepted. */
	int (*attach)(void *arg);
	void *arg;
};

static inline uint8_t *
damaged_state(const struct damaged_memory *m, unsigned n)
{
	return m->bytes + m->state_off + n * m->state_len;
}

/* Both states alike, with a right CRC: only the meaning may be wrong. */
static inline void
damaged_forge(const struct damaged_memory *m, const void *state)
{
	uint32_t crc = 0;
	uint8_t *first = damaged_state(m, 0);

	memcpy(first, state, m->state_len);
	memcpy(first + m->crc_off, &crc, sizeof(crc));
	crc = crc32_update(0, first, m->state_len);
	memcpy(first + m->crc_off, &crc, sizeof(crc));
	memcpy(damaged_state(m, 1), first, m->state_len);
}

/* Each bit of the header matters. */
static inline void
damaged_header_is_refused(const struct damaged_memory *m)
{
	for (size_t bit = 0; bit < 8 * m->state_off; bit++) {
		m->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(m->attach(m->arg), -EBADMSG);
		m->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(m->attach(m->arg), 0);
}

/* One state that is damaged is survived, wherever; two are refused. */
static inline void
damaged_states_are_told(const struct damaged_memory *m)
{
	static uint8_t saved[2 * DAMAGED_STATE_MAX];

	assert_true(m->state_len <= DAMAGED_STATE_MAX);
	memcpy(saved, damaged_state(m, 0), 2 * m->state_len);
	for (size_t i = 0; i < m->state_len; i++) {
		for (unsigned which = 1; which <= 3; which++) {
			memcpy(damaged_state(m, 0), saved, 2 * m->state_len);
			if (which & 1)
				damaged_state(m, 0)[i] ^= 0x55;
			if (which & 2)
				damaged_state(m, 1)[i] ^= 0x55;
			assert_int_equal(
			    m->attach(m->arg), which == 3 ? -EBADMSG : 0);
		}
	}
}

/* Whatever a state says with a right CRC, who reads it lives. */
static inline void
damaged_at_random_is_never_fatal(const struct damaged_memory *m)
{
	static uint8_t saved[2 * DAMAGED_STATE_MAX], damaged[DAMAGED_STATE_MAX];

	assert_true(m->state_len <= DAMAGED_STATE_MAX);
	memcpy(saved, damaged_state(m, 0), 2 * m->state_len);
	srand(7);
	for (unsigned round = 0; round < 3000; round++) {
		memcpy(damaged, saved + round % 2 * m->state_len, m->state_len);
		for (unsigned i = 0; i < 1 + round % 5; i++)
			damaged[(size_t)rand() % m->state_len] =
			    (uint8_t)rand();
		damaged_forge(m, damaged);
		m->attach(m->arg);
	}
}

/* Nobody can take memory away under who has mapped it. */
static inline void
damaged_memory_is_sealed(int fd)
{
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, 1 << 20), -1);
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
}

/* The right bytes of FD in memory that is not sealed, of another size, or no
 * memory at all: ATTACH maps them, and lets go of what it accepts. */
static inline void
damaged_kinds_are_refused(int good, size_t len, int (*attach)(int fd))
{
	int fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int file = open("/proc/self/exe", O_RDONLY);
	char bytes[4096];

	assert_true(fd >= 0 && file >= 0);
	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	assert_int_equal(pread(good, bytes, sizeof(bytes), 0), 4096);
	assert_int_equal(pwrite(fd, bytes, sizeof(bytes), 0), 4096);
	/* The owner could shrink it under us. */
	assert_int_equal(attach(fd), -EBADMSG);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(attach(fd), 0);
	assert_int_equal(ftruncate(fd, (off_t)len + 4096), 0);
	assert_int_equal(attach(fd), -EBADMSG);
	assert_int_equal(attach(file), -EBADMSG);
	assert_int_equal(attach(-1), -EBADF);
	close(file);
	close(fd);
}

#endif
