/* SPDX-License-Identifier: MIT */
/* test_persona.c – reading personas, and who answers which call. */
#include "supervisor/front_matter.h"
#include "supervisor/persona.h"
#include "supervisor/tools.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PHRASES                                                                \
	"still_there: a\nsilent_goodbye: b\nlimit_goodbye: c\n"                \
	"shutdown_goodbye: d\ntool_wait: e\ntrouble: f\n"
#define HEAD            "---\nlanguage: es\ngreeting: Hola\n" PHRASES
#define PERSONA(fields) HEAD fields "---\nYou help.\n"

struct fixture {
	char dir[64];
	struct config config;
	struct config_problems problems;
	struct personas *personas;
};

static void
add_file(struct fixture *f, const char *name, const char *text)
{
	char path[160];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->dir, "/tmp/test_persona.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->config.default_country = 57;
	strcpy(f->config.persona_default, "soporte");
	add_file(f, "_llamada.md",
	    "---\nweekdays: do, lu, ma, mi, ju, vi, sa\n"
	    "months: [a, b, c, d, e, f, g, h, i, j, k, l]\n---\nNotes.\n");
	add_file(f, "soporte.md", PERSONA(""));
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	personas_free(&f->personas);
	snprintf(command, sizeof(command), "rm -r %s", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void
load(struct fixture *f)
{
	personas_free(&f->personas);
	memset(&f->problems, 0, sizeof(f->problems));
	assert_int_equal(
	    personas_load(&f->personas, f->dir, &f->config, &f->problems), 0);
}

static void
assert_clean(const struct fixture *f)
{
	for (size_t i = 0; i < f->problems.count; i++)
		print_message("problem: %s\n", f->problems.list[i].text);
	assert_int_equal(f->problems.count, 0);
}

static void
persona_is_loaded_completely(void **state)
{
	struct fixture *f = *state;
	const struct persona *persona;

	add_file(f, "ventas.md",
	    "\xef\xbb\xbf---\r\n"
	    "# a comment\r\n"
	    "language: es-CO\r\n"
	    "voice: cedar\r\n"
	    "model: gpt-realtime-2.1-mini\r\n"
	    "greeting: \"Hola: soy Ana\"\r\n"
	    "tools: [one, 'two']\r\n"
	    "numbers:\r\n"
	    "  - 3241000800\r\n"
	    "- 32410009*\r\n"
	    "still_there: a long\r\n"
	    "  sentence # that goes on\r\n"
	    "  and on,\r\n"
	    "    and on\r\n"
	    "silent_goodbye: b\r\nlimit_goodbye: c\r\n\r\n"
	    "shutdown_goodbye: d\r\ntool_wait: e\r\ntrouble: f\r\n"
	    "apology: g\r\n"
	    "goodbye: h\r\nperson_wait: i\r\nno_person: j\r\n"
	    "person_phrases:\r\n"
	    "  - hablar con * persona|asesor\r\n"
	    "  - \"!no quiero\"\r\n"
	    "---\r\n"
	    "\r\n# Body\r\n---\r\nEnd.\r\n\r\n");
	load(f);
	assert_clean(f);
	assert_int_equal(personas_count(f->personas), 2);
	persona = personas_find(f->personas, "ventas");
	assert_non_null(persona);
	assert_non_null(strstr(persona->path, "/ventas.md"));
	assert_string_equal(persona->language, "es-CO");
	assert_string_equal(persona->voice, "cedar");
	assert_string_equal(persona->model, "gpt-realtime-2.1-mini");
	assert_string_equal(persona->greeting, "Hola: soy Ana");
	assert_int_equal(persona->tool_count, 2);
	assert_string_equal(persona->tools[0], "one");
	assert_string_equal(persona->tools[1], "two");
	assert_int_equal(persona->number_count, 2);
	assert_string_equal(persona->numbers[0], "3241000800");
	assert_string_equal(persona->numbers[1], "32410009*");
	assert_string_equal(persona->still_there,
	    "a long sentence # that goes on and on, and on");
	assert_string_equal(persona->apology, "g");
	assert_string_equal(persona->goodbye, "h");
	assert_string_equal(persona->person_wait, "i");
	assert_string_equal(persona->no_person, "j");
	assert_int_equal(persona->person_phrase_count, 2);
	assert_string_equal(
	    persona->person_phrases[0], "hablar con * persona|asesor");
	assert_string_equal(persona->person_phrases[1], "!no quiero");
	assert_string_equal(persona->instructions, "# Body\r\n---\r\nEnd.");
	persona = personas_find(f->personas, "soporte");
	assert_string_equal(persona->voice, "");
	assert_string_equal(persona->model, "");
	assert_string_equal(persona->apology, "");
	assert_string_equal(persona->goodbye, "");
	assert_string_equal(persona->no_person, "");
	assert_int_equal(persona->person_phrase_count, 0);
	assert_int_equal(persona->tool_count, 0);
}

/* bad.md must be refused with WHY, and the others not harmed. */
static void
assert_refused(struct fixture *f, const char *text, const char *why)
{
	bool said = false;

	add_file(f, "bad.md", text);
	load(f);
	if (personas_find(f->personas, "bad") != NULL)
		fail_msg("accepted %s", text);
	assert_non_null(personas_find(f->personas, "soporte"));
	assert_int_equal(config_problems_fatal(&f->problems), 0);
	for (size_t i = 0; i < f->problems.count; i++) {
		const char *told = f->problems.list[i].text;

		assert_non_null(strstr(told, "/bad.md"));
		said = said || strstr(told, why) != NULL;
	}
	if (!said)
		fail_msg("\"%s\" is not said for %s, but %s", why, text,
		    f->problems.list[0].text);
}

static void
bad_files_are_named_with_the_line(void **state)
{
	struct fixture *f = *state;

	assert_refused(f, "", "line 1: the first line must be ---");
	assert_refused(f, "Hola\n", "line 1: the first line must be ---");
	assert_refused(f, "---\nlanguage: es\n", "line 3: the line ---");
	assert_refused(f, PERSONA("colour: x\n"), "line 10: \"colour\"");
	assert_refused(f, PERSONA("language: es\n"), "line 10: language is");
	assert_refused(f, PERSONA("just words\n"), "line 10: this is not");
	assert_refused(f, PERSONA("Voice: x\n"), "line 10: this is not");
	assert_refused(f, PERSONA("voice:x\n"), "line 10: this is not");
	assert_refused(f, PERSONA("voice: a b\n"), "line 10: voice");
	assert_refused(
	    f, PERSONA("numbers: 1, x\n"), "line 10: numbers: \"x\"");
	assert_refused(f, PERSONA("numbers: 3*1\n"), "line 10: numbers");
	assert_refused(f, PERSONA("person_phrases: a, * b\n"),
	    "line 10: person_phrases: \"* b\": * and | must stand between");
	assert_refused(f, PERSONA("person_phrases: a, \"!\"\n"),
	    "line 10: person_phrases: \"!\": there is no word in it");
	assert_refused(f, PERSONA("person_phrases: !a, !b\n"),
	    "line 10: person_phrases: there are only exceptions");
	assert_refused(f, "---\n  x\n---\nb\n", "line 2: this continues");
	assert_refused(f,
	    "---\nlanguage: Spanish\ngreeting: Hola\n" PHRASES "---\nb\n",
	    "line 2: language: \"Spanish\"");
	assert_refused(f, "---\nlanguage: es\n" PHRASES "---\nb\n",
	    "the field greeting is missing");
	assert_refused(f, "---\nlanguage: es\ngreeting: Hola\n---\nb\n",
	    "the field limit_goodbye is missing");
	assert_refused(f, HEAD "---\n", "no instructions");
	assert_refused(f, HEAD "---", "no instructions");
	assert_refused(f, PERSONA("model: gpt-4o\n"), "use gpt-realtime-2.1");
	assert_refused(f, PERSONA("apology: \x01\n"), "control characters");
	assert_refused(f, PERSONA("apology: \xc3\n"), "UTF-8");
}

static void
long_files_are_refused(void **state)
{
	struct fixture *f = *state;
	char *text = malloc(PERSONA_BODY_MAX + 1024);

	assert_non_null(text);
	strcpy(text, HEAD "---\n");
	memset(text + strlen(HEAD "---\n"), 'x', PERSONA_BODY_MAX + 1);
	text[strlen(HEAD "---\n") + PERSONA_BODY_MAX + 1] = '\0';
	assert_refused(f, text, "longer than");
	strcpy(text, HEAD "apology: ");
	memset(text + strlen(HEAD "apology: "), 'x', PERSONA_TEXT_MAX + 1);
	strcpy(text + strlen(HEAD "apology: ") + PERSONA_TEXT_MAX + 1,
	    "\n---\nb\n");
	assert_refused(f, text, "apology: longer than");
	free(text);
}

static void
old_model_is_translated_with_a_warning(void **state)
{
	struct fixture *f = *state;

	add_file(f, "viejo.md", PERSONA("model: gpt-4o-realtime-preview\n"));
	load(f);
	assert_int_equal(f->problems.count, 1);
	assert_string_equal(
	    personas_find(f->personas, "viejo")->model, "gpt-realtime-2.1");
}

static void
default_persona_must_be_there(void **state)
{
	struct fixture *f = *state;

	strcpy(f->config.persona_default, "nadie");
	load(f);
	assert_int_equal(config_problems_fatal(&f->problems), 1);
	assert_non_null(strstr(f->problems.list[0].text, "nadie.md"));
	personas_free(&f->personas);
	memset(&f->problems, 0, sizeof(f->problems));
	assert_int_equal(personas_load(&f->personas, "/nonexistent", &f->config,
			     &f->problems),
	    0);
	assert_int_equal(config_problems_fatal(&f->problems), 1);
	assert_int_equal(personas_count(f->personas), 0);
}

static void
assert_chosen(struct fixture *f, const char *asked, const char *dialled,
    const char *name, const char *reason)
{
	const struct persona *persona;
	const char *why;

	persona = personas_choose(f->personas, asked, dialled, &why);
	assert_non_null(persona);
	assert_string_equal(persona->name, name);
	assert_string_equal(why, reason);
}

static void
name_beats_number_beats_default(void **state)
{
	struct fixture *f = *state;

	add_file(f, "cobros.md", PERSONA("numbers: 3241000800, 104\n"));
	add_file(f, "ventas.md", PERSONA("numbers: 32410008*\n"));
	add_file(f, "todos.md", PERSONA("numbers: 324*\n"));
	load(f);
	assert_clean(f);
	assert_chosen(f, "ventas", "3241000800", "ventas", "asked");
	assert_chosen(f, "", "3241000800", "cobros", "number");
	assert_chosen(f, "", "+573241000800", "cobros", "number");
	assert_chosen(f, "", "573241000800", "cobros", "number");
	assert_chosen(f, "", "104", "cobros", "number");
	assert_chosen(f, "", "3241000801", "ventas", "number");
	assert_chosen(f, "", "+573241000801", "ventas", "number");
	assert_chosen(f, "", "3240000000", "todos", "number");
	assert_chosen(f, "", "3001234567", "soporte", "default");
	assert_chosen(f, "", "s", "soporte", "default");
	assert_chosen(f, "", "", "soporte", "default");
	assert_chosen(f, "nadie", "", "soporte", "not found");
	assert_chosen(f, "nadie", "104", "cobros", "not found");
}

static void
number_belongs_to_one_persona(void **state)
{
	struct fixture *f = *state;

	add_file(f, "a.md", PERSONA("numbers: 3241000800\n"));
	assert_refused(f, PERSONA("numbers: 573241000800\n"),
	    "573241000800 is a's already");
}

static void
empty_set_chooses_nobody(void **state)
{
	struct fixture *f = *state;
	char path[128];
	const char *why;

	snprintf(path, sizeof(path), "%s/soporte.md", f->dir);
	assert_int_equal(unlink(path), 0);
	load(f);
	assert_null(personas_choose(f->personas, "", "", &why));
}

static void
notes_are_read_or_replaced(void **state)
{
	struct fixture *f = *state;
	char path[128];

	load(f);
	assert_string_equal(personas_notes(f->personas)->text, "Notes.");
	assert_string_equal(personas_notes(f->personas)->weekdays[6], "sa");
	assert_string_equal(personas_notes(f->personas)->months[11], "l");
	add_file(f, "_llamada.md", "---\nweekdays: a, b\n---\nx\n");
	load(f);
	assert_non_null(strstr(
	    f->problems.list[0].text, "_llamada.md line 2: weekdays: 7 names"));
	assert_string_equal(personas_notes(f->personas)->weekdays[0], "Sunday");
	snprintf(path, sizeof(path), "%s/_llamada.md", f->dir);
	assert_int_equal(unlink(path), 0);
	load(f);
	assert_int_equal(f->problems.count, 1);
	assert_non_null(strstr(f->problems.list[0].text, "no such file"));
	assert_non_null(
	    strstr(personas_notes(f->personas)->text, "{{number}}"));
}

static void
missing_tool_is_a_warning(void **state)
{
	struct fixture *f = *state;
	struct tools *tools;

	add_file(f, "soporte.md", PERSONA("tools: consultar_nada\n"));
	load(f);
	assert_clean(f);
	assert_int_equal(
	    tools_load(&tools, f->dir, &f->config, &f->problems), 0);
	personas_check_tools(f->personas, tools, &f->problems);
	assert_int_equal(f->problems.count, 1);
	assert_non_null(strstr(f->problems.list[0].text, "\"consultar_nada\""));
	tools_unref(&tools);
}

static void
a_persona_that_hangs_up_should_say_goodbye(void **state)
{
	struct fixture *f = *state;
	struct tools *tools;

	add_file(f, "soporte.md", PERSONA("tools: end\n"));
	add_file(f, "otra.md", PERSONA("tools: end\ngoodbye: Adiós\n"));
	add_file(f, "end.json",
	    "{\"name\":\"end\",\"description\":\"d\",\"parameters\":{"
	    "\"type\":\"object\"},\"executor\":{\"type\":\"call\","
	    "\"action\":\"hangup\"}}");
	load(f);
	assert_int_equal(
	    tools_load(&tools, f->dir, &f->config, &f->problems), 0);
	assert_clean(f);
	personas_check_tools(f->personas, tools, &f->problems);
	assert_int_equal(f->problems.count, 1);
	assert_non_null(strstr(f->problems.list[0].text,
	    "soporte.md: with the tool \"end\" callers may be hung up on"));
	tools_unref(&tools);
}

static void
lists_are_split(void **state)
{
	char text[] = " [ 'a' , \"b c\",, d ] ";
	char *rest = text;

	(void)state;
	assert_string_equal(front_matter_next(&rest), "a");
	assert_string_equal(front_matter_next(&rest), "b c");
	assert_string_equal(front_matter_next(&rest), "d");
	assert_null(front_matter_next(&rest));
	assert_null(front_matter_next(&rest));
}

static void
personas_that_come_with_the_program_are_good(void **state)
{
	struct fixture *f = *state;
	const struct persona *soporte;

	if (access("etc/personas", R_OK) != 0)
		skip(); /* not run from the source tree */
	assert_int_equal(personas_load(&f->personas, "etc/personas", &f->config,
			     &f->problems),
	    0);
	assert_clean(f);
	soporte = personas_find(f->personas, "soporte");
	assert_non_null(soporte);
	assert_string_equal(soporte->tools[0], "consultar_mikrotik");
	assert_true(soporte->apology[0] != '\0');
	assert_chosen(f, "", "3241000752", "soporte", "number");
	assert_string_equal(
	    personas_notes(f->personas)->weekdays[3], "miércoles");
	assert_string_equal(
	    personas_notes(f->personas)->months[11], "diciembre");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(persona_is_loaded_completely),
	    TEST(bad_files_are_named_with_the_line),
	    TEST(long_files_are_refused),
	    TEST(old_model_is_translated_with_a_warning),
	    TEST(default_persona_must_be_there),
	    TEST(name_beats_number_beats_default),
	    TEST(number_belongs_to_one_persona),
	    TEST(empty_set_chooses_nobody),
	    TEST(notes_are_read_or_replaced),
	    TEST(missing_tool_is_a_warning),
	    TEST(a_persona_that_hangs_up_should_say_goodbye),
	    TEST(lists_are_split),
	    TEST(personas_that_come_with_the_program_are_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
