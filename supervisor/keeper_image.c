/* SPDX-License-Identifier: MIT */
/*
 * keeper_image.c – writes and reads the keeper's state.
 *
 * Invariant: the keeper's state is changed only after everything in the image
 * has been found good.
 */
#include "supervisor/keeper_image.h"

#include "supervisor/keeper_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL,
};

/* -- writing ---------------------------------------------------------------- */

static struct keeper_image_binary
write_binary(const struct keeper_binary *binary)
{
	return (struct keeper_image_binary){
	    .device = binary->device,
	    .inode = binary->inode,
	    .changed_s = binary->changed.tv_sec,
	    .changed_ns = binary->changed.tv_nsec,
	    .fd = binary->fd,
	};
}

static void
write_header(struct keeper_image_header *header)
{
	const struct keeper_supervisor *supervisor = keeper.supervisor;
	const struct keeper_child *child;

	*header = (struct keeper_image_header){
	    .magic = KEEPER_IMAGE_MAGIC,
	    .version = KEEPER_IMAGE_VERSION,
	    .header_size = sizeof(*header),
	    .child_size = sizeof(struct keeper_image_child),
	    .last_number = keeper.children.last_number,
	    .memory = keeper.memory,
	    .supervisor = supervisor->pid,
	    .channel = supervisor->channel,
	    .supervisor_ready = supervisor->ready,
	    .ready_once = keeper.ready_once,
	    .failures = keeper.failures,
	    .started_ms = supervisor->started_ms,
	    .heard_ms = supervisor->heard_ms,
	    .restart_at_ms = keeper.restart_at_ms,
	    .restart_delay_ms = keeper.restart_delay_ms,
	    .binary = write_binary(&supervisor->binary),
	    .good = write_binary(&keeper.good),
	};
	for (int i = 0; i < KEEPER_IMAGE_ROLES; i++)
		header->secrets[i] =
		    i < PROC_ROLE_COUNT ? keeper.config.secrets[i] : -1;
	TAILQ_FOREACH(child, &keeper.children.list, entry)
		header->child_count++;
}

static void
write_child(struct keeper_image_child *row, const struct keeper_child *child)
{
	*row = (struct keeper_image_child){
	    .number = child->number,
	    .pid = child->pid,
	    .role = child->role,
	};
	for (int i = 0; i < KEEPER_IMAGE_HELD; i++)
		row->held[i] = i < KEEPER_HELD_COUNT ? child->held[i] : -1;
	memcpy(row->text, child->text, sizeof(row->text));
}

static int
write_all(int fd, const void *data, size_t len)
{
	return write(fd, data, len) == (ssize_t)len ? 0 : -EIO;
}

int
keeper_image_write(void)
{
	struct keeper_image_header header;
	const struct keeper_child *child;
	int fd = memfd_create("keeper", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int ret;

	if (fd < 0)
		return -errno;
	write_header(&header);
	ret = write_all(fd, &header, sizeof(header));
	TAILQ_FOREACH(child, &keeper.children.list, entry) {
		struct keeper_image_child row;

		write_child(&row, child);
		if (ret == 0)
			ret = write_all(fd, &row, sizeof(row));
	}
	if (ret == 0 && fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		ret = -errno;
	if (ret == 0)
		return fd;
	close(fd);
	return ret;
}

static void
set_inherit(int fd, bool inherit)
{
	if (fd >= 0)
		(void)fcntl(fd, F_SETFD, inherit ? 0 : FD_CLOEXEC);
}

void
keeper_image_inherit(bool inherit)
{
	const struct keeper_child *child;

	set_inherit(keeper.memory, inherit);
	set_inherit(keeper.supervisor->channel, inherit);
	set_inherit(keeper.supervisor->binary.fd, inherit);
	set_inherit(keeper.good.fd, inherit);
	for (int i = 0; i < PROC_ROLE_COUNT; i++)
		set_inherit(keeper.config.secrets[i], inherit);
	TAILQ_FOREACH(child, &keeper.children.list, entry) {
		for (int i = 0; i < KEEPER_HELD_COUNT; i++)
			set_inherit(child->held[i], inherit);
	}
}

/* -- reading ---------------------------------------------------------------- */

struct image {
	const struct keeper_image_header *header;
	const struct keeper_image_child *children;
	void *map;
	size_t size;
};

static int
refuse(const char **why_out, const char *why)
{
	*why_out = why;
	return -EPROTO;
}

static void
image_unmap(struct image *image)
{
	if (image->map != NULL)
		munmap(image->map, image->size);
	image->map = NULL;
}

static bool
is_fd(int32_t fd)
{
	return fd == -1 || fd > STDERR_FILENO;
}

static int
check_header(const struct image *image, const char **why_out)
{
	const struct keeper_image_header *header = image->header;

	if (header->magic != KEEPER_IMAGE_MAGIC)
		return refuse(why_out, "it is no keeper's state");
	if (header->version != KEEPER_IMAGE_VERSION ||
	    header->header_size != sizeof(*header) ||
	    header->child_size != sizeof(struct keeper_image_child))
		return refuse(why_out, "it is of another version");
	if (header->child_count > KEEPER_CHILDREN_MAX ||
	    image->size != sizeof(*header) +
			       header->child_count * sizeof(*image->children))
		return refuse(why_out, "its size is wrong");
	if (header->supervisor < 0 ||
	    (header->supervisor == 0) != (header->channel == -1))
		return refuse(why_out, "its supervisor makes no sense");
	if (!is_fd(header->memory) || !is_fd(header->channel) ||
	    !is_fd(header->binary.fd) || !is_fd(header->good.fd))
		return refuse(why_out, "a descriptor makes no sense");
	for (int i = 0; i < KEEPER_IMAGE_ROLES; i++) {
		if (!is_fd(header->secrets[i]) ||
		    (i >= PROC_ROLE_COUNT && header->secrets[i] != -1))
			return refuse(why_out, "a secret makes no sense");
	}
	return 0;
}

static int
check_child(const struct image *image, uint32_t n, const char **why_out)
{
	const struct keeper_image_child *row = &image->children[n];
	uint32_t before = n == 0 ? 0 : row[-1].number;

	/* In the order of their numbers, so that none is there twice. */
	if (row->number <= before || row->number > image->header->last_number)
		return refuse(why_out, "a child's number makes no sense");
	if (row->pid < 0 || (row->role != PROC_ROLE_CALLWORKER &&
				row->role != PROC_ROLE_TOOLWORKER))
		return refuse(why_out, "a child makes no sense");
	if (memchr(row->text, '\0', sizeof(row->text)) == NULL)
		return refuse(why_out, "a text does not end");
	for (int i = 0; i < KEEPER_IMAGE_HELD; i++) {
		if (!is_fd(row->held[i]))
			return refuse(why_out, "a descriptor makes no sense");
		if (i >= KEEPER_HELD_COUNT && row->held[i] != -1)
			return refuse(why_out, "it holds what is unknown here");
	}
	return 0;
}

/* Maps FD and finds its form good; image_unmap() in any case. */
static int
image_open(struct image *image, int fd, const char **why_out)
{
	struct stat st;
	int ret, seals;

	*image = (struct image){0};
	*why_out = "";
	/* Nobody can change it any more. */
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & SEALS) != SEALS)
		return refuse(why_out, "it is not sealed");
	if (fstat(fd, &st) < 0)
		return refuse(why_out, "it has no size");
	if (st.st_size < (off_t)sizeof(*image->header))
		return refuse(why_out, "it is too short");
	image->size = (size_t)st.st_size;
	image->map = mmap(NULL, image->size, PROT_READ, MAP_SHARED, fd, 0);
	if (image->map == MAP_FAILED) {
		image->map = NULL;
		return -ENOMEM;
	}
	image->header = image->map;
	image->children = (const void *)(image->header + 1);
	ret = check_header(image, why_out);
	for (uint32_t i = 0; ret == 0 && i < image->header->child_count; i++)
		ret = check_child(image, i, why_out);
	return ret;
}

int
keeper_image_check(int fd, const char **why_out)
{
	struct image image;
	int ret = image_open(&image, fd, why_out);

	image_unmap(&image);
	return ret;
}

static bool
is_open(int fd)
{
	return fd == -1 || fcntl(fd, F_GETFD) >= 0;
}

static bool
is_ours(pid_t pid)
{
	siginfo_t info;

	return pid == 0 || waitid(P_PID, (id_t)pid, &info,
			       WEXITED | WNOHANG | WNOWAIT) == 0;
}

static int
check_ours(const struct image *image, const char **why_out)
{
	const struct keeper_image_header *header = image->header;
	bool open = is_open(header->memory) && is_open(header->channel) &&
		    is_open(header->binary.fd) && is_open(header->good.fd);

	for (int i = 0; i < PROC_ROLE_COUNT; i++)
		open = open && is_open(header->secrets[i]);
	for (uint32_t n = 0; n < header->child_count; n++) {
		if (!is_ours(image->children[n].pid))
			return refuse(why_out, "a child is not ours");
		for (int i = 0; i < KEEPER_HELD_COUNT; i++)
			open = open && is_open(image->children[n].held[i]);
	}
	if (!is_ours(header->supervisor))
		return refuse(why_out, "the supervisor is not ours");
	return open ? 0 : refuse(why_out, "a descriptor is closed");
}

static struct keeper_binary
read_binary(const struct keeper_image_binary *binary)
{
	return (struct keeper_binary){
	    .fd = binary->fd,
	    .device = binary->device,
	    .inode = binary->inode,
	    .changed = {.tv_sec = binary->changed_s,
		.tv_nsec = binary->changed_ns},
	};
}

static void
read_header(const struct keeper_image_header *header)
{
	struct keeper_supervisor *supervisor = keeper.supervisor;

	keeper.children.last_number = header->last_number;
	keeper.memory = header->memory;
	for (int i = 0; i < PROC_ROLE_COUNT; i++)
		keeper.config.secrets[i] = header->secrets[i];
	keeper.ready_once = header->ready_once != 0;
	keeper.failures = header->failures;
	keeper.restart_at_ms = header->restart_at_ms;
	keeper.restart_delay_ms = header->restart_delay_ms;
	keeper.good = read_binary(&header->good);
	supervisor->pid = header->supervisor;
	supervisor->channel = header->channel;
	supervisor->ready = header->supervisor_ready != 0;
	supervisor->started_ms = header->started_ms;
	supervisor->heard_ms = header->heard_ms;
	supervisor->binary = read_binary(&header->binary);
}

/* All at once, so that no memory for one is no state for any. */
static int
read_children(const struct image *image)
{
	uint32_t count = image->header->child_count;
	struct keeper_child_list list = TAILQ_HEAD_INITIALIZER(list);
	struct keeper_child *child;

	for (uint32_t n = 0; n < count; n++) {
		const struct keeper_image_child *row = &image->children[n];

		child = calloc(1, sizeof(*child));
		if (child == NULL)
			goto fail;
		child->number = row->number;
		child->pid = row->pid;
		child->role = (enum proc_role)row->role;
		memcpy(child->held, row->held, sizeof(child->held));
		memcpy(child->text, row->text, sizeof(child->text));
		TAILQ_INSERT_TAIL(&list, child, entry);
	}
	TAILQ_CONCAT(&keeper.children.list, &list, entry);
	return 0;

fail:
	while ((child = TAILQ_FIRST(&list)) != NULL) {
		TAILQ_REMOVE(&list, child, entry);
		free(child);
	}
	return -ENOMEM;
}

int
keeper_image_read(int fd, const char **why_out)
{
	struct image image;
	int ret = image_open(&image, fd, why_out);

	if (ret == 0)
		ret = check_ours(&image, why_out);
	if (ret == 0)
		ret = read_children(&image);
	if (ret == 0) {
		read_header(image.header);
		keeper_image_inherit(false);
	}
	image_unmap(&image);
	return ret;
}
