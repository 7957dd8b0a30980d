/* SPDX-License-Identifier: MIT */
/*
 * fuzz_files.c – what an operator writes, and mistypes: settings, personas,
 * tool files, inventories, schemas; and the brief of a call that is made of
 * them. The first byte says which.
 */
#include "callworker/brief.h"
#include "common/config.h"
#include "common/env_file.h"
#include "common/json.h"
#include "common/json_schema.h"
#include "common/router_inventory.h"
#include "common/tool_file.h"
#include "supervisor/front_matter.h"
#include "tests/fuzz/fuzz.h"

#include <cjson/cJSON.h>

enum {
	TEXT_MAX = 20000,
};

static void
on_setting(const char *key, const char *value, unsigned int line, void *arg)
{
	(void)arg;
	FUZZ_CHECK(key[0] != '\0' && value != NULL && line > 0);
}

static void
on_setting_error(unsigned int line, const char *why, void *arg)
{
	(void)arg;
	FUZZ_CHECK(line > 0 && why[0] != '\0');
}

static void
fuzz_settings(char *text, size_t len)
{
	const struct env_file_handlers handlers = {
	    .on_setting = on_setting, .on_error = on_setting_error};

	env_file_parse(text, len, &handlers);
}

static void
on_field(const char *key, char *value, unsigned int line, void *arg)
{
	char *rest = value;

	(void)arg;
	FUZZ_CHECK(key[0] != '\0' && line > 0);
	while (front_matter_next(&rest) != NULL)
		;
}

static void
fuzz_persona(char *text)
{
	const struct front_matter_handlers handlers = {
	    .on_field = on_field, .on_error = on_setting_error};
	const char *body = front_matter_parse(text, &handlers);

	FUZZ_CHECK(body == NULL || strlen(body) <= TEXT_MAX);
}

static void
fuzz_tool(const char *text, size_t len)
{
	struct config_problems problems = {0};
	struct tool_file file;

	if (tool_file_parse(&file, "fuzz.json", text, len, NULL, &problems) ==
	    0)
		tool_file_free(&file);
	else
		FUZZ_CHECK(problems.count > 0);
}

static void
fuzz_inventory(const char *text, size_t len)
{
	struct config_problems problems = {0};
	struct router_inventory *inventory;

	if (router_inventory_parse(
		&inventory, "fuzz.json", text, len, &problems) != 0)
		return;
	for (size_t i = 0; i < router_inventory_count(inventory); i++) {
		const struct router *router = router_inventory_at(inventory, i);

		FUZZ_CHECK(
		    router_inventory_find(inventory, router->name) != NULL);
	}
	router_inventory_unref(&inventory);
}

/* What a callworker is told about its call: made of all of these. */
static void
fuzz_brief(const char *text, size_t len)
{
	struct brief *brief;

	if (brief_parse(&brief, text, len) == 0)
		brief_free(&brief);
}

/* A schema, 0xff, a value. */
static void
fuzz_schema(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	char *schema_text = fuzz_part(&in), *value_text = fuzz_part(&in);
	cJSON *schema = json_parse(schema_text, strlen(schema_text));
	cJSON *value = json_parse(value_text, strlen(value_text));
	char why[256] = "";

	if (schema != NULL && value != NULL &&
	    json_schema_check(schema, why, sizeof(why)) == 0) {
		why[0] = '\0';
		if (json_schema_validate(schema, value, why, sizeof(why)) != 0)
			FUZZ_CHECK(why[0] != '\0');
	}
	cJSON_Delete(schema);
	cJSON_Delete(value);
	free(schema_text);
	free(value_text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	uint8_t which = fuzz_byte(&in);
	char *text;

	fuzz_init();
	if (size > TEXT_MAX)
		return 0;
	text = fuzz_text(in.data, in.size);
	if (which == 's')
		fuzz_settings(text, in.size);
	else if (which == 'p')
		fuzz_persona(text);
	else if (which == 't')
		fuzz_tool(text, in.size);
	else if (which == 'r')
		fuzz_inventory(text, in.size);
	else if (which == 'b')
		fuzz_brief(text, in.size);
	else if (which == 'j')
		fuzz_schema(in.data, in.size);
	free(text);
	return 0;
}
