/* SPDX-License-Identifier: MIT */
/*
 * journal.c – append-only history in shared memory. What the memory says is
 * copied out, bounded and checked by CRC before any of it is used: readers
 * share it with a process that may be alive, dead or out of its mind.
 */
#include "common/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/clock.h"
#include "common/crc32.h"
#include "common/log.h"
#include "common/shared_memory.h"

#define ENTRY_HEAD  ((uint32_t)sizeof(struct journal_entry_header))
#define FIRST_ENTRY ((uint32_t)sizeof(struct journal_header))
#define NS_PER_S    UINT64_C(1000000000)

#define DAMAGED_RUN_MAX 64u

#define FULL_BODY     "{}"
/* Kept free: the entry that says "full", and the final one. */
#define RESERVE_FULL  (ENTRY_HEAD + 8u)
#define RESERVE_FINAL (ENTRY_HEAD + JOURNAL_FINAL_MAX)

_Static_assert(sizeof(struct journal_header) == 32, "format");
_Static_assert(sizeof(struct journal_entry_header) == 32, "format");

struct journal {
	uint8_t *memory;
	uint32_t total_len;
	uint32_t end;    /* where the next entry begins */
	uint32_t number; /* of the next entry */
	uint32_t dropped;
	bool full;  /* JOURNAL_FULL was written */
	bool final; /* JOURNAL_FINAL was written */
};

struct journal_reader {
	uint8_t *memory; /* mapped read-only */
	uint32_t total_len;
	uint32_t at; /* where the next entry begins */
	uint32_t damaged;
	char body[JOURNAL_BODY_MAX + 1];
};

const char *
journal_type_name(unsigned type)
{
	switch (type) {
#define JOURNAL_NAME(NAME, value, name)                                        \
	case value:                                                            \
		return name;
		JOURNAL_TYPES(JOURNAL_NAME)
#undef JOURNAL_NAME
	default:
		return "unknown";
	}
}

/* Bytes that an entry occupies; `body_len` is at most JOURNAL_BODY_MAX. */
static uint32_t
entry_size(uint32_t body_len)
{
	return ENTRY_HEAD + ((body_len + 7u) & ~7u);
}

static uint32_t
entry_crc(const struct journal_entry_header *head, const void *body)
{
	struct journal_entry_header copy = *head;

	copy.crc = 0;
	return crc32_update(
	    crc32_update(0, &copy, sizeof(copy)), body, head->body_len);
}

int
journal_memfd_create(int *fd_out)
{
	return journal_memfd_create_sized(JOURNAL_LEN, fd_out);
}

int
journal_memfd_create_sized(uint32_t len, int *fd_out)
{
	const struct journal_header header = {
	    .magic = JOURNAL_MAGIC,
	    .version = JOURNAL_VERSION,
	    .header_len = sizeof(struct journal_header),
	    .entry_len = sizeof(struct journal_entry_header),
	    .total_len = len,
	};

	if (len < JOURNAL_LEN_MIN || len > JOURNAL_LEN_MAX || len % 8 != 0)
		return -EINVAL;
	return shared_memory_create(
	    "telefonista-journal", len, &header, sizeof(header), fd_out);
}

/* Maps a journal and checks its header, of which the caller gets a copy. */
static int
map_journal(int fd, int protection, uint8_t **memory_out,
    struct journal_header *header_out)
{
	struct journal_header header;
	void *memory = NULL;
	uint32_t len = 0;
	int rc = shared_memory_map(
	    fd, protection, JOURNAL_LEN_MIN, JOURNAL_LEN_MAX, &memory, &len);

	if (rc < 0)
		return rc;
	memcpy(&header, memory, sizeof(header));
	if (header.magic != JOURNAL_MAGIC ||
	    header.version != JOURNAL_VERSION ||
	    header.header_len != sizeof(header) ||
	    header.entry_len != ENTRY_HEAD || header.total_len != len ||
	    header.zero != 0 || len % 8 != 0) {
		munmap(memory, len);
		return -EBADMSG;
	}
	*header_out = header;
	*memory_out = memory;
	return 0;
}

int
journal_reader_new(struct journal_reader **reader_out, int fd)
{
	struct journal_reader *r = calloc(1, sizeof(*r));
	struct journal_header header = {0};
	uint8_t *memory = NULL;
	int rc;

	if (r == NULL)
		return -ENOMEM;
	rc = map_journal(fd, PROT_READ, &memory, &header);
	if (rc < 0) {
		free(r);
		return rc;
	}
	r->memory = memory;
	r->total_len = header.total_len;
	r->at = FIRST_ENTRY;
	*reader_out = r;
	return 0;
}

void
journal_reader_free(struct journal_reader **reader)
{
	struct journal_reader *r = *reader;

	if (r == NULL)
		return;
	munmap(r->memory, r->total_len);
	free(r);
	*reader = NULL;
}

uint32_t
journal_reader_damaged(const struct journal_reader *r)
{
	return r->damaged;
}

/* Copies the head of an entry at `at` out; false if it cannot be one. */
static bool
copy_head(const struct journal_reader *r, uint32_t at,
    struct journal_entry_header *head)
{
	if (at > r->total_len - ENTRY_HEAD)
		return false;
	memcpy(head, r->memory + at, sizeof(*head));
	atomic_thread_fence(memory_order_acquire);
	return head->body_len > 0 && head->body_len <= JOURNAL_BODY_MAX &&
	       entry_size(head->body_len) <= r->total_len - at;
}

/* Copies the entry at `at` out, into `head` and r->body; false if damaged. */
static bool
copy_entry(
    struct journal_reader *r, uint32_t at, struct journal_entry_header *head)
{
	if (!copy_head(r, at, head))
		return false;
	memcpy(r->body, r->memory + at + ENTRY_HEAD, head->body_len);
	r->body[head->body_len] = '\0';
	return head->zero == 0 && head->type != 0 &&
	       head->crc == entry_crc(head, r->body);
}

/* The next whole entry, also behind damaged ones whose lengths are right. */
static bool
find_entry(struct journal_reader *r, struct journal_entry_header *head)
{
	struct journal_entry_header bad;
	uint32_t at = r->at;

	for (uint32_t damaged = 0; damaged < DAMAGED_RUN_MAX; damaged++) {
		if (copy_entry(r, at, head)) {
			r->at = at;
			r->damaged += damaged;
			return true;
		}
		if (!copy_head(r, at, &bad))
			break;
		at += entry_size(bad.body_len);
	}
	return false;
}

int
journal_reader_next(struct journal_reader *r, struct journal_entry *entry_out)
{
	struct journal_entry_header head;

	if (!find_entry(r, &head))
		return 0;
	r->at += entry_size(head.body_len);
	*entry_out = (struct journal_entry){
	    .type = head.type,
	    .number = head.number,
	    .mono_ns = head.mono_ns,
	    .wall_s = head.wall_s,
	    .body = r->body,
	    .body_len = head.body_len,
	};
	return 1;
}

/* Finds the end of what an earlier writer left, and what kinds it wrote. */
static int
find_end(struct journal *j, int fd)
{
	struct journal_reader *r;
	struct journal_entry entry;
	int rc = journal_reader_new(&r, fd);

	if (rc < 0)
		return rc;
	while (journal_reader_next(r, &entry) > 0) {
		j->number = entry.number + 1;
		j->full |= entry.type == JOURNAL_FULL;
		j->final |= entry.type == JOURNAL_FINAL;
	}
	j->end = r->at;
	journal_reader_free(&r);
	return 0;
}

/*
 * Makes the memory behind the end read as zeros again: the remains of a torn
 * entry could otherwise follow a shorter one written over it.
 */
static void
wipe_tail(struct journal *j, int fd)
{
	static const uint8_t zeros[ENTRY_HEAD];
	uint32_t len = j->total_len - j->end;

	if (len >= ENTRY_HEAD &&
	    memcmp(j->memory + j->end, zeros, ENTRY_HEAD) != 0)
		log_warn("journal ended in a torn entry offset=%u", j->end);
	if (len > 0 && fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			   (off_t)j->end, (off_t)len) != 0)
		memset(j->memory + j->end, 0, len);
}

int
journal_attach(struct journal **journal_out, int fd)
{
	struct journal *j = calloc(1, sizeof(*j));
	struct journal_header header = {0};
	int rc;

	if (j == NULL)
		return -ENOMEM;
	rc = map_journal(fd, PROT_READ | PROT_WRITE, &j->memory, &header);
	if (rc < 0) {
		free(j);
		return rc;
	}
	j->total_len = header.total_len;
	j->dropped = header.dropped;
	j->number = 1;
	rc = find_end(j, fd);
	if (rc < 0) {
		journal_free(&j);
		return rc;
	}
	wipe_tail(j, fd);
	*journal_out = j;
	return 0;
}

void
journal_free(struct journal **journal)
{
	struct journal *j = *journal;

	if (j == NULL)
		return;
	munmap(j->memory, j->total_len);
	free(j);
	*journal = NULL;
}

/*
 * Body first, then the head: killed in between, the place still reads as the
 * end or fails its CRC. Room was checked.
 */
static void
write_entry(
    struct journal *j, unsigned type, const char *body, uint32_t body_len)
{
	uint8_t *at = j->memory + j->end;
	struct journal_entry_header head = {
	    .body_len = body_len,
	    .type = (uint16_t)type,
	    .number = j->number,
	    .mono_ns = clock_now_ns(),
	    .wall_s = (uint64_t)clock_wall(),
	};

	assert(entry_size(body_len) <= j->total_len - j->end);
	head.crc = entry_crc(&head, body);
	memcpy(at + ENTRY_HEAD, body, body_len);
	atomic_thread_fence(memory_order_seq_cst);
	memcpy(at, &head, sizeof(head));
	atomic_thread_fence(memory_order_seq_cst);
	j->end += entry_size(body_len);
	j->number++;
}

static void
count_drop(struct journal *j)
{
	if (j->dropped < UINT32_MAX)
		j->dropped++;
	memcpy(j->memory + offsetof(struct journal_header, dropped),
	    &j->dropped, sizeof(j->dropped));
}

/* Bytes free beyond what is kept for "full" and the final entry. */
static uint32_t
room(const struct journal *j)
{
	uint32_t free_len = j->total_len - j->end;
	uint32_t reserve = RESERVE_FULL + RESERVE_FINAL;

	return free_len > reserve ? free_len - reserve : 0;
}

static void
note_full(struct journal *j)
{
	if (j->full)
		return;
	j->full = true;
	log_warn("journal full, later entries are dropped entries=%u bytes=%u",
	    j->number - 1, j->end);
	if (j->total_len - j->end >= RESERVE_FULL)
		write_entry(
		    j, JOURNAL_FULL, FULL_BODY, (uint32_t)strlen(FULL_BODY));
}

int
journal_append(struct journal *j, enum journal_type type, const char *body,
    size_t body_len)
{
	assert(type != JOURNAL_FULL && type != JOURNAL_FINAL);
	if (body_len == 0)
		return -EINVAL;
	if (body_len > JOURNAL_BODY_MAX)
		return -EMSGSIZE;
	if (j->final)
		return -EALREADY;
	/* Once full, always full: what comes after a hole would mislead. */
	if (j->full || entry_size((uint32_t)body_len) > room(j)) {
		note_full(j);
		count_drop(j);
		return -ENOSPC;
	}
	write_entry(j, type, body, (uint32_t)body_len);
	return 0;
}

int
journal_append_final(struct journal *j, const char *body, size_t body_len)
{
	if (body_len == 0)
		return -EINVAL;
	if (body_len > JOURNAL_FINAL_MAX)
		return -EMSGSIZE;
	if (j->final)
		return -EALREADY;
	if (entry_size((uint32_t)body_len) > j->total_len - j->end) {
		count_drop(j);
		return -ENOSPC;
	}
	write_entry(j, JOURNAL_FINAL, body, (uint32_t)body_len);
	j->final = true;
	return 0;
}

uint32_t
journal_dropped(const struct journal *j)
{
	return j->dropped;
}
