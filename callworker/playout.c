/* SPDX-License-Identifier: MIT */
/*
 * playout.c – utterances in, RTP frames out. The utterances in the ring's table
 * are in the order in which they play; the bytes of the ring belong to them in
 * that order, so the first one not complete (the head) owns the next byte.
 */
#include "callworker/playout.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Frames queued before a talkspurt begins: this one and one of prebuffer. */
#define PREBUFFER_LEN (2 * RTP_FRAME_LEN)

struct playout {
	struct playout_ring *ring;
	enum g711_law law;
	playout_sent_fn *on_sent;
	void *arg;
	struct playout_stats stats;
};

int
playout_new(struct playout **playout_out, int ring_fd, enum g711_law law,
    playout_sent_fn *on_sent, void *arg)
{
	struct playout *p = calloc(1, sizeof(*p));
	int rc;

	if (p == NULL)
		return -ENOMEM;
	rc = playout_ring_attach(&p->ring, ring_fd);
	if (rc < 0) {
		free(p);
		return rc;
	}
	p->law = law;
	p->on_sent = on_sent;
	p->arg = arg;
	*playout_out = p;
	return 0;
}

void
playout_free(struct playout **playout)
{
	if (*playout == NULL)
		return;
	playout_ring_free(&(*playout)->ring);
	free(*playout);
	*playout = NULL;
}

static struct playout_ring_state *
state_of(const struct playout *p)
{
	return playout_ring_state(p->ring);
}

static bool
is_ended(const struct playout_ring_utterance *u)
{
	return (u->flags & PLAYOUT_UTTERANCE_ENDED) != 0;
}

static bool
is_cancelled(const struct playout_ring_utterance *u)
{
	return (u->flags & PLAYOUT_UTTERANCE_CANCELLED) != 0;
}

/* Every sample of it is out, and no more will come. */
static bool
is_complete(const struct playout_ring_utterance *u)
{
	return is_ended(u) && !is_cancelled(u) && u->sent == u->taken;
}

/* It has been, or can still be, heard: neither complete nor cancelled. */
static bool
is_live(const struct playout_ring_utterance *u)
{
	return !is_cancelled(u) && !is_complete(u);
}

static struct playout_ring_utterance *
find_utterance(const struct playout *p, const char *id)
{
	struct playout_ring_state *s = state_of(p);

	for (uint32_t i = s->utterances; i-- > 0;)
		if (strcmp(s->utterance[i].id, id) == 0)
			return &s->utterance[i];
	return NULL;
}

/* The one that owns the next byte, or NULL. */
static struct playout_ring_utterance *
find_head(const struct playout *p)
{
	struct playout_ring_state *s = state_of(p);

	for (uint32_t i = 0; i < s->utterances; i++)
		if (is_live(&s->utterance[i]))
			return &s->utterance[i];
	return NULL;
}

/* Whether nobody waits for it any more: its entry may be reused. */
static bool
is_history(const struct playout_ring_utterance *u)
{
	return is_cancelled(u) || (u->flags & PLAYOUT_UTTERANCE_DONE) != 0;
}

/* Makes room in a full table by forgetting the oldest finished utterance. */
static int
forget_oldest(struct playout_ring_state *s)
{
	for (uint32_t i = 0; i < s->utterances; i++) {
		if (!is_history(&s->utterance[i]))
			continue;
		s->utterances--;
		memmove(&s->utterance[i], &s->utterance[i + 1],
		    (s->utterances - i) * sizeof(s->utterance[0]));
		return 0;
	}
	return -ENOBUFS;
}

/* Begins an utterance; the one before, if still open, ends with it. */
static struct playout_ring_utterance *
add_utterance(struct playout *p, const char *id)
{
	struct playout_ring_state *s = state_of(p);
	struct playout_ring_utterance *u;

	if (s->utterances == PLAYOUT_RING_UTTERANCES && forget_oldest(s) != 0)
		return NULL;
	if (s->utterances > 0) {
		u = &s->utterance[s->utterances - 1];
		if (!is_cancelled(u))
			u->flags |= PLAYOUT_UTTERANCE_ENDED;
	}
	u = &s->utterance[s->utterances++];
	memset(u, 0, sizeof(*u));
	memcpy(u->id, id, strlen(id));
	return u;
}

ssize_t
playout_append(
    struct playout *p, const char *utterance, const uint8_t *audio, size_t len)
{
	struct playout_ring_utterance *u;
	uint32_t room = playout_ring_room(p->ring);
	uint32_t taken;

	if (!playout_ring_id_is_valid(utterance))
		return -EINVAL;
	u = find_utterance(p, utterance);
	if (u != NULL && is_cancelled(u))
		return -ECANCELED;
	if (u != NULL && is_ended(u))
		return -EALREADY;
	if (room == 0 && len > 0)
		return -ENOBUFS;
	if (u == NULL)
		u = add_utterance(p, utterance);
	if (u == NULL || u->taken > UINT32_MAX - room)
		return -ENOBUFS;
	taken = len < room ? (uint32_t)len : room;
	playout_ring_put(p->ring, audio, taken);
	u->taken += taken;
	playout_ring_commit(p->ring);
	return (ssize_t)taken;
}

int
playout_end(struct playout *p, const char *utterance)
{
	struct playout_ring_utterance *u;

	if (!playout_ring_id_is_valid(utterance))
		return -ENOENT;
	u = find_utterance(p, utterance);
	if (u == NULL)
		return -ENOENT;
	if (is_cancelled(u))
		return -ECANCELED;
	if (is_ended(u))
		return -EALREADY;
	u->flags |= PLAYOUT_UTTERANCE_ENDED;
	playout_ring_commit(p->ring);
	return 0;
}

static uint32_t
ms_rounded_up(uint32_t bytes)
{
	return bytes / G711_BYTES_PER_MS + (bytes % G711_BYTES_PER_MS != 0);
}

bool
playout_flush(struct playout *p, struct playout_flushed *flushed_out)
{
	struct playout_ring_state *s = state_of(p);
	struct playout_ring_utterance *head = find_head(p);

	if (head == NULL)
		return false;
	if (flushed_out != NULL) {
		memcpy(flushed_out->utterance, head->id, sizeof(head->id));
		flushed_out->heard_ms = head->sent / G711_BYTES_PER_MS;
		flushed_out->dropped_ms = ms_rounded_up(s->fill);
	}
	for (uint32_t i = 0; i < s->utterances; i++)
		if (is_live(&s->utterance[i]))
			s->utterance[i].flags |= PLAYOUT_UTTERANCE_CANCELLED;
	playout_ring_clear(p->ring);
	s->flags &= ~(unsigned)PLAYOUT_RING_IN_SPURT;
	playout_ring_commit(p->ring);
	return true;
}

void
playout_hold(struct playout *p)
{
	state_of(p)->flags |= PLAYOUT_RING_HELD;
	playout_ring_commit(p->ring);
}

void
playout_release(struct playout *p)
{
	state_of(p)->flags &= ~(unsigned)PLAYOUT_RING_HELD;
	playout_ring_commit(p->ring);
}

bool
playout_is_held(const struct playout *p)
{
	return (state_of(p)->flags & PLAYOUT_RING_HELD) != 0;
}

uint32_t
playout_remaining_ms(const struct playout *p)
{
	return ms_rounded_up(state_of(p)->fill);
}

int64_t
playout_heard_ms(const struct playout *p, const char *utterance)
{
	const struct playout_ring_utterance *u;

	if (!playout_ring_id_is_valid(utterance))
		return -ENOENT;
	u = find_utterance(p, utterance);
	if (u == NULL)
		return -ENOENT;
	return u->sent / G711_BYTES_PER_MS;
}

int
playout_find(const struct playout *p, const char *utterance,
    struct playout_utterance *found_out)
{
	const struct playout_ring_utterance *u;

	if (!playout_ring_id_is_valid(utterance))
		return -ENOENT;
	u = find_utterance(p, utterance);
	if (u == NULL)
		return -ENOENT;
	*found_out = (struct playout_utterance){
	    .taken_ms = u->taken / G711_BYTES_PER_MS,
	    .sent_ms = u->sent / G711_BYTES_PER_MS,
	    .ended = is_ended(u),
	    .cancelled = is_cancelled(u),
	};
	return 0;
}

bool
playout_is_new(const struct playout *p)
{
	return (state_of(p)->flags & PLAYOUT_RING_STARTED) == 0;
}

/*
 * May the bytes that follow be spoken now? They need `need` bytes of one
 * utterance, or its end. Only the newest utterance can be open, so an ended
 * one that is short is followed by its successor, judged in its turn.
 */
static bool
can_speak(const struct playout_ring_utterance *u, uint32_t need)
{
	return u != NULL && (is_ended(u) || u->taken - u->sent >= need);
}

/* Fills one frame with speech; returns the bytes of speech in it. */
static uint32_t
take_speech(struct playout *p, uint8_t payload[RTP_FRAME_LEN])
{
	struct playout_ring_utterance *u = find_head(p);
	uint32_t done = 0;

	while (done < RTP_FRAME_LEN && can_speak(u, RTP_FRAME_LEN - done)) {
		uint32_t part = u->taken - u->sent;

		if (part > RTP_FRAME_LEN - done)
			part = RTP_FRAME_LEN - done;
		playout_ring_get(p->ring, payload + done, part);
		u->sent += part;
		done += part;
		if (!is_complete(u))
			break;
		u = find_head(p);
	}
	return done;
}

static bool
spurt_can_begin(const struct playout *p)
{
	const struct playout_ring_utterance *head = find_head(p);

	return state_of(p)->fill > 0 &&
	       (state_of(p)->fill >= PREBUFFER_LEN || is_ended(head));
}

static bool
is_in_spurt(const struct playout *p)
{
	return (state_of(p)->flags & PLAYOUT_RING_IN_SPURT) != 0;
}

bool
playout_is_due(const struct playout *p)
{
	return !playout_is_held(p) && (is_in_spurt(p) || spurt_can_begin(p));
}

/* The speech of this frame, if any; keeps the talkspurt's state. */
static uint32_t
next_speech(struct playout *p, uint8_t payload[RTP_FRAME_LEN], bool *begins_out)
{
	struct playout_ring_state *s = state_of(p);
	bool in_spurt = is_in_spurt(p);
	uint32_t speech = 0;

	*begins_out = false;
	if (playout_is_due(p))
		speech = take_speech(p, payload);
	if (speech > 0) {
		*begins_out = !in_spurt;
		s->flags |= PLAYOUT_RING_IN_SPURT;
		return speech;
	}
	if (in_spurt && !playout_is_held(p) && find_head(p) != NULL)
		p->stats.underruns++;
	s->flags &= ~(unsigned)PLAYOUT_RING_IN_SPURT;
	return 0;
}

/* Completes a frame that has SPEECH bytes of speech already. */
static void
finish_frame(struct playout *p, struct playout_frame *frame_out,
    uint32_t speech, bool begins)
{
	struct playout_ring_state *s = state_of(p);

	memset(frame_out->payload + speech, g711_silence(p->law),
	    RTP_FRAME_LEN - speech);
	frame_out->silence = speech == 0;
	frame_out->marker = begins || (s->flags & PLAYOUT_RING_STARTED) == 0 ||
			    (s->flags & PLAYOUT_RING_JUMPED) != 0;
	frame_out->seq = s->rtp_seq++;
	frame_out->timestamp = s->rtp_timestamp;
	frame_out->ssrc = s->rtp_ssrc;
	s->rtp_timestamp += RTP_FRAME_LEN;
	s->frames++;
	s->flags |= PLAYOUT_RING_STARTED;
	s->flags &= ~(unsigned)PLAYOUT_RING_JUMPED;
	playout_ring_commit(p->ring);
	if (speech > 0)
		p->stats.speech_frames++;
	else
		p->stats.silence_frames++;
}

void
playout_next(struct playout *p, struct playout_frame *frame_out)
{
	bool begins;
	uint32_t speech = next_speech(p, frame_out->payload, &begins);

	finish_frame(p, frame_out, speech, begins);
}

void
playout_next_silence(struct playout *p, struct playout_frame *frame_out)
{
	assert(!is_in_spurt(p));
	finish_frame(p, frame_out, 0, false);
}

void
playout_skip(struct playout *p, uint64_t frames)
{
	struct playout_ring_state *s = state_of(p);

	if (frames == 0)
		return;
	s->rtp_timestamp += (uint32_t)(frames * RTP_FRAME_LEN);
	s->flags |= PLAYOUT_RING_JUMPED;
	p->stats.skipped_frames += frames;
}

/*
 * The mark is made after the callback and reaches the memory with the next
 * commit: after a crash in between the successor reports once more, never not
 * at all. The callback may change the table, so the entry is looked up again;
 * one that moved past `i` is found at the next beat.
 */
void
playout_report(struct playout *p)
{
	struct playout_ring_state *s = state_of(p);

	for (uint32_t i = 0; i < s->utterances; i++) {
		struct playout_ring_utterance *u = &s->utterance[i];
		char id[PLAYOUT_RING_ID_SIZE];

		if (!is_complete(u) || (u->flags & PLAYOUT_UTTERANCE_DONE) != 0)
			continue;
		memcpy(id, u->id, sizeof(id));
		if (p->on_sent != NULL)
			p->on_sent(id, u->sent / G711_BYTES_PER_MS, p->arg);
		u = find_utterance(p, id);
		if (u != NULL)
			u->flags |= PLAYOUT_UTTERANCE_DONE;
	}
}

uint64_t
playout_deadline_ns(const struct playout *p)
{
	return state_of(p)->next_ns;
}

void
playout_set_deadline_ns(struct playout *p, uint64_t next_ns)
{
	state_of(p)->next_ns = next_ns;
}

void
playout_get_stats(const struct playout *p, struct playout_stats *stats_out)
{
	*stats_out = p->stats;
}
