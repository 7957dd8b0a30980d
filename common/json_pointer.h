/* SPDX-License-Identifier: MIT */
/*
 * json_pointer.h – the value at a place in a JSON document (RFC 6901), how an
 * operator says where in a service's answer the answer is: "/data/0/name".
 */
#ifndef COMMON_JSON_POINTER_H
#define COMMON_JSON_POINTER_H

#include <cjson/cJSON.h>
#include <stdbool.h>

enum {
	JSON_POINTER_MAX = 256, /* bytes of a pointer that we accept */
};

/*
 * Whether POINTER is one (RFC 6901 section 3): "" or tokens that each begin
 * with '/', in which '~' is followed by '0' or '1'; at most
 * JSON_POINTER_MAX bytes.
 */
bool json_pointer_is_valid(const char *pointer);

/*
 * The value at POINTER, "" being DOCUMENT itself; NULL when there is none, or
 * POINTER is not valid. Of members with one name the first counts. "-", the
 * element after an array's last (section 4), is never there.
 */
const cJSON *json_pointer_find(const cJSON *document, const char *pointer);

#endif
