/* SPDX-License-Identifier: MIT */
/*
 * brief.h – what the supervisor tells a callworker about one call: who the
 * voice is, what it may say word by word, and which tools it has.
 *
 * Travels as a sealed memfd holding one JSON object. It is read once, whole,
 * into private memory; every absent member has a harmless default.
 */
#ifndef CALLWORKER_BRIEF_H
#define CALLWORKER_BRIEF_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	BRIEF_LEN_MAX = 512 * 1024, /* bytes of the JSON text */
	BRIEF_TOOLS_MAX = 64,
	BRIEF_DEADLINE_MS = 60000, /* of a tool that names none */
	BRIEF_DEADLINE_MAX_MS = 600000,
	BRIEF_SILENT_CALLER_S = 30,
	BRIEF_WAITING_MAX = 8, /* sentences of a tool */
	BRIEF_LAYER_MAX_MS = 600000,
	BRIEF_PROGRESS_EVERY_MS = 15000,
};

/* X(ENUM, member of "phrases"); an empty phrase is not said. */
#define BRIEF_PHRASES(X)                                                       \
	X(STILL_THERE, still_there)                                            \
	X(SILENT_GOODBYE, silent_goodbye)                                      \
	X(LIMIT_GOODBYE, limit_goodbye)                                        \
	X(SHUTDOWN_GOODBYE, shutdown_goodbye)                                  \
	X(TOOL_WAIT, tool_wait)                                                \
	X(TROUBLE, trouble)                                                    \
	X(GOODBYE, goodbye)                                                    \
	X(PERSON_WAIT, person_wait)                                            \
	X(NO_PERSON, no_person)

enum brief_phrase {
#define X(id, member) BRIEF_PHRASE_##id,
	BRIEF_PHRASES(X)
#undef X
	BRIEF_PHRASE_COUNT
};

struct brief_tool {
	const char *name;
	const char *description;
	const cJSON *parameters; /* JSON schema, an object; NULL: none */
	bool confirm;            /* runs only when the caller has agreed */
	const cJSON *failures;   /* status name → sentence; may be NULL */
	uint32_t deadline_ms;    /* 1 … BRIEF_DEADLINE_MAX_MS */
	/* Said in turn while it runs, with {seconds}; may be none. */
	const char *waiting[BRIEF_WAITING_MAX];
	size_t waiting_count;
	const char *progress; /* said with {done} and {total}; "": not */
	const char *action;   /* "" for a tool that somebody else runs, else
				 "hangup", "cancel" or "transfer" */
};

/* What a caller hears while a tool runs, ms since its call; 0: never. */
struct brief_layers {
	uint32_t sound_after_ms;
	uint32_t progress_after_ms; /* the first spoken line */
	uint32_t progress_every_ms; /* the next ones; never 0 */
};

/* Strings and JSON belong to the brief; a missing string is "". */
struct brief {
	cJSON *json;
	const char *model;
	const char *voice;
	const char *language;
	const char *instructions;
	const char *greeting;
	const char *phrases[BRIEF_PHRASE_COUNT];
	const cJSON *person_phrases; /* an array (person_phrase.h), or NULL */
	const char *transcription_model;
	const char *reasoning_effort;
	const char *noise_reduction; /* "near_field", "far_field" or "" */
	const cJSON *turn_detection; /* an object, or NULL */
	uint32_t silent_caller_s;
	struct brief_layers layers;
	size_t tool_count;
	struct brief_tool tools[BRIEF_TOOLS_MAX];
};

/*
 * Reads the memfd. 0, -EMSGSIZE (longer than BRIEF_LEN_MAX), -EBADMSG (not an
 * object, no instructions, or a tool without a name), -errno of read. The
 * descriptor stays the caller's.
 */
int brief_read(struct brief **brief_out, int fd);

/* The same from memory. */
int brief_parse(struct brief **brief_out, const char *text, size_t len);

/* NULL-safe, clears. */
void brief_free(struct brief **brief);

/* NULL when there is no tool of that name. */
const struct brief_tool *brief_find_tool(
    const struct brief *brief, const char *name);

/* The honest sentence of TOOL (may be NULL) for a failure, or "". */
const char *brief_failure(const struct brief_tool *tool, const char *status);

#endif
