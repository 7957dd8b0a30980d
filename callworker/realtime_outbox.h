/* SPDX-License-Identifier: MIT */
/*
 * realtime_outbox.h – what waits to go into a Realtime conversation: texts to
 * be said, items to be added, and whether an answer is wanted. Data only;
 * realtime_responses.c decides when.
 */
#ifndef CALLWORKER_REALTIME_OUTBOX_H
#define CALLWORKER_REALTIME_OUTBOX_H

#include "callworker/realtime_events.h"

enum {
	REALTIME_SAYS_MAX = 4,      /* waiting to be said */
	REALTIME_SAYS_RETURNED = 2, /* room for those that come back */
	REALTIME_TEXTS_MAX = 32,    /* items, beyond which no text is taken */
};

/* What a response is for: an answer, or (text != NULL) a text to be said. */
struct realtime_order {
	char *text;
	int tag;
};

void realtime_order_drop(struct realtime_order *order);

/* Moves FROM to TO, which must be empty. */
void realtime_order_move(
    struct realtime_order *to, struct realtime_order *from);

/* An item to be added, or added and not yet confirmed. */
struct realtime_item {
	char id[REALTIME_ID_SIZE];
	char event_id[REALTIME_ID_SIZE];
	char *json; /* NULL once taken */
};

/* Zero it to start. */
struct realtime_outbox {
	struct realtime_order says[REALTIME_SAYS_MAX + REALTIME_SAYS_RETURNED];
	unsigned says_count;
	struct realtime_item *items;
	unsigned items_count, items_room;
	bool unspoken; /* something was added that no response could see */
	bool wanted;   /* an answer to that is due */
	bool nudged;   /* an answer is due in any case */
};

void realtime_outbox_clear(struct realtime_outbox *box);
void realtime_outbox_clear_says(struct realtime_outbox *box);

/* Behind the others. 0, -ENOBUFS (REALTIME_SAYS_MAX wait) or -ENOMEM. */
int realtime_outbox_add_say(
    struct realtime_outbox *box, const char *text, int tag);

/* Takes ORDER; before the others. For it there is always room. */
void realtime_outbox_return_say(
    struct realtime_outbox *box, struct realtime_order *order);

/* Fills *ORDER_OUT (empty before) with the first. False when none waits. */
bool realtime_outbox_take_say(
    struct realtime_outbox *box, struct realtime_order *order_out);

/*
 * Takes JSON, the event EVENT_ID that adds ITEM_ID. 0, -ENOBUFS: MAX wait for
 * the service, or -ENOMEM (JSON is freed all the same). The result of a
 * function call is never too much: there are as many as the service asked for.
 */
int realtime_outbox_add_item(struct realtime_outbox *box, const char *item_id,
    const char *event_id, char *json, unsigned max);

/* The next item that was not taken yet: the caller frees it. Or NULL. */
char *realtime_outbox_take_item(struct realtime_outbox *box);

/* How many were taken and not confirmed; *EVENT_ID_OUT is of the last. */
unsigned realtime_outbox_sent_items(
    const struct realtime_outbox *box, const char **event_id_out);

/* The service has (or refuses) the item. Whether it was one of ours. */
bool realtime_outbox_confirm(struct realtime_outbox *box, const char *item_id);
bool realtime_outbox_refuse(struct realtime_outbox *box, const char *event_id);

/*
 * A response began. ORDERED: on our demand, after all items were sent; else
 * the service began it and saw only what it has confirmed.
 */
void realtime_outbox_answered(struct realtime_outbox *box, bool ordered);

#endif
