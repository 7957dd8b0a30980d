/* SPDX-License-Identifier: MIT */
/*
 * shortage.c – alarms about what runs out, and the reserve.
 *
 * Invariant: what is in reserve is held, or was given up after a shortage: then
 * the timer tries to have it again.
 */
#include "supervisor/shortage.h"

#include "common/clock.h"
#include "common/headroom.h"
#include "common/log.h"

#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	TURN_MS = 1000,
	/* Connections to Asterisk for refusals, and to resolve a name. */
	RESERVE_DESCRIPTORS = 12,
	RESERVE_MEMORY = 4 * 1024 * 1024,
	MEMORY_LEFT = 1024 * 1024, /* for one more call to be taken */
};

struct kind {
	const char *alarm;
	const char *why;     /* a call is refused */
	const char *too_few; /* the alarm's sentence */
	const char *enough;
};

static const struct kind kinds[SHORTAGE_COUNT] = {
    [SHORTAGE_DESCRIPTORS] = {"descriptors", "no descriptors left",
	"no descriptors are left for new calls, see LimitNOFILE",
	"descriptors suffice again"},
    [SHORTAGE_MEMORY] = {"memory", "no memory left",
	"no memory is left for new calls", "memory suffices again"},
    [SHORTAGE_PORTS] = {"rtp_port", "no RTP port",
	"no RTP port is left, see RTP_PORT_MIN and RTP_PORT_MAX",
	"RTP ports suffice again"},
    [SHORTAGE_PROCESSES] = {"process", "no process can be started",
	"a process cannot be started, see TasksMax",
	"processes can be started again"},
};

struct state {
	bool on;      /* met, and not over since */
	bool told;    /* … and an alarm was given */
	bool alarmed; /* at any time */
	uint64_t told_ms;
	unsigned int untold; /* since then */
};

struct shortages {
	struct state states[SHORTAGE_COUNT];
	struct event *timer;
	int fds[RESERVE_DESCRIPTORS]; /* each a file of its own: ENFILE */
	void *memory;                 /* or MAP_FAILED */
};

/* -- the reserve ------------------------------------------------------------- */

static bool
fill_descriptors(struct shortages *shortages)
{
	for (int i = 0; i < RESERVE_DESCRIPTORS; i++) {
		if (shortages->fds[i] < 0)
			shortages->fds[i] = eventfd(0, EFD_CLOEXEC);
		if (shortages->fds[i] < 0)
			return false;
	}
	return true;
}

/* Promised, not used: it is about limits, not about pages. */
static bool
fill_memory(struct shortages *shortages)
{
	if (shortages->memory == MAP_FAILED)
		shortages->memory = mmap(NULL, RESERVE_MEMORY,
		    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return shortages->memory != MAP_FAILED;
}

static void
give_up_descriptors(struct shortages *shortages)
{
	for (int i = 0; i < RESERVE_DESCRIPTORS; i++) {
		if (shortages->fds[i] >= 0)
			close(shortages->fds[i]);
		shortages->fds[i] = -1;
	}
}

static void
give_up_memory(struct shortages *shortages)
{
	if (shortages->memory != MAP_FAILED)
		munmap(shortages->memory, RESERVE_MEMORY);
	shortages->memory = MAP_FAILED;
}

static bool
has_descriptors(struct shortages *shortages)
{
	return fill_descriptors(shortages) &&
	       headroom_has_descriptors(SHORTAGE_DESCRIPTORS_LEFT);
}

static bool
has_memory(struct shortages *shortages)
{
	void *more;

	if (!fill_memory(shortages))
		return false;
	more = malloc(MEMORY_LEFT);
	free(more);
	return more != NULL;
}

/* -- alarms --------------------------------------------------------------------- */

static void
give_alarm(struct state *state, enum shortage what, const char *detail)
{
	uint64_t now_ms = clock_now_ms();

	state->on = true;
	if (state->alarmed && now_ms - state->told_ms < SHORTAGE_ALARM_MS) {
		state->untold++;
		return;
	}
	log_err("alarm=%s %s reason=\"%s\" suppressed=%u", kinds[what].alarm,
	    kinds[what].too_few, detail, state->untold);
	state->alarmed = state->told = true;
	state->told_ms = now_ms;
	state->untold = 0;
}

void
shortage_met(
    struct shortages *shortages, enum shortage what, const char *detail)
{
	if (shortages == NULL)
		return;
	if (what == SHORTAGE_DESCRIPTORS)
		give_up_descriptors(shortages);
	else if (what == SHORTAGE_MEMORY)
		give_up_memory(shortages);
	give_alarm(&shortages->states[what], what, detail);
}

void
shortage_over(struct shortages *shortages, enum shortage what)
{
	struct state *state;

	if (shortages == NULL || !shortages->states[what].on)
		return;
	state = &shortages->states[what];
	if (state->told)
		log_info("%s suppressed=%u", kinds[what].enough, state->untold);
	state->on = state->told = false;
}

enum shortage
shortage_of(int error, enum shortage other)
{
	if (error == EMFILE || error == ENFILE)
		return SHORTAGE_DESCRIPTORS;
	return error == ENOMEM ? SHORTAGE_MEMORY : other;
}

/* -- one more call ---------------------------------------------------------------- */

const char *
shortages_refuse(struct shortages *shortages)
{
	enum shortage what;

	if (shortages == NULL)
		return NULL;
	if (!has_descriptors(shortages))
		what = SHORTAGE_DESCRIPTORS;
	else if (!has_memory(shortages))
		what = SHORTAGE_MEMORY;
	else
		return NULL;
	shortage_met(shortages, what, "a call is refused");
	return kinds[what].why;
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct shortages *shortages = arg;

	(void)fd;
	(void)what;
	if (!shortages->states[SHORTAGE_DESCRIPTORS].on)
		(void)fill_descriptors(shortages);
	else if (has_descriptors(shortages))
		shortage_over(shortages, SHORTAGE_DESCRIPTORS);
	if (!shortages->states[SHORTAGE_MEMORY].on)
		(void)fill_memory(shortages);
	else if (has_memory(shortages))
		shortage_over(shortages, SHORTAGE_MEMORY);
}

int
shortages_new(struct shortages **shortages_out, struct event_base *base)
{
	static const struct timeval interval = {.tv_sec = TURN_MS / 1000};
	struct shortages *shortages = calloc(1, sizeof(*shortages));

	if (shortages == NULL)
		return -ENOMEM;
	for (int i = 0; i < RESERVE_DESCRIPTORS; i++)
		shortages->fds[i] = -1;
	shortages->memory = MAP_FAILED;
	shortages->timer = event_new(base, -1, EV_PERSIST, on_turn, shortages);
	if (shortages->timer == NULL ||
	    event_add(shortages->timer, &interval) < 0) {
		shortages_free(&shortages);
		return -ENOMEM;
	}
	(void)fill_descriptors(shortages);
	(void)fill_memory(shortages);
	*shortages_out = shortages;
	return 0;
}

void
shortages_free(struct shortages **shortages_ptr)
{
	struct shortages *shortages = *shortages_ptr;

	if (shortages == NULL)
		return;
	*shortages_ptr = NULL;
	give_up_descriptors(shortages);
	give_up_memory(shortages);
	if (shortages->timer != NULL)
		event_free(shortages->timer);
	free(shortages);
}
