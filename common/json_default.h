/* SPDX-License-Identifier: MIT */
/*
 * json_default.h – the defaults of a JSON Schema, said out loud: so that a
 * value that leaves a member out and one that states its default are the same.
 */
#ifndef COMMON_JSON_DEFAULT_H
#define COMMON_JSON_DEFAULT_H

#include <cjson/cJSON.h>
#include <stddef.h>

/*
 * Whether every default in SCHEMA, which json_schema_check() has accepted,
 * fits the schema that it stands in. 0, or -EINVAL with the fault in WHY.
 */
int json_default_check(const cJSON *schema, char *why, size_t size);

/*
 * Adds to VALUE, which fits SCHEMA, a copy of the default of every property
 * that it lacks, also in the objects and arrays within. 0 or -ENOMEM.
 */
int json_default_fill(cJSON *value, const cJSON *schema);

#endif
