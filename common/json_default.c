/* SPDX-License-Identifier: MIT */
/* json_default.c – walks a schema and the values that it describes. */
#include "common/json_default.h"

#include "common/json.h"
#include "common/json_schema.h"

#include <errno.h>

static const cJSON *
default_of(const cJSON *schema)
{
	return cJSON_GetObjectItemCaseSensitive(schema, "default");
}

int
json_default_check(const cJSON *schema, char *why, size_t size)
{
	const cJSON *items = json_object(schema, "items");
	const cJSON *property;
	int ret = 0;

	if (default_of(schema) != NULL)
		ret =
		    json_schema_validate(schema, default_of(schema), why, size);
	if (ret == 0 && items != NULL)
		ret = json_default_check(items, why, size);
	cJSON_ArrayForEach(property, json_object(schema, "properties")) {
		if (ret == 0)
			ret = json_default_check(property, why, size);
	}
	return ret;
}

static int
fill_property(cJSON *object, const cJSON *property)
{
	cJSON *value =
	    cJSON_GetObjectItemCaseSensitive(object, property->string);

	if (value != NULL)
		return json_default_fill(value, property);
	if (default_of(property) == NULL)
		return 0;
	value = cJSON_Duplicate(default_of(property), true);
	if (value == NULL)
		return -ENOMEM;
	if (!cJSON_AddItemToObject(object, property->string, value)) {
		cJSON_Delete(value);
		return -ENOMEM;
	}
	return json_default_fill(value, property);
}

int
json_default_fill(cJSON *value, const cJSON *schema)
{
	const cJSON *items = json_object(schema, "items");
	const cJSON *property;
	cJSON *item;
	int ret = 0;

	if (cJSON_IsArray(value) && items != NULL) {
		cJSON_ArrayForEach(item, value) {
			if (ret == 0)
				ret = json_default_fill(item, items);
		}
	}
	if (!cJSON_IsObject(value))
		return ret;
	cJSON_ArrayForEach(property, json_object(schema, "properties")) {
		if (ret == 0)
			ret = fill_property(value, property);
	}
	return ret;
}
