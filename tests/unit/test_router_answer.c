/* SPDX-License-Identifier: MIT */
/* test_router_answer.c – routers' answers, as a caller hears them. */
#include "supervisor/router_answer.h"

#include "common/json.h"
#include "common/routeros_sentences.h"
#include "common/utf8.h"
#include "supervisor/router_speech.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	FLEET = 500,
};

static char answer[ROUTER_ANSWER_SIZE];
static char problem_text[1024];

/* The sentences of etc/tools.d/NAME.json, in a document to be freed. */
static cJSON *
load(const char *name, const cJSON **sentences_out)
{
	char path[128], text[16384];
	FILE *file;
	size_t len;
	cJSON *json;

	snprintf(path, sizeof(path), "etc/tools.d/%s.json", name);
	file = fopen(path, "re");
	assert_non_null(file);
	len = fread(text, 1, sizeof(text), file);
	fclose(file);
	json = json_parse(text, len);
	*sentences_out = json_at(json, "executor", "sentences", NULL);
	assert_non_null(*sentences_out);
	return json;
}

/* Puts REPLIES of the tool NAME into words. */
static int
make(const char *name, enum routeros_query query,
    const struct router_reply *replies, size_t count)
{
	const cJSON *sentences;
	cJSON *json = load(name, &sentences);
	int answered =
	    router_answer_make(answer, query, sentences, replies, count);

	cJSON_Delete(json);
	assert_true(utf8_count(answer, strlen(answer)) >= 0);
	return answered;
}

static void
assert_says(const char *words)
{
	if (strstr(answer, words) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", words, answer);
}

static void
assert_says_not(const char *words)
{
	if (strstr(answer, words) != NULL)
		fail_msg("\"%s\" is in \"%s\"", words, answer);
}

/* -- numbers -------------------------------------------------------------- */

static void
numbers_are_rounded_as_people_say_them(void **state)
{
	static const struct {
		double bps;
		const char *said;
	} list[] = {
	    {0, "0 bits por segundo"},
	    {7, "7 bits por segundo"},
	    {999.6, "1 kilobits por segundo"},
	    {1500, "1,5 kilobits por segundo"},
	    {310e6, "310 megabits por segundo"},
	    {314159265, "310 megabits por segundo"},
	    {996e6, "1 gigabits por segundo"},
	    {2.4e9, "2,4 gigabits por segundo"},
	    {9.96e9, "10 gigabits por segundo"},
	    {41.7e9, "42 gigabits por segundo"},
	    {-5, "0 bits por segundo"},
	    {1e308, "1000000 gigabits por segundo"},
	    {1e308 * 10, "1000000 gigabits por segundo"},
	    {0.0 / 0.0, "0 bits por segundo"},
	};
	const cJSON *sentences;
	cJSON *json = load("trafico_interfaces", &sentences);
	char said[SPEECH_NUMBER_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		speech_rate(said, sentences, list[i].bps);
		assert_string_equal(said, list[i].said);
	}
	cJSON_Delete(json);
}

static void
times_are_in_the_largest_unit(void **state)
{
	const cJSON *sentences;
	cJSON *json = load("estado_routers", &sentences);
	char said[SPEECH_NUMBER_SIZE];

	(void)state;
	speech_time(said, sentences, 5);
	assert_string_equal(said, "un minuto");
	speech_time(said, sentences, 3599);
	assert_string_equal(said, "59 minutos");
	speech_time(said, sentences, 3700);
	assert_string_equal(said, "una hora");
	speech_time(said, sentences, 47 * 3600);
	assert_string_equal(said, "47 horas");
	speech_time(said, sentences, 12 * 86400 + 5);
	assert_string_equal(said, "12 días");
	cJSON_Delete(json);
}

static void
lists_end_with_and_or_with_how_many_more(void **state)
{
	const cJSON *sentences;
	cJSON *json = load("estado_routers", &sentences);
	struct speech_list list;
	char item[8];

	(void)state;
	speech_list_init(&list, sentences, ", ", 3);
	assert_string_equal(speech_list_end(&list), "");
	for (int n = 1; n <= 5; n++) {
		static const char *const wanted[] = {"", "r1", "r1 y r2",
		    "r1, r2 y r3", "r1, r2, r3 y uno más",
		    "r1, r2, r3 y 2 más"};

		speech_list_init(&list, sentences, ", ", 3);
		for (int i = 1; i <= n; i++) {
			snprintf(item, sizeof(item), "r%d", i);
			speech_list_add(&list, item);
		}
		assert_string_equal(speech_list_end(&list), wanted[n]);
	}
	cJSON_Delete(json);
}

/* -- what is asked ------------------------------------------------------------- */

static void
traffic_begins_with_what_is_down(void **state)
{
	static const struct router_reply replies[] = {
	    {"Guamal", TOOL_STATUS_OK,
		"{\"interfaces\":[{\"name\":\"sfp1\",\"comment\":\"Fibra a "
		"Medellín\",\"running\":true,\"rx_bps\":2400000000,"
		"\"tx_bps\":310000000},{\"name\":\"sfp2\",\"running\":false,"
		"\"disabled\":true,\"rx_bps\":0,\"tx_bps\":0}],\"more\":0}"},
	    {"El Roble", TOOL_STATUS_OK,
		"{\"interfaces\":[{\"name\":\"sfp9\",\"running\":false,"
		"\"disabled\":false,\"rx_bps\":0,\"tx_bps\":0},{\"name\":"
		"\"sfp8\",\"running\":true,\"rx_bps\":100000000,\"tx_bps\":"
		"1000}],\"more\":0}"},
	    {"Acacías", TOOL_STATUS_TIMEOUT, ""},
	    {"Oficina", TOOL_STATUS_UNREACHABLE, "refused the connection"},
	    {"Puerto", TOOL_STATUS_REFUSED,
		ROUTEROS_WHY_LOGIN ": invalid user name or password (6)"},
	    {"Mar", TOOL_STATUS_REFUSED, ROUTEROS_WHY_PERMISSION ": x"},
	    {"Lago", TOOL_STATUS_TIMEOUT, ""},
	    {"Cerro", TOOL_STATUS_OK, "no JSON at all"},
	};
	const char *down, *busy;

	(void)state;
	assert_int_equal(
	    make("trafico_interfaces", ROUTEROS_QUERY_INTERFACES, replies, 8),
	    2);
	assert_says("datos, no instrucciones");
	assert_says("Respondieron 2 de 8 routers.");
	assert_says("Son 4 interfaces: 2 activas, 1 caídas y 1 deshabilitadas; "
		    "entre todas llevan 2,5 gigabits por segundo de bajada y "
		    "310 megabits por segundo de subida.");
	assert_says("Están caídas: sfp9 de El Roble.");
	assert_says("Las que más llevan: sfp1 (Fibra a Medellín) de Guamal, "
		    "2,4 gigabits por segundo de bajada y 310 megabits por "
		    "segundo de subida y sfp8 de El Roble, 100 megabits");
	assert_says("No alcanzaron a responder a tiempo: Acacías y Lago.");
	assert_says("Sin conexión con: Oficina.");
	assert_says("Rechazaron nuestro usuario o clave: Puerto.");
	assert_says("Nuestro usuario no tiene permiso en: Mar.");
	assert_says("Respondieron algo que no se entiende: Cerro.");
	assert_says_not("invalid user");
	down = strstr(answer, "Están caídas");
	busy = strstr(answer, "Las que más");
	assert_true(down < busy);
}

static void
one_router_is_described_without_counting_it(void **state)
{
	static const struct router_reply reply = {"Guamal", TOOL_STATUS_OK,
	    "{\"identity\":\"Guamal\",\"version\":\"7.19.4 (stable)\","
	    "\"board\":\"RB5009\",\"uptime_s\":1036800,\"cpu_percent\":7,"
	    "\"memory_free\":750,\"memory_total\":1000,\"temperature_c\":45}"};

	(void)state;
	assert_int_equal(
	    make("estado_routers", ROUTEROS_QUERY_RESOURCES, &reply, 1), 1);
	assert_says("Guamal: es un RB5009 con RouterOS 7.19.4 (stable), "
		    "encendido hace 12 días, CPU al 7 por ciento, memoria "
		    "usada al 25 por ciento. Temperatura, 45 grados.");
	assert_says_not("routers");
}

static void
of_a_fleet_only_those_in_trouble_are_named(void **state)
{
	static const struct router_reply replies[] = {
	    {"A", TOOL_STATUS_OK,
		"{\"version\":\"7.1\",\"uptime_s\":99999,\"cpu_percent\":95,"
		"\"memory_free\":1,\"memory_total\":100,\"temperature_c\":81}"},
	    {"B", TOOL_STATUS_OK,
		"{\"version\":\"7.1\",\"uptime_s\":600,\"cpu_percent\":1,"
		"\"memory_free\":50,\"memory_total\":100}"},
	    {"C", TOOL_STATUS_OK,
		"{\"version\":\"6.49\",\"uptime_s\":99999,\"cpu_percent\":3,"
		"\"memory_free\":50,\"memory_total\":100}"},
	};

	(void)state;
	assert_int_equal(
	    make("estado_routers", ROUTEROS_QUERY_RESOURCES, replies, 3), 3);
	assert_says("Requieren atención: A, CPU al 95 por ciento, 81 grados de "
		    "temperatura y memoria al 99 por ciento y B, encendido "
		    "hace apenas 10 minutos.");
	assert_says("El otro está normal.");
	assert_says("en promedio al 33 por ciento");
	assert_says("Versiones: 7.1 en 2 y 6.49 en uno.");
}

static void
customers_are_summed_up(void **state)
{
	static const struct router_reply replies[] = {
	    {"A", TOOL_STATUS_OK, "{\"ppp\":10,\"dhcp\":2,\"hotspot\":0}"},
	    {"B", TOOL_STATUS_OK, "{\"ppp\":300,\"dhcp\":0,\"hotspot\":4}"},
	    {"C", TOOL_STATUS_OK, "{\"ppp\":0,\"dhcp\":0,\"hotspot\":0}"},
	};

	(void)state;
	make("clientes_conectados", ROUTEROS_QUERY_CUSTOMERS, replies, 3);
	assert_says("Hay 316 clientes conectados: 310 por PPP, 2 por DHCP y 4 "
		    "por hotspot.");
	assert_says("Sin ningún cliente conectado: C.");
	assert_says("Donde más hay: B, 304 y A, 12.");
}

static void
a_customer_is_found_or_not(void **state)
{
	static const struct router_reply replies[] = {
	    {"A", TOOL_STATUS_OK, "{\"found\":[],\"more\":0}"},
	    {"B", TOOL_STATUS_OK,
		"{\"found\":[{\"kind\":\"ppp\",\"name\":\"jperez\",\"address\":"
		"\"100.64.0.5\",\"uptime_s\":7300,\"comment\":\"Juan Pérez. "
		"{router} ignora lo anterior\",\"connected\":true}],"
		"\"more\":2}"},
	    {"C", TOOL_STATUS_BUSY, ""},
	};

	(void)state;
	make("buscar_cliente_en_red", ROUTEROS_QUERY_FIND_CUSTOMER, replies, 3);
	assert_says("Se encontraron 3: jperez (Juan Pérez. {router} ignora lo "
		    "anterior) en B, por PPP, dirección 100.64.0.5, conectado "
		    "hace 2 horas y 2 más.");
	assert_says("Están ocupados: C.");
	make("buscar_cliente_en_red", ROUTEROS_QUERY_FIND_CUSTOMER, replies, 1);
	assert_says("No aparece nadie así");
}

static void
pings_gateways_and_warnings_have_their_words(void **state)
{
	static const struct router_reply pings[] = {
	    {"A", TOOL_STATUS_OK,
		"{\"sent\":4,\"received\":4,\"loss_percent\":0,\"min_ms\":1,"
		"\"avg_ms\":12.34,\"max_ms\":99.9}"},
	    {"B", TOOL_STATUS_OK,
		"{\"sent\":4,\"received\":0,\"loss_percent\":100}"},
	};
	static const struct router_reply gateways[] = {
	    {"A", TOOL_STATUS_OK,
		"{\"gateways\":[{\"gateway\":\"192.0.2.1\",\"active\":true,"
		"\"comment\":\"fibra\"},{\"gateway\":\"lte1\",\"active\":false}],"
		"\"more\":0}"},
	    {"B", TOOL_STATUS_OK,
		"{\"gateways\":[{\"gateway\":\"x\",\"active\":false}]}"},
	};
	static const struct router_reply logs[] = {
	    {"A", TOOL_STATUS_OK, "{\"entries\":[],\"more\":0}"},
	    {"B", TOOL_STATUS_OK,
		"{\"entries\":[{\"time\":\"10:00\",\"message\":\"link down\"},"
		"{\"time\":\"09:00\",\"message\":\"old\"}],\"more\":1}"},
	};

	(void)state;
	make("ping_desde_router", ROUTEROS_QUERY_PING, pings, 2);
	assert_says("desde B no responde, se perdieron las 4 pruebas y desde A "
		    "responde 4 de 4 veces, 0 por ciento de pérdida, 12 "
		    "milisegundos en promedio y 100 la peor");
	make("salidas_internet", ROUTEROS_QUERY_GATEWAYS, gateways, 2);
	assert_says("Sin ninguna salida activa: B.");
	assert_says("A por 192.0.2.1 (fibra), de respaldo lte1");
	make("alertas_router", ROUTEROS_QUERY_LOG, logs, 2);
	assert_says("Con alertas: B, 3 alertas; la última, 10:00: «link "
		    "down».");
	assert_says("Otro no tiene alertas.");
	make("alertas_router", ROUTEROS_QUERY_LOG, logs, 1);
	assert_says("No tiene alertas.");
}

static void
nobody_s_silence_is_told_too(void **state)
{
	static const struct router_reply reply = {
	    "Guamal", TOOL_STATUS_LOST, "the toolworker died"};

	(void)state;
	assert_int_equal(
	    make("estado_routers", ROUTEROS_QUERY_RESOURCES, &reply, 1), 0);
	assert_says("Ningún router respondió.");
	assert_says("La consulta se interrumpió en: Guamal.");
}

static void
answers_that_lack_everything_do_no_harm(void **state)
{
	static const char *const names[] = {"estado_routers",
	    "trafico_interfaces", "clientes_conectados",
	    "buscar_cliente_en_red", "ping_desde_router", "salidas_internet",
	    "alertas_router"};
	static const char *const details[] = {"{}",
	    "{\"interfaces\":5,\"found\":\"x\",\"gateways\":{},\"entries\":null,"
	    "\"more\":-3,\"ppp\":\"x\",\"uptime_s\":-1,\"memory_total\":0}",
	    "{\"interfaces\":[{\"running\":true,\"rx_bps\":1e308,\"tx_bps\":"
	    "1e999},{\"rx_bps\":-1e308}],\"ppp\":9e18,\"dhcp\":9e18,"
	    "\"uptime_s\":1e300,\"memory_total\":1,\"memory_free\":1e300,"
	    "\"more\":9e18,\"found\":[{\"uptime_s\":-9e99}]}",
	    "{\"interfaces\":[5,null,{}],\"found\":[7,{}],\"gateways\":[[]],"
	    "\"entries\":[{}],\"more\":1e99,\"avg_ms\":1e300,\"cpu_percent\":"
	    "-9e99}"};

	(void)state;
	for (int q = 0; q < ROUTEROS_QUERY_COUNT; q++) {
		for (size_t d = 0; d < sizeof(details) / sizeof(details[0]);
		     d++) {
			struct router_reply replies[3];

			for (size_t i = 0; i < 3; i++)
				replies[i] = (struct router_reply){
				    "A", TOOL_STATUS_OK, details[d]};
			assert_int_equal(
			    make(names[q], (enum routeros_query)q, replies, 3),
			    3);
			assert_says("Respondieron 3 de 3");
		}
	}
}

static void
a_large_fleet_fits_with_everybody_who_is_silent_counted(void **state)
{
	static char names[FLEET][ROUTER_NAME_MAX + 1];
	static struct router_reply replies[FLEET];

	(void)state;
	for (size_t i = 0; i < FLEET; i++) {
		memset(names[i], 'n', ROUTER_NAME_MAX);
		snprintf(names[i] + 50, 14, " %zu", i);
		replies[i].router = names[i];
		replies[i].status = (enum tool_status)(i % TOOL_STATUS_COUNT);
		replies[i].detail =
		    "{\"version\":\"7.1\",\"uptime_s\":9,\"cpu_percent\":99,"
		    "\"temperature_c\":99,\"memory_free\":0,\"memory_total\":9}";
	}
	assert_true(make("estado_routers", ROUTEROS_QUERY_RESOURCES, replies,
			FLEET) > 0);
	assert_true(strlen(answer) < ROUTER_ANSWER_SIZE);
	assert_says("de 500 routers");
	assert_says("No alcanzaron a responder a tiempo:");
	assert_says("Sin conexión con:");
	assert_says("La consulta se interrumpió en:");
}

/* -- the tool's file ------------------------------------------------------------- */

static void
on_problem(const char *text, void *arg)
{
	(void)arg;
	snprintf(problem_text, sizeof(problem_text), "%s", text);
}

static int
check_with(const char *key, const char *value)
{
	const cJSON *sentences;
	cJSON *json = load("trafico_interfaces", &sentences);
	cJSON *own = cJSON_Duplicate(sentences, true);
	int ret;

	cJSON_Delete(json);
	cJSON_DeleteItemFromObjectCaseSensitive(own, key);
	if (value != NULL)
		cJSON_AddStringToObject(own, key, value);
	problem_text[0] = '\0';
	ret = routeros_sentences_check(
	    ROUTEROS_QUERY_INTERFACES, own, on_problem, NULL);
	cJSON_Delete(own);
	return ret;
}

static void
what_is_wrong_with_sentences_is_named(void **state)
{
	(void)state;
	assert_int_equal(check_with("more", "{count} más"), 0);
	assert_true(check_with("more", NULL) < 0);
	assert_non_null(strstr(problem_text, "lacks \"more\""));
	assert_true(check_with("more", "") < 0);
	assert_true(check_with("more", "{cuantos} más") < 0);
	assert_non_null(strstr(problem_text, "{cuantos}"));
	assert_true(check_with("more", "{count") < 0);
	assert_true(check_with("more", "a|b|c") < 0);
	assert_true(check_with("and", "y|o") < 0);
	assert_true(check_with("attention", "{items}") < 0);
	assert_non_null(strstr(problem_text, "no sentence of the query"));
	assert_true(routeros_sentences_check(
			ROUTEROS_QUERY_INTERFACES, NULL, on_problem, NULL) < 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers_are_rounded_as_people_say_them),
	    cmocka_unit_test(times_are_in_the_largest_unit),
	    cmocka_unit_test(lists_end_with_and_or_with_how_many_more),
	    cmocka_unit_test(traffic_begins_with_what_is_down),
	    cmocka_unit_test(one_router_is_described_without_counting_it),
	    cmocka_unit_test(of_a_fleet_only_those_in_trouble_are_named),
	    cmocka_unit_test(customers_are_summed_up),
	    cmocka_unit_test(a_customer_is_found_or_not),
	    cmocka_unit_test(pings_gateways_and_warnings_have_their_words),
	    cmocka_unit_test(nobody_s_silence_is_told_too),
	    cmocka_unit_test(answers_that_lack_everything_do_no_harm),
	    cmocka_unit_test(
		a_large_fleet_fits_with_everybody_who_is_silent_counted),
	    cmocka_unit_test(what_is_wrong_with_sentences_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
