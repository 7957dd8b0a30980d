/* SPDX-License-Identifier: MIT */
/*
 * secret_source.c – searches the places where a tool's secret may be.
 *
 * Invariant: when a search is over, the only bytes of a secret that it leaves
 * in this process are those of the value that was asked for.
 */
#include "common/secret_source.h"

#include "common/env_file.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	MEMFD_MAX = 128 * 1024, /* bytes of the keeper's lines */
	FD_MIN = 10,            /* beyond the numbers of proc.h */
	FILE_KEY_SIZE = SECRET_KEY_MAX + sizeof("_FILE"),
};

struct secret_sources {
	int inherited; /* memfd of the keeper, or -1 */
	int taken;     /* memfd of our own environment, or -1 */
	int gathered;  /* memfd of CONFIG_FILE's lines, or -1: not gathered */
	char *config_file;
};

/* One search. */
struct search {
	const char *name;
	char file_key[FILE_KEY_SIZE];
	char path[PATH_MAX]; /* what FILE_KEY says, or "" */
	char *value;         /* NULL: only whether it is there */
	bool found;
	char *why;
	size_t size;
};

static int __attribute__((format(printf, 3, 4)))
fail(const struct search *search, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(search->why, search->size, fmt, ap);
	va_end(ap);
	return err;
}

/* No value may end a header's line. */
static bool
is_printable(const char *value)
{
	for (; *value != '\0'; value++) {
		if ((unsigned char)*value < 0x20 || *value == 0x7f)
			return false;
	}
	return true;
}

static bool
is_tool_secret(const char *name)
{
	enum proc_role role;

	return secret_find(name, strlen(name), &role) &&
	       role == PROC_ROLE_TOOLWORKER;
}

/* VALUE is what was looked for: 0, or -EINVAL. */
static int
take(struct search *search, const char *value, const char *where)
{
	search->found = true;
	if (search->value == NULL)
		return 0;
	if (!is_printable(value) || strlen(value) >= SECRET_SOURCE_SIZE)
		return fail(search, -EINVAL,
		    "%s, from %s, is too long or has control characters",
		    search->name, where);
	snprintf(search->value, SECRET_SOURCE_SIZE, "%s", value);
	return 0;
}

/* -- the places ------------------------------------------------------------- */

/* NAME=value lines, or a bare NAME where the value is not for us. */
static int
search_memfd(struct search *search, int fd)
{
	size_t len = strlen(search->name);
	char *text, *rest, *line;
	int ret = 0;

	if (fd < 0)
		return 0;
	text = calloc(1, MEMFD_MAX + 1);
	if (text == NULL)
		return fail(search, -ENOMEM, "no memory");
	rest = text;
	/* All spawns share one open file: its offset means nothing. */
	if (pread(fd, text, MEMFD_MAX, 0) > 0) {
		while (!search->found && (line = strsep(&rest, "\n")) != NULL) {
			if (strncmp(line, search->name, len) != 0)
				continue;
			if (line[len] == '=' && line[len + 1] != '\0')
				ret = take(
				    search, line + len + 1, "the environment");
			else if (line[len] == '\0' && search->value == NULL)
				search->found = true;
		}
	}
	explicit_bzero(text, MEMFD_MAX);
	free(text);
	return ret;
}

static int
search_environment(struct search *search)
{
	const char *value = getenv(search->name);
	const char *path = getenv(search->file_key);

	if (path != NULL)
		snprintf(search->path, sizeof(search->path), "%s", path);
	if (value == NULL || *value == '\0')
		return 0;
	return take(search, value, "the environment");
}

/* arg of on_setting() */
struct lines {
	struct search *search;
	const char *path;
	int ret;
	bool has_path; /* said by the environment, which wins */
};

static void
on_setting(const char *key, const char *value, unsigned int line, void *arg)
{
	struct lines *lines = arg;
	struct search *search = lines->search;

	(void)line;
	if (*value == '\0')
		return;
	if (strcmp(key, search->name) == 0)
		lines->ret = take(search, value, lines->path);
	else if (!lines->has_path && strcmp(key, search->file_key) == 0)
		snprintf(search->path, sizeof(search->path), "%s", value);
}

static void
on_error(unsigned int line, const char *why, void *arg)
{
	(void)line; /* config_load() says so */
	(void)why;
	(void)arg;
}

static int
search_config(struct search *search, const char *path)
{
	struct lines lines = {
	    .search = search,
	    .path = path,
	    .has_path = search->path[0] != '\0',
	};
	const struct env_file_handlers handlers = {
	    .on_setting = on_setting,
	    .on_error = on_error,
	    .arg = &lines,
	};
	char *text;
	size_t len;

	if (path == NULL || env_file_read(path, &text, &len, NULL) < 0)
		return 0;
	env_file_parse(text, len, &handlers);
	env_file_wipe(text, len);
	return lines.ret;
}

/* arg of on_gathered() */
struct gathering {
	int fd;
	int ret;
};

static int
write_line(int fd, const char *key, const char *value)
{
	struct iovec parts[] = {
	    {.iov_base = (void *)(uintptr_t)key, .iov_len = strlen(key)},
	    {.iov_base = (void *)(uintptr_t) "=", .iov_len = 1},
	    {.iov_base = (void *)(uintptr_t)value, .iov_len = strlen(value)},
	    {.iov_base = (void *)(uintptr_t) "\n", .iov_len = 1},
	};
	ssize_t len = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		len += (ssize_t)parts[i].iov_len;
	return writev(fd, parts, 4) == len ? 0 : -EIO;
}

static void
on_gathered(const char *key, const char *value, unsigned int line, void *arg)
{
	static const char suffix[] = "_FILE";
	struct gathering *gathering = arg;
	char name[SECRET_KEY_MAX + 1];
	size_t len = strlen(key);

	(void)line;
	if (len > sizeof(suffix) &&
	    strcmp(key + len - (sizeof(suffix) - 1), suffix) == 0)
		len -= sizeof(suffix) - 1;
	if (len >= sizeof(name) || *value == '\0')
		return;
	memcpy(name, key, len);
	name[len] = '\0';
	if (is_tool_secret(name) && gathering->ret == 0)
		gathering->ret = write_line(gathering->fd, key, value);
}

/* What search_config() would have found. */
static int
search_gathered(struct search *search, const struct secret_sources *sources)
{
	struct lines lines = {
	    .search = search,
	    .path = sources->config_file,
	    .has_path = search->path[0] != '\0',
	};
	char *text = calloc(1, MEMFD_MAX + 1);
	char *rest = text;
	char *line;

	if (text == NULL)
		return fail(search, -ENOMEM, "no memory");
	if (pread(sources->gathered, text, MEMFD_MAX, 0) > 0) {
		while ((line = strsep(&rest, "\n")) != NULL) {
			char *value = strchr(line, '=');

			if (value == NULL)
				continue;
			*value++ = '\0';
			on_setting(line, value, 0, &lines);
		}
	}
	explicit_bzero(text, MEMFD_MAX);
	free(text);
	return lines.ret;
}

/* One line, as a secret's file has it. */
static int
search_file(struct search *search, const char *path, bool is_credential)
{
	size_t value_len, len;
	bool exposed;
	char *text;
	int ret = 0;

	if (search->value == NULL) {
		search->found = access(path, R_OK) == 0;
		return search->found
			   ? 0
			   : fail(search, -errno, "%s: %s cannot be read: %s",
				 search->name, path, strerror(errno));
	}
	ret = env_file_read(path, &text, &len, &exposed);
	if (ret < 0)
		return fail(search, ret, "%s: %s cannot be read: %s",
		    search->name, path, strerror(-ret));
	value_len = strcspn(text, "\r\n");
	if (value_len == 0 ||
	    value_len + strspn(text + value_len, "\r\n") < len) {
		ret = fail(search, -EINVAL, "%s: %s must hold one line",
		    search->name, path);
	} else {
		text[value_len] = '\0';
		ret = take(search, text, path);
	}
	env_file_wipe(text, len);
	if (exposed && !is_credential)
		log_warn("others may read a secret: chmod 600 %s secret=%s",
		    path, search->name);
	return ret;
}

static int
search_credentials(struct search *search)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	char path[PATH_MAX];

	if (folder == NULL)
		return 0;
	snprintf(path, sizeof(path), "%s/%s", folder, search->name);
	return access(path, F_OK) == 0 ? search_file(search, path, true) : 0;
}

static int
run(const struct secret_sources *sources, struct search *search)
{
	int ret;

	if (!is_tool_secret(search->name))
		return fail(
		    search, -ENOENT, "%s is no tool's secret", search->name);
	snprintf(search->file_key, sizeof(search->file_key), "%s_FILE",
	    search->name);
	ret = search_memfd(search, sources->inherited);
	if (ret == 0 && !search->found)
		ret = search_memfd(search, sources->taken);
	if (ret == 0 && !search->found)
		ret = search_environment(search);
	if (ret == 0 && !search->found)
		ret = sources->gathered >= 0
			  ? search_gathered(search, sources)
			  : search_config(search, sources->config_file);
	if (ret == 0 && !search->found && search->path[0] != '\0')
		ret = search_file(search, search->path, false);
	if (ret == 0 && !search->found)
		ret = search_credentials(search);
	if (ret < 0 || search->found)
		return ret;
	return fail(search, -ENOENT,
	    "%s is not there: set it in %s, or %s to the path of a file with "
	    "it, or give it to systemd as a credential of that name",
	    search->name,
	    sources->config_file != NULL ? sources->config_file
					 : "the environment",
	    search->file_key);
}

int
secret_sources_read(struct secret_sources *sources, const char *name,
    char value[SECRET_SOURCE_SIZE], char *why, size_t size)
{
	struct search search = {
	    .name = name, .value = value, .why = why, .size = size};

	return run(sources, &search);
}

int
secret_sources_look(
    struct secret_sources *sources, const char *name, char *why, size_t size)
{
	struct search search = {.name = name, .why = why, .size = size};

	return run(sources, &search);
}

/* -- life -------------------------------------------------------------------- */

/* A copy of FD, out of the way of the numbers of proc.h. */
static int
keep(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, FD_MIN);
}

int
secret_sources_take_environment(struct secret_sources *sources)
{
	int fds[PROC_ROLE_COUNT];
	int ret = secret_take_environment(fds);

	for (int role = 0; role < PROC_ROLE_COUNT; role++) {
		if (fds[role] < 0)
			continue;
		if (role == PROC_ROLE_TOOLWORKER)
			sources->taken = keep(fds[role]);
		close(fds[role]);
	}
	return ret < 0 ? ret : 0;
}

int
secret_sources_gather(struct secret_sources *sources)
{
	struct gathering gathering = {.fd = -1};
	const struct env_file_handlers handlers = {
	    .on_setting = on_gathered,
	    .on_error = on_error,
	    .arg = &gathering,
	};
	char *text;
	size_t len;
	int fd = memfd_create("secrets", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	gathering.fd = keep(fd);
	close(fd);
	if (gathering.fd < 0)
		return -errno;
	if (sources->config_file != NULL &&
	    env_file_read(sources->config_file, &text, &len, NULL) == 0) {
		env_file_parse(text, len, &handlers);
		env_file_wipe(text, len);
	}
	if (gathering.ret < 0)
		close(gathering.fd);
	else
		sources->gathered = gathering.fd;
	return gathering.ret;
}

int
secret_sources_new(struct secret_sources **sources_out, const char *config_file)
{
	struct secret_sources *sources = calloc(1, sizeof(*sources));

	if (sources == NULL)
		return -ENOMEM;
	sources->inherited = sources->taken = sources->gathered = -1;
	if (config_file != NULL) {
		sources->config_file = strdup(config_file);
		if (sources->config_file == NULL) {
			free(sources);
			return -ENOMEM;
		}
	}
	if (secret_is_memfd(PROC_FD_SECRETS))
		sources->inherited = keep(PROC_FD_SECRETS);
	*sources_out = sources;
	return 0;
}

void
secret_sources_free(struct secret_sources **sources_ptr)
{
	struct secret_sources *sources = *sources_ptr;

	if (sources == NULL)
		return;
	*sources_ptr = NULL;
	if (sources->inherited >= 0)
		close(sources->inherited);
	if (sources->taken >= 0)
		close(sources->taken);
	if (sources->gathered >= 0)
		close(sources->gathered);
	free(sources->config_file);
	free(sources);
}
