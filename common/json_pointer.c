/* SPDX-License-Identifier: MIT */
/*
 * json_pointer.c – walks a document along the tokens of a pointer.
 *
 * Tokens are compared where they stand, escapes and all; nothing is copied.
 */
#include "common/json_pointer.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

bool
json_pointer_is_valid(const char *pointer)
{
	if (strlen(pointer) > JSON_POINTER_MAX)
		return false;
	if (pointer[0] != '\0' && pointer[0] != '/')
		return false;
	for (const char *c = pointer; *c != '\0'; c++) {
		if (*c == '~' && c[1] != '0' && c[1] != '1')
			return false;
	}
	return true;
}

/* Whether the token of LEN bytes, "~1" being '/' and "~0" '~', is NAME. */
static bool
token_is(const char *token, size_t len, const char *name)
{
	for (size_t i = 0; i < len; i++, name++) {
		char c = token[i];

		if (c == '~')
			c = token[++i] == '1' ? '/' : '~';
		if (*name != c)
			return false;
	}
	return *name == '\0';
}

static const cJSON *
find_member(const cJSON *object, const char *token, size_t len)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, object) {
		if (token_is(token, len, item->string))
			return item;
	}
	return NULL;
}

/* An index is "0" or digits without a leading zero (section 4). */
static const cJSON *
find_element(const cJSON *array, const char *token, size_t len)
{
	const cJSON *item;
	size_t index = 0;

	if (len == 0 || len > 9 || (token[0] == '0' && len > 1))
		return NULL;
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)token[i]))
			return NULL;
		index = index * 10 + (size_t)(token[i] - '0');
	}
	cJSON_ArrayForEach(item, array) {
		if (index-- == 0)
			return item;
	}
	return NULL;
}

const cJSON *
json_pointer_find(const cJSON *document, const char *pointer)
{
	const cJSON *value = document;

	if (!json_pointer_is_valid(pointer))
		return NULL;
	while (value != NULL && *pointer == '/') {
		size_t len = strcspn(++pointer, "/");

		if (cJSON_IsObject(value))
			value = find_member(value, pointer, len);
		else if (cJSON_IsArray(value))
			value = find_element(value, pointer, len);
		else
			value = NULL;
		pointer += len;
	}
	return value;
}
