/* SPDX-License-Identifier: MIT */
/* crc32.h – the CRC-32 of IEEE 802.3 (polynomial 0xEDB88320, reflected). */
#ifndef COMMON_CRC32_H
#define COMMON_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` (0 to begin) over `len` bytes. */
uint32_t crc32_update(uint32_t crc, const void *data, size_t len);

#endif
