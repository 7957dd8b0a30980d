/* SPDX-License-Identifier: MIT */
/*
 * json_schema.c – one table row per keyword: is its argument all right, and
 * does a value fit it.
 *
 * Invariant: a schema that passed json_schema_check() has only keywords of
 * the table, each with an argument of the right kind, so that the fits_*
 * functions need not look again.
 */
#include "common/json_schema.h"

#include "common/utf8.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
	PATH_SIZE = 160,
	NAME_SHOWN_MAX = 48, /* bytes of a member's name in a reason */
};

/* Where we are, and where a reason goes. */
struct place {
	char *why;
	size_t size;
	unsigned int depth;   /* of schemas, while they are checked */
	char path[PATH_SIZE]; /* "filter.names[3]"; "" at the top */
};

struct keyword {
	const char *name;
	/* Whether ARG can be this keyword's argument. */
	int (*check)(struct place *place, const cJSON *arg);
	/* NULL: only an annotation. SCHEMA holds ARG. */
	int (*fits)(struct place *place, const cJSON *schema, const cJSON *arg,
	    const cJSON *value);
};

static int check_schema(struct place *place, const cJSON *schema);
static int fits_schema(
    struct place *place, const cJSON *schema, const cJSON *value);

/* -- places and reasons ------------------------------------------------- */

static int misfit(struct place *place, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Writes `"PATH" SENTENCE` into WHY, cut at a whole letter. Always returns
 * -EINVAL.
 */
static int
misfit(struct place *place, const char *fmt, ...)
{
	char sentence[JSON_SCHEMA_WHY_SIZE];
	char whole[JSON_SCHEMA_WHY_SIZE + PATH_SIZE + 16];
	size_t len;
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(sentence, sizeof(sentence), fmt, ap) < 0)
		sentence[0] = '\0';
	va_end(ap);
	if (place->path[0] != '\0')
		snprintf(
		    whole, sizeof(whole), "\"%s\" %s", place->path, sentence);
	else
		snprintf(whole, sizeof(whole), "the value %s", sentence);
	if (place->size == 0)
		return -EINVAL;
	len = utf8_cut(whole, strlen(whole), place->size - 1);
	memcpy(place->why, whole, len);
	place->why[len] = '\0';
	return -EINVAL;
}

static int
shown(const char *name)
{
	return (int)utf8_cut(name, strlen(name), NAME_SHOWN_MAX);
}

/* Whether NAME is one that programs give a member, and not what people say. */
static bool
is_word(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ_";

	return name[0] != '\0' && name[strspn(name, letters)] == '\0';
}

/* Goes to a member or an item; returns the length to go back to. */
static size_t
enter(struct place *place, const char *name, int index)
{
	size_t len = strlen(place->path);
	size_t room = sizeof(place->path) - len;

	if (room <= NAME_SHOWN_MAX + 2)
		return len; /* deep down: named by its parent */
	if (name != NULL)
		snprintf(place->path + len, room, "%s%.*s", len > 0 ? "." : "",
		    shown(name), name);
	else
		snprintf(place->path + len, room, "[%d]", index);
	return len;
}

static void
leave(struct place *place, size_t len)
{
	place->path[len] = '\0';
}

/* -- types -------------------------------------------------------------- */

static const char *const type_names[] = {
    "string", "integer", "number", "boolean", "object", "array", "null"};

static bool
is_type_name(const cJSON *name)
{
	if (!cJSON_IsString(name))
		return false;
	for (size_t i = 0; i < sizeof(type_names) / sizeof(*type_names); i++) {
		if (strcmp(name->valuestring, type_names[i]) == 0)
			return true;
	}
	return false;
}

static bool
is_integer(const cJSON *value)
{
	return cJSON_IsNumber(value) &&
	       trunc(value->valuedouble) == value->valuedouble;
}

static const char *
type_of(const cJSON *value)
{
	if (cJSON_IsString(value))
		return "string";
	if (cJSON_IsNumber(value))
		return "number";
	if (cJSON_IsBool(value))
		return "boolean";
	if (cJSON_IsObject(value))
		return "object";
	return cJSON_IsArray(value) ? "array" : "null";
}

static bool
has_type(const cJSON *value, const char *name)
{
	if (strcmp(name, "integer") == 0)
		return is_integer(value);
	return strcmp(type_of(value), name) == 0;
}

/* -- what a keyword's argument must be ----------------------------------- */

static int
check_anything(struct place *place, const cJSON *arg)
{
	(void)place;
	(void)arg;
	return 0;
}

static int
check_type(struct place *place, const cJSON *arg)
{
	const cJSON *name;

	if (is_type_name(arg))
		return 0;
	if (!cJSON_IsArray(arg) || cJSON_GetArraySize(arg) == 0)
		return misfit(place, "has an unknown \"type\"");
	cJSON_ArrayForEach(name, arg) {
		if (!is_type_name(name))
			return misfit(place, "has an unknown \"type\"");
	}
	return 0;
}

static int
check_enum(struct place *place, const cJSON *arg)
{
	if (!cJSON_IsArray(arg) || cJSON_GetArraySize(arg) == 0)
		return misfit(place, "needs a list as \"enum\"");
	return 0;
}

static int
check_number(struct place *place, const cJSON *arg)
{
	if (!cJSON_IsNumber(arg) || !isfinite(arg->valuedouble))
		return misfit(place, "needs a number as \"%s\"", arg->string);
	return 0;
}

static int
check_length(struct place *place, const cJSON *arg)
{
	if (!is_integer(arg) || arg->valuedouble < 0 || arg->valuedouble > 1e9)
		return misfit(
		    place, "needs a whole number as \"%s\"", arg->string);
	return 0;
}

static int
check_properties(struct place *place, const cJSON *arg)
{
	const cJSON *property;

	if (!cJSON_IsObject(arg))
		return misfit(place, "needs an object as \"properties\"");
	cJSON_ArrayForEach(property, arg) {
		size_t len = enter(place, property->string, 0);
		int ret = check_schema(place, property);

		leave(place, len);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int
check_required(struct place *place, const cJSON *arg)
{
	const cJSON *name;

	if (!cJSON_IsArray(arg))
		return misfit(place, "needs a list as \"required\"");
	cJSON_ArrayForEach(name, arg) {
		if (!cJSON_IsString(name))
			return misfit(place, "needs names in \"required\"");
	}
	return 0;
}

static int
check_additional(struct place *place, const cJSON *arg)
{
	return cJSON_IsBool(arg) ? 0 : check_schema(place, arg);
}

/* -- does a value fit ------------------------------------------------------ */

static int
fits_type(struct place *place, const cJSON *schema, const cJSON *arg,
    const cJSON *value)
{
	char wanted[96] = "";
	const cJSON *name;

	(void)schema;
	if (cJSON_IsString(arg)) {
		if (has_type(value, arg->valuestring))
			return 0;
		return misfit(place, "is of type %s, but %s is needed",
		    type_of(value), arg->valuestring);
	}
	cJSON_ArrayForEach(name, arg) {
		size_t len = strlen(wanted);

		if (has_type(value, name->valuestring))
			return 0;
		snprintf(wanted + len, sizeof(wanted) - len, "%s%s",
		    len > 0 ? " or " : "", name->valuestring);
	}
	return misfit(
	    place, "is of type %s, but %s is needed", type_of(value), wanted);
}

static int
fits_const(struct place *place, const cJSON *schema, const cJSON *arg,
    const cJSON *value)
{
	(void)schema;
	if (cJSON_Compare(arg, value, true))
		return 0;
	return misfit(place, "is not the one value that is allowed");
}

static int
fits_enum(struct place *place, const cJSON *schema, const cJSON *arg,
    const cJSON *value)
{
	char wanted[JSON_SCHEMA_WHY_SIZE / 2] = "";
	const cJSON *choice;

	(void)schema;
	cJSON_ArrayForEach(choice, arg) {
		size_t len = strlen(wanted);

		if (cJSON_Compare(choice, value, true))
			return 0;
		if (cJSON_IsString(choice) && len < sizeof(wanted) - 64)
			snprintf(wanted + len, sizeof(wanted) - len,
			    "%s\"%.*s\"", len > 0 ? ", " : "",
			    shown(choice->valuestring), choice->valuestring);
	}
	return misfit(place, "must be one of: %s", wanted);
}

static int
fits_length(struct place *place, const cJSON *schema, const cJSON *arg,
    const cJSON *value)
{
	bool is_minimum = strcmp(arg->string, "minLength") == 0;
	ssize_t count;

	(void)schema;
	if (!cJSON_IsString(value))
		return 0;
	count = utf8_count(value->valuestring, strlen(value->valuestring));
	if (is_minimum && (double)count < arg->valuedouble)
		return misfit(place,
		    "is too short: %zd characters, at least %d are needed",
		    count, arg->valueint);
	if (!is_minimum && (double)count > arg->valuedouble)
		return misfit(place,
		    "is too long: %zd characters, at most %d are allowed",
		    count, arg->valueint);
	return 0;
}

static int
fits_items_count(struct place *place, const cJSON *schema, const cJSON *arg,
    const cJSON *value)
{
	bool is_minimum = strcmp(arg->string, "minItems") == 0;
	int count;

	(void)schema;
	if (!cJSON_IsArray(value))
		return 0;
	count = cJSON_GetArraySize(value);
	if (is_minimum && count < arg->valueint)
		return misfit(place,
		    "has too few items: %d, at least %d are needed", count,
		    arg->valueint);
	if (!is_minimum && count > arg->valueint)
		return misfit(place,
		    "has too many items: %d, at most %d are allowed", count,
		    arg->valueint);
	return 0;
}

static int
fits_range(struct place *place, const cJSON *schema, const cJSON *arg,
    const cJSON *value)
{
	double number = value->valuedouble;
	double limit = arg->valuedouble;
	const char *relation;
	bool fits;

	(void)schema;
	if (!cJSON_IsNumber(value))
		return 0;
	if (strcmp(arg->string, "minimum") == 0) {
		fits = number >= limit;
		relation = "at least";
	} else if (strcmp(arg->string, "maximum") == 0) {
		fits = number <= limit;
		relation = "at most";
	} else if (strcmp(arg->string, "exclusiveMinimum") == 0) {
		fits = number > limit;
		relation = "more than";
	} else {
		fits = number < limit;
		relation = "less than";
	}
	return fits ? 0 : misfit(place, "must be %s %.15g", relation, limit);
}

static int
fits_required(struct place *place, const cJSON *schema, const cJSON *arg,
    const cJSON *value)
{
	const cJSON *name;

	(void)schema;
	if (!cJSON_IsObject(value))
		return 0;
	cJSON_ArrayForEach(name, arg) {
		if (cJSON_GetObjectItemCaseSensitive(
			value, name->valuestring) == NULL)
			return misfit(place, "lacks \"%.*s\"",
			    shown(name->valuestring), name->valuestring);
	}
	return 0;
}

static int
fits_properties(struct place *place, const cJSON *schema, const cJSON *arg,
    const cJSON *value)
{
	const cJSON *property;

	(void)schema;
	if (!cJSON_IsObject(value))
		return 0;
	cJSON_ArrayForEach(property, arg) {
		const cJSON *member =
		    cJSON_GetObjectItemCaseSensitive(value, property->string);
		size_t len;
		int ret;

		if (member == NULL)
			continue;
		len = enter(place, property->string, 0);
		ret = fits_schema(place, property, member);
		leave(place, len);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* Members that "properties" does not name. */
static int
fits_additional(struct place *place, const cJSON *schema, const cJSON *arg,
    const cJSON *value)
{
	const cJSON *properties =
	    cJSON_GetObjectItemCaseSensitive(schema, "properties");
	const cJSON *member;

	if (!cJSON_IsObject(value) || cJSON_IsTrue(arg))
		return 0;
	cJSON_ArrayForEach(member, value) {
		size_t len;
		int ret;

		if (cJSON_GetObjectItemCaseSensitive(
			properties, member->string) != NULL)
			continue;
		if (cJSON_IsFalse(arg) && !is_word(member->string))
			return misfit(place, "has an unknown member");
		if (cJSON_IsFalse(arg))
			return misfit(place, "has an unknown member \"%.*s\"",
			    shown(member->string), member->string);
		len = enter(place, member->string, 0);
		ret = fits_schema(place, arg, member);
		leave(place, len);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int
fits_items(struct place *place, const cJSON *schema, const cJSON *arg,
    const cJSON *value)
{
	const cJSON *item;
	int index = 0;

	(void)schema;
	if (!cJSON_IsArray(value))
		return 0;
	cJSON_ArrayForEach(item, value) {
		size_t len = enter(place, NULL, index++);
		int ret = fits_schema(place, arg, item);

		leave(place, len);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* In the order in which a value is looked at: the type first. */
static const struct keyword keywords[] = {
    {"type", check_type, fits_type},
    {"const", check_anything, fits_const},
    {"enum", check_enum, fits_enum},
    {"minLength", check_length, fits_length},
    {"maxLength", check_length, fits_length},
    {"minimum", check_number, fits_range},
    {"maximum", check_number, fits_range},
    {"exclusiveMinimum", check_number, fits_range},
    {"exclusiveMaximum", check_number, fits_range},
    {"required", check_required, fits_required},
    {"additionalProperties", check_additional, fits_additional},
    {"properties", check_properties, fits_properties},
    {"minItems", check_length, fits_items_count},
    {"maxItems", check_length, fits_items_count},
    {"items", check_schema, fits_items},
    {"title", check_anything, NULL},
    {"description", check_anything, NULL},
    {"default", check_anything, NULL},
    {"examples", check_anything, NULL},
    {"deprecated", check_anything, NULL},
    {"format", check_anything, NULL},
    {"$schema", check_anything, NULL},
    {"$id", check_anything, NULL},
    {"$comment", check_anything, NULL},
};

static const struct keyword *
find_keyword(const char *name)
{
	for (size_t i = 0; i < sizeof(keywords) / sizeof(*keywords); i++) {
		if (strcmp(keywords[i].name, name) == 0)
			return &keywords[i];
	}
	return NULL;
}

static int
check_keyword(struct place *place, const cJSON *schema, const cJSON *arg)
{
	const struct keyword *keyword = find_keyword(arg->string);

	if (keyword == NULL)
		return misfit(place,
		    "has a keyword that is not supported: \"%.*s\"",
		    shown(arg->string), arg->string);
	if (cJSON_GetObjectItemCaseSensitive(schema, arg->string) != arg)
		return misfit(place, "has \"%s\" twice", arg->string);
	return keyword->check(place, arg);
}

static int
check_schema(struct place *place, const cJSON *schema)
{
	const cJSON *arg;
	int ret = 0;

	if (!cJSON_IsObject(schema))
		return misfit(place, "needs an object as its schema");
	if (place->depth >= JSON_SCHEMA_DEPTH_MAX)
		return misfit(place, "is nested too deeply");
	place->depth++;
	cJSON_ArrayForEach(arg, schema) {
		ret = check_keyword(place, schema, arg);
		if (ret < 0)
			break;
	}
	place->depth--;
	return ret;
}

static int
fits_schema(struct place *place, const cJSON *schema, const cJSON *value)
{
	for (size_t i = 0; i < sizeof(keywords) / sizeof(*keywords); i++) {
		const cJSON *arg =
		    cJSON_GetObjectItemCaseSensitive(schema, keywords[i].name);
		int ret;

		if (arg == NULL || keywords[i].fits == NULL)
			continue;
		ret = keywords[i].fits(place, schema, arg, value);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* -- what no schema can allow ---------------------------------------------- */

static int check_value(struct place *place, const cJSON *value);

static int
check_member(struct place *place, const cJSON *object, const cJSON *member)
{
	size_t len;
	int ret;

	if (utf8_count(member->string, strlen(member->string)) < 0)
		return misfit(place, "has a name that is not UTF-8");
	if (cJSON_GetObjectItemCaseSensitive(object, member->string) !=
		member &&
	    !is_word(member->string))
		return misfit(place, "names a member twice");
	if (cJSON_GetObjectItemCaseSensitive(object, member->string) != member)
		return misfit(place, "names \"%.*s\" twice",
		    shown(member->string), member->string);
	len = enter(place, member->string, 0);
	ret = check_value(place, member);
	leave(place, len);
	return ret;
}

static int
check_value(struct place *place, const cJSON *value)
{
	const cJSON *child;
	int index = 0;

	if (cJSON_IsString(value) &&
	    utf8_count(value->valuestring, strlen(value->valuestring)) < 0)
		return misfit(place, "is not UTF-8");
	if (cJSON_IsNumber(value) && !isfinite(value->valuedouble))
		return misfit(place, "is not a finite number");
	if (cJSON_IsObject(value) &&
	    cJSON_GetArraySize(value) > JSON_SCHEMA_MEMBERS_MAX)
		return misfit(place, "has too many members");
	cJSON_ArrayForEach(child, value) {
		size_t len;
		int ret;

		if (cJSON_IsObject(value)) {
			ret = check_member(place, value, child);
		} else {
			len = enter(place, NULL, index++);
			ret = check_value(place, child);
			leave(place, len);
		}
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* -- public ---------------------------------------------------------------- */

int
json_schema_check(const cJSON *schema, char *why, size_t size)
{
	struct place place = {.why = why, .size = size};

	return check_schema(&place, schema);
}

int
json_schema_validate(
    const cJSON *schema, const cJSON *value, char *why, size_t size)
{
	struct place place = {.why = why, .size = size};
	int ret = check_value(&place, value);

	return ret < 0 ? ret : fits_schema(&place, schema, value);
}
