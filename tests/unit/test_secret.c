/* SPDX-License-Identifier: MIT */
/* test_secret.c – secrets leave the environment, also where the kernel shows
 * it, and reach the right role. */
#include "common/secret.h"

#include <errno.h>
#include <fcntl.h>
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

static const char password[] = "s3cr3t with spaces = and #";
static const char key[] = "sk-unit-0123456789";

/* Whether what the kernel shows of our environment contains TEXT. */
static bool
environ_shows(const char *text)
{
	char shown[65536];
	int fd = open("/proc/self/environ", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, shown, sizeof(shown));

	assert_true(n > 0);
	close(fd);
	return memmem(shown, (size_t)n, text, strlen(text)) != NULL;
}

static void
assert_holds(int fd, const char *line)
{
	char text[256];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, line);
}

static void
only_the_names_in_the_table_are_secrets(void **state)
{
	enum proc_role role = PROC_ROLE_KEEPER;

	(void)state;
	assert_true(secret_find("ASTERISK_PASSWORD", 17, &role));
	assert_int_equal(role, PROC_ROLE_SUPERVISOR);
	assert_true(secret_find("OPENAI_API_KEY=sk-1", 14, &role));
	assert_int_equal(role, PROC_ROLE_CALLWORKER);
	assert_false(secret_find("OPENAI_API_KEY", 13, &role));
	assert_false(secret_find("OPENAI_API_KEY_FILE", 19, &role));
	assert_false(secret_find("openai_api_key", 14, &role));
	assert_false(secret_find("", 0, &role));
}

static void
secrets_leave_the_environment_and_reach_their_role(void **state)
{
	int fds[PROC_ROLE_COUNT];

	(void)state;
	/* main() was started with both: see there. */
	assert_true(environ_shows(password));
	assert_true(environ_shows(key));
	assert_int_equal(secret_take_environment(fds), 2);

	assert_false(environ_shows(password));
	assert_false(environ_shows(key));
	assert_null(getenv("ASTERISK_PASSWORD"));
	assert_null(getenv("OPENAI_API_KEY"));
	assert_string_equal(getenv("ASTERISK_USERNAME"), "unit");
	assert_string_equal(getenv("UNIT_LAST"), "still there");

	assert_int_equal(fds[PROC_ROLE_KEEPER], -1);
	assert_int_equal(fds[PROC_ROLE_TOOLWORKER], -1);
	assert_holds(fds[PROC_ROLE_SUPERVISOR],
	    "ASTERISK_PASSWORD=s3cr3t with spaces = and #\nOPENAI_API_KEY\n");
	assert_holds(
	    fds[PROC_ROLE_CALLWORKER], "OPENAI_API_KEY=sk-unit-0123456789\n");
	for (int i = 0; i < PROC_ROLE_COUNT; i++) {
		if (fds[i] < 0)
			continue;
		assert_true((fcntl(fds[i], F_GETFD) & FD_CLOEXEC) != 0);
		/* A worker that turned bad cannot change it for the next. */
		assert_int_equal(pwrite(fds[i], "x", 1, 0), -1);
		assert_int_equal(ftruncate(fds[i], 0), -1);
		close(fds[i]);
	}
}

static void
an_environment_without_secrets_stays_as_it_is(void **state)
{
	int fds[PROC_ROLE_COUNT];
	char **before = environ;
	char *first = environ[0];

	(void)state;
	assert_int_equal(secret_take_environment(fds), 0);
	for (int i = 0; i < PROC_ROLE_COUNT; i++)
		assert_int_equal(fds[i], -1);
	assert_ptr_equal(environ, before);
	assert_ptr_equal(environ[0], first);
}

static void
a_secret_that_is_set_twice_is_taken_twice(void **state)
{
	char first[] = "OPENAI_API_KEY=one", second[] = "OPENAI_API_KEY=two";
	char other[] = "HOME=/";
	char *variables[] = {first, other, second, NULL};
	char **before = environ;
	int fds[PROC_ROLE_COUNT];

	(void)state;
	environ = variables;
	assert_int_equal(secret_take_environment(fds), 2);
	environ = before;
	assert_ptr_equal(variables[0], other);
	assert_null(variables[1]);
	assert_int_equal(first[0], '\0');
	assert_int_equal(second[strlen("OPENAI_API_KEY=")], '\0');
	assert_holds(fds[PROC_ROLE_CALLWORKER],
	    "OPENAI_API_KEY=one\nOPENAI_API_KEY=two\n");
	assert_holds(
	    fds[PROC_ROLE_SUPERVISOR], "OPENAI_API_KEY\nOPENAI_API_KEY\n");
	close(fds[PROC_ROLE_CALLWORKER]);
	close(fds[PROC_ROLE_SUPERVISOR]);
}

/* The kernel shows the environment that a program was started with. */
static void
start_again_with_secrets(char **argv)
{
	setenv("ASTERISK_PASSWORD", password, 1);
	setenv("ASTERISK_USERNAME", "unit", 1);
	setenv("OPENAI_API_KEY", key, 1);
	setenv("UNIT_LAST", "still there", 1);
	execv("/proc/self/exe", argv);
	perror("execv");
	_exit(1);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_the_names_in_the_table_are_secrets),
	    cmocka_unit_test(
		secrets_leave_the_environment_and_reach_their_role),
	    cmocka_unit_test(an_environment_without_secrets_stays_as_it_is),
	    cmocka_unit_test(a_secret_that_is_set_twice_is_taken_twice),
	};

	(void)argc;
	if (getenv("UNIT_LAST") == NULL)
		start_again_with_secrets(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
