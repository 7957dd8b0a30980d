/* SPDX-License-Identifier: MIT */
/* test_locked_secret.c – a secret's page, as the kernel describes it. */
#include "common/locked_secret.h"
#include "common/sandbox.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Whether FLAG ("dd": not dumped, "lo": locked, "wf": wiped on fork) is among
 * the VmFlags of the mapping that holds ADDRESS. */
static bool
has_flag(const void *address, const char *flag)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	uintptr_t at = (uintptr_t)address;
	bool inside = false, found = false;
	char line[512];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		unsigned long first, last;

		if (sscanf(line, "%lx-%lx ", &first, &last) == 2)
			inside = at >= first && at < last;
		if (inside && strncmp(line, "VmFlags:", 8) == 0)
			found = strstr(line, flag) != NULL;
	}
	fclose(file);
	return found;
}

static void
a_secret_is_locked_and_not_dumped(void **state)
{
	struct locked_secret *secret;

	(void)state;
	assert_int_equal(locked_secret_new(&secret, "sk-1"), 0);
	assert_string_equal(locked_secret_text(secret), "sk-1");
	/* Sanitizers make mlock(2) do nothing. */
	if (!sandbox_is_sanitized())
		assert_true(has_flag(locked_secret_text(secret), " lo"));
	assert_true(has_flag(locked_secret_text(secret), " dd"));
	locked_secret_free(&secret);
	assert_null(secret);
	locked_secret_free(&secret);
}

static void
a_child_does_not_inherit_it(void **state)
{
	struct locked_secret *secret;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(locked_secret_new(&secret, "sk-1"), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(locked_secret_text(secret)[0] == '\0' ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_string_equal(locked_secret_text(secret), "sk-1");
	locked_secret_free(&secret);
}

/* As a user who may lock nothing: it is not dumped, nor inherited, either. */
static int
make_secret_without_locking(void)
{
	const struct rlimit none = {0, 0};
	struct locked_secret *secret;
	int status;
	pid_t pid;

	if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 ||
	    (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) ||
	    prctl(PR_SET_DUMPABLE, 1) != 0 ||
	    locked_secret_new(&secret, "sk-1") != 0)
		return 1;
	if (has_flag(locked_secret_text(secret), " lo"))
		return 2;
	if (!has_flag(locked_secret_text(secret), " dd"))
		return 3;
	pid = fork();
	if (pid == 0)
		_exit(locked_secret_text(secret)[0] == '\0' ? 0 : 4);
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static void
what_cannot_be_locked_is_kept_to_itself_all_the_same(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (sandbox_is_sanitized())
		skip(); /* mlock(2) is nothing to them */
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(make_secret_without_locking());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
what_is_no_secret_or_too_long_is_refused(void **state)
{
	struct locked_secret *secret;
	char text[4097];

	(void)state;
	assert_int_equal(locked_secret_new(&secret, ""), -EINVAL);
	assert_null(secret);
	memset(text, 'x', sizeof(text) - 1);
	text[4096] = '\0';
	assert_int_equal(locked_secret_new(&secret, text), -EINVAL);
	text[4095] = '\0';
	assert_int_equal(locked_secret_new(&secret, text), 0);
	assert_string_equal(locked_secret_text(secret), text);
	locked_secret_free(&secret);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_secret_is_locked_and_not_dumped),
	    cmocka_unit_test(a_child_does_not_inherit_it),
	    cmocka_unit_test(
		what_cannot_be_locked_is_kept_to_itself_all_the_same),
	    cmocka_unit_test(what_is_no_secret_or_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
