/* SPDX-License-Identifier: MIT */
/*
 * caller_memory.c – which of the caller's words no voice has taken up.
 *
 * Invariant: it judges by the same entries as history.c does, so that what a
 * new voice reads and what it hears fit together: a turn is answered when the
 * voice has called a tool or is heard, not when it has only begun to speak.
 */
#include "callworker/caller_memory.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/uplink_memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	MEMORY_MS = UPLINK_MEMORY_FRAMES * UPLINK_MEMORY_FRAME_MS,
};

struct caller_memory {
	struct uplink_memory *memory;
	struct voice *sent_to; /* the last one that was sent what was due */
	uint64_t heard_ms;     /* its last sign of life that was noted */
	bool speaks;           /* the voice has begun, nothing plays yet */
};

int
caller_memory_new(struct caller_memory **memory_out, int fd)
{
	struct caller_memory *m = calloc(1, sizeof(*m));
	int ret;

	*memory_out = NULL;
	if (m == NULL)
		return -ENOMEM;
	ret = uplink_memory_attach(&m->memory, fd);
	if (ret != 0) {
		free(m);
		return ret;
	}
	*memory_out = m;
	return 0;
}

void
caller_memory_free(struct caller_memory **memory)
{
	struct caller_memory *m = *memory;

	*memory = NULL;
	if (m == NULL)
		return;
	uplink_memory_free(&m->memory);
	free(m);
}

void
caller_memory_put(struct caller_memory *m, const uint8_t *g711, size_t len)
{
	if (m != NULL && len == UPLINK_MEMORY_FRAME_LEN)
		uplink_memory_put(m->memory, g711);
}

static void
note_caller(struct caller_memory *m, const cJSON *body)
{
	int64_t ago_ms = json_int(body, "ago_ms", 0);

	if (json_bool(body, "none", false)) {
		uplink_memory_turn_void(m->memory);
		return;
	}
	if (!json_bool(body, "speaks", false)) {
		uplink_memory_turn_ended(m->memory);
		return;
	}
	if (ago_ms < 0 || ago_ms > UINT32_MAX)
		ago_ms = 0;
	uplink_memory_turn_began(m->memory, (uint32_t)ago_ms);
	m->speaks = false;
}

void
caller_memory_note(
    struct caller_memory *m, enum journal_type type, const cJSON *body)
{
	if (m == NULL)
		return;
	if (type == JOURNAL_CALLER)
		note_caller(m, body);
	else if (type == JOURNAL_SPEAKING)
		m->speaks = strcmp(json_string(body, "tag"), "aside") != 0;
	else if (type == JOURNAL_TOOL_CALL)
		uplink_memory_turn_answered(m->memory);
}

void
caller_memory_voice_plays(struct caller_memory *m)
{
	if (m == NULL || !m->speaks)
		return;
	m->speaks = false;
	uplink_memory_turn_answered(m->memory);
}

bool
caller_memory_has_turn(const struct caller_memory *m, uint64_t *from_ms_out)
{
	bool speaking;

	*from_ms_out = 0;
	if (m == NULL || !uplink_memory_is_open(m->memory, &speaking))
		return false;
	/* Of a long one the beginning is overwritten. */
	if (uplink_memory_due(m->memory) == UPLINK_MEMORY_FRAMES)
		*from_ms_out = clock_now_ms() - MEMORY_MS;
	return true;
}

void
caller_memory_send(struct caller_memory *m, struct voice *voice)
{
	uint8_t frame[UPLINK_MEMORY_FRAME_LEN];
	size_t due, sent = 0;
	uint64_t from_ms;

	if (m == NULL || m->sent_to == voice)
		return;
	m->sent_to = voice;
	m->heard_ms = 0;
	due = uplink_memory_due(m->memory);
	for (; sent < due; sent++) {
		uplink_memory_get(m->memory, sent, 1, frame);
		if (voice_repeat_audio(voice, frame, sizeof(frame)) != 0)
			break;
	}
	log_info("voice hears what the caller said last ms=%zu of=%zu turn=%s",
	    sent * UPLINK_MEMORY_FRAME_MS, due * UPLINK_MEMORY_FRAME_MS,
	    !caller_memory_has_turn(m, &from_ms) ? "none"
	    : from_ms == 0                       ? "open"
						 : "long");
}

void
caller_memory_tick(struct caller_memory *m, const struct voice *voice,
    uint64_t since_ms, uint64_t now_ms)
{
	uint64_t heard_ms;

	if (m == NULL || now_ms - since_ms < CALLER_MEMORY_SETTLE_MS)
		return;
	heard_ms = voice_heard_ms(voice);
	if (heard_ms == m->heard_ms)
		return;
	m->heard_ms = heard_ms;
	uplink_memory_heard(m->memory);
}
