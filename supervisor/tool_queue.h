/* SPDX-License-Identifier: MIT */
/*
 * tool_queue.h – the voices' function calls, on their way to the toolworkers
 * and back.
 *
 * Every tool.request gets exactly one tool.result, whatever happens to the
 * model's arguments, the workers, the service or the clock, unless its call
 * ends first. The deadline is kept here, so that a worker which hangs costs
 * its caller an honest sentence and nothing else. Every ten seconds a request
 * that waits is logged and its call told, with tool.progress.
 *
 * What runs is a job. Requests of a read-only tool that ask the same share
 * one, and find its answer in a cache for as long as the tool allows; a job
 * is cancelled when nobody waits for it any more. A target that is asked a lot
 * or answers slowly gets a part of the workers and no more. Calls take turns.
 * A target that may still be at work on an earlier job is not asked; a part
 * of a divided question that could only wait for that is BUSY at once.
 *
 * Requests are known by (call, id), workers by pointer. A request repeated
 * while it is open, or just after it was answered, does not run again: so a
 * new supervisor can take over with the workers' state messages and the calls'
 * repeated requests, in any order. What changes something is begun once, also
 * if the result was lost with all who knew it: then it is LOST. Pure logic:
 * messages and the timer are callbacks, none of which may call back into the
 * queue.
 *
 * Its rooms: tool_queue_calls.c hears the calls and tool_queue_workers.c the
 * workers, tool_queue_dispatch.c decides which job runs next and where,
 * tool_queue_progress.c tells how it goes, tool_queue_end.c how it ended,
 * tool_queue_clock.c does what is due, tool_queue.c keeps the books.
 */
#ifndef SUPERVISOR_TOOL_QUEUE_H
#define SUPERVISOR_TOOL_QUEUE_H

#include "common/message.h"
#include "common/tool_status.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tool_holds;
struct tool_queue;
struct worker; /* fleet.h; never looked into */

enum {
	TOOL_QUEUE_MAX = 1024,         /* open requests; more are BUSY */
	TOOL_QUEUE_CALL_MAX = 32,      /* … of one call */
	TOOL_QUEUE_TARGET_MAX = 256,   /* jobs for one target; ditto */
	TOOL_QUEUE_WORKER_MAX = 32,    /* jobs on one worker, or 1 exclusive */
	TOOL_QUEUE_WORKER_PARTS = 128, /* beside them, of divided questions */
	TOOL_QUEUE_SHARE = 4, /* a target gets this part of all: a quarter */
	TOOL_QUEUE_ATTEMPTS_MAX = 2,
	TOOL_QUEUE_NOTICE_MS = 10000,    /* between "still waiting" */
	TOOL_QUEUE_RETRY_MS = 5000,      /* least time left for a retry */
	TOOL_QUEUE_NO_WORKER_MS = 10000, /* then waiting makes no sense: LOST */
	TOOL_QUEUE_CLAIM_MS = 30000,   /* for a job of an earlier supervisor */
	TOOL_QUEUE_GRACE_MS = 1000,    /* for a worker's own "timeout" */
	TOOL_QUEUE_CONFIRM_MS = 5000,  /* for job.cancel: else it is stuck */
	TOOL_QUEUE_ANSWERS_MAX = 256,  /* remembered, */
	TOOL_QUEUE_ANSWERS_MS = 60000, /* so long */
	TOOL_QUEUE_CACHE_MAX = 1024,   /* answers for others */
	TOOL_QUEUE_HOLD_MAX_MS = 120000, /* a worker may ask for so much */
	TOOL_QUEUE_DETAIL_SIZE = 512,    /* NUL included, of a local job */
	TOOL_QUEUE_FRESH_MS = 1000, /* younger: its age is not worth a word */
};

/* What the queue needs of a tool's definition; copied when a job is made. */
struct tool_queue_tool {
	const cJSON *parameters;  /* passed json_schema_check(); NULL: any */
	const cJSON *settings;    /* of the executor, for job.run; or NULL */
	const cJSON *failures;    /* status name -> sentence, complete */
	unsigned int deadline_ms; /* the longest that it may take */
	/*
	 * The argument with which the model sets a timeout in seconds; NULL or
	 * "" if there is none.
	 */
	const char *timeout_argument;
	bool read_only; /* may be merged, cached, run again when lost */
	bool personal;  /* depends on who asks: never merged, never cached */
	bool exclusive; /* a job needs a worker for itself */
	/*
	 * Its target goes on, for at most so long, when nobody listens any
	 * more; 0: it stops. So does the job, for those who ask again, until
	 * its deadline. If its worker dies, the target stays taken so long.
	 */
	uint32_t lingers_ms;
	uint32_t cache_s; /* how long an OK answer serves others */
	/* Said after such an answer, "{seconds}" is its age. NULL: nothing. */
	const char *stale;
	/*
	 * Whom it burdens; one "${argument:NAME}" in it is that argument. NULL
	 * or "": each tool is its own target.
	 */
	const char *target;
	/* Jobs of the target at once; 0: its TOOL_QUEUE_SHARE, at least 1. */
	unsigned int target_limit;
	bool local; /* the supervisor does it itself: no worker, no waiting */
};

struct tool_queue_config {
	/*
	 * The tool NAME as CALL was offered it. Returns 0, or -ENOENT. What
	 * *TOOL_OUT points to must live until the next callback.
	 */
	int (*find_tool)(const char *call, const char *name,
	    struct tool_queue_tool *tool_out, void *arg);
	/* As worker_send(): takes BODY, 0 or -errno. */
	int (*send_worker)(struct worker *worker, enum message_type type,
	    cJSON *body, void *arg);
	/* To the worker of CALL, tool.progress and tool.result; ditto. */
	int (*send_call)(
	    const char *call, enum message_type type, cJSON *body, void *arg);
	/*
	 * Begins a local JOB of CALL. OK: tool_queue_on_local() will tell how
	 * it ended; else that is how it ended already, DETAIL_OUT says why.
	 */
	enum tool_status (*start_local)(const char *call, const char *job,
	    const cJSON *settings, const cJSON *arguments,
	    char detail_out[TOOL_QUEUE_DETAIL_SIZE], void *arg);
	/*
	 * What is known of CALL's caller, for a personal tool's job.run: an
	 * object, or NULL. May itself be NULL.
	 */
	cJSON *(*describe_caller)(const char *call, void *arg);
	/*
	 * How the part ID of a question that PARTY has divided ended, once.
	 * DETAIL is the worker's, AGE_MS old; 0: not from the cache.
	 */
	void (*part_done)(const char *party, const char *id,
	    enum tool_status status, const char *detail, uint64_t age_ms,
	    void *arg);
	/* Nobody waits for it any longer. */
	void (*cancel_local)(const char *call, const char *job, void *arg);
	/*
	 * WORKER does not react to job.cancel: kill it. It then is reported
	 * with tool_queue_worker_gone() like any other.
	 */
	void (*worker_stuck)(struct worker *worker, void *arg);
	/*
	 * Call tool_queue_tick() in DELAY_MS, replacing what was asked before;
	 * UINT64_MAX: nothing to wait for.
	 */
	void (*arm)(uint64_t delay_ms, void *arg);
	uint64_t (*now_ms)(void); /* clock_now_ms, or a test's */
	/* Where targets that stay taken are remembered; outlives the queue. NULL:
	 * by this queue only. */
	struct tool_holds *holds;
	void *arg;
};

/* CONFIG is copied. 0 or -ENOMEM. */
int tool_queue_new(
    struct tool_queue **queue_out, const struct tool_queue_config *config);

/* Answers nobody. NULL-safe, clears *QUEUE. */
void tool_queue_free(struct tool_queue **queue);

/*
 * A callworker of CALL said tool.request or tool.cancel. The answer may be
 * sent before return. -EPROTO: no usable id, so that it cannot be answered;
 * that worker breaks the protocol.
 */
int tool_queue_on_request(
    struct tool_queue *queue, const char *call, const cJSON *body);
int tool_queue_on_cancel(
    struct tool_queue *queue, const char *call, const cJSON *body);

/*
 * A part of a question that the supervisor has divided (tool_fan.h): TOOL,
 * called NAME, with ARGUMENTS, which are taken and not checked. It waits, is
 * merged and cached like a call's question; but PARTY, which has as many parts
 * as it likes, is no call: config.part_done is told, perhaps before return,
 * and nobody of progress. tool_queue_end_call(PARTY) gives up what is left.
 */
void tool_queue_add_part(struct tool_queue *queue, const char *party,
    const char *id, const char *name, const struct tool_queue_tool *tool,
    cJSON *arguments);

/* CALL is over: it is not answered, and jobs only it waited for end. */
void tool_queue_end_call(struct tool_queue *queue, const char *call);

/*
 * A toolworker said hello, state, job.progress or job.result (heartbeat and
 * others are ignored). Its first hello or state makes it one that gets jobs.
 */
void tool_queue_on_worker(struct tool_queue *queue, struct worker *worker,
    enum message_type type, const cJSON *body);

/*
 * WORKER may have jobs of an earlier supervisor. Until it has said which, or
 * is gone, no job is given to anybody: it might run twice.
 */
void tool_queue_expect(struct tool_queue *queue, struct worker *worker);

/* How a local JOB ended that was begun; one that is unknown is ignored. */
void tool_queue_on_local(struct tool_queue *queue, const char *job,
    enum tool_status status, const char *detail);

/* No new jobs for WORKER (it drains); what runs there is waited for. */
void tool_queue_worker_drain(struct tool_queue *queue, struct worker *worker);

/* WORKER is dead: its jobs are retried or answered LOST. */
void tool_queue_worker_gone(struct tool_queue *queue, struct worker *worker);

/* Does what is due. */
void tool_queue_tick(struct tool_queue *queue);

struct tool_queue_counts {
	size_t requests; /* not yet answered */
	size_t waiting;  /* jobs that no worker has */
	size_t running;  /* including what nobody waits for any more */
	size_t workers;
};

struct tool_queue_counts tool_queue_count(const struct tool_queue *queue);

/* One line per job at info, for SIGUSR1. */
void tool_queue_log(const struct tool_queue *queue);

#endif
