/* SPDX-License-Identifier: MIT */
/*
 * http_memory.c – an allocator that forgets.
 *
 * Invariant: a block that was moved or freed holds nothing any more.
 */
#include "common/http_memory.h"

#include <curl/curl.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static void
wiping_free(void *block)
{
	if (block == NULL)
		return;
	explicit_bzero(block, malloc_usable_size(block));
	free(block);
}

/* realloc() would leave the old block as it is when it moves. */
static void *
wiping_realloc(void *block, size_t size)
{
	size_t old_size = block != NULL ? malloc_usable_size(block) : 0;
	void *moved;

	if (block != NULL && size > 0 && size <= old_size)
		return block;
	moved = malloc(size > 0 ? size : 1);
	if (moved == NULL)
		return NULL;
	if (old_size > 0)
		memcpy(moved, block, old_size < size ? old_size : size);
	wiping_free(block);
	return moved;
}

int
http_memory_init(void)
{
	return curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wiping_free,
		   wiping_realloc, strdup, calloc) == CURLE_OK
		   ? 0
		   : -ENOMEM;
}
