/* SPDX-License-Identifier: MIT */
/*
 * shared_memory.h – memory of fixed size that outlives the process using it.
 * Sealed against shrinking, so that a mapping can never fault (SIGBUS).
 */
#ifndef COMMON_SHARED_MEMORY_H
#define COMMON_SHARED_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/*
 * Creates a memfd (close-on-exec) of `len` bytes that begins with `head`, the
 * rest zeros; its size is sealed. 0 or -errno; the descriptor is the caller's.
 */
int shared_memory_create(const char *name, uint32_t len, const void *head,
    size_t head_len, int *fd_out);

/*
 * Maps all of such a memfd, made by whomever. `protection` is mmap's.
 * -EBADMSG: not a memfd, not sealed against shrinking, or not of `len_min` to
 * `len_max` bytes. Undone by munmap; the descriptor stays the caller's.
 */
int shared_memory_map(int fd, int protection, uint32_t len_min,
    uint32_t len_max, void **memory_out, uint32_t *len_out);

#endif
