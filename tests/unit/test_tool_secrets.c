/* SPDX-License-Identifier: MIT */
/* test_tool_secrets.c – where the secrets of tools are found, and whose are
 * not. */
#include "toolworker/tool_secrets.h"

#include "common/proc.h"
#include "common/secret.h"

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

struct fixture {
	char dir[64];
	char config[128];
	struct tool_secrets *secrets;
};

static void
write_file(
    const struct fixture *f, const char *name, const char *text, char *path)
{
	FILE *out;

	snprintf(path, 128, "%s/%s", f->dir, name);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
	assert_int_equal(chmod(path, 0600), 0);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->dir, "/tmp/test_tool_secrets.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	tool_secrets_free(&f->secrets);
	unsetenv("TOOL_A_FILE");
	unsetenv("CREDENTIALS_DIRECTORY");
	snprintf(command, sizeof(command), "rm -r %s", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void
load(struct fixture *f, const char *config)
{
	write_file(f, "env", config, f->config);
	assert_int_equal(tool_secrets_new(&f->secrets, f->config), 0);
}

static void
assert_secret(struct fixture *f, const char *name, const char *wanted)
{
	const char *value = tool_secrets_find(f->secrets, name);

	if (wanted == NULL)
		assert_null(value);
	else if (value == NULL)
		fail_msg("%s is not there", name);
	else
		assert_string_equal(value, wanted);
}

static void
a_line_of_the_configuration_is_one(void **state)
{
	struct fixture *f = *state;

	load(f, "TOOL_A='a #b'\nTOOL_B=\nOPENAI_API_KEY=sk\nTOOL_x=1\n");
	assert_secret(f, "TOOL_A", "a #b");
	assert_secret(f, "TOOL_B", NULL);
	assert_secret(f, "OPENAI_API_KEY", NULL);
	assert_secret(f, "TOOL_x", NULL);
	assert_secret(f, "TOOL_NOBODY", NULL);
}

static void
the_environment_wins_and_is_emptied(void **state)
{
	struct fixture *f = *state;

	setenv("TOOL_A", "of the environment", 1);
	setenv("TOOL_B", "too", 1);
	load(f, "TOOL_A=of the file\n");
	assert_null(getenv("TOOL_A"));
	assert_null(getenv("TOOL_B"));
	assert_secret(f, "TOOL_A", "of the environment");
	assert_secret(f, "TOOL_B", "too");
}

static void
what_the_keeper_took_comes_as_a_memfd(void **state)
{
	struct fixture *f = *state;
	int fds[PROC_ROLE_COUNT];

	setenv("TOOL_A", "x=y # z", 1);
	setenv("TOOL_A_FILE", "/nonexistent", 1);
	setenv("OPENAI_API_KEY", "sk", 1);
	assert_int_equal(secret_take_environment(fds), 2);
	assert_null(getenv("TOOL_A"));
	assert_string_equal(getenv("TOOL_A_FILE"), "/nonexistent");
	assert_true(fds[PROC_ROLE_TOOLWORKER] >= 0);
	assert_int_equal(
	    dup2(fds[PROC_ROLE_TOOLWORKER], PROC_FD_SECRETS), PROC_FD_SECRETS);
	load(f, "TOOL_A=of the file\n");
	assert_secret(f, "TOOL_A", "x=y # z");
	assert_secret(f, "OPENAI_API_KEY", NULL);
	close(PROC_FD_SECRETS);
	for (int i = 0; i < PROC_ROLE_COUNT; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

static void
a_file_is_read_when_it_is_needed(void **state)
{
	struct fixture *f = *state;
	char path[128], line[192];

	write_file(f, "a", "first\n", path);
	setenv("TOOL_A_FILE", path, 1);
	snprintf(line, sizeof(line), "TOOL_C_FILE=%s/none\n", f->dir);
	load(f, line);
	write_file(f, "a", "second\n", path);
	assert_secret(f, "TOOL_A", "second");
	write_file(f, "a", "third\n", path);
	assert_secret(f, "TOOL_A", "second"); /* until the next reload */
	assert_secret(f, "TOOL_C", NULL);
	assert_secret(f, "TOOL_A_FILE", NULL);
}

static void
systemd_may_have_it(void **state)
{
	struct fixture *f = *state;
	char path[128];

	write_file(f, "TOOL_D", "credential", path);
	setenv("CREDENTIALS_DIRECTORY", f->dir, 1);
	load(f, "");
	assert_secret(f, "TOOL_D", "credential");
	assert_secret(f, "TOOL_E", NULL);
	assert_secret(f, "TOOL_/../env", NULL);
}

static void
what_could_break_a_header_is_no_secret(void **state)
{
	struct fixture *f = *state;
	char path[128];

	write_file(f, "TOOL_D", "one\ntwo\n", path);
	write_file(f, "TOOL_E", "", path);
	write_file(f, "TOOL_F", "a\rb", path);
	setenv("CREDENTIALS_DIRECTORY", f->dir, 1);
	setenv("TOOL_G", "a\nHost: evil", 1);
	load(f, "");
	assert_secret(f, "TOOL_D", NULL);
	assert_secret(f, "TOOL_E", NULL);
	assert_secret(f, "TOOL_F", NULL);
	assert_secret(f, "TOOL_G", NULL);
	assert_null(getenv("TOOL_G"));
}

static void
a_secret_that_comes_back_is_hidden(void **state)
{
	struct fixture *f = *state;
	char text[] = "token=abcdef, abcdefabcdef, abcde; x";

	load(f, "TOOL_A=abcdef\nTOOL_B=x\nTOOL_C=token\n");
	assert_secret(f, "TOOL_A", "abcdef");
	assert_secret(f, "TOOL_B", "x");
	/* Not TOOL_C: nobody was sent it from here. */
	tool_secrets_hide(f->secrets, text, strlen(text));
	assert_string_equal(text, "token=******, ************, abcde; x");
}

static void
settings_and_file_names_are_no_secrets(void **state)
{
	static const char *const not_ours[] = {"TOOL_", "TOOL_A_FILE",
	    "TOOLS_DIR", "TOOL_a", "TOOL_A B", "ATOOL_A", "TOOL", ""};
	enum proc_role role;

	(void)state;
	for (size_t i = 0; i < sizeof(not_ours) / sizeof(*not_ours); i++) {
		if (secret_find(not_ours[i], strlen(not_ours[i]), &role))
			fail_msg("%s is taken for a secret", not_ours[i]);
	}
	assert_true(secret_find("TOOL_CRM_2=x", 10, &role));
	assert_int_equal(role, PROC_ROLE_TOOLWORKER);
	assert_true(secret_find("OPENAI_API_KEY", 14, &role));
	assert_int_equal(role, PROC_ROLE_CALLWORKER);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_line_of_the_configuration_is_one),
	    TEST(the_environment_wins_and_is_emptied),
	    TEST(what_the_keeper_took_comes_as_a_memfd),
	    TEST(a_file_is_read_when_it_is_needed),
	    TEST(systemd_may_have_it),
	    TEST(what_could_break_a_header_is_no_secret),
	    TEST(a_secret_that_comes_back_is_hidden),
	    TEST(settings_and_file_names_are_no_secrets),
	};

	return cmocka_run_group_tests_name("tool_secrets", tests, NULL, NULL);
}
