/* SPDX-License-Identifier: MIT */
/*
 * env_file.c – parses a file of KEY=value lines in place.
 *
 * Invariant: a value may be a secret, so nothing of a line is copied and no
 * stdio buffer ever holds it.
 */
#include "common/env_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *
skip_blanks(char *s)
{
	return s + strspn(s, " \t");
}

static void
strip_end(char *start, char *end)
{
	while (end > start && strchr(" \t\r", end[-1]) != NULL)
		end--;
	*end = '\0';
}

static bool
key_is_valid(const char *key)
{
	if (!isalpha((unsigned char)*key) && *key != '_')
		return false;
	for (; *key != '\0'; key++) {
		if (!isalnum((unsigned char)*key) && *key != '_')
			return false;
	}
	return true;
}

/*
 * Unquotes VALUE in place; it begins with a quote. Returns what follows the
 * closing quote, or NULL if there is none.
 */
static char *
unquote(char *value)
{
	char quote = *value;
	char *from = value + 1;
	char *to = value;

	while (*from != quote) {
		if (quote == '"' && *from == '\\' && from[1] != '\0' &&
		    strchr("\"\\$`", from[1]) != NULL)
			from++;
		if (*from == '\0')
			return NULL;
		*to++ = *from++;
	}
	*to = '\0';
	return from + 1;
}

/* Finds the value's end; returns a reason if it has none. */
static const char *
parse_value(char *value)
{
	char *rest;

	if (*value != '\'' && *value != '"') {
		for (rest = value; *rest != '\0'; rest++) {
			if (*rest == '#' &&
			    (rest == value || strchr(" \t", rest[-1]) != NULL))
				break;
		}
		strip_end(value, rest);
		return NULL;
	}
	rest = unquote(value);
	if (rest == NULL)
		return "the closing quote is missing";
	rest = skip_blanks(rest);
	if (*rest != '\0' && *rest != '#' && *rest != '\r')
		return "something follows the closing quote";
	return NULL;
}

static void
parse_line(
    char *line, unsigned int number, const struct env_file_handlers *handlers)
{
	const char *why;
	char *value;

	line = skip_blanks(line);
	if (*line == '\0' || *line == '#' || *line == '\r')
		return;
	if (strncmp(line, "export", 6) == 0 &&
	    (line[6] == ' ' || line[6] == '\t'))
		line = skip_blanks(line + 6);
	value = strchr(line, '=');
	if (value == NULL) {
		handlers->on_error(number, "there is no =", handlers->arg);
		return;
	}
	strip_end(line, value++);
	if (!key_is_valid(line)) {
		handlers->on_error(number,
		    "what precedes the = is not a setting's name",
		    handlers->arg);
		return;
	}
	value = skip_blanks(value);
	why = parse_value(value);
	if (why != NULL)
		handlers->on_error(number, why, handlers->arg);
	else
		handlers->on_setting(line, value, number, handlers->arg);
}

void
env_file_parse(char *text, size_t len, const struct env_file_handlers *handlers)
{
	char *end = text + len;
	unsigned int number = 0;

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	while (text < end) {
		char *newline = memchr(text, '\n', (size_t)(end - text));
		char *line_end = newline != NULL ? newline : end;

		number++;
		*line_end = '\0';
		if (strlen(text) != (size_t)(line_end - text))
			handlers->on_error(
			    number, "it contains a NUL byte", handlers->arg);
		else
			parse_line(text, number, handlers);
		text = line_end + 1;
	}
}

/* Fills BUF from the start of FD; returns the bytes read or -errno. */
static ssize_t
read_all(int fd, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, buf + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

/*
 * 0640 root:telefonista is how packages hand secrets to a service; the same
 * mode on a person's own file shares it with whoever is in that group.
 */
static bool
is_exposed(const struct stat *st)
{
	return (st->st_mode & S_IRWXO) != 0 ||
	       (st->st_uid != 0 && (st->st_mode & S_IRWXG) != 0);
}

int
env_file_read(
    const char *path, char **text_out, size_t *len_out, bool *exposed_out)
{
	/* O_NONBLOCK: a FIFO must not hold us up. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char *text = NULL;
	struct stat st;
	ssize_t len;
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		ret = -errno;
	else if (!S_ISREG(st.st_mode))
		ret = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	else if (st.st_size > ENV_FILE_MAX)
		ret = -EFBIG;
	if (ret < 0)
		goto out;
	text = malloc(ENV_FILE_MAX + 2);
	if (text == NULL) {
		ret = -ENOMEM;
		goto out;
	}
	len = read_all(fd, text, ENV_FILE_MAX + 1);
	if (len < 0 || len > ENV_FILE_MAX) {
		ret = len < 0 ? (int)len : -EFBIG;
		goto out;
	}
	text[len] = '\0';
	*text_out = text;
	*len_out = (size_t)len;
	if (exposed_out != NULL)
		*exposed_out = is_exposed(&st);
	text = NULL;
out:
	env_file_wipe(text, text != NULL ? ENV_FILE_MAX : 0);
	close(fd);
	return ret;
}

void
env_file_wipe(char *text, size_t len)
{
	if (text == NULL)
		return;
	explicit_bzero(text, len);
	free(text);
}
