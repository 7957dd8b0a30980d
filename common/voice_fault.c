/* SPDX-License-Identifier: MIT */
/* voice_fault.c – the table of voice faults as data. */
#include "common/voice_fault.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static const struct {
	const char *name;
	const char *what;
	bool lasting;
	bool shared;
} rows[VOICE_FAULT_COUNT] = {
#define X(id, name, lasting, shared, what)                                     \
	[VOICE_FAULT_##id] = {name, what, lasting, shared},
    VOICE_FAULT_TABLE(X)
#undef X
};

const char *
voice_fault_name(enum voice_fault fault)
{
	assert(fault < VOICE_FAULT_COUNT);
	return rows[fault].name;
}

const char *
voice_fault_what(enum voice_fault fault)
{
	assert(fault < VOICE_FAULT_COUNT);
	return rows[fault].what;
}

bool
voice_fault_is_lasting(enum voice_fault fault)
{
	assert(fault < VOICE_FAULT_COUNT);
	return rows[fault].lasting;
}

bool
voice_fault_is_shared(enum voice_fault fault)
{
	assert(fault < VOICE_FAULT_COUNT);
	return rows[fault].shared;
}

int
voice_fault_find(const char *name, enum voice_fault *fault_out)
{
	for (int i = 0; i < VOICE_FAULT_COUNT; i++) {
		if (strcmp(rows[i].name, name) != 0)
			continue;
		*fault_out = (enum voice_fault)i;
		return 0;
	}
	return -ENOENT;
}
