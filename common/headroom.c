/* SPDX-License-Identifier: MIT */
/* headroom.c – tries what may be had, and gives it back. libc only. */
#include "common/headroom.h"

#include <fcntl.h>
#include <unistd.h>

bool
headroom_has_descriptors(size_t count)
{
	int fds[HEADROOM_DESCRIPTORS_MAX];
	size_t n = 0;

	if (count > HEADROOM_DESCRIPTORS_MAX)
		count = HEADROOM_DESCRIPTORS_MAX;
	while (n < count) {
		int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

		if (fd < 0)
			break;
		fds[n++] = fd;
	}
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	return n == count;
}
