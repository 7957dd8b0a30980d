/* SPDX-License-Identifier: MIT */
/*
 * title.c – writes the process title over argv and the environment.
 *
 * The kernel lays argv's strings and then the environment's out without a
 * gap. When the last byte of argv's part is not NUL it takes the title to be
 * one string that may go on through the environment's part (fs/proc/base.c,
 * get_mm_cmdline). Invariant: the last byte of the area is always NUL.
 */
#include "common/title.h"

#include "common/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static struct {
	char *start; /* NULL: no title can be set */
	size_t size;
	/* Blocks of copies; setenv(3) and unsetenv(3) forget them, we do not. */
	char **arguments;
	char **variables;
} area;

/* Extends the area's END over STRING if it follows without a gap. */
static char *
extend(char *end, char *string)
{
	return string == end ? string + strlen(string) + 1 : end;
}

static char *
extend_over(char *end, char **strings)
{
	for (; *strings != NULL; strings++)
		end = extend(end, *strings);
	return end;
}

static bool
is_room_variable(const char *var)
{
	static const char room[] = TITLE_ROOM_VARIABLE "=";

	return strncmp(var, room, sizeof(room) - 1) == 0;
}

/* Copies of COUNT strings behind an array of them, one block; or NULL. */
static char **
copy_strings(char **strings, size_t count)
{
	size_t size = (count + 1) * sizeof(char *);
	char **copies;
	char *end;
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		size += strlen(strings[i]) + 1;
	copies = calloc(1, size);
	if (copies == NULL)
		return NULL;
	end = (char *)(copies + count + 1);
	for (size_t i = 0; i < count; i++) {
		if (is_room_variable(strings[i]))
			continue;
		copies[n++] = end;
		end = stpcpy(end, strings[i]) + 1;
	}
	return copies;
}

/* glibc keeps pointers into argv[0] for error(3) and the like. */
static bool
copy_invocation_name(void)
{
	char *name = strdup(program_invocation_name);
	char *slash;

	if (name == NULL)
		return false;
	slash = strrchr(name, '/');
	program_invocation_name = name;
	program_invocation_short_name = slash != NULL ? slash + 1 : name;
	return true;
}

void
title_init(int argc, char **argv)
{
	char **arguments;
	char *arguments_end;
	char **variables;
	size_t count = 0;
	char *end;

	if (argc < 1)
		return;
	while (environ[count] != NULL)
		count++;
	arguments_end = extend_over(argv[0], argv);
	end = extend_over(arguments_end, environ);
	arguments = copy_strings(argv, (size_t)argc);
	variables = copy_strings(environ, count);
	if (arguments == NULL || variables == NULL || !copy_invocation_name()) {
		free(arguments);
		free(variables);
		return;
	}
	area.start = argv[0];
	area.size = (size_t)(end - area.start);
	for (int i = 0; i < argc; i++)
		argv[i] = arguments[i];
	area.arguments = arguments;
	area.variables = variables;
	environ = variables;
	/* The arguments stay, so that ps has something until the first title. */
	memset(arguments_end, 0, (size_t)(end - arguments_end));
}

/* Copies SRC to DST as far as whole characters fit; returns the length. */
static size_t
copy_printable(char *dst, size_t size, const char *src)
{
	size_t left = strlen(src);
	size_t n = 0;

	while (left > 0) {
		size_t len = utf8_visible(src, left);
		size_t take = len > 0 ? len : 1;

		if (n + take >= size)
			break;
		if (len > 0)
			memcpy(dst + n, src, len);
		else
			dst[n] = '?';
		n += take;
		src += take;
		left -= take;
	}
	return n;
}

void
title_set(const char *fmt, ...)
{
	char text[2 * TITLE_MAX]; /* cut below, where characters end */
	int saved_errno = errno;
	size_t len;
	va_list ap;

	if (area.start == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	len = copy_printable(
	    area.start, area.size < TITLE_MAX ? area.size : TITLE_MAX, text);
	memset(area.start + len, 0, area.size - len);
	errno = saved_errno;
}

void
title_set_name(const char *name)
{
	prctl(PR_SET_NAME, name, 0, 0, 0);
}
