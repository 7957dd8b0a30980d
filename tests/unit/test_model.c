/* SPDX-License-Identifier: MIT */
/* test_model.c – names of models, old, ending and gone. */
#include "supervisor/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum {
	BEFORE = 1795262400, /* 2026-11-21 12:00:00 UTC */
};
static const time_t last_second = 1800403199; /* 2027-01-19 23:59:59 UTC */

static void
assert_choice(enum model_kind kind, const char *wanted, time_t now,
    enum model_verdict verdict, const char *name, const char *advice)
{
	struct model_choice choice;

	model_choose(kind, wanted, now, &choice);
	if (choice.verdict != verdict || strcmp(choice.name, name) != 0)
		fail_msg("%s: verdict %d name %s advice %s", wanted,
		    choice.verdict, choice.name, choice.advice);
	assert_non_null(strstr(choice.advice, advice));
	assert_int_equal(choice.advice[0] == '\0', verdict == MODEL_GOOD);
}

static void
assert_realtime(const char *wanted, enum model_verdict verdict,
    const char *name, const char *advice)
{
	assert_choice(
	    MODEL_KIND_REALTIME, wanted, BEFORE, verdict, name, advice);
}

static void
current_models_pass_without_a_word(void **state)
{
	static const char *const good[] = {"gpt-realtime-2.1",
	    "gpt-realtime-2.1-mini", "gpt-realtime-2", "gpt-realtime-1.5",
	    "gpt-realtime-2.1-2026-09-01"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_realtime(good[i], MODEL_GOOD, good[i], "");
}

static void
preview_names_are_translated(void **state)
{
	(void)state;
	assert_realtime("gpt-4o-realtime-preview", MODEL_TRANSLATED,
	    "gpt-realtime-2.1", "gpt-realtime-2.1 is used");
	assert_realtime("gpt-4o-realtime-preview-2024-12-17", MODEL_TRANSLATED,
	    "gpt-realtime-2.1", "2024-12-17");
	assert_realtime("gpt-4o-mini-realtime-preview-2024-12-17",
	    MODEL_TRANSLATED, "gpt-realtime-2.1-mini", "old name");
}

static void
ending_models_work_until_their_day(void **state)
{
	static const char *const ending[] = {"gpt-realtime",
	    "gpt-realtime-2025-08-28", "gpt-realtime-mini",
	    "gpt-realtime-mini-2025-12-15"};

	(void)state;
	for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++) {
		assert_realtime(
		    ending[i], MODEL_ENDING, ending[i], "2027-01-20");
		assert_choice(MODEL_KIND_REALTIME, ending[i], last_second,
		    MODEL_ENDING, ending[i], "use gpt-realtime-2.1");
		assert_choice(MODEL_KIND_REALTIME, ending[i], last_second + 1,
		    MODEL_REFUSED, ending[i], "use gpt-realtime-2.1");
	}
}

static void
models_for_other_work_are_refused(void **state)
{
	static const char *const other[] = {"gpt-live-1.1", "gpt-4o",
	    "gpt-4o-audio-preview", "gpt-audio-mini", "whisper-1",
	    "gpt-realtime-whisper", "gpt-transcribe"};

	(void)state;
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		assert_realtime(
		    other[i], MODEL_REFUSED, other[i], "use gpt-realtime-2.1");
	assert_choice(MODEL_KIND_TRANSCRIPTION, "gpt-realtime-2.1", BEFORE,
	    MODEL_REFUSED, "gpt-realtime-2.1", "use gpt-transcribe");
}

static void
unknown_models_are_used_with_a_warning(void **state)
{
	(void)state;
	assert_realtime("gpt-realtime-3", MODEL_UNKNOWN, "gpt-realtime-3",
	    "not known to this version");
	assert_realtime("gpt-realtimes", MODEL_UNKNOWN, "gpt-realtimes", "");
	assert_realtime("", MODEL_UNKNOWN, "", "");
}

static void
transcription_models_have_their_own_dates(void **state)
{
	(void)state;
	assert_choice(MODEL_KIND_TRANSCRIPTION, "gpt-transcribe", BEFORE,
	    MODEL_GOOD, "gpt-transcribe", "");
	assert_choice(MODEL_KIND_TRANSCRIPTION, "whisper-1", BEFORE,
	    MODEL_ENDING, "whisper-1", "2027-02-26");
	assert_choice(MODEL_KIND_TRANSCRIPTION,
	    "gpt-4o-mini-transcribe-2025-12-15", BEFORE, MODEL_ENDING,
	    "gpt-4o-mini-transcribe-2025-12-15", "use gpt-transcribe");
}

static void
configuration_gets_the_models_to_use(void **state)
{
	static struct config_problems problems;
	static struct config config;

	(void)state;
	strcpy(config.openai_realtime_model, "gpt-4o-realtime-preview");
	strcpy(config.openai_transcription_model, "gpt-live-1");
	model_apply(&config, BEFORE, &problems);
	assert_string_equal(config.openai_realtime_model, "gpt-realtime-2.1");
	assert_string_equal(config.openai_transcription_model, "");
	assert_int_equal(problems.count, 2);
	assert_int_equal(config_problems_fatal(&problems), 0);
	strcpy(config.openai_realtime_model, "gpt-4o");
	model_apply(&config, BEFORE, &problems);
	assert_int_equal(config_problems_fatal(&problems), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(current_models_pass_without_a_word),
	    cmocka_unit_test(preview_names_are_translated),
	    cmocka_unit_test(ending_models_work_until_their_day),
	    cmocka_unit_test(models_for_other_work_are_refused),
	    cmocka_unit_test(unknown_models_are_used_with_a_warning),
	    cmocka_unit_test(transcription_models_have_their_own_dates),
	    cmocka_unit_test(configuration_gets_the_models_to_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
