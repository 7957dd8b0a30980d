/* SPDX-License-Identifier: MIT */
/*
 * fuzz_names.c – words of callers and of the model: a number as the PBX gives
 * it, and routers as people name them. A number, 0xff, names.
 */
#include "supervisor/phone_number.h"
#include "supervisor/router_names.h"
#include "tests/fuzz/fuzz.h"

static const char inventory_text[] =
    "{\"routers\":[{\"name\":\"Guamal\",\"aliases\":[\"router 26 punto 1\"],"
    "\"address\":\"10.0.26.1\",\"user\":\"t\",\"password_secret\":"
    "\"TOOL_P\",\"groups\":[\"torres\"]},{\"name\":\"Acacías 152.1\","
    "\"address\":\"10.0.152.1\",\"user\":\"t\",\"password_secret\":"
    "\"TOOL_P\",\"groups\":[\"torres\",\"sur\"]}]}";

static const struct router_names *
names(void)
{
	static struct router_names *made;

	if (made == NULL) {
		static struct config_problems problems;
		struct router_inventory *inventory;

		FUZZ_CHECK(
		    router_inventory_parse(&inventory, "fuzz", inventory_text,
			sizeof(inventory_text) - 1, &problems) == 0);
		FUZZ_CHECK(router_inventory_count(inventory) == 2);
		FUZZ_CHECK(router_names_new(&made, inventory) == 0);
		router_inventory_unref(&inventory);
	}
	return made;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct router_choice choice;
	struct fuzz_input in = {data, size};
	char *number_text = fuzz_part(&in), *routers = fuzz_part(&in);
	char shown[PHONE_NUMBER_DISPLAY], spoken[PHONE_NUMBER_SPOKEN];
	struct phone_number number;

	fuzz_init();
	phone_number_parse(number_text, 57, &number);
	phone_number_display(&number, "last4", shown, sizeof(shown));
	phone_number_spell(&number, 57, spoken, sizeof(spoken));
	FUZZ_CHECK(strpbrk(shown, "\n\r\033\"") == NULL);
	FUZZ_CHECK(router_names_resolve(names(), routers, &choice) == 0);
	FUZZ_CHECK(choice.candidate_count <= ROUTER_CANDIDATES_MAX);
	free(number_text);
	free(routers);
	return 0;
}
