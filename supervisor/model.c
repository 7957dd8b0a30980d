/* SPDX-License-Identifier: MIT */
/*
 * model.c – the table of models, and what is said about a name.
 *
 * The longest matching prefix decides, so that a dated snapshot
 * ("gpt-realtime-2.1-2026-09-01") follows its family unless it has a row.
 */
#include "supervisor/model.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum use {
	USE_REALTIME,
	USE_TRANSCRIPTION,
	USE_OTHER, /* another protocol, or no conversation */
};

struct model {
	const char *name;
	enum use use;
	bool is_family;        /* NAME is a prefix: every variant is meant */
	const char *shutdown;  /* YYYY-MM-DD in UTC, or NULL: none announced */
	const char *successor; /* or NULL */
	bool translate;        /* the successor is taken instead at once */
};

/* Announced until November 2026. */
static const struct model models[] = {
    {"gpt-realtime-2.1", USE_REALTIME, .successor = NULL},
    {"gpt-realtime-2.1-mini", USE_REALTIME, .successor = NULL},
    {"gpt-realtime-2", USE_REALTIME, .successor = NULL},
    {"gpt-realtime-1.5", USE_REALTIME, .successor = NULL},
    {"gpt-realtime", USE_REALTIME, false, "2027-01-20", "gpt-realtime-2.1",
	false},
    {"gpt-realtime-mini", USE_REALTIME, false, "2027-01-20",
	"gpt-realtime-2.1-mini", false},
    /* They spoke the Beta protocol, which is switched off. */
    {"gpt-4o-realtime-preview", USE_REALTIME, true, NULL, "gpt-realtime-2.1",
	true},
    {"gpt-4o-mini-realtime-preview", USE_REALTIME, true, NULL,
	"gpt-realtime-2.1-mini", true},
    {"gpt-realtime-whisper", USE_TRANSCRIPTION, .successor = NULL},
    {"gpt-realtime-translate", USE_OTHER, true, NULL, NULL, false},
    {"gpt-transcribe", USE_TRANSCRIPTION, .successor = NULL},
    {"gpt-live-transcribe", USE_TRANSCRIPTION, .successor = NULL},
    {"whisper-1", USE_TRANSCRIPTION, false, "2027-02-26", "gpt-transcribe",
	false},
    {"gpt-4o-transcribe", USE_TRANSCRIPTION, true, "2027-02-26",
	"gpt-transcribe", false},
    {"gpt-4o-mini-transcribe", USE_TRANSCRIPTION, true, "2027-02-26",
	"gpt-transcribe", false},
    {"gpt-live", USE_OTHER, true, NULL, NULL, false},
    {"gpt-audio", USE_OTHER, true, NULL, NULL, false},
    {"gpt-4o", USE_OTHER, true, NULL, NULL, false},
    {"gpt-5", USE_OTHER, true, NULL, NULL, false},
};

static const char *const current[] = {
    [MODEL_KIND_REALTIME] = "gpt-realtime-2.1",
    [MODEL_KIND_TRANSCRIPTION] = "gpt-transcribe",
};

/* "-2026-09-01", and nothing after it. */
static bool
is_snapshot_suffix(const char *s)
{
	static const char shape[] = "-dddd-dd-dd";

	if (strlen(s) != sizeof(shape) - 1)
		return false;
	for (size_t i = 0; shape[i] != '\0'; i++) {
		if (shape[i] == 'd' ? !isdigit((unsigned char)s[i])
				    : s[i] != shape[i])
			return false;
	}
	return true;
}

static bool
matches(const struct model *model, const char *name)
{
	size_t len = strlen(model->name);

	if (strncmp(model->name, name, len) != 0)
		return false;
	return name[len] == '\0' || is_snapshot_suffix(name + len) ||
	       (model->is_family && strchr("-.", name[len]) != NULL);
}

static const struct model *
find(const char *name)
{
	const struct model *best = NULL;

	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
		if (matches(&models[i], name) &&
		    (best == NULL ||
			strlen(models[i].name) > strlen(best->name)))
			best = &models[i];
	}
	return best;
}

static bool
has_ended(const struct model *model, time_t now)
{
	char today[16] = "";
	struct tm tm;

	if (model->shutdown == NULL || gmtime_r(&now, &tm) == NULL)
		return false;
	strftime(today, sizeof(today), "%Y-%m-%d", &tm);
	return strcmp(today, model->shutdown) >= 0;
}

static void
refuse_kind(
    enum model_kind kind, const char *wanted, struct model_choice *choice)
{
	choice->verdict = MODEL_REFUSED;
	snprintf(choice->advice, sizeof(choice->advice), "%.64s %s; use %s",
	    wanted,
	    kind == MODEL_KIND_REALTIME
		? "cannot hold a Realtime voice session"
		: "does not transcribe in a Realtime session",
	    current[kind]);
}

static void
judge(const struct model *model, const char *wanted, time_t now,
    struct model_choice *choice)
{
	if (model->translate) {
		choice->verdict = MODEL_TRANSLATED;
		snprintf(
		    choice->name, sizeof(choice->name), "%s", model->successor);
		snprintf(choice->advice, sizeof(choice->advice),
		    "%.64s is an old name whose protocol OpenAI has switched "
		    "off; %s is used instead: write that",
		    wanted, model->successor);
	} else if (has_ended(model, now)) {
		choice->verdict = MODEL_REFUSED;
		snprintf(choice->advice, sizeof(choice->advice),
		    "%.64s was shut down by OpenAI on %s; use %s", wanted,
		    model->shutdown, model->successor);
	} else if (model->shutdown != NULL) {
		choice->verdict = MODEL_ENDING;
		snprintf(choice->advice, sizeof(choice->advice),
		    "%.64s will be shut down by OpenAI on %s; use %s", wanted,
		    model->shutdown, model->successor);
	}
}

void
model_choose(enum model_kind kind, const char *wanted, time_t now,
    struct model_choice *choice_out)
{
	enum use use =
	    kind == MODEL_KIND_REALTIME ? USE_REALTIME : USE_TRANSCRIPTION;
	const struct model *model = find(wanted);

	memset(choice_out, 0, sizeof(*choice_out));
	choice_out->verdict = MODEL_GOOD;
	snprintf(choice_out->name, sizeof(choice_out->name), "%s", wanted);
	if (model == NULL) {
		choice_out->verdict = MODEL_UNKNOWN;
		snprintf(choice_out->advice, sizeof(choice_out->advice),
		    "%.64s is not known to this version, which knows %s; it "
		    "is used as it is",
		    wanted, current[kind]);
	} else if (model->use != use) {
		refuse_kind(kind, wanted, choice_out);
	} else {
		judge(model, wanted, now, choice_out);
	}
}

void
model_apply(struct config *config, time_t now, struct config_problems *problems)
{
	struct model_choice choice;

	model_choose(
	    MODEL_KIND_REALTIME, config->openai_realtime_model, now, &choice);
	if (choice.verdict != MODEL_GOOD)
		config_problem(problems, choice.verdict == MODEL_REFUSED,
		    "OPENAI_REALTIME_MODEL: %s", choice.advice);
	snprintf(
	    config->openai_realtime_model, CONFIG_TEXT_MAX, "%s", choice.name);
	if (config->openai_transcription_model[0] == '\0')
		return;
	model_choose(MODEL_KIND_TRANSCRIPTION,
	    config->openai_transcription_model, now, &choice);
	if (choice.verdict == MODEL_REFUSED)
		choice.name[0] = '\0';
	if (choice.verdict != MODEL_GOOD)
		config_problem(problems, false,
		    "OPENAI_TRANSCRIPTION_MODEL: %s%s", choice.advice,
		    choice.verdict == MODEL_REFUSED
			? " (callers are not transcribed until then)"
			: "");
	snprintf(config->openai_transcription_model, CONFIG_TEXT_MAX, "%s",
	    choice.name);
}
