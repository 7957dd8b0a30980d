/* SPDX-License-Identifier: MIT */
/*
 * tool_job.h – what the queue moves about, as data: the request of a call, and
 * the job that answers it, perhaps together with others. Private to
 * tool_queue*.c; the moves are made there.
 */
#ifndef SUPERVISOR_TOOL_JOB_H
#define SUPERVISOR_TOOL_JOB_H

#include "common/tool_progress.h"
#include "common/tool_status.h"
#include "supervisor/tool_key.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct tool_party;
struct tool_queue_tool;
struct tool_slot;

enum {
	TOOL_REQUEST_ID_MAX = 128, /* bytes of a function call's id */
	TOOL_TARGET_MAX = 128,     /* bytes of a target, NUL included */
	TOOL_MARK_SIZE = 17,       /* hex, NUL included */
	TOOL_BEGUN_SIZE = 1 + TOOL_MARK_SIZE,
	TOOL_TIMEOUT_MARGIN_MS = 5000, /* over the model's own timeout */
	TOOL_JOB_DEADLINE_MAX_MS = 600000,
};

/* A function call of a voice; exists until it is answered. */
struct tool_request {
	TAILQ_ENTRY(tool_request) entry;  /* all, first come first */
	TAILQ_ENTRY(tool_request) waiter; /* of its job */
	struct tool_job *job;             /* not NULL */
	struct tool_party *caller;        /* by the call's id */
	uint64_t started_ms;
	uint64_t deadline_ms;       /* moment: then the answer is TIMEOUT */
	uint64_t notice_ms;         /* moment of the next "still waiting" */
	bool part;                  /* of a divided question, see add_part */
	char key[TOOL_JOB_ID_SIZE]; /* tool_job_make_id() */
	char *id;
	char *name;
	cJSON *failures; /* status name -> sentence; may be NULL */
};

TAILQ_HEAD(tool_request_list, tool_request);

enum tool_job_state {
	TOOL_JOB_WAITING, /* for a worker */
	TOOL_JOB_RUNNING, /* job.run was sent */
	/* Runs, and nobody waits: of an earlier supervisor, or its target lingers. */
	TOOL_JOB_UNCLAIMED,
	TOOL_JOB_CANCELLED, /* job.cancel was sent; nobody waits for it */
};

struct tool_job {
	TAILQ_ENTRY(tool_job) entry;
	enum tool_job_state state;
	struct tool_request_list waiters; /* some if WAITING or RUNNING */
	struct tool_slot *slot;           /* NULL only while WAITING */
	struct tool_party *target;        /* NULL while nobody asked */
	unsigned int target_limit;        /* 0: the pool's */
	unsigned int attempts;            /* job.runs sent */
	uint32_t cache_s;
	uint32_t lingers_ms; /* of its target, see tool_queue.h */
	bool read_only;
	bool exclusive;
	bool part;     /* of a divided question */
	bool personal; /* its one waiter's call says who asks */
	char *call;    /* of what the supervisor does itself; else NULL */
	struct tool_progress progress; /* of the run, for those who join */
	uint64_t started_ms;           /* the first request, or the adoption */
	uint64_t deadline_ms; /* of the run, the claim or the confirmation */
	char id[TOOL_JOB_ID_SIZE];
	char key[TOOL_KEY_SIZE]; /* "": answers one request only */
	char *name;
	cJSON *arguments;
	cJSON *settings; /* may be NULL */
};

TAILQ_HEAD(tool_job_list, tool_job);

/*
 * The id of a request, the same in every supervisor: "CALL/ID", or a digest
 * if that were too long or ambiguous. A job that answers only this request
 * runs under it.
 */
void tool_job_make_id(
    char *buf, size_t size, const char *call, const char *request);

/*
 * The id of a job that may answer many, "run/KEY/SERIAL" or, with a MARK that
 * is not "", "run/KEY/SERIAL/MARK", and of what is known of all of them,
 * "run/KEY". Never one that tool_job_make_id() makes.
 */
void tool_job_make_run_id(
    char *buf, size_t size, const char *key, uint64_t serial, const char *mark);
void tool_job_make_run_group(char *buf, size_t size, const char *key);

/*
 * Writes TARGET's mark, TOOL_MARK_SIZE bytes: a digest that fits into the id of
 * a run, so that a new supervisor knows whom a job burdens that it finds
 * running.
 */
void tool_job_make_mark(char *buf, const char *target);

/*
 * Writes under which name is remembered that the job ID was begun,
 * TOOL_BEGUN_SIZE bytes: never a target's mark.
 */
void tool_job_make_begun(char *buf, const char *id);
bool tool_job_is_begun(const char *name);

/* The mark in the id of a run; "" if there is none. */
const char *tool_job_run_mark(const char *id);

/* The KEY in the id of a run; -ENOENT if ID is not of that kind. */
int tool_job_run_key(char key[TOOL_KEY_SIZE], const char *id);

/*
 * Checks TEXT against TOOL's schema. Returns the arguments, the defaults of
 * what was left out among them, or NULL with what the model should know in
 * WHY.
 */
cJSON *tool_job_parse_arguments(const struct tool_queue_tool *tool,
    const char *text, char *why, size_t size);

/*
 * How long TOOL may take with ARGUMENTS: what the model asked for in the
 * tool's timeout argument (or its default) plus TOOL_TIMEOUT_MARGIN_MS, never
 * more than the tool's own limit.
 */
unsigned int tool_job_deadline(
    const struct tool_queue_tool *tool, const cJSON *arguments);

/*
 * Whom the tool NAME burdens with ARGUMENTS: TOOL's target, in which one
 * "${argument:X}" is that argument, or NAME. Cut to SIZE.
 */
void tool_job_target(char *buf, size_t size, const char *name,
    const struct tool_queue_tool *tool, const cJSON *arguments);

/*
 * A job of TOOL called NAME, or an unclaimed one when TOOL is NULL (then only
 * ID is used). Everything is copied except ARGUMENTS, which are taken, also on
 * failure. NULL: no memory.
 */
struct tool_job *tool_job_new(const char *id, const char *name,
    const struct tool_queue_tool *tool, cJSON *arguments);

/* NULL-safe. The job must be in no list, have no slot and no target. */
void tool_job_free(struct tool_job *job);

/* KEY is of tool_job_make_id(). Everything is copied. NULL: no memory. */
struct tool_request *tool_request_new(const char *key, const char *id,
    const char *name, const struct tool_queue_tool *tool);

/* NULL-safe. Must be in no list and have no caller. */
void tool_request_free(struct tool_request *request);

/*
 * What the voice gets for STATUS: the detail itself for OK and
 * INVALID_ARGUMENTS, else the sentence in FAILURES, in which "{detail}" is
 * replaced by DETAIL for REFUSED only (then they are the service's words, not
 * ours). Cut to SIZE at a whole letter.
 */
void tool_job_words(char *buf, size_t size, const cJSON *failures,
    enum tool_status status, const char *detail);

/*
 * An answer that is AGE_S seconds old: DETAIL, cut so that NOTE fits in behind
 * it, with the age in place of NOTE's "{seconds}".
 */
void tool_job_words_aged(char *buf, size_t size, const char *detail,
    const char *note, unsigned int age_s);

#endif
