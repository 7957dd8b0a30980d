/* SPDX-License-Identifier: MIT */
/*
 * persona.h – who answers: the personas in etc/personas/x.md.
 *
 * All files are read at once into a set, which never changes; SIGHUP makes a
 * new set for new calls. A set is only used while a call is being assigned,
 * so that nobody keeps pointers into one. The format is described in
 * etc/personas/README.md.
 */
#ifndef SUPERVISOR_PERSONA_H
#define SUPERVISOR_PERSONA_H

#include "common/config.h"

#include <stddef.h>

struct personas;
struct tools;

enum {
	PERSONA_TOOLS_MAX = 16,
	PERSONA_NUMBERS_MAX = 64,
	PERSONA_BODY_MAX = 64 * 1024, /* bytes of instructions */
	PERSONA_TEXT_MAX = 800,       /* bytes of a greeting or phrase */
	PERSONA_PERSON_PHRASES_MAX = 64,
};

/*
 * X(member, required): sentences in the caller's language that are said word
 * by word.
 */
#define PERSONA_PHRASES(X)                                                     \
	X(still_there, true)      /* asks a silent caller, once */             \
	X(silent_goodbye, true)   /* before a silent caller is let go */       \
	X(limit_goodbye, true)    /* the longest call is over */               \
	X(shutdown_goodbye, true) /* the service is being ended */             \
	X(tool_wait, true)        /* while a tool takes long */                \
	X(trouble, true)      /* something failed; the caller should repeat */ \
	X(goodbye, false)     /* the voice hangs up and has said nothing */    \
	X(person_wait, false) /* the caller gets a person, who is called */    \
	X(no_person, false)   /* … and there is none */                      \
	X(apology, false)     /* the voice service is lost; before the end */

/* Strings belong to the set and are never NULL; "" where left out. */
struct persona {
	const char *name; /* of the file, without ".md" */
	const char *path;
	const char *voice;
	const char *language; /* "es" or "es-CO" */
	const char *model;    /* to be used, see model.h */
	const char *greeting;
	const char *instructions;
#define X(member, required) const char *member;
	PERSONA_PHRASES(X)
#undef X
	size_t tool_count;
	const char *tools[PERSONA_TOOLS_MAX];
	size_t number_count;
	const char *numbers[PERSONA_NUMBERS_MAX];
	/* With which a caller gets a person; "!…" are exceptions. */
	size_t person_phrase_count;
	const char *person_phrases[PERSONA_PERSON_PHRASES_MAX];
};

/*
 * What is added to every persona's instructions about the call at hand:
 * _llamada.md, with {{marks}} that brief.c fills in.
 */
struct persona_notes {
	const char *weekdays[7]; /* Sunday first */
	const char *months[12];
	const char *text;
};

/*
 * Reads FOLDER. A bad file becomes a warning in PROBLEMS that names it and
 * the line, and is left out. Fatal: the folder cannot be read, or
 * config->persona_default is not among what is left. 0 or -ENOMEM; the set
 * may be empty.
 */
int personas_load(struct personas **personas_out, const char *folder,
    const struct config *config, struct config_problems *problems);

/* NULL-safe, clears. */
void personas_free(struct personas **personas);

size_t personas_count(const struct personas *personas);
const struct persona *personas_at(const struct personas *personas, size_t i);
const struct persona_notes *personas_notes(const struct personas *personas);

/* NULL when there is none of that name. */
const struct persona *personas_find(
    const struct personas *personas, const char *name);

/*
 * Who answers a call: ASKED by name (from Stasis(); "" if not), else whoever
 * has the number that was dialled, else the default persona, else any.
 * *WHY_OUT is "asked", "number" or "default" for the log; "not found" when
 * ASKED does not exist. NULL only for an empty set.
 */
const struct persona *personas_choose(const struct personas *personas,
    const char *asked, const char *dialled, const char **why_out);

/*
 * Warns of tools that a persona wants and TOOLS does not have, and of one that
 * hangs up for a persona without goodbye.
 */
void personas_check_tools(const struct personas *personas,
    const struct tools *tools, struct config_problems *problems);

#endif
