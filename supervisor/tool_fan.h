/* SPDX-License-Identifier: MIT */
/*
 * tool_fan.h – questions that are put to many routers, between the calls and
 * the tool queue.
 *
 * A question of a tool of type "routeros" is divided into one part for each
 * router that its argument "routers" means, or asked back. Each part is a job
 * whose target is the router, one at a time across all toolworkers, merged
 * with the same of other calls and found in the cache like any job. The call is
 * told how many have answered, and gets its one answer, put into words
 * (router_answer.h), when the last has, or at the tool's deadline with what
 * came. Other tools' questions pass through to the queue.
 *
 * Nothing is kept across a restart: the calls repeat what is open, the
 * toolworkers' running jobs are found again by what they ask. The clock is
 * the queue's: it ends each part at the deadline.
 */
#ifndef SUPERVISOR_TOOL_FAN_H
#define SUPERVISOR_TOOL_FAN_H

#include "common/message.h"
#include "common/router_inventory.h"
#include "common/tool_file.h"
#include "common/tool_status.h"

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

struct tool_fan;
struct tool_queue;

enum {
	TOOL_FAN_QUESTIONS_MAX = 64, /* open; more are BUSY */
	TOOL_FAN_CALL_MAX = 8,       /* … of one call */
	TOOL_FAN_PARTS_MAX = 16384,  /* … of all together */
};

struct tool_fan_config {
	struct tool_queue *queue;
	/* The generation for new questions; each keeps its own. */
	struct router_inventory **inventory;
	/*
	 * The available tool NAME as CALL was offered it, or NULL. It must
	 * live until the next callback.
	 */
	const struct tool *(*find_tool)(
	    const char *call, const char *name, void *arg);
	/* As in struct tool_queue_config. */
	int (*send_call)(
	    const char *call, enum message_type type, cJSON *body, void *arg);
	uint64_t (*now_ms)(void);
	void *arg;
};

/* CONFIG is copied. 0 or -ENOMEM. */
int tool_fan_new(
    struct tool_fan **fan_out, const struct tool_fan_config *config);

/* Before the queue. Answers nobody. NULL-safe, clears *FAN. */
void tool_fan_free(struct tool_fan **fan);

/* As those of the queue (tool_queue.h), which hears of what is not ours. */
int tool_fan_on_request(
    struct tool_fan *fan, const char *call, const cJSON *body);
int tool_fan_on_cancel(
    struct tool_fan *fan, const char *call, const cJSON *body);
void tool_fan_end_call(struct tool_fan *fan, const char *call);

/* The queue's config.part_done. */
void tool_fan_on_part(struct tool_fan *fan, const char *party, const char *id,
    enum tool_status status, const char *detail, uint64_t age_ms);

/* Open questions. */
size_t tool_fan_count(const struct tool_fan *fan);

/* One line per question at info, for SIGUSR1. */
void tool_fan_log(const struct tool_fan *fan);

#endif
