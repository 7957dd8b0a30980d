/* SPDX-License-Identifier: MIT */
/*
 * realtime_outbox.c – queues of a Realtime conversation.
 *
 * Invariant: says[] and items[] are dense and in the order of arrival.
 */
#include "callworker/realtime_outbox.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
realtime_order_drop(struct realtime_order *order)
{
	free(order->text);
	memset(order, 0, sizeof(*order));
}

void
realtime_order_move(struct realtime_order *to, struct realtime_order *from)
{
	assert(to->text == NULL);
	*to = *from;
	memset(from, 0, sizeof(*from));
}

void
realtime_outbox_clear_says(struct realtime_outbox *box)
{
	for (unsigned i = 0; i < box->says_count; i++)
		realtime_order_drop(&box->says[i]);
	box->says_count = 0;
}

void
realtime_outbox_clear(struct realtime_outbox *box)
{
	realtime_outbox_clear_says(box);
	for (unsigned i = 0; i < box->items_count; i++)
		free(box->items[i].json);
	free(box->items);
	memset(box, 0, sizeof(*box));
}

int
realtime_outbox_add_say(struct realtime_outbox *box, const char *text, int tag)
{
	struct realtime_order *order = &box->says[box->says_count];

	if (box->says_count >= REALTIME_SAYS_MAX)
		return -ENOBUFS;
	order->text = strdup(text);
	if (order->text == NULL)
		return -ENOMEM;
	order->tag = tag;
	box->says_count++;
	return 0;
}

void
realtime_outbox_return_say(
    struct realtime_outbox *box, struct realtime_order *order)
{
	/* One may be asked for, and one more be the running response's. */
	assert(box->says_count < REALTIME_SAYS_MAX + REALTIME_SAYS_RETURNED);
	memmove(&box->says[1], &box->says[0],
	    box->says_count * sizeof(box->says[0]));
	box->says[0] = *order;
	box->says_count++;
	memset(order, 0, sizeof(*order));
}

bool
realtime_outbox_take_say(
    struct realtime_outbox *box, struct realtime_order *order_out)
{
	if (box->says_count == 0)
		return false;
	realtime_order_move(order_out, &box->says[0]);
	box->says_count--;
	memmove(&box->says[0], &box->says[1],
	    box->says_count * sizeof(box->says[0]));
	memset(&box->says[box->says_count], 0, sizeof(box->says[0]));
	return true;
}

/* Makes room for one more item. 0 or -ENOMEM. */
static int
grow_items(struct realtime_outbox *box)
{
	unsigned room = box->items_room == 0 ? 8 : box->items_room * 2;
	struct realtime_item *items;

	if (box->items_count < box->items_room)
		return 0;
	items = reallocarray(box->items, room, sizeof(*items));
	if (items == NULL)
		return -ENOMEM;
	box->items = items;
	box->items_room = room;
	return 0;
}

int
realtime_outbox_add_item(struct realtime_outbox *box, const char *item_id,
    const char *event_id, char *json, unsigned max)
{
	struct realtime_item *item;
	int ret = 0;

	if (json == NULL)
		return -ENOMEM;
	if (box->items_count >= max)
		ret = -ENOBUFS;
	else
		ret = grow_items(box);
	if (ret != 0) {
		free(json);
		return ret;
	}
	item = &box->items[box->items_count];
	snprintf(item->id, sizeof(item->id), "%s", item_id);
	snprintf(item->event_id, sizeof(item->event_id), "%s", event_id);
	item->json = json;
	box->items_count++;
	box->unspoken = true;
	return 0;
}

char *
realtime_outbox_take_item(struct realtime_outbox *box)
{
	for (unsigned i = 0; i < box->items_count; i++) {
		char *json = box->items[i].json;

		box->items[i].json = NULL;
		if (json != NULL)
			return json;
	}
	return NULL;
}

unsigned
realtime_outbox_sent_items(
    const struct realtime_outbox *box, const char **event_id_out)
{
	unsigned count = 0;

	for (unsigned i = 0; i < box->items_count; i++) {
		if (box->items[i].json != NULL)
			continue;
		*event_id_out = box->items[i].event_id;
		count++;
	}
	return count;
}

static void
drop_item(struct realtime_outbox *box, unsigned i)
{
	free(box->items[i].json);
	box->items_count--;
	memmove(&box->items[i], &box->items[i + 1],
	    (box->items_count - i) * sizeof(box->items[0]));
}

bool
realtime_outbox_confirm(struct realtime_outbox *box, const char *item_id)
{
	for (unsigned i = 0; i < box->items_count; i++) {
		if (strcmp(box->items[i].id, item_id) != 0)
			continue;
		drop_item(box, i);
		return true;
	}
	return false;
}

bool
realtime_outbox_refuse(struct realtime_outbox *box, const char *event_id)
{
	for (unsigned i = 0; i < box->items_count; i++) {
		if (strcmp(box->items[i].event_id, event_id) != 0)
			continue;
		drop_item(box, i);
		return true;
	}
	return false;
}

void
realtime_outbox_answered(struct realtime_outbox *box, bool ordered)
{
	if (!ordered && box->items_count > 0)
		return;
	/* A service that never confirms must not fill the table. */
	for (unsigned i = box->items_count; i > 0; i--) {
		if (box->items[i - 1].json == NULL)
			drop_item(box, i - 1);
	}
	box->nudged = false;
	box->unspoken = box->items_count > 0; /* came after it was asked */
	box->wanted = box->wanted && box->unspoken;
}
