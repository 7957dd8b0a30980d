/* SPDX-License-Identifier: MIT */
/*
 * access.c – the records of calls and the lock-out, in shared memory.
 *
 * Invariant: what raises a call's rights is written last (the key before the
 * flag that it is there), and what lowers them first (a try before it is
 * judged), so that dying in between never helps the caller.
 */
#include "supervisor/access.h"

#include "common/log.h"
#include "supervisor/ari.h"
#include "supervisor/lockout.h"
#include "supervisor/staff_pins.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

enum {
	MAGIC = 0x54454c41, /* of this layout */
	RECORDS_MAX = 3072,
	SETTLE_MS = 60000, /* then nobody comes back for a record */
};

struct record {
	uint8_t used;
	uint8_t staff;
	uint8_t known; /* customer[] is whose */
	uint8_t entering;
	uint8_t staff_tries;
	uint8_t customer_tries;
	uint8_t asked; /* an answer is being looked up, and counted as wrong */
	char call[ARI_ID_MAX];
	char customer[ACCESS_CUSTOMER_SIZE];
};

struct memory {
	uint32_t magic;
	uint32_t size;
	struct lockout lockout;
	struct record records[RECORDS_MAX];
};

_Static_assert(sizeof(struct memory) <= ACCESS_MEMORY_SIZE, "it must fit");

struct access_call {
	struct access *access;
	struct record *record;
	bool entering; /* since this supervisor */
};

struct access {
	struct memory *memory;
	struct staff_pins *pins;
	uint64_t (*now_ms)(void);
	uint64_t born_ms;
	unsigned int entering; /* calls */
	int dumpable;          /* while nobody enters anything */
	/* So many here have it: a channel can come back before its earlier
	 * call has ended. */
	uint8_t open[RECORDS_MAX];
};

int
access_new(struct access **access_out, int fd, uint64_t (*now_ms)(void))
{
	struct access *access = calloc(1, sizeof(*access));
	int flags = fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED;
	char why[STAFF_PINS_WHY_SIZE];
	int ret = -ENOMEM;

	if (access == NULL)
		return -ENOMEM;
	access->now_ms = now_ms;
	access->born_ms = now_ms();
	access->memory = mmap(
	    NULL, ACCESS_MEMORY_SIZE, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (access->memory == MAP_FAILED) {
		access->memory = NULL;
		ret = -errno;
		goto fail;
	}
	if (access->memory->magic != MAGIC ||
	    access->memory->size != sizeof(struct memory)) {
		memset(access->memory, 0, sizeof(struct memory));
		access->memory->size = sizeof(struct memory);
		access->memory->magic = MAGIC;
	}
	ret = staff_pins_new(&access->pins, "", why);
	if (ret < 0)
		goto fail;
	*access_out = access;
	return 0;

fail:
	access_free(&access);
	return ret;
}

void
access_free(struct access **access_ptr)
{
	struct access *access = *access_ptr;

	if (access == NULL)
		return;
	*access_ptr = NULL;
	staff_pins_free(&access->pins);
	if (access->memory != NULL)
		munmap(access->memory, ACCESS_MEMORY_SIZE);
	free(access);
}

int
access_set_pins(struct access *access, const char *list)
{
	struct staff_pins *pins = NULL;
	char why[STAFF_PINS_WHY_SIZE];
	int ret = staff_pins_new(&pins, list, why);

	if (ret < 0)
		return ret;
	staff_pins_free(&access->pins);
	access->pins = pins;
	return 0;
}

/*
 * The page of a secret_entry is in no core dump; what the network brought is
 * in others. So there is none while somebody dials.
 */
static void
count_entering(struct access *access, bool entering)
{
	if (entering && access->entering++ == 0) {
		access->dumpable = prctl(PR_GET_DUMPABLE);
		prctl(PR_SET_DUMPABLE, 0);
	} else if (!entering && --access->entering == 0) {
		prctl(PR_SET_DUMPABLE, access->dumpable == 1 ? 1 : 0);
	}
}

/* -- records -------------------------------------------------------------------- */

static bool
is_of(const struct record *record, const char *call)
{
	return record->used != 0 &&
	       strncmp(record->call, call, sizeof(record->call)) == 0;
}

static struct record *
find_record(struct access *access, const char *call)
{
	bool settled = access->now_ms() - access->born_ms >= SETTLE_MS;
	struct record *records = access->memory->records;
	struct record *best = NULL;

	for (size_t i = 0; i < RECORDS_MAX; i++) {
		if (is_of(&records[i], call))
			return &records[i];
		if (best == NULL &&
		    (records[i].used == 0 || (settled && access->open[i] == 0)))
			best = &records[i];
	}
	return best;
}

struct access_call *
access_open(struct access *access, const char *id, bool adopted)
{
	struct record *record = access == NULL ? NULL : find_record(access, id);
	struct access_call *call = calloc(1, sizeof(*call));

	if (record == NULL || call == NULL || strlen(id) >= ARI_ID_MAX ||
	    access->open[record - access->memory->records] == UINT8_MAX) {
		if (access != NULL)
			log_err("call=%s no room to know who it is", id);
		free(call);
		return NULL;
	}
	if (!is_of(record, id)) {
		memset(record, 0, sizeof(*record));
		snprintf(record->call, sizeof(record->call), "%s", id);
		atomic_signal_fence(memory_order_seq_cst);
		record->used = 1;
	} else if (!adopted) {
		record->staff = record->known = record->entering = 0;
	} else if (record->staff || record->known) {
		log_info("call=%s is still known class=%s", id,
		    record->staff ? "staff" : "customer");
	}
	/* Nobody will tell us what came of it: it will be asked again. */
	if (record->asked && record->customer_tries > 0)
		record->customer_tries--;
	record->asked = 0;
	record->customer[sizeof(record->customer) - 1] = '\0';
	access->open[record - access->memory->records]++;
	call->access = access;
	call->record = record;
	return call;
}

void
access_close(struct access_call **call_ptr, bool over)
{
	struct access_call *call = *call_ptr;
	uint8_t left;

	if (call == NULL)
		return;
	*call_ptr = NULL;
	if (call->entering)
		count_entering(call->access, false);
	left =
	    --call->access->open[call->record - call->access->memory->records];
	if (over && left == 0)
		explicit_bzero(call->record, sizeof(*call->record));
	free(call);
}

/* -- classes ---------------------------------------------------------------------- */

enum tool_who
access_class(const struct access_call *call)
{
	if (call == NULL)
		return TOOL_WHO_PUBLIC;
	if (call->record->staff)
		return TOOL_WHO_STAFF;
	return call->record->known ? TOOL_WHO_CUSTOMER : TOOL_WHO_PUBLIC;
}

const char *
access_customer(const struct access_call *call)
{
	return call != NULL && call->record->known ? call->record->customer
						   : "";
}

bool
access_may(const struct access_call *call, enum tool_who who)
{
	switch (who) {
	case TOOL_WHO_PUBLIC:
		return true;
	case TOOL_WHO_CUSTOMER:
	case TOOL_WHO_STAFF:
		return access_class(call) >= who;
	case TOOL_WHO_SERVICE:
		return false; /* no voice may, whoever calls */
	}
	return false;
}

void
access_set_staff(struct access_call *call, const char *why)
{
	if (call == NULL || call->record->staff)
		return;
	log_info("call=%s class=staff (%s)", call->record->call, why);
	call->record->staff = 1;
}

/* -- tries --------------------------------------------------------------------------- */

static enum lockout_kind
kind_of(enum tool_who who)
{
	return who == TOOL_WHO_STAFF ? LOCKOUT_STAFF : LOCKOUT_CUSTOMER;
}

static uint8_t *
tries_of(struct record *record, enum tool_who who)
{
	return who == TOOL_WHO_STAFF ? &record->staff_tries
				     : &record->customer_tries;
}

unsigned int
access_tries_left(const struct access_call *call, enum tool_who who)
{
	unsigned int tries = *tries_of(call->record, who);

	return tries < ACCESS_TRIES_MAX ? ACCESS_TRIES_MAX - tries : 0;
}

const char *
access_locked(
    const struct access_call *call, enum tool_who who, const char *number)
{
	if (call == NULL || access_tries_left(call, who) == 0)
		return "call";
	return lockout_reason(&call->access->memory->lockout, kind_of(who),
	    number, call->access->now_ms());
}

/* Before it is known whether it is. */
static void
count_wrong(struct access_call *call, enum tool_who who, const char *number)
{
	(*tries_of(call->record, who))++;
	lockout_add(&call->access->memory->lockout, kind_of(who), number,
	    call->access->now_ms());
}

static void
count_back(struct access_call *call, enum tool_who who, const char *number)
{
	uint8_t *tries = tries_of(call->record, who);

	*tries = (uint8_t)(*tries > 0 ? *tries - 1 : 0);
	lockout_take_back(&call->access->memory->lockout, kind_of(who), number);
}

/* For the operator: somebody guesses. */
static void
log_wrong(struct access_call *call, enum tool_who who, const char *number)
{
	const char *locked = access_locked(call, who, number);

	log_warn("call=%s refused: wrong %s left=%u%s%s", call->record->call,
	    who == TOOL_WHO_STAFF ? "PIN" : "answer of a customer",
	    access_tries_left(call, who), locked != NULL ? " locked=" : "",
	    locked != NULL ? locked : "");
	if (locked != NULL && strcmp(locked, "everybody") == 0)
		log_err("alarm=lockout too many wrong %s in an hour, nobody "
			"may try any more",
		    who == TOOL_WHO_STAFF ? "PINs" : "answers");
}

static enum access_verdict
wrong(struct access_call *call, enum tool_who who, const char *number)
{
	log_wrong(call, who, number);
	return access_locked(call, who, number) != NULL ? ACCESS_LOCKED
							: ACCESS_WRONG;
}

enum access_verdict
access_try_pin(struct access_call *call, const char *number, const char *digits,
    size_t len)
{
	const char *name;

	if (access_locked(call, TOOL_WHO_STAFF, number) != NULL)
		return ACCESS_LOCKED;
	count_wrong(call, TOOL_WHO_STAFF, number);
	name = staff_pins_match(call->access->pins, digits, len);
	if (name != NULL) {
		char why[STAFF_PINS_NAME_SIZE + 16];

		count_back(call, TOOL_WHO_STAFF, number);
		snprintf(why, sizeof(why), "PIN of %s", name);
		access_set_staff(call, why);
		return ACCESS_GRANTED;
	}
	return wrong(call, TOOL_WHO_STAFF, number);
}

enum access_verdict
access_factor_wrong(struct access_call *call, const char *number)
{
	call->record->asked = 0;
	return wrong(call, TOOL_WHO_CUSTOMER, number);
}

void
access_factor_asked(struct access_call *call, const char *number)
{
	count_wrong(call, TOOL_WHO_CUSTOMER, number);
	call->record->asked = 1;
}

void
access_factor_unknown(struct access_call *call, const char *number)
{
	call->record->asked = 0;
	count_back(call, TOOL_WHO_CUSTOMER, number);
}

/* What a database gave as a key goes into queries as it is. */
static bool
is_key(const char *key)
{
	for (const char *c = key; *c != '\0'; c++) {
		if ((unsigned char)*c <= 0x20 || (unsigned char)*c == 0x7f)
			return false;
	}
	return key[0] != '\0' && strlen(key) < ACCESS_CUSTOMER_SIZE;
}

int
access_factor_right(
    struct access_call *call, const char *number, const char *key)
{
	struct record *record = call->record;

	if (!is_key(key))
		return -EINVAL;
	record->asked = 0;
	count_back(call, TOOL_WHO_CUSTOMER, number);
	record->known = 0;
	atomic_signal_fence(memory_order_seq_cst);
	snprintf(record->customer, sizeof(record->customer), "%s", key);
	atomic_signal_fence(memory_order_seq_cst);
	record->known = 1;
	log_info("call=%s class=%s (a customer's answer was right)",
	    record->call, record->staff ? "staff" : "customer");
	return 0;
}

/* -- secret digits ------------------------------------------------------------------- */

void
access_set_entering(struct access_call *call, bool entering)
{
	if (call == NULL || call->entering == entering)
		return;
	call->entering = entering;
	call->record->entering = entering;
	count_entering(call->access, entering);
}

bool
access_is_entering(const struct access_call *call)
{
	return call != NULL && call->record->entering != 0;
}
