/* SPDX-License-Identifier: MIT */
/* test_log.c – one line per fact, whatever strangers put into it. */
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
	int real_stderr;
	int file; /* what stderr is while a test runs */
	char text[64 * 1024];
} rig;

static int
setup(void **state)
{
	(void)state;
	rig.file = memfd_create("log", MFD_CLOEXEC);
	rig.real_stderr = dup(STDERR_FILENO);
	dup2(rig.file, STDERR_FILENO);
	unsetenv("JOURNAL_STREAM");
	log_init("unit", LOG_LEVEL_INFO);
	log_set_context("");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	dup2(rig.real_stderr, STDERR_FILENO);
	close(rig.real_stderr);
	close(rig.file);
	return 0;
}

/* What was logged since setup. */
static const char *
logged(int fd)
{
	ssize_t n = pread(fd, rig.text, sizeof(rig.text) - 1, 0);

	assert_true(n >= 0);
	rig.text[n] = '\0';
	return rig.text;
}

/* What follows "unit[PID] ". */
static const char *
message(void)
{
	char head[32];
	const char *found;

	snprintf(head, sizeof(head), "unit[%d] ", (int)getpid());
	found = strstr(logged(rig.file), head);
	assert_non_null(found);
	return found + strlen(head);
}

static void
a_line_has_date_process_context_and_level(void **state)
{
	(void)state;
	log_set_context("call=1.2");
	log_warn("queue is full bytes=%d", 7);
	assert_string_equal(
	    message(), "call=1.2 warning: queue is full bytes=7\n");
	assert_int_equal(rig.text[4], '-'); /* of the date */
}

static void
lines_below_the_level_are_not_written(void **state)
{
	(void)state;
	log_debug("too much");
	assert_string_equal(logged(rig.file), "");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("wanted");
	assert_string_equal(message(), "debug: wanted\n");
}

static void
control_characters_cannot_forge_lines_or_move_the_terminal(void **state)
{
	(void)state;
	log_info("name=\"%s\"", "Ana\nunit[1] error: forged\x1b[2J\x7f\t");
	assert_string_equal(message(),
	    "name=\"Ana\\x0aunit[1] error: forged\\x1b[2J\\x7f\\x09\"\n");
}

static void
c1_controls_are_shown_and_letters_are_left_alone(void **state)
{
	(void)state;
	log_info("%s", "Mar\xc3\xad"
		       "a \xc2\x9b"
		       "2J \xc2\xa1hola! \xe2\x82\xac");
	assert_string_equal(message(), "Mar\xc3\xad"
				       "a \\xc2\\x9b2J \xc2\xa1hola! "
				       "\xe2\x82\xac\n");
}

/* journalctl(1) would show such a line as "[… blob data]". */
static void
what_is_not_utf8_is_shown_byte_by_byte(void **state)
{
	(void)state;
	log_info("%s", "caf\xe9 \x9b"
		       "2J \xc0\xaf \xed\xa0\x80 cut \xe2\x82");
	assert_string_equal(message(),
	    "caf\\xe9 \\x9b2J \\xc0\\xaf \\xed\\xa0\\x80 cut \\xe2\\x82\n");
}

/* U+202E turns the rest of a line around, U+2028 ends it. */
static void
what_nobody_sees_is_shown(void **state)
{
	(void)state;
	log_info("name=\"%s\"", "Ana\xe2\x80\xae"
				"00\xe2\x80\xa8 \xf0\x9f\x98\x80");
	assert_string_equal(message(), "name=\"Ana\\xe2\\x80\\xae"
				       "00\\xe2\\x80\\xa8 "
				       "\xf0\x9f\x98\x80\"\n");
}

static void
a_context_cannot_forge_lines_either(void **state)
{
	(void)state;
	log_set_context("call=17\nunit[1] error: forged\x1b[2J");
	log_info("begins");
	log_set_context("");
	assert_string_equal(
	    message(), "call=17\\x0aunit[1] error: forged\\x1b[2J begins\n");
}

static void
a_long_line_is_cut_and_still_ends_with_its_newline(void **state)
{
	char *many = malloc(10000);
	size_t len;

	(void)state;
	memset(many, '\n', 9999);
	many[9999] = '\0';
	log_info("%s", many);
	free(many);
	len = strlen(logged(rig.file));
	assert_in_range(len, LOG_LINE_MAX / 2, LOG_LINE_MAX);
	assert_ptr_equal(strchr(rig.text, '\n'), rig.text + len - 1);
}

static void
errno_is_as_it_was_before(void **state)
{
	(void)state;
	errno = ENOTCONN;
	log_info("something");
	assert_int_equal(errno, ENOTCONN);
	close(STDERR_FILENO);
	errno = ENOTCONN;
	log_info("nobody reads this");
	assert_int_equal(errno, ENOTCONN);
}

static void
the_journal_gets_priorities_and_no_date(void **state)
{
	char stream[64], line[64];
	struct stat st;

	(void)state;
	fstat(STDERR_FILENO, &st);
	snprintf(stream, sizeof(stream), "%llu:%llu",
	    (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_init("unit", LOG_LEVEL_INFO);
	log_err("no key");
	snprintf(line, sizeof(line), "<3>unit[%d] no key\n", (int)getpid());
	assert_string_equal(logged(rig.file), line);
}

static void
another_journal_stream_than_stderr_does_not_count(void **state)
{
	(void)state;
	setenv("JOURNAL_STREAM", "1:2", 1);
	log_init("unit", LOG_LEVEL_INFO);
	log_err("no key");
	assert_string_equal(message(), "error: no key\n");
}

static void
a_rotated_log_file_is_opened_again(void **state)
{
	char folder[] = "/tmp/telefonista-test-XXXXXX";
	char path[64], old[64];
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/log", folder);
	snprintf(old, sizeof(old), "%s/log.1", folder);
	assert_int_equal(log_to_file(path), 0);
	log_info("first");
	rename(path, old);
	log_info("second");
	assert_int_equal(log_to_file(path), 0);
	log_info("third");

	fd = open(old, O_RDONLY | O_CLOEXEC);
	assert_non_null(strstr(logged(fd), "second\n"));
	close(fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_non_null(strstr(logged(fd), "third\n"));
	assert_null(strstr(rig.text, "second\n"));
	close(fd);
	unlink(path);
	unlink(old);
	rmdir(folder);
}

static void
a_log_file_that_cannot_be_opened_leaves_the_old_place(void **state)
{
	(void)state;
	assert_int_equal(log_to_file("/nonexistent/log"), -ENOENT);
	log_info("still here");
	assert_string_equal(message(), "still here\n");
}

/* Empties the pipe; the number of lines in it, the last one in rig.text. */
static unsigned
drain_lines(int fd)
{
	char buf[4096];
	unsigned lines = 0;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf) - 1)) > 0) {
		buf[n] = '\0';
		for (char *c = buf; (c = strchr(c, '\n')) != NULL; c++)
			lines++;
		memcpy(rig.text, buf, (size_t)n + 1);
	}
	return lines;
}

static void
a_log_that_nobody_reads_is_not_waited_for(void **state)
{
	int fds[2];
	unsigned written;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	/* Many times what the pipe takes: it would block here. */
	for (unsigned i = 0; i < 10000; i++)
		log_info("line number=%u", i);
	written = drain_lines(fds[0]);
	assert_in_range(written, 100, 9000);
	log_info("the last");
	assert_int_equal(drain_lines(fds[0]), 2);
	assert_non_null(strstr(rig.text, "the last\n"));
	snprintf(rig.text + 4096, 64, "lost_lines=%u\n", 10000 - written);
	assert_non_null(strstr(rig.text, rig.text + 4096));
	log_info("again");
	assert_int_equal(drain_lines(fds[0]), 1);
	close(fds[0]);
}

static void
a_rate_limit_passes_a_burst_and_counts_what_it_swallows(void **state)
{
	struct log_ratelimit limit = {0};
	uint32_t suppressed = 99;

	(void)state;
	for (int i = 0; i < LOG_RATELIMIT_BURST; i++)
		assert_true(log_allow(&limit, &suppressed));
	assert_int_equal(suppressed, 0);
	for (int i = 0; i < 20; i++)
		assert_false(log_allow(&limit, &suppressed));
	/* The window has passed. */
	limit.window_ms -= LOG_RATELIMIT_WINDOW_MS;
	assert_true(log_allow(&limit, &suppressed));
	assert_int_equal(suppressed, 20);
	assert_true(log_allow(&limit, &suppressed));
	assert_int_equal(suppressed, 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_line_has_date_process_context_and_level),
	    TEST(lines_below_the_level_are_not_written),
	    TEST(control_characters_cannot_forge_lines_or_move_the_terminal),
	    TEST(c1_controls_are_shown_and_letters_are_left_alone),
	    TEST(what_is_not_utf8_is_shown_byte_by_byte),
	    TEST(what_nobody_sees_is_shown),
	    TEST(a_context_cannot_forge_lines_either),
	    TEST(a_long_line_is_cut_and_still_ends_with_its_newline),
	    TEST(errno_is_as_it_was_before),
	    TEST(the_journal_gets_priorities_and_no_date),
	    TEST(another_journal_stream_than_stderr_does_not_count),
	    TEST(a_rotated_log_file_is_opened_again),
	    TEST(a_log_file_that_cannot_be_opened_leaves_the_old_place),
	    TEST(a_log_that_nobody_reads_is_not_waited_for),
	    TEST(a_rate_limit_passes_a_burst_and_counts_what_it_swallows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
