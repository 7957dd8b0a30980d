/* SPDX-License-Identifier: MIT */
/*
 * http_template.c – takes templates apart, checks them, fills them in.
 *
 * Invariant: bytes of an argument, and of what is known of the caller, reach a
 * text through append_encoded() only, except in JSON, where cJSON escapes them.
 */
#include "common/http_template.h"

#include "common/json.h"
#include "common/secret.h"
#include "common/url.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NAME_SIZE = 65,
};

enum reference {
	REFERENCE_ARGUMENT,
	REFERENCE_CALLER,
	REFERENCE_SETTING,
	REFERENCE_SECRET,
	REFERENCE_TIMEOUT,
};

/* A stretch of a template. */
struct piece {
	bool is_reference;
	enum reference kind;
	char name[NAME_SIZE]; /* of the reference; "" for a timeout */
	const char *text;     /* else LEN literal bytes */
	size_t len;
};

/* A text that grows up to HTTP_TEMPLATE_MAX. */
struct writer {
	char *text;
	size_t len;
	bool full;
};

/* The settings that a tool may name; SWITCH off makes them "not set". */
static const struct {
	const char *name;
	size_t value;
	size_t enabled;
} settings[] = {
    {"MIKROTIK_API_URL", offsetof(struct config, mikrotik_api_url),
	offsetof(struct config, enable_mikrotik_tools)},
};

const char *
http_template_setting(const struct config *config, const char *name)
{
	const char *base = (const char *)config;

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (strcmp(settings[i].name, name) != 0)
			continue;
		if (config == NULL ||
		    !*(const bool *)(base + settings[i].enabled))
			return "";
		return base + settings[i].value;
	}
	return NULL;
}

static int __attribute__((format(printf, 4, 5)))
fail(int err, char *why, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return err;
}

/* -- taking apart ----------------------------------------------------------- */

static bool
take_kind(const char **text, enum reference *kind_out)
{
	static const struct {
		const char *head;
		enum reference kind;
	} heads[] = {
	    {"argument:", REFERENCE_ARGUMENT},
	    {"caller:", REFERENCE_CALLER},
	    {"setting:", REFERENCE_SETTING},
	    {"secret:", REFERENCE_SECRET},
	    {"timeout_s", REFERENCE_TIMEOUT},
	};

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		size_t len = strlen(heads[i].head);

		if (strncmp(*text, heads[i].head, len) != 0)
			continue;
		*text += len;
		*kind_out = heads[i].kind;
		return true;
	}
	return false;
}

/* 1: a piece; 0: the end; -EINVAL: a reference that is none. */
static int
next_piece(const char **rest, struct piece *piece)
{
	const char *text = *rest;
	const char *start = strstr(text, "${");
	size_t len;

	if (*text == '\0')
		return 0;
	*piece = (struct piece){.text = text};
	if (start != text) {
		piece->len =
		    start != NULL ? (size_t)(start - text) : strlen(text);
		*rest = text + piece->len;
		return 1;
	}
	text += 2;
	piece->is_reference = true;
	if (!take_kind(&text, &piece->kind))
		return -EINVAL;
	len = strcspn(text, "}");
	if (text[len] != '}' || len >= sizeof(piece->name) ||
	    (len == 0) != (piece->kind == REFERENCE_TIMEOUT))
		return -EINVAL;
	memcpy(piece->name, text, len);
	*rest = text + len + 1;
	return 1;
}

/* TEXT is nothing but one reference. */
static bool
is_one_reference(const char *text, struct piece *piece)
{
	return next_piece(&text, piece) == 1 && piece->is_reference &&
	       *text == '\0';
}

static void
each_reference(const char *text, enum reference kind,
    void (*fn)(const char *name, void *arg), void *arg)
{
	struct piece piece;

	while (next_piece(&text, &piece) == 1) {
		if (piece.is_reference && piece.kind == kind)
			fn(piece.name, arg);
	}
}

void
http_template_each_setting(
    const char *text, void (*fn)(const char *name, void *arg), void *arg)
{
	each_reference(text, REFERENCE_SETTING, fn, arg);
}

void
http_template_each_caller(
    const char *text, void (*fn)(const char *name, void *arg), void *arg)
{
	each_reference(text, REFERENCE_CALLER, fn, arg);
}

void
http_template_each_secret(
    const char *text, void (*fn)(const char *name, void *arg), void *arg)
{
	each_reference(text, REFERENCE_SECRET, fn, arg);
}

/* -- checking --------------------------------------------------------------- */

static const cJSON *
property_of(const cJSON *parameters, const char *name)
{
	return json_at(parameters, "properties", name, NULL);
}

static bool
is_required(const cJSON *parameters, const char *name)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, json_array(parameters, "required")) {
		if (cJSON_IsString(item) &&
		    strcmp(item->valuestring, name) == 0)
			return true;
	}
	return false;
}

/* Values that can be written as text. */
static bool
is_scalar_type(const cJSON *property)
{
	static const char *const types[] = {
	    "string", "integer", "number", "boolean"};
	const char *type = json_string(property, "type");

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(types[i], type) == 0)
			return true;
	}
	return false;
}

static int
check_argument(const struct piece *piece, enum http_place place, bool alone,
    const cJSON *parameters, char *why, size_t size)
{
	const cJSON *property = property_of(parameters, piece->name);

	if (place == HTTP_PLACE_CREDENTIAL)
		return fail(-EINVAL, why, size,
		    "${argument:%s}: no argument may be part of a credential",
		    piece->name);
	if (property == NULL)
		return fail(-EINVAL, why, size,
		    "${argument:%s}: \"parameters\" does not describe it",
		    piece->name);
	if (!(place == HTTP_PLACE_JSON && alone) && !is_scalar_type(property))
		return fail(-EINVAL, why, size,
		    "${argument:%s}: only a string, a number or a boolean can "
		    "be part of a text",
		    piece->name);
	return 0;
}

static int
check_caller(
    const struct piece *piece, enum http_place place, char *why, size_t size)
{
	if (place == HTTP_PLACE_CREDENTIAL)
		return fail(-EINVAL, why, size,
		    "${caller:%s}: no caller may be part of a credential",
		    piece->name);
	if (strcmp(piece->name, "number") != 0 &&
	    strcmp(piece->name, "customer") != 0)
		return fail(-EINVAL, why, size,
		    "${caller:%s}: there is ${caller:number} and "
		    "${caller:customer}",
		    piece->name);
	return 0;
}

static int
check_reference(const struct piece *piece, enum http_place place, bool alone,
    const cJSON *parameters, char *why, size_t size)
{
	enum proc_role role;

	switch (piece->kind) {
	case REFERENCE_ARGUMENT:
		return check_argument(
		    piece, place, alone, parameters, why, size);
	case REFERENCE_CALLER:
		return check_caller(piece, place, why, size);
	case REFERENCE_SETTING:
		if (http_template_setting(NULL, piece->name) == NULL)
			return fail(-EINVAL, why, size,
			    "${setting:%s}: a tool may not name it; it may: %s",
			    piece->name, settings[0].name);
		break;
	case REFERENCE_SECRET:
		if (!secret_find(piece->name, strlen(piece->name), &role) ||
		    role != PROC_ROLE_TOOLWORKER)
			return fail(-EINVAL, why, size,
			    "${secret:%s}: a tool may only name secrets "
			    "TOOL_…, of A-Z, 0-9 and _",
			    piece->name);
		if (place == HTTP_PLACE_URL)
			return fail(-EINVAL, why, size,
			    "${secret:%s}: not in a URL, which everybody "
			    "logs; use a header",
			    piece->name);
		break;
	case REFERENCE_TIMEOUT:
		break;
	}
	return 0;
}

static bool
is_literal_for(enum http_place place, const struct piece *piece)
{
	for (size_t i = 0; i < piece->len; i++) {
		unsigned char c = (unsigned char)piece->text[i];

		if (place == HTTP_PLACE_URL &&
		    (!isgraph(c) || strchr("\"#<>\\^`{|}", c) != NULL))
			return false;
		if (place == HTTP_PLACE_HEADER && (c < 0x20 || c > 0x7e))
			return false;
	}
	return true;
}

/* Scheme, host and port, up to the path, are the operator's alone. */
static int
check_url_base(const char *text, char *why, size_t size)
{
	struct piece piece;
	const char *reason;
	struct url url;
	const char *rest = text;
	size_t len;

	if (next_piece(&rest, &piece) == 1 && piece.is_reference &&
	    piece.kind == REFERENCE_SETTING) {
		if (*rest == '\0' || *rest == '/' || *rest == '?')
			return 0;
		return fail(-EINVAL, why, size,
		    "a '/' must follow ${setting:%s}", piece.name);
	}
	if (strncmp(text, "http://", 7) != 0 &&
	    strncmp(text, "https://", 8) != 0)
		return fail(-EINVAL, why, size,
		    "it must begin with https:// or http:// or a setting");
	len = strcspn(text, ":") + 3;
	len += strcspn(text + len, "/?#");
	if (memmem(text, len, "${", 2) != NULL)
		return fail(-EINVAL, why, size,
		    "scheme, host and port must be written out");
	if (url_parse_origin(text, &url, &reason) < 0)
		return fail(-EINVAL, why, size, "%s", reason);
	return 0;
}

/* An argument that may be absent leaves a hole in a path. */
static int
check_url_path(
    const char *text, const cJSON *parameters, char *why, size_t size)
{
	struct piece piece;
	bool in_query = false;

	while (next_piece(&text, &piece) == 1) {
		if (!piece.is_reference)
			in_query = in_query ||
				   memchr(piece.text, '?', piece.len) != NULL;
		else if (!in_query && piece.kind == REFERENCE_ARGUMENT &&
			 !is_required(parameters, piece.name) &&
			 json_at(property_of(parameters, piece.name), "default",
			     NULL) == NULL)
			return fail(-EINVAL, why, size,
			    "${argument:%s}: in a path it must be required, "
			    "or have a default",
			    piece.name);
	}
	return 0;
}

int
http_template_check(const char *text, enum http_place place,
    const cJSON *parameters, char *why, size_t size)
{
	struct piece piece;
	bool alone = is_one_reference(text, &piece);
	const char *rest = text;
	int ret;

	while ((ret = next_piece(&rest, &piece)) == 1) {
		if (piece.is_reference)
			ret = check_reference(
			    &piece, place, alone, parameters, why, size);
		else if (!is_literal_for(place, &piece))
			ret = fail(-EINVAL, why, size,
			    "it has characters that cannot be there");
		if (ret < 0)
			return ret;
	}
	if (ret < 0)
		return fail(ret, why, size,
		    "\"%.24s…\" is none of ${argument:NAME}, ${caller:NAME}, "
		    "${setting:NAME}, ${secret:NAME}, ${timeout_s}",
		    rest);
	if (place != HTTP_PLACE_URL)
		return 0;
	ret = check_url_base(text, why, size);
	return ret < 0 ? ret : check_url_path(text, parameters, why, size);
}

int
http_template_check_json(
    const cJSON *template, const cJSON *parameters, char *why, size_t size)
{
	const cJSON *item;
	int ret;

	if (cJSON_IsString(template))
		return http_template_check(template->valuestring,
		    HTTP_PLACE_JSON, parameters, why, size);
	cJSON_ArrayForEach(item, template) {
		if (item->string != NULL && strstr(item->string, "${") != NULL)
			return fail(-EINVAL, why, size,
			    "\"%.64s\": a member's name must be written out",
			    item->string);
		ret = http_template_check_json(item, parameters, why, size);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* -- filling in -------------------------------------------------------------- */

static void
append(struct writer *writer, const char *text, size_t len)
{
	if (len > HTTP_TEMPLATE_MAX - writer->len) {
		writer->full = true;
		return;
	}
	memcpy(writer->text + writer->len, text, len);
	writer->len += len;
	writer->text[writer->len] = '\0';
}

/* Percent-encodes all but the unreserved characters, RFC 3986 2.3. */
static void
append_encoded(struct writer *writer, const char *text, size_t len)
{
	for (const char *end = text + len; text < end && !writer->full;
	     text++) {
		unsigned char c = (unsigned char)*text;
		char code[4];

		if (isascii(c) && (isalnum(c) || strchr("-._~", c) != NULL)) {
			append(writer, text, 1);
			continue;
		}
		snprintf(code, sizeof(code), "%%%02X", c);
		append(writer, code, 3);
	}
}

/* What the model gave, else the schema's default, else NULL. */
static const cJSON *
find_argument(const struct http_template_values *values, const char *name)
{
	const cJSON *given = json_at(values->arguments, name, NULL);

	if (given != NULL)
		return given;
	return json_at(property_of(values->parameters, name), "default", NULL);
}

/*
 * A service may decode "%2F..%2F" before it looks at the path: no value may
 * climb out of its segment in any reading.
 */
static bool
is_path_value(const char *text)
{
	if (*text == '\0')
		return false;
	while (true) {
		size_t len = strcspn(text, "/\\");

		if ((len == 1 && text[0] == '.') ||
		    (len == 2 && text[0] == '.' && text[1] == '.'))
			return false;
		if (text[len] == '\0')
			return true;
		text += len + 1;
	}
}

static void
write_value(struct writer *writer, enum http_place place, const char *text)
{
	if (place == HTTP_PLACE_JSON)
		append(writer, text, strlen(text));
	else
		append_encoded(writer, text, strlen(text));
}

static int
write_argument(struct writer *writer, const struct piece *piece,
    enum http_place place, bool in_path,
    const struct http_template_values *values, char *why, size_t size)
{
	const cJSON *value = find_argument(values, piece->name);
	char *printed = NULL;
	const char *text = "";

	if (cJSON_IsString(value)) {
		text = value->valuestring;
	} else if (cJSON_IsNumber(value) || cJSON_IsBool(value)) {
		printed = cJSON_PrintUnformatted(value);
		if (printed == NULL)
			return -ENOMEM;
		text = printed;
	} else if (value != NULL && !cJSON_IsNull(value)) {
		return fail(-EINVAL, why, size,
		    "\"%s\" must be a text, a number or a boolean",
		    piece->name);
	}
	if (in_path && !is_path_value(text)) {
		free(printed);
		return fail(-EINVAL, why, size,
		    "\"%s\" must not be empty, \".\" or \"..\"", piece->name);
	}
	write_value(writer, place, text);
	free(printed);
	return 0;
}

/* Whatever the arguments say: they are not looked at. */
static int
write_caller(struct writer *writer, const struct piece *piece,
    enum http_place place, bool in_path,
    const struct http_template_values *values, char *why, size_t size)
{
	const char *text = json_string(values->caller, piece->name);

	if (*text == '\0' || (in_path && !is_path_value(text)))
		return fail(-EACCES, why, size, "not known of the caller: %s",
		    piece->name);
	write_value(writer, place, text);
	return 0;
}

/* The value of a reference that is not the model's; "" for one that is. */
static int
find_text(const struct piece *piece, const struct http_template_values *values,
    const char **text_out, char *why, size_t size)
{
	const char *text = "";

	if (piece->kind == REFERENCE_SETTING)
		text = http_template_setting(values->config, piece->name);
	else if (piece->kind == REFERENCE_SECRET)
		text = values->find_secret(piece->name, values->arg);
	if (text == NULL || *text == '\0')
		return fail(-ENOENT, why, size, "%s is not set", piece->name);
	*text_out = text;
	return 0;
}

static int
write_reference(struct writer *writer, const struct piece *piece,
    enum http_place place, bool in_path,
    const struct http_template_values *values, char *why, size_t size)
{
	char number[16];
	const char *text = "";
	int ret;

	if (piece->kind == REFERENCE_ARGUMENT)
		return write_argument(
		    writer, piece, place, in_path, values, why, size);
	if (piece->kind == REFERENCE_CALLER)
		return write_caller(
		    writer, piece, place, in_path, values, why, size);
	if (piece->kind == REFERENCE_TIMEOUT) {
		snprintf(number, sizeof(number), "%u", values->timeout_s);
		append(writer, number, strlen(number));
		return 0;
	}
	ret = find_text(piece, values, &text, why, size);
	if (ret < 0)
		return ret;
	if (place == HTTP_PLACE_FORM)
		append_encoded(writer, text, strlen(text));
	else
		append(writer, text, strlen(text));
	return 0;
}

static int
write_pieces(struct writer *writer, const char *text, enum http_place place,
    const struct http_template_values *values, char *why, size_t size)
{
	bool in_path = place == HTTP_PLACE_URL;
	struct piece piece;
	int ret;

	while ((ret = next_piece(&text, &piece)) == 1) {
		if (piece.is_reference) {
			ret = write_reference(
			    writer, &piece, place, in_path, values, why, size);
			if (ret < 0)
				return ret;
			continue;
		}
		if (place == HTTP_PLACE_FORM)
			append_encoded(writer, piece.text, piece.len);
		else
			append(writer, piece.text, piece.len);
		in_path = in_path && memchr(piece.text, '?', piece.len) == NULL;
	}
	return ret < 0 ? fail(ret, why, size, "no template") : 0;
}

/* No segment of the path may be "." or "..": curl would resolve it. */
static bool
has_dot_segment(const char *url)
{
	const char *path = strstr(url, "://");

	path = path != NULL ? path + 3 : url;
	path += strcspn(path, "/?");
	while (*path == '/') {
		size_t len = strcspn(++path, "/?");

		if ((len == 1 && path[0] == '.') ||
		    (len == 2 && path[0] == '.' && path[1] == '.'))
			return true;
		path += len;
	}
	return false;
}

int
http_template_render(char **text_out, const char *text, enum http_place place,
    const struct http_template_values *values, char *why, size_t size)
{
	struct writer writer = {.text = calloc(1, HTTP_TEMPLATE_MAX + 1)};
	int ret;

	if (writer.text == NULL)
		return fail(-ENOMEM, why, size, "no memory");
	ret = write_pieces(&writer, text, place, values, why, size);
	if (ret == 0 && writer.full)
		ret = fail(-EMSGSIZE, why, size, "the arguments are too long");
	if (ret == 0 && place == HTTP_PLACE_URL && has_dot_segment(writer.text))
		ret = fail(-EINVAL, why, size,
		    "an argument must not be \".\" or \"..\"");
	if (ret < 0) {
		http_template_free(writer.text);
		return ret;
	}
	*text_out = writer.text;
	return 0;
}

void
http_template_free(char *text)
{
	if (text == NULL)
		return;
	explicit_bzero(text, strlen(text));
	free(text);
}

static void
wipe_json(cJSON *json)
{
	cJSON *item;

	if (cJSON_IsString(json))
		explicit_bzero(json->valuestring, strlen(json->valuestring));
	cJSON_ArrayForEach(item, json)
		wipe_json(item);
}

void
http_template_free_json(cJSON *json)
{
	wipe_json(json);
	cJSON_Delete(json);
}

/* A string of the template; *JSON_OUT is NULL for an absent argument. */
static int
render_string(cJSON **json_out, const char *template,
    const struct http_template_values *values, char *why, size_t size)
{
	struct piece piece;
	const cJSON *value;
	char *text = NULL;
	int ret;

	*json_out = NULL;
	if (is_one_reference(template, &piece)) {
		if (piece.kind == REFERENCE_TIMEOUT) {
			*json_out = cJSON_CreateNumber(values->timeout_s);
			return *json_out != NULL ? 0 : -ENOMEM;
		}
		if (piece.kind == REFERENCE_ARGUMENT) {
			value = find_argument(values, piece.name);
			if (value == NULL)
				return 0;
			*json_out = cJSON_Duplicate(value, true);
			return *json_out != NULL ? 0 : -ENOMEM;
		}
	}
	ret = http_template_render(
	    &text, template, HTTP_PLACE_JSON, values, why, size);
	if (ret < 0)
		return ret;
	*json_out = cJSON_CreateString(text);
	http_template_free(text);
	return *json_out != NULL ? 0 : -ENOMEM;
}

/* Puts MADE (or nothing) where ITEM is in the template. */
static int
put(cJSON *into, const cJSON *item, cJSON *made)
{
	bool done;

	if (made == NULL && cJSON_IsObject(into))
		return 0;
	if (made == NULL)
		made = cJSON_CreateNull();
	done = cJSON_IsObject(into)
		   ? cJSON_AddItemToObject(into, item->string, made)
		   : cJSON_AddItemToArray(into, made);
	if (!done)
		http_template_free_json(made);
	return done ? 0 : -ENOMEM;
}

int
http_template_render_json(cJSON **json_out, const cJSON *template,
    const struct http_template_values *values, char *why, size_t size)
{
	const cJSON *item;
	cJSON *into, *made;
	int ret = 0;

	if (cJSON_IsString(template))
		return render_string(
		    json_out, template->valuestring, values, why, size);
	if (!cJSON_IsObject(template) && !cJSON_IsArray(template)) {
		*json_out = cJSON_Duplicate(template, true);
		return *json_out != NULL ? 0 : -ENOMEM;
	}
	into = cJSON_IsObject(template) ? cJSON_CreateObject()
					: cJSON_CreateArray();
	if (into == NULL)
		return -ENOMEM;
	cJSON_ArrayForEach(item, template) {
		made = NULL;
		ret = http_template_render_json(&made, item, values, why, size);
		if (ret == 0)
			ret = put(into, item, made);
		if (ret < 0)
			break;
	}
	if (ret < 0) {
		http_template_free_json(into);
		return ret;
	}
	*json_out = into;
	return 0;
}
