/* SPDX-License-Identifier: MIT */
/*
 * json.c – bounded parsing, and reading members without surprises (cJSON).
 *
 * cJSON allows a thousand levels of nesting and ignores what follows the
 * value; json_parse() looks at both before cJSON sees a byte. An escaped
 * NUL ("\u0000") ends the string that holds it, as cJSON decodes to C
 * strings: a string that was shortened is harmless, a whole event refused
 * because a peer transcribed something odd would not be.
 */
#include "common/json.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

/* Whether the brackets of TEXT nest at most JSON_DEPTH_MAX deep. */
static bool
depth_is_bounded(const char *text, size_t len)
{
	bool in_string = false;
	int depth = 0;

	for (size_t i = 0; i < len; i++) {
		switch (text[i]) {
		case '"':
			in_string = !in_string;
			break;
		case '\\':
			if (in_string)
				i++;
			break;
		case '[':
		case '{':
			if (!in_string && ++depth > JSON_DEPTH_MAX)
				return false;
			break;
		case ']':
		case '}':
			if (!in_string)
				depth--;
			break;
		default:
			break;
		}
	}
	return true;
}

cJSON *
json_parse(const char *text, size_t len)
{
	const char *end = NULL;
	cJSON *value;

	if (len == 0 || memchr(text, '\0', len) != NULL ||
	    !depth_is_bounded(text, len))
		return NULL;
	value = cJSON_ParseWithLengthOpts(text, len, &end, 0);
	if (value == NULL)
		return NULL;
	for (; end < text + len; end++) {
		if (strchr(" \t\r\n", *end) == NULL) {
			cJSON_Delete(value);
			return NULL;
		}
	}
	return value;
}

static const cJSON *
member(const cJSON *object, const char *key)
{
	if (!cJSON_IsObject(object))
		return NULL;
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

const char *
json_string(const cJSON *object, const char *key)
{
	const cJSON *item = member(object, key);

	return cJSON_IsString(item) ? item->valuestring : "";
}

double
json_number(const cJSON *object, const char *key, double otherwise)
{
	const cJSON *item = member(object, key);

	if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble))
		return otherwise;
	return item->valuedouble;
}

int64_t
json_int(const cJSON *object, const char *key, int64_t otherwise)
{
	const cJSON *item = member(object, key);

	if (!cJSON_IsNumber(item) || isnan(item->valuedouble))
		return otherwise;
	/* 2^63 itself is a double, INT64_MAX is not. */
	if (item->valuedouble >= 0x1p63)
		return INT64_MAX;
	if (item->valuedouble <= -0x1p63)
		return INT64_MIN;
	return (int64_t)item->valuedouble;
}

bool
json_bool(const cJSON *object, const char *key, bool otherwise)
{
	const cJSON *item = member(object, key);

	return cJSON_IsBool(item) ? cJSON_IsTrue(item) != 0 : otherwise;
}

const cJSON *
json_object(const cJSON *object, const char *key)
{
	const cJSON *item = member(object, key);

	return cJSON_IsObject(item) ? item : NULL;
}

const cJSON *
json_array(const cJSON *object, const char *key)
{
	const cJSON *item = member(object, key);

	return cJSON_IsArray(item) ? item : NULL;
}

const cJSON *
json_at(const cJSON *value, ...)
{
	const char *key;
	va_list ap;

	va_start(ap, value);
	while (value != NULL && (key = va_arg(ap, const char *)) != NULL)
		value = member(value, key);
	va_end(ap);
	return value;
}

void
json_add(cJSON *object, const char *key, cJSON *value)
{
	if (value != NULL && !cJSON_AddItemToObject(object, key, value))
		cJSON_Delete(value);
}

void
json_add_string(cJSON *object, const char *key, const char *value)
{
	json_add(object, key, cJSON_CreateString(value));
}

void
json_add_int(cJSON *object, const char *key, int64_t value)
{
	json_add(object, key, cJSON_CreateNumber((double)value));
}

void
json_add_bool(cJSON *object, const char *key, bool value)
{
	json_add(object, key, cJSON_CreateBool(value));
}
