/* SPDX-License-Identifier: MIT */
/*
 * json_schema.h – does a value fit a JSON Schema, and what to say if not.
 *
 * The part of JSON Schema (2020-12) that tool definitions need: type,
 * properties, required, additionalProperties, items, enum, const, minLength,
 * maxLength, minimum, maximum, exclusiveMinimum, exclusiveMaximum, minItems and
 * maxItems. Lengths are code points. Anything else that would restrict a value
 * (pattern, anyOf, $ref …) is an error in the schema, found when the tool is
 * loaded by json_schema_check(), never a silent "fits"; title, description,
 * default, examples, deprecated, format, $schema, $id and $comment annotate.
 *
 * The reasons are written for the model that sent the value: they name the
 * place and what is wanted. They are logged too, and so never repeat the value
 * itself, nor a name that nobody gave a member but the model, if it could be
 * data: a number, for one, may be somebody's.
 */
#ifndef COMMON_JSON_SCHEMA_H
#define COMMON_JSON_SCHEMA_H

#include <cjson/cJSON.h>
#include <stddef.h>

enum {
	JSON_SCHEMA_WHY_SIZE = 512, /* room for any reason */
	JSON_SCHEMA_DEPTH_MAX = 16, /* schemas within schemas */
	JSON_SCHEMA_MEMBERS_MAX = 256,
};

/*
 * Whether SCHEMA is one that json_schema_validate() understands completely.
 * Returns 0, or -EINVAL with the place and the fault in WHY.
 */
int json_schema_check(const cJSON *schema, char *why, size_t size);

/*
 * Whether VALUE fits SCHEMA, which json_schema_check() has accepted. Returns
 * 0, or -EINVAL with the first misfit in WHY, for instance `"question" is too
 * short: 2 characters, at least 3 are needed`. Refused whatever the schema
 * says: a member named twice, objects of more than JSON_SCHEMA_MEMBERS_MAX
 * members, strings that are not UTF-8, numbers that are not finite.
 */
int json_schema_validate(
    const cJSON *schema, const cJSON *value, char *why, size_t size);

#endif
