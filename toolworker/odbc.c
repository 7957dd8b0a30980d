/* SPDX-License-Identifier: MIT */
/* odbc.c – finds libodbc and its functions. */
#include "toolworker/odbc.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char library[] = "libodbc.so.2";

static bool
find(void *handle, const char *name, void *function_out, size_t function_size,
    char *why, size_t size)
{
	void *address = dlsym(handle, name);

	/* POSIX: a data pointer that dlsym() gave can be a function's. */
	memcpy(function_out, &address, function_size);
	if (address == NULL)
		snprintf(why, size, "%s lacks %s", library, name);
	return address != NULL;
}

int
odbc_load(const struct odbc **odbc_out, char *why, size_t size)
{
	static struct odbc odbc;
	static bool is_loaded;
	void *handle;

	*odbc_out = &odbc;
	if (is_loaded)
		return 0;
	handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	if (handle == NULL) {
		snprintf(why, size,
		    "%s cannot be loaded; Debian's package is libodbc2",
		    library);
		return -ENOENT;
	}
#define X(name)                                                                \
	if (!find(handle, #name, &odbc.name, sizeof(odbc.name), why, size))    \
		return -ENOENT;
	ODBC_TABLE(X)
#undef X
	is_loaded = true;
	return 0;
}
