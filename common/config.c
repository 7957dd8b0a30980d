/* SPDX-License-Identifier: MIT */
/*
 * config.c – gathers settings from a file, the environment and secrets.
 *
 * Precedence, strongest first: environment, file, default; for a secret the
 * memfd that the keeper made of the environment, the environment itself, the
 * file, KEY_FILE, systemd's credentials directory. An empty value means "not
 * set", except where empty has a meaning of its own (minimum length 0).
 *
 * Invariants: a secret of another role is never copied, and no problem's
 * text contains a secret's value.
 */
#include "common/config.h"

#include "common/config_check.h"
#include "common/env_file.h"
#include "common/secret.h"
#include "common/setting.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* One run of config_load(). */
struct loader {
	struct config *config;
	struct config_problems *problems;
	enum proc_role role;
	const char *file;                      /* NULL: none */
	unsigned int line[SETTING_COUNT];      /* in FILE; 0: not there */
	unsigned int file_line[SETTING_COUNT]; /* … of KEY_FILE */
	char secret_file[SETTING_COUNT][CONFIG_TEXT_MAX]; /* KEY_FILE's value */
	bool have_secret[SETTING_COUNT];
	bool holds_secrets; /* FILE has lines with secrets, of any role */
};

void
config_problem(
    struct config_problems *problems, bool fatal, const char *fmt, ...)
{
	size_t i = problems->count++;
	va_list ap;

	if (i >= CONFIG_PROBLEMS_MAX) {
		if (!fatal)
			return;
		/* A full list must still say that the service cannot run. */
		i = CONFIG_PROBLEMS_MAX - 1;
	}
	problems->list[i].fatal = fatal;
	va_start(ap, fmt);
	vsnprintf(
	    problems->list[i].text, sizeof(problems->list[i].text), fmt, ap);
	va_end(ap);
}

size_t
config_problems_fatal(const struct config_problems *problems)
{
	size_t fatal = 0;

	for (size_t i = 0; i < problems->count && i < CONFIG_PROBLEMS_MAX; i++)
		fatal += problems->list[i].fatal;
	return fatal;
}

static bool
is_ours(const struct loader *loader, const struct setting *setting)
{
	enum proc_role role;

	return secret_find(setting->key, strlen(setting->key), &role) &&
	       role == loader->role;
}

/* LINE 0: from the environment. */
static void
describe_place(
    const struct loader *loader, unsigned int line, char *buf, size_t size)
{
	if (line > 0)
		snprintf(buf, size, "%s line %u", loader->file, line);
	else
		snprintf(buf, size, "environment");
}

static void
take_value(struct loader *loader, const struct setting *setting,
    const char *value, unsigned int line)
{
	size_t i = setting_index(setting);
	char place[CONFIG_TEXT_MAX + 32];
	char why[SETTING_WHY_SIZE];

	if (*value == '\0' && !setting_may_be_empty(setting))
		return;
	if (setting->kind == SETTING_KIND_SECRET && !is_ours(loader, setting)) {
		loader->have_secret[i] = true;
		return;
	}
	if (setting_set(loader->config, setting, value, why)) {
		loader->have_secret[i] = setting->kind == SETTING_KIND_SECRET;
		return;
	}
	describe_place(loader, line, place, sizeof(place));
	config_problem(
	    loader->problems, true, "%s: %s: %s", place, setting->key, why);
}

static void
report_unknown(struct loader *loader, const char *key, unsigned int line)
{
	const struct setting *meant = setting_guess(key);

	config_problem(loader->problems, false,
	    "%s line %u: %.64s is not a setting%s%s%s", loader->file, line, key,
	    meant != NULL ? "; is " : "", meant != NULL ? meant->key : "",
	    meant != NULL ? " meant?" : " and has no effect");
}

/* Remembers where KEY was; says so when it was there before. */
static void
note_line(struct loader *loader, const char *key, unsigned int *seen,
    unsigned int line)
{
	if (*seen > 0)
		config_problem(loader->problems, false,
		    "%s line %u: %s was set in line %u already; this line "
		    "holds",
		    loader->file, line, key, *seen);
	*seen = line;
}

/*
 * A secret of a tool, or where its file is: toolworker/tool_secrets.c reads
 * them. One that looks like a setting misspelt is told all the same.
 */
static bool
is_for_tools(struct loader *loader, const char *key, const char *value)
{
	enum proc_role role;
	size_t len = strlen(key);
	bool is_file = len > 5 && strcmp(key + len - 5, "_FILE") == 0;

	if (!secret_find(key, is_file ? len - 5 : len, &role) ||
	    role != PROC_ROLE_TOOLWORKER || setting_guess(key) != NULL)
		return false;
	if (!is_file && *value != '\0')
		loader->holds_secrets = true;
	return true;
}

static void
on_setting(const char *key, const char *value, unsigned int line, void *arg)
{
	struct loader *loader = arg;
	const struct setting *setting = setting_find(key);

	if (setting != NULL) {
		note_line(
		    loader, key, &loader->line[setting_index(setting)], line);
		if (setting->kind == SETTING_KIND_SECRET && *value != '\0')
			loader->holds_secrets = true;
		take_value(loader, setting, value, line);
		return;
	}
	setting = setting_find_file(key);
	if (setting != NULL) {
		size_t i = setting_index(setting);

		note_line(loader, key, &loader->file_line[i], line);
		snprintf(loader->secret_file[i], sizeof(loader->secret_file[i]),
		    "%s", value);
		return;
	}
	if (!is_for_tools(loader, key, value))
		report_unknown(loader, key, line);
}

static void
on_error(unsigned int line, const char *why, void *arg)
{
	struct loader *loader = arg;

	config_problem(
	    loader->problems, true, "%s line %u: %s", loader->file, line, why);
}

static const char *
read_failure(int err)
{
	switch (err) {
	case -EFBIG:
		return "it is far too large for a configuration";
	case -EINVAL:
		return "it is not a regular file";
	default:
		return strerror(-err);
	}
}

static void
load_file(struct loader *loader)
{
	const struct env_file_handlers handlers = {
	    .on_setting = on_setting,
	    .on_error = on_error,
	    .arg = loader,
	};
	bool exposed;
	char *text;
	size_t len;
	int ret;

	ret = env_file_read(loader->file, &text, &len, &exposed);
	if (ret < 0) {
		config_problem(loader->problems, true, "%s cannot be read: %s",
		    loader->file, read_failure(ret));
		return;
	}
	env_file_parse(text, len, &handlers);
	env_file_wipe(text, len);
	if (exposed && loader->holds_secrets)
		config_problem(loader->problems, false,
		    "%s contains secrets and others may read it: "
		    "chmod 600 %s",
		    loader->file, loader->file);
}

static void
load_environment(struct loader *loader)
{
	char key[64];

	for (size_t i = 0; i < SETTING_COUNT; i++) {
		const struct setting *setting = setting_at(i);
		char *value = getenv(setting->key);

		if (value != NULL)
			take_value(loader, setting, value, 0);
		if (setting->kind != SETTING_KIND_SECRET)
			continue;
		if (value != NULL && is_ours(loader, setting)) {
			explicit_bzero(value, strlen(value));
			unsetenv(setting->key);
		}
		snprintf(key, sizeof(key), "%s_FILE", setting->key);
		value = getenv(key);
		if (value != NULL)
			snprintf(loader->secret_file[i],
			    sizeof(loader->secret_file[i]), "%s", value);
	}
}

/*
 * The keeper's NAME=value lines: raw, no quotes, no comments. A bare NAME:
 * the secret is another role's.
 */
static void
take_secret_line(struct loader *loader, char *line)
{
	char *value = strchr(line, '=');
	const struct setting *setting;

	if (value != NULL)
		*value++ = '\0';
	setting = setting_find(line);
	if (setting == NULL || setting->kind != SETTING_KIND_SECRET)
		return;
	if (value != NULL)
		take_value(loader, setting, value, 0);
	else
		loader->config->secrets_elsewhere |= UINT64_C(1)
						     << setting_index(setting);
}

static void
load_inherited_secrets(struct loader *loader)
{
	char text[PROC_ROLE_COUNT * (CONFIG_SECRET_MAX + 64)];
	char *rest = text;
	char *line;
	ssize_t len;

	if (!secret_is_memfd(PROC_FD_SECRETS))
		return;
	/* All spawns share one open file: its offset means nothing. */
	len = pread(PROC_FD_SECRETS, text, sizeof(text) - 1, 0);
	close(PROC_FD_SECRETS);
	if (len <= 0)
		return;
	text[len] = '\0';
	while ((line = strsep(&rest, "\n")) != NULL)
		take_secret_line(loader, line);
	explicit_bzero(text, sizeof(text));
}

static void
unreadable(struct loader *loader, const struct setting *setting,
    const char *path, int err)
{
	config_problem(loader->problems, true, "%s: %s cannot be read: %s",
	    setting->key, path, read_failure(err));
}

/* Of another role's: all that can be seen without reading it. */
static void
look_at_secret_file(
    struct loader *loader, const struct setting *setting, const char *path)
{
	struct stat st;

	if (access(path, R_OK) < 0)
		unreadable(loader, setting, path, -errno);
	else if (stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
		 st.st_size <= 1) /* a line end at most */
		config_problem(loader->problems, true, "%s: %s is empty",
		    setting->key, path);
}

/* Reads SETTING's value, one line, from PATH, if it is ours. */
static void
read_secret_file(struct loader *loader, const struct setting *setting,
    const char *path, bool is_credential)
{
	size_t value_len;
	bool exposed;
	char why[SETTING_WHY_SIZE];
	char *text;
	size_t len;
	int ret;

	/* One complaint about this secret is enough. */
	loader->have_secret[setting_index(setting)] = true;
	if (!is_ours(loader, setting)) {
		look_at_secret_file(loader, setting, path);
		return;
	}
	ret = env_file_read(path, &text, &len, &exposed);
	if (ret < 0) {
		unreadable(loader, setting, path, ret);
		return;
	}
	value_len = strcspn(text, "\r\n");
	if (value_len + strspn(text + value_len, "\r\n") < len) {
		config_problem(loader->problems, true,
		    "%s: %s holds more than one line", setting->key, path);
	} else if (value_len == 0) {
		config_problem(loader->problems, true, "%s: %s is empty",
		    setting->key, path);
	} else {
		text[value_len] = '\0';
		if (!setting_set(loader->config, setting, text, why))
			config_problem(loader->problems, true, "%s: %s: %s",
			    setting->key, path, why);
	}
	env_file_wipe(text, len);
	if (exposed && !is_credential)
		config_problem(loader->problems, false,
		    "%s: others may read %s: chmod 600 %s", setting->key, path,
		    path);
}

/* The file that holds SETTING according to KEY_FILE or systemd, if any. */
static void
load_secret_file(struct loader *loader, const struct setting *setting)
{
	size_t i = setting_index(setting);
	const char *credentials = getenv("CREDENTIALS_DIRECTORY");
	char path[PATH_MAX];

	if (loader->secret_file[i][0] != '\0') {
		if (loader->have_secret[i])
			config_problem(loader->problems, false,
			    "%s and %s_FILE are both set: the file is not "
			    "read",
			    setting->key, setting->key);
		else
			read_secret_file(
			    loader, setting, loader->secret_file[i], false);
		return;
	}
	if (loader->have_secret[i] || credentials == NULL)
		return;
	snprintf(path, sizeof(path), "%s/%s", credentials, setting->key);
	if (access(path, F_OK) == 0)
		read_secret_file(loader, setting, path, true);
}

static void
apply_defaults(struct loader *loader)
{
	char why[SETTING_WHY_SIZE];

	for (size_t i = 0; i < SETTING_COUNT; i++) {
		const struct setting *setting = setting_at(i);
		char *secret = setting_member(loader->config, setting);

		if (setting->kind != SETTING_KIND_SECRET)
			setting_set(
			    loader->config, setting, setting->dflt, why);
		else if (!is_ours(loader, setting))
			explicit_bzero(secret, CONFIG_SECRET_MAX);
	}
}

static bool
is_set(const struct loader *loader, const struct setting *setting)
{
	const char *value = setting_member(loader->config, setting);
	size_t i = setting_index(setting);

	return value[0] != '\0' || loader->have_secret[i] ||
	       (loader->config->secrets_elsewhere & UINT64_C(1) << i) != 0;
}

/*
 * What has no default must be set: a role's secrets, and for the supervisor,
 * which starts first and talks to the operator, everything.
 */
static void
require_values(struct loader *loader)
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		const struct setting *setting = setting_at(i);
		bool is_secret = setting->kind == SETTING_KIND_SECRET;

		if (loader->role != PROC_ROLE_SUPERVISOR &&
		    !(is_secret && is_ours(loader, setting)))
			continue;
		if (setting->min == 0 ||
		    (!is_secret && setting->kind != SETTING_KIND_TEXT))
			continue;
		if (is_set(loader, setting))
			continue;
		config_problem(loader->problems, true,
		    "%s is not set (%s): write %s=… into the "
		    "configuration%s%s%s",
		    setting->key, setting->what, setting->key,
		    is_secret ? ", or name the file that holds it in " : "",
		    is_secret ? setting->key : "", is_secret ? "_FILE" : "");
	}
}

void
config_load(struct config *config, const char *file, enum proc_role role,
    struct config_problems *problems)
{
	struct loader loader = {
	    .config = config,
	    .problems = problems,
	    .role = role,
	    .file = file,
	};

	apply_defaults(&loader);
	if (file != NULL)
		load_file(&loader);
	load_environment(&loader);
	load_inherited_secrets(&loader);
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		if (setting_at(i)->kind == SETTING_KIND_SECRET &&
		    (is_ours(&loader, setting_at(i)) ||
			role == PROC_ROLE_SUPERVISOR))
			load_secret_file(&loader, setting_at(i));
	}
	require_values(&loader);
	config_check(config, role, problems);
	setenv("TZ", config->timezone, 1);
	tzset();
}

bool
config_has_secrets(const struct config *config, enum proc_role role)
{
	const struct loader loader = {.role = role};

	for (size_t i = 0; i < SETTING_COUNT; i++) {
		const struct setting *setting = setting_at(i);
		const char *value = (const char *)config + setting->offset;

		if (setting->kind == SETTING_KIND_SECRET && setting->min > 0 &&
		    is_ours(&loader, setting) && value[0] == '\0')
			return false;
	}
	return true;
}

void
config_wipe(struct config *config)
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		if (setting_at(i)->kind == SETTING_KIND_SECRET)
			explicit_bzero(setting_member(config, setting_at(i)),
			    CONFIG_SECRET_MAX);
	}
}

/* The folder with our binary in it; "" if /proc does not tell. */
static void
binary_dir(char *dir, size_t size)
{
	ssize_t len = readlink("/proc/self/exe", dir, size - 1);

	dir[len > 0 ? len : 0] = '\0';
	if (len > 0)
		*strrchr(dir, '/') = '\0';
}

void
config_dir(const char *setting, const char *subfolder, char *path, size_t size)
{
	/* Builds are in build/ or one deeper below the source tree. */
	static const char *const trees[] = {"/..", "/../.."};
	char dir[PATH_MAX];
	char mark[PATH_MAX + 64];

	if (setting[0] != '\0') {
		snprintf(path, size, "%s", setting);
		return;
	}
	binary_dir(dir, sizeof(dir));
	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
		snprintf(mark, sizeof(mark), "%s%s/etc/telefonista.env.example",
		    dir, trees[i]);
		if (access(mark, F_OK) != 0)
			continue;
		snprintf(path, size, "%s%s/etc/%s", dir, trees[i], subfolder);
		return;
	}
	snprintf(path, size, "/etc/telefonista/%s", subfolder);
	if (access(path, F_OK) != 0)
		snprintf(path, size, TELEFONISTA_DATADIR "/%s", subfolder);
}
