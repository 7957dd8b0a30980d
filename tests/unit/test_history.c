/* SPDX-License-Identifier: MIT */
/*
 * test_history.c – what is read out of journals: whole, torn, full, and
 * written by somebody who means no good.
 */
#include "callworker/history.h"

#include "callworker/conversation.h"
#include "common/clock.h"
#include "common/journal.h"

#include <errno.h>
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

#include "tests/unit/journal_rig.h"

static int
setup(void **state)
{
	struct journal_rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	journal_rig_open(rig);
	*state = rig;
	return 0;
}

static int
teardown(void **state)
{
	struct journal_rig *rig = *state;

	journal_rig_close(rig);
	free(rig);
	return 0;
}

/* All of it, an item a line. */
static const char *
read_all(struct journal_rig *rig)
{
	static const char *const kinds[] = {
	    "caller", "told", "voice", "call", "output"};
	static char lines[8192];
	size_t len = 0;

	journal_rig_read(rig);
	lines[0] = '\0';
	for (size_t i = 0; i < rig->h->count; i++) {
		const struct history_item *item = &rig->h->items[i];

		len += (size_t)snprintf(lines + len, sizeof(lines) - len,
		    "%s %s%s%s: %s\n", kinds[item->kind], item->id,
		    item->call_id, item->name, item->text);
		assert_true(len < sizeof(lines));
	}
	return lines;
}

#define TURN(id)                                                               \
	add(rig, JOURNAL_CALLER, "{\"speaks\":true}");                         \
	add(rig, JOURNAL_CALLER, "{\"speaks\":false,\"turn\":\"" id "\"}")
#define SPEAKS(id, tag)                                                        \
	add(rig, JOURNAL_SPEAKING, "{\"id\":\"" id "\",\"tag\":\"" tag "\"}")
#define WORDS(id, text)                                                        \
	add(rig, JOURNAL_WORDS, "{\"id\":\"" id "\",\"text\":\"" text "\"}")
#define USER(id, text)                                                         \
	add(rig, JOURNAL_USER, "{\"id\":\"" id "\",\"text\":\"" text "\"}")
#define HEARD(id, text)                                                        \
	add(rig, JOURNAL_HEARD,                                                \
	    "{\"id\":\"" id "\",\"heard_ms\":900,\"total_ms\":1000,"           \
	    "\"heard\":\"" text "\"}")
#define CALLS(id, arguments)                                                   \
	add(rig, JOURNAL_TOOL_CALL,                                            \
	    "{\"id\":\"" id                                                    \
	    "\",\"name\":\"consultar\",\"arguments\":\"" arguments "\"}")
#define RESULT(id, status)                                                     \
	add(rig, JOURNAL_TOOL_RESULT,                                          \
	    "{\"id\":\"" id "\",\"status\":\"" status                          \
	    "\",\"output\":\"bien\"}")

/* ---- what was said ------------------------------------------------------ */

static void
things_are_in_the_order_in_which_they_happened(void **state)
{
	struct journal_rig *rig = *state;

	add(rig, JOURNAL_STATE, "{\"to\":\"running\"}");
	SPEAKS("i1", "greeting");
	WORDS("i1", "Hola");
	HEARD("i1", "Hola");
	TURN("u1");
	SPEAKS("i2", "answer");
	USER("u1", "buenas"); /* long after the audio */
	add(rig, JOURNAL_ASSISTANT, "{\"id\":\"i2\",\"text\":\"Ya miro\"}");
	CALLS("c1", "{}");
	HEARD("i2", "Ya");
	RESULT("c1", "ok");
	add(rig, JOURNAL_DTMF, "{\"digits\":\"5 7\"}");
	assert_string_equal(read_all(rig),
	    "voice i1: Hola\ncaller u1: buenas\nvoice i2: Ya\n"
	    "call c1consultar: {}\noutput c1: bien\n"
	    "told : [El usuario marcó: 5 7]\n");
	assert_true(rig->h->news && !rig->h->turn_owed);
	assert_int_equal(rig->h->items[2].heard_ms, 900);
	assert_int_equal(rig->h->pending_count, 0);
}

static void
a_transcript_finds_the_turn_that_it_is_of(void **state)
{
	struct journal_rig *rig = *state;

	TURN("u1"); /* never transcribed */
	SPEAKS("i1", "answer");
	TURN("u2");
	SPEAKS("i2", "answer");
	TURN("");
	USER("u2", "dos");
	USER("zz", "tres");
	assert_string_equal(read_all(rig),
	    "caller u1: \nvoice i1: \ncaller u2: dos\nvoice i2: \n"
	    "caller : tres\n");
	assert_true(rig->h->turn_owed && rig->h->items[4].open);
	assert_false(rig->h->items[2].open);
	history_forget_turn(rig->h, 0);
	assert_int_equal(rig->h->count, 4);
}

static void
words_are_there_before_the_sentence_ends(void **state)
{
	struct journal_rig *rig = *state;

	SPEAKS("i1", "answer");
	WORDS("i1", "uno");
	WORDS("i1", " dos");
	assert_string_equal(read_all(rig), "voice i1: uno dos\n");
	assert_false(rig->h->items[0].over || rig->h->items[0].broken);
	add(rig, JOURNAL_BROKEN, "{\"id\":\"i1\"}");
	read_all(rig);
	assert_true(rig->h->items[0].broken);
	HEARD("i1", "uno");
	WORDS("i1", " tres"); /* not any more */
	assert_string_equal(read_all(rig), "voice i1: uno\n");
	assert_true(rig->h->items[0].over && rig->h->items[0].recorded);
}

static void
what_was_only_announced_answers_nothing(void **state)
{
	struct journal_rig *rig = *state;

	TURN("u1");
	USER("u1", "¿hola?");
	SPEAKS("i1", "answer");
	read_all(rig);
	assert_false(rig->h->turn_owed);
	history_unsay(rig->h, 1);
	assert_true(rig->h->turn_owed && rig->h->items[0].open);
	assert_string_equal(rig->h->items[1].text, "");
}

static void
key_0_is_between_the_caller_and_us(void **state)
{
	struct journal_rig *rig = *state;

	add(rig, JOURNAL_DTMF, "{\"digits\":\"0\"}");
	assert_string_equal(read_all(rig), "");
	assert_false(rig->h->news);
}

static void
it_knows_who_was_to_speak(void **state)
{
	struct journal_rig *rig = *state;

	TURN("u1");
	read_all(rig);
	assert_true(rig->h->turn_owed && !rig->h->caller_talking);
	CALLS("c1", "{}");
	read_all(rig);
	assert_false(rig->h->turn_owed || rig->h->news);
	RESULT("c1", "cancelled"); /* nobody need speak of it */
	read_all(rig);
	assert_false(rig->h->news);
	add(rig, JOURNAL_CALLER, "{\"speaks\":true}");
	read_all(rig);
	assert_true(rig->h->caller_talking && !rig->h->heard_since_turn);
	SPEAKS("i1", "trouble");
	SPEAKS("i2", "still_there");
	read_all(rig);
	assert_int_equal(rig->h->troubles, 1);
	assert_true(rig->h->asked_silent && rig->h->heard_since_turn);
}

static void
an_aside_is_no_answer(void **state)
{
	struct journal_rig *rig = *state;

	TURN("u1");
	SPEAKS("a1", "aside");
	add(rig, JOURNAL_ASIDE, "{\"id\":\"a1\",\"heard\":\"Sigo\"}");
	read_all(rig);
	assert_true(rig->h->turn_owed);
	assert_int_equal(rig->h->items[1].tag, CONVERSATION_TAG_ASIDE);
}

/* ---- what ran ----------------------------------------------------------- */

static void
what_was_requested_waits_with_what_was_sent(void **state)
{
	struct journal_rig *rig = *state;
	uint64_t before = clock_now_ms();

	CALLS("c1", "con clave");
	CALLS("c2", "sin");
	add(rig, JOURNAL_TOOL_REQUEST,
	    "{\"id\":\"c1\",\"arguments\":\"sin clave\"}");
	add(rig, JOURNAL_NOTE,
	    "{\"what\":\"person\",\"id\":\"person-1\",\"reason\":\"key 0\"}");
	read_all(rig);
	assert_int_equal(rig->h->pending_count, 3);
	assert_true(rig->h->pending[0].requested);
	assert_string_equal(rig->h->pending[0].arguments, "sin clave");
	assert_in_range(rig->h->pending[0].since_ms, before, clock_now_ms());
	assert_false(rig->h->pending[1].requested);
	assert_true(rig->h->pending[2].own);
	assert_int_equal(rig->h->persons, 1);
	RESULT("c1", "ok");
	add(rig, JOURNAL_NOTE,
	    "{\"what\":\"person\",\"id\":\"person-1\",\"status\":\"busy\"}");
	add(rig, JOURNAL_NOTE, "{\"what\":\"told\",\"text\":\"[Ocupada]\"}");
	read_all(rig);
	assert_int_equal(rig->h->pending_count, 1);
	assert_string_equal(rig->h->pending[0].id, "c2");
	assert_string_equal(rig->h->items[rig->h->count - 1].text, "[Ocupada]");
}

static void
no_output_is_without_its_call_and_none_is_twice(void **state)
{
	struct journal_rig *rig = *state;

	RESULT("c9", "ok");
	CALLS("c1", "{}");
	CALLS("c1", "{}");
	RESULT("c1", "ok");
	RESULT("c1", "ok");
	CALLS("c1", "{}");
	assert_string_equal(
	    read_all(rig), "call c1consultar: {}\noutput c1: bien\n");
	assert_int_equal(rig->h->pending_count, 0);
}

static void
usage_is_summed_and_cannot_be_lowered(void **state)
{
	struct journal_rig *rig = *state;

	add(rig, JOURNAL_USAGE, "{\"input_text\":5,\"output_audio\":7}");
	add(rig, JOURNAL_USAGE, "{\"input_text\":6,\"output_audio\":-3}");
	add(rig, JOURNAL_USAGE, "{\"input_text\":9223372036854775807}");
	read_all(rig);
	assert_int_equal(rig->h->usage.input_text, 11);
	assert_int_equal(rig->h->usage.output_audio, 7);
}

static void
a_goodbye_is_known(void **state)
{
	struct journal_rig *rig = *state;

	add(rig, JOURNAL_STATE, "{\"to\":\"leaving\",\"why\":\"silent\"}");
	read_all(rig);
	assert_string_equal(rig->h->leaving, "silent");
	add(rig, JOURNAL_STATE, "{\"to\":\"over\",\"why\":\"server\"}");
	read_all(rig);
	assert_string_equal(rig->h->leaving, "silent");
}

/* ---- bounds ------------------------------------------------------------- */

static void
a_long_call_is_told_from_its_end(void **state)
{
	struct journal_rig *rig = *state;
	char body[128];

	CALLS("waits", "{}");
	CALLS("c1", "{}");
	for (int i = 0; i < 3000; i++) {
		snprintf(body, sizeof(body),
		    "{\"id\":\"t%d\",\"text\":\"palabra %d\"}", i, i);
		add(rig, JOURNAL_USER, body);
		if (i == 2900)
			RESULT("c1", "ok");
	}
	assert_int_equal(history_read(&rig->h, rig->fd), 0);
	assert_true(rig->h->count <= 4 * HISTORY_ITEMS_MAX);
	history_bound(rig->h);
	/* The one that still waits for its answer stays, too. */
	assert_in_range(
	    rig->h->count, HISTORY_ITEMS_MAX, HISTORY_ITEMS_MAX + 1);
	assert_string_equal(rig->h->items[0].call_id, "waits");
	assert_string_equal(
	    rig->h->items[rig->h->count - 1].text, "palabra 2999");
	for (size_t i = 0; i < rig->h->count; i++)
		assert_true(rig->h->items[i].kind != HISTORY_OUTPUT ||
			    rig->h->pending_count == 1);
	assert_true(rig->h->dropped > 0);
}

static void
an_aside_of_which_only_the_end_is_known_is_none_of_the_voices(void **state)
{
	struct journal_rig *rig = *state;

	add(rig, JOURNAL_ASIDE,
	    "{\"id\":\"a\",\"heard_ms\":9,\"total_ms\":9,\"heard\":\"sigo\"}");
	assert_string_equal(read_all(rig), "");
}

static void
a_full_journal_says_that_more_came(void **state)
{
	struct journal_rig *rig = *state;
	char body[JOURNAL_BODY_MAX];
	int ret;

	memset(body, 'x', sizeof(body));
	memcpy(body, "{\"id\":\"", 7);
	memcpy(body + sizeof(body) - 2, "\"}", 2);
	read_all(rig);
	assert_false(rig->h->cut);
	do
		ret = journal_append(
		    rig->journal, JOURNAL_NOTE, body, sizeof(body));
	while (ret == 0);
	assert_int_equal(ret, -ENOSPC);
	read_all(rig);
	assert_true(rig->h->cut);
}

static void
its_texts_are_bounded(void **state)
{
	struct journal_rig *rig = *state;
	char *body = malloc(40000);
	int n = snprintf(body, 40000, "{\"id\":\"uu\",\"text\":\"");

	assert_non_null(body);
	for (int i = 0; i < 18000; i += 2)
		memcpy(body + n + i, "ñ", 3);
	memcpy(body + n + 18000, "\"}", 3);
	for (int i = 0; i < 60; i++) {
		add(rig, JOURNAL_USER, body);
		add(rig, JOURNAL_CALLER, "{\"speaks\":true}");
		body[7] = (char)('a' + i % 26);
		body[8] = (char)('a' + i / 26);
	}
	free(body);
	assert_int_equal(history_read(&rig->h, rig->fd), 0);
	history_bound(rig->h);
	assert_in_range(
	    rig->h->text_len, HISTORY_TEXT_MAX / 2, HISTORY_TEXT_MAX);
	assert_true(strlen(rig->h->items[0].text) <= HISTORY_WORDS_MAX);
	assert_true(strlen(rig->h->items[0].text) % 2 == 0); /* whole letters */
}

/* ---- other people's bytes ------------------------------------------------ */

static void
a_torn_end_costs_only_the_end(void **state)
{
	struct journal_rig *rig = *state;
	uint8_t *memory;
	size_t end = 0;

	USER("u1", "uno");
	USER("u2", "dos");
	memory = mmap(
	    NULL, JOURNAL_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, rig->fd, 0);
	assert_true(memory != MAP_FAILED);
	for (size_t i = 0; i < 4096; i++)
		end = memory[i] != 0 ? i : end;
	memory[end] ^= 0x40; /* the writer died inside the last entry */
	assert_string_equal(read_all(rig), "caller u1: uno\n");
	/* Nor does any other end do harm. */
	for (size_t len = end; len > 0; len--) {
		memory[len] = 0;
		if (len >= sizeof(struct journal_header))
			read_all(rig);
	}
	munmap(memory, JOURNAL_LEN);
}

static void
bodies_without_sense_are_passed_over(void **state)
{
	static const char *const bodies[] = {"x", "[]", "null", "{}",
	    "{\"id\":7,\"text\":[],\"tag\":{},\"speaks\":\"yes\"}",
	    "{\"id\":\"i1\",\"tag\":\"nonsense\"}",
	    "{\"id\":\"\",\"tag\":\"answer\",\"name\":\"\"}",
	    "{\"what\":\"person\",\"id\":\"\",\"reason\":\"r\"}",
	    "{\"what\":\"person\",\"reason\":\"r\",\"status\":\"s\"}",
	    "{\"heard_ms\":-1,\"total_ms\":1e300,\"heard\":\"\\u0000\"}",
	    "{\"id\":\"0123456789012345678901234567890123456789012345678901234"
	    "56789012345678901234567890\",\"name\":\"n\",\"text\":\"t\","
	    "\"tag\":\"answer\",\"output\":\"o\",\"heard\":\"h\"}"};
	struct journal_rig *rig = *state;

	for (unsigned type = JOURNAL_CALL; type <= JOURNAL_TOOL_REQUEST; type++)
		for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++)
			if (type != JOURNAL_FULL && type != JOURNAL_FINAL)
				add(rig, type, bodies[i]);
	USER("u1", "cuerdo");
	assert_non_null(strstr(read_all(rig), "cuerdo"));
	for (size_t i = 0; i < rig->h->count; i++)
		assert_non_null(rig->h->items[i].text);
	history_bound(rig->h);
}

static void
what_is_no_journal_is_refused(void **state)
{
	struct journal_rig *rig = *state;
	int fd = memfd_create("x", MFD_CLOEXEC);

	(void)rig;
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_true(history_read(&rig->h, fd) < 0);
	assert_null(rig->h);
	close(fd);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(things_are_in_the_order_in_which_they_happened),
	    T(a_transcript_finds_the_turn_that_it_is_of),
	    T(words_are_there_before_the_sentence_ends),
	    T(what_was_only_announced_answers_nothing),
	    T(key_0_is_between_the_caller_and_us),
	    T(it_knows_who_was_to_speak),
	    T(an_aside_is_no_answer),
	    T(what_was_requested_waits_with_what_was_sent),
	    T(no_output_is_without_its_call_and_none_is_twice),
	    T(usage_is_summed_and_cannot_be_lowered),
	    T(a_goodbye_is_known),
	    T(a_long_call_is_told_from_its_end),
	    T(an_aside_of_which_only_the_end_is_known_is_none_of_the_voices),
	    T(a_full_journal_says_that_more_came),
	    T(its_texts_are_bounded),
	    T(a_torn_end_costs_only_the_end),
	    T(bodies_without_sense_are_passed_over),
	    T(what_is_no_journal_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
