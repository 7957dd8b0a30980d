/* SPDX-License-Identifier: MIT */
/*
 * ledger.h – every channel and bridge that we made in Asterisk, until it is
 * known to be gone. Nothing made by others is ever touched: ours carry the
 * prefix "telefonista-APP-media-", "-bridge-" or "-transfer-". A leg to
 * Local/… is two channels; the second, "ID;2", goes with the first and is
 * never entered.
 */
#ifndef SUPERVISOR_LEDGER_H
#define SUPERVISOR_LEDGER_H

#include "supervisor/ari.h"

#include <cjson/cJSON.h>
#include <stdbool.h>

struct event_base;
struct ledger;

enum ledger_kind {
	LEDGER_CHANNEL, /* external media */
	LEDGER_BRIDGE,
	LEDGER_LEG, /* to whom a call is transferred */
};

/* APP is ARI_APP; both must outlive the ledger. Returns 0 or -errno. */
int ledger_new(struct ledger **ledger_out, struct event_base *base,
    struct ari *ari, const char *app);
void ledger_free(struct ledger **ledger);

/*
 * Makes up an id for something of CALL (a channel's id) and enters it, to be
 * called before Asterisk is asked to make it. -ENOMEM.
 */
int ledger_add(struct ledger *ledger, enum ledger_kind kind, const char *call,
    char id_out[ARI_ID_MAX]);

/*
 * Asterisk has answered, somehow, the request that was to make it. Until then
 * it is not deleted: the two requests may go over different connections.
 */
void ledger_made(struct ledger *ledger, const char *id);

/* Enters what an earlier supervisor made. */
int ledger_adopt(struct ledger *ledger, enum ledger_kind kind, const char *id);

/* No longer needed: deleted until Asterisk says that it is gone. "" is none. */
void ledger_remove(struct ledger *ledger, const char *id);

/* Asterisk says that it is gone. */
void ledger_gone(struct ledger *ledger, const char *id);

bool ledger_is_ours(const struct ledger *ledger, const char *id);

/* Whether ID was made up by ledger_add() for CALL, now or by a predecessor. */
bool ledger_belongs(const struct ledger *ledger, enum ledger_kind kind,
    const char *id, const char *call);

/*
 * Compares with what Asterisk has (arrays of channels and bridges): ours that
 * are not in the ledger are deleted, unless another program has our name now
 * (ARI_REPLACED); entries that are not there are dropped.
 */
void ledger_reconcile(
    struct ledger *ledger, const cJSON *channels, const cJSON *bridges);

/* An event told of something of ours that is in no entry: delete it. */
void ledger_stray(struct ledger *ledger, enum ledger_kind kind, const char *id);

size_t ledger_count(const struct ledger *ledger);
/* Of those, what is to be deleted. */
size_t ledger_count_removing(const struct ledger *ledger);
void ledger_log_state(const struct ledger *ledger);

#endif
