/* SPDX-License-Identifier: MIT */
/*
 * json.h – bounded parsing, and reading members without surprises (cJSON).
 *
 * The getters never fail: a member that is absent, null or of another type
 * gives the stated default, so that a peer's omission is one comparison for
 * the caller. Strings belong to the object.
 */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	JSON_DEPTH_MAX = 64, /* nesting that json_parse() accepts */
};

/*
 * Parses exactly one value of LEN bytes (white space around it allowed).
 * Returns NULL for anything else: trailing bytes, a NUL inside, nesting over
 * JSON_DEPTH_MAX, no memory. Free with cJSON_Delete().
 */
cJSON *json_parse(const char *text, size_t len);

const char *json_string(const cJSON *object, const char *key); /* or "" */
double json_number(const cJSON *object, const char *key, double otherwise);
/* Clamped to the range of int64_t; fractions cut. */
int64_t json_int(const cJSON *object, const char *key, int64_t otherwise);
bool json_bool(const cJSON *object, const char *key, bool otherwise);
/* NULL unless the member is an object (an array). */
const cJSON *json_object(const cJSON *object, const char *key);
const cJSON *json_array(const cJSON *object, const char *key);

/*
 * The member at a path of object keys, NULL-terminated: json_at(event,
 * "error", "code", NULL). NULL when any step is missing.
 */
const cJSON *json_at(const cJSON *value, ...) __attribute__((sentinel));

/* Adds members to OBJECT; on no memory the object simply lacks them. */
void json_add_string(cJSON *object, const char *key, const char *value);
void json_add_int(cJSON *object, const char *key, int64_t value);
void json_add_bool(cJSON *object, const char *key, bool value);
/* Takes VALUE (NULL is ignored). */
void json_add(cJSON *object, const char *key, cJSON *value);

#endif
