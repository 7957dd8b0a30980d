/* SPDX-License-Identifier: MIT */
/* test_callworker_brief.c – what a callworker takes from its brief. */
#include "callworker/brief.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static int
parse(struct brief **brief_out, const char *text)
{
	return brief_parse(brief_out, text, strlen(text));
}

static void
absent_members_have_harmless_defaults(void **state)
{
	struct brief *brief;

	(void)state;
	assert_int_equal(parse(&brief, "{\"instructions\":\"x\"}"), 0);
	assert_string_equal(brief->greeting, "");
	assert_string_equal(brief->phrases[BRIEF_PHRASE_TROUBLE], "");
	assert_null(brief->turn_detection);
	assert_null(brief->person_phrases);
	assert_int_equal(brief->silent_caller_s, BRIEF_SILENT_CALLER_S);
	assert_int_equal(brief->tool_count, 0);
	assert_int_equal(brief->layers.sound_after_ms, 0);
	assert_int_equal(brief->layers.progress_after_ms, 0);
	assert_int_equal(
	    brief->layers.progress_every_ms, BRIEF_PROGRESS_EVERY_MS);
	assert_null(brief_find_tool(brief, "x"));
	assert_string_equal(brief_failure(NULL, "timeout"), "");
	brief_free(&brief);
	assert_null(brief);
}

static void
tools_have_deadlines_and_honest_sentences(void **state)
{
	struct brief *brief;
	const struct brief_tool *tool;

	(void)state;
	assert_int_equal(
	    parse(&brief,
		"{\"instructions\":\"x\",\"noise_reduction\":\"off\","
		"\"tools\":[{\"name\":\"a\"},{\"name\":\"b\",\"deadline_ms\":"
		"99999999,\"failures\":{\"busy\":\"Ocupado\",\"lost\":7}}]}"),
	    0);
	assert_string_equal(brief->noise_reduction, "");
	assert_int_equal(
	    brief_find_tool(brief, "a")->deadline_ms, BRIEF_DEADLINE_MS);
	tool = brief_find_tool(brief, "b");
	assert_int_equal(tool->deadline_ms, BRIEF_DEADLINE_MAX_MS);
	assert_string_equal(brief_failure(tool, "busy"), "Ocupado");
	assert_string_equal(brief_failure(tool, "lost"), "");
	brief_free(&brief);
}

static void
what_is_said_while_a_tool_runs_is_bounded(void **state)
{
	const struct brief_tool *tool;
	struct brief *brief;

	(void)state;
	assert_int_equal(
	    parse(&brief,
		"{\"instructions\":\"x\",\"layers\":{\"sound_after_ms\":-1,"
		"\"progress_after_ms\":1e12,\"progress_every_ms\":0},"
		"\"tools\":[{\"name\":\"a\",\"waiting\":[\"1\",2,\"\",\"3\","
		"\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\"],\"action\":"
		"\"hangup\"},{\"name\":\"b\",\"waiting\":\"x\"}]}"),
	    0);
	assert_int_equal(brief->layers.sound_after_ms, 0);
	assert_int_equal(brief->layers.progress_after_ms, BRIEF_LAYER_MAX_MS);
	assert_int_equal(brief->layers.progress_every_ms, 1);
	tool = brief_find_tool(brief, "a");
	assert_int_equal(tool->waiting_count, BRIEF_WAITING_MAX);
	assert_string_equal(tool->waiting[1], "3");
	assert_string_equal(tool->action, "hangup");
	assert_string_equal(tool->progress, "");
	tool = brief_find_tool(brief, "b");
	assert_int_equal(tool->waiting_count, 0);
	assert_string_equal(tool->action, "");
	brief_free(&brief);
}

static void
what_is_no_brief_is_refused(void **state)
{
	static const char *const bad[] = {"", "[]", "{}",
	    "{\"instructions\":1}", "{\"instructions\":\"\"}",
	    "{\"instructions\":\"x\",\"tools\":[{\"description\":\"y\"}]}",
	    "{\"instructions\":\"x\"} x"};
	struct brief *brief;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(parse(&brief, bad[i]), -EBADMSG);
		assert_null(brief);
	}
	assert_int_equal(
	    brief_parse(&brief, "{}", BRIEF_LEN_MAX + 1), -EMSGSIZE);
}

static void
a_memfd_is_read_from_its_beginning(void **state)
{
	static const char text[] = "{\"instructions\":\"desde el principio\"}";
	struct brief *brief;
	int fd = memfd_create("brief", MFD_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(brief_read(&brief, fd), 0);
	assert_string_equal(brief->instructions, "desde el principio");
	brief_free(&brief);
	assert_int_equal(ftruncate(fd, (off_t)BRIEF_LEN_MAX + 1), 0);
	assert_int_equal(brief_read(&brief, fd), -EMSGSIZE);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(brief_read(&brief, fd), -EBADMSG);
	close(fd);
	assert_int_equal(brief_read(&brief, fd), -EBADF);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(absent_members_have_harmless_defaults),
	    cmocka_unit_test(tools_have_deadlines_and_honest_sentences),
	    cmocka_unit_test(what_is_said_while_a_tool_runs_is_bounded),
	    cmocka_unit_test(what_is_no_brief_is_refused),
	    cmocka_unit_test(a_memfd_is_read_from_its_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
