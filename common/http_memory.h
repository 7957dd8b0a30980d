/* SPDX-License-Identifier: MIT */
/*
 * http_memory.h – libcurl's memory, overwritten when it is given back.
 *
 * libcurl copies what it is told: the URL, user and password, the request
 * with its headers and a short body, and frees the copies as they are. Here
 * they are wiped first. Out of reach, and not wiped: what OpenSSL has in its
 * own buffers while it encrypts, and the kernel's socket buffers.
 */
#ifndef COMMON_HTTP_MEMORY_H
#define COMMON_HTTP_MEMORY_H

/* curl_global_init() with such memory. 0 or -ENOMEM; counted by libcurl. */
int http_memory_init(void);

#endif
