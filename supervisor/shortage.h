/* SPDX-License-Identifier: MIT */
/*
 * shortage.h – what runs out: one alarm for each, a reserve for those who are
 * under way, and whether there is enough for one more call.
 *
 * New calls are refused while a good deal is still left, since rescues,
 * reconnects, tools and the refusals themselves need some of it. Besides,
 * descriptors and memory are kept in reserve for when another process of the
 * machine, or a limit that was lowered, leaves nothing.
 */
#ifndef SUPERVISOR_SHORTAGE_H
#define SUPERVISOR_SHORTAGE_H

struct event_base;
struct shortages;

enum shortage {
	SHORTAGE_DESCRIPTORS,
	SHORTAGE_MEMORY,
	SHORTAGE_PORTS,
	SHORTAGE_PROCESSES,
};

enum {
	SHORTAGE_COUNT = SHORTAGE_PROCESSES + 1,
	/* What must be left, besides the reserve, for a call to be taken. */
	SHORTAGE_DESCRIPTORS_LEFT = 48,
	SHORTAGE_ALARM_MS = 60000, /* an alarm for each at most so often */
};

int shortages_new(struct shortages **shortages_out, struct event_base *base);
/* NULL-safe, clears. */
void shortages_free(struct shortages **shortages);

/*
 * NULL if there is enough for one more call; else why not, in words for the
 * log: then the alarm was given, and the reserve is free for the refusal.
 * SHORTAGES may be NULL in all functions: nothing ever runs out, or is told.
 */
const char *shortages_refuse(struct shortages *shortages);

/*
 * Something was not to be had. ERROR (an errno) says what it was: see
 * shortage_of(). The reserve is free for what has to be done now; a second
 * later it is filled again.
 */
void shortage_met(
    struct shortages *shortages, enum shortage what, const char *detail);

/* There was enough of it: says so once, if it was said that there was not. */
void shortage_over(struct shortages *shortages, enum shortage what);

/* EMFILE and ENFILE are descriptors, ENOMEM is memory, others are OTHER. */
enum shortage shortage_of(int error, enum shortage other);

#endif
