/* SPDX-License-Identifier: MIT */
/*
 * routeros_outcome.h – what came of one command, the same for both APIs, and
 * what a router's words of refusal mean. No I/O.
 */
#ifndef TOOLWORKER_ROUTEROS_OUTCOME_H
#define TOOLWORKER_ROUTEROS_OUTCOME_H

#include "common/tool_status.h"
#include "toolworker/tool_secrets.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

enum {
	ROUTEROS_WHY_SIZE = 320,
	ROUTEROS_DETAIL_SIZE = 121,   /* a router's words, repeated */
	ROUTEROS_BYTES_MAX = 4 << 20, /* of one reply */
	ROUTEROS_RECORDS_MAX = 20000, /* in one reply */
};

struct routeros_outcome {
	enum tool_status status;
	/*
	 * With OK an array of records (routeros_value.h), the receiver's; data
	 * of a command's end is one too: {"ret": "12"}. Else NULL.
	 */
	cJSON *records;
	bool unknown; /* REFUSED because the router lacks that command */
	/*
	 * How long the router may still be at work on it, which we no longer
	 * wait for.
	 */
	unsigned int hold_ms;
	char why[ROUTEROS_WHY_SIZE]; /* if not OK: one printable line */
};

typedef void routeros_outcome_fn(struct routeros_outcome *outcome, void *arg);

/* Ends OUTCOME with STATUS, without records. */
void routeros_outcome_fail(struct routeros_outcome *outcome,
    enum tool_status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Writes to BUF what of MESSAGE may be repeated, in a log's quotes too: one
 * printable line, "" for what is not UTF-8. A router may repeat what it was
 * sent: SECRETS (NULL: there are none) are masked before anything is cut.
 */
void routeros_outcome_detail(char buf[ROUTEROS_DETAIL_SIZE],
    const char *message, const struct tool_secrets *secrets);

/*
 * What MESSAGE, a !trap's or a REST error's "detail", means. The status of
 * the same error changed with RouterOS's versions, its words did not.
 */
void routeros_outcome_refuse(struct routeros_outcome *outcome,
    const char *message, const struct tool_secrets *secrets);

#endif
