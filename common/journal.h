/* SPDX-License-Identifier: MIT */
/*
 * journal.h – a call's history in an append-only memfd: one process writes,
 * others read, also while it writes and after it died.
 *
 * Memory: a header, then entries on 8-byte boundaries. An entry counts when
 * its CRC is right; the first that is not (a writer killed in the middle) ends
 * the journal. Readers copy before they check, so a live writer cannot change
 * what was checked. The body is one JSON object by convention, unread here.
 */
#ifndef COMMON_JOURNAL_H
#define COMMON_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#define JOURNAL_MAGIC     UINT64_C(0x314c4e524a4c4554) /* "TELJRNL1" */
#define JOURNAL_VERSION   1u
#define JOURNAL_LEN       (4u << 20)
#define JOURNAL_LEN_MIN   65536u
#define JOURNAL_LEN_MAX   (64u << 20)
#define JOURNAL_BODY_MAX  65536u
#define JOURNAL_FINAL_MAX 8192u /* body of the final entry; kept free for it */

/* Numbers are part of the format: append only. */
#define JOURNAL_TYPES(X)                                                       \
	X(CALL, 1, "call")           /* call.assign: who, codec, persona */    \
	X(STATE, 2, "state")         /* a state machine moved */               \
	X(SESSION, 3, "session")     /* voice session up, lost, rotated */     \
	X(USER, 4, "user")           /* caller's turn: transcript */           \
	X(ASSISTANT, 5, "assistant") /* voice's turn: transcript */            \
	X(HEARD, 6, "heard")         /* how much of a turn was really sent */  \
	X(TOOL_CALL, 7, "tool_call")                                           \
	X(TOOL_PROGRESS, 8, "tool_progress")                                   \
	X(TOOL_RESULT, 9, "tool_result")                                       \
	X(DTMF, 10, "dtmf")                                                    \
	X(USAGE, 11, "usage")                                                  \
	X(ERROR, 12, "error")                                                  \
	X(NOTE, 13, "note")                                                    \
	X(FULL, 14, "full")   /* written by the journal itself, once */        \
	X(FINAL, 15, "final") /* journal_append_final */                       \
	X(ASIDE, 16, "aside") /* as HEARD, of what the voice does not know */  \
	X(CALLER, 17, "caller")     /* the caller begins, or ends, a turn */   \
	X(SPEAKING, 18, "speaking") /* an utterance begins: its tag */         \
	X(WORDS, 19, "words")       /* what it says, as it comes */            \
	X(BROKEN, 20, "broken") /* its voice went before it had said all */    \
	X(TOOL_REQUEST, 21, "tool_request") /* goes to the supervisor now */

enum journal_type {
#define JOURNAL_ENUM(NAME, number, name) JOURNAL_##NAME = number,
	JOURNAL_TYPES(JOURNAL_ENUM)
#undef JOURNAL_ENUM
};

const char *journal_type_name(unsigned type); /* "tool_call", "unknown" */

struct journal_header {
	uint64_t magic;
	uint32_t version;
	uint32_t header_len; /* sizeof this struct */
	uint32_t entry_len;  /* sizeof struct journal_entry_header */
	uint32_t total_len;  /* of the whole memory */
	uint32_t dropped;    /* entries refused for lack of room; a hint */
	uint32_t zero;
};

struct journal_entry_header {
	uint32_t body_len; /* 0 with type 0: end */
	uint16_t type;     /* enum journal_type */
	uint16_t zero;
	uint32_t number;  /* from 1, without holes */
	uint32_t crc;     /* CRC-32 of header (crc = 0) and body */
	uint64_t mono_ns; /* clock_now_ns() */
	uint64_t wall_s;  /* clock_wall(); may step, mono_ns does not */
};

struct journal_entry {
	unsigned type; /* may be unknown to this build */
	uint32_t number;
	uint64_t mono_ns; /* CLOCK_MONOTONIC of the same boot */
	uint64_t wall_s;  /* seconds since 1970 */
	const char *body; /* NUL-terminated; until the next read or free */
	size_t body_len;
};

struct journal;        /* the writer */
struct journal_reader; /* a reader */

/*
 * Creates the memory of one call, of JOURNAL_LEN or `len` bytes: a memfd, the
 * caller's, close-on-exec, sealed in size. 0 or -errno; -EINVAL out of bounds.
 */
int journal_memfd_create(int *fd_out);
int journal_memfd_create_sized(uint32_t len, int *fd_out);

/*
 * Attaches as the one writer, behind the last whole entry; a torn one is
 * wiped. -EBADMSG: not a journal, or damaged. The descriptor stays the caller's.
 */
int journal_attach(struct journal **journal_out, int fd);
void journal_free(struct journal **journal);

/*
 * Appends one entry, with the time of now. 0, -EINVAL (empty body), -EMSGSIZE
 * (over JOURNAL_BODY_MAX), -EALREADY (the final entry is written) or -ENOSPC:
 * full, counted, logged once; JOURNAL_FULL is the last entry then.
 */
int journal_append(struct journal *j, enum journal_type type, const char *body,
    size_t body_len);

/* The call's last entry, up to JOURNAL_FINAL_MAX; -EALREADY: there is one. */
int journal_append_final(struct journal *j, const char *body, size_t body_len);
uint32_t journal_dropped(const struct journal *j); /* refused, all writers */

/* Attaches to read from the first entry on. Errors as journal_attach. */
int journal_reader_new(struct journal_reader **reader_out, int fd);
void journal_reader_free(struct journal_reader **reader);

/*
 * 1 and the next entry, or 0 at the end: a later call may find more if the
 * writer lives. An entry damaged in the middle of the journal is passed over.
 */
int journal_reader_next(
    struct journal_reader *r, struct journal_entry *entry_out);
uint32_t journal_reader_damaged(const struct journal_reader *r); /* so far */

#endif
