/* SPDX-License-Identifier: MIT */
/*
 * fuzz_keeper.c – what a keeper is told. 'i': the state that another image of
 * it left; 'l': datagrams on the channel of a supervisor, or of the keeper,
 * with a length each.
 */
#include "supervisor/keeper_image.h"
#include "supervisor/keeper_link.h"

#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static void
fuzz_image(const uint8_t *data, size_t size)
{
	const struct keeper_image_header *header = (const void *)data;
	int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const char *why = NULL;
	int ret;

	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(write(fd, data, size) == (ssize_t)size);
	FUZZ_CHECK(keeper_image_check(fd, &why) == -EPROTO); /* not sealed */
	FUZZ_CHECK(
	    fcntl(fd, F_ADD_SEALS,
		F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0);
	ret = keeper_image_check(fd, &why);
	FUZZ_CHECK(ret == 0 || (ret == -EPROTO && why[0] != '\0'));
	if (ret == 0) {
		struct keeper_image_header copy;

		FUZZ_CHECK(size >= sizeof(copy));
		memcpy(&copy, header, sizeof(copy));
		FUZZ_CHECK(size == sizeof(copy) +
				       copy.child_count *
					   sizeof(struct keeper_image_child));
	}
	close(fd);
}

static void
fuzz_link(struct fuzz_input *in)
{
	struct keeper_message message;
	int fds[2], fd;

	FUZZ_CHECK(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, fds) == 0);
	while (in->size > 0) {
		size_t len;
		const uint8_t *datagram = fuzz_bytes(in, 1024, &len);
		int ret;

		if (len == 0)
			continue; /* none, or the end: tests/unit has it */
		FUZZ_CHECK(
		    send(fds[1], datagram, len, MSG_NOSIGNAL) == (ssize_t)len);
		fd = -1;
		ret = keeper_link_receive(fds[0], &message, &fd);
		FUZZ_CHECK(ret == (len == sizeof(message) ? 1 : -EPROTO));
		FUZZ_CHECK(fd == -1);
		if (ret == 1)
			FUZZ_CHECK(memchr(message.text, '\0',
				       sizeof(message.text)) != NULL);
		FUZZ_CHECK(keeper_link_receive(fds[0], &message, &fd) == 0);
	}
	close(fds[0]);
	close(fds[1]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};

	fuzz_init();
	switch (fuzz_byte(&in)) {
	case 'i':
		fuzz_image(in.data, in.size);
		break;
	case 'l':
		fuzz_link(&in);
		break;
	}
	return 0;
}
