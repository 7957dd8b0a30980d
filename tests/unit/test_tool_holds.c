/* SPDX-License-Identifier: MIT */
/* test_tool_holds.c – targets that stay taken, across a supervisor's death. */
#include "supervisor/tool_holds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
	struct tool_holds *holds;
	int memory;
	uint64_t now_ms;
} rig;

static uint64_t
fake_now(void)
{
	return rig.now_ms;
}

static int
setup(void **state)
{
	(void)state;
	rig.now_ms = 5000000;
	rig.memory = memfd_create("access", MFD_CLOEXEC);
	assert_int_equal(ftruncate(rig.memory, KEEPER_MEMORY_SIZE), 0);
	return tool_holds_new(&rig.holds, rig.memory, fake_now);
}

static int
teardown(void **state)
{
	(void)state;
	tool_holds_free(&rig.holds);
	close(rig.memory);
	return 0;
}

static void
supervisor_is_killed(void)
{
	tool_holds_free(&rig.holds);
	assert_int_equal(tool_holds_new(&rig.holds, rig.memory, fake_now), 0);
}

/* How long TARGET stays taken; 0: it is free. */
static uint64_t
left_ms(const char *target)
{
	uint64_t until_ms, left = 0;
	const char *name;
	size_t at = 0;

	while ((name = tool_holds_next(rig.holds, &at, &until_ms)) != NULL) {
		if (strcmp(name, target) != 0)
			continue;
		assert_int_equal(left, 0); /* it is there once */
		left = until_ms - rig.now_ms;
	}
	return left;
}

static size_t
count(void)
{
	uint64_t until_ms;
	size_t at = 0, n = 0;

	while (tool_holds_next(rig.holds, &at, &until_ms) != NULL)
		n++;
	return n;
}

static void
a_successor_finds_what_stays_taken(void **state)
{
	(void)state;
	assert_int_equal(count(), 0);
	tool_holds_set(rig.holds, "0123456789abcdef", rig.now_ms + 60000);
	tool_holds_set(rig.holds, "fedcba9876543210", rig.now_ms + 500);
	tool_holds_set(rig.holds, "a", rig.now_ms + 500);
	tool_holds_set(rig.holds, "a", 0);
	supervisor_is_killed();
	assert_int_equal(left_ms("0123456789abcdef"), 60000);
	assert_int_equal(left_ms("fedcba9876543210"), 500);
	assert_true(tool_holds_has(rig.holds, "fedcba9876543210"));
	assert_false(tool_holds_has(rig.holds, "a"));
	rig.now_ms += 500;
	assert_false(tool_holds_has(rig.holds, "fedcba9876543210"));
	assert_int_equal(left_ms("0123456789abcdef"), 59500);
	assert_int_equal(count(), 1);
}

static void
the_last_word_counts(void **state)
{
	(void)state;
	for (uint64_t ms = 1; ms <= 3; ms++)
		tool_holds_set(rig.holds, "b", rig.now_ms + 1000 / ms);
	assert_int_equal(left_ms("b"), 333);
	assert_int_equal(count(), 1);
}

static void
a_full_table_loses_the_new_ones_only(void **state)
{
	char name[TOOL_HOLDS_TARGET_SIZE];

	(void)state;
	for (int i = 0; i <= TOOL_HOLDS_MAX; i++) {
		snprintf(name, sizeof(name), "%016x", i);
		tool_holds_set(rig.holds, name, rig.now_ms + 1000);
	}
	assert_int_equal(count(), TOOL_HOLDS_MAX);
	assert_int_equal(left_ms("0000000000000000"), 1000);
	assert_int_equal(left_ms(name), 0);
	rig.now_ms += 1000;
	tool_holds_set(rig.holds, name, rig.now_ms + 1);
	assert_int_equal(count(), 1);
}

static void
what_cannot_be_remembered_harms_nobody(void **state)
{
	uint64_t until_ms;
	size_t at = 0;

	(void)state;
	tool_holds_set(
	    rig.holds, "a name that is longer than a mark", rig.now_ms + 1);
	tool_holds_set(NULL, "a", rig.now_ms + 1);
	assert_null(tool_holds_next(NULL, &at, &until_ms));
	assert_int_equal(count(), 0);
}

/* Written by another version, or not by us at all. */
static void
what_is_not_ours_is_not_believed(void **state)
{
	unsigned char *bytes;

	(void)state;
	bytes = mmap(NULL, KEEPER_MEMORY_HOLDS, PROT_READ | PROT_WRITE,
	    MAP_SHARED, rig.memory, TOOL_HOLDS_OFFSET);
	assert_true(bytes != MAP_FAILED);
	memset(bytes + 8, 0x7f, KEEPER_MEMORY_HOLDS - 8);
	assert_int_equal(count(), 0); /* names without an end */
	memset(bytes, 0x7f, KEEPER_MEMORY_HOLDS);
	supervisor_is_killed();
	assert_int_equal(count(), 0);
	tool_holds_set(rig.holds, "a", rig.now_ms + 1);
	assert_int_equal(left_ms("a"), 1);
	munmap(bytes, KEEPER_MEMORY_HOLDS);
}

#define holds_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    holds_test(a_successor_finds_what_stays_taken),
	    holds_test(the_last_word_counts),
	    holds_test(a_full_table_loses_the_new_ones_only),
	    holds_test(what_cannot_be_remembered_harms_nobody),
	    holds_test(what_is_not_ours_is_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
