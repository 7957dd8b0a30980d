/* SPDX-License-Identifier: MIT */
/*
 * http_template.h – requests with blanks, filled in so that no value can be
 * more than a value.
 *
 * A template is a text with references:
 *
 *   ${argument:NAME}  what the model gave, or the default of its schema
 *   ${caller:NAME}    what we know of the caller: number, customer
 *   ${setting:NAME}   one of the few settings that a tool may name
 *   ${secret:NAME}    TOOL_…, never in a URL, since those are logged
 *   ${timeout_s}      the seconds that the service has for its answer
 *
 * How a value is written depends on the place. In a URL, a header and a form
 * everything but RFC 3986's unreserved characters is percent-encoded: a value
 * cannot end its path segment, its parameter or its header line. In a path it
 * may also not be empty nor hold "." or ".." between slashes. In JSON a string
 * is one reference, replaced by the value with its type, or text in which
 * values are spliced; it is a tree until it is printed, so that nothing is
 * escaped by hand.
 */
#ifndef COMMON_HTTP_TEMPLATE_H
#define COMMON_HTTP_TEMPLATE_H

#include "common/config.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

enum {
	HTTP_TEMPLATE_MAX = 16384, /* bytes of one text when filled in */
	HTTP_TEMPLATE_WHY_SIZE = 256,
};

enum http_place {
	HTTP_PLACE_URL,
	HTTP_PLACE_HEADER,
	HTTP_PLACE_FORM,
	HTTP_PLACE_JSON,
	HTTP_PLACE_CREDENTIAL, /* user, password: no arguments in them */
};

/* What references stand for; everything lives until the rendering's end. */
struct http_template_values {
	const cJSON *arguments;  /* an object */
	const cJSON *parameters; /* the schema that they fit */
	const cJSON *caller;     /* {number, customer}, where known; or NULL */
	const struct config *config;
	/* NULL: there is no such secret. */
	const char *(*find_secret)(const char *name, void *arg);
	void *arg;
	unsigned int timeout_s;
};

/*
 * Whether TEXT is a template for PLACE, with arguments that PARAMETERS, a
 * tool's schema, describes. -EINVAL with what is wrong in WHY. A URL must be
 * absolute http or https, with nothing of the model before its path.
 */
int http_template_check(const char *text, enum http_place place,
    const cJSON *parameters, char *why, size_t size);

/* The same for all strings of TEMPLATE, a JSON value. */
int http_template_check_json(
    const cJSON *template, const cJSON *parameters, char *why, size_t size);

/*
 * Fills TEXT in, which has passed http_template_check(). *TEXT_OUT is to be
 * released with http_template_free(). Otherwise, with WHY:
 *   -EINVAL    an argument does not fit the place; the model can correct it
 *   -EACCES    it is not known of the caller; WHY names what
 *   -EMSGSIZE  over HTTP_TEMPLATE_MAX
 *   -ENOENT    a setting or secret is not there; WHY names it
 *   -ENOMEM
 */
int http_template_render(char **text_out, const char *text,
    enum http_place place, const struct http_template_values *values, char *why,
    size_t size);

/*
 * The same for JSON, to be released with http_template_free_json(); members
 * whose argument is absent are left out.
 */
int http_template_render_json(cJSON **json_out, const cJSON *template,
    const struct http_template_values *values, char *why, size_t size);

/* Overwrites and frees. NULL-safe. */
void http_template_free(char *text);
void http_template_free_json(cJSON *json);

/*
 * The value of a setting that tools may name, "" if it is not set or what
 * uses it is switched off; NULL: tools may not name it. CONFIG may be NULL.
 */
const char *http_template_setting(
    const struct config *config, const char *name);

/* Calls FN for the name of every setting in TEXT. */
void http_template_each_setting(
    const char *text, void (*fn)(const char *name, void *arg), void *arg);

/* The same for everything that is known of the caller. */
void http_template_each_caller(
    const char *text, void (*fn)(const char *name, void *arg), void *arg);

/* The same for every secret. */
void http_template_each_secret(
    const char *text, void (*fn)(const char *name, void *arg), void *arg);

#endif
