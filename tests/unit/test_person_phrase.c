/* SPDX-License-Identifier: MIT */
/* test_person_phrase.c – who asks for a person, in the words of callers. */
#include "callworker/person_phrase.h"

#include "common/text_fold.h"
#include "common/word_pattern.h"
#include "supervisor/persona.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void
a_text_is_folded_to_its_words(void **state)
{
	static const char *const cases[][2] = {
	    {"", ""},
	    {" \t\n¿?", ""},
	    {"¿Quién, Señor?", "quien senor"},
	    {"ÁÉÍÓÚÜÑ áéíóúüñ", "aeiouun aeiouun"},
	    {"comuni\xcc\x81queme", "comuniqueme"}, /* U+0301 */
	    {"«una persona»…", "una persona"},
	    {"1º piso—2ª puerta", "1o piso 2a puerta"},
	    {"no-no a.b", "no no a b"},
	    {"co\xc2\xad"
	     "ma",
		"coma"}, /* a soft hyphen */
	    {"a\xff\xfe"
	     "b",
		"a b"},     /* no UTF-8 */
	    {"a\xc3", "a"}, /* cut off */
	    {"a×b÷c", "a b c"},
	    {"Groß Ærø", "gross aero"},
	    {"да нет", "да нет"},
	    {"👍 sí", "👍 si"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *folded = text_fold(cases[i][0]);

		assert_non_null(folded);
		assert_string_equal(folded, cases[i][1]);
		assert_true(strlen(folded) <= strlen(cases[i][0]));
		free(folded);
	}
}

static void
a_pattern_finds_whole_words(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool found;
	} cases[] = {
	    {"una persona", "quiero una persona ya", true},
	    {"una persona", "una personalidad", false},
	    {"una persona", "luna persona", false},
	    {"una persona", "una", false},
	    {"una persona", "", false},
	    {"Una PERSONA.", "una persona", true},
	    {"con * persona", "con persona", true},
	    {"con * persona", "con una otra buena persona", true},
	    {"con * persona", "con una otra muy buena persona", false},
	    {"con * persona", "con con con con con persona", true},
	    {"asesor|asesora", "la asesora", true},
	    {"asesor|asesora aquí", "asesor aqui", true},
	    {"asesor | asesora", "asesora", true},
	    {"asesor|asesora", "asesores", false},
	    {"a * b * c", "a x b y c", true},
	    {"a * b * c", "a x c y b", false},
	    {"técnico", "un tecnico", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_null(word_pattern_fault(cases[i].pattern));
		if (word_pattern_find(cases[i].pattern, cases[i].text) !=
		    cases[i].found)
			fail_msg("%s in %s", cases[i].pattern, cases[i].text);
	}
}

static void
a_pattern_that_cannot_be_meant_is_told(void **state)
{
	static const char *const bad[] = {"", "¡!", "*", "* a", "a *",
	    "a * * b", "|a", "a|", "a||b", "a|*b", "a * | b", "a*b*c*d*e*f"};
	char text[WORD_PATTERN_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (word_pattern_fault(bad[i]) == NULL)
			fail_msg("%s is accepted", bad[i]);
		assert_false(word_pattern_find(bad[i], "a b c d e f"));
	}
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_non_null(word_pattern_fault(text));
	text[WORD_PATTERN_MAX] = '\0';
	assert_null(word_pattern_fault(text));
}

/* Many stars in a long text: bounded work. */
static void
a_hostile_text_costs_little(void **state)
{
	size_t len = 200000;
	char *text = malloc(len + 1);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < len; i++)
		text[i] = i % 2 == 0 ? 'a' : ' ';
	text[len] = '\0';
	assert_false(word_pattern_find("a * a * a * a * b", text));
	free(text);
}

static enum person_phrase_verdict
judge(const char *phrases, const char *said)
{
	cJSON *json = cJSON_Parse(phrases);
	const char *phrase = NULL;
	enum person_phrase_verdict verdict =
	    person_phrase_find(json, said, &phrase);

	assert_true((phrase != NULL) == (verdict != PERSON_PHRASE_NONE));
	cJSON_Delete(json);
	return verdict;
}

static void
an_exception_beats_every_phrase_of_its_clause(void **state)
{
	const char *list = "[\"hablar con * persona\",\"!no quiero\",7]";

	(void)state;
	assert_int_equal(judge(list, "Hola"), PERSON_PHRASE_NONE);
	assert_int_equal(judge(list, "¿Puedo hablar con una persona?"),
	    PERSON_PHRASE_WANTED);
	assert_int_equal(judge(list, "No quiero hablar con una persona."),
	    PERSON_PHRASE_EXCEPTED);
	assert_int_equal(judge(list, "no, quiero hablar con una persona"),
	    PERSON_PHRASE_WANTED);
	assert_int_equal(judge(list, "no quiero"), PERSON_PHRASE_EXCEPTED);
	assert_int_equal(
	    judge(list, "No quiero esto. Quiero hablar con una persona"),
	    PERSON_PHRASE_WANTED);
	assert_int_equal(judge(list, "hablar, con una, persona: no quiero."),
	    PERSON_PHRASE_WANTED);
	assert_int_equal(judge(list, "hablar con una, no quiero, otra"),
	    PERSON_PHRASE_EXCEPTED);
	assert_int_equal(judge("[]", "una persona"), PERSON_PHRASE_NONE);
	assert_int_equal(judge("null", "una persona"), PERSON_PHRASE_NONE);
	assert_int_equal(judge("[\"*\"]", "una persona"), PERSON_PHRASE_NONE);
	assert_int_equal(judge(list, ""), PERSON_PHRASE_NONE);
}

/* What callers say, against the phrases of the persona that we ship. */

static const char *const wanted[] = {
    "Quiero hablar con una persona.",
    "quiero hablar con una persona",
    "¡Quiero hablar con una PERSONA, por favor!",
    "Quiero hablar con una persona real, no con un robot.",
    "No quiero hablar con un robot, quiero hablar con una persona.",
    "no quiero hablar con un robot quiero hablar con una persona",
    "No, quiero hablar con una persona.",
    "No. Necesito hablar con un asesor.",
    "Necesito hablar con alguien de facturación.",
    "¿Puedo hablar con un asesor?",
    "¿Será que puedo hablar directamente con un humano?",
    "Hágame el favor y me comunica con un asesor.",
    "Comuníqueme con un asesor, por favor.",
    "Comuniqueme con una operadora",
    "Me puede comunicar con una persona, por favor.",
    "¿Me puede pasar con una persona? Quiero hablar con alguien.",
    "Páseme a un asesor.",
    "Pásame con una persona.",
    "¿Me pasa con un asesor, por favor?",
    "Por favor me transfiere a un agente.",
    "Transfiérame con un representante ya.",
    "Quiero un asesor.",
    "Necesito una persona, esto no sirve.",
    "Prefiero una persona.",
    "Quiero que me atienda una persona.",
    "Yo quisiera hablar con el supervisor.",
    "Quiero hablar con un técnico.",
    "Usted no me entiende, quiero hablar con otra persona.",
    "Mejor deme... eh, mejor quiero hablar con una persona, señorita.",
    "Regáleme un asesor, porfa.",
    "Quiero una persona de verdad.",
    "Ay, no no no, comuníqueme con un ser humano.",
    "Ya hablé con soporte ayer. Quiero hablar con una persona.",
    "Intenté hablar con ustedes y nada, comuníqueme con un asesor.",
    "No hace falta que consulte, quiero hablar con una persona.",
};

static const char *const not_wanted[] = {
    "Hola, buenas tardes.",
    "No quiero hablar con una persona.",
    "No, no quiero hablar con ninguna persona, gracias.",
    "No me pase con un asesor todavía.",
    "No necesito hablar con un asesor, dígame usted.",
    "No hace falta que me comunique con una persona.",
    "No me comunique con nadie.",
    "Ayer pude hablar con un asesor y me dijo que ya.",
    "Acabo de hablar con una persona de ustedes.",
    "Ya hablé con un asesor.",
    "Gracias, no hace falta, no quiero hablar con una persona.",
    "¿Usted es una persona?",
    "¿Estoy hablando con una persona o con un robot?",
    "¿Cuándo pasa un técnico por mi casa?",
    "Vivo con una persona mayor y no tenemos Internet.",
    "Necesito que vaya una persona a revisar la antena.",
    "Necesito un técnico en la casa.",
    "La persona titular es mi mamá.",
    "Quiero saber cuánto debo.",
    "¿Me pasa la factura al correo?",
    "El personal de ustedes es muy amable.",
    "Somos diez personas conectadas.",
    "Quiero hablar de mi factura.",
    "Mi número de contrato es cero cero uno.",
    "",
};

static void
callers_get_a_person_when_they_ask_for_one(void **state)
{
	struct config config = {.default_country = 57};
	struct config_problems problems = {0};
	struct personas *personas;
	const struct persona *persona;
	cJSON *phrases;
	const char *phrase;

	(void)state;
	if (access("etc/personas", R_OK) != 0)
		skip();
	snprintf(config.persona_default, sizeof(config.persona_default), "%s",
	    "soporte");
	assert_int_equal(
	    personas_load(&personas, "etc/personas", &config, &problems), 0);
	persona = personas_find(personas, "soporte");
	assert_non_null(persona);
	phrases = cJSON_CreateArray();
	for (size_t i = 0; i < persona->person_phrase_count; i++)
		cJSON_AddItemToArray(
		    phrases, cJSON_CreateString(persona->person_phrases[i]));
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		if (person_phrase_find(phrases, wanted[i], &phrase) !=
		    PERSON_PHRASE_WANTED)
			fail_msg("not understood: %s", wanted[i]);
	}
	for (size_t i = 0; i < sizeof(not_wanted) / sizeof(*not_wanted); i++) {
		if (person_phrase_find(phrases, not_wanted[i], &phrase) ==
		    PERSON_PHRASE_WANTED)
			fail_msg(
			    "misunderstood: %s (%s)", not_wanted[i], phrase);
	}
	cJSON_Delete(phrases);
	personas_free(&personas);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_text_is_folded_to_its_words),
	    cmocka_unit_test(a_pattern_finds_whole_words),
	    cmocka_unit_test(a_pattern_that_cannot_be_meant_is_told),
	    cmocka_unit_test(a_hostile_text_costs_little),
	    cmocka_unit_test(an_exception_beats_every_phrase_of_its_clause),
	    cmocka_unit_test(callers_get_a_person_when_they_ask_for_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
