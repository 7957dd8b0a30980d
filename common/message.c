/* SPDX-License-Identifier: MIT */
/* message.c – the message table as data: names, limits and directions. */
#include "common/message.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

struct message_row {
	const char *name;
	enum message_side from;
	enum message_side to;
	size_t size_max;
	size_t fds;
};

static const struct message_row rows[MESSAGE_TYPE_COUNT] = {
#define X(id, name, from, to, size, fds)                                       \
	[MESSAGE_##id] = {name, MESSAGE_##from, MESSAGE_##to, size, fds},
    MESSAGE_TABLE(X)
#undef X
};

#define X(id, name, from, to, size, fds)                                       \
	_Static_assert((size) <= MESSAGE_SIZE_MAX, "size of " name);           \
	_Static_assert((fds) <= MESSAGE_FDS_MAX, "descriptors of " name);
MESSAGE_TABLE(X)
#undef X

const char *
message_name(enum message_type type)
{
	assert(type < MESSAGE_TYPE_COUNT);
	return rows[type].name;
}

size_t
message_size_max(enum message_type type)
{
	assert(type < MESSAGE_TYPE_COUNT);
	return rows[type].size_max;
}

size_t
message_fds(enum message_type type)
{
	assert(type < MESSAGE_TYPE_COUNT);
	return rows[type].fds;
}

int
message_find(const char *name, enum message_type *type_out)
{
	for (int i = 0; i < MESSAGE_TYPE_COUNT; i++) {
		if (strcmp(rows[i].name, name) != 0)
			continue;
		*type_out = (enum message_type)i;
		return 0;
	}
	return -ENOENT;
}

bool
message_allowed(
    enum message_type type, enum message_side from, enum message_side to)
{
	assert(type < MESSAGE_TYPE_COUNT);
	return (rows[type].from & from) != 0 && (rows[type].to & to) != 0;
}

const char *
message_fault_name(enum message_fault fault)
{
	switch (fault) {
	case MESSAGE_OK:
		return "well-formed";
	case MESSAGE_MALFORMED:
		return "malformed";
	case MESSAGE_UNKNOWN:
		return "unknown";
	case MESSAGE_MISDIRECTED:
		return "misdirected";
	case MESSAGE_OVERSIZED:
		return "oversized";
	case MESSAGE_DESCRIPTORS:
		return "wrong number of descriptors in";
	}
	return "?";
}
