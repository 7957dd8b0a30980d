/* SPDX-License-Identifier: MIT */
/*
 * model.h – which models of OpenAI we know, and when they go away.
 *
 * A model that is withdrawn ends every installation that names it, so that
 * the dates known when this version was made are built in. They can change:
 * `telefonista --check` asks OpenAI itself.
 */
#ifndef SUPERVISOR_MODEL_H
#define SUPERVISOR_MODEL_H

#include "common/config.h"

#include <time.h>

enum {
	MODEL_NAME_SIZE = 129,
};

enum model_kind {
	MODEL_KIND_REALTIME,      /* for a voice session */
	MODEL_KIND_TRANSCRIPTION, /* for what the caller says, in one */
};

enum model_verdict {
	MODEL_GOOD,
	MODEL_UNKNOWN,    /* used as it is; perhaps newer than we are */
	MODEL_ENDING,     /* works, until a day that is known */
	MODEL_TRANSLATED, /* an old name; another model is used for it */
	MODEL_REFUSED,    /* gone, or cannot do this at all */
};

struct model_choice {
	enum model_verdict verdict;
	char name[MODEL_NAME_SIZE]; /* to use; what was WANTED if refused */
	char advice[256];           /* "" for MODEL_GOOD, else a sentence */
};

/* Judges WANTED at the time NOW (seconds since the epoch). Never fails. */
void model_choose(enum model_kind kind, const char *wanted, time_t now,
    struct model_choice *choice_out);

/*
 * Judges both models in CONFIG and puts the ones to use there. Advice goes to
 * PROBLEMS, fatal for a Realtime model that is refused; a transcription model
 * that is refused is left out, since calls work without it.
 */
void model_apply(
    struct config *config, time_t now, struct config_problems *problems);

#endif
