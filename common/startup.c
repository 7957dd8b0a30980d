/* SPDX-License-Identifier: MIT */
/* startup.c – arguments, settings, log and memory of a process at its start. */
#include "common/startup.h"

#include "common/log.h"
#include "common/sandbox.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

const char *
startup_parse_args(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"config", required_argument, NULL, 'c'},
	    {NULL, 0, NULL, 0},
	};
	const char *config_file = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "c:", longs, NULL)) != -1) {
		if (c != 'c')
			exit(PROC_EXIT_CONFIG);
		config_file = optarg;
	}
	return config_file;
}

void
startup_lock_memory(void)
{
	const struct rlimit none = {0, 0};
	const char *dumpable = getenv("TELEFONISTA_DUMPABLE");

	if (dumpable != NULL && strcmp(dumpable, "1") == 0)
		return;
	if (setrlimit(RLIMIT_CORE, &none) != 0 ||
	    prctl(PR_SET_DUMPABLE, 0) != 0)
		log_warn("core dumps cannot be switched off error=%s",
		    strerror(errno));
}

static enum log_level
level_by_name(const char *name)
{
	if (strcmp(name, "error") == 0)
		return LOG_LEVEL_ERR;
	if (strcmp(name, "warning") == 0)
		return LOG_LEVEL_WARN;
	return strcmp(name, "debug") == 0 ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
}

void
startup_apply_log(const struct config *config)
{
	int ret;

	log_set_level(level_by_name(config->log_level));
	if (config->log_file_path[0] == '\0')
		return;
	ret = log_to_file(config->log_file_path);
	if (ret < 0)
		log_err("alarm=log_file LOG_FILE_PATH cannot be opened path=%s "
			"error=%s",
		    config->log_file_path, strerror(-ret));
}

void
startup_check_system(
    const struct config *config, struct config_problems *problems)
{
	if (geteuid() == 0 && !config->run_as_root)
		config_problem(problems, true,
		    "RUN_AS_ROOT: the service does not run as root: start it "
		    "as a user of its own (adduser --system --group "
		    "telefonista), or set RUN_AS_ROOT=yes");
	if (sandbox_mode_by_name(config->sandbox) == SANDBOX_OFF)
		config_problem(problems, false,
		    "SANDBOX=off: there are no walls around processes; only "
		    "for debugging");
	else if (sandbox_landlock_abi() == 0)
		config_problem(problems, false,
		    "SANDBOX: this kernel has no Landlock: whoever takes a "
		    "process over reads what our user may read");
}

static void
log_problems(const struct config_problems *problems, enum log_level fatal,
    enum log_level others)
{
	for (size_t i = 0; i < problems->count && i < CONFIG_PROBLEMS_MAX; i++)
		log_write(problems->list[i].fatal ? fatal : others,
		    "configuration: %s", problems->list[i].text);
}

void
startup_log_problems(const struct config_problems *problems)
{
	log_problems(problems, LOG_LEVEL_ERR, LOG_LEVEL_WARN);
}

void
startup_load_config(struct config *config, const char *file,
    enum proc_role role, enum log_level level)
{
	/* 32 kB that the stack would keep, and that are rarely needed. */
	static struct config_problems problems;

	problems.count = 0;
	config_load(config, file, role, &problems);
	startup_apply_log(config);
	log_problems(&problems,
	    config_has_secrets(config, role) ? level : LOG_LEVEL_ERR, level);
}
