/* SPDX-License-Identifier: MIT */
/*
 * test_settings.c – what an operator has set is taken as a whole, or not at
 * all: configuration, personas and tools.
 */
#include "supervisor/settings.h"

#include "common/log.h"
#include "common/proc.h"
#include "supervisor/persona.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
	char folder[64];
	char config_file[96];
	struct settings settings;
	bool asterisk;
} rig;

static const char *const files[] = {
    "config", "password", "personas/uno.md", "personas/dos.md"};

static void
write_file(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", rig.folder, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, 0600), 0);
}

static void
write_persona(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "personas/%s.md", name);
	write_file(path, "---\nlanguage: es\nvoice: marin\ngreeting: Hola.\n"
			 "still_there: ¿Sigue ahí?\nsilent_goodbye: Adiós.\n"
			 "limit_goodbye: Adiós.\nshutdown_goodbye: Adiós.\n"
			 "tool_wait: Un momento.\ntrouble: ¿Perdón?\n---\n"
			 "Usted atiende.\n");
}

/* What each test begins with, and MORE. */
static void
write_config(const char *more)
{
	char text[1024];

	snprintf(text, sizeof(text),
	    "ASTERISK_USERNAME=unit\nASTERISK_PASSWORD_FILE=%s/password\n"
	    "PERSONA_DIR=%s/personas\nTOOLS_DIR=%s\nRUN_AS_ROOT=yes\n"
	    "OPENAI_API_KEY=sk-unit\nENABLE_MIKROTIK_TOOLS=no\nLOG_LEVEL=error\n%s",
	    rig.folder, rig.folder, rig.folder, more);
	write_file("config", text);
}

static int
setup(void **state)
{
	char path[96];

	(void)state;
	memset(&rig, 0, sizeof(rig));
	strcpy(rig.folder, "/tmp/telefonista-settings-XXXXXX");
	assert_non_null(mkdtemp(rig.folder));
	snprintf(path, sizeof(path), "%s/personas", rig.folder);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(
	    rig.config_file, sizeof(rig.config_file), "%s/config", rig.folder);
	write_file("password", "s3cr3t\n");
	write_persona("uno");
	write_config("PERSONA=uno\nMAX_CALLS=7\n");
	rig.settings.file = rig.config_file;
	return settings_load(&rig.settings);
}

static int
teardown(void **state)
{
	char path[128];

	(void)state;
	settings_free(&rig.settings);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", rig.folder, files[i]);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/personas", rig.folder);
	rmdir(path);
	return rmdir(rig.folder);
}

static enum keeper_reloaded
reload(bool busy)
{
	return settings_reload(&rig.settings, busy, &rig.asterisk);
}

static void
all_of_it_is_read_again(void **state)
{
	(void)state;
	assert_int_equal(rig.settings.config.max_calls, 7);
	assert_string_equal(rig.settings.config.asterisk_password, "s3cr3t");
	assert_null(personas_find(rig.settings.personas, "dos"));
	write_persona("dos");
	write_config("PERSONA=dos\nMAX_CALLS=8\n");
	assert_int_equal(reload(true), KEEPER_RELOADED_ALL);
	assert_int_equal(rig.settings.config.max_calls, 8);
	assert_non_null(personas_find(rig.settings.personas, "dos"));
	assert_false(rig.asterisk);
	write_file("password", "other\n");
	assert_int_equal(reload(true), KEEPER_RELOADED_ALL);
	assert_string_equal(rig.settings.config.asterisk_password, "other");
	assert_true(rig.asterisk);
}

static void
of_what_has_errors_nothing_is_taken(void **state)
{
	static const char *const wrong[] = {
	    "PERSONA=uno\nMAX_CALLS=many\n", "PERSONA=nadie\nMAX_CALLS=8\n"};

	(void)state;
	write_persona("dos");
	for (size_t i = 0; i < 2; i++) {
		write_config(wrong[i]);
		assert_int_equal(reload(false), KEEPER_RELOADED_NOTHING);
		assert_int_equal(rig.settings.config.max_calls, 7);
		assert_null(personas_find(rig.settings.personas, "dos"));
	}
}

static void
another_asterisk_waits_until_there_are_no_calls(void **state)
{
	(void)state;
	write_config("PERSONA=uno\nMAX_CALLS=8\nARI_APP=other\n");
	assert_int_equal(reload(true), KEEPER_RELOADED_PART);
	assert_int_equal(rig.settings.config.max_calls, 8);
	assert_string_equal(rig.settings.config.ari_app, "openai-app");
	assert_false(rig.asterisk);
	assert_int_equal(reload(false), KEEPER_RELOADED_ALL);
	assert_string_equal(rig.settings.config.ari_app, "other");
	assert_true(rig.asterisk);
}

static void
what_is_for_a_processs_life_is_left_to_another_one(void **state)
{
	static const char *const more[] = {
	    "CONTROL_SOCKET=/run/x", "RECORDS_DIR=/srv/x", "SANDBOX=off"};
	char text[128];

	(void)state;
	write_persona("dos");
	for (size_t i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "PERSONA=dos\nMAX_CALLS=8\n%s\n",
		    more[i]);
		write_config(text);
		assert_int_equal(reload(true), KEEPER_RELOADED_OUTSIDE);
		assert_int_equal(rig.settings.config.max_calls, 7);
		assert_null(personas_find(rig.settings.personas, "dos"));
	}
}

static void
what_was_not_taken_is_still_news_when_the_calls_are_over(void **state)
{
	(void)state;
	write_config("PERSONA=uno\nMAX_CALLS=8\nARI_APP=other\n"
		     "CONTROL_SOCKET=/run/x\nRECORDS_DIR=/srv/x\n");
	assert_int_equal(reload(true), KEEPER_RELOADED_PART);
	assert_int_equal(rig.settings.config.max_calls, 8);
	assert_string_equal(rig.settings.config.control_socket, "");
	assert_string_equal(rig.settings.config.records_dir, "");
	assert_int_equal(reload(false), KEEPER_RELOADED_OUTSIDE);
}

/* Nobody is replaced for settings that the other one would refuse. */
static void
errors_are_for_no_other_process_either(void **state)
{
	(void)state;
	write_config("PERSONA=uno\nMAX_CALLS=many\nCONTROL_SOCKET=/run/x\n");
	assert_int_equal(reload(false), KEEPER_RELOADED_NOTHING);
	assert_string_equal(rig.settings.config.control_socket, "");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest tests[] = {
	    TEST(all_of_it_is_read_again),
	    TEST(of_what_has_errors_nothing_is_taken),
	    TEST(another_asterisk_waits_until_there_are_no_calls),
	    TEST(what_is_for_a_processs_life_is_left_to_another_one),
	    TEST(what_was_not_taken_is_still_news_when_the_calls_are_over),
	    TEST(errors_are_for_no_other_process_either),
	};

	log_init("unit", LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
