/* SPDX-License-Identifier: MIT */
/*
 * fault_point.c – the test build's half of common/fault_point.h; not shipped.
 *
 * Invariant: without a page nothing happens, and a fault that is armed once
 * meets one process once, however many reach its line.
 */
#include "common/fault_point.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct fault_page {
	char name[FAULT_NAME_SIZE];
	_Atomic uint32_t armed;
	_Atomic int32_t clock_step_s;
};

_Static_assert(offsetof(struct fault_page, armed) == FAULT_NAME_SIZE,
    "tests/faults/points.py writes it there");

static struct fault_page *page;

/* Before main(), which will forbid itself to open files. */
__attribute__((constructor)) static void
map_page(void)
{
	const char *path = getenv(FAULT_PAGE_VARIABLE);
	void *mapped;
	int fd;

	if (path == NULL)
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	mapped = mmap(
	    NULL, FAULT_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (mapped != MAP_FAILED)
		page = mapped;
}

void
fault_point_reached(const char *name)
{
	uint32_t left;

	if (page == NULL)
		return;
	left = atomic_load(&page->armed);
	if (left == 0 || strncmp(page->name, name, FAULT_NAME_SIZE) != 0)
		return;
	while (left > 0) {
		if (atomic_compare_exchange_weak(&page->armed, &left, left - 1))
			abort();
	}
}

long
fault_point_clock_step_s(void)
{
	return page != NULL ? atomic_load(&page->clock_step_s) : 0;
}
