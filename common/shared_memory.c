/* SPDX-License-Identifier: MIT */
/* shared_memory.c – sealed memfds; what they hold is their owners' affair. */
#include "common/shared_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

int
shared_memory_create(const char *name, uint32_t len, const void *head,
    size_t head_len, int *fd_out)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ssize_t n;
	int rc;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)len) != 0 ||
	    fcntl(fd, F_ADD_SEALS, SEALS) != 0) {
		rc = -errno;
		goto fail;
	}
	n = pwrite(fd, head, head_len, 0);
	if (n != (ssize_t)head_len) {
		rc = n < 0 ? -errno : -EIO;
		goto fail;
	}
	*fd_out = fd;
	return 0;
fail:
	close(fd);
	return rc;
}

int
shared_memory_map(int fd, int protection, uint32_t len_min, uint32_t len_max,
    void **memory_out, uint32_t *len_out)
{
	struct stat st;
	void *memory;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0)
		return errno == EINVAL ? -EBADMSG : -errno;
	if ((seals & F_SEAL_SHRINK) == 0)
		return -EBADMSG;
	if (fstat(fd, &st) != 0)
		return -errno;
	if (st.st_size < (off_t)len_min || st.st_size > (off_t)len_max)
		return -EBADMSG;
	memory = mmap(NULL, (size_t)st.st_size, protection, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	*memory_out = memory;
	*len_out = (uint32_t)st.st_size;
	return 0;
}
