/* SPDX-License-Identifier: MIT */
/*
 * playout.h – the voice's audio on its way to the caller: a queue of utterances
 * in shared memory, taken out in 20 ms frames with their RTP numbers.
 *
 * Utterances play in the order of their first audio, without a gap. Every
 * change is committed to the ring before the call returns, so that a successor
 * goes on with the next sample. An id is 1 to 63 printable ASCII characters.
 */
#ifndef CALLWORKER_PLAYOUT_H
#define CALLWORKER_PLAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "callworker/g711.h"
#include "callworker/rtp.h"
#include "common/playout_ring.h"

struct playout;

/*
 * An utterance has been sent to its last sample: `heard_ms` of it. At least
 * once: after a crash the successor may report the last one again. Runs inside
 * playout_report only; it may call every playout function but free.
 */
typedef void playout_sent_fn(
    const char *utterance, uint32_t heard_ms, void *arg);

struct playout_frame {
	uint8_t payload[RTP_FRAME_LEN];
	uint16_t seq;
	uint32_t timestamp;
	uint32_t ssrc;
	bool marker;  /* first of a talkspurt, or after a jump in time */
	bool silence; /* nothing of an utterance in it */
};

struct playout_flushed {
	char utterance[PLAYOUT_RING_ID_SIZE]; /* the one that was playing */
	uint32_t heard_ms;                    /* of it, really sent */
	uint32_t dropped_ms; /* of all utterances, rounded up */
};

/* What is known of an utterance; in ms, rounded down. */
struct playout_utterance {
	uint32_t taken_ms;
	uint32_t sent_ms;
	bool ended;     /* no more audio of it will come */
	bool cancelled; /* flushed */
};

struct playout_stats {
	uint64_t speech_frames;  /* by this process */
	uint64_t silence_frames; /* by this process */
	uint64_t underruns;      /* talkspurts that ran dry before their end */
	uint64_t skipped_frames; /* periods without a packet: we were late */
};

/* Maps the call's ring, new or left over. Errors as playout_ring_attach. */
int playout_new(struct playout **playout_out, int ring_fd, enum g711_law law,
    playout_sent_fn *on_sent, void *arg);
void playout_free(struct playout **playout);

/*
 * Queues audio of an utterance; the first call for an id begins it and ends
 * the one before. Returns the bytes taken (fewer than `len` when the ring
 * fills up), or -ENOBUFS (ring or table full, nothing taken), -ECANCELED (it
 * was flushed: late audio, to be dropped), -EALREADY (ended), -EINVAL (no id).
 */
ssize_t playout_append(
    struct playout *p, const char *utterance, const uint8_t *audio, size_t len);

/*
 * No more audio of this utterance will come; its tail is padded with silence.
 * 0, -ENOENT (not known), -ECANCELED (flushed) or -EALREADY.
 */
int playout_end(struct playout *p, const char *utterance);

/*
 * Barge-in: drops everything queued, at once; the next frame is silence.
 * Utterances that were not complete are cancelled for good. Returns true and
 * fills `flushed_out` (may be NULL) if there was one, false if nothing was
 * queued or open.
 */
bool playout_flush(struct playout *p, struct playout_flushed *flushed_out);

/* While held, frames are silence and the queue waits. Kept across processes. */
void playout_hold(struct playout *p);
void playout_release(struct playout *p);
bool playout_is_held(const struct playout *p);

/* No frame was made of it yet, by nobody: its caller heard nothing so far. */
bool playout_is_new(const struct playout *p);

/* How much is queued that has not been sent, held or not; rounded up. */
uint32_t playout_remaining_ms(const struct playout *p);

/*
 * How much of an utterance was really sent, in ms, rounded down; of flushed and
 * complete ones too. -ENOENT when it is not among the last 16.
 */
int64_t playout_heard_ms(const struct playout *p, const char *utterance);

/* The same and more, also of what a predecessor queued. 0 or -ENOENT. */
int playout_find(const struct playout *p, const char *utterance,
    struct playout_utterance *found_out);

/*
 * The next 20 ms, for the caller to send: speech if a talkspurt runs or can
 * begin (one frame more than this one queued, or utterance ended), or silence.
 */
void playout_next(struct playout *p, struct playout_frame *frame_out);

/* Would playout_next() give speech now? */
bool playout_is_due(const struct playout *p);

/*
 * Instead of playout_next(), for a frame of silence before a talkspurt that is
 * due: another sound may end in it. Not inside a talkspurt.
 */
void playout_next_silence(struct playout *p, struct playout_frame *frame_out);

/* `frames` periods passed without a packet: the timestamp follows the clock. */
void playout_skip(struct playout *p, uint64_t frames);

/* Calls `on_sent` for what is complete. After the frame was sent. */
void playout_report(struct playout *p);

/* Deadline of the next frame, for a successor to stay on the grid; 0 unset. */
uint64_t playout_deadline_ns(const struct playout *p);
void playout_set_deadline_ns(struct playout *p, uint64_t next_ns);

void playout_get_stats(
    const struct playout *p, struct playout_stats *stats_out);

#endif
