/* SPDX-License-Identifier: MIT */
/*
 * front_matter.c – parses the fields at the head of a Markdown file in place.
 *
 * Invariant: a value that goes on in further lines is moved together to the
 * left; what is written is never ahead of what is read.
 */
#include "supervisor/front_matter.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

struct parser {
	const struct front_matter_handlers *handlers;
	unsigned int line; /* number of the line last read */
	char *rest;        /* what follows it; NULL: nothing */
	char *key;         /* of the open field; NULL: none */
	char *value;
	char *value_end; /* its NUL */
	unsigned int key_line;
};

static char *
trim(char *s)
{
	char *end;

	s += strspn(s, " \t\r\n");
	end = s + strlen(s);
	while (end > s && strchr(" \t\r\n", end[-1]) != NULL)
		end--;
	*end = '\0';
	return s;
}

static char *
unquote(char *s)
{
	size_t len = strlen(s);

	if (len < 2 || (s[0] != '"' && s[0] != '\'') || s[len - 1] != s[0])
		return s;
	s[len - 1] = '\0';
	return s + 1;
}

/* The next line, without its end, or NULL. */
static char *
next_line(struct parser *parser)
{
	char *line = strsep(&parser->rest, "\n");
	size_t len;

	if (line == NULL)
		return NULL;
	parser->line++;
	for (len = strlen(line); len > 0; len--) {
		if (strchr(" \t\r", line[len - 1]) == NULL)
			break;
	}
	line[len] = '\0';
	return line;
}

static void
close_field(struct parser *parser)
{
	if (parser->key != NULL)
		parser->handlers->on_field(parser->key,
		    unquote(trim(parser->value)), parser->key_line,
		    parser->handlers->arg);
	parser->key = NULL;
}

static bool
is_key(const char *key)
{
	return *key != '\0' &&
	       key[strspn(key, "abcdefghijklmnopqrstuvwxyz_")] == '\0';
}

static bool
open_field(struct parser *parser, char *line)
{
	char *colon = strchr(line, ':');

	if (colon == NULL)
		return false;
	*colon = '\0';
	if (!is_key(line) || (colon[1] != '\0' && !isblank(colon[1])))
		return false;
	parser->key = line;
	parser->key_line = parser->line;
	parser->value = colon + 1;
	parser->value_end = parser->value + strlen(parser->value);
	return true;
}

/* Appends LINE, which begins with white space or "- ", to the open field. */
static void
continue_field(struct parser *parser, char *line)
{
	bool is_item;
	size_t len;

	line += strspn(line, " \t");
	is_item = line[0] == '-' && isblank(line[1]);
	if (is_item)
		line += 1 + strspn(line + 1, " \t");
	if (is_item && *trim(parser->value) != '\0') {
		parser->value_end = parser->value + strlen(parser->value);
		*parser->value_end++ = ',';
	}
	*parser->value_end++ = ' ';
	/* The two overlap: LINE is not to be looked at any more. */
	len = strlen(line);
	memmove(parser->value_end, line, len + 1);
	parser->value_end += len;
}

/* Returns whether the fields go on. */
static bool
parse_line(struct parser *parser, char *line)
{
	const struct front_matter_handlers *handlers = parser->handlers;

	if (*line == '\0' || *line == '#')
		return true;
	if (isblank((unsigned char)*line) || strncmp(line, "- ", 2) == 0) {
		if (parser->key != NULL)
			continue_field(parser, line);
		else
			handlers->on_error(parser->line,
			    "this continues nothing", handlers->arg);
		return true;
	}
	close_field(parser);
	if (strcmp(line, "---") == 0)
		return false;
	if (!open_field(parser, line))
		handlers->on_error(parser->line,
		    "this is not a field, \"key: value\"", handlers->arg);
	return true;
}

char *
front_matter_parse(char *text, const struct front_matter_handlers *handlers)
{
	struct parser parser = {.handlers = handlers, .rest = text};
	char *line;

	if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
		parser.rest += 3;
	line = next_line(&parser);
	if (line == NULL || strcmp(line, "---") != 0) {
		handlers->on_error(
		    1, "the first line must be ---", handlers->arg);
		return NULL;
	}
	while ((line = next_line(&parser)) != NULL) {
		if (!parse_line(&parser, line))
			return parser.rest != NULL ? trim(parser.rest)
						   : line + strlen(line);
	}
	handlers->on_error(parser.line,
	    "the line --- that ends the fields is missing", handlers->arg);
	return NULL;
}

char *
front_matter_next(char **rest)
{
	char *list = *rest;
	char *item;
	size_t len;

	if (list == NULL)
		return NULL;
	list = trim(list);
	len = strlen(list);
	if (len >= 2 && list[0] == '[' && list[len - 1] == ']') {
		list[len - 1] = '\0';
		list++;
	}
	do {
		item = strsep(&list, ",");
		item = item != NULL ? unquote(trim(item)) : NULL;
	} while (item != NULL && *item == '\0');
	*rest = list;
	return item;
}
