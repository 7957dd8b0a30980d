/* SPDX-License-Identifier: MIT */
/*
 * test_title.c – what /proc shows after a title was set.
 *
 * The arguments and the environment of a process can be overwritten only
 * once, so this program calls title_init() in main() and its tests share it.
 */
#include "common/title.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *path_before;
static char command[256]; /* argv[0] before title_init() */

static size_t
read_proc(const char *name, char *buf, size_t size)
{
	char path[64];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/%s", name);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(buf, 1, size - 1, f);
	fclose(f);
	buf[n] = '\0';
	return n;
}

static void
assert_title(const char *expected)
{
	char shown[4096];

	read_proc("cmdline", shown, sizeof(shown));
	assert_string_equal(shown, expected);
}

static void
arguments_are_shown_until_the_first_title(void **state)
{
	char shown[4096];

	(void)state;
	read_proc("cmdline", shown, sizeof(shown));
	assert_string_equal(shown, command);
}

static void
environment_moves_away_and_stays_usable(void **state)
{
	char shown[4096];
	size_t n = read_proc("environ", shown, sizeof(shown));

	(void)state;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(shown[i], '\0');
	assert_string_equal(getenv("PATH"), path_before);
	assert_null(getenv(TITLE_ROOM_VARIABLE));
	assert_int_equal(setenv("TELEFONISTA_TEST", "1", 1), 0);
	assert_string_equal(getenv("TELEFONISTA_TEST"), "1");
}

static void
title_replaces_the_arguments(void **state)
{
	(void)state;
	title_set("telefonista: call %s", "1732012345.17");
	assert_title("telefonista: call 1732012345.17");
	title_set("k");
	assert_title("k");
}

static void
title_keeps_utf8(void **state)
{
	(void)state;
	title_set("telefonista: call 1732012345.17 …4655 → 3241000752 soporte "
		  "talking 00:42 tool=consultar_mikrotik");
	assert_title("telefonista: call 1732012345.17 …4655 → 3241000752 "
		     "soporte talking 00:42 tool=consultar_mikrotik");
	title_set("ñandú 📞");
	assert_title("ñandú 📞");
}

static void
title_neutralises_what_a_terminal_would_obey(void **state)
{
	(void)state;
	title_set("a\033[31mb\nc\177d\xc2\x9b"
		  "e\xe2\x80\xae"
		  "f");
	assert_title("a?[31mb?c?d??e???f");
	title_set("x\xff\xc3z\xed\xa0\x80\xc0\xafy");
	assert_title("x??z?????y");
}

static void
title_is_cut_between_characters(void **state)
{
	char shown[4096];
	char text[1024] = "";
	size_t len;

	(void)state;
	for (int i = 0; i < 300; i++)
		strcat(text, "…");
	title_set("%s", text);
	read_proc("cmdline", shown, sizeof(shown));
	len = strlen(shown);
	assert_true(len > TITLE_MAX - 4 && len < TITLE_MAX);
	assert_int_equal(len % 3, 0);
	assert_memory_equal(shown, text, len);
}

static void
name_is_shown_as_comm(void **state)
{
	char shown[64];

	(void)state;
	title_set_name("tf-callworker");
	read_proc("comm", shown, sizeof(shown));
	assert_string_equal(shown, "tf-callworker\n");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(arguments_are_shown_until_the_first_title),
	    cmocka_unit_test(environment_moves_away_and_stays_usable),
	    cmocka_unit_test(title_replaces_the_arguments),
	    cmocka_unit_test(title_keeps_utf8),
	    cmocka_unit_test(title_neutralises_what_a_terminal_would_obey),
	    cmocka_unit_test(title_is_cut_between_characters),
	    cmocka_unit_test(name_is_shown_as_comm),
	};
	char room[TITLE_MAX + 1];

	/* As spawn() does: the title's room does not depend on luck. */
	if (getenv(TITLE_ROOM_VARIABLE) == NULL) {
		memset(room, ' ', TITLE_MAX);
		room[TITLE_MAX] = '\0';
		setenv(TITLE_ROOM_VARIABLE, room, 1);
		execv("/proc/self/exe", argv);
		return 1;
	}
	path_before = strdup(getenv("PATH") != NULL ? getenv("PATH") : "");
	snprintf(command, sizeof(command), "%s", argv[0]);
	title_init(argc, argv);
	assert(strcmp(argv[0], command) == 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
