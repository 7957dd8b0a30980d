/* SPDX-License-Identifier: MIT */
/*
 * sql_dsn.c – connection strings: KEY=value;KEY={value with ; in it};…
 *
 * Invariant: nothing of a caller or of the model gets into one.
 */
#include "common/sql_dsn.h"

#include "common/secret.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
	KEY_SIZE = 64,
};

/* The settings that may hold one. */
static const struct {
	const char *name;
	size_t offset;
} settings[] = {
    {"CUSTOMERS_DSN", offsetof(struct config, customers_dsn)},
    {"COURSES_DSN", offsetof(struct config, courses_dsn)},
};

static const char secret_head[] = "${secret:";

/* One KEY=value of a string. */
struct pair {
	char key[KEY_SIZE];
	const char *value; /* VALUE_LEN bytes, in braces or not */
	size_t value_len;
};

static int __attribute__((format(printf, 4, 5)))
fail(int err, char *why, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return err;
}

/* 1: a pair; 0: the end; -EINVAL: neither. */
static int
next_pair(const char **rest, struct pair *pair)
{
	const char *at = *rest + strspn(*rest, "; \t");
	size_t len = strcspn(at, "=;");

	if (*at == '\0')
		return 0;
	if (at[len] != '=' || len == 0 || len >= sizeof(pair->key))
		return -EINVAL;
	memcpy(pair->key, at, len);
	while (len > 0 && pair->key[len - 1] == ' ')
		len--;
	pair->key[len] = '\0';
	at = strchr(at, '=') + 1;
	pair->value = at;
	if (*at == '{') {
		at += strcspn(at, "}");
		if (*at++ == '\0')
			return -EINVAL;
	} else {
		at += strcspn(at, ";");
	}
	pair->value_len = (size_t)(at - pair->value);
	at += strspn(at, " ");
	*rest = at;
	return *at == ';' || *at == '\0' ? 1 : -EINVAL;
}

static bool
is_one_of(const char *key, const char *const *keys, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcasecmp(key, keys[i]) == 0)
			return true;
	}
	return false;
}

/* "${secret:TOOL_X}" and nothing else; its length in *LEN_OUT. */
static bool
is_secret(const char *text, size_t len, const char **name_out, size_t *len_out)
{
	size_t head = sizeof(secret_head) - 1;
	enum proc_role role;

	if (len <= head + 1 || strncmp(text, secret_head, head) != 0 ||
	    text[len - 1] != '}')
		return false;
	*name_out = text + head;
	*len_out = len - head - 1;
	return secret_find(*name_out, *len_out, &role) &&
	       role == PROC_ROLE_TOOLWORKER;
}

/* An option of a driver that undoes what the executor relies upon. */
static bool
is_unsafe(const char *key)
{
	static const char *const keys[] = {"UseServerSidePrepare",
	    "PREPONCLIENT", "NO_SSPS", "OPTION", "OPTIONS", "INITSTMT", "STMT",
	    "ConnSettings", "LoadExt", "ReadOnly", "TraceFile", "Debug",
	    "CommLog", "CHARSET", "FILEDSN", "SAVEFILE"};

	return is_one_of(key, keys, sizeof(keys) / sizeof(keys[0]));
}

static int
check_pair(const struct pair *pair, char *why, size_t size)
{
	static const char *const passwords[] = {"PWD", "Password", "PASS"};
	const char *name;
	size_t len;
	bool secret = is_secret(pair->value, pair->value_len, &name, &len);

	if (is_unsafe(pair->key))
		return fail(-EINVAL, why, size,
		    "%s is not for the operator to set", pair->key);
	if (is_one_of(pair->key, passwords,
		sizeof(passwords) / sizeof(passwords[0])) &&
	    !secret)
		return fail(-EINVAL, why, size,
		    "%s must be a secret: %s=${secret:TOOL_…}", pair->key,
		    pair->key);
	if (!secret && memmem(pair->value, pair->value_len, "${", 2) != NULL)
		return fail(-EINVAL, why, size,
		    "%s: the whole value may be ${secret:TOOL_…}, of A-Z, 0-9 "
		    "and _, and nothing else",
		    pair->key);
	return 0;
}

static int
check_string(const char *dsn, char *why, size_t size)
{
	bool is_named = false;
	struct pair pair;
	int ret;

	for (const char *c = dsn; *c != '\0'; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return fail(
			    -EINVAL, why, size, "it has control characters");
	}
	while ((ret = next_pair(&dsn, &pair)) == 1) {
		ret = check_pair(&pair, why, size);
		if (ret < 0)
			return ret;
		is_named |= strcasecmp(pair.key, "Driver") == 0 ||
			    strcasecmp(pair.key, "DSN") == 0;
	}
	if (ret < 0)
		return fail(ret, why, size,
		    "a connection string is KEY=value;KEY={value};…");
	return is_named
		   ? 0
		   : fail(-EINVAL, why, size, "it needs Driver=… or DSN=…");
}

/* NULL: DSN is no setting; else its offset in struct config, or -1. */
static bool
is_setting(const char *dsn, ptrdiff_t *offset_out)
{
	static const char head[] = "${setting:";
	size_t head_len = sizeof(head) - 1;
	size_t len = strlen(dsn);

	if (strncmp(dsn, head, head_len) != 0)
		return false;
	*offset_out = -1;
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (len == head_len + strlen(settings[i].name) + 1 &&
		    dsn[len - 1] == '}' &&
		    strncmp(dsn + head_len, settings[i].name,
			len - head_len - 1) == 0)
			*offset_out = (ptrdiff_t)settings[i].offset;
	}
	return true;
}

int
sql_dsn_check(const char *dsn, char *why, size_t size)
{
	ptrdiff_t offset;

	if (!is_setting(dsn, &offset))
		return check_string(dsn, why, size);
	return offset >= 0 ? 0
			   : fail(-EINVAL, why, size,
				 "a setting must stand alone; there is "
				 "${setting:%s} and ${setting:%s}",
				 settings[0].name, settings[1].name);
}

/* Where it was built, else where it was installed. */
static void
example_path(char *path, size_t size)
{
	ssize_t len = readlink("/proc/self/exe", path, size - 1);
	char *slash;

	path[len > 0 ? len : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash != NULL) {
		snprintf(
		    slash, size - (size_t)(slash - path), "/db/example.sqlite");
		if (access(path, F_OK) == 0)
			return;
	}
	config_dir("", "db/example.sqlite", path, size);
}

const char *
sql_dsn_resolve(
    const char *dsn, const struct config *config, char *buf, size_t size)
{
	char path[PATH_MAX];
	ptrdiff_t offset;

	if (!is_setting(dsn, &offset))
		return dsn;
	if (offset < 0 || config == NULL)
		return "";
	dsn = (const char *)config + offset;
	if (strcmp(dsn, "example") != 0)
		return dsn;
	example_path(path, sizeof(path));
	snprintf(buf, size, "Driver=SQLite3;Database=%s", path);
	return buf;
}

/* -- secrets ------------------------------------------------------------------- */

/* A text that is built; false once it is full. */
static bool
append(char *buf, size_t *len, const char *text, size_t text_len)
{
	if (text_len > SQL_DSN_MAX - *len)
		return false;
	memcpy(buf + *len, text, text_len);
	*len += text_len;
	buf[*len] = '\0';
	return true;
}

/* Braces let a value hold ';', but drivers differ about '}' in them. */
static int
append_secret(char *buf, size_t *len, const char *value)
{
	bool plain = strpbrk(value, ";{}[](),?*=!@ '\"") == NULL;

	if (strchr(value, '}') != NULL || *value == '{')
		return -EINVAL;
	if (!append(buf, len, "{", !plain) ||
	    !append(buf, len, value, strlen(value)) ||
	    !append(buf, len, "}", !plain))
		return -EMSGSIZE;
	return 0;
}

static int
append_pair(char *buf, size_t *len, const struct pair *pair,
    const char *(*find_secret)(const char *name, void *arg), void *arg,
    char *why, size_t size)
{
	char secret[SECRET_KEY_MAX + 1];
	const char *name, *value;
	size_t name_len;
	int ret;

	if (!append(buf, len, pair->key, strlen(pair->key)) ||
	    !append(buf, len, "=", 1))
		return fail(-EMSGSIZE, why, size, "it is too long");
	if (!is_secret(pair->value, pair->value_len, &name, &name_len))
		return append(buf, len, pair->value, pair->value_len) &&
			       append(buf, len, ";", 1)
			   ? 0
			   : fail(-EMSGSIZE, why, size, "it is too long");
	snprintf(secret, sizeof(secret), "%.*s", (int)name_len, name);
	value = find_secret(secret, arg);
	if (value == NULL)
		return fail(-ENOENT, why, size, "%s is not set", secret);
	ret = append_secret(buf, len, value);
	if (ret == 0 && !append(buf, len, ";", 1))
		ret = -EMSGSIZE;
	if (ret < 0)
		fail(ret, why, size,
		    ret == -EMSGSIZE
			? "%s is too long"
			: "%s: a password with '}' cannot be used over ODBC",
		    secret);
	return ret;
}

int
sql_dsn_render(char *buf, const char *dsn,
    const char *(*find_secret)(const char *name, void *arg), void *arg,
    char *why, size_t size)
{
	struct pair pair;
	size_t len = 0;
	int ret;

	buf[0] = '\0';
	while ((ret = next_pair(&dsn, &pair)) == 1) {
		ret =
		    append_pair(buf, &len, &pair, find_secret, arg, why, size);
		if (ret < 0)
			break;
	}
	if (ret < 0)
		explicit_bzero(buf, SQL_DSN_MAX + 1);
	return ret;
}

bool
sql_dsn_value(const char *dsn, const char *key, char *buf, size_t size)
{
	struct pair pair;

	while (next_pair(&dsn, &pair) == 1) {
		bool braced = pair.value[0] == '{';

		if (strcasecmp(pair.key, key) != 0)
			continue;
		snprintf(buf, size, "%.*s",
		    (int)(pair.value_len - (braced ? 2 : 0)),
		    pair.value + braced);
		return true;
	}
	return false;
}

void
sql_dsn_each_secret(
    const char *dsn, void (*fn)(const char *name, void *arg), void *arg)
{
	char secret[SECRET_KEY_MAX + 1];
	struct pair pair;
	const char *name;
	size_t len;

	while (next_pair(&dsn, &pair) == 1) {
		if (!is_secret(pair.value, pair.value_len, &name, &len))
			continue;
		snprintf(secret, sizeof(secret), "%.*s", (int)len, name);
		fn(secret, arg);
	}
}
