/* SPDX-License-Identifier: MIT */
/* locked_secret.c – one page for one secret; it is all that is on it. */
#include "common/locked_secret.h"

#include "common/log.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

enum {
	PAGE_LEN = 4096,
};

struct locked_secret {
	char text[PAGE_LEN];
};

_Static_assert(sizeof(struct locked_secret) == PAGE_LEN, "one page");

int
locked_secret_new(struct locked_secret **secret_out, const char *text)
{
	size_t len = strlen(text);
	struct locked_secret *secret;

	*secret_out = NULL;
	if (len == 0 || len >= PAGE_LEN)
		return -EINVAL;
	secret = mmap(NULL, PAGE_LEN, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (secret == MAP_FAILED)
		return -ENOMEM;
	if (mlock(secret, PAGE_LEN) != 0)
		log_warn("a secret's memory is not locked error=%s",
		    strerror(errno));
	/* Whether it is or not. */
	if (madvise(secret, PAGE_LEN, MADV_DONTDUMP) != 0 ||
	    madvise(secret, PAGE_LEN, MADV_WIPEONFORK) != 0)
		log_warn("a secret's memory is like any other error=%s",
		    strerror(errno));
	memcpy(secret->text, text, len + 1);
	*secret_out = secret;
	return 0;
}

const char *
locked_secret_text(const struct locked_secret *secret)
{
	return secret->text;
}

void
locked_secret_free(struct locked_secret **secret)
{
	if (*secret == NULL)
		return;
	explicit_bzero(*secret, PAGE_LEN);
	munmap(*secret, PAGE_LEN);
	*secret = NULL;
}
